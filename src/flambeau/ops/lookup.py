"""Looking up by label: the rows of an embedding, and the scores of given classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtype import dtype
from .index import _check_range, index, index_put
from .kinds import Custom, custom
from .samples import Sample, integers, spread

Dims = tuple[int, ...]

# ----- embeddings -----


def _embedding(w: np.ndarray, rows: np.ndarray, padding: int, by_frequency: bool) -> np.ndarray:
    _check_range("embedding", rows, len(w), 0)
    picked: np.ndarray = w[rows]
    return picked


def _embedding_grad(g: Any, rows: Any, w_shape: Dims, padding: int, by_frequency: bool) -> Any:
    """Gradients of the same row add up (or are averaged, if `by_frequency`); the one at `padding` gets
    nothing.
    """
    if by_frequency:
        counts = index_put(g.new_zeros(w_shape[:1]), g.new_ones(()), (rows,), (0,), True)
        g = g / index(counts, (rows,), (0,)).unsqueeze(-1)
    if padding >= 0:
        g = g.where((rows != padding).unsqueeze(-1), 0.0)
    return index_put(g.new_zeros(w_shape), g, (rows,), (0,), True)


embedding = custom(
    "embedding",
    _embedding,
    lambda w, rows, *_: ((*rows._node.shape, *w._node.shape[1:]), w._node.dtype),
    "gather",
    inputs="w rows",
    attrs="padding by_frequency",
    checks=True,
    widens=False,
    grad={"w": _embedding_grad},
    samples=lambda: [
        Sample((spread((4, 3)), np.array([[0, 3], [3, 1]])), {"padding": -1, "by_frequency": False}),
        Sample(
            (spread((3, 2)), np.array([2, 0])), {"padding": 1, "by_frequency": True}
        ),  # neither changes a gradient here
    ],
)

# ----- classes: x is (N, C, ...) or (C), labels (N, ...) or () -----


def class_dim(rank: int) -> int:
    """The dimension of the classes."""
    return 1 if rank > 1 else 0


def check_labels(what: str, labels: np.ndarray, classes: int, ignore: int) -> None:
    """IndexError, naming the value, if a label that isn't ignored is no class."""
    if labels.size == 0 or labels.astype(np.uint64).max() < classes:  # negative ones are large there
        return
    wrong = ((labels < 0) | (labels >= classes)) & (labels != ignore)
    if wrong.any():
        raise IndexError(
            f"{what}: target {labels[wrong].flat[0]} is out of bounds for {classes} classes; labels must "
            f"lie in [0, {classes - 1}] or be ignore_index={ignore}"
        )


def _at(labels: np.ndarray, dim: int, ignore: int) -> tuple[np.ndarray, np.ndarray]:
    """Where labels are ignored, and the labels (0 for those) with the class dimension."""
    ignored = np.expand_dims(labels == ignore, dim)
    return ignored, np.where(ignored, 0, np.expand_dims(labels, dim))


def _pick(x: np.ndarray, labels: np.ndarray, ignore: int) -> np.ndarray:
    dim = class_dim(x.ndim)
    check_labels("nll_loss", labels, x.shape[dim], ignore)
    ignored, at = _at(labels, dim, ignore)
    picked = np.take_along_axis(x, at, dim)
    picked[ignored] = 0
    return np.squeeze(picked, dim)


def _place(y: np.ndarray, labels: np.ndarray, classes: int, ignore: int) -> np.ndarray:
    dim = class_dim(y.ndim + 1)
    ignored, at = _at(labels, dim, ignore)
    out = np.zeros((*y.shape[:dim], classes, *y.shape[dim:]), y.dtype)
    np.put_along_axis(out, at, np.where(ignored, y.dtype.type(0), np.expand_dims(y, dim)), dim)
    return out


def _pick_rule(x: Any, labels: Any, ignore: int) -> tuple[Dims, dtype]:
    return labels._node.shape, x._node.dtype


def _place_rule(y: Any, labels: Any, classes: int, ignore: int) -> tuple[Dims, dtype]:
    dim = class_dim(y.ndim + 1)
    return (*y._node.shape[:dim], classes, *y._node.shape[dim:]), y._node.dtype


# The score of the labelled class, 0 where the label is `ignore`; and its adjoint.
pick_class = custom(
    "pick_class",
    _pick,
    _pick_rule,
    "gather",
    inputs="x labels",
    attrs="ignore",
    checks=True,
    widens=False,
    backward_name="NllLoss",
    grad={
        "x": lambda g, labels, x_shape, ignore: place_class(
            g, labels, x_shape[class_dim(len(x_shape))], ignore
        )
    },
    samples=lambda: [
        Sample((spread((3, 4)), np.array([0, 3, -7])), {"ignore": -7}),
        Sample((spread((2, 3, 2)), integers((2, 2), 0, 3)), {"ignore": 1}),
        Sample((spread((3,)), np.array(2)), {"ignore": -100}),
    ],
)
place_class: Custom = custom(
    "place_class",
    _place,
    _place_rule,
    "scatter",
    inputs="y labels",
    attrs="classes ignore",
    widens=False,
    backward_name="NllLoss",
    grad={"y": lambda g, labels, ignore: pick_class(g, labels, ignore)},
    samples=lambda: [
        Sample((spread((3,)), np.array([0, 3, -7])), {"classes": 4, "ignore": -7}),
        Sample((spread((2, 2)), integers((2, 2), 0, 3)), {"classes": 3, "ignore": 1}),
        Sample((spread(()), np.array(2)), {"classes": 3, "ignore": -100}),
    ],
)
