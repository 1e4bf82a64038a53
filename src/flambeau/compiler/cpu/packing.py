"""Packing: a matrix copied to panels, in the order in which tiles read it.

A panel holds `width` indices i (rows of A, columns of B) for every k: element (i, k) of a panel lies at
k * width + i. Where the source's elements follow one another along i, vectors are copied; where they do along
k, square blocks are turned in registers; else elements are copied one by one. Conversions happen on the way.
For pairs (see `Geometry`) a panel's element is made of an even k and the next, or 0 after the last.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from ...core.dtype import dtype
from .emit import I32, I64, STORED, Function, i64, vector
from .microkernel import BYTES, Geometry, Routine, lane_mask, masked_load, masked_store, prefetch
from .scalar import decode

_ABREAST = 8  # vectors that are copied for one k before the next
_AHEAD = 8  # how many k before its turn a row is fetched


class Source(NamedTuple):
    """A matrix to be packed: the index ("i" or "k") whose stride is 1, or "", and the dtype."""

    along: str
    dtype: dtype


PACK = ir.FunctionType(ir.VoidType(), [BYTES, I64, I64, BYTES, I64, I64, I64])  # see `Packing`


class Packing:
    """Emits the function `(source, count, depth, to, panel, i_step, k_step)`: it packs `count` indices i and
    `depth` k of the matrix at `source`, with these strides, to panels at `to`, `panel` elements apart.

    past: whether panels are written past the caches. Other cores may still hold what the memory was before,
    and would have to be asked for every line.
    """

    def __init__(
        self, module: ir.Module, symbol: str, g: Geometry, width: int, source: Source, past: bool
    ) -> None:
        self.g, self.width, self.dtype, self.past = g, width, source.dtype, past
        self.stored, self.size = STORED[source.dtype], source.dtype.itemsize
        self.f = f = Routine(module, symbol, *PACK.args)
        f.function.linkage = ""
        start, self.count, self.depth, to, self.panel, self.i_step, self.k_step = f.args
        self.source = f.b.bitcast(start, self.stored.as_pointer())
        self.to = f.b.bitcast(to, g.element.as_pointer())
        self.i_step = i64(1) if source.along == "i" else self.i_step
        self.k_step = i64(1) if source.along == "k" else self.k_step
        self.units = f.b.sdiv(f.b.add(self.depth, i64(1)), i64(2)) if g.pairs else self.depth
        self.step = 2 if g.pairs else 1
        if source.along == "i":
            self._copied()
        else:
            with f.loop(0, self.count, width, "panel") as first:
                here = f.minimum(width, f.b.sub(self.count, first))
                self._panel(first, here, source.along == "k")
        if past and module.triple.startswith(("x86_64", "i686")):
            f.intrinsic("llvm.x86.sse.sfence", ir.VoidType())
        f.finish()

    def _place(self, first: Any) -> tuple[Any, Any]:
        """Where the panel that begins with an index is read and written."""
        f = self.f
        panel = f.b.mul(f.b.sdiv(first, i64(self.width)), self.panel)
        return f.b.gep(self.source, [f.b.mul(first, self.i_step)]), f.b.gep(self.to, [panel])

    # ----- vectors along i -----

    def _copied(self) -> None:
        """A few panels abreast, so that what is read for a k is long; then the others, maybe narrower."""
        f = self.f
        abreast = max(_ABREAST * self.g.lanes // max(self.width, self.g.lanes), 1)
        together = abreast * self.width
        with f.loop(0, f.b.sub(self.count, i64(together - 1)), together, "panels") as first:
            self._vectors(first, abreast, self.width)
        done = f.b.mul(f.b.sdiv(self.count, i64(together)), i64(together))
        with f.loop(done, self.count, self.width, "panel") as first:
            self._vectors(first, 1, f.minimum(self.width, f.b.sub(self.count, first)))

    def _vectors(self, first: Any, panels: int, count: Any) -> None:
        """Copies panels abreast, each with `count` indices. Vectors that are longer than a panel is wide run
        over into what comes next, which is written later; so only the last k needs care."""
        f, lanes = self.f, self.g.lanes
        source, to = self._place(first)
        masks = {}
        for c in range(0, self.width, lanes):
            whole = isinstance(count, int) and count >= c + lanes
            masks[c] = (
                None
                if whole
                else lane_mask(f, lanes, f.b.sub(i64(count) if isinstance(count, int) else count, i64(c)))
            )

        def unit(u: Any, last: bool) -> None:
            k = f.b.mul(u, i64(self.step))
            for p in range(panels):
                for c in range(0, self.width, lanes):
                    value = self._vector(source, p * self.width + c, k, masks[c])
                    place = f.b.add(f.b.mul(self.panel, i64(p)), f.b.add(f.b.mul(u, i64(self.width)), i64(c)))
                    past = last and c + lanes > self.width
                    self._put(
                        value,
                        f.b.gep(to, [place]),
                        lane_mask(f, lanes, i64(self.width - c)) if past else None,
                    )
            self._prefetch(source, f.b.add(k, i64(_AHEAD)), panels * self.width)

        if self.width % lanes == 0:
            with f.loop(0, self.units, 1, "k") as u:
                unit(u, False)
        else:
            last = f.b.sub(self.units, i64(1))
            with f.loop(0, last, 1, "k") as u:
                unit(u, False)
            with f.when(f.b.icmp_signed(">=", last, i64(0))):
                unit(last, True)

    def _vector(self, source: Any, index: int, k: Any, mask: Any) -> Any:
        """A vector along i at a k, of a panel's elements."""
        f, lanes = self.f, self.g.lanes
        if not self.g.pairs:
            return decode(f, self._row(source, index, k, mask), self.dtype)
        last = f.b.sub(self.depth, i64(1))
        high = self._row(source, index, f.minimum(f.b.add(k, i64(1)), last), mask)
        high = f.b.select(f.b.icmp_signed("<", k, last), high, ir.Constant(high.type, None))
        return self._paired(self._row(source, index, k, mask), high, vector(I32, lanes))

    def _row(self, source: Any, index: int, k: Any, mask: Any) -> Any:
        f = self.f
        place = f.at(source, f.b.add(f.b.mul(k, self.k_step), i64(index)), vector(self.stored, self.g.lanes))
        return f.load(place, self.size) if mask is None else masked_load(f, place, mask)

    def _paired(self, low: Any, high: Any, kind: Any) -> Any:
        """Two numbers of 16 bits in one of 32."""
        b = self.f.b
        sixteen = (
            ir.Constant(kind, [16] * kind.count) if isinstance(kind, ir.VectorType) else ir.Constant(I32, 16)
        )
        return b.or_(b.zext(low, kind), b.shl(b.zext(high, kind), sixteen))

    def _put(self, value: Any, to: Any, mask: Any) -> None:
        f = self.f
        place = f.b.bitcast(to, value.type.as_pointer())
        if mask is not None:
            masked_store(f, value, place, mask)
        elif self.past:
            store = f.b.store(value, place, align=self.g.lanes * self.g.itemsize)
            store.set_metadata("nontemporal", f.module.add_metadata([ir.Constant(I32, 1)]))
        else:
            f.store(value, place, self.g.itemsize)

    def _prefetch(self, source: Any, k: Any, count: int) -> None:
        """Has what a later k needs fetched; there may be nothing."""
        f = self.f
        for index in range(0, count, max(64 // self.size, 1)):
            place = f.b.gep(source, [f.b.add(f.b.mul(k, self.k_step), i64(index))])
            prefetch(f, place, False)

    # ----- blocks turned, single elements -----

    def _panel(self, first: Any, here: Any, turned: bool) -> None:
        """Packs a panel of `here` indices: block by block of k if those can be turned, then one by one."""
        f, g = self.f, self.g
        source, to = self._place(first)
        done = i64(0)
        if turned:
            block = g.lanes * self.step
            most = f.b.sub(self.depth, i64(block - 1))
            with f.loop(0, most, block, "block") as k, f.loop(0, here, g.lanes, "half") as start:
                self._block(source, start, here, k, to)
            done = f.b.mul(f.b.sdiv(self.depth, i64(block)), i64(block))
        with f.loop(done, self.depth, self.step, "k") as k, f.loop(0, here, 1, "i") as i:
            unit = f.b.sdiv(k, i64(self.step))
            value = self._element(f.b.gep(source, [f.b.mul(i, self.i_step)]), k)
            f.store(value, f.b.gep(to, [f.b.add(f.b.mul(unit, i64(self.width)), i)]), g.itemsize)

    def _block(self, source: Any, start: Any, here: Any, k: Any, to: Any) -> None:
        """Turns a block: the vectors along k of as many indices from `start` as a register has lanes. Where
        there are fewer, the last one stands for those missing."""
        f, g = self.f, self.g
        rows = []
        for r in range(min(g.lanes, self.width)):
            i = f.minimum(f.b.add(start, i64(r)), f.b.sub(here, i64(1)))
            place = f.b.gep(source, [f.b.add(f.b.mul(i, self.i_step), k)])
            raw = f.load(f.b.bitcast(place, vector(self.stored, g.lanes * self.step).as_pointer()), self.size)
            rows.append(f.b.bitcast(raw, vector(I32, g.lanes)) if g.pairs else decode(f, raw, self.dtype))
        rows += [ir.Constant(rows[0].type, None)] * (g.lanes - len(rows))
        unit = f.b.sdiv(k, i64(self.step))
        for t, value in enumerate(transposed(f, rows)):
            place = f.b.add(f.b.mul(f.b.add(unit, i64(t)), i64(self.width)), start)
            # A narrow panel's vectors may run over into what is written after them.
            part = self.width % g.lanes and (self.width > g.lanes or t == g.lanes - 1)
            mask = lane_mask(f, g.lanes, f.b.sub(i64(self.width), start)) if part else None
            self._put(value, f.b.gep(to, [place]), mask)

    def _element(self, source: Any, k: Any) -> Any:
        """A panel's element at a k."""
        f = self.f
        if not self.g.pairs:
            return decode(f, f.load(f.b.gep(source, [f.b.mul(k, self.k_step)]), self.size), self.dtype)
        last = f.b.sub(self.depth, i64(1))
        low, high = (
            f.load(f.b.gep(source, [f.b.mul(x, self.k_step)]), 2)
            for x in (k, f.minimum(f.b.add(k, i64(1)), last))
        )
        high = f.b.select(f.b.icmp_signed("<", k, last), high, ir.Constant(high.type, 0))
        return self._paired(low, high, I32)


class Packer:
    """Emits the kernel that packs a whole operand: a task is some panels of one matrix of the batch. The word
    "pack" is the address of the function that packs; "i" and "k" are strides in elements, steps of the batch
    and "block_from", "block_to" and "matrix" (how far apart blocks and matrices lie) in bytes."""

    WORDS = (
        "pack", "source", "to", "count", "depth", "panel", "tasks", "block", "block_from", "block_to",
        "matrix", "i", "k",
    )  # fmt: skip

    def __init__(self, module: ir.Module, symbol: str, batch: int) -> None:
        f = Function(module, symbol)
        w = {name: f.word(number) for number, name in enumerate(self.WORDS)}
        pack = f.b.inttoptr(w["pack"], PACK.as_pointer())
        with f.loop(f.begin, f.end, 1, "task") as task:
            part, number = f.b.srem(task, w["tasks"]), f.b.sdiv(task, w["tasks"])
            to = f.b.add(f.b.mul(number, w["matrix"]), f.b.mul(part, w["block_to"]))
            place = f.b.add(w["source"], f.b.mul(part, w["block_from"]))
            for d in reversed(range(batch)):
                extent, step = (f.word(len(self.WORDS) + 2 * d + x) for x in range(2))
                place = f.b.add(place, f.b.mul(f.b.srem(number, extent), step))
                number = f.b.sdiv(number, extent)
            here = f.minimum(w["block"], f.b.sub(w["count"], f.b.mul(part, w["block"])))
            source, to = (f.b.inttoptr(x, BYTES) for x in (place, f.b.add(w["to"], to)))
            f.b.call(pack, [source, here, w["depth"], to, w["panel"], w["i"], w["k"]])
        f.finish()


def transposed(f: Function, rows: list[Any]) -> list[Any]:
    """The columns of a square block given by its rows: in each stage, blocks of half the size change
    places."""
    n = len(rows)
    size = n // 2
    while size:
        low = [c if not c & size else n + c - size for c in range(n)]
        high = [c + size if not c & size else n + c for c in range(n)]
        result = list(rows)
        for r in range(n):
            if not r & size:
                result[r] = _shuffle(f, rows[r], rows[r + size], low)
                result[r + size] = _shuffle(f, rows[r], rows[r + size], high)
        rows, size = result, size // 2
    return rows


def _shuffle(f: Function, x: Any, y: Any, lanes: list[int]) -> Any:
    return f.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(lanes)), lanes))
