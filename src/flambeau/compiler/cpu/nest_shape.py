"""Loop nests in canonical form: no loops of one round, neighbouring loops merged, the best loop innermost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from ...core import dtype as dt
from ...core.dtype import dtype
from ..calls import Array
from ..expression import Expr, const
from ..nest import Nest, Phase, Reduction, Store

Leaf = Callable[[Expr], Expr]
SHORT = 8  # rows of no more elements are reduced side by side, a row in each lane


def canonical(nest: Nest) -> Nest:
    """The same computation with fewer and better loops: equal results, and one kernel for more shapes."""
    nest = _inline_early(nest)
    if is_pointwise(nest):
        nest = merged(_best_order(_without_ones(nest)))
        return _turned_last(_with_inner(nest._replace(outer=nest.inner[:-1], inner=nest.inner[-1:])))
    if not prod(nest.inner):
        nest = _of_nothing(nest)
    across = nest.across and bool(nest.outer) and nest.outer[-1] > 1
    nest = merged(_without_ones(_all_comparable(nest)))
    short = prod(nest.inner) <= SHORT and bool(nest.outer)
    return _with_inner(nest._replace(across=across or short))


def is_pointwise(nest: Nest) -> bool:
    """Whether every point of the nest is computed by itself."""
    return not any(p.reductions or p.keeps or p.results for p in nest.phases)


def roots(phase: Phase) -> list[Expr]:
    """The expressions that a phase evaluates, in the order in which it lists them."""
    return [
        *(r.value for r in phase.reductions),
        *phase.keeps,
        *(s.value for s in phase.stores),
        *(s.value for s in phase.results),
    ]


def subexpressions(start: list[Expr]) -> Iterator[Expr]:
    """Every distinct node of expressions."""
    seen: set[int] = set()
    stack = list(start)
    while stack:
        e = stack.pop()
        if id(e) not in seen:
            seen.add(id(e))
            yield e
            stack.extend(e.args)


def rewritten(nest: Nest, leaf: Leaf) -> Nest:
    """The nest with each leaf and load (its index rewritten already) replaced by `leaf` of it."""
    known: dict[int, Expr] = {}

    def visit(root: Expr) -> Expr:
        stack = [root]
        while stack:
            e = stack[-1]
            missing = [a for a in e.args if id(a) not in known]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if id(e) not in known:
                args = tuple(known[id(a)] for a in e.args)
                same = all(a is b for a, b in zip(args, e.args, strict=True))
                new = e if same else Expr(e.op, args, e.dtype, e.data)
                known[id(e)] = leaf(new) if not args or e.op == "load" else new
        return known[id(root)]

    def stores(some: tuple[Store, ...]) -> tuple[Store, ...]:
        return tuple(Store(s.access, visit(s.value)) for s in some)

    phases = tuple(
        Phase(
            tuple(Reduction(r.combine, visit(r.value)) for r in p.reductions),
            tuple(visit(k) for k in p.keeps),
            stores(p.stores),
            stores(p.results),
        )
        for p in nest.phases
    )
    return nest._replace(phases=phases)


def without_keeps(nest: Nest) -> Nest:
    """The nest with kept values computed again where they are used."""
    keeps = [k for p in nest.phases for k in p.keeps]
    bare = nest._replace(phases=tuple(p._replace(keeps=()) for p in nest.phases))
    return _inlined(bare, keeps)


def _inlined(nest: Nest, keeps: list[Expr]) -> Nest:
    """`kept` leaves replaced by expressions, which may have such leaves themselves."""
    while any(e.op == "kept" for p in nest.phases for e in subexpressions(roots(p))):
        nest = rewritten(nest, lambda e: keeps[e.data] if e.op == "kept" else e)
    return nest


def _inline_early(nest: Nest) -> Nest:
    """Kept values used in their own phase are the expressions themselves; keeps used in no later phase go."""
    first, phases = 0, []
    renumber: dict[int, int] = {}
    for i, p in enumerate(nest.phases):
        last = first + len(p.keeps)
        mine = {first + j: k for j, k in enumerate(p.keeps)}
        used = {e.data for q in nest.phases[i + 1 :] for e in subexpressions(roots(q)) if e.op == "kept"}

        def leaf(e: Expr, mine: dict[int, Expr] = mine) -> Expr:
            return mine.get(e.data, e) if e.op == "kept" else e

        one = nest._replace(phases=(p,))
        while any(e.op == "kept" and e.data in mine for e in subexpressions(roots(one.phases[0]))):
            one = rewritten(one, leaf)
        stay = [j for j in range(first, last) if j in used]
        for j in stay:
            renumber[j] = len(renumber)
        q = one.phases[0]
        phases.append(q._replace(keeps=tuple(q.keeps[j - first] for j in stay)))
        first = last
    nest = nest._replace(phases=tuple(phases))
    if all(a == b for a, b in renumber.items()):
        return nest
    return rewritten(nest, lambda e: Expr("kept", (), e.dtype, renumber[e.data]) if e.op == "kept" else e)


def _of_nothing(nest: Nest) -> Nest:
    """A nest without inner points: reductions have their neutral values."""
    from .nest_reduce import neutral

    reductions = [r for p in nest.phases for r in p.reductions]
    values = [const(0, dt.int64) if arg(r) else neutral(r).cast(r.value.dtype) for r in reductions]
    phases = tuple(Phase(results=p.results) for p in nest.phases)
    nest = nest._replace(inner=tuple(1 for _ in nest.inner), phases=phases)
    return rewritten(nest, lambda e: values[e.data] if e.op == "reduced" else e)


def _all_comparable(nest: Nest) -> Nest:
    """Truth values are ordered as bytes."""

    def fix(r: Reduction) -> Reduction:
        return r._replace(value=r.value.cast(dt.uint8)) if arg(r) and r.value.dtype is dt.bool_ else r

    return nest._replace(
        phases=tuple(p._replace(reductions=tuple(fix(r) for r in p.reductions)) for p in nest.phases)
    )


def arg(r: Reduction) -> bool:
    """Whether a reduction's result is an index."""
    return r.combine in ("argmin", "argmax")


