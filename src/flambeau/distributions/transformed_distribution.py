"""Distributions of functions of samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from ..autograd.grad_mode import no_grad
from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .distribution import Distribution
from .independent import Independent
from .transforms import ComposeTransform, Transform
from .utils import _sum_rightmost

__all__ = ["TransformedDistribution"]


class TransformedDistribution(Distribution):
    """The distribution of y = f(x), for x of a base distribution and f a transform, or a list of them in
    turn.

    The density follows by the change of variables: log p(y) = log p(x) - log |dy/dx|. ValueError for
    transforms that are none, or take more dimensions than the base has.

    >>> import flambeau as torch
    >>> from flambeau.distributions import Normal, TransformedDistribution
    >>> from flambeau.distributions.transforms import ExpTransform
    >>> log_normal = TransformedDistribution(Normal(0.0, 1.0), ExpTransform())
    >>> log_normal.cdf(torch.tensor(1.0))
    tensor(0.5000)
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012
    base_dist: Any
    _parameters: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        base_distribution: Distribution,
        transforms: Transform | list[Transform],
        validate_args: bool | None = None,
    ) -> None:
        self.transforms = [transforms] if isinstance(transforms, Transform) else transforms
        if not (isinstance(self.transforms, list) and all(isinstance(t, Transform) for t in self.transforms)):
            raise ValueError(f"transforms must be a Transform or a list of Transforms, but was {transforms}")
        whole = ComposeTransform(self.transforms)
        domain, codomain = whole.domain.event_dim, whole.codomain.event_dim
        shape = base_distribution.batch_shape + base_distribution.event_shape
        if len(shape) < domain:
            raise ValueError(
                f"base_distribution needs to have shape with size at least {domain}, but got {shape}."
            )
        base_event = len(base_distribution.event_shape)
        forward = Size(whole.forward_shape(shape))
        needed = whole.inverse_shape(forward)
        if shape != needed:  # the transform's parameters broadcast with the base
            base_distribution = base_distribution.expand(needed[: len(needed) - base_event])
        if domain > base_event:
            base_distribution = Independent(base_distribution, domain - base_event)
        self.base_dist = base_distribution
        self.has_rsample = base_distribution.has_rsample
        cut = len(forward) - max(codomain, base_event + codomain - domain)
        super().__init__(forward[:cut], forward[cut:], validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Self:
        """The same distributions, broadcast to another batch shape."""
        shape = Size(batch_shape) + self._event_shape
        for t in reversed(self.transforms):
            shape = t.inverse_shape(shape)
        base = self.base_dist.expand(shape[: len(shape) - len(self.base_dist.event_shape)])
        return self._rebuilt(Size(batch_shape), _instance, {"base_dist": base})

    @constraints.dependent_property(is_discrete=False)
    def support(self) -> constraints.Constraint:
        """Where the last transform leads."""
        if not self.transforms:
            return self.base_dist.support  # type: ignore[no-any-return]
        support = self.transforms[-1].codomain
        missing = len(self._event_shape) - support.event_dim
        return constraints.independent(support, missing) if missing > 0 else support

    def _forward(self, x: Tensor) -> Tensor:
        for t in self.transforms:
            x = t(x)
        return x

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws from the base, and transforms; no gradient flows through it."""
        with no_grad():
            return self._forward(self.base_dist.sample(sample_shape))

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws from the base, and transforms."""
        return self._forward(self.base_dist.rsample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """The base's at the inverse of `value`, less the logarithms of the Jacobians' determinants."""
        if self._validate_args:
            self._validate_sample(value)
        event_dim, y = len(self._event_shape), value
        total: Any = 0.0
        for t in reversed(self.transforms):
            x = t.inv(y)
            event_dim += t.domain.event_dim - t.codomain.event_dim
            total = total - _sum_rightmost(t.log_abs_det_jacobian(x, y), event_dim - t.domain.event_dim)
            y = x
        base = self.base_dist.log_prob(y)
        log_prob: Tensor = total + _sum_rightmost(base, event_dim - len(self.base_dist.event_shape))
        return log_prob

    def _monotonize_cdf(self, share: Tensor) -> Tensor:
        """A share of the base's samples as one of the transformed; the two run in opposite directions where
        the transforms fall."""
        sign: Any = 1
        for t in self.transforms:
            sign = sign * t.sign
        if isinstance(sign, int) and sign == 1:
            return share
        result: Tensor = sign * (share - 0.5) + 0.5
        return result

    def cdf(self, value: Tensor) -> Tensor:
        """The base's at the inverse of `value`."""
        for t in reversed(self.transforms):
            value = t.inv(value)
        if self._validate_args:
            self.base_dist._validate_sample(value)
        return self._monotonize_cdf(self.base_dist.cdf(value))

    def icdf(self, value: Tensor) -> Tensor:
        """The transformed base's."""
        return self._forward(self.base_dist.icdf(self._monotonize_cdf(value)))
