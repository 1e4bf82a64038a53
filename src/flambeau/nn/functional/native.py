"""Functions that PyTorch has at the top level, with the arguments they have there: `torch.layer_norm`,
`torch.dropout`, losses whose `reduction` is a number (and, unlike in `nn.functional`, none by default)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.generator import Generator
from ...core.tensor import Tensor
from ...functions import reduction as sums
from ...functions.calling import in_place
from ...functions.casting import uncast
from ...functions.shape import permute
from ...ops.op import check_tensor, wrap_dim
from . import activation, conv, distance, lookup, loss, norm, pool, rearrange
from .arguments import REDUCTIONS, Sizes, reduced
from .dropout import _alpha_drop, _drop


def _way(what: str, reduction: int) -> str:
    """The reduction that a number stands for: 0 for none, 1 for the mean, 2 for the sum."""
    if not 0 <= reduction < len(REDUCTIONS):
        raise ValueError(f"{what}: {reduction} is not a valid value for reduction; choose 0, 1 or 2")
    return REDUCTIONS[reduction]


# ----- normalisation -----


def batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float, cudnn_enabled: bool,
) -> Tensor:  # fmt: skip
    """`nn.functional.batch_norm`, with the parameters before the statistics. `cudnn_enabled` doesn't matter.

    >>> import flambeau as torch
    >>> mean, var = torch.zeros(1), torch.ones(1)
    >>> torch.batch_norm(torch.ones(1, 1), None, None, mean, var, False, 0.1, 0.0, False)
    tensor([[1.]])
    """
    return norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, use_input_stats: bool, momentum: float, eps: float, cudnn_enabled: bool,
) -> Tensor:  # fmt: skip
    """`nn.functional.instance_norm`, with the parameters before the statistics. `cudnn_enabled` doesn't
    matter.

    >>> import flambeau as torch
    >>> x = torch.tensor([[[1., 3.]]])
    >>> torch.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
    tensor([[[-1.,  1.]]])
    """
    return norm.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.layer_norm`; `cudnn_enable` doesn't matter.

    >>> import flambeau as torch
    >>> torch.layer_norm(torch.tensor([1., 3.]), (2,))
    tensor([-1.0000,  1.0000])
    """
    return norm.layer_norm(input, normalized_shape, weight, bias, eps)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """`nn.functional.group_norm`; `cudnn_enabled` doesn't matter.

    >>> import flambeau as torch
    >>> torch.group_norm(torch.tensor([[1., 3.]]), 1)
    tensor([[-1.0000,  1.0000]])
    """
    return norm.group_norm(input, num_groups, weight, bias, eps)


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norms over all dimensions but one, which are kept with 1 element; over all for dim -1.

    >>> import flambeau as torch
    >>> torch.norm_except_dim(torch.tensor([[3., 4.], [0., 2.]]))
    tensor([[5.],
            [2.]])
    """
    x = check_tensor("norm_except_dim", "v", v)
    if dim == -1:
        return sums.norm(x, pow)
    kept = wrap_dim("norm_except_dim", dim, x.ndim)
    return sums.norm(x, pow, tuple(d for d in range(x.ndim) if d != kept), True)


# ----- dropout -----


def _dropout(what: str, drop: Any, feature: bool) -> tuple[Any, Any]:
    """Dropout of some kind, and the same in place."""

    def function(input: Tensor, p: float, train: bool) -> Tensor:
        if not 0.0 <= p <= 1.0:
            raise RuntimeError(f"{what}: dropout probability has to be between 0 and 1, but got {p}")
        x = check_tensor(what, "input", input)
        return x if not train or p == 0 or x.numel() == 0 else drop(x, p, feature)

    kind = "whole channels" if feature else "elements"
    function.__name__ = function.__qualname__ = what
    function.__doc__ = (
        f"Drops {kind} with probability p if `train`, else gives the input. RuntimeError for p outside "
        f"[0, 1].\n\n    >>> import flambeau as torch\n    >>> torch.{what}(torch.ones(2), 0.5, False)\n"
        f"    tensor([1., 1.])\n    "
    )
    return function, in_place(function, what + "_")


dropout, dropout_ = _dropout("dropout", _drop, False)
feature_dropout, feature_dropout_ = _dropout("feature_dropout", _drop, True)
alpha_dropout, alpha_dropout_ = _dropout("alpha_dropout", _alpha_drop, False)
feature_alpha_dropout, feature_alpha_dropout_ = _dropout("feature_alpha_dropout", _alpha_drop, True)

# ----- activations and lookups -----


def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """`nn.functional.rrelu`, with a generator of random numbers.

    >>> import flambeau as torch
    >>> torch.rrelu(torch.tensor([-1., 2.]), 0.1, 0.3)
    tensor([-0.2000,  2.0000])
    """
    if training and generator is not None and lower <= upper:
        return activation._random_leaky_relu(check_tensor("rrelu", "input", input), lower, upper, generator)
    return activation.rrelu(input, lower, upper, training)


rrelu_ = in_place(rrelu, "rrelu_")


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.embedding`, with the rows first; -1 means no padding.

    >>> import flambeau as torch
    >>> torch.embedding(torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1]))
    tensor([[3., 4.]])
    """
    padding = padding_idx if padding_idx >= 0 else None
    return lookup.embedding(indices, weight, padding, None, 2.0, scale_grad_by_freq, sparse)


