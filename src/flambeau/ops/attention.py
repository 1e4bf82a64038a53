"""Scaled dot-product attention and its gradient, each one operation that streams over the keys: the scores
of all queries and keys never lie in memory together.

Queries are (*, L, E), keys (*, S, E), values (*, S, Ev); leading dimensions broadcast. A mask broadcasts to
the scores (*, L, S): where a bool mask is False a query doesn't see the key, a float mask is added. `causal`
lets query i see keys 0 to i. A query that sees nothing has zeros for its result and for its logsumexp.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype
from .contraction import matmul
from .creation import full
from .kinds import Custom, broadcast, cast, make_constant, opmath
from .pointwise import exp, select
from .reduction import sum as sum_dims
from .samples import Sample, spread
from .view import concatenate, reshape, transpose

Shape = tuple[int, ...]
Spec = tuple[Shape, dtype]
INF = float("inf")


class Attention(Custom):
    """An operation on queries, keys and values with several results; the mask, its last input, may be left
    out."""

    kind, accepts = "opaque", (dt.FLOAT, dt.FLOAT)

    def on_sample(self, tensors: Any, attrs: dict[str, Any]) -> Any:
        """All results in one row."""
        rows = [reshape.plain(t, ((prod(t._node.shape),),)) for t in super().on_sample(tensors, attrs)]
        d = rows[0]._node.dtype
        return concatenate(*[t if t._node.dtype is d else cast(t, d) for t in rows], 0)


def _batch(what: str, q: Any, k: Any, v: Any, mask: tuple[Any, ...]) -> Shape:
    """The leading dimensions of the result; RuntimeError if the mask has larger ones."""
    batch = broadcast(what, *[t._node.shape[:-2] for t in (q, k, v)])
    scores = (*batch, q._node.shape[-2], k._node.shape[-2])
    for m in mask:
        if broadcast(what, scores, m._node.shape) != scores:
            raise RuntimeError(
                f"{what}: a mask of shape {tuple(m._node.shape)} doesn't broadcast to that of the scores, "
                f"{scores}; its extents have to be those or 1"
            )
    return batch


def _rule(q: Any, k: Any, v: Any, scale: Any, *rest: Any) -> list[Spec]:
    d, batch = q._node.dtype, _batch("attention", q, k, v, rest[:-1])
    rows = (*batch, q._node.shape[-2])
    return [((*rows, v._node.shape[-1]), d), (rows, opmath(d))]


def _grad_rule(g: Any, q: Any, k: Any, v: Any, lse: Any, delta: Any, scale: Any, *rest: Any) -> list[Spec]:
    batch = _batch("attention_grad", q, k, v, rest[:-1])
    return [((*batch, *t._node.shape[-2:]), t._node.dtype) for t in (q, k, v)]


# ----- the reference -----


def _scores(
    q: np.ndarray, k: np.ndarray, scale: np.ndarray, mask: tuple[np.ndarray, ...], causal: bool
) -> Any:
    scores = np.matmul(q * scale, k.swapaxes(-2, -1))
    for m in mask:
        scores = np.where(m, scores, -INF) if m.dtype == np.bool_ else scores + m
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -INF)
    return scores.astype(q.dtype, copy=False)


def _attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, scale: np.ndarray, *rest: Any) -> Any:
    *mask, causal = rest
    scores = _scores(q, k, scale, tuple(mask), causal)
    top = scores.max(-1, keepdims=True, initial=-INF)
    top[top == -INF] = 0
    weights = np.exp(scores - top)
    total = weights.sum(-1, keepdims=True)
    blind = total == 0
    total[blind] = 1
    out = np.matmul(weights / total, v)
    lse = np.where(blind, 0, np.log(total) + top)[..., 0]
    return out, np.broadcast_to(lse, out.shape[:-1]).astype(q.dtype)


def _attention_grad(
    g: np.ndarray, q: np.ndarray, k: np.ndarray, v: np.ndarray, lse: np.ndarray, delta: np.ndarray, *rest: Any
) -> Any:
    scale, *mask, causal = rest
    weights = np.exp(_scores(q, k, scale, tuple(mask), causal) - lse[..., None])
    ds = weights * (np.matmul(g, v.swapaxes(-2, -1)) - delta[..., None])
    flipped = ds.swapaxes(-2, -1)
    dq, dk, dv = (
        np.matmul(ds, k) * scale,
        np.matmul(flipped, q) * scale,
        np.matmul(weights.swapaxes(-2, -1), g),
    )
    batch = g.shape[:-2]
    return tuple(
        np.array(np.broadcast_to(d, batch + d.shape[-2:]), order="C").astype(q.dtype, copy=False)
        for d in (dq, dk, dv)
    )


# ----- gradients -----


def _wide(*tensors: Any) -> tuple[Any, ...]:
    """In the dtype that is computed with."""
    d = opmath(tensors[0]._node.dtype)
    return tuple(t if t._node.dtype is d else cast(t, d) for t in tensors)


def _flipped(x: Any) -> Any:
    n = x.ndim
    return transpose.plain(x, ((*range(n - 2), n - 1, n - 2),))


def _times(x: Any, y: Any) -> Any:
    """The product of matrices whose leading dimensions broadcast."""
    batch = broadcast("attention", x._node.shape[:-2], y._node.shape[:-2])
    return matmul(*[t.expand(*batch, *t._node.shape[-2:]) for t in (x, y)])


def _delta(g: Any, out: Any) -> Any:
    """What a score's gradient is measured from: the mean of the weights' gradients, less the logsumexp's."""
    x, y = _wide(g[0], out[0])
    delta = sum_dims(x * y, (x.ndim - 1,), False)
    return delta if g[1] is None else delta - g[1]


