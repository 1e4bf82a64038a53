"""FCN (Long et al., Fully convolutional networks for semantic segmentation, 2015)."""

from __future__ import annotations

from .... import nn
from .._api import WeightsEnum
from ..resnet import ResNet
from ._utils import (
    RESNET50,
    RESNET101,
    _SimpleSegmentationModel,
    coco,
    resnet_features,
    segmentation_builder,
)

__all__ = ["FCN", "FCN_ResNet50_Weights", "FCN_ResNet101_Weights", "fcn_resnet50", "fcn_resnet101"]


class FCN(_SimpleSegmentationModel):
    """A backbone and an `FCNHead`. Its arguments are backbone, classifier and aux_classifier.

    Shape:
        (N, 3, H, W) → {"out": (N, classes, H, W)}, and "aux" with the same shape

    >>> import flambeau as torch
    >>> from flambeau.vision.models import segmentation
    >>> with torch.device("meta"):
    ...     model = segmentation.fcn_resnet50(weights_backbone=None, num_classes=5)
    >>> model.classifier[4].out_channels
    5
    """


class FCNHead(nn.Sequential):
    """Two convolutions: a quarter of the channels, and a score for each class."""

    def __init__(self, in_channels: int, channels: int) -> None:
        width = in_channels // 4
        super().__init__(
            nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Conv2d(width, channels, 1),
        )


def _fcn(backbone: ResNet, num_classes: int, aux: bool | None) -> FCN:
    auxiliary = FCNHead(1024, num_classes) if aux else None
    return FCN(resnet_features(backbone, aux), FCNHead(2048, num_classes), auxiliary)


class FCN_ResNet50_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = coco("fcn_resnet50_coco-1167a1af", 35322218, 60.5, 91.4)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


class FCN_ResNet101_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = coco("fcn_resnet101_coco-7ecb50ca", 54314346, 63.7, 91.9)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


_DOC = "FCN over a ResNet. Other arguments: num_classes, aux_loss, and weights_backbone."
fcn_resnet50 = segmentation_builder("fcn_resnet50", _DOC, FCN_ResNet50_Weights, RESNET50, _fcn)
fcn_resnet101 = segmentation_builder("fcn_resnet101", _DOC, FCN_ResNet101_Weights, RESNET101, _fcn)
