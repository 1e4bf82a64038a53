"""Special functions of the NumPy reference, compared with PyTorch and SciPy."""

import numpy as np
import pytest

from flambeau.ops.reference import bessel, incomplete, orthogonal, special

torch = pytest.importorskip("torch")
scipy_special = pytest.importorskip("scipy.special")

INF, NAN = np.inf, np.nan
ODD = [0.0, -0.0, 1, -1, 2, -2, -1.5, 0.5, -0.5, 1e-310, -1e-310, 1e300, -1e300, INF, -INF, NAN]

# ours, PyTorch's and SciPy's name, range, relative and absolute tolerance, values where we differ by design
FUNCTIONS = [
    ("erf", "erf", "erf", (-6, 6), 1e-15, 0, []),
    ("erfc", "erfc", "erfc", (-6, 26), 2e-13, 0, []),
    ("erfinv", "erfinv", "erfinv", (-1, 1), 2e-15, 0, []),
    ("ndtri", "ndtri", "ndtri", (0, 1), 1e-14, 1e-16, []),
    ("lgamma", "gammaln", "gammaln", (-10, 100), 1e-13, 1e-13, []),
    ("digamma", "digamma", "digamma", (-10, 100), 1e-12, 1e-12, []),
    ("sinc", "sinc", None, (-20, 20), 1e-12, 1e-16, []),
    ("i0", "i0", "i0", (-700, 700), 1e-14, 0, [INF, -INF]),  # PyTorch has NaN, SciPy infinity as we do
]


@pytest.mark.parametrize("name, torch_name, scipy_name, span, rtol, atol, apart", FUNCTIONS)
def test_functions(name, torch_name, scipy_name, span, rtol, atol, apart):
    x = np.random.default_rng(0).uniform(*span, 5000)
    f = getattr(bessel if name == "i0" else special, name)
    ours = f(x)
    theirs = getattr(torch.special, torch_name)
    np.testing.assert_allclose(ours, theirs(torch.from_numpy(x)), rtol=rtol, atol=atol)
    if scipy_name:
        np.testing.assert_allclose(ours, getattr(scipy_special, scipy_name)(x), rtol=rtol, atol=atol)
    odd = np.array([v for v in ODD if v not in apart])
    np.testing.assert_allclose(f(odd), theirs(torch.from_numpy(odd)), rtol=rtol, atol=1e-16)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_polygamma(n):
    x = np.random.default_rng(0).uniform(0.1, 50, 1000)
    ours = special.polygamma(n, x)
    np.testing.assert_allclose(ours, scipy_special.polygamma(n, x), rtol=2e-14)
    np.testing.assert_allclose(ours, torch.special.polygamma(n, torch.from_numpy(x)), rtol=1e-8)
    x = np.random.default_rng(0).uniform(-6, 0, 200)
    theirs = scipy_special.polygamma(n, x)
    np.testing.assert_allclose(special.polygamma(n, x), theirs, rtol=1e-11, atol=1e-11 * np.abs(theirs).min())


@pytest.mark.parametrize("n", [2, 3])
def test_polygamma_at_its_poles(n):
    x = np.array([0.0, -0.0, -1, -7, NAN])
    np.testing.assert_array_equal(special.polygamma(n, x), torch.special.polygamma(n, torch.from_numpy(x)))


# ours, SciPy's, range, relative and absolute tolerance
MORE = [
    (bessel.bessel_j0, lambda s, x: s.j0(x), (-60, 60), 1e-13, 1e-15),
    (bessel.bessel_j1, lambda s, x: s.j1(x), (-60, 60), 1e-13, 1e-15),
    (bessel.bessel_y0, lambda s, x: s.y0(x), (0.001, 60), 1e-13, 2e-15),
    (bessel.bessel_y1, lambda s, x: s.y1(x), (0.001, 60), 1e-13, 2e-15),
    (bessel.i1, lambda s, x: s.i1(x), (-600, 600), 3e-15, 0),
    (bessel.i0e, lambda s, x: s.i0e(x), (-600, 600), 3e-15, 0),
    (bessel.i1e, lambda s, x: s.i1e(x), (-600, 600), 3e-15, 0),
    (bessel.k0, lambda s, x: s.k0(x), (0.001, 50), 3e-15, 0),
    (bessel.k1, lambda s, x: s.k1(x), (0.001, 50), 3e-15, 0),
    (bessel.k0e, lambda s, x: s.k0e(x), (0.001, 50), 3e-15, 0),
    (bessel.k1e, lambda s, x: s.k1e(x), (0.001, 50), 3e-15, 0),
    (bessel.airy_ai, lambda s, x: s.airy(x)[0], (-20, 20), 1e-12, 1e-14),
    (special.erfcx, lambda s, x: s.erfcx(x), (-5, 50), 3e-15, 0),
    (special.log_ndtr, lambda s, x: s.log_ndtr(x), (-50, 8), 1e-14, 1e-15),
]


@pytest.mark.parametrize("ours, theirs, span, rtol, atol", MORE)
def test_more_functions(ours, theirs, span, rtol, atol):
    x = np.random.default_rng(0).uniform(*span, 3000)
    np.testing.assert_allclose(ours(x), theirs(scipy_special, x), rtol=rtol, atol=atol)


@pytest.mark.parametrize("low, high", [(1e-9, 1e-3), (1e-3, 2), (2, 30), (30, 300), (300, 1e6)])
def test_incomplete_gamma_functions(low, high):
    random = np.random.default_rng(0)
    a = np.exp(random.uniform(np.log(low), np.log(high), 500))
    x = np.concatenate([a * np.exp(2 * random.normal(size=500) / np.sqrt(1 + a)), random.uniform(0, 20, 500)])
    a = np.concatenate([a, a])
    for f, theirs in (
        (incomplete.gammainc, scipy_special.gammainc),
        (incomplete.gammaincc, scipy_special.gammaincc),
    ):
        np.testing.assert_allclose(f(a, x), theirs(a, x), rtol=1e-9, atol=1e-200)  # SciPy has ten digits


def test_zeta_function():
    random = np.random.default_rng(0)
    s, q = random.uniform(1.01, 30, 1000), random.uniform(0.01, 40, 1000)
    np.testing.assert_allclose(incomplete.zeta(s, q), scipy_special.zeta(s, q), rtol=1e-13)
    s, q = random.integers(2, 9, 300).astype(float), random.uniform(-50, 0, 300)
    ours = torch.special.zeta(torch.from_numpy(s), torch.from_numpy(q))
    np.testing.assert_allclose(incomplete.zeta(s, q), ours, rtol=1e-13)


@pytest.mark.parametrize("name", [n for n in vars(orthogonal) if "polynomial_" in n])
@pytest.mark.parametrize("span", [(-1, 1), (-3, 3)])
def test_orthogonal_polynomials(name, span):
    random = np.random.default_rng(0)
    x, n = random.uniform(*span, 1000), random.integers(-3, 40, 1000).astype(float)
    theirs = getattr(torch.special, name)(torch.from_numpy(x), torch.from_numpy(n))
    np.testing.assert_allclose(getattr(orthogonal, name)(x, n), theirs, rtol=1e-11, atol=1e-12)
