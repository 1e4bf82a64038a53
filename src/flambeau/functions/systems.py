"""Systems of equations and inverses, as in `torch.linalg`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy import ndindex

from ..core import dtype as dt
from ..core.node import numel
from ..core.tensor import Tensor
from ..ops import indefinite, spectra
from ..ops import reduction as reduction_ops
from ..ops import systems as ops
from ..ops.factors import in_order, row_order
from ..ops.linalg import SINGULAR, check_matrix, failure, identity, matrix, square
from ..ops.op import check_tensor
from . import factors, indexing, linear, return_types, shape
from .calling import deliver, deliver_all
from .casting import in_float32
from .choice import choose
from .norms import Tolerance, matrix_rank, tolerances
from .spectra import svdvals


def _is_vector(A: Tensor, B: Tensor) -> bool:
    """Whether B is a batch of vectors: like A without its last dimension."""
    return B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1]))


def _check_right(what: str, A: Tensor, B: Tensor) -> None:
    if A.shape[-1] != B.shape[-1]:
        raise RuntimeError(
            f"linalg.{what}: Incompatible shapes of A and B for the equation XA = B "
            f"({A.shape[-2]}x{A.shape[-1]} and {B.shape[-2]}x{B.shape[-1]}): the columns of {tuple(A.shape)} "
            f"and {tuple(B.shape)} must be equally many"
        )


@in_float32
def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X with A X = B (`left=False`: X A = B) for square matrices (..., n, n) and B (..., n, k) or (..., n).

    B is vectors if it has one dimension or the shape of A without the last. LinAlgError if a matrix is
    singular.

    >>> import flambeau as torch
    >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([1., 2.]))
    tensor([0.5000, 0.5000])
    """
    square("solve", A)
    vector = _is_vector(A, check_tensor("linalg.solve", "B", B))
    b = B.unsqueeze(-1) if vector else B
    check_matrix("solve", b, "B")
    if left:
        x = ops.solve(A, b)
    else:
        _check_right("solve", A, b)
        x = ops.solve(A.mT, b.mT).mT
    return deliver("linalg.solve", x.squeeze(-1) if vector else x, out)


