"""The CPU as a device."""

from __future__ import annotations

import importlib
from types import TracebackType
from typing import Any

from ..core.realize import recorder


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


def is_initialized() -> bool:
    """Whether the CPU has been set up: always.

    >>> import flambeau as torch
    >>> torch.cpu.is_initialized()
    True
    """
    return True


def current_device() -> str:
    """The current device: "cpu".

    >>> import flambeau as torch
    >>> torch.cpu.current_device()
    'cpu'
    """
    return "cpu"


def set_device(device: Any) -> None:
    """Makes the CPU the current device, which it is.

    >>> import flambeau as torch
    >>> torch.cpu.set_device(0)
    """


class Stream:
    """The one queue of work of the CPU, for programs that are written for any device.

    >>> import flambeau as torch
    >>> torch.cpu.Stream().synchronize()
    """

    def __init__(self, priority: int = -1) -> None:
        self.priority = priority

    def synchronize(self) -> None:
        """Does all pending work."""
        recorder.flush("synchronize")

    def wait_stream(self, stream: Any) -> None:
        """Waits for another stream: there is only one."""

    def record_event(self, event: Any = None) -> Event:
        """A mark after all work so far."""
        return event or Event()

    def wait_event(self, event: Any) -> None:
        """Waits for a mark: all work is done in its order."""


class Event:
    """A mark in the one queue of work of the CPU.

    >>> import flambeau as torch
    >>> torch.cpu.Event().query()
    True
    """

    def query(self) -> bool:
        """Whether the work before the mark is done: from now on it is."""
        self.synchronize()
        return True

    def record(self, stream: Any = None) -> None:
        """Sets the mark after all work so far."""

    def synchronize(self) -> None:
        """Does all pending work."""
        recorder.flush("synchronize")

    def wait(self, stream: Any = None) -> None:
        """Has a stream wait for the mark: all work is done in its order."""


class StreamContext:
    """A block whose work goes to a stream: there is only one. See `torch.cpu.stream`.

    >>> import flambeau as torch
    >>> with torch.cpu.StreamContext(None):
    ...     x = torch.ones(1)
    """

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def stream(stream: Stream | None) -> StreamContext:
    """A block whose work goes to a stream: there is only one.

    >>> import flambeau as torch
    >>> with torch.cpu.stream(torch.cpu.current_stream()):
    ...     x = torch.ones(1)
    """
    return StreamContext(stream)


def current_stream(device: Any = None) -> Stream:
    """The stream that work goes to.

    >>> import flambeau as torch
    >>> type(torch.cpu.current_stream()).__name__
    'Stream'
    """
    return Stream()


def __getattr__(name: str) -> Any:
    if name == "amp":
        return importlib.import_module(".amp", __name__)
    raise AttributeError(f"module 'flambeau.cpu' has no attribute {name!r}")
