"""Copying an array into a contiguous one with margins of zeros, and from one dtype to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ...core.node import numel
from ...runtime.calls import Word
from ...runtime.kernels import Kernel, kernel
from ...runtime.target import host
from ..calls import Array, Plan, strides_of
from . import conv_lanes as lane
from .conv_sweep import Moved, Sweep, moved
from .emit import F32, F64, I32, STORED, Function, i64, vector
from .microkernel import geometry
from .scalar import decode, encode

COMPUTE = {dt.float32: dt.float32, dt.float64: dt.float64, dt.bfloat16: dt.float32, dt.float16: dt.float32}
_AHEAD = 2048  # bytes; loads with masks don't make the processor fetch what follows
Pairs = tuple[tuple[int, int], ...]
# Where words begin.
_SRC, _DST, _CHANNELS, _STRIDES, _SIZE, _LOW, _GROWN, _SHIFTS, _PARTNER = 0, 1, 2, 3, 8, 11, 14, 17, 20


class Padded:
    """x (B, C, *S), at most three spatial dimensions, with zeros around it (negative amounts crop) and
    between its elements (`spread` places from one to the next, powers of two), in dtype `d` and contiguous.
    It is made item by item (see `conv_sweep`), unless x is all that already.

    `like` has the shape and strides of the whole; `copies` says whether there is anything to make. With
    `slack` there always is, so many bytes after the last element may be read, and rows are made longer if
    that makes them whole vectors at little cost. With `partner` an element is a pair (see `paired`)."""

    def __init__(
        self,
        x: Array,
        padding: Pairs,
        d: dtype,
        spread: tuple[int, ...] = (),
        slack: int = 0,
        partner: int = 0,
    ) -> None:
        self.x, self.low, self.slack, self.partner = x, tuple(low for low, _ in padding), slack, partner
        self.spread = spread or (1,) * len(padding)
        same = x.contiguous and x.dtype is d and not any(n for pair in padding for n in pair)
        self.copies = bool(slack or partner) or not same or max(self.spread) > 1
        size = ((n - 1) * s + 1 for n, s in zip(x.shape[2:], self.spread, strict=True))
        spatial = [max(n + lo + hi, 0) for n, (lo, hi) in zip(size, padding, strict=True)]
        lanes = host().lanes(d.itemsize)
        if slack and -spatial[-1] % lanes * 6 <= spatial[-1]:
            spatial[-1] += -spatial[-1] % lanes
        shape = (*x.shape[:2], *spatial)
        self.like = Array(-1, 0, shape, strides_of(shape), d)

    @classmethod
    def of_pairs(cls, x: Array, dim: int, padding: Pairs) -> Padded:
        """Of x's pairs along a dimension (see `paired`)."""
        first, partner = in_pairs(x, dim)
        return cls(first, padding, dt.float32, partner=partner)

    def place(
        self, sweep: Sweep, images: int, channels: int, outer: int = 0, inner: int = 0, repeat: int = 0
    ) -> Moved:
        """Where a padded item of so many images and channels is: outer and repeated items are so many images
        apart, inner ones so many channels. Adds the step that makes it."""
        b, c = self.x.strides[:2]
        source = moved(self.x, outer * b, inner * c, repeat * b)
        if not self.copies:
            return source
        every = not sweep.alone
        shape = self.like.shape if every else (images, channels, *self.like.shape[2:])
        memory = sweep.memory(shape, self.like.dtype, self.slack)
        x = self.x if every else self.x._replace(shape=(images, channels, *self.x.shape[2:]))
        code, words, tasks, grain = _pad(x, memory, self.low, self.spread, self.partner)
        sweep.add(code, [source, *words[1:]], tasks, grain)
        return Moved(memory.address)


def converted(plan: Plan, x: Array, d: dtype) -> Array:
    """x of any shape as a contiguous array of dtype `d`; x itself where it is that."""
    if x.contiguous and x.dtype is d:
        return x
    y = plan.array(x.shape, d)
    plan_copy(plan, x, y)
    return y


def multiplies_pairs(x: Array, y: Array) -> bool:
    """Whether the processor multiplies pairs of numbers of these arrays' dtype."""
    return x.dtype is y.dtype is dt.bfloat16 and geometry(dt.bfloat16).pairs


def in_pairs(x: Array, dim: int) -> tuple[Array, int]:
    """The first of each two elements of x along a dimension, and how far its partner is, in elements."""
    shape, strides = list(x.shape), list(x.strides)
    partner = strides[dim]
    shape[dim], strides[dim] = shape[dim] // 2, 2 * partner
    return x._replace(shape=tuple(shape), strides=tuple(strides)), partner


