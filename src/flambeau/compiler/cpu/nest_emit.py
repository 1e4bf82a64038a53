"""The code of a loop nest's kernel.

Without `across` a task is a row: an outer point and, for a pointwise nest, a block of the inner loop. With
`across` a task is a strip of columns: some vectors of the last outer loop, through which all rows go by.

Reductions have fixed trees. In a row, vector number i of a chunk is added to partial result i modulo 4; the
four are combined at the chunk's end, chunks in order, lanes by halves. In a strip every lane adds up its
rows, chunk by chunk. What a chunk is depends on extents only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir

from ...core import dtype as dt
from ..expression import Expr
from ..nest import Nest, Phase
from . import nest_tile as tiles
from .emit import I1, I32, I64, STORED, Function, i64, type_name, vector
from .nest_reduce import Accumulator
from .nest_shape import arg, roots, subexpressions
from .nest_structure import BLOCK, CHUNK, COLUMNS, ROWS, Structure, words
from .scalar import decode, emit, encode, is_vector, splat


class Place(NamedTuple):
    """Where an expression is evaluated: the index along the vector's loop of its first lane, the lanes that
    count (None: all), which of several vectors side by side it is, and its number in a strip."""

    i: Any
    lanes: int
    mask: Any = None
    u: int = 0
    number: Any = None


def emit_nest(module: ir.Module, symbol: str, nest: Nest, s: Structure) -> None:
    """Adds a kernel for a nest of this structure to a module."""
    f = Function(module, symbol)
    _Nest(f, nest, s).emit()
    f.finish()


class _Nest:
    """A kernel under construction."""

    def __init__(self, f: Function, nest: Nest, s: Structure) -> None:
        self.f, self.b, self.nest, self.s = f, f.b, nest, s
        keeps = [e.dtype for p in nest.phases for e in p.keeps]
        self.keeps = [dt.float32 if d in dt.HALVES else d for d in keeps]
        self.words = {name: f.word(i) for i, name in enumerate(words(s, len(keeps)))}
        self.index: dict[int, Any] = {}  # where the loops are, by number
        self.task: list[Any] = []  # each access's first element for the task,
        self.row: list[Any] = []  # and for the row
        self.uniform: dict[Any, Any] = {}  # values that hold for all of a row, by access
        self.reduced: list[list[Any]] = []  # results of reductions, for each vector
        self.arrays: list[Any] = []  # the same for all columns of a strip,
        self.left: Any = None  # of which this is the first
        self.bases = [
            f.b.inttoptr(self.words["address", k], STORED[d].as_pointer()) for k, d in enumerate(s.dtypes)
        ]
        self.rooms = [
            f.b.inttoptr(
                f.b.add(self.words["keep", j], f.b.mul(f.thread, self.words["kept", j])),
                STORED[d].as_pointer(),
            )
            for j, d in enumerate(self.keeps)
        ]

    # ----- loops -----

    def emit(self) -> None:
        f, s = self.f, self.s
        lead = list(range(s.outer - s.across - bool(s.tiled)))
        digits = [self.extent(d) for d in lead]
        if s.pointwise or s.across:
            digits.append(self.words["blocks",])
        if s.tiled:
            digits.append(self.words["tiles",])
        with self.walk(f.begin, f.end, digits) as at:
            self.index = dict(zip(lead, at, strict=False))
            self.task = [self.moved(p, k, lead) for k, p in enumerate(self.bases)]
            if s.tiled:
                self.tile(*at[-2:])
            elif s.across:
                self.strip(at[-1])
            elif s.pointwise:
                low = self.b.mul(at[-1], i64(BLOCK))
                self.rows(low, f.minimum(self.b.add(low, i64(BLOCK)), self.extent(s.along)))
            else:
                self.rows(i64(0), self.extent(s.along))

    def extent(self, d: int) -> Any:
        return self.words["extent", d]

    @contextmanager
    def walk(self, start: Any, stop: Any, extents: list[Any]) -> Iterator[list[Any]]:
        """Counts from `start` to `stop`, in digits of which the last goes fastest."""
        f, b = self.f, self.b
        if len(extents) < 2:
            with f.loop(start, stop) as i:
                yield [i] if extents else []
            return
        with f.carry(start, stop, 1, self.digits(start, extents)) as state:
            yield state.values
            following, more = [], ir.Constant(I1, 1)
            for digit, n in zip(reversed(state.values), reversed(extents), strict=True):
                up = b.add(digit, b.zext(more, I64))
                more = b.icmp_signed(">=", up, n)
                following.append(b.select(more, i64(0), up))
            state.next = following[::-1]

    def digits(self, number: Any, extents: list[Any]) -> list[Any]:
        """A number as a place in loops; for 0, the usual one, there is no division."""
        f, b = self.f, self.b
        if isinstance(number, ir.Constant):
            return [i64(0)] * len(extents)
        before = b.block
        with f.when(b.icmp_signed("!=", number, i64(0))):
            found, rest = [], number
            for n in reversed(extents[1:]):
                found.append(b.srem(rest, n))
                rest = b.sdiv(rest, n)
            found.append(rest)
            after = b.block
        phis = []
        for value in reversed(found):
            phi = b.phi(I64)
            phi.add_incoming(i64(0), before)
            phi.add_incoming(value, after)
            phis.append(phi)
        return phis

    def moved(self, pointer: Any, access: int, dims: list[int]) -> Any:
        """A pointer moved to the current index in some loops."""
        b, by = self.b, None
        for d in dims:
            if self.s.classes[access][d]:
                step = b.mul(self.index[d], self.stride(access, d))
                by = step if by is None else b.add(by, step)
        return pointer if by is None else b.gep(pointer, [by])

    def stride(self, access: int, d: int) -> Any:
        return self.words["stride", access, d] if self.s.classes[access][d] == 2 else i64(1)

    # ----- rows -----

    def rows(self, low: Any, high: Any) -> None:
        """All phases for one task, the vector running along a row."""
        self.reduced = []
        for number, phase in enumerate(self.nest.phases):
            body = _Body(self, phase, number)
            if phase.reductions:
                body.begin()
                self.chunks(CHUNK, body.chunk)
                self.reduced += [[a.scalar()] for a in body.accumulators]
            elif roots(phase._replace(results=())):
                with self.inner_rows(i64(0), None):
                    self.sweep(body, low, high)
            self.uniform, self.row = {}, self.task
            body.results(Place(None, 1))

    def tile(self, block: Any, number: Any) -> None:
        """A block of a pointwise nest that reads transposed arrays."""
        f, b, s, d = self.f, self.b, self.s, self.s.outer - 1
        low, top = b.mul(block, i64(tiles.TILE)), b.mul(number, i64(s.edge))
        high = f.minimum(b.add(low, i64(tiles.TILE)), self.extent(s.along))
        bottom = f.minimum(b.add(top, i64(s.edge)), self.extent(d))
        rooms = {k: tiles.room(f, STORED[s.dtypes[k]], s.edge) for k in s.tiled}
        for k, room in rooms.items():
            source = b.gep(self.task[k], [top])
            tiles.fill(f, room, source, self.words["tile", k], low, high, s.edge, b.sub(bottom, top))
        whole = self.task
        with f.loop(top, bottom, 1, "tile") as i:
            self.index[d] = i
            self.task = [
                tiles.row(f, rooms[k], b.sub(i, top), low) if k in rooms else self.moved(p, k, [d])
                for k, p in enumerate(whole)
            ]
            self.rows(low, high)

    def chunks(self, size: int, chunk: Callable[..., None]) -> None:
        """The inner loops in chunks of `group` rows by `size` elements: calls chunk(first row, last row,
        first element, last element)."""
        f, s, n = self.f, self.s, self.extent(self.s.outer + self.s.inner - 1)

        def elements(first: Any, last: Any) -> None:
            with f.loop(0, n, size, "chunk") as low:
                chunk(first, last, low, f.minimum(self.b.add(low, i64(size)), n))

        lead = list(range(s.outer, s.outer + s.inner - 1))
        if not lead:
            elements(i64(0), None)
            return
        total, group = self.product(lead), self.words["group",]
        with f.loop(0, total, group, "group") as first:
            elements(first, f.minimum(self.b.add(first, group), total))

    def product(self, dims: list[int]) -> Any:
        total = self.extent(dims[0])
        for d in dims[1:]:
            total = self.b.mul(total, self.extent(d))
        return total

    @contextmanager
    def inner_rows(self, first: Any, last: Any) -> Iterator[None]:
        """The rows `first` to `last` (None: all) of the inner loops but the last."""
        lead = list(range(self.s.outer, self.s.outer + self.s.inner - 1))
        if not lead:
            self.row = self.task
            yield
            return
        last = self.product(lead) if last is None else last
        with self.walk(first, last, [self.extent(d) for d in lead]) as at:
            self.index |= dict(zip(lead, at, strict=True))
            self.row = [self.moved(p, k, lead) for k, p in enumerate(self.task)]
            yield

    def sweep(self, body: _Body, low: Any, high: Any) -> None:
        """One row of a phase, or a part of it: whole vectors, then what is left."""
        f, b, lanes = self.f, self.b, self.s.lanes
        self.uniform = {}
        body.hoist()
        length = b.sub(high, low)
        done = low
        if self.s.unroll > 1:
            step = self.s.unroll * lanes
            done = b.add(low, b.sub(length, b.and_(length, i64(step - 1))))
            with f.loop(low, done, step) as i:
                body.vectors([Place(b.add(i, i64(u * lanes)), lanes) for u in range(self.s.unroll)])
        full = b.sub(high, b.and_(length, i64(lanes - 1)))
        with f.loop(done, full, lanes) as i:
            body.vectors([Place(i, lanes)])
        with f.when(b.icmp_signed("<", full, high)):
            body.vectors([Place(full, lanes, self.mask(b.sub(high, full), lanes))])

    def mask(self, count: Any, lanes: int) -> Any:
        """The first `count` lanes."""
        b = self.b
        numbers = ir.Constant(ir.VectorType(I32, lanes), list(range(lanes)))
        return b.icmp_signed("<", numbers, self.f.splat(b.trunc(count, I32), lanes))

    # ----- strips of columns -----

    def strip(self, block: Any) -> None:
        """All phases for a strip of columns: a few vectors of columns after the other, through the rows of a
        chunk, so that memory is read by long pieces of some rows at a time."""
        f, b, s, width = self.f, self.b, self.s, self.words["width",]
        self.left = b.mul(block, width)
        right = f.minimum(b.add(self.left, width), self.extent(s.along))
        self.arrays = []
        for number, phase in enumerate(self.nest.phases):
            body = _Body(self, phase, number)
            if phase.reductions:
                with f.loop(self.left, right, s.lanes) as i:
                    body.begin(self.places(i, 1))
            if roots(phase._replace(results=())):
                self.chunks(ROWS, lambda *chunk, body=body: self.columns(body, right, *chunk))
            self.arrays += body.totals
            if phase.reductions or phase.results:
                with f.loop(self.left, right, s.lanes) as i:
                    places = self.places(i, 1, self.mask(b.sub(right, i), s.lanes))
                    body.end(places)
                    self.uniform, self.row = {}, self.task
                    self.recall(phase, places)
                    body.results(places[0])

    def places(self, i: Any, count: int, mask: Any = None) -> list[Place]:
        """Vectors of columns side by side."""
        b, lanes = self.b, self.s.lanes
        first = b.udiv(b.sub(i, self.left), i64(lanes))
        return [Place(b.add(i, i64(u * lanes)), lanes, mask, u, b.add(first, i64(u))) for u in range(count)]

    def columns(self, body: _Body, right: Any, first: Any, last: Any, low: Any, high: Any) -> None:
        """A chunk of rows, for all columns of the strip: whole groups of vectors, then single ones."""
        f, b, s = self.f, self.b, self.s
        width = s.unroll * s.lanes
        length = b.sub(right, self.left)
        full = b.sub(right, b.and_(length, i64(width - 1)))
        with f.loop(self.left, full, width, "columns") as i:
            self.down(body, self.places(i, s.unroll), first, last, low, high)
        with f.loop(full, right, s.lanes, "column") as i:
            mask = self.mask(b.sub(right, i), s.lanes)
            self.down(body, self.places(i, 1, mask), first, last, low, high)

    def down(self, body: _Body, places: list[Place], first: Any, last: Any, low: Any, high: Any) -> None:
        """Vectors of columns through the rows of a chunk."""
        body.open(places)
        self.recall(body.phase, places)
        dim = self.s.outer + self.s.inner - 1
        with self.inner_rows(first, last):
            above = self.row
            with self.f.loop(low, high, 1, "row") as i:
                self.index[dim] = i
                self.row = [self.moved(p, k, [dim]) for k, p in enumerate(above)]
                self.uniform = {}
                body.vectors(places)
        body.close(places)

    def recall(self, phase: Phase, places: list[Place]) -> None:
        """Loads the results of earlier phases' reductions that a phase uses."""
        used = {e.data for e in subexpressions(roots(phase)) if e.op == "reduced"}
        self.reduced = [
            [self.b.load(self.column(array, p)) for p in places] if j in used else []
            for j, array in enumerate(self.arrays)
        ]

    def column(self, array: Any, place: Place) -> Any:
        """Where a strip's array has its values for a vector of columns."""
        return self.b.gep(array, [place.number])

    # ----- elements -----

    def flat(self) -> Any:
        """The current place in the inner loops that the vector doesn't run along, as one number."""
        s, b = self.s, self.b
        dims = range(s.outer, s.outer + s.inner - (not s.across))
        at: Any = i64(0)
        for j, d in enumerate(dims):
            at = b.add(b.mul(at, self.extent(d)), self.index[d]) if j else self.index[d]
        return at

    def position(self, place: Place) -> Any:
        """The current place in all inner loops: what argmin and argmax tell."""
        b, s = self.b, self.s
        if s.across:
            return self.f.splat(self.flat(), place.lanes)
        first = place.i if s.inner == 1 else b.add(b.mul(self.flat(), self.extent(s.along)), place.i)
        return self.counting(first, place.lanes)

    def counting(self, first: Any, lanes: int) -> Any:
        steps = ir.Constant(ir.VectorType(I64, lanes), list(range(lanes)))
        return self.b.add(self.f.splat(first, lanes), steps)

    def leaf(self, e: Expr, place: Place, *index: Any) -> Any:
        """The value of a leaf of an expression."""
        if e.op == "load":
            return self.load(e, place, list(index))
        if e.op == "index":
            if e.data == self.s.along and place.i is not None:
                return self.counting(place.i, place.lanes)
            return self.index[e.data]
        if e.op == "reduced":
            return self.reduced[e.data][place.u]
        d = self.keeps[e.data]
        kind = vector(STORED[d], place.lanes)
        aligned = min(64, place.lanes * d.itemsize)
        raw = self.f.load(self.f.at(self.rooms[e.data], self.room(place), kind), aligned)
        return decode(self.f, raw, d)

    def room(self, place: Place) -> Any:
        """Where a kept vector lies."""
        s, b = self.s, self.b
        if s.across:
            return b.add(b.mul(self.flat(), self.words["width",]), b.sub(place.i, self.left))
        return place.i if s.inner == 1 else b.add(b.mul(self.flat(), self.words["pitch",]), place.i)

    def load(self, e: Expr, place: Place, index: list[Any]) -> Any:
        """Elements of an access, in registers."""
        b, k = self.b, e.data
        pointer, varying = self.row[k], None
        for j, at in enumerate(index):
            kind = dict(self.s.gathers)[k][j]
            if kind:
                step = self.words["gather", k, j] if kind == 2 else i64(1)
                if is_vector(at):
                    at = at if kind == 1 else b.mul(at, self.f.splat(step, place.lanes))
                    varying = at if varying is None else b.add(varying, at)
                else:
                    pointer = b.gep(pointer, [at if kind == 1 else b.mul(at, step)])
        moves = self.s.classes[k][self.s.along] if place.i is not None else 0
        if varying is not None or moves == 2:
            return self.scattered_load(k, pointer, place, varying, moves)
        if moves == 1:
            return self.vector_load(k, pointer, place)
        if index:
            return decode(self.f, self.f.load(pointer, self.s.dtypes[k].itemsize), self.s.dtypes[k])
        if k not in self.uniform:
            self.uniform[k] = decode(
                self.f, self.f.load(pointer, self.s.dtypes[k].itemsize), self.s.dtypes[k]
            )
        return self.uniform[k]

    def vector_load(self, k: int, pointer: Any, place: Place) -> Any:
        d = self.s.dtypes[k]
        align, kind = d.itemsize, vector(STORED[d], place.lanes)
        pointer = self.f.at(pointer, place.i, kind)
        if place.mask is None:
            return decode(self.f, self.f.load(pointer, align), d)
        name, zero = f"llvm.masked.load.{type_name(kind)}.p0", ir.Constant(kind, None)
        raw = self.f.intrinsic(name, kind, pointer, ir.Constant(I32, align), place.mask, zero)
        return decode(self.f, raw, d)

    def addresses(self, k: int, pointer: Any, place: Place, varying: Any, moves: int) -> Any:
        """A vector of pointers."""
        b = self.b
        if moves:
            at = self.counting(place.i, place.lanes)
            at = b.mul(at, self.f.splat(self.stride(k, self.s.along), place.lanes)) if moves == 2 else at
            varying = at if varying is None else b.add(varying, at)
        size = ir.Constant(ir.VectorType(I64, place.lanes), [self.s.dtypes[k].itemsize] * place.lanes)
        start = self.f.splat(b.ptrtoint(pointer, I64), place.lanes)
        kind = ir.VectorType(STORED[self.s.dtypes[k]].as_pointer(), place.lanes)
        return b.inttoptr(b.add(start, b.mul(varying, size)), kind)

    def scattered_load(self, k: int, pointer: Any, place: Place, varying: Any, moves: int) -> Any:
        d = self.s.dtypes[k]
        kind = vector(STORED[d], place.lanes)
        pointers = self.addresses(k, pointer, place, varying, moves)
        name = f"llvm.masked.gather.{type_name(kind)}.v{place.lanes}p0"
        size, zero = ir.Constant(I32, d.itemsize), ir.Constant(kind, None)
        return decode(self.f, self.f.intrinsic(name, kind, pointers, size, _mask(place), zero), d)

    def store(self, k: int, value: Any, place: Place) -> None:
        """Writes a value to an access."""
        f, d, pointer = self.f, self.s.dtypes[k], self.row[k]
        raw = encode(f, value, d)
        if place.i is None:
            self.b.store(raw, pointer)
            return
        raw, kind, size = (
            splat(f, raw, place.lanes),
            vector(STORED[d], place.lanes),
            ir.Constant(I32, d.itemsize),
        )
        if self.s.classes[k][self.s.along] == 2:
            pointers = self.addresses(k, pointer, place, None, 2)
            name = f"llvm.masked.scatter.{type_name(kind)}.v{place.lanes}p0"
            f.intrinsic(name, ir.VoidType(), raw, pointers, size, _mask(place))
            return
        pointer = f.at(pointer, place.i, kind)
        if place.mask is None:
            f.store(raw, pointer, d.itemsize)
        else:
            f.intrinsic(
                f"llvm.masked.store.{type_name(kind)}.p0", ir.VoidType(), raw, pointer, size, place.mask
            )

    def keep(self, number: int, value: Any, place: Place) -> None:
        """Remembers a vector of kept values; the room for them is a whole number of vectors."""
        d = self.keeps[number]
        raw = splat(self.f, encode(self.f, value, d), place.lanes)
        self.f.store(
            raw, self.f.at(self.rooms[number], self.room(place), raw.type), min(64, place.lanes * d.itemsize)
        )


