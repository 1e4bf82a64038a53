"""Recurrent layers: one direction of one layer over a whole sequence is one operation.

What the input contributes, `x @ w_ih.T + biases`, comes in for all steps at once; the rows of the steps lie
one after the other (see `reference.recurrent`). Results between the outputs and the last states are there for
the gradient; they have no rows where nobody is going to want one.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from ..core import dtype as dt
from ..core.dtype import dtype
from ..core.modes import modes
from ..core.tensor import Tensor
from .contraction import matmul
from .creation import full
from .kinds import Custom
from .reference import recurrent as reference
from .reference.recurrent import NUMPY, Library, Sizes
from .samples import Sample, spread
from .view import concatenate, transpose

Spec = tuple[tuple[int, ...], dtype]

TENSORS = Library(
    tanh=lambda x: x.tanh(),
    sigmoid=lambda x: x.sigmoid(),
    relu=lambda x: x.relu(),
    positive=lambda x: (x > 0).to(x.dtype),
    join=lambda xs, dim: concatenate(*xs, dim) if len(xs) > 1 else xs[0],
)


class Recurrent(Custom):
    """A recurrent layer or its gradient."""

    accepts = (dt.FLOAT, dt.FLOAT)

    def __call__(self, *args: Any) -> Any:
        """Records the operation. Layers have a last attribute: whether anybody may want a gradient."""
        if self.joint:
            args = (*args, modes.grad and any(isinstance(x, Tensor) and x._edge is not None for x in args))
        return super().__call__(*args)

    def on_sample(self, tensors: Sequence[Tensor], attrs: dict[str, Any]) -> Any:
        """All results as one tensor."""
        return concatenate(*[t.reshape(-1) for t in super().on_sample(tensors, attrs)], 0)


def _layer(name: str, rule: Any, results: int, states: int, inputs: str, attrs: str, grad: Any) -> Recurrent:
    """The record of a layer with so many results, of which the last are `states`."""

    def numpy(*args: Any) -> tuple[Any, ...]:
        *rest, keep = args
        out, *kept = getattr(reference, name)(NUMPY, *rest)
        hidden, last = kept[:-states], kept[-states:]
        return (out, *(hidden if keep else [x[:0].copy() for x in hidden]), *last)

    op = Recurrent(
        name, numpy, inputs=inputs, attrs=f"{attrs} keep", samples=lambda: _samples(op), joint=True, grad=grad
    )
    op.infer, op.kind, op.results = rule, "opaque", results
    return op


def _gradient(name: str, rule: Any, results: int, inputs: str, attrs: str) -> Recurrent:
    """The record of a layer's gradient."""
    compute = getattr(reference, name)
    op = Recurrent(
        name, partial(compute, NUMPY), inputs=inputs, attrs=attrs, samples=lambda: _samples(op),
        composition=partial(compute, TENSORS),
    )  # fmt: skip
    op.infer, op.kind, op.results = rule, "opaque", results
    return op


GATES = {"lstm": 4, "gru": 3, "rnn": 1}


def _samples(op: Recurrent) -> list[Sample]:
    samples, gates = [], GATES[op.name.partition("_")[0]]
    for sizes, reverse in (((2, 2, 2), False), ((3, 2, 2, 1), True), ((3, 1), False)):
        n, batch, hidden = sum(sizes), sizes[0], 2
        shapes = {
            "x": (n, gates * hidden), "w": (gates * hidden, hidden), "b": (hidden,), "g_out": (n, hidden),
            "gates": (n, 4 * hidden), "out": (n, hidden), "c_before": (n, hidden), "h_before": (n, hidden),
        }  # fmt: skip
        arrays = [spread(shapes.get(k, (batch, hidden)), -0.9, 0.9, i) for i, k in enumerate(op.inputs)]
        attrs = {"sizes": sizes, "reverse": reverse, **({"relu": reverse} if "relu" in op.attrs else {})}
        samples.append(Sample(tuple(arrays), attrs))
    return samples


def _check(what: str, sizes: Sizes, w: Any, *tensors: Any) -> tuple[int, int, int, dtype]:
    """(rows of all steps, sequences, hidden size, dtype); RuntimeError if the tensors don't fit."""
    d, hidden = w._node.dtype, w._node.shape[1]
    for t in tensors:
        if t._node.dtype is not d:
            raise RuntimeError(
                f"{what}: expected all tensors to have the same dtype, but got: {t._node.dtype.name} != "
                f"{d.name}; convert one with .to()"
            )
    if not sizes or sizes[-1] < 0 or any(a < b for a, b in pairwise(sizes)):
        raise RuntimeError(
            f"{what}: batch sizes {list(sizes)} must be those of at least one step, none larger than the one "
            "before"
        )
    return sum(sizes), sizes[0], hidden, d


def _expect(what: str, **pairs: tuple[Any, tuple[int, ...]]) -> None:
    """RuntimeError unless each tensor has the shape that goes with it."""
    for name, (t, shape) in pairs.items():
        if t._node.shape != shape:
            raise RuntimeError(f"{what}: expected {name} of shape {shape}, got {tuple(t.shape)}")


def _given(g: Any, out: Sequence[Tensor]) -> Any:
    """The gradients of results, zeros where there is none."""
    return [full(0.0, t._node.shape, t._node.dtype) if x is None else x for x, t in zip(g, out, strict=True)]


def _weight_gradient(d: Any, h_before: Any) -> Any:
    """The gradient of W in `h @ W.T`."""
    return matmul(transpose.plain(d, ((1, 0),)), h_before)


