"""Contractions: C[m, n] = sum over k of A[m, k] * B[k, n], for matrices with any strides, and batches.

One generator serves matrix products, linear layers and their gradients. Which way a contraction goes depends
on its sizes and strides alone:

- k contiguous in both operands and few rows: inner products of vectors (`dots`);
- otherwise tiles of the result in registers (`blocks`, `microkernel`). They read operands in place where each
  element is used once or twice, else from panels (`packing`): transposes and conversions happen on the way;
- few tiles and a long k: sums of chunks of k side by side, and then their sum (`Combine`).

Threads share out blocks of the result, which are cut for their number. An element is summed up the same way
whatever the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, prod
from typing import Any, NamedTuple

from ...core import dtype as dt
from ...core.dtype import dtype
from ...runtime.calls import Address, Word
from ...runtime.kernels import Kernel, kernel
from ...runtime.target import host
from ..calls import Array, Plan
from ..expression import Expr, kept, numbered
from ..planner import planner
from .blocks import Blocks, Combine, Form
from .dots import Dots, group
from .microkernel import Direct, Geometry, Tiles, geometry
from .packing import Packer, Packing, Source


class Operand(NamedTuple):
    """A matrix in a buffer: element (i, j) lies `offset + i * rows + j * columns` elements after the buffer's
    start. Strides may be any integers, 0 too."""

    buffer: int
    offset: int
    rows: int
    columns: int
    dtype: dtype

    @property
    def flipped(self) -> Operand:
        """The transposed matrix."""
        return self._replace(rows=self.columns, columns=self.rows)

    @property
    def address(self) -> Address:
        """The place that offsets count from."""
        return Address(self.buffer, self.offset * self.dtype.itemsize)


class Batch(NamedTuple):
    """A dimension of a batch of contractions: its extent and the strides of the operands and the result in
    it, in elements (0: the same for all)."""

    extent: int
    a: int
    b: int
    out: int


class Problem(NamedTuple):
    """A contraction, its sizes and everything about its operands; see `contract`."""

    out: tuple[Operand, ...]
    a: Operand
    b: Operand
    m: int
    n: int
    k: int
    extents: tuple[int, ...]
    strides: dict[
        str, tuple[int, ...]
    ]  # in the batch's dimensions, by operand: "a", "b", "out0", "extra0", …
    results: tuple[Expr | None, ...]
    extras: tuple[Operand, ...]
    accumulate: bool

    @property
    def flipped(self) -> Problem:
        """The transposed product, B' A' = C'."""
        strides = self.strides | {"a": self.strides["b"], "b": self.strides["a"]}
        return self._replace(
            out=tuple(x.flipped for x in self.out), a=self.b.flipped, b=self.a.flipped, m=self.n, n=self.m,
            strides=strides, extras=tuple(x.flipped for x in self.extras),
        )  # fmt: skip


_PANELS = 16  # that a task packs
_MOST_PACKED = 128 << 20  # bytes of an operand that may be packed as a whole
FLOATS = (dt.float32, dt.float64, dt.bfloat16, dt.float16)


