"""Images in grids, in files, and with boxes, masks and points drawn on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np

import flambeau as torch
from flambeau import Tensor
from flambeau.core.tensor import from_array

from .pictures import pillow
from .transforms.functional import pil_to_tensor, to_pil_image

__all__ = [
    "draw_bounding_boxes",
    "draw_keypoints",
    "draw_segmentation_masks",
    "flow_to_image",
    "make_grid",
    "save_image",
]

Color = str | tuple[int, int, int]
Colors = Color | Sequence[Color] | None


@torch.no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images side by side in one.

    Args:
        tensor: (N, C, H, W), or a list of images of one size; grey ones get three channels.
        nrow: how many in a row.
        padding: pixels between them.
        normalize: whether values are taken to [0, 1].
        value_range: the (least, greatest) value that becomes 0 and 1, by default the images' own.
        scale_each: whether each image has its own range.
        pad_value: the value between the images.

    Returns:
        (3, H', W'); (C, H', W') where C is not 1.

    Raises:
        TypeError: no tensor or list of tensors, or a range of another kind.

    >>> import flambeau as torch
    >>> torch.vision.utils.make_grid(torch.zeros(10, 1, 4, 4), nrow=5).shape
    torch.Size([3, 14, 32])
    """
    what = "make_grid"
    images = _stacked(what, tensor)
    if normalize:
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(
                f"{what}: value_range has to be a tuple (min, max) if specified. min and max are numbers"
            )
        images = _normalized(images, value_range, scale_each)
    n, channels, h, w = images.shape
    if n == 1:
        return images[0]
    columns = min(nrow, n)
    rows = math.ceil(n / columns)
    grid = torch.full(
        (channels, rows * (h + padding) + padding, columns * (w + padding) + padding), pad_value
    )
    grid = grid.to(images.dtype)
    for i in range(n):
        y, x = (
            k * (extent + padding) + padding for k, extent in zip(divmod(i, columns), (h, w), strict=True)
        )
        grid[:, y : y + h, x : x + w] = images[i]
    return grid


def _stacked(what: str, images: Any) -> Tensor:
    """(N, C, H, W); grey images with three channels."""
    if isinstance(images, list) and all(isinstance(image, Tensor) for image in images):
        images = torch.stack(images)
    if not isinstance(images, Tensor):
        raise TypeError(f"{what}: tensor or list of tensors expected, got a {type(images).__name__}")
    if images.ndim == 2:
        images = images[None]
    if images.ndim == 3:
        images = images[None]
    batch: Tensor = images
    return batch.expand(-1, 3, -1, -1) if batch.shape[1] == 1 else batch


def _normalized(images: Tensor, value_range: tuple[float, float] | None, each: bool) -> Tensor:
    if value_range is not None:
        low, high = torch.tensor(float(value_range[0])), torch.tensor(float(value_range[1]))
    elif each:
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    else:
        low, high = images.min(), images.max()
    scaled: Tensor = (images.clamp(low, high) - low) / (high - low).clamp(min=1e-5)
    return scaled


@torch.no_grad()
def save_image(
    tensor: Tensor | list[Tensor], fp: str | BinaryIO | Any, format: str | None = None, **kwargs: Any
) -> None:
    """Writes an image, or several in a grid, to a file.

    Args:
        tensor: values in [0, 1]: (C, H, W), or (N, C, H, W) or a list for a grid.
        fp: a path or an open file.
        format: of the file, by default by the name's end.
        kwargs: those of `make_grid`.

    >>> import io
    >>> import flambeau as torch
    >>> file = io.BytesIO()
    >>> torch.vision.utils.save_image(torch.rand(4, 3, 8, 8), file, "png")
    >>> file.getvalue()[1:4]
    b'PNG'
    """
    grid = make_grid(tensor, **kwargs)
    pixels = (grid * 255 + 0.5).clamp(0, 255).permute(1, 2, 0).to(torch.uint8).cpu().numpy()
    pillow().fromarray(np.ascontiguousarray(pixels)).save(fp, format=format)


# ----- Drawing -----


def _colors(what: str, colors: Colors, n: int) -> list[Any]:
    """n colours as (r, g, b): one for all, one for each, or different ones."""
    if colors is None:
        steps = (2**25 - 1, 2**15 - 1, 2**21 - 1)
        return [tuple(i * step % 255 for step in steps) for i in range(n)]
    given: list[Any] = colors if isinstance(colors, list) else [colors] * n
    if len(given) < n:
        raise ValueError(
            f"{what}: Number of colors must be equal or larger than the number of items: {len(given)} < {n}"
        )
    return [pillow("ImageColor").getrgb(c) if isinstance(c, str) else tuple(c) for c in given[:n]]


