"""Views: operations that show elements of their input without copying them, and the copies that go with
them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.node import numel
from ..core.storage import contiguous_strides
from .kinds import Layout, custom, view
from .samples import Sample, spread

Shape = tuple[int, ...]
Range = tuple[int, int, int]  # first element, how many, step

# ----- reshape -----


def reshape_layout(shape: Shape, strides: Shape, offset: int, new: Shape) -> Layout | None:
    """Strides for `new` if each of its dimensions lies within a run of dimensions that are evenly spaced;
    None otherwise."""
    if strides == contiguous_strides(shape):
        return contiguous_strides(new), offset
    if 0 in shape:
        return (strides if new == shape else contiguous_strides(new)), offset
    runs: list[tuple[int, int]] = []  # number of elements and step, the innermost first
    for extent, stride in zip(reversed(shape), reversed(strides), strict=True):
        count, step = runs[-1] if runs else (0, 0)
        if runs and (extent == 1 or stride == count * step):
            runs[-1] = (count * extent, step)
        else:
            runs.append((extent, stride))
    runs.reverse()
    out: list[int] = []
    left, step = runs.pop() if runs else (1, 1)
    for extent in reversed(new):
        if left == 1 and extent != 1 and runs:
            left, step = runs.pop()
        if left % extent:
            return None
        out.append(step)
        left, step = left // extent, step * extent
    return tuple(reversed(out)), offset


def _reshape_samples() -> list[Sample]:
    return [
        Sample((spread((2, 6)),), {"shape": (3, 4)}),
        Sample((spread((4,)),), {"shape": (2, 1, 2)}),
        Sample((spread(()),), {"shape": (1,)}),
        Sample((spread((2, 0)),), {"shape": (0, 3)}),
    ]


def _into_shape_of(x: Any, part: Any, *attrs: Any) -> Any:
    return part.reshape(x.shape)


def _without(values: Shape, dims: Shape) -> Shape:
    return tuple(v for d, v in enumerate(values) if d not in dims)


reshape = view(
    "reshape", np.reshape, attrs="shape", shape=lambda x_shape, shape: shape, layout=reshape_layout,
    samples=_reshape_samples,
    grad=lambda g, x_shape: g.reshape(x_shape), put=_into_shape_of, backward_name="View",
)  # fmt: skip
squeeze = view(
    "squeeze", np.squeeze, attrs="dims", shape=_without, put=_into_shape_of,
    grad=lambda g, x_shape: g.reshape(x_shape),
    layout=lambda x_shape, strides, offset, dims: (_without(strides, dims), offset),
    samples=lambda: [Sample((spread((1, 3, 1)),), {"dims": (0, 2)}), Sample((spread((2, 1)),), {"dims": ()})],
)  # fmt: skip
unsqueeze = view(
    "unsqueeze", np.expand_dims, attrs="dim", shape=lambda x_shape, dim: (*x_shape[:dim], 1, *x_shape[dim:]),
    grad=lambda g, x_shape: g.reshape(x_shape), put=_into_shape_of,
    layout=lambda x_shape, strides, offset, dim: (
        (*strides[:dim], x_shape[dim] * strides[dim] if dim < len(x_shape) else 1, *strides[dim:]),
        offset,
    ),
    samples=lambda: [Sample((spread((2, 3)),), {"dim": 1}), Sample((spread(()),), {"dim": 0})],
)  # fmt: skip

# ----- permute -----


def inverse(order: Shape) -> Shape:
    """The permutation that undoes `order`."""
    back = [0] * len(order)
    for i, d in enumerate(order):
        back[d] = i
    return tuple(back)


def permute_like(name: str, backward_name: str) -> Any:
    """A record that reorders dimensions."""
    return view(
        name, np.transpose, attrs="order", backward_name=backward_name,
        shape=lambda x_shape, order: tuple(x_shape[d] for d in order),
        layout=lambda x_shape, strides, offset, order: (tuple(strides[d] for d in order), offset),
        grad=lambda g, order: g.permute(inverse(order)),
        put=lambda x, part, order: part.permute(inverse(order)),
        samples=lambda: [Sample((spread((2, 3, 4)),), {"order": (2, 0, 1)}),
            Sample((spread((3, 1)),), {"order": (1, 0)})],
    )  # fmt: skip


permute = permute_like("permute", "Permute")
transpose = permute_like("transpose", "Transpose")

# ----- expand -----


def _expand_layout(x_shape: Shape, strides: Shape, offset: int, shape: Shape) -> Layout:
    new = len(shape) - len(x_shape)
    out = [0 if e == 1 and n != 1 else s for e, s, n in zip(x_shape, strides, shape[new:], strict=True)]
    for extent in reversed(shape[:new]):
        out.insert(0, (shape[len(shape) - len(out)] * out[0] if out else 1) if extent == 1 else 0)
    return tuple(out), offset


expand = view(
    "expand", np.broadcast_to, attrs="shape", shape=lambda x_shape, shape: shape, layout=_expand_layout,
    grad=lambda g: g,  # the engine sums over what was broadcast
    put=lambda x, part, shape: part.sum_to_size(x.shape),
    samples=lambda: [Sample((spread((2, 1)),), {"shape": (4, 2, 3)}), Sample((spread(()),), {"shape": (2,)})],
)  # fmt: skip

# ----- slices -----


def slice_index(ranges: tuple[Range, ...]) -> tuple[slice, ...]:
    """The index that takes (first, count, step) along each dimension."""
    return tuple(
        slice(first, first + (count - 1) * step + 1 if count else first, step)
        for first, count, step in ranges
    )


def _slice_layout(x_shape: Shape, strides: Shape, offset: int, ranges: tuple[Range, ...]) -> Layout:
    start = offset + sum(first * s for (first, _, _), s in zip(ranges, strides, strict=True))
    return tuple(s * step for (_, _, step), s in zip(ranges, strides, strict=True)), start


def _select_layout(x_shape: Shape, strides: Shape, offset: int, dim: int, index: int) -> Layout:
    return strides[:dim] + strides[dim + 1 :], offset + index * strides[dim]


def _slice_samples() -> list[Sample]:
    return [
        Sample((spread((4, 5)),), {"ranges": ((1, 2, 2), (0, 3, 1))}),
        Sample((spread((3,)),), {"ranges": ((2, 0, 1),)}),
    ]


slice_ = view(
    "slice", lambda x, ranges: x[slice_index(ranges)], attrs="ranges",
    shape=lambda x_shape, ranges: tuple(count for _, count, _ in ranges), layout=_slice_layout,
    grad=lambda g, x_shape, ranges: slice_scatter(g.new_zeros(x_shape), g, ranges),
    put=lambda x, part, ranges: slice_scatter(x, part, ranges), samples=_slice_samples,
)  # fmt: skip
select = view(
    "select", lambda x, dim, index: x[(slice(None),) * dim + (index,)], attrs="dim index",
    shape=lambda x_shape, dim, index: x_shape[:dim] + x_shape[dim + 1 :], layout=_select_layout,
    grad=lambda g, x_shape, dim, index: select_scatter(g.new_zeros(x_shape), g, dim, index),
    put=lambda x, part, dim, index: select_scatter(x, part, dim, index),
    samples=lambda: [Sample((spread((3, 4)),), {"dim": 1, "index": 2}),
        Sample((spread((2,)),), {"dim": 0, "index": 0})],
)  # fmt: skip


def _slice_write(x: np.ndarray, part: np.ndarray, ranges: tuple[Range, ...]) -> np.ndarray:
    x[slice_index(ranges)] = part
    return x


def _select_write(x: np.ndarray, part: np.ndarray, dim: int, index: int) -> np.ndarray:
    x[(slice(None),) * dim + (index,)] = part
    return x


slice_scatter = custom(
    "slice_scatter", _slice_write, lambda x, part, ranges: (x._node.shape, x._node.dtype), "scatter",
    inputs="x part", attrs="ranges",
    writes=True, widens=False,
    grad={
        "x": lambda g, part_shape, ranges: slice_scatter(g, g.new_zeros(part_shape), ranges),
        "part": lambda g, ranges: slice_(g, ranges),
    },
    samples=lambda: [
        Sample((s.arrays[0], s.arrays[0][slice_index(s.attrs["ranges"])] * 2), s.attrs)
        for s in _slice_samples()
    ],
)  # fmt: skip
select_scatter = custom(
    "select_scatter", _select_write, lambda x, part, dim, index: (x._node.shape, x._node.dtype), "scatter",
    inputs="x part",
    attrs="dim index", writes=True, widens=False,
    grad={
        "x": lambda g, part_shape, dim, index: select_scatter(g, g.new_zeros(part_shape), dim, index),
        "part": lambda g, dim, index: select(g, dim, index),
    },
    samples=lambda: [Sample((spread((3, 4)), spread((3,), seed=1)), {"dim": 1, "index": 2})],
)  # fmt: skip

# ----- diagonal, windows, strides -----


def _diagonal_shape(x_shape: Shape, offset: int, dim1: int, dim2: int) -> Shape:
    rows, cols = x_shape[dim1], x_shape[dim2]
    count = max(0, min(rows, cols - offset) if offset >= 0 else min(rows + offset, cols))
    return (*(e for d, e in enumerate(x_shape) if d not in (dim1, dim2)), count)


def _diagonal_layout(x_shape: Shape, strides: Shape, start: int, offset: int, dim1: int, dim2: int) -> Layout:
    kept = tuple(s for d, s in enumerate(strides) if d not in (dim1, dim2))
    if _diagonal_shape(x_shape, offset, dim1, dim2)[-1] > 0:
        start += offset * strides[dim2] if offset >= 0 else -offset * strides[dim1]
    return (*kept, strides[dim1] + strides[dim2]), start


def _diagonal_write(x: np.ndarray, part: np.ndarray, offset: int, dim1: int, dim2: int) -> np.ndarray:
    view_ = np.moveaxis(x, (dim1, dim2), (-2, -1))
    i = np.arange(part.shape[-1])
    view_[..., i + max(-offset, 0), i + max(offset, 0)] = part
    return x


def _diagonal_samples() -> list[Sample]:
    return [
        Sample((spread((3, 4)),), {"offset": 1, "dim1": 0, "dim2": 1}),
        Sample((spread((2, 3, 3)),), {"offset": -1, "dim1": 2, "dim2": 0}),
        Sample((spread((2, 3)),), {"offset": 5, "dim1": 0, "dim2": 1}),
    ]


diagonal = view(
    "diagonal", np.diagonal, attrs="offset dim1 dim2", shape=_diagonal_shape, layout=_diagonal_layout,
    grad=lambda g, x_shape, offset, dim1, dim2: diagonal_scatter(g.new_zeros(x_shape), g, offset, dim1, dim2),
    put=lambda x, part, offset, dim1, dim2: diagonal_scatter(x, part, offset, dim1, dim2),
    samples=_diagonal_samples,
)  # fmt: skip
diagonal_scatter = custom(
    "diagonal_scatter", _diagonal_write, lambda x, part, *_: (x._node.shape, x._node.dtype), "scatter",
    inputs="x part",
    attrs="offset dim1 dim2", writes=True, widens=False,
    grad={
        "x": lambda g, part_shape, offset, dim1, dim2: diagonal_scatter(
            g, g.new_zeros(part_shape), offset, dim1, dim2
        ),
        "part": lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2),
    },
    samples=lambda: [
        Sample((s.arrays[0], np.diagonal(s.arrays[0], **_axes(s.attrs)) * 2), s.attrs)
        for s in _diagonal_samples()
    ],
)  # fmt: skip


def _axes(attrs: dict[str, int]) -> dict[str, int]:
    return {"offset": attrs["offset"], "axis1": attrs["dim1"], "axis2": attrs["dim2"]}


def _windows(x: np.ndarray, dim: int, size: int, step: int) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=dim)
    return windows[(slice(None),) * dim + (slice(None, None, step),)]


def _window_sum(g: np.ndarray, extent: int, dim: int, step: int) -> np.ndarray:
    count, size = g.shape[dim], g.shape[-1]
    out = np.zeros((*g.shape[:dim], extent, *g.shape[dim + 1 : -1]), g.dtype)
    for k in range(size):
        out[(slice(None),) * dim + (slice(k, k + (count - 1) * step + 1, step),)] += g[..., k]
    return out


unfold = view(
    "unfold", _windows, attrs="dim size step",
    shape=lambda x_shape, dim, size, step: (
        *x_shape[:dim], (x_shape[dim] - size) // step + 1, *x_shape[dim + 1 :], size,
    ),
    layout=lambda x_shape, strides, offset, dim, size, step: (
        (*strides[:dim], strides[dim] * step, *strides[dim + 1 :], strides[dim]),
        offset,
    ),
    grad=lambda g, x_shape, dim, step: window_sum(g, x_shape[dim], dim, step),
    samples=lambda: [
        Sample((spread((2, 7)),), {"dim": 1, "size": 3, "step": 2}),
        Sample((spread((5, 2)),), {"dim": 0, "size": 2, "step": 1}),
    ],
)  # fmt: skip
window_sum = custom(
    "window_sum", _window_sum,
    lambda g, extent, dim, step: ((*g.shape[:dim], extent, *g.shape[dim + 1 : -1]), g.dtype), "scatter",
    attrs="extent dim step", grad=lambda g, x_shape, dim, step: unfold.plain(g, (dim, x_shape[-1], step)),
    samples=lambda: [Sample((spread((2, 3, 3)),), {"extent": 7, "dim": 1, "step": 2})],
)  # fmt: skip


def _as_strided(x: np.ndarray, shape: Shape, strides: Shape, offset: int) -> np.ndarray:
    return x.reshape(-1)[strided_numbers(shape, strides, offset)]


def strided_numbers(shape: Shape, strides: Shape, offset: int) -> np.ndarray:
    """The flat numbers of the elements that strides select."""
    numbers = np.full(shape, offset, np.int64)
    for d, (extent, stride) in enumerate(zip(shape, strides, strict=True)):
        numbers += (np.arange(extent) * stride).reshape((-1,) + (1,) * (len(shape) - d - 1))
    return numbers


def _as_strided_grad(g: Any, x_shape: Shape, shape: Shape, strides: Shape, offset: int) -> Any:
    from .index import index_put
    from .kinds import make_constant

    numbers = make_constant(strided_numbers(shape, strides, offset).reshape(-1))
    return index_put(g.new_zeros((numel(x_shape),)), g.reshape(-1), (numbers,), (0,), True).reshape(x_shape)


# Looks at the whole storage, so its input is the storage's flat memory (see functions.shape.as_strided).
as_strided = view(
    "as_strided", _as_strided, attrs="shape strides offset",
    shape=lambda x_shape, shape, strides, offset: shape,
    layout=lambda x_shape, s, o, shape, strides, offset: (strides, offset), grad=_as_strided_grad,
    samples=lambda: [
        Sample((spread((12,)),), {"shape": (2, 3), "strides": (1, 2), "offset": 3}),
        Sample((spread((6,)),), {"shape": (4, 2), "strides": (1, 1), "offset": 0}),
    ],
)  # fmt: skip


def _strided_places(
    x_shape: Shape, shape: Shape, strides: Shape, offset: int, own: Shape, start: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each element that strides select: which of `x`'s elements it is, and whether it is one at all."""
    places = strided_numbers(x_shape, own, start).reshape(-1)
    wanted = strided_numbers(shape, strides, offset)
    if not places.size:
        return wanted, np.zeros(shape, bool)
    order = np.argsort(places, kind="stable")
    found = order[np.minimum(np.searchsorted(places[order], wanted), places.size - 1)]
    return found, places[found] == wanted


