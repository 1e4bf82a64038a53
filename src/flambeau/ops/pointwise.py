"""Element-by-element operations: arithmetic, comparison, logic, rounding, transcendental functions,
choice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.node import Node
from ..core.tensor import Tensor, make
from .kinds import (
    FLOATING,
    NO_BOOL,
    NO_BOOL_REAL,
    REAL,
    WHOLE,
    Pointwise,
    boolean,
    broadcast,
    cast,
    custom,
    exact_number,
    floating,
    pointwise,
    real,
    result_type,
)
from .reference import special
from .samples import (
    Sample,
    binary,
    boolean_binary,
    booleans,
    fixed,
    integer_binary,
    integer_unary,
    integers,
    spread,
    unary,
)


def _flat(g: Any) -> Any:
    """The gradient of what is constant almost everywhere."""
    return g.new_zeros(g.shape)


def _xy(f: Any, **rest: Any) -> dict[str, Any]:
    return {"numpy": f, "inputs": "x y", **rest}


# ----- arithmetic -----

add = pointwise("add", **_xy(np.add), grad={"x": lambda g: g, "y": lambda g: g}, samples=binary())


class _Sub(Pointwise):
    """Truth values are not subtracted, nor subtracted from."""

    def _general(self, operands: Any) -> Any:
        if any(
            isinstance(x, bool) or (isinstance(x, Tensor) and x._node.dtype is dt.bool_) for x in operands
        ):
            raise RuntimeError(
                "sub: Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
                "to invert a mask, use the `~` or "
                "`logical_not()` operator instead."
            )
        return super()._general(operands)


sub = _Sub(
    "sub", **_xy(np.subtract), accepts=NO_BOOL, grad={"x": lambda g: g, "y": lambda g: -g}, samples=binary()
)
mul = pointwise(
    "mul",
    **_xy(np.multiply),
    grad={"x": lambda g, y: g * y.conj(), "y": lambda g, x: g * x.conj()},
    samples=binary(),
)
div = pointwise(
    "div", **_xy(np.true_divide), compute=floating, samples=binary(low2=0.5, high2=3.0),
    grad={"x": lambda g, y: g / y.conj(), "y": lambda g, x, y: -g * (x / y / y).conj()},
)  # fmt: skip


def _divisions() -> list[Sample]:
    signed = np.array([7, -7, 6, -6, 0]), np.array([2, 2, -3, -3, -1])
    return [*binary(low2=0.5, high2=3.0)(), Sample(signed), Sample((spread((2, 3)), spread((3,), seed=1)))]


def _ordered() -> list[Sample]:
    """With equal numbers too."""
    return [*binary()(), Sample((integers((2, 3), 0, 3), integers((3,), 0, 3, seed=1)))]


def _whole_division(f: Any) -> Any:
    def divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if x.dtype.kind in "iu" and not np.all(y):
            raise RuntimeError("ZeroDivisionError: integer division by zero")
        return f(x, y)

    return divide


def _floor_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind != "f":
        return np.floor_divide(x, y)
    quotient = np.floor_divide(x, y)
    return np.where(y == 0, x / y, quotient)  # x/0 is infinite, as for division


floor_divide = pointwise(
    "floor_divide", **_xy(_whole_division(_floor_divide)), accepts=NO_BOOL_REAL, checks=True,
    samples=_divisions, grad={"x": _flat, "y": _flat},
)  # fmt: skip


def _trunc_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "f":
        return np.trunc(x / y)
    quotient = np.floor_divide(x, y)
    return quotient + ((quotient < 0) & (quotient * y != x))


trunc_divide = pointwise(
    "trunc_divide", **_xy(_whole_division(_trunc_divide)), accepts=NO_BOOL_REAL, checks=True,
    samples=_divisions, grad={"x": _flat, "y": _flat},
)  # fmt: skip
remainder = pointwise(
    "remainder", **_xy(_whole_division(np.remainder)), accepts=NO_BOOL_REAL, checks=True,
    samples=_divisions,
    grad={"x": lambda g: g, "y": lambda g, x, y: -g * (x.detach() / y.detach()).floor()},
)  # fmt: skip
fmod = pointwise(
    "fmod", **_xy(_whole_division(np.fmod)), accepts=NO_BOOL_REAL, checks=True,
    samples=_divisions,
    grad={"x": lambda g: g, "y": lambda g, x, y: -g * (x.detach() / y.detach()).trunc()},
)  # fmt: skip


def _pow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind not in "iu":
        return np.power(x, y)
    down = y < 0  # 1/x cut off: zero but for 1 and -1
    odd = np.where(y % 2 == 0, 1, x)
    return np.where(down, np.where(np.abs(x) == 1, odd, 0), np.power(x, np.where(down, 0, y))).astype(x.dtype)


pow = pointwise(
    "pow", **_xy(_pow), accepts=NO_BOOL, samples=binary(0.3, 2.0, -2.0, 3.0),
    grad={
        "x": lambda g, x, y: (g * (y * x ** (y - 1)).conj()).where(y != 0, 0.0),
        # 0**y is flat in y for y >= 0, although log(0) is not finite
        "y": lambda g, x, y, out: (g * (out * x.log()).conj()).where((x != 0) | (y.real < 0), 0.0),
    },
)  # fmt: skip


def _share(g: Any, loses: Any, draws: Any) -> Any:
    """Nothing for the one that loses, half for each of equals; NaN gets all, whichever it is."""
    return select(loses, 0.0, select(draws, g * 0.5, g))


maximum = pointwise(
    "maximum", **_xy(np.maximum), accepts=REAL, samples=_ordered,
    grad={"x": lambda g, x, y: _share(g, x < y, x == y), "y": lambda g, x, y: _share(g, y < x, x == y)},
)  # fmt: skip
minimum = pointwise(
    "minimum", **_xy(np.minimum), accepts=REAL, samples=_ordered,
    grad={"x": lambda g, x, y: _share(g, x > y, x == y), "y": lambda g, x, y: _share(g, y > x, x == y)},
)  # fmt: skip


def _over_square(x: Any, y: Any) -> Any:
    """1 / (x² + y²), and 0 where the angle is no angle."""
    square = x * x + y * y
    return (1 / square).where(square != 0, 0.0)


atan2 = pointwise(
    "atan2", **_xy(np.arctan2), compute=floating, accepts=REAL, samples=binary(0.2, 3.0),
    grad={"x": lambda g, x, y: g * y * _over_square(x, y), "y": lambda g, x, y: -g * x * _over_square(x, y)},
)  # fmt: skip
hypot = pointwise(
    "hypot", **_xy(np.hypot), accepts=(dt.FLOAT, dt.FLOAT), samples=binary(0.2, 3.0),
    grad={"x": lambda g, x, out: g * x / out, "y": lambda g, y, out: g * y / out},
)  # fmt: skip
neg = pointwise("neg", np.negative, accepts=NO_BOOL, grad=lambda g: -g, samples=unary())
absolute = pointwise(
    "abs", np.abs, accepts=NO_BOOL, result=real, grad=lambda g, x: g * x.sgn(), samples=unary()
)


def _sign(x: np.ndarray) -> np.ndarray:
    """-1, 0 or 1, and 0 for NaN."""
    return np.sign(x) if x.dtype.kind == "c" else np.subtract(x > 0, x < 0, dtype=np.int8)


sign = pointwise("sign", _sign, accepts=REAL, grad=_flat, samples=unary())
sgn = pointwise("sgn", _sign, grad=lambda g, x, out: _sgn_grad(g, x, out), samples=unary())
reciprocal = pointwise(
    "reciprocal",
    np.reciprocal,
    compute=floating,
    grad=lambda g, out: -g * (out * out).conj(),
    samples=unary(0.4, 3.0),
)
square = pointwise(
    "square",
    np.square,
    compute=lambda d: dt.int64 if d is dt.bool_ else d,
    grad=lambda g, x: g * (2 * x).conj(),
    samples=unary(),
)
relu = pointwise(
    "relu",
    lambda x: np.maximum(x, x.dtype.type(0)),
    accepts=NO_BOOL_REAL,
    grad=lambda g, out: select(out <= 0, 0.0, g),
    samples=unary(),
)


def _sgn_grad(g: Any, x: Any, out: Any) -> Any:
    """Zero for real numbers; for complex ones the part of `g` across the direction of `x`, over |x|."""
    if not x.is_complex():
        return _flat(g)
    return ((g - out * (g * out.conj()).real) / x.abs()).where(x != 0, 0.0)


# ----- rounding -----

floor = pointwise("floor", np.floor, accepts=NO_BOOL_REAL, grad=_flat, samples=unary())
ceil = pointwise("ceil", np.ceil, accepts=NO_BOOL_REAL, grad=_flat, samples=unary())
trunc = pointwise("trunc", np.trunc, accepts=NO_BOOL_REAL, grad=_flat, samples=unary())
round = pointwise("round", np.rint, accepts=NO_BOOL_REAL, grad=_flat, samples=unary())

# ----- powers, exponentials, logarithms -----

_float: dict[str, Any] = {"compute": floating}
_float_real: dict[str, Any] = {"compute": floating, "accepts": REAL}
LN2, LN10 = math.log(2.0), math.log(10.0)

sqrt = pointwise("sqrt", np.sqrt, **_float, grad=lambda g, out: g / (2 * out).conj(), samples=unary(0.1, 4.0))
rsqrt = pointwise(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    **_float,
    grad=lambda g, out: g * (out * out * out * -0.5).conj(),
    samples=unary(0.2, 4.0),
)
exp = pointwise("exp", np.exp, **_float, grad=lambda g, out: g * out.conj(), samples=unary())
exp2 = pointwise("exp2", np.exp2, **_float, grad=lambda g, out: g * (out * LN2).conj(), samples=unary())
expm1 = pointwise("expm1", np.expm1, **_float, grad=lambda g, out: g * (out + 1).conj(), samples=unary())
log = pointwise("log", np.log, **_float, grad=lambda g, x: g / x.conj(), samples=unary(0.1, 4.0))
log2 = pointwise("log2", np.log2, **_float, grad=lambda g, x: g / (x * LN2).conj(), samples=unary(0.1, 4.0))


def _log10(x: np.ndarray) -> np.ndarray:
    if x.dtype != np.float32:
        return np.log10(x)
    return np.log10(x, dtype=np.float64).astype(np.float32)  # NumPy's own in float32 misses log10(100) = 2


log10 = pointwise("log10", _log10, **_float, grad=lambda g, x: g / (x * LN10).conj(), samples=unary(0.1, 4.0))
log1p = pointwise("log1p", np.log1p, **_float, grad=lambda g, x: g / (x + 1).conj(), samples=unary(-0.9, 3.0))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))  # where exp overflows the quotient is 0, as it should be


sigmoid = pointwise(
    "sigmoid", _sigmoid, **_float, grad=lambda g, out: g * (out * (1 - out)).conj(), samples=unary()
)


def log_add_exp(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """log(exp(x) + exp(y)): of complex numbers, that with the larger real part is taken out, and keeps its
    turns around zero."""
    if x.dtype.kind != "c":
        return np.logaddexp(x, y)
    low, high = np.where(x.real < y.real, x, y), np.where(x.real < y.real, y, x)
    return np.log1p(np.exp(low - high)) + high


logaddexp = pointwise(
    "logaddexp", **_xy(log_add_exp), accepts=FLOATING, samples=binary(),
    grad={
        "x": lambda g, x, y: g * (x - y).sigmoid().conj(),
        "y": lambda g, x, y: g * (y - x).sigmoid().conj(),
    },
)  # fmt: skip

logit = pointwise(
    "logit",
    lambda x: np.log(x / (1 - x)),
    **_float_real,
    grad=lambda g, x: g / (x * (1 - x)),
    samples=unary(0.05, 0.95),
)

# ----- trigonometric and hyperbolic -----

sin = pointwise("sin", np.sin, **_float, grad=lambda g, x: g * x.cos().conj(), samples=unary())
cos = pointwise("cos", np.cos, **_float, grad=lambda g, x: -g * x.sin().conj(), samples=unary())
tan = pointwise(
    "tan", np.tan, **_float, grad=lambda g, out: g * (1 + out * out).conj(), samples=unary(-1.3, 1.3)
)
asin = pointwise(
    "asin", np.arcsin, **_float, grad=lambda g, x: g * (1 - x * x).rsqrt().conj(), samples=unary(-0.9, 0.9)
)
acos = pointwise(
    "acos", np.arccos, **_float, grad=lambda g, x: -g * (1 - x * x).rsqrt().conj(), samples=unary(-0.9, 0.9)
)
atan = pointwise("atan", np.arctan, **_float, grad=lambda g, x: g / (1 + x * x).conj(), samples=unary())
sinh = pointwise("sinh", np.sinh, **_float, grad=lambda g, x: g * x.cosh().conj(), samples=unary())
cosh = pointwise("cosh", np.cosh, **_float, grad=lambda g, x: g * x.sinh().conj(), samples=unary())
tanh = pointwise("tanh", np.tanh, **_float, grad=lambda g, out: g * (1 - out * out).conj(), samples=unary())
asinh = pointwise(
    "asinh", np.arcsinh, **_float, grad=lambda g, x: g * (x * x + 1).rsqrt().conj(), samples=unary()
)
acosh = pointwise(
    "acosh",
    np.arccosh,
    **_float,
    grad=lambda g, x: g * ((x - 1).rsqrt() * (x + 1).rsqrt()).conj(),
    samples=unary(1.2, 4.0),
)
atanh = pointwise(
    "atanh", np.arctanh, **_float, grad=lambda g, x: g / (1 - x * x).conj(), samples=unary(-0.9, 0.9)
)

# ----- special functions -----

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

erf = pointwise(
    "erf",
    special.erf,
    **_float_real,
    grad=lambda g, x: g * (-x * x).exp() * TWO_OVER_ROOT_PI,
    samples=unary(),
)
erfc = pointwise(
    "erfc",
    special.erfc,
    **_float_real,
    grad=lambda g, x: g * (-x * x).exp() * -TWO_OVER_ROOT_PI,
    samples=unary(),
)
erfinv = pointwise(
    "erfinv",
    special.erfinv,
    **_float_real,
    grad=lambda g, out: g * (out * out).exp() / TWO_OVER_ROOT_PI,
    samples=unary(-0.9, 0.9),
)
lgamma = pointwise(
    "lgamma", special.lgamma, **_float_real, grad=lambda g, x: g * x.digamma(), samples=unary(0.3, 4.0)
)
digamma = pointwise(
    "digamma", special.digamma, **_float_real, grad=lambda g, x: g * polygamma(x, 1), samples=unary(0.3, 4.0)
)
polygamma = custom(
    "polygamma", lambda x, n: special.polygamma(n, x), lambda x, n: (x._node.shape, x._node.dtype),
    "pointwise", attrs="n",
    accepts=(dt.FLOAT, dt.FLOAT), grad=lambda g, x, n: g * polygamma(x, n + 1),
    samples=lambda: [Sample((spread(s, 0.3, 4.0),), {"n": n}) for s in ((), (3,), (2, 0)) for n in (1, 2)],
)  # fmt: skip

# ----- comparison and logic -----

_compare: dict[str, Any] = {"result": boolean, "inputs": "x y", "samples": _ordered}
eq = pointwise("eq", np.equal, **_compare)
ne = pointwise("ne", np.not_equal, **_compare)
lt = pointwise("lt", np.less, accepts=REAL, **_compare)
le = pointwise("le", np.less_equal, accepts=REAL, **_compare)
gt = pointwise("gt", np.greater, accepts=REAL, **_compare)
ge = pointwise("ge", np.greater_equal, accepts=REAL, **_compare)

_logic: dict[str, Any] = {"result": boolean, "inputs": "x y", "samples": boolean_binary}
logical_and = pointwise("logical_and", np.logical_and, **_logic)
logical_or = pointwise("logical_or", np.logical_or, **_logic)
logical_xor = pointwise("logical_xor", np.logical_xor, **_logic)
logical_not = pointwise("logical_not", np.logical_not, result=boolean, samples=unary())

_bits: dict[str, Any] = {"inputs": "x y", "accepts": WHOLE, "samples": integer_binary}
bitwise_and = pointwise("bitwise_and", np.bitwise_and, **_bits)
bitwise_or = pointwise("bitwise_or", np.bitwise_or, **_bits)
bitwise_xor = pointwise("bitwise_xor", np.bitwise_xor, **_bits)
bitwise_not = pointwise("bitwise_not", np.invert, accepts=WHOLE, samples=integer_unary)
_shifts = fixed(Sample((np.array([1, 5, -7, 64]), np.array([0, 2, 1, 3]))))
left_shift = pointwise(
    "left_shift", np.left_shift, inputs="x y", accepts=(dt.INTEGER, dt.INTEGER), samples=_shifts
)
right_shift = pointwise(
    "right_shift", np.right_shift, inputs="x y", accepts=(dt.INTEGER, dt.INTEGER), samples=_shifts
)

isnan = pointwise("isnan", np.isnan, result=boolean, samples=unary())
isinf = pointwise("isinf", np.isinf, result=boolean, samples=unary())
isfinite = pointwise("isfinite", np.isfinite, result=boolean, samples=unary())
signbit = pointwise("signbit", np.signbit, accepts=REAL, result=boolean, samples=unary())

# ----- choice -----


def _where_samples() -> list[Sample]:
    return [
        Sample((booleans((2, 3)), spread((2, 3)), spread((3,), seed=1))),
        Sample((booleans(()), spread((2, 1)), spread((1, 2), seed=1))),
    ]


class Select(Pointwise):
    """`select(condition, x, y)`: the two are promoted with each other, the condition stays bool."""

    def __call__(self, condition: Any, *choice: Any) -> Any:
        d = result_type("where", choice)
        operands = [
            (t if t._node.dtype is d else cast(t, d))
            if isinstance(t, Tensor)
            else make(exact_number("where", t, d))
            for t in choice
        ]
        parts = (condition, *operands)
        nodes = tuple(t._current() for t in parts)
        shape = broadcast("where", *[n.shape for n in nodes])
        return self._finish(Node(self, nodes, (), shape, d), nodes, tuple(t._edge for t in parts))


select = Select(
    "where", lambda condition, x, y: np.where(condition, x, y), inputs="condition x y",
    samples=_where_samples,
    grad={
        "x": lambda g, condition: g.where(condition, 0.0),
        "y": lambda g, condition: g.where(~condition, 0.0),
    },
)  # fmt: skip

# ----- complex numbers -----


def _complex_samples() -> list[Sample]:
    return [Sample((spread((2, 3)) + 1j * spread((2, 3), seed=4),)), Sample((spread((3,)) + 0.5j,))]


def _join_parts(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    z = np.empty(np.broadcast_shapes(x.shape, y.shape), np.result_type(x, np.complex64))
    z.real, z.imag = x, y
    return z


make_complex = pointwise(
    "complex", _join_parts, inputs="x y", accepts=(dt.FLOAT, dt.FLOAT),
    result=lambda d: d.to_complex(), samples=binary(), grad={"x": lambda g: g.real, "y": lambda g: g.imag},
)  # fmt: skip
conj = pointwise("conj", np.conj, grad=lambda g: g.conj(), samples=lambda: [*_complex_samples(), *unary()()])


def _angle(x: np.ndarray) -> np.ndarray:
    """The angle of a complex number; of a real one 0, pi (for negative ones) or NaN."""
    return (
        np.angle(x)
        if x.dtype.kind == "c"
        else np.where(x < 0, x.dtype.type(math.pi), np.where(x == x, x.dtype.type(0), x))
    )


angle = pointwise(
    "angle", _angle, compute=floating, result=real, samples=lambda: [*_complex_samples(), *unary()()],
    grad=lambda g, x: _angle_grad(g, x),
)  # fmt: skip


def _angle_grad(g: Any, x: Any) -> Any:
    """d angle = (re d im - im d re) / |x|^2, written as one complex number; zero for real numbers."""
    if not x.is_complex():
        return _flat(g)
    return make_complex(-g * x.imag, g * x.real) / (x.real * x.real + x.imag * x.imag)
