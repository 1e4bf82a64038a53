"""Learning rate schedules: call `step()` after each epoch (or batch), after `optimizer.step()`."""

from __future__ import annotations

import math
import types
import warnings
from abc import abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, SupportsFloat

from ..core.tensor import Tensor
from .optimizer import Optimizer

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
        self.optimizer = _checked(optimizer)
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copied(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                    "last_epoch >= 0; load the optimizer's state before, or start with last_epoch=-1"
                )
        self.base_lrs = _rates(optimizer, "initial_lr")
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
            _warn_of_epoch()
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
            values = self.get_lr() if epoch is None else self._get_closed_form_lr()
        finally:
            self._get_lr_called_within_step = False
        for group, lr in zip(self.optimizer.param_groups, values, strict=True):
            _set(group, lr)
        self._last_lr = _rates(self.optimizer, "lr")

    def _warn_outside_of_step(self) -> None:
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
                stacklevel=3,
            )


_LRScheduler = LRScheduler


def _checked(optimizer: Any) -> Optimizer:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")
    return optimizer


def _copied(rate: Rate) -> Rate:
    return rate.clone() if isinstance(rate, Tensor) else rate


def _rates(optimizer: Optimizer, key: str) -> list[Rate]:
    return [_copied(group[key]) for group in optimizer.param_groups]


def _set(group: dict[str, Any], lr: Rate) -> None:
    """Sets a group's rate; a tensor stays the same tensor."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(float(lr))
    else:
        group["lr"] = lr


def _warn_of_epoch() -> None:
    warnings.warn(
        "The epoch parameter in `scheduler.step()` is deprecated; use `scheduler.step()`.", stacklevel=3
    )


def _per_group(what: str, value: Any, optimizer: Optimizer) -> list[Any]:
    """A setting for each group, from one for all or a list."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [_copied(value) for _ in range(groups)]
    if len(value) != groups:
        raise ValueError(f"{what} must have one entry for each of {groups} param_groups, got {len(value)}")
    return [_copied(x) for x in value]


# ----- Schedules that multiply -----


class _Multiplying(LRScheduler):
    """The rate of each epoch is that of the one before times a factor, which is 1 in most."""

    @abstractmethod
    def _factor(self) -> float:
        """What the present rate is multiplied by at `last_epoch`."""

    @abstractmethod
    def _total_factor(self) -> float:
        """What the base rate is multiplied by up to `last_epoch`."""

    def get_lr(self) -> list[Rate]:
        """The rates for `last_epoch`, by group; a UserWarning outside of `step`."""
        self._warn_outside_of_step()
        factor = self._factor()
        return [group["lr"] * factor for group in self.optimizer.param_groups]

    def _get_closed_form_lr(self) -> list[Rate]:
        factor = self._total_factor()
        return [base * factor for base in self.base_lrs]


