"""Writing in place: the storage gets a new node, every view of it sees the change, and autograd learns how it
came about."""

from __future__ import annotations

from typing import Any

from .gradient import Accumulate, GradNode, Port, split
from .modes import modes
from .node import Node
from .storage import View
from .tensor import Tensor, fixed_view, make


def check_writable(t: Tensor, what: str) -> None:
    """RuntimeError if `t` may not be written to: a leaf (or a view of one) while gradients are recorded, or
    overlapping memory."""
    if t._view is not None and t._view.overlaps():
        raise RuntimeError(
            f"{what}: unsupported operation: more than one element of the written-to tensor (shape "
            f"{tuple(t.shape)}, strides "
            f"{t.stride()}) refers to a single memory location. Please clone() the tensor before performing "
            f"the operation."
        )
    if not modes.grad:
        return
    if t.requires_grad and type(t._edge) is Accumulate:
        raise RuntimeError(
            f"{what}: a leaf Variable that requires grad is being used in an in-place operation; "
            "write to it under torch.no_grad(), or to a clone() of it"
        )
    if t._base is not None and t._base.requires_grad and type(t._base._edge) is Accumulate:
        raise RuntimeError(
            f"{what}: a view of a leaf Variable that requires grad is being used in an in-place operation; "
            "write to it under torch.no_grad(), or to a clone() of it"
        )


def assign(t: Tensor, result: Tensor, overwrite: Any) -> Tensor:
    """Makes `result` (same shape and dtype, a fresh node) the content of `t`.

    `overwrite(old, new)` is the operation whose value is `new` and whose gradient towards `old` is zero: it
    keeps `t` in the history if `new` has none.
    """
    if t._fixed and modes.grad and (t.requires_grad or result._edge is not None):
        raise fixed_view(t._fixed, "is being modified inplace")
    if modes.grad and t.requires_grad and result._edge is None:
        result = overwrite(t, result)
    storage, node, base = t._own_storage(), result._current(), t._base
    tracked = not t._untracked
    if base is not None and modes.grad and (result._edge is not None or base.requires_grad):
        assert t._view is not None
        whole = write_chain(base, t._view.chain(base._view), result)
        base._edge = whole._edge
        base._rebased += 1
        if base._retains:
            base._keep_retaining()
        _store(t, base._view, whole._current(), tracked)
        if base._view is None:
            _settle(base, whole._current())
        return t
    if modes.grad and base is None and t._edge is not result._edge:
        t._edge = result._edge
        t._rebased += 1  # views of `t` have to find their new history
        if t._retains:
            t._keep_retaining()
    _store(t, t._view, node, tracked)
    if not storage.is_shared():
        _settle(t, node)
    return t


def read_before_write(result: Tensor, old: Node, since: int) -> None:
    """Lets what was recorded from number `since` on for `result` read `old`, although `result` is about to
    overwrite it.

    An in-place operation may differentiate by the value that it replaces; only what others saved counts as
    overwritten.
    """
    stack, seen = [result._edge], set()
    while stack:
        fn, _ = split(stack.pop())
        if type(fn) is GradNode and fn.seq >= since and fn not in seen:
            seen.add(fn)
            versions = fn.versions or (0,) * len(fn.saved)
            fn.versions = tuple([None if x is old else v for x, v in zip(fn.saved, versions, strict=True)])
            stack.extend(fn.edges)


def _store(t: Tensor, view: View | None, node: Node, tracked: bool) -> None:
    storage = t._own_storage()
    if view is None:
        storage.write(node, tracked)
    elif storage.is_shared():
        storage.write_shared(view, node)
        storage.generation += 1
        storage.version.count += tracked
    else:
        grad, modes.grad = modes.grad, False
        try:
            storage.write(write_chain(make(storage.node), view.chain(), make(node))._node, tracked)
        finally:
            modes.grad = grad


def _settle(t: Tensor, node: Node) -> None:
    """`node` is `t`'s value as just written: remember it, and that its own gradient function saved it at this
    version."""
    storage = t._own_storage()
    if storage.is_shared():
        return
    t._node, t._seen = node, storage.generation
    node.version = storage.version
    fn = t._edge.fn if type(t._edge) is Port else t._edge
    if type(fn) is GradNode and fn.out is node:
        fn.out_version = storage.version.count


def write_chain(whole: Tensor, chain: list[View], part: Tensor) -> Tensor:
    """`whole` with the part that `chain` looks at replaced."""
    outer = [whole]
    for step in chain[:-1]:
        outer.append(step.op.plain(outer[-1], step.attrs))
    for x, step in zip(reversed(outer), reversed(chain), strict=True):
        part = step.op.put(x, part, step.attrs)
    return part