class _Body:
    """What a phase does for elements."""

    def __init__(self, n: _Nest, phase: Phase, number: int) -> None:
        self.n, self.phase = n, phase
        self.first_keep = sum(len(p.keeps) for p in n.nest.phases[:number])
        count, slots = (n.s.unroll, 1) if n.s.across else (1, 4)
        self.accumulators = [
            Accumulator(n.f, r, n.s.lanes, slots) for _ in range(count) for r in phase.reductions
        ]
        self.totals: list[Any] = []  # a strip's, in the end the results'
        if n.s.across:
            self.arrays = [a.array(COLUMNS // n.s.lanes) for a in self.accumulators[: len(phase.reductions)]]
            self.totals = [array[a.told] for a, array in zip(self.accumulators, self.arrays, strict=False)]

    # A row has one set of accumulators, and its totals are in registers; in a strip each vector of columns
    # has its own, and the totals lie in arrays.

    def begin(self, places: list[Place] | None = None) -> None:
        """Before the first chunk."""
        for a in self.at(places):
            a.begin()

    def open(self, places: list[Place] | None = None) -> None:
        """Before a chunk."""
        for a in self.at(places):
            a.open()

    def close(self, places: list[Place] | None = None) -> None:
        """After a chunk."""
        for a in self.at(places):
            a.close()

    def end(self, places: list[Place]) -> None:
        """After the last chunk of a strip: the totals become the results."""
        for a in self.at(places):
            self.n.b.store(a.vector(), a.total[a.told])

    def at(self, places: list[Place] | None) -> list[Accumulator]:
        """The accumulators, with their totals where those of these columns are."""
        if places is None:
            return self.accumulators
        some = []
        for place in places:
            for j, array in enumerate(self.arrays):
                a = self.accumulators[place.u * len(self.arrays) + j]
                a.total = [self.n.column(part, place) for part in array]
                some.append(a)
        return some

    def chunk(self, first: Any, last: Any, low: Any, high: Any) -> None:
        """A chunk of a row."""
        self.open()
        with self.n.inner_rows(first, last):
            self.n.sweep(self, low, high)
        self.close()

    def hoist(self) -> None:
        """Loads what is the same for all of a row."""
        n = self.n
        for e in subexpressions(roots(self.phase._replace(results=()))):
            if e.op == "load" and not e.args and not n.s.classes[e.data][n.s.along]:
                n.load(e, Place(None, 1), [])

    def vectors(self, places: list[Place]) -> None:
        """Evaluates, remembers, writes and reduces, at vectors of elements."""
        n, p = self.n, self.phase
        for place in places:
            values = self.values(roots(p._replace(results=())), place)
            reduced, kept_values = values[: len(p.reductions)], values[len(p.reductions) :]
            for j, value in enumerate(kept_values[: len(p.keeps)]):
                n.keep(self.first_keep + j, value, place)
            for store, value in zip(p.stores, kept_values[len(p.keeps) :], strict=True):
                n.store(store.access, value, place)
            for j, (r, value) in enumerate(zip(p.reductions, reduced, strict=True)):
                accumulator = self.accumulators[place.u * len(p.reductions) + j]
                accumulator.add(
                    value, n.position(place) if arg(r) else None, None if n.s.across else place.mask
                )

    def results(self, place: Place) -> None:
        """Writes what is known once all elements were seen."""
        results = self.phase.results
        values = self.values([s.value for s in results], place)
        for store, value in zip(results, values, strict=True):
            self.n.store(store.access, value, place)

    def values(self, some: list[Expr], place: Place) -> list[Any]:
        return emit(self.n.f, some, place.lanes, lambda e, *index: self.n.leaf(e, place, *index))


def _mask(place: Place) -> Any:
    """The lanes that count."""
    return place.mask or ir.Constant(ir.VectorType(I1, place.lanes), [1] * place.lanes)
