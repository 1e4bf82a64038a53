"""Sparse tensors from their parts."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.device import device as Device
from ...core.device import resolve
from ...core.layout import layout as Layout
from ...core.layout import sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr
from ...core.tensor import Tensor
from ...ops.kinds import cast
from ..calling import positive_shape
from ..creation import as_tensor, zeros
from .tensor import BY_ROWS, NAMES, SparseTensor, assemble, counted, passed_on

_Device = Device | str | None


class check_sparse_tensor_invariants:
    """A block in which sparse tensors are checked thoroughly as they are made, or (with False) are not.

    Places that lie outside are always an error; this adds that what is said to be coalesced is.

    >>> import flambeau as torch
    >>> with torch.sparse.check_sparse_tensor_invariants():
    ...     torch.sparse.check_sparse_tensor_invariants.is_enabled()
    True
    """

    _state = False

    def __init__(self, enable: bool = True) -> None:
        self._wanted, self._before = enable, [False]

    @staticmethod
    def is_enabled() -> bool:
        """Whether thorough checks are made."""
        return check_sparse_tensor_invariants._state

    @staticmethod
    def enable() -> None:
        """Begins to check thoroughly."""
        check_sparse_tensor_invariants._state = True

    @staticmethod
    def disable() -> None:
        """Ends it."""
        check_sparse_tensor_invariants._state = False

    def __enter__(self) -> None:
        self._before.append(self.is_enabled())
        check_sparse_tensor_invariants._state = self._wanted

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        check_sparse_tensor_invariants._state = self._before.pop()

    def __call__(self, function: Any) -> Any:
        """The function, with its body as such a block."""

        def inside(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self._wanted):
                return function(*args, **kwargs)

        return inside


def sparse_coo_tensor(
    indices: Any = None,
    values: Any = None,
    size: Any = None,
    *,
    dtype: dt.dtype | None = None,
    device: _Device = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> Tensor:
    """A sparse tensor of coordinates: `indices` (sparse dimensions, n) says where the n `values` are; what is
    named more than once counts as the sum.

    Values may have dimensions of their own (n, *dense). By default `size` just holds all indices. With a size
    alone nothing is kept. RuntimeError for parts that don't fit or indices outside of the size; with
    `check_invariants` also for indices out of order that `is_coalesced` says are in order.

    >>> import flambeau as torch
    >>> torch.sparse_coo_tensor([[0, 1], [2, 0]], [3., 4.], (2, 3)).to_dense()
    tensor([[0., 0., 3.],
            [4., 0., 0.]])
    """
    what = "sparse_coo_tensor"
    if values is None and (indices is None or size is None):
        shape = positive_shape(what, (size if indices is None else indices,))
        places = zeros((len(shape), 0), dtype=dt.int64)
        entries = zeros((0,), dtype=dtype or dt.get_default_dtype())
        return _finished(assemble(sparse_coo, places, entries, shape, None, True), device, requires_grad)
    places, entries = _index(what, indices, dt.int64), _values(values, dtype)
    if entries.ndim == 0:
        entries = entries.expand(places.shape[-1]).clone()
    array, shape = _fitting(what, places, entries, size)
    coalesced = array.shape[1] < 2 if is_coalesced is None else bool(is_coalesced)
    if check_invariants is None:
        check_invariants = check_sparse_tensor_invariants.is_enabled()
    if coalesced and check_invariants and (np.diff(counted(array, shape[: len(array)])) <= 0).any():
        raise RuntimeError(
            f"{what}: cannot set is_coalesced to true if indices correspond to uncoalesced COO tensor"
        )
    made = assemble(sparse_coo, places, passed_on(entries), shape, None, coalesced)
    return _finished(made, device, requires_grad)


def _fitting(what: str, places: Tensor, entries: Tensor, size: Any) -> tuple[np.ndarray, tuple[int, ...]]:
    """The coordinates and the shape; RuntimeError if they or the entries don't fit."""
    if places.ndim != 2:
        raise RuntimeError(
            f"{what}: indices must be sparse_dim x nnz, but got shape {tuple(places.shape)}; use [[...]]"
        )
    if places.shape[1] != entries.shape[0]:
        raise RuntimeError(
            f"{what}: indices and values must have same nnz, but got nnz from indices: {places.shape[1]}, "
            f"nnz from values: {entries.shape[0]}"
        )
    array = places._value(what)
    shape = _size_for(what, array, entries) if size is None else tuple(size)
    dims = places.shape[0] + entries.ndim - 1
    if len(shape) != dims:
        raise RuntimeError(
            f"{what}: 'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = {len(shape)}, "
            f"sparse_dim = {places.shape[0]}, dense_dim = {entries.ndim - 1}"
        )
    if shape[places.shape[0] :] != tuple(entries.shape[1:]):
        raise RuntimeError(
            f"{what}: values has incorrect size, expected {list(shape[places.shape[0] :])} for an element, "
            f"got {list(entries.shape[1:])}"
        )
    _check_coordinates(what, array, shape)
    return array, shape


