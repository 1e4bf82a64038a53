"""cuDNN, which is not here. Its switches are kept and change nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from .switches import Switches, changed

enabled, benchmark, deterministic, allow_tf32 = True, False, False, True
benchmark_limit: int | None = None
fp32_precision = "none"
conv, rnn = Switches(fp32_precision="none"), Switches(fp32_precision="none")


def is_available() -> bool:
    """Whether cuDNN is here.

    >>> import flambeau as torch
    >>> torch.backends.cudnn.is_available()
    False
    """
    return False


def version() -> int | None:
    """The version of cuDNN; None, as it is not here.

    >>> import flambeau as torch
    >>> torch.backends.cudnn.version()
    """
    return None


def is_acceptable(tensor: Any) -> bool:
    """Whether cuDNN can compute with a tensor.

    >>> import flambeau as torch
    >>> torch.backends.cudnn.is_acceptable(torch.ones(1))
    False
    """
    return False


def set_flags(
    _enabled: bool | None = None,
    _benchmark: bool | None = None,
    _benchmark_limit: int | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
    _fp32_precision: str = "none",
) -> tuple[Any, ...]:
    """Sets the switches that are given, and returns what they were.

    >>> import flambeau as torch
    >>> torch.backends.cudnn.set_flags(_benchmark=False)[0]
    True
    """
    names = ("enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32", "fp32_precision")
    values = (_enabled, _benchmark, _benchmark_limit, _deterministic, _allow_tf32, _fp32_precision)
    before = tuple(globals()[name] for name in names)
    globals().update({name: value for name, value in zip(names, values, strict=True) if value is not None})
    return before


def flags(
    enabled: bool = False,
    benchmark: bool = False,
    benchmark_limit: int = 10,
    deterministic: bool = False,
    allow_tf32: bool = True,
    fp32_precision: str = "none",
) -> AbstractContextManager[None]:
    """A block with other switches.

    >>> import flambeau as torch
    >>> with torch.backends.cudnn.flags(enabled=True, deterministic=True):
    ...     print(torch.backends.cudnn.deterministic)
    True
    """
    return changed(__name__, dict(locals()))
