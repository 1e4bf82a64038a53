"""Element-by-element operations on the parts of numbers: signs, exponents, neighbours, common divisors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compiler import expression as e
from ..core import dtype as dt
from .kinds import REAL, floating, pointwise
from .samples import Sample, binary, fixed, integers, spread, unary

_two: dict[str, Any] = {"inputs": "x y"}
_floats = (dt.FLOAT, dt.FLOAT)


def _flat(g: Any) -> Any:
    """The gradient of what is constant almost everywhere."""
    return g.new_zeros(g.shape)


copysign = pointwise(
    "copysign", np.copysign, **_two, compute=floating, accepts=REAL, lower=e.copysign, samples=binary(),
    grad={"x": lambda g, x, out: (g * (out / x)).where(x != 0, 0.0), "y": _flat},
)  # fmt: skip


def _lower_fmax(x: Any, y: Any) -> Any:
    return e.where(x.ne(x), y, e.where(y.ne(y), x, e.maximum(x, y)))


def _lower_fmin(x: Any, y: Any) -> Any:
    return e.where(x.ne(x), y, e.where(y.ne(y), x, e.minimum(x, y)))


fmax = pointwise(
    "fmax", np.fmax, **_two, accepts=REAL, lower=_lower_fmax, samples=binary(),
    grad={
        "x": lambda g, x, y: g.where((x >= y) | y.isnan(), 0.0),
        "y": lambda g, x, y: g.where(~((x >= y) | y.isnan()), 0.0),
    },
)  # fmt: skip
fmin = pointwise(
    "fmin", np.fmin, **_two, accepts=REAL, lower=_lower_fmin, samples=binary(),
    grad={
        "x": lambda g, x, y: g.where((x <= y) | y.isnan(), 0.0),
        "y": lambda g, x, y: g.where(~((x <= y) | y.isnan()), 0.0),
    },
)  # fmt: skip

_divisors: dict[str, Any] = {
    **_two,
    "accepts": (dt.INTEGER, dt.INTEGER),
    "samples": fixed(
        Sample((np.array([[12, -18, 0], [0, 7, -4]]), np.array([8, 12, 5]))),
        Sample((integers((2, 3), -30, 30), integers((3,), 1, 9, seed=3))),
    ),
}
gcd = pointwise("gcd", np.gcd, **_divisors)
lcm = pointwise("lcm", np.lcm, **_divisors)


# The next number towards y. It depends on the width of the numbers, so that narrow ones aren't widened.
nextafter = pointwise(
    "nextafter", np.nextafter, **_two, accepts=_floats, widens=False, samples=binary(),
    grad={"x": lambda g, x, y: g.where(x != y, 0.0), "y": _flat},
)  # fmt: skip

# x = mantissa * 2**exponent, 1/2 <= |mantissa| < 1.
frexp_exponent = pointwise(
    "frexp_exponent", lambda x: np.where(np.isfinite(x), np.frexp(x)[1], 0), accepts=_floats,
    result=lambda d: dt.int32, samples=unary(),
)  # fmt: skip
frexp_mantissa = pointwise(
    "frexp_mantissa", lambda x: np.frexp(x)[0], accepts=_floats, samples=unary(),
    grad=lambda g, x: g / frexp_exponent(x).to(g.dtype).exp2(),
)  # fmt: skip


def _lower_log_add_exp2(x: Any, y: Any) -> Any:
    more = e.log1p(e.exp2(-e.absolute(x - y))) * (1 / math.log(2))
    return e.where(x.eq(y), x + 1, e.maximum(x, y) + more)  # equal ones may be infinite


logaddexp2 = pointwise(
    "logaddexp2", np.logaddexp2, **_two, accepts=_floats, lower=_lower_log_add_exp2, samples=binary(),
    grad={
        "x": lambda g, x, y: g / (1 + (y - x).exp2()),
        "y": lambda g, x, y: g / (1 + (x - y).exp2()),
    },
)  # fmt: skip


# ----- products with logarithms, 0 where the factor is 0 -----


def _times(log: Any) -> Any:
    return lambda x, y: np.where(np.isnan(y), y, np.where(x == 0, x.dtype.type(0), x * log(y)))


def _lower_times(log: Any) -> Any:
    return lambda x, y: e.where(y.ne(y), y, e.where(x.eq(0), 0, x * log(y)))


xlogy = pointwise(
    "xlogy", _times(np.log), **_two, compute=floating, accepts=REAL, lower=_lower_times(e.log),
    samples=lambda: [*binary(-2.0, 2.0, 0.2, 3.0)(), Sample((np.zeros(2), spread((2,), 0.5, 2.0)))],
    grad={
        "x": lambda g, x, y: (g * y.log()).where((x != 0) | (y > 0) | y.isnan(), 0.0),
        "y": lambda g, x, y: g * x / y,
    },
)  # fmt: skip
xlog1py = pointwise(
    "xlog1py", _times(np.log1p), **_two, compute=floating, accepts=REAL, lower=_lower_times(e.log1p),
    samples=lambda: [*binary(-2.0, 2.0, -0.8, 3.0)(), Sample((np.zeros(2), spread((2,), 0.5, 2.0)))],
    grad={
        "x": lambda g, x, y: (g * y.log1p()).where((x != 0) | (y > -1) | y.isnan(), 0.0),
        "y": lambda g, x, y: g * x / (y + 1),
    },
)  # fmt: skip


def _entropy(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, -x * np.log(x), np.where(x == 0, 0, np.where(x < 0, -np.inf, x))).astype(x.dtype)


def _lower_entropy(x: Any) -> Any:
    edge = e.where(x.eq(0), 0, e.where(x < 0, e.const(-math.inf, x.dtype), x))
    return e.where(x > 0, -x * e.log(x), edge)


entr = pointwise(
    "entr", _entropy, compute=floating, accepts=REAL, lower=_lower_entropy, samples=unary(0.1, 4.0),
    grad=lambda g, x: g * (-x.log() - 1),
)  # fmt: skip
