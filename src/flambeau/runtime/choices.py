"""PyTorch's choices between exact and quick, or repeatable and quick, ways to compute.

Flambeau has one way: the same work on the same machine gives the same bits, whatever the number of threads,
and float32 products are computed in float32. So these choices are kept, can be asked for, and change nothing.
"""

from __future__ import annotations

import warnings
from typing import Any

_PRECISIONS = ("highest", "high", "medium")
_DEBUG_MODES = ("default", "warn", "error")
_chosen: dict[str, Any] = {"precision": "highest", "deterministic": 0, "warn_always": False}


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Asks for results that are the same each time. They always are: all operations are deterministic.

    TypeError unless `mode` is a bool.

    >>> import flambeau as torch
    >>> torch.use_deterministic_algorithms(True); torch.are_deterministic_algorithms_enabled()
    True
    >>> torch.use_deterministic_algorithms(False)
    """
    if not isinstance(mode, bool):
        raise TypeError(f"use_deterministic_algorithms: mode must be a bool, not {type(mode).__name__}")
    _chosen["deterministic"] = 0 if not mode else 1 if warn_only else 2


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms` has asked for results that are the same each time.

    >>> import flambeau as torch
    >>> torch.are_deterministic_algorithms_enabled()
    False
    """
    return bool(_chosen["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether `use_deterministic_algorithms` has asked for warnings instead of errors.

    >>> import flambeau as torch
    >>> torch.is_deterministic_algorithms_warn_only_enabled()
    False
    """
    return bool(_chosen["deterministic"] == 1)


def get_deterministic_debug_mode() -> int:
    """0: nothing asked for; 1 or 2: deterministic results, with a warning or an error otherwise.

    >>> import flambeau as torch
    >>> torch.get_deterministic_debug_mode()
    0
    """
    return int(_chosen["deterministic"])


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """Asks for deterministic results by a mode: 0 or "default", 1 or "warn", 2 or "error".

    RuntimeError for another mode.

    >>> import flambeau as torch
    >>> torch.set_deterministic_debug_mode("warn"); torch.get_deterministic_debug_mode()
    1
    >>> torch.set_deterministic_debug_mode(0)
    """
    if not isinstance(debug_mode, int | str):
        raise TypeError(
            f"set_deterministic_debug_mode: debug_mode must be an int or str, not {type(debug_mode).__name__}"
        )
    known = _DEBUG_MODES if isinstance(debug_mode, str) else range(3)
    if debug_mode not in known:
        raise RuntimeError(
            f"set_deterministic_debug_mode: invalid value of debug_mode, expected one of {list(known)}, "
            f"but got "
            f"{debug_mode!r}"
        )
    number = _DEBUG_MODES.index(debug_mode) if isinstance(debug_mode, str) else debug_mode
    use_deterministic_algorithms(number > 0, warn_only=number == 1)


def get_float32_matmul_precision() -> str:
    """How exact float32 matrix products may be: as set. They are always computed in float32.

    >>> import flambeau as torch
    >>> torch.get_float32_matmul_precision()
    'highest'
    """
    return str(_chosen["precision"])


def set_float32_matmul_precision(precision: str) -> None:
    """Allows float32 matrix products to be less exact: "highest", "high" or "medium". They are always
    computed in float32. Another name is a warning.

    >>> import flambeau as torch
    >>> torch.set_float32_matmul_precision("high"); torch.get_float32_matmul_precision()
    'high'
    >>> torch.set_float32_matmul_precision("highest")
    """
    if precision not in _PRECISIONS:
        warnings.warn(
            f"set_float32_matmul_precision: {precision!r} is not one of {', '.join(_PRECISIONS)}; the "
            f"current "
            f"setting stays as it is",
            stacklevel=2,
        )
    else:
        _chosen["precision"] = precision


def set_flush_denormal(mode: bool) -> bool:
    """Asks for the smallest numbers (denormal ones) to be taken for zero. Returns whether that was done:
    only asking for the contrary, which is always so, is.

    >>> import flambeau as torch
    >>> torch.set_flush_denormal(False)
    True
    """
    return not mode


def is_warn_always_enabled() -> bool:
    """Whether warnings are asked for each time: as set. Python's filters decide what is shown.

    >>> import flambeau as torch
    >>> torch.is_warn_always_enabled()
    False
    """
    return bool(_chosen["warn_always"])


def set_warn_always(b: bool, /) -> None:
    """Asks for warnings each time. Python's filters decide what is shown.

    >>> import flambeau as torch
    >>> torch.set_warn_always(False)
    """
    _chosen["warn_always"] = bool(b)
