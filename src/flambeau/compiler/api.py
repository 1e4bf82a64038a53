"""What a program may tell or ask `torch.compile`: the names of `torch.compiler`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from ..core.realize import recorder

F = TypeVar("F", bound=Callable[..., Any])


def is_compiling() -> bool:
    """Whether a call of a compiled function is being recorded.

    >>> import flambeau as torch
    >>> torch.compiler.is_compiling()
    False
    """
    return recorder.tape is not None


def is_dynamo_compiling() -> bool:
    """Whether a call of a compiled function is being recorded.

    >>> import flambeau as torch
    >>> torch.compiler.is_dynamo_compiling()
    False
    """
    return is_compiling()


def is_exporting() -> bool:
    """Whether a program is being exported: it never is.

    >>> import flambeau as torch
    >>> torch.compiler.is_exporting()
    False
    """
    return False


def break_off(what: str) -> None:
    """Makes the compiled call that is being recorded, if one is, an ordinary one from here on."""
    if recorder.tape is not None:
        recorder.tape.stop(what)


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """A function that is called each time also where a compiled function calls it: such a call is not
    replayed.

    Usable as a decorator, with or without arguments.

    >>> import flambeau as torch
    >>> @torch.compiler.disable
    ... def note(x):
    ...     print("called")
    ...     return x + 1
    >>> note(torch.ones(1))
    called
    tensor([2.])
    """
    if fn is None:
        return functools.partial(disable, recursive=recursive, reason=reason)
    why = reason or "calls what torch.compiler.disable excepts"
    if isinstance(fn, type) or not hasattr(fn, "forward"):

        @functools.wraps(fn, updated=())
        def apart(*args: Any, **kwargs: Any) -> Any:
            break_off(why)
            return fn(*args, **kwargs)

        return apart
    fn.forward = disable(
        fn.forward, recursive, reason=reason
    )  # a module: itself, so that nothing else changes
    return fn


def allow_in_graph(fn: F) -> F:
    """The function: there is nothing that a compiled function may not call.

    >>> import flambeau as torch
    >>> torch.compiler.allow_in_graph(len) is len
    True
    """
    return fn


def assume_constant_result(fn: F) -> F:
    """The function: a compiled call asks it again whenever it is recorded.

    >>> import flambeau as torch
    >>> torch.compiler.assume_constant_result(len) is len
    True
    """
    return fn


def reset() -> None:
    """Forgets nothing: a compiled function keeps its recordings, which hold only where they are right.

    >>> import flambeau as torch
    >>> torch.compiler.reset()
    """


def cudagraph_mark_step_begin() -> None:
    """Marks the beginning of a step; there are no CUDA graphs to tell.

    >>> import flambeau as torch
    >>> torch.compiler.cudagraph_mark_step_begin()
    """


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names of the backends.

    >>> import flambeau as torch
    >>> torch.compiler.list_backends()
    ['flambeau']
    """
    return ["flambeau"]


@contextmanager
def set_stance(stance: str = "default", **options: Any) -> Iterator[None]:
    """A block in which compiled functions are compiled as always: "default". RuntimeError for another stance.

    >>> import flambeau as torch
    >>> with torch.compiler.set_stance("default"):
    ...     x = torch.ones(1)
    """
    if stance != "default":
        raise RuntimeError(
            f"set_stance: only 'default' is supported, got {stance!r}; use torch.compile(disable=True)"
        )
    yield
