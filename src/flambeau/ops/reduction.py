"""Reductions over dimensions, and running ones along a dimension."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype
from .kinds import (
    FLOATING,
    NO_BOOL,
    NO_BOOL_REAL,
    REAL,
    custom,
    floating,
    real,
    reduced_shape,
    reduction,
)
from .pointwise import log_add_exp
from .samples import Sample, booleans, spread

Dims = tuple[int, ...]


def _samples(low: float = -3.0, high: float = 3.0, nothing: bool = True) -> Callable[[], list[Sample]]:
    """Of all, some and no dimensions; without elements, where `nothing` has a value."""
    return lambda: [
        Sample((spread((2, 3), low, high),), {"dims": (0, 1)}),
        Sample((spread((2, 3, 2), low, high),), {"dims": (0, 2), "keepdim": True}),
        Sample((spread((4,), low, high),), {"dims": (0,)}),
        Sample((spread((), low, high),), {"dims": ()}),
        Sample((spread((2, 0)),), {"dims": (0,)}),
        *([Sample((spread((0, 3)),), {"dims": (0,), "keepdim": True})] if nothing else []),
    ]


def _numpy(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, dims, keepdim: f(x, axis=dims, keepdims=keepdim)


def whole(d: dtype) -> dtype:
    """Sums of integers and booleans are int64."""
    return d if d.category >= dt.FLOAT else dt.int64


def spread_back(g: Any, shape: Dims, dims: Dims, keepdim: bool) -> Any:
    """A reduced gradient with the reduced dimensions back as extents of 1, so that it broadcasts."""
    return g if keepdim else g.reshape(tuple(1 if i in dims else e for i, e in enumerate(shape)))


def _sum_grad(g: Any, x_shape: Dims, dims: Dims, keepdim: bool) -> Any:
    return spread_back(g, x_shape, dims, keepdim).expand(x_shape)


def _count(shape: Dims, dims: Dims) -> int:
    n = 1
    for d in dims:
        n *= shape[d]
    return n


sum = reduction("sum", _numpy(np.add.reduce), compute=whole, grad=_sum_grad, samples=_samples())


def _mean(x: np.ndarray, dims: Dims, keepdim: Any) -> np.ndarray:
    """NaN for nothing, of which NumPy's own would warn."""
    return x.sum(axis=dims, keepdims=keepdim) / x.dtype.type(_count(x.shape, dims))


mean = reduction(
    "mean", _mean, accepts=FLOATING, samples=_samples(),
    grad=lambda g, x_shape, dims, keepdim: _sum_grad(g / _count(x_shape, dims), x_shape, dims, keepdim),
)  # fmt: skip


def _prod_grad(g: Any, x: Any, dims: Dims, keepdim: bool) -> Any:
    """The product of all other elements: of those before times those after, which zeros don't spoil."""
    if not dims:
        return g
    order = tuple(d for d in range(x.ndim) if d not in dims) + dims
    moved = x.permute(order)
    kept = moved.shape[: x.ndim - len(dims)]
    flat = moved.reshape((*kept, _count(x.shape, dims)))
    one = flat.new_ones((*kept, 1))
    n = flat.shape[-1]
    before = cumprod(_join(one, flat.narrow(-1, 0, max(n - 1, 0))), len(kept))
    after = cumprod(_join(one, flat.narrow(-1, min(1, n), max(n - 1, 0)).flip(-1)), len(kept)).flip(-1)
    others = (before * after).narrow(-1, 0, n).reshape(moved.shape)
    back = [0] * x.ndim
    for i, d in enumerate(order):
        back[d] = i
    return spread_back(g, x.shape, dims, keepdim) * others.permute(tuple(back)).conj()


def _join(a: Any, b: Any) -> Any:
    from .view import concatenate

    return concatenate(a, b, a.ndim - 1)


prod = reduction(
    "prod", _numpy(np.multiply.reduce), compute=whole, grad=_prod_grad, samples=_samples(0.5, 2.0)
)


