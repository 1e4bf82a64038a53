"""The scalar language: what an operation computes for one element.

An operation's `lower` is a function from `Expr`s to an `Expr`, such as `lambda x: 1 / (1 + exp(-x))`. The
same expression is emitted for a vector of elements by each backend. Whole kernels consist of such
expressions; `Load`, `Index` and `Reduced` leaves say where the elements come from (see `nest`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import dtype as dt
from ..core.dtype import dtype


class Expr:
    """A scalar computation: an operation on other expressions, and the dtype of its value.

    `data` belongs to leaves and parametrised operations: a constant's value, a load's number.
    """

    __slots__ = ("args", "data", "dtype", "op")

    def __init__(self, op: str, args: tuple[Expr, ...], dtype: dtype, data: Any = None) -> None:
        self.op, self.args, self.dtype, self.data = op, args, dtype, data

    def __repr__(self) -> str:
        if self.op == "const":
            return f"{self.data!r}"
        inside = [repr(a) for a in self.args] + ([repr(self.data)] if self.data is not None else [])
        return f"{self.op}({', '.join(inside)})"

    # Arithmetic: both sides have the same dtype, or one is a Python number.
    def __add__(self, y: Any) -> Expr:
        return _binary("add", self, y)

    def __radd__(self, y: Any) -> Expr:
        return _binary("add", y, self)

    def __sub__(self, y: Any) -> Expr:
        return _binary("sub", self, y)

    def __rsub__(self, y: Any) -> Expr:
        return _binary("sub", y, self)

    def __mul__(self, y: Any) -> Expr:
        return _binary("mul", self, y)

    def __rmul__(self, y: Any) -> Expr:
        return _binary("mul", y, self)

    def __truediv__(self, y: Any) -> Expr:
        return _binary("div", self, y)

    def __rtruediv__(self, y: Any) -> Expr:
        return _binary("div", y, self)

    def __neg__(self) -> Expr:
        return Expr("neg", (self,), self.dtype)

    def __and__(self, y: Any) -> Expr:
        return _binary("and", self, y)

    def __or__(self, y: Any) -> Expr:
        return _binary("or", self, y)

    def __xor__(self, y: Any) -> Expr:
        return _binary("xor", self, y)

    def __invert__(self) -> Expr:
        return Expr("not", (self,), self.dtype)

    def __lshift__(self, y: Any) -> Expr:
        return _binary("shl", self, y)

    def __rshift__(self, y: Any) -> Expr:
        return _binary("shr", self, y)

    def __lt__(self, y: Any) -> Expr:
        return _compare("lt", self, y)

    def __le__(self, y: Any) -> Expr:
        return _compare("le", self, y)

    def __gt__(self, y: Any) -> Expr:
        return _compare("lt", y, self)

    def __ge__(self, y: Any) -> Expr:
        return _compare("le", y, self)

    # Expressions are compared by what they are; equality of values is `eq`.
    def eq(self, y: Any) -> Expr:
        """Truth value: equal."""
        return _compare("eq", self, y)

    def ne(self, y: Any) -> Expr:
        """Truth value: not equal (true if one is NaN)."""
        return _compare("ne", self, y)

    def cast(self, d: dtype) -> Expr:
        """The value converted as `Tensor.to(d)` does."""
        return self if self.dtype is d else Expr("cast", (self,), d)

    def bits(self, d: dtype) -> Expr:
        """The same bits, seen as a dtype of the same size."""
        return Expr("bits", (self,), d)


def const(value: Any, d: dtype) -> Expr:
    """A number."""
    if d is dt.bool_:
        return Expr("const", (), d, bool(value))
    return Expr("const", (), d, float(value) if d.is_floating_point else int(value))


def _pair(x: Any, y: Any) -> tuple[Expr, Expr]:
    if not isinstance(x, Expr):
        x = const(x, y.dtype)
    if not isinstance(y, Expr):
        y = const(y, x.dtype)
    if x.dtype is not y.dtype:
        raise TypeError(f"expression: {x.dtype.name} meets {y.dtype.name} in {x!r}, {y!r}; cast one")
    return x, y


def _binary(op: str, x: Any, y: Any) -> Expr:
    x, y = _pair(x, y)
    return Expr(op, (x, y), x.dtype)


def _compare(op: str, x: Any, y: Any) -> Expr:
    return Expr(op, _pair(x, y), dt.bool_)


def where(condition: Expr, x: Any, y: Any) -> Expr:
    """`x` where the condition holds, `y` elsewhere."""
    x, y = _pair(x, y)
    return Expr("where", (condition, x, y), x.dtype)


def minimum(x: Any, y: Any) -> Expr:
    """The lesser; NaN if one is."""
    return _binary("min", x, y)


def maximum(x: Any, y: Any) -> Expr:
    """The greater; NaN if one is."""
    return _binary("max", x, y)


def fma(x: Expr, y: Any, z: Any) -> Expr:
    """x * y + z, rounded once."""
    y = y if isinstance(y, Expr) else const(y, x.dtype)
    z = z if isinstance(z, Expr) else const(z, x.dtype)
    return Expr("fma", (x, y, z), x.dtype)


def function(name: str) -> Callable[..., Expr]:
    """A function of the scalar language: every argument and the result have one dtype."""

    def call(x: Any, *more: Any) -> Expr:
        like = next(a for a in (x, *more) if isinstance(a, Expr))
        args = tuple(a if isinstance(a, Expr) else const(a, like.dtype) for a in (x, *more))
        return Expr(name, args, like.dtype)

    call.__name__ = name
    return call


# In hardware nearly everywhere.
absolute, sqrt, floor, ceil, trunc, rint = map(function, ("abs", "sqrt", "floor", "ceil", "trunc", "rint"))
floordiv, remainder, fmod, truncdiv = map(function, ("floordiv", "remainder", "fmod", "truncdiv"))
copysign = function("copysign")
# Written over the others, once for all backends.
exp, exp2, expm1, log, log2, log10, log1p = map(
    function, ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p")
)
sin, cos, tan, asin, acos, atan, atan2 = map(function, ("sin", "cos", "tan", "asin", "acos", "atan", "atan2"))
sinh, cosh, tanh, asinh, acosh, atanh = map(function, ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"))
erf, erfc, erfinv, sigmoid, rsqrt, pow = map(function, ("erf", "erfc", "erfinv", "sigmoid", "rsqrt", "pow"))


def load(number: int, d: dtype, *index: Expr) -> Expr:
    """The element of access number `number` at the loops' current indices; `index` adds computed ones."""
    return Expr("load", index, d, number)


