"""Cross-entropy between scores and labels, in one operation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype
from .kinds import Custom, cast, custom, opmath
from .lookup import check_labels, class_dim
from .pointwise import maximum, ne, select
from .reduction import softmax, sum
from .samples import Sample, integers, spread
from .view import reshape

Dims = tuple[int, ...]


def _log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    shifted: np.ndarray = x - np.max(x, axis=dim, keepdims=True)
    shifted -= np.log(np.sum(np.exp(shifted), axis=dim, keepdims=True))
    return shifted


def _labelled(labels: np.ndarray, dim: int, classes: int, ignore: int) -> np.ndarray:
    """Truth: this is the label's class, and the label isn't ignored."""
    number = np.arange(classes).reshape((-1,) + (1,) * (labels.ndim - dim))
    label = np.expand_dims(labels, dim)
    return (number == label) & (label != ignore)


def _cross_entropy(x: np.ndarray, labels: np.ndarray, ignore: int) -> np.ndarray:
    dim = class_dim(x.ndim)
    check_labels("cross_entropy", labels, x.shape[dim], ignore)
    if x.size == 0:
        return np.asarray(np.nan, x.dtype)
    chosen = np.where(_labelled(labels, dim, x.shape[dim], ignore), _log_softmax(x, dim), 0)
    return np.asarray(-chosen.sum() / x.dtype.type(np.count_nonzero(labels != ignore)))


def _cross_entropy_grad(g: np.ndarray, x: np.ndarray, labels: np.ndarray, ignore: int) -> np.ndarray:
    dim = class_dim(x.ndim)
    if x.size == 0:
        return np.zeros_like(x)
    share = np.where(
        np.expand_dims(labels != ignore, dim), g / x.dtype.type(np.count_nonzero(labels != ignore)), 0
    )
    p = np.exp(_log_softmax(x, dim))
    return (p - _labelled(labels, dim, x.shape[dim], ignore)) * share.astype(x.dtype)


def _composed(g: Any, x: Any, labels: Any, ignore: int) -> Any:
    """The gradient in operations that can be differentiated."""
    dim = class_dim(len(x._node.shape))
    found = ne(labels, ignore)
    count = cast(sum(cast(found, opmath(x._node.dtype))), x._node.dtype)
    share = g / maximum(count, 1.0)  # where nothing is found no share is used, but its gradient would be NaN
    thin = (*x._node.shape[:dim], 1, *x._node.shape[dim + 1 :])
    label = reshape.plain(labels, (thin,))
    number = _numbers(x, dim)
    hot = cast((number == label) & (label != ignore), x._node.dtype)
    return select(reshape.plain(found, (thin,)), (softmax(x, dim) - hot) * share, 0.0)


def _numbers(x: Any, dim: int) -> Any:
    from .kinds import make_constant

    shape = tuple(e if d == dim else 1 for d, e in enumerate(x._node.shape))
    return make_constant(np.arange(x._node.shape[dim]).reshape(shape))


def _rule(x: Any, labels: Any, ignore: int) -> tuple[Dims, dtype]:
    return (), x._node.dtype


def _samples() -> list[Sample]:
    return [
        Sample((spread((3, 4)), np.array([0, 3, -7])), {"ignore": -7}),
        Sample((spread((2, 3, 2)), integers((2, 2), 0, 3)), {"ignore": 1}),
        Sample((spread((3,)), np.array(2)), {"ignore": -100}),
    ]


# x (N, C, ...) or (C), labels (N, ...) or (): the mean over labels that aren't ignored of -log(softmax(x)) at
# the label's class.
cross_entropy: Custom = custom(
    "cross_entropy",
    _cross_entropy,
    _rule,
    "composite",
    inputs="x labels",
    attrs="ignore",
    accepts=(dt.FLOAT, dt.FLOAT),
    checks=True,
    grad={"x": lambda g, x, labels, ignore: cross_entropy_grad(g, x, labels, ignore)},
    samples=_samples,
    backward_name="NllLoss",
)
cross_entropy_grad: Custom = custom(
    "cross_entropy_grad",
    _cross_entropy_grad,
    lambda g, x, labels, ignore: (x._node.shape, x._node.dtype),
    "composite",
    inputs="g x labels",
    attrs="ignore",
    accepts=(dt.FLOAT, dt.FLOAT),
    composition=_composed,
    backward_name="NllLossBackward",
    samples=lambda: [Sample((np.array(0.7), *s.arrays), s.attrs) for s in _samples()],
)
