"""Activation functions. With `inplace` they overwrite their input."""

from __future__ import annotations

from typing import Any

from ...core import dtype as dt
from ...core.dtype import dtype as DType
from ...core.generator import Generator, default_generator
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions import choice, pointwise, reduction
from ...functions.calling import deliver, in_place
from ...functions.indexing import scatter
from ...functions.masking import masked_scatter
from ...functions.rectifiers import hardshrink as hardshrink
from ...functions.rectifiers import prelu as prelu
from ...functions.shape import narrow
from ...ops import activation as ops
from ...ops import random as draws
from ...ops.kinds import NO_BOOL_REAL
from ...ops.op import check_tensor, wrap_dim
from ...ops.pointwise import le
from .arguments import check_float, perhaps_in_place

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772

tanh, sigmoid = pointwise.tanh, pointwise.sigmoid


def _activate(what: str, f: Any, x: Tensor, inplace: bool, *numbers: float) -> Tensor:
    return perhaps_in_place(f, what, inplace, check_float(what, x), *numbers)


# ----- bent lines -----


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0), element by element.

    >>> import flambeau as torch
    >>> torch.nn.functional.relu(torch.tensor([-1., 2.]))
    tensor([0., 2.])
    """
    return perhaps_in_place(pointwise.relu, "relu", inplace, check_tensor("relu", "input", input))


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6), element by element.

    >>> import flambeau as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1., 2., 8.]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x limited to [min_val, max_val]. ValueError if min_val > max_val.

    >>> import flambeau as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-2., 0.5, 2.]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    d = check_tensor("hardtanh", "input", input).dtype
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    limits: tuple[float, float] = (min_val, max_val)
    if d.category < dt.FLOAT:
        if d is dt.uint8 and min_val < 0:
            raise RuntimeError(
                "hardtanh: cannot do hardtanh on an unsigned type with negative limits, got "
                f"min_val={min_val}"
            )
        limits = int(min_val), int(max_val)
    return perhaps_in_place(ops.hardtanh, "hardtanh", inplace, input, *limits)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x if x > 0, else negative_slope * x.

    >>> import flambeau as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-1., 2.]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return _activate("leaky_relu", ops.leaky_relu, input, inplace, negative_slope)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x if x > 0, else a slope times x: a random one in [lower, upper) for each element when training, else
    the middle.

    >>> import flambeau as torch
    >>> torch.nn.functional.rrelu(torch.tensor([-1., 2.]), 0.1, 0.3)
    tensor([-0.2000,  2.0000])
    """
    if not lower <= upper:
        raise RuntimeError(
            f"rrelu: Lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        )
    if not training:
        return _activate("rrelu", ops.leaky_relu, input, inplace, (lower + upper) / 2)
    return _activate("rrelu", _random_leaky_relu, input, inplace, lower, upper)


def _random_leaky_relu(
    x: Tensor, lower: float, upper: float, generator: Generator = default_generator
) -> Tensor:
    """PyTorch draws for the elements that aren't positive only, so how many there are has to be known now."""
    bent = le(x.detach(), 0)
    n = int(reduction.sum(bent).item())
    slopes = draws.uniform((), (n,), dt.float64, generator, float(lower), float(upper)).to(x.dtype)
    return x * masked_scatter(x.new_ones(x.shape), bent, slopes)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x if x > threshold, else value.

    >>> import flambeau as torch
    >>> torch.nn.functional.threshold(torch.tensor([0.5, 2.]), 1, 20)
    tensor([20.,  2.])
    """
    d = check_tensor("threshold", "input", input).dtype
    if not NO_BOOL_REAL[0] <= d.category <= NO_BOOL_REAL[1]:
        raise NotImplementedError(
            f'threshold: "threshold_cpu" not implemented for {d}; convert the input first'
        )
    if d.category < dt.FLOAT:
        threshold, value = int(threshold), int(value)
    return perhaps_in_place(lambda x: choice.choose(le(x, threshold), value, x), "threshold", inplace, input)


def softshrink(input: Tensor, lambd: float = 0.5, *, out: Tensor | None = None) -> Tensor:
    """x brought nearer to 0 by lambd, and 0 where |x| <= lambd. RuntimeError for a negative lambd.

    >>> import flambeau as torch
    >>> torch.nn.functional.softshrink(torch.tensor([-1., 0.2, 2.]))
    tensor([-0.5000,  0.0000,  1.5000])
    """
    if not lambd >= 0:
        raise RuntimeError(f"softshrink: lambda must be greater or equal to 0, but found to be {lambd}")
    return deliver("softshrink", _activate("softshrink", ops.softshrink, input, False, lambd), out)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6.

    >>> import flambeau as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4., 0., 4.]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return _activate("hardsigmoid", lambda x: ops.hardtanh(x + 3, 0.0, 6.0) / 6, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * min(max(x + 3, 0), 6) / 6.

    >>> import flambeau as torch
    >>> torch.nn.functional.hardswish(torch.tensor([-4., 1., 4.]))
    tensor([-0.0000,  0.6667,  4.0000])
    """
    return _activate("hardswish", lambda x: x * ops.hardtanh(x + 3, 0.0, 6.0) / 6, input, inplace)


# ----- smooth ones -----


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x if x > 0, else alpha * (exp(x) - 1).

    >>> import flambeau as torch
    >>> torch.nn.functional.elu(torch.tensor([-1., 2.]))
    tensor([-0.6321,  2.0000])
    """
    return _activate("elu", ops.elu, input, inplace, alpha, 1.0)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 * elu(x, 1.6733): with weights of variance 1/n the outputs keep mean 0 and variance 1.

    >>> import flambeau as torch
    >>> torch.nn.functional.selu(torch.tensor([-1., 2.]))
    tensor([-1.1113,  2.1014])
    """
    return _activate("selu", lambda x: ops.elu(x, SELU_ALPHA, 1.0) * SELU_SCALE, input, inplace)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x if x > 0, else alpha * (exp(x / alpha) - 1). RuntimeError for alpha 0.

    >>> import flambeau as torch
    >>> torch.nn.functional.celu(torch.tensor([-1., 2.]), 2.)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("celu: ZeroDivisionError: alpha cannot be 0 for CELU")
    return _activate("celu", ops.elu, input, inplace, alpha, 1 / alpha)


def gelu(input: Tensor, *, approximate: str = "none", out: Tensor | None = None) -> Tensor:
    """x times the share of a standard normal distribution below x, or (`approximate="tanh"`) nearly that.

    RuntimeError for another `approximate`.

    >>> import flambeau as torch
    >>> torch.nn.functional.gelu(torch.tensor([-1., 2.]))
    tensor([-0.1587,  1.9545])
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {approximate!r}")
    y = _activate("gelu", ops.gelu if approximate == "none" else ops.gelu_tanh, input, False)
    return deliver("gelu", y, out)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also known as swish.

    >>> import flambeau as torch
    >>> torch.nn.functional.silu(torch.tensor([-1., 2.]))
    tensor([-0.2689,  1.7616])
    """
    return perhaps_in_place(ops.silu, "silu", inplace, check_float("silu", input, highest=dt.COMPLEX))


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)).

    >>> import flambeau as torch
    >>> torch.nn.functional.mish(torch.tensor([-1., 2.]))
    tensor([-0.3034,  1.9440])
    """
    return _activate("mish", ops.mish, input, inplace)


def softplus(
    input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Tensor | None = None
) -> Tensor:
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold.

    >>> import flambeau as torch
    >>> torch.nn.functional.softplus(torch.tensor([-1., 30.]))
    tensor([ 0.3133, 30.0000])
    """
    return deliver("softplus", _activate("softplus", ops.softplus, input, False, beta, threshold), out)


def logsigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """log(sigmoid(x)), without underflow.

    >>> import flambeau as torch
    >>> torch.nn.functional.logsigmoid(torch.tensor([-200., 0.]))
    tensor([-200.0000,   -0.6931])
    """
    return deliver("logsigmoid", _activate("logsigmoid", ops.logsigmoid, input, False), out)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|).

    >>> import flambeau as torch
    >>> torch.nn.functional.softsign(torch.tensor([-1., 3.]))
    tensor([-0.5000,  0.7500])
    """
    return input / (input.abs() + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x).

    >>> import flambeau as torch
    >>> torch.nn.functional.tanhshrink(torch.tensor([0., 2.]))
    tensor([0.0000, 1.0360])
    """
    return input - input.tanh()


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), with a and b the halves of the input along `dim`. RuntimeError if it can't be halved.

    >>> import flambeau as torch
    >>> torch.nn.functional.glu(torch.tensor([1., 2., 0., 0.]))
    tensor([0.5000, 1.0000])
    """
    if check_float("glu", input).ndim == 0:
        raise RuntimeError("glu: glu does not support scalars because halving size must be even")
    dim = wrap_dim("glu", dim, input.ndim)
    half, odd = divmod(input._node.shape[dim], 2)
    if odd:
        raise RuntimeError(f"glu: Halving dimension must be even, but dimension {dim} is size {2 * half + 1}")
    return narrow(input, dim, 0, half) * narrow(input, dim, half, half).sigmoid()


# ----- over a dimension -----


def _softmax_dim(what: str, x: Tensor, dim: int | None) -> int:
    """The dimension, chosen as PyTorch once did if it isn't given."""
    if check_tensor(what, "input", x) is x and dim is not None:
        return dim
    warn(
        f"Implicit dimension choice for {what} has been deprecated. Change the call to include dim=X as an "
        "argument."
    )
    return 0 if x.ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """exp(x) / sum(exp(x)) along `dim`, computed in `dtype` if given.

    >>> import flambeau as torch
    >>> torch.nn.functional.softmax(torch.tensor([0., 0.]), dim=0)
    tensor([0.5000, 0.5000])
    """
    return reduction.softmax(input, _softmax_dim("softmax", input, dim), dtype=dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """softmax(-x): the smallest gets most.

    >>> import flambeau as torch
    >>> torch.nn.functional.softmin(torch.tensor([0., 1.]), dim=0)
    tensor([0.7311, 0.2689])
    """
    return reduction.softmax(-input, _softmax_dim("softmin", input, dim), dtype=dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: DType | None = None
) -> Tensor:
    """log(softmax(x)) along `dim`, computed together, so that nothing underflows.

    >>> import flambeau as torch
    >>> torch.nn.functional.log_softmax(torch.tensor([0., 0.]), dim=0)
    tensor([-0.6931, -0.6931])
    """
    return reduction.log_softmax(input, _softmax_dim("log_softmax", input, dim), dtype=dtype)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A random draw from the categories along `dim`, softened so that gradients flow: softmax((logits +
    noise) / tau).

    With `hard` the value is one-hot and the gradient that of the soft draw.

    >>> import flambeau as torch
    >>> torch.nn.functional.gumbel_softmax(torch.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])
    """
    if eps != 1e-10:
        warn("gumbel_softmax: `eps` parameter is deprecated and has no effect.")
    x = check_float("gumbel_softmax", logits, "logits")
    noise = -draws.exponential((), x._node.shape, x.dtype, default_generator, 1.0).log()
    soft = reduction.softmax((x + noise) / tau, dim)
    if not hard:
        return soft
    one_hot = scatter(soft.new_zeros(soft.shape), dim, reduction.argmax(soft, dim, True), 1.0)
    return one_hot - soft.detach() + soft


# ----- always in place -----

relu_, elu_, selu_, celu_ = (in_place(f, f.__name__ + "_") for f in (relu, elu, selu, celu))
leaky_relu_, hardtanh_, threshold_, rrelu_ = (
    in_place(f, f.__name__ + "_") for f in (leaky_relu, hardtanh, threshold, rrelu)
)
