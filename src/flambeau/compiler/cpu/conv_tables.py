"""The tables and choices behind the call of a convolution's contraction (see `conv_kernel`)."""

from __future__ import annotations

from math import gcd
from typing import Any, NamedTuple

import numpy as np

from ...core import dtype as dt
from ...runtime.kernels import Kernel
from ...runtime.target import host
from ..calls import Array, Plan
from .conv_finish import Ending
from .conv_kernel import WORDS, Tile, conv_kernel
from .conv_sweep import Words

Sizes = tuple[int, ...]
_SINGLE = 7  # rows of a tile whose addresses can be held in registers
ROWS = 256  # about so many pixels, of one or several small images, make up one table of rows


class Rows(NamedTuple):
    """The rows of the contraction for some images. `offsets` has for each interleaved product the places of
    an image's rows in x; `outs` is where the first product's rows go, and `counts` how many of the products
    have an element there. All in elements."""

    offsets: list[np.ndarray]
    outs: np.ndarray
    counts: np.ndarray
    images: int = 1
    x_image: int = 0
    out_image: int = 0


class Columns(NamedTuple):
    """For each k of one product its place in x and its place in a panel of w, in elements and rows."""

    x: np.ndarray
    w: np.ndarray


class Strides(NamedTuple):
    """Strides of the contraction's outer loops, in elements, and how far apart the elements of a column of
    the result and its columns are."""

    x_group: int
    x_outer: int
    out_group: int
    out_batch: int
    out_n: int
    out_step: int = 1


def sums(*offsets: Any) -> np.ndarray:
    """All sums of one number of each array, the last array's fastest."""
    total = np.zeros(1, np.int64)
    for o in offsets:
        total = np.add.outer(total, np.asarray(o, np.int64)).ravel()
    return total


def grid(extents: Sizes, strides: Sizes) -> np.ndarray:
    """The offsets of an array's elements in order."""
    return sums(*(np.arange(n) * s for n, s in zip(extents, strides, strict=True)))


def divisor(n: int, most: int) -> int:
    """The largest divisor of n that is at most `most` (or 1)."""
    return max((m for m in range(1, min(n, most) + 1) if n % m == 0), default=1)


