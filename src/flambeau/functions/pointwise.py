"""Element-by-element functions."""

from __future__ import annotations

import builtins
from typing import Any, Protocol

from ..core import dtype as dt
from ..core.tensor import Tensor
from ..ops import pointwise as ops
from ..ops.kinds import Pointwise, cast, opmath, result_type
from ..ops.op import check_tensor
from .calling import deliver, write

Number = bool | int | float | complex
Operand = Tensor | Number


# ----- one operand -----

_UNARY_EXAMPLES = {
    "abs": ("|x|; the modulus of complex numbers", "torch.tensor([-1., 2.])", "tensor([1., 2.])"),
    "neg": ("-x", "torch.tensor([1, -2])", "tensor([-1,  2])"),
    "sign": ("-1, 0 or 1 by the sign of x", "torch.tensor([-3., 0., 2.])", "tensor([-1.,  0.,  1.])"),
    "sgn": ("x / |x|, and 0 for 0", "torch.tensor([-3., 0., 2.])", "tensor([-1.,  0.,  1.])"),
    "square": ("x²", "torch.tensor([3.])", "tensor([9.])"),
    "reciprocal": ("1 / x", "torch.tensor([4.])", "tensor([0.2500])"),
    "floor": ("the largest whole number <= x", "torch.tensor([-1.5, 1.5])", "tensor([-2.,  1.])"),
    "ceil": ("the smallest whole number >= x", "torch.tensor([-1.5, 1.5])", "tensor([-1.,  2.])"),
    "trunc": ("x without its fraction", "torch.tensor([-1.5, 1.5])", "tensor([-1.,  1.])"),
    "sqrt": ("the square root of x", "torch.tensor([4.])", "tensor([2.])"),
    "rsqrt": ("1 / sqrt(x)", "torch.tensor([4.])", "tensor([0.5000])"),
    "exp": ("e to the power x", "torch.tensor([0.])", "tensor([1.])"),
    "exp2": ("2 to the power x", "torch.tensor([3.])", "tensor([8.])"),
    "expm1": ("exp(x) - 1, exact near 0", "torch.tensor([0.])", "tensor([0.])"),
    "log": ("the natural logarithm of x", "torch.tensor([1.])", "tensor([0.])"),
    "log2": ("the logarithm of x to base 2", "torch.tensor([8.])", "tensor([3.])"),
    "log10": ("the logarithm of x to base 10", "torch.tensor([100.])", "tensor([2.])"),
    "log1p": ("log(1 + x), exact near 0", "torch.tensor([0.])", "tensor([0.])"),
    "sin": ("the sine of x (radians)", "torch.tensor([0.])", "tensor([0.])"),
    "cos": ("the cosine of x (radians)", "torch.tensor([0.])", "tensor([1.])"),
    "tan": ("the tangent of x (radians)", "torch.tensor([0.])", "tensor([0.])"),
    "asin": ("the angle (radians) whose sine is x", "torch.tensor([1.])", "tensor([1.5708])"),
    "acos": ("the angle (radians) whose cosine is x", "torch.tensor([1.])", "tensor([0.])"),
    "atan": ("the angle (radians) whose tangent is x", "torch.tensor([1.])", "tensor([0.7854])"),
    "sinh": ("the hyperbolic sine of x", "torch.tensor([0.])", "tensor([0.])"),
    "cosh": ("the hyperbolic cosine of x", "torch.tensor([0.])", "tensor([1.])"),
    "tanh": ("the hyperbolic tangent of x", "torch.tensor([0.])", "tensor([0.])"),
    "asinh": ("the inverse of sinh", "torch.tensor([0.])", "tensor([0.])"),
    "acosh": ("the inverse of cosh, for x >= 1", "torch.tensor([1.])", "tensor([0.])"),
    "atanh": ("the inverse of tanh, for |x| < 1", "torch.tensor([0.])", "tensor([0.])"),
    "sigmoid": ("1 / (1 + exp(-x))", "torch.tensor([0.])", "tensor([0.5000])"),
    "erf": ("2/sqrt(pi) times the integral of exp(-t²) from 0 to x", "torch.tensor([0.])", "tensor([0.])"),
    "erfc": ("1 - erf(x), exact for large x", "torch.tensor([0.])", "tensor([1.])"),
    "erfinv": ("the inverse of erf", "torch.tensor([0.])", "tensor([0.])"),
    "lgamma": ("the logarithm of |gamma(x)|", "torch.tensor([1.])", "tensor([0.])"),
    "digamma": ("the derivative of lgamma", "torch.tensor([1.])", "tensor([-0.5772])"),
    "relu": ("max(x, 0)", "torch.tensor([-1., 2.])", "tensor([0., 2.])"),
    "bitwise_not": ("all bits inverted (logical not for bool)", "torch.tensor([0, 5])", "tensor([-1, -6])"),
    "logical_not": ("whether x is zero", "torch.tensor([0, 5])", "tensor([ True, False])"),
    "isnan": ("whether x is not a number", "torch.tensor([1., float('nan')])", "tensor([False,  True])"),
    "isinf": ("whether x is infinite", "torch.tensor([1., float('inf')])", "tensor([False,  True])"),
    "isfinite": (
        "whether x is a finite number",
        "torch.tensor([1., float('inf')])",
        "tensor([ True, False])",
    ),
    "signbit": (
        "whether the sign of x is negative (of -0. too)",
        "torch.tensor([-0., 1.])",
        "tensor([ True, False])",
    ),
    "angle": (
        "the angle of a complex number; pi for negative real ones",
        "torch.tensor([-1., 1.])",
        "tensor([3.1416, 0.0000])",
    ),
}


