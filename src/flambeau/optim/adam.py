"""Adam."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.blend import lerp, scaled_step, weighted_square
from ..ops.pointwise import maximum
from .optimizer import Optimizer, ParamsT, check_betas, check_not_negative
from .renewal import at, by_count, new_count, number, renew, with_decay


class Adam(Optimizer):
    """Steps scaled by running estimates of each gradient's mean and mean square.

    With g the gradient plus weight_decay · p, after t steps: m ← β₁ m + (1 - β₁) g, v ← β₂ v + (1 - β₂) g²,
    p ← p - lr · m̂ / (√v̂ + eps), where m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        betas: (β₁, β₂).
        eps, weight_decay: as above.
        amsgrad: use the largest v so far in v̂.
        maximize: ascend instead.
        foreach, capturable, fused: accepted for PyTorch's sake; they make no difference.
        differentiable: record the update, so that gradients go through it.
        decoupled_weight_decay: as in `AdamW`.

    Raises:
        ValueError: a negative option, or a beta outside of [0, 1).

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adam([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.5000], requires_grad=True)
    """

    instead = ", please consider SparseAdam instead"

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        if isinstance(betas[0], float) != isinstance(betas[1], float):
            raise ValueError(f"betas must be either both floats or both Tensors, got {betas}")
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": new_count(), "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}
        return {**state, "max_exp_avg_sq": zeros_like(p)} if group["amsgrad"] else state

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        lr, (beta1, beta2) = number(group["lr"]), map(number, group["betas"])
        gs = with_decay(gs, ps, group)
        ms = renew([state["exp_avg"] for state in states], lerp, gs, 1 - beta1)
        vs = renew([state["exp_avg_sq"] for state in states], weighted_square, beta2, gs, 1 - beta2)
        if group["amsgrad"]:
            vs = renew([state["max_exp_avg_sq"] for state in states], maximum, vs)
        for count, places in by_count(states):
            root, rate = (1 - beta2**count) ** 0.5, -lr / (1 - beta1**count)
            some, *scales = at(places, ps, ms, vs)
            renew(some, scaled_step, *scales, root, group["eps"], rate)
