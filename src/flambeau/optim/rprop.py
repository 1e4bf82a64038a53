"""Rprop."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.choice import where
from ..functions.creation import full_like, zeros_like
from ..ops.blend import weighted_sum
from ..ops.pointwise import add, add_scaled, maximum, minimum, mul, sign
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import count_steps, each, new_count, number, renew


class Rprop(Optimizer):
    """Steps that only follow the gradients' signs, longer while they stay the same. For full batches.

    With g the gradient, h the one before and s the size of the step (each element has its own): s ← s · η₊
    where g · h > 0, s · η₋ where g · h < 0, within `step_sizes`; there g counts as 0. p ← p - s · sign(g)
    (Riedmiller and Braun, 1993).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: the first size of steps, a number or a tensor of one.
        etas: (η₋, η₊).
        step_sizes: the smallest and the largest size of steps.
        maximize: ascend instead.
        foreach, capturable: accepted for PyTorch's sake; they make no difference.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative rate, or not 0 < η₋ < 1 < η₊.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Rprop([x], lr=0.25)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.7500], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        size = float(group["lr"])
        sizes = full_like(p, complex(size, size) if p.is_complex() else size)
        return {"step": new_count(), "prev": zeros_like(p), "step_size": sizes}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        (shrink, grow), (low, high) = map(number, group["etas"]), group["step_sizes"]
        before, sizes = ([state[name] for state in states] for name in ("prev", "step_size"))
        signs = each(sign, each(mul, gs, before))
        turned = each(minimum, signs, 0)
        change = each(weighted_sum, each(maximum, signs, 0), grow - 1, turned, 1 - shrink)
        renew(sizes, mul, each(add, change, 1))
        renew(sizes, maximum, low)
        renew(sizes, minimum, high)
        gs = [where(flag < 0, 0, g) for flag, g in zip(turned, gs, strict=True)]
        for old, g in zip(before, gs, strict=True):
            old.copy_(g)
        renew(ps, add_scaled, each(mul, each(sign, gs), sizes), -1)
        count_steps(states)
