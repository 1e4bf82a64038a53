"""Features of regions of images (RoI: region of interest), in bins of a fixed number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor, nn

__all__ = ["RoIAlign", "RoIPool", "roi_align", "roi_pool"]

Size = int | Sequence[int]


def _pair(size: Size) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _with_batch(what: str, boxes: Tensor | Sequence[Tensor]) -> Tensor:
    """(K, 5): the image's number and x1, y1, x2, y2, also of a list with boxes for each image."""
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ValueError(
                f"{what}: The boxes tensor shape is not correct as Tensor[K, 5], got {tuple(boxes.shape)}"
            )
        return boxes
    parts = []
    for i, part in enumerate(boxes):
        if part.ndim != 2 or part.shape[1] != 4:
            raise ValueError(
                f"{what}: The shape of the tensor in the boxes list is not correct as List[Tensor[L, 4]], "
                f"got {tuple(part.shape)}"
            )
        parts.append(torch.cat([torch.full_like(part[:, :1], i), part], 1))
    return torch.cat(parts)


def _taps(at: Tensor, extent: int) -> tuple[list[Tensor], list[Tensor]]:
    """The two elements at which a position lies, and their weights: 0 for what is off by more than one."""
    inside = (at >= -1) & (at <= extent)
    at = at.clamp(0, extent - 1)
    low = at.floor().detach()
    part = at - low
    weights = [torch.where(inside, w, 0.0) for w in (1 - part, part)]
    return [low.long(), (low.long() + 1).clamp(max=extent - 1)], weights


def roi_align(
    input: Tensor,
    boxes: Tensor | Sequence[Tensor],
    output_size: Size,
    spatial_scale: float = 1.0,
    sampling_ratio: int = -1,
    aligned: bool = False,
) -> Tensor:
    """Means over the bins of regions, of values between pixels (He et al., Mask R-CNN, 2017).

    Args:
        input: (N, C, H, W).
        boxes: (K, 5), the image's number and x1, y1, x2, y2; or a list of (L, 4) for each image.
        output_size: bins (h, w), or n for n by n.
        spatial_scale: from the boxes' coordinates to pixels of the input.
        sampling_ratio: points along each side of a bin; by default as many as pixels.
        aligned: whether pixels' centres lie at halves.

    Returns:
        (K, C, h, w).

    Raises:
        ValueError: boxes of another shape.

    >>> import flambeau as torch
    >>> x = torch.arange(16.0).view(1, 1, 4, 4)
    >>> torch.vision.ops.roi_align(x, [torch.tensor([[0., 0., 2., 2.]])], 2, sampling_ratio=1).flatten()
    tensor([2.5000, 3.5000, 6.5000, 7.5000])
    """
    rois = _with_batch("roi_align", boxes).to(input.dtype)
    (rows, columns), channels = _pair(output_size), input.shape[1]
    if not rois.shape[0]:
        return input.new_zeros((0, channels, rows, columns))
    number, starts = rois[:, 0].long(), rois[:, 1:3] * spatial_scale - (0.5 if aligned else 0.0)
    sides = rois[:, 3:5] * spatial_scale - (0.5 if aligned else 0.0) - starts
    sides = sides if aligned else sides.clamp(min=1.0)
    if sampling_ratio > 0:
        return _aligned(input, number, starts, sides, (rows, columns), (sampling_ratio, sampling_ratio))
    # Each region has its own number of points: those with the same are done together.
    counts = np.ceil(sides.detach().cpu().numpy() / np.array([columns, rows], np.float32)).astype(int).clip(0)
    kinds, which = np.unique(counts, axis=0, return_inverse=True)
    parts, order = [], []
    for k, (nx, ny) in enumerate(kinds.tolist()):
        chosen = np.flatnonzero(which.reshape(-1) == k)
        index = torch.from_numpy(chosen)
        part = _aligned(input, number[index], starts[index], sides[index], (rows, columns), (ny, nx))
        parts.append(part)
        order.append(chosen)
    back = np.argsort(np.concatenate(order))
    return torch.cat(parts)[torch.from_numpy(back)]


