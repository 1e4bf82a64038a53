"""The gradient of a convolution towards its input, which is also the transposed convolution.

It is the convolution of the padded dy for each phase, the pixels of equal remainder by the stride: a phase
meets its own subset of the taps, so nothing is multiplied by zero. (Compare `conv`.)
"""

from __future__ import annotations

from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...core.dtype import dtype
from ...core.node import numel
from ..calls import Array, Plan
from ..planner import planner
from .conv_pack import Source, packed_array, plan_pack
from .conv_planes import MOST, SLACK, Weights, few, geometry_of, plan_planes
from .conv_tables import (
    ROWS,
    Columns,
    Product,
    Rows,
    Sizes,
    Strides,
    choose_tile,
    divisor,
    grid,
    part_of,
    product_of,
    sums,
    with_run,
)
from .pad import COMPUTE, Padded, Pairs, converted, finish, images_of, plan_zero, result_for


@planner("conv_input_grad")
def plan_input_grad(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """conv_input_grad(dy, w, spatial, stride, padding, dilation, groups)."""
    (dx,), (dy, w), (_, stride, padding, dilation, groups) = results, inputs, attrs
    d = COMPUTE.get(dx.dtype)
    if d is None or not numel(dx.shape):
        return d is not None
    out = result_for(plan, dx, d)
    if not numel(dy.shape) or not numel(w.shape):
        plan_zero(plan, out)
    elif few(w.shape[1], d.itemsize) and w.shape[-1] <= MOST and _may_turn(stride, w.shape[0] // groups, d):
        _plan_turned(plan, out, dy, converted(plan, w, d), stride, padding, dilation, groups)
    else:
        sides = (dx.shape[2:], dy.shape[2:], w.shape[2:], stride, padding, dilation)
        axes = [_Axis(*a) for a in zip(*sides, strict=True)]
        source = Padded(dy, tuple(a.margin() for a in axes), d)
        _Phases(plan, out, source, converted(plan, w, d), axes, groups).plan_all()
    finish(plan, out, dx)
    return True


def _may_turn(stride: Sizes, outputs: int, d: dtype) -> bool:
    """Whether the sums are short enough to spread dy out by the stride and multiply by the zeros."""
    return max(stride) == 1 or (max(stride) == 2 and few(outputs, d.itemsize))


def _plan_turned(
    plan: Plan, dx: Array, dy: Array, w: Array, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> None:
    """Adds the calls for few channels: the convolution of dy, its elements spread out by the stride, with the
    kernel turned around."""
    kernel, steps = w.shape[2:], w.strides[2:]
    last = sum((k - 1) * s for k, s in zip(kernel, steps, strict=True))
    by_group, back = w.shape[0] // groups * w.strides[0], tuple(-s for s in steps)
    turned = Weights(w._replace(offset=w.offset + last), by_group, w.strides[1], w.strides[0], back)
    margins = []
    for n, o, k, s, t, (low, _) in zip(
        dx.shape[2:], dy.shape[2:], kernel, stride, dilation, padding, strict=True
    ):
        before = t * (k - 1) - low
        margins.append((before, n + t * (k - 1) - before - ((o - 1) * s + 1)))
    source = Padded(dy, tuple(margins), dx.dtype, stride, SLACK)
    plan_planes(plan, source, turned, dx, geometry_of(kernel, (1,) * len(kernel), dilation), groups)


class _Axis(NamedTuple):
    """One spatial dimension. Phase q has the pixels q, q + stride, … of dx; its pixel number j meets element
    (q + low - tap * dilation) / stride + j of dy, for the taps for which this is whole."""

    size: int
    seen: int
    kernel: int
    stride: int
    padding: tuple[int, int]
    dilation: int

    def pixels(self, q: int) -> int:
        """How many pixels a phase has: the first phase most, others perhaps one less."""
        return len(range(q, self.size, self.stride))

    def taps(self, q: int) -> list[int]:
        """The taps that a phase meets."""
        return [t for t in range(self.kernel) if (q + self.padding[0] - t * self.dilation) % self.stride == 0]

    def places(self, q: int) -> list[int]:
        """Which element of dy the first pixel of a phase meets, for each of its taps."""
        return [(q + self.padding[0] - t * self.dilation) // self.stride for t in self.taps(q)]

    def margin(self) -> tuple[int, int]:
        """Zeros that dy needs on both sides so that every phase and tap finds an element."""
        places = [p for q in range(self.stride) for p in self.places(q)]
        return max(0, -min(places)), max(0, max(places) + self.pixels(0) - self.seen)


class _Phases:
    """The contractions of all phases; two of the last dimension are done in one, as their pixels
    alternate."""

    def __init__(self, plan: Plan, dx: Array, dy: Padded, w: Array, axes: list[_Axis], groups: int) -> None:
        self.plan, self.dx, self.dy, self.w, self.axes, self.groups = plan, dx, dy, w, axes, groups
        self.outputs, self.n = w.shape[0] // groups, w.shape[1]
        self.across = axes[-1].stride
        self.weave = 2 if self.across == 2 and axes[-1].size > 1 else 1
        extents = tuple(a.pixels(0) for a in axes)
        size, pixels = dx.dtype.itemsize, prod(extents)
        tile = choose_tile(size, pixels, self.n, extents[-1], 1, self.weave)
        self.tile = tile._replace(strided=self.weave == 1 and self.across > 1)
        self.images = divisor(dx.shape[0], ROWS // pixels)

    def plan_all(self) -> None:
        """Adds the calls: all phases of one part of the images after the other."""
        plan, dx, dy = self.plan, self.dx, self.dy
        packed = self.pack()
        size, outers = dx.dtype.itemsize, dx.shape[0] // self.images
        part = part_of(
            outers, self.images * dy.like.strides[0] * size, numel(packed.shape) * size, plan.threads
        )
        part = part if dy.copies else outers
        firsts = [range(min(a.stride, a.size)) for a in self.axes]
        phases = list(product(*firsts[:-1], firsts[-1][:: self.weave]))
        products = [self.product(phase, packed, part) for phase in phases]
        steps = dx.strides[2:]
        for start in range(0, dx.shape[0], part * self.images):
            piece = dy.part(plan, start, part * self.images)
            out = images_of(dx, start, part * self.images)
            for phase, p in zip(phases, products, strict=True):
                origin = sum(q * s for q, s in zip(phase, steps, strict=True))
                p.call(plan, piece, packed, out._replace(offset=out.offset + origin))

    def pack(self) -> Array:
        """The weight as a matrix of (output channels and taps, input channels)."""
        w, taps = self.w, prod(self.w.shape[2:])
        by_group, inners, k = self.outputs * w.strides[0], self.outputs, taps
        source = Source(w, by_group, 0, w.strides[0], 1, taps)
        if taps == 1:
            source, inners, k = Source(w, by_group, 0, 0, w.strides[0], 1), 1, self.outputs
        packed = packed_array(self.plan, w.dtype, self.groups, 1, inners, k, self.n, self.tile.vectors)
        plan_pack(self.plan, source, packed, self.n)
        return packed

    def product(self, phase: Sizes, packed: Array, part: int) -> Product:
        """The contraction of one phase, or of two that alternate."""
        dx, dy, axes, images = self.dx, self.dy.like, self.axes, self.images
        phases = [(*phase[:-1], phase[-1] + i) for i in range(self.weave)]
        seen = tuple(a.pixels(q) for a, q in zip(axes, phase, strict=True))
        counts = np.full(seen, self.weave)
        counts[..., axes[-1].pixels(phases[-1][-1]) :] = 1
        outs = grid(seen, tuple(a.stride * s for a, s in zip(axes, dx.strides[2:], strict=True)))
        offsets = [grid(seen, dy.strides[2:])] * self.weave
        rows = Rows(offsets, outs, counts.ravel(), images, dy.strides[0], dx.strides[0])
        strides = Strides(
            self.outputs * dy.strides[1], images * dy.strides[0], self.n * dx.strides[1],
            images * dx.strides[0], dx.strides[1], self.across if self.tile.strided else 1,
        )  # fmt: skip
        tile = with_run(self.tile, seen[-1])
        columns = [self.columns(p) for p in phases]
        return product_of(self.plan, tile, rows, columns, packed, strides, self.n, part, part)

    def columns(self, phase: Sizes) -> Columns:
        """What a phase sums over: output channels and those taps that it meets."""
        dy, kernel = self.dy.like, self.w.shape[2:]
        places, taps = [], []
        for i, (a, q) in enumerate(zip(self.axes, phase, strict=True)):
            places.append((np.array(a.places(q), np.int64) + a.margin()[0]) * dy.strides[2 + i])
            taps.append(np.array(a.taps(q), np.int64) * prod(kernel[i + 1 :]))
        channel = np.arange(self.outputs)
        return Columns(sums(channel * dy.strides[1], *places), sums(channel * prod(kernel), *taps))
