"""The kinds of columns: which one values are of, and the arrays that hold them."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NoReturn, get_args

import numpy as np

__all__ = ["KINDS", "Kind", "from_objects", "from_strings"]

Kind = Literal["int", "float", "bool", "category", "text", "date"]
Parts = tuple[Kind, np.ndarray, np.ndarray]  # what makes a Column

KINDS: tuple[str, ...] = get_args(Kind)
FEW = 20  # so many distinct strings are a category, however few rows there are

_DTYPES: dict[str, Any] = {"int": np.int64, "float": np.float64, "bool": np.bool_, "date": "datetime64[s]"}
_INT = re.compile(r"[+-]?(0|[1-9]\d*)", re.ASCII)
_FLOAT = re.compile(
    r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?)?", re.ASCII)


# ----- From a string to a value of a kind; ValueError where it is none -----
def _bool(text: str) -> bool:
    return {"true": True, "false": False}[text.lower()]


def _int(text: str) -> int:
    number = int(text) if _INT.fullmatch(text) else _refuse()
    return number if -(2**63) <= number < 2**63 else _refuse()


def _float(text: str) -> float:
    return float(text) if _FLOAT.fullmatch(text) else _refuse()


def _date(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text) if _DATE.fullmatch(text) else _refuse()


def _refuse() -> NoReturn:
    raise ValueError


_PARSERS: dict[Kind, Callable[[str], Any]] = {"bool": _bool, "int": _int, "float": _float, "date": _date}
_REFUSALS = (ValueError, KeyError)


def from_strings(strings: Sequence[str | None], kind: Kind | None, where: str) -> Parts:
    """A column of strings, parsed as values of a kind, or of the first kind that all fit."""
    missing = np.array([s is None for s in strings], np.bool_)
    distinct = {s: None for s in strings if s is not None}
    if kind is None:
        kind, parsed = _infer(distinct, len(strings) - int(missing.sum()))
    else:
        parsed = _parse(distinct, kind, strings, where)
    return kind, _array([None if s is None else parsed[s] for s in strings], kind), missing


def _infer(distinct: Iterable[str], present: int) -> tuple[Kind, dict[str, Any]]:
    names = list(distinct)
    if not names:
        return "float", {}
    for kind, parser in _PARSERS.items():
        try:
            return kind, {s: parser(s) for s in names}
        except _REFUSALS:
            continue
    return _strings_kind(len(names), present), {s: s for s in names}


def _strings_kind(distinct: int, present: int) -> Kind:
    return "category" if distinct <= max(FEW, present // 2) else "text"


def _parse(distinct: Iterable[str], kind: Kind, strings: Sequence[str | None], where: str) -> dict[str, Any]:
    parser = _PARSERS.get(kind, str)
    parsed = {}
    for s in distinct:
        try:
            parsed[s] = parser(s)
        except _REFUSALS:
            raise ValueError(
                f"{where}, row {strings.index(s)}: {s!r} is no {kind}; correct it, or give the column "
                "another kind"
            ) from None
    return parsed


# ----- From Python's and NumPy's values -----
_TYPES: list[tuple[type | tuple[type, ...], Kind]] = [  # the order counts: True is an int, too
    ((bool, np.bool_), "bool"),
    ((int, np.integer), "int"),
    ((float, np.floating), "float"),
    ((str,), "category"),
    ((datetime.date, np.datetime64), "date"),  # a datetime is a date, too
]


def from_objects(values: Any, kind: Kind | None, where: str) -> Parts:
    """A column of values that have types."""
    array = values if isinstance(values, np.ndarray) else None
    if array is not None and array.ndim != 1:
        raise ValueError(f"{where}: expected one row of values, got an array of shape {array.shape}")
    objects: list[Any] = [None if _is_missing(v) else v for v in values]
    missing = np.array([v is None for v in objects], np.bool_)
    found = _kind_of(objects, where)
    if found in ("category", "text") and kind not in (None, "category", "text"):
        return from_strings(objects, kind, where)
    if kind in ("category", "text"):
        objects = [v if v is None else str(v) for v in objects]
    elif kind not in (None, found, "float" if found in ("int", "bool") else found):
        raise ValueError(f"{where}: values are of the kind {found}, which can't be made {kind}")
    return kind or found, _array(objects, kind or found), missing


def _is_missing(value: Any) -> bool:
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    return value is None or (isinstance(value, np.datetime64) and bool(np.isnat(value)))


def _kind_of(objects: Sequence[Any], where: str) -> Kind:
    types = {type(v) for v in objects if v is not None}
    kinds = {_kind_of_type(t, where) for t in types}
    if kinds == {"int", "float"} or not kinds:
        return "float"
    if len(kinds) > 1:
        names = ", ".join(sorted(t.__name__ for t in types))
        raise TypeError(f"{where}: values of several types ({names}); make them one, or all strings")
    kind = kinds.pop()
    present = [v for v in objects if v is not None]
    return _strings_kind(len(set(present)), len(present)) if kind == "category" else kind


def _kind_of_type(t: type, where: str) -> Kind:
    for types, kind in _TYPES:
        if issubclass(t, types):
            return kind
    raise TypeError(f"{where}: values of type {t.__name__} are of no kind; there are {', '.join(KINDS)}")


def _array(objects: Sequence[Any], kind: Kind) -> np.ndarray:
    """The values in an array; where there is none, something that means nothing."""
    if kind not in _DTYPES:
        array: np.ndarray = np.empty(len(objects), object)
        array[:] = objects
        return array
    empty: Any = {"float": math.nan, "date": np.datetime64("NaT")}.get(kind, 0)
    filled: Any = [empty if v is None else _in_utc(v) for v in objects]
    return np.array(filled, _DTYPES[kind])


def _in_utc(value: Any) -> Any:
    """A time in a time zone as the time in UTC, for NumPy's times have no zones."""
    if isinstance(value, datetime.datetime) and value.tzinfo is not None:
        return value.astimezone(datetime.UTC).replace(tzinfo=None)
    return value
