"""Images turned, moved, sheared, and seen in perspective."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor

from ...pictures import is_pil
from ..modes import InterpolationMode, pil_mode, to_mode
from .convert import pil_to_tensor, to_pil_image
from .images import check_image, get_dimensions, in_batch, in_float
from .place import fill_options

__all__ = [
    "affine",
    "affine_matrix",
    "elastic_transform",
    "perspective",
    "perspective_coefficients",
    "rotate",
]

Points = Sequence[Sequence[float]]
_FOR_TENSORS = (InterpolationMode.NEAREST, InterpolationMode.BILINEAR)


def affine_matrix(
    centre: Sequence[float], angle: float, translate: Sequence[float], scale: float, shear: Sequence[float]
) -> list[float]:
    """Two rows of three: where a point of the result comes from, if the image is sheared, turned by `angle`
    degrees, scaled about `centre`, and moved.

    That is the inverse of T C R S C⁻¹, where C moves by `centre`, T by `translate`, R turns and scales, and S
    shears along y, then x.
    """
    rotation, sx, sy = (math.radians(x) for x in (angle, *shear))
    (cx, cy), (tx, ty) = centre, translate
    a = math.cos(rotation - sy) / math.cos(sy)
    c = math.sin(rotation - sy) / math.cos(sy)
    b = -a * math.tan(sx) - math.sin(rotation)
    d = -c * math.tan(sx) + math.cos(rotation)
    inverse = [x / scale for x in (d, -b, -c, a)]  # the determinant of R S is 1 without the scale
    x, y = -cx - tx, -cy - ty
    return [
        *inverse[:2],
        inverse[0] * x + inverse[1] * y + cx,
        *inverse[2:],
        inverse[2] * x + inverse[3] * y + cy,
    ]


# ----- Grids of positions -----


def _base(width: int, height: int, x: float, y: float, like: Tensor) -> Tensor:
    """x, y and 1 of each pixel's centre, as rows; the first at (x, y)."""
    across = torch.linspace(x, x + width - 1, width, dtype=like.dtype)
    down = torch.linspace(y, y + height - 1, height, dtype=like.dtype)
    shape = (height, width)
    axes = [across.expand(shape), down.unsqueeze(-1).expand(shape), torch.ones(shape, dtype=like.dtype)]
    return torch.stack(axes, -1).view(-1, 3)


def _affine_sampled(img: Tensor, matrix: list[float], mode: InterpolationMode, fill: Any, out: Any) -> Tensor:
    """The image seen through a matrix about its middle, as `out` = (width, height) pixels."""
    (ow, oh), (h, w) = out, img.shape[-2:]

    def run(x: Tensor) -> Tensor:
        theta = torch.tensor(matrix, dtype=x.dtype).view(2, 3).T / torch.tensor([w / 2, h / 2], dtype=x.dtype)
        base = _base(ow, oh, 0.5 - ow / 2, 0.5 - oh / 2, theta)
        return _sampled(x, torch.matmul(base, theta).view(1, oh, ow, 2), mode, fill)

    return in_float(img, lambda x: in_batch(x, run))


def _sampled(x: Tensor, grid: Tensor, mode: InterpolationMode, fill: Any) -> Tensor:
    """`grid_sample` with the colour `fill` around the image."""
    grid = grid.expand(x.shape[0], -1, -1, -1)
    if fill is not None:
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)  # one more channel says where there is an image
    y = torch.nn.functional.grid_sample(x, grid, mode.value, "zeros", align_corners=False)
    if fill is None:
        return y
    y, inside = y[:, :-1], y[:, -1:]
    values = [float(v) for v in (fill if isinstance(fill, Sequence) else [fill])]
    color = torch.tensor(values, dtype=y.dtype).view(1, -1, 1, 1)
    if mode is InterpolationMode.NEAREST:
        y = torch.where(inside < 0.5, color, y)
    else:
        y = y * inside + (1 - inside) * color
    return y


def _checked(what: str, img: Any, interpolation: Any, fill: Any) -> InterpolationMode:
    mode = to_mode(what, interpolation)
    if is_pil(check_image(what, img)):
        return mode
    if mode not in _FOR_TENSORS:
        raise ValueError(f"{what}: Interpolation mode '{mode.value}' is unsupported with Tensor input")
    channels = get_dimensions(img)[0]
    if isinstance(fill, Sequence) and len(fill) > 1 and len(fill) != channels:
        raise ValueError(
            f"{what}: The number of elements in 'fill' cannot broadcast to match the number of channels of "
            f"the image ({len(fill)} != {channels})"
        )
    return mode


