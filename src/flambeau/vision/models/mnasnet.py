"""MNASNet (Tan et al., MnasNet: platform-aware neural architecture search for mobile, 2019)."""

from __future__ import annotations

import warnings
from functools import partial
from itertools import pairwise
from typing import Any

from ... import Tensor, nn
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import fan_out, initialize, make_divisible

__all__ = [
    "MNASNet",
    "MNASNet0_5_Weights",
    "MNASNet0_75_Weights",
    "MNASNet1_0_Weights",
    "MNASNet1_3_Weights",
    "mnasnet0_5",
    "mnasnet0_75",
    "mnasnet1_0",
    "mnasnet1_3",
]

_CHANNELS = (32, 16, 24, 40, 80, 96, 192, 320)  # at width 1: of the stem, and of the stacks
# kernel, stride, expansion and number of blocks of each stack
_STACKS = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))

_norm = partial(nn.BatchNorm2d, momentum=1 - 0.9997)  # the momentum is TensorFlow's


class _InvertedResidual(nn.Module):
    """A depthwise convolution between two that widen and narrow, with a shortcut where shapes allow it."""

    def __init__(self, in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion_factor: int) -> None:
        super().__init__()
        mid_ch = in_ch * expansion_factor
        self.apply_residual = in_ch == out_ch and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(in_ch, mid_ch, 1, bias=False),
            _norm(mid_ch),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_ch, mid_ch, kernel_size, stride, kernel_size // 2, groups=mid_ch, bias=False),
            _norm(mid_ch),
            nn.ReLU(inplace=True),
            nn.Conv2d(mid_ch, out_ch, 1, bias=False),
            _norm(out_ch),
        )

    def forward(self, input: Tensor) -> Tensor:
        out: Tensor = self.layers(input)
        return out + input if self.apply_residual else out


def _stack(
    in_ch: int, out_ch: int, kernel_size: int, stride: int, expansion: int, repeats: int
) -> nn.Sequential:
    first = _InvertedResidual(in_ch, out_ch, kernel_size, stride, expansion)
    rest = [_InvertedResidual(out_ch, out_ch, kernel_size, 1, expansion) for _ in range(1, repeats)]
    return nn.Sequential(first, *rest)


def _stem(width: int, out: int) -> list[nn.Module]:
    return [
        nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False),
        _norm(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
        _norm(width),
        nn.ReLU(inplace=True),
        nn.Conv2d(width, out, 1, bias=False),
        _norm(out),
    ]


class MNASNet(nn.Module):
    """Stacks of inverted residual blocks.

    Args:
        alpha: how many times as wide as MNASNet-B1 it is.
        num_classes: outputs.
        dropout: the probability, before the last layer.

    Shape:
        (N, 3, H, W) → (N, num_classes)

    Raises:
        ValueError: `alpha` is not positive.

    >>> import flambeau as torch
    >>> torch.vision.models.MNASNet(0.5, num_classes=10).eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    _version = 2  # in version 1 the stem did not become wider

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha = alpha
        self.num_classes = num_classes
        stem, *widths = self._channels()
        layers = _stem(stem, widths[0])
        for (channels, out), settings in zip(pairwise(widths), _STACKS, strict=True):
            layers.append(_stack(channels, out, *settings))
        layers += [nn.Conv2d(widths[-1], 1280, 1, bias=False), _norm(1280), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout, inplace=True), nn.Linear(1280, num_classes))
        uniform = partial(nn.init.kaiming_uniform_, mode="fan_out", nonlinearity="sigmoid")
        initialize(self, conv=fan_out, linear=uniform)

    def _channels(self) -> list[int]:
        return [make_divisible(channels * self.alpha, 8) for channels in _CHANNELS]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.layers(x).mean([2, 3]))
        return logits

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        version = local_metadata.get("version")
        if version not in (1, 2):
            raise ValueError(f"MNASNet: the state dict's version should be 1 or 2 instead of {version}")
        if version == 1 and self.alpha != 1.0:
            stack = _stack(16, self._channels()[2], *_STACKS[0])
            for i, layer in enumerate([*_stem(32, 16), stack]):
                self.layers[i] = layer
            self._version = 1
            warnings.warn(
                "A new version of MNASNet model has been implemented. Your checkpoint was saved using the "
                "previous version; the model was changed to what it was then.",
                UserWarning,
                stacklevel=2,
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class MNASNet0_5_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mnasnet0.5_top1_67.823-3ffadce67e", 2_218_512, 67.734, 87.49)
    DEFAULT = IMAGENET1K_V1


class MNASNet0_75_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mnasnet0_75-7090bc5f", 3_170_208, 71.18, 90.496, 224, 232)
    DEFAULT = IMAGENET1K_V1


class MNASNet1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mnasnet1.0_top1_73.512-f206786ef8", 4_383_312, 73.456, 91.51)
    DEFAULT = IMAGENET1K_V1


class MNASNet1_3_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("mnasnet1_3-a4c69d6f", 6_282_256, 76.506, 93.522, 224, 232)
    DEFAULT = IMAGENET1K_V1


mnasnet0_5 = builder("mnasnet0_5", "MNASNet, half as wide.", MNASNet0_5_Weights, partial(MNASNet, 0.5))
mnasnet0_75 = builder(
    "mnasnet0_75", "MNASNet, 0.75 times as wide.", MNASNet0_75_Weights, partial(MNASNet, 0.75)
)
mnasnet1_0 = builder("mnasnet1_0", "MNASNet-B1.", MNASNet1_0_Weights, partial(MNASNet, 1.0))
mnasnet1_3 = builder("mnasnet1_3", "MNASNet, 1.3 times as wide.", MNASNet1_3_Weights, partial(MNASNet, 1.3))
