"""Activations: one functional call each."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from .. import functional as F
from .. import init as initialize
from ..module import Module
from ..parameter import Parameter
from .layer import Layer, layer
from .utils import DeviceLike, new_parameter


class Activation(Layer):
    """Base of activations: `repr` mentions `inplace` only where it is set."""

    def _settings(self) -> dict[str, Any]:
        return {name: x for name, x in super()._settings().items() if name != "inplace" or x}


@layer
class Threshold(Activation):
    """x where x > threshold, else `value`.

    Args:
        threshold, value: as above.
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Threshold(0.5, 20.0)(torch.tensor([0.1, 1.0]))
        tensor([20.,  1.])
    """

    threshold: float
    value: float
    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.threshold(input, self.threshold, self.value, self.inplace)


@layer
class ReLU(Activation):
    """max(0, x).

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.relu(input, inplace=self.inplace)


@layer
class RReLU(Activation):
    """x where x ≥ 0, else a · x; in training a is drawn uniformly from [lower, upper), else it is their mean.

    Args:
        lower, upper: as above.
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.RReLU(0.1, 0.3).eval()(torch.tensor([-10.0, 2.0]))
        tensor([-2.,  2.])
    """

    lower: float = 1.0 / 8
    upper: float = 1.0 / 3
    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


