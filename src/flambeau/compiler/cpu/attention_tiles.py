"""What the kernels of attention are made of: tiles of queries and keys, packed, multiplied and turned around.

Everywhere the vectors run along queries or along the last dimension of rows, and one element of the other
factor is spread over a vector: then neither keys nor values need turning around, the maxima and sums of
softmax have one lane a query, and all five products of the backward pass are the same loop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ...runtime.calls import Word
from ...runtime.target import host
from ..calls import Array
from ..expression import Expr, load
from .emit import F32, F64, I32, I64, STORED, Function, i64, vector
from .microkernel import Routine, lane_mask, masked_load, masked_store, multiply_add
from .scalar import decode, emit, encode

INF = float("inf")
AHEAD = 16  # rows that are asked for before they are read: they lie too far apart to be foreseen
WORK = 4_000_000  # operations that are worth a thread


class Geometry(NamedTuple):
    """The tiles for a dtype that is computed in: `rows` times `vectors` registers of `lanes` elements."""

    d: dtype
    lanes: int
    rows: int
    vectors: int

    @property
    def strip(self) -> int:
        """Queries side by side in a tile."""
        return self.lanes * self.vectors

    def padded(self, columns: int) -> int:
        """Columns of a packed row: whole vectors, and whole tiles when they become rows."""
        unit = max(self.lanes, self.rows)
        return -(-columns // unit) * unit


@cache
def geometry(d: dtype) -> Geometry:
    """The tiles for operands of a dtype on this processor: as many accumulators as its registers allow."""
    wide = dt.float64 if d is dt.float64 else dt.float32
    lanes = host().lanes(wide.itemsize)
    return Geometry(wide, lanes, *((8, 2) if host().registers >= 32 else (4, 2)))


class Shape(NamedTuple):
    """What the code of a kernel depends on.

    d: the operands' dtype; columns, values: columns of packed keys and values; tails: whether there are fewer
    in memory; units: which operands have contiguous rows; dims: how many leading dimensions there are; mask:
    its dtype; across: whether it is the same for all queries; split: whether tasks share heads.
    """

    d: dtype
    columns: int
    values: int
    tails: tuple[bool, bool]
    units: tuple[bool, ...]
    dims: int
    causal: bool
    mask: dtype | None
    across: bool
    split: bool = False

    def key(self) -> tuple[Any, ...]:
        """The same without objects."""
        return tuple(x.name if isinstance(x, dtype) else x for x in self)


class Operand(NamedTuple):
    """Matrices in memory: the dtype of what is stored, whether rows are contiguous, the first element, and
    the strides of rows and columns."""

    d: dtype
    unit: bool
    pointer: Any
    row: Any
    column: Any


class _Turn(Routine):
    """Turns a square of elements around: `(source, elements between its rows, to, elements between its)`."""

    def __init__(self, module: ir.Module, g: Geometry) -> None:
        real = F64 if g.d is dt.float64 else F32
        super().__init__(module, "turn", real.as_pointer(), I64, real.as_pointer(), I64)
        b, lanes, kind = self.b, g.lanes, vector(real, g.lanes)
        source, source_step, to, to_step = self.args
        rows = [
            self.load(self.at(source, b.mul(i64(i), source_step), kind), g.d.itemsize) for i in range(lanes)
        ]
        for i, row in enumerate(self.turned(rows)):
            self.store(row, self.at(to, b.mul(i64(i), to_step), kind), g.d.itemsize)
        self.finish()

    def turned(self, rows: list[Any]) -> list[Any]:
        """Swaps the two halves off the diagonal of squares of 2, 4, 8, … elements."""
        lanes, s = len(rows), 1
        rows = list(rows)
        while s < lanes:
            low = [lanes + j - s if j & s else j for j in range(lanes)]
            high = [lanes + j if j & s else j + s for j in range(lanes)]
            for i in (i for i in range(lanes) if not i & s):
                x, y = rows[i], rows[i + s]
                for place, order in ((i, low), (i + s, high)):
                    rows[place] = self.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, lanes), order))
            s *= 2
        return rows


class Tiles(Function):
    """A kernel that works on tiles; its words have names."""

    def __init__(self, module: ir.Module, symbol: str, g: Geometry, names: tuple[str, ...]) -> None:
        super().__init__(module, symbol)
        self.g, self.names = g, names
        self.real = F64 if g.d is dt.float64 else F32
        self.kind = vector(self.real, g.lanes)
        self.square = self.local(self.real, g.lanes * g.lanes)
        self.turner: Any = None

    def named(self, name: str) -> Any:
        """A word as an int64."""
        return self.word(self.names.index(name))

    def place(self, name: str, d: dtype) -> Any:
        """A word as a pointer to stored elements."""
        return self.pointer(self.names.index(name), STORED[d])

    def number(self, value: float) -> Any:
        """A vector with a constant in all lanes."""
        return ir.Constant(self.kind, [value] * self.g.lanes)

    def applied(self, f: Callable[..., Expr], *args: Any) -> Any:
        """A function of the scalar language, of vectors."""
        leaves = [load(i, self.g.d) for i in range(len(args))]
        (value,) = emit(self, [f(*leaves)], self.g.lanes, lambda e: args[e.data])
        return value

    def vector_at(self, pointer: Any, index: Any) -> Any:
        """The vector `index` elements after a pointer to packed elements."""
        return self.load(self.at(pointer, index, self.kind), self.g.d.itemsize)

    def put(self, value: Any, pointer: Any, index: Any) -> None:
        """Stores a vector of packed elements."""
        self.store(value, self.at(pointer, index, self.kind), self.g.d.itemsize)

    def largest(self, x: Any, y: Any) -> Any:
        """The greater of two vectors; `y` if one is NaN."""
        return self.b.select(self.b.fcmp_ordered(">", x, y), x, y)

    def maximum(self, x: Any, y: Any) -> Any:
        """The greater of two int64 values."""
        x, y = self.whole(x), self.whole(y)
        return self.b.select(self.b.icmp_signed(">", x, y), x, y)

    def whole(self, value: Any) -> Any:
        """An int as an int64 value."""
        return i64(value) if isinstance(value, int) else value

    def clear(self, pointer: Any, count: Any) -> None:
        """Sets packed elements, whole vectors of them, to zero."""
        with self.loop(0, count, self.g.lanes) as i:
            self.put(ir.Constant(self.kind, None), pointer, i)

    def prefetch(self, pointer: Any) -> None:
        """Asks for the cache line of an element to be read soon."""
        known = self.module.globals.get("llvm.prefetch.p0")
        if known is None:
            kinds = [pointer.type, I32, I32, I32]
            known = ir.Function(self.module, ir.FunctionType(ir.VoidType(), kinds), "llvm.prefetch.p0")
        self.b.call(known, [pointer, ir.Constant(I32, 0), ir.Constant(I32, 3), ir.Constant(I32, 1)])

    # ----- the product -----

    def product(
        self, a: Any, steps: tuple[int, int], b: Any, step: int, span: tuple[Any, Any], sums: list[Any]
    ) -> list[Any]:
        """Sums, a row of registers after the other, with a[r, i] * b[i, :] added for all i in a span.

        `steps` are the strides of a's rows and of i in it, `step` that of i in b.
        """
        bld, lanes = self.b, self.g.lanes
        vectors = len(sums) // self.g.rows
        with self.carry(*span, 1, sums, "k") as state:
            at_a = bld.gep(a, [bld.mul(state.i, i64(steps[1]))])
            at_b = bld.gep(b, [bld.mul(state.i, i64(step))])
            right = [self.vector_at(at_b, i64(v * lanes)) for v in range(vectors)]
            state.next = []
            for r in range(self.g.rows):
                left = self.splat(self.load(bld.gep(at_a, [i64(r * steps[0])]), self.g.d.itemsize), lanes)
                for v in range(vectors):
                    state.next.append(multiply_add(self, left, right[v], state.values[r * vectors + v]))
        found: list[Any] = state.values
        return found

    def zeros(self, vectors: int) -> list[Any]:
        """A tile of zeros."""
        return [ir.Constant(self.kind, None)] * (self.g.rows * vectors)

    def tile(self, pointer: Any, stride: int, vectors: range) -> list[Any]:
        """The places of some vectors of a tile, whose rows are `stride` elements apart."""
        return [
            self.at(pointer, i64(r * stride + v * self.g.lanes), self.kind)
            for r in range(self.g.rows)
            for v in vectors
        ]

    # ----- operands -----

    def read(self, x: Operand, row: Any, column: Any, count: Any = None) -> Any:
        """A vector of a row's elements from a column on, in the dtype that is computed in; no more than
        `count` of them are there."""
        b, lanes, element = self.b, self.g.lanes, STORED[x.d]
        first = b.gep(x.pointer, [b.add(b.mul(row, x.row), b.mul(column, x.column))])
        if x.unit:
            place = b.bitcast(first, vector(element, lanes).as_pointer())
            full = count is None
            raw = (
                self.load(place, x.d.itemsize)
                if full
                else masked_load(self, place, lane_mask(self, lanes, count))
            )
        else:
            raw = ir.Constant(vector(element, lanes), ir.Undefined)
            for lane in range(lanes):
                at = i64(lane) if count is None else self.minimum(lane, b.sub(count, i64(1)))
                one = self.load(b.gep(first, [b.mul(at, x.column)]), x.d.itemsize)
                raw = b.insert_element(raw, one, ir.Constant(I32, lane))
        value = decode(self, raw, x.d, lanes)
        if x.d is dt.bool_:
            return b.select(value, self.number(0.0), self.number(-INF))
        return value if value.type == self.kind else b.fpext(value, self.kind)

    def write(self, value: Any, d: dtype, pointer: Any, index: Any, count: Any = None) -> None:
        """Stores a vector, or `count` elements of it, as elements of a dtype."""
        raw = encode(self, value, d, self.g.lanes)
        place = self.at(pointer, index, raw.type)
        if count is None:
            self.store(raw, place, d.itemsize)
        else:
            masked_store(self, raw, place, lane_mask(self, self.g.lanes, count))

    def turn(self, source: Any, source_step: Any, to: Any, to_step: Any) -> None:
        """Writes the columns of a square of packed elements, `lanes` wide, as rows."""
        if self.turner is None:
            self.turner = _Turn(self.module, self.g).function
        self.b.call(self.turner, [source, source_step, to, to_step])

    def chunks(self, columns: Any, body: Callable[[Any, Any], None]) -> None:
        """Calls `body(first column, columns left, or None if there is a whole vector)` for all columns; an
        int says that these are whole vectors."""
        with self.loop(0, columns, self.g.lanes, "column") as c:
            body(c, None if isinstance(columns, int) else self.b.sub(columns, c))

    def pack_turned(
        self, x: Operand, row: Any, last: Any, columns: Any, to: Any, vectors: int, factor: Any = None
    ) -> None:
        """Packs `vectors` registers of rows, the last one there is instead of those that are not, so that
        `to` holds one column after the other."""
        b, lanes = self.b, self.g.lanes
        width = i64(vectors * lanes)

        def body(column: Any, count: Any) -> None:
            with self.loop(0, width, lanes, "first") as first:
                with self.loop(0, lanes, 1, "lane") as lane:
                    place = self.minimum(b.add(row, b.add(first, lane)), last)
                    value = self.read(x, place, column, count)
                    value = value if factor is None else b.fmul(value, factor)
                    self.put(value, self.square, b.mul(lane, i64(lanes)))
                self.turn(self.square, i64(lanes), b.gep(to, [b.add(b.mul(column, width), first)]), width)

        self.chunks(columns, body)

    def unpack_turned(
        self, packed: Any, vectors: int, factors: Any, to: tuple[dtype, Any], columns: Any, rows: Any
    ) -> None:
        """Writes what `pack_turned` would have packed as `rows` contiguous rows, times factors: a packed one
        for each row, or a vector."""
        b, lanes = self.b, self.g.lanes
        width, (d, pointer) = i64(vectors * lanes), to

        def body(column: Any, count: Any) -> None:
            with self.loop(0, self.minimum(rows, width), lanes, "first") as first:
                source = b.gep(packed, [b.add(b.mul(column, width), first)])
                self.turn(source, width, self.square, i64(lanes))
                with self.loop(0, self.minimum(b.sub(rows, first), lanes), 1, "lane") as lane:
                    value, row = self.vector_at(self.square, b.mul(lane, i64(lanes))), b.add(first, lane)
                    factor = factors
                    if isinstance(factors.type, ir.PointerType):
                        factor = self.splat(self.load(b.gep(factors, [row]), self.g.d.itemsize), lanes)
                    at = b.add(b.mul(row, self.whole(columns)), column)
                    self.write(b.fmul(value, factor), d, pointer, at, count)

        self.chunks(columns, body)

    def pack_rows(
        self, x: Operand, row: Any, count: Any, columns: Any, to: Any, stride: int, factor: Any = None
    ) -> None:
        """Copies `count` rows, and adds rows of zeros up to a multiple of a tile's rows."""
        b = self.b
        with self.loop(0, count) as r:
            place = b.add(row, r)
            ahead = b.gep(x.pointer, [b.mul(b.add(place, i64(AHEAD)), x.row)])

            def body(column: Any, some: Any) -> None:
                value = self.read(x, place, column, some)
                self.prefetch(b.gep(ahead, [b.mul(column, x.column)]))
                value = value if factor is None else b.fmul(value, factor)
                self.put(value, to, b.add(b.mul(r, i64(stride)), column))

            self.chunks(columns, body)
        full = self.rounded(count)
        self.clear(b.gep(to, [b.mul(count, i64(stride))]), b.mul(b.sub(full, count), i64(stride)))

    def rounded(self, count: Any) -> Any:
        """A number of rows rounded up to whole tiles."""
        b, rows = self.b, self.g.rows
        return b.mul(b.sdiv(b.add(count, i64(rows - 1)), i64(rows)), i64(rows))


