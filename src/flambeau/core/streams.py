"""From raw random words to numbers: pure functions that follow PyTorch's arithmetic digit by digit.

PyTorch computes float32 normals by the single-precision polynomials of the Cephes library, in fused
multiply-adds. To reproduce every digit of them, float32 values are kept here in float64, where a product of
two of them is exact: a multiply-add followed by a rounding to float32 is then the fused one (but for one in
2**29 that two roundings push the other way). In float64, where NumPy's vector functions may differ from the C
library's in the last digit, `each` asks the C library.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from .quiet import quiet

Array = np.ndarray[Any, Any]

f2, bf2, f4, f8 = np.float16, ml_dtypes.bfloat16, np.float32, np.float64
FORMATS = ((f2, 11, 15), (bf2, 8, 127), (f4, 24, 127), (f8, 53, 1023))  # bits of mantissa, largest exponent
MANTISSA = {np.dtype(t): bits for t, bits, _ in FORMATS}
LARGEST = {np.dtype(t): (2 - 2.0 ** (1 - bits)) * 2.0**exponent for t, bits, exponent in FORMATS}
HALVES = (np.dtype(f2), np.dtype(bf2))
CHUNK = 1024  # blocks of 16 at a time: what the polynomials need stays in the cache


WORDS = 624  # in the engine's state


def engine(seed: int) -> np.random.MT19937:
    """A Mersenne Twister seeded with the low 32 bits of `seed`."""
    bits = np.random.MT19937(0)
    reseed(bits, seed)
    return bits


def reseed(bits: np.random.MT19937, seed: int) -> None:
    """Starts the stream of `seed`, in the engine's same memory."""
    np.random.RandomState(bits).seed(seed & 0xFFFFFFFF)


def memory(bits: np.random.MT19937) -> int:
    """Where an engine's state lies: its words as uint32, then how many of them are used up as int32. 0 if it
    lies otherwise."""
    import ctypes

    state, address = bits.state["state"], bits.ctypes.state_address
    seen = np.array((ctypes.c_uint32 * (WORDS + 1)).from_address(address))
    same = np.array_equal(seen[:WORDS], state["key"]) and seen[WORDS] == state["pos"]
    return int(address) if same else 0


def wide(words: Array) -> Array:
    """64-bit words of pairs of 32-bit words, the high half first."""
    pairs = words.astype(np.uint64).reshape(-1, 2)
    return (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]


def unit_float(words: Array) -> Array:
    """float32 in [0, 1): the low 24 bits of each word."""
    return (words & np.uint32(0xFFFFFF)).astype(f4) * f4(2**-24)


def unit_double(words: Array) -> Array:
    """float64 in [0, 1): the low 53 bits of each pair of words."""
    return (wide(words) & np.uint64(2**53 - 1)).astype(f8) * 2**-53


def each(function: Callable[[float], float], x: Array) -> Array:
    """The C library's value for each float64, rounded as in PyTorch."""
    return np.fromiter(map(function, x.ravel().tolist()), f8, x.size).reshape(x.shape)


@quiet
def cast(x: Array, dtype: np.dtype[Any]) -> Array:
    """`x` in another dtype: in the half types by way of float32, and where it is too large as infinity."""
    return x.astype(f4 if dtype in HALVES else dtype, copy=False).astype(dtype, copy=False)


@quiet
def fused(x: Array, scale: float, shift: float) -> Array:
    """x * scale + shift with a single rounding, in float32 or float64."""
    if x.dtype == f4:
        return (x.astype(f8) * f8(f4(scale)) + f8(f4(shift))).astype(f4)
    if scale == 1 or shift == 0 or not abs(scale) < 1e250:  # exact, or too large to split
        return x * scale + shift
    high, low = _two_product(x, scale)
    total = high + shift
    part = total - high
    return total + ((high - (total - part)) + (shift - part) + low)


def _two_product(x: Array, y: float) -> tuple[Array, Array]:
    """x * y as a float64 and its rounding error, by Dekker's splitting."""
    split = 2.0**27 + 1
    x1 = x * split - (x * split - x)
    y1 = y * split - (y * split - y)
    x2, y2 = x - x1, y - y1
    product = x * y
    return product, ((x1 * y1 - product) + x1 * y2 + x2 * y1) + x2 * y2


