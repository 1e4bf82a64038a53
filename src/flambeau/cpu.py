"""The CPU as a device."""

from __future__ import annotations

from .core.realize import recorder


def is_available() -> bool:
    """Whether the CPU can be used: always.

    >>> import flambeau as torch
    >>> torch.cpu.is_available()
    True
    """
    return True


def device_count() -> int:
    """The number of CPU devices: one, however many cores it has.

    >>> import flambeau as torch
    >>> torch.cpu.device_count()
    1
    """
    return 1


def synchronize(device: object = None) -> None:
    """Does all pending work.

    >>> import flambeau as torch
    >>> y = torch.ones(2) + 1; torch.cpu.synchronize()
    """
    recorder.flush("synchronize")
