"""Timing, as in `torch.utils.benchmark`."""

from __future__ import annotations

import timeit as _timeit
from collections.abc import Callable
from statistics import median
from typing import Any

from ..core.realize import recorder
from ..runtime import threads

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


class Measurement:
    """Times of a statement: `times` has the seconds of one run in each of the measured blocks.

    >>> import flambeau as torch
    >>> m = torch.utils.benchmark.Measurement(2, [2.0, 4.0, 6.0], {})
    >>> m.times, m.median, m.mean
    ([1.0, 2.0, 3.0], 2.0, 2.0)
    """

    def __init__(
        self, number_per_run: int, raw_times: list[float], task_spec: dict[str, Any], metadata: Any = None
    ) -> None:
        self.number_per_run, self.raw_times = number_per_run, raw_times
        self.task_spec, self.metadata = task_spec, metadata

    @property
    def times(self) -> list[float]:
        """Seconds of one run, in each block."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def median(self) -> float:
        """The median of the times."""
        return median(self.times)

    @property
    def mean(self) -> float:
        """The mean of the times."""
        return sum(self.times) / len(self.times)

    @property
    def iqr(self) -> float:
        """The distance of the quartiles."""
        times = sorted(self.times)
        return _at(times, 0.75) - _at(times, 0.25)

    @property
    def num_threads(self) -> int:
        """How many threads the statement could use."""
        return int(self.task_spec.get("num_threads", 1))

    @property
    def title(self) -> str:
        """What was measured."""
        label = self.task_spec.get("label") or self.task_spec.get("stmt", "")
        parts = (label, self.task_spec.get("sub_label"), self.task_spec.get("description"))
        return ": ".join(str(p) for p in parts if p)

    def __repr__(self) -> str:
        scale, unit = next((u for u in _UNITS if self.median >= u[0]), _UNITS[-1])
        thread = "1 thread" if self.num_threads == 1 else f"{self.num_threads} threads"
        name = "Median" if len(self.times) > 1 else "One measurement"
        spread = f"\n  IQR: {self.iqr / scale:.2f} {unit}" if len(self.times) > 3 else ""
        return (
            f"<flambeau.utils.benchmark.Measurement>\n{self.title}\n  {name}: {self.median / scale:.2f} "
            f"{unit}"
            f"{spread}\n  {len(self.times)} measurements, {self.number_per_run} runs each, {thread}"
        )


def _at(ordered: list[float], share: float) -> float:
    """A quantile of numbers in order."""
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


class Timer:
    """Measures a statement: its work is done when the time is taken, and it has `num_threads` threads.

    Args:
        stmt, setup: what to measure, and what is done once before; code as text.
        timer: a clock, in seconds; by default one that does pending work first.
        globals: the names that the code sees, besides `torch`.
        label, sub_label, description: what the measurement is called.
        num_threads: how many threads an operation may use meanwhile.

    Example:
        >>> import flambeau as torch
        >>> t = torch.utils.benchmark.Timer("x + 1", globals={"x": torch.ones(8)})
        >>> len(t.timeit(10).times), t.blocked_autorange(min_run_time=0.001).median > 0
        (1, True)
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] | None = None,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: str = "python",
    ) -> None:
        if str(language).lower() not in ("python", "py") or global_setup:
            raise ValueError(f"Timer: only Python statements can be measured, got language={language!r}")
        import flambeau

        names = {"torch": flambeau, **(globals or {})}
        self._timer = _timeit.Timer(stmt, setup, timer or _clock, globals=names)
        self._spec = {
            "stmt": stmt, "setup": setup, "label": label, "sub_label": sub_label, "description": description,
            "env": env, "num_threads": num_threads,
        }  # fmt: skip

    def _run(self, number: int) -> float:
        before = threads.get_num_threads()
        threads.set_num_threads(self._spec["num_threads"])  # type: ignore[arg-type]
        try:
            return self._timer.timeit(max(number, 1))
        finally:
            threads.set_num_threads(before)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """The time of `number` runs, after a few to warm up."""
        self._run(min(max(number // 100, 2), 10))
        return Measurement(number, [self._run(number)], self._spec)

    def _enough(self, seconds: float) -> int:
        """How many runs take so long that reading the clock doesn't matter."""
        number = 1
        while True:
            if self._run(number) >= seconds or number >= 1 << 24:
                return number
            number *= 10

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Blocks of as many runs as it takes to measure well, for at least `min_run_time` seconds."""
        self._run(2)
        number = self._enough(min_run_time / 1000)
        times: list[float] = []
        while sum(times) < min_run_time:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
        return Measurement(number, times, self._spec)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """Blocks of runs until the quartiles lie within `threshold` of the median, or `max_run_time` is
        over."""
        self._run(2)
        number = self._enough(min_run_time / 1000)
        times: list[float] = []
        while True:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
            m = Measurement(number, times, self._spec)
            steady = len(times) > 3 and sum(times) >= min_run_time and m.iqr < threshold * m.median
            if steady or sum(times) >= max_run_time:
                return m


def _clock() -> float:
    recorder.flush("clock")
    return _timeit.default_timer()


__all__ = ["Measurement", "Timer"]
