"""Modules that hold parameters: `ParameterList`, `ParameterDict`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, KeysView, Mapping
from operator import itemgetter
from typing import Any, Self, overload

from ..core.tensor import Tensor
from .containers import pairs, position
from .module import Module
from .parameter import Parameter


def _as_parameter(value: Any) -> Any:
    return Parameter(value) if isinstance(value, Tensor) and not isinstance(value, Parameter) else value


def _entry(key: Any, value: Any, kind: str) -> str:
    """The line for one entry in a container's text; `kind` names a tensor's type."""
    if not isinstance(value, Tensor):
        return f"  ({key}): Object of type: {type(value).__name__}"
    size = "x".join(map(str, value.shape))
    where = f" ({value.device})" if value.is_cuda else ""
    name = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"  ({key}): {name} containing: [{kind} of size {size}{where}]"


class ParameterList(Module):
    """A list of parameters, which belong to the module that holds the list.

    Tensors become parameters; other values are kept as they are.

    Args:
        values: what to start with.

    Example:
        >>> import flambeau as torch
        >>> weights = torch.nn.ParameterList([torch.zeros(2), torch.zeros(3)])
        >>> weights
        ParameterList(
            (0): Parameter containing: [torch.float32 of size 2]
            (1): Parameter containing: [torch.float32 of size 3]
        )
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    @overload
    def __getitem__(self, index: slice) -> Self: ...
    @overload
    def __getitem__(self, index: int) -> Any: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(self[i] for i in range(len(self))[index])
        return getattr(self, str(position(index, len(self), "ParameterList")))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(position(index, len(self), "ParameterList")), _as_parameter(value))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __iadd__(self, values: Iterable[Any]) -> Self:
        return self.extend(values)

    def append(self, value: Any) -> Self:
        """Adds a value at the end. Returns the list.

        Example:
            >>> import flambeau as torch
            >>> len(torch.nn.ParameterList().append(torch.zeros(2)))
            1
        """
        setattr(self, str(self._size), _as_parameter(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Adds values at the end. Returns the list; TypeError if `values` is not iterable, or a tensor.

        Example:
            >>> import flambeau as torch
            >>> len(torch.nn.ParameterList().extend([torch.zeros(2), torch.zeros(3)]))
            2
        """
        if isinstance(values, Tensor) or not isinstance(values, Iterable):
            raise TypeError(f"ParameterList.extend: expected an iterable, got {type(values).__name__}")
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """A line for each value."""
        return "\n".join(_entry(i, value, str(getattr(value, "dtype", ""))) for i, value in enumerate(self))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called; it has no forward")


class ParameterDict(Module):
    """A dict of parameters, which belong to the module that holds the dict.

    Tensors become parameters; other values are kept as they are. Keys are strings.

    Args:
        parameters: a mapping or an iterable of pairs to start with. The order is kept;
            a mapping other than OrderedDict and ParameterDict is sorted by key.

    Example:
        >>> import flambeau as torch
        >>> weights = torch.nn.ParameterDict({"a": torch.zeros(2)})
        >>> [name for name, _ in weights.named_parameters()]
        ['a']
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def __getitem__(self, key: str) -> Any:
        return getattr(self, _string(key))

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, _string(key), _as_parameter(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys

    def __or__(self, other: ParameterDict) -> ParameterDict:
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: ParameterDict) -> ParameterDict:
        merged = other.copy()
        merged.update(self)
        return merged

    def __ior__(self, other: ParameterDict) -> Self:
        self.update(other)
        return self

    def copy(self) -> ParameterDict:
        """A new dict with the same parameters.

        Example:
            >>> import flambeau as torch
            >>> weights = torch.nn.ParameterDict({"a": torch.zeros(2)})
            >>> weights.copy()["a"] is weights["a"]
            True
        """
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value under `key`, after putting `default` there if there was none.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ParameterDict().setdefault("a", torch.zeros(2)).requires_grad
            True
        """
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """Takes all values out.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ParameterDict({"a": torch.zeros(2)}).clear()
        """
        for key in list(self):
            del self[key]

    def pop(self, key: str) -> Any:
        """Takes out and returns a value; an error if there is none under `key`.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ParameterDict({"a": torch.zeros(2)}).pop("a").shape
            torch.Size([2])
        """
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Takes out and returns the last pair; KeyError if the dict is empty.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ParameterDict({"a": torch.zeros(2), "b": torch.zeros(2)}).popitem()[0]
            'b'
        """
        if not self._keys:
            raise KeyError("popitem: the ParameterDict is empty")
        key = next(reversed(self))
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value under `key`, or `default`.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ParameterDict().get("a", 1)
            1
        """
        return getattr(self, key) if key in self._keys else default

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> ParameterDict:
        """A new dict with `default` under each key.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ParameterDict().fromkeys(["a", "b"], torch.zeros(2)))
            ['a', 'b']
        """
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> KeysView[str]:
        """The keys.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ParameterDict({"a": torch.zeros(2)}).keys())
            ['a']
        """
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Pairs of key and value.

        Example:
            >>> import flambeau as torch
            >>> [key for key, value in torch.nn.ParameterDict({"a": torch.zeros(2)}).items()]
            ['a']
        """
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """The values.

        Example:
            >>> import flambeau as torch
            >>> [value.shape for value in torch.nn.ParameterDict({"a": torch.zeros(2)}).values()]
            [torch.Size([2])]
        """
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """Adds or replaces values.

        Args:
            parameters: a mapping or an iterable of pairs, in the order that `ParameterDict` describes.

        Raises:
            TypeError: `parameters`, or an element of it, is not iterable.
            ValueError: an element is not a pair.

        Example:
            >>> import flambeau as torch
            >>> weights = torch.nn.ParameterDict()
            >>> weights.update({"b": torch.zeros(2), "a": torch.zeros(2)})
            >>> list(weights)
            ['a', 'b']
        """
        sort = isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict)
        items = pairs(parameters, "ParameterDict")
        for key, value in sorted(items, key=itemgetter(0)) if sort else items:
            self[key] = value

    def extra_repr(self) -> str:
        """A line for each value."""
        return "\n".join(
            _entry(key, value, value.type() if isinstance(value, Tensor) else "")
            for key, value in self.items()
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called; it has no forward")


def _string(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"ParameterDict: a key must be a string, got {key!r} ({type(key).__name__})")
    return key
