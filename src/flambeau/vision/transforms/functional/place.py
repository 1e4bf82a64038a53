"""Where pixels are: flips, crops, borders, sizes."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor

from ...pictures import is_pil, pillow
from ..modes import InterpolationMode, pil_mode, to_mode
from .images import check_image, get_dimensions, in_batch, in_float

__all__ = [
    "borders",
    "center_crop",
    "crop",
    "erase",
    "five_crop",
    "hflip",
    "pad",
    "resize",
    "resized_crop",
    "resized_size",
    "ten_crop",
    "vflip",
]

Size = int | Sequence[int]
_PADDINGS = ("constant", "edge", "reflect", "symmetric")


def hflip(img: Any) -> Any:
    """The image with left and right exchanged.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.hflip(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    return img.transpose(0) if is_pil(check_image("hflip", img)) else img.flip(-1)


def vflip(img: Any) -> Any:
    """The image with top and bottom exchanged.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.vflip(torch.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    return img.transpose(1) if is_pil(check_image("vflip", img)) else img.flip(-2)


def _pair(what: str, size: Any) -> tuple[int, int]:
    """(h, w) of a size: n and [n] are a square."""
    if isinstance(size, int | float):
        return int(size), int(size)
    if isinstance(size, Sequence) and len(size) in (1, 2):
        return int(size[0]), int(size[-1])
    raise ValueError(f"{what}: Please provide only two dimensions (h, w) for size, got {size!r}.")


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part of the image; what lies outside of it is 0.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.crop(torch.tensor([[1, 2], [3, 4]]), 1, 1, 1, 2)
    tensor([[4, 0]])
    """
    if is_pil(check_image("crop", img)):
        return img.crop((left, top, left + width, top + height))
    h, w = img.shape[-2:]
    right, bottom = left + width, top + height
    inside = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= w and bottom <= h:
        return inside
    borders = [
        max(min(right, 0) - left, 0),
        max(min(bottom, 0) - top, 0),
        max(right - max(w, left), 0),
        max(bottom - max(h, top), 0),
    ]
    return pad(inside, borders)


def center_crop(img: Any, output_size: Size) -> Any:
    """The middle of the image, of size (h, w); borders of 0 are added where the image is smaller.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.center_crop(torch.arange(16).view(4, 4), [2, 2])
    tensor([[ 5,  6],
            [ 9, 10]])
    """
    height, width = _pair("center_crop", output_size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        dx, dy = max(width - w, 0), max(height - h, 0)
        img = pad(img, [dx // 2, dy // 2, (dx + 1) // 2, (dy + 1) // 2])
        _, h, w = get_dimensions(img)
        if (height, width) == (h, w):
            return img
    return crop(img, round((h - height) / 2), round((w - width) / 2), height, width)


def five_crop(img: Any, size: Size) -> tuple[Any, Any, Any, Any, Any]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle, each of size (h, w).

    Raises:
        ValueError: the image is smaller.

    >>> import flambeau as torch
    >>> [int(part) for part in torch.vision.transforms.functional.five_crop(torch.arange(9).view(3, 3), 1)]
    [0, 2, 6, 8, 4]
    """
    height, width = _pair("five_crop", size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        raise ValueError(
            f"five_crop: Requested crop size {(height, width)} is bigger than input size {(h, w)}"
        )
    y, x = h - height, w - width
    tl, tr, bl, br = (crop(img, top, left, height, width) for top in (0, y) for left in (0, x))
    return tl, tr, bl, br, center_crop(img, [height, width])


def ten_crop(img: Any, size: Size, vertical_flip: bool = False) -> tuple[Any, ...]:
    """The `five_crop` of the image and that of its mirror image.

    >>> import flambeau as torch
    >>> len(torch.vision.transforms.functional.ten_crop(torch.zeros(3, 4, 4), 2))
    10
    """
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


# ----- Borders -----


def pad(img: Any, padding: Size, fill: Any = 0, padding_mode: str = "constant") -> Any:
    """The image with borders.

    Args:
        img: a picture or a tensor (..., H, W).
        padding: one width for all sides, or [left and right, top and bottom], or [left, top, right, bottom].
            Negative ones crop.
        fill: the value of constant borders, or one for each channel.
        padding_mode: "constant", "edge" (the last value), "reflect" or "symmetric" (mirrored without or with
            the last value).

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.pad(torch.tensor([[1, 2]]), [1, 0], padding_mode="edge")
    tensor([[1, 1, 2, 2]])
    """
    what = "pad"
    check_image(what, img)
    left, top, right, bottom = borders(padding)
    if not isinstance(fill, numbers.Number | str | Sequence | None):
        raise TypeError(f"{what}: Got inappropriate fill arg {fill!r}")
    if padding_mode not in _PADDINGS:
        raise ValueError(
            f"{what}: Padding mode should be either constant, edge, reflect or symmetric, got "
            f"{padding_mode!r}"
        )
    if is_pil(img):
        return _pad_picture(img, (left, top, right, bottom), fill, padding_mode)
    if padding_mode == "constant":
        return _pad_constant(img, [left, right, top, bottom], fill)
    h, w = img.shape[-2:]
    for dim, extent, low, high in ((-2, h, top, bottom), (-1, w, left, right)):
        kept = np.arange(max(-low, 0), extent - max(-high, 0))
        places = np.pad(kept, (max(low, 0), max(high, 0)), padding_mode)  # type: ignore[call-overload]
        img = img.index_select(dim, torch.from_numpy(places))
    return img


def borders(padding: Any) -> list[int]:
    """left, top, right, bottom."""
    if isinstance(padding, int | float):
        return [int(padding)] * 4
    if not isinstance(padding, tuple | list):
        raise TypeError(f"pad: Got inappropriate padding arg {padding!r}")
    if len(padding) not in (1, 2, 4):
        raise ValueError(
            f"pad: Padding must be an int or a 1, 2, or 4 element tuple, not a {len(padding)} element tuple"
        )
    return [int(p) for p in padding] * (4 // len(padding))


def _pad_constant(img: Tensor, sides: list[int], fill: Any) -> Tensor:
    if not isinstance(fill, Sequence):
        bordered: Tensor = torch.nn.functional.pad(img, sides, value=fill or 0)
        return bordered
    values = torch.tensor(fill, dtype=img.dtype, device=img.device).view(-1, 1, 1)
    inside = torch.nn.functional.pad(torch.ones(img.shape[-2:], dtype=torch.bool), sides, value=False)
    filled: Tensor = torch.where(inside, torch.nn.functional.pad(img, sides), values)
    return filled


def fill_options(img: Any, fill: Any, name: str = "fillcolor") -> dict[str, Any]:
    """The keyword argument by which Pillow takes the colour around a picture."""
    bands = len(img.getbands())
    fill = 0 if fill is None else fill
    if isinstance(fill, str):
        return {name: fill}
    values = list(fill) if isinstance(fill, Sequence) else [fill]
    values = values * bands if len(values) == 1 else values
    if len(values) != bands:
        raise ValueError(
            f"The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(values)} != {bands})"
        )
    values = values if img.mode == "F" else [int(v) for v in values]
    return {name: values[0] if bands == 1 else tuple(values)}


def _pad_picture(img: Any, borders: tuple[int, int, int, int], fill: Any, mode: str) -> Any:
    if mode == "constant":
        return pillow("ImageOps").expand(img, border=borders, **fill_options(img, fill, "fill"))
    left, top, right, bottom = borders
    img = img.crop((max(-left, 0), max(-top, 0), img.width - max(-right, 0), img.height - max(-bottom, 0)))
    array = np.asarray(img)
    widths = [(max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))] + [(0, 0)] * (array.ndim - 2)
    out = pillow().fromarray(np.pad(array, widths, mode))  # type: ignore[call-overload]
    if img.mode == "P":
        out.putpalette(img.getpalette())
    return out


# ----- Sizes -----


def resized_size(size: Any, max_size: int | None, h: int, w: int) -> tuple[int, int]:
    """The (h, w) that `resize` gives: `size` itself, or the extents scaled so that the shorter is `size`, and
    the longer no more than `max_size`."""
    what = "resize"
    if isinstance(size, Sequence) and len(size) == 2:
        if max_size is not None:
            raise ValueError(
                f"{what}: max_size should only be passed if size specifies the length of the smaller edge, "
                f"i.e. size should be an int or a sequence of length 1, got {list(size)}"
            )
        return int(size[0]), int(size[1])
    if isinstance(size, Sequence) and len(size) != 1:
        raise ValueError(f"{what}: Size must be an int or a 1 or 2 element tuple/list, not {list(size)}")
    if not isinstance(size, int | Sequence | None):
        raise TypeError(f"{what}: Size should be int or sequence. Got {type(size)}")
    if size is None and max_size is None:
        raise ValueError(f"{what}: max_size must be an integer when size is None")
    short, long = min(h, w), max(h, w)
    if size is None:
        assert max_size is not None
        new_short, new_long = int(max_size * short / long), max_size
    else:
        new_short = int(size[0] if isinstance(size, Sequence) else size)
        if max_size is not None and max_size <= new_short:
            raise ValueError(
                f"{what}: max_size = {max_size} must be strictly greater than the requested size for the "
                f"smaller edge size = {size}"
            )
        new_long = int(new_short * long / short)
        if max_size is not None and new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_long, new_short) if w <= h else (new_short, new_long)


def resize(
    img: Any,
    size: Size | None,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """The image in another size.

    Args:
        img: a picture or a tensor (..., H, W).
        size: (h, w); or the length of the shorter side, the other in proportion.
        interpolation: how; tensors know nearest, nearest-exact, bilinear and bicubic.
        max_size: the most that the longer side may have, where `size` is one number.
        antialias: whether tensors that shrink are smoothed (bilinear and bicubic); pictures always are.

    Raises:
        TypeError, ValueError: arguments that don't go together.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.resize(torch.zeros(3, 20, 40), 10).shape
    torch.Size([3, 10, 20])
    """
    what = "resize"
    mode = to_mode(what, interpolation)
    _, h, w = get_dimensions(img)
    target = resized_size(size, max_size, h, w)
    if target == (h, w):
        return img
    if is_pil(img):
        return img.resize(target[::-1], pil_mode(mode))
    smooth = mode in (InterpolationMode.BILINEAR, InterpolationMode.BICUBIC)
    if not smooth and mode not in (InterpolationMode.NEAREST, InterpolationMode.NEAREST_EXACT):
        raise ValueError(f"{what}: This interpolation mode is unsupported with Tensor input: {mode.value}")
    white = 255 if img.dtype is torch.uint8 else None

    def run(x: Tensor) -> Tensor:
        y = torch.nn.functional.interpolate(
            x,
            size=target,
            mode=mode.value,
            align_corners=False if smooth else None,
            antialias=smooth and bool(antialias),
        )
        return y if white is None or mode is not InterpolationMode.BICUBIC else y.clamp(0, white)

    return in_float(img, lambda x: in_batch(x, run))


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Size,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`resize` of a `crop`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.resized_crop(torch.zeros(3, 9, 9), 1, 1, 4, 4, [2, 2]).shape
    torch.Size([3, 2, 2])
    """
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """The image with `v` in rows i to i + h and columns j to j + w.

    Raises:
        TypeError: it is no tensor.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.erase(torch.zeros(1, 1, 3), 0, 1, 1, 1, torch.tensor(5.0))
    tensor([[[0., 5., 0.]]])
    """
    if not isinstance(img, Tensor):
        raise TypeError(f"erase: img should be Tensor Image. Got {type(img)}")
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
