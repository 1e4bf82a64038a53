"""The tensor: a handle on a node, or on a view of a storage, and on the edge where its gradient goes.

A fresh result is just a node. The first view of it, write to it or look at its memory gives it a storage.
What a tensor can do (arithmetic and the like) is attached by `flambeau.functions`; here is what it is.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from . import dispatch
from . import dtype as dtypes
from .device import device
from .gradient import Accumulate, Forbidden, Nowhere, Port, RemovableHandle, split
from .layout import check_format, contiguous_format, lies_in, preserve_format
from .modes import modes
from .node import ALIAS, Node, Version, leaf, numel
from .realize import recorder, value_of
from .size import Size
from .storage import Storage, View, contiguous_strides, strided

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._methods import TensorMethods  # what functions/methods.py attaches, spelt out
else:
    TensorMethods = object


NEVER_WRITTEN = Version()


class Tensor(TensorMethods):
    """A multi-dimensional array of one dtype on one device, which can record how it was made for
    differentiation.

    `Tensor(2, 3)` is uninitialised (here: zeros) of that shape, `Tensor([1, 2])` holds these numbers, both of
    the default float dtype; `torch.tensor` is the usual way.

    >>> import flambeau as torch
    >>> torch.Tensor([1, 2])
    tensor([1., 2.])
    """

    # The value; once there is a storage, what the view showed in its generation `_seen`, or the `spec`.
    _node: Node
    _storage: Storage | None = None
    _view: View | None = None
    _seen: int = 0
    _counter: Version = (
        NEVER_WRITTEN  # of writes to the memory through this tensor and those that share the counter
    )
    _edge: Any = None
    _base: Tensor | None = None  # of a differentiable view: the tensor it looks at
    _derived: int = 0  # of a view: the version at which its edge was made
    _fixed: str = ""  # of a view whose history can't become another one: why, as an error message
    _grad: Tensor | None = None
    _own_edge: Any = (
        None  # of a leaf: where its gradient goes (and the hooks on it), also while it requires none
    )
    _retains: bool = False
    _sparse: bool = False  # whether it keeps but some elements; operations can't read it then
    _given: bool = False  # of a gradient: is some leaf's already, or somebody else may hold it
    _construct: Any  # what makes a tensor from sizes or a sequence; set by the room that has it
    __array_priority__ = 1000  # NumPy leaves `array + tensor` to the tensor

    def __new__(cls, *data: Any, device: Any = None) -> Tensor:
        return cls._construct(cls, data, device)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if dispatch.takes_part(cls):
            Tensor._subclassed(cls)

    _subclassed: Any = staticmethod(lambda cls: None)  # what a new subclass brings about; set by the package
    __torch_function__ = classmethod(dispatch.of_subclass)

    @staticmethod
    def _make_subclass(cls: type, data: Tensor, require_grad: bool = False) -> Any:
        """A tensor of class `cls` that shares `data`'s memory and starts without history."""
        t: Tensor = object.__new__(cls)
        _share_memory(t, data)
        if require_grad:
            t.requires_grad = True
        return t

    # ----- value -----

    def _current(self) -> Node:
        """The node of the current value. Brings the edge up to date as well."""
        storage = self._storage
        if storage is None:
            return self._node
        base = self._base
        if base is not None and (base._edge is not None or self._edge is not None) and modes.grad:
            self._derive()
        if self._view is None:
            node = storage.node
            if node.version is self._counter:
                return node
            if self._seen != storage.generation:
                self._node, self._seen = _alias(node, self._counter), storage.generation
            return self._node
        if self._seen != storage.generation:
            self._refresh(storage, self._view)
        return self._node

    def _refresh(self, storage: Storage, view: View) -> None:
        """Looks again at memory that has changed."""
        if storage.is_shared():
            self._node = window(storage, view, self._node.dtype)
        else:
            self._node = follow(make(storage.node), view.chain(), grad=False)._current()
        self._node.version = self._counter
        self._seen = storage.generation

    def _derive(self) -> None:
        """Brings the edge of a view up to date: after a write to the memory its history is that of the base,
        seen through the view."""
        base, edge = self._base, self._edge
        assert base is not None
        if base._edge is None and (edge is None or isinstance(edge, Accumulate)):
            return
        if self._derived != self._counter.count:
            self._derived = self._counter.count
            if self._fixed:
                error = fixed_view(
                    self._fixed, "its base or another view of its base has been modified inplace"
                )
                self._edge = Forbidden(error)
                return
            if base._edge is None:
                base = base.detach()
                base._edge = Nowhere(base)
            self._edge = derived(base, self._view)._edge
            if self._retains and self._edge is not None:
                self._keep_retaining()
        elif edge is None:  # made without history, or before the base required grad
            self._edge = Nowhere(self)

    def _own_storage(self) -> Storage:
        """The storage, made at first need."""
        storage = self._storage
        if storage is None:
            node = self._node
            if node.version is None:
                node.version = Version()
            self._counter = node.version
            storage = self._storage = Storage(node)
            self._node = storage.spec
        return storage

    def _value(self, reason: str) -> np.ndarray:
        """The current value as an array that must not be written to."""
        storage = self._storage
        if storage is None:
            return value_of(self._node, reason)
        if self._view is None:
            return value_of(storage.node, reason)
        if self._seen != storage.generation:
            self._refresh(storage, self._view)
        return value_of(self._node, reason)

    # ----- what it is -----

    @property
    def shape(self) -> Size:
        """The extents of the dimensions."""
        return _tuple(Size, self._node.shape)

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the elements."""
        return self._node.dtype

    @property
    def device(self) -> device:
        """Where the data lives."""
        return self._node.device

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._node.shape)

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self._node.shape)

    def numel(self) -> int:
        """The number of elements."""
        return numel(self._node.shape)

    nelement = numel

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the extent of one dimension. IndexError for a dimension that isn't there."""
        shape = self._node.shape
        if dim is None:
            return _tuple(Size, shape)
        if not -len(shape) <= dim < max(len(shape), 1) or not shape:
            raise IndexError(
                f"size: dimension {dim} is out of range for a tensor with {len(shape)} dimensions"
            )
        return shape[dim]

    def _layout(self) -> tuple[tuple[int, ...], int]:
        """Strides and offset in elements."""
        view = self._view
        return (contiguous_strides(self._node.shape), 0) if view is None else (view.strides, view.offset)

    def stride(self, dim: int | None = None) -> Any:
        """How many elements apart neighbours along each dimension (or along one) are. IndexError for a
        dimension that isn't there."""
        strides = self._layout()[0]
        if dim is None:
            return strides
        if not -len(strides) <= dim < len(strides):
            raise IndexError(
                f"stride: dimension {dim} is out of range for a tensor with {len(strides)} dimensions"
            )
        return strides[dim]

    def storage_offset(self) -> int:
        """Where the first element lies in the storage, in elements."""
        return self._layout()[1]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in order, without gaps (dimensions of extent 1 don't matter); or in the
        order of a memory format."""
        if memory_format is not None and memory_format is not contiguous_format:
            check_format("is_contiguous", memory_format)
            if memory_format is not preserve_format:
                return lies_in(self, memory_format)
        if self._view is None or self.numel() == 0:
            return True
        strides, shape = self._view.strides, self._node.shape
        want = contiguous_strides(shape)
        return all(e == 1 or s == w for e, s, w in zip(shape, strides, want, strict=True))

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._node.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._node.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.numel() * self._node.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element. The memory stays there as long as the tensor is not written
        to."""
        return self._memory().__array_interface__["data"][0]

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating one."""
        return self._node.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is a complex one."""
        return self._node.dtype.is_complex

    @property
    def is_meta(self) -> bool:
        """Whether there is no data, only shape and dtype: whether it is on the meta device."""
        return self._node.device.type == "meta"

    @property
    def is_cuda(self) -> bool:
        """Whether the data lives on a CUDA device."""
        return self._node.device.type == "cuda"

    # ----- looking at numbers -----

    def item(self) -> Any:
        """The value of a tensor of one element as a Python number. RuntimeError for any other number of
        elements.

        >>> import flambeau as torch
        >>> torch.tensor([2.5]).item()
        2.5
        """
        if numel(self._node.shape) != 1:
            raise RuntimeError(
                f"item: a tensor with {self.numel()} elements (shape {tuple(self.shape)}) is not one number; "
                "index one element first, or use tolist()"
            )
        if recorder.tape is not None:
            symbol = recorder.tape.number(self)
            if symbol is not None:
                return symbol
        value = self._value("item").reshape(()).item()
        return float(value) if self._node.dtype in dtypes.FOREIGN else value

    def tolist(self) -> Any:
        """The numbers as nested Python lists (a plain number for a 0-d tensor)."""
        value = self._value("tolist")
        if self._node.dtype in dtypes.FOREIGN:
            value = value.astype(np.float32)
        return value.tolist()

    def __bool__(self) -> bool:
        if self.numel() != 1:
            what = "no values" if self.numel() == 0 else "more than one value"
            raise RuntimeError(
                f"bool: Boolean value of Tensor with {what} is ambiguous; use .any() or .all()"
            )
        return bool(self.item())

    def _number(self) -> Any:
        """The one element; RuntimeError if it is complex with an imaginary part."""
        if numel(self._node.shape) != 1:
            raise ValueError(
                f"only one element tensors can be converted to Python scalars, this one has shape "
                f"{tuple(self.shape)}; use tolist()"
            )
        value = self.item()
        if isinstance(value, complex):
            if value.imag:
                raise RuntimeError(
                    f"value {value} cannot be converted to a real number without overflow; use complex() or "
                    f".real"
                )
            value = value.real
        return value

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self._node.dtype.category > dtypes.INTEGER or self.numel() != 1:
            raise TypeError("index: only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self._node.shape:
            raise TypeError("len() of a 0-d tensor")
        return self._node.shape[0]

    def __hash__(self) -> int:
        return id(self)

    def _memory(self) -> np.ndarray:
        """The tensor's own memory as an array; others who change it change the tensor, and the other way
        round."""
        base = self._own_storage().share()
        return base if self._view is None else strided(base, self._view, self._node.dtype.np)

    # ----- differentiation -----

    @property
    def requires_grad(self) -> bool:
        """Whether gradients are recorded for this tensor. Only a leaf's can be switched off."""
        base = self._base
        if base is None:
            return self._edge is not None
        if base._edge is not None or self._edge is not None:
            self._derive()
        return self._edge is not None or base._edge is not None

    @requires_grad.setter
    def requires_grad(self, flag: bool) -> None:
        if self._base is not None:
            self._derive()
        edge = self._edge
        if type(edge) is Forbidden:
            return
        if not flag:
            if edge is not None and not isinstance(edge, Accumulate):
                raise RuntimeError("you can only change requires_grad flags of leaf variables; use detach()")
            self._edge = None
        elif edge is None or type(edge) is Nowhere:
            if self._node.dtype.category < dtypes.FLOAT:
                raise RuntimeError(
                    "requires_grad: only Tensors of floating point and complex dtype can require gradients, "
                    f"this one is {self._node.dtype}"
                )
            if self._own_edge is None:
                self._own_edge = Accumulate(self)
            self._edge = self._own_edge

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Sets `requires_grad` and returns the tensor. RuntimeError inside of a function transform."""
        if requires_grad and modes.transforms:
            raise RuntimeError(
                "You are attempting to call Tensor.requires_grad_() inside of a function being transformed "
                "by torch.func. This is unsupported, please use its transforms (grad, vjp, jacrev, jacfwd, "
                "hessian), or call requires_grad_() outside of the function"
            )
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded operation made this tensor."""
        return self.grad_fn is None

    @property
    def grad_fn(self) -> Any:
        """The gradient function of the operation that made this tensor; None for a leaf."""
        if self._base is not None:
            self._derive()
        edge = self._edge.fn if type(self._edge) is Port else self._edge
        if type(edge) is Forbidden:
            edge.name()
        return None if edge is None or isinstance(edge, Accumulate) else edge

    @property
    def output_nr(self) -> int:
        """Which result of its operation this tensor is."""
        return self._edge.index if type(self._edge) is Port else 0

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes have added up; None before the first."""
        return self._grad

    @grad.setter
    def grad(self, g: Tensor | None) -> None:
        if g is not None:
            if not isinstance(g, Tensor):
                raise TypeError(
                    f"grad: assigned grad expected to be a Tensor or None but got {type(g).__name__}"
                )
            if g._node.shape != self._node.shape:
                raise RuntimeError(
                    f"grad: assigned grad has shape {tuple(g.shape)}, the tensor {tuple(self.shape)}; they "
                    f"must be equal"
                )
            if g._node.dtype is not self._node.dtype:
                raise RuntimeError(f"grad: assigned grad has dtype {g.dtype}, the tensor {self.dtype}")
        self._grad = g

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def _version(self) -> int:
        """How often the storage has been written to in place."""
        return self._counter.count

    def _is_view(self) -> bool:
        return self._base is not None

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Calls `hook(gradient)` whenever the gradient of this tensor is known; what it returns (if not None)
        replaces it.

        >>> import flambeau as torch
        >>> x = torch.tensor(2.0, requires_grad=True)
        >>> h = x.register_hook(lambda g: g * 10)
        >>> (x * 3).backward(); x.grad
        tensor(30.)
        """
        if not self.requires_grad:
            raise RuntimeError(
                "register_hook: cannot register a hook on a tensor that doesn't require gradient"
            )
        fn, index = split(self._edge)
        return RemovableHandle.add(fn.own_hooks().tensor, (index, hook))

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Calls `hook(tensor)` whenever a backward pass has brought the `.grad` of this leaf up to date.

        RuntimeError for a tensor that is no leaf or requires no gradient.

        >>> import flambeau as torch
        >>> x = torch.tensor(2.0, requires_grad=True)
        >>> h = x.register_post_accumulate_grad_hook(lambda x: print(x.grad))
        >>> (3 * x).backward()
        tensor(3.)
        """
        what = "register_post_accumulate_grad_hook"
        if not self.requires_grad:
            raise RuntimeError(f"{what}: cannot register a hook on a tensor that doesn't require gradient")
        if not self.is_leaf:
            raise RuntimeError(
                f"{what}: post accumulate grad hooks cannot be registered on non-leaf tensors; use "
                f"register_hook() to see this tensor's "
                "gradient"
            )
        return RemovableHandle.add(self._edge.own_hooks().accumulated, hook)

    def retain_grad(self) -> None:
        """Has backward passes fill in `.grad` although this tensor is not a leaf."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad: can't retain_grad on Tensor that has requires_grad=False")
        if self.is_leaf or self._retains:
            return
        self._retains = True
        self._keep_retaining()

    def _keep_retaining(self) -> None:
        """Has the gradient function of the present value fill in `.grad`."""
        fn, index = split(self._edge)
        fn.own_hooks().retained[index] = weakref.ref(self)

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called on this non-leaf."""
        return self._retains

    def detach(self) -> Tensor:
        """A tensor on the same memory, outside of the recorded history.

        >>> import flambeau as torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> x.detach().requires_grad
        False
        """
        t = _new(Tensor)
        _share_memory(t, self)
        return t

    @property
    def data(self) -> Tensor:
        """The same memory outside of history, with a version counter of its own: autograd's checks don't see
        what is written through it."""
        t = self.detach()
        t._counter = Version()
        t._seen = -1
        return t

    @data.setter
    def data(self, other: Tensor) -> None:
        if not isinstance(other, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(other).__name__}")
        if self.requires_grad and other._node.dtype.category < dtypes.FLOAT:
            raise RuntimeError("data setter: only floating-point and complex data can require gradients")
        _redirect(self, other)


_new, _tuple = object.__new__, tuple.__new__


def _adopt(t: Tensor, node: Node) -> Tensor:
    t._node = node
    recorder.hold(node.value.nbytes)
    return t


def _share_memory(t: Tensor, source: Tensor) -> None:
    """Makes `t` look at what `source` looks at, and count writes with it."""
    t._storage = source._own_storage()
    t._node, t._view, t._seen, t._counter = source._node, source._view, source._seen, source._counter


def _redirect(t: Tensor, source: Tensor) -> None:
    """Makes `t` look at what `source` looks at, but count writes as before."""
    t._own_storage()
    counter = t._counter
    _share_memory(t, source)
    t._counter, t._seen, t._base, t._fixed = counter, -1, None, ""


def all_memory(t: Tensor) -> Tensor:
    """A tensor without history on the whole storage of `t`."""
    whole = t.detach()
    whole._view, whole._node, whole._seen = None, t._own_storage().spec, -1
    return whole


def _alias(node: Node, version: Version) -> Node:
    """The same value, with another version."""
    if type(node) is not Node:
        alias = node.twin()  # type: ignore[attr-defined]  # a ghost
    elif node.value is None:
        alias = Node(ALIAS, (node,), (), node.shape, node.dtype, node.device)
        recorder.pending.append(alias)
    else:
        alias = Node(node.op, (), (), node.shape, node.dtype, node.device)
        alias.value = node.value
    alias.version = version
    return alias


def window(storage: Storage, view: View, dtype: dtypes.dtype) -> Node:
    """What a view shows of shared memory, in place."""
    assert storage.shared is not None
    return storage.shared.leaf(strided(storage.node.value, view, dtype.np), dtype)


NO_GRAD = (
    "A view was created in no_grad mode and {what} with grad mode enabled. Make both the view and the write "
    "inside of the no_grad block "
    "(if it isn't to be tracked) or both outside (if it is)."
)
OF_MANY = (
    "Output {index} of {function} is a view and {what}. This view is the output of a function that returns "
    "multiple views. Such functions "
    "do not allow the output views to be modified inplace. You should replace the inplace operation by an "
    "out-of-place one."
)
IN_FUNCTION = (
    "Output of {function} is a view and {what}. This view was created inside a custom Function (or because "
    "an input was returned "
    "as-is) and the autograd logic to handle view+inplace would override the custom backward associated with "
    "the custom Function, "
    "leading to incorrect gradients. This behavior is forbidden. You can fix this by cloning the output of "
    "the custom Function."
)


def fixed_view(message: str, what: str) -> RuntimeError:
    """The error of a write that would give a view another history than the one that it must have."""
    return RuntimeError(message.replace("{what}", what))


def make(node: Node) -> Tensor:
    """A tensor without history for a node."""
    t = _new(Tensor)
    t._node = node
    return t


def from_array(array: np.ndarray) -> Tensor:
    """A tensor that takes the array over: nobody else may hold it."""
    return _adopt(_new(Tensor), leaf(array, dtypes.from_numpy(array.dtype)))


def peek(t: Tensor) -> np.ndarray | None:
    """The value of a tensor without history, if it lies in memory as it is; only to be read, and now."""
    base, storage, view = t._base, t._storage, t._view
    if type(t) is not Tensor or t._edge is not None or (base is not None and base._edge is not None):
        return None
    node = t._node if storage is None else storage.node
    value = node.value
    if value is None or type(node) is not Node or recorder.tape is not None:
        return None
    if view is None:
        return value
    if not value.flags.c_contiguous:
        return None
    dtype = t._node.dtype.np
    if view.strides != contiguous_strides(view.shape):
        return strided(value, view, dtype)
    flat = value.reshape(-1)
    if value.dtype != dtype:
        flat = flat.view(dtype)
    shape, start = view.shape, view.offset
    if len(shape) == 1:
        return flat[start : start + shape[0]]
    return flat[start : start + numel(shape)].reshape(shape)


def follow(t: Tensor, chain: list[View], grad: bool) -> Tensor:
    """What a chain of view operations shows of `t`, as a value (no view), with or without its history."""
    before, modes.grad = modes.grad, grad
    try:
        for step in chain:
            t = step.op.plain(t, step.attrs)
    finally:
        modes.grad = before
    return t


def origin(base: Tensor, view: View | None) -> tuple[Tensor, View | None]:
    """A tensor with `base`'s history, and the view that it is, from which steps lead to `view`.

    That is `base`, or all of its memory if the view was taken before `base` itself came to look at it
    differently (`base.t_()`).
    """
    own = base._view
    if view is own or (view is not None and view.is_under(own)):
        return base, own
    assert own is not None
    return put_back(make(base._own_storage().node), own.chain(), base), None


def derived(base: Tensor, view: View | None) -> Tensor:
    """What `view` shows of the memory of `base`, as a value with `base`'s history."""
    before, modes.grad = modes.grad, True
    try:
        t, start = origin(base, view)
        return t if view is None else follow(t, view.chain(start), grad=True)
    finally:
        modes.grad = before


def put_back(whole: Tensor, chain: list[View], part: Tensor) -> Tensor:
    """`whole` with the part that `chain` looks at replaced."""
    outer = [whole]
    for step in chain[:-1]:
        outer.append(step.op.plain(outer[-1], step.attrs))
    for i, step in enumerate(chain):
        if not step.is_injective():  # places that it shows twice can't be put back step by step
            part = step.op.put_all(outer[i], part, chain[i:])
            chain = chain[:i]
            break
    for x, step in zip(reversed(outer[: len(chain)]), reversed(chain), strict=True):
        part = step.op.put(x, part, step.attrs)
    return part
