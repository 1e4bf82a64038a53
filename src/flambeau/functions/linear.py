"""Matrix products."""

from __future__ import annotations

from typing import Any

from ..core import dtype as dt
from ..core.modes import modes
from ..core.tensor import Tensor
from ..ops import contraction as ops
from ..ops.op import check_tensor
from .calling import deliver
from .casting import lowered, uncast
from .shape import reshape, unsqueeze

Number = bool | int | float | complex


def matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product: vectors are rows on the left and columns on the right, leading dimensions are
    batches that broadcast.

    Shapes (..., n, k) @ (..., k, m) -> (..., n, m). RuntimeError if the inner extents or the dtypes differ.

    >>> import flambeau as torch
    >>> torch.matmul(torch.tensor([[1., 2.]]), torch.tensor([3., 4.]))
    tensor([11.])
    """
    if modes.autocast is not None and out is None:
        return lowered(matmul, input, other)
    x, y = check_tensor("matmul", "input", input), check_tensor("matmul", "other", other)
    a, b = x._node.shape, y._node.shape
    if len(a) == 2 and len(b) == 2:
        return deliver("matmul", ops.matmul(x, y), out)
    if not a or not b:
        raise RuntimeError(
            f"matmul: both arguments to matmul need to be at least 1D, but they are {len(a)}D and {len(b)}D"
        )
    if len(b) <= 2 and len(a) > 2 and x.is_contiguous():  # one big product instead of many small ones
        rows = reshape(x, -1, a[-1]) if x.numel() else reshape(x, _count(a[:-1]), a[-1])
        product = matmul(rows, y)
        return deliver("matmul", reshape(product, *a[:-1], *b[1:]), out)
    x = unsqueeze(x, 0) if len(a) == 1 else x
    y = unsqueeze(y, 1) if len(b) == 1 else y
    r = ops.matmul(x, y)
    shape = r._node.shape
    if len(b) == 1:
        shape = shape[:-1]
    if len(a) == 1:
        shape = (*shape[:-2], shape[-1]) if len(b) > 1 else shape[:-1]
    return deliver("matmul", r if shape == r._node.shape else reshape(r, shape), out)


def _count(shape: tuple[int, ...]) -> int:
    n = 1
    for e in shape:
        n *= e
    return n


def _ranked(what: str, rank: int, *xs: Tensor) -> None:
    for x in xs:
        if check_tensor(what, "input", x).ndim != rank:
            raise RuntimeError(f"{what}: expected {rank}D tensors, got {x.ndim}D of shape {tuple(x.shape)}")


def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices.

    >>> import flambeau as torch
    >>> torch.mm(torch.eye(2), torch.ones(2, 1))
    tensor([[1.],
            [1.]])
    """
    if modes.autocast is not None and out is None:
        return lowered(mm, input, mat2)
    _ranked("mm", 2, input, mat2)
    return deliver("mm", ops.matmul(input, mat2), out)


def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The products of two equally long batches of matrices.

    >>> import flambeau as torch
    >>> torch.bmm(torch.ones(3, 1, 2), torch.ones(3, 2, 1)).shape
    torch.Size([3, 1, 1])
    """
    if modes.autocast is not None and out is None:
        return lowered(bmm, input, mat2)
    _ranked("bmm", 3, input, mat2)
    if input.shape[0] != mat2.shape[0]:
        raise RuntimeError(
            f"bmm: Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, "
            f"{input.shape[2]}] but got: "
            f"[{mat2.shape[0]}, {mat2.shape[1]}]."
        )
    return deliver("bmm", ops.matmul(input, mat2), out)


@uncast
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A matrix times a vector.

    >>> import flambeau as torch
    >>> torch.mv(torch.eye(2), torch.tensor([1., 2.]))
    tensor([1., 2.])
    """
    _ranked("mv", 2, input)
    _ranked("mv", 1, vec)
    return deliver("mv", matmul(input, vec), out)


