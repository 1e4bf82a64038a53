"""The half-Cauchy distribution."""

from __future__ import annotations

import math

from ..core.tensor import Tensor
from ..functions.creation import as_tensor, full_like, zeros_like
from . import constraints
from .cauchy import Cauchy
from .transformed_distribution import TransformedDistribution
from .transforms import AbsTransform
from .utils import where

__all__ = ["HalfCauchy"]


class HalfCauchy(TransformedDistribution):
    """|X| for X of Cauchy(0, scale).

    >>> import flambeau as torch
    >>> torch.distributions.HalfCauchy(1.0).cdf(torch.tensor(1.0))
    tensor(0.5000)
    """

    arg_constraints = {"scale": constraints.positive}  # noqa: RUF012
    support = constraints.nonnegative
    has_rsample = True
    base_dist: Cauchy
    _parameters = ()

    def __init__(self, scale: Tensor | float, validate_args: bool | None = None) -> None:
        base = Cauchy(0, scale, validate_args=False)
        super().__init__(base, AbsTransform(), validate_args=validate_args)

    @property
    def scale(self) -> Tensor:
        """The Cauchy distribution's scale."""
        return self.base_dist.scale

    @property
    def mean(self) -> Tensor:
        """Infinite."""
        return full_like(self.scale, float("inf"), requires_grad=False)

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return zeros_like(self.scale)

    @property
    def variance(self) -> Tensor:
        """Infinite."""
        return self.base_dist.variance

    def log_prob(self, value: Tensor) -> Tensor:
        """log 2 more than the Cauchy distribution's; -inf below zero."""
        if self._validate_args:
            self._validate_sample(value)
        value = as_tensor(value, dtype=self.scale.dtype)
        return where(value >= 0, self.base_dist.log_prob(value) + math.log(2), -float("inf"))

    def cdf(self, value: Tensor) -> Tensor:
        """2 F(x) - 1."""
        if self._validate_args:
            self._validate_sample(value)
        return 2 * self.base_dist.cdf(value) - 1

    def icdf(self, value: Tensor) -> Tensor:
        """The Cauchy distribution's at (u + 1) / 2."""
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        """log 2 less than the Cauchy distribution's."""
        return self.base_dist.entropy() - math.log(2)
