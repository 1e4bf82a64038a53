"""The base of all distributions."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn, Self

from ..autograd.grad_mode import no_grad
from ..core.size import Size
from ..core.tensor import Tensor
from . import constraints
from .utils import lazy_property

__all__ = ["Distribution"]


class Distribution:
    """A probability distribution, or a batch of them.

    Samples have the shape `sample_shape + batch_shape + event_shape`: that of the call, that of the
    parameters, and that of a single outcome. A subclass gives `arg_constraints`, `support`, what it knows of
    `sample`, `rsample`, `log_prob`, …, and in `_parameters` the names of what has the batch's shape.

    Errors: ValueError for a parameter outside of its constraint, unless `validate_args=False`.

    >>> import flambeau as torch
    >>> d = torch.distributions.Normal(torch.zeros(3), 1.0)
    >>> d.sample((2,)).shape, d.log_prob(torch.zeros(3)).shape, d.batch_shape, d.event_shape
    (torch.Size([2, 3]), torch.Size([3]), torch.Size([3]), torch.Size([]))
    """

    has_rsample: bool = False
    has_enumerate_support: bool = False
    _validate_args: bool = __debug__
    _parameters: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether arguments are checked where `validate_args` isn't given. ValueError for no bool.

        >>> import flambeau as torch
        >>> torch.distributions.Distribution.set_default_validate_args(True)
        """
        if value not in (True, False):
            raise ValueError(f"set_default_validate_args: expected True or False, got {value}")
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Sequence[int] = (),
        event_shape: Sequence[int] = (),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = Size(batch_shape), Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_arguments()

    def _check_arguments(self) -> None:
        try:
            given = self.arg_constraints
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = {{}}` or "
                f"initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        for name, constraint in given.items():
            computed = name not in vars(self) and isinstance(getattr(type(self), name, None), lazy_property)
            if constraints.is_dependent(constraint) or computed:
                continue
            value = getattr(self, name)
            if not constraint._holds(value):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) of "
                    f"distribution {self!r} to satisfy the constraint {constraint!r}, but found invalid "
                    f"values: {value}"
                )

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Self:
        """The same distributions, broadcast to another batch shape. No memory is used, nothing checked.

        >>> import flambeau as torch
        >>> torch.distributions.Normal(0.0, 1.0).expand((3,)).sample().shape
        torch.Size([3])
        """
        if not self._parameters:
            self._missing("expand")
        return self._rebuilt(Size(batch_shape), _instance, {})

    def _rebuilt(self, batch_shape: Size, _instance: Any, others: dict[str, Any]) -> Self:
        """A copy with this batch shape, the parameters expanded to it, and these other attributes."""
        owner = next((c for c in type(self).__mro__ if "_parameters" in vars(c)), Distribution)
        new = self._get_checked_instance(owner, _instance)
        held, old = dict(vars(self)), len(self._batch_shape)
        for name in self._parameters:
            if (x := held.get(name)) is not None:
                shape = x.shape if isinstance(x, Tensor) else x.batch_shape
                held[name] = x.expand(batch_shape + shape[old:])
        vars(new).update(held | others | {"_batch_shape": batch_shape} | vars(new))
        return new  # type: ignore[no-any-return]

    def _get_checked_instance(self, cls: type[Any], _instance: Any = None) -> Any:
        """An empty object of this class, for `expand`; NotImplementedError if a subclass has an `__init__`
        that `cls` doesn't know."""
        if _instance is None and type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ method "
                f"must also define a custom .expand() method."
            )
        return object.__new__(type(self)) if _instance is None else _instance

    def _missing(self, what: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} does not implement {what}")

    # ----- what a distribution is -----

    @property
    def batch_shape(self) -> Size:
        """The shape of the parameters.

        >>> import flambeau as torch
        >>> torch.distributions.Normal(torch.zeros(3), 1.0).batch_shape
        torch.Size([3])
        """
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of a single outcome.

        >>> import flambeau as torch
        >>> torch.distributions.Dirichlet(torch.ones(3)).event_shape
        torch.Size([3])
        """
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """What the parameters have to satisfy, by name.

        >>> import flambeau as torch
        >>> torch.distributions.Normal.arg_constraints["scale"]
        GreaterThan(lower_bound=0.0)
        """
        self._missing("arg_constraints")

    @property
    def support(self) -> Any:
        """The constraint that all samples satisfy.

        >>> import flambeau as torch
        >>> torch.distributions.Normal(0.0, 1.0).support
        Real()
        """
        self._missing("support")

    @property
    def mean(self) -> Tensor:
        """The expected value.

        >>> import flambeau as torch
        >>> torch.distributions.Exponential(2.0).mean
        tensor(0.5000)
        """
        self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """The most likely value.

        >>> import flambeau as torch
        >>> torch.distributions.Normal(2.0, 1.0).mode
        tensor(2.)
        """
        self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """The expected square of the distance from the mean.

        >>> import flambeau as torch
        >>> torch.distributions.Normal(0.0, 3.0).variance
        tensor(9.)
        """
        self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The root of the variance.

        >>> import flambeau as torch
        >>> torch.distributions.Poisson(4.0).stddev
        tensor(2.)
        """
        return self.variance.sqrt()

    # ----- what one does with it -----

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws samples, through which no gradient flows.

        >>> import flambeau as torch
        >>> _ = torch.manual_seed(0); torch.distributions.Normal(0.0, 1.0).sample((2,))
        tensor([ 1.5410, -0.2934])
        """
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws samples that are differentiable functions of the parameters.

        >>> import flambeau as torch
        >>> scale = torch.tensor(1.0, requires_grad=True)
        >>> torch.distributions.Normal(0.0, scale).rsample().requires_grad
        True
        """
        self._missing("rsample")

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, with a FutureWarning: an older name."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning, stacklevel=2
        )
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability, at `value`.

        >>> import flambeau as torch
        >>> torch.distributions.Uniform(0.0, 4.0).log_prob(torch.tensor(1.0)).exp()
        tensor(0.2500)
        """
        self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of samples up to `value`.

        >>> import flambeau as torch
        >>> torch.distributions.Normal(0.0, 1.0).cdf(torch.tensor(0.0))
        tensor(0.5000)
        """
        self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """Up to where samples have the probability `value`: the inverse of `cdf`.

        >>> import flambeau as torch
        >>> torch.distributions.Uniform(0.0, 4.0).icdf(torch.tensor(0.5))
        tensor(2.)
        """
        self._missing("icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along a first dimension: (count, *batch_shape,
        *event_shape), or with ones for the batch if not `expand`.

        >>> import flambeau as torch
        >>> torch.distributions.Bernoulli(torch.tensor([0.1, 0.2])).enumerate_support()
        tensor([[0., 0.],
                [1., 1.]])
        """
        self._missing("enumerate_support")

    def entropy(self) -> Tensor:
        """The expected -log_prob of a sample.

        >>> import flambeau as torch
        >>> torch.distributions.Uniform(0.0, 1.0).entropy()
        tensor(0.)
        """
        self._missing("entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy): of how many equally likely values a sample might be.

        >>> import flambeau as torch
        >>> torch.distributions.Categorical(torch.ones(4)).perplexity()
        tensor(4.)
        """
        return self.entropy().exp()

    # ----- what subclasses use -----

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _enumerated(self, values: Tensor, expand: bool) -> Tensor:
        """Values (count,) with the batch's dimensions behind."""
        values = values.view(-1, *(1,) * len(self._batch_shape))
        return values.expand(-1, *self._batch_shape) if expand else values

    def _validate_sample(self, value: Tensor) -> None:
        """ValueError unless `value` is a tensor whose last dimensions fit and which lies in the support."""
        if not isinstance(value, Tensor):
            raise ValueError(
                f"The value argument to log_prob must be a Tensor, got {type(value).__name__}; pass "
                f"torch.as_tensor(it)"
            )
        actual, expected = value.shape, self._batch_shape + self._event_shape
        if actual != expected:
            start = len(actual) - len(self._event_shape)
            if actual[start:] != self._event_shape:
                raise ValueError(
                    f"The right-most size of value must match event_shape: {actual} vs {self._event_shape}."
                )
            if any(i != j and 1 not in (i, j) for i, j in zip(actual[::-1], expected[::-1], strict=False)):
                raise ValueError(
                    f"Value is not broadcastable with batch_shape+event_shape: {actual} vs {expected}."
                )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please initialize the "
                f"distribution with `validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not support._holds(value):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(actual)}) to be within the "
                f"support ({support!r}) of the distribution {self!r}, but found invalid values: {value}"
            )

    def __repr__(self) -> str:
        held = {n: vars(self)[n] for n in self.arg_constraints if n in vars(self)}
        shown = [f"{n}: {x if x.numel() == 1 else x.shape}" for n, x in held.items()]
        return f"{type(self).__name__}({', '.join(shown)})"
