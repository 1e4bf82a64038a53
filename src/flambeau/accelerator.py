"""Whatever accelerator there is, as in `torch.accelerator`: none, and what needs one raises `NoDevice`."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from .core.device import device as Device
from .core.device import missing, no_device

globals().update(
    missing(
        "accelerator",
        {
            "current_device_idx": "The number of the current accelerator.",
            "current_device_index": "The number of the current accelerator.",
            "current_stream": "The stream that work goes to.",
            "empty_cache": "Gives unused memory back.",
            "get_memory_info": "Free and whole memory.",
            "max_memory_allocated": "Bytes that tensors took at most.",
            "max_memory_reserved": "Bytes that were kept for tensors at most.",
            "memory_allocated": "Bytes that tensors take.",
            "memory_reserved": "Bytes that are kept for tensors.",
            "memory_stats": "Numbers about memory by name.",
            "reset_accumulated_memory_stats": "Starts counting memory anew.",
            "reset_peak_memory_stats": "Starts counting the most memory taken anew.",
            "set_device_idx": "Makes an accelerator the current one.",
            "set_device_index": "Makes an accelerator the current one.",
            "set_stream": "Chooses the stream that work goes to.",
            "synchronize": "Waits for an accelerator.",
        },
    )
)


def is_available() -> bool:
    """Whether there is an accelerator.

    >>> import flambeau as torch
    >>> torch.accelerator.is_available()
    False
    """
    return False


def device_count() -> int:
    """The number of accelerators.

    >>> import flambeau as torch
    >>> torch.accelerator.device_count()
    0
    """
    return 0


def current_accelerator(check_available: bool = False) -> Device | None:
    """The accelerator that there is: None.

    >>> import flambeau as torch
    >>> torch.accelerator.current_accelerator() or torch.device("cpu")
    device(type='cpu')
    """
    return None


class device_index:
    """A block in which an accelerator is the current one; None changes nothing. Entering raises NoDevice
    where there is none.

    >>> import flambeau as torch
    >>> with torch.accelerator.device_index(None):
    ...     x = torch.ones(2)
    """

    def __init__(self, device: int | None, /) -> None:
        self.idx = device

    def __enter__(self) -> None:
        if self.idx is not None:
            raise no_device("torch.accelerator.device_index", "accelerator")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"flambeau.accelerator.{name}: there is no accelerator; ask torch.accelerator.is_available() first"
    )
