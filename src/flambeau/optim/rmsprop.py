"""RMSprop."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.blend import lerp, scaled_step, weighted_square
from ..ops.pointwise import add_scaled, mul
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import count_steps, each, new_count, number, renew, with_decay


class RMSprop(Optimizer):
    """Steps divided by the root of a running mean of squared gradients.

    With g the gradient plus weight_decay · p: v ← alpha · v + (1 - alpha) · g², and, if `centered`, with the
    running mean a of g, r = √(v - a²) + eps, else r = √v + eps. Then p ← p - lr · g / r; with momentum
    b ← momentum · b + g / r and p ← p - lr · b.

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        alpha, eps, weight_decay, momentum, centered: as above.
        capturable, foreach: accepted for PyTorch's sake; they make no difference.
        maximize: ascend instead.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative option.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.RMSprop([x], lr=0.5, alpha=0.75)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x.tolist()
        [0.0]
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        wanted = {"square_avg": True, "momentum_buffer": group["momentum"] > 0, "grad_avg": group["centered"]}
        return {"step": new_count(), **{name: zeros_like(p) for name, w in wanted.items() if w}}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        gs, alpha, rate = with_decay(gs, ps, group), group["alpha"], -number(group["lr"])
        squares = renew([state["square_avg"] for state in states], weighted_square, alpha, gs, 1 - alpha)
        if group["centered"]:
            means = renew([state["grad_avg"] for state in states], lerp, gs, 1 - alpha)
            squares = each(weighted_square, squares, 1, means, -1)
        if group["momentum"] > 0:
            buffers = renew([state["momentum_buffer"] for state in states], mul, group["momentum"])
            renew(buffers, scaled_step, gs, squares, 1, group["eps"], 1)
            renew(ps, add_scaled, buffers, rate)
        else:
            renew(ps, scaled_step, gs, squares, 1, group["eps"], rate)
        count_steps(states)
