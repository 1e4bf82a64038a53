"""Transforms of the values of pixels: masks and boxes stay as they are."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from ... import tv_tensors
from .. import autoaugment, coloring, warping
from .. import functional as F1
from . import functional as F
from .base import Sometimes, Transform, is_plain

__all__ = [
    "RGB",
    "AugMix",
    "AutoAugment",
    "ColorJitter",
    "GaussianBlur",
    "GaussianNoise",
    "Grayscale",
    "RandAugment",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomChannelPermutation",
    "RandomEqualize",
    "RandomErasing",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
    "TrivialAugmentWide",
]

Params = dict[str, Any]


class _OfImages(Transform):
    """The base of what v1 does with images, and nothing with masks and boxes."""

    def takes(self, inpt: Any) -> bool:
        return super().takes(inpt) and not isinstance(inpt, tv_tensors.Mask | tv_tensors.BoundingBoxes)


class ColorJitter(_OfImages, coloring.ColorJitter):
    """v1's `ColorJitter`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.ColorJitter(0.5)(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        return {"order": order.tolist(), "factors": factors}

    def transform(self, inpt: Any, params: Params) -> Any:
        change = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in params["order"]:
            factor = params["factors"][i]
            inpt = inpt if factor is None else change[i](inpt, factor)
        return inpt


class Grayscale(_OfImages, coloring.Grayscale):
    """v1's `Grayscale`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.Grayscale()(torch.zeros(3, 4, 4)).shape
    torch.Size([1, 4, 4])
    """

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.rgb_to_grayscale(inpt, self.num_output_channels)


class RGB(_OfImages):
    """Grey images with three channels.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RGB()(torch.zeros(1, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.apply(inpt, lambda x: F1.rgb_to_grayscale(x, 3) if F.get_num_channels(x) == 1 else x)


class GaussianBlur(_OfImages, coloring.GaussianBlur):
    """v1's `GaussianBlur`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.GaussianBlur(3)(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        return {"sigma": [self.get_params(*self.sigma)] * 2}

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.gaussian_blur(inpt, self.kernel_size, params["sigma"])


class GaussianNoise(_OfImages):
    """Floating-point images with normal noise added, in [0, 1] with `clip`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.GaussianNoise()(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: Params) -> Any:
        if not isinstance(inpt, torch.Tensor) or not inpt.is_floating_point():
            raise ValueError(
                "GaussianNoise: Input tensor is expected to be in float dtype, got something else"
            )
        noisy = inpt + (self.mean + torch.randn_like(inpt) * self.sigma)
        noisy = noisy.clamp(0, 1) if self.clip else noisy
        return noisy if is_plain(inpt) else tv_tensors.wrap(noisy, like=inpt)


class RandomChannelPermutation(_OfImages):
    """Channels in a random order.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomChannelPermutation()(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        return {"order": torch.randperm(F.get_num_channels(flat_inputs[0]))}

    def transform(self, inpt: Any, params: Params) -> Any:
        if isinstance(inpt, torch.Tensor):
            return F.apply(inpt, lambda x: x.index_select(-3, params["order"]))
        return F.to_pil_image(F.pil_to_tensor(inpt)[params["order"]], inpt.mode)


class _Changing(Sometimes, _OfImages):
    """The base of what v1 does with probability `p`."""

    change: Any

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.apply(inpt, self.change)


class RandomGrayscale(_Changing, coloring.RandomGrayscale):
    """v1's `RandomGrayscale`, for samples."""


class RandomInvert(_Changing, coloring.RandomInvert):
    """v1's `RandomInvert`, for samples."""


class RandomPosterize(_Changing, coloring.RandomPosterize):
    """v1's `RandomPosterize`, for samples."""


class RandomSolarize(_Changing, coloring.RandomSolarize):
    """v1's `RandomSolarize`, for samples."""


class RandomAdjustSharpness(_Changing, coloring.RandomAdjustSharpness):
    """v1's `RandomAdjustSharpness`, for samples."""


class RandomAutocontrast(_Changing, coloring.RandomAutocontrast):
    """v1's `RandomAutocontrast`, for samples."""


class RandomEqualize(_Changing, coloring.RandomEqualize):
    """v1's `RandomEqualize`, for samples."""


class RandomErasing(Sometimes, _OfImages, warping.RandomErasing):
    """v1's `RandomErasing`, for samples.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.RandomErasing(p=1.0)(torch.ones(3, 8, 8)).min()
    tensor(0.)
    """

    def make_params(self, flat_inputs: list[Any]) -> Params:
        return {"part": self.chosen(flat_inputs[0])}

    def transform(self, inpt: Any, params: Params) -> Any:
        return F.erase(inpt, *params["part"], self.inplace)


class _Policy(_OfImages):
    """The base of the policies of v1, which are for samples with one image."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        for kind in (tv_tensors.Mask, tv_tensors.BoundingBoxes):
            if any(isinstance(x, kind) for x in flat_inputs):
                raise TypeError(
                    f"Inputs of type {kind.__name__} are not supported by {type(self).__name__}()"
                )

    def transform(self, inpt: Any, params: Params) -> Any:
        policy: Any = self._of_v1
        return F.apply(inpt, lambda x: policy.forward(self, x))

    _of_v1: type


class AutoAugment(_Policy, autoaugment.AutoAugment):
    """v1's `AutoAugment`, for samples."""

    _of_v1 = autoaugment.AutoAugment


class RandAugment(_Policy, autoaugment.RandAugment):
    """v1's `RandAugment`, for samples."""

    _of_v1 = autoaugment.RandAugment


class TrivialAugmentWide(_Policy, autoaugment.TrivialAugmentWide):
    """v1's `TrivialAugmentWide`, for samples."""

    _of_v1 = autoaugment.TrivialAugmentWide


class AugMix(_Policy, autoaugment.AugMix):
    """v1's `AugMix`, for samples."""

    _of_v1 = autoaugment.AugMix
