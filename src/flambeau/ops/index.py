"""Taking and putting elements at positions that are data: gather and scatter, indexing by tensors,
sorting."""

from __future__ import annotations

from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype
from ..core.realize import remembered
from .kinds import NO_BOOL_REAL, REAL, Custom, broadcast, custom
from .samples import Sample, booleans, integers, spread

Dims = tuple[int, ...]


_ALONG = ("gather", "scatter", "scatter_add", "scatter_reduce", "index_add")


def _check_range(what: str, index: np.ndarray, extent: int, dim: int, negative: bool = False) -> None:
    """IndexError (RuntimeError for the functions above), naming the value, if an index is out of range."""
    if index.size == 0:
        return
    low, high = int(index.min()), int(index.max())
    if high >= extent or low < (-extent if negative else 0):
        bad = high if high >= extent else low
        error = RuntimeError if what in _ALONG else IndexError
        raise error(f"{what}: index {bad} is out of bounds for dimension {dim} with size {extent}")


def check_known(op: Any, extents: list[tuple[Any, int, int]], negative: bool = False) -> None:
    """Raises at the call where an index tensor's values are known already; they are checked again when the
    operation runs."""
    for t, extent, dim in extents:
        value = t._current().value
        if value is not None:
            _check_range(op, value, extent, dim, negative)


# ----- gather and scatter along one dimension -----


def _along(index: np.ndarray, dim: int) -> tuple[Any, ...]:
    """The index tuple that addresses element `index` along `dim` and each position itself along the
    others."""
    grid = list(np.ogrid[tuple(slice(0, e) for e in index.shape)])
    grid[dim] = index
    return tuple(grid)


def _gather(x: np.ndarray, index: np.ndarray, dim: int) -> np.ndarray:
    if x.ndim == 0:
        return np.broadcast_to(x, index.shape).copy()
    _check_range("gather", index, x.shape[dim], dim)
    return x[_along(index, dim)]


def _scatter(x: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int) -> np.ndarray:
    if x.ndim == 0:
        x[...] = src.reshape(-1)[0] if src.size else x
        return x
    _check_range("scatter", index, x.shape[dim], dim)
    x[_along(index, dim)] = src[tuple(slice(0, e) for e in index.shape)]
    return x


def _scatter_add(x: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int) -> np.ndarray:
    if x.ndim == 0:
        x[...] += src.sum(dtype=x.dtype)
        return x
    _check_range("scatter_add", index, x.shape[dim], dim)
    np.add.at(x, _along(index, dim), src[tuple(slice(0, e) for e in index.shape)])
    return x


def _check_index(what: str, index: Any) -> None:
    if index._node.dtype not in (dt.int64, dt.int32) and index.numel():
        raise RuntimeError(
            f"{what}(): Expected dtype int64 or int32 for index, got {index.dtype}; use index.long()"
        )


def _check_along(what: str, x: Any, index: Any, src: Any, dim: int) -> None:
    _check_index(what, index)
    rank = max(x.ndim, 1)
    if max(index.ndim, 1) != rank or (src is not None and max(src.ndim, 1) != rank):
        raise RuntimeError(
            f"{what}(): Index tensor must have the same number of dimensions as "
            f"{'self' if src is None else 'self and src'} tensor: "
            f"{tuple(x.shape)} and {tuple(index.shape)}"
        )
    if index.numel() == 0:
        return
    for d, e in enumerate(index.shape):
        if (d != dim and x.ndim and e > x.shape[d]) or (src is not None and src.ndim and e > src.shape[d]):
            raise RuntimeError(
                f"{what}(): Size does not match at dimension {d}: index of shape {tuple(index.shape)} is "
                f"larger than "
                f"{'input' if src is None else 'input or src'} apart from dimension {dim}: {tuple(x.shape)}"
                + ("" if src is None else f", {tuple(src.shape)}")
            )


def _gather_rule(x: Any, index: Any, dim: int) -> tuple[Dims, dtype]:
    _check_along("gather", x, index, None, dim)
    if x.ndim:
        check_known("gather", [(index, x.shape[dim], dim)])
    return index._node.shape, x._node.dtype


def _scatter_rule(what: str) -> Any:
    def rule(x: Any, index: Any, src: Any, dim: int) -> tuple[Dims, dtype]:
        _check_along(what, x, index, src, dim)
        if src._node.dtype is not x._node.dtype:
            raise RuntimeError(
                f"{what}(): Expected self.dtype to be equal to src.dtype, got {x.dtype} and {src.dtype}"
            )
        if x.ndim:
            check_known(what, [(index, x.shape[dim], dim)])
        return x._node.shape, x._node.dtype

    return rule


def _gather_samples() -> list[Sample]:
    return [
        Sample((spread((3, 4)), integers((2, 4), 0, 3)), {"dim": 0}),
        Sample((spread((3, 4)), integers((3, 2), 0, 4)), {"dim": 1}),
        Sample((spread((3,)), integers((0,), 0, 3)), {"dim": 0}),
    ]


def _scatter_samples() -> list[Sample]:
    index = np.array([[0, 2, 1], [2, 1, 0]])
    return [
        Sample((spread((3, 4)), index, spread((2, 3), seed=1)), {"dim": 0}),
        Sample((spread((2, 3)), index, spread((2, 3), seed=1)), {"dim": 1}),
    ]


def _repeated_samples() -> list[Sample]:
    return [
        *_scatter_samples(),
        Sample((spread((4,)), np.array([1, 1, 3]), spread((3,), seed=1)), {"dim": 0}),
    ]


gather = custom(
    "gather", _gather, _gather_rule, "gather", inputs="x index", attrs="dim", checks=True, widens=False,
    samples=_gather_samples,
    grad={"x": lambda g, index, dim, x_shape: scatter_add(g.new_zeros(x_shape), index, g, dim)},
)  # fmt: skip
scatter = custom(
    "scatter", _scatter, _scatter_rule("scatter"), "scatter", inputs="x index src", attrs="dim", checks=True,
    writes=True, widens=False,
    samples=_scatter_samples,
    grad={
        "x": lambda g, index, dim, src_shape: scatter(g, index, g.new_zeros(index.shape), dim),
        "src": lambda g, index, dim, src_shape: pad_to(gather(g, index, dim), src_shape),
    },
)  # fmt: skip
scatter_add = custom(
    "scatter_add", _scatter_add, _scatter_rule("scatter_add"), "scatter", inputs="x index src", attrs="dim",
    checks=True,
    writes=True, widens=False, samples=_repeated_samples,
    grad={"x": lambda g: g, "src": lambda g, index, dim, src_shape: pad_to(gather(g, index, dim), src_shape)},
)  # fmt: skip


def pad_to(x: Any, shape: Dims) -> Any:
    """`x` with zeros after its end along each dimension, up to `shape`."""
    if tuple(x.shape) == tuple(shape):
        return x
    from .view import slice_scatter

    return slice_scatter(x.new_zeros(shape), x, tuple((0, e, 1) for e in x.shape))


# ----- indexing by tensors -----


def _key(indices: tuple[Any, ...], dims: Dims, rank: int) -> tuple[Any, ...]:
    key: list[Any] = [slice(None)] * rank
    for d, i in zip(dims, indices, strict=True):
        key[d] = i
    return tuple(key)


def _index(x: np.ndarray, *args: Any) -> np.ndarray:
    *indices, dims = args
    for i, d in zip(indices, dims, strict=True):
        _check_range("index", i, x.shape[d], d, negative=True)
    return x[_key(tuple(indices), dims, x.ndim)]


def _index_put(x: np.ndarray, src: np.ndarray, *args: Any) -> np.ndarray:
    *indices, dims, accumulate = args
    for i, d in zip(indices, dims, strict=True):
        _check_range("index_put", i, x.shape[d], d, negative=True)
    key = _key(tuple(indices), dims, x.ndim)
    if accumulate:
        _add_at(x, key, src, dims)
    else:
        x[key] = src
    return x


def _add_at(x: np.ndarray, key: tuple[Any, ...], src: np.ndarray, dims: Dims) -> None:
    """x[key] += src with repeats adding up. Rows (one index along the first dimension) are sorted and summed,
    which is quicker."""
    if dims == (0,) and x.ndim > 1 and x.dtype.kind in "fc":
        rows = key[0].reshape(-1) % x.shape[0]
        if len(rows):
            values = np.broadcast_to(src, key[0].shape + x.shape[1:]).reshape(len(rows), *x.shape[1:])
            order = np.argsort(rows, kind="stable")
            ordered = rows[order]
            starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
            x[ordered[starts]] += np.add.reduceat(values[order], starts, axis=0)
    else:
        np.add.at(x, key, src)


@remembered
def _index_shape(what: str, x_shape: Dims, dims: Dims, *shapes: Dims) -> Dims:
    try:
        shape = broadcast(what, *shapes)
    except RuntimeError:
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {[*shapes]}"
        ) from None
    rest = tuple(e for d, e in enumerate(x_shape) if d not in dims)
    together = all(b == a + 1 for a, b in pairwise(dims))
    at = dims[0] if together else 0  # apart from each other, the indexed dimensions come first
    return rest[:at] + shape + rest[at:]


class Index(Custom):
    """`x[..., i, ..., j, ...]`: tensors `indices` at the dimensions `dims`, all of the others."""

    def __call__(self, x: Any, indices: tuple[Any, ...], dims: Dims) -> Any:
        for i in indices:
            _check_index("index", i)
        check_known(
            "index", [(i, x._node.shape[d], d) for i, d in zip(indices, dims, strict=True)], negative=True
        )
        shape = _index_shape("index", x._node.shape, dims, *[i._node.shape for i in indices])
        return self.record((x, *indices), (dims,), shape, x._node.dtype)

    def on_sample(self, tensors: Any, attrs: dict[str, Any]) -> Any:
        return self(tensors[0], tuple(tensors[1:]), attrs["dims"])

    def gradient(self, fn: Any, i: int, g: Any) -> Any:
        if i:
            return None
        from .op import saved_input

        indices = tuple(saved_input(fn, k) for k in range(1, len(fn.specs)))
        return index_put(g.new_zeros(fn.specs[0][0]), g, indices, fn.attrs[0], True)

    def saves(self, edges: tuple[Any, ...]) -> tuple[frozenset[int], bool]:
        return frozenset(range(1, len(edges))), False


class IndexPut(Custom):
    """`x` with `x[..., i, ...] = src` (or `+=`, with repeats adding up)."""

    def __call__(self, x: Any, src: Any, indices: tuple[Any, ...], dims: Dims, accumulate: bool) -> Any:
        for i in indices:
            _check_index("index_put", i)
        shape = _index_shape("index_put", x._node.shape, dims, *[i._node.shape for i in indices])
        if broadcast("index_put", shape, src._node.shape) != shape:
            raise RuntimeError(
                f"index_put: shape mismatch: value tensor of shape {tuple(src.shape)} cannot be broadcast "
                f"to indexing result of shape {shape}"
            )
        check_known(
            "index_put", [(i, x.shape[d], d) for i, d in zip(indices, dims, strict=True)], negative=True
        )
        return self.record((x, src, *indices), (dims, accumulate), x._node.shape, x._node.dtype)

    def on_sample(self, tensors: Any, attrs: dict[str, Any]) -> Any:
        return self(tensors[0], tensors[1], tuple(tensors[2:]), attrs["dims"], attrs["accumulate"])

    def gradient(self, fn: Any, i: int, g: Any) -> Any:
        if i > 1:
            return None
        from .op import saved_input

        indices = tuple(saved_input(fn, k) for k in range(2, len(fn.specs)))
        dims, accumulate = fn.attrs
        if i == 1:
            return index(g, indices, dims)
        return g if accumulate else index_put(g, g.new_zeros(()), indices, dims, False)

    def saves(self, edges: tuple[Any, ...]) -> tuple[frozenset[int], bool]:
        return frozenset(range(2, len(edges))), False


def _index_samples() -> list[Sample]:
    i, j = np.array([[0, 2], [1, -1]]), np.array([1, 0])
    return [
        Sample((spread((3, 4)), i), {"dims": (0,)}),
        Sample((spread((3, 2, 4)), j, np.array([[3], [1]])), {"dims": (0, 2)}),
        Sample((spread((2, 3, 4)), j, j), {"dims": (1, 2)}),
    ]


def _put_samples() -> list[Sample]:
    j = np.array([1, 0])
    return [
        Sample((spread((3, 4)), spread((2, 4), seed=1), j), {"dims": (0,), "accumulate": False}),
        Sample(
            (spread((3, 4)), spread((), seed=1), j, np.array([2, 2])), {"dims": (0, 1), "accumulate": True}
        ),
        Sample(
            (spread((3, 2)), spread((3, 2), seed=1), np.array([1, 1, -2])), {"dims": (0,), "accumulate": True}
        ),
        Sample(
            (spread((2, 3, 2)), spread((2, 3, 2), seed=1), np.array([1, 1])),
            {"dims": (0,), "accumulate": True},
        ),
    ]


index = Index(
    "index",
    _index,
    inputs="x *indices",
    attrs="dims",
    grad={"x": lambda g: g},
    checks=True,
    widens=False,
    samples=_index_samples,
)
index.kind = "gather"
index_put = IndexPut(
    "index_put", _index_put, inputs="x src *indices", attrs="dims accumulate",
    grad={"x": lambda g: g, "src": lambda g: g},
    checks=True, writes=True, widens=False, samples=_put_samples,
)  # fmt: skip
index_put.kind = "scatter"

# ----- order -----


def _argsort(x: np.ndarray, dim: int, descending: bool, stable: bool) -> np.ndarray:
    """Positions in sorted order, equal ones in their order; NaN counts as larger than all numbers."""
    if x.ndim == 0:
        return np.zeros((), np.int64)
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    backwards = np.flip(x, dim)
    return x.shape[dim] - 1 - np.flip(np.argsort(backwards, axis=dim, kind="stable"), dim)


argsort = custom(
    "argsort", _argsort, lambda x, *_: (x._node.shape, dt.int64), "sort", attrs="dim descending stable",
    accepts=REAL,
    samples=lambda: [
        Sample((spread((2, 5)),), {"dim": 1, "descending": False, "stable": True}),
        Sample((integers((4, 3), 0, 3),), {"dim": 0, "descending": True, "stable": True}),
        Sample((booleans((6,)),), {"dim": 0, "descending": False, "stable": True}),
    ],
)  # fmt: skip


def _topk_index(x: np.ndarray, k: int, dim: int, largest: bool) -> np.ndarray:
    """Positions of the k largest (smallest), best first."""
    if x.ndim == 0:
        return np.zeros((), np.int64)
    order = _argsort(x, dim, largest, True)
    return order[(slice(None),) * dim + (slice(0, k),)]


topk_index = custom(
    "topk_index", _topk_index,
    lambda x, k, dim, largest: ((*x.shape[:dim], k, *x.shape[dim + 1 :]) if x.ndim else (), dt.int64), "sort",
    attrs="k dim largest", accepts=NO_BOOL_REAL,
    samples=lambda: [
        Sample((spread((2, 5)),), {"k": 2, "dim": 1, "largest": True}),
        Sample((spread((4, 3)),), {"k": 3, "dim": 0, "largest": False}),
    ],
)  # fmt: skip


def _searchsorted(edges: np.ndarray, values: np.ndarray, right: bool) -> np.ndarray:
    side: Any = "right" if right else "left"
    if edges.ndim == 1:
        return np.searchsorted(edges, values, side)
    rows = edges.reshape(prod(edges.shape[:-1]), edges.shape[-1])
    wanted = values.reshape(len(rows), values.shape[-1])
    found = [np.searchsorted(r, v, side) for r, v in zip(rows, wanted, strict=True)]
    return np.array(found, np.int64).reshape(values.shape)


searchsorted = custom(
    "searchsorted", _searchsorted, lambda edges, values, right: (values._node.shape, dt.int64), "sort",
    inputs="edges values", attrs="right", accepts=NO_BOOL_REAL,
    samples=lambda: [
        Sample((np.array([1.0, 2.0, 2.0, 5.0]), np.array([[0.0, 2.0], [5.0, 9.0]])), {"right": r})
        for r in (False, True)
    ],
)  # fmt: skip


def _bincount(x: np.ndarray, length: int) -> np.ndarray:
    return np.bincount(x, minlength=length)[:length]


bincount = custom(
    "bincount", _bincount, lambda x, length: ((length,), dt.int64), "scatter", attrs="length",
    accepts=(dt.INTEGER, dt.INTEGER),
    samples=lambda: [Sample((np.array([0, 2, 2, 1]),), {"length": 5})],
)  # fmt: skip


# ----- masks -----


def _tril(x: np.ndarray, diagonal: int) -> np.ndarray:
    return np.tril(x, diagonal)


def _triangle_samples() -> list[Sample]:
    return [Sample((spread((3, 4)),), {"diagonal": 0}), Sample((spread((2, 3, 3)),), {"diagonal": -1})]


tril = custom(
    "tril", _tril, lambda x, diagonal: (x._node.shape, x._node.dtype), "pointwise", attrs="diagonal",
    widens=False,
    samples=_triangle_samples, grad=lambda g, diagonal: tril(g, diagonal),
)  # fmt: skip
triu = custom(
    "triu", lambda x, diagonal: np.triu(x, diagonal), lambda x, diagonal: (x._node.shape, x._node.dtype),
    "pointwise", attrs="diagonal",
    widens=False, samples=_triangle_samples, grad=lambda g, diagonal: triu(g, diagonal),
)  # fmt: skip
