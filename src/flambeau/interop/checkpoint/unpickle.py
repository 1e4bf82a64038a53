"""A machine for pickles that hold data: it runs no code but the few functions that it is given."""

from __future__ import annotations

import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable
from pickle import UnpicklingError
from typing import Any, BinaryIO

from . import arrays
from .names import FORBIDDEN, FUNCTIONS, VALUES, check_key, python3_name, user_globals

HOPE = (
    "; only data is read, as anything else could run code: save a state_dict() instead, or, if it is your "
    "own class and you trust the file, allow it by torch.serialization.add_safe_globals([...])"
)


class Machine:
    """Reads pickles.

    Args:
        functions: what may be called, by full name.
        stored: gives what a persistent id stands for.
    """

    def __init__(
        self, functions: dict[str, Callable[..., Any]], stored: Callable[[Any], Any] | None = None
    ) -> None:
        self.functions = {**FUNCTIONS, **functions}
        self.users = user_globals()
        self.stored = stored
        self.callable: dict[int, Any] = {}  # the functions and classes that were looked up
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def read(self, file: BinaryIO | bytes) -> Any:
        """The object that a pickle holds; the file is left after it."""
        self.stack, self.marks, self.memo = [], [], {}
        try:
            for code, arg, _ in pickletools.genops(file):
                if code.name == "STOP":
                    return self._pop()
                step = _STEPS.get(code.name)
                if step is None:
                    raise UnpicklingError(
                        f"load: the pickle has the operation {code.name}, which isn't allowed"
                    )
                step(self, arg)
        except UnpicklingError:
            raise
        except RecursionError:
            raise UnpicklingError("load: the pickle is nested too deeply") from None
        except RuntimeError:
            raise
        except Exception as error:
            raise UnpicklingError(f"load: the pickle is damaged: {type(error).__name__}: {error}") from error
        raise UnpicklingError("load: the pickle has no end")

    # ----- The stack -----

    def _pop(self) -> Any:
        return self.stack.pop()

    def _top(self, kind: type) -> Any:
        x = self.stack[-1]
        if not isinstance(x, kind) and type(x) not in self.users.values():
            raise UnpicklingError(f"load: the pickle puts elements into a {type(x).__name__}")
        return x

    def _above_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def push(self, x: Any) -> None:
        self.stack.append(x)

    # ----- Containers -----

    def append(self, items: list[Any]) -> None:
        self._top(list).extend(items)

    def add(self, items: list[Any]) -> None:
        for x in items:
            check_key(x)
        self._top(set).update(items)

    def put(self, items: list[Any]) -> None:
        """Adds keys and values to the dict on top of the stack."""
        target = self._top(dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_key(key)
            target[key] = value

    def dict_of(self, items: list[Any]) -> None:
        self.push({})
        self.put(items)

    # ----- Names, calls, objects -----

    def name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise UnpicklingError("load: the pickle looks up a name that is no text")
        full = python3_name(module, name)
        if full in VALUES:
            self.push(VALUES[full])
            return
        function = None if full.split(".")[0] in FORBIDDEN else self.users.get(full)
        function = self.functions.get(full, function)
        if function is None:
            raise UnpicklingError(unknown(full))
        self.callable[id(function)] = function
        self.push(function)

    def call(self, _: Any) -> None:
        args, function = self._pop(), self._pop()
        if id(function) not in self.callable or not isinstance(args, tuple):
            raise UnpicklingError(f"load: the pickle calls {_named(function)}, which isn't allowed{HOPE}")
        self.push(function(*args))

    def new(self, args: Any, kwargs: Any) -> None:
        """Makes an object of a class of the user's."""
        cls = self._pop()
        if not (isinstance(cls, type) and cls in self.users.values() and isinstance(args, tuple)):
            raise UnpicklingError(f"load: the pickle makes a {_named(cls)}, which isn't allowed{HOPE}")
        self.push(cls.__new__(cls, *args, **kwargs))

    def build(self, _: Any) -> None:
        """Gives the object on top of the stack its state."""
        state, x = self._pop(), self.stack[-1]
        if arrays.build(x, state):
            return
        if isinstance(x, OrderedDict | Counter) and isinstance(state, dict):
            for key, value in state.items():
                if not isinstance(key, str) or hasattr(type(x), key):
                    raise UnpicklingError(f"load: the pickle replaces {key!r} of a {type(x).__name__}")
                setattr(x, key, value)
        elif type(x) in self.users.values():
            _set_state(x, state)
        else:
            raise UnpicklingError(f"load: the pickle sets the state of a {type(x).__name__}{HOPE}")

    def persistent(self, _: Any) -> None:
        if self.stored is None:
            raise UnpicklingError("load: the pickle refers to a storage where there can't be one")
        self.push(self.stored(self._pop()))


def _set_state(x: Any, state: Any) -> None:
    if hasattr(x, "__setstate__"):
        x.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for part in (attributes, slots):
        for key, value in (part or {}).items():
            setattr(x, key, value)


def _named(x: Any) -> str:
    return getattr(x, "__qualname__", type(x).__qualname__)


def unknown(full: str) -> str:
    """Why a name can't be looked up."""
    if full.startswith("torch.nn.modules."):
        return (
            f"load: the file holds a whole module ({full}), which is code; save its state_dict() with "
            "PyTorch and load that into a module of the same structure"
        )
    if full.startswith("torch._utils._rebuild_") or full.startswith("torch."):
        return f"load: the file holds {full}, which Flambeau doesn't know; convert it to plain tensors first"
    return f"load: the file uses {full}, which isn't allowed{HOPE}"


def names_in(file: BinaryIO | bytes) -> set[str]:
    """The full names that a pickle looks up."""
    found: set[str] = set()
    texts: list[str] = []
    arg: Any
    for code, arg, _ in pickletools.genops(file):
        if code.name == "GLOBAL":
            found.add(python3_name(*arg.split(" ", 1)))
        elif code.name == "STACK_GLOBAL":
            found.add(python3_name(*texts[-2:]))
        elif isinstance(arg, str):
            texts.append(arg)
    return found


def missing_names(names: set[str], functions: dict[str, Callable[..., Any]]) -> list[str]:
    """Those names that aren't allowed."""
    return sorted(names - {*VALUES, *FUNCTIONS, *functions, *user_globals()})


def _fetch(self: Machine, place: int) -> None:
    self.push(self.memo[place])


def _keep(self: Machine, place: int) -> None:
    self.memo[place] = self.stack[-1]


def _global(self: Machine, arg: str) -> None:
    self.name(*arg.split(" ", 1))


def _stack_global(self: Machine, _: Any) -> None:
    name = self._pop()
    self.name(self._pop(), name)


def _new_with_names(self: Machine, _: Any) -> None:
    kwargs = self._pop()
    self.new(self._pop(), kwargs)


def _tuple(count: int) -> Callable[[Machine, Any], None]:
    def step(self: Machine, _: Any) -> None:
        if len(self.stack) < count:
            raise IndexError("too little on the stack")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    return step


def _pop_mark(self: Machine, _: Any) -> None:
    self._above_mark()


def _pop(self: Machine, _: Any) -> None:
    if self.stack:
        self.stack.pop()
    else:
        self._above_mark()


_LITERALS = [
    "INT",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG",
    "LONG1",
    "LONG4",
    "FLOAT",
    "BINFLOAT",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "UNICODE",
    "BINUNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE8",
    "BINBYTES",
    "SHORT_BINBYTES",
    "BINBYTES8",
    "BYTEARRAY8",
]
_STEPS: dict[str, Callable[[Machine, Any], None]] = {
    **dict.fromkeys(_LITERALS, Machine.push),
    **dict.fromkeys(("PROTO", "FRAME"), lambda self, _: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _keep),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _fetch),
    "MEMOIZE": lambda self, _: _keep(self, len(self.memo)),
    "NONE": lambda self, _: self.push(None),
    "NEWTRUE": lambda self, _: self.push(True),
    "NEWFALSE": lambda self, _: self.push(False),
    "MARK": Machine.mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": lambda self, _: self.push(self.stack[-1]),
    "EMPTY_LIST": lambda self, _: self.push([]),
    "EMPTY_TUPLE": lambda self, _: self.push(()),
    "EMPTY_DICT": lambda self, _: self.push({}),
    "EMPTY_SET": lambda self, _: self.push(set()),
    "LIST": lambda self, _: self.push(self._above_mark()),
    "TUPLE": lambda self, _: self.push(tuple(self._above_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "DICT": lambda self, _: self.dict_of(self._above_mark()),
    "FROZENSET": lambda self, _: self.push(FUNCTIONS["builtins.frozenset"](self._above_mark())),
    "APPEND": lambda self, _: self.append([self._pop()]),
    "APPENDS": lambda self, _: self.append(self._above_mark()),
    "ADDITEMS": lambda self, _: self.add(self._above_mark()),
    "SETITEM": lambda self, _: self.put([self._pop(), self._pop()][::-1]),
    "SETITEMS": lambda self, _: self.put(self._above_mark()),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": Machine.call,
    "NEWOBJ": lambda self, _: self.new(self._pop(), {}),
    "NEWOBJ_EX": _new_with_names,
    "BUILD": Machine.build,
    "BINPERSID": Machine.persistent,
}
