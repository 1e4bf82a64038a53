"""Linear algebra, as in `torch.linalg`: matrices are the last two dimensions, batches those before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor
from ..ops import linalg as ops
from ..ops import reduction as reduction_ops
from ..ops.kinds import broadcast, cast, make_constant
from ..ops.op import check_tensor, wrap_dim
from . import indexing, joining, linear, reduction, return_types, shape
from .calling import deliver
from .choice import (
    choose,
)

Tolerance = Tensor | float | None
INF = float("inf")


def deliver_all(what: str, results: Any, out: Any) -> Any:
    """Several results, or the tensors of `out` holding them."""
    if out is None:
        return results
    if not isinstance(out, (tuple, list)) or len(out) != len(results):
        raise TypeError(f"{what}: argument 'out' must be a tuple of {len(results)} tensors")
    return type(results)(*[deliver(what, r, o) for r, o in zip(results, out, strict=True)])


def _matrix(what: str, A: Tensor) -> Tensor:
    ops.check_matrix(what, check_tensor(f"linalg.{what}", "A", A))
    return A


def _square(what: str, A: Tensor) -> Tensor:
    ops.check_square(what, check_tensor(f"linalg.{what}", "A", A))
    return A


# ----- factorisations -----


def cholesky(A: Tensor, *, upper: bool = False, out: Tensor | None = None) -> Tensor:
    """The lower triangle L with A = L Lᴴ for Hermitian positive-definite matrices (..., n, n).

    With `upper` it is U with A = Uᴴ U. Reads only the triangle that it returns. LinAlgError if a matrix is
    not positive-definite.

    >>> import flambeau as torch
    >>> torch.linalg.cholesky(torch.tensor([[4., 2.], [2., 5.]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    _square("cholesky", A)
    return deliver("linalg.cholesky", ops.cholesky(A.mH).mH if upper else ops.cholesky(A), out)


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
    _matrix("qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"linalg.qr: qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), "
            "'r', or 'complete'"
        )
    q, r = ops.qr(A, mode == "complete")
    return deliver_all("linalg.qr", return_types.linalg_qr(A.new_zeros(0) if mode == "r" else q, r), out)


def _lower(A: Tensor, UPLO: str) -> Tensor:
    """The matrix whose lower triangle is the one to read."""
    if UPLO not in ("L", "U", "l", "u"):
        raise RuntimeError(f"linalg.eigh: Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return A if UPLO in "Ll" else A.mH


def eigh(A: Tensor, UPLO: str = "L", *, out: Any = None) -> Any:
    """A = V diag(w) Vᴴ for Hermitian matrices (..., n, n): eigenvalues upwards, orthonormal columns.

    Reads only the lower (`UPLO` "U": upper) triangle. Vectors are determined up to a sign or phase, on which
    a loss must not depend; gradients through them grow as eigenvalues come close.

    >>> import flambeau as torch
    >>> torch.linalg.eigh(torch.tensor([[2., 1.], [1., 2.]])).eigenvalues
    tensor([1., 3.])
    """
    return deliver_all(
        "linalg.eigh", return_types.linalg_eigh(*ops.eigh(_lower(_square("eigh", A), UPLO))), out
    )


def eigvalsh(A: Tensor, UPLO: str = "L", *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of Hermitian matrices, from the smallest up.

    >>> import flambeau as torch
    >>> torch.linalg.eigvalsh(torch.tensor([[0., 1.], [1., 0.]]))
    tensor([-1.,  1.])
    """
    return deliver("linalg.eigvalsh", ops.eigh(_lower(_square("eigvalsh", A), UPLO))[0], out)


def eig(A: Tensor, *, out: Any = None) -> Any:
    """A = V diag(w) V⁻¹ for square matrices (..., n, n): complex eigenvalues in no order, unit columns.

    LinAlgError if a matrix is not finite. Gradients need distinct eigenvalues and a loss that doesn't depend
    on the vectors' phase.

    >>> import flambeau as torch
    >>> torch.linalg.eig(torch.tensor([[0., 1.], [-1., 0.]])).eigenvalues
    tensor([0.+1.j, 0.-1.j])
    """
    return deliver_all("linalg.eig", return_types.linalg_eig(*ops.eig(_square("eig", A))), out)


def eigvals(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The eigenvalues of square matrices, complex and in no order.

    >>> import flambeau as torch
    >>> torch.linalg.eigvals(torch.tensor([[2., 0.], [0., 3.]]))
    tensor([2.+0.j, 3.+0.j])
    """
    return deliver("linalg.eigvals", ops.eig(_square("eigvals", A))[0], out)


def svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None, out: Any = None) -> Any:
    """A = U diag(S) Vᴴ for (..., m, n): orthonormal vectors, singular values from the largest down.

    With `full_matrices` U and Vᴴ are square; the vectors that this adds are arbitrary and have no gradient.
    The others are determined up to a common sign or phase, on which a loss must not depend. LinAlgError if a
    matrix is not finite. `driver` is for CUDA only.

    >>> import flambeau as torch
    >>> torch.linalg.svd(torch.tensor([[0., 2.], [1., 0.]])).S
    tensor([2., 1.])
    """
    if driver is not None:
        raise RuntimeError(
            f"linalg.svd: keyword argument `driver=` ({driver!r}) is only supported on CUDA inputs; leave it "
            "out"
        )
    return deliver_all("linalg.svd", return_types.linalg_svd(*ops.svd(_matrix("svd", A), full_matrices)), out)


def svdvals(A: Tensor, *, driver: str | None = None, out: Tensor | None = None) -> Tensor:
    """The singular values, from the largest down.

    >>> import flambeau as torch
    >>> torch.linalg.svdvals(torch.tensor([[3., 0.], [0., -4.]]))
    tensor([4., 3.])
    """
    return deliver("linalg.svdvals", svd(A, False, driver=driver).S, out)


# ----- systems of equations -----


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


def solve(A: Tensor, B: Tensor, *, left: bool = True, out: Tensor | None = None) -> Tensor:
    """X with A X = B (`left=False`: X A = B) for square matrices (..., n, n) and B (..., n, k) or (..., n).

    B is vectors if it has one dimension or the shape of A without the last. LinAlgError if a matrix is
    singular.

    >>> import flambeau as torch
    >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([1., 2.]))
    tensor([0.5000, 0.5000])
    """
    _square("solve", A)
    vector = _is_vector(A, check_tensor("linalg.solve", "B", B))
    b = B.unsqueeze(-1) if vector else B
    ops.check_matrix("solve", b, "B")
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
    _square("solve_triangular", A)
    ops.check_matrix("solve_triangular", check_tensor("linalg.solve_triangular", "B", B), "B")
    if left:
        x = ops.solve_triangular(A, B, upper, unitriangular)
    else:
        _check_right("solve_triangular", A, B)
        x = ops.solve_triangular(A.mT, B.mT, not upper, unitriangular).mT
    return deliver("linalg.solve_triangular", x, out)


def inv(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The inverses of square matrices (..., n, n). LinAlgError if one is singular.

    `solve` is better than a product with an inverse.

    >>> import flambeau as torch
    >>> torch.linalg.inv(torch.tensor([[2., 0.], [0., 4.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return deliver("linalg.inv", ops.inv(_square("inv", A), True), out)


def _tolerances(A: Tensor, atol: Tolerance, rtol: Tolerance) -> tuple[Tensor, Tensor]:
    """Both as tensors. The relative one is by default A's rounding error, or 0 beside an absolute one."""
    d = A.dtype.to_real()
    default = max(A.shape[-2:]) * float(np.finfo(d.np).eps)

    def tensor(x: Tolerance) -> Tensor:
        return cast(x.detach(), d) if isinstance(x, Tensor) else make_constant(np.array(x or 0.0, d.np))

    absolute = tensor(atol)
    if rtol is None and atol is not None:
        return absolute, choose(absolute > 0, 0.0, default).to(d)
    return absolute, tensor(default if rtol is None else rtol)


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
    _square("pinv", A) if hermitian else _matrix("pinv", A)
    ops.pinv.check_dtype(A.dtype)
    x = indexing.tril(A) + indexing.tril(A, -1).mH if hermitian else A
    return deliver("linalg.pinv", ops.pinv(x, *_tolerances(A, atol, rcond if rtol is None else rtol)), out)


def matrix_rank(
    A: Tensor,
    tol: Tolerance = None,
    hermitian: bool = False,
    *,
    atol: Tolerance = None,
    rtol: Tolerance = None,
    out: Tensor | None = None,
) -> Tensor:
    """How many singular values (`hermitian`: absolute eigenvalues) exceed max(atol, rtol * the largest).

    The tolerances default as for `pinv`; `tol`, the older argument, is an `atol` alone.

    >>> import flambeau as torch
    >>> torch.linalg.matrix_rank(torch.tensor([[1., 2.], [2., 4.]]))
    tensor(1)
    """
    x = _matrix("matrix_rank", A).detach()
    values = eigvalsh(x).abs() if hermitian else svdvals(x)
    absolute, relative = _tolerances(
        A, tol if atol is None else atol, 0.0 if rtol is None and tol is not None else rtol
    )
    largest = reduction.amax(values, -1) if values.shape[-1] else values.new_zeros(values.shape[:-1])
    cut = choose(absolute > relative * largest, absolute, relative * largest)
    return deliver("linalg.matrix_rank", reduction.sum(values > cut.unsqueeze(-1), -1), out)


def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: str | None = None) -> Any:
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
    _matrix("lstsq", A)
    vector = _is_vector(A, check_tensor("linalg.lstsq", "B", B))
    b = B.unsqueeze(-1) if vector else B
    m, n = A.shape[-2:]
    if ops.check_matrix("lstsq", b, "B")[-2] != m:
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
    return return_types.linalg_lstsq(
        x.squeeze(-1) if vector else x, residuals, rank.new_zeros(0) if driver == "gels" else rank, values
    )


# ----- determinants, powers -----


def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinants (...) of square matrices (..., n, n). Its gradient is exact for singular matrices too.

    >>> import flambeau as torch
    >>> torch.linalg.det(torch.tensor([[2., 1.], [0., 3.]]))
    tensor(6.)
    """
    return deliver("linalg.det", ops.det(_square("det", A)), out)


def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """Sign and logarithm of the absolute value of determinants, which might over- or underflow themselves.

    A singular matrix has sign 0 and logarithm -inf, and an infinite gradient.

    >>> import flambeau as torch
    >>> sign, log = torch.linalg.slogdet(torch.tensor([[0., 1.], [1., 0.]]))
    >>> sign, log
    (tensor(-1.), tensor(0.))
    """
    return deliver_all(
        "linalg.slogdet", return_types.linalg_slogdet(*ops.slogdet(_square("slogdet", A))), out
    )


def logdet(input: Tensor) -> Tensor:
    """The logarithms of determinants: -inf of 0, NaN of negative ones.

    >>> import flambeau as torch
    >>> torch.logdet(torch.eye(3))
    tensor(0.)
    """
    sign, log = slogdet(input)
    result: Tensor = sign.log() + log if sign.is_complex() else choose(sign == -1, float("nan"), log)
    return result


def matrix_power(A: Tensor, n: int, *, out: Tensor | None = None) -> Tensor:
    """Products of n equal matrices by repeated squaring; of the inverse for negative n; the identity for 0.

    >>> import flambeau as torch
    >>> torch.linalg.matrix_power(torch.tensor([[1, 1], [0, 1]]), 5)
    tensor([[1, 5],
            [0, 1]])
    """
    _square("matrix_power", A)
    if not isinstance(n, int):
        raise TypeError(f"linalg.matrix_power: argument 'n' must be int, not {type(n).__name__}")
    square, left = (inv(A), -n) if n < 0 else (A, n)
    result: Tensor | None = None
    while left:
        if left & 1:
            result = square if result is None else linear.matmul(result, square)
        left >>= 1
        if left:
            square = linear.matmul(square, square)
    if result is None:
        result = make_constant(np.eye(A.shape[-1]).astype(A.dtype.np)).expand(A.shape)
    return deliver("linalg.matrix_power", result.clone() if n in (0, 1) else result, out)


def matrix_exp(A: Tensor) -> Tensor:
    """The exponential 1 + A + A²/2! + … of square matrices (..., n, n).

    >>> import flambeau as torch
    >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    result: Tensor = ops.matrix_exp(_square("matrix_exp", A))
    return result


# ----- norms -----


def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Any = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """(sum |x|^ord)^(1/ord) over all elements or over `dim`.

    inf: the largest |x|, -inf: the smallest, 0: how many aren't 0. RuntimeError for whole numbers, a `dtype`
    narrower than `x`'s, or the extreme of nothing.

    >>> import flambeau as torch
    >>> x = torch.tensor([3., -4.])
    >>> torch.linalg.vector_norm(x), torch.linalg.vector_norm(x, 1)
    (tensor(5.), tensor(7.))
    """
    check_tensor("linalg.vector_norm", "x", x)
    if isinstance(ord, str):
        raise TypeError(
            f"linalg.vector_norm: argument 'ord' must be Number, not str ({ord!r}); see "
            "torch.linalg.matrix_norm"
        )
    if x.dtype.category < dt.FLOAT:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype.name}; "
            "use .float()"
        )
    if dtype is not None and dt.promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"linalg.vector_norm: the dtype of the input ({x.dtype.name}) should be convertible without "
            f"narrowing to the specified dtype ({dtype.name})"
        )
    if x.numel() == 0 and (ord < 0 or ord == INF) and 0 in [x.shape[d] for d in _dims(x, dim)]:
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor (shape {tuple(x.shape)}) "
            "because the operation does not have an identity"
        )
    return deliver("linalg.vector_norm", reduction.norm(x, ord, dim, keepdim, dtype=dtype), out)


def _dims(x: Tensor, dim: Any) -> list[int]:
    dims = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    return [wrap_dim("linalg.norm", d, x.ndim) for d in dims]


def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Any = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A norm of the matrices in the two dimensions `dim`.

    "fro": root of the sum of squares; "nuc": sum of the singular values; 2 and -2: the largest and the
    smallest of them; 1 and -1: of the columns' sums of absolute values; inf and -inf: of the rows'.
    RuntimeError for another order.

    >>> import flambeau as torch
    >>> A = torch.tensor([[3., 0.], [0., -4.]])
    >>> torch.linalg.matrix_norm(A), torch.linalg.matrix_norm(A, "nuc"), torch.linalg.matrix_norm(A, 1)
    (tensor(5.), tensor(7.), tensor(4.))
    """
    _matrix("matrix_norm", A)
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    rows, columns = _dims(A, dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got {tuple(dim)}")
    if ord not in ("fro", "nuc", 1, -1, 2, -2, INF, -INF):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if ord == "fro":
        return deliver("linalg.matrix_norm", vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype), out)
    x = shape.movedim(A if dtype is None else cast(A, dtype), (rows, columns), (-2, -1))
    values = svdvals(x) if ord in ("nuc", 2, -2) else vector_norm(x, 1, -2 if ord in (1, -1) else -1)
    order = 1 if ord == "nuc" else INF if ord > 0 else -INF
    result = vector_norm(values, order, -1)
    if keepdim:
        for d in sorted((rows, columns)):
            result = result.unsqueeze(d)
    return deliver("linalg.matrix_norm", result, out)


def norm(
    A: Tensor,
    ord: Any = None,
    dim: Any = None,
    keepdim: bool = False,
    *,
    out: Tensor | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """The norm of all elements, or of vectors along one `dim`, or of matrices in two.

    With `ord` but no `dim` the input must be a vector or a matrix. Orders are those of `vector_norm` and
    `matrix_norm`.

    >>> import flambeau as torch
    >>> torch.linalg.norm(torch.ones(3, 3)), torch.linalg.norm(torch.eye(2), "nuc")
    (tensor(3.), tensor(2.))
    """
    check_tensor("linalg.norm", "A", A)
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}")
    if dims is None and ord is not None and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    matrix = len(dims) == 2 if dims is not None else A.ndim == 2
    if ord is None or (not matrix and not isinstance(ord, str)):
        return vector_norm(A, 2 if ord is None else ord, dims, keepdim, dtype=dtype, out=out)
    return matrix_norm(A, ord, (-2, -1) if dims is None else dims, keepdim, dtype=dtype, out=out)


def cond(A: Tensor, p: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The condition number |A| |A⁻¹| in a matrix norm, by default that of the largest singular value.

    Infinite for a singular matrix. RuntimeError for another order than `matrix_norm` has.

    >>> import flambeau as torch
    >>> torch.linalg.cond(torch.tensor([[2., 0.], [0., 4.]]))
    tensor(2.)
    """
    _matrix("cond", A)
    if p not in (None, "fro", "nuc", 1, -1, 2, -2, INF, -INF):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if p not in (None, 2, -2):
        _square(f"cond(ord={p})", A)
    if 0 in A.shape[-2:]:
        return deliver("linalg.cond", A.new_zeros(A.shape[:-2], dtype=A.dtype.to_real()), out)
    if p in (None, 2, -2):
        values = svdvals(A)
        largest, smallest = values.select(-1, 0), values.select(-1, -1)
        return deliver("linalg.cond", smallest / largest if p == -2 else largest / smallest, out)
    singular = ops.slogdet(A)[0] == 0
    eye = make_constant(np.eye(A.shape[-1], dtype=A.dtype.np))
    inverse = inv(choose(singular.unsqueeze(-1).unsqueeze(-1), eye, A))
    return deliver("linalg.cond", choose(singular, INF, matrix_norm(A, p) * matrix_norm(inverse, p)), out)


# ----- products -----


def cross(input: Tensor, other: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The vector product along a dimension of extent 3; the others broadcast.

    >>> import flambeau as torch
    >>> torch.linalg.cross(torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0]))
    tensor([0, 0, 1])
    """
    x, y = check_tensor("linalg.cross", "input", input), check_tensor("linalg.cross", "other", other)
    if x.ndim != y.ndim:
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions. Got shapes {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
    d = wrap_dim("linalg.cross", dim, x.ndim)
    if x.size(d) != 3 or y.size(d) != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {x.size(d)} and {y.size(d)}"
        )
    broadcast("linalg.cross", x._node.shape, y._node.shape)
    first = joining.roll(x, -1, d) * joining.roll(y, -2, d)
    return deliver("linalg.cross", first - joining.roll(x, -2, d) * joining.roll(y, -1, d), out)


def vecdot(x: Tensor, y: Tensor, *, dim: int = -1, out: Tensor | None = None) -> Tensor:
    """The dot products along a dimension, the first vector conjugated; the other dimensions broadcast.

    >>> import flambeau as torch
    >>> torch.linalg.vecdot(torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1., 1.]))
    tensor([3., 7.])
    """
    return deliver("linalg.vecdot", reduction.sum(check_tensor("linalg.vecdot", "x", x).conj() * y, dim), out)


def diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonals of matrices as a view, last in the result.

    >>> import flambeau as torch
    >>> torch.linalg.diagonal(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return shape.diagonal(A, offset, dim1, dim2)


def multi_dot(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """The product of two or more matrices in the order of least work; the first and the last may be vectors.

    >>> import flambeau as torch
    >>> torch.linalg.multi_dot([torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)])
    tensor([12., 12.])
    """
    xs = list(tensors)
    if len(xs) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(xs)}")
    for i, x in enumerate(xs):
        check_tensor("linalg.multi_dot", f"tensors[{i}]", x)
        if x.ndim != 2 and not (x.ndim == 1 and i in (0, len(xs) - 1)):
            raise RuntimeError(
                f"multi_dot(): tensor {i} must be {'1D or ' * (i in (0, len(xs) - 1))}2D but got {x.ndim}D"
            )
    row, column = xs[0].ndim == 1, xs[-1].ndim == 1
    xs[0] = xs[0].unsqueeze(0) if row else xs[0]
    xs[-1] = xs[-1].unsqueeze(1) if column else xs[-1]
    for i in range(len(xs) - 1):
        if xs[i].shape[1] != xs[i + 1].shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {i} and {i + 1} with shapes {list(xs[i].shape)} and "
                f"{list(xs[i + 1].shape)} cannot be multiplied"
            )
    result = _in_order(xs, _best_splits([x.shape[0] for x in xs] + [xs[-1].shape[1]]), 0, len(xs) - 1)
    result = result.squeeze(0) if row else result
    return deliver("linalg.multi_dot", result.squeeze(-1) if column else result, out)


def _best_splits(extents: list[int]) -> dict[tuple[int, int], int]:
    """For each range of factors where its last product is; factor i is extents[i] by extents[i + 1]."""
    n = len(extents) - 1
    cost = {(i, i): 0 for i in range(n)}
    splits: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            work = [
                (cost[i, k] + cost[k + 1, j] + extents[i] * extents[k + 1] * extents[j + 1], k)
                for k in range(i, j)
            ]
            cost[i, j], splits[i, j] = min(work)
    return splits


def _in_order(xs: list[Tensor], splits: dict[tuple[int, int], int], i: int, j: int) -> Tensor:
    if i == j:
        return xs[i]
    k = splits[i, j]
    return linear.matmul(_in_order(xs, splits, i, k), _in_order(xs, splits, k + 1, j))
