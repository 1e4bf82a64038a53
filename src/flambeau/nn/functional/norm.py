"""Normalization: over the batch, the layer, groups of channels; and lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...autograd.grad_mode import no_grad
from ...core import dtype as dt
from ...core.node import LEAF, numel
from ...core.tensor import Tensor
from ...functions import reduction
from ...functions.calling import deliver, write
from ...functions.choice import (
    clamp_min,
)
from ...functions.memory import clone
from ...functions.shape import squeeze, unsqueeze
from ...ops.kinds import cast, opmath
from ...ops.norm import standardize
from ...ops.op import check_tensor
from ...ops.reduction import mean, variance
from .arguments import Shape, by_channel, check_float, flat, scalar
from .pool import avg_pool2d, avg_pool3d
from .rearrange import pad


def _standardized(what: str, x: Tensor, dims: Shape, eps: float) -> Tensor:
    """Over `dims` with mean 0 and variance 1; half types are computed with in, and give, float32."""
    if x.numel() == 0:
        return clone(x)
    d = opmath(x._node.dtype)
    y: Tensor = standardize(_cast(x, d), scalar(what, eps, d), dims)
    return y


def _cast(x: Tensor, d: dt.dtype) -> Tensor:
    return x if x._node.dtype is d else cast(x, d)


def _affine(y: Tensor, weight: Tensor | None, bias: Tensor | None, d: dt.dtype) -> Tensor:
    """y * weight + bias in dtype `d`."""
    y = y if weight is None else y * weight
    y = y if bias is None else y + bias
    return _cast(y, d)


def _affine_channels(y: Tensor, weight: Tensor | None, bias: Tensor | None, d: dt.dtype) -> Tensor:
    """`_affine` with one weight and one bias for each channel of (N, C, ...)."""
    w, b = (None if p is None else by_channel(y, p) for p in (weight, bias))
    return _affine(y, w, b, d)


def _check_parameters(what: str, x: Tensor, shape: Shape, **parameters: Tensor | None) -> None:
    """RuntimeError unless parameters have the shape, and the input's dtype or float32 for half types."""
    allowed = (x._node.dtype, opmath(x._node.dtype))
    for name, p in parameters.items():
        if p is None:
            continue
        if check_tensor(what, name, p)._node.dtype not in allowed:
            raise RuntimeError(
                f"{what}: mixed dtype: {name} has {p.dtype}, the input {x.dtype}; all inputs must share the "
                "same dtype, convert one with .to()"
            )
        if p._node.shape != shape:
            raise RuntimeError(
                f"{what}: {name} should contain {numel(shape)} elements not {p.numel()}: expected {name} to "
                f"be of shape {list(shape)} for an input of shape {list(x.shape)}, got {list(p.shape)}"
            )


# ----- over the batch -----


