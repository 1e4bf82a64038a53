"""Writing in place: the storage gets a new node, every view of it sees the change, and autograd learns how it
came about."""

from __future__ import annotations

from typing import Any

from .ghost import storable
from .gradient import GradNode, split
from .modes import modes
from .node import Node, leaf
from .realize import recorder
from .storage import Shared
from .tensor import Tensor, fixed_view, follow, make, origin, put_back


def check_history(t: Tensor, what: str) -> None:
    """RuntimeError if gradients are recorded and `t` is a leaf that requires one, or a view of a leaf."""
    if modes.grad and t.requires_grad:
        if t._fixed:
            raise fixed_view(t._fixed, "is being modified inplace")
        base = t if t._base is None else t._base
        if base.is_leaf:
            which = "a leaf" if base is t else "a view of a leaf"
            raise RuntimeError(
                f"{what}: {which} Variable that requires grad is being used in an in-place operation; "
                "write to it under torch.no_grad(), or to a clone() of it"
            )


def check_writable(t: Tensor, what: str, *operands: Any) -> None:
    """RuntimeError if `t` may not be written to: for its history, for elements of its own that share memory,
    or for an operand that lies partly where `t` does, so that the order of reading and writing would
    matter."""
    check_history(t, what)
    if t._view is not None and t._view.overlaps():
        raise RuntimeError(
            f"{what}: unsupported operation: more than one element of the written-to tensor (shape "
            f"{tuple(t.shape)}, strides "
            f"{t.stride()}) refers to a single memory location. Please clone() the tensor before performing "
            f"the operation."
        )
    if t._storage is not None:
        for x in operands:
            if isinstance(x, Tensor) and x._storage is t._storage and x is not t and _partly_overlap(t, x):
                raise RuntimeError(
                    f"{what}: unsupported operation: some elements of the input tensor (shape "
                    f"{tuple(x.shape)}, strides {x.stride()}) and "
                    f"the written-to tensor (shape {tuple(t.shape)}, strides {t.stride()}) refer to a single "
                    f"memory location. "
                    "Please clone() the tensor before performing the operation."
                )


def _partly_overlap(a: Tensor, b: Tensor) -> bool:
    """Whether two dense stretches of a memory overlap without being the same tensor."""
    for t in (a, b):
        if t.numel() == 0 or (t._view is not None and not t._view.is_dense()):
            return False
    (strides, start), (other_strides, other_start) = a._layout(), b._layout()
    start, other_start = start * a.itemsize, other_start * b.itemsize
    end, other_end = start + a.nbytes, other_start + b.nbytes
    if start >= other_end or other_start >= end:
        return False
    return (start, end, strides) != (other_start, other_end, other_strides)


def same_place(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are the same elements of the same memory."""
    if a is b:
        return True
    same_memory = a._storage is not None and a._storage is b._storage and a._node.dtype is b._node.dtype
    return same_memory and a._node.shape == b._node.shape and a._layout() == b._layout()


def touch(t: Tensor) -> Tensor:
    """Writes to a tensor what is there: nothing changes but the version."""
    t._own_storage()
    t._counter.count += 1
    return t


def assign(t: Tensor, result: Tensor, overwrite: Any, lost: bool = False) -> Tensor:
    """Makes `result` (same shape and dtype, a fresh node) the content of `t`.

    `overwrite(old, new)` is the operation whose value is `new` and whose gradient towards `old` is zero: it
    keeps `t` in the history if `new` has none, or if what was there is `lost` (`result` doesn't depend on
    it).
    """
    tracked = modes.grad and (result._edge is not None or t.requires_grad)
    if tracked and t._fixed:
        raise fixed_view(t._fixed, "is being modified inplace")
    if tracked and t._base is None and (result._edge is None or lost):
        result = overwrite(t, result)
    storage = t._own_storage()
    node, base = result._current(), t._base
    if recorder.ghosts:
        node = storable("copy", storage.node, node)
    if tracked and base is not None:
        whole = _whole(base, t, result)
        if base._edge is not None and t.numel() == base.numel():
            whole = overwrite(base, whole)  # all of it: nothing else keeps the history of what was there
        if type(whole._edge) is GradNode:
            whole._edge.run_once()  # as in PyTorch, where a backward pass uses up the history of such a write
        _store(base, whole._current())
        base._edge = whole._edge
    else:
        _store(t, node)
        if tracked:
            t._edge = result._edge
    t._counter.count += 1
    written = t if base is None or not tracked else base
    if written._retains and written._edge is not None:
        written._keep_retaining()
    _remember(t, node, result._edge)
    return t


def put(t: Tensor, node: Node) -> None:
    """Makes a fresh node, of the same shape and dtype, the content of a tensor that is no view, without
    checks and without history."""
    storage = t._storage or t._own_storage()
    if storage.shared is not None and storage.is_shared():
        storage.write_shared(None, node)
    else:
        node.version = t._counter
        storage.node = node
        storage.generation += 1
    t._counter.count += 1
    t._node, t._seen = storage.spec, -1


def read_before_write(result: Tensor, old: Node, since: int) -> None:
    """Lets what was recorded from number `since` on for `result` read `old`, although `result` is about to
    overwrite it.

    An in-place operation may differentiate by the value that it replaces (its first input); what others
    saved, and the same tensor as another operand (`x.mul_(x)`), counts as overwritten.
    """
    stack, seen = [result._edge], set()
    while stack:
        fn, _ = split(stack.pop())
        if type(fn) is GradNode and fn.seq >= since and fn not in seen:
            seen.add(fn)
            if fn.saved and _is(fn.saved[0], old):
                if fn.saved[0] is old and type(old.op) is Shared:  # its memory is what will be written to
                    fn.saved = (leaf(old.value.copy(), old.dtype), *fn.saved[1:])
                fn.versions = (None, *(fn.versions[1:] or (0,) * (len(fn.saved) - 1)))
            stack.extend(fn.edges)


def _is(saved: Any, old: Node) -> bool:
    """Whether what a gradient function saved is a value, or the copy of it that was made as it was read."""
    return saved is old or (saved is not None and type(old.op) is Shared and saved.version is old.version)


def _whole(base: Tensor, t: Tensor, result: Tensor) -> Tensor:
    """What `base` becomes when what `t` shows of its memory is replaced."""
    assert t._view is not None
    source, start = origin(base, t._view)
    whole = put_back(source, t._view.chain(start), result)
    return whole if source is base or base._view is None else follow(whole, base._view.chain(), grad=True)


def _store(t: Tensor, node: Node) -> None:
    """Puts a value where `t` looks."""
    storage, view = t._own_storage(), t._view
    if storage.is_shared():
        storage.write_shared(view, node)
        return
    if recorder.ghosts:
        node = storable("copy", storage.node, node)
    if view is not None:
        grad, modes.grad = modes.grad, False
        try:
            node = put_back(make(storage.node), view.chain(), make(node))._current()
        finally:
            modes.grad = grad
    node.version = t._counter
    storage.write(node)


def _remember(t: Tensor, node: Node, edge: Any) -> None:
    """`node` is `t`'s value as just written: a view need not look again, and its gradient function saved it
    at this version."""
    storage, view = t._own_storage(), t._view
    node.version = t._counter
    if view is None:
        t._node, t._seen = storage.spec, -1
    elif view.is_injective() and not storage.is_shared():
        t._node, t._seen = node, storage.generation
    fn, _ = split(edge)
    if type(fn) is GradNode and fn.out is node:
        fn.out_version = t._counter.count
