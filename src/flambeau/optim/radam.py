"""RAdam."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.blend import lerp, scaled_step, weighted_square
from ..ops.pointwise import add_scaled
from .optimizer import Optimizer, ParamsT, check_betas, check_not_negative
from .renewal import at, by_count, new_count, number, renew, with_decay


class RAdam(Optimizer):
    """Adam that scales no steps as long as too few squares are known, and less while they are few.

    With g the gradient plus weight_decay · p, after t steps: m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g²,
    m̂ = m / (1 - β₁ᵗ), R = 2 / (1 - β₂) - 1, ρ = R - 2 t β₂ᵗ / (1 - β₂ᵗ). Where ρ > 5,
    p ← p - lr · m̂ · √((1 - β₂ᵗ) · (ρ - 4) (ρ - 2) R / ((R - 4) (R - 2) ρ)) / (√v + eps), else
    p ← p - lr · m̂ (Liu et al., 2019).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        betas: (β₁, β₂).
        eps, weight_decay: as above.
        decoupled_weight_decay: p ← p - lr · weight_decay · p, and g without decay, as in `AdamW`.
        maximize: ascend instead.
        foreach, capturable: accepted for PyTorch's sake; they make no difference.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative option, or a beta outside of [0, 1).

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.RAdam([x], lr=0.25)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": new_count(), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        gs, lr, (beta1, beta2) = with_decay(gs, ps, group), number(group["lr"]), map(number, group["betas"])
        ms = renew([state["exp_avg"] for state in states], lerp, gs, 1 - beta1)
        vs = renew([state["exp_avg_sq"] for state in states], weighted_square, beta2, gs, 1 - beta2)
        limit = 2 / (1 - beta2) - 1
        for count, places in by_count(states):
            rate, share = -lr / (1 - beta1**count), 1 - beta2**count
            length = limit - 2 * count * beta2**count / share
            moved, means, squares = at(places, ps, ms, vs)
            if length > 5:
                known = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
                rate = rate * share**0.5 * known**0.5
                renew(moved, scaled_step, means, squares, 1, group["eps"], rate)
            else:
                renew(moved, add_scaled, means, rate)
