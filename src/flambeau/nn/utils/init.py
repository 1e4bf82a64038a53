"""Modules without initial values."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from ..module import Module

M = TypeVar("M", bound=Module)


def skip_init(module_cls: type[M], *args: Any, **kwargs: Any) -> M:
    """A module whose values shall be loaded anyway: making it leaves the random generator as it was.

    What the parameters hold until then is nobody's promise.

    Args:
        module_cls: the module's class, which must take `device`.
        args, kwargs: what it is built with.

    Raises:
        RuntimeError: `module_cls` is no module class, or takes no `device`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.skip_init(torch.nn.Linear, 5, 1).weight.shape
        torch.Size([1, 5])
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"skip_init: Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError(
            f"skip_init: Module must support a 'device' arg to skip initialization: {module_cls}"
        )
    device = kwargs.pop("device", "cpu")
    return module_cls(*args, **kwargs, device="meta").to_empty(device=device)
