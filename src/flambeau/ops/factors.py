"""Triangular factors of matrices: Cholesky, LU, QR."""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import Any

import numpy as np

from ..core import dtype as dt
from .contraction import matmul
from .index import gather, tril, triu
from .kinds import broadcast, custom
from .linalg import (
    LinAlgError,
    Shape,
    Spec,
    chain,
    check_matrix,
    check_square,
    failure,
    hermitian,
    identity,
    lower_half,
    matrix_op,
    no_derivative,
    squares,
    wide_or_tall,
)
from .samples import Sample, spread
from .systems import eliminate, solve_triangular
from .view import concatenate

# ----- Cholesky -----


def _factor(x: np.ndarray) -> np.ndarray:
    low = np.linalg.cholesky(x)
    diagonal = np.diagonal(low, 0, -2, -1).real
    if not ((diagonal > 0) & (diagonal < np.inf)).all():
        raise np.linalg.LinAlgError
    return low


def _fails(x: np.ndarray) -> bool:
    try:
        return _factor(x) is None
    except np.linalg.LinAlgError:
        return True


def _minor(x: np.ndarray) -> int:
    """The order of the first leading minor that is not positive-definite; 0 if all are."""
    return 1 + bisect_left(range(1, x.shape[-1]), True, key=lambda k: _fails(x[:k, :k])) if _fails(x) else 0


def _cholesky(x: np.ndarray, strict: bool) -> tuple[np.ndarray, np.ndarray]:
    info = np.zeros(x.shape[:-2], np.int32)
    try:
        return _factor(x), info
    except np.linalg.LinAlgError:
        for i in np.ndindex(info.shape):
            info[i] = _minor(x[i])
    if strict:
        raise not_positive("cholesky", info)
    good = np.where((info == 0)[..., None, None], x, np.eye(x.shape[-1], dtype=x.dtype))
    return np.where((info == 0)[..., None, None], np.linalg.cholesky(good), np.nan).astype(x.dtype), info


def not_positive(what: str, info: np.ndarray) -> LinAlgError:
    """The error of the first matrix of which a minor is not positive-definite."""
    i = next(i for i in np.ndindex(info.shape) if info[i])
    return failure(
        what,
        "The factorization could not be completed because the input is not positive-definite (the leading "
        f"minor of order {info[i]} is not positive-definite); add a multiple of eye to it, or use eigh",
        i,
    )


def _cholesky_rule(what: str, x: Any, strict: bool) -> list[Spec]:
    shape = check_square(what, x)
    return [(shape, x._node.dtype), (shape[:-2], dt.int32)]


def _cholesky_grad(g: Any, out: Any) -> Any:
    """L⁻ᴴ S L⁻¹ with the Hermitian S that has half of LᴴgL below and on its diagonal."""
    turned = matmul(out[0].mH, g[0])
    half = (tril(turned, 0) + tril(turned, -1).mH) / 2
    return over_lower(solve_triangular(out[0].mH, half, True, False), out[0])


def over_lower(x: Any, low: Any) -> Any:
    """X L⁻¹."""
    return solve_triangular(low.mH, x.mH, True, False).mH


# The lower factor of a positive-definite matrix, of which only the lower triangle is read, and the order of
# the first minor that isn't: an error if `strict`, otherwise the factor is NaN.
cholesky = matrix_op(
    "cholesky", _cholesky, _cholesky_rule, results=2, attrs="strict", grad=_cholesky_grad, ready=hermitian,
    settled=lambda results: results[0], samples=lambda: squares(strict=True), backward="CholeskyEx",
)  # fmt: skip

# ----- LU: Gauss' elimination -----


def _lu_rule(what: str, x: Any) -> list[Spec]:
    *batch, m, n = shape = check_matrix(what, x)
    return [(shape, x._node.dtype), ((*batch, min(m, n)), dt.int32), (tuple(batch), dt.int32)]


def _lu_grad(g: Any, out: Any, x_shape: Shape) -> Any:
    """Of Pᴴ A = L U with square L and U: L⁻ᴴ (tril(LᴴgL, -1) + triu(gU Uᴴ)) U⁻ᴴ.

    What a wide U has more, L⁻¹ (Pᴴ A)₂, and what a tall L has more, (Pᴴ A)₂ U⁻¹, follow from these.
    """
    (lu, pivots, _), gx = out, g[0]
    *_, m, n = x_shape
    k = min(m, n)
    square = lu.narrow(-2, 0, k).narrow(-1, 0, k)
    gl, gu = tril(gx.narrow(-1, 0, k), -1), triu(gx.narrow(-2, 0, k), 0)
    low = tril(square, -1) + identity(lu.dtype, k)
    below = matmul(low.mH, gl.narrow(-2, 0, k))
    above = matmul(gu.narrow(-1, 0, k), triu(square, 0).mH)
    if n > k:
        below = below - matmul(gu.narrow(-1, k, n - k), lu.narrow(-1, k, n - k).mH)
    if m > k:
        above = above - matmul(lu.narrow(-2, k, m - k).mH, gl.narrow(-2, k, m - k))
    inner = over_upper(tril(below, -1) + triu(above, 0), square)
    rows = len(x_shape) - 2
    if n > k:
        inner = concatenate(inner, gu.narrow(-1, k, n - k), rows + 1)
    result = solve_triangular(low.mH, inner, True, True)
    if m > k:
        result = concatenate(result, over_upper(gl.narrow(-2, k, m - k), square), rows)
    return in_order(result, row_order(pivots, m).argsort(-1))


