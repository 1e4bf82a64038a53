"""The innermost part of a contraction: a tile of the result, held in registers while k runs.

A tile is `rows` times `vectors` registers of accumulators. For every k it takes one element of A for each
row, spread over a register, and `vectors` registers of B. A panel of A holds, for each k, the elements of as
many rows as the largest tile has; a panel of B those of its columns.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ...runtime.target import host
from .emit import F32, F64, I8, I32, I64, Function, i64, type_name, vector

BF16 = ir.IntType(16)


class Geometry(NamedTuple):
    """The shape of tiles for a dtype.

    element: what panels consist of; total: what sums are kept in; lanes: elements of a register; rows,
    vectors: the largest tile; pairs: an element is two bfloat16 numbers, of an even k and the next.
    """

    element: Any
    total: Any
    lanes: int
    rows: int
    vectors: int
    pairs: bool

    @property
    def columns(self) -> int:
        """Columns of the largest tile, the width of B's panels."""
        return self.lanes * self.vectors

    @property
    def low(self) -> int:
        """Rows of the lower tiles, which do what is left of the rows; a power of two."""
        return 4 if self.rows == 12 else 2

    @property
    def itemsize(self) -> int:
        """Bytes of a panel's element."""
        return 8 if self.element == F64 else 4

    def units(self, k: int) -> int:
        """Elements that an extent of k takes in a panel."""
        return (k + 1) // 2 if self.pairs else k


@cache
def geometry(d: dtype) -> Geometry:
    """The tiles for operands of a dtype on this processor: as many accumulators as its registers allow."""
    target = host()
    kind = F64 if d is dt.float64 else F32
    pairs = d is dt.bfloat16 and target.has("avx512bf16") and target.vector == 64
    rows = 12 if target.registers >= 32 else 6 if target.has("fma") else 4
    return Geometry(I32 if pairs else kind, kind, target.vector // (8 if kind == F64 else 4), rows, 2, pairs)


class Routine(Function):
    """A function inside a kernel's module, with its own arguments (`args`)."""

    def __init__(self, module: ir.Module, name: str, *arguments: Any) -> None:
        self.module = module
        self.function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), name)
        self.function.linkage = "internal"
        self.function.attributes.add("noinline")
        self.args = self.function.args
        self.entry = self.function.append_basic_block("entry")
        self.b = ir.IRBuilder(self.entry)


class Direct(NamedTuple):
    """Which operands tiles read in place: A by any two strides, B by vectors along columns."""

    a: bool = False
    b: bool = False


