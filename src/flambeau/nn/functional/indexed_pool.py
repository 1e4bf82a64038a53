"""Maximum pooling that always gives the positions, too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from . import pool


def _with_indices(pooling: Callable[..., Any], example: str) -> Callable[..., Any]:
    @functools.wraps(pooling)
    def function(*args: Any, **kwargs: Any) -> Any:
        return pooling(*args, **{**kwargs, "return_indices": True})

    name = pooling.__name__ + "_with_indices"
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""`{pooling.__name__}` with indices: the largest elements and their positions.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 3., 2., 5.]).reshape({example})
    >>> torch.nn.functional.{name}(x, {"(" + "1, " * (example.count(",") - 2) + "2,)"})[1].flatten()
    tensor([1, 3])
    """
    return function


max_pool1d_with_indices = _with_indices(pool.max_pool1d, "1, 1, 4")
max_pool2d_with_indices = _with_indices(pool.max_pool2d, "1, 1, 1, 4")
max_pool3d_with_indices = _with_indices(pool.max_pool3d, "1, 1, 1, 1, 4")
adaptive_max_pool1d_with_indices = _with_indices(pool.adaptive_max_pool1d, "1, 1, 4")
adaptive_max_pool2d_with_indices = _with_indices(pool.adaptive_max_pool2d, "1, 1, 1, 4")
adaptive_max_pool3d_with_indices = _with_indices(pool.adaptive_max_pool3d, "1, 1, 1, 1, 4")
