"""Gradients of convolutions, as functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd.api import grad
from ..core.tensor import Tensor
from ..functions.creation import zeros
from . import functional as F
from .functional.conv import _SPATIAL, _named

Sizes = int | Sequence[int]


def _shape(n: int, extent: int) -> tuple[int, ...]:
    return (1, 1, *(extent,) * n)


def _input_gradient(n: int) -> Callable[..., Tensor]:
    conv: Any = getattr(F, f"conv{n}d")

    def function(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        x = zeros(*input_size, dtype=weight.dtype, requires_grad=True)
        y = conv(x, weight, None, stride, padding, dilation, groups)
        return grad(y, x, grad_output, create_graph=True)[0]

    return _named(
        function,
        f"conv{n}d_input",
        f"""The gradient of `F.conv{n}d` towards its input.

    Args:
        input_size: the input's shape, (N, C, {_SPATIAL[n]}).
        weight: the weight.
        grad_output: the gradient of the result.
        stride, padding, dilation, groups: those of the convolution.

    Example:
        >>> import flambeau as torch
        >>> w = g = torch.ones{_shape(n, 2)}
        >>> torch.nn.grad.conv{n}d_input({_shape(n, 3)}, w, g).flatten()[:3]
        tensor([1., 2., 1.])
    """,
    )


def _weight_gradient(n: int) -> Callable[..., Tensor]:
    conv: Any = getattr(F, f"conv{n}d")

    def function(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: Sizes = 1,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        w = zeros(*weight_size, dtype=input.dtype, requires_grad=True)
        y = conv(input, w, None, stride, padding, dilation, groups)
        return grad(y, w, grad_output, create_graph=True)[0]

    return _named(
        function,
        f"conv{n}d_weight",
        f"""The gradient of `F.conv{n}d` towards its weight.

    Args:
        input: the input.
        weight_size: the weight's shape, (Cout, C / groups, {_SPATIAL[n]}).
        grad_output: the gradient of the result.
        stride, padding, dilation, groups: those of the convolution.

    Example:
        >>> import flambeau as torch
        >>> x, g = torch.ones{_shape(n, 3)}, torch.ones{_shape(n, 2)}
        >>> torch.nn.grad.conv{n}d_weight(x, {_shape(n, 2)}, g).flatten()[:2]
        tensor([{2**n}., {2**n}.])
    """,
    )


conv1d_input, conv2d_input, conv3d_input = (_input_gradient(n) for n in (1, 2, 3))
conv1d_weight, conv2d_weight, conv3d_weight = (_weight_gradient(n) for n in (1, 2, 3))
