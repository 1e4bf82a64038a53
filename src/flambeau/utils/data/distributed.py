"""`DistributedSampler`: each of several processes takes its part of a dataset."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sized
from typing import TypeVar

from ...core.generator import Generator
from ...functions.random import randperm
from .sampler import Sampler

__all__ = ["DistributedSampler"]

T_co = TypeVar("T_co", covariant=True)


class DistributedSampler(Sampler[T_co]):
    """The indices of a dataset that are this process's: every `num_replicas`-th from `rank` on.

    All processes get equally many: the last of a list that doesn't divide are left out (`drop_last`), or the
    first are given again.

    Args:
        dataset: anything with a length.
        num_replicas: how many processes there are, by default as `flambeau.distributed` knows.
        rank: which of them this is, by default as `flambeau.distributed` knows.
        shuffle: take them from a random order, which depends on `seed` and the epoch alone.
        seed: the same in all processes.
        drop_last: leave out indices, rather than repeat some.

    Raises:
        ValueError: `rank` is not in [0, num_replicas), or one of the two is not given before
            `flambeau.distributed.init_process_group`.

    >>> import flambeau as torch
    >>> from flambeau.utils.data.distributed import DistributedSampler
    >>> sampler = DistributedSampler(range(7), num_replicas=2, rank=1, shuffle=False)
    >>> list(sampler)
    [1, 3, 5, 0]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        num_replicas = _asked("num_replicas") if num_replicas is None else num_replicas
        rank = _asked("rank") if rank is None else rank
        if not 0 <= rank < num_replicas:
            raise ValueError(
                f"DistributedSampler: Invalid rank {rank}, rank should be in the interval "
                f"[0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas, self.rank = num_replicas, rank
        self.epoch = 0
        self.drop_last = drop_last
        parts = len(dataset) / num_replicas
        self.num_samples = math.floor(parts) if drop_last else math.ceil(parts)
        self.total_size = self.num_samples * num_replicas
        self.shuffle, self.seed = shuffle, seed

    def __iter__(self) -> Iterator[T_co]:
        n = len(self.dataset)
        if self.shuffle:
            order = randperm(n, generator=Generator().manual_seed(self.seed + self.epoch)).tolist()
        else:
            order = list(range(n))
        endless = itertools.cycle(order)
        return itertools.islice(endless, self.rank, self.total_size, self.num_replicas)

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Chooses the random order, which is the same for the same epoch.

        >>> from flambeau.utils.data.distributed import DistributedSampler
        >>> sampler = DistributedSampler(range(6), num_replicas=2, rank=0)
        >>> first = list(sampler); sampler.set_epoch(1); first == list(sampler)
        False
        """
        self.epoch = epoch


def _asked(what: str) -> int:
    from ... import distributed

    return distributed.get_rank() if what == "rank" else distributed.get_world_size()
