"""The incomplete gamma functions and Hurwitz's zeta function, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import pi

import numpy as np
from numpy.typing import NDArray

from .special import (
    BERNOULLI,
    LGAMMA,
    LGAMMA_SERIES,
    Array,
    erfc,
    lgamma,
    polynomial,
)

LARGE = 200  # from this `a` on the transition around x = a is expanded in 1/a
Values = NDArray[np.floating]
Binary = Callable[[Array, Array], Array]


def _pairwise(f: Binary) -> Callable[[Values, Values], Values]:
    """Let `f`, written for flat double arrays of one length, take arrays that broadcast."""

    def whole(a: Values, b: Values) -> Values:
        kind = np.result_type(a, b)
        x, y = np.broadcast_arrays(a.astype(np.float64), b.astype(np.float64))
        with np.errstate(all="ignore"):
            return f(x.reshape(-1), y.reshape(-1)).reshape(x.shape).astype(kind)

    whole.__doc__, whole.__name__ = f.__doc__, f.__name__
    return whole


# ----- the incomplete gamma functions -----


@_pairwise
def gammainc(a: Array, x: Array) -> Array:
    """The integral of t**(a-1) * exp(-t) from 0 to x, over that to infinity. NaN for negative arguments."""
    return _incomplete(a, x)[0]


@_pairwise
def gammaincc(a: Array, x: Array) -> Array:
    """1 - gammainc(a, x), without cancellation."""
    return _incomplete(a, x)[1]


def _incomplete(a: Array, x: Array) -> tuple[Array, Array]:
    """Both parts: the smaller is computed, the other is the rest, each way where it is good."""
    lower = np.full_like(x, np.nan)
    upper = np.full_like(x, np.nan)
    low = ((x == 0) & (a > 0)) | ((a == np.inf) & (x >= 0) & np.isfinite(x))
    high = ((a == 0) & (x > 0)) | (np.isinf(x) & (x > 0) & (a >= 0) & np.isfinite(a))
    lower[low], upper[low] = 0, 1
    lower[high], upper[high] = 1, 0
    regular = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    around = regular & (a >= LARGE) & (np.abs(x - a) < 0.4 * a)
    small = regular & ~around & (x <= 1.5) & (a < 1.5)
    series = regular & ~around & ~small & (x < a + 1)
    fraction = regular & ~around & ~small & ~series
    for mask, part in ((around, _transition), (small, _near_zero), (series, _series), (fraction, _fraction)):
        if mask.any():
            lower[mask], upper[mask] = part(a[mask], x[mask])
    return lower, upper


def _density(a: Array, x: Array) -> Array:
    """x**a * exp(-x) / gamma(a + 1); for large `a` by Stirling's series, so that nothing large cancels."""
    direct = np.exp(a * np.log(x) - x - lgamma(a + 1))
    far = a >= 20
    if far.any():
        b = a[far]
        correction = polynomial(LGAMMA_SERIES, 1 / (b * b)) / b
        direct[far] = np.exp(-b * _excess(b, x[far]) - correction) / np.sqrt(2 * pi * b)
    return direct


def _excess(a: Array, x: Array) -> Array:
    """r - log(1 + r) with 1 + r = x / a: for small r by log(1 + r) = 2 * artanh(s), s = r / (2 + r)."""
    r, s = (x - a) / a, (x - a) / (x + a)
    tail = polynomial([2 / k for k in range(3, 41, 2)], s * s)
    return np.where(np.abs(r) < 0.5, s * (r - s * s * tail), r - np.log(x / a))


def _series(a: Array, x: Array) -> tuple[Array, Array]:
    """Sum of x**n / ((a+1) ... (a+n))."""
    term, total = np.ones_like(x), np.ones_like(x)
    n = 0
    while np.any(term > 1e-17 * total):
        n += 1
        term = term * (x / (a + n))
        total += term
    lower = np.minimum(_density(a, x) * total, 1)
    return lower, 1 - lower


def _fraction(a: Array, x: Array) -> tuple[Array, Array]:
    """Legendre's continued fraction for the upper part, by Lentz's method."""
    b = x + 1 - a
    c, d = np.full_like(x, 1e300), 1 / b
    value = d
    n = 0
    delta = np.full_like(x, 2.0)
    while n < 1000 and np.any(delta != 1):
        n += 1
        factor = n * (a - n)
        b = b + 2
        d = 1 / (factor * d + b)
        c = b + factor / c
        delta = np.where(np.abs(c * d - 1) < 4e-16, 1, c * d)
        value = value * delta
    upper = np.minimum(_density(a, x) * a * value, 1)
    return 1 - upper, upper


