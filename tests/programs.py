"""Random programs that share memory, write in place and differentiate, run in several worlds whose meanings
must agree.

A program is a list of Python statements on tensors `t0, t1, ...` and NumPy arrays `a0, a1, ...`, so that a
failing one can be read and pasted. A world is what `torch` means in it: Flambeau, PyTorch, or `Numpy`, a
small model here that needs neither. Running a program gives a log: the class of the error that a statement
raised (or None), and at each `look` everything that can be seen of all names.
"""

import random
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy_world import Array, Numpy

as_strided = np.lib.stride_tricks.as_strided

# ----- writing programs -----


class Statement(NamedTuple):
    """A line. `fresh` names a result with memory of its own, whose strides are no world's business but its
    own."""

    text: str
    fresh: str = ""
    backward: bool = False


class Writer:
    """Writes one program, running it in the model on the way to know the shapes. `grad`: with
    differentiation."""

    def __init__(self, seed: int, grad: bool) -> None:
        self.rng, self.grad = random.Random(seed), grad
        self.lines: list[Statement] = []
        self.env: dict[str, Any] = {"torch": Numpy, "np": np}
        self.count = 0

    def write(self, length: int) -> list[Statement]:
        for _ in range(2):
            self.creation()
        while len(self.lines) < length:
            if not self.tensors():
                self.creation()
            kinds = WITH_GRAD if self.grad else WITHOUT_GRAD
            self.rng.choices(list(kinds), list(kinds.values()))[0](self)
        return self.lines

    # What there is

    def tensors(self) -> list[str]:
        return [n for n, v in self.env.items() if isinstance(v, Array)]

    def tensor(self) -> tuple[str, Array]:
        """A name and its value, the younger the likelier."""
        names = self.tensors()
        name = names[max(self.rng.randrange(len(names)), self.rng.randrange(len(names)))]
        return name, self.env[name]

    def like(self, shape: tuple) -> str:
        """A tensor that broadcasts to `shape`, or a number."""
        fits = [
            n for n in self.tensors() if _broadcasts(self.env[n].shape, shape) and self.env[n].dtype != bool
        ]
        return (
            self.rng.choice(fits)
            if fits and self.rng.random() < 0.75
            else self.rng.choice(["2", "-1", "0.5", "3"])
        )

    def add(self, text: str, *, new: bool = False, fresh: bool = False, backward: bool = False) -> None:
        name = ""
        if new:
            name, self.count = f"t{self.count}", self.count + 1
            text = f"{name} = {text}"
        if self.grad and not backward and self.rng.random() < 0.12:
            text = f"with torch.no_grad(): {text}"
        self.lines.append(Statement(text, name if fresh else "", backward))
        if not backward:
            with suppress(Exception):  # so will it be in the other worlds, or the test fails
                exec(compiled(text), self.env)

    # Kinds of statements

    def creation(self) -> None:
        rng = self.rng
        shape = [rng.choice([1, 2, 3, 3, 4]) for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3]))]
        d = rng.choice(["float64"] * 6 + ["float32", "int64", "complex64"])
        kind = rng.randrange(4)
        if kind == 0 and not d.startswith("c"):
            self.count += 1
            name, steps = (
                f"a{self.count}",
                "".join([rng.choice(["::2, ", "1:, ", ":, ", ":, "]) for _ in shape]),
            )
            twice = [e + 2 for e in shape]
            self.add(
                f"{name} = np.array(np.arange({np.prod(twice, dtype=int)}, dtype=np.{d}).reshape({twice}) - "
                f"3)"
            )
            self.add(
                f"torch.from_numpy({f'{name}[{steps}]' if shape and rng.random() < 0.7 else name})", new=True
            )
        elif kind == 1:
            self.add(f"torch.zeros({shape}, dtype=torch.{d})", new=True, fresh=True)
        else:
            values = (
                rng.choice([1, 2]) * np.arange(np.prod(shape, dtype=int)).reshape(shape) - rng.randrange(4)
            ).tolist()
            self.add(f"torch.tensor({values}, dtype=torch.{d})", new=True, fresh=True)
        if self.grad and not d.startswith("i") and rng.random() < 0.5:
            self.add(f"t{self.count - 1}.requires_grad_()")

    def view(self) -> None:
        rng, (name, x) = self.rng, self.tensor()
        rank, shape = len(x.shape), x.shape
        d = rng.randrange(rank) if rank else 0
        options = [
            "unsqueeze(0)",
            "squeeze()",
            "detach()",
            f"view{_reshaped(rng, shape)}",
            f"reshape{_reshaped(rng, shape)}",
            "contiguous()",
        ]
        options += [f"expand{(2, *shape)}"]
        if 0 in shape:
            return
        if rank:
            n = shape[d]
            i = rng.randrange(n)
            index = ", ".join(rng.choice([":", "0", "-1", "1:", ":-1", "::2", "None"]) for _ in range(rank))
            options += [
                f"select({d}, {i})", f"narrow({d}, {i}, {rng.randrange(n - i) + 1})",
                f"unfold({d}, {rng.randint(1, n)}, {rng.randint(1, 2)})",
                f"squeeze({d})", f"transpose({d}, {rng.randrange(rank)})",
                f"permute{_call(rng.sample(range(rank), rank))}",
                f"[{index}]", f"[{index}]", f"[{i}]", f"[..., {rng.randrange(shape[-1])}]",
                f"as_strided({shape}, {tuple(rng.randint(1, 3) for _ in shape)}, {rng.randrange(3)})",
            ]  # fmt: skip
            if rng.random() < 0.25:
                a, self.count = f"t{self.count}", self.count + 1
                parts = rng.choice([f"split({rng.randint(1, 2)}, {d})", f"unbind({d})"])
                self.add(f"{a} = {name}.{parts}[{rng.randrange(2)}]")
                return
        if rank >= 2:
            options += [f"diagonal({rng.randint(-1, 1)})"]
        if x.dtype.kind == "c":
            options += ["real", "imag"] * 3
        chosen = rng.choice(options)
        self.add(name + ("" if chosen[0] == "[" else ".") + chosen, new=True)

    def data(self) -> None:
        self.add(f"{self.tensor()[0]}.data", new=True)

    def calculation(self) -> None:
        rng, (name, x) = self.rng, self.tensor()
        if x.dtype == bool:
            return
        other = self.like(x.shape)
        options = [
            f"{name} * {other}", f"{name} + {other}", f"{name} - {other}", f"{name}.square()",
            f"{name}.relu()", f"{name}.neg()", f"{name}.abs()",
            f"{name}.clone()", f"{name}.sum()",
            f"{name}.to(torch.{rng.choice(['float64', 'float32', 'int64', 'complex64'])})",
            f"{name} > 0.3", f"torch.stack([{name}, {name}])",
        ]  # fmt: skip
        if x.shape:
            d = rng.randrange(len(x.shape))
            same = [
                n
                for n in self.tensors()
                if self.env[n].shape[1:] == x.shape[1:] and self.env[n].shape and self.env[n].dtype == x.dtype
            ]
            options += [f"{name}.sum({d})", f"{name}.amax({d})", f"torch.cat([{name}, {rng.choice(same)}])"]
            masks = [n for n in self.tensors() if self.env[n].dtype == bool and self.env[n].shape == x.shape]
            if masks:
                options += [f"torch.where({masks[0]}, {name}, {name} * 2)", f"{name}[{masks[0]}]"] * 2
        chosen = rng.choice(options)
        real = chosen.endswith(("abs()", "> 0.3", "relu()")) or ".amax" in chosen or "int64" in chosen
        if real and x.dtype.kind in "cb":
            return
        if chosen.endswith(f"{x.dtype})"):
            return  # `to` what it is already: the tensor itself, under a second name
        self.add(chosen, new=True, fresh=True)

    def writing(self) -> None:
        rng, (name, x) = self.rng, self.tensor()
        if x.dtype == bool or not _writable(x) or 0 in x.shape:
            return
        other = self.like(x.shape)
        name_of_out = rng.choice(
            [n for n in self.tensors() if self.env[n].shape == x.shape and _writable(self.env[n])]
        )
        options = [
            f"{name}.add_({other})", f"{name}.mul_({other})", f"{name}.sub_({other})", f"{name} += {other}",
            f"{name} *= {other}",
            f"{name}.zero_()", f"{name}.fill_({rng.randint(-2, 2)})", f"{name}.neg_()", f"{name}.square_()",
            f"{name}.relu_()",
            f"torch.add({name}, 1, out={name_of_out})", f"torch.mul({name}, 2, out={name_of_out})",
        ]  # fmt: skip
        if other[0] == "t":
            options += [f"{name}.copy_({other})", f"{name}[...] = {other}"] * 3
        masks = [n for n in self.tensors() if self.env[n].dtype == bool and self.env[n].shape == x.shape]
        if masks:
            options += [f"{name}[{masks[-1]}] = 7", f"{name}.masked_fill_({masks[-1]}, 4)"] * 2
        if x.shape:
            d = rng.randrange(len(x.shape))
            i = rng.randrange(x.shape[-1])
            options += [
                f"{name}[..., {i}] += 2",
                f"{name}[{rng.randrange(x.shape[0])}] = 5",
                f"{name}[:, 1:] *= 2" if len(x.shape) > 1 else f"{name}[1:] *= 2",
            ]
            options += [f"{name}.index_fill_({d}, torch.tensor([0], dtype=torch.int64), 6)"]
        chosen = rng.choice(options)
        if x.dtype.kind == "c" and "relu" in chosen:
            return
        self.add(chosen)

    def export(self) -> None:
        self.count += 1
        self.add(f"a{self.count} = {self.tensor()[0]}{self.rng.choice(['.detach()'] * 3 + [''])}.numpy()")

    def array_writing(self) -> None:
        names = [n for n, v in self.env.items() if isinstance(v, np.ndarray) and v.size and _distinct(v)]
        if names:
            name = self.rng.choice(names)
            self.add(
                self.rng.choice(
                    [
                        f"{name}[...] = 3",
                        f"{name} *= 2",
                        f"{name}[..., :1] = 8" if self.env[name].ndim else f"{name} += 1",
                    ]
                )
            )

    def deletion(self) -> None:
        names = [n for n, v in self.env.items() if isinstance(v, (Array, np.ndarray))]
        if len(names) > 3:
            self.add(f"del {self.rng.choice(names)}")

    def look(self) -> None:
        self.lines.append(Statement("look()"))

    def backward(self) -> None:
        (name, x), keep = self.tensor(), self.rng.choice(["", "retain_graph=True"])
        if x.dtype.kind == "c":
            name = f"{name}.real"
        self.add(f"({name} * {self.like(x.shape)}).sum().backward({keep})", backward=True)
        self.look()

    def leaf(self) -> None:
        self.add(f"{self.tensor()[0]}.requires_grad_({self.rng.choice(['', '', 'False'])})")

    def grad_cleared(self) -> None:
        self.add(f"{self.tensor()[0]}.grad = None", backward=True)