# ----- pooling, padding and convolution -----


def adaptive_max_pool1d(input: Tensor, output_size: Sizes) -> tuple[Tensor, Tensor]:
    """`nn.functional.adaptive_max_pool1d`: the maxima and where they are.

    >>> import flambeau as torch
    >>> torch.adaptive_max_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    found: tuple[Tensor, Tensor] = pool.adaptive_max_pool1d(input, output_size, True)
    return found


def max_pool1d_with_indices(
    input: Tensor, kernel_size: Sizes, stride: Sizes = (), padding: Sizes = 0, dilation: Sizes = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`nn.functional.max_pool1d`: the maxima and where they are.

    >>> import flambeau as torch
    >>> torch.max_pool1d_with_indices(torch.tensor([[1., 3., 2., 0.]]), 2)
    (tensor([[3., 2.]]), tensor([[1, 2]]))
    """
    step = None if isinstance(stride, Sequence) and not stride else stride
    found: tuple[Tensor, Tensor] = pool.max_pool1d(
        input, kernel_size, step, padding, dilation, ceil_mode, True
    )
    return found


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """`nn.functional.pad` with a constant.

    >>> import flambeau as torch
    >>> torch.constant_pad_nd(torch.ones(2), (1, 0), 5)
    tensor([5., 1., 1.])
    """
    return rearrange.pad(input, pad, "constant", value)


@uncast
def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, stride: Sequence[int], padding: Sequence[int],
    dilation: Sequence[int], transposed: bool, output_padding: Sequence[int], groups: int,
) -> Tensor:  # fmt: skip
    """A convolution, or a transposed one, of as many spatial dimensions (1 to 3) as the weight has.

    >>> import flambeau as torch
    >>> torch.convolution(torch.ones(1, 1, 3), torch.ones(1, 1, 2), None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2.]]])
    """
    n = check_tensor("convolution", "weight", weight).ndim - 2
    if not 1 <= n <= 3:
        raise RuntimeError(
            f"convolution: expected a weight of 3 to 5 dimensions, got shape {tuple(weight.shape)}"
        )
    if transposed:
        back = (conv.conv_transpose1d, conv.conv_transpose2d, conv.conv_transpose3d)[n - 1]
        return back(input, weight, bias, stride, padding, output_padding, groups, dilation)
    f = (conv.conv1d, conv.conv2d, conv.conv3d)[n - 1]
    return f(input, weight, bias, stride, padding, dilation, groups)


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """A convolution over the first dimension of (time, batch, channels), by (width, channels, new channels).

    >>> import flambeau as torch
    >>> torch.conv_tbc(torch.ones(3, 1, 1), torch.ones(2, 1, 1), torch.zeros(1)).flatten()
    tensor([2., 2.])
    """
    for name, t, rank in (("input", input, 3), ("weight", weight, 3), ("bias", bias, 1)):
        if check_tensor("conv_tbc", name, t).ndim != rank:
            raise RuntimeError(f"conv_tbc: {name} must have {rank} dimensions, got shape {tuple(t.shape)}")
    found = conv.conv1d(permute(input, 1, 2, 0), permute(weight, 2, 1, 0), bias, padding=pad)
    return permute(found, 2, 0, 1)