def _checked(what: str, image: Any) -> Tensor:
    """An image (C, H, W) of bytes or of numbers in [0, 1], as bytes (3, H, W)."""
    if not isinstance(image, Tensor):
        raise TypeError(f"{what}: The image must be a tensor, got {type(image).__name__}")
    if image.dtype is not torch.uint8 and not image.is_floating_point():
        raise ValueError(f"{what}: The image dtype must be uint8 or float, got {image.dtype}")
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(
            f"{what}: Pass an individual image of 1 or 3 channels, (C, H, W), got {tuple(image.shape)}"
        )
    colored: Tensor = image if image.shape[0] == 3 else image.expand(3, -1, -1)
    return colored if image.dtype is torch.uint8 else (colored * 255).clamp(0, 255).to(torch.uint8)


def _like(drawn: Tensor, image: Tensor) -> Tensor:
    """The drawing in the image's dtype."""
    result: Tensor = drawn.to(image.dtype) / 255 if image.is_floating_point() else drawn
    return result


@torch.no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str | None] | None = None,
    colors: Colors = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
) -> Tensor:
    """The image with boxes around things.

    Args:
        image: bytes, or numbers in [0, 1], (1 or 3, H, W).
        boxes: (N, 4), x1, y1, x2, y2 in pixels.
        labels: a text for each.
        colors: one for all, or a list with one for each: names, "#rrggbb", or (r, g, b).
        fill: whether boxes are filled, half transparent.
        width: of the lines.
        font, font_size: a TrueType file and its size, for labels.

    Returns:
        (3, H, W) of the image's dtype.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> image, boxes = torch.zeros(3, 8, 8, dtype=torch.uint8), torch.tensor([[1, 1, 5, 5]])
    >>> torch.vision.utils.draw_bounding_boxes(image, boxes, colors="red")[:, 1, 3]
    tensor([255,   0,   0], dtype=torch.uint8)
    """
    what = "draw_bounding_boxes"
    canvas = _checked(what, image)
    n = boxes.shape[0]
    if n and bool(((boxes[:, 0] > boxes[:, 2]) | (boxes[:, 1] > boxes[:, 3])).any()):
        raise ValueError(f"{what}: Boxes need to be in (xmin, ymin, xmax, ymax) format, with xmin <= xmax")
    texts = labels or [None] * n
    if len(texts) != n:
        raise ValueError(f"{what}: The number of boxes ({n}) and labels ({len(texts)}) mismatch.")
    picture = to_pil_image(canvas)
    draw = pillow("ImageDraw").Draw(picture, "RGBA" if fill else "RGB")
    letters = pillow("ImageFont")
    typeface = letters.truetype(font, font_size or 10) if font else letters.load_default()
    for box, color, text in zip(boxes.to(torch.int64).tolist(), _colors(what, colors, n), texts, strict=True):
        draw.rectangle(box, outline=color, width=width, fill=(*color, 100) if fill else None)
        if text is not None:
            draw.text((box[0] + width + 1, box[1] + width + 1), text, fill=color, font=typeface)
    return _like(pil_to_tensor(picture), image)


@torch.no_grad()
def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Colors = None
) -> Tensor:
    """The image with masks laid over it.

    Args:
        image: bytes, or numbers in [0, 1], (1 or 3, H, W).
        masks: bools, (N, H, W) or (H, W).
        alpha: how much of a mask's colour, from 0 to 1.
        colors: one for all, or a list with one for each.

    Returns:
        (3, H, W) of the image's dtype.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> image, mask = torch.zeros(3, 1, 2, dtype=torch.uint8), torch.tensor([[True, False]])
    >>> torch.vision.utils.draw_segmentation_masks(image, mask, alpha=1.0, colors="blue")[2]
    tensor([[255,   0]], dtype=torch.uint8)
    """
    what = "draw_segmentation_masks"
    canvas = _checked(what, image)
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or masks.dtype is not torch.bool:
        raise ValueError(
            f"{what}: The masks must be of dtype bool, (N, H, W), got {masks.dtype} {tuple(masks.shape)}"
        )
    if tuple(masks.shape[1:]) != tuple(canvas.shape[1:]):
        raise ValueError(
            f"{what}: The image and the masks must have the same height and width, got "
            f"{tuple(canvas.shape)} and {tuple(masks.shape)}"
        )
    painted = canvas
    for mask, color in zip(masks, _colors(what, colors, masks.shape[0]), strict=True):
        painted = torch.where(mask, torch.tensor(color, dtype=torch.uint8).view(3, 1, 1), painted)
    mixed = (canvas * (1 - alpha) + painted * alpha).to(torch.uint8)
    return _like(torch.where(masks.any(0), mixed, canvas), image)


