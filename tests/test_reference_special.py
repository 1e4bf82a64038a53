"""Special functions of the NumPy reference: against the standard library's, known values and identities."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from flambeau.ops.reference import bessel, incomplete, orthogonal, special

INF, NAN = math.inf, math.nan
EULER = 0.5772156649015329

UNARY = [
    special.erf,
    special.erfc,
    special.erfinv,
    special.ndtri,
    special.lgamma,
    special.digamma,
    special.sinc,
    bessel.i0,
]


def ulps(x, expected):
    """The largest distance in units of the last place of what is expected."""
    expected = np.asarray(expected)
    return np.max(np.abs(x - expected) / np.spacing(np.abs(expected)))


def points(low, high, count=2000):
    return np.random.default_rng(0).uniform(low, high, count)


@pytest.mark.parametrize("low, high", [(-1e-9, 1e-9), (-1, 1), (-6, 6)])
def test_erf(low, high):
    x = points(low, high)
    assert ulps(special.erf(x), [math.erf(v) for v in x]) <= 4


@pytest.mark.parametrize("low, high", [(-6, 0), (0, 1), (1, 6), (6, 26)])
def test_erfc(low, high):
    x = points(low, high)
    assert ulps(special.erfc(x), [math.erfc(v) for v in x]) <= 6


def test_erfinv_undoes_erf_and_ndtri_the_normal_distribution():
    x = points(-0.95, 0.95)
    assert ulps(special.erf(special.erfinv(x)), x) <= 8
    tails = 10.0 ** -points(1, 300)
    np.testing.assert_allclose(special.erfc(-special.ndtri(tails / 2) / math.sqrt(2)), tails, rtol=1e-11)
    p = points(0.001, 0.999)
    np.testing.assert_allclose(special.ndtri(p), [NormalDist().inv_cdf(v) for v in p], rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("low, high", [(1e-9, 0.5), (0.5, 2.5), (2.5, 9), (9, 1e6), (-2, 0), (-20, -2)])
def test_lgamma(low, high):
    x = points(low, high)
    np.testing.assert_allclose(special.lgamma(x), [math.lgamma(v) for v in x], rtol=2e-14, atol=2e-14)


@pytest.mark.parametrize("step", [2.0**-20, -(2.0**-20), 2.0**-40, 2.0**-51])
def test_lgamma_near_its_roots(step):
    """lgamma(1 + e) = -euler * e + pi**2/12 * e**2 - ..., and lgamma(2 + e) = lgamma(1 + e) + log(1 + e)."""
    zeta3 = 1.2020569031595942
    near_one = -EULER * step + math.pi**2 / 12 * step**2 - zeta3 / 3 * step**3
    near_two = (1 - EULER) * step + (math.pi**2 / 12 - 1 / 2) * step**2 + (1 - zeta3) / 3 * step**3
    assert ulps(special.lgamma(np.array([1 + step])), [near_one]) <= 4
    assert ulps(special.lgamma(np.array([2 + step])), [near_two]) <= 4


@pytest.mark.parametrize(
    "n, x, expected",
    [
        (0, 1.0, -EULER),
        (0, 0.5, -EULER - 2 * math.log(2)),
        (0, -0.5, 2 - EULER - 2 * math.log(2)),
        (0, 5.0, 25 / 12 - EULER),
        (1, 1.0, math.pi**2 / 6),
        (1, 0.5, math.pi**2 / 2),
        (1, -0.5, math.pi**2 / 2 + 4),
        (3, 1.0, math.pi**4 / 15),
        (3, 0.5, math.pi**4),
        (3, -1.5, math.pi**4 + 96 + 96 / 81),
        (5, 1.0, 8 * math.pi**6 / 63),
    ],
)
def test_polygamma_values(n, x, expected):
    np.testing.assert_allclose(special.polygamma(n, np.array(x)), expected, rtol=4e-15)


@pytest.mark.parametrize("n", [0, 1, 2, 5, 12])
@pytest.mark.parametrize("low, high", [(-3, 0), (0, 3), (3, 30), (30, 300)])
def test_polygamma_recurrence(n, low, high):
    """polygamma(n, x + 1) - polygamma(n, x) = (-1)**n * n! / x**(n + 1)."""
    x = points(low, high, 100)
    left, right = special.polygamma(n, x + 1), special.polygamma(n, x)
    step = (-1) ** n * math.factorial(n) / x ** (n + 1)
    scale = np.abs(left) + np.abs(right) + np.abs(step)
    assert np.all(np.abs(left - right - step) <= 1e-13 * scale * max(1, n))


def test_digamma_near_its_root():
    root, slope = 1.4616321449683623, 0.9676722454476212
    assert abs(special.digamma(np.array(root))) < 2.3e-16
    np.testing.assert_allclose(special.digamma(np.array(root + 1e-9)), 1e-9 * slope, rtol=1e-6)


def test_sinc_and_i0():
    x = points(-5, 5)
    np.testing.assert_allclose(special.sinc(x), np.sinc(x), rtol=1e-13, atol=1e-15)
    assert not special.sinc(np.array([1.0, -2.0, 1e15])).any(), "exactly 0 at integers"
    x = points(-50, 50)
    np.testing.assert_allclose(bessel.i0(x), np.i0(x), rtol=1e-14)
    assert bessel.i0(np.array(712.0)) == pytest.approx(2.4684110577627523e307, rel=1e-14), (
        "no overflow before the result's"
    )


@pytest.mark.parametrize("low, high", [(0.01, 8), (8, 100)])
def test_bessel_functions_by_their_wronskians(low, high):
    x = points(low, high)
    j = bessel.bessel_j1(x) * bessel.bessel_y0(x) - bessel.bessel_j0(x) * bessel.bessel_y1(x)
    np.testing.assert_allclose(j, 2 / (math.pi * x), rtol=1e-13)
    i = bessel.i0e(x) * bessel.k1e(x) + bessel.i1e(x) * bessel.k0e(x)
    np.testing.assert_allclose(i, 1 / x, rtol=1e-14)
    np.testing.assert_allclose(bessel.i1e(x) * np.exp(x), bessel.i1(x), rtol=2e-14)
    np.testing.assert_allclose(bessel.k0e(x) * np.exp(-x), bessel.k0(x), rtol=2e-14)


@pytest.mark.parametrize("edge", [-6.0, -2.0, 2.0])
def test_the_airy_function_is_whole(edge):
    below, above = (bessel.airy_ai(np.array(edge + step)) for step in (-1e-13, 1e-13))
    np.testing.assert_allclose(below, above, rtol=1e-11)


def test_the_airy_function_solves_its_equation():
    x, h = points(-12, 6, 200), 1e-3
    second = (bessel.airy_ai(x - h) - 2 * bessel.airy_ai(x) + bessel.airy_ai(x + h)) / h**2
    np.testing.assert_allclose(second, x * bessel.airy_ai(x), atol=1e-4)


@pytest.mark.parametrize("low, high", [(0.01, 2), (2, 20), (20, 200), (200, 1e5)])
def test_incomplete_gamma_functions(low, high):
    """P(a + 1, x) = P(a, x) - x**a * exp(-x) / gamma(a + 1), and the two parts are the whole."""
    a = points(low, high, 500)
    x = a * np.exp(np.random.default_rng(1).normal(size=500) / np.sqrt(a))
    step = np.exp(a * np.log(x) - x - special.lgamma(a + 1))
    for f, sign in ((incomplete.gammainc, -1), (incomplete.gammaincc, 1)):
        np.testing.assert_allclose(f(a + 1, x), f(a, x) + sign * step, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(incomplete.gammainc(a, x) + incomplete.gammaincc(a, x), 1, rtol=1e-14)
    np.testing.assert_allclose(incomplete.gammainc(np.ones(500), x), -np.expm1(-x), rtol=1e-13)
    np.testing.assert_allclose(
        incomplete.gammaincc(np.full(500, 0.5), x), special.erfc(np.sqrt(x)), rtol=1e-12
    )


def test_zeta():
    s, q = points(1.1, 20, 300), points(0.1, 30, 300)[::-1]
    np.testing.assert_allclose(incomplete.zeta(s, q), incomplete.zeta(s, q + 1) + q**-s, rtol=1e-12)
    even = incomplete.zeta(np.array([2.0, 4.0]), np.array([1.0, 1.0]))
    np.testing.assert_allclose(even, [math.pi**2 / 6, math.pi**4 / 90], rtol=1e-15)
    below = incomplete.zeta(np.full(50, 3.0), points(-20, 0, 50))
    np.testing.assert_allclose(below, -special.polygamma(2, points(-20, 0, 50)) / 2, rtol=1e-9)


def test_orthogonal_polynomials():
    x, three = points(-1.5, 1.5), np.full(2000, 3.0)
    for name, expected in (
        ("chebyshev_polynomial_t", 4 * x**3 - 3 * x),
        ("chebyshev_polynomial_u", 8 * x**3 - 4 * x),
        ("chebyshev_polynomial_v", 8 * x**3 - 4 * x**2 - 4 * x + 1),
        ("chebyshev_polynomial_w", 8 * x**3 + 4 * x**2 - 4 * x - 1),
        ("shifted_chebyshev_polynomial_t", 32 * x**3 - 48 * x**2 + 18 * x - 1),
        ("hermite_polynomial_h", 8 * x**3 - 12 * x),
        ("hermite_polynomial_he", x**3 - 3 * x),
        ("laguerre_polynomial_l", (6 - 18 * x + 9 * x**2 - x**3) / 6),
        ("legendre_polynomial_p", (5 * x**3 - 3 * x) / 2),
    ):
        np.testing.assert_allclose(getattr(orthogonal, name)(x, three), expected, atol=1e-12, err_msg=name)
    angle = points(0, math.pi)
    for n in (8.0, 9.0, 50.0):  # the recurrence, and the angle
        t = orthogonal.chebyshev_polynomial_t(np.cos(angle), np.full(2000, n))
        np.testing.assert_allclose(t, np.cos(n * angle), atol=1e-11)
    ends, n = np.array([1.0, -1.0]), np.full(2, 20.0)
    np.testing.assert_allclose(orthogonal.chebyshev_polynomial_u(ends, n), [21, 21])
    np.testing.assert_allclose(orthogonal.chebyshev_polynomial_v(ends, n), [1, 41])
    np.testing.assert_allclose(orthogonal.chebyshev_polynomial_w(ends, n), [41, 1])
    assert np.isnan(orthogonal.hermite_polynomial_h(np.array(3.0), np.array(1e9))), "it ends once it is NaN"


@pytest.mark.parametrize(
    "f, x, expected",
    [
        (special.erf, [0.0, -0.0, INF, -INF, NAN, 5e-324], [0.0, -0.0, 1, -1, NAN, 5e-324]),
        (special.erfc, [0.0, INF, -INF, NAN, 30.0, -30.0], [1, 0, 2, NAN, 0, 2]),
        (special.erfinv, [0.0, -0.0, 1, -1, 1.5, -INF, NAN], [0.0, -0.0, INF, -INF, NAN, NAN, NAN]),
        (special.ndtri, [0, 0.5, 1, -0.1, 1.1, NAN], [-INF, 0.0, INF, NAN, NAN, NAN]),
        (special.lgamma, [0.0, -0.0, 1, 2, -3, INF, -INF, NAN], [INF, INF, 0.0, 0.0, INF, INF, INF, NAN]),
        (special.digamma, [0.0, -0.0, -1, INF, -INF, NAN], [-INF, INF, NAN, INF, NAN, NAN]),
        (special.sinc, [0.0, -0.0, INF, NAN], [1, 1, NAN, NAN]),
        (bessel.i0, [0.0, INF, -INF, NAN, 800], [1, INF, INF, NAN, INF]),
        (bessel.i1, [0.0, -0.0, INF, -INF, NAN], [0.0, -0.0, INF, -INF, NAN]),
        (bessel.bessel_j0, [0.0, -0.0, NAN], [1, 1, NAN]),
        (bessel.bessel_y1, [0.0, -1, NAN], [-INF, NAN, NAN]),
        (bessel.k1, [0.0, -1, INF, NAN, 800], [INF, NAN, 0.0, NAN, 0.0]),
        (bessel.airy_ai, [INF, 200, NAN], [0.0, 0.0, NAN]),
        (special.erfcx, [INF, -INF, -30, NAN], [0.0, INF, INF, NAN]),
        (special.log_ndtr, [-INF, INF, NAN], [-INF, -0.0, NAN]),
        (lambda x: incomplete.gammainc(x, x + 1), [INF, -1, NAN], [NAN, NAN, NAN]),
        (lambda x: incomplete.gammaincc(np.ones_like(x), x), [0.0, INF, -1, NAN], [1, 0.0, NAN, NAN]),
        (lambda x: incomplete.zeta(x, np.ones_like(x)), [1, 0.5, INF, NAN], [INF, NAN, 1, NAN]),
        (lambda x: special.polygamma(1, x), [0.0, -2, INF, -INF, NAN], [INF, INF, 0.0, NAN, NAN]),
        (lambda x: special.polygamma(2, x), [0.0, -2, INF, -INF, NAN], [-INF, -INF, 0.0, NAN, NAN]),
    ],
)
def test_special_values(f, x, expected):
    result = f(np.array(x, np.float64))
    np.testing.assert_array_equal(result, np.array(expected, np.float64))
    zeros = [i for i, v in enumerate(expected) if v == 0]
    assert np.array_equal(np.signbit(result[zeros]), np.signbit(np.array(expected, np.float64)[zeros]))


@pytest.mark.parametrize("f", UNARY)
def test_shapes_and_types_are_kept(f):
    x = points(0.1, 0.9, 24)
    for shape in [(), (0, 3), (2, 3, 4)]:
        for dtype in (np.float32, np.float64):
            y = f(np.resize(x, shape).astype(dtype))
            assert (y.shape, y.dtype) == (shape, dtype)
    turned = x.reshape(4, 6).T
    assert np.array_equal(f(turned), f(turned.copy()))


@pytest.mark.parametrize("f", UNARY)
def test_single_precision_is_the_rounded_double(f):
    x = points(0, 1, 500).astype(np.float32)
    assert np.array_equal(f(x), f(x.astype(np.float64)).astype(np.float32))


def test_many_blocks():
    x = np.linspace(-3, 3, 3 * special.BLOCK + 5)
    assert ulps(special.erf(x)[:: special.BLOCK // 7], [math.erf(v) for v in x[:: special.BLOCK // 7]]) <= 4
