"""Runs first in each Python process that a program under `flambeau run` starts: `import torch` is answered by
Flambeau there, too. Flambeau itself is imported only if the program asks for it."""

import importlib
import os
import sys


class _Waiting:
    """Stands in for the finder until the first of its names is asked for."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> object:
        if name.partition(".")[0] not in ("torch", "torchvision"):
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        imports = importlib.import_module("flambeau.interop.imports")
        imports.install()
        return sys.meta_path[0].find_spec(name, None)


def _next() -> None:
    """Runs the `sitecustomize` that this one hides."""
    here = os.path.dirname(os.path.abspath(__file__))
    mine, before = sys.modules.pop("sitecustomize", None), list(sys.path)
    sys.path[:] = [p for p in before if os.path.abspath(p) != here]
    try:
        importlib.import_module("sitecustomize")
    except ModuleNotFoundError as e:
        if e.name != "sitecustomize":
            raise
        if mine is not None:
            sys.modules["sitecustomize"] = mine
    finally:
        sys.path[:] = before


sys.meta_path.insert(0, _Waiting())  # type: ignore[arg-type]
_next()
