"""Linear layers as contractions: with a bias, and the gradient towards the weight."""

from __future__ import annotations

from math import prod
from typing import Any

from ...core import dtype as dt
from ...core.dtype import dtype
from ..calls import Array, Plan
from ..expression import Expr, kept, load
from ..pieces import replace
from ..planner import Finish, finisher, planner
from .contraction import contract, product
from .problem import matrix


@planner("affine")
def _affine(plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], _: tuple[Any, ...]) -> bool:
    (out,) = results
    return finish_affine(plan, Finish(((kept(0, _total(out.dtype)).cast(out.dtype), out),)), inputs, ())


@finisher("affine")
def finish_affine(plan: Plan, finish: Finish, inputs: tuple[Array, ...], _: tuple[Any, ...]) -> bool:
    """x @ w.T + b, and what follows: the bias is one more extra, added to the sum first."""
    x, w, b = inputs
    shape, d = finish.results[0][1].shape, _total(x.dtype)
    row = b._replace(shape=shape, strides=(*(0,) * (len(shape) - 1), b.strides[0]))
    number = len(finish.extras)

    def leaf(e: Expr) -> Expr:
        return e + load(number, b.dtype).cast(d) if e.op == "kept" else e

    results = tuple((replace(e, leaf), out) for e, out in finish.results)
    return finish_linear(plan, Finish(results, (*finish.extras, row)), (x, w), ())


@finisher("linear")
def finish_linear(plan: Plan, finish: Finish, inputs: tuple[Array, ...], _: tuple[Any, ...]) -> bool:
    """x @ w.T and what follows."""
    x, w = inputs
    flipped = w._replace(shape=w.shape[::-1], strides=w.strides[::-1])
    if len(x.shape) > 1:
        return _finish_product(plan, finish, (x, flipped), ())

    def row(z: Array) -> Array:
        return z._replace(shape=(1, *z.shape), strides=(0, *z.strides))

    results = tuple((e, row(out)) for e, out in finish.results)
    return _finish_product(plan, Finish(results, tuple(map(row, finish.extras))), (row(x), flipped), ())


@finisher("matmul")
def _finish_product(plan: Plan, finish: Finish, inputs: tuple[Array, ...], _: tuple[Any, ...]) -> bool:
    (epilogue, out), *more = finish.results
    if not inputs[0].dtype.is_floating_point:
        return False
    x, y = inputs
    return product(plan, out, x, y, epilogue, finish.extras, tuple(more))


def _total(d: dtype) -> dtype:
    """The dtype in which products are summed."""
    return dt.float64 if d is dt.float64 else dt.float32


@planner("linear_weight_grad")
def _linear_weight_grad(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], _: tuple[Any, ...]
) -> bool:
    (out,), (y, x) = results, inputs
    y, x = rows(plan, y), rows(plan, x)
    flipped = y._replace(shape=y.shape[::-1], strides=y.strides[::-1])
    m, n = out.shape
    return contract(plan, matrix(out), matrix(flipped), matrix(x), m, n, x.shape[0])


def rows(plan: Plan, x: Array) -> Array:
    """An array's leading dimensions as one; copied where they don't lie evenly."""
    count, width = prod(x.shape[:-1]), x.shape[-1]
    if count == 0 or width == 0:
        return x._replace(shape=(count, width), strides=(width, 1))
    step, extent = 0, 1
    for n, s in zip(reversed(x.shape[:-1]), reversed(x.strides[:-1]), strict=True):
        if n == 1:
            continue
        if extent == 1:
            step = s
        elif s != step * extent:
            return rows(plan, contiguous(plan, x))
        extent *= n
    return x._replace(shape=(count, width), strides=(step, x.strides[-1]))


def contiguous(plan: Plan, x: Array) -> Array:
    """A copy of an array in which the elements lie in order."""
    from ..nest import Nest, Phase, Store
    from .nest import plan_nest

    copy = plan.array(x.shape, x.dtype)
    inner = len(x.shape) - 1
    phase = Phase(stores=(Store(1, load(0, x.dtype)),))
    plan_nest(plan, Nest(x.shape[:inner], x.shape[inner:], False, (x, copy), (phase,)))
    return copy
