"""MobileNet v3 (Howard et al., Searching for MobileNetV3, 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import Layer, check_settings, fan_out, initialize, make_divisible, normal_001

__all__ = [
    "MobileNetV3",
    "MobileNet_V3_Large_Weights",
    "MobileNet_V3_Small_Weights",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
]

# Channels, kernel, expanded channels, channels after it, squeeze-and-excitation, activation and stride of
# each block. The last three blocks are the tail: they may be narrower and dilated.
_LARGE = (
    (16, 3, 16, 16, False, "RE", 1),
    (16, 3, 64, 24, False, "RE", 2),
    (24, 3, 72, 24, False, "RE", 1),
    (24, 5, 72, 40, True, "RE", 2),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 5, 120, 40, True, "RE", 1),
    (40, 3, 240, 80, False, "HS", 2),
    (80, 3, 200, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 184, 80, False, "HS", 1),
    (80, 3, 480, 112, True, "HS", 1),
    (112, 3, 672, 112, True, "HS", 1),
    (112, 5, 672, 160, True, "HS", 2),
    (160, 5, 960, 160, True, "HS", 1),
    (160, 5, 960, 160, True, "HS", 1),
)
_SMALL = (
    (16, 3, 16, 16, True, "RE", 2),
    (16, 3, 72, 24, False, "RE", 2),
    (24, 3, 88, 24, False, "RE", 1),
    (24, 5, 96, 40, True, "HS", 2),
    (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 240, 40, True, "HS", 1),
    (40, 5, 120, 48, True, "HS", 1),
    (48, 5, 144, 48, True, "HS", 1),
    (48, 5, 288, 96, True, "HS", 2),
    (96, 5, 576, 96, True, "HS", 1),
    (96, 5, 576, 96, True, "HS", 1),
)


class InvertedResidualConfig:
    """The settings of one block, at a width.

    >>> import flambeau as torch
    >>> from flambeau.vision.models.mobilenetv3 import InvertedResidualConfig
    >>> InvertedResidualConfig(16, 3, 64, 24, False, "RE", 2, 1, width_mult=0.5).expanded_channels
    32
    """

    def __init__(
        self,
        input_channels: int,
        kernel: int,
        expanded_channels: int,
        out_channels: int,
        use_se: bool,
        activation: str,
        stride: int,
        dilation: int,
        width_mult: float,
    ) -> None:
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se = use_se
        self.use_hs = activation == "HS"
        self.stride = stride
        self.dilation = dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """So many times as many channels, as a multiple of 8.

        >>> from flambeau.vision.models.mobilenetv3 import InvertedResidualConfig
        >>> InvertedResidualConfig.adjust_channels(40, 0.75)
        32
        """
        return make_divisible(channels * width_mult, 8)


_Excitation = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidual(nn.Module):
    """A depthwise convolution between two that widen and narrow, with a shortcut where shapes allow it."""

    def __init__(self, cnf: InvertedResidualConfig, norm_layer: Layer, se_layer: Layer = _Excitation) -> None:
        super().__init__()
        if cnf.stride not in (1, 2):
            raise ValueError(f"illegal stride value: {cnf.stride} is not 1 or 2")
        activation = nn.Hardswish if cnf.use_hs else nn.ReLU
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation)
        width = cnf.expanded_channels
        layers: list[nn.Module] = []
        if width != cnf.input_channels:
            layers.append(conv(cnf.input_channels, width, kernel_size=1))
        stride = 1 if cnf.dilation > 1 else cnf.stride
        layers.append(
            conv(width, width, kernel_size=cnf.kernel, stride=stride, dilation=cnf.dilation, groups=width)
        )
        if cnf.use_se:
            layers.append(se_layer(width, make_divisible(width // 4, 8)))
        layers.append(conv(width, cnf.out_channels, kernel_size=1, activation_layer=None))
        self.block = nn.Sequential(*layers)
        self.use_res_connect = cnf.stride == 1 and cnf.input_channels == cnf.out_channels
        self.out_channels = cnf.out_channels
        self._is_cn = cnf.stride > 1

    def forward(self, input: Tensor) -> Tensor:
        result: Tensor = self.block(input)
        if self.use_res_connect:
            result += input
        return result


class MobileNetV3(nn.Module):
    """Inverted residual blocks, some with squeeze-and-excitation.

    Args:
        inverted_residual_setting: the blocks.
        last_channel: features before the last layer.
        num_classes: outputs.
        block: makes a block from its settings and the normalisation.
        norm_layer: makes a normalisation from the number of channels.
        dropout: the probability, before the last layer.

    Shape:
        (N, 3, H, W) → (N, num_classes)

    Raises:
        ValueError: there are no blocks.
        TypeError: they are no list of `InvertedResidualConfig`.

    >>> import flambeau as torch
    >>> from flambeau.vision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
    >>> blocks = [InvertedResidualConfig(16, 3, 64, 24, False, "RE", 2, 1, width_mult=1.0)]
    >>> MobileNetV3(blocks, 32, num_classes=10).eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        inverted_residual_setting: Sequence[InvertedResidualConfig],
        last_channel: int,
        num_classes: int = 1000,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        blocks = inverted_residual_setting
        check_settings(blocks, InvertedResidualConfig, "inverted_residual_setting")
        make_block = block or InvertedResidual
        norm = norm_layer or partial(nn.BatchNorm2d, eps=0.001, momentum=0.01)
        conv = partial(Conv2dNormActivation, norm_layer=norm, activation_layer=nn.Hardswish)
        first, last = blocks[0].input_channels, blocks[-1].out_channels
        self.features = nn.Sequential(
            conv(3, first, kernel_size=3, stride=2),
            *(make_block(cnf, norm) for cnf in blocks),
            conv(last, 6 * last, kernel_size=1),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * last, last_channel),
            nn.Hardswish(inplace=True),
            nn.Dropout(dropout, inplace=True),
            nn.Linear(last_channel, num_classes),
        )
        initialize(self, conv=fan_out, linear=normal_001)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def _blocks(
    table: Sequence[tuple[Any, ...]], width_mult: float, reduced_tail: bool, dilated: bool
) -> list[InvertedResidualConfig]:
    divider = 2 if reduced_tail else 1
    blocks = []
    for i, (channels, kernel, expanded, out, excite, activation, stride) in enumerate(table):
        tail = i - (len(table) - 3)  # 0 for the block that leads into it
        if tail >= 0:
            out //= divider
        if tail > 0:
            channels, expanded = channels // divider, expanded // divider
        dilation = 2 if dilated and tail >= 0 else 1
        shape = (channels, kernel, expanded, out)
        how = (excite, activation, stride, dilation)
        blocks.append(InvertedResidualConfig(*shape, *how, width_mult))
    return blocks


