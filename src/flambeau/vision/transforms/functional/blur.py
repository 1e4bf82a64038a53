"""Pixels mixed with their neighbours: blurred, sharpened."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor

from ...pictures import is_pil, pillow
from .color import blend
from .convert import pil_to_tensor, to_pil_image
from .images import check_image, in_batch, in_float, permitted

__all__ = ["adjust_sharpness", "gaussian_blur"]


def gaussian_blur(img: Any, kernel_size: int | Sequence[int], sigma: Any = None) -> Any:
    """The image blurred by a Gaussian; borders are reflections.

    Args:
        img: a picture or a tensor (..., C, H, W).
        kernel_size: width and height of the window, odd; or one number for both.
        sigma: standard deviations along x and y, or one for both; by default 0.15 * kernel_size + 0.35.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> x = torch.zeros(1, 3, 3); x[0, 1, 1] = 1.0
    >>> torch.vision.transforms.functional.gaussian_blur(x, [3, 1], 1.0)[0, 1]
    tensor([0.5481, 0.4519, 0.5481])
    """
    what = "gaussian_blur"
    sizes = _two(what, "kernel_size", kernel_size)
    if any(int(k) != k or k <= 0 or k % 2 == 0 for k in sizes):
        raise ValueError(f"{what}: kernel_size should have odd and positive integers. Got {list(sizes)}")
    sigmas = [0.15 * k + 0.35 for k in sizes] if sigma is None else _two(what, "sigma", sigma)
    if min(sigmas) <= 0:
        raise ValueError(f"{what}: sigma should have positive values. Got {list(sigmas)}")
    if is_pil(check_image(what, img)):
        return to_pil_image(
            gaussian_blur(pil_to_tensor(img), [int(k) for k in sizes], list(sigmas)), img.mode
        )

    def run(x: Tensor) -> Tensor:
        across, down = (_gaussian(int(k), float(s), x) for k, s in zip(sizes, sigmas, strict=True))
        kernel = torch.matmul(down[:, None], across[None, :]).expand(x.shape[1], 1, -1, -1)
        width, height = (int(k) // 2 for k in sizes)
        padded = torch.nn.functional.pad(x, [width, width, height, height], mode="reflect")
        return torch.nn.functional.conv2d(padded, kernel, groups=x.shape[1])

    return in_float(img, lambda x: in_batch(x, run))


def _two(what: str, name: str, value: Any) -> Sequence[float]:
    if isinstance(value, numbers.Real):
        return [value, value]  # type: ignore[list-item]
    if not isinstance(value, Sequence):
        raise TypeError(f"{what}: {name} should be a number or a sequence. Got {type(value)}")
    if len(value) not in (1, 2):
        raise ValueError(f"{what}: If {name} is a sequence its length should be 2. Got {len(value)}")
    return list(value) * (3 - len(value))


def _gaussian(size: int, sigma: float, like: Tensor) -> Tensor:
    half = (size - 1) * 0.5
    weights = torch.exp(-0.5 * (torch.linspace(-half, half, size, dtype=like.dtype) / sigma) ** 2)
    return weights / weights.sum()


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """The image blended with a blurred one: 0 is blurred, 1 the image, 2 sharper.

    Raises:
        ValueError: the factor is negative.
        TypeError: a tensor has other than 1 or 3 channels.

    >>> import flambeau as torch
    >>> x = torch.zeros(1, 3, 3); x[0, 1, 1] = 1.0
    >>> torch.vision.transforms.functional.adjust_sharpness(x, 0.0)[0, 1, 1]
    tensor(0.3846)
    """
    what = "adjust_sharpness"
    if sharpness_factor < 0:
        raise ValueError(f"{what}: sharpness_factor ({sharpness_factor}) is not non-negative.")
    if is_pil(check_image(what, img)):
        return pillow("ImageEnhance").Sharpness(img).enhance(sharpness_factor)
    permitted(what, img)
    if min(img.shape[-2:]) <= 2:
        return img

    def smooth(x: Tensor) -> Tensor:
        kernel = torch.tensor([[1.0, 1.0, 1.0], [1.0, 5.0, 1.0], [1.0, 1.0, 1.0]], dtype=x.dtype) / 13
        return torch.nn.functional.conv2d(x, kernel.expand(x.shape[1], 1, 3, 3), groups=x.shape[1])

    blurred = img.clone()
    blurred[..., 1:-1, 1:-1] = in_float(img, lambda x: in_batch(x, smooth))
    return blend(img, blurred, sharpness_factor)
