"""Functions of the scalar language that processors lack, written over those that they have.

Everything is branch-free, but for arguments so rare that they are worth a jump (`rarely`). Polynomials are in
rising powers, fitted to the smallest relative error of the function over the interval named. Where float32
has no way of its own it goes by way of float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..core.dtype import dtype, float32, float64, int32, int64
from .expression import (
    Expr,
    absolute,
    const,
    copysign,
    exp,
    fma,
    numbered,
    sqrt,
    trunc,
    where,
)

Pieces = tuple[float, float]
INF, NAN = math.inf, math.nan
BOTH = (float32, float64)
_TABLE: dict[tuple[str, dtype], Callable[..., Expr]] = {}
RARE: dict[str, Callable[..., Expr]] = {}  # what `rarely` jumps over, by name
NAMES = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan",
    "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "sigmoid", "rsqrt",
    "pow",
}  # fmt: skip


def expand(e: Expr) -> Expr | None:
    """One function applied to arguments, in simpler operations; None if there is no way to compute it."""
    f = _TABLE.get((e.op, e.dtype))
    return None if f is None else f(*e.args)


def expanded(roots: list[Expr]) -> list[Expr]:
    """The expressions without any function of this module; NotImplementedError if one can't be computed."""
    order, (key, wanted) = numbered(roots)
    while any(e.op in NAMES for e in order):
        new: list[Expr] = []
        for e, (_, places, _, _) in zip(order, key, strict=True):
            args = tuple(new[i] for i in places)
            if any(a is not b for a, b in zip(args, e.args, strict=True)):
                e = Expr(e.op, args, e.dtype, e.data)
            if e.op in NAMES:
                simpler = expand(e)
                if simpler is None:
                    raise NotImplementedError(f"{e.op} of {e.dtype.name} isn't compiled")
                e = simpler
            new.append(e)
        roots = [new[i] for i in wanted]
        order, (key, wanted) = numbered(roots)
    return roots


def possible(roots: list[Expr]) -> bool:
    """Whether all functions in the expressions can be computed."""
    return all(e.op not in NAMES or (e.op, e.dtype) in _TABLE for e in numbered(roots)[0])


def _function(name: str, *dtypes: dtype) -> Callable[[Callable[..., Expr]], Callable[..., Expr]]:
    """Registers the way to compute a function of the scalar language in some dtypes."""

    def register(f: Callable[..., Expr]) -> Callable[..., Expr]:
        for d in dtypes:
            _TABLE[name, d] = f
        return f

    return register


def _by_double(name: str) -> None:
    """float32 by way of float64."""
    f = _TABLE[name, float64]
    _TABLE[name, float32] = lambda *args: f(*[a.cast(float64) for a in args]).cast(float32)


def polynomial(x: Expr, coefficients: Sequence[float]) -> Expr:
    """Sum of coefficients[k] * x**k."""
    value = const(coefficients[-1], x.dtype)
    for c in coefficients[-2::-1]:
        value = fma(value, x, c)
    return value


def rarely(name: str, condition: Expr, common: Expr, *args: Expr) -> Expr:
    """`common`, but RARE[name](*args) where the condition holds, which is jumped over if it does nowhere."""
    return Expr("rarely", (condition, common, *args), common.dtype, name)


# ----- the two float formats -----

DIGITS = {float32: 23, float64: 52}  # after the point
BIAS = {float32: 127, float64: 1023}
WHOLE = {float32: int32, float64: int64}  # integers of the same size
MAGIC = {float32: 1.5 * 2**23, float64: 1.5 * 2**52}  # x + MAGIC has the nearest integer in its last bits
SMALLEST = {float32: 2.0**-126, float64: 2.0**-1022}  # normal
# Constants in pieces, which together have more digits than one number holds.
LN2 = {float32: (0.6931472, -1.9046542e-09), float64: (0.6931471805599453, 2.3190468138462996e-17)}
LOG10_2 = {float32: (0.30103, -1.4320989e-08), float64: (0.3010299956639812, -2.8037281277851704e-18)}
LOG10_E = {float32: (0.4342945, -1.010305e-08), float64: (0.4342944819032518, 1.098319650216765e-17)}
HALF_PI = {
    float32: (1.5707964, -4.371139e-08, -1.7151245e-15),
    float64: (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33),
}