# ----- LSTM -----


def _lstm_rule(x: Any, w: Any, h: Any, c: Any, sizes: Sizes, reverse: bool, keep: bool) -> list[Spec]:
    n, batch, hidden, d = _check("lstm", sizes, w, x, h, c)
    states = (batch, hidden)
    _expect("lstm", x=(x, (n, 4 * hidden)), w=(w, (4 * hidden, hidden)), h=(h, states), c=(c, states))
    kept = n if keep else 0
    shapes = ((n, hidden), (kept, 4 * hidden), (kept, hidden), (kept, hidden), states, states)
    return [(shape, d) for shape in shapes]


def _lstm_grad(g: Any, out: Any, w: Any, sizes: Sizes, reverse: bool) -> tuple[Any, ...]:
    y, gates, h_before, c_before, h, c = out
    gy, gh, gc = _given((g[0], g[4], g[5]), (y, h, c))
    if g[1] is g[2] is g[3] is None:
        d, dh, dc = lstm_backward(gy, gh, gc, w, gates, c_before, sizes, reverse)
    else:
        d, dh, dc = reference.lstm_backward(TENSORS, gy, gh, gc, w, gates, c_before, sizes, reverse, g[1:4])
    return d, _weight_gradient(d, h_before), dh, dc


# x (N, 4H), w (4H, H), h, c (B, H) → outputs, gates, h and c before each step, last h, last c.
lstm = _layer("lstm", _lstm_rule, 6, 2, "x w h c", "sizes reverse", _lstm_grad)


def _lstm_backward_rule(g_out: Any, g_h: Any, g_c: Any, w: Any, gates: Any, *_: Any) -> list[Spec]:
    return [t._node.spec() for t in (gates, g_h, g_c)]


lstm_backward = _gradient(
    "lstm_backward", _lstm_backward_rule, 3, "g_out g_h g_c w gates c_before", "sizes reverse"
)

# ----- GRU -----


def _gru_rule(x: Any, w: Any, b: Any, h: Any, sizes: Sizes, reverse: bool, keep: bool) -> list[Spec]:
    n, batch, hidden, d = _check("gru", sizes, w, x, b, h)
    _expect(
        "gru", x=(x, (n, 3 * hidden)), w=(w, (3 * hidden, hidden)), b=(b, (hidden,)), h=(h, (batch, hidden))
    )
    kept = n if keep else 0
    return [(shape, d) for shape in ((n, hidden), (kept, 4 * hidden), (kept, hidden), (batch, hidden))]


def _gru_grad(g: Any, out: Any, w: Any, sizes: Sizes, reverse: bool) -> tuple[Any, ...]:
    y, gates, h_before, h = out
    gy, gh = _given((g[0], g[3]), (y, h))
    if g[1] is g[2] is None:
        dx, d, dh = gru_backward(gy, gh, w, gates, h_before, sizes, reverse)
    else:
        dx, d, dh = reference.gru_backward(TENSORS, gy, gh, w, gates, h_before, sizes, reverse, g[1:3])
    hidden = w._node.shape[1]
    return dx, _weight_gradient(d, h_before), d.narrow(1, 2 * hidden, hidden).sum(0), dh


# x (N, 3H), w (3H, H), b (H), h (B, H) → outputs, gates with W h + b, h before each step, last h.
gru = _layer("gru", _gru_rule, 4, 1, "x w b h", "sizes reverse", _gru_grad)


def _gru_backward_rule(g_out: Any, g_h: Any, w: Any, gates: Any, h: Any, sizes: Sizes, *_: Any) -> list[Spec]:
    (hidden,), d = h._node.shape[1:], h._node.dtype
    return [((sum(sizes), 3 * hidden), d), ((sum(sizes), 3 * hidden), d), g_h._node.spec()]


gru_backward = _gradient("gru_backward", _gru_backward_rule, 3, "g_out g_h w gates h_before", "sizes reverse")

# ----- Elman's -----


def _rnn_rule(x: Any, w: Any, h: Any, sizes: Sizes, reverse: bool, relu: bool, keep: bool) -> list[Spec]:
    n, batch, hidden, d = _check("rnn", sizes, w, x, h)
    _expect("rnn", x=(x, (n, hidden)), w=(w, (hidden, hidden)), h=(h, (batch, hidden)))
    return [(shape, d) for shape in ((n, hidden), (n if keep else 0, hidden), (batch, hidden))]


def _rnn_grad(g: Any, out: Any, w: Any, sizes: Sizes, reverse: bool, relu: bool) -> tuple[Any, ...]:
    y, h_before, h = out
    gy, gh = _given((g[0], g[2]), (y, h))
    if g[1] is None:
        d, dh = rnn_backward(gy, gh, w, y, sizes, reverse, relu)
    else:
        d, dh = reference.rnn_backward(TENSORS, gy, gh, w, y, sizes, reverse, relu, g[1])
    return d, _weight_gradient(d, h_before), dh


# x (N, H), w (H, H), h (B, H) → outputs, h before each step, last h.
rnn = _layer("rnn", _rnn_rule, 3, 1, "x w h", "sizes reverse relu", _rnn_grad)


def _rnn_backward_rule(g_out: Any, g_h: Any, *_: Any) -> list[Spec]:
    return [g_out._node.spec(), g_h._node.spec()]


rnn_backward = _gradient("rnn_backward", _rnn_backward_rule, 2, "g_out g_h w out", "sizes reverse relu")
