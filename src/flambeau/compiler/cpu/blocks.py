"""The kernel of a contraction: blocks of the result, tile by tile.

    for each task (a block of whole panels of rows and columns of one matrix of the batch):
        for each stretch of k (`block_k`, so that a panel of B stays in the first cache):
            pack the block of A               (or it is packed already, or read in place)
            for each group of panels of B:
                pack it                       (likewise)
                for each panel of B, for each panel of A:
                    a tile; after the last stretch the epilogue, while it is in the cache

A tile is summed up where it lies in the result, or in a buffer if the result has another dtype. Sums run
through k in order from the first to the last, whatever the blocks. How operands are read is not in the code
but in the words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir

from ...core.dtype import dtype
from ...runtime.target import host
from ..expression import Expr
from .emit import I32, I64, STORED, Function, i64, vector
from .microkernel import BYTES, Geometry, geometry, lane_mask, masked_load, masked_store, prefetch, tile_type
from .packing import PACK
from .scalar import decode, emit, encode, splat

# The words of every contraction; names that end with "_step" are in bytes, other strides in elements.
WORDS = (
    "m", "n", "k", "chunk", "chunk_out", "block_k", "tasks_m", "tasks_n", "panels_m", "panels_n", "more_m",
    "more_n", "rows", "columns", "low", "group", "tile", "own", "own_size", "own_row", "own_i", "own_j",
)  # fmt: skip
# Of each operand: where it is, how far apart panels (for A also lower tiles) and k lie, and if tasks pack it,
# with which function, to which buffer.
OPERAND = ("", "_panel_step", "_low_step", "_k_step", "_i", "_k", "_pack", "_panel", "_local", "_size")


class Form(NamedTuple):
    """What the code of a contraction depends on.

    kind: the operands' dtype. batch: dimensions of the batch. out: the dtype of each result, each with its
    expression (None: the sum). extras: dtype and column stride (0, 1, 2 for any other) of what expressions
    load. accumulate: whether the old result starts the sums.
    """

    kind: dtype
    batch: int
    out: tuple[dtype, ...]
    results: tuple[Expr | None, ...]
    extras: tuple[tuple[dtype, int], ...]
    accumulate: bool = False

    @property
    def words(self) -> list[str]:
        """The names of the kernel's words, in order. Steps of operands in the batch are in bytes."""
        names = [*WORDS, *(x + part for x in ("a", "b") for part in OPERAND)]
        moving = ["a", "b"]
        for o in range(len(self.out)):
            names += [f"out{o}", f"out{o}_i"]
            moving.append(f"out{o}")
        for e in range(len(self.extras)):
            names += [f"extra{e}", f"extra{e}_i", f"extra{e}_j"]
            moving.append(f"extra{e}")
        for d in range(self.batch):
            names += [f"extent@{d}", *(f"{x}@{d}" for x in moving)]
        return names


