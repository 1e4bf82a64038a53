"""Which pieces share a loop nest, and the nest of each group.

A piece joins a group if the loops are the same and it reads what the group writes only in place: at the point
where it has just been computed. In a group with reductions a piece over the outer dimensions alone is done
once after the sweep. Joining must not close a circle: no step outside may stand between.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from math import prod
from typing import NamedTuple

from ..core.dtype import uint8
from ..core.node import numel
from .calls import Array, strides_of
from .cpu.planners import finisher_of
from .expression import Expr, counter, kept, reduced
from .expression import load as numbered_load
from .finish import Finished
from .graph import Shape
from .nest import Nest, Phase, Reduction, Store
from .pieces import (
    _DEAR,
    COUNTER,
    Check,
    Load,
    Piece,
    Step,
    load,
    loads,
    moved,
    reads_of,
    replace,
    reshaped,
    tidy,
    token_of,
)

_MOST_ACCESSES = 24
_MOST_PIECES = 12
_FEW_ROWS, _SMALL = 16, 1 << 14  # with fewer rows than this, more elements are better swept one by one
_STRIP = 1024  # rows of a chunk of columns


class Group:
    """Pieces that share loops over `shape`; `dims` are the reduced ones (None: there is no reduction yet)."""

    def __init__(self, piece: Piece, number: int) -> None:
        self.shape, self.number = piece.shape, number
        self.dims: Shape | None = piece.dims if piece.combine else None
        self.pieces = [piece]
        self.members = {piece.target.buffer: piece}
        self.closed = not piece.whole
        self.needs = 0  # the units that must come before, as bits

    @property
    def outer(self) -> Shape:
        """The extents that are not reduced."""
        return tuple(e for d, e in enumerate(self.shape) if d not in (self.dims or ()))

    def add(self, piece: Piece) -> None:
        """Takes a piece in."""
        if piece.combine and self.dims is None:
            self.dims = piece.dims
        self.pieces.append(piece)
        self.members[piece.target.buffer] = piece

    def reshaped(self, shape: Shape) -> Group | None:
        """The group over loops of another shape; None if there is no such group."""
        group: Group | None = None
        for p in self.pieces:
            made = _reshaped(p, shape)
            if made is None:
                return None
            if group is None:
                group = Group(made, self.number)
            else:
                group.add(made)
        return group

    def only(self, piece: Piece) -> Group:
        """One of the pieces, over the group's loops."""
        group = Group(piece, self.number)
        group.shape, group.dims = self.shape, self.dims
        return group


class Look(NamedTuple):
    """Looks whether a check has failed: its `flag` (a buffer of one byte) must be 0."""

    check: Check
    flag: int


Unit = Group | Step | Look | Finished


