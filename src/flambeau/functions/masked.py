"""Reductions and normalisations that pass over elements: those where a mask is false."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor
from ..ops.op import check_tensor, wrap_dim, wrap_dims
from . import norms, pointwise, reduction, statistics
from .choice import choose
from .shape import broadcast_to

Dim = Any
Mask = Tensor | None


def _seen(what: str, x: Tensor, mask: Mask) -> Tensor:
    """The mask in the input's shape."""
    if check_tensor(what, "input", x).ndim < check_tensor(what, "mask", mask).ndim:
        raise IndexError(
            f"{what}: expected a mask that broadcasts to the input's shape {tuple(x.shape)}, but its "
            f"dimensionality is higher: {None if mask is None else tuple(mask.shape)}"
        )
    assert mask is not None
    return broadcast_to(mask.bool(), x.shape)


def _without(what: str, x: Tensor, mask: Mask, neutral: Any) -> Tensor:
    """The input with a number that doesn't count in place of what is passed over."""
    return x if mask is None else choose(_seen(what, x, mask), x, neutral).to(x.dtype)


def _extreme(x: Tensor, low: bool) -> Any:
    """The lowest or the highest number of the input's dtype."""
    if x.dtype.category >= dt.FLOAT:
        return -math.inf if low else math.inf
    if x.dtype.category == dt.BOOL:
        raise NotImplementedError("masked: extremes of torch.bool have no neutral element; use .int()")
    limits = np.iinfo(x.dtype.np)
    return int(limits.min if low else limits.max)


def sum(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Mask = None
) -> Tensor:
    """The sum over all elements, or over dimensions; 0 for none.

    >>> import flambeau as torch
    >>> torch.masked.sum(torch.tensor([1, 2]), mask=torch.tensor([True, False]))
    tensor(1)
    """
    return reduction.sum(_without("sum", input, mask, 0), dim, bool(keepdim), dtype=dtype)


def prod(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Mask = None
) -> Tensor:
    """The product over all elements, or over dimensions; 1 for none.

    >>> import flambeau as torch
    >>> torch.masked.prod(torch.tensor([2, 3]), mask=torch.tensor([True, False]))
    tensor(2)
    """
    dims = wrap_dims("prod", dim, input.ndim)
    x = _without("prod", input, mask, 1)
    return reduction.prod(x, dims or None, bool(keepdim), dtype=dtype)


def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Mask = None) -> Tensor:
    """Running sums along a dimension, in the input's dtype.

    >>> import flambeau as torch
    >>> torch.masked.cumsum(torch.tensor([1, 2, 3]), 0, mask=torch.tensor([True, False, True]))
    tensor([1, 1, 4])
    """
    d = dtype or input.dtype
    return reduction.cumsum(_without("cumsum", input, mask, 0), dim, dtype=d)


def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Mask = None) -> Tensor:
    """Running products along a dimension, in the input's dtype.

    >>> import flambeau as torch
    >>> torch.masked.cumprod(torch.tensor([2, 3, 4]), 0, mask=torch.tensor([True, False, True]))
    tensor([2, 2, 8])
    """
    d = dtype or input.dtype
    return reduction.cumprod(_without("cumprod", input, mask, 1), dim, dtype=d)


def amax(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Mask = None
) -> Tensor:
    """The largest element; the dtype's lowest number for none.

    >>> import flambeau as torch
    >>> torch.masked.amax(torch.tensor([1, 2]), mask=torch.tensor([True, False]))
    tensor(1)
    """
    x = input if mask is None else _without("amax", input, mask, _extreme(input, True))
    return reduction.amax(x, wrap_dims("amax", dim, x.ndim), bool(keepdim)).to(dtype or input.dtype)


def amin(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Mask = None
) -> Tensor:
    """The smallest element; the dtype's highest number for none.

    >>> import flambeau as torch
    >>> torch.masked.amin(torch.tensor([1, 2]), mask=torch.tensor([False, True]))
    tensor(2)
    """
    x = input if mask is None else _without("amin", input, mask, _extreme(input, False))
    return reduction.amin(x, wrap_dims("amin", dim, x.ndim), bool(keepdim)).to(dtype or input.dtype)


