"""What a call does besides recording operations, seen through the interpreter's profiling hook: which
functions run, which constants they make, and whether something with effects of its own is called."""

from __future__ import annotations

import dis
import os
import sys
import sysconfig
import types
from collections import deque
from functools import lru_cache
from typing import Any

import numpy as np

from ..core import node as nodes
from ..core.generator import Generator
from ..core.realize import PACKAGE
from ..core.tensor import Tensor

PURE = frozenset(
    [
        *(
            "abs",
            "all",
            "any",
            "ascii",
            "bin",
            "callable",
            "chr",
            "divmod",
            "format",
            "hash",
            "hex",
            "id",
            "iter",
        ),
        *(
            "isinstance",
            "issubclass",
            "len",
            "max",
            "min",
            "next",
            "oct",
            "ord",
            "pow",
            "repr",
            "round",
            "sorted",
        ),
        *("sum", "locals", "globals", "__build_class__"),
        *("getattr", "hasattr", "vars", "dir", "setattr", "delattr"),
    ]
)
PURE_MODULES = frozenset(
    [
        *(
            "math",
            "cmath",
            "_operator",
            "_functools",
            "itertools",
            "_collections",
            "_bisect",
            "_heapq",
            "_abc",
        ),
        *("_struct", "_typing", "_copy", "_weakref", "_statistics", "_json", "_string"),
    ]
)
_CONTAINERS = (list, dict, tuple, set, frozenset, deque, range, slice, memoryview, types.MappingProxyType)
_VALUES = (str, bytes, bytearray, int, float, complex, np.ndarray, np.ufunc, np.dtype, np.generic)
_CODE = (type, types.GeneratorType, types.MethodType, types.FunctionType)
PURE_TYPES: tuple[Any, ...] = (*_CONTAINERS, *_VALUES, *_CODE)
IMPURE = frozenset(
    ("print", "open", "input", "warn", "getrandbits", "random", "urandom", "write", "writelines")
)
LEAVES = (nodes.leaf.__code__, nodes.scalar.__code__)
LOOK = Tensor._value.__code__
STANDARD = sysconfig.get_paths()["stdlib"]
NUMPY = np.__file__.rpartition("__init__")[0]
LLVM = f"{os.sep}llvmlite{os.sep}"  # works for us, also at odd times: it frees what nobody needs any more
DRAW, SEED = Generator._words.__code__, Generator._reseed.__code__
FILES = PACKAGE + "interop"
REPLAY = PACKAGE + "replay"


@lru_cache(maxsize=4096)
def owner(filename: str) -> str:
    """Whose code a file holds: "flambeau", "standard" (also NumPy's) or "user"."""
    if filename.startswith(PACKAGE) or LLVM in filename:
        return "flambeau"
    if filename.startswith("<frozen") or filename.startswith(NUMPY):
        return "standard"
    return "standard" if filename.startswith(STANDARD) and "-packages" not in filename else "user"


@lru_cache(maxsize=4096)
def global_names(code: types.CodeType) -> frozenset[str]:
    """The global names that the code reads or writes."""
    return frozenset(i.argval for i in dis.get_instructions(code) if i.opname.endswith(("_GLOBAL", "_NAME")))


class Watch:
    """Watches this thread while it is entered.

    Attributes:
        codes: the user's code that has run, with its globals.
        names: the attributes that any code may have asked for, `own` those that the user's may have; None if
            that can't be known.
        leaves: the constants made meanwhile.
        reasons: why the call can't be replayed, as far as can be seen from here.
        looked: called with each tensor at whose value somebody looks, other than by `item()`.
    """

    def __init__(self) -> None:
        self.codes: dict[types.CodeType, dict[str, Any]] = {}
        self.names: set[str] = set()
        self.own: set[str] | None = set()
        self.leaves: dict[int, nodes.Node] = {}
        self.reasons: list[str] = []
        self.looked: Any = None
        self._seen: set[types.CodeType] = set()

    def with_(self, other: Watch) -> Watch:
        """What both have seen code do."""
        both = Watch()
        both.codes, both.names = {**self.codes, **other.codes}, self.names | other.names
        both.own = None if self.own is None or other.own is None else self.own | other.own
        return both

    def __enter__(self) -> Watch:
        self._before = sys.getprofile()
        sys.setprofile(self._event)
        return self

    def __exit__(self, *exc: object) -> None:
        sys.setprofile(self._before)

    def _event(self, frame: Any, event: str, arg: Any) -> None:
        code = frame.f_code
        if event == "call":
            if code not in self._seen:
                self._meet(code, frame)
            if code is SEED or (code is DRAW and frame.f_locals["count"]):
                self.reasons.append(f"uses a generator other than to record a draw ({line(frame)})")
            elif code is LOOK and self.looked is not None and frame.f_back.f_code is not Tensor.item.__code__:
                self.looked(frame.f_locals["self"], frame.f_locals["reason"])
        elif event == "return":
            if code in LEAVES and arg is not None:
                self.leaves[id(arg)] = arg
        elif event == "c_call" and not code.co_filename.startswith(REPLAY):
            self._check(frame, arg)

    def _meet(self, code: types.CodeType, frame: Any) -> None:
        self._seen.add(code)
        file, whose = code.co_filename, owner(code.co_filename)
        if file.startswith(REPLAY):
            return
        self.names.update(code.co_names)
        if whose == "user":
            self.codes[code] = frame.f_globals
            if self.own is not None:
                self.own.update(code.co_names)
            if "__dict__" in code.co_names:
                self.own = None
        elif file.startswith(FILES):
            self.reasons.append(f"reads or writes a file ({line(frame)})")

    def _check(self, frame: Any, function: Any) -> None:
        """Notes a built-in function with effects, or with results that the next call may not have."""
        name, target = function.__name__, function.__self__
        file = frame.f_code.co_filename
        if owner(file) == "flambeau" or file.startswith(NUMPY):
            if name not in IMPURE:
                return
        elif isinstance(target, types.ModuleType):
            module = function.__module__ or ""
            if module == "builtins" and name in PURE:
                if name in ("getattr", "hasattr", "vars", "dir", "setattr", "delattr"):
                    self.own = None
                return
            if module in PURE_MODULES or (module.startswith("numpy") and "random" not in module):
                return
        elif type(target) in PURE_TYPES or isinstance(target, PURE_TYPES):
            return
        self.reasons.append(f"calls {name}(), which a replay would leave out ({line(frame)})")


def numpy_stream() -> Any:
    """The state of NumPy's own stream of random numbers, whose functions the hook doesn't show."""
    module = sys.modules.get("numpy.random")
    if module is None:
        return None
    state = module.get_state(legacy=False)["state"]
    return state["pos"], state["key"].tobytes()


def line(frame: Any) -> str:
    """`file:line` of the user's innermost frame."""
    while frame is not None and owner(frame.f_code.co_filename) != "user":
        frame = frame.f_back
    return "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