class AttentionKernel(Tiles):
    """A kernel of a given shape whose threads have memory of their own, in parts of so many elements."""

    def __init__(
        self, module: ir.Module, symbol: str, names: tuple[str, ...], s: Shape, parts: dict[str, int]
    ) -> None:
        super().__init__(module, symbol, geometry(s.d), names)
        self.s, b = s, self.b
        self.columns = self.named("columns") if s.tails[0] else s.columns
        self.values = self.named("values") if s.tails[1] else s.values
        self.step = {"k": s.columns, "v": s.values}
        self.parts: dict[str, Any] = {}
        if parts:
            base = b.gep(self.place("scratch", self.g.d), [b.mul(self.thread, i64(total(parts)))])
            for name, n in parts.items():
                self.parts[name], base = base, b.gep(base, [i64(aligned(n))])
            scale = self.load(self.place("scale", self.g.d), self.g.d.itemsize)
            self.scale = self.splat(scale, self.g.lanes)
            self.queries, self.keys = self.named("queries"), self.named("keys")

    def part(self, name: str, index: Any = 0) -> Any:
        """A place in the thread's memory."""
        return self.b.gep(self.parts[name], [self.whole(index)])

    def operands(self, head: Any, names: tuple[str, ...]) -> dict[str, Operand]:
        """A head's matrices, by name; the last is the mask, if there is one."""
        b, s, found = self.b, self.s, {}
        at: list[Any] = []
        for i in reversed(range(s.dims)):
            extent = self.named(f"extent{i}") if i else None
            at.insert(0, head if extent is None else b.srem(head, extent))
            head = head if extent is None else b.sdiv(head, extent)
        for name, is_unit in zip(names, s.units, strict=False):
            d = {"mask": s.mask, "lse": self.g.d, "delta": self.g.d}.get(name) or s.d
            pointer = self.place(name, d)
            for i, index in enumerate(at):
                pointer = b.gep(pointer, [b.mul(index, self.named(f"{name}.step{i}"))])
            column = i64(1) if is_unit else self.named(f"{name}.column")
            found[name] = Operand(d, is_unit, pointer, self.named(f"{name}.row"), column)
        return found

    def spans(self, query: Any, key: Any, seen: Any) -> list[tuple[Any, Any, range]]:
        """The keys from `key` on that a strip of queries sees: first, end, and the registers whose queries
        see some of them. If causal, the last queries alone see the last keys."""
        b, g = self.b, self.g
        every = range(g.vectors)
        if not self.s.causal:
            return [(i64(0), seen, every)]
        last = b.sub(b.add(query, i64((g.vectors - 1) * g.lanes)), key)
        full = self.minimum(self.rounded(self.maximum(last, 0)), seen)
        return [(i64(0), full, every), (full, seen, every[-1:])]

    def add_spans(
        self,
        a: Any,
        steps: tuple[int, int],
        b: Any,
        step: int,
        spans: list[tuple[Any, Any, range]],
        to: Any,
        factors: list[Any] | None = None,
    ) -> None:
        """Adds products over spans of keys to a tile in memory, after multiplying it by factors."""
        g, count = self.g, self.g.vectors
        tile = self.tile(to, g.strip, range(count))
        sums = [self.load(p, g.d.itemsize) for p in tile]
        if factors:
            sums = [self.b.fmul(x, factors[n % count]) for n, x in enumerate(sums)]
        for start, end, vectors in spans:
            own = [n for n in range(len(sums)) if n % count in vectors]
            right = self.b.gep(b, [i64(vectors[0] * g.lanes)])
            more = self.product(a, steps, right, step, (start, end), [sums[n] for n in own])
            for n, x in zip(own, more, strict=True):
                sums[n] = x
        for value, place in zip(sums, tile, strict=True):
            self.store(value, place, g.d.itemsize)

    def pack_mask(self, mask: Operand, query: Any, block: Any, count: Any) -> None:
        """Packs what is added to the scores of a strip of queries, one key after the other."""
        b, lanes, strip, to = self.b, self.g.lanes, i64(self.g.strip), self.part("mask")
        mask = mask._replace(pointer=b.gep(mask.pointer, [b.mul(block, mask.column)]))
        if not self.s.across:
            self.pack_turned(mask, query, b.sub(self.queries, i64(1)), count, to, self.g.vectors)
            return

        def body(key: Any, left: Any) -> None:
            self.put(self.read(mask, i64(0), key, left), self.square, i64(0))
            with self.loop(0, lanes, 1, "lane") as lane:
                value = self.splat(self.load(b.gep(self.square, [lane]), self.g.d.itemsize), lanes)
                for v in range(self.g.vectors):
                    self.put(value, to, b.add(b.mul(b.add(key, lane), strip), i64(v * lanes)))

        self.chunks(count, body)

    def hide(self, place: Any, stride: int, query: Any, key: Any, end: Any, value: float) -> None:
        """Sets to `value` what no query of a tile sees: keys after the query's own, if causal, and those from
        `end` on. Rows of the tile are keys from `key` on, columns are queries from `query` on."""
        b, g, causal = self.b, self.g, self.s.causal
        edge = b.icmp_signed(">", b.add(key, i64(g.rows)), end)
        if causal:
            edge = b.or_(edge, b.icmp_signed(">", b.add(key, i64(g.rows - 1)), query))
        kind = ir.VectorType(I32, g.lanes)
        with self.when(edge), self.loop(0, g.rows, 1, "row") as row:
            this = b.add(key, row)
            least = b.sub(this, query) if causal else i64(-1)
            least = b.select(b.icmp_signed("<", this, end), least, i64(1 << 20))
            bound = self.splat(b.trunc(least, I32), g.lanes)
            for v in range(g.vectors):
                lanes = ir.Constant(kind, [v * g.lanes + i for i in range(g.lanes)])
                at = b.add(b.mul(row, i64(stride)), i64(v * g.lanes))
                seen = b.icmp_signed(">=", lanes, bound)
                self.put(b.select(seen, self.vector_at(place, at), self.number(value)), place, at)


