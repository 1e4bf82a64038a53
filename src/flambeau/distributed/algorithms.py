"""Collective operations on flat arrays.

A sum (product, minimum...) is formed in the order of ranks, whatever arrives first, so it is the same in all
processes and every time. Large arrays are shared out: each process reduces its part and sends it to all, so
that none sends more than twice the array.
"""

from __future__ import annotations

import enum

import numpy as np

from ..core.quiet import quiet
from .mesh import Link

_SMALL = 1 << 16  # bytes up to which one round of messages is better than two


class RedOpType(enum.IntEnum):
    """How values of several processes become one.

    >>> import flambeau as torch
    >>> torch.distributed.ReduceOp.SUM
    <RedOpType.SUM: 0>
    """

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7

    def __str__(self) -> str:
        return f"RedOpType.{self.name}"


_FOLDS = {
    RedOpType.SUM: np.add,
    RedOpType.AVG: np.add,
    RedOpType.PRODUCT: np.multiply,
    RedOpType.MIN: np.minimum,
    RedOpType.MAX: np.maximum,
    RedOpType.BAND: np.bitwise_and,
    RedOpType.BOR: np.bitwise_or,
    RedOpType.BXOR: np.bitwise_xor,
}


@quiet
def _fold(op: RedOpType, parts: list[np.ndarray]) -> np.ndarray:
    """The parts in one, from the first to the last."""
    out = parts[0].copy()
    for part in parts[1:]:
        _FOLDS[op](out, part, out=out)
    if op is RedOpType.AVG:
        np.divide(out, np.asarray(len(parts), out.dtype), out=out)
    return out


def _shares(x: np.ndarray, size: int) -> list[np.ndarray]:
    return np.array_split(x, size)


def _worth_sharing(link: Link, x: np.ndarray) -> bool:
    return link.size > 2 and x.nbytes > _SMALL


def barrier(link: Link) -> None:
    """Returns when all have called it."""
    link.exchange([np.empty(0, np.uint8)] * link.size)


def all_gather(link: Link, x: np.ndarray, step: int = 0) -> list[np.ndarray]:
    """Everybody's array."""
    return link.exchange([x] * link.size, step)


def all_to_all(link: Link, xs: list[np.ndarray]) -> list[np.ndarray]:
    """What everybody has for this process."""
    return link.exchange(xs)


def reduce_scatter(link: Link, xs: list[np.ndarray], op: RedOpType) -> np.ndarray:
    """The reduction of what everybody has for this process."""
    return _fold(op, link.exchange(xs))


def all_reduce(link: Link, x: np.ndarray, op: RedOpType) -> np.ndarray:
    """The reduction of everybody's array."""
    if not _worth_sharing(link, x):
        return _fold(op, all_gather(link, x))
    mine = reduce_scatter(link, _shares(x, link.size), op)
    return np.concatenate(all_gather(link, mine, step=1))


def gather(link: Link, x: np.ndarray, to: int, step: int = 0) -> list[np.ndarray] | None:
    """Everybody's array, at rank `to`."""
    if link.rank != to:
        link.send(to, x, step)
        return None
    return [x if r == to else link.receive(r, step).view(x.dtype) for r in range(link.size)]


def reduce(link: Link, x: np.ndarray, to: int, op: RedOpType) -> np.ndarray | None:
    """The reduction of everybody's array, at rank `to`."""
    if not _worth_sharing(link, x):
        parts = gather(link, x, to)
        return None if parts is None else _fold(op, parts)
    parts = gather(link, reduce_scatter(link, _shares(x, link.size), op), to, step=1)
    return None if parts is None else np.concatenate(parts)


def scatter(link: Link, xs: list[np.ndarray] | None, like: np.ndarray, source: int) -> np.ndarray:
    """The array that `source` has for this process."""
    if xs is None:
        return link.receive(source).view(like.dtype)
    for r in range(link.size):
        if r != link.rank:
            link.send(r, xs[r])
    return xs[link.rank]


def broadcast(link: Link, x: np.ndarray, source: int) -> np.ndarray:
    """The array of `source`; `x` says of which size and dtype it is."""
    if _worth_sharing(link, x):
        mine = scatter(link, _shares(x, link.size) if link.rank == source else None, x, source)
        return np.concatenate(all_gather(link, mine, step=1))
    return scatter(link, [x] * link.size if link.rank == source else None, x, source)
