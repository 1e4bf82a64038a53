"""CUDA as something to compute with, which is not here. Its switches are kept and change nothing.

The switches for attention (`enable_flash_sdp` and its like) say which of PyTorch's kernels may be chosen;
Flambeau has one of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.device import no_device
from .switches import Switches

matmul = Switches(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
    allow_fp16_accumulation=False,
    fp32_precision="none",
)
_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


class _Plans:
    """The cache of Fourier transform plans of a CUDA device: there is no device."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise no_device(f"torch.backends.cuda.cufft_plan_cache.{name}", "cuda")


cufft_plan_cache = _Plans()


def is_built() -> bool:
    """Whether there is code for CUDA.

    >>> import flambeau as torch
    >>> torch.backends.cuda.is_built()
    False
    """
    return False


def flash_sdp_enabled() -> bool:
    """Whether flash attention may be chosen: as set.

    >>> import flambeau as torch
    >>> torch.backends.cuda.flash_sdp_enabled()
    True
    """
    return _sdp["flash"]


def enable_flash_sdp(enabled: bool) -> None:
    """Sets whether flash attention may be chosen.

    >>> import flambeau as torch
    >>> torch.backends.cuda.enable_flash_sdp(True)
    """
    _sdp["flash"] = bool(enabled)


def mem_efficient_sdp_enabled() -> bool:
    """Whether memory-efficient attention may be chosen: as set.

    >>> import flambeau as torch
    >>> torch.backends.cuda.mem_efficient_sdp_enabled()
    True
    """
    return _sdp["mem_efficient"]


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Sets whether memory-efficient attention may be chosen.

    >>> import flambeau as torch
    >>> torch.backends.cuda.enable_mem_efficient_sdp(True)
    """
    _sdp["mem_efficient"] = bool(enabled)


def math_sdp_enabled() -> bool:
    """Whether attention may be computed step by step: as set.

    >>> import flambeau as torch
    >>> torch.backends.cuda.math_sdp_enabled()
    True
    """
    return _sdp["math"]


def enable_math_sdp(enabled: bool) -> None:
    """Sets whether attention may be computed step by step.

    >>> import flambeau as torch
    >>> torch.backends.cuda.enable_math_sdp(True)
    """
    _sdp["math"] = bool(enabled)


def cudnn_sdp_enabled() -> bool:
    """Whether cuDNN's attention may be chosen: as set.

    >>> import flambeau as torch
    >>> torch.backends.cuda.cudnn_sdp_enabled()
    True
    """
    return _sdp["cudnn"]


def enable_cudnn_sdp(enabled: bool) -> None:
    """Sets whether cuDNN's attention may be chosen.

    >>> import flambeau as torch
    >>> torch.backends.cuda.enable_cudnn_sdp(True)
    """
    _sdp["cudnn"] = bool(enabled)


@contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[None]:
    """A block with other switches for attention.

    >>> import flambeau as torch
    >>> with torch.backends.cuda.sdp_kernel(enable_flash=False):
    ...     print(torch.backends.cuda.flash_sdp_enabled())
    False
    """
    before = dict(_sdp)
    _sdp.update(flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn)
    try:
        yield
    finally:
        _sdp.update(before)
