"""Batches of sequences of different lengths: padding, and buckets of like length that need little of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core.generator import Generator
from ..core.tensor import Tensor, from_array
from ..functions.creation import as_tensor
from ..functions.random import randperm
from ..nn.utils.rnn import pad_sequence
from ..utils.data import Sampler, default_collate

__all__ = ["BucketBatchSampler", "Padded", "PaddingCollate"]


class Padded(NamedTuple):
    """Sequences of a batch, filled up to one length.

    Attributes:
        values: the sequences (B, T, *).
        lengths: their own lengths, int64 (B).
        mask: bool (B, T), True where `values` is a sequence's own.

    >>> import flambeau as torch
    >>> from flambeau.text import PaddingCollate
    >>> batch = PaddingCollate()([[5, 6], [7]])
    >>> batch.values
    tensor([[5, 6],
            [7, 0]])
    """

    values: Tensor
    lengths: Tensor
    mask: Tensor


class PaddingCollate:
    """Makes batches for a `DataLoader` of items whose sequences differ in length.

    An item is a sequence, which gives a `Padded`, or a tuple such as (sequence, label), of which the chosen
    fields become a `Padded` each, and the others what `default_collate` makes of them.

    Args:
        padding_value: what to fill up with, such as `vocabulary.pad_index`.
        fields: which fields of a tuple are sequences.
        max_length: cut off longer sequences; None keeps them whole.
        padding_side: "right" or "left".

    Raises:
        ValueError: `max_length` is less than 1, or `padding_side` is unknown.

    >>> import flambeau as torch
    >>> from flambeau.text import PaddingCollate
    >>> data = [(torch.tensor([1, 2, 3]), 0), (torch.tensor([4]), 1)]
    >>> loader = torch.utils.data.DataLoader(data, batch_size=2, collate_fn=PaddingCollate())
    >>> for (ids, lengths, mask), labels in loader:
    ...     print(ids, lengths, mask, labels, sep="\\n")
    tensor([[1, 2, 3],
            [4, 0, 0]])
    tensor([3, 1])
    tensor([[ True,  True,  True],
            [ True, False, False]])
    tensor([0, 1])
    """

    def __init__(
        self,
        padding_value: float = 0,
        *,
        fields: Sequence[int] = (0,),
        max_length: int | None = None,
        padding_side: str = "right",
    ) -> None:
        if max_length is not None and max_length < 1:
            raise ValueError(f"PaddingCollate: max_length must be 1 or more, got {max_length}")
        if padding_side not in ("left", "right"):
            raise ValueError(f"PaddingCollate: padding_side must be 'left' or 'right', got {padding_side!r}")
        self.padding_value = padding_value
        self.fields = tuple(fields)
        self.max_length = max_length
        self.padding_side = padding_side

    def __call__(self, batch: Sequence[Any]) -> Any:
        if not batch:
            raise IndexError("PaddingCollate: the batch is empty")
        if not isinstance(batch[0], tuple):
            return self._pad(batch)
        wrong = next((f for f in self.fields if not 0 <= f < len(batch[0])), None)
        if wrong is not None:
            raise IndexError(f"PaddingCollate: items have {len(batch[0])} fields, there is no field {wrong}")
        odd = next((i for i, item in enumerate(batch) if len(item) != len(batch[0])), None)
        if odd is not None:
            raise ValueError(
                f"PaddingCollate: item 0 of the batch has {len(batch[0])} fields, "
                f"item {odd} has {len(batch[odd])}"
            )
        columns = zip(*batch, strict=True)
        return tuple(
            self._pad(column) if i in self.fields else default_collate(column)
            for i, column in enumerate(columns)
        )

    def _pad(self, sequences: Sequence[Any]) -> Padded:
        parts = [as_tensor(s)[: self.max_length] for s in sequences]
        values = pad_sequence(parts, True, self.padding_value, self.padding_side)
        lengths = np.array([len(part) for part in parts], np.int64)
        places = np.arange(values.shape[1])
        if self.padding_side == "left":
            places = places[::-1]
        return Padded(values, from_array(lengths), from_array(places < lengths[:, None]))


class BucketBatchSampler(Sampler[list[int]]):
    """Batches of items of like length, in random order: little padding, and every epoch another mixture.

    Each pass shuffles all indices, sorts stretches of `batch_size * window` of them by length, cuts these
    into batches, and shuffles the batches. The longer the stretch, the less padding and the less chance.

    Args:
        lengths: the length of each item.
        batch_size: the number of items in a batch.
        window: how many batches are sorted together.
        shuffle: False takes the items from the shortest to the longest, always alike.
        drop_last: leave out the batch that is smaller.
        generator: the source of randomness, by default the default generator.

    Raises:
        ValueError: `batch_size` or `window` is less than 1.

    >>> import flambeau as torch
    >>> from flambeau.text import BucketBatchSampler
    >>> lengths = [9, 2, 8, 3, 2]
    >>> sorted(BucketBatchSampler(lengths, 2, generator=torch.Generator().manual_seed(0)))
    [[0], [3, 2], [4, 1]]
    >>> list(BucketBatchSampler(lengths, 2, shuffle=False, drop_last=True))
    [[1, 4], [3, 2]]
    """

    def __init__(
        self,
        lengths: Sequence[int] | Tensor,
        batch_size: int,
        *,
        window: int = 50,
        shuffle: bool = True,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("window", window)):
            if value < 1:
                raise ValueError(f"BucketBatchSampler: {name} must be 1 or more, got {value}")
        self.lengths = np.asarray(lengths.tolist() if isinstance(lengths, Tensor) else lengths, np.int64)
        if self.lengths.ndim != 1:
            raise ValueError(
                f"BucketBatchSampler: expected one length for each item, got {self.lengths.shape}"
            )
        self.batch_size, self.window = batch_size, window
        self.shuffle, self.drop_last = shuffle, drop_last
        self.generator = generator

    def __iter__(self) -> Iterator[list[int]]:
        n, size = len(self.lengths), self.batch_size
        order = self._order(n)
        stretch = size * self.window if self.shuffle else max(n, 1)
        parts = [order[i : i + stretch] for i in range(0, n, stretch)]
        order = [i for part in parts for i in sorted(part, key=self.lengths.__getitem__)]
        batches = [order[i : i + size] for i in range(0, n, size)]
        if self.drop_last and n % size:
            batches.pop()
        for i in self._order(len(batches)):
            yield batches[i]

    def _order(self, n: int) -> list[int]:
        if not self.shuffle:
            return list(range(n))
        order: list[int] = randperm(n, generator=self.generator).tolist()
        return order

    def __len__(self) -> int:
        n = len(self.lengths)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
