"""Transforms of what things are: dtypes, pictures and tensors, formats of boxes; and batches mixed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn
from flambeau.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors
from ...pictures import is_pil
from .. import converting
from ..chance import integer
from . import functional as F
from .base import IMAGES, Getter, Transform, as_float, has_any, is_plain, labels_getter, size_of

__all__ = [
    "ClampBoundingBoxes",
    "Compose",
    "ConvertBoundingBoxFormat",
    "ConvertImageDtype",
    "CutMix",
    "Identity",
    "Lambda",
    "LinearTransformation",
    "MixUp",
    "Normalize",
    "PILToTensor",
    "RandomApply",
    "RandomChoice",
    "RandomOrder",
    "SanitizeBoundingBoxes",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToPureTensor",
    "ToTensor",
]

Params = dict[str, Any]


class Identity(Transform):
    """Nothing.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.Identity()(3)
    3
    """


class Lambda(Transform):
    """A function of all parts of a sample, or of those of some types.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.Lambda(lambda x: x + 1, int)([1, 2.0])
    [2, 2.0]
    """

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def _wanted(self, flat: list[Any]) -> list[bool]:
        return [isinstance(x, self.types) for x in flat]

    def transform(self, inpt: Any, params: Params) -> Any:
        return self.lambd(inpt)

    def extra_repr(self) -> str:
        return f"types={[kind.__name__ for kind in self.types]}"


class Normalize(Transform, converting.Normalize):
    """v1's `Normalize`, for samples. TypeError for pictures.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.Normalize([0.5], [0.25])(torch.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if any(map(is_pil, flat_inputs)):
            raise TypeError("Normalize() does not support PIL images.")

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.normalize(inpt, self.mean, self.std, self.inplace)


class LinearTransformation(Transform, converting.LinearTransformation):
    """v1's `LinearTransformation`, for samples."""

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.apply(inpt, lambda x: converting.LinearTransformation.forward(self, x))


