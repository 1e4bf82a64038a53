"""The values of pixels, whatever their place: brightness, contrast, colours."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor
from flambeau.core.tensor import from_array

from ...pictures import is_pil, pillow
from .convert import convert_image_dtype
from .images import check_image, get_dimensions, max_value, permitted

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "autocontrast",
    "blend",
    "equalize",
    "invert",
    "posterize",
    "rgb_to_grayscale",
    "solarize",
    "to_grayscale",
]


def blend(one: Tensor, other: Tensor, ratio: float) -> Tensor:
    """`ratio` parts of one image and 1 - `ratio` of another, within the range of values."""
    mixed = float(ratio) * one + (1.0 - float(ratio)) * other
    return mixed.clamp(0, max_value(one.dtype)).to(one.dtype)


def _enhanced(name: str, img: Any, factor: float) -> Any:
    return getattr(pillow("ImageEnhance"), name)(img).enhance(factor)


def _not_negative(what: str, name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{what}: {name} ({factor}) is not non-negative.")


def _planes(what: str, img: Tensor) -> Tensor:
    """A tensor (..., 1 or 3, H, W). TypeError for another shape."""
    if img.ndim < 3:
        raise TypeError(f"{what}: Input image tensor should have at least 3 dimensions, but found {img.ndim}")
    permitted(what, img)
    return img


def _bytes(what: str, img: Tensor) -> Tensor:
    if img.dtype is not torch.uint8:
        raise TypeError(f"{what}: Only torch.uint8 image tensors are supported, but found {img.dtype}")
    return _planes(what, img)


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """The image times a factor: 0 is black, 1 the image, 2 twice as bright.

    Raises:
        ValueError: the factor is negative.
        TypeError: a tensor has other than 1 or 3 channels.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.adjust_brightness(torch.tensor([[[0.25, 0.75]]]), 2.0)
    tensor([[[0.5000, 1.0000]]])
    """
    what = "adjust_brightness"
    _not_negative(what, "brightness_factor", brightness_factor)
    if is_pil(check_image(what, img)):
        return _enhanced("Brightness", img, brightness_factor)
    permitted(what, img)
    return blend(img, torch.zeros_like(img), brightness_factor)


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """The image blended with its mean grey: 0 is grey, 1 the image, 2 twice the contrast.

    Raises:
        ValueError: the factor is negative.
        TypeError: a tensor has other than 1 or 3 channels.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.adjust_contrast(torch.tensor([[[0.25, 0.75]]]), 0.0)
    tensor([[[0.5000, 0.5000]]])
    """
    what = "adjust_contrast"
    _not_negative(what, "contrast_factor", contrast_factor)
    if is_pil(check_image(what, img)):
        return _enhanced("Contrast", img, contrast_factor)
    gray = rgb_to_grayscale(img) if permitted(what, img) == 3 else img
    gray = gray if gray.is_floating_point() else gray.to(torch.float32)
    return blend(
        img, gray.mean(dim=(-3, -2, -1) if img.ndim > 2 else None, keepdim=img.ndim > 2), contrast_factor
    )


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """The image blended with itself in grey: 0 is grey, 1 the image, 2 twice the colour.

    Raises:
        ValueError: the factor is negative.
        TypeError: a tensor has other than 1 or 3 channels.

    >>> import flambeau as torch
    >>> x = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    >>> torch.vision.transforms.functional.adjust_saturation(x, 0.0).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """
    what = "adjust_saturation"
    _not_negative(what, "saturation_factor", saturation_factor)
    if is_pil(check_image(what, img)):
        return _enhanced("Color", img, saturation_factor)
    return img if permitted(what, img) == 1 else blend(img, rgb_to_grayscale(img), saturation_factor)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """`gain * img ** gamma`, for values in [0, 1]: shadows are darker for `gamma` above 1.

    Raises:
        ValueError: gamma is negative.
        TypeError: a tensor has other than 1 or 3 channels.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.adjust_gamma(torch.tensor([[[0.5]]]), 2.0)
    tensor([[[0.2500]]])
    """
    what = "adjust_gamma"
    if gamma < 0:
        raise ValueError(f"{what}: Gamma should be a non-negative real number, got {gamma}")
    if is_pil(check_image(what, img)):
        table = [int((255 + 1 - 1e-3) * gain * (value / 255.0) ** gamma) for value in range(256)]
        return img.convert("RGB").point(table * 3).convert(img.mode)
    permitted(what, img)
    wide = img if img.is_floating_point() else convert_image_dtype(img, torch.float32)
    return convert_image_dtype((gain * wide**gamma).clamp(0, 1), img.dtype)


# ----- Hue -----


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """The image with colours moved along the circle of hues: 0.5 and -0.5 are the opposite side.

    Raises:
        ValueError: the factor is not in [-0.5, 0.5].
        TypeError: a tensor has other than 1 or 3 channels.

    >>> import flambeau as torch
    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1)
    >>> torch.vision.transforms.functional.adjust_hue(red, 0.5).flatten()
    tensor([0., 1., 1.])
    """
    what = "adjust_hue"
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"{what}: hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if is_pil(check_image(what, img)):
        return _hue_of_picture(img, hue_factor)
    if permitted(what, img) == 1:
        return img
    h, s, v = _hsv(convert_image_dtype(img, torch.float32))
    return convert_image_dtype(_rgb((h + hue_factor) % 1.0, s, v), img.dtype)


def _hue_of_picture(img: Any, factor: float) -> Any:
    if img.mode in ("L", "1", "I", "F"):
        return img
    h, s, v = img.convert("HSV").split()
    turned = (np.asarray(h).astype(np.int32) + int(factor * 255)) % 256  # round the circle
    h = pillow().fromarray(turned.astype(np.uint8))
    return pillow().merge("HSV", (h, s, v)).convert(img.mode)


def _hsv(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue, saturation and value, all in [0, 1] (Smith, Color gamut transform pairs, 1978)."""
    r, g, b = img.unbind(-3)
    high, low = img.amax(-3), img.amin(-3)
    gray = high == low
    span = high - low
    s = span / torch.where(gray, 1.0, high)
    to_r, to_g, to_b = ((high - c) / torch.where(gray, 1.0, span) for c in (r, g, b))
    sector = torch.where(high == r, to_b - to_g, torch.where(high == g, 2.0 + to_r - to_b, 4.0 + to_g - to_r))
    return torch.fmod(sector / 6.0 + 1.0, 1.0), s, high


