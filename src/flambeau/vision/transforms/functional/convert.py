"""From pictures to tensors and back, and from one range of values to another."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor
from flambeau.core.tensor import from_array

from ...pictures import is_pil, pillow
from .images import max_value

__all__ = ["convert_image_dtype", "normalize", "pil_to_tensor", "to_pil_image", "to_tensor"]

_WIDE_MODES = {"I": np.int32, "I;16": np.uint16, "F": np.float32}
_GRAY_MODES = {"uint8": "L", "int16": "I;16", "uint16": "I;16", "int32": "I", "float32": "F"}
_COLOR_MODES = {2: ["LA"], 3: ["RGB", "YCbCr", "HSV"], 4: ["RGBA", "CMYK", "RGBX"]}


def to_tensor(pic: Any) -> Tensor:
    """A picture, or an array (H, W, C) or (H, W), as a tensor (C, H, W).

    Bytes become the default dtype in [0, 1]; other types stay as they are.

    Raises:
        TypeError: it is neither a picture nor an array.
        ValueError: an array has other than 2 or 3 dimensions.

    >>> import flambeau as torch
    >>> import numpy as np
    >>> torch.vision.transforms.functional.to_tensor(np.array([[0, 51, 255]], np.uint8))
    tensor([[[0.0000, 0.2000, 1.0000]]])
    """
    if is_pil(pic):
        array = np.array(pic, _WIDE_MODES.get(pic.mode, np.uint8))
        array = array * np.uint8(255) if pic.mode == "1" else array
    elif isinstance(pic, np.ndarray):
        array = pic
    else:
        raise TypeError(f"to_tensor: pic should be PIL Image or ndarray. Got {type(pic)}")
    planes = _planes("to_tensor", array)
    if planes.dtype != np.uint8:
        return from_array(np.array(planes, order="C"))
    dtype = torch.get_default_dtype()
    if dtype is not torch.float32:
        return from_array(np.array(planes, order="C")).to(dtype) / 255
    scaled: np.ndarray = np.divide(planes, np.float32(255), dtype=np.float32, order="C")
    return from_array(scaled)


def _planes(what: str, array: np.ndarray) -> np.ndarray:
    """(H, W) or (H, W, C) as (C, H, W)."""
    if array.ndim not in (2, 3):
        raise ValueError(f"{what}: pic should be 2/3 dimensional. Got {array.ndim} dimensions.")
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def pil_to_tensor(pic: Any) -> Tensor:
    """A picture as a tensor (C, H, W) of its own values.

    Raises:
        TypeError: it is no picture.

    >>> from PIL import Image
    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.pil_to_tensor(Image.new("L", (2, 1), 7))
    tensor([[[7, 7]]], dtype=torch.uint8)
    """
    if not is_pil(pic):
        raise TypeError(f"pil_to_tensor: pic should be PIL Image. Got {type(pic)}")
    return from_array(np.array(_planes("pil_to_tensor", np.asarray(pic)), order="C"))


def to_pil_image(pic: Tensor | np.ndarray, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or (H, W), or an array (H, W, C) or (H, W), as a picture.

    Args:
        pic: floating-point tensors are times 255, unless the mode is "F".
        mode: the picture's; by default "L", "LA", "RGB" or "RGBA", by the number of channels, and for one
            channel of another type "I;16", "I" or "F".

    Raises:
        TypeError: it is neither, or of a type that pictures can't have.
        ValueError: other dimensions, more than 4 channels, or a mode that doesn't go with them.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.to_pil_image(torch.ones(3, 4, 5)).size
    (5, 4)
    """
    what = "to_pil_image"
    if not isinstance(pic, Tensor | np.ndarray):
        raise TypeError(f"{what}: pic should be Tensor or ndarray. Got {type(pic)}.")
    if pic.ndim not in (2, 3):
        raise ValueError(f"{what}: pic should be 2/3 dimensional. Got {pic.ndim} dimensions.")
    if isinstance(pic, Tensor):
        tensor = pic.detach().cpu()
        if tensor.is_floating_point() and mode != "F":
            tensor = (tensor * 255).byte()
        array = tensor.numpy() if tensor.ndim == 2 else tensor.numpy().transpose(1, 2, 0)
    else:
        array = pic
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim == 3 and array.shape[2] > 4:
        raise ValueError(f"{what}: pic should not have > 4 channels. Got {array.shape[2]} channels.")
    mode = _mode_of(what, array, mode)
    height, width = array.shape[:2]
    return pillow().frombytes(mode, (width, height), np.ascontiguousarray(array).tobytes())