def multiply_add(f: Function, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once where the processor can."""
    if host().has("fma") or host().has("neon"):
        return f.intrinsic(f"llvm.fma.{type_name(z.type)}", z.type, x, y, z)
    return f.b.fadd(f.b.fmul(x, y), z)


def lane_mask(f: Function, lanes: int, count: Any) -> Any:
    """A mask of the first `count` lanes (an int64, any size)."""
    step = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    return f.b.icmp_signed("<", step, f.splat(count, lanes))


def masked_load(f: Function, pointer: Any, mask: Any, old: Any = None) -> Any:
    """The elements in the mask's lanes of the vector at `pointer`; elsewhere `old`, or 0. Touches no more."""
    kind = pointer.type.pointee
    name = f"llvm.masked.load.{type_name(kind)}.p0"
    old = ir.Constant(kind, None) if old is None else old
    known = f.module.globals.get(name)
    if known is None:
        arguments = [pointer.type, I32, mask.type, kind]
        known = ir.Function(f.module, ir.FunctionType(kind, arguments), name)
    return f.b.call(known, [pointer, ir.Constant(I32, 1), mask, old])


def masked_store(f: Function, value: Any, pointer: Any, mask: Any) -> None:
    """Stores the lanes that the mask has."""
    name = f"llvm.masked.store.{type_name(value.type)}.p0"
    known = f.module.globals.get(name)
    if known is None:
        arguments = [value.type, pointer.type, I32, mask.type]
        known = ir.Function(f.module, ir.FunctionType(ir.VoidType(), arguments), name)
    f.b.call(known, [value, pointer, ir.Constant(I32, 1), mask])


def prefetch(f: Function, place: Any, written: bool) -> None:
    """Has the cache line at a place fetched, soon to be read or written. The place need not exist."""
    flags = [ir.Constant(I32, x) for x in (int(written), 3, 1)]
    f.intrinsic("llvm.prefetch.p0", ir.VoidType(), f.b.bitcast(place, I8.as_pointer()), *flags)


def tile_type(g: Geometry) -> Any:
    """The type of the function of tiles, see `Tiles`."""
    element, total = g.element.as_pointer(), g.total.as_pointer()
    return ir.FunctionType(ir.VoidType(), [element, element, *[I64] * 6, total, I64, total, I64])


class Tiles:
    """Emits the function of all tiles, `(a, b, k, rows, columns, a_row, a_k, b_k, old, old_row, to, to_row)`.

    k, rows, columns: how many there are. a_row, a_k: A's strides, and b_k: B's, if it is read in place. old:
    the first values of the sums, in rows `old_row` apart; to: where they are written. Both are whole tiles:
    of all rows or few, and of all columns or one vector.
    """

    def __init__(self, module: ir.Module, symbol: str, g: Geometry, direct: Direct) -> None:
        kind = tile_type(g)
        tiles = {
            (rows, vectors): Tile(module, g, rows, vectors, direct, kind).f.function
            for rows in (g.rows, g.low)
            for vectors in (g.vectors, 1)
        }
        f = Routine(module, symbol, *kind.args)
        f.function.linkage = ""
        wide = f.b.icmp_signed(">", f.args[4], i64(g.lanes))
        high = f.b.icmp_signed(">", f.args[3], i64(g.low))
        tall, flat = (f.b.select(wide, tiles[rows, g.vectors], tiles[rows, 1]) for rows in (g.rows, g.low))
        f.b.call(f.b.select(high, tall, flat), f.args)
        f.finish()


class Tile:
    """Emits the function of one tile, of type `tile_type`."""

    def __init__(
        self, module: ir.Module, g: Geometry, rows: int, vectors: int, direct: Direct, kind: Any
    ) -> None:
        self.g, self.rows, self.vectors, self.direct = g, rows, vectors, direct
        self.f = f = Routine(module, f"tile{rows}x{vectors}", *kind.args)
        self.a, self.b, k, here, columns, self.a_row, self.a_k, self.b_k, old, old_row, to, to_row = f.args
        self.last = f.b.sub(here, i64(1))
        self.masks = [lane_mask(f, g.lanes, f.b.sub(columns, i64(v * g.lanes))) for v in range(vectors)]
        rows_of_a = [self._row(r) for r in range(rows)]
        start = [f.load(place, 4) for place in self._places(old, old_row)]
        self._prefetch(f.b.gep(to, [f.b.mul(to_row, i64(rows))]), to_row)
        with f.carry(0, k, 1, start, "k") as state:
            state.next = self._step(state.i, state.values, rows_of_a)
        for place, value in zip(self._places(to, to_row), state.values, strict=True):
            f.store(value, place, 4)
        f.finish()

    def _row(self, r: int) -> Any:
        """The start of a row of A; the last row there is instead of one that is not."""
        f = self.f
        if not self.direct.a:
            return f.b.gep(self.a, [i64(r)])
        return f.b.gep(self.a, [f.b.mul(f.minimum(r, self.last), self.a_row)])

    def _places(self, start: Any, step: Any) -> list[Any]:
        """Where a tile's vectors lie, in rows `step` apart."""
        f, g = self.f, self.g
        rows = [f.b.gep(start, [f.b.mul(step, i64(r))]) for r in range(self.rows)]
        kind = vector(g.total, g.lanes)
        return [f.at(row, i64(v * g.lanes), kind) for row in rows for v in range(self.vectors)]

    def _prefetch(self, start: Any, step: Any) -> None:
        """Has the rows of the tile below fetched, while this one is summed up."""
        f = self.f
        with f.loop(0, self.rows, 1, "fetch") as r:
            row = f.b.gep(start, [f.b.mul(r, step)])
            for v in range(self.vectors):
                prefetch(f, f.b.gep(row, [i64(v * self.g.lanes)]), True)

    def _step(self, k: Any, sums: list[Any], rows: list[Any]) -> list[Any]:
        """The sums with the products of one k added."""
        f, g = self.f, self.g
        at_b = f.b.mul(k, self.b_k if self.direct.b else i64(g.columns))
        at_a = f.b.mul(k, self.a_k if self.direct.a else i64(g.rows))
        kind = vector(g.element, g.lanes)
        places = [f.at(self.b, f.b.add(at_b, i64(v * g.lanes)), kind) for v in range(self.vectors)]
        if self.direct.b:
            right = [masked_load(f, place, mask) for place, mask in zip(places, self.masks, strict=True)]
        else:
            right = [f.load(place, 4) for place in places]
        result = []
        for r, row in enumerate(rows):
            left = f.splat(f.load(f.b.gep(row, [at_a]), 4), g.lanes)
            for v in range(self.vectors):
                result.append(self._product(left, right[v], sums[r * self.vectors + v]))
        return result

    def _product(self, x: Any, y: Any, sum: Any) -> Any:
        f = self.f
        if not self.g.pairs:
            return multiply_add(f, x, y, sum)
        name, kind = (
            f"llvm.x86.avx512bf16.dpbf16ps.{self.g.lanes * 32}",
            ir.VectorType(BF16, 2 * self.g.lanes),
        )
        return f.intrinsic(name, sum.type, sum, f.b.bitcast(x, kind), f.b.bitcast(y, kind))