def _given(g: Any, q: Any, k: Any, v: Any, scale: Any, mask: Any, out: Any) -> tuple[Any, ...]:
    """What the gradients are made of: the inputs of `attention_grad`."""
    first = full(0, *out[0]._node.spec()) if g[0] is None else g[0]
    masks = () if mask is None else (mask,)
    return (first, q, k, v, out[1], _delta((first, g[1]), out), scale, *masks)


def _grad(g: Any, q: Any, k: Any, v: Any, scale: Any, mask: Any, out: Any, causal: bool) -> tuple[Any, ...]:
    given = _given(g, q, k, v, scale, mask, out)
    dq, dk, dv = attention_grad(*given, causal)
    number = None if scale._edge is None else sum_dims(dq * q / scale)
    if mask is None:
        return dq, dk, dv, number
    return dq, dk, dv, number, None if mask._edge is None else _scores_grad(*given, causal)[1]


def _scores_grad(
    g: Any, q: Any, k: Any, v: Any, lse: Any, delta: Any, scale: Any, *rest: Any
) -> tuple[Any, Any]:
    """The weights, and the gradient towards the scores."""
    *masks, causal = rest
    g, q, k, v = _wide(g, q, k, v)
    scores = _times(q * scale, _flipped(k))
    for mask in masks:
        scores = select(mask, scores, -INF) if mask._node.dtype is dt.bool_ else scores + mask
    if causal:
        scores = select(make_constant(np.tri(*scores._node.shape[-2:], dtype=np.bool_)), scores, -INF)
    weights = exp(scores - lse.unsqueeze(-1))
    return weights, weights * (_times(g, _flipped(v)) - delta.unsqueeze(-1))


def _composed(
    g: Any, q: Any, k: Any, v: Any, lse: Any, delta: Any, scale: Any, *rest: Any
) -> tuple[Any, ...]:
    """`attention_grad` in other operations, which can be differentiated further."""
    d, batch = q._node.dtype, g._node.shape[:-2]
    weights, scores = _scores_grad(g, q, k, v, lse, delta, scale, *rest)
    g, q, k = _wide(g, q, k)
    found = _times(scores, k) * scale, _times(_flipped(scores), q) * scale, _times(_flipped(weights), g)
    return tuple(cast(x.expand(*batch, *x._node.shape[-2:]), d) for x in found)


# ----- the records -----


def _samples() -> list[Sample]:
    """Queries, keys, values, scale and perhaps a mask."""

    def arrays(q: Shape, k: Shape, v: Shape, *mask: Any) -> tuple[np.ndarray, ...]:
        shapes = enumerate((q, k, v))
        return (*[spread(s, -1.5, 1.5, seed) for seed, s in shapes], np.array(0.6), *mask)

    some, blind = np.tri(3, 4, 1, dtype=np.bool_), np.array([[True, False], [False, False], [True, True]])
    return [
        Sample(arrays((3, 2), (4, 2), (4, 3)), {"causal": False}),
        Sample(arrays((2, 4, 1), (1, 3, 1), (2, 3, 2)), {"causal": True}),
        Sample(arrays((2, 1, 3, 2), (3, 4, 2), (1, 4, 2), some), {"causal": False}),
        Sample(arrays((3, 2), (2, 2), (2, 2), blind), {"causal": False}),
        Sample(arrays((2, 3, 2), (2, 4, 2), (2, 4, 2), spread((2, 1, 4), seed=5)), {"causal": True}),
        Sample(arrays((2, 0, 2), (2, 3, 2), (2, 3, 2)), {"causal": False}),
        Sample(arrays((2, 2), (0, 2), (0, 3)), {"causal": False}),
    ]


def _grad_samples() -> list[Sample]:
    """The same after g and before it what the first pass has found."""
    made = []
    for (q, k, v, scale, *mask), attrs in _samples():
        out, lse = _attention(q, k, v, scale, *mask, attrs["causal"])
        g = spread(out.shape, -1.0, 1.0, 7)
        made.append(Sample((g, q, k, v, lse, (g * out).sum(-1), scale, *mask), attrs))
    return made


# Two results: the values' means (*, L, Ev), and the logarithm of the sum of the scores' exponentials (*, L).
attention = Attention(
    "attention",
    _attention,
    inputs="q k v scale mask",
    attrs="causal",
    grad=_grad,
    joint=True,
    backward_name="ScaledDotProductAttention",
    samples=_samples,
)
attention.infer, attention.results = _rule, 2

# The gradients towards q, k and v, each with the leading dimensions of the result (the engine sums over those
# that were broadcast). `delta` (*, L) is the sum of g * out over the last dimension, less the gradient of the
# logsumexp.
attention_grad = Attention(
    "attention_grad",
    _attention_grad,
    inputs="g q k v lse delta scale mask",
    attrs="causal",
    composition=_composed,
    backward_name="ScaledDotProductAttentionBackward",
    samples=_grad_samples,
)
attention_grad.infer, attention_grad.results = _grad_rule, 3
