"""GoogLeNet (Szegedy et al., Going deeper with convolutions, 2015)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import flambeau as torch

from ... import Tensor, nn
from ._api import WeightsEnum
from ._builder import Settings, builder, imagenet
from ._inception import BasicConv2d, initialize_truncated, rescale, wants_init, with_weights
from ._utils import Layer

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "GoogLeNet_Weights", "googlenet"]


class GoogLeNetOutputs(NamedTuple):
    """What a GoogLeNet with auxiliary outputs returns in training.

    >>> import flambeau as torch
    >>> torch.vision.models.GoogLeNetOutputs(torch.ones(1), None, None).logits
    tensor([1.])
    """

    logits: Tensor
    aux_logits2: Tensor | None
    aux_logits1: Tensor | None


class Inception(nn.Module):
    """1x1, 3x3 and 5x5 convolutions and a pooling side by side. (What is called 5x5 has 3x3 kernels, as the
    published weights have.)"""

    def __init__(
        self,
        in_channels: int,
        ch1x1: int,
        ch3x3red: int,
        ch3x3: int,
        ch5x5red: int,
        ch5x5: int,
        pool_proj: int,
        conv_block: Layer = BasicConv2d,
    ) -> None:
        super().__init__()
        self.branch1 = conv_block(in_channels, ch1x1, kernel_size=1)
        self.branch2 = nn.Sequential(
            conv_block(in_channels, ch3x3red, kernel_size=1),
            conv_block(ch3x3red, ch3x3, kernel_size=3, padding=1),
        )
        self.branch3 = nn.Sequential(
            conv_block(in_channels, ch5x5red, kernel_size=1),
            conv_block(ch5x5red, ch5x5, kernel_size=3, padding=1),
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            conv_block(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """An auxiliary output in the middle of the network."""

    def __init__(
        self, in_channels: int, num_classes: int, conv_block: Layer = BasicConv2d, dropout: float = 0.7
    ) -> None:
        super().__init__()
        self.conv = conv_block(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(nn.functional.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        x = self.dropout(nn.functional.relu(self.fc1(x), inplace=True))
        logits: Tensor = self.fc2(x)
        return logits


# The arguments of each Inception block after in_channels.
_BLOCKS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


class GoogLeNet(nn.Module):
    """Nine Inception blocks.

    Args:
        num_classes: outputs.
        aux_logits: whether there are two auxiliary outputs in training.
        transform_input: whether images that are normalised for ImageNet are taken to [-1, 1].
        init_weights: whether weights get the initial values of this model, instead of those of their layers.
        blocks: other classes for convolutions, Inception blocks and auxiliary outputs.
        dropout, dropout_aux: the probabilities, before the last layer and in the auxiliary outputs.

    Shape:
        (N, 3, H, W), H and W at least 15 → (N, num_classes); in training with auxiliary outputs
        `GoogLeNetOutputs` of three such tensors.

    Raises:
        ValueError: there are not three `blocks`.

    >>> import flambeau as torch
    >>> model = torch.vision.models.GoogLeNet(num_classes=10, aux_logits=False, init_weights=False).eval()
    >>> model(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        init_weights: bool | None = None,
        blocks: Sequence[Layer] | None = None,
        dropout: float = 0.2,
        dropout_aux: float = 0.7,
    ) -> None:
        super().__init__()
        kinds = (BasicConv2d, Inception, InceptionAux) if blocks is None else blocks
        initial = wants_init(init_weights, "GoogleNet")
        if len(kinds) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(kinds)}")
        conv, inception, aux = kinds
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        for name, channels in _BLOCKS.items():
            setattr(self, f"inception{name}", inception(*channels))
            if name == "3b":
                self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
            elif name == "4e":
                self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.aux1 = aux(512, num_classes, dropout=dropout_aux) if aux_logits else None
        self.aux2 = aux(528, num_classes, dropout=dropout_aux) if aux_logits else None
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(1024, num_classes)
        if initial:
            initialize_truncated(self, 0.01)

    def forward(self, x: Tensor) -> Tensor | GoogLeNetOutputs:
        x = rescale(x) if self.transform_input else x
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.maxpool3(self.inception3b(self.inception3a(x)))
        x = self.inception4a(x)
        aux1 = self.aux1(x) if self.aux1 is not None and self.training else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        aux2 = self.aux2(x) if self.aux2 is not None and self.training else None
        x = self.maxpool4(self.inception4e(x))
        x = self.avgpool(self.inception5b(self.inception5a(x)))
        logits: Tensor = self.fc(self.dropout(x.flatten(1)))
        return GoogLeNetOutputs(logits, aux2, aux1) if self.training and self.aux_logits else logits


def _finish(model: GoogLeNet, kwargs: Settings) -> None:
    """The auxiliary outputs stay only if asked for: in the published file they are not trained."""
    if kwargs.get("aux_logits", False):
        warnings.warn(
            "auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to train "
            "them",
            stacklevel=3,
        )
    else:
        model.aux_logits = False
        model.aux1 = model.aux2 = None


class GoogLeNet_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("googlenet-1378be20", 6_624_904, 69.778, 89.53, min_size=15)
    DEFAULT = IMAGENET1K_V1


googlenet = builder(
    "googlenet",
    "GoogLeNet (Inception v1).",
    GoogLeNet_Weights,
    GoogLeNet,
    with_weights=with_weights,
    finish=_finish,
)
