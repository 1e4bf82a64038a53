"""Transforms as functions, of pictures (Pillow) and of tensors (..., C, H, W)."""

from ...pictures import is_pil as _is_pil_image
from ..modes import InterpolationMode
from .blur import adjust_sharpness, gaussian_blur
from .color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    autocontrast,
    equalize,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_grayscale,
)
from .convert import convert_image_dtype, normalize, pil_to_tensor, to_pil_image, to_tensor
from .images import get_dimensions, get_image_num_channels, get_image_size
from .place import center_crop, crop, erase, five_crop, hflip, pad, resize, resized_crop, ten_crop, vflip
from .warp import affine, elastic_transform, perspective, rotate

__all__ = [
    "InterpolationMode",
    "_is_pil_image",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "elastic_transform",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]
