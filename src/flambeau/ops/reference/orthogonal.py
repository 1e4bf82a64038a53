"""Orthogonal polynomials of a degree given element by element, in double precision.

Each takes points and degrees that broadcast. Degrees are cut off to whole numbers; below 0 the value is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import numpy as np
from numpy.typing import NDArray

from .special import Array

Values = NDArray[np.floating]
Polynomial = Callable[[Values, Values], Values]
Step = Callable[[int, Array, Array, Array], Array]


def _by_degree(f: Callable[[Array, Array], Array]) -> Polynomial:
    """Let `f`, written for flat arrays of doubles and of whole degrees >= 0, take all that is numbers."""

    @wraps(f)
    def whole(points: Values, degrees: Values) -> Values:
        kind = np.result_type(points, degrees)
        x, n = np.broadcast_arrays(points.astype(np.float64), degrees.astype(np.float64))
        given = np.isfinite(n) & (n > -1)
        out = np.zeros(x.shape)
        with np.errstate(all="ignore"):
            out[given] = f(x[given], np.trunc(n[given]))
            return out.astype(kind)

    return whole


def _recur(x: Array, n: Array, first: Array, step: Step) -> Array:
    """From the polynomials of degree 0, which is 1, and 1: that of degree k + 1 is step(k, x, q, p), where q
    and p are those of degrees k and k - 1."""
    p, q = np.ones_like(x), first
    out = np.where(n == 0, p, q)
    top = int(n.max(initial=0))
    for k in range(1, top):
        p, q = q, step(k, x, q, p)
        out = np.where(n > k, q, out)
        if k % 64 == 0 and np.isnan(q[n > k]).all():  # and so would be all that follow
            break
    return out


# ----- Chebyshev's: multiples of the angle whose cosine is x -----


def _chebyshev(first: Callable[[Array], Array], wave: Callable[[Array, Array], Array]) -> Polynomial:
    """One of the four kinds, given its polynomial of degree 1 and its form in the angle."""

    @_by_degree
    def polynomial(x: Array, n: Array) -> Array:
        far = (n > 8) & (np.abs(x) <= 1)
        out = np.empty_like(x)
        out[far] = wave(n[far], np.arccos(x[far]))
        near = ~far
        out[near] = _recur(x[near], n[near], first(x[near]), lambda k, x, q, p: 2 * x * q - p)
        return out

    return polynomial


def _ratio(above: Array, below: Array, limit: Array) -> Array:
    """above / below, and the limit where both vanish."""
    return np.where(np.abs(below) < 1e-15, limit, above / below)


def _alternating(n: Array) -> Array:
    return np.where(n % 2 == 0, 1.0, -1.0)


def _second(n: Array, angle: Array) -> Array:
    limit = np.where(angle < 1, 1, _alternating(n)) * (n + 1)
    return _ratio(np.sin((n + 1) * angle), np.sin(angle), limit)


def _third(n: Array, angle: Array) -> Array:
    return _ratio(np.cos((n + 0.5) * angle), np.cos(angle / 2), _alternating(n) * (2 * n + 1))


def _fourth(n: Array, angle: Array) -> Array:
    return _ratio(np.sin((n + 0.5) * angle), np.sin(angle / 2), 2 * n + 1)


def _shifted(polynomial: Polynomial) -> Polynomial:
    """The same on the interval from 0 to 1."""
    return lambda x, n: polynomial((2 * np.asarray(x, np.float64) - 1), n).astype(np.result_type(x, n))


chebyshev_polynomial_t = _chebyshev(lambda x: x, lambda n, angle: np.cos(n * angle))
chebyshev_polynomial_u = _chebyshev(lambda x: 2 * x, _second)
chebyshev_polynomial_v = _chebyshev(lambda x: 2 * x - 1, _third)
chebyshev_polynomial_w = _chebyshev(lambda x: 2 * x + 1, _fourth)
shifted_chebyshev_polynomial_t = _shifted(chebyshev_polynomial_t)
shifted_chebyshev_polynomial_u = _shifted(chebyshev_polynomial_u)
shifted_chebyshev_polynomial_v = _shifted(chebyshev_polynomial_v)
shifted_chebyshev_polynomial_w = _shifted(chebyshev_polynomial_w)

# ----- by their recurrences -----


@_by_degree
def hermite_polynomial_h(x: Array, n: Array) -> Array:
    """The physicists' Hermite polynomials."""
    return _recur(x, n, 2 * x, lambda k, x, q, p: 2 * x * q - 2 * k * p)


@_by_degree
def hermite_polynomial_he(x: Array, n: Array) -> Array:
    """The probabilists' Hermite polynomials."""
    return _recur(x, n, x, lambda k, x, q, p: x * q - k * p)


@_by_degree
def laguerre_polynomial_l(x: Array, n: Array) -> Array:
    """The Laguerre polynomials."""
    return _recur(x, n, 1 - x, lambda k, x, q, p: ((2 * k + 1 - x) * q - k * p) / (k + 1))


@_by_degree
def legendre_polynomial_p(x: Array, n: Array) -> Array:
    """The Legendre polynomials."""
    return _recur(x, n, x, lambda k, x, q, p: ((2 * k + 1) * x * q - k * p) / (k + 1))
