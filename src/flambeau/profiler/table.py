"""A profile as text."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ..runtime import machine

if TYPE_CHECKING:
    from .collect import Collector, Realize, Row

_NAMES = {
    "recording": "recording, and the program's own Python", "tracing": "tracing (which program is it)",
    "planning": "planning (graph, fusion, memory)", "compiling": "compiling kernels, or loading them",
    "native": "running native code", "numpy": "running NumPy",
    "bookkeeping": "bookkeeping around the runs", "profiling": "the profiler itself",
}  # fmt: skip


@cache
def limits() -> tuple[float, float]:
    """What this machine can do, measured once: floating-point operations and bytes a second."""
    return machine.peak().all, machine.bandwidth().all


def share_text(flops: float, nbytes: float, seconds: float) -> str:
    """How much of the machine's limit was used: of arithmetic or of memory, whichever is nearer."""
    if seconds <= 0 or not flops + nbytes:
        return ""
    peak, bandwidth = limits()
    arithmetic, memory = flops / seconds / peak, nbytes / seconds / bandwidth
    if arithmetic >= memory:
        return f"{arithmetic:.0%} FMA"
    return f"{memory:.0%} mem" if memory <= 1 else "cache"


def time_text(seconds: float, unit: str | None = None) -> str:
    """A time in the unit that suits it, or in `unit`: s, ms or us."""
    if unit is None:
        unit = "s" if seconds >= 1 else "ms" if seconds >= 1e-3 else "us"
    return f"{seconds * {'s': 1, 'ms': 1e3, 'us': 1e6}[unit]:.3f} {unit}"


def short_line(line: str) -> str:
    """A user's line with its file relative to the working directory, or the file's name alone."""
    path, _, rest = line.rpartition(":")
    if not path:
        return line
    folder = os.getcwd() + os.sep
    return f"{path.removeprefix(folder) if path.startswith(folder) else os.path.basename(path)}:{rest}"


def merged(rows: Iterable[Row]) -> list[list[Row]]:
    """Rows of the same kernel at the same line, in modules that differ only in numbers (`blocks.0.fc`)."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault((row.label, row.kernels, row.place.line, pattern(row.place.module)), []).append(row)
    return list(groups.values())


def pattern(module: str) -> str:
    """A module's path with its numbers left open: `blocks.*.fc`."""
    return re.sub(r"(?<![^.])\d+(?=\.|$| )", "*", module)


def module_text(rows: Sequence[Row]) -> str:
    """The module of merged rows."""
    return rows[0].place.module if len({r.place.module for r in rows}) == 1 else pattern(rows[0].place.module)


def grid(
    heads: Sequence[str], rows: Sequence[Sequence[str]], left: Iterable[int] = (0,), header: str | None = None
) -> str:
    """Columns, those in `left` aligned to the left, the others to the right."""
    left = set(left)
    widths = [max(len(line[c]) for line in (heads, *rows)) for c in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        return "  ".join(
            cell.ljust(w) if c in left else cell.rjust(w)
            for c, (cell, w) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    rule = "  ".join("-" * w for w in widths)
    top = [header.center(len(rule)).rstrip()] if header else []
    return "\n".join([*top, rule, line(heads), rule, *map(line, rows), rule])


def cut(text: str, most: int | None) -> str:
    """At most so many characters."""
    return text if most is None or len(text) <= most else text[: most - 1] + "…"


def split_lines(c: Collector) -> list[str]:
    """Where the time went."""
    total = max(c.seconds, 1e-12)
    shares = {"recording": c.recording, **c.shares}
    lines = [f"{time_text(c.seconds)} in all"]
    return lines + [
        f"  {_NAMES[name]:<40} {time_text(seconds):>12}  {seconds / total:6.1%}"
        for name, seconds in shares.items()
    ]


def cache_lines(c: Collector) -> list[str]:
    """How often programs and kernels were known already."""
    k = c.kernels
    lines = [
        f"programs: {c.hits} known, {c.misses} new; kernels: {k['in memory']} in memory, "
        f"{k['on disk']} found on disk, {k['compiled']} compiled"
    ]
    return lines + [f"  {n} {symbol} compiled: {why}" for (symbol, why), n in c.kernel_misses.most_common()]


def realize_lines(c: Collector, limit: int = 20) -> list[str]:
    """Each realize; those with the same reason at the same line that went the same way together."""
    groups: dict[Any, list[Realize]] = {}
    for r in c.realizes:
        groups.setdefault((r.reason, r.line, r.operations, r.how, r.miss), []).append(r)
    rows = [_realize_cells(rs) for rs in list(groups.values())[:limit]]
    heads = ("realize because of", "times", "total", "each", "operations", "run", "line", "program")
    more = [f"and {len(groups) - limit} more kinds of realizes"] if len(groups) > limit else []
    return [grid(heads, rows, (0, 5, 6, 7)), *more]


def _realize_cells(realizes: list[Realize]) -> tuple[str, ...]:
    first, count = realizes[0], len(realizes)
    seconds = sum(r.seconds for r in realizes)
    return (
        first.reason, str(count), time_text(seconds), time_text(seconds / count),
        f"{first.operations} of {first.recorded}", first.how, short_line(first.line),
        first.miss and f"new: {first.miss}",
    )  # fmt: skip
