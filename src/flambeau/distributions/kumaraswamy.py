"""The Kumaraswamy distribution."""

from __future__ import annotations

from ..core.tensor import Tensor
from ..functions.creation import full_like
from . import constraints
from .transformed_distribution import TransformedDistribution
from .transforms import AffineTransform, PowerTransform
from .uniform import Uniform
from .utils import broadcast_all, euler_constant, where

__all__ = ["Kumaraswamy"]


class Kumaraswamy(TransformedDistribution):
    """Numbers in [0, 1] with 1 - F(x) = (1 - x**a)**b, for a = concentration1 and b = concentration0: much
    like `Beta`, with an inverse.

    >>> import flambeau as torch
    >>> torch.distributions.Kumaraswamy(1.0, 1.0).mean
    tensor(0.5000)
    """

    arg_constraints = {  # noqa: RUF012
        "concentration1": constraints.positive,
        "concentration0": constraints.positive,
    }
    support = constraints.unit_interval
    has_rsample = True
    _parameters = ("concentration1", "concentration0")

    def __init__(
        self,
        concentration1: Tensor | float,
        concentration0: Tensor | float,
        validate_args: bool | None = None,
    ) -> None:
        self.concentration1, self.concentration0 = a, b = broadcast_all(concentration1, concentration0)
        like = b.detach()
        base = Uniform(full_like(like, 0), full_like(like, 1), validate_args=validate_args)
        transforms = [
            PowerTransform(b.reciprocal()),
            AffineTransform(1.0, -1.0),
            PowerTransform(a.reciprocal()),
        ]
        super().__init__(base, transforms, validate_args=validate_args)

    def _moment(self, n: int) -> Tensor:
        b, more = self.concentration0, 1 + n / self.concentration1
        return b * (more.lgamma() + b.lgamma() - (more + b).lgamma()).exp()

    @property
    def mean(self) -> Tensor:
        """b B(1 + 1/a, b)."""
        return self._moment(1)

    @property
    def mode(self) -> Tensor:
        """((a - 1) / (a b - 1))**(1/a); NaN if a or b is below 1."""
        a, b = self.concentration1, self.concentration0
        mode = ((a - 1) / (a * b - 1)).pow(a.reciprocal())
        return where((b < 1) | (a < 1), float("nan"), mode)

    @property
    def variance(self) -> Tensor:
        """b B(1 + 2/a, b) - mean**2."""
        return self._moment(2) - self.mean**2

    def entropy(self) -> Tensor:
        """1 - 1/b + (1 - 1/a) (digamma(b + 1) + Euler's constant) - log a b."""
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + euler_constant
        return 1 - b.reciprocal() + (1 - a.reciprocal()) * harmonic - a.log() - b.log()