class _Running(NamedTuple):
    """Running statistics, one of each a channel."""

    mean: Tensor
    var: Tensor

    def follow(self, what: str, mean: Tensor, var: Tensor, n: int, momentum: float) -> None:
        """Moves towards the statistics of n values, the variance with Bessel's correction."""
        unbiased = var * (n / (n - 1) if n > 1 else float("inf"))
        for name, running, new in (("running_mean", self.mean, mean), ("running_var", self.var, unbiased)):
            write(f"{what}: {name}", running, running * (1 - momentum) + new * momentum)

    def normalize(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        """One factor and one term a channel."""
        factor = (self.var + eps).rsqrt()
        factor = factor if weight is None else factor * weight
        term = -self.mean * factor if bias is None else bias - self.mean * factor
        return _affine_channels(x, factor, term, x._node.dtype)


def _running(mean: Tensor | None, var: Tensor | None) -> _Running | None:
    return None if mean is None or var is None else _Running(mean, var)


def _several_values(what: str, shape: Shape, dims: Shape) -> None:
    """ValueError where a statistic would be taken over a single value."""
    if numel([shape[d] for d in dims]) == 1:
        raise ValueError(
            f"{what}: Expected more than 1 value per channel when training, got input size {list(shape)}; "
            "use larger batches, or eval()"
        )


def _check_clean(what: str, x: Tensor) -> None:
    """ValueError for data with NaN, which would stay in the running statistics. Results of operations aren't
    looked at.
    """
    node = x._current()
    if node.op is LEAF and np.isnan(np.min(node.value)):
        raise ValueError(
            f"{what}: the input of shape {tuple(x.shape)} contains NaN, which would turn the running "
            "statistics into NaN for good; clean the data first (torch.nan_to_num), or leave out "
            "running_mean and running_var"
        )


def _batch_statistics(x: Tensor, dims: Shape, d: dt.dtype) -> tuple[Tensor, Tensor]:
    """Mean and variance over `dims`, and over the batch if that isn't among them."""
    wide = _cast(x, d)
    found = mean(wide, dims), variance(wide, dims)
    return found if 0 in dims else (mean(found[0], (0,)), mean(found[1], (0,)))


def _normalize(
    what: str,
    x: Tensor,
    dims: Shape,
    running: _Running | None,
    weight: Tensor | None,
    bias: Tensor | None,
    momentum: float,
    eps: float,
) -> Tensor:
    """With the statistics over `dims`, which the running ones (if there are any) follow."""
    if running is not None and x.numel():
        _check_clean(what, x)
        with no_grad():
            now, var = _batch_statistics(x, dims, running.mean._node.dtype)
            running.follow(what, now, var, numel([x._node.shape[d] for d in dims]), momentum)
    return _affine_channels(_standardized(what, x, dims, eps), weight, bias, x._node.dtype)


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of (N, C, ...).

    When training, mean and (biased) variance are the batch's, and the running ones, if given, move towards
    them (the variance unbiased) by the share `momentum`, in place; else they are the running ones. ValueError
    for a single value a channel when training, and for NaN in data given from outside where running
    statistics would keep it. RuntimeError for sizes or dtypes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.batch_norm(torch.tensor([[1.], [3.]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    x = check_float("batch_norm", input)
    if x.shape == (0,):
        return x.clone()
    if x.ndim < 2:
        raise IndexError(
            f"batch_norm: Dimension out of range: expected (N, C, ...), got shape {tuple(x.shape)}"
        )
    dims = (0, *range(2, x.ndim))
    if training:
        _several_values("batch_norm", x._node.shape, dims)
    if eps < 0 or (training and eps == 0):
        kind = "positive during training" if training else "non-negative"
        raise ValueError(f"batch_norm: batch_norm eps must be {kind}, but got {eps}")
    _check_parameters(
        "batch_norm",
        x,
        x._node.shape[1:2],
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    running = _running(running_mean, running_var)
    if training:
        if running is None and (running_mean is not None or running_var is not None):
            raise ValueError(
                "batch_norm: running_mean and running_var must either both be None or neither be None"
            )
        return _normalize("batch_norm", x, dims, running, weight, bias, momentum, eps)
    if running is None:
        name = "running_mean" if running_mean is None else "running_var"
        raise RuntimeError(
            f"batch_norm: {name} must be defined in evaluation mode; pass it, or training=True"
        )
    return running.normalize(x, weight, bias, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of each sample of (N, C, ...).

    With `use_input_stats` mean and variance are the sample's, and the running ones, if given, move towards
    their average over the batch; else they are the running ones. ValueError for a single spatial element,
    RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.instance_norm(torch.tensor([[[1., 3.]]]))
    tensor([[[-1.0000,  1.0000]]])
    """
    x = check_float("instance_norm", input)
    shape = x._node.shape
    if use_input_stats and numel(shape[2:]) == 1:
        raise ValueError(
            f"instance_norm: Expected more than 1 spatial element when training, got input size {list(shape)}"
        )
    if x.ndim < 2:
        raise RuntimeError(f"instance_norm: expected an input (N, C, ...), got shape {tuple(shape)}")
    _check_parameters(
        "instance_norm",
        x,
        shape[1:2],
        running_mean=running_mean,
        running_var=running_var,
        weight=weight,
        bias=bias,
    )
    running = _running(running_mean, running_var)
    if use_input_stats:
        dims = tuple(range(2, x.ndim))
        return _normalize("instance_norm", x, dims, running, weight, bias, momentum, eps)
    if running is None:
        raise RuntimeError(
            "instance_norm: Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    return running.normalize(x, weight, bias, eps)


# ----- over the layer -----


def _trailing(what: str, x: Tensor, normalized_shape: Any, **parameters: Tensor | None) -> Shape:
    """The dimensions that `normalized_shape` names: the last ones. RuntimeError if they don't fit."""
    if not isinstance(normalized_shape, Sequence):
        raise TypeError(
            f"{what}: argument 'normalized_shape' must be tuple of ints, not "
            f"{type(normalized_shape).__name__}"
        )
    shape, wanted = tuple(x._node.shape), tuple(normalized_shape)
    if not wanted:
        raise RuntimeError(
            f"{what}: Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, got ()"
        )
    if shape[-len(wanted) :] != wanted:
        raise RuntimeError(
            f"{what}: Given normalized_shape={list(wanted)}, expected input with shape [*, "
            f"{', '.join(map(str, wanted))}], but got input of size {list(shape)}"
        )
    _check_parameters(what, x, wanted, **parameters)
    return tuple(range(len(shape) - len(wanted), len(shape)))


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, with mean and (biased) variance over the last dimensions,
    `normalized_shape`.

    RuntimeError for sizes or dtypes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([1., 3.]), (2,))
    tensor([-1.0000,  1.0000])
    """
    x = check_float("layer_norm", input)
    dims = _trailing("layer_norm", x, normalized_shape, weight=weight, bias=bias)
    return _affine(_standardized("layer_norm", x, dims, eps), weight, bias, x._node.dtype)


def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    """x / sqrt(mean of x² + eps) * weight, with the mean over the last dimensions, `normalized_shape`.

    `eps` is the dtype's resolution unless given. RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.rms_norm(torch.tensor([3., 4.]), (2,))
    tensor([0.8485, 1.1314])
    """
    x = check_float("rms_norm", input, highest=dt.COMPLEX)
    dims = _trailing("rms_norm", x, normalized_shape, weight=weight)
    d = opmath(x._node.dtype)
    wide = _cast(x, d)
    if eps is None:
        eps = float(np.finfo(d.to_real().np).eps)
    y = wide * (mean(wide.square(), dims, True) + eps).rsqrt()
    return _affine(y, weight, None, x._node.dtype)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, with mean and (biased) variance over groups of channels
    of each sample of (N, C, ...).

    `weight` and `bias` have one element for each channel. RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.group_norm(torch.tensor([[1., 3., 10., 30.]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    x = check_float("group_norm", input)
    shape = tuple(x._node.shape)
    if x.ndim < 2:
        raise RuntimeError(
            f"group_norm: Expected at least 2 dimensions for input tensor but received {x.ndim}"
        )
    if num_groups < 1 or shape[1] % num_groups:
        raise RuntimeError(
            "group_norm: Expected number of channels in input to be divisible by a positive num_groups, but "
            f"got input of shape {list(shape)} and num_groups={num_groups}"
        )
    _several_values(
        "group_norm", (shape[0] * shape[1] // num_groups, num_groups, *shape[2:]), (0, *range(2, x.ndim))
    )
    _check_parameters("group_norm", x, shape[1:2], weight=weight, bias=bias)
    groups = flat(x, shape[0], num_groups, numel(shape[1:]) // num_groups)
    y = flat(_standardized("group_norm", groups, (2,), eps), *shape)
    return _affine_channels(y, weight, bias, x._node.dtype)


# ----- over neighbours, and lengths -----


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of x² over `size` neighbouring channels) ** beta, for (N, C, ...) with spatial
    dimensions.

    ValueError for fewer than three dimensions.

    >>> import flambeau as torch
    >>> torch.nn.functional.local_response_norm(torch.ones(1, 1, 1), 1, alpha=1., beta=1.)
    tensor([[[0.5000]]])
    """
    x = check_tensor("local_response_norm", "input", input)
    if x.ndim < 3:
        raise ValueError(
            f"local_response_norm: Expected 3D or higher dimensionality input (got {x.ndim} dimensions)"
        )
    if x.numel() == 0:
        return x
    before, after = size // 2, (size - 1) // 2
    square = x * x
    if x.ndim == 3:
        mean = squeeze(avg_pool2d(pad(unsqueeze(square, 1), (0, 0, before, after)), (size, 1), stride=1), 1)
    else:
        n, c, *rest = x._node.shape
        volume = pad(flat(square, n, 1, c, rest[0], numel(rest[1:])), (0, 0, 0, 0, before, after))
        mean = flat(avg_pool3d(volume, (size, 1, 1), stride=1), *x._node.shape)
    return x / (mean * alpha + k) ** beta


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """x / max(p-norm of x along `dim`, eps).

    >>> import flambeau as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3., 4.]]))
    tensor([[0.6000, 0.8000]])
    """
    x = check_tensor("normalize", "input", input)
    return deliver("normalize", x / clamp_min(reduction.norm(x, p, dim, True), eps), out)
