"""The generalised Pareto distribution."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.tensor import Tensor
from ..functions.choice import isclose
from ..functions.creation import zeros_like
from ..functions.random import rand
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, where

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """Tails of other distributions: 1 - F(x) = (1 + c z)**(-1/c), with z = (x - loc) / scale and
    concentration c, which is exp(-z) for c = 0.

    >>> import flambeau as torch
    >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.5).mean
    tensor(2.)
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True
    _parameters = ("loc", "scale", "concentration")

    def __init__(
        self,
        loc: Tensor | float,
        scale: Tensor | float,
        concentration: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        """From loc on; up to loc - scale / c if c < 0."""
        c = self.concentration
        return constraints.interval(self.loc, where(c < 0, self.loc - self.scale / c, float("inf")))

    def _split(self) -> tuple[Tensor, Tensor]:
        """Where c is zero, and c with ones there."""
        c = self.concentration
        is_zero = isclose(c, zeros_like(c))
        return is_zero, where(is_zero, 1.0, c)

    def _z(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return (value - self.loc) / self.scale

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws numbers: the inverse of the distribution function, of uniform ones."""
        return self.icdf(rand(self._extended_shape(sample_shape), dtype=self.loc.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        """-(1/c + 1) log(1 + c z) - log scale."""
        z = self._z(value)
        is_zero, c = self._split()
        power = 1 / c + 1
        return -self.scale.log() - where(is_zero, z, where(power == 0, power, power * (c * z).log1p()))

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log(1 - F(x)).

        >>> import flambeau as torch
        >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.0).log_survival_function(torch.tensor(2.0))
        tensor(-2.)
        """
        z = self._z(value)
        is_zero, c = self._split()
        return where(is_zero, -z, -(c * z).log1p() / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log F(x).

        >>> import flambeau as torch
        >>> torch.distributions.GeneralizedPareto(0.0, 1.0, 0.0).log_cdf(torch.tensor(2.0))
        tensor(-0.1454)
        """
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Tensor) -> Tensor:
        """F(x)."""
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale ((1 - u)**-c - 1) / c."""
        is_zero, c = self._split()
        log_rest = (-value).log1p()
        curved = self.loc + self.scale / c * (-c * log_rest).expm1()
        return where(is_zero, self.loc - self.scale * log_rest, curved)

    @property
    def mean(self) -> Tensor:
        """loc + scale / (1 - c); NaN from c = 1 on."""
        c = self.concentration
        return where(c < 1, self.loc + self.scale / (1 - where(c < 1, c, 0.5)), float("nan"))

    @property
    def variance(self) -> Tensor:
        """scale**2 / ((1 - c)**2 (1 - 2c)); NaN from c = 1/2 on."""
        finite = self.concentration < 0.5
        c = where(finite, self.concentration, 0.25)
        return where(finite, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), float("nan"))

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    def entropy(self) -> Tensor:
        """log scale + c + 1."""
        return self.scale.log() + self.concentration + 1
