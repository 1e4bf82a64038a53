"""`Preprocessor`: from a table to tensors, by what was learned from the training rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from ..core.tensor import Tensor, from_array
from ..functions.creation import as_tensor
from ..nn import Module
from ..utils.naming import nearest
from .kinds import Kind
from .model import embedding_size
from .scaling import SCALINGS, apply, undo
from .table import Column, Table

__all__ = ["Encoded", "Preprocessor"]

Task = Literal["classification", "regression"]
Scale = Literal["standard", "robust", "quantile", "none"]
WHERE = "Preprocessor"


class Encoded(NamedTuple):
    """A table as tensors.

    Attributes:
        categories: int64 (N, C), 0 for what was not seen in training and for what is missing.
        numbers: float32 (N, F), scaled, then the indicators of missing values.
        target: int64 (N) for classes, float32 (N) for numbers; None if the table lacks the column.

    >>> from flambeau.tabular import Preprocessor, Table
    >>> table = Table({"x": [1.0, 3.0], "town": ["Bern", "Basel"]})
    >>> Preprocessor().fit(table).transform(table).numbers
    tensor([[-1.],
            [ 1.]])
    """

    categories: Tensor
    numbers: Tensor
    target: Tensor | None


class Preprocessor(Module):
    """Learns from the training rows how columns become tensors, and does it for any rows.

    Numbers are scaled; a missing one becomes the training rows' median, and a column that lacks values in
    training gets a second one that is 1 where the value is missing. Categories become whole numbers from 1
    on, in the order of the alphabet. Everything learned is in `state_dict()`, as one tensor of bytes, so that
    it is saved with the model, and loads into a `Preprocessor()` without arguments, exactly.

    Args:
        numbers: the columns that are numbers; by default all of the kinds int and float.
        categories: the columns that are categories; by default all of the kinds category and bool.
        target: the column to predict.
        task: "classification" or "regression", what the target is for; by default as its kind says, which for
            int must be told.
        scale: "standard" (mean 0, standard deviation 1), "robust" (median 0, the middle half within 1),
            "quantile" (a normal distribution by rank) or "none". A target of a regression is standardised in
            any case but "none".
        min_freq: rarer categories count as not seen.
        unseen: "zero": a category that was not seen in training becomes 0; "error": it is one.

    Raises:
        ValueError: `task`, `scale` or `unseen` is none of these.

    >>> from flambeau.tabular import Preprocessor, Table
    >>> train = Table({"age": [20, None, 40], "town": ["Bern", "Basel", "Bern"], "rich": [True, False, True]})
    >>> preprocessor = Preprocessor(target="rich").fit(train)
    >>> preprocessor.number_names, preprocessor.classes
    (['age', 'age is missing'], ['False', 'True'])
    >>> preprocessor.transform(Table({"age": [50], "town": ["Chur"]}))
    Encoded(categories=tensor([[0]]), numbers=tensor([[2., 0.]]), target=None)
    >>> again = Preprocessor()
    >>> again.load_state_dict(preprocessor.state_dict())
    <All keys matched successfully>
    >>> again.transform(train).target
    tensor([1, 0, 1])
    """

    def __init__(
        self,
        *,
        numbers: Sequence[str] | None = None,
        categories: Sequence[str] | None = None,
        target: str | None = None,
        task: Task | None = None,
        scale: Scale = "standard",
        min_freq: int = 1,
        unseen: Literal["zero", "error"] = "zero",
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("task", task, (None, "classification", "regression")),
            ("scale", scale, tuple(SCALINGS)),
            ("unseen", unseen, ("zero", "error")),
        ):
            if value not in known:
                raise ValueError(f"{WHERE}: {name} must be one of {known}, got {value!r}")
        self.options: dict[str, Any] = {
            "numbers": None if numbers is None else list(numbers),
            "categories": None if categories is None else list(categories),
            "target": target,
            "task": task,
            "scale": scale,
            "min_freq": min_freq,
            "unseen": unseen,
        }
        self.learned: dict[str, Any] = {}

    # ----- Learning -----
    def fit(self, table: Table) -> Preprocessor:
        """Learns from a table's rows, and returns itself.

        Raises:
            KeyError: there is no such column.
            ValueError: a column is text or dates, or has no value at all; a number is infinite; the target
                has missing values, or is int and `task` is not given.

        >>> from flambeau.tabular import Preprocessor, Table
        >>> Preprocessor().fit(Table({"town": ["Bern", "Basel", None]})).categories
        {'town': ['Basel', 'Bern']}
        """
        numbers, categories = self._choose(table)
        target = self.options["target"]
        self.learned = {
            "kinds": {name: table[name].kind for name in [*numbers, *categories]},
            "numbers": {name: self._learn_number(table[name], name) for name in numbers},
            "categories": {name: self._learn_categories(table[name]) for name in categories},
            "target": None if target is None else self._learn_target(table[target], target),
        }
        return self

    def _choose(self, table: Table) -> tuple[list[str], list[str]]:
        chosen = [self.options["numbers"], self.options["categories"]]
        given = [name for names in chosen for name in names or ()]
        free = [name for name in table if name not in given and name != self.options["target"]]
        for i, kinds in enumerate((("int", "float"), ("category", "bool"))):
            if chosen[i] is None:
                chosen[i] = [name for name in free if table[name].kind in kinds]
        if None in (self.options["numbers"], self.options["categories"]):
            refused = next((name for name in free if table[name].kind in ("text", "date")), None)
            if refused is not None:
                raise _refusal(refused, table[refused])
        for name in given:
            table[name]
            if name == self.options["target"]:
                raise ValueError(f"{WHERE}: {name!r} is the target, it can't be an input, too")
        return chosen[0], chosen[1]

    def _learn_number(self, column: Column, name: str) -> dict[str, Any]:
        values = _numbers(column, name)[~column.missing]
        if not len(values):
            raise ValueError(f"{WHERE}: the column {name!r} has no value in {len(column)} rows; drop it")
        return {
            **SCALINGS[self.options["scale"]](values),
            "fill": float(np.median(values)),
            "indicator": bool(column.missing.any()),
        }

    def _learn_categories(self, column: Column) -> list[str]:
        counts = Counter(_strings(column))
        counts.pop(None, None)
        return sorted(str(value) for value, n in counts.items() if n >= self.options["min_freq"])

    def _learn_target(self, column: Column, name: str) -> dict[str, Any]:
        task = self.options["task"] or {
            "bool": "classification", "category": "classification", "float": "regression"
        }.get(column.kind)  # fmt: skip
        if task is None:
            raise ValueError(
                f"{WHERE}: the target {name!r} is {column.kind}: "
                "say task='classification' or task='regression'"
            )
        _check_present(column, name)
        if task == "classification":
            values = sorted(set(column.values.tolist()))
            return {"classes": [str(v) for v in values]}
        scale = "none" if self.options["scale"] == "none" else "standard"
        return {"scaling": SCALINGS[scale](_numbers(column, name))}

    # ----- Doing -----
    def transform(self, table: Table) -> Encoded:
        """A table's rows as tensors.

        Raises:
            RuntimeError: nothing has been learned.
            KeyError: the table lacks a column.
            ValueError: a column is of another kind than in training (the message names a row and a value), a
                number is infinite, a class was not seen in training, or a category, if `unseen="error"`.

        >>> from flambeau.tabular import Preprocessor, Table
        >>> preprocessor = Preprocessor().fit(Table({"age": [20, 40]}))
        >>> preprocessor.transform(Table({"age": ["20", "old"]}))
        Traceback (most recent call last):
        ValueError: Preprocessor: the column 'age' must hold numbers, row 1 has 'old'...
        """
        learned = self._learned()
        categories = [self._encode(table[name], name) for name in learned["categories"]]
        numbers = [part for name in learned["numbers"] for part in self._scale(table[name], name)]
        target = self.options["target"]
        return Encoded(
            from_array(_columns(categories, len(table), np.int64)),
            from_array(_columns(numbers, len(table), np.float32)),
            self._encode_target(table[target], target) if target in table else None,
        )

    def forward(self, table: Table) -> Encoded:
        return self.transform(table)

    def _encode(self, column: Column, name: str) -> np.ndarray:
        kind = self.learned["kinds"][name]
        if column.kind != kind and not column.missing.all() and {column.kind, kind} != {"category", "text"}:
            raise ValueError(
                f"{WHERE}: the column {name!r} was {kind} in training and is {column.kind} here; "
                "read the table with kinds=preprocessor.kinds"
            )
        known = self.learned["categories"][name]
        ids = {value: i for i, value in enumerate(known, 1)}
        strings = _strings(column)
        if self.options["unseen"] == "error":
            for row, value in enumerate(strings):
                if value is not None and value not in ids:
                    raise _unseen("category", name, row, value, known)
        return np.array([ids.get(value, 0) for value in strings], np.int64)

    def _scale(self, column: Column, name: str) -> list[np.ndarray]:
        learned = self.learned["numbers"][name]
        filled = np.where(column.missing, learned["fill"], _numbers(column, name))
        parts = [_as_float32(apply(learned, filled), name)]
        return [*parts, column.missing.astype(np.float32)] if learned["indicator"] else parts

    def _encode_target(self, column: Column, name: str) -> Tensor:
        learned = self.learned["target"]
        _check_present(column, name)
        if "scaling" in learned:
            return from_array(_as_float32(apply(learned["scaling"], _numbers(column, name)), name))
        ids = {value: i for i, value in enumerate(learned["classes"])}
        strings = [str(value) for value in column.values.tolist()]
        for row, value in enumerate(strings):
            if value not in ids:
                raise _unseen("class", name, row, value, learned["classes"])
        return from_array(np.array([ids[value] for value in strings], np.int64))

    def decode_target(self, values: Tensor | Sequence[Any]) -> Any:
        """What predictions mean: for a classification, the names of classes by their numbers (N), a list;
        for a regression, numbers in the target's own unit, a tensor.

        Raises:
            RuntimeError: nothing has been learned, or there is no target.
            IndexError: a number is no class's.

        >>> from flambeau.tabular import Preprocessor, Table
        >>> preprocessor = Preprocessor(target="y").fit(Table({"x": [1, 2], "y": ["no", "yes"]}))
        >>> preprocessor.decode_target([1, 0])
        ['yes', 'no']
        """
        learned = self._learned()["target"]
        if learned is None:
            raise RuntimeError(f"{WHERE}: it was fitted without a target")
        if "scaling" in learned:
            return undo(learned["scaling"], as_tensor(values))
        classes = learned["classes"]
        numbers = values.tolist() if isinstance(values, Tensor) else [int(v) for v in values]
        wrong = next((i for i in numbers if not 0 <= i < len(classes)), None)
        if wrong is not None:
            raise IndexError(f"{WHERE}: there is no class {wrong}, classes go from 0 to {len(classes) - 1}")
        return [classes[i] for i in numbers]

    # ----- What was learned -----
    @property
    def kinds(self) -> dict[str, Kind]:
        """The kinds of the input columns, for `read_csv(..., kinds=preprocessor.kinds)`."""
        return dict(self._learned()["kinds"])

    @property
    def number_names(self) -> list[str]:
        """What the columns of `Encoded.numbers` are."""
        names = []
        for name, learned in self._learned()["numbers"].items():
            names += [name, f"{name} is missing"] if learned["indicator"] else [name]
        return names

    @property
    def categories(self) -> dict[str, list[str]]:
        """The categories of each column, in the order of their numbers, which begin with 1."""
        return {name: list(known) for name, known in self._learned()["categories"].items()}

    @property
    def classes(self) -> list[str] | None:
        """The names of the target's classes, None for a regression or without a target."""
        target = self._learned()["target"] or {}
        return target.get("classes")

    @property
    def embedding_sizes(self) -> list[tuple[int, int]]:
        """For each column of categories how many rows its embedding has (one for 0), and of what size."""
        known = self._learned()["categories"].values()
        return [(len(values) + 1, embedding_size(len(values) + 1)) for values in known]

    def _learned(self) -> dict[str, Any]:
        if not self.learned:
            raise RuntimeError(
                f"{WHERE}: nothing has been learned yet; call fit(table) or load_state_dict first"
            )
        return self.learned

    def get_extra_state(self) -> Tensor:
        """Everything learned, as JSON in a uint8 tensor, which every kind of checkpoint can hold."""
        text = json.dumps({"options": self.options, "learned": self.learned})
        return from_array(np.frombuffer(text.encode(), np.uint8).copy())

    def set_extra_state(self, state: Tensor) -> None:
        """Takes back what `get_extra_state` gave."""
        content = json.loads(state.numpy().tobytes())
        self.options, self.learned = content["options"], content["learned"]

    def extra_repr(self) -> str:
        if not self.learned:
            return "not fitted"
        target = self.options["target"]
        counts = f"{len(self.learned['numbers'])} numbers, {len(self.learned['categories'])} categories"
        return counts if target is None else f"{counts}, target={target!r}"


