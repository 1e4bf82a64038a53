"""Connections between all processes of a group, and messages on them.

Each process has a socket to each other, and for each a thread that reads whatever comes and puts it into a
box by sender and key. So sending never waits for the other's program, only for its thread, and it doesn't
matter in which order messages come. When a process ends, those that wait for it hear of it at once; they
close their own connections, and so do all.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

import numpy as np

from .errors import DistBackendError, DistNetworkError
from .store import OPEN, Store, receive, receive_into

Key = tuple[int, int, int]  # the group, which of its operations (or minus the tag of a message), the step
_HEADER = struct.Struct("<5q")  # the key, the operation's signature, the number of bytes
_SMALL = 1 << 14  # bytes that are copied rather than sent on their own
_TOKEN = 32  # bytes that a process has to know to be let in


class Mesh:
    """This process's connections to all others. `host` is where this one is reached; `seconds` bounds the
    time to meet.

    Only who knows a secret that lies in the store is let in.
    """

    def __init__(self, rank: int, size: int, store: Store, host: str, seconds: float) -> None:
        self.rank, self.size = rank, size
        self.failure: str | None = None
        self._peers: dict[int, socket.socket] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._boxes: dict[tuple[int, Key], deque[tuple[int, np.ndarray]]] = {}
        self._gone: set[int] = set()
        self._news = threading.Condition()
        if size > 1:
            try:
                self._meet(store, host, seconds)
            except BaseException:
                for connection in self._peers.values():
                    connection.close()
                raise
        for peer, connection in self._peers.items():
            connection.settimeout(None)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            OPEN.add(connection)
            self._locks[peer] = threading.Lock()
            threading.Thread(target=self._read, args=(peer, connection), daemon=True).start()

    def _meet(self, store: Store, host: str, seconds: float) -> None:
        """Connects to all of a lower rank, and waits for those of a higher one."""
        end = time.monotonic() + seconds
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if self.rank == 0:
            store.set("token", secrets.token_bytes(_TOKEN))
        token = store.get("token")
        with socket.create_server((host, 0), family=family, backlog=self.size) as listener:
            store.set(f"address/{self.rank}", f"{host} {listener.getsockname()[1]}")
            for peer in range(self.rank):
                there, port = store.get(f"address/{peer}").decode().split()
                connection = socket.create_connection((there, int(port)), max(end - time.monotonic(), 0.1))
                connection.sendall(token + struct.pack("<q", self.rank))
                self._peers[peer] = connection
            while len(self._peers) < self.size - 1:
                self._let_in(listener, token, end)

    def _let_in(self, listener: socket.socket, token: bytes, end: float) -> None:
        listener.settimeout(max(end - time.monotonic(), 0.01))
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            missing = sorted(set(range(self.size)) - set(self._peers) - {self.rank})
            raise DistNetworkError(
                f"init_process_group: rank {self.rank} has waited in vain for ranks {missing}; do they run?"
            ) from None
        connection.settimeout(max(end - time.monotonic(), 0.01))
        try:
            known = hmac.compare_digest(receive(connection, _TOKEN), token)
            (peer,) = struct.unpack("<q", receive(connection, 8))
        except OSError:
            known, peer = False, -1
        if known and self.rank < peer < self.size and peer not in self._peers:
            self._peers[peer] = connection
        else:
            connection.close()

    def _read(self, peer: int, connection: socket.socket) -> None:
        try:
            while True:
                group, count, step, signature, nbytes = _HEADER.unpack(receive(connection, _HEADER.size))
                data = np.empty(nbytes, np.uint8)
                receive_into(connection, data.data)
                with self._news:
                    self._boxes.setdefault((peer, (group, count, step)), deque()).append((signature, data))
                    self._news.notify_all()
        except OSError:
            pass
        with self._news:
            self._gone.add(peer)
            self._news.notify_all()
        with self._locks[peer], suppress(OSError):  # nobody is sending
            connection.close()

    def send(self, peer: int, key: Key, signature: int, data: np.ndarray, seconds: float) -> None:
        """Sends an array's bytes."""
        flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        if self.failure is not None:
            raise DistBackendError(self.failure)
        connection = self._peers[peer]
        with self._locks[peer]:
            try:
                whole, rest = divmod(seconds, 1)
                limit = struct.pack("ll", int(min(whole, 1 << 30)), int(rest * 1e6))
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
                header = _HEADER.pack(*key, signature, flat.nbytes)
                if flat.nbytes <= _SMALL:  # in one piece: once it is there, the other may leave
                    connection.sendall(header + flat.tobytes())
                else:
                    connection.sendall(header)
                    connection.sendall(flat.data)
            except OSError as e:
                why = "it takes nothing in time" if isinstance(e, BlockingIOError) else "it has ended"
                raise self.fail(f"can't send to rank {peer}: {why}") from None

    def receive(self, peers: list[int], key: Key, signature: int, seconds: float) -> tuple[int, np.ndarray]:
        """The first message with the key from one of the peers, and from which."""
        end = time.monotonic() + seconds
        with self._news:
            while True:
                if self.failure is not None:
                    raise DistBackendError(self.failure)
                for peer in peers:
                    box = self._boxes.get((peer, key))
                    if box:
                        break
                else:
                    self._await(peers, end, seconds)
                    continue
                found, data = box.popleft()
                if not box:
                    del self._boxes[peer, key]
                break
        if found != signature:
            raise self.fail(
                f"rank {peer} does something else than rank {self.rank}: all processes have to call the same "
                "operations in the same order, with tensors of the same dtype and size"
            )
        return peer, data

    def _await(self, peers: list[int], end: float, seconds: float) -> None:
        if self._gone.issuperset(peers):
            raise self.fail(f"connection closed by rank {', '.join(map(str, peers))}: it has ended")
        left = end - time.monotonic()
        if left <= 0:
            raise self.fail(f"timed out after {seconds:g} s waiting for rank {', '.join(map(str, peers))}")
        self._news.wait(left)

    def fail(self, why: str) -> DistBackendError:
        """Gives everything up, so that no process waits for this one. What to raise."""
        with self._news:
            self.failure = self.failure or f"rank {self.rank}: {why}"
            self._news.notify_all()
        self.close()
        return DistBackendError(self.failure)

    def close(self) -> None:
        """Ends the connections; what was sent still arrives."""
        self.failure = self.failure or f"rank {self.rank}: the process group was destroyed"
        for connection in self._peers.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        with self._news:
            self._news.notify_all()


