"""Adadelta."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.blend import weighted_square
from ..ops.pointwise import add, add_scaled, div, mul, sqrt
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import count_steps, each, new_count, number, renew, with_decay


class Adadelta(Optimizer):
    """Steps scaled by the ratio of running mean squares: of the steps so far to that of the gradients.

    With g the gradient plus weight_decay · p: v ← rho · v + (1 - rho) · g², d = g · √(u + eps) / √(v + eps),
    u ← rho · u + (1 - rho) · d², p ← p - lr · d (Zeiler, 2012).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        rho, eps, weight_decay: as above.
        maximize: ascend instead.
        foreach, capturable: accepted for PyTorch's sake; they make no difference.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative option, or `rho` above 1.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adadelta([x], lr=1.0, rho=0.75, eps=1.0)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x  # v = 1, d = 2 / √2
        tensor([-0.4142], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
        if rho > 1:
            raise ValueError(f"Invalid rho value: {rho}")
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": new_count(), "square_avg": zeros_like(p), "acc_delta": zeros_like(p)}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        gs, rho, eps = with_decay(gs, ps, group), group["rho"], group["eps"]
        squares = renew([state["square_avg"] for state in states], weighted_square, rho, gs, 1 - rho)
        steps = [state["acc_delta"] for state in states]
        lengths, spreads = (each(sqrt, each(add, xs, eps)) for xs in (steps, squares))
        deltas = each(mul, each(div, lengths, spreads), gs)
        renew(steps, weighted_square, rho, deltas, 1 - rho)
        renew(ps, add_scaled, deltas, -number(group["lr"]))
        count_steps(states)
