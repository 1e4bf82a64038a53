"""Loop nests as kernels for the CPU."""

from __future__ import annotations

from math import prod
from typing import Any

from ...runtime.calls import Address, Word
from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Plan
from ..expression import Expr, numbered
from ..nest import Nest
from .nest_emit import emit_nest
from .nest_shape import canonical, is_pointwise, roots, without_keeps
from .nest_split import split
from .nest_structure import BLOCK, CHUNK, COLUMNS, ROWS, Structure, cost, size, structure, words
from .nest_tile import TILE

_SHARE = 20_000  # nanoseconds of work that are worth a thread


def plan_nest(plan: Plan, nest: Nest) -> None:
    """Adds the calls that run a loop nest."""
    nest = canonical(nest)
    if not prod(nest.outer) or (is_pointwise(nest) and not prod(nest.inner)):
        return
    pieces = split(plan, nest)
    if pieces is None:
        _plan(plan, nest)
        return
    parts, rest = pieces
    for part in parts:
        _plan(plan, part)
    _plan(plan, canonical(rest))


def _plan(plan: Plan, nest: Nest) -> None:
    """Adds the call of a canonical nest's kernel."""
    s = structure(nest)
    if _kept_bytes(nest, s) > host().l2 // 2:
        nest = canonical(without_keeps(nest))
        s = structure(nest)
    found = _Arguments(plan, nest, s)
    arguments = [found.word(*name) for name in words(s, len(found.keeps))]
    key = (tuple(s._replace(dtypes=())), tuple(d.name for d in s.dtypes), _key(nest))
    code = kernel("nest", key, lambda module: emit_nest(module, "nest", nest, s))
    plan.call(code, arguments, found.tasks, found.grain)


def _kept_bytes(nest: Nest, s: Structure) -> int:
    """Bytes that the kept values of a row, or of a strip of columns, take."""
    return sum(_room(nest, s, e) for p in nest.phases for e in p.keeps)


def _room(nest: Nest, s: Structure, e: Expr) -> int:
    """Bytes that one kept value takes for a thread: whole cache lines."""
    elements = prod(nest.inner) * _width(nest, s) if s.across else prod(nest.inner[:-1]) * _pitch(nest, s)
    return -(-elements * size(e.dtype) // 64) * 64


def _width(nest: Nest, s: Structure) -> int:
    """Columns of a strip: whole groups of vectors, fewer if much is kept for each or there are few."""
    group = s.unroll * s.lanes
    kept = sum(prod(nest.inner) * size(e.dtype) for p in nest.phases for e in p.keeps)
    strips = max(4 // prod(nest.outer[:-1]), 1)  # at least, so that threads have something to share
    most = min(COLUMNS, nest.outer[-1] // strips, host().l2 // 2 // max(kept, 1))
    return max(most // group, 1) * group


def _pitch(nest: Nest, s: Structure) -> int:
    """Elements from one kept row to the next: whole vectors."""
    return -(-nest.inner[-1] // s.lanes) * s.lanes


def _key(nest: Nest) -> Any:
    """Equal keys, equal phases."""
    shape = tuple(
        (
            tuple((r.combine, r.value.dtype.name) for r in p.reductions),
            len(p.keeps),
            tuple(store.access for store in p.stores),
            tuple(store.access for store in p.results),
        )
        for p in nest.phases
    )
    return shape, numbered([e for p in nest.phases for e in roots(p)])[1]


class _Arguments:
    """A kernel's arguments by name (see `nest_emit.words`), tasks and grain."""

    def __init__(self, plan: Plan, nest: Nest, s: Structure) -> None:
        self.nest, self.s = nest, s
        self.extents = nest.outer + nest.inner
        self.keeps = [e for p in nest.phases for e in p.keeps]
        self.rooms = [plan.scratch(plan.threads * _room(nest, s, e)) for e in self.keeps]
        width = TILE if s.tiled else _width(nest, s) if s.across else BLOCK if s.pointwise else 0
        self.blocks = -(-self.extents[s.along] // width) if width else 1
        self.tiles = -(-nest.outer[-1] // s.edge) if s.tiled else 1
        self.tasks = prod(nest.outer[: s.outer - s.across - bool(s.tiled)]) * self.blocks * self.tiles
        self.grain = max(int(_SHARE * self.tasks / self.time()), 1)

    def word(self, name: str, *at: int) -> Word:
        """The value of one argument."""
        nest, last = self.nest, self.nest.inner[-1]
        if name == "extent":
            return self.extents[at[0]]
        if name == "blocks":
            return self.blocks
        if name == "tiles":
            return self.tiles
        if name == "tile":
            return nest.accesses[at[0]].strides[self.s.along]
        if name == "width":
            return _width(nest, self.s)
        if name == "group":
            return max((ROWS if self.s.across else CHUNK) // max(last, 1), 1)
        if name == "address":
            return nest.accesses[at[0]].address
        if name == "stride":
            return nest.accesses[at[0]].strides[at[1]]
        if name == "gather":
            return nest.gathers[at[0]][at[1]]
        if name == "keep":
            return Address(self.rooms[at[0]])
        if name == "kept":
            return _room(nest, self.s, self.keeps[at[0]])
        return _pitch(nest, self.s)

    def time(self) -> float:
        """A guess, in nanoseconds, of what all tasks take on one thread."""
        points = prod(self.extents)
        touched = sum(
            a.dtype.itemsize * prod(n for n, by in zip(self.extents, a.strides, strict=True) if by)
            for a in self.nest.accesses
        )
        operations = sum(cost(roots(p)) for p in self.nest.phases)
        return touched * 0.06 + points * (1 + operations) * 0.15 / self.s.lanes + 5 * self.tasks + 1
