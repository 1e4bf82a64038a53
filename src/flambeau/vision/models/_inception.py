"""What GoogLeNet and Inception v3 share."""

from __future__ import annotations

import warnings
from typing import Any

import flambeau as torch

from ... import Tensor, nn
from ._api import WeightsEnum
from ._builder import Settings, fix, with_classes

# From ImageNet's means and deviations to those of [-1, 1], by channel.
_SCALES = (
    (0.229 / 0.5, (0.485 - 0.5) / 0.5),
    (0.224 / 0.5, (0.456 - 0.5) / 0.5),
    (0.225 / 0.5, (0.406 - 0.5) / 0.5),
)


class BasicConv2d(nn.Module):
    """A convolution, a normalisation and a ReLU."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)


def rescale(x: Tensor) -> Tensor:
    """Images normalised for ImageNet as the networks whose weights these were have seen them."""
    return torch.cat([x[:, i : i + 1] * a + b for i, (a, b) in enumerate(_SCALES)], 1)


def wants_init(init_weights: bool | None, name: str) -> bool:
    """Whether to draw the model's own initial values; not saying so is deprecated."""
    if init_weights is None:
        warnings.warn(
            f"The default weight initialization of {name} will be changed in future releases of torchvision. "
            f"If you wish to keep the old behavior, please set init_weights=True.",
            FutureWarning,
            stacklevel=4,
        )
    return init_weights is None or init_weights


def initialize_truncated(model: nn.Module, default: float) -> None:
    """Truncated normal weights, with the deviation `stddev` of a layer that has one."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.trunc_normal_(module.weight, std=float(getattr(module, "stddev", default)), a=-2, b=2)


def with_weights(settings: Settings, weights: WeightsEnum) -> None:
    """The published weights have auxiliary outputs, and want the images that they were trained with."""
    settings.setdefault("transform_input", True)
    fix(settings, "aux_logits", True)
    fix(settings, "init_weights", False)
    with_classes(settings, weights)
