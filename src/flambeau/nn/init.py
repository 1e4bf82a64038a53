"""Starting values of parameters: functions that fill a tensor, outside of its history, and return it.

With the same seed they draw PyTorch's numbers, in PyTorch's order.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import ParamSpec

import numpy as np

from ..autograd.grad_mode import no_grad
from ..core.dtype import bool_
from ..core.generator import Generator
from ..core.tensor import Tensor, from_array
from ..core.warning import warn
from ..functions.choice import (
    where,
)
from ..functions.creation import empty_like, ones_like
from ..functions.random import randperm
from ..functions.ranges import (
    eye as identity,
)

P = ParamSpec("P")

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d"), 1),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "sigmoid"), 1),
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """By how much weights before this nonlinearity should be larger to keep the variance of activations.

    | nonlinearity | gain |
    |---|---|
    | linear, conv{1,2,3}d, conv_transpose{1,2,3}d, sigmoid | 1 |
    | tanh | 5 / 3 |
    | relu | √2 |
    | leaky_relu | √(2 / (1 + slope²)), where the slope is `param`, or 0.01 |
    | selu | 3 / 4 |

    Raises:
        ValueError: another nonlinearity, or a slope that is not a number.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.calculate_gain("leaky_relu", 1.0)
        1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"calculate_gain: negative_slope {slope!r} not a valid number")
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        known = ", ".join([*_GAINS, "leaky_relu"])
        raise ValueError(
            f"calculate_gain: Unsupported nonlinearity {nonlinearity!r}; the known ones are {known}"
        )
    return _GAINS[nonlinearity]


# ----- given distributions -----


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with uniform numbers in [a, b).

    Example:
        >>> import flambeau as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.nn.init.uniform_(torch.empty(2))
        tensor([0.4963, 0.7682])
    """
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """Fills with normal numbers of the given mean and standard deviation.

    Example:
        >>> import flambeau as torch
        >>> _ = torch.manual_seed(0)
        >>> torch.nn.init.normal_(torch.empty(2))
        tensor([ 1.5410, -0.2934])
    """
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Fills with normal numbers; those outside of [a, b] are drawn again until they lie inside.

    A UserWarning if the mean is more than two standard deviations away from [a, b].

    Example:
        >>> import flambeau as torch
        >>> x = torch.nn.init.trunc_normal_(torch.empty(1000), a=-1, b=1)
        >>> bool(x.abs().max() <= 1)
        True
    """
    if mean < a - 2 * std or mean > b + 2 * std:
        warn(
            f"trunc_normal_: mean {mean} is more than 2 std ({std}) from [{a}, {b}]. "
            "The distribution of values may be incorrect."
        )
    if tensor.is_meta:
        return tensor
    inside = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    draw = _draw_normal_inside if inside > 0.3 else _draw_uniform_accepted
    return tensor.copy_(draw(tensor, mean, std, a, b, generator))


