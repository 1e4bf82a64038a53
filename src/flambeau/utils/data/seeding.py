"""Seeds: of a worker, and of a single item."""

from __future__ import annotations

import contextlib
import hashlib
import operator
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...core.generator import default_generator


def seed_worker(base_seed: int, worker_id: int) -> int:
    """Seeds the default generator, `random` and `np.random` as PyTorch does in a worker; returns the seed."""
    seed = base_seed + worker_id
    _seed(seed, numpy_words(base_seed, worker_id))
    return seed


def numpy_words(base_seed: int, worker_id: int) -> Any:
    """What seeds `np.random` in a worker: four words."""
    entropy = [worker_id, base_seed & 0xFFFFFFFF, base_seed >> 32, 0]
    return np.random.SeedSequence(entropy).generate_state(4)


def seed_sample(seed: int, place: Any) -> None:
    """Seeds the default generator, `random` and `np.random` for one item: by the pass's seed and the
    index.
    """
    with contextlib.suppress(TypeError):
        place = operator.index(place)  # a NumPy integer is the same place as an int
    drawn = hashlib.blake2b(f"{seed}/{place!r}".encode(), digest_size=24).digest()
    _seed(int.from_bytes(drawn[:8], "little") >> 1, np.frombuffer(drawn[8:], np.uint32))


def _seed(seed: int, words: Any) -> None:
    default_generator.manual_seed(seed)
    random.seed(seed)
    np.random.seed(words)


@contextlib.contextmanager
def kept_streams() -> Iterator[None]:
    """Puts the three random streams back afterwards to where they were."""
    states = default_generator.get_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        default_generator.set_state(states[0])
        random.setstate(states[1])
        np.random.set_state(states[2])
