"""Random programs that share memory, write in place and differentiate, run in several worlds whose meanings
must agree.

A program is a list of Python statements on tensors `t0, t1, ...` and NumPy arrays `a0, a1, ...`, so that a
failing one can be read and pasted. A world is what `torch` means in it: Flambeau, PyTorch, or `Numpy`, a
small model that needs neither. Running a program gives a log: the class of the error that a statement raised
(or None), and at each `look` everything that can be seen of all names.
"""

import random
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy_world import Array, Numpy, is_dense, is_injective

as_strided = np.lib.stride_tricks.as_strided

# ----- writing programs -----


class Statement(NamedTuple):
    """A line. `fresh` names a result with memory of its own, whose strides are nobody's business but its
    world's; `backward` says that after an error the program ends."""

    text: str
    fresh: str = ""
    backward: bool = False


class Writer:
    """Writes one program, running it in the model on the way to know the shapes."""

    def __init__(self, seed: int, kinds: dict[Callable[["Writer"], None], float]) -> None:
        self.rng, self.kinds, self.grad = random.Random(seed), kinds, Writer.backward in kinds
        self.lines: list[Statement] = []
        self.env: dict[str, Any] = {"torch": Numpy, "np": np}
        self.count = 0

    def write(self, length: int) -> list[Statement]:
        """The program: `length` statements, about."""
        while len(self.lines) < length:
            if len(self.lines) < 2 or not self.tensors():
                self.creation()
            self.rng.choices(list(self.kinds), list(self.kinds.values()))[0](self)
        return self.lines

    # What there is

    def tensors(self, fits: Callable[[Array], bool] = lambda x: True) -> list[str]:
        """The names of tensors, the oldest first."""
        return [n for n, x in self.env.items() if isinstance(x, Array) and fits(x)]

    def tensor(self) -> tuple[str, Array]:
        """A name and its value, the younger the likelier."""
        names = self.tensors()
        name = names[max(self.rng.randrange(len(names)), self.rng.randrange(len(names)))]
        return name, self.env[name]

    def operand(self, x: Array, written: bool = False) -> str:
        """A tensor that broadcasts to `x`'s shape (and may be read while `x` is written), or a number."""

        def fits(y: Array) -> bool:
            if y.dtype == bool or (self.grad and x.dtype != y.dtype):  # PyTorch saves what it casts
                return False
            return _broadcasts(y.shape, x.shape) and (not written or _clear(x, y))

        names = self.tensors(fits)
        if names and self.rng.random() < 0.75:
            return self.rng.choice(names)
        return self.rng.choice(["2", "-1", "0.5", "3"])

    def masks(self, x: Array) -> list[str]:
        """Boolean tensors of `x`'s shape."""
        return self.tensors(lambda y: y.dtype == bool and y.shape == x.shape)

    def name(self, letter: str) -> str:
        """A new name."""
        self.count += 1
        return f"{letter}{self.count}"

    def add(self, text: str, name: str = "", fresh: bool = False, modelled: bool = True) -> None:
        """Adds a line (assigned to `name`) and, if it is modelled, runs it."""
        text = f"{name} = {text}" if name else text
        if self.grad and modelled and self.rng.random() < 0.12:
            text = f"with torch.no_grad(): {text}"
        self.lines.append(Statement(text, name if fresh else "", not modelled))
        if modelled:
            with suppress(Exception):  # so will it be in the other worlds, or the test fails
                exec(compiled(text), self.env)

    # Kinds of statements

    def creation(self) -> None:
        """A tensor from nothing, from numbers or on an array's memory."""
        rng, name = self.rng, self.name("t")
        shape = [rng.choice([1, 2, 3, 3, 4]) for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3]))]
        d = rng.choice(["float64"] * 6 + ["float32", "int64", "complex64"])
        kind = rng.randrange(4)
        if kind == 0 and not d.startswith("c"):
            array, large = self.name("a"), [e + 2 for e in shape]
            steps = ", ".join(rng.choice(["::2", "1:", ":", ":"]) for _ in shape)
            self.add(f"np.array(np.arange({_size(large)}, dtype=np.{d}).reshape({large}) - 3)", array)
            self.add(f"torch.from_numpy({array}[{steps}])" if shape else f"torch.from_numpy({array})", name)
        elif kind == 1:
            self.add(f"torch.zeros({shape}, dtype=torch.{d})", name, fresh=True)
        else:
            values = rng.choice([1, 2]) * np.arange(_size(shape)).reshape(shape) - rng.randrange(4)
            self.add(f"torch.tensor({values.tolist()}, dtype=torch.{d})", name, fresh=True)
        if self.grad and not d.startswith("i") and rng.random() < 0.5:
            self.add(f"{name}.requires_grad_()")

    def view(self) -> None:
        """A view of a tensor, or the tensor itself, or a copy where there can't be a view."""
        rng, (name, x) = self.rng, self.tensor()
        if 0 in x.shape:
            return
        shape, rank = x.shape, len(x.shape)
        options = [
            ".unsqueeze(0)", ".squeeze()", ".detach()", ".contiguous()", f".expand{(2, *shape)}",
            f".view{_reshaped(rng, shape)}", f".reshape{_reshaped(rng, shape)}",
        ]  # fmt: skip
        if rank:
            d = rng.randrange(rank)
            i = rng.randrange(shape[d])
            index = ", ".join(rng.choice([":", "0", "-1", "1:", ":-1", "::2", "None"]) for _ in shape)
            strides = tuple(rng.randint(1, 3) for _ in shape)
            options += [
                f".select({d}, {i})", f".narrow({d}, {i}, {rng.randint(1, shape[d] - i)})", f".squeeze({d})",
                f".unfold({d}, {rng.randint(1, shape[d])}, {rng.randint(1, 2)})", f"[{index}]", f"[{index}]",
                f".transpose({d}, {rng.randrange(rank)})", f"[{rng.randrange(shape[0])}]",
                f".permute({_list(rng.sample(range(rank), rank))})", f"[..., {rng.randrange(shape[-1])}]",
                f".split({rng.randint(1, 2)}, {d})[{rng.randrange(2)}]", f".unbind({d})[{i}]",
                f".as_strided({shape}, {strides}, {rng.randrange(3)})",
            ]  # fmt: skip
        if rank > 1:
            options.append(f".diagonal({rng.randint(-1, 1)})")
        if x.dtype.kind == "c":
            options += [".real", ".imag"] * 3
        self.add(name + rng.choice(options), self.name("t"))

    def data(self) -> None:
        """The memory outside of history."""
        self.add(f"{self.tensor()[0]}.data", self.name("t"))

    def calculation(self) -> None:
        """A new value."""
        rng, (t, x) = self.rng, self.tensor()
        if x.dtype == bool:
            return
        other, dtypes = self.operand(x), {"float64", "float32", "int64", "complex64"} - {str(x.dtype)}
        options = [
            f"{t} * {other}", f"{t} + {other}", f"{t} - {other}", f"{t}.square()", f"{t}.neg()", f"{t}.sum()",
            f"{t}.clone()", f"torch.stack([{t}, {t}])", f"{t}.to(torch.{rng.choice(sorted(dtypes))})",
        ]  # fmt: skip
        if x.dtype.kind == "c":
            options.pop()
        else:
            options += [f"{t}.relu()", f"{t}.abs()", f"{t} > 0.3"]
            options += [f"{t}.amax({rng.randrange(len(x.shape))})"] if x.shape else []
        if x.shape:
            like = self.tensors(lambda y: y.dtype == x.dtype and y.shape[1:] == x.shape[1:] and y.shape != ())
            options += [f"{t}.sum({rng.randrange(len(x.shape))})", f"torch.cat([{t}, {rng.choice(like)}])"]
            options += [f"{t}[torch.tensor([0, -1], dtype=torch.int64)]"]
        for mask in self.masks(x):
            options += [f"torch.where({mask}, {t}, {t} * 2)", f"{t}[{mask}]"]
        self.add(rng.choice(options), self.name("t"), fresh=True)

    def writing(self) -> None:
        """A write in place."""
        rng, (t, x) = self.rng, self.tensor()
        one_place_each = is_injective(x.value)
        error_or_filling = any(s == 0 and e > 1 for s, e in zip(x.value.strides, x.shape, strict=True))
        if x.dtype == bool or 0 in x.shape or not (one_place_each or (error_or_filling and not self.grad)):
            return
        other = self.operand(x, written=True)
        out = rng.choice(self.tensors(lambda y: y is x or (y.shape == x.shape and _apart(x, y))))
        options = [
            f"{t}.add_({other})", f"{t}.mul_({other})", f"{t}.sub_({other})", f"{t} += {other}",
            f"{t} *= {other}", f"{t}.fill_({rng.randint(-2, 2)})", f"{t}.neg_()", f"{t}.square_()",
            f"{t}.zero_()",
            f"torch.add({t}, 1, out={out})", f"torch.mul({t}, 2, out={out})",
        ]  # fmt: skip
        if x.dtype.kind != "c":
            options.append(f"{t}.relu_()")
        if other[0] == "t":
            options += [f"{t}.copy_({other})", f"{t}[...] = {other}"] * 3
        if one_place_each:
            options += [o for m in self.masks(x) for o in (f"{t}[{m}] = 7", f"{t}.masked_fill_({m}, 4)")]
        if one_place_each and x.shape:
            index, d = "torch.tensor([0], dtype=torch.int64)", rng.randrange(len(x.shape))
            options += [
                f"{t}[{rng.randrange(x.shape[0])}] = 5", f"{t}[..., {rng.randrange(x.shape[-1])}] += 2",
                f"{t}[{':, ' * (len(x.shape) - 1)}1:] *= 2", f"{t}.index_fill_({d}, {index}, 6)",
                f"{t}[{index}] = 7",
            ]  # fmt: skip
        self.add(rng.choice(options))

    def export(self) -> None:
        """An array on a tensor's memory."""
        self.add(f"{self.tensor()[0]}{self.rng.choice(['.detach()'] * 3 + [''])}.numpy()", self.name("a"))

    def array_writing(self) -> None:
        """A write to an array."""
        arrays = {n: x for n, x in self.env.items() if isinstance(x, np.ndarray) and is_injective(x)}
        if arrays:
            a = self.rng.choice(list(arrays))
            options = [f"{a}[...] = 3", f"{a} *= 2", f"{a}[..., :1] = 8" if arrays[a].ndim else f"{a} += 1"]
            self.add(self.rng.choice(options))

    def deletion(self) -> None:
        """One name less."""
        names = [n for n, x in self.env.items() if isinstance(x, (Array, np.ndarray))]
        if len(names) > 3:
            self.add(f"del {self.rng.choice(names)}")

    def look(self) -> None:
        """A look at everything."""
        self.lines.append(Statement("look()"))

    def backward(self) -> None:
        """A backward pass."""
        t, x = self.tensor()
        scaled = f"({t}{'.real' if x.dtype.kind == 'c' else ''} * {self.operand(x)})"
        self.add(f"{scaled}.sum().backward({self.rng.choice(['', 'retain_graph=True'])})", modelled=False)
        self.look()

    def leaf(self) -> None:
        """A tensor that requires gradients from now on."""
        t, x = self.tensor()
        if "c" not in x.dtype.kind + x.memory.flat.dtype.kind:  # PyTorch mixes up complex and real views
            self.add(f"{t}.requires_grad_()")

    def grad(self) -> None:
        """A gradient kept or cleared."""
        new = [line.fresh for line in self.lines if line.fresh in self.env]  # no views
        if new:
            chosen = self.rng.choice([".grad = None", ".retain_grad()"])
            self.add(self.rng.choice(new) + chosen, modelled=False)