# ----- Normals -----


def polar_pairs(u: list[float]) -> list[float]:
    """Standard normals of uniforms, two of each two: first the cosine, then the sine."""
    z = []
    for u1, u2 in zip(u[0::2], u[1::2], strict=True):
        radius, angle = math.sqrt(-2 * math.log1p(-u2)), 2 * math.pi * u1
        z += [radius * math.cos(angle), radius * math.sin(angle)]
    return z


def normal_blocks(u: Array, mean: float, std: float) -> Array:
    """Normals of uniforms (n, 16), float32 or float64: the first 8 of a row give radii, the last 8 angles."""
    if u.dtype == f8:
        radius, angle = np.sqrt(-2 * each(math.log, 1 - u[:, :8])), 2 * math.pi * u[:, 8:]
        return fused(np.hstack([radius * np.cos(angle), radius * np.sin(angle)]), std, mean)
    out = np.empty(u.shape, f4)
    for start in range(0, len(u), CHUNK):
        out[start : start + CHUNK] = _normal_blocks_float(u[start : start + CHUNK], mean, std)
    return out


def _normal_blocks_float(u: Array, mean: float, std: float) -> Array:
    radius = np.sqrt(f4(-2) * _log(f4(1) - u[:, :8]).astype(f4)).astype(f8)
    sine, cosine = _sincos(_single(u[:, 8:] * f8(f4(2 * math.pi))))
    n = np.hstack([radius * cosine, radius * sine]).astype(f4)
    return fused(n, std, mean)


def _single(x: Array) -> Array:
    """`x` (float64) rounded to float32, kept in float64."""
    return x.astype(f4).astype(f8)


def _singles(*values: float) -> tuple[float, ...]:
    return tuple(float(f4(v)) for v in values)


