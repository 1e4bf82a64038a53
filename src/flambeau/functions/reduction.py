"""Reductions, statistics, running sums."""

from __future__ import annotations

import builtins
from typing import Any

from ..core import dtype as dt
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor
from ..ops import index as index_ops
from ..ops import reduction as ops
from ..ops.kinds import cast, opmath
from ..ops.op import check_tensor, wrap_dim, wrap_dims
from . import return_types
from .calling import deliver, numpy_names
from .casting import in_float32
from .shape import reshape

Dim = Any


def _cast(input: Tensor, d: DType | None) -> Tensor:
    return input if d is None or d is input._node.dtype else cast(input, d)


def _float_only(what: str, x: Tensor) -> Tensor:
    if x._node.dtype.category < dt.FLOAT:
        raise RuntimeError(
            f"{what}(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {x.dtype.name}; "
            "convert with .float()"
        )
    return x


@numpy_names
def sum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum over all elements, or over dimensions. Whole numbers are summed as int64.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 2], [3, 4]]).sum(0)
    tensor([4, 6])
    """
    x = _cast(check_tensor("sum", "input", input), dtype)
    r = ops.sum(x, dim, keepdim)
    return deliver("sum", _cast(r, dtype), out)


@numpy_names
def nansum(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The sum with NaN counting as 0.

    >>> import flambeau as torch
    >>> torch.tensor([1., float('nan')]).nansum()
    tensor(1.)
    """
    from .choice import (
        choose,
    )
    from .pointwise import (
        isnan,
    )

    if input._node.dtype.is_complex:
        raise RuntimeError(
            "nansum on CPU does not support complex inputs; sum the real and the imaginary part"
        )
    if isinstance(out, Tensor) and out.dtype.category < dt.FLOAT <= input.dtype.category:
        raise NotImplementedError(f'"nansum_cpu" not implemented for {out.dtype.name}: out= must hold floats')
    return deliver("nansum", sum(choose(isnan(input), 0, input), dim, keepdim, dtype=dtype), out)


@numpy_names
def mean(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The mean over all elements, or over dimensions. RuntimeError for whole numbers (convert them first).

    >>> import flambeau as torch
    >>> torch.tensor([1., 3.]).mean()
    tensor(2.)
    """
    return deliver("mean", ops.mean(_float_only("mean", _cast(input, dtype)), dim, keepdim), out)


@numpy_names
@in_float32
def prod(
    input: Tensor,
    dim: Dim = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The product of all elements, or along a dimension.

    >>> import flambeau as torch
    >>> torch.tensor([2, 3, 4]).prod()
    tensor(24)
    """
    return deliver("prod", _cast(ops.prod(_cast(input, dtype), dim, keepdim), dtype), out)


@numpy_names
def all(input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Whether all elements (along dimensions) are nonzero.

    >>> import flambeau as torch
    >>> torch.tensor([True, False]).all()
    tensor(False)
    """
    return deliver("all", ops.all(input, dim, keepdim), _truths("all", out))


@numpy_names
def any(input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Whether some element (along dimensions) is nonzero.

    >>> import flambeau as torch
    >>> torch.tensor([True, False]).any()
    tensor(True)
    """
    return deliver("any", ops.any(input, dim, keepdim), _truths("any", out))


def _truths(what: str, out: Tensor | None) -> Tensor | None:
    """`out`, if truth values may be written there."""
    if isinstance(out, Tensor) and out.dtype not in (dt.bool_, dt.uint8):
        raise RuntimeError(f"{what} only supports bool tensor for result, got: {out.dtype.name}")
    return out


def _some(what: str, x: Tensor, dim: Dim) -> Tensor:
    """The tensor; RuntimeError if all of its elements are asked for and there are none."""
    if x.numel() == 0 and (dim is None or dim == ()):
        raise RuntimeError(
            f"{what}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
            f"reduction dim with the 'dim' argument."
        )
    return x


@numpy_names
def amax(input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The largest element over dimensions; equal ones share the gradient.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 5], [3, 2]]).amax(1)
    tensor([5, 3])
    """
    return deliver("amax", ops.amax(_some("amax", input, dim), dim, keepdim), out)


@numpy_names
def amin(input: Tensor, dim: Dim = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The smallest element over dimensions; equal ones share the gradient.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 5], [3, 2]]).amin(1)
    tensor([1, 2])
    """
    return deliver("amin", ops.amin(_some("amin", input, dim), dim, keepdim), out)


