"""Special functions in double precision, from arithmetic, exp, log, sqrt, sin and cos.

Each takes a float32 or float64 array and returns one of the same shape and type, computed in double precision
and rounded once. The tables are polynomials in rising powers, from Chebyshev interpolation at sixty digits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from math import factorial, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Function = Callable[[Array], Array]

BLOCK = 1 << 15  # elements at a time: a block and its temporaries stay in a core's cache

# erf(x) = x + x * polynomial in x**2, |x| <= 1.
_ERF = (
    0.1283791670955126, -0.3761263890318375, 0.11283791670954879, -0.026866170645076792,
    0.0052239776248180145, -0.000854832698083379, 0.0001205533111164271, -1.4925595266831182e-05,
    1.6461000484121368e-06, -1.6350312701054695e-07, 1.4659775274047436e-08, -1.1372848856791674e-09,
    5.957176147748911e-11,
)  # fmt: skip
# (1 + 2x) * exp(x**2) * erfc(x) in t = (x - 3.75) / (x + 3.75), x >= 0.
_ERFCX = (
    1.2375126308378275, -0.14024059858554702, 0.0035854154854644583, 0.08227673849015109,
    -0.10880393014175023, 0.09230432116019638, -0.05869339858961116, 0.02836227742154398,
    -0.009746579558275152, 0.0017556258321915355, 0.0002937136669846131, -0.0002901539781378384,
    5.1649093885821704e-05, 2.238390827660038e-05, -1.1444134389658475e-05, -9.728413451815077e-07,
    1.7516189406943677e-06, -5.827501862768691e-08, -2.586489910718322e-07, 2.4301839484503084e-08,
    3.866242066283792e-08, -4.396921916762906e-09, -5.169080644815932e-09, 5.485084520083625e-10,
    4.2433038251096756e-10, -3.7980647235900285e-11,
)  # fmt: skip
# erfinv(x) / x in w/2 - 1, w = -log(1 - x**2) <= 4.
_ERFINV = (
    1.3772152115148184, 0.49953613774150163, -0.00787257416712652, -0.013537186958168647,
    0.003455004628504194, 0.0002426096120001266, -0.0003119661252152214, 4.0568689574287166e-05,
    1.767991318063748e-05, -6.6027772216229995e-06, -2.624914590074739e-07, 6.019517915944074e-07,
    -8.695476099359286e-08, -3.548875602411963e-08, 1.3822834890147502e-08, 5.721742138320676e-10,
    -1.268773349927392e-09, 1.626008902320084e-10, 6.786263500667875e-11, -1.8388740265067817e-11,
)  # fmt: skip
# erfinv(x) / (x * sqrt(w)) to eight digits, w > 4: u = 1/sqrt(w) from 1/28 to 1/2 is stretched over [-1, 1].
_ERFINV_TAIL = (
    0.9564357543908929, -0.0452160130517471, 0.005943241298727902, 0.006858564736854887,
    0.00032959684320044684, 0.0066892311712403035, 0.006487648448191038, -0.002560287419320385,
    -0.013963020869280841, -0.003890723444290118, 0.01815823299627604, 0.010274389927259384,
    -0.017484638314272948, -0.012521059376786992, 0.011513672666844959, 0.009293094153480218,
    -0.004541193707046253, -0.003947262784006709, 0.000790835465604307, 0.000739495038817266,
)  # fmt: skip
# lgamma(2 + z) / z, |z| <= 1/2.
LGAMMA = (
    0.42278433509846713, 0.32246703342411326, -0.0673523010531981, 0.02058080842778038,
    -0.0073855510286719986, 0.002890510331034267, -0.0011927539118428156, 0.0005096695154115458,
    -0.00022315475400520507, 9.945767355819498e-05, -4.49263133791557e-05, 2.0505590755833454e-05,
    -9.438715099211532e-06, 4.38470440459836e-06, -2.0439048107029907e-06, 9.200527894968101e-07,
    -4.3252393445604814e-07, 2.78740805211359e-07, -1.3219945666117874e-07,
)  # fmt: skip
# digamma(1.5 + z) / (1.5 + z - root), |z| <= 1/2.
_DIGAMMA = (
    0.951055876031833, -0.4236274212814605, 0.2405424842407742, -0.14840492305390884, 0.09498872445494122,
    -0.061922133273064534, 0.04076083381242074, -0.02697579675613825, 0.0179072524394512,
    -0.011908218001568644, 0.007926944646403797, -0.005279964873257405, 0.003519006401502276,
    -0.002345267632540769, 0.0015566317474486838, -0.0010376374098418604, 0.0007233266279287554,
    -0.0004821990530566789, 0.0002272331660987376, -0.00015148586836773365, 0.00025968482126430747,
    -0.00017312261802727394,
)  # fmt: skip

_DIGAMMA_ROOT = 1.4616321449683622, 9.549995429965697e-17  # its leading digits, and the rest
BERNOULLI = (  # B2, B4, B6, ...
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
    854513 / 138, -236364091 / 2730,
)  # fmt: skip
LGAMMA_SERIES = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI[:10], 1))
_DIGAMMA_SERIES = tuple(-b / (2 * k) for k, b in enumerate(BERNOULLI[:9], 1))


def elementwise(f: Function) -> Function:
    """Let `f`, written for a flat block of doubles, take any array; infinities and NaNs arise in silence."""

    @wraps(f)
    def whole(x: Array) -> Array:
        flat = x.reshape(-1)
        out = np.empty_like(flat)
        with np.errstate(all="ignore"):
            for i in range(0, flat.size, BLOCK):
                out[i : i + BLOCK] = f(flat[i : i + BLOCK].astype(np.float64))
        return out.reshape(x.shape)

    return whole


def split(x: Array, within: Mask, inside: Function, outside: Function) -> Array:
    """`inside(x)` where the mask holds and `outside(x)` elsewhere, each computed only where needed."""
    if within.all():
        return inside(x)
    if not within.any():
        return outside(x)
    out = np.empty_like(x)
    out[within] = inside(x[within])
    out[~within] = outside(x[~within])
    return out


def polynomial(coefficients: Sequence[float], t: Array) -> Array:
    """Sum of coefficients[k] * t**k."""
    out = np.full_like(t, coefficients[-1])
    for c in coefficients[-2::-1]:
        out *= t
        out += c
    return out


# ----- The error function -----


@elementwise
def erf(x: Array) -> Array:
    """2/sqrt(pi) times the integral of exp(-t**2) from 0 to x."""
    return split(x, np.abs(x) < 1, _erf_small, lambda x: np.copysign(1 - _erfc_positive(np.abs(x)), x))


@elementwise
def erfc(x: Array) -> Array:
    """1 - erf(x), without cancellation for large x."""
    return _erfc_any(x)


def _erf_small(x: Array) -> Array:
    return x + x * polynomial(_ERF, x * x)


def _erfc_large(x: Array) -> Array:
    tail = _erfc_positive(np.abs(x))
    return np.where(x < 0, 2 - tail, tail)


def _erfc_positive(x: Array) -> Array:
    """erfc(x) for x >= 0. The square is taken in two parts, or its rounding would show in the exponential."""
    x = np.minimum(x, 28)  # beyond it the result is 0
    high = x.astype(np.float32).astype(np.float64)
    return np.exp(-high * high) * np.exp((high - x) * (high + x)) * _erfcx(x)


def _erfcx(x: Array) -> Array:
    """exp(x**2) * erfc(x) for x >= 0."""
    t = np.where(np.isinf(x), 1, (x - 3.75) / (x + 3.75))
    return polynomial(_ERFCX, t) / (1 + 2 * x)


@elementwise
def erfcx(x: Array) -> Array:
    """exp(x**2) * erfc(x), which neither overflows nor vanishes for large x."""
    return split(x, x >= 0, _erfcx, lambda x: 2 * _exp_square(x) - _erfcx(-x))


def _exp_square(x: Array) -> Array:
    """exp(x**2), the square taken in two parts."""
    x = np.minimum(np.abs(x), 30)  # beyond it the result is infinite
    high = x.astype(np.float32).astype(np.float64)
    return np.exp(high * high) * np.exp((x - high) * (x + high))


@elementwise
def log_ndtr(x: Array) -> Array:
    """The logarithm of the standard normal distribution function."""
    t = -x / sqrt(2)
    return split(t, t > 0.5, lambda t: np.log(_erfcx(t) / 2) - t * t, lambda t: np.log1p(-_erfc_any(-t) / 2))


def _erfc_any(x: Array) -> Array:
    return split(x, np.abs(x) < 0.5, lambda x: 1 - _erf_small(x), _erfc_large)


@elementwise
def erfinv(x: Array) -> Array:
    """The y with erf(y) = x; infinite at -1 and 1, NaN beyond."""
    return _erfinv(x, 1 - np.abs(x))


@elementwise
def ndtri(p: Array) -> Array:
    """The quantile of the standard normal distribution: the y below which a fraction p of it lies."""
    return sqrt(2) * _erfinv(2 * p - 1, 2 * np.minimum(p, 1 - p))


def _erfinv(x: Array, y: Array) -> Array:
    """erfinv(x), given y = 1 - |x| as well, for it may be known more exactly."""
    w = -np.log(y * (2 - y))
    out = np.empty_like(x)
    middle = w <= 4
    out[middle] = x[middle] * polynomial(_ERFINV, w[middle] / 2 - 1)
    tail = ~middle
    out[tail] = np.copysign(_erfcinv_tail(y[tail], w[tail]), x[tail])
    return out


def _erfcinv_tail(y: Array, w: Array) -> Array:
    """The z with erfc(z) = y, a small y: an approximation, then Newton's step on log(erfc(z)) = log(y)."""
    s = np.sqrt(w)
    z = s * (1 - y) * polynomial(_ERFINV_TAIL, (56 / s - 15) / 13)
    erfcx = _erfcx(z)
    step = (np.log(erfcx) - z * z - np.log(y)) * erfcx * (sqrt(pi) / 2)
    return np.where(y == 0, np.inf, z + step)