@layer
class Hardtanh(Activation):
    """x, but no less than `min_val` and no more than `max_val`.

    Args:
        min_val, max_val: as above.
        inplace: whether to write into the input.
        min_value, max_value: old names of `min_val` and `max_val`; a FutureWarning.

    Raises:
        AssertionError: `max_val` is not above `min_val`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Hardtanh(-2, 2)(torch.tensor([-3.0, 1.0, 3.0]))
        tensor([-2.,  1.,  2.])
    """

    min_val: float = -1.0
    max_val: float = 1.0
    inplace: bool = False
    min_value: float | None = None
    max_value: float | None = None

    _hidden: ClassVar[tuple[str, ...]] = ("min_value", "max_value")

    def __post_init__(self) -> None:
        for old, new in (("min_value", "min_val"), ("max_value", "max_val")):
            value = self.__dict__.pop(old)
            if value is not None:
                warnings.warn(
                    f"keyword argument `{old}` is deprecated and renamed to `{new}`", FutureWarning, 3
                )
                setattr(self, new, value)
        if self.max_val <= self.min_val:
            raise AssertionError(
                f"Hardtanh: max_val must be larger than min_val, got {self.max_val} and {self.min_val}"
            )
        super().__post_init__()

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """x, but no less than 0 and no more than 6.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReLU6()(torch.tensor([-1.0, 7.0]))
        tensor([0., 6.])
    """

    _hidden = ("min_val", "max_val", *Hardtanh._hidden)

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class Sigmoid(Activation):
    """1 / (1 + exp(-x)).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Sigmoid()(torch.zeros(1))
        tensor([0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        return input.sigmoid()


@layer
class Hardsigmoid(Activation):
    """0 below -3, 1 above 3, x / 6 + 1 / 2 between.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Hardsigmoid()(torch.tensor([-4.0, 0.0, 4.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """

    inplace: bool = False

    _hidden = ("inplace",)

    def forward(self, input: Tensor) -> Tensor:
        return F.hardsigmoid(input, self.inplace)


class Tanh(Activation):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Tanh()(torch.ones(1))
        tensor([0.7616])
    """

    def forward(self, input: Tensor) -> Tensor:
        return input.tanh()


@layer
class SiLU(Activation):
    """x · sigmoid(x), also known as swish.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.SiLU()(torch.ones(1))
        tensor([0.7311])
    """

    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.silu(input, inplace=self.inplace)


@layer
class Mish(Activation):
    """x · tanh(softplus(x)).

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Mish()(torch.ones(1))
        tensor([0.8651])
    """

    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.mish(input, inplace=self.inplace)


@layer
class Hardswish(Activation):
    """x · hardsigmoid(x).

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Hardswish()(torch.tensor([-4.0, 0.0, 4.0]))
        tensor([-0., 0., 4.])
    """

    inplace: bool = False

    _hidden = ("inplace",)

    def forward(self, input: Tensor) -> Tensor:
        return F.hardswish(input, self.inplace)


@layer
class ELU(Activation):
    """x where x > 0, else alpha · (exp(x) - 1).

    Args:
        alpha: as above.
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ELU()(torch.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """

    alpha: float = 1.0
    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.elu(input, self.alpha, self.inplace)


@layer
class CELU(Activation):
    """max(0, x) + min(0, alpha · (exp(x / alpha) - 1)).

    Args:
        alpha: as above, not 0.
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CELU()(torch.tensor([-1.0, 2.0]))
        tensor([-0.6321,  2.0000])
    """

    alpha: float = 1.0
    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.celu(input, self.alpha, self.inplace)


@layer
class SELU(Activation):
    """1.0507 · (max(0, x) + min(0, 1.6733 · (exp(x) - 1))): keeps activations at mean 0 and variance 1.

    Args:
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.SELU()(torch.tensor([-1.0, 2.0]))
        tensor([-1.1113,  2.1014])
    """

    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.selu(input, self.inplace)


@layer
class GLU(Activation):
    """a · sigmoid(b), where a and b are the two halves of the input along `dim`.

    Args:
        dim: a dimension of even extent.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GLU()(torch.tensor([4.0, 0.0]))
        tensor([2.])
    """

    dim: int = -1

    def forward(self, input: Tensor) -> Tensor:
        return F.glu(input, self.dim)


@layer
class GELU(Activation):
    """x · Φ(x), where Φ is the distribution function of the normal distribution.

    Args:
        approximate: `"none"`, or `"tanh"` for x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GELU()(torch.ones(1)), torch.nn.GELU("tanh")(torch.ones(1))
        (tensor([0.8413]), tensor([0.8412]))
    """

    approximate: str = "none"

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)


@layer
class Hardshrink(Activation):
    """x where |x| > lambd, else 0.

    Args:
        lambd: as above.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Hardshrink()(torch.tensor([-1.0, 0.3, 1.0]))
        tensor([-1.,  0.,  1.])
    """

    lambd: float = 0.5

    def forward(self, input: Tensor) -> Tensor:
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


@layer
class LeakyReLU(Activation):
    """x where x ≥ 0, else negative_slope · x.

    Args:
        negative_slope: as above.
        inplace: whether to write into the input.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LeakyReLU(0.1)(torch.tensor([-1.0, 2.0]))
        tensor([-0.1000,  2.0000])
    """

    negative_slope: float = 1e-2
    inplace: bool = False

    def forward(self, input: Tensor) -> Tensor:
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class LogSigmoid(Activation):
    """log(sigmoid(x)), computed without overflow.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LogSigmoid()(torch.tensor([-10.0, 0.0]))
        tensor([-10.0000,  -0.6931])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.logsigmoid(input)


@layer
class Softplus(Activation):
    """log(1 + exp(beta · x)) / beta; x itself where beta · x > threshold.

    Args:
        beta, threshold: as above.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softplus()(torch.tensor([0.0, 50.0]))
        tensor([ 0.6931, 50.0000])
    """

    beta: float = 1.0
    threshold: float = 20.0

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)


@layer
class Softshrink(Activation):
    """x moved towards 0 by `lambd`, but not beyond.

    Args:
        lambd: as above, not negative.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softshrink()(torch.tensor([-1.0, 0.3, 1.0]))
        tensor([-0.5000,  0.0000,  0.5000])
    """

    lambd: float = 0.5

    def forward(self, input: Tensor) -> Tensor:
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class PReLU(Module):
    """x where x ≥ 0, else weight · x with a learned weight.

    Args:
        num_parameters: 1 for one weight, or one for each channel (dimension 1 of the input).
        init: the weight's starting value.
        device, dtype: of the weight.

    Attributes:
        weight: (num_parameters).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.PReLU()(torch.tensor([-1.0, 2.0])).tolist()
        [-0.25, 2.0]
    """

    weight: Parameter

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = new_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the weight to its starting value."""
        initialize.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class Softsign(Activation):
    """x / (1 + |x|).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softsign()(torch.tensor([-1.0, 3.0]))
        tensor([-0.5000,  0.7500])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softsign(input)


class Tanhshrink(Activation):
    """x - tanh(x).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Tanhshrink()(torch.ones(1))
        tensor([0.2384])
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.tanhshrink(input)


@layer
class Softmin(Activation):
    """Softmax of -x.

    Args:
        dim: the dimension along which the results sum to 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softmin(dim=0)(torch.zeros(2))
        tensor([0.5000, 0.5000])
    """

    dim: int | None = None

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim)


@layer
class Softmax(Activation):
    """exp(x) / Σ exp(x) along a dimension.

    Args:
        dim: the dimension along which the results sum to 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softmax(dim=0)(torch.zeros(2))
        tensor([0.5000, 0.5000])
    """

    dim: int | None = None

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim)


class Softmax2d(Activation):
    """Softmax over the channels of each pixel.

    Shape:
        (N, C, H, W) or (C, H, W) → the same

    Raises:
        ValueError: an input with another number of dimensions.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Softmax2d()(torch.zeros(2, 1, 1)).flatten()
        tensor([0.5000, 0.5000])
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got shape {tuple(input.shape)}")
        return F.softmax(input, -3)


@layer
class LogSoftmax(Activation):
    """x - log Σ exp(x) along a dimension.

    Args:
        dim: the dimension along which the exponentials of the results sum to 1.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.LogSoftmax(dim=0)(torch.zeros(2))
        tensor([-0.6931, -0.6931])
    """

    dim: int | None = None

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim)
