"""Student's t-distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.tensor import Tensor
from . import constraints
from .chi2 import Chi2
from .distribution import Distribution
from .utils import _standard_normal, broadcast_all, where

__all__ = ["StudentT"]


class StudentT(Distribution):
    """A normal number over the root of an independent mean of `df` squared ones, moved by `loc` and stretched
    by `scale`.

    >>> import flambeau as torch
    >>> torch.distributions.StudentT(4.0).variance
    tensor(2.)
    """

    arg_constraints = {  # noqa: RUF012
        "df": constraints.positive,
        "loc": constraints.real,
        "scale": constraints.positive,
    }
    support = constraints.real
    has_rsample = True
    _parameters = ("df", "loc", "scale", "_chi2")

    def __init__(
        self,
        df: Tensor | float,
        loc: Tensor | float = 0.0,
        scale: Tensor | float = 1.0,
        validate_args: bool | None = None,
    ) -> None:
        self.df, self.loc, self.scale = broadcast_all(df, loc, scale)
        self._chi2 = Chi2(self.df, validate_args=validate_args)
        super().__init__(self.df.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        """loc; NaN up to one degree of freedom."""
        return where(self.df <= 1, float("nan"), self.loc)

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """scale**2 df / (df - 2); infinite up to two degrees of freedom, NaN up to one."""
        spread = where(self.df > 2, self.scale**2 * self.df / (self.df - 2), float("inf"))
        return where(self.df <= 1, float("nan"), spread)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws normal numbers over roots of chi-squared ones."""
        x = _standard_normal(self._extended_shape(sample_shape), self.df.dtype)
        return self.loc + self.scale * (x * (self._chi2.rsample(sample_shape) / self.df).rsqrt())

    def log_prob(self, value: Tensor) -> Tensor:
        """-(df + 1)/2 log(1 + y**2 / df), less the constant's logarithm, with y = (x - loc) / scale."""
        if self._validate_args:
            self._validate_sample(value)
        half, half_more = 0.5 * self.df, 0.5 * (self.df + 1)
        normalizer = 0.5 * self.df.log() + 0.5 * math.log(math.pi) + half.lgamma() - half_more.lgamma()
        y = (value - self.loc) / self.scale
        return -half_more * (y**2 / self.df).log1p() - self.scale.log() - normalizer

    def entropy(self) -> Tensor:
        """(df + 1)/2 (digamma((df + 1)/2) - digamma(df/2)) + log(scale sqrt(df) B(df/2, 1/2))."""
        half, half_more = 0.5 * self.df, 0.5 * (self.df + 1)
        log_beta = half.lgamma() + 0.5 * math.log(math.pi) - half_more.lgamma()
        return (
            self.scale.log()
            + half_more * (half_more.digamma() - half.digamma())
            + 0.5 * self.df.log()
            + log_beta
        )
