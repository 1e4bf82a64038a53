"""Transforms that turn, shear and bend images, and that wipe parts of them out."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

from . import functional as F
from .chance import bounds, channel_fill, integer, number, uniform
from .modes import InterpolationMode, to_mode

__all__ = ["ElasticTransform", "RandomAffine", "RandomErasing", "RandomPerspective", "RandomRotation"]


class RandomRotation(nn.Module):
    """The image turned by a random angle.

    Args:
        degrees: the least and the greatest angle, or one for -degrees to degrees.
        interpolation, expand, center, fill: see `functional.rotate`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomRotation(30)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.degrees = bounds("degrees", degrees)
        self.interpolation = to_mode("RandomRotation", interpolation)
        self.expand = expand
        self.center = center
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """A random angle."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        fill = channel_fill(img, self.fill)
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        parts = [
            f"degrees={self.degrees}",
            f"interpolation={self.interpolation.value}",
            f"expand={self.expand}",
        ]
        parts += [] if self.center is None else [f"center={self.center}"]
        return f"{type(self).__name__}({', '.join(parts)}, fill={self.fill})"


class RandomAffine(nn.Module):
    """The image turned, moved, scaled and sheared at random about a centre.

    Args:
        degrees: the least and the greatest angle, or one for -degrees to degrees.
        translate: the greatest shifts, as parts of width and height.
        scale: the least and the greatest scale.
        shear: degrees: (least, greatest) along x, four numbers for x and y, or one for -shear to shear.
        interpolation, fill, center: see `functional.affine`.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomAffine(30, translate=(0.1, 0.1))(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        degrees: float | Sequence[float],
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: float | Sequence[float] | None = None,
        interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.degrees = bounds("degrees", degrees)
        if translate is not None and not all(0 <= t <= 1 for t in bounds("translate", translate)):
            raise ValueError(f"RandomAffine: translation values should be between 0 and 1, got {translate}")
        if scale is not None and not all(s > 0 for s in bounds("scale", scale)):
            raise ValueError(f"RandomAffine: scale values should be positive, got {scale}")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else bounds("shear", shear, (2, 4))
        self.interpolation = to_mode("RandomAffine", interpolation)
        self.fill = 0 if fill is None else fill
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """angle, shift, scale and shear at random, for an image of (width, height)."""
        angle = uniform(degrees[0], degrees[1])
        shift, scale, shear = [0, 0], 1.0, [0.0, 0.0]
        if translate is not None:
            most = [t * extent for t, extent in zip(translate, img_size, strict=True)]
            shift = [round(uniform(-m, m)) for m in most]
        if scale_ranges is not None:
            scale = uniform(scale_ranges[0], scale_ranges[1])
        if shears is not None:
            shear[: len(shears) // 2] = [uniform(*shears[i : i + 2]) for i in range(0, len(shears), 2)]
        return angle, (shift[0], shift[1]), scale, (shear[0], shear[1])

    def forward(self, img: Any) -> Any:
        fill = channel_fill(img, self.fill)
        size = F.get_image_size(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return F.affine(img, *drawn, self.interpolation, fill, self.center)

    def __repr__(self) -> str:
        parts = [f"degrees={self.degrees}"]
        for name in ("translate", "scale", "shear"):
            parts += [] if getattr(self, name) is None else [f"{name}={getattr(self, name)}"]
        if self.interpolation is not InterpolationMode.NEAREST:
            parts.append(f"interpolation={self.interpolation.value}")
        parts += [f"fill={self.fill}"] if self.fill != 0 else []
        parts += [] if self.center is None else [f"center={self.center}"]
        return f"{type(self).__name__}({', '.join(parts)})"


class RandomPerspective(nn.Module):
    """The image in a random perspective, with probability `p`.

    Args:
        distortion_scale: how far corners move, as a part of half the image, in [0, 1].
        p: the probability.
        interpolation, fill: see `functional.perspective`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomPerspective(p=1.0)(torch.zeros(3, 8, 8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.p = p
        self.interpolation = to_mode("RandomPerspective", interpolation)
        self.distortion_scale = distortion_scale
        self.fill = 0 if fill is None else fill

    def forward(self, img: Any) -> Any:
        fill = channel_fill(img, self.fill)
        if number() >= self.p:
            return img
        width, height = F.get_image_size(img)
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The corners, and where they go: [x, y] of top left, top right, bottom right, bottom left."""
        dx, dy = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        left, right = (0, dx + 1), (width - dx - 1, width)
        top, bottom = (0, dy + 1), (height - dy - 1, height)
        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        ranges = ((left, top), (right, top), (right, bottom), (left, bottom))
        return start, [[integer(*x), integer(*y)] for x, y in ranges]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p})"


class ElasticTransform(nn.Module):
    """The image with each pixel from a random place nearby, alike for neighbours (Simard et al., Best
    practices for convolutional neural networks, 2003).

    Args:
        alpha: how far, in pixels, along y and x, or for both.
        sigma: how smooth, likewise.
        interpolation, fill: see `functional.elastic_transform`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.ElasticTransform(sigma=1.0)(torch.zeros(3, 16, 16)).shape
    torch.Size([3, 16, 16])
    """

    def __init__(
        self,
        alpha: float | Sequence[float] = 50.0,
        sigma: float | Sequence[float] = 5.0,
        interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = [float(alpha)] * 2 if isinstance(alpha, int | float) else bounds("alpha", alpha)
        self.sigma = [float(sigma)] * 2 if isinstance(sigma, int | float) else bounds("sigma", sigma)
        self.interpolation = to_mode("ElasticTransform", interpolation)
        self.fill = fill

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """A random displacement for an image of (height, width): (1, height, width, 2)."""
        shifts = []
        for a, s, extent in zip(alpha, sigma, size, strict=True):
            shift = torch.rand([1, 1, *size]) * 2 - 1
            if s > 0:
                window = int(8 * s + 1) // 2 * 2 + 1
                shift = F.gaussian_blur(shift, [window, window], list(sigma))
            shifts.append(shift * a / extent)
        return torch.cat(shifts, 1).permute(0, 2, 3, 1)

    def forward(self, tensor: Any) -> Any:
        _, height, width = F.get_dimensions(tensor)
        shift = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, shift, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


class RandomErasing(nn.Module):
    """A random part of a tensor wiped out, with probability `p` (Zhong et al., Random erasing data
    augmentation, 2020).

    Args:
        p: the probability.
        scale: the least and the greatest part of the area.
        ratio: the least and the greatest height / width.
        value: what is put there: a number, one for each channel, or "random" for normal numbers.
        inplace: whether to write into the input.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomErasing(p=1.0)(torch.ones(3, 8, 8)).min()
    tensor(0.)
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(value, numbers.Number | str | tuple | list):
            raise TypeError("RandomErasing: Argument value should be either a number or str or a sequence")
        if isinstance(value, str) and value != "random":
            raise ValueError("RandomErasing: If value is str, it should be 'random'")
        for name, values in (("Scale", scale), ("Ratio", ratio)):
            if not isinstance(values, Sequence):
                raise TypeError(f"RandomErasing: {name} should be a sequence")
        if scale[0] > scale[1] or ratio[0] > ratio[1]:
            warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=2)
        if scale[0] < 0 or scale[1] > 1:
            raise ValueError(f"RandomErasing: Scale should be between 0 and 1, got {scale}")
        if not 0 <= p <= 1:
            raise ValueError(f"RandomErasing: Random erasing probability should be between 0 and 1, got {p}")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Sequence[float], ratio: Sequence[float], value: list[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """top, left, height, width and content of a random part; after ten that don't fit, the image."""
        c, h, w = img.shape[-3:]
        low, high = torch.log(torch.tensor(ratio)).tolist()
        for _ in range(10):
            area = h * w * uniform(scale[0], scale[1])
            aspect = float(torch.exp(torch.tensor(uniform(low, high))).item())
            height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (height < h and width < w):
                continue
            if value is None:
                content = torch.empty([c, height, width], dtype=torch.float32).normal_()
            else:
                content = torch.tensor(value)[:, None, None]
            top = integer(0, h - height + 1)
            return top, integer(0, w - width + 1), height, width, content
        return 0, 0, h, w, img

    def chosen(self, img: Tensor) -> tuple[int, int, int, int, Tensor]:
        """A random part, after a check of the values."""
        given: Any = self.value
        values = None
        if not isinstance(given, str):
            values = [float(v) for v in (given if isinstance(given, Sequence) else [given])]
        if values is not None and len(values) not in (1, img.shape[-3]):
            raise ValueError(
                "RandomErasing: If value is a sequence, it should have either a single value or "
                f"{img.shape[-3]} (number of input channels), got {len(values)}"
            )
        return self.get_params(img, self.scale, self.ratio, values)

    def forward(self, img: Tensor) -> Tensor:
        return F.erase(img, *self.chosen(img), self.inplace) if number() < self.p else img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(p={self.p}, scale={self.scale}, ratio={self.ratio}, value={self.value}, "
            f"inplace={self.inplace})"
        )
