"""From constraints to transforms that satisfy them.

`biject_to(constraint)` gives a bijective transform from real numbers onto the set, `transform_to(constraint)`
one that need not be bijective and is easy to optimise through. Others are added by `register`.

>>> import flambeau as torch
>>> from flambeau.distributions import Normal, transform_to
>>> transform_to(Normal.arg_constraints["scale"])(torch.tensor(0.0))
tensor(1.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import constraints, transforms
from .transforms import Transform

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]

Factory = Callable[[Any], Transform]


class ConstraintRegistry:
    """A table from classes of constraints to functions that give a transform for a constraint.

    >>> from flambeau.distributions import constraints, transforms
    >>> from flambeau.distributions.constraint_registry import ConstraintRegistry
    >>> registry = ConstraintRegistry()
    >>> _ = registry.register(constraints.positive, lambda c: transforms.SoftplusTransform())
    >>> registry(constraints.greater_than(0.0))
    SoftplusTransform()
    """

    def __init__(self) -> None:
        self._registry: dict[type[constraints.Constraint], Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Enters a class of constraints, or that of an object; without a factory a decorator of one.
        TypeError for what is no constraint.

        >>> from flambeau.distributions import biject_to, constraints, transforms
        >>> @biject_to.register(constraints.symmetric)
        ... def symmetric(constraint):
        ...     return transforms.identity_transform
        """
        if factory is None:
            return lambda factory: self.register(constraint, factory)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, constraints.Constraint)):
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}"
            )
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: constraints.Constraint) -> Transform:
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(
                f"Cannot transform {type(constraint).__name__} constraints; register a transform for them"
            )
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _onto_interval(constraint: Any) -> Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, int | float) and isinstance(high, int | float) and (low, high) == (0, 1):
        return transforms.SigmoidTransform()
    return transforms.ComposeTransform(
        [transforms.SigmoidTransform(), transforms.AffineTransform(low, high - low)]
    )


def _above(constraint: Any) -> Transform:
    shift = transforms.AffineTransform(constraint.lower_bound, 1)
    return transforms.ComposeTransform([transforms.ExpTransform(), shift])


def _below(constraint: Any) -> Transform:
    shift = transforms.AffineTransform(constraint.upper_bound, -1)
    return transforms.ComposeTransform([transforms.ExpTransform(), shift])


def _register_both(registry: ConstraintRegistry) -> None:
    """What the two registries have in common, and constraints of constraints, which each looks up itself."""
    for constraint, factory in (
        (constraints.real, lambda c: transforms.identity_transform),
        (constraints.greater_than, _above),
        (constraints.greater_than_eq, _above),
        (constraints.less_than, _below),
        (constraints.interval, _onto_interval),
        (constraints.half_open_interval, _onto_interval),
        (constraints.corr_cholesky, lambda c: transforms.CorrCholeskyTransform()),
        (
            constraints.independent,
            lambda c: transforms.IndependentTransform(
                registry(c.base_constraint), c.reinterpreted_batch_ndims
            ),
        ),
        (constraints.cat, lambda c: transforms.CatTransform([*map(registry, c.cseq)], c.dim, c.lengths)),
        (constraints.stack, lambda c: transforms.StackTransform([*map(registry, c.cseq)], c.dim)),
    ):
        registry.register(constraint, factory)


for _registry in (biject_to, transform_to):
    _register_both(_registry)
biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
for _constraint in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_constraint, lambda c: transforms.PositiveDefiniteTransform())
