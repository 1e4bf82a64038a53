"""The gradient of a convolution towards its input, which is also the transposed convolution.

It is the convolution of the padded dy for each phase, the pixels of equal remainder by the stride: a phase
meets its own subset of the taps, so nothing is multiplied by zero. (Compare `conv`.) For few channels, whose
phases are small, all phases are computed at once, as if they were channels.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ...core.node import numel
from ..calls import Array, Plan
from ..expression import load
from ..nest import Nest, Phase, Store
from ..planner import Finish, finisher, planner
from .conv_finish import Ending, stored
from .conv_kernel import Tile
from .conv_pack import Source, packed_array, plan_pack
from .conv_plane_form import Planes, geometry_of, in_planes, planes_pay
from .conv_planes import Weights, plan_planes
from .conv_shuffle import Shuffle
from .conv_sweep import Sweep
from .conv_tables import (
    ROWS,
    Columns,
    Layout,
    Rows,
    Sizes,
    Strides,
    alone,
    choose_tile,
    divisor,
    grid,
    layout_of,
    product_of,
    sums,
    with_run,
)
from .nest import plan_nest
from .pad import COMPUTE, Padded, Pairs, converted, multiplies_pairs, paired, plan_pad, plan_zero


@planner("conv_input_grad")
def plan_input_grad(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """conv_input_grad(dy, w, spatial, stride, padding, dilation, groups)."""
    (dx,), (dy, w) = results, inputs
    if dx.dtype in COMPUTE and not (numel(dy.shape) and numel(w.shape)):
        plan_zero(plan, dx)
        return True
    return finish_input_grad(plan, stored(dx), inputs, attrs)


@finisher("conv_input_grad")
def finish_input_grad(plan: Plan, finish: Finish, inputs: Any, attrs: Any) -> bool:
    """conv_input_grad(dy, w, spatial, stride, padding, dilation, groups) and what follows."""
    (dy, w), (_, stride, padding, dilation, groups) = inputs, attrs
    d, shape = COMPUTE.get(dy.dtype), finish.results[0][1].shape
    if d is None or not numel(dy.shape) or not numel(w.shape):
        return False
    if not numel(shape):
        return True
    ending = Ending(plan, finish)
    sides = (shape[2:], dy.shape[2:], w.shape[2:], stride, padding, dilation)
    axes = [_Axis(*a) for a in zip(*sides, strict=True)]
    outputs, n = w.shape[0] // groups, w.shape[1]
    if max(stride) == 1 and in_planes(geometry_of(w.shape[2:], stride, dilation), n, outputs, shape[-1], d):
        _plan_turned(plan, ending, dy, converted(plan, w, d), padding, dilation, groups)
    elif max(stride) > 1 and planes_pay(n, axes[-1].pixels(0), d, 0.75 * _useful(axes)):
        _plan_shuffled(plan, ending, dy, converted(plan, w, d), axes, groups)
    else:
        margins = tuple(a.margin() for a in axes)
        if multiplies_pairs(dy, w) and outputs % 2 == 0:
            source, w = Padded.of_pairs(dy, 1, margins), paired(plan, w, 0)
        else:
            source, w = Padded(dy, margins, d), converted(plan, w, d)
        _Phases(plan, ending, source, w, axes, groups).plan_all()
    return True


def _plan_turned(
    plan: Plan, ending: Ending, dy: Array, w: Array, padding: Pairs, dilation: Sizes, groups: int
) -> None:
    """Adds the calls for few channels and a stride of 1: the convolution of dy with the kernel turned
    around."""
    kernel, steps = w.shape[2:], w.strides[2:]
    last = sum((k - 1) * s for k, s in zip(kernel, steps, strict=True))
    by_group, back = w.shape[0] // groups * w.strides[0], tuple(-s for s in steps)
    turned = Weights(w._replace(offset=w.offset + last), by_group, w.strides[1], w.strides[0], back)
    margins = []
    for n, o, k, t, (low, _) in zip(
        ending.out.shape[2:], dy.shape[2:], kernel, dilation, padding, strict=True
    ):
        before = t * (k - 1) - low
        margins.append((before, n + t * (k - 1) - before - o))
    source = Planes(dy, tuple(margins), w.dtype, groups)
    plan_planes(plan, source, turned, ending, geometry_of(kernel, (1,) * len(kernel), dilation), groups)


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

    def reach(self) -> range:
        """The elements of dy that the first pixels of all phases meet."""
        places = [p for q in range(self.stride) for p in self.places(q)]
        return range(min(places), max(places) + 1)

    def fit(self) -> tuple[int, int]:
        """Zeros that dy needs on both sides (fewer than none: what it has too many) so that the elements that
        phases meet begin and end with it."""
        reach = self.reach()
        return -reach[0], reach[-1] + self.pixels(0) - self.seen

    def margin(self) -> tuple[int, int]:
        """Zeros that dy needs on both sides so that every phase and tap finds an element."""
        low, high = self.fit()
        return max(0, low), max(0, high)


def _useful(axes: list[_Axis]) -> float:
    """How much of what all phases multiply, each at all places that one meets, isn't by zero; none if their
    taps aren't the stride apart."""
    if any(a.dilation > 1 for a in axes):
        return 0.0
    return prod(a.kernel for a in axes) / prod(len(a.reach()) * a.stride for a in axes)


