"""Convolution and its gradient towards the weight (`conv_phases` has the one towards the input).

Each is a contraction that reads the large operand in place (see `conv_kernel`); here is which. Spatial sizes,
kernels and so on have one to three entries; offsets are in elements.

    conv              y[b, o, pixel] = sum over tap of x[b, c, pixel * stride + tap * dilation] * w[o, c, tap]
    conv_weight_grad  rows are taps, and the sum runs over the pixels of all images
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ...core.node import numel
from ..calls import Array, Plan
from ..planner import planner
from . import conv_phases as _conv_phases  # noqa: F401  registers its planner
from .conv_kernel import Tile
from .conv_pack import Source, packed_array, plan_pack
from .conv_planes import MOST, SLACK, Weights, few, geometry_of, plan_plane_products, plan_planes
from .conv_reduce import plan_sum
from .conv_tables import (
    ROWS,
    Columns,
    Rows,
    Sizes,
    Strides,
    choose_tile,
    divisor,
    grid,
    part_of,
    product_of,
    sums,
)
from .pad import COMPUTE, Padded, converted, finish, images_of, plan_zero, result_for

_TASKS = 16  # a gradient towards the weight with fewer tasks is split along its sum
_INNER = 512  # a sum over about so many pixels, of one or several small images, is one table


@planner("conv")
def plan_conv(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """conv(x, w, stride, padding, dilation, groups)."""
    (y,), (x, w), (stride, padding, dilation, groups) = results, inputs, attrs
    d = COMPUTE.get(y.dtype)
    if d is None or not numel(y.shape):
        return d is not None
    if not numel(w.shape):
        plan_zero(plan, y)
        return True
    w, out = converted(plan, w, d), result_for(plan, y, d)
    n = w.shape[0] // groups
    if few(n, d.itemsize) and w.shape[-1] <= MOST:
        weights = Weights(w, n * w.strides[0], w.strides[0], w.strides[1], w.strides[2:])
        geometry = geometry_of(w.shape[2:], stride, dilation)
        plan_planes(plan, Padded(x, padding, d, slack=SLACK), weights, out, geometry, groups)
    else:
        _plan_contraction(plan, out, Padded(x, padding, d), w, stride, dilation, groups)
    finish(plan, out, y)
    return True


def _plan_contraction(
    plan: Plan, out: Array, x: Padded, w: Array, stride: Sizes, dilation: Sizes, groups: int
) -> None:
    """Adds the calls for the convolution of many channels."""
    like, size = x.like, out.dtype.itemsize
    n, channels, pixels = w.shape[0] // groups, w.shape[1], prod(out.shape[2:])
    steps = scaled(stride, like)
    tile = choose_tile(size, pixels, n, out.shape[-1], steps[-1])
    taps = grid((channels, *w.shape[2:]), (like.strides[1], *scaled(dilation, like)))
    packed = packed_array(plan, out.dtype, groups, 1, 1, len(taps), n, tile.vectors)
    plan_pack(plan, Source(w, n * w.strides[0], 0, 0, 1, w.strides[0]), packed, n)
    images = divisor(like.shape[0], ROWS // pixels)
    outers = like.shape[0] // images
    part = part_of(outers, images * like.strides[0] * size, numel(packed.shape) * size, plan.threads)
    part = part if x.copies else outers
    every = np.ones(pixels, np.int64)
    rows = Rows(
        [grid(out.shape[2:], steps)], np.arange(pixels), every, images, like.strides[0], out.strides[0]
    )
    strides = Strides(
        channels * like.strides[1], images * like.strides[0], n * pixels, images * out.strides[0], pixels
    )
    columns = [Columns(taps, np.arange(len(taps)))]
    product = product_of(plan, tile, rows, columns, packed, strides, n, part, part)
    for start in range(0, outers * images, part * images):
        piece = x.part(plan, start, part * images)
        product.call(plan, piece, packed, images_of(out, start, part * images))


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
    dy, out, kernel = converted(plan, dy, d), result_for(plan, dw, d), dw.shape[2:]
    thin = few(dw.shape[0] // groups, d.itemsize) and few(dw.shape[1], d.itemsize)
    if thin and prod(kernel[-2:]) <= MOST:
        geometry = geometry_of(kernel, stride, dilation)
        plan_plane_products(plan, dy, Padded(x, padding, d, slack=SLACK), out, geometry, groups)
    else:
        _plan_products(plan, out, dy, Padded(x, padding, d), stride, dilation, groups)
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
    tile = tile._replace(adds=True)
    batches, part = _parts(tile, m, n, groups, outers), outers
    if batches == 1:
        nbytes = images * (like.strides[0] + dy.strides[0]) * size
        part = part_of(outers, nbytes, numel(dw.shape) * size, 2)
    taps = grid(dw.shape[1:], (like.strides[1], *scaled(dilation, like)))
    columns = sums(np.arange(images) * like.strides[0], grid(dy.shape[2:], scaled(stride, like)))
    packed = packed_array(plan, dw.dtype, groups, part, images, pixels, n, tile.vectors)
    partial = dw if batches == 1 else plan.array((batches, *dw.shape), dw.dtype)
    strides = Strides(dw.shape[1] * like.strides[1], images * like.strides[0], n * m, numel(dw.shape), m)
    rows = Rows([taps], np.arange(m), np.ones(m, np.int64))
    pairs = [Columns(columns, np.arange(len(columns)))]
    product = product_of(plan, tile, rows, pairs, packed, strides, n, part, batches)
    for start in range(0, outers * images, part * images):
        piece, grads = x.part(plan, start, part * images), images_of(dy, start, part * images)
        plan_pack(
            plan, Source(grads, n * pixels, images * dy.strides[0], dy.strides[0], 1, pixels), packed, n
        )
        product.call(plan, piece, packed, partial, old=start > 0)
    if batches > 1:
        plan_sum(plan, partial, dw)


def _parts(tile: Tile, m: int, n: int, groups: int, outers: int) -> int:
    """In how many parts to split a sum over `outers` items, so that there are enough tasks."""
    tasks = groups * -(-n // tile.columns) * -(-m // (tile.rows * tile.block))
    each = -(-outers // min(outers, max(1, _TASKS // tasks)))
    return -(-outers // each)


def scaled(factor: Sizes, x: Array) -> Sizes:
    """Strides of x's spatial dimensions for steps of several elements."""
    return tuple(a * b for a, b in zip(factor, x.strides[2:], strict=True))
