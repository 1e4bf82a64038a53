"""What recording depends on, per thread: whether gradients are recorded, and autocast."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any


class _Modes(threading.local):
    grad = True
    inference = False
    levels: tuple[Any, ...] = ()  # the calls of vmap that are running, the outermost first
    linear = False  # a backward pass is recorded to be differentiated for what it begins with
    transforms = 0  # how many function transforms (vmap, grad, jvp, …) are running
    autocast: Any = None  # the dtype in which autocast has operations done here; None where it does nothing
    casting: Mapping[str, Any] = MappingProxyType({})  # what autocast is set to (`amp.state`); replaced whole

    def cast_to(self) -> Any:
        """What `autocast` is where nothing suspends it."""
        enabled, dtype = self.casting.get("cpu", (False, None))
        return dtype if enabled else None


modes = _Modes()
