"""MaxViT (Tu et al., MaxViT: multi-axis vision transformer, 2022)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

import flambeau as torch

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._api import WeightsEnum
from ._builder import Settings, builder, fix, imagenet, with_classes
from ._utils import Layer, initialize, relative_position_index

__all__ = ["MaxVit", "MaxVit_T_Weights", "maxvit_t"]

Extents = tuple[int, int]


def _halved(size: Extents) -> Extents:
    """The extents after a 3x3 convolution with stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


class MBConv(nn.Module):
    """A depthwise convolution with squeeze-and-excitation between two others, beside a shortcut."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion_ratio: float,
        squeeze_ratio: float,
        stride: int,
        activation_layer: Layer,
        norm_layer: Layer,
        p_stochastic_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        shortcut: list[nn.Module] = []
        if stride != 1 or in_channels != out_channels:
            if stride == 2:
                shortcut.append(nn.AvgPool2d(3, stride=stride, padding=1))
            shortcut.append(nn.Conv2d(in_channels, out_channels, 1))
        self.proj = nn.Sequential(*shortcut) if shortcut else nn.Identity()
        p = p_stochastic_dropout
        self.stochastic_depth = StochasticDepth(p, "row") if p else nn.Identity()
        width, squeezed = int(out_channels * expansion_ratio), int(out_channels * squeeze_ratio)
        conv = partial(
            Conv2dNormActivation, activation_layer=activation_layer, norm_layer=norm_layer, inplace=None
        )
        self.layers = nn.Sequential()
        self.layers.add_module("pre_norm", norm_layer(in_channels))
        self.layers.add_module("conv_a", conv(in_channels, width, 1))
        self.layers.add_module("conv_b", conv(width, width, 3, stride, groups=width))
        excitation = SqueezeExcitation(width, squeezed, activation=nn.SiLU)
        self.layers.add_module("squeeze_excitation", excitation)
        self.layers.add_module("conv_c", nn.Conv2d(width, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(x) + self.stochastic_depth(self.layers(x))
        return out


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention among the places of each partition, with a bias that depends on how they lie to each other.

    Shape:
        (N, partitions, places, feat_dim) → the same
    """

    relative_position_index: Tensor

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim != 0:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads, self.head_dim = feat_dim // head_dim, head_dim
        self.max_seq_len, self.size = max_seq_len, math.isqrt(max_seq_len)
        self.to_qkv = nn.Linear(feat_dim, 3 * feat_dim)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(feat_dim, feat_dim)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * self.size - 1) ** 2, self.n_heads))
        self.register_buffer("relative_position_index", relative_position_index(self.size, self.size))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def get_relative_positional_bias(self) -> Tensor:
        return self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, partitions, places, features = x.shape
        qkv = self.to_qkv(x).reshape(n, partitions, places, 3, self.n_heads, self.head_dim)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
        scores = q @ (k * self.scale_factor).transpose(-2, -1) + self.get_relative_positional_bias()
        out = (scores.softmax(-1) @ v).transpose(2, 3).reshape(n, partitions, places, features)
        merged: Tensor = self.merge(out)
        return merged


class PartitionAttentionLayer(nn.Module):
    """Attention and two linear layers in partitions of an image: windows, or grids of places far apart.

    Shape:
        (N, in_channels, *grid_size) → the same

    Raises:
        ValueError: another type of partition.
        AssertionError: the extents are no multiple of those of partitions.
    """

    def __init__(
        self,
        in_channels: int,
        head_dim: int,
        partition_size: int,
        partition_type: str,
        grid_size: Extents,
        mlp_ratio: int,
        activation_layer: Layer,
        norm_layer: Layer,
        attention_dropout: float,
        mlp_dropout: float,
        p_stochastic_dropout: float,
    ) -> None:
        super().__init__()
        if partition_type not in ("grid", "window"):
            raise ValueError(f"partition_type must be either 'grid' or 'window', got {partition_type!r}")
        self.partition_type = partition_type
        self.grid_size = grid_size
        self.p = partition_size if partition_type == "window" else grid_size[0] // partition_size
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels),
            nn.Linear(in_channels, in_channels * mlp_ratio),
            activation_layer(),
            nn.Linear(in_channels * mlp_ratio, in_channels),
            nn.Dropout(mlp_dropout),
        )
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, "row")

    def forward(self, x: Tensor) -> Tensor:
        (height, width), p = self.grid_size, self.p
        if height % p or width % p:
            raise AssertionError(
                f"Grid size must be divisible by partition size. Got grid size of {self.grid_size} and "
                f"partition size of {p}"
            )
        n, channels = x.shape[:2]
        rows, columns = height // p, width // p
        x = x.reshape(n, channels, rows, p, columns, p)
        if self.partition_type == "window":  # what is next to each other
            x = x.permute(0, 2, 4, 3, 5, 1).reshape(n, rows * columns, p * p, channels)
        else:  # what is p apart
            x = x.permute(0, 3, 5, 2, 4, 1).reshape(n, p * p, rows * columns, channels)
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        if self.partition_type == "window":
            x = x.reshape(n, rows, columns, p, p, channels).permute(0, 5, 1, 3, 2, 4)
        else:
            x = x.reshape(n, p, p, rows, columns, channels).permute(0, 5, 3, 1, 4, 2)
        return x.reshape(n, channels, height, width)


