"""Random numbers that take an unknown number of words each: gamma, Dirichlet, Poisson and binomial.

They are drawn one after the other in PyTorch's order, so the loops are in Python. What PyTorch computes in
the dtype of the parameters is computed in it here too, ahead of the loop and for all elements at once."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from itertools import repeat
from math import cos, floor, log, log1p, pi, sin, sqrt
from operator import length_hint
from typing import Any

import numpy as np

from . import streams
from .generator import Generator
from .streams import Array

Source = Callable[[], float]
FEW = 100  # numbers that are rather drawn one by one than given back
THIRD, SQUEEZE = np.float32(1) / np.float32(3), float(np.float32(0.0331))  # float32 constants in PyTorch


class _Ahead:
    """Uniform float64 numbers in [0, 1), drawn from an engine in blocks, ahead of their use."""

    def __init__(self, bits: np.random.MT19937, count: int) -> None:
        self.bits, self.count = bits, count
        self.before: Any = None  # the engine's state before the latest block
        self.block: Iterator[float] = iter(())

    def __iter__(self) -> Iterator[float]:
        while True:
            self.before = self.bits.state
            words = self.bits.random_raw(2 * self.count).astype(np.uint32)
            self.block = iter(streams.unit_double(words).tolist())
            yield from self.block

    def give_back(self) -> None:
        """Leaves the engine where it were if only the numbers in use had been drawn."""
        if self.before is not None:
            self.bits.state = self.before
            self.bits.random_raw(2 * (self.count - length_hint(self.block)))


@contextlib.contextmanager
def _uniforms(generator: Generator, expected: int) -> Iterator[Source]:
    """Uniform float64 numbers in [0, 1), one a call; if many are expected, drawn ahead."""

    def single() -> float:
        word, low = bits.random_raw(), bits.random_raw()
        return ((word << 32 | low) & (2**53 - 1)) * 2.0**-53

    with generator._lock:
        bits = generator._engine()
        if expected < FEW:
            yield single
        else:
            ahead = _Ahead(bits, min(expected, 4096))
            yield iter(ahead).__next__
            ahead.give_back()


def _normals(generator: Generator, uniform: Source) -> Source:
    """Standard normals one a call, of pairs whose second the generator keeps."""

    def normal() -> float:
        kept = generator._normal
        if kept is not None:
            generator._normal = None
            return kept
        angle, radius = 2.0 * pi * uniform(), sqrt(-2.0 * log1p(-uniform()))
        generator._normal = radius * sin(angle)
        return radius * cos(angle)

    return normal


# ----- gamma -----


def standard_gamma(generator: Generator, alpha: Array) -> Array:
    """Gamma numbers of rate 1 and these concentrations; NaN for a negative one. Never below the smallest
    normal number."""
    boosted = alpha < 1
    d = (np.where(boosted, alpha + alpha.dtype.type(1), alpha) - alpha.dtype.type(THIRD)).astype(np.float64)
    with np.errstate(divide="ignore"):
        power = np.where(boosted, alpha.dtype.type(1) / alpha, 0).astype(np.float64)
    values = (a.ravel().tolist() for a in (alpha, d, power))
    with _uniforms(generator, 4 * alpha.size) as uniform:
        draw = map(_gamma, *values, repeat(uniform), repeat(_normals(generator, uniform)))
        drawn = np.fromiter(draw, np.float64, alpha.size)
    with np.errstate(over="ignore"):
        out = drawn.astype(alpha.dtype)
    return np.maximum(out, np.finfo(alpha.dtype).tiny).reshape(alpha.shape)


def _gamma(alpha: float, d: float, power: float, uniform: Source, normal: Source) -> float:
    """One number by squeezed rejection from a cubed normal (Marsaglia and Tsang, 2000). A concentration below
    one is raised by one, and the number multiplied by a power of a uniform one."""
    if not alpha > 0:
        return 0.0 if alpha == 0 else math.nan
    scale = (1 - uniform()) ** power if power else 1.0
    c = 1 / sqrt(9 * d)
    while True:
        y = 0.0
        while y <= 0:
            x = normal()
            y = 1 + c * x
        v = y * y * y
        u = 1 - uniform()
        xx = x * x
        if u < 1 - SQUEEZE * xx * xx or log(u) < 0.5 * xx + d * (1 - v + log(v)):
            return scale * d * v


def dirichlet(generator: Generator, alpha: Array) -> Array:
    """Points of the simplex with these concentrations along the last dimension: normalised gamma numbers."""
    gamma = standard_gamma(generator, alpha.astype(np.float64))
    share = (gamma / gamma.sum(-1, keepdims=True)).astype(alpha.dtype)
    one = alpha.dtype.type(1)
    return np.clip(share, np.finfo(alpha.dtype).tiny, np.nextafter(one, alpha.dtype.type(0)))


# ----- Poisson -----


def poisson(generator: Generator, rate: Array) -> Array:
    """Poisson numbers of these rates."""
    check_rates(rate)
    rates = rate.astype(np.float64).ravel().tolist()
    with _uniforms(generator, sum(min(2 + int(r), 5) for r in rates)) as uniform:
        drawn = [_large_poisson(r, uniform) if r >= 10 else _small_poisson(r, uniform) for r in rates]
    return np.array(drawn, np.float64).astype(rate.dtype).reshape(rate.shape)


def check_rates(rate: Array) -> None:
    """RuntimeError unless all rates are finite and none is negative."""
    if (wrong := ~((rate >= 0) & (rate < np.inf))).any():
        raise RuntimeError(
            f"poisson: invalid Poisson rate, expected rate to be non-negative and finite, got "
            f"{rate[wrong].flat[0]}"
        )


def _small_poisson(rate: float, uniform: Source) -> int:
    """How many uniform numbers can be multiplied before the product falls to exp(-rate)."""
    if rate == 0:
        return 0
    bound, product, count = math.exp(-rate), uniform(), 0
    while product > bound:
        product *= uniform()
        count += 1
    return count


def _large_poisson(rate: float, uniform: Source) -> int:
    """Transformed rejection with squeeze (PTRS; Hörmann, 1993)."""
    b = 0.931 + 2.53 * sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha, tight, log_rate = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2), log(rate)
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= tight:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        left = (log(v) if v else -math.inf) + log(inverse_alpha) - log(a / (us * us) + b)
        if left <= -rate + k * log_rate - math.lgamma(k + 1.0):
            return k


# ----- binomial -----


def binomial(generator: Generator, count: Array, p: Array) -> Array:
    """How many of `count` trials succeed, each with probability `p`: arrays of one shape and dtype. NaN where
    one of the two is."""
    if np.isinf(count).any():
        raise RuntimeError("binomial: expects finite counts, got inf")
    rare = np.where(p > 0.5, 1.0 - p.astype(np.float64), p).astype(
        p.dtype
    )  # the less likely of the two outcomes
    mean = count * rare
    with np.errstate(all="ignore"):
        spread, ratio = np.sqrt(mean * (1 - rare)), rare / (1 - rare)
        middle = np.floor((count + p.dtype.type(1)) * rare)
        log_failure = np.log1p(-rare)
    columns = [
        x.astype(np.float64).ravel().tolist() for x in (count, rare, mean, spread, ratio, middle, log_failure)
    ]
    with _uniforms(generator, 4 * count.size) as uniform:
        drawn = [_binomial(uniform, *row) for row in zip(*columns, strict=True)]
    successes = np.array(drawn, np.float64).astype(p.dtype).reshape(p.shape)
    out = np.where(p > 0.5, count - successes, successes)
    with np.errstate(invalid="ignore"):
        out = np.where((count <= 0) | (p <= 0), 0, np.where(p >= 1, count, out))
    return np.where(np.isnan(count) | np.isnan(p), np.nan, out).astype(p.dtype)


def _binomial(
    uniform: Source,
    n: float,
    p: float,
    mean: float,
    spread: float,
    ratio: float,
    m: float,
    log_failure: float,
) -> float:
    """The number of successes, for p <= 1/2; nothing is drawn where it is certain."""
    if not (n > 0 and p > 0):
        return 0.0
    if mean >= 10:
        return _large_binomial(n, p, mean, spread, ratio, m, uniform)
    successes, trials = -1.0, 0.0
    while trials <= n:  # from one success to the next it takes a geometric number of trials
        u = uniform()
        trials += math.ceil(log(u) / log_failure) if u else math.inf
        successes += 1
    return successes


def _large_binomial(
    n: float, p: float, mean: float, spread: float, ratio: float, m: float, uniform: Source
) -> float:
    """Transformed rejection (BTRS; Hörmann, 1993), with PyTorch's test of what falls outside of the box."""
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c, tight, alpha = mean + 0.5, 0.92 - 4.2 / b, (2.83 + 5.1 / b) * spread
    at_mode = (m + 0.5) * log((m + 1) / (ratio * (n - m + 1))) + _tail(m) + _tail(n - m)
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        if us == 0:
            continue
        k = float(floor((2 * a / us + b) * u + c))
        if k < 0 or k > n:
            continue
        if us >= 0.07 and v <= tight:
            return k
        v = log(v * alpha / (a / (us * us) + b)) if v else -math.inf
        bound = (
            at_mode
            + (n + 1) * log((n - m + 1) / (n - k + 1))
            + (k + 0.5) * log(ratio * (n - k + 1) / (k + 1))
            - _tail(k)
            - _tail(n - k)
        )
        if v <= bound:
            return k


def _tail(k: float) -> float:
    """log(k!) less Stirling's approximation of it."""
    if k < 10:
        return _TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


_TAILS = [log(math.factorial(k)) + (k + 1) - (k + 0.5) * log(k + 1) - 0.5 * log(2 * pi) for k in range(10)]
