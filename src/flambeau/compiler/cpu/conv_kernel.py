"""The contraction that convolutions are: one operand is read in place, through tables, element by element.

    out[b, n, m] = sum over o, k of x[o, row(m) + column(k)] * w[o, n, k]

An element of x is broadcast to all lanes and meets vectors of w, which is packed so that n is contiguous. So
x, the large operand, is never unfolded or rearranged, whatever the stride, the dilation and the image's
width. For the forward product m is a pixel, k a tap and n an output channel; for the gradient towards the
weight m is a tap and k a pixel.

Rows come in tiles of P * R: P places from a table, and from each R elements a constant step apart. A tile of
sums stays in registers over a block of k, whose part of w stays in the first-level cache while a block of
tiles passes by. The sums of blocks are added in order. At the end squares of sums are turned in registers, so
that results are written in whole vectors along m (see `conv_finish`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from ...runtime.kernels import Kernel, kernel
from ...runtime.target import host
from . import conv_lanes as lane
from .conv_finish import Ending, Writer
from .emit import F32, F64, I8, I64, Function, i64, vector
from .microkernel import pair_products

SUMS = 16 << 10  # bytes that the sums of a block of tiles take at most


class Tile(NamedTuple):
    """How a kernel's tile looks: `places` * `run` rows, `step` elements between the rows of a run, `vectors`
    of columns; elements of `size` bytes. With `pairs`, an element is two bfloat16 numbers of x or w, for two
    k that are done at once.

    `weave` is how many products are interleaved along m in the result. With `strided`, the rows of a chunk
    lie a constant distance apart there; with `adds`, a call may add to what is there.
    """

    size: int
    places: int
    run: int
    step: int
    vectors: int
    weave: int = 1
    strided: bool = False
    adds: bool = False
    pairs: bool = False

    @property
    def rows(self) -> int:
        """Rows of a tile."""
        return self.places * self.run

    @property
    def lanes(self) -> int:
        """Elements of a vector."""
        return host().lanes(self.size)

    @property
    def columns(self) -> int:
        """Columns of a tile, as many as a panel of w has."""
        return self.vectors * self.lanes

    @property
    def block(self) -> int:
        """How many tiles may pass by one block of w."""
        return max(1, SUMS // (self.rows * self.columns * self.size * self.weave))


# The kernel's words by name; those of the results follow. Strides and places are in bytes, those of results
# in elements.
#   rows      for each product and tile: the places of its runs in x
#   products  for each product: where in `columns` it begins (in pairs), and its number of k
#   columns   for each k: its place in x and in a panel of w
#   starts    for each block of tiles, and after the last: its first chunk
#   chunks    for each: its first sum (from the block's), its place in the result, how many elements it has
WORDS = (
    "x", "w", "rows", "products", "columns", "starts", "chunks", "tiles", "block_tiles", "block_k",
    "n", "out_n", "out_step", "x_group", "x_outer", "w_group", "w_panel", "w_outer", "out_group",
    "out_batch", "outer", "outers", "panels", "blocks", "batches", "by_panel", "by_block", "by_batch",
    "old",
)  # fmt: skip


def conv_kernel(tile: Tile, ending: Ending) -> Kernel:
    """The kernel for such tiles. A task does one panel of columns for a block of tiles, for one group and
    batch."""
    return kernel("conv", (tile, ending.key), lambda m: _Emission(m, tile, ending).emit(), True)


class _Emission:
    """The kernel under construction."""

    def __init__(self, module: Any, tile: Tile, ending: Ending) -> None:
        self.f, self.tile = Function(module, "conv"), tile
        self.element = F32 if tile.size == 4 else F64
        self.vector = vector(self.element, tile.lanes)
        self.w = {name: self.f.word(i) for i, name in enumerate(WORDS)}
        self.product = tile.block * tile.rows * tile.vectors  # vectors of sums of one product
        self.sums = self.f.local(self.vector, self.product * tile.weave + tile.lanes * tile.vectors)
        self.turned = self.f.local(self.vector, tile.lanes * tile.weave)
        self.plain = ending.plain and tile.weave == 1 and not tile.strided
        self.writer = Writer(self.f, ending, len(WORDS), tile.lanes)

    def emit(self) -> None:
        """A task: the sums of each product for a block of tiles, then their chunks."""
        f, b, w = self.f, self.f.b, self.w
        with f.loop(f.begin, f.end, name="task") as t:
            panel = b.srem(b.sdiv(t, w["by_panel"]), w["panels"])
            block = b.srem(b.sdiv(t, w["by_block"]), w["blocks"])
            batch = b.srem(b.sdiv(t, w["by_batch"]), w["batches"])
            group = b.sdiv(t, b.mul(b.mul(w["panels"], w["blocks"]), w["batches"]))
            x = b.add(w["x"], b.mul(group, w["x_group"]))
            packed = b.add(w["w"], b.add(b.mul(group, w["w_group"]), b.mul(panel, w["w_panel"])))
            first_n = b.mul(panel, i64(self.tile.columns))
            out = b.add(b.mul(group, w["out_group"]), b.mul(batch, w["out_batch"]))
            start = b.mul(block, w["block_tiles"])
            stop = f.minimum(b.add(start, w["block_tiles"]), w["tiles"])
            with f.loop(0, self.tile.weave, name="product") as q:
                self.add_up(q, x, packed, start, stop, batch)
            bounds = f.at(self.table("starts"), block)
            from_, to = (f.load(f.at(bounds, i64(i)), 8) for i in range(2))
            with f.loop(0, self.tile.vectors, name="vector") as v:
                n = b.add(first_n, b.mul(v, i64(self.tile.lanes)))
                left = f.minimum(b.sub(w["n"], n), self.tile.lanes)
                here = b.add(out, b.mul(n, w["out_n"]))
                with f.loop(from_, to, name="chunk") as c:
                    self.write(c, v, here, b.add(b.mul(group, w["n"]), n), left)
        f.finish()

    def table(self, name: str) -> Any:
        return self.f.b.inttoptr(self.w[name], I64.as_pointer())

    def add_up(self, q: Any, x: Any, packed: Any, start: Any, stop: Any, batch: Any) -> None:
        """The sums of product number q for the tiles of a block."""
        f, b, w = self.f, self.f.b, self.w
        products = self.table("products")
        begin, k = (f.load(f.at(products, b.add(b.mul(q, i64(2)), i64(i))), 8) for i in range(2))
        columns = f.at(self.table("columns"), b.mul(begin, i64(2)))
        rounds = b.select(b.icmp_signed(">", k, i64(1)), k, i64(1))  # at least one, for an empty sum too
        first = b.mul(batch, w["outer"])
        last = f.minimum(b.add(first, w["outer"]), w["outers"])
        rows = f.at(self.table("rows"), b.mul(w["tiles"], b.mul(q, i64(self.tile.places))))
        kept = f.at(self.sums, b.mul(q, i64(self.product)))
        with f.loop(first, last, name="outer") as o:
            xo, wo = (b.add(p, b.mul(o, w[s])) for p, s in ((x, "x_outer"), (packed, "w_outer")))
            with f.loop(0, rounds, w["block_k"], name="block") as k0:
                k1 = f.minimum(b.add(k0, w["block_k"]), k)
                fresh = b.and_(b.icmp_signed("==", o, first), b.icmp_signed("==", k0, i64(0)))
                with f.loop(start, stop, name="tile") as n:
                    sums = self.accumulate(self.places(rows, xo, n), wo, columns, k0, k1)
                    size = self.tile.rows * self.tile.vectors
                    self.keep(sums, f.at(kept, b.mul(b.sub(n, start), i64(size))), fresh)

    def places(self, rows: Any, x: Any, n: Any) -> list[Any]:
        """The addresses of a tile's rows, one for each run."""
        f, count = self.f, self.tile.places
        table = f.at(rows, f.b.mul(n, i64(count)))
        places = [f.b.add(x, f.load(f.at(table, i64(p)), 8)) for p in range(count)]
        return [f.b.inttoptr(p, I8.as_pointer()) for p in places]

    def accumulate(self, places: list[Any], w: Any, columns: Any, k0: Any, k1: Any) -> list[Any]:
        """A tile's sums over k0 … k1 - 1, row by row."""
        f, tile = self.f, self.tile
        weights = f.b.inttoptr(w, I8.as_pointer())
        zeros = [ir.Constant(self.vector, None)] * (tile.rows * tile.vectors)
        with f.carry(k0, k1, 1, zeros, name="k") as c:
            pair = f.at(columns, f.b.mul(c.i, i64(2)))
            here, there = f.load(pair, 8), f.load(f.at(pair, i64(1)), 8)
            row = f.at(weights, there, self.vector)
            right = [f.load(f.at(row, i64(v)), tile.lanes * tile.size) for v in range(tile.vectors)]
            following: list[Any] = []
            multiply = pair_products if tile.pairs else lane.fma
            for place in places:
                base = f.at(place, here, self.element)
                for r in range(tile.run):
                    left = f.splat(f.load(f.at(base, i64(r * tile.step)), tile.size), tile.lanes)
                    for v in range(tile.vectors):
                        following.append(multiply(f, left, right[v], c.values[len(following)]))
            c.next = following
        return c.values

    def keep(self, sums: list[Any], kept: Any, fresh: Any) -> None:
        """Keeps a tile's sums, added to what earlier blocks gave."""
        f, b = self.f, self.f.b
        with b.if_else(fresh) as (then, otherwise):
            with then:
                for i, s in enumerate(sums):
                    f.store(s, f.at(kept, i64(i)), 16)
            with otherwise:
                for i, s in enumerate(sums):
                    f.store(b.fadd(f.load(f.at(kept, i64(i)), 16), s), f.at(kept, i64(i)), 16)

    def write(self, c: Any, v: Any, out: Any, channel: Any, columns: Any) -> None:
        """Stores a vector of columns of a chunk: for each the elements of (up to) as many rows as a vector
        has lanes. `columns` of them exist; the first is `channel`, which begins at `out` in the results."""
        f, b, tile = self.f, self.f.b, self.tile
        entry = f.at(self.table("chunks"), b.mul(c, i64(3)))
        first, place, count = (f.load(f.at(entry, i64(i)), 8) for i in range(3))
        out = b.add(out, place)
        sums = b.bitcast(f.at(b.bitcast(self.sums, I8.as_pointer()), first), self.vector.as_pointer())
        whole = b.icmp_signed("==", count, i64(tile.lanes * tile.weave))
        if self.plain:
            square = self.turn(v, sums)
            whole = b.and_(whole, b.icmp_signed("==", columns, i64(tile.lanes)))
            with b.if_else(whole) as (then, otherwise):
                with then:
                    self.square(square, out)
                with otherwise:
                    self.lay(square, i64(0))
                    self.columns(out, channel, columns, count)
            return
        with f.loop(0, tile.weave, name="product") as q:
            self.lay(self.turn(b.add(v, b.mul(q, i64(self.product))), sums), b.mul(q, i64(tile.lanes)))
        if tile.strided:
            self.columns(out, channel, columns, count)
            return
        with b.if_else(whole) as (then, otherwise):
            with then:
                self.columns(out, channel, columns)
            with otherwise:
                self.columns(out, channel, columns, count)

    def turn(self, v: Any, sums: Any) -> list[Any]:
        """A square of sums, as its columns."""
        f, tile = self.f, self.tile
        own = f.at(sums, v)
        rows = [f.load(f.at(own, i64(r * tile.vectors)), 16) for r in range(tile.lanes)]
        return lane.turned(f, rows)

    def lay(self, square: list[Any], first: Any) -> None:
        """Puts the columns of a square where `columns` finds them."""
        for i, column in enumerate(square):
            self.f.store(column, self.f.at(self.turned, self.f.b.add(first, i64(i))), 16)

    def square(self, columns: list[Any], out: Any) -> None:
        """Stores a square of sums, as they are."""
        f, b = self.f, self.f.b
        kind, target = self.vector.as_pointer(), self.writer.outs[0]
        places = [f.at(target, b.add(out, b.mul(self.w["out_n"], i64(i)))) for i in range(len(columns))]
        if not self.tile.adds:
            for column, place in zip(columns, places, strict=True):
                f.store(column, b.bitcast(place, kind), self.tile.size)
            return
        with b.if_else(b.icmp_signed("!=", self.w["old"], i64(0))) as (then, otherwise):
            for branch, more in ((then, True), (otherwise, False)):
                with branch:
                    for column, place in zip(columns, (b.bitcast(p, kind) for p in places), strict=True):
                        value = b.fadd(column, f.load(place, self.tile.size)) if more else column
                        f.store(value, place, self.tile.size)

    def columns(self, out: Any, channel: Any, columns: Any, count: Any = None) -> None:
        """Stores each column of a chunk; with `count`, so many elements of it."""
        f, b, tile, w = self.f, self.f.b, self.tile, self.w
        with f.loop(0, columns, name="column") as i:
            same = [f.load(f.at(self.turned, b.add(i, i64(q * tile.lanes))), 16) for q in range(tile.weave)]
            for q, piece in enumerate(lane.turned(f, same)):
                at = b.add(b.add(out, b.mul(i, w["out_n"])), i64(q * tile.lanes))
                mask = None
                if count is not None:
                    mask = lane.first(f, b.sub(count, i64(q * tile.lanes)), tile.lanes)
                if tile.adds:
                    old = b.and_(mask, f.splat(b.icmp_signed("!=", w["old"], i64(0)), tile.lanes))
                    piece = b.fadd(piece, lane.load(f, f.at(self.writer.outs[0], at), old))
                step = w["out_step"] if tile.strided else None
                self.writer.store(piece, at, b.add(channel, i), mask, step)
