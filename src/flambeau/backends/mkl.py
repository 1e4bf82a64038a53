"""Intel's MKL, which Flambeau does not use."""

from __future__ import annotations

VERBOSE_OFF, VERBOSE_ON = 0, 1


def is_available() -> bool:
    """Whether MKL is used.

    >>> import flambeau as torch
    >>> torch.backends.mkl.is_available()
    False
    """
    return False
