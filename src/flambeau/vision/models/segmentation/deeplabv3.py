"""DeepLab v3 (Chen et al., Rethinking atrous convolution for semantic image segmentation, 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import flambeau as torch

from .... import Tensor, nn
from .._api import WeightsEnum
from .._utils import IntermediateLayerGetter
from ..mobilenetv3 import MobileNetV3
from ..resnet import ResNet
from ._utils import (
    MOBILENET_V3_LARGE,
    RESNET50,
    RESNET101,
    _SimpleSegmentationModel,
    coco,
    enlarge,
    mobilenet_stages,
    resnet_features,
    segmentation_builder,
)
from .fcn import FCNHead

__all__ = [
    "DeepLabV3",
    "DeepLabV3_MobileNet_V3_Large_Weights",
    "DeepLabV3_ResNet50_Weights",
    "DeepLabV3_ResNet101_Weights",
    "deeplabv3_mobilenet_v3_large",
    "deeplabv3_resnet50",
    "deeplabv3_resnet101",
]


class DeepLabV3(_SimpleSegmentationModel):
    """A backbone and a `DeepLabHead`. Its arguments are backbone, classifier and aux_classifier.

    Shape:
        (N, 3, H, W) → {"out": (N, classes, H, W)}, and "aux" with the same shape

    >>> import flambeau as torch
    >>> from flambeau.vision.models import segmentation
    >>> with torch.device("meta"):
    ...     model = segmentation.deeplabv3_resnet50(weights_backbone=None, num_classes=5)
    >>> model.classifier[4].out_channels
    5
    """


def _conv(channels: int, out: int, dilation: int = 0) -> list[nn.Module]:
    """A 1x1 convolution, or a 3x3 one with that dilation; a normalisation and a ReLU."""
    if dilation:
        conv = nn.Conv2d(channels, out, 3, padding=dilation, dilation=dilation, bias=False)
    else:
        conv = nn.Conv2d(channels, out, 1, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU()]


class ASPPPooling(nn.Sequential):
    """The mean of an image, at each of its places."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *_conv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return enlarge(super().forward(x), x)


class ASPP(nn.Module):
    """Convolutions with several dilations side by side."""

    def __init__(self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(*_conv(in_channels, out_channels, rate)) for rate in (0, *atrous_rates)
        )
        self.convs.append(ASPPPooling(in_channels, out_channels))
        joined = len(self.convs) * out_channels
        self.project = nn.Sequential(*_conv(joined, out_channels), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.project(torch.cat([conv(x) for conv in self.convs], dim=1))
        return out


class DeepLabHead(nn.Sequential):
    """An `ASPP` and two convolutions."""

    def __init__(
        self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)
    ) -> None:
        super().__init__(ASPP(in_channels, atrous_rates), *_conv(256, 256, 1), nn.Conv2d(256, num_classes, 1))


def _deeplab_resnet(backbone: ResNet, num_classes: int, aux: bool | None) -> DeepLabV3:
    auxiliary = FCNHead(1024, num_classes) if aux else None
    return DeepLabV3(resnet_features(backbone, aux), DeepLabHead(2048, num_classes), auxiliary)


def _deeplab_mobilenet(backbone: MobileNetV3, num_classes: int, aux: bool | None) -> DeepLabV3:
    layers, stages = mobilenet_stages(backbone)
    out, earlier = stages[-1], stages[-4]
    names = {str(out): "out"} | ({str(earlier): "aux"} if aux else {})
    auxiliary = FCNHead(layers[earlier].out_channels, num_classes) if aux else None
    head = DeepLabHead(layers[out].out_channels, num_classes)
    return DeepLabV3(IntermediateLayerGetter(layers, names), head, auxiliary)


class DeepLabV3_MobileNet_V3_Large_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = coco("deeplabv3_mobilenet_v3_large-fc3c493d", 11029328, 60.3, 91.2)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


class DeepLabV3_ResNet50_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = coco("deeplabv3_resnet50_coco-cd0a2569", 42004074, 66.4, 92.4)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


class DeepLabV3_ResNet101_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = coco("deeplabv3_resnet101_coco-586e9e4e", 60996202, 67.4, 92.4)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


_DOC = "DeepLab v3 over a {}. Other arguments: num_classes, aux_loss, and weights_backbone."
deeplabv3_resnet50 = segmentation_builder(
    "deeplabv3_resnet50", _DOC.format("ResNet-50"), DeepLabV3_ResNet50_Weights, RESNET50, _deeplab_resnet
)
deeplabv3_resnet101 = segmentation_builder(
    "deeplabv3_resnet101",
    _DOC.format("ResNet-101"),
    DeepLabV3_ResNet101_Weights,
    RESNET101,
    _deeplab_resnet,
)
deeplabv3_mobilenet_v3_large = segmentation_builder(
    "deeplabv3_mobilenet_v3_large",
    _DOC.format("MobileNet v3"),
    DeepLabV3_MobileNet_V3_Large_Weights,
    MOBILENET_V3_LARGE,
    _deeplab_mobilenet,
)
