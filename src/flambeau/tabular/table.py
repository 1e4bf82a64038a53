"""`Table`: named columns, each of one kind, in which values may be missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..utils.naming import unknown_name
from .kinds import KINDS, Kind, from_objects, from_strings

__all__ = ["Column", "Table"]


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """The values of one column.

    Attributes:
        kind: "int", "float", "bool", "category", "text" or "date".
        values: an array of int64, float64, bool, strings (dtype object) or datetime64[s].
        missing: True where there is no value; what `values` holds there means nothing.

    >>> from flambeau.tabular import Table
    >>> column = Table({"age": [31, None, 45]})["age"]
    >>> column.kind, column.missing.tolist(), column.tolist()
    ('int', [False, True, False], [31, None, 45])
    """

    kind: Kind
    values: np.ndarray
    missing: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Any) -> Column:
        """Some of the rows, by their numbers or by a mask.

        >>> from flambeau.tabular import Table
        >>> Table({"age": [31, None, 45]})["age"].take([2, 0]).tolist()
        [45, 31]
        """
        return Column(self.kind, self.values[rows], self.missing[rows])

    def tolist(self) -> list[Any]:
        """The values as Python objects, None where there is none.

        >>> from flambeau.tabular import Table
        >>> Table({"town": ["Bern", None]})["town"].tolist()
        ['Bern', None]
        """
        return [None if no else v for v, no in zip(self.values.tolist(), self.missing.tolist(), strict=True)]


class Table:
    """Columns by name.

    Args:
        columns: for each name the values: a list, a NumPy array, or a `Column`. None, NaN and NaT are missing
            values. Strings are a category, or text where nearly all differ; they are not parsed.
        kinds: what kinds columns shall have, where that differs from what their values say. A column of
            strings may become any kind; numbers may become a category.

    Raises:
        ValueError: columns differ in length, or a value is none of its column's kind.
        KeyError: `kinds` names a column that is not there.
        TypeError: a column holds values of several types, or of one that is of no kind.

    >>> from flambeau.tabular import Table
    >>> table = Table({"age": [31, 25, 45], "town": ["Bern", "Basel", None]})
    >>> table
    Table of 3 rows:
      age   int
      town  category, 2 distinct, 1 missing
    >>> len(table), table.names, table.kinds["town"]
    (3, ['age', 'town'], 'category')
    """

    columns: dict[str, Column]

    def __init__(self, columns: Mapping[str, Any], kinds: Mapping[str, Kind] | None = None) -> None:
        kinds = kinds or {}
        _check_kinds("Table", kinds, columns)
        self.columns = {
            name: values if type(values) is Column and name not in kinds else _column(name, values, kinds)
            for name, values in columns.items()
        }
        lengths = {name: len(column) for name, column in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"Table: columns differ in length: {lengths}")

    @classmethod
    def from_strings(
        cls,
        columns: Mapping[str, Sequence[str | None]],
        kinds: Mapping[str, Kind] | None = None,
        *,
        where: str = "Table.from_strings",
    ) -> Table:
        """Parses columns of strings, as they stand in a CSV file; None is a missing value.

        A column is of the first kind that all of its values fit:

        - "bool": true, false, in any case;
        - "int": digits with or without a sign, none of which begins with a needless 0 (those are codes),
        within
          64 bits;
        - "float": a decimal number with or without an exponent, inf;
        - "date": 2024-02-29, 2024-02-29 17:30, 2024-02-29T17:30:05;
        - "category": at most half of the values, or 20, are distinct;
        - "text": anything.

        Raises:
            KeyError: `kinds` names a column that is not there.
            ValueError: a value is none of the kind that is given in `kinds`; the message names row and value.

        >>> from flambeau.tabular import Table
        >>> Table.from_strings({"n": ["1", "2"], "x": ["1", "2e3"], "zip": ["0815", "4711"]}).kinds
        {'n': 'int', 'x': 'float', 'zip': 'category'}
        """
        kinds = kinds or {}
        _check_kinds(where, kinds, columns)
        made = {}
        for name, strings in columns.items():
            made[name] = Column(*from_strings(strings, kinds.get(name), f"{where}, column {name!r}"))
        return cls(made)

    @classmethod
    def from_pandas(cls, frame: Any, kinds: Mapping[str, Kind] | None = None) -> Table:
        """The columns of a pandas DataFrame; its index is left out. Categories of pandas are categories.

        Raises:
            TypeError: it is no DataFrame, or a column holds values of several types.

        Example:

            table = Table.from_pandas(pandas.read_excel("people.xlsx"))
        """
        if not hasattr(frame, "columns") or not hasattr(frame, "itertuples"):
            raise TypeError(f"Table.from_pandas: expected a DataFrame, got a {type(frame).__name__}")
        columns, given = {}, dict(kinds or {})
        for name in frame.columns:
            series = frame[name]
            columns[str(name)] = [
                None if no else v for v, no in zip(series.tolist(), series.isna(), strict=True)
            ]
            if str(series.dtype) == "category":
                given.setdefault(str(name), "category")
        return cls(columns, given)

    # ----- Looking -----
    @property
    def names(self) -> list[str]:
        """The columns' names.

        >>> from flambeau.tabular import Table
        >>> Table({"a": [1], "b": [2]}).names
        ['a', 'b']
        """
        return list(self.columns)

    @property
    def kinds(self) -> dict[str, Kind]:
        """The columns' kinds.

        >>> from flambeau.tabular import Table
        >>> Table({"a": [1], "b": [0.5]}).kinds
        {'a': 'int', 'b': 'float'}
        """
        return {name: column.kind for name, column in self.columns.items()}

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> Column:
        if name not in self.columns:
            raise unknown_name("Table", "column", name, self.columns)
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __repr__(self) -> str:
        width = max(map(len, self.columns), default=0)
        lines = [f"  {name:{width}}  {_describe(column)}" for name, column in self.columns.items()]
        return "\n".join([f"Table of {len(self)} rows:", *lines])

    # ----- Other tables -----
    def take(self, rows: Any) -> Table:
        """Some of the rows, by their numbers or by a mask.

        >>> from flambeau.tabular import Table
        >>> Table({"a": [1, 2, 3]}).take([2, 0])["a"].tolist()
        [3, 1]
        """
        chosen = np.asarray(rows)
        chosen = chosen if chosen.dtype == np.bool_ else chosen.astype(np.int64)
        return Table({name: column.take(chosen) for name, column in self.columns.items()})

    def select(self, *names: str) -> Table:
        """Some of the columns.

        >>> from flambeau.tabular import Table
        >>> Table({"a": [1], "b": [2], "c": [3]}).select("c", "a").names
        ['c', 'a']
        """
        return Table({name: self[name] for name in names})

    def drop(self, *names: str) -> Table:
        """All columns but some.

        >>> from flambeau.tabular import Table
        >>> Table({"a": [1], "b": [2], "c": [3]}).drop("a").names
        ['b', 'c']
        """
        for name in names:
            self[name]
        return Table({name: column for name, column in self.columns.items() if name not in names})

    def with_column(self, name: str, values: Any, kind: Kind | None = None) -> Table:
        """One more column, or another one of that name.

        >>> from flambeau.tabular import Table
        >>> Table({"a": [1, 2]}).with_column("a", ["x", "y"]).kinds
        {'a': 'category'}
        """
        made = Table({name: values}, None if kind is None else {name: kind})
        return Table({**self.columns, **made.columns})

    def encode_dates(self, *names: str) -> Table:
        """Replaces dates by what a model can learn from: numbers year, month, day, weekday (Monday is 0) and
        the days since 1970, as columns `<name>_year` and so forth.

        Raises:
            KeyError: there is no such column.
            ValueError: it holds no dates.

        >>> from flambeau.tabular import Table
        >>> table = Table.from_strings({"day": ["2024-02-29", "2024-03-01"]}).encode_dates("day")
        >>> table.names
        ['day_year', 'day_month', 'day_day', 'day_weekday', 'day_since1970']
        >>> table["day_weekday"].tolist()
        [3, 4]
        """
        for name in names:
            if self[name].kind != "date":
                raise ValueError(
                    f"encode_dates: the column {name!r} holds no dates, its kind is {self[name].kind}"
                )
        columns: dict[str, Column] = {}
        for name, column in self.columns.items():
            columns.update(_date_parts(name, column) if name in names else {name: column})
        return Table(columns)


def _date_parts(name: str, column: Column) -> dict[str, Column]:
    when = np.where(column.missing, np.datetime64(0, "s"), column.values)
    months = when.astype("datetime64[M]")
    days = when.astype("datetime64[D]")
    since = days.astype(np.int64)
    parts = {
        "year": when.astype("datetime64[Y]").astype(np.int64) + 1970,
        "month": months.astype(np.int64) % 12 + 1,
        "day": (days - months).astype(np.int64) + 1,
        "weekday": (since + 3) % 7,  # 1970 began on a Thursday
        "since1970": since,
    }
    return {f"{name}_{part}": Column("int", values, column.missing) for part, values in parts.items()}


def _column(name: str, values: Any, kinds: Mapping[str, Kind]) -> Column:
    objects = values.tolist() if isinstance(values, Column) else values
    return Column(*from_objects(objects, kinds.get(name), f"Table, column {name!r}"))


def _check_kinds(where: str, kinds: Mapping[str, str], columns: Mapping[str, Any]) -> None:
    for name, kind in kinds.items():
        if name not in columns:
            raise unknown_name(where, "column", name, columns)
        if kind not in KINDS:
            raise ValueError(f"{where}: {kind!r} is no kind of column; there are {', '.join(KINDS)}")


def _describe(column: Column) -> str:
    words: list[str] = [column.kind]
    if column.kind == "category":
        words.append(f"{len(set(column.values[~column.missing].tolist()))} distinct")
    if missing := int(column.missing.sum()):
        words.append(f"{missing} missing")
    return ", ".join(words)
