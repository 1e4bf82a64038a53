"""Boxes around things: areas, overlaps, and which of many to keep."""

from __future__ import annotations

from typing import Any

import numpy as np

import flambeau as torch
from flambeau import Tensor
from flambeau.core.tensor import from_array

__all__ = [
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "complete_box_iou",
    "distance_box_iou",
    "generalized_box_iou",
    "masks_to_boxes",
    "nms",
    "remove_small_boxes",
]


def _wide(x: Tensor) -> Tensor:
    """In a dtype in which products of coordinates fit."""
    if x.is_floating_point():
        return x if x.dtype in (torch.float32, torch.float64) else x.float()
    return x if x.dtype in (torch.int32, torch.int64) else x.int()


def box_area(boxes: Tensor) -> Tensor:
    """Areas of boxes (N, 4) given as x1, y1, x2, y2: (N,).

    >>> import flambeau as torch
    >>> torch.vision.ops.box_area(torch.tensor([[0., 0., 2., 3.]]))
    tensor([6.])
    """
    boxes = _wide(boxes)
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _overlaps(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of intersections and of unions of all pairs: (N, M)."""
    corners = torch.minimum(one[:, None, 2:], other[:, 2:]) - torch.maximum(one[:, None, :2], other[:, :2])
    extents = _wide(corners).clamp(min=0)
    inter = extents[:, :, 0] * extents[:, :, 1]
    return inter, box_area(one)[:, None] + box_area(other) - inter


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """The intersection over the union of each box of one set (N, 4) with each of another (M, 4): (N, M).

    >>> import flambeau as torch
    >>> torch.vision.ops.box_iou(torch.tensor([[0., 0., 2., 2.]]), torch.tensor([[1., 0., 3., 2.]]))
    tensor([[0.3333]])
    """
    inter, union = _overlaps(boxes1, boxes2)
    return inter / union


def _hull(one: Tensor, other: Tensor) -> Tensor:
    """Extents of the least boxes that hold both of each pair: (N, M, 2)."""
    corners = torch.maximum(one[:, None, 2:], other[:, 2:]) - torch.minimum(one[:, None, :2], other[:, :2])
    return _wide(corners).clamp(min=0)


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """`box_iou`, less the part of the least box around both that neither covers (Rezatofighi et al., 2019).

    >>> import flambeau as torch
    >>> torch.vision.ops.generalized_box_iou(
    ...     torch.tensor([[0., 0., 1., 1.]]), torch.tensor([[2., 0., 3., 1.]]))
    tensor([[-0.3333]])
    """
    inter, union = _overlaps(boxes1, boxes2)
    extents = _hull(boxes1, boxes2)
    around = extents[:, :, 0] * extents[:, :, 1]
    return inter / union - (around - union) / around


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`box_iou`, less the squared distance of the middles over that of the corners of the least box around
    both (Zheng et al., 2020).

    >>> import flambeau as torch
    >>> torch.vision.ops.distance_box_iou(
    ...     torch.tensor([[0., 0., 1., 1.]]), torch.tensor([[1., 0., 2., 1.]]))
    tensor([[-0.2000]])
    """
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    diagonal = (_hull(boxes1, boxes2) ** 2).sum(-1) + eps
    middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (boxes1, boxes2)]
    distance = ((middles[0][:, None] - middles[1]) ** 2).sum(-1)
    return box_iou(boxes1, boxes2) - distance / diagonal


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`distance_box_iou`, less a term for different proportions (Zheng et al., 2020).

    >>> import flambeau as torch
    >>> x = torch.tensor([[0., 0., 1., 1.]])
    >>> torch.vision.ops.complete_box_iou(x, x)
    tensor([[1.]])
    """
    boxes1, boxes2 = _wide(boxes1), _wide(boxes2)
    iou = box_iou(boxes1, boxes2)
    angles = [torch.atan((b[:, 2] - b[:, 0]) / (b[:, 3] - b[:, 1])) for b in (boxes1, boxes2)]
    v = (4 / torch.pi**2) * (angles[0][:, None] - angles[1]) ** 2
    alpha = (v / (1 - iou + v + eps)).detach()
    return distance_box_iou(boxes1, boxes2, eps) - alpha * v


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Which boxes to keep: in the order of their scores, each that overlaps with none kept before by more
    than the threshold.

    Args:
        boxes: (N, 4), x1, y1, x2, y2.
        scores: (N,).
        iou_threshold: intersection over union.

    Returns:
        numbers of boxes, int64, by falling score.

    Raises:
        RuntimeError: shapes that don't fit.

    >>> import flambeau as torch
    >>> boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 1.9], [5., 5., 6., 6.]])
    >>> torch.vision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.1]), 0.5)
    tensor([1, 2])
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or tuple(scores.shape) != tuple(boxes.shape[:1]):
        raise RuntimeError(
            f"nms: boxes should be (N, 4) and scores (N,), got {tuple(boxes.shape)} and {tuple(scores.shape)}"
        )
    places = _as_numbers(boxes)
    order = np.argsort(-_as_numbers(scores), kind="stable")
    areas = (places[:, 2] - places[:, 0]) * (places[:, 3] - places[:, 1])
    kept = []
    while len(order):
        first, order = order[0], order[1:]
        kept.append(first)
        low = np.maximum(places[first, :2], places[order, :2])
        high = np.minimum(places[first, 2:], places[order, 2:])
        inter = np.prod(np.maximum(high - low, 0), axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            overlap = inter / (areas[first] + areas[order] - inter)
        order = order[~(overlap > iou_threshold)]
    return from_array(np.array(kept, np.int64))


def _as_numbers(x: Tensor) -> Any:
    x = x.detach().cpu()
    return (x if x.dtype in (torch.float32, torch.float64) else x.float()).numpy()


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """`nms` among boxes of the same category: `idxs`, (N,), says which that is.

    >>> import flambeau as torch
    >>> boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 2.]])
    >>> torch.vision.ops.batched_nms(boxes, torch.tensor([0.5, 0.9]), torch.tensor([0, 1]), 0.5)
    tensor([1, 0])
    """
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64)
    apart = idxs.to(boxes.dtype) * (boxes.max() + 1)  # categories lie side by side, and don't overlap
    return nms(boxes + apart[:, None], scores, iou_threshold)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Numbers of the boxes (N, 4) with both sides at least `min_size`.

    >>> import flambeau as torch
    >>> torch.vision.ops.remove_small_boxes(torch.tensor([[0., 0., 1., 9.], [0., 0., 5., 5.]]), 2.0)
    tensor([1])
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    kept: Tensor = torch.where((sides >= min_size).all(1))[0]
    return kept


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) cut off at the borders of an image of (height, width).

    >>> import flambeau as torch
    >>> torch.vision.ops.clip_boxes_to_image(torch.tensor([[-1., 2., 9., 3.]]), (4, 5))
    tensor([[0., 2., 5., 3.]])
    """
    height, width = size
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([x, y], -1).reshape(boxes.shape)


