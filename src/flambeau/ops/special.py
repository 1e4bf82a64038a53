"""Element-by-element special functions: of the error function's, the gamma function's and Bessel's families,
orthogonal polynomials."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compiler import expression as e
from ..core import dtype as dt
from .kinds import REAL, Pointwise, floating, pointwise
from .reference import bessel, incomplete, orthogonal, special
from .samples import Sample, binary, spread, unary

_float: dict[str, Any] = {"compute": floating}
_real: dict[str, Any] = {"compute": floating, "accepts": REAL}

# ----- sin(pi*x) / (pi*x) -----


def _sinc(x: np.ndarray) -> np.ndarray:
    return np.sinc(x) if x.dtype.kind == "c" else special.sinc(x)


def _lower_sinc(x: Any) -> Any:
    r = x - e.rint(x * 0.5) * 2
    folded = e.where(e.absolute(r) > 0.5, e.copysign(e.const(1, x.dtype), r) - r, r)
    return e.where(x.eq(0), 1, e.sin(folded * math.pi) / (x * math.pi))


def _sinc_grad(g: Any, x: Any) -> Any:
    y = x * math.pi
    return (g * ((y * y.cos() - y.sin()) / (y * x)).conj()).where(x != 0, 0.0)


sinc = pointwise("sinc", _sinc, lower=_lower_sinc, **_float, grad=_sinc_grad, samples=unary())

# ----- the normal distribution -----

erfcx = pointwise(
    "erfcx", special.erfcx, **_real, samples=unary(),
    grad=lambda g, x, out: g * (2 * x * out - 2 / math.sqrt(math.pi)),
)  # fmt: skip
ndtri = pointwise(
    "ndtri", special.ndtri, **_real, samples=unary(0.05, 0.95),
    grad=lambda g, out: g * (out * out / 2).exp() * math.sqrt(2 * math.pi),
)  # fmt: skip
log_ndtr = pointwise(
    "log_ndtr", special.log_ndtr, **_real, samples=unary(),
    grad=lambda g, x: g / erfcx(x * -math.sqrt(0.5)) * math.sqrt(2 / math.pi),
)  # fmt: skip

# ----- the gamma function -----


def _gamma_density(g: Any, x: Any, y: Any) -> Any:
    """`g` times the density at y of the gamma distribution of shape x."""
    return g * ((x - 1) * y.log() - y - x.lgamma()).exp()


_shapes = binary(0.3, 5.0)
igamma = pointwise(
    "igamma", incomplete.gammainc, inputs="x y", accepts=(dt.FLOAT, dt.FLOAT), samples=_shapes,
    grad={"y": _gamma_density},
)  # fmt: skip
igammac = pointwise(
    "igammac", incomplete.gammaincc, inputs="x y", accepts=(dt.FLOAT, dt.FLOAT), samples=_shapes,
    grad={"y": lambda g, x, y: -_gamma_density(g, x, y)},
)  # fmt: skip
zeta = pointwise(
    "zeta", incomplete.zeta, inputs="x y", **_real, samples=binary(1.3, 5.0, 0.4, 4.0),
    grad={"y": lambda g, x, y: g * -x * zeta(x + 1, y)},
)  # fmt: skip

# ----- modified Bessel functions of the first kind -----

i0 = pointwise("i0", bessel.i0, **_real, samples=unary(), grad=lambda g, x: g * i1(x))
i1 = pointwise(
    "i1", bessel.i1, **_real, samples=unary(),
    grad=lambda g, x, out: g * (i0(x) - out / x.where(x != 0, 1.0)).where(x != 0, 0.5),
)  # fmt: skip
i0e = pointwise(
    "i0e", bessel.i0e, **_real, samples=unary(), grad=lambda g, x, out: g * (i1e(x) - x.sgn() * out)
)
i1e = pointwise(
    "i1e", bessel.i1e, **_real, samples=unary(),
    grad=lambda g, x, out: (
        g * (i0e(x) - out * (x.sgn() + 1 / x.where(x != 0, 1.0))).where(x != 0, 0.5)
    ),
)  # fmt: skip

# ----- without a gradient, as in PyTorch -----

_positive, _any = unary(0.2, 4.9), unary(-4.9, 4.9)
airy_ai = pointwise("airy_ai", bessel.airy_ai, **_real, samples=_any)
bessel_j0 = pointwise("bessel_j0", bessel.bessel_j0, **_real, samples=_any)
bessel_j1 = pointwise("bessel_j1", bessel.bessel_j1, **_real, samples=_any)
bessel_y0 = pointwise("bessel_y0", bessel.bessel_y0, **_real, samples=_positive)
bessel_y1 = pointwise("bessel_y1", bessel.bessel_y1, **_real, samples=_positive)
modified_bessel_k0 = pointwise("modified_bessel_k0", bessel.k0, **_real, samples=_positive)
modified_bessel_k1 = pointwise("modified_bessel_k1", bessel.k1, **_real, samples=_positive)
scaled_modified_bessel_k0 = pointwise("scaled_modified_bessel_k0", bessel.k0e, **_real, samples=_positive)
scaled_modified_bessel_k1 = pointwise("scaled_modified_bessel_k1", bessel.k1e, **_real, samples=_positive)


def _spherical(x: np.ndarray) -> np.ndarray:
    return np.where(x == 0, x.dtype.type(1), np.where(np.isinf(x), x.dtype.type(0), np.sin(x) / x))


def _lower_spherical(x: Any) -> Any:
    return e.where(x.eq(0), 1, e.where(e.absolute(x).eq(math.inf), 0, e.sin(x) / x))


spherical_bessel_j0 = pointwise(
    "spherical_bessel_j0", _spherical, lower=_lower_spherical, **_real, samples=_any
)


def _degrees() -> list[Sample]:
    x, n = spread((2, 3), -0.2, 1.2), np.array([0.0, 3.0, 9.0])
    return [Sample((x, n)), Sample((x[:, :1], n)), Sample((spread((2, 0)), n[:1])), Sample((x[0, 0], n[1]))]


def _polynomial(name: str) -> Pointwise:
    return pointwise(name, getattr(orthogonal, name), inputs="x n", **_real, samples=_degrees)


chebyshev_polynomial_t, chebyshev_polynomial_u, chebyshev_polynomial_v, chebyshev_polynomial_w = (
    _polynomial(f"chebyshev_polynomial_{kind}") for kind in "tuvw"
)
(
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
) = (_polynomial(f"shifted_chebyshev_polynomial_{kind}") for kind in "tuvw")
hermite_polynomial_h = _polynomial("hermite_polynomial_h")
hermite_polynomial_he = _polynomial("hermite_polynomial_he")
laguerre_polynomial_l = _polynomial("laguerre_polynomial_l")
legendre_polynomial_p = _polynomial("legendre_polynomial_p")
