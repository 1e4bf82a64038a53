"""Attention's backward kernel: a task takes a chunk of the queries of one head, mostly all of them.

For each block of its queries and each block of keys the weights are made again from the scores and the
logsumexp; sums for the queries stay in the task's memory during its sweep over the keys, sums for keys and
values are added to at each block. Where there are few heads, the queries are shared out in chunks (as many as
the shape says), each chunk has sums of its own for keys and values, and a second kernel adds those up.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from ...core import dtype as dt
from ...core.node import numel
from ...runtime.calls import Word
from ...runtime.kernels import kernel
from ..calls import Array, Plan
from ..expression import exp
from .attention_tiles import WORK, AttentionKernel, Geometry, Shape, described, geometry, spread_mask, total
from .emit import i64

KEYS = 64  # keys of a block
STRIPS = 2  # strips of queries of a block
TASKS = 16  # with fewer heads, chunks of queries are made
OPERANDS = ("q", "k", "v", "g", "lse", "delta", "mask")


def plan_backward(plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], causal: bool) -> bool:
    """Adds the calls for attention's gradient; False if a dtype or shape isn't served."""
    out, q, k, v, lse, delta, scale, *masks = inputs
    if 0 in (q.shape[-1], v.shape[-1]) or q.dtype not in (dt.float32, dt.float64, *dt.HALVES):
        return False
    batch, queries, keys = results[0].shape[:-2], q.shape[-2], k.shape[-2]
    heads, g = numel(batch), geometry(q.dtype)
    if heads == 0:
        return True
    masks = [spread_mask(m, queries, keys) for m in masks]
    operands = dict(zip(OPERANDS, (q, k, v, out, _row(lse), _row(delta), *masks), strict=False))
    block = STRIPS * g.strip
    blocks = -(-queries // block)
    rows = max(-(-blocks // max(min(blocks, -(-TASKS // heads)), 1)), 1) * block
    chunks = max(-(-queries // rows), 1)
    shape, words = described(operands, batch, causal, chunks > 1)
    parts, padded = _parts(g, shape), -(-keys // g.rows) * g.rows
    size = padded * (shape.columns + shape.values)
    words |= {f"d{name}": x.address for name, x in zip("qkv", results, strict=True)}
    words |= {"scale": scale.address, "chunks": chunks, "rows": rows, "padded": padded, "size": size}
    elements = {"packed": plan.threads * size, "scratch": plan.threads * total(parts)}
    elements["sums"] = size * (heads * chunks if shape.split else plan.threads)
    words |= {name: plan.array((n,), g.d).address for name, n in elements.items()}
    names = tuple(words)
    found = kernel(
        "attention_grad", shape.key(), lambda module: _Backward(module, names, shape, parts).emit()
    )
    work = 5 * rows * keys * (shape.columns + shape.values)
    plan.call(found, list(words.values()), heads * chunks, WORK // max(work, 1))
    if shape.split:
        _plan_sum(plan, shape, words, heads)
    return True


def _plan_sum(plan: Plan, shape: Shape, words: dict[str, Word], heads: int) -> None:
    """Adds the call that sums over chunks."""
    names = ("dk", "dv", "sums", "size", "keys", "chunks", "padded", "columns", "values")
    some = shape._replace(units=(), dims=0, causal=False, mask=None, across=False)
    found = kernel(
        "attention_sum", some.key(), lambda module: _Sum(module, "attention_sum", names, some, {}).emit()
    )
    plan.call(found, [words[name] for name in names], heads)


def _row(x: Array) -> Array:
    """Numbers, one a query, as matrices of one row."""
    return x._replace(shape=(*x.shape[:-1], 1, x.shape[-1]), strides=(*x.strides[:-1], 0, x.strides[-1]))


def _parts(g: Geometry, s: Shape) -> dict[str, int]:
    """Elements of each part of a thread's memory."""
    block = STRIPS * g.strip
    return {
        "q^t": s.columns * block,
        "g^t": s.values * block,
        "q": (block + g.rows) * s.columns,
        "g": (block + g.rows) * s.values,
        "p": KEYS * block,
        "ds": KEYS * block,
        "dq": s.columns * block,
        "mask": KEYS * g.strip if s.mask else 0,
        "lse": block,
        "delta": block,
    }


