"""The gamma distribution."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.limits import finfo
from ..core.tensor import Tensor
from ..functions.creation import as_tensor
from ..functions.sampling import _standard_gamma
from . import constraints
from .exp_family import ExponentialFamily
from .utils import broadcast_all, spread

__all__ = ["Gamma"]


class Gamma(ExponentialFamily):
    """Positive numbers with shape `concentration` and `rate`: for a whole concentration, the waiting time for
    so many events. Gradients reach the concentration through samples (implicit reparameterisation).

    >>> import flambeau as torch
    >>> torch.distributions.Gamma(3.0, 2.0).mean
    tensor(1.5000)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}  # noqa: RUF012
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = ("concentration", "rate")

    def __init__(
        self, concentration: Tensor | float, rate: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.concentration, self.rate = broadcast_all(concentration, rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """concentration / rate."""
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        """(concentration - 1) / rate, at least zero."""
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        """concentration / rate**2."""
        return self.concentration / self.rate**2

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws gamma numbers of rate 1 over the rate."""
        shape = self._extended_shape(sample_shape)
        value = _standard_gamma(spread(self.concentration, shape)) / self.rate
        value.detach().clamp_(min=finfo(value.dtype).tiny)  # gradients flow where it is clamped too
        return value

    def log_prob(self, value: Tensor) -> Tensor:
        """a log rate + (a - 1) log x - rate x - log Gamma(a), with concentration a."""
        value = as_tensor(value, dtype=self.rate.dtype)
        if self._validate_args:
            self._validate_sample(value)
        a = self.concentration
        return a.xlogy(self.rate) + (a - 1).xlogy(value) - self.rate * value - a.lgamma()

    def entropy(self) -> Tensor:
        """a - log rate + log Gamma(a) + (1 - a) digamma(a)."""
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1 - a) * a.digamma()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return self.concentration - 1, -self.rate

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return (x + 1).lgamma() + (x + 1) * (-y.reciprocal()).log()

    def cdf(self, value: Tensor) -> Tensor:
        """The regularised lower incomplete gamma function of a and rate x."""
        if self._validate_args:
            self._validate_sample(value)
        return self.concentration.igamma(self.rate * value)
