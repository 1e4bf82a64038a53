"""Images: transforms, datasets, models, operations and files, with torchvision's names.

    import flambeau.vision as torchvision

>>> from flambeau.vision import transforms
>>> transforms.CenterCrop(2)
CenterCrop(size=(2, 2))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import datasets, io, models, ops, transforms, tv_tensors, utils

__version__ = "0.28.0"  # of torchvision, whose interface this is
_LAZY = ("datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils")

__all__ = [
    "datasets",
    "disable_beta_transforms_warning",
    "get_image_backend",
    "io",
    "models",
    "ops",
    "set_image_backend",
    "transforms",
    "tv_tensors",
    "utils",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'flambeau.vision' has no attribute {name!r}")


def set_image_backend(backend: str) -> None:
    """Chooses the library that opens image files: there is one, "PIL".

    Raises:
        ValueError: it is another.

    >>> import flambeau as torch
    >>> torch.vision.set_image_backend("PIL")
    """
    if backend != "PIL":
        raise ValueError(f"set_image_backend: Invalid backend '{backend}'. Options are 'PIL'")


def get_image_backend() -> str:
    """The library that opens image files.

    >>> import flambeau as torch
    >>> torch.vision.get_image_backend()
    'PIL'
    """
    return "PIL"


def disable_beta_transforms_warning() -> None:
    """Does nothing: `transforms.v2` warns of nothing. Programs written for older versions call it.

    >>> import flambeau as torch
    >>> torch.vision.disable_beta_transforms_warning()
    """