def _rgb(h: Tensor, s: Tensor, v: Tensor) -> Tensor:
    """The way back: in each sixth of the circle one channel rises or falls between the other two."""
    sector = torch.floor(h * 6.0)
    f = h * 6.0 - sector
    p, q, t = (x.clamp(0, 1) for x in (v * (1 - s), v * (1 - s * f), v * (1 - s * (1 - f))))
    sixth = sector.to(torch.int32) % 6
    orders = ((v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q))
    channels = []
    for order in orders:
        channel = order[5]
        for k in range(4, -1, -1):
            channel = torch.where(sixth == k, order[k], channel)
        channels.append(channel)
    return torch.stack(channels, -3)


# ----- Grey -----


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """The image in grey: 0.2989 R + 0.587 G + 0.114 B (ITU-R BT.601), in 1 channel or in 3 equal ones.

    Raises:
        ValueError: another number of channels is asked for.
        TypeError: a tensor has other than 1 or 3 channels.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.rgb_to_grayscale(torch.ones(3, 1, 2))
    tensor([[[0.9999, 0.9999]]])
    """
    what = "rgb_to_grayscale"
    if num_output_channels not in (1, 3):
        raise ValueError(f"{what}: num_output_channels should be either 1 or 3, got {num_output_channels}")
    if is_pil(check_image(what, img)):
        return to_grayscale(img, num_output_channels)
    _planes(what, img)
    if img.shape[-3] == 3:
        r, g, b = img.unbind(-3)
        gray = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    else:
        gray = img.clone()
    return gray if num_output_channels == 1 else gray.expand(*gray.shape[:-3], 3, *gray.shape[-2:])


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A picture in grey ("L"), or in "RGB" with three equal channels. TypeError for tensors, which
    `rgb_to_grayscale` is for.

    >>> from PIL import Image
    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.to_grayscale(Image.new("RGB", (2, 2))).mode
    'L'
    """
    if not is_pil(img):
        raise TypeError("to_grayscale: Input should be PIL Image; use rgb_to_grayscale for tensors")
    if num_output_channels not in (1, 3):
        raise ValueError(
            f"to_grayscale: num_output_channels should be either 1 or 3, got {num_output_channels}"
        )
    gray = img.convert("L")
    return gray if num_output_channels == 1 else pillow().merge("RGB", [gray] * 3)


# ----- Curves of values -----


def invert(img: Any) -> Any:
    """White minus the image.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.invert(torch.tensor([[[0.25, 1.0]]]))
    tensor([[[0.7500, 0.0000]]])
    """
    if is_pil(check_image("invert", img)):
        return pillow("ImageOps").invert(img)
    return max_value(img.dtype) - _planes("invert", img)


def posterize(img: Any, bits: int) -> Any:
    """The image with the first `bits` bits of each byte.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.posterize(torch.tensor([[[255, 100]]], dtype=torch.uint8), 1)
    tensor([[[128,   0]]], dtype=torch.uint8)
    """
    if is_pil(check_image("posterize", img)):
        return pillow("ImageOps").posterize(img, bits)
    return _bytes("posterize", img) & (256 - int(2 ** (8 - bits)))


def solarize(img: Any, threshold: float) -> Any:
    """The image with values from `threshold` on inverted.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.solarize(torch.tensor([[[0.25, 1.0]]]), 0.5)
    tensor([[[0.2500, 0.0000]]])
    """
    if is_pil(check_image("solarize", img)):
        return pillow("ImageOps").solarize(img, threshold)
    if threshold > max_value(img.dtype):
        raise TypeError(
            f"solarize: Threshold should be less than bound of img: {threshold} > {max_value(img.dtype)}"
        )
    return torch.where(img >= threshold, invert(img), img)


def autocontrast(img: Any) -> Any:
    """The image with each channel stretched so that its darkest pixel is black and its lightest white.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.autocontrast(torch.tensor([[[0.25, 0.5, 0.75]]]))
    tensor([[[0.0000, 0.5000, 1.0000]]])
    """
    if is_pil(check_image("autocontrast", img)):
        return pillow("ImageOps").autocontrast(img)
    _planes("autocontrast", img)
    bound, dtype = max_value(img.dtype), img.dtype if img.is_floating_point() else torch.float32
    low, high = (x.to(dtype) for x in (img.amin((-2, -1), keepdim=True), img.amax((-2, -1), keepdim=True)))
    flat = low == high
    scale = bound / torch.where(flat, float(bound), high - low)
    return ((img - torch.where(flat, 0.0, low)) * scale).clamp(0, bound).to(img.dtype)


def equalize(img: Any) -> Any:
    """The image with each channel's values spread so that all are about as frequent. Bytes only.

    >>> import flambeau as torch
    >>> x = torch.arange(16, dtype=torch.uint8).repeat(64).view(1, 32, 32)
    >>> torch.vision.transforms.functional.equalize(x)[0, 0, :4]
    tensor([ 0, 21, 43, 64], dtype=torch.uint8)
    """
    if is_pil(check_image("equalize", img)):
        return pillow("ImageOps").equalize(img)
    _bytes("equalize", img)
    _, h, w = get_dimensions(img)
    channels = img.detach().cpu().numpy().reshape(-1, h * w)
    out = np.stack([_equalized(channel) for channel in channels]) if channels.size else channels
    return from_array(out.reshape(tuple(img.shape)))


def _equalized(channel: np.ndarray) -> np.ndarray:
    """Values by their place in the cumulative histogram, in steps of a 255th."""
    histogram = np.bincount(channel, minlength=256)
    step = int(histogram[histogram != 0][:-1].sum()) // 255
    if step == 0:
        return channel
    below = np.concatenate([[0], ((np.cumsum(histogram) + step // 2) // step)[:-1]])
    values: np.ndarray = below.clip(0, 255).astype(np.uint8)[channel]
    return values