class Fusion:
    """Puts pieces into groups, in order; `units` are then in an order of computation."""

    def __init__(self, units: list[Piece | Step | Check], buffers: int) -> None:
        self.units: list[Unit] = []
        self.buffers = buffers  # how many there are
        self.extra: dict[int, int] = {}  # those of partial results, with their bytes
        self.needs: list[int] = []
        self.writer: dict[int, list[int]] = {}  # by buffer: the units that write it
        self.readers: dict[int, list[int]] = {}  # by buffer: the groups that read it
        self.effects = 0  # the units with an effect so far, as bits
        for unit in units:
            if isinstance(unit, Piece):
                self._loops(unit)
            elif isinstance(unit, Check):
                self._check(unit)
            else:
                self._step(unit)
        self.units = self._ordered()

    def _loops(self, piece: Piece) -> None:
        for part in split(piece, self.buffers):
            self._note(part)
            self._place(part)

    def _check(self, check: Check) -> None:
        """A reduction to whether anything is wrong, and the look at it."""
        flag = Array(self.buffers, 0, (), (), uint8)
        every = tuple(range(len(check.shape)))
        piece = Piece(check.value, check.wrong.cast(uint8), check.shape, flag, "max", every)
        self._note(piece)
        self._loops(tidy(piece))
        needs = self._needs_of(flag.buffer)
        for a in check.inputs:
            needs |= self._needs_of(a.buffer) if a is not None else 0
        self._new(Look(check, flag.buffer), needs, check.token)

    def _note(self, piece: Piece) -> None:
        """Counts the buffer of partial results that a split has brought."""
        target = piece.target
        if target.buffer >= self.buffers:
            self.buffers = target.buffer + 1
        if target.buffer != piece.value.number:  # no value's own
            end = (target.offset + numel(target.shape)) * target.dtype.itemsize
            self.extra[target.buffer] = max(self.extra.get(target.buffer, 0), end)

    def _step(self, step: Step) -> None:
        needs = 0
        for a in step.inputs:
            needs |= self._needs_of(a.buffer)
        needs |= self._needs_of(token_of(step.value))
        if step.value.op.effect:
            needs |= self.effects
        finishes = finisher_of(step.value.op.name) is not None and step.value.dtype.is_floating_point
        number = self._new(Finished(step) if finishes else step, needs, *step.results)
        if step.value.op.effect:
            self.effects |= 1 << number

    def _new(self, unit: Unit, needs: int, *buffers: int) -> int:
        number = len(self.units)
        self.units.append(unit)
        self.needs.append(needs)
        for buffer in buffers:
            self.writer.setdefault(buffer, []).append(number)
        return number

    def _needs_of(self, buffer: int) -> int:
        """The writers of a buffer and all that they need, as bits."""
        bits = 0
        for w in self.writer.get(buffer, ()):
            bits |= self.needs[w] | 1 << w
        return bits

    def _place(self, piece: Piece) -> None:
        read = reads_of(piece.expr)
        needs = 0
        for buffer in read:
            needs |= self._needs_of(buffer)
        before = self.writer.get(piece.target.buffer, [])  # parts of one buffer are written in order
        for w in before:
            needs |= self.needs[w] | 1 << w
        if piece.whole and not before:
            if not piece.combine and self._finishes(piece, read, needs):
                return
            for number in self._candidates(read):
                group = self.units[number]
                assert isinstance(group, Group)
                fitting = self._fitting(piece, group)
                if fitting is not None and not self._circular(number, read):
                    group.add(fitting)
                    self._join(fitting, number, needs)
                    return
        group = Group(piece, len(self.units))
        number = self._new(group, needs, piece.target.buffer)
        for buffer in read:
            self.readers.setdefault(buffer, []).append(number)

    def _finishes(self, piece: Piece, read: set[int], needs: int) -> bool:
        """Lets a contraction that the piece reads compute it, if one can."""
        makers = {w for b in read for w in self.writer.get(b, ()) if isinstance(self.units[w], Finished)}
        for number in sorted(makers, reverse=True):
            unit = self.units[number]
            assert isinstance(unit, Finished)
            made = _reshaped(piece, unit.step.value.shape)
            if made is not None and unit.takes(made) and not self._circular(number, read):
                unit.pieces.append(made)
                self._join(made, number, needs)
                return True
        return False

    def _candidates(self, read: set[int]) -> list[int]:
        """Groups that write what the piece reads, then those that read the same; the latest first."""
        makers = {w for b in read for w in self.writer.get(b, ()) if isinstance(self.units[w], Group)}
        sharers = {r for b in read for r in self.readers.get(b, ())[-4:]} - makers
        sharers = {r for r in sharers if isinstance(self.units[r], Group)}
        return sorted(makers, reverse=True) + sorted(sharers, reverse=True)

    def _circular(self, number: int, read: set[int]) -> bool:
        """Whether something that the piece reads needs the group but isn't in it."""
        return any(
            w != number and self.needs[w] >> number & 1
            for buffer in read
            for w in self.writer.get(buffer, ())
        )

    def _join(self, piece: Piece, number: int, needs: int) -> None:
        """Notes that a unit now does a piece too."""
        self.writer.setdefault(piece.target.buffer, []).append(number)
        for x in loads(piece.expr):
            readers = self.readers.setdefault(x.data.array.buffer, [])
            if number not in readers:
                readers.append(number)
        needs &= ~(1 << number)
        self.needs[number] |= needs
        for i in range(len(self.units)):
            if self.needs[i] >> number & 1:
                self.needs[i] |= needs

    def _fitting(self, piece: Piece, group: Group) -> Piece | None:
        """The piece over the group's loops, or None if it can't join."""
        if group.closed or len(group.pieces) >= _MOST_PIECES:
            return None
        if piece.combine and group.dims is None and piece.shape != group.shape:
            again = group.reshaped(piece.shape)
            if again is None or (found := self._fitting(piece, again)) is None:
                return None
            group.shape, group.pieces, group.members = again.shape, again.pieces, again.members
            return found
        made = _same_loops(piece, group)
        if made is None or not _in_place(made, group):
            return None
        arrays = {x.data.array for p in (*group.pieces, made) for x in loads(p.expr)}
        if len(arrays) + len(group.pieces) + 1 > _MOST_ACCESSES:
            return None
        shared = {x.data.array for p in group.pieces for x in loads(p.expr)}
        reads = [x.data.array for x in loads(made.expr)]
        if not any(a in shared or a.buffer in group.members for a in reads):
            return None
        return made

    def _ordered(self) -> list[Unit]:
        """The units so that each comes after what it needs."""
        order: list[Unit] = []
        done = 0
        waiting = list(range(len(self.units)))
        while waiting:
            rest = []
            for i in waiting:
                if self.needs[i] & ~done:
                    rest.append(i)
                else:
                    done |= 1 << i
                    order.append(self.units[i])
            if len(rest) == len(waiting):
                raise RuntimeError("internal: units of a program wait for each other")
            waiting = rest
        return order