class Writer:
    """Finishes sums: applies the expressions and writes the results, row by row of a tile."""

    def __init__(self, f: Function, form: Form, g: Geometry, word: dict[str, Any]) -> None:
        self.f, self.form, self.g, self.word = f, form, g, word
        self.starts: dict[str, Any] = {}

    def begin(self, offsets: dict[str, Any]) -> None:
        """Sets where the results and extras of the current matrix of the batch start."""
        for o, d in enumerate(self.form.out):
            self._start(f"out{o}", STORED[d], offsets)
        for e, (d, _) in enumerate(self.form.extras):
            self._start(f"extra{e}", STORED[d], offsets)

    def _start(self, name: str, kind: Any, offsets: dict[str, Any]) -> None:
        place = self.f.b.inttoptr(self.word[name], kind.as_pointer())
        self.starts[name] = self.f.b.gep(place, [offsets[name]]) if name in offsets else place

    def fetch(self, i: Any, j: Any, rows: Any, columns: Any) -> None:
        """Has what is read and written of a tile at (i, j) fetched, besides the first result."""
        f = self.f
        read = [f"extra{e}" for e, (_, kind) in enumerate(self.form.extras) if kind == 1]
        names = [*read, *(f"out{o}" for o in range(1, len(self.form.out)))]
        if not names:
            return
        with f.loop(0, rows, 1, "fetch") as r, f.loop(0, columns, self.g.lanes, "vector") as c:
            row, column = f.b.add(i, r), f.b.add(j, c)
            for x in names:
                start = f.b.gep(self.starts[x], [f.b.mul(row, self.word[f"{x}_i"])])
                prefetch(f, f.b.gep(start, [column]), x not in read)

    def vectors(self, rows: Any, columns: Any, body: Callable[[Any, Any, Any, Any], None]) -> None:
        """Runs `body(r, c, mask, count)` for a tile's vectors: `count` lanes from column c; no mask: all."""
        f, lanes = self.f, self.g.lanes

        def down(c: Any, mask: Any, count: Any) -> None:
            with f.loop(0, rows, 1, "row") as r:
                body(r, c, mask, count)

        with f.loop(0, columns, lanes, "column") as c:
            count = f.b.sub(columns, c)
            if host().vector == 64:
                down(c, lane_mask(f, lanes, count), f.minimum(lanes, count))
            else:
                with f.b.if_else(f.b.icmp_signed(">=", count, i64(lanes))) as (then, otherwise):
                    with then:
                        down(c, None, i64(lanes))
                    with otherwise:
                        down(c, lane_mask(f, lanes, count), count)

    def write(self, sums: Callable[[Any, Any, Any], Any], i: Any, j: Any, rows: Any, columns: Any) -> None:
        """Writes the results of a tile at (i, j); `sums(r, c, mask)` gives a vector of sums."""

        def body(r: Any, c: Any, mask: Any, count: Any) -> None:
            f = self.f
            row, column = f.b.add(i, r), f.b.add(j, c)
            total = sums(r, c, mask)

            def leaf(e: Expr, *_: Any) -> Any:
                return total if e.op == "kept" else self._extra(e.data, row, column, mask, count)

            roots = [e for e in self.form.results if e is not None]
            values = iter(emit(f, roots, self.g.lanes, leaf))
            for o, (d, e) in enumerate(zip(self.form.out, self.form.results, strict=True)):
                value = total if e is None else splat(f, next(values), self.g.lanes)
                self._store(o, encode(f, value, d), row, column, mask)

        self.vectors(rows, columns, body)

    def _extra(self, number: int, row: Any, column: Any, mask: Any, count: Any) -> Any:
        """The vector of an extra at (row, column)."""
        f, (d, kind) = self.f, self.form.extras[number]
        start = f.b.gep(self.starts[f"extra{number}"], [f.b.mul(row, self.word[f"extra{number}_i"])])
        if kind == 0:
            return decode(f, f.load(start, d.itemsize), d)
        if kind == 1:
            place = f.at(start, column, vector(STORED[d], self.g.lanes))
            return decode(f, self._load(place, mask, d.itemsize), d)
        raw = ir.Constant(vector(STORED[d], self.g.lanes), ir.Undefined)
        for lane in range(self.g.lanes):
            here = f.b.add(column, f.minimum(lane, f.b.sub(count, i64(1))))
            place = f.b.gep(start, [f.b.mul(here, self.word[f"extra{number}_j"])])
            raw = f.b.insert_element(raw, f.load(place, d.itemsize), ir.Constant(I32, lane))
        return decode(f, raw, d)

    def _load(self, place: Any, mask: Any, align: int) -> Any:
        return self.f.load(place, align) if mask is None else masked_load(self.f, place, mask)

    def _store(self, o: int, value: Any, row: Any, column: Any, mask: Any) -> None:
        """Writes a vector of result number `o`."""
        f = self.f
        start = f.b.gep(self.starts[f"out{o}"], [f.b.mul(row, self.word[f"out{o}_i"])])
        place = f.at(start, column, value.type)
        if mask is None:
            f.store(value, place, self.form.out[o].itemsize)
        else:
            masked_store(f, value, place, mask)