# ----- words -----


def batches(
    arrays: dict[str, Array], batch: tuple[int, ...]
) -> tuple[tuple[int, ...], dict[str, tuple[int, ...]]]:
    """The leading dimensions, as few as possible, and each array's strides in them (0 where it is broadcast).

    The arrays' last two dimensions are matrices.
    """
    strides = {}
    for name, x in arrays.items():
        missing = len(batch) - (len(x.shape) - 2)
        own = [s if n > 1 else 0 for n, s in zip(x.shape[:-2], x.strides, strict=False)]
        strides[name] = [0] * missing + own
    extents: list[int] = []
    kept: dict[str, list[int]] = {name: [] for name in arrays}
    for i, n in enumerate(batch):
        if n == 1:
            continue
        if extents and all(kept[name][-1] == strides[name][i] * n for name in arrays):
            extents[-1] *= n
            for name in arrays:
                kept[name][-1] = strides[name][i]
            continue
        extents.append(n)
        for name in arrays:
            kept[name].append(strides[name][i])
    return tuple(extents), {name: tuple(s) for name, s in kept.items()}


def described(
    operands: dict[str, Array], batch: tuple[int, ...], causal: bool, split: bool = False
) -> tuple[Shape, dict[str, Word]]:
    """What a kernel depends on, and the words that say where its operands lie."""
    q, k, v, mask = operands["q"], operands["k"], operands["v"], operands.get("mask")
    g, (extents, steps) = geometry(q.dtype), batches(operands, batch)
    columns, values = g.padded(q.shape[-1]), g.padded(v.shape[-1])
    shape = Shape(
        q.dtype,
        columns,
        values,
        (columns != q.shape[-1], values != v.shape[-1]),
        tuple(x.strides[-1] == 1 or x.shape[-1] == 1 for x in operands.values()),
        len(extents),
        causal,
        mask and mask.dtype,
        mask is not None and mask.strides[-2] == 0,
        split,
    )
    words: dict[str, Word] = {"queries": q.shape[-2], "keys": k.shape[-2]}
    words |= {"columns": q.shape[-1], "values": v.shape[-1]}
    words |= {f"extent{i}": n for i, n in enumerate(extents)}
    for name, x in operands.items():
        words |= operand_words(name, x, steps[name])
    return shape, words


def operand_words(name: str, x: Array, steps: tuple[int, ...]) -> dict[str, Word]:
    """The words that say where an operand's matrices lie."""
    row, column = (s if n > 1 else 0 for n, s in zip(x.shape[-2:], x.strides[-2:], strict=True))
    words: dict[str, Word] = {name: x.address, f"{name}.row": row, f"{name}.column": column}
    return words | {f"{name}.step{i}": s for i, s in enumerate(steps)}


def spread_mask(mask: Array, queries: int, keys: int) -> Array:
    """The mask with the scores' last two extents."""
    missing = max(2 - len(mask.shape), 0)
    shape, strides = (1,) * missing + mask.shape, (0,) * missing + mask.strides
    own = tuple(s if n > 1 else 0 for n, s in zip(shape[-2:], strides[-2:], strict=True))
    return mask._replace(shape=(*shape[:-2], queries, keys), strides=(*strides[:-2], *own))


def aligned(n: int) -> int:
    """A number of elements rounded up, so that what follows begins a cache line."""
    return -(-n // 64) * 64


def total(parts: dict[str, int]) -> int:
    """Elements of all parts."""
    return sum(map(aligned, parts.values()))
