"""Language models' data: windows on one long tensor of ids, each with the same window one token later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core.dtype import int64
from ..core.generator import Generator
from ..core.tensor import Tensor, from_array
from ..functions.creation import as_tensor
from ..functions.random import randint
from ..utils.data import Dataset

__all__ = ["ContiguousWindows", "Windows"]


class Windows(Dataset[tuple[Tensor, Tensor]]):
    """Windows on a long sequence: item `i` is `length` ids from `i * stride` on, and what follows each.

    With `stride=1` every place is the start of a window; a loader with `shuffle=True`, or `sample`, draws
    them at random, as for a GPT. With `stride=length` each id is seen once in an epoch.

    Args:
        ids: the ids (N), of any whole dtype; items are int64. A NumPy array, such as one mapped from a file,
            is not copied.
        length: how long a window is.
        stride: how far windows are apart.

    Raises:
        ValueError: `ids` are not one row of whole numbers, too few for a window, or `length` or `stride` is
            less than 1.

    >>> import flambeau as torch
    >>> from flambeau.text import Windows
    >>> data = Windows(torch.arange(8), length=3)
    >>> len(data), data[1]
    (5, (tensor([1, 2, 3]), tensor([2, 3, 4])))
    """

    def __init__(self, ids: Tensor | Sequence[int], length: int, stride: int = 1) -> None:
        self.ids, self.length, self.stride = _row("Windows", ids), length, stride
        for name, value in (("length", length), ("stride", stride)):
            if value < 1:
                raise ValueError(f"Windows: {name} must be 1 or more, got {value}")
        if len(self.ids) <= length:
            raise ValueError(
                f"Windows: {len(self.ids)} ids are too few for a window of {length} and the id after it; "
                "give a shorter length or a longer text"
            )

    def __len__(self) -> int:
        return (len(self.ids) - self.length - 1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"Windows: index {index} is out of range for {n} windows")
        start = (index % n) * self.stride
        part = self.ids[start : start + self.length + 1].to(int64)
        return part[:-1], part[1:]

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        n = len(self)
        wrong = next((i for i in indices if not -n <= i < n), None)
        if wrong is not None:
            raise IndexError(f"Windows: index {wrong} is out of range for {n} windows")
        return list(self._batch(from_array(np.array(indices, np.int64) % n * self.stride)))

    def sample(self, batch_size: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        """A batch of windows at random places: ids (B, length), and those that follow (B, length).

        >>> import flambeau as torch
        >>> from flambeau.text import Windows
        >>> x, y = Windows(torch.arange(100), length=8).sample(4)
        >>> x.shape, bool((y == x + 1).all())
        (torch.Size([4, 8]), True)
        """
        starts = randint(0, len(self), (batch_size,), generator=generator)
        return self._batch(starts * self.stride)

    def _batch(self, starts: Tensor) -> tuple[Tensor, Tensor]:
        places = starts[:, None] + from_array(np.arange(self.length + 1))
        part = self.ids[places].to(int64)
        return part[:, :-1], part[:, 1:]


class ContiguousWindows(Dataset[tuple[Tensor, Tensor]]):
    """A long sequence as `batch_size` rows that are read side by side, for models that carry a state.

    Row `r` of item `i + 1` goes on where row `r` of item `i` ended. Items are batches already: iterate over
    it, or give it to a `DataLoader` with `batch_size=None`, unshuffled. What doesn't fill the rows is left
    out.

    Args:
        ids: the ids (N), of any whole dtype; items are int64.
        length: how many ids of a row an item shows.
        batch_size: the number of rows.
        drop_last: leave out a last item that is shorter.

    Raises:
        ValueError: `ids` are not one row of whole numbers, too few for the rows, or `length` or `batch_size`
            is less than 1.

    >>> import flambeau as torch
    >>> from flambeau.text import ContiguousWindows
    >>> for x, y in ContiguousWindows(torch.arange(11), length=2, batch_size=2):
    ...     print(x.tolist(), y.tolist())
    [[0, 1], [5, 6]] [[1, 2], [6, 7]]
    [[2, 3], [7, 8]] [[3, 4], [8, 9]]
    """

    def __init__(
        self, ids: Tensor | Sequence[int], length: int, batch_size: int, drop_last: bool = False
    ) -> None:
        row = _row("ContiguousWindows", ids)
        for name, value in (("length", length), ("batch_size", batch_size)):
            if value < 1:
                raise ValueError(f"ContiguousWindows: {name} must be 1 or more, got {value}")
        steps = len(row) // batch_size
        if steps < 2:
            raise ValueError(
                f"ContiguousWindows: {len(row)} ids are too few for {batch_size} rows of at least 2; "
                "give a smaller batch_size or a longer text"
            )
        self.rows = row[: steps * batch_size].reshape(batch_size, steps)
        self.length, self.drop_last = length, drop_last

    def __len__(self) -> int:
        steps = self.rows.shape[1] - 1
        return steps // self.length if self.drop_last else -(-steps // self.length)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        n = len(self)
        if not -n <= index < n:
            raise IndexError(f"ContiguousWindows: index {index} is out of range for {n} windows")
        start = (index % n) * self.length
        part = self.rows[:, start : start + self.length + 1].to(int64)
        return part[:, :-1], part[:, 1:]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return (self[i] for i in range(len(self)))


def _row(where: str, ids: Tensor | Sequence[int]) -> Tensor:
    row = as_tensor(ids)
    if row.ndim != 1 or row.dtype.is_floating_point or row.dtype.is_complex:
        raise ValueError(
            f"{where}: ids must be one row of whole numbers, got {row.dtype} of shape {tuple(row.shape)}"
        )
    return row
