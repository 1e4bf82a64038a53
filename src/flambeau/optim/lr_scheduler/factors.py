"""Schedules that multiply the present rate by a factor."""

from __future__ import annotations

from abc import abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from ..optimizer import Optimizer
from .base import LRScheduler, Rate


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


class PolynomialLR(_Multiplying):
    """Lets the rate fall to 0 in `total_iters` epochs: base rate · (1 - epoch / total_iters) ** power.

    Args:
        optimizer: whose rate is set.
        total_iters, power: as above.
        last_epoch: the epoch to continue after.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.lr_scheduler.PolynomialLR(optimizer, total_iters=4)
        >>> for _ in range(6):
        ...     print(f"{scheduler.get_last_lr()[0]:.2f}", end=" ")
        ...     optimizer.step(); scheduler.step()
        1.00 0.75 0.50 0.25 0.00 0.00
    """

    def __init__(
        self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0, last_epoch: int = -1
    ) -> None:
        self.total_iters = total_iters
        self.power = power
        super().__init__(optimizer, last_epoch)

    def _factor(self) -> float:
        if self._is_initial or self.last_epoch > self.total_iters:
            return 1
        now, before = (1.0 - epoch / self.total_iters for epoch in (self.last_epoch, self.last_epoch - 1))
        return float((now / before) ** self.power)

    def _total_factor(self) -> float:
        return float((1.0 - min(self.total_iters, self.last_epoch) / self.total_iters) ** self.power)
