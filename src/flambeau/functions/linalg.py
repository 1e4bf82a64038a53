"""Determinants, powers and products of matrices, as in `torch.linalg`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.ghost import beside
from ..core.modes import modes
from ..core.tensor import Tensor
from ..ops import systems as ops
from ..ops.kinds import broadcast, make_constant
from ..ops.linalg import square
from ..ops.op import check_tensor, wrap_dim
from . import joining, linear, reduction, return_types, shape
from .calling import deliver, deliver_all
from .casting import lowered
from .choice import choose
from .systems import inv

# ----- determinants, powers -----


def det(A: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The determinants (...) of square matrices (..., n, n). Its gradient is exact for singular matrices too.

    >>> import flambeau as torch
    >>> torch.linalg.det(torch.tensor([[2., 1.], [0., 3.]]))
    tensor(6.)
    """
    return deliver("linalg.det", ops.det(square("det", A)), out)


def slogdet(A: Tensor, *, out: Any = None) -> Any:
    """Sign and logarithm of the absolute value of determinants, which might over- or underflow themselves.

    A singular matrix has sign 0 and logarithm -inf, and an infinite gradient.

    >>> import flambeau as torch
    >>> sign, log = torch.linalg.slogdet(torch.tensor([[0., 1.], [1., 0.]]))
    >>> sign, log
    (tensor(-1.), tensor(0.))
    """
    return deliver_all("linalg.slogdet", return_types.linalg_slogdet(*ops.slogdet(square("slogdet", A))), out)


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
    square("matrix_power", A)
    if not isinstance(n, int):
        raise TypeError(f"linalg.matrix_power: argument 'n' must be int, not {type(n).__name__}")
    factor, left = (inv(A), -n) if n < 0 else (A, n)
    result: Tensor | None = None
    while left:
        if left & 1:
            result = factor if result is None else linear.matmul(result, factor)
        left >>= 1
        if left:
            factor = linear.matmul(factor, factor)
    if result is None:
        result = beside(make_constant(np.eye(A.shape[-1]).astype(A.dtype.np)), A).expand(A.shape)
    return deliver("linalg.matrix_power", result.clone() if n in (0, 1) else result, out)


def matrix_exp(A: Tensor) -> Tensor:
    """The exponential 1 + A + A²/2! + … of square matrices (..., n, n).

    >>> import flambeau as torch
    >>> torch.linalg.matrix_exp(torch.zeros(2, 2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    result: Tensor = ops.matrix_exp(square("matrix_exp", A))
    return result


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
    if modes.autocast is not None and out is None:
        return lowered(vecdot, x, y, dim=dim)
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


def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """The powers 0, 1, …, N - 1 (N = n by default) of vectors (..., n), as rows (..., n, N).

    RuntimeError for truth values or fewer than two powers.

    >>> import flambeau as torch
    >>> torch.linalg.vander(torch.tensor([1, 2, 3]))
    tensor([[1, 1, 1],
            [1, 2, 4],
            [1, 3, 9]])
    """
    if check_tensor("linalg.vander", "x", x).dtype is dt.bool_:
        raise RuntimeError(
            "linalg.vander supports floating point, complex, and integer tensors, but got Bool; use .int()"
        )
    x = x.unsqueeze(-1) if x.ndim else x.reshape(1, 1)
    count = x.shape[-2] if N is None else N
    if count <= 1:
        raise RuntimeError(f"linalg.vander: N must be greater than 1, got {count}")
    factors = x.expand(*x.shape[:-1], count - 1)
    powers = reduction.cumprod(factors, -1)
    return joining.cat([powers.new_ones(x.shape), powers], -1)
