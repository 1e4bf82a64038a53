"""RegNet (Radosavovic et al., Designing network design spaces, 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Any

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import WeightsEnum
from ._builder import builder, imagenet
from ._utils import Layer, initialize, make_divisible, normal_001

__all__ = [
    "RegNet",
    "RegNet_X_1_6GF_Weights",
    "RegNet_X_3_2GF_Weights",
    "RegNet_X_8GF_Weights",
    "RegNet_X_16GF_Weights",
    "RegNet_X_32GF_Weights",
    "RegNet_X_400MF_Weights",
    "RegNet_X_800MF_Weights",
    "RegNet_Y_1_6GF_Weights",
    "RegNet_Y_3_2GF_Weights",
    "RegNet_Y_8GF_Weights",
    "RegNet_Y_16GF_Weights",
    "RegNet_Y_32GF_Weights",
    "RegNet_Y_128GF_Weights",
    "RegNet_Y_400MF_Weights",
    "RegNet_Y_800MF_Weights",
    "regnet_x_1_6gf",
    "regnet_x_3_2gf",
    "regnet_x_8gf",
    "regnet_x_16gf",
    "regnet_x_32gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_y_1_6gf",
    "regnet_y_3_2gf",
    "regnet_y_8gf",
    "regnet_y_16gf",
    "regnet_y_32gf",
    "regnet_y_128gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
]


class SimpleStemIN(Conv2dNormActivation):
    """A 3x3 convolution to half the extents."""

    def __init__(self, width_in: int, width_out: int, norm_layer: Layer, activation_layer: Layer) -> None:
        super().__init__(
            width_in, width_out, stride=2, norm_layer=norm_layer, activation_layer=activation_layer
        )


class BottleneckTransform(nn.Sequential):
    """A 3x3 convolution in groups between two 1x1 convolutions, perhaps with squeeze-and-excitation."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int,
        bottleneck_multiplier: float,
        se_ratio: float | None,
    ) -> None:
        super().__init__()
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer, activation_layer=activation_layer)
        width = round(width_out * bottleneck_multiplier)
        self.add_module("a", conv(width_in, width, kernel_size=1))
        self.add_module("b", conv(width, width, stride=stride, groups=width // group_width))
        if se_ratio:
            squeeze = round(se_ratio * width_in)
            self.add_module("se", SqueezeExcitation(width, squeeze, activation=activation_layer))
        self.add_module("c", conv(width, width_out, kernel_size=1, activation_layer=None))


class ResBottleneckBlock(nn.Module):
    """A `BottleneckTransform` beside a shortcut."""

    def __init__(
        self,
        width_in: int,
        width_out: int,
        stride: int,
        norm_layer: Layer,
        activation_layer: Layer,
        group_width: int = 1,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:
        super().__init__()
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = Conv2dNormActivation(
                width_in, width_out, 1, stride, norm_layer=norm_layer, activation_layer=None
            )
        layers = (norm_layer, activation_layer)
        self.f = BottleneckTransform(
            width_in, width_out, stride, *layers, group_width, bottleneck_multiplier, se_ratio
        )
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.proj is None else self.proj(x)
        out: Tensor = self.activation(shortcut + self.f(x))
        return out


class BlockParams:
    """The settings of the stages.

    Args:
        depths, widths, group_widths, bottleneck_multipliers, strides: a number for each stage.
        se_ratio: channels between the layers of squeeze-and-excitation, as a share; None for none.
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        group_widths: Sequence[int],
        bottleneck_multipliers: Sequence[float],
        strides: Sequence[int],
        se_ratio: float | None = None,
    ) -> None:
        self.depths = depths
        self.widths = widths
        self.group_widths = group_widths
        self.bottleneck_multipliers = bottleneck_multipliers
        self.strides = strides
        self.se_ratio = se_ratio

    @classmethod
    def from_init_params(
        cls,
        depth: int,
        w_0: int,
        w_a: float,
        w_m: float,
        group_width: int,
        bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
        **kwargs: Any,
    ) -> BlockParams:
        """Widths that grow by `w_a` from block to block, starting from `w_0`, each rounded to `w_0` times a
        power of `w_m`. Blocks of one width are a stage.

        Raises:
            ValueError: numbers out of range.

        >>> from flambeau.vision.models.regnet import BlockParams
        >>> params = BlockParams.from_init_params(depth=13, w_0=24, w_a=36.44, w_m=2.49, group_width=8)
        >>> params.depths, params.widths
        ([1, 1, 4, 7], [24, 56, 152, 368])
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError(f"Invalid RegNet settings: w_0={w_0}, w_a={w_a}, w_m={w_m}")
        powers = (round(math.log((w_0 + i * w_a) / w_0) / math.log(w_m)) for i in range(depth))
        every = [round(w_0 * w_m**power / 8) * 8 for power in powers]
        depths, widths, groups = [], [], []
        for width, same in groupby(every):
            inner = int(width * bottleneck_multiplier)
            group = min(group_width, inner)
            depths.append(len(list(same)))
            widths.append(int(make_divisible(inner, group) / bottleneck_multiplier))
            groups.append(group)
        stages = len(widths)
        return cls(depths, widths, groups, [bottleneck_multiplier] * stages, [2] * stages, se_ratio)

    def stages(self) -> Iterator[tuple[int, int, int, int, float]]:
        """Depth, width, stride, width of groups and bottleneck of each stage."""
        return zip(
            self.depths,
            self.widths,
            self.strides,
            self.group_widths,
            self.bottleneck_multipliers,
            strict=True,
        )


class RegNet(nn.Module):
    """Stages of residual blocks whose widths follow a rule.

    Args:
        block_params: the stages.
        num_classes: outputs.
        stem_width: channels of the first convolution.
        stem_type, block_type: other classes for the first convolution and for blocks.
        norm_layer: makes a normalisation from the number of channels.
        activation: makes an activation.

    Shape:
        (N, 3, H, W) → (N, num_classes)

    >>> import flambeau as torch
    >>> from flambeau.vision.models.regnet import BlockParams, RegNet
    >>> params = BlockParams.from_init_params(depth=4, w_0=24, w_a=24.0, w_m=2.5, group_width=8)
    >>> RegNet(params, num_classes=10).eval()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        block_params: BlockParams,
        num_classes: int = 1000,
        stem_width: int = 32,
        stem_type: Layer | None = None,
        block_type: Layer | None = None,
        norm_layer: Layer | None = None,
        activation: Layer | None = None,
    ) -> None:
        super().__init__()
        layers = (norm_layer or nn.BatchNorm2d, activation or nn.ReLU)
        make_block = block_type or ResBottleneckBlock
        self.stem = (stem_type or SimpleStemIN)(3, stem_width, *layers)
        self.trunk_output = nn.Sequential()
        channels = stem_width
        for i, (depth, width, stride, group, bottleneck) in enumerate(block_params.stages(), 1):
            stage = nn.Sequential()
            for j in range(depth):
                settings = (stride if j == 0 else 1, *layers, group, bottleneck, block_params.se_ratio)
                stage.add_module(f"block{i}-{j}", make_block(channels, width, *settings))
                channels = width
            self.trunk_output.add_module(f"block{i}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(channels, num_classes)
        initialize(self, conv=_by_filters, zero_bias=False)
        initialize(self, linear=normal_001)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(1))
        return logits


def _by_filters(weight: Tensor) -> None:
    out, _, height, width = weight.shape
    nn.init.normal_(weight, std=math.sqrt(2.0 / (height * width * out)))


class RegNet_X_1_6GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_1_6gf-e3633e7f", 9_190_136, 77.04, 93.44)
    IMAGENET1K_V2 = imagenet("regnet_x_1_6gf-a12f2b72", 9_190_136, 79.668, 94.922, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_3_2GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_3_2gf-f342aeae", 15_296_552, 78.364, 93.992)
    IMAGENET1K_V2 = imagenet("regnet_x_3_2gf-7071aa85", 15_296_552, 81.196, 95.43, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_8GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_8gf-03ceed89", 39_572_648, 79.344, 94.686)
    IMAGENET1K_V2 = imagenet("regnet_x_8gf-2b70d774", 39_572_648, 81.682, 95.678, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_16GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_16gf-2007eb11", 54_278_536, 80.058, 94.944)
    IMAGENET1K_V2 = imagenet("regnet_x_16gf-ba3796d7", 54_278_536, 82.716, 96.196, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_32GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_32gf-9d47f8d0", 107_811_560, 80.622, 95.248)
    IMAGENET1K_V2 = imagenet("regnet_x_32gf-6eb8fdc6", 107_811_560, 83.014, 96.288, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_400MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_400mf-adf1edd5", 5_495_976, 72.834, 90.95)
    IMAGENET1K_V2 = imagenet("regnet_x_400mf-62229a5f", 5_495_976, 74.864, 92.322, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_X_800MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_x_800mf-ad17e45c", 7_259_656, 75.212, 92.348)
    IMAGENET1K_V2 = imagenet("regnet_x_800mf-94a99ebd", 7_259_656, 77.522, 93.826, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_1_6GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_1_6gf-b11a554e", 11_202_430, 77.95, 93.966)
    IMAGENET1K_V2 = imagenet("regnet_y_1_6gf-0d7bc02a", 11_202_430, 80.876, 95.444, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_3_2GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_3_2gf-b5a9779c", 19_436_338, 78.948, 94.576)
    IMAGENET1K_V2 = imagenet("regnet_y_3_2gf-9180c971", 19_436_338, 81.982, 95.972, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_8GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_8gf-d0d0e4a8", 39_381_472, 80.032, 95.048)
    IMAGENET1K_V2 = imagenet("regnet_y_8gf-dc2b1b54", 39_381_472, 82.828, 96.33, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_16GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_16gf-9e6ed7dd", 83_590_140, 80.424, 95.24)
    IMAGENET1K_V2 = imagenet("regnet_y_16gf-3e4a00f9", 83_590_140, 82.886, 96.328, 224, 232)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_16gf_swag-43afe44d", 83_590_140, 86.012, 98.054, 384, 384, bicubic=True
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_16gf_lc_swag-f3ec0043", 83_590_140, 83.976, 97.244, 224, 224, bicubic=True
    )
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_32GF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_32gf-4dee3f7a", 145_046_770, 80.878, 95.34)
    IMAGENET1K_V2 = imagenet("regnet_y_32gf-8db6d4b5", 145_046_770, 83.368, 96.498, 224, 232)
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_32gf_swag-04fdfa75", 145_046_770, 86.838, 98.362, 384, 384, bicubic=True
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_32gf_lc_swag-e1583746", 145_046_770, 84.622, 97.48, 224, 224, bicubic=True
    )
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_128GF_Weights(WeightsEnum):
    IMAGENET1K_SWAG_E2E_V1 = imagenet(
        "regnet_y_128gf_swag-c8ce3e52", 644_812_894, 88.228, 98.682, 384, 384, bicubic=True
    )
    IMAGENET1K_SWAG_LINEAR_V1 = imagenet(
        "regnet_y_128gf_lc_swag-cbe8ce12", 644_812_894, 86.068, 97.844, 224, 224, bicubic=True
    )
    DEFAULT = IMAGENET1K_SWAG_E2E_V1


class RegNet_Y_400MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_400mf-c65dace8", 4_344_144, 74.046, 91.716)
    IMAGENET1K_V2 = imagenet("regnet_y_400mf-e6988f5f", 4_344_144, 75.804, 92.742, 224, 232)
    DEFAULT = IMAGENET1K_V2


class RegNet_Y_800MF_Weights(WeightsEnum):
    IMAGENET1K_V1 = imagenet("regnet_y_800mf-1b27b58c", 6_432_512, 76.42, 93.136)
    IMAGENET1K_V2 = imagenet("regnet_y_800mf-58fc7688", 6_432_512, 78.828, 94.502, 224, 232)
    DEFAULT = IMAGENET1K_V2


def _model(
    name: str, enum: type[WeightsEnum], depth: int, w_0: int, w_a: float, w_m: float, group_width: int
) -> Callable[..., RegNet]:
    kind, size = name.upper().split("_", 1)
    params = BlockParams.from_init_params(
        depth, w_0, w_a, w_m, group_width, se_ratio=0.25 if kind == "Y" else None
    )
    doc = f"RegNet{kind}-{size.replace('_', '.')}: {size.replace('_', '.')} multiplications an image."
    return builder(f"regnet_{name}", doc, enum, partial(RegNet, params))


regnet_y_400mf = _model("y_400mf", RegNet_Y_400MF_Weights, 16, 48, 27.89, 2.09, 8)
regnet_y_800mf = _model("y_800mf", RegNet_Y_800MF_Weights, 14, 56, 38.84, 2.4, 16)
regnet_y_1_6gf = _model("y_1_6gf", RegNet_Y_1_6GF_Weights, 27, 48, 20.71, 2.65, 24)
regnet_y_3_2gf = _model("y_3_2gf", RegNet_Y_3_2GF_Weights, 21, 80, 42.63, 2.66, 24)
regnet_y_8gf = _model("y_8gf", RegNet_Y_8GF_Weights, 17, 192, 76.82, 2.19, 56)
regnet_y_16gf = _model("y_16gf", RegNet_Y_16GF_Weights, 18, 200, 106.23, 2.48, 112)
regnet_y_32gf = _model("y_32gf", RegNet_Y_32GF_Weights, 20, 232, 115.89, 2.53, 232)
regnet_y_128gf = _model("y_128gf", RegNet_Y_128GF_Weights, 27, 456, 160.83, 2.52, 264)
regnet_x_400mf = _model("x_400mf", RegNet_X_400MF_Weights, 22, 24, 24.48, 2.54, 16)
regnet_x_800mf = _model("x_800mf", RegNet_X_800MF_Weights, 16, 56, 35.73, 2.28, 16)
regnet_x_1_6gf = _model("x_1_6gf", RegNet_X_1_6GF_Weights, 18, 80, 34.01, 2.25, 24)
regnet_x_3_2gf = _model("x_3_2gf", RegNet_X_3_2GF_Weights, 25, 88, 26.31, 2.25, 48)
regnet_x_8gf = _model("x_8gf", RegNet_X_8GF_Weights, 23, 80, 49.56, 2.88, 120)
regnet_x_16gf = _model("x_16gf", RegNet_X_16GF_Weights, 22, 216, 55.59, 2.1, 128)
regnet_x_32gf = _model("x_32gf", RegNet_X_32GF_Weights, 23, 320, 69.86, 2.0, 168)