class Unary(Protocol):
    """A function of one tensor, element by element."""

    def __call__(self, input: Tensor, *, out: Tensor | None = None) -> Tensor: ...


class Binary(Protocol):
    """A function of a tensor and a tensor or number, element by element."""

    def __call__(self, input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor: ...


def _unary(name: str, op: Pointwise) -> Unary:
    what, x, y = _UNARY_EXAMPLES[name]

    def with_out(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        return deliver(name, op(check_tensor(name, "input", input)), out)

    def without_out(input: Tensor) -> Tensor:
        return op(check_tensor(name, "input", input))

    function: Any = without_out if name in ("relu", "isnan", "isinf", "isfinite") else with_out
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Element by element {what}. Any shape; the result has the same.\n\n"
        f"    >>> import flambeau as torch\n    >>> torch.{name}({x})\n    {y}\n    "
    )
    return function


_WHOLE_UNCHANGED = ("floor", "ceil", "trunc")
abs = absolute = _unary("abs", ops.absolute)
neg = negative = _unary("neg", ops.neg)
sign, sgn, square, reciprocal = (_unary(n, getattr(ops, n)) for n in ("sign", "sgn", "square", "reciprocal"))
floor, ceil, trunc = (_unary(n, getattr(ops, n)) for n in _WHOLE_UNCHANGED)
fix = trunc
sqrt, rsqrt = (_unary(n, getattr(ops, n)) for n in ("sqrt", "rsqrt"))
exp, exp2, expm1 = (_unary(n, getattr(ops, n)) for n in ("exp", "exp2", "expm1"))
log, log2, log10, log1p = (_unary(n, getattr(ops, n)) for n in ("log", "log2", "log10", "log1p"))
sin, cos, tan = (_unary(n, getattr(ops, n)) for n in ("sin", "cos", "tan"))
asin, acos, atan = (_unary(n, getattr(ops, n)) for n in ("asin", "acos", "atan"))
sinh, cosh, tanh = (_unary(n, getattr(ops, n)) for n in ("sinh", "cosh", "tanh"))
asinh, acosh, atanh = (_unary(n, getattr(ops, n)) for n in ("asinh", "acosh", "atanh"))
arcsin, arccos, arctan, arcsinh, arccosh, arctanh = asin, acos, atan, asinh, acosh, atanh
sigmoid = expit = _unary("sigmoid", ops.sigmoid)
erf, erfc, erfinv = (_unary(n, getattr(ops, n)) for n in ("erf", "erfc", "erfinv"))
lgamma, digamma = (_unary(n, getattr(ops, n)) for n in ("lgamma", "digamma"))
relu = _unary("relu", ops.relu)
bitwise_not, logical_not = (_unary(n, getattr(ops, n)) for n in ("bitwise_not", "logical_not"))
isnan, isinf, isfinite, signbit = (
    _unary(n, getattr(ops, n)) for n in ("isnan", "isinf", "isfinite", "signbit")
)
angle = _unary("angle", ops.angle)


def _floating(what: str, *xs: Any) -> Any:
    """The first of the tensors; NotImplementedError unless all are of real floating dtypes."""
    for x in xs:
        if isinstance(x, Tensor) and not x._node.dtype.is_floating_point:
            raise NotImplementedError(
                f'{what}: "{what}_cpu" not implemented for dtype {x.dtype}; convert it with .float()'
            )
    return xs[0]


def positive(input: Tensor) -> Tensor:
    """The input itself. RuntimeError for bool.

    >>> import flambeau as torch
    >>> torch.positive(torch.tensor([1.]))
    tensor([1.])
    """
    if check_tensor("positive", "input", input).dtype is dt.bool_:
        raise RuntimeError("positive: The `+` operator, on a bool tensor is not supported.")
    return input


def round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """Rounds to the nearest whole number (or to `decimals` places), halves to even.

    >>> import flambeau as torch
    >>> torch.round(torch.tensor([0.5, 1.5, 2.4]))
    tensor([0., 2., 2.])
    """
    if decimals == 0:
        return deliver("round", ops.round(input), out)
    (x,) = _together(_floating("round", input)._node.dtype, input)  # a scaled float16 would overflow
    scale = 10.0**decimals if decimals > 0 else 10.0**-decimals
    scaled = ops.round(x * scale) / scale if decimals > 0 else ops.round(x / scale) * scale
    return deliver("round", scaled.to(input.dtype), out)


def frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """x - trunc(x).

    >>> import flambeau as torch
    >>> torch.frac(torch.tensor([2.5, -1.25]))
    tensor([ 0.5000, -0.2500])
    """
    return deliver("frac", ops.sub(_floating("frac", input), ops.trunc(input)), out)


def conj(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor itself.

    >>> import flambeau as torch
    >>> torch.conj(torch.tensor([1. + 2.j]))
    tensor([1.-2.j])
    """
    return (
        ops.conj(input) if check_tensor("conj", "input", input)._node.dtype.category == dt.COMPLEX else input
    )


# ----- two operands -----


def _binary(what: str, op: Pointwise, x: Any, y: Any, out: Tensor | None) -> Tensor:
    return deliver(what, op(x, y), out)


def add(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """input + alpha * other, with broadcasting and type promotion.

    >>> import flambeau as torch
    >>> torch.add(torch.tensor([1, 2]), 10)
    tensor([11, 12])
    """
    if type(alpha) is float and out is None and _same_floats(input, other):
        sum_: Tensor = ops.add_scaled(input, other, alpha)
        return sum_
    return _binary("add", ops.add, input, other if alpha == 1 else _scaled("add", input, other, alpha), out)


def sub(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """input - alpha * other, with broadcasting and type promotion. RuntimeError for bool.

    >>> import flambeau as torch
    >>> torch.sub(torch.tensor([1, 2]), 1)
    tensor([0, 1])
    """
    return _binary("sub", ops.sub, input, other if alpha == 1 else _scaled("sub", input, other, alpha), out)


subtract = sub


def _same_floats(x: Any, y: Any) -> bool:
    """Whether both are tensors of the same floating dtype."""
    if not (isinstance(x, Tensor) and isinstance(y, Tensor)):
        return False
    return x._node.dtype is y._node.dtype and x._node.dtype.category == dt.FLOAT


def _scaled(what: str, x: Any, y: Any, alpha: Number) -> Any:
    """alpha * y; RuntimeError if alpha is of a higher category than the result."""
    d = result_type(what, (x, y))
    if dt.of_scalar(alpha).category > d.category and d.category < dt.FLOAT:
        raise RuntimeError(
            f"{what}: For integral input tensors, argument alpha must not be a floating point number."
        )
    return y * alpha


def rsub(input: Tensor, other: Operand, *, alpha: Number = 1) -> Tensor:
    """other - alpha * input.

    >>> import flambeau as torch
    >>> torch.rsub(torch.tensor([1, 2]), 10)
    tensor([9, 8])
    """
    check_tensor("rsub", "input", input)
    return ops.sub(other, input if alpha == 1 else _scaled("rsub", other, input, alpha))


def mul(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """input * other, with broadcasting and type promotion.

    >>> import flambeau as torch
    >>> torch.mul(torch.tensor([1., 2.]), torch.tensor([[1.], [10.]]))
    tensor([[ 1.,  2.],
            [10., 20.]])
    """
    return _binary("mul", ops.mul, input, other, out)


multiply = mul


def div(
    input: Operand, other: Operand, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """input / other (whole numbers give floats); with `rounding_mode` "trunc" or "floor" the rounded
    quotient.

    >>> import flambeau as torch
    >>> torch.div(torch.tensor([7, -7]), 2), torch.div(torch.tensor([7, -7]), 2, rounding_mode="trunc")
    (tensor([ 3.5000, -3.5000]), tensor([ 3, -3]))
    """
    if rounding_mode is None:
        return _binary("div", ops.div, input, other, out)
    if rounding_mode == "floor":
        return floor_divide(input, other, out=out)
    if rounding_mode != "trunc":
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    return _binary("div", ops.trunc_divide, input, other, out)


divide = div


def true_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """input / other as floats.

    >>> import flambeau as torch
    >>> torch.true_divide(torch.tensor([1, 2]), 2)
    tensor([0.5000, 1.0000])
    """
    return _binary("true_divide", ops.div, input, other, out)


def floor_divide(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """floor(input / other). RuntimeError for a whole number by zero.

    >>> import flambeau as torch
    >>> torch.floor_divide(torch.tensor([7, -7]), 2)
    tensor([ 3, -4])
    """
    return _binary("floor_divide", ops.floor_divide, input, other, out)


def remainder(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The remainder with the sign of `other` (Python's %). RuntimeError for a whole number by zero.

    >>> import flambeau as torch
    >>> torch.remainder(torch.tensor([-3, 3]), 2)
    tensor([1, 1])
    """
    return _binary("remainder", ops.remainder, input, other, out)


def fmod(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    """The remainder with the sign of `input` (C's fmod).

    >>> import flambeau as torch
    >>> torch.fmod(torch.tensor([-3, 3]), 2)
    tensor([-1,  1])
    """
    return _binary("fmod", ops.fmod, check_tensor("fmod", "input", input), other, out)


def pow(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """input ** exponent. RuntimeError for whole numbers to negative powers.

    >>> import flambeau as torch
    >>> torch.pow(torch.tensor([1., 2., 3.]), 2)
    tensor([1., 4., 9.])
    """
    if isinstance(exponent, bool) and isinstance(input, Tensor) and input._node.dtype is dt.bool_:
        return deliver("pow", ops.logical_or(input, not exponent), out)
    if (
        isinstance(exponent, int)
        and exponent < 0
        and isinstance(input, Tensor)
        and input._node.dtype.category <= dt.INTEGER
    ):
        raise RuntimeError(
            f"pow: Integers to negative integer powers are not allowed, got {exponent}; convert the base to "
            f"a float dtype"
        )
    if (
        isinstance(input, Tensor)
        and not isinstance(exponent, (Tensor, builtins.complex))
        and input._node.dtype.category >= dt.FLOAT
    ):
        if exponent == 2:
            return deliver("pow", ops.square(input), out)
        if exponent == 0.5:
            return deliver("pow", ops.sqrt(input), out)
    return _binary("pow", ops.pow, input, exponent, out)


def float_power(input: Operand, exponent: Operand, *, out: Tensor | None = None) -> Tensor:
    """input ** exponent in float64 (complex128 for complex).

    >>> import flambeau as torch
    >>> torch.float_power(torch.tensor([2]), 3)
    tensor([8.], dtype=torch.float64)
    """
    d = dt.complex128 if result_type("float_power", (input, exponent)).is_complex else dt.float64
    x, y = (t.to(d) if isinstance(t, Tensor) else t for t in (input, exponent))
    if out is not None and out.dtype is not d:
        raise RuntimeError(
            f"float_power: the output given has dtype {out.dtype} but the operation's result requires dtype "
            f"{d}"
        )
    return deliver("float_power", ops.pow(x, y), out)


def _float_power_(self: Tensor, exponent: Operand) -> Tensor:
    """Raises this tensor, which must be float64 or complex128 already, to a power in place."""
    r = float_power(self, exponent)
    if r._node.dtype is not self._node.dtype:
        raise RuntimeError(
            f"float_power_: the base has dtype {self.dtype} but the operation's result requires dtype "
            f"{r.dtype}; convert it first"
        )
    return write("float_power_", self, r)


def _abs_(self: Tensor) -> Tensor:
    """Makes all elements positive in place. RuntimeError for complex numbers, whose moduli are real."""
    if self._node.dtype.is_complex:
        raise RuntimeError("abs_: In-place abs is not supported for complex tensors; use abs()")
    return write("abs_", self, abs(self))


def maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of two, NaN if either is.

    >>> import flambeau as torch
    >>> torch.maximum(torch.tensor([1, 5]), torch.tensor([3, 2]))
    tensor([3, 5])
    """
    return _binary(
        "maximum",
        ops.maximum,
        check_tensor("maximum", "input", input),
        check_tensor("maximum", "other", other),
        out,
    )


def minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of two, NaN if either is.

    >>> import flambeau as torch
    >>> torch.minimum(torch.tensor([1, 5]), torch.tensor([3, 2]))
    tensor([1, 2])
    """
    return _binary(
        "minimum",
        ops.minimum,
        check_tensor("minimum", "input", input),
        check_tensor("minimum", "other", other),
        out,
    )


def atan2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle (radians) of the point (other, input).

    >>> import flambeau as torch
    >>> torch.atan2(torch.tensor([1.]), torch.tensor([0.]))
    tensor([1.5708])
    """
    return _binary(
        "atan2", ops.atan2, check_tensor("atan2", "input", input), check_tensor("atan2", "other", other), out
    )


arctan2 = atan2


def hypot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """sqrt(input² + other²).

    >>> import flambeau as torch
    >>> torch.hypot(torch.tensor([3.]), torch.tensor([4.]))
    tensor([5.])
    """
    return _binary(
        "hypot", ops.hypot, check_tensor("hypot", "input", input), check_tensor("hypot", "other", other), out
    )


def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(exp(input) + exp(other)) without overflow.

    >>> import flambeau as torch
    >>> torch.logaddexp(torch.tensor([0.]), torch.tensor([0.]))
    tensor([0.6931])
    """
    x, y = check_tensor("logaddexp", "input", input), check_tensor("logaddexp", "other", other)
    return _binary("logaddexp", ops.logaddexp, x, y, out)


_BINARY_EXAMPLES = {
    "eq": ("input == other", "torch.tensor([1, 2]), 2", "tensor([False,  True])"),
    "ne": ("input != other", "torch.tensor([1, 2]), 2", "tensor([ True, False])"),
    "lt": ("input < other", "torch.tensor([1, 2]), 2", "tensor([ True, False])"),
    "le": ("input <= other", "torch.tensor([1, 3]), 2", "tensor([ True, False])"),
    "gt": ("input > other", "torch.tensor([1, 3]), 2", "tensor([False,  True])"),
    "ge": ("input >= other", "torch.tensor([1, 2]), 2", "tensor([False,  True])"),
    "logical_and": (
        "whether both are nonzero",
        "torch.tensor([0, 2]), torch.tensor([1, 1])",
        "tensor([False,  True])",
    ),
    "logical_or": (
        "whether one is nonzero",
        "torch.tensor([0, 2]), torch.tensor([0, 1])",
        "tensor([False,  True])",
    ),
    "logical_xor": (
        "whether just one is nonzero",
        "torch.tensor([0, 2]), torch.tensor([1, 1])",
        "tensor([ True, False])",
    ),
    "bitwise_and": ("input & other", "torch.tensor([5, 3]), 1", "tensor([1, 1])"),
    "bitwise_or": ("input | other", "torch.tensor([4, 3]), 1", "tensor([5, 3])"),
    "bitwise_xor": ("input ^ other", "torch.tensor([5, 3]), 1", "tensor([4, 2])"),
    "bitwise_left_shift": ("input << other", "torch.tensor([1, 2]), 1", "tensor([2, 4])"),
    "bitwise_right_shift": ("input >> other", "torch.tensor([4, 2]), 1", "tensor([2, 1])"),
}


def _compare(name: str, op: Pointwise) -> Binary:
    what, args, result = _BINARY_EXAMPLES[name]

    def function(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
        if not name.startswith("bitwise"):
            check_tensor(name, "input", input)
        if name.startswith("logical"):
            check_tensor(name, "other", other)
        return deliver(name, op(input, other), out)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Element by element {what}, with broadcasting and type promotion.\n\n"
        f"    >>> import flambeau as torch\n    >>> torch.{name}({args})\n    {result}\n    "
    )
    return function


eq, ne, lt, le, gt, ge = (_compare(n, getattr(ops, n)) for n in ("eq", "ne", "lt", "le", "gt", "ge"))
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge
logical_and, logical_or, logical_xor = (
    _compare(n, getattr(ops, n)) for n in ("logical_and", "logical_or", "logical_xor")
)
bitwise_and, bitwise_or, bitwise_xor = (
    _compare(n, getattr(ops, n)) for n in ("bitwise_and", "bitwise_or", "bitwise_xor")
)
bitwise_left_shift = _compare("bitwise_left_shift", ops.left_shift)
bitwise_right_shift = _compare("bitwise_right_shift", ops.right_shift)


# ----- choice and limits -----


def _together(d: dt.dtype, *xs: Tensor) -> tuple[Tensor, ...]:
    """The tensors in the dtype in which several operations on `d` that round once compute: float32 for the
    16-bit types."""
    wide = opmath(d)
    return tuple(x if x._node.dtype is wide else cast(x, wide) for x in xs)