def nearest(x: Expr) -> Expr:
    """The whole number nearest to a small `x`."""
    return (x + MAGIC[x.dtype]) - MAGIC[x.dtype]


def last_bits(n: Expr) -> Expr:
    """An integer whose last bits are those of a whole number `n`."""
    return (n + MAGIC[n.dtype]).bits(WHOLE[n.dtype])


def power_of_two(n: Expr, more: int = 0) -> Expr:
    """2 ** (n + more), for exponents of normal numbers."""
    d, w = n.dtype, WHOLE[n.dtype]
    bits = (last_bits(n) << const(DIGITS[d], w)) + const((BIAS[d] + more) << DIGITS[d], w)
    return bits.bits(d)


def ldexp(x: Expr, n: Expr) -> Expr:
    """x * 2**n for a whole number `n`, rounded once."""
    return Expr("ldexp", (x, n), x.dtype)


def clamp(x: Expr, low: float, high: float) -> Expr:
    """Limits that leave NaN as it is."""
    x = where(x > high, high, x)
    return where(x < low, low, x)


# ----- exponentials -----

# (exp(r) - 1 - r) / r**2, |r| <= log(2) / 2
_EXP = {
    float32: (0.5, 0.166666672, 0.0416664891, 0.00833320618, 0.00139326928, 0.000199461807),
    float64: (
        0.5, 0.16666666666666677, 0.041666666666666706, 0.008333333333321499, 0.0013888888888863255,
        0.0001984126988649561, 2.480158736841369e-05, 2.7557243806483407e-06, 2.7557235392349317e-07,
        2.510918724877826e-08, 2.092691715774057e-09,
    ),
}  # fmt: skip
# The same, near enough where 1 + r is added.
_EXP_SHORT = {float32: (0.5, 0.166665435, 0.0416664369, 0.00836654566, 0.00139378593), float64: _EXP[float64]}
# (2**r - 1) / r, |r| <= 1/2
_EXP2 = {
    float32: (0.693147182, 0.240226507, 0.0555035956, 0.00961806159, 0.001339101, 0.000154632682),
    float64: (
        0.6931471805599453, 0.24022650695910072, 0.0555041086648217, 0.009618129107628496,
        0.0013333558146390173, 0.00015403530393340775, 1.5252733856508551e-05, 1.3215486833318009e-06,
        1.0178051088854561e-07, 7.054888155297191e-09, 4.456692915400492e-10, 2.5741938970319465e-11,
    ),
}  # fmt: skip
# Beyond these the result is 0 or infinite.
_EXP_RANGE = {float32: (-104.0, 90.0), float64: (-746.0, 712.0)}


def _by_ln2(x: Expr) -> tuple[Expr, Expr]:
    """n and r of x = n * log(2) + r, |r| <= log(2) / 2."""
    high, low = LN2[x.dtype]
    n = fma(x, 1 / math.log(2), MAGIC[x.dtype]) - MAGIC[x.dtype]
    return n, fma(n, -low, fma(n, -high, x))


def _exp_scaled(x: Expr, more: int = 0) -> Expr:
    """exp(x) * 2**more."""
    n, r = _by_ln2(clamp(x, *_EXP_RANGE[x.dtype]))
    p = fma(r, fma(r, polynomial(r, _EXP_SHORT[x.dtype]), 1.0), 1.0)
    return ldexp(p, n + more if more else n)


@_function("exp", *BOTH)
def _exp(x: Expr) -> Expr:
    return _exp_scaled(x)


@_function("exp2", *BOTH)
def _exp2(x: Expr) -> Expr:
    x = clamp(x, -2.0 * BIAS[x.dtype], BIAS[x.dtype] + 2.0)
    n = nearest(x)
    r = x - n
    return ldexp(fma(r, polynomial(r, _EXP2[x.dtype]), 1.0), n)


def _growth(x: Expr) -> Expr:
    """exp(x) - 1 for moderate x; the zero's sign is lost."""
    n, r = _by_ln2(x)
    scale = power_of_two(n)
    return fma(fma(r * r, polynomial(r, _EXP[x.dtype]), r), scale, scale - 1.0)


