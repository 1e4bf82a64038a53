"""Sets of values: what parameters and samples of distributions have to lie in.

A constraint's `check(value)` tells for each event of a value whether it lies in the set. Constraints without
parameters are objects (`positive`), the others classes (`interval(0, 1)`).

>>> import flambeau as torch
>>> torch.distributions.constraints.positive.check(torch.tensor([1., -1.]))
tensor([ True, False])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import numpy as np

from ..core.dtype import bool_
from ..core.limits import finfo
from ..core.tensor import Tensor
from ..functions.choice import isclose
from ..functions.creation import full
from ..functions.factors import cholesky_ex
from ..functions.joining import cat as concatenate
from ..functions.joining import stack as stacked
from ..functions.norms import vector_norm
from ..functions.spectra import eigvalsh

__all__ = [
    "Constraint",
    "MixtureSameFamilyConstraint",
    "boolean",
    "cat",
    "corr_cholesky",
    "dependent",
    "dependent_property",
    "greater_than",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "is_dependent",
    "less_than",
    "lower_cholesky",
    "lower_triangular",
    "multinomial",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "positive_integer",
    "positive_semidefinite",
    "real",
    "real_vector",
    "simplex",
    "square",
    "stack",
    "symmetric",
    "unit_interval",
]


class Constraint:
    """A set of values. `event_dim` dimensions of a value at its end are one event, which lies in the set or
    not; `is_discrete` says whether the set is.

    >>> from flambeau.distributions.constraints import real, simplex
    >>> real.event_dim, simplex.event_dim
    (0, 1)
    """

    is_discrete: bool = False
    event_dim: int = 0

    def check(self, value: Tensor) -> Tensor:
        """Whether each event lies in the set: a bool tensor of the value's shape without the event's.

        >>> import flambeau as torch
        >>> torch.distributions.constraints.real.check(torch.tensor([0., torch.nan]))
        tensor([ True, False])
        """
        raise NotImplementedError(f"{type(self).__name__} does not define check")

    def _holds(self, value: Tensor) -> bool:
        """Whether all events lie in the set."""
        return bool(self.check(value).all())

    def __repr__(self) -> str:
        return f"{type(self).__name__.lstrip('_')}()"


# ----- that depend on something else -----


class _Dependent(Constraint):
    """A set that depends on other values: nothing can be checked."""

    def __init__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> None:
        self._is_discrete, self._event_dim = is_discrete, event_dim

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether the set is discrete; NotImplementedError if that isn't known."""
        if self._is_discrete is NotImplemented:
            raise NotImplementedError(".is_discrete cannot be determined statically")
        return bool(self._is_discrete)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The number of dimensions of an event; NotImplementedError if that isn't known."""
        if self._event_dim is NotImplemented:
            raise NotImplementedError(".event_dim cannot be determined statically")
        return int(self._event_dim)

    def __call__(self, *, is_discrete: Any = NotImplemented, event_dim: Any = NotImplemented) -> _Dependent:
        """The same with these properties known."""
        return _Dependent(
            is_discrete=self._is_discrete if is_discrete is NotImplemented else is_discrete,
            event_dim=self._event_dim if event_dim is NotImplemented else event_dim,
        )

    def check(self, value: Tensor) -> Tensor:
        """ValueError: nothing can be checked."""
        raise ValueError("Cannot determine validity of dependent constraint")


class _DependentProperty(property, _Dependent):
    """A property of an object that is a constraint; on the class it is a dependent constraint."""

    def __init__(
        self,
        fn: Callable[..., Any] | None = None,
        *,
        is_discrete: Any = NotImplemented,
        event_dim: Any = NotImplemented,
    ) -> None:
        property.__init__(self, fn)
        _Dependent.__init__(self, is_discrete=is_discrete, event_dim=event_dim)

    def __call__(self, fn: Callable[..., Any]) -> _DependentProperty:  # type: ignore[override]
        """For a decorator that is given properties: `@dependent_property(event_dim=1)`."""
        return _DependentProperty(fn, is_discrete=self._is_discrete, event_dim=self._event_dim)


def is_dependent(constraint: Any) -> TypeGuard[_Dependent]:
    """Whether a constraint depends on other values, so that it can't be checked.

    >>> from flambeau.distributions import constraints
    >>> constraints.is_dependent(constraints.dependent), constraints.is_dependent(constraints.real)
    (True, False)
    """
    return isinstance(constraint, _Dependent)


# ----- of other constraints -----


def _same_place(base: Any) -> Constraint:
    if not isinstance(base, Constraint):
        raise AssertionError(f"base_constraint must be a Constraint, got {type(base).__name__}")
    return base