_FORMATS = ("xyxy", "xywh", "cxcywh")


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes (..., 4) from one format to another: "xyxy" two corners, "xywh" a corner and the size, "cxcywh"
    the middle and the size.

    Raises:
        ValueError: another format.

    >>> import flambeau as torch
    >>> torch.vision.ops.box_convert(torch.tensor([1., 2., 3., 6.]), "xyxy", "cxcywh")
    tensor([2., 4., 2., 4.])
    """
    if in_fmt not in _FORMATS or out_fmt not in _FORMATS:
        raise ValueError(
            f"box_convert: Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt "
            f"{out_fmt}; there are {', '.join(_FORMATS)}"
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    first, second = boxes[..., :2], boxes[..., 2:]
    if in_fmt == "xywh":
        second = first + second
    elif in_fmt == "cxcywh":
        first, second = first - second / 2, first + second / 2
    if out_fmt == "xywh":
        second = second - first
    elif out_fmt == "cxcywh":
        first, second = (first + second) / 2, second - first
    return torch.cat([first, second], -1)


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The least boxes around masks (N, H, W): (N, 4), x1, y1, x2, y2.

    >>> import flambeau as torch
    >>> torch.vision.ops.masks_to_boxes(torch.tensor([[[0, 1, 1], [0, 0, 1]]]))
    tensor([[1., 0., 2., 1.]])
    """
    boxes = np.zeros((masks.shape[0], 4), np.float32)
    for box, mask in zip(boxes, masks.cpu().numpy() != 0, strict=True):
        y, x = np.nonzero(mask)
        box[:] = x.min(), y.min(), x.max(), y.max()
    return from_array(boxes)
