"""Activation functions that are one pass over memory, and pointwise losses of the same kind. Their numbers
(slopes, limits) are inputs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compiler import expression as e
from ..core import dtype as dt
from .kinds import NO_BOOL_REAL, custom, pointwise
from .pointwise import absolute, maximum, minimum
from .reference import special
from .samples import Sample, Samples, spread, unary

FLOATS = (dt.FLOAT, dt.FLOAT)
_ROOT_HALF = math.sqrt(0.5)
_INVERSE_ROOT_TAU = 1 / math.sqrt(2 * math.pi)
_TANH_SCALE, _TANH_CUBE = math.sqrt(2 / math.pi), 0.044715


def _with(*numbers: float) -> Samples:
    """One input, and numbers."""
    return lambda: [Sample((spread(s), *map(np.array, numbers))) for s in ((), (4,), (2, 3), (0, 2))]


def _softplus(x: np.ndarray) -> np.ndarray:
    """log(1 + exp(x)), without overflow."""
    y: np.ndarray = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))
    return y


def _lower_softplus(x: Any) -> Any:
    return e.maximum(x, 0) + e.log1p(e.exp(-e.absolute(x)))


# ----- bent lines -----

leaky_relu = pointwise(
    "leaky_relu",
    lambda x, slope: np.where(x > 0, x, x * slope),
    lower=lambda x, slope: e.where(x > 0, x, x * slope),
    inputs="x slope",
    accepts=FLOATS,
    samples=lambda: [*_with(0.01)(), Sample((spread((2, 3)), spread((2, 1), 0.1, 0.9)))],
    grad={
        "x": lambda g, x, slope: g.where(x > 0, g * slope),
        "slope": lambda g, x: (g * x).where(x <= 0, 0.0),
    },
)
hardtanh = pointwise(
    "hardtanh",
    lambda x, low, high: np.minimum(np.maximum(x, low), high),
    lower=lambda x, low, high: e.minimum(e.maximum(x, low), high),
    inputs="x low high",
    accepts=NO_BOOL_REAL,
    samples=_with(-0.9, 1.7),
    grad={"x": lambda g, x, low, high: g.where((x > low) & (x < high), 0.0)},
)
softshrink = pointwise(
    "softshrink",
    lambda x, width: np.where(np.abs(x) <= width, 0, x - np.copysign(width, x)),
    lower=lambda x, width: e.where(e.absolute(x) <= width, 0, x - e.copysign(width, x)),
    inputs="x width",
    accepts=FLOATS,
    samples=_with(0.6),
    grad={"x": lambda g, x, width: g.where(absolute(x) > width, 0.0)},
)

# ----- smooth ones -----


def _elu(x: np.ndarray, scale: np.ndarray, rate: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, scale * np.expm1(np.minimum(x, 0) * rate))


# elu is (alpha, 1), celu (alpha, 1 / alpha).
elu = pointwise(
    "elu",
    _elu,
    lower=lambda x, scale, rate: e.where(x > 0, x, scale * e.expm1(e.minimum(x, 0) * rate)),
    inputs="x scale rate",
    accepts=FLOATS,
    samples=_with(1.3, 0.7),
    grad={"x": lambda g, x, scale, rate: g.where(x > 0, g * (minimum(x, 0.0) * rate).exp() * (scale * rate))},
)
silu = pointwise(
    "silu",
    lambda x: x / (1 + np.exp(-x)),
    lower=lambda x: x / (1 + e.exp(-x)),
    accepts=(dt.FLOAT, dt.COMPLEX),
    samples=unary(),
    grad=lambda g, x: _silu_grad(g, x),
)
gelu = pointwise(
    "gelu",
    lambda x: x * _normal_cdf(x),
    lower=lambda x: x * (0.5 * e.erfc(x * -_ROOT_HALF)),
    accepts=FLOATS,
    samples=unary(),
    grad=lambda g, x: _gelu_grad(g, x),
)
gelu_tanh = pointwise(
    "gelu_tanh",
    lambda x: 0.5 * x * (1 + np.tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x))),
    lower=lambda x: 0.5 * x * (1 + e.tanh(_TANH_SCALE * (x + _TANH_CUBE * x * x * x))),
    accepts=FLOATS,
    samples=unary(),
    backward_name="Gelu",
    grad=lambda g, x: _gelu_tanh_grad(g, x),
)
mish = pointwise(
    "mish",
    lambda x: x * np.tanh(_softplus(x)),
    lower=lambda x: x * e.tanh(_lower_softplus(x)),
    accepts=FLOATS,
    samples=unary(),
    grad=lambda g, x: _mish_grad(g, x),
)
# Beyond `limit` the function is x itself, to PyTorch's definition.
softplus = pointwise(
    "softplus",
    lambda x, rate, limit: np.where(x * rate > limit, x, _softplus(x * rate) / rate),
    lower=lambda x, rate, limit: e.where(x * rate > limit, x, _lower_softplus(x * rate) / rate),
    inputs="x rate limit",
    accepts=FLOATS,
    samples=_with(1.5, 2.0),
    grad={"x": lambda g, x, rate, limit: g.where(x * rate > limit, g * (x * rate).sigmoid())},
)
logsigmoid = pointwise(
    "logsigmoid",
    lambda x: -_softplus(-x),
    lower=lambda x: -_lower_softplus(-x),
    accepts=FLOATS,
    samples=unary(),
    backward_name="LogSigmoid",
    grad=lambda g, x: g * (-x).sigmoid(),
)


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    return 0.5 * special.erfc(x * -_ROOT_HALF)


def _silu_grad(g: Any, x: Any) -> Any:
    s = x.sigmoid()
    return g * (s * (1 + x * (1 - s))).conj()


def _gelu_grad(g: Any, x: Any) -> Any:
    """The normal distribution's share below x, plus x times its density."""
    return g * ((x * -_ROOT_HALF).erfc() * 0.5 + x * (x * x * -0.5).exp() * _INVERSE_ROOT_TAU)


