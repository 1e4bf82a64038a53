"""From pending nodes to a program: which nodes still matter, in which order, and when each value can be let
go.

Recording order is a topological order, so one sweep backwards over the pending list finds what is dead
(nobody but the list holds it) and one sweep forwards numbers the rest. Whether a tensor or a gradient
function still holds a node is read off CPython's reference counts: holders = all references - the list's -
those of recorded consumers. This decides only what is kept, never what a result is.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from .dtype import HALVES
from .node import LEAF, Node, PoisonedOp


class Step(NamedTuple):
    """One operation of a program. Slots number the values: first the leaves, then the results."""

    op: Any
    inputs: tuple[int, ...]
    attrs: tuple[Any, ...]
    out: int
    dtype: Any  # NumPy dtype of the result, or None for a tuple of results
    free: tuple[int, ...]  # slots that nobody reads after this step
    widen: bool  # some input is stored in 16 bits and the operation computes in float32


class Program:
    """What to compute for one structure of pending work; shared by every realize with that structure."""

    __slots__ = ("compiled", "how", "outputs", "runs", "slots", "steps")

    def __init__(self, steps: list[Step], outputs: tuple[int, ...], slots: int) -> None:
        self.steps, self.outputs, self.slots, self.runs = steps, outputs, slots, 0
        self.how = "not run"  # or how it was run the last time, in words
        self.compiled: dict[Any, Any] = {}  # native forms, which the compiler keeps here


class Trace(NamedTuple):
    """The part of one realize that is its own: the nodes. `program.outputs[i]` is the slot of `outputs[i]`.

    `owned[i]` says that nothing but this work refers to `leaves[i]`, so its memory may be reused.
    """

    program: Program
    leaves: list[Node]
    owned: list[bool]
    nodes: list[Node]
    outputs: list[Node]


class ProgramCache:
    """Programs by structure. The least recently used are dropped when all together have more than `size`
    steps."""

    def __init__(self, size: int = 50_000) -> None:
        self.size, self.steps = size, 0
        self.programs: OrderedDict[tuple[Any, ...], Program] = OrderedDict()
        self.hits = self.misses = 0

    def lookup(self, key: tuple[Any, ...], build: Callable[[], Program]) -> Program:
        """The program of this structure, built if it is new."""
        program = self.programs.get(key)
        if program is None:
            self.misses += 1
            program = self.programs[key] = build()
            self.steps += len(program.steps)
            while self.steps > self.size and len(self.programs) > 1:
                self.steps -= len(self.programs.popitem(last=False)[1].steps)
        else:
            self.hits += 1
            self.programs.move_to_end(key)
        program.runs += 1
        return program


programs = ProgramCache()


def _references(nodes: list[Any], i: int) -> int:
    return sys.getrefcount(nodes[i])


_ALONE = _references([Node(LEAF, (), (), (), None)], 0)  # type: ignore[arg-type]  # what a list alone accounts for


def drop_dead(pending: list[Any]) -> tuple[list[bool], dict[int, int]]:
    """Removes nodes that nobody will read.

    Returns, for each that stays, whether somebody outside the list holds it, and how often each leaf is an
    input.
    """
    uses: dict[int, int] = {}
    held = []
    for i in range(len(pending) - 1, -1, -1):
        key = id(pending[i])
        outside = _references(pending, i) > _ALONE + uses.pop(key, 0)
        if not outside and _references(pending, i) == _ALONE and not pending[i].op.effect:
            pending[i] = None  # lets go of the node, and so of its inputs
            continue
        for x in pending[i].inputs:
            uses[id(x)] = uses.get(id(x), 0) + 1
        x = None
        held.append(outside)
    pending[:] = [node for node in pending if node is not None]
    held.reverse()
    return held, uses


def trace(pending: list[Node], cache: ProgramCache = programs) -> Trace:
    """Empties `pending` of what is dead or failed and finds or builds the program for the rest."""
    held, uses = drop_dead(pending)
    slot: dict[int, int] = {}
    leaves: list[Node] = []
    nodes: list[Node] = []
    outputs: list[Node] = []
    key: list[Any] = []
    for node, outside in zip(pending, held, strict=True):
        ins = []
        for x in node.inputs:
            s = slot.get(id(x))
            if s is None:
                if x.value is None:
                    break
                s = slot[id(x)] = -len(leaves) - 1
                leaves.append(x)
                key.append((x.dtype, x.shape))
            ins.append(s)
        else:
            slot[id(node)] = len(nodes)
            nodes.append(node)
            key.append((node.op, tuple(ins), node.attrs, node.dtype, outside))
            if outside:
                outputs.append(node)
            continue
        _poison(node, x.op.error)
    program = cache.lookup(tuple(key), lambda: _build(key, len(leaves)))
    x = None
    owned = [_references(leaves, i) == _ALONE + uses.get(id(leaves[i]), 0) for i in range(len(leaves))]
    return Trace(program, leaves, owned, nodes, outputs)


def _poison(node: Node, error: Exception) -> None:
    node.op, node.inputs = PoisonedOp(error), ()


def poison(work: Trace, failed: dict[int, Exception]) -> Exception:
    """Marks the nodes whose step failed, so that a later look raises the same error; returns the first of
    them."""
    first = len(work.leaves)
    for i, node in enumerate(work.nodes):
        if first + i in failed:
            _poison(node, failed[first + i])
    return next(iter(failed.values()))


def _build(key: list[Any], n_leaves: int) -> Program:
    """Numbers slots (leaves first), and finds each value's last reader by one sweep from the end."""
    kept = [k[-1] for k in key if len(k) == 5]
    dtypes = [k[0] for k in key if len(k) == 2] + [k[3] for k in key if len(k) == 5]
    steps: list[Step] = []

    def number(s: int) -> int:
        return -s - 1 if s < 0 else s + n_leaves

    seen: set[int] = {n_leaves + i for i, outside in enumerate(kept) if outside}
    rows = [k for k in key if len(k) == 5]
    for i in range(len(rows) - 1, -1, -1):
        op, ins, attrs, dtype, _ = rows[i]
        inputs, out = tuple(number(s) for s in ins), n_leaves + i
        free = tuple({s for s in (*inputs, out) if s not in seen})
        seen.update(free)
        widen = op.widens and any(dtypes[s] in HALVES for s in inputs)
        steps.append(Step(op, inputs, attrs, out, None if type(dtype) is tuple else dtype.np, free, widen))
    steps.reverse()
    outputs = tuple(n_leaves + i for i, outside in enumerate(kept) if outside)
    return Program(steps, outputs, n_leaves + len(rows))