@numpy_names
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """The smallest and the largest element, as (min, max).

    >>> import flambeau as torch
    >>> torch.aminmax(torch.tensor([1, 5])).max
    tensor(5)
    """
    x = _some("aminmax", input, dim)
    low, high = ops.amin(x, dim, keepdim), ops.amax(x, dim, keepdim)
    if out is not None:
        low, high = deliver("aminmax", low, out[0]), deliver("aminmax", high, out[1])
    return return_types.aminmax(low, high)


def _ordered(what: str, x: Tensor) -> Tensor:
    if x._node.dtype.category in (dt.BOOL, dt.COMPLEX):
        raise RuntimeError(f"{what}(): does not support {x.dtype.name} input")
    return x


@numpy_names
def argmax(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Where the (first) largest element is: its number in the flattened tensor, or along a dimension.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 5], [3, 2]]).argmax(1)
    tensor([1, 0])
    """
    return deliver("argmax", ops.argmax(_ordered("argmax", input), dim, keepdim), out)


@numpy_names
def argmin(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Tensor | None = None
) -> Tensor:
    """Where the (first) smallest element is: its number in the flattened tensor, or along a dimension.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 5], [3, 2]]).argmin(1)
    tensor([0, 1])
    """
    return deliver("argmin", ops.argmin(_ordered("argmin", input), dim, keepdim), out)


def _extreme(
    what: str, x: Tensor, dim: Dim, keepdim: bool, out: Any, position: Any, value: Any, pair: Any
) -> Any:
    """`max` and `min`: of all elements, of two tensors, or along a dimension with positions."""
    check_tensor(what, "input", x)
    if isinstance(dim, Tensor):
        return deliver(f"{what}imum", pair(x, dim), out)
    if dim is None:
        return deliver(f"{what}imum", value(_some(what, x, None), None, False), out)
    dim = wrap_dim(what, dim, x.ndim)
    position.check_dtype(x._node.dtype)
    of = getattr(return_types, what)
    if x.ndim == 0:
        values, i = x.clone(), x.new_zeros((), dtype=dt.int64)
    else:
        i = position(x, dim, True)
        values = index_ops.gather(x, i, dim)
    if x.ndim and not keepdim:
        shape = tuple(e for d, e in enumerate(x._node.shape) if d != dim)
        values, i = (
            reshape(values, *shape) if shape else reshape(values, ()),
            reshape(i, *shape) if shape else reshape(i, ()),
        )
    if out is not None:
        values, i = deliver(f"{what}.dim", values, out[0]), deliver(f"{what}.dim", i, out[1])
    return of(values, i)


@numpy_names
def max(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, other: Tensor | None = None, out: Any = None
) -> Any:
    """The largest element; along a dimension (values, indices); with another tensor the larger element by
    element.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 5], [3, 2]]).max(1).indices
    tensor([1, 0])
    """
    from .pointwise import maximum

    return _extreme(
        "max", input, dim if other is None else other, keepdim, out, ops.argmax, ops.amax, maximum
    )


@numpy_names
def min(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, other: Tensor | None = None, out: Any = None
) -> Any:
    """The smallest element; along a dimension (values, indices); with another tensor the smaller element by
    element.

    >>> import flambeau as torch
    >>> torch.tensor([[1, 5], [3, 2]]).min(1).values
    tensor([1, 2])
    """
    from .pointwise import minimum

    return _extreme(
        "min", input, dim if other is None else other, keepdim, out, ops.argmin, ops.amin, minimum
    )


# ----- statistics -----


def _correction(unbiased: Any, correction: Any) -> float:
    if correction is not None:
        return correction
    return 1 if unbiased is None or unbiased else 0


def _var(what: str, x: Tensor, dim: Dim, unbiased: Any, correction: Any, keepdim: bool) -> Tensor:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    _float_only(what, x)
    dims = wrap_dims(what, dim, x.ndim)
    n = 1
    for d in dims:
        n *= x._node.shape[d]
    v = ops.variance(x, dims, keepdim)
    left = n - _correction(unbiased, correction)
    if left == n:
        return v
    return v * (n / left if left > 0 else float("nan") if n <= 1 else float("inf"))


@numpy_names
def var(
    input: Tensor,
    dim: Dim = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The variance: squared deviations from the mean, summed over n - correction (default 1: Bessel's).

    >>> import flambeau as torch
    >>> torch.tensor([1., 2., 3.]).var()
    tensor(1.)
    """
    return deliver("var", _var("var", input, dim, unbiased, correction, keepdim), out)


