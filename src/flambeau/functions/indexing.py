"""Indexing: `x[...]`, `x[...] = v`, gather and scatter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import dtype as dt
from ..core.ghost import ghost_of
from ..core.inplace import assign, check_history, check_writable, same_place, touch
from ..core.modes import modes
from ..core.realize import remembered
from ..core.tensor import Tensor, from_array
from ..ops import index as ops
from ..ops import view as views
from ..ops.creation import full, overwrite
from ..ops.kinds import broadcast, cast
from ..ops.op import check_tensor, wrap_dim
from ..ops.scattering import scatter_prod
from .calling import deliver, numpy_names, write
from .casting import promoted
from .choice import (
    choose,
)
from .creation import to_array
from .shape import reshape, slice_dim, unsqueeze

# ----- x[...] -----

Advanced = dict[int, Tensor]  # index tensors by dimension
_MASKS = (dt.bool_, dt.uint8)


def _spelt(index: Any) -> tuple[Any, ...] | None:
    """An index of whole numbers, slices, None and ... in a form that can be looked up, with slices as tuples;
    None for any other."""
    items = []
    for item in index if type(index) is tuple else (index,):
        if type(item) is slice:
            item = (item.start, item.stop, item.step)
            for part in item:
                if part is not None and type(part) is not int:
                    return None
        elif type(item) is not int and item is not None and item is not Ellipsis:
            return None
        items.append(item)
    return tuple(items)


@remembered
def _views_of(shape: tuple[int, ...], spelt: tuple[Any, ...]) -> tuple[tuple[Any, tuple[Any, ...]], ...]:
    """The views (operation, attributes) that such an index takes of a shape, neighbouring slices as one."""
    steps: list[tuple[Any, tuple[Any, ...]]] = []
    left, dim = list(shape), 0  # the dimensions after the steps
    for item in _items(len(shape), tuple(slice(*i) if type(i) is tuple else i for i in spelt)):
        if item is None:
            steps.append((views.unsqueeze, (dim,)))
            left.insert(dim, 1)
            dim += 1
        elif isinstance(item, slice):
            taken = _slice_range(item, left[dim])
            if taken != (0, left[dim], 1):
                ranges = [(0, e, 1) for e in left]
                if steps and steps[-1][0] is views.slice_:
                    ranges = list(steps.pop()[1][0])
                ranges[dim], left[dim] = taken, taken[1]
                steps.append((views.slice_, (tuple(ranges),)))
            dim += 1
        else:
            steps.append((views.select, (dim, _position(tuple(left), dim, item))))
            del left[dim]
    return tuple(steps)


def _look(x: Tensor, spelt: tuple[Any, ...]) -> Tensor:
    """What such an index shows of `x`; `x` itself if that is all of it."""
    for op, attrs in _views_of(x._node.shape, spelt):
        x = op.try_view(x, attrs)
    return x


def _slice_range(s: slice, extent: int) -> tuple[int, int, int]:
    """(first, count, step) of a slice; ValueError for a step that isn't positive."""
    parts = [p.item() if isinstance(p, Tensor) else p for p in (s.start, s.stop, s.step)]
    if parts[2] is not None and parts[2] <= 0:
        raise ValueError(f"index: step must be greater than zero, got {parts[2]}; use flip() to reverse")
    first, stop, step = slice(*parts).indices(extent)
    return first, max(0, -((first - stop) // step)), step


def _consumed(item: Any) -> int:
    """How many dimensions of the tensor an index item takes."""
    if item is None or item is Ellipsis or isinstance(item, (bool, np.bool_)):
        return 0
    return item.ndim if isinstance(item, Tensor) and item._node.dtype in _MASKS else 1


def _items(rank: int, index: Any) -> list[Any]:
    """The index as a list of items, one a dimension, with the ellipsis spelt out."""
    items = [_as_item(i) for i in (index if _is_several(index) else (index,))]
    taken = sum(_consumed(i) for i in items)
    if taken > rank:
        raise IndexError(f"too many indices for tensor of dimension {rank}: got {taken}")
    dots = [k for k, i in enumerate(items) if i is Ellipsis]
    if len(dots) > 1 and any(i is not Ellipsis for i in items[dots[1] :]) and taken < rank:
        raise IndexError(f"too many indices for tensor of dimension {rank}: each ... stands for all the rest")
    if dots:
        rest = [slice(None)] * (rank - taken)
        items[dots[0] : dots[0] + 1] = rest
        items = [i for i in items if i is not Ellipsis]
    return items


def _is_several(index: Any) -> bool:
    """Whether an index is several items: a tuple, or (an old rule of NumPy) a short list with anything but
    numbers in it."""
    if not isinstance(index, (list, range)) or len(index) >= 32:
        return isinstance(index, tuple)
    return any(
        i is None or i is Ellipsis or isinstance(i, (Tensor, np.ndarray, list, tuple, range, str, slice))
        for i in index
    )


def _as_item(item: Any) -> Any:
    if isinstance(item, (int, slice)):
        return item
    if isinstance(item, (list, tuple, range)):
        return from_array(to_array(list(item), None if len(item) else dt.int64))
    if isinstance(item, np.ndarray):
        return from_array(item.copy()) if item.ndim else _as_item(item.item())
    if isinstance(item, Tensor) and item.ndim == 0 and item.dtype.category <= dt.INTEGER:
        return item.item() if ghost_of(item) is None or item.dtype is dt.bool_ else item
    if isinstance(item, str):
        raise TypeError(f"index: invalid data type 'str': {item!r}")
    if isinstance(item, (np.integer,)):
        return int(item)
    return item


def _basic(x: Tensor, items: list[Any]) -> tuple[Tensor, Advanced]:
    """Applies the whole numbers, slices and Nones as views; returns what tensors are left to index with."""
    dim = 0
    later: Advanced = {}
    for item in items:
        if isinstance(item, (bool, np.bool_)):
            x = unsqueeze(x, dim)
            later[dim] = from_array(np.zeros(1 if item else 0, np.int64))
            dim += 1
        elif isinstance(item, int) or (not isinstance(item, Tensor) and hasattr(item, "__index__")):
            x = _select(x, dim, item.__index__())
        elif isinstance(item, slice):
            first, count, step = _slice_range(item, x._node.shape[dim])
            if (first, count, step) != (0, x._node.shape[dim], 1):
                x = slice_dim(x, dim, first, count, step)
            dim += 1
        elif item is None:
            x = unsqueeze(x, dim)
            dim += 1
        elif isinstance(item, Tensor):
            dim = _tensor_item(x, dim, item, later)
        else:
            raise IndexError(
                f"index: only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
                f"valid indices (got {type(item).__name__})"
            )
    return x, later


def _select(x: Tensor, dim: int, i: int) -> Tensor:
    return views.select(x, dim, _position(x._node.shape, dim, i))


def _position(shape: tuple[int, ...], dim: int, i: int) -> int:
    """A whole number as an index, counted from the front; IndexError if it is none."""
    extent = shape[dim] if dim < len(shape) else -1
    if extent < 0:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python to convert a 0-dim tensor to a "
            "number"
        )
    if not -extent <= i < extent:
        raise IndexError(f"index {i} is out of bounds for dimension {dim} with size {extent}")
    return i % extent


def _tensor_item(x: Tensor, dim: int, item: Tensor, later: Advanced) -> int:
    """Notes an index tensor (a mask as the positions where it is true); returns the next dimension."""
    if item._node.dtype not in _MASKS:
        if item._node.dtype not in (dt.int64, dt.int32):
            raise IndexError(
                f"tensors used as indices must be long, int, byte or bool tensors, got {item.dtype}; use "
                f".long()"
            )
        later[dim] = item
        return dim + 1
    for k, e in enumerate(item.shape):
        if e != x._node.shape[dim + k]:
            raise IndexError(
                f"The shape of the mask {list(item.shape)} at index {k} does not match the shape of the "
                f"indexed tensor {list(x.shape)} at index {dim + k}"
            )
    for k, positions in enumerate(np.nonzero(item._value("mask"))):
        later[dim + k] = from_array(positions)
    return dim + item.ndim


def getitem(self: Tensor, index: Any) -> Tensor:
    """`x[index]`: whole numbers, slices, None and ... give views; tensors, lists and masks give copies."""
    if type(index) is int:  # the commonest case
        return _select(self, 0, index)
    if type(index) is Tensor and index._node.dtype is dt.int64 and index._node.shape and self._node.shape:
        return ops.index(self, (index,), (0,))
    spelt, later = _spelt(index), None
    if spelt is None:
        x, later = _basic(self, _items(self.ndim, index))
    else:
        x = _look(self, spelt)
    if later:
        return ops.index(x, tuple(later.values()), tuple(later))
    if x is self:
        return views.slice_(x, tuple((0, e, 1) for e in x._node.shape))
    return x


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """`x[index] = value`: writes in place, with broadcasting and conversion of numbers to this tensor's
    dtype.

    RuntimeError for a tensor of another dtype where tensors (other than a mask for one number) index.
    """
    if not isinstance(value, (Tensor, bool, int, float, complex, np.generic)):
        raise TypeError(
            f"can't assign a {type(value).__name__} to a torch.FloatTensor; make it a tensor with "
            f"torch.tensor() first"
        )
    if index is False:
        return
    spelt = _spelt(index)
    if spelt is not None:
        _write_view(_look(self, spelt), value)
        return
    items = _items(self.ndim, None if index is True else index)
    tensors = [i for i in items if isinstance(i, (Tensor, bool))]
    alone = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) and _is_number(value) else None
    by_mask = alone is not None and alone._node.dtype is dt.bool_
    if by_mask and isinstance(value, Tensor) and value.ndim:
        value = reshape(value, ())
    if by_mask and alone is not None and alone._node.shape == self._node.shape and len(items) == 1:
        write("index_put_", self, _masked(self, items[0], value))  # no need to know where the mask is true
        return
    x, later = _basic(self, items)
    if alone is not None and alone._node.dtype is dt.uint8:
        raise RuntimeError(
            "masked_fill_ only supports boolean masks, but got mask with dtype torch.uint8; use .bool()"
        )
    if not later:
        _write_view(x, value)
        return
    if isinstance(value, Tensor) and value._node.dtype is not self._node.dtype and not by_mask:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {self.dtype} for the "
            f"destination and "
            f"{value.dtype} for the source; convert it with .to()"
        )
    source = _without_leading_ones(_value_for(self, value))
    check_writable(x, "index_put_", source)
    write("index_put_", x, ops.index_put(x, source, tuple(later.values()), tuple(later), False))


