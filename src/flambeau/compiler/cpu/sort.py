"""Order along a dimension: argsort and the positions of the k largest or smallest.

Elements become integers (keys) in the same order, with NaN above all and -0 like 0; for the descending order
they are turned around. Equal keys keep the order of their positions: a descending order is stable too.

- Short rows: the place of each element is how many others come before it, counted by vectors.
- Long rows: radix sort from the lowest digit up, without the digits that all keys share.
- Few of many: the best ones so far are kept in order, and vectors of keys compared with the last of them.

Up to 32 bits a key and its position make one int64, a record; otherwise a record is a pair of int64.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NamedTuple

from llvmlite import ir

from ...core import dtype as dt
from ...core.dtype import dtype
from ...core.node import numel
from ...runtime.kernels import kernel
from ...runtime.target import host
from ..calls import Array, Plan
from ..expression import Expr, const, load, where
from ..planner import planner
from . import rows
from .emit import I32, I64, STORED, Function, i64, type_name, vector
from .scalar import decode, emit, splat

_SHORT = 128  # elements of a row that is sorted by counting; half as many if keys have 64 bits
_LONG = 1 << 16  # from here on digits are larger
_FEW = 128  # elements that are picked one by one
_ENOUGH = 4_000  # elements that are worth a thread
_MOST = 1 << 31  # positions are below this
_UNROLL = 4


class Order(NamedTuple):
    """What is sorted in which order."""

    d: dtype
    descending: bool

    @property
    def wide(self) -> bool:
        """Whether keys have 64 bits."""
        return self.d.itemsize == 8

    @property
    def key(self) -> dtype:
        """The type of keys, which are compared as signed."""
        return dt.int64 if self.wide else dt.int32

    @property
    def record(self) -> Any:
        """The type of records."""
        return vector(I64, 2) if self.wide else I64

    def formula(self) -> Expr:
        """The key of an element (load number 0)."""
        x, w = load(0, self.d), self.key
        if self.d.is_floating_point:
            wide = x.cast(dt.float64 if self.wide else dt.float32) + 0.0
            most = 2 ** (8 * w.itemsize - 1) - 1
            bits = wide.bits(w)
            key = where(wide.ne(wide), most, bits ^ ((bits >> const(8 * w.itemsize - 1, w)) & most))
        else:
            key = x.cast(w)
        return ~key if self.descending else key


# ----- planners -----


@planner("argsort")
def _argsort(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    dim, descending, _ = attrs
    return _plan(plan, results[0], inputs[0], dim, descending)


@planner("topk_index")
def _topk_index(
    plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], attrs: tuple[Any, ...]
) -> bool:
    _, dim, largest = attrs
    return _plan(plan, results[0], inputs[0], dim, largest)


def _plan(plan: Plan, out: Array, x: Array, dim: int, descending: bool) -> bool:
    """Positions in order, as many as the result has place for."""
    if x.dtype not in STORED or not x.shape or x.shape[dim] >= _MOST:
        return False
    if numel(out.shape) == 0:
        return True
    given, to = rows.gathered(plan, x, dim), rows.target(plan, out, dim)
    (count, n), k = given.shape, to.shape[1]
    order, digits = Order(x.dtype, descending), 0
    words: list[Any] = [given.address, to.address, n, k]
    if n <= _SHORT >> order.wide:
        name, emitter = "sort_short", partial(_emit_short, order)
    elif k <= _FEW and _are_few(k, n):
        name, emitter = "sort_few", partial(_emit_few, order)
    else:
        name, digits = "sort_long", 11 if n >= _LONG else 8
        emitter = partial(_emit_long, order, digits)
        share = 2 * (8 + 8 * order.wide) * n
        words += [_shared(plan, share), share]
    code = kernel(name, (order.d.name, descending, digits), emitter)
    plan.call(code, words, count, _ENOUGH // n)
    rows.spread(plan, to, out, dim)
    return True


def _are_few(k: int, n: int) -> bool:
    """Whether picking is quicker than sorting: so many of a row in random order are taken in, each for
    15 ns and 0.7 for each that moves; sorting takes 4 ns an element."""
    taken = k * (1 + math.log(n / max(k, 1)))
    return taken * (15 + 0.7 * k) < 4 * n


def _shared(plan: Plan, nbytes: int) -> Any:
    """The address of memory of which each thread has a share."""
    return Array(plan.scratch(nbytes * plan.threads), 0, (), (), dt.uint8).address


# ----- keys and records -----


def _keys(f: Function, order: Order, place: Any, lanes: int) -> Any:
    """Keys of elements that lie next to each other."""
    size = order.d.itemsize
    raw = f.load(f.b.bitcast(place, vector(STORED[order.d], lanes).as_pointer()), size)
    value = decode(f, raw, order.d, lanes)
    (key,) = emit(f, [order.formula()], lanes, lambda e: value)
    return splat(f, key, lanes)


def _packed(f: Function, key: Any, position: Any, lanes: int) -> Any:
    """Keys of 32 bits over positions."""
    kind = vector(I64, lanes)
    return f.b.or_(f.b.shl(f.b.zext(key, kind), splat(f, i64(32), lanes)), position)


def _positions(f: Function, i: Any, lanes: int) -> Any:
    if lanes == 1:
        return i
    return f.b.add(splat(f, i, lanes), ir.Constant(vector(I64, lanes), list(range(lanes))))


def _records(f: Function, order: Order, x: Any, n: Any, to: Any, turn: bool) -> None:
    """A row's records; `turn` makes keys unsigned."""
    b, lanes = f.b, host().lanes(8)
    even = b.and_(n, i64(-lanes))
    for width, start, stop in ((lanes, i64(0), even), (1, even, n)):
        with f.loop(start, stop, width, name="record") as i:
            key = _keys(f, order, f.at(x, i), width)
            if turn:
                kind = I64 if order.wide else I32
                sign = ir.Constant(kind, -(2 ** (kind.width - 1)))
                key = b.xor(key, splat(f, sign, width))
            position = _positions(f, i, width)
            place = f.at(to, i)
            made = (_paired if order.wide else _packed)(f, key, position, width)
            f.store(made, b.bitcast(place, made.type.as_pointer()), 8)


