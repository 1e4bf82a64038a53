"""Inception v3 (Szegedy et al., Rethinking the Inception architecture for computer vision, 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import flambeau as torch

from ... import Tensor, nn
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._inception import BasicConv2d, initialize_truncated, rescale, wants_init, with_weights
from ._utils import Layer

__all__ = ["Inception3", "InceptionOutputs", "Inception_V3_Weights", "inception_v3"]

F = nn.functional


class InceptionOutputs(NamedTuple):
    """What an Inception v3 with an auxiliary output returns in training.

    >>> import flambeau as torch
    >>> torch.vision.models.InceptionOutputs(torch.ones(1), None).logits
    tensor([1.])
    """

    logits: Tensor
    aux_logits: Tensor | None


class _Branches(nn.Module):
    """Branches of convolutions side by side: `branches` lists the names of each branch's layers, in order. A
    tuple of names at the end of a branch stands for layers side by side."""

    branches: ClassVar[tuple[tuple[Any, ...], ...]]

    def _run(self, names: tuple[Any, ...], x: Tensor) -> list[Tensor]:
        for name in names:
            if isinstance(name, tuple):
                return [getattr(self, part)(x) for part in name]
            x = getattr(self, name)(x)
        return [x]

    def _pool(self, x: Tensor) -> Tensor:
        pooled: Tensor = self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        parts = [part for names in self.branches for part in self._run(names, x)]
        return torch.cat([*parts, self._pool(x)], 1)


class InceptionA(_Branches):
    """1x1, 5x5 and two 3x3 convolutions."""

    branches = (
        ("branch1x1",),
        ("branch5x5_1", "branch5x5_2"),
        ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
    )

    def __init__(self, in_channels: int, pool_features: int, conv_block: Layer = BasicConv2d) -> None:
        super().__init__()
        self.branch1x1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch5x5_1 = conv_block(in_channels, 48, kernel_size=1)
        self.branch5x5_2 = conv_block(48, 64, kernel_size=5, padding=2)
        self.branch3x3dbl_1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv_block(96, 96, kernel_size=3, padding=1)
        self.branch_pool = conv_block(in_channels, pool_features, kernel_size=1)


class _Halving(_Branches):
    """Branches with stride 2 at the end."""

    def _pool(self, x: Tensor) -> Tensor:
        pooled: Tensor = F.max_pool2d(x, 3, stride=2)
        return pooled


class InceptionB(_Halving):
    """3x3 convolutions to half the extents."""

    branches = (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"))

    def __init__(self, in_channels: int, conv_block: Layer = BasicConv2d) -> None:
        super().__init__()
        self.branch3x3 = conv_block(in_channels, 384, kernel_size=3, stride=2)
        self.branch3x3dbl_1 = conv_block(in_channels, 64, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(64, 96, kernel_size=3, padding=1)
        self.branch3x3dbl_3 = conv_block(96, 96, kernel_size=3, stride=2)


class InceptionC(_Branches):
    """7x7 convolutions as 1x7 and 7x1."""

    branches = (
        ("branch1x1",),
        tuple(f"branch7x7_{i}" for i in (1, 2, 3)),
        tuple(f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)),
    )

    def __init__(self, in_channels: int, channels_7x7: int, conv_block: Layer = BasicConv2d) -> None:
        super().__init__()
        c7 = channels_7x7
        across: dict[str, Any] = {"kernel_size": (1, 7), "padding": (0, 3)}
        down: dict[str, Any] = {"kernel_size": (7, 1), "padding": (3, 0)}
        self.branch1x1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch7x7_1 = conv_block(in_channels, c7, kernel_size=1)
        self.branch7x7_2 = conv_block(c7, c7, **across)
        self.branch7x7_3 = conv_block(c7, 192, **down)
        self.branch7x7dbl_1 = conv_block(in_channels, c7, kernel_size=1)
        self.branch7x7dbl_2 = conv_block(c7, c7, **down)
        self.branch7x7dbl_3 = conv_block(c7, c7, **across)
        self.branch7x7dbl_4 = conv_block(c7, c7, **down)
        self.branch7x7dbl_5 = conv_block(c7, 192, **across)
        self.branch_pool = conv_block(in_channels, 192, kernel_size=1)


class InceptionD(_Halving):
    """3x3 and 7x7 convolutions to half the extents."""

    branches = (("branch3x3_1", "branch3x3_2"), tuple(f"branch7x7x3_{i}" for i in (1, 2, 3, 4)))

    def __init__(self, in_channels: int, conv_block: Layer = BasicConv2d) -> None:
        super().__init__()
        self.branch3x3_1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch3x3_2 = conv_block(192, 320, kernel_size=3, stride=2)
        self.branch7x7x3_1 = conv_block(in_channels, 192, kernel_size=1)
        self.branch7x7x3_2 = conv_block(192, 192, kernel_size=(1, 7), padding=(0, 3))
        self.branch7x7x3_3 = conv_block(192, 192, kernel_size=(7, 1), padding=(3, 0))
        self.branch7x7x3_4 = conv_block(192, 192, kernel_size=3, stride=2)


class InceptionE(_Branches):
    """3x3 convolutions that end as 1x3 and 3x1 side by side."""

    branches = (
        ("branch1x1",),
        ("branch3x3_1", ("branch3x3_2a", "branch3x3_2b")),
        ("branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")),
    )

    def __init__(self, in_channels: int, conv_block: Layer = BasicConv2d) -> None:
        super().__init__()
        across: dict[str, Any] = {"kernel_size": (1, 3), "padding": (0, 1)}
        down: dict[str, Any] = {"kernel_size": (3, 1), "padding": (1, 0)}
        self.branch1x1 = conv_block(in_channels, 320, kernel_size=1)
        self.branch3x3_1 = conv_block(in_channels, 384, kernel_size=1)
        self.branch3x3_2a = conv_block(384, 384, **across)
        self.branch3x3_2b = conv_block(384, 384, **down)
        self.branch3x3dbl_1 = conv_block(in_channels, 448, kernel_size=1)
        self.branch3x3dbl_2 = conv_block(448, 384, kernel_size=3, padding=1)
        self.branch3x3dbl_3a = conv_block(384, 384, **across)
        self.branch3x3dbl_3b = conv_block(384, 384, **down)
        self.branch_pool = conv_block(in_channels, 192, kernel_size=1)


class InceptionAux(nn.Module):
    """An auxiliary output in the middle of the network."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Layer = BasicConv2d) -> None:
        super().__init__()
        self.conv0 = conv_block(in_channels, 128, kernel_size=1)
        self.conv1 = conv_block(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)
        self.fc.stddev = 0.001

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, 5, stride=3)))
        logits: Tensor = self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return logits


