"""What the code of a loop nest depends on, and the names of its arguments: everything else."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...core import dtype as dt
from ...core.dtype import dtype
from ...runtime.target import host
from ..calls import Array
from ..expression import Expr, numbered
from ..nest import Nest, Reduction
from .nest_shape import arg, is_pointwise, roots, subexpressions, transposed

_DEAR = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan",
    "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "erfinv", "sigmoid", "pow",
    "floordiv", "remainder", "fmod", "truncdiv",
}  # fmt: skip
BLOCK = 4096  # elements of a pointwise task
CHUNK = 4096  # elements of a row's chunk
ROWS = 8  # rows of a strip's chunk
COLUMNS = 1024  # the most columns of a strip


class Structure(NamedTuple):
    """What a kernel's code depends on besides its expressions. `classes[k][d]` says how access k moves with
    loop d: not (0), by one element (1, told only for the vector's loop), or by a number of them (2)."""

    outer: int
    inner: int
    across: bool
    pointwise: bool
    dtypes: tuple[dtype, ...]
    classes: tuple[tuple[int, ...], ...]
    gathers: tuple[tuple[int, tuple[int, ...]], ...]
    lanes: int
    unroll: int
    tiled: tuple[int, ...] = ()  # accesses read in blocks, which are turned
    edge: int = 0  # rows of such a block

    @property
    def along(self) -> int:
        """The number of the vector's loop."""
        return self.outer - 1 if self.across else self.outer + self.inner - 1


def words(s: Structure, keeps: int) -> list[tuple[Any, ...]]:
    """The names of a kernel's arguments, in order."""
    names: list[tuple[Any, ...]] = [("extent", d) for d in range(s.outer + s.inner)]
    if s.pointwise or s.across:
        names.append(("blocks",))
    if s.across:
        names.append(("width",))
    if s.tiled:
        names += [("tiles",), *(("tile", k) for k in s.tiled)]
    if not s.pointwise and s.inner > 1:
        names.append(("group",))  # rows of a chunk
    for k, classes in enumerate(s.classes):
        names.append(("address", k))
        names += [("stride", k, d) for d, c in enumerate(classes) if c == 2]
    for k, classes in s.gathers:
        names += [("gather", k, j) for j, c in enumerate(classes) if c == 2]
    for j in range(keeps):
        names += [("keep", j), ("kept", j)]
    if keeps:
        names.append(("pitch",))
    return names


def structure(nest: Nest) -> Structure:
    """What the code of a canonical nest depends on besides its expressions."""
    outer, inner = len(nest.outer), len(nest.inner)
    along = outer - 1 if nest.across else outer + inner - 1
    written = {
        store.access for p in nest.phases for store in (*p.stores, *(p.results if nest.across else ()))
    }

    def kind(k: int, a: Array, d: int) -> int:
        if d == along and a.strides[d] == 1:
            return 1
        return 2 if a.strides[d] or (d == along and k in written) else 0

    turned = transposed(nest)
    classes = tuple(
        tuple(
            int(d == along) if k in turned and d in (along, outer - 1) else kind(k, a, d)
            for d in range(outer + inner)
        )
        for k, a in enumerate(nest.accesses)
    )
    gathers = tuple(
        sorted(
            (k, tuple(min(abs(s), 2) if s >= 0 else 2 for s in strides))
            for k, strides in nest.gathers.items()
        )
    )
    pointwise = is_pointwise(nest)
    lanes = host().vector // (_widest(nest, classes, along) if pointwise else 4)
    dtypes = tuple(a.dtype for a in nest.accesses)
    unroll = _unroll(nest, lanes, pointwise)
    edge = host().vector // max(4, *(dtypes[k].itemsize for k in turned), 0) if turned else 0
    return Structure(
        outer, inner, nest.across, pointwise, dtypes, classes, gathers, lanes, unroll, turned, edge
    )


def _widest(nest: Nest, classes: tuple[tuple[int, ...], ...], along: int) -> int:
    """Bytes, in registers, of the widest value that differs from lane to lane."""
    order, (key, _) = numbered([e for p in nest.phases for e in roots(p)])
    varying: list[bool] = []
    for e, (_, args, _, _) in zip(order, key, strict=True):
        own = classes[e.data][along] > 0 if e.op == "load" else e.op == "index" and e.data == along
        varying.append(own or any(varying[i] for i in args))
    sizes = [size(e.dtype) for e, differs in zip(order, varying, strict=True) if differs]
    return max([1, *sizes, *(size(nest.accesses[s.access].dtype) for p in nest.phases for s in p.stores)])


def size(d: dtype) -> int:
    """Bytes of a value in registers."""
    return 4 if d in dt.HALVES else d.itemsize


def cost(e: list[Expr]) -> int:
    """About how many operations expressions take, common parts counted once."""
    return sum(
        16 if x.op in _DEAR else 4 if x.op in ("div", "sqrt") else bool(x.args) for x in subexpressions(e)
    )


def _unroll(nest: Nest, lanes: int, pointwise: bool) -> int:
    """How many vectors are done at once: several where an element takes few instructions."""
    work = max(cost(roots(p)) for p in nest.phases)
    if pointwise:
        return 1  # rounds of the loop don't wait for each other
    if not nest.across:
        return 4 if work <= 4 else 1
    registers = max(sum(map(_registers, p.reductions)) or 1 for p in nest.phases)
    fits = [u for u in (8, 4, 2) if u * registers <= host().registers // 2 and u * work <= 64]
    return next((u for u in fits if u * lanes <= nest.outer[-1]), 1)


def _registers(r: Reduction) -> int:
    """Vector registers that a partial result takes."""
    more = 8 if arg(r) else size(r.value.dtype) if r.combine in ("min", "max") else 0
    return -(-(size(r.value.dtype) + more) // 4)
