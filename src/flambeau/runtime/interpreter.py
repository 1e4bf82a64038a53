"""The interpreter: a program run node by node with NumPy. It is the definition of what every program
means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..core.node import Node
    from ..core.program import Step, Trace


def run(work: Trace) -> dict[int, Exception]:
    """Computes the outputs' values; returns the exceptions of failed steps by slot (their dependents fail
    with them)."""
    program = work.program
    values: list[Any] = [node.value for node in work.leaves] + [None] * len(work.nodes)
    for node, owned in zip(work.leaves, work.owned, strict=True):
        if owned:
            node.value = None  # from here on only `values` holds the array: a last reader may write into it
    failed: dict[int, Exception] = {}
    with np.errstate(all="ignore"):
        for step in program.steps:
            try:
                values[step.out] = _compute(step, values)
            except Exception as e:
                error = next((failed[i] for i in step.inputs if i in failed), None)
                failed[step.out] = error or _located(e, work.nodes[step.out - len(work.leaves)])
            for slot in step.free:
                values[slot] = None
    seen = []  # values that lie in another array
    for node, slot in zip(work.outputs, program.outputs, strict=True):
        value = node.value = values[slot]
        if type(value) is np.ndarray and value.base is not None:
            seen.append(node)
    if seen:
        _separate(seen, work)
    return failed


def _separate(seen: list[Node], work: Trace) -> None:
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


def _compute(step: Step, values: list[Any]) -> Any:
    args = [values[i] for i in step.inputs]
    if step.widen:
        args = [a.astype(np.float32) if a.dtype.itemsize == 2 and a.dtype.kind in "fV" else a for a in args]
    if step.op.writes:
        args[0] = _writable(step, values, args)
    value = step.op.numpy(*args, *step.attrs)
    if step.dtype is not None:
        if type(value) is not np.ndarray or value.dtype != step.dtype:
            value = np.asarray(value).astype(step.dtype, copy=False)
        if (
            value.base is not None
            and step.op.kind != "view"
            and any(np.may_share_memory(value, a) for a in args)
        ):
            value = value.copy()  # a result has memory of its own
    return value


def _writable(step: Step, values: list[Any], args: list[Any]) -> Any:
    """The array to write into: the input's own if this step is its last reader and nobody else sees it, or a
    copy."""
    slot = step.inputs[0]
    unread = slot in step.free and step.inputs.count(slot) == 1 and _references(values, args) == _UNSHARED
    x = args[0]  # only now: this is one more reference
    return x if unread and x.flags.owndata and x.flags.writeable else x.copy(order="C")


def _references(values: list[Any], args: list[Any]) -> int:
    return sys.getrefcount(args[0])


# Held by `values` and the arguments alone.
_UNSHARED = (lambda values: _references(values, [values[0]]))([np.zeros(1)])


def _located(error: Exception, node: Any) -> Exception:
    site = getattr(node, "site", None)
    if site is not None:
        error.add_note(f"in {node.op.name}, recorded at {site}")
    return error.with_traceback(None)  # which would hold all values
