"""Transforms of where pixels, masks and boxes are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch

from ... import tv_tensors
from .. import moving as v1
from .. import warping as v1_warping
from ..chance import integer, number
from ..functional.place import borders
from ..modes import InterpolationMode, to_mode
from . import functional as F
from .base import Sometimes, Transform, has_any, size_of, sized

__all__ = [
    "CenterCrop",
    "ElasticTransform",
    "FiveCrop",
    "Pad",
    "RandomAffine",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomPerspective",
    "RandomResize",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomShortestSize",
    "RandomVerticalFlip",
    "RandomZoomOut",
    "Resize",
    "ScaleJitter",
    "TenCrop",
]

Params = dict[str, Any]


class Resize(Transform, v1.Resize):
    """v1's `Resize`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.Resize((4, 4))(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.resize(inpt, self.size, self.interpolation, self.max_size, self.antialias)


class CenterCrop(Transform, v1.CenterCrop):
    """v1's `CenterCrop`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.CenterCrop(4)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.center_crop(inpt, self.size)


class FiveCrop(Transform, v1.FiveCrop):
    """v1's `FiveCrop`, for samples without masks and boxes.

    >>> import flambeau as torch
    >>> len(torch.vision.transforms.v2.FiveCrop(4)(torch.zeros(3, 8, 8)))
    5
    """

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, tv_tensors.Mask, tv_tensors.BoundingBoxes):
            raise TypeError(f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()")

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.five_crop(inpt, self.size)


class TenCrop(FiveCrop, v1.TenCrop):
    """v1's `TenCrop`, for samples without masks and boxes.

    >>> import flambeau as torch
    >>> len(torch.vision.transforms.v2.TenCrop(4)(torch.zeros(3, 8, 8)))
    10
    """

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.ten_crop(inpt, self.size, self.vertical_flip)


class Pad(Transform, v1.Pad):
    """v1's `Pad`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.Pad(1)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 10, 10])
    """

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.pad(inpt, self.padding, self.fill, self.padding_mode)


class RandomCrop(Transform, v1.RandomCrop):
    """v1's `RandomCrop`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomCrop(4)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        (h, w), (height, width) = size_of(flat_inputs), self.size
        left, top, right, bottom = borders(0 if self.padding is None else self.padding)
        h, w = h + top + bottom, w + left + right
        if self.pad_if_needed:
            dy, dx = max(height - h, 0), max(width - w, 0)
            left, top, right, bottom = left + dx, top + dy, right + dx, bottom + dy
            h, w = h + 2 * dy, w + 2 * dx
        if h < height or w < width:
            raise ValueError(
                f"RandomCrop: Required crop size {(height, width)} is larger than padded input image size "
                f"{(h, w)}."
            )
        y = integer(0, h - height + 1) if h > height else 0
        x = integer(0, w - width + 1) if w > width else 0
        return {"borders": [left, top, right, bottom], "part": (y, x, height, width)}

    def transform(self, inpt: Any, params: Params) -> Any:
        if any(params["borders"]):
            inpt = F.pad(inpt, params["borders"], self.fill, self.padding_mode)
        return F.crop(inpt, *params["part"])


class RandomResizedCrop(Transform, v1.RandomResizedCrop):
    """v1's `RandomResizedCrop`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomResizedCrop(4)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        blank = torch.zeros(1).expand(size_of(flat_inputs))
        return {"part": self.get_params(blank, self.scale, self.ratio)}

    def transform(self, inpt: Any, params: Params) -> Any:
        part = F.crop(inpt, *params["part"])
        return F.resize(part, self.size, self.interpolation, antialias=self.antialias)


class RandomHorizontalFlip(Sometimes, v1.RandomHorizontalFlip):
    """v1's `RandomHorizontalFlip`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomHorizontalFlip(1.0)(torch.tensor([[[1, 2]]]))
    tensor([[[2, 1]]])
    """

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.horizontal_flip(inpt)


class RandomVerticalFlip(Sometimes, v1.RandomVerticalFlip):
    """v1's `RandomVerticalFlip`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomVerticalFlip(1.0)(torch.tensor([[[1], [2]]])).flatten()
    tensor([2, 1])
    """

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.vertical_flip(inpt)


class RandomRotation(Transform, v1_warping.RandomRotation):
    """v1's `RandomRotation`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomRotation(30)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        return {"angle": self.get_params(self.degrees)}

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.rotate(inpt, params["angle"], self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform, v1_warping.RandomAffine):
    """v1's `RandomAffine`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomAffine(30)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        size = sized(flat_inputs)
        return {"drawn": self.get_params(self.degrees, self.translate, self.scale, self.shear, size)}

    def transform(self, inpt: Any, params: Params) -> Any:
        angle, shift, scale, shear = params["drawn"]
        return F.affine(inpt, angle, shift, scale, shear, self.interpolation, self.fill, self.center)


class RandomPerspective(Sometimes, v1_warping.RandomPerspective):
    """v1's `RandomPerspective`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomPerspective(p=1.0)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        return {"points": self.get_params(*sized(flat_inputs), self.distortion_scale)}

    def transform(self, inpt: Any, params: Params) -> Any:
        start, end = params["points"]
        return F.perspective(inpt, start, end, self.interpolation, self.fill)


