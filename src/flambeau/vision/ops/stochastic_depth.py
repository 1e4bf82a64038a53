"""Stochastic depth: whole branches left out at random in training."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor, nn

__all__ = ["StochasticDepth", "stochastic_depth"]


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """In training, zero with probability `p`, and else `input / (1 - p)`, decided at once for the whole
    "batch", or for each of its items ("row") (Huang et al., Deep networks with stochastic depth, 2016).

    Shape:
        (N, ...) → the same

    Raises:
        ValueError: `p` is not in [0, 1], or the mode is another.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.vision.ops.stochastic_depth(torch.ones(4, 1), 0.5, "row").flatten()
    tensor([0., 0., 2., 0.])
    """
    if not 0 <= p <= 1:
        raise ValueError(f"stochastic_depth: drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise ValueError(f"stochastic_depth: mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0:
        return input
    rows = input.shape[0] if mode == "row" else 1
    size = [rows] + [1] * (input.ndim - 1)
    noise = torch.empty(size, dtype=input.dtype, device=input.device).bernoulli_(1 - p)
    return input * (noise / (1 - p) if p < 1 else noise)


class StochasticDepth(nn.Module):
    """The module of `stochastic_depth`.

    >>> import flambeau as torch
    >>> torch.vision.ops.StochasticDepth(0.1, "row")
    StochasticDepth(p=0.1, mode=row)
    """

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
