"""Convolution and its gradient towards the weight (`conv_phases` has the one towards the input).

Each is a contraction that reads the large operand in place (see `conv_kernel`), or, where few channels meet,
a sum of shifted planes (see `conv_planes`); here is which. Spatial sizes, kernels and so on have one to three
entries; offsets are in elements.

    conv              y[b, o, pixel] = sum over tap of x[b, c, pixel * stride + tap * dilation] * w[o, c, tap]
    conv_weight_grad  rows are taps, and the sum runs over the pixels of all images
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...core.node import numel
from ..calls import Array, Plan
from ..planner import Finish, finisher, planner
from . import conv_phases as _conv_phases  # noqa: F401  registers its planner
from .conv_finish import Ending, stored
from .conv_kernel import Tile
from .conv_pack import Source, pack_step, packed_array, plan_pack
from .conv_plane_form import Planes, geometry_of, in_planes, planes_pay
from .conv_plane_products import plan_plane_products
from .conv_planes import Weights, plan_planes
from .conv_reduce import plan_sum
from .conv_sweep import Moved, Sweep, moved
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
)
from .pad import (
    COMPUTE,
    Padded,
    converted,
    finish,
    multiplies_pairs,
    paired,
    plan_zero,
    result_for,
)

_TASKS = 16  # a gradient towards the weight with fewer tasks is split along its sum
_PARTS = 5 << 18  # bytes that partial gradients take at most where threads do images of their own
_THIN = 16  # channels of x in a group that are done in planes at most
_INNER = 512  # a sum over about so many pixels, of one or several small images, is one table


@planner("conv")
def plan_conv(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """conv(x, w, stride, padding, dilation, groups)."""
    (y,), (_, w) = results, inputs
    if y.dtype in COMPUTE and not numel(w.shape):
        plan_zero(plan, y)
        return True
    return finish_conv(plan, stored(y), inputs, attrs)


@finisher("conv")
def finish_conv(plan: Plan, finish: Finish, inputs: Any, attrs: Any) -> bool:
    """conv(x, w, stride, padding, dilation, groups) and what follows."""
    (x, w), (stride, padding, dilation, groups) = inputs, attrs
    d, shape = COMPUTE.get(x.dtype), finish.results[0][1].shape
    if d is None or not numel(w.shape):
        return False
    if not numel(shape):
        return True
    ending, geometry = Ending(plan, finish), geometry_of(w.shape[2:], stride, dilation)
    n, pairs = w.shape[0] // groups, multiplies_pairs(x, w) and w.shape[1] % 2 == 0
    if in_planes(geometry, n, w.shape[1], shape[-1], d):
        w = converted(plan, w, d)
        weights = Weights(w, n * w.strides[0], w.strides[0], w.strides[1], w.strides[2:])
        plan_planes(plan, Planes(x, padding, d, groups), weights, ending, geometry, groups)
    elif pairs:
        source = Padded.of_pairs(x, 1, padding)
        _plan_contraction(plan, ending, source, paired(plan, w, 1), stride, dilation, groups)
    else:
        w = converted(plan, w, d)
        _plan_contraction(plan, ending, Padded(x, padding, d), w, stride, dilation, groups)
    return True


def _plan_contraction(
    plan: Plan, ending: Ending, x: Padded, w: Array, stride: Sizes, dilation: Sizes, groups: int
) -> None:
    """Adds the calls for the convolution of many channels."""
    like, size, out = x.like, w.dtype.itemsize, ending.out
    n, channels, pixels = w.shape[0] // groups, w.shape[1], prod(out.shape[2:])
    steps = scaled(stride, like)
    images = divisor(like.shape[0], ROWS // pixels)
    tile = choose_tile(size, images * pixels, n, out.shape[-1], steps[-1])._replace(pairs=x.partner != 0)
    packed = packed_array(plan, w.dtype, groups, 1, 1, prod(w.shape[1:]), n, tile.vectors)
    plan_pack(plan, Source(w, n * w.strides[0], 0, 0, 1, w.strides[0]), packed, n)
    outers = like.shape[0] // images
    sweep = Sweep(plan, outers, alone=x.copies and alone(outers, plan.threads, numel(packed.shape) * size))
    source = x.place(sweep, images, like.shape[1], outer=images)
    taps = ((channels, *w.shape[2:]), (like.strides[1], *scaled(dilation, like)))
    layout = _forward_layout(tile, taps, out.shape[2:], steps, images, like.strides[0], out.strides[0])
    seen = 1 if sweep.alone else outers
    strides = Strides(
        channels * like.strides[1], images * like.strides[0], n * pixels, images * out.strides[0], pixels
    )
    product = product_of(plan, tile, ending, layout, packed, strides, n, seen, seen)
    words = product.words(source, packed.address, ending.words(images * out.strides[0]))
    sweep.add(product.kernel, words, product.tasks, product.grain)
    sweep.end(grain=-(-(1 << 18) // (product.work * product.tasks)))


@lru_cache(64)
def _forward_layout(
    tile: Tile,
    taps: tuple[Sizes, Sizes],
    size: Sizes,
    steps: Sizes,
    images: int,
    x_image: int,
    out_image: int,
) -> Layout:
    """The tables of a convolution: rows are pixels, columns are channels and taps."""
    pixels = prod(size)
    rows = Rows([grid(size, steps)], np.arange(pixels), np.ones(pixels, np.int64), images, x_image, out_image)
    offsets = grid(*taps)
    return layout_of(tile, rows, [Columns(offsets, np.arange(len(offsets)))])


@planner("conv_weight_grad")
def plan_weight_grad(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """conv_weight_grad(dy, x, kernel, stride, padding, dilation, groups)."""
    (dw,), (dy, x), (_, stride, padding, dilation, groups) = results, inputs, attrs
    d = COMPUTE.get(dw.dtype)
    if d is None or not numel(dw.shape):
        return d is not None
    if not numel(dy.shape):
        plan_zero(plan, dw)
        return True
    out, kernel = result_for(plan, dw, d), dw.shape[2:]
    geometry = geometry_of(kernel, stride, dilation)
    thin = dw.shape[1] <= _THIN and planes_pay(dw.shape[0] // groups, dy.shape[-1], d, 0.6)
    if thin and geometry.writable:
        dy = converted(plan, dy, d)
        plan_plane_products(plan, dy, Planes(x, padding, d, groups), out, geometry, groups)
    elif multiplies_pairs(x, dy) and x.shape[0] % 2 == 0:
        source = Padded.of_pairs(x, 0, padding)
        _plan_products(plan, out, paired(plan, dy, 0), source, stride, dilation, groups)
    else:
        _plan_products(plan, out, converted(plan, dy, d), Padded(x, padding, d), stride, dilation, groups)
    finish(plan, out, dw)
    return True


def _plan_products(
    plan: Plan, dw: Array, dy: Array, x: Padded, stride: Sizes, dilation: Sizes, groups: int
) -> None:
    """Adds the calls for the gradient towards the weight of many channels. How the sum is split depends on
    the shape alone."""
    like, size = x.like, dw.dtype.itemsize
    pixels, n, m = prod(dy.shape[2:]), dw.shape[0] // groups, prod(dw.shape[1:])
    images = divisor(like.shape[0], _INNER // pixels)
    outers = like.shape[0] // images
    tile = choose_tile(size, m, n, dw.shape[-1], dilation[-1] * like.strides[-1])
    tile = tile._replace(adds=True, pairs=x.partner != 0)
    parts = min(outers, 16, _PARTS // (numel(dw.shape) * size))
    own = x.copies and parts >= 4
    batches = parts if own else _parts(tile, m, n, groups, outers)
    each = -(-outers // batches)
    batches = -(-outers // each)
    sweep = Sweep(plan, batches, 1, each, outers, alone=own)
    source = x.place(sweep, images, like.shape[1], outer=each * images, repeat=images)
    seen = 1 if own else outers
    packed = packed_array(sweep, dw.dtype, groups, seen, images, pixels, n, tile.vectors)
    grads = moved(dy, each * images * dy.strides[0], 0, images * dy.strides[0])
    pack_step(
        sweep, Source(dy, n * pixels, images * dy.strides[0], dy.strides[0], 1, pixels), grads, packed, n
    )
    partial = dw if batches == 1 else plan.array((batches, *dw.shape), dw.dtype)
    strides = Strides(dw.shape[1] * like.strides[1], images * like.strides[0], n * m, numel(dw.shape), m)
    taps = (dw.shape[1:], (like.strides[1], *scaled(dilation, like)))
    layout = _products_layout(tile, taps, dy.shape[2:], scaled(stride, like), images, like.strides[0])
    product = product_of(
        plan, tile, Ending(plan, stored(partial)), layout, packed, strides, n, seen, 1 if own else batches
    )
    results = [moved(partial, numel(dw.shape))]
    old = Moved(0, repeat=1) if own else 0
    words = product.words(source, packed.address, results, old)  # type: ignore[arg-type]
    sweep.add(product.kernel, words, product.tasks, product.grain)
    sweep.end()
    if batches > 1:
        plan_sum(plan, partial, dw)


@lru_cache(64)
def _products_layout(
    tile: Tile, taps: tuple[Sizes, Sizes], size: Sizes, steps: Sizes, images: int, x_image: int
) -> Layout:
    """The tables of a gradient towards the weight: rows are channels and taps, columns are pixels."""
    offsets = grid(*taps)
    rows = Rows([offsets], np.arange(len(offsets)), np.ones(len(offsets), np.int64))
    pixels = sums(np.arange(images) * x_image, grid(size, steps))
    return layout_of(tile, rows, [Columns(pixels, np.arange(len(pixels)))])


def _parts(tile: Tile, m: int, n: int, groups: int, outers: int) -> int:
    """In how many parts to split a sum over `outers` items, so that there are enough tasks."""
    tasks = groups * -(-n // tile.columns) * -(-m // (tile.rows * tile.block))
    return min(outers, max(1, _TASKS // tasks))


def scaled(factor: Sizes, x: Array) -> Sizes:
    """Strides of x's spatial dimensions for steps of several elements."""
    return tuple(a * b for a, b in zip(factor, x.strides[2:], strict=True))
