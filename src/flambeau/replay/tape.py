"""The tape: what is recorded during one call of a compiled function, kept together until the call ends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from ..core.dtype import BOOL, COMPLEX, INTEGER
from ..core.node import Node
from ..core.realize import recorder
from ..core.tensor import Tensor
from .number import Formula, Number, Source
from .watch import Watch, line

PUT_OFF = ("optimizer step", "bound", "bytes")  # reasons to do pending work that can wait for the call's end
LONGEST = 200_000


class Tape(list[Node]):
    """Stands in for the recorder's pending list, for the thread that made it.

    A look at a value that the call itself computes stops it: the work is done then and there, and the call is
    none that can be replayed.

    Attributes:
        stopped: why, if it was; None so far.
        number_leaves: the operands that are numbers with a formula, by the node's id.
        conditions: formulas that must hold for the recording to be replayed.
        first: nothing is known yet of what the call reaches.
        strict: a look is an error.
        known: what is known of nodes that were there before the call, by the node's id.
    """

    def __init__(self, watch: Watch, first: bool, strict: bool) -> None:
        super().__init__()
        self.first, self.strict = first, strict
        self.watch, self.thread = watch, threading.get_ident()
        self.original = recorder.pending
        self.open = False
        self.stopped: str | None = None
        self.broken = False  # stopped by a look, not by something around the call
        self.number_leaves: dict[int, tuple[Node, Any]] = {}
        self.conditions: list[Formula] = []
        self.known: dict[int, tuple[str, int]] = {}

    def __enter__(self) -> Tape:
        self.watch.looked = self._looked
        self.open, recorder.pending, recorder.tape = True, self, self
        self.watch.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.watch.__exit__()
        self.watch.looked = None  # which would hold the nodes that were there
        if exc[0] is not None:
            self.stop("raises an error", broken=False)

    def append(self, node: Node) -> None:
        """Takes a node of this thread; passes on those of others."""
        if not self.open or threading.get_ident() != self.thread:
            self.original.append(node)
            return
        super().append(node)
        if not self.open:  # closed meanwhile by another thread
            self._give_back()

    def take(self) -> list[Node]:
        """Closes the tape and returns what is on it."""
        nodes = self[:]
        self.clear()
        self._close()
        return nodes

    def stop(self, reason: str, broken: bool = True) -> None:
        """Makes the rest of the call an ordinary one."""
        if self.open:
            where = line(sys._getframe(1))
            self.stopped, self.broken = f"{reason} ({where})", broken
            self._close()
            if broken and self.strict:
                raise RuntimeError(
                    f"compile: with fullgraph=True a call must not depend on values that it computes, but "
                    f"this one {reason}, at {where}; use torch.where(), or fullgraph=False"
                )

    def _close(self) -> None:
        self.open, recorder.tape, recorder.pending = False, None, self.original
        self._give_back()

    def _give_back(self) -> None:
        self.original[:0] = self[:]
        self.clear()

    # ----- what the recorder asks -----

    def puts_off(self, reason: str) -> bool:
        """Whether pending work can wait until the call ends."""
        if threading.get_ident() != self.thread:
            self.stop("runs while another thread needs its work done", broken=False)
            return False
        if reason in PUT_OFF and len(self) < LONGEST:
            return True
        self.stop(f"needs values while it runs: {reason}")
        return False

    def number(self, t: Tensor) -> Number | None:
        """What `item()` gives during the call; None for a plain number."""
        if threading.get_ident() != self.thread or t._node.dtype.category >= COMPLEX:
            return None
        node, category = t._current(), t._node.dtype.category
        kind = bool if category == BOOL else int if category == INTEGER else float
        if node.value is None:
            if self.first and not self.strict:  # it is not yet known what the number may be put into
                self.stop("looks at a value", broken=False)
                return None
            return Number(self, Source(("late", t), late=True), kind)
        place = self.known.get(id(node))
        if place is None:
            if id(node) not in self.watch.leaves and not self.first:
                self.stop("looks at a tensor that can't be followed")
            return None
        value = node.value.reshape(()).item()
        return Number(self, Source(("item", place, t._node.dtype)), kind, kind(value))

    def _looked(self, t: Tensor, reason: str) -> None:
        """Somebody looks at a tensor's values all at once."""
        node = t._current()
        known = id(node) in self.watch.leaves or (self.first and node.value is not None)
        if self.open and not known:
            self.stop(f"looks at a tensor's values: {reason}")

    def require(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        """Notes a condition; `function(*args)` is true in this call."""
        if self.open:
            self.conditions.append(Formula(function, args))
