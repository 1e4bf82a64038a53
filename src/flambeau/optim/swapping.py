"""Lending an optimizer other parameters and another state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..core.tensor import Tensor
from .optimizer import Optimizer


@contextmanager
def swap_in_optimizer_params_and_state(
    optimizer: Optimizer, swapin_parameters: Mapping[str, Tensor], swapin_optim_state: Mapping[str, Any]
) -> Iterator[None]:
    """Gives an optimizer other parameters, and a state for them, for a while.

    Writes into these tensors stay; whatever else the optimizer does to its groups and its state in the
    meantime is undone.

    Args:
        optimizer: an optimizer that has done a step.
        swapin_parameters: the parameters, in the order in which the optimizer has its own.
        swapin_optim_state: state and groups as `state_dict()` gives them.

    Raises:
        RuntimeError: the optimizer has no state yet, or parameters, state or groups don't match its own.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim import swap_in_optimizer_params_and_state
        >>> x, y = torch.zeros(1), torch.zeros(1)
        >>> optimizer = torch.optim.Adam([x], lr=0.5)
        >>> x.grad = y.grad = torch.ones(1)
        >>> optimizer.step()
        >>> with swap_in_optimizer_params_and_state(optimizer, {"y": y}, optimizer.state_dict()):
        ...     optimizer.step()
        >>> x, y
        (tensor([-0.5000]), tensor([-0.5000]))
    """
    state, groups = _checked(optimizer, swapin_optim_state)
    numbers = [number for group in groups for number in group["params"]]
    params = list(swapin_parameters.values())
    if len(params) != len(numbers):
        raise _mismatch(f"{len(params)} parameters were given, the optimizer has {len(numbers)}")
    if not set(state) <= set(numbers):
        raise _mismatch(f"the state has entries for {sorted(set(state) - set(numbers), key=str)}")
    by_number = dict(zip(numbers, params, strict=True))
    before, kept = optimizer.state, [dict(group) for group in optimizer.param_groups]
    try:
        for group, other in zip(optimizer.param_groups, groups, strict=True):
            group.update(other, params=[by_number[number] for number in other["params"]])
        lent = {p: dict(state.get(number, {})) for number, p in by_number.items()}
        optimizer.state = defaultdict(dict, {p: entry for p, entry in lent.items() if entry})
        yield
    finally:
        for group, old in zip(optimizer.param_groups, kept, strict=True):
            group.clear()
            group.update(old)
        optimizer.state = before


def _checked(
    optimizer: Optimizer, given: Mapping[str, Any]
) -> tuple[dict[Any, dict[str, Any]], list[dict[str, Any]]]:
    """The state and the groups, if they are such as the optimizer's `state_dict()` has."""
    if not optimizer.state:
        raise _mismatch("the optimizer has no state yet; do a step first")
    state, groups = (
        given.get(key) if isinstance(given, Mapping) else None for key in ("state", "param_groups")
    )
    if not isinstance(state, dict) or not all(isinstance(entry, dict) for entry in state.values()):
        raise _mismatch("the state is no dict of dicts by number")
    if not isinstance(groups, list) or len(groups) != len(optimizer.param_groups):
        raise _mismatch(f"there must be a list of {len(optimizer.param_groups)} groups")
    for i, (own, group) in enumerate(zip(optimizer.param_groups, groups, strict=True)):
        if not isinstance(group, dict) or set(group) != set(own):
            raise _mismatch(f"group {i} doesn't have the options {sorted(own)}")
        if not isinstance(group["params"], list) or len(group["params"]) != len(own["params"]):
            raise _mismatch(f"group {i} doesn't have {len(own['params'])} numbers of parameters")
    return state, groups


def _mismatch(what: str) -> RuntimeError:
    return RuntimeError(f"swap_in_optimizer_params_and_state: {what}")
