"""Python functions of single elements, and questions that a tensor answers with yes or no."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.inplace import same_place
from ..core.tensor import Tensor, from_array
from ..ops.kinds import broadcast
from ..ops.op import check_tensor
from .calling import write

# ----- element by element -----


def _mapped(what: str, target: Tensor, f: Callable[..., Any], xs: tuple[Tensor, ...]) -> Tensor:
    """`target` with the results of a Python function of the elements of `xs` written to it."""
    if target.requires_grad or any(x.requires_grad for x in xs):
        raise RuntimeError(
            f"{what}: can't call a Python function on a tensor that requires grad; use detach()"
        )
    for x in xs:
        if x.dtype is not target.dtype:
            raise TypeError(f"{what}: expected {target.dtype} for all tensors, but got {x.dtype}")
        if broadcast(what, x._node.shape, target._node.shape) != target._node.shape:
            raise RuntimeError(
                f"{what}: a tensor of shape {tuple(x.shape)} doesn't broadcast to {tuple(target.shape)}"
            )
    columns = (np.broadcast_to(x._value(what), target.shape).reshape(-1).tolist() for x in xs)
    results = [f(*elements) for elements in zip(*columns, strict=True)]
    made = np.array(results, target.dtype.np).reshape(target.shape)
    return write(what, target, from_array(made))


def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replaces each element by a Python function of it: slow, and without gradients."""
    return _mapped("apply_", self, callable, (self,))


def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replaces each element by a Python function of it and of the other tensor's: slow, and without
    gradients."""
    return _mapped("map_", self, callable, (self, check_tensor("map_", "tensor", tensor)))


def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replaces each element by a Python function of it and of two other tensors': slow, and without
    gradients."""
    return _mapped(
        "map2_", self, callable, (self, check_tensor("map2_", "x", x), check_tensor("map2_", "y", y))
    )


# ----- yes or no -----


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element isn't zero. RuntimeError for any other number of elements.

    >>> import flambeau as torch
    >>> torch.is_nonzero(torch.tensor([0.5]))
    True
    """
    if check_tensor("is_nonzero", "input", input).numel() != 1:
        raise RuntimeError(
            f"is_nonzero: Boolean value of Tensor with {input.numel() or 'no'} values is ambiguous; use "
            f".any() or .all()"
        )
    return bool(input.item())


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether the shapes are equal.

    >>> import flambeau as torch
    >>> torch.is_same_size(torch.zeros(2), torch.ones(2))
    True
    """
    check_tensor("is_same_size", "other", other)
    return check_tensor("is_same_size", "input", input)._node.shape == other._node.shape


def is_signed(input: Tensor) -> bool:
    """Whether the tensor's dtype has negative numbers.

    >>> import flambeau as torch
    >>> torch.is_signed(torch.tensor([1])), torch.is_signed(torch.tensor([1], dtype=torch.uint8))
    (True, False)
    """
    return check_tensor("is_signed", "input", input).dtype.is_signed


def is_conj(input: Tensor) -> bool:
    """Whether conjugation is yet to be done: never, as `conj` gives conjugated numbers.

    >>> import flambeau as torch
    >>> torch.is_conj(torch.tensor([1j]).conj())
    False
    """
    check_tensor("is_conj", "input", input)
    return False


def is_neg(input: Tensor) -> bool:
    """Whether a change of sign is yet to be done: never.

    >>> import flambeau as torch
    >>> torch.is_neg(torch.tensor([1.]))
    False
    """
    check_tensor("is_neg", "input", input)
    return False


def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same elements of the same memory."""
    return same_place(self, check_tensor("is_set_to", "tensor", tensor))
