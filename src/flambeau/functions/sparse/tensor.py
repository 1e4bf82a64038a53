"""The sparse tensor: a handle on dense tensors, which hold the elements that are there and say where.

`_entries` (n, *dense) are the elements; they carry the history. `_places` says where: one row a sparse
dimension (COO), or numbers within rows or columns, with `_pointers` to where each row or column begins
(compressed). Gradients are those of the entries. Its node has a shape and a dtype, and no value: an operation
that reads it is refused.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import numpy as np

from ...autograd.grad_mode import no_grad
from ...core import dtype as dt
from ...core.dispatch import disabled
from ...core.layout import layout as Layout
from ...core.layout import sparse_bsc, sparse_bsr, sparse_coo, sparse_csc, sparse_csr
from ...core.modes import modes
from ...core.node import Node
from ...core.printing import format_sparse
from ...core.realize import PACKAGE
from ...core.tensor import Tensor, from_array
from ...ops.view import reshape

# Functions that look at nothing but shape and dtype.
PLAIN = {
    "is_tensor", "is_floating_point", "is_complex", "is_signed", "is_same_size", "is_conj", "is_neg", "numel",
    "result_type", "get_device",
}  # fmt: skip
BY_ROWS = (sparse_csr, sparse_bsr)  # the compressed layouts whose pointers are those of rows
NAMES = {
    sparse_csr: ("crow_indices", "col_indices"),
    sparse_bsr: ("crow_indices", "col_indices"),
    sparse_csc: ("ccol_indices", "row_indices"),
    sparse_bsc: ("ccol_indices", "row_indices"),
}


class _NoMemory:
    """Stands where a dense tensor has its storage: it sends readers to `_current`, which refuses."""

    node = shared = None

    def __bool__(self) -> bool:
        return False


class _Sparse:
    """The operation of a sparse tensor's node: none."""

    name, kind, attrs = "sparse", "opaque", ()
    effect = writes = widens = checks = False


_NOTHING = _Sparse()


