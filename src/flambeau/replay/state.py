"""The Python state that a call can reach: what a recording is made from, and guarded by.

A `State` is found by following names: the globals that the running code asks for, the closures, the
attributes whose names it mentions, and everything inside of containers. Each container is read through
directly, so that a replay's guard is one tuple of current values compared with the recorded one by identity.
"""

from __future__ import annotations

import sys
import types
import weakref
from array import array
from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..core.device import device
from ..core.dtype import dtype
from ..core.generator import Generator
from ..core.tensor import Tensor
from .watch import Watch, global_names, owner

ATOMS = (type(None), bool, int, float, complex, str, bytes, range, slice, type(...), dtype, device, Generator,
         types.BuiltinFunctionType, types.GetSetDescriptorType, types.MemberDescriptorType)  # fmt: skip
TABLES = frozenset(
    {"_parameters", "_buffers", "_modules", "param_groups", "state", "training"}
    | {"_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"}
    | {"_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"}
)
INSIDE = frozenset(Tensor.__annotations__)  # attributes that are a tensor's own
PARTS = (
    "_edge",
    "_base",
    "_view",
    "_storage",
    "_counter",
)  # of a tensor; the last two change at a first write
LIMIT = 20_000
NO_KEY = object()  # stands for the key of a value that can't be set
EMPTY = object()  # stands for the value of an empty cell


class Box:
    """A place with values that may change: one dict, list, cell… and the names of the values looked at (None:
    all)."""

    def __init__(self, target: Any, kind: str, path: str, names: tuple[Any, ...] | None = None) -> None:
        self.target, self.kind, self.path, self.names = target, kind, path, names

    def read(self) -> tuple[Any, ...]:
        """The current values; of a whole dict the keys, then the values."""
        target, names = self.target, self.names
        if self.kind == "cell":
            return (_contents(target),)
        if self.kind == "slots":
            return tuple([getattr(target, name) for name in names or ()])
        if names is not None:
            return tuple([target[name] for name in names])
        if self.kind == "keys":
            return (*target,) if isinstance(target, dict) else (len(target),)
        return (*target, *target.values()) if self.kind == "dict" else tuple(target)

    def places(self) -> list[Any]:
        """Under which key each of the values stands; `NO_KEY` for what can't be set."""
        target = self.target
        if self.kind == "cell":
            return ["cell_contents"]
        if self.names is not None:
            return [NO_KEY] * len(self.names) if type(target) is types.MappingProxyType else list(self.names)
        if self.kind == "dict":
            return [NO_KEY] * len(target) + list(target)
        return list(range(len(target))) if self.kind == "list" else [NO_KEY] * len(self.read())

    def value(self, key: Any) -> Any:
        """The value under a key."""
        return getattr(self.target, key) if self.kind in ("cell", "slots") else self.target[key]

    def write(self, key: Any, value: Any) -> None:
        """Sets the value under a key."""
        if self.kind in ("cell", "slots"):
            setattr(self.target, key, value)
        else:
            self.target[key] = value

    def paths(self) -> list[str]:
        """How a person would write each of the values."""
        if self.kind == "cell":
            return [self.path]
        if self.names is not None:
            return [f"{self.path}.{name}" for name in self.names]
        return [f"{self.path}[{_short(key)}]" for key in self.places()]

    def without(self, varying: list[Any]) -> list[Box]:
        """Boxes for all but the values under these keys."""
        keep = [key for key in self.places() if key is not NO_KEY and not any(key is v for v in varying)]
        if self.kind == "cell":
            return []
        rest = Box(self.target, self.kind, self.path, tuple(keep))
        return [rest] if self.names is not None else [rest, Box(self.target, "keys", self.path)]


def _short(key: Any) -> str:
    return type(key).__name__ if isinstance(key, Tensor) or key is NO_KEY else repr(key)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY


