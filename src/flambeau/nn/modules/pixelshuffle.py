"""Layers that move elements between channels and pixels."""

from __future__ import annotations

from ...core.tensor import Tensor
from .. import functional as F
from .layer import Layer, layer


@layer
class PixelShuffle(Layer):
    """Turns groups of r² channels into images r times as high and wide.

    Args:
        upscale_factor: r.

    Shape:
        (*, C · r², H, W) → (*, C, H · r, W · r)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.PixelShuffle(3)(torch.randn(1, 9, 4, 4)).shape
        torch.Size([1, 1, 12, 12])
    """

    upscale_factor: int

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)


@layer
class PixelUnshuffle(Layer):
    """Turns images into groups of r² channels, r times less high and wide: the inverse of `PixelShuffle`.

    Args:
        downscale_factor: r.

    Shape:
        (*, C, H · r, W · r) → (*, C · r², H, W)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.PixelUnshuffle(3)(torch.randn(1, 1, 12, 12)).shape
        torch.Size([1, 9, 4, 4])
    """

    downscale_factor: int

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)