def counter(dim: int) -> Expr:
    """The current index of loop number `dim` (int64)."""
    return Expr("index", (), dt.int64, dim)


def reduced(number: int, d: dtype) -> Expr:
    """The result of reduction number `number` of the kernel, in a later phase."""
    return Expr("reduced", (), d, number)


def kept(number: int, d: dtype) -> Expr:
    """Row value number `number`, kept by an earlier phase for the same inner index."""
    return Expr("kept", (), d, number)


def numbered(roots: list[Expr]) -> tuple[list[Expr], tuple[Any, ...]]:
    """The distinct subexpressions of `roots`, arguments first, and a key: equal keys mean equal
    computations."""
    order: list[Expr] = []
    numbers: dict[Any, int] = {}
    seen: dict[int, int] = {}
    key: list[Any] = []
    for root in roots:
        stack = [(root, False)]
        while stack:
            e, ready = stack.pop()
            if id(e) in seen:
                continue
            if not ready:
                stack.append((e, True))
                stack.extend((a, False) for a in reversed(e.args))
                continue
            data = e.data if not isinstance(e.data, float) else e.data.hex()
            entry = (e.op, tuple(seen[id(a)] for a in e.args), e.dtype.name, data)
            number = numbers.get(entry)
            if number is None:
                number = numbers[entry] = len(order)
                order.append(e)
                key.append(entry)
            seen[id(e)] = number
    return order, (tuple(key), tuple(seen[id(r)] for r in roots))