def argmax(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: DType | None = None,
    mask: Mask = None,
) -> Tensor:
    """Where the largest element is, as a number of the input's dtype.

    >>> import flambeau as torch
    >>> torch.masked.argmax(torch.tensor([1, 2]), mask=torch.tensor([True, False]))
    tensor(0)
    """
    x = input if mask is None else _without("argmax", input, mask, _extreme(input, True))
    return reduction.argmax(x, dim, bool(keepdim)).to(dtype or input.dtype)


def argmin(
    input: Tensor,
    dim: int | None = None,
    *,
    keepdim: bool = False,
    dtype: DType | None = None,
    mask: Mask = None,
) -> Tensor:
    """Where the smallest element is, as a number of the input's dtype.

    >>> import flambeau as torch
    >>> torch.masked.argmin(torch.tensor([1, 2]), mask=torch.tensor([False, True]))
    tensor(1)
    """
    x = input if mask is None else _without("argmin", input, mask, _extreme(input, False))
    return reduction.argmin(x, dim, bool(keepdim)).to(dtype or input.dtype)


# ----- statistics -----


def _count(what: str, x: Tensor, mask: Mask, dim: Dim, keepdim: bool) -> Tensor:
    """How many elements aren't passed over."""
    seen = x.detach().new_ones(x.shape, dtype=dt.bool_) if mask is None else _seen(what, x, mask)
    return reduction.sum(seen, dim, keepdim)


def mean(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Mask = None
) -> Tensor:
    """The mean of all elements, or over dimensions; NaN for none. ValueError for whole numbers.

    >>> import flambeau as torch
    >>> torch.masked.mean(torch.tensor([1., 3., 9.]), mask=torch.tensor([True, True, False]))
    tensor(2.)
    """
    d = dtype or input.dtype
    if d.category < dt.FLOAT:
        raise ValueError(
            f"mean(): Could not infer output dtype: it must be either a floating point or complex dtype. "
            f"Got: {d}"
        )
    count = _count("mean", input, mask, dim, bool(keepdim))
    return sum(input, dim, keepdim=keepdim, dtype=d, mask=mask) / count


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: DType | None = None, mask: Mask = None
) -> Tensor:
    """The lower of the middle elements along a dimension; NaN for none, which whole numbers don't have
    (ValueError).

    >>> import flambeau as torch
    >>> torch.masked.median(torch.tensor([1., 3., 9.]), 0, mask=torch.tensor([True, False, True]))
    tensor(1.)
    """
    x = input if input.dtype.is_floating_point else input.to(dt.float32)
    found = statistics.nanmedian(_without("median", x, mask, math.nan), dim, keepdim).values
    if input.dtype.is_floating_point:
        return found
    if pointwise.isnan(found).any().item():
        raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
    return found.to(dtype or input.dtype)


def var(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool | None = None,
    *,
    correction: Any = None,
    keepdim: bool = False,
    dtype: DType | None = None,
    mask: Mask = None,
) -> Tensor:
    """The variance: squared deviations from the mean, summed over n - correction (default 1).

    >>> import flambeau as torch
    >>> torch.masked.var(torch.tensor([1., 3., 9.]), mask=torch.tensor([True, True, False]))
    tensor(2.)
    """
    if unbiased is not None and correction is not None:
        raise RuntimeError("var: Only one argument of unbiased and correction may be given")
    d = dtype or (input.dtype if input.dtype.category >= dt.FLOAT else dt.float32)
    x = input.to(d)
    deviation = x - mean(x, dim, keepdim=True, mask=mask)
    squares = deviation * deviation.conj()
    total = sum(squares.real if d.is_complex else squares, dim, keepdim=keepdim, mask=mask)
    correction = correction if correction is not None else 1 if unbiased is None else int(unbiased)
    rest = (_count("var", x, mask, dim, bool(keepdim)) - correction).clamp_min(0)
    return (total / rest).to(d)


