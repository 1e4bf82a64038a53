"""Pending work and when it is done: at a look, at a bound, at once in eager mode or next to shared memory."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from .config import config
from .node import Node, PoisonedOp
from .program import Trace, poison, trace

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def user_line() -> str:
    """`file:line` of the innermost frame outside of Flambeau."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


class Recorder:
    """The pending nodes, in the order of recording, and the bounds on them.

    `execute(trace) -> failures by slot` runs a program; the package's root sets it (the recorder knows no
    backend).
    """

    execute: Callable[[Trace], dict[int, Exception]]

    def __init__(self) -> None:
        self.pending: list[Node] = []
        self.bytes = 0
        self.limit = 0
        self.lock = threading.RLock()
        self.relax()

    def relax(self) -> None:
        """Back to the normal bound (none may be pending in eager mode)."""
        self.limit = 1 if config.mode == "eager" else config.max_nodes

    def urge(self) -> None:
        """The next recorded node is realized at once: it reads memory that somebody else can change."""
        self.limit = 1

    def hold(self, nbytes: int) -> None:
        """Counts memory that pending work may keep alive; beyond the bound the work is done now."""
        self.bytes += nbytes
        if self.bytes > config.max_bytes:
            self.flush("bytes")

    def flush(self, reason: str) -> None:
        """Does all pending work, in the order of recording. Raises the first error of it, after doing the
        rest."""
        with self.lock:
            self.bytes = 0
            self.relax()
            count = len(self.pending)
            if count == 0:
                return
            batch = self.pending[:count]  # another thread may append meanwhile: take exactly these
            del self.pending[:count]
            work = trace(batch)
            start = time.perf_counter()
            failed = self.execute(work)
            if config.debug >= 1:
                self._report(reason, count, work, time.perf_counter() - start)
            for node in work.nodes:
                if node.value is not None:
                    node.inputs = ()
            if failed:
                poison(work, failed)
                raise next(iter(failed.values()))

    def _report(self, reason: str, recorded: int, work: Trace, seconds: float) -> None:
        print(
            f"flambeau: realize ({reason}) {len(work.nodes)} of {recorded} ops, {len(work.outputs)} kept, "
            f"{seconds * 1e3:.3f} ms, at {user_line()}",
            file=sys.stderr,
        )


recorder = Recorder()


def value_of(node: Node, reason: str) -> Any:
    """The node's value, doing pending work if need be; raises the error of an operation that failed."""
    if node.value is None:
        recorder.flush(reason)
        if node.value is None:
            if isinstance(node.op, PoisonedOp):
                raise node.op.error
            raise RuntimeError(f"internal: {node!r} was dropped although it is needed")
    return node.value