def _root(variance: Tensor) -> Tensor:
    """The square root, with a gradient of zero at zero."""
    from .choice import choose

    return choose(variance != 0, variance, 0.0).sqrt()


@numpy_names
def std(
    input: Tensor,
    dim: Dim = None,
    unbiased: Any = None,
    keepdim: bool = False,
    *,
    correction: Any = None,
    out: Tensor | None = None,
) -> Tensor:
    """The square root of the variance.

    >>> import flambeau as torch
    >>> torch.tensor([1., 2., 3.]).std()
    tensor(1.)
    """
    return deliver("std", _root(_var("std", input, dim, unbiased, correction, keepdim)), out)


@numpy_names
def var_mean(
    input: Tensor, dim: Dim = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Any, ...]:
    """The variance and the mean.

    >>> import flambeau as torch
    >>> torch.var_mean(torch.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    return _var("var_mean", input, dim, unbiased, correction, keepdim), ops.mean(
        input, None if isinstance(dim, bool) else dim, keepdim
    )


@numpy_names
def std_mean(
    input: Tensor, dim: Dim = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> tuple[Any, ...]:
    """The standard deviation and the mean.

    >>> import flambeau as torch
    >>> torch.std_mean(torch.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    v, m = var_mean(input, dim, unbiased, keepdim, correction=correction)
    return _root(v), m


@numpy_names
def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """log(sum(exp(x))) over dimensions, without overflow.

    >>> import flambeau as torch
    >>> torch.logsumexp(torch.tensor([0., 0.]), 0)
    tensor(0.6931)
    """
    return deliver("logsumexp", ops.logsumexp(input, dim, keepdim), out)


@numpy_names
def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Dim = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: DType | None = None,
) -> Tensor:
    """The p-norm (sum |x|^p)^(1/p) over all elements or dimensions; "fro" is 2; inf, -inf and 0 are limits.

    "nuc" is the sum of the singular values of matrices.

    >>> import flambeau as torch
    >>> torch.tensor([3., 4.]).norm()
    tensor(5.)
    """
    x = _float_only("norm", _cast(input, dtype))
    if p == "nuc":
        from .norms import matrix_norm

        return matrix_norm(x, p, (-2, -1) if dim is None else dim, keepdim, out=out)
    p = 2 if p in ("fro", None) else p
    if isinstance(p, str):
        raise RuntimeError(
            f"norm: only valid string values are 'fro' and 'nuc', got {p!r}; see torch.linalg.matrix_norm"
        )
    a = x.abs()
    if builtins.abs(p) == float("inf"):
        _some("norm", x, dim)
    if p == float("inf"):
        r = ops.amax(a, dim, keepdim)
    elif p == float("-inf"):
        r = ops.amin(a, dim, keepdim)
    elif p == 0:
        r = ops.sum((a != 0).to(a.dtype), dim, keepdim)
    elif p == 1:
        r = ops.sum(a, dim, keepdim)
    elif p == 2:
        r = ops.euclid(x, dim, keepdim)
    else:
        r = _power_norm(a, p, dim, keepdim)
    return deliver("norm", r, out)


def _power_norm(a: Tensor, p: float, dim: Dim, keepdim: bool) -> Tensor:
    """Of absolute values; an element, or a norm, of 0 (or infinity) gets no gradient."""
    from .choice import (
        choose,
    )

    d = a._node.dtype
    a = cast(a, opmath(d))
    powers = choose(a != 0, choose(a != 0, a, 1.0) ** p, 0.0 if p > 0 else float("inf"))
    total = ops.sum(powers, dim, keepdim)
    there = (total != 0) & (total != float("inf"))
    return cast(choose(there, choose(there, total, 1.0) ** (1 / p), total.detach() ** (1 / p)), d)


# ----- running -----


