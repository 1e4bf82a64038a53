"""Causal masks for queries that are fewer (or more) than the keys."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Any

from ...core.dispatch import disabled
from ...core.dtype import bool_
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.creation import ones
from ...functions.indexing import tril

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(IntEnum):
    """Which corner of the matrix of scores the diagonal goes through."""

    UPPER_LEFT = auto()
    LOWER_RIGHT = auto()


class CausalBias(Tensor):
    """A causal mask: a bool tensor (seq_len_q, seq_len_kv), True for what a query sees.

    Args:
        variant: which corner the diagonal goes through.
        seq_len_q, seq_len_kv: numbers of queries and keys.
    """

    __torch_function__ = staticmethod(disabled)
    variant: CausalVariant
    seq_len_q: int
    seq_len_kv: int

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> CausalBias:
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        lower = variant == CausalVariant.LOWER_RIGHT
        if lower and seq_len_q > seq_len_kv:
            warn("Lower right causal bias will produce NaNs in the output when seq_len_q > seq_len_kv!")
        seen = tril(ones(seq_len_q, seq_len_kv, dtype=bool_), seq_len_kv - seq_len_q if lower else 0)
        made: Any = Tensor._make_subclass(cls, seen)
        made.variant, made.seq_len_q, made.seq_len_kv = variant, seq_len_q, seq_len_kv
        return made  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return repr(self.detach())


def _sizes(size: tuple[Any, ...]) -> tuple[int, int]:
    sizes = tuple(size[0]) if len(size) == 1 else size
    if len(sizes) != 2:
        raise AssertionError(f"causal bias: only supports 2D tensors, got sizes {sizes}")
    return sizes


def causal_upper_left(*size: int) -> CausalBias:
    """The mask by which query i sees keys 0 to i.

    Args:
        size: numbers of queries and keys.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.attention.bias.causal_upper_left(2, 3)
        tensor([[ True, False, False],
                [ True,  True, False]])
    """
    return CausalBias(CausalVariant.UPPER_LEFT, *_sizes(size))


def causal_lower_right(*size: int) -> CausalBias:
    """The mask by which the last query sees all keys, the one before all but the last, and so on.

    Args:
        size: numbers of queries and keys.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.attention.bias.causal_lower_right(2, 3)
        tensor([[ True,  True, False],
                [ True,  True,  True]])
    """
    return CausalBias(CausalVariant.LOWER_RIGHT, *_sizes(size))