Kinds = dict[Callable[[Writer], None], float]
WITHOUT_GRAD: Kinds = {
    Writer.creation: 1, Writer.view: 4, Writer.calculation: 3, Writer.writing: 5, Writer.export: 0.5,
    Writer.array_writing: 1, Writer.deletion: 1.5, Writer.look: 0.7, Writer.data: 0.3,
}  # fmt: skip
EVERYTHING: Kinds = {**WITHOUT_GRAD, Writer.backward: 0.8, Writer.leaf: 0.4, Writer.grad: 0.3}
UNSEEN = (Writer.data, Writer.array_writing)  # writes that autograd doesn't see spoil what PyTorch has saved
WITH_GRAD: Kinds = {kind: weight for kind, weight in EVERYTHING.items() if kind not in UNSEEN}


def _size(shape: Any) -> int:
    return int(np.prod(shape, dtype=int))


def _list(values: Any) -> str:
    return ", ".join(map(str, values))


def _reshaped(rng: random.Random, shape: tuple) -> str:
    size = _size(shape)
    first = rng.choice([f for f in range(1, size + 1) if size % f == 0])
    return f"({_list(rng.choice([[size], [first, size // first], [1, size], shape or [1]]))})"


def _broadcasts(a: tuple, b: tuple) -> bool:
    try:
        return np.broadcast_shapes(a, b) == b
    except ValueError:
        return False


