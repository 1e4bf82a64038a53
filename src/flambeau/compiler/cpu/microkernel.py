"""The innermost part of a contraction: a tile of the result, held in registers while k runs.

A tile is `rows` times `vectors` registers of accumulators. For every k it takes one element of A for each
row, spread over a register, and `vectors` registers of B. A panel of A holds, for each k, the elements of as
many rows as the largest tile has; a panel of B those of its columns.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ...runtime.target import host
from .emit import F32, F64, I8, I32, I64, Function, i64, type_name, vector

BF16, BYTES = ir.IntType(16), I8.as_pointer()


class Geometry(NamedTuple):
    """The shape of tiles for a dtype.

    element: what panels consist of; total: what sums are kept in; lanes: elements of a register; rows,
    vectors: the largest tile; low: rows of the lower tiles, which do what is left of the rows, a power of
    two; pairs: an element is two bfloat16 numbers, of an even k and the next.
    """

    element: Any
    total: Any
    lanes: int
    rows: int
    vectors: int
    low: int
    pairs: bool

    @property
    def columns(self) -> int:
        """Columns of the largest tile, the width of B's panels."""
        return self.lanes * self.vectors

    @property
    def itemsize(self) -> int:
        """Bytes of a panel's element."""
        return 8 if self.element == F64 else 4

    @property
    def flat(self) -> Geometry:
        """Tiles with few rows and as many accumulators."""
        return self._replace(rows=self.low, vectors=self.rows * self.vectors // self.low)

    def units(self, k: int) -> int:
        """Elements that an extent of k takes in a panel."""
        return (k + 1) // 2 if self.pairs else k


@cache
def geometry(d: dtype) -> Geometry:
    """The tiles for operands of a dtype on this processor: as many accumulators as its registers allow."""
    target = host()
    kind = F64 if d is dt.float64 else F32
    pairs = d is dt.bfloat16 and target.has("avx512bf16") and target.vector == 64
    rows, low = (12, 4) if target.registers >= 32 else (6, 2) if target.has("fma") else (4, 2)
    lanes = target.vector // (8 if kind == F64 else 4)
    return Geometry(I32 if pairs else kind, kind, lanes, rows, 2, low, pairs)


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


def pair_products(f: Function, x: Any, y: Any, z: Any) -> Any:
    """z plus both products of each pair of bfloat16 numbers in x and y."""
    lanes = z.type.count
    kind = ir.VectorType(BF16, 2 * lanes)
    name = f"llvm.x86.avx512bf16.dpbf16ps.{lanes * 32}"
    return f.intrinsic(name, z.type, z, f.b.bitcast(x, kind), f.b.bitcast(y, kind))


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
    total = g.total.as_pointer()
    return ir.FunctionType(ir.VoidType(), [BYTES, BYTES, *[I64] * 6, total, I64, total, I64])


class Tiles:
    """Emits the function of all tiles, `(a, b, k, rows, columns, a_row, a_k, b_k, old, old_row, to, to_row)`.

    k, rows, columns: how many there are; rows are all of the largest tile, or at most `low`. a_row, a_k: A's
    strides, and b_k: B's, if it is read in place. old: the first values of the sums, in rows `old_row` apart;
    to: where they are written.
    """

    def __init__(self, module: ir.Module, symbol: str, g: Geometry, direct: Direct) -> None:
        kind = tile_type(g)
        f = Routine(module, symbol, *kind.args)
        f.function.linkage = ""
        b, (rows, columns), chosen = f.b, f.args[3:5], None
        widths = sorted({0, 1, (g.vectors + 1) // 2, g.vectors})
        for height in sorted({g.rows, g.low}, reverse=True):
            for full, width in reversed(list(pairwise(widths))):
                tile = Tile(module, g, height, (full, width), direct, kind).f.function
                fits = b.icmp_signed("<=", columns, i64(width * g.lanes))
                if height < g.rows:
                    fits = b.and_(fits, b.icmp_signed("<=", rows, i64(height)))
                chosen = tile if chosen is None else b.select(fits, tile, chosen)
        b.call(chosen, f.args, tail="tail")
        f.finish()


class Tile:
    """Emits the function of one tile, of type `tile_type`. `vectors`: how many of each row are whole, and how
    many there are."""

    def __init__(
        self, module: ir.Module, g: Geometry, rows: int, vectors: tuple[int, int], direct: Direct, kind: Any
    ) -> None:
        self.g, self.rows, (full, self.vectors), self.direct = g, rows, vectors, direct
        self.f = f = Routine(module, f"tile{rows}x{self.vectors}", *kind.args)
        a, b, k, here, self.columns, self.a_row, self.a_k, self.b_k, old, old_row, to, to_row = f.args
        self.a, self.b = (f.b.bitcast(x, g.element.as_pointer()) for x in (a, b))
        self.last = f.b.sub(here, i64(1))
        rest = [f.b.sub(self.columns, i64(v * g.lanes)) for v in range(self.vectors)]
        self.masks = [lane_mask(f, g.lanes, n) if v >= full else None for v, n in enumerate(rest)]
        rows_of_a = [
            self._row(self.a, r, self.a_row) if direct.a else f.b.gep(self.a, [i64(r)]) for r in range(rows)
        ]
        below = f.b.gep(to, [f.b.mul(to_row, i64(rows))])
        sums = self._sums(k, self._first(old, old_row), rows_of_a, below, to_row)
        self._finish(sums, to, to_row)
        f.finish()

    def _row(self, start: Any, r: int, step: Any) -> Any:
        """The start of a row; in lower tiles the last row there is instead of one that is not."""
        f, low = self.f, self.rows == self.g.low
        return f.b.gep(start, [f.b.mul(f.minimum(r, self.last) if low else i64(r), step)])

    def _vector(self, start: Any, v: int, kind: Any) -> Any:
        """Vector `v` of a row; 0 in columns that are not there."""
        f = self.f
        place, mask = f.at(start, i64(v * self.g.lanes), vector(kind, self.g.lanes)), self.masks[v]
        return f.load(place, 4) if mask is None else masked_load(f, place, mask)

    def _first(self, start: Any, step: Any) -> list[Any]:
        """The sums at first."""
        rows = [self._row(start, r, step) for r in range(self.rows)]
        return [self._vector(row, v, self.g.total) for row in rows for v in range(self.vectors)]

    def _finish(self, sums: list[Any], start: Any, step: Any) -> None:
        """Writes the sums."""
        f, g = self.f, self.g
        for r in range(self.rows):
            with (
                f.when(f.b.icmp_signed("<=", i64(r), self.last))
                if r and self.rows == g.low
                else nullcontext()
            ):
                row = f.b.gep(start, [f.b.mul(step, i64(r))])
                for v, mask in enumerate(self.masks):
                    value = sums[r * self.vectors + v]
                    place = f.at(row, i64(v * g.lanes), value.type)
                    if mask is None:
                        f.store(value, place, 4)
                    else:
                        masked_store(f, value, place, mask)

    def _sums(self, k: Any, start: list[Any], rows: list[Any], below: Any, step: Any) -> list[Any]:
        """The sums over k. Meanwhile the rows of the tile below, `step` apart, are fetched, one in each part
        of k: all at once would keep what is needed now waiting. A short k is not worth it."""
        f = self.f
        short = f.b.icmp_signed("<", k, i64(4 * self.rows))
        part = f.b.select(short, k, f.b.sdiv(f.b.add(k, i64(self.rows - 1)), i64(self.rows)))
        with f.carry(0, k, part, [below, *start], "part") as outer:
            row, *sums = outer.values
            for v in range(self.vectors):
                prefetch(f, f.b.gep(row, [i64(v * self.g.lanes)]), True)
            with f.carry(outer.i, f.minimum(k, f.b.add(outer.i, part)), 1, sums, "k") as inner:
                inner.next = self._step(inner.i, inner.values, rows)
            outer.next = [f.b.gep(row, [step]), *inner.values]
        return outer.values[1:]

    def _step(self, k: Any, sums: list[Any], rows: list[Any]) -> list[Any]:
        """The sums with the products of one k added."""
        f, g = self.f, self.g
        at_b = f.b.mul(k, self.b_k if self.direct.b else i64(g.columns))
        at_a = f.b.mul(k, self.a_k if self.direct.a else i64(g.rows))
        start = f.b.gep(self.b, [at_b])
        if self.direct.b:
            right = [self._vector(start, v, g.element) for v in range(self.vectors)]
        else:
            kind = vector(g.element, g.lanes)
            right = [f.load(f.at(start, i64(v * g.lanes), kind), 4) for v in range(self.vectors)]
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
        return pair_products(f, x, y, sum)
