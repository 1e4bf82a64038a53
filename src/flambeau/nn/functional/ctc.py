"""Connectionist temporal classification: labels without knowledge of when they occur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.tensor import Tensor
from ...functions.casting import in_float32
from ...functions.choice import choose
from ...functions.reduction import mean
from ...ops.alignment import ctc_loss as loss_op
from ...ops.kinds import make_constant
from ...ops.op import check_tensor
from .arguments import REDUCTIONS, check_float

Lengths = Tensor | Sequence[int]
INF = float("inf")


@in_float32
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the likelihood of labels, summed over all their alignments with a sequence. (Connectionist
    temporal classification, 2006.)

    `log_probs` (T, N, C) or (T, C) are logarithms of probabilities, as `log_softmax` gives them; `targets`
    the labels, (N, S), or all one after the other; lengths say how much of both is a sample's. Class `blank`
    stands between labels. "mean" divides each loss by the number of labels. `zero_infinity` makes losses of
    targets that are too long, and their gradients, zero. RuntimeError for lengths or dtypes that don't fit,
    IndexError for a label that is no class (raised when the loss is computed).

    >>> import flambeau as torch
    >>> probs = torch.full((2, 1, 3), 1 / 3).log()
    >>> torch.nn.functional.ctc_loss(probs, torch.tensor([[1]]), [2], [1])
    tensor(1.0986)
    """
    what = "ctc_loss"
    x = check_float(what, log_probs, "log_probs")
    if reduction not in REDUCTIONS:
        raise ValueError(f"{what}: {reduction} is not a valid value for reduction; choose none, mean or sum")
    if check_tensor(what, "targets", targets).dtype.category > dt.INTEGER:
        raise RuntimeError(f"{what}: targets must be integral, got {targets.dtype}")
    if x.ndim not in (2, 3):
        raise RuntimeError(f"{what}: log_probs must be (T, N, C) or (T, C), got shape {tuple(x.shape)}")
    alone = x.ndim == 2
    if alone:
        x = x.unsqueeze(1)
        targets = targets.unsqueeze(0) if targets.ndim == 1 else targets
    steps, batch, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"{what}: blank must be in label range, got {blank} for {classes} classes")
    inputs = _lengths("input_lengths", input_lengths, batch, steps)
    lengths = _lengths("target_lengths", target_lengths, batch, None)
    padded = _padded(targets, lengths)
    n, m = make_constant(inputs), make_constant(lengths)
    loss = loss_op(x, padded.long(), n, m, blank)[0] + _as_of_scores(x, n)
    if zero_infinity:
        loss = choose(loss == INF, 0.0, loss)
    if reduction == "mean":
        return mean(loss / m.clamp(min=1).to(loss.dtype))
    result: Tensor = loss.sum() if reduction == "sum" else loss.squeeze(0) if alone else loss
    return result


def _as_of_scores(x: Tensor, inputs: Tensor) -> Tensor:
    """Zero, with a gradient of the probabilities themselves: with it the loss has, before the `log_softmax`
    and after it, the gradient that PyTorch gives it."""
    if not x.requires_grad:
        return x.new_zeros(())
    steps = make_constant(np.arange(x.shape[0])[:, None])
    seen = choose((steps < inputs).unsqueeze(-1), x, -INF).exp().sum((0, 2))
    nothing: Tensor = seen - seen.detach()
    return nothing


def _lengths(name: str, given: Any, batch: int, most: int | None) -> np.ndarray:
    if isinstance(given, Tensor):
        if given.dtype.category > dt.INTEGER:
            raise RuntimeError(f"ctc_loss: {name} must be integral, got {given.dtype}")
        given = given.reshape(-1).tolist()
    lengths = np.array([n.__index__() for n in given], np.int64)
    if len(lengths) != batch:
        raise RuntimeError(
            f"ctc_loss: {name} must be of size batch_size, got {len(lengths)} for a batch of {batch}"
        )
    if batch and (lengths.min() < 0 or (most is not None and lengths.max() > most)):
        raise RuntimeError(
            f"ctc_loss: Expected {name} to have values from 0 to {most}, but got {lengths.tolist()}"
        )
    return lengths


def _padded(targets: Tensor, lengths: np.ndarray) -> Tensor:
    """The labels as (N, S)."""
    longest = int(lengths.max()) if len(lengths) else 0
    if targets.ndim == 2:
        if targets.shape[0] != len(lengths) or targets.shape[1] < longest:
            raise RuntimeError(
                f"ctc_loss: Expected targets of shape ({len(lengths)}, at least {longest}) for these "
                f"lengths, got {tuple(targets.shape)}"
            )
        return targets[:, :longest]
    if targets.ndim != 1 or targets.shape[0] != lengths.sum():
        raise RuntimeError(
            f"ctc_loss: Expected targets of shape (N, S), or as many labels as target_lengths sum to "
            f"({lengths.sum()}), got shape {tuple(targets.shape)}"
        )
    start = np.cumsum(lengths) - lengths
    at = start[:, None] + np.arange(longest)
    inside = np.arange(longest) < lengths[:, None]
    padded: Tensor = (
        targets[make_constant(np.where(inside, at, 0))] if longest else targets.new_zeros(len(lengths), 0)
    )
    return padded