def solve_triangular(
    A: Tensor,
    B: Tensor,
    *,
    upper: bool,
    left: bool = True,
    unitriangular: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """X with A X = B (`left=False`: X A = B) for triangular matrices (..., n, n) and B (..., n, k).

    Reads only the triangle named by `upper`, and takes its diagonal for ones if `unitriangular`. Where the
    diagonal is 0, X is infinite.

    >>> import flambeau as torch
    >>> A = torch.tensor([[2., 1.], [0., 1.]])
    >>> torch.linalg.solve_triangular(A, torch.tensor([[4.], [2.]]), upper=True)
    tensor([[1.],
            [2.]])
    """
    square("solve_triangular", A)
    check_matrix("solve_triangular", check_tensor("linalg.solve_triangular", "B", B), "B")
    if left:
        x = ops.solve_triangular(A, B, upper, unitriangular)
    else:
        _check_right("solve_triangular", A, B)
        x = ops.solve_triangular(A.mT, B.mT, not upper, unitriangular).mT
    return deliver("linalg.solve_triangular", x, out)


@in_float32
def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverses of square matrices (..., n, n). LinAlgError if one is singular.

    `solve` is better than a product with an inverse.

    >>> import flambeau as torch
    >>> torch.linalg.inv(torch.tensor([[2., 0.], [0., 4.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return deliver("linalg.inv", ops.inv(square("inv", A), True), out)


def _hermitian(A: Tensor) -> Tensor:
    """The matrix of which A's lower triangle is read; the diagonal is real."""
    lower, diagonal = indexing.tril(A, -1), A.diagonal(0, -2, -1)
    return lower + lower.mH + (diagonal.real.to(A.dtype) if A.is_complex() else diagonal).diag_embed()


def pinv(
    A: Tensor,
    rcond: Tolerance = None,
    hermitian: bool = False,
    *,
    atol: Tolerance = None,
    rtol: Tolerance = None,
    out: Tensor | None = None,
) -> Tensor:
    """The Moore-Penrose inverse (..., n, m) of (..., m, n).

    Singular values up to max(atol, rtol * the largest) count as 0. `rtol` (or, the older name, `rcond`)
    defaults to max(m, n) times the dtype's epsilon, or to 0 with a positive `atol`. With `hermitian` only the
    lower triangle is read.

    >>> import flambeau as torch
    >>> torch.linalg.pinv(torch.tensor([[2., 0.], [0., 0.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    square("pinv", A) if hermitian else matrix("pinv", A)
    spectra.pinv.check_dtype(A.dtype)
    x = _hermitian(A) if hermitian else A
    return deliver("linalg.pinv", spectra.pinv(x, *tolerances(A, atol, rcond if rtol is None else rtol)), out)


@in_float32
def lstsq(
    A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None, out: Any = None
) -> Any:
    """The shortest X (..., n, k) of least |A X - B|, for (..., m, n) and B (..., m, k) or vectors (..., m).

    All drivers give the same solution, by the pseudo-inverse: "gelsy" (default), "gelsd" and "gelss" give the
    rank too, the last two also the singular values, and these two and "gels" the squared residuals if m > n
    and all matrices are of full rank.

    >>> import flambeau as torch
    >>> torch.linalg.lstsq(torch.tensor([[0.], [2.]]), torch.tensor([[1.], [3.]])).solution
    tensor([[1.5000]])
    """
    drivers = ("gels", "gelsy", "gelsd", "gelss")
    if driver is not None and driver not in drivers:
        raise RuntimeError(
            f"linalg.lstsq: parameter `driver` should be one of ({', '.join(drivers)}), got {driver!r}"
        )
    matrix("lstsq", A)
    vector = _is_vector(A, check_tensor("linalg.lstsq", "B", B))
    b = B.unsqueeze(-1) if vector else B
    m, n = A.shape[-2:]
    if A.ndim != b.ndim and not (B.ndim == 1 and A.ndim == 2):
        raise RuntimeError(
            f"linalg.lstsq: B must be matrices with as many dimensions as A, or vectors with one less; got A "
            f"{tuple(A.shape)} and B {tuple(B.shape)}"
        )
    if check_matrix("lstsq", b, "B")[-2] != m:
        raise RuntimeError(
            f"linalg.lstsq: input.size(-2) should match other.size(-2), but A is {tuple(A.shape)} and B is "
            f"{tuple(B.shape)}"
        )
    x = linear.matmul(pinv(A, rcond), b)
    rank = matrix_rank(A, rtol=rcond)
    residuals = values = A.new_zeros(0, dtype=A.dtype.to_real())
    if m > n and driver not in (None, "gelsy") and bool((rank == n).all()):
        residuals = reduction_ops.sum((linear.matmul(A, x) - b).abs().square(), -2)
    if driver in ("gelsd", "gelss"):
        values = svdvals(A.detach())
    rank = rank.new_zeros(0) if driver == "gels" else rank
    result = return_types.linalg_lstsq(x.squeeze(-1) if vector else x, residuals, rank, values)
    return deliver_all("linalg.lstsq", result, out)


# ----- without errors -----


@in_float32
def inv_ex(A: Tensor, *, check_errors: bool = False, out: Any = None) -> Any:
    """`inv` that tells instead of failing: `info` (...) is 0, or the number of the pivot that is 0.

    The inverse of a singular matrix is infinite. LinAlgError only with `check_errors`.

    >>> import flambeau as torch
    >>> torch.linalg.inv_ex(torch.zeros(2, 2)).info
    tensor(1, dtype=torch.int32)
    """
    info = ops.first_zero(square("inv_ex", A).detach())
    if check_errors:
        _check_pivots("inv_ex", "inversion", info)
    return deliver_all("linalg.inv_ex", return_types.linalg_inv_ex(ops.inv(A, False), info), out)


def _check_pivots(what: str, name: str, info: Tensor) -> None:
    if bool(info.any()):
        found = info.numpy()
        i = next(i for i in ndindex(found.shape) if found[i])
        why = f"The diagonal element {found[i]} is zero, the {name} could not be completed {SINGULAR}"
        raise failure(what, why, i)


def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False, out: Any = None) -> Any:
    """`solve` that tells instead of failing: `info` (...) is 0, or the number of the pivot that is 0.

    The solution of a singular system is NaN. LinAlgError only with `check_errors`.

    >>> import flambeau as torch
    >>> torch.linalg.solve_ex(torch.eye(2), torch.tensor([1., 2.])).result
    tensor([1., 2.])
    """
    info = ops.first_zero(square("solve_ex", A).detach())
    if check_errors:
        _check_pivots("solve_ex", "solve", info)
    singular = (info > 0).unsqueeze(-1).unsqueeze(-1)
    x = solve(choose(singular, identity(A.dtype, A.shape[-1]), A), B, left=left)
    lost = singular.squeeze(-1) if _is_vector(A, B) else singular
    result = return_types.linalg_solve_ex(choose(lost, float("nan"), x), info)
    return deliver_all("linalg.solve_ex", result, out)


# ----- by factors -----


def lu_solve(
    LU: Tensor,
    pivots: Tensor,
    B: Tensor,
    *,
    left: bool = True,
    adjoint: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """X with A X = B (`left=False`: X A = B; `adjoint`: Aᴴ X = B) from what `lu_factor` gives for A.

    Batches broadcast. RuntimeError for shapes, dtypes or pivots that don't fit.

    >>> import flambeau as torch
    >>> LU, pivots = torch.linalg.lu_factor(torch.tensor([[2., 0.], [0., 4.]]))
    >>> torch.linalg.lu_solve(LU, pivots, torch.tensor([[1.], [2.]]))
    tensor([[0.5000],
            [0.5000]])
    """
    *batch, n, _ = square("lu_solve", LU).shape
    factors.check_pivots("linalg.lu_solve", pivots)
    check_matrix("lu_solve", check_tensor("linalg.lu_solve", "B", B), "B")
    if list(pivots.shape) != [*batch, n]:
        raise RuntimeError(
            f"linalg.lu_solve: Number of pivots per batch should be same as the dimension of the matrix: "
            f"expected shape {(*batch, n)}, got {tuple(pivots.shape)}"
        )
    if not left:  # X A = B is Aᴴ Xᴴ = Bᴴ
        _check_right("lu_solve", LU, B)
        x = lu_solve(LU, pivots, B.mH, adjoint=not adjoint).mH
        return deliver("linalg.lu_solve", x, out)
    order = row_order(pivots, n)
    if adjoint:
        half = ops.solve_triangular(LU.mH, B, False, False)
        x = in_order(ops.solve_triangular(LU.mH, half, True, True), order.argsort(-1))
    else:
        ops.solve_triangular.infer(LU, B, True, False)  # its errors, before rows are moved
        half = ops.solve_triangular(LU, in_order(B, order), False, True)
        x = ops.solve_triangular(LU, half, True, False)
    return deliver("linalg.lu_solve", x, out)


def ldl_solve(
    LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False, out: Tensor | None = None
) -> Tensor:
    """X with A X = B from what `ldl_factor` gives for A. Batches broadcast; gradients towards B only.

    >>> import flambeau as torch
    >>> LD, pivots = torch.linalg.ldl_factor(torch.tensor([[2., 1.], [1., 2.]]))
    >>> torch.linalg.ldl_solve(LD, pivots, torch.tensor([[3.], [3.]]))
    tensor([[1.],
            [1.]])
    """
    square("ldl_solve", LD)
    check_matrix("ldl_solve", check_tensor("linalg.ldl_solve", "B", B), "B")
    if check_tensor("linalg.ldl_solve", "pivots", pivots).dtype.category != dt.INTEGER:
        raise RuntimeError(f"linalg.ldl_solve: Expected pivots to be integers. Got {pivots.dtype.name}")
    if tuple(pivots.shape) != tuple(LD.shape[:-1]):
        raise RuntimeError(
            f"linalg.ldl_solve: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with "
            f"shape {tuple(pivots.shape)} instead of {tuple(LD.shape[:-1])}"
        )
    if LD.dtype is not B.dtype:
        raise RuntimeError(
            f"linalg.ldl_solve: LD dtype {LD.dtype.name} does not match B dtype {B.dtype.name}; convert one"
        )
    x = indefinite.ldl_solve(LD, pivots, B, hermitian and LD.is_complex())
    return deliver("linalg.ldl_solve", x, out)


# ----- tensors as matrices -----


@in_float32
def tensorinv(A: Tensor, ind: int = 2, *, out: Tensor | None = None) -> Tensor:
    """The inverse of the linear map that `A` is from its dimensions after the first `ind` to these.

    RuntimeError unless both have equally many elements, or for `ind` < 1; LinAlgError if there is none.

    >>> import flambeau as torch
    >>> torch.linalg.tensorinv(2 * torch.eye(4).reshape(2, 2, 4)).shape
    torch.Size([4, 2, 2])
    """
    check_tensor("linalg.tensorinv", "A", A)
    if ind <= 0:
        raise RuntimeError(f"linalg.tensorinv: Expected a strictly positive integer for 'ind', but got {ind}")
    first, rest = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if ind > A.ndim or numel(first) != numel(rest):
        raise RuntimeError(
            f"linalg.tensorinv: Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {numel(rest)} != {numel(first)}"
        )
    inverse = inv(shape.reshape(A, numel(first), numel(rest)))
    return deliver("linalg.tensorinv", shape.reshape(inverse, *rest, *first), out)


@in_float32
def tensorsolve(
    A: Tensor, B: Tensor, dims: Sequence[int] | None = None, *, out: Tensor | None = None
) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B. `dims` of A are moved to its end first.

    RuntimeError unless A's dimensions after those of B have as many elements as B.

    >>> import flambeau as torch
    >>> torch.linalg.tensorsolve(2 * torch.eye(4).reshape(2, 2, 4), torch.ones(2, 2))
    tensor([0.5000, 0.5000, 0.5000, 0.5000])
    """
    check_tensor("linalg.tensorsolve", "A", A)
    check_tensor("linalg.tensorsolve", "B", B)
    x = A if dims is None else shape.movedim(A, tuple(dims), tuple(range(-len(dims), 0)))
    first, rest = tuple(x.shape[: B.ndim]), tuple(x.shape[B.ndim :])
    if not numel(rest) == numel(first) == B.numel():
        raise RuntimeError(
            f"linalg.tensorsolve: Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]) == other.numel(), but got {numel(rest)}, {numel(first)} and "
            f"{B.numel()}"
        )
    result = solve(shape.reshape(x, numel(first), numel(rest)), shape.reshape(B, -1))
    return deliver("linalg.tensorsolve", shape.reshape(result, *rest), out)