def paired(plan: Plan, x: Array, dim: int) -> Array:
    """x (B, C, *S) of bfloat16 as a contiguous array of pairs along dimension 0 or 1: each is as large as a
    float32, and so is called that."""
    first, partner = in_pairs(x, dim)
    y = flat = plan.array(first.shape, dt.float32)
    if x.contiguous:  # long rows
        lead = (first.shape[0], first.shape[1] if dim else 1)
        shape = (*lead, numel(first.shape[dim + 1 :]))
        first = first._replace(shape=shape, strides=(*first.strides[:2], 1))
        flat = y._replace(shape=shape)
    plan.call(*_pad(first, flat, (0,) * (len(flat.shape) - 2), (), partner))
    return y


def result_for(plan: Plan, y: Array, d: dtype) -> Array:
    """Where to compute a result: in place, or in scratch of the dtype to compute in."""
    return y if y.dtype is d else plan.array(y.shape, d)


def finish(plan: Plan, out: Array, y: Array) -> None:
    """Adds the call that rounds a result that is in scratch."""
    if out is not y:
        plan_copy(plan, out, y)


def plan_copy(plan: Plan, x: Array, y: Array) -> None:
    """Adds the call that copies x into the contiguous y of the same shape."""
    rank = max(len(x.shape), 3)
    shape = (1,) * (rank - len(x.shape)) + x.shape
    strides = (0,) * (rank - len(x.shape)) + x.strides
    plan_pad(plan, x._replace(shape=shape, strides=strides), y._replace(shape=shape), (0,) * (rank - 2))


