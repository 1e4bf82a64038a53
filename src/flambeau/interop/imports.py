"""`import torch` answered by Flambeau: how programs written for PyTorch run unchanged.

A finder in front of Python's own maps the names `torch` and `torchvision`, with all that lies under them, to
Flambeau's modules of the same names. Nothing is written to disk, and a PyTorch that is installed stays as it
is. Processes that the program starts find the same, through a `sitecustomize` on their path.
"""

from __future__ import annotations

import difflib
import importlib
import os
import pkgutil
import runpy
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

ROOTS = {"torch": "flambeau", "torchvision": "flambeau.vision"}
"""What is looked for, and where it is found."""

VERSIONS = {"torch": "2.13.0+flambeau", "torchvision": "0.28.0+flambeau"}
"""What programs get to see as `__version__`: the version whose interface it is."""

STARTUP = Path(__file__).parent / "startup"


class Face(ModuleType):
    """A root module under its other name: all of it is the real one's but the version."""

    def __init__(self, name: str, real: ModuleType) -> None:
        super().__init__(name, real.__doc__)
        own = {
            "_real": real,
            "__version__": VERSIONS[name],
            "__path__": real.__path__,
            "__file__": real.__file__,
        }
        vars(self).update(own)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self) or name in ("__spec__", "__loader__", "__package__"):
            super().__setattr__(name, value)
        else:
            setattr(self._real, name, value)

    def __dir__(self) -> list[str]:
        return dir(self._real)


class _Found(Loader):
    """Hands out a module that is there already."""

    def __init__(self, module: ModuleType) -> None:
        self.module, self.spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self.module

    def exec_module(self, module: ModuleType) -> None:
        if not isinstance(module, Face):
            module.__spec__ = self.spec  # which importing has just replaced


class Finder(MetaPathFinder):
    """Finds what is under the roots' names."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Of a module under one of the names; ModuleNotFoundError where Flambeau has none."""
        root, _, rest = name.partition(".")
        if root not in ROOTS:
            return None
        real = f"{ROOTS[root]}.{rest}" if rest else ROOTS[root]
        try:
            module = importlib.import_module(real)
        except ModuleNotFoundError as e:
            if e.name is None or not f"{real}.".startswith(f"{e.name}."):
                raise  # it is there, and needs something that isn't
            raise ModuleNotFoundError(_missing(name, real), name=name) from None
        if not rest:
            module = Face(name, module)
        return ModuleSpec(name, _Found(module), is_package=hasattr(module, "__path__"))


def _missing(name: str, real: str) -> str:
    parent, _, last = real.rpartition(".")
    try:
        inside = [m.name for m in pkgutil.iter_modules(importlib.import_module(parent).__path__)]
    except (ImportError, AttributeError):
        inside = []
    near = difflib.get_close_matches(last, inside, 3)
    hint = f"; the nearest there is: {', '.join(near)}" if near else ""
    return f"No module named {name!r}: Flambeau does not have it{hint} (see docs/coverage.md)"


def install() -> None:
    """From now on, `import torch` and `import torchvision` give Flambeau, in this process and in those that
    it starts. What was imported under these names before stays.

    >>> import flambeau, flambeau.interop.imports
    >>> flambeau.interop.imports.install()
    >>> import torch.nn.functional as F
    >>> F is flambeau.nn.functional
    True
    >>> flambeau.interop.imports.uninstall()
    """
    if not any(isinstance(f, Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, Finder())
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(STARTUP) not in paths:
        os.environ["PYTHONPATH"] = os.pathsep.join([str(STARTUP), *filter(None, paths)])


def uninstall() -> None:
    """Undoes `install`; modules that were imported meanwhile under the names are forgotten."""
    sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, Finder)]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    os.environ["PYTHONPATH"] = os.pathsep.join(p for p in paths if p != str(STARTUP))
    for name in [n for n in sys.modules if n.partition(".")[0] in ROOTS]:
        if getattr(sys.modules[name], "__name__", "").startswith("flambeau") or isinstance(
            sys.modules[name], Face
        ):
            del sys.modules[name]


def run(target: str, arguments: Sequence[str], module: bool = False) -> None:
    """Runs a script, or a module by its name, as Python would, with `torch` being Flambeau.

    FileNotFoundError for a script that isn't there. What the program raises comes through.
    """
    install()
    if module:
        sys.argv[:] = [target, *arguments]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(target, run_name="__main__", alter_sys=True)
        return
    path = Path(target)
    code = compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    sys.argv[:] = [target, *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    main = ModuleType("__main__")
    main.__file__ = str(path)
    vars(main)["__builtins__"] = __builtins__
    sys.modules["__main__"] = main
    exec(code, vars(main))
