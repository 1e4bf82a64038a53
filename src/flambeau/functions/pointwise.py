"""Element-by-element functions."""

from __future__ import annotations

import builtins
from typing import Any, Protocol

from ..core import dtype as dt
from ..core.tensor import Tensor
from ..ops import pointwise as ops
from ..ops.creation import full
from ..ops.kinds import Pointwise, cast, floating, opmath, result_type
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


def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(x / (1 - x)), the inverse of sigmoid; with `eps`, x is first clamped to [eps, 1 - eps].

    >>> import flambeau as torch
    >>> torch.logit(torch.tensor([0.5]))
    tensor([0.])
    """
    if check_tensor("logit", "input", input)._node.dtype.is_complex:
        _floating("logit", input)
    input = input.to(floating(input._node.dtype))
    x = input if eps is None else clamp(input, eps, 1 - eps)
    return deliver("logit", ops.log(ops.div(x, ops.sub(1, x))), out)


# ----- two operands -----


def _binary(what: str, op: Pointwise, x: Any, y: Any, out: Tensor | None) -> Tensor:
    return deliver(what, op(x, y), out)


def add(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """input + alpha * other, with broadcasting and type promotion.

    >>> import flambeau as torch
    >>> torch.add(torch.tensor([1, 2]), 10)
    tensor([11, 12])
    """
    return _binary("add", ops.add, input, other if alpha == 1 else _scaled("add", input, other, alpha), out)


def sub(input: Operand, other: Operand, *, alpha: Number = 1, out: Tensor | None = None) -> Tensor:
    """input - alpha * other, with broadcasting and type promotion. RuntimeError for bool.

    >>> import flambeau as torch
    >>> torch.sub(torch.tensor([1, 2]), 1)
    tensor([0, 1])
    """
    return _binary("sub", ops.sub, input, other if alpha == 1 else _scaled("sub", input, other, alpha), out)


subtract = sub


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
            return deliver("pow", ops.mul(input, input), out)
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


def where(
    condition: Tensor,
    input: Operand | None = None,
    other: Operand | None = None,
    *,
    out: Tensor | None = None,
) -> Any:
    """`input` where `condition`, else `other`, with broadcasting; with the condition alone, its nonzero
    positions as a tuple.

    >>> import flambeau as torch
    >>> torch.where(torch.tensor([True, False]), torch.tensor([1, 2]), 0)
    tensor([1, 0])
    """
    check_tensor("where", "condition", condition)
    if input is None and other is None:
        from .indexing import nonzero

        return nonzero(condition, as_tuple=True)
    if condition._node.dtype not in (dt.bool_, dt.uint8):
        raise RuntimeError(
            f"where: expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    if condition._node.dtype is dt.uint8:
        condition = cast(condition, dt.bool_)
    return deliver("where", choose(condition, input, other), out)


choose = ops.select  # `where` after the checks


def _where_method(self: Tensor, condition: Tensor, other: Operand) -> Tensor:
    """This tensor's elements where `condition`, else `other`'s."""
    return where(condition, self, other)


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Limits to [min, max]; either may be missing, a number or a tensor. Where the limits cross, max wins;
    NaN stays.

    >>> import flambeau as torch
    >>> torch.clamp(torch.tensor([-2., 0., 2.]), -1, 1)
    tensor([-1.,  0.,  1.])
    """
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    d = result_type("clamp", [v for v in (input, min, max) if v is not None])
    if d.is_complex or (d is dt.bool_ and min is not None and max is not None):
        raise NotImplementedError(f'clamp: "clamp_cpu" not implemented for dtype {d}; cast the input first')
    x = input if input._node.dtype is d else cast(input, d)
    min, max = (full(v, (), d) if isinstance(v, float) and v != v else v for v in (min, max))
    if min is not None:
        x = choose(ops.lt(x, min) if not isinstance(min, Tensor) else ops.lt(x, min) | ops.isnan(min), min, x)
    if max is not None:
        x = choose(ops.gt(x, max) if not isinstance(max, Tensor) else ops.gt(x, max) | ops.isnan(max), max, x)
    return deliver("clamp", x if x._node.dtype is d else cast(x, d), out)


clip = clamp


def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """Limits from below.

    >>> import flambeau as torch
    >>> torch.clamp_min(torch.tensor([-1., 2.]), 0)
    tensor([0., 2.])
    """
    return clamp(input, min, out=out)


def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """Limits from above.

    >>> import flambeau as torch
    >>> torch.clamp_max(torch.tensor([-1., 2.]), 0)
    tensor([-1.,  0.])
    """
    return clamp(input, None, max, out=out)


def lerp(input: Tensor, end: Tensor, weight: Operand, *, out: Tensor | None = None) -> Tensor:
    """input + weight * (end - input), counted from the nearer end.

    >>> import flambeau as torch
    >>> torch.lerp(torch.tensor([0.]), torch.tensor([10.]), 0.25)
    tensor([2.5000])
    """
    xs = [x for x in (input, end, weight) if isinstance(x, Tensor)]
    for x in xs:
        if x._node.dtype is not input._node.dtype:
            raise RuntimeError(
                f"lerp: expected dtype {input.dtype} for `end` and `weight` but got dtype {x.dtype}; "
                f"convert it with .to()"
            )
    if input._node.dtype.category < dt.FLOAT:
        _floating("lerp", input)
    if input._node.dtype in dt.HALVES:  # rounded once, at the end
        wide: Any = [x.float() if isinstance(x, Tensor) else x for x in (input, end, weight)]
        return deliver("lerp", lerp(*wide).to(input.dtype), out)
    difference = end - input
    if not isinstance(weight, Tensor):
        r = input + weight * difference if builtins.abs(weight) < 0.5 else end - difference * (1 - weight)
    else:
        r = where(weight.abs() < 0.5, input + weight * difference, end - difference * (1 - weight))
    return deliver("lerp", r, out)