@uncast
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of products of two equally long vectors.

    >>> import flambeau as torch
    >>> torch.dot(torch.tensor([2, 3]), torch.tensor([2, 1]))
    tensor(7)
    """
    _ranked("dot", 1, input, tensor)
    if input.shape != tensor.shape:
        raise RuntimeError(
            f"dot: inconsistent tensor size, expected tensor [{input.shape[0]}] and src [{tensor.shape[0]}] "
            f"to have the same number of elements"
        )
    return deliver("dot", matmul(input, tensor), out)


def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`dot` with the first vector conjugated.

    >>> import flambeau as torch
    >>> torch.vdot(torch.tensor([2, 3]), torch.tensor([2, 1]))
    tensor(7)
    """
    return dot(input.conj(), other, out=out)


def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of an element of one vector with one of the other.

    >>> import flambeau as torch
    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([1, 10]))
    tensor([[ 1, 10],
            [ 2, 20]])
    """
    _ranked("outer", 1, input, vec2)
    return deliver("outer", unsqueeze(input, 1) * vec2, out)


ger = outer


def _plus(
    input: Tensor, product: Tensor, beta: Number, alpha: Number, what: str, out: Tensor | None
) -> Tensor:
    """beta * input + alpha * product; with beta 0 the input doesn't matter, not even its NaNs."""
    d = product._node.dtype
    if input._node.dtype is not d and what != "addr":
        raise RuntimeError(
            f"{what}: self and mat2 must have the same dtype, but got {input.dtype} and {d}; convert one "
            f"with .to()"
        )
    if d.category < dt.FLOAT:
        alpha, beta = (bool(v) if d is dt.bool_ else int(v.real) for v in (alpha, beta))
    scaled = product if alpha == 1 else product * alpha
    if beta == 0:
        return deliver(what, scaled, out)
    return deliver(what, (input if beta == 1 else input * beta) + scaled, out)


def addmm(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * mat1 @ mat2.

    >>> import flambeau as torch
    >>> torch.addmm(torch.ones(1), torch.eye(2), torch.eye(2))
    tensor([[2., 1.],
            [1., 2.]])
    """
    if modes.autocast is not None and out is None:
        return lowered(addmm, input, mat1, mat2, beta=beta, alpha=alpha)
    _ranked("addmm", 2, mat1, mat2)
    return _plus(input, ops.matmul(mat1, mat2), beta, alpha, "addmm", out)


@uncast
def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None
) -> Tensor:
    """beta * input + alpha * mat @ vec.

    >>> import flambeau as torch
    >>> torch.addmv(torch.ones(2), torch.eye(2), torch.ones(2))
    tensor([2., 2.])
    """
    return _plus(input, mv(mat, vec), beta, alpha, "addmv", out)


def addr(
    input: Tensor,
    vec1: Tensor,
    vec2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2).

    >>> import flambeau as torch
    >>> torch.addr(torch.zeros(2, 2), torch.ones(2), torch.ones(2)).sum()
    tensor(4.)
    """
    return _plus(input, outer(vec1, vec2), beta, alpha, "addr", out)


def baddbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * bmm(batch1, batch2).

    >>> import flambeau as torch
    >>> torch.baddbmm(torch.zeros(1), torch.ones(1, 2, 2), torch.ones(1, 2, 2)).shape
    torch.Size([1, 2, 2])
    """
    if modes.autocast is not None and out is None:
        return lowered(baddbmm, input, batch1, batch2, beta=beta, alpha=alpha)
    return _plus(input, bmm(batch1, batch2), beta, alpha, "baddbmm", out)


def addbmm(
    input: Tensor,
    batch1: Tensor,
    batch2: Tensor,
    *,
    beta: Number = 1,
    alpha: Number = 1,
    out: Tensor | None = None,
) -> Tensor:
    """beta * input + alpha * the sum of bmm(batch1, batch2) over the batch.

    >>> import flambeau as torch
    >>> torch.addbmm(torch.zeros(1), torch.ones(3, 1, 2), torch.ones(3, 2, 1))
    tensor([[6.]])
    """
    if modes.autocast is not None and out is None:
        return lowered(addbmm, input, batch1, batch2, beta=beta, alpha=alpha)
    return _plus(input, bmm(batch1, batch2).sum(0, dtype=batch1.dtype), beta, alpha, "addbmm", out)


def _rmatmul(self: Tensor, other: Any) -> Tensor:
    return matmul(other, self)
