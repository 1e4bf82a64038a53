"""Why a program wasn't known: how its structure differs from that of the last one at the same place."""

from __future__ import annotations

from typing import Any

from ..compiler.describe import shape_text
from ..core.program import Structure


def difference(old: Structure | None, new: Structure) -> str:
    """In words, the first thing that is new."""
    if old is None:
        return "first time here"
    before, rows = old.rows(), new.rows()
    for number, (was, now) in enumerate(zip(before, rows, strict=False)):
        if was != now:
            return _entry(number, was, now)
    if len(before) != len(rows):
        return f"{len(rows)} operations and inputs, last time {len(before)}"
    return "dropped from the cache meanwhile"


def _entry(number: int, was: Any, now: Any) -> str:
    if len(was) != len(now):
        return f"at {number}: {_name(now)}, last time {_name(was)}"
    if len(now) == 2:
        return f"{_name(now)}, last time {_name(was)}"
    if was[0] is not now[0]:
        return f"at {number}: {_name(now)}, last time {_name(was)}"
    what = f"{now[0].name} (at {number})"
    if was[1] != now[1]:
        return f"{what} reads other values"
    if was[2] != now[2]:
        return f"{what} has attributes {now[2]}, had {was[2]}"
    if was[4] != now[4]:
        return f"the result of {what} is {'kept' if now[4] else 'not kept'} this time"
    return f"{what} gives {now[3].name}, gave {was[3].name}"


def _name(entry: Any) -> str:
    if len(entry) == 2:
        d, shape = entry
        return f"an input {d.name} {shape_text(shape)}" if type(d) is not tuple else "several inputs at once"
    return str(entry[0].name)
