"""`split`: a table's rows in parts for training, validation and test."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..core.generator import Generator
from ..functions.random import randperm
from .table import Column, Table

__all__ = ["split"]


def split(
    table: Table,
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    *,
    stratify: str | None = None,
    seed: int = 0,
) -> tuple[Table, ...]:
    """Shuffles a table's rows and deals them out.

    Args:
        table: the table.
        fractions: each part's share; they sum to 1.
        stratify: a column, a category or the like, whose values come in the same proportions in all parts, as
            far as whole rows allow. The first part has each value at least once.
        seed: the same one gives the same parts.

    Raises:
        ValueError: the fractions don't sum to 1, a part gets no row, or the column `stratify` holds floats.
        KeyError: there is no such column.

    >>> from flambeau.tabular import Table, split
    >>> table = Table({"x": list(range(12)), "y": ["a", "b", "b"] * 4})
    >>> train, test = split(table, (0.75, 0.25), stratify="y")
    >>> sorted(test["y"].tolist())
    ['a', 'b', 'b']
    """
    if not fractions or any(f <= 0 for f in fractions) or not math.isclose(sum(fractions), 1):
        raise ValueError(f"split: fractions must be positive and sum to 1, got {list(fractions)}")
    order = randperm(len(table), generator=Generator().manual_seed(seed)).numpy()
    strata = [order] if stratify is None else _strata(table[stratify], order, stratify)
    place = np.argsort(order)
    parts = [part[np.argsort(place[part])] for part in _deal(strata, np.array(fractions))]
    for i, part in enumerate(parts):
        if not len(part):
            raise ValueError(
                f"split: part {i} would get none of the {len(table)} rows; give it a larger fraction than "
                f"{fractions[i]}"
            )
    return tuple(table.take(part) for part in parts)


def _strata(column: Column, order: np.ndarray, name: str) -> list[np.ndarray]:
    """The rows of each value, in the given order."""
    if column.kind == "float":
        raise ValueError(
            f"split: stratify={name!r} holds floats, of which nearly all differ; choose a column of classes"
        )
    rows: dict[object, list[int]] = {}
    values = column.tolist()
    for row in order.tolist():
        rows.setdefault(values[row], []).append(row)
    return [np.array(found) for found in rows.values()]


def _deal(strata: Sequence[np.ndarray], fractions: np.ndarray) -> list[np.ndarray]:
    """Each stratum's rows cut into parts. What rounding gives a part too much, the next one takes back."""
    parts: list[list[np.ndarray]] = [[] for _ in fractions]
    owed = np.zeros(len(fractions))
    for rows in strata:
        owed += fractions * len(rows)
        counts = np.maximum(np.floor(owed), 0).astype(np.int64)
        while counts.sum() > len(rows):
            counts[np.argmax(counts - owed)] -= 1
        while counts.sum() < len(rows):
            counts[np.argmax(np.round(owed - counts, 9))] += 1
        if len(rows) and not counts[0]:
            counts[np.argmax(counts)] -= 1
            counts[0] = 1
        owed -= counts
        for part, piece in zip(parts, np.split(rows, np.cumsum(counts)[:-1]), strict=True):
            part.append(piece)
    return [np.concatenate(part) for part in parts]
