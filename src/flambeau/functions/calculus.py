"""Differences and sums of sampled functions: derivatives and integrals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import dtype as dt
from ..core.tensor import Tensor
from ..ops.op import check_tensor, wrap_dim
from .calling import deliver, numpy_names
from .joining import cat
from .reduction import cumsum
from .reduction import sum as sum_
from .shape import narrow, reshape


@numpy_names
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """The n-th differences of neighbours along a dimension: x[i + 1] - x[i], taken n times.

    `prepend` and `append` are joined to the input first. Of truth values: where they change.

    >>> import flambeau as torch
    >>> torch.diff(torch.tensor([1, 4, 9, 16]))
    tensor([3, 5, 7])
    """
    if check_tensor("diff", "input", input).ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative but got {n}")
    dim = wrap_dim("diff", dim, input.ndim)
    parts = [x for x in (prepend, input, append) if x is not None and n]
    if any(x.ndim != input.ndim for x in parts):
        raise RuntimeError(
            f"diff expects prepend or append to be the same dimension as input: {[x.ndim for x in parts]}"
        )
    x = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        before, after = _neighbours(x, dim)
        x = after ^ before if x.dtype is dt.bool_ else after - before
    return deliver("diff" if n else "alias_copy", x.clone() if x is input else x, out)


def _neighbours(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """All elements but the last, and all but the first, along `dim`."""
    count = max(x.shape[dim] - 1, 0)
    return narrow(x, dim, 0, count), narrow(x, dim, x.shape[dim] - count, count)


# ----- integrals -----


def _widths(what: str, x: Tensor, y: Tensor, dim: int) -> Tensor:
    """The distances of sample points `x` (a vector along `dim`, or a tensor that broadcasts with `y`)."""
    if x.ndim == 0:
        raise IndexError(f"{what}: x must have at least one dimension, got a 0-d tensor")
    if x.ndim == 1 and y.ndim != 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                f"{what}: There must be one `x` value for each sample point, got {x.shape[0]} for "
                f"{y.shape[dim]}"
            )
        x = reshape(x, *[-1 if d == dim else 1 for d in range(y.ndim)])
    elif x.ndim < y.ndim:
        x = reshape(x, *(1,) * (y.ndim - x.ndim), *x.shape)
    before, after = _neighbours(x, dim if x.ndim == y.ndim else dim - y.ndim + x.ndim)
    return after - before


def _areas(what: str, y: Tensor, x: Tensor | None, dx: Any, dim: int) -> Tensor:
    """Twice the area of each trapezoid between neighbours along `dim`."""
    if check_tensor(what, "y", y).dtype is dt.bool_ or (x is not None and x.dtype is dt.bool_):
        raise RuntimeError(f"{what}: received a bool input for `x` or `y`, but bool is not supported")
    if x is not None and dx is not None:
        raise TypeError(f"{what}(): give the sample points `x` or their distance `dx`, not both")
    before, after = _neighbours(y, dim)
    width = _widths(what, x, y, dim) if x is not None else 1 if dx is None else dx
    return (before + after) * width


@numpy_names
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integral along a dimension by the trapezoidal rule: sum((x[i + 1] - x[i]) (y[i] + y[i + 1]) / 2).

    The samples lie at `x`, or `dx` (1 unless given) apart.

    >>> import flambeau as torch
    >>> torch.trapezoid(torch.tensor([1., 5., 10.]))
    tensor(10.5000)
    """
    dim = wrap_dim("trapezoid", dim, y.ndim)
    if y.ndim and y.shape[dim] == 0:
        return y.new_zeros([e for d, e in enumerate(y.shape) if d != dim])
    return sum_(_areas("trapezoid", y, x, dx, dim), dim) / 2.0


