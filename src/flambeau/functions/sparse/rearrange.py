"""Parts of sparse tensors, their dimensions in another order, and several joined."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.layout import sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr
from ...core.tensor import Tensor, from_array
from ...ops.kinds import cast
from ...ops.op import wrap_dim
from ...ops.view import permute as permute_dense
from .. import indexing
from .. import joining as dense_joining
from .. import shape as dense_shape
from ..calling import shape_of
from ..creation import zeros
from .construct import sparse_coo_tensor
from .convert import as_coo, picked, to_sparse
from .tensor import SparseTensor, assemble, check_sparse, coordinate, passed_on, refusal

_OTHER = {
    sparse_csr: sparse_csc,
    sparse_csc: sparse_csr,
    sparse_bsr: sparse_bsc,
    sparse_bsc: sparse_bsr,
}


def permute(input: SparseTensor, *dims: Any) -> SparseTensor:
    """The dimensions in another order, sparse ones among themselves and dense ones among themselves."""
    order = tuple(dims[0]) if len(dims) == 1 and not isinstance(dims[0], int) else dims
    order = tuple(wrap_dim("permute", d, input.ndim) for d in order)
    if len(order) != input.ndim or len(set(order)) != len(order):
        raise RuntimeError(f"permute: the dims {order} are not the {input.ndim} dimensions of the tensor")
    if order == tuple(range(input.ndim)):
        return input
    shape = tuple(input._node.shape[d] for d in order)
    if input._form is not sparse_coo:
        if order[:2] != (1, 0) or input.ndim > 2:
            raise refusal("permute: of a compressed layout")
        entries = input._entries
        if input._form in (sparse_bsr, sparse_bsc):
            entries = permute_dense(entries, (0, 2, 1))
        return assemble(_OTHER[input._form], input._places, passed_on(entries), shape, input._pointers)
    first = input.sparse_dim()
    if any(d >= first for d in order[:first]):
        raise RuntimeError(
            f"permute: transposed dimensions must be sparse: got sparse_dim {first}, dims {order}; sparse "
            "and dense dimensions don't change places"
        )
    inner = (0, *(d - first + 1 for d in order[first:]))
    entries = passed_on(input._entries)
    if inner != tuple(range(len(inner))):
        entries = permute_dense(entries, inner)
    moved = order[:first] != tuple(range(first))
    found = coordinate(input._array()[list(order[:first])], entries, shape, input._coalesced and not moved)
    for new, old in enumerate(order[:first]):
        if f"index {old}" in input._known:
            found._known[f"index {new}"] = input._known[f"index {old}"]
    return found


def transpose(input: SparseTensor, dim0: int, dim1: int) -> SparseTensor:
    """Two dimensions exchanged."""
    order = list(range(input.ndim))
    a, b = wrap_dim("transpose", dim0, input.ndim), wrap_dim("transpose", dim1, input.ndim)
    order[a], order[b] = b, a
    return permute(input, order)


def t(input: SparseTensor) -> SparseTensor:
    """A matrix with rows and columns exchanged. RuntimeError for more dimensions."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input if input.ndim < 2 else transpose(input, 0, 1)


def transposed(self: SparseTensor) -> SparseTensor:
    """The dimensions in reverse order."""
    return permute(self, tuple(reversed(range(self.ndim))))


def unsqueeze(input: SparseTensor, dim: int) -> SparseTensor:
    """A dimension of extent 1 put in."""
    x = as_coo(input)
    at, first = wrap_dim("unsqueeze", dim, x.ndim + 1), x.sparse_dim()
    shape = (*x._node.shape[:at], 1, *x._node.shape[at:])
    if at > first:
        entries = dense_shape.unsqueeze(x._entries, at - first + 1)
        return coordinate(x._array(), entries, shape, x._coalesced)
    array = np.insert(x._array(), at, 0, axis=0)
    return coordinate(array, passed_on(x._entries), shape, x._coalesced)


# ----- parts -----


def select(input: SparseTensor, dim: int, index: int) -> Tensor:
    """The slice number `index` along a dimension: dense if no sparse dimension is left."""
    x = as_coo(input)
    dim = wrap_dim("select", dim, x.ndim)
    extent = x._node.shape[dim]
    if not -extent <= index < extent:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(x.shape)} at dimension {dim}"
        )
    shape = x._node.shape[:dim] + x._node.shape[dim + 1 :]
    if dim >= x.sparse_dim():
        entries = dense_shape.select(x._entries, dim - x.sparse_dim() + 1, index)
        return coordinate(x._array(), entries, shape, x._coalesced)
    which = np.flatnonzero(x._array()[dim] == index % extent)
    entries = picked(x._entries, which)
    if x.sparse_dim() == 1:
        return entries.sum(0, dtype=entries.dtype)
    return coordinate(np.delete(x._array()[:, which], dim, 0), entries, shape, x._coalesced)


