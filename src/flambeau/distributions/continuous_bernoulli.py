"""The continuous Bernoulli distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from ..functions.random import rand
from ..nn.functional import binary_cross_entropy_with_logits
from . import constraints
from .exp_family import ExponentialFamily
from .odds import Odds
from .utils import broadcast_all, clamp_probs, lazy_property, logits_to_probs, where

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(Odds, ExponentialFamily):
    """Numbers in [0, 1] with a density in proportion to p**x (1 - p)**(1 - x) (Loaiza-Ganem and Cunningham,
    2019). For p within `lims` the first terms of Taylor series replace formulas that are 0/0 at p = 1/2.

    >>> import flambeau as torch
    >>> torch.distributions.ContinuousBernoulli(torch.tensor(0.5)).cdf(torch.tensor(0.3))
    tensor(0.3000)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}  # noqa: RUF012
    support = constraints.unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = ("probs", "logits")

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        self._give(probs, logits)
        self._lims = lims
        super().__init__(self.param_shape, validate_args=validate_args)
        if probs is not None:
            self.probs = clamp_probs(self.probs)

    @lazy_property
    def probs(self) -> Tensor:
        """The parameter p, kept off 0 and 1."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def _outside(self, x: Tensor, shift: float = 0.0) -> Tensor:
        return (x <= self._lims[0] - shift) | (x > self._lims[1] - shift)

    def _cut_probs(self) -> Tensor:
        """p, where it is near 1/2 the lower limit."""
        return where(self._outside(self.probs), self.probs, self._lims[0])

    def _cont_bern_log_norm(self) -> Tensor:
        """log of 2 atanh(1 - 2p) / (1 - 2p), the constant of the density."""
        p = self._cut_probs()
        log_norm = ((-p).log1p() - p.log()).abs().log() - (1 - 2 * p).abs().log()
        x = (self.probs - 0.5) ** 2
        return where(self._outside(self.probs), log_norm, math.log(2) + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self) -> Tensor:
        """p / (2p - 1) + 1 / (log(1 - p) - log p)."""
        p, x = self._cut_probs(), self.probs - 0.5
        exact = p / (2 * p - 1) + 1 / ((-p).log1p() - p.log())
        return where(self._outside(self.probs), exact, 0.5 + (1 / 3 + 16 / 45 * x * x) * x)

    @property
    def variance(self) -> Tensor:
        """p (p - 1) / (1 - 2p)**2 + 1 / (log(1 - p) - log p)**2."""
        p, x = self._cut_probs(), (self.probs - 0.5) ** 2
        exact = p * (p - 1) / (1 - 2 * p) ** 2 + 1 / ((-p).log1p() - p.log()) ** 2
        return where(self._outside(self.probs), exact, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws numbers, through which no gradient flows."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws numbers: the inverse of the distribution function, of uniform ones."""
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.probs.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """Bernoulli's formula and the constant's logarithm."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        return self._cont_bern_log_norm() - binary_cross_entropy_with_logits(logits, value, reduction="none")

    def cdf(self, value: Tensor) -> Tensor:
        """(p**x (1 - p)**(1 - x) + p - 1) / (2p - 1)."""
        if self._validate_args:
            self._validate_sample(value)
        p = self._cut_probs()
        exact = (p**value * (1 - p) ** (1 - value) + p - 1) / (2 * p - 1)
        return where(self._outside(self.probs), exact, value).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        """log(1 + u (2p - 1) / (1 - p)) / log(p / (1 - p))."""
        p = self._cut_probs()
        log_rest = (-p).log1p()
        exact = ((value * (2 * p - 1) - p).log1p() - log_rest) / (p.log() - log_rest)
        return where(self._outside(self.probs), exact, value)

    def entropy(self) -> Tensor:
        """mean (log(1 - p) - log p) - log(1 - p), less the constant's logarithm."""
        log_rest = (-self.probs).log1p()
        return self.mean * (log_rest - self.probs.log()) - self._cont_bern_log_norm() - log_rest

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    def _log_normalizer(self, x: Tensor) -> Tensor:  # type: ignore[override]
        outside = self._outside(x, 0.5)
        cut = where(outside, x, self._lims[0] - 0.5)
        taylor = 0.5 * x + x**2 / 24 - x**4 / 2880
        return where(outside, cut.expm1().abs().log() - cut.abs().log(), taylor)