def _normal_cdf(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def _draw_normal_inside(
    like: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Tensor:
    """Normal numbers, redrawn where they fall outside: good when most fall inside."""
    low, high = like.new_tensor(a).item(), like.new_tensor(b).item()
    drawn = empty_like(like).normal_(mean, std, generator=generator)
    while True:
        outside = (drawn < low) | (drawn > high)
        if not outside.any():
            return drawn
        drawn = where(outside, empty_like(like).normal_(mean, std, generator=generator), drawn)


def _draw_uniform_accepted(
    like: Tensor, mean: float, std: float, a: float, b: float, generator: Generator | None
) -> Tensor:
    """Uniform numbers in [a, b], each accepted with its density relative to the peak: good in a tail."""
    log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    drawn, pending = empty_like(like), ones_like(like, dtype=bool_)
    while pending.any():
        candidates = empty_like(like).uniform_(a, b, generator=generator)
        log_density = ((candidates - mean) / std) ** 2 * -0.5 - log_peak
        refused = empty_like(like).uniform_(generator=generator).log() > log_density
        drawn = where(pending, candidates, drawn)
        pending = pending & refused
    return drawn


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fills with one number.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.constant_(torch.empty(2), 0.3)
        tensor([0.3000, 0.3000])
    """
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """Fills with ones.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.ones_(torch.empty(2))
        tensor([1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fills with zeros.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.zeros_(torch.empty(2))
        tensor([0., 0.])
    """
    return constant_(tensor, 0.0)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """Fills a matrix with the identity: a linear layer then passes on as many inputs as it can.

    Raises:
        ValueError: the tensor is not a matrix.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.eye_(torch.empty(2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """
    _check_matrix("eye_", tensor)
    return tensor.copy_(identity(*tensor.shape, dtype=tensor.dtype))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fills the weight of a convolution so that (within each group) it passes on as many channels as it can.

    Raises:
        ValueError: the tensor has not 3 to 5 dimensions, or its first one is not divisible by `groups`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.dirac_(torch.empty(2, 2, 3))
        tensor([[[0., 1., 0.],
                 [0., 0., 0.]],
        <BLANKLINE>
                [[0., 0., 0.],
                 [0., 1., 0.]]])
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(
            f"dirac_: Only tensors with 3, 4, or 5 dimensions are supported, got shape {tuple(tensor.shape)}"
        )
    out_channels, in_channels, *window = tensor.shape
    if groups < 1 or out_channels % groups:
        raise ValueError(f"dirac_: dim 0 must be divisible by groups, {out_channels} isn't by {groups}")
    tensor.zero_()
    centre = tensor[(slice(None), slice(None), *(extent // 2 for extent in window))]
    size = out_channels // groups
    one_group = identity(size, in_channels, dtype=tensor.dtype)
    for g in range(groups):
        centre[g * size : (g + 1) * size].copy_(one_group)
    return tensor


# ----- scaled by the number of connections -----


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs each output of a weight depends on, and how many outputs on each input."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, "
            f"got shape {tuple(tensor.shape)}"
        )
    outputs, inputs, *window = tensor.shape
    return inputs * math.prod(window), outputs * math.prod(window)


def _calculate_correct_fan(tensor: Tensor, mode: str) -> int:
    modes = ("fan_in", "fan_out")
    if mode.lower() not in modes:
        raise ValueError(f"Mode {mode!r} not supported, please use one of {list(modes)}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode.lower())]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with uniform numbers in [-a, a), where a = gain · √(6 / (fan_in + fan_out)).

    Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural networks".

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.

    Example:
        >>> import flambeau as torch
        >>> x = torch.nn.init.xavier_uniform_(torch.empty(3, 3))
        >>> bool(x.abs().max() <= 1)
        True
    """
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Fills with normal numbers of standard deviation gain · √(2 / (fan_in + fan_out)).

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.xavier_normal_(torch.empty(3, 5)).shape
        torch.Size([3, 5])
    """
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _xavier_std(tensor: Tensor, gain: float) -> float:
    return gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor)))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fills with uniform numbers in [-b, b), where b = gain · √(3 / fan).

    He et al. (2015), "Delving deep into rectifiers". A UserWarning for a tensor without elements.

    Args:
        tensor: a weight as `Linear` and `Conv2d` have it: outputs first.
        a: the negative slope of the `leaky_relu` that follows.
        mode: `fan_in` keeps the variance in the forward pass, `fan_out` in the backward pass.
        nonlinearity: what follows the layer, as in `calculate_gain`.
        generator: where the numbers come from; none is the default generator.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions; an unknown mode or nonlinearity.

    Example:
        >>> import flambeau as torch
        >>> x = torch.nn.init.kaiming_uniform_(torch.empty(5, 6), nonlinearity="relu")
        >>> bool(x.abs().max() <= 1)
        True
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Fills with normal numbers of standard deviation gain / √fan.

    The arguments are those of `kaiming_uniform_`.

    Raises:
        ValueError: the tensor has fewer than 2 dimensions; an unknown mode or nonlinearity.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.init.kaiming_normal_(torch.empty(8, 3, 5, 5), mode="fan_out", nonlinearity="relu").shape
        torch.Size([8, 3, 5, 5])
    """
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def _is_empty(tensor: Tensor) -> bool:
    empty = 0 in tensor.shape
    if empty:
        warn("Initializing zero-element tensors is a no-op")
    return empty


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


# ----- matrices with structure -----


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fills with a random matrix of orthonormal rows (or columns, if these are fewer) times `gain`.

    Dimensions after the first count as one. Saxe et al. (2013), "Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks".

    Raises:
        ValueError: the tensor has fewer than 2 dimensions.

    Example:
        >>> import flambeau as torch
        >>> q = torch.nn.init.orthogonal_(torch.empty(2, 3))
        >>> torch.allclose(q @ q.T, torch.eye(2), atol=1e-6)
        True
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"orthogonal_: Only tensors with 2 or more dimensions are supported, got {tuple(tensor.shape)}"
        )
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    drawn = tensor.new_empty((rows, tensor.numel() // rows)).normal_(0, 1, generator=generator)
    if drawn.dtype.itemsize == 2:  # LAPACK has no 16-bit numbers
        drawn = drawn.float()
    tall = drawn._value("orthogonal_")
    wide = tall.shape[0] < tall.shape[1]
    q, r = np.linalg.qr(tall.T if wide else tall)
    q = q * np.sign(np.diagonal(r))  # makes the decomposition unique, and the matrix uniformly distributed
    tensor.copy_(from_array(np.ascontiguousarray(q.T if wide else q)).reshape(tensor.shape))
    return tensor.mul_(gain)


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Fills a matrix with normal numbers, then sets the fraction `sparsity` of each column to zero.

    Which elements are zero always follows the default generator. Martens (2010), "Deep learning via
    Hessian-free optimization".

    Raises:
        ValueError: the tensor is not a matrix.

    Example:
        >>> import flambeau as torch
        >>> x = torch.nn.init.sparse_(torch.empty(4, 2), sparsity=0.75)
        >>> (x == 0).sum(0)
        tensor([3, 3])
    """
    _check_matrix("sparse_", tensor)
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    tensor.normal_(0, std, generator=generator)
    for column in range(columns):
        tensor[randperm(rows)[:zeros], column] = 0
    return tensor


def _check_matrix(what: str, tensor: Tensor) -> None:
    if tensor.ndim != 2:
        raise ValueError(
            f"{what}: Only tensors with 2 dimensions are supported, got shape {tuple(tensor.shape)}"
        )


# ----- old names -----


def _renamed(f: Callable[P, Tensor]) -> Callable[P, Tensor]:
    new, old = f.__name__, f.__name__.removesuffix("_")

    @functools.wraps(f)
    def deprecated(*args: P.args, **kwargs: P.kwargs) -> Tensor:
        warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning)
        return f(*args, **kwargs)

    deprecated.__name__ = deprecated.__qualname__ = old
    deprecated.__doc__ = f"The old name of `{new}`; a FutureWarning."
    return deprecated


uniform = _renamed(uniform_)
normal = _renamed(normal_)
constant = _renamed(constant_)
eye = _renamed(eye_)
dirac = _renamed(dirac_)
xavier_uniform = _renamed(xavier_uniform_)
xavier_normal = _renamed(xavier_normal_)
kaiming_uniform = _renamed(kaiming_uniform_)
kaiming_normal = _renamed(kaiming_normal_)
orthogonal = _renamed(orthogonal_)
sparse = _renamed(sparse_)
