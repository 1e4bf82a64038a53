"""Pooling over the last dimensions, one to three of them."""

from __future__ import annotations

from math import prod
from typing import Any

from ...core.dtype import dtype
from ...core.node import numel
from ...runtime.kernels import Kernel
from ..calls import Array, Plan
from ..planner import planner
from .pad import COMPUTE, converted, finish, result_for
from .pool_cells import cell_kernel, element_kernel
from .pool_windows import form_of, window_kernel

Sizes = tuple[int, ...]


@planner("max_pool")
def plan_max(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """max_pool(x, kernel, stride, padding, dilation, spatial): the maxima and where they are."""
    (values, index), (x,), (kernel, stride, padding, dilation, spatial) = results, inputs, attrs
    if x.dtype not in COMPUTE:
        return False
    geometry = (spatial, kernel, stride, padding, dilation)
    _plan_windows(plan, "max", x.dtype, (x, index, values), x.shape[-len(spatial) :], geometry)
    return True


@planner("avg_pool")
def plan_average(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """avg_pool(x, kernel, stride, padding, spatial, count_include_pad, divisor)."""
    (out,), (x,), (kernel, stride, padding, spatial, with_pad, divisor) = results, inputs, attrs
    if x.dtype not in COMPUTE:
        return False
    if divisor is None and _global(x, kernel, padding, spatial):
        return _plan_cells(plan, "cell_mean", out, x, spatial)
    geometry = (spatial, kernel, stride, padding, (1,) * len(spatial))
    _plan_windows(plan, "average", x.dtype, (x, out), x.shape[-len(spatial) :], geometry, with_pad, divisor)
    return True


@planner("avg_pool_grad")
def plan_average_grad(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """avg_pool_grad(y, spatial, kernel, stride, padding, count_include_pad, divisor)."""
    (out,), (y,), (spatial, kernel, stride, padding, with_pad, divisor) = results, inputs, attrs
    if y.dtype not in COMPUTE:
        return False
    if divisor is None and _global(out, kernel, padding, y.shape[-len(spatial) :]):
        return plan_cell_spread(plan, results, inputs, (spatial,))
    d = COMPUTE[y.dtype]
    y, total = converted(plan, y, d), result_for(plan, out, d)
    geometry = (y.shape[-len(spatial) :], kernel, stride, padding, (1,) * len(spatial))
    _plan_windows(plan, "spread", d, (y, total), spatial, geometry, with_pad, divisor)
    finish(plan, total, out)
    return True


@planner("adaptive_avg_pool")
def plan_cell_mean(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """adaptive_avg_pool(x, spatial)."""
    return _plan_cells(plan, "cell_mean", results[0], inputs[0], attrs[0])


@planner("adaptive_max_index")
def plan_cell_max(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """adaptive_max_index(x, spatial)."""
    return _plan_cells(plan, "cell_max", results[0], inputs[0], attrs[0])


@planner("adaptive_avg_pool_grad")
def plan_cell_spread(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """adaptive_avg_pool_grad(y, spatial)."""
    (out,), (y,), (spatial,) = results, inputs, attrs
    if y.dtype not in COMPUTE:
        return False
    d, n = COMPUTE[y.dtype], len(spatial)
    y, total = converted(plan, y, d), result_for(plan, out, d)
    size, cells = _cells(spatial, y.shape[-n:])
    words = [y.address, total.address, *size, *cells]
    _call(plan, cell_kernel("cell_spread", d), words, total, n)
    finish(plan, total, out)
    return True


@planner("pool_take")
def plan_take(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """pool_take(x, index): x's elements at flat positions in its last dimensions."""
    (out,), (x, index), (n,) = results, inputs, attrs
    if x.dtype not in COMPUTE or not index.contiguous:
        return False
    x = converted(plan, x, x.dtype)
    words = [x.address, index.address, out.address, prod(x.shape[-n:]), prod(out.shape[-n:])]
    _call(plan, element_kernel("pool_take", x.dtype), words, out, n)
    return True


@planner("pool_put")
def plan_put(plan: Plan, results: Any, inputs: Any, attrs: Any) -> bool:
    """pool_put(y, index, spatial): the adjoint of `pool_take`."""
    (out,), (y, index), (spatial,) = results, inputs, attrs
    if y.dtype not in COMPUTE or not index.contiguous:
        return False
    d, n = COMPUTE[y.dtype], len(spatial)
    y, total = converted(plan, y, d), result_for(plan, out, d)
    words = [y.address, index.address, total.address, prod(spatial), prod(y.shape[-n:])]
    _call(plan, element_kernel("pool_put", d), words, total, n)
    finish(plan, total, out)
    return True


def _global(x: Array, kernel: Sizes, padding: Sizes, windows: Sizes) -> bool:
    """Whether there is one window, which is all."""
    return max(windows) == 1 and max(padding) == 0 and x.shape[-len(kernel) :] == tuple(kernel)


def _plan_cells(plan: Plan, what: str, out: Array, x: Array, spatial: Sizes) -> bool:
    if x.dtype not in COMPUTE:
        return False
    n, x = len(spatial), converted(plan, x, x.dtype)
    size, cells = _cells(x.shape[-n:], spatial)
    words = [x.address, out.address, *size, *cells]
    _call(plan, cell_kernel(what, x.dtype), words, out, n, prod(x.shape[-n:]))
    return True


def _cells(size: Sizes, cells: Sizes) -> tuple[Sizes, Sizes]:
    """Sizes and numbers of cells in three dimensions; a single cell is one row."""
    return ((1, 1, prod(size)), (1, 1, 1)) if prod(cells) == 1 else (_three(size), _three(cells))


def _plan_windows(
    plan: Plan,
    what: str,
    d: dtype,
    arrays: tuple[Array, ...],
    size: Sizes,
    geometry: tuple[Sizes, ...],
    with_pad: bool = True,
    divisor: int | None = None,
) -> None:
    """Adds the call of a window kernel over `arrays`, its input and its results; `geometry` is (windows,
    kernel, stride, padding, dilation)."""
    source, (out, *values) = converted(plan, arrays[0], arrays[0].dtype), arrays[1:]
    windows, kernel, stride, padding, dilation = geometry
    three = [
        _three(size),
        _three(windows),
        _three(kernel),
        _three(stride),
        _three(padding, 0),
        _three(dilation),
    ]
    form = form_of(d, *three)
    places = [source.address, out.address, values[0].address if values else 0]
    words = [*places, divisor or 0, int(with_pad), *(n for g in three for n in g)]
    _call(plan, window_kernel(what, d, form), words, out, len(size), prod(size))


def _call(plan: Plan, kernel: Kernel, words: list[Any], out: Array, n: int, work: int = 0) -> None:
    """Adds a call with a task for each plane."""
    if numel(out.shape):
        volume = max(prod(out.shape[-n:]), work, 1)
        plan.call(kernel, words, numel(out.shape[: len(out.shape) - n]), (1 << 14) // volume)


def _three(sizes: Sizes, fill: int = 1) -> Sizes:
    return (fill,) * (3 - len(sizes)) + tuple(sizes)
