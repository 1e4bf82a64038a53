"""From dense to sparse and back, from layout to layout, and what a sparse tensor is made of."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.layout import layout as Layout
from ...core.layout import sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr, strided
from ...core.node import numel
from ...core.tensor import Tensor, from_array
from ...ops.index import index_put
from ...ops.kinds import cast
from ...ops.view import permute
from .. import convert as dense_convert
from ..creation import zeros
from ..indexing import index_add, index_select
from ..shape import reshape
from .tensor import (
    BY_ROWS,
    NAMES,
    SparseTensor,
    assemble,
    check_sparse,
    coordinate,
    counted,
    passed_on,
    refusal,
)  # fmt: skip


def summed(entries: Tensor, places: Tensor, count: int) -> Tensor:
    """Entries (n, …) added up at `count` places: (count, …)."""
    if entries.dtype is dt.bool_:
        return cast(summed(cast(entries, dt.uint8), places, count), dt.bool_)
    return index_add(zeros((count, *entries._node.shape[1:]), dtype=entries.dtype), 0, places, entries)


def flat_index(t: SparseTensor) -> Tensor:
    """The numbers of the elements' places, as an index."""
    return t._once("flat index", lambda: from_array(t._flat().copy()))


def picked(entries: Tensor, which: np.ndarray) -> Tensor:
    """The entries of these numbers."""
    return index_select(entries, 0, from_array(np.ascontiguousarray(which, np.int64)))


# ----- dense and sparse -----


def to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """The tensor with all its elements; a dense tensor itself."""
    if not isinstance(self, SparseTensor):
        return self if dtype is None else dense_convert.to(self, dtype)
    if dtype is not None:
        raise RuntimeError("to_dense: dtype argument is not supported by sparse_to_dense; use .to(dtype)")
    if masked_grad is False:
        raise NotImplementedError("to_dense: masked_grad=False is not supported; leave it out")
    found = summed(self._elements(), flat_index(self), numel(self._sparse_shape()))
    return reshape(found, self._node.shape)


def _dense_to_coo(x: Tensor, sparse_dim: int | None) -> SparseTensor:
    rank = x.ndim
    dims = rank if sparse_dim is None else sparse_dim
    if dims > rank or dims < 0 or (dims == 0 and rank):
        raise RuntimeError(
            f"to_sparse: sparse_dim argument must be in [{min(rank, 1)},{rank}] range, but {dims} is given"
        )
    value = x._value("to_sparse")
    kept = value != 0
    if dims < rank:
        kept = kept.any(axis=tuple(range(dims, rank)))
    array = np.stack(np.nonzero(kept)) if rank else np.zeros((0, 1), np.int64)
    shape = x._node.shape
    rows = reshape(x.contiguous(), (kept.size, *shape[dims:]))
    entries = picked(rows, counted(array, shape[:dims]))
    return coordinate(array, entries, shape, True)


def to_sparse(
    self: Tensor, sparse_dim: Any = None, *, layout: Layout | None = None, blocksize: Any = None,
    dense_dim: int | None = None,
) -> Tensor:  # fmt: skip
    """The tensor in a sparse layout, by default with coordinates for all its dimensions (or the first
    `sparse_dim`).

    RuntimeError for dimensions or a `blocksize` that don't fit the layout.

    >>> import flambeau as torch
    >>> torch.tensor([[0, 5]]).to_sparse().indices().tolist()
    [[0], [1]]
    """
    if isinstance(sparse_dim, Layout):
        sparse_dim, layout = None, sparse_dim
    form = layout or sparse_coo
    if form is strided:
        return to_dense(self)
    if dense_dim or (blocksize is not None) != (form in (sparse_bsr, sparse_bsc)):
        raise RuntimeError(
            f"to_sparse: dense_dim={dense_dim}, blocksize={blocksize} do not go with layout {form}; a "
            "blocksize is needed for sparse_bsr and sparse_bsc, and only for them"
        )
    if isinstance(self, SparseTensor):
        if form is self._form:
            if sparse_dim not in (None, self.sparse_dim()):
                raise RuntimeError(
                    f"to_sparse: conversion from {form} to {form} with sparse_dim argument {sparse_dim} "
                    f"!=self.sparse_dim() is not supported"
                )
            return self
        coo = as_coo(self)
    else:
        coo = _dense_to_coo(self, sparse_dim if form is sparse_coo else 2 if dense_dim is not None else None)
    if form is sparse_coo:
        return coo
    return blocked(coo, form, blocksize) if blocksize is not None else compressed(coo, form)


