"""The pure graph: a node is an operation, its inputs and its attributes. It never changes; it may hold its
value."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .device import cpu, device
from .dtype import INTEGER, dtype

if TYPE_CHECKING:
    from collections.abc import Sequence


@lru_cache(maxsize=10_000)
def spec(shape: tuple[Any, ...], dtype: dtype) -> tuple[tuple[Any, ...], dtype]:
    """Shape and dtype; one tuple for all values of these, as there are many."""
    return shape, dtype


class Version:
    """How often the storage that a value lives in has been written to. Shared by a storage and the nodes of
    its value."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Node:
    """One operation's result.

    `value` is None while the operation is pending; once there is a value the inputs are let go, so that a
    long computation holds no more memory than its live results. `version` is set once a storage holds this
    node: autograd compares it to see whether a saved value has been overwritten since.
    """

    __slots__ = ("attrs", "device", "dtype", "inputs", "op", "shape", "site", "value", "version")
    site: str  # the user's line; set only for operations that can fail on values

    def __init__(
        self,
        op: Any,
        inputs: tuple[Any, ...],
        attrs: tuple[Any, ...],
        shape: tuple[Any, ...],
        dtype: dtype,
        device: device = cpu,
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.shape = shape
        self.dtype = dtype
        self.device = device
        self.value: Any = None
        self.version: Version | None = None

    def spec(self) -> tuple[tuple[Any, ...], dtype]:
        """Shape and dtype."""
        return spec(self.shape, self.dtype)

    def __repr__(self) -> str:
        names = getattr(self.op, "attrs", ())
        attrs = "".join(f", {k}={v!r}" for k, v in zip(names, self.attrs, strict=False))
        state = "" if self.value is None else " = value"
        return f"{self.op}({len(self.inputs)} inputs{attrs}) -> {self.dtype.name}{list(self.shape)}{state}"


class _Leaf:
    """The operation of a node that was born with its value."""

    name = "leaf"

    def __repr__(self) -> str:
        return self.name


LEAF = _Leaf()


class _Alias:
    """The operation that passes its input on: the same value under another node, with a version of its
    own."""

    name, kind, attrs = "alias", "view", ()
    effect = writes = widens = checks = False

    @staticmethod
    def numpy(x: np.ndarray) -> np.ndarray:
        """The input."""
        return x

    def __repr__(self) -> str:
        return self.name


ALIAS = _Alias()


def leaf(value: np.ndarray, dtype: dtype) -> Node:
    """A node that holds an array given from outside."""
    node = Node(LEAF, (), (), value.shape, dtype)
    node.value = value
    return node


def scalar(value: Any, dtype: dtype) -> Node:
    """A 0-d leaf for a Python number. Numbers are program inputs: a new number is never a new program.

    What doesn't fit wraps around (whole numbers up to 64 bits, beyond them it is an OverflowError) or becomes
    infinite (floats).
    """
    node = Node(LEAF, (), (), (), dtype)
    kind = type(value)
    if (kind is float or kind is int) and -128 <= value <= 127 and (value >= 0 or dtype.is_signed):
        node.value = np.asarray(value, dtype.np)
    elif kind is int and dtype.category == INTEGER:
        if not -(2**63) <= value < 2**64:
            raise OverflowError(f"{value} has more than 64 bits")
        node.value = np.asarray(np.uint64(value % 2**64).astype(dtype.np))
    else:
        symbol = getattr(value, "as_leaf", None)
        if symbol is not None:  # a number of a recorded call, which knows where it comes from
            return symbol(dtype)
        with np.errstate(over="ignore"):
            node.value = np.asarray(value, dtype.np)
    return node


class PoisonedOp:
    """Stands in for an operation that failed, so that reading what depends on it raises the same error
    again."""

    name = "failed"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def again(self) -> Exception:
        """The error, without the way that it took before."""
        return self.error.with_traceback(None)


def several(node: Node) -> bool:
    """Whether a node stands for several results at once (its shape and dtype are tuples of theirs)."""
    d: Any = node.dtype
    return type(d) is tuple


def numel(shape: Sequence[int]) -> int:
    """Number of elements of a shape."""
    n = 1
    for extent in shape:
        n *= extent
    return n
