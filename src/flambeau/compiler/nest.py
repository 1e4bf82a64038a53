"""A fused loop nest, the form in which pointwise operations and reductions become kernels.

    for each point of the outer dimensions (shared out among threads):
        for each phase:
            for each point of the inner dimensions:
                reductions: accumulate expressions          (results: `reduced` leaves of later phases)
                keeps:      remember expressions by inner index, for later phases (`kept` leaves)
                stores:     write expressions at (outer, inner)
            results:        write expressions at (outer,)

Softmax over rows, for example, has the outer dimension `rows`, the inner dimension `columns` and three
phases: max(x); sum(keep(exp(x - max))); store kept / sum. A pointwise kernel has one phase and no reduction.

The vector runs along the last inner dimension, or, with `across`, along the last outer dimension: then the
reductions have a result for each lane (a sum over the rows of a matrix).

Extents and strides are arguments of the kernel. What the code depends on, its key, is the structure: numbers
of dimensions, expressions, dtypes, and for each access whether its stride in each dimension is 0, 1 (in the
last dimension), or another number.
"""

from __future__ import annotations

from typing import NamedTuple

from .calls import Array
from .expression import Expr


class Reduction(NamedTuple):
    """A reduction over the inner dimensions: `combine` is sum, prod, min, max (NaN wins) or, with the index
    of the first extremum as its int64 result, argmin, argmax (NaN wins)."""

    combine: str
    value: Expr


class Store(NamedTuple):
    """Writes an expression through an access."""

    access: int
    value: Expr


class Phase(NamedTuple):
    """One sweep over the inner dimensions, and what is written once after it."""

    reductions: tuple[Reduction, ...] = ()
    keeps: tuple[Expr, ...] = ()
    stores: tuple[Store, ...] = ()
    results: tuple[Store, ...] = ()


class Nest(NamedTuple):
    """A loop nest. `accesses[k].shape` is broadcast to (outer + inner) already: its strides say how an access
    moves with each loop; for `results` those of the inner dimensions are 0. Reductions and keeps are numbered
    over all phases. `gathers[k]` are an access's strides for the computed indices of its loads."""

    outer: tuple[int, ...]
    inner: tuple[int, ...]
    across: bool
    accesses: tuple[Array, ...]
    phases: tuple[Phase, ...]
    gathers: dict[int, tuple[int, ...]] = {}  # noqa: RUF012 - never written to