def _same_loops(piece: Piece, group: Group) -> Piece | None:
    """The piece over the group's loops, all of them or the outer ones; None if its loops are others."""
    dims = piece.dims if piece.combine else group.dims
    if group.dims is not None and piece.combine and piece.dims != group.dims:
        return None
    outer = prod(e for d, e in enumerate(group.shape) if dims is None or d not in dims)
    sweeps = outer >= _FEW_ROWS or numel(group.shape) <= _SMALL
    mixed = dims is not None and not (piece.combine and group.dims is not None)
    if piece.shape == group.shape:
        return piece if sweeps or not mixed else None
    if piece.combine:
        return None
    if group.dims is not None and piece.shape == group.outer:
        return piece
    if numel(piece.shape) == numel(group.shape) and (sweeps or not mixed):
        return _reshaped(piece, group.shape)
    if group.dims is not None and numel(piece.shape) == numel(group.outer):
        return _reshaped(piece, group.outer)
    return None


def _reshaped(piece: Piece, shape: Shape) -> Piece | None:
    if piece.shape == shape:
        return piece
    if numel(piece.shape) != numel(shape) or numel(shape) == 0 or any(x.args for x in loads(piece.expr)):
        return None
    expr, target = moved(piece.expr, lambda a: reshaped(a, shape)), reshaped(piece.target, shape)
    return None if expr is None or target is None else piece._replace(expr=expr, target=target, shape=shape)


def _in_place(piece: Piece, group: Group) -> bool:
    """Whether the piece reads the group's values only where they have just been computed."""
    for x in loads(piece.expr):
        a: Array = x.data.array
        member = group.members.get(a.buffer)
        if member is not None and (x.args or not _is_here(a, member, piece, group)):
            return False
    return True


def _is_here(a: Array, member: Piece, piece: Piece, group: Group) -> bool:
    """Whether an access is the element (or the reduced value) of the current point."""
    if a.dtype is not member.target.dtype or a.offset != member.target.offset:
        return False
    dims = group.dims if group.dims is not None else piece.dims
    inner_member = not member.combine and member.shape == group.shape and len(member.shape) == len(a.shape)
    if piece.shape == group.shape and len(piece.shape) == len(group.shape):
        if inner_member and not _over_outer(member, group):
            return a.strides == member.target.strides
        here = tuple(s for d, s in enumerate(a.strides) if d not in dims)
        away = all(s == 0 for d, s in enumerate(a.strides) if d in dims)
        return away and here == member.target.strides
    return (bool(member.combine) or _over_outer(member, group)) and a.strides == member.target.strides


def _over_outer(member: Piece, group: Group) -> bool:
    """Whether a piece without reduction runs over the outer dimensions only."""
    return not member.combine and group.dims is not None and len(member.shape) < len(group.shape)


# ----- from a group to its nest -----


