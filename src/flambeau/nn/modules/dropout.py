"""Dropout: random zeros in training, nothing in evaluation."""

from __future__ import annotations

from ...core.tensor import Tensor
from .. import functional as F
from .layer import Layer, layer


@layer
class _DropoutNd(Layer):
    p: float = 0.5
    inplace: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(
                f"{type(self).__name__}: dropout probability has to be between 0 and 1, but got {self.p}"
            )
        super().__post_init__()


class Dropout(_DropoutNd):
    """In training, sets each element to zero with probability `p` and scales others by 1 / (1 - p).

    Args:
        p: the probability.
        inplace: whether to write into the input.

    Raises:
        ValueError: `p` is not in [0, 1].

    Example:
        >>> import flambeau as torch
        >>> _ = torch.manual_seed(0)
        >>> m = torch.nn.Dropout(0.5)
        >>> m(torch.ones(4)), m.eval()(torch.ones(4))
        (tensor([0., 0., 2., 0.]), tensor([1., 1., 1., 1.]))
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """In training, sets channels to zero with probability `p` and scales others by 1 / (1 - p).

    Args and errors as `Dropout`.

    Shape:
        (N, C, L) or (C, L) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Dropout1d(0.2)(torch.randn(20, 16, 32)).shape
        torch.Size([20, 16, 32])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """In training, sets channels of images to zero with probability `p` and scales others by 1 / (1 - p).

    Args and errors as `Dropout`.

    Shape:
        (N, C, H, W) or (N, C, L) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Dropout2d(0.2)(torch.randn(20, 16, 8, 8)).shape
        torch.Size([20, 16, 8, 8])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """In training, sets channels of volumes to zero with probability `p` and scales others by 1 / (1 - p).

    Args and errors as `Dropout`.

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Dropout3d(0.2)(torch.randn(2, 16, 4, 8, 8)).shape
        torch.Size([2, 16, 4, 8, 8])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance, for networks of `SELU`: it sets elements to SELU's lowest value.

    Args and errors as `Dropout`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.AlphaDropout(0.2)(torch.randn(20, 16)).shape
        torch.Size([20, 16])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(_DropoutNd):
    """`AlphaDropout` of whole channels.

    Args and errors as `Dropout`.

    Shape:
        (N, C, *) → the same

    Example:
        >>> import flambeau as torch
        >>> torch.nn.FeatureAlphaDropout(0.2)(torch.randn(20, 16, 4)).shape
        torch.Size([20, 16, 4])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
