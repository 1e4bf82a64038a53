"""The interpreter: a program run node by node with NumPy. It is the definition of what every program
means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.memory import owns
from ..core.program import fail
from ..core.quiet import quiet
from ..core.watch import span, watchers

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.node import Node
    from ..core.program import Step, Trace


def run(work: Trace) -> dict[int, Exception]:
    """Computes the outputs' values; returns the exceptions of failed steps by slot (their dependents fail
    with them)."""
    if watchers:
        with span("interpret", work):
            return _run(work, _watched)
    return _run(work, _compute)


@quiet
def _run(work: Trace, compute: Callable[[Step, list[Any]], Any]) -> dict[int, Exception]:
    program = work.program
    values: list[Any] = [node.value for node in work.leaves] + [None] * len(work.nodes)
    for node, owned in zip(work.leaves, work.owned, strict=True):
        if owned:
            node.value = None  # from here on only `values` holds the array: a last reader may write into it
    failed: dict[int, Exception] = {}
    for step in program.steps:
        spoilt = next((failed[i] for i in step.inputs if i in failed), None) if failed else None
        if spoilt is not None:
            failed[step.out] = spoilt
        else:
            try:
                values[step.out] = compute(step, values)
            except Exception as e:
                failed[step.out] = located(e, work.nodes[step.out - len(work.leaves)])
        for slot in step.free:
            values[slot] = None
    seen = []  # values that lie in another array
    for node, slot in zip(work.outputs, program.outputs, strict=True):
        value = node.value = values[slot]
        if type(value) is np.ndarray and not owns(value):
            seen.append(node)
    if seen:
        separate(seen, work)
    return failed


def separate(seen: list[Node], work: Trace) -> None:
    """Gives values memory of their own, unless nobody else has it or all others look at the same storage."""
    sharers: dict[int, list[Node]] = {}
    for node in (*work.leaves, *work.outputs):
        sharers.setdefault(id(_root(node.value)), []).append(node)
    for node in seen:
        others = [n for n in sharers[id(_root(node.value))] if n is not node]
        if any(n.version is None or n.version is not node.version for n in others):
            node.value = node.value.copy()


def _root(value: Any) -> Any:
    """The array in whose memory a value lies."""
    while type(value) is np.ndarray and type(value.base) is np.ndarray:
        value = value.base
    return value


def _watched(step: Step, values: list[Any]) -> Any:
    with span("numpy", step):
        return _compute(step, values)


@quiet
def evaluate(nodes: list[Node]) -> Exception | None:
    """Computes a few small nodes in order, each into memory of its own; returns the first error."""
    first = None
    for node in nodes:
        inputs = node.inputs
        failed = [x.op.error for x in inputs if x.value is None] if first else None
        if failed:
            fail(node, failed[0])
            continue
        try:
            node.value = _value(node.op, [x.value for x in inputs], node.attrs, node.dtype)
            node.inputs = ()
        except Exception as e:
            error = located(e, node)
            fail(node, error)
            first = first or error
    return first


def _value(op: Any, args: list[Any], attrs: tuple[Any, ...], dtype: Any) -> Any:
    """An operation's value, in memory of its own."""
    if op.widens:
        args = [_wide(a) for a in args]
    if op.writes:
        args[0] = args[0].copy()
    value = op.numpy(*args, *attrs)
    if type(dtype) is tuple:
        return _several(value)
    if type(value) is not np.ndarray or value.dtype != dtype.np:
        value = np.asarray(value).astype(dtype.np, copy=False)
    return value if value.flags.owndata else value.copy()


def _wide(a: np.ndarray) -> np.ndarray:
    return a.astype(np.float32) if a.dtype.itemsize == 2 and a.dtype.kind in "fV" else a


def _compute(step: Step, values: list[Any]) -> Any:
    args = [values[i] for i in step.inputs]
    if step.widen:
        args = [_wide(a) for a in args]
    if step.op.writes:
        args[0] = _writable(step, values, args)
    value = step.op.numpy(*args, *step.attrs)
    if step.dtype is None:
        value = _several(value)
    else:
        if type(value) is not np.ndarray or value.dtype != step.dtype:
            value = np.asarray(value).astype(step.dtype, copy=False)
        if not owns(value) and not step.op.writes and step.op.kind != "view":
            value = _of_its_own(value, args)
    return value


def _several(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Results of one operation, each in memory of its own."""
    return tuple([v.copy() if type(v) is np.ndarray and not owns(v) else v for v in values])


def _of_its_own(value: np.ndarray, args: list[Any]) -> np.ndarray:
    """The value, cut off from the arguments if it lies in their memory, as only views may."""
    small = value.size < 64  # sooner copied than compared
    return value.copy() if small or any(np.may_share_memory(value, a) for a in args) else value


def _writable(step: Step, values: list[Any], args: list[Any]) -> Any:
    """The array to write into: the input's own if this step is its last reader and nobody else sees it, or a
    copy."""
    slot = step.inputs[0]
    unread = slot in step.free and step.inputs.count(slot) == 1 and _references(values, args) == _UNSHARED
    x = args[0]  # only now: this is one more reference
    return x if unread and alone(x) and x.flags.writeable else x.copy(order="C")


def alone(x: np.ndarray) -> bool:
    """Whether no other array lies in the same memory."""
    return owns(x) or (type(x.base) is np.ndarray and _base_references(x) == _SEEN_ONCE)


def _references(values: list[Any], args: list[Any]) -> int:
    return sys.getrefcount(args[0])


def _base_references(x: np.ndarray) -> int:
    return sys.getrefcount(x.base)


# Held by `values` and the arguments alone; the memory of one array alone.
_UNSHARED = (lambda values: _references(values, [values[0]]))([np.zeros(1)])
_SEEN_ONCE = _base_references(np.zeros(2)[:1])


def located(error: Exception, node: Any) -> Exception:
    """The error with the user's line that recorded the operation."""
    site = getattr(node, "site", None)
    if site is not None:
        error.add_note(f"in {node.op.name}, recorded at {site}")
    return error.with_traceback(None)  # which would hold all values
