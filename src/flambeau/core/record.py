"""Recording: one operation on tensors becomes a node, a tensor, and (if gradients are wanted) a gradient
function."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .config import config
from .dtype import dtype
from .ghost import haunted, record_ghost, record_ghosts
from .gradient import GradNode, Port, Results, attach
from .memory import owns
from .modes import modes
from .node import Node, leaf, numel
from .realize import recorder, user_line, value_of
from .storage import Shared, View
from .tensor import NO_GRAD, Tensor, window

_new = object.__new__
_COPIED = 1 << 23  # bytes of shared memory that are copied so that what reads them can wait


@lru_cache(maxsize=4096)
def nbytes(shape: tuple[int, ...], dtype: dtype) -> int:
    """How many bytes a value has."""
    return numel(shape) * dtype.itemsize


def submit(node: Node) -> None:
    """Puts a node among the pending ones, and does the work if a bound is reached."""
    pending = recorder.pending
    pending.append(node)
    recorder.bytes += nbytes(node.shape, node.dtype)
    if recorder.at_once and id(node) in recorder.at_once:
        _compute_now(node)
    elif len(pending) >= recorder.limit:
        recorder.flush("bound")
    elif recorder.bytes > config.max_bytes:
        recorder.flush("bytes")


def look_now(node: Node) -> tuple[Node, ...]:
    """What reads memory in which others may write reads it as it is now: a copy of it. (Where copying takes
    long, the node is computed at once instead, as soon as it is submitted.) Returns the node's inputs."""
    for x in node.inputs:
        if type(x.op) is Shared:
            return _look_now(node)
    return node.inputs


def _look_now(node: Node) -> tuple[Node, ...]:
    inputs = list(node.inputs)
    for i, x in enumerate(inputs):
        if type(x.op) is Shared and x.op.alive():
            if x.value.nbytes > _COPIED:
                recorder.at_once.add(id(node))
            else:
                inputs[i] = leaf(x.value.copy(), x.dtype)
                inputs[i].version = x.version
    node.inputs = tuple(inputs)
    return node.inputs


def _compute_now(node: Node) -> None:
    """Computes a node, and cuts its value off from its inputs' memory."""
    recorder.at_once.discard(id(node))
    inputs = node.inputs
    value = value_of(node, "shared memory")
    if type(value) is not tuple and (not owns(value) or any(value is x.value for x in inputs)):
        node.value = value.copy()


def record(
    op: Any, tensors: tuple[Tensor, ...], attrs: tuple[Any, ...], shape: tuple[int, ...], dtype: Any
) -> Tensor:
    """Records `op` on tensors whose shapes and dtypes have been checked; returns its result."""
    nodes: tuple[Node, ...]
    if len(tensors) == 1:
        nodes = (tensors[0]._current(),)
    else:
        nodes = tuple([t._node if t._storage is None else t._current() for t in tensors])
    if recorder.ghosts and haunted(nodes):
        return record_ghost(op, nodes, tuple([t._edge for t in tensors]), attrs, shape, dtype)
    node = Node(op, nodes, attrs, shape, dtype)
    if op.checks:
        node.site = user_line()
    if recorder.shared:
        nodes = look_now(node)
    t = _new(Tensor)
    t._node = node
    for x in tensors:
        if x._edge is not None:
            attach(t, op, attrs, nodes, tuple([x._edge for x in tensors]), node)
            break
    submit(node)
    return t


def record_view(
    op: Any, x: Tensor, attrs: tuple[Any, ...], shape: tuple[int, ...], layout: tuple[tuple[int, ...], int]
) -> Tensor:
    """Records a view: the result shares `x`'s storage."""
    storage = x._storage or x._own_storage()
    view = View(x._view, op, attrs, shape, *layout)
    dtype = x._node.dtype if op.dtype_rule is None else op.dtype_of(x, attrs)
    shared = storage.shared is not None and storage.is_shared()
    if not shared and (recorder.shared or recorder.ghosts):
        t = record(op, (x,), attrs, shape, dtype)
    else:
        nodes = (x._current(),)
        t = _of(window(storage, view, dtype) if shared else Node(op, nodes, attrs, shape, dtype))
        if x._edge is not None:
            attach(t, op, attrs, nodes, (x._edge,), t._node)
        if not shared:
            submit(t._node)
    t._storage, t._view, t._seen = storage, view, storage.generation
    t._counter = t._node.version = x._counter
    if op.grads is not None:
        t._base = x if x._base is None else x._base
        t._derived = x._counter.count
        if not modes.grad:
            t._fixed = NO_GRAD
        elif x._fixed:
            t._fixed = x._fixed
    return t


def record_many(
    op: Any, tensors: tuple[Tensor, ...], attrs: tuple[Any, ...], specs: list[tuple[tuple[Any, ...], Any]]
) -> tuple[Tensor, ...]:
    """Records an operation with several results: one node whose value is a tuple, and one that picks each."""
    nodes = tuple([t._current() for t in tensors])
    if recorder.ghosts and haunted(nodes):
        return record_ghosts(op, nodes, tuple([t._edge for t in tensors]), attrs, specs)
    dtypes: Any = tuple(d for _, d in specs)  # one a result
    node = Node(op, nodes, attrs, tuple(s for s, _ in specs), dtypes)
    node.site = user_line()
    if recorder.shared:
        nodes = look_now(node)
    at_once = id(node) in recorder.at_once
    recorder.pending.append(node)
    picks = [Node(op.pick, (node,), (i,), shape, dtype) for i, (shape, dtype) in enumerate(specs)]
    results = tuple(_of(p) for p in picks)
    edges = tuple([t._edge for t in tensors])
    if modes.grad and op.grads is not None and any(e is not None for e in edges):
        fn = GradNode(op, attrs, nodes, edges, Results(picks))
        for i, t in enumerate(results):
            if t.dtype.category >= 2:
                t._edge = Port(fn, i)
    for p in picks:
        submit(p)
    if at_once:
        _compute_now(node)
    return results


def _of(node: Node) -> Tensor:
    t = _new(Tensor)
    t._node = node
    return t