class State:
    """All boxes and tensors that can be reached from some roots.

    Attributes:
        boxes: the containers.
        tensors: the tensors, each with its path.
        reasons: why what is reached can't be guarded.
        functions: the code of the functions found.
        slots: the places, as box and key, whose values vary from call to call: numbers and tensors that are
            not followed.
        seen: everything found, by id.
    """

    def __init__(self, watch: Watch, varying: frozenset[Any]) -> None:
        self.boxes: list[Box] = []
        self.tensors: dict[int, tuple[Tensor, str]] = {}
        self.reasons: list[str] = []
        self.functions: set[types.CodeType] = set()
        self.slots: list[tuple[Box, Any]] = []
        self.watch, self.varying = watch, varying
        self.seen: dict[Any, Any] = {}
        self._waiting: deque[tuple[Any, str]] = deque()

    def reach(self, roots: Iterator[tuple[Any, str]] | list[tuple[Any, str]]) -> None:
        """Follows everything from the roots, and the globals of the code that was seen to run."""
        self._waiting.extend(roots)
        for code, scope in self.watch.codes.items():
            names = tuple(sorted(n for n in global_names(code) if n in scope))
            self._box(Box(scope, "dict", code.co_name, names), tuple(names))
        while self._waiting:
            if len(self.seen) > LIMIT:
                self.reasons.append(f"reaches more than {LIMIT} objects (lately {self._waiting[0][1]})")
                return
            value, path = self._waiting.popleft()
            if type(value) not in ATOMS and id(value) not in self.seen:
                self.seen[id(value)] = value
                self._visit(value, path)

    def _box(self, box: Box, once: Any = None) -> None:
        if once is not None:
            if (id(box.target), once) in self.seen or not once:
                return
            self.seen[id(box.target), once] = box
        self.boxes.append(box)
        varying = []
        for key, value, path in zip(box.places(), box.read(), box.paths(), strict=True):
            if key is not NO_KEY and may_vary(value) and (id(box.target), hashed(key)) in self.varying:
                varying.append(key)
                self.slots.append((box, key))
            else:
                self._waiting.append((value, path))
        if varying:
            self.boxes.remove(box)
            self.boxes += box.without(varying)

    def _visit(self, x: Any, path: str) -> None:
        if isinstance(x, Tensor):
            self.tensors[id(x)] = (x, path)
            if x._base is not None:
                self._waiting.append((x._base, path + "._base"))
            self._attributes(x, path, self.watch.names - INSIDE)
        elif isinstance(x, dict):
            self._box(Box(x, "dict", path))
        elif isinstance(x, list | deque):
            self._box(Box(x, "list", path))
        elif isinstance(x, tuple | frozenset):
            self._waiting.extend((value, f"{path}[{i}]") for i, value in enumerate(x))
        elif isinstance(x, weakref.ref):
            self._waiting.append((x(), path))
        elif isinstance(x, set):
            self._box(Box(x, "set", path))
        elif isinstance(x, types.CellType):
            self._box(Box(x, "cell", path))
        elif isinstance(x, types.FunctionType):
            self._function(x, path)
        elif isinstance(x, types.MethodType):
            self._waiting += [(x.__self__, path), (x.__func__, path)]
        elif isinstance(x, property | staticmethod | classmethod):
            parts = (x.fget, x.fset) if isinstance(x, property) else (x.__func__,)
            self._waiting.extend((part, path) for part in parts)
        elif isinstance(x, types.ModuleType):
            self._module(x, path)
        elif isinstance(x, type):
            self._class(x, path)
        else:
            self._instance(x, path)

    def _function(self, f: types.FunctionType, path: str) -> None:
        if owner(f.__code__.co_filename) == "flambeau" and f.__closure__ is None:
            return
        self.functions.update(nested(f.__code__))
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            self._waiting.append((cell, name))
        self._waiting += [(f.__defaults__, path), (f.__kwdefaults__, path)]

    def _module(self, module: types.ModuleType, path: str) -> None:
        if owner(getattr(module, "__file__", None) or "<frozen>") == "user":
            wanted = self.watch.names if self.watch.own is None else self.watch.own
            names = tuple(sorted(n for n in wanted if n in vars(module)))
            self._box(Box(vars(module), "dict", path, names))

    def _class(self, cls: type, path: str) -> None:
        for base in cls.__mro__:
            if _is_users(base) and (id(base) not in self.seen or base is cls):
                self.seen[id(base)] = base
                self._attributes(base, path, self.watch.own, special=True)

    def _instance(self, x: Any, path: str) -> None:
        kind = type(x)
        if (
            hasattr(kind, "__next__")
            or isinstance(x, np.ndarray | array | bytearray | memoryview)
            or kind.__module__.startswith("numpy.random")
        ):
            self.reasons.append(f"uses {path}, a {kind.__name__}, whose contents can't be watched")
            return
        if kind.__module__ == "functools":
            parts = ("func", "args", "keywords", "__wrapped__")
            self._waiting.extend((getattr(x, part), path) for part in parts if hasattr(x, part))
        if hasattr(kind, "follows"):  # another compiled function
            self._waiting.append((x.function, path))
            return
        if _is_users(kind):
            self._waiting.append((kind, kind.__name__))
        unknown = self.watch.own is None and _is_users(kind)
        names = self.watch.own if _is_users(kind) and not _is_ours(kind) else self.watch.names
        self._attributes(x, path, None if unknown else names)

    def _attributes(self, x: Any, path: str, wanted: set[str] | None, special: bool = False) -> None:
        """Looks at those attributes that some code may ask for (None: at all)."""
        own = getattr(x, "__dict__", None)
        if own is not None:
            known = own.keys() if wanted is None else wanted | TABLES
            names = tuple(n for n in own if n in known or (special and n[:2] == "__" and callable(own[n])))
            if names:
                self._box(Box(own, "dict", path, names))
        slots = [n for cls in type(x).__mro__ for n in _slots(cls) if wanted is None or n in wanted]
        slots = [n for n in slots if hasattr(x, n)]
        if slots and _is_users(type(x)):
            self._box(Box(x, "slots", path, tuple(slots)))


def unchanged(values: tuple[Any, ...]) -> tuple[str, ...]:
    """Which of a tensor's parts a guard has to look at: without a base it never has one, and counters come
    with storages."""
    return ("_edge", "_view", "_storage") if values[1] is None else ("_edge", "_base", "_view", "_storage")


def may_vary(value: Any) -> bool:
    """Whether another value of this type can stand in its place without being followed."""
    return type(value) in (int, float) or isinstance(value, Tensor)


def hashed(key: Any) -> Any:
    """A key that compares without asking a tensor."""
    return id(key) if isinstance(key, Tensor) else key


def _slots(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
    """The code and what is defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested(constant)


def _is_ours(cls: type) -> bool:
    return any(base.__module__.startswith("flambeau.") for base in cls.__mro__)


def _is_users(cls: type) -> bool:
    name = cls.__module__.partition(".")[0]
    return name == "__main__" or name not in ("flambeau", "numpy", "builtins", *sys.stdlib_module_names)
