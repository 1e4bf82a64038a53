"""Errors about names: the nearest ones that exist, and libraries that are not installed."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any

__all__ = ["library", "nearest", "unknown_name"]


def nearest(name: object, names: Iterable[object]) -> str:
    """The words "did you mean …?", or all the names where none is like this one.

    >>> from flambeau.utils.naming import nearest
    >>> nearest("agee", ["age", "height"])
    "did you mean 'age'?"
    >>> nearest("x", ["age", "height"])
    "there are 'age', 'height'"
    """
    known = [str(n) for n in names]
    close = difflib.get_close_matches(str(name), known, n=3)
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    if not known:
        return "there are none"
    return f"there are {', '.join(map(repr, known[:10]))}{', …' if len(known) > 10 else ''}"


def unknown_name(where: str, what: str, name: object, names: Iterable[object]) -> KeyError:
    """The error that says that there is no such name, and which are nearest.

    >>> from flambeau.utils.naming import unknown_name
    >>> unknown_name("select", "column", "agee", ["age"]).args[0]
    "select: there is no column 'agee'; did you mean 'age'?"
    """
    return KeyError(f"{where}: there is no {what} {name!r}; {nearest(name, names)}")


def library(name: str, extra: str, purpose: str) -> Any:
    """A module of a library that only some things need, imported when it is asked for.

    Raises:
        ModuleNotFoundError: it is not installed; the message says which extra brings it.

    >>> from flambeau.utils.naming import library
    >>> library("json", "text", "this example").dumps([1])
    '[1]'
    """
    package = name.partition(".")[0]
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise  # it is there, and lacks something itself
        raise ModuleNotFoundError(
            f"{purpose} needs the package {package}; install it with: pip install 'flambeau[{extra}]'",
            name=package,
        ) from error
    return importlib.import_module(name)