def _near_zero(a: Array, x: Array) -> tuple[Array, Array]:
    """x**a / gamma(a+1) * (1 + a * sum of (-x)**n / ((a+n) * n!)), and 1 minus that without cancellation."""
    term, total = np.ones_like(x), np.zeros_like(x)
    for n in range(1, 30):
        term = term * (-x / n)
        total += term / (a + n)
    log_gamma = np.where(a < 0.5, a * polynomial(LGAMMA, a) - np.log1p(a), lgamma(a + 1))
    power = a * np.log(x) - log_gamma
    more = np.exp(power) * a * total
    return np.exp(power) + more, -np.expm1(power) - more


def _transition(a: Array, x: Array) -> tuple[Array, Array]:
    """Temme's expansion around x = a, uniform in eta, eta**2 / 2 = x/a - 1 - log(x/a) (DLMF 8.12)."""
    square = _excess(a, x)
    eta = np.copysign(np.sqrt(2 * square), x - a)
    inverse = 1 / a
    rest = np.zeros_like(x)
    for coefficients in reversed(_temme()):
        rest = rest * inverse + polynomial(coefficients, eta)
    rest *= np.exp(-a * square) / np.sqrt(2 * pi * a)
    z = eta * np.sqrt(a / 2)
    return erfc(-z) / 2 - rest, erfc(z) / 2 + rest


@lru_cache
def _temme(orders: int = 8, terms: int = 24) -> list[list[float]]:
    """The expansion's coefficients: of a**-k a polynomial in eta."""
    count = terms + 2 * orders + 4
    root = [0.0, 1.0]  # x/a - 1 in powers of eta
    for n in range(2, count):
        inner = sum(j * root[j] * root[n - j + 1] for j in range(2, n))
        root.append((root[n - 1] - inner) / (n + 1))
    first = [-1 / 3] + [(n + 2) * root[n + 2] for n in range(1, count - 2)]
    gamma = _stirling(orders)
    table = [first]
    for k in range(1, orders):
        above = table[-1]
        sign = -1 if k % 2 else 1
        table.append([sign * gamma[k] * first[n] + (n + 2) * above[n + 2] for n in range(len(above) - 2)])
    return [row[:terms] for row in table]


def _stirling(orders: int) -> list[float]:
    """The coefficients of a**-k in gamma(a) / (sqrt(2*pi/a) * (a/e)**a), the exponential of Stirling's
    series."""
    log = [0.0] * orders
    log[1::2] = LGAMMA_SERIES[: orders // 2]
    out = [1.0]
    for k in range(1, orders):
        out.append(sum(j * log[j] * out[k - j] for j in range(1, k + 1)) / k)
    return out


# ----- Hurwitz's zeta function -----


@_pairwise
def zeta(s: Array, q: Array) -> Array:
    """The sum of (q + k)**-s over k >= 0: inf for s = 1 and at its poles, NaN for s < 1 and where a power of
    a negative number is none."""
    whole = q == np.floor(q)
    value = np.where(s == 1, np.inf, np.where((q <= 0) & whole, np.inf, np.nan))
    value[(s < 1) | np.isnan(s) | np.isnan(q)] = np.nan
    positive = (s > 1) & (q > 0)
    value[positive] = _zeta_positive(s[positive], q[positive])
    mirrored = (s > 1) & (q < 0) & ~whole & (s == np.floor(s))
    if mirrored.any():  # the terms below 0 are a part of another such sum
        t, r = s[mirrored], q[mirrored]
        part = r - np.floor(r)
        sign = np.where(t % 2 == 0, 1.0, -1.0)
        below = _zeta_positive(t, 1 - part) - _zeta_positive(t, 1 - r)
        value[mirrored] = _zeta_positive(t, part) + sign * below
    return value


def _zeta_positive(s: Array, q: Array) -> Array:
    """Ten terms of the sum, the rest by Euler and Maclaurin."""
    total = np.zeros_like(q)
    for k in range(10):
        total += (q + k) ** -s
    a = q + 10
    power = a**-s
    total += power * (a / (s - 1) + 0.5)
    factor = s / a
    even = 1
    for k, b in enumerate(BERNOULLI, 1):
        even *= 2 * k * (2 * k - 1)
        total += np.where(power == 0, 0, b / even * factor * power)
        factor = factor * ((s + 2 * k - 1) / a) * ((s + 2 * k) / a)
    return total
