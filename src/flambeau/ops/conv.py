"""Convolution of any number of spatial dimensions, its transpose, its gradient towards the weight, and the
linear layer's product.

The three convolutions are one trilinear form, sum(y * conv(x, w)), seen from its three sides, so that each
one's gradients are the other two (see `reference.conv`); the formulas conjugate what they don't differentiate
by.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ..core.dtype import dtype
from .contraction import matmul
from .kinds import NO_BOOL, Custom, custom
from .reference import conv as reference
from .reference.windows import Pairs, Sizes, conv_out_size
from .samples import Sample, spread
from .view import transpose

_GEOMETRY = "stride padding dilation groups"


def _conv_rule(
    x: Any, w: Any, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int
) -> tuple[Sizes, dtype]:
    spatial = conv_out_size(x._node.shape[2:], w._node.shape[2:], stride, padding, dilation)
    return (x._node.shape[0], w._node.shape[0], *spatial), x._node.dtype


def _input_grad_rule(y: Any, w: Any, spatial: Sizes, *geometry: Any) -> tuple[Sizes, dtype]:
    return (y._node.shape[0], w._node.shape[1] * geometry[-1], *spatial), y._node.dtype


def _weight_grad_rule(y: Any, x: Any, kernel: Sizes, *geometry: Any) -> tuple[Sizes, dtype]:
    return (y._node.shape[1], x._node.shape[1] // geometry[-1], *kernel), y._node.dtype


_CASES: tuple[tuple[Sizes, Sizes, dict[str, Any]], ...] = (  # shapes of x and w, and the geometry
    ((2, 2, 7), (3, 2, 2), {"stride": (2,), "padding": ((1, 0),), "dilation": (1,), "groups": 1}),
    (
        (1, 4, 4, 5),
        (2, 2, 2, 2),
        {"stride": (1, 2), "padding": ((1, 1), (0, 2)), "dilation": (2, 1), "groups": 2},
    ),
    (
        (2, 2, 3, 3),
        (4, 1, 2, 2),
        {"stride": (1, 1), "padding": ((0, 0), (1, 1)), "dilation": (1, 1), "groups": 2},
    ),
    (
        (1, 2, 3, 2, 3),
        (1, 2, 2, 2, 1),
        {"stride": (1, 1, 2), "padding": ((0, 1),) * 3, "dilation": (1,) * 3, "groups": 1},
    ),
    ((1, 1, 5), (1, 1, 2), {"stride": (2,), "padding": ((0, -1),), "dilation": (1,), "groups": 1}),
)


def _y_shape(x: Sizes, w: Sizes, stride: Sizes, padding: Pairs, dilation: Sizes, groups: int) -> Sizes:
    return (x[0], w[0], *conv_out_size(x[2:], w[2:], stride, padding, dilation))


def _conv_samples() -> list[Sample]:
    return [Sample((spread(x), spread(w, seed=1)), geometry) for x, w, geometry in _CASES]


def _input_grad_samples() -> list[Sample]:
    return [
        Sample((spread(_y_shape(x, w, **geometry)), spread(w, seed=1)), {"spatial": x[2:], **geometry})
        for x, w, geometry in _CASES
    ]


def _weight_grad_samples() -> list[Sample]:
    return [
        Sample((spread(_y_shape(x, w, **geometry)), spread(x, seed=1)), {"kernel": w[2:], **geometry})
        for x, w, geometry in _CASES
    ]


conv = custom(
    "conv",
    reference.conv,
    _conv_rule,
    "contraction",
    inputs="x w",
    attrs=_GEOMETRY,
    accepts=NO_BOOL,
    samples=_conv_samples,
    backward_name="Convolution",
    grad={
        "x": lambda g, w, x_shape, stride, padding, dilation, groups: conv_input_grad(
            g, w.conj(), x_shape[2:], stride, padding, dilation, groups
        ),
        "w": lambda g, x, w_shape, stride, padding, dilation, groups: conv_weight_grad(
            g, x.conj(), w_shape[2:], stride, padding, dilation, groups
        ),
    },
)
# Also the transposed convolution: y (B, Cout, *O), w (Cout, Cin / groups, *K) -> (B, Cin, *spatial).
conv_input_grad: Custom = custom(
    "conv_input_grad",
    reference.conv_input_grad,
    _input_grad_rule,
    "contraction",
    inputs="y w",
    attrs="spatial " + _GEOMETRY,
    accepts=NO_BOOL,
    samples=_input_grad_samples,
    backward_name="Convolution",
    grad={
        "y": lambda g, w, stride, padding, dilation, groups: conv(
            g, w.conj(), stride, padding, dilation, groups
        ),
        "w": lambda g, y, w_shape, stride, padding, dilation, groups: conv_weight_grad(
            y.conj(), g, w_shape[2:], stride, padding, dilation, groups
        ),
    },
)
conv_weight_grad: Custom = custom(
    "conv_weight_grad",
    reference.conv_weight_grad,
    _weight_grad_rule,
    "contraction",
    inputs="y x",
    attrs="kernel " + _GEOMETRY,
    accepts=NO_BOOL,
    samples=_weight_grad_samples,
    backward_name="Convolution",
    grad={
        "y": lambda g, x, stride, padding, dilation, groups: conv(
            x.conj(), g, stride, padding, dilation, groups
        ),
        "x": lambda g, y, x_shape, stride, padding, dilation, groups: conv_input_grad(
            y.conj(), g, x_shape[2:], stride, padding, dilation, groups
        ),
    },
)


# ----- the linear layer: the weight lies as (out, in), and x may have any leading dimensions -----


def _linear(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    rows = x.reshape(prod(x.shape[:-1]), x.shape[-1])
    product: np.ndarray = np.matmul(rows, w.T).reshape(*x.shape[:-1], len(w))
    return product


def _flipped(x: Any) -> Any:
    return transpose.plain(x, ((1, 0),))


def _product(x: Any, m: Any) -> Any:
    """x @ m, for a matrix m and any leading dimensions of x."""
    return linear(x, _flipped(m)) if len(x._node.shape) == 1 else matmul(x, m)


def _linear_weight_grad(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    rows = prod(y.shape[:-1])
    product: np.ndarray = np.matmul(y.reshape(rows, y.shape[-1]).T, x.reshape(rows, x.shape[-1]))
    return product


_LINEAR: tuple[tuple[Sizes, Sizes], ...] = (
    ((2, 3), (4, 3)),
    ((2, 2, 3), (1, 3)),
    ((3,), (2, 3)),
    ((0, 3), (2, 3)),
)

linear: Custom = custom(
    "linear",
    _linear,
    lambda x, w: ((*x._node.shape[:-1], w._node.shape[0]), x._node.dtype),
    "contraction",
    inputs="x w",
    accepts=NO_BOOL,
    backward_name="Linear",
    grad={
        "x": lambda g, w: _product(g, w.conj()),
        "w": lambda g, x: linear_weight_grad(g, x.conj()),
    },
    samples=lambda: [Sample((spread(x), spread(w, seed=1))) for x, w in (*_LINEAR, ((2, 0), (2, 0)))],
)
# With a bias (out), added to each row.
affine: Custom = custom(
    "affine",
    lambda x, w, b: _linear(x, w) + b,
    lambda x, w, b: ((*x._node.shape[:-1], w._node.shape[0]), x._node.dtype),
    "contraction",
    inputs="x w b",
    accepts=NO_BOOL,
    backward_name="Addmm",
    grad={
        "x": lambda g, w: _product(g, w.conj()),
        "w": lambda g, x: linear_weight_grad(g, x.conj()),
        "b": lambda g: g,  # the engine sums over the rows
    },
    samples=lambda: [Sample((spread(x), spread(w, seed=1), spread(w[:1], seed=2))) for x, w in _LINEAR],
)
# y (*, out) and x (*, in) -> (out, in): the sum over all rows of their outer products.
linear_weight_grad: Custom = custom(
    "linear_weight_grad",
    _linear_weight_grad,
    lambda y, x: ((y._node.shape[-1], x._node.shape[-1]), y._node.dtype),
    "contraction",
    inputs="y x",
    accepts=NO_BOOL,
    backward_name="Linear",
    grad={"y": lambda g, x: linear(x.conj(), g), "x": lambda g, y: _product(y.conj(), g)},
    samples=lambda: [
        Sample((spread((2, 4)), spread((2, 3), seed=1))),
        Sample((spread((2, 2, 1)), spread((2, 2, 3)))),
    ],
)
