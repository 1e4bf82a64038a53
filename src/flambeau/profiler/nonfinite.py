"""Finding the operation that first made an infinity or a NaN out of finite numbers."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import numpy as np

from ..autograd.anomaly_mode import described
from ..core.program import Step, Trace
from ..core.quiet import quiet
from ..core.realize import recorder
from ..core.watch import Watcher, watchers
from ..runtime import interpreter
from .notes import Notes


def _finite(value: Any) -> bool:
    """Whether all numbers of an array, or of several, are finite."""
    if type(value) is tuple:
        return all(map(_finite, value))
    if value is None or value.dtype.kind not in "fcV":
        return True
    wide = value.astype(np.float32) if value.dtype.itemsize < 4 else value
    return bool(np.isfinite(wide).all())


class detect_nan:
    """A block in which work raises FloatingPointError if it gives an infinity or a NaN, naming the operation
    that first made one out of finite numbers, the line and the module in which it was recorded, and whether
    that was in the backward pass.

    Work is done as always; only when a result isn't finite are its operations done once more, one by one, to
    find the first. (Work that draws random numbers is done one by one at once.) What is infinite from the
    start, such as a mask of -inf, is no finding.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 0.])
    >>> with torch.detect_nan():
    ...     y = (x.log() * 2).sum()
    Traceback (most recent call last):
    FloatingPointError: detect_nan: log made -inf out of finite numbers, ...
    """

    def __enter__(self) -> None:
        recorder.flush("detect_nan")
        self.notes, self.watcher, self.before = Notes(), Watcher(), recorder.execute
        self.notes.start()
        watchers.append(self.watcher)  # whose presence has few operations done as a program, too
        recorder.execute = self._execute

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                recorder.flush("detect_nan")
        finally:
            recorder.execute = self.before
            watchers.remove(self.watcher)
            self.notes.stop()

    def _execute(self, work: Trace) -> dict[int, Exception]:
        """Runs a program; where a result isn't finite, the first cause is its error."""
        draws = any(step.op.effect for step in work.program.steps)
        kept = work._replace(owned=[False] * len(work.owned))  # the leaves stay, for the second time
        if not draws:
            failed = self.before(kept)
            if failed or all(_finite(node.value) for node in work.outputs):
                return failed
        search = _Search(kept)
        failed = interpreter._run(kept, search.compute)
        return failed or search.error()


class _Search:
    """A program done step by step: what each step made of finite numbers."""

    def __init__(self, work: Trace) -> None:
        self.work, self.found = work, dict[int, str]()

    @quiet
    def compute(self, step: Step, values: list[Any]) -> Any:
        """The value of a step."""
        clean = bool(step.inputs) and all(_finite(values[i]) for i in step.inputs)
        value = interpreter._compute(step, values)
        if clean and not _finite(value):
            one = value[0] if type(value) is tuple else value
            numbers = np.ravel(one).astype(np.complex128 if one.dtype.kind == "c" else np.float64)
            bad = numbers[~np.isfinite(numbers)]
            self.found[step.out] = str(bad[0]) if len(bad) else "nan"
        return value

    def error(self) -> dict[int, Exception]:
        """The error of the results that aren't finite, if a step on the way to them made that."""
        work = self.work
        pairs = zip(work.program.outputs, work.outputs, strict=True)
        bad = {slot for slot, node in pairs if not _finite(node.value)}
        way = set(bad)
        for step in reversed(work.program.steps):
            if step.out in way:
                way.update(step.inputs)
        first = next((slot for slot in sorted(self.found) if slot in way), None)
        if first is None:
            return {}
        node = work.nodes[first - len(work.leaves)]
        site: Any = getattr(node, "site", None)
        place = "" if site is None else f", recorded {described(str(site), getattr(site, 'module', ''))}"
        error = FloatingPointError(
            f"detect_nan: {node.op.name} made {self.found[first]} out of finite numbers{place}"
        )
        return dict.fromkeys(sorted(bad), error)
