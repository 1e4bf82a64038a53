"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..core.tensor import Tensor
from ..ops.blend import weighted_sum
from ..ops.pointwise import add_scaled
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import each, number, renew, with_decay


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    With g the gradient plus weight_decay · p, and b ← momentum · b + (1 - dampening) · g (at first b = g):
    p ← p - lr · g without momentum, p - lr · b with it, p - lr · (g + momentum · b) with `nesterov`.

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        momentum, dampening, weight_decay, nesterov: as above.
        maximize: ascend instead.
        foreach, fused: accepted for PyTorch's sake; they make no difference.
        differentiable: record the update, so that gradients go through it.

    Raises:
        ValueError: a negative option; `nesterov` without momentum or with dampening.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.SGD([x], lr=0.25, momentum=0.5)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     (x * x).sum().backward()
        ...     optimizer.step()
        >>> x
        tensor([0.], requires_grad=True)
    """

    linear = True

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                "Nesterov momentum requires a momentum and zero dampening, "
                f"got momentum={momentum}, dampening={dampening}"
            )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": None} if group["momentum"] else {}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        gs, momentum = with_decay(gs, ps, group), group["momentum"]
        if momentum:
            buffers: list[Any] = [state.get("momentum_buffer") for state in states]
            old = [i for i, buffer in enumerate(buffers) if buffer is not None]
            share = 1 - group["dampening"]
            renew([buffers[i] for i in old], weighted_sum, momentum, [gs[i] for i in old], share)
            for state, g, buffer in zip(states, gs, buffers, strict=True):
                if buffer is None:
                    state["momentum_buffer"] = g.clone()
            buffers = [state["momentum_buffer"] for state in states]
            gs = each(add_scaled, gs, buffers, momentum) if group["nesterov"] else buffers
        renew(ps, add_scaled, gs, -number(group["lr"]))

    def update_sparse(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if number(group["weight_decay"]):
            raise RuntimeError(
                "SGD: weight_decay is not compatible with sparse gradients: add(sparse, dense) is not "
                "supported"
            )
        if group["momentum"]:
            old = state.get("momentum_buffer")
            share = 1 - group["dampening"]
            moved = g.clone() if old is None else (old * group["momentum"] + g * share).coalesce()
            state["momentum_buffer"] = moved
            g = g + moved * group["momentum"] if group["nesterov"] else moved
        p.add_(g, alpha=-number(group["lr"]))
