"""The clock that native code reads, in seconds."""

from __future__ import annotations

import ctypes
import time

from .native import Native


class Ticks:
    """Converts clock ticks to the seconds of `time.perf_counter`, by two looks at both clocks."""

    def __init__(self) -> None:
        self._clock = Native([], 0)
        self._first = self._look()
        self._rate = 0.0

    def _look(self) -> tuple[float, int]:
        """Both clocks at one moment: of several looks the shortest."""
        place = (ctypes.c_int64 * 1)()
        best = (1.0, 0.0, 0)
        for _ in range(5):
            start = time.perf_counter()
            self._clock.run(None, place)
            took = time.perf_counter() - start
            best = min(best, (took, start + took / 2, int(place[0])))
        return best[1:]

    @property
    def rate(self) -> float:
        """Seconds per tick, measured over all the time since the first look, 5 ms at the least."""
        if not self._rate:
            wait = 0.005 - (time.perf_counter() - self._first[0])
            if wait > 0:
                time.sleep(wait)
            seconds, ticks = (b - a for a, b in zip(self._first, self._look(), strict=True))
            self._rate = seconds / ticks
        return self._rate
