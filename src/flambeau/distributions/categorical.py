"""The categorical distribution."""

from __future__ import annotations

from collections.abc import Sequence

from ..core import dtype as dt
from ..core.limits import finfo
from ..core.size import Size
from ..core.tensor import Tensor
from ..functions.creation import full
from ..functions.random import multinomial
from ..functions.ranges import arange
from ..functions.shape import broadcast_tensors
from . import constraints
from .odds import Odds, only_one

__all__ = ["Categorical"]


class Categorical(Odds):
    """Indices 0 to k - 1 in proportion to `probs` (…, k), which are normalised, or to exp(`logits`).

    Training a policy by its own samples (REINFORCE):

    >>> import flambeau as torch
    >>> _ = torch.manual_seed(0)
    >>> policy = torch.nn.Linear(4, 3)
    >>> m = torch.distributions.Categorical(logits=policy(torch.ones(4)))
    >>> action = m.sample()
    >>> reward = 1.0 if action.item() == 2 else -1.0
    >>> (-m.log_prob(action) * reward).backward()
    >>> policy.weight.grad.shape
    torch.Size([3, 4])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}  # noqa: RUF012
    has_enumerate_support = True
    _over_categories = True
    _parameters = ("probs", "logits")

    def __init__(
        self, probs: Tensor | None = None, logits: Tensor | None = None, validate_args: bool | None = None
    ) -> None:
        only_one(probs, logits)
        for name, given in (("probs", probs), ("logits", logits)):
            if given is not None and given.ndim < 1:
                raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        if probs is not None:
            self._give(probs / probs.sum(-1, keepdim=True), None)
        elif logits is not None:
            self._give(None, logits - logits.logsumexp(-1, keepdim=True))
        self._num_events = self.param_shape[-1]
        super().__init__(self.param_shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> constraints.Constraint:
        """The integers from 0 to k - 1."""
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        """NaN: categories have no mean."""
        return full(self._extended_shape(), float("nan"), dtype=self._param.dtype)

    @property
    def mode(self) -> Tensor:
        """The likeliest category."""
        return self.probs.argmax(-1)

    @property
    def variance(self) -> Tensor:
        """NaN: categories have no variance."""
        return self.mean

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws indices (int64)."""
        rows, count = self.probs.detach(), Size(sample_shape).numel()
        if rows.ndim > 2:
            rows = rows.flatten(0, -2)
        drawn = multinomial(rows, count, True)
        return (drawn if count == 1 else drawn.T).reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The value's logit."""
        if self._validate_args:
            self._validate_sample(value)
        value, logits = broadcast_tensors(value.long().unsqueeze(-1), self.logits)
        return logits.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        """-sum of p log p."""
        return -(self.logits.clamp(min=finfo(self.logits.dtype).min) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """0 to k - 1."""
        return self._enumerated(arange(self._num_events, dtype=dt.int64), expand)
