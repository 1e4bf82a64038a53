"""The binomial distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from ..functions.ranges import arange
from ..functions.sampling import binomial
from . import constraints
from .odds import Odds
from .utils import spread

__all__ = ["Binomial"]


def _relu(x: Tensor) -> Tensor:
    """max(x, 0) with gradient 1/2 at 0."""
    return (x.clamp(min=0) + x - x.clamp(max=0)) / 2


class Binomial(Odds):
    """How many of `total_count` trials succeed, each with probability `probs`.

    NotImplementedError from `entropy` and `enumerate_support` for counts that differ.

    >>> import flambeau as torch
    >>> torch.distributions.Binomial(10, torch.tensor([0.5, 1.0])).mean
    tensor([ 5., 10.])
    """

    arg_constraints = {  # noqa: RUF012
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    _parameters = ("total_count", "probs", "logits")

    def __init__(
        self,
        total_count: Tensor | int = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        (count,) = self._give(probs, logits, total_count)
        self.total_count = count.type_as(self._param)
        super().__init__(self.param_shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> constraints.Constraint:
        """The integers from 0 to total_count."""
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        """n p."""
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        """(n + 1) p, rounded down."""
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    @property
    def variance(self) -> Tensor:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws numbers of successes."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return binomial(spread(self.total_count, shape), spread(self.probs, shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """log of (n over k) p**k (1 - p)**(n - k), with k logits - n log(1 + exp(logits)) for the powers."""
        if self._validate_args:
            self._validate_sample(value)
        n, logits = self.total_count, self.logits
        normalizer = n * _relu(logits) + n * (-logits.abs()).exp().log1p() - (n + 1).lgamma()
        return value * logits - (value + 1).lgamma() - (n - value + 1).lgamma() - normalizer

    def _common_count(self, what: str) -> int:
        most = int(self.total_count.max())
        if int(self.total_count.min()) != most:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return most

    def entropy(self) -> Tensor:
        """The sum over all counts."""
        self._common_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to total_count."""
        most = self._common_count("enumerate_support")
        return self._enumerated(arange(most + 1, dtype=self._param.dtype), expand)
