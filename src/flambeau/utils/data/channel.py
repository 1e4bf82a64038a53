"""Messages between the main process and a worker, over a pair of sockets, with files sent along."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import struct
from typing import Any

_HEAD = struct.Struct("<QB")  # bytes that follow, and how many files
_PIECE = 1 << 18
_MOST_FILES = 253
_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Closed(Exception):
    """The other end is gone."""


class Channel:
    """One end. The main process's never blocks: what can't be sent yet waits for the next `flush`."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end
        self._in, self._files = bytearray(), list[int]()
        self._out = bytearray()

    def fileno(self) -> int:
        """What to wait on for messages."""
        return self.end.fileno()

    def close(self) -> None:
        """Ends the conversation, also for processes that have copies of this end from a fork."""
        for file in self._files:
            os.close(file)
        self._files.clear()
        with contextlib.suppress(OSError):
            self.end.shutdown(socket.SHUT_RDWR)
        self.end.close()

    # ----- Sending -----
    def send(self, message: Any) -> None:
        """Sends a message, now or at the next `flush`."""
        octets = pickle.dumps(message, protocol=5)
        self._out += _HEAD.pack(len(octets), 0) + octets
        self.flush()

    def flush(self) -> bool:
        """Sends what waits; whether all of it is on its way."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._out:
                del self._out[: self.end.send(self._out)]
        return not self._out

    def send_with(self, message: Any, files: list[int]) -> None:
        """Sends a message and files, which are closed here; returns when they are on their way."""
        octets = pickle.dumps(message, protocol=5)
        octets = _HEAD.pack(len(octets), len(files)) + octets
        try:
            sent = socket.send_fds(self.end, [octets], files) if files else 0
            self.end.sendall(memoryview(octets)[sent:])
        except ConnectionError:
            raise Closed from None
        finally:
            for file in files:
                os.close(file)

    # ----- Receiving -----
    def receive(self) -> tuple[Any, list[int]] | None:
        """The next message and its files; None if none has come yet (or, where it blocks, in time)."""
        while True:
            message = self._first()
            if message is not None:
                return message
            try:
                if not self._read():
                    raise Closed
            except (BlockingIOError, TimeoutError):
                return None
            except ConnectionError:
                raise Closed from None

    def _read(self) -> bool:
        if hasattr(socket, "recv_fds"):
            octets, files, flags, _ = socket.recv_fds(self.end, _PIECE, _MOST_FILES, _FLAGS)
            self._files += files
            if flags & socket.MSG_CTRUNC:
                raise RuntimeError("DataLoader: too many open files; raise the limit with `ulimit -n`")
        else:
            octets = self.end.recv(_PIECE)
        self._in += octets
        return bool(octets)

    def _first(self) -> tuple[Any, list[int]] | None:
        if len(self._in) < _HEAD.size:
            return None
        size, count = _HEAD.unpack_from(self._in)
        end = _HEAD.size + size
        if len(self._in) < end:
            return None
        message = pickle.loads(bytes(self._in[_HEAD.size : end]))
        del self._in[:end]
        files, self._files = self._files[:count], self._files[count:]
        return message, files


def pair() -> tuple[Channel, socket.socket]:
    """The main process's end, and the socket that a worker makes its own of."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Channel(ours), theirs