# ----- The gamma function's logarithm and its derivatives -----


@elementwise
def lgamma(x: Array) -> Array:
    """log(|gamma(x)|); infinite at 0 and the negative integers."""
    return split(x, x < 0, _lgamma_negative, _lgamma_positive)


def _lgamma_negative(x: Array) -> Array:
    """By gamma(x) * gamma(1 - x) = pi / sin(pi*x)."""
    mirrored = -np.log(np.abs(_sin_pi(x)) / pi) - _lgamma_positive(1 - x)
    return np.where(x == np.rint(x), np.inf, mirrored)


def _lgamma_positive(x: Array) -> Array:
    return split(x, x < 8, lambda x: split(x, x < 1.5, _lgamma_below, _lgamma_middle), _lgamma_large)


def _lgamma_below(x: Array) -> Array:
    """0 <= x < 1.5, by gamma(x) = gamma(2 + z) / (x * (x+1)) or gamma(2 + z) / x with |z| <= 1/2."""
    low = x < 0.5
    z = np.where(low, x, x - 1)
    return z * polynomial(LGAMMA, z) - np.log1p(z) - np.where(low, np.log(x), 0)


def _lgamma_middle(x: Array) -> Array:
    """1.5 <= x < 8, by gamma(x) = (x-1) * gamma(x-1)."""
    product = np.ones_like(x)
    for _ in range(6):
        above = x >= 2.5
        x = x - above
        product *= np.where(above, x, 1)
    return np.log(product) + (x - 2) * polynomial(LGAMMA, x - 2)


