"""The multinomial distribution."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.size import Size
from ..core.tensor import Tensor
from ..functions.creation import ones_like, tensor
from . import constraints
from .binomial import Binomial
from .categorical import Categorical
from .distribution import Distribution
from .utils import broadcast_all, lazy_property, where

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each of k categories occurs in `total_count` draws.

    `log_prob` takes counts of any sum (if not checked). NotImplementedError for a `total_count` that is no
    int.

    >>> import flambeau as torch
    >>> torch.distributions.Multinomial(4, torch.tensor([1., 3.])).mean
    tensor([1., 3.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}  # noqa: RUF012
    _parameters = ("_categorical", "_binomial")

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs, logits)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    @lazy_property
    def _binomial(self) -> Binomial:
        """Of the count of each category."""
        return Binomial(self.total_count, self.probs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> constraints.Constraint:
        """Counts whose sum is at most total_count."""
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> Tensor:
        """The categories' log-probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """The categories' probabilities."""
        return self._categorical.probs

    @property
    def param_shape(self) -> Size:
        """The shape of `probs` and `logits`."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        """n p."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        """n p (1 - p)."""
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws counts."""
        drawn = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
        counts = drawn.new_zeros(self._extended_shape(sample_shape))
        return counts.scatter_add(-1, drawn, ones_like(drawn)).type_as(self.probs)

    def entropy(self) -> Tensor:
        """n times a draw's entropy, less the expected log of how many orders give the same counts."""
        n = tensor(self.total_count)
        counts = self._binomial.enumerate_support(expand=False)[1:]
        repeated = (self._binomial.log_prob(counts).exp() * (counts + 1).lgamma()).sum([0, -1])
        return n * self._categorical.entropy() - (n + 1).lgamma() + repeated

    def log_prob(self, value: Tensor) -> Tensor:
        """log of n! times the product of p**k / k!."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = where((value == 0) & (logits == -float("inf")), 0.0, logits)
        orders = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return orders + (logits * value).sum(-1)
