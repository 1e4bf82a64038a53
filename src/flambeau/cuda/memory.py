"""Memory of CUDA devices: none, so nothing is taken, and there is nothing to give back."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


class OutOfMemoryError(RuntimeError):
    """A device has no memory left: `torch.OutOfMemoryError`.

    Example:
        >>> import flambeau as torch
        >>> torch.cuda.OutOfMemoryError is torch.OutOfMemoryError
        True
    """


def _zero(name: str, what: str) -> Any:
    def count(device: Any = None) -> int:
        return 0

    count.__name__ = count.__qualname__ = name
    count.__doc__ = f"""Bytes of CUDA memory that {what}: 0, as there is no device.

    >>> import flambeau as torch
    >>> torch.cuda.{name}()
    0
    """
    return count


memory_allocated = _zero("memory_allocated", "tensors take")
max_memory_allocated = _zero("max_memory_allocated", "tensors took at most")
memory_reserved = _zero("memory_reserved", "are kept for tensors")
max_memory_reserved = _zero("max_memory_reserved", "were kept for tensors at most")
memory_cached = _zero("memory_cached", "are kept for tensors")
max_memory_cached = _zero("max_memory_cached", "were kept for tensors at most")


def _nothing(name: str, what: str) -> Any:
    def do(device: Any = None) -> None:
        pass

    do.__name__ = do.__qualname__ = name
    do.__doc__ = f"""Starts counting {what} anew: there is nothing to count.

    >>> import flambeau as torch
    >>> torch.cuda.{name}()
    """
    return do


reset_peak_memory_stats = _nothing("reset_peak_memory_stats", "the most memory taken")
reset_max_memory_allocated = _nothing("reset_max_memory_allocated", "the most memory taken")
reset_max_memory_cached = _nothing("reset_max_memory_cached", "the most memory kept")
reset_accumulated_memory_stats = _nothing("reset_accumulated_memory_stats", "memory taken and given back")


def empty_cache() -> None:
    """Gives unused CUDA memory back; without a device there is none.

    >>> import flambeau as torch
    >>> torch.cuda.empty_cache()
    """


def memory_stats(device: Any = None) -> OrderedDict[str, Any]:
    """Numbers about CUDA memory by name: none, as there is no device.

    >>> import flambeau as torch
    >>> len(torch.cuda.memory_stats())
    0
    """
    return OrderedDict()


def host_memory_stats() -> OrderedDict[str, Any]:
    """Numbers about memory of the host that is pinned for CUDA: none.

    >>> import flambeau as torch
    >>> len(torch.cuda.host_memory_stats())
    0
    """
    return OrderedDict()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The memory statistics as text.

    >>> import flambeau as torch
    >>> torch.cuda.memory_summary()
    'no CUDA device'
    """
    return "no CUDA device"
