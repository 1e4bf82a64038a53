"""Recurrent layers over a whole sequence, step by step, in NumPy or in tensors.

The rows of all steps lie in order of time: `sizes[t]` of them belong to step t, never more than to the step
before, so that row b of every step continues the same sequence b. Where a sequence is shorter than others
(or, in reverse, has not begun yet) its state stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

Sizes = tuple[int, ...]
Step = Callable[..., tuple[Sequence[Any], Sequence[Any]]]


class Library(NamedTuple):
    """The functions that arrays and tensors don't share."""

    tanh: Callable[[Any], Any]
    sigmoid: Callable[[Any], Any]
    relu: Callable[[Any], Any]
    positive: Callable[[Any], Any]  # 1 where the element is positive, 0 elsewhere
    join: Callable[[list[Any], int], Any]


NUMPY = Library(
    tanh=np.tanh,
    sigmoid=lambda x: 1 / (1 + np.exp(-x)),
    relu=lambda x: np.maximum(x, 0),
    positive=lambda x: (x > 0).astype(x.dtype),
    join=lambda xs, dim: np.concatenate(xs, dim),
)


def spans(sizes: Sizes, reverse: bool) -> list[tuple[int, int]]:
    """First row and end of each step, in the order in which the layer goes through them."""
    ends = list(accumulate(sizes))
    steps = [(end - size, end) for size, end in zip(sizes, ends, strict=True)]
    return steps[::-1] if reverse else steps


def _sweep(m: Library, steps: Iterable[tuple[int, int]], states: list[Any], step: Step) -> tuple[Any, ...]:
    """Goes through the steps: `step(rows, *states)` gives the new states and other results of those rows.

    Returns the results of all rows, in order of time, and the last states.
    """
    found = {}
    for start, end in steps:
        n = end - start
        new, found[start, end] = step(slice(start, end), *[s[:n] for s in states])
        states = [x if n == len(s) else m.join([x, s[n:]], 0) for x, s in zip(new, states, strict=True)]
    results = [m.join(list(parts), 0) for parts in zip(*[found[k] for k in sorted(found)], strict=True)]
    return (*results, *states)


def _split(x: Any, parts: int) -> list[Any]:
    width = x.shape[1] // parts
    return [x[:, k * width : (k + 1) * width] for k in range(parts)]


# ----- LSTM: gates i, f, g, o; c' = f c + i g, h' = o tanh(c') -----


def lstm(m: Library, x: Any, w: Any, h: Any, c: Any, sizes: Sizes, reverse: bool, project: Any = None) -> Any:
    """Outputs (N, H), gates (N, 4H), states before each step (N, H) twice, last states (B, H) twice.

    `project` (P, H) makes the output, which the next step sees, of h'.
    """
    weight = w.T

    def step(rows: slice, h: Any, c: Any) -> Any:
        i, f, g, o = _split(x[rows] + h @ weight, 4)
        i, f, g, o = m.sigmoid(i), m.sigmoid(f), m.tanh(g), m.sigmoid(o)
        new = f * c + i * g
        out = o * m.tanh(new)
        if project is not None:
            out = out @ project.T
        return (out, new), (out, m.join([i, f, g, o], 1), h, c)

    return _sweep(m, spans(sizes, reverse), [h, c], step)


def lstm_backward(
    m: Library, g_out: Any, g_h: Any, g_c: Any, w: Any, gates: Any, c_before: Any, sizes: Sizes,
    reverse: bool, inner: Sequence[Any] = (None, None, None),
) -> Any:  # fmt: skip
    """Gradients of what comes in, (N, 4H), and of the first states; `inner` are gradients of the gates and of
    the states before each step."""

    def step(rows: slice, dh: Any, dc: Any) -> Any:
        (i, f, g, o), c = _split(gates[rows], 4), c_before[rows]
        t = m.tanh(f * c + i * g)
        dh = dh + g_out[rows]
        dc = dc + dh * o * (1 - t * t)
        di, df, dg, do = _added(inner[0], rows, 4)
        di, df = (dc * g + di) * (i * (1 - i)), (dc * c + df) * (f * (1 - f))
        dg, do = (dc * i + dg) * (1 - g * g), (dh * t + do) * (o * (1 - o))
        d = m.join([di, df, dg, do], 1)
        return (d @ w + _added(inner[1], rows)[0], dc * f + _added(inner[2], rows)[0]), (d,)

    return _sweep(m, spans(sizes, not reverse), [g_h, g_c], step)