def contract(
    plan: Plan,
    out: Operand,
    a: Operand,
    b: Operand,
    m: int,
    n: int,
    k: int,
    batch: tuple[Batch, ...] = (),
    epilogue: Expr | None = None,
    extras: tuple[Array, ...] = (),
    more: tuple[tuple[Expr, Array], ...] = (),
    accumulate: bool = False,
) -> bool:
    """Adds the calls for out[m, n] = epilogue(sum over k of a[m, k] * b[k, n]), for each index of `batch`.

    a, b: (m, k) and (k, n), of one floating dtype.
    out: (m, n) of any floating dtype, with columns of stride 1. It overlaps neither operands nor extras.
    epilogue: over the leaves `kept(0, d)`, the sum (d is float64 for float64, otherwise float32), and
        `load(i, extras[i].dtype)`; its dtype is out's. None: the sum, rounded once.
    extras: arrays of shape (*batch extents, m, n), broadcast by strides of 0.
    more: further results: an expression like the epilogue and the array, shaped as an extra, that takes it.
    accumulate: out's old value starts the sum; out's dtype is then that of the sum.

    The result is the same to the last bit however tasks are shared out. Returns whether calls were added; a
    contraction that isn't for this generator (integers, complex numbers) is declined.
    """
    if a.dtype is not b.dtype or a.dtype not in FLOATS:
        return False
    total = dt.float64 if a.dtype is dt.float64 else dt.float32
    if epilogue is None and out.dtype is not total:
        epilogue = kept(0, total).cast(out.dtype)
    strides = {
        "a": tuple(d.a for d in batch),
        "b": tuple(d.b for d in batch),
        "out0": tuple(d.out for d in batch),
    }
    strides |= {f"out{o + 1}": x.strides[:-2] for o, (_, x) in enumerate(more)}
    strides |= {f"extra{e}": x.strides[:-2] for e, x in enumerate(extras)}
    problem = Problem(
        (out, *(matrix(x) for _, x in more)), a, b, m, n, k, tuple(d.extent for d in batch), strides,
        (epilogue, *(e for e, _ in more)), tuple(matrix(x) for x in extras), accumulate,
    )  # fmt: skip
    if m == 0 or n == 0 or prod(problem.extents) == 0:
        return True
    return _plan(plan, _normal(problem))


def matrix(x: Array) -> Operand:
    """The last two dimensions of an array."""
    return Operand(x.buffer, x.offset, x.strides[-2], x.strides[-1], x.dtype)


def _normal(p: Problem) -> Problem:
    """The problem with fewer dimensions where they can be joined, with strides of extents of 1 set so that
    they suit, and a column made a row."""
    p = _joined(p)
    if p.n == 1 and p.m > 1 and all(x.rows == 1 for x in p.out):
        p = p.flipped
    if p.n == 1:
        p = p._replace(out=tuple(x._replace(columns=1) for x in p.out))
    if p.m == 1:
        p = p._replace(out=tuple(x._replace(rows=0) for x in p.out), a=p.a._replace(rows=0))
    if p.k <= 1:
        p = p._replace(a=p.a._replace(columns=0), b=p.b._replace(rows=0))
    return p


def _joined(p: Problem) -> Problem:
    """Dimensions of the batch that are as good as one, joined; the last one joined with m if B is the same
    for all of it."""
    p = _without(p, [d for d, n in enumerate(p.extents) if n == 1])
    for d in reversed(range(len(p.extents) - 1)):
        if all(s[d] == p.extents[d + 1] * s[d + 1] for s in p.strides.values()):
            extents = (*p.extents[:d], p.extents[d] * p.extents[d + 1], *p.extents[d + 2 :])
            strides = {x: (*s[:d], *s[d + 1 :]) for x, s in p.strides.items()}
            p = p._replace(extents=extents, strides=strides)
    rows = {"a": p.a.rows} | {f"out{o}": x.rows for o, x in enumerate(p.out)}
    rows |= {f"extra{e}": x.rows for e, x in enumerate(p.extras)}
    if not p.extents or p.strides["b"][-1] != 0:
        return p
    if p.m == 1:
        step = {x: p.strides[x][-1] for x in rows}
        p = p._replace(
            a=p.a._replace(rows=step["a"]),
            out=tuple(x._replace(rows=step[f"out{o}"]) for o, x in enumerate(p.out)),
            extras=tuple(x._replace(rows=step[f"extra{e}"]) for e, x in enumerate(p.extras)),
        )
    elif not all(p.strides[x][-1] == p.m * step for x, step in rows.items()):
        return p
    return _without(p, [len(p.extents) - 1])._replace(m=p.m * p.extents[-1])


def _without(p: Problem, drop: list[int]) -> Problem:
    """The problem without some dimensions of its batch."""
    keep = [d for d in range(len(p.extents)) if d not in drop]
    strides = {x: tuple(s[d] for d in keep) for x, s in p.strides.items()}
    return p._replace(extents=tuple(p.extents[d] for d in keep), strides=strides)


