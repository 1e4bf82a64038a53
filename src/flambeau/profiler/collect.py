"""What a profile is made of: spans of time, and rows that add up what each kernel did."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from ..compiler.describe import Part, extents, first_shape, flops_of, traffic
from ..compiler.ladder import parts_by_run
from ..compiler.schedule import Work
from ..core.node import Node
from ..core.program import programs
from ..core.realize import user_line
from ..core.watch import Watcher, watchers
from ..runtime import cache as disk
from ..runtime.threads import usable
from ..runtime.ticks import Ticks
from .differences import difference
from .notes import Notes

MOST_EVENTS = 1_000_000
SHARES = ("tracing", "planning", "compiling", "native", "numpy", "bookkeeping", "profiling")
_SHARE = {
    "realize": "bookkeeping", "execute": "bookkeeping", "trace": "tracing", "plan": "planning",
    "build": "compiling", "native": "native", "interpret": "numpy", "numpy": "numpy",
}  # fmt: skip


class Event(NamedTuple):
    """A span of time, in seconds of `time.perf_counter`. Its kind is step, user, realize, kernel, call (one
    of several that make up a kernel's work), or one of those that watchers are told."""

    kind: str
    name: str
    start: float
    end: float
    thread: int
    details: dict[str, Any]


class Place(NamedTuple):
    """Where the operations of a kernel were recorded."""

    line: str
    module: str


@dataclass
class Row:
    """What one kernel (or one operation by NumPy) did in all its calls: seconds, operations, bytes."""

    label: str
    kernels: str
    place: Place
    shape: tuple[int, ...]
    calls: int = 0
    seconds: float = 0.0
    flops: int = 0
    nbytes: int = 0

    def add(self, seconds: float, flops: int, nbytes: int) -> None:
        """Counts a call."""
        self.calls += 1
        self.seconds += seconds
        self.flops += flops
        self.nbytes += nbytes


@dataclass
class Realize:
    """One realize: why, where, how much, how, and where the time went. `miss` says why its program wasn't
    known."""

    reason: str
    line: str
    recorded: int = 0
    operations: int = 0
    kept: int = 0
    how: str = ""
    miss: str = ""
    arena: int = 0
    seconds: float = 0.0
    shares: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SHARES, 0.0))


class _Open:
    """A span that has begun; `inside` is the time of the spans within it."""

    __slots__ = ("inside", "kind", "start")

    def __init__(self, kind: str) -> None:
        self.kind, self.inside = kind, 0.0
        self.start = time.perf_counter()


class _Stack(threading.local):
    def __init__(self) -> None:
        self.open: list[_Open] = []


