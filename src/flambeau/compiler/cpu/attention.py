"""The planners of attention and its gradient."""

from __future__ import annotations

from typing import Any

from ..calls import Array, Plan
from ..planner import planner
from .attention_backward import plan_backward
from .attention_forward import plan_forward


@planner("attention")
def plan_attention(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    """One kernel call over heads and blocks of queries."""
    return plan_forward(plan, results, inputs, *attrs)


@planner("attention_grad")
def plan_attention_grad(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    """One kernel call over heads and chunks of queries, and one that sums over the chunks if there are."""
    return plan_backward(plan, results, inputs, *attrs)
