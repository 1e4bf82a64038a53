"""Transforms of where pixels are: crops, flips, borders, sizes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau import nn

from . import functional as F
from .chance import integer, number, pair, uniform
from .modes import InterpolationMode, to_mode

__all__ = [
    "CenterCrop",
    "FiveCrop",
    "Pad",
    "RandomCrop",
    "RandomHorizontalFlip",
    "RandomResizedCrop",
    "RandomVerticalFlip",
    "Resize",
    "TenCrop",
]

Size = int | Sequence[int]
_SIZE = "Please provide only two dimensions (h, w) for size."


class Resize(nn.Module):
    """`functional.resize`.

    Args:
        size: (h, w); or the length of the shorter side, the other in proportion.
        interpolation: how.
        max_size: the most that the longer side may have, where `size` is one number.
        antialias: whether tensors that shrink are smoothed; pictures always are.

    Raises:
        TypeError, ValueError: a size of another kind.

    >>> import flambeau as torch
    >>> torch.vision.transforms.Resize(8)(torch.zeros(3, 16, 32)).shape
    torch.Size([3, 8, 16])
    """

    def __init__(
        self,
        size: Size | None,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if isinstance(size, str) or not isinstance(size, int | Sequence | None):
            raise TypeError(f"Resize: Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError(f"Resize: If size is a sequence, it should have 1 or 2 values, got {size}")
        self.size = size
        self.max_size = max_size
        self.interpolation = to_mode("Resize", interpolation)
        self.antialias = antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, interpolation={self.interpolation.value}, "
            f"max_size={self.max_size}, antialias={self.antialias})"
        )


class CenterCrop(nn.Module):
    """`functional.center_crop`: the middle, of size (h, w) or n by n.

    >>> import flambeau as torch
    >>> torch.vision.transforms.CenterCrop(2)(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = pair(size, _SIZE)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size})"


class FiveCrop(CenterCrop):
    """`functional.five_crop`: a tuple of the corners and the middle.

    >>> import flambeau as torch
    >>> len(torch.vision.transforms.FiveCrop(2)(torch.zeros(3, 4, 4)))
    5
    """

    def forward(self, img: Any) -> Any:
        return F.five_crop(img, self.size)


class TenCrop(CenterCrop):
    """`functional.ten_crop`: the corners and the middle of the image and of its mirror image.

    >>> import flambeau as torch
    >>> len(torch.vision.transforms.TenCrop(2)(torch.zeros(3, 4, 4)))
    10
    """

    def __init__(self, size: Size, vertical_flip: bool = False) -> None:
        super().__init__(size)
        self.vertical_flip = vertical_flip

    def forward(self, img: Any) -> Any:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, vertical_flip={self.vertical_flip})"


class Pad(nn.Module):
    """`functional.pad`: borders of constants, edges, or reflections.

    >>> import flambeau as torch
    >>> torch.vision.transforms.Pad(1)(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 6, 6])
    """

    def __init__(self, padding: Size, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        if not isinstance(padding, int | tuple | list):
            raise TypeError(f"Pad: Got inappropriate padding arg {padding!r}")
        if padding_mode not in ("constant", "edge", "reflect", "symmetric"):
            raise ValueError(
                "Pad: Padding mode should be either constant, edge, reflect or symmetric, got "
                f"{padding_mode!r}"
            )
        if not isinstance(padding, int) and len(padding) not in (1, 2, 4):
            raise ValueError(
                f"Pad: Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element "
                "tuple"
            )
        self.padding = padding
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(padding={self.padding}, fill={self.fill}, "
            f"padding_mode={self.padding_mode})"
        )


class RandomCrop(nn.Module):
    """A part of the image at a random place.

    Args:
        size: (h, w) or n for n by n.
        padding, fill, padding_mode: borders that the image gets before, see `functional.pad`.
        pad_if_needed: whether a smaller image gets borders, so that it is no error.

    Raises:
        ValueError: the image is smaller.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.vision.transforms.RandomCrop(2)(torch.arange(16).view(1, 4, 4))
    tensor([[[ 8,  9],
             [12, 13]]])
    """

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """top, left, height and width of a random part."""
        _, h, w = F.get_dimensions(img)
        height, width = output_size
        if h < height or w < width:
            raise ValueError(
                f"RandomCrop: Required crop size {(height, width)} is larger than input image size {(h, w)}"
            )
        if (h, w) == (height, width):
            return 0, 0, h, w
        top = integer(0, h - height + 1)
        return top, integer(0, w - width + 1), height, width

    def __init__(
        self,
        size: Size,
        padding: Size | None = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = pair(size, _SIZE)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, h, w = F.get_dimensions(img)
        if self.pad_if_needed and w < self.size[1]:
            img = F.pad(img, [self.size[1] - w, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and h < self.size[0]:
            img = F.pad(img, [0, self.size[0] - h], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(size={self.size}, padding={self.padding})"


class RandomHorizontalFlip(nn.Module):
    """`functional.hflip` with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomHorizontalFlip(1.0)(torch.tensor([[[1, 2]]]))
    tensor([[[2, 1]]])
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return F.hflip(img) if number() < self.p else img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class RandomVerticalFlip(RandomHorizontalFlip):
    """`functional.vflip` with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomVerticalFlip(1.0)(torch.tensor([[[1], [2]]])).flatten()
    tensor([2, 1])
    """

    def forward(self, img: Any) -> Any:
        return F.vflip(img) if number() < self.p else img


class RandomResizedCrop(nn.Module):
    """A random part of the image, in a given size (Szegedy et al., Going deeper with convolutions, 2015).

    Args:
        size: (h, w) or n for n by n.
        scale: the least and the greatest part of the area.
        ratio: the least and the greatest width / height; its logarithm is uniform.
        interpolation, antialias: see `functional.resize`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomResizedCrop(8)(torch.zeros(3, 20, 30)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        size: Size,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size, _SIZE)
        for name, values in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(values, Sequence):
                raise TypeError(f"RandomResizedCrop: {name} should be a sequence, got {values!r}")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        self.interpolation = to_mode("RandomResizedCrop", interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img: Any, scale: Sequence[float], ratio: Sequence[float]) -> tuple[int, int, int, int]:
        """top, left, height and width of a random part; after ten that don't fit, the middle."""
        _, h, w = F.get_dimensions(img)
        low, high = torch.log(torch.tensor(ratio)).tolist()
        for _ in range(10):
            area = h * w * uniform(scale[0], scale[1])
            aspect = float(torch.exp(torch.tensor(uniform(low, high))).item())
            width = round(math.sqrt(area * aspect))
            height = round(math.sqrt(area / aspect))
            if 0 < width <= w and 0 < height <= h:
                top = integer(0, h - height + 1)
                return top, integer(0, w - width + 1), height, width
        width, height = w, h
        if w / h < min(ratio):
            height = round(w / min(ratio))
        elif w / h > max(ratio):
            width = round(h * max(ratio))
        return (h - height) // 2, (w - width) // 2, height, width

    def forward(self, img: Any) -> Any:
        part = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *part, self.size, self.interpolation, antialias=self.antialias)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(size={self.size}, scale={tuple(round(s, 4) for s in self.scale)}, "
            f"ratio={tuple(round(r, 4) for r in self.ratio)}, interpolation={self.interpolation.value}, "
            f"antialias={self.antialias})"
        )
