"""Statistics: quantiles, the commonest element, histograms, covariances, distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..core import dtype as dt
from ..core.dtype import dtype as DType
from ..core.ghost import found_anywhere
from ..core.tensor import Tensor
from ..ops import index as index_ops
from ..ops import reduction as ops
from ..ops.creation import full
from ..ops.op import check_tensor, wrap_dim
from . import return_types
from .calling import deliver, numpy_names
from .casting import in_float32
from .choice import choose
from .linear import matmul
from .pointwise import isnan
from .ranges import arange, linspace
from .reduction import cummax, nansum, norm
from .shape import flatten, movedim, reshape, squeeze, unsqueeze
from .sorting import _single, median, searchsorted, sort

Dim = Any
INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")

# ----- quantiles -----


@numpy_names
@in_float32
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The values below which a share `q` of the elements lies, of all or along a dimension.

    With n elements in order x[0], x[1], … the q-quantile is at x[q (n - 1)], by `interpolation` between the
    neighbours of a broken position. A vector of shares gives a new first dimension. NaN where there is one.
    RuntimeError for shares outside of [0, 1], or other dtypes than float32 and float64.

    >>> import flambeau as torch
    >>> torch.quantile(torch.tensor([1., 2., 3., 4.]), 0.5)
    tensor(2.5000)
    """
    return deliver("quantile", _quantile("quantile", input, q, dim, keepdim, interpolation, False), out)


@numpy_names
@in_float32
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """`quantile` of the elements that aren't NaN.

    >>> import flambeau as torch
    >>> torch.nanquantile(torch.tensor([1., float('nan'), 3.]), 0.5)
    tensor(2.)
    """
    return deliver("nanquantile", _quantile("nanquantile", input, q, dim, keepdim, interpolation, True), out)


