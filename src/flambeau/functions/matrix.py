"""The older names of linear algebra, directly in `torch`, and distances between rows."""

from __future__ import annotations

from typing import Any

from ..core import dtype as dt
from ..core.tensor import Tensor
from ..ops import linalg as ops
from ..ops.op import check_tensor
from ..ops.systems import solve_triangular
from . import factors, joining, linalg, linear, norms, reduction, return_types, shape, spectra, systems
from .calling import deliver, deliver_all
from .casting import in_float32
from .choice import (
    choose,
)
from .factors import geqrf, lu_unpack, ormqr
from .factors import householder_product as orgqr
from .linalg import det, logdet, matrix_exp, matrix_power
from .pointwise import conj

__all__ = [
    "adjoint",
    "cdist",
    "chain_matmul",
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "cross",
    "det",
    "geqrf",
    "inverse",
    "logdet",
    "lu",
    "lu_solve",
    "lu_unpack",
    "matrix_exp",
    "matrix_power",
    "orgqr",
    "ormqr",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "trace",
    "triangular_solve",
    "vander",
]


def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions swapped, conjugated. RuntimeError for a vector.

    >>> import flambeau as torch
    >>> torch.adjoint(torch.tensor([[1j, 2.]]))
    tensor([[0.-1.j],
            [2.-0.j]])
    """
    if check_tensor("adjoint", "input", input).ndim < 2:
        raise RuntimeError(
            f"tensor.adjoint() is only supported on matrices or batches of matrices. Got {input.ndim}-D "
            f"tensor."
        )
    return conj(shape.transpose(input, -2, -1))


@in_float32
def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """`torch.linalg.cholesky`.

    >>> import flambeau as torch
    >>> torch.cholesky(torch.tensor([[4., 2.], [2., 5.]]), upper=True)
    tensor([[2., 1.],
            [0., 2.]])
    """
    return deliver("cholesky", factors.cholesky(input, upper=upper), out)


@in_float32
def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`torch.linalg.inv`.

    >>> import flambeau as torch
    >>> torch.inverse(torch.tensor([[2.]]))
    tensor([[0.5000]])
    """
    return systems.inv(input, out=out)


@in_float32
def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """`torch.linalg.qr`: reduced, or complete if not `some`.

    >>> import flambeau as torch
    >>> torch.qr(torch.ones(3, 2), some=False).Q.shape
    torch.Size([3, 3])
    """
    return deliver_all("qr", return_types.qr(*factors.qr(input, "reduced" if some else "complete")), out)


@in_float32
def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """`torch.linalg.svd`, but with V instead of Vᴴ, and reduced if `some`.

    Without `compute_uv` U and V are square and zero.

    >>> import flambeau as torch
    >>> U, S, V = torch.svd(torch.tensor([[0., 2.], [1., 0.]]))
    >>> (U * S) @ V.T
    tensor([[0., 2.],
            [1., 0.]])
    """
    u, s, vh = spectra.svd(input, not some)
    if not compute_uv:
        *batch, m, n = input.shape
        u, v = input.new_zeros(*batch, m, m), input.new_zeros(*batch, n, n)
    else:
        v = vh.mH
    return deliver_all("svd", return_types.svd(u, s, v), out)


