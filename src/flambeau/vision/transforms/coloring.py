"""Transforms of the values of pixels."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

from . import functional as F
from .chance import number, uniform

__all__ = [
    "ColorJitter",
    "GaussianBlur",
    "Grayscale",
    "RandomAdjustSharpness",
    "RandomAutocontrast",
    "RandomEqualize",
    "RandomGrayscale",
    "RandomInvert",
    "RandomPosterize",
    "RandomSolarize",
]

Range = tuple[float, float] | None


def _range(name: str, value: Any, centre: float = 1, low: float = 0, high: float = float("inf")) -> Range:
    """The least and the greatest factor: [max(0, 1 - x), 1 + x] of a number. None if both change nothing."""
    if isinstance(value, numbers.Number):
        if value < 0:  # type: ignore[operator]
            raise ValueError(f"If {name} is a single number, it must be non negative. Got {value}.")
        span = [centre - float(value), centre + float(value)]  # type: ignore[arg-type]
        span[0] = max(span[0], 0.0) if centre else span[0]
    elif isinstance(value, Sequence) and len(value) == 2:
        span = [float(v) for v in value]
    else:
        raise TypeError(f"{name} should be a single number or a list/tuple with length 2. Got {value!r}.")
    if not low <= span[0] <= span[1] <= high:
        raise ValueError(f"{name} values should be between {(low, high)}, but got {span}.")
    return None if span[0] == span[1] == centre else (span[0], span[1])


class ColorJitter(nn.Module):
    """Brightness, contrast, saturation and hue changed at random, in a random order.

    Args:
        brightness, contrast, saturation: factors are drawn from [max(0, 1 - x), 1 + x], or [min, max].
        hue: the shift is drawn from [-x, x] with x ≤ 0.5, or [min, max].

    Raises:
        TypeError, ValueError: ranges of another kind.

    >>> import flambeau as torch
    >>> torch.vision.transforms.ColorJitter(0.5, hue=0.1)
    ColorJitter(brightness=(0.5, 1.5), contrast=None, saturation=None, hue=(-0.1, 0.1))
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0,
        contrast: float | Sequence[float] = 0,
        saturation: float | Sequence[float] = 0,
        hue: float | Sequence[float] = 0,
    ) -> None:
        super().__init__()
        self.brightness = _range("brightness", brightness)
        self.contrast = _range("contrast", contrast)
        self.saturation = _range("saturation", saturation)
        self.hue = _range("hue", hue, 0, -0.5, 0.5)

    @staticmethod
    def get_params(
        brightness: Range, contrast: Range, saturation: Range, hue: Range
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """The order of the four, and a factor for each, or None."""
        order = torch.randperm(4)
        b, c, s, h = (None if r is None else uniform(*r) for r in (brightness, contrast, saturation, hue))
        return order, b, c, s, h

    def forward(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        change = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            factor = factors[i]
            img = img if factor is None else change[i](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class Grayscale(nn.Module):
    """`functional.rgb_to_grayscale`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.Grayscale()(torch.zeros(3, 4, 4)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_output_channels={self.num_output_channels})"


class GaussianBlur(nn.Module):
    """The image blurred by a Gaussian of random width.

    Args:
        kernel_size: width and height of the window, odd, or one for both.
        sigma: the least and the greatest standard deviation, or one.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> torch.vision.transforms.GaussianBlur(3)(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0)) -> None:
        super().__init__()
        sizes = (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
        sizes = sizes * 2 if len(sizes) == 1 else sizes
        if len(sizes) != 2 or any(k <= 0 or k % 2 == 0 for k in sizes):
            raise ValueError(
                "GaussianBlur: Kernel size should be a tuple/list of two odd and positive numbers. "
                f"Got {sizes}"
            )
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:  # type: ignore[operator]
                raise ValueError(
                    f"GaussianBlur: If sigma is a single number, it must be positive. Got {sigma}"
                )
            sigma = (float(sigma),) * 2  # type: ignore[arg-type]
        elif not isinstance(sigma, Sequence) or len(sigma) != 2:
            raise TypeError(
                f"GaussianBlur: sigma should be a single number or a list/tuple with length 2. Got {sigma!r}"
            )
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError(
                f"GaussianBlur: sigma values should be positive and of the form (min, max). Got {sigma}"
            )
        self.kernel_size = sizes
        self.sigma: Any = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """A random standard deviation."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        sigma = self.get_params(*self.sigma)
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"{type(self).__name__}(kernel_size={self.kernel_size}, sigma={self.sigma})"


class _Sometimes(nn.Module):
    """The base of what is done with probability `p`, to the image as it is; its other argument has a name."""

    argument = ""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def change(self, img: Any) -> Any:
        """What is done."""
        return img

    def forward(self, img: Any) -> Any:
        return self.change(img) if number() < self.p else img

    def __repr__(self) -> str:
        argument = f"{self.argument}={getattr(self, self.argument)}," if self.argument else ""
        return f"{type(self).__name__}({argument}p={self.p})"


class RandomGrayscale(_Sometimes):
    """The image in grey, with as many channels as before, with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomGrayscale(p=1.0)(torch.zeros(3, 4, 4)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, F.get_image_num_channels(img))


class RandomInvert(_Sometimes):
    """`functional.invert` with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomInvert(1.0)(torch.zeros(1, 1, 2))
    tensor([[[1., 1.]]])
    """

    def change(self, img: Any) -> Any:
        return F.invert(img)


class RandomPosterize(_Sometimes):
    """`functional.posterize` with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomPosterize(2)
    RandomPosterize(bits=2,p=0.5)
    """

    argument = "bits"

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, img: Any) -> Any:
        return F.posterize(img, self.bits)


class RandomSolarize(_Sometimes):
    """`functional.solarize` with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomSolarize(0.5, p=1.0)(torch.ones(1, 1, 2))
    tensor([[[0., 0.]]])
    """

    argument = "threshold"

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Sometimes):
    """`functional.adjust_sharpness` with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomAdjustSharpness(2)(torch.zeros(1, 4, 4)).shape
    torch.Size([1, 4, 4])
    """

    argument = "sharpness_factor"

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomAutocontrast(_Sometimes):
    """`functional.autocontrast` with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomAutocontrast(1.0)(torch.tensor([[[0.2, 0.4]]]))
    tensor([[[0., 1.]]])
    """

    def change(self, img: Any) -> Any:
        return F.autocontrast(img)


class RandomEqualize(_Sometimes):
    """`functional.equalize` with probability `p`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandomEqualize(1.0)(torch.zeros(1, 2, 2, dtype=torch.uint8)).sum()
    tensor(0)
    """

    def change(self, img: Any) -> Any:
        return F.equalize(img)
