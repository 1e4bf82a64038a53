"""Tensors laid out as asked for, in memory made for them or in what they have; views as copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..core.device import device as Device
from ..core.dtype import dtype as DType
from ..core.dtype import get_default_dtype
from ..core.node import numel
from ..core.storage import contiguous_strides
from ..core.tensor import Tensor, _redirect
from ..ops import view as ops
from ..ops.creation import full
from ..ops.op import check_tensor, wrap_dim
from . import joining, shape
from .calling import deliver, positive_shape
from .creation import finish
from .memory import check_layout, contiguous

# ----- new -----


def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of this shape and these strides (in elements) whose values are not set (here: zeros).

    >>> import flambeau as torch
    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    check_layout("empty_strided", layout)
    return finish(
        _strided("empty_strided", size, stride, dtype or get_default_dtype()), device, requires_grad
    )


def _strided(what: str, size: Sequence[int], stride: Sequence[int], d: DType) -> Tensor:
    extents, steps = positive_shape(what, tuple(size)), tuple(stride)
    if len(extents) != len(steps):
        raise RuntimeError(
            f"{what}: dimensionality of sizes ({len(extents)}) must match that of strides ({len(steps)})"
        )
    if any(s < 0 for s in steps):
        raise RuntimeError(f"{what}: strides must not be negative, got {steps}")
    reach = sum((e - 1) * s for e, s in zip(extents, steps, strict=True)) + 1 if numel(extents) else 0
    return shape.as_strided(full(0, (reach,), d), extents, steps).detach()


def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """An unset tensor (here: of zeros) without gaps whose dimensions lie in memory in the order given, that
    of neighbouring elements last.

    >>> import flambeau as torch
    >>> torch.empty_permuted((2, 3, 5), (0, 2, 1)).stride()
    (15, 1, 3)
    """
    check_layout("empty_permuted", layout)
    extents, order = positive_shape("empty_permuted", tuple(size)), tuple(physical_layout)
    if len(order) != len(extents):
        raise RuntimeError(
            f"empty_permuted: Number of dimensions in size ({len(extents)}) does not match the length of the "
            f"physical_layout ({len(order)})"
        )
    if sorted(order) != list(range(len(extents))):
        raise RuntimeError(f"empty_permuted: Duplicate or unknown dim in physical_layout {list(order)}")
    along = dict(zip(order, contiguous_strides(tuple(extents[d] for d in order)), strict=True))
    strides = [along[d] for d in range(len(extents))]
    return finish(
        _strided("empty_permuted", extents, strides, dtype or get_default_dtype()), device, requires_grad
    )


def new_empty_strided(
    self: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: DType | None = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:
    """An unset tensor of this shape and these strides, of this tensor's dtype unless given."""
    check_layout("new_empty_strided", layout)
    return finish(_strided("new_empty_strided", size, stride, dtype or self.dtype), device, requires_grad)


# ----- resized -----


def resize_(self: Tensor, *sizes: Any, size: Any = None, memory_format: Any = None) -> Tensor:
    """Gives this tensor another shape, in order over its memory, which grows if it is too small (by zeros).

    A tensor of that shape already stays as it is. Where the memory has to grow, this tensor gets new memory,
    and others that look at the old one keep it. RuntimeError if it requires grad.
    """
    if check_tensor("resize_", "self", self).requires_grad:
        raise RuntimeError("resize_: cannot resize variables that require grad")
    new = positive_shape("resize_", sizes, size)
    if new != tuple(self.shape):
        memory, first = shape._flat_memory(self), self.storage_offset()
        missing = first + numel(new) - memory.numel()
        if missing > 0:
            memory = joining.cat([memory, full(0, (missing,), self.dtype)])
        _redirect(self, shape.as_strided(memory, new, contiguous_strides(new), first).detach())
        self._counter.count += 1
    if memory_format is not None and not self.is_contiguous(memory_format):
        _redirect(self, contiguous(self, memory_format))
    return self


def resize_as_(input: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """Gives the tensor the shape of another (see `Tensor.resize_`).

    >>> import flambeau as torch
    >>> torch.resize_as_(torch.zeros(4), torch.zeros(2, 2)).shape
    torch.Size([2, 2])
    """
    return resize_(
        input, *check_tensor("resize_as_", "the_template", the_template).shape, memory_format=memory_format
    )


# ----- views as copies -----


def _copying(view: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The view function whose results have memory of their own."""

    def copy(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        seen = view(check_tensor(name, "input", input), *args, **kwargs)
        if isinstance(seen, tuple):
            return tuple(
                deliver(name, ops.clone(part), o)
                for part, o in zip(seen, out or [None] * len(seen), strict=True)
            )
        return deliver(name, ops.clone(seen), out)

    copy.__name__ = copy.__qualname__ = name
    copy.__doc__ = f"""As `{name.removesuffix("_copy")}`, but a copy with memory of its own."""
    return copy


def _alias(input: Tensor) -> Tensor:
    return shape.view(input, *input.shape)


def _narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    if dim >= input.ndim:  # no IndexError, as in PyTorch
        raise RuntimeError(f"narrow_copy: Expected dim < {input.ndim} for {input.ndim} dimensions, got {dim}")
    return shape.narrow(input, dim, start, length)


def _slice(input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Tensor:
    dim = wrap_dim("slice", dim, input.ndim)
    return input[(slice(None),) * dim + (slice(start, end, step),)]


narrow_copy = _copying(_narrow, "narrow_copy")
alias_copy = _copying(_alias, "alias_copy")
as_strided_copy = _copying(shape.as_strided, "as_strided_copy")
detach_copy = _copying(_alias, "detach_copy")  # gradients flow through it, as in PyTorch
diagonal_copy = _copying(shape.diagonal, "diagonal_copy")
expand_copy = _copying(shape.expand, "expand_copy")
permute_copy = _copying(shape.permute, "permute_copy")
select_copy = _copying(shape.select, "select_copy")
slice_copy = _copying(_slice, "slice_copy")
split_copy = _copying(joining.split, "split_copy")
split_with_sizes_copy = _copying(joining.split_with_sizes, "split_with_sizes_copy")
squeeze_copy = _copying(shape.squeeze, "squeeze_copy")
t_copy = _copying(shape.t, "t_copy")
transpose_copy = _copying(shape.transpose, "transpose_copy")
unbind_copy = _copying(shape.unbind, "unbind_copy")
unfold_copy = _copying(shape.unfold, "unfold_copy")
unsqueeze_copy = _copying(shape.unsqueeze, "unsqueeze_copy")
view_as_complex_copy = _copying(shape.view_as_complex, "view_as_complex_copy")
view_as_real_copy = _copying(shape.view_as_real, "view_as_real_copy")
view_copy = _copying(shape.view, "view_copy")
