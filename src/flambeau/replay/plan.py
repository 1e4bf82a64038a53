"""What a recording has found out, on the way to a replay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..autograd.anomaly_mode import anomaly
from ..core.dtype import get_default_dtype
from ..core.modes import modes
from ..core.node import Node
from ..core.program import Trace
from ..core.tensor import Tensor
from ..nn import hooks
from ..optim import optimizer
from .arguments import Arguments
from .number import Formula
from .state import Box

_TABLES = (
    hooks._global_forward_pre_hooks, hooks._global_forward_hooks, hooks._global_backward_pre_hooks,
    hooks._global_backward_hooks, optimizer._pre_hooks, optimizer._post_hooks,
)  # fmt: skip


def ambient() -> tuple[Any, ...]:
    """What every operation may depend on."""
    hooked = None
    for table in _TABLES:
        if table:
            hooked = [id(hook) for table in _TABLES for hook in table.values()]
            break
    casting = modes.autocast, modes.casting
    return modes.grad, modes.inference, get_default_dtype(), casting, anomaly.enabled, hooked


def is_hooked(edge: Any) -> bool:
    """Whether hooks see the gradient that goes here."""
    hooks = getattr(edge, "hooks", None)
    return hooks is not None and any(getattr(hooks, name) for name in hooks.__slots__)


def has_history(t: Tensor) -> bool:
    """Whether gradients are recorded for a tensor or what it is a view of."""
    return t._edge is not None or (t._base is not None and t._base._edge is not None)


def layout(t: Tensor) -> tuple[Any, ...]:
    """What a call may depend on of a tensor that it is given, other than the numbers."""
    node, view = t._node, t._view
    if is_hooked(t._edge):
        return ("hooked",)
    return type(t), node.shape, node.dtype, has_history(t), None if view is None else view.strides


def place_in_memory(t: Tensor) -> tuple[Any, ...]:
    """Where in its memory a tensor looks."""
    storage, view = t._storage, t._view
    whole = t._node.shape if storage is None else storage.node.shape
    return whole, None if view is None else (view.offset, view.shape)


@dataclass(eq=False)
class Input:
    """A tensor that each call brings: an argument, what is in a slot, or the gradient of another tensor.

    `where` is the number of the argument or the slot, or the other tensor's place in the table.
    """

    kind: str
    where: int

    def find(self, given: list[Tensor], slots: list[tuple[Box, Any]], table: list[Any]) -> Any:
        """The tensor, or whatever is in its place."""
        if self.kind == "argument":
            return given[self.where]
        if self.kind == "slot":
            box, key = slots[self.where]
            return box.value(key)
        owner = table[self.where]
        return None if owner is None else owner._grad


@dataclass(eq=False)
class Plan:
    """What a replay checks, reads, runs and writes.

    `table` holds the tensors that were there: the fixed ones, then the inputs; numbers of tensors are places
    in it. Templates say how what is written is made.

    Attributes:
        specs, placed: the inputs' layouts, and by place where in memory they looked, before the call.
        slots, old_slots: the places whose values vary, and what was there.
        boxes, expected: the state, and what was there.
        leaves: where the program's leaves come from: ("number", formula), ("constant", node), and ("storage"
            or "tensor", place).
        storage_writes: (place, node, counter) of memory that gets a new value.
        counts: (place, n) of the counters that are n higher afterwards.
        late: nodes of the results of the call whose values numbers are made of, by the key of the source.
    """

    ambient: tuple[Any, ...]
    arguments: Arguments
    fixed: list[Tensor]
    inputs: list[Input]
    specs: list[Any]
    slots: list[tuple[Box, Any]]
    old_slots: list[Any]
    table: list[Any]
    placed: dict[int, Any]
    boxes: list[Box]
    expected: list[tuple[Any, ...]]
    leaves: list[tuple[str, Any]]
    storage_writes: list[tuple[int, Any, Any]] = field(default_factory=list)
    counts: list[tuple[int, int]] = field(default_factory=list)
    box_writes: list[tuple[Box, Any, Any]] = field(default_factory=list)
    grad_writes: list[tuple[int, Any]] = field(default_factory=list)
    result: Any = None
    late: dict[Any, Any] = field(default_factory=dict)
    formulas: list[Any] = field(default_factory=list)
    conditions: list[Formula] = field(default_factory=list)

    def take(self, work: Trace) -> None:
        """Takes over the program, without its values."""
        self.program = work.program
        self.leaf_dtypes = [n.dtype for n in work.leaves]
        self.results = [(n.shape, n.dtype) for n in work.outputs]
        self.stubs = [_stub(n) for n in work.nodes]


def _stub(node: Node) -> Node:
    """What an error needs to know of a node, without its value."""
    stub = Node(node.op, (), node.attrs, node.shape, node.dtype)
    site = getattr(node, "site", None)
    if site is not None:
        stub.site = site
    return stub