def _mobilenet_v3(
    table: Sequence[tuple[Any, ...]],
    last_channel: int,
    width_mult: float = 1.0,
    reduced_tail: bool = False,
    dilated: bool = False,
    **kwargs: Any,
) -> MobileNetV3:
    blocks = _blocks(table, width_mult, reduced_tail, dilated)
    last = InvertedResidualConfig.adjust_channels(last_channel // (2 if reduced_tail else 1), width_mult)
    return MobileNetV3(blocks, last, **kwargs)


class MobileNet_V3_Large_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mobilenet_v3_large-8738ca79", 5_483_032, 74.042, 91.34)
    IMAGENET1K_V2 = imagenet("mobilenet_v3_large-5c1a4163", 5_483_032, 75.274, 92.566, 224, 232)
    DEFAULT = IMAGENET1K_V2


class MobileNet_V3_Small_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mobilenet_v3_small-047dcff4", 2_542_856, 67.668, 87.402)
    DEFAULT = IMAGENET1K_V1


mobilenet_v3_large: Callable[..., MobileNetV3] = builder(
    "mobilenet_v3_large",
    "MobileNet v3, large. `width_mult` makes it wider, `reduced_tail` narrower at the end; `dilated` has "
    "dilation there instead of a stride.",
    MobileNet_V3_Large_Weights,
    partial(_mobilenet_v3, _LARGE, 1280),
)
mobilenet_v3_small: Callable[..., MobileNetV3] = builder(
    "mobilenet_v3_small",
    "MobileNet v3, small. `width_mult` makes it wider, `reduced_tail` narrower at the end; `dilated` has "
    "dilation there instead of a stride.",
    MobileNet_V3_Small_Weights,
    partial(_mobilenet_v3, _SMALL, 1024),
)