def _to(name: str, form: Layout) -> Any:
    def plainly(self: Tensor, dense_dim: int | None = None) -> Tensor:
        return to_sparse(self, layout=form, dense_dim=dense_dim)

    def in_blocks(self: Tensor, blocksize: Any, dense_dim: int | None = None) -> Tensor:
        return to_sparse(self, layout=form, blocksize=blocksize, dense_dim=dense_dim)

    convert: Any = in_blocks if form in (sparse_bsr, sparse_bsc) else plainly
    convert.__name__ = convert.__qualname__ = name
    convert.__doc__ = f"The tensor with layout `{form}`: see `to_sparse`."
    return convert


to_sparse_csr, to_sparse_csc = _to("to_sparse_csr", sparse_csr), _to("to_sparse_csc", sparse_csc)
to_sparse_bsr, to_sparse_bsc = _to("to_sparse_bsr", sparse_bsr), _to("to_sparse_bsc", sparse_bsc)


def to_sparse_coo(self: Tensor) -> Tensor:
    """The tensor with coordinates: see `to_sparse`."""
    return to_sparse(self)


# ----- layouts -----


def as_coo(t: SparseTensor) -> SparseTensor:
    """The same elements with coordinates."""
    if t._form is sparse_coo:
        return t
    made = coordinate(t._array(), passed_on(t._elements()), t._node.shape, t._form is sparse_csr)
    return made if made._coalesced else coalesce(made)


def compressed(t: SparseTensor, form: Layout) -> SparseTensor:
    """A COO matrix in a compressed layout without blocks."""
    if t.sparse_dim() != 2:
        raise RuntimeError(
            f"to_sparse: conversion to {form} takes tensors with two sparse dimensions, got "
            f"{t.sparse_dim()}; batches are not supported"
        )
    t = coalesce(t)
    (rows, columns), entries = t._array(), passed_on(t._entries)
    extent = t._node.shape[0 if form in BY_ROWS else 1]
    if form not in BY_ROWS:
        order = np.lexsort((rows, columns))
        rows, columns, entries = columns[order], rows[order], picked(entries, order)
    return assemble(form, from_array(columns.copy()), entries, t._node.shape, _pointers(rows, extent))


def _pointers(groups: np.ndarray, count: int) -> Tensor:
    """Where each group begins, if elements are in the order of their groups."""
    return from_array(np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=count))]).astype(np.int64))


