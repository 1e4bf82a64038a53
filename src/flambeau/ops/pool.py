"""Pooling over the last dimensions, as many as the kernel (or the output) has.

The maximum comes with its position, where its gradient is put. Averages are linear: each comes with its
adjoint, and the two are each other's gradients.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype
from .kinds import NO_BOOL_REAL, Custom, custom
from .reference import pool as reference
from .reference.windows import Sizes
from .samples import Sample, spread

FLOATS = (dt.FLOAT, dt.FLOAT)
_GEOMETRY = "kernel stride padding"


def _last(shape: Sizes, n: int, spatial: Sizes) -> Sizes:
    """The shape with its last n dimensions replaced."""
    return (*shape[: len(shape) - n], *spatial)


# ----- maximum -----


class _MaxPool(Custom):
    """Two results: the maxima, and their flat positions in the input's pooled dimensions."""

    def on_sample(self, tensors: Any, attrs: dict[str, Any]) -> Any:
        """The maxima."""
        return super().on_sample(tensors, attrs)[0]


def _max_rule(
    x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, spatial: Sizes
) -> list[tuple[Sizes, dtype]]:
    shape = x._node.shape
    if max(dilation) > 1:
        reference.first_taps(_spatial(shape, kernel), kernel, stride, padding, dilation, spatial)
    pooled = _last(shape, len(kernel), spatial)
    return [(pooled, x._node.dtype), (pooled, dt.int64)]


def _max_pool(x: np.ndarray, *geometry: Any) -> tuple[np.ndarray, np.ndarray]:
    halves = x.dtype.itemsize == 2 and x.dtype.kind in "fV"
    index = reference.max_pool_indices(x.astype(np.float32) if halves else x, *geometry)
    return reference.take(x, index, len(geometry[0])), index


# Of equal values the first counts, of NaNs the last.
max_pool = _MaxPool(
    "max_pool",
    _max_pool,
    attrs=_GEOMETRY + " dilation spatial",
    accepts=NO_BOOL_REAL,
    widens=False,
    backward_name="MaxPoolWithIndices",
    grad=lambda g, out, x_shape, kernel: pool_put(g[0], out[1], _spatial(x_shape, kernel)),
    samples=lambda: [
        Sample(
            (spread((2, 7)),),
            {"kernel": (3,), "stride": (2,), "padding": (1,), "dilation": (1,), "spatial": (4,)},
        ),
        Sample(
            (spread((1, 2, 5, 4)),),
            {"kernel": (2, 2), "stride": (1, 2), "padding": (0, 1), "dilation": (2, 1), "spatial": (3, 3)},
        ),
        Sample(
            (spread((2, 3, 3, 3)),),
            {
                **dict.fromkeys(("kernel", "stride", "spatial"), (2,) * 3),
                **dict.fromkeys(("padding", "dilation"), (1,) * 3),
            },
        ),
    ],
)
max_pool.infer, max_pool.kind, max_pool.results = _max_rule, "window", 2
adaptive_max_index = custom(
    "adaptive_max_index",
    reference.adaptive_max_pool_indices,
    lambda x, spatial: (_last(x._node.shape, len(spatial), spatial), dt.int64),
    "window",
    attrs="spatial",
    accepts=NO_BOOL_REAL,
    samples=lambda: [
        Sample((spread((2, 7)),), {"spatial": (3,)}),
        Sample((spread((2, 5, 4)),), {"spatial": (2, 4)}),
    ],
)

# The positions were found in the input, so they are not checked again.
pool_take: Custom = custom(
    "pool_take",
    reference.take,
    lambda x, index, n: (index._node.shape, x._node.dtype),
    "window",
    inputs="x index",
    attrs="n",
    accepts=NO_BOOL_REAL,
    widens=False,
    backward_name="MaxPoolWithIndices",
    samples=lambda: [
        Sample((spread((2, 5)), np.array([[4, 0, 4], [1, 2, 3]])), {"n": 1}),
        Sample((spread((2, 3)), np.array([[5, 0], [2, 2]])), {"n": 2}),
    ],
    grad={"x": lambda g, index, n, x_shape: pool_put(g, index, tuple(x_shape[len(x_shape) - n :]))},
)
pool_put: Custom = custom(
    "pool_put",
    reference.put,
    lambda y, index, spatial: (_last(y._node.shape, len(spatial), spatial), y._node.dtype),
    "window",
    inputs="y index",
    attrs="spatial",
    accepts=FLOATS,
    samples=lambda: [
        Sample((spread((2, 3)), np.array([[4, 0, 4], [1, 2, 3]])), {"spatial": (5,)}),
        Sample((spread((2, 2)), np.array([[5, 0], [2, 2]])), {"spatial": (2, 3)}),
    ],
    grad={"y": lambda g, index, spatial: pool_take(g, index, len(spatial))},
)