LOG_POLYNOMIAL = _singles(
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
LN2_HIGH, LN2_LOW = _singles(0.693359375, -2.12194440e-4)
SQRT_HALF, FOUR_OVER_PI = _singles(math.sqrt(0.5), 4 / math.pi)
MINUS_QUARTER_PI = _singles(-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)  # in three parts
SINE_POLYNOMIAL = _singles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COSINE_POLYNOMIAL = _singles(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    y = _single(coefficients[0] * x + coefficients[1])
    for c in coefficients[2:]:
        y = _single(y * x + c)
    return y


def _log(x: Array) -> Array:
    """log of float32 in (0, 1]: a polynomial in the mantissa, sqrt(1/2) to sqrt(2), plus exponent * ln 2."""
    x, exponent = np.frexp(x)
    low = x < SQRT_HALF
    x = (np.where(low, x + x, x) - f4(1)).astype(f8)
    e = (exponent - low).astype(f8)
    z = _single(x * x)
    y = _single(_polynomial(LOG_POLYNOMIAL, x) * x)
    y = _single(y * z + _single(e * LN2_LOW))
    y = _single(y - z * 0.5)
    return _single(e * LN2_HIGH + _single(x + y))


def _sincos(x: Array) -> tuple[Array, Array]:
    """Sine and cosine of float32 in [0, 2 pi]: polynomials in the distance to a multiple of pi / 2."""
    octant = (x * FOUR_OVER_PI).astype(f4).astype(np.int32)
    octant = (octant + 1) & ~1
    turns = octant.astype(f8)
    for part in MINUS_QUARTER_PI:
        x = _single(turns * part + x)
    z = _single(x * x)
    cosine = _single(_polynomial(COSINE_POLYNOMIAL, z) * z)
    cosine = _single(_single(cosine * z - z * 0.5) + 1)
    sine = _single(_polynomial(SINE_POLYNOMIAL, z) * z)
    sine = _single(sine * x + x)
    swap = (octant & 2) != 0
    sine, cosine = np.where(swap, cosine, sine), np.where(swap, sine, cosine)
    return np.where(octant & 4, -sine, sine), np.where((octant + 2) & 4, -cosine, cosine)


# ----- Integers -----


def integers(words: Array, first: int, span: int) -> Array:
    """int64 in [first, first + span): the remainders of the words, in arithmetic modulo 2**64."""
    offset = words if span == 2**64 else words % words.dtype.type(span)
    return (offset.astype(np.uint64) + np.uint64(first % 2**64)).view(np.int64)


def integer_spread(dtype: np.dtype[Any], low: int | None, high: int | None) -> tuple[int, int, bool]:
    """The first of the integers [low, high), how many they are, and whether they are drawn from 64 bits."""
    if low is None and high is not None:
        low = 0
    if low is None:
        return 0, largest_integer(dtype) + 1, dtype in (np.int64, np.float64)
    if high is None and low == -(2**63):
        if dtype not in (np.int64, np.float64, np.float32, ml_dtypes.bfloat16):
            raise RuntimeError(f"random: {dtype} can't take 64 random bits; give a smaller range")
        return 0, 2**64, True
    first, last = integer_range(dtype, low, high)
    return first, last - first + 1, last - first + 1 >= 2**28


def largest_integer(dtype: np.dtype[Any]) -> int:
    """The largest integer up to which this dtype holds them all."""
    if dtype in MANTISSA:
        return int(2 ** MANTISSA[dtype])
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)


def integer_range(dtype: np.dtype[Any], low: int, high: int | None) -> tuple[int, int]:
    """The first and the last integer of [low, high), checked against the dtype."""
    last = largest_integer(dtype) if high is None else high - 1
    if low > last:
        raise RuntimeError(f"random: expects from < to, got from={low}, to={last + 1}")
    if dtype in MANTISSA:
        most = int(LARGEST[dtype])
        least = -most
    else:
        least, most = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if not least <= low <= last <= most:
        raise RuntimeError(f"random: [{low}, {last + 1}) is out of bounds for {dtype}: [{least}, {most}]")
    return _unrounded(dtype, low, last, high is not None) if dtype in MANTISSA else (low, last)


def _unrounded(dtype: np.dtype[Any], low: int, last: int, bounded: bool) -> tuple[int, int]:
    """The range without the integers at its ends that would be rounded to floating numbers outside of it."""
    digits = MANTISSA[dtype]
    if (rounded := _rounded(low + 1, dtype)) < low:
        low = rounded + 2 ** (abs(low + 1).bit_length() - digits)
    if bounded and (rounded := _rounded(last, dtype)) > last:
        last = rounded - 2 ** (abs(last).bit_length() - digits) - 1
    if low > last:
        raise RuntimeError(
            f"random: no {dtype} lies in the range, whose first is {low} and whose last is {last}"
        )
    return low, last


def warn_of_rounding(dtype: np.dtype[Any], low: int, last: int, stacklevel: int) -> None:
    """Warns of integers that a floating dtype doesn't hold."""
    digits = MANTISSA.get(dtype, 64)
    if max(abs(low), abs(last)) > 2**digits:
        warnings.warn(
            f"random: {dtype} holds all integers only in [-2**{digits}, 2**{digits}], not in [{low}, {last}]",
            UserWarning,
            stacklevel=stacklevel + 1,
        )


def _rounded(number: int, dtype: np.dtype[Any]) -> int:
    return int(cast(np.array(number, np.int64), dtype).astype(f8))


# ----- Permutations -----


def swapped(targets: Array) -> Array:
    """What 0, 1, 2, ... becomes when each place i in turn swaps with place targets[i] >= i.

    Swapping one by one is slow in Python, so each number is followed instead. Step i takes what lies at
    targets[i]: what the step before with that same target has left there, which is what then lay at that
    step's own place; and that came there in the same way, by the last earlier step that aimed at it.
    """
    n = len(targets)
    steps = np.arange(n)
    by_target = np.sort(targets * n + steps)
    target, step = np.divmod(by_target, n)
    again = target[1:] == target[:-1]
    before = np.full(n, -1)  # the step before with the same target
    before[step[1:][again]] = step[:-1][again]
    source = np.full(n, -1)  # the last step that aimed at this place before the place's own step
    source[target] = step
    source = np.where(source == steps, before, source)
    source = np.where(source < 0, steps, source)
    while not np.array_equal(further := source[source], source):
        source = further
    return np.where(before < 0, targets, source[before])
