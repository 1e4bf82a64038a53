"""Triangular factors of matrices, as in `torch.linalg`: Cholesky, QR, LU, LDL."""

from __future__ import annotations

from typing import Any

from numpy import ndindex

from ..core import dtype as dt
from ..core.ghost import found_anywhere
from ..core.tensor import Tensor
from ..ops import factors as ops
from ..ops import indefinite
from ..ops.linalg import check_matrix, identity, matrix, square
from ..ops.op import check_tensor
from ..ops.systems import solve_triangular
from . import indexing, linear, return_types, shape
from .calling import deliver, deliver_all
from .casting import in_float32


@in_float32
def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The lower triangle L with A = L Lᴴ for Hermitian positive-definite matrices (..., n, n).

    With `upper` it is U with A = Uᴴ U. Reads only the triangle that it returns. LinAlgError if a matrix is
    not positive-definite.

    >>> import flambeau as torch
    >>> torch.linalg.cholesky(torch.tensor([[4., 2.], [2., 5.]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    square("cholesky", A)
    return deliver(
        "linalg.cholesky", ops.cholesky(A.mH, True)[0].mH if upper else ops.cholesky(A, True)[0], out
    )


@in_float32
def qr(A: Tensor, mode: str = "reduced", *, out: Any = None) -> Any:
    """A = Q R for (..., m, n): Q (..., m, k) of orthonormal columns, R (..., k, n) triangular, k = min(m, n).

    `mode` "complete" makes Q square (no gradient if m > n), "r" leaves it empty. RuntimeError for another
    mode.

    >>> import flambeau as torch
    >>> Q, R = torch.linalg.qr(torch.tensor([[3., 1.], [4., 2.]]))
    >>> (Q @ R).round(decimals=3)
    tensor([[3., 1.],
            [4., 2.]])
    """
    matrix("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"linalg.qr: qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), "
            "'r', or 'complete'"
        )
    q, r = ops.qr(A, mode == "complete")
    return deliver_all("linalg.qr", return_types.linalg_qr(A.new_zeros(0) if mode == "r" else q, r), out)


@in_float32
def cholesky_ex(A: Tensor, *, upper: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """`cholesky` that tells instead of failing: the factor, and the order of the first minor that isn't
    positive.

    `info` (...) is 0 where there is a factor; elsewhere the factor is NaN. LinAlgError only with
    `check_errors`.

    >>> import flambeau as torch
    >>> torch.linalg.cholesky_ex(torch.tensor([[4., 0.], [0., -1.]])).info
    tensor(2, dtype=torch.int32)
    """
    square("cholesky_ex", A)
    low, info = ops.cholesky(A.mH if upper else A, False)
    if check_errors and found_anywhere(info):
        raise ops.not_positive("cholesky_ex", info.numpy())
    return deliver_all(
        "linalg.cholesky_ex", return_types.linalg_cholesky_ex(low.mH if upper else low, info), out
    )


# ----- LU -----


def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """`lu_factor` that tells instead of failing: `info` (...) is the number of the first pivot that is 0,
    or 0.

    RuntimeError only with `check_errors`.

    >>> import flambeau as torch
    >>> torch.linalg.lu_factor_ex(torch.zeros(2, 2)).info
    tensor(1, dtype=torch.int32)
    """
    return deliver_all("linalg.lu_factor_ex", _lu("lu_factor_ex", A, pivot, check_errors), out)


def _lu(what: str, A: Tensor, pivot: bool, check_errors: bool) -> Any:
    matrix(what, A)
    if not pivot:
        raise RuntimeError(
            f"linalg.{what}: LU without pivoting is not implemented on the CPU; leave pivot=True"
        )
    lu, pivots, info = ops.lu_factor(A)
    if check_errors and found_anywhere(info):
        raise _zero_pivot(what, info)
    return return_types.linalg_lu_factor_ex(lu, pivots, info)


def _zero_pivot(what: str, info: Tensor) -> RuntimeError:
    found = info.numpy()
    i = next(i for i in ndindex(found.shape) if found[i])
    where = f"(Batch element {i[0] if len(i) == 1 else i}): " if i else ""
    return RuntimeError(
        f"linalg.{what}: {where}U[{found[i]},{found[i]}] is zero and using it on lu_solve would result in a "
        "division by zero. If you still want to perform the factorization, consider calling linalg.lu(A) or "
        "linalg.lu_factor_ex(A)"
    )


def lu_factor(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """P L U = A by elimination, for (..., m, n), in the form that `lu_solve` takes.

    L (without its diagonal of ones) lies below U in one matrix; `pivots` (..., min(m, n)) says which row
    each row was swapped with, from 1 on. RuntimeError if a pivot is 0, or for `pivot=False`.

    >>> import flambeau as torch
    >>> torch.linalg.lu_factor(torch.tensor([[1., 2.], [2., 2.]]))
    torch.return_types.linalg_lu_factor(
    LU=tensor([[2.0000, 2.0000],
            [0.5000, 1.0000]]),
    pivots=tensor([2, 2], dtype=torch.int32))
    """
    lu, pivots, _ = _lu("lu_factor", A, pivot, True)
    return deliver_all("linalg.lu_factor", return_types.linalg_lu_factor(lu, pivots), out)


def lu(A: Tensor, *, pivot: bool = True, out: Any = None) -> Any:
    """P L U = A for (..., m, n): P a permutation, L unit lower triangular, U upper triangular; also if
    singular.

    >>> import flambeau as torch
    >>> P, L, U = torch.linalg.lu(torch.tensor([[1., 2.], [2., 2.]]))
    >>> P @ L @ U
    tensor([[1., 2.],
            [2., 2.]])
    """
    factors, pivots, _ = _lu("lu", A, pivot, False)
    return deliver_all("linalg.lu", return_types.linalg_lu(*lu_unpack(factors, pivots)), out)


def lu_unpack(
    LU_data: Tensor,
    LU_pivots: Tensor,
    unpack_data: bool = True,
    unpack_pivots: bool = True,
    *,
    out: Any = None,
) -> Any:
    """P, L and U from what `lu_factor` gives; what isn't wanted is empty. RuntimeError for other pivots.

    >>> import flambeau as torch
    >>> torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[1., 2.], [2., 2.]]))).P
    tensor([[0., 1.],
            [1., 0.]])
    """
    *_, m, n = check_matrix("lu_unpack", check_tensor("lu_unpack", "LU_data", LU_data))
    check_pivots("lu_unpack", LU_pivots)
    k, nothing = min(m, n), LU_data.new_zeros(0)
    P = L = U = nothing
    if unpack_pivots:
        P = ops.in_order(identity(LU_data.dtype, m), ops.row_order(LU_pivots, m)).mT
    if unpack_data:
        L = indexing.tril(shape.narrow(LU_data, -1, 0, k), -1) + identity(LU_data.dtype, m, k)
        U = indexing.triu(shape.narrow(LU_data, -2, 0, k))
    return deliver_all("lu_unpack", return_types.lu_unpack(P, L, U), out)


def check_pivots(what: str, pivots: Tensor) -> None:
    """RuntimeError unless the dtype is that of pivots."""
    if check_tensor(what, "pivots", pivots).dtype is not dt.int32:
        raise RuntimeError(
            f"{what}: pivots should be a Tensor of scalar type torch.int32, got {pivots.dtype}; convert with "
            ".int()"
        )


# ----- products of reflections -----


@in_float32
def geqrf(input: Tensor, *, out: Any = None) -> Any:
    """QR in the form that `ormqr` and `householder_product` take: R, the reflections' vectors below it, and
    `tau`.

    No gradient: use `linalg.qr`.

    >>> import flambeau as torch
    >>> a, tau = torch.geqrf(torch.tensor([[3., 1.], [4., 2.]]))
    >>> (torch.linalg.householder_product(a, tau) @ a.triu()).round(decimals=3)
    tensor([[3., 1.],
            [4., 2.]])
    """
    check_matrix("geqrf", check_tensor("geqrf", "input", input))
    return deliver_all("geqrf", return_types.geqrf(*ops.geqrf(input)), out)


def _reflections(what: str, A: Tensor, tau: Tensor) -> tuple[Tensor, Tensor]:
    """V and T of 1 - V T Vᴴ, the product of the reflections 1 - τ v vᴴ: T = (1 + diag(τ) triu(VᴴV, 1))⁻¹
    diag(τ)."""
    *batch, m, n = check_matrix(what, check_tensor(f"linalg.{what}", "input", A))
    k = check_tensor(f"linalg.{what}", "tau", tau).shape[-1] if tau.ndim else 0
    if what == "ormqr" and k != min(m, n):
        raise RuntimeError(f"ormqr: tau.shape[-1] must be equal to {min(m, n)} for {m}x{n} matrices, got {k}")
    if what != "ormqr" and not m >= n >= k:
        raise RuntimeError(
            f"linalg.{what}: input.shape[-2] must be greater than or equal to input.shape[-1], and that to "
            f"tau.shape[-1]; got {tuple(A.shape)} and {tuple(tau.shape)}"
        )
    if A.ndim - tau.ndim != 1 or list(tau.shape[:-1]) != batch:
        raise RuntimeError(
            f"linalg.{what}: Expected batch dimensions of tau to be equal to input.shape[:-2] = {batch}, but "
            f"got {list(tau.shape[:-1])} (shape {tuple(tau.shape)})"
        )
    if A.dtype is not tau.dtype:
        raise RuntimeError(
            f"linalg.{what}: tau dtype {tau.dtype.name} does not match input dtype {A.dtype.name}; convert "
            "one"
        )
    ops.geqrf.check_dtype(A.dtype)
    v = indexing.tril(shape.narrow(A, -1, 0, k), -1) + identity(A.dtype, m, k)
    turned = indexing.triu(linear.matmul(v.mH, v), 1) * tau.unsqueeze(-1) + identity(A.dtype, k)
    t: Tensor = solve_triangular(turned, tau.diag_embed(), True, True)
    return v, t


@in_float32
def householder_product(A: Tensor, tau: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The first n columns of the product of reflections 1 - τ v vᴴ for A (..., m, n) and tau (..., k).

    A vector v has a 1 on the diagonal of `A`, what is below it, and zeros above. RuntimeError unless
    m >= n >= k.

    >>> import flambeau as torch
    >>> torch.linalg.householder_product(torch.tensor([[0.], [1.]]), torch.tensor([1.]))
    tensor([[ 0.],
            [-1.]])
    """
    v, t = _reflections("householder_product", A, tau)
    n = A.shape[-1]
    product = linear.matmul(v, linear.matmul(t, shape.narrow(v, -2, 0, n).mH))
    return deliver("linalg.householder_product", identity(A.dtype, A.shape[-2], n) - product, out)


@in_float32
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False, *, out: Any = None
) -> Tensor:
    """Q C (`left=False`: C Q) with the square Q of the reflections in `input` and `tau`; `transpose`: with
    Qᴴ.

    >>> import flambeau as torch
    >>> a, tau = torch.geqrf(torch.tensor([[3.], [4.]]))
    >>> torch.ormqr(a, tau, torch.tensor([[3.], [4.]]), transpose=True).round(decimals=3).abs()
    tensor([[5.],
            [0.]])
    """
    v, t = _reflections("ormqr", input, tau)
    m, c = input.shape[-2], check_matrix("ormqr", check_tensor("ormqr", "other", other), "other")
    if c[-2 if left else -1] != m:
        raise RuntimeError(
            f"ormqr: other.shape[{-2 if left else -1}] must be equal to input.shape[-2] = {m}, got {tuple(c)}"
        )
    if input.dtype is not other.dtype or input.shape[:-2] != other.shape[:-2]:
        raise RuntimeError(
            f"ormqr: Expected input and other to have the same dtype and batch dimensions, got "
            f"{input.dtype.name} {tuple(input.shape)} and {other.dtype.name} {tuple(other.shape)}"
        )
    t = t.mH if transpose else t
    if left:
        change = linear.matmul(v, linear.matmul(t, linear.matmul(v.mH, other)))
    else:
        change = linear.matmul(linear.matmul(linear.matmul(other, v), t), v.mH)
    return deliver("ormqr", other - change, out)


# ----- LDL -----


def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False, out: Any = None) -> Any:
    """`ldl_factor` that tells instead of failing: `info` (...) is the number of the first 0 in D, or 0.

    >>> import flambeau as torch
    >>> torch.linalg.ldl_factor_ex(torch.zeros(2, 2)).info
    tensor(1, dtype=torch.int32)
    """
    square("ldl_factor_ex", A)
    factors, pivots, info = indefinite.ldl_factor(A, hermitian and A.is_complex())
    if check_errors and found_anywhere(info):
        raise RuntimeError(
            f"linalg.ldl_factor: D is singular (info {info.tolist()}); use linalg.ldl_factor_ex"
        )
    result = return_types.linalg_ldl_factor_ex(factors, pivots, info)
    return deliver_all("linalg.ldl_factor_ex", result, out)


def ldl_factor(A: Tensor, *, hermitian: bool = False, out: Any = None) -> Any:
    """A = P L D Lᵀ Pᵀ for symmetric (`hermitian`: Hermitian) matrices that need not be definite.

    D has blocks of one or two rows, L ones on its diagonal; they lie in one matrix, and P in `pivots`, as
    LAPACK has them. Reads the lower triangle. For `ldl_solve`; no gradient. RuntimeError if D is singular.

    >>> import flambeau as torch
    >>> torch.linalg.ldl_factor(torch.tensor([[2., 1.], [1., 3.]])).LD
    tensor([[2.0000, 0.0000],
            [0.5000, 2.5000]])
    """
    factors, pivots, _ = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return deliver_all("linalg.ldl_factor", return_types.linalg_ldl_factor(factors, pivots), out)
