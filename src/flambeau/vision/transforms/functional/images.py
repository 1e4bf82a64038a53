"""What images are: their sizes and their range of values; and tensors of them in the shapes of kernels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor

from ...pictures import is_pil

__all__ = [
    "check_image",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "in_batch",
    "in_float",
    "max_value",
    "permitted",
]

_MAX = {
    torch.uint8: 255,
    torch.int8: 127,
    torch.int16: 32767,
    torch.uint16: 65535,
    torch.int32: 2147483647,
    torch.int64: 9223372036854775807,
}


def max_value(dtype: Any) -> int:
    """The value of white."""
    return _MAX.get(dtype, 1)


def check_image(what: str, img: Any) -> Any:
    """The image, a picture or a tensor of two dimensions or more. TypeError for anything else."""
    if is_pil(img) or (isinstance(img, Tensor) and img.ndim >= 2):
        return img
    if isinstance(img, Tensor):
        raise TypeError(f"{what}: Tensor is not a torch image: its shape is {tuple(img.shape)}")
    raise TypeError(f"{what}: img should be PIL Image or Tensor. Got {type(img)}")


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.get_dimensions(torch.zeros(3, 4, 5))
    [3, 4, 5]
    """
    if is_pil(check_image("get_dimensions", img)):
        return [len(img.getbands()), img.height, img.width]
    return [1 if img.ndim == 2 else img.shape[-3], *img.shape[-2:]]


def get_image_size(img: Any) -> list[int]:
    """Width and height.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.get_image_size(torch.zeros(3, 4, 5))
    [5, 4]
    """
    return get_dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """Channels.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.get_image_num_channels(torch.zeros(3, 4, 5))
    3
    """
    return get_dimensions(img)[0]


def permitted(what: str, img: Tensor, channels: Sequence[int] = (1, 3)) -> int:
    """The number of channels. TypeError if it isn't one of these."""
    found = get_dimensions(img)[0]
    if found not in channels:
        raise TypeError(
            f"{what}: Input image tensor permitted channel values are {list(channels)}, but found {found}"
        )
    return found


def in_batch(img: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
    """What `run` makes of (N, C, H, W), for any number of dimensions in front."""
    shape = tuple(img.shape)
    lead = shape[:-3]
    batch = img.reshape(math.prod(lead), *(1,) * (3 - len(shape)), *shape[-3:])
    out = run(batch)
    return out.reshape(*lead, *out.shape[1:]) if len(shape) > 2 else out.reshape(*out.shape[-2:])


def in_float(img: Tensor, run: Callable[[Tensor], Tensor]) -> Tensor:
    """What `run` makes of it in float32 (or float64), rounded back to its dtype."""
    dtype = img.dtype
    if dtype in (torch.float32, torch.float64):
        return run(img)
    out = run(img.to(torch.float32))
    return (out if dtype.is_floating_point else out.round()).to(dtype)