def result_dtype(r: Reduction) -> dtype:
    """The dtype of a reduction's result."""
    return dt.int64 if arg(r) else r.value.dtype


def _reshaped(nest: Nest, order: list[int], outer: int) -> Nest:
    """The loops `order`, by their old numbers, of which the first `outer` are outer ones. Loops left out have
    one round."""
    new = {d: i for i, d in enumerate(order)}
    extents = nest.outer + nest.inner
    shape = tuple(extents[d] for d in order)
    accesses = tuple(
        Array(a.buffer, a.offset, shape, tuple(a.strides[d] for d in order), a.dtype) for a in nest.accesses
    )

    def leaf(e: Expr) -> Expr:
        if e.op != "index":
            return e
        return Expr("index", (), dt.int64, new[e.data]) if e.data in new else const(0, dt.int64)

    nest = nest._replace(outer=shape[:outer], inner=shape[outer:], accesses=accesses)
    return nest if order == list(range(len(extents))) else rewritten(nest, leaf)


def _without_ones(nest: Nest) -> Nest:
    stay = [d for d, n in enumerate(nest.outer + nest.inner) if n != 1]
    return _reshaped(nest, stay, sum(d < len(nest.outer) for d in stay))


def _with_inner(nest: Nest) -> Nest:
    """The nest with an inner loop, of one round if it had none."""
    if nest.inner:
        return nest
    accesses = tuple(a._replace(shape=(*a.shape, 1), strides=(*a.strides, 1)) for a in nest.accesses)
    return nest._replace(inner=(1,), accesses=accesses)


