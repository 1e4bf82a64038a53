"""Images and volumes seen at positions that a grid gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

from ...core import dtype as dt
from ...core.dtype import dtype as DType
from ...core.node import numel
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.casting import in_float32
from ...functions.choice import choose
from ...functions.creation import ones
from ...functions.indexing import gather
from ...functions.joining import stack
from ...functions.linear import matmul
from ...functions.pointwise import floor, round
from ...functions.ranges import linspace
from ...ops.op import check_tensor
from .arguments import Shape, check_float, flat

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")

Tap = tuple[Tensor, Tensor]
"""One element along a dimension for each result: its number, and its weight (0 for what isn't there)."""


class _Axis:
    """A dimension: its extent, and what stands beyond its ends."""

    def __init__(self, extent: int, padding: str, corners: bool) -> None:
        self.extent, self.padding, self.corners = extent, padding, corners

    def position(self, at: Tensor) -> Tensor:
        """From [-1, 1] to numbers of elements."""
        if self.corners:
            return (at + 1) * ((self.extent - 1) / 2)
        return ((at + 1) * self.extent - 1) * 0.5

    def inward(self, at: Tensor) -> Tensor:
        """The position that stands for one beyond the ends."""
        if self.padding == "zeros":
            return at
        if self.padding == "reflection":
            at = self._reflected(at)
        inside = (at > 0) & (at < self.extent - 1)
        kept: Tensor = choose(inside, at, at.detach().clamp(0, self.extent - 1))
        return kept

    def _reflected(self, at: Tensor) -> Tensor:
        low, span = (0.0, self.extent - 1.0) if self.corners else (-0.5, float(self.extent))
        if span == 0:
            return at * 0
        off = (at - low).abs()
        rest = off.fmod(span)
        there = floor(off / span).detach() % 2 == 0
        place: Tensor = choose(there, rest, span - rest) + low
        return place

    def tap(self, at: Tensor, weight: Tensor) -> Tap:
        """The element at a whole position."""
        at = at.detach()
        number = at.clamp(-1, self.extent)
        weight = choose((at >= 0) & (at <= self.extent - 1), weight, 0.0)
        return number.nan_to_num().long().clamp(0, self.extent - 1), weight


def _nearest(axis: _Axis, at: Tensor) -> list[Tap]:
    at = round(axis.inward(at))
    return [axis.tap(at, at - at.detach() + 1)]  # a weight of 1 with a gradient of 0


def _linear(axis: _Axis, at: Tensor) -> list[Tap]:
    at = axis.inward(at)
    low = floor(at)
    return [axis.tap(low, low + 1 - at), axis.tap(low + 1, at - low)]


def _cubic(axis: _Axis, at: Tensor) -> list[Tap]:
    """Keys' kernel with a = -0.75 (Cubic convolution interpolation for digital image processing, 1981)."""
    low, a = floor(at), -0.75
    t = at - low
    taps = []
    for k in range(-1, 3):
        x = t - k if k < 1 else k - t
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        taps.append(axis.tap(axis.inward((low + k).detach()), near if k in (0, 1) else far))
    return taps


_TAPS: dict[str, Callable[[_Axis, Tensor], list[Tap]]] = {
    "nearest": _nearest,
    "bilinear": _linear,
    "bicubic": _cubic,
}


@in_float32
def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """What (N, C, H, W) or (N, C, D, H, W) shows at positions `grid`, (N, H', W', 2) or (N, D', H', W', 3):
    (N, C, H', W') or (N, C, D', H', W').

    A position is x, y (and z), from -1 at one end to 1 at the other: of the corner elements' centres with
    `align_corners`, else of their outer borders. By `mode` it shows a weighted mean of its neighbours
    ("bilinear", also of volumes), the element that it falls on ("nearest") or, of images, a mean of four by
    four ("bicubic"). Beyond the ends are zeros, the "border", or a "reflection" of the image. Warns without
    `align_corners`. ValueError for another mode, RuntimeError for sizes or dtypes that don't fit.

    >>> import flambeau as torch
    >>> x = torch.tensor([[[[1., 2.], [3., 4.]]]])
    >>> grid = torch.tensor([[[[0., 0.], [1., -1.]]]])
    >>> torch.nn.functional.grid_sample(x, grid, align_corners=True)
    tensor([[[[2.5000, 2.0000]]]])
    """
    what = "grid_sample"
    if mode not in MODES:
        raise ValueError(f"{what}: expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: {mode!r}")
    if padding_mode not in PADDINGS:
        raise ValueError(
            f"{what}: expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"{padding_mode!r}"
        )
    corners = _corners(what, align_corners)
    _check(check_float(what, input), check_float(what, grid, "grid"), mode)
    x = input
    batch, channels, *spatial = x._node.shape
    out = grid._node.shape[1:-1]
    sampled: list[list[Tap]] = []
    for i, extent in enumerate(reversed(spatial)):
        axis = _Axis(extent, padding_mode, corners)
        at = flat(grid[..., i], batch, 1, numel(out))
        sampled.insert(0, _TAPS[mode](axis, axis.position(at)))
    rows = flat(x, batch, channels, numel(spatial))
    total: Tensor | None = None
    for taps in product(*sampled):
        number, weight = taps[0]
        for (n, w), extent in zip(taps[1:], spatial[1:], strict=True):
            number, weight = number * extent + n, weight * w
        term = gather(rows, 2, number.expand(-1, channels, -1)) * weight
        total = term if total is None else total + term
    assert total is not None
    return flat(total, batch, channels, *out)


def _corners(what: str, given: bool | None) -> bool:
    if given is None:
        warn(
            f"{what}: Default grid_sample and affine_grid behavior has changed to align_corners=False since "
            "1.3.0. Please specify align_corners=True if the old behavior is desired."
        )
    return bool(given)


def _check(x: Tensor, grid: Tensor, mode: str) -> None:
    what, n = "grid_sample", x.ndim - 2
    if n not in (2, 3) or grid.ndim != x.ndim:
        raise RuntimeError(
            f"{what}: expected 4D or 5D input and grid with same number of dimensions, but got input with "
            f"sizes {list(x.shape)} and grid with sizes {list(grid.shape)}"
        )
    if x.dtype is not grid.dtype:
        raise RuntimeError(
            f"{what}: expected input and grid to have same dtype, but input has {x.dtype} and grid has "
            f"{grid.dtype}"
        )
    if x.shape[0] != grid.shape[0] or grid.shape[-1] != n:
        raise RuntimeError(
            f"{what}: expected grid and input to have same batch size, and grid to have size {n} in last "
            f"dimension, but got input with sizes {list(x.shape)} and grid with sizes {list(grid.shape)}"
        )
    if 0 in x.shape[2:]:
        raise RuntimeError(
            f"{what}: expected input to have non-empty spatial dimensions, but input has sizes "
            f"{list(x.shape)}"
        )
    if mode == "bicubic" and n == 3:
        raise RuntimeError(f"{what}: bicubic interpolation only supports 4D input")


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` that shows (N, C, H, W) or (N, C, D, H, W), given as `size`, under affine
    maps `theta`, (N, 2, 3) or (N, 3, 4): (N, H, W, 2) or (N, D, H, W, 3).

    `align_corners` is that of `grid_sample`; warns without. ValueError, RuntimeError or NotImplementedError
    for sizes that don't fit.

    >>> import flambeau as torch
    >>> theta = torch.tensor([[[1., 0., 0.], [0., 1., 0.]]])
    >>> torch.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=False)
    tensor([[[[-0.5000,  0.0000],
              [ 0.5000,  0.0000]]]])
    """
    what = "affine_grid"
    t, shape = check_tensor(what, "theta", theta), tuple(s.__index__() for s in size)
    if t.dtype.category != dt.FLOAT:
        raise ValueError(f"{what}: Expected theta to have floating point type, but got {t.dtype}")
    n = len(shape) - 2
    if n not in (2, 3):
        raise NotImplementedError(
            f"{what}: only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{shape}."
        )
    if tuple(t.shape) != (shape[0], n, n + 1):
        fits = t.ndim == 3 and tuple(t.shape[1:]) == (n, n + 1)
        raise (RuntimeError if fits else ValueError)(
            f"{what}: Expected a batch of {n}D affine matrices of shape {(shape[0], n, n + 1)} for size "
            f"{shape}. Got {tuple(t.shape)}."
        )
    if min(shape) <= 0:
        raise ValueError(f"{what}: Expected non-zero, positive output size. Got {shape}")
    base = _base(shape[2:], _corners(what, align_corners), t.dtype)
    grid: Tensor = matmul(flat(base, 1, numel(shape[2:]), n + 1), t.transpose(1, 2))
    return flat(grid, shape[0], *shape[2:], n)


def _base(spatial: Shape, corners: bool, d: DType) -> Tensor:
    """x, y (z) and 1 at each element."""
    axes = []
    for i, extent in enumerate(spatial):
        along = linspace(-1, 1, extent, dtype=d) if extent > 1 else ones(1, dtype=d) * 0
        along = along if corners else along * ((extent - 1) / extent)
        axes.append(flat(along, *(extent if k == i else 1 for k in range(len(spatial)))).expand(spatial))
    return stack([*reversed(axes), ones(spatial, dtype=d)], -1)