def _plan_shuffled(plan: Plan, ending: Ending, dy: Array, w: Array, axes: list[_Axis], groups: int) -> None:
    """Adds the calls for few channels and larger strides: phases are channels of one convolution of dy, whose
    kernel has a zero where a phase has no tap, and are shuffled into their places."""
    reaches, strides = [a.reach() for a in axes], tuple(a.stride for a in axes)
    margins, starts = [], []
    for a, reach in zip(axes, reaches, strict=True):
        first, last = (a.padding[0] - place * a.stride for place in (reach[-1], reach[0]))
        margins.append((-first, last + a.stride - a.kernel))  # so that even the last phase has a tap there
        starts.append(last - first)
    wide = Padded(w, tuple(margins), w.dtype).like
    padded = plan.array(wide.shape, w.dtype)
    plan_pad(plan, w, padded, tuple(low for low, _ in margins))
    outputs, n, steps = w.shape[0] // groups, w.shape[1], padded.strides
    offset = sum(s * t for s, t in zip(starts, steps[2:], strict=True))
    phased = _in_order(plan, padded._replace(
        offset=offset,
        shape=(groups, n, *strides, outputs, *map(len, reaches)),
        strides=(outputs * steps[0], steps[1], *steps[2:], steps[0],
                 *(-a.stride * t for a, t in zip(axes, steps[2:], strict=True))),
    ))  # fmt: skip
    by = phased.strides
    results, k = n * prod(strides), len(axes)
    weights = Weights(phased, by[0], prod(phased.shape[2 + k :]), by[2 + k], by[3 + k :])
    source = Planes(dy, tuple(a.fit() for a in axes), w.dtype, groups)
    geometry = geometry_of(tuple(map(len, reaches)), (1,) * k, (1,) * k)
    shuffle = Shuffle(ending, n, strides, tuple(a.pixels(0) for a in axes))
    plan_planes(plan, source, weights, shuffle, geometry, groups, results)


def _in_order(plan: Plan, x: Array) -> Array:
    """A copy of x, of any rank, in which elements lie in order."""
    copy = plan.array(x.shape, x.dtype)
    phase = Phase(stores=(Store(1, load(0, x.dtype)),))
    plan_nest(plan, Nest(x.shape[:1], x.shape[1:], False, (x, copy), (phase,)))
    return copy


