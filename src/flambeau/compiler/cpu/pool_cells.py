"""Kernels that pool nearly equal stretches (adaptive pooling), and those that take and put elements at the
positions that a maximum gave. A task is a plane: the pooled dimensions for one index of those before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from ...core.dtype import dtype
from ...runtime.kernels import Kernel, kernel
from ...runtime.target import host
from . import conv_lanes as lane
from .emit import F32, F64, I64, STORED, Function, i64, vector
from .scalar import decode, encode


def cell_kernel(what: str, d: dtype) -> Kernel:
    """The kernel `cell_mean`, `cell_spread` (its adjoint) or `cell_max` (positions). Words: two addresses,
    the three extents, the three numbers of cells."""
    body = {"cell_mean": _mean, "cell_spread": _spread, "cell_max": _max}[what]
    return kernel(what, d.name, lambda m: body(Function(m, what), d), True)


def element_kernel(what: str, d: dtype) -> Kernel:
    """The kernel `pool_take` (words: x, index, out, elements and positions of a plane) or `pool_put`, its
    adjoint (words: y, index, out, …)."""
    body = {"pool_take": _take, "pool_put": _put}[what]
    return kernel(what, d.name, lambda m: body(Function(m, what), d), True)


@contextmanager
def _cells(f: Function, prepare: Any = None) -> Iterator[tuple[Any, Any, list[tuple[Any, Any]]]]:
    """Loops over planes and cells: the place of the plane, the number of the cell, and its three
    stretches."""
    b = f.b
    size, cells = ([f.word(2 + 3 * g + i) for i in range(3)] for g in range(2))
    volume = b.mul(b.mul(size[0], size[1]), size[2])
    with f.loop(f.begin, f.end, name="plane") as plane:
        start = b.mul(plane, volume)
        if prepare:
            prepare(start, volume)
        with (
            f.loop(0, cells[0], name="z") as z,
            f.loop(0, cells[1], name="y") as y,
            f.loop(0, cells[2], name="x") as x,
        ):
            number = b.add(b.mul(b.add(b.mul(b.add(b.mul(plane, cells[0]), z), cells[1]), y), cells[2]), x)
            stretches = []
            for i, n, m in zip((z, y, x), size, cells, strict=True):
                end = b.sdiv(b.add(b.mul(b.add(i, i64(1)), n), b.sub(m, i64(1))), m)
                stretches.append((b.sdiv(b.mul(i, n), m), end))
            yield start, number, stretches
    f.finish()


def _count(f: Function, stretches: list[tuple[Any, Any]], kind: Any) -> Any:
    total = i64(1)
    for low, high in stretches:
        total = f.b.mul(total, f.b.sub(high, low))
    return f.b.sitofp(total, kind)


@contextmanager
def _rows(f: Function, stretches: list[tuple[Any, Any]], values: list[Any]) -> Iterator[Any]:
    """Loops over a cell's rows, carrying values: the states of the outer loop (for what comes out) and the
    inner loop, and the place of the row in the plane."""
    b, height, width = f.b, f.word(3), f.word(4)
    with f.carry(*stretches[0], 1, values, "z") as deep:
        with f.carry(*stretches[1], 1, deep.values, "y") as rows:
            yield deep, rows, b.mul(b.add(b.mul(deep.i, height), rows.i), width)
        deep.next = rows.values


def _kinds(d: dtype) -> tuple[Any, int]:
    return (F64 if d.itemsize == 8 else F32), host().lanes(max(4, d.itemsize))


def _mean(f: Function, d: dtype) -> None:
    b, (element, lanes) = f.b, _kinds(d)
    zero = ir.Constant(vector(element, lanes), None)
    with _cells(f) as (plane, number, stretches):
        source, target = (f.pointer(i, STORED[d]) for i in range(2))
        low, high = stretches[2]
        with _rows(f, stretches, [zero]) as (done, rows, row):
            with f.carry(low, high, lanes, rows.values, "x") as c:
                mask = lane.first(f, b.sub(high, c.i), lanes)
                value = decode(f, lane.load(f, f.at(source, b.add(b.add(plane, row), c.i)), mask), d)
                c.next = [b.fadd(c.values[0], value)]
            rows.next = c.values
        total = lane.total(f, done.values[0])
        f.store(encode(f, b.fdiv(total, _count(f, stretches, element)), d), f.at(target, number), d.itemsize)


def _spread(f: Function, d: dtype) -> None:
    b, (element, lanes) = f.b, _kinds(d)
    source, target = (f.pointer(i, element) for i in range(2))

    def clear(start: Any, volume: Any) -> None:
        _clear(f, f.at(target, start), volume, lanes)

    with _cells(f, clear) as (plane, number, stretches):
        share = b.fdiv(f.load(f.at(source, number), d.itemsize), _count(f, stretches, element))
        low, high = stretches[2]
        with _rows(f, stretches, []) as (*_, row), f.loop(low, high, lanes, name="x") as x:
            mask = lane.first(f, b.sub(high, x), lanes)
            place = f.at(target, b.add(b.add(plane, row), x))
            lane.store(f, b.fadd(lane.load(f, place, mask), f.splat(share, lanes)), place, mask)


def _max(f: Function, d: dtype) -> None:
    b, (element, _) = f.b, _kinds(d)
    with _cells(f) as (plane, number, stretches):
        source, target = f.pointer(0, STORED[d]), f.pointer(1, I64)
        with _rows(f, stretches, [ir.Constant(element, float("-inf")), i64(-1)]) as (done, rows, row):
            with f.carry(*stretches[2], 1, rows.values, "x") as c:
                at = b.add(row, c.i)
                value = decode(f, f.load(f.at(source, b.add(plane, at)), d.itemsize), d)
                best, where = c.values
                wins = b.or_(b.fcmp_ordered(">", value, best), b.fcmp_unordered("uno", value, value))
                wins = b.or_(wins, b.icmp_signed("<", where, i64(0)))
                c.next = [b.select(wins, value, best), b.select(wins, at, where)]
            rows.next = c.values
        f.store(done.values[1], f.at(target, number), 8)


def _clear(f: Function, place: Any, count: Any, lanes: int) -> None:
    zero = ir.Constant(vector(place.type.pointee, lanes), None)
    with f.loop(0, count, lanes, name="clear") as i:
        lane.store(f, zero, f.at(place, i), lane.first(f, f.b.sub(count, i), lanes))


def _take(f: Function, d: dtype) -> None:
    b, lanes = f.b, _kinds(d)[1]
    source, index, target = f.pointer(0, STORED[d]), f.pointer(1, I64), f.pointer(2, STORED[d])
    volume, count = f.word(3), f.word(4)
    with f.loop(f.begin, f.end, name="plane") as plane:
        here, first = f.at(source, b.mul(plane, volume)), b.mul(plane, count)
        with f.loop(0, count, lanes, name="i") as i:
            mask = lane.first(f, b.sub(count, i), lanes)
            at = b.add(first, i)
            places = lane.load(f, f.at(index, at), mask)
            size = ir.Constant(places.type, [d.itemsize] * lanes)
            lane.store(f, lane.gather(f, here, b.mul(places, size), mask), f.at(target, at), mask)
    f.finish()


def _put(f: Function, d: dtype) -> None:
    b, (element, lanes) = f.b, _kinds(d)
    source, index, target = f.pointer(0, element), f.pointer(1, I64), f.pointer(2, element)
    volume, count = f.word(3), f.word(4)
    with f.loop(f.begin, f.end, name="plane") as plane:
        here, first = f.at(target, b.mul(plane, volume)), b.mul(plane, count)
        _clear(f, here, volume, lanes)
        with f.loop(0, count, name="i") as i:
            at = b.add(first, i)
            place = f.at(here, f.load(f.at(index, at), 8))
            f.store(
                b.fadd(f.load(place, d.itemsize), f.load(f.at(source, at), d.itemsize)), place, d.itemsize
            )
    f.finish()
