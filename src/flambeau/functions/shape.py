"""Shapes: views, and the joining and splitting of tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core import dtype as dt
from ..core import exchange
from ..core.node import numel
from ..core.realize import remembered
from ..core.tensor import OF_MANY, Tensor, all_memory
from ..ops import view as ops
from ..ops.kinds import broadcast
from ..ops.op import check_tensor, wrap_dim
from .calling import deliver, numpy_names, shape_of
from .casting import in_float32

exchange.foreign_strides = ops.as_strided


@remembered
def _infer(what: str, old: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape with -1 replaced by what is left; RuntimeError if the number of elements doesn't fit."""
    have = numel(old)
    if -1 not in shape:
        if numel(shape) != have or any(s < 0 for s in shape):
            raise RuntimeError(
                f"{what}: shape '{list(shape)}' is invalid for input of size {have} (shape {old})"
            )
        return shape
    rest = numel([s for s in shape if s != -1])
    if shape.count(-1) > 1:
        raise RuntimeError(f"{what}: only one dimension can be inferred, got {list(shape)}")
    if rest == 0:
        raise RuntimeError(
            f"{what}: cannot reshape tensor of {have} elements into shape {list(shape)} because the "
            f"unspecified dimension size -1 can be any "
            "value and is ambiguous"
        )
    if have % rest or any(s < -1 for s in shape):
        raise RuntimeError(f"{what}: shape '{list(shape)}' is invalid for input of size {have} (shape {old})")
    return tuple(have // rest if s == -1 else s for s in shape)


def reshape(input: Tensor, *extents: Any, shape: Any = None) -> Tensor:
    """The same elements in another shape (-1: what is left): a view where possible, else a copy.

    >>> import flambeau as torch
    >>> torch.arange(4).reshape(2, -1)
    tensor([[0, 1],
            [2, 3]])
    """
    new = _infer("reshape", input._node.shape, shape_of("reshape", extents, shape))
    t = ops.reshape.try_view(input, (new,))
    return ops.reshape.plain(ops.clone(input), (new,)) if t is None else t


def view(self: Tensor, *shape: Any, size: Any = None, dtype: dt.dtype | None = None) -> Tensor:
    """A view in another shape (-1: what is left) or, given a dtype, on the same bits.

    RuntimeError where the elements don't lie so that there can be one (use `reshape`).
    """
    if len(shape) == 1 and isinstance(shape[0], dt.dtype):
        dtype = shape[0]
    if dtype is not None:
        return _view_as_dtype(self, dtype)
    new = _infer("view", self._node.shape, shape_of("view", shape, size))
    t = ops.reshape.try_view(self, (new,))
    if t is None:
        raise RuntimeError(
            f"view: size {list(new)} is not compatible with input tensor's size {tuple(self.shape)} and "
            f"stride {self.stride()} (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
        )
    return t


def _view_as_dtype(x: Tensor, d: dt.dtype) -> Tensor:
    """The same bits as elements of another dtype: of the last dimension where those are larger or smaller."""
    if d is x.dtype:
        return x
    old, new = x.dtype.itemsize, d.itemsize
    unit = min(old, new)
    many, one = old // unit, new // unit  # many new elements for one old one, or one for many
    if many != one:
        if x.ndim == 0:
            raise RuntimeError(
                f"view: self.dim() cannot be 0 to view {x.dtype} as {d} (different element sizes)"
            )
        *outer, last = x._layout()[0]
        fits = (
            x._node.shape[-1] % one == 0
            and x.storage_offset() % one == 0
            and all(step % one == 0 for step in outer)
        )
        if last != 1 or not fits:
            raise RuntimeError(
                f"view: self.stride(-1) must be 1, and extents, strides and offset multiples of {one}, to "
                f"view {x.dtype} as {d} "
                f"(different element sizes); got shape {tuple(x.shape)}, stride {x.stride()}, offset "
                f"{x.storage_offset()}; use contiguous()"
            )
    return ops.view_dtype(x, d, (many, one))


def view_as(self: Tensor, other: Tensor) -> Tensor:
    """A view in `other`'s shape."""
    return view(self, other.shape)


def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """`reshape` to `other`'s shape."""
    return reshape(self, other.shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` as one.

    >>> import flambeau as torch
    >>> torch.zeros(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])
    """
    rank = input.ndim
    first, last = wrap_dim("flatten", start_dim, rank), wrap_dim("flatten", end_dim, rank)
    if first > last:
        raise RuntimeError(
            f"flatten: flatten() has invalid args: start_dim {start_dim} comes after end_dim {end_dim}"
        )
    shape = input._node.shape
    if rank == 0:
        return reshape(input, 1)
    if first == last:
        return input
    return reshape(input, *shape[:first], numel(shape[first : last + 1]), *shape[last + 1 :])


def ravel(input: Tensor) -> Tensor:
    """One dimension.

    >>> import flambeau as torch
    >>> torch.ones(2, 2).ravel().shape
    torch.Size([4])
    """
    return reshape(input.contiguous(), -1) if input.numel() else reshape(input, 0)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dimension split into several (-1: what is left).

    >>> import flambeau as torch
    >>> torch.zeros(2, 6).unflatten(1, (2, 3)).shape
    torch.Size([2, 2, 3])
    """
    dim = wrap_dim("unflatten", dim, input.ndim)
    shape = input._node.shape
    known = numel([s for s in sizes if s != -1])
    parts = tuple(shape[dim] // max(known, 1) if s == -1 else s for s in sizes)
    if numel(parts) != shape[dim]:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({shape[dim]}) in the input tensor"
        )
    return view(input, *shape[:dim], *parts, *shape[dim + 1 :])


@numpy_names
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """Without the dimensions of extent 1 (all, or those named).

    >>> import flambeau as torch
    >>> torch.zeros(1, 3, 1).squeeze().shape, torch.zeros(1, 3, 1).squeeze(0).shape
    (torch.Size([3]), torch.Size([3, 1]))
    """
    rank, shape = input.ndim, input._node.shape
    if dim is None:
        dims: set[int] = set(range(rank))
    else:
        dims = {wrap_dim("squeeze", d, rank) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))}
    return ops.squeeze(input, tuple(d for d in sorted(dims) if d < rank and shape[d] == 1))


@numpy_names
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a dimension of extent 1 inserted at `dim`.

    >>> import flambeau as torch
    >>> torch.zeros(3).unsqueeze(-1).shape
    torch.Size([3, 1])
    """
    dim = wrap_dim("unsqueeze", dim, input.ndim + 1)
    return ops.unsqueeze(input, dim)


def permute(input: Tensor, *places: Any, dims: Any = None) -> Tensor:
    """The dimensions in the given order.

    >>> import flambeau as torch
    >>> torch.zeros(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    order = shape_of("permute", places, dims)
    if len(order) != input.ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of "
            f"the desired ordering of dimensions "
            f"i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(order)}"
        )
    wrapped = tuple(wrap_dim("permute", d, input.ndim) for d in order)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"permute(): duplicate dims are not allowed, got {list(order)}")
    return ops.permute(input, wrapped)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions swapped.

    >>> import flambeau as torch
    >>> torch.zeros(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """
    return ops.transpose(input, _swapped(len(input._node.shape), dim0, dim1))


@remembered
def _swapped(rank: int, dim0: int, dim1: int) -> tuple[int, ...]:
    """The dimensions in order, but for two that change places."""
    a, b = wrap_dim("transpose", dim0, rank), wrap_dim("transpose", dim1, rank)
    order = list(range(rank))
    if order:
        order[a], order[b] = b, a
    return tuple(order)


swapaxes = swapdims = transpose


def t(input: Tensor) -> Tensor:
    """The transposed matrix (a vector stays).

    >>> import flambeau as torch
    >>> torch.zeros(2, 3).t().shape
    torch.Size([3, 2])
    """
    rank = len(input._node.shape)
    if rank > 2:
        raise RuntimeError(
            f"t() expects a tensor with <= 2 dimensions, but self is {rank}D; use transpose or .mT"
        )
    return ops.transpose(input, (1, 0)) if rank == 2 else view(input, *input._node.shape)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dimensions moved to other places, the others in their order.

    >>> import flambeau as torch
    >>> torch.zeros(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    rank = input.ndim
    src = [wrap_dim("movedim", d, rank) for d in (source if isinstance(source, (tuple, list)) else (source,))]
    dst = [
        wrap_dim("movedim", d, rank)
        for d in (destination if isinstance(destination, (tuple, list)) else (destination,))
    ]
    if len(src) != len(dst) or len(set(src)) != len(src) or len(set(dst)) != len(dst):
        raise RuntimeError(
            f"movedim: source {source} and destination {destination} must be equally many different "
            f"dimensions"
        )
    rest = iter(d for d in range(rank) if d not in src)
    order = [src[dst.index(d)] if d in dst else next(rest) for d in range(rank)]
    return ops.permute(input, tuple(order))


moveaxis = movedim


def expand(self: Tensor, *sizes: Any, size: Any = None, implicit: bool = False) -> Tensor:
    """A view repeated along dimensions of extent 1 and new leading ones (-1: as it is).

    RuntimeError for a dimension of another extent than 1.
    """
    shape, have = shape_of("expand", sizes, size), self._node.shape
    new = len(shape) - len(have)
    if new < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(shape)}) must be greater or equal to the number of "
            f"dimensions in the tensor "
            f"({len(have)}): {list(shape)}"
        )
    full = []
    for i, s in enumerate(shape):
        e = have[i - new] if i >= new else None
        if s == -1 and e is None:
            raise RuntimeError(
                f"expand: expanded size {list(shape)} isn't allowed in a leading, non-existing dimension {i}"
            )
        if s not in (-1, e) and e not in (1, None):
            raise RuntimeError(
                f"expand: The expanded size of the tensor ({s}) must match the existing size ({e}) at "
                f"non-singleton dimension {i}. Target "
                f"sizes: {list(shape)}. Tensor sizes: {list(have)}"
            )
        full.append(e if s == -1 else s)
    return ops.expand(self, tuple(full))


def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """`expand` to `other`'s shape."""
    return expand(self, other.shape)


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """`expand` as a function.

    >>> import flambeau as torch
    >>> torch.broadcast_to(torch.zeros(3), (2, 3)).shape
    torch.Size([2, 3])
    """
    return expand(input, *size)


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """All expanded to their common shape.

    >>> import flambeau as torch
    >>> a, b = torch.broadcast_tensors(torch.zeros(2, 1), torch.zeros(3)); a.shape, b.shape
    (torch.Size([2, 3]), torch.Size([2, 3]))
    """
    shapes = [check_tensor("broadcast_tensors", "tensors", x)._node.shape for x in tensors]
    shape = broadcast("broadcast_tensors", *shapes) if shapes else ()
    return tuple(expand(x, *shape) for x in tensors)


def broadcast_shapes(*shapes: Any) -> Any:
    """The shape to which these shapes broadcast.

    >>> import flambeau as torch
    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    from ..core.size import Size

    extents = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    return Size(broadcast("broadcast_shapes", *extents) if extents else ())


@numpy_names
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements along `dim` from `start` on, as a view. RuntimeError if there aren't so many.

    >>> import flambeau as torch
    >>> torch.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim, shape = wrap_dim("narrow", dim, input.ndim), input._node.shape
    if isinstance(start, Tensor) and (start.ndim or start.dtype.category != dt.INTEGER):
        raise RuntimeError("narrow: start must be an 0-dim integral Tensor.")
    extent = shape[dim]
    begin = int(start)
    if not -extent <= begin <= extent:
        raise IndexError(
            f"narrow: start out of range (expected to be in range of [-{extent}, {extent}], but got {begin})"
        )
    begin = begin + extent if begin < 0 else begin
    if length < 0 or begin + length > extent:
        raise RuntimeError(f"narrow: start ({begin}) + length ({length}) exceeds dimension size ({extent}).")
    return slice_dim(input, dim, begin, length, 1)


def slice_dim(x: Tensor, dim: int, first: int, count: int, step: int) -> Tensor:
    """`count` elements along one dimension; all of the others."""
    ranges = tuple((first, count, step) if d == dim else (0, e, 1) for d, e in enumerate(x._node.shape))
    return ops.slice_(x, ranges)


@numpy_names
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The elements at one position along `dim`, which disappears, as a view.

    >>> import flambeau as torch
    >>> torch.eye(2).select(0, 1)
    tensor([0., 1.])
    """
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim("select", dim, input.ndim)
    extent, i = input._node.shape[dim], int(index)
    if not -extent <= i < extent:
        raise IndexError(
            f"select(): index {i} is out of bounds for dimension {dim} with size {extent} (tensor of shape "
            f"{tuple(input.shape)})"
        )
    return ops.select(input, dim, i % extent)


@numpy_names
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The slices along `dim`, without it.

    >>> import flambeau as torch
    >>> torch.eye(2).unbind()
    (tensor([1., 0.]), tensor([0., 1.]))
    """
    if input.ndim == 0:
        raise IndexError("unbind: Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim("unbind", dim, input.ndim)
    return _of_many("UnbindBackward0", [ops.select(input, dim, i) for i in range(input._node.shape[dim])])


def _of_many(function: str, views: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Views that one call returns: none of them may be written to with gradients."""
    for i, t in enumerate(views):
        if not t._fixed:
            t._fixed = OF_MANY.replace("{index}", str(i)).replace("{function}", function)
    return tuple(views)


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of two dimensions as a view, last in the result.

    >>> import flambeau as torch
    >>> torch.arange(4).reshape(2, 2).diagonal()
    tensor([0, 3])
    """
    a, b = wrap_dim("diagonal", dim1, input.ndim), wrap_dim("diagonal", dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return ops.diagonal(input, offset, a, b)


def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The diagonal of a matrix, or the matrix with a vector on its diagonal.

    >>> import flambeau as torch
    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 2:
        return deliver("diag", ops.clone(ops.diagonal(input, diagonal, 0, 1)), out)
    if input.ndim != 1:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return deliver("diag", diag_embed(input, diagonal), out)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension of `input` on their diagonals.

    >>> import flambeau as torch
    >>> torch.diag_embed(torch.ones(3, 2)).shape
    torch.Size([3, 2, 2])
    """
    n = input._node.shape[-1] + abs(offset)
    rank = input.ndim + 1
    a, b = wrap_dim("diag_embed", dim1, rank), wrap_dim("diag_embed", dim2, rank)
    if a == b:
        raise RuntimeError(f"diag_embed: diagonal dimensions cannot be identical {dim1}, {dim2}")
    rest = iter(input._node.shape[:-1])
    shape = tuple(n if d in (a, b) else next(rest) for d in range(rank))
    return ops.diagonal_scatter(input.new_zeros(shape), input, offset, a, b)


def unfold(self: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All windows of `size` elements along a dimension, `step` apart, as a view with the window as last
    dimension."""
    dim = wrap_dim("unfold", dimension, self.ndim)
    extent = self._node.shape[dim] if self.ndim else 1
    if size > extent or size < 0:
        raise RuntimeError(
            f"unfold: maximum size for tensor at dimension {dimension} is {extent} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"unfold: step is {step} but must be > 0")
    return ops.unfold(self, dim, size, step) if self.ndim else slice_dim(reshape(self, 1), 0, 0, size, 1)


def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A view of the storage's memory with any shape and strides (in elements).

    RuntimeError if it would reach beyond the storage.

    >>> import flambeau as torch
    >>> torch.arange(6).as_strided((2, 2), (3, 1))
    tensor([[0, 1],
            [3, 4]])
    """
    size, stride = tuple(size), tuple(stride)
    offset = input.storage_offset() if storage_offset is None else storage_offset
    if len(size) != len(stride):
        raise RuntimeError(f"as_strided: mismatch in length of strides {list(stride)} and shape {list(size)}")
    if any(s < 0 for s in stride) or offset < 0:
        raise RuntimeError(
            f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}"
        )
    memory = _flat_memory(input)
    reach = offset + sum((e - 1) * s for e, s in zip(size, stride, strict=True)) + 1 if numel(size) else 0
    if reach > memory.numel():
        raise RuntimeError(
            f"as_strided: setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset} "
            f"require {reach} elements, which are "
            f"out of bounds for storage of {memory.numel()} elements"
        )
    t = ops.as_strided(memory, size, stride, offset)
    t._base, t._fixed = input if input._base is None else input._base, input._fixed or t._fixed
    t._edge = ops.strided_part(input, size, stride, offset, *input._layout())._edge
    return t


def _flat_memory(x: Tensor) -> Tensor:
    """All of the storage as one dimension, in `x`'s dtype, without history."""
    whole = all_memory(x)
    if whole.is_complex() and not x.is_complex():
        whole = ops.view_as_real(whole)
    flat = reshape(whole, -1) if whole.numel() else reshape(whole, 0)
    return _view_as_dtype(flat, x.dtype)


def view_as_real(input: Tensor) -> Tensor:
    """Real and imaginary parts as a last dimension of 2, as a view.

    >>> import flambeau as torch
    >>> torch.view_as_real(torch.tensor([1. + 2.j]))
    tensor([[1., 2.]])
    """
    if not input.is_complex():
        raise RuntimeError(f"view_as_real is only supported for complex tensors, got {input.dtype}")
    return ops.view_as_real(input)


@in_float32
def view_as_complex(input: Tensor) -> Tensor:
    """A last dimension of 2 seen as real and imaginary parts.

    RuntimeError for another extent or dtype than float32 and float64, or where the parts of a number don't
    lie side by side, at an even place.

    >>> import flambeau as torch
    >>> torch.view_as_complex(torch.tensor([[1., 2.]]))
    tensor([1.+2.j])
    """
    if input.dtype not in (dt.float32, dt.float64):
        raise RuntimeError(
            f"view_as_complex is only supported for float and double tensors, but got a tensor of "
            f"{input.dtype}"
        )
    if not input.ndim or input.shape[-1] != 2:
        raise RuntimeError(
            f"view_as_complex: Tensor must have a last dimension of size 2, got shape {tuple(input.shape)}"
        )
    t = ops.view_as_complex.try_view(input, ())
    if t is None:
        raise RuntimeError(
            f"view_as_complex: Tensor must have a last dimension with stride 1, and strides of the others "
            f"and a storage_offset divisible by 2, got {input.stride()} and {input.storage_offset()}; use "
            "contiguous()"
        )
    return t


def real(input: Tensor) -> Tensor:
    """The real part, as a view; a real tensor itself.

    >>> import flambeau as torch
    >>> torch.real(torch.tensor([1. + 2.j]))
    tensor([1.])
    """
    return ops.real(input) if input.is_complex() else input


def imag(input: Tensor) -> Tensor:
    """The imaginary part, as a view. RuntimeError for a real tensor.

    >>> import flambeau as torch
    >>> torch.imag(torch.tensor([1. + 2.j]))
    tensor([2.])
    """
    if not input.is_complex():
        raise RuntimeError(f"imag is not implemented for tensors with non-complex dtypes, got {input.dtype}.")
    return ops.imag(input)
