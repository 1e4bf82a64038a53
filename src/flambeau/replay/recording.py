"""One call, recorded: the function runs as ever, and what it did becomes a `Replay` if that is all it did."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from operator import is_
from typing import Any

from ..core.modes import modes
from ..core.node import LEAF, Node
from ..core.program import ALONE, Trace, references, trace
from ..core.realize import _Uninterrupted, recorder
from ..core.tensor import NEVER_WRITTEN, Tensor
from .arguments import Arguments, replaced
from .number import Formula, Number, Source
from .plan import Input, Plan, ambient, has_history, is_hooked, layout, place_in_memory
from .replay import Replay
from .state import INSIDE, NO_KEY, PARTS, Box, State, nested
from .tape import Tape
from .template import Container, Maker, NeedsGradients, NoReplay, settled
from .watch import Watch, numpy_stream

Function = Callable[..., Any]


class Recording:
    """The recording of one call.

    `before` is what earlier calls were seen to do: the names to follow. `varying` are the places (of
    arguments, and of boxes by the container's id and the key) where values differ from call to call.

    Attributes:
        watch: what this call was seen to do.
        replay: what can be replayed; None, with the `reason`, if nothing.
        gradients: whether that is because the results are to be differentiated.
        disturbed: whether it is because of another thread.
        learning: whether it is because the call did what none before it did.
    """

    def __init__(
        self,
        function: Function,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        before: Watch,
        varying: set[Any],
        fullgraph: bool,
    ) -> None:
        self.fullgraph = fullgraph
        self.function, self.args, self.kwargs, self.varying = function, args, kwargs, frozenset(varying)
        self.ambient, self.watch = ambient(), Watch()
        self.replay: Replay | None = None
        self.reason: str | None = None
        self.gradients = self.disturbed = self.learning = False
        self.arguments = Arguments(args, kwargs, self.varying)
        self.state = State(before, self.varying)
        self.state.reach([(function, "the function"), *self.arguments.objects])
        self._list_tensors()

    # ----- before the call -----

    def _list_tensors(self) -> None:
        """Makes one table of all tensors that are there: the fixed ones, then the inputs, in whose places
        other calls may have others."""
        known = list(self.state.tensors.values())
        self.fixed = [t for t, _ in known]
        self.boxes = self.state.boxes + [Box(t, "slots", path, PARTS) for t, path in known]
        given = self.arguments.tensors
        self.inputs = [Input("argument", i) for i in range(len(given))]
        self.inputs += [
            Input("slot", i)
            for i, (box, key) in enumerate(self.state.slots)
            if isinstance(box.value(key), Tensor)
        ]
        first = self.fixed + given
        self.inputs += [
            Input("grad", k) for k, t in enumerate(first) if has_history(t) or t._grad is not None
        ]
        self.table: list[Tensor | None] = list(self.fixed)
        for entry in self.inputs:
            self.table.append(entry.find(given, self.state.slots, self.table))

    def _bring_up_to_date(self) -> None:
        """Sees to it that all tensors have values, and notes which nodes those are."""
        for t in self.table:
            if t is not None:
                self._look_again(t)
        recorder.flush("compile")
        self.nodes: dict[int, tuple[str, int]] = {}
        self.values: dict[int, tuple[str, int]] = {}
        self.before: list[Any] = []
        self.alive: list[Any] = []  # so that ids stay theirs
        for k, t in enumerate(self.table):
            if t is None:
                self.before.append(None)
                continue
            storage, node = t._storage, t._current()
            if storage is not None and storage.is_shared():
                raise NoReplay("uses a tensor whose memory others see")
            whole = node if storage is None else storage.node
            for kind, n in (("storage", whole), ("tensor", node)):
                self.nodes.setdefault(id(n), (kind, k))
                self.values.setdefault(id(n.value), (kind, k))
                self.alive += [n, n.value]
            self.before.append((storage, id(whole), _standing(t), t._counter, t._counter.count))

    def _look_again(self, t: Tensor) -> None:
        try:
            t._current()
            history = modes.grad and t.requires_grad and not t.is_leaf
            if is_hooked(t._edge):
                raise NoReplay("uses a tensor with hooks")
        except RuntimeError:  # a view whose history can't be what it had to become
            raise NoReplay("reaches a tensor that can't be used") from None
        if history and id(t) not in self.state.tensors:
            raise NeedsGradients("is given a tensor with a history")

    # ----- the call -----

    def run(self) -> Any:
        """Calls the function; returns what it returns."""
        try:
            _refuse(self.state.reasons)
            self._bring_up_to_date()
        except NoReplay as reason:
            self.reason, self.gradients = str(reason), reason.gradients
            with self.watch:
                return self.function(*self.args, **self.kwargs)
        self.snapshot = [box.read() for box in self.boxes]
        self.specs = [None if t is None else layout(t) for t in self.table[len(self.fixed) :]]
        first = len(self.fixed)
        self.placed = {
            k: place_in_memory(t) for k, t in enumerate(self.table) if k >= first and t is not None
        }
        self.tape = tape = Tape(self.watch, not self.state.watch.names, self.fullgraph)
        tape.known = self.nodes
        args, kwargs = self._with_numbers()
        stream = numpy_stream()
        try:
            with tape:
                result = self.function(*args, **kwargs)
        finally:
            self._take_numbers_back()
            if not tape.open:
                self._settle_places()
        del args, kwargs
        if not tape.open:
            self.reason, self.disturbed = tape.stopped, not tape.broken
            return settled(result, self.state.seen)
        if stream != numpy_stream():
            self.watch.reasons.append("draws from numpy.random")
        return self._finish(result)

    def _with_numbers(self) -> tuple[Any, Any]:
        """The arguments, with numbers that know where they come from in the places that vary; the slots
        likewise."""
        count = iter(range(len(self.arguments.numbers)))

        def argument(x: Any) -> Any:
            return Number(self.tape, Source(("argument", next(count))), type(x), x)

        self.old: list[Any] = [box.value(key) for box, key in self.state.slots]
        self.new: list[Any] = list(self.old)
        for i, (box, key) in enumerate(self.state.slots):
            value = self.old[i]
            if not isinstance(value, Tensor):
                self.new[i] = Number(self.tape, Source(("slot", i)), type(value), value)
                box.write(key, self.new[i])
        if not self.arguments.numbers:
            return self.args, self.kwargs
        args = replaced(self.args, ("args",), self.varying, argument)
        return args, replaced(self.kwargs, (), self.varying, argument)

    def _take_numbers_back(self) -> None:
        for (box, key), old, new in zip(self.state.slots, self.old, self.new, strict=True):
            if old is not new and box.value(key) is new:
                box.write(key, old)

    def _settle_places(self) -> None:
        """Leaves plain numbers in all places that the call has written to."""
        places = [(box, key) for box in self.boxes for key in box.places() if key is not NO_KEY]
        for box, key in (*places, *self.state.slots):
            value = box.value(key)
            plain = settled(value, self.state.seen)
            if plain is not value:
                box.write(key, plain)

    # ----- after the call -----

    def _finish(self, result: Any) -> Any:
        """Does the work that was recorded, and makes a replay of it."""
        gc.collect(1)  # what only a cycle holds is no result
        with recorder.lock, _Uninterrupted():
            self._forget_views()
            nodes = self.tape.take()
            count = len(nodes)
            work = trace(nodes)
            try:
                self._check_watched()
                self._bind(work)
                work = work._replace(owned=self._owned(work))
            except NoReplay as reason:
                self.reason = str(reason)
            recorder.bytes = 0
            recorder.relax()
            error = recorder.do(work, "compile", count)
        if error is not None:
            self.reason = "raises an error"
        elif self.reason is None:
            try:
                self.replay = self._plan(work, result)
            except NoReplay as reason:
                self.reason, self.gradients = str(reason), reason.gradients
            except RecursionError:
                self.reason = "computes a number in too many steps"
        self._settle_places()
        if error is not None:
            raise error
        return settled(result, self.state.seen)

    def _forget_views(self) -> None:
        """Has views that were written through look again, so that what they show is no result of its own."""
        for t in self.table:
            if t is not None and t._view is not None and t._seen >= 0:
                node = t._node
                t._node, t._seen = Node(LEAF, (), (), node.shape, node.dtype), -1

    def _check_watched(self) -> None:
        """NoReplay if the call did more than record, or if the names that were followed are not all."""
        _refuse(self.watch.reasons)
        if ambient() != self.ambient:
            raise NoReplay("changes a mode or a default")
        then, now = self.state.watch, self.watch
        code = self.state.functions.union(*[nested(c) for c in now.codes if not c.co_freevars])
        for c in now.codes:
            if c.co_freevars and c not in code:
                raise NoReplay(f"runs {c.co_name}, whose variables can't be followed")
        own = then.own is None or (now.own is not None and now.own <= then.own)
        if not (now.codes.keys() <= then.codes.keys() and now.names <= then.names and own):
            self.learning = True
            raise NoReplay("does something that it did not do before")

    def _bind(self, work: Trace) -> None:
        """Finds out where the leaves of the program come from."""
        self.leaves: list[tuple[str, Any]] = []
        for leaf in work.leaves:
            number = self.tape.number_leaves.get(id(leaf))
            place = self.nodes.get(id(leaf)) or self.values.get(id(leaf.value))
            if number is not None:
                self.leaves.append(("number", number[1]))
            elif place is not None:
                self.leaves.append(place)
            elif id(leaf) in self.watch.leaves:
                self.leaves.append(("constant", leaf))
            else:
                raise NoReplay("reads a tensor that can't be followed")

    def _owned(self, work: Trace) -> list[bool]:
        """Which leaves a replay may overwrite, as far as that goes for this call, too: so one native form of
        the program serves both."""
        self.alive = []
        uses = Counter(id(x) for node in work.nodes for x in node.inputs)
        alone = [n == ALONE + uses[id(x)] for n, x in zip(references(work.leaves), work.leaves, strict=True)]
        return [
            own and kind == "storage" and k < len(self.fixed) and self._is_written(k)
            for own, (kind, k) in zip(alone, self.leaves, strict=True)
        ]

    def _is_written(self, k: int) -> bool:
        t = self.table[k]
        return t is not None and t._storage is not None and id(t._storage.node) != self.before[k][1]

    def _plan(self, work: Trace, result: Any) -> Replay:
        """Puts together what a replay has to check, to read, to run and to write."""
        maker = self._maker(work)
        plan = Plan(
            self.ambient, self.arguments, self.fixed, self.inputs, self.specs, self.state.slots, self.old,
            self.table, self.placed, self.boxes, self._expected(), self.leaves,
        )  # fmt: skip
        plan.take(work)
        self._storage_writes(plan, maker)
        self._box_writes(plan, maker)
        self._input_writes(plan, maker)
        plan.result = maker.value(result)
        formulas = [*maker.formulas, *self.tape.conditions]
        plan.late = {s.key: maker.node(s.key[1]._current()) for f in formulas for s in _late(f)}
        if len(maker.used) < len(work.outputs):
            raise NoReplay("keeps a tensor where it can't be followed")
        plan.formulas, plan.conditions = maker.formulas, self.tape.conditions
        return Replay(plan, maker.referred)

    def _maker(self, work: Trace) -> Maker:
        places: dict[int, int] = {}
        storages: dict[int, int] = {}
        versions: dict[int, int] = {}
        for k, t in enumerate(self.table):
            if t is not None:
                places.setdefault(id(t), k)
                if t._counter is not NEVER_WRITTEN:
                    versions.setdefault(id(t._counter), k)
                if t._storage is not None:
                    storages.setdefault(id(t._storage), k)
        fixed = {id(t) for t in self.fixed}
        outputs = {id(n): j for j, n in enumerate(work.outputs)}
        return Maker(fixed, places, outputs, self.watch.leaves, storages, versions, self.state.seen)

    def _expected(self) -> list[tuple[Any, ...]]:
        """What the boxes have to hold at a replay: what they held before; of tensors the storage that they
        have now."""
        return [
            (*old[:3], *box.read()[3:]) if box.names is PARTS else old
            for box, old in zip(self.boxes, self.snapshot, strict=True)
        ]

    def _storage_writes(self, plan: Plan, maker: Maker) -> None:
        """What was written to memory that was there."""
        seen: set[int] = set()
        for k, (t, before) in enumerate(zip(self.table, self.before, strict=True)):
            if t is None:
                continue
            storage, whole, standing, version, count = before
            now = t._storage
            if not all(map(is_, standing, _standing(t))):
                raise NoReplay("changes what a tensor is")
            if (storage is not None and now is not storage) or (
                version is not NEVER_WRITTEN and t._counter is not version
            ):
                raise NoReplay("makes a tensor look at other memory")
            if now is not None and id(now) not in seen and id(now.node) != whole:
                if now.spec.shape != now.node.shape or now.is_shared():
                    raise NoReplay("resizes or shares memory that was there")
                counter = None if now.node.version is None else maker.version(now.node.version)
                plan.storage_writes.append((k, maker.node(now.node), counter))
            added = t._counter.count - (count if t._counter is version else 0)
            if added and id(t._counter) not in seen:
                plan.counts.append((k, added))
            seen.update((id(now), id(t._counter)))

    def _box_writes(self, plan: Plan, maker: Maker) -> None:
        """What was put into boxes."""
        for box, before in zip(self.boxes, self.snapshot, strict=True):
            after = box.read()
            if box.names is PARTS:
                before, after = before[:3], after[:3]
            if len(after) != len(before):
                raise NoReplay(f"changes {box.path}, which a replay can't")
            if all(map(is_, before, after)):
                continue
            for old, new, key, path in zip(before, after, box.places(), box.paths(), strict=False):
                if old is not new:
                    if key is NO_KEY or box.names is PARTS:
                        raise NoReplay(f"changes {path}, which a replay can't")
                    plan.box_writes.append((box, key, self._value(maker, new, path)))

    def _input_writes(self, plan: Plan, maker: Maker) -> None:
        """What was put into slots, and gradients that have taken the place of others or None."""
        for (box, key), old in zip(self.state.slots, self.old, strict=True):
            new = box.value(key)
            if new is not old:
                plan.box_writes.append((box, key, self._value(maker, new, box.path)))
        for entry, old in zip(self.inputs, self.table[len(self.fixed) :], strict=True):
            if entry.kind == "grad":
                owner = self.table[entry.where]
                assert owner is not None
                if owner._grad is not old:
                    plan.grad_writes.append((entry.where, maker.value(owner._grad)))

    def _value(self, maker: Maker, new: Any, path: str) -> Any:
        template = maker.value(new)
        if type(template) is Container:
            raise NoReplay(f"changes {path}, which a replay can't")
        return template


def _standing(t: Tensor) -> tuple[Any, ...]:
    """What a replay can't change of a tensor that was there."""
    return t._edge, t._base, t._view, t._retains, *sorted(t.__dict__.keys() - INSIDE)


def _refuse(reasons: list[str]) -> None:
    if reasons:
        raise NoReplay(reasons[0])


def _late(formula: Any) -> Iterator[Source]:
    """The sources of a formula that are results of the call."""
    if isinstance(formula, Source) and formula.late:
        yield formula
    for part in formula.args if isinstance(formula, Formula) else ():
        yield from _late(part)