def _added(g: Any, rows: slice, parts: int = 1) -> list[Any]:
    """The parts of a gradient that comes from elsewhere, or nothing."""
    return [0] * parts if g is None else _split(g[rows], parts)


# ----- GRU: gates r, z, n = tanh(x + r (W h + b)); h' = n + z (h - n) -----


def gru(m: Library, x: Any, w: Any, b: Any, h: Any, sizes: Sizes, reverse: bool) -> Any:
    """Outputs (N, H), gates r, z, n and W h + b (N, 4H), states before each step (N, H), last (B, H)."""
    weight = w.T

    def step(rows: slice, h: Any) -> Any:
        (xr, xz, xn), (hr, hz, hn) = _split(x[rows], 3), _split(h @ weight, 3)
        r, z, hn = m.sigmoid(xr + hr), m.sigmoid(xz + hz), hn + b
        n = m.tanh(xn + r * hn)
        new = n + z * (h - n)
        return (new,), (new, m.join([r, z, n, hn], 1), h)

    return _sweep(m, spans(sizes, reverse), [h], step)


def gru_backward(
    m: Library, g_out: Any, g_h: Any, w: Any, gates: Any, h_before: Any, sizes: Sizes, reverse: bool,
    inner: Sequence[Any] = (None, None),
) -> Any:  # fmt: skip
    """Gradients of what comes in, (N, 3H), of the hidden product, (N, 3H), and of the first state."""

    def step(rows: slice, dh: Any) -> Any:
        (r, z, n, hn), h = _split(gates[rows], 4), h_before[rows]
        dh = dh + g_out[rows]
        dr, dz, dn, dhn = _added(inner[0], rows, 4)
        dn = (dh * (1 - z) + dn) * (1 - n * n)
        dr, dz, dhn = (dn * hn + dr) * (r * (1 - r)), (dh * (h - n) + dz) * (z * (1 - z)), dn * r + dhn
        d = m.join([dr, dz, dhn], 1)
        return (d @ w + dh * z + _added(inner[1], rows)[0],), (m.join([dr, dz, dn], 1), d)

    return _sweep(m, spans(sizes, not reverse), [g_h], step)


# ----- Elman's: h' = tanh(x + W h), or relu -----


def rnn(m: Library, x: Any, w: Any, h: Any, sizes: Sizes, reverse: bool, relu: bool) -> Any:
    """Outputs (N, H), states before each step (N, H), last state (B, H)."""
    weight = w.T

    def step(rows: slice, h: Any) -> Any:
        a = x[rows] + h @ weight
        new = m.relu(a) if relu else m.tanh(a)
        return (new,), (new, h)

    return _sweep(m, spans(sizes, reverse), [h], step)


def rnn_backward(
    m: Library, g_out: Any, g_h: Any, w: Any, out: Any, sizes: Sizes, reverse: bool, relu: bool,
    inner: Any = None,
) -> Any:  # fmt: skip
    """Gradients of what comes in, (N, H), and of the first state."""

    def step(rows: slice, dh: Any) -> Any:
        y = out[rows]
        d = (dh + g_out[rows]) * (m.positive(y) if relu else 1 - y * y)
        return (d @ w + _added(inner, rows)[0],), (d,)

    return _sweep(m, spans(sizes, not reverse), [g_h], step)
