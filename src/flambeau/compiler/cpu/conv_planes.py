"""Convolution with few channels in a group, depthwise above all: the vector runs along rows of the image.

Here the contraction (see `conv_kernel`) would leave most lanes of the channels empty. x is padded, so that
rows are read without looking where they end; a vector may read beyond its row, into lanes that don't count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llvmlite import ir

from ...core.dtype import dtype
from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Array, Plan
from . import conv_lanes as lane
from .conv_tables import Sizes, part_of
from .emit import I32, STORED, Function, i64, vector
from .pad import Padded, images_of

MOST = 25  # taps that are written out in a kernel
SLACK = 4096  # bytes after x that may be read
_VECTORS = 4  # of pixels that are summed side by side


class Weights(NamedTuple):
    """Where weights lie: an array and its strides, in elements, by group, by channel of the result, by
    channel of the sum, and by tap in each dimension (negative ones turn the kernel around)."""

    array: Array
    group: int
    result: int
    inner: int
    taps: Sizes


class Geometry(NamedTuple):
    """Sizes of the kernel, steps between windows and steps between taps: three of each."""

    kernel: Sizes
    stride: Sizes
    dilation: Sizes


# Words of both kernels: eleven of their own, then three of each of these.
_OWN = 11
_GROUPS = ("grown", "out", "kernel", "stride", "dilation")


def few(n: int, itemsize: int) -> bool:
    """Whether so few channels of the result in a group are better done in planes."""
    return 4 * n <= host().lanes(itemsize)


def geometry_of(kernel: Sizes, stride: Sizes, dilation: Sizes) -> Geometry:
    """The geometry of one to three dimensions in three."""
    return Geometry(_three(kernel, 1), _three(stride, 1), _three(dilation, 1))


def _three(sizes: Sequence[int], fill: int) -> Sizes:
    """Numbers for three dimensions, with `fill` for those that are missing in front."""
    return (fill,) * (3 - len(sizes)) + tuple(sizes)


class Form(NamedTuple):
    """What a kernel is made for: the heights and widths of taps that are written out, the step between
    windows along rows (3 for any above 2) and between taps, vectors of pixels side by side, whether one
    channel of x with all written-out taps makes up a sum, and whether taps are in order (1) or turned around
    (-1)."""

    dtype: str
    taps: Sizes
    step: int
    gap: int
    vectors: int = 1
    single: bool = False
    order: int = 1


def plan_planes(plan: Plan, x: Padded, w: Weights, y: Array, geometry: Geometry, groups: int) -> None:
    """Adds the calls for y[b, o] = the sum over the group's channels and taps of x * w; y is contiguous."""
    d, like = y.dtype, x.like
    depth, height, width = geometry.kernel
    results, inner = y.shape[1] // groups, like.shape[1] // groups
    wide = -(-y.shape[-1] // host().lanes(d.itemsize))
    vectors = min(range(1, _VECTORS + 1), key=lambda v: (-(-wide // v) * (v + 1), v))
    rows = height if height * width <= MOST else 1
    form = Form(
        d.name, (rows, width), min(geometry.stride[2], 3), geometry.dilation[2], vectors,
        depth * inner == 1 and rows == height, 1 if w.taps[-1] > 0 else -1,
    )  # fmt: skip
    part = part_of(y.shape[0], like.strides[0] * d.itemsize, 0, plan.threads)
    code = kernel("conv_planes", form, lambda m: _Planes(m, d, form).emit())
    by_tap = _three(w.taps, 0)[:2]
    for start in range(0, y.shape[0], part):
        piece = x.part(plan, start, part)
        words = [
            piece.address, w.array.address, images_of(y, start, part).address, groups, results, inner,
            w.group, w.result, w.inner, *by_tap, *_numbers(like, y, geometry),
        ]  # fmt: skip
        plan.call(code, words, part * y.shape[1])


def plan_plane_products(plan: Plan, dy: Array, x: Padded, dw: Array, geometry: Geometry, groups: int) -> None:
    """Adds the calls for dw[o, c, tap] = the sum over images and pixels of dy * x; dy and dw are
    contiguous."""
    d = dw.dtype
    form = Form(d.name, geometry.kernel[1:], min(geometry.stride[2], 3), geometry.dilation[2])
    results, inner = dw.shape[0] // groups, dw.shape[1]
    code = kernel("conv_plane_products", form, lambda m: _Products(m, d, form).emit())
    piece = x.part(plan, 0, dy.shape[0])
    words = [
        piece.address, dy.address, dw.address, groups, results, inner, dy.shape[0], 0, 0, 0, 0,
        *_numbers(x.like, dy, geometry),
    ]  # fmt: skip
    plan.call(code, words, dw.shape[0] * inner)


def _numbers(x: Array, y: Array, g: Geometry) -> list[int]:
    return [n for numbers in (_three(x.shape[2:], 1), _three(y.shape[2:], 1), *g) for n in numbers]


class _Kernel:
    """What both kernels share."""

    symbol = ""

    def __init__(self, module: Any, d: dtype, form: Form) -> None:
        self.f, self.d, self.form, self.taps = Function(module, self.symbol), d, form, form.taps
        self.lanes = host().lanes(d.itemsize)
        self.kind = vector(STORED[d], self.lanes)
        self.zero = ir.Constant(self.kind, None)
        groups = {name: [self.f.word(_OWN + 3 * g + i) for i in range(3)] for g, name in enumerate(_GROUPS)}
        self.grown, self.out, self.kernel = groups["grown"], groups["out"], groups["kernel"]
        self.strides, self.dilation = groups["stride"], groups["dilation"]
        self.groups, self.results, self.inner = (self.f.word(i) for i in (3, 4, 5))
        self.volume, self.pixels = self.product(self.grown), self.product(self.out)

    def product(self, numbers: list[Any]) -> Any:
        return self.f.b.mul(self.f.b.mul(numbers[0], numbers[1]), numbers[2])

    def row(self, plane: Any, window: Sequence[Any], tap: Sequence[Any]) -> Any:
        """The start of what a tap of a row of windows meets: `window` and `tap` count in depth and height."""
        b = self.f.b
        z, y = (
            b.add(b.mul(w, s), b.mul(t, d))
            for w, s, t, d in zip(window, self.strides[:2], tap, self.dilation[:2], strict=True)
        )
        return self.f.at(plane, b.mul(b.add(b.mul(z, self.grown[1]), y), self.grown[2]))

    def read(self, row: Any, window: Any, tap: int, mask: Any = None) -> Any:
        """x at a tap of a vector of windows; with a mask, zeros in the lanes that are off."""
        f, b, lanes = self.f, self.f.b, self.lanes
        step = self.form.step
        by = i64(step) if step < 3 else self.strides[2]
        place = f.at(f.at(row, b.mul(window, by)), i64(tap * self.form.gap))
        if step == 1:
            return (
                f.load(f.at(place, i64(0), self.kind), self.d.itemsize)
                if mask is None
                else lane.load(f, place, mask)
            )
        if step == 2:
            halves = [f.load(f.at(place, i64(n), self.kind), self.d.itemsize) for n in (0, lanes)]
            even = ir.Constant(ir.VectorType(I32, lanes), list(range(0, 2 * lanes, 2)))
            value = b.shuffle_vector(*halves, even)
            return value if mask is None else b.select(mask, value, self.zero)
        on = lane.first(f, b.sub(self.out[2], window), lanes) if mask is None else mask
        return lane.gather(
            f, place, lane.multiples(f, i64(0), b.mul(self.strides[2], i64(self.d.itemsize)), lanes), on
        )


class _Planes(_Kernel):
    """y = conv(x, w). A task is a plane of y; some vectors of pixels are summed side by side."""

    symbol = "conv_planes"

    def emit(self) -> None:
        """The loops over planes and vectors of pixels."""
        f, b = self.f, self.f.b
        x, w, y = (f.pointer(i, STORED[self.d]) for i in range(3))
        with f.loop(f.begin, f.end, name="plane") as t:
            above, result = b.sdiv(t, self.results), b.srem(t, self.results)
            group = b.srem(above, self.groups)
            source = f.at(x, b.mul(b.mul(above, self.inner), self.volume))
            weights = f.at(w, b.add(b.mul(group, f.word(6)), b.mul(result, f.word(7))))
            target = f.at(y, b.mul(t, self.pixels))
            fixed = self.weights(weights) if self.form.single else None
            with (
                f.loop(0, self.out[0], name="z") as z,
                f.loop(0, self.out[1], name="y") as row,
                f.loop(0, self.out[2], self.form.vectors * self.lanes, name="x") as first,
            ):
                place = b.mul(b.add(b.mul(z, self.out[1]), row), self.out[2])
                zeros = [self.zero] * self.form.vectors
                if fixed:
                    values = self.taps_of(source, fixed, (z, row), (i64(0), i64(0)), first, zeros)
                else:
                    values = self.sums(source, weights, (z, row), first, zeros)
                for v, value in enumerate(values):
                    at = b.add(first, i64(v * self.lanes))
                    mask = lane.first(f, b.sub(self.out[2], at), self.lanes)
                    here = b.add(place, at)
                    lane.store_row(f, value, f.at(target, here), mask, b.sub(self.pixels, here))
        f.finish()

    def weights(self, place: Any) -> list[Any]:
        """The weights of the taps that are written out, each in all lanes."""
        f, count = self.f, self.taps[0] * self.taps[1]
        places = (f.at(place, i64(self.form.order * i)) for i in range(count))
        return [f.splat(f.load(p, self.d.itemsize), self.lanes) for p in places]

    def sums(
        self, source: Any, weights: Any, window: Sequence[Any], first: Any, zeros: list[Any]
    ) -> list[Any]:
        """The sums over channels and taps for some vectors of pixels."""
        f, b = self.f, self.f.b
        by_inner, by_depth, by_height = (f.word(i) for i in (8, 9, 10))
        with f.carry(0, self.inner, 1, zeros, "channel") as channels:
            plane = f.at(source, b.mul(channels.i, self.volume))
            own = f.at(weights, b.mul(channels.i, by_inner))
            with f.carry(0, self.kernel[0], 1, channels.values, "d") as deep:
                with f.carry(0, self.kernel[1], self.taps[0], deep.values, "h") as high:
                    at = b.add(b.mul(deep.i, by_depth), b.mul(high.i, by_height))
                    fixed = self.weights(f.at(own, at))
                    high.next = self.taps_of(plane, fixed, window, (deep.i, high.i), first, high.values)
                deep.next = high.values
            channels.next = deep.values
        return list(channels.values)

    def taps_of(
        self, plane: Any, weights: list[Any], window: Sequence[Any], tap: Sequence[Any], first: Any,
        values: Sequence[Any],
    ) -> list[Any]:  # fmt: skip
        """Adds the taps that are written out."""
        f, b, totals = self.f, self.f.b, list(values)
        for h in range(self.taps[0]):
            row = self.row(plane, window, (tap[0], b.add(tap[1], i64(h))))
            for t in range(self.taps[1]):
                weight = weights[h * self.taps[1] + t]
                for v in range(self.form.vectors):
                    value = self.read(row, b.add(first, i64(v * self.lanes)), t)
                    totals[v] = lane.fma(f, value, weight, totals[v])
        return totals


class _Products(_Kernel):
    """The gradient towards the weight. A task is all taps for one channel of dy and one of x."""

    symbol = "conv_plane_products"

    def emit(self) -> None:
        """The loops over channels, depth and images."""
        f, b = self.f, self.f.b
        x, dy, dw = (f.pointer(i, STORED[self.d]) for i in range(3))
        images, taps = f.word(6), self.taps[0] * self.taps[1]
        with f.loop(f.begin, f.end, name="pair") as t:
            result, inner = b.sdiv(t, self.inner), b.srem(t, self.inner)
            channel = b.add(b.mul(b.sdiv(result, self.results), self.inner), inner)
            outputs, inputs = b.mul(self.groups, self.results), b.mul(self.groups, self.inner)
            with f.loop(0, self.kernel[0], name="d") as depth:
                with f.carry(0, images, 1, [self.zero] * taps, "image") as image:
                    source = f.at(x, b.mul(b.add(b.mul(image.i, inputs), channel), self.volume))
                    grad = f.at(dy, b.mul(b.add(b.mul(image.i, outputs), result), self.pixels))
                    image.next = self.plane(source, grad, depth, image.values)
                target = f.at(dw, b.mul(b.add(b.mul(t, self.kernel[0]), depth), i64(taps)))
                for i, value in enumerate(image.values):
                    f.store(lane.total(f, value), f.at(target, i64(i)), self.d.itemsize)
        f.finish()

    def plane(self, source: Any, grad: Any, depth: Any, values: Sequence[Any]) -> list[Any]:
        """Adds the products of one image."""
        f, b = self.f, self.f.b
        with f.carry(0, self.out[0], 1, list(values), "z") as deep:
            with f.carry(0, self.out[1], 1, deep.values, "y") as rows:
                start = f.at(grad, b.mul(b.add(b.mul(deep.i, self.out[1]), rows.i), self.out[2]))
                with f.carry(0, self.out[2], self.lanes, rows.values, "x") as c:
                    on = lane.first(f, b.sub(self.out[2], c.i), self.lanes)
                    left, following = lane.load(f, f.at(start, c.i), on), []
                    for h in range(self.taps[0]):
                        row = self.row(source, (deep.i, rows.i), (depth, i64(h)))
                        for t in range(self.taps[1]):
                            total = c.values[len(following)]
                            following.append(lane.fma(f, left, self.read(row, c.i, t, on), total))
                    c.next = following
                rows.next = c.values
            deep.next = rows.values
        return list(deep.values)