@in_float32
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`torch.linalg.pinv` with a smaller tolerance.

    >>> import flambeau as torch
    >>> torch.pinverse(torch.tensor([[2., 0.]]))
    tensor([[0.5000],
            [0.0000]])
    """
    return systems.pinv(input, rcond)


def slogdet(input: Tensor, *, out: Any = None) -> Any:
    """`torch.linalg.slogdet`.

    >>> import flambeau as torch
    >>> torch.slogdet(torch.eye(2)).logabsdet
    tensor(0.)
    """
    return deliver_all("slogdet", return_types.slogdet(*linalg.slogdet(input)), out)


@in_float32
def trace(input: Tensor) -> Tensor:
    """The sum of a matrix' diagonal.

    >>> import flambeau as torch
    >>> torch.trace(torch.tensor([[1, 2], [3, 4]]))
    tensor(5)
    """
    if check_tensor("trace", "input", input).ndim != 2:
        raise RuntimeError(
            f"trace: expected a matrix, but got tensor with dim {input.ndim} (shape {tuple(input.shape)})"
        )
    if input.dtype is dt.bool_:
        raise NotImplementedError("trace: \"trace\" not implemented for 'Bool'; convert with .int()")
    return reduction.sum(shape.diagonal(input))


def cross(input: Tensor, other: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """`torch.linalg.cross`, by default along the first dimension of extent 3. RuntimeError if there is none.

    >>> import flambeau as torch
    >>> torch.cross(torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0]), dim=0)
    tensor([0, 0, 1])
    """
    if dim is None:
        dim = next((d for d, e in enumerate(check_tensor("cross", "input", input).shape) if e == 3), None)
        if dim is None:
            raise RuntimeError(f"cross: no dimension of size 3 in input of shape {tuple(input.shape)}")
    return deliver("cross", linalg.cross(input, other, dim=dim), out)


def chain_matmul(*matrices: Tensor, out: Tensor | None = None) -> Tensor:
    """`torch.linalg.multi_dot` of its arguments, which may be a single matrix.

    >>> import flambeau as torch
    >>> torch.chain_matmul(torch.ones(2, 3), torch.ones(3, 4), torch.ones(4, 1))
    tensor([[12.],
            [12.]])
    """
    for x in matrices:
        if check_tensor("chain_matmul", "matrices", x).ndim != 2:
            raise RuntimeError(f"chain_matmul: expected matrices, got a tensor of shape {tuple(x.shape)}")
    if len(matrices) == 1:
        return deliver("chain_matmul", matrices[0].clone(), out)
    return linalg.multi_dot(matrices, out=out)


COMPUTE_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


@in_float32
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = COMPUTE_MODES[0]) -> Tensor:
    """The p-norm distances (..., n, m) between the rows of (..., n, k) and of (..., m, k); batches broadcast.

    Euclidean distances between more than 25 rows are computed as |x|² + |y|² - 2 x·y by a matrix product,
    which `compute_mode` can rule out: faster, and less exact for rows that are close.

    >>> import flambeau as torch
    >>> torch.cdist(torch.tensor([[0., 0.], [3., 0.]]), torch.tensor([[3., 4.]]))
    tensor([[5.],
            [4.]])
    """
    x, y = check_tensor("cdist", "x1", x1), check_tensor("cdist", "x2", x2)
    mode = compute_mode or COMPUTE_MODES[0]
    if mode not in COMPUTE_MODES:
        raise ValueError(
            f"cdist: {mode} is not a valid value for compute_mode; choose one of {', '.join(COMPUTE_MODES)}"
        )
    for i, t in enumerate((x, y), 1):
        if t.dtype.category != dt.FLOAT:
            raise RuntimeError(f"cdist only supports floating-point dtypes, X{i} got: {t.dtype.name}")
        if t.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, X{i} got: {t.ndim}D")
    if x.shape[-1] != y.shape[-1]:
        raise RuntimeError(
            f"cdist: X1 and X2 must have the same number of columns. X1: {x.shape[-1]} X2: {y.shape[-1]}"
        )
    if x.dtype is not y.dtype:
        raise RuntimeError(
            f"cdist: expected X1 and X2 to have the same dtype, got {x.dtype.name} and {y.dtype.name}; "
            "convert one with .to()"
        )
    if p < 0:
        raise RuntimeError(f"cdist only supports non-negative p values, got {p}")
    many = x.shape[-2] > 25 or y.shape[-2] > 25
    if p == 2 and many and mode != COMPUTE_MODES[2]:
        return _euclidean(x, y)
    difference = x.unsqueeze(-2) - y.unsqueeze(-3)
    if x.shape[-1] == 0:
        return reduction.sum(difference, -1)
    return norms.vector_norm(difference, p, -1)


def _euclidean(x: Tensor, y: Tensor) -> Tensor:
    """By a matrix product; where the distance is 0 so is the gradient."""
    squares = reduction.sum(x * x, -1, True) + reduction.sum(y * y, -1, True).mT - 2 * linear.matmul(x, y.mT)
    apart = squares > 0
    distances: Tensor = choose(apart, choose(apart, squares, 1.0).sqrt(), 0.0)
    return distances


@in_float32
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, *, out: Any = None) -> Any:
    """`torch.linalg.lu_factor` that never fails; with `get_infos` also the number of the first pivot that
    is 0.

    >>> import flambeau as torch
    >>> LU, pivots = torch.lu(torch.eye(2))
    >>> pivots
    tensor([1, 2], dtype=torch.int32)
    """
    result = factors.lu_factor_ex(A, pivot=pivot)
    return deliver_all("lu", return_types._lu_with_info(*result) if get_infos else tuple(result[:2]), out)


@in_float32
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`torch.linalg.lu_solve` with its arguments in another order.

    >>> import flambeau as torch
    >>> torch.lu_solve(torch.ones(2, 1), *torch.linalg.lu_factor(2 * torch.eye(2)))
    tensor([[0.5000],
            [0.5000]])
    """
    return deliver("lu_solve", systems.lu_solve(LU_data, LU_pivots, b), out)


