"""The library opt_einsum, which Flambeau does not use: `torch.einsum` orders its products itself."""

from __future__ import annotations

enabled: bool = False
strategy: str | None = None


def is_available() -> bool:
    """Whether opt_einsum is used.

    >>> import flambeau as torch
    >>> torch.backends.opt_einsum.is_available()
    False
    """
    return False
