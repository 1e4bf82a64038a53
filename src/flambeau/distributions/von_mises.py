"""The von Mises distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..autograd.grad_mode import no_grad
from ..core import dtype as dt
from ..core.tensor import Tensor
from ..functions.creation import zeros
from ..functions.random import rand
from ..functions.special import i0e, i1e
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, where

__all__ = ["VonMises"]


class VonMises(Distribution):
    """Angles in [-pi, pi) around `loc`: the normal distribution of a circle, with `concentration` for a
    precision.

    >>> import flambeau as torch
    >>> torch.distributions.VonMises(0.0, 1.0).log_prob(torch.tensor(0.0)).exp()
    tensor(0.3417)
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}  # noqa: RUF012
    support = constraints.real
    _parameters = ("loc", "concentration")

    def __init__(
        self, loc: Tensor | float, concentration: Tensor | float, validate_args: bool | None = None
    ) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """loc, the direction of the mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """1 - I1(k) / I0(k), the circular variance, with concentration k."""
        k = self.concentration
        return 1 - i1e(k) / i0e(k)

    def log_prob(self, value: Tensor) -> Tensor:
        """k cos(x - loc) - log(2 pi I0(k)), with concentration k."""
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        return k * (value - self.loc).cos() - math.log(2 * math.pi) - (k + i0e(k).log())

    def _proposal(self, k: Tensor) -> Tensor:
        tau = 1 + (1 + 4 * k**2).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws angles by rejection from a wrapped Cauchy distribution (Best and Fisher, 1979), in
        float64."""
        with no_grad():
            shape = self._extended_shape(sample_shape)
            loc, k = self.loc.double(), self.concentration.double()
            r, x = self._proposal(k), zeros(shape, dtype=dt.float64)
            done = zeros(shape, dtype=dt.bool_)
            while not bool(done.all()):
                u1, u2, u3 = rand((3, *shape), dtype=dt.float64).unbind()
                z = (math.pi * u1).cos()
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accept = (c * (2 - c) > u2) | ((c / u2).log() + 1 - c >= 0)
                x = where(accept, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accept
            return ((x + math.pi + loc) % (2 * math.pi) - math.pi).to(self.loc.dtype)
