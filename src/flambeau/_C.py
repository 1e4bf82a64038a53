"""A few names of PyTorch's compiled core that programs use although they are not meant to be public."""

from __future__ import annotations

from .core.dispatch import DisableTorchFunctionSubclass
from .core.dispatch import disabled as _disabled_torch_function_impl
from .core.generator import Generator, default_generator
from .core.size import Size

DisableTorchFunction = DisableTorchFunctionSubclass
_GLIBCXX_USE_CXX11_ABI = True

__all__ = [
    "DisableTorchFunction", "DisableTorchFunctionSubclass", "Generator", "Size",
    "_disabled_torch_function_impl", "default_generator",
]  # fmt: skip
