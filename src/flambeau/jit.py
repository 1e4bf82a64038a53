"""Names of PyTorch's TorchScript, as in `torch.jit`. Nothing needs to be turned into a script here: `script`
and `trace` return what they are given, ready to run, and `torch.compile` is what makes it fast.

>>> import flambeau as torch
>>> @torch.jit.script
... def double(x):
...     return 2 * x
>>> double(torch.ones(1))
tensor([2.])
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import UnionType
from typing import Any, Final, NoReturn, TypeVar, Union, get_args, get_origin

from .nn.module import Module

T = TypeVar("T")


class ScriptModule(Module):
    """A module: the base class of modules written for TorchScript.

    >>> import flambeau as torch
    >>> isinstance(torch.jit.ScriptModule(), torch.nn.Module)
    True
    """


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """The function, class or module itself. TypeError for what is none of these.

    >>> import flambeau as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> torch.jit.script(layer) is layer
    True
    """
    if not callable(obj):
        raise TypeError(f"jit.script: expected a function, class or module, got {type(obj).__name__}")
    return obj


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """The function or module itself, after a call with the example inputs.

    What differs between calls stays free to differ: branches are taken anew, unlike in PyTorch.

    Args:
        func: a function or module.
        example_inputs: a tensor, or a tuple of the arguments.
        example_kwarg_inputs: arguments by name, instead.

    Raises:
        TypeError: `func` can't be called.
        RuntimeError: no example inputs.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> torch.jit.trace(layer, torch.ones(3, 2)) is layer
        True
    """
    named = kwargs.get("example_kwarg_inputs")
    if not callable(func):
        raise TypeError(f"jit.trace: expected a function or module, got {type(func).__name__}")
    if example_inputs is None and named is None:
        raise RuntimeError("jit.trace: give example_inputs or example_kwarg_inputs")
    given = () if example_inputs is None else example_inputs
    func(*(given if builtins.isinstance(given, tuple | list) else (given,)), **(named or {}))
    return func


def trace_module(mod: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
    """The module itself, after a call of each method that is named with its example inputs.

    >>> import flambeau as torch
    >>> layer = torch.nn.Linear(2, 1)
    >>> torch.jit.trace_module(layer, {"forward": torch.ones(3, 2)}) is layer
    True
    """
    for name, given in inputs.items():
        trace(getattr(mod, name), given)
    return mod


def _same(name: str, doc: str) -> Callable[[T], T]:
    def decorate(fn: T, *args: Any, **kwargs: Any) -> T:
        return fn

    decorate.__name__ = decorate.__qualname__ = name
    decorate.__doc__ = f"""{doc}

    >>> import flambeau as torch
    >>> torch.jit.{name}(len) is len
    True
    """
    return decorate


export = _same("export", "The method itself, which PyTorch would compile too.")
unused = _same("unused", "The function itself, which PyTorch would leave out of a script.")
script_method = _same("script_method", "The method itself.")
interface = _same("interface", "The class itself.")
script_if_tracing = _same("script_if_tracing", "The function itself.")
freeze = _same("freeze", "The module itself: its attributes are not made constants.")
optimize_for_inference = _same("optimize_for_inference", "The module itself; `torch.compile` makes it fast.")


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself, which PyTorch would leave to Python. With or without arguments.

    >>> import flambeau as torch
    >>> torch.jit.ignore(len) is len and torch.jit.ignore(drop=True)(len) is len
    True
    """
    return drop if callable(drop) else lambda fn: fn


def is_scripting() -> bool:
    """Whether this runs as a script: never.

    >>> import flambeau as torch
    >>> torch.jit.is_scripting()
    False
    """
    return False


def is_tracing() -> bool:
    """Whether this is being traced: never, as `trace` only calls.

    >>> import flambeau as torch
    >>> torch.jit.is_tracing()
    False
    """
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """The value.

    >>> import flambeau as torch
    >>> torch.jit.annotate(list[int], [])
    []
    """
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Whether the object is of a type; of a container's contents the first are looked at.

    >>> import flambeau as torch
    >>> torch.jit.isinstance([1], list[int]), torch.jit.isinstance([1], list[str])
    (True, False)
    """
    origin, inner = get_origin(target_type), get_args(target_type)
    if origin is None:
        return builtins.isinstance(obj, target_type)
    if origin in (Union, UnionType):
        return any(isinstance(obj, t) for t in inner)
    if not builtins.isinstance(obj, origin):
        return False
    if origin is dict:
        return all(isinstance(k, inner[0]) and isinstance(v, inner[1]) for k, v in obj.items())
    if origin is tuple:
        return len(obj) == len(inner) and all(map(isinstance, obj, inner))
    return all(isinstance(x, inner[0]) for x in obj)


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls the function now; `wait` gives its result.

    >>> import flambeau as torch
    >>> torch.jit.wait(torch.jit.fork(max, 1, 2))
    2
    """
    return func(*args, **kwargs)


def wait(future: T) -> T:
    """The result of a call that `fork` made.

    >>> import flambeau as torch
    >>> torch.jit.wait(torch.jit.fork(max, 1, 2))
    2
    """
    return future


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """RuntimeError: there is no script to save; save the module's `state_dict()` with `torch.save`.

    >>> import flambeau as torch
    >>> torch.jit.save(torch.nn.Linear(1, 1), "x.pt")
    Traceback (most recent call last):
    RuntimeError: jit.save: scripts are not supported; save the module's state_dict() with torch.save()
    """
    raise RuntimeError(
        "jit.save: scripts are not supported; save the module's state_dict() with torch.save()"
    )


def load(f: Any, map_location: Any = None, _extra_files: Any = None) -> NoReturn:
    """RuntimeError: scripts are not supported; build the module in Python and load a state dict into it.

    >>> import flambeau as torch
    >>> torch.jit.load("x.pt")
    Traceback (most recent call last):
    RuntimeError: jit.load: scripts are not supported; build the module and load its state_dict() with
    torch.load()
    """
    raise RuntimeError(
        "jit.load: scripts are not supported; build the module and load its state_dict() with torch.load()"
    )


__all__ = [
    "Final", "ScriptModule", "annotate", "export", "fork", "freeze", "ignore", "interface", "is_scripting",
    "is_tracing", "isinstance", "load", "optimize_for_inference", "save", "script", "script_if_tracing",
    "script_method", "trace", "trace_module", "unused", "wait",
]  # fmt: skip