class ElasticTransform(Transform, v1_warping.ElasticTransform):
    """v1's `ElasticTransform`, for samples without boxes.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.ElasticTransform(sigma=1.0)(torch.zeros(3, 16, 16)).shape
    torch.Size([3, 16, 16])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        return {"shift": self.get_params(self.alpha, self.sigma, size_of(flat_inputs))}

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.elastic(inpt, params["shift"], self.interpolation, self.fill)


class RandomZoomOut(Sometimes):
    """The image somewhere on a larger canvas, with probability `p` (Liu et al., SSD, 2016).

    Args:
        fill: the value around it.
        side_range: the least and the greatest factor of the sides.
        p: the probability.

    Raises:
        ValueError: factors below 1, or the least above the greatest.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomZoomOut(side_range=(2.0, 2.0), p=1.0)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 16, 16])
    """

    def __init__(self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5) -> None:
        super().__init__()
        if not 1.0 <= side_range[0] <= side_range[1]:
            raise ValueError(f"RandomZoomOut: Invalid canvas side range provided {side_range}.")
        self.p = p
        self.fill = fill
        self.side_range = side_range

    def make_params(self, flat_inputs: list[Any]) -> Params:
        h, w = size_of(flat_inputs)
        low, high = self.side_range
        factor = low + number() * (high - low)
        height, width = int(h * factor), int(w * factor)
        across, down = torch.rand(2).tolist()
        left, top = int((width - w) * across), int((height - h) * down)
        return {"padding": [left, top, width - left - w, height - top - h]}

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.pad(inpt, params["padding"], self.fill)


class RandomResize(Transform):
    """The shorter side of a random length of [min_size, max_size).

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomResize(4, 5)(torch.zeros(3, 8, 16)).shape
    torch.Size([3, 4, 8])
    """

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = to_mode("RandomResize", interpolation)
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> Params:
        return {"size": [integer(self.min_size, self.max_size)]}

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)


class RandomShortestSize(Transform):
    """The shorter side of one of several lengths, the longer at most `max_size`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomShortestSize(4, max_size=6)(torch.zeros(3, 8, 16)).shape
    torch.Size([3, 3, 6])
    """

    def __init__(
        self,
        min_size: int | Sequence[int],
        max_size: int | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = to_mode("RandomShortestSize", interpolation)
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> Params:
        h, w = size_of(flat_inputs)
        factor = self.min_size[integer(0, len(self.min_size))] / min(h, w)
        factor = factor if self.max_size is None else min(factor, self.max_size / max(h, w))
        return {"size": (int(h * factor), int(w * factor))}

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)


class ScaleJitter(Transform):
    """The image scaled by a random factor, relative to what fits into a target size (Ghiasi et al., Simple
    copy-paste, 2021).

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.ScaleJitter((16, 16), (1.0, 1.0))(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 16, 16])
    """

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = to_mode("ScaleJitter", interpolation)
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> Params:
        h, w = size_of(flat_inputs)
        low, high = self.scale_range
        factor = (low + number() * (high - low)) * min(self.target_size[0] / h, self.target_size[1] / w)
        return {"size": (int(h * factor), int(w * factor))}

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)
