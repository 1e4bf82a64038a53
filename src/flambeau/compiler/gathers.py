"""Reading at positions that are data: embeddings, indexing by tensors, the scores of given classes.

They become loads with computed indices, so what is read needs a buffer but the result doesn't. A position out
of range is an error that must be found before anything reads there: the value gets a *check*, a small
reduction whose result (0: all is well) is looked at before the units that use the value run.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from ..core import dtype as dt
from .calls import Array, strides_of
from .expression import Expr, where
from .expression import const as constant
from .graph import Shape, Value
from .pieces import CHECKED, COUNTER, PARTS, Load, Pieces, load, moved, stretched, token_of


def _read(self: Pieces, v: Value, strides: Shape, found: list[tuple[Expr, int]]) -> Expr:
    """`v`'s elements: those of its first input, whose array moves with `strides` over the result's shape, at
    computed positions: each is an index over the result's shape, and the input's stride for it."""
    x = v.inputs[0]
    self.store(x)
    base = Array(x.number, 0, v.shape, strides, x.dtype)
    positions = tuple(e for e, _ in found)
    return Expr("load", positions, x.dtype, Load(base, tuple(s for _, s in found), token_of(v)))


def _position(self: Pieces, index: Value, shape: Shape, extent: int, negative: bool) -> Expr:
    """An index's elements, over a shape that it broadcasts to, counted from the front."""
    e = stretched(self.access(index), shape).cast(dt.int64)
    return where(e < 0, e + extent, e) if negative else e


def _outside(self: Pieces, index: Value, extent: int, negative: bool) -> Expr:
    """Truth: an element of the index is out of range."""
    e = self.access(index).cast(dt.int64)
    return (e < (-extent if negative else 0)) | (e >= extent)


def _embedding(self: Pieces, v: Value) -> Expr | None:
    w, rows = v.inputs
    if len(w.shape) != 2 or w.shape[0] == 0:
        return None
    self.check(v, _outside(self, rows, w.shape[0], False), rows.shape)
    shape = (*rows.shape, 1)
    e = stretched(_with_last(self.access(rows), shape), v.shape).cast(dt.int64)
    strides = (*(0,) * len(rows.shape), 1)
    return _read(self, v, strides, [(e, w.shape[1])])


def _with_last(e: Expr, shape: Shape) -> Expr:
    """An expression with one more dimension, of extent 1, at the end."""
    return _at(e, len(shape) - 1, shape)


def _at(e: Expr, dim: int, shape: Shape) -> Expr:
    """An expression with a new dimension of extent 1 at `dim`."""
    made = moved(
        e, lambda a: Array(a.buffer, a.offset, shape, (*a.strides[:dim], 0, *a.strides[dim:]), a.dtype)
    )
    assert made is not None
    return made


def _gather(self: Pieces, v: Value) -> Expr | None:
    x, index = v.inputs
    (dim,) = v.attrs
    if x.rank == 0 or 0 in x.shape:
        return None
    self.check(v, _outside(self, index, x.shape[dim], False), index.shape)
    own = strides_of(x.shape)
    strides = tuple(0 if d == dim else s for d, s in enumerate(own))
    e = self.access(index).cast(dt.int64)
    return _read(self, v, strides, [(e, own[dim])])


def _index(self: Pieces, v: Value) -> Expr | None:
    x, *indices = v.inputs
    (dims,) = v.attrs
    if 0 in x.shape or any(i.dtype is dt.bool_ for i in indices):
        return None
    own = strides_of(x.shape)
    together = all(b == a + 1 for a, b in pairwise(dims))
    at = dims[0] if together else 0
    n = max(i.rank for i in indices)
    kept = [d for d in range(x.rank) if d not in dims]
    strides = (*(own[d] for d in kept[:at]), *(0,) * n, *(own[d] for d in kept[at:]))
    picked = v.shape[at : at + n]
    found = []
    for i, d in zip(indices, dims, strict=True):
        self.check(v, _outside(self, i, x.shape[d], True), i.shape)
        e = stretched(_position(self, i, i.shape, x.shape[d], True), picked)
        for k in range(at):
            e = _at(e, k, (*(1,) * (k + 1), *picked))
        for k in range(len(kept) - at):
            e = _at(e, at + n + k, (*(1,) * at, *picked, *(1,) * (k + 1)))
        found.append((stretched(e, v.shape), own[d]))
    return _read(self, v, strides, found)


# ----- classes -----


def _pick_class(self: Pieces, v: Value) -> Expr | None:
    x, labels = v.inputs
    dim = 1 if x.rank > 1 else 0
    own = strides_of(x.shape)
    if 0 in x.shape:
        return None
    e = self.access(labels).cast(dt.int64)
    ignored = e.eq(v.attrs[0])
    outside = (e < 0) | (e >= x.shape[dim])
    self.check(v, outside & ~ignored, labels.shape)
    strides = tuple(s for d, s in enumerate(own) if d != dim)
    safe = where(ignored, 0, e)
    return where(ignored, 0, _read(self, v, strides, [(safe, own[dim])]))


def _place_class(self: Pieces, v: Value) -> Expr | None:
    y, labels = v.inputs
    dim = 1 if y.rank > 0 else 0
    thin = (*v.shape[:dim], 1, *v.shape[dim + 1 :])
    g = stretched(_at(self.access(y), dim, thin), v.shape)
    e = stretched(_at(self.access(labels), dim, thin), v.shape).cast(dt.int64)
    number = load(Array(COUNTER, 0, v.shape, tuple(int(d == dim) for d in range(v.rank)), dt.int64))
    return where(number.eq(e) & e.ne(v.attrs[1]), g, constant(0, v.dtype))


def _check_put(self: Pieces, v: Value) -> None:
    x, _, *indices = v.inputs
    for i, d in zip(indices, v.attrs[0], strict=True):
        if i.dtype.category == dt.INTEGER:
            self.check(v, _outside(self, i, x.shape[d], True), i.shape)


def _check_scatter(self: Pieces, v: Value) -> None:
    x, index, _ = v.inputs
    if x.rank:
        self.check(v, _outside(self, index, x.shape[v.attrs[0]], False), index.shape)


def register() -> None:
    """Tells `Pieces` of these operations."""
    table: dict[str, Callable[[Pieces, Value], Expr | None]] = {
        "embedding": _embedding,
        "gather": _gather,
        "index": _index,
        "pick_class": _pick_class,
        "place_class": _place_class,
    }
    PARTS.update(table)
    CHECKED.update(index_put=_check_put, scatter=_check_scatter, scatter_add=_check_scatter)
