"""Attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.modes import modes
from ...core.tensor import Tensor
from ...functions.casting import lowered
from ...functions.choice import (
    choose,
)
from ...functions.joining import (
    repeat_interleave,
)
from ...functions.linear import matmul
from ...functions.reduction import softmax
from ...ops import attention as ops
from ...ops import reduction as reductions
from ...ops.kinds import cast, make_constant, opmath
from ...ops.op import check_tensor
from ...ops.view import transpose
from .arguments import flat, scalar
from .dropout import dropout

INF = float("inf")


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query @ keyᵀ * scale) @ value: each query takes a mean of the values, weighted by how well
    their keys match it.

    `query` is (*, L, E), `key` (*, S, E), `value` (*, S, Ev), the result (*, L, Ev); `scale` is 1 / sqrt(E)
    unless given. `attn_mask` broadcasts to (*, L, S): where a bool mask is False nothing is seen, a float
    mask is added to the scores; a query that sees nothing gets zeros. `is_causal` lets query i see keys 0 to
    i. `dropout_p` drops weights. With `enable_gqa` several heads (dimension -3) of the query share one of key
    and value. RuntimeError for sizes or dtypes that don't fit.

    >>> import flambeau as torch
    >>> x = torch.tensor([[1.], [2.]])
    >>> torch.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
    tensor([[1.0000],
            [1.8808]])
    """
    if modes.autocast is not None:
        given = query, key, value, attn_mask, dropout_p, is_causal, scale, enable_gqa
        return lowered(scaled_dot_product_attention, *given)
    what = "scaled_dot_product_attention"
    _check(what, query, key, value, attn_mask, dropout_p)
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            f"{what}: Explicit attn_mask should not be set when is_causal=True; put it in the mask"
        )
    width = query._node.shape[-1]
    factor = scalar(what, 1 / math.sqrt(width or 1) if scale is None else scale, opmath(query._node.dtype))
    if dropout_p:
        if enable_gqa:
            key, value = _repeated(what, query, key), _repeated(what, query, value)
        return _with_dropout(query, key, value, factor, attn_mask, dropout_p, is_causal)
    given = (query, key, value, factor, *(() if attn_mask is None else (attn_mask,)), is_causal)
    out: Tensor = _grouped(what, *given) if enable_gqa else ops.attention(*given)[0]
    return out


def _with_dropout(
    query: Tensor, key: Tensor, value: Tensor, scale: Tensor, mask: Tensor | None, p: float, causal: bool
) -> Tensor:
    """Attention, some of whose weights are dropped."""
    d, wide = query._node.dtype, opmath(query._node.dtype)
    if wide is not d:  # scores rounded to 16 bits would be far off
        query, key, value = (cast(t, wide) for t in (query, key, value))
    scores = matmul(query * scale, _flipped(key))
    blind = None
    if causal:
        scores = choose(make_constant(np.tri(*scores._node.shape[-2:], dtype=np.bool_)), scores, -INF)
    if mask is not None:
        scores, blind = _masked(scores, mask)
    weights = softmax(scores, -1)
    if blind is not None:
        weights = choose(blind, 0, weights)
    out = matmul(dropout(weights, p), value)
    return out if wide is d else cast(out, d)


def _check(what: str, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float) -> None:
    for name, t in (("query", q), ("key", k), ("value", v)):
        check_tensor(what, name, t)
    types = {t._node.dtype for t in (q, k, v)}
    if len(types) > 1 or q._node.dtype.category != dt.FLOAT:
        raise RuntimeError(
            f"{what}: Expected query, key, and value to have the same floating dtype, but got {q.dtype}, "
            f"{k.dtype} and {v.dtype}"
        )
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise RuntimeError(
            f"{what}: Expected query, key, and value to all be at least 2 dimensional, but got {q.ndim}, "
            f"{k.ndim} and {v.ndim} dimensions"
        )
    if q._node.shape[-1] != k._node.shape[-1] or k._node.shape[-2] != v._node.shape[-2]:
        raise RuntimeError(
            f"{what}: query and key need the same last extent, key and value the same last but one; got "
            f"shapes {tuple(q.shape)}, {tuple(k.shape)} and {tuple(v.shape)}"
        )
    if mask is not None and check_tensor(what, "attn_mask", mask)._node.dtype not in (
        dt.bool_,
        dt.float32,
        q._node.dtype,
    ):
        raise RuntimeError(
            f"{what}: Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"{mask.dtype} and query {q.dtype}"
        )
    if not 0 <= p <= 1:
        raise RuntimeError(f"{what}: dropout probability has to be between 0 and 1, but got {p}")


def _flipped(x: Tensor) -> Tensor:
    """The last two dimensions swapped, without a view's ties to `x`."""
    n = x.ndim
    y: Tensor = transpose.plain(x, ((*range(n - 2), n - 1, n - 2),))
    return y


def _masked(scores: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The scores behind the mask, and where a query sees nothing: its scores stay, lest softmax makes NaN of
    them.
    """
    visible = mask if mask._node.dtype is dt.bool_ else mask != -INF
    blind = ~reductions.any(visible, (mask.ndim - 1,), True)
    if visible is mask:
        return choose(visible | blind, scores, -INF), blind
    return scores + choose(blind, 0, mask).to(scores.dtype), blind


def _sharing(what: str, query: Tensor, x: Tensor) -> int:
    """How many heads of the query share one of `x`."""
    if min(query.ndim, x.ndim) < 3 or query._node.shape[-3] % x._node.shape[-3]:
        raise RuntimeError(
            f"{what}: Number of heads in key and value must divide the number of heads in query, got shapes "
            f"{tuple(query.shape)} and {tuple(x.shape)}"
        )
    n: int = query._node.shape[-3] // x._node.shape[-3]
    return n


def _repeated(what: str, query: Tensor, x: Tensor) -> Tensor:
    """Each head as often as there are heads of the query for it."""
    return repeat_interleave(x, _sharing(what, query, x), x.ndim - 3)


def _grouped(what: str, query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> Tensor:
    """Attention of which `n` heads share one key and value: these broadcast over a dimension of `n`."""
    n = _sharing(what, query, key)
    if n != _sharing(what, query, value):
        key, value = _repeated(what, query, key), _repeated(what, query, value)
        repeated: Tensor = ops.attention(query, key, value, *rest)[0]
        return repeated
    scale, *masks, causal = rest
    masks = [m if m.ndim < 3 else _split(m, n if m._node.shape[-3] > 1 else 1) for m in masks]
    out = ops.attention(_split(query, n), _split(key, 1), _split(value, 1), scale, *masks, causal)[0]
    *batch, _, _, rows, columns = out._node.shape
    return flat(out, *batch, query._node.shape[-3], rows, columns)


def _split(x: Tensor, n: int) -> Tensor:
    """The heads as groups of `n`."""
    *batch, heads, rows, columns = x._node.shape
    return flat(x, *batch, heads // n, n, rows, columns)