def _strided_part(x: np.ndarray, *attrs: Any) -> np.ndarray:
    found, inside = _strided_places(x.shape, *attrs)
    return np.where(inside, x.reshape(-1)[found] if x.size else 0, 0).astype(x.dtype)


def _strided_part_grad(
    g: Any, x_shape: Shape, shape: Shape, strides: Shape, offset: int, own: Shape, start: int
) -> Any:
    from .index import index_put
    from .kinds import make_constant

    found, inside = _strided_places(x_shape, shape, strides, offset, own, start)
    if not inside.any():
        return g.new_zeros(x_shape)
    g = g.reshape(-1) if inside.all() else g.reshape(-1) * make_constant(inside.reshape(-1))
    return index_put(
        g.new_zeros((numel(x_shape),)), g, (make_constant(found.reshape(-1)),), (0,), True
    ).reshape(x_shape)


# What `as_strided` shows of the elements of `x`, which lie in the storage by the layout (own, start): where
# its gradient goes.
strided_part = custom(
    "strided_part", _strided_part, lambda x, shape, *_: (shape, x._node.dtype), "gather", attrs="shape "
    "strides offset own start",
    grad=_strided_part_grad, backward_name="AsStrided", widens=False,
    samples=lambda: [
        Sample((x,), {"shape": (2, 3), "strides": (2, 1), "offset": 1, "own": (4, 1), "start": 0})
        for x in (spread((2, 3)),)
    ],
)  # fmt: skip

