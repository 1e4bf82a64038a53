"""SqueezeNet (Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters, 2016)."""

from __future__ import annotations

from functools import partial

import flambeau as torch

from ... import Tensor, nn
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import initialize, normal_001

__all__ = ["SqueezeNet", "SqueezeNet1_0_Weights", "SqueezeNet1_1_Weights", "squeezenet1_0", "squeezenet1_1"]

# Channels and kernel of the first convolution; then pooling (P), and Fire modules by the channels of their
# squeeze and expand layers.
_P = None
_LAYERS = {
    "1_0": (
        (96, 7),
        (_P, (16, 64), (16, 64), (32, 128), _P, (32, 128), (48, 192), (48, 192), (64, 256), _P, (64, 256)),
    ),
    "1_1": (
        (64, 3),
        (_P, (16, 64), (16, 64), _P, (32, 128), (32, 128), _P, (48, 192), (48, 192), (64, 256), (64, 256)),
    ),
}


class Fire(nn.Module):
    """A 1x1 convolution to few channels, and a 1x1 and a 3x3 convolution of these side by side."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        narrow, wide = self.expand1x1(x), self.expand3x3(x)
        return torch.cat([self.expand1x1_activation(narrow), self.expand3x3_activation(wide)], 1)


class SqueezeNet(nn.Module):
    """A small network of 1x1 and 3x3 convolutions.

    Args:
        version: "1_0", or "1_1" with less to compute.
        num_classes: outputs.
        dropout: the probability, before the last convolution.

    Shape:
        (N, 3, H, W), H and W at least 21 (17 for version 1_1) → (N, num_classes)

    Raises:
        ValueError: another version.

    >>> import flambeau as torch
    >>> torch.vision.models.SqueezeNet("1_1", num_classes=10).eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in _LAYERS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.num_classes = num_classes
        (channels, kernel), modules = _LAYERS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel, stride=2), nn.ReLU(inplace=True)]
        for module in modules:
            if module is None:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
            else:
                squeeze, expand = module
                layers.append(Fire(channels, squeeze, expand, expand))
                channels = 2 * expand
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(channels, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        initialize(self.features, conv=nn.init.kaiming_uniform_)
        initialize(self.classifier, conv=normal_001)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x)).flatten(1)
        return logits


class SqueezeNet1_0_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("squeezenet1_0-b66bff10", 1_248_424, 58.092, 80.42, min_size=21)
    DEFAULT = IMAGENET1K_V1


class SqueezeNet1_1_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("squeezenet1_1-b8a52dc0", 1_235_496, 58.178, 80.624, min_size=17)
    DEFAULT = IMAGENET1K_V1


squeezenet1_0 = builder("squeezenet1_0", "SqueezeNet 1.0.", SqueezeNet1_0_Weights, partial(SqueezeNet, "1_0"))
squeezenet1_1 = builder("squeezenet1_1", "SqueezeNet 1.1.", SqueezeNet1_1_Weights, partial(SqueezeNet, "1_1"))
