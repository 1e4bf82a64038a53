"""Normalization over features or groups of channels, the same in training and evaluation."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .layer import Layer, layer
from .utils import DeviceLike, new_parameter


class Scaled(Module):
    """Base of normalizations: a learned scale that starts at one and a learned shift that starts at zero."""

    weight: Parameter | None
    bias: Parameter | None

    def _add_scale_and_shift(
        self, shape: tuple[int, ...], scale: bool, shift: bool, device: DeviceLike, dtype: DType | None
    ) -> None:
        for name, wanted in (("weight", scale), ("bias", scale and shift)):
            p = new_parameter(*shape, device=device, dtype=dtype) if wanted else None
            self.register_parameter(name, p)

    def reset_parameters(self) -> None:
        """Scale to one, shift to zero."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class LayerNorm(Scaled):
    """Normalizes the last dimensions of each sample: y = (x - mean) / √(var + eps) · weight + bias.

    The variance is the biased one.

    Args:
        normalized_shape: the extents of the dimensions that are normalized together; a number for one.
        eps: added to the variance.
        elementwise_affine: whether there is a learned scale.
        bias: whether there is a learned shift, too.
        device, dtype: of the parameters.

    Shape:
        (*, *normalized_shape) → the same

    Attributes:
        weight: of shape normalized_shape, at first ones; None without.
        bias: of shape normalized_shape, at first zeros; None without.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LayerNorm(2, eps=0)(torch.tensor([[1.0, 3.0]])).tolist()
        [[-1.0, 1.0]]
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._add_scale_and_shift(self.normalized_shape, elementwise_affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Scaled):
    """Divides the last dimensions of each sample by their root mean square: x / √(mean(x²) + eps) · weight.

    Args:
        normalized_shape: the extents of the dimensions that are normalized together; a number for one.
        eps: added to the mean square; None is the smallest step of the numbers that are computed with.
        elementwise_affine: whether there is a learned scale.
        device, dtype: of the parameters.

    Shape:
        (*, *normalized_shape) → the same

    Attributes:
        weight: of shape normalized_shape, at first ones; None without.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RMSNorm([2, 3])(torch.full((2, 3), 5.0)).detach()
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        p = new_parameter(*self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", p)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Scale to one."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Scaled):
    """Normalizes each group of channels of each sample: y = (x - mean) / √(var + eps) · weight + bias.

    The variance is the biased one; scale and shift belong to channels.

    Args:
        num_groups: number of groups.
        num_channels: number of channels, divisible by `num_groups`.
        eps: added to the variance.
        affine: whether there is a learned scale.
        device, dtype: of the parameters.
        bias: whether there is a learned shift, too.

    Shape:
        (N, num_channels, *) → the same

    Attributes:
        weight: (num_channels), at first ones; None without.
        bias: (num_channels), at first zeros; None without.

    Raises:
        ValueError: `num_channels` is not divisible by `num_groups`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GroupNorm(3, 6)(torch.randn(20, 6, 10, 10)).shape
        torch.Size([20, 6, 10, 10])
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._add_scale_and_shift((num_channels,), affine, bias, device, dtype)
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


@layer
class LocalResponseNorm(Layer):
    """Divides each channel by a power of its neighbours' mean square: y = x / (k + alpha · mean(x²))^beta.

    Args:
        size: how many neighbouring channels the mean is over.
        alpha, beta, k: as in the formula.

    Shape:
        (N, C, *) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LocalResponseNorm(2)(torch.randn(32, 5, 24, 24)).shape
        torch.Size([32, 5, 24, 24])
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """`LocalResponseNorm` of images, as Caffe had it: the window is of odd size.

    Args:
        size: how many neighbouring channels the sum is over; an even number is taken for the odd one below.
        alpha, beta, k: x / (k + alpha / size · sum(x²))^beta.

    Shape:
        (N, C, H, W) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CrossMapLRN2d(3)(torch.randn(2, 5, 4, 4)).shape
        torch.Size([2, 5, 4, 4])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        window = self.size - 1 + self.size % 2
        return F.local_response_norm(input, window, self.alpha * window / self.size, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _as_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
