"""The normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from ..functions.random import normal
from . import constraints
from .exp_family import ExponentialFamily
from .utils import _standard_normal, broadcast_all, spread

__all__ = ["Normal"]

HALF_LOG_TWO_PI = math.log(math.sqrt(2 * math.pi))


class Normal(ExponentialFamily):
    """The normal (Gaussian) distribution with mean `loc` and standard deviation `scale`.

    The loss of a variational autoencoder, from an encoder's mean and scale:

    >>> import flambeau as torch
    >>> from flambeau.distributions import Independent, Normal, kl_divergence
    >>> x, encoder, decoder = torch.ones(8, 5), torch.nn.Linear(5, 4), torch.nn.Linear(2, 5)
    >>> loc, raw = encoder(x).chunk(2, -1)
    >>> posterior = Normal(loc, torch.nn.functional.softplus(raw))
    >>> likelihood = Independent(Normal(decoder(posterior.rsample()), 1.0), 1)
    >>> kl = kl_divergence(posterior, Normal(torch.zeros(2), 1.0)).sum(-1)
    >>> loss = (kl - likelihood.log_prob(x)).mean()
    >>> loss.backward()
    >>> encoder.weight.grad.shape
    torch.Size([4, 5])
    """

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive}  # noqa: RUF012
    support = constraints.real
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = ("loc", "scale")

    def __init__(self, loc: Tensor | float, scale: Tensor | float, validate_args: bool | None = None) -> None:
        self.loc, self.scale = broadcast_all(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def stddev(self) -> Tensor:
        """scale."""
        return self.scale

    @property
    def variance(self) -> Tensor:
        """scale**2."""
        return self.scale**2

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws numbers, through which no gradient flows."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return normal(spread(self.loc, shape), spread(self.scale, shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws loc + scale times standard normal numbers."""
        return self.loc + _standard_normal(self._extended_shape(sample_shape), self.loc.dtype) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        """-(x - loc)**2 / (2 scale**2) - log scale - log(2 pi) / 2."""
        if self._validate_args:
            self._validate_sample(value)
        return -((value - self.loc) ** 2) / (2 * self.scale**2) - self.scale.log() - HALF_LOG_TWO_PI

    def cdf(self, value: Tensor) -> Tensor:
        """(1 + erf((x - loc) / scale / sqrt 2)) / 2."""
        if self._validate_args:
            self._validate_sample(value)
        return 0.5 * (1 + ((value - self.loc) * self.scale.reciprocal() / math.sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        """loc + scale sqrt 2 erfinv(2u - 1)."""
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Tensor:
        """(1 + log(2 pi)) / 2 + log scale."""
        return 0.5 + HALF_LOG_TWO_PI + self.scale.log()

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        precision = (self.scale**2).reciprocal()
        return self.loc * precision, -0.5 * precision

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        return -0.25 * x**2 / y + 0.5 * (-math.pi / y).log()