WITHOUT_GRAD: dict[Callable, float] = {
    Writer.creation: 1, Writer.view: 4, Writer.data: 0.2, Writer.calculation: 3, Writer.writing: 5,
    Writer.export: 0.5, Writer.array_writing: 1,
    Writer.deletion: 1.5, Writer.look: 0.7,
}  # fmt: skip
WITH_GRAD = {**WITHOUT_GRAD, Writer.backward: 0.8, Writer.leaf: 0.4, Writer.grad_cleared: 0.2}


def _broadcasts(a: tuple, b: tuple) -> bool:
    try:
        return np.broadcast_shapes(a, b) == b
    except ValueError:
        return False


def _call(values: Any) -> str:
    return "(" + ", ".join(map(str, values)) + ")"


def _reshaped(rng: random.Random, shape: tuple) -> str:
    size = int(np.prod(shape, dtype=int))
    factors = [f for f in range(1, size + 1) if size % f == 0] or [1]
    first = rng.choice(factors)
    return rng.choice(
        [_call([size]), _call([first, size // first]), _call([1, size]), _call(shape) if shape else "(1)"]
    )


def _distinct(value: np.ndarray) -> bool:
    """Whether no two elements share memory (what writes to such arrays leave behind is nobody's promise)."""
    numbers = as_strided(np.arange(10_000), value.shape, [s // value.itemsize * 8 for s in value.strides])
    return len(np.unique(numbers)) == numbers.size


def _writable(x: Array) -> bool:
    return _distinct(x.value) or 0 in x.value.strides


def write_program(seed: int, length: int, grad: bool) -> list[Statement]:
    """The program number `seed`."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return Writer(seed, grad).write(length)


@cache
def compiled(text: str) -> Any:
    """The code of a line."""
    return compile(text, "<program>", "exec")


# ----- running programs -----


class World(NamedTuple):
    """What `torch` is, how to read a tensor without exporting its memory, what to do before each line, and to
    a fresh result."""

    torch: Any
    is_tensor: Callable[[Any], bool]
    read: Callable[[Any], np.ndarray]
    before: Callable[[], None] = lambda: None
    settle: Callable[[Any], None] = lambda t: None


NUMPY = World(Numpy, lambda x: isinstance(x, Array), lambda x: x.value)


def run(program: list[Statement], world: World) -> list[Any]:
    """The log of a program in a world."""
    env: dict[str, Any] = {"torch": world.torch, "np": np}
    log: list[Any] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for line in program:
            world.before()
            if line.text == "look()":
                log.append(look(env, world))
                continue
            error = None
            try:
                exec(compiled(line.text), env)
            except Exception as e:
                error = type(e).__name__
            log.append(error)
            if error and line.backward:  # which leaves have got their gradient by then is nobody's promise
                break
            if line.fresh and error is None:
                world.settle(env[line.fresh])
        log.append(look(env, world))
        log.append(sharing(env, world))
    return log


def look(env: dict[str, Any], world: World) -> dict[str, dict[str, Any]]:
    """All that can be seen of all names."""
    seen = {}
    for name, x in env.items():
        if world.is_tensor(x):
            seen[name] = facts(x, world)
        elif isinstance(x, np.ndarray):
            seen[name] = {"value": x.copy(), "dtype": x.dtype.name}
    return seen


def facts(x: Any, world: World) -> dict[str, Any]:
    """What can be seen of one tensor. A world without gradients or strides has fewer facts."""
    value = world.read(x)
    found = {
        "value": value.copy(),
        "shape": tuple(x.shape),
        "dtype": str(x.dtype).removeprefix("torch."),
        "_version": x._version,
    }
    if isinstance(x, Array):
        return found
    try:
        found["history"] = x.grad_fn is not None
    except RuntimeError:
        found["history"] = "RuntimeError"
    found |= {
        "requires_grad": x.requires_grad,
        "is_leaf": x.is_leaf,
        "grad": None,
        "stride": x.stride(),
        "offset": x.storage_offset(),
    }
    if x.grad is not None:
        found["grad"] = world.read(x.grad).copy()
        found |= {"grad._version": x.grad._version, "grad.requires_grad": x.grad.requires_grad}
    return found


def sharing(env: dict[str, Any], world: World) -> list[tuple[str, str]]:
    """Which names look at overlapping ranges of memory."""
    arrays = {n: x for n, x in env.items() if isinstance(x, np.ndarray)}
    arrays |= {n: x.detach().numpy() for n, x in env.items() if world.is_tensor(x)}
    names = [n for n in arrays if arrays[n].size]
    return [
        (a, b) for i, a in enumerate(names) for b in names[:i] if np.may_share_memory(arrays[a], arrays[b])
    ]


def difference(a: Any, b: Any) -> str:
    """The first difference between two logs, in words; empty if there is none. Facts that one of them lacks
    don't count."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if not isinstance(x, dict):
            if x != y:
                return f"line {i + 1}: {x} and {y}"
            continue
        if x.keys() != y.keys():
            return f"line {i + 1}: {set(x) ^ set(y)} only in one"
        for name in x:
            for fact in x[name].keys() & y[name].keys():
                if not _same(x[name][fact], y[name][fact]):
                    return (
                        f"line {i + 1}: {name}, {fact}: {_short(x[name][fact])} and {_short(y[name][fact])}"
                    )
    return ""


def _short(fact: Any) -> str:
    text = " ".join(repr(fact).split())
    return text if len(text) < 200 else text[:200] + "..."


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return x.shape == y.shape and (np.array_equal(x, y) or np.allclose(x, y, 1e-5, 1e-6, equal_nan=True))
    return bool(x == y)


def shrink(program: list[Statement], differs: Callable[[list[Statement]], str]) -> list[Statement]:
    """A shorter program that still differs: lines are dropped as long as that is so."""
    size = len(program) // 2
    while size:
        start = 0
        while start < len(program):
            shorter = program[:start] + program[start + size :]
            if differs(shorter):
                program = shorter
            else:
                start += size
        size //= 2
    return program


def check(program: list[Statement], world: World, others: dict[str, World]) -> None:
    """AssertionError, with a short program to paste, if another world's log differs from the first one's."""
    expected = run(program, world)
    for name, other in others.items():
        if difference(expected, run(program, other)):
            short = shrink(program, lambda p: difference(run(p, world), run(p, other)))
            found = difference(run(short, world), run(short, other))
            raise AssertionError(f"{name}: {found}\n\n" + "\n".join(line.text for line in short))


# ----- the worlds of Flambeau -----


def flambeau_worlds() -> dict[str, World]:
    """Flambeau under three policies of doing pending work: only when somebody looks, at each operation, at
    random moments."""
    import flambeau as torch
    from flambeau.core.config import config

    recorder, rng = torch.recorder, random.Random(0)

    def never() -> None:
        if config.mode != "interpret":
            config.mode = "interpret"
            recorder.relax()

    def each() -> None:
        config.mode, recorder.limit = "eager", 1

    def at_random() -> None:
        never()
        if rng.random() < 0.3:
            recorder.flush("test")
        recorder.limit = len(recorder.pending) + rng.choice([1, 2, 4, 1000])

    def world(before: Callable[[], None]) -> World:
        return World(torch, lambda x: isinstance(x, torch.Tensor), lambda t: t._value("test"), before)

    return {"never": world(never), "each": world(each), "at random": world(at_random)}
