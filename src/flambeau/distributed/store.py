"""Stores: small tables of bytes that several processes share, by which they find each other."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

from .errors import DistNetworkError, DistStoreError

__all__ = ["FileStore", "HashStore", "PrefixStore", "Store", "TCPStore"]

_DEFAULT = timedelta(seconds=300)
_SLACK = 5.0  # seconds that a server's answer may take beyond what it was asked to wait
OPEN: weakref.WeakSet[socket.socket] = weakref.WeakSet()  # a child made by a fork closes its copies of these


def _close_copies() -> None:
    for one in list(OPEN):
        one.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_copies)


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


class Store:
    """What all stores can do. Keys are strings, values are bytes; whoever waits for a key gets it when set.

    >>> import flambeau as torch
    >>> store = torch.distributed.HashStore()
    >>> store.set("colour", "red"); store.get("colour"), store.add("count", 2), store.add("count", 3)
    (b'red', 2, 5)
    """

    def __init__(self) -> None:
        self._timeout = _DEFAULT

    @property
    def timeout(self) -> timedelta:
        """How long `get` and `wait` wait."""
        return self._timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Chooses how long `get` and `wait` wait."""
        self._timeout = timeout

    def set(self, key: str, value: str | bytes) -> None:
        """Gives a key its value."""
        self._change(key, lambda _: _bytes(value))

    def get(self, key: str) -> bytes:
        """The value of a key, once it is set. DistStoreError if that doesn't happen in time."""
        self.wait([key])
        value = self._read().get(key)
        if value is None:
            raise DistStoreError(f"get: key {key!r} was deleted meanwhile")
        return value

    def add(self, key: str, amount: int) -> int:
        """Adds to the number under a key, at first 0; the sum."""
        return int(self._change(key, lambda old: b"%d" % (int(old or 0) + amount)) or 0)

    def append(self, key: str, value: str | bytes) -> None:
        """Appends to the value of a key, at first empty."""
        self._change(key, lambda old: (old or b"") + _bytes(value))

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        """Sets a key that has the expected value, or none if that is empty; what it has afterwards."""
        expected, desired = _bytes(expected_value), _bytes(desired_value)

        def swapped(old: bytes | None) -> bytes | None:
            return desired if (old is None and not expected) or old == expected else old

        found = self._change(key, swapped)
        return expected if found is None else found

    def delete_key(self, key: str) -> bool:
        """Forgets a key; whether it was there."""
        there = key in self._read()
        self._change(key, lambda _: None)
        return there

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all the keys are set."""
        return set(keys) <= self._read().keys()

    def num_keys(self) -> int:
        """How many keys are set."""
        return len(self._read())

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Waits until all the keys are set. DistStoreError if that doesn't happen in time."""
        seconds = (timeout or self._timeout).total_seconds()
        end = time.monotonic() + seconds
        while not self.check(keys):
            if time.monotonic() > end:
                missing = [key for key in keys if not self.check([key])]
                raise DistStoreError(f"wait timeout after {seconds:g} s, waiting for keys: {missing}")
            self._rest(end)

    def _rest(self, end: float) -> None:
        time.sleep(0.01)

    def _read(self) -> dict[str, bytes]:
        """All keys and values, as they are now."""
        raise TypeError(
            f"{type(self).__name__}: a store must be HashStore, TCPStore, FileStore or PrefixStore"
        )

    def _change(self, key: str, new: Callable[[bytes | None], bytes | None]) -> bytes | None:
        """Replaces a key's value by `new(value)`, in one step; None for none. The new value."""
        raise TypeError(
            f"{type(self).__name__}: a store must be HashStore, TCPStore, FileStore or PrefixStore"
        )


class HashStore(Store):
    """A store within one process, for its threads.

    >>> import flambeau as torch
    >>> store = torch.distributed.HashStore()
    >>> store.set("a", b"1"); store.check(["a"]), store.delete_key("a"), store.num_keys()
    (True, True, 0)
    """

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[str, bytes] = {}
        self._changed = threading.Condition()

    def _read(self) -> dict[str, bytes]:
        with self._changed:
            return dict(self._values)

    def _change(self, key: str, new: Callable[[bytes | None], bytes | None]) -> bytes | None:
        with self._changed:
            value = new(self._values.get(key))
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
            self._changed.notify_all()
        return value

    def _rest(self, end: float) -> None:
        with self._changed:
            self._changed.wait(min(max(end - time.monotonic(), 0), 0.05))


