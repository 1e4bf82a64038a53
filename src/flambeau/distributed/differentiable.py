"""Sums over processes that gradients flow through."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function
from ..core.tensor import Tensor
from .collectives import Group, all_reduce


class _AllSum(Function):
    """y = Σ x over processes. The loss is a sum over processes too, so dx = Σ dy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: Group) -> Tensor:
        ctx.group = group
        y = x.clone()
        all_reduce(y, group=group)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return all_sum(g, ctx.group), None


def all_sum(x: Tensor, group: Group = None) -> Tensor:
    """The sum of all processes' tensors, with a gradient."""
    y: Tensor = _AllSum.apply(x, group)
    return y
