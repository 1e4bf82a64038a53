"""Distances and similarities of pairs of vectors."""

from __future__ import annotations

from ...core.tensor import Tensor
from .. import functional as F
from ..module import Module
from .layer import Layer, layer


@layer
class CosineSimilarity(Layer):
    """x₁ · x₂ / max(|x₁| |x₂|, eps) along a dimension.

    Args:
        dim: the dimension of the vectors.
        eps: keeps the quotient finite.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CosineSimilarity(dim=0)(torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1.0]))
        tensor(0.7071)
    """

    dim: int = 1
    eps: float = 1e-8

    _hidden = ("dim", "eps")

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The p-norm of x₁ - x₂ + eps along the last dimension.

    Args:
        p: the norm's exponent.
        eps: keeps the gradient at equal vectors finite.
        keepdim: whether the last dimension stays, with extent 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.PairwiseDistance()(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([5.0000])
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
