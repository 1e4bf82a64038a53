"""Switches of a library that is not here: kept, read back, and without effect."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Switches:
    """Named settings with their defaults; another name is an AttributeError."""

    def __init__(self, **settings: Any) -> None:
        vars(self).update(settings)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in vars(self):
            raise AttributeError(f"no setting {name!r}; there are {', '.join(vars(self))}")
        vars(self)[name] = value


@contextmanager
def changed(module: str, settings: dict[str, Any]) -> Iterator[None]:
    """A block in which a module's settings are others (None: as they are)."""
    space = vars(sys.modules[module])
    before = {name: space[name] for name in settings}
    space.update({name: value for name, value in settings.items() if value is not None})
    try:
        yield
    finally:
        space.update(before)
