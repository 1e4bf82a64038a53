"""Resampling along one dimension: each result is a weighted sum of a few elements, the same for all rows."""

from __future__ import annotations

import numpy as np

from ..core import dtype as dt
from .kinds import Custom, custom
from .samples import Sample, spread


def _resample(
    x: np.ndarray, rows: np.ndarray, weights: np.ndarray, back: np.ndarray, shares: np.ndarray, dim: int
) -> np.ndarray:
    along = tuple(-1 if d == dim else 1 for d in range(x.ndim))
    out = np.zeros((*x.shape[:dim], rows.shape[1], *x.shape[dim + 1 :]), x.dtype)
    for row, weight in zip(rows, weights, strict=True):
        out += np.take(x, row, dim) * weight.reshape(along)
    return out


def adjoint(rows: np.ndarray, weights: np.ndarray, extent: int) -> tuple[np.ndarray, np.ndarray]:
    """The tables of the way back: which results each of `extent` elements is part of, with which weights."""
    taps, results = np.nonzero(weights)
    source, weight = rows[taps, results], weights[taps, results]
    order = np.lexsort((results, source))
    counts = np.bincount(source, minlength=extent)
    nth = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    back = np.zeros((max(counts.max(), 1), extent), np.int64)
    shares = np.zeros(back.shape, weights.dtype)
    back[nth, source[order]] = results[order]
    shares[nth, source[order]] = weight[order]
    back = np.where(
        shares != 0, back, back[:1]
    )  # what counts for nothing shall not bring a NaN from elsewhere
    return back, shares


def _sample(x: np.ndarray, dim: int, rows: list[list[int]], weights: list[list[float]]) -> Sample:
    tables = np.array(rows), np.array(weights)
    return Sample((x, *tables, *adjoint(*tables, x.shape[dim])), {"dim": dim})


# out[.., i, ..] = sum over k of weights[k, i] * x[.., rows[k, i], ..] along `dim`; `back` and `shares` are
# the tables of its adjoint.
resample: Custom = custom(
    "resample",
    _resample,
    lambda x, rows, weights, back, shares, dim: (
        (*x._node.shape[:dim], rows._node.shape[1], *x._node.shape[dim + 1 :]),
        x._node.dtype,
    ),
    "gather",
    inputs="x rows weights back shares",
    attrs="dim",
    accepts=(dt.INTEGER, dt.FLOAT),
    grad={
        "x": lambda g, rows, weights, back, shares, dim: resample(g, back, shares, rows, weights, dim),
    },
    samples=lambda: [
        _sample(
            spread((2, 3)), 1, [[0, 0, 1, 1, 2], [1, 1, 2, 2, 2]], [[1, 0.5, 1, 0.5, 1], [0, 0.5, 0, 0.5, 0]]
        ),
        _sample(spread((3, 2, 2)), 0, [[2, 0]], [[1.0, 0.25]]),
        _sample(spread((0, 2)), 1, [[1]], [[0.5]]),
    ],
)
