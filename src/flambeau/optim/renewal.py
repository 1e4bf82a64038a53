"""What the rules of optimizers are written with: new values in place of old ones, step counts, decay."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from ..core.dtype import FLOAT, float32
from ..core.inplace import put
from ..core.modes import modes
from ..core.node import Node, leaf
from ..core.realize import recorder
from ..core.record import nbytes
from ..core.storage import Shared
from ..core.tensor import Tensor
from ..functions.calling import write
from ..functions.creation import tensor
from ..ops.kinds import Once, Pointwise, number_node
from ..ops.pointwise import add_scaled


def renew(ts: list[Tensor], op: Pointwise, *operands: Any) -> list[Tensor]:
    """Makes `op(t, *operands)` the content of each tensor `t`; returns them. An operand is a list with a
    tensor for each, or a number for all."""
    nodes = _together(op, ts, *operands)
    if nodes is None:
        for args in _rows(ts, *operands):
            write(op.name, args[0], op(*args))
        return ts
    recorder.pending += nodes
    recorder.hold(sum([nbytes(n.shape, n.dtype) for n in nodes]))
    for t, node in zip(ts, nodes, strict=True):
        put(t, node)
    return ts


def _together(op: Pointwise, ts: list[Tensor], *operands: Any) -> list[Node] | None:
    """The nodes of `op` for each row of operands, not yet recorded. None if they have to be recorded one by
    one: for views, for rows of several shapes or dtypes, for a history, for work to be done at once."""
    if modes.grad or recorder.tape is not None or len(recorder.pending) + len(ts) >= recorder.limit:
        return None
    if {t._view for t in ts} != {None}:
        return None
    d = ts[0]._node.dtype
    specs = [(t._node.shape, d) for t in ts]
    columns: list[Any] = []
    for x in (ts, *operands):
        if type(x) is not list:
            columns.append(repeat(number_node(op.name, x, d)))
            continue
        nodes = [t._node if t._storage is None else t._current() for t in x]
        if [(n.shape, n.dtype) for n in nodes] != specs or d.category != FLOAT:
            return None
        if recorder.shared and Shared in {type(n.op) for n in nodes}:
            return None
        columns.append(nodes)
    return [
        Node(op, row, (), shape, d)
        for (shape, _), row in zip(specs, zip(*columns, strict=False), strict=True)
    ]


def each(op: Pointwise, *operands: Any) -> list[Tensor]:
    """`op` of each row of operands, of which the first is a list of tensors."""
    return [op(*args) for args in _rows(*operands)]


def _rows(*operands: Any) -> Iterator[tuple[Any, ...]]:
    return zip(*[x if type(x) is list else repeat(Once(x)) for x in operands], strict=False)


def number(value: Any) -> Any:
    """An option or a count as a Python number, also where it is a tensor of one."""
    return value.item() if isinstance(value, Tensor) else value


def new_count() -> Tensor:
    """A step count of zero."""
    return tensor(0.0, dtype=float32)


def count_steps(states: list[dict[str, Any]]) -> list[float]:
    """Adds one to the step count of each state; returns the counts."""
    counts: list[float] = []
    known: dict[
        int, tuple[float, np.ndarray]
    ] = {}  # by the array of the old count, which many have in common
    for state in states:
        t = state["step"]
        if not isinstance(t, Tensor):
            t = state["step"] = tensor(float(t), dtype=float32)
        if (
            recorder.tape is not None
            or t._view is not None
            or (t._node.shape, t._node.dtype) != ((), float32)
        ):
            counts.append(t.item() + 1)  # read before the write: no pending work has to be done for it
            t.add_(1)
            continue
        old = t._current().value
        if id(old) not in known:
            count = t.item() + 1
            known[id(old)] = count, _count(count)
        count, new = known[id(old)]
        put(t, leaf(new, float32))
        counts.append(count)
    return counts


@lru_cache(maxsize=64)
def _count(count: float) -> np.ndarray:
    """A step count as an array, which many tensors have: whoever is to write into it has to copy it."""
    array = np.array(count, np.float32)
    array.flags.writeable = False
    return array


def by_count(states: list[dict[str, Any]]) -> list[tuple[float, list[int]]]:
    """Counts a step of each state; returns the counts, each with the places of the states that have it."""
    found: list[tuple[float, list[int]]] = []
    for i, count in enumerate(count_steps(states)):
        for known, places in found:
            if known == count:
                places.append(i)
                break
        else:
            found.append((count, [i]))
    return found


def with_decay(gs: list[Tensor], ps: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
    """The gradients of the loss plus weight_decay/2 · |p|²."""
    decay = number(group["weight_decay"])
    return each(add_scaled, gs, ps, decay) if decay else gs
