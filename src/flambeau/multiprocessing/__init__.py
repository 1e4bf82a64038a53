"""Processes: Python's `multiprocessing` under PyTorch's name, with `spawn`, and tensors in shared memory.

A tensor is sent to another process by its values, as anything else is. After `tensor.share_memory_()` (or
`module.share_memory()`) it is its memory that is sent: what one process writes in place, all read. So
parameters can be trained by several processes at once:

    model.share_memory()
    torch.multiprocessing.spawn(train, args=(model,), nprocs=4)
"""

import multiprocessing as _python
from multiprocessing import *  # noqa: F403
from typing import Any

from ..functions.sending import register
from .launch import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    spawn,
    start_processes,
)

__all__ = [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "get_all_sharing_strategies",
    "get_sharing_strategy",
    "set_sharing_strategy",
    "spawn",
    "start_processes",
]
__all__ += _python.__all__


def __getattr__(name: str) -> Any:
    return getattr(_python, name)


def get_all_sharing_strategies() -> set[str]:
    """The ways to send memory to another process: one, as an open file.

    >>> import flambeau as torch
    >>> torch.multiprocessing.get_all_sharing_strategies()
    {'file_descriptor'}
    """
    return {"file_descriptor"}


def get_sharing_strategy() -> str:
    """How memory is sent to another process.

    >>> import flambeau as torch
    >>> torch.multiprocessing.get_sharing_strategy()
    'file_descriptor'
    """
    return "file_descriptor"


def set_sharing_strategy(new_strategy: str) -> None:
    """Chooses how memory is sent to another process. "file_system", which PyTorch has for systems with few
    open files, is taken and does the same.

    Errors: AssertionError for another.

    >>> import flambeau as torch
    >>> torch.multiprocessing.set_sharing_strategy("file_system")
    """
    known = {"file_descriptor", "file_system"}
    if new_strategy not in known:
        raise AssertionError(
            f"set_sharing_strategy: invalid sharing strategy {new_strategy!r}, expected one of {known}"
        )


register()
