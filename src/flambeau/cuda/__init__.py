"""CUDA devices, as in `torch.cuda`. This version has none to offer, and says so when asked.

As in PyTorch without CUDA, counts are zero, what has nothing to do does nothing (`manual_seed`,
`empty_cache`), and what needs a device raises `NoDevice`, which is an AssertionError and a RuntimeError.
"""

from __future__ import annotations

import importlib
from types import TracebackType
from typing import Any

from ..core.device import NoDevice, missing, no_device
from ..core.device import device as Device
from ..functions.legacy import cuda_types
from . import memory, nvtx, random, streams
from .memory import (
    OutOfMemoryError,
    empty_cache,
    host_memory_stats,
    max_memory_allocated,
    max_memory_cached,
    max_memory_reserved,
    memory_allocated,
    memory_cached,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_max_memory_allocated,
    reset_max_memory_cached,
    reset_peak_memory_stats,
)
from .random import (
    get_rng_state_all,
    manual_seed,
    manual_seed_all,
    seed,
    seed_all,
    set_rng_state,
    set_rng_state_all,
)
from .streams import (
    CUDAGraph,
    Event,
    ExternalStream,
    Stream,
    StreamContext,
    is_current_stream_capturing,
    set_stream,
    stream,
)

has_half = True
has_magma = False
default_generators: tuple[Any, ...] = ()

globals().update(cuda_types)
globals().update(
    missing(
        "cuda",
        {
            "caching_allocator_alloc": "Takes memory of the device.",
            "caching_allocator_delete": "Gives memory of the device back.",
            "can_device_access_peer": "Whether one device sees another's memory.",
            "cudart": "The CUDA runtime.",
            "current_blas_handle": "The handle of the matrix library.",
            "current_device": "The number of the current device.",
            "current_stream": "The stream that work goes to.",
            "default_stream": "The stream that work goes to unless told otherwise.",
            "get_device_capability": "The major and minor version of what a device can do.",
            "get_device_name": "The name of a device.",
            "get_device_properties": "What a device is like.",
            "get_rng_state": "The state of a device's generator.",
            "get_stream_from_external": "A stream that other code has made.",
            "get_sync_debug_mode": "How waiting for the device is reported.",
            "init": "Sets CUDA up.",
            "initial_seed": "The seed of the current device's generator.",
            "ipc_collect": "Gives memory back that other processes have let go.",
            "mem_get_info": "Free and whole memory of a device.",
            "memory_snapshot": "What the memory of a device holds.",
            "set_per_process_memory_fraction": "How much of the device's memory may be taken.",
            "set_sync_debug_mode": "Sets how waiting for the device is reported.",
            "synchronize": "Waits for a device.",
            "utilization": "How busy a device is.",
        },
    )
)


def is_available() -> bool:
    """Whether a CUDA device can be used.

    >>> import flambeau as torch
    >>> torch.cuda.is_available()
    False
    """
    return False


def device_count() -> int:
    """The number of CUDA devices.

    >>> import flambeau as torch
    >>> torch.cuda.device_count()
    0
    """
    return 0


def is_initialized() -> bool:
    """Whether CUDA has been set up.

    >>> import flambeau as torch
    >>> torch.cuda.is_initialized()
    False
    """
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether the current CUDA device computes in bfloat16.

    >>> import flambeau as torch
    >>> torch.cuda.is_bf16_supported()
    False
    """
    return False


def is_tf32_supported() -> bool:
    """Whether the current CUDA device computes in TF32.

    >>> import flambeau as torch
    >>> torch.cuda.is_tf32_supported()
    False
    """
    return False


def get_arch_list() -> list[str]:
    """The CUDA architectures that there is code for.

    >>> import flambeau as torch
    >>> torch.cuda.get_arch_list()
    []
    """
    return []


def get_gencode_flags() -> str:
    """The compiler flags for the CUDA architectures that there is code for.

    >>> import flambeau as torch
    >>> torch.cuda.get_gencode_flags()
    ''
    """
    return ""


def _index(what: str, device: Any) -> int:
    """The number of a CUDA device; negative: none. ValueError for a device of another kind."""
    if isinstance(device, str):
        device = Device(device)
    if isinstance(device, Device):
        if device.type != "cuda":
            raise ValueError(f"{what}: Expected a cuda device, but got: {device}")
        return device.index or 0
    return -1 if device is None else int(device)


def set_device(device: Device | str | int) -> None:
    """Makes a CUDA device the current one; a negative number changes nothing.

    ValueError for a device of another kind, NoDevice for one that is not there.

    >>> import flambeau as torch
    >>> torch.cuda.set_device(-1)
    """
    if _index("set_device", device) >= 0:
        raise no_device("torch.cuda.set_device", "cuda")


class device:
    """A block in which a CUDA device is the current one: `with torch.cuda.device(0): …`.

    A negative number, or None, changes nothing. Entering raises NoDevice for a device that is not there.

    >>> import flambeau as torch
    >>> with torch.cuda.device(-1):
    ...     x = torch.ones(2)
    """

    def __init__(self, device: Any) -> None:
        self.idx = _index("torch.cuda.device", device)

    def __enter__(self) -> None:
        if self.idx >= 0:
            raise no_device("torch.cuda.device", "cuda")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class device_of(device):
    """A block in which the CUDA device of a tensor is the current one; nothing changes for other tensors.

    >>> import flambeau as torch
    >>> with torch.cuda.device_of(torch.ones(1)):
    ...     x = torch.ones(2)
    """

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else -1)


def __getattr__(name: str) -> Any:
    if name == "amp":
        return importlib.import_module(".amp", __name__)
    if name.startswith("_"):
        raise AttributeError(name)
    raise AttributeError(
        f"flambeau.cuda.{name}: there is no CUDA device; ask torch.cuda.is_available() first and stay on "
        f"the CPU"
    )


__all__ = [
    "CUDAGraph", "Event", "ExternalStream", "NoDevice", "OutOfMemoryError", "Stream", "StreamContext",
    "default_generators", "device", "device_count", "device_of", "empty_cache", "get_arch_list",
    "get_gencode_flags", "get_rng_state_all", "has_half", "has_magma", "host_memory_stats", "is_available",
    "is_bf16_supported", "is_current_stream_capturing", "is_initialized", "is_tf32_supported",
    "manual_seed", "manual_seed_all", "max_memory_allocated", "max_memory_cached", "max_memory_reserved",
    "memory", "memory_allocated", "memory_cached", "memory_reserved", "memory_stats", "memory_summary",
    "nvtx", "random", "reset_accumulated_memory_stats", "reset_max_memory_allocated",
    "reset_max_memory_cached", "reset_peak_memory_stats", "seed", "seed_all", "set_device",
    "set_rng_state", "set_rng_state_all", "set_stream", "stream", "streams",
]  # fmt: skip
