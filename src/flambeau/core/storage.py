"""Mutable memory over pure values: a storage holds the node of its current value; views look at part of it.

Reading a view applies its chain of view operations to the storage's node. Writing through a view puts the new
part back, operation by operation, which gives the storage a new node. Nodes never change, so whoever recorded
the old one keeps reading the old value.

Memory that others see (NumPy, DLPack) is the exception: its storage is written in place, and what reads it is
computed at once.
"""

from __future__ import annotations

import weakref
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from .memory import owns
from .node import LEAF, Node, numel
from .realize import recorder, value_of

if TYPE_CHECKING:
    from .dtype import dtype


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

    def is_under(self, other: View | None) -> bool:
        """Whether steps lead from `other` (None: the storage itself) to this view."""
        view: View | None = self
        while view is not None and view is not other:
            view = view.parent
        return view is other

    def overlaps(self) -> bool:
        """Whether two elements share memory, as far as a zero stride tells (which is PyTorch's rule)."""
        return 0 in self.strides and _overlap(self.strides, self.shape)

    def is_dense(self) -> bool:
        """Whether the elements fill their stretch of memory, each place once."""
        step = 1
        for stride, extent in sorted(zip(self.strides, self.shape, strict=True)):
            if extent != 1:
                if stride != step:
                    return False
                step *= extent
        return True

    def is_injective(self) -> bool:
        """Whether no two elements share memory (False also where that takes more than a look at the
        strides)."""
        return _injective(self.strides, self.shape)


def _overlap(strides: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return any(stride == 0 and extent > 1 for stride, extent in zip(strides, shape, strict=True))


@lru_cache(maxsize=4096)
def _injective(strides: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    reach = 0
    for stride, extent in sorted(zip(strides, shape, strict=True)):
        if extent > 1:
            if stride <= reach:
                return False
            reach += stride * (extent - 1)
    return True


class Storage:
    """A cell that holds the node of the current value of some memory.

    `generation` counts what makes views look again. `shared` is the memory if somebody outside sees it.
    `spec` stands, in the tensors that look at all of it, for the shape and dtype: if they held the value,
    nobody could write into it in place.
    """

    __slots__ = ("generation", "node", "shared", "spec")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.spec = Node(LEAF, (), (), node.shape, node.dtype, node.device)
        self.generation = 0
        self.shared: Shared | None = None

    def is_shared(self) -> bool:
        """Whether somebody outside still sees the memory."""
        if self.shared is None:
            return False
        if self.shared.alive():
            return True
        self.shared = None
        return False

    def write(self, node: Node) -> None:
        """Makes `node` (of the storage's own shape) the current value."""
        self.node = node
        self.generation += 1

    def write_shared(self, view: View | None, node: Node) -> None:
        """Copies a value into (the view's part of) the shared memory, now."""
        value = value_of(node, "shared memory")
        target = self.node.value if view is None else strided(self.node.value, view, value.dtype)
        if not target.flags.writeable:
            raise RuntimeError(
                f"can't write to a tensor of shape {target.shape} on the memory of a read-only array; "
                "clone() the tensor, or copy() the array first"
            )
        np.copyto(target, value)

    def share(self) -> np.ndarray:
        """The array of the current value, for others to see; from now on the memory stays where it is."""
        if not self.is_shared():
            recorder.flush("shared memory")  # what was recorded before must not see what others will write
            self.shared = Shared(own_memory(self.node), foreign=False)
            node = self.shared.leaf(self.shared.array, self.node.dtype)
            self.node, node.version = node, self.node.version
            self.generation += 1
        assert self.shared is not None
        return self.shared.window()


def own_memory(node: Node) -> np.ndarray:
    """The node's array, or a copy of it unless it is contiguous and can be written to.

    Other nodes on the same array can only be views of this storage (the interpreter sees to it that no other
    operation returns its input's memory), and these are meant to see what is written.
    """
    value = value_of(node, "shared memory")
    flags = value.flags
    own = owns(value) and flags.c_contiguous and flags.writeable
    return value if own else np.array(value, order="C", copy=True)


def strided(value: np.ndarray, view: View, element: np.dtype[Any]) -> np.ndarray:
    """The view's elements, of type `element`, in the memory of a contiguous array."""
    if numel(view.shape) == 0:
        return np.empty(view.shape, element)
    carrier = np.dtype(np.int8) if element.itemsize == 1 else element  # NumPy can't spell some of these
    flat = value.reshape(-1).view(carrier)[view.offset :]
    steps = tuple([s * element.itemsize for s in view.strides])
    return np.lib.stride_tricks.as_strided(flat, view.shape, steps).view(element)


class Shared:
    """Memory that others see: theirs, or ours as long as an array that we handed out lives.

    It stands as the operation of the leaves whose values lie in it.
    """

    name = "shared"

    def __init__(self, array: np.ndarray, foreign: bool) -> None:
        self.array, self.foreign = array, foreign
        self.ref: Any = None
        recorder.shared += foreign

    def __del__(self) -> None:
        recorder.shared -= self.foreign

    def alive(self) -> bool:
        """Whether others may still write there."""
        return self.foreign or (self.ref is not None and self.ref() is not None)

    def window(self) -> np.ndarray:
        """An array over the memory that all arrays derived from it keep alive, so that its end is the end of
        the sharing."""
        window = None if self.ref is None else self.ref()
        if window is None:
            if self.foreign or self.array.size == 0:
                return self.array
            # A memoryview in between stops NumPy from making the storage's own array the base of derived
            # views.
            window = np.frombuffer(self.array.reshape(-1).view(np.uint8).data, np.uint8)
            self.ref = weakref.ref(window, _closed)
            recorder.shared += 1
        return window.view(self.array.dtype).reshape(self.array.shape)

    def leaf(self, value: np.ndarray, dtype: dtype) -> Node:
        """A leaf whose value is this memory, or a part of it."""
        node = Node(self, (), (), value.shape, dtype)
        node.value = value
        return node


def _closed(window: Any) -> None:
    recorder.shared -= 1


def from_outside(array: np.ndarray, dtype: dtype) -> Storage:
    """The storage of memory that belongs to somebody else."""
    shared = Shared(array, foreign=True)
    storage = Storage(shared.leaf(array, dtype))
    storage.shared = shared
    return storage
