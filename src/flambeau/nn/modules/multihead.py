"""Attention with several heads."""

from __future__ import annotations

from typing import Any

from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from .. import functional as F
from .. import init
from ..functional.multihead import additive_mask
from ..module import Module
from ..parameter import Parameter
from .linear import NonDynamicallyQuantizableLinear
from .utils import DeviceLike, new_parameter


class MultiheadAttention(Module):
    """Several heads attend, each in a projection of its own, and a last projection joins what they see.

    Of each head, y = softmax(q kᵀ / √(embed_dim / num_heads) + masks) v. (Attention is all you need, 2017.)

    Args:
        embed_dim: size of queries and results, of all heads together.
        num_heads: number of heads; divides `embed_dim`.
        dropout: the probability with which weights are dropped in training.
        bias: whether the projections have one.
        add_bias_kv: whether there is a learned further key and value.
        add_zero_attn: whether there is a further key and value of zeros.
        kdim, vdim: sizes of keys and values, if another than `embed_dim`.
        batch_first: whether the batch, not the sequence, is the first dimension.
        device, dtype: of the parameters.

    Attributes:
        in_proj_weight: (3 · embed_dim, embed_dim), projections of query, key and value; or, with `kdim` or
            `vdim`, `q_proj_weight`, `k_proj_weight` and `v_proj_weight`. Xavier-uniform at first.
        in_proj_bias: (3 · embed_dim), at first zeros; None without.
        bias_k, bias_v: (1, 1, embed_dim), at first Xavier-normal; None without.
        out_proj: the last projection.

    Raises:
        ValueError: a size that is not positive.
        AssertionError: `embed_dim` can't be divided by `num_heads`.

    Example:
        >>> import flambeau as torch
        >>> attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        >>> x = torch.randn(3, 5, 8)
        >>> y, weights = attention(x, x, x)
        >>> y.shape, weights.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 5, 5]))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"MultiheadAttention: embed_dim and num_heads must be greater than 0, got {embed_dim} and "
                f"{num_heads}"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim == self.vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(
                f"MultiheadAttention: embed_dim must be divisible by num_heads, {embed_dim} is not by "
                f"{num_heads}"
            )
        kind: dict[str, Any] = {"device": device, "dtype": dtype}
        sizes = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        if self._qkv_same_embed_dim:
            self.in_proj_weight = new_parameter(3 * embed_dim, embed_dim, **kind)
            for name in sizes:
                self.register_parameter(f"{name}_proj_weight", None)
        else:
            for name, size in sizes.items():
                self.register_parameter(f"{name}_proj_weight", new_parameter(embed_dim, size, **kind))
            self.register_parameter("in_proj_weight", None)
        self.register_parameter("in_proj_bias", new_parameter(3 * embed_dim, **kind) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, **kind)
        self.bias_k = new_parameter(1, 1, embed_dim, **kind) if add_bias_kv else None
        self.bias_v = new_parameter(1, 1, embed_dim, **kind) if add_bias_kv else None
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for name in ("in_proj", "q_proj", "k_proj", "v_proj"):
            weight = getattr(self, f"{name}_weight")
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            assert self.out_proj.bias is not None
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """What the queries see of the values, and the weights with which they do.

        Args:
            query: (L, embed_dim), (L, N, embed_dim) or, with `batch_first`, (N, L, embed_dim).
            key, value: the same with S in the place of L, and their own sizes.
            key_padding_mask: (N, S), or (S): True, or -inf, for keys that nobody shall see.
            need_weights: whether to give the weights; without them attention is faster.
            attn_mask: (L, S) or (N · num_heads, L, S): True, or -inf, for what a query shall not see.
            average_attn_weights: whether the weights are a mean over the heads, (N, L, S), or those of each
                head, (N, num_heads, L, S).
            is_causal: that `attn_mask` is the causal one.

        Raises:
            AssertionError, RuntimeError: shapes or dtypes that don't fit.
        """
        swap = self.batch_first and query.ndim == 3
        if swap:
            given = {id(t): t.transpose(0, 1) for t in (query, key, value)}
            query, key, value = (given[id(t)] for t in (query, key, value))
        key_padding_mask = additive_mask("key_padding_mask", key_padding_mask, query.dtype, attn_mask)
        y, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=additive_mask("attn_mask", attn_mask, query.dtype),
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return y.transpose(0, 1) if swap else y, weights

    def merge_masks(
        self, attn_mask: Tensor | None, key_padding_mask: Tensor | None, query: Tensor
    ) -> tuple[Tensor | None, int | None]:
        """Both masks as one, and which kind it is.

        Args:
            attn_mask: (L, S) or (N · num_heads, L, S); None for none.
            key_padding_mask: (N, S); None for none.
            query: (N, L, embed_dim).

        Returns:
            A mask and 0 for one of (L, S), 1 for one of (N, S), 2 for one of (N, num_heads, L, S); None twice
            without masks.

        Example:
            >>> import flambeau as torch
            >>> attention = torch.nn.MultiheadAttention(4, 2)
            >>> attention.merge_masks(None, None, torch.ones(1, 3, 4))
            (None, None)
        """
        if attn_mask is None:
            return key_padding_mask, None if key_padding_mask is None else 1
        batch, length = query.shape[0], query.shape[1]
        if attn_mask.ndim == 3:
            wide = attn_mask.view(batch, -1, length, length)
        else:
            wide = attn_mask.view(1, 1, length, length).expand(batch, self.num_heads, -1, -1)
        if key_padding_mask is not None:
            wide = wide + key_padding_mask.view(batch, 1, 1, length).expand(-1, self.num_heads, -1, -1)
        return wide, 2
