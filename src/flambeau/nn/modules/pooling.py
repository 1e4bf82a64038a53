"""Pooling: the largest or the mean element of each window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ...core.tensor import Tensor
from .. import functional as F
from .layer import Layer, layer
from .utils import Size, per_dimension


@layer
class _Pool(Layer):
    """A pool whose stride is its window's size unless given."""

    kernel_size: Size
    stride: Size | None = None

    def __post_init__(self) -> None:
        if self.stride is None:
            self.stride = self.kernel_size
        super().__post_init__()


# ----- Largest element -----


@layer
class _MaxPoolNd(_Pool):
    padding: Size = 0
    dilation: Size = 1
    return_indices: bool = False
    ceil_mode: bool = False

    _hidden = ("return_indices",)


class MaxPool1d(_MaxPoolNd):
    """The largest element of each window over one dimension.

    Args:
        kernel_size: extent of the window.
        stride: step of the window; None is `kernel_size`.
        padding: how many elements of -∞ are added on both sides, at most half the window.
        dilation: step between the window's elements.
        return_indices: whether to return, too, where the largest elements were.
        ceil_mode: whether a window may begin inside the (padded) input and end outside of it.

    Shape:
        (N, C, L) or (C, L) → (N, C, L') or (C, L') with
        L' = ⌊(L + 2 padding - dilation (kernel_size - 1) - 1) / stride⌋ + 1, or rounded up with `ceil_mode`

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MaxPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 5.0]]))
        tensor([[3., 5.]])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool2d(_MaxPoolNd):
    """The largest element of each window over two dimensions.

    The arguments are those of `MaxPool1d`; sizes are one number, or a pair (height, width).

    Shape:
        (N, C, H, W) or (C, H, W) → (N, C, H', W') or (C, H', W')

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MaxPool2d((3, 2), stride=(2, 1))(torch.randn(2, 16, 50, 32)).shape
        torch.Size([2, 16, 24, 31])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool3d(_MaxPoolNd):
    """The largest element of each window over three dimensions.

    The arguments are those of `MaxPool1d`; sizes are one number, or a triple.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same with D', H', W'

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MaxPool3d(2)(torch.randn(2, 3, 4, 6, 8)).shape
        torch.Size([2, 3, 2, 3, 4])
    """

    def forward(self, input: Tensor) -> Any:
        return F.max_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


# ----- Mean -----


@layer
class AvgPool1d(_Pool):
    """The mean of each window over one dimension.

    Args:
        kernel_size: extent of the window.
        stride: step of the window; None is `kernel_size`.
        padding: how many zeros are added on both sides, at most half the window.
        ceil_mode: whether a window may begin inside the (padded) input and end outside of it.
        count_include_pad: whether the added zeros count as elements.

    Shape:
        (N, C, L) or (C, L) → (N, C, L') or (C, L') with
        L' = ⌊(L + 2 padding - kernel_size) / stride⌋ + 1, or rounded up with `ceil_mode`

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AvgPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 5.0]]))
        tensor([[2.0000, 3.5000]])
    """

    padding: Size = 0
    ceil_mode: bool = False
    count_include_pad: bool = True

    _hidden = ("ceil_mode", "count_include_pad")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kernel_size", "stride", "padding"):
            setattr(self, name, per_dimension("AvgPool1d", name, getattr(self, name), 1))

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad
        )


@layer
class _AvgPoolNd(_Pool):
    padding: Size = 0
    ceil_mode: bool = False
    count_include_pad: bool = True
    divisor_override: int | None = None

    _hidden = ("ceil_mode", "count_include_pad", "divisor_override")