def _shares(what: str, x: Tensor, q: Any) -> Tensor:
    """The shares as a tensor of `x`'s dtype, after the checks."""
    if x.dtype not in (dt.float32, dt.float64):
        raise RuntimeError(f"{what}() input tensor must be either float or double dtype, got {x.dtype}")
    if x.numel() == 0:
        raise RuntimeError(f"{what}() input tensor must be non-empty, got shape {tuple(x.shape)}")
    if not isinstance(q, Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{what}() q must be in the range [0, 1] but got {q}")
        return full(q, (), x.dtype)
    if q.ndim > 1 or q.dtype is not x.dtype:
        raise RuntimeError(
            f"{what}() q must be a scalar or vector of the input's dtype {x.dtype}, got {q.dtype} of shape "
            f"{tuple(q.shape)}"
        )
    if found_anywhere(~((q >= 0) & (q <= 1))):
        raise RuntimeError(f"{what}() q values must be in the range [0, 1], got {q.tolist()}")
    return q


def _quantile(
    what: str, x: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str, without_nan: bool
) -> Tensor:
    shares = _shares(what, check_tensor(what, "input", x), q)
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(
            f"{what}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got "
            f"{interpolation}"
        )
    if dim is None:
        rows, kept = reshape(x, -1), (1,) * x.ndim
    else:
        dim = wrap_dim(what, dim, x.ndim)
        rows = movedim(x, dim, -1) if x.ndim else reshape(x, 1)
        kept = tuple(1 if d == dim else e for d, e in enumerate(x.shape))
    found = _at_shares(sort(rows, -1).values, reshape(shares, -1), interpolation, without_nan)
    found = movedim(found, -1, 0)
    if keepdim:
        found = reshape(found, shares.numel(), *kept)
    return found if shares.ndim else squeeze(found, 0)


def _at_shares(rows: Tensor, q: Tensor, interpolation: str, without_nan: bool) -> Tensor:
    """The quantiles of sorted rows, in which NaNs are last."""
    nan, last = isnan(rows), rows.shape[-1] - 1
    if without_nan:
        counts = ops.sum((~nan).to(q.dtype), (rows.ndim - 1,), True)
        ranks = q * (counts - 1).clamp_min(0)
    else:  # a NaN is every quantile
        ranks = choose(ops.any(nan, (rows.ndim - 1,), True), float(last), q * float(last))
    if interpolation == "nearest":
        ranks = ranks.round()
    elif interpolation in ("lower", "higher"):
        ranks = ranks.floor() if interpolation == "lower" else ranks.ceil()
    below = ranks.detach().floor()
    low = index_ops.gather(rows, below.to(dt.int64), rows.ndim - 1)
    if interpolation not in ("linear", "midpoint"):
        return low
    high = index_ops.gather(rows, ranks.detach().ceil().to(dt.int64), rows.ndim - 1)
    return low.lerp(high, ranks - below if interpolation == "linear" else full(0.5, (), q.dtype))


# ----- without NaN -----


@numpy_names
def nanmean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean of the elements that aren't NaN, of all or over dimensions.

    >>> import flambeau as torch
    >>> torch.tensor([1., float('nan'), 3.]).nanmean()
    tensor(2.)
    """
    if check_tensor("nanmean", "input", input).dtype.category < dt.FLOAT:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {input.dtype}"
        )
    count = ops.sum(~isnan(input.detach()), dim, keepdim)
    if isinstance(out, Tensor) and out.dtype.category < dt.FLOAT:
        raise NotImplementedError(f'"nansum_cpu" not implemented for {out.dtype.name}: out= must hold floats')
    return deliver("nanmean", nansum(input, dim, keepdim, dtype=dtype) / count, out)


@numpy_names
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """`median` of the elements that aren't NaN.

    >>> import flambeau as torch
    >>> torch.tensor([1., float('nan'), 3.]).nanmedian()
    tensor(1.)
    """
    if check_tensor("nanmedian", "input", input).dtype.category < dt.FLOAT or not input.numel():
        return median(input, dim, keepdim, out=out)
    if dim is None:
        flat = reshape(input, -1)
        middle = _nanmedian(flat.detach(), 0, False, None).values
        same = (flat == middle) | (isnan(flat) & isnan(middle))
        return ops.amax(choose(same, flat, -math.inf))  # equal elements share the gradient
    return _nanmedian(input, wrap_dim("nanmedian", dim, input.ndim), keepdim, out)


def _nanmedian(x: Tensor, dim: int, keepdim: bool, out: Any) -> Any:
    if not x.ndim:
        return _single("nanmedian", x, x.new_zeros((), dtype=dt.int64), dim, keepdim, out)
    counts = ops.sum(~isnan(x.detach()), (dim,), True)
    places = (counts - 1).clamp_min(0).bitwise_right_shift(1)
    order = index_ops.argsort(x, dim, False, True)
    return _single("nanmedian", x, index_ops.gather(order, places, dim), dim, keepdim, out)


@numpy_names
def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The commonest element along a dimension (the smallest of equally common ones), and where it is last.

    >>> import flambeau as torch
    >>> torch.mode(torch.tensor([3, 1, 3, 1, 2])).values
    tensor(1)
    """
    dim = wrap_dim("mode", dim, check_tensor("mode", "input", input).ndim)
    if input.ndim and not input.shape[dim]:
        raise IndexError(f"mode(): Expected reduction dim {dim} to have non-zero size.")
    if not input.ndim:
        return _single("mode", input, input.new_zeros((), dtype=dt.int64), dim, keepdim, out)
    order = index_ops.argsort(input, dim, False, True)
    ordered = index_ops.gather(input.detach(), order, dim)
    n, wide = input.shape[dim], [-1 if d == dim else 1 for d in range(input.ndim)]
    place = reshape(arange(n), *wide)
    same = (ordered == ordered.roll(1, dim)) & (place > 0)
    start = cummax(choose(same, 0, place), dim).values  # where the run of equal elements began
    longest = ops.argmax(place - start, dim, True)
    return _single("mode", input, index_ops.gather(order, longest, dim), dim, keepdim, out)


# ----- histograms -----


def _float_only(what: str, x: Tensor) -> Tensor:
    if check_tensor(what, "input", x).dtype not in (dt.float16, dt.bfloat16, dt.float32, dt.float64):
        raise NotImplementedError(
            f'{what}: "{what}_cpu" not implemented for dtype {x.dtype}; convert with .float()'
        )
    return x


def _limits(what: str, range: Sequence[float], margin: float) -> tuple[float, float]:
    """The range of the bins after the checks, with a margin if it is a point."""
    low, high = float(range[0]), float(range[1])
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"torch.{what}: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"torch.{what}: max must be larger than min, got [{low}, {high}]")
    return (low - margin, high + margin) if low == high else (low, high)


def histc(
    input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None
) -> Tensor:
    """How many elements lie in each of `bins` equal intervals from `min` to `max` (of the data if both are
    equal). Elements outside aren't counted; `max` belongs to the last interval.

    >>> import flambeau as torch
    >>> torch.histc(torch.tensor([1., 2., 1.]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    x = reshape(_float_only("histc", input).detach(), -1)
    if bins <= 0:
        raise RuntimeError(f"torch.histc(): bins must be > 0, got {bins}")
    found = min == max and x.numel()
    low, high = _limits("histc", (ops.amin(x).item(), ops.amax(x).item()) if found else (min, max), 1)
    inside = (x >= low) & (x <= high)
    place = ((choose(inside, x, low) - low) * (bins / (high - low))).to(dt.int64).clamp_max(bins - 1)
    return deliver("histc", _counted(place, inside.to(x.dtype), bins), out)


def _counted(place: Tensor, weight: Tensor, bins: int) -> Tensor:
    """The sum of the weights at each place."""
    return index_ops.scatter_add(weight.new_zeros(bins), place, weight, 0)


def _edges(what: str, x: Tensor, bins: Any, range: Sequence[float] | None) -> Tensor:
    """The edges of the bins of a vector: given, or of so many equal intervals over a range."""
    if isinstance(bins, Tensor):
        if range is not None:
            raise TypeError(f"{what}(): range can't be given together with the edges of the bins")
        if bins.ndim != 1 or not bins.numel() or bins.dtype is not x.dtype:
            raise RuntimeError(
                f"{what}(): bins should be a vector of the input's dtype {x.dtype}, got {bins.dtype} of "
                f"shape {tuple(bins.shape)}"
            )
        return bins
    if bins <= 0:
        raise RuntimeError(f"{what}(): bins must be > 0, but got {bins}")
    if range is None and x.numel():
        range = ops.amin(x).item(), ops.amax(x).item()
    low, high = (float(x.dtype.np.type(v)) for v in _limits(f"{what}()", range or (0, 1), 0.5))
    return linspace(low, high, bins + 1, dtype=x.dtype)


def _places(x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """The number of the bin that each element of a vector lies in, and whether it lies in one at all."""
    bins = edges.numel() - 1
    inside = (x >= edges[0]) & (x <= edges[-1])
    place = (searchsorted(edges, x, right=True) - 1).clamp(0, max(bins - 1, 0))
    return place, inside


def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: Any = None,
) -> Any:
    """How many elements (or the sum of their weights) lie in each bin, and the edges of the bins.

    `bins` is a number of equal intervals over `range` (that of the data unless given) or a sorted vector of
    edges. `density`: divided by the total and by the widths of the bins.

    >>> import flambeau as torch
    >>> torch.histogram(torch.tensor([1., 2., 1.]), 4, range=(0., 4.)).hist
    tensor([0., 2., 1., 0.])
    """
    x = reshape(_float_only("histogram", input).detach(), -1)
    edges = _edges("histogram", x, bins, range)
    hist = _histogram("histogram", [x], [edges], input, weight, density)
    if out is not None:
        hist, edges = deliver("histogram", hist, out[0]), deliver("histogram", edges, out[1])
    return return_types.histogram(hist, edges)


def _histogram(
    what: str, xs: list[Tensor], edges: list[Tensor], input: Tensor, weight: Tensor | None, density: bool
) -> Tensor:
    """The histogram of points with coordinates `xs`."""
    if weight is not None and weight.dtype is not input.dtype:
        raise RuntimeError(
            f"torch.{what}(): if weight tensor is provided, it should have the same dtype {input.dtype} as "
            f"the input, got {weight.dtype}"
        )
    points = xs[0].numel()
    if weight is not None and weight.numel() != points:
        raise RuntimeError(
            f"torch.{what}(): the weight tensor should have one weight for each of the {points} "
            f"points, got shape {tuple(weight.shape)}"
        )
    place, inside, shape = full(0, (points,), dt.int64), full(True, (points,), dt.bool_), []
    for x, e in zip(xs, edges, strict=True):
        shape.append(e.numel() - 1)
        one, there = _places(x, e)
        place, inside = place * shape[-1] + one, inside & there
    each = full(1, (), input.dtype) if weight is None else reshape(weight.detach(), -1)
    counted = choose(inside, each, 0).to(input.dtype)
    hist = reshape(_counted(place, counted, math.prod(shape)), *shape)
    return _density(hist, edges) if density else hist


def _density(hist: Tensor, edges: list[Tensor]) -> Tensor:
    hist = hist / ops.sum(hist)
    for d, e in enumerate(edges):
        hist = hist / reshape(e[1:] - e[:-1], *[-1 if i == d else 1 for i, _ in enumerate(edges)])
    return hist


def histogramdd(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """The histogram of points in several dimensions (the last of `input`): counts, and the edges along each.

    `bins` is a number for all dimensions, a number for each, or a vector of edges for each; `range` has two
    numbers for each dimension.

    >>> import flambeau as torch
    >>> torch.histogramdd(torch.tensor([[0., 1.], [1., 0.], [1., 1.]]), [2, 2]).hist
    tensor([[0., 1.],
            [1., 1.]])
    """
    if _float_only("histogramdd", input).ndim < 2:
        raise RuntimeError(
            f"torch.histogramdd: input should have at least 2 dimensions, got shape {tuple(input.shape)}"
        )
    count = input.shape[-1]
    each = [bins] * count if isinstance(bins, int) else list(bins)
    if len(each) != count or (range is not None and len(range) != 2 * count):
        raise RuntimeError(
            f"torch.histogramdd: expected {count} vectors of edges (or numbers of bins) and {2 * count} "
            f"limits for points of {count} coordinates, got {len(each)} and {range}"
        )
    points = flatten(input.detach(), 0, -2)
    xs = [points[:, i] for i, _ in enumerate(each)]
    limits = [None if range is None else range[2 * i : 2 * i + 2] for i, _ in enumerate(each)]
    edges = [_edges("histogramdd", x, b, r) for x, b, r in zip(xs, each, limits, strict=True)]
    return return_types.histogramdd(
        _histogram("histogramdd", xs, edges, input, weight, density), tuple(edges)
    )


# ----- covariances -----


def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """The covariances of variables (rows) over observations (columns), divided by n - correction.

    `fweights` says how often each observation counts (whole numbers), `aweights` how important it is.

    >>> import flambeau as torch
    >>> torch.cov(torch.tensor([[0., 1., 2.], [2., 1., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if check_tensor("cov", "input", input).ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim}"
        )
    if input.dtype is dt.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input; convert with .float()")
    x = reshape(input, 1, -1) if input.ndim < 2 else input
    weights = _weights(x, fweights, aweights)
    n = x.shape[1]
    if weights is None:
        total: Any = n
        centred = x - ops.mean(
            x if x.dtype.category >= dt.FLOAT else x.to(dt.get_default_dtype()), (1,), True
        )
        weighted, rest = centred, float(n - correction)
    else:
        total = weights.sum()
        centred = x - (x * weights).sum(1, keepdim=True) / total
        weighted = centred * weights
        rest = total - correction * (1 if aweights is None else (weights * aweights).sum() / total)
    rest = rest.clamp_min(0) if isinstance(rest, Tensor) else max(rest, 0.0)
    return squeeze(matmul(centred, weighted.T.conj()) / rest)


def _weights(x: Tensor, fweights: Tensor | None, aweights: Tensor | None) -> Tensor | None:
    """The weight of each observation; None if all weigh the same."""
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if (w.dtype.category == dt.INTEGER) != (name == "fweights") or w.ndim > 1 or w.is_complex():
            kind = "integral" if name == "fweights" else "floating point"
            raise RuntimeError(
                f"cov(): expected {name} to be a vector of {kind} dtype but got {w.dtype} of shape "
                f"{tuple(w.shape)}"
            )
        if w.numel() != x.shape[1]:
            raise RuntimeError(
                f"cov(): expected {name} to have an element for each of {x.shape[1]} observations, but "
                f"got {w.numel()}"
            )
        if w.numel() and bool((w < 0).any().item()):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights * aweights


def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation coefficients of variables (rows) over observations (columns).

    >>> import flambeau as torch
    >>> torch.corrcoef(torch.tensor([[0., 1., 2.], [2., 1., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if check_tensor("corrcoef", "input", input).ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim}"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c
    spread = c.diagonal()
    spread = (spread.real if c.is_complex() else spread).sqrt()
    c = c / unsqueeze(spread, 1) / unsqueeze(spread, 0)
    if c.is_complex():
        from .choice import complex

        return complex(c.real.clamp(-1, 1), c.imag.clamp(-1, 1))
    return c.clamp(-1, 1)


# ----- distances -----


def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of input - other.

    >>> import flambeau as torch
    >>> torch.dist(torch.tensor([1., 2.]), torch.tensor([4., 6.]))
    tensor(5.)
    """
    return norm(input - check_tensor("dist", "other", other), p)


def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None) -> Tensor:
    """The slices along `dim` whose p-norm exceeds `maxnorm` scaled down to it.

    >>> import flambeau as torch
    >>> torch.renorm(torch.tensor([[3., 4.], [0.3, 0.4]]), 2, 0, 1.)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    if p <= 0:
        raise RuntimeError(f"renorm: non-positive-norm not supported, got p = {p}")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if check_tensor("renorm", "input", input).ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions of shape "
            f"{tuple(input.shape)}"
        )
    dim = wrap_dim("renorm", dim, input.ndim)
    size = norm(input, p, tuple(d for d in range(input.ndim) if d != dim), True)
    factor = choose(size > maxnorm, maxnorm / (size + 1e-7), 1.0)
    return deliver("renorm", input * factor.to(input.dtype), out)