def merged(nest: Nest) -> Nest:
    """Neighbouring loops made one where every access moves evenly through both. The inner loops of a sum of
    floats stay: how its terms are grouped must not depend on how arrays lie."""
    fixed = any(
        r.combine in ("sum", "prod") and r.value.dtype.is_floating_point
        for p in nest.phases
        for r in p.reductions
    )
    counted = {e.data for p in nest.phases for e in subexpressions(roots(p)) if e.op == "index"}
    extents, outer = nest.outer + nest.inner, len(nest.outer)
    groups: list[list[int]] = []
    for d, n in enumerate(extents):
        even = all(a.strides[d - 1] == a.strides[d] * n for a in nest.accesses)
        if d and d != outer and even and not (fixed and d > outer) and not {d - 1, d} & counted:
            groups[-1].append(d)
        else:
            groups.append([d])
    if len(groups) == len(extents):
        return nest
    sizes = [prod(extents[d] for d in g) for g in groups]
    lead = sum(g[0] < outer for g in groups)
    last = [g[-1] for g in groups]
    nest = _reshaped(nest, last, lead)
    shape = tuple(sizes)
    accesses = tuple(a._replace(shape=shape) for a in nest.accesses)
    return nest._replace(outer=shape[:lead], inner=shape[lead:], accesses=accesses)


def _best_order(nest: Nest) -> Nest:
    """The loops of a pointwise nest ordered as its arrays lie in memory, all of them as inner ones."""
    extents = nest.outer + nest.inner
    weights = _weights(nest)

    def contiguous(d: int) -> float:
        full = min(extents[d] / 16, 1.0)  # how much of a vector is used
        return full * sum(w for w, a in zip(weights, nest.accesses, strict=True) if abs(a.strides[d]) == 1)

    def steps(d: int) -> tuple[float, ...]:
        return tuple(
            -abs(nest.accesses[k].strides[d]) for k in sorted(range(len(weights)), key=lambda k: -weights[k])
        )

    dims = sorted(range(len(extents)), key=lambda d: (*steps(d), d))
    if dims:
        best = max(dims, key=lambda d: (contiguous(d), dims.index(d)))
        dims.remove(best)
        dims.append(best)
    return _reshaped(nest, dims, 0)._replace(across=False)


def _weights(nest: Nest) -> list[float]:
    """How much each access counts in the choice of an order: its bytes, twice for those written."""
    written = {s.access for p in nest.phases for s in p.stores}
    extents = nest.outer + nest.inner
    weights = []
    for k, a in enumerate(nest.accesses):
        touched = prod(n for n, s in zip(extents, a.strides, strict=True) if s)
        weights.append(touched * a.dtype.itemsize * (2.0 if k in written else 1.0))
    return weights


def transposed(nest: Nest) -> tuple[int, ...]:
    """The accesses of a canonical pointwise nest that are best read in blocks: the elements that are
    neighbours in memory follow each other in the last outer loop."""
    return _neighbours(nest, len(nest.outer) - 1) if is_pointwise(nest) else ()


def _neighbours(nest: Nest, d: int) -> tuple[int, ...]:
    """Accesses that are only read, move by one in loop `d` and farther in the last one."""
    if d < 0 or min(nest.outer[d], nest.inner[-1]) < 8:
        return ()
    written = {s.access for p in nest.phases for s in p.stores}
    some = list(subexpressions([e for p in nest.phases for e in roots(p)]))
    indexed = {e.data for e in some if e.op == "load" and e.args}
    read = {e.data for e in some if e.op == "load"} - indexed - written
    return tuple(
        k
        for k, a in enumerate(nest.accesses)
        if k in read and a.strides[d] == 1 and a.strides[-1] not in (0, 1)
    )


def _turned_last(nest: Nest) -> Nest:
    """The loop along which most arrays that aren't read along the last one lie becomes the last outer one."""
    outer = len(nest.outer)
    found = [d for d in range(outer) if _neighbours(nest, d)]
    if not found:
        return nest
    d = max(found, key=lambda d: len(_neighbours(nest, d)))
    order = [i for i in range(outer + len(nest.inner)) if i != d]
    order.insert(outer - 1, d)
    return _reshaped(nest, order, outer)
