"""What the rules of optimizers are written with: new values in place of old ones, step counts, decay."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..core.dtype import float32
from ..core.inplace import put
from ..core.modes import modes
from ..core.node import leaf
from ..core.realize import recorder
from ..core.record import look_now, submit
from ..core.tensor import Tensor
from ..functions.calling import write
from ..functions.creation import tensor
from ..ops.kinds import Once, Pointwise
from ..ops.pointwise import add_scaled


def renew(t: Tensor, op: Pointwise, *operands: Any) -> Tensor:
    """Makes `op(t, *operands)` the content of `t`; returns `t`. Operands are tensors and numbers."""
    node = None if t._view is not None or modes.grad else op.alike((t, *operands))
    if node is None:
        return write(op.name, t, op(t, *operands))
    if recorder.shared:
        look_now(node)
    submit(node)
    put(t, node)
    return t


def number(value: Any) -> Any:
    """An option or a count as a Python number, also where it is a tensor of one."""
    return value.item() if isinstance(value, Tensor) else value


def new_count() -> Tensor:
    """A step count of zero."""
    return tensor(0.0, dtype=float32)


def count_step(state: dict[str, Any]) -> float:
    """Adds one to the state's step count and returns it."""
    t = state["step"]
    count: float = number(t) + 1  # read before the write: no pending work has to be done for it
    if not isinstance(t, Tensor):
        state["step"] = tensor(count, dtype=float32)
    elif recorder.tape is None and t._view is None and t._node.shape == () and t._node.dtype is float32:
        put(t, leaf(_count(count), float32))
    else:
        t.add_(1)
    return count


@lru_cache(maxsize=64)
def _count(count: float) -> np.ndarray:
    """A step count as an array, which many tensors have: whoever is to write into it has to copy it."""
    array = np.array(count, np.float32)
    array.flags.writeable = False
    return array


def with_decay(g: Tensor, p: Tensor, decay: Once) -> Tensor:
    """The gradient of the loss plus decay/2 · |p|²."""
    return add_scaled(g, p, decay) if decay.value else g
