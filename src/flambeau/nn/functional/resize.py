"""Images, signals and volumes in another size."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.tensor import Tensor
from ...core.warning import warn
from ...ops.kinds import cast, make_constant, opmath
from ...ops.op import check_tensor
from ...ops.resample import adjoint, resample
from .arguments import Shape
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

Sizes = int | Sequence[int]
Factors = float | Sequence[float]
Table = tuple[np.ndarray, ...]

_RANKS = {"linear": (3,), "bilinear": (4,), "bicubic": (4,), "lanczos": (4,), "trilinear": (5,)}
_ANY_RANK = ("nearest", "nearest-exact", "area")


# ----- which elements, with which weights -----


def _step(extent: int, out: int, corners: bool, factor: float | None, d: Any) -> Any:
    """The distance of neighbouring results, in elements of the input."""
    if corners:
        return d(extent - 1) / d(out - 1) if out > 1 else d(0)
    return d(1 / factor) if factor else d(extent) / d(out)


def _nearest(extent: int, out: int, step: Any, exact: bool, d: Any) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(out).astype(d)
    at = step * (at + d(0.5)) if exact else at * step
    rows = np.minimum(np.floor(at).astype(np.int64), extent - 1)
    return rows[None], np.ones((1, out), d)


def _positions(out: int, step: Any, corners: bool, d: Any) -> np.ndarray:
    """Where the results lie among the input's elements."""
    at = np.arange(out).astype(d)
    where: np.ndarray = at * step if corners else step * (at + d(0.5)) - d(0.5)
    return where


def _linear(extent: int, out: int, step: Any, corners: bool, d: Any) -> tuple[np.ndarray, np.ndarray]:
    at = np.arange(out).astype(d) if extent == out else np.maximum(_positions(out, step, corners, d), d(0))
    low = np.minimum(np.floor(at).astype(np.int64), extent - 1)
    t = np.clip(at - low.astype(d), d(0), d(1))
    return np.stack([low, np.minimum(low + 1, extent - 1)]), np.stack([d(1) - t, t])


def _cubic(extent: int, out: int, step: Any, corners: bool, d: Any) -> tuple[np.ndarray, np.ndarray]:
    at = _positions(out, step, corners, d)
    low = np.floor(at)
    t = at - low
    rows = low.astype(np.int64) + np.arange(-1, 3)[:, None]
    weights = np.stack([_keys(x, d(-0.75)) for x in (t + d(1), t, d(1) - t, d(2) - t)])
    return np.clip(rows, 0, extent - 1), weights


def _keys(x: np.ndarray, a: Any) -> np.ndarray:
    """Keys' cubic convolution kernel at x >= 0 (Cubic convolution interpolation for digital image processing,
    1981)."""
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    weight: np.ndarray = np.where(x < 1, near, np.where(x < 2, far, 0))
    return weight.astype(x.dtype)


# The filters of antialiasing: half their width at scale one, and their shape.
_FILTERS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    "bilinear": (1, lambda x: np.maximum(1 - np.abs(x), 0)),
    "bicubic": (2, lambda x: _keys(np.abs(x), -0.5)),
    "lanczos": (3, lambda x: np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)),
}


def _filtered(extent: int, out: int, step: Any, mode: str, d: Any) -> tuple[np.ndarray, np.ndarray]:
    """Weights of a filter as wide as the results are apart, cut off at the border and made to sum to 1."""
    half, shape = _FILTERS[mode]
    wide = max(step, d(1))
    centre = step * (np.arange(out).astype(d) + d(0.5))
    start = np.maximum((centre - half * wide + d(0.5)).astype(np.int64), 0)
    end = np.minimum((centre + half * wide + d(0.5)).astype(np.int64), extent)
    rows = start + np.arange(max((end - start).max(), 1))[:, None]
    weights = shape((rows - centre + d(0.5)) * (d(1) / wide))
    weights = np.where(rows < end, weights, 0).astype(d)
    total = weights.sum(0)
    return np.minimum(rows, end - 1), weights / np.where(total == 0, d(1), total)