def _write_view(x: Tensor, value: Any) -> None:
    copy_(x, _spread(value, x) if isinstance(value, Tensor) else value)


def _is_number(value: Any) -> bool:
    return value.numel() == 1 if isinstance(value, Tensor) else isinstance(value, (bool, int, float, complex))


def _masked(x: Tensor, mask: Tensor, value: Any) -> Tensor:
    return choose(mask, _value_for(x, value), x)


def _value_for(x: Tensor, value: Any, shape: tuple[int, ...] = ()) -> Tensor:
    """The value as a tensor of `x`'s dtype; a number in this shape."""
    if not isinstance(value, Tensor):
        if isinstance(value, (bool, int, float, complex)):
            return full(value, shape, x._node.dtype)
        value = from_array(to_array(value, None))
    return value if value._node.dtype is x._node.dtype else cast(value, x._node.dtype)


def _spread(source: Tensor, target: Tensor) -> Tensor:
    """A tensor to be copied that, if it lies in the target's memory, is checked for overlaps in the target's
    shape; the number of a 0-d tensor is taken out first."""
    if source._node.shape == target._node.shape:
        return source
    if source._storage is target._storage is not None:
        if source.ndim == 0:
            return views.clone(source)
        return views.expand(_fitting(_without_leading_ones(source), target._node.shape), target._node.shape)
    return _without_leading_ones(source)


