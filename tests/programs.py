"""Random programs that share memory, write in place and differentiate, run in several worlds whose meanings must agree.

A program is a list of Python statements on tensors `t0, t1, ...` and NumPy arrays `a0, a1, ...`, so that a failing one can be read and
pasted. A world is what `torch` means in it: Flambeau, PyTorch, or `Numpy`, a small model here that needs neither. Running a program gives
a log: the class of the error that a statement raised (or None), and at each `look` everything that can be seen of all names.
"""

import random
import warnings
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

as_strided = np.lib.stride_tricks.as_strided

# ----- the world of NumPy -----


class Memory:
    """What views of one memory share: its first element on, and how often it was written to."""

    def __init__(self, flat: np.ndarray) -> None:
        self.flat, self.version = flat, [0]


class Array:
    """A tensor without history: an array, the memory that it looks at, and a counter of writes."""

    def __init__(self, value: Any, memory: Memory | None = None, version: list | None = None) -> None:
        self.value = value if memory else np.array(value, order="C", copy=True)
        self.memory = memory or Memory(self.value.reshape(-1))
        self.version = version or self.memory.version

    # Views

    def _see(self, value: np.ndarray) -> "Array":
        return Array(value, self.memory, self.version)

    def __getitem__(self, index: Any) -> "Array":
        if isinstance(index, Array):
            return Array(self.value[index.value])
        return self._see(self.value[index if isinstance(index, tuple) else (index, ...)])

    def view(self, *shape: int) -> "Array":
        try:
            return self._see(np.reshape(self.value, shape, copy=False))
        except ValueError as e:
            raise RuntimeError(*e.args) from e

    def reshape(self, *shape: int) -> "Array":
        try:
            return self._see(np.reshape(self.value, shape, copy=False))
        except ValueError:
            return Array(self.value.reshape(shape))

    def permute(self, *order: int) -> "Array":
        return self._see(self.value.transpose(order))

    def transpose(self, a: int, b: int) -> "Array":
        return self._see(self.value.swapaxes(a, b))

    def expand(self, *shape: int) -> "Array":
        flat = np.broadcast_to(self.value, shape)
        return self._see(as_strided(self.value, flat.shape, flat.strides))

    def select(self, dim: int, i: int) -> "Array":
        return self._see(self.value[(slice(None),) * dim + (i, ...)])

    def narrow(self, dim: int, first: int, count: int) -> "Array":
        return self._see(self.value[(slice(None),) * dim + (slice(first, first + count),)])

    def split(self, size: int, dim: int) -> list["Array"]:
        extent = self.value.shape[dim]
        return [self.narrow(dim, i, min(size, extent - i)) for i in range(0, extent, size)]

    def unbind(self, dim: int) -> list["Array"]:
        return [self.select(dim, i) for i in range(self.value.shape[dim])]

    def diagonal(self, offset: int) -> "Array":
        seen = np.diagonal(self.value, offset)
        return self._see(as_strided(seen, seen.shape, seen.strides, writeable=True))

    def unfold(self, dim: int, size: int, step: int) -> "Array":
        shape, strides = list(self.value.shape), list(self.value.strides)
        shape[dim], strides[dim] = (shape[dim] - size) // step + 1, strides[dim] * step
        return self._see(as_strided(self.value, (*shape, size), (*strides, self.value.strides[dim])))

    def as_strided(self, shape: tuple, strides: tuple, offset: int) -> "Array":
        size = self.value.itemsize
        flat = self.memory.flat.view(self.value.dtype)
        if offset + sum((e - 1) * s for e, s in zip(shape, strides, strict=True)) >= flat.size:
            raise RuntimeError("beyond the storage")
        return self._see(as_strided(flat[offset:], shape, [s * size for s in strides]))

    def squeeze(self, *dim: int) -> "Array":
        return self._see(self.value.squeeze(dim or None)) if not dim or self.value.shape[dim[0]] == 1 else self._see(self.value)

    def unsqueeze(self, dim: int) -> "Array":
        return self._see(np.expand_dims(self.value, dim))

    real = property(lambda self: self._see(self.value.real))
    imag = property(lambda self: self._see(self.value.imag))
    T = property(lambda self: self._see(self.value.T))
    data = property(lambda self: Array(self.value, self.memory, [0]))

    def detach(self) -> "Array":
        return self._see(self.value)

    def numpy(self) -> np.ndarray:
        return self.value

    def contiguous(self) -> "Array":
        return self if self.value.flags.c_contiguous else Array(self.value)

    # Writing

    def _write(self, value: Any, *operands: Any) -> "Array":
        strides = zip(self.value.strides, self.value.shape, strict=True)
        if any(s == 0 and e > 1 for s, e in strides) or any(self._overlaps(x) for x in operands):
            raise RuntimeError("overlapping memory")
        value = np.asarray(value)
        if "bifc".index(value.dtype.kind) > "bifc".index(self.value.dtype.kind):
            raise RuntimeError(f"result type {value.dtype} can't be cast to {self.value.dtype}")
        if np.broadcast_shapes(value.shape, self.value.shape) != self.value.shape:
            raise RuntimeError("shape")
        self.value[...] = value
        self.version[0] += 1
        return self

    def _overlaps(self, other: Any) -> bool:
        if not isinstance(other, Array) or other.memory is not self.memory or other is self:
            return False
        (a0, a1), (b0, b1) = np.lib.array_utils.byte_bounds(self.value), np.lib.array_utils.byte_bounds(other.value)
        if not (_dense(self.value, a1 - a0) and _dense(other.value, b1 - b0)) or a1 <= b0 or b1 <= a0:
            return False
        return (a0, a1, self.value.strides) != (b0, b1, other.value.strides)

    def copy_(self, x: Any) -> "Array":
        value = np.broadcast_to(x.value, self.value.shape).astype(self.value.dtype)
        same = x.value.strides if x.value.shape == self.value.shape else None
        return self._write(value, *([] if same is None else [x]))

    def __setitem__(self, index: Any, x: Any) -> None:
        if isinstance(index, Array):
            self.value[index.value] = x
            self.version[0] += 1
        else:
            self[index]._write(np.broadcast_to(_raw(x), self[index].value.shape).astype(self.value.dtype), *_same_shape(self[index], x))

    def fill_(self, x: Any) -> "Array":
        return self._write(np.asarray(x).astype(self.value.dtype))

    def zero_(self) -> "Array":
        return self.fill_(0)

    def index_fill_(self, dim: int, index: "Array", x: Any) -> "Array":
        self.value[(slice(None),) * dim + (index.value,)] = x
        self.version[0] += 1
        return self

    def masked_fill_(self, mask: "Array", x: Any) -> "Array":
        return self._write(np.where(mask.value, np.asarray(x).astype(self.value.dtype), self.value))

    # Copies

    def clone(self) -> "Array":
        return Array(self.value)

    def to(self, d: np.dtype) -> "Array":
        return self if d == self.value.dtype else Array(self.value.astype(d))

    def sum(self, *dim: int) -> "Array":
        return Array(self.value.sum(dim or None, dtype=np.int64 if self.value.dtype.kind in "bi" else None))

    def amax(self, dim: int) -> "Array":
        return Array(self.value.max(dim))

    def item(self) -> Any:
        if self.value.size != 1:
            raise RuntimeError("not one number")
        return self.value.item()

    def requires_grad_(self, flag: bool = True) -> "Array":
        return self

    shape = property(lambda self: self.value.shape)
    dtype = property(lambda self: self.value.dtype)
    _version = property(lambda self: self.version[0])


