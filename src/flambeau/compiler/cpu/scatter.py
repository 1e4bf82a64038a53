"""Writing at positions that are data: index_put, scatter and their adding variants.

What is written to is first copied into the result. Then one kernel goes through the source row by row, in
order, so that sums are the same every time; threads share out the columns.
"""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from ...core import dtype as dt
from ...core.node import numel
from ...runtime.calls import Word
from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Array, Plan
from ..expression import Expr, counter, load, where
from ..nest import Nest, Phase, Store
from ..planner import planner
from .emit import I64, STORED, Function, i64, vector
from .nest import plan_nest
from .scalar import decode, encode

_BLOCK = 64  # columns a task
_ENOUGH = 20_000  # elements that are worth a thread


@planner("index_put")
def _index_put(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    (out,), (x, src, *indices), (dims, accumulate) = results, inputs, attrs
    if (
        dims != tuple(range(len(dims)))
        or out.dtype not in STORED
        or any(i.dtype is dt.bool_ for i in indices)
    ):
        return False
    picked = _broadcast(tuple(i.shape for i in indices))
    rest = out.shape[len(dims) :]
    if numel(out.shape) == 0:
        return True
    _copy(plan, x, out)
    if numel(picked) == 0:
        return True
    terms = [(_stretched(i, picked), out.strides[d], out.shape[d]) for d, i in enumerate(indices)]
    places = _places(plan, picked, terms, ())
    source = _contiguous(plan, _stretched(src, (*picked, *rest)))
    _scatter(plan, out, source, places, prod(picked), prod(rest), accumulate)
    return True


def _along(
    add: bool, plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    """Both kinds of scatter along a dimension; without repeats and with, the last one of equals counts."""
    (out,), (x, index, src), (dim,) = results, inputs, attrs
    if len(out.shape) == 0 or out.dtype not in STORED:
        return False
    if numel(out.shape) == 0:
        return True
    _copy(plan, x, out)
    if numel(index.shape) == 0:
        return True
    own = tuple(0 if d == dim else s for d, s in enumerate(out.strides))
    places = _places(plan, index.shape, [(index, out.strides[dim], out.shape[dim])], own)
    source = _contiguous(plan, src._replace(shape=index.shape))
    _scatter(plan, out, source, places, numel(index.shape), 1, add)
    return True


planner("scatter")(partial(_along, False))
planner("scatter_add")(partial(_along, True))


def _broadcast(shapes: tuple[tuple[int, ...], ...]) -> tuple[int, ...]:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    return tuple(next((e for e in column if e != 1), 1) for column in zip(*padded, strict=True))


def _stretched(a: Array, shape: tuple[int, ...]) -> Array:
    new = len(shape) - len(a.shape)
    strides = tuple(0 if e == 1 else s for e, s in zip(a.shape, a.strides, strict=True))
    return a._replace(shape=shape, strides=(*(0,) * new, *strides))


def _split(shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return shape[:-1], shape[-1:]


def _copy(plan: Plan, x: Array, out: Array) -> None:
    """out = x, unless they are the same memory."""
    if x.buffer != out.buffer:
        outer, inner = _split(out.shape)
        phase = Phase(stores=(Store(1, load(0, x.dtype)),))
        plan_nest(plan, Nest(outer, inner, False, (x, out), (phase,)))


def _contiguous(plan: Plan, x: Array) -> Array:
    if x.contiguous:
        return x
    copy = plan.array(x.shape, x.dtype)
    _copy(plan, x, copy)
    return copy


def _places(
    plan: Plan, shape: tuple[int, ...], terms: list[tuple[Array, int, int]], own: tuple[int, ...]
) -> Array:
    """Where each row goes: the sum of the indices' elements (negative ones from the end of their extent)
    times their strides, and of the position itself times the strides `own`."""
    places = plan.array(shape, dt.int64)
    total: Expr = Expr("const", (), dt.int64, 0)
    for k, (a, stride, extent) in enumerate(terms):
        e = load(k, a.dtype).cast(dt.int64)
        total = total + where(e < 0, e + extent, e) * stride
    for d, stride in enumerate(own):
        if stride:
            total = total + counter(d) * stride
    outer, inner = _split(shape)
    phase = Phase(stores=(Store(len(terms), total),))
    plan_nest(plan, Nest(outer, inner, False, (*(a for a, _, _ in terms), places), (phase,)))
    return places


def _scatter(plan: Plan, out: Array, source: Array, places: Array, rows: int, width: int, add: bool) -> None:
    d = out.dtype
    code = kernel("scatter", (d.name, add), lambda module: _emit(module, d, add))
    words: list[Word] = [out.address, source.address, places.address, rows, width]
    plan.call(code, words, -(-width // _BLOCK), max(_ENOUGH // (rows * _BLOCK), 1))


def _emit(module: Any, d: dt.dtype, add: bool) -> None:
    """for each row, for each column of this task: out[places[row] + column] (+)= source[row, column]."""
    f = Function(module, "scatter")
    b, element, lanes = f.b, STORED[d], host().lanes(d.itemsize)
    out, source, places = f.pointer(0, element), f.pointer(1, element), f.pointer(2, I64)
    rows, width = f.word(3), f.word(4)
    with f.loop(f.begin, f.end, name="block") as block:
        start = b.mul(block, i64(_BLOCK))
        stop = f.minimum(b.add(start, i64(_BLOCK)), width)
        even = b.sub(stop, b.srem(b.sub(stop, start), i64(lanes)))
        with f.loop(0, rows, name="row") as row:
            to = f.at(out, b.load(f.at(places, row)))
            given = f.at(source, b.mul(row, width))
            for n, first, last in ((lanes, start, even), (1, even, stop)):
                with f.loop(first, last, n, name="column") as column:
                    _write(f, d, add, f.at(to, column), f.at(given, column), n)
    f.finish()


def _write(f: Function, d: dt.dtype, add: bool, to: Any, given: Any, lanes: int) -> None:
    kind = vector(STORED[d], lanes)
    to, given = (f.b.bitcast(p, kind.as_pointer()) for p in (to, given))
    value = f.load(given, d.itemsize)
    if add:
        x, y = (decode(f, raw, d, lanes) for raw in (f.load(to, d.itemsize), value))
        total = f.b.or_(x, y) if d is dt.bool_ else f.b.fadd(x, y) if d.is_floating_point else f.b.add(x, y)
        value = encode(f, total, d, lanes)
    f.store(value, to, d.itemsize)
