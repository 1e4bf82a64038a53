"""Cutting contractions up: the blocks that tasks compute, and how they read the operands.

Blocks don't change the result. The parts of a long k do: they depend on the problem alone.
"""

from __future__ import annotations

from math import ceil, prod
from typing import NamedTuple

from ...core import dtype as dt
from ...runtime.target import host
from ..calls import Plan
from .microkernel import Geometry
from .problem import Problem

_MOST_PACKED = 16 << 20  # bytes of an operand that may be packed as a whole


class Cut(NamedTuple):
    """How a contraction is cut up: how many tasks share its rows and columns, the stretches of k, and how
    operands are read."""

    tasks_m: int
    tasks_n: int
    block_k: int
    a: str
    b: str


def cut_up(plan: Plan, p: Problem, g: Geometry, chunks: int, length: int) -> Cut:
    """The cheapest of some ways: for each thread one task or a few, of equal blocks."""
    most_k = max(host().l1 * 2 // 3 // (g.columns * g.itemsize), 16) * (2 if g.pairs else 1)
    block_k = -(-length // max(ceil(length / most_k), 1))
    block_k += block_k % 2 if g.pairs else 0
    block_k = max(block_k, 1)
    matrices = prod(p.extents) * chunks
    total = p.m * p.n * length * matrices // g.lanes / (4000 if g.pairs else 2000)  # microseconds
    threads = max(min(plan.threads, int(total / 5)), 1)
    most = max(host().l2 // 2 // max(g.units(block_k) * g.itemsize, 1), g.rows)  # rows of a block of A
    best, found = 1e30, None
    for tasks_m, tasks_n in _grids(p, g, threads, matrices, most):
        m, n = ceil(p.m / tasks_m), ceil(p.n / tasks_n)
        a, cost_a = _way_a(p, g, threads, tasks_n, n, total)
        b, cost_b = _way_b(p, g, threads, tasks_m, m, total)
        tasks = tasks_m * tasks_n * matrices
        rounds = ceil(tasks / threads)
        even = _evenness(ceil(p.m / g.rows), tasks_m) * _evenness(ceil(p.n / g.columns), tasks_n)
        cost = (rounds * threads / tasks) * (1 + (even - 1) / rounds) * (1 + cost_a + cost_b + 0.01 / rounds)
        cost += 0.1 * (m > most + g.rows)
        if cost < best:
            best, found = cost, Cut(tasks_m, tasks_n, block_k, a, b)
    assert found is not None
    return found


def _grids(p: Problem, g: Geometry, threads: int, matrices: int, most: int) -> list[tuple[int, int]]:
    """Numbers of blocks of rows and columns to choose from."""
    panels_m, panels_n = ceil(p.m / g.rows), ceil(p.n / g.columns)
    least = min(ceil(p.m / most), panels_m)
    grids = {(1, 1), (least, 1)}
    for each in (1, 2, 4) if threads > 1 else (1,):
        wanted = ceil(threads * each / matrices)
        columns = 1
        while columns <= min(wanted, panels_n):
            rows = ceil(wanted / columns)
            grids |= {(min(x, panels_m), columns) for x in (rows, -(-least // rows) * rows)}
            columns *= 2
        grids.add((1, min(wanted, panels_n)))
    return sorted(grids)


def _evenness(panels: int, tasks: int) -> float:
    """How much more than the average the largest of a number of tasks has."""
    return ceil(panels / tasks) * tasks / panels


def _way_a(p: Problem, g: Geometry, threads: int, tasks: int, n: int, total: float) -> tuple[str, float]:
    """How A is read, and what that costs in parts of the whole, if `tasks` tasks with n columns use each of
    its rows. In place if its elements are used few times; else packed by each task, or once before."""
    if p.a.dtype in (dt.float32, dt.float64):
        most = 24 if p.a.columns == 1 else 16 if p.a.rows == 1 else 2
        small = p.m * p.k * g.itemsize <= host().l1 // 3
        if n <= most * g.columns or small:
            return "direct", 0.0 if small else 3 * tasks / p.n
    return _way(p.m * p.k, g, threads, tasks, p.n, 2.5, total)


def _way_b(p: Problem, g: Geometry, threads: int, tasks: int, m: int, total: float) -> tuple[str, float]:
    """The same for B, whose rows must be vectors if it is read in place."""
    if p.b.dtype in (dt.float32, dt.float64) and p.b.columns == 1:
        small = p.n * p.k * g.itemsize <= host().l2 // 4
        if p.m <= 2 * g.rows or (small and m <= 12 * g.rows):
            return "direct", 3 * min(tasks, threads) / p.m
    return _way(p.n * p.k, g, threads, tasks, p.m, 1.6, total)


def _way(
    size: int, g: Geometry, threads: int, tasks: int, uses: int, sharing: float, total: float
) -> tuple[str, float]:
    """How an operand that isn't read in place is packed, and what that costs. What is packed before takes
    `sharing` times as long to write if other cores had it, and a start of threads, about a microsecond."""
    each = (18 if g.pairs else 10) / uses
    before = each * (sharing if threads > 1 else 1) + 1 / (total / threads + 1)
    if tasks > 1 and before < each * tasks and size * g.itemsize <= _MOST_PACKED:
        return "packed", before
    return "local", each * tasks


def chunk_of(p: Problem, g: Geometry) -> int:
    """The length of the parts that a long k is cut into when the result has few tiles; k itself otherwise."""
    tiles = ceil(p.m / g.rows) * ceil(p.n / g.columns) * prod(p.extents)
    parts = min(128 // tiles, p.k // 1024, 32)
    if parts < 2 or p.k < 4096 or p.accumulate:
        return p.k
    return ceil(p.k / parts / 256) * 256
