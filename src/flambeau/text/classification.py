"""`TextClassification`: texts with labels, from folders, CSV and JSON lines."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..utils.data import Dataset
from ..utils.naming import nearest, unknown_name

__all__ = ["TextClassification"]

Pair = tuple[str, str]
PathLike = str | os.PathLike[str]


class TextClassification(Dataset[tuple[Any, int]]):
    """Texts, each with the number of its class. Item `i` is `(transform(text), label)`.

    Args:
        texts: the texts.
        labels: the name of each one's class.
        classes: the names of all classes in the order of their numbers; by default those that occur, sorted.
            Give the training set's to the test set.
        transform: what to make of a text when it is asked for, such as
            `lambda text: vocabulary.encode(words(text))`. It may be set later.

    Attributes:
        texts: the texts.
        labels: the numbers of their classes.
        classes: the names of the classes.

    Raises:
        ValueError: there are not as many labels as texts, or a label is not among the classes.

    >>> from flambeau.text import TextClassification
    >>> data = TextClassification(["good film", "bad film"], ["pos", "neg"])
    >>> data.classes, data[0]
    (['neg', 'pos'], ('good film', 1))
    """

    texts: list[str]
    labels: list[int]
    classes: list[str]

    def __init__(
        self,
        texts: Iterable[str],
        labels: Iterable[Any],
        *,
        classes: Sequence[str] | None = None,
        transform: Callable[[str], Any] | None = None,
    ) -> None:
        self.texts, names = list(texts), [str(label) for label in labels]
        if len(self.texts) != len(names):
            raise ValueError(f"TextClassification: {len(self.texts)} texts, but {len(names)} labels")
        self.classes = sorted(set(names)) if classes is None else list(classes)
        numbers = {name: i for i, name in enumerate(self.classes)}
        for i, name in enumerate(names):
            if name not in numbers:
                raise ValueError(
                    f"TextClassification: item {i} has the label {name!r}, which is no class; "
                    f"{nearest(name, self.classes)}"
                )
        self.labels = [numbers[name] for name in names]
        self.transform = transform

    @classmethod
    def from_folder(
        cls,
        root: PathLike,
        *,
        suffix: str = ".txt",
        classes: Sequence[str] | None = None,
        transform: Callable[[str], Any] | None = None,
        encoding: str = "utf-8",
    ) -> TextClassification:
        """Reads a folder with a folder for each class, in which each file is a text: `root/pos/7.txt`.

        Args:
            root: the folder.
            suffix: how the files' names end.
            classes, transform: as for the class.
            encoding: the files' encoding.

        Raises:
            FileNotFoundError: there is no such folder, or no such file in it.

        >>> import pathlib, tempfile
        >>> from flambeau.text import TextClassification
        >>> root = pathlib.Path(tempfile.mkdtemp())
        >>> (root / "pos").mkdir()
        >>> _ = (root / "pos" / "1.txt").write_text("good film")
        >>> TextClassification.from_folder(root)[0]
        ('good film', 0)
        """
        folders = sorted(path for path in Path(root).iterdir() if path.is_dir())
        pairs = [
            (path.read_text(encoding), folder.name)
            for folder in folders
            for path in sorted(folder.rglob(f"*{suffix}"))
        ]
        if not pairs:
            raise FileNotFoundError(
                f"TextClassification.from_folder: no file *{suffix} in a folder of {root}; "
                f"files are expected at {root}/<class>/<name>{suffix}"
            )
        return cls._from_pairs(pairs, classes, transform)

    @classmethod
    def from_csv(
        cls,
        path: PathLike,
        *,
        text: str = "text",
        label: str = "label",
        delimiter: str = ",",
        classes: Sequence[str] | None = None,
        transform: Callable[[str], Any] | None = None,
        encoding: str = "utf-8-sig",
    ) -> TextClassification:
        """Reads a CSV file whose first line names the columns.

        Args:
            path: the file.
            text, label: the names of the two columns.
            delimiter: what stands between fields: a tab for TSV files.
            classes, transform: as for the class.
            encoding: the file's encoding.

        Raises:
            KeyError: there is no such column.
            ValueError: a row has too few or too many fields.

        >>> import pathlib, tempfile
        >>> from flambeau.text import TextClassification
        >>> path = pathlib.Path(tempfile.mkdtemp(), "films.csv")
        >>> _ = path.write_text('text,label\\n"good, new",pos\\nbad,neg\\n')
        >>> TextClassification.from_csv(path)[0]
        ('good, new', 1)
        """
        with open(path, encoding=encoding, newline="") as file:
            pairs = list(_csv_pairs(file, os.fspath(path), text, label, delimiter))
        return cls._from_pairs(pairs, classes, transform)

    @classmethod
    def from_jsonl(
        cls,
        path: PathLike,
        *,
        text: str = "text",
        label: str = "label",
        classes: Sequence[str] | None = None,
        transform: Callable[[str], Any] | None = None,
        encoding: str = "utf-8-sig",
    ) -> TextClassification:
        """Reads a file with a JSON object on each line.

        Args:
            path: the file.
            text, label: the names of the two entries.
            classes, transform: as for the class.
            encoding: the file's encoding.

        Raises:
            KeyError: an object lacks an entry.
            ValueError: a line is no JSON object.

        >>> import pathlib, tempfile
        >>> from flambeau.text import TextClassification
        >>> path = pathlib.Path(tempfile.mkdtemp(), "films.jsonl")
        >>> _ = path.write_text('{"text": "good film", "label": "pos"}\\n')
        >>> TextClassification.from_jsonl(path)[0]
        ('good film', 0)
        """
        with open(path, encoding=encoding) as file:
            pairs = list(_json_pairs(file, os.fspath(path), text, label))
        return cls._from_pairs(pairs, classes, transform)

    @classmethod
    def _from_pairs(
        cls, pairs: Sequence[Pair], classes: Sequence[str] | None, transform: Callable[[str], Any] | None
    ) -> TextClassification:
        texts, labels = [t for t, _ in pairs], [name for _, name in pairs]
        return cls(texts, labels, classes=classes, transform=transform)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        text = self.texts[index]
        return (text if self.transform is None else self.transform(text)), self.labels[index]


def _csv_pairs(file: Iterable[str], path: str, text: str, label: str, delimiter: str) -> Iterator[Pair]:
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    names = next(rows, [])
    for name in (text, label):
        if name not in names:
            raise unknown_name(f"TextClassification.from_csv: {path}", "column", name, names)
    a, b = names.index(text), names.index(label)
    for row in rows:
        if not row:
            continue
        if len(row) != len(names):
            raise ValueError(
                f"TextClassification.from_csv: {path}, line {rows.line_num}: "
                f"{len(row)} fields, expected {len(names)}"
            )
        yield row[a], row[b]


def _json_pairs(file: Iterable[str], path: str, text: str, label: str) -> Iterator[Pair]:
    for line, content in enumerate(file, 1):
        if content.isspace():
            continue
        where = f"TextClassification.from_jsonl: {path}, line {line}"
        try:
            entry = json.loads(content)
        except ValueError as error:
            raise ValueError(f"{where}: no JSON ({error})") from error
        if not isinstance(entry, dict):
            raise ValueError(f"{where}: expected an object, got a {type(entry).__name__}")
        for name in (text, label):
            if name not in entry:
                raise unknown_name(where, "entry", name, entry)
        yield str(entry[text]), str(entry[label])