@_function("expm1", *BOTH)
def _expm1(x: Expr) -> Expr:
    n, r = _by_ln2(clamp(x, -40.0, 89.0 if x.dtype is float32 else 710.0))
    half = power_of_two(n, -1)  # as the whole power may overflow before its time
    y = fma(fma(r * r, polynomial(r, _EXP[x.dtype]), r), half, half - 0.5)
    return copysign(y + y, x)


@_function("sigmoid", *BOTH)
def _sigmoid(x: Expr) -> Expr:
    small = exp(-absolute(x))
    return where(x < 0.0, small, 1.0) / (small + 1.0)


@_function("tanh", *BOTH)
def _tanh(x: Expr) -> Expr:
    size = absolute(x)
    y = _growth(where(size > 20.0, 40.0, size + size))
    return copysign(y / (y + 2.0), x)


@_function("sinh", float64)
def _sinh(x: Expr) -> Expr:
    size = absolute(x)
    y = _growth(where(size > 20.0, 20.0, size))
    return copysign(where(size > 20.0, _exp_scaled(size, -1), 0.5 * (y + y / (y + 1.0))), x)


@_function("cosh", float64)
def _cosh(x: Expr) -> Expr:
    half = _exp_scaled(absolute(x), -1)
    return half + 0.25 / half


# ----- logarithms -----

# (log(1 + f) - f) / f**2, |f| <= 1/3
_LOG = (
    -0.5, 0.333332151, -0.249998063, 0.200104266, -0.166801974, 0.14005734, -0.121874474, 0.139845937,
    -0.128802091,
)  # fmt: skip
# (log((1 + s) / (1 - s)) - 2s) / s**3 in s**2, |s| <= 0.1716
_LOG_RATIO = (
    0.6666666666666735, 0.39999999999411057, 0.28571428743275484, 0.22222198474461471, 0.18183569824242704,
    0.15313901012287706, 0.14797530537203044,
)  # fmt: skip


def _split(x: Expr) -> tuple[Expr, Expr]:
    """An integer e and m of x = m * 2**e; m is from 2/3 to 4/3 (float32), from 0.707 to 1.414 (float64)."""
    d, w = x.dtype, WHOLE[x.dtype]
    start = 0x3F2AAAAB if d is float32 else 0x3FE6A09E00000000
    e = (x.bits(w) - const(start, w)) >> const(DIGITS[d], w)
    return e, (x.bits(w) - (e << const(DIGITS[d], w))).bits(d)


def _log_near_one(f: Expr) -> Expr:
    """log(1 + f) - f."""
    if f.dtype is float32:
        return f * f * polynomial(f, _LOG)
    s = f / (f + 2.0)
    half, z = 0.5 * f * f, s * s
    return fma(s, fma(z, polynomial(z, _LOG_RATIO), half), -half)


def _log_limits(x: Expr, finite: Expr) -> Expr:
    """A logarithm's value, given that for positive finite numbers."""
    value = where(x < INF, finite, x)
    return where(x <= 0.0, where(x.eq(0.0), const(-INF, x.dtype), NAN), value)


def _exponent(x: Expr) -> tuple[Expr, Expr]:
    """e and f of x = (1 + f) * 2**e, for any positive x."""
    d = x.dtype
    tiny, lift = x < SMALLEST[d], DIGITS[d] + 1
    e, m = _split(where(tiny, x * 2.0**lift, x))
    return (e - where(tiny, const(lift, e.dtype), 0)).cast(d), m - 1.0


@_function("log", *BOTH)
def _log(x: Expr) -> Expr:
    e, f = _exponent(x)
    high, low = LN2[x.dtype]
    return _log_limits(x, fma(e, high, fma(e, low, _log_near_one(f)) + f))


def _logarithm(x: Expr, base: float, digit: Pieces, factor: Pieces) -> Expr:
    """The logarithm to a base, given those of 2 and e in two pieces."""
    e, f = _exponent(x)
    first = f * factor[0]
    rest = fma(f, factor[0], -first) + fma(f, factor[1], _log_near_one(f) * (1 / math.log(base)))
    return _log_limits(x, fma(e, digit[0], fma(e, digit[1], rest) + first))


@_function("log2", *BOTH)
def _log2(x: Expr) -> Expr:
    return _logarithm(x, 2.0, (1.0, 0.0), (1.0, 0.4426950408889634))


@_function("log10", *BOTH)
def _log10(x: Expr) -> Expr:
    return _logarithm(x, 10.0, LOG10_2[x.dtype], LOG10_E[x.dtype])


