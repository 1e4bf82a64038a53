"""Contractions as problems: what is to be multiplied, and the same in fewer dimensions."""

from __future__ import annotations

from typing import NamedTuple

from ...core.dtype import dtype
from ...runtime.calls import Address
from ..calls import Array
from ..expression import Expr


class Operand(NamedTuple):
    """A matrix in a buffer: element (i, j) lies `offset + i * rows + j * columns` elements after the buffer's
    start. Strides may be any integers, 0 too."""

    buffer: int
    offset: int
    rows: int
    columns: int
    dtype: dtype

    @property
    def flipped(self) -> Operand:
        """The transposed matrix."""
        return self._replace(rows=self.columns, columns=self.rows)

    @property
    def address(self) -> Address:
        """The place that offsets count from."""
        return Address(self.buffer, self.offset * self.dtype.itemsize)


class Batch(NamedTuple):
    """A dimension of a batch of contractions: its extent and the strides of the operands and the result in
    it, in elements (0: the same for all)."""

    extent: int
    a: int
    b: int
    out: int


class Problem(NamedTuple):
    """A contraction, its sizes and everything about its operands; see `contract`."""

    out: tuple[Operand, ...]
    a: Operand
    b: Operand
    m: int
    n: int
    k: int
    extents: tuple[int, ...]
    strides: dict[str, tuple[int, ...]]  # in the batch's dimensions, of "a", "b", "out0", "extra0", …
    results: tuple[Expr | None, ...]
    extras: tuple[Operand, ...]
    accumulate: bool

    @property
    def flipped(self) -> Problem:
        """The transposed product, B' A' = C'."""
        strides = self.strides | {"a": self.strides["b"], "b": self.strides["a"]}
        return self._replace(
            out=tuple(x.flipped for x in self.out), a=self.b.flipped, b=self.a.flipped, m=self.n, n=self.m,
            strides=strides, extras=tuple(x.flipped for x in self.extras),
        )  # fmt: skip


def matrix(x: Array) -> Operand:
    """The last two dimensions of an array."""
    return Operand(x.buffer, x.offset, x.strides[-2], x.strides[-1], x.dtype)


def normal(p: Problem) -> Problem:
    """The problem with fewer dimensions where they can be joined, with strides of extents of 1 set so that
    they suit, and a column made a row."""
    p = _joined(p)
    if p.n == 1 and p.m > 1 and all(x.rows == 1 for x in p.out):
        p = p.flipped
    if p.n == 1:
        p = p._replace(out=tuple(x._replace(columns=1) for x in p.out))
    if p.m == 1:
        p = p._replace(out=tuple(x._replace(rows=0) for x in p.out), a=p.a._replace(rows=0))
    if p.k <= 1:
        p = p._replace(a=p.a._replace(columns=0), b=p.b._replace(rows=0))
    return p


def _joined(p: Problem) -> Problem:
    """Dimensions of the batch that are as good as one, joined; the last one joined with m if B is the same
    for all of it."""
    p = _without(p, [d for d, n in enumerate(p.extents) if n == 1])
    for d in reversed(range(len(p.extents) - 1)):
        if all(s[d] == p.extents[d + 1] * s[d + 1] for s in p.strides.values()):
            extents = (*p.extents[:d], p.extents[d] * p.extents[d + 1], *p.extents[d + 2 :])
            strides = {x: (*s[:d], *s[d + 1 :]) for x, s in p.strides.items()}
            p = p._replace(extents=extents, strides=strides)
    rows = {"a": p.a.rows} | {f"out{o}": x.rows for o, x in enumerate(p.out)}
    rows |= {f"extra{e}": x.rows for e, x in enumerate(p.extras)}
    if not p.extents or p.strides["b"][-1] != 0:
        return p
    if p.m == 1:
        step = {x: p.strides[x][-1] for x in rows}
        p = p._replace(
            a=p.a._replace(rows=step["a"]),
            out=tuple(x._replace(rows=step[f"out{o}"]) for o, x in enumerate(p.out)),
            extras=tuple(x._replace(rows=step[f"extra{e}"]) for e, x in enumerate(p.extras)),
        )
    elif not all(p.strides[x][-1] == p.m * step for x, step in rows.items()):
        return p
    return _without(p, [len(p.extents) - 1])._replace(m=p.m * p.extents[-1])


def _without(p: Problem, drop: list[int]) -> Problem:
    """The problem without some dimensions of its batch."""
    keep = [d for d in range(len(p.extents)) if d not in drop]
    strides = {x: tuple(s[d] for d in keep) for x, s in p.strides.items()}
    return p._replace(extents=tuple(p.extents[d] for d in keep), strides=strides)
