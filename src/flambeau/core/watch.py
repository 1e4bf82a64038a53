"""Who is told of the work that the engine does: debug output, a profiler; most of the time nobody.

The engine tells of spans of time, `begin` and `end`, each with a `kind` and what it is about:

    kind        about
    realize     the reason, how many operations were recorded
    trace       nothing
    execute     the trace
    interpret   the trace
    plan        the trace
    planned     (told once) the trace, its graph before the passes, the scheduler, the schedule
    build       the kernels that have no code yet
    built       (told once) the kernels whose code was found on disk; those that were compiled, each with its
                name on disk (None: it has none)
    native      the native program, the part of it that runs, the trace, clock ticks that are there at the end
    numpy       the step of the interpreter, or the work of a native program, that NumPy does
"""

from __future__ import annotations

from typing import Any


class Watcher:
    """Somebody who is told; what is of no interest is passed over."""

    def begin(self, kind: str, about: tuple[Any, ...]) -> None:
        """A span of time begins."""

    def end(self, kind: str, about: tuple[Any, ...]) -> None:
        """The span that began last ends, or something has happened that is told once."""


watchers: list[Watcher] = []


class span:
    """The time in the block, for whoever wants to know."""

    __slots__ = ("about", "kind")

    def __init__(self, kind: str, *about: Any) -> None:
        self.kind, self.about = kind, about

    def __enter__(self) -> None:
        for w in watchers:
            w.begin(self.kind, self.about)

    def __exit__(self, *exc: object) -> None:
        for w in watchers:
            w.end(self.kind, self.about)


def tell(kind: str, *about: Any) -> None:
    """Something has happened."""
    for w in watchers:
        w.end(kind, about)