class MaxVitLayer(nn.Module):
    """A `MBConv`, attention in windows and attention in grids.

    Args:
        in_channels, out_channels, stride: of the `MBConv`.
        grid_size: the extents after it.
        p_stochastic_dropout: the probability at which each part is left out in training.
        convs, attention: the other settings of the `MBConv` and of the attention layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        grid_size: Extents,
        p_stochastic_dropout: float,
        convs: dict[str, Any],
        attention: dict[str, Any],
    ) -> None:
        super().__init__()
        drop: dict[str, Any] = {"p_stochastic_dropout": p_stochastic_dropout}
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        layers["MBconv"] = MBConv(in_channels, out_channels, stride=stride, **convs, **drop)
        for kind in ("window", "grid"):
            layers[f"{kind}_attention"] = PartitionAttentionLayer(
                out_channels, partition_type=kind, grid_size=grid_size, **attention, **drop
            )
        self.layers = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class MaxVitBlock(nn.Module):
    """Layers, the first of which halves the extents."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        grid_size: Extents,
        p_stochastic: Sequence[float],
        convs: dict[str, Any],
        attention: dict[str, Any],
    ) -> None:
        super().__init__()
        self.grid_size = grid_size
        self.layers = nn.ModuleList()
        for i, p in enumerate(p_stochastic):
            channels, stride = (out_channels, 1) if i else (in_channels, 2)
            self.layers.append(MaxVitLayer(channels, out_channels, stride, grid_size, p, convs, attention))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class MaxVit(nn.Module):
    """Blocks of convolutions and attention, in windows and in grids.

    Args:
        input_size: the extents of images.
        stem_channels: channels of the first two convolutions.
        partition_size: the extents of windows and grids.
        block_channels, block_layers: channels and number of layers of each block.
        head_dim: features of a head of attention.
        stochastic_depth_prob: the probability at which the last layer is left out in training; it grows from
            0 at the first.
        norm_layer: makes a normalisation from the number of channels.
        activation_layer: makes an activation.
        squeeze_ratio, expansion_ratio: channels in squeeze-and-excitation, and in convolutions, as a share.
        mlp_ratio: how many times as many features there are between two linear layers.
        mlp_dropout, attention_dropout: probabilities.
        num_classes: outputs.

    Shape:
        (N, 3, *input_size) → (N, num_classes)

    Raises:
        ValueError: extents that can't be cut into partitions.

    >>> import flambeau as torch
    >>> model = torch.vision.models.MaxVit((32, 32), 8, 2, [8, 16], [1, 1], 4, 0.1, num_classes=10).eval()
    >>> model(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        input_size: Extents,
        stem_channels: int,
        partition_size: int,
        block_channels: Sequence[int],
        block_layers: Sequence[int],
        head_dim: int,
        stochastic_depth_prob: float,
        norm_layer: Layer | None = None,
        activation_layer: Layer = nn.GELU,
        squeeze_ratio: float = 0.25,
        expansion_ratio: float = 4,
        mlp_ratio: int = 4,
        mlp_dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.BatchNorm2d, eps=1e-3, momentum=0.99)
        sizes = _block_sizes(input_size, len(block_channels), partition_size)
        conv = partial(
            Conv2dNormActivation, norm_layer=norm, activation_layer=activation_layer, inplace=None, bias=True
        )
        self.stem = nn.Sequential(
            conv(3, stem_channels, 3, stride=2, bias=False),
            conv(stem_channels, stem_channels, 3, norm_layer=None, activation_layer=None),
        )
        self.partition_size = partition_size
        shared: dict[str, Any] = {"activation_layer": activation_layer}
        convs = shared | {
            "expansion_ratio": expansion_ratio,
            "squeeze_ratio": squeeze_ratio,
            "norm_layer": norm,
        }
        attention = shared | {
            "head_dim": head_dim,
            "partition_size": partition_size,
            "mlp_ratio": mlp_ratio,
            "norm_layer": nn.LayerNorm,
            "attention_dropout": attention_dropout,
            "mlp_dropout": mlp_dropout,
        }
        total = sum(block_layers)
        drops = iter([stochastic_depth_prob * i / max(total - 1, 1) for i in range(total)])
        self.blocks = nn.ModuleList()
        channels = stem_channels
        for size, out, layers in zip(sizes, block_channels, block_layers, strict=True):
            p = [next(drops) for _ in range(layers)]
            self.blocks.append(MaxVitBlock(channels, out, size, p, convs, attention))
            channels = out
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.Tanh(),
            nn.Linear(channels, num_classes, bias=False),
        )
        normal = partial(nn.init.normal_, std=0.02)
        initialize(self, conv=normal, linear=normal)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.classifier(x)
        return logits


def _block_sizes(input_size: Extents, blocks: int, partition_size: int) -> list[Extents]:
    """The extents after each block."""
    sizes = []
    size = _halved(input_size)
    for _ in range(blocks):
        size = _halved(size)
        sizes.append(size)
    for i, size in enumerate(sizes):
        if size[0] % partition_size or size[1] % partition_size:
            raise ValueError(
                f"Input size {size} of block {i} is not divisible by partition size {partition_size}. "
                f"Consider changing the partition size or the input size. "
                f"Current configuration yields the following block input sizes: {sizes}."
            )
    return sizes


def _with_weights(settings: Settings, weights: WeightsEnum) -> None:
    with_classes(settings, weights)
    fix(settings, "input_size", weights.meta["min_size"])


def _maxvit(input_size: Extents = (224, 224), **kwargs: Any) -> MaxVit:
    return MaxVit(input_size, **kwargs)


class MaxVit_T_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "maxvit_t-bc5ab103", 30_919_624, 83.7, 96.722, 224, 224, min_size=224, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


maxvit_t = builder(
    "maxvit_t",
    "MaxViT, T.",
    MaxVit_T_Weights,
    _maxvit,
    {
        "stem_channels": 64,
        "partition_size": 7,
        "block_channels": [64, 128, 256, 512],
        "block_layers": [2, 2, 5, 2],
        "head_dim": 32,
        "stochastic_depth_prob": 0.2,
    },
    with_weights=_with_weights,
)