# ----- the same bits or parts of complex numbers -----


def _complex_samples() -> list[Sample]:
    return [Sample((spread((2, 3)) + 1j * spread((2, 3), seed=4),)), Sample((np.array(0.5 - 1j),))]


def _twice(strides: Shape) -> Shape:
    return tuple(2 * s for s in strides)


real = view(
    "real", lambda x: x.real, shape=lambda s: s,
    layout=lambda s, strides, offset: (_twice(strides), 2 * offset),
    dtype=lambda d: d.to_real(), grad=lambda g: g.to(g.dtype.to_complex()),
    put=lambda x, part: _complex(part, x.imag),
    samples=_complex_samples,
)  # fmt: skip
imag = view(
    "imag", lambda x: x.imag, shape=lambda s: s,
    layout=lambda s, strides, offset: (_twice(strides), 2 * offset + 1),
    dtype=lambda d: d.to_real(), grad=lambda g: _complex(g * 0, g),
    put=lambda x, part: _complex(x.real, part),
    samples=_complex_samples,
)  # fmt: skip
view_as_real = view(
    "view_as_real", lambda x: np.stack([x.real, x.imag], -1), shape=lambda s: (*s, 2),
    layout=lambda s, strides, offset: ((*_twice(strides), 1), 2 * offset), dtype=lambda d: d.to_real(),
    grad=lambda g: _complex(g.select(-1, 0), g.select(-1, 1)),
    put=lambda x, part: _complex(part.select(-1, 0), part.select(-1, 1)),
    samples=_complex_samples,
)  # fmt: skip


