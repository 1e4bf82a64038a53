"""What a replay makes and writes back, as Python functions: the commonest cases spelt out, others by
template."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from ..core.node import LEAF, Node
from ..core.storage import Storage
from ..core.tensor import Tensor
from .guard import Text
from .plan import Plan
from .template import Computed, Constant, Container, Fresh, Known, Made, Output, VersionOf, build, once


def _alone() -> int:
    storage = Storage(Node(LEAF, (), (), (), None))  # type: ignore[arg-type]
    leaves = [storage.node]
    return sys.getrefcount(leaves[0])


def _alone_as_attribute() -> tuple[int, int]:
    """References to a tensor that one attribute and a variable hold, and to its node."""
    owner, t = object.__new__(Tensor), object.__new__(Tensor)
    owner._grad = t
    t._node = Node(LEAF, (), (), (), None)  # type: ignore[arg-type]
    return sys.getrefcount(t), sys.getrefcount(t._node)


ALONE = _alone()  # references to a node that a storage and the list of the leaves hold
GRAD, GRAD_NODE = _alone_as_attribute()


class Writer:
    """Writes the text of what one replay makes and writes.

    `owned` says which result takes the place of which leaf, `dropped` which gradients (by their tensors'
    places) nobody reads before they are replaced.
    """

    def __init__(self, plan: Plan, owned: dict[int, int], dropped: list[int]) -> None:
        self.plan, self.owned, self.text = plan, owned, Text()
        self.text.scope.update(
            new=object.__new__,
            Tensor=Tensor,
            build=build,
            once=once,
            Node=Node,
            LEAF=LEAF,
            refs=sys.getrefcount,
        )
        self.lines: list[str] = []
        self.names = 0
        values = [plan.result, *[x for _, x in plan.grad_writes], *[x for _, _, x in plan.box_writes]]
        self.times = Counter(id(x) for value in values for x in _parts(value))
        self.dropped = dropped
        self.again = {
            grad.node.index: k
            for k, grad in plan.grad_writes
            if k in dropped and k < len(plan.fixed) and self._is_simple(grad)
        }

    def _is_simple(self, grad: Any) -> bool:
        """Whether a gradient is a plain tensor that is nothing else."""
        plain = type(grad) is Fresh and grad.is_plain() and grad.edge is None and grad.given
        return plain and grad.kind is Tensor and type(grad.node) is Output and self.times[id(grad)] == 1

    def tensor(self, k: int) -> str:
        """How a tensor of the table is called."""
        first = len(self.plan.fixed)
        return self.text.name(self.plan.fixed[k]) if k < first else f"table[{k}]"

    def _function(self, head: str) -> Callable[..., Any]:
        lines, self.lines = self.lines, []
        return self.text.function(head, "".join(f" {line}\n" for line in lines))

    def outputs(self) -> Callable[[list[Node], list[Any]], list[Node]]:
        """A function `(leaves, table)` that gives the nodes of the results.

        A node that nobody else holds serves again: that of the memory which is overwritten, that of the
        gradient which is replaced.
        """
        nodes = []
        for k in self.dropped:
            if k not in self.again.values():
                self.lines.append(f"{self.tensor(k)}._grad = None")
        for j, (shape, d) in enumerate(self.plan.results):
            fresh = f"Node(LEAF, (), (), {self.text.name(shape)}, {self.text.name(d)})"
            if j in self.again:
                owner, nothing_else = self.tensor(self.again[j]), "len(g.__dict__) == 2 and g._given"
                self.lines += [
                    f"g = {owner}._grad",
                    f"alone = g is not None and refs(g) == {GRAD} and refs(g._node) == {GRAD_NODE}",
                    f"if alone and {nothing_else}:",
                    f" n{j} = g._node",
                    f" n{j}.value = None",
                    "else:",
                    f" {owner}._grad = None",
                    f" n{j} = {fresh}",
                ]
            elif j in self.owned:
                leaf = f"leaves[{self.owned[j]}]"
                self.lines.append(f"n{j} = {leaf} if refs({leaf}) == {ALONE} else {fresh}")
            else:
                self.lines.append(f"n{j} = {fresh}")
            nodes.append(f"n{j}")
        self.lines.append(f"return [{', '.join(nodes)}]")
        return self._function("leaves, table")

    def writes(self) -> Callable[[list[Node], list[Any], Made], None]:
        """A function `(outputs, table, made)` that writes to memory and to gradients."""
        plan, text = self.plan, self.text
        for k, node, version in plan.storage_writes:
            fixed = plan.fixed[k] if k < len(plan.fixed) else None
            storage = f"{self.tensor(k)}._own_storage()"
            if fixed is not None and fixed._storage is not None:
                storage = text.name(fixed._storage)
            self.lines.append(f"s = {storage}; n = {self.node(node)}")
            if type(version) is VersionOf:
                self.lines.append(f"n.version = {self.tensor(version.place)}._counter")
            elif version is not None:
                self.lines.append(f"n.version = once({text.name(version)}, made)")
            self.lines.append("s.node = n; s.generation += 1")
        for k, added in plan.counts:
            if k >= len(plan.fixed):
                self.lines.append(f"{self.tensor(k)}._own_storage()")
            self.lines.append(f"{self.tensor(k)}._counter.count += {added}")
        for k, grad in plan.grad_writes:
            owner = self.tensor(k)
            if k in self.again.values():
                self.lines += [
                    f"if {owner}._grad is None:",
                    f" {owner}._grad = t = new(Tensor)",
                    f" t._node = outputs[{grad.node.index}]; t._given = True",
                ]
            else:
                self.lines.append(f"{owner}._grad = {self.value(grad)}")
        self.lines.append("return None")
        return self._function("outputs, table, made")

    def result(self) -> Callable[[list[Node], list[Any], Made], Any]:
        """A function `(outputs, table, made)` that fills places and gives what the call gives."""
        for box, key, value in self.plan.box_writes:
            x = self.value(value)
            self.lines.append(f"{self.text.name(box)}.write({self.text.name(key)}, {x})")
        self.lines.append(f"return {self.value(self.plan.result)}")
        return self._function("outputs, table, made")

    def node(self, node: Any) -> str:
        """An expression for a node."""
        return f"outputs[{node.index}]" if type(node) is Output else f"{self.text.name(node)}.make(made)"

    def value(self, template: Any) -> str:
        """An expression for whatever a template makes."""
        if type(template) is Constant:
            return self.text.name(template.value)
        if type(template) is Known:
            return self.tensor(template.place)
        if type(template) is Computed:
            return f"made.numbers[{template.index}]"
        if type(template) is Fresh and template.is_plain() and self.times[id(template)] == 1:
            self.names += 1
            t = f"t{self.names}"
            self.lines.append(f"{t} = new({self.text.name(template.kind)})")
            self.lines.append(f"{t}._node = {self.node(template.node)}")
            if template.edge is not None:
                self.lines.append(f"{t}._edge = {self.text.name(template.edge)}")
            if template.given:
                self.lines.append(f"{t}._given = True")
            return t
        return f"build({self.text.name(template)}, made)"


def _parts(template: Any) -> Iterator[Any]:
    """The template and all that it is made of, as often as it is."""
    yield template
    for part in template.parts if type(template) is Container else ():
        yield from _parts(part)
    if type(template) is Fresh and template.base is not None:
        yield from _parts(template.base)
