"""ConvNeXt (Liu et al., A ConvNet for the 2020s, 2022)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import flambeau as torch

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, Permute
from ..ops.stochastic_depth import StochasticDepth
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import Layer, check_settings, initialize

__all__ = [
    "ConvNeXt",
    "ConvNeXt_Base_Weights",
    "ConvNeXt_Large_Weights",
    "ConvNeXt_Small_Weights",
    "ConvNeXt_Tiny_Weights",
    "convnext_base",
    "convnext_large",
    "convnext_small",
    "convnext_tiny",
]


class LayerNorm2d(nn.LayerNorm):
    """A layer normalisation over the channels of images (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class CNBlock(nn.Module):
    """A depthwise 7x7 convolution and two linear layers over channels, scaled, beside a shortcut."""

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        norm = norm_layer or partial(nn.LayerNorm, eps=1e-6)
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim),
            Permute([0, 2, 3, 1]),
            norm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Linear(4 * dim, dim),
            Permute([0, 3, 1, 2]),
        )
        self.layer_scale = nn.Parameter(torch.ones(dim, 1, 1) * layer_scale)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = self.stochastic_depth(self.layer_scale * self.block(input))
        result += input
        return result


class CNBlockConfig:
    """A stage: its channels, those of the next stage (None for the last), and the number of blocks.

    >>> from flambeau.vision.models.convnext import CNBlockConfig
    >>> CNBlockConfig(96, 192, 3)
    CNBlockConfig(input_channels=96, out_channels=192, num_layers=3)
    """

    def __init__(self, input_channels: int, out_channels: int | None, num_layers: int) -> None:
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


class ConvNeXt(nn.Module):
    """Stages of `CNBlock`s.

    Args:
        block_setting: the stages.
        stochastic_depth_prob: the probability at which the last block is left out in training; it grows from
            0 at the first.
        layer_scale: the initial scale of what blocks add.
        num_classes: outputs.
        block: makes a block from its channels, the scale and its probability.
        norm_layer: makes a normalisation from the number of channels.

    Shape:
        (N, 3, H, W), H and W at least 32 → (N, num_classes)

    Raises:
        ValueError: there are no stages.
        TypeError: they are no list of `CNBlockConfig`.

    >>> import flambeau as torch
    >>> from flambeau.vision.models.convnext import CNBlockConfig, ConvNeXt
    >>> stages = [CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)]
    >>> ConvNeXt(stages, num_classes=10).eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        block_setting: Sequence[CNBlockConfig],
        stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
    ) -> None:
        super().__init__()
        stages = block_setting
        check_settings(stages, CNBlockConfig, "block_setting")
        make_block = block or CNBlock
        norm = norm_layer or partial(LayerNorm2d, eps=1e-6)
        width = stages[0].input_channels
        stem = Conv2dNormActivation(
            3, width, 4, stride=4, padding=0, norm_layer=norm, activation_layer=None, bias=True
        )
        layers: list[nn.Module] = [stem]
        total, done = sum(stage.num_layers for stage in stages), 0
        for stage in stages:
            width = stage.input_channels
            blocks: list[nn.Module] = []
            for _ in range(stage.num_layers):
                blocks.append(make_block(width, layer_scale, stochastic_depth_prob * done / (total - 1.0)))
                done += 1
            layers.append(nn.Sequential(*blocks))
            if stage.out_channels is not None:
                down = nn.Conv2d(width, stage.out_channels, 2, stride=2)
                layers.append(nn.Sequential(norm(width), down))
                width = stage.out_channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm(width), nn.Flatten(1), nn.Linear(width, num_classes))
        truncated = partial(nn.init.trunc_normal_, std=0.02)
        initialize(self, conv=truncated, linear=truncated)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.avgpool(self.features(x)))
        return logits


class ConvNeXt_Base_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("convnext_base-6075fbad", 88_591_464, 84.062, 96.87, 224, 232, min_size=32)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("convnext_large-ea097f82", 197_767_336, 84.414, 96.976, 224, 232, min_size=32)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("convnext_small-0c510722", 50_223_688, 83.616, 96.65, 224, 230, min_size=32)
    DEFAULT = IMAGENET1K_V1


class ConvNeXt_Tiny_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("convnext_tiny-983f1562", 28_589_128, 82.52, 96.146, 224, 236, min_size=32)
    DEFAULT = IMAGENET1K_V1


def _model(
    size: str, width: int, depth: int, drop: float, enum: type[WeightsEnum]
) -> Callable[..., ConvNeXt]:
    stages = [
        CNBlockConfig(width, 2 * width, 3),
        CNBlockConfig(2 * width, 4 * width, 3),
        CNBlockConfig(4 * width, 8 * width, depth),
        CNBlockConfig(8 * width, None, 3),
    ]
    make: Callable[..., ConvNeXt] = partial(ConvNeXt, stages, stochastic_depth_prob=drop)
    return builder(f"convnext_{size}", f"ConvNeXt, {size}.", enum, make)


convnext_tiny = _model("tiny", 96, 9, 0.1, ConvNeXt_Tiny_Weights)
convnext_small = _model("small", 96, 27, 0.4, ConvNeXt_Small_Weights)
convnext_base = _model("base", 128, 27, 0.5, ConvNeXt_Base_Weights)
convnext_large = _model("large", 192, 27, 0.5, ConvNeXt_Large_Weights)