class _IndependentConstraint(Constraint):
    """Takes more dimensions into the event, all of whose parts have to lie in the base set."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        self.base_constraint = _same_place(base_constraint)
        if not (isinstance(reinterpreted_batch_ndims, int) and reinterpreted_batch_ndims >= 0):
            raise AssertionError(
                f"reinterpreted_batch_ndims must be an int >= 0, got {reinterpreted_batch_ndims}"
            )
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """As the base set."""
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The base set's, and the dimensions taken in."""
        return self.base_constraint.event_dim + self.reinterpreted_batch_ndims

    def check(self, value: Tensor) -> Tensor:
        """Whether all parts of each event lie in the base set; ValueError for too few dimensions."""
        result, n = self.base_constraint.check(value), self.reinterpreted_batch_ndims
        if result.ndim < n:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim}")
        return result.reshape(*result.shape[: result.ndim - n], -1).all(-1)

    def _holds(self, value: Tensor) -> bool:
        if value.ndim < self.event_dim:
            return super()._holds(value)
        return self.base_constraint._holds(value)

    def __repr__(self) -> str:
        return f"{type(self).__name__[1:]}({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(Constraint):
    """The set of a mixture's samples: those that all components' set contains.

    >>> from flambeau.distributions import constraints
    >>> constraints.MixtureSameFamilyConstraint(constraints.positive)
    MixtureSameFamilyConstraint(GreaterThan(lower_bound=0.0))
    """

    def __init__(self, base_constraint: Constraint) -> None:
        self.base_constraint = _same_place(base_constraint)

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """As the components' set."""
        return self.base_constraint.is_discrete

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """As the components' set."""
        return self.base_constraint.event_dim

    def check(self, value: Tensor) -> Tensor:
        """Whether each event lies in the set of all components; ValueError for too few dimensions."""
        kept = value.ndim - self.event_dim
        if kept < 0:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim}")
        result = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        return result.reshape(*result.shape[:kept], -1).all(-1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_constraint!r})"


class _Cat(Constraint):
    """Several constraints one after the other along a dimension, of these lengths."""

    def __init__(
        self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None
    ) -> None:
        self.cseq = [_same_place(c) for c in cseq]
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise AssertionError(f"lengths ({len(self.lengths)}) must match cseq ({len(self.cseq)})")
        self.dim = dim

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether any of them is."""
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The most of them."""
        return max(c.event_dim for c in self.cseq)

    def check(self, value: Tensor) -> Tensor:
        """Whether each part lies in its set."""
        parts = value.split(self.lengths, self.dim)
        return concatenate([c.check(v) for c, v in zip(self.cseq, parts, strict=True)], self.dim)


class _Stack(Constraint):
    """One constraint for each index of a dimension."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0) -> None:
        self.cseq = [_same_place(c) for c in cseq]
        self.dim = dim

    @property
    def is_discrete(self) -> bool:  # type: ignore[override]
        """Whether any of them is."""
        return any(c.is_discrete for c in self.cseq)

    @property
    def event_dim(self) -> int:  # type: ignore[override]
        """The most of them, and the dimension itself if it is one of the event's."""
        dim = max(c.event_dim for c in self.cseq)
        return dim + 1 if self.dim + dim < 0 else dim

    def check(self, value: Tensor) -> Tensor:
        """Whether each part lies in its set."""
        parts = value.unbind(self.dim)
        return stacked([c.check(v) for c, v in zip(self.cseq, parts, strict=True)], self.dim)


# ----- of numbers and vectors: formulas that arrays understand too, which are quicker to ask -----


