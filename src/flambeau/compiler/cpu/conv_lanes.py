"""Vectors with some lanes switched off, strided reads, and small matrices turned in registers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ...runtime.target import host
from .emit import I8, I32, I64, Function, i64, type_name, vector


def numbers(lanes: int) -> ir.Constant:
    """The vector 0, 1, 2, … of int32."""
    return ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))


def first(f: Function, count: Any, lanes: int) -> Any:
    """A mask that has the lanes below `count` (an int64) on."""
    return f.b.icmp_signed("<", numbers(lanes), f.splat(f.b.trunc(count, I32), lanes))


def between(f: Function, start: Any, extent: Any, lanes: int) -> Any:
    """A mask that has lane i on if 0 <= start + i < extent."""
    b = f.b
    at = b.add(f.splat(b.trunc(start, I32), lanes), numbers(lanes))
    return b.icmp_unsigned("<", at, f.splat(b.trunc(extent, I32), lanes))


def load(f: Function, pointer: Any, mask: Any) -> Any:
    """Loads the lanes that are on; the others are zero and their memory is not touched."""
    kind = vector(pointer.type.pointee, mask.type.count)
    place = f.b.bitcast(pointer, kind.as_pointer())
    return _masked(f, "load", kind, kind, place, _alignment(), mask, ir.Constant(kind, None))


def store(f: Function, value: Any, pointer: Any, mask: Any) -> None:
    """Stores the lanes that are on."""
    place = f.b.bitcast(pointer, value.type.as_pointer())
    _masked(f, "store", value.type, ir.VoidType(), value, place, _alignment(), mask)


def store_row(f: Function, value: Any, pointer: Any, mask: Any, left: Any) -> None:
    """Stores the lanes that are on, the first ones of a row, or else all, if `left` elements of the rows that
    are written in order from here on leave room for that: what is too much is overwritten by the next row.
    (Masked stores are slow.)"""
    kind = value.type
    with f.b.if_else(f.b.icmp_signed(">=", left, i64(kind.count))) as (then, otherwise):
        with then:
            f.store(value, f.at(pointer, i64(0), kind))
        with otherwise:
            store(f, value, pointer, mask)


def gather(f: Function, pointer: Any, index: Any, mask: Any) -> Any:
    """Loads elements at places `index` (in bytes) after a pointer, in the lanes that are on; the others are
    zero."""
    lanes = mask.type.count
    kind = vector(pointer.type.pointee, lanes)
    name = f"llvm.masked.gather.{type_name(kind)}.v{lanes}p0"
    return f.intrinsic(name, kind, _places(f, pointer, index), _alignment(), mask, ir.Constant(kind, None))


def scatter(f: Function, value: Any, pointer: Any, index: Any, mask: Any) -> None:
    """Stores elements at places `index` (in bytes) after a pointer, in the lanes that are on."""
    name = f"llvm.masked.scatter.{type_name(value.type)}.v{mask.type.count}p0"
    f.intrinsic(name, ir.VoidType(), value, _places(f, pointer, index), _alignment(), mask)


def _places(f: Function, pointer: Any, index: Any) -> Any:
    lanes = index.type.count
    places = f.b.add(f.splat(f.b.ptrtoint(pointer, I64), lanes), index)
    return f.b.inttoptr(places, ir.VectorType(pointer.type, lanes))


def multiples(f: Function, start: Any, step: Any, lanes: int) -> Any:
    """The vector start * step, (start + 1) * step, … of int64."""
    count = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
    return f.b.mul(f.b.add(f.splat(start, lanes), count), f.splat(step, lanes))


def _alignment() -> ir.Constant:
    return ir.Constant(I32, 1)


def _masked(f: Function, what: str, kind: Any, result: Any, *args: Any) -> Any:
    return f.intrinsic(f"llvm.masked.{what}.{type_name(kind)}.p0", result, *args)


def prefetch(f: Function, pointer: Any) -> None:
    """Tells the processor that this will be read soon."""
    how = (ir.Constant(I32, n) for n in (0, 3, 1))  # a read, of data that will be used more than once
    place = f.b.bitcast(pointer, I8.as_pointer())
    f.intrinsic("llvm.prefetch.p0", ir.VoidType(), place, *how)


def fma(f: Function, x: Any, y: Any, z: Any) -> Any:
    """x * y + z, rounded once where the processor can."""
    if host().has("fma") or host().has("neon"):
        return f.intrinsic(f"llvm.fma.{type_name(x.type)}", x.type, x, y, z)
    return f.b.fadd(f.b.fmul(x, y), z)


def turned(f: Function, rows: list[Any]) -> list[Any]:
    """A matrix, given as vectors of its rows (a power of two), column after column: R rows of L lanes become
    R vectors that hold (L, R) in order.

    Each of the log2(R) rounds interleaves the first half of the vectors with the second, which moves the top
    bit of an element's place to the bottom; after all rounds the row's number is the lower part.
    """
    lanes, half = rows[0].type.count, len(rows) // 2
    if not half:
        return rows
    low, high = ([n for i in range(lanes // 2) for n in (s + i, s + i + lanes)] for s in (0, lanes // 2))
    low, high = (ir.Constant(ir.VectorType(I32, lanes), order) for order in (low, high))
    for _ in range(len(rows).bit_length() - 1):
        pairs = list(zip(rows[:half], rows[half:], strict=True))
        rows = [f.b.shuffle_vector(x, y, order) for x, y in pairs for order in (low, high)]
    return rows


def total(f: Function, value: Any) -> Any:
    """The sum of a vector's lanes: of halves, quarters and so on."""
    count = value.type.count
    while count > 1:
        count //= 2
        parts = [ir.Constant(ir.VectorType(I32, count), list(range(s, s + count))) for s in (0, count)]
        none = ir.Constant(value.type, ir.Undefined)
        value = f.b.fadd(*(f.b.shuffle_vector(value, none, p) for p in parts))
    return f.b.extract_element(value, ir.Constant(I32, 0))