class _Phases:
    """Sorts a group's pieces into phases and replaces loads of members by what has been computed."""

    def __init__(self, group: Group, stored: set[int]) -> None:
        self.group, self.stored = group, stored
        self.arrays: dict[tuple[Array, Shape], int] = {}  # accesses, by array over (outer + inner)
        self.reductions: list[list[tuple[int, Reduction]]] = []  # with the numbers by which leaves name them
        self.keeps: list[list[tuple[int, Expr]]] = []
        self.stores: list[list[Store]] = []
        self.results: list[list[Store]] = []
        self.level: dict[int, int] = {}  # by buffer: the phase in which a member is computed
        self.values: dict[int, Expr] = {}  # by buffer: its expression, or its reduced leaf
        self.kept: dict[int, Expr] = {}
        inner = (
            group.dims
            if group.dims is not None
            else tuple(range(max(len(group.shape) - 1, 0), len(group.shape)))
        )
        self.inner = inner
        self.order = tuple(d for d in range(len(group.shape)) if d not in inner) + inner
        for piece in group.pieces:
            self._piece(piece)

    def _phase(self, level: int) -> None:
        while len(self.stores) <= level:
            for rows in (self.reductions, self.keeps, self.stores, self.results):
                rows.append([])

    def _piece(self, piece: Piece) -> None:
        buffers = {x.data.array.buffer for x in loads(piece.expr)}
        outer = _over_outer(piece, self.group)
        level = max((self._ready(b, outer) for b in buffers if b in self.level), default=0)
        self._phase(level)
        expr = replace(piece.expr, lambda x: self._leaf(x, level))
        target, buffer = piece.target, piece.target.buffer
        self.level[buffer] = level
        if piece.combine:
            number = sum(map(len, self.reductions))
            self.reductions[level].append((number, Reduction(piece.combine, expr)))
            expr = reduced(number, expr.dtype if not piece.combine.startswith("arg") else target.dtype)
        self.values[buffer] = expr.cast(target.dtype)
        if buffer in self.stored:
            where = self.results if piece.combine or outer else self.stores
            where[level].append(Store(self.access(self._over_all(target)), self.values[buffer]))

    def _ready(self, buffer: int, outer: bool) -> int:
        """The first phase in which a member's value can be read: what is reduced is known to the results of
        its own phase, and to the loops of the next."""
        member = self.group.members[buffer]
        swept = bool(member.combine) or _over_outer(member, self.group)
        return self.level[buffer] + (swept and not outer)

    def _leaf(self, x: Expr, level: int) -> Expr:
        if x.op != "load":
            return x
        place: Load = x.data
        a = place.array
        if a.buffer in self.values:
            return self._member(a.buffer, level)
        if a.buffer == COUNTER:
            return self._position(a)
        return numbered_load(self.access(self._over_all(a), place.gathers), x.dtype, *x.args)

    def _member(self, buffer: int, level: int) -> Expr:
        """A member's value in a phase: kept from an earlier one, if computing it again is dear."""
        e = self.values[buffer]
        member = self.group.members[buffer]
        if member.combine or _over_outer(member, self.group) or self.level[buffer] == level or not _dear(e):
            return e
        found = self.kept.get(buffer)
        if found is None:
            number = sum(map(len, self.keeps))
            found = self.kept[buffer] = kept(number, e.dtype)
            self.keeps[self.level[buffer]].append((number, e))
        return found

    def _position(self, a: Array) -> Expr:
        """What a counter's array says at the current point."""
        strides = self._over_all(a).strides
        total: Expr | None = None
        for d, s in enumerate(strides):
            if s:
                term = counter(d) * s
                total = term if total is None else total + term
        from ..core.dtype import int64
        from .expression import const

        return const(a.offset, int64) if total is None else (total + a.offset if a.offset else total)

    def _over_all(self, a: Array) -> Array:
        """An array of the group's domain, or of its outer dimensions, over (outer + inner)."""
        shape = tuple(self.group.shape[d] for d in self.order)
        if len(a.shape) == len(self.order):
            return Array(a.buffer, a.offset, shape, tuple(a.strides[d] for d in self.order), a.dtype)
        return Array(a.buffer, a.offset, shape, (*a.strides, *(0,) * len(self.inner)), a.dtype)

    def access(self, a: Array, gathers: Shape = ()) -> int:
        """The number of an access, the same for the same array."""
        return self.arrays.setdefault((a, gathers), len(self.arrays))

    def nest(self) -> Nest:
        """The group as a loop nest."""
        shape = tuple(self.group.shape[d] for d in self.order)
        outer, inner = shape[: len(shape) - len(self.inner)], shape[len(shape) - len(self.inner) :]
        last = max((d for d in range(len(self.group.shape))), default=None)
        across = self.group.dims is not None and last is not None and last not in self.inner
        names = {("reduced", n): i for i, (n, _) in enumerate(chain(*self.reductions))}
        names |= {("kept", n): i for i, (n, _) in enumerate(chain(*self.keeps))}

        def final(e: Expr) -> Expr:
            """The expression with its leaves numbered in the order of the phases."""
            return replace(
                e, lambda x: Expr(x.op, (), x.dtype, names.get((x.op, x.data), x.data)) if not x.args else x
            )

        phases = tuple(
            Phase(
                tuple(r._replace(value=final(r.value)) for _, r in reductions),
                tuple(final(k) for _, k in keeps),
                tuple(s._replace(value=final(s.value)) for s in stores),
                tuple(s._replace(value=final(s.value)) for s in results),
            )
            for reductions, keeps, stores, results in zip(
                self.reductions, self.keeps, self.stores, self.results, strict=True
            )
        )
        gathers = {i: g for (_, g), i in self.arrays.items() if g}
        return Nest(outer, inner, across, tuple(a for a, _ in self.arrays), phases, gathers)


