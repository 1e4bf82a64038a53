"""What images go through before a model with published weights sees them: `weights.transforms()`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

from . import functional as F
from .modes import InterpolationMode

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, by channel
STD = (0.229, 0.224, 0.225)


class _Preset(nn.Module):
    """Resizes an image, crops its centre, and normalises it. Either of the first two may be left out."""

    crop_size: list[int] | None = None

    def __init__(
        self,
        resize_size: int | None,
        mean: Sequence[float],
        std: Sequence[float],
        interpolation: InterpolationMode,
        antialias: bool | None,
    ) -> None:
        super().__init__()
        self.resize_size = None if resize_size is None else [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        if self.resize_size is not None:
            img = F.resize(img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias)
        if self.crop_size is not None:
            img = F.center_crop(img, self.crop_size)
        if not isinstance(img, Tensor):
            img = F.pil_to_tensor(img)
        return F.normalize(F.convert_image_dtype(img, torch.float), mean=self.mean, std=self.std)

    def _shown(self) -> dict[str, Any]:
        crop = {} if self.crop_size is None else {"crop_size": self.crop_size}
        names = ("resize_size", "mean", "std", "interpolation")
        return crop | {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        lines = "".join(f"\n    {name}={value}" for name, value in self._shown().items())
        return f"{type(self).__name__}({lines}\n)"

    def describe(self) -> str:
        """What happens to an image, in words.

        >>> import flambeau as torch
        >>> weights = torch.vision.models.AlexNet_Weights.DEFAULT
        >>> weights.transforms().describe()[:60]
        'PIL images, or tensors (..., C, H, W): resized to [256] by b'
        """
        crop = "" if self.crop_size is None else f"the central {self.crop_size} cropped, "
        resize = (
            ""
            if self.resize_size is None
            else f"resized to {self.resize_size} by {self.interpolation.value}, "
        )
        return (
            f"PIL images, or tensors (..., C, H, W): {resize}{crop}values taken to [0.0, 1.0], then "
            f"normalised by mean={self.mean} and std={self.std}."
        )


class ImageClassification(_Preset):
    """Resizes an image, crops its centre, takes values to [0, 1] and normalises them.

    Args:
        crop_size: the extents of the result.
        resize_size: the shorter side before that.
        mean, std: for each channel.
        interpolation: how it is resized.
        antialias: whether tensors are smoothed as pictures are.

    Shape:
        a picture, or a tensor (..., C, H, W) → (..., C, crop_size, crop_size)

    >>> import flambeau as torch
    >>> from flambeau.vision.transforms._presets import ImageClassification
    >>> ImageClassification(crop_size=4, resize_size=6)(torch.zeros(3, 8, 9, dtype=torch.uint8)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__(resize_size, mean, std, interpolation, antialias)
        self.crop_size = [crop_size]


class SemanticSegmentation(_Preset):
    """Resizes an image, takes values to [0, 1] and normalises them.

    Args:
        resize_size: the shorter side; None leaves it as it is.
        mean, std: for each channel.
        interpolation: how it is resized.
        antialias: whether tensors are smoothed as pictures are.

    Shape:
        a picture, or a tensor (..., C, H, W) → (..., C, H', W')

    >>> import flambeau as torch
    >>> from flambeau.vision.transforms._presets import SemanticSegmentation
    >>> SemanticSegmentation(resize_size=None)(torch.zeros(3, 8, 9)).shape
    torch.Size([3, 8, 9])
    """

    def __init__(
        self,
        *,
        resize_size: int | None,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__(resize_size, mean, std, interpolation, antialias)