def _apart(x: Array, y: Array) -> bool:
    return y.dtype != bool and is_injective(y.value) and not np.shares_memory(x.value, y.value)


def _clear(x: Array, y: Array) -> bool:
    """Whether it is clear what writing to `x` from `y` means, or that it is an error."""
    if x is y or not np.shares_memory(x.value, y.value):
        return True
    return x.shape == y.shape and 1 not in x.shape and is_dense(x.value) and is_dense(y.value)


def write_program(seed: int, length: int, kinds: Kinds) -> list[Statement]:
    """The program number `seed`."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return Writer(seed, kinds).write(length)


@cache
def compiled(text: str) -> Any:
    """The code of a line."""
    return compile(text, "<program>", "exec")


# ----- running programs -----


class World(NamedTuple):
    """What `torch` is, how to read a tensor without exporting its memory, what to do before each line, and
    what to do with a fresh result."""

    torch: Any
    is_tensor: Callable[[Any], bool]
    read: Callable[[Any], np.ndarray]
    before: Callable[[dict[str, Any]], None] = lambda env: None
    settle: Callable[[Any], None] = lambda t: None


NUMPY = World(Numpy, lambda x: isinstance(x, Array), lambda x: x.value)


def run(program: list[Statement], world: World) -> list[Any]:
    """The log of a program in a world."""
    env: dict[str, Any] = {"torch": world.torch, "np": np}
    log: list[Any] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for line in program:
            world.before(env)
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
                for x in filter(world.is_tensor, env.values()):
                    x.grad = None
                break
            if line.fresh and error is None and not line.text.endswith(".clone()"):  # which keeps strides
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
    found = {"value": world.read(x).copy(), "shape": tuple(x.shape), "_version": x._version}
    found["dtype"] = str(x.dtype).removeprefix("torch.")
    if isinstance(x, Array):
        return found
    try:
        found |= {"history": x.grad_fn is not None, "is_leaf": x.is_leaf}
    except RuntimeError:
        found["history"] = "RuntimeError"
    leads = [e > 1 and 0 not in x.shape for e in x.shape]  # the others' strides are nobody's business
    found |= {
        "requires_grad": x.requires_grad,
        "stride": tuple(compress(x.stride(), leads)),
        "offset": x.storage_offset(),
    }
    found["grad"] = None if x.grad is None else world.read(x.grad).copy()
    return found


def sharing(env: dict[str, Any], world: World) -> list[tuple[str, str]]:
    """Which names look at overlapping ranges of memory."""
    arrays = {n: x for n, x in env.items() if isinstance(x, np.ndarray)}
    for n, x in env.items():
        if world.is_tensor(x):
            with suppress(Exception):  # the tensor's value has failed
                arrays[n] = x.detach().numpy()
    names = [n for n in arrays if arrays[n].size]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[:i]]
    return [(a, b) for a, b in pairs if np.may_share_memory(arrays[a], arrays[b])]


def difference(a: Any, b: Any) -> str:
    """The first difference between two logs, in words; empty if there is none. What only one of them knows
    doesn't count."""
    for i, (x, y) in enumerate(zip(a, b, strict=False)):
        if not isinstance(x, dict):
            if x != y:
                return f"line {i + 1}: {x} and {y}"
            continue
        if x.keys() != y.keys():
            return f"line {i + 1}: {set(x) ^ set(y)} only in one"
        for name in x:
            for fact in sorted(x[name].keys() & y[name].keys()):
                one, other = x[name][fact], y[name][fact]
                if not _same(one, other):
                    return f"line {i + 1}: {name}, {fact}: {_short(one)} and {_short(other)}"
    return ""


