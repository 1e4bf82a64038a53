"""Names of types."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor


def typename(obj: Any, /) -> str:
    """The name of the object's type: of a tensor's elements, or with the module.

    >>> import flambeau as torch
    >>> torch.typename(torch.ones(1)), torch.typename(3)
    ('torch.FloatTensor', 'int')
    """
    if isinstance(obj, Tensor):
        return obj.type()
    thing = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(thing, "__module__", None)
    return thing.__qualname__ if module in (None, "builtins") else f"{module}.{thing.__qualname__}"
