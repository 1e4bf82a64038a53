"""The protocol by which classes take part in functions of tensors: `__torch_function__`.

It costs nothing until somebody subclasses `Tensor`: then the public functions and the methods of that class
begin to ask (see `flambeau.overrides`).
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any


class _State(threading.local):
    enabled = True


state = _State()


class DisableTorchFunctionSubclass:
    """A block in which functions take subclasses of `Tensor` for plain tensors.

    >>> import flambeau as torch
    >>> class Mine(torch.Tensor): pass
    >>> with torch.overrides.DisableTorchFunctionSubclass():
    ...     print(type(torch.add(Mine([1.0]), 1)).__name__)
    Tensor
    """

    def __enter__(self) -> None:
        self._before, state.enabled = state.enabled, False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state.enabled = self._before


def disabled(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The `__torch_function__` of classes whose instances count as plain tensors, such as parameters."""
    with DisableTorchFunctionSubclass():
        return func(*args, **(kwargs or {}))


def takes_part(kind: type) -> bool:
    """Whether a class is asked: not those that are `disabled`, such as parameters."""
    f = getattr(kind, "__torch_function__", None)
    return f is not None and f is not disabled


def of_subclass(cls: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """The `__torch_function__` of tensors: the function itself, and its results as instances of `cls`."""
    if not all(issubclass(cls, t) for t in types):
        return NotImplemented
    return converted(disabled(func, types, args, kwargs), cls)


def converted(result: Any, cls: Any) -> Any:
    """The result with its plain tensors as instances of `cls`."""
    if hasattr(result, "as_subclass"):
        return result if isinstance(result, cls) else result.as_subclass(cls)
    if isinstance(result, tuple | list):
        parts = [converted(x, cls) for x in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result
