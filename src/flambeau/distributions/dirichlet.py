"""The Dirichlet distribution."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.tensor import Tensor
from ..functions.sampling import _sample_dirichlet
from ..nn.functional import one_hot
from . import constraints
from .exp_family import ExponentialFamily
from .utils import spread, where

__all__ = ["Dirichlet"]


class Dirichlet(ExponentialFamily):
    """Points of the simplex: k numbers >= 0 whose sum is 1, with `concentration` (…, k).

    >>> import flambeau as torch
    >>> torch.distributions.Dirichlet(torch.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints = {"concentration": constraints.independent(constraints.positive, 1)}  # noqa: RUF012
    support = constraints.simplex
    has_rsample = True
    _parameters = ("concentration",)

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        super().__init__(concentration.shape[:-1], concentration.shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws normalised gamma numbers."""
        return _sample_dirichlet(spread(self.concentration, self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        """sum of (a - 1) log x, + log Gamma(sum of a), - sum of log Gamma(a)."""
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return (a - 1).xlogy(value).sum(-1) + a.sum(-1).lgamma() - a.lgamma().sum(-1)

    @property
    def mean(self) -> Tensor:
        """The normalised concentrations."""
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        """The normalised a - 1; where all are below 1, the corner of the largest."""
        excess = (self.concentration - 1).clamp(min=0)
        inside = excess / excess.sum(-1, True)
        corner = one_hot(inside.argmax(-1), self._event_shape[0]).to(excess)
        return where((self.concentration < 1).all(-1, keepdim=True), corner, inside)

    @property
    def variance(self) -> Tensor:
        """a (total - a) / (total**2 (total + 1))."""
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))

    def entropy(self) -> Tensor:
        """sum of log Gamma(a) - log Gamma(total) - (k - total) digamma(total) - sum of (a - 1) digamma(a)."""
        a = self.concentration
        total = a.sum(-1)
        spread = (a.shape[-1] - total) * total.digamma() + ((a - 1) * a.digamma()).sum(-1)
        return a.lgamma().sum(-1) - total.lgamma() - spread

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.concentration,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return x.lgamma().sum(-1) - x.sum(-1).lgamma()
