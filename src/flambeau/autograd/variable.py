"""`Variable`: the old name of a tensor that can require gradients."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor


class _AnyTensor(type):
    def __instancecheck__(cls, x: object) -> bool:
        return isinstance(x, Tensor)


class Variable(metaclass=_AnyTensor):
    """The old way to a tensor that requires gradients; every tensor is a `Variable`.

    `Variable(data)` is a tensor on the memory of `data`, without history. TypeError unless `data` is a
    tensor; an empty one if it isn't given.

    >>> import flambeau as torch
    >>> x = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    >>> isinstance(x, torch.autograd.Variable), x
    (True, tensor([1., 1.], requires_grad=True))
    """

    def __new__(cls, data: Any = None, requires_grad: bool = False) -> Any:
        if data is None:
            data = Tensor(0)
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Variable data has to be a tensor, but got {type(data).__name__}; use torch.tensor(...)"
            )
        return data.detach().requires_grad_(requires_grad)
