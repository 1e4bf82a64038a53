"""`vmap`: a function of one element as a function of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core.ghost import Ghost, Level, value_handle
from ..core.modes import modes
from ..core.pytree import TreeSpec, broadcast_prefix, tree_flatten, tree_unflatten
from ..core.tensor import Tensor, make
from ..ops import view
from ..ops.batching import real_of
from ..ops.op import wrap_dim

Dims = Any


def vmap(
    func: Callable[..., Any],
    in_dims: Dims = 0,
    out_dims: Dims = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that does for all elements of a batch what `func` does for one.

    Args:
        func: takes and returns tensors (or trees of them) of one element; in it they look like that.
        in_dims: which dimension of each input counts the elements; None: the input is the same for all. A
            number for all inputs, or a tree that has the inputs' structure as far as it goes.
        out_dims: where that dimension goes in each output. None for outputs that are the same for all.
        randomness: what random numbers are: an `error`, `different` for each element, or the `same`.
        chunk_size: do so many elements at a time, which takes less memory (None: all at once).

    ValueError for dimensions that don't fit the inputs or outputs, and sizes that differ; RuntimeError for
    what can't be done for all elements at once, such as `.item()`.

    >>> import flambeau as torch
    >>> x = torch.arange(6.).reshape(2, 3)
    >>> torch.vmap(torch.dot)(x, x)
    tensor([ 5., 50.])
    >>> torch.vmap(lambda row: row.softmax(0).argmax(), in_dims=1)(x)
    tensor([1, 1, 1])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"vmap: Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def batched(*args: Any, **kwargs: Any) -> Any:
        leaves, spec, dims, size = _inputs(func, in_dims, args)
        if chunk_size is None or size <= chunk_size:
            return _run(func, leaves, spec, dims, out_dims, size, randomness, kwargs)
        return _in_chunks(func, leaves, spec, dims, out_dims, size, chunk_size, randomness, kwargs)

    return batched


def name_of(func: Any) -> str:
    """What a function is called in messages."""
    return getattr(func, "__name__", None) or repr(func)


def _is_dim(x: Any) -> bool:
    return x is None or isinstance(x, int)


def _inputs(func: Any, in_dims: Dims, args: tuple[Any, ...]) -> tuple[list[Any], TreeSpec, list[Any], int]:
    """The leaves of the arguments, their structure, the dimension of each (None: not batched), the size."""
    what = f"vmap({name_of(func)}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{what}: expected `in_dims` to be int or a (potentially nested) tuple matching the structure of "
            f"inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name_of(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, spec = tree_flatten(args)
    dims = broadcast_prefix(in_dims, spec, _is_dim)
    if dims is None:
        raise ValueError(
            f"{what}: in_dims is not compatible with the structure of `inputs`. in_dims has structure "
            f"{tree_flatten(in_dims)[1]} but inputs has structure {spec}."
        )
    for i, (x, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{what}: Got in_dim={dim} for an input but the input is of type {type(x)}. We cannot vmap "
                "over non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(
                f"{what}: Got in_dim={dim} for some input, but that input is a Tensor of dimensionality "
                f"{x.ndim} so expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
            )
        dims[i] = dim % x.ndim
    sizes = [x.shape[dim] for x, dim in zip(leaves, dims, strict=True) if dim is not None]
    if not sizes:
        raise ValueError(f"{what}: at least one input needs a dimension in in_dims, all are None")
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return leaves, spec, dims, sizes[0]


def front(x: Tensor, dim: int) -> Tensor:
    """The value of `x` with dimension `dim` first."""
    x = value_handle(x)
    rest = [d for d in range(len(x._node.shape)) if d != dim]
    return x if dim == 0 else view.permute.plain(x, ((dim, *rest),))


def one_of(x: Tensor, dim: int, level: Level) -> Tensor:
    """One element of `x` for all of them."""
    real = front(x, dim)
    return make(Ghost(tuple(real._node.shape[1:]), real._node.dtype, level, real, True))


class running:
    """A level of vmap while its function runs."""

    def __init__(self, size: int, randomness: str) -> None:
        self.level = Level(len(modes.levels) + 1, size, randomness)

    def __enter__(self) -> Level:
        modes.levels = (*modes.levels, self.level)
        modes.transforms += 1
        return self.level

    def __exit__(self, *exc: object) -> None:
        modes.levels = modes.levels[:-1]
        modes.transforms -= 1
        self.level.alive = False


def _run(
    func: Any, leaves: list[Any], spec: TreeSpec, dims: list[Any], out_dims: Dims, size: int,
    randomness: str, kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    with running(size, randomness) as level:
        inside = [x if dim is None else one_of(x, dim, level) for x, dim in zip(leaves, dims, strict=True)]
        result = func(*tree_unflatten(inside, spec), **kwargs)
        found = _outputs(func, result, out_dims, level)
        for x, dim, one in zip(leaves, dims, inside, strict=True):
            if dim is not None and one._storage is not None and one._storage.generation:
                _write_back(x, dim, one, level)
    return found


def _write_back(x: Tensor, dim: int, one: Tensor, level: Level) -> None:
    """What was written to an element of an input is written to the input."""
    x.copy_(_moved(real_of(one, level), dim))


def _moved(t: Tensor, dim: int) -> Tensor:
    """A batch with its elements counted by dimension `dim`."""
    rank = len(t._node.shape)
    dim = wrap_dim("vmap", dim, rank)
    return t if dim == 0 else view.permute.plain(t, ((*range(1, dim + 1), 0, *range(dim + 1, rank)),))


def _outputs(func: Any, result: Any, out_dims: Dims, level: Level) -> Any:
    leaves, spec = tree_flatten(result)
    dims = broadcast_prefix(out_dims, spec, _is_dim)
    if dims is None and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = broadcast_prefix(out_dims[0], spec, _is_dim)
    if dims is None:
        raise ValueError(
            f"vmap({name_of(func)}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the "
            f"structure of `outputs`. out_dims has structure {tree_flatten(out_dims)[1]} but outputs has "
            f"structure {spec}."
        )
    return tree_unflatten([_output(func, x, d, level) for x, d in zip(leaves, dims, strict=True)], spec)


def _output(func: Any, t: Any, dim: int | None, level: Level) -> Any:
    if not isinstance(t, Tensor):
        if dim is None:
            return t
        raise ValueError(
            f"vmap({name_of(func)}, ...): `{name_of(func)}` must only return Tensors, got type {type(t)}. "
            "Did you mean to set out_dims= to None for output?"
        )
    node = t._current()
    own = type(node) is Ghost and node.level is level
    if dim is None:
        if own and node.batched:  # type: ignore[attr-defined]
            raise ValueError(
                f"vmap({name_of(func)}, ...): `{name_of(func)}` can not return a BatchedTensor when out_dim "
                "is None"
            )
        return node.real if own else t  # type: ignore[attr-defined]
    return _moved(real_of(value_handle(t), level), dim)


def _in_chunks(
    func: Any, leaves: list[Any], spec: TreeSpec, dims: list[Any], out_dims: Dims, size: int, chunk: int,
    randomness: str, kwargs: dict[str, Any],
) -> Any:  # fmt: skip
    """So many elements at a time, and the results put together along the outputs' dimensions."""
    rows, out_spec = [], None
    for first in range(0, size, chunk):
        count = min(chunk, size - first)
        part = [x if d is None else x.narrow(d, first, count) for x, d in zip(leaves, dims, strict=True)]
        found = _run(func, part, spec, dims, out_dims, count, randomness, kwargs)
        row, out_spec = tree_flatten(found)
        rows.append(row)
    assert out_spec is not None
    where = broadcast_prefix(out_dims, out_spec, _is_dim)
    if where is None:
        where = broadcast_prefix(out_dims[0], out_spec, _is_dim)
    assert where is not None
    joined = [
        column[0] if d is None else view.concatenate(*column, wrap_dim("vmap", d, column[0].ndim))
        for column, d in zip(zip(*rows, strict=True), where, strict=True)
    ]
    return tree_unflatten(joined, out_spec)


def chunk_vmap(
    func: Callable[..., Any],
    in_dims: Dims = 0,
    out_dims: Dims = 0,
    randomness: str = "error",
    chunks: int = 2,
) -> Callable[..., Any]:
    """`vmap` in so many parts, one after the other.

    >>> import flambeau as torch
    >>> from flambeau.func import chunk_vmap
    >>> chunk_vmap(torch.sin, chunks=2)(torch.zeros(4))
    tensor([0., 0., 0., 0.])
    """
    if chunks < 1:
        raise ValueError(f"chunk_vmap: chunks must be at least 1, got {chunks}")

    @functools.wraps(func)
    def batched(*args: Any, **kwargs: Any) -> Any:
        size = _inputs(func, in_dims, args)[3]
        chunk = max(1, -(-size // chunks))
        return vmap(func, in_dims, out_dims, randomness, chunk_size=chunk)(*args, **kwargs)

    return batched
