"""How gamma and beta numbers move with their parameters.

If F(x; a) is the distribution function and f the density, a number x that stands at a fixed share F of the
distribution moves by dx/da = -(dF/da) / f (implicit reparameterisation: Figurnov, Mohamed and Mnih, 2018).
For small parameters F and its derivative come from series and continued fractions; for large ones from F =
Phi(r + log(u/r) / r), with r the signed root of the deviance and u the standardised distance from the mean
(the r* approximation of Barndorff-Nielsen), whose error in dx/da falls with the square of the parameter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from . import special

Array = NDArray[np.float64]
LARGE = 100.0  # parameters from which the approximation is good to a few millionths
MOST = 2000  # terms of a series: far more than parameters up to LARGE need


def gamma_grad(alpha: Array, x: Array) -> Array:
    """dx/dalpha of gamma numbers x with rate 1."""
    upper = x >= alpha + 4 * np.sqrt(alpha) + 8
    regions = [(alpha > LARGE, _gamma_large), (upper, _gamma_upper), (alpha == alpha, _gamma_series)]
    return _by_region(regions, alpha, x)


def dirichlet_grad(x: Array, alpha: Array, total: Array) -> Array:
    """dx/dalpha / (1 - x) of beta numbers x with parameters alpha and total - alpha."""
    beta = total - alpha
    regions = [
        ((alpha > LARGE) & (beta > LARGE), _beta_large),
        (x <= 0.5, _beta_lower),
        (x > 0.5, _beta_upper),
    ]
    return _by_region(regions, x, alpha, beta)


def _by_region(regions: list[tuple[NDArray[np.bool_], Callable[..., Array]]], *inputs: Array) -> Array:
    """Each element by the function of the first region that it lies in; NaN outside of all."""
    shape = np.broadcast_shapes(*(x.shape for x in inputs))
    flat = [np.broadcast_to(x, shape).ravel().astype(np.float64) for x in inputs]
    out = np.full(flat[0].shape, np.nan)
    left = np.ones(out.shape, bool)
    with np.errstate(all="ignore"):
        for mask, function in regions:
            chosen = left & np.broadcast_to(mask, shape).ravel()
            if chosen.any():
                out[chosen] = function(*(x[chosen] for x in flat))
                left &= ~chosen
    return out.reshape(shape)


def _gamma_series(alpha: Array, x: Array) -> Array:
    """F = x**alpha exp(-x) sum of x**n / Gamma(alpha + n + 1), term by term."""
    term = 1 / alpha
    slope = np.log(x) - special.digamma(alpha + 1)
    total = term * slope
    for n in range(1, MOST):
        term = term * x / (alpha + n)
        slope = slope - 1 / (alpha + n)
        total = total + term * slope
        if not (term * np.abs(slope) > 1e-17 * np.abs(total)).any():
            break
    return np.where(x > 0, -x * total, 0.0)


def _gamma_upper(alpha: Array, x: Array) -> Array:
    """1 - F = x**alpha exp(-x) / Gamma(alpha) times Legendre's continued fraction, whose convergents p/q are
    taken along with their derivatives."""
    b = x + 1 - alpha
    p0, q0, p1, q1 = np.zeros_like(x), np.ones_like(x), np.ones_like(x), b
    dp0, dq0, dp1, dq1 = np.zeros((4, *x.shape))
    dq1 = dq1 - 1
    for n in range(1, MOST):
        b, a = b + 2, n * (alpha - n)
        p0, p1, dp0, dp1 = p1, b * p1 + a * p0, dp1, b * dp1 - p1 + a * dp0 + n * p0
        q0, q1, dq0, dq1 = q1, b * q1 + a * q0, dq1, b * dq1 - q1 + a * dq0 + n * q0
        p0, p1, q0, dp0, dp1, dq0, dq1, q1 = (v / q1 for v in (p0, p1, q0, dp0, dp1, dq0, dq1, q1))
        if not (np.abs(p1 - p0 / q0) > 1e-15 * np.abs(p1)).any():
            break
    return x * (p1 * (np.log(x) - special.digamma(alpha)) + dp1 - p1 * dq1)


def _gamma_large(alpha: Array, x: Array) -> Array:
    def deviance(x: Array) -> tuple[Array, ...]:
        t = (x - alpha) / alpha
        slopes = x - alpha, 1 / (x - alpha), -1 / (x - alpha) - 0.5 / alpha
        return alpha * (t - np.log1p(t)), slopes[0] / x, -np.log1p(t), slopes[0] / np.sqrt(alpha), *slopes[1:]

    return _around(alpha, np.sqrt(alpha), x, deviance)


def _beta_lower(x: Array, alpha: Array, beta: Array) -> Array:
    """F = x**alpha (1 - x)**beta / (alpha B(alpha, beta)) sum of (total)_n / (alpha + 1)_n x**n."""
    return -x * _beta_series(x, alpha, beta, np.log(x), first=True)


def _beta_upper(x: Array, alpha: Array, beta: Array) -> Array:
    """The series of 1 - F, in 1 - x with the parameters exchanged."""
    return x * _beta_series(1 - x, beta, alpha, np.log(x), first=False)


def _beta_series(x: Array, alpha: Array, beta: Array, log: Array, first: bool) -> Array:
    """The sum with the logarithmic derivatives of its terms towards the first or the second parameter."""
    total = alpha + beta
    term, slope = 1 / alpha, log + special.digamma(total) - special.digamma(alpha + 1 if first else beta)
    result = term * slope
    for n in range(1, MOST):
        term = term * x * (total + n - 1) / (alpha + n)
        slope = slope + 1 / (total + n - 1) - (1 / (alpha + n) if first else 0.0)
        result = result + term * slope
        if not (term * np.abs(slope) > 1e-17 * np.abs(result)).any():
            break
    return result


def _beta_large(x: Array, alpha: Array, beta: Array) -> Array:
    total = alpha + beta
    mean = alpha / total

    def deviance(x: Array) -> tuple[Array, ...]:
        d = x - mean
        s, t = d / mean, -d / (1 - mean)
        value = alpha * (s - np.log1p(s)) + beta * (t - np.log1p(t))
        distance = d * np.sqrt(total**3 / (alpha * beta))
        by_alpha = -(1 - mean) / total / d + 1.5 / total - 0.5 / alpha
        return value, total * d / (x * (1 - x)), -np.log1p(s), distance, 1 / d, by_alpha

    return _around(mean, np.sqrt(mean * (1 - mean) / total), x, deviance) / (1 - x)


def _around(mean: Array, width: Array, x: Array, deviance: Callable[[Array], tuple[Array, ...]]) -> Array:
    """dx/dalpha = -s_alpha / s_x with s = r + log(u/r) / r. `deviance` gives r**2 / 2 and its derivatives by
    x and alpha, then u and those of log u. Both r and u vanish at the mean: near it, a chord spans the
    place."""

    def slope(x: Array) -> Array:
        value, by_x, by_alpha, u, log_u_by_x, log_u_by_alpha = deviance(x)
        r = np.copysign(np.sqrt(2 * value), u)
        shift = np.log(u / r) / (r * r)
        r_x, r_alpha = by_x / r, by_alpha / r
        s_x = r_x * (1 - shift) + (log_u_by_x - r_x / r) / r
        return -(r_alpha * (1 - shift) + (log_u_by_alpha - r_alpha / r) / r) / s_x

    z = (x - mean) / width
    reach = 0.05
    near = np.abs(z) < reach
    right = slope(np.where(near, mean + reach * width, x))
    left = slope(np.where(near, mean - reach * width, x))
    return np.where(near, left + (right - left) * (z + reach) / (2 * reach), right)
