"""RMSprop."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.blend import lerp, scaled_step, weighted_square
from ..ops.pointwise import add_scaled, mul
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import count_step, new_count, number, renew, with_decay


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
        differentiable: not supported.

    Raises:
        ValueError: a negative option.
        NotImplementedError: `differentiable=True`.

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

    def numbers(self, group: dict[str, Any], count: float) -> tuple[Any, ...]:
        decay, alpha, rate = number(group["weight_decay"]), group["alpha"], -number(group["lr"])
        return decay, alpha, 1 - alpha, group["momentum"], group["eps"], rate, 1, -1

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        count_step(state)
        decay, alpha, share, momentum, eps, rate, one, minus = self.shared(group)
        g = with_decay(g, p, decay)
        square = renew(state["square_avg"], weighted_square, alpha, g, share)
        if group["centered"]:
            mean = renew(state["grad_avg"], lerp, g, share)
            square = weighted_square(square, one, mean, minus)
        if momentum.value > 0:
            buffer = renew(state["momentum_buffer"], mul, momentum)
            renew(p, add_scaled, renew(buffer, scaled_step, g, square, one, eps, one), rate)
        else:
            renew(p, scaled_step, g, square, one, eps, rate)
