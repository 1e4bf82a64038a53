"""A line search for steps that fulfil the strong Wolfe conditions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from ..core.tensor import Tensor

DESCENT, CURVATURE = 1e-4, 0.9  # how much of the promised descent there must be; of the slope there may be


@dataclass
class Point:
    """A step's length, the loss and its gradient there, and the slope along the direction."""

    t: float
    loss: float
    grad: Tensor
    slope: float


Evaluate: TypeAlias = Callable[[float], Point]


def strong_wolfe(
    evaluate: Evaluate, start: Point, t: float, extent: float, smallest: float, most: int
) -> tuple[Point, int]:
    """A point with enough descent and a flat enough slope, or the best one found; and how many were tried.

    Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6.

    Args:
        evaluate: gives the point of a step's length.
        start: the point of length 0.
        t: the first length to try.
        extent: the largest element of the direction.
        smallest: a bracket that moves no element by this much is not divided further.
        most: how many more points may be tried than the first.
    """
    low, high, tries = _bracket(evaluate, start, t, most)
    stuck = False
    while low is not high and tries < most and abs(high.t - low.t) * extent >= smallest:
        left, right = sorted((low.t, high.t))
        t, stuck = _inside(_cubic_minimum(low, high, left, right), left, right, stuck)
        new = evaluate(t)
        tries += 1
        if new.loss > start.loss + DESCENT * t * start.slope or new.loss >= low.loss:
            low, high = (low, new) if low.loss <= new.loss else (new, low)
        elif abs(new.slope) <= -CURVATURE * start.slope:
            low = high = new
        else:
            low, high = new, low if new.slope * (high.t - low.t) >= 0 else high
    return low, tries + 1


def _bracket(evaluate: Evaluate, start: Point, t: float, most: int) -> tuple[Point, Point, int]:
    """Two points that have a good one between them, the lower one first, or twice a good one; and the number
    of tries after the first."""
    before, new = start, evaluate(t)
    for tries in range(most):
        too_high = new.loss > start.loss + DESCENT * t * start.slope
        if too_high or (tries > 1 and new.loss >= before.loss):
            break
        if abs(new.slope) <= -CURVATURE * start.slope:
            return new, new, tries
        if new.slope >= 0:
            break
        t = _cubic_minimum(before, new, new.t + 0.01 * (new.t - before.t), 10 * new.t)
        before, new = new, evaluate(t)
    else:
        before, tries = start, most
    low, high = (before, new) if before.loss <= new.loss else (new, before)
    return low, high, tries


def _cubic_minimum(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points with their slopes has its minimum, within bounds; else the middle
    of these.

    Nocedal and Wright, (3.59).
    """
    first, last = (a, b) if a.t <= b.t else (b, a)
    middle, width = (low + high) / 2, last.t - first.t
    mean = first.slope + last.slope - 3 * (last.loss - first.loss) / width if width else math.nan
    square = mean * mean - first.slope * last.slope
    if not square >= 0:
        return middle
    root = math.sqrt(square)
    divisor = last.slope - first.slope + 2 * root
    if not divisor:
        return middle
    place = last.t - width * ((last.slope + root - mean) / divisor)
    return min(max(place, low), high)


def _inside(t: float, left: float, right: float, stuck: bool) -> tuple[float, bool]:
    """Keeps a point from creeping along an end of its bracket: where it lies in the outer tenth for the
    second time, it goes to that tenth's border. Whether it was left there, for the first time."""
    tenth = 0.1 * (right - left)
    if min(right - t, t - left) >= tenth:
        return t, False
    if not stuck and left < t < right:
        return t, True
    return (right - tenth if right - t < t - left else left + tenth), False
