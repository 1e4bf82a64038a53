"""Shared memory between a worker and the main process, without names: nothing is left behind by whoever dies.

A worker lays large arrays into slabs, each one file in memory that is sent along once, when it is new. In the
main process an array is a window on its slab; when it and all views of it are gone, the slab goes back to the
worker, for the next batch. So pages are touched for the first time only in the first few batches.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import socket
import sys
import weakref
from collections import deque
from collections.abc import Iterable
from typing import Any

import ml_dtypes
import numpy as np

from ...core.mapping import open_memory
from ...core.memory import Block, Memory
from ...core.tensor import Tensor, from_array

LARGE = 16 << 10  # bytes; what is smaller travels in the message
_MOST_NEW = 64  # slabs in one message: the system passes on some 250 files at a time
_SPARE = 32 << 20  # bytes of free slabs that a worker may always keep
AVAILABLE = hasattr(socket, "send_fds") and sys.platform != "win32"


def _map(file: int, size: int) -> Memory:
    """The file's memory; closes the file."""
    try:
        memory = np.ndarray.__new__(Memory, (size,), np.uint8, mmap.mmap(file, size))
    finally:
        os.close(file)
    memory.home = deque(maxlen=0)
    return memory


def _rounded(nbytes: int) -> int:
    """A size of which there are four between each power of two and the next, in whole pages."""
    step = max(mmap.PAGESIZE, 1 << (nbytes - 1).bit_length() - 3)
    return -(-nbytes // step) * step


# ----- The worker's end -----
class Lender:
    """A worker's slabs: those that are lent to the main process, and those that are free."""

    def __init__(self) -> None:
        self._slabs: dict[int, Memory] = {}
        self._free: dict[int, list[int]] = {}  # by size
        self._kept = self._lent = 0  # bytes
        self._count = 0
        self._taken: dict[int, int] = {}  # slabs of the batch that is being made, by their address
        self._blocks: dict[int, weakref.ref[Block]] = {}  # what in this process may still look at a slab
        self._held: list[int] = []  # slabs that came back, but are still looked at here
        self._files: list[int] = []
        self._new: list[tuple[int, int]] = []  # number and size, in the order of the files
        self._dropped: list[int] = []

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
        """An array with any values for the batch that is being made, in a slab if it is large."""
        nbytes = dtype.itemsize
        for extent in shape:
            nbytes *= extent
        if nbytes < LARGE or len(self._new) >= _MOST_NEW or dtype.hasobject:
            return np.empty(shape, dtype)
        number, memory = self._take(nbytes)
        block = np.ndarray.__new__(Block, (memory.nbytes,), np.uint8, memory)
        self._taken[memory.ctypes.data], self._blocks[number] = number, weakref.ref(block)
        return np.ndarray(shape, dtype, block)

    def _take(self, nbytes: int) -> tuple[int, Memory]:
        size = _rounded(nbytes)
        free = self._free.get(size)
        if free:
            number = free.pop()
            memory = self._slabs[number]
            self._kept -= size
        else:
            file = open_memory(size)
            self._files.append(os.dup(file))
            memory = _map(file, size)
            number = self._count = self._count + 1
            self._slabs[number] = memory
            self._new.append((number, size))
        self._lent += size
        return number, memory

    def place(self, octets: Any) -> tuple[int, int] | None:
        """Lays bytes into a slab, unless they lie in one: its number, and how many they are. None for those
        that are to travel in the message.
        """
        nbytes = octets.nbytes
        if nbytes < LARGE:
            return None
        array = np.frombuffer(octets, np.uint8)
        number = self._taken.pop(array.ctypes.data, None)
        if number is None:
            if len(self._new) >= _MOST_NEW:
                return None
            number, memory = self._take(nbytes)
            memory[:nbytes] = array
        return number, nbytes

    def send_off(self) -> tuple[list[tuple[int, int]], list[int], list[int]]:
        """What the main process has to know of slabs with this batch: those that are new, those that are no
        more, and the files of the new."""
        self.take_back(self._taken.values())
        self._taken.clear()
        told = self._new, self._dropped, self._files
        self._new, self._dropped, self._files = [], [], []
        return told

    def take_back(self, numbers: Iterable[int]) -> None:
        """Makes slabs free again, and lets go of some if they are too many."""
        back, self._held = [*self._held, *numbers], []
        for number in back:
            block = self._blocks.pop(number, None)
            if block is not None and block() is not None:  # a dataset may keep a batch
                self._blocks[number] = block
                self._held.append(number)
                continue
            size = self._slabs[number].nbytes
            self._lent -= size
            self._kept += size
            self._free.setdefault(size, []).append(number)
        while self._kept > max(_SPARE, 2 * self._lent):
            size = next(size for size, free in self._free.items() if free)
            number = self._free[size].pop(0)
            self._free[size] = self._free.pop(size)  # another size's turn the next time
            del self._slabs[number]
            self._kept -= size
            self._dropped.append(number)


class _Packer(pickle.Pickler):
    """Pickles tensors by their memory; large memory is a buffer beside the pickle."""

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is Tensor and obj.is_leaf and not obj.requires_grad and not obj.is_meta:
            array = np.ascontiguousarray(obj._value("a batch of a worker"))
            octets = pickle.PickleBuffer(array.reshape(-1).view(np.uint8).data)
            return _unpacked, (octets, obj._value("").shape, array.dtype.name)
        return NotImplemented


def _unpacked(octets: Any, shape: tuple[int, ...], name: str) -> Tensor:
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    if type(octets) is Block:
        return from_array(np.ndarray(shape, dtype, octets))
    return from_array(np.frombuffer(octets, dtype).reshape(shape).copy())


def pack(obj: Any, lender: Lender) -> tuple[bytes, list[tuple[int, int]]]:
    """A pickle, and where its buffers lie: slab and size."""
    places: list[tuple[int, int]] = []

    def beside(buffer: pickle.PickleBuffer) -> bool:
        place = lender.place(buffer.raw())
        if place is not None:
            places.append(place)
        return place is None

    file = io.BytesIO()
    _Packer(file, protocol=5, buffer_callback=beside).dump(obj)
    octets = file.getbuffer()
    place = lender.place(octets)
    if place is None:
        return bytes(octets), places
    return b"", [*places, place]


# ----- The main process's end -----
class _Home:
    """Where memory goes back to, as long as somebody waits for it there."""

    def __init__(self, returned: deque[Memory]) -> None:
        self._returned = weakref.ref(returned)

    def append(self, memory: Memory) -> None:
        """Gives memory back."""
        returned = self._returned()
        if returned is not None:
            returned.append(memory)


class Borrower:
    """One worker's slabs as the main process sees them."""

    def __init__(self, most: int) -> None:
        self._most = most  # slabs that live arrays may keep; beyond, batches are copied
        self._slabs: dict[int, Memory] = {}
        self._returned: deque[Memory] = deque()  # memory whose arrays have died
        self._home: Any = _Home(self._returned)
        self._numbers: dict[int, int] = {}  # of slabs by the identity of their memory
        self._free: list[int] = []
        self._lent = 0

    def learn(self, new: list[tuple[int, int]], dropped: list[int], files: list[int]) -> None:
        """Takes note of a worker's new slabs, and of those that are no more."""
        for (number, size), file in zip(new, files, strict=True):
            memory = self._slabs[number] = _map(file, size)
            memory.home = self._home
            self._numbers[id(memory)] = number
        for number in dropped:
            del self._numbers[id(self._slabs.pop(number))]

    def unpack(self, octets: bytes, places: list[tuple[int, int]]) -> Any:
        """The object that a worker packed. Its large arrays are windows on slabs."""
        self._collect()
        if octets:
            body = octets
        else:
            number, nbytes = places[-1]
            body, places = self._slabs[number][:nbytes].tobytes(), places[:-1]
            self._free.append(number)
        keep = self._lent + len(places) <= self._most
        return pickle.loads(body, buffers=[self._lend(*place, keep) for place in places])

    def _lend(self, number: int, nbytes: int, keep: bool) -> Any:
        memory: Any = self._slabs[number]
        if not keep:
            self._free.append(number)
            memory = np.array(memory[:nbytes])
        else:
            self._lent += 1
        return np.ndarray.__new__(Block, (nbytes,), np.uint8, memory)

    def ignore(self, places: list[tuple[int, int]]) -> None:
        """Gives the slabs of a batch that nobody wants back to the worker."""
        self._free.extend(number for number, _ in places)

    def freed(self) -> list[int]:
        """The slabs to be given back to the worker since this was last asked."""
        self._collect()
        free, self._free = self._free, []
        return free

    def _collect(self) -> None:
        while self._returned:
            self._free.append(self._numbers[id(self._returned.popleft())])
            self._lent -= 1