@_function("log1p", *BOTH)
def _log1p(x: Expr) -> Expr:
    d, w = x.dtype, WHOLE[x.dtype]
    e, _ = _split(x + 1.0)
    scale = (const((BIAS[d] + 2) << DIGITS[d], w) - (e << const(DIGITS[d], w))).bits(d)  # 4 / 2**e
    f = fma(x * 0.25, scale, fma(scale, 0.25, -1.0))
    n = e.cast(d)
    high, low = LN2[d]
    value = fma(n, high, fma(n, low, _log_near_one(f)) + f)
    value = where(x < INF, value, x)
    value = where(x <= -1.0, where(x.eq(-1.0), const(-INF, d), NAN), value)
    return where(absolute(x) < 2.0 ** -(DIGITS[d] + 2), x, value)


@_function("asinh", float64)
def _asinh(x: Expr) -> Expr:
    size = absolute(x)
    large = size > 2.0**28
    square = where(large, 0.0, size * size)
    near = _log1p(size + square / (sqrt(square + 1.0) + 1.0))
    return copysign(where(large, _log(size) + LN2[x.dtype][0], near), x)


@_function("acosh", float64)
def _acosh(x: Expr) -> Expr:
    more = x - 1.0
    near = _log1p(more + sqrt(more * (more + 2.0)))
    return where(x < 1.0, NAN, where(x > 2.0**28, _log(x) + LN2[x.dtype][0], near))


@_function("atanh", float64)
def _atanh(x: Expr) -> Expr:
    size = absolute(x)
    return copysign(0.5 * _log1p((size + size) / (1.0 - size)), x)


# ----- roots and powers -----


@_function("rsqrt", *BOTH)
def _rsqrt(x: Expr) -> Expr:
    return 1.0 / sqrt(x)


@_function("pow", float32)
def _pow(x32: Expr, y32: Expr) -> Expr:
    x, y = x32.cast(float64), y32.cast(float64)
    size = absolute(x)
    value = _exp2(_log2(size) * y)
    value = where(size.eq(1.0), 1.0, value)  # even to the power of infinity
    whole, half = trunc(y).eq(y), y * 0.5
    odd = whole & trunc(half).ne(half)
    value = where(odd, copysign(value, x), value)
    value = where((x < 0.0) & (x > -INF) & ~whole, NAN, value)
    value = where(x.ne(x) | y.ne(y), NAN, value)
    return where(y.eq(0.0) | x.eq(1.0), 1.0, value).cast(float32)


# ----- trigonometry -----

# (sin(r) - r) / r**3 and (cos(r) - 1 + r**2 / 2) / r**4 in r**2, |r| <= pi / 4
_SIN = {
    float32: (-0.166666552, 0.0083321901, -0.000195184053),
    float64: (
        -0.16666666666666632, 0.008333333333322316, -0.0001984126982972499, 2.7557313661921602e-06,
        -2.5050753238172593e-08, 1.5896503249956598e-10,
    ),
}  # fmt: skip
_COS = {
    float32: (0.0416666456, -0.00138873013, 2.44306702e-05),
    float64: (
        0.0416666666666666, -0.001388888888887399, 2.4801587289395014e-05, -2.7557314326049407e-07,
        2.08757195602458e-09, -1.1359448711688657e-11,
    ),
}  # fmt: skip
# (atan(r) - r) / r**3 in r**2, |r| <= tan(pi / 8)
_ATAN = (
    -0.33333333333333326, 0.1999999999999767, -0.1428571428538814, 0.11111111088185568, -0.09090908144793623,
    0.0769228276431703, -0.06666226836052017, 0.05877022522350455, -0.0521840876033348, 0.04503566038006672,
    -0.033474816918691364, 0.015195492115039195,
)  # fmt: skip
_FAR = {float32: 2.0**20, float64: 2.0**30}  # from here on the pieces of pi have too few digits


def _by_half_pi(x: Expr) -> tuple[Expr, Expr, Expr]:
    """The last bits of n, and sin(r) and cos(r), of x = n * pi / 2 + r, for positive x."""
    d = x.dtype
    n = fma(x, 2 / math.pi, MAGIC[d]) - MAGIC[d]
    r = x
    for piece in HALF_PI[d]:
        r = fma(n, -piece, r)
    z = r * r
    s, c = fma(r * z, polynomial(z, _SIN[d]), r), fma(z, fma(z, polynomial(z, _COS[d]), -0.5), 1.0)
    return last_bits(n), s, c


