"""Contractions of few rows or few columns, where k is contiguous in both operands: every element of the
result is the inner product of two vectors in memory, and the time is mostly that of reading the larger
operand once.

    for each task (a block of one matrix of the batch, and a chunk of k):
        for each group of rows and columns: sums in registers along k, then added up by halves
"""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir

from .blocks import Form, Writer, batch_offsets, split
from .emit import I32, STORED, Function, i64, vector
from .microkernel import Geometry, geometry, lane_mask, masked_load, multiply_add
from .scalar import decode


class Group(NamedTuple):
    """The elements of the result that are summed up together."""

    rows: int
    columns: int


def group(m: int, n: int, g: Geometry) -> Group:
    """The group for a result of this size: at least 8 sums, so that additions don't wait for each other."""
    most = 4 if g.rows == 12 else 2
    rows, columns = (1 if x == 1 else 2 if x == 2 else most for x in (m, n))
    if rows * columns < 8:
        rows, columns = (rows, 8 // rows) if m < n else (8 // columns, columns)
    return Group(rows, min(columns, g.lanes))


class Dots:
    """Emits the kernel; its words are those of `Form`. A task is a block of `rows` and `columns` (at most
    `BLOCK`)."""

    BLOCK = 64

    def __init__(self, module: ir.Module, symbol: str, form: Form, shape: Group) -> None:
        self.form, self.shape, self.g = form, shape, geometry(form.kind)
        self.kind = vector(self.g.total, self.g.lanes)
        self.f = f = Function(module, symbol)
        self.word = {name: f.word(number) for number, name in enumerate(form.words)}
        self.writer = Writer(f, form, self.g, self.word)
        self.sums = f.local(self.g.total, shape.rows * self.BLOCK)
        with f.loop(f.begin, f.end, 1, "task") as task:
            self._task(task)
        f.finish()

    def _task(self, task: Any) -> None:
        f, w = self.f, self.word
        task, j = split(f, task, w["tasks_n"])
        task, i = split(f, task, w["tasks_m"])
        offsets, chunk = batch_offsets(f, self.form, w, task)
        moved = f.b.mul(chunk, w["chunk_out"])
        offsets["out0"] = f.b.add(offsets["out0"], moved) if "out0" in offsets else moved
        self.writer.begin(offsets)
        k = f.b.mul(chunk, w["chunk"])
        self.depth = f.minimum(w["chunk"], f.b.sub(w["k"], k))
        i, j = f.b.mul(i, w["rows"]), f.b.mul(j, w["columns"])
        rows, columns = (
            f.minimum(w[n], f.b.sub(w[m], x)) for n, m, x in (("rows", "m", i), ("columns", "n", j))
        )
        a, b = self._base("a", offsets, i, k), self._base("b", offsets, j, k)
        with f.loop(0, rows, self.shape.rows, "row") as r:
            with f.loop(0, columns, self.shape.columns, "column") as c:
                self._group(self._places(a, r, rows, "a"), self._places(b, c, columns, "b"), c)
            self.writer.write(
                self._sums, f.b.add(i, r), j, f.minimum(self.shape.rows, f.b.sub(rows, r)), columns
            )

    def _base(self, x: str, offsets: dict[str, Any], first: Any, k: Any) -> Any:
        """Where an operand's vector number `first` starts, from k."""
        f = self.f
        place = f.b.add(self.word[x], offsets[x]) if x in offsets else self.word[x]
        place = f.b.inttoptr(place, STORED[self.form.kind].as_pointer())
        return f.b.gep(place, [f.b.add(f.b.mul(first, self.word[f"{x}_i"]), k)])

    def _places(self, base: Any, first: Any, stop: Any, x: str) -> list[Any]:
        """Where the group's vectors of an operand begin; the last there is stands for those missing."""
        f = self.f
        last = f.b.sub(stop, i64(1))
        count = self.shape.rows if x == "a" else self.shape.columns
        indices = [f.minimum(f.b.add(first, i64(r)), last) for r in range(count)]
        return [f.b.gep(base, [f.b.mul(i, self.word[f"{x}_i"])]) for i in indices]

    def _group(self, left: list[Any], right: list[Any], column: Any) -> None:
        """The sums of a group, written to the buffer."""
        f, g, shape = self.f, self.g, self.shape
        zero = ir.Constant(self.kind, None)
        whole = f.b.mul(f.b.sdiv(self.depth, i64(g.lanes)), i64(g.lanes))
        with f.carry(0, whole, g.lanes, [zero] * (shape.rows * shape.columns), "k") as state:
            state.next = self._step(state.values, left, right, state.i, None)
        mask = lane_mask(f, g.lanes, f.b.sub(self.depth, whole))
        rest = f.b.icmp_signed("<", whole, self.depth)
        with f.carry(0, f.b.zext(rest, i64(0).type), 1, state.values, "rest") as state:
            state.next = self._step(state.values, left, right, whole, mask)
        for r in range(shape.rows):
            value = added_up(f, state.values[r * shape.columns : (r + 1) * shape.columns])
            place = f.at(self.sums, f.b.add(column, i64(r * self.BLOCK)), value.type)
            f.store(value, place, 4)

    def _step(self, sums: list[Any], left: list[Any], right: list[Any], k: Any, mask: Any) -> list[Any]:
        """The sums with the products of a vector of k added."""
        x, y = ([self._vector(place, k, mask) for place in places] for places in (left, right))
        pairs = [(p, q) for p in x for q in y]
        return [multiply_add(self.f, p, q, s) for (p, q), s in zip(pairs, sums, strict=True)]

    def _vector(self, place: Any, k: Any, mask: Any) -> Any:
        f, d = self.f, self.form.kind
        place = f.at(place, k, vector(STORED[d], self.g.lanes))
        return decode(f, f.load(place, d.itemsize) if mask is None else masked_load(f, place, mask), d)

    def _sums(self, r: Any, c: Any, mask: Any) -> Any:
        """A vector of a row of sums from the buffer; it is long enough for whole ones."""
        f = self.f
        return f.load(f.at(self.sums, f.b.add(f.b.mul(r, i64(self.BLOCK)), c), self.kind), 4)


def added_up(f: Function, vectors: list[Any]) -> Any:
    """A vector of the sums of the lanes of each vector. Two halves are added in every stage, of two vectors
    at once while there are two."""
    lanes = width = vectors[0].type.count
    while width > 1:
        half = width // 2
        starts = range(0, lanes, width)
        if len(vectors) > 1:
            # [x0 | x1] and [y0 | y1] become [x0 | y0] + [x1 | y1], for each block of a vector.
            n = len(vectors) // 2
            lower = [i for s in starts for v in (s, lanes + s) for i in range(v, v + half)]
            upper = [i + half for i in lower]
            vectors = [
                f.b.fadd(_shuffle(f, x, y, lower), _shuffle(f, x, y, upper))
                for x, y in zip(vectors[:n], vectors[n:], strict=True)
            ]
        else:
            lower = [i for s in starts for i in range(s, s + half)]
            x = vectors[0]
            vectors = [f.b.fadd(_shuffle(f, x, x, lower), _shuffle(f, x, x, [i + half for i in lower]))]
            lanes //= 2
        width = half
    return vectors[0]


def _shuffle(f: Function, x: Any, y: Any, lanes: list[int]) -> Any:
    return f.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(lanes)), lanes))
