"""What `key_averages()` gives: the rows of a profile, to read or to print."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .table import cut, grid, merged, module_text, share_text, short_line, time_text

if TYPE_CHECKING:
    from .collect import Collector, Row

_HEADS = ("kernel", "calls", "total", "%", "each", "GFLOP/s", "GB/s", "limit", "by", "line", "module")


class Average:
    """What one kernel, one operation by NumPy, or one block named by `record_function` did in all.

    Times are in microseconds, as in PyTorch.

    Attributes:
        key: what it computes, such as `"gelu·mul 2048x1024"`, or the block's name.
        count: how often it ran.
        cpu_time_total, self_cpu_time_total: with and without what is inside; they differ for blocks only.
        flops, nbytes: operations and bytes of all runs.
        kernels: the symbols of the kernels; `numpy`, or empty for a block.
        line, module: where it was recorded.
        input_shapes: the extents that it runs over.
    """

    is_async = is_remote = False
    device_time_total = self_device_time_total = device_time = 0.0
    cuda_time_total = self_cuda_time_total = cuda_time = 0.0

    def __init__(self, key: str, count: int, seconds: float, own: float) -> None:
        self.key, self.count = key, count
        self.cpu_time_total, self.self_cpu_time_total = seconds * 1e6, own * 1e6
        self.flops = self.nbytes = 0
        self.kernels = self.line = self.module = ""
        self.input_shapes: tuple[int, ...] = ()

    @classmethod
    def of(cls, rows: list[Row]) -> Average:
        """Of rows that belong together."""
        seconds = sum(r.seconds for r in rows)
        made = cls(rows[0].label, sum(r.calls for r in rows), seconds, seconds)
        made.flops, made.nbytes = sum(r.flops for r in rows), sum(r.nbytes for r in rows)
        made.kernels, made.line, made.module = rows[0].kernels, rows[0].place.line, module_text(rows)
        made.input_shapes = rows[0].shape
        return made

    @property
    def cpu_time(self) -> float:
        """The time of one run."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def self_cpu_time(self) -> float:
        """The time of one run without what is inside."""
        return self.self_cpu_time_total / self.count if self.count else 0.0

    @property
    def stack(self) -> list[str]:
        """The user's line."""
        return [self.line] if self.line else []

    @property
    def is_user_annotation(self) -> bool:
        """Whether it is a block named by `record_function` (or a step)."""
        return not self.kernels

    def __repr__(self) -> str:
        return f"<Average {self.key}: {self.count} calls, {time_text(self.cpu_time_total / 1e6)}>"


class Averages(list[Average]):
    """A list of `Average`s that prints as a table."""

    def __init__(self, averages: Iterable[Average], whole: float) -> None:
        super().__init__(averages)
        self.whole = whole  # microseconds that were watched

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all kernels and NumPy operations."""
        return sum(a.self_cpu_time_total for a in self if a.kernels)

    def total_average(self) -> Average:
        """All kernels and NumPy operations together."""
        kernels = [a for a in self if a.kernels]
        seconds = sum(a.cpu_time_total for a in kernels) / 1e6
        total = Average("Total", sum(a.count for a in kernels), seconds, seconds)
        total.flops, total.nbytes = sum(a.flops for a in kernels), sum(a.nbytes for a in kernels)
        return total

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The rows as text: what it computes, calls, time and its share of the whole, speed, how much of the
        machine's measured limit that is (of multiply-adds, FMA, or of memory; `cache`: faster than memory
        is), by which kernels, and where it was recorded.

        Args:
            sort_by: an attribute of `Average`, largest first, such as `"cpu_time_total"`, `"count"`,
                `"flops"`; None keeps the order of first runs.
            row_limit: how many rows, -1 for all.
            max_src_column_width: characters for line and module.
            max_name_column_width: characters for what it computes.
            max_shapes_column_width: of no effect, as shapes are part of the names.
            header: a line above the table.
            top_level_events_only: only blocks named by `record_function`, and steps.
            time_unit: "s", "ms" or "us"; None for what suits each time.

        Raises:
            AttributeError: `sort_by` is no attribute of `Average`.
            ValueError: `time_unit` is another.
        """
        if time_unit not in (None, "s", "ms", "us"):
            raise ValueError(f"table: time_unit must be 's', 'ms', 'us' or None, got {time_unit!r}")
        rows = [a for a in self if not (top_level_events_only and a.kernels)]
        if sort_by is not None:
            rows.sort(key=lambda a: _sortable(a, sort_by), reverse=True)
        more = len(rows) - row_limit
        rows = rows if row_limit < 0 else rows[:row_limit]
        cells = [self._cells(a, max_name_column_width, max_src_column_width, time_unit) for a in rows]
        text = grid(_HEADS, cells, (0, 8, 9, 10), header)
        if row_limit >= 0 and more > 0:
            text += f"\n{more} more rows"
        return (
            f"{text}\nKernels and NumPy operations: {time_text(self.self_cpu_time_total / 1e6, time_unit)}\n"
        )

    def _cells(self, a: Average, name: int, source: int, unit: str | None) -> list[str]:
        seconds = a.cpu_time_total / 1e6
        speed = [f"{n / seconds / 1e9:.1f}" if n and seconds > 0 else "" for n in (a.flops, a.nbytes)]
        share = f"{a.cpu_time_total / self.whole:.1%}" if self.whole else ""
        limit = share_text(a.flops, a.nbytes, seconds)
        times = [time_text(seconds, unit), share, time_text(a.cpu_time / 1e6, unit)]
        where = [cut(short_line(a.line), source), cut(a.module, source)]
        return [cut(a.key, name), str(a.count), *times, *speed, limit, a.kernels, *where]


def _sortable(a: Average, by: str) -> Any:
    value = getattr(a, by)
    return value if isinstance(value, (int, float, str)) else str(value)


def averages(c: Collector) -> Averages:
    """The averages of what was collected: kernels and NumPy operations, then named blocks."""
    blocks: dict[str, list[float]] = {}
    for event in c.events:
        if event.kind in ("user", "step"):
            sums = blocks.setdefault("ProfilerStep*" if event.kind == "step" else event.name, [0, 0.0, 0.0])
            sums[0] += 1
            sums[1] += event.end - event.start
            sums[2] += event.details["own"]
    found = [Average.of(rows) for rows in merged(c.rows.values())]
    found += [Average(name, int(n), seconds, own) for name, (n, seconds, own) in blocks.items()]
    return Averages(found, c.seconds * 1e6)