def _pairs(x: np.ndarray) -> np.ndarray:
    out = np.empty(x.shape[:-1], np.result_type(x.dtype, np.complex64))
    out.real, out.imag = x[..., 0], x[..., 1]
    return out


def _pairs_layout(s: Shape, strides: Shape, offset: int) -> Layout | None:
    """Half the strides, where both parts lie side by side at an even place."""
    odd = offset % 2 or any(step % 2 for step in strides[:-1])
    return None if odd or strides[-1] != 1 else (tuple(step // 2 for step in strides[:-1]), offset // 2)


view_as_complex = view(
    "view_as_complex", _pairs, shape=lambda s: s[:-1], layout=_pairs_layout, dtype=lambda d: d.to_complex(),
    grad=lambda g: view_as_real.plain(g, ()), put=lambda x, part: view_as_real.plain(part, ()),
    samples=lambda: [Sample((spread((3, 2)),)), Sample((spread((2,)),)), Sample((spread((0, 2)),))],
    accepts=(dt.FLOAT, dt.FLOAT),
)  # fmt: skip


def as_complex(pairs: Any) -> Any:
    """A last dimension of 2 as real and imaginary parts (a copy)."""
    return _complex(select.plain(pairs, (pairs.ndim - 1, 0)), select.plain(pairs, (pairs.ndim - 1, 1)))


def _complex(re: Any, im: Any) -> Any:
    from .pointwise import make_complex

    return make_complex(re, im)


def _bits_shape(s: Shape, d: dt.dtype, ratio: tuple[int, int]) -> Shape:
    return s if ratio == (1, 1) else (*s[:-1], s[-1] * ratio[0] // ratio[1])


def _bits_layout(s: Shape, strides: Shape, offset: int, d: dt.dtype, ratio: tuple[int, int]) -> Layout:
    """Strides in elements of another size; the last dimension is dense where the size changes."""
    many, one = ratio
    if many == one:
        return strides, offset
    return (*(step * many // one for step in strides[:-1]), 1), offset * many // one


# `ratio` says how many new elements there are for how many old ones.
view_dtype = view(
    "view_dtype",
    lambda x, d, ratio: np.ascontiguousarray(x).view(d.np).reshape(_bits_shape(x.shape, d, ratio)),
    attrs="d ratio",
    shape=_bits_shape, layout=_bits_layout, dtype=lambda x_dtype, d, ratio: d,
    put=lambda x, part, d, ratio: view_dtype.plain(part, (x.dtype, (ratio[1], ratio[0]))),
    samples=lambda: [
        Sample((spread((2, 3)),), {"d": dt.int64, "ratio": (1, 1)}),
        Sample((spread(()).astype(np.float32),), {"d": dt.int32, "ratio": (1, 1)}),
        Sample((spread((2, 3)),), {"d": dt.float32, "ratio": (2, 1)}),
        Sample((spread((3, 4)).astype(np.int32),), {"d": dt.complex128, "ratio": (1, 4)}),
    ],
)  # fmt: skip

# ----- copies: what is no view although it only moves elements -----

clone = custom(
    "clone", lambda x: np.array(x, order="C", copy=True), lambda x: (x._node.shape, x._node.dtype),
    "pointwise", lower=lambda x: x, grad=lambda g: g,
    widens=False, samples=lambda: [Sample((spread(s),)) for s in ((), (2, 3), (0,))],
)  # fmt: skip
flip = custom(
    "flip", lambda x, dims: np.flip(x, dims).copy(), lambda x, dims: (x._node.shape, x._node.dtype),
    "movement", attrs="dims", widens=False,
    grad=lambda g, dims: flip(g, dims),
    samples=lambda: [Sample((spread((2, 3)),), {"dims": (0, 1)}), Sample((spread((4,)),), {"dims": (0,)})],
)  # fmt: skip
roll = custom(
    "roll", lambda x, shifts, dims: np.roll(x, shifts, dims), lambda x, *_: (x._node.shape, x._node.dtype),
    "movement",
    attrs="shifts dims", widens=False, grad=lambda g, shifts, dims: roll(g, tuple(-s for s in shifts), dims),
    samples=lambda: [Sample((spread((3, 4)),), {"shifts": (1, -2), "dims": (0, 1)})],
)  # fmt: skip


def _concatenate_rule(*args: Any) -> tuple[Shape, dt.dtype]:
    *xs, dim = args
    first = xs[0]._node
    extent = sum(x._node.shape[dim] for x in xs)
    return (*first.shape[:dim], extent, *first.shape[dim + 1 :]), first.dtype


def _concatenate_numpy(*args: Any) -> np.ndarray:
    *xs, dim = args
    return np.concatenate(xs, dim)


class _Concatenate(type(clone)):  # type: ignore[misc]
    """Joins tensors of one dtype along a dimension; its gradient formula needs to know where each input
    lies."""

    def gradient(self, fn: Any, i: int, g: Any) -> Any:
        (dim,) = fn.attrs
        first = sum(shape[dim] for shape, _ in fn.specs[:i])
        return g.narrow(dim, first, fn.specs[i][0][dim])


concatenate = _Concatenate(
    "concatenate", _concatenate_numpy, inputs="*xs", attrs="dim", grad={"xs": lambda g: g},
    backward_name="Cat", widens=False,
    samples=lambda: [
        Sample((spread((2, 3)), spread((1, 3), seed=1), spread((0, 3))), {"dim": 0}),
        Sample((spread((2, 1)), spread((2, 2), seed=1)), {"dim": 1}),
    ],
)  # fmt: skip
concatenate.infer = _concatenate_rule


def _pad_numpy(x: np.ndarray, value: np.ndarray, pads: tuple[tuple[int, int], ...]) -> np.ndarray:
    return np.pad(x, pads, constant_values=value) if pads else x.copy()


def _pad_grad(g: Any, pads: tuple[tuple[int, int], ...], x_shape: Shape) -> Any:
    return slice_(g, tuple((low, extent, 1) for (low, _), extent in zip(pads, x_shape, strict=True)))


# `value` is an input, not an attribute: a new number is not a new program. Pads are >= 0; cutting off is
# slicing.
pad = custom(
    "pad", _pad_numpy,
    lambda x, value, pads: (tuple(e + a + b for e, (a, b) in zip(x.shape, pads, strict=True)), x.dtype),
    "movement",
    inputs="x value", attrs="pads", widens=False,
    grad={"x": _pad_grad, "value": lambda g, pads, x_shape: g.sum() - _pad_grad(g, pads, x_shape).sum()},
    samples=lambda: [Sample((spread((2, 3)), np.array(0.5)), {"pads": ((1, 0), (2, 1))})],
)  # fmt: skip
