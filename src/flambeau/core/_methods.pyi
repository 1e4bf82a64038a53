"""The tensor's methods, for type checkers and editors. Written by tools/stubs.py; don't edit."""

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .device import device as Device
from .dtype import dtype as DType
from .generator import Generator
from .tensor import Tensor

_Number = _bool | _int | _float | _complex
_Operand = Tensor | _Number

class TensorMethods:
    def neg(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element -x. Any shape; the result has the same."""
    def neg_(self) -> Tensor:
        """In-place version of `neg`: changes this tensor and returns it."""
    def negative(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element -x. Any shape; the result has the same."""
    def negative_(self) -> Tensor:
        """In-place version of `negative`: changes this tensor and returns it."""
    def sign(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element -1, 0 or 1 by the sign of x. Any shape; the result has the same."""
    def sign_(self) -> Tensor:
        """In-place version of `sign`: changes this tensor and returns it."""
    def sgn(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element x / |x|, and 0 for 0. Any shape; the result has the same."""
    def sgn_(self) -> Tensor:
        """In-place version of `sgn`: changes this tensor and returns it."""
    def square(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element x². Any shape; the result has the same."""
    def square_(self) -> Tensor:
        """In-place version of `square`: changes this tensor and returns it."""
    def reciprocal(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element 1 / x. Any shape; the result has the same."""
    def reciprocal_(self) -> Tensor:
        """In-place version of `reciprocal`: changes this tensor and returns it."""
    def floor(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the largest whole number <= x. Any shape; the result has the same."""
    def floor_(self) -> Tensor:
        """In-place version of `floor`: changes this tensor and returns it."""
    def ceil(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the smallest whole number >= x. Any shape; the result has the same."""
    def ceil_(self) -> Tensor:
        """In-place version of `ceil`: changes this tensor and returns it."""
    def trunc(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element x without its fraction. Any shape; the result has the same."""
    def trunc_(self) -> Tensor:
        """In-place version of `trunc`: changes this tensor and returns it."""
    def fix(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element x without its fraction. Any shape; the result has the same."""
    def fix_(self) -> Tensor:
        """In-place version of `fix`: changes this tensor and returns it."""
    def sqrt(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the square root of x. Any shape; the result has the same."""
    def sqrt_(self) -> Tensor:
        """In-place version of `sqrt`: changes this tensor and returns it."""
    def rsqrt(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element 1 / sqrt(x). Any shape; the result has the same."""
    def rsqrt_(self) -> Tensor:
        """In-place version of `rsqrt`: changes this tensor and returns it."""
    def exp(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element e to the power x. Any shape; the result has the same."""
    def exp_(self) -> Tensor:
        """In-place version of `exp`: changes this tensor and returns it."""
    def exp2(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element 2 to the power x. Any shape; the result has the same."""
    def exp2_(self) -> Tensor:
        """In-place version of `exp2`: changes this tensor and returns it."""
    def expm1(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element exp(x) - 1, exact near 0. Any shape; the result has the same."""
    def expm1_(self) -> Tensor:
        """In-place version of `expm1`: changes this tensor and returns it."""
    def log(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the natural logarithm of x. Any shape; the result has the same."""
    def log_(self) -> Tensor:
        """In-place version of `log`: changes this tensor and returns it."""
    def log2(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the logarithm of x to base 2. Any shape; the result has the same."""
    def log2_(self) -> Tensor:
        """In-place version of `log2`: changes this tensor and returns it."""
    def log10(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the logarithm of x to base 10. Any shape; the result has the same."""
    def log10_(self) -> Tensor:
        """In-place version of `log10`: changes this tensor and returns it."""
    def log1p(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element log(1 + x), exact near 0. Any shape; the result has the same."""
    def log1p_(self) -> Tensor:
        """In-place version of `log1p`: changes this tensor and returns it."""
    def sin(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the sine of x (radians). Any shape; the result has the same."""
    def sin_(self) -> Tensor:
        """In-place version of `sin`: changes this tensor and returns it."""
    def cos(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the cosine of x (radians). Any shape; the result has the same."""
    def cos_(self) -> Tensor:
        """In-place version of `cos`: changes this tensor and returns it."""
    def tan(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the tangent of x (radians). Any shape; the result has the same."""
    def tan_(self) -> Tensor:
        """In-place version of `tan`: changes this tensor and returns it."""
    def asin(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the angle (radians) whose sine is x. Any shape; the result has the same."""
    def asin_(self) -> Tensor:
        """In-place version of `asin`: changes this tensor and returns it."""
    def acos(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the angle (radians) whose cosine is x. Any shape; the result has the same."""
    def acos_(self) -> Tensor:
        """In-place version of `acos`: changes this tensor and returns it."""
    def atan(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the angle (radians) whose tangent is x. Any shape; the result has the same."""
    def atan_(self) -> Tensor:
        """In-place version of `atan`: changes this tensor and returns it."""
    def sinh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the hyperbolic sine of x. Any shape; the result has the same."""
    def sinh_(self) -> Tensor:
        """In-place version of `sinh`: changes this tensor and returns it."""
    def cosh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the hyperbolic cosine of x. Any shape; the result has the same."""
    def cosh_(self) -> Tensor:
        """In-place version of `cosh`: changes this tensor and returns it."""
    def tanh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the hyperbolic tangent of x. Any shape; the result has the same."""
    def tanh_(self) -> Tensor:
        """In-place version of `tanh`: changes this tensor and returns it."""
    def asinh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the inverse of sinh. Any shape; the result has the same."""
    def asinh_(self) -> Tensor:
        """In-place version of `asinh`: changes this tensor and returns it."""
    def acosh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the inverse of cosh, for x >= 1. Any shape; the result has the same."""
    def acosh_(self) -> Tensor:
        """In-place version of `acosh`: changes this tensor and returns it."""
    def atanh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the inverse of tanh, for |x| < 1. Any shape; the result has the same."""
    def atanh_(self) -> Tensor:
        """In-place version of `atanh`: changes this tensor and returns it."""
    def arcsin(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the angle (radians) whose sine is x. Any shape; the result has the same."""
    def arcsin_(self) -> Tensor:
        """In-place version of `arcsin`: changes this tensor and returns it."""
    def arccos(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the angle (radians) whose cosine is x. Any shape; the result has the same."""
    def arccos_(self) -> Tensor:
        """In-place version of `arccos`: changes this tensor and returns it."""
    def arctan(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the angle (radians) whose tangent is x. Any shape; the result has the same."""
    def arctan_(self) -> Tensor:
        """In-place version of `arctan`: changes this tensor and returns it."""
    def arcsinh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the inverse of sinh. Any shape; the result has the same."""
    def arcsinh_(self) -> Tensor:
        """In-place version of `arcsinh`: changes this tensor and returns it."""
    def arccosh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the inverse of cosh, for x >= 1. Any shape; the result has the same."""
    def arccosh_(self) -> Tensor:
        """In-place version of `arccosh`: changes this tensor and returns it."""
    def arctanh(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the inverse of tanh, for |x| < 1. Any shape; the result has the same."""
    def arctanh_(self) -> Tensor:
        """In-place version of `arctanh`: changes this tensor and returns it."""
    def sigmoid(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element 1 / (1 + exp(-x)). Any shape; the result has the same."""
    def sigmoid_(self) -> Tensor:
        """In-place version of `sigmoid`: changes this tensor and returns it."""
    def erf(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element 2/sqrt(pi) times the integral of exp(-t²) from 0 to x. Any shape; the result has the same."""
    def erf_(self) -> Tensor:
        """In-place version of `erf`: changes this tensor and returns it."""
    def erfc(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element 1 - erf(x), exact for large x. Any shape; the result has the same."""
    def erfc_(self) -> Tensor:
        """In-place version of `erfc`: changes this tensor and returns it."""
    def erfinv(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the inverse of erf. Any shape; the result has the same."""
    def erfinv_(self) -> Tensor:
        """In-place version of `erfinv`: changes this tensor and returns it."""
    def lgamma(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the logarithm of |gamma(x)|. Any shape; the result has the same."""
    def lgamma_(self) -> Tensor:
        """In-place version of `lgamma`: changes this tensor and returns it."""
    def digamma(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the derivative of lgamma. Any shape; the result has the same."""
    def digamma_(self) -> Tensor:
        """In-place version of `digamma`: changes this tensor and returns it."""
    def relu(self) -> Tensor:
        """Element by element max(x, 0). Any shape; the result has the same."""
    def relu_(self) -> Tensor:
        """In-place version of `relu`: changes this tensor and returns it."""
    def bitwise_not(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element all bits inverted (logical not for bool). Any shape; the result has the same."""
    def bitwise_not_(self) -> Tensor:
        """In-place version of `bitwise_not`: changes this tensor and returns it."""
    def logical_not(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element whether x is zero. Any shape; the result has the same."""
    def logical_not_(self) -> Tensor:
        """In-place version of `logical_not`: changes this tensor and returns it."""
    def round(self, *, decimals: _int = ..., out: Tensor | None = ...) -> Tensor:
        """Rounds to the nearest whole number (or to `decimals` places), halves to even."""
    def round_(self, *, decimals: _int = ...) -> Tensor:
        """In-place version of `round`: changes this tensor and returns it."""
    def frac(self, *, out: Tensor | None = ...) -> Tensor:
        """x - trunc(x)."""
    def frac_(self) -> Tensor:
        """In-place version of `frac`: changes this tensor and returns it."""
    def add(self, other: _Operand, *, alpha: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """input + alpha * other, with broadcasting and type promotion."""
    def add_(self, other: _Operand, *, alpha: _Number = ...) -> Tensor:
        """In-place version of `add`: changes this tensor and returns it."""
    def sub(self, other: _Operand, *, alpha: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """input - alpha * other, with broadcasting and type promotion. RuntimeError for bool."""
    def sub_(self, other: _Operand, *, alpha: _Number = ...) -> Tensor:
        """In-place version of `sub`: changes this tensor and returns it."""
    def subtract(self, other: _Operand, *, alpha: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """input - alpha * other, with broadcasting and type promotion. RuntimeError for bool."""
    def subtract_(self, other: _Operand, *, alpha: _Number = ...) -> Tensor:
        """In-place version of `subtract`: changes this tensor and returns it."""
    def mul(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """input * other, with broadcasting and type promotion."""
    def mul_(self, other: _Operand) -> Tensor:
        """In-place version of `mul`: changes this tensor and returns it."""
    def multiply(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """input * other, with broadcasting and type promotion."""
    def multiply_(self, other: _Operand) -> Tensor:
        """In-place version of `multiply`: changes this tensor and returns it."""
    def div(self, other: _Operand, *, rounding_mode: str | None = ..., out: Tensor | None = ...) -> Tensor:
        """input / other (whole numbers give floats); with `rounding_mode` 'trunc' or 'floor' the rounded"""
    def div_(self, other: _Operand, *, rounding_mode: str | None = ...) -> Tensor:
        """In-place version of `div`: changes this tensor and returns it."""
    def divide(self, other: _Operand, *, rounding_mode: str | None = ..., out: Tensor | None = ...) -> Tensor:
        """input / other (whole numbers give floats); with `rounding_mode` 'trunc' or 'floor' the rounded"""
    def divide_(self, other: _Operand, *, rounding_mode: str | None = ...) -> Tensor:
        """In-place version of `divide`: changes this tensor and returns it."""
    def true_divide(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """input / other as floats."""
    def true_divide_(self, other: _Operand) -> Tensor:
        """In-place version of `true_divide`: changes this tensor and returns it."""
    def floor_divide(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """floor(input / other). RuntimeError for a whole number by zero."""
    def floor_divide_(self, other: _Operand) -> Tensor:
        """In-place version of `floor_divide`: changes this tensor and returns it."""
    def remainder(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """The remainder with the sign of `other` (Python's %). RuntimeError for a whole number by zero."""
    def remainder_(self, other: _Operand) -> Tensor:
        """In-place version of `remainder`: changes this tensor and returns it."""
    def fmod(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """The remainder with the sign of `input` (C's fmod)."""
    def fmod_(self, other: _Operand) -> Tensor:
        """In-place version of `fmod`: changes this tensor and returns it."""
    def pow(self, exponent: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """input ** exponent. RuntimeError for whole numbers to negative powers."""
    def pow_(self, exponent: _Operand) -> Tensor:
        """In-place version of `pow`: changes this tensor and returns it."""
    def atan2(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The angle (radians) of the point (other, input)."""
    def atan2_(self, other: Tensor) -> Tensor:
        """In-place version of `atan2`: changes this tensor and returns it."""
    def arctan2(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The angle (radians) of the point (other, input)."""
    def arctan2_(self, other: Tensor) -> Tensor:
        """In-place version of `arctan2`: changes this tensor and returns it."""
    def hypot(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """sqrt(input² + other²)."""
    def hypot_(self, other: Tensor) -> Tensor:
        """In-place version of `hypot`: changes this tensor and returns it."""
    def eq(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input == other, with broadcasting and type promotion."""
    def eq_(self, other: _Operand) -> Tensor:
        """In-place version of `eq`: changes this tensor and returns it."""
    def ne(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input != other, with broadcasting and type promotion."""
    def ne_(self, other: _Operand) -> Tensor:
        """In-place version of `ne`: changes this tensor and returns it."""
    def lt(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input < other, with broadcasting and type promotion."""
    def lt_(self, other: _Operand) -> Tensor:
        """In-place version of `lt`: changes this tensor and returns it."""
    def le(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input <= other, with broadcasting and type promotion."""
    def le_(self, other: _Operand) -> Tensor:
        """In-place version of `le`: changes this tensor and returns it."""
    def gt(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input > other, with broadcasting and type promotion."""
    def gt_(self, other: _Operand) -> Tensor:
        """In-place version of `gt`: changes this tensor and returns it."""
    def ge(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input >= other, with broadcasting and type promotion."""
    def ge_(self, other: _Operand) -> Tensor:
        """In-place version of `ge`: changes this tensor and returns it."""
    def not_equal(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input != other, with broadcasting and type promotion."""
    def not_equal_(self, other: _Operand) -> Tensor:
        """In-place version of `not_equal`: changes this tensor and returns it."""
    def less(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input < other, with broadcasting and type promotion."""
    def less_(self, other: _Operand) -> Tensor:
        """In-place version of `less`: changes this tensor and returns it."""
    def less_equal(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input <= other, with broadcasting and type promotion."""
    def less_equal_(self, other: _Operand) -> Tensor:
        """In-place version of `less_equal`: changes this tensor and returns it."""
    def greater(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input > other, with broadcasting and type promotion."""
    def greater_(self, other: _Operand) -> Tensor:
        """In-place version of `greater`: changes this tensor and returns it."""
    def greater_equal(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input >= other, with broadcasting and type promotion."""
    def greater_equal_(self, other: _Operand) -> Tensor:
        """In-place version of `greater_equal`: changes this tensor and returns it."""
    def logical_and(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element whether both are nonzero, with broadcasting and type promotion."""
    def logical_and_(self, other: _Operand) -> Tensor:
        """In-place version of `logical_and`: changes this tensor and returns it."""
    def logical_or(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element whether one is nonzero, with broadcasting and type promotion."""
    def logical_or_(self, other: _Operand) -> Tensor:
        """In-place version of `logical_or`: changes this tensor and returns it."""
    def logical_xor(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element whether just one is nonzero, with broadcasting and type promotion."""
    def logical_xor_(self, other: _Operand) -> Tensor:
        """In-place version of `logical_xor`: changes this tensor and returns it."""
    def bitwise_and(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input & other, with broadcasting and type promotion."""
    def bitwise_and_(self, other: _Operand) -> Tensor:
        """In-place version of `bitwise_and`: changes this tensor and returns it."""
    def bitwise_or(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input | other, with broadcasting and type promotion."""
    def bitwise_or_(self, other: _Operand) -> Tensor:
        """In-place version of `bitwise_or`: changes this tensor and returns it."""
    def bitwise_xor(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input ^ other, with broadcasting and type promotion."""
    def bitwise_xor_(self, other: _Operand) -> Tensor:
        """In-place version of `bitwise_xor`: changes this tensor and returns it."""
    def bitwise_left_shift(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input << other, with broadcasting and type promotion."""
    def bitwise_left_shift_(self, other: _Operand) -> Tensor:
        """In-place version of `bitwise_left_shift`: changes this tensor and returns it."""
    def bitwise_right_shift(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input >> other, with broadcasting and type promotion."""
    def bitwise_right_shift_(self, other: _Operand) -> Tensor:
        """In-place version of `bitwise_right_shift`: changes this tensor and returns it."""
    def abs(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element |x|; the modulus of complex numbers. Any shape; the result has the same."""
    def absolute(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element |x|; the modulus of complex numbers. Any shape; the result has the same."""
    def float_power(self, exponent: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """input ** exponent in float64 (complex128 for complex)."""
    def isnan(self) -> Tensor:
        """Element by element whether x is not a number. Any shape; the result has the same."""
    def isinf(self) -> Tensor:
        """Element by element whether x is infinite. Any shape; the result has the same."""
    def isfinite(self) -> Tensor:
        """Element by element whether x is a finite number. Any shape; the result has the same."""
    def signbit(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element whether the sign of x is negative (of -0. too). Any shape; the result has the same."""
    def angle(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the angle of a complex number; pi for negative real ones. Any shape; the result has the same."""
    def positive(self) -> Tensor:
        """The input itself. RuntimeError for bool."""
    def conj(self) -> Tensor:
        """The complex conjugate; a real tensor itself."""
    def maximum(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The larger of two, NaN if either is."""
    def minimum(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The smaller of two, NaN if either is."""
    def logaddexp(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """log(exp(input) + exp(other)) without overflow."""
    def copysign(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the size of `input` with the sign of `other`."""
    def copysign_(self, other: _Operand) -> Tensor:
        """In-place version of `copysign`: changes this tensor and returns it."""
    def heaviside(self, values: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """0 where the input is negative (or NaN), `values` where it is 0, 1 where it is positive. RuntimeError if"""
    def heaviside_(self, values: Tensor) -> Tensor:
        """In-place version of `heaviside`: changes this tensor and returns it."""
    def deg2rad(self, *, out: Tensor | None = ...) -> Tensor:
        """Angles in degrees as radians: input * pi / 180."""
    def deg2rad_(self) -> Tensor:
        """In-place version of `deg2rad`: changes this tensor and returns it."""
    def rad2deg(self, *, out: Tensor | None = ...) -> Tensor:
        """Angles in radians as degrees: input * 180 / pi."""
    def rad2deg_(self) -> Tensor:
        """In-place version of `rad2deg`: changes this tensor and returns it."""
    def gcd(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the greatest common divisor of whole numbers, never negative."""
    def gcd_(self, other: Tensor) -> Tensor:
        """In-place version of `gcd`: changes this tensor and returns it."""
    def lcm(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the least common multiple of whole numbers, never negative."""
    def lcm_(self, other: Tensor) -> Tensor:
        """In-place version of `lcm`: changes this tensor and returns it."""
    def ldexp(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """input * 2**other."""
    def ldexp_(self, other: Tensor) -> Tensor:
        """In-place version of `ldexp`: changes this tensor and returns it."""
    def nextafter(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the next number of the dtype after `input`, towards `other`."""
    def nextafter_(self, other: Tensor) -> Tensor:
        """In-place version of `nextafter`: changes this tensor and returns it."""
    def xlogy(self, other: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """Element by element input * log(other), 0 where `input` is 0 (NaN where `other` is)."""
    def xlogy_(self, other: _Operand) -> Tensor:
        """In-place version of `xlogy`: changes this tensor and returns it."""
    def conj_physical(self, *, out: Tensor | None = ...) -> Tensor:
        """The complex conjugate; a real tensor itself."""
    def conj_physical_(self) -> Tensor:
        """In-place version of `conj_physical`: changes this tensor and returns it."""
    def sinc(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element sin(pi * x) / (pi * x), and 1 at 0."""
    def sinc_(self) -> Tensor:
        """In-place version of `sinc`: changes this tensor and returns it."""
    def i0(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the modified Bessel function of the first kind, of order 0."""
    def i0_(self) -> Tensor:
        """In-place version of `i0`: changes this tensor and returns it."""
    def igamma(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the regularised lower incomplete gamma function: the integral of t**(input - 1) * exp(-t) from 0 to `other`, over gamma(input); NaN for negative numbers, and no gradient towards `input`."""
    def igamma_(self, other: Tensor) -> Tensor:
        """In-place version of `igamma`: changes this tensor and returns it."""
    def igammac(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the regularised upper incomplete gamma function: 1 - igamma, without cancellation."""
    def igammac_(self, other: Tensor) -> Tensor:
        """In-place version of `igammac`: changes this tensor and returns it."""
    def mvlgamma(self, p: _int, *, out: Tensor | None = ...) -> Tensor:
        """The logarithm of the multivariate gamma function of dimension p: p * (p-1) / 4 * log(pi) and the sum of"""
    def mvlgamma_(self, p: _int) -> Tensor:
        """In-place version of `mvlgamma`: changes this tensor and returns it."""
    def fmax(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the larger of two, NaN only if both are."""
    def fmin(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Element by element the smaller of two, NaN only if both are."""
    def isreal(self) -> Tensor:
        """Whether each element has no imaginary part."""
    def isposinf(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element whether it is +inf."""
    def isneginf(self, *, out: Tensor | None = ...) -> Tensor:
        """Element by element whether it is -inf."""
    def frexp(self, *, out: tuple[Tensor, Tensor] | None = ...) -> Any:
        """(mantissa, exponent) with input = mantissa * 2**exponent and 1/2 <= |mantissa| < 1; exponents are"""
    def logaddexp2(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Element by element log2(2**input + 2**other) without overflow."""
    def resolve_conj(self) -> Tensor:
        """The input itself: a conjugate is always computed, never a mark on a tensor."""
    def resolve_neg(self) -> Tensor:
        """The input itself: a negative is always computed, never a mark on a tensor."""
    def hardshrink(self, lambd: _float = ..., *, out: Tensor | None = ...) -> Tensor:
        """x if |x| > lambd, else 0."""
    def prelu(self, weight: Tensor) -> Tensor:
        """x if x > 0, else weight * x, with one weight for all or one for each channel (dimension 1)."""
    def clamp(self, min: Any = ..., max: Any = ..., *, out: Tensor | None = ...) -> Tensor:
        """Limits to [min, max]; either may be missing, a number or a tensor. Where the limits cross, max wins;"""
    def clamp_(self, min: Any = ..., max: Any = ...) -> Tensor:
        """In-place version of `clamp`: changes this tensor and returns it."""
    def clip(self, min: Any = ..., max: Any = ..., *, out: Tensor | None = ...) -> Tensor:
        """Limits to [min, max]; either may be missing, a number or a tensor. Where the limits cross, max wins;"""
    def clip_(self, min: Any = ..., max: Any = ...) -> Tensor:
        """In-place version of `clip`: changes this tensor and returns it."""
    def clamp_min(self, min: Any, *, out: Tensor | None = ...) -> Tensor:
        """Limits from below."""
    def clamp_min_(self, min: Any) -> Tensor:
        """In-place version of `clamp_min`: changes this tensor and returns it."""
    def clamp_max(self, max: Any, *, out: Tensor | None = ...) -> Tensor:
        """Limits from above."""
    def clamp_max_(self, max: Any) -> Tensor:
        """In-place version of `clamp_max`: changes this tensor and returns it."""
    def logit(self, eps: _float | None = ..., *, out: Tensor | None = ...) -> Tensor:
        """log(x / (1 - x)), the inverse of sigmoid; with `eps`, x is first clamped to [eps, 1 - eps]."""
    def logit_(self, eps: _float | None = ...) -> Tensor:
        """In-place version of `logit`: changes this tensor and returns it."""
    def lerp(self, end: Tensor, weight: _Operand, *, out: Tensor | None = ...) -> Tensor:
        """input + weight * (end - input), counted from the nearer end."""
    def lerp_(self, end: Tensor, weight: _Operand) -> Tensor:
        """In-place version of `lerp`: changes this tensor and returns it."""
    def addcmul(self, tensor1: Tensor, tensor2: Tensor, *, value: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """input + value * tensor1 * tensor2."""
    def addcmul_(self, tensor1: Tensor, tensor2: Tensor, *, value: _Number = ...) -> Tensor:
        """In-place version of `addcmul`: changes this tensor and returns it."""
    def addcdiv(self, tensor1: Tensor, tensor2: Tensor, *, value: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """input + value * tensor1 / tensor2."""
    def addcdiv_(self, tensor1: Tensor, tensor2: Tensor, *, value: _Number = ...) -> Tensor:
        """In-place version of `addcdiv`: changes this tensor and returns it."""
    def nan_to_num(self, nan: _float = ..., posinf: _float | None = ..., neginf: _float | None = ..., *, out: Tensor | None = ...) -> Tensor:
        """NaN and infinities replaced by numbers (infinities by the dtype's extremes unless given)."""
    def nan_to_num_(self, nan: _float = ..., posinf: _float | None = ..., neginf: _float | None = ...) -> Tensor:
        """In-place version of `nan_to_num`: changes this tensor and returns it."""
    def isclose(self, other: Tensor, rtol: _float = ..., atol: _float = ..., equal_nan: _bool = ...) -> Tensor:
        """|input - other| <= atol + rtol * |other|, element by element."""
    def allclose(self, other: Tensor, rtol: _float = ..., atol: _float = ..., equal_nan: _bool = ...) -> _bool:
        """Whether all elements are close (see `isclose`)."""
    def equal(self, other: Tensor) -> _bool:
        """Whether shapes and all elements are equal."""
    def cumsum(self, dim: _int, *, dtype: DType | None = ..., out: Tensor | None = ...) -> Tensor:
        """Running sums along a dimension."""
    def cumsum_(self, dim: _int, *, dtype: DType | None = ...) -> Tensor:
        """In-place version of `cumsum`: changes this tensor and returns it."""
    def cumprod(self, dim: _int, *, dtype: DType | None = ..., out: Tensor | None = ...) -> Tensor:
        """Running products along a dimension."""
    def cumprod_(self, dim: _int, *, dtype: DType | None = ...) -> Tensor:
        """In-place version of `cumprod`: changes this tensor and returns it."""
    def sum(self, dim: Any = ..., keepdim: _bool = ..., *, dtype: DType | None = ..., out: Tensor | None = ...) -> Tensor:
        """The sum over all elements, or over dimensions. Whole numbers are summed as int64."""
    def nansum(self, dim: Any = ..., keepdim: _bool = ..., *, dtype: DType | None = ..., out: Tensor | None = ...) -> Tensor:
        """The sum with NaN counting as 0."""
    def mean(self, dim: Any = ..., keepdim: _bool = ..., *, dtype: DType | None = ..., out: Tensor | None = ...) -> Tensor:
        """The mean over all elements, or over dimensions. RuntimeError for whole numbers (convert them first)."""
    def prod(self, dim: Any = ..., keepdim: _bool = ..., *, dtype: DType | None = ..., out: Tensor | None = ...) -> Tensor:
        """The product of all elements, or along a dimension."""
    def all(self, dim: Any = ..., keepdim: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """Whether all elements (along dimensions) are nonzero."""
    def any(self, dim: Any = ..., keepdim: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """Whether some element (along dimensions) is nonzero."""
    def amax(self, dim: Any = ..., keepdim: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """The largest element over dimensions; equal ones share the gradient."""
    def amin(self, dim: Any = ..., keepdim: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """The smallest element over dimensions; equal ones share the gradient."""
    def aminmax(self, *, dim: _int | None = ..., keepdim: _bool = ..., out: Any = ...) -> Any:
        """The smallest and the largest element, as (min, max)."""
    def argmax(self, dim: _int | None = ..., keepdim: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """Where the (first) largest element is: its number in the flattened tensor, or along a dimension."""
    def argmin(self, dim: _int | None = ..., keepdim: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """Where the (first) smallest element is: its number in the flattened tensor, or along a dimension."""
    def max(self, dim: Any = ..., keepdim: _bool = ..., *, other: Tensor | None = ..., out: Any = ...) -> Any:
        """The largest element; along a dimension (values, indices); with another tensor the larger element by"""
    def min(self, dim: Any = ..., keepdim: _bool = ..., *, other: Tensor | None = ..., out: Any = ...) -> Any:
        """The smallest element; along a dimension (values, indices); with another tensor the smaller element by"""
    def var(self, dim: Any = ..., unbiased: Any = ..., keepdim: _bool = ..., *, correction: Any = ..., out: Tensor | None = ...) -> Tensor:
        """The variance: squared deviations from the mean, summed over n - correction (default 1: Bessel's)."""
    def std(self, dim: Any = ..., unbiased: Any = ..., keepdim: _bool = ..., *, correction: Any = ..., out: Tensor | None = ...) -> Tensor:
        """The square root of the variance."""
    def logsumexp(self, dim: Any, keepdim: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """log(sum(exp(x))) over dimensions, without overflow."""
    def norm(self, p: Any = ..., dim: Any = ..., keepdim: _bool = ..., out: Tensor | None = ..., dtype: DType | None = ...) -> Tensor:
        """The p-norm (sum |x|^p)^(1/p) over all elements or dimensions; 'fro' is 2; inf, -inf and 0 are limits."""
    def logcumsumexp(self, dim: _int, *, out: Tensor | None = ...) -> Tensor:
        """Running log(sum(exp(x))) along a dimension."""
    def cummax(self, dim: _int, *, out: Any = ...) -> Any:
        """The largest element so far along a dimension, and where it is."""
    def cummin(self, dim: _int, *, out: Any = ...) -> Any:
        """The smallest element so far along a dimension, and where it is."""
    def softmax(self, dim: _int, dtype: DType | None = ..., *, out: Tensor | None = ...) -> Tensor:
        """exp(x) / sum(exp(x)) along a dimension."""
    def log_softmax(self, dim: _int, dtype: DType | None = ..., *, out: Tensor | None = ...) -> Tensor:
        """log(softmax(x)), computed together, so that nothing underflows."""
    def reshape(self, *extents: Any, shape: Any = ...) -> Tensor:
        """The same elements in another shape (-1: what is left): a view where possible, else a copy."""
    def view(self, *shape: Any, size: Any = ..., dtype: DType | None = ...) -> Tensor:
        """A view in another shape (-1: what is left) or, given a dtype, on the same bits."""
    def view_as(self, other: Tensor) -> Tensor:
        """A view in `other`'s shape."""
    def reshape_as(self, other: Tensor) -> Tensor:
        """`reshape` to `other`'s shape."""
    def flatten(self, start_dim: _int = ..., end_dim: _int = ...) -> Tensor:
        """The dimensions from `start_dim` to `end_dim` as one."""
    def ravel(self) -> Tensor:
        """One dimension."""
    def unflatten(self, dim: _int, sizes: Sequence[_int]) -> Tensor:
        """One dimension split into several (-1: what is left)."""
    def squeeze(self, dim: Any = ...) -> Tensor:
        """Without the dimensions of extent 1 (all, or those named)."""
    def unsqueeze(self, dim: _int) -> Tensor:
        """With a dimension of extent 1 inserted at `dim`."""
    def permute(self, *places: Any, dims: Any = ...) -> Tensor:
        """The dimensions in the given order."""
    def transpose(self, dim0: _int, dim1: _int) -> Tensor:
        """Two dimensions swapped."""
    def swapaxes(self, dim0: _int, dim1: _int) -> Tensor:
        """Two dimensions swapped."""
    def swapdims(self, dim0: _int, dim1: _int) -> Tensor:
        """Two dimensions swapped."""
    def t(self) -> Tensor:
        """The transposed matrix (a vector stays)."""
    def movedim(self, source: Any, destination: Any) -> Tensor:
        """Dimensions moved to other places, the others in their order."""
    def moveaxis(self, source: Any, destination: Any) -> Tensor:
        """Dimensions moved to other places, the others in their order."""
    def expand(self, *sizes: Any, size: Any = ..., implicit: _bool = ...) -> Tensor:
        """A view repeated along dimensions of extent 1 and new leading ones (-1: as it is)."""
    def expand_as(self, other: Tensor) -> Tensor:
        """`expand` to `other`'s shape."""
    def broadcast_to(self, size: Sequence[_int]) -> Tensor:
        """`expand` as a function."""
    def narrow(self, dim: _int, start: Any, length: _int) -> Tensor:
        """`length` elements along `dim` from `start` on, as a view. RuntimeError if there aren't so many."""
    def select(self, dim: _int, index: _int) -> Tensor:
        """The elements at one position along `dim`, which disappears, as a view."""
    def unbind(self, dim: _int = ...) -> tuple[Tensor, ...]:
        """The slices along `dim`, without it."""
    def diagonal(self, offset: _int = ..., dim1: _int = ..., dim2: _int = ...) -> Tensor:
        """The diagonal of two dimensions as a view, last in the result."""
    def diag(self, diagonal: _int = ..., *, out: Tensor | None = ...) -> Tensor:
        """The diagonal of a matrix, or the matrix with a vector on its diagonal."""
    def diag_embed(self, offset: _int = ..., dim1: _int = ..., dim2: _int = ...) -> Tensor:
        """Matrices with the last dimension of `input` on their diagonals."""
    def unfold(self, dimension: _int, size: _int, step: _int) -> Tensor:
        """All windows of `size` elements along a dimension, `step` apart, as a view with the window as last"""
    def as_strided(self, size: Sequence[_int], stride: Sequence[_int], storage_offset: _int | None = ...) -> Tensor:
        """A view of the storage's memory with any shape and strides (in elements)."""
    def split(self, split_size_or_sections: Any, dim: _int = ...) -> tuple[Tensor, ...]:
        """Pieces along `dim`: of one size (the last may be smaller) or of the sizes given, as views."""
    def split_with_sizes(self, split_sizes: Sequence[_int], dim: _int = ...) -> tuple[Tensor, ...]:
        """Pieces of the sizes given along `dim`, as views."""
    def chunk(self, chunks: _int, dim: _int = ...) -> tuple[Tensor, ...]:
        """Up to `chunks` equal pieces along `dim` (the last may be smaller)."""
    def tensor_split(self, indices_or_sections: Any, dim: _int = ...) -> tuple[Tensor, ...]:
        """Pieces along `dim`: so many of nearly equal size, or cut at the given places."""
    def flip(self, *places: Any, dims: Any = ...) -> Tensor:
        """The order along dimensions reversed (a copy)."""
    def fliplr(self) -> Tensor:
        """Columns in reverse order."""
    def flipud(self) -> Tensor:
        """Rows in reverse order."""
    def rot90(self, k: _int = ..., dims: Sequence[_int] = ...) -> Tensor:
        """Rotated by k quarter turns from the first towards the second of `dims`."""
    def roll(self, shifts: Any, dims: Any = ...) -> Tensor:
        """Elements moved along dimensions, those that leave coming back at the other end."""
    def repeat(self, *sizes: Any, repeats: Any = ...) -> Tensor:
        """Copies along each dimension (new ones in front if there are more numbers than dimensions)."""
    def tile(self, *counts: Any, dims: Any = ...) -> Tensor:
        """`repeat`, with missing counts in front being 1."""
    def repeat_interleave(self, repeats: Any = ..., dim: _int | None = ..., *, output_size: _int | None = ...) -> Tensor:
        """Each element (or slice along `dim`) repeated in place; of a tensor of counts alone, each position so"""
    def sum_to_size(self, *sizes: Any, size: Any = ...) -> Tensor:
        """Summed over dimensions so that the result has this shape, which must broadcast to this tensor's."""
    def unsafe_chunk(self, chunks: _int, dim: _int = ...) -> tuple[Tensor, ...]:
        """As `chunk`, but the pieces may be written to in place."""
    def unsafe_split(self, split_size: Any, dim: _int = ...) -> tuple[Tensor, ...]:
        """As `split`, but the pieces may be written to in place."""
    def unsafe_split_with_sizes(self, split_sizes: Sequence[_int], dim: _int = ...) -> tuple[Tensor, ...]:
        """As `split_with_sizes`, but the pieces may be written to in place."""
    def scatter(self, dim: _int, index: Tensor, src: Any = ..., *, value: Any = ..., reduce: str | None = ..., out: Tensor | None = ...) -> Tensor:
        """`input` with out[index[i, j, k], j, k] = src[i, j, k] for dim 0, and so on; `src` may be a number."""
    def scatter_(self, dim: _int, index: Tensor, src: Any = ..., *, value: Any = ..., reduce: str | None = ...) -> Tensor:
        """In-place version of `scatter`: changes this tensor and returns it."""
    def scatter_add(self, dim: _int, index: Tensor, src: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """`input` with src[i, j, k] added at [index[i, j, k], j, k] for dim 0, and so on; repeats add up, in"""
    def scatter_add_(self, dim: _int, index: Tensor, src: Tensor) -> Tensor:
        """In-place version of `scatter_add`: changes this tensor and returns it."""
    def index_add(self, dim: _int, index: Tensor, source: Tensor, *, alpha: Any = ..., out: Tensor | None = ...) -> Tensor:
        """`input` with alpha * the slices of `source` added at the places along `dim` that `index` names; repeats"""
    def index_add_(self, dim: _int, index: Tensor, source: Tensor, *, alpha: Any = ...) -> Tensor:
        """In-place version of `index_add`: changes this tensor and returns it."""
    def index_copy(self, dim: _int, index: Tensor, source: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """`input` with the slices of `source` written at the places along `dim` that `index` names."""
    def index_copy_(self, dim: _int, index: Tensor, source: Tensor) -> Tensor:
        """In-place version of `index_copy`: changes this tensor and returns it."""
    def index_fill(self, dim: _int, index: Tensor, value: Any) -> Tensor:
        """`input` with `value` at the places along `dim` that `index` names."""
    def index_fill_(self, dim: _int, index: Tensor, value: Any) -> Tensor:
        """In-place version of `index_fill`: changes this tensor and returns it."""
    def index_put(self, indices: Sequence[Tensor], values: Tensor, accumulate: _bool = ...) -> Tensor:
        """`input` with `values` at the positions that the tensors in `indices` name (added with `accumulate`)."""
    def index_put_(self, indices: Sequence[Tensor], values: Tensor, accumulate: _bool = ...) -> Tensor:
        """In-place version of `index_put`: changes this tensor and returns it."""
    def tril(self, diagonal: _int = ..., *, out: Tensor | None = ...) -> Tensor:
        """The lower triangle of matrices, zeros above."""
    def tril_(self, diagonal: _int = ...) -> Tensor:
        """In-place version of `tril`: changes this tensor and returns it."""
    def triu(self, diagonal: _int = ..., *, out: Tensor | None = ...) -> Tensor:
        """The upper triangle of matrices, zeros below."""
    def triu_(self, diagonal: _int = ...) -> Tensor:
        """In-place version of `triu`: changes this tensor and returns it."""
    def gather(self, dim: _int, index: Tensor, *, sparse_grad: _bool = ..., out: Tensor | None = ...) -> Tensor:
        """out[i, j, k] = input[index[i, j, k], j, k] for dim 0, and so on; `out` has the shape of `index`."""
    def take_along_dim(self, indices: Tensor, dim: _int | None = ..., *, out: Tensor | None = ...) -> Tensor:
        """`gather` with broadcasting between input and indices; over the flattened input without `dim`."""
    def index_select(self, dim: _int, index: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The slices of `input` along `dim` that the vector `index` names."""
    def take(self, index: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """Elements by their number in the flattened input."""
    def copy_(self, src: Any, non_blocking: _bool = ...) -> Tensor:
        """Overwrites this tensor with `src` (a tensor or a number), broadcast and converted; returns it."""
    def addmm(self, mat1: Tensor, mat2: Tensor, *, beta: _Number = ..., alpha: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """beta * input + alpha * mat1 @ mat2."""
    def addmm_(self, mat1: Tensor, mat2: Tensor, *, beta: _Number = ..., alpha: _Number = ...) -> Tensor:
        """In-place version of `addmm`: changes this tensor and returns it."""
    def addmv(self, mat: Tensor, vec: Tensor, *, beta: _Number = ..., alpha: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """beta * input + alpha * mat @ vec."""
    def addmv_(self, mat: Tensor, vec: Tensor, *, beta: _Number = ..., alpha: _Number = ...) -> Tensor:
        """In-place version of `addmv`: changes this tensor and returns it."""
    def addr(self, vec1: Tensor, vec2: Tensor, *, beta: _Number = ..., alpha: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """beta * input + alpha * outer(vec1, vec2)."""
    def addr_(self, vec1: Tensor, vec2: Tensor, *, beta: _Number = ..., alpha: _Number = ...) -> Tensor:
        """In-place version of `addr`: changes this tensor and returns it."""
    def baddbmm(self, batch1: Tensor, batch2: Tensor, *, beta: _Number = ..., alpha: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """beta * input + alpha * bmm(batch1, batch2)."""
    def baddbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: _Number = ..., alpha: _Number = ...) -> Tensor:
        """In-place version of `baddbmm`: changes this tensor and returns it."""
    def addbmm(self, batch1: Tensor, batch2: Tensor, *, beta: _Number = ..., alpha: _Number = ..., out: Tensor | None = ...) -> Tensor:
        """beta * input + alpha * the sum of bmm(batch1, batch2) over the batch."""
    def addbmm_(self, batch1: Tensor, batch2: Tensor, *, beta: _Number = ..., alpha: _Number = ...) -> Tensor:
        """In-place version of `addbmm`: changes this tensor and returns it."""
    def matmul(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The matrix product: vectors are rows on the left and columns on the right, leading dimensions are"""
    def mm(self, mat2: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The product of two matrices."""
    def bmm(self, mat2: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The products of two equally long batches of matrices."""
    def mv(self, vec: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """A matrix times a vector."""
    def dot(self, tensor: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The sum of products of two equally long vectors."""
    def vdot(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """`dot` with the first vector conjugated."""
    def outer(self, vec2: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """All products of an element of one vector with one of the other."""
    def ger(self, vec2: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """All products of an element of one vector with one of the other."""
    def adjoint(self) -> Tensor:
        """The last two dimensions swapped, conjugated. RuntimeError for a vector."""
    def cholesky(self, upper: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """`torch.linalg.cholesky`."""
    def cholesky_inverse(self, upper: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """The inverse of L Lᴴ, or of Uᴴ U for an `upper` factor U."""
    def cholesky_solve(self, L: Tensor, upper: _bool = ..., *, out: Tensor | None = ...) -> Tensor:
        """X with L Lᴴ X = B, or with Uᴴ U X = B for an `upper` factor U. Batches broadcast."""
    def cross(self, other: Tensor, dim: _int | None = ..., *, out: Tensor | None = ...) -> Tensor:
        """`torch.linalg.cross`, by default along the first dimension of extent 3. RuntimeError if there is none."""
    def det(self, *, out: Tensor | None = ...) -> Tensor:
        """The determinants (...) of square matrices (..., n, n). Its gradient is exact for singular matrices too."""
    def geqrf(self, *, out: Any = ...) -> Any:
        """QR in the form that `ormqr` and `householder_product` take: R, the reflections' vectors below it, and"""
    def inverse(self, *, out: Tensor | None = ...) -> Tensor:
        """`torch.linalg.inv`."""
    def logdet(self) -> Tensor:
        """The logarithms of determinants: -inf of 0, NaN of negative ones."""
    def lu(self, pivot: _bool = ..., get_infos: _bool = ..., *, out: Any = ...) -> Any:
        """`torch.linalg.lu_factor` that never fails; with `get_infos` also the number of the first pivot that"""
    def lu_solve(self, LU_data: Tensor, LU_pivots: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """`torch.linalg.lu_solve` with its arguments in another order."""
    def matrix_exp(self) -> Tensor:
        """The exponential 1 + A + A²/2! + … of square matrices (..., n, n)."""
    def matrix_power(self, n: _int, *, out: Tensor | None = ...) -> Tensor:
        """Products of n equal matrices by repeated squaring; of the inverse for negative n; the identity for 0."""
    def orgqr(self, tau: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The first n columns of the product of reflections 1 - τ v vᴴ for A (..., m, n) and tau (..., k)."""
    def ormqr(self, tau: Tensor, other: Tensor, left: _bool = ..., transpose: _bool = ..., *, out: Any = ...) -> Tensor:
        """Q C (`left=False`: C Q) with the square Q of the reflections in `input` and `tau`; `transpose`: with"""
    def pinverse(self, rcond: _float = ...) -> Tensor:
        """`torch.linalg.pinv` with a smaller tolerance."""
    def qr(self, some: _bool = ..., *, out: Any = ...) -> Any:
        """`torch.linalg.qr`: reduced, or complete if not `some`."""
    def slogdet(self, *, out: Any = ...) -> Any:
        """`torch.linalg.slogdet`."""
    def svd(self, some: _bool = ..., compute_uv: _bool = ..., *, out: Any = ...) -> Any:
        """`torch.linalg.svd`, but with V instead of Vᴴ, and reduced if `some`."""
    def trace(self) -> Tensor:
        """The sum of a matrix' diagonal."""
    def triangular_solve(self, A: Tensor, upper: _bool = ..., transpose: _bool = ..., unitriangular: _bool = ..., *, out: Any = ...) -> Any:
        """X with A X = b, or Aᵀ X = b, by `torch.linalg.solve_triangular`; and a copy of A."""
    def inner(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The products of the last dimensions, for all pairs of the others; with a number, the product."""
    def kron(self, other: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The Kronecker product: each element of `input` times all of `other`, in place of the element."""
    def argsort(self, dim: _int = ..., descending: _bool = ..., *, stable: _bool = ...) -> Tensor:
        """The positions that would sort the input along a dimension (equal elements in their order)."""
    def sort(self, dim: _int = ..., descending: _bool = ..., stable: _bool = ..., *, out: Any = ...) -> Any:
        """The elements in order along a dimension, and where they were. NaN counts as the largest."""
    def msort(self, *, out: Tensor | None = ...) -> Tensor:
        """The input sorted along its first dimension."""
    def topk(self, k: _int, dim: _int = ..., largest: _bool = ..., sorted: _bool = ..., *, out: Any = ...) -> Any:
        """The k largest (smallest) elements along a dimension, best first, and where they were. RuntimeError if"""
    def kthvalue(self, k: _int, dim: _int = ..., keepdim: _bool = ..., *, out: Any = ...) -> Any:
        """The k-th smallest element (counted from 1) along a dimension, and where it is."""
    def median(self, dim: _int | None = ..., keepdim: _bool = ..., *, out: Any = ...) -> Any:
        """The lower of the middle elements: of all, or along a dimension with its position. NaN if there is one."""
    def unique(self, sorted: _bool = ..., return_inverse: _bool = ..., return_counts: _bool = ..., dim: _int | None = ...) -> Any:
        """The different elements (or slices along `dim`), in order; with them where each element went, and how"""
    def unique_consecutive(self, return_inverse: _bool = ..., return_counts: _bool = ..., dim: _int | None = ...) -> Any:
        """The input with runs of equal elements (or slices along `dim`) reduced to one each."""
    def bincount(self, weights: Tensor | None = ..., minlength: _int = ...) -> Tensor:
        """How often each whole number from 0 on occurs, or the sum of its `weights`. RuntimeError for negative"""
    def uniform_(self, from_: _float = ..., to: _float = ..., *, generator: Generator | None = ..., **kwargs: _float) -> Tensor:
        """Fills with uniform numbers in [from, to). RuntimeError if from > to."""
    def normal_(self, mean: _float = ..., std: _float = ..., *, generator: Generator | None = ...) -> Tensor:
        """Fills with normal numbers. RuntimeError for a negative standard deviation."""
    def log_normal_(self, mean: _float = ..., std: _float = ..., *, generator: Generator | None = ...) -> Tensor:
        """Fills with numbers whose logarithm is normal. RuntimeError unless std > 0."""
    def exponential_(self, lambd: _float = ..., *, generator: Generator | None = ...) -> Tensor:
        """Fills with exponentially distributed numbers of rate `lambd` > 0."""
    def cauchy_(self, median: _float = ..., sigma: _float = ..., *, generator: Generator | None = ...) -> Tensor:
        """Fills with Cauchy distributed numbers. RuntimeError unless sigma > 0."""
    def geometric_(self, p: _float, *, generator: Generator | None = ...) -> Tensor:
        """Fills with the number of trials until the first success of probability `p` in (0, 1)."""
    def bernoulli_(self, p: Any = ..., *, generator: Generator | None = ...) -> Tensor:
        """Fills with 1 with probability `p` (a number, or a tensor that broadcasts), else 0."""
    def random_(self, from_: _int | None = ..., to: _int | None = ..., *, generator: Generator | None = ..., **kwargs: _int) -> Tensor:
        """Fills with whole numbers in [from, to): `random_()`, `random_(to)`, `random_(from, to)`."""
    def bernoulli(self, p: _float | None = ..., *, generator: Generator | None = ..., out: Tensor | None = ...) -> Tensor:
        """1 with the probability that `input` gives for each element (or with `p`), else 0. RuntimeError for p"""
    def multinomial(self, num_samples: _int, replacement: _bool = ..., *, generator: Generator | None = ..., out: Tensor | None = ...) -> Tensor:
        """Indices drawn in proportion to the weights in each row. RuntimeError for weights that are no"""
    def new_zeros(self, *shape: Any, size: Any = ..., dtype: DType | None = ..., device: Any = ..., requires_grad: _bool = ...) -> Tensor:
        """Zeros of the given shape, of this tensor's dtype unless given."""
    def new_ones(self, *shape: Any, size: Any = ..., dtype: DType | None = ..., device: Any = ..., requires_grad: _bool = ...) -> Tensor:
        """Ones of the given shape, of this tensor's dtype unless given."""
    def new_empty(self, *shape: Any, size: Any = ..., dtype: DType | None = ..., device: Any = ..., requires_grad: _bool = ...) -> Tensor:
        """An unset tensor of the given shape, of this tensor's dtype unless given."""
    def new_full(self, size: Any, fill_value: Any, *, dtype: DType | None = ..., device: Any = ..., requires_grad: _bool = ...) -> Tensor:
        """`fill_value` everywhere, of this tensor's dtype unless given."""
    def new_tensor(self, data: Any, *, dtype: DType | None = ..., device: Any = ..., requires_grad: _bool = ...) -> Tensor:
        """A copy of `data`, of this tensor's dtype unless given."""
    def contiguous(self, memory_format: Any = ...) -> Tensor:
        """This tensor if its elements lie in the order of the memory format, else a copy in which they do."""
    def clone(self, *, memory_format: Any = ...) -> Tensor:
        """A copy with memory of its own; gradients flow through it."""
    def diff(self, n: _int = ..., dim: _int = ..., prepend: Tensor | None = ..., append: Tensor | None = ..., *, out: Tensor | None = ...) -> Tensor:
        """The n-th differences of neighbours along a dimension: x[i + 1] - x[i], taken n times."""
    def index_reduce(self, dim: _int, index: Tensor, source: Tensor, reduce: str, *, include_self: _bool = ..., out: Tensor | None = ...) -> Tensor:
        """`input` with the slices of `source` combined at the places along `dim` that the vector `index` names."""
    def index_reduce_(self, dim: _int, index: Tensor, source: Tensor, reduce: str, *, include_self: _bool = ...) -> Tensor:
        """In-place version of `index_reduce`: changes this tensor and returns it."""
    def put(self, index: Tensor, source: Tensor, accumulate: _bool = ...) -> Tensor:
        """`input` with the elements of `source` at these numbers of the flattened input (added with"""
    def put_(self, index: Tensor, source: Tensor, accumulate: _bool = ...) -> Tensor:
        """In-place version of `put`: changes this tensor and returns it."""
    def scatter_reduce(self, dim: _int, index: Tensor, src: Tensor, reduce: str, *, include_self: _bool = ..., out: Tensor | None = ...) -> Tensor:
        """`input` with src[i, j, k] combined at [index[i, j, k], j, k] for dim 0, and so on."""
    def scatter_reduce_(self, dim: _int, index: Tensor, src: Tensor, reduce: str, *, include_self: _bool = ...) -> Tensor:
        """In-place version of `scatter_reduce`: changes this tensor and returns it."""
    def as_strided_scatter(self, src: Tensor, size: Sequence[_int], stride: Sequence[_int], storage_offset: _int | None = ...) -> Tensor:
        """A copy of `input` with `src` in place of copy.as_strided(size, stride, storage_offset)."""
    def diagonal_scatter(self, src: Tensor, offset: _int = ..., dim1: _int = ..., dim2: _int = ...) -> Tensor:
        """`input` with `src` on the diagonal of two dimensions."""
    def fill_diagonal_(self, fill_value: _float, wrap: _bool = ...) -> Tensor:
        """Overwrites the main diagonal with a number; `wrap`: of a tall matrix, starting again below it."""
    def nonzero_static(self, *, size: _int, fill_value: _int = ..., out: Tensor | None = ...) -> Tensor:
        """The positions of the first `size` elements that aren't zero, rows of `fill_value` after them if there"""
    def select_scatter(self, src: Tensor, dim: _int, index: _int) -> Tensor:
        """`input` with `src` in place of input.select(dim, index)."""
    def slice_scatter(self, src: Tensor, dim: _int = ..., start: _int | None = ..., end: _int | None = ..., step: _int = ..., *, out: Tensor | None = ...) -> Tensor:
        """`input` with `src` in place of the slice start:end:step along `dim`."""
    def diagflat(self, offset: _int = ...) -> Tensor:
        """The matrix with all elements of the input, in order, on a diagonal."""
    def dsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Equal pieces, or pieces cut at the given places, along the third dimension."""
    def hsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Equal pieces, or pieces cut at the given places, along columns (along the only dimension of a vector)."""
    def vsplit(self, indices_or_sections: Any) -> tuple[Tensor, ...]:
        """Equal pieces, or pieces cut at the given places, along rows."""
    def renorm(self, p: _float, dim: _int, maxnorm: _float, *, out: Tensor | None = ...) -> Tensor:
        """The slices along `dim` whose p-norm exceeds `maxnorm` scaled down to it."""
    def renorm_(self, p: _float, dim: _int, maxnorm: _float) -> Tensor:
        """In-place version of `renorm`: changes this tensor and returns it."""
    def corrcoef(self) -> Tensor:
        """Pearson's correlation coefficients of variables (rows) over observations (columns)."""
    def cov(self, *, correction: _int = ..., fweights: Tensor | None = ..., aweights: Tensor | None = ...) -> Tensor:
        """The covariances of variables (rows) over observations (columns), divided by n - correction."""
    def dist(self, other: Tensor, p: _float = ...) -> Tensor:
        """The p-norm of input - other."""
    def histc(self, bins: _int = ..., min: _float = ..., max: _float = ..., *, out: Tensor | None = ...) -> Tensor:
        """How many elements lie in each of `bins` equal intervals from `min` to `max` (of the data if both are"""
    def histogram(self, bins: Any, *, range: Sequence[_float] | None = ..., weight: Tensor | None = ..., density: _bool = ..., out: Any = ...) -> Any:
        """How many elements (or the sum of their weights) lie in each bin, and the edges of the bins."""
    def mode(self, dim: _int = ..., keepdim: _bool = ..., *, out: Any = ...) -> Any:
        """The commonest element along a dimension (the smallest of equally common ones), and where it is last."""
    def nanmean(self, dim: Any = ..., keepdim: _bool = ..., *, dtype: DType | None = ..., out: Tensor | None = ...) -> Tensor:
        """The mean of the elements that aren't NaN, of all or over dimensions."""
    def nanmedian(self, dim: _int | None = ..., keepdim: _bool = ..., *, out: Any = ...) -> Any:
        """`median` of the elements that aren't NaN."""
    def nanquantile(self, q: Any, dim: _int | None = ..., keepdim: _bool = ..., *, interpolation: str = ..., out: Tensor | None = ...) -> Tensor:
        """`quantile` of the elements that aren't NaN."""
    def quantile(self, q: Any, dim: _int | None = ..., keepdim: _bool = ..., *, interpolation: str = ..., out: Tensor | None = ...) -> Tensor:
        """The values below which a share `q` of the elements lies, of all or along a dimension."""
    def narrow_copy(self, *args: Any, out: Any = ..., **kwargs: Any) -> Any:
        """As `narrow`, but a copy with memory of its own."""
    def new_empty_strided(self, size: Sequence[_int], stride: Sequence[_int], *, dtype: DType | None = ..., layout: Any = ..., device: Any = ..., pin_memory: _bool = ..., requires_grad: _bool = ...) -> Tensor:
        """An unset tensor of this shape and these strides, of this tensor's dtype unless given."""
    def resize_(self, *sizes: Any, size: Any = ..., memory_format: Any = ...) -> Tensor:
        """Gives this tensor another shape, in order over its memory, which grows if it is too small (by zeros)."""
    def resize_as_(self, the_template: Tensor, *, memory_format: Any = ...) -> Tensor:
        """Gives the tensor the shape of another (see `Tensor.resize_`)."""
    def masked_fill(self, mask: Tensor, value: Any) -> Tensor:
        """`value` where `mask` (broadcast) is true, else `input`."""
    def masked_fill_(self, mask: Tensor, value: Any) -> Tensor:
        """In-place version of `masked_fill`: changes this tensor and returns it."""
    def masked_scatter(self, mask: Tensor, source: Tensor) -> Tensor:
        """`input` with the elements of `source`, in order, where `mask` is true."""
    def masked_scatter_(self, mask: Tensor, source: Tensor) -> Tensor:
        """In-place version of `masked_scatter`: changes this tensor and returns it."""
    def masked_select(self, mask: Tensor, *, out: Tensor | None = ...) -> Tensor:
        """The elements where `mask` is true, as a vector."""
    def nonzero(self, *, out: Tensor | None = ..., as_tuple: _bool = ...) -> Any:
        """The positions of elements that aren't zero: an N x rank tensor, or a tuple of index vectors."""
    def argwhere(self, *, out: Tensor | None = ..., as_tuple: _bool = ...) -> Any:
        """The positions of elements that aren't zero: an N x rank tensor, or a tuple of index vectors."""
    def count_nonzero(self, dim: Any = ...) -> Tensor:
        """How many elements aren't zero, in all or along dimensions."""
    def apply_(self, callable: Callable[[Any], Any]) -> Tensor:
        """Replaces each element by a Python function of it: slow, and without gradients."""
    def map_(self, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
        """Replaces each element by a Python function of it and of the other tensor's: slow, and without"""
    def map2_(self, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
        """Replaces each element by a Python function of it and of two other tensors': slow, and without"""
    def is_conj(self) -> _bool:
        """Whether conjugation is yet to be done: never, as `conj` gives conjugated numbers."""
    def is_neg(self) -> _bool:
        """Whether a change of sign is yet to be done: never."""
    def is_nonzero(self) -> _bool:
        """Whether the only element isn't zero. RuntimeError for any other number of elements."""
    def is_same_size(self, other: Tensor) -> _bool:
        """Whether the shapes are equal."""
    def is_set_to(self, tensor: Tensor) -> _bool:
        """Whether both are the same elements of the same memory."""
    def is_signed(self) -> _bool:
        """Whether the tensor's dtype has negative numbers."""
    def stft(self, n_fft: _int, hop_length: _int | None = ..., win_length: _int | None = ..., window: Tensor | None = ..., center: _bool = ..., pad_mode: str = ..., normalized: _bool = ..., onesided: _bool | None = ..., return_complex: _bool | None = ..., align_to_window: _bool | None = ...) -> Tensor:
        """The spectra (..., frequencies, pieces) of pieces of `n_fft` numbers, `hop_length` apart, of signals"""
    def istft(self, n_fft: _int, hop_length: _int | None = ..., win_length: _int | None = ..., window: Tensor | None = ..., center: _bool = ..., normalized: _bool = ..., onesided: _bool | None = ..., length: _int | None = ..., return_complex: _bool = ...) -> Tensor:
        """The signals (..., n) of whose pieces `stft` with the same arguments gives the spectra."""
    def to_dense(self, *args: Any, **kwargs: Any) -> Any:
        """`to_dense` of a tensor; see `torch.sparse`."""
    def to_sparse(self, *args: Any, **kwargs: Any) -> Any:
        """`to_sparse` of a tensor; see `torch.sparse`."""
    def to_sparse_coo(self, *args: Any, **kwargs: Any) -> Any:
        """`to_sparse_coo` of a tensor; see `torch.sparse`."""
    def to_sparse_csr(self, *args: Any, **kwargs: Any) -> Any:
        """`to_sparse_csr` of a tensor; see `torch.sparse`."""
    def to_sparse_csc(self, *args: Any, **kwargs: Any) -> Any:
        """`to_sparse_csc` of a tensor; see `torch.sparse`."""
    def to_sparse_bsr(self, *args: Any, **kwargs: Any) -> Any:
        """`to_sparse_bsr` of a tensor; see `torch.sparse`."""
    def to_sparse_bsc(self, *args: Any, **kwargs: Any) -> Any:
        """`to_sparse_bsc` of a tensor; see `torch.sparse`."""
    def coalesce(self, *args: Any, **kwargs: Any) -> Any:
        """`coalesce` of a tensor; see `torch.sparse`."""
    def is_coalesced(self, *args: Any, **kwargs: Any) -> Any:
        """`is_coalesced` of a tensor; see `torch.sparse`."""
    def indices(self, *args: Any, **kwargs: Any) -> Any:
        """`indices` of a tensor; see `torch.sparse`."""
    def values(self, *args: Any, **kwargs: Any) -> Any:
        """`values` of a tensor; see `torch.sparse`."""
    def crow_indices(self, *args: Any, **kwargs: Any) -> Any:
        """`crow_indices` of a tensor; see `torch.sparse`."""
    def col_indices(self, *args: Any, **kwargs: Any) -> Any:
        """`col_indices` of a tensor; see `torch.sparse`."""
    def ccol_indices(self, *args: Any, **kwargs: Any) -> Any:
        """`ccol_indices` of a tensor; see `torch.sparse`."""
    def row_indices(self, *args: Any, **kwargs: Any) -> Any:
        """`row_indices` of a tensor; see `torch.sparse`."""
    def sparse_mask(self, *args: Any, **kwargs: Any) -> Any:
        """`sparse_mask` of a tensor; see `torch.sparse`."""
    def sparse_dim(self, *args: Any, **kwargs: Any) -> Any:
        """`sparse_dim` of a tensor; see `torch.sparse`."""
    def dense_dim(self, *args: Any, **kwargs: Any) -> Any:
        """`dense_dim` of a tensor; see `torch.sparse`."""
    def _indices(self, *args: Any, **kwargs: Any) -> Any:
        """`_indices` of a tensor; see `torch.sparse`."""
    def _values(self, *args: Any, **kwargs: Any) -> Any:
        """`_values` of a tensor; see `torch.sparse`."""
    def _nnz(self, *args: Any, **kwargs: Any) -> Any:
        """`_nnz` of a tensor; see `torch.sparse`."""
    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """This tensor in another dtype or on another device: `to(dtype)`, `to(device, dtype)`, `to(other)`."""
    def type_as(self, other: Tensor) -> Tensor:
        """This tensor in `other`'s dtype."""
    def cpu(self, memory_format: Any = ...) -> Tensor:
        """This tensor on the CPU."""
    def cuda(self, device: Any = ..., non_blocking: _bool = ..., memory_format: Any = ...) -> Tensor:
        """This tensor on a CUDA device. RuntimeError where there is none."""
    def new(self, *data: Any, device: Any = ...) -> Tensor:
        """A tensor of this one's dtype from sizes (unset values, here: zeros) or a sequence."""
    def untyped_storage(self) -> Any:
        """The memory that this tensor looks at, as bytes."""
    def storage(self) -> Any:
        """The memory that this tensor looks at, as elements of its dtype."""
    def storage_type(self) -> Any:
        """The type of the storage: `torch.FloatStorage` or its like."""
    def set_(self, source: Any = ..., storage_offset: _int = ..., size: Any = ..., stride: Any = ...) -> Tensor:
        """Makes this tensor look at the memory of a tensor or storage (or, without one, at nothing), from an"""
    def resize(self, *sizes: Any) -> Tensor:
        """The same elements in another shape, which takes as many: an old name of `reshape`."""
    def resize_as(self, tensor: Tensor) -> Tensor:
        """The same elements in another tensor's shape: an old name of `reshape`."""
    def const_data_ptr(self) -> _int:
        """The address of the first element; see `data_ptr`."""
    def dim_order(self) -> tuple[int, ...]:
        """The dimensions as they lie in memory, the outermost first."""
    def get_device(self) -> _int:
        """The number of the device that the tensor is on; -1 for the CPU."""
    def is_pinned(self, device: Any = ...) -> _bool:
        """False: memory is pinned for accelerators only."""
    def pin_memory(self, device: Any = ...) -> Tensor:
        """This tensor: without an accelerator no memory needs pinning."""
    def share_memory_(self) -> Tensor:
        """Moves the memory that this tensor looks at to where other processes see it: those that are forked, and"""
    def is_shared(self) -> _bool:
        """Whether `share_memory_` was called on this tensor's memory."""
    def record_stream(self, stream: Any) -> None:
        """NoDevice: only accelerators have streams."""
    def xpu(self, device: Any = ..., non_blocking: _bool = ..., memory_format: Any = ...) -> Tensor:
        """NoDevice: there is no XPU device."""
    def is_inference(self) -> _bool:
        """Whether the tensor can never take part in differentiation: False, as all tensors can, also those made"""
    def is_distributed(self) -> _bool:
        """Whether the tensor is spread over processes: False."""
    def as_subclass(self, cls: type) -> Any:
        """This tensor as an instance of a subclass: on the same memory, with the same history."""
    def module_load(self, other: Tensor, assign: _bool = ...) -> Tensor:
        """What `Module.load_state_dict` puts in the place of this tensor, given what was saved: with `assign`"""
    def __add__(self, other: _Operand) -> Tensor: ...
    def __radd__(self, other: _Operand) -> Tensor: ...
    def __sub__(self, other: _Operand) -> Tensor: ...
    def __rsub__(self, other: _Operand) -> Tensor: ...
    def __mul__(self, other: _Operand) -> Tensor: ...
    def __rmul__(self, other: _Operand) -> Tensor: ...
    def __truediv__(self, other: _Operand) -> Tensor: ...
    def __rtruediv__(self, other: _Operand) -> Tensor: ...
    def __div__(self, other: _Operand) -> Tensor: ...
    def __rdiv__(self, other: _Operand) -> Tensor: ...
    def __floordiv__(self, other: _Operand) -> Tensor: ...
    def __rfloordiv__(self, other: _Operand) -> Tensor: ...
    def __mod__(self, other: _Operand) -> Tensor: ...
    def __rmod__(self, other: _Operand) -> Tensor: ...
    def __pow__(self, other: _Operand) -> Tensor: ...
    def __rpow__(self, other: _Operand) -> Tensor: ...
    def __matmul__(self, other: _Operand) -> Tensor: ...
    def __rmatmul__(self, other: _Operand) -> Tensor: ...
    def __and__(self, other: _Operand) -> Tensor: ...
    def __rand__(self, other: _Operand) -> Tensor: ...
    def __or__(self, other: _Operand) -> Tensor: ...
    def __ror__(self, other: _Operand) -> Tensor: ...
    def __xor__(self, other: _Operand) -> Tensor: ...
    def __rxor__(self, other: _Operand) -> Tensor: ...
    def __lshift__(self, other: _Operand) -> Tensor: ...
    def __rlshift__(self, other: _Operand) -> Tensor: ...
    def __rshift__(self, other: _Operand) -> Tensor: ...
    def __rrshift__(self, other: _Operand) -> Tensor: ...
    def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
    def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
    def __lt__(self, other: _Operand) -> Tensor: ...
    def __le__(self, other: _Operand) -> Tensor: ...
    def __gt__(self, other: _Operand) -> Tensor: ...
    def __ge__(self, other: _Operand) -> Tensor: ...
    def __neg__(self) -> Tensor: ...
    def __pos__(self) -> Tensor: ...
    def __abs__(self) -> Tensor: ...
    def __invert__(self) -> Tensor: ...
    def __getitem__(self, index: Any) -> Tensor: ...
    def __setitem__(self, index: Any, value: Any) -> None: ...
    def __contains__(self, element: Any) -> _bool: ...
    def __iter__(self) -> Iterator[Tensor]: ...
    def __reversed__(self, other: _Operand) -> Tensor: ...
    def __iadd__(self, other: _Operand) -> Tensor: ...
    def __isub__(self, other: _Operand) -> Tensor: ...
    def __imul__(self, other: _Operand) -> Tensor: ...
    def __itruediv__(self, other: _Operand) -> Tensor: ...
    def __ifloordiv__(self, other: _Operand) -> Tensor: ...
    def __imod__(self, other: _Operand) -> Tensor: ...
    def __ipow__(self, other: _Operand) -> Tensor: ...
    def __iand__(self, other: _Operand) -> Tensor: ...
    def __ior__(self, other: _Operand) -> Tensor: ...
    def __ixor__(self, other: _Operand) -> Tensor: ...
    def __ilshift__(self, other: _Operand) -> Tensor: ...
    def __irshift__(self, other: _Operand) -> Tensor: ...
    def where(self, condition: Tensor, other: _Operand) -> Tensor:
        """This tensor's elements where `condition`, else `other`'s."""
    def abs_(self) -> Tensor:
        """Makes all elements positive in place. RuntimeError for complex numbers, whose moduli are real."""
    def absolute_(self) -> Tensor:
        """Makes all elements positive in place. RuntimeError for complex numbers, whose moduli are real."""
    def float_power_(self, exponent: _Operand) -> Tensor:
        """Raises this tensor, which must be float64 or complex128 already, to a power in place."""
    def type(self, dtype: Any = ..., non_blocking: _bool = ...) -> Any:
        """The name of the tensor's type, or the tensor converted to a dtype."""
    def polygamma(self, n: _int) -> Tensor:
        """The n-th derivative of digamma. RuntimeError for negative n."""
    def polygamma_(self, *args: Any, **kwargs: Any) -> Tensor:
        """In-place version of `polygamma`: changes this tensor (and all views of it) and returns it."""
    def fill_(self, value: Any) -> Tensor:
        """Overwrites all elements with a number (or a 0-d tensor)."""
    def zero_(self) -> Tensor:
        """Overwrites all elements with zero."""
    def detach_(self) -> Tensor:
        """Takes this tensor out of the recorded history."""
    def squeeze_(self, *args: Any, **kwargs: Any) -> Tensor:
        """Changes this tensor itself to what `squeeze` shows of it."""
    def unsqueeze_(self, *args: Any, **kwargs: Any) -> Tensor:
        """Changes this tensor itself to what `unsqueeze` shows of it."""
    def t_(self, *args: Any, **kwargs: Any) -> Tensor:
        """Changes this tensor itself to what `t` shows of it."""
    def transpose_(self, *args: Any, **kwargs: Any) -> Tensor:
        """Changes this tensor itself to what `transpose` shows of it."""
    def swapaxes_(self, *args: Any, **kwargs: Any) -> Tensor:
        """Changes this tensor itself to what `swapaxes` shows of it."""
    def swapdims_(self, *args: Any, **kwargs: Any) -> Tensor:
        """Changes this tensor itself to what `swapdims` shows of it."""
    def as_strided_(self, *args: Any, **kwargs: Any) -> Tensor:
        """Changes this tensor itself to what `as_strided` shows of it."""
    def ndimension(self) -> _int:
        """The number of dimensions."""
    def float(self, memory_format: Any = ...) -> Tensor:
        """This tensor as float32."""
    def double(self, memory_format: Any = ...) -> Tensor:
        """This tensor as float64."""
    def half(self, memory_format: Any = ...) -> Tensor:
        """This tensor as float16."""
    def bfloat16(self, memory_format: Any = ...) -> Tensor:
        """This tensor as bfloat16."""
    def long(self, memory_format: Any = ...) -> Tensor:
        """This tensor as int64."""
    def int(self, memory_format: Any = ...) -> Tensor:
        """This tensor as int32."""
    def short(self, memory_format: Any = ...) -> Tensor:
        """This tensor as int16."""
    def char(self, memory_format: Any = ...) -> Tensor:
        """This tensor as int8."""
    def byte(self, memory_format: Any = ...) -> Tensor:
        """This tensor as uint8."""
    def bool(self, memory_format: Any = ...) -> Tensor:
        """This tensor as bool."""
    def cfloat(self, memory_format: Any = ...) -> Tensor:
        """This tensor as complex64."""
    def cdouble(self, memory_format: Any = ...) -> Tensor:
        """This tensor as complex128."""
    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
    @property
    def mT(self) -> Tensor:
        """The last two dimensions swapped."""
    @property
    def mH(self) -> Tensor:
        """The last two dimensions swapped, conjugated. RuntimeError for a vector."""
    @property
    def H(self) -> Tensor:
        """The conjugated transposed matrix."""
    @property
    def real(self) -> Tensor:
        """The real part, as a view."""
    @property
    def imag(self) -> Tensor:
        """The imaginary part, as a view."""
    _repr_prefix: str
    def backward(
        self,
        gradient: Tensor | None = ...,
        retain_graph: _bool | None = ...,
        create_graph: _bool = ...,
        inputs: Any = ...,
    ) -> None:
        """Adds this tensor's gradients to the `.grad` of the leaves it depends on."""
    def numpy(self, *, force: _bool = ...) -> Any:
        """This tensor's memory as a NumPy array."""
