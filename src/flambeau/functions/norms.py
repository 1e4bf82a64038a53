"""Norms of vectors and matrices, rank and condition, as in `torch.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor
from ..ops import systems
from ..ops.kinds import cast, make_constant
from ..ops.linalg import matrix, square
from ..ops.op import check_tensor, wrap_dim
from . import reduction, shape
from .calling import deliver
from .casting import in_float32
from .choice import choose
from .spectra import eigvalsh, svdvals

Tolerance = Tensor | float | None
INF = float("inf")


def tolerances(A: Tensor, atol: Tolerance, rtol: Tolerance) -> tuple[Tensor, Tensor]:
    """Both as tensors. The relative one is by default A's rounding error, or 0 beside an absolute one."""
    d = A.dtype.to_real()
    default = max(A.shape[-2:]) * float(np.finfo(d.np).eps)

    def tensor(x: Tolerance) -> Tensor:
        return cast(x.detach(), d) if isinstance(x, Tensor) else make_constant(np.array(x or 0.0, d.np))

    absolute = tensor(atol)
    if rtol is None and atol is not None:
        return absolute, choose(absolute > 0, 0.0, default).to(d)
    return absolute, tensor(default if rtol is None else rtol)


@in_float32
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
    x = matrix("matrix_rank", A).detach()
    values = eigvalsh(x).abs() if hermitian else svdvals(x)
    absolute, relative = tolerances(
        A, tol if atol is None else atol, 0.0 if rtol is None and tol is not None else rtol
    )
    largest = reduction.amax(values, -1) if values.shape[-1] else values.new_zeros(values.shape[:-1])
    cut = choose(absolute > relative * largest, absolute, relative * largest)
    return deliver("linalg.matrix_rank", reduction.sum(values > cut.unsqueeze(-1), -1), out)


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
    _check_wide("vector_norm", x, dtype)
    if x.numel() == 0 and (ord < 0 or ord == INF) and 0 in [x.shape[d] for d in _dims(x, dim)]:
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor (shape {tuple(x.shape)}) "
            "because the operation does not have an identity"
        )
    return deliver("linalg.vector_norm", reduction.norm(x, ord, dim, keepdim, dtype=dtype), out)


def _check_wide(what: str, x: Tensor, dtype: DType | None) -> None:
    """RuntimeError for a narrower dtype."""
    if dtype is not None and dt.promote_types(x.dtype, dtype) is not dtype:
        raise RuntimeError(
            f"linalg.{what}: the dtype of the input ({x.dtype.name}) should be convertible without narrowing "
            f"to the specified dtype ({dtype.name})"
        )


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
    matrix("matrix_norm", A)
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    rows, columns = _dims(A, dim)
    if rows == columns:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got {tuple(dim)}")
    if ord not in ("fro", "nuc", 1, -1, 2, -2, INF, -INF):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if ord == "fro":
        return deliver("linalg.matrix_norm", vector_norm(A, 2, (rows, columns), keepdim, dtype=dtype), out)
    _check_wide("matrix_norm", A, dtype)
    x = shape.movedim(A if dtype is None else cast(A, dtype), (rows, columns), (-2, -1))
    values = svdvals(x) if ord in ("nuc", 2, -2) else vector_norm(x, 1, -2 if ord in (1, -1) else -1)
    if ord == "nuc" or (ord > 0 and values.shape[-1] == 0):
        result = reduction.sum(values, -1)
    else:
        result = (reduction.amax if ord > 0 else reduction.amin)(values, -1)
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


@in_float32
def cond(A: Tensor, p: Any = None, *, out: Tensor | None = None) -> Tensor:
    """The condition number |A| |A⁻¹| in a matrix norm, by default that of the largest singular value.

    Infinite for a singular matrix. RuntimeError for another order than `matrix_norm` has.

    >>> import flambeau as torch
    >>> torch.linalg.cond(torch.tensor([[2., 0.], [0., 4.]]))
    tensor(2.)
    """
    matrix("cond", A)
    if p not in (None, "fro", "nuc", 1, -1, 2, -2, INF, -INF):
        raise RuntimeError(f"linalg.cond got an invalid norm type: {p}")
    if p not in (None, 2, -2):
        square(f"cond(ord={p})", A)
    if 0 in A.shape[-2:]:
        return deliver("linalg.cond", A.new_zeros(A.shape[:-2], dtype=A.dtype.to_real()), out)
    if p in (None, 2, -2):
        values = svdvals(A)
        largest, smallest = values.select(-1, 0), values.select(-1, -1)
        return deliver("linalg.cond", smallest / largest if p == -2 else largest / smallest, out)
    singular = systems.slogdet(A)[0] == 0
    eye = make_constant(np.eye(A.shape[-1], dtype=A.dtype.np))
    inverse = systems.inv(choose(singular.unsqueeze(-1).unsqueeze(-1), eye, A), True)
    return deliver("linalg.cond", choose(singular, INF, matrix_norm(A, p) * matrix_norm(inverse, p)), out)


def frobenius_norm(input: Tensor, dim: Any, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The root of the sum of squares over one or two dimensions (none: over all). RuntimeError for more.

    >>> import flambeau as torch
    >>> torch.frobenius_norm(torch.ones(2, 2), (0, 1))
    tensor(2.)
    """
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if len(dims) > 2:
        raise RuntimeError(f"frobenius_norm: Expected at most 2 dimensions, but got {len(dims)} dimensions")
    return deliver("frobenius_norm", vector_norm(input, 2, dims or None, keepdim), out)


def nuclear_norm(
    input: Tensor, dim: Any = (-2, -1), keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """The sum of the singular values of the matrices in two dimensions.

    >>> import flambeau as torch
    >>> torch.nuclear_norm(torch.tensor([[3., 0.], [0., -4.]]))
    tensor(7.)
    """
    if isinstance(dim, bool):  # nuclear_norm(input, keepdim)
        dim, keepdim = (-2, -1), dim
    return deliver("nuclear_norm", matrix_norm(input, "nuc", dim, keepdim), out)
