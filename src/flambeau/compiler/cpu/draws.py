"""Random numbers in native code: the arithmetic of `core.streams` on a stream of words, number for number.

The words can only be made in order, so that a draw is one task. It takes them in pieces that stay in the
cache. In float32 a multiply-add is a fused one here, as in PyTorch; logarithms and tangents for results that
are rounded to float32 are our own, in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ...core import dtype as dt
from ...core import streams
from ...core.dtype import dtype
from ...core.node import numel
from ...runtime.kernels import Kernel, kernel
from ...runtime.target import host
from ..calls import Array, Plan
from ..expression import Expr, ceil, const, floor, fma, load, log1p, sqrt, tan, where
from ..planner import planner
from .emit import I32, I64, STORED, Function, i64, vector
from .scalar import emit, encode, splat
from .twister import Words

_PIECE = 4096  # words at a time
_BLOCK = 16  # normals are drawn in blocks: eight radii and eight angles
_SINGLES = (dt.float32, dt.float16, dt.bfloat16)

# ----- from words to numbers -----

_word = load(0, dt.int32)
_pair = load(0, dt.int64)  # of two words, the first one above


def _number(i: int, d: dtype = dt.float64) -> Expr:
    """Parameter number `i`."""
    return load(1 + i, d)


def _unit(word: Expr) -> Expr:
    """In [0, 1): float32 of a word, float64 of a pair."""
    if word.dtype is dt.int32:
        return (word & 0xFFFFFF).cast(dt.float32) * 2.0**-24
    return _low(word).cast(dt.float64) * 2.0**-53


def _low(pair: Expr) -> Expr:
    return pair & (2**53 - 1)


def _rounded(x: Expr, d: dtype) -> Expr:
    """As `streams.cast`: the half types by way of float32."""
    return (x.cast(dt.float32) if d in dt.HALVES else x).cast(d)


def _uniform(d: dtype) -> Expr:
    u = _unit(_pair if d is dt.float64 else _word)
    low, high = (_number(i).cast(u.dtype) for i in (0, 1))
    x = fma(u, high - low, low).cast(d)
    return where(x.eq(high.cast(d)), low.cast(d), x)  # rounded up to the bound that is not included


def _bernoulli(d: dtype) -> Expr:
    return (_low(_pair) < ceil(_number(0) * 2.0**53).cast(dt.int64)).cast(d)


def _exponential(d: dtype) -> Expr:
    return _rounded(-1.0 / _number(0) * log1p(-_unit(_pair)), d)


def _cauchy(d: dtype) -> Expr:
    x = tan((_unit(_pair) - 0.5) * math.pi)
    return _rounded(fma(x, _number(1), _number(0)), d)


def _integers(d: dtype) -> Expr:
    """first + word % span, the remainder by float64, in which words and their quotients are exact enough."""
    first, span = (_number(i, dt.int64) for i in (0, 1))
    word, divisor = (_word.cast(dt.int64) & 0xFFFFFFFF).cast(dt.float64), span.cast(dt.float64)
    rest = fma(-floor(word / divisor), divisor, word)
    return _rounded(rest.cast(dt.int64) + first, d)


class _Draw(NamedTuple):
    """One word or pair an element, and what the element is."""

    words: Callable[[dtype], int]
    formula: Callable[[dtype], Expr]
    accepts: tuple[dtype, ...]


_EACH = {
    "words": _Draw(lambda d: 1, lambda d: _word, (dt.int32,)),
    "uniform": _Draw(lambda d: 2 if d is dt.float64 else 1, _uniform, (*_SINGLES, dt.float64)),
    "bernoulli": _Draw(lambda d: 2, _bernoulli, tuple(STORED)),
    "exponential": _Draw(lambda d: 2, _exponential, _SINGLES),
    "cauchy": _Draw(lambda d: 2, _cauchy, _SINGLES),
    "random": _Draw(lambda d: 1, _integers, tuple(STORED)),
}


def _of_double(name: str, x: Expr) -> Expr:
    """The C library's function of a float64, as in PyTorch."""
    return Expr("libm", (x,), dt.float64, name)


def _polynomial(coefficients: tuple[float, ...], x: Expr) -> Expr:
    y = const(coefficients[0], dt.float32)
    for c in coefficients[1:]:
        y = fma(y, x, c)
    return y


