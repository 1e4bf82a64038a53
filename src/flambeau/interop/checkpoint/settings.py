"""What can be set about files."""

from __future__ import annotations

_checksums = True


def set_crc32_options(compute_crc32: bool) -> None:
    """Whether `save` computes checksums, and `load` compares them.

    Without them both are faster, damage to numbers isn't noticed, and other programs take the archives for
    damaged.

    Example:
        >>> import flambeau as torch
        >>> torch.serialization.set_crc32_options(True)
    """
    global _checksums
    _checksums = bool(compute_crc32)


def get_crc32_options() -> bool:
    """Whether `save` computes checksums, and `load` compares them.

    Example:
        >>> import flambeau as torch
        >>> torch.serialization.get_crc32_options()
        True
    """
    return _checksums
