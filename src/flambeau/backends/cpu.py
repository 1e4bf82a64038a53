"""The CPU as something to compute with."""

from __future__ import annotations

from ..runtime.target import host


def get_cpu_capability() -> str:
    """What the CPU can do: "AVX512", "AVX2", or "DEFAULT" for others.

    >>> import flambeau as torch
    >>> torch.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")
    True
    """
    processor = host()
    return "AVX512" if processor.has("avx512f") else "AVX2" if processor.has("avx2") else "DEFAULT"
