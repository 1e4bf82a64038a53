"""Bessel functions of orders 0 and 1, modified ones, and the Airy function, in double precision.

As in `special`, the tables are polynomials in rising powers, from Chebyshev interpolation at sixty digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, pi, sqrt

import numpy as np

from .special import Array, Function, elementwise, polynomial, split

# j0(x), j1(x) / x, and what y0(x) and y1(x) / x are beside their singular parts, in x**2 / 32 - 1, |x| <= 8.
_J0 = (
    0.045829664859813754, 0.9303012472958572, -0.6484692830871821, -0.8080888076696872,
    1.0383794611436883, -0.5074680458471, 0.14598884856785538, -0.028472718610882047,
    0.004058078988108771, -0.0004435459224311503, 3.847320005801417e-05, -2.717749223632098e-06,
    1.5955848859935914e-07, -7.91532308295207e-09, 3.3794626319436793e-10, -1.243301171273326e-11,
)  # fmt: skip
_J1 = (
    -0.05814382795599107, 0.08105866038589796, 0.15151665143806636, -0.2595948652859303,
    0.15858376432721838, -0.05474581821284722, 0.012456814392263375, -0.0020290394945705996,
    0.0002494945813597261, -2.404574865968694e-05, 1.8684526037206013e-06, -1.196708186787801e-07,
    6.431190177265836e-09, -2.943013798001659e-10, 1.1658972367678622e-11, -4.0045728425886457e-13,
)  # fmt: skip
_Y0 = (
    -0.382250654459425, -0.8284358903604587, 1.6470964788745466, 0.14412632369302475, -1.0775477338215995,
    0.6721770783431679, -0.21895747096171628, 0.046367047681375125, -0.00702574105727097,
    0.000806158605961636, -7.279541882454115e-05, 5.3213188103997145e-06, -3.2185078445935923e-07,
    1.6390875014077404e-08, -7.13046146536789e-10, 2.6926938054524057e-11, -8.840112096073101e-13,
)  # fmt: skip
_Y1 = (
    0.07075985882118005, -0.24337743079193114, 0.02336757172099348, 0.23507209206669755,
    -0.19639839859930203, 0.07854786922242532, -0.01962875683311711, 0.0034224907399188495,
    -0.0004438173434420147, 4.467433012646365e-05, -3.601000022590458e-06, 2.3804930420514178e-07,
    -1.3153147367094951e-08, 6.169688029066965e-10, -2.499531546171249e-11, 8.760001143977853e-13,
)  # fmt: skip
# sqrt(pi*x/2) * (j + iy)(x) = (P + iQ) * exp(i*(x - pi/4 - order * pi/2)): P and x*Q in 128 / x**2 - 1,
# x >= 8.
_P0 = (
    0.9994572757882519, -0.0005363673192129672, 6.137416081283524e-06, -2.0527448261170675e-07,
    1.2803747743828764e-08, -1.2121098178951377e-09, 1.550640953808597e-10, -2.491146535471666e-11,
    4.674289307624388e-12, -1.0157485021065676e-12, 3.455012974455743e-13, -1.0251790052831013e-13,
)  # fmt: skip
_Q0 = (
    -0.12444091103610815, 0.0005466519279475266, -1.1817110661200976e-05, 5.684971881753781e-07,
    -4.534972837363434e-08, 5.146231602705606e-09, -7.5763304988972e-10, 1.3623497617833053e-10,
    -2.8707211071105146e-11, 6.951785915752245e-12, -1.873640743543296e-12, 4.605060470396763e-13,
    -1.3137515498826537e-13, 1.0185094098694355e-13, -4.0574096424030336e-14,
)  # fmt: skip
_P1 = (
    1.0009070262780821, 0.0008988049416705183, -7.959694699684788e-06, 2.453676633366693e-07,
    -1.4708498448932155e-08, 1.3602969253877949e-09, -1.7137279585997966e-10, 2.72345126828134e-11,
    -5.071495295696752e-12, 1.0954826479277623e-12, -3.697244591244297e-13, 1.0923713653079462e-13,
)  # fmt: skip
_Q1 = (
    0.3742149922195918, -0.0007697167057643706, 1.4569614809339924e-05, -6.633568561050814e-07,
    5.136106815451932e-08, -5.720890888840857e-09, 8.315586321594619e-10, -1.4816588916791194e-10,
    3.1143942213346517e-11, -7.465104477698295e-12, 1.796964474573459e-12, -4.91574062967655e-13,
    2.8960940831153833e-13, -1.0759215471978615e-13,
)  # fmt: skip
# sqrt(x) * exp(-x) * i0(x), and i1(x), in 32/x - 1, x >= 16.
_I0 = (
    0.40052897918718267, 0.0016160154003827553, 3.0355013467580844e-05, 1.0944942081204502e-06,
    6.026317001117623e-08, 4.569800997088559e-09, 4.505689473270936e-10, 5.574297746309095e-11,
    8.458643662321732e-12, 1.5513645941045073e-12, 3.3468948450981127e-13, 8.423684995421353e-14,
    3.321438179479693e-14, 1.7247385130859935e-14, 4.603608394584221e-15,
)  # fmt: skip
_I1 = (
    0.394220213406121, -0.004770398290913543, -4.976699102618853e-05, -1.5068432529366712e-06,
    -7.616857098479113e-08, -5.488641997673217e-09, -5.230563152514581e-10, -6.319566221895175e-11,
    -9.423518998308665e-12, -1.6264772958063724e-12, -3.392242296312858e-13, -1.4955321374641913e-13,
    -5.225913426315893e-14,
)  # fmt: skip
# sqrt(x) * exp(x) * k0(x), and k1(x), in 4/x - 1, x >= 2.
_K0 = (
    1.2185953385133905, -0.031071461824889898, 0.0030328918102753206, -0.0004797690567328844,
    9.95605474202942e-05, -2.473520542848972e-05, 7.002245645755651e-06, -2.1911673837417864e-06,
    7.427801232190096e-07, -2.689759865539584e-07, 1.02954317593912e-07, -4.1056738724915364e-08,
    1.7047535884249698e-08, -8.025205604904476e-09, 3.808399859919043e-09, -6.643878631843235e-10,
    4.757544705776374e-11, -1.2366923277096287e-09, 8.133913205464114e-10, 4.3927260002107633e-10,
    -3.119936129682105e-10, -1.7597528809195706e-10, 1.0926983537268735e-10,
)  # fmt: skip
_K1 = (
    1.363151890371342, 0.10334973775386565, -0.005566729880074588, 0.0007357241548718385,
    -0.00013959021956272223, 3.2843866502355955e-05, -8.961207387750025e-06, 2.7300301043527215e-06,
    -9.067087633371393e-07, 3.230567198853934e-07, -1.2203186351938403e-07, 4.815434679085478e-08,
    -1.9817577141591116e-08, 9.213894020289533e-09, -4.331939985658629e-09, 7.966242798504094e-10,
    -8.336227195991456e-11, 1.3615859404460648e-09, -8.908596710923906e-10, -4.77441121785095e-10,
    3.3867804167808003e-10, 1.9273808087540517e-10, -1.1931668393112158e-10,
)  # fmt: skip
# airy(x) in x/2 + 2 from -6 to -2; in x/2 from -2 to 2.
_AIRY_NEGATIVE = (
    -0.07026553294928951, -1.5812571507371629, 0.5621242635943158, 4.122998358033384, -1.803670451950506,
    -3.073548980989089, 2.0614238031819005, 0.8273195257214033, -1.0280566553280372, 0.04519830573088237,
    0.2563051409465669, -0.08134205565771958, -0.02832799821948308, 0.021486627880861656,
    -0.0010851026856135478, -0.002716237017487011, 0.0007885640044466546, 0.00012786144857961838,
    -0.00011224983651656392, 1.2467471796831759e-05, 7.424182879858269e-06, -2.6163034793186066e-06,
    -4.6261228832463206e-08, 2.0226888958150216e-07, -3.384001933233939e-08, -6.935105798726387e-09,
    2.446515640144311e-09,
)  # fmt: skip
_AIRY_MIDDLE = (
    0.3550280538878172, -0.5176388075856135, 3.244202432827393e-17, 0.4733707385170839,
    -0.3450925383904109, 1.7763995560889755e-13, 0.12623219693793003, -0.06573191207691248,
    -4.4711006245625165e-13, 0.014025799680265419, -0.005842836625824032, -1.020557541928476e-10,
    0.0008500484512774683, -0.0002996323151052496, 3.718654191066453e-11, 3.238206842903469e-05,
    -9.98782748615937e-06, 1.0906582767684113e-09, 8.467051834738179e-07, -2.3472809240247527e-07,
    -8.398037939736921e-11, 1.684122392631709e-08, -4.0005342064267774e-09, -2.792643717177832e-10,
    2.2176794887310157e-10,
)  # fmt: skip
# x**(1/4) * exp(z) * airy(x) with z = 2/3 * x**(3/2), in 2 * z(2) / z - 1, x >= 2.
_AIRY_POSITIVE = (
    0.2774908024616546, -0.004122380595849576, 0.00039865677489458394, -6.427592276898869e-05,
    1.3671255956557227e-05, -3.4851094608657497e-06, 1.0121089942839848e-06, -3.246961612429351e-07,
    1.1275577071064085e-07, -4.179946859531672e-08, 1.6367236117824575e-08, -6.656993403902761e-09,
    2.8166320000272914e-09, -1.3868474454024882e-09, 6.818549500561053e-10, -7.946571429532446e-11,
    -2.1434131696095418e-11, -2.575957215893433e-10, 1.749196885799203e-10, 9.790281814621758e-11,
    -7.049891461629668e-11, -3.743567697788753e-11, 2.375331300539151e-11,
)  # fmt: skip
# sqrt(pi) * x**(1/4) * airy(-x) = P * cos(z - pi/4) + Q * sin(z - pi/4): P and z*Q in 2 * (z(6) / z)**2 - 1,
# x >= 6.
_AIRY_P = (
    0.9998081211338489, -0.00019039135708489403, 1.452068038705942e-06, -3.3807314728933824e-08,
    1.5157719707247772e-09, -1.061321718887317e-10, 1.02781486212078e-11, -1.2768564791801215e-12,
    2.1399141684674293e-13, -3.96588156380815e-14,
)  # fmt: skip
_AIRY_Q = (
    0.06924959748009735, -0.00019192187800497442, 2.8233013779687e-06, -9.57085772382637e-08,
    5.5449291637621735e-09, -4.696118003401287e-10, 5.286188794186241e-11, -7.428733507155976e-12,
    1.2468020277272396e-12, -2.362012598851314e-13, 5.082383200937136e-14, -1.6757849095842834e-14,
    4.75045076767247e-15,
)  # fmt: skip

_GAMMA = 0.5772156649015329
_HARMONIC = [sum(1 / i for i in range(1, k + 1)) for k in range(34)]
# In x**2 / 4: i0(x) and 2 * i1(x) / x; k0 + log(x/2) * i0; (k1 - 1/x - log(x/2) * i1) / x.
_I0_SMALL = tuple(1 / factorial(k) ** 2 for k in range(32))
_I1_SMALL = tuple(1 / (factorial(k) * factorial(k + 1)) for k in range(32))
_K0_SMALL = tuple((h - _GAMMA) * c for h, c in zip(_HARMONIC, _I0_SMALL[:12], strict=False))
_K1_SMALL = tuple(
    -(_HARMONIC[k] + _HARMONIC[k + 1] - 2 * _GAMMA) / 4 * c for k, c in enumerate(_I1_SMALL[:12])
)

# ----- of the first and second kind -----


def _wave(x: Array, p: Sequence[float], q: Sequence[float], turn: int, second: bool) -> Array:
    """The real part (the imaginary one, for the second kind) of the wave for x >= 8; `turn` is the order."""
    t = 128 / (x * x) - 1
    even, odd = polynomial(p, t), polynomial(q, t) / x
    c, s = np.cos(x), np.sin(x)
    cosine, sine = (s + c, s - c) if turn == 0 else (s - c, -s - c)  # sqrt(2) times those of the phase
    wave = even * sine + odd * cosine if second else even * cosine - odd * sine
    return wave / np.sqrt(pi * x)


def _j0_small(x: Array) -> Array:
    return polynomial(_J0, x * x / 32 - 1)


def _j1_small(x: Array) -> Array:
    return x * polynomial(_J1, x * x / 32 - 1)


@elementwise
def bessel_j0(x: Array) -> Array:
    """The Bessel function of the first kind, of order 0."""
    return split(np.abs(x), np.abs(x) < 8, _j0_small, lambda x: _wave(x, _P0, _Q0, 0, False))


@elementwise
def bessel_j1(x: Array) -> Array:
    """The Bessel function of the first kind, of order 1."""
    size = split(np.abs(x), np.abs(x) < 8, _j1_small, lambda x: _wave(x, _P1, _Q1, 1, False))
    return np.where(x < 0, -size, size)


@elementwise
def bessel_y0(x: Array) -> Array:
    """The Bessel function of the second kind, of order 0: -inf at 0, NaN below."""
    return split(x, x < 8, _y0_small, lambda x: _wave(x, _P0, _Q0, 0, True))


def _y0_small(x: Array) -> Array:
    return 2 / pi * np.log(x) * _j0_small(x) + polynomial(_Y0, x * x / 32 - 1)


@elementwise
def bessel_y1(x: Array) -> Array:
    """The Bessel function of the second kind, of order 1: -inf at 0, NaN below."""
    return split(x, x < 8, _y1_small, lambda x: _wave(x, _P1, _Q1, 1, True))


def _y1_small(x: Array) -> Array:
    value = 2 / pi * (np.log(x) * _j1_small(x) - 1 / x) + x * polynomial(_Y1, x * x / 32 - 1)
    return np.where(x == 0, -np.inf, value)


# ----- modified -----


def _i0_series(x: Array) -> Array:
    return polynomial(_I0_SMALL, x * x / 4)


def _i1_series(x: Array) -> Array:
    return x / 2 * polynomial(_I1_SMALL, x * x / 4)


def _grown(x: Array, table: Sequence[float]) -> Array:
    """A large i0 or i1."""
    half = np.exp(x / 2)  # twice, for exp(x) overflows before the result does
    return np.where(np.isinf(x), np.inf, half * (polynomial(table, 32 / x - 1) / np.sqrt(x)) * half)


@elementwise
def i0(x: Array) -> Array:
    """The modified Bessel function of the first kind, of order 0."""
    return split(np.abs(x), np.abs(x) < 16, _i0_series, lambda x: _grown(x, _I0))


@elementwise
def i1(x: Array) -> Array:
    """The modified Bessel function of the first kind, of order 1."""
    return np.copysign(split(np.abs(x), np.abs(x) < 16, _i1_series, lambda x: _grown(x, _I1)), x)


@elementwise
def i0e(x: Array) -> Array:
    """exp(-|x|) * i0(x)."""
    return _damped(np.abs(x), _i0_series, _I0)


@elementwise
def i1e(x: Array) -> Array:
    """exp(-|x|) * i1(x)."""
    return np.copysign(_damped(np.abs(x), _i1_series, _I1), x)


def _damped(x: Array, series: Function, table: Sequence[float]) -> Array:
    return split(
        x, x < 16, lambda x: np.exp(-x) * series(x), lambda x: polynomial(table, 32 / x - 1) / np.sqrt(x)
    )


def _k0_small(x: Array) -> Array:
    return polynomial(_K0_SMALL, x * x / 4) - np.log(x / 2) * _i0_series(x)


def _k1_small(x: Array) -> Array:
    return np.where(
        x == 0, np.inf, 1 / x + np.log(x / 2) * _i1_series(x) + x * polynomial(_K1_SMALL, x * x / 4)
    )


def _k_large(x: Array, table: Sequence[float]) -> Array:
    """exp(x) times k0 or k1."""
    return polynomial(table, 4 / x - 1) / np.sqrt(x)


def _decaying(small: Function, table: Sequence[float]) -> tuple[Function, Function]:
    """A modified function of the second kind, and the same times exp(x)."""

    @elementwise
    def plain(x: Array) -> Array:
        return split(x, x <= 2, small, lambda x: np.exp(-x) * _k_large(x, table))

    @elementwise
    def scaled(x: Array) -> Array:
        return split(x, x <= 2, lambda x: np.exp(x) * small(x), lambda x: _k_large(x, table))

    return plain, scaled


# Of the second kind, of orders 0 and 1: inf at 0, NaN below.
k0, k0e = _decaying(_k0_small, _K0)
k1, k1e = _decaying(_k1_small, _K1)

# ----- the Airy function -----

_Z2, _Z6 = 4 * sqrt(2) / 3, 4 * sqrt(6)  # 2/3 * x**(3/2) at 2 and 6


@elementwise
def airy_ai(x: Array) -> Array:
    """The solution of y'' = x * y that vanishes at infinity."""
    return split(x, x <= 2, _airy_below, _airy_decaying)


def _airy_below(x: Array) -> Array:
    left = lambda x: split(x, x < -6, _airy_wave, lambda x: polynomial(_AIRY_NEGATIVE, x / 2 + 2))  # noqa: E731
    return split(x, x < -2, left, lambda x: polynomial(_AIRY_MIDDLE, x / 2))


def _airy_decaying(x: Array) -> Array:
    z = 2 / 3 * x * np.sqrt(x)
    return np.exp(-z) * polynomial(_AIRY_POSITIVE, 2 * _Z2 / z - 1) / np.sqrt(np.sqrt(x))


def _airy_wave(x: Array) -> Array:
    x = -x
    z = 2 / 3 * x * np.sqrt(x)
    t = 2 * (_Z6 / z) ** 2 - 1
    c, s = np.cos(z), np.sin(z)
    wave = polynomial(_AIRY_P, t) * (c + s) + polynomial(_AIRY_Q, t) / z * (s - c)
    return wave / np.sqrt(2 * pi * np.sqrt(x))
