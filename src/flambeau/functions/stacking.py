"""Tensors given the dimensions they lack, stacked along them and split again; blocks, products of sets."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.tensor import Tensor, from_array
from ..ops import view as ops
from ..ops.creation import full
from ..ops.kinds import cast, result_type
from ..ops.op import check_tensor
from .indexing import index_select
from .joining import cat, meshgrid, stack, tensor_split
from .shape import diag, reshape


def _each(what: str, f: Callable[[Tensor], Tensor], tensors: tuple[Any, ...]) -> Any:
    """`f` of the only tensor, or the tuple of it of several (or of a sequence of them)."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return f(tensors[0])
    xs = tensors[0] if len(tensors) == 1 else tensors
    return tuple(f(check_tensor(what, "tensors", x)) for x in xs)


def atleast_1d(*tensors: Any) -> Any:
    """A 0-d tensor as a vector; of several tensors (or a sequence of them) a tuple.

    >>> import flambeau as torch
    >>> torch.atleast_1d(torch.tensor(1.)).shape
    torch.Size([1])
    """
    return _each("atleast_1d", lambda x: x if x.ndim else reshape(x, 1), tensors)


def atleast_2d(*tensors: Any) -> Any:
    """A tensor of fewer dimensions as a matrix: a vector as its row; of several tensors (or a sequence of
    them) a tuple.

    >>> import flambeau as torch
    >>> torch.atleast_2d(torch.tensor([1., 2.])).shape
    torch.Size([1, 2])
    """
    return _each("atleast_2d", _matrix, tensors)


def _matrix(x: Tensor) -> Tensor:
    return x if x.ndim >= 2 else reshape(x, 1, x.numel())


def atleast_3d(*tensors: Any) -> Any:
    """A tensor of fewer dimensions with three: a vector along the second, a matrix along the first two; of
    several tensors (or a sequence of them) a tuple.

    >>> import flambeau as torch
    >>> torch.atleast_3d(torch.tensor([1., 2.])).shape, torch.atleast_3d(torch.zeros(2, 3)).shape
    (torch.Size([1, 2, 1]), torch.Size([2, 3, 1]))
    """
    return _each("atleast_3d", _block, tensors)


def _block(x: Tensor) -> Tensor:
    return x if x.ndim >= 3 else reshape(x, *_matrix(x).shape, 1)


def _several(what: str, tensors: Sequence[Tensor]) -> list[Tensor]:
    if isinstance(tensors, Tensor):
        raise TypeError(f"{what}(): argument 'tensors' must be tuple of Tensors, not Tensor")
    if not len(tensors):
        raise RuntimeError(f"{what} expects a non-empty TensorList")
    return [check_tensor(what, "tensors", x) for x in tensors]


def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along columns; vectors (and numbers) are columns.

    >>> import flambeau as torch
    >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    columns = [x if x.ndim > 1 else reshape(x, x.numel(), 1) for x in _several("column_stack", tensors)]
    return cat(columns, 1, out=out)


def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Joined along the third dimension, which they get if they haven't got it (see `atleast_3d`).

    >>> import flambeau as torch
    >>> torch.dstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return cat([_block(x) for x in _several("dstack", tensors)], 2, out=out)


# ----- splitting -----


def _split_along(what: str, x: Tensor, dim: int, rank: int, cuts: Any) -> tuple[Tensor, ...]:
    if check_tensor(what, "input", x).ndim < rank:
        raise RuntimeError(
            f"{what} requires a tensor with at least {rank} dimension{'s' * (rank > 1)}, but got a tensor "
            f"with {x.ndim} dimensions!"
        )
    if isinstance(cuts, Tensor):
        if cuts.ndim:
            raise TypeError(f"{what}(): give a number or a sequence, not a Tensor; use tensor_split()")
        cuts = int(cuts)
    if isinstance(cuts, int) and (cuts <= 0 or x.shape[dim] % cuts):
        raise RuntimeError(
            f"{what} attempted to split along dimension {dim}, but its size {x.shape[dim]} is "
            f"not divisible by the split_size {cuts}!"
        )
    return tensor_split(x, cuts, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal pieces, or pieces cut at the given places, along columns (along the only dimension of a vector).

    RuntimeError for a number of pieces that doesn't divide the extent.

    >>> import flambeau as torch
    >>> torch.hsplit(torch.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    return _split_along("torch.hsplit", input, min(input.ndim - 1, 1), 1, indices_or_sections)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal pieces, or pieces cut at the given places, along rows.

    RuntimeError for a number of pieces that doesn't divide the extent.

    >>> import flambeau as torch
    >>> torch.vsplit(torch.arange(4).reshape(2, 2), [1])
    (tensor([[0, 1]]), tensor([[2, 3]]))
    """
    return _split_along("torch.vsplit", input, 0, 2, indices_or_sections)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """Equal pieces, or pieces cut at the given places, along the third dimension.

    RuntimeError for a number of pieces that doesn't divide the extent.

    >>> import flambeau as torch
    >>> torch.dsplit(torch.arange(4).reshape(1, 2, 2), 2)[0]
    tensor([[[0],
             [2]]])
    """
    return _split_along("torch.dsplit", input, 2, 3, indices_or_sections)


# ----- blocks, sets -----


def block_diag(*tensors: Any) -> Tensor:
    """The matrix with these matrices as blocks along its diagonal, zeros elsewhere; vectors are rows.

    >>> import flambeau as torch
    >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor(3))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    for i, x in enumerate(tensors):
        if check_tensor("block_diag", "tensors", x).ndim > 2:
            raise RuntimeError(
                f"block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {x.ndim}"
            )
    if not tensors:
        return from_array(np.zeros((1, 0), np.float32))
    d = result_type("block_diag", [x if x.ndim else reshape(x, 1) for x in tensors])
    blocks = [cast(_matrix(x), d) for x in tensors]
    width, left, rows, nothing = sum(x.shape[1] for x in blocks), 0, [], full(0, (), d)
    for x in blocks:
        right = width - left - x.shape[1]
        rows.append(ops.pad(x, nothing, ((0, 0), (left, right))))
        left += x.shape[1]
    return cat(rows, 0)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements of the input, in order, on a diagonal.

    >>> import flambeau as torch
    >>> torch.diagflat(torch.tensor([1, 2]), 1)
    tensor([[0, 1, 0],
            [0, 0, 2],
            [0, 0, 0]])
    """
    return diag(reshape(check_tensor("diagflat", "input", input), input.numel()), offset)


def cartesian_prod(*tensors: Any) -> Tensor:
    """All combinations of one element from each vector, a row each, the last vector's changing quickest.

    RuntimeError unless all are vectors of one dtype.

    >>> import flambeau as torch
    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([4, 5]))
    tensor([[1, 4],
            [1, 5],
            [2, 4],
            [2, 5]])
    """
    for x in tensors:
        if check_tensor("cartesian_prod", "tensors", x).ndim != 1:
            raise RuntimeError(f"cartesian_prod: Expect a 1D vector, but got shape {tuple(x.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(x, -1) for x in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All ways to choose `r` elements of a vector, in order, a row each; `with_replacement`: the same one
    repeatedly.

    >>> import flambeau as torch
    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    if input.ndim != 1:
        raise RuntimeError(f"combinations: Expect a 1D vector, but got shape {tuple(input.shape)}")
    if r < 0:
        raise RuntimeError(f"combinations: Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty(0)
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    numbers = itertools.chain.from_iterable(choose(range(input.numel()), r))
    places = np.fromiter(numbers, np.int64)
    return reshape(index_select(input, 0, from_array(places)), places.size // r, r)
