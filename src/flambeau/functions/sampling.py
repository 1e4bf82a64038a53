"""Random numbers with parameters of their own for each element: gamma, Dirichlet, Poisson, binomial."""

from __future__ import annotations

from typing import Any

from ..autograd.function import Function
from ..core import dtype as dt
from ..core.generator import Generator, default_generator
from ..core.modes import modes
from ..core.rejection import check_rates
from ..core.tensor import Tensor
from ..ops import random as ops
from ..ops.op import check_tensor

__all__ = [
    "_dirichlet_grad",
    "_sample_dirichlet",
    "_standard_gamma",
    "_standard_gamma_grad",
    "binomial",
    "poisson",
]


def _draw(op: ops.Draw, generator: Generator | None, *parameters: Tensor) -> Tensor:
    first = parameters[0]
    return op(parameters, tuple(first.shape), first.dtype, generator or default_generator)


def _check(what: str, halves: bool = False, **parameters: Tensor) -> None:
    """Tensors of one floating dtype."""
    first = next(iter(parameters.values()))
    for name, t in parameters.items():
        check_tensor(what, name, t)
        if t.dtype is not first.dtype:
            raise RuntimeError(f"{what}: Found dtype {t.dtype} but expected {first.dtype}; cast {name} to it")
    if first.dtype.category != dt.FLOAT or (first.dtype.itemsize < 4 and not halves):
        raise NotImplementedError(
            f'{what}: "{what}_cpu" not implemented for dtype {first.dtype}; use float32'
        )


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson distributed numbers, one for each rate in `input`, in its dtype.

    RuntimeError for a rate that is negative or not finite, NotImplementedError unless rates are floating.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.poisson(torch.tensor([0., 2., 50.]))
    tensor([ 0.,  6., 47.])
    """
    _check("poisson", True, input=input)
    check_rates(input._value("rates"))
    return _draw(ops.poisson, generator, input)


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """How many of `count` trials succeed, each with probability `prob`. The two broadcast, and have the
    result's dtype, float32 or float64.

    RuntimeError for different dtypes or an infinite count, NotImplementedError for other dtypes.

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0); torch.binomial(torch.tensor([4., 100.]), torch.tensor([1., 0.5]))
    tensor([ 4., 49.])
    """
    _check("binomial", count=count, prob=prob)
    from .shape import broadcast_tensors

    if bool(count.isinf().any()):
        raise RuntimeError("binomial: expects finite counts, got inf")
    return _draw(ops.binomial, generator, *broadcast_tensors(count, prob))


class StandardGamma(Function):
    """Gamma numbers, which move with their concentration."""

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, generator: Generator | None) -> Tensor:
        x = _draw(ops.standard_gamma, generator, alpha)
        ctx.save_for_backward(alpha, x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        return g * ops.standard_gamma_grad(*ctx.saved_tensors), None


class SampleDirichlet(Function):
    """Points of a simplex, which move with their concentrations."""

    @staticmethod
    def forward(ctx: Any, alpha: Tensor, generator: Generator | None) -> Tensor:
        x = _draw(ops.dirichlet, generator, alpha)
        ctx.save_for_backward(alpha, x)
        return x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:
        alpha, x = ctx.saved_tensors
        total = alpha.sum(-1, True).expand_as(alpha)
        return ops.dirichlet_grad(x, alpha, total) * (g - (x * g).sum(-1, True)), None


def _standard_gamma(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma distributed numbers of rate 1 with these concentrations (float32 or float64). Differentiable."""
    _check("_standard_gamma", input=self)
    if modes.grad and self.requires_grad:
        return StandardGamma.apply(self, generator)
    return _draw(ops.standard_gamma, generator, self)


def _sample_dirichlet(self: Tensor, generator: Generator | None = None) -> Tensor:
    """Points of the simplex with these concentrations along the last dimension. Differentiable."""
    _check("_sample_dirichlet", input=self)
    if modes.grad and self.requires_grad:
        return SampleDirichlet.apply(self, generator)
    return _draw(ops.dirichlet, generator, self)


def _standard_gamma_grad(self: Tensor, output: Tensor) -> Tensor:
    """How gamma numbers move with their concentration."""
    _check("_standard_gamma_grad", self=self, output=output)
    return ops.standard_gamma_grad(self, output)


def _dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """How x / (1 - x) of a Dirichlet point's coordinates moves with their concentrations."""
    _check("_dirichlet_grad", x=x, alpha=alpha, total=total)
    return ops.dirichlet_grad(x, alpha, total)
