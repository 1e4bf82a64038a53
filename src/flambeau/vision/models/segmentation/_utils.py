"""What segmentation models share: a backbone's features, a classifier, and how they are built."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .... import Tensor, nn
from ...transforms._presets import SemanticSegmentation
from .._api import Weights, WeightsEnum
from .._builder import DOWNLOADS, by_keyword, dress, load, modernize
from .._utils import IntermediateLayerGetter
from ..mobilenetv3 import MobileNet_V3_Large_Weights, MobileNetV3, mobilenet_v3_large
from ..resnet import ResNet, ResNet50_Weights, ResNet101_Weights, resnet50, resnet101

M = TypeVar("M", bound=nn.Module)

_CATEGORIES = [
    "__background__",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
]


def coco(file: str, num_params: int, miou: float, pixel_acc: float) -> Weights:
    """Weights trained on those images of COCO that have PASCAL VOC's classes."""
    meta = {
        "num_params": num_params,
        "min_size": (1, 1),
        "categories": list(_CATEGORIES),
        "_metrics": {"COCO-val2017-VOC-labels": {"miou": miou, "pixel_acc": pixel_acc}},
    }
    return Weights(f"{DOWNLOADS}{file}.pth", partial(SemanticSegmentation, resize_size=520), meta)


def enlarge(x: Tensor, like: Tensor) -> Tensor:
    """Interpolates to the extents of another tensor."""
    return nn.functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


class _SimpleSegmentationModel(nn.Module):
    """A classifier of a backbone's features, and perhaps an auxiliary one of earlier features.

    Args:
        backbone: gives a dictionary of features: "out", and "aux".
        classifier: makes a score for each class from "out".
        aux_classifier: the same from "aux"; None for none.

    Shape:
        (N, 3, H, W) → {"out": (N, classes, H, W)}, and "aux" with the same shape
    """

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        features = self.backbone(x)
        result = OrderedDict(out=enlarge(self.classifier(features["out"]), x))
        if self.aux_classifier is not None:
            result["aux"] = enlarge(self.aux_classifier(features["aux"]), x)
        return result


# ----- backbones -----

Backbone = tuple[type[WeightsEnum], Callable[[WeightsEnum | None], nn.Module]]
_DILATE = (False, True, True)
RESNET50: Backbone = (
    ResNet50_Weights,
    lambda weights: resnet50(weights=weights, replace_stride_with_dilation=_DILATE),
)
RESNET101: Backbone = (
    ResNet101_Weights,
    lambda weights: resnet101(weights=weights, replace_stride_with_dilation=_DILATE),
)
MOBILENET_V3_LARGE: Backbone = (
    MobileNet_V3_Large_Weights,
    lambda weights: mobilenet_v3_large(weights=weights, dilated=True),
)


def resnet_features(backbone: ResNet, aux: bool | None) -> IntermediateLayerGetter:
    """The last features of a ResNet (2048 channels), and those before (1024)."""
    layers = {"layer4": "out"} | ({"layer3": "aux"} if aux else {})
    return IntermediateLayerGetter(backbone, layers)


def mobilenet_stages(backbone: MobileNetV3) -> tuple[nn.Sequential, list[int]]:
    """The layers of a MobileNet, and which begin a stage: the first, those with a stride, the last."""
    features = backbone.features
    begins = [i for i, layer in enumerate(features) if getattr(layer, "_is_cn", False)]
    return features, [0, *begins, len(features) - 1]


# ----- builders -----


def _agreed(name: str, given: Any, expected: Any) -> Any:
    if given is not None and given != expected:
        raise ValueError(f"The parameter '{name}' expected value {expected} but got {given} instead.")
    return expected


def segmentation_builder(
    name: str,
    doc: str,
    enum: type[WeightsEnum],
    backbone: Backbone,
    make: Callable[[Any, int, bool | None], M],
    auxiliary: bool = True,
) -> Callable[..., M]:
    """The function that makes a model from a backbone, listed under its name. Without weights of its own, the
    model starts with the backbone's published ones."""
    backbone_enum, make_backbone = backbone

    def build(*args: Any, **kwargs: Any) -> M:
        kwargs = by_keyword(args, kwargs, ("weights", "progress", "num_classes"))
        modernize(kwargs, name, enum)
        modernize(kwargs, name, backbone_enum, "weights_backbone", "pretrained_backbone")
        weights, progress = enum.verify(kwargs.pop("weights", None)), kwargs.pop("progress", True)
        begin = backbone_enum.verify(kwargs.pop("weights_backbone", backbone_enum["IMAGENET1K_V1"]))
        classes, aux = kwargs.pop("num_classes", None), kwargs.pop("aux_loss", None)
        if aux and not auxiliary:
            raise NotImplementedError(f"{name}: This model does not use auxiliary loss")
        if kwargs:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(kwargs))}'")
        if weights is not None:
            begin = None
            classes = _agreed("num_classes", classes, len(weights.meta["categories"]))
            aux = _agreed("aux_loss", aux, True) if auxiliary else None
        model = make(make_backbone(begin), 21 if classes is None else classes, aux)
        if weights is not None:
            load(model, weights, progress)
        return model

    return dress(build, name, enum, doc)
