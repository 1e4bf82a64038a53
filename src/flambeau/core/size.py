"""`Size`, the shape of a tensor: a tuple of ints that stays a `Size` under slicing, `+` and `*`."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any, SupportsIndex, final, overload

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1


@final
class Size(tuple[int, ...]):
    """The shape of a tensor, as `Tensor.shape` and `Tensor.size()` return it.

    It compares and hashes like the tuple it is, and goes wherever a tuple of ints goes. `Size(iterable)`
    takes ints and what converts to them (NumPy integers, one-element integer tensors); TypeError for anything
    else, ValueError for an extent beyond 64 bits.

    >>> import flambeau as torch
    >>> shape = torch.Size([2, 3, 4])
    >>> shape[1:] + (5,)
    torch.Size([3, 4, 5])
    >>> shape == (2, 3, 4), shape.numel()
    (True, 24)
    """

    __slots__ = ()

    # A caller that holds a tuple of ints skips the check, some 0.5 µs, with tuple.__new__(Size, shape).
    def __new__(cls, iterable: Iterable[SupportsIndex] = (), /) -> Size:
        return tuple.__new__(cls, [_extent(i, item) for i, item in enumerate(iterable)])

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Size, (tuple(self),)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, index: slice, /) -> Size: ...
    def __getitem__(self, index: SupportsIndex | slice, /) -> int | Size:
        found = tuple.__getitem__(self, index)
        return tuple.__new__(Size, found) if isinstance(found, tuple) else found

    def __add__(self, other: object, /) -> Size:
        return Size(tuple.__add__(self, other)) if isinstance(other, tuple) else NotImplemented

    def __radd__(self, other: object, /) -> Size:
        return Size(tuple.__add__(other, self)) if isinstance(other, tuple) else NotImplemented

    def __mul__(self, count: SupportsIndex, /) -> Size:
        try:
            repeats = operator.index(count)
        except TypeError:
            return NotImplemented
        return tuple.__new__(Size, tuple.__mul__(self, repeats))

    __rmul__ = __mul__

    def numel(self) -> int:
        """The number of elements of a tensor of this shape: the product of the extents, 1 for a scalar.

        >>> import flambeau as torch
        >>> torch.Size([2, 3]).numel(), torch.Size([]).numel(), torch.Size([4, 0]).numel()
        (6, 1, 0)
        """
        return math.prod(self)


def _extent(position: int, item: SupportsIndex) -> int:
    try:
        extent = operator.index(item)
    except TypeError:
        raise TypeError(
            f"torch.Size: takes an iterable of int, item {position} is {item!r} ({type(item).__name__}); "
            "convert it with int(...) first"
        ) from None
    if not _INT64_MIN <= extent <= _INT64_MAX:
        raise ValueError(f"torch.Size: item {position} is {extent}, beyond 64 bits; use a smaller extent")
    return extent