class StepLR(_Multiplying):
    """Multiplies the rate by `gamma` every `step_size` epochs.

    Args:
        optimizer: whose rate is set.
        step_size, gamma: as above.
        last_epoch: the epoch to continue after.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
        >>> for _ in range(4):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [1.0] [1.0] [0.5] [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return self.gamma if self.last_epoch and self.last_epoch % self.step_size == 0 else 1

    def _total_factor(self) -> float:
        return self.gamma ** (self.last_epoch // self.step_size)


class MultiStepLR(_Multiplying):
    """Multiplies the rate by `gamma` at each of the `milestones`.

    Args:
        optimizer: whose rate is set.
        milestones: epochs.
        gamma: as above.
        last_epoch: the epoch to continue after.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[1, 3], gamma=0.5)
        >>> for _ in range(4):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [1.0] [0.5] [0.5] [0.25]
    """

    def __init__(
        self, optimizer: Optimizer, milestones: Iterable[int], gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        self.milestones = Counter(milestones)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        times = self.milestones[self.last_epoch]
        return self.gamma**times if times else 1

    def _total_factor(self) -> float:
        return self.gamma ** bisect_right(sorted(self.milestones.elements()), self.last_epoch)


class ExponentialLR(_Multiplying):
    """Multiplies the rate by `gamma` every epoch.

    Args:
        optimizer: whose rate is set.
        gamma: as above.
        last_epoch: the epoch to continue after.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> for _ in range(3):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [1.0] [0.5] [0.25]
    """

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        return 1 if self._is_initial else self.gamma

    def _total_factor(self) -> float:
        return self.gamma**self.last_epoch


class ConstantLR(_Multiplying):
    """Multiplies the rate by `factor` for the first `total_iters` epochs.

    Args:
        optimizer: whose rate is set.
        factor: in [0, 1].
        total_iters: as above.
        last_epoch: the epoch to continue after.

    Raises:
        ValueError: a factor outside of [0, 1].

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=2)
        >>> for _ in range(3):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [0.5] [0.5] [1.0]
    """

    def __init__(
        self, optimizer: Optimizer, factor: float = 1.0 / 3, total_iters: int = 5, last_epoch: int = -1
    ) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"Constant multiplicative factor expected to be between 0 and 1, got {factor}")
        self.factor = factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self.last_epoch == 0:
            return self.factor
        return 1.0 / self.factor if self.last_epoch == self.total_iters else 1

    def _total_factor(self) -> float:
        return 1.0 if self.last_epoch >= self.total_iters else self.factor


class LinearLR(_Multiplying):
    """Multiplies the rate by a factor that goes from `start_factor` to `end_factor` in `total_iters` epochs.

    Args:
        optimizer: whose rate is set.
        start_factor: in (0, 1].
        end_factor: in [0, 1].
        total_iters: as above.
        last_epoch: the epoch to continue after.

    Raises:
        ValueError: a factor outside of its range.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=2)
        >>> for _ in range(4):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [0.5] [0.75] [1.0] [1.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(
                "Starting multiplicative factor expected to be greater than 0 and less or equal to 1, "
                f"got {start_factor}"
            )
        if not 0 <= end_factor <= 1:
            raise ValueError(f"Ending multiplicative factor expected to be between 0 and 1, got {end_factor}")
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self.last_epoch == 0:
            return self.start_factor
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1
        slope = self.end_factor - self.start_factor
        return 1.0 + slope / (self.total_iters * self.start_factor + (self.last_epoch - 1) * slope)

    def _total_factor(self) -> float:
        slope = self.end_factor - self.start_factor
        return self.start_factor + slope * min(self.total_iters, self.last_epoch) / self.total_iters


# ----- Schedules of other forms -----


class LambdaLR(LRScheduler):
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

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas: list[Callable[[int], float]] = _per_group(
            "lr_lambda", lr_lambda, _checked(optimizer)
        )
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`; of the functions only the attributes of callable objects are in it."""
        states = [None if isinstance(f, types.FunctionType) else vars(f).copy() for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": states}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state that `state_dict` gave."""
        super().load_state_dict({name: x for name, x in state_dict.items() if name != "lr_lambdas"})
        for f, state in zip(self.lr_lambdas, state_dict["lr_lambdas"], strict=True):
            if state is not None:
                vars(f).update(state)

    def get_lr(self) -> list[Rate]:
        """The rates for `last_epoch`, by group; a UserWarning outside of `step`."""
        self._warn_outside_of_step()
        return [base * f(self.last_epoch) for base, f in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class CosineAnnealingLR(LRScheduler):
    """Lets the rate fall along half a cosine, from the base rate to `eta_min` in `T_max` epochs, and rise.

    Args:
        optimizer: whose rate is set.
        T_max, eta_min: as above.
        last_epoch: the epoch to continue after.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=2)
        >>> for _ in range(3):
        ...     print(f"{scheduler.get_last_lr()[0]:.2f}", end=" ")
        ...     optimizer.step(); scheduler.step()
        1.00 0.50 0.00
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        """The rates for `last_epoch`, by group; a UserWarning outside of `step`."""
        self._warn_outside_of_step()
        rates = _rates(self.optimizer, "lr")
        if self._is_initial:
            return rates
        if self._step_count == 1 and self.last_epoch > 0:
            return self._get_closed_form_lr()
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # the quotient below would be 0 / 0
            rise = (1 - math.cos(math.pi / self.T_max)) / 2
            return [lr + (base - self.eta_min) * rise for lr, base in zip(rates, self.base_lrs, strict=True)]
        now, before = (1 + math.cos(math.pi * t / self.T_max) for t in (self.last_epoch, self.last_epoch - 1))
        return [now / before * (lr - self.eta_min) + self.eta_min for lr in rates]

    def _get_closed_form_lr(self) -> list[Rate]:
        height = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        return [self.eta_min + (base - self.eta_min) * height / 2 for base in self.base_lrs]


class SequentialLR(LRScheduler):
    """Runs schedules one after the other, each from its milestone on.

    Args:
        optimizer: whose rate is set.
        schedulers: the schedules, all of this optimizer.
        milestones: the epochs at which the second, third … one begins.
        last_epoch: the epoch to continue after.

    Raises:
        ValueError: no schedules, a `ReduceLROnPlateau` or another optimizer's among them, or another number
            of milestones than of schedules less one.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> warmup = torch.optim.lr_scheduler.ConstantLR(optimizer, factor=0.125, total_iters=2)
        >>> decay = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
        >>> scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warmup, decay], milestones=[2])
        >>> for _ in range(4):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [0.125] [0.125] [1.0] [0.5]
    """

    def __init__(
        self, optimizer: Optimizer, schedulers: list[LRScheduler], milestones: list[int], last_epoch: int = -1
    ) -> None:
        if not schedulers:
            raise ValueError("SequentialLR expects at least one scheduler, but got no scheduler.")
        for i, scheduler in enumerate(schedulers):
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    "SequentialLR does not support ReduceLROnPlateau, whose step() needs metrics, "
                    f"got one at index {i}"
                )
            if scheduler.optimizer is not optimizer:
                raise ValueError(
                    "SequentialLR expects all schedulers to belong to the same optimizer, but got scheduler "
                    f"{type(scheduler).__name__} at index {i} of another one"
                )
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "SequentialLR expects one milestone less than schedulers, but got "
                f"{len(schedulers)} schedulers and {len(milestones)} milestones"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        for (
            group
        ) in optimizer.param_groups:  # undo the first steps that the schedules have done when they were made
            _set(group, group["initial_lr"])
        _step_back(self)
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Goes on to the next epoch and sets its rates."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            scheduler._update_lr(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`, with the states of the schedules."""
        return {**super().state_dict(), "_schedulers": [s.state_dict() for s in self._schedulers]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state that `state_dict` gave."""
        super().load_state_dict({name: x for name, x in state_dict.items() if name != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"], strict=True):
            scheduler.load_state_dict(state)


def _step_back(scheduler: LRScheduler) -> None:
    if isinstance(scheduler, SequentialLR):
        for part in scheduler._schedulers:
            _step_back(part)
    else:
        scheduler.last_epoch -= 1


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the rate by `factor` when a metric has not improved for more than `patience` epochs.

    Args:
        optimizer: whose rate is set.
        mode: `min` if a smaller metric is better, `max` if a larger one.
        factor: below 1.
        patience: as above.
        threshold: an improvement is more than this.
        threshold_mode: `rel` for a threshold relative to the best metric so far, `abs` for an absolute one.
        cooldown: for how many epochs after a reduction bad ones are not counted.
        min_lr: the lowest rate, for all groups or for each.
        eps: a reduction by no more than this is not done.

    Raises:
        ValueError: an unknown mode, a factor of 1 or more, another number of lowest rates than of groups.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
        >>> for loss in (3, 2, 2, 2):
        ...     scheduler.step(loss)
        >>> scheduler.get_last_lr()
        [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        if factor >= 1:
            raise ValueError(f"Factor should be < 1.0, got {factor}")
        if mode not in ("min", "max"):
            raise ValueError(f"mode {mode} is unknown! It is min or max")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold mode {threshold_mode} is unknown! It is rel or abs")
        self.factor = factor
        self.optimizer = _checked(optimizer)
        self.default_min_lr = None if isinstance(min_lr, list | tuple) else min_lr
        self.min_lrs = _per_group("min_lr", min_lr, optimizer)
        self.patience = patience
        self.cooldown = cooldown
        self.eps = eps
        self.last_epoch = 0
        self.mode = mode
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.mode_worse = math.inf if mode == "min" else -math.inf
        self._last_lr = _rates(optimizer, "lr")
        self._reset()

    def _reset(self) -> None:
        """Forgets what was seen."""
        self.best = self.mode_worse
        self.cooldown_counter = 0
        self.num_bad_epochs = 0

    def step(self, metrics: SupportsFloat, epoch: int | None = None) -> None:  # type: ignore[override]
        """Takes note of an epoch's metric and sets the rates.

        Args:
            metrics: the metric, a number or a tensor of one.
            epoch: the number of the epoch; deprecated.
        """
        current = float(metrics)
        if epoch is not None:
            _warn_of_epoch()
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        if self._is_better(current, self.best):
            self.best = current
            self.num_bad_epochs = 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self._reduce_lr()
            self.cooldown_counter = self.cooldown
            self.num_bad_epochs = 0
        self._last_lr = _rates(self.optimizer, "lr")

    @property
    def in_cooldown(self) -> bool:
        """Whether a reduction was less than `cooldown` epochs ago."""
        return self.cooldown_counter > 0

    def _is_better(self, metric: float, best: float) -> bool:
        sign = 1 if self.mode == "max" else -1
        relative = self.threshold_mode == "rel"
        bound = best * (1 + sign * self.threshold) if relative else best + sign * self.threshold
        return metric > bound if self.mode == "max" else metric < bound

    def _reduce_lr(self) -> None:
        groups = self.optimizer.param_groups
        if len(self.min_lrs) != len(groups):
            if self.default_min_lr is None:
                raise RuntimeError(
                    f"ReduceLROnPlateau: the optimizer has {len(groups)} param groups now, and there are "
                    f"{len(self.min_lrs)} min_lrs; set the attribute `min_lrs` to one for each group"
                )
            self.min_lrs = [self.default_min_lr] * len(groups)
        for group, lowest in zip(groups, self.min_lrs, strict=True):
            old = float(group["lr"])
            new = max(old * self.factor, lowest)
            if old - new > self.eps:
                _set(group, new)


class OneCycleLR(LRScheduler):
    """Lets the rate rise from max_lr / div_factor to max_lr, then fall to 1 / final_div_factor of its start.

    Momentum (or beta1) goes the other way. `step` is to be called after each batch.

    Args:
        optimizer: whose rate is set.
        max_lr: the highest rate, for all groups or for each.
        total_steps: number of steps in the cycle; or give both of
        epochs, steps_per_epoch: whose product it is.
        pct_start: the part of the cycle in which the rate rises.
        anneal_strategy: along a half `cos`, or `linear`.
        cycle_momentum: whether momentum is set, too.
        base_momentum, max_momentum: its lowest and its highest value, for all groups or for each.
        div_factor, final_div_factor: as above.
        three_phase: fall symmetrically to where the rate began, then further, instead of all at once.
        last_epoch: the step to continue after.

    Raises:
        ValueError: no number of steps, an option outside of its range, momentum for an optimizer without,
            more steps than there are in the cycle.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], momentum=0.9)
        >>> scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        >>> for _ in range(3):
        ...     print(f"{scheduler.get_last_lr()[0]:.2f}", end=" ")
        ...     optimizer.step(); scheduler.step()
        0.04 0.52 1.00
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | list[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.85,
        max_momentum: float | list[float] = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = _checked(optimizer)
        self.total_steps = _cycle_length(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = self._phases(float(pct_start), three_phase)
        self._anneal_func_type = anneal_strategy
        self.cycle_momentum = cycle_momentum
        if cycle_momentum and not {"momentum", "betas"} & set(optimizer.defaults):
            raise ValueError(
                f"OneCycleLR: {type(optimizer).__name__} has neither momentum nor betas; "
                "set cycle_momentum=False"
            )
        self.use_beta1 = "betas" in optimizer.defaults
        if last_epoch == -1:
            for group, high in zip(
                optimizer.param_groups, _per_group("max_lr", max_lr, optimizer), strict=True
            ):
                first = high / div_factor
                group.update(initial_lr=first, max_lr=high, min_lr=first / final_div_factor)
            if cycle_momentum:
                highs = _per_group("max_momentum", max_momentum, optimizer)
                lows = _per_group("base_momentum", base_momentum, optimizer)
                for group, high, low in zip(optimizer.param_groups, highs, lows, strict=True):
                    group.update(max_momentum=high, base_momentum=low)
                    self._set_momentum(group, high)
        super().__init__(optimizer, last_epoch)

    def _phases(self, rising: float, three: bool) -> list[dict[str, Any]]:
        """Each phase's end, and between which rates and momenta it goes."""
        top, end = rising * self.total_steps - 1, self.total_steps - 1
        up = (top, "initial_lr", "max_lr", "max_momentum", "base_momentum")
        down = (end, "max_lr", "min_lr", "base_momentum", "max_momentum")
        back = (2 * rising * self.total_steps - 2, "max_lr", "initial_lr", "base_momentum", "max_momentum")
        out = (end, "initial_lr", "min_lr", "max_momentum", "max_momentum")
        names = ("end_step", "start_lr", "end_lr", "start_momentum", "end_momentum")
        return [dict(zip(names, phase, strict=True)) for phase in ((up, back, out) if three else (up, down))]

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value

    def get_lr(self) -> list[Rate]:
        """The rates for `last_epoch`, by group; sets the momenta. A UserWarning outside of `step`."""
        self._warn_outside_of_step()
        step, start = self.last_epoch, 0.0
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The specified number of total steps is {self.total_steps}"
            )
        for phase in self._schedule_phases[:-1]:
            if step <= phase["end_step"]:
                break
            start = phase["end_step"]
        else:
            phase = self._schedule_phases[-1]
        done = (step - start) / (phase["end_step"] - start)
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(self._between(group[phase["start_lr"]], group[phase["end_lr"]], done))
            if self.cycle_momentum:
                ends = group[phase["start_momentum"]], group[phase["end_momentum"]]
                self._set_momentum(group, self._between(*ends, done))
        return rates

    def _between(self, start: Rate, end: Rate, done: float) -> Rate:
        """The value when the part `done` of the way from `start` to `end` is behind us."""
        if self._anneal_func_type == "linear":
            return (end - start) * done + start
        return end + (start - end) / 2.0 * (math.cos(math.pi * done) + 1)


def _cycle_length(total_steps: int | None, epochs: int | None, steps_per_epoch: int | None) -> int:
    if total_steps is None and (epochs is None or steps_per_epoch is None):
        raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
    given = {"total_steps": total_steps}
    if total_steps is None:
        given = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    for name, value in given.items():
        if not isinstance(value, int) or value <= 0:
            raise ValueError(f"Expected positive integer {name}, but got {value}")
    return math.prod(value for value in given.values() if value is not None)
