"""Making one batch out of items: `default_collate`, `default_convert`, and the table of types behind them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...core.dtype import float64
from ...core.tensor import Tensor, from_array, peek
from ...functions.creation import as_tensor, tensor
from ...functions.joining import (
    stack,
)

allocate: Callable[..., np.ndarray] = np.empty  # makes the arrays of batches; a worker has its own
CollateMap = dict[type | tuple[type, ...], Callable[..., Any]]


# ----- Public functions -----
def default_collate(batch: Sequence[Any]) -> Any:
    """Merge a list of items into one batch with a new first dimension.

    Tensors and NumPy arrays are stacked; floats become a float64 tensor, ints an int64 tensor, NumPy scalars
    a tensor of their dtype; strings and bytes stay a list. Mappings, named tuples and other sequences are
    merged field by field (a tuple gives a list). Types are looked up in `default_collate_fn_map`, which may
    be extended in place.

    Raises:
        IndexError: the batch is empty.
        RuntimeError: tensors of different shapes, or sequences of different lengths.
        KeyError: an item lacks a key that the first item has.
        TypeError: an item of a type that cannot be merged.

    >>> import flambeau as torch
    >>> torch.utils.data.default_collate([(torch.zeros(2), 7), (torch.ones(2), 8)])
    [tensor([[0., 0.],
            [1., 1.]]), tensor([7, 8])]
    >>> torch.utils.data.default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
    {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def default_convert(data: Any) -> Any:
    """Turn the NumPy arrays and scalars inside one item into tensors, and leave the rest as it is.

    `DataLoader` applies it when batching is off (`batch_size=None`). A tuple gives a list, as in
    `default_collate`.

    >>> import numpy as np
    >>> import flambeau as torch
    >>> torch.utils.data.default_convert({"x": np.array([0, 1]), "name": "a"})
    {'x': tensor([0, 1]), 'name': 'a'}
    """
    if isinstance(data, np.ndarray | np.generic):
        return data if data.dtype.kind in "SUO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _like_mapping(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like_sequence(data, [default_convert(value) for value in data])
    return data


def collate(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """Merge a list of items, merging leaves with the functions of `collate_fn_map`.

    The map goes from a type (or a tuple of types) to `fn(batch, *, collate_fn_map)`. The exact type of the
    first item is looked up first, then the first entry that it is an instance of. A type that is not there is
    merged field by field if it is a mapping or a sequence.

    >>> from flambeau.utils.data.collate import collate
    >>> collate([(1, "a"), (2, "b")], collate_fn_map={int: lambda batch, *, collate_fn_map: sum(batch),
    ...                                               str: lambda batch, *, collate_fn_map: "".join(batch)})
    [3, 'ab']
    """
    if not batch:
        raise IndexError("default_collate: the batch is empty; a batch sampler must give at least one index")
    first, fns = batch[0], collate_fn_map or {}
    fn = fns.get(type(first)) or next((fn for kind, fn in fns.items() if isinstance(first, kind)), None)
    if fn is not None:
        return fn(batch, collate_fn_map=collate_fn_map)
    if isinstance(first, Mapping):
        return _like_mapping(first, {key: _collate_key(batch, key, collate_fn_map) for key in first})
    if not isinstance(first, Sequence) or isinstance(first, str | bytes):
        raise _cannot_merge(type(first))
    _check_lengths(batch)
    fields = [_collate_field(field, i, collate_fn_map) for i, field in enumerate(zip(*batch, strict=True))]
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*fields)
    return _like_sequence(first, fields)


# ----- Containers -----
def _collate_key(batch: Sequence[Any], key: Any, fns: CollateMap | None) -> Any:
    lacking = [i for i, item in enumerate(batch) if key not in item]
    if lacking:
        raise KeyError(
            f"default_collate: item 0 has the key {key!r}, {_items(lacking)} not; give all the same keys"
        )
    return _collate_field([item[key] for item in batch], key, fns)


def _collate_field(values: Sequence[Any], name: Any, fns: CollateMap | None) -> Any:
    try:
        return collate(values, collate_fn_map=fns)
    except Exception as error:
        error.add_note(f"merging field {name!r} of the items")
        raise


def _check_lengths(batch: Sequence[Any]) -> None:
    if len(set(map(len, batch))) == 1:
        return
    by_length = _group(len(item) for item in batch)
    if len(by_length) > 1:
        raise RuntimeError(
            "default_collate: each element in list of batch should be of equal size, "
            f"got length {_places(by_length)}; "
            "make the lengths equal in the dataset, or give the DataLoader a collate_fn that does"
        )


def _like_mapping(like: Mapping[Any, Any], fields: dict[Any, Any]) -> Any:
    """A mapping of the type of `like` (with its other attributes, if it can be copied), else a dict."""
    try:
        if not isinstance(like, MutableMapping):
            return type(like)(fields)  # type: ignore[call-arg]
        clone = copy.copy(like)
        clone.update(fields)
        return clone
    except TypeError:
        return fields


def _like_sequence(like: Sequence[Any], values: list[Any]) -> Any:
    """A sequence of the type of `like` (with its other attributes, if it can be copied), else a list."""
    if isinstance(like, tuple):
        return values
    try:
        if not isinstance(like, MutableSequence):
            return type(like)(values)  # type: ignore[call-arg]
        clone = copy.copy(like)
        for i, value in enumerate(values):
            clone[i] = value
        return clone
    except TypeError:
        return values


# ----- Leaves -----
def collate_tensor_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """Stack tensors of one shape; they may differ in dtype, as `stack` allows.

    >>> import flambeau as torch
    >>> from flambeau.utils.data.collate import collate_tensor_fn
    >>> collate_tensor_fn([torch.tensor(1), torch.tensor(2)])
    tensor([1, 2])
    """
    if set(map(type, batch)) == {Tensor}:
        stacked = _stacked([peek(item) for item in batch])
        if stacked is not None:
            return from_array(stacked)
    odd = next((i for i, item in enumerate(batch) if not isinstance(item, Tensor)), None)
    if odd is not None:
        raise TypeError(
            f"default_collate: item 0 is a Tensor, item {odd} a {type(batch[odd]).__name__}; "
            "give all items the same type"
        )
    by_shape = _group(tuple(item.shape) for item in batch)
    if len(by_shape) > 1:
        raise RuntimeError(
            f"default_collate: stack expects each tensor to be equal size, got shape {_places(by_shape)}; "
            "pad or crop them to one shape in the dataset, or give the DataLoader a collate_fn that does"
        )
    return stack(batch, 0)


def _stacked(parts: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Arrays of one dtype and shape as one; None unless they are."""
    first = parts[0]
    if first is None:
        return None
    shape, dtype = first.shape, first.dtype
    for part in parts:
        if part is None or part.shape != shape or part.dtype != dtype:
            return None
    whole = allocate((len(parts), *shape), dtype)
    if shape:
        np.concatenate(parts, out=whole.reshape(len(parts) * shape[0], *shape[1:]))  # type: ignore[arg-type]
    else:
        whole[...] = parts
    return whole


def collate_numpy_array_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """Stack NumPy arrays, as the tensors that they are.

    >>> import numpy as np
    >>> from flambeau.utils.data import default_collate
    >>> default_collate([np.array([1, 2]), np.array([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    first, fns = batch[0], collate_fn_map or {}
    if first.dtype.kind in "SUO":
        raise _cannot_merge(first.dtype)
    if set(map(type, batch)) == {np.ndarray} and fns.get(Tensor) is collate_tensor_fn:
        stacked = _stacked(batch)
        if stacked is not None:
            return from_array(stacked)  # one copy for all
    return collate([as_tensor(item) for item in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(
    batch: Sequence[np.generic], *, collate_fn_map: CollateMap | None = None
) -> Tensor:
    """A tensor of NumPy scalars, of their dtype.

    >>> import numpy as np
    >>> from flambeau.utils.data import default_collate
    >>> default_collate([np.int32(1), np.int32(2)])
    tensor([1, 2], dtype=torch.int32)
    """
    return as_tensor(batch)


def _numbers(batch: Sequence[Any], kind: type, dtype: Any) -> Tensor | None:
    """The tensor of numbers that are all of one Python type and fit."""
    if set(map(type, batch)) != {kind}:
        return None
    try:
        return from_array(np.array(batch, dtype))
    except OverflowError:
        return None


def collate_float_fn(batch: Sequence[float], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """A float64 tensor of Python floats.

    >>> from flambeau.utils.data import default_collate
    >>> default_collate([0.5, 1.5])
    tensor([0.5000, 1.5000], dtype=torch.float64)
    """
    numbers = _numbers(batch, float, np.float64)
    return tensor(batch, dtype=float64) if numbers is None else numbers


def collate_int_fn(batch: Sequence[int], *, collate_fn_map: CollateMap | None = None) -> Tensor:
    """An int64 tensor of Python ints, or a bool tensor of bools.

    >>> from flambeau.utils.data import default_collate
    >>> default_collate([True, False])
    tensor([ True, False])
    """
    numbers = _numbers(batch, int, np.int64)
    return tensor(batch) if numbers is None else numbers


def collate_str_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Sequence[Any]:
    """Strings and bytes stay the list that they are.

    >>> from flambeau.utils.data import default_collate
    >>> default_collate(["a", "b"])
    ['a', 'b']
    """
    return batch


# The order counts: np.float64 is a float too, and must meet the entry for NumPy scalars first.
default_collate_fn_map: CollateMap = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
_as_shipped = dict(default_collate_fn_map)


def is_as_shipped() -> bool:
    """Whether nobody has changed `default_collate_fn_map`."""
    return default_collate_fn_map == _as_shipped


# ----- Messages -----
def _cannot_merge(kind: object) -> TypeError:
    return TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {kind}; "
        "convert it in the dataset, or give the DataLoader a collate_fn"
    )


def _group(values: Any) -> dict[Any, list[int]]:
    places: dict[Any, list[int]] = {}
    for i, value in enumerate(values):
        places.setdefault(value, []).append(i)
    return places


def _items(places: list[int]) -> str:
    shown = ", ".join(map(str, places[:4])) + (", ..." if len(places) > 4 else "")
    return f"item{'s' * (len(places) > 1)} {shown}"


def _places(groups: dict[Any, list[int]]) -> str:
    shown = [f"{value} at {_items(places)}" for value, places in list(groups.items())[:4]]
    return " and ".join(shown) + (" and others" if len(groups) > 4 else "")
