"""Groups of processes: how they begin and end, and who is in them."""

from __future__ import annotations

import os
import sys
import threading
import warnings
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlparse

from .algorithms import barrier
from .mesh import Link, Mesh
from .store import FileStore, PrefixStore, Store, TCPStore

default_pg_timeout = timedelta(minutes=30)


class Work:
    """An operation that goes on beside the program; the tensors hold its result after `wait()`.

    >>> import flambeau as torch
    >>> torch.distributed.init_process_group(store=torch.distributed.HashStore(), rank=0, world_size=1)
    >>> work = torch.distributed.all_reduce(torch.ones(2), async_op=True)
    >>> work.wait(), work.is_completed()
    (True, True)
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(self, act: Callable[[], Any], deliver: Callable[[Any], Any]) -> None:
        self._act, self._deliver = act, deliver
        self._result: Any = None
        self._error: Exception | None = None
        self._delivered = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._act()
        except Exception as e:
            self._error = e

    def wait(self, timeout: timedelta | None = None) -> bool:
        """Waits for the end: True. DistBackendError if the operation failed, RuntimeError after `timeout`."""
        self._thread.join(None if timeout is None else timeout.total_seconds())
        if self._thread.is_alive():
            raise RuntimeError(f"Work.wait: timed out after {timeout}; the operation goes on")
        if self._error is not None:
            raise self._error
        if not self._delivered:
            self._delivered = True
            self._deliver(self._result)
            self._result = None
        return True

    def is_completed(self) -> bool:
        """Whether the operation has ended; if well, the tensors hold its result."""
        if self._thread.is_alive():
            return False
        if self._error is None:
            self.wait()
        return True

    def is_success(self) -> bool:
        """Whether the operation has ended well."""
        return not self._thread.is_alive() and self._error is None

    def exception(self) -> Exception | None:
        """What the operation failed with, if so."""
        return self._error


class ProcessGroup:
    """Some of the processes, in an order. Made by `init_process_group` and `new_group`."""

    def __init__(self, mesh: Mesh, ranks: list[int], number: int, timeout: timedelta, name: str = "") -> None:
        self.mesh, self.ranks, self.number = mesh, ranks, number
        self.timeout = timeout
        self.group_name = name or str(number)
        self._count = 0  # operations so far, equal in all processes

    def rank(self) -> int:
        """Which of the group's processes this is."""
        return self.ranks.index(self.mesh.rank)

    def size(self) -> int:
        """How many processes the group has."""
        return len(self.ranks)

    def name(self) -> str:
        """The backend."""
        return "gloo"

    def link(self, signature: str, timeout: timedelta | None = None, tag: int | None = None) -> Link:
        """For the next operation, or for a message with a tag. All must give it the same signature."""
        self._count += tag is None
        key = (self.number, self._count if tag is None else -1 - tag)
        seconds = (timeout or self.timeout).total_seconds()
        return Link(self.mesh, self.ranks, key, zlib.crc32(signature.encode()), seconds)


class GroupMember:
    """What stands for groups in arguments and results."""

    NON_GROUP_MEMBER: int = -100  # what `new_group` returns to a process that isn't in it


class _Groups:
    """The groups of this process."""

    def __init__(self) -> None:
        self.world: ProcessGroup | None = None
        self.store: Store | None = None
        self.members: dict[int, ProcessGroup] = {}
        self.made = 0  # how many in all, also those without this process: equal everywhere
        self.starts = 0  # how often the world began; each time uses other keys of a store


_groups = _Groups()


