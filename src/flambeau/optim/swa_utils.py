"""Averages of a model's parameters over training, as in `torch.optim.swa_utils`."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, TypeAlias

from ..autograd.grad_mode import no_grad
from ..core.device import device as Device
from ..core.dtype import int64
from ..core.tensor import Tensor
from ..functions.creation import tensor
from ..nn.module import Module
from ..nn.modules.batchnorm import _BatchNorm
from ..ops.blend import lerp
from .lr_scheduler.base import LRScheduler, Rate, checked, per_group
from .optimizer import Optimizer
from .renewal import number, renew

Tensors: TypeAlias = list[Tensor] | tuple[Tensor, ...]
Average: TypeAlias = Callable[[Tensor, Tensor, Tensor | int], Tensor]
Averages: TypeAlias = Callable[[Tensors, Tensors, Tensor | int], None]


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """A function that moves averages to decay · average + (1 - decay) · value, in place.

    Args:
        decay: in [0, 1].

    Raises:
        ValueError: another decay.

    Example:
        >>> import flambeau as torch
        >>> average = torch.zeros(1)
        >>> torch.optim.swa_utils.get_ema_multi_avg_fn(0.75)([average], [torch.ones(1)], 1)
        >>> average
        tensor([0.2500])
    """
    _check_decay(decay)

    def move(averages: Tensors, values: Tensors, count: Tensor | int) -> None:
        _move(averages, values, lambda average, x: average * decay + x * (1 - decay), 1 - decay)

    return move


def get_swa_multi_avg_fn() -> Averages:
    """A function that moves the averages of `count` values, in place, so that each takes in one more.

    Example:
        >>> import flambeau as torch
        >>> average = torch.zeros(1)
        >>> torch.optim.swa_utils.get_swa_multi_avg_fn()([average], [torch.ones(1)], 3)
        >>> average
        tensor([0.2500])
    """

    def move(averages: Tensors, values: Tensors, count: Tensor | int) -> None:
        share = 1 / (number(count) + 1)
        _move(averages, values, lambda average, x: average + (x - average) * share, share)

    return move


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """A function of an average, a value and a count that gives decay · average + (1 - decay) · value.

    Args:
        decay: in [0, 1].

    Raises:
        ValueError: another decay.

    Example:
        >>> import flambeau as torch
        >>> torch.optim.swa_utils.get_ema_avg_fn(0.75)(torch.zeros(1), torch.ones(1), 1)
        tensor([0.2500])
    """
    _check_decay(decay)

    @no_grad()
    def moved(average: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
        return decay * average + (1 - decay) * value

    return moved


def get_swa_avg_fn() -> Average:
    """A function of the average of `count` values, and one more, that gives the average of all of them.

    Example:
        >>> import flambeau as torch
        >>> torch.optim.swa_utils.get_swa_avg_fn()(torch.zeros(1), torch.ones(1), 3)
        tensor([0.2500])
    """

    @no_grad()
    def moved(average: Tensor, value: Tensor, count: Tensor | int) -> Tensor:
        return average + (value - average) / (count + 1)

    return moved


def _check_decay(decay: float) -> None:
    if not 0 <= decay <= 1:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.")


@no_grad()
def _move(averages: Tensors, values: Tensors, rule: Callable[[Tensor, Tensor], Tensor], share: float) -> None:
    """Moves averages by this share of the way, in one sweep; those of whole numbers by the rule."""
    kinds = [average.is_floating_point() or average.is_complex() for average in averages]
    places = [i for i, kind in enumerate(kinds) if kind]
    if places:
        renew([averages[i] for i in places], lerp, [values[i] for i in places], share)
    for average, value, kind in zip(averages, values, kinds, strict=True):
        if not kind:
            average.copy_(rule(average, value))


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's over training.

    The first `update_parameters` copies the parameters, each further one moves the averages. Buffers are
    copied, if they aren't averaged too.

    Args:
        model: the model, which is copied.
        device: where the averages are kept; by default with the parameters.
        avg_fn: a function of an average, a value and the count so far that gives the new average.
        multi_avg_fn: a function of all averages, all values and the count, which changes the averages in
            place. Without either it is the mean of all values.
        use_buffers: average buffers, too.

    Raises:
        AssertionError: both functions are given.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> averaged = torch.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 2.0, 6.0):
        ...     _ = torch.nn.init.constant_(model.weight, value)
        ...     averaged.update_parameters(model)
        >>> averaged.module.weight.item()
        3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: str | Device | None = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, dtype=int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the averaged model gives."""
        return self.module(*args, **kwargs)

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Takes a model's present parameters into the averages."""
        averages, values = self._columns(self.module), self._columns(model)
        if self.n_averaged == 0:
            for average, value in zip(averages, values, strict=True):
                average.copy_(value)
        elif self.avg_fn is None:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averages, values, self.n_averaged)
        else:
            for average, value in zip(averages, values, strict=True):
                average.copy_(self.avg_fn(average, value, self.n_averaged))
        if not self.use_buffers:
            for own, buffer in zip(self.module.buffers(), model.buffers(), strict=True):
                own.detach().copy_(buffer.detach())
        self.n_averaged += 1

    def _columns(self, model: Module) -> list[Tensor]:
        tensors = chain(model.parameters(), model.buffers()) if self.use_buffers else model.parameters()
        return [t.detach() for t in tensors]


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: str | Device | None = None) -> None:
    """Finds the running statistics of a model's batch normalisations anew, by one pass over data.

    Args:
        loader: batches: tensors, or lists and tuples whose first element is one.
        model: the model; it is run in training mode and left in the mode in which it was.
        device: where batches are moved to.

    Example:
        >>> import flambeau as torch
        >>> model = torch.nn.BatchNorm1d(1)
        >>> torch.optim.swa_utils.update_bn([torch.tensor([[1.0], [3.0]])], model)
        >>> model.running_mean
        tensor([2.])
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    before, momenta = model.training, [norm.momentum for norm in norms]
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a mean of all batches instead of a moving one
    for batch in loader:
        x = batch[0] if isinstance(batch, list | tuple) else batch
        model(x if device is None else x.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(before)


class SWALR(LRScheduler):
    """Lets the rate go to a fixed one in `anneal_epochs` epochs, and stay there.

    Args:
        optimizer: whose rate is set.
        swa_lr: the rate to go to, for all groups or for each.
        anneal_epochs: as above.
        anneal_strategy: along a half `cos`, or `linear`.
        last_epoch: the epoch to continue after.

    Raises:
        ValueError: an unknown strategy, a number of epochs that is negative or not whole, another number of
            rates than of groups.

    Example:
        >>> import flambeau as torch
        >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
        >>> scheduler = torch.optim.swa_utils.SWALR(optimizer, 0.5, 2, "linear")
        >>> for _ in range(4):
        ...     print(scheduler.get_last_lr(), end=" ")
        ...     optimizer.step(); scheduler.step()
        [1.0] [0.75] [0.5] [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group("swa_lr", swa_lr, checked(optimizer))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Rate]:
        """The rates for the next epoch, by group; a UserWarning outside of `step`."""
        self._warn_outside_of_step()
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._done(step - 1), self._done(step)
        rates = []
        for group in self.optimizer.param_groups:
            end, lr = group["swa_lr"], group["lr"]
            start = end if before == 1 else (lr - before * end) / (1 - before)
            rates.append(end * now + start * (1 - now))
        return rates

    def _done(self, step: int) -> float:
        """The part of the way that is behind us after a step."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2
