"""Deep copies and pickles of tensors: those that share memory still do afterwards."""

from __future__ import annotations

import copy
from typing import Any

from ..core.ghost import on_meta
from ..core.tensor import Tensor, all_memory
from .memory import clone
from .shape import as_strided


def attributes(t: Tensor) -> dict[str, Any]:
    """What the user has set on a tensor."""
    return {name: value for name, value in vars(t).items() if name not in Tensor.__annotations__}


def deepcopy(self: Tensor, memo: dict[int, Any]) -> Any:
    """A copy with a copy of its memory, its gradient and what has been set on it; RuntimeError if it is no
    leaf."""
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            "deepcopy: Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment; use .detach().clone()"
        )
    storage = None if self.is_meta else copy.deepcopy(self.untyped_storage(), memo)
    made = rebuild(type(self), storage, self.dtype, *_place(self), self.requires_grad)
    memo[id(self)] = made
    if self._grad is not None:
        made._grad = clone(self._grad.detach())
    vars(made).update(copy.deepcopy(attributes(self), memo))
    return made


def reduce_ex(self: Tensor, protocol: Any) -> tuple[Any, ...]:
    """How a pickle makes the tensor again: from its storage, which it shares with other tensors of the
    pickle."""
    storage = None if self.is_meta else self.untyped_storage()
    parts = (type(self), storage, self.dtype, *_place(self), self.requires_grad)
    return rebuild, parts, attributes(self) or None


def _place(t: Tensor) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    return t.storage_offset(), tuple(t.shape), tuple(t.stride())


def rebuild(
    cls: type, storage: Any, d: Any, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], grad: bool
) -> Any:
    """A tensor of a class that looks at a storage in a given way; without a storage, on the meta device."""
    if storage is None:
        return Tensor._make_subclass(cls, on_meta(shape, d), grad)
    whole = storage._whole
    if (whole.dtype, tuple(whole.shape), tuple(whole.stride()), 0) == (d, shape, strides, offset):
        seen = all_memory(whole)
    else:
        seen = as_strided(storage._tensor_of(d), shape, strides, offset).detach()
    return Tensor._make_subclass(cls, seen, grad)