def _paired(f: Function, key: Any, position: Any, lanes: int) -> Any:
    """Keys and positions in turn."""
    b = f.b
    if lanes == 1:
        pair = b.insert_element(ir.Constant(vector(I64, 2), ir.Undefined), key, ir.Constant(I32, 0))
        return b.insert_element(pair, position, ir.Constant(I32, 1))
    turns = [i // 2 + lanes * (i % 2) for i in range(2 * lanes)]
    return b.shuffle_vector(key, position, ir.Constant(ir.VectorType(I32, 2 * lanes), turns))


def _row(f: Function, order: Order, row: Any) -> tuple[Any, Any, Any, Any]:
    """Pointers to a row of elements and of results, and how many there are of each."""
    n, k = f.word(2), f.word(3)
    x = f.at(f.pointer(0, STORED[order.d]), f.b.mul(row, n))
    return x, f.at(f.pointer(1, I64), f.b.mul(row, k)), n, k


# ----- short rows -----


def _emit_short(order: Order, module: Any) -> None:
    """place[i] = how many records come before record i; the positions go to their places."""
    f = Function(module, "sort_short")
    b, lanes = f.b, host().lanes(8)
    room = _SHORT + max(lanes, _UNROLL)
    keys, places = f.local(I64, room), f.local(I64, room)
    with f.loop(f.begin, f.end, name="row") as row:
        x, out, n, k = _row(f, order, row)
        _emit_counted(f, order, x, n, keys)
        step = _UNROLL
        with f.loop(0, n, step) as i:
            mine = [f.load(f.at(keys, b.add(i, i64(u))), 8) for u in range(step)]
            count = _before(f, order, keys, n, mine, i)
            for u in range(step):
                f.store(b.add(i, i64(u)), f.at(places, count[u]), 8)
        with f.loop(0, k) as i:
            f.store(f.load(f.at(places, i), 8), f.at(out, i), 8)
    f.finish()


def _emit_counted(f: Function, order: Order, x: Any, n: Any, keys: Any) -> None:
    """Records of up to 32 bits, or keys; after them some that come behind all."""
    b, lanes = f.b, host().lanes(8)
    end = splat(f, i64(2**63 - 1), lanes)
    even = b.and_(n, i64(-lanes))
    for start in range(0, max(lanes, _UNROLL), lanes):
        f.store(end, f.at(keys, b.add(n, i64(start)), vector(I64, lanes)), 8)
    for width, start, stop in ((lanes, i64(0), even), (1, even, n)):
        with f.loop(start, stop, width, name="key") as i:
            key = _keys(f, order, f.at(x, i), width)
            made = key if order.wide else _packed(f, key, _positions(f, i, width), width)
            f.store(made, f.at(keys, i, vector(I64, width)), 8)


def _before(f: Function, order: Order, keys: Any, n: Any, mine: list[Any], i: Any) -> list[Any]:
    """For each of some records, the first of which is number i, how many of all come before it."""
    b, lanes = f.b, host().lanes(8)
    kind = vector(I64, lanes)
    wanted = [splat(f, m, lanes) for m in mine]
    with f.carry(0, n, lanes, [splat(f, i64(0), lanes)] * len(mine), name="other") as c:
        others = f.load(f.at(keys, c.i, kind), 8)
        positions = _positions(f, c.i, lanes)
        for u, own in enumerate(wanted):
            less = b.icmp_signed("<", others, own)
            if order.wide:
                earlier = b.icmp_signed("<", positions, splat(f, b.add(i, i64(u)), lanes))
                less = b.or_(less, b.and_(b.icmp_signed("==", others, own), earlier))
            c.next = [*c.next[:u], b.sub(c.values[u], b.sext(less, kind)), *c.next[u + 1 :]]
    name = f"llvm.vector.reduce.add.{type_name(kind)}"
    return [f.intrinsic(name, I64, v) if lanes > 1 else v for v in c.values]


# ----- long rows -----


def _emit_long(order: Order, digits: int, module: Any) -> None:
    """Records go back and forth between two arrays, by one digit each time."""
    f = Function(module, "sort_long")
    b, kind, buckets = f.b, order.record, 1 << digits
    low, high = (0, 64) if order.wide else (32, 64)
    passes = -(-(high - low) // digits)
    counts = f.local(I64, passes * buckets)
    own = b.add(f.word(4), b.mul(f.thread, f.word(5)))
    with f.loop(f.begin, f.end, name="row") as row:
        x, out, n, k = _row(f, order, row)
        first = b.inttoptr(own, kind.as_pointer())
        second = f.at(first, n)
        _records(f, order, x, n, first, True)
        _emit_counts(f, order, first, n, counts, digits, low, passes)
        with f.carry(0, passes, 1, [first, second], name="pass") as c:
            source, to = c.values
            mine = f.at(counts, b.mul(c.i, i64(buckets)))
            shift = b.add(b.mul(c.i, i64(digits)), i64(low))
            before = b.block
            shared = f.load(f.at(mine, _digit(f, order, f.load(source, 8), shift, buckets)), 8)
            with f.when(b.icmp_signed("!=", shared, n)):
                _emit_starts(f, mine, buckets)
                _emit_pass(f, order, source, to, n, mine, shift, buckets)
                inside = b.block
            chosen = []
            for same, turned in ((source, to), (to, source)):
                value = b.phi(same.type)
                value.add_incoming(same, before)
                value.add_incoming(turned, inside)
                chosen.append(value)
            c.next = chosen
        with f.loop(0, k) as i:
            f.store(_position(f, order, f.load(f.at(c.values[0], i), 8)), f.at(out, i), 8)
    f.finish()


def _digit(f: Function, order: Order, record: Any, shift: Any, buckets: int) -> Any:
    b = f.b
    key = b.extract_element(record, ir.Constant(I32, 0)) if order.wide else record
    return b.and_(b.lshr(key, shift), i64(buckets - 1))


def _position(f: Function, order: Order, record: Any) -> Any:
    if order.wide:
        return f.b.extract_element(record, ir.Constant(I32, 1))
    return f.b.and_(record, i64(2**32 - 1))


def _emit_counts(
    f: Function, order: Order, records: Any, n: Any, counts: Any, digits: int, low: int, passes: int
) -> None:
    """How often each digit occurs in each place."""
    buckets = 1 << digits
    b, lanes = f.b, min(host().lanes(8), buckets)
    with f.loop(0, passes * buckets, lanes) as i:
        f.store(splat(f, i64(0), lanes), f.at(counts, i, vector(I64, lanes)), 8)
    with f.loop(0, n) as i:
        record = f.load(f.at(records, i), 8)
        for p in range(passes):
            digit = _digit(f, order, record, i64(low + p * digits), buckets)
            place = f.at(counts, b.add(digit, i64(p * buckets)))
            f.store(b.add(f.load(place, 8), i64(1)), place, 8)


def _emit_starts(f: Function, counts: Any, buckets: int) -> None:
    """Counts become where the first record with a digit goes."""
    with f.carry(0, buckets, 1, [i64(0)], name="bucket") as c:
        place = f.at(counts, c.i)
        count = f.load(place, 8)
        f.store(c.values[0], place, 8)
        c.next = [f.b.add(c.values[0], count)]


def _emit_pass(
    f: Function, order: Order, source: Any, to: Any, n: Any, starts: Any, shift: Any, buckets: int
) -> None:
    b = f.b
    with f.loop(0, n, name="record") as i:
        record = f.load(f.at(source, i), 8)
        start = f.at(starts, _digit(f, order, record, shift, buckets))
        place = f.load(start, 8)
        f.store(b.add(place, i64(1)), start, 8)
        f.store(record, f.at(to, place), 8)


# ----- few of many -----


def _emit_few(order: Order, module: Any) -> None:
    f = Function(module, "sort_few")
    b, kind = f.b, I64 if order.wide else I32
    lanes = host().lanes(kind.width // 8)
    best, positions, seen = f.local(kind, _FEW), f.local(I64, _FEW), f.local(kind, lanes)
    with f.loop(f.begin, f.end, name="row") as row:
        x, out, n, k = _row(f, order, row)
        with f.loop(0, k, name="first") as i:
            _insert(f, best, positions, _keys(f, order, f.at(x, i), 1), i, i)
        worst, end = f.at(best, b.sub(k, i64(1))), b.sub(k, i64(1))
        even = b.add(k, b.and_(b.sub(n, k), i64(-lanes)))
        with f.loop(k, even, lanes, name="vector") as i:
            keys = _keys(f, order, f.at(x, i), lanes)
            better = b.icmp_signed("<", keys, splat(f, f.load(worst, 4), lanes))
            with f.when(f.intrinsic(f"llvm.vector.reduce.or.v{lanes}i1", ir.IntType(1), better)):
                f.store(keys, b.bitcast(seen, keys.type.as_pointer()), 8)
                with f.loop(0, lanes, name="lane") as lane:
                    _consider(f, best, positions, f.load(f.at(seen, lane), 4), b.add(i, lane), worst, end)
        with f.loop(even, n, name="rest") as i:
            _consider(f, best, positions, _keys(f, order, f.at(x, i), 1), i, worst, end)
        with f.loop(0, k) as i:
            f.store(f.load(f.at(positions, i), 8), f.at(out, i), 8)
    f.finish()


def _consider(f: Function, best: Any, positions: Any, key: Any, position: Any, worst: Any, end: Any) -> None:
    """Takes an element in, in place of the last one, if it is better than that."""
    with f.when(f.b.icmp_signed("<", key, f.load(worst, 4))):
        _insert(f, best, positions, key, position, end)


def _insert(f: Function, best: Any, positions: Any, key: Any, position: Any, count: Any) -> None:
    """Puts an element among `count` others, behind those that aren't greater; the greater ones move on."""
    b = f.b
    head, body, done = (f.function.append_basic_block(f"move.{part}") for part in ("head", "body", "done"))
    before = b.block
    b.branch(head)
    b.position_at_end(head)
    place = b.phi(I64)
    place.add_incoming(count, before)
    above = b.sub(place, i64(1))
    some = b.icmp_signed(">", place, i64(0))
    other = f.load(f.at(best, b.select(some, above, i64(0))), 4)
    b.cbranch(b.and_(some, b.icmp_signed(">", other, key)), body, done)
    b.position_at_end(body)
    f.store(other, f.at(best, place), 4)
    f.store(f.load(f.at(positions, above), 8), f.at(positions, place), 8)
    place.add_incoming(above, b.block)
    b.branch(head)
    b.position_at_end(done)
    f.store(key, f.at(best, place), 4)
    f.store(position, f.at(positions, place), 8)
