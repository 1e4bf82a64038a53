"""Windows of images as columns, and back."""

from __future__ import annotations

from ...core.tensor import Tensor
from .. import functional as F
from .layer import Layer, layer
from .utils import Size


@layer
class Fold(Layer):
    """Adds up columns of window elements into images: the transpose of `Unfold`.

    Args:
        output_size: height and width of the images.
        kernel_size, dilation, padding, stride: of the windows, as one number or a pair.

    Shape:
        (N, C · kernel elements, L) or (C · kernel elements, L) → (N, C, *output_size) or (C, *output_size)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Fold((4, 5), kernel_size=(2, 2))(torch.randn(1, 12, 12)).shape
        torch.Size([1, 3, 4, 5])
    """

    output_size: Size
    kernel_size: Size
    dilation: Size = 1
    padding: Size = 0
    stride: Size = 1

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)


@layer
class Unfold(Layer):
    """The elements of each window of images as a column.

    Args:
        kernel_size, dilation, padding, stride: of the windows, as one number or a pair.

    Shape:
        (N, C, H, W) or (C, H, W) → (N, C · kernel elements, L) or (C · kernel elements, L)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Unfold((2, 3))(torch.randn(2, 5, 3, 4)).shape
        torch.Size([2, 30, 4])
    """

    kernel_size: Size
    dilation: Size = 1
    padding: Size = 0
    stride: Size = 1

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)
