"""Blocks of a transposed array, turned in registers.

Where an array's neighbours lie along another loop than the vector runs along, a block of it is read the way
it lies, turned, and put into a small buffer on the stack, from which rows are then read as from any array.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from .emit import I32, Function, i64, type_name, vector

TILE = 256  # elements of a block along the vector's loop
_PITCH = TILE + 16  # from row to row in the buffer: not a power of two, for the sake of the cache


def room(f: Function, element: Any, edge: int) -> Any:
    """The buffer of a block of `edge` rows."""
    return f.b.bitcast(f.local(element, _PITCH * edge), element.as_pointer())


def row(f: Function, buffer: Any, number: Any, first: Any) -> Any:
    """Where element 0 of a row of the buffer would be, if it holds those from `first` on."""
    return f.b.gep(buffer, [f.b.sub(f.b.mul(number, i64(_PITCH)), first)])


def fill(f: Function, buffer: Any, source: Any, step: Any, low: Any, high: Any, edge: int, rows: Any) -> None:
    """Turns `rows` (at most `edge`) rows of the elements `low` to `high` - 1. `source` is where element 0 of
    the first row is, those of the other rows follow it, and element i lies `i * step` further."""
    b = f.b
    element = source.type.pointee
    kind, mask = vector(element, edge), _first(f, rows, edge)
    last = b.sub(high, i64(1))
    with f.loop(low, high, edge, "turn") as i:
        lines = []
        for r in range(edge):
            at = b.gep(source, [b.mul(f.minimum(b.add(i, i64(r)), last), step)])
            lines.append(_read(f, b.bitcast(at, kind.as_pointer()), kind, mask))
        place = b.gep(buffer, [b.sub(i, low)])
        for r, line in enumerate(turned(f, lines)):
            f.store(line, f.at(place, i64(r * _PITCH), kind))


def _first(f: Function, count: Any, lanes: int) -> Any:
    """The first `count` lanes."""
    numbers = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
    return f.b.icmp_signed("<", numbers, f.splat(f.b.trunc(count, I32), lanes))


def _read(f: Function, pointer: Any, kind: Any, mask: Any) -> Any:
    name, size = f"llvm.masked.load.{type_name(kind)}.p0", ir.Constant(I32, 1)
    return f.intrinsic(name, kind, pointer, size, mask, ir.Constant(kind, None))


def turned(f: Function, lines: list[Any]) -> list[Any]:
    """As many vectors as each has lanes, transposed: blocks of half the size change places, then theirs."""
    half = len(lines) // 2
    lanes = ir.VectorType(I32, len(lines))
    while half:
        low = [j if not j & half else j - half + len(lines) for j in range(len(lines))]
        high = [j + half if not j & half else j + len(lines) for j in range(len(lines))]
        for i in range(len(lines)):
            if not i & half:
                a, c = lines[i], lines[i + half]
                lines[i] = f.b.shuffle_vector(a, c, ir.Constant(lanes, low))
                lines[i + half] = f.b.shuffle_vector(a, c, ir.Constant(lanes, high))
        half //= 2
    return lines