class _Formula(Constraint):
    def _test(self, x: Any, *bounds: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define _test")

    def check(self, value: Tensor) -> Tensor:
        result: Tensor = self._test(value, *vars(self).values())
        return result

    def _holds(self, value: Tensor) -> bool:
        return bool(np.all(self._test(*map(_array, (value, *vars(self).values())))))

    def __repr__(self) -> str:
        bounds = ", ".join(f"{name}={bound}" for name, bound in vars(self).items())
        return f"{type(self).__name__[1:]}({bounds})"


def _array(x: Any) -> Any:
    return x._value("the constraint of an argument") if isinstance(x, Tensor) else x


class _Between(_Formula):
    def __init__(self, lower_bound: Any, upper_bound: Any) -> None:
        self.lower_bound, self.upper_bound = lower_bound, upper_bound


class _Above(_Formula):
    def __init__(self, lower_bound: Any) -> None:
        self.lower_bound = lower_bound


class _Below(_Formula):
    def __init__(self, upper_bound: Any) -> None:
        self.upper_bound = upper_bound


class _Real(_Formula):
    """All numbers but NaN."""

    def _test(self, x: Any) -> Any:
        return x == x


class _Boolean(_Formula):
    """0 and 1."""

    is_discrete = True

    def _test(self, x: Any) -> Any:
        return (x == 0) | (x == 1)


class _Interval(_Between):
    """[lower_bound, upper_bound]."""

    def _test(self, x: Any, low: Any, high: Any) -> Any:
        return (x >= low) & (x <= high)


class _HalfOpenInterval(_Between):
    """[lower_bound, upper_bound)."""

    def _test(self, x: Any, low: Any, high: Any) -> Any:
        return (x >= low) & (x < high)


class _GreaterThan(_Above):
    """(lower_bound, inf]."""

    def _test(self, x: Any, low: Any) -> Any:
        return x > low


class _GreaterThanEq(_Above):
    """[lower_bound, inf]."""

    def _test(self, x: Any, low: Any) -> Any:
        return x >= low


class _LessThan(_Below):
    """[-inf, upper_bound)."""

    def _test(self, x: Any, high: Any) -> Any:
        return x < high


class _IntegerInterval(_Between):
    """Integers from lower_bound to upper_bound."""

    is_discrete = True

    def _test(self, x: Any, low: Any, high: Any) -> Any:
        return (x % 1 == 0) & (x >= low) & (x <= high)


class _IntegerGreaterThan(_Above):
    """Integers from lower_bound on."""

    is_discrete = True

    def _test(self, x: Any, low: Any) -> Any:
        return (x % 1 == 0) & (x >= low)


class _OneHot(_Formula):
    """Vectors of zeros and a single one."""

    is_discrete = True
    event_dim = 1

    def _test(self, x: Any) -> Any:
        return ((x == 0) | (x == 1)).all(-1) & (x.sum(-1) == 1)


class _Simplex(_Formula):
    """Vectors of numbers >= 0 whose sum is 1, to a millionth."""

    event_dim = 1

    def _test(self, x: Any) -> Any:
        return (x >= 0).all(-1) & (abs(x.sum(-1) - 1) < 1e-6)


class _Multinomial(_Below):
    """Vectors of counts whose sum is at most upper_bound."""

    is_discrete = True
    event_dim = 1
    __repr__ = Constraint.__repr__

    def _test(self, x: Any, most: Any) -> Any:
        return (x >= 0).all(-1) & (x.sum(-1) <= most)


# ----- of matrices -----


class _LowerTriangular(Constraint):
    """Matrices with zeros above the diagonal."""

    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        return (value.tril() == value).flatten(-2).all(-1)


class _LowerCholesky(Constraint):
    """Lower triangular matrices with a positive diagonal."""

    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        return lower_triangular.check(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


class _CorrCholesky(Constraint):
    """Lower triangular matrices with a positive diagonal and rows of length one."""

    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        tolerance = 10 * finfo(value.dtype).eps * value.shape[-1]
        unit = ((vector_norm(value.detach(), dim=-1) - 1).abs() <= tolerance).all(-1)
        return lower_cholesky.check(value) & unit


class _Square(Constraint):
    """Square matrices."""

    event_dim = 2

    def check(self, value: Tensor) -> Tensor:
        return full(value.shape[:-2], value.shape[-2] == value.shape[-1], dtype=bool_)


class _Symmetric(_Square):
    """Symmetric matrices, to a millionth."""

    def check(self, value: Tensor) -> Tensor:
        if value.shape[-2] != value.shape[-1]:
            return super().check(value)
        return isclose(value, value.mT, atol=1e-6).all(-2).all(-1)


class _PositiveSemidefinite(_Symmetric):
    """Symmetric matrices without negative eigenvalues."""

    def check(self, value: Tensor) -> Tensor:
        is_symmetric = super().check(value)
        return (eigvalsh(value) >= 0).all(-1) if bool(is_symmetric.all()) else is_symmetric


class _PositiveDefinite(_Symmetric):
    """Symmetric matrices that have a Cholesky factor."""

    def check(self, value: Tensor) -> Tensor:
        is_symmetric = super().check(value)
        if not bool(is_symmetric.all()):
            return is_symmetric
        factored: Tensor = cholesky_ex(value.detach()).info == 0
        return factored


dependent = _Dependent()
dependent_property = _DependentProperty
independent = _IndependentConstraint
boolean = _Boolean()
one_hot = _OneHot()
nonnegative_integer = _IntegerGreaterThan(0)
positive_integer = _IntegerGreaterThan(1)
integer_interval = _IntegerInterval
real = _Real()
real_vector = independent(real, 1)
positive = _GreaterThan(0.0)
nonnegative = _GreaterThanEq(0.0)
greater_than = _GreaterThan
greater_than_eq = _GreaterThanEq
less_than = _LessThan
multinomial = _Multinomial
unit_interval = _Interval(0.0, 1.0)
interval = _Interval
half_open_interval = _HalfOpenInterval
simplex = _Simplex()
lower_triangular = _LowerTriangular()
lower_cholesky = _LowerCholesky()
corr_cholesky = _CorrCholesky()
square = _Square()
symmetric = _Symmetric()
positive_semidefinite = _PositiveSemidefinite()
positive_definite = _PositiveDefinite()
cat = _Cat
stack = _Stack
