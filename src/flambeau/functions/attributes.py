"""What a tensor is and is not: its layout, its storage, its place, and names from other devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import mapping
from ..core.device import no_device
from ..core.inplace import check_history
from ..core.layout import strided
from ..core.storage import contiguous_strides
from ..core.tensor import Tensor, _redirect
from ..core.warning import warn
from ..ops.op import check_tensor
from . import memory, shape
from .calling import positive_shape

if TYPE_CHECKING:
    from .storages import TypedStorage, UntypedStorage

NEVER = """
    is_sparse is_sparse_csr is_quantized is_mkldnn is_mps is_xpu is_xla is_ipu is_maia is_mtia
    is_vulkan is_nested
"""  # layouts and devices that there are none of


def properties() -> dict[str, Any]:
    """The attributes, by name."""
    made = {
        name: property(lambda self: False, doc="False: there are none of these.") for name in NEVER.split()
    }
    return {**made, "is_cpu": property(_is_cpu), "layout": property(_layout), "name": property(_name)}


def _is_cpu(self: Tensor) -> bool:
    """Whether the data lives in the computer's own memory."""
    return self.device.type == "cpu"


def _layout(self: Tensor) -> Any:
    """How the elements are kept."""
    return strided


def _name(self: Tensor) -> None:
    """None: tensors have no name."""


# ----- storage -----


def untyped_storage(self: Tensor) -> UntypedStorage:
    """The memory that this tensor looks at, as bytes."""
    from .storages import UntypedStorage

    return UntypedStorage._of(self)


def storage(self: Tensor) -> TypedStorage:
    """The memory that this tensor looks at, as elements of its dtype."""
    from .storages import TypedStorage

    return TypedStorage(wrap_storage=untyped_storage(self), dtype=self.dtype)


def storage_type(self: Tensor) -> Any:
    """The type of the storage: `torch.FloatStorage` or its like."""
    from .storages import types

    return types[storage(self).pickle_storage_type()]


def set_(
    self: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None
) -> Tensor:
    """Makes this tensor look at the memory of a tensor or storage (or, without one, at nothing), from an
    element on, with sizes and strides. RuntimeError if the dtype differs or this is a leaf that requires
    grad."""
    check_history(self, "set_")
    if source is None:
        seen = self.new_zeros(0)
    elif isinstance(source, Tensor):
        seen = source
    else:
        seen = source._tensor_of(self.dtype)
    if seen.dtype is not self.dtype:
        raise RuntimeError(
            f"set_: Could not set tensor of type {seen.dtype} to a tensor of type {self.dtype}"
        )
    if size is not None:
        extents = positive_shape("set_", tuple(size))
        steps = contiguous_strides(extents) if stride is None else tuple(stride)
        seen = shape.as_strided(seen.detach(), extents, steps, storage_offset)
    elif storage_offset:
        seen = seen[storage_offset:]
    _redirect(self, seen)
    self._counter.count += 1
    return self


def resize(self: Tensor, *sizes: Any) -> Tensor:
    """The same elements in another shape, which takes as many: an old name of `reshape`."""
    warn("non-inplace resize is deprecated; use reshape()")
    return shape.view(memory.contiguous(self), *sizes)


def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """The same elements in another tensor's shape: an old name of `reshape`."""
    warn("non-inplace resize_as is deprecated; use reshape()")
    return shape.view(memory.contiguous(self), tensor.shape)


def const_data_ptr(self: Tensor) -> int:
    """The address of the first element; see `data_ptr`."""
    return self.data_ptr()


def dim_order(self: Tensor) -> tuple[int, ...]:
    """The dimensions as they lie in memory, the outermost first."""
    strides = self.stride()
    return tuple(sorted(range(self.ndim), key=lambda d: -strides[d]))


# ----- places -----


def get_device(input: Tensor) -> int:
    """The number of the device that the tensor is on; -1 for the CPU.

    >>> import flambeau as torch
    >>> torch.get_device(torch.ones(2))
    -1
    """
    check_tensor("get_device", "input", input)
    return -1


def is_pinned(self: Tensor, device: Any = None) -> bool:
    """False: memory is pinned for accelerators only."""
    return False


def pin_memory(self: Tensor, device: Any = None) -> Tensor:
    """This tensor: without an accelerator no memory needs pinning."""
    return self


def share_memory_(self: Tensor) -> Tensor:
    """Moves the memory that this tensor looks at to where other processes see it: those that are forked, and
    those that it is sent to (see `torch.multiprocessing`). What one writes in place, all read. Operations on
    it run at once."""
    from .sending import register

    register()
    mapping.share(self._own_storage())
    return self


def is_shared(self: Tensor) -> bool:
    """Whether `share_memory_` was called on this tensor's memory."""
    return self._storage is not None and isinstance(self._storage.shared, mapping.Mapping)


def record_stream(self: Tensor, stream: Any) -> None:
    """NoDevice: only accelerators have streams."""
    raise no_device("record_stream", "cuda")


def xpu(self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """NoDevice: there is no XPU device."""
    raise no_device("xpu", "xpu")


# ----- what it holds -----


def is_inference(input: Tensor) -> bool:
    """Whether the tensor can never take part in differentiation: False, as all tensors can, also those made
    in inference mode.

    >>> import flambeau as torch
    >>> torch.is_inference(torch.ones(1))
    False
    """
    return False


def is_distributed(input: Tensor) -> bool:
    """Whether the tensor is spread over processes: False.

    >>> import flambeau as torch
    >>> torch.is_distributed(torch.ones(1))
    False
    """
    return False


def as_subclass(self: Tensor, cls: type) -> Any:
    """This tensor as an instance of a subclass: on the same memory, with the same history."""
    if not (isinstance(cls, type) and issubclass(cls, Tensor)):
        raise TypeError(f"as_subclass: expected a subclass of Tensor, got {cls!r}")
    t: Any = shape.view(self, self.shape)
    t.__class__ = cls
    return t


def module_load(self: Tensor, other: Tensor, assign: bool = False) -> Tensor:
    """What `Module.load_state_dict` puts in the place of this tensor, given what was saved: with `assign`
    what was saved, else this tensor with its values."""
    return other.detach() if assign else self.copy_(other).detach()