_BLOCKS = (BasicConv2d, InceptionA, InceptionB, InceptionC, InceptionD, InceptionE, InceptionAux)


class Inception3(nn.Module):
    """Eleven Inception blocks.

    Args:
        num_classes: outputs.
        aux_logits: whether there is an auxiliary output in training.
        transform_input: whether images that are normalised for ImageNet are taken to [-1, 1].
        inception_blocks: other classes for convolutions, blocks A to E, and the auxiliary output.
        init_weights: whether weights get the initial values of this model, instead of those of their layers.
        dropout: the probability, before the last layer.

    Shape:
        (N, 3, H, W), H and W at least 75 → (N, num_classes); in training with an auxiliary output, H and W
        at least 299 → `InceptionOutputs` of two such tensors.

    Raises:
        ValueError: there are not seven `inception_blocks`.

    >>> import flambeau as torch
    >>> model = torch.vision.models.Inception3(num_classes=10, aux_logits=False, init_weights=False).eval()
    >>> model(torch.zeros(1, 3, 75, 75)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        aux_logits: bool = True,
        transform_input: bool = False,
        inception_blocks: Sequence[Layer] | None = None,
        init_weights: bool | None = None,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        kinds = _BLOCKS if inception_blocks is None else inception_blocks
        initial = wants_init(init_weights, "inception_v3")
        if len(kinds) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(kinds)}")
        conv, a, b, c, d, e, aux = kinds
        self.aux_logits = aux_logits
        self.transform_input = transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        self.Mixed_5b = a(192, pool_features=32)
        self.Mixed_5c = a(256, pool_features=64)
        self.Mixed_5d = a(288, pool_features=64)
        self.Mixed_6a = b(288)
        self.Mixed_6b = c(768, channels_7x7=128)
        self.Mixed_6c = c(768, channels_7x7=160)
        self.Mixed_6d = c(768, channels_7x7=160)
        self.Mixed_6e = c(768, channels_7x7=192)
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a = d(768)
        self.Mixed_7b = e(1280)
        self.Mixed_7c = e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(2048, num_classes)
        if initial:
            initialize_truncated(self, 0.1)

    def forward(self, x: Tensor) -> Tensor | InceptionOutputs:
        x = rescale(x) if self.transform_input else x
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        aux = self.AuxLogits(x) if self.AuxLogits is not None and self.training else None
        x = self.avgpool(self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))))
        logits: Tensor = self.fc(self.dropout(x).flatten(1))
        return InceptionOutputs(logits, aux) if self.training and self.aux_logits else logits


class Inception_V3_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("inception_v3_google-0cc3c7bd", 27_161_264, 77.294, 93.45, 299, 342, min_size=75)
    DEFAULT = IMAGENET1K_V1


inception_v3 = builder(
    "inception_v3",
    "Inception v3. Its weights were trained with images of 299x299.",
    Inception_V3_Weights,
    Inception3,
    with_weights=with_weights,
)
