"""Whose memory an array lies in."""

from __future__ import annotations

from collections import deque

import numpy as np


class Memory(np.ndarray):
    """Raw bytes of a pool, which outlive the arrays made of them; `home` is where they go back to."""

    __slots__ = ("home",)
    home: deque[Memory]


class Block(np.ndarray):
    """A loan of a pool's memory to one array, whose `base` it is. It dies with the array and all views of it,
    and so gives the memory back.

    (NumPy makes the base of a view what its array's base is only if both have the same type; that is why the
    array stays the base of its views.)
    """

    __slots__ = ()

    def __del__(self) -> None:
        memory = self.base
        if isinstance(memory, Memory):
            memory.home.append(memory)


def owns(array: np.ndarray) -> bool:
    """Whether an array's memory is its own: every other array in it is a view of this one."""
    return array.flags.owndata or type(array.base) is Block
