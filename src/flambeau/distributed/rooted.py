"""Operations with one process at their root, and messages from one process to another."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.tensor import Tensor
from . import algorithms
from .algorithms import RedOpType
from .collectives import Group, _alike, _array, _arrays, _operation, _put, _put_all, _root, _signature, _start
from .group import ProcessGroup, Work, found_group
from .mesh import Link


def broadcast(
    tensor: Tensor,
    src: int | None = None,
    group: Group = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Replaces a tensor in all processes by that of one.

    Args:
        tensor: of one size and dtype in all processes.
        src: whose, by its rank in the world.
        group: which processes; None for all.
        async_op: return a `Work` at once.
        group_src: whose, by its rank in the group.

    Raises:
        ValueError, RuntimeError: no root, or one that isn't in the group.
        DistBackendError: a process has ended, is late, or does something else.
    """
    found = found_group("broadcast", group)
    if found is None:
        return None
    root, x = _root("broadcast", "src", found, src, group_src), _array("broadcast", "tensor", tensor)
    return _start(
        found.link(_signature("broadcast", root, x.dtype, x.size)),
        lambda link: algorithms.broadcast(link, x, root),
        lambda y: None if found.rank() == root else _put(tensor, y),
        async_op,
    )


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: Any = RedOpType.SUM,
    group: Group = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Replaces a tensor in one process by the sum (or what `op` says) of all.

    Args:
        tensor: of one size and dtype in all processes. In others than the root it stays what it is.
        dst: where, by its rank in the world.
        op: of `ReduceOp`.
        group: which processes; None for all.
        async_op: return a `Work` at once.
        group_dst: where, by its rank in the group.

    Raises:
        ValueError, RuntimeError: no root, or one that isn't in the group.
        DistBackendError: a process has ended, is late, or does something else.
    """
    found = found_group("reduce", group)
    if found is None:
        return None
    root, x = _root("reduce", "dst", found, dst, group_dst), _array("reduce", "tensor", tensor)
    kind = _operation("reduce", op, x)
    return _start(
        found.link(_signature("reduce", root, kind, x.dtype, x.size)),
        lambda link: algorithms.reduce(link, x, root, kind),
        lambda y: None if y is None else _put(tensor, y),
        async_op,
    )


def gather(
    tensor: Tensor,
    gather_list: list[Tensor] | None = None,
    dst: int | None = None,
    group: Group = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """Writes the tensor of each process into the `gather_list` of one.

    Args:
        tensor: of one size and dtype in all processes.
        gather_list: at the root, as many as processes; else None.
        dst: where, by its rank in the world; 0.
        group: which processes; None for all.
        async_op: return a `Work` at once.
        group_dst: where, by its rank in the group.

    Raises:
        ValueError, RuntimeError: tensors that don't fit, a list where none belongs, or none where one does.
        DistBackendError: a process has ended, is late, or does something else.
    """
    found = found_group("gather", group)
    if found is None:
        return None
    root, x = _root("gather", "dst", found, dst, group_dst), _array("gather", "tensor", tensor)
    if _has_list("gather", "gather_list", found, root, gather_list):
        _alike("gather", [x, *_arrays("gather", "gather_list", gather_list, found.size())])
    return _start(
        found.link(_signature("gather", root, x.dtype, x.size)),
        lambda link: algorithms.gather(link, x, root),
        lambda ys: None if ys is None else _put_all(gather_list or (), [y.copy() for y in ys]),
        async_op,
    )


def _has_list(what: str, name: str, group: ProcessGroup, root: int, ts: Any) -> bool:
    """Whether this is the root, which alone gives the list."""
    here = group.rank() == root
    if here and not ts:
        raise ValueError(f"{what}: Argument `{name}` must be specified on the root rank {root}")
    if ts and not here:
        raise ValueError(
            f"{what}: Argument `{name}` must NOT be specified on others than the root rank {root}"
        )
    return here


def scatter(
    tensor: Tensor,
    scatter_list: list[Tensor] | None = None,
    src: int | None = None,
    group: Group = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """Writes into `tensor` of process r the r-th tensor of one process's `scatter_list`.

    Args:
        tensor: of one size and dtype in all processes.
        scatter_list: at the root, as many as processes; else None.
        src: whose, by its rank in the world; 0.
        group: which processes; None for all.
        async_op: return a `Work` at once.
        group_src: whose, by its rank in the group.

    Raises:
        ValueError, RuntimeError: tensors that don't fit, a list where none belongs, or none where one does.
        DistBackendError: a process has ended, is late, or does something else.
    """
    found = found_group("scatter", group)
    if found is None:
        return None
    root, x = _root("scatter", "src", found, src, group_src), _array("scatter", "tensor", tensor)
    xs = None
    if _has_list("scatter", "scatter_list", found, root, scatter_list):
        xs = _arrays("scatter", "scatter_list", scatter_list, found.size())
        _alike("scatter", [x, *xs])
    return _start(
        found.link(_signature("scatter", root, x.dtype, x.size)),
        lambda link: algorithms.scatter(link, xs, x, root),
        lambda y: _put(tensor, y.copy()),
        async_op,
    )


# ----- From one process to another -----
def _peer(what: str, name: str, group: ProcessGroup, peer: int | None, group_peer: int | None) -> int:
    found = _root(what, name, group, peer, group_peer)
    if found == group.rank():
        kind = RuntimeError if what in ("isend", "irecv") else ValueError  # as in PyTorch
        raise kind(f"{what}: Invalid {name}: it should not be the rank of the current process, {found}")
    return found


def _message(group: ProcessGroup, x: np.ndarray, tag: int) -> Link:
    if tag < 0:
        raise ValueError(f"send and recv: tag must not be negative, got {tag}")
    return group.link(_signature("message", x.dtype, x.size), tag=tag)


def isend(
    tensor: Tensor,
    dst: int | None = None,
    group: Group = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> Work | None:
    """Begins to send a tensor: a `Work`, to wait for before the tensor is changed. Otherwise as `send`."""
    found = found_group("isend", group)
    return None if found is None else _send("isend", tensor, dst, found, tag, group_dst, True)


def _send(
    what: str,
    tensor: Tensor,
    dst: int | None,
    group: ProcessGroup,
    tag: int,
    group_dst: int | None,
    later: bool,
) -> Work | None:
    to, x = _peer(what, "dst", group, dst, group_dst), _array(what, "tensor", tensor)
    return _start(_message(group, x, tag), lambda link: link.send(to, x), lambda _: None, later)


def send(
    tensor: Tensor,
    dst: int | None = None,
    group: Group = None,
    tag: int = 0,
    group_dst: int | None = None,
) -> None:
    """Sends a tensor to another process, which calls `recv`.

    Args:
        tensor: what to send.
        dst: to whom, by its rank in the world.
        group: which processes; None for all.
        tag: what the receiver asks for.
        group_dst: to whom, by its rank in the group.

    Raises:
        ValueError, RuntimeError: no receiver, this process, or one that isn't in the group.
        DistBackendError: the other has ended, or takes nothing in time.
    """
    found = found_group("send", group)
    if found is not None:
        _send("send", tensor, dst, found, tag, group_dst, False)


def _receive(
    what: str,
    tensor: Tensor,
    src: int | None,
    group: ProcessGroup,
    tag: int,
    group_src: int | None,
    later: bool,
) -> tuple[Work | None, list[int]]:
    x = _array(what, "tensor", tensor)
    link, sender = _message(group, x, tag), []
    anyone = src is None and group_src is None
    source = -1 if anyone else _peer(what, "src", group, src, group_src)

    def act(link: Link) -> tuple[int, np.ndarray]:
        return link.receive_any() if anyone else (link.ranks[source], link.receive(source))

    def deliver(came: tuple[int, np.ndarray]) -> None:
        sender.append(came[0])
        _put(tensor, came[1].view(x.dtype))

    return _start(link, act, deliver, later), sender


def irecv(
    tensor: Tensor,
    src: int | None = None,
    group: Group = None,
    tag: int = 0,
    group_src: int | None = None,
) -> Work | None:
    """Begins to receive a tensor: a `Work`, after whose `wait()` the tensor holds it. Otherwise as `recv`."""
    found = found_group("irecv", group)
    return None if found is None else _receive("irecv", tensor, src, found, tag, group_src, True)[0]


def recv(
    tensor: Tensor,
    src: int | None = None,
    group: Group = None,
    tag: int = 0,
    group_src: int | None = None,
) -> int:
    """Receives a tensor that another process sends by `send`.

    Args:
        tensor: for the values; of the size and dtype of what is sent.
        src: from whom, by its rank in the world; None for anybody.
        group: which processes; None for all.
        tag: which message.
        group_src: from whom, by its rank in the group.

    Returns:
        The sender's rank in the world; -1 if this process isn't in the group.

    Raises:
        ValueError, RuntimeError: this process, or one that isn't in the group.
        DistBackendError: the other has ended, is late, or sends something else.
    """
    found = found_group("recv", group)
    return -1 if found is None else _receive("recv", tensor, src, found, tag, group_src, False)[1][0]
