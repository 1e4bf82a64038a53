"""Classes that take part in functions of tensors by `__torch_function__`, as in `torch.overrides`.

Until somebody subclasses `Tensor`, nothing of this is in the way of a call. With the first subclass, the
public functions (`torch.add`, `torch.nn.functional.relu`, …) look for instances of such classes among their
arguments, and the methods of the subclass ask its `__torch_function__`.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .core.device import device
from .core.dispatch import DisableTorchFunctionSubclass, state, takes_part
from .core.tensor import Tensor
from .functions import attributes, convert, methods

_ROOMS = ("", ".nn.functional", ".linalg", ".fft", ".special")
_PROPERTIES = ("T", "H", "mT", "mH", "real", "imag", "data")
_METHODS = ("detach", "backward", "requires_grad_", "numpy", "item", "tolist")
_OPERATORS = {
    "__add__": "add", "__radd__": "add", "__iadd__": "add_", "__sub__": "sub", "__isub__": "sub_",
    "__mul__": "mul", "__rmul__": "mul", "__imul__": "mul_", "__truediv__": "div", "__rtruediv__": "__rdiv__",
    "__itruediv__": "div_", "__pow__": "pow", "__ipow__": "pow_", "__matmul__": "matmul", "__neg__": "neg",
    "__abs__": "abs",
}  # fmt: skip
_PLAIN = {Tensor, int, float, bool, str, type(None), slice, device}  # looked at no further


def _involved(values: Iterable[Any]) -> list[Any]:
    """The arguments that have a say, subclasses before their bases, otherwise from left to right."""
    found: list[Any] = []
    for value in values:
        kind = type(value)
        if kind in _PLAIN:
            continue
        inner = [value] if takes_part(kind) else []
        if kind is tuple or kind is list:
            inner = _involved(value)
        for x in inner:
            if all(type(x) is not type(y) for y in found):
                at = next((i for i, y in enumerate(found) if isinstance(x, type(y))), len(found))
                found.insert(at, x)
    return found


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of the arguments has a `__torch_function__` that is to be asked.

    >>> import flambeau as torch
    >>> torch.overrides.has_torch_function((torch.ones(1), 2))
    False
    """
    return state.enabled and bool(_involved(relevant_args))


def has_torch_function_unary(arg: Any) -> bool:
    """As `has_torch_function`, for one argument.

    >>> import flambeau as torch
    >>> torch.overrides.has_torch_function_unary(torch.ones(1))
    False
    """
    return has_torch_function((arg,))


def has_torch_function_variadic(*args: Any) -> bool:
    """As `has_torch_function`, for arguments one by one.

    >>> import flambeau as torch
    >>> torch.overrides.has_torch_function_variadic(torch.ones(1), torch.ones(1))
    False
    """
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """What the `__torch_function__` of the first argument that knows the function makes of the call.

    TypeError if all return NotImplemented.

    >>> import flambeau as torch
    >>> class Loud:
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return f"{func.__name__}!"
    >>> torch.overrides.handle_torch_function(torch.add, (Loud(),), Loud(), 1)
    'add!'
    """
    involved = _involved(relevant_args)
    types = tuple(type(x) for x in involved)
    for x in involved:
        result = type(x).__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = getattr(public_api, "__name__", repr(public_api))
    raise TypeError(
        f"no implementation found for '{name}' on types that implement __torch_function__: "
        f"{[t.__name__ for t in types]}"
    )