def addcmul(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1, out: Tensor | None = None
) -> Tensor:
    """input + value * tensor1 * tensor2.

    >>> import flambeau as torch
    >>> torch.addcmul(torch.tensor([1.]), torch.tensor([2.]), torch.tensor([3.]), value=10)
    tensor([61.])
    """
    d = result_type("addcmul", (input, tensor1, tensor2))
    if d is dt.bool_:
        raise NotImplementedError(
            'addcmul: "addcmul_cpu" not implemented for dtype torch.bool; convert one to a number type'
        )
    x, a, b = _together(d, input, tensor1, tensor2)
    value = value if d.category >= dt.FLOAT else int(value.real)
    return deliver("addcmul", (x + (a * b if value == 1 else (a * value) * b)).to(d), out)


def _together(d: dt.dtype, *xs: Tensor) -> tuple[Tensor, ...]:
    """The tensors in the dtype in which several operations on `d` that round once compute: float32 for the
    16-bit types."""
    wide = opmath(d)
    return tuple(x if x._node.dtype is wide else cast(x, wide) for x in xs)


def addcdiv(
    input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1, out: Tensor | None = None
) -> Tensor:
    """input + value * tensor1 / tensor2.

    >>> import flambeau as torch
    >>> torch.addcdiv(torch.tensor([1.]), torch.tensor([6.]), torch.tensor([3.]), value=10)
    tensor([21.])
    """
    if tensor1.dtype.category < dt.FLOAT and tensor2.dtype.category < dt.FLOAT:
        raise RuntimeError(
            "addcdiv: Integer division with addcdiv is not supported; convert tensor1 or tensor2 with "
            ".float()"
        )
    d = result_type("addcdiv", (input, tensor1, tensor2))
    x, a, b = _together(d, input, tensor1, tensor2)
    return deliver("addcdiv", (x + (a / b if value == 1 else (a * value) / b)).to(d), out)


def nan_to_num(
    input: Tensor,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN and infinities replaced by numbers (infinities by the dtype's extremes unless given).

    >>> import flambeau as torch
    >>> torch.nan_to_num(torch.tensor([float('nan'), 1.]))
    tensor([0., 1.])
    """
    if check_tensor("nan_to_num", "input", input)._node.dtype.category < dt.FLOAT:
        return deliver("nan_to_num", input.clone(), out)
    if input._node.dtype.is_complex:
        parts = (nan_to_num(part, nan, posinf, neginf) for part in (input.real, input.imag))
        return deliver("nan_to_num", ops.make_complex(*parts), out)
    import ml_dtypes

    limits = ml_dtypes.finfo(input.dtype.np)  # type: ignore[no-untyped-call]
    high = float(limits.max) if posinf is None else posinf
    low = float(limits.min) if neginf is None else neginf
    x = choose(ops.isnan(input), nan, input)
    x = choose(ops.eq(input, float("inf")), high, x)
    return deliver("nan_to_num", choose(ops.eq(input, float("-inf")), low, x), out)


def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """real + i imag.

    >>> import flambeau as torch
    >>> torch.complex(torch.tensor([1.]), torch.tensor([2.]))
    tensor([1.+2.j])
    """
    if real.dtype not in (dt.float16, dt.float32, dt.float64) or imag.dtype not in (
        dt.float16,
        dt.float32,
        dt.float64,
    ):
        raise RuntimeError(
            f"complex: Expected both inputs to be Half, Float or Double tensors but got {real.dtype} and "
            f"{imag.dtype}"
        )
    if real.dtype is not imag.dtype:
        raise RuntimeError(
            f"complex: Expected object of scalar type {real.dtype.name} but got {imag.dtype.name} for "
            f"second argument"
        )
    return deliver("complex", ops.make_complex(real, imag), out)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """|input - other| <= atol + rtol * |other|, element by element.

    >>> import flambeau as torch
    >>> torch.isclose(torch.tensor([1., 2.]), torch.tensor([1., 2.1]))
    tensor([ True, False])
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}")
    if not (rtol >= 0 and atol >= 0):
        raise RuntimeError(
            f"isclose: rtol and atol must be greater than or equal to zero, but got {rtol} and {atol}"
        )
    close = ops.eq(input, other)
    if equal_nan and input.dtype.category >= dt.FLOAT:
        close = close | (ops.isnan(input) & ops.isnan(other))
    x, y = (t.to(floating(t.dtype)) for t in (input, other))
    allowed, error = atol + ops.absolute(y * rtol), ops.absolute(x - y)
    return close | (ops.isfinite(error) & ops.le(error, allowed))


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close (see `isclose`).

    >>> import flambeau as torch
    >>> torch.allclose(torch.tensor([1.]), torch.tensor([1. + 1e-9]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shapes and all elements are equal.

    >>> import flambeau as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    check_tensor("equal", "other", other)
    if input._node.shape != other._node.shape:
        return False
    return bool(ops.eq(input, other).all().item())