def trapz(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The older name of `trapezoid`.

    >>> import flambeau as torch
    >>> torch.trapz(torch.tensor([1., 5., 10.]), dx=2)
    tensor(21.)
    """
    return trapezoid(y, x, dx=dx, dim=dim)


@numpy_names
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = None, dim: int = -1) -> Tensor:
    """The integrals from the first sample to each of the others (see `trapezoid`).

    >>> import flambeau as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1., 5., 10.]))
    tensor([ 3.0000, 10.5000])
    """
    dim = wrap_dim("cumulative_trapezoid", dim, y.ndim)
    return cumsum(_areas("cumulative_trapezoid", y, x, dx, dim), dim) / 2.0


# ----- derivatives -----


def gradient(
    input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The derivatives of a sampled function along dimensions (all unless given), to second order inside.

    `spacing`: the distance of samples (1 unless given), one for each dimension, or a vector of coordinates
    for each. At the edges the differences are one-sided, of first or second `edge_order`.
    With distances a before and b after a sample, f' = (a² f[i+1] + (b² - a²) f[i] - b² f[i-1]) / (a b (a+b)).

    >>> import flambeau as torch
    >>> torch.gradient(torch.tensor([1., 4., 9., 16.]))
    (tensor([3., 4., 6., 7.]),)
    """
    rank = check_tensor("gradient", "input", input).ndim
    dims = range(rank) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    along = [wrap_dim("gradient", d, rank) for d in dims]
    if len(set(along)) != len(along):
        raise RuntimeError(f"gradient: dim {list(dims)} appears multiple times in the list of dims")
    steps = _spacings(spacing, len(along))
    _check_samples(input, along, steps, edge_order)
    return tuple(_slope(input, d, s, edge_order) for d, s in zip(along, steps, strict=True))


def _spacings(spacing: Any, count: int) -> list[Any]:
    if isinstance(spacing, Sequence):
        if len(spacing) != count:
            raise RuntimeError(
                f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length {count}, "
                f"but got a list of length {len(spacing)}"
            )
        return list(spacing)
    if isinstance(spacing, Tensor):
        if spacing.ndim:
            raise TypeError(
                f"gradient(): spacing must be a number or a sequence, got a Tensor of shape "
                f"{tuple(spacing.shape)}; write (spacing,)"
            )
        spacing = spacing.item()
    return [1 if spacing is None else spacing] * count


def _check_samples(x: Tensor, along: list[int], steps: list[Any], edge_order: int) -> None:
    if edge_order not in (1, 2):
        raise RuntimeError(f"torch.gradient only supports edge_order=1 and edge_order=2, got {edge_order}")
    for d, step in zip(along, steps, strict=True):
        extent = x.shape[d] if x.ndim else 1
        if extent <= edge_order:
            raise RuntimeError(
                f"torch.gradient expected each dimension size to be at least edge_order+1 = "
                f"{edge_order + 1}, but dimension {d} has {extent}"
            )
        if isinstance(step, Tensor) and tuple(step.shape) != (extent,):
            raise RuntimeError(
                f"torch.gradient expected each element of spacing to have one dimension and {extent} "
                f"elements, as many as samples, but got shape {tuple(step.shape)}"
            )


def _slope(f: Tensor, dim: int, step: Any, edge_order: int) -> Tensor:
    """The derivative along one dimension."""
    n = f.shape[dim]

    def at(i: int, count: int = 1) -> Tensor:
        return narrow(f, dim, i, count)

    if isinstance(step, Tensor):
        before, after = _neighbours(step, 0)
        h = reshape(after - before, *[-1 if d == dim else 1 for d in range(f.ndim)])
        gaps = [narrow(h, dim, min(max(i, 0), n - 2), 1) for i in (0, 1, n - 2, n - 3)]
        a, b = _neighbours(h, dim)
        bent = a * a * at(2, n - 2) + (b * b - a * a) * at(1, n - 2) - b * b * at(0, n - 2)
        middle = bent / (a * b * (a + b))
    else:
        gaps = [step] * 4
        middle = (at(2, n - 2) - at(0, n - 2)) / step / 2
    if edge_order == 1:
        first, last = (at(1) - at(0)) / gaps[0], (at(n - 1) - at(n - 2)) / gaps[2]
    else:
        first = _edge_slope(at(0), at(1), at(2), gaps[0], gaps[1])
        last = -_edge_slope(at(n - 1), at(n - 2), at(n - 3), gaps[2], gaps[3])
    return cat([first, middle, last], dim)


def _edge_slope(f0: Tensor, f1: Tensor, f2: Tensor, a: Any, b: Any) -> Tensor:
    """The derivative at the first of three samples, which lie `a` and then `b` apart: of the parabola through
    them."""
    return f1 * ((a + b) / (a * b)) - f0 * ((2 * a + b) / (a * (a + b))) - f2 * (a / (b * (a + b)))
