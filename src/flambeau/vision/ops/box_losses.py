"""Losses of boxes against boxes, pair by pair."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor

from .boxes import _wide

__all__ = ["complete_box_iou_loss", "distance_box_iou_loss", "generalized_box_iou_loss"]


def _reduced(what: str, loss: Tensor, reduction: str) -> Tensor:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"{what}: Invalid Value for arg 'reduction': '{reduction}'. Supported reduction modes: 'none', "
            "'mean', 'sum'"
        )
    if reduction == "mean" and not loss.numel():
        reduction = "sum"  # no boxes, no loss
    result: Tensor = loss if reduction == "none" else getattr(loss, reduction)()
    return result


def _pairs(one: Tensor, other: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Intersection over union and the union of each pair (N,), and the least boxes' extents (N, 2)."""
    one, other = _wide(one), _wide(other)
    inter = torch.minimum(one[:, 2:], other[:, 2:]) - torch.maximum(one[:, :2], other[:, :2])
    inter = inter.clamp(min=0).prod(1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one, other)]
    union = areas[0] + areas[1] - inter
    hull = torch.maximum(one[:, 2:], other[:, 2:]) - torch.minimum(one[:, :2], other[:, :2])
    return inter / (union + eps), union, hull


def generalized_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - `generalized_box_iou` of each box of one set (N, 4) and that of another.

    Raises:
        ValueError: the reduction is none of "none", "mean" and "sum".

    >>> import flambeau as torch
    >>> torch.vision.ops.generalized_box_iou_loss(
    ...     torch.tensor([[0., 0., 1., 1.]]), torch.tensor([[2., 0., 3., 1.]]))
    tensor([1.3333])
    """
    iou, union, hull = _pairs(boxes1, boxes2, eps)
    around = hull.prod(1)
    loss = 1 - iou + (around - union) / (around + eps)
    return _reduced("generalized_box_iou_loss", loss, reduction)


def _distance(boxes1: Tensor, boxes2: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The loss by distance, and intersection over union."""
    iou, _, hull = _pairs(boxes1, boxes2, eps)
    middles = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (_wide(boxes1), _wide(boxes2))]
    distance = ((middles[0] - middles[1]) ** 2).sum(1)
    return 1 - iou + distance / ((hull**2).sum(1) + eps), iou


def distance_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - `distance_box_iou` of each box of one set (N, 4) and that of another; errors as
    `generalized_box_iou_loss`.

    >>> import flambeau as torch
    >>> torch.vision.ops.distance_box_iou_loss(
    ...     torch.tensor([[0., 0., 1., 1.]]), torch.tensor([[1., 0., 2., 1.]]))
    tensor([1.2000])
    """
    return _reduced("distance_box_iou_loss", _distance(boxes1, boxes2, eps)[0], reduction)


def complete_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 - `complete_box_iou` of each box of one set (N, 4) and that of another; errors as
    `generalized_box_iou_loss`.

    >>> import flambeau as torch
    >>> x = torch.tensor([[0., 0., 1., 1.]])
    >>> torch.vision.ops.complete_box_iou_loss(x, x, "sum").abs() < 1e-6
    tensor(True)
    """
    loss, iou = _distance(boxes1, boxes2, eps)
    sides = [(boxes[:, 2:] - boxes[:, :2]).unbind(1) for boxes in (_wide(boxes1), _wide(boxes2))]
    angles = [torch.atan(w / h) for w, h in sides]
    v = (4 / torch.pi**2) * (angles[0] - angles[1]) ** 2
    alpha = (v / (1 - iou + v + eps)).detach()
    return _reduced("complete_box_iou_loss", loss + alpha * v, reduction)
