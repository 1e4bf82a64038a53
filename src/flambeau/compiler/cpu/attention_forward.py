"""Attention's forward kernel: a task takes some queries of one head and streams over the keys.

For each block of keys: scores of a strip of queries, their maximum, exponentials and sum, and the means of
the values so far corrected by how much the maximum has grown (online softmax). Blocks of keys are the same
whatever the tasks are, so results don't depend on how the work is shared out.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ...core import dtype as dt
from ...core.node import numel
from ...runtime.kernels import kernel
from ..calls import Array, Plan
from ..expression import exp, log
from .attention_tiles import (
    INF,
    WORK,
    AttentionKernel,
    Geometry,
    Shape,
    described,
    geometry,
    spread_mask,
    total,
)
from .emit import i64

KEYS = 128  # keys of a block
STRIPS = 8  # strips of queries of a task, at most
TASKS = 16  # with fewer of them, they are made smaller
OPERANDS = ("q", "k", "v", "mask")


def plan_forward(plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], causal: bool) -> bool:
    """Adds the call for attention; False if a dtype or shape isn't served."""
    q, k, v, scale, *masks = inputs
    out, lse = results
    if 0 in (q.shape[-1], v.shape[-1]) or q.dtype not in (dt.float32, dt.float64, *dt.HALVES):
        return False
    batch, queries = out.shape[:-2], q.shape[-2]
    if numel(out.shape) == 0:
        return True
    g = geometry(q.dtype)
    operands = dict(
        zip(OPERANDS, (q, k, v, *(spread_mask(m, queries, k.shape[-2]) for m in masks)), strict=False)
    )
    shape, words = described(operands, batch, causal)
    parts = _parts(g, shape)
    strips, heads = -(-queries // g.strip), numel(batch)
    each = max(min(STRIPS, strips * heads // TASKS), 1)
    blocks = -(-strips // each)
    words |= {
        "scale": scale.address,
        "out": out.address,
        "lse": lse.address,
        "strips": each,
        "blocks": blocks,
    }
    words["scratch"] = plan.array((total(parts) * plan.threads,), g.d).address
    names = tuple(words)
    found = kernel("attention", shape.key(), lambda module: _Forward(module, names, shape, parts).emit())
    work = 2 * each * g.strip * k.shape[-2] * (shape.columns + shape.values)
    plan.call(found, list(words.values()), heads * blocks, WORK // max(work, 1))
    return True


def _parts(g: Geometry, s: Shape) -> dict[str, int]:
    """Elements of each part of a thread's memory."""
    return {
        "q": STRIPS * s.columns * g.strip,
        "out": STRIPS * s.values * g.strip,
        "top": STRIPS * g.strip,
        "total": STRIPS * g.strip,
        "scores": KEYS * g.strip,
        "mask": KEYS * g.strip if s.mask else 0,
        "k": KEYS * s.columns,
        "v": KEYS * s.values,
    }


class _Forward(AttentionKernel):
    def __init__(self, module: ir.Module, names: tuple[str, ...], s: Shape, parts: dict[str, int]) -> None:
        super().__init__(module, "attention", names, s, parts)
        self.width = self.g.strip

    def of_strip(self, name: str, strip: Any) -> Any:
        """A strip's own place."""
        rows = {"q": self.step["k"], "out": self.step["v"]}.get(name, 1)
        return self.part(name, self.b.mul(strip, i64(rows * self.width)))

    def emit(self) -> None:
        """The whole kernel."""
        b = self.b
        with self.loop(self.begin, self.end, 1, "task") as task:
            blocks, strips = self.named("blocks"), self.named("strips")
            head = b.sdiv(task, blocks)
            first = b.mul(b.mul(b.srem(task, blocks), strips), i64(self.width))
            self.given = self.operands(head, OPERANDS)
            left = b.sdiv(b.add(b.sub(self.queries, first), i64(self.width - 1)), i64(self.width))
            strips = self.minimum(strips, left)
            self._begin(first, strips)
            end = self.keys
            if self.s.causal:
                end = self.minimum(end, b.add(first, b.mul(strips, i64(self.width))))
            with self.loop(0, end, KEYS, "block") as block:
                self._block(first, strips, block, self.minimum(b.sub(end, block), KEYS))
            self._finish(head, first, strips)
        self.finish()

    def _begin(self, first: Any, strips: Any) -> None:
        """Packs the queries, scaled, and clears sums."""
        b, g = self.b, self.g
        with self.loop(0, strips) as strip:
            row = b.add(first, b.mul(strip, i64(self.width)))
            last, to = b.sub(self.queries, i64(1)), self.of_strip("q", strip)
            self.pack_turned(self.given["q"], row, last, self.columns, to, g.vectors, self.scale)
            self.clear(self.of_strip("out", strip), i64(self.step["v"] * self.width))
            for v in range(g.vectors):
                at = i64(v * g.lanes)
                self.put(self.number(-INF), self.of_strip("top", strip), at)
                self.put(self.number(0.0), self.of_strip("total", strip), at)

    def _block(self, first: Any, strips: Any, block: Any, count: Any) -> None:
        """All strips with one block of keys."""
        b = self.b
        for name, columns in (("k", self.columns), ("v", self.values)):
            self.pack_rows(self.given[name], block, count, columns, self.part(name), self.step[name])
        with self.loop(0, strips, 1, "strip") as strip:
            query = b.add(first, b.mul(strip, i64(self.width)))
            seen = count
            if self.s.causal:
                seen = self.minimum(seen, b.sub(b.add(query, i64(self.width)), block))
            with self.when(b.icmp_signed(">", seen, i64(0))):
                if self.s.mask:
                    self.pack_mask(self.given["mask"], query, block, seen)
                self._scores(strip, query, block, seen)
                self._means(strip, self.spans(query, block, seen), self._softmax(strip, seen))

    def _scores(self, strip: Any, query: Any, block: Any, seen: Any) -> None:
        b, g, width = self.b, self.g, self.width
        for start, end, vectors in self.spans(query, block, seen):
            with self.loop(start, end, g.rows, "group") as key:
                keys = self.part("k", b.mul(key, i64(self.step["k"])))
                queries = b.gep(self.of_strip("q", strip), [i64(vectors[0] * g.lanes)])
                steps, span = (self.step["k"], 1), (0, self.columns)
                sums = self.product(keys, steps, queries, width, span, self.zeros(len(vectors)))
                to = self.part("scores", b.mul(key, i64(width)))
                if self.s.mask:
                    masks = self.tile(self.part("mask", b.mul(key, i64(width))), width, vectors)
                    sums = [b.fadd(x, self.load(m, g.d.itemsize)) for x, m in zip(sums, masks, strict=True)]
                for value, place in zip(sums, self.tile(to, width, vectors), strict=True):
                    self.store(value, place, g.d.itemsize)
                self.hide(to, width, query, b.add(block, key), b.add(block, seen), -INF)

    def _softmax(self, strip: Any, seen: Any) -> list[Any]:
        """Turns scores into exponentials; how much what was summed so far shrinks."""
        b, g, rows, every = self.b, self.g, self.g.rows, range(self.g.vectors)
        lanes = [i64(v * g.lanes) for v in every]
        top, total = self.of_strip("top", strip), self.of_strip("total", strip)
        old = [self.vector_at(top, at) for at in lanes]
        with self.carry(0, seen, rows, old, "key") as state:
            tile = self.tile(self.part("scores", b.mul(state.i, i64(self.width))), self.width, every)
            scores = [self.load(p, g.d.itemsize) for p in tile]
            state.next = [
                self._tree(self.largest, [*scores[v :: g.vectors], x]) for v, x in enumerate(state.values)
            ]
        new = state.values
        safe = [b.select(b.fcmp_ordered("==", x, self.number(-INF)), self.number(0.0), x) for x in new]
        with self.carry(0, seen, rows, self.zeros(g.vectors)[: g.vectors], "key") as state:
            tile = self.tile(self.part("scores", b.mul(state.i, i64(self.width))), self.width, every)
            powers = []
            for n, place in enumerate(tile):
                power = self.applied(exp, b.fsub(self.load(place, g.d.itemsize), safe[n % g.vectors]))
                self.store(power, place, g.d.itemsize)
                powers.append(power)
            state.next = [
                b.fadd(x, self._tree(b.fadd, powers[v :: g.vectors])) for v, x in enumerate(state.values)
            ]
        shrink = [self.applied(exp, b.fsub(x, y)) for x, y in zip(old, safe, strict=True)]
        for at, maximum, factor, sums in zip(lanes, new, shrink, state.values, strict=True):
            self.put(b.fadd(b.fmul(self.vector_at(total, at), factor), sums), total, at)
            self.put(maximum, top, at)
        return shrink

    def _tree(self, combine: Any, values: list[Any]) -> Any:
        while len(values) > 1:
            pairs = zip(values[::2], values[1::2], strict=False)
            values = [combine(x, y) for x, y in pairs] + values[len(values) // 2 * 2 :]
        return values[0]

    def _means(self, strip: Any, spans: list[tuple[Any, Any, range]], shrink: list[Any]) -> None:
        b, step = self.b, self.step["v"]
        with self.loop(0, step, self.g.rows, "column") as column:
            out = b.gep(self.of_strip("out", strip), [b.mul(column, i64(self.width))])
            values, weights = self.part("v", column), self.part("scores")
            self.add_spans(values, (1, step), weights, self.width, spans, out, shrink)

    def _finish(self, head: Any, first: Any, strips: Any) -> None:
        """Divides by the sums and writes the results."""
        b, g = self.b, self.g
        out, lse = self.place("out", self.s.d), self.place("lse", g.d)
        with self.loop(0, strips) as strip:
            row = b.add(first, b.mul(strip, i64(self.width)))
            at = b.add(b.mul(head, self.queries), row)
            rows = b.sub(self.queries, row)
            for v in range(g.vectors):
                lane = i64(v * g.lanes)
                top, total = (self.vector_at(self.of_strip(name, strip), lane) for name in ("top", "total"))
                blind = b.fcmp_ordered("==", total, self.number(0.0))
                value = b.fadd(top, self.applied(log, total))
                value = b.select(blind, self.number(0.0), value)
                self.write(value, g.d, lse, b.add(at, lane), b.sub(rows, lane))
                inverse = b.select(blind, self.number(0.0), b.fdiv(self.number(1.0), total))
                self.put(inverse, self.of_strip("total", strip), lane)
            to = b.gep(out, [b.mul(at, self.whole(self.values))])
            packed, factors = self.of_strip("out", strip), self.of_strip("total", strip)
            self.unpack_turned(packed, g.vectors, factors, (self.s.d, to), self.values, rows)