# ----- losses -----


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:  # fmt: skip
    """`nn.functional.binary_cross_entropy_with_logits`, its reduction 0 (none), 1 (mean) or 2 (sum).

    >>> import flambeau as torch
    >>> torch.binary_cross_entropy_with_logits(torch.zeros(2), torch.ones(2))
    tensor([0.6931, 0.6931])
    """
    how = _way("binary_cross_entropy_with_logits", reduction)
    return loss.binary_cross_entropy_with_logits(input, target, weight, reduction=how, pos_weight=pos_weight)


def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """`nn.functional.kl_div`, its reduction 0 (none), 1 (mean) or 2 (sum).

    >>> import flambeau as torch
    >>> torch.kl_div(torch.tensor([0.5, 0.5]).log(), torch.tensor([1., 0.]), 2)
    tensor(0.6931)
    """
    each = loss.kl_div(input, target, reduction="none", log_target=log_target)
    return reduced(each, _way("kl_div", reduction))


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """`nn.functional.poisson_nll_loss`, its reduction 0 (none), 1 (mean) or 2 (sum).

    >>> import flambeau as torch
    >>> torch.poisson_nll_loss(torch.zeros(2), torch.ones(2), True, False, 1e-8, 2)
    tensor(2.)
    """
    how = _way("poisson_nll_loss", reduction)
    return loss.poisson_nll_loss(input, target, log_input, full, None, eps, None, how)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0) -> Tensor:
    """`nn.functional.hinge_embedding_loss`, its reduction 0 (none), 1 (mean) or 2 (sum).

    >>> import flambeau as torch
    >>> torch.hinge_embedding_loss(torch.tensor([2.]), torch.tensor([1]))
    tensor([2.])
    """
    how = _way("hinge_embedding_loss", reduction)
    return distance.hinge_embedding_loss(input, target, margin, reduction=how)


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """`nn.functional.cosine_embedding_loss`, its reduction 0 (none), 1 (mean) or 2 (sum).

    >>> import flambeau as torch
    >>> x = torch.tensor([[1., 0.]])
    >>> torch.cosine_embedding_loss(x, x, torch.tensor([-1]))
    tensor([1.])
    """
    how = _way("cosine_embedding_loss", reduction)
    return distance.cosine_embedding_loss(input1, input2, target, margin, reduction=how)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """`nn.functional.margin_ranking_loss`, its reduction 0 (none), 1 (mean) or 2 (sum).

    >>> import flambeau as torch
    >>> torch.margin_ranking_loss(torch.tensor([1.]), torch.tensor([3.]), torch.tensor([1.]))
    tensor([2.])
    """
    how = _way("margin_ranking_loss", reduction)
    return distance.margin_ranking_loss(input1, input2, target, margin, reduction=how)


def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0,
    eps: float = 1e-6, swap: bool = False, reduction: int = 0,
) -> Tensor:  # fmt: skip
    """`nn.functional.triplet_margin_loss`, its reduction 0 (none), 1 (mean) or 2 (sum).

    >>> import flambeau as torch
    >>> a, b = torch.tensor([[0., 0.]]), torch.tensor([[3., 4.]])
    >>> torch.triplet_margin_loss(a, b, b)
    tensor([1.])
    """
    how = _way("triplet_margin_loss", reduction)
    return distance.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=how)
