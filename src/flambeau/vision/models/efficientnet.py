"""EfficientNet (Tan and Le, 2019) and EfficientNet v2 (2021)."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ..ops.stochastic_depth import StochasticDepth
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import Layer, check_settings, fan_out, initialize, make_divisible

__all__ = [
    "EfficientNet",
    "EfficientNet_B0_Weights",
    "EfficientNet_B1_Weights",
    "EfficientNet_B2_Weights",
    "EfficientNet_B3_Weights",
    "EfficientNet_B4_Weights",
    "EfficientNet_B5_Weights",
    "EfficientNet_B6_Weights",
    "EfficientNet_B7_Weights",
    "EfficientNet_V2_L_Weights",
    "EfficientNet_V2_M_Weights",
    "EfficientNet_V2_S_Weights",
    "efficientnet_b0",
    "efficientnet_b1",
    "efficientnet_b2",
    "efficientnet_b3",
    "efficientnet_b4",
    "efficientnet_b5",
    "efficientnet_b6",
    "efficientnet_b7",
    "efficientnet_v2_l",
    "efficientnet_v2_m",
    "efficientnet_v2_s",
]


class _StageConfig:
    """The settings of a stage: of its first block, and the number of blocks."""

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Layer,
    ) -> None:
        self.expand_ratio = expand_ratio
        self.kernel = kernel
        self.stride = stride
        self.input_channels = input_channels
        self.out_channels = out_channels
        self.num_layers = num_layers
        self.block = block

    @property
    def expanded_channels(self) -> int:
        return make_divisible(self.input_channels * self.expand_ratio, 8)

    def after_first(self) -> _StageConfig:
        """The settings of the other blocks: they keep channels and extents."""
        rest = copy.copy(self)
        rest.input_channels, rest.stride = self.out_channels, 1
        return rest


class MBConvConfig(_StageConfig):
    """A stage of `MBConv` blocks, so many times as wide and as deep.

    >>> from flambeau.vision.models.efficientnet import MBConvConfig
    >>> stage = MBConvConfig(6, 3, 2, 16, 24, 2, width_mult=1.1, depth_mult=1.2)
    >>> stage.out_channels, stage.num_layers
    (24, 3)
    """

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        width_mult: float = 1.0,
        depth_mult: float = 1.0,
        block: Layer | None = None,
    ) -> None:
        layers = math.ceil(num_layers * depth_mult)
        channels, out = (make_divisible(c * width_mult, 8) for c in (input_channels, out_channels))
        super().__init__(expand_ratio, kernel, stride, channels, out, layers, block or MBConv)


class FusedMBConvConfig(_StageConfig):
    """A stage of `FusedMBConv` blocks.

    >>> from flambeau.vision.models.efficientnet import FusedMBConvConfig
    >>> FusedMBConvConfig(4, 3, 2, 24, 48, 4).expanded_channels
    96
    """

    def __init__(
        self,
        expand_ratio: float,
        kernel: int,
        stride: int,
        input_channels: int,
        out_channels: int,
        num_layers: int,
        block: Layer | None = None,
    ) -> None:
        settings = (expand_ratio, kernel, stride, input_channels, out_channels, num_layers)
        super().__init__(*settings, block or FusedMBConv)


class _Block(nn.Module):
    """Layers beside a shortcut, where shapes allow it; in training they may be left out."""

    def __init__(self, cnf: _StageConfig, stochastic_depth_prob: float, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ValueError(f"illegal stride value: {cnf.stride} is not 1 or 2")
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.out_channels = cnf.out_channels

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = self.block(input)
        if self.use_res_connect:
            result = self.stochastic_depth(result)
            result += input
        return result


class MBConv(_Block):
    """A depthwise convolution with squeeze-and-excitation between two that widen and narrow."""

    def __init__(
        self,
        cnf: _StageConfig,
        stochastic_depth_prob: float,
        norm_layer: Layer,
        se_layer: Layer = SqueezeExcitation,
    ) -> None:
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        channels, width = cnf.input_channels, cnf.expanded_channels
        layers: list[nn.Module] = []
        if width != channels:
            layers.append(conv(channels, width, kernel_size=1))
        layers += [
            conv(width, width, kernel_size=cnf.kernel, stride=cnf.stride, groups=width),
            se_layer(width, max(1, channels // 4), activation=partial(nn.SiLU, inplace=True)),
            conv(width, cnf.out_channels, kernel_size=1, activation_layer=None),
        ]
        super().__init__(cnf, stochastic_depth_prob, layers)


class FusedMBConv(_Block):
    """A convolution that widens, and one that narrows."""

    def __init__(self, cnf: _StageConfig, stochastic_depth_prob: float, norm_layer: Layer) -> None:
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=nn.SiLU)
        channels, width = cnf.input_channels, cnf.expanded_channels
        first = partial(conv, channels, kernel_size=cnf.kernel, stride=cnf.stride)
        if width != channels:
            layers = [first(width), conv(width, cnf.out_channels, kernel_size=1, activation_layer=None)]
        else:
            layers = [first(cnf.out_channels)]
        super().__init__(cnf, stochastic_depth_prob, layers)


def _uniform(weight: Tensor) -> None:
    bound = 1.0 / math.sqrt(weight.shape[0])
    nn.init.uniform_(weight, -bound, bound)


class EfficientNet(nn.Module):
    """Stages of `MBConv` or `FusedMBConv` blocks.

    Args:
        inverted_residual_setting: the stages.
        dropout: the probability, before the last layer.
        stochastic_depth_prob: the probability at which the last block is left out in training; it grows from
            0 at the first.
        num_classes: outputs.
        norm_layer: makes a normalisation from the number of channels.
        last_channel: channels of the last convolution; None for four times those before it.

    Shape:
        (N, 3, H, W) → (N, num_classes)

    Raises:
        ValueError: there are no stages.
        TypeError: they are no list of `MBConvConfig` and `FusedMBConvConfig`.

    >>> import flambeau as torch
    >>> from flambeau.vision.models.efficientnet import EfficientNet, MBConvConfig
    >>> model = EfficientNet([MBConvConfig(6, 3, 2, 8, 16, 1)], dropout=0.2, num_classes=10).eval()
    >>> model(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[MBConvConfig | FusedMBConvConfig],
        dropout: float,
        stochastic_depth_prob: float = 0.2,
        num_classes: int = 1000,
        norm_layer: Layer | None = None,
        last_channel: int | None = None,
    ) -> None:
        super().__init__()
        stages = inverted_residual_setting
        check_settings(stages, _StageConfig, "inverted_residual_setting")
        norm = norm_layer or nn.BatchNorm2d
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.SiLU)
        layers: list[nn.Module] = [conv(3, stages[0].input_channels, kernel_size=3, stride=2)]
        total, done = sum(stage.num_layers for stage in stages), 0
        for stage in stages:
            blocks: list[nn.Module] = []
            for i in range(stage.num_layers):
                settings = stage.after_first() if i else stage
                blocks.append(stage.block(settings, stochastic_depth_prob * float(done) / total, norm))
                done += 1
            layers.append(nn.Sequential(*blocks))
        channels = stages[-1].out_channels
        last = 4 * channels if last_channel is None else last_channel
        layers.append(conv(channels, last, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(last, num_classes))
        initialize(self, conv=fan_out, linear=_uniform)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


# ----- version 1: one table, wider and deeper -----

_B0 = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)
_norm_tf = partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)