def plan_zero(plan: Plan, y: Array) -> None:
    """Adds the call that fills the contiguous y with zeros."""
    n = numel(y.shape)
    rows = max(n >> 12, 1)
    if n % rows:
        rows = 1
    y = y._replace(shape=(rows, 1, n // rows))
    plan_pad(plan, y._replace(shape=(rows, 1, 0), strides=(0, 0, 1)), y, (0,))


def plan_pad(plan: Plan, x: Array, y: Array, low: tuple[int, ...], spread: tuple[int, ...] = ()) -> None:
    """Adds the call that copies x (B, C, *S) into the contiguous y (B, C, *S'), `low` elements from its start
    in each spatial dimension and `spread` (a power of two) places apart, with zeros elsewhere."""
    plan.call(*_pad(x, y, low, spread))


def _pad(
    x: Array, y: Array, low: tuple[int, ...], spread: tuple[int, ...], partner: int = 0
) -> tuple[Kernel, list[Word], int, int]:
    """The kernel that pads, its words (x's place first), its tasks and their grain."""
    gap = 3 - len(low)
    size, grown = ((1,) * gap + a.shape[2:] for a in (x, y))
    strides = x.strides[:2] + (0,) * gap + x.strides[2:]
    unit = strides[-1] == 1 or size[-1] <= 1
    shifts = (0,) * gap + tuple(s.bit_length() - 1 for s in spread or (1,) * len(low))
    dense = not any(shifts)
    vectors = -(-grown[-1] // host().lanes(max(4, y.dtype.itemsize)))
    few = vectors if unit and dense and vectors <= 4 else 0
    key = (x.dtype.name, y.dtype.name, unit, dense, few, partner != 0)
    words: list[Word] = [
        x.address,
        y.address,
        x.shape[1],
        *strides,
        *size,
        *(0,) * gap,
        *low,
        *grown,
        *shifts,
        partner,
    ]
    tasks = x.shape[0] * x.shape[1] * grown[0] if numel(grown) else 0
    grain = max(1, (1 << 14) // max(1, grown[1] * grown[2]))
    code = kernel("pad", key, lambda m: _Emission(m, x.dtype, y.dtype, *key[2:]).emit(), True)
    return code, words, tasks, grain


class _Emission:
    """The kernel under construction. A task is one slice (the last two dimensions) of the result."""

    def __init__(
        self, module: Any, of: dtype, to: dtype, unit: bool, dense: bool, vectors: int, pairs: bool
    ) -> None:
        self.f, self.of, self.to, self.unit, self.dense = Function(module, "pad"), of, to, unit, dense
        self.partner = self.f.word(_PARTNER) if pairs else None
        self.vectors, self.lanes = vectors, host().lanes(max(4, to.itemsize))
        self.shifts = [self.f.word(_SHIFTS + i) for i in range(3)]

    def emit(self) -> None:
        """The loops over slices and rows. What is written too much after a row, the next one overwrites."""
        f, b = self.f, self.f.b
        src, dst = f.pointer(_SRC, STORED[self.of]), f.pointer(_DST, STORED[self.to])
        strides = [f.word(_STRIDES + i) for i in range(5)]
        depth, height, width = (f.word(_SIZE + i) for i in range(3))
        low = [f.word(_LOW + i) for i in range(3)]
        deep, high, wide = (f.word(_GROWN + i) for i in range(3))
        step = b.mul(strides[4], i64(self.of.itemsize))
        masks = [self.inside(i64(v * self.lanes), low[2], width) for v in range(self.vectors)]
        with f.loop(f.begin, f.end, name="slice") as t:
            plane, (z, inside) = b.sdiv(t, deep), self.place(b.sub(b.srem(t, deep), low[0]), depth, 0)
            image, channel = b.sdiv(plane, f.word(_CHANNELS)), b.srem(plane, f.word(_CHANNELS))
            start = b.add(b.mul(image, strides[0]), b.add(b.mul(channel, strides[1]), b.mul(z, strides[2])))
            with f.loop(0, high, name="row") as row:
                y, there = self.place(b.sub(row, low[1]), height, 1)
                seen = b.and_(inside, there)
                source = f.at(src, b.add(start, b.mul(y, strides[3])))
                target = f.at(dst, b.mul(b.add(b.mul(t, high), row), wide))
                left = b.mul(b.sub(high, row), wide)
                if self.vectors:
                    none = ir.Constant(masks[0].type, None)
                    for v, mask in enumerate(masks):
                        at = i64(v * self.lanes)
                        lane.prefetch(f, f.at(source, i64(v * self.lanes + _AHEAD // self.of.itemsize)))
                        on, shift = b.select(seen, mask, none), b.sub(at, low[2])
                        value = self.read(source, lambda x, on=on, at=shift: lane.load(f, f.at(x, at), on))
                        self.put(value, target, at, wide, left, v == self.vectors - 1)
                else:
                    self.row(source, target, b.select(seen, width, i64(0)), low[2], wide, left, step)
        f.finish()

    def inside(self, column: Any, low: Any, width: Any) -> Any:
        """Which lanes of a vector of the result, from a column on, x has elements for."""
        return lane.between(self.f, self.f.b.sub(column, low), width, self.lanes)

    def put(self, value: Any, target: Any, column: Any, wide: Any, left: Any, last: bool = True) -> None:
        """Stores a vector of a row; the slice has `left` elements from the row's start on."""
        f, b = self.f, self.f.b
        place = f.at(target, column)
        if last:
            on = lane.first(f, b.sub(wide, column), self.lanes)
            lane.store_row(f, value, place, on, b.sub(left, column))
        else:
            f.store(value, f.at(place, i64(0), value.type), self.to.itemsize)

    def place(self, at: Any, extent: Any, dim: int) -> tuple[Any, Any]:
        """Which index of x comes to a place, and whether one does."""
        b, shift = self.f.b, self.shifts[dim]
        index = b.ashr(at, shift)
        inside = b.icmp_unsigned("<", index, extent)
        return index, b.and_(inside, b.icmp_signed("==", b.shl(index, shift), at))

    def row(self, source: Any, target: Any, width: Any, low: Any, wide: Any, left: Any, step: Any) -> None:
        """A row of any kind."""
        f, lanes = self.f, self.lanes
        with f.loop(0, wide, lanes, name="column") as column:
            x = f.b.sub(column, low)
            if not self.dense:
                value = self.spread_out(source, x, width, step, lanes)
            elif self.unit:
                lane.prefetch(f, f.at(source, f.b.add(x, i64(_AHEAD // self.of.itemsize))))
                on = self.inside(column, low, width)
                value = self.read(source, lambda s, x=x, on=on: lane.load(f, f.at(s, x), on))
            else:
                steps, on = lane.multiples(f, x, step, lanes), self.inside(column, low, width)
                value = self.read(source, lambda s, at=steps, on=on: lane.gather(f, s, at, on))
            self.put(value, target, column, wide, left)

    def spread_out(self, source: Any, x: Any, width: Any, step: Any, lanes: int) -> Any:
        """Elements with zeros between them, from place x on."""
        f, b = self.f, self.f.b
        shift = f.splat(self.shifts[2], lanes)
        at = lane.multiples(f, x, i64(1), lanes)
        index = b.ashr(at, shift)
        inside = b.icmp_unsigned("<", index, f.splat(width, lanes))
        mask = b.and_(inside, b.icmp_signed("==", b.shl(index, shift), at))
        place = b.mul(index, f.splat(step, lanes))
        return self.read(source, lambda s: lane.gather(f, s, place, mask))

    def read(self, source: Any, load: Callable[..., Any]) -> Any:
        """What is to be stored of what `load` reads, relative to a place: a vector of elements or pairs."""
        if self.partner is None:
            return self.converted(load(source))
        b = self.f.b
        wide = ir.VectorType(I32, self.lanes)
        low, high = (b.zext(load(x), wide) for x in (source, self.f.at(source, self.partner)))
        both = b.or_(low, b.shl(high, ir.Constant(wide, [16] * self.lanes)))
        return b.bitcast(both, vector(STORED[self.to], self.lanes))

    def converted(self, value: Any) -> Any:
        """Stored elements of one dtype as those of the other."""
        if self.of is self.to:
            return value
        value, wanted = decode(self.f, value, self.of), F64 if self.to.itemsize == 8 else F32
        if value.type.element != wanted:
            kind = ir.VectorType(wanted, value.type.count)
            value = self.f.b.fpext(value, kind) if wanted is F64 else self.f.b.fptrunc(value, kind)
        return encode(self.f, value, self.to)
