"""Pooling over any number of spatial dimensions, the last ones of x; the dimensions before them are kept.

Maximum pooling gives flat positions in the input's spatial dimensions: values come by gathering there,
gradients by scattering back. Average pooling is linear: `avg_pool` and `avg_pool_grad` are each other's
adjoints and so each other's gradients, and likewise `adaptive_avg_pool` and `adaptive_avg_pool_grad`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product
from math import prod

import numpy as np

from .windows import Array, Pairs, Sizes, exact_padding, negated, pad, split_shape, taps, windows


def max_pool_indices(
    x: Array, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out_spatial: Sizes
) -> Array:
    """Where each window has its maximum: int64 (..., *out_spatial), flat positions in x's spatial dimensions.

    Of equal values the first counts, of NaNs the last, and a NaN is larger than all else. Padding never wins.
    Raises ValueError where dilation makes a window step over the whole input.
    """
    n = len(kernel)
    lead, size = split_shape(x, n)
    lowest = _lowest(x.dtype)
    fit = exact_padding(size, out_spatial, kernel, stride, padding, dilation)
    seen = windows(pad(x, fit, lowest), kernel, stride, dilation)
    first, corner = first_taps(size, kernel, stride, padding, dilation, out_spatial)
    number = np.empty(lead + out_spatial, np.min_scalar_type(prod(kernel)))
    number[...] = first
    best = np.full(lead + out_spatial, lowest, x.dtype)
    with_nan = bool(np.isnan(x).any())
    for i, k in enumerate(taps(kernel)):
        wins = seen[k] > best
        if with_nan:
            wins |= np.isnan(seen[k])
        np.maximum(best, seen[k], out=best)
        np.maximum(number, np.multiply(wins, i, dtype=number.dtype), out=number)  # a later tap's is larger
    offsets = _flat([np.arange(k) * d for k, d in zip(kernel, dilation, strict=True)], size)
    return np.add(corner, offsets.ravel()[number])


def take(x: Array, index: Array, n: int) -> Array:
    """The elements at flat positions in x's last n dimensions: of index's shape (..., *O).

    Gradient: `put` with the same positions.
    """
    at = index.reshape(*index.shape[: index.ndim - n], prod(index.shape[index.ndim - n :]))
    lead, size = split_shape(x, n)
    picked: Array = np.take_along_axis(x.reshape(*lead, prod(size)), at, -1)
    return picked.reshape(index.shape)


def put(g: Array, index: Array, spatial: Sizes) -> Array:
    """The adjoint of `take`: add each element of g (..., *O) at its position in zeros (..., *spatial).

    Gradient: `take` with the same positions.
    """
    lead = g.shape[: g.ndim - len(spatial)]
    total = np.zeros((prod(lead), prod(spatial)), g.dtype)
    rows = np.arange(prod(lead))[:, None]
    per_row = (prod(lead), prod(g.shape[len(lead) :]))
    np.add.at(total, (rows, index.reshape(per_row)), g.reshape(per_row))
    return total.reshape(*lead, *spatial)


def avg_pool(
    x: Array,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    out_spatial: Sizes,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Sum each window and divide by `divisor_override`, or else by its size: (..., *out_spatial).

    Padding counts only if `count_include_pad`, what `ceil_mode` adds beyond it never; integers truncate.
    Gradient: `avg_pool_grad` with the same arguments.
    """
    n = len(kernel)
    lead, size = split_shape(x, n)
    seen = windows(pad(x, _fit(size, out_spatial, kernel, stride, padding)), kernel, stride, (1,) * n)
    total = np.zeros(lead + out_spatial, x.dtype)
    for k in taps(kernel):
        total += seen[k]
    counts = _counts(size, kernel, stride, padding, out_spatial, count_include_pad)
    return _divide(total, counts if divisor_override is None else divisor_override)


