"""What serves training besides tensors and layers: data loading, checkpoints in memory, timing."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import data

if TYPE_CHECKING:
    from . import benchmark, checkpoint, collect_env, dlpack, model_zoo, tensorboard

_LAZY = ("benchmark", "checkpoint", "collect_env", "dlpack", "model_zoo", "tensorboard")

__all__ = ["benchmark", "checkpoint", "collect_env", "data", "dlpack", "model_zoo", "tensorboard"]


def __getattr__(name: str) -> Any:
    if name in _LAZY or name == "_pytree":
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'flambeau.utils' has no attribute {name!r}")
