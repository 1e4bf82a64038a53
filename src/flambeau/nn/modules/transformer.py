"""The transformer: attention and feed-forward layers, stacked. (Attention is all you need, 2017.)"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from ...core.dtype import dtype as DType
from ...core.modes import modes
from ...core.tensor import Tensor
from ...functions.creation import full
from ...functions.indexing import triu
from .. import functional as F
from .. import init
from ..containers import ModuleList
from ..functional.multihead import additive_mask
from ..module import Module
from .dropout import Dropout
from .linear import Linear
from .multihead import MultiheadAttention
from .normalization import LayerNorm
from .utils import DeviceLike

Activation = str | Callable[[Tensor], Tensor]


def _generate_square_subsequent_mask(
    sz: int, device: DeviceLike = None, dtype: DType | None = None
) -> Tensor:
    return triu(full((sz, sz), -math.inf, device=device, dtype=dtype), diagonal=1)


def _get_activation_fn(given: Activation) -> Callable[[Tensor], Tensor]:
    if not isinstance(given, str):
        return given
    if given not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {given}")
    return F.relu if given == "relu" else F.gelu


def _get_clones(module: Module, n: int) -> ModuleList:
    return ModuleList([copy.deepcopy(module) for _ in range(n)])


def _is_causal(mask: Tensor | None, said: bool | None, x: Tensor, batch_first: bool) -> bool:
    """Whether a mask is the causal one: what the user said, or what it looks like."""
    if said is not None or mask is None:
        return bool(said)
    size = x.shape[1 if batch_first and x.ndim == 3 else 0]
    if tuple(mask.shape) != (size, size):
        return False
    return bool((mask == _generate_square_subsequent_mask(size, dtype=mask.dtype)).all().item())


class _Layer(Module):
    """What layers of encoder and decoder share: the feed-forward part, and where normalization stands."""

    norm_first: bool
    self_attn: MultiheadAttention
    linear1: Linear
    linear2: Linear
    dropout: Dropout
    activation: Callable[[Tensor], Tensor]

    def _attend(
        self,
        attention: MultiheadAttention,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None,
        padding: Tensor | None,
        causal: bool,
    ) -> Tensor:
        return attention(  # type: ignore[no-any-return]
            x,
            memory,
            memory,
            attn_mask=mask,
            key_padding_mask=padding,
            need_weights=False,
            is_causal=causal,
        )[0]

    def _feed(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))  # type: ignore[no-any-return]

    def _add(self, x: Tensor, norm: Module, part: Callable[[Tensor], Tensor]) -> Tensor:
        """x and what a part of the layer makes of it, normalized before or after."""
        if self.norm_first:
            return x + part(norm(x))
        return norm(x + part(x))  # type: ignore[no-any-return]


class TransformerEncoderLayer(_Layer):
    """Self-attention, then two linear layers, each added to its input and normalized.

    Args:
        d_model: size of inputs and results.
        nhead: number of heads.
        dim_feedforward: size between the two linear layers.
        dropout: the probability with which attention weights and results of the parts are dropped.
        activation: between the linear layers: "relu", "gelu" or a function.
        layer_norm_eps: of the normalizations.
        batch_first: whether the batch, not the sequence, is the first dimension.
        norm_first: whether the parts' inputs, instead of the sums, are normalized.
        bias: whether linear layers and normalizations have one.
        device, dtype: of the parameters.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)
        >>> layer(torch.randn(10, 3, 8)).shape
        torch.Size([10, 3, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        kind: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **kind)
        self.linear1 = Linear(d_model, dim_feedforward, **kind)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **kind)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **kind)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **kind)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.activation = _get_activation_fn(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The sequence, seen by itself.

        Args:
            src: (S, d_model), (S, N, d_model) or, with `batch_first`, (N, S, d_model).
            src_mask, src_key_padding_mask: what nobody shall see, as in `MultiheadAttention`.
            is_causal: that `src_mask` is the causal one.
        """
        padding = additive_mask("src_key_padding_mask", src_key_padding_mask, src.dtype, src_mask)
        mask = additive_mask("src_mask", src_mask, src.dtype)
        x = self._add(src, self.norm1, lambda t: self._sa_block(t, mask, padding, is_causal))
        return self._add(x, self.norm2, self._ff_block)

    def _sa_block(
        self, x: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None, is_causal: bool = False
    ) -> Tensor:
        seen = self._attend(self.self_attn, x, x, attn_mask, key_padding_mask, is_causal)
        return self.dropout1(seen)  # type: ignore[no-any-return]

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout2(self._feed(x))  # type: ignore[no-any-return]


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to a memory, then two linear layers, each added to its input and normalized.

    Args:
        d_model: size of inputs and results.
        nhead: number of heads.
        dim_feedforward: size between the two linear layers.
        dropout: the probability with which attention weights and results of the parts are dropped.
        activation: between the linear layers: "relu", "gelu" or a function.
        layer_norm_eps: of the normalizations.
        batch_first: whether the batch, not the sequence, is the first dimension.
        norm_first: whether the parts' inputs, instead of the sums, are normalized.
        bias: whether linear layers and normalizations have one.
        device, dtype: of the parameters.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
        >>> layer(torch.randn(5, 3, 8), torch.randn(10, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        kind: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **kind)
        self.multihead_attn = MultiheadAttention(d_model, nhead, dropout, batch_first=batch_first, **kind)
        self.linear1 = Linear(d_model, dim_feedforward, **kind)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, **kind)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, **kind)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, **kind)
        self.norm3 = LayerNorm(d_model, layer_norm_eps, **kind)
        self.dropout1 = Dropout(dropout)
        self.dropout2 = Dropout(dropout)
        self.dropout3 = Dropout(dropout)
        self.activation = _get_activation_fn(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The sequence, seen by itself, and what it sees of the memory.

        Args:
            tgt: (T, d_model), (T, N, d_model) or, with `batch_first`, (N, T, d_model).
            memory: the encoder's result, the same with its own length.
            tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask: what nobody shall see in
                either, as in `MultiheadAttention`.
            tgt_is_causal, memory_is_causal: that the masks are the causal ones.
        """
        own = (tgt_mask, tgt_key_padding_mask, tgt_is_causal)
        others = (memory, memory_mask, memory_key_padding_mask, memory_is_causal)
        x = self._add(tgt, self.norm1, lambda t: self._sa_block(t, *own))
        x = self._add(x, self.norm2, lambda t: self._mha_block(t, *others))
        return self._add(x, self.norm3, self._ff_block)

    def _sa_block(
        self, x: Tensor, attn_mask: Tensor | None, key_padding_mask: Tensor | None, is_causal: bool = False
    ) -> Tensor:
        seen = self._attend(self.self_attn, x, x, attn_mask, key_padding_mask, is_causal)
        return self.dropout1(seen)  # type: ignore[no-any-return]

    def _mha_block(
        self,
        x: Tensor,
        mem: Tensor,
        attn_mask: Tensor | None,
        key_padding_mask: Tensor | None,
        is_causal: bool = False,
    ) -> Tensor:
        seen = self._attend(self.multihead_attn, x, mem, attn_mask, key_padding_mask, is_causal)
        return self.dropout2(seen)  # type: ignore[no-any-return]

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.dropout3(self._feed(x))  # type: ignore[no-any-return]


class TransformerEncoder(Module):
    """Copies of an encoder layer, one after the other.

    Args:
        encoder_layer: what to copy.
        num_layers: how often.
        norm: what the last result goes through, if anything.
        enable_nested_tensor: whether, in evaluation without gradients, what `src_key_padding_mask` hides is
            zero in the result, as PyTorch's nested tensors make it.
        mask_check: whether this is only so for masks that hide the ends of sequences.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)
        >>> torch.nn.TransformerEncoder(layer, num_layers=2)(torch.randn(10, 3, 8)).shape
        torch.Size([10, 3, 8])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor and _nestable(encoder_layer)
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The sequence, seen by itself, layer by layer.

        Args:
            src: (S, d_model), (S, N, d_model) or, with `batch_first`, (N, S, d_model).
            mask, src_key_padding_mask: what nobody shall see, as in `MultiheadAttention`.
            is_causal: that `mask` is the causal one; None to find out.
        """
        padding = additive_mask("src_key_padding_mask", src_key_padding_mask, src.dtype, mask)
        mask = additive_mask("mask", mask, src.dtype)
        batch_first = getattr(getattr(self.layers[0], "self_attn", None), "batch_first", False)
        causal = _is_causal(mask, is_causal, src, batch_first)
        x = src
        for layer in self.layers:
            x = layer(x, src_mask=mask, is_causal=causal, src_key_padding_mask=padding)
        if padding is not None and mask is None and self._nested(src, padding):
            x = x.masked_fill((padding != 0).unsqueeze(-1), 0.0)
        return x if self.norm is None else self.norm(x)

    def _nested(self, src: Tensor, padding: Tensor) -> bool:
        """Whether PyTorch would take sequences without their padding, and fill that with zeros."""
        if not self.use_nested_tensor or self.layers[0].training or src.ndim != 3:
            return False
        if modes.grad and any(t.requires_grad for t in (src, *self.layers[0].parameters())):
            return False
        hidden = padding != 0
        return not self.mask_check or not bool((hidden[:, :-1] & ~hidden[:, 1:]).any().item())


def _nestable(layer: Module) -> bool:
    """Whether PyTorch has a nested form of the layer."""
    if not isinstance(layer, TransformerEncoderLayer) or layer.norm_first:
        return False
    attention = layer.self_attn
    usual = layer.activation in (F.relu, F.gelu) or type(layer.activation).__name__ in ("ReLU", "GELU")
    return (
        attention.batch_first
        and attention.in_proj_bias is not None
        and usual
        and layer.norm1.eps == layer.norm2.eps
        and attention.num_heads % 2 == 0
    )


class TransformerDecoder(Module):
    """Copies of a decoder layer, one after the other.

    Args:
        decoder_layer: what to copy.
        num_layers: how often.
        norm: what the last result goes through, if anything.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.TransformerDecoderLayer(8, nhead=2, dim_feedforward=16)
        >>> decoder = torch.nn.TransformerDecoder(layer, num_layers=2)
        >>> decoder(torch.randn(5, 3, 8), torch.randn(10, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The sequence, seen by itself, and what it sees of the memory, layer by layer.

        Args: those of `TransformerDecoderLayer`; `tgt_is_causal` may be None, to find out.
        """
        batch_first = getattr(getattr(self.layers[0], "self_attn", None), "batch_first", False)
        causal = _is_causal(tgt_mask, tgt_is_causal, tgt, batch_first)
        x = tgt
        for layer in self.layers:
            x = layer(
                x,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=causal,
                memory_is_causal=memory_is_causal,
            )
        return x if self.norm is None else self.norm(x)


class Transformer(Module):
    """An encoder that reads a sequence, and a decoder that sees it and another one.

    Args:
        d_model: size of inputs and results.
        nhead: number of heads.
        num_encoder_layers, num_decoder_layers: how many layers there are.
        dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias: of the layers;
            see `TransformerEncoderLayer`.
        custom_encoder, custom_decoder: modules to take instead.
        device, dtype: of the parameters.

    Attributes:
        encoder, decoder: the two parts; matrices are Xavier-uniform at first.

    Example:
        >>> import flambeau as torch
        >>> net = torch.nn.Transformer(8, 2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=16)
        >>> net(torch.randn(10, 3, 8), torch.randn(5, 3, 8)).shape
        torch.Size([5, 3, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        kind: dict[str, Any] = {"bias": bias, "device": device, "dtype": dtype}
        setting = (
            d_model,
            nhead,
            dim_feedforward,
            dropout,
            activation,
            layer_norm_eps,
            batch_first,
            norm_first,
        )
        if custom_encoder is None:
            layer: Module = TransformerEncoderLayer(*setting, **kind)
            norm = LayerNorm(d_model, layer_norm_eps, **kind)
            custom_encoder = TransformerEncoder(layer, num_encoder_layers, norm)
        self.encoder = custom_encoder
        if custom_decoder is None:
            layer = TransformerDecoderLayer(*setting, **kind)
            norm = LayerNorm(d_model, layer_norm_eps, **kind)
            custom_decoder = TransformerDecoder(layer, num_decoder_layers, norm)
        self.decoder = custom_decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """What the decoder makes of `tgt`, seeing what the encoder made of `src`.

        Args:
            src, tgt: (S, N, d_model) and (T, N, d_model), or without N; with `batch_first` N comes first.
            src_mask, tgt_mask, memory_mask: (S, S), (T, T) and (T, S); see `MultiheadAttention`.
            src_key_padding_mask, tgt_key_padding_mask, memory_key_padding_mask: (N, S), (N, T) and (N, S).
            src_is_causal, tgt_is_causal: that the masks are the causal ones; None to find out.
            memory_is_causal: the same of `memory_mask`.

        Raises:
            RuntimeError: batches or sizes that don't fit.
        """
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"Transformer: the batch number of src and tgt must be equal, got {src.shape[batch]} and "
                f"{tgt.shape[batch]}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                f"Transformer: the feature number of src and tgt must be equal to d_model ({self.d_model}), "
                f"got {src.shape[-1]} and {tgt.shape[-1]}"
            )
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        y: Tensor = self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )
        return y

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: DeviceLike = None, dtype: DType | None = None
    ) -> Tensor:
        """The causal mask: -inf above the diagonal, 0 elsewhere.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
            tensor([[0., -inf],
                    [0., 0.]])
        """
        return _generate_square_subsequent_mask(sz, device, dtype)

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.dim() > 1:
                init.xavier_uniform_(p)
