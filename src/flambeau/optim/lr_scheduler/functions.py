"""Schedules whose factor is a function of the epoch."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, Rate, checked, per_group, rates_of


class _Functions(LRScheduler):
    """What functions of the epoch, one for each group, give factors for."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas: list[Callable[[int], float]] = per_group("lr_lambda", lr_lambda, checked(optimizer))
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`; of the functions only the attributes of callable objects are in it."""
        return {**super().state_dict(), "lr_lambdas": [attributes(f) for f in self.lr_lambdas]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state that `state_dict` gave."""
        super().load_state_dict({name: x for name, x in state_dict.items() if name != "lr_lambdas"})
        for f, state in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if state is not None:
                vars(f).update(state)


def attributes(f: Callable[..., Any]) -> dict[str, Any] | None:
    """The state of a callable object; None for a function."""
    return None if isinstance(f, types.FunctionType) else vars(f).copy()


class LambdaLR(_Functions):
    """Sets the rate to the base rate times a function of the epoch.

    Args:
        optimizer: whose rate is set.
        lr_lambda: the function, or one for each group.
        last_epoch: the epoch to continue after.

    Raises:
        ValueError: another number of functions than of groups.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
        >>> for _ in range(2):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [1.0] [0.5]
    """

    def get_lr(self) -> list[Rate]:
        """The rates for `last_epoch`, by group; a UserWarning outside of `step`."""
        self._warn_outside_of_step()
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class MultiplicativeLR(_Functions):
    """Multiplies the rate by a function of the epoch, each epoch.

    Args:
        optimizer: whose rate is set.
        lr_lambda: the function, or one for each group.
        last_epoch: the epoch to continue after.

    Raises:
        TypeError: one of them can't be called.
        ValueError: another number of functions than of groups.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
        >>> for _ in range(3):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [1.0] [0.5] [0.25]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        for f in lr_lambda if isinstance(lr_lambda, list | tuple) else [lr_lambda]:
            if not callable(f):
                raise TypeError(f"lr_lambda should be a function, but got {type(f).__name__}")
        super().__init__(optimizer, lr_lambda, last_epoch)

    def get_lr(self) -> list[Rate]:
        """The rates for `last_epoch`, by group; a UserWarning outside of `step`."""
        self._warn_outside_of_step()
        rates = rates_of(self.optimizer, "lr")
        if self._is_initial:
            return rates
        return [lr * f(self.last_epoch) for lr, f in zip(rates, self.lr_lambdas, strict=True)]