def over_upper(x: Any, upper: Any) -> Any:
    """X U⁻ᴴ."""
    return solve_triangular(upper, x.mH, True, False).mH


# L below U in one matrix, the row that each row was swapped with (from 1 on), and the number of the first
# pivot that is 0 (otherwise 0).
lu_factor = matrix_op(
    "lu_factor", eliminate, _lu_rule, results=3, grad=_lu_grad, checks=False,
    settled=lambda results: results[0],
    samples=lambda: [*wide_or_tall(), Sample((spread((2, 3, 3), -1.0, 1.0),))], backward="LuFactorEx",
)  # fmt: skip


def _row_order(pivots: np.ndarray, m: int) -> np.ndarray:
    k = pivots.shape[-1]
    if k > m or ((pivots < 1) | (pivots > m)).any():
        raise RuntimeError(
            f"lu_unpack: pivots passed to lu_unpack must be between 1 and LU.size(-2) = {m} inclusive. Did "
            "you properly pass the result of lu_factor?"
        )
    swaps = pivots.reshape(math.prod(pivots.shape[:-1]), k) - 1
    order, every = np.tile(np.arange(m), (len(swaps), 1)), np.arange(len(swaps))
    for j in range(k):
        other = order[every, swaps[:, j]]
        order[every, swaps[:, j]], order[:, j] = order[:, j], other
    return order.reshape(*pivots.shape[:-1], m)


# Which row comes where after all swaps.
row_order = custom(
    "row_order", _row_order, lambda pivots, m: ((*pivots.shape[:-1], m), dt.int64), "opaque", inputs="pivots",
    attrs="m", accepts=(dt.INTEGER, dt.INTEGER), checks=True,
    samples=lambda: [
        Sample((np.array([[2, 3, 3], [1, 3, 3]]),), {"m": 4}), Sample((np.zeros((2, 0), int),), {"m": 1}),
    ],
)  # fmt: skip


def in_order(x: Any, order: Any) -> Any:
    """The rows of matrices in another order; batches broadcast."""
    batch = broadcast("rows", x._node.shape[:-2], order._node.shape[:-1])
    places = order.unsqueeze(-1).expand(*batch, order.shape[-1], x.shape[-1])
    return gather(x.expand(*batch, *x.shape[-2:]), places, len(batch))


# ----- QR -----


def _qr_rule(what: str, x: Any, complete: bool) -> list[Spec]:
    *batch, m, n = check_matrix(what, x)
    k = m if complete else min(m, n)
    return [((*batch, m, k), x._node.dtype), ((*batch, k, n), x._node.dtype)]


def _qr_grad(g: Any, out: Any, x_shape: Shape, complete: bool) -> Any:
    """Of a wide matrix (A₁ A₂) = Q (R₁ R₂) with square A₁: A₁ is decomposed, R₂ = Qᴴ A₂ follows."""
    (gq, gr), (q, r), (m, n) = g, out, x_shape[-2:]
    if complete and m > n:
        raise RuntimeError(
            "qr_backward: The QR decomposition is not differentiable when mode='complete' and nrows > ncols "
            f"({m} and {n}); use mode='reduced'"
        )
    if m >= n:
        return _tall_qr_grad(gq, gr, q, r)
    r1, r2 = r.narrow(-1, 0, m), r.narrow(-1, m, n - m)
    gr1, gr2 = gr.narrow(-1, 0, m), gr.narrow(-1, m, n - m)
    first = _tall_qr_grad(gq + chain(q, r2, gr2.mH), gr1, q, r1)
    return concatenate(first, matmul(q, gr2), len(x_shape) - 1)


def _tall_qr_grad(gq: Any, gr: Any, q: Any, r: Any) -> Any:
    x = lower_half((matmul(gr, r.mH) - matmul(q.mH, gq)).mH)
    return solve_triangular(r, (gq + matmul(q, x + x.mH)).mH, True, False).mH


qr = matrix_op(
    "qr", lambda x, complete: np.linalg.qr(x, "complete" if complete else "reduced"), _qr_rule, results=2,
    attrs="complete", grad=_qr_grad, checks=False,
    settled=lambda results: concatenate(results[0], results[1].mT, results[0].ndim - 2),
    samples=lambda: [*wide_or_tall(complete=False), *wide_or_tall(complete=True)[1:3]],
)  # fmt: skip


def _geqrf(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    below, tau = np.linalg.qr(x, "raw")
    return np.array(below.swapaxes(-2, -1), order="C"), tau


def _geqrf_rule(what: str, x: Any) -> list[Spec]:
    *batch, m, n = shape = check_matrix(what, x)
    return [(shape, x._node.dtype), ((*batch, min(m, n)), x._node.dtype)]


# R, and below it the vectors v (with a 1 on the diagonal) of reflections 1 - τ v vᴴ: Q is their product.
geqrf = matrix_op(
    "geqrf", _geqrf, _geqrf_rule, results=2, checks=False, samples=wide_or_tall,
    grad=no_derivative("geqrf", "use linalg.qr"),
    settled=lambda results: concatenate(results[0], results[1].unsqueeze(-2), results[0].ndim - 2)
    if results[0].shape[-2] >= results[0].shape[-1]
    else results[0],
)  # fmt: skip