class SparseTensor(Tensor):
    """A tensor most of whose elements are zero and are not kept. `torch.sparse_coo_tensor` and its like make
    them.

    >>> import flambeau as torch
    >>> torch.eye(2).to_sparse().values()
    tensor([1., 1.])
    """

    _storage: Any = _NoMemory()
    _sparse = True
    _form: Layout = sparse_coo
    _places: Tensor
    _entries: Tensor
    _pointers: Tensor | None = None
    _coalesced: bool = False
    # What functions and methods of a name do, and which take something dense first; filled by `table`.
    table: ClassVar[dict[str, Any]] = {}
    mixed: ClassVar[frozenset[str]] = frozenset()

    # ----- functions -----

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What a public function does with sparse tensors: what the table says, or it refuses."""
        name = getattr(func, "__name__", repr(func))
        found = cls.table.get(name)
        if found is None and name in PLAIN:
            return disabled(func, types, args, kwargs)
        first = args[0] if args else (kwargs or {}).get("input")
        if found is None or not (name in cls.mixed or isinstance(first, SparseTensor)):
            raise refusal(name)
        return found(*args, **(kwargs or {}))

    def _current(self) -> Node:
        raise _unread()

    def _value(self, reason: str) -> np.ndarray:
        raise refusal(reason)

    def _own_storage(self) -> Any:
        raise _unread()

    def _layout(self) -> tuple[tuple[int, ...], int]:
        raise RuntimeError(f"stride: {self._form} tensors do not have strides; use .to_dense()")

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """False: the elements have no order of strides."""
        return False

    def _memory(self) -> np.ndarray:
        raise RuntimeError(
            f"data_ptr: Cannot access data pointer of Tensor that doesn't have storage ({self._form}); use "
            ".values()"
        )

    # ----- differentiation: that of the entries -----

    @property
    def _edge(self) -> Any:
        entries = self._entries
        return entries._edge if entries.requires_grad else None

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are recorded for the elements."""
        return self._entries.requires_grad

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        self._entries.requires_grad = flag

    def requires_grad_(self, requires_grad: bool = True) -> SparseTensor:
        """Sets `requires_grad` and returns the tensor."""
        self._entries.requires_grad_(requires_grad)
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient: a sparse tensor with the same places, or what was assigned."""
        if self._grad is not None or self._entries._grad is None:
            return self._grad
        return self._with(self._entries._grad)

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        self._entries._grad = None
        Tensor.grad.fset(self, g)  # type: ignore[attr-defined]

    @grad.deleter
    def grad(self) -> None:
        self._grad = self._entries._grad = None

    def retain_grad(self) -> None:
        """Has backward passes fill in `.grad` although this tensor is not a leaf."""
        self._entries.retain_grad()

    def register_hook(self, hook: Any) -> Any:
        """Calls `hook(gradient)` with the sparse gradient; what it returns (if not None) replaces it."""

        def on_entries(g: Tensor) -> Tensor | None:
            replaced = hook(self._with(g))
            return None if replaced is None else replaced._entries

        return self._entries.register_hook(on_entries)

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """A backward pass from the elements, `gradient` being that of this tensor."""
        if gradient is not None:
            gradient = self.table["sparse_mask"](gradient, self)._entries
        self._entries.backward(gradient, retain_graph, create_graph, inputs)

    # ----- what it is -----

    def _with(self, entries: Tensor) -> SparseTensor:
        """Other elements at the same places."""
        t = assemble(self._form, self._places, entries, self._node.shape, self._pointers, self._coalesced)
        t._known = self._known
        return t

    def _become(self, other: SparseTensor) -> SparseTensor:
        """Makes this tensor what `other` is; for writing in place."""
        if self._form is not other._form:
            other = other.to_sparse(layout=self._form)
        self._places, self._entries, self._pointers = other._places, other._entries, other._pointers
        self._node, self._coalesced, self._known = other._node, other._coalesced, other._known
        return self

    def __repr__(self) -> str:
        form, edge = self._form, self.grad_fn
        names = ("indices",) if form is sparse_coo else NAMES[form]
        parts = [self._places] if self._pointers is None else [self._pointers, self._places]
        suffixes = [f"size={tuple(self.shape)}", f"nnz={self._nnz()}"]
        default = dt.get_default_dtype()
        if self.dtype not in (default, dt.int64, dt.bool_, default.to_complex()):
            suffixes.append(f"dtype=torch.{self.dtype.name}")
        suffixes.append(f"layout={form}")
        if edge is not None:
            suffixes.append(f"grad_fn=<{edge.name()}>")
        elif self.requires_grad:
            suffixes.append("requires_grad=True")
        shown = [(n, p._value("print")) for n, p in zip(names, parts, strict=True)]
        return format_sparse(
            [*shown, ("values", self._entries._value("print"))], suffixes, form is sparse_coo
        )

    def __format__(self, spec: str) -> str:
        return object.__format__(self, spec)

    def _nnz(self) -> int:
        """How many elements are kept, among them those that are kept more than once."""
        return self._places._node.shape[-1]

    @property
    def layout(self) -> Layout:
        """How the elements are kept."""
        return self._form

    @property
    def is_sparse(self) -> bool:
        """Whether it keeps coordinates."""
        return self._form is sparse_coo

    @property
    def is_sparse_csr(self) -> bool:
        """Whether it keeps compressed rows."""
        return self._form is sparse_csr

    def sparse_dim(self) -> int:
        """How many dimensions are sparse."""
        return self._places._node.shape[0] if self._form is sparse_coo else 2

    def dense_dim(self) -> int:
        """How many dimensions the elements have themselves."""
        blocks = 2 if self._form in (sparse_bsr, sparse_bsc) else 0
        return len(self._entries._node.shape) - 1 - blocks

    def detach(self) -> SparseTensor:
        """The same elements, outside of the recorded history."""
        return self._with(self._entries.detach())

    def detach_(self) -> SparseTensor:
        """Takes this tensor out of the recorded history."""
        self._entries = self._entries.detach()
        return self

    @property
    def data(self) -> Tensor:
        """The same elements, outside of the recorded history."""
        return self.detach()

    @data.setter
    def data(self, other: Tensor) -> None:
        self._become(check_sparse("data", "other", other).detach())

    def numpy(self, *, force: bool = False) -> Any:
        """TypeError: arrays are dense."""
        raise TypeError("numpy: can't convert Sparse layout tensor to numpy. Use Tensor.to_dense() first.")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.numpy()

    # ----- where elements are -----

    _known: dict[str, Any]

    def _once(self, name: str, make: Any) -> Any:
        """What `make()` gives, kept for the next time: it depends on the places alone."""
        known = self._known
        if name not in known:
            known[name] = make()
        return known[name]

    def _array(self) -> np.ndarray:
        """The places as coordinates, (sparse dimensions, n)."""
        return self._once("array", lambda: coordinates(self))

    def _index(self, row: int) -> Tensor:
        """The coordinates of the elements in one dimension, as an index."""
        return self._once(f"index {row}", lambda: from_array(self._array()[row].copy()))

    def _flat(self) -> np.ndarray:
        """The number of each element's place when the sparse dimensions are counted through."""
        return self._once("flat", lambda: counted(self._array(), self._sparse_shape()))

    def _sparse_shape(self) -> tuple[int, ...]:
        return self._node.shape[: self.sparse_dim()]

    def _elements(self) -> Tensor:
        """The entries one by one, in the order of `_array`: blocks are taken apart."""
        entries = self._entries
        if self._form in (sparse_bsr, sparse_bsc):
            shape = entries._node.shape
            return entries.reshape(shape[0] * shape[1] * shape[2], *shape[3:])
        return entries

    # ----- copies -----

    def _parts(self) -> tuple[Any, ...]:
        """What files keep of it, besides its layout."""
        parts = self._places, self._entries.detach(), self.shape
        return (*parts, self._coalesced) if self._pointers is None else (self._pointers, *parts)

    def __deepcopy__(self, memo: dict[int, Any]) -> SparseTensor:
        if id(self) in memo:
            return memo[id(self)]
        if not self.is_leaf:
            raise RuntimeError(
                "deepcopy: Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment; use .detach().clone()"
            )
        with no_grad():
            made = self.table["clone"](self)
        memo[id(self)] = made
        return made.requires_grad_() if self.requires_grad else made

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        if not self.is_leaf:
            raise RuntimeError("pickle: only leaves can be pickled; use .detach()")
        parts = (self._places, self._entries.detach(), tuple(self.shape), self._pointers, self._coalesced)
        return _restore, (self._form, *parts, self.requires_grad)