def _dear(e: Expr) -> bool:
    stack = [e]
    while stack:
        x = stack.pop()
        if x.op in _DEAR:
            return True
        stack.extend(x.args)
    return False


def nest_of(group: Group, stored: set[int]) -> Nest:
    """A group's loop nest. Of its values those in `stored` (by buffer) are written to memory."""
    return _Phases(group, stored).nest()


def split(piece: Piece, buffer: int) -> list[Piece]:
    """A reduction to few elements of very many in two: of chunks of the longest reduced dimension, and of
    what they give (in a new buffer)."""
    if not piece.dims or piece.combine.startswith("arg") or not numel(piece.shape):
        return [piece]
    d, size = _chunk(piece.shape, piece.dims)
    return _chunked(piece, buffer, d, size) if piece.shape[d] >= 2 * size else [piece]


def _chunk(shape: Shape, dims: Shape) -> tuple[int, int]:
    """The longest reduced dimension, and the size of its chunks: of the whole if there is no use in them. It
    depends on the shape only."""
    d = max(dims, key=lambda d: shape[d])
    total, terms = numel(shape), prod(shape[k] for k in dims)
    if len(shape) - 1 not in dims:  # the sums lie side by side
        worth, size = terms >= 2 * _STRIP and total // terms <= _SMALL, shape[d] * _STRIP // terms
    else:
        worth, size = total // terms < _FEW_ROWS and total >= 4 * _SMALL, shape[d] * _SMALL // total
    return d, _even(shape[d], max(size, 1)) if worth else shape[d]


def _even(extent: int, size: int) -> int:
    """A size near to `size` that divides the extent, if there is one."""
    return next((n for n in range(size, size // 2, -1) if extent % n == 0), size)


def _chunked(piece: Piece, buffer: int, d: int, size: int) -> list[Piece]:
    shape = piece.shape
    count, rest = divmod(shape[d], size)
    kept_shape = tuple(e for i, e in enumerate(shape) if i not in piece.dims)
    parts = (count + (rest > 0), *kept_shape)
    partial = Array(buffer, 0, parts, strides_of(parts), piece.expr.dtype)

    def main(a: Array) -> Array:
        extents = (count, *a.shape[:d], size, *a.shape[d + 1 :])
        return Array(a.buffer, a.offset, extents, (size * a.strides[d], *a.strides), a.dtype)

    def tail(a: Array) -> Array:
        extents = (*a.shape[:d], rest, *a.shape[d + 1 :])
        return Array(a.buffer, a.offset + size * count * a.strides[d], extents, a.strides, a.dtype)

    def part(move: Callable[[Array], Array], extents: Shape, dims: Shape, target: Array) -> Piece:
        expr = moved(piece.expr, move)
        assert expr is not None
        return piece._replace(expr=expr, shape=extents, target=target, dims=dims, whole=not rest)

    first = partial._replace(shape=(count, *kept_shape))
    pieces = [part(main, (count, *shape[:d], size, *shape[d + 1 :]), tuple(i + 1 for i in piece.dims), first)]
    if rest:
        last = Array(buffer, count * numel(kept_shape), kept_shape, partial.strides[1:], partial.dtype)
        pieces.append(part(tail, (*shape[:d], rest, *shape[d + 1 :]), piece.dims, last))
    again = piece._replace(expr=load(partial), shape=partial.shape, dims=(0,))
    return [*pieces, *split(again, buffer + 1)]
