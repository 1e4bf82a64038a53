"""Convolution where few channels meet, depthwise above all: the vector runs along rows of the image.

Here the contraction (see `conv_kernel`) would leave most lanes empty, or have so short sums that turning
them costs more than adding them up. x is padded, so that rows are read without looking where they end; a
vector may read beyond its row, into lanes that don't count.

A tile of sums is some rows of pixels, each some vectors wide, for some channels of the result. An element of
x that is loaded meets all of a tile's channels, and all of its rows that it is a tap of.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil, prod
from typing import Any, NamedTuple

from llvmlite import ir

from ...core.dtype import dtype
from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Array, Plan
from . import conv_lanes as lane
from .conv_finish import Ending, Writer, stored
from .conv_shuffle import Shuffle
from .conv_sweep import Moved, Sweep, Words, moved
from .conv_tables import Sizes, alone, divisor
from .emit import I32, STORED, Function, i64, vector
from .pad import Padded

MOST = 25  # taps that are written out in a kernel
SLACK = 4096  # bytes after x that may be read
_WRITTEN = 300  # multiplications that are written out at most
_ITEM = 48 << 10  # bytes of x, about, that one thread pads and convolves at a time


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

    @property
    def writable(self) -> bool:
        """Whether the taps of a plane can be written out in a kernel."""
        return self.kernel[1] * self.kernel[2] <= MOST


# Words of the kernels: those of their own, then three for each of these, then those of the results.
_OWN = 12
_GROUPS = ("grown", "out", "kernel", "stride", "dilation")
_ALL = _OWN + 3 * len(_GROUPS)


def few(n: int, itemsize: int) -> bool:
    """Whether so few channels of the result in a group are better done in planes."""
    return 4 * n <= host().lanes(itemsize)


def in_planes(geometry: Geometry, n: int, inner: int, width: int, d: dtype) -> bool:
    """Whether a convolution from `inner` to n channels in a group, with results `width` pixels wide, is
    better done in planes."""
    if geometry.kernel[2] > MOST:
        return False
    lanes = host().lanes(d.itemsize)
    short = inner * prod(geometry.kernel) <= 2 * lanes and geometry.stride[2] <= 2
    return few(n, d.itemsize) or (short and 4 * width >= 3 * lanes * ceil(width / lanes))


def geometry_of(kernel: Sizes, stride: Sizes, dilation: Sizes) -> Geometry:
    """The geometry of one to three dimensions in three."""
    return Geometry(_three(kernel, 1), _three(stride, 1), _three(dilation, 1))


def _three(sizes: Sequence[int], fill: int) -> Sizes:
    """Numbers for three dimensions, with `fill` for those that are missing in front."""
    return (fill,) * (3 - len(sizes)) + tuple(sizes)


class Form(NamedTuple):
    """What a kernel is made for: the heights and widths of taps that are written out, the step between
    windows along rows (3 for any above 2) and between taps; a tile's channels, rows and vectors; with several
    rows the step between windows and between taps down; whether rows are less than a tile wide; whether one
    channel of x with all written-out taps makes up a sum, so that weights stay in registers."""

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


@lru_cache(256)
def _form(d: str, size: int, geometry: Geometry, n: int, inner: int, out: Sizes) -> Form:
    """The form that takes the fewest cycles."""
    lanes, registers = host().lanes(size), host().registers
    (depth, height, width), step = geometry.kernel, min(geometry.stride[2], 3)
    wide, best, found = ceil(out[2] / lanes), float("inf"), None
    for vectors in range(1, min(wide, 4) + 1):
        for rows in range(1, min(out[1], 4) + 1):
            for results in range(1, min(n, 12) + 1):
                sums = results * rows * vectors
                whole = height * width * sums <= _WRITTEN and height * width <= MOST
                high = height if whole else 1
                weights = results * high * width
                fixed = whole and depth * inner == 1 and weights + sums + vectors < registers
                if sums + vectors + 1 > registers - (weights if fixed or rows > 1 else 0):
                    continue
                if rows > 1 and not whole:
                    continue
                down = (geometry.stride[1], geometry.dilation[1])
                touched = len({y * down[0] + h * down[1] for y in range(rows) for h in range(high)})
                loads = touched * width * vectors * (1.0, 1.6, 2.4, 12.0)[step]
                loads += 0.0 if fixed else 0.5 * weights
                each = max(high * width * sums / 2, 4.0 * high * width, loads)
                each = each * height // high * depth * inner + 2 * sums
                cost = ceil(n / results) * ceil(out[1] / rows) * ceil(wide / vectors) * each
                if cost < best:
                    best = cost
                    found = Form(
                        d, (high, width), step, geometry.dilation[2], results, rows, vectors,
                        down if rows > 1 else (0, 0), out[2] < vectors * lanes, fixed,
                    )  # fmt: skip
    assert found is not None
    return found


class _Items(NamedTuple):
    """How planes are shared out: a sweep over images and parts of the groups, `groups` in each."""

    sweep: Sweep
    images: int
    groups: int


def _items(plan: Plan, images: int, groups: int, nbytes: int, repeats: bool = False) -> _Items:
    """The items of a sweep, where a group of an image takes so many bytes. If `repeats`, an item is all
    images, one after another."""
    each = divisor(groups, max(1, _ITEM // nbytes))
    count = groups // each
    if not alone(count * (1 if repeats else images), plan.threads, 0):
        return _Items(Sweep(plan, 1, 1, alone=False), images, groups)
    if repeats:
        return _Items(Sweep(plan, 1, count, images), 1, each)
    return _Items(Sweep(plan, images, count), 1, each)


def plan_planes(
    plan: Plan,
    x: Padded,
    w: Weights,
    target: Ending | Shuffle,
    geometry: Geometry,
    groups: int,
    results: int = 0,
) -> None:
    """Adds the calls for the sum over the group's channels and taps of x * w for each pixel of each channel
    of the target, or of its phases (`results` for each group)."""
    d, like, size = w.array.dtype, x.like, w.array.dtype.itemsize
    shape, extents = (
        (target.ending.out.shape, target.extents)
        if isinstance(target, Shuffle)
        else (target.out.shape, target.out.shape[2:])
    )
    n, inner, out = results or shape[1] // groups, like.shape[1] // groups, _three(extents, 1)
    form = _form(d.name, size, geometry, n, inner, out)
    sweep, images, each = _items(plan, like.shape[0], groups, inner * like.strides[1] * size)
    source = x.place(sweep, images, each * inner, outer=1, inner=each * inner)
    pixels = prod(out)
    if isinstance(target, Shuffle):
        phases = sweep.memory((images, each * n, *out), d)
        ending = Ending(plan, stored(phases))
        places = ending.words()
    else:
        ending = target
        places = ending.words(shape[1] * pixels, each * n * pixels, each * n)
    blocks = ceil(n / form.results)
    words: Words = [
        source, moved(w.array, 0, each * w.group), blocks, each, n, inner, w.group, w.result, w.inner,
        *_three(w.taps, 0), *_numbers(like, out, geometry), *places,
    ]  # fmt: skip
    code = kernel("conv_planes", (form, ending.key), lambda m: _Planes(m, d, form, ending).emit())
    work = 2 * form.results * pixels * inner * prod(geometry.kernel)
    grain = 1 + (1 << 18) // max(work, 1)
    sweep.add(code, words, images * each * blocks, grain)
    if isinstance(target, Shuffle):
        target.step(sweep, phases, images, each)
    sweep.end(grain=1 + (grain - 1) // (images * each * blocks))


def plan_plane_products(plan: Plan, dy: Array, x: Padded, dw: Array, geometry: Geometry, groups: int) -> None:
    """Adds the calls for dw[o, c, tap] = the sum over images and pixels of dy * x; dy and dw are
    contiguous."""
    d, size, like, out = dw.dtype, dw.dtype.itemsize, x.like, _three(dy.shape[2:], 1)
    height, width = geometry.kernel[1:]
    down = (geometry.stride[1], geometry.dilation[1])
    rows = min(4, out[1]) if height * width <= 9 and host().registers >= 32 else 1
    form = Form(
        d.name, (height, width), min(geometry.stride[2], 3), geometry.dilation[2], rows=rows,
        down=down if rows > 1 else (0, 0),
    )  # fmt: skip
    n, inner = dw.shape[0] // groups, dw.shape[1]
    sweep, images, each = _items(plan, dy.shape[0], groups, inner * like.strides[1] * size, True)
    source = x.place(sweep, images, each * inner, inner=each * inner, repeat=1)
    taps = prod(geometry.kernel)
    kept = sweep.memory((each * n * inner * taps, host().lanes(size)), d)
    left = Moved(dy.shape[0] - 1, repeat=-1) if sweep.alone else 0
    old = Moved(0, repeat=1) if sweep.alone else 0
    words: Words = [
        source, moved(dy, 0, each * n * dy.strides[1], dy.strides[0]),
        moved(dw, 0, each * n * inner * taps), each, n, inner, images, like.shape[1], dy.shape[1],
        kept.address, old, left, *_numbers(like, out, geometry),
    ]  # fmt: skip
    if not sweep.alone:
        words[7:9] = [each * inner, each * n]
    code = kernel("conv_plane_products", form, lambda m: _Products(m, d, form).emit())
    sweep.add(code, words, each * n * inner)
    sweep.end()


def _numbers(x: Array, out: Sizes, g: Geometry) -> list[int]:
    return [n for numbers in (_three(x.shape[2:], 1), out, *g) for n in numbers]


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

    def touched(self, start: Any, rows: int) -> list[tuple[Any, list[tuple[int, int]]]]:
        """The rows of x that `rows` rows of windows meet with the written-out taps: where each begins, and
        which windows and taps, both down, meet there. `start` is where the first window's first tap is."""
        by_window, by_tap = self.form.down if rows > 1 else (0, 1)
        found: dict[int, list[tuple[int, int]]] = {}
        for y in range(rows):
            for h in range(self.taps[0]):
                found.setdefault(y * by_window + h * by_tap, []).append((y, h))
        b, step = self.f.b, self.grown[2]
        if rows == 1:
            step = b.mul(step, self.dilation[1])
        return [(self.f.at(start, b.mul(step, i64(r))), found[r]) for r in sorted(found)]

    def read(self, row: Any, window: Any, tap: int, mask: Any = None) -> Any:
        """x at a tap of a vector of windows; with a mask, zeros in the lanes that are off."""
        f, b, lanes, step = self.f, self.f.b, self.lanes, self.form.step
        by, at = i64(step) if step < 3 else self.strides[2], tap * self.form.gap
        place = f.at(row, b.mul(window, by))
        if step == 1:
            place = f.at(place, i64(at))
            if mask is not None:
                return lane.load(f, place, mask)
            return f.load(f.at(place, i64(0), self.kind), self.d.itemsize)
        if step == 2:
            odd = at % 2
            halves = [f.load(f.at(place, i64(at - odd + n), self.kind), self.d.itemsize) for n in (0, lanes)]
            value = b.shuffle_vector(
                *halves, ir.Constant(ir.VectorType(I32, lanes), list(range(odd, 2 * lanes, 2)))
            )
            return value if mask is None else b.select(mask, value, self.zero)
        on = lane.first(f, b.sub(self.out[2], window), lanes) if mask is None else mask
        steps = lane.multiples(f, i64(0), b.mul(self.strides[2], i64(self.d.itemsize)), lanes)
        return lane.gather(f, f.at(place, i64(at)), steps, on)