def _lgamma_large(x: Array) -> Array:
    """Stirling's series."""
    start: Array = (x - 0.5) * (np.log(x) - 1) + (log(2 * pi) - 1) / 2
    return start + polynomial(LGAMMA_SERIES, 1 / (x * x)) / x


@elementwise
def digamma(x: Array) -> Array:
    """The derivative of lgamma. It is -inf at 0, +inf at -0.0 and NaN at the negative integers."""
    return split(x, x <= 0, _digamma_negative, _digamma_positive)


def _digamma_negative(x: Array) -> Array:
    """By digamma(x) = digamma(1 - x) - pi * cot(pi*x)."""
    mirrored = _digamma_positive(1 - x) - pi * _cot_pi(x)
    return np.where(x == 0, -np.copysign(np.inf, x), np.where(x == np.rint(x), np.nan, mirrored))


def _digamma_positive(x: Array) -> Array:
    return split(x, x < 10, _digamma_small, _digamma_large)


def _digamma_small(x: Array) -> Array:
    """0 < x < 10, brought into [1, 2) by digamma(x + 1) = digamma(x) + 1/x."""
    low = x < 1
    rest = np.where(low, -1 / x, 0)
    x = x + low
    for _ in range(8):
        above = x >= 2
        x = x - above
        rest += np.where(above, 1 / x, 0)
    high, tiny = _DIGAMMA_ROOT
    return (x - high - tiny) * polynomial(_DIGAMMA, x - 1.5) + rest


