"""Losses between predicted and true numbers, and between distributions. All are means over elements unless
`reduction` says otherwise.
"""

from __future__ import annotations

import math
from typing import Any

from ...autograd.grad_mode import no_grad
from ...core import dtype as dt
from ...core.ghost import found_anywhere
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.casting import in_float32
from ...functions.choice import (
    choose,
)
from ...functions.shape import unsqueeze
from ...ops import activation as ops
from ...ops.kinds import cast, opmath, result_type
from ...ops.op import check_tensor
from .arguments import check_float, reduced, reduction_of, same_dtype, warn_of_broadcasting

# ----- numbers -----


def _check_weight(what: str, x: Tensor, weight: Tensor) -> None:
    if weight._node.shape != x._node.shape:
        raise ValueError(
            f"{what}: Weights and input must have the same size, got {tuple(weight.shape)} and "
            f"{tuple(x.shape)}"
        )


def _weighted(what: str, x: Tensor, loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """Weighted means divide by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    _check_weight(what, x, weight)
    loss = loss * weight
    return loss.sum() / weight.sum() if reduction == "mean" else reduced(loss, reduction)


@in_float32
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """(x - target)², weighted if `weight` is given. Warns if the shapes differ and broadcast.

    >>> import flambeau as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(2.)
    """
    warn_of_broadcasting("mse_loss", input, target)
    how = reduction_of("mse_loss", reduction, size_average, reduce)
    return _weighted("mse_loss", input, check_float("mse_loss", input - target).square(), weight, how)


@in_float32
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """|x - target|, weighted if `weight` is given. Warns if the shapes differ and broadcast.

    >>> import flambeau as torch
    >>> torch.nn.functional.l1_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]))
    tensor(1.)
    """
    warn_of_broadcasting("l1_loss", input, target)
    how = reduction_of("l1_loss", reduction, size_average, reduce)
    return _weighted("l1_loss", input, (input - target).abs(), weight, how)


@in_float32
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """(x - target)² / (2 * beta) where |x - target| < beta, |x - target| - beta / 2 elsewhere. RuntimeError
    for beta < 0.

    >>> import flambeau as torch
    >>> torch.nn.functional.smooth_l1_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]), reduction="none")
    tensor([0.0000, 1.5000])
    """
    warn_of_broadcasting("smooth_l1_loss", input, target)
    how = reduction_of("smooth_l1_loss", reduction, size_average, reduce)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: does not support negative values for beta, got {beta}")
    difference = check_float("smooth_l1_loss", input - target)
    return reduced(ops.smooth_l1(difference, beta) if beta else difference.abs(), how)


@in_float32
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """(x - target)² / 2 where |x - target| < delta, delta * (|x - target| - delta / 2) elsewhere.
    RuntimeError for delta <= 0.

    >>> import flambeau as torch
    >>> torch.nn.functional.huber_loss(torch.tensor([1., 2.]), torch.tensor([1., 4.]), reduction="none")
    tensor([0.0000, 1.5000])
    """
    warn_of_broadcasting("huber_loss", input, target)
    how = reduction_of("huber_loss", reduction)
    if delta <= 0:
        raise RuntimeError(f"huber_loss: does not support non-positive values for delta, got {delta}")
    d = result_type("huber_loss", [input, target])
    difference = check_float("huber_loss", cast(input, opmath(d)) - cast(target, opmath(d)))
    loss = cast(ops.smooth_l1(difference, delta) * delta, d)
    if weight is not None:
        _check_weight("huber_loss", input, weight)
        loss = loss * weight
    return reduced(loss, how)


# ----- probabilities -----


def _same_size(what: str, x: Tensor, target: Tensor) -> None:
    check_tensor(what, "input", x)
    if check_tensor(what, "target", target)._node.shape != x._node.shape:
        raise ValueError(
            f"{what}: Target size ({tuple(target.shape)}) must be the same as input size ({tuple(x.shape)}); "
            "reshape one of them"
        )


@in_float32
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(target * log(x) + (1 - target) * log(1 - x)) of probabilities, with logarithms of at least -100.

    RuntimeError for input or target outside [0, 1] (when their values are known), ValueError for shapes that
    differ.

    >>> import flambeau as torch
    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.]))
    tensor(0.6931)
    """
    how = reduction_of("binary_cross_entropy", reduction, size_average, reduce)
    _same_size("binary_cross_entropy", input, target)
    same_dtype("binary_cross_entropy", check_float("binary_cross_entropy", input), target=target)
    for name, t in (("input", input), ("target", target)):
        value = t._current().value
        if value is not None:
            ops.check_unit(name, value)
    loss = ops.bce(input, target)
    return reduced(loss if weight is None else loss * weight, how)


