"""What the parts of a compiled program do, in words and numbers: operations, shapes, arithmetic, memory
traffic.

The numbers are what the work needs at the least, from the plan: each element that is read or written counts
once, an operation of the scalar language counts as one (also an `exp`), a multiply-add as two. What packing,
tables or computing twice add is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any, NamedTuple

from ..core.node import LEAF, numel
from ..core.program import Program
from ..runtime.calls import Call
from .calls import Array
from .expression import Expr
from .finish import Finished
from .fuse import Group, Look, Unit
from .graph import CONST, Value
from .pieces import COUNTER, Piece, Step, loads
from .schedule import Schedule

_QUIET = frozenset(("cast", "clone", "alias", "full", "const", "iota", "pick", "overwrite"))
_SHOWN = 4  # operations that a label names


class Part(NamedTuple):
    """What one unit does. `slots` are the program's values that it computes (of a contraction and what
    finishes it, the contraction's comes first and is the `main` one)."""

    label: str
    slots: tuple[int, ...]
    shape: tuple[int, ...]
    flops: int
    nbytes: int
    calls: tuple[Call, ...]
    main: bool = False

    @property
    def kernels(self) -> str:
        """The symbols of its kernels."""
        return "+".join(dict.fromkeys(call.kernel.symbol for call in self.calls)) or "numpy"


def describe(schedule: Schedule, program: Program) -> list[Part]:
    """The parts of a schedule, in its order."""
    return _Describer(schedule, program).parts


def step_of(unit: Unit | None) -> Step | None:
    """The operation in a unit that isn't done by loops."""
    return unit.step if isinstance(unit, Finished) else unit if isinstance(unit, Step) else None


def pieces_of(unit: Unit | None) -> list[Piece]:
    """What loops (or the end of a contraction's kernel) compute in a unit."""
    return unit.pieces if isinstance(unit, Group | Finished) else []


class _Describer:
    def __init__(self, schedule: Schedule, program: Program) -> None:
        self.units = [part.unit for part in schedule.work]
        self.checked = {unit.check.value for unit in self.units if isinstance(unit, Look)}
        self.made = set(self._values())  # what has a place in memory, where the search for what is fused ends
        self.read = [part.needs for part in schedule.work]
        self.kept = {out.buffer for out in schedule.outputs}
        self.names = {step.out: step.op.name for step in program.steps}
        self.origins = _origins(self.made, self.names)
        self.parts = [
            self._part(i, unit, tuple(part.calls))
            for i, (unit, part) in enumerate(zip(self.units, schedule.work, strict=True))
        ]

    def _values(self) -> Iterator[Value]:
        """The values that units give."""
        for unit in self.units:
            yield from (p.value for p in pieces_of(unit) if not self._is_check(p))
            step = step_of(unit)
            if step is not None:
                yield step.value

    def _is_check(self, p: Piece) -> bool:
        """Whether a piece looks for what is wrong with a value's inputs, instead of computing it."""
        return p.value in self.checked and p.target.buffer != p.value.number

    def _part(self, i: int, unit: Unit | None, calls: tuple[Call, ...]) -> Part:
        if isinstance(unit, Look):
            v = unit.check.value
            return Part(f"check of {v.op.name}", self._slots([v]), (), 0, 1, calls)
        step, pieces = step_of(unit), pieces_of(unit)
        inside = sorted(set(self._fused(pieces)), key=lambda v: v.number)
        ops = self._ops(inside, pieces)
        flops = sum(operations(p.expr) * numel(p.shape) + _folds(p) for p in pieces)
        own = {p.target.buffer for p in pieces} | set(step.results if step is not None else ())
        nbytes = self._bytes(i, pieces, own)
        if step is None:
            largest = max(pieces, key=lambda p: numel(p.shape))
            label = f"{joined(ops) or 'copy'} {shape_text(largest.shape)}"
            if all(p.combine for p in pieces):
                label += f" -> {shape_text(largest.target.shape)}"
            return Part(label, self._slots(inside), largest.shape, flops, nbytes, calls)
        v = step.value
        ops = (v.op.name, *(n for n in ops if n != v.op.name))
        nbytes += traffic(v)
        if pieces and not self._later(i) & set(step.results):  # it never is in memory
            nbytes -= numel(v.shape) * int(v.dtype.itemsize)
        label = f"{joined(ops)} {extents(v)}"
        slots = self._slots([v, *inside])
        return Part(label, slots, first_shape(v), flops + flops_of(v), nbytes, calls, bool(slots))

    def _slots(self, values: list[Value]) -> tuple[int, ...]:
        """The operations of the user's program that values belong to."""
        return tuple(dict.fromkeys(self.origins[v] for v in values if v in self.origins))

    def _ops(self, values: list[Value], pieces: list[Piece]) -> tuple[str, ...]:
        """The names that the user's program has for what is computed: softmax for the exp in it."""
        names = [
            self.names[self.origins[v]] if v in self.origins else str(v.op.name)
            for v in values
            if v.op.kind != "view"
        ]
        names += [f"check of {p.value.op.name}" for p in pieces if self._is_check(p)]
        return tuple(dict.fromkeys(n for n in names if n not in _QUIET))

    def _fused(self, pieces: list[Piece]) -> Iterator[Value]:
        """The values that pieces compute, stored or not."""
        for piece in pieces:
            if self._is_check(piece):
                continue
            yield piece.value
            stack = [piece.value]
            while stack:
                for x in stack.pop().inputs:
                    if x not in self.made and x.op not in (LEAF, CONST) and type(x.dtype) is not tuple:
                        yield x
                        stack.append(x)

    def _later(self, i: int) -> set[int]:
        """The buffers that are read after a unit, or kept."""
        return self.kept.union(*self.read[i + 1 :])

    def _bytes(self, i: int, pieces: list[Piece], own: set[int]) -> int:
        """What pieces read from memory, and what others read of their results, or of what is kept."""
        later = self._later(i)
        arrays = {
            x.data.array: _elements(x.data.array) if not x.args else numel(p.shape)
            for p in pieces
            for x in loads(p.expr)
            if x.data.array.buffer != COUNTER and x.data.array.buffer not in own
        }
        total = sum(n * int(a.dtype.itemsize) for a, n in arrays.items())
        for p in pieces:
            if p.target.buffer in later or not p.whole:
                total += _elements(p.target) * int(p.target.dtype.itemsize)
        return total


