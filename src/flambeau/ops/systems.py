"""Systems of equations, inverses, determinants, exponentials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtype as dt
from .contraction import matmul
from .index import tril, triu
from .linalg import (
    SINGULAR,
    MatrixOp,
    Spec,
    chain,
    each,
    first_failure,
    identity,
    matrix_op,
    number_rule,
    solve_rule,
    square_rule,
    squares,
    systems,
)
from .pointwise import make_complex
from .reduction import amax
from .samples import Sample
from .view import concatenate

# ----- inverse, systems of equations -----


def _inv(x: np.ndarray, strict: bool) -> np.ndarray:
    try:
        return np.linalg.inv(x)
    except np.linalg.LinAlgError:
        if strict:
            why = f"The inversion could not be completed {SINGULAR}"
            raise first_failure("inv", why, np.linalg.inv, (x,)) from None
    out = np.full_like(x, np.inf)
    for i in np.ndindex(x.shape[:-2]):
        if np.linalg.slogdet(x[i])[0] != 0:
            out[i] = np.linalg.inv(x[i])
    return out


# Of a singular matrix: LinAlgError if `strict`, otherwise infinite.
inv = matrix_op(
    "inv", _inv, square_rule, attrs="strict", backward="InvEx",
    grad=lambda g, out: -chain(out.mH, g, out.mH),
    samples=lambda: [*squares(strict=True), *squares(strict=False)],
)  # fmt: skip


def _solve(x: np.ndarray, y: np.ndarray) -> Any:
    return each("solve", f"The solver failed {SINGULAR}", np.linalg.solve, x, y)


solve: MatrixOp = matrix_op(
    "solve", _solve, solve_rule, inputs="x y", samples=systems, backward="SolveEx",
    grad={"x": lambda g, x, out: -matmul(solve(x.mH, g), out.mH), "y": lambda g, x: solve(x.mH, g)},
)  # fmt: skip


BLOCK = 32  # rows or columns that are done one by one before the rest is done by one product


def solve_rows(x: np.ndarray, y: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """Row after row, from the short end: what is known is subtracted, the rest divided by the diagonal."""
    n, way = x.shape[-1], -1 if upper else 1
    out = np.empty(np.broadcast_shapes(x.shape[:-2], y.shape[:-2]) + y.shape[-2:], y.dtype)
    for first in range(0, n, BLOCK)[::way]:
        last = min(first + BLOCK, n)
        known = slice(last, n) if upper else slice(0, first)
        block = np.matmul(x[..., first:last, known], out[..., known, :])
        out[..., first:last, :] = y[..., first:last, :] - block
        for i in range(first, last)[::way]:
            near = slice(i + 1, last) if upper else slice(first, i)
            out[..., i, :] -= np.matmul(x[..., i, None, near], out[..., near, :])[..., 0, :]
            if not unit:
                out[..., i, :] /= x[..., i, i, None]
    return out


def _triangular_grad(g: Any, x: Any, out: Any, upper: bool, unit: bool) -> Any:
    gx = -matmul(solve_triangular(x.mH, g, not upper, unit), out.mH)
    return triu(gx, int(unit)) if upper else tril(gx, -int(unit))


# Reads one triangle only (without the diagonal if `unit`). Where the diagonal is 0 the result is infinite.
solve_triangular: MatrixOp = matrix_op(
    "solve_triangular", solve_rows, solve_rule, inputs="x y", attrs="upper unit", checks=False,
    samples=lambda: [*systems(upper=True, unit=False), *systems(upper=False, unit=True)[:2]],
    grad={"x": _triangular_grad, "y": lambda g, x, upper, unit: solve_triangular(x.mH, g, not upper, unit)},
)  # fmt: skip


def _first_zero(x: np.ndarray) -> np.ndarray:
    """One by one, and only where the determinant is 0."""
    out = np.zeros(x.shape[:-2], np.int32)
    for i in np.argwhere(np.linalg.slogdet(x)[0] == 0):
        out[*i] = eliminate(x[*i])[2]
    return out


def eliminate(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gauss' elimination by blocks of columns: L below U, which rows were swapped (from 1 on), and the number
    of the first pivot that is 0 (or 0)."""
    *batch, m, n = x.shape
    k, count = min(m, n), math.prod(batch)
    result, swaps = np.array(x, order="C"), np.zeros((*batch, k), np.int32)
    out, pivots, every = result.reshape(count, m, n), swaps.reshape(count, k), np.arange(count)
    for first in range(0, k, BLOCK):
        last = min(first + BLOCK, k)
        for j in range(first, last):
            column = out[:, j:, j]
            size = np.abs(column.real) + np.abs(column.imag) if np.iscomplexobj(x) else np.abs(column)
            chosen = j + size.argmax(1)
            pivots[:, j] = chosen + 1
            row = out[every, chosen]
            out[every, chosen], out[:, j] = out[:, j], row
            pivot = out[:, j, j]
            out[:, j + 1 :, j] /= np.where(pivot == 0, 1, pivot)[:, None]
            out[:, j + 1 :, j + 1 : last] -= out[:, j + 1 :, j, None] * out[:, None, j, j + 1 : last]
        right = out[:, first:last, last:]
        right[:] = solve_rows(out[:, first:last, first:last], right, False, True)
        out[:, last:, last:] -= np.matmul(out[:, last:, first:last], right)
    zero = np.diagonal(out, 0, 1, 2) == 0
    info = np.where(zero.any(1), zero.argmax(1) + 1, 0) if k else np.zeros(count)
    return result, swaps, info.reshape(batch).astype(np.int32)