@in_float32
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """X with L Lᴴ X = B, or with Uᴴ U X = B for an `upper` factor U. Batches broadcast.

    >>> import flambeau as torch
    >>> torch.cholesky_solve(torch.ones(2, 1), 2 * torch.eye(2))
    tensor([[0.2500],
            [0.2500]])
    """
    ops.check_matrix("cholesky_solve", check_tensor("cholesky_solve", "B", B), "B")
    low = ops.square("cholesky_solve", L).mH if upper else ops.square("cholesky_solve", L)
    half = solve_triangular(low, B, False, False)
    return deliver("cholesky_solve", solve_triangular(low.mH, half, True, False), out)


@in_float32
def cholesky_inverse(L: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The inverse of L Lᴴ, or of Uᴴ U for an `upper` factor U.

    >>> import flambeau as torch
    >>> torch.cholesky_inverse(2 * torch.eye(2))
    tensor([[0.2500, 0.0000],
            [0.0000, 0.2500]])
    """
    n = ops.square("cholesky_inverse", L).shape[-1]
    eye = ops.identity(L.dtype, n).expand(L.shape)
    return deliver("cholesky_inverse", cholesky_solve(eye, L, upper), out)


@in_float32
def triangular_solve(
    b: Tensor,
    A: Tensor,
    upper: bool = True,
    transpose: bool = False,
    unitriangular: bool = False,
    *,
    out: Any = None,
) -> Any:
    """X with A X = b, or Aᵀ X = b, by `torch.linalg.solve_triangular`; and a copy of A.

    >>> import flambeau as torch
    >>> torch.triangular_solve(torch.ones(2, 1), 2 * torch.eye(2)).solution
    tensor([[0.5000],
            [0.5000]])
    """
    a = ops.square("triangular_solve", A)
    ops.check_matrix("triangular_solve", check_tensor("triangular_solve", "b", b), "b")
    x = solve_triangular(a.mT if transpose else a, b, upper != transpose, unitriangular)
    batch = x.shape[:-2]
    copied = shape.expand(a, *batch, *a.shape[-2:]).clone()
    return deliver_all("triangular_solve", return_types.triangular_solve(x, copied), out)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The powers N - 1, …, 1, 0 of a vector's n numbers, as rows (n, N); by default n of them.

    RuntimeError unless it is a vector, or for a negative N.

    >>> import flambeau as torch
    >>> torch.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [4, 2, 1],
            [9, 3, 1]])
    """
    if check_tensor("vander", "x", x).ndim != 1:
        raise RuntimeError(f"vander: x must be a one-dimensional tensor, got shape {tuple(x.shape)}")
    count = len(x) if N is None else N
    if count < 0:
        raise RuntimeError(f"vander: N must be non-negative, got {count}")
    d = dt.int64 if x.dtype.category <= dt.INTEGER else x.dtype
    result = x.new_ones(len(x), count, dtype=d)
    if count > 1:
        powers = reduction.cumprod(shape.expand(x.unsqueeze(-1), len(x), count - 1), -1, dtype=d)
        result = joining.cat([result.narrow(-1, 0, 1), powers], -1)
    return result if increasing else joining.flip(result, -1)
