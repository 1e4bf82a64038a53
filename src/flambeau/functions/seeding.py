"""One seed for all random numbers of a program."""

from __future__ import annotations

import random

import numpy as np

from .random import manual_seed

_MOST = 2**32 - 1  # what NumPy's generator takes


def seed_everything(seed: int) -> int:
    """Seeds Python's `random`, NumPy's global generator and Flambeau's, and returns the seed.

    ValueError for a seed outside of 0 … 2³² - 1, which is what all three take.

    >>> import flambeau as torch
    >>> seed = torch.seed_everything(7)
    >>> x = torch.rand(2); seed = torch.seed_everything(seed); torch.equal(x, torch.rand(2))
    True
    """
    number = seed.__index__()
    if not 0 <= number <= _MOST:
        raise ValueError(f"seed_everything: the seed must lie between 0 and {_MOST}, got {number}")
    random.seed(number)
    np.random.seed(number)  # the generator that programs without one of their own use
    manual_seed(number)
    return number
