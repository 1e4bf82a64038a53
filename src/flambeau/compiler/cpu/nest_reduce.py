"""Reductions as code: partial results in registers, and how they are put together."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ..expression import Expr, const, kept, where
from ..nest import Reduction
from .emit import I32, I64, Function, vector
from .nest_shape import arg
from .scalar import REGISTER, emit, number, splat

# A partial result: its value; for argmin and argmax its index; for min and max of floats the greatest of the
# elements' bits without sign, which tells whether one was NaN, so that the value needn't care.
State = list[Any]
_COMBINE = {"sum": "add", "prod": "mul", "min": "min", "max": "max"}


def neutral(r: Reduction) -> Expr:
    """What a reduction over nothing gives, and every partial result starts from."""
    d = accumulator_dtype(r.value.dtype)
    if r.combine in ("sum", "prod"):
        return const(r.combine == "prod", d)
    low = r.combine in ("max", "argmax")
    if d is dt.bool_:
        return const(not low, d)
    if d.is_floating_point:
        return const(float("-inf") if low else float("inf"), d)
    bits = 8 * d.itemsize - d.is_signed
    if low:
        return const(-(2**bits) if d.is_signed else 0, d)
    return const(2**bits - 1, d)


def accumulator_dtype(d: dtype) -> dtype:
    """What is accumulated in: float32 for the 16-bit types."""
    return dt.float32 if d in dt.HALVES else d


class Accumulator:
    """One reduction's partial results: `slots` vectors that take turns, emptied into a total by chunks.

    The places are on the stack as far as this code goes; LLVM keeps them in registers.
    """

    def __init__(self, f: Function, r: Reduction, lanes: int, slots: int) -> None:
        self.f, self.r, self.lanes = f, r, lanes
        self.dtype = accumulator_dtype(r.value.dtype)
        self.watch = r.combine in ("min", "max") and self.dtype.is_floating_point
        self.told = 1 if arg(r) else 0  # the part of a partial result that is the reduction's
        self.bits = I32 if self.dtype is dt.float32 else I64
        more = [I64] if arg(r) else [self.bits] if self.watch else []
        self.kinds = [vector(kind, lanes) for kind in (REGISTER[self.dtype], *more)]
        self.slots = [[f.local(kind) for kind in self.kinds] for _ in range(slots)]
        self.total = [f.local(kind) for kind in self.kinds]

    def array(self, count: int) -> list[Any]:
        """Room for the totals of many columns."""
        return [self.f.local(kind, count) for kind in self.kinds]

    def empty(self) -> State:
        """The state of no elements."""
        (value,) = emit(self.f, [neutral(self.r)], 1, lambda e: None)
        return [splat(self.f, value, self.lanes), *(ir.Constant(kind, None) for kind in self.kinds[1:])]

    def read(self, place: list[Any]) -> State:
        return [self.f.b.load(p) for p in place]

    def write(self, place: list[Any], state: State) -> None:
        for p, v in zip(place, state, strict=True):
            self.f.b.store(v, p)

    def begin(self) -> None:
        """Before the first chunk."""
        self.write(self.total, self.empty())

    def open(self) -> None:
        """Before a chunk."""
        for slot in self.slots:
            self.write(slot, self.empty())

    def add(self, value: Any, position: Any, mask: Any) -> None:
        """Takes in a vector of elements, of which those in the mask count (None: all)."""
        slot = self.read(self.slots[0])
        new = [splat(self.f, value, self.lanes)]
        if arg(self.r):
            new.append(position)
        elif self.watch:
            bits = self.f.b.bitcast(new[0], self.kinds[1])
            new.append(self.f.b.add(bits, bits))
        state = self.joined(slot, new, later=True)
        if mask is not None:
            state = [self.f.b.select(mask, a, b) for a, b in zip(state, slot, strict=True)]
        for place, following in zip(self.slots, self.slots[1:], strict=False):
            self.write(place, self.read(following))
        self.write(self.slots[-1], state)

    def close(self) -> None:
        """After a chunk: into the total. The order of turns doesn't matter, as (a + c) + (b + d) is the same
        from wherever one starts."""
        states = [self.read(slot) for slot in self.slots]
        while len(states) > 1:
            half = len(states) // 2
            states = [self.joined(a, b) for a, b in zip(states[:half], states[half:], strict=True)]
        self.write(self.total, self.joined(self.read(self.total), states[0]))

    def scalar(self) -> Any:
        """The total of all lanes, as a later phase sees it."""
        state, lanes, b = self.read(self.total), self.lanes, self.f.b
        while lanes > 1:
            lanes //= 2
            low, high = (
                [b.shuffle_vector(v, v, ir.Constant(ir.VectorType(I32, lanes), part)) for v in state]
                for part in (list(range(lanes)), list(range(lanes, 2 * lanes)))
            )
            if lanes == 1:
                low, high = (
                    [b.extract_element(v, ir.Constant(I32, 0)) for v in part] for part in (low, high)
                )
            state = self.joined(low, high, lanes=lanes)
        return self.result(state, 1)

    def vector(self) -> Any:
        """The total of each lane, as a later phase sees it."""
        return self.result(self.read(self.total), self.lanes)

    def result(self, state: State, lanes: int) -> Any:
        if self.watch:
            state = [self.watched(*state)]
        if arg(self.r) or self.r.value.dtype is self.dtype:
            return state[self.told]
        (value,) = emit(self.f, [kept(0, self.dtype).cast(self.r.value.dtype)], lanes, lambda e: state[0])
        return value

    def watched(self, value: Any, bits: Any) -> Any:
        """NaN if there was one."""
        infinity = 0xFF << 24 if self.bits is I32 else 0x7FF << 53
        nan = self.f.b.icmp_unsigned(">", bits, number(bits, infinity))
        return self.f.b.select(nan, number(value, float("nan")), value)

    def joined(self, a: State, b: State, later: bool = False, lanes: int = 0) -> State:
        """Two partial results as one; `later`: all of b's indices come after a's."""
        lanes = lanes or self.lanes
        if self.watch:
            code, sign = self.f.b, ">" if self.r.combine == "max" else "<"
            value = code.select(code.fcmp_ordered(sign, a[0], b[0]), a[0], b[0])
            return [value, code.select(code.icmp_unsigned(">", a[1], b[1]), a[1], b[1])]
        x, y = kept(0, self.dtype), kept(1, self.dtype)
        values = [a[0], b[0]]
        if not arg(self.r):
            root = Expr(_COMBINE[self.r.combine], (x, y), self.dtype)
            return emit(self.f, [root], lanes, lambda e: values[e.data])
        values += [a[1], b[1]]
        i, j = kept(2, dt.int64), kept(3, dt.int64)
        better = y > x if self.r.combine == "argmax" else y < x
        if self.dtype.is_floating_point:
            better = better | (y.ne(y) & x.eq(x))
        if not later:
            same = x.eq(y)
            if self.dtype.is_floating_point:
                same = same | (x.ne(x) & y.ne(y))
            better = better | (same & (j < i))
        return emit(self.f, [where(better, y, x), where(better, j, i)], lanes, lambda e: values[e.data])
