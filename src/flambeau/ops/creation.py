"""Tensors from nothing, and the overwriting of old content by new."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtype import dtype, float64
from ..core.node import Node
from ..core.record import submit
from ..core.tensor import Tensor, make
from .kinds import Custom, custom, exact_number
from .samples import Sample, spread


class Full(Custom):
    """`full(value, shape, dtype)`: one number everywhere. The number is an input, so that another one is the
    same program."""

    def __call__(self, value: Any, shape: tuple[int, ...], d: dtype) -> Tensor:
        if isinstance(value, Tensor):
            return self.record((value,), (shape, d), shape, d)
        node = Node(self, (exact_number("full", value, d),), (shape, d), shape, d)
        submit(node)
        return make(node)


full = Full(
    "full", lambda value, shape, d: np.full(shape, value, d.np), inputs="value", attrs="shape d",
    widens=False,
    grad={"value": lambda g: g.sum()},
    samples=lambda: [Sample((np.array(0.5),), {"shape": (2, 3), "d": float64})],
)  # fmt: skip
full.kind = "pointwise"

# The value is `new`, the history goes on through `old` with a gradient of zero: what an in-place write leaves
# of the old content.
overwrite = custom(
    "overwrite", lambda old, new: np.array(new, copy=True),
    lambda old, new: (new._node.shape, new._node.dtype), "pointwise",
    lower=lambda old, new: new, inputs="old new", widens=False, backward_name="Copy",
    grad={"old": lambda g: g.new_zeros(g.shape), "new": lambda g: g},
    samples=lambda: [Sample((spread((2, 3)), spread((2, 3), seed=1)))],
)  # fmt: skip