class _GroupClass(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:
        """The group of all processes; None before `init_process_group`."""
        return _groups.world


class group(metaclass=_GroupClass):
    """`group.WORLD` is the group of all processes.

    >>> import flambeau as torch
    >>> print(torch.distributed.group.WORLD)
    None
    """


# ----- The beginning and the end -----
def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Store | None = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Finds the other processes and connects with them. All have to call it.

    Args:
        backend: "gloo" (also None), for the CPU.
        init_method: where they meet. "env://", the default: at `MASTER_ADDR` and `MASTER_PORT`, with `RANK`
            and `WORLD_SIZE` from the environment, too. "tcp://host:port": there, where rank 0 listens.
            "file:///path": in a file that isn't there yet, on one machine.
        timeout: how long any operation may wait for another process; 30 minutes.
        world_size, rank: how many processes there are, and which this is.
        store: where they meet, instead of `init_method`.
        group_name: kept.
        pg_options, device_id: None.

    Raises:
        ValueError: a backend that doesn't exist, no rank or world size, half an address, or the second call.
        RuntimeError: a backend for other devices, or another kind of address.
        DistNetworkError, DistStoreError: the others were not found in time.

    >>> import flambeau as torch
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> torch.distributed.get_rank(), torch.distributed.get_world_size()
    (0, 1)
    >>> torch.distributed.destroy_process_group()
    """
    check_backend("init_process_group", backend)
    if not is_available():
        raise RuntimeError("init_process_group: not supported on Windows; run the program under Linux or WSL")
    if pg_options is not None or device_id is not None:
        raise RuntimeError("init_process_group: pg_options and device_id are not supported; leave them out")
    if _groups.world is not None:
        raise ValueError("init_process_group: trying to initialize the default process group twice!")
    if store is not None and init_method is not None:
        raise ValueError("init_process_group: cannot specify both init_method and store")
    timeout = _checked_timeout("init_process_group", timeout) or default_pg_timeout
    if store is None:
        store, rank, world_size = _rendezvous(init_method or "env://", rank, world_size, timeout)
    if not 0 <= rank < world_size:
        raise ValueError(
            f"init_process_group: needs 0 <= rank < world_size, got rank {rank}, world_size {world_size}"
        )
    store.set_timeout(timeout)
    own = PrefixStore(f"group/{_groups.starts}", store)
    host = store.local_address() if isinstance(store, TCPStore) else "127.0.0.1"
    mesh = Mesh(rank, world_size, own, host, timeout.total_seconds())
    _groups.starts += 1
    _groups.store, _groups.made = store, 1
    _groups.world = _groups.members[0] = ProcessGroup(mesh, list(range(world_size)), 0, timeout, group_name)
    barrier(_groups.world.link("begin"))  # nobody leaves before all have met
    if isinstance(store, FileStore) and rank == 0:
        with suppress(FileNotFoundError):
            os.remove(store.path)


def _rendezvous(where: str, rank: int, size: int, timeout: timedelta) -> tuple[Store, int, int]:
    """The store at an address, this process's rank, and how many there are."""
    url = urlparse(where)
    asked = dict(part.split("=", 1) for part in url.query.split("&") if "=" in part)
    rank = int(asked.get("rank", rank))
    size = int(asked.get("world_size", size))
    if url.scheme == "env":
        rank = int(_variable("RANK")) if rank < 0 else rank
        size = int(_variable("WORLD_SIZE")) if size < 0 else size
        host, port = _variable("MASTER_ADDR"), int(_variable("MASTER_PORT"))
        elsewhere = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"  # the launcher keeps the store
        return _tcp(host, port, rank == 0 and not elsewhere, timeout), rank, size
    if rank < 0 or size < 0:
        raise ValueError(f"init_process_group: {where!r} needs rank and world_size, got {rank} and {size}")
    if url.scheme == "tcp":
        if not url.hostname or url.port is None:
            raise ValueError(f"init_process_group: port number missing in {where!r}; write tcp://host:port")
        return _tcp(url.hostname, url.port, rank == 0, timeout), rank, size
    if url.scheme == "file":
        if not url.path:
            raise ValueError(f"init_process_group: path missing in {where!r}; write file:///path")
        return FileStore(url.path, size), rank, size
    raise RuntimeError(
        f"init_process_group: no rendezvous at {where!r}; there are env://, tcp:// and file://"
    )


def _tcp(host: str, port: int, master: bool, timeout: timedelta) -> TCPStore:
    return TCPStore(host, port, None, master, timeout, multi_tenant=True)


def _variable(name: str) -> str:
    if name not in os.environ:
        raise ValueError(
            f"init_process_group: Error initializing torch.distributed using env:// rendezvous: environment "
            f"variable {name} expected, but not set; run the program by flambeau.distributed.run"
        )
    return os.environ[name]


def check_backend(what: str, backend: str | None) -> None:
    """RuntimeError for a backend that Flambeau lacks, ValueError for one that nobody knows."""
    for part in (backend or "gloo").lower().split(","):
        device, _, name = part.rpartition(":")
        if name in ("nccl", "mpi", "ucc", "xccl") or device not in ("", "cpu"):
            raise RuntimeError(
                f"{what}: Distributed package doesn't have {(name or part).upper()} built in (backend "
                f"{backend!r}); Flambeau has 'gloo', for the CPU"
            )
        if name != "gloo":
            raise ValueError(f"{what}: Unknown backend {backend!r}; Flambeau has 'gloo', for the CPU")


def _checked_timeout(what: str, timeout: Any) -> timedelta | None:
    if timeout is not None and not isinstance(timeout, timedelta):
        raise TypeError(
            f"{what}: expected timeout argument to be of type datetime.timedelta, got {timeout!r}"
        )
    return timeout


def destroy_process_group(group: ProcessGroup | int | None = None) -> None:
    """Ends a group; the group of all (None) with all others. The other processes need not call it at once.

    ValueError for a group that isn't there. See `init_process_group` for an example.
    """
    if group == GroupMember.NON_GROUP_MEMBER:
        return
    found = _groups.world if group is None else group
    if found is None or not isinstance(found, ProcessGroup) or _groups.members.get(found.number) is not found:
        raise ValueError("destroy_process_group: Invalid process group specified")
    if found is _groups.world:
        found.mesh.close()
        _groups.world, _groups.store = None, None
        _groups.members.clear()
    else:
        del _groups.members[found.number]


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
    sort_ranks: bool = True,
) -> Any:
    """A group of some of the processes. All processes have to call it, in the same order.

    Args:
        ranks: which processes; None for all.
        timeout, backend: those of `init_process_group`.
        pg_options, device_id: None.
        use_local_synchronization: False.
        group_desc: anything.
        sort_ranks: number the processes in the group as in the world, not as in the list.

    Returns:
        The group, or `GroupMember.NON_GROUP_MEMBER` in a process that isn't in it.

    Raises:
        ValueError: a rank that isn't there, or twice.
        RuntimeError: an argument that is not supported.

    >>> import flambeau as torch
    >>> torch.distributed.init_process_group(store=torch.distributed.HashStore(), rank=0, world_size=1)
    >>> torch.distributed.new_group([0]).size()
    1
    >>> torch.distributed.destroy_process_group()
    """
    world = _world()
    check_backend("new_group", backend)
    if pg_options is not None or device_id is not None or use_local_synchronization:
        raise RuntimeError(
            "new_group: pg_options, device_id and use_local_synchronization are not supported; leave them out"
        )
    chosen = world.ranks if ranks is None else sorted(ranks) if sort_ranks else list(ranks)
    if len(set(chosen)) < len(chosen) or not set(chosen) <= set(world.ranks):
        raise ValueError(
            f"new_group: the new group's ranks should be different ones within the world's [0, "
            f"{world.size() - 1}], got {list(chosen)}"
        )
    number = _groups.made
    _groups.made += 1
    if world.rank() not in chosen:
        return GroupMember.NON_GROUP_MEMBER
    limit = _checked_timeout("new_group", timeout) or world.timeout
    made = ProcessGroup(world.mesh, list(chosen), number, limit, group_desc or "")
    _groups.members[number] = made
    return made


