"""Element-by-element functions on the parts of numbers, and the special functions that tensors have as
methods."""

from __future__ import annotations

import math
from typing import Any, Protocol

from ..autograd.function import Function
from ..core import dtype as dt
from ..core.tensor import Tensor
from ..ops import elementary as parts
from ..ops import pointwise as ops
from ..ops import special
from ..ops.kinds import Pointwise, cast, floating, opmath
from ..ops.op import check_tensor
from ..ops.view import clone
from . import return_types
from .calling import deliver
from .casting import in_float32
from .choice import complex
from .creation import full
from .pointwise import Binary, Number, Operand, Unary
from .ranges import arange


class Both(Protocol):
    """A function of two tensors, or a tensor and a number, element by element."""

    def __call__(self, input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor: ...


class Pair(Protocol):
    """A function of two tensors, element by element."""

    def __call__(self, input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor: ...


def documented(function: Any, name: str, what: str, call: str, result: str, room: str = "torch") -> Any:
    """The function with its name, and a docstring with an example."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"Element by element {what}.\n\n"
        f"    >>> import flambeau as torch\n    >>> {room}.{name}({call})\n    {result}\n    "
    )
    return function


def of_one(name: str, op: Any, what: str, call: str, result: str, room: str = "torch") -> Unary:
    """The function of one tensor that records `op`."""

    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        return deliver(name, op(check_tensor(name, "input", input)), out)

    return documented(function, name, what, call, result, room)


def of_pair(name: str, op: Any, what: str, call: str, result: str, room: str = "torch") -> Pair:
    """The function of two tensors that records `op`."""

    def function(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
        x, y = check_tensor(name, "input", input), check_tensor(name, "other", other)
        return deliver(name, op(x, y), out)

    return documented(function, name, what, call, result, room)


def of_both(name: str, op: Any, what: str, call: str, result: str, room: str = "torch") -> Both:
    """The function of two operands, one of which may be a number, that records `op`."""

    def function(input: Operand, other: Operand, *, out: Tensor | None = None) -> Tensor:
        return deliver(name, op(input, other), out)

    return documented(function, name, what, call, result, room)


class _Underivable(Function):
    """A value without a derivative towards the tensors that it comes from."""

    @staticmethod
    def forward(ctx: Any, name: str, value: Tensor, *sources: Tensor) -> Tensor:
        ctx.name = name
        return clone(value)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        raise NotImplementedError(
            f"{ctx.name}: the derivative for '{ctx.name}' is not implemented; detach() what it flows to"
        )


def underivable(name: str, value: Any, *sources: Tensor) -> Any:
    """The value; NotImplementedError once somebody wants a gradient to flow from it to the sources (itself
    unless given)."""
    found = sources or (value,)
    if not any(isinstance(x, Tensor) and x.requires_grad for x in found):
        return value
    return _Underivable.apply(name, value.detach(), *found)


# ----- signs and sizes -----


def _copysign(input: Tensor, other: Operand, *, out: Tensor | None = None) -> Tensor:
    return deliver("copysign", parts.copysign(check_tensor("copysign", "input", input), other), out)


copysign: Binary = documented(
    _copysign, "copysign", "the size of `input` with the sign of `other`",
    "torch.tensor([1., -2.]), torch.tensor([-3., 0.])", "tensor([-1.,  2.])",
)  # fmt: skip


def _no_complex(name: str, *xs: Any) -> None:
    """RuntimeError if one of the tensors is complex."""
    if any(isinstance(x, Tensor) and x._node.dtype.is_complex for x in xs):
        raise RuntimeError(f"{name}: not implemented for complex tensors; take real or imag first")


def _without_nan(name: str, op: Pointwise) -> Any:
    def choose(x: Tensor, y: Tensor) -> Tensor:
        _no_complex(name, x, y)
        return op(x, y)

    return choose


fmax = of_pair(
    "fmax", _without_nan("fmax", parts.fmax), "the larger of two, NaN only if both are",
    "torch.tensor([1., float('nan')]), torch.tensor([3., 2.])", "tensor([3., 2.])",
)  # fmt: skip
fmin = of_pair(
    "fmin", _without_nan("fmin", parts.fmin), "the smaller of two, NaN only if both are",
    "torch.tensor([1., float('nan')]), torch.tensor([3., 2.])", "tensor([1., 2.])",
)  # fmt: skip


def heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 where the input is negative (or NaN), `values` where it is 0, 1 where it is positive. RuntimeError if
    the two have different dtypes.

    >>> import flambeau as torch
    >>> torch.heaviside(torch.tensor([-1., 0., 2.]), torch.tensor(0.5))
    tensor([0.0000, 0.5000, 1.0000])
    """
    x, y = check_tensor("heaviside", "input", input), check_tensor("heaviside", "values", values)
    _no_complex("heaviside", x, y)
    for other in (y, out):
        if isinstance(other, Tensor) and other._node.dtype is not x._node.dtype:
            raise RuntimeError(
                f"heaviside: not yet implemented for tensors with different dtypes, got {x.dtype} and "
                f"{other.dtype}; convert one"
            )
    step = ops.select(ops.eq(x, 0), y, cast(ops.gt(x, 0), x._node.dtype))
    return deliver("heaviside", underivable("heaviside", step, x, y), out)


def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Angles in degrees as radians: input * pi / 180.

    >>> import flambeau as torch
    >>> torch.deg2rad(torch.tensor([180., 90.]))
    tensor([3.1416, 1.5708])
    """
    return _scaled("deg2rad", input, math.pi / 180, out)


def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Angles in radians as degrees: input * 180 / pi.

    >>> import flambeau as torch
    >>> torch.rad2deg(torch.tensor([torch.pi, 0.]))
    tensor([180.,   0.])
    """
    return _scaled("rad2deg", input, 180 / math.pi, out)


def _scaled(name: str, x: Tensor, factor: float, out: Tensor | None) -> Tensor:
    _no_complex(name, check_tensor(name, "input", x))
    return deliver(name, ops.mul(x, factor), out)


def isreal(input: Tensor) -> Tensor:
    """Whether each element has no imaginary part.

    >>> import flambeau as torch
    >>> torch.isreal(torch.tensor([1. + 1.j, 2. + 0.j]))
    tensor([False,  True])
    """
    if not check_tensor("isreal", "input", input)._node.dtype.is_complex:
        return input.new_full(tuple(input.shape), True, dtype=dt.bool_)
    return ops.eq(input.imag, 0)


def _infinite(name: str, value: float, what: str, result: str) -> Unary:
    def function(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        _no_complex(name, check_tensor(name, "input", input))
        if isinstance(out, Tensor) and out._node.dtype is not dt.bool_:
            raise RuntimeError(f"{name}: does not support non-boolean outputs, got {out.dtype}")
        return deliver(name, ops.eq(cast(input, floating(input._node.dtype)), value), out)

    return documented(function, name, what, "torch.tensor([float('inf'), -float('inf'), 0.])", result)


isposinf = _infinite("isposinf", math.inf, "whether it is +inf", "tensor([ True, False, False])")
isneginf = _infinite("isneginf", -math.inf, "whether it is -inf", "tensor([False,  True, False])")

# ----- whole numbers -----

gcd = of_pair(
    "gcd", parts.gcd, "the greatest common divisor of whole numbers, never negative",
    "torch.tensor([12, 0]), torch.tensor([-18, 5])", "tensor([6, 5])",
)  # fmt: skip
lcm = of_pair(
    "lcm", parts.lcm, "the least common multiple of whole numbers, never negative",
    "torch.tensor([4, 0]), torch.tensor([-6, 5])", "tensor([12,  0])",
)  # fmt: skip

# ----- exponents and neighbours -----


def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """input * 2**other.

    >>> import flambeau as torch
    >>> torch.ldexp(torch.tensor([1., 3.]), torch.tensor([2, -1]))
    tensor([4.0000, 1.5000])
    """
    x, y = check_tensor("ldexp", "input", input), check_tensor("ldexp", "other", other)
    return deliver("ldexp", ops.mul(x, ops.pow(2.0, y)), out)


def frexp(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> Any:
    """(mantissa, exponent) with input = mantissa * 2**exponent and 1/2 <= |mantissa| < 1; exponents are
    int32, 0 for 0, infinity and NaN. RuntimeError for whole and complex numbers.

    >>> import flambeau as torch
    >>> mantissa, exponent = torch.frexp(torch.tensor([3., -0.25]))
    >>> mantissa, exponent
    (tensor([ 0.7500, -0.5000]), tensor([ 2, -1], dtype=torch.int32))
    """
    x = check_tensor("frexp", "input", input)
    if not x._node.dtype.is_floating_point:
        raise RuntimeError(f"frexp: only supports floating-point dtypes, got {x.dtype}; use .float()")
    mantissa, exponent = out if out is not None else (None, None)
    return return_types.frexp(
        deliver("frexp", parts.frexp_mantissa(x), mantissa),
        deliver("frexp", parts.frexp_exponent(x), exponent),
    )


nextafter = of_pair(
    "nextafter", parts.nextafter, "the next number of the dtype after `input`, towards `other`",
    "torch.tensor([0.]), torch.tensor([1.])", "tensor([1.4013e-45])",
)  # fmt: skip
logaddexp2 = of_pair(
    "logaddexp2", parts.logaddexp2, "log2(2**input + 2**other) without overflow",
    "torch.tensor([100.]), torch.tensor([100.])", "tensor([101.])",
)  # fmt: skip
xlogy = of_both(
    "xlogy", parts.xlogy, "input * log(other), 0 where `input` is 0 (NaN where `other` is)",
    "torch.tensor([0., 2.]), torch.tensor([0., 1.])", "tensor([0., 0.])",
)  # fmt: skip

# ----- complex numbers -----


@in_float32
def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex numbers of these moduli and angles: abs * (cos(angle) + i * sin(angle)). RuntimeError
    unless both have the same floating dtype.

    >>> import flambeau as torch
    >>> torch.polar(torch.tensor([2.]), torch.tensor([0.]))
    tensor([2.+0.j])
    """
    x, y = check_tensor("polar", "abs", abs), check_tensor("polar", "angle", angle)
    if x._node.dtype not in (dt.float16, dt.float32, dt.float64) or not y._node.dtype.is_floating_point:
        raise RuntimeError(
            f"polar: Expected both inputs to be Half, Float or Double tensors but got {x.dtype} and {y.dtype}"
        )
    if x._node.dtype is not y._node.dtype:
        raise RuntimeError(
            f"polar: Expected object of scalar type {x.dtype.name} but got {y.dtype.name} for second argument"
        )
    return deliver("polar", complex(ops.mul(x, ops.cos(y)), ops.mul(x, ops.sin(y))), out)


def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The complex conjugate; a real tensor itself.

    >>> import flambeau as torch
    >>> torch.conj_physical(torch.tensor([1. + 2.j]))
    tensor([1.-2.j])
    """
    x = check_tensor("conj_physical", "input", input)
    return deliver("conj_physical", ops.conj(x) if x._node.dtype.is_complex else x, out)


def resolve_conj(input: Tensor) -> Tensor:
    """The input itself: a conjugate is always computed, never a mark on a tensor.

    >>> import flambeau as torch
    >>> torch.resolve_conj(torch.tensor([1. + 2.j]).conj())
    tensor([1.-2.j])
    """
    return check_tensor("resolve_conj", "input", input)


def resolve_neg(input: Tensor) -> Tensor:
    """The input itself: a negative is always computed, never a mark on a tensor.

    >>> import flambeau as torch
    >>> torch.resolve_neg(torch.tensor([1.]))
    tensor([1.])
    """
    return check_tensor("resolve_neg", "input", input)


# ----- special functions -----

sinc = of_one(
    "sinc", special.sinc, "sin(pi * x) / (pi * x), and 1 at 0", "torch.tensor([0., 0.5])",
    "tensor([1.0000, 0.6366])",
)  # fmt: skip
i0 = of_one(
    "i0", special.i0, "the modified Bessel function of the first kind, of order 0", "torch.tensor([0., 1.])",
    "tensor([1.0000, 1.2661])",
)  # fmt: skip


def _shaped(name: str, op: Pointwise) -> Any:
    """The operation, which has no derivative towards its first operand."""
    return lambda x, y: op(underivable(f"{name}: input", x), y)


_INCOMPLETE = "torch.tensor([1., 2.]), torch.tensor([1., 1.])"
igamma = of_pair(
    "igamma", _shaped("igamma", special.igamma),
    "the regularised lower incomplete gamma function: the integral of t**(input - 1) * exp(-t) from 0 to "
    "`other`, over gamma(input); NaN for negative numbers, and no gradient towards `input`",
    _INCOMPLETE, "tensor([0.6321, 0.2642])",
)  # fmt: skip
igammac = of_pair(
    "igammac", _shaped("igammac", special.igammac),
    "the regularised upper incomplete gamma function: 1 - igamma, without cancellation",
    _INCOMPLETE, "tensor([0.3679, 0.7358])",
)  # fmt: skip


def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of digamma. RuntimeError for negative n.

    >>> import flambeau as torch
    >>> torch.polygamma(1, torch.tensor([1.]))
    tensor([1.6449])
    """
    if not isinstance(n, int):
        raise TypeError(f"polygamma: argument 'n' (position 1) must be int, not {type(n).__name__}")
    if n < 0:
        raise RuntimeError(f"polygamma: polygamma(n, x) does not support negative n, got {n}")
    x = check_tensor("polygamma", "input", input)
    x = cast(x, floating(x._node.dtype)) if x._node.dtype.category < dt.FLOAT else x
    return deliver("polygamma", ops.digamma(x) if n == 0 else ops.polygamma(x, n), out)


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """The n-th derivative of digamma. RuntimeError for negative n."""
    return polygamma(n, self)


def mvlgamma(input: Tensor, p: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the multivariate gamma function of dimension p: p * (p-1) / 4 * log(pi) and the sum of
    lgamma(input - j/2) over j < p. RuntimeError for p < 1.

    >>> import flambeau as torch
    >>> torch.mvlgamma(torch.tensor([2.5, 3.]), 2)
    tensor([0.8570, 1.5502])
    """
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    x = check_tensor("mvlgamma", "input", input)
    d = floating(x._node.dtype)
    x = cast(x, opmath(d))
    terms = ops.lgamma(ops.sub(x.unsqueeze(-1), arange(p, dtype=x.dtype) / 2))
    return deliver("mvlgamma", cast(terms.sum(-1) + p * (p - 1) / 4 * math.log(math.pi), d), out)


# ----- numbers as tensors -----


def fill(input: Tensor, value: Number | Tensor) -> Tensor:
    """A tensor like the input, with one number (or a 0-d tensor) everywhere.

    >>> import flambeau as torch
    >>> torch.fill(torch.zeros(2), 5)
    tensor([5., 5.])
    """
    return clone(check_tensor("fill", "input", input)).fill_(value)


def scalar_tensor(
    s: Number, *, dtype: dt.dtype | None = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A 0-d tensor of a number, of the default dtype unless one is given.

    >>> import flambeau as torch
    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    d = dt.get_default_dtype() if dtype is None else dtype
    return full((), s, dtype=d, device=device, requires_grad=requires_grad)
