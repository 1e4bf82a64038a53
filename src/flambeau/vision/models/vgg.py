"""VGG (Simonyan and Zisserman, Very deep convolutional networks for large-scale image recognition, 2015)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import nan
from typing import Any

from ... import Tensor, nn
from ._api import WeightsEnum
from ._builder import Settings, builder, imagenet, with_classes
from ._utils import fan_out, initialize, normal_001

__all__ = [
    "VGG",
    "VGG11_BN_Weights",
    "VGG11_Weights",
    "VGG13_BN_Weights",
    "VGG13_Weights",
    "VGG16_BN_Weights",
    "VGG16_Weights",
    "VGG19_BN_Weights",
    "VGG19_Weights",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]

_CHANNELS = (64, 128, 256, 512, 512)  # of the five stages; a pooling follows each
_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


class VGG(nn.Module):
    """Convolutions, and three linear layers.

    Args:
        features: the convolutions, with 512 channels at the end.
        num_classes: outputs.
        init_weights: whether weights get the initial values of this model, instead of those of their layers.
        dropout: the probability, after the first two linear layers.

    Shape:
        (N, 3, H, W), H and W at least 32 → (N, num_classes)

    >>> import flambeau as torch
    >>> torch.vision.models.VGG(torch.nn.Identity(), num_classes=2).classifier[6]
    Linear(in_features=4096, out_features=2, bias=True)
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            initialize(self, conv=fan_out, linear=normal_001)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return logits


def _features(depth: int, batch_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for width, repeats in zip(_CHANNELS, _DEPTHS[depth], strict=True):
        for _ in range(repeats):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*layers)


def _vgg(depth: int, batch_norm: bool, **kwargs: Any) -> VGG:
    return VGG(_features(depth, batch_norm), **kwargs)


def _with_weights(settings: Settings, weights: WeightsEnum) -> None:
    settings["init_weights"] = False
    with_classes(settings, weights)


class VGG11_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg11-8a719046", 132_863_336, 69.02, 88.628, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG11_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg11_bn-6002323d", 132_868_840, 70.37, 89.81, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG13_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg13-19584684", 133_047_848, 69.928, 89.246, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG13_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg13_bn-abd245e5", 133_053_736, 71.586, 90.374, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG16_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg16-397923af", 138_357_544, 71.592, 90.382, min_size=32)
    IMAGENET1K_FEATURES = imagenet(
        "vgg16_features-amdegroot-88682ab5",
        138_357_544,
        nan,
        nan,
        min_size=32,
        labelled=False,
        mean=(0.48235, 0.45882, 0.40784),
        std=(0.00392156862745098, 0.00392156862745098, 0.00392156862745098),
    )
    DEFAULT = IMAGENET1K_V1


class VGG16_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg16_bn-6c64b313", 138_365_992, 73.36, 91.516, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG19_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg19-dcbb9e9d", 143_667_240, 72.376, 90.876, min_size=32)
    DEFAULT = IMAGENET1K_V1


class VGG19_BN_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("vgg19_bn-c79401a0", 143_678_248, 74.218, 91.842, min_size=32)
    DEFAULT = IMAGENET1K_V1


def _model(name: str, depth: int, batch_norm: bool, enum: type[WeightsEnum]) -> Callable[..., VGG]:
    doc = f"VGG with {depth} layers" + (" and batch normalisation." if batch_norm else ".")
    return builder(name, doc, enum, partial(_vgg, depth, batch_norm), with_weights=_with_weights)


vgg11 = _model("vgg11", 11, False, VGG11_Weights)
vgg11_bn = _model("vgg11_bn", 11, True, VGG11_BN_Weights)
vgg13 = _model("vgg13", 13, False, VGG13_Weights)
vgg13_bn = _model("vgg13_bn", 13, True, VGG13_BN_Weights)
vgg16 = _model("vgg16", 16, False, VGG16_Weights)
vgg16_bn = _model("vgg16_bn", 16, True, VGG16_BN_Weights)
vgg19 = _model("vgg19", 19, False, VGG19_Weights)
vgg19_bn = _model("vgg19_bn", 19, True, VGG19_BN_Weights)