@torch.no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: Color | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """The image with points and lines between them.

    Args:
        image: bytes, or numbers in [0, 1], (1 or 3, H, W).
        keypoints: (N, K, 2): x and y of K points of each of N things.
        connectivity: which two points of a thing a line joins.
        colors: of the points, by default white.
        radius, width: of points and of lines.
        visibility: bools, (N, K): which to draw.

    Returns:
        (3, H, W) of the image's dtype.

    Raises:
        TypeError, ValueError: arguments of another kind.

    >>> import flambeau as torch
    >>> image, point = torch.zeros(3, 8, 8, dtype=torch.uint8), torch.tensor([[[3, 4]]])
    >>> torch.vision.utils.draw_keypoints(image, point, colors="red")[0, 4, 3]
    tensor(255, dtype=torch.uint8)
    """
    what = "draw_keypoints"
    canvas = _checked(what, image)
    if keypoints.ndim != 3 or keypoints.shape[2] < 2:
        raise ValueError(f"{what}: keypoints must be of shape (N, K, 2), got {tuple(keypoints.shape)}")
    shown = torch.ones(keypoints.shape[:2], dtype=torch.bool) if visibility is None else visibility.bool()
    shown = shown[..., 0] if shown.ndim == 3 else shown
    if tuple(shown.shape) != tuple(keypoints.shape[:2]):
        raise ValueError(
            f"{what}: keypoints and visibility must have the same number of points, got "
            f"{tuple(keypoints.shape)} and {tuple(shown.shape)}"
        )
    color = _colors(what, colors or "white", 1)[0]
    picture = to_pil_image(canvas)
    draw = pillow("ImageDraw").Draw(picture)
    for points, visible in zip(keypoints[..., :2].tolist(), shown.tolist(), strict=True):
        for (x, y), there in zip(points, visible, strict=True):
            if there:
                draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=color)
        for start, end in connectivity or ():
            if visible[start] and visible[end]:
                draw.line([*points[start], *points[end]], width=width, fill=color)
    return _like(pil_to_tensor(picture), image)


@torch.no_grad()
def flow_to_image(flow: Tensor) -> Tensor:
    """The movement of pixels as colours: the direction is the hue, the speed how strong it is (Baker et al.,
    A database and evaluation methodology for optical flow, 2007).

    Args:
        flow: (2, H, W) or (N, 2, H, W), floating point; x and y of the movement.

    Returns:
        bytes, (3, H, W) or (N, 3, H, W).

    Raises:
        ValueError: another dtype or shape.

    >>> import flambeau as torch
    >>> torch.vision.utils.flow_to_image(torch.zeros(2, 1, 1)).flatten()
    tensor([255, 255, 255], dtype=torch.uint8)
    """
    if not flow.is_floating_point() or flow.ndim not in (3, 4) or flow.shape[-3] != 2:
        raise ValueError(
            f"flow_to_image: Input flow should be floating point, (2, H, W) or (N, 2, H, W), got "
            f"{flow.dtype} {tuple(flow.shape)}"
        )
    x, y = np.moveaxis(flow.cpu().numpy().astype(np.float64), -3, 0)
    speed = np.hypot(x, y)
    speed = speed / (speed.max() + np.finfo(np.float32).eps)
    wheel = _color_wheel()
    n = len(wheel)
    place = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (n - 1)
    low = np.floor(place).astype(int)
    part = (place - low)[..., None]
    hue = (1 - part) * wheel[low] / 255 + part * wheel[np.where(low + 1 == n, 0, low + 1)] / 255
    colors = np.floor(255 * (1 - speed[..., None] * (1 - hue))).astype(np.uint8)
    return from_array(np.ascontiguousarray(np.moveaxis(colors, -1, -3)))


def _color_wheel() -> np.ndarray:
    """55 hues, in six stretches of lengths that suit the eye: red, yellow, green, cyan, blue, magenta."""
    stretches = ((15, 0, 1, 1), (6, 1, 0, -1), (4, 1, 2, 1), (11, 2, 1, -1), (13, 2, 0, 1), (6, 0, 2, -1))
    rows = []
    for length, full, moving, sign in stretches:
        part = np.zeros((length, 3))
        part[:, full] = 255
        rise = np.floor(255 * np.arange(length) / length)
        part[:, moving] = rise if sign > 0 else 255 - rise
        rows.append(part)
    return np.concatenate(rows)