class Link:
    """One operation of a group, seen by one of its processes: messages to and from the others."""

    def __init__(
        self, mesh: Mesh, ranks: list[int], key: tuple[int, int], signature: int, seconds: float
    ) -> None:
        self.mesh, self.ranks, self.key = mesh, ranks, key
        self.signature, self.seconds = signature, seconds
        self.rank, self.size = ranks.index(mesh.rank), len(ranks)

    def send(self, to: int, data: np.ndarray, step: int = 0) -> None:
        self.mesh.send(self.ranks[to], (*self.key, step), self.signature, data, self.seconds)

    def receive(self, source: int, step: int = 0) -> np.ndarray:
        """The bytes that `source` sends in this step."""
        peers = [self.ranks[source]]
        return self.mesh.receive(peers, (*self.key, step), self.signature, self.seconds)[1]

    def receive_any(self) -> tuple[int, np.ndarray]:
        """The bytes of the first that sends, and who that is (in the whole mesh)."""
        others = [r for r in self.ranks if r != self.mesh.rank]
        return self.mesh.receive(others, (*self.key, 0), self.signature, self.seconds)

    def exchange(self, outgoing: list[Any], step: int = 0) -> list[np.ndarray]:
        """Sends `outgoing[r]` to each rank r; what each has sent here, as arrays of the same dtype."""
        d = outgoing[self.rank].dtype
        for i in range(1, self.size):
            to = (self.rank + i) % self.size
            self.send(to, outgoing[to], step)
        own = np.ascontiguousarray(outgoing[self.rank]).reshape(-1)
        return [
            own if source == self.rank else self.receive(source, step).view(d) for source in range(self.size)
        ]
