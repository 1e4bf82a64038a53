"""The fast path of PyTorch's attention layers. The switch is kept and changes nothing."""

from __future__ import annotations

_fastpath = [True]


def get_fastpath_enabled() -> bool:
    """Whether the fast path may be taken: as set.

    >>> import flambeau as torch
    >>> torch.backends.mha.get_fastpath_enabled()
    True
    """
    return _fastpath[0]


def set_fastpath_enabled(value: bool) -> None:
    """Sets whether the fast path may be taken.

    >>> import flambeau as torch
    >>> torch.backends.mha.set_fastpath_enabled(True)
    """
    _fastpath[0] = value
