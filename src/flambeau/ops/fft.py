"""Discrete Fourier transforms over some dimensions. The reference is NumPy's, in the precision of its input.

`scaling` divides the sums: 0 by nothing, 1 by the root of how many numbers there are, 2 by their number. Of
real numbers only half of the spectrum is kept (or given): the other half is its conjugate, backwards.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from .kinds import FLOATING, custom, make_constant
from .samples import Sample, spread

Shape = tuple[int, ...]
FORWARD = ("backward", "ortho", "forward")  # NumPy's names for the three scalings of a forward transform


def _norm(scaling: int, forward: bool) -> Any:
    return FORWARD[scaling if forward else 2 - scaling]


# ----- rules -----


def half(extent: int) -> int:
    """How much is kept of the spectrum of so many real numbers."""
    return extent // 2 + 1


def _with_last(shape: Shape, dims: Shape, extent: int) -> Shape:
    """The shape with another extent along the last of the dimensions."""
    return tuple(extent if d == dims[-1] else e for d, e in enumerate(shape))


def _c2c_rule(x: Any, *_: Any) -> tuple[Shape, dt.dtype]:
    return x._node.shape, x._node.dtype.to_complex()


def _r2c_rule(x: Any, dims: Shape, scaling: int) -> tuple[Shape, dt.dtype]:
    shape = x._node.shape
    return _with_last(shape, dims, half(shape[dims[-1]])), x._node.dtype.to_complex()


def _c2r_rule(x: Any, dims: Shape, scaling: int, last: int) -> tuple[Shape, dt.dtype]:
    return _with_last(x._node.shape, dims, last), x._node.dtype.to_real()


# ----- references -----


def _c2c(x: np.ndarray, dims: Shape, scaling: int, forward: bool) -> np.ndarray:
    if not dims:
        return x.astype(np.result_type(x.dtype, np.complex64))
    transform = np.fft.fftn if forward else np.fft.ifftn
    return transform(x, axes=dims, norm=_norm(scaling, forward))


def _r2c(x: np.ndarray, dims: Shape, scaling: int) -> np.ndarray:
    return np.fft.rfftn(x, axes=dims, norm=_norm(scaling, True))


def _c2r(x: np.ndarray, dims: Shape, scaling: int, last: int) -> np.ndarray:
    sizes = (*(x.shape[d] for d in dims[:-1]), last)
    return np.fft.irfftn(x, sizes, dims, _norm(scaling, False))


# ----- gradients -----


def _weights(g: Any, dim: int, full: int, inner: float) -> Any:
    """1 for what a half spectrum holds once, `inner` for what stands for its conjugate too."""
    weights = np.full(half(full), inner, g.dtype.to_real().np)
    weights[0] = 1
    if full % 2 == 0:
        weights[-1] = 1
    return make_constant(weights.reshape((-1,) + (1,) * (g.ndim - dim - 1)))


def _r2c_grad(g: Any, x_shape: Shape, dims: Shape, scaling: int) -> Any:
    last = x_shape[dims[-1]]
    return fft_c2r(g * _weights(g, dims[-1], last, 0.5), dims, scaling, last)


def _c2r_grad(g: Any, dims: Shape, scaling: int, last: int) -> Any:
    return fft_r2c(g, dims, scaling) * _weights(g, dims[-1], last, 2.0)


# ----- records -----


def _samples(real: bool, **attrs: Any) -> list[Sample]:
    made = []
    for shape, dims in (((6,), (0,)), ((2, 5), (1,)), ((3, 4, 2), (2, 0)), ((0, 4), (1,)), ((1,), (0,))):
        x = spread(shape, -1.0, 1.0)
        made.append(Sample((x if real else x + 1j * spread(shape, -1.0, 1.0, 7),), {"dims": dims, **attrs}))
    return made


def _last(sample: Sample, extra: int) -> Sample:
    (x,), attrs = sample
    return Sample((x,), {**attrs, "last": max(1, 2 * (x.shape[attrs["dims"][-1]] - 1) + extra)})


# The transform is its own gradient, the other way round.
fft_c2c: Any = custom(
    "fft_c2c", _c2c, _c2c_rule, "opaque", attrs="dims scaling forward", accepts=FLOATING,
    grad=lambda g, dims, scaling, forward: fft_c2c(g, dims, scaling, not forward),
    samples=lambda: [
        *_samples(False, scaling=0, forward=True), *_samples(False, scaling=1, forward=False)[1:3],
        *_samples(True, scaling=2, forward=True)[:2],
        Sample((spread((2,)),), {"dims": (), "scaling": 0, "forward": True}),
    ],
)  # fmt: skip
# Forward, of real numbers.
fft_r2c: Any = custom(
    "fft_r2c", _r2c, _r2c_rule, "opaque", attrs="dims scaling", accepts=(dt.FLOAT, dt.FLOAT), grad=_r2c_grad,
    samples=lambda: [*_samples(True, scaling=0), *_samples(True, scaling=1)[1:3]],
)  # fmt: skip
# Backward, to real numbers: `last` of them along the last dimension.
fft_c2r: Any = custom(
    "fft_c2r", _c2r, _c2r_rule, "opaque", attrs="dims scaling last", accepts=(dt.COMPLEX, dt.COMPLEX),
    grad=_c2r_grad,
    samples=lambda: [
        *[_last(s, 0) for s in _samples(False, scaling=0)],
        *[_last(s, 1) for s in _samples(False, scaling=2)],
    ],
)  # fmt: skip
