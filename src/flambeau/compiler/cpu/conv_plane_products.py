"""The gradient towards the weight where few channels meet (see `conv_planes`)."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Array, Plan
from . import conv_lanes as lane
from .conv_plane_form import Form, Geometry, PlaneKernel, Planes, three
from .conv_sweep import Moved, Words, moved
from .emit import STORED, i64


def plan_plane_products(plan: Plan, dy: Array, x: Planes, dw: Array, geometry: Geometry, groups: int) -> None:
    """Adds the calls for dw[o, c, tap] = the sum over images and pixels of dy * x; dy and dw are
    contiguous."""
    d, out, (_, height, width) = dw.dtype, three(dy.shape[2:], 1), geometry.kernel
    rows = min(4, out[1]) if height * width <= 9 and host().registers >= 32 else 1
    form = Form(
        d.name, (height, width), min(geometry.stride[2], 3), geometry.dilation[2], rows=rows,
        down=(geometry.stride[1], geometry.dilation[1]) if rows > 1 else (0, 0),
        bare=x.bare, low=x.low[2],
    )  # fmt: skip
    n, inner, taps = dw.shape[0] // groups, dw.shape[1], prod(geometry.kernel)
    sweep, images, each = items = x.sweep(plan, inner, repeats=True)
    source = x.place(items, inner, repeats=True)
    kept = sweep.memory((each * n * inner * taps, host().lanes(d.itemsize)), d)
    old, left = (Moved(0, repeat=1), Moved(dy.shape[0] - 1, repeat=-1)) if sweep.alone else (0, 0)
    words: Words = [
        source, moved(dy, 0, each * n * dy.strides[1], dy.strides[0]), moved(dw, 0, each * n * inner * taps),
        each, n, inner, images, each * inner, each * n, kept.address, old, left,
        *x.numbers(plan, out, geometry),
    ]  # fmt: skip
    code = kernel(
        "conv_plane_products",
        form,
        lambda m: _Products(m, "conv_plane_products", d, form, own=12).emit(),
        False,
    )
    sweep.add(code, words, each * n * inner, 1 + (1 << 17) // (images * taps * prod(out)))
    sweep.end()


class _Products(PlaneKernel):
    """The gradient towards the weight. A task is all taps for one channel of dy and one of x. Words: x, dy,
    dw, groups, channels of dy and of x in a group, images, channels of x and of dy in an image, room for
    vectors of sums, whether to begin with what is there, and 0 if these are the last images."""

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
        rows_of_x = self.touched(source, window, (depth, i64(0)), rows)
        with f.carry(0, self.out[2], self.lanes, list(values), "x") as c:
            on = lane.first(f, b.sub(self.out[2], c.i), self.lanes)
            column = self.column(c.i, on)
            if self.form.bare:
                self.ahead(source, window, [column], rows)
                for p in lefts:
                    lane.prefetch(f, f.at(p, b.add(c.i, b.mul(self.out[2], i64(rows)))))
            left, totals = [lane.load(f, f.at(p, c.i), on) for p in lefts], list(c.values)
            for row, meets in rows_of_x:
                for t in range(self.taps[1]):
                    value = column.read(row, t)
                    for y, h in meets:
                        n = h * self.taps[1] + t
                        totals[n] = lane.fma(f, left[y], value, totals[n])
            c.next = totals
        return list(c.values)