def _extreme_grad(g: Any, x: Any, out: Any, dims: Dims, keepdim: bool) -> Any:
    """Shared equally among equal extremes."""
    best = spread_back(out, x.shape, dims, keepdim)
    mask = ((x == best) | ((x != x) & (best != best))).to(g.dtype)
    return spread_back(g, x.shape, dims, keepdim) * (mask / sum(mask, dims, True))


amax = reduction(
    "amax",
    _numpy(np.maximum.reduce),
    accepts=REAL,
    grad=_extreme_grad,
    samples=_samples(nothing=False),
    needs_elements=True,
)
amin = reduction(
    "amin",
    _numpy(np.minimum.reduce),
    accepts=REAL,
    grad=_extreme_grad,
    samples=_samples(nothing=False),
    needs_elements=True,
)


def _middle(x: np.ndarray, dims: Dims, keepdim: bool) -> np.ndarray:
    """The lower of the middle elements; NaN if there is one (sorting puts it last)."""
    rest = tuple(d for d in range(x.ndim) if d not in dims)
    rows = np.transpose(x, (*rest, *dims)).reshape(*(x.shape[d] for d in rest), _count(x.shape, dims))
    ordered = np.sort(rows, -1)
    middle = ordered[..., (rows.shape[-1] - 1) // 2]
    found = np.where(ordered[..., -1] == ordered[..., -1], middle, ordered[..., -1])
    return found.reshape(reduced_shape(x.shape, dims, keepdim))


median = reduction(
    "median",
    _middle,
    accepts=NO_BOOL_REAL,
    grad=_extreme_grad,
    samples=_samples(nothing=False),
    needs_elements=True,
)


def _truth(d: dtype) -> dtype:
    return d if d is dt.uint8 else dt.bool_


any = reduction("any", _numpy(np.logical_or.reduce), result=_truth, samples=_samples())
all = reduction("all", _numpy(np.logical_and.reduce), result=_truth, samples=_samples())


def _variance(x: np.ndarray, dims: Dims, keepdim: bool) -> np.ndarray:
    deviation = x - _mean(x, dims, True)
    square = deviation * deviation if x.dtype.kind != "c" else deviation.real**2 + deviation.imag**2
    return _mean(square, dims, keepdim)


# The mean square deviation; other divisors (Bessel's correction) scale it. Deviations are taken first:
# E[x²]-E[x]² would cancel.
variance = reduction(
    "variance", _variance, accepts=FLOATING, result=real, samples=_samples(), backward_name="Var",
    grad=lambda g, x, dims, keepdim: spread_back(g, x.shape, dims, keepdim)
    * ((x - mean(x, dims, True)) * (2.0 / max(_count(x.shape, dims), 1))),
)  # fmt: skip


def _arg(f: Callable[..., Any]) -> Callable[..., Any]:
    """Position of the first extreme along one dimension, counted over all if `dims` are all."""

    def position(x: np.ndarray, dims: Dims, keepdim: bool) -> np.ndarray:
        if len(dims) == 1:
            return f(x, axis=dims[0], keepdims=keepdim)
        flat = f(x.reshape(-1))
        return np.full((1,) * x.ndim, flat) if keepdim else flat

    return position


def _index(d: dtype) -> dtype:
    return dt.int64


_arg_samples: Callable[[], list[Sample]] = lambda: [  # noqa: E731
    Sample((spread((2, 3)),), {"dims": (1,)}),
    Sample((spread((2, 3)),), {"dims": (0,), "keepdim": True}),
    Sample((spread((2, 3)),), {"dims": None}),
    Sample((booleans((3, 2)).astype(np.int64),), {"dims": (0,)}),
]
argmax = reduction(
    "argmax", _arg(np.argmax), accepts=REAL, result=_index, samples=_arg_samples, needs_elements=True
)
argmin = reduction(
    "argmin", _arg(np.argmin), accepts=REAL, result=_index, samples=_arg_samples, needs_elements=True
)


def _log_sum_exp(x: np.ndarray, dims: Dims, keepdim: Any) -> np.ndarray:
    """log(sum(exp(x))), with the largest term taken out so that nothing overflows."""
    if x.size == 0:
        return np.log(x.sum(axis=dims, keepdims=keepdim))
    top = np.max(x.real, axis=dims, keepdims=True)
    top = np.where(np.isfinite(top), top, 0).astype(x.real.dtype)
    total = np.log(np.sum(np.exp(x - top), axis=dims, keepdims=True)) + top
    return total if keepdim else np.squeeze(total, axis=dims)


logsumexp = reduction(
    "logsumexp", _log_sum_exp, compute=floating, samples=_samples(),
    grad=lambda g, x, out, dims, keepdim: spread_back(g, x.shape, dims, keepdim)
    * (x - spread_back(out, x.shape, dims, keepdim)).exp().conj(),
)  # fmt: skip


def _euclid(x: np.ndarray, dims: Dims, keepdim: Any) -> np.ndarray:
    return np.sqrt((x * np.conj(x)).real.sum(axis=dims, keepdims=keepdim))


def _euclid_grad(g: Any, x: Any, out: Any, dims: Dims, keepdim: bool) -> Any:
    """x / |x|, and zero at zero."""
    g, out = (spread_back(t, x.shape, dims, keepdim) for t in (g, out))
    return (x * (g / out)).where(out != 0, 0.0)


euclid = reduction(
    "euclid",
    _euclid,
    accepts=FLOATING,
    result=real,
    grad=_euclid_grad,
    samples=_samples(0.5, 2.0),
    backward_name="LinalgVectorNorm",
)

# ----- softmax: the same shape as the input, but each element depends on its row -----


def _softmax(x: np.ndarray, dim: int) -> np.ndarray:
    if x.size == 0:
        return x.copy()
    e = np.exp(x - np.max(x, axis=dim, keepdims=True))
    return e / np.sum(e, axis=dim, keepdims=True)


def _log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    if x.size == 0:
        return x.copy()
    shifted = x - np.max(x, axis=dim, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=dim, keepdims=True))


