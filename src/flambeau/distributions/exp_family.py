"""Exponential families."""

from __future__ import annotations

from ..autograd.api import grad
from ..core.tensor import Tensor
from .distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """A distribution with density exp(t(x) · θ - F(θ) + k(x)), of natural parameters θ.

    A subclass gives `_natural_params`, the logarithm of the normaliser F as `_log_normalizer(*params)`, and
    the expected value of k as `_mean_carrier_measure`. The entropy is then F(θ) - θ · ∇F(θ) - E[k] (Nielsen
    and Nock, 2010), where the family has no formula of its own.

    >>> import flambeau as torch
    >>> from flambeau.distributions import ExponentialFamily, Normal
    >>> normal = Normal(0.0, 2.0)
    >>> torch.allclose(ExponentialFamily.entropy(normal), normal.entropy())
    True
    """

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        self._missing("_natural_params")

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        self._missing("_log_normalizer")

    @property
    def _mean_carrier_measure(self) -> float:
        self._missing("_mean_carrier_measure")

    def entropy(self) -> Tensor:
        """The expected -log_prob of a sample."""
        params = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*params)
        result = normalizer - self._mean_carrier_measure
        for p, slope in zip(params, grad(normalizer.sum(), params, create_graph=True), strict=True):
            result = result - (p * slope).reshape(*self._batch_shape, -1).sum(-1)
        return result
