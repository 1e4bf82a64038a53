"""Long reductions to few results in two steps: pieces, which threads share, and then the pieces' results.

Where a reduction is cut depends on its extents only.
"""

from __future__ import annotations

from math import prod

from ..calls import Array, Plan
from ..expression import Expr, counter, load, reduced
from ..nest import Nest, Phase, Reduction, Store
from .nest_reduce import accumulator_dtype
from .nest_shape import arg, rewritten

PIECE = 32768  # elements of a row that are worth a task
PIECE_ROWS = 1024  # rows of a strip of columns
_FEW = 15  # rows that are too few tasks
_FEW_COLUMNS = 16384


def split(plan: Plan, nest: Nest) -> tuple[list[Nest], Nest] | None:
    """The pieces of a canonical nest, and the nest that puts their results together; None if it needn't be
    cut. Partial results are arrays of the plan."""
    size = _piece(nest)
    phase = nest.phases[0]
    if not size or len(nest.phases) > 1 or phase.stores or phase.keeps or any(map(arg, phase.reductions)):
        return None
    cut = max(range(len(nest.inner)), key=lambda d: nest.inner[d])
    lead = len(nest.outer) - nest.across  # where the loop over pieces goes
    count, rest = divmod(nest.inner[cut], size)
    shape = (*nest.outer[:lead], count + bool(rest), *nest.outer[lead:])
    partials = [plan.array(shape, accumulator_dtype(r.value.dtype)) for r in phase.reductions]
    parts = [_part(nest, partials, lead, cut, size, range(count))]
    if rest:
        parts.append(_part(nest, partials, lead, cut, size, range(count, count + 1)))
    return parts, _join(nest, partials, lead)


def _piece(nest: Nest) -> int:
    """How far a piece goes in the longest of the inner loops; 0 for no pieces."""
    points, most = prod(nest.inner), max(nest.inner)
    if not points:
        return 0
    few, piece = (_FEW_COLUMNS, PIECE_ROWS) if nest.across else (_FEW, PIECE)
    if points < 2 * piece or prod(nest.outer) > few:
        return 0
    size = max(piece * most // points, 1)
    return size if size < most else 0


def _part(nest: Nest, partials: list[Array], lead: int, cut: int, size: int, pieces: range) -> Nest:
    """The reductions of some pieces of `size`; one piece alone may be shorter."""
    d, first = len(nest.outer) + cut, pieces.start * size
    extent = min(size, nest.inner[cut] - first)
    outer = (*nest.outer[:lead], len(pieces), *nest.outer[lead:])
    inner = (*nest.inner[:cut], extent, *nest.inner[cut + 1 :])

    def moved(a: Array) -> Array:
        strides = (*a.strides[:lead], a.strides[d] * size, *a.strides[lead:])
        return Array(a.buffer, a.offset + a.strides[d] * first, outer + inner, strides, a.dtype)

    def leaf(e: Expr) -> Expr:
        if e.op != "index":
            return e
        at = counter(e.data + (e.data >= lead))
        return counter(lead) * size + at + first if e.data == d else at

    accesses = [moved(a) for a in nest.accesses]
    results = []
    for j, p in enumerate(partials):
        results.append(Store(len(accesses), reduced(j, p.dtype)))
        strides = p.strides + (0,) * len(inner)
        accesses.append(Array(p.buffer, pieces.start * p.strides[lead], outer + inner, strides, p.dtype))
    reductions = tuple(
        Reduction(r.combine, r.value.cast(p.dtype))
        for r, p in zip(nest.phases[0].reductions, partials, strict=True)
    )
    bare = nest._replace(phases=(Phase(reductions),))
    (phase,) = rewritten(bare, leaf).phases
    phases = (phase._replace(results=tuple(results)),)
    return nest._replace(outer=outer, inner=inner, accesses=tuple(accesses), phases=phases)


def _join(nest: Nest, partials: list[Array], lead: int) -> Nest:
    """The reductions of the pieces' results, and what the nest does with them."""
    pieces, outer = partials[0].shape[lead], len(nest.outer)
    shape = (*nest.outer, pieces)
    accesses = [a._replace(shape=shape, strides=(*a.strides[:outer], 0)) for a in nest.accesses]
    reductions = []
    for r, p in zip(nest.phases[0].reductions, partials, strict=True):
        reductions.append(Reduction(r.combine, load(len(accesses), p.dtype)))
        strides = (*p.strides[:lead], *p.strides[lead + 1 :], p.strides[lead])
        accesses.append(Array(p.buffer, 0, shape, strides, p.dtype))

    def leaf(e: Expr) -> Expr:
        return reduced(e.data, partials[e.data].dtype).cast(e.dtype) if e.op == "reduced" else e

    phases = (Phase(tuple(reductions), results=nest.phases[0].results),)
    joined = Nest(nest.outer, (pieces,), nest.across, tuple(accesses), phases, nest.gathers)
    return rewritten(joined, leaf)