class ToDtype(Transform):
    """Another dtype for images and videos, or for each class of `tv_tensors` its own.

    Args:
        dtype: the dtype, or a dict of dtypes by class, "others" for the rest, with None for as it is.
        scale: whether values of images are taken to the new range.

    Raises:
        ValueError: a class that the dict doesn't have.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.ToDtype(torch.float32, True)(torch.tensor([255], dtype=torch.uint8))
    tensor([1.])
    """

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, dict | torch.dtype):
            raise ValueError(f"ToDtype: dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        self.dtype = dtype
        self.scale = scale

    def takes(self, inpt: Any) -> bool:
        return isinstance(inpt, Tensor)

    def transform(self, inpt: Any, params: Params) -> Any:
        if not isinstance(self.dtype, dict):
            images = is_plain(inpt) or isinstance(inpt, IMAGES)
            return F.to_dtype(inpt, self.dtype, self.scale) if images else inpt
        if type(inpt) not in self.dtype and "others" not in self.dtype:
            raise ValueError(
                f"ToDtype: No dtype was specified for type {type(inpt)}; 'others' stands for the rest"
            )
        dtype = self.dtype.get(type(inpt), self.dtype.get("others"))
        return inpt if dtype is None else F.to_dtype(inpt, dtype, self.scale)


class ConvertImageDtype(ToDtype):
    """`ToDtype` with `scale=True`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.ConvertImageDtype()(torch.tensor([255], dtype=torch.uint8))
    tensor([1.])
    """

    def __init__(self, dtype: Any = torch.float32) -> None:
        super().__init__(dtype, scale=True)


class ToImage(Transform):
    """Pictures, arrays (H, W, C) and the first plain tensor as `tv_tensors.Image`.

    >>> import flambeau as torch
    >>> type(torch.vision.transforms.v2.ToImage()(torch.zeros(3, 2, 2))).__name__
    'Image'
    """

    def takes(self, inpt: Any) -> bool:
        return is_plain(inpt) or is_pil(inpt) or type(inpt).__name__ == "ndarray"

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.to_image(inpt)


class ToPureTensor(Transform):
    """All of `tv_tensors` as plain tensors.

    >>> import flambeau as torch
    >>> image = torch.vision.tv_tensors.Image(torch.zeros(3, 2, 2))
    >>> type(torch.vision.transforms.v2.ToPureTensor()(image)).__name__
    'Tensor'
    """

    def takes(self, inpt: Any) -> bool:
        return isinstance(inpt, tv_tensors.TVTensor)

    def transform(self, inpt: Any, params: Params) -> Any:
        return inpt.as_subclass(Tensor)


class PILToTensor(Transform):
    """`functional.pil_to_tensor` of pictures.

    >>> from PIL import Image
    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.PILToTensor()(Image.new("L", (2, 1))).shape
    torch.Size([1, 1, 2])
    """

    def takes(self, inpt: Any) -> bool:
        return is_pil(inpt)

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.pil_to_tensor(inpt)


class ToTensor(Transform):
    """`functional.to_tensor` of pictures and arrays; `ToImage` and `ToDtype` are the new way.

    >>> from PIL import Image
    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.ToTensor()(Image.new("L", (2, 1), 255))
    tensor([[[1., 1.]]])
    """

    def takes(self, inpt: Any) -> bool:
        return is_pil(inpt) or type(inpt).__name__ == "ndarray"

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.to_tensor(inpt)


class ToPILImage(Transform):
    """`functional.to_pil_image` of images.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.ToPILImage()(torch.zeros(3, 4, 5)).size
    (5, 4)
    """

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def takes(self, inpt: Any) -> bool:
        return is_plain(inpt) or isinstance(inpt, tv_tensors.Image) or type(inpt).__name__ == "ndarray"

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.to_pil_image(inpt, self.mode)


# ----- Boxes -----


class ConvertBoundingBoxFormat(Transform):
    """`functional.convert_bounding_box_format` of boxes.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes([1, 2, 3, 5], format="XYXY", canvas_size=(8, 8))
    >>> torch.vision.transforms.v2.ConvertBoundingBoxFormat("XYWH")(boxes).tolist()
    [[1, 2, 2, 3]]
    """

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = format

    def takes(self, inpt: Any) -> bool:
        return isinstance(inpt, tv_tensors.BoundingBoxes)

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """`functional.clamp_bounding_boxes` of boxes.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes([1, 2, 9, 5], format="XYXY", canvas_size=(8, 8))
    >>> torch.vision.transforms.v2.ClampBoundingBoxes()(boxes).tolist()
    [[1, 2, 8, 5]]
    """

    def takes(self, inpt: Any) -> bool:
        return isinstance(inpt, tv_tensors.BoundingBoxes)

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.clamp_bounding_boxes(inpt)


class SanitizeBoundingBoxes(Transform):
    """Boxes that are too small or not within the image left out, with their labels and masks.

    Args:
        min_size: the least side.
        min_area: the least area.
        labels_getter: finds the labels in a sample; None if there are none.

    Raises:
        ValueError: sizes below 1, or numbers of boxes and labels that differ.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes(
    ...     [[1, 2, 3, 5], [1, 2, 1, 5]], format="XYXY", canvas_size=(8, 8))
    >>> sample = {"boxes": boxes, "labels": torch.tensor([7, 8])}
    >>> torch.vision.transforms.v2.SanitizeBoundingBoxes()(sample)["labels"]
    tensor([7])
    """

    def __init__(
        self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: str | Getter | None = "default"
    ) -> None:
        super().__init__()
        if min_size < 1 or min_area < 1:
            raise ValueError(f"min_size and min_area must be >= 1, got {min_size} and {min_area}.")
        self.min_size = min_size
        self.min_area = min_area
        self._getter = _getter(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        labels = self._getter(sample)
        flat, structure = tree_flatten(sample)
        boxes = next((x for x in flat if isinstance(x, tv_tensors.BoundingBoxes)), None)
        if boxes is None:
            raise ValueError("SanitizeBoundingBoxes: No bounding boxes were found in the sample")
        if labels is not None and labels.shape[0] != boxes.shape[0]:
            raise ValueError(
                f"Number of boxes (shape={tuple(boxes.shape)}) and number of labels "
                f"(shape={tuple(labels.shape)}) do not match."
            )
        kept = self._valid(boxes)
        out = []
        for x in flat:
            mask = isinstance(x, tv_tensors.Mask) and x.shape[0] == boxes.shape[0] and x.ndim > 2
            if x is boxes or mask:
                x = tv_tensors.wrap(x[kept], like=x)
            elif x is labels:
                x = x[kept]
            out.append(x)
        return tree_unflatten(out, structure)

    def _valid(self, boxes: Any) -> Tensor:
        corners = F.convert_bounding_box_format(boxes, new_format="XYXY")
        x1, y1, x2, y2 = corners.unbind(1)
        h, w = boxes.canvas_size
        inside = (x1 >= 0) & (y1 >= 0) & (x2 <= w) & (y2 <= h)
        large = (x2 - x1 >= self.min_size) & (y2 - y1 >= self.min_size)
        valid: Tensor = inside & large & ((x2 - x1) * (y2 - y1) >= self.min_area)
        return valid


_getter = labels_getter


# ----- Batches -----


class _Mixing(Transform):
    """The base of what mixes each image of a batch with the one before it, and their labels likewise."""

    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: str | Getter = "default"
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._getter = _getter(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat, structure = tree_flatten(sample)
        if has_any(flat, tv_tensors.Mask, tv_tensors.BoundingBoxes) or any(map(is_pil, flat)):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes and masks."
            )
        labels = self._getter(sample)
        if not isinstance(labels, Tensor) or labels.ndim not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: labels should be a tensor (batch_size,) or (batch_size, "
                f"num_classes), got {tuple(labels.shape) if isinstance(labels, Tensor) else type(labels)}"
            )
        wanted = self._wanted(flat)
        images = [x for x, take in zip(flat, wanted, strict=True) if take and x is not labels]
        params = self.make_params(images)
        out = []
        for x, take in zip(flat, wanted, strict=True):
            if x is labels:
                rows, lam = as_float(x, self.num_classes), params["lam"]
                x = rows.roll(1, 0) * (1.0 - lam) + rows * lam
            elif take:
                x = self._checked(x, labels.shape[0], params)
            out.append(x)
        return tree_unflatten(out, structure)

    def _checked(self, x: Tensor, n: int, params: Params) -> Any:
        dims = 5 if isinstance(x, tv_tensors.Video) else 4
        if x.ndim != dims or x.shape[0] != n:
            raise ValueError(
                f"{type(self).__name__}: Expected a batched input with {dims} dims and as many images as "
                f"labels ({n}), got {tuple(x.shape)}"
            )
        return F.apply(x, lambda y: self.transform(y, params))

    def _share(self) -> float:
        parameter = torch.tensor([self.alpha])
        return float(torch.distributions.Beta(parameter, parameter).sample(()))


class MixUp(_Mixing):
    """Each image of a batch, and its label, blended with the one before it (Zhang et al., mixup, 2018).

    Args:
        alpha: both parameters of the beta distribution of the share.
        num_classes: how many classes there are, if labels are numbers.
        labels_getter: finds the labels in a sample: by default the second of two.

    Raises:
        ValueError: pictures, masks or boxes, or shapes that don't fit.

    >>> import flambeau as torch
    >>> mix = torch.vision.transforms.v2.MixUp(num_classes=3)
    >>> x, y = mix(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))
    >>> x.shape, y.shape
    (torch.Size([4, 3, 8, 8]), torch.Size([4, 3]))
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        return {"lam": self._share()}

    def transform(self, inpt: Any, params: Params) -> Any:
        return inpt.roll(1, 0) * (1.0 - params["lam"]) + inpt * params["lam"]


class CutMix(_Mixing):
    """Each image of a batch with a part of the one before it, and their labels in proportion (Yun et al.,
    CutMix, 2019). Arguments and errors as `MixUp`.

    >>> import flambeau as torch
    >>> mix = torch.vision.transforms.v2.CutMix(num_classes=3)
    >>> x, y = mix(torch.rand(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))
    >>> x.shape, y.shape
    (torch.Size([4, 3, 8, 8]), torch.Size([4, 3]))
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        lam = self._share()
        h, w = size_of(flat_inputs)
        x, y = integer(0, w), integer(0, h)
        half = 0.5 * math.sqrt(1.0 - lam)
        dx, dy = int(half * w), int(half * h)
        x1, y1, x2, y2 = max(x - dx, 0), max(y - dy, 0), min(x + dx, w), min(y + dy, h)
        return {"box": (x1, y1, x2, y2), "lam": 1.0 - (x2 - x1) * (y2 - y1) / (w * h)}

    def transform(self, inpt: Any, params: Params) -> Any:
        x1, y1, x2, y2 = params["box"]
        out = inpt.clone()
        out[..., y1:y2, x1:x2] = inpt.roll(1, 0)[..., y1:y2, x1:x2]
        return out


# ----- Containers -----


class Compose(Transform):
    """Transforms one after the other.

    >>> import flambeau as torch
    >>> from flambeau.vision.transforms import v2
    >>> v2.Compose([v2.CenterCrop(2), v2.Identity()])(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence) or not transforms:
            raise ValueError("Compose: Pass at least one transform, in a sequence")
        self.transforms = transforms

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        for transform in self._order():
            sample = (
                transform(*sample) if isinstance(sample, tuple) and len(inputs) > 1 else transform(sample)
            )
        return sample

    def _order(self) -> Sequence[Callable[..., Any]]:
        """Those that are done this time."""
        return self.transforms

    def extra_repr(self) -> str:
        return "\n".join(str(transform) for transform in self.transforms)


class RandomApply(Compose):
    """All of the transforms, or, with probability 1 - `p`, none.

    >>> from flambeau.vision.transforms import v2
    >>> v2.RandomApply([v2.Lambda(lambda x: x + 1)], p=1.0)(0)
    1
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]] | nn.ModuleList, p: float = 0.5) -> None:
        super().__init__(list(transforms))
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"RandomApply: `p` should be in [0.0, 1.0], got {p}")
        self.p = p

    def _order(self) -> Sequence[Callable[..., Any]]:
        return self.transforms if torch.rand(1).item() < self.p else ()


class RandomChoice(Compose):
    """One of several transforms, with probabilities in proportion to `p`.

    >>> from flambeau.vision.transforms import v2
    >>> v2.RandomChoice([v2.Lambda(lambda x: x + 1), v2.Identity()], p=[1, 0])(0)
    1
    """

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: list[float] | None = None) -> None:
        super().__init__(transforms)
        p = [1.0] * len(transforms) if p is None else p
        if len(p) != len(transforms):
            raise ValueError(f"RandomChoice: Length of p doesn't match the number of transforms: {len(p)}")
        self.p = [x / sum(p) for x in p]

    def _order(self) -> Sequence[Callable[..., Any]]:
        return [self.transforms[int(torch.multinomial(torch.tensor(self.p), 1))]]


class RandomOrder(Compose):
    """Transforms in a random order.

    >>> from flambeau.vision.transforms import v2
    >>> v2.RandomOrder([v2.Identity(), v2.Lambda(lambda x: x + 1)])(0)
    1
    """

    def _order(self) -> Sequence[Callable[..., Any]]:
        return [self.transforms[i] for i in torch.randperm(len(self.transforms)).tolist()]
