"""Reading one batch: from indices, or from what comes next in a stream, to what `collate_fn` makes of it."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator
from typing import Any

from .collate import default_collate, is_as_shipped
from .dataset import blame, get_batch, get_item, get_items
from .seeding import seed_sample

_END = object()


class Reader:
    """What reads the batches of one pass, in the main process or in one worker of it.

    `seed` (None: leave the random generators alone) is the pass's, from which each item's is made.
    """

    def __init__(
        self, dataset: Any, collate: Callable[[Any], Any], is_stream: bool, batched: bool, drop_last: bool
    ) -> None:
        self.dataset = dataset
        self.collate = collate
        self.is_stream = is_stream
        self.batched = batched
        self.drop_last = drop_last
        self.seed: int | None = None
        self.share = 0  # which worker's part of a stream this is

    def begin(self) -> None:
        """Gets ready for the batches of a new pass."""
        self._read = 0  # items read from the stream so far
        self._ended = False
        if self.is_stream:
            self._stream: Iterator[Any] = iter(self.dataset)

    def fetch(self, indices: Any) -> Any:
        """The batch (or, without batching, the item) at these indices; StopIteration at a stream's end."""
        if self.is_stream:
            return self._next_batch(len(indices)) if self.batched else self._next_item()
        return self._batch_at(indices) if self.batched else self._item_at(indices)

    # ----- Map-style datasets -----
    def _item_at(self, index: Any) -> Any:
        self._sow(index)
        return self._merge(get_item(self.dataset, index), lambda: f"the item at index {reprlib.repr(index)}")

    def _batch_at(self, indices: Any) -> Any:
        if self.seed is not None:
            items = [self._sown_item(index) for index in indices]
        else:
            if self.collate is default_collate and is_as_shipped():
                batch = get_batch(self.dataset, indices)
                if batch is not NotImplemented:
                    return batch
            items = get_items(self.dataset, indices)
        return self._merge(items, lambda: f"the items at indices {reprlib.repr(indices)}")

    def _sown_item(self, index: Any) -> Any:
        self._sow(index)
        return get_item(self.dataset, index)

    # ----- Streams -----
    def _next_item(self) -> Any:
        item = self._read_stream(1)
        if not item:
            raise StopIteration
        return self._merge(item[0], lambda: f"item {self._read - 1} of the stream")

    def _next_batch(self, count: int) -> Any:
        items = [] if self._ended else self._read_stream(count)
        self._ended = len(items) < count  # a stream that has ended is not asked again
        if not items or (self._ended and self.drop_last):
            raise StopIteration
        first = self._read - len(items)
        return self._merge(items, lambda: f"items {first} to {self._read - 1} of the stream")

    def _read_stream(self, count: int) -> list[Any]:
        items = []
        try:
            for place in range(self._read, self._read + count):
                self._sow((self.share, place))
                item = next(self._stream, _END)
                if item is _END:
                    break
                items.append(item)
        except Exception as error:
            blame(error, f"item {self._read + len(items)} of {type(self.dataset).__name__}.__iter__")
            raise
        self._read += len(items)
        return items

    # ----- Both -----
    def _sow(self, place: Any) -> None:
        if self.seed is not None:
            seed_sample(self.seed, place)

    def _merge(self, items: Any, which: Callable[[], str]) -> Any:
        try:
            return self.collate(items)
        except Exception as error:
            blame(error, f"{getattr(self.collate, '__name__', 'collate_fn')} on {which()}")
            raise