def _row_samples() -> list[Sample]:
    return [
        Sample((spread((2, 4)),), {"dim": 1}),
        Sample((spread((3, 2, 2)),), {"dim": 0}),
        Sample((spread((3,)),), {"dim": 0}),
    ]


def _row_rule(x: Any, dim: int) -> tuple[Dims, dtype]:
    return x._node.shape, x._node.dtype


softmax = custom(
    "softmax", _softmax, _row_rule, "composite", attrs="dim", accepts=(dt.FLOAT, dt.FLOAT),
    samples=_row_samples,
    grad=lambda g, out, dim: out * (g - sum(g * out, (dim,), True)),
)  # fmt: skip
log_softmax = custom(
    "log_softmax", _log_softmax, _row_rule, "composite", attrs="dim", accepts=(dt.FLOAT, dt.FLOAT),
    samples=_row_samples,
    grad=lambda g, out, dim: g - out.exp() * sum(g, (dim,), True),
)  # fmt: skip

# ----- running reductions -----


def _scan_samples() -> list[Sample]:
    return [
        Sample((spread((2, 3), 0.5, 2.0),), {"dim": 1}),
        Sample((spread((4,)),), {"dim": 0}),
        Sample((spread((0, 2)),), {"dim": 0}),
    ]


def _reverse_cumsum(x: Any, dim: int) -> Any:
    return cumsum(x.flip(dim), dim).flip(dim)


def _cumprod_grad(g: Any, x: Any, out: Any, dim: int) -> Any:
    """d out[j] / d x[i] = the product of x[:j+1] without x[i]; one row for each i, so that zeros don't
    matter."""
    n = x.shape[dim]
    if n == 0:
        return g
    rows, gs = x.movedim(dim, -1), g.movedim(dim, -1)
    eye = make_eye(n)
    without = rows.unsqueeze(-2).where(~eye, 1.0)  # row i: x with 1 at i
    products = cumprod(without, without.ndim - 1)
    upper = products * make_eye(n, upper=True).to(products.dtype)
    return sum(gs.unsqueeze(-2) * upper.conj(), (upper.ndim - 1,)).movedim(-1, dim)


