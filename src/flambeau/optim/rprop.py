"""Rprop."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..functions.choice import where
from ..functions.creation import full_like, zeros_like
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import count_steps, new_count, number


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

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        count_steps([state])
        shrink, grow = map(number, group["etas"])
        turned, sizes = g * state["prev"].clone(), state["step_size"].clone()
        changed = where(turned < 0, sizes * shrink, where(turned > 0, sizes * grow, sizes))
        sizes = changed.clamp(*group["step_sizes"])
        state["step_size"].copy_(sizes)
        g = where(turned < 0, 0.0, g)
        p.addcmul_(g.sign(), sizes, value=-1)
        state["prev"].copy_(g)