def is_tensor_like(inp: Any) -> bool:
    """Whether the object is a tensor, or takes part in functions of tensors.

    >>> import flambeau as torch
    >>> torch.overrides.is_tensor_like(torch.ones(1)), torch.overrides.is_tensor_like([1])
    (True, False)
    """
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether the function is a method of tensors, or reads one of their attributes.

    >>> import flambeau as torch
    >>> torch.overrides.is_tensor_method_or_property(torch.Tensor.add_)
    True
    """
    name = getattr(func, "__name__", "")
    return name == "__get__" or vars(Tensor).get(name) is func


def resolve_name(f: Any) -> str:
    """The function's name, as a program would write it.

    >>> import flambeau as torch
    >>> torch.overrides.resolve_name(torch.Tensor.add_)
    'torch.Tensor.add_'
    """
    name = getattr(f, "__name__", str(f))
    return f"torch.Tensor.{name}" if is_tensor_method_or_property(f) else f"torch.{name}"


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[..., Any]:
    """Lets a function of one's own ask `__torch_function__`; `dispatcher` gives the arguments that have a
    say.

    >>> import flambeau as torch
    >>> @torch.overrides.wrap_torch_function(lambda x: (x,))
    ... def double(x):
    ...     return x + x
    >>> double(torch.ones(1))
    tensor([2.])
    """

    def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def asking(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(asking, relevant, *args, **kwargs)
            return func(*args, **kwargs)

        return asking

    return decorate


# ----- what the first subclass brings about -----


class _Asking:
    """A public function that asks `__torch_function__`. It equals the function itself, as a key too."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if state.enabled:
            values = (*args, *kwargs.values()) if kwargs else args
            for value in values:
                if type(value) not in _PLAIN and _involved(values):
                    return handle_torch_function(self, values, *args, **kwargs)
        return self.function(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self.function

    def __hash__(self) -> int:
        return hash(self.function)

    def __repr__(self) -> str:
        return repr(self.function)

    def __reduce__(self) -> Any:
        return _itself, (self.function,)


def _itself(function: Any) -> Any:
    return function


def _method(of_tensor: Any) -> Any:
    @functools.wraps(of_tensor)
    def asking(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        if state.enabled and _involved((self, *args, *kwargs.values())):
            return handle_torch_function(of_tensor, (self, *args, *kwargs.values()), self, *args, **kwargs)
        return of_tensor(self, *args, **kwargs)

    return asking


def _property(of_tensor: Any) -> Any:
    def asking(self: Tensor) -> Any:
        if state.enabled and _involved((self,)):
            return handle_torch_function(of_tensor.__get__, (self,), self)
        return of_tensor.__get__(self)

    return property(asking, of_tensor.fset, of_tensor.fdel, of_tensor.__doc__)


def _method_names() -> set[str]:
    families = " ".join(methods.FAMILIES.values()).replace("|", " ").split()
    names = {*_METHODS, *methods.OPERATORS, *methods.SPECIAL, *convert.CONVERTERS, *families}
    names |= {f"{n}_" for n in names if hasattr(Tensor, f"{n}_")}
    apart = {"as_subclass", "__reduce__", "__reduce_ex__", "__deepcopy__", *attributes.properties()}
    return names - apart


@functools.cache
def _ask_in_functions() -> None:
    """Has all public functions ask."""
    root = importlib.import_module(__package__)
    wrapped: dict[Any, _Asking] = {}
    for room in _ROOMS:
        space = vars(importlib.import_module(f"{root.__name__}{room}"))
        for name, f in list(space.items()):
            if not name.startswith("_") and _is_public_function(f):
                space[name] = wrapped.setdefault(f, _Asking(f))
    for module in [m for n, m in sys.modules.items() if n.startswith(f"{root.__name__}.nn.modules")]:
        for name, f in list(vars(module).items()):
            if _is_public_function(f) and f in wrapped:
                setattr(module, name, wrapped[f])


def _is_public_function(f: Any) -> bool:
    module = getattr(f, "__module__", None) or ""
    within = (".functions.", ".nn.functional", ".linalg", ".fft", ".special")
    return callable(f) and hasattr(f, "__code__") and any(w in f"{module}." for w in within)


def enable(cls: type) -> None:
    """Has a subclass of `Tensor` take part: its methods, and with the first one the public functions."""
    _ask_in_functions()
    own = [base for base in cls.__mro__ if base is not Tensor and issubclass(base, Tensor)]
    taken = {name for base in own for name in vars(base)}
    for name in _method_names() - taken:
        setattr(cls, name, _method(getattr(Tensor, _OPERATORS.get(name, name))))
    for name in set(_PROPERTIES) - taken:
        setattr(cls, name, _property(vars(Tensor)[name]))


__all__ = [
    "DisableTorchFunctionSubclass", "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like", "is_tensor_method_or_property", "resolve_name",
    "wrap_torch_function",
]  # fmt: skip