def getitem(self: SparseTensor, index: Any) -> Tensor:
    """Slices by whole numbers; `:` and `...` pass over dimensions. Other indices are refused."""
    items = list(index) if isinstance(index, tuple) else [index]
    if Ellipsis in items:
        at = items.index(Ellipsis)
        items[at : at + 1] = [slice(None)] * (self.ndim - len(items) + 1)
    found: Tensor = self
    dim = 0
    for item in items:
        if isinstance(item, slice) and item == slice(None):
            dim += 1
        elif isinstance(item, int) and not isinstance(item, bool):
            if dim >= found.ndim:
                raise IndexError(f"too many indices for tensor of dimension {self.ndim}")
            found = select(found, dim, item) if isinstance(found, SparseTensor) else found.select(dim, item)
        else:
            raise refusal(f"indexing by {type(item).__name__}")
    return found


def unbind(input: SparseTensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along a dimension."""
    return tuple(select(input, dim, i) for i in range(input.shape[dim]))


def iterate(self: SparseTensor) -> Any:
    """The slices along the first dimension."""
    return iter(unbind(self))


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices that `index` names, along a dimension."""
    if not isinstance(input, SparseTensor) or input._form is not sparse_coo:
        raise refusal("index_select: of this layout")
    dim = wrap_dim("index_select", dim, input.ndim)
    wanted = index._value("index_select").reshape(-1)
    extent = input._node.shape[dim]
    if wanted.size and not 0 <= wanted.min() <= wanted.max() < extent:
        raise IndexError(
            f"index_select(): index contains {wanted.max()} that is out of range for size {extent}"
        )
    shape = (*input._node.shape[:dim], len(wanted), *input._node.shape[dim + 1 :])
    if dim >= input.sparse_dim():
        entries = indexing.index_select(input._entries, dim - input.sparse_dim() + 1, index)
        return coordinate(input._array(), entries, shape, input._coalesced)
    own = input._array()[dim]
    order = np.argsort(own, kind="stable")
    starts = np.searchsorted(own[order], wanted, "left")
    counts = np.searchsorted(own[order], wanted, "right") - starts
    at = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)
    which = order[at]
    array = input._array()[:, which]
    array[dim] = np.repeat(np.arange(len(wanted)), counts)
    return coordinate(array, picked(input._entries, which), shape)


def narrow_copy(input: SparseTensor, dim: int, start: int, length: int) -> SparseTensor:
    """The slices from `start` on, `length` of them, as a copy."""
    x = as_coo(input)
    dim = wrap_dim("narrow_copy", dim, x.ndim)
    extent = x._node.shape[dim]
    start = start + extent if start < 0 else start
    if not 0 <= start <= start + length <= extent:
        raise RuntimeError(
            f"narrow_copy: start ({start}) + length ({length}) exceeds dimension size ({extent})."
        )
    shape = (*x._node.shape[:dim], length, *x._node.shape[dim + 1 :])
    if dim >= x.sparse_dim():
        entries = dense_shape.narrow(x._entries, dim - x.sparse_dim() + 1, start, length).clone()
        return coordinate(x._array(), entries, shape, x._coalesced)
    own = x._array()[dim]
    which = np.flatnonzero((own >= start) & (own < start + length))
    array = x._array()[:, which]
    array[dim] -= start
    return coordinate(array, picked(x._entries, which), shape, x._coalesced)


# ----- several -----