@in_float32
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """`binary_cross_entropy` of sigmoid(x), computed together, so that nothing underflows; `pos_weight`
    weights the positive targets.

    ValueError for shapes that differ.

    >>> import flambeau as torch
    >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([0., 200.]), torch.tensor([1., 1.]))
    tensor(0.3466)
    """
    what = "binary_cross_entropy_with_logits"
    how = reduction_of(what, reduction, size_average, reduce)
    _same_size(what, input, target)
    check_float(what, input)
    if target._node.dtype.category < dt.FLOAT:
        raise RuntimeError(
            f"{what}: result type {input.dtype.name} can't be cast to the desired output type "
            f"{target.dtype.name}; use target.float()"
        )
    log_odds = ops.logsigmoid(input)
    if pos_weight is not None:
        log_odds = log_odds * ((pos_weight - 1) * target + 1)
    loss = (1 - target) * input - log_odds
    return reduced(loss if weight is None else loss * weight, how)


@in_float32
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target * (log(target) - x): how far the distribution exp(x) is from `target` (given as its logarithm
    with `log_target`).

    `reduction` may also be "batchmean": the sum divided by the batch's size, which is the divergence's
    definition.

    >>> import flambeau as torch
    >>> torch.nn.functional.kl_div(torch.tensor([0.5, 0.5]).log(), torch.tensor([1., 0.]), reduction="sum")
    tensor(0.6931)
    """
    batch = reduction == "batchmean" and size_average is None and reduce is None
    if reduction == "mean" and size_average is None and reduce is None:
        warn(
            "kl_div: reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
        )
    how = reduction_of("kl_div", "sum" if batch else reduction, size_average, reduce)
    for name, t in (("input", input), ("target", target)):
        if check_tensor("kl_div", name, t)._node.dtype.category < dt.FLOAT:
            raise RuntimeError(
                f"kl_div: Integral inputs not supported, got {name} of {t.dtype}; convert it with .float()"
            )
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = target * choose(target == 0, 1.0, target).log() - target * input  # 0 * log(0) is 0
    total = reduced(loss, how)
    return total / input._node.shape[0] if batch and input.ndim else total


@in_float32
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - target * x, the negative log likelihood of counts with mean exp(x) but for a constant; x -
    target * log(x + eps) if x is the mean itself (`log_input=False`). `full` adds Stirling's approximation of
    the constant where target > 1.

    >>> import flambeau as torch
    >>> torch.nn.functional.poisson_nll_loss(torch.tensor([0.]), torch.tensor([2.]))
    tensor(1.)
    """
    how = reduction_of("poisson_nll_loss", reduction, size_average, reduce)
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        safe = choose(target > 1, target, 1.0)
        stirling = safe * safe.log() - safe + (safe * (2 * math.pi)).log() * 0.5
        loss = loss + choose(target > 1, stirling, 0.0)
    return reduced(loss, how)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Tensor:
    """(log(var) + (x - target)² / var) / 2, the negative log likelihood of normal numbers but for a constant
    (added with `full`).

    `var`, a tensor or a float, is at least `eps`; a tensor has the input's shape, or lacks its last
    dimension, or has 1 there. ValueError for negative or misshapen variances.

    >>> import flambeau as torch
    >>> torch.nn.functional.gaussian_nll_loss(torch.tensor([1.]), torch.tensor([3.]), torch.tensor([1.]))
    tensor(2.)
    """
    how = reduction_of("gaussian_nll_loss", reduction)
    x = check_tensor("gaussian_nll_loss", "input", input)
    if not isinstance(var, Tensor):
        if not isinstance(var, float):
            raise TypeError(f"gaussian_nll_loss: var must be a Tensor or a float, got {type(var).__name__}")
        var = x.new_ones(x.shape) * var
    if found_anywhere(var < 0):
        raise ValueError("gaussian_nll_loss: var has negative entry/entries")
    v = _fit_variance(x, var).clone()
    with no_grad():  # the gradient goes on as if nothing had been limited
        v.clamp_(min=eps)
    loss = (v.log() + (x - target).square() / v) * 0.5
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, how)


def _fit_variance(x: Tensor, var: Tensor) -> Tensor:
    a, b = tuple(x._node.shape), tuple(var._node.shape)
    if a == b:
        return var
    if a[:-1] == b:
        return unsqueeze(var, -1)
    if len(a) == len(b) and [e for d, e in zip(a, b, strict=True) if d != e] == [1]:
        return var
    raise ValueError(f"gaussian_nll_loss: var is of incorrect size {b}, the input of size {a}")