# ----- averages -----


def _avg_rule(
    x: Any, kernel: Sizes, stride: Sizes, padding: Sizes, spatial: Sizes, *rest: Any
) -> tuple[Sizes, dtype]:
    return _last(x._node.shape, len(kernel), spatial), x._node.dtype


def _spread_rule(y: Any, spatial: Sizes, *rest: Any) -> tuple[Sizes, dtype]:
    return _last(y._node.shape, len(spatial), spatial), y._node.dtype


_CASES: tuple[tuple[Sizes, Sizes, dict[str, Any]], ...] = (  # shapes of input and result, and the geometry
    (
        (2, 7),
        (2, 4),
        {"kernel": (3,), "stride": (2,), "padding": (1,), "count_include_pad": True, "divisor": None},
    ),
    (
        (1, 5, 4),
        (1, 3, 2),
        {"kernel": (2, 3), "stride": (2, 2), "padding": (1, 1), "count_include_pad": False, "divisor": None},
    ),
    (
        (2, 3, 3, 3),
        (2, 2, 2, 2),
        {
            "kernel": (2,) * 3,
            "stride": (1,) * 3,
            "padding": (0,) * 3,
            "count_include_pad": True,
            "divisor": 3,
        },
    ),
)


def _avg_samples() -> list[Sample]:
    return [
        Sample((spread(x),), {**geometry, "spatial": y[len(y) - len(geometry["kernel"]) :]})
        for x, y, geometry in _CASES
    ]


def _avg_grad_samples() -> list[Sample]:
    return [
        Sample((spread(y),), {**geometry, "spatial": x[len(x) - len(geometry["kernel"]) :]})
        for x, y, geometry in _CASES
    ]


def _spatial(shape: Sizes, kernel: Sizes) -> Sizes:
    return tuple(shape[len(shape) - len(kernel) :])


avg_pool = custom(
    "avg_pool",
    reference.avg_pool,
    _avg_rule,
    "window",
    attrs=_GEOMETRY + " spatial count_include_pad divisor",
    accepts=NO_BOOL_REAL,
    samples=_avg_samples,
    grad=lambda g, x_shape, kernel, stride, padding, count_include_pad, divisor: avg_pool_grad(
        g, _spatial(x_shape, kernel), kernel, stride, padding, count_include_pad, divisor
    ),
)
avg_pool_grad: Custom = custom(
    "avg_pool_grad",
    reference.avg_pool_grad,
    _spread_rule,
    "window",
    inputs="y",
    attrs="spatial " + _GEOMETRY + " count_include_pad divisor",
    accepts=FLOATS,
    samples=_avg_grad_samples,
    grad=lambda g, y_shape, kernel, stride, padding, count_include_pad, divisor: avg_pool(
        g, kernel, stride, padding, _spatial(y_shape, kernel), count_include_pad, divisor
    ),
)
adaptive_avg_pool = custom(
    "adaptive_avg_pool",
    reference.adaptive_avg_pool,
    _spread_rule,
    "window",
    inputs="y",
    attrs="spatial",
    accepts=FLOATS,
    samples=lambda: [
        Sample((spread((2, 7)),), {"spatial": (3,)}),
        Sample((spread((2, 5, 4)),), {"spatial": (2, 6)}),
    ],
    grad=lambda g, y_shape, spatial: adaptive_avg_pool_grad(g, _spatial(y_shape, spatial)),
)
adaptive_avg_pool_grad: Custom = custom(
    "adaptive_avg_pool_grad",
    reference.adaptive_avg_pool_grad,
    _spread_rule,
    "window",
    inputs="y",
    attrs="spatial",
    accepts=FLOATS,
    samples=lambda: [
        Sample((spread((2, 3)),), {"spatial": (7,)}),
        Sample((spread((2, 2, 6)),), {"spatial": (5, 4)}),
    ],
    grad=lambda g, y_shape, spatial: adaptive_avg_pool(g, _spatial(y_shape, spatial)),
)
