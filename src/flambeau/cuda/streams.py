"""Streams and events of CUDA devices: there are none to make; not choosing one is allowed."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NoReturn

from ..core.device import no_device


class _Absent:
    """Something that belongs to a device: NoDevice instead of an instance."""

    def __new__(cls, *args: Any, **kwargs: Any) -> NoReturn:
        raise no_device(f"torch.cuda.{cls.__name__}", "cuda")


class Stream(_Absent):
    """A queue of work on a CUDA device. NoDevice where there is none.

    >>> import flambeau as torch
    >>> stream = torch.cuda.Stream() if torch.cuda.is_available() else None
    """


class ExternalStream(Stream):
    """A queue of work that other code has made. NoDevice where there is no CUDA device.

    >>> import flambeau as torch
    >>> issubclass(torch.cuda.ExternalStream, torch.cuda.Stream)
    True
    """


class Event(_Absent):
    """A mark in a queue of work on a CUDA device. NoDevice where there is none.

    >>> import flambeau as torch
    >>> start = torch.cuda.Event(enable_timing=True) if torch.cuda.is_available() else None
    """


class CUDAGraph(_Absent):
    """Work on a CUDA device that is recorded once and then repeated. NoDevice where there is none.

    >>> import flambeau as torch
    >>> graph = torch.cuda.CUDAGraph() if torch.cuda.is_available() else None
    """


class StreamContext:
    """A block whose work goes to a stream; None: nothing changes. See `torch.cuda.stream`.

    >>> import flambeau as torch
    >>> with torch.cuda.StreamContext(None):
    ...     x = torch.ones(2)
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
    """A block whose work goes to a stream; None, the only choice without a device, changes nothing.

    >>> import flambeau as torch
    >>> with torch.cuda.stream(None):
    ...     x = torch.ones(2)
    """
    return StreamContext(stream)


def set_stream(stream: Stream | None) -> None:
    """Chooses the stream that work goes to; None, the only choice without a device, changes nothing.

    >>> import flambeau as torch
    >>> torch.cuda.set_stream(None)
    """


def is_current_stream_capturing() -> bool:
    """Whether work is being recorded into a CUDA graph.

    >>> import flambeau as torch
    >>> torch.cuda.is_current_stream_capturing()
    False
    """
    return False