def _origins(made: Iterable[Value], names: dict[int, str]) -> dict[Value, int]:
    """For each value the slot of the program's operation that it belongs to: of softmax, also its exp."""
    values: dict[Value, None] = {}
    stack = list(made)
    while stack:
        v = stack.pop()
        if v not in values:
            values[v] = None
            stack.extend(v.inputs)
    found: dict[Value, int] = {}
    for v in sorted(values, key=lambda v: -v.number):  # users first
        if v.slot in names:
            found[v] = v.slot
        for x in v.inputs:
            if x.slot < 0 and v in found:
                found.setdefault(x, found[v])
    return found


def joined(ops: tuple[str, ...]) -> str:
    """Names of fused operations: the first few, and how many more there are."""
    more = len(ops) - _SHOWN
    return "·".join(ops[:_SHOWN]) + (f"·+{more}" if more > 0 else "")


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as Python writes it, but with x between the extents."""
    return "x".join(map(str, shape)) or "scalar"


def operations(e: Expr) -> int:
    """The operations of an expression, each distinct one once."""
    seen: set[int] = set()
    stack, count = [e], 0
    while stack:
        x = stack.pop()
        if id(x) not in seen:
            seen.add(id(x))
            stack.extend(x.args)
            count += x.op not in ("load", "const", "cast", "bits", "index")
    return count


def _folds(p: Piece) -> int:
    return numel(p.shape) if p.combine else 0


def _elements(a: Array) -> int:
    """The distinct elements of an array that repeats some along dimensions of stride 0."""
    return prod(n for n, s in zip(a.shape, a.strides, strict=True) if s) if numel(a.shape) else 0


def first_shape(v: Any) -> tuple[int, ...]:
    """The shape of a result; of several, the first one's."""
    shape: tuple[Any, ...] = v.shape
    return shape[0] if type(v.dtype) is tuple else shape


def traffic(v: Any) -> int:
    """Bytes of all inputs and results."""
    specs = [(v.shape, v.dtype), *((x.shape, x.dtype) for x in v.inputs)]
    total = 0
    for shape, d in specs:
        for s, t in zip(shape, d, strict=True) if type(d) is tuple else [(shape, d)]:
            total += numel(s) * t.itemsize
    return total


# ----- operations with a shape of their own; `v` is a graph's value or a node -----


def extents(v: Any) -> str:
    """The extents that matter: m x n x k of a product, else the result's shape."""
    sizes = _product(v)
    if sizes is None:
        return shape_text(first_shape(v))
    batch, *mnk = sizes
    text = shape_text(tuple(mnk))
    return f"{batch}·({text})" if batch > 1 else text


def _product(v: Any) -> tuple[int, int, int, int] | None:
    """batch, m, n and k of a matrix product."""
    name, out = v.op.name, v.shape
    if name == "matmul":
        return prod(out[:-2]), out[-2], out[-1], v.inputs[0].shape[-1]
    if name in ("linear", "affine"):
        return 1, prod(out[:-1]), out[-1], v.inputs[0].shape[-1]
    if name == "linear_weight_grad":
        return 1, out[0], out[1], prod(v.inputs[0].shape[:-1])
    return None


def flops_of(v: Any) -> int:
    """The floating-point operations that an operation needs (0 where they are not what counts)."""
    sizes = _product(v)
    if sizes is not None:
        return 2 * prod(sizes) + (numel(v.shape) if v.op.name == "affine" else 0)
    shapes = [x.shape for x in v.inputs]
    count = _FLOPS.get(v.op.name)
    if count is not None:
        return int(count(v, *shapes))
    if v.op.kind == "reduction":
        return numel(shapes[0])
    return numel(v.shape) if v.op.kind == "pointwise" else 0


def _attention(v: Any, q: Any, k: Any, value: Any, products: int) -> int:
    """So many products of each query with each key; a causal mask leaves half of them."""
    scores = prod(first_shape(v)[:-2]) * q[-2] * k[-2]
    return int(scores * products * (1 if v.attrs[-1] else 2))


# By name: from the value and its inputs' shapes.
_FLOPS: dict[str, Callable[..., int]] = {
    "conv": lambda v, x, w: 2 * numel(v.shape) * prod(w[1:]),
    "conv_input_grad": lambda v, y, w: 2 * numel(y) * prod(w[1:]),
    "conv_weight_grad": lambda v, y, x: 2 * numel(y) * prod(v.shape[1:]),
    "attention": lambda v, q, k, x, *_: _attention(v, q, k, x, q[-1] + x[-1]),
    "attention_grad": lambda v, g, q, k, x, *_: _attention(v, q, k, x, 3 * q[-1] + 2 * x[-1]),
    **dict.fromkeys(("lstm", "gru", "rnn"), lambda v, x, w, *_: 2 * x[0] * prod(w)),
    **dict.fromkeys(("gru_backward", "rnn_backward"), lambda v, g, h, w, *_: 2 * g[0] * prod(w)),
    "lstm_backward": lambda v, g, h, c, w, *_: 2 * g[0] * prod(w),
}
