"""The older names of linear algebra, directly in `torch`, and distances between rows."""

from __future__ import annotations

from typing import Any

from ..core import dtype as dt
from ..core.tensor import Tensor
from ..ops.op import check_tensor
from . import linalg, linear, reduction, return_types, shape
from .calling import deliver
from .choice import (
    choose,
)
from .linalg import det, logdet, matrix_exp, matrix_power

__all__ = [
    "cdist",
    "chain_matmul",
    "cholesky",
    "cross",
    "det",
    "inverse",
    "logdet",
    "matrix_exp",
    "matrix_power",
    "pinverse",
    "qr",
    "slogdet",
    "svd",
    "trace",
]


def cholesky(input: Tensor, upper: bool = False, *, out: Tensor | None = None) -> Tensor:
    """`torch.linalg.cholesky`.

    >>> import flambeau as torch
    >>> torch.cholesky(torch.tensor([[4., 2.], [2., 5.]]), upper=True)
    tensor([[2., 1.],
            [0., 2.]])
    """
    return linalg.cholesky(input, upper=upper, out=out)


def inverse(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`torch.linalg.inv`.

    >>> import flambeau as torch
    >>> torch.inverse(torch.tensor([[2.]]))
    tensor([[0.5000]])
    """
    return linalg.inv(input, out=out)


def qr(input: Tensor, some: bool = True, *, out: Any = None) -> Any:
    """`torch.linalg.qr`: reduced, or complete if not `some`.

    >>> import flambeau as torch
    >>> torch.qr(torch.ones(3, 2), some=False).Q.shape
    torch.Size([3, 3])
    """
    return linalg.deliver_all(
        "qr", return_types.qr(*linalg.qr(input, "reduced" if some else "complete")), out
    )


def svd(input: Tensor, some: bool = True, compute_uv: bool = True, *, out: Any = None) -> Any:
    """`torch.linalg.svd`, but with V instead of Vᴴ, and reduced if `some`.

    Without `compute_uv` U and V are square and zero.

    >>> import flambeau as torch
    >>> U, S, V = torch.svd(torch.tensor([[0., 2.], [1., 0.]]))
    >>> (U * S) @ V.T
    tensor([[0., 2.],
            [1., 0.]])
    """
    u, s, vh = linalg.svd(input, not some)
    if not compute_uv:
        *batch, m, n = input.shape
        u, v = input.new_zeros(*batch, m, m), input.new_zeros(*batch, n, n)
    else:
        v = vh.mH
    return linalg.deliver_all("svd", return_types.svd(u, s, v), out)


def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`torch.linalg.pinv` with a smaller tolerance.

    >>> import flambeau as torch
    >>> torch.pinverse(torch.tensor([[2., 0.]]))
    tensor([[0.5000],
            [0.0000]])
    """
    return linalg.pinv(input, rcond)


def slogdet(input: Tensor, *, out: Any = None) -> Any:
    """`torch.linalg.slogdet`.

    >>> import flambeau as torch
    >>> torch.slogdet(torch.eye(2)).logabsdet
    tensor(0.)
    """
    return linalg.deliver_all("slogdet", return_types.slogdet(*linalg.slogdet(input)), out)


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
    return linalg.cross(input, other, dim=dim, out=out)


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


def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = COMPUTE_MODES[0]) -> Tensor:
    """The p-norm distances (..., n, m) between the rows of (..., n, k) and of (..., m, k); batches broadcast.

    Euclidean distances between more than 25 rows are computed as |x|² + |y|² - 2 x·y by a matrix product,
    which `compute_mode` can ask for or rule out: faster, and less exact for rows that are close.

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
    many = mode == COMPUTE_MODES[1] or (mode == COMPUTE_MODES[0] and (x.shape[-2] > 25 or y.shape[-2] > 25))
    if p == 2 and many:
        return _euclidean(x, y)
    difference = x.unsqueeze(-2) - y.unsqueeze(-3)
    if x.shape[-1] == 0:
        return reduction.sum(difference, -1)
    return linalg.vector_norm(difference, p, -1)


def _euclidean(x: Tensor, y: Tensor) -> Tensor:
    """By a matrix product; where the distance is 0 so is the gradient."""
    squares = reduction.sum(x * x, -1, True) + reduction.sum(y * y, -1, True).mT - 2 * linear.matmul(x, y.mT)
    apart = squares > 0
    distances: Tensor = choose(apart, choose(apart, squares, 1.0).sqrt(), 0.0)
    return distances
