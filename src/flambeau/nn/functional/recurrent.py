"""Stacks of recurrent layers, over rows that lie in order of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ...core.modes import modes
from ...core.tensor import Tensor
from ...functions.casting import cast_all, lowered
from ...functions.joining import cat, stack
from ...ops import recurrent as ops
from ...ops.reference import recurrent as reference
from .dropout import dropout as drop
from .linear import linear

Weights = Sequence[Any]
"""What one direction of one layer learns: weight_ih, weight_hh, bias_ih, bias_hh, weight_hr."""

Layer = Callable[[Tensor, Weights, Sequence[Any], tuple[int, ...], bool], tuple[Tensor, ...]]


def _lstm(
    x: Tensor, weights: Weights, states: Sequence[Any], sizes: tuple[int, ...], reverse: bool
) -> tuple[Tensor, ...]:
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    x = linear(x, w_ih, None if b_ih is None else b_ih + b_hh)
    if w_hr is None:
        out, *_, h, c = ops.lstm(x, w_hh, *states, sizes, reverse)
    else:
        out, *_, h, c = reference.lstm(ops.TENSORS, x, w_hh, states[0], states[1], sizes, reverse, w_hr)
    return out, h, c


def _gru(
    x: Tensor, weights: Weights, states: Sequence[Any], sizes: tuple[int, ...], reverse: bool
) -> tuple[Tensor, ...]:
    w_ih, w_hh, b_ih, b_hh, _ = weights
    hidden = w_hh._node.shape[1]
    inner = w_hh.new_zeros(hidden) if b_hh is None else b_hh[2 * hidden :]
    bias = None if b_ih is None else b_ih + cat((b_hh[: 2 * hidden], w_hh.new_zeros(hidden)))
    x = linear(x, w_ih, bias)
    if modes.autocast is not None:
        x, *states = cast_all([x, *states], w_hh._node.dtype)
    out, *_, h = ops.gru(x, w_hh, inner, *states, sizes, reverse)
    return out, h


def _rnn(
    x: Tensor, weights: Weights, states: Sequence[Any], sizes: tuple[int, ...], reverse: bool, relu: bool
) -> tuple[Tensor, ...]:
    w_ih, w_hh, b_ih, b_hh, _ = weights
    bias = None if b_ih is None else b_ih + b_hh
    out, *_, h = ops.rnn(linear(x, w_ih, bias), w_hh, *states, sizes, reverse, relu)
    return out, h


LAYERS: dict[str, Layer] = {
    "LSTM": _lstm,
    "GRU": _gru,
    "RNN_TANH": partial(_rnn, relu=False),
    "RNN_RELU": partial(_rnn, relu=True),
}


def recurrent(
    mode: str,
    x: Tensor,
    weights: Sequence[Sequence[Weights]],
    states: Sequence[Tensor],
    sizes: tuple[int, ...],
    dropout: float,
) -> tuple[Tensor, list[Tensor]]:
    """Runs layers of directions (`weights[layer][direction]`) over rows (N, features), `sizes[t]` at step t.

    `states` are (layers * directions, batch, *) each. Returns the outputs (N, directions * hidden) and the
    last states; between layers elements are dropped with probability `dropout`.
    """
    layer, last, k = LAYERS[mode], [], 0
    if modes.autocast is not None and mode != "GRU":  # whose state stays in float32
        layer = partial(lowered, layer)
    for number, directions in enumerate(weights):
        if number and dropout:
            x = drop(x, dropout, True)
        outs = []
        for way, w in enumerate(directions):
            out, *new = layer(x, w, [s[k] for s in states], sizes, way == 1)
            outs.append(out)
            last.append(new)
            k += 1
        x = outs[0] if len(outs) == 1 else cat(outs, 1)
    return x, [stack(parts) for parts in zip(*last, strict=True)]