def alone(items: int, threads: int, other: int) -> bool:
    """Whether each item is better done by one thread, all steps of it: if they can be shared out evenly and
    what is needed besides (`other` bytes) fits the cache."""
    rounds = -(-items // threads)
    return other <= host().l2 // 2 and 10 * items >= 9 * rounds * threads


def choose_tile(size: int, m: int, n: int, width: int, step: int, weave: int = 1) -> Tile:
    """The tile that wastes least, for elements of `size` bytes: m rows in runs of `width`, n columns."""
    target, lanes = host(), host().lanes(size)
    best: tuple[float, Tile] | None = None
    for vectors in range(1, min(4, -(-n // lanes)) + 1):
        panels = -(-n // (vectors * lanes))
        for rows in range(1, 17):
            if rows * vectors + vectors + 1 > target.registers:
                break
            tile = with_run(Tile(size, rows, 1, step, vectors, weave), width)
            each = max(rows * vectors / 2, 4.0) + 0.15 * (rows + vectors) + 0.05 * tile.places
            cost = panels * -(-m // rows) * each
            if best is None or cost < best[0]:
                best = cost, tile
    assert best is not None
    return best[1]


def with_run(tile: Tile, width: int) -> Tile:
    """A tile of as many rows, in the longest runs that end where rows of `width` pixels do; or, if the
    processor can hold all their addresses, of single rows, so that one kernel does for all strides."""
    run = gcd(tile.rows, width) if tile.rows > _SINGLE else 1
    return tile._replace(places=tile.rows // run, run=run, step=tile.step if run > 1 else 1)


def _places(tile: Tile, rows: Rows) -> np.ndarray:
    """For each product and tile the places of its runs. What the last tile lacks is repeated."""
    places = []
    for offsets in rows.offsets:
        runs = np.add.outer(np.arange(rows.images) * rows.x_image, offsets[:: tile.run]).ravel()
        tiles = -(-len(runs) // tile.places)
        places.append(runs[np.minimum(np.arange(tiles * tile.places), len(runs) - 1)])
    return np.stack(places).reshape(tile.weave, -1, tile.places)


def _chunks(tile: Tile, rows: Rows, step: int, block_tiles: int) -> tuple[np.ndarray, np.ndarray]:
    """The chunks to store, and the first chunk of each block: a chunk's rows are of one block and `step`
    apart in the result, at most as many as a vector has lanes."""
    padding = (0, -len(rows.outs) * rows.images % tile.rows)
    outs = np.pad(np.add.outer(np.arange(rows.images) * rows.out_image, rows.outs).ravel(), padding)
    counts = np.pad(np.tile(rows.counts, rows.images), padding)
    index = np.arange(len(outs))
    in_block = index % (block_tiles * tile.rows)
    fresh = (in_block == 0) | (np.diff(outs, prepend=-step - 1) != step) | (np.roll(counts, 1) == 0)
    position = index - np.maximum.accumulate(np.where(fresh, index, 0))
    first = np.flatnonzero((counts > 0) & (position % tile.lanes == 0))
    number = np.add.reduceat(counts, first)
    chunks = np.stack([in_block[first] * tile.columns * tile.size, outs[first], number], 1)
    ends = np.arange(0, len(outs) + block_tiles * tile.rows, block_tiles * tile.rows)
    return chunks, np.searchsorted(first, ends)


class Layout(NamedTuple):
    """The tables of a contraction (see `conv_kernel.WORDS`), and its numbers of tiles, tiles of a block and
    longest sum."""

    tables: dict[str, np.ndarray]
    tiles: int
    block_tiles: int
    longest: int
    total: int


def layout_of(tile: Tile, rows: Rows, columns: list[Columns], out_step: int = 1) -> Layout:
    """The tables for rows and, for each interleaved product, columns."""
    size = tile.size
    places = _places(tile, rows)
    tiles = places.shape[1]
    block_tiles = _block_tiles(tile, tiles)
    chunks, starts = _chunks(tile, rows, out_step * tile.weave, block_tiles)
    counts = [len(c.x) for c in columns]
    ends = np.cumsum([0, *counts])
    pairs = np.concatenate([np.stack([c.x * size, c.w * tile.columns * size], 1) for c in columns])
    tables = {
        "rows": places * size, "products": np.stack([ends[:-1], counts], 1), "columns": pairs,
        "starts": starts, "chunks": chunks,
    }  # fmt: skip
    tables = {name: np.ascontiguousarray(table, np.int64) for name, table in tables.items()}
    return Layout(tables, tiles, block_tiles, max(counts), sum(counts))


class Product(NamedTuple):
    """The contraction, ready to be called."""

    kernel: Kernel
    fixed: dict[str, Any]
    tasks: int
    grain: int
    work: int  # multiplications and additions of a task

    def words(self, x: Any, packed: Any, results: Words, old: Any = 0) -> Words:
        """The kernel's words; if `old`, it adds to what is in the result."""
        words = self.fixed | {"x": x, "w": packed, "old": old}
        return [words[name] for name in WORDS] + results


def product_of(
    plan: Plan,
    tile: Tile,
    ending: Ending,
    layout: Layout,
    packed: Array,
    strides: Strides,
    n: int,
    outers: int,
    batches: int,
) -> Product:
    """The contraction of x (read in place) and a packed operand like `packed` (groups, outers or 1, panels,
    …, columns) over `outers` items in `batches` parts."""
    size = tile.size
    groups, panels = packed.shape[0], packed.shape[2]
    blocks = -(-layout.tiles // layout.block_tiles)
    places = {name: Array(plan.table(t), 0, (), (), dt.int64).address for name, t in layout.tables.items()}
    words = {
        **places,
        "tiles": layout.tiles, "block_tiles": layout.block_tiles, "block_k": _block_k(tile, layout.longest),
        "n": n, "w_group": packed.strides[0] * size, "w_panel": packed.strides[2] * size,
        "w_outer": packed.strides[1] * size if packed.shape[1] > 1 else 0,
        "outer": -(-outers // batches), "outers": outers, "panels": panels, "blocks": blocks,
        "batches": batches, "x_group": strides.x_group * size, "x_outer": strides.x_outer * size,
        **{name: value for name, value in strides._asdict().items() if name.startswith("out")},
        **_order(panels, blocks, batches, packed.strides[1] * size),
    }  # fmt: skip
    work = 2 * layout.block_tiles * tile.rows * tile.columns * layout.total * -(-outers // batches)
    tasks = groups * batches * panels * blocks
    return Product(conv_kernel(tile, ending), words, tasks, max(1, (1 << 18) // max(work, 1)), work)


def _block_tiles(tile: Tile, tiles: int) -> int:
    """How many tiles to take at a time: about equal blocks, of whole vectors of rows if that is possible."""
    even = tile.lanes // gcd(tile.rows, tile.lanes)
    blocks = -(-tiles // tile.block)
    balanced = -(-tiles // blocks)
    whole = -(-balanced // even) * even
    most = tile.block // even * even
    return min(whole, most) if most and tiles > even else balanced


def _block_k(tile: Tile, k: int) -> int:
    """How many k to take at a time: a part of w that takes up to half the first-level cache."""
    most = max(1, host().l1 // 2 // (tile.columns * tile.size))
    return max(1, -(-k // max(1, round(k / most))))


def _order(panels: int, blocks: int, batches: int, nbytes: int) -> dict[str, int]:
    """The order of tasks: all panels for a block of rows, or, where w doesn't fit the cache, all rows for a
    panel."""
    if nbytes <= host().l2 // 2:
        return {"by_panel": 1, "by_block": panels, "by_batch": panels * blocks}
    return {"by_panel": blocks * batches, "by_block": 1, "by_batch": blocks}
