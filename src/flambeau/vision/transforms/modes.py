"""How pixels between pixels are made."""

from __future__ import annotations

from enum import Enum
from typing import Any

__all__ = ["InterpolationMode", "pil_mode", "to_mode"]


class InterpolationMode(Enum):
    """Ways to interpolate. Tensors can be resized by the first four, pictures by all but "nearest-exact".

    >>> import flambeau as torch
    >>> torch.vision.transforms.InterpolationMode.BICUBIC.value
    'bicubic'
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


_OF_PILLOW = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.LANCZOS: 1,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
}
_OF_NUMBER = {number: mode for mode, number in _OF_PILLOW.items()}


def to_mode(what: str, mode: Any) -> InterpolationMode:
    """A mode, given as such or as Pillow's number for it. TypeError for anything else."""
    if isinstance(mode, int) and int(mode) in _OF_NUMBER:
        return _OF_NUMBER[int(mode)]
    if not isinstance(mode, InterpolationMode):
        raise TypeError(
            f"{what}: Argument interpolation should be a InterpolationMode or a corresponding Pillow integer "
            f"constant, but got {mode!r}"
        )
    return mode


def pil_mode(mode: InterpolationMode) -> int:
    """Pillow's number for a mode; "nearest-exact" is what Pillow's nearest is."""
    return 0 if mode is InterpolationMode.NEAREST_EXACT else _OF_PILLOW[mode]
