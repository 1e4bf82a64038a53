"""The interpreter: a program run node by node with NumPy. It is the definition of what every program
means."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
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
    interrupt: KeyboardInterrupt | None = None
    with np.errstate(all="ignore"):
        for step in program.steps:
            while values[step.out] is None:
                try:
                    values[step.out] = _compute(step, values)
                except KeyboardInterrupt as e:  # finish: half a training step would be lost data
                    interrupt = e
                except Exception as e:
                    error = next((failed[i] for i in step.inputs if i in failed), None)
                    failed[step.out] = error or _located(e, work.nodes[step.out - len(work.leaves)])
                    break
            for slot in step.free:
                values[slot] = None
    for node, slot in zip(work.outputs, program.outputs, strict=True):
        node.value = values[slot]
    if interrupt is not None:
        raise interrupt
    return failed


def _compute(step: Step, values: list[Any]) -> Any:
    args = [values[i] for i in step.inputs]
    if step.widen:
        args = [a.astype(np.float32) if a.dtype.itemsize == 2 and a.dtype.kind in "fV" else a for a in args]
    if step.op.writes:
        args[0] = _writable(step, values, args)
    value = step.op.numpy(*args, *step.attrs)
    if step.dtype is not None and (type(value) is not np.ndarray or value.dtype != step.dtype):
        value = np.asarray(value).astype(step.dtype, copy=False)
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
    return error
