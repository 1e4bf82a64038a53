"""What becomes of a convolution's sums: expressions over them and other inputs, stored as several results."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ..calls import Array, Plan, strides_of
from ..expression import Expr, kept, numbered
from ..planner import Finish
from . import conv_lanes as lane
from .conv_sweep import Moved, Words, moved
from .emit import STORED, Function, i64, vector
from .pad import plan_copy
from .scalar import decode, emit, encode, splat


def stored(y: Array) -> Finish:
    """The sum, rounded to y's dtype, goes to y."""
    return Finish(((kept(0, dt.float64 if y.dtype is dt.float64 else dt.float32).cast(y.dtype), y),))


class Ending:
    """A `Finish` of a result (B, C, *S), ready for kernels: each extra lies like the results or has a value
    for each channel; others are copied. `key` is its structure."""

    def __init__(self, plan: Plan, finish: Finish) -> None:
        self.roots: list[Expr] = [e for e, _ in finish.results]
        self.outs = [out for _, out in finish.results]
        self.out = self.outs[0]
        self.extras = [_placed(plan, x) for x in finish.extras]
        kinds = tuple((x.dtype.name, by_channel) for x, by_channel in self.extras)
        self.key = (numbered(self.roots)[1], tuple(out.dtype.name for out in self.outs), kinds)

    @property
    def plain(self) -> bool:
        """Whether the sums themselves are the only result."""
        return len(self.roots) == 1 and self.roots[0].op == "kept"

    def words(self, by_outer: int = 0, by_inner: int = 0, channels: int = 0, shift: int = 0) -> Words:
        """The kernel's words for this: the place of each array, `shift` elements on; an outer item is
        `by_outer` elements of the results, an inner one `by_inner`, which are so many `channels`."""
        words: Words = [_moved(out, shift, by_outer, by_inner) for out in self.outs]
        for x, by_channel in self.extras:
            if by_channel:
                words += [_moved(x, 0, 0, channels * x.strides[1]), x.strides[1]]
            else:
                words += [_moved(x, shift, by_outer, by_inner)]
        return words


def _moved(x: Array, shift: int, by_outer: int, by_inner: int) -> Moved:
    place = x._replace(offset=x.offset + shift)
    return moved(place, by_outer, by_inner)


def _placed(plan: Plan, x: Array) -> tuple[Array, bool]:
    """An extra, or a copy of it, and whether it has a value for each channel."""
    if all(n == 1 or s == 0 or d == 1 for d, (n, s) in enumerate(zip(x.shape, x.strides, strict=True))):
        step = x.strides[1] if x.shape[1] > 1 else 0
        return x._replace(strides=(0, step, *(0,) * (len(x.shape) - 2))), True
    if not x.contiguous:
        copy = plan.array(x.shape, x.dtype)
        plan_copy(plan, x, copy)
        x = copy
    return x._replace(strides=strides_of(x.shape)), False


class Writer:
    """Stores sums in a kernel; the words of `Ending.words` begin at word number `first`."""

    def __init__(self, f: Function, ending: Ending, first: int, lanes: int) -> None:
        self.f, self.ending, self.lanes = f, ending, lanes
        self.outs = [f.pointer(first + i, STORED[out.dtype]) for i, out in enumerate(ending.outs)]
        self.extras: list[tuple[dtype, Any, Any]] = []
        first += len(ending.outs)
        for x, by_channel in ending.extras:
            step = f.word(first + 1) if by_channel else None
            self.extras.append((x.dtype, f.pointer(first, STORED[x.dtype]), step))
            first += 2 if by_channel else 1

    def store(self, value: Any, at: Any, channel: Any, mask: Any = None, step: Any = None) -> None:
        """Stores what a vector of sums gives, from element `at` of the results on, all of one channel; with a
        mask, in the lanes that are on; with a step, so many elements apart (which takes a mask)."""

        def leaf(e: Expr, *_: Any) -> Any:
            return value if e.op == "kept" else self.extra(e.data, at, channel, mask, step)

        f, outs = self.f, self.ending.outs
        values = emit(f, self.ending.roots, self.lanes, leaf)
        for out, base, result in zip(outs, self.outs, values, strict=True):
            raw, place = encode(f, splat(f, result, self.lanes), out.dtype), f.at(base, at)
            if step is not None:
                lane.scatter(f, raw, place, self.places(step, out.dtype), mask)
            elif mask is not None:
                lane.store(f, raw, place, mask)
            else:
                f.store(raw, f.at(place, i64(0), raw.type), out.dtype.itemsize)

    def extra(self, number: int, at: Any, channel: Any, mask: Any, step: Any) -> Any:
        """What an extra has there."""
        f, (d, base, by_channel) = self.f, self.extras[number]
        if by_channel is not None:
            raw = f.load(f.at(base, f.b.mul(channel, by_channel)), d.itemsize)
            return decode(f, raw, d)
        place = f.at(base, at)
        if step is not None:
            raw = lane.gather(f, place, self.places(step, d), mask)
        elif mask is not None:
            raw = lane.load(f, place, mask)
        else:
            raw = f.load(f.at(place, i64(0), vector(STORED[d], self.lanes)), d.itemsize)
        return decode(f, raw, d)

    def places(self, step: Any, d: dtype) -> Any:
        return lane.multiples(self.f, i64(0), self.f.b.mul(step, i64(d.itemsize)), self.lanes)

    def whole(self, at: Any, left: Any) -> ir.Value:
        """Whether a whole vector may be stored where `left` elements remain."""
        return self.f.b.icmp_signed(">=", left, i64(self.lanes))
