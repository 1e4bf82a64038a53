"""NAdam."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.blend import lerp, scaled_step, weighted_square
from .optimizer import Optimizer, ParamsT, check_betas, check_not_negative
from .renewal import (
    at,
    count_steps,
    new_count,
    new_number,
    number,
    places_of,
    renew,
    renew_numbers,
    single,
    with_decay,
)


class NAdam(Optimizer):
    """Adam with Nesterov's momentum, which looks one step ahead.

    With g the gradient plus weight_decay · p, after t steps: m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g²,
    μₜ = β₁ (1 - 0.96^(t · momentum_decay) / 2), M = μ₁ · … · μₜ, r = √(v / (1 - β₂ᵗ)) + eps,
    p ← p - lr · (1 - μₜ) / (1 - M) · g / r - lr · μₜ₊₁ / (1 - M · μₜ₊₁) · m / r (Dozat, 2016).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        betas: (β₁, β₂).
        eps, weight_decay, momentum_decay: as above.
        decoupled_weight_decay: p ← p - lr · weight_decay · p, and g without decay, as in `AdamW`.
        maximize: ascend instead.
        foreach, capturable: accepted for PyTorch's sake; they make no difference.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative option, or a beta outside of [0, 1).

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.NAdam([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.4718], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay, momentum_decay=momentum_decay)
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        numbers = {"step": new_count(), "mu_product": new_number(1.0)}
        return {**numbers, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        gs, lr, (beta1, beta2) = with_decay(gs, ps, group), number(group["lr"]), map(number, group["betas"])
        ms = renew([state["exp_avg"] for state in states], lerp, gs, 1 - beta1)
        vs = renew([state["exp_avg_sq"] for state in states], weighted_square, beta2, gs, 1 - beta2)
        for count, places in places_of(count_steps(states)):
            mu, ahead = (
                beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (count, count + 1)
            )
            counted = [states[i] for i in places]
            products = renew_numbers(counted, "mu_product", partial(_product, single(mu)))
            root = (1 - beta2**count) ** 0.5
            for product, some in places_of(products):
                moved, *xs, spread = at([places[i] for i in some], ps, gs, ms, vs)
                rates = -lr * (1 - mu) / (1 - product), -lr * ahead / (1 - product * ahead)
                for x, rate in zip(xs, rates, strict=True):
                    renew(moved, scaled_step, x, spread, root, group["eps"], rate)


def _product(factor: Any, x: Any) -> Any:
    """What float32 makes of a product."""
    return single(x * factor)
