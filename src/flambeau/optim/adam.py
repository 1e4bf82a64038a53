"""Adam."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..functions.pointwise import maximum
from .optimizer import Optimizer, ParamsT, check_not_negative, count_step, new_count, number, with_decay


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
        differentiable: not supported.
        decoupled_weight_decay: as in `AdamW`.

    Raises:
        ValueError: a negative option, or a beta outside of [0, 1).
        NotImplementedError: `differentiable=True`.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adam([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.5000], requires_grad=True)
    """

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
        for i, beta in enumerate(betas):
            if not 0 <= float(beta) < 1:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        defaults = {
            "lr": lr,
            "betas": (float(betas[0]), float(betas[1])),
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

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        t, lr = count_step(state), number(group["lr"])
        beta1, beta2 = (number(beta) for beta in group["betas"])
        if group["decoupled_weight_decay"]:
            if group["weight_decay"]:
                p.mul_(1 - lr * group["weight_decay"])
        else:
            g = with_decay(g, p, group)
        m = state["exp_avg"].lerp_(g, 1 - beta1)
        v = state["exp_avg_sq"].mul_(beta2).addcmul_(g, g, value=1 - beta2)
        if group["amsgrad"]:
            v = state["max_exp_avg_sq"].copy_(maximum(state["max_exp_avg_sq"], v))
        denominator = v.sqrt() / (1 - beta2**t) ** 0.5 + group["eps"]
        p.addcdiv_(m, denominator, value=-lr / (1 - beta1**t))
