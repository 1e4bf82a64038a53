"""Expressions of the scalar language as LLVM code for vectors of elements.

In registers a bool is an i1, a bfloat16 or float16 is a float32 that holds a rounded value, and everything
else is itself. A value is *uniform*, a plain LLVM scalar, where it is the same for all lanes, and becomes a
vector where it meets one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ...runtime.target import host
from ..expression import Expr, numbered
from ..mathematics import RARE, expanded
from .emit import F32, I1, I16, I32, I64, STORED, Function, type_name

F16 = ir.HalfType()
REGISTER: dict[dtype, Any] = STORED | {dt.bool_: I1, dt.bfloat16: F32, dt.float16: F32}
LEAVES = ("load", "index", "reduced", "kept")
_FLOAT_BINARY = {"add": "fadd", "sub": "fsub", "mul": "fmul", "div": "fdiv", "fmod": "frem"}
_INT_BINARY = {"add": "add", "sub": "sub", "mul": "mul", "and": "and_", "or": "or_", "xor": "xor"}
_BOOL_BINARY = {"add": "or_", "mul": "and_", "min": "and_", "max": "or_", "and": "and_", "or": "or_"}
_BOOL_BINARY["xor"] = "xor"
_ORDER = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}
_INTRINSICS = {"abs": "fabs", "sqrt": "sqrt", "fma": "fma", "copysign": "copysign"}
_ROUNDINGS = {"floor": "floor", "ceil": "ceil", "trunc": "trunc", "rint": "roundeven"}
_SCALEF = {"v16f32": ("ps", I16), "v8f64": ("pd", ir.IntType(8))}  # AVX-512's x * 2**n of full vectors
_EXACT = {"const", "bits", "cast", "where", "neg", "abs", "min", "max", "copysign", *LEAVES, *_ROUNDINGS}


def emit(f: Function, roots: list[Expr], lanes: int, leaf: Callable[..., Any]) -> list[Any]:
    """The values of expressions, one computed once even if several use it.

    `leaf(e, *indices)` gives the value of a load, index, reduced or kept leaf (`indices` are the values of a
    load's computed indices). What it gives, and what is returned, is a vector of `lanes`, or one scalar.
    """
    return _Emitter(f, lanes, leaf).values(roots)


def is_vector(value: Any) -> bool:
    """Whether a value has one element for each lane."""
    return isinstance(value.type, ir.VectorType)


def splat(f: Function, value: Any, lanes: int) -> Any:
    """The value as a vector of `lanes` (which it may be already)."""
    if lanes == 1 or is_vector(value):
        return value
    if isinstance(value, ir.Constant):
        return _Filled(ir.VectorType(value.type, lanes), value)
    return f.splat(value, lanes)


def number(like: Any, value: float) -> ir.Constant:
    """A constant of a value's type."""
    kind = like.type
    if isinstance(kind, ir.VectorType):
        return _Filled(kind, ir.Constant(kind.element, value))
    return ir.Constant(kind, value)


class _Filled(ir.Constant):  # type: ignore[misc]
    """A constant vector of equal elements, written shortly."""

    def __init__(self, kind: Any, value: ir.Constant) -> None:
        super().__init__(kind, ir.Undefined)
        self.value = value

    def _get_reference(self) -> str:
        return f"splat ({self.value})"


def _as(like: Any, element: Any) -> Any:
    """A type with another element and as many lanes as a value."""
    return ir.VectorType(element, like.type.count) if is_vector(like) else element


# ----- stored elements -----


def decode(f: Function, raw: Any, d: dtype, lanes: int = 0) -> Any:
    """Stored elements (see `STORED`), a vector or one, in the form they have in registers."""
    b = f.b
    if d is dt.bool_:
        return b.icmp_unsigned("!=", raw, number(raw, 0))
    if d is dt.bfloat16:
        wide = b.zext(raw, _as(raw, I32))
        value = b.bitcast(b.shl(wide, number(wide, 16)), _as(raw, F32))
    elif d is dt.float16:
        value = b.fpext(b.bitcast(raw, _as(raw, F16)), _as(raw, F32)) if _halves() else _widen_half(f, raw)
    else:
        return raw
    value.stored = d, raw
    return value


def encode(f: Function, value: Any, d: dtype, lanes: int = 0) -> Any:
    """Values from registers as they are stored; a float32 is rounded to nearest even for the 16-bit types."""
    b = f.b
    if d is dt.bool_:
        return b.zext(value, _as(value, STORED[d]))
    if d not in dt.HALVES:
        return value
    known = getattr(value, "stored", None)
    if known is not None and known[0] is d:
        return known[1]
    if d is dt.bfloat16:
        return _narrow_bfloat(f, value)
    if _halves():
        return b.bitcast(b.fptrunc(value, _as(value, F16)), _as(value, I16))
    return _narrow_half(f, value)


def _halves() -> bool:
    """Whether the processor converts between float16 and float32."""
    return host().has("f16c") or host().has("neon")


def _narrow_bfloat(f: Function, value: Any) -> Any:
    """By whole numbers: the instruction for it takes subnormal numbers for zero."""
    b = f.b
    bits = b.bitcast(value, _as(value, I32))
    odd = b.and_(b.lshr(bits, number(bits, 16)), number(bits, 1))
    near = b.add(bits, b.add(odd, number(bits, 0x7FFF)))
    quiet = b.or_(bits, number(bits, 0x400000))
    near = b.select(b.fcmp_unordered("uno", value, value), quiet, near)
    return b.trunc(b.lshr(near, number(near, 16)), _as(value, I16))


def _narrow_half(f: Function, value: Any) -> Any:
    """float32 to float16 where the processor can't."""
    b = f.b
    bits = b.bitcast(value, _as(value, I32))
    size = b.and_(bits, number(bits, 0x7FFFFFFF))
    sign = b.and_(b.lshr(bits, number(bits, 16)), number(bits, 0x8000))
    odd = b.and_(b.lshr(size, number(size, 13)), number(size, 1))
    normal = b.sub(b.add(size, b.add(odd, number(size, 0xFFF))), number(size, 112 << 23))
    normal = b.lshr(normal, number(size, 13))
    # Adding 0.5 leaves the multiples of 2**-24, which subnormal float16 are, in the last bits, rounded.
    lifted = b.fadd(b.bitcast(size, value.type), number(value, 0.5))
    small = b.sub(b.bitcast(lifted, size.type), number(size, 126 << 23))
    result = b.select(b.icmp_signed("<", size, number(size, 113 << 23)), small, normal)
    result = b.select(b.icmp_signed(">=", size, number(size, 0x477FF000)), number(size, 0x7C00), result)
    result = b.select(b.icmp_signed(">", size, number(size, 0x7F800000)), number(size, 0x7E00), result)
    return b.trunc(b.or_(result, sign), _as(value, I16))


def _widen_half(f: Function, raw: Any) -> Any:
    """float16 to float32 where the processor can't."""
    b = f.b
    bits = b.zext(raw, _as(raw, I32))
    size = b.and_(bits, number(bits, 0x7FFF))
    kind = _as(raw, F32)
    finite = b.bitcast(b.shl(size, number(size, 13)), kind)
    finite = b.fmul(finite, number(finite, 2.0**112))
    special = b.or_(b.shl(size, number(size, 13)), number(size, 0x7F800000))
    value = b.select(b.icmp_signed(">=", size, number(size, 0x7C00)), special, b.bitcast(finite, size.type))
    sign = b.shl(b.and_(bits, number(bits, 0x8000)), number(bits, 16))
    return b.bitcast(b.or_(value, sign), kind)


# ----- expressions -----


class _Emitter:
    """Emits expressions for one function and number of lanes."""

    def __init__(self, f: Function, lanes: int, leaf: Callable[..., Any]) -> None:
        self.f, self.lanes, self.leaf = f, lanes, leaf

    def values(self, roots: list[Expr]) -> list[Any]:
        order, (key, wanted) = numbered(expanded(roots))
        done: list[Any] = []
        for e, (_, places, _, _) in zip(order, key, strict=True):
            done.append(self.value(e, [done[i] for i in places]))
        return [done[i] for i in wanted]

    def value(self, e: Expr, args: list[Any]) -> Any:
        """The value of one expression whose arguments have these values."""
        if e.op in LEAVES:
            return self.leaf(e, *args)
        if e.op == "const":
            return ir.Constant(REGISTER[e.dtype], _in_register(e.data, e.dtype))
        if e.op == "cast":
            return self.cast(args[0], e.args[0].dtype, e.dtype)
        if e.op == "bits":
            return self.bits(args[0], e.args[0].dtype, e.dtype)
        if any(map(is_vector, args)):
            args = [splat(self.f, a, self.lanes) for a in args]
        if e.op == "where":
            return self.f.b.select(*args)
        if e.op in ("shl", "shr"):
            return self.shift(e, *args)
        if e.op == "libm":
            return self.intrinsic(e.data, args[0])
        if e.op == "rarely":
            return self.rarely(e, args)
        of = e.args[0].dtype
        if of.is_floating_point:
            value = self.floating(e.op, args, of)
            return self.rounded(value, e.dtype) if e.dtype in dt.HALVES and e.op not in _EXACT else value
        return self.truth(e.op, args) if of is dt.bool_ else self.whole(e.op, args, of)

    # ----- floats -----

    def floating(self, op: str, args: list[Any], d: dtype) -> Any:
        b, x = self.f.b, args[0]
        if op in _FLOAT_BINARY:
            return getattr(b, _FLOAT_BINARY[op])(*args)
        if op in _ORDER:
            compare = b.fcmp_unordered if op == "ne" else b.fcmp_ordered
            return compare(_ORDER[op], *args)
        if op in _INTRINSICS:
            return self.f.intrinsic(f"llvm.{_INTRINSICS[op]}.{type_name(x.type)}", x.type, *args)
        if op in _ROUNDINGS:
            return self.to_whole(op, x)
        if op == "neg":
            return b.fneg(x)
        if op in ("min", "max"):
            return self.extremum(op, *args)
        if op == "ldexp":
            return self.scaled(*args)
        if op == "truncdiv":
            return self.to_whole("trunc", b.fdiv(*args))
        if op == "remainder":
            return self.remainder(*args)
        if op == "floordiv":
            return self.floor_quotient(*args)
        raise NotImplementedError(f"scalar: {op} of {d.name}")

    def intrinsic(self, name: str, x: Any, *more: Any) -> Any:
        return self.f.intrinsic(f"llvm.{name}.{type_name(x.type)}", x.type, x, *more)

    def extremum(self, op: str, x: Any, y: Any) -> Any:
        """NumPy's minimum and maximum: NaN wins, of equal ones the second."""
        b, sign = self.f.b, "<" if op == "min" else ">"
        if isinstance(y, ir.Constant):
            return b.select(b.fcmp_unordered(sign, x, y), x, y)
        better = b.select(b.fcmp_ordered(sign, x, y), x, y)
        return b.select(b.fcmp_unordered("uno", x, x), x, better)

    def to_whole(self, op: str, x: Any) -> Any:
        """Rounding to a whole number, which old processors do by adding a number that leaves no fraction."""
        b = self.f.b
        if any(map(host().has, ("sse4.1", "avx", "neon"))):
            return self.intrinsic(_ROUNDINGS[op], x)
        size = self.intrinsic("fabs", x)
        large = number(x, 2.0**23 if type_name(x.type).endswith("f32") else 2.0**52)
        near = b.select(b.fcmp_ordered("<", size, large), b.fsub(b.fadd(size, large), large), size)
        if op == "trunc":
            near = b.select(b.fcmp_ordered(">", near, size), b.fsub(near, number(x, 1.0)), near)
        near = self.intrinsic("copysign", near, x)
        if op == "floor":
            near = b.select(b.fcmp_ordered(">", near, x), b.fsub(near, number(x, 1.0)), near)
        elif op == "ceil":
            near = b.select(b.fcmp_ordered("<", near, x), b.fadd(near, number(x, 1.0)), near)
        return self.intrinsic("copysign", near, x)

    def scaled(self, x: Any, n: Any) -> Any:
        """x * 2**n, rounded once, for whole n that are the sum of two exponents."""
        b = self.f.b
        single = type_name(x.type).endswith("f32")
        if host().has("avx512f"):
            if type_name(x.type) in _SCALEF:
                suffix, mask = _SCALEF[type_name(x.type)]
                name = f"llvm.x86.avx512.mask.scalef.{suffix}.512"  # of all lanes, rounding as is set
                return self.f.intrinsic(name, x.type, x, n, x, ir.Constant(mask, -1), ir.Constant(I32, 4))
            whole = b.fptosi(n, _as(n, I32))
            name = f"llvm.ldexp.{type_name(x.type)}.{type_name(whole.type)}"
            return self.f.intrinsic(name, x.type, x, whole)
        digits, bias, magic, kind = (23, 127, 0x4B400000, I32) if single else (52, 1023, 0x4338 << 48, I64)
        whole = b.bitcast(b.fadd(n, number(n, 1.5 * 2.0**digits)), _as(n, kind))
        whole = b.sub(whole, number(whole, magic))
        half = b.ashr(whole, number(whole, 1))
        for part in (half, b.sub(whole, half)):
            power = b.shl(b.add(part, number(part, bias)), number(part, digits))
            x = b.fmul(x, b.bitcast(power, x.type))
        return x

    def remainder(self, x: Any, y: Any) -> Any:
        """With the sign of `y`, zero too."""
        b, zero = self.f.b, number(x, 0.0)
        rest = b.frem(x, y)
        across = b.xor(b.fcmp_ordered("<", y, zero), b.fcmp_ordered("<", rest, zero))
        signed = b.select(across, b.fadd(rest, y), rest)
        none = b.and_(b.fcmp_ordered("==", rest, zero), b.fcmp_unordered("!=", y, zero))
        return b.select(none, self.intrinsic("copysign", zero, y), signed)

    def floor_quotient(self, x: Any, y: Any) -> Any:
        """The whole number next below x / y, from the exact remainder; x / y itself for y = 0."""
        b, zero, one = self.f.b, number(x, 0.0), number(x, 1.0)
        rest, quotient = b.frem(x, y), b.fdiv(x, y)
        whole = b.fdiv(b.fsub(x, rest), y)
        across = b.xor(b.fcmp_ordered("<", y, zero), b.fcmp_ordered("<", rest, zero))
        across = b.and_(across, b.fcmp_unordered("!=", rest, zero))
        whole = b.select(across, b.fsub(whole, one), whole)
        below = self.to_whole("floor", whole)
        below = b.select(b.fcmp_ordered(">", b.fsub(whole, below), number(x, 0.5)), b.fadd(below, one), below)
        below = b.select(b.fcmp_ordered("==", whole, zero), self.intrinsic("copysign", zero, quotient), below)
        return b.select(b.fcmp_ordered("==", y, zero), quotient, below)

    def rounded(self, value: Any, d: dtype) -> Any:
        """A float32 rounded to a 16-bit type."""
        return decode(self.f, encode(self.f, value, d), d)

    # ----- whole numbers and truth values -----

    def whole(self, op: str, args: list[Any], d: dtype) -> Any:
        b, x = self.f.b, args[0]
        compare = b.icmp_signed if d.is_signed else b.icmp_unsigned
        if op in _INT_BINARY:
            return getattr(b, _INT_BINARY[op])(*args)
        if op in _ORDER:
            return compare(_ORDER[op], *args)
        if op in ("min", "max"):
            return b.select(compare("<" if op == "min" else ">", *args), *args)
        if op in _ROUNDINGS:
            return x
        if op in ("neg", "not"):
            return getattr(b, {"neg": "neg", "not": "not_"}[op])(x)
        if op == "abs":
            negative = compare("<", x, number(x, 0))
            return b.select(negative, b.neg(x), x)
        if op in ("floordiv", "remainder", "truncdiv", "fmod"):
            return self.division(op, x, args[1], d)
        raise NotImplementedError(f"scalar: {op} of {d.name}")

    def truth(self, op: str, args: list[Any]) -> Any:
        b = self.f.b
        if op in _BOOL_BINARY:
            return getattr(b, _BOOL_BINARY[op])(*args)
        if op in _ORDER:
            return b.icmp_unsigned(_ORDER[op], *args)
        if op == "not":
            return b.xor(args[0], number(args[0], 1))
        raise NotImplementedError(f"scalar: {op} of bool")

    def shift(self, e: Expr, x: Any, by: Any) -> Any:
        """By more than there are bits, or less than none: all bits go out."""
        b, bits, signed = self.f.b, 8 * e.dtype.itemsize, e.dtype.is_signed
        if e.args[1].op == "const" and 0 <= e.args[1].data < bits:
            return (b.shl if e.op == "shl" else b.ashr if signed else b.lshr)(x, by)
        fits = b.icmp_unsigned("<", by, number(by, bits))
        safe = b.select(fits, by, number(by, bits - 1))
        if e.op == "shr" and signed:
            return b.ashr(x, safe)
        return b.select(fits, (b.shl if e.op == "shl" else b.lshr)(x, safe), number(x, 0))

    def division(self, op: str, x: Any, y: Any, d: dtype) -> Any:
        """Quotient or remainder, towards zero or with the divisor's sign; 0 for a divisor of 0."""
        b, zero = self.f.b, number(x, 0)
        none = b.icmp_unsigned("==", y, zero)
        if not d.is_signed:
            safe = b.select(none, number(y, 1), y)
            result = b.udiv(x, safe) if op in ("floordiv", "truncdiv") else b.urem(x, safe)
            return b.select(none, zero, result)
        minus = b.icmp_signed("==", y, number(y, -1))  # may overflow: done by negating
        safe = b.select(b.or_(none, minus), number(y, 1), y)
        rest = b.srem(x, safe)
        quotient = b.select(minus, b.neg(x), b.sdiv(x, safe))
        if op in ("floordiv", "remainder"):
            across = b.icmp_signed("<", b.xor(rest, safe), zero)
            across = b.and_(across, b.icmp_signed("!=", rest, zero))
            quotient = b.select(across, b.sub(quotient, number(x, 1)), quotient)
            rest = b.select(across, b.add(rest, safe), rest)
        result = quotient if op in ("floordiv", "truncdiv") else rest
        return b.select(none, zero, result)

    # ----- conversions -----

    def cast(self, x: Any, of: dtype, to: dtype) -> Any:
        """As `Tensor.to` converts."""
        b = self.f.b
        if of is to:
            return x
        if to is dt.bool_:
            zero = number(x, 0)
            return b.fcmp_unordered("!=", x, zero) if of.is_floating_point else b.icmp_signed("!=", x, zero)
        kind = _as(x, REGISTER[to])
        if of is dt.bool_:
            return b.uitofp(x, kind) if to.is_floating_point else b.zext(x, kind)
        if not of.is_floating_point:
            return self.from_whole(x, of, to, kind)
        if not to.is_floating_point:
            return self.cut(x, to, kind)
        if of is dt.float64 and to is dt.float16:
            x = self.sticky(x)
        if x.type != kind:
            x = b.fpext(x, kind) if to is dt.float64 else b.fptrunc(x, kind)
        return self.rounded(x, to) if to in dt.HALVES else x

    def from_whole(self, x: Any, of: dtype, to: dtype, kind: Any) -> Any:
        b = self.f.b
        if to.is_floating_point:
            value = b.sitofp(x, kind) if of.is_signed else b.uitofp(x, kind)
            return self.rounded(value, to) if to in dt.HALVES else value
        if to.itemsize == of.itemsize:
            return x
        if to.itemsize < of.itemsize:
            return b.trunc(x, kind)
        return b.sext(x, kind) if of.is_signed else b.zext(x, kind)

    def cut(self, x: Any, to: dtype, kind: Any) -> Any:
        """Towards zero by way of a wide integer, whose lowest number stands for what doesn't fit."""
        b, wide = self.f.b, _as(x, I64 if to is dt.int64 else I32)
        low = -(2.0**63) if to is dt.int64 else -(2.0**31)
        fits = b.and_(b.fcmp_ordered(">=", x, number(x, low)), b.fcmp_ordered("<", x, number(x, -low)))
        value = b.fptosi(x, wide)
        value = b.select(fits, value, number(value, int(low)))
        return value if wide == kind else b.trunc(value, kind)

    def sticky(self, x: Any) -> Any:
        """A float64 with the digits that a float32 lacks gathered in its last one, so that the next rounding
        sees them."""
        b = self.f.b
        bits = b.bitcast(x, _as(x, I64))
        low = b.and_(bits, number(bits, 2**29 - 1))
        mark = b.select(b.icmp_unsigned("!=", low, number(low, 0)), number(bits, 2**29), number(bits, 0))
        return b.bitcast(b.or_(b.sub(bits, low), mark), x.type)

    def bits(self, x: Any, of: dtype, to: dtype) -> Any:
        if of in dt.HALVES:
            x = encode(self.f, x, of)
        if to in dt.HALVES:
            return decode(self.f, x, to)
        return self.f.b.bitcast(x, _as(x, REGISTER[to]))

    def rarely(self, e: Expr, args: list[Any]) -> Any:
        """`common` where the condition fails; the other computation is jumped over if no lane needs it."""
        f = self.f
        condition, common, *rest = args
        needed = condition
        if is_vector(condition):
            needed = f.intrinsic(f"llvm.vector.reduce.or.{type_name(condition.type)}", I1, condition)
        before = f.b.block
        with f.when(needed):
            leaves = [Expr("load", (), a.dtype, i) for i, a in enumerate(e.args[2:])]
            inner = _Emitter(f, self.lanes, lambda leaf: rest[leaf.data])
            (other,) = inner.values([RARE[e.data](*leaves)])
            mixed = f.b.select(condition, other, common)
            after = f.b.block
        value = f.b.phi(common.type)
        value.add_incoming(common, before)
        value.add_incoming(mixed, after)
        return value


def _in_register(value: Any, d: dtype) -> Any:
    """A constant rounded to its dtype."""
    with np.errstate(over="ignore"):
        return float(d.np.type(value)) if d.is_floating_point else int(value)
