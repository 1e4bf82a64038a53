"""What the arguments of a call are made of: a description that two calls share if a recording of one may
serve the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.tensor import Tensor

TENSOR = object()
NUMBER = object()
PLAIN = (int, float, str, bool, bytes, type(None), complex)


class Arguments:
    """The parts of a call's arguments.

    Attributes:
        tensors: the tensors, in order.
        numbers: those in whose places numbers were seen to vary, so that each replay reads them anew.
        objects: whatever else there is, with its path.
        spec: the description.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], varying: frozenset[Any]) -> None:
        self.tensors: list[Tensor] = []
        self.numbers: list[Any] = []
        self.objects: list[tuple[Any, str]] = []
        self.varying = varying
        spec = [TENSOR if self._is_tensor(x) else self._describe(x, ("args", i)) for i, x in enumerate(args)]
        self.spec = (*spec, self._describe(kwargs, ()) if kwargs else None)

    def _is_tensor(self, x: Any) -> bool:
        if isinstance(x, Tensor):
            self.tensors.append(x)
            return True
        return False

    def _describe(self, x: Any, place: tuple[Any, ...]) -> Any:
        kind = type(x)
        if kind in PLAIN:
            if place in self.varying and kind in (int, float):
                self.numbers.append(x)
                return (NUMBER, kind)
            return (kind, x) if kind is not float or x else (kind, repr(x))
        if self._is_tensor(x):
            return TENSOR
        if isinstance(x, tuple | list):
            return (kind, *[self._describe(y, (*place, i)) for i, y in enumerate(x)])
        if isinstance(x, dict):
            return (kind, *[(key, self._describe(y, (*place, key))) for key, y in x.items()])
        self.objects.append((x, "".join(f"[{p}]" if i else str(p) for i, p in enumerate(place))))
        return ("object", id(x))


def replaced(x: Any, place: tuple[Any, ...], varying: frozenset[Any], new: Callable[[Any], Any]) -> Any:
    """The arguments with the varying numbers replaced by `new(number)`, in the order of
    `Arguments.numbers`."""
    if type(x) in (int, float):
        return new(x) if place in varying else x
    if isinstance(x, tuple | list):
        parts = [replaced(y, (*place, i), varying, new) for i, y in enumerate(x)]
        if all(a is b for a, b in zip(parts, x, strict=True)):
            return x
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)
    if isinstance(x, dict):
        changed = {key: replaced(y, (*place, key), varying, new) for key, y in x.items()}
        return x if all(changed[key] is x[key] for key in x) else changed
    return x


def differing(one: tuple[Any, ...], other: tuple[Any, ...]) -> set[tuple[Any, ...]]:
    """The places in which two descriptions of arguments have different numbers of the same type."""
    found: set[tuple[Any, ...]] = set()
    if len(one) == len(other):
        for i, (a, b) in enumerate(zip(one[:-1], other[:-1], strict=True)):
            _compare(a, b, ("args", i), found)
        _compare(one[-1], other[-1], (), found)
    return found


def _compare(a: Any, b: Any, place: tuple[Any, ...], found: set[tuple[Any, ...]]) -> None:
    if not (type(a) is type(b) is tuple) or len(a) != len(b) or a[0] is not b[0]:
        return
    if a[0] in (int, float):
        if a != b:
            found.add(place)
    elif isinstance(a[0], type) and issubclass(a[0], dict):
        for (key, x), (_, y) in zip(a[1:], b[1:], strict=True):
            _compare(x, y, (*place, key), found)
    elif isinstance(a[0], type) and issubclass(a[0], tuple | list):
        for i, (x, y) in enumerate(zip(a[1:], b[1:], strict=True)):
            _compare(x, y, (*place, i), found)