def _odd(n: Expr) -> Expr:
    return (n & 1).ne(0)


def _signed_by(x: Expr, bits: Expr) -> Expr:
    """Turned into its negative where bit 1 of an integer is set."""
    turn = (bits & 2) << const(8 * x.dtype.itemsize - 2, bits.dtype)
    return (x.bits(bits.dtype) ^ turn).bits(x.dtype)


def _libm(name: str) -> None:
    """Names the C library's function of float64 as one of `RARE`."""
    RARE[name] = lambda x: Expr("libm", (x.cast(float64),), float64, name).cast(x.dtype)


for _name in ("sin", "cos", "tan"):
    _libm(_name)


@_function("sin", *BOTH)
def _sin(x: Expr) -> Expr:
    size = absolute(x)
    n, s, c = _by_half_pi(size)
    value = _signed_by(where(_odd(n), c, s), n)
    value = where(x.bits(n.dtype) < 0, -value, value)
    return rarely("sin", ~(size < _FAR[x.dtype]), value, x)


@_function("cos", *BOTH)
def _cos(x: Expr) -> Expr:
    size = absolute(x)
    n, s, c = _by_half_pi(size)
    return rarely("cos", ~(size < _FAR[x.dtype]), _signed_by(where(_odd(n), s, c), n + 1), x)


@_function("tan", float64)
def _tan(x: Expr) -> Expr:
    size = absolute(x)
    n, s, c = _by_half_pi(size)
    odd = _odd(n)
    value = where(odd, -c, s) / where(odd, s, c)
    value = where(x.bits(n.dtype) < 0, -value, value)
    return rarely("tan", ~(size < _FAR[x.dtype]), value, x)


def _angle(y: Expr, x: Expr) -> Expr:
    """The angle of a point with coordinates >= 0."""
    d = x.dtype
    steep, middle = y > x * (1 + math.sqrt(2)), y > x * (math.sqrt(2) - 1)
    z = where(steep, -x, where(middle, y - x, y)) / where(steep, y, where(middle, y + x, x))
    square = z * z
    high, low = (
        where(steep, const(piece, d), where(middle, const(piece / 2, d), 0.0)) for piece in HALF_PI[d][:2]
    )
    return high + (fma(z * square, polynomial(square, _ATAN), z) + low)


@_function("atan", float64)
def _atan(x: Expr) -> Expr:
    return copysign(_angle(absolute(x), const(1.0, x.dtype)), x)


@_function("atan2", float64)
def _atan2(y: Expr, x: Expr) -> Expr:
    a, b = absolute(y), absolute(x)
    same = (a.eq(INF) & b.eq(INF)) | (a.eq(0.0) & b.eq(0.0))
    a, b = where(same & a.eq(INF), 1.0, a), where(same, 1.0, b)
    scale = where((a > 1e300) | (b > 1e300), const(0.25, x.dtype), 1.0)
    angle = _angle(a * scale, b * scale)
    high, low, _ = HALF_PI[x.dtype]
    angle = where(x.bits(int64) < 0, (2 * high - angle) + 2 * low, angle)
    return copysign(angle, y)


@_function("asin", float64)
def _asin(x: Expr) -> Expr:
    return copysign(_angle(absolute(x), sqrt((1.0 - x) * (x + 1.0))), x)


@_function("acos", float64)
def _acos(x: Expr) -> Expr:
    return _atan2(sqrt((1.0 - x) * (x + 1.0)), x)


# ----- error functions -----