def _dense(value: np.ndarray, extent: int) -> bool:
    return value.size * value.itemsize == extent and all(s for s, e in zip(value.strides, value.shape, strict=True) if e > 1)


def _raw(x: Any) -> Any:
    return x.value if isinstance(x, Array) else x


def _same_shape(target: Array, x: Any) -> list[Array]:
    return [x] if isinstance(x, Array) and x.value.shape == target.value.shape else []


def _calculate(f: Callable, *operands: Any) -> Array:
    """`f` with PyTorch's promotion, where a 0-d tensor weighs less than others of its category, and a Python number less still."""
    arrays = [x.value for x in operands if isinstance(x, Array)]
    ranked = sorted((("bifc".index(x.dtype.kind), x.ndim > 0, x.itemsize) for x in arrays), reverse=True)
    top = [x.dtype for x in arrays if ("bifc".index(x.dtype.kind), x.ndim > 0, x.itemsize) == ranked[0]][0]
    kinds = ["bifc".index(np.asarray(x).dtype.kind) for x in operands if not isinstance(x, Array)]
    if max(kinds, default=0) > ranked[0][0]:
        top = np.dtype(np.float32)
    elif ranked[0][0] == 3 and top == np.complex64 and any(x.dtype == np.float64 and x.ndim for x in arrays):
        top = np.dtype(np.complex128)
    try:
        return Array(f(*[np.asarray(_raw(x)).astype(top) for x in operands]))
    except ValueError as e:
        raise RuntimeError(*e.args) from e


