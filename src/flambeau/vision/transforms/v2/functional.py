"""Transforms as functions of pictures, tensors, and what `tv_tensors` has: masks and boxes go along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor

from ... import tv_tensors
from ...ops.boxes import box_convert
from ...pictures import is_pil
from .. import functional as F
from ..functional.place import borders, resized_size
from ..functional.warp import affine_matrix, perspective_coefficients
from ..modes import InterpolationMode

Corners = Tensor
Size = tuple[int, int]
Boxes = Callable[[Corners, Size], tuple[Corners, Size]]


def apply(
    inpt: Any,
    images: Callable[[Any], Any],
    masks: Callable[[Any], Any] | None = None,
    boxes: Boxes | None = None,
) -> Any:
    """What a function makes of a picture, a plain tensor, an image or a video; masks and boxes go along if
    there are functions for them, that of boxes taking corners and the size of the image."""
    if isinstance(inpt, tv_tensors.BoundingBoxes):
        return inpt if boxes is None else _boxes(inpt, boxes)
    if isinstance(inpt, tv_tensors.Mask):
        return inpt if masks is None else tv_tensors.wrap(masks(inpt), like=inpt)
    out = images(inpt)
    return tv_tensors.wrap(out, like=inpt) if isinstance(inpt, tv_tensors.TVTensor) else out


def _boxes(inpt: Any, change: Boxes) -> Any:
    corners = box_convert(inpt, inpt.format.value.lower(), "xyxy")
    corners, size = change(corners if corners.is_floating_point() else corners.float(), inpt.canvas_size)
    x, y = corners[:, 0::2].clamp(0, size[1]), corners[:, 1::2].clamp(0, size[0])
    corners = torch.stack([x, y], -1).reshape(-1, 4).to(inpt.dtype)
    return tv_tensors.wrap(
        box_convert(corners, "xyxy", inpt.format.value.lower()), like=inpt, canvas_size=size
    )


def get_size(inpt: Any) -> list[int]:
    """Height and width of what is transformed.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.functional.get_size(torch.zeros(3, 4, 5))
    [4, 5]
    """
    return (
        list(inpt.canvas_size) if isinstance(inpt, tv_tensors.BoundingBoxes) else F.get_dimensions(inpt)[1:]
    )


# ----- Places -----


def horizontal_flip(inpt: Any) -> Any:
    """Left and right exchanged.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes([1, 2, 3, 4], format="XYXY", canvas_size=(8, 8))
    >>> torch.vision.transforms.v2.functional.horizontal_flip(boxes).tolist()
    [[5, 2, 7, 4]]
    """

    def boxes(x: Corners, size: Size) -> tuple[Corners, Size]:
        return torch.stack([size[1] - x[:, 2], x[:, 1], size[1] - x[:, 0], x[:, 3]], 1), size

    return apply(inpt, F.hflip, F.hflip, boxes)


def vertical_flip(inpt: Any) -> Any:
    """Top and bottom exchanged.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.functional.vertical_flip(torch.tensor([[1], [2]])).flatten()
    tensor([2, 1])
    """

    def boxes(x: Corners, size: Size) -> tuple[Corners, Size]:
        return torch.stack([x[:, 0], size[0] - x[:, 3], x[:, 2], size[0] - x[:, 1]], 1), size

    return apply(inpt, F.vflip, F.vflip, boxes)


def _shifted(x: Corners, left: float, top: float) -> Corners:
    return x + torch.tensor([left, top, left, top], dtype=x.dtype)


def crop(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    """A part; see `transforms.functional.crop`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.functional.crop(torch.zeros(3, 4, 4), 1, 1, 2, 3).shape
    torch.Size([3, 2, 3])
    """

    def images(x: Any) -> Any:
        return F.crop(x, top, left, height, width)

    return apply(inpt, images, images, lambda x, _: (_shifted(x, -left, -top), (height, width)))


def center_crop(inpt: Any, output_size: int | Sequence[int]) -> Any:
    """The middle; see `transforms.functional.center_crop`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.functional.center_crop(torch.zeros(3, 4, 4), 2).shape
    torch.Size([3, 2, 2])
    """
    height, width = (output_size,) * 2 if isinstance(output_size, int) else (output_size[0], output_size[-1])

    def images(x: Any) -> Any:
        return F.center_crop(x, (height, width))

    def boxes(x: Corners, size: Size) -> tuple[Corners, Size]:
        top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
        return _shifted(x, -left, -top), (height, width)

    return apply(inpt, images, images, boxes)


def pad(inpt: Any, padding: int | Sequence[int], fill: Any = None, padding_mode: str = "constant") -> Any:
    """With borders; see `transforms.functional.pad`. Masks get borders of 0.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.functional.pad(torch.zeros(3, 4, 4), 1).shape
    torch.Size([3, 6, 6])
    """
    left, top, right, bottom = borders(padding if isinstance(padding, int) else list(padding))

    def boxes(x: Corners, size: Size) -> tuple[Corners, Size]:
        return _shifted(x, left, top), (size[0] + top + bottom, size[1] + left + right)

    return apply(
        inpt,
        lambda x: F.pad(x, [left, top, right, bottom], fill, padding_mode),
        lambda x: F.pad(x, [left, top, right, bottom], 0, padding_mode),
        boxes,
    )


def resize(
    inpt: Any,
    size: int | Sequence[int] | None,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """In another size; see `transforms.functional.resize`. Masks take the nearest value.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes([1, 2, 3, 4], format="XYXY", canvas_size=(8, 8))
    >>> torch.vision.transforms.v2.functional.resize(boxes, [16, 8]).tolist()
    [[1, 4, 3, 8]]
    """

    def boxes(x: Corners, old: Size) -> tuple[Corners, Size]:
        new = resized_size(size, max_size, *old)
        sx, sy = new[1] / old[1], new[0] / old[0]
        return x * torch.tensor([sx, sy, sx, sy], dtype=x.dtype), new

    return apply(
        inpt,
        lambda x: F.resize(x, size, interpolation, max_size, antialias),
        lambda x: F.resize(x, size, InterpolationMode.NEAREST, max_size),
        boxes,
    )


def resized_crop(
    inpt: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: int | Sequence[int],
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """`resize` of a `crop`.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.functional.resized_crop(torch.zeros(3, 4, 4), 0, 0, 2, 2, [8, 8]).shape
    torch.Size([3, 8, 8])
    """
    return resize(crop(inpt, top, left, height, width), size, interpolation, antialias=antialias)


def _mapped(x: Corners, forward: Callable[[np.ndarray], np.ndarray]) -> Corners:
    """The least boxes around where the corners of boxes go."""
    a = x.detach().cpu().numpy()
    points = np.stack([a[:, [0, 1]], a[:, [2, 1]], a[:, [2, 3]], a[:, [0, 3]]], 1)
    moved = forward(np.concatenate([points, np.ones_like(points[..., :1])], -1).astype(np.float64))
    return torch.from_numpy(np.concatenate([moved.min(1), moved.max(1)], 1)).to(x.dtype)


def _forward(matrix: Sequence[float]) -> np.ndarray:
    """The transpose of the map whose inverse a matrix (two rows of three) is."""
    whole = np.linalg.inv(np.array([*matrix, 0, 0, 1], np.float64).reshape(3, 3))
    turned: np.ndarray = whole[:2].T
    return turned


def affine(
    inpt: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Any,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """Turned, moved, scaled and sheared; see `transforms.functional.affine`.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes([1, 2, 3, 4], format="XYXY", canvas_size=(8, 8))
    >>> torch.vision.transforms.v2.functional.affine(boxes, 0, [2, 1], 1.0, 0.0).tolist()
    [[3, 3, 5, 5]]
    """

    def images(x: Any) -> Any:
        return F.affine(x, angle, translate, scale, shear, interpolation, fill, center)

    def masks(x: Any) -> Any:
        return F.affine(x, angle, translate, scale, shear, InterpolationMode.NEAREST, 0, center)

    def boxes(x: Corners, size: Size) -> tuple[Corners, Size]:
        both = [float(shear), 0.0] if isinstance(shear, int | float) else [*shear, *shear][:2]
        centre = [size[1] / 2, size[0] / 2] if center is None else center
        forward = _forward(affine_matrix(centre, angle, translate, scale, both))
        return _mapped(x, lambda points: points @ forward), size

    return apply(inpt, images, masks, boxes)


def rotate(
    inpt: Any,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """Turned; see `transforms.functional.rotate`.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes([1, 2, 3, 4], format="XYXY", canvas_size=(8, 8))
    >>> torch.vision.transforms.v2.functional.rotate(boxes, 180).tolist()
    [[5, 4, 7, 6]]
    """

    def boxes(x: Corners, size: Size) -> tuple[Corners, Size]:
        h, w = size
        centre = [w / 2, h / 2] if center is None else center
        forward = _forward(affine_matrix(centre, -angle, [0, 0], 1.0, [0, 0]))
        corners = _mapped(x, lambda points: points @ forward)
        if not expand:
            return corners, size
        new = tuple(F.rotate(torch.zeros(1, h, w), angle, expand=True, center=center).shape[-2:])
        return _shifted(corners, (new[1] - w) / 2, (new[0] - h) / 2), (new[0], new[1])

    return apply(
        inpt,
        lambda x: F.rotate(x, angle, interpolation, expand, center, fill),
        lambda x: F.rotate(x, angle, InterpolationMode.NEAREST, expand, center, 0),
        boxes,
    )


def perspective(
    inpt: Any,
    startpoints: Any,
    endpoints: Any,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """In perspective; see `transforms.functional.perspective`.

    >>> import flambeau as torch
    >>> corners = [[0, 0], [7, 0], [7, 7], [0, 7]]
    >>> torch.vision.transforms.v2.functional.perspective(torch.zeros(3, 8, 8), corners, corners).shape
    torch.Size([3, 8, 8])
    """

    def boxes(x: Corners, size: Size) -> tuple[Corners, Size]:
        c = np.array([*perspective_coefficients(endpoints, startpoints), 1.0]).reshape(3, 3).T

        def forward(points: np.ndarray) -> np.ndarray:
            moved = points @ c
            scaled: np.ndarray = moved[..., :2] / moved[..., 2:]
            return scaled

        return _mapped(x, forward), size

    return apply(
        inpt,
        lambda x: F.perspective(x, startpoints, endpoints, interpolation, fill),
        lambda x: F.perspective(x, startpoints, endpoints, InterpolationMode.NEAREST, 0),
        boxes,
    )


def elastic(
    inpt: Any,
    displacement: Tensor,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """Bent; see `transforms.functional.elastic_transform`. TypeError for boxes.

    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.functional.elastic(torch.zeros(3, 8, 8), torch.zeros(1, 8, 8, 2)).shape
    torch.Size([3, 8, 8])
    """
    if isinstance(inpt, tv_tensors.BoundingBoxes):
        raise TypeError("elastic: boxes are not supported, for what is bent is no box any more")
    return apply(
        inpt,
        lambda x: F.elastic_transform(x, displacement, interpolation, fill),
        lambda x: F.elastic_transform(x, displacement, InterpolationMode.NEAREST, 0),
    )


def five_crop(inpt: Any, size: int | Sequence[int]) -> Any:
    """`transforms.functional.five_crop` of an image.

    >>> import flambeau as torch
    >>> len(torch.vision.transforms.v2.functional.five_crop(torch.zeros(3, 4, 4), 2))
    5
    """
    return _each(inpt, F.five_crop(inpt, size))


def ten_crop(inpt: Any, size: int | Sequence[int], vertical_flip: bool = False) -> Any:
    """`transforms.functional.ten_crop` of an image.

    >>> import flambeau as torch
    >>> len(torch.vision.transforms.v2.functional.ten_crop(torch.zeros(3, 4, 4), 2))
    10
    """
    return _each(inpt, F.ten_crop(inpt, size, vertical_flip))


def _each(inpt: Any, parts: Any) -> Any:
    kind = isinstance(inpt, tv_tensors.TVTensor)
    return tuple(tv_tensors.wrap(part, like=inpt) for part in parts) if kind else parts


# ----- Kinds -----


def to_image(inpt: Any) -> Any:
    """A picture, an array (H, W, C) or a tensor as `tv_tensors.Image`, its values as they are.

    >>> import numpy as np
    >>> import flambeau as torch
    >>> torch.vision.transforms.v2.functional.to_image(np.zeros((4, 5, 3), np.uint8)).shape
    torch.Size([3, 4, 5])
    """
    if isinstance(inpt, np.ndarray):
        array = np.atleast_3d(inpt).transpose(2, 0, 1)
        return tv_tensors.Image(torch.from_numpy(np.ascontiguousarray(array)))
    if not is_pil(inpt) and not isinstance(inpt, Tensor):
        raise TypeError(
            f"to_image: Input can either be a pure Tensor, a numpy array, or a PIL image, got {type(inpt)}"
        )
    return tv_tensors.Image(inpt)


def to_dtype(inpt: Any, dtype: Any = torch.float32, scale: bool = False) -> Any:
    """In another dtype; with `scale`, images in its range of values.

    >>> import flambeau as torch
    >>> x = torch.tensor([0, 255], dtype=torch.uint8)
    >>> torch.vision.transforms.v2.functional.to_dtype(x, torch.float32, scale=True)
    tensor([0., 1.])
    """
    if not scale or isinstance(inpt, tv_tensors.Mask | tv_tensors.BoundingBoxes):
        return inpt.to(dtype)
    return apply(inpt, lambda x: F.convert_image_dtype(x, dtype))


def convert_bounding_box_format(
    inpt: Any, old_format: Any = None, new_format: Any = None, inplace: bool = False
) -> Any:
    """Boxes in another format; those of a plain tensor are in `old_format`.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes([1, 2, 3, 5], format="XYXY", canvas_size=(8, 8))
    >>> torch.vision.transforms.v2.functional.convert_bounding_box_format(boxes, new_format="XYWH").tolist()
    [[1, 2, 2, 3]]
    """
    if inplace:
        raise ValueError("convert_bounding_box_format: inplace=True is not supported; use what is returned")
    formats = tv_tensors.BoundingBoxFormat
    old, new = (formats(f.upper()) if isinstance(f, str) else f for f in (old_format, new_format))
    old = inpt.format if isinstance(inpt, tv_tensors.BoundingBoxes) else old
    if old is None or new is None:
        raise TypeError("convert_bounding_box_format: both formats have to be given for plain tensors")
    boxes = box_convert(inpt, old.value.lower(), new.value.lower()).to(inpt.dtype)
    kind = isinstance(inpt, tv_tensors.BoundingBoxes)
    return tv_tensors.wrap(boxes, like=inpt, format=new) if kind else boxes


def clamp_bounding_boxes(inpt: Any) -> Any:
    """Boxes cut off at the borders of their image.

    >>> import flambeau as torch
    >>> boxes = torch.vision.tv_tensors.BoundingBoxes([1, 2, 9, 9], format="XYXY", canvas_size=(8, 8))
    >>> torch.vision.transforms.v2.functional.clamp_bounding_boxes(boxes).tolist()
    [[1, 2, 8, 8]]
    """
    return apply(inpt, lambda x: x, None, lambda x, size: (x, size))


# ----- Values: masks and boxes stay as they are -----


def _of_values(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    def changed(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        return apply(inpt, lambda x: function(x, *args, **kwargs))

    changed.__name__ = changed.__qualname__ = name
    changed.__doc__ = f"`transforms.functional.{function.__name__}` of an image."
    return changed


adjust_brightness = _of_values(F.adjust_brightness, "adjust_brightness")
adjust_contrast = _of_values(F.adjust_contrast, "adjust_contrast")
adjust_gamma = _of_values(F.adjust_gamma, "adjust_gamma")
adjust_hue = _of_values(F.adjust_hue, "adjust_hue")
adjust_saturation = _of_values(F.adjust_saturation, "adjust_saturation")
adjust_sharpness = _of_values(F.adjust_sharpness, "adjust_sharpness")
autocontrast = _of_values(F.autocontrast, "autocontrast")
equalize = _of_values(F.equalize, "equalize")
erase = _of_values(F.erase, "erase")
gaussian_blur = _of_values(F.gaussian_blur, "gaussian_blur")
invert = _of_values(F.invert, "invert")
normalize = _of_values(F.normalize, "normalize")
posterize = _of_values(F.posterize, "posterize")
rgb_to_grayscale = _of_values(F.rgb_to_grayscale, "rgb_to_grayscale")
solarize = _of_values(F.solarize, "solarize")

hflip, vflip = horizontal_flip, vertical_flip
elastic_transform = elastic
to_grayscale = rgb_to_grayscale
get_dimensions = F.get_dimensions
get_image_size = F.get_image_size
get_num_channels = get_image_num_channels = F.get_image_num_channels
convert_image_dtype = F.convert_image_dtype
pil_to_tensor = F.pil_to_tensor
to_pil_image = F.to_pil_image
to_tensor = F.to_tensor
