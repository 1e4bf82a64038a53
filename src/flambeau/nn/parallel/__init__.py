"""Modules on several devices or in several processes, as in `torch.nn.parallel`."""

from typing import Any

from .data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


def __getattr__(name: str) -> Any:
    if name == "DistributedDataParallel":  # with `flambeau.distributed`, which most programs don't need
        from .distributed import DistributedDataParallel

        return DistributedDataParallel
    raise AttributeError(f"module 'flambeau.nn.parallel' has no attribute {name!r}")
