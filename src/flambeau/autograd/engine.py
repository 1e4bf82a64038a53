"""The backward pass: walks gradient functions from the newest to the oldest and records their formulas.

Gradient functions are numbered as they are recorded, and each is younger than those it feeds, so taking always the youngest of those waiting
means that everything that flows into it has arrived. No recursion, no counting of dependencies.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from ..core import dtype as dt
from ..core.gradient import Accumulate, GradNode, History, Port, next_number
from ..core.modes import modes
from ..core.tensor import Tensor
from ..ops.creation import full
from ..ops.kinds import cast
from ..ops.op import freed
from ..ops.reduction import sum as sum_dims
from ..ops.view import clone

Ends = list[tuple[Any, int, Tensor]]  # gradient function, which of its results, the gradient for it


def fit(g: Tensor, shape: tuple, d: dt.dtype) -> Tensor:
    """A gradient in the shape and dtype of what it belongs to: summed over broadcast dimensions, cast, the real part of complex."""
    node = g._node
    if node.shape != shape:
        extra = len(node.shape) - len(shape)
        dims = tuple(range(extra)) + tuple(
            i for i in range(extra, len(node.shape)) if shape[i - extra] == 1 and node.shape[i] != 1
        )
        if dims:
            g = sum_dims(g, dims, True)
        if extra > 0 or g._node.shape != shape:
            g = g.reshape(shape)
    if g._node.dtype is not d:
        g = cast(g.real if g.is_complex() and not d.is_complex else g, d)
    return g


def split(edge: Any) -> tuple[Any, int]:
    """An edge as (gradient function, result number)."""
    return (edge.fn, edge.index) if type(edge) is Port else (edge, 0)


class Pass:
    """One backward pass: the gradients that have arrived at functions not yet run, and where to stop."""

    def __init__(self, ends: Ends, keep: bool, create: bool, targets: Sequence[Tensor] | None) -> None:
        self.keep, self.create = keep, create
        self.arrived: dict[int, list[Tensor | None]] = {}  # by sequence number (leaves: by id, as negative numbers)
        self.waiting: list[tuple[int, Any]] = []
        self.leaves: dict[int, tuple[Accumulate, Tensor]] = {}
        self.wanted = None if targets is None else [split(t._edge) for t in targets]
        self.found: dict[tuple[int, int], Tensor] = {}
        self.useful = None if self.wanted is None else self._paths([fn for fn, _, _ in ends])
        for fn, index, g in ends:
            self.send(fn, index, g)

    def _paths(self, roots: list[Any]) -> set[int]:
        """The functions from which a wanted one can be reached (by id). Oldest first, so inputs come before what they feed."""
        assert self.wanted is not None
        seen: dict[int, Any] = {}
        stack = list(roots)
        while stack:
            fn = stack.pop()
            if id(fn) not in seen:
                seen[id(fn)] = fn
                stack.extend(e.fn if type(e) is Port else e for e in getattr(fn, "edges", ()) if e is not None)
        useful = {id(fn) for fn, _ in self.wanted}
        for fn in sorted((f for f in seen.values() if type(f) is not Accumulate), key=lambda f: f.seq):
            if any(e is not None and id(split(e)[0]) in useful for e in fn.edges):
                useful.add(id(fn))
        return useful

    def send(self, fn: Any, index: int, g: Tensor) -> None:
        """Adds a gradient to what has arrived at result `index` of `fn`."""
        if self.useful is not None and id(fn) not in self.useful:
            return
        if type(fn) is Accumulate:
            known = self.leaves.get(id(fn))
            self.leaves[id(fn)] = (fn, g if known is None else known[1] + g)
            return
        slots = self.arrived.get(fn.seq)
        if slots is None:
            slots = self.arrived[fn.seq] = [None] * fn.results()
            heapq.heappush(self.waiting, (-fn.seq, fn))
        slots[index] = g if slots[index] is None else slots[index] + g

    def run(self) -> None:
        """Runs everything, then the leaves."""
        while self.waiting:
            _, fn = heapq.heappop(self.waiting)
            self._run(fn, self.arrived.pop(fn.seq))
        for fn, g in self.leaves.values():
            for _, hook in list((fn.tensor_hooks or {}).values()):
                g = _hooked(hook, g, fn)
            if self.wanted is not None:
                self.found[id(fn), 0] = g
            if self.wanted is None or self.accumulate:
                accumulate(fn, g, self.create)

    accumulate = False

    def _run(self, fn: Any, gs: list[Tensor | None]) -> None:
        for index, hook in list((fn.tensor_hooks or {}).values()):
            if gs[index] is not None:
                gs[index] = _hooked(hook, gs[index], fn)
        if self.wanted is not None:
            for f, index in self.wanted:
                if f is fn and gs[index] is not None:
                    self.found[id(fn), index] = gs[index]  # type: ignore[assignment]
        for hook in list((fn.pre_hooks or {}).values()):
            replaced = hook(tuple(gs))
            gs = gs if replaced is None else list(replaced)
        needed = [
            e is not None and (self.useful is None or id(split(e)[0]) in self.useful) for e in fn.edges
        ]
        if fn.released and not fn.edges:
            raise freed(fn)
        if any(needed):
            self._send_inputs(fn, fn.apply(gs, needed), gs)
        if not self.keep:
            fn.release()

    def _send_inputs(self, fn: Any, inputs: list[Tensor | None], gs: list[Tensor | None]) -> None:
        for hook in list((fn.hooks or {}).values()):
            replaced = hook(tuple(inputs), tuple(gs))
            if replaced is not None:
                inputs = list(replaced) if isinstance(replaced, (tuple, list)) else [replaced]
        for edge, g, (shape, d) in zip(fn.edges, inputs, fn.specs, strict=True):
            if edge is not None and g is not None:
                self.send(*split(edge), fit(g, shape, d))


def _hooked(hook: Any, g: Any, fn: Any) -> Tensor:
    replaced = hook(g)
    if replaced is None:
        return g
    if not isinstance(replaced, Tensor) or replaced._node.shape != g._node.shape:
        shape = tuple(replaced.shape) if isinstance(replaced, Tensor) else type(replaced).__name__
        raise RuntimeError(f"hook on {fn!r}: returned {shape}, expected a Tensor of shape {tuple(g.shape)} or None")
    return replaced


def run_formulas(fn: GradNode, gs: list[Tensor | None], needed: list[bool]) -> list[Tensor | None]:
    """The gradients towards the needed inputs of a recorded operation, by its formulas."""
    op = fn.op
    if fn.results() == 1:
        g: Any = gs[0]
    else:
        g = tuple(zeros(s, d) if x is None else x for x, s, d in zip(gs, *fn.outputs, strict=True))
    return [op.gradient(fn, i, g) if need else None for i, need in enumerate(needed)]


GradNode.run_formulas = staticmethod(run_formulas)


def zeros(shape: tuple, d: dt.dtype) -> Tensor:
    """A gradient of nothing."""
    return full(0, shape, d)


def accumulate(fn: Accumulate, g: Tensor, create: bool) -> None:
    """Adds to the leaf's `.grad`: in place, so that whoever holds it sees the sum, unless the sum itself is differentiated."""
    leaf = fn.variable
    if leaf is None:
        return
    for hook in list((fn.pre_hooks or {}).values()):
        replaced = hook((g,))
        g = g if replaced is None else replaced[0]
    if leaf._grad is None:
        leaf._grad = g if create else _own(g, bool(fn.tensor_hooks))
    elif create:
        leaf._grad = leaf._grad + g
    else:
        leaf._grad += g
    for hook in list((fn.hooks or {}).values()):
        hook(leaf)


def _own(g: Tensor, seen: bool) -> Tensor:
    """A gradient that is nobody else's: two leaves may get the same tensor, or views of one; hooks may keep what they see."""
    if seen or g._storage is not None or g._given:
        return clone(g)
    g._given = True
    return g


def run(ends: Ends, keep: bool, create: bool, targets: Sequence[Tensor] | None, add: bool) -> list[Tensor | None]:
    """Runs a backward pass. With `targets` returns their gradients (and adds them to `.grad` of leaves if `add`)."""
    before = modes.grad
    modes.grad = create
    try:
        work = Pass(ends, keep, create, targets)
        work.accumulate = add
        work.run()
    finally:
        modes.grad = before
        History.pass_ = next_number()
    if targets is None:
        return []
    return [work.found.get((id(fn), i)) for fn, i in (split(t._edge) for t in targets)]
