"""The memory plan: which values share memory, and where in the arena each lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_ALIGN = 64


def arrange(spans: dict[int, tuple[int, int]], sizes: dict[int, int]) -> tuple[dict[int, int], int]:
    """Offsets in the arena, and its size: buffers whose spans of time (first and last unit, both included)
    overlap lie apart.

    The largest are placed first, each at the lowest place that is free all the while.

    >>> arrange({1: (0, 1), 2: (1, 2), 3: (2, 3)}, {1: 64, 2: 64, 3: 64})
    ({1: 0, 2: 64, 3: 0}, 128)
    """
    placed: list[tuple[int, int, int, int]] = []  # first unit, last unit, start, end
    offsets: dict[int, int] = {}
    top = 0
    for buffer in sorted(spans, key=lambda b: (-sizes[b], b)):
        first, last = spans[buffer]
        size = -(-max(sizes[buffer], 1) // _ALIGN) * _ALIGN
        start = 0
        for begin, end in sorted((s, e) for f, t, s, e in placed if f <= last and first <= t):
            if begin - start >= size:
                break
            start = max(start, end)
        offsets[buffer] = start
        placed.append((first, last, start, start + size))
        top = max(top, start + size)
    return dict(sorted(offsets.items())), top


class Aliases:
    """Buffers that take over the memory of others."""

    def __init__(self) -> None:
        self.of: dict[int, int] = {}
        self._all: dict[int, list[int]] = {}

    def root(self, buffer: int) -> int:
        """The buffer whose memory a buffer uses."""
        return self.of.get(buffer, buffer)

    def all(self, root: int) -> list[int]:
        """The buffers that use one memory."""
        return self._all.get(root, [root])

    def take(self, buffer: int, old: int) -> None:
        """From now on `buffer`, which is new, lies where `old` did."""
        root = self.of[buffer] = self.root(old)
        self._all.setdefault(root, [root]).append(buffer)

    def give_back(self, buffer: int) -> None:
        """Undoes the last `take`."""
        self._all[self.of.pop(buffer)].remove(buffer)


def spans_of(
    writes: Sequence[Iterable[int]], reads: Sequence[Iterable[int]], aliases: Aliases
) -> dict[int, tuple[int, int]]:
    """For each memory (root buffer), the first unit that writes it and the last that touches it."""
    spans: dict[int, tuple[int, int]] = {}
    for i, (written, read) in enumerate(zip(writes, reads, strict=True)):
        for buffer in (*written, *read):
            root = aliases.root(buffer)
            first, _ = spans.get(root, (i, i))
            spans[root] = (first, i)
    return spans
