"""The few settings that come from the environment, each declared once."""

from __future__ import annotations

import os

MODES = ("interpret", "eager")


def _mode() -> str:
    mode = os.environ.get("FLAMBEAU_MODE", "interpret")
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
    """Settings: `mode` (interpret: realize when somebody looks; eager: each operation as it is recorded),
    `debug` (1: print each realize with its reason, size and the user's line), `max_nodes` and `max_bytes`
    (how much work may be pending before it is realized by itself)."""

    def __init__(self) -> None:
        self.mode = _mode()
        self.debug = _number("FLAMBEAU_DEBUG", 0)
        self.max_nodes = _number("FLAMBEAU_MAX_NODES", 10_000)
        self.max_bytes = _number("FLAMBEAU_MAX_BYTES", 1 << 28)


config = Config()
