"""Pillow, which is imported when a picture is wanted, and not before."""

from __future__ import annotations

import importlib
import sys
from typing import Any, TypeGuard

__all__ = ["is_pil", "pillow"]


def pillow(name: str = "Image") -> Any:
    """A module of Pillow.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        return importlib.import_module(f"PIL.{name}")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "flambeau.vision: pictures and image files need Pillow: pip install pillow (or flambeau[demo])",
            name="PIL",
        ) from error


def is_pil(x: object) -> TypeGuard[Any]:
    """Whether this is a Pillow image; needs no Pillow to say no."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(x, module.Image)
