"""Linear layers."""

from __future__ import annotations

import math
from typing import Any

from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .utils import DeviceLike, new_parameter


class Identity(Module):
    """Gives back its input. Takes any arguments, so that it can stand in for any layer.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Identity(54, unused=0.1)(torch.ones(2))
        tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


def reset_affine(weight: Parameter, bias: Parameter | None) -> None:
    """The starting values of linear and convolution layers: uniform in ±1/√fan_in, the weight drawn first."""
    init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init._calculate_fan_in_and_fan_out(weight)
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
        init.uniform_(bias, -bound, bound)


class Linear(Module):
    """An affine map of the last dimension: y = x Aᵀ + b.

    Args:
        in_features: extent of the input's last dimension.
        out_features: extent of the output's last dimension.
        bias: whether to add a learned bias.
        device, dtype: of the parameters.

    Shape:
        (*, in_features) → (*, out_features)

    Attributes:
        weight: (out_features, in_features), at first uniform in ±1/√in_features.
        bias: (out_features), at first the same; None without.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Linear(20, 30)(torch.randn(128, 20)).shape
        torch.Size([128, 30])
    """

    in_features: int
    out_features: int
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = new_parameter(out_features, in_features, device=device, dtype=dtype)
        self.register_parameter(
            "bias", new_parameter(out_features, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        reset_affine(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        )


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear` under the name that PyTorch gives the last projection of `MultiheadAttention`."""


class Bilinear(Module):
    """A bilinear map of two inputs: y = x₁ᵀ A x₂ + b.

    Args:
        in1_features: extent of the first input's last dimension, at least 1.
        in2_features: extent of the second input's last dimension.
        out_features: extent of the output's last dimension.
        bias: whether to add a learned bias.
        device, dtype: of the parameters.

    Shape:
        (*, in1_features), (*, in2_features) → (*, out_features)

    Attributes:
        weight: (out_features, in1_features, in2_features), at first uniform in ±1/√in1_features.
        bias: (out_features), at first the same; None without.

    Raises:
        ValueError: `in1_features` is not positive.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Bilinear(20, 30, 40)(torch.randn(128, 20), torch.randn(128, 30)).shape
        torch.Size([128, 40])
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = new_parameter(out_features, in1_features, in2_features, device=device, dtype=dtype)
        self.register_parameter(
            "bias", new_parameter(out_features, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