def _finished(t: SparseTensor, device: _Device, requires_grad: bool) -> SparseTensor:
    if resolve(device) is not t.device:
        raise NotImplementedError(f"sparse tensors are supported on the CPU only, not on {device}")
    return t.requires_grad_() if requires_grad else t


def _index(what: str, indices: Any, d: dt.dtype | None) -> Tensor:
    t = as_tensor(indices).detach()
    if t.dtype not in (dt.int64, dt.int32):
        t = cast(t, dt.int64)
    return t if d is None or t.dtype is d else cast(t, d)


def _values(values: Any, d: dt.dtype | None) -> Tensor:
    t = as_tensor(values)
    return t if d is None or t.dtype is d else cast(t, d)


def _size_for(what: str, array: np.ndarray, entries: Tensor) -> tuple[int, ...]:
    """The smallest size that holds all coordinates."""
    if array.shape[1]:
        for dim, low in enumerate(array.min(1).tolist()):
            if low < 0:
                raise RuntimeError(f"{what}: found negative index {low} for dim {dim}")
        extents = (array.max(1) + 1).tolist()
    else:
        extents = [0] * len(array)
    return (*extents, *entries.shape[1:])


def _check_coordinates(what: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape[1] == 0:
        return
    for dim, (low, high) in enumerate(zip(array.min(1).tolist(), array.max(1).tolist(), strict=True)):
        if low < 0:
            raise RuntimeError(f"{what}: found negative index {low} for dim {dim}")
        if high >= shape[dim]:
            raise RuntimeError(
                f"{what}: size is inconsistent with indices: for dim {dim}, size is {shape[dim]} but found "
                f"index {high}"
            )


# ----- compressed layouts -----


def sparse_compressed_tensor(
    compressed_indices: Any,
    plain_indices: Any,
    values: Any,
    size: Any = None,
    *,
    dtype: dt.dtype | None = None,
    layout: Layout | None = None,
    device: _Device = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    check_invariants: bool | None = None,
) -> Tensor:
    """A sparse matrix in a compressed layout: `torch.sparse_csr`, `sparse_csc`, `sparse_bsr` or `sparse_bsc`.

    Row i (column i) has the elements from number `compressed_indices[i]` up to `compressed_indices[i + 1]`,
    whose columns (rows) are `plain_indices`, in order; for the blocked layouts an element is a block (high,
    wide). RuntimeError for parts that don't fit; batches of matrices are not supported.

    >>> import flambeau as torch
    >>> torch.sparse_compressed_tensor([0, 1, 2], [1, 0], [3., 4.], layout=torch.sparse_csr).to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    if layout not in NAMES:
        raise RuntimeError(
            f"sparse_compressed_tensor: expected a compressed sparse layout, such as torch.sparse_csr, got "
            f"{layout}"
        )
    what = f"{layout}_tensor".removeprefix("torch.")
    pointers, places = _index(what, compressed_indices, None), _index(what, plain_indices, None)
    entries = _values(values, dtype)
    if pointers.ndim != 1 or places.ndim != 1:
        raise NotImplementedError(
            f"{what}: batches of matrices (indices of shape {tuple(pointers.shape)}) are not supported; use "
            "torch.sparse_coo_tensor"
        )
    if pointers.dtype is not places.dtype:
        pointers, places = cast(pointers, dt.int64), cast(places, dt.int64)
    blocks = entries.shape[1:3] if layout in (sparse_bsr, sparse_bsc) else (1, 1)
    if len(blocks) < 2 or places.shape[0] != entries.shape[0] or pointers.shape[0] == 0:
        raise RuntimeError(
            f"{what}: number of dimensions or of elements does not fit: {NAMES[layout]} of shapes "
            f"{tuple(pointers.shape)}, {tuple(places.shape)}, values of shape {tuple(entries.shape)}"
        )
    by_rows = layout in BY_ROWS
    first, second = pointers._value(what), places._value(what)
    if size is None:
        across = int(second.max()) + 1 if second.size else 0
        high, wide = (len(first) - 1, across) if by_rows else (across, len(first) - 1)
        dense = (
            entries.shape[3:] if blocks != (1, 1) or layout in (sparse_bsr, sparse_bsc) else entries.shape[1:]
        )
        size = (high * blocks[0], wide * blocks[1], *dense)
    if len(size) < 2 or min(size) < 0:
        raise RuntimeError(f"{what}: size {list(size)} is not that of a matrix")
    _check_compressed(what, NAMES[layout], first, second, size, blocks, by_rows)
    made = assemble(layout, places, passed_on(entries), tuple(size), pointers)
    return _finished(made, device, requires_grad)


def _check_compressed(
    what: str, names: Any, first: np.ndarray, second: np.ndarray, size: Any, blocks: Any, by_rows: bool
) -> None:
    """RuntimeError for indices that don't fit, or are out of order."""
    groups, across = [extent // block for extent, block in zip(size[:2], blocks, strict=True)]
    if not by_rows:
        groups, across = across, groups
    if len(first) != groups + 1:
        raise RuntimeError(f"{what}: `{names[0]}.shape[-1] == {groups} + 1` is not satisfied: {len(first)}")
    if first[0] != 0 or first[-1] != len(second):
        raise RuntimeError(
            f"{what}: `{names[0]}[..., 0] == 0` and `{names[0]}[..., -1] == nnz` is not satisfied: it goes "
            f"from {first[0]} to {first[-1]}, nnz is {len(second)}"
        )
    steps = np.diff(first)
    if (steps < 0).any() or (steps > across).any():
        raise RuntimeError(
            f"{what}: `0 <= {names[0]}[..., 1:] - {names[0]}[..., :-1] <= {across}` is not satisfied"
        )
    if second.size and not 0 <= second.min() <= second.max() < across:
        raise RuntimeError(f"{what}: `0 <= {names[1]} < {across}` is not satisfied")
    inside = np.ones(max(len(second) - 1, 0), bool)
    inside[first[1:-1][(first[1:-1] > 0) & (first[1:-1] < len(second))] - 1] = False
    if (np.diff(second)[inside] <= 0).any():
        raise RuntimeError(f"{what}: `{names[1]}` must be sorted and distinct within each group")


def of_parts(layout: Layout, parts: tuple[Any, ...]) -> Tensor:
    """A sparse tensor of the parts that files keep of it."""
    if layout is sparse_coo:
        places, entries, size, *coalesced = parts
        return sparse_coo_tensor(places, entries, size, is_coalesced=coalesced[0] if coalesced else None)
    return sparse_compressed_tensor(*parts, layout=layout)


def _compressed(name: str, layout: Layout, first: str, second: str, of: str) -> Any:
    def make(
        compressed: Any,
        plain: Any,
        values: Any,
        size: Any = None,
        *,
        dtype: dt.dtype | None = None,
        device: _Device = None,
        pin_memory: bool = False,
        requires_grad: bool = False,
        check_invariants: bool | None = None,
    ) -> Tensor:
        return sparse_compressed_tensor(
            compressed, plain, values, size, dtype=dtype, layout=layout, device=device,
            requires_grad=requires_grad, check_invariants=check_invariants,
        )  # fmt: skip

    def named(*args: Any, **kwargs: Any) -> Tensor:
        if first in kwargs:
            kwargs["compressed"] = kwargs.pop(first)
        if second in kwargs:
            kwargs["plain"] = kwargs.pop(second)
        return make(*args, **kwargs)

    named.__name__ = named.__qualname__ = name
    named.__doc__ = (
        f"A sparse matrix of compressed {of}, from `{first}`, `{second}`, `values` and a size: see "
        "`torch.sparse_compressed_tensor`."
    )
    return named


sparse_csr_tensor = _compressed("sparse_csr_tensor", sparse_csr, "crow_indices", "col_indices", "rows")
sparse_csc_tensor = _compressed("sparse_csc_tensor", sparse_csc, "ccol_indices", "row_indices", "columns")
sparse_bsr_tensor = _compressed(
    "sparse_bsr_tensor", sparse_bsr, "crow_indices", "col_indices", "rows of blocks"
)
sparse_bsc_tensor = _compressed(
    "sparse_bsc_tensor", sparse_bsc, "ccol_indices", "row_indices", "columns of blocks"
)
