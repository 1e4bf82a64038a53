"""A linear map and the cross-entropy of its results."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from ...ops.op import check_tensor
from .classification import cross_entropy
from .linear import linear


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """`cross_entropy(linear(input, linear_weight, linear_bias), target)`.

    `input` is (N, in) or (in), `linear_weight` (classes, in) or (classes, d1, ..., in) with a bias of the
    same shape but for the last dimension; the scores are then (N, classes, d1, ...). `options`, which say how
    PyTorch cuts the computation into parts, must be None. RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> x, w = torch.ones(2, 3), torch.zeros(4, 3)
    >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([0, 3]))
    tensor(1.3863)
    """
    what = "linear_cross_entropy"
    x, w = check_tensor(what, "input", input), check_tensor(what, "linear_weight", linear_weight)
    if options is not None:
        raise NotImplementedError(f"{what}: options are not supported, got {options!r}; leave them out")
    if x.ndim not in (1, 2) or w.ndim < 2 or x.shape[-1] != w.shape[-1] or (w.ndim > 2 and x.ndim == 1):
        raise RuntimeError(
            f"{what}: expected input (N, in) or (in) and linear_weight (classes, ..., in), got shapes "
            f"{tuple(x.shape)} and {tuple(w.shape)}"
        )
    if linear_bias is not None and linear_bias.shape != w.shape[:-1]:
        raise RuntimeError(
            f"{what}: expected linear_bias shape {tuple(w.shape[:-1])}, got {tuple(linear_bias.shape)}"
        )
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = linear(x, w.reshape(-1, w.shape[-1]), bias).reshape(*x.shape[:-1], *w.shape[:-1])
    if ignore_index is not None and target.shape == scores.shape:
        raise RuntimeError(
            f"{what}: ignore_index cannot be specified when target contains probabilities, got {ignore_index}"
        )
    return cross_entropy(
        scores,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
