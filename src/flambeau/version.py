"""Versions: Flambeau's own, and those of what PyTorch may be built with, which are None.

>>> import flambeau as torch
>>> torch.version.cuda is None
True
"""

from __future__ import annotations

__version__ = "0.1.0"
debug = False
cuda: str | None = None
hip: str | None = None
xpu: str | None = None
git_version = "unknown"

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "xpu"]