def _running(what: str, op: Any, x: Tensor, dim: int, d: DType | None, out: Tensor | None) -> Tensor:
    dim = wrap_dim(what, dim, x.ndim)
    d = d or (out._node.dtype if out is not None else None)
    x = cast(x, d or dt.int64) if d is not None or x._node.dtype.category < dt.FLOAT else x
    return deliver(what, op(x, dim) if x.ndim else x.clone(), out)


@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None) -> Tensor:
    """Running sums along a dimension.

    >>> import flambeau as torch
    >>> torch.tensor([1, 2, 3]).cumsum(0)
    tensor([1, 3, 6])
    """
    return _running("cumsum", ops.cumsum, input, dim, dtype, out)


@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None, out: Tensor | None = None) -> Tensor:
    """Running products along a dimension.

    >>> import flambeau as torch
    >>> torch.tensor([1, 2, 3]).cumprod(0)
    tensor([1, 2, 6])
    """
    return _running("cumprod", ops.cumprod, input, dim, dtype, out)


@numpy_names
def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """Running log(sum(exp(x))) along a dimension.

    >>> import flambeau as torch
    >>> torch.tensor([0., 0.]).logcumsumexp(0)
    tensor([0.0000, 0.6931])
    """
    dim = wrap_dim("logcumsumexp", dim, input.ndim)
    ops.logcumsumexp.check_dtype(input._node.dtype)
    return deliver("logcumsumexp", ops.logcumsumexp(input, dim) if input.ndim else input.clone(), out)


def _running_extreme(what: str, op: Any, x: Tensor, dim: int, out: Any) -> Any:
    dim = wrap_dim(what, dim, x.ndim)
    op.check_dtype(x._node.dtype)
    i = op(x, dim) if x.ndim else x.new_zeros((), dtype=dt.int64)
    values = index_ops.gather(x, i, dim)
    if out is not None:
        values, i = deliver(what, values, out[0]), deliver(what, i, out[1])
    return getattr(return_types, what)(values, i)


@numpy_names
def cummax(input: Tensor, dim: int, *, out: Any = None) -> Any:
    """The largest element so far along a dimension, and where it is.

    >>> import flambeau as torch
    >>> torch.tensor([1, 3, 2]).cummax(0).values
    tensor([1, 3, 3])
    """
    return _running_extreme("cummax", ops.cummax_index, input, dim, out)


@numpy_names
def cummin(input: Tensor, dim: int, *, out: Any = None) -> Any:
    """The smallest element so far along a dimension, and where it is.

    >>> import flambeau as torch
    >>> torch.tensor([3, 1, 2]).cummin(0).values
    tensor([3, 1, 1])
    """
    return _running_extreme("cummin", ops.cummin_index, input, dim, out)


@numpy_names
def softmax(input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None) -> Tensor:
    """exp(x) / sum(exp(x)) along a dimension.

    >>> import flambeau as torch
    >>> torch.softmax(torch.tensor([0., 0.]), 0)
    tensor([0.5000, 0.5000])
    """
    x = _cast(input, dtype)
    if x._node.dtype.category < dt.FLOAT:
        raise NotImplementedError(
            f'softmax: "softmax_lastdim_kernel_impl" not implemented for {x.dtype}; convert with .float() '
            f"or pass dtype="
        )
    d = wrap_dim("softmax", dim, x.ndim)
    rows = ops.softmax(x, d) if x.ndim else reshape(ops.softmax(reshape(x, 1), 0), ())
    return deliver("softmax", rows, out)


@numpy_names
def log_softmax(input: Tensor, dim: int, dtype: DType | None = None, *, out: Tensor | None = None) -> Tensor:
    """log(softmax(x)), computed together, so that nothing underflows.

    >>> import flambeau as torch
    >>> torch.log_softmax(torch.tensor([0., 0.]), 0)
    tensor([-0.6931, -0.6931])
    """
    x = _cast(input, dtype)
    if x._node.dtype.category < dt.FLOAT:
        raise NotImplementedError(
            f'log_softmax: "log_softmax_lastdim_kernel_impl" not implemented for {x.dtype}; convert with '
            f".float() or pass dtype="
        )
    d = wrap_dim("log_softmax", dim, x.ndim)
    rows = ops.log_softmax(x, d) if x.ndim else reshape(ops.log_softmax(reshape(x, 1), 0), ())
    return deliver("log_softmax", rows, out)
