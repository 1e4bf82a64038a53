"""The focal loss."""

from __future__ import annotations

import flambeau as torch
from flambeau import Tensor

__all__ = ["sigmoid_focal_loss"]


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """The binary cross-entropy times (1 - p)^gamma, where p is the probability given to the right answer, so
    that what is right already counts less (Lin et al., Focal loss for dense object detection, 2017).

    Args:
        inputs: logits, any shape.
        targets: 0 or 1, in floating point, of the same shape.
        alpha: the weight of ones, where 1 - alpha is that of zeros; none if negative.
        gamma: see above.
        reduction: "none", "mean" or "sum".

    Raises:
        ValueError: alpha is above 1, or another reduction.

    >>> import flambeau as torch
    >>> torch.vision.ops.sigmoid_focal_loss(torch.zeros(2), torch.tensor([0., 1.]))
    tensor([0.1300, 0.0433])
    """
    what = "sigmoid_focal_loss"
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(
            f"{what}: Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore."
        )
    p = torch.sigmoid(inputs)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    loss = loss * (1 - (p * targets + (1 - p) * (1 - targets))) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"{what}: Invalid Value for arg 'reduction': '{reduction}'. Supported reduction modes: 'none', "
            "'mean', 'sum'"
        )
    result: Tensor = loss if reduction == "none" else getattr(loss, reduction)()
    return result
