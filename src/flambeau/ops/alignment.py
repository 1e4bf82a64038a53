"""The likelihood of labels over all their alignments with a longer sequence (connectionist temporal
classification, 2006)."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..core import dtype as dt
from .kinds import Custom, custom
from .samples import Sample, spread

INF = np.inf


def _extended(targets: np.ndarray, lengths: np.ndarray, classes: int, blank: int) -> np.ndarray:
    """The labels with blanks around each, (N, 2 S + 1); blanks where a sample has no more labels."""
    n, s = targets.shape
    there = np.arange(s) < lengths[:, None]
    wrong = there & ((targets < 0) | (targets >= classes))
    if wrong.any():
        raise IndexError(
            f"ctc_loss: target {targets[wrong].flat[0]} is out of bounds for {classes} classes; labels must "
            f"lie in [0, {classes - 1}]"
        )
    labels = np.full((n, 2 * s + 1), blank, np.int64)
    labels[:, 1::2] = np.where(there, targets, blank)
    return labels


def _sweep(emitted: np.ndarray, labels: np.ndarray, begin: np.ndarray, first: np.ndarray) -> np.ndarray:
    """For each time and place, (T, N, places): the log likelihood of all ways to be there.

    A way stays, or goes one place on, or two between different labels. Those of a sample begin at the time
    `begin` in its places `first`.
    """
    steps, samples, places = emitted.shape
    jump = np.full((samples, places), -INF, emitted.dtype)
    jump[:, 2:][labels[:, 2:] != labels[:, :-2]] = 0
    ways = np.full((steps + 1, samples, places + 2), -INF, emitted.dtype)
    work, top, times = np.empty((3, samples, places), emitted.dtype), np.empty_like(jump), {*begin.tolist()}
    with np.errstate(divide="ignore"):
        for t in range(steps):
            before, now = ways[t], ways[t + 1, :, 2:]
            np.add(before[:, :-2], jump, out=work[2])
            work[1], work[0] = before[:, 1:-1], before[:, 2:]
            np.max(work, 0, out=top, initial=-1e30)
            np.subtract(work, top, out=work)
            np.exp(work, out=work)
            np.sum(work, 0, out=now)
            np.log(now, out=now)
            now += top
            now += emitted[t]
            if t in times:
                np.copyto(now, emitted[t], where=first & (begin == t)[:, None])
    return ways[1:, :, 2:].copy()


def _forward(emitted: np.ndarray, labels: np.ndarray, targets: np.ndarray) -> np.ndarray:
    place = np.arange(labels.shape[1])
    first = (place == 0) | ((place == 1) & (targets > 0)[:, None])
    return _sweep(emitted, labels, np.zeros_like(targets), first)


def _backward(emitted: np.ndarray, labels: np.ndarray, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The same of all ways from there to the end: a sweep from behind."""
    left = 2 * targets[:, None] - np.arange(labels.shape[1])
    first = ((left == 0) | (left == 1))[:, ::-1]
    turned = np.ascontiguousarray(emitted[::-1, :, ::-1])
    return _sweep(turned, labels[:, ::-1], len(emitted) - inputs, first)[::-1, :, ::-1]


def _loss(
    x: np.ndarray, targets: np.ndarray, inputs: np.ndarray, lengths: np.ndarray, blank: int
) -> tuple[np.ndarray, np.ndarray]:
    labels = _extended(targets, lengths, x.shape[2], blank)
    alpha = _forward(np.take_along_axis(x, labels[None], 2), labels, lengths)
    sample = np.arange(len(lengths))
    if len(x):
        last = alpha[np.maximum(inputs - 1, 0), sample]
        one = last[sample, 2 * lengths]
        two = np.where(lengths > 0, last[sample, 2 * lengths - 1], -INF)
        found = np.logaddexp(one, two)
    else:
        found = np.full(len(lengths), -INF, x.dtype)
    found = np.where(inputs > 0, found, np.where(lengths > 0, -INF, 0))
    return -found.astype(x.dtype), alpha


def _loss_grad(
    g: np.ndarray,
    x: np.ndarray,
    targets: np.ndarray,
    inputs: np.ndarray,
    lengths: np.ndarray,
    loss: np.ndarray,
    alpha: np.ndarray,
    blank: int,
) -> np.ndarray:
    """Minus the probability, given the labels, that a class is emitted at a time."""
    labels = _extended(targets, lengths, x.shape[2], blank)
    emitted = np.take_along_axis(x, labels[None], 2)
    beta = _backward(emitted, labels, inputs, lengths)
    possible = (alpha > -INF) & (beta > -INF)
    with np.errstate(invalid="ignore"):
        share = np.where(possible, np.exp(alpha + beta - emitted + loss[:, None]) * -g[:, None], 0)
    hot = (labels[:, :, None] == np.arange(x.shape[2])).astype(x.dtype)
    grad: np.ndarray = np.matmul(share.transpose(1, 0, 2), hot).transpose(1, 0, 2)
    grad[(np.arange(len(x))[:, None] < inputs) & (loss == INF) & (g != 0)] = np.nan
    return grad


class _Loss(Custom):
    """Two results: the losses (N), and what the gradient needs of the way to them."""

    def on_sample(self, tensors: Any, attrs: dict[str, Any]) -> Any:
        """The losses."""
        return super().on_sample(tensors, attrs)[0]


def _loss_rule(x: Any, targets: Any, inputs: Any, lengths: Any, blank: int) -> list[tuple[Any, Any]]:
    t, n, _ = x._node.shape
    places = 2 * targets._node.shape[1] + 1
    return [((n,), x._node.dtype), ((t, n, places), x._node.dtype)]


def _no_second(g: Any) -> NoReturn:
    raise RuntimeError("ctc_loss: its gradient can't be differentiated again")


def _samples() -> list[Sample]:
    x = spread((5, 3, 4), -3, 0)
    x = x - np.log(np.exp(x).sum(2, keepdims=True))
    targets = np.array([[1, 2], [2, 2], [3, 0]])
    return [Sample((x, targets, np.array([5, 4, 3]), np.array([2, 2, 1])), {"blank": 0})]


def _grad_samples() -> list[Sample]:
    (sample,) = _samples()
    x, targets, inputs, lengths = sample.arrays
    loss, alpha = _loss(x, targets, inputs, lengths, 0)
    return [Sample((spread((3,)), *sample.arrays, loss, np.maximum(alpha, -1e3)), sample.attrs)]


# -log of the sum over all alignments: `x` (T, N, C) log probabilities, `targets` (N, S), lengths (N) of both.
ctc_loss = _Loss(
    "ctc_loss",
    _loss,
    inputs="x targets input_lengths target_lengths",
    attrs="blank",
    accepts=(dt.FLOAT, dt.FLOAT),
    checks=True,
    backward_name="CtcLoss",
    grad={
        "x": lambda g, x, targets, input_lengths, target_lengths, out, blank: ctc_loss_grad(
            g[0], x, targets, input_lengths, target_lengths, out[0], out[1], blank
        )
    },
    samples=_samples,
)
ctc_loss.infer, ctc_loss.results = _loss_rule, 2
ctc_loss_grad = custom(
    "ctc_loss_grad",
    _loss_grad,
    lambda g, x, *rest: (x._node.shape, x._node.dtype),
    "opaque",
    inputs="g x targets input_lengths target_lengths loss alpha",
    attrs="blank",
    accepts=(dt.FLOAT, dt.FLOAT),
    grad=dict.fromkeys(("g", "x"), _no_second),
    samples=_grad_samples,
)