def std(
    input: Tensor,
    dim: Dim = None,
    unbiased: bool | None = None,
    *,
    correction: Any = None,
    keepdim: bool = False,
    dtype: DType | None = None,
    mask: Mask = None,
) -> Tensor:
    """The square root of the variance.

    >>> import flambeau as torch
    >>> torch.masked.std(torch.tensor([1., 5., 9.]), mask=torch.tensor([True, False, True]), correction=0)
    tensor(4.)
    """
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Dim = None,
    *,
    keepdim: bool = False,
    dtype: DType | None = None,
    mask: Mask = None,
) -> Tensor:
    """The norm (sum |x|^ord)^(1/ord) over all elements, or over dimensions.

    >>> import flambeau as torch
    >>> torch.masked.norm(torch.tensor([3., 4., 9.]), mask=torch.tensor([True, True, False]))
    tensor(5.)
    """
    order = 2.0 if ord is None else ord
    x = _without("norm", input, mask, math.inf if order == -math.inf else 0)
    return norms.vector_norm(x, order, wrap_dims("norm", dim, x.ndim), bool(keepdim), dtype=dtype)


def logsumexp(
    input: Tensor, dim: Dim = None, *, keepdim: bool = False, dtype: DType | None = None, mask: Mask = None
) -> Tensor:
    """log(sum(exp(x))) over all elements, or over dimensions.

    >>> import flambeau as torch
    >>> torch.masked.logsumexp(torch.tensor([0., 0., 9.]), mask=torch.tensor([True, True, False]))
    tensor(0.6931)
    """
    x = input if mask is None else _without("logsumexp", input, mask, _extreme(input, True))
    return reduction.logsumexp(x, wrap_dims("logsumexp", dim, x.ndim), keepdim).to(dtype or input.dtype)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: DType | None = None,
    input_mask: Mask = None,
    other_mask: Mask = None,
) -> Tensor:
    """log(exp(input) + exp(other)), each without what its own mask passes over.

    >>> import flambeau as torch
    >>> torch.masked.logaddexp(torch.tensor([1.]), torch.tensor([2.]), other_mask=torch.tensor([False]))
    tensor([1.])
    """
    x, y = (
        t if mask is None else _without("logaddexp", t, mask, _extreme(t, True))
        for t, mask in ((input, input_mask), (other, other_mask))
    )
    return pointwise.logaddexp(x, y).to(dtype or input.dtype)


# ----- normalised -----


def softmax(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Mask = None) -> Tensor:
    """exp(x) / sum(exp(x)) along a dimension, 0 where elements are passed over.

    >>> import flambeau as torch
    >>> torch.masked.softmax(torch.tensor([1., 1., 9.]), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    x = input if mask is None else _without("softmax", input, mask, _extreme(input, True))
    return reduction.softmax(x, wrap_dim("softmax", dim, x.ndim), dtype=dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Mask = None) -> Tensor:
    """log(softmax(x)) along a dimension, -inf where elements are passed over.

    >>> import flambeau as torch
    >>> torch.masked.log_softmax(torch.tensor([1., 1., 9.]), 0, mask=torch.tensor([True, True, False]))
    tensor([-0.6931, -0.6931,    -inf])
    """
    x = input if mask is None else _without("log_softmax", input, mask, _extreme(input, True))
    return reduction.log_softmax(x, wrap_dim("log_softmax", dim, x.ndim), dtype=dtype)


def softmin(input: Tensor, dim: int, *, dtype: DType | None = None, mask: Mask = None) -> Tensor:
    """softmax(-x) along a dimension.

    >>> import flambeau as torch
    >>> torch.masked.softmin(torch.tensor([1., 1., -9.]), 0, mask=torch.tensor([True, True, False]))
    tensor([0.5000, 0.5000, 0.0000])
    """
    x = input if mask is None else _without("softmin", input, mask, _extreme(input, False))
    return reduction.softmax(-x, wrap_dim("softmin", dim, x.ndim), dtype=dtype)


def normalize(
    input: Tensor,
    ord: float,
    dim: int,
    *,
    eps: float = 1e-12,
    dtype: DType | None = None,
    mask: Mask = None,
) -> Tensor:
    """The input divided by its norm along a dimension (at least `eps`), 0 where elements are passed over.

    >>> import flambeau as torch
    >>> torch.masked.normalize(torch.tensor([3., 4., 9.]), 2, 0, mask=torch.tensor([True, True, False]))
    tensor([0.6000, 0.8000, 0.0000])
    """
    x = _without("normalize", input if dtype is None else input.to(dtype), mask, 0)
    return x / norm(x, ord, dim, keepdim=True, mask=mask).clamp_min(eps)