def _digamma_large(x: Array) -> Array:
    square = 1 / (x * x)
    return np.log(x) - 0.5 / x + square * polynomial(_DIGAMMA_SERIES, square)


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of digamma, n >= 0; at its poles -inf for even n, inf for odd n, from n = 1 on."""
    if n == 0:
        return digamma(x)
    return elementwise(
        lambda x: split(x, x <= 0, lambda x: _polygamma_negative(n, x), lambda x: _polygamma_positive(n, x))
    )(x)


def _polygamma_negative(n: int, x: Array) -> Array:
    """By digamma(1 - x) - digamma(x) = pi * cot(pi*x), whose derivatives are polynomials in the cotangent."""
    derivative = [0.0, 1.0]  # of cot, in powers of cot; the next is -(1 + cot**2) times its own derivative
    for _ in range(n):
        inner = [-k * c for k, c in enumerate(derivative)][1:]
        derivative = [a + b for a, b in zip([*inner, 0, 0], [0, 0, *inner], strict=True)]
    sign = -1 if n % 2 else 1
    mirrored = sign * _polygamma_positive(n, 1 - x) - pi ** (n + 1) * polynomial(derivative, _cot_pi(x))
    return np.where(np.isinf(x), np.nan, np.where(x == np.rint(x), -sign * np.inf, mirrored))


def _polygamma_positive(n: int, x: Array) -> Array:
    """(-1)**(n+1) * n! * zeta(n+1, x): ten terms of the sum of (x+k)**-s, the rest by Euler and Maclaurin."""
    s = n + 1
    total = np.zeros_like(x)
    for k in range(10):
        total += (x + k) ** -s
    a = x + 10
    power = a**-s
    total += power * (a / n + 0.5)
    factor = s / a
    for k, b in enumerate(BERNOULLI, 1):
        total += b / factorial(2 * k) * factor * power
        factor = factor * ((s + 2 * k - 1) / a) * ((s + 2 * k) / a)
    scale = float(factorial(n)) if n <= 170 else np.inf
    return np.where(np.isinf(x), 0, (scale if n % 2 else -scale) * total)


# ----- Others -----


@elementwise
def sinc(x: Array) -> Array:
    """sin(pi*x) / (pi*x), and 1 at 0."""
    return np.where(x == 0, 1, _sin_pi(x) / (pi * x))


def _sin_pi(x: Array) -> Array:
    """sin(pi*x), exactly 0 at integers."""
    r = x - 2 * np.rint(x / 2)
    folded: Array = np.where(np.abs(r) > 0.5, np.copysign(1, r) - r, r)
    return np.sin(pi * folded)


def _cot_pi(x: Array) -> Array:
    """cos(pi*x) / sin(pi*x)."""
    r = pi * (x - np.rint(x))
    return np.cos(r) / np.sin(r)
