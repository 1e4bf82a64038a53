"""Mixtures of distributions of one family."""

from __future__ import annotations

from collections.abc import Sequence

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from . import constraints
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """A component is chosen by a `Categorical` distribution of k indices, and draws the sample; the k
    components are the last batch dimension of one distribution.

    Errors: ValueError for other classes, or batches that don't fit.

    >>> import flambeau as torch
    >>> from flambeau.distributions import Categorical, MixtureSameFamily, Normal
    >>> mixture = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([-1.0, 3.0]), 1.0))
    >>> mixture.mean, mixture.variance
    (tensor(1.), tensor(5.))
    """

    arg_constraints = {}  # noqa: RUF012
    _parameters = ("_mixture_distribution", "_component_distribution")

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        for what, given, expected in (
            ("Mixture", mixture_distribution, Categorical),
            ("Component", component_distribution, Distribution),
        ):
            if not isinstance(given, expected):
                raise ValueError(
                    f"The {what} distribution needs to be an instance of torch.distributions."
                    f"{expected.__name__}, got {type(given).__name__}"
                )
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        mixed, components = mixture_distribution.batch_shape, component_distribution.batch_shape
        batch = components[:-1]
        if any(i != j and 1 not in (i, j) for i, j in zip(mixed[::-1], batch[::-1], strict=False)):
            raise ValueError(
                f"`mixture_distribution.batch_shape` ({mixed}) is not compatible with "
                f"`component_distribution.batch_shape`({batch})"
            )
        count = mixture_distribution.param_shape[-1]
        if count != components[-1]:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({components[-1]})"
            )
        event = component_distribution.event_shape
        self._event_ndims = len(event)
        super().__init__(batch, event, validate_args=validate_args)

    @constraints.dependent_property
    def support(self) -> constraints.Constraint:
        """The components'."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Categorical:
        """Which component is chosen."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    def _weighted(self, x: Tensor) -> Tensor:
        """The mean over the components (…, k, event)."""
        probs = self._mixture_distribution.probs
        probs = probs.reshape(*probs.shape, *(1,) * self._event_ndims)
        return (probs * x).sum(-1 - self._event_ndims)

    def _pad(self, x: Tensor) -> Tensor:
        return x.unsqueeze(-1 - self._event_ndims)

    @property
    def mean(self) -> Tensor:
        """The components' mean, on the average."""
        return self._weighted(self._component_distribution.mean)

    @property
    def variance(self) -> Tensor:
        """The components' variance and the squared distance of their means from the mean, on the average."""
        component = self._component_distribution
        return self._weighted(component.variance + (component.mean - self._pad(self.mean)) ** 2)

    def cdf(self, value: Tensor) -> Tensor:
        """The components', on the average."""
        return (self._component_distribution.cdf(self._pad(value)) * self._mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """log of the components' densities' average."""
        if self._validate_args:
            self._validate_sample(value)
        log_prob = self._component_distribution.log_prob(self._pad(value))
        return (log_prob + self._mixture_distribution.logits.log_softmax(-1)).logsumexp(-1)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws from all components, and takes those that are chosen."""
        with no_grad():
            chosen = self._mixture_distribution.sample(sample_shape)
            drawn = self._component_distribution.sample(sample_shape)
            dim = len(sample_shape) + len(self._batch_shape)
            shape = (*drawn.shape[:dim], 1, *drawn.shape[dim + 1 :])
            index = chosen.reshape(*chosen.shape, *(1,) * (len(shape) - chosen.ndim)).expand(shape)
            return drawn.gather(dim, index).squeeze(dim)

    def __repr__(self) -> str:
        return f"MixtureSameFamily(\n  {self._mixture_distribution},\n  {self._component_distribution})"
