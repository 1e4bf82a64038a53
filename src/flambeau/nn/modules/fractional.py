"""Pooling over windows at random places. (Fractional max-pooling, 2014.)"""

from __future__ import annotations

from typing import Any, ClassVar

from ...core.tensor import Tensor
from .. import functional as F
from ..module import Module
from .utils import Size, _ntuple


class _FractionalMaxPoolNd(Module):
    _dims: ClassVar[int]

    def __init__(
        self,
        kernel_size: Size,
        output_size: Size | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        what, several = type(self).__name__, _ntuple(self._dims)
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{what}: requires specifying either an output size, or a pooling ratio, got output_size="
                f"{output_size} and output_ratio={output_ratio}"
            )
        self.kernel_size = several(kernel_size)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else several(output_size)
        self.output_ratio = None if output_ratio is None else several(output_ratio)
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"{what}: output_ratio must be between 0 and 1 (got {output_ratio})")


class FractionalMaxPool2d(_FractionalMaxPoolNd):
    """The largest element of each of a number of windows at random places in images.

    Args:
        kernel_size: extent of the windows, one number or two.
        output_size: how many windows there are in each dimension.
        output_ratio: instead, how large a share of the input's size that is; less than 1.
        return_indices: whether to give the positions, too, as `MaxUnpool2d` takes them.

    Shape:
        (N, C, H, W) or (C, H, W) → the same with the output's size

    Raises:
        ValueError: both or none of output size and ratio, or a ratio that can't be.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.FractionalMaxPool2d(3, output_ratio=(0.5, 0.25))(torch.randn(2, 3, 16, 16)).shape
        torch.Size([2, 3, 8, 4])
    """

    _dims = 2

    def forward(self, input: Tensor) -> Any:
        return F.fractional_max_pool2d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool3d(_FractionalMaxPoolNd):
    """The largest element of each of a number of windows at random places in volumes; see
    `FractionalMaxPool2d`.

    Args:
        kernel_size: extent of the windows, one number or three.
        output_size: how many windows there are in each dimension.
        output_ratio: instead, how large a share of the input's size that is; less than 1.
        return_indices: whether to give the positions, too, as `MaxUnpool3d` takes them.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same with the output's size

    Example:
        >>> import flambeau as torch
        >>> torch.nn.FractionalMaxPool3d(2, output_size=3)(torch.randn(2, 3, 8, 8, 8)).shape
        torch.Size([2, 3, 3, 3, 3])
    """

    _dims = 3

    def forward(self, input: Tensor) -> Any:
        return F.fractional_max_pool3d(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )
