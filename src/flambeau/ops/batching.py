"""An operation on one element, carried out on a whole batch: what `vmap` does with it.

Tensors with a batch have it in front. A rule says how an operation's inputs and attributes change so that one
call does all elements, and gives the result with the batch in front. Operations of a kind share a rule, which
goes by the names of their attributes (a `dim` is one further on, and so forth); some have one of their own.
Where there is none, elements are done one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..core.ghost import Ghost, Level
from ..core.modes import modes
from ..core.record import record, record_many
from ..core.tensor import Tensor, make
from . import view
from .contraction import matmul
from .creation import full
from .index import index, index_put
from .kinds import Cast, Pointwise, broadcast, cast, make_constant
from .linalg import MatrixOp
from .lookup import class_dim, pick_class
from .pointwise import add, div, ne, neg
from .reduction import log_softmax
from .reduction import sum as sum_dims

Shape = tuple[int, ...]


class Batch(NamedTuple):
    """A call: the operation, its inputs, which of them have a batch, its attributes, the level, and shape and
    dtype of one element's result (a list of both if there are several)."""

    op: Any
    xs: list[Tensor]
    along: tuple[bool, ...]
    attrs: tuple[Any, ...]
    level: Level
    shape: Any
    dtype: Any

    @property
    def size(self) -> int:
        """How many elements there are."""
        return self.level.size

    def rank(self, i: int) -> int:
        """How many dimensions one element of input `i` has."""
        return len(self.xs[i]._node.shape) - self.along[i]

    def whole(self, i: int) -> Tensor:
        """Input `i` with a batch: repeated if it is the same for all elements."""
        x = self.xs[i]
        return x if self.along[i] else view.expand.plain(x, ((self.size, *x._node.shape),))

    def all(self) -> list[Tensor]:
        """All inputs with a batch."""
        return [self.whole(i) for i in range(len(self.xs))]

    def aligned(self, rank: int) -> list[Tensor]:
        """The inputs, those with a batch in such a form that elements broadcast to `rank` dimensions."""
        return [_padded(x, rank + 1) if b else x for x, b in zip(self.xs, self.along, strict=True)]

    def call(self, xs: list[Tensor], attrs: tuple[Any, ...]) -> Any:
        """The operation on a batch: its results are those of one element, with the batch in front."""
        if type(self.shape) is list:
            return again(self.op, xs, attrs, [((self.size, *s), d) for s, d in self.shape], None)
        return again(self.op, xs, attrs, (self.size, *self.shape), self.dtype)


Rule = Callable[[Batch], Any]  # None: no way but one element after the other


def again(op: Any, xs: list[Tensor], attrs: tuple[Any, ...], shape: Any, dtype: Any) -> Any:
    """Records an operation whose arguments have been checked."""
    if op.composition is not None and modes.grad and any(map(tracked, xs)):
        return op.composition(*xs, *attrs)
    if type(shape) is list:
        return record_many(op, tuple(xs), attrs, shape)
    return record(op, tuple(xs), attrs, tuple(shape), dtype)


def tracked(x: Tensor | None) -> bool:
    """Whether a gradient is recorded for a tensor, or for what it stands for."""
    while x is not None:
        if x._edge is not None:
            return True
        node = x._current()
        x = node.real if type(node) is Ghost else None
    return False


def carry_out(
    op: Any, xs: Any, along: Any, attrs: tuple[Any, ...], level: Level, shape: Any, dtype: Any
) -> tuple[Any, bool]:
    """The operation on real tensors, and whether its results have a batch."""
    batch = Batch(op, list(xs), tuple(along), attrs, level, shape, dtype)
    if not any(along):
        return again(op, batch.xs, attrs, shape, dtype), False
    rule = RULES[op.name] if op.name in RULES else _rule_of_kind(op)
    found = None if rule is None else rule(batch)
    if found is None and op.composition is not None:
        found = composed(op.composition)(batch)
    return (one_by_one(batch) if found is None else found), True


Ghost.carry_out = staticmethod(carry_out)


def one_by_one(batch: Batch) -> Any:
    """Each element by itself, and the results put together."""
    op, xs, along, attrs, level, shape, dtype = batch
    several = type(shape) is list
    specs = shape if several else [(shape, dtype)]
    rows = []
    for i in range(level.size):
        row = [view.select.plain(x, (0, i)) if b else x for x, b in zip(xs, along, strict=True)]
        found = again(op, row, attrs, shape, dtype)
        rows.append(found if several else (found,))
    if rows:
        columns = tuple(stack(column) for column in zip(*rows, strict=True))
    else:
        columns = tuple(full(0, (0, *s), d) for s, d in specs)
    return columns if several else columns[0]


def stack(xs: Any) -> Tensor:
    """Tensors of one shape along a new first dimension."""
    return view.concatenate(*[view.unsqueeze.plain(x, (0,)) for x in xs], 0)


def composed(f: Callable[..., Any]) -> Rule:
    """The rule of an operation that is `f` in other operations, which have rules."""

    def rule(batch: Batch) -> Any:
        level = batch.level
        xs = []
        for x, b in zip(batch.xs, batch.along, strict=True):
            shape = x._node.shape[b:]
            xs.append(make(Ghost(shape, x._node.dtype, level, x, b)))
        found = f(*xs, *batch.attrs)
        if type(found) is tuple:
            return tuple(real_of(t, level) for t in found)
        return real_of(found, level)

    return rule


def real_of(t: Tensor, level: Level) -> Tensor:
    """The tensor of all elements that `t` stands for at `level`: repeated if it is the same for all."""
    node = t._current()
    if type(node) is Ghost and node.level is level:
        assert node.real is not None
        t = node.real
        if node.batched:
            return t
    return view.expand.plain(t, ((level.size, *t._node.shape),))


def _padded(x: Tensor, rank: int) -> Tensor:
    """With dimensions of extent 1 behind the batch, so that there are `rank` in all."""
    shape = x._node.shape
    more = rank - len(shape)
    return x if more <= 0 else view.reshape.plain(x, ((shape[0], *(1,) * more, *shape[1:]),))


# ----- kinds -----


def _rule_of_kind(op: Any) -> Rule | None:
    if isinstance(op, (Pointwise, Cast)) or (op.kind in ("pointwise", "view") and len(op.inputs) == 1):
        return _pointwise if op.kind == "pointwise" else _shifted
    if isinstance(op, MatrixOp):
        return _matrices
    if op.kind == "reduction":
        return _reduction
    if op.kind == "window":
        return lambda batch: batch.call(batch.all(), batch.attrs)  # over the last dimensions
    moves = any(name in _CHANGES for name in op.attrs)
    return _shifted if moves and len(op.inputs) == 1 and not op.many else None


def _pointwise(batch: Batch) -> Tensor:
    return batch.call(batch.aligned(len(batch.shape)), batch.attrs)


def _matrices(batch: Batch) -> Any:
    if len(batch.xs) > 1 and batch.op.name not in ("solve", "solve_triangular"):
        return None  # not all that have several inputs broadcast
    ranks = [batch.rank(i) for i in range(len(batch.xs))]
    return batch.call(batch.aligned(max(ranks)), batch.attrs)


_CHANGES: dict[str, Callable[[Any, int], Any]] = {
    **dict.fromkeys(("dim", "dim1", "dim2"), lambda dim, size: dim + 1),
    "dims": lambda dims, size: tuple([d + 1 for d in dims]),
    "order": lambda order, size: (0, *[d + 1 for d in order]),
    "shape": lambda shape, size: (size, *shape),
    "ranges": lambda ranges, size: ((0, size, 1), *ranges),
    "pads": lambda pads, size: ((0, 0), *pads),
}


def _changed(batch: Batch) -> tuple[Any, ...]:
    """The attributes, for one dimension more in front."""
    pairs = zip(batch.op.attrs, batch.attrs, strict=True)
    return tuple([_CHANGES[name](a, batch.size) if name in _CHANGES else a for name, a in pairs])


def _shifted(batch: Batch) -> Any:
    if batch.rank(0) == 0 and "dim" in batch.op.attrs:
        return None  # a number takes dimension 0 although it has none
    return batch.call(batch.all(), _changed(batch))


# ----- operations with a rule of their own -----


def _first_only(batch: Batch) -> Any:
    """Only the first input may have a batch."""
    return None if any(batch.along[1:]) else batch.call(batch.xs, _changed(batch))


def _expand(batch: Batch) -> Tensor:
    shape = batch.attrs[0]
    return view.expand.plain(_padded(batch.xs[0], len(shape) + 1), ((batch.size, *shape),))


def _full(batch: Batch) -> Tensor:
    shape = (batch.size, *batch.shape)
    return view.expand.plain(_padded(cast(batch.xs[0], batch.dtype), len(shape)), (shape,))


def _concatenate(batch: Batch) -> Any:
    return batch.call(batch.all(), (batch.attrs[0] + 1,))


def _matmul(batch: Batch) -> Tensor:
    return matmul(*batch.aligned(max(batch.rank(0), batch.rank(1))))


def _linear(batch: Batch) -> Any:
    if not any(batch.along[1:]):
        return batch.call(batch.xs, ())
    x, w = batch.whole(0), view.transpose.plain(batch.whole(1), ((0, 2, 1),))
    if batch.rank(0) == 1:
        x = view.unsqueeze.plain(x, (1,))
    product = matmul(x, _padded(w, len(x._node.shape)))
    product = view.reshape.plain(product, ((batch.size, *batch.shape),))
    return product if len(batch.xs) == 2 else add(product, _padded(batch.whole(2), len(batch.shape) + 1))


def _linear_weight_grad(batch: Batch) -> Tensor:
    rows = prod(batch.xs[0]._node.shape[batch.along[0] : -1])
    y, x = (view.reshape.plain(t, ((batch.size, rows, t._node.shape[-1]),)) for t in batch.all())
    return matmul(view.transpose.plain(y, ((0, 2, 1),)), x)


def _folded(x: Tensor, at: int = 0) -> Tensor:
    """With the batch as a part of dimension `at` of the elements."""
    shape = x._node.shape
    if at:
        x = view.permute.plain(x, ((*range(1, at + 1), 0, *range(at + 1, len(shape))),))
    return view.reshape.plain(x, ((*shape[1 : at + 1], shape[0] * shape[at + 1], *shape[at + 2 :]),))


def _by_rows(batch: Batch) -> Tensor:
    """The elements' first dimensions, which the operation does one by one, in one row."""
    xs = [_folded(x) for x in batch.all()]
    rows = again(batch.op, xs, batch.attrs, (batch.size * batch.shape[0], *batch.shape[1:]), batch.dtype)
    return view.reshape.plain(rows, ((batch.size, *batch.shape),))


def _labelled(batch: Batch) -> Tensor:
    return _by_rows(batch) if batch.rank(1) else batch.call(batch.all(), batch.attrs)


def _conv(rows: bool) -> Rule:
    """A convolution: elements as samples if the weight is the same for all, otherwise as groups. `rows`: the
    second input is the weight, and the result has samples."""

    def rule(batch: Batch) -> Tensor:
        size, shape = batch.size, batch.shape
        if rows and not batch.along[1]:
            xs = [_folded(batch.xs[0]), batch.xs[1]]
            y = again(batch.op, xs, batch.attrs, (size * shape[0], *shape[1:]), batch.dtype)
            return view.reshape.plain(y, ((size, *shape),))
        attrs = (*batch.attrs[:-1], batch.attrs[-1] * size)
        first, second = batch.all()
        xs = [_folded(first, 1), _folded(second, 0 if rows else 1)]
        if not rows:
            y = again(batch.op, xs, attrs, (size * shape[0], *shape[1:]), batch.dtype)
            return view.reshape.plain(y, ((size, *shape),))
        y = again(batch.op, xs, attrs, (shape[0], size * shape[1], *shape[2:]), batch.dtype)
        y = view.reshape.plain(y, ((shape[0], size, *shape[1:]),))
        return view.permute.plain(y, ((1, 0, *range(2, len(shape) + 1)),))

    return rule


def _attention(batch: Batch) -> Any:
    """The queries, and what has the result's leading dimensions, with a batch; the others broadcast."""
    scale = 3 if batch.op.name == "attention" else 6
    if batch.along[scale]:
        return None
    rank = max(batch.rank(i) for i in range(scale))
    xs = batch.aligned(rank)
    for i in {0, scale - 3, *([4, 5] if scale == 6 else [])}:
        x = batch.whole(i)
        xs[i] = x if i in (4, 5) else _padded(x, rank + 1)
    return batch.call(xs, batch.attrs)


def _embedding(batch: Batch) -> Any:
    if not batch.along[0]:
        return batch.call(batch.xs, batch.attrs)
    padding, by_frequency = batch.attrs
    if padding >= 0 or by_frequency:
        return None  # they matter to the gradient, which is that of one table
    return composed(lambda w, rows, *_: index(w, (rows,), (0,)))(batch)


def _cross_entropy(x: Tensor, labels: Tensor, ignore: int) -> Tensor:
    picked = pick_class(log_softmax(x, class_dim(len(x._node.shape))), labels, ignore)
    count = sum_dims(cast(ne(labels, ignore), x._node.dtype))
    return neg(div(sum_dims(picked), count))


def _searchsorted(batch: Batch) -> Any:
    if batch.rank(0) > 1:
        return batch.call(batch.all(), batch.attrs)
    if not batch.along[0]:
        return batch.call(batch.xs, batch.attrs)
    rows = (batch.size, prod(batch.shape))
    values = view.reshape.plain(batch.whole(1), (rows,))
    found = again(batch.op, [batch.xs[0], values], batch.attrs, rows, batch.dtype)
    return view.reshape.plain(found, ((batch.size, *batch.shape),))


# ----- indices -----


def _numbers(batch: Batch, rank: int) -> Tensor:
    """The elements' numbers, as an index beside those of `rank` dimensions."""
    return make_constant(np.arange(batch.size).reshape((-1,) + (1,) * rank))


def _indices(batch: Batch, first: int) -> tuple[int, list[Tensor]]:
    """How many dimensions one element's indices have together, and the indices ready to broadcast."""
    rank = max(batch.rank(i) for i in range(first, len(batch.xs)))
    return rank, batch.aligned(rank)[first:]


def _dims_first(dims: Shape, rank: int, lead: int) -> Shape:
    """The order with the indexed dimensions first, behind `lead` others, of `rank` dimensions and those."""
    moved = [d + lead for d in dims]
    return (*range(lead), *moved, *[d for d in range(lead, lead + rank) if d not in moved])


def _order(dims: Shape, rank: int, rest: int) -> Shape:
    """Where in (batch, indices, rest) the dimensions of (batch, result of indexing) are."""
    together = all(b == a + 1 for a, b in pairwise(dims))
    at = dims[0] if together else 0
    before = range(rank + 1, rank + 1 + at)
    return (0, *before, *range(1, rank + 1), *range(rank + 1 + at, rank + 1 + rest))


def _index(batch: Batch) -> Tensor:
    dims = batch.attrs[0]
    rank, indices = _indices(batch, 1)
    own, shared = batch.along[0], not any(batch.along[1:])
    x = view.permute.plain(batch.xs[0], (_dims_first(dims, batch.rank(0), int(own)),))
    if own and not shared:
        indices = [_numbers(batch, rank), *indices]
    start = int(own and shared)
    found = index(x, tuple(indices), tuple(range(start, start + len(indices))))
    return view.permute.plain(found, (_order(dims, rank, batch.rank(0) - len(dims)),))


def _index_put(batch: Batch) -> Tensor:
    dims, accumulate = batch.attrs
    rank, indices = _indices(batch, 2)
    forth = _dims_first(dims, batch.rank(0), 1)
    x, src = view.permute.plain(batch.whole(0), (forth,)), batch.xs[1]
    rest = x._node.shape[1 + len(dims) :]
    spread = broadcast(
        "index_put", *[t._node.shape[b:] for t, b in zip(batch.xs[2:], batch.along[2:], strict=True)]
    )
    order = _order(dims, rank, len(rest))
    inside = (batch.size, *spread, *rest)
    target = tuple([inside[d] for d in order])
    src = view.expand.plain(_padded(src, len(target)) if batch.along[1] else src, (target,))
    src = view.permute.plain(src, (view.inverse(order),))
    shared = not any(batch.along[2:])
    if not shared:
        indices = [_numbers(batch, rank), *indices]
    put = index_put(x, src, tuple(indices), tuple(range(shared, shared + len(indices))), accumulate)
    return view.permute.plain(put, (view.inverse(forth),))


def _reduction(batch: Batch) -> Any:
    """A number, and all dimensions of which a position is asked for at once, are one row."""
    dims, x = batch.attrs[0], batch.xs[0]
    if len(dims) == 1 or (dims and batch.op.name not in ("argmax", "argmin")):
        return _shifted(batch)
    row = view.reshape.plain(x, ((batch.size, prod(x._node.shape[1:])),))
    found = again(batch.op, [row], ((1,), False), (batch.size,), batch.dtype)
    return view.reshape.plain(found, ((batch.size, *batch.shape),))


_ALONG = (
    "gather", "scatter", "scatter_add", "scatter_reduce", "slice_scatter", "select_scatter",
    "diagonal_scatter",
)  # fmt: skip
RULES: dict[str, Rule | None] = {
    **dict.fromkeys(_ALONG, _shifted),
    "resample": _first_only,
    "overwrite": lambda batch: batch.call(batch.all(), ()),
    "expand": _expand,
    "unsqueeze": lambda batch: batch.call(batch.xs, (batch.attrs[0] + 1,)),
    "as_strided": None,
    "strided_part": None,
    "pad": _first_only,
    "full": _full,
    "concatenate": _concatenate,
    "matmul": _matmul,
    "linear": _linear,
    "affine": _linear,
    "linear_weight_grad": _linear_weight_grad,
    "conv": _conv(rows=True),
    "conv_input_grad": _conv(rows=True),
    "conv_weight_grad": _conv(rows=False),
    "standardize": _first_only,
    "attention": _attention,
    "attention_grad": _attention,
    "embedding": _embedding,
    "pick_class": _labelled,
    "place_class": _labelled,
    "cross_entropy": composed(_cross_entropy),
    "searchsorted": _searchsorted,
    "index": _index,
    "index_put": _index_put,
}
