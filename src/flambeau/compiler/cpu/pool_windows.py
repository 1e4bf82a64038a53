"""Kernels that pool windows of constant size: the vector runs along the result's last dimension.

A task is a plane: the pooled dimensions, one to three of them, for one index of those before. The taps of
small windows are written out.
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any, NamedTuple

from llvmlite import ir

from ...core.dtype import dtype
from ...runtime.kernels import Kernel, kernel
from ...runtime.target import host
from . import conv_lanes as lane
from .emit import F32, F64, I8, I32, I64, STORED, Function, i64, vector
from .scalar import decode, encode

Sizes = tuple[int, ...]

# Words: addresses of x, the result (of maxima the positions) and the maxima, the divisor, whether padding
# counts, and three numbers (one for each dimension) of each of these.
_GEOMETRY = ("size", "out", "kernel", "stride", "padding", "dilation")
_FIRST = 5
_AHEAD = 2048  # bytes
_WRITTEN = 9  # taps that are written out at most


class Form(NamedTuple):
    """What a kernel is made for: the step between windows along rows (0 for any above 2), the sizes of
    windows that are written out (else none), whether all elements of all windows exist, and whether windows
    are apart from each other."""

    dtype: str
    stride: int
    taps: tuple[int, ...] = ()
    inside: bool = False
    apart: bool = False


def form_of(
    d: dtype, size: Sizes, windows: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Form:
    """The form for pooling with three numbers of each."""
    inside = max(padding) == 0 and all(
        (n - 1) * s + (k - 1) * t < m
        for m, n, k, s, t in zip(size, windows, kernel, stride, dilation, strict=True)
    )
    small = prod(kernel) <= _WRITTEN and max(dilation) == 1
    apart = inside and small and stride == kernel
    return Form(d.name, stride[2] if stride[2] <= 2 else 0, kernel if small else (), inside, apart)


def window_kernel(what: str, d: dtype, form: Form) -> Kernel:
    """The kernel `max` (and positions), `average` or `spread` (the average's
    adjoint)."""
    emit = {"max": _Max, "average": _Average, "spread": _Spread}[what]
    return kernel(f"pool_{what}", form, lambda m: emit(m, f"pool_{what}", d, form).emit(), False)


class _Windows:
    """The loops over planes and windows."""

    reads = True  # planes, rather than writing them

    def __init__(self, module: Any, symbol: str, d: dtype, form: Form) -> None:
        self.f, self.d, self.form = Function(module, symbol), d, form
        self.lanes = host().lanes(max(4, d.itemsize))
        self.element = F64 if d.itemsize == 8 else F32
        self.value = vector(self.element, self.lanes)
        words = {
            name: [self.f.word(_FIRST + 3 * g + i) for i in range(3)] for g, name in enumerate(_GEOMETRY)
        }
        self.size, self.out, self.kernel = words["size"], words["out"], words["kernel"]
        self.steps, self.padding, self.dilation = words["stride"], words["padding"], words["dilation"]
        b = self.f.b
        self.volume = b.mul(b.mul(self.size[0], self.size[1]), self.size[2])
        self.windows = b.mul(b.mul(self.out[0], self.out[1]), self.out[2])

    def emit(self) -> None:
        """For each plane, each window's row, each vector of windows."""
        f, b = self.f, self.f.b
        with f.loop(f.begin, f.end, name="plane") as plane:
            self.start(plane)
            with f.loop(0, self.out[0], name="z") as z, f.loop(0, self.out[1], name="y") as y:
                row = b.mul(b.add(b.mul(z, self.out[1]), y), self.out[2])
                with f.loop(0, self.out[2], self.lanes, name="x") as x:
                    here = [
                        b.sub(b.mul(i, s), p)
                        for i, s, p in zip((z, y, x), self.steps, self.padding, strict=True)
                    ]
                    on = lane.first(f, b.sub(self.out[2], x), self.lanes)
                    self.ahead(b.mul(plane, self.volume), here)
                    number = b.add(row, x)
                    at, left = b.add(b.mul(plane, self.windows), number), b.sub(self.windows, number)
                    self.vector(b.mul(plane, self.volume), at, here, on, left)
        f.finish()

    def ahead(self, plane: Any, corner: list[Any]) -> None:
        """Asks for elements that come up soon, which the processor doesn't do for loads with masks."""
        f, b = self.f, self.f.b
        for y in range(self.form.taps[1] if self.reads and self.form.taps else 0):
            row = b.add(b.mul(corner[0], self.size[1]), b.add(corner[1], i64(y)))
            at = b.add(plane, b.add(b.mul(row, self.size[2]), corner[2]))
            for n in range(max(self.form.stride, 1)):
                place = f.at(f.pointer(0, STORED[self.d]), b.add(at, i64(n * self.lanes)))
                lane.prefetch(f, f.at(place, i64(_AHEAD // self.d.itemsize)))

    def start(self, plane: Any) -> None:
        """What a plane begins with."""

    def vector(self, plane: Any, at: Any, corner: list[Any], on: Any, left: Any) -> None:
        """The work for a vector of windows: `plane` and `at` are the places of the plane and of their
        results, `corner` is the first window's first element, `on` says which lanes are windows, and `left`
        windows of the plane remain."""
        raise NotImplementedError

    def taps(self, corner: list[Any], carried: list[Any], tap: Any) -> list[Any]:
        """Carries values through the taps: `tap(values, row, x, exists)` gives the next ones, for the taps
        whose row of the plane exists; `row` is the place of that row and `x` the first lane's place in it.
        Of taps that are written out `exists` says whether their row does (None: it does)."""
        f, b = self.f, self.f.b
        if self.form.taps:
            values = carried
            for tap_z, tap_y, tap_x in product(*map(range, self.form.taps)):
                z, y, x = (b.add(c, i64(t)) for c, t in zip(corner, (tap_z, tap_y, tap_x), strict=True))
                exists = None
                if not self.form.inside:
                    exists = b.and_(
                        b.icmp_unsigned("<", z, self.size[0]), b.icmp_unsigned("<", y, self.size[1])
                    )
                values = tap(values, b.mul(b.add(b.mul(z, self.size[1]), y), self.size[2]), x, exists)
            return list(values)
        with f.carry(0, self.kernel[0], 1, carried, "d") as deep:
            z = b.add(corner[0], b.mul(deep.i, self.dilation[0]))
            # A row outside is passed over by a loop of no rounds.
            high = b.select(b.icmp_unsigned("<", z, self.size[0]), self.kernel[1], i64(0))
            with f.carry(0, high, 1, deep.values, "h") as rows:
                y = b.add(corner[1], b.mul(rows.i, self.dilation[1]))
                wide = b.select(b.icmp_unsigned("<", y, self.size[1]), self.kernel[2], i64(0))
                row = b.mul(b.add(b.mul(z, self.size[1]), y), self.size[2])
                with f.carry(0, wide, 1, rows.values, "w") as columns:
                    x = b.add(corner[2], b.mul(columns.i, self.dilation[2]))
                    columns.next = tap(columns.values, row, x, None)
                rows.next = columns.values
            deep.next = rows.values
        return list(deep.values)

    def columns(self, x: Any) -> Any:
        """The places in a row of a tap's elements, int32."""
        b = self.f.b
        step = b.mul(lane.numbers(self.lanes), self.f.splat(b.trunc(self.steps[2], I32), self.lanes))
        return b.add(self.f.splat(b.trunc(x, I32), self.lanes), step)

    def inside(self, columns: Any, on: Any, exists: Any) -> Any:
        """Which lanes' elements exist."""
        b = self.f.b
        if self.form.inside:
            return on
        width = self.f.splat(b.trunc(self.size[2], I32), self.lanes)
        mask = b.and_(b.icmp_unsigned("<", columns, width), on)
        return mask if exists is None else b.select(exists, mask, ir.Constant(mask.type, None))

    def read(self, place: Any, x: Any, mask: Any, exists: Any) -> Any:
        """The elements of a tap: `place` is the row's start, `x` the first lane's column. Nothing is read of
        a row that doesn't exist."""
        f, b, lanes = self.f, self.f.b, self.lanes
        if self.form.stride == 1:
            value = lane.load(f, f.at(place, x), mask)
        elif self.form.stride == 2:
            parts = [b.add(x, i64(n)) for n in (0, lanes)]
            masks = [lane.between(f, p, self.size[2], lanes) for p in parts]
            if exists is not None:
                masks = [b.select(exists, m, ir.Constant(m.type, None)) for m in masks]
            halves = [lane.load(f, f.at(place, p), m) for p, m in zip(parts, masks, strict=True)]
            even = ir.Constant(ir.VectorType(I32, lanes), list(range(0, 2 * lanes, 2)))
            value = b.shuffle_vector(*halves, even)
        else:
            steps = lane.multiples(f, i64(0), b.mul(self.steps[2], i64(self.d.itemsize)), lanes)
            value = lane.gather(f, f.at(place, x), steps, mask)
        return decode(f, value, self.d)

    def counts(self, corner: list[Any]) -> Any:
        """How many elements each window divides by, as vectors of numbers."""
        f, b = self.f, self.f.b
        if self.form.inside:
            every = b.mul(b.mul(self.kernel[0], self.kernel[1]), self.kernel[2])
            every = b.select(b.icmp_signed("!=", f.word(3), i64(0)), f.word(3), every)
            return f.splat(b.sitofp(every, self.element), self.lanes)
        total = f.splat(i64(1), self.lanes)
        for i in range(3):
            first = f.splat(corner[i], self.lanes)
            if i == 2:
                first = b.add(first, lane.multiples(f, i64(0), self.steps[2], self.lanes))
            size, pad = f.splat(self.size[i], self.lanes), f.splat(self.padding[i], self.lanes)
            end = self.least(b.add(first, f.splat(self.kernel[i], self.lanes)), b.add(size, pad))
            zero = ir.Constant(first.type, None)
            bare = b.sub(self.least(end, size), b.select(b.icmp_signed(">", first, zero), first, zero))
            total = b.mul(total, b.select(b.icmp_signed("!=", f.word(4), i64(0)), b.sub(end, first), bare))
        given = f.splat(f.word(3), self.lanes)
        total = b.select(b.icmp_signed("!=", f.word(3), i64(0)), given, total)
        return b.sitofp(total, self.value)

    def least(self, x: Any, y: Any) -> Any:
        return self.f.b.select(self.f.b.icmp_signed("<", x, y), x, y)


class _Max(_Windows):
    """Where each window's maximum is, of equal elements the first, of NaNs the last; and what it is."""

    def vector(self, plane: Any, at: Any, corner: list[Any], on: Any, left: Any) -> None:
        f, b = self.f, self.f.b
        source = f.at(f.pointer(0, STORED[self.d]), plane)
        indices = ir.VectorType(I32, self.lanes)
        none = ir.Constant(indices, [-1] * self.lanes)
        low = ir.Constant(self.value, [float("-inf")] * self.lanes)

        def tap(values: list[Any], row: Any, x: Any, exists: Any) -> list[Any]:
            best, where = values
            columns = self.columns(x)
            mask = self.inside(columns, on, exists)
            value = self.read(f.at(source, row), x, mask, exists)
            number = b.add(columns, f.splat(b.trunc(row, I32), self.lanes))
            if where is none and self.form.inside:
                return [value, number]
            wins = b.or_(b.fcmp_ordered(">", value, best), b.fcmp_unordered("uno", value, value))
            if not (self.form.inside and self.form.taps):
                wins = b.and_(b.or_(wins, b.icmp_signed("<", where, ir.Constant(indices, None))), mask)
            return [b.select(wins, value, best), b.select(wins, number, where)]

        best, where = self.taps(corner, [low, none], tap)
        place = f.at(f.pointer(1, I64), at)
        lane.store_row(f, b.sext(where, ir.VectorType(I64, self.lanes)), place, on, left)
        lane.store_row(f, encode(f, best, self.d), f.at(f.pointer(2, STORED[self.d]), at), on, left)


class _Average(_Windows):
    """The mean of each window."""

    def vector(self, plane: Any, at: Any, corner: list[Any], on: Any, left: Any) -> None:
        f, b = self.f, self.f.b
        source, target = (f.pointer(i, STORED[self.d]) for i in range(2))
        zero = ir.Constant(self.value, None)

        def tap(values: list[Any], row: Any, x: Any, exists: Any) -> list[Any]:
            mask = self.inside(self.columns(x), on, exists)
            value = self.read(f.at(f.at(source, plane), row), x, mask, exists)
            return [b.fadd(values[0], b.select(mask, value, zero))]

        (total,) = self.taps(corner, [zero], tap)
        mean = b.fdiv(total, self.counts(corner))
        lane.store_row(f, encode(f, mean, self.d), f.at(target, at), on, left)


class _Spread(_Windows):
    """The adjoint of the mean: each element's share is added to its window. The elements are the words' first
    array, float32 or float64; the windows' sums are in the second."""

    reads = False

    def start(self, plane: Any) -> None:
        f, b = self.f, self.f.b
        target = f.at(f.pointer(1, self.element), b.mul(plane, self.volume))
        count = self.volume
        if self.form.apart:  # each element of a window is written once
            every = b.mul(self.windows, b.mul(b.mul(self.kernel[0], self.kernel[1]), self.kernel[2]))
            count = b.select(b.icmp_signed("==", every, self.volume), i64(0), count)
        with f.loop(0, count, self.lanes, name="i") as i:
            mask = lane.first(f, b.sub(self.volume, i), self.lanes)
            lane.store(f, ir.Constant(self.value, None), f.at(target, i), mask)

    def vector(self, plane: Any, at: Any, corner: list[Any], on: Any, left: Any) -> None:
        f, b = self.f, self.f.b
        source, target = (f.pointer(i, self.element) for i in range(2))
        target = f.at(target, plane)
        share = b.fdiv(lane.load(f, f.at(source, at), on), self.counts(corner))
        if self.form.apart and self.form.stride:
            self.repeated(share, target, corner, on)
            return
        steps = lane.multiples(f, i64(0), b.mul(self.steps[2], i64(self.d.itemsize)), self.lanes)

        def tap(values: list[Any], row: Any, x: Any, exists: Any) -> list[Any]:
            mask = self.inside(self.columns(x), on, exists)
            place = f.at(f.at(target, row), x)
            if self.form.apart:
                lane.scatter(f, share, place, steps, mask)
            elif self.form.stride == 1:
                lane.store(f, b.fadd(lane.load(f, place, mask), share), place, mask)
            else:
                lane.scatter(f, b.fadd(lane.gather(f, place, steps, mask), share), place, steps, mask)
            return values

        self.taps(corner, [], tap)

    def repeated(self, share: Any, target: Any, corner: list[Any], on: Any) -> None:
        """Writes each share to its window of one or two columns, whole vectors at a time."""
        f, b, width = self.f, self.f.b, self.form.stride
        pieces, masks = (
            lane.turned(f, [v] * width) for v in (share, b.zext(on, ir.VectorType(I8, self.lanes)))
        )
        for z, y in product(range(self.form.taps[0]), range(self.form.taps[1])):
            row = b.add(b.mul(b.add(corner[0], i64(z)), self.size[1]), b.add(corner[1], i64(y)))
            place = f.at(target, b.add(b.mul(row, self.size[2]), corner[2]))
            for i, (piece, mask) in enumerate(zip(pieces, masks, strict=True)):
                mask = b.icmp_unsigned("!=", mask, ir.Constant(mask.type, None))
                lane.store(f, piece, f.at(place, i64(i * self.lanes)), mask)