class EfficientNet_B0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("efficientnet_b0_rwightman-7f5810bc", 5_288_548, 77.692, 93.532, bicubic=True)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B1_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b1_rwightman-bac287d4", 7_794_184, 78.642, 94.186, 240, bicubic=True
    )
    IMAGENET1K_V2 = imagenet("efficientnet_b1-c27df63c", 7_794_184, 79.838, 94.934, 240, 255)
    DEFAULT = IMAGENET1K_V2


class EfficientNet_B2_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b2_rwightman-c35c1473", 9_109_994, 80.608, 95.31, 288, 288, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B3_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b3_rwightman-b3899882", 12_233_232, 82.008, 96.054, 300, 320, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B4_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b4_rwightman-23ab8bcd", 19_341_616, 83.384, 96.594, 380, 384, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b5_lukemelas-1a07897c", 30_389_784, 83.444, 96.628, 456, 456, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B6_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b6_lukemelas-24a108a5", 43_040_704, 84.008, 96.916, 528, 528, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_B7_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_b7_lukemelas-c5b4e57e", 66_347_960, 84.122, 96.908, 600, 600, bicubic=True
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_L_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet(
        "efficientnet_v2_l-59c71312",
        118_515_272,
        85.808,
        97.788,
        480,
        480,
        min_size=33,
        bicubic=True,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_M_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("efficientnet_v2_m-dc08266a", 54_139_356, 85.112, 97.156, 480, 480, min_size=33)
    DEFAULT = IMAGENET1K_V1


class EfficientNet_V2_S_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("efficientnet_v2_s-dd5fe13b", 21_458_488, 84.228, 96.878, 384, 384, min_size=33)
    DEFAULT = IMAGENET1K_V1


def _b(
    number: int, width: float, depth: float, dropout: float, enum: type[WeightsEnum]
) -> Callable[..., EfficientNet]:
    stages = [MBConvConfig(*row, width_mult=width, depth_mult=depth) for row in _B0]
    make: Callable[..., EfficientNet] = partial(EfficientNet, stages, dropout=dropout)
    fixed: dict[str, Any] = {"norm_layer": _norm_tf} if number >= 5 else {}
    return builder(f"efficientnet_b{number}", f"EfficientNet B{number}.", enum, make, fixed)


efficientnet_b0 = _b(0, 1.0, 1.0, 0.2, EfficientNet_B0_Weights)
efficientnet_b1 = _b(1, 1.0, 1.1, 0.2, EfficientNet_B1_Weights)
efficientnet_b2 = _b(2, 1.1, 1.2, 0.3, EfficientNet_B2_Weights)
efficientnet_b3 = _b(3, 1.2, 1.4, 0.3, EfficientNet_B3_Weights)
efficientnet_b4 = _b(4, 1.4, 1.8, 0.4, EfficientNet_B4_Weights)
efficientnet_b5 = _b(5, 1.6, 2.2, 0.4, EfficientNet_B5_Weights)
efficientnet_b6 = _b(6, 1.8, 2.6, 0.5, EfficientNet_B6_Weights)
efficientnet_b7 = _b(7, 2.0, 3.1, 0.5, EfficientNet_B7_Weights)


# ----- version 2: fused blocks first -----

_norm_v2 = partial(nn.BatchNorm2d, eps=0.001)
_V2 = {  # the fused stages, and the others
    "s": (
        ((1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4)),
        ((4, 3, 2, 64, 128, 6), (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15)),
    ),
    "m": (
        ((1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5)),
        (
            (4, 3, 2, 80, 160, 7),
            (6, 3, 1, 160, 176, 14),
            (6, 3, 2, 176, 304, 18),
            (6, 3, 1, 304, 512, 5),
        ),
    ),
    "l": (
        ((1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7)),
        (
            (4, 3, 2, 96, 192, 10),
            (6, 3, 1, 192, 224, 19),
            (6, 3, 2, 224, 384, 25),
            (6, 3, 1, 384, 640, 7),
        ),
    ),
}


def _v2(size: str, dropout: float, enum: type[WeightsEnum]) -> Callable[..., EfficientNet]:
    fused, others = _V2[size]
    stages: list[MBConvConfig | FusedMBConvConfig] = [
        *(FusedMBConvConfig(*row) for row in fused),
        *(MBConvConfig(*row) for row in others),
    ]
    make: Callable[..., EfficientNet] = partial(EfficientNet, stages, dropout=dropout)
    fixed = {"norm_layer": _norm_v2, "last_channel": 1280}
    return builder(f"efficientnet_v2_{size}", f"EfficientNet v2 {size.upper()}.", enum, make, fixed)


efficientnet_v2_s = _v2("s", 0.2, EfficientNet_V2_S_Weights)
efficientnet_v2_m = _v2("m", 0.3, EfficientNet_V2_M_Weights)
efficientnet_v2_l = _v2("l", 0.4, EfficientNet_V2_L_Weights)
