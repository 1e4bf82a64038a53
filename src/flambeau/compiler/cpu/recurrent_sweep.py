"""The code of recurrent layers' kernels: see `recurrent` for what they do."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from llvmlite import ir

from ...core import dtype as dt
from ..expression import Expr
from .emit import F32, I1, I8, I32, I64, Function, i64, vector
from .microkernel import Geometry, Routine, lane_mask, masked_load, masked_store, multiply_add
from .recurrent_cells import CELLS
from .scalar import emit, splat


class Form(NamedTuple):
    """What a kernel's code depends on: the kind of layer, whether this is its gradient, whether what a
    gradient needs is kept, and whether the units don't fill whole vectors."""

    cell: str
    backward: bool
    keep: bool
    masked: bool


class Tile:
    """The routine of a tile of products: `(a, a_row, last, b, k, c)`.

    `a` are rows, `a_row` apart, of which number `last` is the last, `b` a panel; the tile's rows in `c` are
    `pitch` apart.
    """

    def __init__(self, module: ir.Module, g: Geometry, rows: int, pitch: int) -> None:
        pointer = F32.as_pointer()
        self.g, self.rows = g, rows
        self.f = f = Routine(module, f"products{rows}", pointer, I64, I64, pointer, I64, pointer)
        a, a_row, last, self.b, k, c = f.args
        self.a = [f.b.gep(a, [f.b.mul(f.minimum(r, last), a_row)]) for r in range(rows)]
        kind = vector(F32, g.lanes)
        sums = [ir.Constant(kind, None)] * (rows * g.vectors)
        with f.carry(0, k, 1, sums, "k") as state:
            state.next = self.added(state.i, state.values)
        for i, value in enumerate(state.values):
            place = i64(i // g.vectors * pitch + i % g.vectors * g.lanes)
            f.store(value, f.at(c, place, kind), 4)
        f.finish()

    def added(self, k: Any, sums: list[Any]) -> list[Any]:
        """The sums with the products of one k."""
        f, g = self.f, self.g
        panel = f.b.gep(self.b, [f.b.mul(k, i64(g.columns))])
        kind = vector(F32, g.lanes)
        right = [f.load(f.at(panel, i64(v * g.lanes), kind), 4) for v in range(g.vectors)]
        result = []
        for r, row in enumerate(self.a):
            left = f.splat(f.load(f.b.gep(row, [k]), 4), g.lanes)
            for v in range(g.vectors):
                result.append(multiply_add(f, left, right[v], sums[r * g.vectors + v]))
        return result


def emit_pack(module: ir.Module, g: Geometry, along: bool) -> None:
    """Emits the kernel that packs matrices: a task is a panel, which holds `g.columns` units for every k.

    `along`: units lie one after the other. Past the last unit a panel holds the last one again.
    """
    f = Function(module, "recurrent_pack")
    source, to = f.pointer(0, F32), f.pointer(1, F32)
    hidden, depth, panels, unit_step, k_step, matrix_step = (f.word(n) for n in range(2, 8))
    last, kind = f.b.sub(hidden, i64(1)), vector(F32, g.lanes)
    with f.loop(f.begin, f.end, 1, "task") as task:
        matrix = f.b.gep(source, [f.b.mul(f.b.sdiv(task, panels), matrix_step)])
        panel = f.b.gep(to, [f.b.mul(task, f.b.mul(depth, i64(g.columns)))])
        first = f.b.mul(f.b.srem(task, panels), i64(g.columns))
        with f.loop(0, g.columns, g.lanes, "vector") as v, f.loop(0, depth, 1, "k") as k:
            unit, row = f.b.add(first, v), f.b.gep(matrix, [f.b.mul(k, k_step)])
            if along:
                value = masked_load(f, f.at(row, unit, kind), lane_mask(f, g.lanes, f.b.sub(hidden, unit)))
            else:
                value = ir.Constant(kind, ir.Undefined)
                for lane in range(g.lanes):
                    at = f.b.mul(f.minimum(f.b.add(unit, i64(lane)), last), unit_step)
                    value = f.b.insert_element(value, f.load(f.b.gep(row, [at]), 4), ir.Constant(I32, lane))
            f.store(value, f.at(panel, f.b.add(f.b.mul(k, i64(g.columns)), v), kind), 4)
    f.finish()


class Sweep:
    """Emits the kernel of a layer or of its gradient."""

    def __init__(self, module: ir.Module, form: Form, g: Geometry, names: tuple[str, ...]) -> None:
        self.form, self.g, self.cell = form, g, CELLS[form.cell]
        self.wide = self.product_gates * g.columns  # of a row of the tiles of one panel
        heights = range(g.rows, 0, -max(g.rows // 3, 1))
        self.tiles = {rows: Tile(module, g, rows, self.wide).f.function for rows in heights}
        self.f = f = Function(module, "recurrent")
        self.word = {name: f.word(number) for number, name in enumerate(names)}
        self.hidden = self.word["hidden"]
        self.buffer = f.local(F32, g.rows * self.wide)

    @property
    def product_gates(self) -> int:
        """Tiles of a panel: one a gate, or one for the state's gradient."""
        return 1 if self.form.backward else self.cell.gates

    def emit(self) -> None:
        """Begins with the first states, and goes through the steps."""
        f = self.f
        for state in self.cell.states:
            with f.loop(f.begin, f.end, 1, "first") as b:
                self.copy(self.row(state, b), self.row(f"{state}0", b), self.hidden)
        steps = f.b.inttoptr(self.word["steps"], I64.as_pointer())
        with f.loop(0, self.word["count"], 1, "step") as t:
            at = f.b.mul(t, i64(2))
            start, count = (f.load(f.b.gep(steps, [f.b.add(at, i64(x))]), 8) for x in range(2))
            stop = f.minimum(f.end, count)
            if self.form.backward:
                self.backward(start, stop)
            else:
                self.forward(start, stop)
        f.finish()

    # ----- memory -----

    def row(self, name: str, number: Any) -> Any:
        """The start of a row of an array."""
        f = self.f
        base = f.b.inttoptr(self.word[name], F32.as_pointer())
        return f.b.gep(base, [f.b.mul(number, self.word[f"{name}_row"])])

    def part(self, row: Any, gate: int) -> Any:
        """Where a gate's units begin in a row of several."""
        return self.f.b.gep(row, [self.f.b.mul(self.hidden, i64(gate))])

    def copy(self, to: Any, source: Any, count: Any) -> None:
        """Copies consecutive elements."""
        f = self.f
        to, source = (f.b.bitcast(p, I8.as_pointer()) for p in (to, source))
        f.intrinsic(
            "llvm.memcpy.p0.p0.i64", ir.VoidType(), to, source, f.b.mul(count, i64(4)), ir.Constant(I1, 0)
        )

    def units(self, row: Any, j: Any) -> Any:
        """The vector of units from number `j` on."""
        f = self.f
        place = f.at(row, j, vector(F32, self.g.lanes))
        return masked_load(f, place, self.mask(j)) if self.form.masked else f.load(place, 4)

    def put(self, value: Any, row: Any, j: Any) -> None:
        """Stores a vector of units."""
        f = self.f
        value = splat(f, value, self.g.lanes)
        place = f.at(row, j, value.type)
        if self.form.masked:
            masked_store(f, value, place, self.mask(j))
        else:
            f.store(value, place, 4)

    def mask(self, j: Any) -> Any:
        """Which lanes of the vector at unit `j` are units."""
        return lane_mask(self.f, self.g.lanes, self.f.b.sub(self.hidden, j))

    # ----- products -----

    def products(self, stop: Any, left: str, start: Any, depth: Any, then: Any) -> None:
        """Multiplies the task's rows of a step before `stop`, which lie in `left` from row `start` on, with
        the weight. For each vector of the result calls `then(row, j, place)`: its row and first unit, and
        where it is, for each gate `columns` further on."""
        f, g = self.f, self.g
        panels = f.b.sdiv(f.b.add(self.hidden, i64(g.columns - 1)), i64(g.columns))
        size = f.b.mul(depth, i64(g.columns))
        weight = f.b.inttoptr(self.word["weight"], F32.as_pointer())
        with f.loop(0, panels, 1, "panel") as p, f.loop(f.begin, stop, g.rows, "block") as first:
            rows = f.minimum(g.rows, f.b.sub(stop, first))
            a, j = self.row(left, f.b.add(start, first)), f.b.mul(p, i64(g.columns))
            for gate in range(self.product_gates):
                panel = f.b.add(f.b.mul(panels, i64(gate)), p)
                c = f.b.gep(self.buffer, [i64(gate * g.columns)])
                b = f.b.gep(weight, [f.b.mul(panel, size)])
                self.tile(rows, [a, self.word[f"{left}_row"], f.b.sub(rows, i64(1)), b, depth, c])
            with f.loop(0, rows, 1, "row") as r:
                line = f.b.gep(self.buffer, [f.b.mul(r, i64(self.wide))])
                width = f.minimum(g.columns, f.b.sub(self.hidden, j))
                with f.loop(0, width, g.lanes, "vector") as lane:
                    then(f.b.add(first, r), f.b.add(j, lane), f.b.gep(line, [lane]))

    def tile(self, rows: Any, arguments: list[Any]) -> None:
        """Calls the smallest tile that has that many rows."""
        f, heights = self.f, list(self.tiles)
        done = f.function.append_basic_block("tile.done")
        for height, smaller in pairwise(heights):
            this, other = (f.function.append_basic_block(f"tile.{x}") for x in ("this", "other"))
            f.b.cbranch(f.b.icmp_signed(">", rows, i64(smaller)), this, other)
            f.b.position_at_end(this)
            f.b.call(self.tiles[height], arguments)
            f.b.branch(done)
            f.b.position_at_end(other)
        f.b.call(self.tiles[heights[-1]], arguments)
        f.b.branch(done)
        f.b.position_at_end(done)

    # ----- the two directions -----

    def forward(self, start: Any, stop: Any) -> None:
        """One step: the state before it is copied, products made, the cell computed."""
        f = self.f
        before = start if self.form.keep else i64(0)
        with f.loop(f.begin, stop, 1, "before") as b:
            self.copy(self.row("h_before", f.b.add(before, b)), self.row("h", b), self.hidden)

        def then(b: Any, j: Any, place: Any) -> None:
            self.cell_values(b, f.b.add(start, b), j, place)

        self.products(stop, "h_before", before, self.hidden, then)

    def cell_values(self, b: Any, row: Any, j: Any, place: Any) -> None:
        """What the cell computes for a vector of units of sequence `b`, whose step is in row `row`."""
        f, cell = self.f, self.cell
        p, x = ([leaf(f"{name}{i}") for i in range(cell.gates)] for name in "px")
        states, kept = cell.forward(p, x, {name: leaf(name) for name in (*cell.states, "b")})

        def value(e: Expr) -> Any:
            name = e.data
            if name[0] == "p":
                product = f.b.gep(place, [i64(int(name[1:]) * self.g.columns)])
                return f.load(f.at(product, i64(0), vector(F32, self.g.lanes)), 4)
            if name[0] == "x":
                return self.units(self.part(self.row("x", row), int(name[1:])), j)
            return self.units(self.row(name, i64(0) if name == "b" else b), j)

        before = [leaf(name) for name in cell.states[1:]]
        values = emit(f, [*states.values(), *before, *kept], self.g.lanes, value)
        self.put(values[0], self.row("out", row), j)
        for name, v in zip(states, values, strict=False):
            self.put(v, self.row(name, b), j)
        if self.form.keep:
            for name, v in zip(cell.states[1:], values[len(states) :], strict=False):
                self.put(v, self.row(f"{name}_before", row), j)
            for i, v in enumerate(values[len(states) + len(before) :]):
                self.put(v, self.part(self.row("kept", row), i), j)

    def backward(self, start: Any, stop: Any) -> None:
        """One step: the cell's gradients, then those of the state before."""
        f, cell = self.f, self.cell
        with f.loop(f.begin, stop, 1, "b") as b, f.loop(0, self.hidden, self.g.lanes, "j") as j:
            self.cell_gradients(b, f.b.add(start, b), j)
        depth = f.b.mul(self.hidden, i64(cell.gates))

        def then(b: Any, j: Any, place: Any) -> None:
            row = self.row("h", b)
            value = f.load(f.at(place, i64(0), vector(F32, self.g.lanes)), 4)
            if "h" in cell.direct:
                value = f.b.fadd(value, self.units(row, j))
            self.put(value, row, j)

        self.products(stop, "d", start, depth, then)

    def cell_gradients(self, b: Any, row: Any, j: Any) -> None:
        """The cell's gradients for a vector of units of one row."""
        f, cell = self.f, self.cell
        kept = [leaf(f"a{i}") for i in range(cell.kept)]
        inputs, products, states = cell.backward(
            kept, {name: leaf(name) for name in ("g", "dh", "dc", "h", "c")}
        )

        def value(e: Expr) -> Any:
            name = e.data
            if name[0] == "a":
                return self.units(self.part(self.row("kept", row), int(name[1:])), j)
            if name == "g":
                return self.units(self.row("g", row), j)
            if name[0] == "d":
                return self.units(self.row(name[1:], b), j)
            return self.units(self.row(f"{name}_before", row), j)

        values = emit(f, [*inputs, *products, *states.values()], self.g.lanes, value)
        targets = [("dx" if products else "d", i) for i in range(cell.gates)]
        targets += [("d", i) for i in range(len(products))]
        for (name, i), v in zip(targets, values, strict=False):
            self.put(v, self.part(self.row(name, row), i), j)
        for name, v in zip(states, values[len(targets) :], strict=True):
            self.put(v, self.row(name, b), j)


def leaf(name: str) -> Expr:
    """A value that is read from an array."""
    return Expr("load", (), dt.float32, name)
