"""Convolution of any number of spatial dimensions, as a matrix product over windows.

The three functions are one trilinear form, sum(g * conv(x, w)), seen from its three sides, so each one's
gradients are the other two. With the same stride, padding, dilation and groups everywhere:

    result                        gradient for the first argument      for the second argument
    y = conv(x, w)                conv_input_grad(dy, w, x's sizes)    conv_weight_grad(dy, x, w's sizes)
    y = conv_input_grad(g, w)     conv(dy, w)                          conv_weight_grad(g, dy, w's sizes)
    y = conv_weight_grad(g, x)    conv(x, dy)                          conv_input_grad(g, dy, x's sizes)

`conv_input_grad` is also the transposed convolution. Nothing is conjugated: for complex numbers the caller
conjugates the argument that it does not differentiate by.

Shapes: x (B, Cin, *S), w (Cout, Cin / groups, *K), g and y (B, Cout, *O). `padding` is a pair (low, high) for
each spatial dimension; negative amounts crop. The caller chooses an element type wide enough to sum in.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from .windows import Array, Pairs, Sizes, negated, pad, taps, windows

COLUMN_ELEMENTS = 1 << 21  # of unfolded input at a time: some megabytes, near the processor


def conv(x: Array, w: Array, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Array:
    """Cross-correlate: y[b, o, i] = sum over c, k of x[b, c, i*stride + k*dilation - low] * w[o, c, k].

    x (B, Cin, *S), w (Cout, Cin / groups, *K) -> (B, Cout, *O), O = conv_out_size(S, K, ...).
    Gradients: `conv_input_grad` for x, `conv_weight_grad` for w.
    """
    kernel = w.shape[2:]
    seen = windows(pad(x, padding), kernel, stride, dilation)
    spatial = seen.shape[len(kernel) + 2 :]
    out = np.empty((len(x), len(w), *spatial), np.result_type(x, w))
    matrix = _weight_matrix(w, groups)
    for batch in _batches(len(x), x.shape[1] * prod(kernel) * prod(spatial)):
        part = out[batch].swapaxes(0, 1)
        part[...] = _product(matrix, _unfold(seen, batch, groups)).reshape(part.shape)
    return out


def conv_input_grad(
    g: Array, w: Array, input_spatial: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    """Transposed convolution, the adjoint of x -> conv(x, w): add g[b, o, i] * w[o, c, k] where conv reads x.

    g (B, Cout, *O), w (Cout, Cin / groups, *K) -> (B, Cin, *input_spatial); O as of conv.
    Gradients: `conv` for g, `conv_weight_grad` for w.
    """
    kernel, spatial = w.shape[2:], g.shape[2:]
    channels = w.shape[1] * groups
    dtype = np.result_type(g, w)
    if 0 in spatial:
        return np.zeros((len(g), channels, *input_spatial), dtype)
    padded = tuple(lo + n + hi for n, (lo, hi) in zip(input_spatial, padding, strict=True))
    out = np.zeros((len(g), channels, *padded), dtype)
    met = windows(out, kernel, stride, dilation)
    matrix = _weight_matrix(w, groups).swapaxes(1, 2)
    for batch in _batches(len(g), channels * prod(kernel) * prod(spatial)):
        columns = _product(matrix, _rows(g[batch], groups))
        columns = columns.reshape(channels, prod(kernel), len(g[batch]), *spatial)
        for i, k in enumerate(taps(kernel)):
            met[k][batch] += columns[:, i].swapaxes(0, 1)
    return pad(out, negated(padding))


def conv_weight_grad(
    g: Array, x: Array, kernel_spatial: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> Array:
    """The adjoint of w -> conv(x, w): the sum over b, i of g[b, o, i] * x[b, c, i*stride + k*dilation - low].

    g (B, Cout, *O), x (B, Cin, *S) -> (Cout, Cin / groups, *kernel_spatial); O as of conv.
    Gradients: `conv` for g (with the incoming gradient as weight), `conv_input_grad` for x.
    """
    seen = windows(pad(x, padding), kernel_spatial, stride, dilation)
    shape = (g.shape[1], x.shape[1] // groups, *kernel_spatial)
    out = np.zeros((groups, shape[0] // groups, prod(shape[1:])), np.result_type(g, x))
    for batch in _batches(len(x), x.shape[1] * prod(kernel_spatial) * prod(g.shape[2:])):
        out += _rows(g[batch], groups) @ _unfold(seen, batch, groups).swapaxes(1, 2)
    return out.reshape(shape)


def _batches(count: int, elements: int) -> Iterator[slice]:
    """Split the batch: items of so many elements, within COLUMN_ELEMENTS together or else one at a time."""
    step = max(1, COLUMN_ELEMENTS // max(1, elements))
    return (slice(i, min(i + step, count)) for i in range(0, count, step))


def _product(a: Array, b: Array) -> Array:
    """a @ b; a lone column times a lone row, as in depthwise convolution, is faster by broadcasting."""
    product: Array = a * b if a.shape[-1] == 1 else a @ b
    return product


def _weight_matrix(w: Array, groups: int) -> Array:
    """(Cout, C, *K) -> (groups, Cout / groups, C * K)."""
    return w.reshape(groups, len(w) // groups, prod(w.shape[1:]))


def _rows(g: Array, groups: int) -> Array:
    """(B, Cout, *O) -> (groups, Cout / groups, B * O)."""
    batch, channels, *spatial = g.shape
    return g.swapaxes(0, 1).reshape(groups, channels // groups, batch * prod(spatial))


def _unfold(seen: Array, batch: slice, groups: int) -> Array:
    """Windows (*K, B, Cin, *O) -> columns (groups, Cin / groups * K, batch * O)."""
    n = seen.ndim // 2 - 1
    columns = np.moveaxis(seen[(slice(None),) * n + (batch,)], n + 1, 0)
    rows, cols = prod(columns.shape[: n + 1]), prod(columns.shape[n + 1 :])
    return columns.reshape(groups, rows // groups, cols)
