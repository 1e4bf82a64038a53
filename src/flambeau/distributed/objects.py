"""Python objects among processes.

They are sent by `pickle`, which can run any code when it reads: so by a process of the group alone, which had
to know the group's secret to be let in. Have no process in a group that you don't trust.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from . import algorithms
from .collectives import Group, _root, _signature
from .group import found_group


def _pack(x: Any) -> np.ndarray:
    return np.frombuffer(pickle.dumps(x, protocol=5), np.uint8)


def _unpack(data: np.ndarray) -> Any:
    return pickle.loads(data.tobytes())


def _fits(what: str, name: str, objects: Any, count: int) -> None:
    if not isinstance(objects, list):
        raise ValueError(f"{what}: expected {name} to be a list of {count}, got {type(objects).__name__}")
    if len(objects) != count:
        raise ValueError(f"{what}: {name} needs one place for each of {count} processes, got {len(objects)}")


def all_gather_object(object_list: list[Any], obj: Any, group: Group = None) -> None:
    """Writes the object of each process into `object_list`, in all processes. Objects are pickled.

    Args:
        object_list: as many places as processes.
        obj: of this process.
        group: which processes; None for all.

    Raises:
        ValueError: another number of places.
        DistBackendError: a process has ended, is late, or does something else.
    """
    found = found_group("all_gather_object", group)
    if found is None:
        return
    _fits("all_gather_object", "object_list", object_list, found.size())
    link = found.link("all_gather_object")
    object_list[:] = [_unpack(data) for data in algorithms.all_gather(link, _pack(obj))]


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: Group = None,
    group_dst: int | None = None,
) -> None:
    """Writes the object of each process into the `object_gather_list` of one. Objects are pickled.

    Args:
        obj: of this process.
        object_gather_list: at the root, as many places as processes; else None.
        dst: where, by its rank in the world; 0.
        group: which processes; None for all.
        group_dst: where, by its rank in the group.

    Raises:
        ValueError: another number of places, a list where none belongs, or none where one does.
        DistBackendError: a process has ended, is late, or does something else.
    """
    what = "gather_object"
    found = found_group(what, group)
    if found is None:
        return
    root = _root(what, "dst", found, dst, group_dst)
    if found.rank() == root:
        _fits(what, "object_gather_list", object_gather_list, found.size())
    elif object_gather_list:
        raise ValueError(
            f"{what}: Argument `object_gather_list` must NOT be specified on non-destination ranks"
        )
    parts = algorithms.gather(found.link(_signature(what, root)), _pack(obj), root)
    if parts is not None and object_gather_list is not None:
        object_gather_list[:] = [_unpack(data) for data in parts]


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: Group = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """Replaces the objects of a list in all processes by those of one. Objects are pickled.

    Args:
        object_list: of one length in all processes.
        src: whose, by its rank in the world; 0.
        group: which processes; None for all.
        device: without effect.
        group_src: whose, by its rank in the group.

    Raises:
        ValueError: a root that isn't in the group, or a list of another length.
        DistBackendError: a process has ended, is late, or does something else.
    """
    what = "broadcast_object_list"
    found = found_group(what, group)
    if found is None:
        return
    root = _root(what, "src", found, 0 if src is None and group_src is None else src, group_src)
    packed = _pack(object_list)
    link = found.link(_signature(what, root, len(object_list)))
    data = algorithms.scatter(link, [packed] * link.size if link.rank == root else None, packed, root)
    if link.rank != root:
        object_list[:] = _unpack(data)


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int | None = None,
    group: Group = None,
    group_src: int | None = None,
) -> None:
    """Writes the r-th object of one process's list to the first place of process r's. Objects are pickled.

    Args:
        scatter_object_output_list: a list with a place.
        scatter_object_input_list: at the root, as many objects as processes.
        src: whose, by its rank in the world; 0.
        group: which processes; None for all.
        group_src: whose, by its rank in the group.

    Raises:
        ValueError: no place, or another number of objects.
        DistBackendError: a process has ended, is late, or does something else.
    """
    what = "scatter_object_list"
    found = found_group(what, group)
    if found is None:
        return
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError(
            f"{what}: Expected argument scatter_object_output_list to be a list of size at least 1."
        )
    root = _root(what, "src", found, src, group_src)
    packed = None
    if found.rank() == root:
        _fits(what, "scatter_object_input_list", scatter_object_input_list, found.size())
        packed = [_pack(x) for x in scatter_object_input_list or ()]
    like = np.empty(0, np.uint8)
    data = algorithms.scatter(found.link(_signature(what, root)), packed, like, root)
    scatter_object_output_list[0] = _unpack(data)