class _Sum(AttentionKernel):
    """Writes the gradients towards keys and values: the sums of all chunks."""

    def emit(self) -> None:
        """The whole kernel: a task is a head."""
        b, sums, chunks = self.b, self.place("sums", self.g.d), self.named("chunks")
        with self.loop(self.begin, self.end, 1, "head") as head:
            first = b.mul(b.mul(head, chunks), self.named("size"))
            self.write_keys(head, b.gep(sums, [first]), chunks)
        self.finish()

    def halves(self, sums: Any) -> tuple[tuple[str, Any, int, Any], ...]:
        """Name, columns, columns of a packed row, and place of the sums for keys and for values."""
        s = self.s
        later = self.b.gep(sums, [self.b.mul(self.named("padded"), i64(s.columns))])
        return ("k", self.columns, s.columns, sums), ("v", self.values, s.values, later)

    def write_keys(self, head: Any, sums: Any, chunks: Any) -> None:
        """Adds up as many sums as there are chunks, and writes them as a head's gradients."""
        for half in self.halves(sums):
            self._write_half(head, chunks, *half)

    def _write_half(self, head: Any, chunks: Any, name: str, columns: Any, stride: int, start: Any) -> None:
        b, keys, size, width = self.b, self.named("keys"), self.named("size"), self.whole(columns)
        to = b.gep(self.place("d" + name, self.s.d), [b.mul(head, b.mul(keys, width))])
        with self.loop(0, keys) as key:

            def body(column: Any, count: Any) -> None:
                at = b.add(b.mul(key, i64(stride)), column)
                with self.carry(1, chunks, 1, [self.vector_at(start, at)], "chunk") as state:
                    more = self.vector_at(start, b.add(at, b.mul(state.i, size)))
                    state.next = [b.fadd(state.values[0], more)]
                self.write(state.values[0], self.s.d, to, b.add(b.mul(key, width), column), count)

            self.chunks(columns, body)


