"""What would be done if somebody looked at a tensor now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..compiler import graph as graphs
from ..compiler import passes
from ..compiler.describe import Part, describe
from ..compiler.plan_text import fusion_lines, graph_lines, indented, memory_lines, spec_text
from ..compiler.schedule import Scheduler
from ..compiler.tiers import compilable
from ..core.node import Node
from ..core.program import Program, ProgramCache, Trace, programs, trace
from ..core.realize import recorder
from ..core.tensor import Tensor
from ..ops.op import check_tensor
from ..runtime.threads import usable


class Explanation:
    """What is pending for a tensor, as `explain` found it. Its `repr` is its `text`.

    Attributes:
        text: all of it, to read.
        pending: how many operations the tensor waits for; 0 if its value is there.
        kernels: what each kernel of the planned program does, such as `"gelu·mul 2048x1024"`.
        flops: the floating-point operations that the program needs.
        nbytes: the bytes that it reads and writes.
        arena: the bytes of memory for intermediate results.
    """

    def __init__(self, text: str, pending: int = 0, parts: list[Part] | None = None, arena: int = 0) -> None:
        parts = parts or []
        self.text, self.pending, self.arena = text, pending, arena
        self.kernels = [part.label for part in parts]
        self.flops, self.nbytes = sum(p.flops for p in parts), sum(p.nbytes for p in parts)

    def __repr__(self) -> str:
        return self.text


def explain(tensor: Tensor) -> Explanation:
    """Shows what is pending for a tensor, and how the compiler would do it: the recorded graph, the graph
    after the compiler's passes, the kernels with what is fused into each, and the memory plan. Nothing is
    computed.

    Other pending work, which this tensor doesn't need, is left out; what that work reads is kept, and counts
    as a result here.

    Args:
        tensor: of any shape and dtype.

    Raises:
        TypeError: it is no tensor.

    Example:
        >>> import flambeau as torch
        >>> x = torch.ones(64, 32)
        >>> y = torch.relu(x * 2 + 1).sum(1)
        >>> plan = torch.explain(y)
        >>> plan.kernels
        ['mul·add·relu·sum 64x32 -> 64']
        >>> plan.pending, plan.flops
        (5, 8192)
        >>> torch.explain(torch.tensor([1., 2.]))
        a value: float32 2, nothing is pending for it
    """
    check_tensor("explain", "tensor", tensor)
    node = tensor._current()
    if node.value is not None:
        return Explanation(f"a value: {spec_text(node.shape, node.dtype)}, nothing is pending for it")
    look = _Look()
    work, others = _part_for(node, look)
    if not work.nodes:
        return Explanation(
            "an operation that this tensor depends on has failed; looking at it raises the error"
        )
    return _explanation(work, others, look.known)


class _Look(ProgramCache):
    """Finds out whether a program is known, without counting it as used."""

    known: Program | None = None

    def lookup(self, key: tuple[Any, ...], build: Callable[[], Program]) -> Program:
        """A new program; `known` is the one that there is already."""
        self.known = programs.programs.get(key)
        return build()


def _part_for(node: Node, look: _Look) -> tuple[Trace, int]:
    """The program of the pending operations that a node needs, and how many others are pending. The pending
    list is afterwards what it was."""
    with recorder.lock:
        pending = recorder.pending
        wanted = _ancestors(node)
        order = {id(n): place for place, n in enumerate(pending)}
        part = [n for n in pending if id(n) in wanted]
        pending[:] = [n for n in pending if id(n) not in wanted]
        others = len(pending)
        try:  # who refers to a node decides what is kept, so only one list may
            return trace(part, look), others
        finally:  # what failed is not in `part` any more
            pending[:others] = sorted([*part, *pending[:others]], key=lambda n: order[id(n)])


def _ancestors(node: Node) -> set[int]:
    """The ids of all pending nodes that a node depends on, itself included."""
    found: set[int] = set()
    stack = [node]
    while stack:
        n = stack.pop()
        if n.value is None and id(n) not in found:
            found.add(id(n))
            stack.extend(n.inputs)
    return found


def _explanation(work: Trace, others: int, known: Program | None) -> Explanation:
    program = work.program
    runs = 0 if known is None else known.runs
    lines = [
        f"{len(work.nodes)} operations are pending for this tensor, {others} more that it doesn't need",
        f"the program is {f'known, run {runs} times, the last time: {known.how}' if known else 'new'}",
    ]
    before = graphs.from_trace(work)
    blocks = ["\n".join(lines), indented("graph as recorded", graph_lines(before))]
    if not compilable(work):
        blocks.append(
            "the compiler leaves it to NumPy: values that are kept are several results of one operation"
        )
        return Explanation("\n".join(blocks), len(work.nodes))
    graph = passes.run(before)
    owned = frozenset(i for i, own in enumerate(work.owned) if own)
    schedule = Scheduler(graph, owned, usable()).schedule()
    parts = describe(schedule, program)
    blocks += [
        indented("graph after passes", graph_lines(graph)),
        indented("kernels, and the values that each computes", fusion_lines(schedule, parts)),
        indented("memory", memory_lines(schedule)),
    ]
    return Explanation("\n".join(blocks), len(work.nodes), parts, schedule.arena)
