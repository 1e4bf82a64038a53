"""Reading tables from CSV files with Python's own reader, and from Parquet files through pyarrow."""

from __future__ import annotations

import csv
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..utils.naming import library, unknown_name
from .kinds import Kind
from .table import Table

__all__ = ["read_csv", "read_parquet"]

MISSING = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None")
PathLike = str | os.PathLike[str]


def read_csv(
    path: PathLike,
    *,
    kinds: Mapping[str, Kind] | None = None,
    columns: Sequence[str] | None = None,
    delimiter: str | None = None,
    missing: Collection[str] = MISSING,
    encoding: str = "utf-8-sig",
) -> Table:
    """Reads a CSV or TSV file whose first line names the columns.

    What kind a column is of is found from all of its values, as `Table.from_strings` says. White space around
    a value doesn't count.

    Args:
        path: the file.
        kinds: what kind a column is of, where that shall not be found: "int", "float", "bool", "category",
            "text" or "date".
        columns: read these columns alone.
        delimiter: what stands between values; by default a tab in files `*.tsv`, a comma in others.
        missing: what stands for a missing value.
        encoding: the file's encoding.

    Raises:
        KeyError: there is no column of a name in `columns` or `kinds`.
        ValueError: the file is empty, two columns have one name, a row has too few or too many values, or a
            value is not of its column's given kind. The message names the row (the first is 0) and the value.

    >>> import pathlib, tempfile
    >>> from flambeau.tabular import read_csv
    >>> path = pathlib.Path(tempfile.mkdtemp(), "people.csv")
    >>> _ = path.write_text("name,age,height,member\\nAda,36,1.65,true\\nBo,NA,1.80,false\\n")
    >>> read_csv(path)
    Table of 2 rows:
      name    category, 2 distinct
      age     int, 1 missing
      height  float
      member  bool
    """
    name = os.fspath(path)
    delimiter = delimiter or ("\t" if name.endswith(".tsv") else ",")
    with open(path, encoding=encoding, newline="") as file:
        rows = csv.reader(file, delimiter=delimiter, strict=True)
        header = [title.strip() for title in next(rows, [])]
        _check_header(f"read_csv: {name}", header)
        wanted = header if columns is None else list(columns)
        for title in wanted:
            if title not in header:
                raise unknown_name(f"read_csv: {name}", "column", title, header)
        places = [header.index(title) for title in wanted]
        cells: list[list[str]] = [[] for _ in places]
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise ValueError(
                    f"read_csv: {name}, line {rows.line_num}: {len(row)} values, but {len(header)} columns; "
                    f"is the delimiter {delimiter!r}?"
                )
            for column, place in zip(cells, places, strict=True):
                column.append(row[place])
    nothing = frozenset(missing)
    strings = {
        title: [None if (s := cell.strip()) in nothing else s for cell in column]
        for title, column in zip(wanted, cells, strict=True)
    }
    return Table.from_strings(strings, kinds, where=f"read_csv: {name}")


def _check_header(where: str, header: Sequence[str]) -> None:
    if not header:
        raise ValueError(f"{where}: the file is empty; the first line should name the columns")
    twice = next((title for i, title in enumerate(header) if title in header[:i]), None)
    if twice is not None:
        raise ValueError(f"{where}: two columns are named {twice!r}; give each a name of its own")


def read_parquet(
    path: PathLike,
    *,
    kinds: Mapping[str, Kind] | None = None,
    columns: Sequence[str] | None = None,
) -> Table:
    """Reads a Parquet file, whose columns have types; needs pyarrow (`pip install 'flambeau[tabular]'`).

    Args:
        path: the file.
        kinds: what kind a column is of, where its type doesn't say: strings are a category, or text where
            nearly all differ.
        columns: read these columns alone.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
        KeyError: there is no such column.
        TypeError: a column's type is of no kind, such as a list.

    Example:

        table = read_parquet("people.parquet", columns=["age", "income"])
    """
    parquet: Any = library("pyarrow.parquet", "tabular", "flambeau.tabular.read_parquet")
    names: list[str] = parquet.read_schema(path).names
    for name in columns or ():
        if name not in names:
            raise unknown_name(f"read_parquet: {os.fspath(path)}", "column", name, names)
    found = parquet.read_table(path, columns=None if columns is None else list(columns))
    dictionaries = {f.name: "category" for f in found.schema if str(f.type).startswith("dictionary")}
    chosen: Any = {**dictionaries, **(kinds or {})}
    return Table({name: found[name].to_pylist() for name in found.column_names}, chosen)
