"""ShuffleNet v2 (Ma et al., Practical guidelines for efficient CNN architecture design, 2018)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import flambeau as torch

from ... import Tensor, nn
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import Layer

__all__ = [
    "ShuffleNetV2",
    "ShuffleNet_V2_X0_5_Weights",
    "ShuffleNet_V2_X1_0_Weights",
    "ShuffleNet_V2_X1_5_Weights",
    "ShuffleNet_V2_X2_0_Weights",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]


def _pointwise(channels: int, out: int) -> list[nn.Module]:
    return [nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def _depthwise(channels: int, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
    return [conv, nn.BatchNorm2d(channels)]


class InvertedResidual(nn.Module):
    """Half of the channels as they are (convolved, where there is a stride), half through three
    convolutions; then the channels of both halves in turn."""

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError(f"illegal stride value: {stride} is not 1, 2 or 3")
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ValueError(
                f"Invalid combination of stride {stride}, inp {inp} and oup {oup} values. "
                f"If stride == 1 then inp should be equal to oup // 2 << 1."
            )
        self.stride = stride
        self.branch1 = nn.Sequential(*(_depthwise(inp, stride) + _pointwise(inp, half) if stride > 1 else ()))
        self.branch2 = nn.Sequential(
            *_pointwise(inp if stride > 1 else half, half), *_depthwise(half, stride), *_pointwise(half, half)
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            kept, x = x.chunk(2, dim=1)
        else:
            kept = self.branch1(x)
        return nn.functional.channel_shuffle(torch.cat((kept, self.branch2(x)), dim=1), 2)


class ShuffleNetV2(nn.Module):
    """Three stages of blocks that shuffle channels.

    Args:
        stages_repeats: the number of blocks of each of the three stages.
        stages_out_channels: channels after the first convolution, the three stages, and the last convolution.
        num_classes: outputs.
        inverted_residual: makes a block from its channels and its stride.

    Shape:
        (N, 3, H, W) → (N, num_classes)

    Raises:
        ValueError: lists of other lengths.

    >>> import flambeau as torch
    >>> model = torch.vision.models.ShuffleNetV2([1, 1, 1], [24, 48, 96, 192, 64], num_classes=10).eval()
    >>> model(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        stages_repeats: Sequence[int],
        stages_out_channels: Sequence[int],
        num_classes: int = 1000,
        inverted_residual: Layer = InvertedResidual,
    ) -> None:
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError(f"expected stages_repeats as list of 3 positive ints, got {stages_repeats}")
        if len(stages_out_channels) != 5:
            raise ValueError(
                f"expected stages_out_channels as list of 5 positive ints, got {stages_out_channels}"
            )
        self._stage_out_channels = stages_out_channels
        channels, *widths, last = stages_out_channels
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, channels, 3, 2, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i, (repeats, width) in enumerate(zip(stages_repeats, widths, strict=True), 2):
            blocks = [inverted_residual(channels, width, 2)]
            blocks += [inverted_residual(width, width, 1) for _ in range(repeats - 1)]
            setattr(self, f"stage{i}", nn.Sequential(*blocks))
            channels = width
        self.conv5 = nn.Sequential(*_pointwise(channels, last))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv5(self.stage4(self.stage3(self.stage2(x))))
        logits: Tensor = self.fc(x.mean([2, 3]))
        return logits


class ShuffleNet_V2_X0_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x0.5-f707e7126e", 1_366_792, 60.552, 81.746)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x1-5666bf0f80", 2_278_604, 69.362, 88.316)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X1_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x1_5-3c479a10", 3_503_624, 72.996, 91.086, 224, 232)
    DEFAULT = IMAGENET1K_V1


class ShuffleNet_V2_X2_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("shufflenetv2_x2_0-8be3c8ee", 7_393_996, 76.23, 93.006, 224, 232)
    DEFAULT = IMAGENET1K_V1


def _model(width: str, channels: Sequence[int], enum: type[WeightsEnum]) -> Callable[..., ShuffleNetV2]:
    name = f"shufflenet_v2_x{width.replace('.', '_')}"
    return builder(
        name, f"ShuffleNet v2, {width} times as wide.", enum, partial(ShuffleNetV2, (4, 8, 4), channels)
    )


shufflenet_v2_x0_5 = _model("0.5", (24, 48, 96, 192, 1024), ShuffleNet_V2_X0_5_Weights)
shufflenet_v2_x1_0 = _model("1.0", (24, 116, 232, 464, 1024), ShuffleNet_V2_X1_0_Weights)
shufflenet_v2_x1_5 = _model("1.5", (24, 176, 352, 704, 1024), ShuffleNet_V2_X1_5_Weights)
shufflenet_v2_x2_0 = _model("2.0", (24, 244, 488, 976, 2048), ShuffleNet_V2_X2_0_Weights)