# ----- Questions -----
def _world() -> ProcessGroup:
    if _groups.world is None:
        raise ValueError(
            "Default process group has not been initialized, please make sure to call init_process_group."
        )
    return _groups.world


def found_group(what: str, group: ProcessGroup | int | None) -> ProcessGroup | None:
    """The group that an argument means; None if this process isn't in it, which is warned of."""
    if group is None:
        return _world()
    if isinstance(group, ProcessGroup):
        if _groups.members.get(group.number) is not group:
            raise ValueError(f"{what}: Invalid process group specified: it was destroyed")
        return group
    if group != GroupMember.NON_GROUP_MEMBER:
        raise TypeError(f"{what}: expected group to be a ProcessGroup, got {type(group).__name__}")
    warnings.warn(
        f"Running {what} on global rank {_world().rank()} which does not belong to the given group.",
        stacklevel=3,
    )
    return None


def is_available() -> bool:
    """Whether processes can work together on this system: on all but Windows.

    >>> import flambeau as torch
    >>> torch.distributed.is_available(), torch.distributed.is_initialized()
    (True, False)
    """
    return sys.platform != "win32"


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return _groups.world is not None


def is_gloo_available() -> bool:
    """Whether there is the backend "gloo": where `is_available()`.

    >>> import flambeau as torch
    >>> torch.distributed.is_gloo_available(), torch.distributed.is_nccl_available()
    (True, False)
    """
    return is_available()


