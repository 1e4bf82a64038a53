"""What `FLAMBEAU_DEBUG` shows beyond level 1 (each realize), on the standard error stream:

2   the kernels of each native run: time, GFLOP/s, GB/s
3   of each new program: the graph before and after the passes, and what was fused into which nest
4   of each new program: the calls and the memory plan
5   the LLVM code of each kernel that is compiled
6   its assembly
"""

from __future__ import annotations

import sys
import time
from typing import Any

from ..core.config import config
from ..core.program import Program
from ..core.watch import Watcher, watchers
from ..runtime.kernels import assembly, module_text
from ..runtime.native import Native
from ..runtime.ticks import Ticks
from . import plan_text
from .describe import Part, describe
from .schedule import Work


def parts_by_run(compiled: Any, program: Program) -> dict[int, list[Part]]:
    """For each native run of a compiled program (by its id) what each of its calls does."""
    parts = iter(describe(compiled.schedule, program))
    found: dict[int, list[Part]] = {}
    for run in compiled.runs:
        mine: list[Part] = []
        if isinstance(run, Native):
            while len(mine) < run.count:
                part = next(parts)
                mine += [part] * len(part.calls)
            found[id(run)] = mine
    return found


class Ladder(Watcher):
    """Prints what `config.debug` asks for."""

    def __init__(self) -> None:
        self.ticks: Ticks | None = None
        self.known: dict[int, tuple[Any, dict[int, list[Part]]]] = {}  # by the compiled program's id
        self.start = 0.0

    def begin(self, kind: str, about: tuple[Any, ...]) -> None:
        """Notes the time."""
        if kind == "native":
            self.ticks = self.ticks or Ticks()
        if kind == "interpret" or (kind == "numpy" and isinstance(about[0], Work)):
            self.start = time.perf_counter()

    def end(self, kind: str, about: tuple[Any, ...]) -> None:
        """Prints."""
        show = getattr(self, "_" + kind, None)
        if show is not None and config.debug >= 2:
            show(*about)

    def _native(self, compiled: Any, native: Any, work: Any, times: Any) -> None:
        assert self.ticks is not None
        rate = self.ticks.rate
        parts = self._parts(compiled, native, work)
        _print(f"native run of {native.count} calls, {(times[native.count] - times[0]) * rate * 1e3:.3f} ms")
        rows: dict[int, list[Any]] = {}
        for k, part in enumerate(parts):
            row = rows.setdefault(id(part), [part, 0.0])
            row[1] += (times[k + 1] - times[k]) * rate
        width = max((len(part.label) for part, _ in rows.values()), default=0)
        for part, seconds in rows.values():
            speed = (
                f"{part.flops / seconds / 1e9:9.2f} GFLOP/s {part.nbytes / seconds / 1e9:9.2f} GB/s"
                if seconds
                else ""
            )
            print(
                f"  {seconds * 1e6:10.1f} us {speed}  {part.label:<{width}}  {part.kernels}", file=sys.stderr
            )

    def _parts(self, compiled: Any, native: Any, work: Any) -> list[Part]:
        """What each call does."""
        entry = self.known.get(id(compiled))
        if entry is None or entry[0] is not compiled:
            entry = self.known[id(compiled)] = (compiled, parts_by_run(compiled, work.program))
        return entry[1][id(native)]

    def _interpret(self, work: Any) -> None:
        _print(f"{len(work.nodes)} operations by NumPy, {(time.perf_counter() - self.start) * 1e3:.3f} ms")

    def _numpy(self, step: Any) -> None:
        if isinstance(step, Work) and step.step is not None:
            _print(f"{step.step.value.op.name} by NumPy, {(time.perf_counter() - self.start) * 1e3:.3f} ms")

    def _planned(self, work: Any, before: Any, scheduler: Any, schedule: Any) -> None:
        if config.debug < 3:
            return
        parts = describe(schedule, work.program)
        _block("graph as recorded", plan_text.graph_lines(before))
        _block("graph after passes", plan_text.graph_lines(scheduler.graph))
        _block("kernels, and the values that each computes", plan_text.fusion_lines(schedule, parts))
        if config.debug >= 4:
            _block("calls", plan_text.call_lines(parts))
            _block("memory", plan_text.memory_lines(schedule))

    def _built(self, found: list[Any], missing: list[Any]) -> None:
        compiled = [k for k, _ in missing]
        names = ", ".join(sorted({k.symbol for k in compiled}))
        _print(f"{len(compiled)} kernels compiled{f' ({names})' * bool(names)}, {len(found)} found on disk")
        for k in (*found, *compiled) if config.debug >= 5 else ():
            _block(f"LLVM code of {k.symbol}", module_text(k).splitlines())
            if config.debug >= 6:
                _block(f"assembly of {k.symbol}", assembly(k).splitlines())


def _print(text: str) -> None:
    print(f"flambeau: {text}", file=sys.stderr)


def _block(title: str, lines: list[str]) -> None:
    print(plan_text.indented(f"flambeau: {title}", lines), file=sys.stderr)


_ladder: list[Ladder] = []


def show() -> None:
    """Has the engine's work shown from now on."""
    if not _ladder:
        _ladder.append(Ladder())
        watchers.append(_ladder[0])
