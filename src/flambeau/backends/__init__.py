"""Libraries and devices that PyTorch may compute with, as in `torch.backends`.

None of them is here, and their switches are kept and change nothing: Flambeau computes with its own kernels.

>>> import flambeau as torch
>>> torch.backends.cudnn.benchmark = True
>>> torch.backends.cudnn.is_available()
False
"""

from __future__ import annotations

from . import cpu, cuda, cudnn, mha, mkl, mkldnn, mps, openmp, opt_einsum, quantized

fp32_precision = "none"

__all__ = [
    "cpu", "cuda", "cudnn", "fp32_precision", "mha", "mkl", "mkldnn", "mps", "openmp", "opt_einsum",
    "quantized",
]  # fmt: skip
