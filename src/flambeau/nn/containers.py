"""Modules that hold modules: `Sequential`, `ModuleList`, `ModuleDict`."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from itertools import groupby
from typing import Any, Self, overload

from .module import Module, _addindent, block


def position(index: Any, size: int, what: str) -> int:
    """An index counted from the start; IndexError for one outside."""
    i = operator.index(index)
    if not -size <= i < size:
        raise IndexError(f"{what}: index {i} is out of range, the length is {size}")
    return i % size


def pairs(items: Any, what: str) -> Iterator[tuple[str, Any]]:
    """The pairs of a mapping, a module dict or an iterable of pairs."""
    if not isinstance(items, Iterable):
        raise TypeError(f"{what}.update: expected an iterable of key/value pairs, got {type(items).__name__}")
    if isinstance(items, (Mapping, Module)) and hasattr(items, "items"):
        yield from items.items()
        return
    for i, pair in enumerate(items):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{what}.update: element #{i} should be iterable, it is a {type(pair).__name__}")
        pair = list(pair)
        if len(pair) != 2:
            raise ValueError(f"{what}.update: element #{i} has length {len(pair)}; 2 is required")
        yield pair[0], pair[1]


class _ModuleSequence(Module):
    """What `Sequential` and `ModuleList` share: modules in order, named by their positions."""

    _modules: dict[str, Module]  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def _key(self, index: int) -> str:
        return list(self._modules)[position(index, len(self), type(self).__name__)]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: int | slice) -> None:
        for key in list(self._modules)[index] if isinstance(index, slice) else [self._key(index)]:
            delattr(self, key)
        self._renumber(self)

    def _renumber(self, modules: Iterable[Module]) -> None:
        self._modules = OrderedDict((str(i), module) for i, module in enumerate(modules))

    def append(self, module: Module) -> Self:
        """Adds a module at the end. Returns the container.

        Example:
            >>> import flambeau as torch
            >>> len(torch.nn.ModuleList().append(torch.nn.Identity()))
            1
        """
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Adds modules at the end. Returns the container; TypeError if `modules` is not iterable.

        Example:
            >>> import flambeau as torch
            >>> len(torch.nn.ModuleList().extend([torch.nn.Identity(), torch.nn.Identity()]))
            2
        """
        if not isinstance(modules, Iterable):
            raise TypeError(
                f"{type(self).__name__}.extend: expected an iterable, got {type(modules).__name__}"
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Puts a module before the one at `index`; those after it move up. Returns the container.

        Raises:
            AssertionError: `module` is not a Module.
            IndexError: `index` is outside of the container.

        Example:
            >>> import flambeau as torch
            >>> net = torch.nn.Sequential(torch.nn.Identity()).insert(0, torch.nn.Linear(2, 1))
            >>> net[0]
            Linear(in_features=2, out_features=1, bias=True)
        """
        if not isinstance(module, Module):
            raise AssertionError(
                f"{type(self).__name__}.insert: expected a Module, got {type(module).__name__}"
            )
        size = len(self)
        if not -size <= index <= size:
            raise IndexError(
                f"{type(self).__name__}.insert: index {index} is out of range, the length is {size}"
            )
        modules = list(self)
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, key: int | slice) -> Any:
        """Takes out and returns the module at a position, or a container of those in a slice.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ModuleList([torch.nn.Identity()]).pop(0)
            Identity()
        """
        value = self[key]  # type: ignore[index]
        del self[key]
        return value


class Sequential(_ModuleSequence):
    """Passes its input through modules, one after the other.

    Args:
        args: the modules, or one OrderedDict of modules by name.

    Example:
        >>> import flambeau as torch
        >>> net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
        >>> net(torch.ones(5, 2)).shape
        torch.Size([5, 3])
        >>> net[1]
        ReLU()
    """

    @overload
    def __init__(self, *args: Module) -> None: ...
    @overload
    def __init__(self, arg: OrderedDict[str, Module], /) -> None: ...
    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], OrderedDict)
        for name, module in args[0].items() if named else zip(map(str, range(len(args))), args, strict=True):
            self.add_module(name, module)

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    @overload
    def __getitem__(self, index: int) -> Module: ...
    def __getitem__(self, index: slice | int) -> Sequential | Module:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._key(index)]

    def forward(self, input: Any) -> Any:
        """The result of the last module, each being given the result of the one before."""
        for module in self:
            input = module(input)
        return input

    def __add__(self, other: Sequential) -> Sequential:
        return Sequential(*self, *_sequential(other))

    def __iadd__(self, other: Sequential) -> Self:
        return self.extend(_sequential(other))

    def __mul__(self, count: int) -> Sequential:
        return Sequential(*list(self) * _repeats(self, count))

    __rmul__ = __mul__

    def __imul__(self, count: int) -> Self:
        return self.extend(list(self) * (_repeats(self, count) - 1))


def _sequential(other: Any) -> Sequential:
    if not isinstance(other, Sequential):
        raise ValueError(f"Sequential: add supports only another Sequential, got {type(other).__name__}")
    return other


def _repeats(module: Module, count: Any) -> int:
    if not isinstance(count, int):
        raise TypeError(
            f"unsupported operand type(s) for *: {type(module).__name__} and {type(count).__name__}"
        )
    if count <= 0:
        raise ValueError(f"{type(module).__name__}: multiplication factor must be positive, got {count}")
    return count


class ModuleList(_ModuleSequence):
    """A list of modules, whose parameters belong to the module that holds the list. It can't be called.

    Args:
        modules: what to start with.

    Example:
        >>> import flambeau as torch
        >>> layers = torch.nn.ModuleList([torch.nn.Linear(2, 2) for _ in range(3)])
        >>> layers
        ModuleList(
          (0-2): 3 x Linear(in_features=2, out_features=2, bias=True)
        )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    @overload
    def __getitem__(self, index: slice) -> ModuleList: ...
    @overload
    def __getitem__(self, index: int) -> Module: ...
    def __getitem__(self, index: int | slice) -> Module | ModuleList:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return self._modules[self._key(index)]

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList(self).extend(other)

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __repr__(self) -> str:
        lines, start = [], 0
        for text, run in groupby(map(repr, self)):
            count = sum(1 for _ in run)
            where = f"({start}): " if count == 1 else f"({start}-{start + count - 1}): {count} x "
            lines.append(_addindent(where + text, 2))
            start += count
        return block(self._get_name(), lines)


class ModuleDict(Module):
    """A dict of modules, whose parameters belong to the module that holds the dict. It can't be called.

    Args:
        modules: a mapping or an iterable of pairs to start with; the order is kept.

    Example:
        >>> import flambeau as torch
        >>> acts = torch.nn.ModuleDict({"relu": torch.nn.ReLU(), "none": torch.nn.Identity()})
        >>> acts["relu"]
        ReLU()
    """

    _modules: dict[str, Module]  # type: ignore[assignment]

    def __init__(self, modules: Mapping[str, Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Takes all modules out.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ModuleDict({"a": torch.nn.Identity()}).clear()
        """
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """Takes out and returns a module; KeyError if there is none of that name.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.ModuleDict({"a": torch.nn.Identity()}).pop("a")
            Identity()
        """
        return self._modules.pop(key)

    def keys(self) -> KeysView[str]:
        """The names.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ModuleDict({"a": torch.nn.Identity()}).keys())
            ['a']
        """
        return self._modules.keys()

    def items(self) -> ItemsView[str, Module]:
        """Pairs of name and module.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ModuleDict({"a": torch.nn.Identity()}).items())
            [('a', Identity())]
        """
        return self._modules.items()

    def values(self) -> ValuesView[Module]:
        """The modules.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.ModuleDict({"a": torch.nn.Identity()}).values())
            [Identity()]
        """
        return self._modules.values()

    def update(self, modules: Mapping[str, Module]) -> None:
        """Adds or replaces modules.

        Args:
            modules: a mapping or an iterable of pairs.

        Raises:
            TypeError: `modules`, or an element of it, is not iterable.
            ValueError: an element is not a pair.

        Example:
            >>> import flambeau as torch
            >>> acts = torch.nn.ModuleDict()
            >>> acts.update([("a", torch.nn.Identity())])
            >>> list(acts)
            ['a']
        """
        for key, module in pairs(modules, "ModuleDict"):
            self[key] = module
