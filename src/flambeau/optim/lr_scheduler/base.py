"""The base of learning rate schedules, and what they have in common."""

from __future__ import annotations

import warnings
from typing import Any

from ...core.tensor import Tensor
from ..optimizer import Optimizer

Rate = Any
"""A learning rate: a number, or a tensor of one."""


class LRScheduler:
    """Base class of schedules.

    A subclass overrides `get_lr`, which may look at `last_epoch`, `base_lrs` and the optimizer's groups.

    Args:
        optimizer: whose `lr` is set.
        last_epoch: the epoch to continue after; -1 starts anew, from the groups' present rates.

    Attributes:
        last_epoch: how often `step` was called.
        base_lrs: the groups' rates at the start.

    Raises:
        TypeError: `optimizer` is none.
        KeyError: continuing with an optimizer that was never scheduled.

    Example:
        >>> import flambeau as torch
        >>> class Halve(torch.optim.lr_scheduler.LRScheduler):
        ...     def get_lr(self):
        ...         return [base / 2**self.last_epoch for base in self.base_lrs]
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = Halve(optimizer)
        >>> optimizer.step(); scheduler.step()
        >>> scheduler.get_last_lr()
        [0.5]
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self.optimizer = checked(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0; load the optimizer's state before, or start with last_epoch=-1"
                )
        self.base_lrs = rates_of(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """The schedule's state: all its attributes but the optimizer.

        Example:
            >>> import flambeau as torch
            >>> scheduler = torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.zeros(1)]), step_size=30)
            >>> scheduler.state_dict()["step_size"]
            30
        """
        return {name: x for name, x in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state that `state_dict` gave. The optimizer's state is to be loaded, too.

        Example:
            >>> import flambeau as torch
            >>> scheduler = torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.zeros(1)]), step_size=30)
            >>> scheduler.load_state_dict({"step_size": 10})
            >>> scheduler.step_size
            10
        """
        vars(self).update(state_dict)

    def get_last_lr(self) -> list[Rate]:
        """The rates that the last step set, by group.

        Example:
            >>> import flambeau as torch
            >>> torch.optim.lr_scheduler.StepLR(torch.optim.SGD([torch.zeros(1)], lr=0.5), 30).get_last_lr()
            [0.5]
        """
        return self._last_lr

    def get_lr(self) -> list[Rate]:
        """The rates for `last_epoch`, by group. To ask for the present ones use `get_last_lr`."""
        raise NotImplementedError(f"{type(self).__name__}: override get_lr()")

    def _get_closed_form_lr(self) -> list[Rate]:
        """The rates for `last_epoch` without regard to the present ones."""
        return self.get_lr()

    def step(self, epoch: int | None = None) -> None:
        """Goes on to the next epoch and sets its rates.

        Args:
            epoch: go to this one instead; deprecated.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
            >>> scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
            >>> optimizer.step(); scheduler.step()
            >>> optimizer.param_groups[0]["lr"]
            0.5
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in the opposite "
                "order: otherwise the first value of the learning rate schedule is skipped.",
                stacklevel=2,
            )
        self._step_count += 1
        if epoch is not None:
            warn_of_epoch()
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._set_rates(self.last_epoch + 1 if epoch is None else epoch, closed=epoch is not None)

    def _set_rates(self, epoch: int, closed: bool = False) -> None:
        """Sets the rates of an epoch, by the closed form if wanted."""
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = epoch
            values = self._get_closed_form_lr() if closed else self.get_lr()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            set_rate(group, lr)
        self._last_lr = rates_of(self.optimizer, "lr")

    def _warn_outside_of_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                stacklevel=3,
            )


_LRScheduler = LRScheduler


def checked(optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def copied(rate: Rate) -> Rate:
    return rate.clone() if isinstance(rate, Tensor) else rate


def rates_of(optimizer: Optimizer, key: str) -> list[Rate]:
    return [copied(group[key]) for group in optimizer.param_groups]


def set_rate(group: dict[str, Any], lr: Rate) -> None:
    """Sets a group's rate; a tensor stays the same tensor."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(float(lr))
    else:
        group["lr"] = lr


def warn_of_epoch() -> None:
    warnings.warn(
        "The epoch parameter in `scheduler.step()` is deprecated; use `scheduler.step()`.", stacklevel=3
    )


def per_group(what: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """A setting for each group, from one for all or a list."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [copied(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(f"{what} must have one entry for each of {groups} param_groups, got {len(value)}")
    return [copied(x) for x in value]