class Blocks:
    """Emits a contraction's kernel."""

    def __init__(self, module: ir.Module, symbol: str, form: Form) -> None:
        self.form, self.g = form, geometry(form.kind)
        self.f = f = Function(module, symbol)
        self.word = {name: f.word(number) for number, name in enumerate(form.words)}
        self.writer = Writer(f, form, self.g, self.word)
        self.in_place = STORED[form.out[0]] == self.g.total
        self.plain = form.results == (None,)
        widest = vector(self.g.total, self.g.flat.columns)
        self.zeros = f.local(self.g.total, widest.count)
        f.store(ir.Constant(widest, None), f.b.bitcast(self.zeros, widest.as_pointer()), 64)
        with f.loop(f.begin, f.end, 1, "task") as task:
            self._task(task)
        f.finish()

    def _task(self, task: Any) -> None:
        f, w = self.f, self.word
        task, j = split(f, task, w["tasks_n"])
        task, i = split(f, task, w["tasks_m"])
        offsets, task = batch_offsets(f, self.form, w, task)
        chunk = f.b.mul(task, w["chunk_out"])
        offsets["out0"] = f.b.add(offsets["out0"], chunk) if "out0" in offsets else chunk
        self.writer.begin(offsets)
        self.bases = {x: f.b.add(w[x], offsets[x]) if x in offsets else w[x] for x in ("a", "b")}
        self.panels: dict[str, Any] = {}
        self.i, self.rows = self._share("a", i, "m", "rows")
        self.j, self.columns = self._share("b", j, "n", "columns")
        self.k = f.b.mul(task, w["chunk"])
        length = f.minimum(w["chunk"], f.b.sub(w["k"], self.k))
        with f.loop(
            0, f.b.select(f.b.icmp_signed("<", length, i64(1)), i64(1), length), w["block_k"], "stretch"
        ) as k:
            self._stretch(k, length)

    def _share(self, x: str, number: Any, extent: str, width: str) -> tuple[Any, Any]:
        """A task's part of the panels of an operand: the first index and how many. The first `more` tasks
        have a panel more than the others."""
        f, w = self.f, self.word
        panels, more = w[f"panels_{extent}"], w[f"more_{extent}"]
        first = f.b.add(f.b.mul(number, panels), f.minimum(number, more))
        count = f.b.add(panels, f.b.zext(f.b.icmp_signed("<", number, more), I64))
        self.panels[x], start = first, f.b.mul(first, w[width])
        return start, f.minimum(f.b.mul(count, w[width]), f.b.sub(w[extent], start))

    def _stretch(self, k: Any, length: Any) -> None:
        """All tiles of the block, for one stretch of k."""
        f, w = self.f, self.word
        self.depth = f.minimum(w["block_k"], f.b.sub(length, k))
        self.first = f.b.icmp_signed("==", k, i64(0))
        self.last = f.b.icmp_signed(">=", f.b.add(k, w["block_k"]), length)
        self.at_k = f.b.add(self.k, k)
        left = self._operand("a", self.i, self.rows)
        with f.loop(0, self.columns, w["group"], "group") as group:
            here = f.minimum(w["group"], f.b.sub(self.columns, group))
            right = self._operand("b", f.b.add(self.j, group), here)
            with f.carry(0, here, w["columns"], [right], "panel") as state:
                self._column(f.b.add(group, state.i), left, state.values[0])
                state.next = [f.b.gep(state.values[0], [w["b_panel_step"]])]

    def _operand(self, x: str, start: Any, count: Any) -> Any:
        """Where the first panel of an operand's part lies; packs `count` indices from `start` if tasks do."""
        f, w = self.f, self.word
        here = f.b.icmp_signed("!=", w[f"{x}_pack"], i64(0))
        own = f.b.add(w[f"{x}_local"], f.b.mul(f.thread, w[f"{x}_size"]))
        with f.when(here):
            at = f.b.add(f.b.mul(start, w[f"{x}_i"]), f.b.mul(self.at_k, w[f"{x}_k"]))
            at = f.b.add(self.bases[x], f.b.mul(at, i64(self.form.kind.itemsize)))
            pack = f.b.inttoptr(w[f"{x}_pack"], PACK.as_pointer())
            source, to = (f.b.inttoptr(place, BYTES) for place in (at, own))
            f.b.call(pack, [source, count, self.depth, to, w[f"{x}_panel"], w[f"{x}_i"], w[f"{x}_k"]])
        at = f.b.add(self.bases[x], f.b.mul(self.panels[x], w[f"{x}_panel_step"]))
        at = f.b.add(at, f.b.mul(self.at_k, w[f"{x}_k_step"]))
        return f.b.inttoptr(f.b.select(here, own, at), BYTES)

    def _column(self, j: Any, left: Any, right: Any) -> None:
        """The tiles of a panel of B: of all rows while there are as many left, then lower ones."""
        f, w = self.f, self.word
        self.right = right
        columns = f.minimum(w["columns"], f.b.sub(self.columns, j))
        with _until(f, self.rows, left) as (i, place, advance):
            high = f.b.icmp_signed(">=", f.b.sub(self.rows, i), w["rows"])
            height, step = (
                f.b.select(high, w[whole], w[part])
                for whole, part in (("rows", "low"), ("a_panel_step", "a_low_step"))
            )
            self._tile(i, j, f.minimum(height, f.b.sub(self.rows, i)), columns, place)
            advance(height, f.b.gep(place, [step]))

    def _tile(self, i: Any, j: Any, rows: Any, columns: Any, left: Any) -> None:
        """One tile: where it is summed up, the sums, and what is done with them."""
        f, w = self.f, self.word
        row, column = f.b.add(self.i, i), f.b.add(self.j, j)
        place, step = self._own(i, j), w["own_row"]
        if self.in_place:
            step = w["out0_i"]
            place = f.b.gep(self.writer.starts["out0"], [f.b.add(f.b.mul(row, step), column)])
        with f.when(self.last):
            self.writer.fetch(row, column, rows, columns)
        self._sum(left, rows, columns, place, step)
        if not (self.in_place and self.plain):
            with f.when(self.last):
                self._finish(place, step, row, column, rows, columns)

    def _own(self, i: Any, j: Any) -> Any:
        """Where a tile is that can't be summed up in the result."""
        f, w = self.f, self.word
        own = f.b.inttoptr(f.b.add(w["own"], f.b.mul(f.thread, w["own_size"])), self.g.total.as_pointer())
        return f.b.gep(own, [f.b.add(f.b.mul(i, w["own_i"]), f.b.mul(j, w["own_j"]))])

    def _sum(self, left: Any, rows: Any, columns: Any, place: Any, step: Any) -> None:
        """Sums up a tile; sums start at 0 or with what lies at the place."""
        f, w, g = self.f, self.word, self.g
        units = f.b.sdiv(f.b.add(self.depth, i64(1)), i64(2)) if g.pairs else self.depth
        old, old_row = place, step
        if not self.form.accumulate:
            old, old_row = f.b.select(self.first, self.zeros, old), f.b.select(self.first, i64(0), step)
        tile = f.b.inttoptr(w["tile"], tile_type(g).as_pointer())
        steps = [w["a_i"], w["a_k"], w["b_k"]]
        f.b.call(tile, [left, self.right, units, rows, columns, *steps, old, old_row, place, step])

    def _finish(self, place: Any, step: Any, i: Any, j: Any, rows: Any, columns: Any) -> None:
        """Makes the results of a tile from its sums."""
        f, kind = self.f, vector(self.g.total, self.g.lanes)

        def sums(r: Any, c: Any, mask: Any) -> Any:
            at = f.at(place, f.b.add(f.b.mul(r, step), c), kind)
            return f.load(at, 4) if mask is None else masked_load(f, at, mask)

        self.writer.write(sums, i, j, rows, columns)


