"""Backward passes that repeat: the operations that one recorded, ready to be recorded again.

Which operations a backward pass records depends on the structure of the graph alone: operations, attributes,
shapes and dtypes, and who feeds whom. So the second pass over the same structure needs no formulas: their
operations are recorded again on what the gradient functions saved this time. Passes that could differ (hooks,
functions of the user's own, a graph of the pass itself) take the ordinary way, and so does whatever is wrong
with this one: the ordinary pass finds the words for it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..core.dtype import get_default_dtype
from ..core.gradient import Accumulate, GradNode, Port
from ..core.node import LEAF, Node, numel, several
from ..core.program import picker
from ..core.realize import recorder, user_line
from ..core.storage import Shared
from ..core.tensor import Tensor, make

_MOST = 256  # templates that are kept


class Survey(NamedTuple):
    """What a pass goes through: gradient functions, leaves, and the structure of both."""

    functions: list[GradNode]
    leaves: list[Accumulate]
    key: tuple[Any, ...]


class Template(NamedTuple):
    """The operations of a pass: operation, function that picks its inputs from the slots, attributes, shape,
    dtype. Slots number the values: the pass's inputs (see `_inputs`), then `constants`, then the results.
    `gradients` says which slot each leaf gets (None: nothing)."""

    constants: list[Node]
    steps: list[tuple[Any, Callable[[Sequence[Node]], tuple[Node, ...]], tuple[Any, ...], Any, Any]]
    gradients: list[int | None]
    nbytes: int
    checks: bool  # some operation can fail on values, and so remembers the user's line


_templates: OrderedDict[Any, Template | None] = OrderedDict()


def survey(ends: list[Any]) -> Survey | None:
    """What a pass from `ends` goes through; None if only the ordinary way will do."""
    numbers: dict[Any, int] = {}
    found: list[Any] = []
    key: list[Any] = [get_default_dtype()]

    def number(fn: Any) -> int:
        n = numbers.get(fn)
        if n is None:
            n = numbers[fn] = len(found)
            found.append(fn)
        return n

    for fn, index, g in ends:
        key += (number(fn), index, g._node.spec())
    functions: list[GradNode] = []
    leaves: list[Accumulate] = []
    for fn in found:  # grows as it is gone through
        if type(fn) is Accumulate:
            if fn.hooks is not None:
                return None
            leaves.append(fn)
            key.append(None)
            continue
        if type(fn) is not GradNode or fn.hooks is not None or fn.released or _overwritten(fn):
            return None
        key += (fn.op, fn.attrs, fn.specs)  # with the edges they tell what has been saved, too
        for e in fn.edges:
            n: Any = numbers.get(e)
            if n is None and e is not None:
                if type(e) is Port:
                    n = number(e.fn), e.index
                else:
                    n = numbers[e] = len(found)
                    found.append(e)
            key.append(n)
        functions.append(fn)
    return Survey(functions, leaves, tuple(key))


def _overwritten(fn: GradNode) -> bool:
    """Whether something that the function saved is not what it was."""
    versions = fn.versions
    for i, x in enumerate(fn.saved):
        if x is not None and x.version is not None:
            version = versions[i] if versions else 0
            if version is not None and x.version.count != version:
                return True
    out = fn.out
    if out is None:
        return False
    for x in [out] if type(out) is Node else out.nodes:
        if x.version is not None and x.version.count != fn.out_version:
            return True
    return False


def _inputs(ends: list[Any], functions: list[GradNode]) -> list[Node]:
    """The nodes that a pass starts from: the first gradients, and what each function saved."""
    nodes = [g._current() for _, _, g in ends]
    for fn in functions:
        nodes += [x for x in fn.saved if x is not None]
        if fn.out is not None:
            nodes += [fn.out] if type(fn.out) is Node else fn.out.nodes
    return nodes


def lookup(found: Survey) -> Template | bool | None:
    """The template for a structure; None where there can't be one, False if it isn't known yet."""
    template = _templates.get(found.key, False)
    if template:
        _templates.move_to_end(found.key)
    return template


def replay(template: Template, ends: list[Any], found: Survey) -> list[Tensor | None] | None:
    """Records a template's operations; returns each leaf's gradient. None if the work has to be done bit by
    bit, so that it takes the ordinary way."""
    if len(recorder.pending) + len(template.steps) >= recorder.limit:
        return None
    slots = _inputs(ends, found.functions)
    if recorder.shared and Shared in {type(x.op) for x in slots}:
        return None
    slots += template.constants
    for op, pick, attrs, shape, dtype in template.steps:
        slots.append(Node(op, pick(slots), attrs, shape, dtype))
    made = slots[len(slots) - len(template.steps) :]
    if template.checks:
        line = user_line()
        for node in made:
            if node.op.checks and not hasattr(node, "site"):  # a profiler notes it for all
                node.site = line
    recorder.pending += made
    recorder.hold(template.nbytes)
    tensors: dict[int | None, Tensor | None] = {None: None}
    first = len(slots) - len(made)
    for slot in template.gradients:
        if slot is not None and slot not in tensors:
            g = tensors[slot] = make(slots[slot])
            if slot < first:
                g._given = True
    return [tensors[slot] for slot in template.gradients]


class Capture:
    """Watches an ordinary pass to make a template of it."""

    def __init__(self, ends: list[Any], found: Survey) -> None:
        self.found, self.start = found, len(recorder.pending)
        self.inputs = _inputs(ends, found.functions)
        self.flushes = recorder.flushes
        self.gradients: dict[Accumulate, Tensor | None] = {}

    def finish(self) -> None:
        """Keeps the template (None if the pass had to look at values, or read what isn't known here)."""
        template = self._template() if recorder.flushes == self.flushes else None
        _templates[self.found.key] = template
        if len(_templates) > _MOST:
            _templates.popitem(last=False)

    def _template(self) -> Template | None:
        slot = {id(x): i for i, x in reversed(list(enumerate(self.inputs)))}
        constants: list[Node] = []
        nodes = recorder.pending[self.start :]
        for node in nodes:
            for x in node.inputs:
                if id(x) not in slot and x.op is LEAF and x.shape == ():
                    slot[id(x)] = len(self.inputs) + len(constants)
                    constants.append(x)
            slot[id(node)] = -1  # known, numbered below
        first = len(self.inputs) + len(constants)
        for i, node in enumerate(nodes):
            slot[id(node)] = first + i
        steps, nbytes, checks = [], 0, False
        for node in nodes:
            if node.op.effect or any(id(x) not in slot for x in node.inputs):
                return None
            pick = picker(*[slot[id(x)] for x in node.inputs])
            steps.append((node.op, pick, node.attrs, node.shape, node.dtype))
            if not several(node):
                nbytes += numel(node.shape) * node.dtype.itemsize
            checks |= node.op.checks
        gradients: list[int | None] = []
        for leaf in self.found.leaves:
            g = self.gradients.get(leaf)
            if g is None:
                gradients.append(None)
                continue
            # A formula may have looked at parts of it: then it has a storage, which nobody writes to.
            node = g._node if g._storage is None or g._view is not None else g._storage.node
            if id(node) not in slot:
                return None
            gradients.append(slot[id(node)])
        return Template(constants, steps, gradients, nbytes, checks)