def _restore(*parts: Any) -> SparseTensor:
    made = assemble(*parts[:-1])
    return made.requires_grad_() if parts[-1] else made


def assemble(
    form: Layout,
    places: Tensor,
    entries: Tensor,
    shape: tuple[int, ...],
    pointers: Tensor | None = None,
    coalesced: bool = False,
) -> SparseTensor:
    """A sparse tensor of parts that fit."""
    t: SparseTensor = object.__new__(SparseTensor)
    t._node = Node(_NOTHING, (), (), tuple(shape), entries._node.dtype, entries._node.device)
    t._form, t._places, t._entries, t._pointers, t._coalesced = form, places, entries, pointers, coalesced
    t._known = {}
    return t


def coordinate(
    array: np.ndarray, entries: Tensor, shape: tuple[int, ...], coalesced: bool = False
) -> SparseTensor:
    """A COO tensor; `array` (sparse dimensions, n) holds the coordinates, and is nobody else's."""
    coalesced = coalesced or array.shape[1] < 2
    t = assemble(sparse_coo, from_array(np.ascontiguousarray(array)), entries, shape, None, coalesced)
    t._known["array"] = array
    return t


def passed_on(entries: Tensor) -> Tensor:
    """Entries for another tensor, on the same memory and with their history."""
    return reshape(entries, entries._node.shape) if modes.grad and entries.requires_grad else entries.detach()


def coordinates(t: SparseTensor) -> np.ndarray:
    """Where the elements are, as rows of coordinates."""
    places = t._places._value("sparse tensor").astype(np.int64, copy=False)
    if t._pointers is None:
        return places
    pointers = t._pointers._value("sparse tensor").astype(np.int64, copy=False)
    groups = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
    rows, columns = (groups, places) if t._form in BY_ROWS else (places, groups)
    if t._form in (sparse_bsr, sparse_bsc):
        _, high, wide = t._entries._node.shape[:3]
        inside = np.indices((high, wide)).reshape(2, -1)
        rows = (rows[:, None] * high + inside[0]).reshape(-1)
        columns = (columns[:, None] * wide + inside[1]).reshape(-1)
    return np.stack([rows, columns])


def counted(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Coordinates as the numbers of places that are counted through."""
    numbers = np.zeros(array.shape[1], np.int64)
    for row, extent in zip(array, shape, strict=True):
        numbers = numbers * extent + row
    return numbers


def refusal(what: str) -> NotImplementedError:
    """The error of an operation that knows no sparse tensors."""
    return NotImplementedError(f"{what}: the operation does not take sparse tensors here; use .to_dense()")


def _unread() -> Exception:
    """The error of reading a sparse tensor like a dense one: it names the public function that did."""
    frame: Any = sys._getframe(2)
    op = frame.f_locals.get("op") or frame.f_locals.get("self")
    what = getattr(op, "name", frame.f_code.co_name)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        if hasattr(Tensor, frame.f_code.co_name) and frame.f_code.co_name != "__call__":
            what = frame.f_code.co_name
        frame = frame.f_back
    if what in SparseTensor.table:
        return RuntimeError(
            f"{what}: this is the function as it was before there were sparse tensors; import "
            f"flambeau.sparse before it, or look it up again: torch.{what}"
        )
    return refusal(what)


def check_sparse(what: str, name: str, t: Any) -> SparseTensor:
    """RuntimeError unless the argument is a sparse tensor."""
    if not isinstance(t, SparseTensor):
        kind = "Strided" if isinstance(t, Tensor) else type(t).__name__
        raise RuntimeError(
            f"{what}: expected '{name}' to be a sparse tensor but got {kind}; use .to_sparse()"
        )
    return t