class Combine:
    """Emits the kernel that adds up the sums of chunks of k and finishes them; a task is a row of the result.
    Its words are those of a contraction: "own" is where the sums are, "chunk" how many, "chunk_out" apart."""

    def __init__(self, module: ir.Module, symbol: str, form: Form) -> None:
        g = geometry(form.kind)
        f = Function(module, symbol)
        word = {name: f.word(number) for number, name in enumerate(form.words)}
        writer, kind = Writer(f, form, g, word), vector(g.total, g.lanes)
        with f.loop(f.begin, f.end, 1, "task") as task:
            matrix, i = split(f, task, word["m"])
            writer.begin(batch_offsets(f, form, word, matrix)[0])
            row = f.b.gep(f.b.inttoptr(word["own"], g.total.as_pointer()), [f.b.mul(task, word["n"])])

            def part(chunk: Any, c: Any, mask: Any) -> Any:
                at = f.at(row, f.b.add(f.b.mul(chunk, word["chunk_out"]), c), kind)
                return f.load(at, 4) if mask is None else masked_load(f, at, mask)

            def sums(r: Any, c: Any, mask: Any) -> Any:
                with f.carry(1, word["chunk"], 1, [part(i64(0), c, mask)], "chunk") as state:
                    state.next = [f.b.fadd(state.values[0], part(state.i, c, mask))]
                return state.values[0]

            writer.write(sums, i, i64(0), i64(1), word["n"])
        f.finish()


@contextmanager
def _until(f: Function, stop: Any, place: Any) -> Iterator[tuple[Any, Any, Callable[[Any, Any], None]]]:
    """A loop over numbers from 0 below `stop` with a place for each; gives both and `advance(by, next
    place)`, to be called last."""
    b = f.b
    head, body, done = (f.function.append_basic_block(f"until.{part}") for part in ("head", "body", "done"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    number, at = b.phi(I64), b.phi(place.type)
    number.add_incoming(i64(0), before)
    at.add_incoming(place, before)
    b.cbranch(b.icmp_signed("<", number, stop), body, done)
    b.position_at_end(body)

    def advance(by: Any, following: Any) -> None:
        number.add_incoming(b.add(number, by), b.block)
        at.add_incoming(following, b.block)
        b.branch(head)

    yield number, at, advance
    b.position_at_end(done)


def split(f: Function, number: Any, extent: Any) -> tuple[Any, Any]:
    """Quotient and remainder."""
    quotient = f.b.sdiv(number, extent)
    return quotient, f.b.sub(number, f.b.mul(quotient, extent))


def batch_offsets(f: Function, form: Form, word: dict[str, Any], number: Any) -> tuple[dict[str, Any], Any]:
    """How far matrix `number` of the batch lies, by operand; and what is left of the number."""
    offsets: dict[str, Any] = {}
    for d in reversed(range(form.batch)):
        number, index = split(f, number, word[f"extent@{d}"])
        for name in word:
            if name.endswith(f"@{d}") and not name.startswith("extent"):
                x, step = name.split("@")[0], f.b.mul(index, word[name])
                offsets[x] = f.b.add(offsets[x], step) if x in offsets else step
    return offsets, number
