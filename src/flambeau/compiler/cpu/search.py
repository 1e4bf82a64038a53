"""Binary search in sorted rows: several values side by side, without a jump that depends on them."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...core import dtype as dt
from ...core.dtype import dtype
from ...core.node import numel
from ...runtime.kernels import kernel
from ..calls import Array, Plan
from ..expression import const, load, where
from ..planner import planner
from . import rows
from .emit import I64, STORED, Function, i64
from .scalar import decode, emit

_BLOCK = 64  # values a task
_ENOUGH = 2_000  # values that are worth a thread
_SIDE = 8  # values that are searched for at the same time


@planner("searchsorted")
def _searchsorted(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    (out,), (edges, values) = results, inputs
    if edges.dtype not in STORED or edges.dtype is not values.dtype:
        return False
    if numel(values.shape) == 0:
        return True
    edges, values = rows.contiguous(plan, edges), rows.contiguous(plan, values)
    width = numel(values.shape) if len(edges.shape) == 1 else values.shape[-1]
    code = kernel("search", (edges.dtype.name, attrs[0]), partial(_emit, edges.dtype, attrs[0]))
    blocks = -(-width // _BLOCK)
    words: list[Any] = [edges.address, values.address, out.address, edges.shape[-1], width, blocks]
    plan.call(code, words, numel(values.shape) // width * blocks, _ENOUGH // _BLOCK)
    return True


def _emit(d: dtype, right: bool, module: Any) -> None:
    """for each block of a row's values: for some of them at a time: halve the interval, down to one place."""
    f = Function(module, "search")
    b, element = f.b, STORED[d]
    n, width, blocks = f.word(3), f.word(4), f.word(5)
    with f.loop(f.begin, f.end, name="block") as task:
        row = b.sdiv(task, blocks)
        start = b.mul(b.srem(task, blocks), i64(_BLOCK))
        stop = f.minimum(b.add(start, i64(_BLOCK)), width)
        edges = f.at(f.pointer(0, element), b.mul(row, n))
        first = b.mul(row, width)
        even = b.add(start, b.and_(b.sub(stop, start), i64(-_SIDE)))
        for side, begin, end in ((_SIDE, start, even), (1, even, stop)):
            with f.loop(begin, end, side, name="value") as i:
                at = b.add(first, i)
                places = [b.add(at, i64(k)) for k in range(side)]
                wanted = [_read(f, d, f.at(f.pointer(1, element), place)) for place in places]
                found = _found(f, d, right, edges, n, wanted)
                for place, x in zip(places, found, strict=True):
                    f.store(x, f.at(f.pointer(2, I64), place), 8)
    f.finish()


def _read(f: Function, d: dtype, place: Any) -> Any:
    return decode(f, f.load(place, d.itemsize), d)


def _limit(f: Function, d: dtype, right: bool, value: Any) -> Any:
    """The greatest number that is before a value, so that edges need only be compared with it; infinity for
    NaN, before which are all numbers."""
    if right or not d.is_floating_point:
        return value
    wide = dt.float64 if d is dt.float64 else dt.float32
    x, whole = load(0, wide), dt.int64 if wide is dt.float64 else dt.int32
    below = (x.bits(whole) + where(x > 0.0, const(-1, whole), 1)).bits(wide)
    least = const(-(2 ** (8 * wide.itemsize - 1)) + 1, whole).bits(wide)
    limit = where(x.eq(x), where(x.eq(0.0), least, below), float("inf"))
    return emit(f, [limit], 1, lambda e: value)[0]


def _found(f: Function, d: dtype, right: bool, edges: Any, n: Any, values: list[Any]) -> list[Any]:
    """How many edges are before each value. As long as there is more than one place left, the middle edge
    tells in which half it is."""
    wanted = [_limit(f, d, right, v) for v in values]
    b = f.b
    head, body, done = (f.function.append_basic_block(f"half.{part}") for part in ("head", "body", "done"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    size, starts = b.phi(I64), [b.phi(I64) for _ in wanted]
    for phi, value in ((size, n), *((s, i64(0)) for s in starts)):
        phi.add_incoming(value, before)
    b.cbranch(b.icmp_signed(">", size, i64(0)), body, done)
    b.position_at_end(body)
    # Of `size` edges the first `size + 1 >> 1` are passed at once; the rest is never more than what is left.
    half = b.lshr(b.add(size, i64(1)), i64(1))
    for start, value in zip(starts, wanted, strict=True):
        further = b.add(start, half)
        passed = _passes(f, d, right, _read(f, d, f.at(edges, b.sub(further, i64(1)))), value)
        chosen = b.select(passed, further, start)
        chosen.set_metadata("unpredictable", f.module.add_metadata([]))  # or it would become a jump
        start.add_incoming(chosen, b.block)
    size.add_incoming(b.sub(size, half), b.block)
    b.branch(head)
    b.position_at_end(done)
    if right and d.is_floating_point:  # NaN is behind all edges
        return [b.select(b.fcmp_unordered("uno", v, v), n, s) for v, s in zip(values, starts, strict=True)]
    return list(starts)


def _passes(f: Function, d: dtype, right: bool, edge: Any, limit: Any) -> Any:
    """Whether a value lies behind an edge."""
    if d.is_floating_point:
        return f.b.fcmp_ordered("<=", edge, limit)
    return (f.b.icmp_signed if d.is_signed else f.b.icmp_unsigned)("<=" if right else "<", edge, limit)
