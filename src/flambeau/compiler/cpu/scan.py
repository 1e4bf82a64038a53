"""Running reductions along a dimension, in order: each result takes one element into the state before it.

Sums and products of float32 are carried in float64 (as the reference does). Vectors hold different rows:
those that lie next to each other, or, along the last dimension, a group of rows of which each gives an
element.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ...core.node import numel
from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Array, Plan
from ..expression import Expr, absolute, const, exp, load, log1p, maximum, minimum, where
from ..planner import planner
from . import rows
from .emit import I32, STORED, Function, i64, vector
from .scalar import REGISTER, decode, emit, encode, splat

_COLUMNS = 256  # a task, where rows lie next to each other
_ENOUGH = 10_000  # elements that are worth a thread

Pair = Callable[[Expr, Expr], Expr]
Step = Callable[[Expr, list[Expr], Expr], list[Expr]]


class Scan(NamedTuple):
    """What is carried: its dtypes, the state after the first element and after each further one (given the
    element, the state and the position), and which part of the state the result is."""

    state: tuple[dtype, ...]
    first: Callable[[Expr], list[Expr]]
    step: Step
    result: int = 0


def _running(combine: Pair, d: dtype) -> Scan:
    """A sum or product, in more digits than it is stored with."""
    wide = dt.float64 if d is dt.float32 else dt.float32 if d in dt.HALVES else d
    return Scan((wide,), lambda x: [x.cast(wide)], lambda x, s, i: [combine(s[0], x.cast(wide))])


def _extreme(better: Pair, extremum: Pair, d: dtype) -> Scan:
    """The position of the best element so far: of equal ones the last, of NaN the last."""
    wide = dt.float32 if d in dt.HALVES else dt.uint8 if d is dt.bool_ else d

    def step(x: Expr, state: list[Expr], i: Expr) -> list[Expr]:
        best, place = state
        x = x.cast(wide)
        take = better(x, best)  # which nothing is than NaN
        if d.is_floating_point:
            take = take | x.ne(x)
        return [extremum(x, best), where(take, i, place)]

    return Scan((wide, dt.int64), lambda x: [x.cast(wide), const(0, dt.int64)], step, 1)


def _log_sum(d: dtype) -> Scan:
    """log(exp(a) + exp(x)) = the larger one + log(1 + exp(-distance)), in float64; equal infinities stay."""

    def step(x: Expr, state: list[Expr], i: Expr) -> list[Expr]:
        a, y = state[0], x.cast(dt.float64)
        top = maximum(a, y)
        grown = top + log1p(exp(-absolute(a - y)))
        return [where(a.eq(y) & absolute(y).eq(float("inf")), y, grown)]

    return Scan((dt.float64,), lambda x: [x.cast(dt.float64)], step)


_SCANS: dict[str, Callable[[dtype], Scan]] = {
    "cumsum": partial(_running, lambda a, x: a + x),
    "cumprod": partial(_running, lambda a, x: a * x),
    "cummax_index": partial(_extreme, lambda x, best: x >= best, maximum),
    "cummin_index": partial(_extreme, lambda x, best: x <= best, minimum),
    "logcumsumexp": _log_sum,
}


def _plan(
    name: str, plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    (out,), (x,), (dim,) = results, inputs, attrs
    if x.dtype not in STORED or not x.shape:
        return False
    if numel(x.shape) == 0:
        return True
    x = rows.contiguous(plan, x)
    n, inner = x.shape[dim], numel(x.shape[dim + 1 :])
    outer = numel(x.shape[:dim])
    words = [x.address, out.address, n, inner, outer]
    group = _group(_SCANS[name](x.dtype))
    emitter, tasks = (_emit_rows, -(-outer // group)) if inner == 1 else (_emit_columns, 0)
    tasks = tasks or outer * -(-inner // _COLUMNS)
    key = (name, x.dtype.name, out.dtype.name, inner == 1)
    code = kernel("scan", key, partial(emitter, name, x.dtype, out.dtype))
    plan.call(code, words, tasks, _ENOUGH * tasks // numel(x.shape))
    return True


for _name in _SCANS:
    planner(_name)(partial(_plan, _name))


def _group(scan: Scan) -> int:
    """Rows side by side: as many as a vector register has place for, but at least 4, as each waits for
    itself."""
    return max(4, host().lanes(max(d.itemsize for d in scan.state)))


class _Step:
    """Emits single steps of a scan for a function."""

    def __init__(self, f: Function, name: str, d: dtype, to: dtype) -> None:
        self.f, self.d, self.to, self.scan = f, d, to, _SCANS[name](d)

    def first(self, x: Any, lanes: int) -> list[Any]:
        """The state after the first element."""
        values = emit(self.f, self.scan.first(load(0, self.d)), lanes, lambda e: x)
        return [splat(self.f, v, lanes) for v in values]

    def next(self, x: Any, state: list[Any], i: Any, lanes: int) -> list[Any]:
        """The state after element number i."""
        given = [x, *state, i]
        leaves = [load(1 + k, d) for k, d in enumerate(self.scan.state)]
        made = self.scan.step(load(0, self.d), leaves, load(1 + len(leaves), dt.int64))
        return [splat(self.f, v, lanes) for v in emit(self.f, made, lanes, lambda e: given[e.data])]

    def result(self, state: list[Any], lanes: int) -> Any:
        """What is stored."""
        made = load(0, self.scan.state[self.scan.result]).cast(self.to)
        (value,) = emit(self.f, [made], lanes, lambda e: state[self.scan.result])
        return encode(self.f, splat(self.f, value, lanes), self.to)


# ----- along the last dimension -----


def _emit_rows(name: str, d: dtype, to: dtype, module: Any) -> None:
    """for a group of rows: the first elements; for each further position: an element of every row."""
    f = Function(module, "scan")
    b, step = f.b, _Step(f, name, d, to)
    group = _group(step.scan)
    n, count = f.word(2), f.word(4)
    with f.loop(f.begin, f.end, name="group") as task:
        start = b.mul(task, i64(group))
        left = f.minimum(b.sub(count, start), group)
        full = b.and_(left, i64(-group))
        for width, first, last in ((group, i64(0), full), (1, full, left)):
            with f.loop(first, last, width, name="row") as r:
                begin = b.mul(b.add(start, r), n)
                x, out = f.at(f.pointer(0, STORED[d]), begin), f.at(f.pointer(1, STORED[to]), begin)
                state = step.first(_collect(f, x, n, width, d), width)
                _deal(f, step.result(state, width), out, n, width, to)
                with f.carry(1, n, 1, state, name="position") as c:
                    element = _collect(f, f.at(x, c.i), n, width, d)
                    c.next = step.next(element, c.values, c.i, width)
                    _deal(f, step.result(c.next, width), f.at(out, c.i), n, width, to)
    f.finish()


def _collect(f: Function, x: Any, n: Any, lanes: int, d: dtype) -> Any:
    """Elements that are n apart."""
    if lanes == 1:
        return decode(f, f.load(x, d.itemsize), d, 1)
    raw = f.splat(f.load(x, d.itemsize), lanes)
    for k in range(1, lanes):
        one = f.load(f.at(x, f.b.mul(n, i64(k))), d.itemsize)
        raw = f.b.insert_element(raw, one, ir.Constant(I32, k))
    return decode(f, raw, d, lanes)


def _deal(f: Function, value: Any, out: Any, n: Any, lanes: int, to: dtype) -> None:
    """Stores elements n apart."""
    for k in range(lanes):
        one = f.b.extract_element(value, ir.Constant(I32, k)) if lanes > 1 else value
        f.store(one, f.at(out, f.b.mul(n, i64(k))), to.itemsize)


# ----- along another dimension -----


def _emit_columns(name: str, d: dtype, to: dtype, module: Any) -> None:
    """for a block of columns: the states after the first row, in memory; for each further row: all."""
    f = Function(module, "scan")
    b, step = f.b, _Step(f, name, d, to)
    lanes = _group(step.scan)
    n, inner = f.word(2), f.word(3)
    blocks = b.sdiv(b.add(inner, i64(_COLUMNS - 1)), i64(_COLUMNS))
    memory = [f.local(REGISTER[s], _COLUMNS) for s in step.scan.state]
    with f.loop(f.begin, f.end, name="block") as task:
        column = b.mul(b.srem(task, blocks), i64(_COLUMNS))
        start = b.add(b.mul(b.sdiv(task, blocks), b.mul(n, inner)), column)
        width = f.minimum(b.sub(inner, column), _COLUMNS)
        x, out = f.at(f.pointer(0, STORED[d]), start), f.at(f.pointer(1, STORED[to]), start)
        _emit_row(step, x, out, memory, width, lanes, None)
        with f.loop(1, n, name="position") as i:
            away = b.mul(i, inner)
            _emit_row(step, f.at(x, away), f.at(out, away), memory, width, lanes, i)
    f.finish()


def _emit_row(step: _Step, x: Any, out: Any, memory: list[Any], width: Any, lanes: int, i: Any) -> None:
    """One element of each column; `i` is its position, None for the first."""
    f, d, to = step.f, step.d, step.to
    even = f.b.and_(width, i64(-lanes))
    for w, first, last in ((lanes, i64(0), even), (1, even, width)):
        with f.loop(first, last, w, name="column") as c:
            element = decode(f, f.load(f.at(x, c, vector(STORED[d], w)), d.itemsize), d, w)
            places = [
                f.at(m, c, vector(REGISTER[s], w)) for m, s in zip(memory, step.scan.state, strict=True)
            ]
            if i is None:
                state = step.first(element, w)
            else:
                state = step.next(element, [f.load(p, 4) for p in places], i, w)
            for p, value in zip(places, state, strict=True):
                f.store(value, p, 4)
            f.store(step.result(state, w), f.at(out, c, vector(STORED[to], w)), to.itemsize)
