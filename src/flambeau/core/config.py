"""The few settings that come from the environment, each declared once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

MODES = ("auto", "interpret", "compile", "eager")


def _mode() -> str:
    mode = os.environ.get("FLAMBEAU_MODE", "auto")
    if mode not in MODES:
        raise ValueError(f"FLAMBEAU_MODE={mode!r} is not a mode; choose one of {', '.join(MODES)}")
    return mode


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise ValueError(f"{name}={text!r} is not a whole number") from None


class Config:
    """Settings: `mode` (how pending work is run: interpret with NumPy; compile to native code; auto: what
    pays; eager: each operation by NumPy as it is recorded), `debug` (1: print each realize with its reason,
    size and the user's line; 2 to 6 show more, see `ladder` in the compiler), `max_nodes` and `max_bytes`
    (how much work may be pending before it is realized by itself)."""

    def __init__(self) -> None:
        self.mode = _mode()
        self.debug = _number("FLAMBEAU_DEBUG", 0)
        self.max_nodes = _number("FLAMBEAU_MAX_NODES", 10_000)
        self.max_bytes = _number("FLAMBEAU_MAX_BYTES", 1 << 32)

    @contextmanager
    def reference(self) -> Iterator[None]:
        """In `auto` mode, leaves all work in the block to the interpreter: for comparisons to the last
        bit."""
        before = self.mode
        self.mode = "interpret" if before == "auto" else before
        try:
            yield
        finally:
            self.mode = before


config = Config()
