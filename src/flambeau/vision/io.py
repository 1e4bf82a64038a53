"""Image files as tensors, and tensors as image files, by Pillow."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

from flambeau import Tensor, uint8
from flambeau.core.tensor import from_array

from .pictures import pillow

__all__ = [
    "ImageReadMode",
    "decode_gif",
    "decode_image",
    "decode_jpeg",
    "decode_png",
    "decode_webp",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_image",
    "write_file",
    "write_jpeg",
    "write_png",
]

Path = str | os.PathLike[str]


class ImageReadMode(Enum):
    """What an image becomes as it is read: as it is, or grey, colours, with or without transparency.

    >>> import flambeau as torch
    >>> torch.vision.io.ImageReadMode.RGB.value
    3
    """

    UNCHANGED = 0
    GRAY = 1
    GRAY_ALPHA = 2
    RGB = 3
    RGB_ALPHA = 4


_MODES = {
    ImageReadMode.GRAY: "L",
    ImageReadMode.GRAY_ALPHA: "LA",
    ImageReadMode.RGB: "RGB",
    ImageReadMode.RGB_ALPHA: "RGBA",
}


def read_file(path: Path) -> Tensor:
    """The bytes of a file, as a tensor of uint8.

    >>> import os
    >>> import flambeau as torch
    >>> torch.vision.io.read_file(os.devnull).shape
    torch.Size([0])
    """
    return from_array(np.fromfile(path, np.uint8))


def write_file(filename: Path, data: Tensor) -> None:
    """Writes a tensor of uint8, (N,), as the bytes of a file.

    >>> import os
    >>> import flambeau as torch
    >>> torch.vision.io.write_file(os.devnull, torch.zeros(2, dtype=torch.uint8))
    """
    _bytes("write_file", data)
    with open(filename, "wb") as file:
        file.write(data.cpu().numpy().tobytes())


def _bytes(what: str, data: Any) -> bytes:
    if not isinstance(data, Tensor) or data.dtype is not uint8 or data.ndim != 1:
        raise RuntimeError(
            f"{what}: expected a tensor of uint8 with one dimension, got "
            f"{(data.dtype, tuple(data.shape)) if isinstance(data, Tensor) else type(data).__name__}"
        )
    content: bytes = data.cpu().numpy().tobytes()
    return content


def decode_image(
    input: Tensor | Path,
    mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
    apply_exif_orientation: bool = False,
) -> Tensor:
    """An image as a tensor of uint8, (C, H, W).

    Args:
        input: the bytes of a file, as `read_file` gives them, or its path.
        mode: what it becomes; a palette becomes colours.
        apply_exif_orientation: whether to turn it as the camera says.

    Raises:
        RuntimeError: it is no image that Pillow reads.

    >>> import flambeau as torch
    >>> x = torch.full((3, 2, 4), 7, dtype=torch.uint8)
    >>> torch.equal(torch.vision.io.decode_image(torch.vision.io.encode_png(x)), x)
    True
    """
    what = "decode_image"
    mode = ImageReadMode[mode.upper()] if isinstance(mode, str) else mode
    content = _bytes(what, input) if isinstance(input, Tensor) else _bytes(what, read_file(input))
    try:
        picture = pillow().open(io.BytesIO(content))
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise RuntimeError(f"{what}: not an image that Pillow can read: {error}") from error
    if apply_exif_orientation:
        picture = pillow("ImageOps").exif_transpose(picture)
    if mode is not ImageReadMode.UNCHANGED:
        picture = picture.convert(_MODES[mode])
    elif picture.mode not in ("L", "LA", "RGB", "RGBA", "I;16"):
        palette = "RGBA" if "transparency" in picture.info else "RGB"
        picture = picture.convert("L" if picture.mode == "1" else palette)
    array = np.asarray(picture)
    planes = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    return from_array(np.array(planes, order="C"))


def read_image(
    path: Path, mode: ImageReadMode | str = ImageReadMode.UNCHANGED, apply_exif_orientation: bool = False
) -> Tensor:
    """An image file as a tensor of uint8, (C, H, W); arguments and errors as `decode_image`.

    >>> import os, tempfile
    >>> import flambeau as torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.png")
    ...     torch.vision.io.write_png(torch.zeros(3, 2, 4, dtype=torch.uint8), path)
    ...     torch.vision.io.read_image(path).shape
    torch.Size([3, 2, 4])
    """
    return decode_image(path, mode, apply_exif_orientation)


def _decoder(name: str) -> Callable[..., Tensor]:
    def decode(
        input: Tensor,
        mode: ImageReadMode | str = ImageReadMode.UNCHANGED,
        apply_exif_orientation: bool = False,
    ) -> Tensor:
        return decode_image(input, mode, apply_exif_orientation)

    decode.__name__ = decode.__qualname__ = name
    decode.__doc__ = "`decode_image`, under the name that torchvision has for one format."
    return decode


decode_png = _decoder("decode_png")
decode_jpeg = _decoder("decode_jpeg")
decode_gif = _decoder("decode_gif")
decode_webp = _decoder("decode_webp")


def _encoded(what: str, input: Tensor, **options: Any) -> Tensor:
    if not isinstance(input, Tensor) or input.dtype is not uint8:
        raise RuntimeError(
            f"{what}: Input tensor dtype should be uint8, got {getattr(input, 'dtype', input)}"
        )
    if input.ndim != 3 or input.shape[0] not in (1, 3):
        raise RuntimeError(
            f"{what}: The number of channels should be 1 or 3, got a tensor of shape {tuple(input.shape)}"
        )
    array = input.cpu().numpy()
    picture = pillow().fromarray(array[0] if array.shape[0] == 1 else array.transpose(1, 2, 0).copy())
    buffer = io.BytesIO()
    picture.save(buffer, **options)
    return from_array(np.frombuffer(buffer.getvalue(), np.uint8).copy())


def encode_png(input: Tensor, compression_level: int = 6) -> Tensor:
    """The bytes of a PNG file of a tensor of uint8, (1 or 3, H, W).

    Args:
        input: the image.
        compression_level: from 0 to 9.

    Raises:
        RuntimeError: another dtype or shape, or another level.

    >>> import flambeau as torch
    >>> torch.vision.io.encode_png(torch.zeros(1, 2, 2, dtype=torch.uint8))[1:4].tolist() == list(b"PNG")
    True
    """
    if not 0 <= compression_level <= 9:
        raise RuntimeError(
            f"encode_png: Compression level should be between 0 and 9, got {compression_level}"
        )
    return _encoded("encode_png", input, format="PNG", compress_level=compression_level)


def encode_jpeg(input: Tensor, quality: int = 75) -> Tensor:
    """The bytes of a JPEG file of a tensor of uint8, (1 or 3, H, W).

    Args:
        input: the image.
        quality: from 1 to 100.

    Raises:
        RuntimeError: another dtype or shape, or another quality.

    >>> import flambeau as torch
    >>> torch.vision.io.encode_jpeg(torch.zeros(3, 8, 8, dtype=torch.uint8)).dtype
    torch.uint8
    """
    if not 1 <= quality <= 100:
        raise RuntimeError(
            f"encode_jpeg: Image quality should be a positive number between 1 and 100, got {quality}"
        )
    return _encoded("encode_jpeg", input, format="JPEG", quality=quality)


def write_png(input: Tensor, filename: Path, compression_level: int = 6) -> None:
    """Writes a PNG file; arguments and errors as `encode_png`.

    >>> import os
    >>> import flambeau as torch
    >>> torch.vision.io.write_png(torch.zeros(1, 2, 2, dtype=torch.uint8), os.devnull)
    """
    write_file(filename, encode_png(input, compression_level))


def write_jpeg(input: Tensor, filename: Path, quality: int = 75) -> None:
    """Writes a JPEG file; arguments and errors as `encode_jpeg`.

    >>> import os
    >>> import flambeau as torch
    >>> torch.vision.io.write_jpeg(torch.zeros(3, 8, 8, dtype=torch.uint8), os.devnull)
    """
    write_file(filename, encode_jpeg(input, quality))