def is_nccl_available() -> bool:
    """Whether there is the backend "nccl": not here."""
    return False


def is_mpi_available() -> bool:
    """Whether there is the backend "mpi": not here."""
    return False


def is_ucc_available() -> bool:
    """Whether there is the backend "ucc": not here."""
    return False


def is_xccl_available() -> bool:
    """Whether there is the backend "xccl": not here."""
    return False


def is_backend_available(backend: str) -> bool:
    """Whether there is a backend.

    >>> import flambeau as torch
    >>> torch.distributed.is_backend_available("gloo"), torch.distributed.is_backend_available("nccl")
    (True, False)
    """
    return is_available() and backend.lower() == "gloo"


def is_torchelastic_launched() -> bool:
    """Whether this process was started by `flambeau.distributed.run`."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def get_rank(group: ProcessGroup | int | None = None) -> int:
    """Which process of the group (of all) this is; -1 if none. ValueError before `init_process_group`."""
    if group == GroupMember.NON_GROUP_MEMBER:
        return -1
    found = found_group("get_rank", group)
    return -1 if found is None else found.rank()


def get_world_size(group: ProcessGroup | int | None = None) -> int:
    """How many processes the group has; -1 for one that this isn't in. ValueError before
    `init_process_group`."""
    if group == GroupMember.NON_GROUP_MEMBER:
        return -1
    found = found_group("get_world_size", group)
    return -1 if found is None else found.size()


def get_backend(group: ProcessGroup | None = None) -> str:
    """The group's backend: "gloo". ValueError before `init_process_group`."""
    found = found_group("get_backend", group)
    if found is None:
        raise ValueError("get_backend: Invalid process group specified")
    return found.name()


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """Which of this machine's processes this is: `LOCAL_RANK`, or the fallback.

    RuntimeError without either.

    >>> import flambeau as torch
    >>> torch.distributed.get_node_local_rank(fallback_rank=0)
    0
    """
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is None:
        raise RuntimeError(
            "get_node_local_rank: LOCAL_RANK is not in the environment. Consider passing fallback_rank"
        )
    return int(fallback_rank)


def get_process_group_ranks(group: ProcessGroup | None = None) -> list[int]:
    """The group's processes by their ranks in the world."""
    found = found_group("get_process_group_ranks", group)
    return [] if found is None else list(found.ranks)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The rank in the world of a group's process. ValueError if the group has none of that rank."""
    ranks = get_process_group_ranks(group)
    if not 0 <= group_rank < len(ranks):
        raise ValueError(f"get_global_rank: Group rank {group_rank} is not part of group {ranks}")
    return ranks[group_rank]


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The rank in a group of a process. ValueError if it isn't in it."""
    ranks = get_process_group_ranks(group)
    if global_rank not in ranks:
        raise ValueError(f"get_group_rank: Global rank {global_rank} is not part of group {ranks}")
    return ranks.index(global_rank)