def _mode_of(what: str, array: np.ndarray, mode: str | None) -> str:
    """The mode of the picture that an array becomes."""
    name = array.dtype.name
    if array.ndim == 2:
        expected = _GRAY_MODES.get(name)
        if expected is None:
            raise TypeError(f"{what}: Input type {name} is not supported")
        if mode not in (None, expected):
            raise ValueError(
                f"{what}: Incorrect mode ({mode}) supplied for input type {name}. Should be {expected}"
            )
        return expected
    modes = _COLOR_MODES[array.shape[2]]
    if mode is not None and mode not in modes:
        raise ValueError(
            f"{what}: Only modes {modes} are supported for {array.shape[2]} channels, got {mode}"
        )
    if name != "uint8":
        raise TypeError(f"{what}: Input type {name} is not supported")
    return mode or modes[0]


def convert_image_dtype(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """An image in another dtype, its values scaled to the range there: [0, 1] in floating point, and up to
    the largest number in integers.

    Raises:
        TypeError: it is no tensor.
        RuntimeError: the floating-point type is too coarse for the integer type.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.convert_image_dtype(torch.tensor([0, 255], dtype=torch.uint8))
    tensor([0., 1.])
    """
    what = "convert_image_dtype"
    if not isinstance(image, Tensor):
        raise TypeError(f"{what}: Input img should be Tensor Image, got {type(image).__name__}")
    source = image.dtype
    if source is dtype:
        return image
    if source.is_floating_point and dtype.is_floating_point:
        return image.to(dtype)
    top = max_value(dtype)
    if source.is_floating_point:
        coarse = (torch.int32, torch.int64) if source is torch.float32 else (torch.int64,)
        if dtype in coarse and source in (torch.float32, torch.float64):
            raise RuntimeError(f"{what}: The cast from {source} to {dtype} cannot be performed safely.")
        return (image * (top + 1.0 - 1e-3)).to(dtype)  # equal shares of [0, 1] for all integers
    whole = max_value(source)
    if dtype.is_floating_point:
        return image.to(dtype) / float(whole)
    if whole > top:
        return torch.div(image, (whole + 1) // (top + 1), rounding_mode="floor").to(dtype)
    return image.to(dtype) * ((top + 1) // (whole + 1))


def normalize(tensor: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> Tensor:
    """`(tensor - mean) / std`, channel by channel.

    Args:
        tensor: (..., C, H, W), floating point.
        mean, std: a number for each channel, or one for all.
        inplace: whether to write into the tensor.

    Raises:
        TypeError: it is no tensor, or not floating point.
        ValueError: fewer than 3 dimensions, or a standard deviation of 0.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.normalize(torch.ones(1, 1, 2), [0.5], [0.25])
    tensor([[[2., 2.]]])
    """
    what = "normalize"
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{what}: img should be Tensor Image. Got {type(tensor)}")
    if not tensor.is_floating_point():
        raise TypeError(f"{what}: Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            f"{what}: Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{tuple(tensor.shape)}"
        )
    (centre, _), (spread, zero) = (_per_channel(x, tensor) for x in (mean, std))
    if zero:
        raise ValueError(
            f"{what}: std evaluated to zero after conversion to {tensor.dtype}, leading to division by zero."
        )
    if inplace:
        return tensor.sub_(centre).div_(spread)
    return (tensor - centre) / spread


def _per_channel(values: Any, like: Tensor) -> tuple[Tensor, bool]:
    """Numbers for channels as (C, 1, 1), and whether one is 0. What is made of a sequence is kept, for
    transforms ask for the same each time."""
    if isinstance(values, tuple | list) and all(type(v) in (int, float) for v in values):
        return _constants(tuple(values), like.dtype, like.device)
    x = torch.as_tensor(values, dtype=like.dtype, device=like.device)
    return x.view(-1, 1, 1) if x.ndim == 1 else x, not bool((x != 0).all())


@functools.lru_cache(64)
def _constants(values: tuple[float, ...], dtype: Any, device: Any) -> tuple[Tensor, bool]:
    x = torch.tensor(values, dtype=dtype, device=device)
    return x.reshape(-1, 1, 1), not bool((x != 0).all())
