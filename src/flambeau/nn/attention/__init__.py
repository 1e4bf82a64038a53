"""How attention is computed, and masks for it, as in `torch.nn.attention`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import IntEnum

from . import bias as bias

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(IntEnum):
    """Names of ways to compute `F.scaled_dot_product_attention`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.attention.SDPBackend.MATH.name
        'MATH'
    """

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(
    backends: Iterable[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[dict[str, object]]:
    """Chooses how attention is computed within. There is one way here, which needs no matrix of all scores,
    so that this has no effect.

    Args:
        backends: one of the names, or a list of them.
        set_priority: whether the list's order counts.

    Raises:
        AssertionError: `backends` is neither.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.attention import SDPBackend, sdpa_kernel
        >>> x = torch.ones(1, 2, 2)
        >>> with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        ...     y = torch.nn.functional.scaled_dot_product_attention(x, x, x)
    """
    if not isinstance(backends, (list, SDPBackend)):
        raise AssertionError(
            "sdpa_kernel: Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    yield {}