def blocked(t: SparseTensor, form: Layout, blocksize: Any) -> SparseTensor:
    """A COO matrix in a layout of blocks: those that have an element."""
    high, wide = blocksize
    shape = t._node.shape
    if len(shape) != 2 or shape[0] % high or shape[1] % wide:
        raise RuntimeError(
            f"to_sparse: tensor of size {list(shape)} must be divisible by the blocksize {blocksize}"
        )
    t = coalesce(t)
    rows, columns = t._array()
    by_rows = form in BY_ROWS
    groups, inner = (rows // high, columns // wide) if by_rows else (columns // wide, rows // high)
    across = shape[1] // wide if by_rows else shape[0] // high
    numbers, which = np.unique(groups * across + inner, return_inverse=True)
    at = (which * high + rows % high) * wide + columns % wide
    blocks = summed(t._entries, from_array(at), len(numbers) * high * wide)
    entries = reshape(blocks, (len(numbers), high, wide))
    pointers = _pointers(numbers // across, shape[0] // high if by_rows else shape[1] // wide)
    return assemble(form, from_array(numbers % across), entries, shape, pointers)


def coalesce(self: Tensor) -> SparseTensor:
    """The tensor with coordinates in order, each of them once: elements of the same are added up.

    Itself if it is that already. RuntimeError for another layout.

    >>> import flambeau as torch
    >>> torch.sparse_coo_tensor([[1, 0, 1]], [1., 2., 3.]).coalesce().values()
    tensor([2., 4.])
    """
    t = _coo("coalesce", self)
    if t._coalesced:
        return t
    flat = t._flat()
    numbers, first, which = np.unique(flat, return_index=True, return_inverse=True)
    array = t._array()[:, first]
    if len(numbers) == len(flat):
        entries = passed_on(t._entries) if (np.diff(flat) > 0).all() else picked(t._entries, first)
    else:
        entries = summed(t._entries, from_array(which.astype(np.int64)), len(numbers))
    return coordinate(array, entries, t._node.shape, True)


def _coo(what: str, t: Any) -> SparseTensor:
    if not isinstance(t, SparseTensor) or t._form is not sparse_coo:
        layout = t._form if isinstance(t, SparseTensor) else "Strided"
        raise RuntimeError(
            f"{what} expected sparse coordinate tensor layout but got {layout}; use .to_sparse()"
        )
    return t


# ----- parts -----


def is_coalesced(self: Tensor) -> bool:
    """Whether the coordinates are known to be in order, each of them once."""
    return _coo("is_coalesced", self)._coalesced


def _in_order(what: str, self: Tensor) -> SparseTensor:
    t = _coo(what, self)
    if not t._coalesced:
        raise RuntimeError(
            f"{what}: Cannot get {what} on an uncoalesced tensor, please call .coalesce() first"
        )
    return t


def indices(self: Tensor) -> Tensor:
    """The coordinates, (sparse dimensions, n). RuntimeError unless they are coalesced."""
    return _in_order("indices", self)._places.detach()


def _indices(self: Tensor) -> Tensor:
    """The coordinates as they are."""
    return _coo("_indices", self)._places.detach()


def values(self: Tensor) -> Tensor:
    """The elements that are kept, (n, *dense). RuntimeError for coordinates that aren't coalesced."""
    t = check_sparse("values", "self", self)
    return passed_on((t if t._pointers is not None else _in_order("values", t))._entries)


def _values(self: Tensor) -> Tensor:
    """The elements as they are, without history."""
    return _coo("_values", self)._entries.detach()


def _nnz(self: Tensor) -> int:
    """How many elements are kept."""
    return SparseTensor._nnz(check_sparse("_nnz", "self", self))


def _part(name: str, plain: bool, of: str) -> Any:
    def part(self: Tensor) -> Tensor:
        t = self if isinstance(self, SparseTensor) else None
        if t is None or NAMES.get(t._form, ())[int(plain) : int(plain) + 1] != (name,):
            layout = "Strided" if t is None else t._form
            raise RuntimeError(f"{name} expected sparse tensor of compressed {of} but got {layout}")
        found = t._places if plain else t._pointers
        assert found is not None
        return found.detach()

    part.__name__ = part.__qualname__ = name
    part.__doc__ = f"The `{name}` of a matrix of compressed {of}. RuntimeError for other layouts."
    return part


crow_indices, col_indices = _part("crow_indices", False, "rows"), _part("col_indices", True, "rows")
ccol_indices, row_indices = _part("ccol_indices", False, "columns"), _part("row_indices", True, "columns")


def sparse_dim(self: Tensor) -> int:
    """How many dimensions are sparse: none of a dense tensor."""
    return self.sparse_dim() if isinstance(self, SparseTensor) else 0


def dense_dim(self: Tensor) -> int:
    """How many dimensions are dense: all of a dense tensor."""
    return self.dense_dim() if isinstance(self, SparseTensor) else self.ndim


# ----- picking by a mask -----


def sparse_mask(self: Tensor, mask: Tensor) -> SparseTensor:
    """The elements of this tensor at the places of `mask`, as a sparse tensor like it. RuntimeError if the
    shapes differ."""
    if not isinstance(mask, SparseTensor):
        raise refusal("sparse_mask: with a dense mask")
    if self.shape != mask.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(self.shape)} but mask has "
            f"size {list(mask.shape)}"
        )
    if isinstance(self, SparseTensor):
        if self._places is mask._places and self._pointers is mask._pointers:
            return mask._with(passed_on(self._entries))
        entries = _looked_up(coalesce(as_coo(self)), mask)
    else:
        rows = reshape(
            self.contiguous(), (numel(mask._sparse_shape()), *self._node.shape[mask.sparse_dim() :])
        )
        entries = index_select(rows, 0, flat_index(mask))
    if mask._form in (sparse_bsr, sparse_bsc):
        entries = reshape(entries, mask._entries._node.shape)
    return mask._with(entries)


def _looked_up(t: SparseTensor, mask: SparseTensor) -> Tensor:
    """The elements of `t`, which is coalesced, at the places of `mask`; zero where it has none."""
    have, want = t._flat(), mask._flat()
    at = np.searchsorted(have, want)
    at[at == len(have)] = 0
    found = have[at] == want if len(have) else np.zeros(len(want), bool)
    blank = zeros((len(want), *t._entries._node.shape[1:]), dtype=t.dtype)
    where = from_array(np.nonzero(found)[0])
    return index_put(blank, picked(t._entries, at[found]), (where,), (0,), False)


# ----- copies -----


def clone(input: SparseTensor, *, memory_format: Any = None) -> SparseTensor:
    """A copy with parts of its own; gradients flow through it."""
    made = input._with(input._entries.clone())
    made._places = input._places.clone()
    return made


def to(self: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
    """This tensor with another dtype; see `Tensor.to`."""
    if args and isinstance(args[0], SparseTensor):
        args = (args[0].dtype, *args[1:])
    entries = dense_convert.to(self._entries, *args, **kwargs)
    if entries.device is not self.device:
        raise NotImplementedError(
            f"to: sparse tensors are supported on the CPU only, not on {entries.device}"
        )
    return self if entries is self._entries else self._with(entries)


def turned(entries: Tensor, order: tuple[int, ...]) -> Tensor:
    """Entries with their own dimensions in another order."""
    own = (0, *(d + 1 for d in order))
    return passed_on(entries) if own == tuple(range(len(own))) else permute(entries, own)