# The number of the first pivot that is 0 in Gauss' elimination; 0 if there is none.
first_zero = matrix_op(
    "first_zero", _first_zero, lambda what, x: (number_rule(what, x)[0], dt.int32), samples=squares,
    checks=False,
)  # fmt: skip

# ----- determinants -----


def _cofactor(x: np.ndarray) -> np.ndarray:
    """Of U diag(s) Vᴴ: det(U) det(Vᴴ) times the conjugate of U diag(products of all other s) Vᴴ."""
    finite = np.isfinite(x).all((-2, -1), keepdims=True)
    u, s, vh = np.linalg.svd(np.where(finite, x, 0))
    others = np.where(np.eye(s.shape[-1], dtype=bool), 1, s[..., None, :]).prod(-1)
    sign = np.linalg.det(u) * np.linalg.det(vh)
    return np.where(finite, sign[..., None, None] * np.conj((u * others[..., None, :]) @ vh), np.nan)


def _cofactor_grad(g: Any, x: Any, out: Any) -> Any:
    """C = det(A) A⁻ᵀ, so dC = tr(A⁻¹ dA) C - (A⁻¹ dA)ᵀ C."""
    total = (g * out.conj()).sum((-2, -1), keepdim=True)
    return matmul(total * identity(x.dtype, x.shape[-1]) - matmul(out.conj(), g.mT), inv(x, True).mH)


# The derivative of the determinant. It is there for singular matrices too, unlike its own gradient.
cofactor = matrix_op("cofactor", _cofactor, square_rule, grad=_cofactor_grad, samples=squares, checks=False)
det = matrix_op(
    "det", np.linalg.det, number_rule, samples=squares, checks=False,
    grad=lambda g, x: g.unsqueeze(-1).unsqueeze(-1) * cofactor(x).conj(),
)  # fmt: skip


def _slogdet_rule(what: str, x: Any) -> list[Spec]:
    shape, d = number_rule(what, x)
    return [(shape, d), (shape, d.to_real())]


def _slogdet_grad(g: Any, x: Any, out: Any) -> Any:
    """d log det = tr(A⁻¹ dA): its real part moves the logarithm, its imaginary part turns the sign."""
    g_sign, g_log = g
    if x.is_complex():
        g_log = make_complex(g_log, (g_sign * out[0].conj()).imag)
    return g_log.unsqueeze(-1).unsqueeze(-1) * inv(x, False).mH


slogdet = matrix_op(
    "slogdet", np.linalg.slogdet, _slogdet_rule, results=2, grad=_slogdet_grad, checks=False,
    samples=squares, settled=lambda results: results[0] * results[1],
)  # fmt: skip
# ----- the exponential -----


def _matrix_exp(x: np.ndarray) -> np.ndarray:
    """Halved until its norm is at most 1, where 20 terms of the series are exact; then squared back. In
    double precision, since squaring doubles errors."""
    given, x = x.dtype, x.astype(np.result_type(x.dtype, np.float64))
    norm = np.abs(x).sum(-2).max(-1, initial=0)
    squarings = np.ceil(np.log2(np.clip(np.nan_to_num(norm), 1.0, 2.0**60))).astype(int)[..., None, None]
    scaled = x / (2.0**squarings).astype(x.real.dtype)
    term = out = np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)
    for k in range(1, 21):
        term = term @ scaled / x.real.dtype.type(k)
        out = out + term
    for k in range(int(squarings.max(initial=0))):
        out = np.where(k < squarings, out @ out, out)
    return out.astype(given)


def _matrix_exp_grad(g: Any, x: Any) -> Any:
    """The upper right block of exp((Aᴴ g; 0 Aᴴ)), with g scaled to 1: a large one needs many squarings."""
    n, rank, a = x.shape[-1], x.ndim, x.mH
    if n == 0:
        return g
    size = amax(g.detach().abs(), (rank - 2, rank - 1), True)
    size = size.where(size > 0, 1.0)
    top, bottom = concatenate(a, g / size, rank - 1), concatenate(g.new_zeros(g.shape), a, rank - 1)
    return matrix_exp(concatenate(top, bottom, rank - 2)).narrow(-2, 0, n).narrow(-1, n, n) * size


matrix_exp: MatrixOp = matrix_op(
    "matrix_exp", _matrix_exp, square_rule, grad=_matrix_exp_grad, checks=False, halves=True,
    samples=lambda: [Sample((s.arrays[0] / 4,), {}) for s in squares()],
)  # fmt: skip
