"""Adam for sparse gradients."""

from __future__ import annotations

import math
from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import zeros_like
from .optimizer import Optimizer, ParamsT, check_betas, check_not_negative
from .renewal import number


class SparseAdam(Optimizer):
    """Adam that moves, of each parameter, the elements that the sparse gradient has, and their averages.

    With g an element of the gradient in step t: m ← β1·m + (1 - β1)·g, v ← β2·v + (1 - β2)·g²,
    p ← p - lr · √(1 - β2ᵗ) / (1 - β1ᵗ) · m / (√v + eps). Averages of elements that the gradient lacks stay.

    Args:
        params: dense parameters, (name, parameter) pairs, or groups of them as dicts.
        lr: learning rate, a number or a tensor of one.
        betas: β1 and β2.
        eps: as above.
        maximize: ascend instead.

    Raises:
        ValueError: a negative option, a β outside of [0, 1), a sparse parameter.
        RuntimeError: in a step, for a dense gradient.

    Example:
        >>> import flambeau as torch
        >>> table = torch.nn.Embedding.from_pretrained(torch.zeros(3, 1), freeze=False, sparse=True)
        >>> optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.5)
        >>> table(torch.tensor([2])).sum().backward()
        >>> optimizer.step()
        >>> table.weight.flatten()
        tensor([ 0.0000,  0.0000, -0.5000], grad_fn=<ViewBackward0>)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps)
        if not float(lr) or not eps:
            raise ValueError(f"Invalid learning rate or epsilon value: {lr}, {eps}; they must be positive")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})
        for g, group in enumerate(self.param_groups):
            for i, p in enumerate(group["params"]):
                if p._sparse:
                    raise ValueError(
                        f"Sparse params at indices [[{g}, {i}]]: SparseAdam requires dense parameter tensors"
                    )

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"step": 0, "exp_avg": zeros_like(p), "exp_avg_sq": zeros_like(p)}

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        raise RuntimeError("SparseAdam does not support dense gradients, please consider Adam instead")

    def update_sparse(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] += 1
        g = g.coalesce()
        if not g._nnz():
            return
        (beta1, beta2), step, new = map(float, group["betas"]), state["step"], g.values()
        old = state["exp_avg"].sparse_mask(g)
        change = (new - old.values()) * (1 - beta1)
        state["exp_avg"].add_(old._with(change))
        old_square = state["exp_avg_sq"].sparse_mask(g)
        change_square = (new * new - old_square.values()) * (1 - beta2)
        state["exp_avg_sq"].add_(old._with(change_square))
        root = (old_square.values() + change_square).sqrt() + group["eps"]
        rate = number(group["lr"]) * math.sqrt(1 - beta2**step) / (1 - beta1**step)
        p.add_(old._with((old.values() + change) / root * -rate))