def _log(x: Expr) -> Expr:
    """See `streams`: log of float32 in (0, 1]."""
    bits = x.bits(dt.int32)
    exponent = (bits >> const(23, dt.int32)) - 126
    m = ((bits & 0x7FFFFF) | (126 << 23)).bits(dt.float32)
    low = m < streams.SQRT_HALF
    x = where(low, m + m, m) - 1.0
    e = (exponent - where(low, const(1, dt.int32), 0)).cast(dt.float32)
    z = x * x
    y = _polynomial(streams.LOG_POLYNOMIAL, x) * x
    y = fma(y, z, e * streams.LN2_LOW) - z * 0.5
    return fma(e, streams.LN2_HIGH, x + y)


def _sincos(x: Expr) -> tuple[Expr, Expr]:
    """See `streams`: sine and cosine of float32 in [0, 2 pi]."""
    octant = ((x * streams.FOUR_OVER_PI).cast(dt.int32) + 1) & ~1
    turns = octant.cast(dt.float32)
    for part in streams.MINUS_QUARTER_PI:
        x = fma(turns, part, x)
    z = x * x
    cosine = _polynomial(streams.COSINE_POLYNOMIAL, z) * z
    cosine = fma(cosine, z, -(z * 0.5)) + 1.0
    sine = fma(_polynomial(streams.SINE_POLYNOMIAL, z) * z, x, x)
    swap = (octant & 2).ne(0)
    sine, cosine = where(swap, cosine, sine), where(swap, sine, cosine)
    sine = where((octant & 4).ne(0), -sine, sine)
    return sine, where(((octant + 2) & 4).ne(0), -cosine, cosine)


def _box_muller(d: dtype) -> list[Expr]:
    """Two normals of two words or pairs (loads number 0 and 3)."""
    first = _pair if d is dt.float64 else _word
    u, v = _unit(first), _unit(load(3, first.dtype))
    if d is dt.float64:
        radius, angle = sqrt(_of_double("log", 1.0 - u) * -2.0), v * (2 * math.pi)
        sine, cosine = _of_double("sin", angle), _of_double("cos", angle)
    else:
        radius = sqrt(_log(1.0 - u) * -2.0)
        sine, cosine = _sincos(v * float(np.float32(2 * math.pi)))
    mean, std = (_number(i).cast(u.dtype) for i in (0, 1))
    return [fma(radius * x, std, mean).cast(d) for x in (cosine, sine)]


# ----- kernels -----


def _start(module: Any, d: dtype, kinds: tuple[Any, ...]) -> tuple[Function, Words, Any, list[Any]]:
    """A function of (state, result, elements, addresses of parameters…): its words, result and parameters."""
    f = Function(module, "draw")
    words, out = Words(f, f.pointer(0, I32)), f.pointer(1, STORED[d])
    return f, words, out, [f.load(f.pointer(3 + i, kind), 8) for i, kind in enumerate(kinds)]


def _read(f: Function, place: Any, per: int, lanes: int) -> Any:
    """Words, or pairs of them."""
    if per == 1:
        return f.load(f.b.bitcast(place, vector(I32, lanes).as_pointer()), 4)
    kind = vector(I64, lanes)
    raw = f.load(f.b.bitcast(place, kind.as_pointer()), 4)
    half = splat(f, i64(32), lanes)
    return f.b.or_(f.b.shl(raw, half), f.b.lshr(raw, half))


