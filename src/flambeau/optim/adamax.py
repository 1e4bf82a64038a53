"""Adamax."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.blend import lerp
from ..ops.pointwise import absolute, add, add_scaled, div, maximum, mul
from .optimizer import Optimizer, ParamsT, check_betas, check_not_negative
from .renewal import at, by_count, each, new_count, number, renew, with_decay


class Adamax(Optimizer):
    """Adam with a decaying maximum of gradients instead of their mean square.

    With g the gradient plus weight_decay · p, after t steps: m ← β₁ m + (1 - β₁) g, u ← max(β₂ u, |g| + eps),
    p ← p - lr / (1 - β₁ᵗ) · m / u (Kingma and Ba, 2014).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        betas: (β₁, β₂).
        eps, weight_decay: as above.
        maximize: ascend instead.
        foreach, capturable: accepted for PyTorch's sake; they make no difference.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative option, or a beta outside of [0, 1).

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adamax([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": new_count(), "exp_avg": zeros_like(p), "exp_inf": zeros_like(p)}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        gs, (beta1, beta2) = with_decay(gs, ps, group), map(number, group["betas"])
        ms = renew([state["exp_avg"] for state in states], lerp, gs, 1 - beta1)
        peaks = renew([state["exp_inf"] for state in states], mul, beta2)
        renew(peaks, maximum, each(add, each(absolute, gs), group["eps"]))
        steps = each(div, ms, peaks)
        for count, places in by_count(states):
            moved, some = at(places, ps, steps)
            renew(moved, add_scaled, some, -number(group["lr"]) / (1 - beta1**count))
