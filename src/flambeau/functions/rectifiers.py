"""The activations that tensors have as methods."""

from __future__ import annotations

from ..core.modes import modes
from ..core.tensor import Tensor
from ..ops.op import check_tensor
from ..ops.pointwise import absolute, le, select
from .calling import deliver
from .casting import lowered
from .pointwise import _floating


def hardshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """x if |x| > lambd, else 0.

    >>> import flambeau as torch
    >>> torch.nn.functional.hardshrink(torch.tensor([-1., 0.2, 2.]))
    tensor([-1.,  0.,  2.])
    """
    x = _floating("hardshrink", check_tensor("hardshrink", "input", input))
    return deliver("hardshrink", select(le(absolute(x), lambd), 0, x), out)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x if x > 0, else weight * x, with one weight for all or one for each channel (dimension 1).

    RuntimeError if the number of weights is neither.

    >>> import flambeau as torch
    >>> torch.nn.functional.prelu(torch.tensor([[-1., -1.]]), torch.tensor([0.1, 0.2]))
    tensor([[-0.1000, -0.2000]])
    """
    if modes.autocast is not None:
        return lowered(prelu, input, weight)
    from ..ops.activation import leaky_relu

    x, w = check_tensor("prelu", "input", input), check_tensor("prelu", "weight", weight)
    _floating("prelu", x)
    if w._node.dtype is not x._node.dtype:
        raise RuntimeError(
            f"prelu: Type promoting not supported. Got {x.dtype} and {w.dtype}; convert one with .to()"
        )
    if w.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {w.ndim}")
    channels = x._node.shape[1] if x.ndim > 1 else 1
    if w.numel() not in (1, channels):
        raise RuntimeError(
            "prelu: Mismatch of parameter numbers and input channel size. Found parameter numbers = "
            f"{w.numel()} and channel size = {channels} (input of shape {tuple(x.shape)})"
        )
    shape = () if w.numel() == 1 else (channels, *(1,) * (x.ndim - 2))
    return leaky_relu(x, w.reshape(shape))
