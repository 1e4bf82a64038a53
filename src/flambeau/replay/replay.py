"""A recorded call, ready to be done again: check, read, run, write back."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ..core.dtype import bfloat16
from ..core.node import LEAF, Node, PoisonedOp, scalar
from ..core.program import Trace
from ..core.realize import _Uninterrupted, recorder
from ..core.storage import Storage
from ..core.tensor import Tensor
from .arguments import Arguments, differing
from .guard import Text, conditions, input_checks
from .number import compiled
from .plan import Plan, ambient, layout, place_in_memory
from .state import NO_KEY, PARTS, hashed, may_vary
from .template import Made, Output
from .writing import ALONE, Writer

MISS = object()


class Replay:
    """A program with all that surrounds it, as a plan says."""

    def __init__(self, plan: Plan, referred: set[int]) -> None:
        self.stage: Any = None
        self.plan, self.program, self.varying = plan, plan.program, plan.arguments.varying
        self.spec, self.ambient = plan.arguments.spec, plan.ambient
        self.first = len(plan.fixed)
        used = referred | {k for kind, k in plan.leaves if kind in ("storage", "tensor")}
        self.used = used.union([k for k, _, _ in plan.storage_writes], [k for k, _ in plan.counts])
        self._prepare_sharing()
        self._prepare_numbers()
        self._prepare_memory()
        self.prepare = self._preparation()
        writer = Writer(plan, self.places, self.dropped)
        self.outputs, self.write, self.result = writer.outputs(), writer.writes(), writer.result()
        self.read = self._reading()
        self.slot_types = [type(x) for x in plan.old_slots]
        plan.table, plan.old_slots, plan.arguments.tensors = [], [], []  # the arguments of the recorded call

    # ----- making ready -----

    def _prepare_sharing(self) -> None:
        """How the inputs share memory, and where they have to look in it."""
        plan = self.plan
        self.known: dict[int, int] = {}
        for k, t in enumerate(plan.fixed):
            self.known.setdefault(id(t), k)
            if t._storage is not None:
                self.known.setdefault(id(t._storage), k)
        places = range(self.first, len(plan.table))
        self.sharers = [k for k in places if self._is_read(k)]
        self.sharing = self._shared([plan.table[k] for k in self.sharers])
        written = {k for k, _, _ in plan.storage_writes}
        alone = {k for i, k in enumerate(self.sharers) if self.sharing[i] == -1 - i}
        self.placed = [
            (k, p) for k, p in plan.placed.items() if k in self.used and (k in written or k not in alone)
        ]

    def _is_read(self, k: int) -> bool:
        """Whether it matters which tensor an input is: a gradient may just be replaced."""
        return k in self.used or self.plan.inputs[k - self.first].kind != "grad"

    def _shared(self, inputs: list[Any]) -> list[int]:
        """For each input, with which other tensor it shares memory."""
        seen: dict[int, int] = {}
        found = []
        for i, t in enumerate(inputs):
            key = id(t) if t is None or t._storage is None else id(t._storage)
            place = self.known.get(key)
            found.append(seen.setdefault(key, -1 - i) if place is None else place)
        return found

    def _prepare_numbers(self) -> None:
        """Compiles the formulas: those of conditions and operands, and those of what is written and
        returned."""
        plan = self.plan
        operands = [where for kind, where in plan.leaves if kind == "number"]
        sources: dict[Any, int] = {}
        self.check = compiled([*plan.conditions, *operands], sources)
        self.numbers = compiled(plan.formulas, sources)
        self.conditions = len(plan.conditions)
        self.sources = [
            ("late", plan.late[key].index, key[1].dtype) if key[0] == "late" else (*key, None)[:3]
            for key in sources
        ]
        self.late = [i for i, (kind, _, _) in enumerate(self.sources) if kind == "late"]
        self.number_leaves = [
            (i, plan.leaf_dtypes[i]) for i, (kind, _) in enumerate(plan.leaves) if kind == "number"
        ]
        self.operands = {i: Node(LEAF, (), (), (), d) for i, d in self.number_leaves}
        plan.formulas, plan.conditions, plan.late = [], [], {}
        plan.leaves = [(kind, None if kind == "number" else where) for kind, where in plan.leaves]

    def _prepare_memory(self) -> None:
        """Which leaves are overwritten by the call, so that their memory and nodes may be used again."""
        plan = self.plan
        written = {id(plan.table[k]._storage): node for k, node, _ in plan.storage_writes if k < self.first}
        over = {
            i: written.get(id(plan.table[k]._storage))
            for i, (kind, k) in enumerate(plan.leaves)
            if kind == "storage" and k < self.first
        }
        over = {i: node for i, node in over.items() if node is not None}
        self.not_owned = [False] * len(plan.leaves)
        self.owned = [i in over for i in range(len(plan.leaves))]
        self.places = {node.index: i for i, node in over.items() if type(node) is Output}
        self.over = list(over)
        read = {k for kind, k in plan.leaves if kind in ("storage", "tensor")}
        entries = {entry.where: self.first + i for i, entry in enumerate(plan.inputs) if entry.kind == "grad"}
        self.dropped = [k for k, _ in plan.grad_writes if entries.get(k) not in read]

    def _preparation(self) -> Any:
        """The function that checks everything and gathers the leaves."""
        plan, text = self.plan, Text()
        text.scope.update(layout=layout, place=place_in_memory, recorder=recorder, seen=any_shared, id=id)
        names = [text.name(t) for t in plan.fixed]
        lines = [f"if not ({conditions(text, plan.boxes, plan.expected)}): return None"]
        for i, entry in enumerate(plan.inputs):
            names.append(f"i{i}")
            if entry.kind == "argument":
                source = f"given[{entry.where}]"
            elif entry.kind == "slot":
                box, key = plan.slots[entry.where]
                source = f"{text.name(box)}.value({text.name(key)})"
            else:
                source = f"{names[entry.where]}._grad"
            lines.append(f"{names[-1]} = {source}")
            if self._is_read(self.first + i):
                check = input_checks(text, names[-1], plan.specs[i])
            else:
                check = f"{names[-1]} is {'' if plan.specs[i] is None else 'not '}None"
            lines.append(f"if not ({check}): return None")
        lines += self._sharing_lines(text, names)
        lines += self._leaf_lines(text, names)
        inputs = "".join(f"{names[k] if self._is_read(k) else None}, " for k in range(self.first, len(names)))
        lines.append(f"return ({inputs}), [{', '.join(f'n{i}' for i in range(len(plan.leaves)))}]")
        return text.function("given", "".join(f" {line}\n" for line in lines))

    def _sharing_lines(self, text: Text, names: list[str]) -> list[str]:
        """Checks of how inputs share memory, the commonest case first: not at all."""
        if not self.sharers:
            return []
        text.scope["shared"], text.scope["known"] = self._shared, self.known
        inputs = [names[k] for k in self.sharers]
        simple = [f"{x}._storage is None and id({x}) not in known" for x in inputs]
        simple += [f"{x} is not {y}" for i, x in enumerate(inputs) for y in inputs[:i]]
        general = f"shared([{', '.join(inputs)}]) == {self.sharing!r}"
        alone = self.sharing == [-1 - i for i in range(len(inputs))] and len(inputs) < 6
        known = all(self.plan.specs[k - self.first] is not None for k in self.sharers)
        whole = f"({' and '.join(simple)}) or {general}" if alone and known else general
        lines = [f"if not ({whole}): return None"]
        return lines + [f"if place({names[k]}) != {text.name(p)}: return None" for k, p in self.placed]

    def _leaf_lines(self, text: Text, names: list[str]) -> list[str]:
        """Gathers the nodes of the leaves; those of numbers come later."""
        lines, valued, storages = [], [], []
        for i, (kind, where) in enumerate(self.plan.leaves):
            if kind in ("constant", "number"):
                source = text.name(where)
            else:
                valued.append(f"n{i}.value is None")
                fixed = self.plan.fixed[where]._storage if where < self.first else None
                x = names[where]
                if kind == "tensor":
                    source = f"{x}._current()"
                elif fixed is not None:
                    storages.append(fixed)
                    source = f"{text.name(fixed)}.node"
                else:
                    source = f"{x}._node if {x}._storage is None else {x}._storage.node"
            lines.append(f"n{i} = {source}")
        if valued:
            lines.append(f"if {' or '.join(valued)}: return None")
        inputs = "".join(f"{names[k]}, " for k in self.sharers)
        lines.append(f"if recorder.shared and seen({text.name(storages)}, ({inputs})): return None")
        return lines

    # ----- what has changed -----

    def changed(self, a: Arguments) -> set[Any]:
        """The places in which numbers or tensors are others than when the call was recorded."""
        places = differing(self.spec, a.spec)
        for box, values in zip(self.plan.boxes, self.plan.expected, strict=True):
            now, keys = box.read(), box.places()
            if len(now) == len(values) == len(keys) and box.names is not PARTS:
                for key, old, new in zip(keys, values, now, strict=True):
                    if old is not new and type(old) is type(new) and key is not NO_KEY and may_vary(new):
                        places.add((id(box.target), hashed(key)))
        return places

    # ----- running -----

    def __call__(self, a: Arguments) -> Any:
        """Does the call again; `MISS` if it would not be the same call."""
        if a.spec != self.spec or ambient() != self.ambient:
            return MISS
        with recorder.lock:
            if recorder.pending:
                recorder.flush("compile")
            try:
                found = self.prepare(a.tensors)
            except (KeyError, IndexError, AttributeError, ValueError):
                return MISS  # something is gone
            if found is None:
                return MISS
            table, leaves = [*self.plan.fixed, *found[0]], found[1]
            del found
            sources = self._operands(a, table, leaves) if self.sources or self.slot_types else []
            if sources is None:
                return MISS
            with _Uninterrupted():
                return self._run(table, leaves, sources)

    def _reading(self) -> Any:
        """The function that reads the sources of numbers."""
        plan, text = self.plan, Text()
        sources = []
        for kind, where, d in self.sources:
            if kind == "argument":
                source = f"numbers[{where}]"
            elif kind == "slot":
                box, key = plan.slots[where]
                source = f"{text.name(box)}.value({text.name(key)})"
            elif kind == "item":
                k = where[1]
                t = text.name(plan.fixed[k]) if k < self.first else f"table[{k}]"
                whole = f"{t}._node if {t}._storage is None else {t}._storage.node"
                source = f"({whole if where[0] == 'storage' else f'{t}._current()'}).value.item()"
                source = f"float({source})" if d is bfloat16 else source
            else:
                source = "None"
            sources.append(source)
        return text.function("numbers, table", f" return [{', '.join(sources)}]\n")

    def _operands(self, a: Arguments, table: list[Any], leaves: list[Any]) -> list[Any] | None:
        """Reads the sources, and computes the operands that are numbers; None if a condition doesn't hold."""
        for (box, key), kind in zip(self.plan.slots, self.slot_types, strict=True):
            if type(box.value(key)) is not kind:
                return None
        try:
            sources: list[Any] = self.read(a.numbers, table)
            values = self.check(sources)
        except (ArithmeticError, AttributeError):  # also a value that failed
            return None
        if not all(values[: self.conditions]):
            return None
        for (i, d), value in zip(self.number_leaves, values[self.conditions :], strict=True):
            node = leaves[i] = self.operands[i]
            small = type(value) is float and -128 <= value <= 127
            node.value = np.array(value, d.np) if small else scalar(value, d).value
        return sources

    def _run(self, table: list[Any], leaves: list[Any], sources: list[Any]) -> Any:
        """Runs the program and puts the results where the call would have put them."""
        owned = self.owned
        for i in self.over:
            if sys.getrefcount(leaves[i]) != ALONE:
                owned = self.not_owned
        results = self.outputs(leaves, table)
        made = Made(table, results)
        self.program.runs += 1
        failed = recorder.execute(Trace(self.program, leaves, owned, self.plan.stubs, results))
        if failed:
            for node, slot in zip(results, self.program.outputs, strict=True):
                if slot in failed:
                    node.op, node.value = PoisonedOp(failed[slot]), None
            self.write(results, table, made)
            raise next(iter(failed.values()))
        self.write(results, table, made)
        if self.sources:
            for i in self.late:
                _, where, d = self.sources[i]
                value = results[where].value.item()
                sources[i] = float(value) if d is bfloat16 else value
            made.numbers = self.numbers(sources)
        return self.result(results, table, made)


def any_shared(storages: list[Storage], inputs: tuple[Any, ...]) -> bool:
    """Whether others see some of the memory."""
    given = [t._storage for t in inputs if isinstance(t, Tensor) and t._storage is not None]
    return any(s.is_shared() for s in (*storages, *given))