def _emit_each(what: str, d: dtype, module: Any) -> None:
    draw = _EACH[what]
    per, formula = draw.words(d), draw.formula(d)
    kinds = {"words": (), "random": (I64, I64), "bernoulli": (STORED[dt.float64],)}
    kinds["exponential"] = kinds["bernoulli"]
    f, words, out, numbers = _start(module, d, kinds.get(what, (STORED[dt.float64],) * 2))
    b, n, lanes = f.b, f.word(2), host().lanes(4)
    buffer = f.local(I32, _PIECE + lanes)
    with f.loop(0, n, _PIECE // per, name="piece") as start:
        m = f.minimum(b.sub(n, start), _PIECE // per)
        words.fill(buffer, b.mul(m, i64(per)))
        to, even = f.at(out, start), b.and_(m, i64(-lanes))
        for width, first, last in ((lanes, i64(0), even), (1, even, m)):
            with f.loop(first, last, width, name="element") as i:
                given = [_read(f, f.at(buffer, b.mul(i, i64(per))), per, width), *numbers]
                (x,) = emit(f, [formula], width, lambda e, given=given: given[e.data])
                f.store(encode(f, splat(f, x, width), d), f.at(to, i, vector(STORED[d], width)), d.itemsize)
    words.close()
    f.finish()


def _emit_normal(d: dtype, module: Any) -> None:
    """Whole blocks; if elements are left over, the last 16 are drawn once more from what follows. (For the
    half types PyTorch doesn't use up the words of those that were left over.)"""
    f, words, out, numbers = _start(module, d, (STORED[dt.float64],) * 2)
    b, n, per = f.b, f.word(2), 2 if d is dt.float64 else 1
    buffer, piece = f.local(I32, _PIECE + 2 * _BLOCK * per), _PIECE // per
    whole, rest = b.and_(n, i64(-_BLOCK)), b.and_(n, i64(_BLOCK - 1))
    end = b.select(b.icmp_signed("==", rest, i64(0)), whole, b.add(whole, i64(1)))
    pieces = b.sdiv(b.add(whole, i64(piece - 1)), i64(piece))
    pieces = b.add(pieces, b.sub(end, whole))  # and one for the end
    skipped = i64(0) if d in dt.HALVES else rest
    with f.loop(0, pieces, name="piece") as number:
        start = b.mul(number, i64(piece))
        last = b.icmp_signed(">=", start, whole)
        start = b.select(last, b.sub(n, i64(_BLOCK)), start)
        m = b.select(last, i64(_BLOCK), f.minimum(b.sub(whole, start), piece))
        skip = b.select(last, skipped, i64(0))
        words.fill(buffer, b.mul(b.add(m, skip), i64(per)))
        _emit_blocks(f, d, f.at(buffer, b.mul(skip, i64(per))), f.at(out, start), m, numbers)
    words.close()
    f.finish()


def _emit_blocks(f: Function, d: dtype, source: Any, to: Any, count: Any, numbers: list[Any]) -> None:
    b, per, half = f.b, 2 if d is dt.float64 else 1, _BLOCK // 2
    with f.loop(0, count, _BLOCK, name="block") as i:
        u, v = (_read(f, f.at(source, b.mul(b.add(i, i64(k)), i64(per))), per, half) for k in (0, half))
        given = [u, *numbers, v]
        for k, x in enumerate(emit(f, _box_muller(d), half, lambda e: given[e.data])):
            place = f.at(to, b.add(i, i64(k * half)), vector(STORED[d], half))
            f.store(encode(f, splat(f, x, half), d), place, d.itemsize)


def _emit_permutation(d: dtype, module: Any) -> None:
    """0, 1, 2, ..., of which each place in turn has swapped with word % (places from it on) further."""
    f, words, out, _ = _start(module, d, ())
    b, n = f.b, f.word(2)
    buffer = f.local(I32, _PIECE + host().lanes(4))
    with f.loop(0, n) as i:
        f.store(i, f.at(out, i), 8)
    swaps = b.sub(n, i64(1))
    with f.loop(0, swaps, _PIECE, name="piece") as start:
        m = f.minimum(b.sub(swaps, start), _PIECE)
        words.fill(buffer, m)
        with f.loop(0, m) as k:
            i = b.add(start, k)
            word = b.zext(f.load(f.at(buffer, k), 4), I64)
            other = f.at(out, b.add(i, b.urem(word, b.sub(n, i))))
            mine = f.at(out, i)
            x, y = f.load(mine, 8), f.load(other, 8)
            f.store(x, other, 8)
            f.store(y, mine, 8)
    words.close()
    f.finish()


def code(what: str, d: dtype, count: int) -> Kernel | None:
    """The kernel that draws `count` elements; None if there is none."""
    key = (what, d.name)
    if what == "permutation":
        fits = d is dt.int64 and count < 2**32 // 20
        return kernel("draw", key, partial(_emit_permutation, d)) if fits else None
    if what == "normal":
        fits = d in (*_SINGLES, dt.float64) and count >= _BLOCK
        return kernel("draw", key, partial(_emit_normal, d)) if fits else None
    return kernel("draw", key, partial(_emit_each, what, d)) if d in _EACH[what].accepts else None


# ----- planners -----


def _plan(
    what: str, plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    out, generator, more, count = results[0], attrs[2], attrs[3:], numel(results[0].shape)
    numbers = [x.address for x in inputs]
    if what == "random":
        first, span, wide = streams.integer_spread(out.dtype.np, *more)
        if wide:
            return False
        table = plan.table(np.array([first, span]))
        numbers = [Array(table, i, (), (), dt.int64).address for i in (0, 1)]
    elif more and not more[0]:  # normals one by one
        return False
    made, state = code(what, out.dtype, count), generator.address()
    if made is None or not state:
        return False
    if count:
        plan.call(made, [state, out.address, count, *numbers])
    return True


for _what, _name in (*((w, w) for w in (*_EACH, "normal") if w != "words"), ("permutation", "randperm")):
    planner(_name)(partial(_plan, _what))
