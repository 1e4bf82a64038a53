"""Adafactor."""

from __future__ import annotations

from typing import Any

from ..core.dtype import HALVES, float32, float64
from ..core.limits import finfo
from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from ..ops.kinds import opmath
from .optimizer import Optimizer, ParamsT, check_not_negative
from .renewal import count_steps, new_count, number

_EPSILONS = {d: finfo(d).eps for d in (float64, float32, *HALVES)}


class Adafactor(Optimizer):
    """Scaled steps, with mean squares of matrices kept by row and by column only: little memory.

    With g the gradient, after t steps, b = t^beta2_decay: of a matrix r ← r + b · (mean of g² over columns -
    r), c alike over rows, and v = r cᵀ / max(mean(r), ε₁); otherwise v ← v + b · (g² - v).
    u = g / max(√v, ε₁), p ← p - lr · weight_decay · p, and
    p ← p - max(ε₂, rms(p)) · min(lr, 1/√t) · u / max(1, rms(u) / d) (Shazeer and Stern, 2018).

    Args:
        params: parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        beta2_decay, d, weight_decay: as above.
        eps: (ε₁, ε₂); None for ε₁ is the dtype's own epsilon.
        foreach: accepted for PyTorch's sake; it makes no difference.
        maximize: ascend instead.

    Raises:
        ValueError: an option outside of its range.
        RuntimeError: a complex parameter, at the step.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([1.0], requires_grad=True)
        >>> optimizer = torch.optim.Adafactor([x], lr=0.5)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([0.5000], requires_grad=True)
    """

    linear = True  # a complex parameter is refused as such

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if not beta2_decay <= 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if not d >= 1:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        check_not_negative(lr=lr, epsilon1=eps[0] or 0, epsilon2=eps[1], weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        if p.is_complex():
            raise RuntimeError(
                "Adafactor does not support complex parameters; give their parts by view_as_real"
            )
        if p.dim() < 2:
            return {"step": new_count(), "variance": zeros_like(p)}
        rows, columns = zeros_like(p[..., :1]), zeros_like(p[..., :1, :])
        return {"step": new_count(), "row_var": rows, "col_var": columns}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        (count,) = count_steps([state])
        lr, (eps1, eps2) = number(group["lr"]), group["eps"]
        eps1 = _EPSILONS[p.dtype] if eps1 is None else eps1
        fresh = count ** group["beta2_decay"]
        length = _rms(p).clamp(min=eps2) * min(lr, 1 / count**0.5)
        if group["weight_decay"]:
            p.mul_(1 - lr * group["weight_decay"])
        squares = g * g
        if "variance" in state:
            spread = state["variance"].lerp_(squares, fresh)
        else:
            rows = state["row_var"].lerp_(squares.mean(-1, keepdim=True), fresh)
            columns = state["col_var"].lerp_(squares.mean(-2, keepdim=True), fresh)
            spread = rows @ columns / rows.mean(-2, keepdim=True).clamp(min=eps1)
        step = spread.clamp(min=eps1 * eps1).rsqrt() * g
        p.sub_(step * (length / (_rms(step) / group["d"]).clamp(min=1.0)).to(p.dtype))


def _rms(x: Tensor) -> Tensor:
    length: Tensor = x.norm(2).to(opmath(x.dtype)) / max(x.numel(), 1) ** 0.5
    return length