@lru_cache(maxsize=256)
def _table(
    mode: str, extent: int, out: int, corners: bool, factor: float | None, antialias: bool, d: str
) -> Table:
    """Rows and weights of one dimension, and those of its adjoint."""
    kind = np.dtype(d).type
    step = _step(extent, out, corners, factor, kind)
    if antialias:
        rows, weights = _filtered(extent, out, step, mode, kind)
    elif mode.startswith("nearest"):
        rows, weights = _nearest(extent, out, step, mode == "nearest-exact", kind)
    else:
        rows, weights = (_cubic if mode == "bicubic" else _linear)(extent, out, step, corners, kind)
    return rows, weights, *adjoint(rows, weights, extent)


# ----- the function -----


def interpolate(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """(N, C, L), (N, C, H, W) or (N, C, D, H, W) in another spatial size, given as `size` or by a factor.

    By `mode` a result is the element that it falls on ("nearest", "nearest-exact", which rounds as image
    libraries do), a weighted mean of its neighbours ("linear", "bilinear", "trilinear" for the three ranks;
    "bicubic" of four by four pixels, by Keys' kernel with a = -0.75), or the mean of the area that it covers
    ("area"). Corner elements keep their place with `align_corners`; without it, the borders do. `antialias`
    widens the kernel of "bilinear", "bicubic" (then with a = -0.5) and "lanczos" where an image shrinks, as
    PIL does. `recompute_scale_factor` takes the factor from the rounded size, instead of the one given.
    ValueError and NotImplementedError for arguments that don't go together, RuntimeError for sizes below 1.

    >>> import flambeau as torch
    >>> x = torch.tensor([[[1., 3.]]])
    >>> torch.nn.functional.interpolate(x, scale_factor=2)
    tensor([[[1., 1., 3., 3.]]])
    >>> torch.nn.functional.interpolate(x, size=4, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    x = check_tensor("interpolate", "input", input)
    corners = _check_mode(x, mode, align_corners, antialias)
    spatial = tuple(x._node.shape[2:])
    out, factors = _target(spatial, size, scale_factor)
    if recompute_scale_factor and size is not None:
        raise ValueError("interpolate: recompute_scale_factor is not meaningful with an explicit size.")
    if recompute_scale_factor:
        factors = (None,) * len(out)
    _check_sizes(x, mode, spatial, out)
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[x.ndim - 3](x, out)
    return _resampled(x, mode, out, corners, factors, antialias)


def _check_mode(x: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> bool:
    """Whether corners are aligned; an error for arguments that don't go together."""
    if mode in _ANY_RANK and align_corners is not None:
        raise ValueError(
            f"interpolate: align_corners option can only be set with the interpolating modes: linear | "
            f"bilinear | bicubic | trilinear, got it with {mode!r}"
        )
    if antialias and not (mode in _FILTERS and x.ndim == 4):
        raise ValueError(
            "interpolate: Anti-alias option is restricted to bilinear, bicubic and lanczos modes and "
            f"requires a 4-D tensor as input, got mode {mode!r} and {x.ndim} dimensions"
        )
    if x.ndim not in _RANKS.get(mode, (3, 4, 5) if mode in _ANY_RANK else ()):
        raise NotImplementedError(
            f"interpolate: Got {x.ndim}D input with mode {mode!r}; nearest | nearest-exact | area take 3D, "
            "4D and 5D input, linear 3D, bilinear | bicubic | lanczos 4D, trilinear 5D"
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("interpolate: Lanczos mode requires antialias=True and no align_corners")
    return bool(align_corners)


def _target(spatial: Shape, size: Any, scale_factor: Any) -> tuple[Shape, tuple[float | None, ...]]:
    """The spatial size of the result, and the factors that the user gave."""
    if (size is None) == (scale_factor is None):
        raise ValueError(
            "interpolate: either size or scale_factor should be defined"
            if size is None
            else f"interpolate: only one of size ({size}) or scale_factor ({scale_factor}) should be defined"
        )
    given = scale_factor if size is None else size
    values = tuple(given) if isinstance(given, (list, tuple)) else (given,) * len(spatial)
    if len(values) != len(spatial):
        raise ValueError(
            "interpolate: Input and output must have the same number of spatial dimensions, but got input "
            f"with spatial dimensions of {list(spatial)} and {'scale_factor' if size is None else 'size'} of "
            f"{given}"
        )
    if size is None:
        factors = tuple(float(v) for v in values)
        return tuple(math.floor(e * f) for e, f in zip(spatial, factors, strict=True)), factors
    try:
        return tuple(v.__index__() for v in values), (None,) * len(spatial)
    except (AttributeError, TypeError):
        raise TypeError(
            f"interpolate: expected size to be one of int or Tuple[int] or Tuple[int, int] or Tuple[int, "
            f"int, int], got {given!r}; a factor is passed as scale_factor"
        ) from None


def _check_sizes(x: Tensor, mode: str, spatial: Shape, out: Shape) -> None:
    if min(out) < 1 or 0 in x._node.shape[1:]:
        raise RuntimeError(
            f"interpolate: Input and output sizes should be greater than 0, but got input (size: {spatial}), "
            f"output (size: {out}) and shape {tuple(x.shape)}"
        )
    d = x._node.dtype
    if d.category != dt.FLOAT and not (d is dt.uint8 and x.ndim < 5 + mode.startswith("nearest")):
        raise NotImplementedError(
            f'interpolate: "upsample_{mode}{x.ndim - 2}d" not implemented for {d}; convert it with .float()'
        )


def _resampled(
    x: Tensor, mode: str, out: Shape, corners: bool, factors: tuple[float | None, ...], antialias: bool
) -> Tensor:
    """One dimension after the other, from the last."""
    d = x._node.dtype
    wide = opmath(d) if d.category == dt.FLOAT else dt.float32
    y = x if d is wide else cast(x, wide)
    for dim in range(x.ndim - 1, 1, -1):
        extent, n, factor = y._node.shape[dim], out[dim - 2], factors[dim - 2]
        if extent == n and (antialias or mode in ("linear", "bilinear", "trilinear")):
            continue
        table = _table(mode, extent, n, corners, factor, antialias, wide.name)
        y = resample(y, *(make_constant(t) for t in table), dim)
        if d is dt.uint8:  # each dimension's results are bytes again
            y = (y + 0.5).floor().clamp(0, 255)
    return y if y._node.dtype is d else cast(y, d)


def upsample(
    input: Tensor,
    size: Sizes | None = None,
    scale_factor: Factors | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """The old name of `interpolate`; warns.

    >>> import warnings
    >>> import flambeau as torch
    >>> with warnings.catch_warnings(action="ignore"):
    ...     torch.nn.functional.upsample(torch.ones(1, 1, 1), 2)
    tensor([[[1., 1.]]])
    """
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size: Sizes | None = None, scale_factor: Factors | None = None) -> Tensor:
    """`interpolate` with mode "nearest"; warns.

    >>> import warnings
    >>> import flambeau as torch
    >>> with warnings.catch_warnings(action="ignore"):
    ...     torch.nn.functional.upsample_nearest(torch.ones(1, 1, 1), 2)
    tensor([[[1., 1.]]])
    """
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(
    input: Tensor, size: Sizes | None = None, scale_factor: Factors | None = None
) -> Tensor:
    """`interpolate` with mode "bilinear" and aligned corners; warns.

    >>> import warnings
    >>> import flambeau as torch
    >>> with warnings.catch_warnings(action="ignore"):
    ...     torch.nn.functional.upsample_bilinear(torch.tensor([[[[1., 3.]]]]), (1, 3))
    tensor([[[[1., 2., 3.]]]])
    """
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _deprecated(name: str) -> None:
    warn(f"{name}: `nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.")