class _Planes(_Kernel):
    """y = conv(x, w). A task is some planes of y, of one image and group. Words: x, w, blocks of planes in a
    group, groups, planes and channels of a group, and the strides of w."""

    symbol = "conv_planes"

    def __init__(self, module: Any, d: dtype, form: Form, ending: Ending) -> None:
        super().__init__(module, d, form)
        self.writer = Writer(self.f, ending, _ALL, self.lanes)
        self.kept = self.f.local(self.kind, form.results * form.rows * form.vectors)
        self.plain = ending.plain
        names = (
            "blocks",
            "groups",
            "results",
            "inner",
            "w_group",
            "w_result",
            "w_inner",
            "w_z",
            "w_y",
            "w_x",
        )
        self.w = {name: self.f.word(2 + i) for i, name in enumerate(names)}

    def emit(self) -> None:
        """The loops over blocks of planes and tiles of pixels; what is left at an end is done together with
        what was done before it."""
        f, b, form, w = self.f, self.f.b, self.form, self.w
        x, weights = (f.pointer(i, STORED[self.d]) for i in range(2))
        wide = form.vectors * self.lanes
        with f.loop(f.begin, f.end, name="block") as t:
            above, block = b.sdiv(t, w["blocks"]), b.srem(t, w["blocks"])
            group = b.srem(above, w["groups"])
            first = f.minimum(b.mul(block, i64(form.results)), b.sub(w["results"], i64(form.results)))
            channel = b.add(b.mul(group, w["results"]), first)
            self.channel = channel
            self.target = b.mul(b.add(b.mul(above, w["results"]), first), self.pixels)
            source = f.at(x, b.mul(b.mul(above, w["inner"]), self.volume))
            own = f.at(weights, b.add(b.mul(group, w["w_group"]), b.mul(first, w["w_result"])))
            fixed = self.weights(own) if form.fixed else None
            with (
                f.loop(0, self.out[0], name="z") as z,
                f.loop(0, self.out[1], form.rows, name="y") as y,
                f.loop(0, self.out[2], wide, name="x") as column,
            ):
                y = f.minimum(y, b.sub(self.out[1], i64(form.rows)))
                if not form.tail:
                    column = f.minimum(column, b.sub(self.out[2], i64(wide)))
                zeros = [self.zero] * (form.results * form.rows * form.vectors)
                if fixed:
                    values = self.tap_sums(source, fixed, (z, y), (i64(0), i64(0)), column, zeros)
                else:
                    values = self.sums(source, own, (z, y), column, zeros)
                place = b.add(b.mul(b.add(b.mul(z, self.out[1]), y), self.out[2]), column)
                self.write(values, b.add(self.target, place), b.sub(self.out[2], column))
        f.finish()

    def weights(self, place: Any) -> dict[tuple[int, int, int], Any]:
        """The weights of the written-out taps, each in all lanes, by channel, row and column."""
        f, b, w = self.f, self.f.b, self.w
        found = {}
        for i in range(self.form.results):
            for h in range(self.taps[0]):
                at = b.add(b.mul(w["w_result"], i64(i)), b.mul(w["w_y"], i64(h)))
                for t in range(self.taps[1]):
                    there = f.at(place, b.add(at, b.mul(w["w_x"], i64(t))))
                    found[i, h, t] = f.splat(f.load(there, self.d.itemsize), self.lanes)
        return found

    def sums(
        self, source: Any, weights: Any, window: Sequence[Any], first: Any, zeros: list[Any]
    ) -> list[Any]:
        """A tile's sums over channels and taps."""
        f, b, w = self.f, self.f.b, self.w
        with f.carry(0, w["inner"], 1, zeros, "channel") as channels:
            plane = f.at(source, b.mul(channels.i, self.volume))
            own = f.at(weights, b.mul(channels.i, w["w_inner"]))
            with f.carry(0, self.kernel[0], 1, channels.values, "d") as deep:
                with f.carry(0, self.kernel[1], self.taps[0], deep.values, "h") as high:
                    at = b.add(b.mul(deep.i, w["w_z"]), b.mul(high.i, w["w_y"]))
                    fixed = self.weights(f.at(own, at))
                    high.next = self.tap_sums(plane, fixed, window, (deep.i, high.i), first, high.values)
                deep.next = high.values
            channels.next = deep.values
        return list(channels.values)

    def tap_sums(
        self, plane: Any, weights: dict[tuple[int, int, int], Any], window: Sequence[Any], tap: Sequence[Any],
        first: Any, values: Sequence[Any],
    ) -> list[Any]:  # fmt: skip
        """Adds the taps that are written out."""
        form, totals = self.form, list(values)
        for row, meets in self.touched(self.row(plane, window, tap), form.rows):
            for t in range(self.taps[1]):
                for v in range(form.vectors):
                    value = self.read(row, self.f.b.add(first, i64(v * self.lanes)), t)
                    for y, h in meets:
                        for i in range(form.results):
                            n = (i * form.rows + y) * form.vectors + v
                            totals[n] = lane.fma(self.f, value, weights[i, h, t], totals[n])
        return totals

    def write(self, values: list[Any], at: Any, left: Any) -> None:
        """Stores a tile; `left` pixels remain of its rows."""
        f, b, form = self.f, self.f.b, self.form

        def put(value: Any, i: Any, y: Any, v: int) -> None:
            place = b.add(b.add(at, b.mul(i, self.pixels)), b.add(b.mul(y, self.out[2]), i64(v * self.lanes)))
            mask = None
            if form.tail and v == form.vectors - 1:
                mask = lane.first(f, b.sub(left, i64(v * self.lanes)), self.lanes)
            self.writer.store(value, place, b.add(self.channel, i), mask)

        if self.plain:
            for n, value in enumerate(values):
                above, v = divmod(n, form.vectors)
                i, y = divmod(above, form.rows)
                put(value, i64(i), i64(y), v)
            return
        for n, value in enumerate(values):
            f.store(value, f.at(self.kept, i64(n)), 16)
        with f.loop(0, form.results, name="result") as i, f.loop(0, form.rows, name="row") as y:
            n = b.mul(b.add(b.mul(i, i64(form.rows)), y), i64(form.vectors))
            for v in range(form.vectors):
                put(f.load(f.at(self.kept, b.add(n, i64(v))), 16), i, y, v)


