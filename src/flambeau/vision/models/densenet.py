"""DenseNet (Huang et al., Densely connected convolutional networks, 2017)."""

from __future__ import annotations

import re
from functools import partial

import flambeau as torch

from ... import Tensor, nn
from ...utils.checkpoint import checkpoint
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import initialize, keep

__all__ = [
    "DenseNet",
    "DenseNet121_Weights",
    "DenseNet161_Weights",
    "DenseNet169_Weights",
    "DenseNet201_Weights",
    "densenet121",
    "densenet161",
    "densenet169",
    "densenet201",
]


class _DenseLayer(nn.Module):
    """New features, made from all earlier ones."""

    def __init__(
        self,
        num_input_features: int,
        growth_rate: int,
        bn_size: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        between = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, between, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(between)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(between, growth_rate, 3, padding=1, bias=False)
        self.drop_rate = float(drop_rate)
        self.memory_efficient = memory_efficient

    def _narrow(self, *features: Tensor) -> Tensor:
        narrowed: Tensor = self.conv1(self.relu1(self.norm1(torch.cat(features, 1))))
        return narrowed

    def forward(self, input: Tensor | list[Tensor]) -> Tensor:
        features = [input] if isinstance(input, Tensor) else input
        if self.memory_efficient and any(f.requires_grad for f in features):
            narrowed = checkpoint(self._narrow, *features, use_reentrant=False)
        else:
            narrowed = self._narrow(*features)
        new: Tensor = self.conv2(self.relu2(self.norm2(narrowed)))
        if self.drop_rate > 0:
            new = nn.functional.dropout(new, p=self.drop_rate, training=self.training)
        return new


class _DenseBlock(nn.ModuleDict):
    """Layers, each of which sees the features of all before it."""

    _version = 2

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        for i in range(num_layers):
            features = num_input_features + i * growth_rate
            layer = _DenseLayer(features, growth_rate, bn_size, drop_rate, memory_efficient)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, init_features: Tensor) -> Tensor:
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return torch.cat(features, 1)


class _Transition(nn.Sequential):
    """Half the extents, and other channels."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(num_input_features, num_output_features, 1, bias=False)
        self.pool = nn.AvgPool2d(2, stride=2)


class DenseNet(nn.Module):
    """Blocks in which every layer sees the features of all layers before it.

    Args:
        growth_rate: features that each layer adds.
        block_config: the number of layers of each block.
        num_init_features: features of the first convolution.
        bn_size: how many times `growth_rate` the channels between a layer's two convolutions are.
        drop_rate: the probability of dropout after each layer.
        num_classes: outputs.
        memory_efficient: whether the first convolution of each layer is computed again in the backward pass.

    Shape:
        (N, 3, H, W), H and W at least 29 → (N, num_classes)

    >>> import flambeau as torch
    >>> model = torch.vision.models.DenseNet(8, (2, 2), 16, num_classes=10).eval()
    >>> model(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, ...] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
        memory_efficient: bool = False,
    ) -> None:
        super().__init__()
        self.features = nn.Sequential()
        self.features.add_module("conv0", nn.Conv2d(3, num_init_features, 7, stride=2, padding=3, bias=False))
        self.features.add_module("norm0", nn.BatchNorm2d(num_init_features))
        self.features.add_module("relu0", nn.ReLU(inplace=True))
        self.features.add_module("pool0", nn.MaxPool2d(3, stride=2, padding=1))
        features = num_init_features
        for i, layers in enumerate(block_config, 1):
            block = _DenseBlock(layers, features, bn_size, growth_rate, drop_rate, memory_efficient)
            self.features.add_module(f"denseblock{i}", block)
            features += layers * growth_rate
            if i < len(block_config):
                self.features.add_module(f"transition{i}", _Transition(features, features // 2))
                features //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(features))
        self.classifier = nn.Linear(features, num_classes)
        initialize(self, conv=nn.init.kaiming_normal_, linear=keep)

    def forward(self, x: Tensor) -> Tensor:
        features = nn.functional.relu(self.features(x), inplace=True)
        logits: Tensor = self.classifier(nn.functional.adaptive_avg_pool2d(features, 1).flatten(1))
        return logits


_OLD_KEY = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")


def _load(model: DenseNet, weights: WeightsEnum, progress: bool) -> None:
    """The published files say norm.1 where the model says norm1."""
    state = weights.get_state_dict(progress=progress, check_hash=True)
    model.load_state_dict({_OLD_KEY.sub(r"\1\2", key): value for key, value in state.items()})


class DenseNet121_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("densenet121-a639ec97", 7_978_856, 74.434, 91.972, min_size=29)
    DEFAULT = IMAGENET1K_V1


class DenseNet161_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("densenet161-8d451a50", 28_681_000, 77.138, 93.56, min_size=29)
    DEFAULT = IMAGENET1K_V1


class DenseNet169_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("densenet169-b2777c0a", 14_149_480, 75.6, 92.806, min_size=29)
    DEFAULT = IMAGENET1K_V1


class DenseNet201_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("densenet201-c1103571", 20_013_928, 76.896, 93.37, min_size=29)
    DEFAULT = IMAGENET1K_V1


densenet121 = builder(
    "densenet121",
    "DenseNet with 121 layers.",
    DenseNet121_Weights,
    partial(DenseNet, 32, (6, 12, 24, 16), 64),
    load=_load,
)
densenet161 = builder(
    "densenet161",
    "DenseNet with 161 layers.",
    DenseNet161_Weights,
    partial(DenseNet, 48, (6, 12, 36, 24), 96),
    load=_load,
)
densenet169 = builder(
    "densenet169",
    "DenseNet with 169 layers.",
    DenseNet169_Weights,
    partial(DenseNet, 32, (6, 12, 32, 32), 64),
    load=_load,
)
densenet201 = builder(
    "densenet201",
    "DenseNet with 201 layers.",
    DenseNet201_Weights,
    partial(DenseNet, 32, (6, 12, 48, 32), 64),
    load=_load,
)