class FileStore(Store):
    """A store in a file, for the processes of one machine.

    Args:
        file_name: the file, which is made if it isn't there. One left over from before still has its keys.
        world_size: kept, and without effect.

    >>> import tempfile, os
    >>> import flambeau as torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     one, other = (torch.distributed.FileStore(os.path.join(folder, "store"), 2) for _ in "ab")
    ...     one.set("a", "first"); other.get("a")
    b'first'
    """

    def __init__(self, file_name: str, world_size: int = -1) -> None:
        super().__init__()
        self.path = os.fspath(file_name)
        self.world_size = world_size
        with self._locked():
            pass

    @contextmanager
    def _locked(self) -> Iterator[int]:
        import fcntl  # POSIX alone has it

        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _read(self) -> dict[str, bytes]:
        with self._locked() as file:
            return self._load(file)

    def _load(self, file: int) -> dict[str, bytes]:
        with open(file, "rb", closefd=False) as stream:
            parts = _split(stream.read())
        return {key.decode(): value for key, value in zip(parts[::2], parts[1::2], strict=True)}

    def _change(self, key: str, new: Callable[[bytes | None], bytes | None]) -> bytes | None:
        with self._locked() as file:
            values = self._load(file)
            value = new(values.pop(key, None))
            if value is not None:
                values[key] = value
            content = _join([part for k, v in values.items() for part in (k.encode(), v)])
            os.ftruncate(file, 0)
            with open(file, "r+b", closefd=False) as stream:
                stream.seek(0)
                stream.write(content)
        return value


class PrefixStore(Store):
    """A part of another store: its keys there begin with `prefix/`.

    >>> import flambeau as torch
    >>> whole = torch.distributed.HashStore()
    >>> torch.distributed.PrefixStore("mine", whole).set("a", "1"); whole.get("mine/a")
    b'1'
    """

    def __init__(self, prefix: str, store: Store) -> None:
        super().__init__()
        self.prefix, self.underlying_store = prefix, store

    def _own(self, key: str) -> str:
        return f"{self.prefix}/{key}"

    @property
    def timeout(self) -> timedelta:
        """How long `get` and `wait` wait."""
        return self.underlying_store.timeout

    def set_timeout(self, timeout: timedelta) -> None:
        """Chooses how long `get` and `wait` wait, in the whole store."""
        self.underlying_store.set_timeout(timeout)

    def set(self, key: str, value: str | bytes) -> None:
        self.underlying_store.set(self._own(key), value)

    def get(self, key: str) -> bytes:
        return self.underlying_store.get(self._own(key))

    def add(self, key: str, amount: int) -> int:
        return self.underlying_store.add(self._own(key), amount)

    def append(self, key: str, value: str | bytes) -> None:
        self.underlying_store.append(self._own(key), value)

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        return self.underlying_store.compare_set(self._own(key), expected_value, desired_value)

    def delete_key(self, key: str) -> bool:
        return self.underlying_store.delete_key(self._own(key))

    def check(self, keys: Sequence[str]) -> bool:
        return self.underlying_store.check([self._own(key) for key in keys])

    def num_keys(self) -> int:
        return self.underlying_store.num_keys()

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        self.underlying_store.wait([self._own(key) for key in keys], timeout)


# ----- Over a network: a server with a `HashStore`, and clients that have it act -----
def _join(parts: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack("<I", len(part)) + part for part in parts)


def _split(data: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        (n,) = struct.unpack_from("<I", data, at)
        parts.append(data[at + 4 : at + 4 + n])
        at += 4 + n
    return parts


def receive(connection: socket.socket, n: int) -> bytes:
    """The next n bytes. ConnectionError if fewer come."""
    data = bytearray(n)
    receive_into(connection, memoryview(data))
    return bytes(data)


def receive_into(connection: socket.socket, view: memoryview) -> None:
    """Fills the memory with the next bytes. ConnectionError if fewer come."""
    while view:
        got = connection.recv_into(view)
        if not got:
            raise ConnectionError("the connection was closed")
        view = view[got:]


def _send(connection: socket.socket, parts: Sequence[bytes]) -> None:
    data = _join(parts)
    connection.sendall(struct.pack("<I", len(data)) + data)


def _receive(connection: socket.socket) -> list[bytes]:
    (n,) = struct.unpack("<I", receive(connection, 4))
    return _split(receive(connection, n))


class _Server:
    """A `HashStore` that listens: for each connection a thread that does what is asked."""

    def __init__(self, host: str, port: int) -> None:
        self.store = HashStore()
        try:
            self.listener = socket.create_server((host, port), backlog=1024)
        except OSError as e:
            raise DistNetworkError(
                f"TCPStore: the server socket has failed to listen on {host}:{port}: {e.strerror}; choose "
                "another port"
            ) from None
        OPEN.add(self.listener)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True, name="flambeau-store").start()

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # so that whoever listens hears of it
        self.listener.close()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return  # closed
            OPEN.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            while True:
                try:
                    name, *args = _receive(connection)
                except (OSError, struct.error, ValueError):
                    return  # the client has gone, or is none
                try:
                    _send(connection, [b"", *self._answer(name.decode(), args)])
                except OSError:
                    return
                except Exception as e:
                    _send(connection, [str(e).encode()])

    def _answer(self, name: str, args: list[bytes]) -> list[bytes]:
        store = self.store
        keys = [arg.decode() for arg in args] if name in ("check", "wait", "delete") else [args[0].decode()]
        if name == "wait":
            store.wait(keys[1:], timedelta(seconds=float(keys[0])))
            return []
        answers: dict[str, Callable[[], object]] = {
            "set": lambda: store.set(keys[0], args[1]),
            "append": lambda: store.append(keys[0], args[1]),
            "add": lambda: store.add(keys[0], int(args[1])),
            "swap": lambda: store.compare_set(keys[0], args[1], args[2]),
            "get": lambda: store._read().get(keys[0], b""),
            "check": lambda: int(store.check(keys)),
            "delete": lambda: int(store.delete_key(keys[0])),
            "count": store.num_keys,
        }
        found = answers[name]()
        return [found if isinstance(found, bytes) else str(found).encode()]