def _plan(plan: Plan, p: Problem) -> bool:
    g = geometry(p.a.dtype)
    if any(x.columns != 1 for x in p.out) or (p.accumulate and not _in_place(p, g)):
        return False
    chunk = _chunk(p, g)
    if chunk < p.k:
        _split(plan, p, g, chunk)
    else:
        _sums(plan, p, g, max(chunk, 1))
    return True


def _size(g: Geometry) -> int:
    return host().vector // g.lanes


# ----- cutting -----


class Cut(NamedTuple):
    """How a contraction is cut up: the blocks of tasks and the stretches of k, and how operands are read."""

    block_m: int
    block_n: int
    block_k: int
    a: str
    b: str


def _cut(plan: Plan, p: Problem, g: Geometry, chunks: int, length: int) -> Cut:
    """The blocks: along the longer side of the result, as many as keep the threads equally busy. The other
    operand is packed once, before; that of the longer side by the tasks."""
    target = host()
    most_k = max(target.l1 * 2 // 3 // (g.columns * g.itemsize), 16) * (2 if g.pairs else 1)
    block_k = -(-length // max(ceil(length / most_k), 1))
    block_k += block_k % 2 if g.pairs else 0
    panels_m, panels_n = ceil(p.m / g.rows), ceil(p.n / g.columns)
    matrices = prod(p.extents) * chunks
    share = target.l2 // 2  # of the second cache, for a block of A
    along_n = p.n >= p.m and (
        p.m * g.units(block_k) * g.itemsize <= share or p.n * p.k * g.itemsize > _MOST_PACKED
    )
    panels = panels_n if along_n else panels_m
    per = panels
    if matrices < 4 * plan.threads and p.m * p.n * length > 1 << 15:
        per = _even(panels, plan.threads)
    if not along_n:
        fits = max(share // (g.rows * max(g.units(block_k), 1) * g.itemsize), 1)
        per = ceil(panels / ceil(panels / fits)) if per > fits else per
    block_m = p.m if along_n else min(per * g.rows, p.m)
    block_n = min(per * g.columns, p.n) if along_n else p.n
    shared = ceil(panels / per) > 1
    a = "packed" if shared and along_n else "local"
    b = "packed" if shared and not along_n else "local"
    if _direct_a(p, g):
        a = "direct"
    if _direct_b(p, g):
        b = "direct"
    return Cut(max(block_m, 1), max(block_n, 1), max(block_k, 1), a, b)


def _even(panels: int, threads: int) -> int:
    """Panels in a block such that equal shares of blocks are equal shares of panels, as nearly as can be."""

    def longest(per: int) -> int:
        return ceil(ceil(panels / per) / threads) * per

    return min((ceil(panels / (threads * x)) for x in range(1, 5)), key=longest)


def _direct_a(p: Problem, g: Geometry) -> bool:
    """Whether A is better read in place: if it is read once or twice, or is small."""
    if p.a.dtype not in (dt.float32, dt.float64):
        return False
    return p.n <= 2 * g.columns or p.m * p.k * g.itemsize <= host().l1 // 3


def _direct_b(p: Problem, g: Geometry) -> bool:
    """Whether B is better read in place: if its rows are vectors and it is read once or twice."""
    if p.b.dtype not in (dt.float32, dt.float64) or p.b.columns != 1:
        return False
    return p.m <= 2 * g.rows


def _chunk(p: Problem, g: Geometry) -> int:
    """The length of the parts that a long k is cut into when the result has few tiles; k itself otherwise."""
    tiles = ceil(p.m / g.rows) * ceil(p.n / g.columns) * prod(p.extents)
    if tiles > 8 or p.k < 4096 or p.accumulate:
        return p.k
    return max(1024, ceil(p.k / 32 / 256) * 256)


# ----- calls -----


def _source(x: Operand) -> Source:
    """A matrix (i, k) that is to be packed."""
    return Source("i" if x.rows == 1 else "k" if x.columns == 1 else "", x.dtype)


def _kernel(symbol: str, key: Any, make: Callable[..., object], *arguments: Any) -> Kernel:
    """The kernel that `make(module, symbol, *arguments)` emits."""

    def emit(module: Any) -> None:
        make(module, symbol, *arguments)

    return kernel(symbol, key, emit)


def _form(p: Problem, cut: Cut) -> Form:
    out = tuple(x.dtype for x in p.out)
    extras = tuple((x.dtype, x.columns if x.columns in (0, 1) else 2) for x in p.extras)
    return Form(p.a.dtype, cut.a, cut.b, len(p.extents), out, p.results, extras, p.accumulate)


def _key(form: Form) -> Any:
    """A form as tuples of names and numbers."""
    roots = [e for e in form.results if e is not None]
    return _plain((*form._replace(results=()), numbered(roots)[1], tuple(e is None for e in form.results)))


def _zeros(form: Form) -> dict[str, Word]:
    return dict.fromkeys(form.words, 0)


def _plain(x: Any) -> Any:
    return tuple(map(_plain, x)) if isinstance(x, tuple) else x.name if isinstance(x, dtype) else x


def _sums(plan: Plan, p: Problem, g: Geometry, chunk: int, chunk_out: int = 0) -> None:
    """Adds the calls that compute the sums of each chunk of k, and finish them."""
    (_dots if _few_rows(p) else _blocks)(plan, p, g, chunk, chunk_out)


def _few_rows(p: Problem) -> bool:
    """Whether inner products of whole vectors are the way: k is contiguous in both operands, and there are
    too few rows for packing to pay."""
    most = 32 if p.k >= 128 and p.a.dtype.itemsize >= 4 else 8
    return p.m <= most and p.k >= 16 and p.a.columns == p.b.rows == 1 and not p.accumulate


def _dots(plan: Plan, p: Problem, g: Geometry, chunk: int, chunk_out: int) -> None:
    """Adds the call of `Dots`."""
    form, shape = _form(p, Cut(0, 0, 0, "", "")), group(p.m, g)
    chunks, block = ceil(p.k / chunk), Dots.BLOCK
    tasks_n = ceil(p.n / block)
    word = _zeros(form) | {
        "m": p.m, "n": p.n, "k": p.k, "chunk": chunk, "chunk_out": chunk_out, "block_n": block,
        "tasks_n": tasks_n, "a": p.a.address, "a_i": p.a.rows, "b": p.b.address, "b_i": p.b.columns,
    }  # fmt: skip
    _place_words(p, word, p.strides)
    k = _kernel("inner_products", (_key(form), *shape), Dots, form, shape)
    work = p.m * block * chunk // g.lanes
    plan.call(
        k, [word[name] for name in form.words], chunks * prod(p.extents) * tasks_n, ceil(20_000 / (work + 50))
    )


def _blocks(plan: Plan, p: Problem, g: Geometry, chunk: int, chunk_out: int) -> None:
    """Adds the calls of `Blocks`."""
    chunks, chunk = max(ceil(p.k / chunk), 1), max(chunk, 1)
    cut = _cut(plan, p, g, chunks, chunk)
    form = _form(p, cut)
    tasks_m, tasks_n = ceil(p.m / cut.block_m), ceil(p.n / cut.block_n)
    word: dict[str, Word] = {
        "m": p.m, "n": p.n, "k": p.k, "chunk": chunk, "chunk_out": chunk_out, "tasks_m": tasks_m,
        "tasks_n": tasks_n, "block_m": cut.block_m, "block_n": cut.block_n, "block_k": cut.block_k,
    }  # fmt: skip
    strides = dict(p.strides)
    for x in ("a", "b"):
        _operand_words(plan, p, g, cut, x, word, strides)
    _own_words(plan, p, g, cut, chunk, word)
    _place_words(p, word, strides)
    word["tile"] = _tiles(g, Direct(cut.a == "direct", cut.b == "direct"))
    k = _kernel("contraction", _key(form), Blocks, form)
    tasks = chunks * prod(p.extents) * tasks_m * tasks_n
    work = cut.block_m * cut.block_n * chunk // (2 * g.lanes) + 50
    plan.call(k, [word[name] for name in form.words], tasks, ceil(20_000 / work))


def _operand_words(
    plan: Plan,
    p: Problem,
    g: Geometry,
    cut: Cut,
    x: str,
    word: dict[str, Word],
    strides: dict[str, tuple[int, ...]],
) -> None:
    """The words about one operand; packs it first if it is to be."""
    operand, way = (p.a, cut.a) if x == "a" else (p.b.flipped, cut.b)
    width, count = (g.rows, p.m) if x == "a" else (g.columns, p.n)
    word |= {x: operand.address, f"{x}_local": 0, f"{x}_size": 0, f"{x}_pack": 0}
    word[f"{x}_i"], word[f"{x}_k"] = operand.rows, operand.columns
    word[f"{x}_depth"] = g.units(cut.block_k)
    if way == "local":
        size = (ceil(cut.block_m / width) if x == "a" else 1) * width * g.units(cut.block_k) * g.itemsize
        word[f"{x}_size"] = size = -(-size // 64) * 64
        word[f"{x}_local"] = Address(plan.scratch(size * plan.threads))
        word[f"{x}_pack"] = _pack(g, width, _source(operand))
    elif way == "packed":
        moving = [(n, s) for n, s in zip(p.extents, strides[x], strict=True) if s]
        word[x] = _packed(plan, g, operand, count, p.k, width, moving)
        word[f"{x}_depth"] = g.units(p.k)
        one, packed = ceil(count / width) * width * g.units(p.k), []
        for n, s in zip(reversed(p.extents), reversed(strides[x]), strict=True):
            packed.append(one if s else 0)
            one *= n if s else 1
        strides[x] = tuple(reversed(packed))


def _packed(
    plan: Plan, g: Geometry, x: Operand, count: int, depth: int, width: int, batch: list[tuple[int, int]]
) -> Address:
    """Adds the call that packs all of an operand; where its panels will be."""
    panels, panel = ceil(count / width), width * g.units(depth)
    matrices = prod(n for n, _ in batch)
    to = Address(plan.scratch(matrices * panels * panel * g.itemsize))
    together = min(ceil(panels / plan.threads), _PANELS)
    tasks = ceil(panels / together)
    source = _source(x)
    key = _plain((source, width, len(batch)))
    k = _kernel("packing", key, Packer, g, width, source, len(batch))
    words: list[Word] = [
        _pack(g, width, source), x.address, to, count, depth, panel, tasks, together * width, panels * panel,
        x.rows, x.columns,
    ]  # fmt: skip
    plan.call(
        k,
        words + [w for pair in batch for w in pair],
        matrices * tasks,
        ceil(40_000 / (panel * together + 1)),
    )
    return to


def _pack(g: Geometry, width: int, source: Source) -> Kernel:
    """The function that packs panels."""
    return _kernel("pack", _plain((source, width)), Packing, g, width, source)


def _tiles(g: Geometry, direct: Direct) -> Kernel:
    """The function of tiles."""
    key = (str(g.element), *g[2:], *direct)
    return _kernel("tile", key, Tiles, g, direct)


def _own_words(plan: Plan, p: Problem, g: Geometry, cut: Cut, length: int, word: dict[str, Word]) -> None:
    """Buffers for tiles that are not summed up in the result: one tile, or all of a block where sums must
    outlive a stretch of k."""
    rows, columns = g.rows, g.columns
    word["own_i"] = word["own_j"] = 0
    if not _in_place(p, g) and cut.block_k < length:
        rows, columns = (ceil(n / x) * x for n, x in ((cut.block_m, rows), (cut.block_n, columns)))
        word["own_i"], word["own_j"] = columns, 1
    word["own_row"] = columns
    word["own_size"] = size = rows * columns * _size(g)
    word["own"] = Address(plan.scratch(size * plan.threads))


def _in_place(p: Problem, g: Geometry) -> bool:
    """Whether sums can be kept in the result."""
    return p.out[0].dtype is (dt.float64 if p.a.dtype is dt.float64 else dt.float32)


def _place_words(p: Problem, word: dict[str, Word], strides: dict[str, tuple[int, ...]]) -> None:
    """The words about the results, extras and the batch."""
    for o, x in enumerate(p.out):
        word[f"out{o}"] = x.address
        word[f"out{o}_i"] = x.rows
    for e, x in enumerate(p.extras):
        word[f"extra{e}"], word[f"extra{e}_i"], word[f"extra{e}_j"] = x.address, x.rows, x.columns
    for d, extent in enumerate(p.extents):
        word[f"extent@{d}"] = extent
        for name, steps in strides.items():
            word[f"{name}@{d}"] = steps[d]


def _split(plan: Plan, p: Problem, g: Geometry, chunk: int) -> None:
    """Sums of chunks of k side by side, then their sum in order."""
    total = dt.float64 if p.a.dtype is dt.float64 else dt.float32
    chunks, size = ceil(p.k / chunk), prod(p.extents) * p.m * p.n
    parts = plan.array((chunks, *p.extents, p.m, p.n), total)
    partial = p._replace(
        out=(Operand(parts.buffer, 0, p.n, 1, total),), results=(None,), extras=(),
        strides={"a": p.strides["a"], "b": p.strides["b"], "out0": parts.strides[1:-2]},
    )  # fmt: skip
    _sums(plan, partial, g, chunk, size)
    form = _form(p, Cut(0, 0, 0, "", ""))
    word = _zeros(form) | {
        "m": p.m,
        "n": p.n,
        "chunk": chunks,
        "chunk_out": size,
    }
    word["own"] = parts.address
    _place_words(p, word, p.strides)
    k = _kernel("combination", _key(form), Combine, form)
    plan.call(
        k, [word[name] for name in form.words], prod(p.extents) * p.m, ceil(20_000 / (p.n * chunks + 50))
    )


# ----- operations -----


@planner("matmul")
def _matmul(plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], _: tuple[Any, ...]) -> bool:
    (out,), (x, y) = results, inputs
    return product(plan, out, x, y)


@planner("linear")
def _linear(plan: Plan, results: tuple[Array, ...], inputs: tuple[Array, ...], _: tuple[Any, ...]) -> bool:
    (out,), (x, w) = results, inputs
    return linear(plan, out, x, w)


def product(
    plan: Plan,
    out: Array,
    x: Array,
    y: Array,
    epilogue: Expr | None = None,
    extras: tuple[Array, ...] = (),
    more: tuple[tuple[Expr, Array], ...] = (),
) -> bool:
    """out = x @ y, of batches (*, m, k) and (*, k, n) that broadcast, finished as `contract` does; extras
    have out's shape."""
    lead = out.shape[:-2]
    steps = [(0,) * (len(lead) - len(z.shape) + 2) + z.strides[:-2] for z in (x, y)]
    shapes = [(1,) * (len(lead) - len(z.shape) + 2) + z.shape[:-2] for z in (x, y)]
    steps = [
        tuple(s if n > 1 else 0 for n, s in zip(*pair, strict=True))
        for pair in zip(shapes, steps, strict=True)
    ]
    batch = tuple(Batch(*d) for d in zip(lead, *steps, out.strides[:-2], strict=True))
    m, n, k = *out.shape[-2:], x.shape[-1]
    return contract(plan, matrix(out), matrix(x), matrix(y), m, n, k, batch, epilogue, extras, more)


def linear(
    plan: Plan, out: Array, x: Array, w: Array, epilogue: Expr | None = None, extras: tuple[Array, ...] = ()
) -> bool:
    """out = x @ w.T, of (*, in) and (out, in), finished as `contract` does; extras have out's shape."""
    flipped = w._replace(shape=w.shape[::-1], strides=w.strides[::-1])
    if len(x.shape) > 1:
        return product(plan, out, x, flipped, epilogue, extras)
    rows = [z._replace(shape=(1, *z.shape), strides=(0, *z.strides)) for z in (out, x, *extras)]
    return product(plan, rows[0], rows[1], flipped, epilogue, tuple(rows[2:]))