def _fitting(source: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The source; RuntimeError if it doesn't broadcast to `shape`."""
    if broadcast("copy_", source._node.shape, shape) != shape:
        raise RuntimeError(
            f"copy_: The expanded size of the tensor {list(shape)} must match the existing size "
            f"{list(source.shape)} of the source"
        )
    return source


def _without_leading_ones(t: Tensor) -> Tensor:
    """Without leading extents of 1, which assignment doesn't mind."""
    shape = t._node.shape
    first = next((d for d, e in enumerate(shape) if e != 1), len(shape))
    return reshape(t, shape[first:]) if first else t


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Overwrites this tensor with `src` (a tensor or a number), broadcast and converted; returns it."""
    if not isinstance(src, (Tensor, bool, int, float, complex, np.generic)):
        raise TypeError(f"copy_(): argument 'other' must be Tensor, not {type(src).__name__}")
    if not isinstance(src, Tensor) or not same_place(self, src):
        check_writable(self, "copy_", src)
    else:
        check_history(self, "copy_")
        if not (modes.grad and (self.requires_grad or src.requires_grad)):
            return touch(self)
    shape = self._node.shape
    source = _value_for(self, src, shape)
    if source._node.shape != shape:
        source = views.clone(views.expand.plain(_fitting(source, shape), (shape,)))
    elif source is src:
        source = views.clone(source)
    return assign(self, source, overwrite, lost=True)


# ----- along one dimension -----


@numpy_names
def gather(
    input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None
) -> Tensor:
    """out[i, j, k] = input[index[i, j, k], j, k] for dim 0, and so on; `out` has the shape of `index`.

    IndexError for an index out of range, RuntimeError for shapes that don't fit.

    >>> import flambeau as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0], [1]]))
    tensor([[1],
            [4]])
    """
    dim = wrap_dim("gather", dim, input.ndim)
    if index.ndim != input.ndim and index.ndim and not index.numel():  # an empty index may have any shape
        return deliver("gather", reshape(reshape(input, -1)[:0], index.shape), out)
    return deliver("gather", ops.gather(input, index, dim), out, input, index)


@numpy_names
def take_along_dim(
    input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`gather` with broadcasting between input and indices; over the flattened input without `dim`.

    >>> import flambeau as torch
    >>> x = torch.tensor([[3, 1], [2, 4]]); torch.take_along_dim(x, x.argsort(1), 1)
    tensor([[1, 3],
            [2, 4]])
    """
    if dim is None:
        return deliver("take_along_dim", ops.gather(reshape(input, -1), reshape(indices, -1), 0), out)
    dim = wrap_dim("take_along_dim", dim, input.ndim)
    indices = indices % input._node.shape[dim] if input.ndim and input._node.shape[dim] else indices
    a, b = list(input._node.shape), list(indices._node.shape)
    common = list(broadcast("take_along_dim", tuple(a[:dim] + a[dim + 1 :]), tuple(b[:dim] + b[dim + 1 :])))
    x = views.expand(input, (*common[:dim], a[dim], *common[dim:]))
    index = views.expand(indices, (*common[:dim], b[dim], *common[dim:]))
    return deliver("take_along_dim", ops.gather(x, index, dim), out)


