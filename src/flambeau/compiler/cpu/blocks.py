"""The kernel of a contraction: blocks of the result, tile by tile.

    for each task (a block of `block_m` rows and `block_n` columns of one matrix of the batch):
        for each stretch of k (`block_k`, so that a panel of B stays in the first cache):
            pack the block of A            (unless it is packed already, or read in place)
            for each panel of B:
                pack it                    (likewise)
                for each panel of A: a tile; after the last stretch the epilogue, while it is in the cache

A tile is summed up where it lies in the result if it fills whole registers there; else in a buffer of its
own. Sums run through k in order from the first to the last, whatever the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir

from ...core.dtype import dtype
from ...runtime.target import host
from ..expression import Expr
from .emit import I1, I32, I64, STORED, Function, i64, vector
from .microkernel import Geometry, geometry, lane_mask, masked_load, masked_store, tile_type
from .packing import pack_type
from .scalar import decode, emit, encode, splat


class Form(NamedTuple):
    """What the code of a contraction depends on.

    kind: the operands' dtype. a, b: whether it is "packed", "local" (packed by the task that needs it) or
    "direct" (read in place). batch: dimensions of the batch. out: the dtype of each result, each with its
    expression (None: the sum). extras: dtype and column stride (0, 1, 2 for any other) of what expressions
    load. accumulate: whether the old result starts the sums.
    """

    kind: dtype
    a: str
    b: str
    batch: int
    out: tuple[dtype, ...]
    results: tuple[Expr | None, ...]
    extras: tuple[tuple[dtype, int], ...]
    accumulate: bool = False

    @property
    def words(self) -> list[str]:
        """The names of the kernel's words, in order."""
        names = [
            "m",
            "n",
            "k",
            "block_m",
            "block_n",
            "block_k",
            "chunk",
            "tasks_m",
            "tasks_n",
            "own",
            "own_size",
        ]
        names += ["own_row", "own_i", "own_j", "chunk_out", "tile"]
        for x in ("a", "b"):
            names += [x, f"{x}_i", f"{x}_k", f"{x}_depth", f"{x}_local", f"{x}_size", f"{x}_pack"]
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

    def rows(self, rows: Any, columns: Any, body: Callable[[Any, Any, Any, Any], None]) -> None:
        """Runs `body(r, c, mask, count)` for a tile's vectors: `count` lanes from column c; no mask: all."""
        f, lanes = self.f, self.g.lanes
        with f.loop(0, rows, 1, "row") as r, f.loop(0, columns, lanes, "column") as c:
            count = f.b.sub(columns, c)
            if host().vector == 64:
                body(r, c, lane_mask(f, lanes, count), f.minimum(lanes, count))
            else:
                with f.b.if_else(f.b.icmp_signed(">=", count, i64(lanes))) as (then, otherwise):
                    with then:
                        body(r, c, None, i64(lanes))
                    with otherwise:
                        body(r, c, lane_mask(f, lanes, count), count)

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

        self.rows(rows, columns, body)

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
        self.zeros = f.local(self.g.total, self.g.columns)
        zero = ir.Constant(vector(self.g.total, self.g.columns), None)
        f.store(zero, f.b.bitcast(self.zeros, zero.type.as_pointer()), 64)
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
        self.i, self.j = f.b.mul(i, w["block_m"]), f.b.mul(j, w["block_n"])
        self.rows = f.minimum(w["block_m"], f.b.sub(w["m"], self.i))
        self.columns = f.minimum(w["block_n"], f.b.sub(w["n"], self.j))
        self.k = f.b.mul(task, w["chunk"])
        length = f.minimum(w["chunk"], f.b.sub(w["k"], self.k))
        self.bases = {x: self._base(x, offsets) for x in ("a", "b")}
        with f.loop(
            0, f.b.select(f.b.icmp_signed("<", length, i64(1)), i64(1), length), w["block_k"], "stretch"
        ) as k:
            self._stretch(k, length)

    def _base(self, x: str, offsets: dict[str, Any]) -> Any:
        """Where an operand starts, packed or not, for the current matrix of the batch."""
        f, way = self.f, getattr(self.form, x)
        kind = self.g.element if way == "packed" else STORED[self.form.kind]
        place = f.b.inttoptr(self.word[x], kind.as_pointer())
        return f.b.gep(place, [offsets[x]]) if x in offsets else place

    def _stretch(self, k: Any, length: Any) -> None:
        """All tiles of the block, for one stretch of k."""
        f, w, g = self.f, self.word, self.g
        self.depth = f.minimum(w["block_k"], f.b.sub(length, k))
        self.first = f.b.icmp_signed("==", k, i64(0))
        self.last = f.b.icmp_signed(">=", f.b.add(k, w["block_k"]), length)
        self.at_k = f.b.add(self.k, k)
        if self.form.a == "local":
            self._pack("a", self.i, self.rows)
        with f.loop(0, self.columns, g.columns, "panel_b") as j:
            if self.form.b == "local":
                self._pack("b", f.b.add(self.j, j), f.minimum(g.columns, f.b.sub(self.columns, j)))
            with _until(f, self.rows) as (i, advance):
                high = f.b.icmp_signed(">=", f.b.sub(self.rows, i), i64(g.rows))
                height = f.b.select(high, i64(g.rows), i64(g.low))
                self._tile(i, j, height)
                advance(height)

    def _local(self, x: str, kind: Any) -> Any:
        """This thread's part of a scratch buffer."""
        f, w = self.f, self.word
        size = w["own_size" if x == "own" else f"{x}_size"]
        address = f.b.add(w["own" if x == "own" else f"{x}_local"], f.b.mul(f.thread, size))
        return f.b.inttoptr(address, kind.as_pointer())

    def _pack(self, x: str, start: Any, count: Any) -> None:
        f, w, g = self.f, self.word, self.g
        width = g.rows if x == "a" else g.columns
        panel = f.b.mul(w[f"{x}_depth"], i64(width))
        i_step, k_step = w[f"{x}_i"], w[f"{x}_k"]
        source = f.b.gep(self.bases[x], [f.b.add(f.b.mul(start, i_step), f.b.mul(self.at_k, k_step))])
        pack = f.b.inttoptr(w[f"{x}_pack"], pack_type(g, self.form.kind).as_pointer())
        f.b.call(pack, [source, count, self.depth, self._local(x, g.element), panel, i_step, k_step])

    def _panel(self, x: str, index: Any, start: Any) -> Any:
        """Where a tile's part of an operand lies: from index `index` of the block that begins at `start`."""
        f, w, g = self.f, self.word, self.g
        way, width = getattr(self.form, x), g.rows if x == "a" else g.columns
        if way == "direct":
            i = f.b.mul(f.b.add(start, index), w[f"{x}_i"])
            return f.b.gep(self.bases[x], [f.b.add(i, f.b.mul(self.at_k, w[f"{x}_k"]))])
        if way == "local":
            panel = self._local(x, g.element)
            return panel if x == "b" else f.b.gep(panel, [self._in_panels(index, w["a_depth"], width)])
        unit = f.b.sdiv(self.at_k, i64(2)) if g.pairs else self.at_k
        at = self._in_panels(f.b.add(start, index), w[f"{x}_depth"], width)
        return f.b.gep(self.bases[x], [f.b.add(at, f.b.mul(unit, i64(width)))])

    def _in_panels(self, index: Any, depth: Any, width: int) -> Any:
        """Where an index lies in panels of `depth` elements for each of `width` indices."""
        panel, inside = split(self.f, index, i64(width))
        return self.f.b.add(self.f.b.mul(panel, self.f.b.mul(depth, i64(width))), inside)

    def _tile(self, i: Any, j: Any, height: Any) -> None:
        """One tile: where it is summed up, the sums, and what is done with them."""
        f, w, g = self.f, self.word, self.g
        rows = f.minimum(height, f.b.sub(self.rows, i))
        columns = f.minimum(g.columns, f.b.sub(self.columns, j))
        row, column = f.b.add(self.i, i), f.b.add(self.j, j)
        own = self._own(i, j)
        place, step = own, w["own_row"]
        old = f.b.not_(self.first)
        exact = None
        if self.in_place:
            old = I1(1) if self.form.accumulate else old
            exact = f.b.and_(self._whole(rows, g.low), self._whole(columns, g.lanes))
            there = f.b.gep(self.writer.starts["out0"], [f.b.add(f.b.mul(row, w["out0_i"]), column)])
            with f.when(f.b.and_(old, f.b.not_(exact))):
                self._copy(there, w["out0_i"], own, w["own_row"], rows, columns)
            place, step = f.b.select(exact, there, place), f.b.select(exact, w["out0_i"], step)
        self._sum(i, j, rows, columns, place, step, old)
        if exact is not None and self.plain:
            with f.when(f.b.not_(exact)):
                self._copy(own, w["own_row"], there, w["out0_i"], rows, columns)
            return
        with f.when(self.last):
            self._finish(place, step, row, column, rows, columns)
        if exact is not None:
            with f.when(f.b.not_(f.b.or_(exact, self.last))):
                self._copy(own, w["own_row"], there, w["out0_i"], rows, columns)

    def _own(self, i: Any, j: Any) -> Any:
        """Where a tile that isn't summed up in the result is."""
        f, w = self.f, self.word
        return f.b.gep(
            self._local("own", self.g.total), [f.b.add(f.b.mul(i, w["own_i"]), f.b.mul(j, w["own_j"]))]
        )

    def _whole(self, count: Any, step: int) -> Any:
        return self.f.b.icmp_signed("==", self.f.b.and_(count, i64(step - 1)), i64(0))

    def _sum(self, i: Any, j: Any, rows: Any, columns: Any, place: Any, step: Any, old: Any) -> None:
        """Sums up a tile; sums start at 0 or with what lies at the place."""
        f, w, g, zero = self.f, self.word, self.g, i64(0)
        units = f.b.sdiv(f.b.add(self.depth, i64(1)), i64(2)) if g.pairs else self.depth
        a_steps = [w["a_i"], w["a_k"]] if self.form.a == "direct" else [zero, zero]
        b_step = w["b_k"] if self.form.b == "direct" else zero
        start, start_row = f.b.select(old, place, self.zeros), f.b.select(old, step, zero)
        panels = [self._panel("a", i, self.i), self._panel("b", j, self.j)]
        tile = f.b.inttoptr(w["tile"], tile_type(g).as_pointer())
        f.b.call(tile, [*panels, units, rows, columns, *a_steps, b_step, start, start_row, place, step])

    def _copy(self, source: Any, source_row: Any, to: Any, to_row: Any, rows: Any, columns: Any) -> None:
        """Copies a tile's sums."""
        f, kind = self.f, vector(self.g.total, self.g.lanes)
        align = 4

        def body(r: Any, c: Any, mask: Any, count: Any) -> None:
            x = f.at(source, f.b.add(f.b.mul(r, source_row), c), kind)
            y = f.at(to, f.b.add(f.b.mul(r, to_row), c), kind)
            if mask is None:
                f.store(f.load(x, align), y, align)
            else:
                masked_store(f, masked_load(f, x, mask), y, mask)

        self.writer.rows(rows, columns, body)

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
def _until(f: Function, stop: Any) -> Iterator[tuple[Any, Callable[[Any], None]]]:
    """A loop over numbers from 0 below `stop`; gives the number and `advance(by)`, to be called last."""
    b = f.b
    head, body, done = (f.function.append_basic_block(f"until.{part}") for part in ("head", "body", "done"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    number = b.phi(I64)
    number.add_incoming(i64(0), before)
    b.cbranch(b.icmp_signed("<", number, stop), body, done)
    b.position_at_end(body)

    def advance(by: Any) -> None:
        number.add_incoming(b.add(number, by), b.block)
        b.branch(head)

    yield number, advance
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
