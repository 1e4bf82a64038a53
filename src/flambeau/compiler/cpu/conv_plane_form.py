"""What the kernels share that convolve planes (see `conv_planes`): their geometry, forms and reading of x."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from ...core.dtype import dtype
from ...runtime.calls import Address, Word
from ...runtime.target import host
from ..calls import Array, Plan, strides_of
from . import conv_lanes as lane
from .conv_sweep import Moved, Sweep, moved
from .conv_tables import Sizes, alone, divisor
from .emit import I32, STORED, Function, i64, vector
from .pad import Padded, Pairs

MOST = 25  # taps that are written out in a kernel
SLACK = 4096  # bytes after x that may be read
_SHARE = (0.0, 0.75, 0.6, 0.2)  # of the processor's speed that planes reach, by the step between windows
_WRITTEN = 300  # multiplications that are written out at most
_ITEM = 48 << 10  # bytes of x, about, that one thread pads and convolves at a time


class Geometry(NamedTuple):
    """Sizes of the kernel, steps between windows and steps between taps: three of each."""

    kernel: Sizes
    stride: Sizes
    dilation: Sizes

    @property
    def writable(self) -> bool:
        """Whether the taps of a plane can be written out in a kernel."""
        return self.kernel[1] * self.kernel[2] <= MOST


# What three words of the kernels are about each, after those of their own.
_GROUPS = ("size", "out", "kernel", "stride", "dilation", "low")


def planes_pay(n: int, width: int, d: dtype, share: float) -> bool:
    """Whether planes, results `width` pixels wide, use the processor better than the contraction does with n
    channels of the result in a group, each to a lane: so large a `share` of it if vectors are full."""
    lanes = host().lanes(d.itemsize)
    across, abreast = (m / (ceil(m / lanes) * lanes) for m in (width, n))
    return share * across > abreast


def in_planes(geometry: Geometry, n: int, inner: int, width: int, d: dtype) -> bool:
    """Whether a convolution from `inner` to n channels in a group, with results `width` pixels wide, is
    better done in planes."""
    lanes, step = host().lanes(d.itemsize), min(geometry.stride[2], 3)
    if geometry.kernel[2] > MOST:
        return False
    short = inner * prod(geometry.kernel) <= 2 * lanes and step < 3
    return planes_pay(n, width, d, _SHARE[step]) or (short and 4 * width >= 3 * lanes * ceil(width / lanes))


def geometry_of(kernel: Sizes, stride: Sizes, dilation: Sizes) -> Geometry:
    """The geometry of one to three dimensions in three."""
    return Geometry(three(kernel, 1), three(stride, 1), three(dilation, 1))


def three(sizes: Sequence[int], fill: int) -> Sizes:
    """Numbers for three dimensions, with `fill` for those that are missing in front."""
    return (fill,) * (3 - len(sizes)) + tuple(sizes)


class Form(NamedTuple):
    """What a kernel is made for: the heights and widths of taps that are written out, the step between
    windows along rows (3 for any above 2) and between taps; a tile's channels, rows and vectors; with several
    rows the step between windows and between taps down; whether rows are less than a tile wide; whether one
    channel of x with all written-out taps makes up a sum, so that weights stay in registers; whether x is
    read as it is, and how many zeros are then thought before a row."""

    dtype: str
    taps: Sizes
    step: int
    gap: int
    results: int = 1
    rows: int = 1
    vectors: int = 1
    down: Sizes = (0, 0)
    tail: bool = False
    fixed: bool = False
    bare: bool = False
    low: int = 0


@lru_cache(256)
def form_of(
    d: str, size: int, geometry: Geometry, n: int, inner: int, out: Sizes, bare: bool, low: int
) -> Form:
    """The form that takes the fewest cycles."""
    lanes, registers = host().lanes(size), host().registers
    (depth, height, width), step = geometry.kernel, min(geometry.stride[2], 3)
    wide, best, found = ceil(out[2] / lanes), float("inf"), None
    down = (geometry.stride[1], geometry.dilation[1])
    tiles = product(range(1, min(n, 12) + 1), range(1, min(out[1], 4) + 1), range(1, min(wide, 4) + 1))
    for (results, rows, vectors), high in product(tiles, sorted({1, height})):
        sums, weights = results * rows * vectors, results * high * width
        fixed = depth * inner == 1 and high == height and weights + sums + vectors < registers
        held = weights if fixed or (high > 1 and rows > 1) else 1
        if (sums + vectors + held > registers or high * width * sums > _WRITTEN) and (sums, high) != (1, 1):
            continue
        touched = len({y * down[0] + h * down[1] for y in range(rows) for h in range(high)})
        loads = touched * width * vectors * (0, 1.0, 2.0, 12.0)[step] + (0.0 if fixed else 0.5 * weights)
        each = max(high * width * sums / 2, 4.0 * high * width, loads) * (height // high) * depth * inner
        cost = ceil(n / results) * ceil(out[1] / rows) * ceil(wide / vectors) * (each + 2 * sums)
        if cost < best:
            best = cost
            found = Form(
                d, (high, width), step, geometry.dilation[2], results, rows, vectors,
                down if rows > 1 else (0, 0), out[2] < vectors * lanes, fixed, bare, low,
            )  # fmt: skip
    assert found is not None
    return found


class Planes:
    """x (B, C, *S) as the kernels read it: padded; or as it is, if it lies in order, a group is one channel,
    which is read about once, and the processor can leave out what is beyond the ends of rows. `low` are the
    zeros that are then thought before each dimension."""

    def __init__(self, x: Array, padding: Pairs, d: dtype, groups: int) -> None:
        single = x.shape[1] == groups > 1
        self.bare = single and host().vector >= 32 and x.contiguous and x.dtype is d
        self.padded = Padded(x, padding, d, slack=SLACK)
        self.like = x._replace(strides=strides_of(x.shape)) if self.bare else self.padded.like
        self.low = three([low for low, _ in padding], 0) if self.bare else (0, 0, 0)

    def sweep(self, plan: Plan, inner: int, repeats: bool = False, several: bool = False) -> Items:
        """The items of a sweep over images and groups of `inner` channels; if `repeats`, an item is all
        images, one after another. There are `several` steps besides padding."""
        images, groups, size = self.like.shape[0], self.like.shape[1] // inner, self.like.dtype.itemsize
        each = divisor(groups, max(1, _ITEM // (inner * self.like.strides[1] * size)))
        count = groups // each
        if (self.bare and not several) or not alone(count * (1 if repeats else images), plan.threads, 0):
            return Items(Sweep(plan, 1, 1, alone=False), images, groups)
        return Items(Sweep(plan, *((1, count, images) if repeats else (images, count))), 1, each)

    def place(self, items: Items, inner: int, repeats: bool = False) -> Moved:
        """Where an item is. Adds the step that pads it."""
        channels = items.groups * inner
        if self.bare:
            b, c = self.like.strides[:2]
            return moved(self.padded.x, 0 if repeats else b, channels * c, b if repeats else 0)
        outer, repeat = (0, 1) if repeats else (1, 0)
        return self.padded.place(items.sweep, items.images, channels, outer, channels, repeat)

    def numbers(self, plan: Plan, out: Sizes, g: Geometry) -> list[Word]:
        """The words that both kernels have after their own, the last of which is where zeros are."""
        groups = (three(self.like.shape[2:], 1), out, *g, self.low)
        zeros = plan.table(np.zeros(self.like.shape[-1], np.float64))
        return [*(n for group in groups for n in group), Address(zeros)]


class Items(NamedTuple):
    """How planes are shared out: a sweep over images and parts of the groups, `groups` in each."""

    sweep: Sweep
    images: int
    groups: int


class PlaneKernel:
    """What both kernels share. Before the words of `numbers_of` they have `own` words."""

    def __init__(self, module: Any, symbol: str, d: dtype, form: Form, own: int) -> None:
        self.f, self.d, self.form, self.taps = Function(module, symbol), d, form, form.taps
        self.lanes = host().lanes(d.itemsize)
        self.kind = vector(STORED[d], self.lanes)
        self.zero = ir.Constant(self.kind, None)
        groups = {name: [self.f.word(own + 3 * g + i) for i in range(3)] for g, name in enumerate(_GROUPS)}
        self.size, self.out, self.kernel = groups["size"], groups["out"], groups["kernel"]
        self.strides, self.dilation, self.low = groups["stride"], groups["dilation"], groups["low"]
        self.following = own + 3 * len(_GROUPS) + 1
        self.zeros = self.f.pointer(self.following - 1, STORED[d])
        self.volume, self.pixels = self.product(self.size), self.product(self.out)

    def product(self, numbers: list[Any]) -> Any:
        return self.f.b.mul(self.f.b.mul(numbers[0], numbers[1]), numbers[2])

    def touched(
        self, plane: Any, window: Sequence[Any], tap: Sequence[Any], rows: int
    ) -> list[tuple[Any, list[tuple[int, int]]]]:
        """The rows of x that `rows` rows of windows meet with the written-out taps: where each begins, and
        which windows and taps, both down, meet there. `window` and `tap` are the first ones, in depth and
        height."""
        b, (by_window, by_tap) = self.f.b, self.form.down if rows > 1 else (0, 1)
        found: dict[int, list[tuple[int, int]]] = {}
        for y in range(rows):
            for h in range(self.taps[0]):
                found.setdefault(y * by_window + h * by_tap, []).append((y, h))
        z, y0 = (
            b.sub(b.add(b.mul(window[i], self.strides[i]), b.mul(tap[i], self.dilation[i])), self.low[i])
            for i in range(2)
        )
        apart = self.dilation[1] if rows == 1 else i64(1)
        places = []
        for r in sorted(found):
            at = b.add(y0, b.mul(apart, i64(r)))
            row = self.f.at(plane, b.mul(b.add(b.mul(z, self.size[1]), at), self.size[2]))
            if self.form.bare:
                inside = b.and_(b.icmp_unsigned("<", z, self.size[0]), b.icmp_unsigned("<", at, self.size[1]))
                row = b.select(inside, row, self.zeros)
            places.append((row, found[r]))
        return places

    def ahead(self, plane: Any, window: Sequence[Any], columns: list[Column], rows: int) -> None:
        """Asks for the rows of x that the windows below some rows of windows meet. The processor wouldn't
        guess, as several rows are read side by side."""
        f, b, form = self.f, self.f.b, self.form
        down = max(form.down[0], 1)
        z = b.sub(b.mul(window[0], self.strides[0]), self.low[0])
        y = b.sub(b.mul(b.add(window[1], i64(rows)), i64(down)), self.low[1])
        for r in range(rows * down):
            at = b.add(b.mul(z, self.size[1]), b.add(y, i64(r + (self.taps[0] - 1) * form.down[1])))
            place = f.at(plane, b.add(b.mul(at, self.size[2]), columns[0].first))
            for n in range(0, len(columns) * min(form.step, 2) * self.lanes, 64 // self.d.itemsize):
                lane.prefetch(f, f.at(place, i64(n)))

    def column(self, window: Any, on: Any = None) -> Column:
        """A vector of windows of a row, of which only some may be `on`."""
        return Column(self, window, on)


class Column:
    """A vector of windows of a row, and the masks with which x is read there; what they hide is zero."""

    def __init__(self, k: PlaneKernel, window: Any, on: Any) -> None:
        f, b, form = k.f, k.f.b, k.form
        self.k, self.step = k, form.step
        step = i64(form.step) if form.step < 3 else k.strides[2]
        self.first, self.on = b.mul(window, step), on
        self.masks: dict[int, Any] = {}
        if not form.bare:
            if form.step == 3 and on is None:
                self.on = lane.first(f, b.sub(k.out[2], window), k.lanes)
            return
        for start in self.starts():
            at = b.add(self.first, i64(start))
            if form.step < 3:
                mask = lane.between(f, at, k.size[2], k.lanes)
            else:
                places = lane.multiples(f, i64(0), step, k.lanes)
                places = b.add(f.splat(at, k.lanes), places)
                mask = b.icmp_unsigned("<", places, f.splat(k.size[2], k.lanes))
            self.masks[start] = b.and_(mask, on) if on is not None and form.step != 2 else mask

    def starts(self) -> list[int]:
        """Where loads for all taps begin, from the first window's place."""
        return sorted({start for t in range(self.k.taps[1]) for start in self.loads(t)})

    def loads(self, tap: int) -> list[int]:
        """Where the loads for a tap begin: one, or two vectors of whose elements every second is taken."""
        at = tap * self.k.form.gap - self.k.form.low
        return [at - at % 2, at - at % 2 + self.k.lanes] if self.step == 2 else [at]

    def read(self, row: Any, tap: int) -> Any:
        """x at a tap."""
        k, f, b = self.k, self.k.f, self.k.f.b
        parts = []
        for start in self.loads(tap):
            place = f.at(row, b.add(self.first, i64(start)))
            mask = self.masks.get(start, None if self.step == 2 else self.on)
            if self.step == 3:
                steps = lane.multiples(f, i64(0), b.mul(k.strides[2], i64(k.d.itemsize)), k.lanes)
                parts.append(lane.gather(f, place, steps, mask))
            elif mask is not None:
                parts.append(lane.load(f, place, mask))
            else:
                parts.append(f.load(f.at(place, i64(0), k.kind), k.d.itemsize))
        if self.step != 2:
            return parts[0]
        odd = (tap * k.form.gap - k.form.low) % 2
        every_second = ir.Constant(ir.VectorType(I32, k.lanes), list(range(odd, 2 * k.lanes, 2)))
        value = b.shuffle_vector(*parts, every_second)
        return value if self.on is None else b.select(self.on, value, k.zero)
