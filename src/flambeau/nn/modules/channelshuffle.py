"""Mixing of channels."""

from __future__ import annotations

from ...core.tensor import Tensor
from .. import functional as F
from .layer import Layer, layer


@layer
class ChannelShuffle(Layer):
    """Deals the channels out: the first of each group, then the second of each …

    Args:
        groups: number of groups.

    Shape:
        (N, C, *) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ChannelShuffle(2)(torch.arange(4.0).reshape(1, 4, 1)).flatten()
        tensor([0., 2., 1., 3.])
    """

    groups: int

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)