def cat(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> SparseTensor:
    """COO tensors one after the other along a dimension. RuntimeError if others of their extents differ."""
    several = list(tensors)
    if out is not None or not all(isinstance(x, SparseTensor) and x._form is sparse_coo for x in several):
        raise refusal("cat: of tensors that aren't all in COO layout, or with out=,")
    first = several[0]
    dim = wrap_dim("cat", dim, first.ndim)
    for x in several:
        fits = x.ndim == first.ndim and x.sparse_dim() == first.sparse_dim()
        if not fits or any(
            a != b for d, (a, b) in enumerate(zip(x.shape, first.shape, strict=True)) if d != dim
        ):
            raise RuntimeError(
                f"cat: All tensors must have the same shape except in the concatenating dimension: "
                f"{list(x.shape)} (sparse_dim {x.sparse_dim()}) vs {list(first.shape)} ({first.sparse_dim()})"
            )
    d = several[0].dtype
    for x in several:
        d = dt.promote_types(d, x.dtype)
    ends = np.cumsum([x._node.shape[dim] for x in several])
    shape = (*first._node.shape[:dim], int(ends[-1]), *first._node.shape[dim + 1 :])
    arrays = [x._array().copy() for x in several]
    entries = [cast(x._entries, d) for x in several]
    if dim < first.sparse_dim():
        for array, end, x in zip(arrays, ends, several, strict=True):
            array[dim] += end - x._node.shape[dim]
    else:
        entries = [
            _widened(e, x, int(end), shape, dim) for e, end, x in zip(entries, ends, several, strict=True)
        ]
    return coordinate(np.concatenate(arrays, 1), dense_joining.cat(entries), shape)


def _widened(entries: Tensor, x: SparseTensor, end: int, shape: tuple[int, ...], dim: int) -> Tensor:
    """Entries with zeros before and after them in a dense dimension."""
    inner = dim - x.sparse_dim() + 1
    own = list(entries._node.shape)
    parts = []
    for extent in (end - x._node.shape[dim], None, shape[dim] - end):
        own[inner] = extent or 0
        parts.append(entries if extent is None else zeros(tuple(own), dtype=entries.dtype))
    return dense_joining.cat(parts, inner)


def stack(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> SparseTensor:
    """COO tensors of the same shape side by side in a new dimension."""
    several = [check_sparse("stack", "tensors", x) for x in tensors]
    at = wrap_dim("stack", dim, several[0].ndim + 1)
    return cat([unsqueeze(x, at) for x in several], at, out=out)


# ----- sizes -----


def _resized(
    self: SparseTensor, size: Any, sparse_dim: int, dense_dim: int, cleared: bool, what: str
) -> SparseTensor:
    shape = tuple(size)
    if len(shape) != sparse_dim + dense_dim:
        raise RuntimeError(
            f"{what}: 'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(shape)}, "
            f"sparse_dim = {sparse_dim}, dense_dim = {dense_dim}"
        )
    if cleared or self._nnz() == 0:
        places = np.zeros((sparse_dim, 0), np.int64)
        entries = zeros((0, *shape[sparse_dim:]), dtype=self.dtype)
        return self._become(coordinate(places, entries, shape, True))
    if (sparse_dim, dense_dim) != (self.sparse_dim(), self.dense_dim()) or any(
        new < old for new, old in zip(shape, self._node.shape, strict=True)
    ):
        raise RuntimeError(
            f"{what}: changing the number of dimensions, or shrinking the size (from {list(self.shape)} to "
            f"{list(shape)}) on a non-empty sparse tensor is not supported; use sparse_resize_and_clear_"
        )
    if shape[sparse_dim:] != self._node.shape[sparse_dim:]:
        raise refusal(f"{what}: with larger dense dimensions")
    return self._become(coordinate(self._array(), self._entries, shape, self._coalesced))


def sparse_resize_(self: SparseTensor, size: Any, sparse_dim: int, dense_dim: int) -> SparseTensor:
    """Another size for the same elements, which must lie within it."""
    return _resized(self, size, sparse_dim, dense_dim, False, "sparse_resize_")


def sparse_resize_and_clear_(self: SparseTensor, size: Any, sparse_dim: int, dense_dim: int) -> SparseTensor:
    """Another size, and no elements."""
    return _resized(self, size, sparse_dim, dense_dim, True, "sparse_resize_and_clear_")


def zeros_like(
    input: SparseTensor, *, dtype: dt.dtype | None = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """No elements, in the shape and the layout of `input`."""
    d = dtype or input.dtype
    if layout not in (None, input._form):
        blank = sparse_coo_tensor(size=input.shape, dtype=d, requires_grad=requires_grad)
        return to_sparse(blank, layout=layout)
    if input._form is sparse_coo:
        entries = zeros((0, *input._entries._node.shape[1:]), dtype=d)
        made = coordinate(np.zeros((input.sparse_dim(), 0), np.int64), entries, input._node.shape, True)
    else:
        assert input._pointers is not None
        pointers = zeros(input._pointers.shape, dtype=input._pointers.dtype)
        entries = zeros((0, *input._entries._node.shape[1:]), dtype=d)
        empty = from_array(np.zeros(0, input._places.dtype.np))
        made = assemble(input._form, empty, entries, input._node.shape, pointers)
    return made.requires_grad_() if requires_grad else made


def new_zeros(
    self: SparseTensor, *size: Any, dtype: dt.dtype | None = None, device: Any = None, layout: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A COO tensor of a shape, with no elements."""
    return sparse_coo_tensor(
        size=shape_of("new_zeros", size),
        dtype=dtype or self.dtype,
        device=device,
        requires_grad=requires_grad,
    )