class Collector(Watcher):
    """Collects events, rows and realizes between `start` and `stop`."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.ticks = Ticks()
        self.origin = time.perf_counter()  # where the trace's times begin
        self.seconds = 0.0  # that were watched
        self.events: list[Event] = []
        self.dropped = 0  # events beyond the most
        self.rows: dict[Any, Row] = {}
        self.realizes: list[Realize] = []
        self.shares = dict.fromkeys(SHARES, 0.0)
        self.hits = self.misses = 0  # of programs
        self.kernels = Counter({"in memory": 0, "on disk": 0, "compiled": 0})
        self.kernel_misses: Counter[tuple[str, str]] = Counter()  # by symbol and reason
        self._keys: dict[tuple[str, str], Any] = {}  # the last program's, by reason and line
        self._stack = _Stack()
        self._now: Realize | None = None
        self._work: Any = None
        self._parts: dict[int, tuple[Any, dict[int, list[Part]]]] = {}  # by the compiled program's id
        self._steps: dict[int, tuple[Any, ...]] = {}  # by the id of a step that NumPy does

    def start(self) -> None:
        """Begins."""
        self._before = self.notes.seconds
        self.begun = time.perf_counter()
        watchers.append(self)

    def stop(self) -> None:
        """Ends; may begin again."""
        watchers.remove(self)
        self.seconds += time.perf_counter() - self.begun
        self.shares["profiling"] += self.notes.seconds - self._before

    @property
    def recording(self) -> float:
        """The seconds outside of realizes: recording operations, and whatever else the program does."""
        return max(self.seconds - sum(self.shares.values()), 0.0)

    # ----- spans -----

    def begin(self, kind: str, about: tuple[Any, ...]) -> None:
        """A span begins."""
        start = time.perf_counter()
        if kind == "realize":
            self._now = Realize(about[0], user_line(), about[1])
        elif kind == "execute":
            self._work = about[0]
            if self._now is None:
                self._now = Realize("compiled call", user_line(), len(self._work.nodes))
        elif kind == "trace":
            self._missed = programs.misses
        took = time.perf_counter() - start
        self._spent("profiling", took)
        if self._stack.open:
            self._stack.open[-1].inside += took
        self._stack.open.append(_Open(kind))

    def end(self, kind: str, about: tuple[Any, ...]) -> None:
        """A span ends, or something is told."""
        now = time.perf_counter()
        if kind in _SHARE or kind in ("user", "step"):
            span = self._close(kind, now)
            if span is None:
                return
        else:
            span = None
        handler = getattr(self, "_" + kind, None)
        if handler is not None:
            handler(span, now, *about)
        elif span is not None:
            self._event(kind, kind, span.start, now)
        self._spent("profiling", time.perf_counter() - now)
        if self._stack.open:
            self._stack.open[-1].inside += time.perf_counter() - (now if span is None else span.start)

    def _close(self, kind: str, now: float) -> _Open | None:
        """Takes the span from the stack, and counts the time that was its own; None if it began before."""
        if not self._stack.open or self._stack.open[-1].kind != kind:
            return None
        span = self._stack.open.pop()
        share = _SHARE.get(kind)
        if share is not None:
            self._spent(share, now - span.start - span.inside)
        return span

    def _spent(self, share: str, seconds: float) -> None:
        self.shares[share] += seconds
        if self._now is not None:
            self._now.shares[share] += seconds

    def _event(self, kind: str, name: str, start: float, end: float, **details: Any) -> None:
        if len(self.events) < MOST_EVENTS:
            self.events.append(Event(kind, name, start, end, threading.get_ident(), details))
        else:
            self.dropped += 1

    def _user(self, span: _Open, now: float, name: str, details: str | None) -> None:
        self._event("user", name, span.start, now, own=now - span.start - span.inside, args=details)

    def _step(self, span: _Open, now: float, number: int) -> None:
        self._event("step", f"ProfilerStep#{number}", span.start, now, own=now - span.start - span.inside)

    # ----- realizes -----

    def _realize(self, span: _Open, now: float, reason: str, recorded: int) -> None:
        self._finish(span, now)

    def _finish(self, span: _Open, now: float) -> None:
        found = self._now
        if found is not None:
            found.seconds = now - span.start
            self.realizes.append(found)
            self._now = None
            self._event(
                "realize", f"realize ({found.reason})", span.start, now, line=found.line, how=found.how,
                recorded=found.recorded, operations=found.operations, miss=found.miss,
            )  # fmt: skip

    def _execute(self, span: _Open, now: float, work: Any) -> None:
        found = self._now
        if found is not None:
            found.operations, found.kept, found.how = len(work.nodes), len(work.outputs), work.program.how
        self._work = None
        if not any(open.kind == "realize" for open in self._stack.open):
            self._finish(span, now)

    def _trace(self, span: _Open, now: float) -> None:
        self._event("trace", "trace", span.start, now)
        found = self._now
        if found is None or not programs.programs:
            return
        place = found.reason, found.line
        key: Any = next(reversed(programs.programs))
        if programs.misses > self._missed:
            self.misses += 1
            found.miss = difference(self._keys.get(place), key)
        else:
            self.hits += 1
        self._keys[place] = key

    # ----- compiling -----

    def _planned(self, _: Any, now: float, work: Any, before: Any, scheduler: Any, schedule: Any) -> None:
        called = {call.kernel for part in schedule.work for call in part.calls}
        self.kernels["in memory"] += sum(bool(k.nbytes) for k in called)

    def _built(self, _: Any, now: float, found: list[Any], compiled: list[Any]) -> None:
        self.kernels["on disk"] += len(found)
        self.kernels["compiled"] += len(compiled)
        off = disk.folder() is None
        for k, entry in compiled:
            why = "the disk cache is off" if off else "not on disk" if entry else "not for the disk"
            self.kernel_misses[k.symbol, why] += 1

    # ----- running -----

    def _native(self, span: _Open, now: float, compiled: Any, native: Any, work: Any, times: Any) -> None:
        if self._now is not None:
            self._now.arena = compiled.schedule.arena
        rate, first = self.ticks.rate, times[0]
        entry = self._parts.get(id(compiled))
        if entry is None or entry[0] is not compiled:
            entry = self._parts[id(compiled)] = compiled, parts_by_run(compiled, work.program)
        self._event("native", "native code", span.start, now)
        # Entering and leaving native code takes a little; the calls lie in the middle.
        base = span.start + max(now - span.start - (times[native.count] - first) * rate, 0.0) / 2
        k = 0
        for part, several in _runs(entry[1][id(native)]):
            marks = [base + (times[i] - first) * rate for i in range(k, k + several + 1)]
            self._part(part, marks, work)
            k += several

    def _part(self, part: Part, marks: list[float], work: Any) -> None:
        """Counts the calls of one part, which began and ended at `marks`."""
        first = len(work.leaves)
        place = place_of([work.nodes[s - first] for s in (part.slots[:1] if part.main else part.slots)])
        key = part.label, part.kernels, place
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = Row(*key, part.shape)
        seconds = marks[-1] - marks[0]
        row.add(seconds, part.flops, part.nbytes)
        self._event(
            "kernel", part.label, marks[0], marks[-1], kernels=part.kernels, line=place.line,
            module=place.module, flops=part.flops, bytes=part.nbytes,
        )  # fmt: skip
        if len(part.calls) > 1:
            for call, start, end in zip(part.calls, marks, marks[1:], strict=False):
                threads = max(min(call.tasks // call.grain, usable()), 1)
                self._event("call", call.kernel.symbol, start, end, tasks=call.tasks, threads=threads)

    def _numpy(self, span: _Open, now: float, step: Any) -> None:
        work = self._work
        if work is None or (isinstance(step, Work) and step.step is None):
            return
        known = self._steps.get(id(step))
        if known is None or known[0] is not step:
            known = self._steps[id(step)] = _described(step, work)
        _, slot, label, shape, flops, nbytes = known
        place = place_of([work.nodes[slot - len(work.leaves)]]) if slot >= len(work.leaves) else Place("", "")
        row = self.rows.get((label, "numpy", place))
        if row is None:
            row = self.rows[label, "numpy", place] = Row(label, "numpy", place, shape)
        row.add(now - span.start, flops, nbytes)
        self._event(
            "numpy", label, span.start, now, line=place.line, module=place.module, flops=flops, bytes=nbytes
        )


def _runs(parts: list[Part]) -> list[tuple[Part, int]]:
    """Equal neighbours together: each part and the number of its calls."""
    return [(part, len(part.calls)) for _, (part, *_) in groupby(parts, key=id)]


def _described(step: Any, work: Any) -> tuple[Any, ...]:
    """A step that NumPy does: its slot, label, shape, operations and bytes."""
    if isinstance(step, Work):
        assert step.step is not None
        v: Any = step.step.value
        slot = v.slot
    else:
        slot = step.out
        v = work.nodes[slot - len(work.leaves)]
    if isinstance(v, Node) and len(v.inputs) < len(step.inputs):  # a replay's, which knows no inputs
        return step, slot, v.op.name, first_shape(v), 0, 0
    flops, nbytes = (0, 0) if v.op.kind == "view" else (flops_of(v), traffic(v))
    return step, slot, f"{v.op.name} {extents(v)}", first_shape(v), flops, nbytes


def place_of(nodes: list[Any]) -> Place:
    """The line of the last of some operations, and the modules that they have in common."""
    sites = [site for n in nodes if (site := getattr(n, "site", None)) is not None]
    if not sites:
        return Place("", "")
    modules = list(dict.fromkeys(m for s in sites if (m := getattr(s, "module", ""))))
    more = len(set(sites)) - 1
    return Place(str(sites[-1]) + (f" +{more}" if more else ""), _common(modules))


def _common(modules: list[str]) -> str:
    """The part of paths that all begin with; of paths that share nothing, the last, and how many more."""
    if len(modules) < 2:
        return "".join(modules)
    parts = [m.split(".") for m in modules]
    n = 0
    while all(len(p) > n and p[n] == parts[0][n] for p in parts):
        n += 1
    return ".".join(parts[0][:n]) if n else f"{modules[-1]} +{len(modules) - 1}"