# -log(erfc(x)) / x - 1, 0 <= x <= 3.95
_ERF_EXPONENT = (
    0.128379166, 0.636619568, 0.102776304, -0.0191478245, -0.000169494437, 0.00167565851, -0.000637349032,
    0.000118856165, -9.387305e-06,
)  # fmt: skip
# erf(x) / x - 1 in x**2, |x| <= 1
_ERF = (
    0.1283791670955126, -0.3761263890318375, 0.11283791670954885, -0.026866170645077875,
    0.0052239776248284514, -0.0008548326981427313, 0.00012055331133038531, -1.4925595774544614e-05,
    1.646100852091039e-06, -1.6350396726974587e-07, 1.4660332383167168e-08, -1.1374970766332976e-09,
    5.960712014166694e-11,
)  # fmt: skip
# exp(x**2) * erfc(x) / t in t - 1/2, t = 1 / (1 + kx), k = 13/32, 0 <= x <= 10.3
_ERFC32 = (
    0.42740646, 0.647744298, 0.718053877, 0.521109819, 0.147380844, -0.124042556, -0.112233289, 0.0407141112,
    0.0605593137, -0.0341830701,
)  # fmt: skip
# (1 + 2x) * exp(x**2) * erfc(x) in (x - 4.5) / (x + 4.5), 0 <= x <= 28
_ERFC64 = (
    1.224848042738414, -0.1367070998554379, 0.03334406396823076, 0.043372220058862244,
    -0.08357835444788536, 0.09033360602517213, -0.07519744544003157, 0.05161384332885959,
    -0.02968179225300538, 0.014166837383660317, -0.005404217953164819, 0.0014843222944492414,
    -0.00018218606978360504, -6.77882485589168e-05, 4.40528934343609e-05, -7.814318282634373e-06,
    -2.5187940779078782e-06, 1.6268498495647032e-06, -1.0249008768165854e-07,
    -1.875480501482391e-07, 4.796874302812714e-08, 1.9908504571178887e-08, -6.606074588699461e-09,
    -2.3643166344388357e-09,
)  # fmt: skip


@_function("erf", float32)
def _erf32(x: Expr) -> Expr:
    size = absolute(x)
    size = where(size > 4.0, 4.0, size)
    return copysign(_growth(-fma(size, polynomial(size, _ERF_EXPONENT), size)), x)


@_function("erf", float64)
def _erf64(x: Expr) -> Expr:
    square = x * x
    return where(absolute(x) <= 1.0, fma(x, polynomial(square, _ERF), x), 1.0 - _erfc(x))


@_function("erfc", *BOTH)
def _erfc(x: Expr) -> Expr:
    size = absolute(x)
    size = where(size > 28.0, 28.0, size)
    if x.dtype is float32:
        below = fma(size, 0.40625, 1.0)
        t = 1.0 / below
        t = fma(t, fma(t, -fma(size, 0.40625, 1.0 - below), fma(t, -below, 1.0)), t)  # to the last digit
        bare = t * polynomial(where(size < 2.0, 0.5 - size * 0.40625 * t, t - 0.5), _ERFC32)
    else:
        bare = polynomial((size - 4.5) / (size + 4.5), _ERFC64) / fma(size, 2.0, 1.0)
    square = size * size
    error = fma(size, size, -square)
    tail = _exp(-square) * fma(bare, -error, bare)
    return where(x < 0.0, 2.0 - tail, tail)


# erfinv(x) / x for w = -log(1 - x**2): in w - 2.5, w <= 5, and in sqrt(w) - 3, w <= 16.4
_ERFINV = (
    1.5014093516923257, 0.24664027578566594, -0.004177324635485359, -0.0012527048773450964,
    0.00021826355684488827, -4.998759523767515e-06, -3.426011924549831e-06, 4.796988319984566e-07,
    1.6457194313952946e-08, -1.102321820101296e-08, 4.370329605837234e-10, 1.328594992188896e-10,
)  # fmt: skip
_ERFINV_TAIL = (
    2.832976800879611, 1.0016752352107208, 0.009445342079981746, -0.0076427044444448275,
    0.005687294992033025, -0.0035675462581886233, 0.0014765850289887518, -0.00011893342660233463,
    -0.00027976585491727246, 0.00015970803596985087, -2.8224196592916872e-05,
)  # fmt: skip


@_function("erfinv", float32)
def _erfinv(x32: Expr) -> Expr:
    x = x32.cast(float64)
    w = -_log((1.0 - x) * (x + 1.0))
    y = x * where(w <= 5.0, polynomial(w - 2.5, _ERFINV), polynomial(sqrt(w) - 3.0, _ERFINV_TAIL))
    y = where(absolute(x).eq(1.0), x * INF, y)
    return copysign(y, x).cast(float32)


for _name in ("sinh", "cosh", "tan", "asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh"):
    _by_double(_name)
