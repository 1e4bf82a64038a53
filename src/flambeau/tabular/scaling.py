"""Scaling numbers: each way is learned from a column, kept as plain numbers, and applied in float64."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

__all__ = ["SCALINGS", "apply", "undo"]

KNOTS = 1001


def _shift(center: float, width: float) -> dict[str, Any]:
    return {"center": float(center), "width": float(width) or 1.0}  # a constant column becomes 0


def _standard(x: np.ndarray) -> dict[str, Any]:
    """Mean 0, standard deviation 1."""
    return _shift(x[0], 0) if (x == x[0]).all() else _shift(x.mean(), x.std())


def _robust(x: np.ndarray) -> dict[str, Any]:
    """Median 0, and half of the values within one unit: outliers don't change it."""
    low, middle, high = np.quantile(x, (0.25, 0.5, 0.75))
    return _shift(middle, high - low)


def _quantile(x: np.ndarray) -> dict[str, Any]:
    """Normally distributed, whatever the column's distribution: only the order of values counts. Values
    between quantiles are interpolated; values beyond those seen become the lowest or the highest."""
    levels = np.linspace(0, 1, min(KNOTS, len(x)) if len(x) > 1 else 2)
    knots, which = np.unique(np.quantile(x, levels), return_inverse=True)
    mean = np.bincount(which, levels) / np.bincount(which)  # equal quantiles get the level in their middle
    edge = 0.5 / len(x)
    normal = NormalDist()
    scores = [normal.inv_cdf(level) for level in np.clip(mean, edge, 1 - edge).tolist()]
    return {"knots": knots.tolist(), "scores": scores}


def _none(x: np.ndarray) -> dict[str, Any]:
    return _shift(0, 1)


SCALINGS: dict[str, Callable[[np.ndarray], dict[str, Any]]] = {
    "standard": _standard,
    "robust": _robust,
    "quantile": _quantile,
    "none": _none,
}


def apply(scaling: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """Values, scaled."""
    if "knots" in scaling:
        scaled: np.ndarray = np.interp(x, scaling["knots"], scaling["scores"])
    else:
        scaled = (x - scaling["center"]) / scaling["width"]
    return scaled


def undo(scaling: dict[str, Any], x: Any) -> Any:
    """Scaled values as they were; not for quantiles."""
    return x * scaling["width"] + scaling["center"]
