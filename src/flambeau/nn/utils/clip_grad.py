"""Gradients kept in bounds before an optimizer's step."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable

from ...autograd.grad_mode import no_grad
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.choice import clamp
from ...functions.creation import tensor
from ...functions.joining import stack
from ...functions.norms import vector_norm

Tensors = Tensor | Iterable[Tensor]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False, foreach: bool | None = None
) -> Tensor:
    """The norm of all elements of several tensors, as if they were one vector; 0 for none.

    Args:
        tensors: one tensor or an iterable of them.
        norm_type: the exponent; inf for the largest absolute value.
        error_if_nonfinite: whether an infinite norm, or one that is no number, is an error.
        foreach: without effect: all norms are part of one program anyway.

    Raises:
        RuntimeError: the norm is infinite or NaN, if `error_if_nonfinite`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
        tensor(5.)
    """
    several = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    order = float(norm_type)
    if not several:
        return tensor(0.0)
    with no_grad():
        total = vector_norm(stack([vector_norm(t, order) for t in several]), order)
    if error_if_nonfinite and not math.isfinite(total.item()):
        raise RuntimeError(
            f"get_total_norm: The total norm of order {order} for gradients from `parameters` is non-finite "
            f"({total.item()}), so it cannot be clipped; find the cause with torch.autograd.detect_anomaly, "
            "or pass error_if_nonfinite=False"
        )
    return total


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Multiplies the gradients of parameters by min(1, max_norm / (total_norm + 1e-6)), in place.

    Args:
        parameters: one tensor or an iterable of them; those without a gradient are left out.
        max_norm: the largest norm that stays as it is.
        total_norm: the norm of all gradients together, as `get_total_norm` gives it.
        foreach: without effect: all gradients are scaled in one program anyway.

    Example:
        >>> import flambeau as torch
        >>> p = torch.zeros(2, requires_grad=True)
        >>> p.grad = torch.tensor([3.0, 4.0])
        >>> torch.nn.utils.clip_grads_with_norm_(p, 1.0, torch.tensor(5.0))
        >>> p.grad
        tensor([0.6000, 0.8000])
    """
    limit = float(max_norm)
    if grads := _gradients(parameters):
        with no_grad():
            factor = clamp(limit / (total_norm + 1e-6), max=1.0)
            for grad in grads:
                grad.mul_(factor)


def clip_grad_norm_(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales the gradients of parameters down, in place, so that their norm is at most `max_norm`.

    Args:
        parameters: one tensor or an iterable of them; those without a gradient are left out.
        max_norm: the largest norm of all gradients, taken as one vector.
        norm_type: the exponent of the norm; inf for the largest absolute value.
        error_if_nonfinite: whether an infinite norm, or one that is no number, is an error.
        foreach: without effect: all gradients are scaled in one program anyway.

    Returns:
        The norm before.

    Raises:
        RuntimeError: the norm is infinite or NaN, if `error_if_nonfinite`.

    Example:
        >>> import flambeau as torch
        >>> p = torch.zeros(2, requires_grad=True)
        >>> p.grad = torch.tensor([3.0, 4.0])
        >>> torch.nn.utils.clip_grad_norm_([p], max_norm=1.0)
        tensor(5.)
        >>> p.grad
        tensor([0.6000, 0.8000])
    """
    owners = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not owners and isinstance(parameters, types.GeneratorType):
        warn("clip_grad_norm_: `parameters` is an empty generator, no gradient clipping will occur.")
    total = get_total_norm(_gradients(owners), norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(owners, max_norm, total, foreach)
    return total


def clip_grad_norm(
    parameters: Tensors,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of `clip_grad_norm_`; warns.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> with warnings.catch_warnings(action="ignore"):
        ...     torch.nn.utils.clip_grad_norm(torch.zeros(2, requires_grad=True), 1.0)
        tensor(0.)
    """
    warn(
        "clip_grad_norm: `torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limits each element of the gradients of parameters to [-clip_value, clip_value], in place.

    Args:
        parameters: one tensor or an iterable of them; those without a gradient are left out.
        clip_value: the largest absolute value.
        foreach: without effect: all gradients are limited in one program anyway.

    Example:
        >>> import flambeau as torch
        >>> p = torch.zeros(2, requires_grad=True)
        >>> p.grad = torch.tensor([3.0, -0.5])
        >>> torch.nn.utils.clip_grad_value_([p], 1.0)
        >>> p.grad
        tensor([ 1.0000, -0.5000])
    """
    limit = float(clip_value)
    with no_grad():
        for grad in _gradients(parameters):
            grad.clamp_(-limit, limit)


def _gradients(parameters: Tensors) -> list[Tensor]:
    owners = [parameters] if isinstance(parameters, Tensor) else parameters
    return [p.grad for p in owners if p.grad is not None]