def _source(x: Tensor, index: Tensor, src: Any) -> Tensor:
    return src if isinstance(src, Tensor) else full(src, index._node.shape, x._node.dtype)


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """`input` with out[index[i, j, k], j, k] = src[i, j, k] for dim 0, and so on; `src` may be a number.

    With `reduce` "add" or "multiply" the values are combined with those there.

    >>> import flambeau as torch
    >>> torch.scatter(torch.zeros(3), 0, torch.tensor([1]), 5.)
    tensor([0., 5., 0.])
    """
    if src is None and value is None:
        raise TypeError("scatter(): missing the argument 'src' (a tensor) or 'value' (a number)")
    source = _source(input, index, src if src is not None else value)
    dim = wrap_dim("scatter", dim, input.ndim)
    if reduce is None:
        return deliver("scatter", ops.scatter(input, index, source, dim), out)
    if reduce == "add":
        return deliver("scatter", ops.scatter_add(input, index, source, dim), out)
    if reduce == "multiply":
        return deliver("scatter", scatter_prod(input, index, source, dim), out)
    raise RuntimeError(f"scatter(): reduce argument must be either add or multiply, got {reduce!r}")


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`input` with src[i, j, k] added at [index[i, j, k], j, k] for dim 0, and so on; repeats add up, in
    order.

    >>> import flambeau as torch
    >>> torch.scatter_add(torch.zeros(2), 0, torch.tensor([1, 1]), torch.ones(2))
    tensor([0., 2.])
    """
    return deliver(
        "scatter_add", ops.scatter_add(input, index, src, wrap_dim("scatter_add", dim, input.ndim)), out
    )


def _vector(what: str, index: Tensor) -> Tensor:
    check_tensor(what, "index", index)
    if index.ndim > 1:
        raise IndexError(
            f"{what}(): Index is supposed to be a vector, but got a tensor of shape {tuple(index.shape)}"
        )
    return reshape(index, 1) if index.ndim == 0 else index


@numpy_names
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of `input` along `dim` that the vector `index` names.

    >>> import flambeau as torch
    >>> torch.index_select(torch.eye(3), 0, torch.tensor([2, 0]))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    i, x = _vector("index_select", index), reshape(input, 1) if input.ndim == 0 else input
    dim = wrap_dim("index_select", dim, x.ndim)
    ops.check_known("index_select", [(i, x._node.shape[dim], dim)])
    picked = ops.index(x, (i,), (dim,))
    return deliver("index_select", reshape(picked, ()) if input.ndim == 0 else picked, out, input, index)


def _check_slices(what: str, shape: tuple[int, ...], dim: int, count: int, source: tuple[int, ...]) -> None:
    """RuntimeError (IndexError from index_copy) unless `source` has `count` slices of the shape that those of
    the target have."""
    have, want = (source or (1,)), (shape or (1,))
    error = IndexError if what == "index_copy" else RuntimeError
    if len(have) != len(want) or have[dim] != count:
        raise error(
            f"{what}(): Number of indices ({count}) should be equal to source.size(dim): source has shape "
            f"{source}, dim is {dim}"
        )
    if have[:dim] + have[dim + 1 :] != want[:dim] + want[dim + 1 :]:
        raise RuntimeError(
            f"{what}(): source tensor shape {source} must match self tensor shape {shape}, excluding the "
            f"dimension {dim}"
        )


def _index_write(what: str, x: Tensor, dim: int, index: Tensor, source: Tensor, accumulate: bool) -> Tensor:
    dim = wrap_dim(what, dim, x.ndim)
    i = _vector(what, index)
    if source._node.dtype is not x._node.dtype:
        raise RuntimeError(
            f"{what}(): self and source expected to have the same dtype, but got {x.dtype} and {source.dtype}"
        )
    _check_slices(what, x._node.shape, dim, i.numel(), source._node.shape)
    ops.check_known(what, [(i, x._node.shape[dim] if x.ndim else 1, dim)])
    if x.ndim == 0:
        return reshape(ops.index_put(reshape(x, 1), reshape(source, -1), (i,), (0,), accumulate), ())
    return ops.index_put(x, source, (i,), (dim,), accumulate)


def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1, out: Tensor | None = None
) -> Tensor:
    """`input` with alpha * the slices of `source` added at the places along `dim` that `index` names; repeats
    add up.

    >>> import flambeau as torch
    >>> torch.index_add(torch.zeros(2), 0, torch.tensor([0, 0]), torch.ones(2))
    tensor([2., 0.])
    """
    s = source if alpha == 1 else source * alpha
    return deliver("index_add", _index_write("index_add", input, dim, index, s, True), out)


def index_copy(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None
) -> Tensor:
    """`input` with the slices of `source` written at the places along `dim` that `index` names.

    >>> import flambeau as torch
    >>> torch.index_copy(torch.zeros(2), 0, torch.tensor([1]), torch.ones(1))
    tensor([0., 1.])
    """
    if modes.autocast is not None and out is None:
        return promoted(index_copy, input, dim, index, source)
    return deliver("index_copy", _index_write("index_copy", input, dim, index, source, False), out)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """`input` with `value` at the places along `dim` that `index` names.

    >>> import flambeau as torch
    >>> torch.index_fill(torch.zeros(2), 0, torch.tensor([1]), 7)
    tensor([0., 7.])
    """
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} "
            f"dimension(s)."
        )
    x = reshape(input, 1) if input.ndim == 0 else input
    dim, i = wrap_dim("index_fill", dim, x.ndim), _vector("index_fill", index)
    extent = x._node.shape[dim]
    named = ops.index_put(full(False, (extent,), dt.bool_), full(True, (), dt.bool_), (i,), (0,), False)
    filled = choose(reshape(named, extent, *(1,) * (x.ndim - dim - 1)), _value_for(x, value), x)
    return reshape(filled, input.shape)


def index_put(input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False) -> Tensor:
    """`input` with `values` at the positions that the tensors in `indices` name (added with `accumulate`).

    >>> import flambeau as torch
    >>> torch.index_put(torch.zeros(3), (torch.tensor([0, 0]),), torch.tensor(1.), accumulate=True)
    tensor([2., 0., 0.])
    """
    x, later = _basic(input, _items(input.ndim, tuple(slice(None) if i is None else i for i in indices)))
    if values._node.dtype is not input._node.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {input.dtype} for the "
            f"destination and {values.dtype} for the source."
        )
    return ops.index_put(x, values, tuple(later.values()), tuple(later), accumulate)


def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elements by their number in the flattened input.

    >>> import flambeau as torch
    >>> torch.take(torch.eye(2), torch.tensor([0, 3]))
    tensor([1., 1.])
    """
    return deliver("take", ops.index(reshape(input, -1), (index,), (0,)), out, input, index)


# ----- triangles -----


def _matrix(what: str, input: Tensor) -> Tensor:
    if input.ndim < 2:
        raise RuntimeError(
            f"{what}: input tensor must have at least 2 dimensions, got shape {tuple(input.shape)}"
        )
    return input


def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The lower triangle of matrices, zeros above.

    >>> import flambeau as torch
    >>> torch.tril(torch.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return deliver("tril", ops.tril(_matrix("tril", input), diagonal), out)


def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The upper triangle of matrices, zeros below.

    >>> import flambeau as torch
    >>> torch.triu(torch.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return deliver("triu", ops.triu(_matrix("triu", input), diagonal), out)