class _Backward(_Sum):
    def __init__(self, module: ir.Module, names: tuple[str, ...], s: Shape, parts: dict[str, int]) -> None:
        super().__init__(module, "attention_grad", names, s, parts)
        self.block = STRIPS * self.g.strip

    def emit(self) -> None:
        """The whole kernel: a task is a chunk of queries of a head."""
        b, g = self.b, self.g
        chunks, rows, size = self.named("chunks"), self.named("rows"), self.named("size")
        with self.loop(self.begin, self.end, 1, "task") as task:
            head = b.sdiv(task, chunks)
            self.given = self.operands(head, OPERANDS)
            own = b.mul(task if self.s.split else self.thread, size)
            self.sums = b.gep(self.place("sums", g.d), [own])
            self.clear(self.sums, size)
            first = b.mul(b.srem(task, chunks), rows)
            last = self.minimum(self.queries, b.add(first, rows))
            self._pack_keys(last)
            with self.loop(first, last, self.block, "queries") as query:
                self._queries(head, query)
            if not self.s.split:
                self.write_keys(head, self.sums, i64(1))
        self.finish()

    def _pack_keys(self, queries: Any) -> None:
        """Packs the keys, and their values, that the first so many queries see."""
        packed = self.b.gep(self.place("packed", self.g.d), [self.b.mul(self.thread, self.named("size"))])
        count = self.minimum(self.keys, queries) if self.s.causal else self.keys
        for name, (_, columns, stride, to) in zip("kv", self.halves(packed), strict=True):
            self.pack_rows(self.given[name], i64(0), count, columns, to, stride)
            self.parts[name] = to

    def _queries(self, head: Any, query: Any) -> None:
        """One block of queries with all keys that they see."""
        b, g, s = self.b, self.g, self.s
        last, count = b.sub(self.queries, i64(1)), self.minimum(b.sub(self.queries, query), self.block)
        for name, columns, factor in (("q", self.columns, self.scale), ("g", self.values, None)):
            stride = self.step["k" if name == "q" else "v"]
            self.pack_rows(self.given[name], query, count, columns, self.part(name), stride, factor)
            with self.loop(0, self.block, g.strip, "strip") as skip:
                to = self.part(name + "^t", b.mul(skip, i64(stride)))
                self.pack_turned(self.given[name], b.add(query, skip), last, columns, to, g.vectors, factor)
        for name in ("lse", "delta"):
            with self.loop(0, count, g.lanes, "lane") as lane:
                value = self.read(self.given[name], i64(0), b.add(query, lane), b.sub(count, lane))
                self.put(value, self.part(name), lane)
        self.clear(self.part("dq"), self.step["k"] * self.block)
        end = self.minimum(self.keys, b.add(query, count)) if s.causal else self.keys
        with self.loop(0, end, KEYS, "keys") as key:
            self._pair(query, count, key, self.minimum(b.sub(end, key), KEYS))
        to = b.gep(
            self.place("dq", s.d), [b.mul(b.add(b.mul(head, self.queries), query), self.whole(self.columns))]
        )
        with self.loop(0, count, g.strip, "strip") as skip:
            packed, rows = self.part("dq", b.mul(skip, i64(self.step["k"]))), b.sub(count, skip)
            place = b.gep(to, [b.mul(skip, self.whole(self.columns))])
            self.unpack_turned(packed, g.vectors, self.scale, (s.d, place), self.columns, rows)

    def _pair(self, query: Any, count: Any, key: Any, seen: Any) -> None:
        """A block of queries with a block of keys."""
        b, g, s = self.b, self.g, self.s
        with self.loop(0, STRIPS, 1, "strip") as strip:
            skip = b.mul(strip, i64(g.strip))
            some = seen
            if s.causal:
                some = self.minimum(seen, b.sub(b.add(b.add(query, skip), i64(g.strip)), key))
            if s.mask:
                at = self.minimum(b.add(query, skip), b.sub(self.queries, i64(1)))
                self.pack_mask(self.given["mask"], at, key, some)
            spans = self.spans(b.add(query, skip), key, some)
            for span in spans:
                self._weights(query, skip, key, some, *span)
            self._query_sums(skip, key, spans)
        self._key_sums(query, count, key, seen)

    def _weights(
        self, query: Any, skip: Any, key: Any, seen: Any, start: Any, end: Any, vectors: range
    ) -> None:
        """The weights of a strip of queries, and the gradient towards their scores, for some keys."""
        b, g, s, size, block, count = self.b, self.g, self.s, self.g.d.itemsize, self.block, len(vectors)
        first = b.add(query, skip)
        lanes = [b.add(skip, i64(v * g.lanes)) for v in vectors]
        lse, delta = ([self.vector_at(self.part(name), at) for at in lanes] for name in ("lse", "delta"))
        with self.loop(start, end, g.rows, "group") as row:
            place = b.add(b.mul(row, i64(block)), skip)
            weights, ds = (self.tile(self.part(name, place), block, vectors) for name in ("p", "ds"))
            sums = self._against("k", "q^t", b.add(key, row), skip, self.columns, vectors)
            if s.mask:
                masks = self.tile(self.part("mask", b.mul(row, i64(g.strip))), g.strip, vectors)
                sums = [b.fadd(x, self.load(m, size)) for x, m in zip(sums, masks, strict=True)]
            for n, (value, at) in enumerate(zip(sums, weights, strict=True)):
                self.store(self.applied(exp, b.fsub(value, lse[n % count])), at, size)
            self.hide(self.part("p", place), block, first, b.add(key, row), b.add(key, seen), 0.0)
            sums = self._against("v", "g^t", b.add(key, row), skip, self.values, vectors)
            for n, (value, source, to) in enumerate(zip(sums, weights, ds, strict=True)):
                left = b.fsub(value, delta[n % count])
                self.store(b.fmul(left, self.load(source, size)), to, size)

    def _against(
        self, rows: str, queries: str, row: Any, skip: Any, columns: Any, vectors: range
    ) -> list[Any]:
        """Products of a tile's keys or values with some queries of a strip."""
        b, g, step = self.b, self.g, self.step[rows]
        left = self.part(rows, b.mul(row, i64(step)))
        right = self.part(queries, b.add(b.mul(skip, i64(step)), i64(vectors[0] * g.lanes)))
        return self.product(left, (step, 1), right, g.strip, (0, columns), self.zeros(len(vectors)))

    def _query_sums(self, skip: Any, key: Any, spans: list[tuple[Any, Any, range]]) -> None:
        b, g, step = self.b, self.g, self.step["k"]
        with self.loop(0, step, g.rows, "column") as column:
            at = b.add(b.mul(skip, i64(step)), b.mul(column, i64(g.strip)))
            keys = self.part("k", b.add(b.mul(key, i64(step)), column))
            self.add_spans(keys, (1, step), self.part("ds", skip), self.block, spans, self.part("dq", at))

    def _key_sums(self, query: Any, count: Any, key: Any, seen: Any) -> None:
        b, g = self.b, self.g
        (_, _, _, keys), (_, _, _, values) = self.halves(self.sums)
        with self.loop(0, seen, g.rows, "group") as row:
            start = self.maximum(b.sub(b.add(key, row), query), 0) if self.s.causal else i64(0)
            for weights, of, step, sums in (("p", "g", "v", values), ("ds", "q", "k", keys)):
                stride = self.step[step]
                to = b.gep(sums, [b.mul(b.add(key, row), i64(stride))])
                left = self.part(weights, b.mul(row, i64(self.block)))
                self._row_sums(left, self.part(of), stride, (start, count), to)

    def _row_sums(self, left: Any, right: Any, stride: int, span: tuple[Any, Any], to: Any) -> None:
        """Adds products with rows to rows of sums, some columns at a time."""
        b, g = self.b, self.g

        def columns(first: Any, vectors: int) -> None:
            tile = self.tile(b.gep(to, [first]), stride, range(vectors))
            sums = [self.load(p, g.d.itemsize) for p in tile]
            sums = self.product(left, (self.block, 1), b.gep(right, [first]), stride, span, sums)
            for value, place in zip(sums, tile, strict=True):
                self.store(value, place, g.d.itemsize)

        whole = stride // g.strip * g.strip
        if whole:
            with self.loop(0, whole, g.strip, "column") as column:
                columns(column, g.vectors)
        for column in range(whole, stride, g.lanes):
            columns(i64(column), 1)
