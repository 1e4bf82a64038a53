"""What the rules of optimizers are written with: new values in place of old ones, step counts, decay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import repeat
from typing import Any

import numpy as np

from ..core.dtype import FLOAT, float32, float64, get_default_dtype
from ..core.inplace import put
from ..core.modes import modes
from ..core.node import Node, leaf
from ..core.realize import recorder
from ..core.record import nbytes
from ..core.storage import Shared
from ..core.tensor import Tensor, make
from ..functions.calling import write
from ..functions.creation import tensor
from ..ops.kinds import Once, Pointwise, number_node
from ..ops.pointwise import add_scaled, mul


def renew(ts: list[Tensor], op: Pointwise, *operands: Any) -> list[Tensor]:
    """Makes `op(t, *operands)` the content of each tensor `t`; returns them. An operand is a list with a
    tensor for each, or a number for all."""
    nodes = _together(op, ts, *operands)
    if nodes is None:
        for t, args in zip(ts, _rows(ts, *operands), strict=True):
            write(op.name, t, op(*args))
        return ts
    recorder.pending += nodes
    recorder.hold(sum([nbytes(n.shape, n.dtype) for n in nodes]))
    for t, node in zip(ts, nodes, strict=True):
        put(t, node)
    return ts


def _together(op: Pointwise, ts: list[Tensor], *operands: Any) -> list[Node] | None:
    """The nodes of `op` for each row of operands, not yet recorded. None if they have to be recorded one by
    one: for views, for rows of several shapes or dtypes, for a history, for work to be done at once."""
    if (
        modes.grad
        or recorder.ghosts
        or recorder.tape is not None
        or len(recorder.pending) + len(ts) >= recorder.limit
    ):
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


def each(op: Pointwise, ts: list[Tensor], *operands: Any) -> list[Tensor]:
    """`op(t, *operands)` for each tensor `t`, with operands as above. It is to give the tensors' dtype."""
    nodes = _together(op, ts, *operands)
    if nodes is None:
        return [op(*args) for args in _rows(ts, *operands)]
    recorder.pending += nodes
    recorder.hold(sum([nbytes(n.shape, n.dtype) for n in nodes]))
    return [make(node) for node in nodes]


def _rows(*operands: Any) -> Iterator[tuple[Any, ...]]:
    columns: list[Any] = []
    for x in operands:
        if type(x) is not list:
            columns.append(repeat(x if isinstance(x, Tensor) else Once(x)))
        else:  # what a gradient needs of a state is what it was before the next step
            columns.append([t.clone() for t in x] if modes.grad else x)
    return zip(*columns, strict=False)


def number(value: Any) -> Any:
    """An option or a count as a Python number, also where it is a tensor of one; that tensor itself if the
    update is to be differentiated by it."""
    if not isinstance(value, Tensor):
        return value
    return value.reshape(()) if modes.grad and value.requires_grad else value.item()


def new_count() -> Tensor:
    """A step count of zero."""
    return new_number(0.0)


def new_number(value: float) -> Tensor:
    """A number that is part of a state."""
    return tensor(value, dtype=float64 if get_default_dtype() is float64 else float32)


def count_steps(states: list[dict[str, Any]]) -> list[float]:
    """Adds one to the step count of each state; returns the counts."""
    return renew_numbers(states, "step", lambda count: count + 1)


def renew_numbers(states: list[dict[str, Any]], name: str, rule: Callable[[Any], Any]) -> list[Any]:
    """Makes `rule(x)` the content of each state's 0-d tensor `x` of that name; returns these numbers."""
    found: list[Any] = []
    known: dict[int, tuple[Any, np.ndarray]] = {}  # by the old number's array, which many have in common
    for state in states:
        t = state[name]
        if not isinstance(t, Tensor):
            t = state[name] = tensor(float(t), dtype=float32)
        if (
            recorder.tape is not None
            or t._view is not None
            or (t._node.shape, t._node.dtype) != ((), float32)
        ):
            found.append(rule(t.item()))  # read before the write: no pending work has to be done for it
            t.fill_(found[-1])
            continue
        old = t._current().value
        if id(old) not in known:
            value = rule(t.item())
            known[id(old)] = value, _array(value)
        value, new = known[id(old)]
        put(t, leaf(new, float32))
        found.append(value)
    return found


@lru_cache(maxsize=64)
def _array(value: float) -> np.ndarray:
    """A number as an array, which many tensors have: whoever is to write into it has to copy it."""
    array = np.array(value, np.float32)
    array.flags.writeable = False
    return array


def single(x: Any) -> Any:
    """A number rounded to float32's 24 bits, by arithmetic that a recording can follow (Veltkamp's split)."""
    big = x * (2.0**29 + 1)
    return big - (big - x)


def by_count(states: list[dict[str, Any]]) -> list[tuple[float, list[int]]]:
    """Counts a step of each state; returns the counts, each with the places of the states that have it."""
    return places_of(count_steps(states))


def places_of(values: list[Any]) -> list[tuple[Any, list[int]]]:
    """The different ones among the values, each with its places."""
    found: list[tuple[Any, list[int]]] = []
    for i, value in enumerate(values):
        for known, places in found:
            if known == value:
                places.append(i)
                break
        else:
            found.append((value, [i]))
    return found


def at(places: list[int], *columns: list[Any]) -> list[list[Any]]:
    """What stands at these places of each column."""
    return [[column[i] for i in places] for column in columns]


def with_decay(gs: list[Tensor], ps: list[Tensor], group: dict[str, Any]) -> list[Tensor]:
    """The gradients of the loss plus weight_decay/2 · |p|². Where decay is decoupled, `ps` shrink instead."""
    decay = number(group["weight_decay"])
    if not decay:
        return gs
    if group.get("decoupled_weight_decay"):
        renew(ps, mul, 1 - number(group["lr"]) * decay)
        return gs
    return each(add_scaled, gs, ps, decay)
