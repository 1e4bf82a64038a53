"""Dropout: with the same seed the same elements are dropped as by PyTorch on the CPU."""

from __future__ import annotations

import math

from ...core import dtype as dt
from ...core.generator import default_generator
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.random import _order
from ...functions.shape import permute, squeeze, unsqueeze
from ...ops.op import check_tensor
from ...ops.random import bernoulli
from ...ops.view import inverse
from .arguments import perhaps_in_place

SELU_FLOOR = 1.7580993408473766  # what selu tends to on the negative side, without its sign


def _check(what: str, x: Tensor, p: float) -> None:
    check_tensor(what, "input", x)
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{what}: dropout probability has to be between 0 and 1, but got {p}")


def _idle(x: Tensor, p: float, training: bool) -> bool:
    return not training or p == 0 or x.numel() == 0


def _kept(x: Tensor, p: float, feature: bool) -> Tensor:
    """1 for what stays, 0 for what is dropped: each element, or whole features (the first two dimensions)."""
    if x._node.dtype.category != dt.FLOAT:
        raise RuntimeError(
            f"dropout: result type float32 can't be cast to the desired output type {x.dtype.name}; convert "
            "with .float()"
        )
    shape = x._node.shape
    if feature:
        if len(shape) < 2:
            raise RuntimeError(
                "dropout: Feature dropout requires at least 2 dimensions in the input, got shape "
                f"{tuple(shape)}"
            )
        return bernoulli((), (*shape[:2], *(1,) * (len(shape) - 2)), x.dtype, default_generator, 1 - p)
    order = _order(x)
    if order is None:
        return bernoulli((), shape, x.dtype, default_generator, 1 - p)
    drawn = bernoulli((), tuple(shape[d] for d in order), x.dtype, default_generator, 1 - p)
    return permute(drawn, inverse(order))


def _drop(x: Tensor, p: float, feature: bool) -> Tensor:
    """The rest is scaled up, so that the sum is expected to stay."""
    return x * 0.0 if p == 1 else x * (_kept(x, p, feature) / (1 - p))


def _alpha_drop(x: Tensor, p: float, feature: bool) -> Tensor:
    """What is dropped becomes selu's floor; scale and shift keep mean 0 and variance 1."""
    if p == 1:
        return x * 0.0
    kept = _kept(x, p, feature)
    a = 1 / math.sqrt((SELU_FLOOR * SELU_FLOOR * p + 1) * (1 - p))
    return x * (kept * a) + ((kept + -1) * (SELU_FLOOR * a) + SELU_FLOOR * a * p)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """When training, zeroes each element with probability p and divides the others by 1 - p; else the input
    itself.

    ValueError for p outside [0, 1].

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.nn.functional.dropout(torch.ones(4))
    tensor([0., 0., 2., 0.])
    """
    _check("dropout", input, p)
    return (
        input if _idle(input, p, training) else perhaps_in_place(_drop, "dropout", inplace, input, p, False)
    )


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that goes with selu: mean 0 and variance 1 are kept.

    >>> import flambeau as torch
    >>> torch.nn.functional.alpha_dropout(torch.ones(3), 0.5, training=False)
    tensor([1., 1., 1.])
    """
    _check("alpha_dropout", input, p)
    return (
        input
        if _idle(input, p, training)
        else perhaps_in_place(_alpha_drop, "alpha_dropout", inplace, input, p, False)
    )


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, ...).

    >>> import flambeau as torch
    >>> torch.nn.functional.feature_alpha_dropout(torch.ones(1, 2, 3), 0.5, training=True).shape
    torch.Size([1, 2, 3])
    """
    _check("feature_alpha_dropout", input, p)
    if _idle(input, p, training):
        return input
    return perhaps_in_place(_alpha_drop, "feature_alpha_dropout", inplace, input, p, True)


def _batched(x: Tensor, p: float) -> Tensor:
    """Channels of an input without a batch dimension."""
    return squeeze(_drop(unsqueeze(x, 0), p, True), 0)


def _drop_channels(what: str, x: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    if _idle(x, p, training):
        return x
    return perhaps_in_place(lambda t: _drop(t, p, True) if batched else _batched(t, p), what, inplace, x)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """When training, zeroes whole channels of (N, C, L) or (C, L) with probability p and scales the others
    up.

    RuntimeError for another number of dimensions.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(4); torch.nn.functional.dropout1d(torch.ones(2, 3))
    tensor([[2., 2., 2.],
            [0., 0., 0.]])
    """
    _check("dropout1d", input, p)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input (shape "
            f"{tuple(input.shape)}): it takes (N, C, L) or (C, L)"
        )
    return _drop_channels("dropout1d", input, p, training, inplace, input.ndim == 3)


def _warn_of_rank(what: str, x: Tensor, n: int) -> None:
    if x.ndim not in (n + 1, n + 2):
        warn(
            f"{what}: Received a {x.ndim}-D input to {what}, which is deprecated and will result in an "
            "error in a future release. To retain the behavior and silence this warning, please use dropout "
            f"instead. {what} is for {n} spatial dimensions, a channel dimension and an optional batch "
            f"dimension (i.e. {n + 1}D or {n + 2}D inputs)."
        )


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """When training, zeroes whole channels of (N, C, H, W) with probability p and scales the others up.

    Three dimensions are taken for (N, C, L), with a warning, as PyTorch does.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(4); torch.nn.functional.dropout2d(torch.ones(1, 2, 1, 2)).flatten()
    tensor([2., 2., 0., 0.])
    """
    _check("dropout2d", input, p)
    _warn_of_rank("dropout2d", input, 2)
    if input.ndim == 3:
        warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior "
            "is desired - input is interpreted as shape (N, C, L). Use dropout1d for that, or unsqueeze(0) "
            "to have it taken for (C, H, W)."
        )
    return _drop_channels("dropout2d", input, p, training, inplace, True)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """When training, zeroes whole channels of (N, C, D, H, W) or (C, D, H, W) with probability p and scales
    the others up.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(4); torch.nn.functional.dropout3d(torch.ones(1, 2, 1, 1, 2)).flatten()
    tensor([2., 2., 0., 0.])
    """
    _check("dropout3d", input, p)
    _warn_of_rank("dropout3d", input, 3)
    return _drop_channels("dropout3d", input, p, training, inplace, input.ndim == 5)
