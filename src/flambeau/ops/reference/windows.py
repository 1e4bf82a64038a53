"""Sliding windows: output sizes, padding, and the view that convolution and pooling are written over.

Sizes, strides and the like have one entry for each spatial dimension; those are an array's last dimensions.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

Array = np.ndarray[Any, Any]
Sizes = tuple[int, ...]
Pairs = tuple[tuple[int, int], ...]


def conv_out_size(size: Sizes, kernel: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes) -> Sizes:
    """Windows along each dimension: (size + lo + hi - dilation*(kernel-1) - 1) // stride + 1, at least 0."""
    return tuple(
        max(0, (n + lo + hi - d * (k - 1) - 1) // s + 1)
        for n, k, s, (lo, hi), d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def conv_transpose_out_size(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, output_padding: Sizes, dilation: Sizes
) -> Sizes:
    """Transposed: (size-1)*stride - 2*padding + dilation*(kernel-1) + output_padding + 1, perhaps below 1."""
    spatial = zip(size, kernel, stride, padding, output_padding, dilation, strict=True)
    return tuple((n - 1) * s - 2 * p + d * (k - 1) + extra + 1 for n, k, s, p, extra, d in spatial)


def pool_out_size(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool = False
) -> Sizes:
    """Windows along each dimension, at least 0.

    `ceil_mode` keeps a partly filled last window, unless it starts beyond the input and its left padding.
    """
    out = []
    for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True):
        count = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (count - 1) * s >= n + p:
            count -= 1
        out.append(max(0, count))
    return tuple(out)


def exact_padding(
    size: Sizes, out: Sizes, kernel: Sizes, stride: Sizes, low: Sizes, dilation: Sizes
) -> Pairs:
    """The padding that begins with `low` and holds exactly `out` windows; where it is negative, it crops."""
    return tuple(
        (lo, (o - 1) * s + d * (k - 1) + 1 - n - lo)
        for n, o, k, s, lo, d in zip(size, out, kernel, stride, low, dilation, strict=True)
    )


def negated(padding: Pairs) -> Pairs:
    """The padding that undoes `padding`; for values that are sums it is also its adjoint."""
    return tuple((-lo, -hi) for lo, hi in padding)


def pad(x: Array, padding: Pairs, value: float = 0) -> Array:
    """Surround the last dimensions with `value`, then crop where amounts are negative; copies only to add."""
    lead, size = split_shape(x, len(padding))
    if any(amount > 0 for pair in padding for amount in pair):
        low = [max(0, lo) for lo, _ in padding]
        grown = tuple(lo + n + max(0, hi) for lo, n, (_, hi) in zip(low, size, padding, strict=True))
        out: Array = np.full(lead + grown, value, x.dtype)
        middle: list[Any] = [slice(lo, lo + n) for lo, n in zip(low, size, strict=True)]
        out[..., *middle] = x
        x, size = out, grown
    kept: list[Any] = [
        slice(max(0, -lo), max(0, n + hi) if hi < 0 else n) for n, (lo, hi) in zip(size, padding, strict=True)
    ]
    return x[..., *kept]


def split_shape(x: Array, n: int) -> tuple[Sizes, Sizes]:
    """The sizes before the last n dimensions, and theirs."""
    return x.shape[: x.ndim - n], x.shape[x.ndim - n :]


def windows(x: Array, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Array:
    """View x (..., *S) as (*K, ..., *O): entry k is what tap k of the kernel meets in every window.

    It is writable where x is: adding to entry k for every k is the adjoint of reading them. One tap never
    meets an element twice, two taps may.
    """
    n = len(kernel)
    lead, size = split_shape(x, n)
    out = conv_out_size(size, kernel, stride, ((0, 0),) * n, dilation)
    steps = x.strides[x.ndim - n :]
    within = tuple(d * step for d, step in zip(dilation, steps, strict=True))
    between = tuple(s * step for s, step in zip(stride, steps, strict=True))
    return as_strided(x, kernel + lead + out, within + x.strides[: x.ndim - n] + between)


def taps(kernel: Sizes) -> product[Sizes]:
    """Positions in the kernel, the last dimension fastest."""
    return product(*map(range, kernel))
