"""CUDA devices. This version has none to offer, and says so when asked."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """Whether a CUDA device can be used.

    >>> import flambeau as torch
    >>> torch.cuda.is_available()
    False
    """
    return False


def device_count() -> int:
    """The number of CUDA devices.

    >>> import flambeau as torch
    >>> torch.cuda.device_count()
    0
    """
    return 0


def is_initialized() -> bool:
    """Whether CUDA has been set up.

    >>> import flambeau as torch
    >>> torch.cuda.is_initialized()
    False
    """
    return False


def manual_seed(seed: int) -> None:
    """Seeds the current CUDA device's generator; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Seeds all CUDA devices' generators; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.cuda.manual_seed_all(0)
    """


def empty_cache() -> None:
    """Gives unused CUDA memory back; without a device there is none.

    >>> import flambeau as torch
    >>> torch.cuda.empty_cache()
    """


def __getattr__(name: str) -> Any:
    if name.startswith("_"):
        raise AttributeError(name)
    raise AttributeError(
        f"flambeau.cuda.{name}: there is no CUDA device; ask torch.cuda.is_available() first and stay on "
        f"the CPU"
    )
