"""Schedules that go up and down."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..optimizer import Optimizer
from .base import LRScheduler, Rate, checked, per_group, set_rate
from .functions import attributes


class _Cycling(LRScheduler):
    """A schedule that moves momentum (or beta1), too, the other way."""

    cycle_momentum: bool
    use_beta1: bool

    def _begin_momenta(
        self, wanted: bool, low: float | list[float], high: float | list[float], fresh: bool
    ) -> tuple[list[float], list[float]]:
        """Checks the settings and, at the start, gives each group its highest momentum. The lowest and the
        highest ones."""
        self.cycle_momentum = wanted
        if not wanted:
            return [], []
        options = self.optimizer.defaults
        if not {"momentum", "betas"} & set(options):
            raise ValueError(
                f"{type(self).__name__}: {type(self.optimizer).__name__} has neither momentum nor betas; "
                "set cycle_momentum=False"
            )
        self.use_beta1 = "betas" in options
        highs = per_group("max_momentum", high, self.optimizer)
        lows = per_group("base_momentum", low, self.optimizer)
        if fresh:
            for group, most, least in zip(self.optimizer.param_groups, highs, lows, strict=True):
                group.update(max_momentum=most, base_momentum=least)
                self._set_momentum(group, most)
        return lows, highs

    def _set_momentum(self, group: dict[str, Any], value: float) -> None:
        if self.use_beta1:
            group["betas"] = (value, *group["betas"][1:])
        else:
            group["momentum"] = value


class CyclicLR(_Cycling):
    """Lets the rate rise from `base_lr` to `max_lr` and fall again, over and over, in straight lines.

    Momentum (or beta1) goes the other way. `step` is to be called after each batch.

    Args:
        optimizer: whose rate is set.
        base_lr, max_lr: the lowest and the highest rate, for all groups or for each.
        step_size_up, step_size_down: the number of steps in which it rises, and falls (None: as many).
        mode: `triangular`; `triangular2`, with half the height in each further cycle; or `exp_range`, with
            the height gamma ** step.
        gamma: as above.
        scale_fn: the height as a function, instead of a mode's.
        scale_mode: what that is a function of: the `cycle` (from 1) or the `iterations`.
        cycle_momentum: whether momentum is set, too.
        base_momentum, max_momentum: its lowest and its highest value, for all groups or for each.
        last_epoch: the step to continue after.

    Raises:
        ValueError: an unknown mode without a function, momentum for an optimizer without, or another number
            of rates than of groups.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], momentum=0.9)
        >>> scheduler = torch.optim.lr_scheduler.CyclicLR(optimizer, 0.0, 1.0, step_size_up=2)
        >>> for _ in range(5):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [0.0] [0.5] [1.0] [0.5] [0.0]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float | list[float] = 0.8,
        max_momentum: float | list[float] = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = checked(optimizer)
        lows = per_group("base_lr", base_lr, optimizer)
        if last_epoch == -1:
            for group, low in zip(optimizer.param_groups, lows, strict=True):
                set_rate(group, low)
        self.max_lrs = per_group("max_lr", max_lr, optimizer)
        up = float(step_size_up)
        self.total_size = up + (up if step_size_down is None else float(step_size_down))
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError(f"mode {mode!r} is invalid and scale_fn is None; give one of them")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        momenta = self._begin_momenta(cycle_momentum, base_momentum, max_momentum, fresh=last_epoch == -1)
        self.base_momentums, self.max_momentums = momenta
        super().__init__(optimizer, last_epoch)
        self.base_lrs = lows

    def scale_fn(self, x: float) -> float:
        """The height of a cycle, by its number or by the step's."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "exp_range":
            return float(self.gamma**x)
        return 1.0 if self.mode == "triangular" else 1 / 2.0 ** (x - 1)

    def get_lr(self) -> list[Rate]:
        """The rates for `last_epoch`, by group; sets the momenta. A UserWarning outside of `step`."""
        self._warn_outside_of_step()
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        part = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            momenta = zip(self.base_momentums, self.max_momentums, strict=True)
            for group, (low, high) in zip(self.optimizer.param_groups, momenta, strict=True):
                self._set_momentum(group, high - (high - low) * part * height)
        rates = zip(self.base_lrs, self.max_lrs, strict=True)
        return [low + (high - low) * part * height for low, high in rates]

    def state_dict(self) -> dict[str, Any]:
        """As `LRScheduler.state_dict`; of the function only the attributes of a callable object are in it."""
        f = self._scale_fn_custom
        return {**super().state_dict(), "_scale_fn_custom": None if f is None else attributes(f)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state that `state_dict` gave."""
        super().load_state_dict({name: x for name, x in state_dict.items() if name != "_scale_fn_custom"})
        state = state_dict["_scale_fn_custom"]
        if state is not None:
            vars(self._scale_fn_custom).update(state)


class OneCycleLR(_Cycling):
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
        self.optimizer = checked(optimizer)
        self.total_steps = _cycle_length(total_steps, epochs, steps_per_epoch)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = self._phases(float(pct_start), three_phase)
        self._anneal_func_type = anneal_strategy
        if last_epoch == -1:
            for group, high in zip(
                optimizer.param_groups, per_group("max_lr", max_lr, optimizer), strict=True
            ):
                first = high / div_factor
                group.update(initial_lr=first, max_lr=high, min_lr=first / final_div_factor)
        self._begin_momenta(cycle_momentum, base_momentum, max_momentum, fresh=last_epoch == -1)
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