def _aligned(x: Tensor, number: Tensor, starts: Tensor, sides: Tensor, out: Any, points: Any) -> Tensor:
    """Regions with `points` in each bin, along y and x."""
    (_, channels, h, w), k = x.shape, number.shape[0]
    if not (points[0] and points[1]):
        return x.new_zeros((k, channels, *out))
    axes = []
    for axis, extent in ((1, h), (0, w)):  # y, then x
        bins, n = out[1 - axis], points[1 - axis]
        steps = (torch.arange(bins * n, dtype=x.dtype) + 0.5) / (bins * n)
        axes.append(_taps(starts[:, axis : axis + 1] + sides[:, axis : axis + 1] * steps, extent))
    ((ys, wy), (xs, wx)), flat = axes, x.permute(0, 2, 3, 1)
    total: Any = 0.0
    for y, weight_y in zip(ys, wy, strict=True):
        for column, weight_x in zip(xs, wx, strict=True):
            found = flat[number[:, None, None], y[:, :, None], column[:, None, :]]
            total = total + found * (weight_y[:, :, None] * weight_x[:, None, :])[..., None]
    means: Tensor = total.view(k, out[0], points[0], out[1], points[1], channels).mean((2, 4))
    return means.permute(0, 3, 1, 2)


def roi_pool(
    input: Tensor, boxes: Tensor | Sequence[Tensor], output_size: Size, spatial_scale: float = 1.0
) -> Tensor:
    """The greatest value in each bin of regions, whose borders are rounded to pixels (Girshick, Fast R-CNN,
    2015).

    Args and errors as `roi_align`.

    >>> import flambeau as torch
    >>> x = torch.arange(16.0).view(1, 1, 4, 4)
    >>> torch.vision.ops.roi_pool(x, [torch.tensor([[0., 0., 3., 3.]])], 2).flatten()
    tensor([ 5.,  7., 13., 15.])
    """
    rois = _with_batch("roi_pool", boxes).to(input.dtype)
    out, (_, channels, h, w) = _pair(output_size), input.shape
    if not rois.shape[0]:
        return input.new_zeros((0, channels, *out))
    places = rois.detach().cpu().numpy()
    corners = np.floor(places[:, 1:] * spatial_scale + 0.5).astype(int)
    regions = []
    for number, (x1, y1, x2, y2) in zip(places[:, 0].astype(int).tolist(), corners.tolist(), strict=True):
        down, across = _bins(y1, y2, out[0], h), _bins(x1, x2, out[1], w)
        cells = [_greatest(input[number, :, a:b, c:d]) for a, b in down for c, d in across]
        regions.append(torch.stack(cells, -1).view(channels, *out))
    return torch.stack(regions)


def _bins(first: int, last: int, n: int, extent: int) -> list[tuple[int, int]]:
    """Where each of n bins begins and ends."""
    step = np.float32(max(last - first + 1, 1)) / np.float32(n)
    edges = [(int(np.floor(i * step)), int(np.ceil((i + 1) * step))) for i in range(n)]
    return [(min(max(a + first, 0), extent), min(max(b + first, 0), extent)) for a, b in edges]


def _greatest(part: Tensor) -> Tensor:
    return part.amax((1, 2)) if part.numel() else part.new_zeros(part.shape[0])


class RoIAlign(nn.Module):
    """The module of `roi_align`.

    >>> import flambeau as torch
    >>> torch.vision.ops.RoIAlign(2, 1.0, 1)(torch.zeros(1, 3, 4, 4), [torch.zeros(5, 4)]).shape
    torch.Size([5, 3, 2, 2])
    """

    def __init__(
        self, output_size: Size, spatial_scale: float, sampling_ratio: int, aligned: bool = False
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return roi_align(input, rois, self.output_size, self.spatial_scale, self.sampling_ratio, self.aligned)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, spatial_scale={self.spatial_scale}, "
            f"sampling_ratio={self.sampling_ratio}, aligned={self.aligned}"
        )


class RoIPool(nn.Module):
    """The module of `roi_pool`.

    >>> import flambeau as torch
    >>> torch.vision.ops.RoIPool(2, 1.0)(torch.zeros(1, 3, 4, 4), [torch.zeros(5, 4)]).shape
    torch.Size([5, 3, 2, 2])
    """

    def __init__(self, output_size: Size, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Tensor | Sequence[Tensor]) -> Tensor:
        return roi_pool(input, rois, self.output_size, self.spatial_scale)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}, spatial_scale={self.spatial_scale}"
