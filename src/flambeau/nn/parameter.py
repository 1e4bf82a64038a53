"""`Parameter` and `Buffer`: the tensors a module owns, told apart from others by their class."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from ..core.tensor import Tensor
from ..functions.creation import empty

T = TypeVar("T")


class _Owned(Tensor):
    """A tensor of a module: copies and pickles keep its class and what the user has set on it."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            twin = memo[id(self)] = _rebuild(type(self), self.data.clone(), self.requires_grad)
            vars(twin).update(copy.deepcopy(self._attributes(), memo))
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.data, self.requires_grad), self._attributes() or None

    def _attributes(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in Tensor.__annotations__}


def _rebuild(cls: type[T], data: Tensor, requires_grad: bool) -> T:
    owned: T = Tensor._make_subclass(cls, data, requires_grad)
    return owned


class Parameter(_Owned):
    """A tensor that a module learns: assigned as an attribute of a module it joins `Module.parameters()`.

    It shares its memory with `data` and is a leaf of the graph.

    Args:
        data: the values; none gives an empty tensor.
        requires_grad: whether gradients are computed for it.

    Raises:
        TypeError: `data` is not a tensor, or `requires_grad` not a bool.
        RuntimeError: `requires_grad` with a dtype that is neither floating point nor complex.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Parameter(torch.zeros(2))
        Parameter containing:
        tensor([0., 0.], requires_grad=True)
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        return _own(cls, data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(_Owned):
    """A tensor that belongs to a module's state but is not learned, such as a running mean.

    Assigned as an attribute of a module it joins `Module.buffers()`, as with `Module.register_buffer`.

    Args:
        data: the values; none gives an empty tensor. Its `requires_grad` is kept.
        persistent: whether it is part of the module's `state_dict`.

    Raises:
        TypeError: `data` is not a tensor.

    Example:
        >>> import flambeau as torch
        >>> m = torch.nn.Module()
        >>> m.mean = torch.nn.Buffer(torch.zeros(2))
        >>> list(m.state_dict())
        ['mean']
    """

    persistent: bool

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        buffer = _own(cls, data, isinstance(data, Tensor) and data.requires_grad)
        buffer.persistent = persistent
        return buffer


def _own(cls: type[T], data: Tensor | None, requires_grad: bool) -> T:
    """A new leaf of class `cls` on the memory of `data`."""
    if data is None:
        data = empty(0)
    if not isinstance(data, Tensor):
        raise TypeError(
            f"{cls.__name__}: data must be a Tensor, got {type(data).__name__}; use torch.tensor(...)"
        )
    if not isinstance(requires_grad, bool):
        raise TypeError(f"{cls.__name__}: requires_grad must be a bool, got {requires_grad!r}")
    return _rebuild(cls, data, requires_grad)
