"""Recurrent layers: the whole loop over time in one call, whose tasks are sequences.

A task needs no other one: all do every step for their own rows, so that threads never wait for each other.
For each step the product with the hidden weight, packed once for the call, is made tile by tile, and what
the cell computes follows while a tile is in the nearest cache. Backward, time runs the other way, the cell's
gradients come first, and their product with the weight is the gradient of the state before.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.node import numel
from ...runtime.calls import Address, Word
from ...runtime.kernels import kernel
from ..calls import Array, Plan
from ..expression import load
from ..nest import Nest, Phase, Store
from ..planner import planner
from .microkernel import Geometry, geometry
from .nest import plan_nest
from .recurrent_cells import CELLS
from .recurrent_sweep import Form, Sweep, emit_pack

Arrays = tuple[Array, ...]


@planner("lstm")
def plan_lstm(plan: Plan, results: Arrays, inputs: Arrays, attrs: tuple[Any, ...]) -> bool:
    """The call for a layer of long short-term memory."""
    out, gates, h_before, c_before, h, c = results
    x, w, h0, c0 = inputs
    arrays = {"x": x, "h0": h0, "c0": c0, "out": out, "kept": gates, "h_before": h_before}
    return _plan(plan, "lstm", w, arrays | {"c_before": c_before, "h": h, "c": c}, *attrs)


@planner("lstm_backward")
def plan_lstm_backward(plan: Plan, results: Arrays, inputs: Arrays, attrs: tuple[Any, ...]) -> bool:
    """The call for its gradient."""
    g_out, g_h, g_c, w, gates, c_before = inputs
    d, dh, dc = results
    arrays = {"g": g_out, "h0": g_h, "c0": g_c, "kept": gates, "c_before": c_before, "d": d, "h": dh, "c": dc}
    return _plan(plan, "lstm", w, arrays, *attrs)


@planner("gru")
def plan_gru(plan: Plan, results: Arrays, inputs: Arrays, attrs: tuple[Any, ...]) -> bool:
    """The call for a layer of gated recurrent units."""
    out, gates, h_before, h = results
    x, w, b, h0 = inputs
    arrays = {"x": x, "h0": h0, "b": b, "out": out, "kept": gates, "h_before": h_before, "h": h}
    return _plan(plan, "gru", w, arrays, *attrs)


@planner("gru_backward")
def plan_gru_backward(plan: Plan, results: Arrays, inputs: Arrays, attrs: tuple[Any, ...]) -> bool:
    """The call for its gradient."""
    g_out, g_h, w, gates, h_before = inputs
    dx, d, dh = results
    arrays = {"g": g_out, "h0": g_h, "kept": gates, "h_before": h_before, "dx": dx, "d": d, "h": dh}
    return _plan(plan, "gru", w, arrays, *attrs)


@planner("rnn")
def plan_rnn(plan: Plan, results: Arrays, inputs: Arrays, attrs: tuple[Any, ...]) -> bool:
    """The call for Elman's layer."""
    (out, h_before, h), (x, w, h0), (sizes, reverse, relu, keep) = results, inputs, attrs
    arrays = {"x": x, "h0": h0, "out": out, "h_before": h_before, "h": h}
    return _plan(plan, "relu" if relu else "tanh", w, arrays, sizes, reverse, keep)


@planner("rnn_backward")
def plan_rnn_backward(plan: Plan, results: Arrays, inputs: Arrays, attrs: tuple[Any, ...]) -> bool:
    """The call for its gradient."""
    (d, dh), (g_out, g_h, w, out), (sizes, reverse, relu) = results, inputs, attrs
    arrays = {"g": g_out, "h0": g_h, "h_before": out, "d": d, "h": dh}
    return _plan(plan, "relu" if relu else "tanh", w, arrays, sizes, reverse)


def _plan(
    plan: Plan,
    cell: str,
    w: Array,
    arrays: dict[str, Array],
    sizes: tuple[int, ...],
    reverse: bool,
    keep: bool | None = None,
) -> bool:
    """Adds the calls: weights packed, then the loop over time; False for another dtype than float32.

    `keep`: whether a layer keeps what its gradient needs; None: this is the gradient.
    """
    if any(a.dtype is not dt.float32 for a in (w, *arrays.values())):
        return False
    hidden, batch, backward = w.shape[1], sizes[0], keep is None
    if not hidden or not batch:
        return numel(arrays["h"].shape) == 0
    g = geometry(dt.float32)
    if keep is False:
        arrays = arrays | {"h_before": plan.array((batch, hidden), dt.float32)}
    form = Form(cell, backward, keep is not False, hidden % g.lanes != 0)
    words: dict[str, Word] = {"weight": _pack(plan, g, w, CELLS[cell].gates, backward)}
    for name, a in arrays.items():
        a = _rows(plan, a)
        words |= {name: a.address, f"{name}_row": a.strides[0]}
    steps = plan.table(_steps(sizes, reverse != backward))
    words |= {"steps": Address(steps), "count": len(sizes), "hidden": hidden}
    names = tuple(words)
    k = kernel("recurrent", form, lambda module: Sweep(module, form, g, names).emit())
    plan.call(k, list(words.values()), batch, max(4, batch // plan.threads))
    return True


def _steps(sizes: tuple[int, ...], backwards: bool) -> np.ndarray:
    """First row and number of rows of each step, in the order in which they are done."""
    steps = [(end - n, n) for n, end in zip(sizes, accumulate(sizes), strict=True)]
    return np.array(steps[::-1] if backwards else steps, np.int64)


def _rows(plan: Plan, a: Array) -> Array:
    """The array with consecutive elements in its rows: itself, or a copy."""
    if len(a.shape) == 1:
        a = Array(a.buffer, a.offset, (1, *a.shape), (0, *a.strides), a.dtype)
    if a.strides[1] == 1 or a.shape[1] == 1:
        return a
    copy = plan.array(a.shape, a.dtype)
    phase = Phase(stores=(Store(0, load(1, a.dtype)),))
    plan_nest(plan, Nest(a.shape[:1], a.shape[1:], False, (copy, a), (phase,)))
    return copy


def _pack(plan: Plan, g: Geometry, w: Array, gates: int, backward: bool) -> Address:
    """Adds the call that packs the weight: panels of the columns of W.T for each gate, or of those of W."""
    hidden, (row, column), width = w.shape[1], w.strides, g.columns
    if backward:
        i, k, depth, matrices = column, row, gates * hidden, 1
    else:
        i, k, depth, matrices = row, column, hidden, gates
    panels = -(-hidden // width)
    to = Address(plan.scratch(matrices * panels * width * depth * 4))
    along = i == 1
    code = kernel("recurrent_pack", along, lambda module: emit_pack(module, g, along))
    plan.call(code, [w.address, to, hidden, depth, panels, i, k, hidden * row], panels * matrices)
    return to
