"""A layer and the batch normalization after it as one layer, for evaluation."""

from __future__ import annotations

import copy
from typing import TypeVar

from ...core.tensor import Tensor
from ...functions.creation import ones_like, zeros_like
from ..module import Module
from ..modules.batchnorm import _BatchNorm
from ..modules.conv import _ConvNd
from ..modules.linear import Linear
from ..parameter import Parameter

C = TypeVar("C", bound=_ConvNd)
L = TypeVar("L", bound=Linear)
Fused = tuple[Parameter, Parameter]


def _scale_and_shift(
    like: Tensor,
    bias: Tensor | None,
    mean: Tensor,
    var: Tensor,
    eps: float,
    w: Tensor | None,
    b: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """What the weight is multiplied by, and the new bias in the old one's dtype."""
    scale = (var + eps).rsqrt() * (ones_like(mean) if w is None else w)
    shift = zeros_like(mean) if b is None else b
    old = zeros_like(mean) if bias is None else bias
    return scale, ((old - mean) * scale + shift).to(like.dtype if bias is None else bias.dtype)


def _fused(weight: Tensor, bias: Tensor | None, new: Tensor, shift: Tensor) -> Fused:
    learned = bias is not None and bias.requires_grad
    return (
        Parameter(new.detach().to(weight.dtype), weight.requires_grad),
        Parameter(shift.detach(), learned),
    )


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> Fused:
    """Weight and bias of a convolution and the batch normalization after it, as those of one convolution.

    Args:
        conv_w, conv_b: weight and bias of the convolution.
        bn_rm, bn_rv, bn_eps, bn_w, bn_b: running mean, running variance, eps, weight and bias of the other.
        transpose: whether the convolution is a transposed one.

    Example:
        >>> import flambeau as torch
        >>> w, one = torch.ones(1, 1, 1, 1), torch.ones(1)
        >>> w, b = torch.nn.utils.fuse_conv_bn_weights(w, None, one, one, 0.0, 2 * one, None)
        >>> w.item(), b.item()
        (2.0, -2.0)
    """
    scale, shift = _scale_and_shift(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    shape = (1, -1) if transpose else (-1, 1)
    scale = scale.reshape(*shape, *(1,) * (conv_w.ndim - 2))
    return _fused(conv_w, conv_b, conv_w * scale, shift)


def fuse_conv_bn_eval(conv: C, bn: _BatchNorm, transpose: bool = False) -> C:
    """A convolution that does what `bn(conv(x))` does in evaluation.

    Args:
        conv, bn: the two layers, in evaluation mode.
        transpose: whether the convolution is a transposed one.

    Raises:
        AssertionError: a layer is in training mode, or there are no running statistics.

    Example:
        >>> import flambeau as torch
        >>> conv, bn = torch.nn.Conv2d(2, 3, 1).eval(), torch.nn.BatchNorm2d(3).eval()
        >>> fused, x = torch.nn.utils.fuse_conv_bn_eval(conv, bn), torch.randn(1, 2, 4, 4)
        >>> torch.allclose(fused(x), bn(conv(x)), atol=1e-6)
        True
    """
    _check(conv, bn)
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        bn.running_mean,  # type: ignore[arg-type]
        bn.running_var,  # type: ignore[arg-type]
        bn.eps,
        bn.weight,
        bn.bias,
        transpose,
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor,
    bn_b: Tensor,
) -> Fused:
    """Weight and bias of a linear layer and the batch normalization after it, as those of one layer.

    Args:
        linear_w, linear_b: weight and bias of the linear layer.
        bn_rm, bn_rv, bn_eps, bn_w, bn_b: running mean, running variance, eps, weight and bias of the other.

    Example:
        >>> import flambeau as torch
        >>> one = torch.ones(1)
        >>> w, b = torch.nn.utils.fuse_linear_bn_weights(torch.ones(1, 2), None, one, one, 0.0, 2 * one, one)
        >>> w.tolist(), b.tolist()
        ([[2.0, 2.0]], [-1.0])
    """
    scale, shift = _scale_and_shift(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)
    return _fused(linear_w, linear_b, linear_w * scale.unsqueeze(-1), shift)


def fuse_linear_bn_eval(linear: L, bn: _BatchNorm) -> L:
    """A linear layer that does what `bn(linear(x))` does in evaluation.

    Args:
        linear, bn: the two layers, in evaluation mode; with as many outputs as features, or one feature.

    Raises:
        AssertionError: a layer is in training mode, sizes don't fit, or there are no running statistics.

    Example:
        >>> import flambeau as torch
        >>> linear, bn = torch.nn.Linear(2, 3).eval(), torch.nn.BatchNorm1d(3).eval()
        >>> fused, x = torch.nn.utils.fuse_linear_bn_eval(linear, bn), torch.randn(4, 2)
        >>> torch.allclose(fused(x), bn(linear(x)), atol=1e-6)
        True
    """
    _check(linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            "fuse_linear_bn_eval: To fuse, linear.out_features == bn.num_features or bn.num_features == 1, "
            f"got linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight,
        linear.bias,
        bn.running_mean,  # type: ignore[arg-type]
        bn.running_var,  # type: ignore[arg-type]
        bn.eps,
        bn.weight,  # type: ignore[arg-type]
        bn.bias,  # type: ignore[arg-type]
    )
    return fused


def _check(layer: Module, bn: _BatchNorm) -> None:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval! Call .eval() on both layers before")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("fusion: bn.running_mean and bn.running_var must not be None")