class AvgPool2d(_AvgPoolNd):
    """The mean of each window over two dimensions.

    The arguments are those of `AvgPool1d`; sizes are one number, or a pair (height, width).

    Args:
        divisor_override: divide sums by this number instead of the number of elements.

    Shape:
        (N, C, H, W) or (C, H, W) → (N, C, H', W') or (C, H', W')

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AvgPool2d((3, 2), stride=(2, 1))(torch.randn(2, 16, 50, 32)).shape
        torch.Size([2, 16, 24, 31])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_AvgPoolNd):
    """The mean of each window over three dimensions.

    The arguments are those of `AvgPool2d`; sizes are one number, or a triple.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same with D', H', W'

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AvgPool3d(2)(torch.randn(2, 3, 4, 6, 8)).shape
        torch.Size([2, 3, 2, 3, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


# ----- Norm -----


@layer
class _LPPoolNd(Layer):
    norm_type: float
    kernel_size: Size
    stride: Size | None = None
    ceil_mode: bool = False


class LPPool1d(_LPPoolNd):
    """The p-norm of each window over one dimension: (Σ xᵖ)^(1/p).

    Args:
        norm_type: p.
        kernel_size: extent of the window.
        stride: step of the window; None is `kernel_size`.
        ceil_mode: whether a window may begin inside the input and end outside of it.

    Shape:
        (N, C, L) or (C, L) → (N, C, L') or (C, L')

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LPPool1d(2, 2)(torch.tensor([[3.0, 4.0, 5.0, 12.0]]))
        tensor([[ 5., 13.]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPoolNd):
    """The p-norm of each window over two dimensions; the arguments are those of `LPPool1d`.

    Shape:
        (N, C, H, W) or (C, H, W) → (N, C, H', W') or (C, H', W')

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LPPool2d(2, 3, stride=2)(torch.randn(2, 16, 50, 32)).shape
        torch.Size([2, 16, 24, 15])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPoolNd):
    """The p-norm of each window over three dimensions; the arguments are those of `LPPool1d`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same with D', H', W'

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LPPool3d(2, 2)(torch.randn(2, 3, 4, 6, 8)).shape
        torch.Size([2, 3, 2, 3, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


# ----- Back to where the largest elements were -----


@layer
class _MaxUnpoolNd(_Pool):
    padding: Size = 0

    _dims: ClassVar[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("kernel_size", "stride", "padding"):
            setattr(self, name, per_dimension(type(self).__name__, name, getattr(self, name), self._dims))


class MaxUnpool1d(_MaxUnpoolNd):
    """Puts the results of `MaxPool1d` back where they were, and zeros elsewhere.

    Args:
        kernel_size, stride, padding: those of the `MaxPool1d`.

    The call takes the pool's results and indices, and, where several inputs have results of that shape, the
    `output_size` wanted.

    Shape:
        (N, C, L) or (C, L) → (N, C, L') or (C, L') with L' = (L - 1) stride - 2 padding + kernel_size

    Example:
        >>> import flambeau as torch
        >>> values, indices = torch.nn.MaxPool1d(2, return_indices=True)(torch.tensor([[1.0, 3.0, 5.0, 2.0]]))
        >>> torch.nn.MaxUnpool1d(2)(values, indices)
        tensor([[0., 3., 5., 0.]])
    """

    _dims = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpoolNd):
    """Puts the results of `MaxPool2d` back where they were; as `MaxUnpool1d` in all else.

    Shape:
        (N, C, H, W) or (C, H, W) → (N, C, H', W') or (C, H', W')

    Example:
        >>> import flambeau as torch
        >>> values, indices = torch.nn.MaxPool2d(2, return_indices=True)(torch.randn(1, 1, 4, 4))
        >>> torch.nn.MaxUnpool2d(2)(values, indices).shape
        torch.Size([1, 1, 4, 4])
    """

    _dims = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpoolNd):
    """Puts the results of `MaxPool3d` back where they were; as `MaxUnpool1d` in all else.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same with D', H', W'

    Example:
        >>> import flambeau as torch
        >>> values, indices = torch.nn.MaxPool3d(2, return_indices=True)(torch.randn(1, 2, 4, 4))
        >>> torch.nn.MaxUnpool3d(2)(values, indices).shape
        torch.Size([1, 2, 4, 4])
    """

    _dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


# ----- Windows chosen for the output's extent -----


@layer
class _AdaptiveAvgPoolNd(Layer):
    output_size: int | Sequence[int | None] | None


@layer
class _AdaptiveMaxPoolNd(Layer):
    output_size: int | Sequence[int | None] | None
    return_indices: bool = False

    _hidden = ("return_indices",)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Means of windows that divide one dimension as evenly as possible.

    Args:
        output_size: how many windows there are; None is the input's extent.

    Shape:
        (N, C, L) or (C, L) → (N, C, output_size) or (C, output_size)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveAvgPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 5.0]]))
        tensor([[2.0000, 3.5000]])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Means of windows that divide two dimensions as evenly as possible.

    Args:
        output_size: how many windows there are, as one number or a pair; None is the input's extent.

    Shape:
        (N, C, H, W) or (C, H, W) → (N, C, *output_size) or (C, *output_size)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveAvgPool2d((None, 7))(torch.randn(1, 64, 10, 9)).shape
        torch.Size([1, 64, 10, 7])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Means of windows that divide three dimensions as evenly as possible.

    Args:
        output_size: how many windows there are, as one number or a triple; None is the input's extent.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → (N, C, *output_size) or (C, *output_size)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveAvgPool3d(2)(torch.randn(1, 3, 8, 9, 10)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Largest elements of windows that divide one dimension as evenly as possible.

    Args:
        output_size: how many windows there are.
        return_indices: whether to return, too, where the largest elements were.

    Shape:
        (N, C, L) or (C, L) → (N, C, output_size) or (C, output_size)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveMaxPool1d(2)(torch.tensor([[1.0, 3.0, 2.0, 5.0]]))
        tensor([[3., 5.]])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Largest elements of windows that divide two dimensions as evenly as possible.

    Args:
        output_size: how many windows there are, as one number or a pair; None is the input's extent.
        return_indices: whether to return, too, where the largest elements were.

    Shape:
        (N, C, H, W) or (C, H, W) → (N, C, *output_size) or (C, *output_size)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveMaxPool2d((None, 7))(torch.randn(1, 64, 10, 9)).shape
        torch.Size([1, 64, 10, 7])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Largest elements of windows that divide three dimensions as evenly as possible.

    Args:
        output_size: how many windows there are, as one number or a triple; None is the input's extent.
        return_indices: whether to return, too, where the largest elements were.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → (N, C, *output_size) or (C, *output_size)

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AdaptiveMaxPool3d(2)(torch.randn(1, 3, 8, 9, 10)).shape
        torch.Size([1, 3, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Any:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)