def make_eye(n: int, upper: bool = False) -> Any:
    """A constant truth table: the diagonal, or the diagonal and what is right of it."""
    from .kinds import make_constant

    return make_constant(np.triu(np.ones((n, n), np.bool_)) if upper else np.eye(n, dtype=np.bool_))


def _running(f: Callable[..., Any]) -> Callable[..., Any]:
    """In more digits than the elements have, as in PyTorch."""
    return lambda x, dim: f(x.astype(_DIGITS.get(dt.from_numpy(x.dtype), x.dtype)), dim).astype(x.dtype)


_DIGITS = {dt.float32: np.float64, dt.float16: np.float32, dt.bfloat16: np.float32}

cumsum = custom(
    "cumsum", _running(np.cumsum), _row_rule, "scan", attrs="dim", accepts=NO_BOOL, samples=_scan_samples,
    widens=False, grad=lambda g, dim: _reverse_cumsum(g, dim),
)  # fmt: skip
cumprod = custom(
    "cumprod",
    _running(np.cumprod),
    _row_rule,
    "scan",
    attrs="dim",
    accepts=NO_BOOL,
    samples=_scan_samples,
    widens=False,
    grad=_cumprod_grad,
)


def _arg_scan(extreme: np.ufunc) -> Callable[..., Any]:
    """The position of the extreme so far (the last of equal ones; NaN counts as extreme)."""

    def positions(x: np.ndarray, dim: int) -> np.ndarray:
        own = np.arange(x.shape[dim]).reshape([-1 if d == dim else 1 for d in range(x.ndim)])
        is_best = (x == extreme.accumulate(x, axis=dim)) | (x != x)
        return np.maximum.accumulate(np.where(is_best, own, 0), axis=dim)

    return positions


def _arg_rule(x: Any, dim: int) -> tuple[Dims, dtype]:
    return x._node.shape, dt.int64


cummax_index = custom(
    "cummax_index",
    _arg_scan(np.maximum),
    _arg_rule,
    "scan",
    attrs="dim",
    accepts=REAL,
    samples=_scan_samples,
)
cummin_index = custom(
    "cummin_index",
    _arg_scan(np.minimum),
    _arg_rule,
    "scan",
    attrs="dim",
    accepts=REAL,
    samples=_scan_samples,
)


def _logcumsumexp(x: np.ndarray, dim: int) -> np.ndarray:
    if x.dtype.kind != "c":
        return np.logaddexp.accumulate(x.astype(np.float64), axis=dim).astype(x.dtype) if x.size else x.copy()
    out = np.moveaxis(x.copy(), dim, 0)
    for i in range(1, len(out)):
        out[i] = log_add_exp(out[i - 1], out[i])
    return np.moveaxis(out, 0, dim)


def _logcumsumexp_grad(g: Any, x: Any, out: Any, dim: int) -> Any:
    """d out[j] / d x[i] = exp(x[i] - out[j]) for j >= i, one row for each i: apart from each other the
    exponentials would overflow."""
    rows, outs, gs = (t.movedim(dim, -1) for t in (x, out, g))
    n = x.shape[dim]
    shares = (rows.unsqueeze(-1) - outs.unsqueeze(-2)).where(make_eye(n, upper=True), -math.inf).exp()
    return sum(gs.unsqueeze(-2) * shares.conj(), (shares.ndim - 1,)).movedim(-1, dim)


logcumsumexp = custom(
    "logcumsumexp", _logcumsumexp, _row_rule, "scan", attrs="dim", accepts=FLOATING, samples=_scan_samples,
    grad=lambda g, x, out, dim: _logcumsumexp_grad(g, x, out, dim),
)  # fmt: skip
