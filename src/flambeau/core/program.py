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
from collections.abc import Callable, Sequence
from itertools import chain, compress, filterfalse
from operator import add, attrgetter, itemgetter, sub
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


def picker(*places: int) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """The function that takes the elements in these places from a sequence."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple([values[i] for i in places])


class Known:
    """A structure in a form in which pending work is compared with it faster than it is made out anew."""

    def __init__(self, key: Structure) -> None:
        self.key, n = key, len(key.operations)
        first = {s: i for i, s in reversed(list(enumerate(key.inputs)))}
        self._leaves = picker(*[first[s] for s in range(-1, -len(key.leaves) - 1, -1)])
        self._inputs = picker(*[s if s >= 0 else n - 1 - s for s in key.inputs])

    def leaves(self, pending: list[Node], inputs: list[Node], held: list[bool]) -> list[Node] | None:
        """The leaves of pending work, whose inputs are all `inputs`, if it has this structure."""
        key, leaves = self.key, list(self._leaves(inputs))
        same = (
            tuple(held) == key.held
            and tuple(map(_what, pending)) == key.operations
            and self._inputs((*pending, *leaves)) == tuple(inputs)
            and tuple(map(len, map(_inputs, pending))) == key.counts
            and tuple(map(_spec, leaves)) == key.leaves
            and not [x for x in leaves if x.value is None]
        )
        return leaves if same else None


class ProgramCache:
    """Programs by structure. The least recently used are dropped when all together have more than `size`
    steps."""

    def __init__(self, size: int = 50_000) -> None:
        self.size, self.steps = size, 0
        self.programs: OrderedDict[tuple[Any, ...], Program] = OrderedDict()
        self.lately: dict[tuple[int, int], Known] = {}  # the last one for so many operations and inputs
        self.hits = self.misses = 0

    def recall(
        self, pending: list[Node], inputs: list[Node], held: list[bool]
    ) -> tuple[Program, list[Node]] | None:
        """The program and its leaves, if it is the one that was last asked for with as many operations."""
        known = self.lately.get((len(pending), len(inputs)))
        leaves = None if known is None else known.leaves(pending, inputs, held)
        program = None if known is None or leaves is None else self.programs.get(known.key)
        if known is None or leaves is None or program is None:
            return None
        self.programs.move_to_end(known.key)
        self.hits += 1
        program.runs += 1
        return program, leaves

    def remember(self, key: Structure) -> None:
        """Notes that this structure was asked for last."""
        if len(self.lately) > 1000:
            self.lately.clear()
        self.lately[len(key.operations), len(key.inputs)] = Known(key)

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


def references(nodes: list[Any]) -> list[int]:
    """How many references there are to each node."""
    return list(map(sys.getrefcount, nodes))


programs = ProgramCache()
ALONE = references([Node(LEAF, (), (), (), None)])[0]  # type: ignore[arg-type]  # what a list alone accounts for
_inputs, _what, _spec = attrgetter("inputs"), attrgetter("op", "attrs", "dtype"), attrgetter("dtype", "shape")


class Structure(NamedTuple):
    """What two pieces of pending work have in common that are one program."""

    operations: tuple[Any, ...]  # of each: the operation, its attributes, its dtype
    inputs: tuple[
        int, ...
    ]  # of all operations, one after the other: number of an operation, or -1 - that of a leaf
    counts: tuple[int, ...]  # how many of them are each operation's
    held: tuple[bool, ...]  # whether each result is an output
    leaves: tuple[Any, ...]  # of each: dtype and shape

    def rows(self) -> list[tuple[Any, ...]]:
        """Of each leaf (dtype, shape), of each operation (operation, slots of its inputs, attributes, dtype,
        whether its result is an output)."""
        n, start = len(self.leaves), 0
        found: list[tuple[Any, ...]] = list(self.leaves)
        for (op, attrs, dtype), count, held in zip(self.operations, self.counts, self.held, strict=True):
            ins = tuple([-s - 1 if s < 0 else s + n for s in self.inputs[start : start + count]])
            start += count
            found.append((op, ins, attrs, dtype, held))
        return found


def drop_dead(pending: list[Any]) -> tuple[list[bool], list[Node]]:
    """Removes nodes that nobody will read.

    Returns, for each that stays, whether somebody outside the list holds it, and all their inputs.
    """
    sweep(pending)
    before = references(pending)
    inputs = list(chain.from_iterable(map(_inputs, pending)))
    # By now each node has one reference more for each time that it is an input: it is held from outside if
    # before - ALONE > now - before.
    outside = map(sub, map(add, before, before), references(pending))
    return list(map(ALONE.__lt__, outside)), inputs


def sweep(pending: list[Any]) -> None:
    """Removes, from the last to the first, nodes to which nothing but the list refers."""
    if ALONE not in references(pending):
        return
    for i in range(len(pending) - 1, -1, -1):
        if references(pending[i : i + 1])[0] == ALONE + 1 and not pending[i].op.effect:
            pending[i] = None  # lets go of the node, and so of its inputs
    pending[:] = [node for node in pending if node is not None]


def trace(pending: list[Node], cache: ProgramCache = programs) -> Trace:
    """Empties `pending` of what is dead or failed and finds or builds the program for the rest."""
    held, inputs = drop_dead(pending)
    found = cache.recall(pending, inputs, held)
    if found is None:
        found = _identify(pending, inputs, held, cache)
    if found is None:
        _drop_failed(pending)
        return trace(pending, cache)
    program, leaves = found
    before = references(leaves)
    del inputs
    owned = [now - ALONE == n - now for n, now in zip(before, references(leaves), strict=True)]
    return Trace(program, leaves, owned, list(pending), list(compress(pending, held)))


def _identify(
    pending: list[Node], inputs: list[Node], held: list[bool], cache: ProgramCache
) -> tuple[Program, list[Node]] | None:
    """The program, and its leaves in the order in which they are read first; None if one has failed."""
    slot = dict(zip(pending, range(len(pending)), strict=True))
    leaves = list(filterfalse(slot.__contains__, dict.fromkeys(inputs)))
    if [x for x in leaves if x.value is None]:
        return None
    slot.update(zip(leaves, range(-1, -len(leaves) - 1, -1), strict=True))
    key = Structure(
        tuple(map(_what, pending)),
        tuple(map(slot.__getitem__, inputs)),
        tuple(map(len, map(_inputs, pending))),
        tuple(held),
        tuple(map(_spec, leaves)),
    )
    cache.remember(key)
    return cache.lookup(key, lambda: _build(key)), leaves


def _drop_failed(pending: list[Node]) -> None:
    """Removes what depends on an operation that failed: it fails, too."""
    known: set[int] = set()
    kept = []
    for node in pending:
        bad = next((x for x in node.inputs if x.value is None and id(x) not in known), None)
        if bad is None:
            known.add(id(node))
            kept.append(node)
        else:
            fail(node, bad.op.error)
    pending[:] = kept


def fail(node: Node, error: Exception) -> None:
    """Has whoever looks at the node get the error."""
    node.op, node.inputs = PoisonedOp(error), ()


def poison(work: Trace, failed: dict[int, Exception]) -> Exception:
    """Marks the nodes whose step failed, so that a later look raises the same error; returns the first of
    them."""
    first = len(work.leaves)
    for i, node in enumerate(work.nodes):
        if first + i in failed:
            fail(node, failed[first + i])
    return next(iter(failed.values()))


def _build(key: Structure) -> Program:
    """Numbers slots (leaves first), and finds each value's last reader by one sweep from the end."""
    rows, first = key.rows(), len(key.leaves)
    dtypes = [row[0] for row in rows[:first]] + [row[3] for row in rows[first:]]
    outputs = tuple(compress(range(first, len(rows)), key.held))
    steps: list[Step] = []
    seen: set[int] = set(outputs)
    for out in range(len(rows) - 1, first - 1, -1):
        op, inputs, attrs, dtype, _ = rows[out]
        free = tuple({s for s in (*inputs, out) if s not in seen})
        seen.update(free)
        widen = op.widens and any(dtypes[s] in HALVES for s in inputs)
        steps.append(Step(op, inputs, attrs, out, None if type(dtype) is tuple else dtype.np, free, widen))
    steps.reverse()
    return Program(steps, outputs, len(rows))
