"""Intel's oneDNN, which Flambeau does not use. Its switches are kept and change nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager

from .switches import Switches, changed

VERBOSE_OFF, VERBOSE_ON, VERBOSE_ON_CREATION = 0, 1, 2
enabled, deterministic, allow_tf32, fp32_precision = True, False, True, "none"
matmul, conv, rnn = (Switches(fp32_precision="none") for _ in range(3))


def is_available() -> bool:
    """Whether oneDNN is used.

    >>> import flambeau as torch
    >>> torch.backends.mkldnn.is_available()
    False
    """
    return False


def flags(
    enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True, fp32_precision: str = "none"
) -> AbstractContextManager[None]:
    """A block with other switches.

    >>> import flambeau as torch
    >>> with torch.backends.mkldnn.flags(enabled=False):
    ...     print(torch.backends.mkldnn.enabled)
    False
    """
    return changed(__name__, dict(locals()))
