"""LR-ASPP, the small segmentation model of Howard et al., Searching for MobileNetV3, 2019."""

from __future__ import annotations

from collections import OrderedDict

from .... import Tensor, nn
from .._api import WeightsEnum
from .._utils import IntermediateLayerGetter
from ..mobilenetv3 import MobileNetV3
from ._utils import MOBILENET_V3_LARGE, coco, enlarge, mobilenet_stages, segmentation_builder

__all__ = ["LRASPP", "LRASPP_MobileNet_V3_Large_Weights", "lraspp_mobilenet_v3_large"]


class LRASPPHead(nn.Module):
    """Scores from fine features, and from coarse ones scaled by what a network makes of their means."""

    def __init__(self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int) -> None:
        super().__init__()
        self.cbr = nn.Sequential(
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.BatchNorm2d(inter_channels),
            nn.ReLU(inplace=True),
        )
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.Sigmoid(),
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, Tensor]) -> Tensor:
        low, high = input["low"], input["high"]
        coarse = enlarge(self.cbr(high) * self.scale(high), low)
        scores: Tensor = self.low_classifier(low) + self.high_classifier(coarse)
        return scores


class LRASPP(nn.Module):
    """A backbone and an `LRASPPHead`.

    Args:
        backbone: gives a dictionary of features: "low" (fine) and "high" (coarse).
        low_channels, high_channels: their channels.
        num_classes: classes.
        inter_channels: channels between the layers of the head.

    Shape:
        (N, 3, H, W) → {"out": (N, num_classes, H, W)}

    >>> import flambeau as torch
    >>> from flambeau.vision.models import segmentation
    >>> with torch.device("meta"):
    ...     model = segmentation.lraspp_mobilenet_v3_large(weights_backbone=None, num_classes=5)
    >>> model.classifier.low_classifier.out_channels
    5
    """

    def __init__(
        self,
        backbone: nn.Module,
        low_channels: int,
        high_channels: int,
        num_classes: int,
        inter_channels: int = 128,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: Tensor) -> OrderedDict[str, Tensor]:
        return OrderedDict(out=enlarge(self.classifier(self.backbone(input)), input))


def _lraspp(backbone: MobileNetV3, num_classes: int, aux: bool | None) -> LRASPP:
    layers, stages = mobilenet_stages(backbone)
    low, high = stages[-4], stages[-1]
    features = IntermediateLayerGetter(layers, {str(low): "low", str(high): "high"})
    return LRASPP(features, layers[low].out_channels, layers[high].out_channels, num_classes)


class LRASPP_MobileNet_V3_Large_Weights(WeightsEnum):
    COCO_WITH_VOC_LABELS_V1 = coco("lraspp_mobilenet_v3_large-d234d4ea", 3221538, 57.9, 91.2)
    DEFAULT = COCO_WITH_VOC_LABELS_V1


lraspp_mobilenet_v3_large = segmentation_builder(
    "lraspp_mobilenet_v3_large",
    "LR-ASPP over a MobileNet v3. Other arguments: num_classes and weights_backbone.",
    LRASPP_MobileNet_V3_Large_Weights,
    MOBILENET_V3_LARGE,
    _lraspp,
    auxiliary=False,
)