class TCPStore(Store):
    """A store that one process keeps and the others reach over the network.

    Its values are bytes; whoever reaches the port can read and write them, so choose a network you trust.

    Args:
        host_name, port: where the server is. With port 0 it takes a free one, which is then `.port`.
        world_size: how many stores there will be with the server's, if that is known.
        is_master: be the server, too.
        timeout: how long to wait, for the server and later for keys.
        wait_for_workers: the server's store waits for all others.
        multi_tenant: share the server among this process's stores of one host and port.
        master_listen_fd, use_libuv: None and anything.

    Raises:
        DistNetworkError: the port is taken, or no server was found in time.

    >>> import flambeau as torch
    >>> server = torch.distributed.TCPStore("localhost", 0, is_master=True)
    >>> client = torch.distributed.TCPStore("localhost", server.port)
    >>> client.set("a", "1"); server.get("a")
    b'1'
    """

    _servers: dict[tuple[str, int], _Server] = {}  # noqa: RUF012  # kept as long as the process

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: timedelta = _DEFAULT,
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        master_listen_fd: int | None = None,
        use_libuv: bool = True,
    ) -> None:
        super().__init__()
        self._server: _Server | None = None
        self._kept = multi_tenant
        if master_listen_fd is not None:
            raise RuntimeError("TCPStore: master_listen_fd is not supported; pass a port")
        self.host, self.port, self._timeout = host_name, port, timeout
        if is_master:
            self._server = self._servers.get((host_name, port)) if multi_tenant else None
            self._server = self._server or _Server(host_name, port)
            self.port = self._server.port
            if multi_tenant:
                self._servers[host_name, self.port] = self._server
        self._lock = threading.Lock()
        self._connection = self._connect()
        if wait_for_workers and world_size is not None and world_size > 0:
            self._await_all(world_size, is_master)

    def _connect(self) -> socket.socket:
        end = time.monotonic() + self._timeout.total_seconds()
        while True:
            try:
                connection = socket.create_connection(
                    (self.host, self.port), max(end - time.monotonic(), 0.1)
                )
            except OSError as e:
                if time.monotonic() > end or isinstance(e, socket.gaierror):
                    raise DistNetworkError(
                        f"TCPStore: the client socket has failed to connect to {self.host}:{self.port} "
                        f"within {self._timeout.total_seconds():g} s ({e}); does the first process run there?"
                    ) from None
                time.sleep(0.05)
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                OPEN.add(connection)
                return connection

    def __del__(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        if self._server is not None and not self._kept:
            self._server.close()

    def _await_all(self, world_size: int, is_master: bool) -> None:
        if self.add("init/", 1) == world_size:
            self.set("init/all", "")
        if is_master:
            self.wait(["init/all"])

    def local_address(self) -> str:
        """The address by which this process reaches the server."""
        return str(self._connection.getsockname()[0])

    def _ask(self, name: str, *args: str | bytes, patience: float | None = None) -> bytes:
        with self._lock:
            try:
                self._connection.settimeout(_SLACK + (patience or self._timeout.total_seconds()))
                _send(self._connection, [name.encode(), *map(_bytes, args)])
                error, *answer = _receive(self._connection)
            except OSError as e:
                self._connection.close()  # what comes late would answer another question
                raise DistNetworkError(
                    f"TCPStore: lost the server at {self.host}:{self.port} ({e}); has its process ended?"
                ) from None
        if error:
            raise DistStoreError(error.decode())
        return answer[0] if answer else b""

    def set(self, key: str, value: str | bytes) -> None:
        self._ask("set", key, value)

    def get(self, key: str) -> bytes:
        self.wait([key])
        return self._ask("get", key)

    def add(self, key: str, amount: int) -> int:
        return int(self._ask("add", key, str(amount)))

    def append(self, key: str, value: str | bytes) -> None:
        self._ask("append", key, value)

    def compare_set(self, key: str, expected_value: str | bytes, desired_value: str | bytes) -> bytes:
        return self._ask("swap", key, expected_value, desired_value)

    def delete_key(self, key: str) -> bool:
        return self._ask("delete", key) == b"1"

    def check(self, keys: Sequence[str]) -> bool:
        return self._ask("check", *keys) == b"1"

    def num_keys(self) -> int:
        return int(self._ask("count", ""))

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        seconds = (timeout or self._timeout).total_seconds()
        self._ask("wait", str(seconds), *keys, patience=seconds)