def _gelu_tanh_grad(g: Any, x: Any) -> Any:
    square = x * x
    t = (x * (square * (_TANH_SCALE * _TANH_CUBE) + _TANH_SCALE)).tanh()
    slope = square * (3 * _TANH_SCALE * _TANH_CUBE) + _TANH_SCALE
    return g * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * slope)


def _mish_grad(g: Any, x: Any) -> Any:
    t = softplus(x, 1.0, math.inf).tanh()
    return g * (t + x * (1 - t * t) * x.sigmoid())


# ----- losses -----


def check_unit(name: str, p: np.ndarray) -> None:
    """RuntimeError, naming the value, unless all elements lie in [0, 1]."""
    outside = ~((p >= 0) & (p <= 1))
    if outside.any():
        raise RuntimeError(
            f"binary_cross_entropy: all elements of {name} should be between 0 and 1, got "
            f"{p[outside].flat[0]:g}; for scores that are no probabilities use "
            f"binary_cross_entropy_with_logits"
        )


def _bce(x: np.ndarray, target: np.ndarray) -> np.ndarray:
    check_unit("input", x)
    check_unit("target", target)
    loss: np.ndarray = -target * np.maximum(np.log(x), -100) - (1 - target) * np.maximum(np.log1p(-x), -100)
    return loss


# The logarithms are limited to -100, so that a certain but wrong prediction has a finite loss. Input and
# target have the same shape.
bce = custom(
    "binary_cross_entropy",
    _bce,
    lambda x, target: (x._node.shape, x._node.dtype),
    "composite",
    inputs="x target",
    accepts=FLOATS,
    checks=True,
    samples=lambda: [Sample((spread((2, 3), 0.1, 0.9), spread((2, 3), 0.0, 1.0, seed=1)))],
    grad={
        "x": lambda g, x, target: g * (x - target) / maximum(x * (1 - x), 1e-12),
        "target": lambda g, x: g * maximum(minimum((1 - x).log() - x.log(), 100.0), -100.0),
    },
)


def _smooth_l1(x: np.ndarray, width: np.ndarray) -> np.ndarray:
    size = np.abs(x)
    y: np.ndarray = np.where(size < width, 0.5 * size * size / width, size - 0.5 * width)
    return y


def _lower_smooth_l1(x: Any, width: Any) -> Any:
    size = e.absolute(x)
    return e.where(size < width, 0.5 * size * size / width, size - 0.5 * width)


smooth_l1 = pointwise(
    "smooth_l1",
    _smooth_l1,
    lower=_lower_smooth_l1,
    inputs="x width",
    accepts=FLOATS,
    samples=_with(1.4),
    grad={"x": lambda g, x, width: g * hardtanh(x / width, -1.0, 1.0)},
)
