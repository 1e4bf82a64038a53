"""OpenMP, which Flambeau does not use: it has threads of its own."""

from __future__ import annotations


def is_available() -> bool:
    """Whether OpenMP is used.

    >>> import flambeau as torch
    >>> torch.backends.openmp.is_available()
    False
    """
    return False
