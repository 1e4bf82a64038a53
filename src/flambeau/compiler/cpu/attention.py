"""The planners of attention and its gradient."""

from __future__ import annotations

from typing import Any

from ...core import dtype as dt
from ..calls import Array, Plan
from ..planner import planner
from .attention_backward import plan_backward
from .attention_forward import plan_forward


def _summed(q: Array, *numbers: Array) -> bool:
    """Whether the scale, and what was summed before, have the dtype in which the kernels sum."""
    wide = dt.float64 if q.dtype is dt.float64 else dt.float32
    return all(x.dtype is wide for x in numbers)


@planner("attention")
def plan_attention(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    """One kernel call over heads and blocks of queries."""
    if not _summed(inputs[0], inputs[3]):
        return False
    return plan_forward(plan, results, inputs, *attrs)


@planner("attention_grad")
def plan_attention_grad(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    """One kernel call over heads and chunks of queries, and one that sums over the chunks if there are."""
    if not _summed(inputs[1], *inputs[4:7]):
        return False
    return plan_backward(plan, results, inputs, *attrs)