def _relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, x.dtype.type(0))


def _difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x - y


FORMULAS = {
    "add": np.add, "sub": _difference, "mul": np.multiply, "neg": np.negative, "abs": np.abs, "square": np.square, "relu": _relu,
    "gt": np.greater,
}  # fmt: skip


def _out_of_place(f: Callable) -> Callable:
    return lambda *xs: _calculate(f, *xs)


def _in_place(f: Callable) -> Callable:
    return lambda self, *xs: self._write(_calculate(f, self, *xs).value, *xs)


for _name, _f in FORMULAS.items():
    setattr(Array, _name, _out_of_place(_f))
    setattr(Array, _name + "_", _in_place(_f))
for _name in ("add", "sub", "mul", "gt"):
    setattr(Array, f"__{_name}__", _out_of_place(FORMULAS[_name]))
    setattr(Array, f"__i{_name}__", _in_place(FORMULAS[_name]))


def _out(f: Callable) -> Callable:
    return lambda *xs, out: out._write(_calculate(f, *xs).value)


class _NoGrad:
    def __enter__(self) -> None: ...
    def __exit__(self, *exc: object) -> None: ...


def _from_numpy(array: np.ndarray) -> Array:
    reach = sum((e - 1) * s for e, s in zip(array.shape, array.strides, strict=True)) // array.itemsize + 1
    return Array(array, Memory(as_strided(array, (reach,), (array.itemsize,))))


Numpy = SimpleNamespace(
    float32=np.dtype(np.float32), float64=np.dtype(np.float64), int64=np.dtype(np.int64), bool=np.dtype(bool),
    complex64=np.dtype(np.complex64), no_grad=_NoGrad, from_numpy=_from_numpy,
    tensor=lambda x, dtype: Array(np.array(x, dtype)),
    zeros=lambda *shape, dtype: Array(np.zeros(shape, dtype)),
    arange=lambda n, dtype: Array(np.arange(n, dtype=dtype)),
    cat=lambda xs: Array(np.concatenate([x.value for x in xs])),
    stack=lambda xs: Array(np.stack([x.value for x in xs])),
    where=lambda c, x, y: _calculate_where(c, x, y),
    add=_out(np.add), mul=_out(np.multiply),
)  # fmt: skip


def _calculate_where(c: Array, x: Array, y: Array) -> Array:
    return _calculate(lambda a, b: np.where(c.value, a, b), x, y)


# ----- writing programs -----


class Statement(NamedTuple):
    """A line. `fresh` names a result with memory of its own, whose strides are no world's business but its own."""

    text: str
    fresh: str = ""
    backward: bool = False


