"""Intel's GPUs, as in `torch.xpu`: there are none, and what needs one raises `NoDevice`."""

from __future__ import annotations

from typing import Any

from .core.device import missing

globals().update(
    missing(
        "xpu",
        {
            "Event": "A mark in a queue of work.",
            "Stream": "A queue of work.",
            "current_device": "The number of the current device.",
            "current_stream": "The stream that work goes to.",
            "get_device_capability": "What a device can do.",
            "get_device_name": "The name of a device.",
            "get_device_properties": "What a device is like.",
            "get_rng_state": "The state of a device's generator.",
            "init": "Sets the devices up.",
            "initial_seed": "The seed of the current device's generator.",
            "mem_get_info": "Free and whole memory of a device.",
            "set_device": "Makes a device the current one.",
            "synchronize": "Waits for a device.",
        },
    )
)


def is_available() -> bool:
    """Whether an Intel GPU can be used.

    >>> import flambeau as torch
    >>> torch.xpu.is_available()
    False
    """
    return False


def is_initialized() -> bool:
    """Whether Intel GPUs have been set up.

    >>> import flambeau as torch
    >>> torch.xpu.is_initialized()
    False
    """
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the current device computes in bfloat16.

    >>> import flambeau as torch
    >>> torch.xpu.is_bf16_supported()
    False
    """
    return False


def device_count() -> int:
    """The number of Intel GPUs.

    >>> import flambeau as torch
    >>> torch.xpu.device_count()
    0
    """
    return 0


def memory_allocated(device: Any = None) -> int:
    """Bytes of a device's memory that tensors take: 0, as there is none.

    >>> import flambeau as torch
    >>> torch.xpu.memory_allocated()
    0
    """
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Bytes of a device's memory that tensors took at most: 0, as there is none.

    >>> import flambeau as torch
    >>> torch.xpu.max_memory_allocated()
    0
    """
    return 0


def memory_reserved(device: Any = None) -> int:
    """Bytes of a device's memory that are kept for tensors: 0, as there is none.

    >>> import flambeau as torch
    >>> torch.xpu.memory_reserved()
    0
    """
    return 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """Starts counting the most memory taken anew: there is nothing to count.

    >>> import flambeau as torch
    >>> torch.xpu.reset_peak_memory_stats()
    """


def empty_cache() -> None:
    """Gives unused memory back; without a device there is none.

    >>> import flambeau as torch
    >>> torch.xpu.empty_cache()
    """


def manual_seed(seed: int) -> None:
    """Seeds the current device's generator; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.xpu.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Seeds all devices' generators; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.xpu.manual_seed_all(0)
    """


def __getattr__(name: str) -> Any:
    raise AttributeError(f"flambeau.xpu.{name}: there is no Intel GPU; ask torch.xpu.is_available() first")