# ----- Public functions -----


def affine(
    img: Any,
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: float | Sequence[float],
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    fill: Any = None,
    center: Sequence[float] | None = None,
) -> Any:
    """The image sheared, turned, scaled about a centre, and moved.

    Args:
        img: a picture or a tensor (..., C, H, W).
        angle: degrees, clockwise.
        translate: pixels to the right and down.
        scale: a factor above 0.
        shear: degrees along x, or along x and y.
        interpolation: how; tensors know nearest and bilinear.
        fill: the value of what was outside, or one for each channel.
        center: (x, y), by default the middle.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> x = torch.tensor([[[1., 2., 3.]]])
    >>> torch.vision.transforms.functional.affine(x, 0, [1, 0], 1.0, 0.0)
    tensor([[[0., 1., 2.]]])
    """
    what = "affine"
    mode = _checked(what, img, interpolation, fill)
    if not isinstance(angle, numbers.Real):
        raise TypeError(f"{what}: Argument angle should be int or float, got {angle!r}")
    if not isinstance(translate, Sequence):
        raise TypeError(f"{what}: Argument translate should be a sequence, got {translate!r}")
    if len(translate) != 2:
        raise ValueError(f"{what}: Argument translate should be a sequence of length 2, got {translate!r}")
    if scale <= 0:
        raise ValueError(f"{what}: Argument scale should be positive, got {scale}")
    if not isinstance(shear, numbers.Real | Sequence):
        raise TypeError(f"{what}: Shear should be either a single value or a sequence of two values")
    both = list(shear) if isinstance(shear, Sequence) else [float(shear), 0.0]
    both = both * 2 if len(both) == 1 else both
    if len(both) != 2:
        raise ValueError(f"{what}: Shear should be a sequence containing two values. Got {shear}")
    _, h, w = get_dimensions(img)
    centre = _centre(what, center, w, h)
    if is_pil(img):
        matrix = affine_matrix(centre, angle, translate, scale, both)
        return img.transform(img.size, 0, matrix, pil_mode(mode), **fill_options(img, fill))
    offset = [centre[0] - w / 2, centre[1] - h / 2]
    return _affine_sampled(img, affine_matrix(offset, angle, translate, scale, both), mode, fill, (w, h))


def _centre(what: str, center: Any, w: int, h: int) -> list[float]:
    if center is None:
        return [w / 2, h / 2]
    if not isinstance(center, Sequence) or len(center) != 2:
        raise TypeError(f"{what}: Argument center should be a sequence of two numbers, got {center!r}")
    return [float(c) for c in center]


