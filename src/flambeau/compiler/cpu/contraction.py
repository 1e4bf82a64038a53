"""Contractions: C[m, n] = sum over k of A[m, k] * B[k, n], for matrices with any strides, and batches.

One generator serves matrix products, linear layers and their gradients. Which way a contraction goes depends
on its sizes and strides alone:

- k contiguous in both operands and few rows or columns: inner products of vectors (`dots`);
- otherwise tiles of the result in registers (`blocks`, `microkernel`). They read operands in place where each
  element is used once or twice, else from panels (`packing`): transposes and conversions happen on the way;
- few tiles and a long k: sums of chunks of k side by side, and then their sum (`Combine`).

Threads share out blocks of the result, which are cut for their number. An element is summed up the same way
whatever the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, prod
from typing import Any

from ...core import dtype as dt
from ...core.dtype import dtype
from ...runtime.calls import Address, Word
from ...runtime.kernels import Kernel, kernel
from ...runtime.target import host
from ..calls import Array, Plan
from ..expression import Expr, kept, numbered
from ..planner import planner
from .blocks import Blocks, Combine, Form
from .cutting import Cut, chunk_of, cut_up
from .dots import Dots, group
from .microkernel import Direct, Geometry, Tiles, geometry
from .packing import Packer, Packing, Source
from .problem import Batch, Operand, Problem, matrix, normal

_PANELS = 16  # that a task packs
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
    elif epilogue is not None and epilogue.op == "kept" and out.dtype is total:
        epilogue = None
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
    return _plan(plan, normal(problem))


def _plan(plan: Plan, p: Problem) -> bool:
    g = geometry(p.a.dtype)
    if any(x.columns != 1 for x in p.out) or (p.accumulate and not _in_place(p, g)):
        return False
    chunk = chunk_of(p, g)
    if chunk < p.k:
        _split(plan, p, g, chunk)
    else:
        _sums(plan, p, g, max(chunk, 1))
    return True


def _size(g: Geometry) -> int:
    return host().vector // g.lanes


# ----- calls -----


def _source(x: Operand) -> Source:
    """A matrix (i, k) that is to be packed."""
    return Source("i" if x.rows == 1 else "k" if x.columns == 1 else "", x.dtype)


def _kernel(symbol: str, key: Any, make: Callable[..., object], *arguments: Any) -> Kernel:
    """The kernel that `make(module, symbol, *arguments)` emits."""

    def emit(module: Any) -> None:
        make(module, symbol, *arguments)

    return kernel(symbol, key, emit, light=True)


def _form(p: Problem) -> Form:
    out = tuple(x.dtype for x in p.out)
    extras = tuple((x.dtype, x.columns if x.columns in (0, 1) else 2) for x in p.extras)
    return Form(p.a.dtype, len(p.extents), out, p.results, extras, p.accumulate)


def _key(form: Form) -> Any:
    """A form as tuples of names and numbers."""
    roots = [e for e in form.results if e is not None]
    return _plain((*form._replace(results=()), numbered(roots)[1], tuple(e is None for e in form.results)))


def _plain(x: Any) -> Any:
    return tuple(map(_plain, x)) if isinstance(x, tuple) else x.name if isinstance(x, dtype) else x


def _sums(plan: Plan, p: Problem, g: Geometry, chunk: int, chunk_out: int = 0) -> None:
    """Adds the calls that compute the sums of each chunk of k, and finish them."""
    form = _form(p)
    word: dict[str, Word] = dict.fromkeys(form.words, 0)
    word |= {"m": p.m, "n": p.n, "k": p.k, "chunk": chunk, "chunk_out": chunk_out}
    for x, operand in (("a", p.a), ("b", p.b.flipped)):
        word |= {x: operand.address, f"{x}_i": operand.rows, f"{x}_k": operand.columns}
    _place_words(p, word, p.strides)
    if _narrow(p):
        _dots(plan, p, form, chunk, word)
    else:
        flat = 0 < p.m <= 2 * g.low and p.b.columns == 1 and p.b.dtype in (dt.float32, dt.float64)
        _blocks(plan, p, g.flat if flat else g, form, chunk, word)


def _narrow(p: Problem) -> bool:
    """Whether inner products of whole vectors are the way: k is contiguous in both operands, and there are
    too few rows or columns for packing to pay."""
    most = 32 if p.k >= 128 and p.a.dtype.itemsize >= 4 else 8
    fits = p.m <= most or p.n <= most // 2
    return fits and p.k >= 16 and p.a.columns == p.b.rows == 1 and not p.accumulate


def _dots(plan: Plan, p: Problem, form: Form, chunk: int, word: dict[str, Word]) -> None:
    """Adds the call of `Dots`."""
    shape, block = group(p.m, p.n, geometry(p.a.dtype)), Dots.BLOCK
    tasks_m, tasks_n = ceil(p.m / block), ceil(p.n / block)
    word |= {"rows": block, "columns": block, "tasks_m": tasks_m, "tasks_n": tasks_n}
    k = _kernel("inner_products", (_key(form), *shape), Dots, form, shape)
    work = min(p.m, block) * min(p.n, block) * chunk * p.a.dtype.itemsize // host().vector
    tasks = ceil(p.k / chunk) * prod(p.extents) * tasks_m * tasks_n
    plan.call(k, [word[name] for name in form.words], tasks, ceil(20_000 / (work + 50)))


def _blocks(plan: Plan, p: Problem, g: Geometry, form: Form, chunk: int, word: dict[str, Word]) -> None:
    """Adds the calls of `Blocks`."""
    chunks = max(ceil(p.k / chunk), 1)
    cut = cut_up(plan, p, g, chunks, chunk)
    panels_m, panels_n = ceil(p.m / g.rows), ceil(p.n / g.columns)
    word |= {
        "block_k": cut.block_k, "tasks_m": cut.tasks_m, "tasks_n": cut.tasks_n, "rows": g.rows,
        "columns": g.columns, "low": g.low, "group": p.n + g.columns,
    }  # fmt: skip
    word["panels_m"], word["more_m"] = divmod(panels_m, cut.tasks_m)
    word["panels_n"], word["more_n"] = divmod(panels_n, cut.tasks_n)
    for x in ("a", "b"):
        _operand_words(plan, p, g, cut, x, word)
    _own_words(plan, p, g, cut, chunk, word)
    word["tile"] = _tiles(g, Direct(cut.a == "direct", cut.b == "direct"))
    k = _kernel("contraction", _key(form), Blocks, form)
    tasks = chunks * prod(p.extents) * cut.tasks_m * cut.tasks_n
    work = p.m * p.n * chunk // (2 * g.lanes * cut.tasks_m * cut.tasks_n) + 50
    plan.call(k, [word[name] for name in form.words], tasks, ceil(20_000 / work))


def _operand_words(plan: Plan, p: Problem, g: Geometry, cut: Cut, x: str, word: dict[str, Word]) -> None:
    """The words about how one operand is read; packs it first if it is to be."""
    operand, way = (p.a, cut.a) if x == "a" else (p.b.flipped, cut.b)
    width, count, tasks = (g.rows, p.m, cut.tasks_m) if x == "a" else (g.columns, p.n, cut.tasks_n)
    size, steps = g.itemsize, (operand.rows, operand.columns)
    if way != "direct":
        steps = (1, width)
        word[f"{x}_panel"] = panel = width * g.units(p.k if way == "packed" else cut.block_k)
    word[f"{x}_panel_step"] = width * steps[0] * size if way == "direct" else panel * size
    word[f"{x}_low_step"] = g.low * steps[0] * size
    word[f"{x}_k_step"] = steps[1] * size // (2 if g.pairs else 1)
    if way == "local":
        panels = ceil(ceil(count / width) / tasks)
        if x == "b":
            panels = min(panels, max(host().l2 // 8 // (panel * size), 1) if operand.rows == 1 else 1)
            word["group"] = panels * width
        word[f"{x}_size"] = nbytes = -(-panels * panel * size // 64) * 64
        word[f"{x}_local"] = Address(plan.scratch(nbytes * plan.threads))
        word[f"{x}_pack"] = _pack(g, width, _source(operand))
    elif way == "packed":
        moving = [(n, s) for n, s in zip(p.extents, p.strides[x], strict=True) if s]
        word[x] = _packed(plan, g, operand, count, p.k, width, moving)
        one = ceil(count / width) * panel * size
        for d in reversed(range(len(p.extents))):
            word[f"{x}@{d}"] = one if p.strides[x][d] else 0
            one *= p.extents[d] if p.strides[x][d] else 1


def _packed(
    plan: Plan, g: Geometry, x: Operand, count: int, depth: int, width: int, batch: list[tuple[int, int]]
) -> Address:
    """Adds the call that packs all of an operand; where its panels will be."""
    panels, panel = ceil(count / width), width * g.units(depth)
    matrices = prod(n for n, _ in batch)
    to = Address(plan.scratch(matrices * panels * panel * g.itemsize))
    together = min(ceil(panels / plan.threads), _PANELS)
    block, tasks = together * width, ceil(panels / together)
    past = plan.threads > 1 and width % g.lanes == 0
    words: list[Word] = [
        _pack(g, width, _source(x), past), x.address, to, count, depth, panel, tasks, block,
        block * x.rows * x.dtype.itemsize, together * panel * g.itemsize, panels * panel * g.itemsize,
        x.rows, x.columns, *(w for n, s in batch for w in (n, s * x.dtype.itemsize)),
    ]  # fmt: skip
    k = _kernel("packing", len(batch), Packer, len(batch))
    plan.call(k, words, matrices * tasks, ceil(40_000 / (panel * together + 1)))
    return to


def _pack(g: Geometry, width: int, source: Source, past: bool = False) -> Kernel:
    """The function that packs panels."""
    return _kernel("pack", _plain((source, width, past)), Packing, g, width, source, past)


def _tiles(g: Geometry, direct: Direct) -> Kernel:
    """The function of tiles."""
    key = (str(g.element), *g[2:], *direct)
    return _kernel("tile", key, Tiles, g, direct)


def _own_words(plan: Plan, p: Problem, g: Geometry, cut: Cut, length: int, word: dict[str, Word]) -> None:
    """Buffers for tiles that are not summed up in the result: one tile, or all of a block where sums must
    outlive a stretch of k."""
    rows, columns = g.rows, g.columns
    if not _in_place(p, g) and cut.block_k < length:
        rows *= ceil(ceil(p.m / rows) / cut.tasks_m)
        columns *= ceil(ceil(p.n / columns) / cut.tasks_n)
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
            word[f"{name}@{d}"] = steps[d] * (p.a.dtype.itemsize if name in ("a", "b") else 1)


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
    form = _form(p)
    word: dict[str, Word] = dict.fromkeys(form.words, 0)
    word |= {"m": p.m, "n": p.n, "chunk": chunks, "chunk_out": size, "own": parts.address}
    _place_words(p, word, p.strides)
    k = _kernel("combination", _key(form), Combine, form)
    grain = ceil(20_000 / (p.n * chunks + 50))
    plan.call(k, [word[name] for name in form.words], prod(p.extents) * p.m, grain)


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
