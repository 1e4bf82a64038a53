"""Adagrad."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import full_like
from ..ops.blend import scaled_step, weighted_square
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import at, by_count, new_count, number, renew, with_decay


class Adagrad(Optimizer):
    """Steps divided by the root of the sum of all squared gradients so far.

    With g the gradient plus weight_decay · p, in step t: s ← s + g²,
    p ← p - lr / (1 + (t - 1) · lr_decay) · g / (√s + eps).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        lr_decay, weight_decay, eps: as above.
        initial_accumulator_value: what s starts with.
        foreach, fused: accepted for PyTorch's sake; they make no difference.
        maximize: ascend instead.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative option.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adagrad([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative(
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = self.init_state(p, group)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        start = group["initial_accumulator_value"]
        return {"step": new_count(), "sum": full_like(p, complex(start, start) if p.is_complex() else start)}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        gs = with_decay(gs, ps, group)
        totals = renew([state["sum"] for state in states], weighted_square, 1, gs, 1)
        for count, places in by_count(states):
            rate = -number(group["lr"]) / (1 + (count - 1) * group["lr_decay"])
            some, *scales = at(places, ps, gs, totals)
            renew(some, scaled_step, *scales, 1, group["eps"], rate)

    def update_sparse(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if number(group["weight_decay"]):
            raise RuntimeError("Adagrad: weight_decay option is not compatible with sparse gradients")
        state["step"] += 1
        g = g.coalesce()
        rate = number(group["lr"]) / (1 + (float(state["step"]) - 1) * group["lr_decay"])
        state["sum"].add_(g.pow(2))
        scale = state["sum"].sparse_mask(g).sqrt().values() + group["eps"]
        p.add_(g._with(g.values() / scale), alpha=-rate)  # type: ignore[attr-defined]  # a sparse tensor
