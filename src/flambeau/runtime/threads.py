"""How many threads operations use."""

from __future__ import annotations

import ctypes
import math
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

count = 0  # as chosen; 0: not yet asked


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


def quota() -> float:
    """How many processors' time the control group of this process is given; infinity if it isn't limited."""
    try:
        groups = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return math.inf
    least = math.inf
    for _, controllers, path in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = Path("/sys/fs/cgroup", controllers and "cpu")
        group = root / path.lstrip("/")
        for folder in (group, *(p for p in group.parents if p.is_relative_to(root))):
            least = min(least, _limit(folder))
    return least


def _limit(folder: Path) -> float:
    """A control group's own limit (of version 2, or 1)."""
    try:
        if (folder / "cpu.max").exists():
            allowed, period = (folder / "cpu.max").read_text().split()
        else:
            allowed = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text()
        return math.inf if allowed in ("max", "-1") else int(allowed) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return math.inf


def _default() -> tuple[int, str]:
    """The threads if none were chosen, and why so many."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if text.isdecimal() and int(text) > 0:
        return int(text), "as OMP_NUM_THREADS says"
    processors, given = available(), quota()
    if given < processors:
        return max(1, math.ceil(given)), "as the quota allows"
    return processors, "one for each"


def usable() -> int:
    """The threads of a program: as many as chosen, or OMP_NUM_THREADS, or one for each processor whose time
    this process is given."""
    global count
    if not count:
        count = _default()[0]
    return count


def reason() -> str:
    """Why `usable()` is what it is."""
    default, why = _default()
    return why if usable() == default else "as set_num_threads said"


_between = 0  # how many programs may run at the same time, as set


def get_num_interop_threads() -> int:
    """How many threads may each run an operation at the same time: as set, and without effect, as one program
    runs at a time.

    >>> import flambeau as torch
    >>> torch.get_num_interop_threads() >= 1
    True
    """
    return _between or usable()


def set_num_interop_threads(threads: int, /) -> None:
    """Keeps how many threads may each run an operation at the same time, which changes nothing.

    Errors: RuntimeError for less than one.

    >>> import flambeau as torch
    >>> torch.set_num_interop_threads(2); torch.get_num_interop_threads()
    2
    """
    global _between
    if isinstance(threads, bool) or not hasattr(threads, "__index__") or int(threads) < 1:
        raise RuntimeError(f"set_num_interop_threads: expects a positive integer, got {threads!r}")
    _between = int(threads)


def get_num_threads() -> int:
    """How many threads an operation may use.

    >>> import flambeau as torch
    >>> torch.get_num_threads() >= 1
    True
    """
    return usable()


def set_num_threads(threads: int, /) -> None:
    """Sets how many threads an operation may use.

    Errors: RuntimeError for less than one.

    >>> import flambeau as torch
    >>> threads = torch.get_num_threads()
    >>> torch.set_num_threads(1); torch.get_num_threads()
    1
    >>> torch.set_num_threads(threads)
    """
    global count
    if isinstance(threads, bool) or not hasattr(threads, "__index__") or int(threads) < 1:
        raise RuntimeError(f"set_num_threads: expects a positive integer, got {threads!r}")
    count = int(threads)
    blas = _blas()
    if blas is not None:
        blas[1](count)