def rotate(
    img: Any,
    angle: float,
    interpolation: InterpolationMode | int = InterpolationMode.NEAREST,
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = None,
) -> Any:
    """The image turned by `angle` degrees, counter-clockwise.

    Args:
        img: a picture or a tensor (..., C, H, W).
        angle: degrees.
        interpolation: how; tensors know nearest and bilinear.
        expand: whether the result is as large as it takes to hold all of the image.
        center: (x, y), by default the middle.
        fill: the value of what was outside, or one for each channel.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> torch.vision.transforms.functional.rotate(torch.tensor([[[1., 2.], [3., 4.]]]), 90)
    tensor([[[2., 4.],
             [1., 3.]]])
    """
    what = "rotate"
    mode = _checked(what, img, interpolation, fill)
    if not isinstance(angle, numbers.Real):
        raise TypeError(f"{what}: Argument angle should be int or float, got {angle!r}")
    if is_pil(img):
        return img.rotate(angle, pil_mode(mode), expand, center, **fill_options(img, fill))
    _, h, w = get_dimensions(img)
    centre = _centre(what, center, w, h)
    offset = [centre[0] - w / 2, centre[1] - h / 2]
    matrix = affine_matrix(offset, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    size = _expanded(matrix, w, h) if expand else (w, h)
    return _affine_sampled(img, matrix, mode, fill, size)


def _expanded(matrix: list[float], w: int, h: int) -> tuple[int, int]:
    """The (width, height) that holds all four corners."""
    corners = np.array([[x * w / 2, y * h / 2, 1] for x in (-1, 1) for y in (-1, 1)], np.float32)
    places = corners @ np.array(matrix, np.float32).reshape(2, 3).T + np.array([w / 2, h / 2], np.float32)
    tolerance = np.float32(1e-4)  # so that rounding errors do not add a row
    high, low = (np.trunc(x / tolerance) * tolerance for x in (places.max(0), places.min(0)))
    width, height = (np.ceil(high) - np.floor(low)).astype(int)
    return int(width), int(height)


def perspective_coefficients(startpoints: Points, endpoints: Points) -> list[float]:
    """a to h, by which x' = (a x + b y + c) / (g x + h y + 1) and y' = (d x + e y + f) / (g x + h y + 1) lead
    from the end points back to the start points."""
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    targets = np.array(startpoints, np.float64).reshape(8)
    solution = np.linalg.lstsq(np.array(rows, np.float64), targets, rcond=None)[0]
    return [float(x) for x in solution.astype(np.float32)]


def perspective(
    img: Any,
    startpoints: Points,
    endpoints: Points,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The image in a perspective that takes four points to four others.

    Args:
        img: a picture or a tensor (..., C, H, W).
        startpoints: the corners' [x, y]: top left, top right, bottom right, bottom left.
        endpoints: where they go.
        interpolation: how; tensors know nearest and bilinear.
        fill: the value of what was outside, or one for each channel.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
    >>> x = torch.tensor([[[1., 2.], [3., 4.]]])
    >>> torch.vision.transforms.functional.perspective(x, corners, corners)
    tensor([[[1., 2.],
             [3., 4.]]])
    """
    what = "perspective"
    mode = _checked(what, img, interpolation, fill)
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"{what}: needs four start points and four end points, got {len(startpoints)} and "
            f"{len(endpoints)}"
        )
    coefficients = perspective_coefficients(startpoints, endpoints)
    if is_pil(img):
        return img.transform(img.size, 2, coefficients, pil_mode(mode), **fill_options(img, fill))
    h, w = img.shape[-2:]

    def run(x: Tensor) -> Tensor:
        upper = torch.tensor(coefficients[:6], dtype=x.dtype).view(2, 3).T
        upper = upper / torch.tensor([w / 2, h / 2], dtype=x.dtype)
        lower = torch.tensor([[*coefficients[6:], 1.0]] * 2, dtype=x.dtype).T
        base = _base(w, h, 0.5, 0.5, x)
        grid = torch.matmul(base, upper) / torch.matmul(base, lower) - 1.0
        return _sampled(x, grid.view(1, h, w, 2), mode, fill)

    return in_float(img, lambda x: in_batch(x, run))


def elastic_transform(
    img: Any,
    displacement: Tensor,
    interpolation: InterpolationMode | int = InterpolationMode.BILINEAR,
    fill: Any = None,
) -> Any:
    """The image, each pixel of which comes from somewhere else.

    Args:
        img: a picture or a tensor (..., C, H, W).
        displacement: how far away, (1, H, W, 2), x and y, as a part of half the image.
        interpolation: nearest or bilinear.
        fill: the value of what was outside, or one for each channel.

    Raises:
        TypeError, ValueError: a displacement of another kind.

    >>> import flambeau as torch
    >>> x, shift = torch.tensor([[[1., 2.]]]), torch.tensor([[[[1.0, 0.0], [-1.0, 0.0]]]])
    >>> torch.vision.transforms.functional.elastic_transform(x, shift)
    tensor([[[2., 1.]]])
    """
    what = "elastic_transform"
    if not isinstance(displacement, Tensor):
        raise TypeError(f"{what}: Argument displacement should be a Tensor")
    if is_pil(img):
        moved = elastic_transform(pil_to_tensor(img), displacement, interpolation, fill)
        return to_pil_image(moved, img.mode)
    mode = _checked(what, img, interpolation, fill)
    h, w = img.shape[-2:]
    if tuple(displacement.shape) != (1, h, w, 2):
        raise ValueError(
            f"{what}: Argument displacement shape should be {(1, h, w, 2)}, but given "
            f"{tuple(displacement.shape)}"
        )

    def run(x: Tensor) -> Tensor:
        half = torch.tensor([2 / w, 2 / h], dtype=x.dtype)
        own = _base(w, h, 0.5 - w / 2, 0.5 - h / 2, x)[:, :2] * half
        return _sampled(x, own.view(1, h, w, 2) + displacement.to(x.dtype), mode, fill)

    return in_float(img, lambda x: in_batch(x, run))
