"""Arithmetic by NumPy without its warnings of overflow and the like, which are no news to PyTorch's users."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
T = TypeVar("T")

_silence = Context()  # entered sooner than `np.errstate`, whose state lies in a context variable
_silence.run(np.seterr, all="ignore")


def quiet(f: Callable[P, T]) -> Callable[P, T]:
    """The function, during which NumPy warns of nothing."""

    @wraps(f)
    def silent(*args: P.args, **kwargs: P.kwargs) -> T:
        return _silence.copy().run(f, *args, **kwargs)

    return silent
