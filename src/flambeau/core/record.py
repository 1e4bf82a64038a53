"""Recording: one operation on tensors becomes a node, a tensor, and (if gradients are wanted) a gradient
function."""

from __future__ import annotations

from typing import Any

from .config import config
from .gradient import GradNode, Port, attach
from .modes import modes
from .node import Node
from .realize import recorder, user_line
from .storage import View
from .tensor import Tensor

_new = object.__new__


def submit(node: Node) -> None:
    """Puts a node among the pending ones, and does the work if a bound is reached."""
    recorder.pending.append(node)
    size = node.dtype.itemsize
    for extent in node.shape:
        size *= extent
    recorder.bytes += size
    if len(recorder.pending) >= recorder.limit:
        recorder.flush("bound")
    elif recorder.bytes > config.max_bytes:
        recorder.flush("bytes")


def record(
    op: Any, tensors: tuple[Tensor, ...], attrs: tuple[Any, ...], shape: tuple[int, ...], dtype: Any
) -> Tensor:
    """Records `op` on tensors whose shapes and dtypes have been checked; returns its result."""
    nodes = tuple([t._node if t._storage is None else t._current() for t in tensors])
    node = Node(op, nodes, attrs, shape, dtype)
    if op.checks:
        node.site = user_line()
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
    storage, view = x._own_storage(), View(x._view, op, attrs, shape, *layout)
    if storage.is_shared():
        t = _new(Tensor)
        t._node = storage.window(view, op.dtype_of(x, attrs))
        if x.requires_grad:
            attach(t, op, attrs, (x._node,), (x._edge,), t._node)
    else:
        t = record(op, (x,), attrs, shape, op.dtype_of(x, attrs))
        t._node.version = storage.version
    t._storage, t._seen, t._view = storage, storage.generation, view
    base = x if x._base is None else x._base
    t._base, t._derived = base, base._rebased
    if x._untracked:
        t._untracked = True
    if x._fixed:
        t._fixed = x._fixed
    return t


def record_many(
    op: Any, tensors: tuple[Tensor, ...], attrs: tuple[Any, ...], specs: list[tuple[tuple[Any, ...], Any]]
) -> tuple[Tensor, ...]:
    """Records an operation with several results: one node whose value is a tuple, and one that picks each."""
    nodes = tuple([t._current() for t in tensors])
    dtypes: Any = tuple(d for _, d in specs)  # one a result
    node = Node(op, nodes, attrs, tuple(s for s, _ in specs), dtypes)
    node.site = user_line()
    recorder.pending.append(node)
    picks = [Node(op.pick, (node,), (i,), shape, dtype) for i, (shape, dtype) in enumerate(specs)]
    results = tuple(_pick(p) for p in picks)
    edges = tuple([t._edge for t in tensors])
    if modes.grad and op.grads is not None and any(e is not None for e in edges):
        fn = GradNode(op, attrs, nodes, edges, Results(picks))
        for i, t in enumerate(results):
            if t.dtype.category >= 2:
                t._edge = Port(fn, i)
    for p in picks:
        submit(p)
    return results


class Results:
    """What a gradient function keeps of several results: their nodes."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.specs = [(n.shape, n.dtype) for n in nodes]


def _pick(node: Node) -> Tensor:
    t = _new(Tensor)
    t._node = node
    return t
