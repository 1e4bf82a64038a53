"""Whether operations are recorded for differentiation, per thread."""

from __future__ import annotations

import threading
from typing import Any


class _Modes(threading.local):
    grad = True
    inference = False
    levels: tuple[Any, ...] = ()  # the calls of vmap that are running, the outermost first
    linear = False  # a backward pass is recorded to be differentiated for what it begins with
    transforms = 0  # how many function transforms (vmap, grad, jvp, …) are running


modes = _Modes()
