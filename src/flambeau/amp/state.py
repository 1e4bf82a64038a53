"""What autocast is set to in this thread, by type of device: whether it is on, and its dtype.

Only the CPU's setting changes what operations do (`functions.casting`); the others are there for programs
that ask.
"""

from __future__ import annotations

import threading
from types import MappingProxyType

from ..core import dtype as dt
from ..core.dtype import dtype
from ..core.modes import modes

_USUAL = {
    "cpu": dt.bfloat16, "cuda": dt.float16, "xpu": dt.float16, "mps": dt.float16, "hpu": dt.bfloat16,
    "mtia": dt.float16, "maia": dt.float16, "ipu": dt.float16, "xla": dt.bfloat16,
}  # fmt: skip
_OTHERS = (
    "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "lazy", "vulkan", "meta", "privateuseone",
)  # fmt: skip


class _Nesting(threading.local):
    """How many autocast blocks this thread is in, and whether they are to remember casts."""

    depth = 0
    cache = True


nesting = _Nesting()


def _setting(device_type: str) -> tuple[bool, dtype]:
    setting: tuple[bool, dtype] | None = modes.casting.get(device_type)
    if setting is not None:
        return setting
    if not is_autocast_available(device_type):
        raise RuntimeError(f"autocast: unsupported scalarType: device type {device_type!r} has no autocast")
    return False, _USUAL[device_type]


def _set(device_type: str, enabled: bool, d: dtype) -> None:
    modes.casting = MappingProxyType({**modes.casting, device_type: (enabled, d)})
    if device_type == "cpu":
        modes.autocast = d if enabled else None


def is_autocast_available(device_type: str) -> bool:
    """Whether there is autocast for a type of device. RuntimeError for a type that isn't known.

    >>> import flambeau as torch
    >>> torch.amp.is_autocast_available("cpu")
    True
    """
    if device_type not in _USUAL and device_type not in _OTHERS:
        known = ", ".join([*_USUAL, *_OTHERS])
        raise RuntimeError(f"Expected one of {known} device type at start of device string: {device_type}")
    return device_type in _USUAL


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this thread is in an autocast block for a type of device.

    >>> import flambeau as torch
    >>> torch.is_autocast_enabled("cpu")
    False
    """
    return _setting(device_type)[0]


def set_autocast_enabled(device_type: str | bool, enabled: bool | None = None) -> None:
    """Switches autocast on or off for a type of device, in this thread; with one argument, for CUDA.

    >>> import flambeau as torch
    >>> torch.set_autocast_enabled("cpu", False)
    """
    kind, on = ("cuda", device_type) if isinstance(device_type, bool) else (device_type, enabled)
    if not isinstance(on, bool):
        raise TypeError(f"set_autocast_enabled: argument 'enabled' must be bool, not {type(on).__name__}")
    _set(kind, on, _setting(kind)[1])


def get_autocast_dtype(device_type: str) -> dtype:
    """The dtype in which autocast has operations done on a type of device.

    >>> import flambeau as torch
    >>> torch.get_autocast_dtype("cpu")
    torch.bfloat16
    """
    return _setting(device_type)[1]


def set_autocast_dtype(device_type: str, dtype: dtype) -> None:
    """Sets the dtype in which autocast has operations done on a type of device, in this thread.

    >>> import flambeau as torch
    >>> torch.set_autocast_dtype("cpu", torch.bfloat16)
    """
    if not isinstance(dtype, dt.dtype):
        raise TypeError(
            f"set_autocast_dtype: argument 'dtype' must be torch.dtype, not {type(dtype).__name__}"
        )
    _set(device_type, _setting(device_type)[0], dtype)


def is_autocast_cpu_enabled() -> bool:
    """`is_autocast_enabled("cpu")`.

    >>> import flambeau as torch
    >>> torch.is_autocast_cpu_enabled()
    False
    """
    return is_autocast_enabled("cpu")


def set_autocast_cpu_enabled(enabled: bool) -> None:
    """`set_autocast_enabled("cpu", enabled)`.

    >>> import flambeau as torch
    >>> torch.set_autocast_cpu_enabled(False)
    """
    set_autocast_enabled("cpu", enabled)


def get_autocast_cpu_dtype() -> dtype:
    """`get_autocast_dtype("cpu")`.

    >>> import flambeau as torch
    >>> torch.get_autocast_cpu_dtype()
    torch.bfloat16
    """
    return get_autocast_dtype("cpu")


def set_autocast_cpu_dtype(dtype: dtype) -> None:
    """`set_autocast_dtype("cpu", dtype)`.

    >>> import flambeau as torch
    >>> torch.set_autocast_cpu_dtype(torch.bfloat16)
    """
    set_autocast_dtype("cpu", dtype)


def get_autocast_gpu_dtype() -> dtype:
    """`get_autocast_dtype("cuda")`.

    >>> import flambeau as torch
    >>> torch.get_autocast_gpu_dtype()
    torch.float16
    """
    return get_autocast_dtype("cuda")


def set_autocast_gpu_dtype(dtype: dtype) -> None:
    """`set_autocast_dtype("cuda", dtype)`.

    >>> import flambeau as torch
    >>> torch.set_autocast_gpu_dtype(torch.float16)
    """
    set_autocast_dtype("cuda", dtype)


def is_autocast_cache_enabled() -> bool:
    """Whether casts of the same tensor are to be made once. They are, whatever is set: equal operations are
    merged when work is compiled.

    >>> import flambeau as torch
    >>> torch.is_autocast_cache_enabled()
    True
    """
    return nesting.cache


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Sets what `is_autocast_cache_enabled` says; results are the same.

    >>> import flambeau as torch
    >>> torch.set_autocast_cache_enabled(True)
    """
    nesting.cache = bool(enabled)


def clear_autocast_cache() -> None:
    """Forgets remembered casts: none are kept.

    >>> import flambeau as torch
    >>> torch.clear_autocast_cache()
    """


def autocast_increment_nesting() -> int:
    """Counts one more autocast block around this thread's work; returns how many there are.

    >>> import flambeau as torch
    >>> torch.autocast_increment_nesting(), torch.autocast_decrement_nesting()
    (1, 0)
    """
    nesting.depth += 1
    return nesting.depth


def autocast_decrement_nesting() -> int:
    """Counts one autocast block less; returns how many are left.

    >>> import flambeau as torch
    >>> torch.autocast_increment_nesting(), torch.autocast_decrement_nesting()
    (1, 0)
    """
    nesting.depth -= 1
    return nesting.depth