def _numbers(column: Column, name: str) -> np.ndarray:
    """A column in float64, where what is missing is anything finite."""
    if column.kind not in ("int", "float", "bool"):
        row = next((i for i, v in enumerate(column.tolist()) if v is not None and not _is_number(v)), 0)
        raise ValueError(
            f"{WHERE}: the column {name!r} must hold numbers, row {row} has {str(column.values[row])!r}; "
            "correct it, or count it as missing when the table is read"
        )
    values = np.where(column.missing, 0, column.values).astype(np.float64)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(values)))
        raise ValueError(
            f"{WHERE}: the column {name!r} must hold finite numbers, row {row} has {values[row]}"
        )
    return values


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _as_float32(values: np.ndarray, name: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    if not np.isfinite(rounded).all():
        row = int(np.argmin(np.isfinite(rounded)))
        raise ValueError(
            f"{WHERE}: the column {name!r} has in row {row}, scaled, {values[row]:g}: more than float32 holds"
        )
    return rounded


def _strings(column: Column) -> list[str | None]:
    return [None if value is None else str(value) for value in column.tolist()]


def _columns(parts: list[np.ndarray], rows: int, dtype: Any) -> np.ndarray:
    return np.stack(parts, axis=1) if parts else np.empty((rows, 0), dtype)


def _check_present(column: Column, name: str) -> None:
    if column.missing.any():
        row = int(np.argmax(column.missing))
        raise ValueError(f"{WHERE}: the target {name!r} has no value in row {row}; leave out such rows")


def _unseen(what: str, name: str, row: int, value: str, known: Sequence[str]) -> ValueError:
    return ValueError(
        f"{WHERE}: the column {name!r} has in row {row} the {what} {value!r}, which was not in training; "
        f"{nearest(value, known)}"
    )


def _refusal(name: str, column: Column) -> ValueError:
    way = (
        f"table.encode_dates({name!r}) makes numbers of it"
        if column.kind == "date"
        else f"name it in categories=, make numbers of it, or table.drop({name!r})"
    )
    return ValueError(
        f"{WHERE}: the column {name!r} is {column.kind}, which is no number and no category; {way}"
    )