class _Products(_Kernel):
    """The gradient towards the weight. A task is all taps for one channel of dy and one of x. Words: x, dy,
    dw, groups, channels of dy and of x in a group, images, channels of x and of dy in an image, room for
    vectors of sums, whether to begin with what is there, and 0 if these are the last images."""

    symbol = "conv_plane_products"

    def emit(self) -> None:
        """The loops over channels, depth and images."""
        f, b = self.f, self.f.b
        x, dy, dw = (f.pointer(i, STORED[self.d]) for i in range(3))
        results, inner, images, inputs, outputs = (f.word(i) for i in range(4, 9))
        kept, taps = f.pointer(9, self.kind), self.taps[0] * self.taps[1]
        old, last = b.icmp_signed("!=", f.word(10), i64(0)), b.icmp_signed("==", f.word(11), i64(0))
        with f.loop(f.begin, f.end, name="pair") as t:
            result, own = b.sdiv(t, inner), b.srem(t, inner)
            channel = b.add(b.mul(b.sdiv(result, results), inner), own)
            with f.loop(0, self.kernel[0], name="d") as depth:
                n = b.mul(b.add(b.mul(t, self.kernel[0]), depth), i64(taps))
                rooms = [f.at(kept, b.add(n, i64(i))) for i in range(taps)]
                before = [b.select(old, f.load(room, 16), self.zero) for room in rooms]
                with f.carry(0, images, 1, before, "image") as image:
                    source = f.at(x, b.mul(b.add(b.mul(image.i, inputs), channel), self.volume))
                    grad = f.at(dy, b.mul(b.add(b.mul(image.i, outputs), result), self.pixels))
                    image.next = self.plane(source, grad, depth, image.values)
                with b.if_else(last) as (then, otherwise):
                    with then:
                        for i, value in enumerate(image.values):
                            f.store(lane.total(f, value), f.at(dw, b.add(n, i64(i))), self.d.itemsize)
                    with otherwise:
                        for room, value in zip(rooms, image.values, strict=True):
                            f.store(value, room, 16)
        f.finish()

    def plane(self, source: Any, grad: Any, depth: Any, values: Sequence[Any]) -> list[Any]:
        """Adds the products of one image: several rows together, then those that are left one by one."""
        f, b, rows = self.f, self.f.b, self.form.rows
        with f.carry(0, self.out[0], 1, list(values), "z") as deep:
            totals, start = list(deep.values), i64(0)
            for count in dict.fromkeys((rows, 1)):
                stop = b.sub(self.out[1], i64(count - 1))
                with f.carry(start, stop, count, totals, "y") as state:
                    state.next = self.strip(source, grad, (deep.i, state.i), depth, count, state.values)
                totals, start = list(state.values), state.i
            deep.next = totals
        return list(deep.values)

    def strip(
        self, source: Any, grad: Any, window: Sequence[Any], depth: Any, rows: int, values: Sequence[Any]
    ) -> list[Any]:
        """Adds the products of some rows."""
        f, b = self.f, self.f.b
        first = b.mul(b.add(b.mul(window[0], self.out[1]), window[1]), self.out[2])
        lefts = [f.at(grad, b.add(first, b.mul(self.out[2], i64(y)))) for y in range(rows)]
        touched = self.touched(self.row(source, window, (depth, i64(0))), rows)
        with f.carry(0, self.out[2], self.lanes, list(values), "x") as c:
            on = lane.first(f, b.sub(self.out[2], c.i), self.lanes)
            left, totals = [lane.load(f, f.at(p, c.i), on) for p in lefts], list(c.values)
            for row, meets in touched:
                for t in range(self.taps[1]):
                    value = self.read(row, c.i, t, on)
                    for y, h in meets:
                        n = h * self.taps[1] + t
                        totals[n] = lane.fma(f, left[y], value, totals[n])
            c.next = totals
        return list(c.values)
