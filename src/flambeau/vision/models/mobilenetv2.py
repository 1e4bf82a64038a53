"""MobileNet v2 (Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, 2018)."""

from __future__ import annotations

from collections.abc import Sequence

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import Layer, fan_out, initialize, make_divisible, normal_001

__all__ = ["MobileNetV2", "MobileNet_V2_Weights", "mobilenet_v2"]

# expansion, channels, number of blocks and first stride of each stage
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """A depthwise convolution between two that widen and narrow, with a shortcut where shapes allow it."""

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: float, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        norm = norm_layer or nn.BatchNorm2d
        hidden = round(inp * expand_ratio)
        layers: list[nn.Module] = []
        if expand_ratio != 1:
            layers.append(Conv2dNormActivation(inp, hidden, 1, norm_layer=norm, activation_layer=nn.ReLU6))
        layers += [
            Conv2dNormActivation(
                hidden, hidden, stride=stride, groups=hidden, norm_layer=norm, activation_layer=nn.ReLU6
            ),
            nn.Conv2d(hidden, oup, 1, bias=False),
            norm(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        self.out_channels = oup
        self._is_cn = stride > 1

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return x + out if self.use_res_connect else out


class MobileNetV2(nn.Module):
    """Stages of inverted residual blocks.

    Args:
        num_classes: outputs.
        width_mult: how many times as wide it is.
        inverted_residual_setting: expansion, channels, number of blocks and first stride of each stage.
        round_nearest: what numbers of channels are multiples of.
        block: makes a block.
        norm_layer: makes a normalisation from the number of channels.
        dropout: the probability, before the last layer.

    Shape:
        (N, 3, H, W) → (N, num_classes)

    Raises:
        ValueError: the settings are empty, or not of four numbers.

    >>> import flambeau as torch
    >>> torch.vision.models.MobileNetV2(10, width_mult=0.25).eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Layer | None = None,
        norm_layer: Layer | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        block = block or InvertedResidual
        norm = norm_layer or nn.BatchNorm2d
        stages = _STAGES if inverted_residual_setting is None else inverted_residual_setting
        if len(stages) == 0 or len(stages[0]) != 4:
            raise ValueError(
                f"inverted_residual_setting should be non-empty or a 4-element list, got {stages}"
            )
        channels = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [
            Conv2dNormActivation(3, channels, stride=2, norm_layer=norm, activation_layer=nn.ReLU6)
        ]
        for expansion, width, repeats, stride in stages:
            out = make_divisible(width * width_mult, round_nearest)
            for i in range(repeats):
                step = stride if i == 0 else 1
                features.append(block(channels, out, step, expand_ratio=expansion, norm_layer=norm))
                channels = out
        features.append(
            Conv2dNormActivation(channels, self.last_channel, 1, norm_layer=norm, activation_layer=nn.ReLU6)
        )
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.last_channel, num_classes))
        initialize(self, conv=fan_out, linear=normal_001)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


class MobileNet_V2_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mobilenet_v2-b0353104", 3_504_872, 71.878, 90.286)
    IMAGENET1K_V2 = imagenet("mobilenet_v2-7ebf99e0", 3_504_872, 72.154, 90.822, 224, 232)
    DEFAULT = IMAGENET1K_V2


mobilenet_v2 = builder("mobilenet_v2", "MobileNet v2.", MobileNet_V2_Weights, MobileNetV2)
