"""From units to calls: which memory each value uses, and the calls that fill it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.node import numel
from ..runtime.calls import Call
from . import gathers
from .calls import Array, Plan, strides_of
from .cpu.planners import finisher_of, planner_of
from .finish import Finished
from .fuse import Fusion, Group, Look, Unit, nest_of
from .graph import Graph, Shape, Value
from .memory import Aliases, arrange, spans_of
from .nest import Nest, Store
from .pieces import Pieces, Step, loads, reads_of, tidy, token_of

PlanNest = Callable[[Plan, Nest], None]


@dataclass
class Work:
    """One unit's part of a compiled program: a step that NumPy does or a look at a check, then kernel
    calls."""

    unit: Unit | None = None
    calls: list[Call] = field(default_factory=list)
    step: Step | None = None
    look: Look | None = None
    needs: set[int] = field(default_factory=set)  # the buffers that it reads
    gives: set[int] = field(default_factory=set)  # and writes


@dataclass
class Schedule:
    """A compiled program: work in order, and where everything lies.

    `buffers` counts all buffers. `offsets` gives the place in the arena (of `arena` bytes) of those that live
    there. `fresh` are the outputs' buffers, which get memory of their own at each run: (shape, dtype).
    `donors`: buffers that use a leaf's memory. `outputs`: where each output lies.
    """

    work: list[Work]
    buffers: int
    offsets: dict[int, int]
    arena: int
    tables: dict[int, np.ndarray]
    fresh: dict[int, tuple[Shape, Any]]
    donors: dict[int, int]
    outputs: list[Array]


class Scheduler:
    """Builds the schedule of a graph. `owned` are the leaves (by buffer) whose memory may be reused."""

    def __init__(self, graph: Graph, owned: frozenset[int], threads: int) -> None:
        gathers.register()
        self.graph, self.owned = graph, owned
        self.pieces = Pieces(graph)
        self.outputs = [self._output(v) for v in graph.outputs]
        fusion = Fusion(self.pieces.units, self.pieces.buffers)
        self.units = fusion.units
        self.sizes = {v.number: _bytes(v) for v in graph.values if type(v.dtype) is not tuple}
        self.sizes |= self.pieces.unread | fusion.extra
        self.plan = Plan(fusion.buffers, threads)
        self.reads = [reads(u) for u in self.units]
        self.writes = [_writes(u) for u in self.units]
        self.last = {b: i for i, read in enumerate(self.reads) for b in read}
        self.kept_alive = {a.buffer for a in self.outputs}
        self.aliases = Aliases()
        self.made: dict[int, bool] = {}  # the buffers filled so far; whether kernels do it

    def _output(self, v: Value) -> Array:
        e = self.pieces.access(v)
        array: Array = e.data.array
        return array

    def schedule(self) -> Schedule:
        """Plans every unit, then lays out memory."""
        work, scratch_spans = [], {}
        leaves = {leaf.number for leaf in self.graph.leaves}
        for i, unit in enumerate(self.units):
            before, scratches = len(self.plan.calls), len(self.plan.scratches)
            part = self._unit(i, unit)
            part.unit, part.calls = unit, self.plan.calls[before:]
            part.needs, part.gives = set(self.reads[i]), set(self.writes[i])
            work.append(part)
            by_numpy = () if part.step is None else part.step.results
            for b in part.gives:
                self.made.setdefault(b, b not in by_numpy)
            for k in range(scratches, len(self.plan.scratches)):
                scratch_spans[self.plan.first_scratch + k] = (i, i)
        foreign = {b for w in work if w.step is not None for b in w.step.results}
        spans = spans_of(self.writes, self.reads, self.aliases) | scratch_spans
        self.sizes |= {self.plan.first_scratch + k: n for k, n in enumerate(self.plan.scratches)}
        fresh = self._fresh(leaves, foreign)
        resting = leaves | foreign | set(fresh) | set(self.plan.tables)
        inside = {b: span for b, span in spans.items() if b not in resting and b >= 0}
        offsets, arena = arrange(inside, self.sizes)
        for b in self.aliases.of:
            root = self.aliases.root(b)
            if root in offsets:
                offsets[b] = offsets[root]
        donors = {b: self.aliases.root(b) for b in self.aliases.of if self.aliases.root(b) in leaves}
        buffers = self.plan.first_scratch + len(self.plan.scratches)
        return Schedule(work, buffers, offsets, arena, self.plan.tables, fresh, donors, self.outputs)

    def _fresh(self, leaves: set[int], foreign: set[int]) -> dict[int, tuple[Shape, Any]]:
        found: dict[int, tuple[Shape, Any]] = {}
        for out in self.outputs:
            root = self.aliases.root(out.buffer)
            if root not in leaves and root not in foreign:
                v = self.graph.values[root]
                found[root] = (v.shape, v.dtype)
        return found

    def _unit(self, i: int, unit: Unit) -> Work:
        if isinstance(unit, Group):
            self._group(i, unit)
            return Work()
        if isinstance(unit, Look):
            return Work(look=unit)
        if isinstance(unit, Finished):
            return self._finished(i, unit)
        return Work() if self._planned(i, unit) else Work(step=unit)

    def _finished(self, i: int, unit: Finished) -> Work:
        """A contraction with what follows it, or, where its kernels can't do both, one after the other."""
        stored = {b for b in unit.members if b in self.kept_alive or self._later(b, i)}
        step = unit.step
        if unit.pieces and stored:
            finish = unit.finish(stored)
            extras = tuple(self._placed(a) for a in finish.extras)
            inputs = tuple(self._placed(a) for a in step.inputs)
            plan = finisher_of(step.value.op.name)
            assert plan is not None
            if plan(self.plan, finish._replace(extras=extras), inputs, step.value.attrs):
                self.writes[i] = stored
                return Work()
        done = self._planned(i, step)
        for piece in unit.pieces:
            group = Group(tidy(piece), i)
            self._plan_nest(nest_of(group, set(group.members)))
        return Work() if done else Work(step=step)

    def _planned(self, i: int, step: Step) -> bool:
        """Whether kernels do the operation."""
        v = step.value
        planner = planner_of(v.op.name)
        if planner is None:
            return False
        specs = zip(v.shape, v.dtype, strict=True) if type(v.dtype) is tuple else [(v.shape, v.dtype)]
        results = [Array(b, 0, s, strides_of(s), d) for b, (s, d) in zip(step.results, specs, strict=True)]
        over = v.op.writes and self._may_write_over(i, step, results[0])
        if over:
            self.aliases.take(results[0].buffer, self.aliases.root(step.inputs[0].buffer))
        inputs = tuple(self._placed(a) for a in step.inputs)
        done = planner(self.plan, tuple(self._placed(a) for a in results), inputs, v.attrs)
        if over and not done:
            self.aliases.give_back(results[0].buffer)
        return done

    def _may_write_over(self, i: int, step: Step, result: Array) -> bool:
        """Whether an operation that writes into its first input may do so in place."""
        roots = [self.aliases.root(a.buffer) for a in step.inputs]
        return roots.count(roots[0]) == 1 and self._may_take(i, result, roots[0], [(step.inputs[0], 0)], 0)

    def _placed(self, a: Array) -> Array:
        return a._replace(buffer=self.aliases.root(a.buffer))

    # ----- loop nests -----

    def _group(self, i: int, group: Group) -> None:
        stored = {
            b for b, p in group.members.items() if self._later(b, i) or b in self.kept_alive or not p.whole
        }
        self.writes[i] = stored
        nest = nest_of(group, stored)
        self._reuse(i, nest)
        if not (group.closed and _copies_itself(self._in_place(nest))):
            self._plan_nest(nest)

    def _in_place(self, nest: Nest) -> Nest:
        return nest._replace(accesses=tuple(self._placed(a) for a in nest.accesses))

    def _plan_nest(self, nest: Nest) -> None:
        from .cpu.nest import plan_nest

        plan_nest(self.plan, self._in_place(nest))

    def _later(self, buffer: int, i: int) -> bool:
        return self.last.get(buffer, -1) > i

    def _reuse(self, i: int, nest: Nest) -> None:
        """Lets results take over the memory of values that are read here, in place, for the last time."""
        loaded = self._loaded(nest)
        taken: set[int] = set()
        for made_of in (True, False):  # at best each result gets what it is made of
            for level, phase in enumerate(nest.phases):
                for store in (*phase.stores, *phase.results):
                    target = nest.accesses[store.access]
                    if target.buffer in self.aliases.of or target.buffer in self.made:
                        continue
                    own = {self.aliases.root(nest.accesses[x.data].buffer) for x in loads(store.value)}
                    for old, uses in loaded.items():
                        free = old not in taken and (old in own) is made_of
                        if free and self._may_take(i, target, old, uses, level):
                            self.aliases.take(target.buffer, old)
                            taken.add(old)
                            break

    def _loaded(self, nest: Nest) -> dict[int, list[tuple[Array, int]]]:
        """By memory, what a nest reads of it, and the last phase that does so."""
        loaded: dict[int, list[tuple[Array, int]]] = {}
        last = len(nest.phases) - 1
        for level, p in enumerate(nest.phases):
            roots = [*(r.value for r in p.reductions), *(s.value for s in (*p.stores, *p.results))]
            found = [(x, level) for x in loads(*roots)]
            found += [(x, last) for x in loads(*p.keeps)]  # which may be computed again instead of kept
            for x, at in found:
                a = nest.accesses[x.data]
                loaded.setdefault(self.aliases.root(a.buffer), []).append((a, at if not x.args else 1 << 30))
        return loaded

    def _may_take(self, i: int, target: Array, old: int, uses: list[tuple[Array, int]], level: int) -> bool:
        """Whether an array may lie where memory is that is read through `uses`."""
        inside = self.made.get(old, False) and target.buffer not in self.kept_alive  # both are in the arena
        if old not in self.owned and not inside:
            return False
        if any(
            b in self.kept_alive or self._later(b, i) or b in self.writes[i] for b in self.aliases.all(old)
        ):
            return False
        if self.sizes.get(old) != self.sizes.get(target.buffer):
            return False
        return all(
            a.strides == target.strides
            and a.offset == target.offset
            and a.dtype is target.dtype
            and at <= level
            for a, at in uses
        )


def _copies_itself(nest: Nest) -> bool:
    """Whether all that a nest does is to store elements where they are."""

    def idle(store: Store) -> bool:
        e = store.value
        return e.op == "load" and not e.args and nest.accesses[e.data] == nest.accesses[store.access]

    return all(not p.reductions and not p.results and all(map(idle, p.stores)) for p in nest.phases)


def _bytes(v: Value) -> int:
    return numel(v.shape) * int(v.dtype.itemsize)


def reads(unit: Unit) -> set[int]:
    """The buffers and tokens that a unit waits for."""
    if isinstance(unit, Group):
        return reads_of(*(p.expr for p in unit.pieces)) - unit.members.keys()
    if isinstance(unit, Look):
        return {unit.flag} | {a.buffer for a in unit.check.inputs if a is not None}
    if isinstance(unit, Finished):
        return (reads(unit.step) | reads_of(*(p.expr for p in unit.pieces))) - unit.members
    return {x.buffer for x in unit.inputs} | {token_of(unit.value)}


def _writes(unit: Unit) -> set[int]:
    if isinstance(unit, Group):
        return set(unit.members)
    if isinstance(unit, Finished):
        return unit.members
    return {unit.check.token} if isinstance(unit, Look) else set(unit.results)