class _Phases:
    """The contractions of all phases; two of the last dimension are done in one, as their pixels
    alternate."""

    def __init__(
        self, plan: Plan, ending: Ending, dy: Padded, w: Array, axes: list[_Axis], groups: int
    ) -> None:
        self.plan, self.ending, self.dy, self.w, self.axes, self.groups = plan, ending, dy, w, axes, groups
        self.dx = ending.out
        self.outputs, self.n = w.shape[0] // groups, w.shape[1]
        self.across = axes[-1].stride
        self.weave = 2 if self.across == 2 and axes[-1].size > 1 else 1
        extents = tuple(a.pixels(0) for a in axes)
        pixels = prod(extents)
        self.images = divisor(self.dx.shape[0], ROWS // pixels)
        tile = choose_tile(w.dtype.itemsize, self.images * pixels, self.n, extents[-1], 1, self.weave)
        strided = self.weave == 1 and self.across > 1
        self.tile = tile._replace(strided=strided, pairs=dy.partner != 0)

    def plan_all(self) -> None:
        """Adds the calls."""
        plan, dx, dy, images = self.plan, self.dx, self.dy, self.images
        packed = self.pack()
        outers = dx.shape[0] // images
        nbytes = numel(packed.shape) * packed.dtype.itemsize
        firsts = [range(min(a.stride, a.size)) for a in self.axes]
        phases = list(product(*firsts[:-1], firsts[-1][:: self.weave]))
        several = dy.copies or len(phases) > 1
        sweep = Sweep(plan, outers, alone=several and alone(outers, plan.threads, nbytes))
        source = dy.place(sweep, images, dy.like.shape[1], outer=images)
        seen = 1 if sweep.alone else outers
        work = 0
        for phase in phases:
            shift = sum(q * s for q, s in zip(phase, dx.strides[2:], strict=True))
            strides = Strides(
                self.outputs * dy.like.strides[1], images * dy.like.strides[0], self.n * dx.strides[1],
                images * dx.strides[0], dx.strides[1], self.across if self.tile.strided else 1,
            )  # fmt: skip
            tile = with_run(self.tile, self.axes[-1].pixels(phase[-1]))
            layout = _phase_layout(
                tile, tuple(self.axes), phase, self.outputs, dy.like.strides, dx.strides, images
            )
            p = product_of(plan, tile, self.ending, layout, packed, strides, self.n, seen, seen)
            results = self.ending.words(images * dx.strides[0], shift=shift)
            sweep.add(p.kernel, p.words(source, packed.address, results), p.tasks, p.grain)
            work += p.work * p.tasks
        sweep.end(grain=-(-(1 << 18) // max(work, 1)))

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


@lru_cache(128)
def _phase_layout(
    tile: Tile, axes: tuple[_Axis, ...], phase: Sizes, outputs: int, dy: Sizes, dx: Sizes, images: int
) -> Layout:
    """The tables of the contraction of one phase, or of two that alternate: rows are pixels, columns are
    output channels and those taps that the phase meets. `dy` and `dx` are strides."""
    phases = [(*phase[:-1], phase[-1] + i) for i in range(tile.weave)]
    seen = tuple(a.pixels(q) for a, q in zip(axes, phase, strict=True))
    counts = np.full(seen, tile.weave)
    counts[..., axes[-1].pixels(phases[-1][-1]) :] = 1
    outs = grid(seen, tuple(a.stride * s for a, s in zip(axes, dx[2:], strict=True)))
    rows = Rows([grid(seen, dy[2:])] * tile.weave, outs, counts.ravel(), images, dy[0], dx[0])
    columns = []
    for p in phases:
        places, taps = [], []
        for i, (a, q) in enumerate(zip(axes, p, strict=True)):
            places.append((np.array(a.places(q), np.int64) + a.margin()[0]) * dy[2 + i])
            taps.append(np.array(a.taps(q), np.int64) * prod(b.kernel for b in axes[i + 1 :]))
        channel = np.arange(outputs)
        taps_of_all = prod(a.kernel for a in axes)
        columns.append(Columns(sums(channel * dy[1], *places), sums(channel * taps_of_all, *taps)))
    return layout_of(tile, rows, columns, axes[-1].stride if tile.strided else 1)
