"""Attention with several heads, their projections included."""

from __future__ import annotations

import math

from ...core import dtype as dt
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.creation import zeros
from ...functions.joining import cat
from ...functions.linear import baddbmm, bmm
from ...functions.masking import masked_fill
from ...functions.reduction import softmax
from .attention import scaled_dot_product_attention
from .dropout import dropout
from .linear import linear
from .rearrange import pad

Projected = tuple[Tensor, Tensor, Tensor]
WHAT = "multi_head_attention_forward"


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What `nn.MultiheadAttention` computes: projections of query (L, N, E), key and value (S, N, E) are cut
    into heads, which attend each for itself; a last projection of all of them is the result (L, N, E).

    Masks are True, or -inf, where nothing shall be seen: `key_padding_mask` (N, S), `attn_mask` (L, S) or
    (N * heads, L, S). `is_causal` says that `attn_mask` is the causal one. `bias_k`, `bias_v` are a further
    key and value, `add_zero_attn` adds one of zeros, `static_k`, `static_v` (N * heads, S, E / heads) stand
    in for the projected ones. Without a batch all tensors lack N. The second result are the weights: (N, L,
    S), a mean over the heads, or (N, heads, L, S); None without `need_weights`, which is faster.
    AssertionError or RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> x, w = torch.ones(2, 1, 4), torch.ones(12, 4)
    >>> f = torch.nn.functional.multi_head_attention_forward
    >>> y, weights = f(x, x, x, 4, 2, w, None, None, None, False, 0.0, torch.eye(4), None)
    >>> y.shape, weights
    (torch.Size([2, 1, 4]), tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]]))
    """
    if _check_ranks(query, key, value, key_padding_mask, attn_mask):
        unbatch = False
    else:
        unbatch, alone = True, query is key and key is value
        query = query.unsqueeze(1)
        key, value = (query, query) if alone else (key.unsqueeze(1), value.unsqueeze(1))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            f"{WHAT}: Need attn_mask if specifying the is_causal hint; "
            "nn.Transformer.generate_square_subsequent_mask(size) makes one"
        )
    length, batch, width = query.shape
    padding = additive_mask("key_padding_mask", key_padding_mask, query.dtype, attn_mask)
    causal = is_causal and padding is None and not need_weights
    mask = None if causal else additive_mask("attn_mask", attn_mask, query.dtype)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    mask = _check_mask(mask, batch * num_heads, length, key.shape[0])
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    q, k, v = _project(query, key, value, in_proj_weight, in_proj_bias, separate)
    k, v, extra = _with_biases(k, v, bias_k, bias_v)
    heads, size = batch * num_heads, width // num_heads
    q = _cut(q, heads, size)
    k = _cut(k, heads, size) if static_k is None else _check_static(static_k, heads, size)
    v = _cut(v, heads, size) if static_v is None else _check_static(static_v, heads, size)
    if add_zero_attn:
        k, v = (cat([t, zeros(heads, 1, size, dtype=t.dtype)], 1) for t in (k, v))
        extra += 1
    if extra:
        mask, padding = (None if m is None else pad(m, (0, extra)) for m in (mask, padding))
    mask = _joined(mask, padding, batch, num_heads, k.shape[1])
    p, weights = dropout_p if training else 0.0, None
    if need_weights:
        y, weights = _weighted(q, k, v, mask, p)
        y = y.transpose(0, 1).reshape(length, batch, width)
        weights = weights.reshape(batch, num_heads, length, k.shape[1])
        weights = weights.mean(1) if average_attn_weights else weights
        weights = weights.squeeze(0) if unbatch else weights
    else:
        y = (
            _unseen(q, k, v, mask, p, causal, (batch, num_heads))
            .permute(2, 0, 1, 3)
            .reshape(length, batch, width)
        )
    y = linear(y, out_proj_weight, out_proj_bias)
    return y.squeeze(1) if unbatch else y, weights


def _cut(t: Tensor, heads: int, size: int) -> Tensor:
    """(S, N, E) as (heads of all N, S, size)."""
    return t.reshape(t.shape[0], heads, size).transpose(0, 1)


def _with_biases(
    k: Tensor, v: Tensor, bias_k: Tensor | None, bias_v: Tensor | None
) -> tuple[Tensor, Tensor, int]:
    """Keys and values with one more each, if there are such, and how many there are more."""
    if bias_k is None and bias_v is None:
        return k, v, 0
    if bias_k is None or bias_v is None:
        raise AssertionError(f"{WHAT}: bias_k and bias_v go together, one of them is None")
    batch = k.shape[1]
    return cat([k, bias_k.expand(1, batch, -1)]), cat([v, bias_v.expand(1, batch, -1)]), 1


def _unseen(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float, causal: bool, heads: tuple[int, int]
) -> Tensor:
    """What the heads see, (batch, heads, queries, size), by weights that nobody wants to have."""
    q, k, v = (t.reshape(*heads, *t.shape[1:]) for t in (q, k, v))
    if mask is not None:
        mask = mask.unsqueeze(0) if mask.shape[0] == 1 else mask.reshape(*heads, *mask.shape[1:])
    return scaled_dot_product_attention(q, k, v, mask, p, causal)


def _weighted(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, p: float) -> tuple[Tensor, Tensor]:
    """What the heads see, and the weights with which they do."""
    q, k = q * math.sqrt(1 / q.shape[-1]), k.transpose(1, 2)
    weights = softmax(bmm(q, k) if mask is None else baddbmm(mask, q, k), -1)
    if p > 0:
        weights = dropout(weights, p)
    return bmm(weights, v), weights


def _project(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    separate: tuple[Tensor | None, ...] | None,
) -> Projected:
    """Query, key and value through their projections, as few products as possible."""
    biases: tuple[Tensor | None, ...] = (None,) * 3 if bias is None else bias.chunk(3)
    if separate is not None:
        if None in separate:
            raise AssertionError(f"{WHAT}: use_separate_proj_weight needs q_, k_ and v_proj_weight")
        q, k, v = (
            linear(t, w, b)  # type: ignore[arg-type]
            for t, w, b in zip((query, key, value), separate, biases, strict=True)
        )
        return q, k, v
    if weight is None:
        raise AssertionError(f"{WHAT}: in_proj_weight is None, and so are separate ones")
    if query is key and key is value:
        q, k, v = linear(query, weight, bias).chunk(3, -1)
        return q, k, v
    n = query.shape[-1]
    q = linear(query, weight[:n], biases[0])
    if key is value:
        k, v = linear(key, weight[n:], None if bias is None else bias[n:]).chunk(2, -1)
        return q, k, v
    return q, linear(key, weight[n : 2 * n], biases[1]), linear(value, weight[2 * n :], biases[2])


# ----- masks -----


def additive_mask(name: str, mask: Tensor | None, d: dt.dtype, other: Tensor | None = None) -> Tensor | None:
    """A mask as numbers to add: -inf where a truth value says so. Warns if the other has another dtype."""
    if mask is None:
        return None
    if mask.dtype is not dt.bool_ and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    if other is not None and other.dtype is not mask.dtype:
        warn(
            f"Support for mismatched {name} ({mask.dtype}) and attn_mask ({other.dtype}) is deprecated. Use "
            "same type for both instead."
        )
    return mask if mask.is_floating_point() else masked_fill(zeros(mask.shape, dtype=d), mask, -math.inf)


def _joined(mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, keys: int) -> Tensor | None:
    """Both masks as one: (1 or batch * heads, queries or 1, keys)."""
    if padding is None:
        return mask
    if tuple(padding.shape) != (batch, keys):
        raise AssertionError(
            f"{WHAT}: Expected key_padding_mask of shape {(batch, keys)}, got {tuple(padding.shape)}"
        )
    padding = padding.view(batch, 1, 1, keys).expand(-1, heads, -1, -1).reshape(batch * heads, 1, keys)
    return padding if mask is None else mask + padding


# ----- checks -----


def _check_ranks(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None
) -> bool:
    """Whether there is a batch dimension; AssertionError unless all have it, or none."""
    n = query.ndim
    if n not in (2, 3):
        raise AssertionError(
            f"{WHAT}: query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor"
        )
    if (key.ndim, value.ndim) != (n, n):
        raise AssertionError(
            f"{WHAT}: For {n}-D `query`, expected `key` and `value` to be {n}-D but found {key.ndim}-D and "
            f"{value.ndim}-D tensors respectively"
        )
    if padding is not None and padding.ndim != n - 1:
        raise AssertionError(
            f"{WHAT}: For {n}-D `query`, expected `key_padding_mask` to be `None` or {n - 1}-D but found "
            f"{padding.ndim}-D tensor instead"
        )
    if mask is not None and mask.ndim not in (2, 3):
        raise AssertionError(
            f"{WHAT}: expected `attn_mask` to be `None`, 2-D or 3-D but found {mask.ndim}-D tensor instead"
        )
    return n == 3


def _check_sizes(query: Tensor, key: Tensor, value: Tensor, width: int, heads: int, separate: bool) -> None:
    if query.shape[-1] != width:
        raise AssertionError(
            f"{WHAT}: was expecting embedding dimension of {width}, but got {query.shape[-1]}"
        )
    if width % heads:
        raise AssertionError(f"{WHAT}: embed_dim {width} not divisible by num_heads {heads}")
    n = 2 if separate else 3
    if key.shape[:n] != value.shape[:n]:
        raise AssertionError(
            f"{WHAT}: key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}"
        )


def _check_mask(mask: Tensor | None, heads: int, queries: int, keys: int) -> Tensor | None:
    if mask is None:
        return None
    wanted = (queries, keys) if mask.ndim == 2 else (heads, queries, keys)
    if tuple(mask.shape) != wanted:
        raise RuntimeError(
            f"{WHAT}: The shape of the {mask.ndim}D attn_mask is {tuple(mask.shape)}, but should be {wanted}."
        )
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _check_static(t: Tensor, heads: int, size: int) -> Tensor:
    if t.shape[0] != heads or t.shape[2] != size:
        raise AssertionError(
            f"{WHAT}: expecting static_k and static_v of shape ({heads}, *, {size}), got {tuple(t.shape)}"
        )
    return t
