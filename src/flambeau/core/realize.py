"""Pending work and when it is done: at a look, at a bound, at once in eager mode or next to shared memory."""

from __future__ import annotations

# Not `signal`, which makes an enum of each handler: that takes longer than many a program.
import _signal  # type: ignore[import-not-found]
import os
import sys
import threading
import time
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any

import numpy as np

from .config import config
from .node import Node, PoisonedOp
from .program import Trace, poison, sweep, trace
from .watch import span, watchers

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, SMALL = 6, 1 << 14  # operations, and bytes: sooner done one by one than as a program
_QUICK = ("view", "reduction", "random")  # kinds of operations that NumPy is soon done with
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def user_line() -> str:
    """`file:line` of the innermost frame outside of Flambeau."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    line = "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
    return line if recorder.mark is None else recorder.mark(line)


class Recorder:
    """The pending nodes, in the order of recording, and the bounds on them.

    `execute(trace) -> failures by slot` runs a program, `evaluate(nodes) -> first error` a few nodes on few
    numbers; the package's root sets them (the recorder knows no backend). `shared` counts the memories that
    others see: as long as there is one, each recorded node is checked for reading it. `ghosts` counts nodes
    that are never computed (`core.ghost`) in the same way. `at_once` has the ids of nodes that read so much
    shared memory that they can't wait. `tape` is what records a whole call for a replay, which puts work off
    until the call ends.
    """

    execute: Callable[[Trace], dict[int, Exception]]
    evaluate: Callable[[list[Node]], Exception | None]

    def __init__(self) -> None:
        self.pending: list[Node] = []
        self.bytes = 0
        self.limit = 0
        self.shared = 0
        self.ghosts = 0
        self.at_once: set[int] = set()
        self.flushes = 0  # how often work has been done
        self.tape: Any = None
        self.mark: Callable[[str], str] | None = None  # adds to a user's line where else it was
        self.lock = threading.RLock()
        self.relax()

    def relax(self) -> None:
        """Back to the normal bound (none may be pending in eager mode)."""
        self.limit = 1 if config.mode == "eager" else config.max_nodes

    def hold(self, nbytes: int) -> None:
        """Counts memory that pending work may keep alive; beyond the bound the work is done now."""
        self.bytes += nbytes
        if self.bytes > config.max_bytes:
            self.flush("bytes")

    def flush(self, reason: str) -> None:
        """Does all pending work, in the order of recording. Raises the first error of it, after doing the
        rest."""
        if self.tape is not None and self.tape.puts_off(reason):
            return
        with self.lock:
            little = len(self.pending) <= FEW and self._is_little()
            self.bytes = 0
            self.flushes += 1
            self.relax()
            if little:
                error = self._one_by_one()
            else:
                with _Uninterrupted():
                    error = self._work(reason)
        if error is not None:
            raise error

    def _is_little(self) -> bool:
        """Whether the few pending nodes are small, and simple (unless they are two or one, which are never
        compiled), and nobody wants to hear of a program."""
        if self.bytes > SMALL or config.debug or watchers or config.mode == "compile":
            return False
        quick = len(self.pending) <= 2
        for node in self.pending:
            if not (quick or node.op.kind in _QUICK or type(node.op.numpy) is np.ufunc):
                return False
            for x in node.inputs:
                value = x.value
                if value is None:
                    if type(x.op) is PoisonedOp:
                        return False
                elif type(value) is not np.ndarray or value.nbytes > SMALL:
                    return False
        return True

    def _one_by_one(self) -> Exception | None:
        """Does the few pending nodes. After Ctrl-C, which need not wait, what is not done is pending again;
        what has an effect can't be done again."""
        batch = self.pending[:]
        if [n for n in batch if n.op.effect]:
            with _Uninterrupted():
                return self._evaluate(batch)
        try:
            return self._evaluate(batch) if batch else None
        except BaseException:
            self.pending[:0] = [n for n in batch if n.value is None and type(n.op) is not PoisonedOp]
            raise

    def _evaluate(self, batch: list[Node]) -> Exception | None:
        del self.pending[: len(batch)]
        sweep(batch)
        return self.evaluate(batch)

    def _work(self, reason: str) -> Exception | None:
        count = len(self.pending)
        if count == 0:
            return None
        batch = self.pending[:count]  # another thread may append meanwhile: take exactly these
        del self.pending[:count]
        return self._watched(batch, reason) if watchers else self.do(trace(batch), reason, count)

    def _watched(self, batch: list[Node], reason: str) -> Exception | None:
        count = len(batch)
        with span("realize", reason, count):
            with span("trace"):
                work = trace(batch)
            return self.do(work, reason, count)

    def do(self, work: Trace, reason: str, recorded: int) -> Exception | None:
        """Runs a program on its nodes; returns the first error."""
        start = time.perf_counter()
        failed = self.execute(work)
        if config.debug >= 1:
            self._report(reason, recorded, work, time.perf_counter() - start)
        for node in work.outputs:
            if node.value is not None:
                node.inputs = ()
        return poison(work, failed) if failed else None

    def _report(self, reason: str, recorded: int, work: Trace, seconds: float) -> None:
        program = f"{'new' if work.program.runs < 2 else 'known'} program, {work.program.how}"
        print(
            f"flambeau: realize ({reason}) {len(work.nodes)} of {recorded} ops, {len(work.outputs)} kept, "
            f"{program}, {seconds * 1e3:.3f} ms, at {user_line()}",
            file=sys.stderr,
        )


recorder = Recorder()


class _Uninterrupted:
    """Lets Ctrl-C wait for the end of the block: half a training step would be lost data."""

    def __enter__(self) -> None:
        self.handler: Any = None
        self.pressed = False
        if (
            callable(_signal.getsignal(_signal.SIGINT))
            and threading.current_thread() is threading.main_thread()
        ):
            self.handler = _signal.signal(_signal.SIGINT, self._press)

    def _press(self, number: int, frame: Any) -> None:
        self.pressed = True

    def __exit__(self, *exc: object) -> None:
        if self.handler is not None:
            _signal.signal(_signal.SIGINT, self.handler)
            if self.pressed:
                self.handler(_signal.SIGINT, sys._getframe(1))


def remembered(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with its results kept by its arguments, except while a call is recorded, whose numbers
    know where they come from."""
    known = lru_cache(4096)(f)
    return wraps(f)(lambda *args: known(*args) if recorder.tape is None else f(*args))


def value_of(node: Node, reason: str) -> Any:
    """The node's value, doing pending work if need be; raises the error of an operation that failed."""
    if node.value is None:
        if type(node) is not Node:
            return node.look(reason)  # type: ignore[attr-defined]  # a ghost
        recorder.flush(reason)
        if node.value is None:
            if isinstance(node.op, PoisonedOp):
                raise node.op.again()
            raise RuntimeError(f"internal: {node!r} was dropped although it is needed")
    return node.value
