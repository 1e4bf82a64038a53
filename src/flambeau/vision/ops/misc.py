"""Blocks of layers that many vision models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

__all__ = [
    "MLP",
    "Conv2d",
    "Conv2dNormActivation",
    "Conv3dNormActivation",
    "ConvNormActivation",
    "ConvTranspose2d",
    "FrozenBatchNorm2d",
    "Permute",
    "SqueezeExcitation",
    "interpolate",
]

Layer = Callable[..., nn.Module]
Sizes = int | tuple[int, ...]

Conv2d = nn.Conv2d
ConvTranspose2d = nn.ConvTranspose2d
BatchNorm2d = nn.BatchNorm2d
interpolate = nn.functional.interpolate


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation whose statistics and weights are constants (buffers).

    Args:
        num_features: channels.
        eps: added to the variance.

    Shape:
        (N, C, H, W) → the same

    >>> import flambeau as torch
    >>> layer = torch.vision.ops.FrozenBatchNorm2d(2, eps=0.0)
    >>> layer.running_mean.fill_(3.0); layer(torch.ones(1, 2, 1, 1)).flatten()
    tensor([3., 3.])
    tensor([-2., -2.])
    """

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.pop(prefix + "num_batches_tracked", None)  # what a BatchNorm2d has beside these
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


def _same_padding(kernel_size: Sizes, dilation: Sizes) -> Sizes:
    """What keeps the extents at stride 1, for odd kernels."""
    if isinstance(kernel_size, int) and isinstance(dilation, int):
        return (kernel_size - 1) // 2 * dilation
    n = len(kernel_size) if isinstance(kernel_size, Sequence) else len(dilation)  # type: ignore[arg-type]
    kernels = (kernel_size,) * n if isinstance(kernel_size, int) else tuple(kernel_size)
    dilations = (dilation,) * n if isinstance(dilation, int) else tuple(dilation)
    return tuple((k - 1) // 2 * d for k, d in zip(kernels, dilations, strict=True))


class ConvNormActivation(nn.Sequential):
    """A convolution, a normalisation and an activation; the last two can be left out with None."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes = 3,
        stride: Sizes = 1,
        padding: Sizes | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm2d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: Sizes = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
        conv_layer: Layer = nn.Conv2d,
    ) -> None:
        layers = [
            conv_layer(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                _same_padding(kernel_size, dilation) if padding is None else padding,
                dilation=dilation,
                groups=groups,
                bias=norm_layer is None if bias is None else bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**_inplace(inplace)))
        super().__init__(*layers)
        self.out_channels = out_channels


def _inplace(inplace: bool | None) -> dict[str, bool]:
    """The keyword argument of that name; none for None, since not every layer takes one."""
    return {} if inplace is None else {"inplace": inplace}


class Conv2dNormActivation(ConvNormActivation):
    """`Conv2d`, a normalisation and an activation, one after the other.

    Args:
        in_channels, out_channels, kernel_size, stride, groups, dilation: those of the convolution.
        padding: its padding; None keeps the extents at stride 1.
        norm_layer: makes the normalisation from `out_channels`; None for none.
        activation_layer: makes the activation; None for none.
        inplace: passed to the activation, unless it is None.
        bias: the convolution's; None stands for "if there is no normalisation".

    >>> import flambeau as torch
    >>> block = torch.vision.ops.Conv2dNormActivation(3, 8, stride=2)
    >>> block(torch.zeros(1, 3, 8, 8)).shape, block[0].bias is None
    (torch.Size([1, 8, 4, 4]), True)
    """


class Conv3dNormActivation(ConvNormActivation):
    """`Conv3d`, a normalisation and an activation: arguments as `Conv2dNormActivation`.

    >>> import flambeau as torch
    >>> block = torch.vision.ops.Conv3dNormActivation(3, 4)
    >>> block(torch.zeros(1, 3, 2, 4, 4)).shape
    torch.Size([1, 4, 2, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes = 3,
        stride: Sizes = 1,
        padding: Sizes | str | None = None,
        groups: int = 1,
        norm_layer: Layer | None = nn.BatchNorm3d,
        activation_layer: Layer | None = nn.ReLU,
        dilation: Sizes = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            groups,
            norm_layer,
            activation_layer,
            dilation,
            inplace,
            bias,
            nn.Conv3d,
        )


class SqueezeExcitation(nn.Module):
    """Channels scaled by what a small network makes of their means (Hu et al., Squeeze-and-excitation
    networks, 2018).

    Args:
        input_channels: C.
        squeeze_channels: channels between the network's two layers.
        activation: makes the activation between them.
        scale_activation: makes the one that gives the scales.

    Shape:
        (N, C, H, W) → the same

    >>> import flambeau as torch
    >>> torch.vision.ops.SqueezeExcitation(8, 2)(torch.ones(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Layer = nn.ReLU,
        scale_activation: Layer = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        squeezed = self.activation(self.fc1(self.avgpool(input)))
        scale: Tensor = self.scale_activation(self.fc2(squeezed))
        return scale * input


class MLP(nn.Sequential):
    """Linear layers with activations in between, each followed by dropout.

    Args:
        in_channels: features of the input.
        hidden_channels: features after each linear layer; the last are the output's.
        norm_layer: makes a normalisation from the number of features, after all linear layers but the last.
        activation_layer: makes the activations.
        inplace: passed to activations and dropouts, unless it is None.
        bias: whether linear layers have one.
        dropout: the probability.

    >>> import flambeau as torch
    >>> torch.vision.ops.MLP(4, [8, 2])(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: Sequence[int],
        norm_layer: Layer | None = None,
        activation_layer: Layer | None = nn.ReLU,
        inplace: bool | None = None,
        bias: bool = True,
        dropout: float = 0.0,
    ) -> None:
        given = _inplace(inplace)
        layers: list[nn.Module] = []
        features = in_channels
        for i, hidden in enumerate(hidden_channels):
            layers.append(nn.Linear(features, hidden, bias=bias))
            if i < len(hidden_channels) - 1:
                if norm_layer is not None:
                    layers.append(norm_layer(hidden))
                if activation_layer is not None:
                    layers.append(activation_layer(**given))
            layers.append(nn.Dropout(dropout, **given))
            features = hidden
        super().__init__(*layers)


class Permute(nn.Module):
    """The module of `Tensor.permute`.

    >>> import flambeau as torch
    >>> torch.vision.ops.Permute([0, 2, 1])(torch.ones(1, 2, 3)).shape
    torch.Size([1, 3, 2])
    """

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return torch.permute(x, self.dims)
