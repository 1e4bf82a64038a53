"""Muon."""

from __future__ import annotations

import math
from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import number


class Muon(Optimizer):
    """Momentum whose steps are made orthogonal, for the matrices of hidden layers.

    With g the gradient: b ← momentum · b + (1 - momentum) · g, and u = b, or with `nesterov`
    momentum · b + (1 - momentum) · g. In bfloat16, x = u / |u|, then `ns_steps` times
    x ← k₁ x + (k₂ s + k₃ s²) x with s = x xᵀ and k the coefficients, which draws all singular values near to
    1 (Newton and Schulz). Then p ← p - lr · weight_decay · p, p ← p - lr · f · x, with f by `adjust_lr_fn`
    (Jordan et al., 2024).

    Args:
        params: matrices, (name, matrix) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        weight_decay, momentum, nesterov, ns_coefficients, ns_steps: as above.
        eps: the smallest |u| to divide by.
        adjust_lr_fn: `original` (or None) for f = √max(1, rows / columns), `match_rms_adamw` for
            f = 0.2 √max(rows, columns).

    Raises:
        ValueError: a parameter that is no matrix, a negative option, 100 steps or more, coefficients that are
            not three, or an unknown `adjust_lr_fn`.
        RuntimeError: a complex parameter, at the step.

    Example:
        >>> import flambeau as torch
        >>> x = torch.eye(2, requires_grad=True)
        >>> optimizer = torch.optim.Muon([x], lr=0.5, weight_decay=0.0)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> bool((x.diagonal() < 0.7).all()), x[0, 1].item()
        (True, 0.0)
    """

    linear = True  # a complex parameter is refused as such

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_not_negative(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.size()}; give the others to another optimizer, such as AdamW"
                    )

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        return {"momentum_buffer": zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, momentum = number(group["lr"]), group["momentum"]
        u = state["momentum_buffer"].lerp_(g, 1 - momentum)
        u = g.lerp(u, momentum) if group["nesterov"] else u
        x = _orthogonal(u, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(x, alpha=-lr * _factor(p, group["adjust_lr_fn"]))


def _orthogonal(u: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """A matrix with the singular vectors of `u`, and singular values near to 1 if there are enough steps."""
    if steps >= 100:
        raise ValueError(f"Number of steps must be less than 100 for computational efficiency, got {steps}")
    if len(coefficients) != 3:
        raise ValueError(f"Coefficients must be a tuple of exactly 3 values, got {len(coefficients)}")
    a, b, c = coefficients
    tall = u.shape[0] > u.shape[1]
    x = u.bfloat16().T if tall else u.bfloat16()
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        square = x @ x.T
        x = x.addmm(square.addmm(square, square, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def _factor(p: Tensor, name: str | None) -> float:
    rows, columns = p.shape
    if name == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))
