"""Special functions of the NumPy reference, compared with PyTorch and SciPy."""

import numpy as np
import pytest

from flambeau.ops.reference import special

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
    ours = getattr(special, name)(x)
    theirs = getattr(torch.special, torch_name)
    np.testing.assert_allclose(ours, theirs(torch.from_numpy(x)), rtol=rtol, atol=atol)
    if scipy_name:
        np.testing.assert_allclose(ours, getattr(scipy_special, scipy_name)(x), rtol=rtol, atol=atol)
    odd = np.array([v for v in ODD if v not in apart])
    np.testing.assert_allclose(
        getattr(special, name)(odd), theirs(torch.from_numpy(odd)), rtol=rtol, atol=1e-16
    )


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
