"""What is still computed after an operation has failed: all that doesn't depend on it.

Units without a bad input are run as they are. A unit that shares its loops, or its contraction, with what is
spoilt is taken apart, and the values that aren't spoilt are computed one after the other.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from ..core.dtype import from_numpy
from ..core.node import numel
from ..core.program import Trace
from ..runtime import threads
from ..runtime.buffers import address
from ..runtime.native import Native
from .calls import Array, Plan
from .cpu.nest import plan_nest
from .finish import Finished
from .fuse import Group, nest_of
from .pieces import Piece, Step, reads_of, tidy
from .schedule import Work, reads

Errors = dict[int, Exception]  # by buffer


def do_the_rest(compiled: Any, work: Trace, held: dict[int, Any], failed: Work, error: Exception) -> Errors:
    """Runs the units after a failed one; returns the errors of the buffers that have no values."""
    bad: Errors = dict.fromkeys(failed.gives, error)
    parts = compiled.schedule.work
    first = next(i for i, part in enumerate(parts) if part is failed)
    for part in parts[first + 1 :]:
        found = _error(part.needs, bad)
        if found is None and (part.step is not None or part.look is not None):
            found = compiled.do(part, work, held)
            bad |= dict.fromkeys(part.gives if found else (), found)
        elif found is not None and isinstance(part.unit, Group | Finished):
            bad |= _Apart(compiled, part, bad, held).spoilt
        elif found is not None:
            bad |= dict.fromkeys(part.gives, found)
        if found is None:
            Native(part.calls, compiled.schedule.buffers).run(compiled.addresses)
    return bad


def _error(needs: set[int], bad: Errors) -> Exception | None:
    return next((bad[b] for b in sorted(needs) if b in bad), None)


class _Apart:
    """A unit taken apart: computes what isn't spoilt by bad buffers; `spoilt` are the errors of the rest.

    All values are computed apart from the program's memory first, where one may lie in the place of another
    that is still read.
    """

    def __init__(self, compiled: Any, part: Work, bad: Errors, held: dict[int, Any]) -> None:
        self.compiled, self.held, self.bad = compiled, held, bad
        self.spoilt: Errors = {}
        self.own: dict[int, np.ndarray] = {}
        unit = part.unit
        if isinstance(unit, Finished):
            self.step(unit.step)
            for p in unit.pieces:
                self.piece(Group(tidy(p), 0), p)
        elif isinstance(unit, Group):
            for p in unit.pieces:
                self.piece(unit.only(p), p)
        for b, value in self.own.items():
            if b in part.gives:
                place = Array(b, 0, (value.size,), (1,), from_numpy(value.dtype))
                compiled.memory(place, held)[...] = value

    def error(self, needs: set[int]) -> Exception | None:
        """The error that a value inherits, if it does."""
        return _error(needs, self.bad | self.spoilt)

    def step(self, step: Step) -> None:
        """The contraction, by NumPy."""
        found = self.error(reads(step))
        if found is not None:
            self.spoilt |= dict.fromkeys(step.results, found)
        else:
            (value,) = self.compiled.computed(step, self.held)
            self.own[step.value.number] = value.reshape(-1)

    def piece(self, group: Group, p: Piece) -> None:
        """One value, by loops of its own."""
        b = p.target.buffer
        found = self.error(reads_of(p.expr))
        if found is not None:
            self.spoilt[b] = found
            return
        self.own[b] = np.empty(numel(p.target.shape), p.target.dtype.np)
        compiled = self.compiled
        plan = Plan(compiled.schedule.buffers, threads.usable())
        plan_nest(plan, nest_of(group, {b}))
        rooms = [np.empty(n + 64, np.uint8) for n in plan.scratches]
        places = [-(-address(room) // 64) * 64 for room in rooms]
        for k, table in plan.tables.items():
            places[k - plan.first_scratch] = address(table)
        count = compiled.schedule.buffers + len(places)
        addresses = (ctypes.c_int64 * count)(*compiled.addresses, *places)
        for k, room in self.own.items():
            addresses[k] = address(room)
        Native(plan.calls, count).run(addresses)
