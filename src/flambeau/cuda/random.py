"""Random numbers of CUDA devices: without a device there are no generators, and nothing to seed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..core.tensor import Tensor


def manual_seed(seed: int) -> None:
    """Seeds the current CUDA device's generator; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.cuda.manual_seed(0)
    """


def manual_seed_all(seed: int) -> None:
    """Seeds all CUDA devices' generators; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.cuda.manual_seed_all(0)
    """


def seed() -> None:
    """Seeds the current CUDA device's generator by chance; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.cuda.seed()
    """


def seed_all() -> None:
    """Seeds all CUDA devices' generators by chance; without a device there is nothing to seed.

    >>> import flambeau as torch
    >>> torch.cuda.seed_all()
    """


def get_rng_state_all() -> list[Tensor]:
    """The states of all CUDA devices' generators: none.

    >>> import flambeau as torch
    >>> torch.cuda.get_rng_state_all()
    []
    """
    return []


def set_rng_state(new_state: Tensor, device: Any = "cuda") -> None:
    """Sets the state of a CUDA device's generator; without a device there is nothing to set.

    >>> import flambeau as torch
    >>> torch.cuda.set_rng_state(torch.get_rng_state())
    """


def set_rng_state_all(new_states: Iterable[Tensor]) -> None:
    """Sets the states of all CUDA devices' generators; without a device there is nothing to set.

    >>> import flambeau as torch
    >>> torch.cuda.set_rng_state_all([])
    """
