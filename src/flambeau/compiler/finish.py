"""Contractions together with what follows them element by element: a bias, an activation, a residual.

A piece joins a contraction's step if it reads the contraction's result in place. The kernel then computes it
on the sum that it is about to store; the result itself is stored only if somebody else reads it.
"""

from __future__ import annotations

from ..core import dtype as dt
from .calls import Array, strides_of
from .expression import Expr, kept
from .expression import load as numbered_load
from .graph import Value
from .pieces import COUNTER, Piece, Step, cost, loads, replace
from .planner import Finish

_MOST_PIECES, _MOST_COST = 3, 9  # dearer ones run better as loops of their own


class Finished:
    """A contraction's step and the pieces that finish it, each over the shape of its result."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.pieces: list[Piece] = []

    @property
    def members(self) -> set[int]:
        """The buffers that the unit writes."""
        return {*self.step.results, *(p.target.buffer for p in self.pieces)}

    def takes(self, piece: Piece) -> bool:
        """Whether a piece, over the shape of the result, can join."""
        if len(self.pieces) >= _MOST_PIECES or cost(piece.expr) > _MOST_COST:
            return False
        strides = strides_of(self.step.value.shape)
        for x in loads(piece.expr):
            a: Array = x.data.array
            if x.args or a.buffer == COUNTER or x.data.token != COUNTER:
                return False
            if a.buffer in self.members and (a.strides != strides or a.offset):
                return False
        return True

    def finish(self, stored: set[int]) -> Finish:
        """What the kernel does with each sum; of the results those in `stored` are written to memory."""
        v = self.step.value
        values = {v.number: _result(v)}
        extras: dict[Array, int] = {}

        def leaf(x: Expr) -> Expr:
            if x.op != "load":
                return x
            a: Array = x.data.array
            if a.buffer in values:
                return values[a.buffer]
            return numbered_load(extras.setdefault(a, len(extras)), x.dtype)

        targets = {v.number: Array(v.number, 0, v.shape, strides_of(v.shape), v.dtype)}
        for p in self.pieces:
            values[p.target.buffer] = replace(p.expr, leaf).cast(p.target.dtype)
            targets[p.target.buffer] = p.target
        results = tuple((e, targets[b]) for b, e in values.items() if b in stored)
        return Finish(results, tuple(extras))


def _result(v: Value) -> Expr:
    """A contraction's element: the sum, rounded."""
    return kept(0, dt.float64 if v.dtype is dt.float64 else dt.float32).cast(v.dtype)
