"""How many threads operations use. The interpreter's only threads are those of NumPy's BLAS."""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np


@cache
def _blas() -> tuple[Any, Any] | None:
    """The functions (get, set) of the OpenBLAS that NumPy's wheels carry; None for another BLAS."""
    root = Path(np.__file__).resolve().parent
    for folder in (root.parent / "numpy.libs", root / ".dylibs"):
        for path in folder.glob("*openblas*"):
            library = ctypes.CDLL(str(path))
            for prefix, suffix in (("scipy_", "64_"), ("", "64_"), ("scipy_", ""), ("", "")):
                get = getattr(library, f"{prefix}openblas_get_num_threads{suffix}", None)
                if get is not None:
                    return get, getattr(library, f"{prefix}openblas_set_num_threads{suffix}")
    return None


def available() -> int:
    """The processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def get_num_threads() -> int:
    """How many threads an operation may use.

    >>> import flambeau as torch
    >>> torch.get_num_threads() >= 1
    True
    """
    blas = _blas()
    return available() if blas is None else int(blas[0]())


def set_num_threads(threads: int, /) -> None:
    """Sets how many threads an operation may use.

    Errors: RuntimeError for less than one, or where NumPy is built with a BLAS that this process can't set
    (use its environment variable, such as MKL_NUM_THREADS, instead).

    >>> import flambeau as torch
    >>> threads = torch.get_num_threads()
    >>> torch.set_num_threads(1); torch.get_num_threads()
    1
    >>> torch.set_num_threads(threads)
    """
    if isinstance(threads, bool) or not hasattr(threads, "__index__") or int(threads) < 1:
        raise RuntimeError(f"set_num_threads: expects a positive integer, got {threads!r}")
    blas = _blas()
    if blas is None:
        raise RuntimeError(
            "set_num_threads: NumPy's matrix library isn't the OpenBLAS of its wheels; set its environment "
            "variable "
            "(OMP_NUM_THREADS, MKL_NUM_THREADS) before starting Python"
        )
    blas[1](int(threads))
