"""Apple's GPUs, which this version does not compute on."""

from __future__ import annotations


def is_available() -> bool:
    """Whether an Apple GPU can be used.

    >>> import flambeau as torch
    >>> torch.backends.mps.is_available()
    False
    """
    return False


def is_built() -> bool:
    """Whether there is code for Apple GPUs.

    >>> import flambeau as torch
    >>> torch.backends.mps.is_built()
    False
    """
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """Whether an Apple GPU with macOS 13 or newer can be used.

    >>> import flambeau as torch
    >>> torch.backends.mps.is_macos13_or_newer()
    False
    """
    return False
