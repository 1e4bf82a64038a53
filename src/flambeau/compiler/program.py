"""Programs as native code, ready to run."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np

from ..core.config import config
from ..core.dtype import dtype
from ..core.node import Node, numel
from ..core.program import Trace
from ..core.watch import span, tell, watchers
from ..runtime import interpreter, threads
from ..runtime.buffers import Arena, address, empty
from ..runtime.kernels import build
from ..runtime.native import Locator, Native
from . import graph as graphs
from . import passes
from .calls import Array
from .fuse import Look
from .pieces import Step
from .schedule import Schedule, Scheduler, Work

arena = Arena()  # of all programs, as only one runs at a time


def _inside(offset: int, a: Array) -> np.ndarray:
    """The elements of an array whose buffer lies in the arena at `offset`."""
    return _elements(arena.block[offset:], a)


def _elements(memory: np.ndarray, a: Array) -> np.ndarray:
    """An array's elements in a buffer's memory, as a view of it."""
    size = a.dtype.np.itemsize
    if numel(a.shape) == 0:
        return np.empty(a.shape, a.dtype.np)
    steps = tuple(s * size for s in a.strides)
    return np.ndarray(a.shape, a.dtype.np, memory.reshape(-1).view(np.uint8), a.offset * size, steps)


class Compiled:
    """A program as native code, for leaves of which those in `owned` may be written to."""

    def __init__(self, work: Trace, owned: frozenset[int]) -> None:
        before = graphs.from_trace(work)
        graph = passes.run(before, check=config.debug >= 3)
        scheduler = Scheduler(graph, owned, threads.usable())
        self.schedule: Schedule = scheduler.schedule()
        tell("planned", work, before, scheduler, self.schedule)
        self.n_leaves = len(work.leaves)
        build([call.kernel for part in self.schedule.work for call in part.calls])  # several at a time
        self.runs: list[Native | Work] = []
        calls: list[Any] = []
        for part in self.schedule.work:
            if part.step is not None or part.look is not None:
                self._native(calls)
                calls = []
                self.runs.append(part)
            calls += part.calls
        self._native(calls)
        needed = set().union(*(part.needs for part in self.schedule.work))
        needed |= {out.buffer for out in self.schedule.outputs}
        s = self.schedule
        taken = set(s.donors.values())
        self.leaves = [(i, i in taken) for i in range(self.n_leaves) if i in needed]
        self.fresh = [(shape, d.np) for shape, d in s.fresh.values()]
        self.donors = [[i for i, _ in self.leaves].index(leaf) for leaf in s.donors.values()]
        self.located = [i for i, _ in self.leaves] + [*s.fresh, *s.donors]
        self.locate = Locator(self.located)
        self.given = self._given(work)
        self.addresses = (ctypes.c_int64 * s.buffers)()
        for b, table in s.tables.items():
            self.addresses[b] = address(table)
        self.base = -1

    def _given(self, work: Trace) -> list[int] | None:
        """Which of the located arrays are the outputs' values; None if some are parts of arrays, or leaves,
        or made by NumPy."""
        s = self.schedule
        shapes = {b: shape for b, (shape, _) in s.fresh.items()}
        shapes |= {b: tuple(work.leaves[leaf].shape) for b, leaf in s.donors.items()}
        buffers = [out.buffer for out in s.outputs]
        whole = all(
            out.offset == 0 and out.contiguous and shapes.get(out.buffer) == out.shape for out in s.outputs
        )
        return list(map(self.located.index, buffers)) if whole and len(set(buffers)) == len(buffers) else None

    def _native(self, calls: list[Any]) -> None:
        if calls:
            self.runs.append(Native(calls, self.schedule.buffers))

    def _settle(self) -> None:
        """Writes down where the arena is."""
        base = arena.want(self.schedule.arena)
        if self.base != base:
            self.base = base
            for b, offset in self.schedule.offsets.items():
                self.addresses[b] = self.base + offset

    def run(self, work: Trace) -> dict[int, Exception]:
        """Computes the outputs' values; returns the exceptions of failed steps by slot."""
        self._settle()
        arrays = self._leaves(work.leaves)
        donated = [arrays[i] for i in self.donors]
        arrays += [empty(shape, d) for shape, d in self.fresh]
        arrays += donated
        self.locate(arrays, self.addresses)
        held = dict(zip(self.located, arrays, strict=True))
        failed = self._execute(work, held)
        if failed or self.given is None:
            return failed or self._give(work, held)
        for node, i in zip(work.outputs, self.given, strict=True):
            node.value = arrays[i]
        return failed

    def _leaves(self, nodes: list[Node]) -> list[np.ndarray]:
        """The values of the leaves that are needed, fit for native code; those to be written to are taken
        away."""
        arrays = []
        for i, taken in self.leaves:
            value = nodes[i].value
            if taken:
                nodes[i].value = None
                if not is_ours(value):
                    value = np.array(value, order="C", copy=True)
            elif not value.flags.c_contiguous:
                value = np.ascontiguousarray(value).reshape(value.shape)
            arrays.append(value)
        return arrays

    def _execute(self, work: Trace, held: dict[int, Any]) -> dict[int, Exception]:
        for part in self.runs:
            if isinstance(part, Native):
                if watchers:
                    self._watched(part, work)
                else:
                    part.run(self.addresses)
            else:
                with span("numpy", part):
                    error = self.do(part, work, held)
                if error is not None:
                    return self._after_failure(work, held, part, error)
        return {}

    def _watched(self, part: Native, work: Trace) -> None:
        times = (ctypes.c_int64 * (part.count + 1))()
        with span("native", self, part, work, times):
            part.run(self.addresses, times)

    def do(self, part: Work, work: Trace, held: dict[int, Any]) -> Exception | None:
        """A step by NumPy, or a look at a check; the exception if it fails."""
        v = part.step.value if part.step is not None else part.look.check.value  # type: ignore[union-attr]
        try:
            if part.step is not None:
                self._step(part.step, held)
            elif part.look is not None:
                self._look(part.look, work, held)
        except Exception as e:
            place = v.slot - len(work.leaves)
            return interpreter.located(e, work.nodes[place] if place >= 0 else None)
        return None

    def _look(self, look: Look, work: Trace, held: dict[int, Any]) -> None:
        """Raises the operation's own error if its check has failed."""
        if arena.block[self.schedule.offsets[look.flag]]:
            v = look.check.value
            args = [None if a is None else self.memory(a, held) for a in (None, *look.check.inputs)]
            for i, x in enumerate(v.inputs):
                if args[i] is None:
                    args[i] = np.broadcast_to(np.zeros((), x.dtype.np), x.shape)  # isn't read
            step = work.program.steps[v.slot - self.n_leaves]
            step.op.numpy(*args, *step.attrs)
            raise RuntimeError(f"internal: {step.op.name} found nothing wrong where a check did")

    def _step(self, step: Step, held: dict[int, Any]) -> None:
        for buffer, result in zip(step.results, self.computed(step, held), strict=True):
            held[buffer] = result
            self.addresses[buffer] = address(result)

    def computed(self, step: Step, held: dict[int, Any]) -> tuple[np.ndarray, ...]:
        """A step's results, by NumPy."""
        return _compute(step, [self.memory(a, held) for a in step.inputs])

    def memory(self, a: Array | None, held: dict[int, Any]) -> np.ndarray:
        assert a is not None
        offset = self.schedule.offsets.get(a.buffer)
        if offset is not None:
            return _inside(offset, a)
        return _elements(held[a.buffer], a)

    def _after_failure(
        self, work: Trace, held: dict[int, Any], failed: Work, error: Exception
    ) -> dict[int, Exception]:
        """Does what doesn't depend on the failed step; returns the failures by slot."""
        from .failure import do_the_rest

        bad = do_the_rest(self, work, held, failed, error)
        by_slot: dict[int, Exception] = {-1: error}
        for out, slot in zip(self.schedule.outputs, work.program.outputs, strict=True):
            if out.buffer in bad:
                by_slot[slot] = bad[out.buffer]
        self._give(work, held, by_slot)
        return by_slot

    def _give(self, work: Trace, held: dict[int, Any], failed: Any = ()) -> dict[int, Exception]:
        """Hands the outputs' values to their nodes."""
        views = []
        seen: set[int] = set()
        for node, slot, out in zip(work.outputs, work.program.outputs, self.schedule.outputs, strict=True):
            if slot in failed:
                continue
            base = held[out.buffer]
            if out.offset == 0 and base.shape == out.shape and out.contiguous:
                node.value = base
                if out.buffer < self.n_leaves or id(base) in seen:
                    views.append(node)
                seen.add(id(base))
            else:
                node.value = _elements(base, out)
                views.append(node)
        if views:
            interpreter.separate(views, work)
        return {}


def is_ours(value: np.ndarray) -> bool:
    """Whether an array's memory may be written to: nobody else has it, and it is laid out plainly."""
    return value.flags.carray and sys.getrefcount(value) <= 3 and interpreter.alone(value)


def _compute(step: Step, args: list[Any]) -> tuple[np.ndarray, ...]:
    """The results of an operation by NumPy, as contiguous memory of their own."""
    v = step.value
    if v.op.widens:
        args = [a.astype(np.float32) if a.dtype.itemsize == 2 and a.dtype.kind in "fV" else a for a in args]
    if v.op.writes:
        args[0] = args[0].copy(order="C")
    with np.errstate(all="ignore"):
        value = v.op.numpy(*args, *v.attrs)
    if type(v.dtype) is tuple:
        return tuple(_plain(x, d) for x, d in zip(value, v.dtype, strict=True))
    return (_plain(value, v.dtype),)


def _plain(value: Any, d: dtype) -> np.ndarray:
    array = np.asarray(value).astype(d.np, copy=False)
    if array.base is not None or not array.flags.c_contiguous:
        array = np.array(array, order="C", copy=True)
    return array
