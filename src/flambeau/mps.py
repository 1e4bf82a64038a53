"""Apple's GPUs, as in `torch.mps`: there are none, and what needs one raises `NoDevice`."""

from __future__ import annotations

from typing import Any

from .core.device import missing

globals().update(
    missing(
        "mps",
        {
            "current_allocated_memory": "Bytes that tensors take.",
            "driver_allocated_memory": "Bytes that the driver has taken.",
            "empty_cache": "Gives unused memory back.",
            "get_rng_state": "The state of the device's generator.",
            "recommended_max_memory": "How many bytes a program should take at most.",
            "seed": "Seeds the device's generator by chance.",
            "set_per_process_memory_fraction": "How much of the memory may be taken.",
            "set_rng_state": "Sets the state of the device's generator.",
            "synchronize": "Waits for the device.",
        },
    )
)


def is_available() -> bool:
    """Whether an Apple GPU can be used.

    >>> import flambeau as torch
    >>> torch.mps.is_available()
    False
    """
    return False


def device_count() -> int:
    """The number of Apple GPUs.

    >>> import flambeau as torch
    >>> torch.mps.device_count()
    0
    """
    return 0


def manual_seed(seed: int) -> None:
    """Seeds the device's generator; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.mps.manual_seed(0)
    """


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"flambeau.mps.{name}: there is no Apple GPU; ask torch.backends.mps.is_available() first"
    )
