"""`TabularDataset`: a table's rows, preprocessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.tensor import Tensor
from ..utils.data import Dataset, TensorDataset
from .preprocessor import Encoded, Preprocessor
from .table import Table

__all__ = ["TabularDataset"]


class TabularDataset(Dataset[Any]):
    """The rows of a table as tensors: item `i` is (categories, numbers, target), without the last if the
    table lacks the target.

    Args:
        table: the table.
        preprocessor: what turns it into tensors; it has been fitted.
        as_dict: items are dicts with the keys "categories", "numbers" and "target".

    >>> import flambeau as torch
    >>> from flambeau.tabular import Preprocessor, Table, TabularDataset
    >>> table = Table({"x": [1.0, 3.0], "town": ["Bern", "Basel"], "y": ["no", "yes"]})
    >>> data = TabularDataset(table, Preprocessor(target="y").fit(table))
    >>> data[0]
    (tensor([2]), tensor([-1.]), tensor(0))
    >>> for categories, numbers, target in torch.utils.data.DataLoader(data, batch_size=2):
    ...     print(categories.shape, numbers.shape, target)
    torch.Size([2, 1]) torch.Size([2, 1]) tensor([0, 1])
    """

    def __init__(self, table: Table, preprocessor: Preprocessor, *, as_dict: bool = False) -> None:
        self.encoded: Encoded = preprocessor.transform(table)
        self.as_dict = as_dict
        self._rows = TensorDataset(*(part for part in self.encoded if part is not None))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        return self._named(self._rows[index])

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        batch = self._rows.__getbatch__(indices)
        return batch if batch is NotImplemented else self._named(batch)

    def _named(self, parts: Sequence[Tensor]) -> Any:
        return dict(zip(Encoded._fields, parts, strict=False)) if self.as_dict else parts
