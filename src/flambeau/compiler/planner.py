"""Planners: how an operation becomes kernel calls, found by the operation's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .calls import Array, Plan
from .expression import Expr

# (plan, results, inputs, attributes) -> whether it added calls; a planner that declines adds none, and the
# operation is run by NumPy.
Planner = Callable[[Plan, tuple[Array, ...], tuple[Array, ...], tuple[Any, ...]], bool]
PLANNERS: dict[str, Planner] = {}


def planner(*names: str) -> Callable[[Planner], Planner]:
    """Registers the decorated function as the planner of operations. Results are contiguous; inputs may have
    any strides."""

    def register(f: Planner) -> Planner:
        for name in names:
            PLANNERS[name] = f
        return f

    return register


class Finish(NamedTuple):
    """What becomes of each element of a contraction before it is stored: expressions, each with the array
    that takes it. Their leaves are `kept(0, d)`, the element's sum (d is float64 for float64, float32
    otherwise), and `load(i, …)`, the element of `extras[i]` at the same place. All arrays have the
    contraction's shape (broadcast extras have strides of 0)."""

    results: tuple[tuple[Expr, Array], ...]
    extras: tuple[Array, ...] = ()


# (plan, finish, inputs, attributes) -> whether it added calls.
Finisher = Callable[[Plan, Finish, tuple[Array, ...], tuple[Any, ...]], bool]
FINISHERS: dict[str, Finisher] = {}


def finisher(*names: str) -> Callable[[Finisher], Finisher]:
    """Registers the decorated function as the planner of operations together with what follows them element
    by element."""

    def register(f: Finisher) -> Finisher:
        for name in names:
            FINISHERS[name] = f
        return f

    return register
