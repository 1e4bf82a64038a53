"""Switching the recording of gradients on and off, per thread: as context managers and as decorators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self, TypeVar, overload

from ..core.modes import modes

F = TypeVar("F", bound=Callable[..., Any])


class _Mode:
    """Sets the grad mode while entered; as a decorator, while the function (or each step of the generator)
    runs.
    """

    _before: bool

    def __enter__(self) -> None:
        self._before = modes.grad

    def __exit__(self, *exc: object) -> None:
        modes.grad = self._before

    def _again(self) -> _Mode:
        return self.__class__()

    def __call__(self, f: F) -> F:
        if inspect.isgeneratorfunction(f):

            @functools.wraps(f)
            def generator(*args: Any, **kwargs: Any) -> Any:
                inner = f(*args, **kwargs)
                step, value = inner.send, None
                while True:
                    try:
                        with self._again():
                            item = step(value)
                    except StopIteration as end:
                        return end.value
                    try:
                        step, value = inner.send, (yield item)
                    except GeneratorExit:
                        with self._again():
                            inner.close()
                        raise
                    except BaseException as error:
                        step, value = inner.throw, error

            return generator  # type: ignore[return-value]

        @functools.wraps(f)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with self._again():
                return f(*args, **kwargs)

        return wrapped  # type: ignore[return-value]


class no_grad(_Mode):
    """Nothing recorded in here requires gradients.

    >>> import flambeau as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    @overload
    def __new__(cls, f: None = None) -> Self: ...

    @overload
    def __new__(cls, f: F) -> F: ...  # type: ignore[misc]

    def __new__(cls, f: Any = None) -> Any:
        mode = object.__new__(cls)
        return mode if f is None else mode(f)  # `@torch.no_grad` without parentheses

    def __enter__(self) -> None:
        self._before, modes.grad = modes.grad, False


class enable_grad(no_grad):
    """Gradients are recorded in here, even within `no_grad`.

    >>> import flambeau as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> with torch.no_grad(), torch.enable_grad():
    ...     y = x * 2
    >>> y.requires_grad
    True
    """

    def __enter__(self) -> None:
        self._before, modes.grad = modes.grad, True


class set_grad_enabled(_Mode):
    """Switches recording on or off, from the call on or (as a context manager) for a while.

    >>> import flambeau as torch
    >>> with torch.set_grad_enabled(False):
    ...     torch.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = bool(mode)
        self._before, modes.grad = modes.grad, self.mode

    def __enter__(self) -> None:
        modes.grad = self.mode

    def _again(self) -> _Mode:
        return set_grad_enabled(self.mode)

    def __call__(self, f: F) -> F:
        modes.grad = self._before  # a decorator acts only while its function runs
        return super().__call__(f)


class inference_mode(_Mode):
    """Like `no_grad`, for code that will never be differentiated.

    >>> import flambeau as torch
    >>> with torch.inference_mode():
    ...     torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    (True, False)
    """

    def __new__(cls, mode: bool | Callable[..., Any] = True) -> Any:
        made = object.__new__(cls)
        if callable(mode):
            made.mode = True
            return made(mode)
        return made

    def __init__(self, mode: bool = True) -> None:
        self.mode = mode

    def __enter__(self) -> None:
        self._before, self._before_inference = modes.grad, modes.inference
        modes.grad, modes.inference = not self.mode, self.mode

    def __exit__(self, *exc: object) -> None:
        modes.grad, modes.inference = self._before, self._before_inference

    def _again(self) -> _Mode:
        return inference_mode(self.mode)


def is_grad_enabled() -> bool:
    """Whether operations are recorded for differentiation in this thread.

    >>> import flambeau as torch
    >>> torch.is_grad_enabled()
    True
    """
    return modes.grad


def is_inference_mode_enabled() -> bool:
    """Whether this thread is in `inference_mode`.

    >>> import flambeau as torch
    >>> torch.is_inference_mode_enabled()
    False
    """
    return modes.inference
