"""Averaged stochastic gradient descent."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.blend import lerp, weighted_sum
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import (
    at,
    by_count,
    new_count,
    new_number,
    number,
    places_of,
    renew,
    renew_numbers,
    with_decay,
)


class ASGD(Optimizer):
    """Gradient descent that also averages the parameters, from step `t0` on, in the state's `ax`.

    With g the gradient plus weight_decay · p, in step t: p ← (1 - lambd · η) · p - η · g,
    ax ← ax + μ (p - ax), then η ← lr / (1 + lambd · lr · t)^alpha and μ ← 1 / max(1, t - t0) (Polyak and
    Juditsky, 1992).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        lambd, alpha, t0, weight_decay: as above.
        maximize: ascend instead.
        foreach, capturable: accepted for PyTorch's sake; they make no difference.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative rate or weight decay.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.ASGD([x], lr=0.25, lambd=0.0)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x, optimizer.state[x]["ax"]
        (tensor([0.5000], requires_grad=True), tensor([0.5000]))
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        numbers = {"eta": new_number(float(group["lr"])), "mu": new_number(1.0)}
        return {"step": new_count(), **numbers, "ax": zeros_like(p)}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        gs, lr, lambd = with_decay(gs, ps, group), number(group["lr"]), group["lambd"]
        averages = [state["ax"] for state in states]
        for (eta, mu), places in places_of([(number(s["eta"]), number(s["mu"])) for s in states]):
            moved, slopes, means = at(places, ps, gs, averages)
            renew(moved, weighted_sum, 1 - lambd * eta, slopes, -eta)
            renew(means, lerp, moved, mu)
        for count, places in by_count(states):
            (some,) = at(places, states)
            for name, value in (
                ("eta", lr / (1 + lambd * lr * count) ** group["alpha"]),
                ("mu", 1 / max(1, count - group["t0"])),
            ):
                renew_numbers(some, name, partial(_constant, value))


def _constant(value: Any, old: Any) -> Any:
    return value