class Writer:
    """Writes one program, running it in the model on the way to know the shapes. `grad`: with differentiation."""

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
        fits = [n for n in self.tensors() if _broadcasts(self.env[n].shape, shape)]
        return self.rng.choice(fits) if fits and self.rng.random() < 0.75 else self.rng.choice(["2", "-1", "0.5", "3"])

    def add(self, text: str, *, new: bool = False, fresh: bool = False, backward: bool = False) -> None:
        name = ""
        if new:
            name, self.count = f"t{self.count}", self.count + 1
            text = f"{name} = {text}"
        if self.grad and not backward and self.rng.random() < 0.12:
            text = f"with torch.no_grad(): {text}"
        self.lines.append(Statement(text, name if fresh else "", backward))
        if not backward:
            try:
                exec(compiled(text), self.env)
            except Exception:
                pass  # so will it be in the other worlds, or the test fails

    # Kinds of statements

    def creation(self) -> None:
        rng = self.rng
        shape = [rng.choice([1, 2, 3, 3, 4]) for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 3]))]
        d = rng.choice(["float64"] * 6 + ["float32", "int64", "complex64"])
        kind = rng.randrange(4)
        if kind == 0 and not d.startswith("c"):
            self.count += 1
            name, steps = f"a{self.count}", "".join([rng.choice(["::2, ", "1:, ", ":, ", ":, "]) for _ in shape])
            twice = [e + 2 for e in shape]
            self.add(f"{name} = np.arange({np.prod(twice, dtype=int)}, dtype=np.{d}).reshape({twice}) - 3")
            seen = f"{name}[{steps}]" if shape and rng.random() < 0.7 else name
            self.add(f"torch.from_numpy({seen if shape else name + '.copy()'})", new=True)
        elif kind == 1:
            self.add(f"torch.zeros({', '.join(map(str, shape)) + ', ' if shape else ''}dtype=torch.{d})", new=True, fresh=True)
        else:
            values = (rng.choice([1, 2]) * np.arange(np.prod(shape, dtype=int)).reshape(shape) - rng.randrange(4)).tolist()
            self.add(f"torch.tensor({values}, dtype=torch.{d})", new=True, fresh=True)
        if self.grad and not d.startswith("i") and rng.random() < 0.5:
            self.add(f"t{self.count - 1}.requires_grad_()")

    def view(self) -> None:
        rng, (name, x) = self.rng, self.tensor()
        rank, shape = len(x.shape), x.shape
        d = rng.randrange(rank) if rank else 0
        options = ["unsqueeze(0)", "squeeze()", "detach()", f"view{_reshaped(rng, shape)}", f"reshape{_reshaped(rng, shape)}", "contiguous()"]
        options += [f"expand{(2, *shape)}"]
        if rank:
            n = shape[d]
            i = rng.randrange(n)
            index = ", ".join(rng.choice([":", "0", "-1", "1:", ":-1", "::2", "None"]) for _ in range(rank))
            options += [
                f"select({d}, {i})", f"narrow({d}, {i}, {rng.randrange(n - i) + 1})", f"unfold({d}, {rng.randint(1, n)}, {rng.randint(1, 2)})",
                f"squeeze({d})", f"transpose({d}, {rng.randrange(rank)})", f"permute{_call(rng.sample(range(rank), rank))}",
                f"[{index}]", f"[{index}]", f"[{i}]", f"[..., {rng.randrange(shape[-1])}]",
                f"as_strided({shape}, {tuple(rng.randint(1, 3) for _ in shape)}, {rng.randrange(3)})",
            ]  # fmt: skip
            if rng.random() < 0.25:
                a, self.count = f"t{self.count}", self.count + 1
                self.add(f"{a} = {name}.{rng.choice([f'split({rng.randint(1, 2)}, {d})', f'unbind({d})'])}[{rng.randrange(2)}]")
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
        other = self.like(x.shape)
        options = [
            f"{name} * {other}", f"{name} + {other}", f"{name} - {other}", f"{name}.square()", f"{name}.relu()", f"{name}.neg()", f"{name}.abs()",
            f"{name}.clone()", f"{name}.sum()", f"{name}.to(torch.{rng.choice(['float64', 'float32', 'int64', 'complex64'])})",
            f"{name} > 0.3", f"torch.stack([{name}, {name}])",
        ]  # fmt: skip
        if x.shape:
            d = rng.randrange(len(x.shape))
            same = [n for n in self.tensors() if self.env[n].shape[1:] == x.shape[1:] and self.env[n].shape and self.env[n].dtype == x.dtype]
            options += [f"{name}.sum({d})", f"{name}.amax({d})", f"torch.cat([{name}, {rng.choice(same)}])"]
            masks = [n for n in self.tensors() if self.env[n].dtype == bool and self.env[n].shape == x.shape]
            if masks:
                options += [f"torch.where({masks[0]}, {name}, {name} * 2)", f"{name}[{masks[0]}]"] * 2
        chosen = rng.choice(options)
        if chosen.endswith(("abs()", "> 0.3", "relu()")) or ".amax" in chosen or "int64" in chosen:
            if x.dtype.kind in "cb":
                return
        if chosen.endswith(f"{x.dtype})"):
            return  # `to` what it is already: the tensor itself, under a second name
        self.add(chosen, new=True, fresh=True)

    def writing(self) -> None:
        rng, (name, x) = self.rng, self.tensor()
        if x.dtype == bool or not _writable(x):
            return
        other = self.like(x.shape)
        name_of_out = rng.choice([n for n in self.tensors() if self.env[n].shape == x.shape and _writable(self.env[n])])
        options = [
            f"{name}.add_({other})", f"{name}.mul_({other})", f"{name}.sub_({other})", f"{name} += {other}", f"{name} *= {other}",
            f"{name}.zero_()", f"{name}.fill_({rng.randint(-2, 2)})", f"{name}.neg_()", f"{name}.square_()", f"{name}.relu_()",
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
            options += [f"{name}[..., {i}] += 2", f"{name}[{rng.randrange(x.shape[0])}] = 5", f"{name}[:, 1:] *= 2" if x.ndim > 1 else f"{name}[1:] *= 2"]
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
            self.add(self.rng.choice([f"{name}[...] = 3", f"{name} *= 2", f"{name}[..., :1] = 8" if self.env[name].ndim else f"{name} += 1"]))

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
    Writer.creation: 1, Writer.view: 4, Writer.data: 0.2, Writer.calculation: 3, Writer.writing: 5, Writer.export: 0.5, Writer.array_writing: 1,
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
    return rng.choice([_call([size]), _call([first, size // first]), _call([1, size]), _call(shape) if shape else "(1)"])


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
    """What `torch` is, how to read a tensor without exporting its memory, what to do before each line, and to a fresh result."""

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
    found = {"value": value.copy(), "shape": tuple(x.shape), "dtype": str(x.dtype).removeprefix("torch."), "_version": x._version}
    if isinstance(x, Array):
        return found
    try:
        found["history"] = x.grad_fn is not None
    except RuntimeError:
        found["history"] = "RuntimeError"
    found |= {"requires_grad": x.requires_grad, "is_leaf": x.is_leaf, "grad": None, "stride": x.stride(), "offset": x.storage_offset()}
    if x.grad is not None:
        found["grad"] = world.read(x.grad).copy()
        found |= {"grad._version": x.grad._version, "grad.requires_grad": x.grad.requires_grad}
    return found


def sharing(env: dict[str, Any], world: World) -> list[tuple[str, str]]:
    """Which names look at overlapping ranges of memory."""
    arrays = {n: x for n, x in env.items() if isinstance(x, np.ndarray)}
    arrays |= {n: x.detach().numpy() for n, x in env.items() if world.is_tensor(x)}
    names = [n for n in arrays if arrays[n].size]
    return [(a, b) for i, a in enumerate(names) for b in names[:i] if np.may_share_memory(arrays[a], arrays[b])]


def difference(a: Any, b: Any) -> str:
    """The first difference between two logs, in words; empty if there is none. Facts that one of them lacks don't count."""
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
                    return f"line {i + 1}: {name}, {fact}: {x[name][fact]!r} and {y[name][fact]!r}"
    return ""


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
    """Flambeau under three policies of doing pending work: only when somebody looks, at each operation, at random moments."""
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
