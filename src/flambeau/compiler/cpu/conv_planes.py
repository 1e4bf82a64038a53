"""Convolution where few channels meet, depthwise above all: the vector runs along rows of the image.

Here the contraction (see `conv_kernel`) would leave most lanes empty, or have so short sums that turning
them costs more than adding them up. x is padded, so that rows are read without looking where they end; a
vector may read beyond its row, into lanes that don't count.

A tile of sums is some rows of pixels, each some vectors wide, for some channels of the result. An element of
x that is loaded meets all of a tile's channels, and all of its rows that it is a tap of.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import ceil, prod
from typing import Any, NamedTuple

from ...core.dtype import dtype
from ...runtime.calls import Word
from ...runtime.kernels import kernel as _kernel
from ..calls import Array, Plan, strides_of
from . import conv_lanes as lane
from .conv_finish import Ending, Writer, stored
from .conv_plane_form import Column, Form, Geometry, PlaneKernel, Planes, form_of, three
from .conv_shuffle import Shuffle
from .conv_sweep import Words, moved
from .conv_tables import Sizes
from .emit import STORED, Function, i64


class Weights(NamedTuple):
    """Where weights lie: an array and its strides, in elements, by group, by channel of the result, by
    channel of the sum, and by tap in each dimension (negative ones turn the kernel around)."""

    array: Array
    group: int
    result: int
    inner: int
    taps: Sizes


def plan_planes(
    plan: Plan,
    x: Planes,
    w: Weights,
    target: Ending | Shuffle,
    geometry: Geometry,
    groups: int,
    results: int = 0,
) -> None:
    """Adds the calls for the sum over the group's channels and taps of x * w for each pixel of each channel
    of the target, or of its phases (`results` for each group)."""
    d, shuffle = w.array.dtype, isinstance(target, Shuffle)
    ending = target.ending if isinstance(target, Shuffle) else target
    shape = ending.out.shape
    out = three(target.extents if isinstance(target, Shuffle) else shape[2:], 1)
    n, inner, pixels = results or shape[1] // groups, x.like.shape[1] // groups, prod(out)
    form = form_of(d.name, d.itemsize, geometry, n, inner, out, x.bare, x.low[2])
    blocks = ceil(n / form.results)
    packed = _packed(plan, w, form.results, groups, n, inner, geometry.kernel)
    sweep, images, each = items = x.sweep(plan, inner, several=shuffle)
    source = x.place(items, inner)
    places = ending.words(shape[1] * pixels, each * n * pixels, each * n)
    if isinstance(target, Shuffle):
        phases = sweep.memory((images, each * n, *out), d)
        ending = Ending(plan, stored(phases))
        places = ending.words()
    words: Words = [
        source, moved(packed, 0, each * packed.strides[0]), blocks, each, n, inner,
        *x.numbers(plan, out, geometry), *places,
    ]  # fmt: skip
    code = _kernel("conv_planes", (form, ending.key), lambda m: _Planes(m, d, form, ending).emit(), False)
    work = 2 * form.results * pixels * inner * prod(geometry.kernel)
    grain, tasks = 1 + (1 << 18) // max(work, 1), images * each * blocks
    sweep.add(code, words, tasks, grain)
    if isinstance(target, Shuffle):
        target.step(sweep, phases, images, each)
    sweep.end(grain=1 + (grain - 1) // tasks)


def _packed(plan: Plan, w: Weights, results: int, groups: int, n: int, inner: int, kernel: Sizes) -> Array:
    """Weights in the order in which tiles take them: [group][block][channel][tap][result]."""
    blocks, taps, d = ceil(n / results), prod(kernel), w.array.dtype
    shape = (groups, blocks, inner, taps, results)
    by = (w.group, w.result, w.inner, *w.taps)
    if results == 1 and by == (n * inner * taps, inner * taps, taps, *strides_of(kernel)[-len(w.taps) :]):
        return w.array._replace(shape=shape, strides=strides_of(shape))
    packed, steps = plan.array(shape, d), (*by[:3], *three(w.taps, 0))
    words: list[Word] = [w.array.address, packed.address, blocks, n, inner, *steps, *kernel]
    code = _kernel("conv_plane_weights", (d.name, results), lambda m: _emit_weights(m, d, results), True)
    plan.call(code, words, groups * blocks, 1 + (1 << 13) // (inner * taps * results))
    return packed


def _emit_weights(module: Any, d: dtype, results: int) -> None:
    """A task is a block of channels of a group. The last one ends where the group does."""
    f = Function(module, "conv_plane_weights")
    b, source, target = f.b, f.pointer(0, STORED[d]), f.pointer(1, STORED[d])
    blocks, n, inner, by_group, by_result, by_inner = (f.word(i) for i in range(2, 8))
    steps, sizes = ([f.word(8 + 3 * g + i) for i in range(3)] for g in range(2))
    volume = b.mul(inner, b.mul(b.mul(sizes[0], sizes[1]), b.mul(sizes[2], i64(results))))
    with f.loop(f.begin, f.end, name="block") as t:
        first = f.minimum(b.mul(b.srem(t, blocks), i64(results)), b.sub(n, i64(results)))
        start = b.add(b.mul(b.sdiv(t, blocks), by_group), b.mul(first, by_result))
        with f.carry(0, inner, 1, [b.mul(t, volume)], name="channel") as c:
            with f.carry(0, sizes[0], 1, c.values, "z") as z, f.carry(0, sizes[1], 1, z.values, "y") as y:
                with f.carry(0, sizes[2], 1, y.values, "x") as x:
                    at = b.add(start, b.mul(c.i, by_inner))
                    for tap, step in zip((z, y, x), steps, strict=True):
                        at = b.add(at, b.mul(tap.i, step))
                    for i in range(results):
                        value = f.load(f.at(source, b.add(at, b.mul(by_result, i64(i)))), d.itemsize)
                        f.store(value, f.at(target, b.add(x.values[0], i64(i))), d.itemsize)
                    x.next = [b.add(x.values[0], i64(results))]
                y.next = x.values
                z.next = y.values
            c.next = z.values
    f.finish()


class _Planes(PlaneKernel):
    """y = conv(x, w). A task is some planes of y, of one image and group. Words: x, w, blocks of planes in a
    group, groups, planes and channels of a group."""

    def __init__(self, module: Any, d: dtype, form: Form, ending: Ending) -> None:
        super().__init__(module, "conv_planes", d, form, own=6)
        self.writer = Writer(self.f, ending, self.following, self.lanes)
        self.kept = self.f.local(self.kind, form.results * form.rows * form.vectors)
        self.plain = ending.plain
        self.blocks, self.groups, self.results, self.inner = (self.f.word(i) for i in range(2, 6))

    def emit(self) -> None:
        """The loops over blocks of planes and tiles of pixels; what is left at an end is done together with
        what was done before it."""
        f, b, form = self.f, self.f.b, self.form
        x, weights = (f.pointer(i, STORED[self.d]) for i in range(2))
        wide = form.vectors * self.lanes
        taps = b.mul(self.product(self.kernel), i64(form.results))
        with f.loop(f.begin, f.end, name="block") as t:
            above, block = b.sdiv(t, self.blocks), b.srem(t, self.blocks)
            group = b.srem(above, self.groups)
            first = f.minimum(b.mul(block, i64(form.results)), b.sub(self.results, i64(form.results)))
            self.channel = b.add(b.mul(group, self.results), first)
            target = b.mul(b.add(b.mul(above, self.results), first), self.pixels)
            source = f.at(x, b.mul(b.mul(above, self.inner), self.volume))
            place = b.mul(b.mul(b.add(b.mul(group, self.blocks), block), self.inner), taps)
            own = f.at(weights, place)
            fixed = self.weights(own) if form.fixed else None
            with (
                f.loop(0, self.out[0], name="z") as z,
                f.loop(0, self.out[1], form.rows, name="y") as y,
                f.loop(0, self.out[2], wide, name="x") as x0,
            ):
                y = f.minimum(y, b.sub(self.out[1], i64(form.rows)))
                if not form.tail:
                    x0 = f.minimum(x0, b.sub(self.out[2], i64(wide)))
                columns = [self.column(b.add(x0, i64(v * self.lanes))) for v in range(form.vectors)]
                zeros = [self.zero] * (form.results * form.rows * form.vectors)
                if form.bare:
                    self.ahead(source, (z, y), columns, form.rows)
                if fixed:
                    rows = self.touched(source, (z, y), (i64(0), i64(0)), form.rows)
                    values = self.tap_sums(rows, fixed, columns, zeros)
                else:
                    values = self.sums(source, own, (z, y), columns, zeros)
                at = b.add(b.mul(b.add(b.mul(z, self.out[1]), y), self.out[2]), x0)
                self.write(values, b.add(target, at), b.sub(self.out[2], x0))
        f.finish()

    def weights(self, place: Any) -> dict[tuple[int, int, int], Any]:
        """The weights of the written-out taps, each in all lanes, by channel, row and column."""
        names = product(range(self.taps[0]), range(self.taps[1]), range(self.form.results))
        return {(i, h, t): self.weight(place, n) for n, (h, t, i) in enumerate(names)}

    def weight(self, place: Any, number: int) -> Any:
        return self.f.splat(self.f.load(self.f.at(place, i64(number)), self.d.itemsize), self.lanes)

    def sums(
        self, source: Any, weights: Any, window: Sequence[Any], columns: list[Column], zeros: list[Any]
    ) -> list[Any]:
        """A tile's sums over channels and taps."""
        f, b = self.f, self.f.b
        count = i64(prod(self.taps) * self.form.results)
        with f.carry(0, self.inner, 1, [weights, *zeros], "channel") as channels:
            plane = f.at(source, b.mul(channels.i, self.volume))
            with f.carry(0, self.kernel[0], 1, channels.values, "d") as deep:
                with f.carry(0, self.kernel[1], self.taps[0], deep.values, "h") as high:
                    place, *values = high.values
                    rows = self.touched(plane, window, (deep.i, high.i), self.form.rows)
                    high.next = [f.at(place, count), *self.tap_sums(rows, place, columns, values)]
                deep.next = high.values
            channels.next = deep.values
        return list(channels.values[1:])

    def tap_sums(
        self, rows: list[tuple[Any, list[tuple[int, int]]]], weights: Any, columns: list[Column],
        values: Sequence[Any],
    ) -> list[Any]:  # fmt: skip
        """Adds the taps that are written out. `weights` are in registers or where the taps' are."""
        form, totals = self.form, list(values)
        taken = weights if isinstance(weights, dict) else {}
        for row, meets in rows:
            for t in range(self.taps[1]):
                read = [column.read(row, t) for column in columns]
                for (y, h), i in product(meets, range(form.results)):
                    if (i, h, t) not in taken:
                        taken[i, h, t] = self.weight(weights, (h * self.taps[1] + t) * form.results + i)
                    for v, value in enumerate(read):
                        n = (i * form.rows + y) * form.vectors + v
                        totals[n] = lane.fma(self.f, value, taken[i, h, t], totals[n])
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
