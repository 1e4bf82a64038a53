"""Warnings that name the user's line."""

from __future__ import annotations

import sys
import warnings
from typing import Any

from .realize import PACKAGE


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warns of what the innermost frame outside of Flambeau does, however many of ours lie between."""
    frame: Any = sys._getframe(1)
    level = 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