def avg_pool_grad(
    g: Array,
    input_spatial: Sizes,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """The adjoint of `avg_pool`: spread each element of g (..., *O) over its window in (..., *input_spatial).

    Gradient: `avg_pool` with the same arguments.
    """
    n = len(kernel)
    lead, out_spatial = split_shape(g, n)
    if 0 in out_spatial:
        return np.zeros(lead + input_spatial, g.dtype)
    fit = _fit(input_spatial, out_spatial, kernel, stride, padding)
    padded = tuple(lo + m + hi for m, (lo, hi) in zip(input_spatial, fit, strict=True))
    total = np.zeros(lead + padded, g.dtype)
    met = windows(total, kernel, stride, (1,) * n)
    counts = _counts(input_spatial, kernel, stride, padding, out_spatial, count_include_pad)
    share = _divide(g, counts if divisor_override is None else divisor_override)
    for k in taps(kernel):
        met[k][...] += share
    return pad(total, negated(fit))


def adaptive_avg_pool(x: Array, out_spatial: Sizes) -> Array:
    """Means over nearly equal, possibly overlapping stretches of each dimension: (..., *out_spatial).

    Stretch i of m in n elements begins at floor(i*n/m) and ends before ceil((i+1)*n/m).
    Gradient: `adaptive_avg_pool_grad`.
    """
    first = x.ndim - len(out_spatial)
    size = x.shape[first:]
    for axis, (n, m) in enumerate(zip(size, out_spatial, strict=True), first):
        total = np.empty((*x.shape[:axis], m, *x.shape[axis + 1 :]), x.dtype)
        for i, stretch in enumerate(_stretches(n, m)):
            total[_at(axis, i)] = x[_at(axis, stretch)].sum(axis)
        x = total
    return _divide(x, _stretch_counts(size, out_spatial))


def adaptive_avg_pool_grad(g: Array, input_spatial: Sizes) -> Array:
    """The adjoint of `adaptive_avg_pool`, each the other's gradient: g (..., *O) -> (..., *input_spatial)."""
    first = g.ndim - len(input_spatial)
    out_spatial = g.shape[first:]
    g = _divide(g, _stretch_counts(input_spatial, out_spatial))
    for axis, (n, m) in enumerate(zip(input_spatial, out_spatial, strict=True), first):
        total = np.zeros((*g.shape[:axis], n, *g.shape[axis + 1 :]), g.dtype)
        for i, stretch in enumerate(_stretches(n, m)):
            total[_at(axis, stretch)] += g[_at(axis, slice(i, i + 1))]
        g = total
    return g


def adaptive_max_pool_indices(x: Array, out_spatial: Sizes) -> Array:
    """`max_pool_indices` over the stretches of `adaptive_avg_pool`: int64 (..., *out_spatial)."""
    n = len(out_spatial)
    lead, size = split_shape(x, n)
    out = np.empty(lead + out_spatial, np.int64)
    cuts = [list(enumerate(_stretches(s, m))) for s, m in zip(size, out_spatial, strict=True)]
    for cell in product(*cuts):
        where, region = zip(*cell, strict=True)
        positions = _flat([np.arange(r.start, r.stop) for r in region], size).ravel()
        out[..., *where] = positions[_argmax(x[..., *region].reshape(*lead, positions.size))]
    return out


def _argmax(x: Array) -> Array:
    """Position of the maximum along the last dimension: of equal values the first, of NaNs the last."""
    best: Array = x.argmax(-1)
    nan = np.isnan(x)
    if nan.any():
        best = np.where(nan.any(-1), x.shape[-1] - 1 - nan[..., ::-1].argmax(-1), best)
    return best


def _lowest(dtype: np.dtype) -> float:
    """What every number of the type exceeds or equals."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _flat(positions: Sequence[Array], size: Sizes) -> Array:
    """Positions along each dimension -> the grid of row-major positions in an array of that size."""
    weights = [prod(size[i + 1 :]) for i in range(len(size))]
    return _grid(np.add, [p.astype(np.int64) * w for p, w in zip(positions, weights, strict=True)])


def _grid(combine: np.ufunc, rows: Sequence[Array]) -> Array:
    """One array for each dimension -> all combinations of their elements."""
    grid: Array = reduce(combine.outer, rows)
    return grid


def first_taps(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, out_spatial: Sizes
) -> tuple[Array, Array]:
    """For each window the number of its first tap inside the input, and the flat position of its corner."""
    corners = [np.arange(o) * s - p for o, s, p in zip(out_spatial, stride, padding, strict=True)]
    first = [-(np.minimum(c, 0) // d) for c, d in zip(corners, dilation, strict=True)]
    for n, k, c, f, d in zip(size, kernel, corners, first, dilation, strict=True):
        if ((f >= k) | (c + f * d >= n)).any():
            raise ValueError(
                f"max_pool: a window of {k} elements, {d} apart, steps over the whole input of size {n}; "
                "use less padding or dilation, or a larger kernel"
            )
    return _flat(first, kernel), _flat(corners, size)


def _fit(size: Sizes, out: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes) -> Pairs:
    return exact_padding(size, out, kernel, stride, padding, (1,) * len(kernel))


def _counts(
    size: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, out_spatial: Sizes, with_pad: bool
) -> Array:
    """The number of elements in each window, of shape out_spatial."""
    counts = []
    for n, k, s, p, o in zip(size, kernel, stride, padding, out_spatial, strict=True):
        start = np.arange(o) * s - p
        end = np.minimum(start + k, n + p)
        counts.append(end - start if with_pad else np.minimum(end, n) - np.maximum(start, 0))
    return _grid(np.multiply, counts)


def _divide(total: Array, count: Array | int) -> Array:
    """Divide in total's type; integers truncate toward zero."""
    quotient: Array
    if total.dtype.kind in "iu":
        wide = total.astype(np.int64)
        quotient = (wide - np.fmod(wide, count)) // count
    else:
        quotient = total / np.asarray(count, total.real.dtype)
    return quotient.astype(total.dtype, copy=False)


def _stretches(n: int, m: int) -> Iterator[slice]:
    return (slice(i * n // m, -((i + 1) * n // -m)) for i in range(m))


def _stretch_counts(size: Sizes, out_spatial: Sizes) -> Array:
    counts = [
        np.array([s.stop - s.start for s in _stretches(n, m)], np.int64)
        for n, m in zip(size, out_spatial, strict=True)
    ]
    return _grid(np.multiply, counts)


def _at(axis: int, key: int | slice) -> tuple[slice | int, ...]:
    """The index that applies `key` to one dimension."""
    return (slice(None),) * axis + (key,)
