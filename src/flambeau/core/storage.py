"""Mutable memory over pure values: a storage holds the node of its current value; views look at part of it.

Reading a view applies its chain of view operations to the storage's node. Writing through a view puts the new
part back, operation by operation, which gives the storage a new node. Nodes never change, so whoever recorded
the old one keeps reading the old value.
"""

from __future__ import annotations

import weakref
from functools import lru_cache
from typing import Any

import numpy as np

from .dtype import dtype
from .node import LEAF, Node, Version, leaf, numel
from .realize import recorder, value_of


@lru_cache(maxsize=4096)
def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides, in elements, of a C-contiguous tensor (extents of 0 count as 1, as in PyTorch)."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


class View:
    """One step of a view chain: `op(parent, *attrs)`, and where its elements lie in the storage's memory."""

    __slots__ = ("attrs", "offset", "op", "parent", "shape", "strides")

    def __init__(
        self,
        parent: View | None,
        op: Any,
        attrs: tuple[Any, ...],
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> None:
        self.parent, self.op, self.attrs = parent, op, attrs
        self.shape, self.strides, self.offset = shape, strides, offset

    def chain(self, base: View | None = None) -> list[View]:
        """The steps from `base` (exclusive; None: the storage itself) to this one."""
        steps: list[View] = []
        view: View | None = self
        while view is not base and view is not None:
            steps.append(view)
            view = view.parent
        steps.reverse()
        return steps

    def overlaps(self) -> bool:
        """Whether two elements may share memory (as far as a zero stride tells, which is PyTorch's rule)."""
        return any(
            stride == 0 and extent > 1 for stride, extent in zip(self.strides, self.shape, strict=True)
        )


class Storage:
    """A cell that holds the node of the current value of some memory, and counts the writes to it.

    `generation` counts every change; `version.count` only those that autograd must know about (not writes
    through `.data`). `shared` is the array whose memory somebody outside sees: such a storage is read and
    written at once, in place.
    """

    __slots__ = ("generation", "node", "shared", "version")

    def __init__(self, node: Node) -> None:
        if node.version is None:
            node.version = Version()
        self.node, self.version = node, node.version
        self.generation = 0
        self.shared: _Shared | None = None

    def is_shared(self) -> bool:
        """Whether somebody outside still sees the memory."""
        if self.shared is None:
            return False
        if self.shared.alive():
            return True
        self.shared = None
        return False

    def write(self, node: Node, tracked: bool) -> None:
        """Makes `node` (of the storage's own shape) the current value."""
        if self.is_shared():
            self.write_shared(None, node)
        else:
            node.version = self.version
            self.node = node
        self.generation += 1
        self.version.count += tracked

    def write_shared(self, view: View | None, node: Node) -> None:
        """Copies a value into the shared memory, now."""
        value = value_of(node, "shared memory")
        np.copyto(self.node.value if view is None else strided(self.node.value, view, value.dtype), value)

    def window(self, view: View, d: dtype) -> Node:
        """A node on the part of shared memory that `view` shows: what others write there shows at once."""
        node = leaf(strided(self.node.value, view, d.np), d)
        node.version = self.version
        return node

    def share(self) -> np.ndarray:
        """The array of the current value, for others to see; from now on the memory stays where it is."""
        recorder.flush("shared memory")  # what was recorded before must not see what others will write
        if not self.is_shared():
            self.node = own_memory(self.node)
            self.node.version = self.version
            self.shared = _Shared(self.node.value)
            self.generation += 1
        assert self.shared is not None
        return self.shared.window()


def own_memory(node: Node) -> Node:
    """The node, or a leaf of the same value, whose array is contiguous and can be written to.

    Other nodes on the same array can only be views of this storage (no other operation returns its input's
    memory), and these are meant to see what is written.
    """
    value = value_of(node, "shared memory")
    flags = value.flags
    if flags.owndata and flags.c_contiguous and flags.writeable:
        return node
    value = np.array(value, order="C", copy=True)
    fresh = Node(LEAF, (), (), node.shape, node.dtype)
    fresh.value = value
    return fresh


def strided(value: np.ndarray, view: View, element: np.dtype[Any]) -> np.ndarray:
    """The view's elements, of type `element`, in the memory of a contiguous array."""
    if numel(view.shape) == 0:
        return np.empty(view.shape, element)
    flat = value.reshape(-1).view(element)[view.offset :]
    steps = tuple([s * element.itemsize for s in view.strides])
    return np.lib.stride_tricks.as_strided(flat, view.shape, steps)


class _Shared:
    """Memory that others see, either theirs (kept alive by the node) or ours as long as an array that we
    handed out lives."""

    def __init__(self, array: np.ndarray, forever: bool = False) -> None:
        self.array, self.forever = array, forever
        self.ref: Any = None

    def alive(self) -> bool:
        return self.forever or (self.ref is not None and self.ref() is not None)

    def window(self) -> np.ndarray:
        """An array over the memory that all arrays derived from it keep alive, so that its end is the end of
        the sharing."""
        window = None if self.ref is None else self.ref()
        if window is None:
            if self.array.size == 0:
                return self.array
            # A memoryview in between stops NumPy from making the storage's own array the base of derived
            # views.
            window = np.frombuffer(self.array.reshape(-1).view(np.uint8).data, np.uint8)
            self.ref = weakref.ref(window)
        return window.view(self.array.dtype).reshape(self.array.shape)


def from_outside(array: np.ndarray, node: Node) -> Storage:
    """The storage of memory that belongs to somebody else."""
    storage = Storage(node)
    storage.shared = _Shared(array, forever=True)
    return storage


def urge_if_shared(storage: Storage) -> None:
    """What is recorded next reads memory that others may change: have it realized at once."""
    if storage.shared is not None and storage.is_shared():
        recorder.urge()
