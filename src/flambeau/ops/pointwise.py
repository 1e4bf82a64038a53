"""Element-by-element operations: arithmetic, comparison, logic, rounding, transcendental functions,
choice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..compiler import expression as e
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

add = pointwise(
    "add",
    **_xy(np.add),
    lower=lambda x, y: x + y,
    grad={"x": lambda g: g, "y": lambda g: g},
    samples=binary(),
)


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
    "sub", **_xy(np.subtract), lower=lambda x, y: x - y, accepts=NO_BOOL, samples=binary(),
    grad={"x": lambda g: g, "y": lambda g: -g},
)  # fmt: skip
# x + alpha * y, each of the two operations rounded.
add_scaled = pointwise(
    "add_scaled",
    lambda x, y, alpha: x + y * alpha,
    inputs="x y alpha",
    accepts=NO_BOOL,
    lower=lambda x, y, alpha: x + y * alpha,
    samples=lambda: [Sample((*s.arrays, np.array(0.75).astype(s.arrays[0].dtype))) for s in binary()()],
    grad={
        "x": lambda g: g,
        "y": lambda g, alpha: g * alpha.conj(),
        "alpha": lambda g, y: g * y.conj(),
    },
    backward_name="Add",
)
mul = pointwise(
    "mul",
    **_xy(np.multiply),
    lower=lambda x, y: x * y,
    grad={"x": lambda g, y: g * y.conj(), "y": lambda g, x: g * x.conj()},
    samples=binary(),
)
div = pointwise(
    "div", **_xy(np.true_divide), compute=floating, samples=binary(low2=0.5, high2=3.0),
    lower=lambda x, y: x / y,
    grad={"x": lambda g, y: g / y.conj(), "y": lambda g, x, y: -g * (x / y / y).conj()},
)  # fmt: skip


def _divisions() -> list[Sample]:
    signed = np.array([7, -7, 6, -6, 0]), np.array([2, 2, -3, -3, -1])
    return [*binary(low2=0.5, high2=3.0)(), Sample(signed), Sample((spread((2, 3)), spread((3,), seed=1)))]


def _ordered() -> list[Sample]:
    """With equal numbers too."""
    return [*binary()(), Sample((integers((2, 3), 0, 3), integers((3,), 0, 3, seed=1)))]


def _floats_only(f: Any) -> Any:
    """A lowering for floats alone: whole numbers have to fail where they are divided by zero."""
    return lambda x, y: f(x, y) if x.dtype.is_floating_point else NotImplemented


def _single_only(f: Any) -> Any:
    """A lowering for float32 alone."""
    return lambda *xs: f(*xs) if xs[0].dtype is dt.float32 else NotImplemented


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
    lower=_floats_only(e.floordiv),
    samples=_divisions, grad={"x": _flat, "y": _flat},
)  # fmt: skip


def _trunc_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if x.dtype.kind == "f":
        return np.trunc(x / y)
    quotient = np.floor_divide(x, y)
    return quotient + ((quotient < 0) & (quotient * y != x))


trunc_divide = pointwise(
    "trunc_divide", **_xy(_whole_division(_trunc_divide)), accepts=NO_BOOL_REAL, checks=True,
    lower=_floats_only(e.truncdiv),
    samples=_divisions, grad={"x": _flat, "y": _flat},
)  # fmt: skip
remainder = pointwise(
    "remainder", **_xy(_whole_division(np.remainder)), accepts=NO_BOOL_REAL, checks=True,
    lower=_floats_only(e.remainder),
    samples=_divisions,
    grad={"x": lambda g: g, "y": lambda g, x, y: -g * (x.detach() / y.detach()).floor()},
)  # fmt: skip
fmod = pointwise(
    "fmod", **_xy(_whole_division(np.fmod)), accepts=NO_BOOL_REAL, checks=True,
    lower=_floats_only(e.fmod),
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
    "pow", **_xy(_pow), lower=_single_only(e.pow), accepts=NO_BOOL, samples=binary(0.3, 2.0, -2.0, 3.0),
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
    "maximum", **_xy(np.maximum), lower=e.maximum, accepts=REAL, samples=_ordered,
    grad={"x": lambda g, x, y: _share(g, x < y, x == y), "y": lambda g, x, y: _share(g, y < x, x == y)},
)  # fmt: skip
minimum = pointwise(
    "minimum", **_xy(np.minimum), lower=e.minimum, accepts=REAL, samples=_ordered,
    grad={"x": lambda g, x, y: _share(g, x > y, x == y), "y": lambda g, x, y: _share(g, y > x, x == y)},
)  # fmt: skip


def _over_square(x: Any, y: Any) -> Any:
    """1 / (x² + y²), and 0 where the angle is no angle."""
    square = x * x + y * y
    return (1 / square).where(square != 0, 0.0)


atan2 = pointwise(
    "atan2", **_xy(np.arctan2), lower=e.atan2, compute=floating, accepts=REAL, samples=binary(0.2, 3.0),
    grad={"x": lambda g, x, y: g * y * _over_square(x, y), "y": lambda g, x, y: -g * x * _over_square(x, y)},
)  # fmt: skip


def _lower_hypot(x: Any, y: Any) -> Any:
    """In float64, where squares of float32 neither overflow nor vanish; infinity beats NaN."""
    a, b = x.cast(dt.float64), y.cast(dt.float64)
    length = e.sqrt(a * a + b * b).cast(x.dtype)
    return e.where(e.absolute(x).eq(math.inf) | e.absolute(y).eq(math.inf), math.inf, length)


hypot = pointwise(
    "hypot", **_xy(np.hypot), accepts=(dt.FLOAT, dt.FLOAT), samples=binary(0.2, 3.0),
    lower=_single_only(_lower_hypot),
    grad={"x": lambda g, x, out: g * x / out, "y": lambda g, y, out: g * y / out},
)  # fmt: skip
neg = pointwise("neg", np.negative, lower=lambda x: -x, accepts=NO_BOOL, grad=lambda g: -g, samples=unary())
absolute = pointwise(
    "abs", np.abs, lower=e.absolute, accepts=NO_BOOL, result=real, grad=lambda g, x: g * x.sgn(),
    samples=unary(),
)  # fmt: skip


def _sign(x: np.ndarray) -> np.ndarray:
    """-1, 0 or 1, and 0 for NaN."""
    return np.sign(x) if x.dtype.kind == "c" else np.subtract(x > 0, x < 0, dtype=np.int8)


def _lower_sign(x: Any) -> Any:
    if x.dtype is dt.bool_:
        return x
    return e.where(x > 0, e.const(1, x.dtype), e.where(x < 0, e.const(-1, x.dtype), 0))


sign = pointwise("sign", _sign, lower=_lower_sign, accepts=REAL, grad=_flat, samples=unary())
sgn = pointwise("sgn", _sign, lower=_lower_sign, grad=lambda g, x, out: _sgn_grad(g, x, out), samples=unary())
reciprocal = pointwise(
    "reciprocal",
    np.reciprocal,
    lower=lambda x: 1 / x,
    compute=floating,
    grad=lambda g, out: -g * (out * out).conj(),
    samples=unary(0.4, 3.0),
)
square = pointwise(
    "square",
    np.square,
    lower=lambda x: x * x,
    compute=lambda d: dt.int64 if d is dt.bool_ else d,
    grad=lambda g, x: g * (2 * x).conj(),
    samples=unary(),
)
relu = pointwise(
    "relu",
    lambda x: np.maximum(x, x.dtype.type(0)),
    lower=lambda x: e.maximum(x, 0),
    accepts=NO_BOOL_REAL,
    grad=lambda g, out: relu_grad(g, out),
    samples=unary(),
)
# `g` where relu's result is positive.
relu_grad = pointwise(
    "relu_grad",
    lambda g, y: np.where(y <= 0, g.dtype.type(0), g),
    inputs="g y",
    accepts=NO_BOOL_REAL,
    lower=lambda g, y: e.where(y <= 0, 0, g),
    grad={"g": lambda g, y: relu_grad(g, y)},
    samples=binary(),
)


def _sgn_grad(g: Any, x: Any, out: Any) -> Any:
    """Zero for real numbers; for complex ones the part of `g` across the direction of `x`, over |x|."""
    if not x.is_complex():
        return _flat(g)
    return ((g - out * (g * out.conj()).real) / x.abs()).where(x != 0, 0.0)


# ----- rounding -----


def _round(x: np.ndarray) -> np.ndarray:
    return np.rint(x) if x.dtype.kind == "f" else x.copy()  # rint makes floats of whole numbers


floor = pointwise("floor", np.floor, lower=e.floor, accepts=NO_BOOL_REAL, grad=_flat, samples=unary())
ceil = pointwise("ceil", np.ceil, lower=e.ceil, accepts=NO_BOOL_REAL, grad=_flat, samples=unary())
trunc = pointwise("trunc", np.trunc, lower=e.trunc, accepts=NO_BOOL_REAL, grad=_flat, samples=unary())
round = pointwise("round", _round, lower=e.rint, accepts=NO_BOOL_REAL, grad=_flat, samples=unary())

# ----- powers, exponentials, logarithms -----

_float: dict[str, Any] = {"compute": floating}
_float_real: dict[str, Any] = {"compute": floating, "accepts": REAL}
LN2, LN10 = math.log(2.0), math.log(10.0)

sqrt = pointwise(
    "sqrt", np.sqrt, lower=e.sqrt, **_float, grad=lambda g, out: g / (2 * out).conj(), samples=unary(0.1, 4.0)
)
rsqrt = pointwise(
    "rsqrt",
    lambda x: 1 / np.sqrt(x),
    lower=e.rsqrt,
    **_float,
    grad=lambda g, out: g * (out * out * out * -0.5).conj(),
    samples=unary(0.2, 4.0),
)
exp = pointwise("exp", np.exp, lower=e.exp, **_float, grad=lambda g, out: g * out.conj(), samples=unary())
exp2 = pointwise(
    "exp2", np.exp2, lower=e.exp2, **_float, grad=lambda g, out: g * (out * LN2).conj(), samples=unary()
)
expm1 = pointwise(
    "expm1", np.expm1, lower=e.expm1, **_float, grad=lambda g, out: g * (out + 1).conj(), samples=unary()
)
log = pointwise("log", np.log, lower=e.log, **_float, grad=lambda g, x: g / x.conj(), samples=unary(0.1, 4.0))
log2 = pointwise(
    "log2", np.log2, lower=e.log2, **_float, grad=lambda g, x: g / (x * LN2).conj(), samples=unary(0.1, 4.0)
)


def _log10(x: np.ndarray) -> np.ndarray:
    if x.dtype != np.float32:
        return np.log10(x)
    return np.log10(x, dtype=np.float64).astype(np.float32)  # NumPy's own in float32 misses log10(100) = 2


log10 = pointwise(
    "log10", _log10, lower=e.log10, **_float, grad=lambda g, x: g / (x * LN10).conj(), samples=unary(0.1, 4.0)
)
log1p = pointwise(
    "log1p", np.log1p, lower=e.log1p, **_float, grad=lambda g, x: g / (x + 1).conj(), samples=unary(-0.9, 3.0)
)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))  # where exp overflows the quotient is 0, as it should be


sigmoid = pointwise(
    "sigmoid",
    _sigmoid,
    lower=e.sigmoid,
    **_float,
    grad=lambda g, out: g * (out * (1 - out)).conj(),
    samples=unary(),
)


def log_add_exp(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """log(exp(x) + exp(y)): of complex numbers, that with the larger real part is taken out, and keeps its
    turns around zero."""
    if x.dtype.kind != "c":
        return np.logaddexp(x, y)
    low, high = np.where(x.real < y.real, x, y), np.where(x.real < y.real, y, x)
    return np.log1p(np.exp(low - high)) + high


def _lower_log_add_exp(x: Any, y: Any) -> Any:
    more = e.log1p(e.exp(-e.absolute(x - y)))
    return e.where(x.eq(y), x + math.log(2), e.maximum(x, y) + more)  # equal ones may be infinite


logaddexp = pointwise(
    "logaddexp", **_xy(log_add_exp), lower=_lower_log_add_exp, accepts=FLOATING, samples=binary(),
    grad={
        "x": lambda g, x, y: g * (x - y).sigmoid().conj(),
        "y": lambda g, x, y: g * (y - x).sigmoid().conj(),
    },
)  # fmt: skip

logit = pointwise(
    "logit",
    lambda x: np.log(x / (1 - x)),
    lower=lambda x: e.log(x / (1 - x)),
    **_float_real,
    grad=lambda g, x: g / (x * (1 - x)),
    samples=unary(0.05, 0.95),
)

# ----- trigonometric and hyperbolic -----

sin = pointwise("sin", np.sin, lower=e.sin, **_float, grad=lambda g, x: g * x.cos().conj(), samples=unary())
cos = pointwise("cos", np.cos, lower=e.cos, **_float, grad=lambda g, x: -g * x.sin().conj(), samples=unary())
tan = pointwise(
    "tan",
    np.tan,
    lower=e.tan,
    **_float,
    grad=lambda g, out: g * (1 + out * out).conj(),
    samples=unary(-1.3, 1.3),
)
asin = pointwise(
    "asin",
    np.arcsin,
    lower=e.asin,
    **_float,
    grad=lambda g, x: g * (1 - x * x).rsqrt().conj(),
    samples=unary(-0.9, 0.9),
)
acos = pointwise(
    "acos",
    np.arccos,
    lower=e.acos,
    **_float,
    grad=lambda g, x: -g * (1 - x * x).rsqrt().conj(),
    samples=unary(-0.9, 0.9),
)
atan = pointwise(
    "atan", np.arctan, lower=e.atan, **_float, grad=lambda g, x: g / (1 + x * x).conj(), samples=unary()
)
sinh = pointwise(
    "sinh", np.sinh, lower=e.sinh, **_float, grad=lambda g, x: g * x.cosh().conj(), samples=unary()
)
cosh = pointwise(
    "cosh", np.cosh, lower=e.cosh, **_float, grad=lambda g, x: g * x.sinh().conj(), samples=unary()
)
tanh = pointwise(
    "tanh", np.tanh, lower=e.tanh, **_float, grad=lambda g, out: g * (1 - out * out).conj(), samples=unary()
)
asinh = pointwise(
    "asinh",
    np.arcsinh,
    lower=e.asinh,
    **_float,
    grad=lambda g, x: g * (x * x + 1).rsqrt().conj(),
    samples=unary(),
)
acosh = pointwise(
    "acosh",
    np.arccosh,
    lower=e.acosh,
    **_float,
    grad=lambda g, x: g * ((x - 1).rsqrt() * (x + 1).rsqrt()).conj(),
    samples=unary(1.2, 4.0),
)
atanh = pointwise(
    "atanh",
    np.arctanh,
    lower=e.atanh,
    **_float,
    grad=lambda g, x: g / (1 - x * x).conj(),
    samples=unary(-0.9, 0.9),
)

# ----- special functions -----

TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

erf = pointwise(
    "erf",
    special.erf,
    lower=e.erf,
    **_float_real,
    grad=lambda g, x: g * (-x * x).exp() * TWO_OVER_ROOT_PI,
    samples=unary(),
)
erfc = pointwise(
    "erfc",
    special.erfc,
    lower=e.erfc,
    **_float_real,
    grad=lambda g, x: g * (-x * x).exp() * -TWO_OVER_ROOT_PI,
    samples=unary(),
)
erfinv = pointwise(
    "erfinv",
    special.erfinv,
    lower=_single_only(e.erfinv),
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
eq = pointwise("eq", np.equal, lower=lambda x, y: x.eq(y), **_compare)
ne = pointwise("ne", np.not_equal, lower=lambda x, y: x.ne(y), **_compare)
lt = pointwise("lt", np.less, lower=lambda x, y: x < y, accepts=REAL, **_compare)
le = pointwise("le", np.less_equal, lower=lambda x, y: x <= y, accepts=REAL, **_compare)
gt = pointwise("gt", np.greater, lower=lambda x, y: x > y, accepts=REAL, **_compare)
ge = pointwise("ge", np.greater_equal, lower=lambda x, y: x >= y, accepts=REAL, **_compare)


def _truth(x: Any) -> Any:
    return x.cast(dt.bool_)


_logic: dict[str, Any] = {"result": boolean, "inputs": "x y", "samples": boolean_binary}
logical_and = pointwise("logical_and", np.logical_and, lower=lambda x, y: _truth(x) & _truth(y), **_logic)
logical_or = pointwise("logical_or", np.logical_or, lower=lambda x, y: _truth(x) | _truth(y), **_logic)
logical_xor = pointwise("logical_xor", np.logical_xor, lower=lambda x, y: _truth(x) ^ _truth(y), **_logic)
logical_not = pointwise(
    "logical_not", np.logical_not, lower=lambda x: ~_truth(x), result=boolean, samples=unary()
)

_bits: dict[str, Any] = {"inputs": "x y", "accepts": WHOLE, "samples": integer_binary}
bitwise_and = pointwise("bitwise_and", np.bitwise_and, lower=lambda x, y: x & y, **_bits)
bitwise_or = pointwise("bitwise_or", np.bitwise_or, lower=lambda x, y: x | y, **_bits)
bitwise_xor = pointwise("bitwise_xor", np.bitwise_xor, lower=lambda x, y: x ^ y, **_bits)
bitwise_not = pointwise("bitwise_not", np.invert, lower=lambda x: ~x, accepts=WHOLE, samples=integer_unary)
_shifts = fixed(Sample((np.array([1, 5, -7, 64]), np.array([0, 2, 1, 3]))))
left_shift = pointwise(
    "left_shift", np.left_shift, lower=lambda x, y: x << y, inputs="x y", accepts=(dt.INTEGER, dt.INTEGER),
    samples=_shifts,
)  # fmt: skip
right_shift = pointwise(
    "right_shift", np.right_shift, lower=lambda x, y: x >> y, inputs="x y", accepts=(dt.INTEGER, dt.INTEGER),
    samples=_shifts,
)  # fmt: skip


def _if_float(f: Any, otherwise: bool) -> Any:
    """The lowering of a test of floats that has one answer for all other numbers."""
    return lambda x: f(x) if x.dtype.is_floating_point else e.const(otherwise, dt.bool_)


def _lower_signbit(x: Any) -> Any:
    if not x.dtype.is_floating_point:
        return e.const(False, dt.bool_) if x.dtype is dt.bool_ else x < 0
    return x.bits(dt.int64 if x.dtype is dt.float64 else dt.int32) < 0


isnan = pointwise(
    "isnan", np.isnan, lower=_if_float(lambda x: x.ne(x), False), result=boolean, samples=unary()
)
isinf = pointwise(
    "isinf", np.isinf, lower=_if_float(lambda x: e.absolute(x).eq(math.inf), False), result=boolean,
    samples=unary(),
)  # fmt: skip
isfinite = pointwise(
    "isfinite", np.isfinite, lower=_if_float(lambda x: e.absolute(x) < math.inf, True), result=boolean,
    samples=unary(),
)  # fmt: skip
signbit = pointwise(
    "signbit", np.signbit, lower=_lower_signbit, accepts=REAL, result=boolean, samples=unary()
)

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
    lower=lambda condition, x, y: e.where(_truth(condition), x, y),
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
conj = pointwise(
    "conj", np.conj, lower=lambda x: x, grad=lambda g: g.conj(),
    samples=lambda: [*_complex_samples(), *unary()()],
)  # fmt: skip


def _angle(x: np.ndarray) -> np.ndarray:
    """The angle of a complex number; of a real one 0, pi (for negative ones) or NaN."""
    return (
        np.angle(x)
        if x.dtype.kind == "c"
        else np.where(x < 0, x.dtype.type(math.pi), np.where(x == x, x.dtype.type(0), x))
    )


def _lower_angle(x: Any) -> Any:
    return e.where(x < 0, e.const(math.pi, x.dtype), e.where(x.eq(x), 0.0, x))


angle = pointwise(
    "angle", _angle, lower=_lower_angle, compute=floating, result=real,
    samples=lambda: [*_complex_samples(), *unary()()],
    grad=lambda g, x: _angle_grad(g, x),
)  # fmt: skip


def _angle_grad(g: Any, x: Any) -> Any:
    """d angle = (re d im - im d re) / |x|^2, written as one complex number; zero for real numbers."""
    if not x.is_complex():
        return _flat(g)
    return make_complex(-g * x.imag, g * x.real) / (x.real * x.real + x.imag * x.imag)