def _short(fact: Any) -> str:
    text = " ".join(repr(fact).split())
    return text if len(text) < 200 else text[:200] + "..."


def _same(x: Any, y: Any) -> bool:
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return x.shape == y.shape and (np.array_equal(x, y) or np.allclose(x, y, 1e-5, 1e-6, equal_nan=True))
    return type(x) is type(y) and not isinstance(x, np.ndarray) and x == y


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
            short = shrink(program, lambda p, w=other: difference(run(p, world), run(p, w)))
            found = difference(run(short, world), run(short, other))
            raise AssertionError(f"{name}: {found}\n\n" + "\n".join(line.text for line in short))


# ----- the worlds of Flambeau -----


def flambeau_worlds(seed: int, mode: str = "interpret") -> dict[str, World]:
    """Flambeau in a mode, under three policies of doing pending work: only when somebody looks, after each
    statement (interpreted: at each operation), and at random moments."""
    import flambeau as torch
    from flambeau.core.config import config

    recorder, rng = torch.recorder, random.Random(seed)

    def never(env: dict[str, Any]) -> None:
        config.mode = mode
        recorder.relax()

    def each(env: dict[str, Any]) -> None:
        config.mode = "eager" if mode == "interpret" else mode
        recorder.relax()
        recorder.flush("test")

    def at_random(env: dict[str, Any]) -> None:
        config.mode = mode
        if len(env) == 2:  # the program begins: the same moments each time
            rng.seed(seed)
        if rng.random() < 0.3:
            recorder.flush("test")
        recorder.limit = len(recorder.pending) + rng.choice([1, 2, 4, 1000])

    def world(before: Callable[[dict[str, Any]], None]) -> World:
        return World(torch, lambda x: isinstance(x, torch.Tensor), lambda t: t._value("test"), before)

    return {"never": world(never), "each": world(each), "at random": world(at_random)}
