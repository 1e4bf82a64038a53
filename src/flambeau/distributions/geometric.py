"""The geometric distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..autograd.grad_mode import no_grad
from ..core.limits import finfo
from ..core.tensor import Tensor
from ..functions.creation import empty, zeros_like
from ..nn.functional import binary_cross_entropy_with_logits
from . import constraints
from .odds import Odds
from .utils import broadcast_all, where

__all__ = ["Geometric"]


class Geometric(Odds):
    """The number of failures before the first success, each trial succeeding with probability `probs`.

    `Tensor.geometric_` counts the success too. ValueError for a probability of 0.

    >>> import flambeau as torch
    >>> torch.distributions.Geometric(torch.tensor(0.25)).mean
    tensor(3.)
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}  # noqa: RUF012
    support = constraints.nonnegative_integer
    _parameters = ("probs", "logits")

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: bool | None = None) -> None:
        self._give(probs, logits)
        super().__init__(self.param_shape, validate_args=validate_args)
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise ValueError(
                f"Expected parameter probs (Tensor of shape {tuple(self.probs.shape)}) of distribution "
                f"{self!r} to be positive but found invalid values: {self.probs.detach()[self.probs <= 0]}"
            )

    @property
    def mean(self) -> Tensor:
        """1/p - 1."""
        return 1 / self.probs - 1

    @property
    def mode(self) -> Tensor:
        """Zero."""
        return zeros_like(self.probs)

    @property
    def variance(self) -> Tensor:
        """(1/p - 1) / p."""
        return (1 / self.probs - 1) / self.probs

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws numbers of failures."""
        with no_grad():
            u = empty(self._extended_shape(sample_shape), dtype=self.probs.dtype)
            u.uniform_(finfo(u.dtype).tiny, 1)
            return (u.log() / (-self.probs).log1p()).floor()

    def log_prob(self, value: Tensor) -> Tensor:
        """value log(1 - p) + log p."""
        if self._validate_args:
            self._validate_sample(value)
        value, probs = broadcast_all(value, self.probs)
        certain = (probs == 1) & (value == 0)
        return value * (-where(certain, 0.0, probs)).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        """A Bernoulli trial's entropy, over p."""
        return binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none") / self.probs
