"""The backward graph: what an operation leaves behind so that its gradient can be recorded later.

An *edge* says where a tensor's gradient goes: None (nowhere), an `Accumulate` (a leaf), a `GradNode` (the
operation that made it), a `Port` (one of several results of it), or `Spent` (what can't be differentiated
again).
"""

from __future__ import annotations

import itertools
import weakref
from typing import TYPE_CHECKING, Any

from .modes import modes
from .node import Node, spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from .tensor import Tensor

next_number = itertools.count().__next__
NEVER = 1 << 62


class History:
    """Numbers shared by recording and the engine: gradient functions older than `pass_` may have been used
    up."""

    pass_ = -1


class Hooks:
    """The hooks of one gradient function, by the number of their handle, in the order in which they are
    called.

    `tensor` sees the gradient of one result (index, hook), `retained` keeps it in the `.grad` of a tensor (by
    index, weakly), `before` and `after` surround the function, `accumulated` runs when a leaf's `.grad` is up
    to date.
    """

    __slots__ = ("accumulated", "after", "before", "retained", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, tuple[int, Any]] = {}
        self.retained: dict[int, weakref.ref[Tensor]] = {}
        self.before: dict[int, Any] = {}
        self.after: dict[int, Any] = {}
        self.accumulated: dict[int, Any] = {}


class Hooked:
    """What all gradient functions share: hooks and the way on."""

    __slots__ = ()
    hooks: Hooks | None
    edges: tuple[Any, ...]
    spent = False  # has let go of what it needs to run
    released = False  # a backward pass has run through it that was not to be repeated

    def own_hooks(self) -> Hooks:
        """The hooks, made at first need."""
        if self.hooks is None:
            self.hooks = Hooks()  # type: ignore[misc]  # the slot is the subclass's
        return self.hooks

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The gradient functions that this one feeds, with the number of the result each takes."""
        return tuple(
            (None, 0) if e is None else (e.fn, e.index) if type(e) is Port else (e, 0) for e in self.edges
        )

    def register_hook(self, hook: Any) -> RemovableHandle:
        """Calls `hook(grad_inputs, grad_outputs)` after this gradient function has run; a tuple it returns
        replaces the former."""
        return RemovableHandle.add(self.own_hooks().after, hook)

    def register_prehook(self, hook: Any) -> RemovableHandle:
        """Calls `hook(grad_outputs)` before this gradient function runs; a tuple it returns replaces them."""
        return RemovableHandle.add(self.own_hooks().before, hook)


class Accumulate(Hooked):
    """Adds what arrives to a leaf's `.grad`. Refers to the leaf weakly: a leaf that nobody holds needs no
    gradient.
    """

    __slots__ = ("__weakref__", "_leaf", "hooks")
    seq = NEVER
    edges = ()

    def __init__(self, tensor: Tensor) -> None:
        self._leaf = weakref.ref(tensor)
        self.hooks: Hooks | None = None

    @property
    def variable(self) -> Tensor | None:
        """The leaf."""
        return self._leaf()

    def name(self) -> str:
        """The name shown in the graph."""
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


class Nowhere(Accumulate):
    """The edge of a tensor that requires grad only because another one does at whose memory it looks: no
    gradient comes here, and nothing is saved for one."""

    __slots__ = ()
    seq = -2  # older than any pass, so that gradient functions look closer and leave it out

    def results(self) -> int:
        """RuntimeError: no backward pass can begin here."""
        raise RuntimeError("backward: element 0 of tensors does not require grad and does not have a grad_fn")


class Forbidden:
    """The edge of a view whose history can't be what it had to become: whoever makes use of it gets the
    error."""

    def __init__(self, error: RuntimeError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error.with_traceback(None)


class Port:
    """The edge of result number `index` of an operation with several results."""

    __slots__ = ("fn", "index")

    def __init__(self, fn: Any, index: int) -> None:
        self.fn, self.index = fn, index

    @property
    def seq(self) -> Any:
        return self.fn.seq


def split(edge: Any) -> tuple[Any, int]:
    """An edge as (gradient function, number of its result)."""
    return (edge.fn, edge.index) if type(edge) is Port else (edge, 0)


class Results:
    """What a gradient function keeps of several results: their nodes."""

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.specs = [(n.shape, n.dtype) for n in nodes]


class GradNode(Hooked):
    """The gradient function of one recorded operation.

    Keeps the attributes, the edges of the inputs, and those inputs' nodes that the operation's gradient
    formulas name (with the storage version at which they were saved). The node of the result is kept only if
    a formula names `out`.
    """

    __slots__ = (
        "__weakref__", "attrs", "edges", "hooks", "op", "out", "out_version", "outputs", "released", "saved",
        "seq", "specs", "spent",
        "versions",
    )  # fmt: skip

    def __init__(
        self, op: Any, attrs: tuple[Any, ...], nodes: tuple[Node, ...], edges: tuple[Any, ...], out: Any
    ) -> None:
        self.op, self.attrs, self.seq = op, attrs, next_number()
        self.hooks: Hooks | None = None
        self.released = self.spent = False
        for e in edges:
            if e is not None and e.seq < History.pass_:
                edges = tuple([without_dead_ends(e) for e in edges])
                break
        self.edges = edges
        self.specs = tuple([spec(x.shape, x.dtype) for x in nodes])
        need, need_out = op.saves(edges)
        self.saved, self.versions = _save(nodes, need) if need else ((), ())
        self.out = out if need_out else None
        self.outputs: Any = out.specs if op.results > 1 else None
        self.out_version = 0

    def name(self) -> str:
        """The name shown in printed tensors: `AddBackward0`."""
        return self.op.backward_name

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    def results(self) -> int:
        """How many results the operation has."""
        return self.op.results

    def apply(self, gs: list[Any], needed: list[bool]) -> list[Any]:
        """The gradients towards the needed inputs, given those of the results."""
        if self.spent:
            raise freed(self)
        if len(needed) == 1:
            needed = [True]  # wanted or not: what was saved is looked at
        return self.run_formulas(self, gs, needed)

    run_formulas: Any = (
        None  # set by the engine: formulas are recorded operations, which this room doesn't know
    )

    def run_once(self) -> None:
        """Makes a second pass an error although nothing is saved."""
        self.saved = self.saved or (None,)

    def release(self) -> None:
        """Lets go of what was saved, after a backward pass that needs it no more."""
        self.released = True
        if self.saved or self.out is not None:
            self.saved, self.out, self.spent = (), None, True


class Spent(Hooked):
    """Stands in for a part of the graph in which every way ends at a function that has let go of what it
    saved.

    No gradient can come through it any more. Without it the running sum of the losses would hold the graphs
    of all training steps.
    """

    __slots__ = ("label", "seq")
    spent = True
    hooks = None
    edges = ()

    def __init__(self, fn: Any) -> None:
        self.label, self.seq = fn.name(), fn.seq

    def name(self) -> str:
        """The name of the function it stands for."""
        return self.label

    def results(self) -> int:
        """One, whatever it stands for: nothing is done with it."""
        return 1

    def apply(self, gs: list[Any], needed: list[bool]) -> list[Any]:
        """RuntimeError: the graph is gone."""
        raise freed(self)


def freed(fn: Any) -> RuntimeError:
    """The error of a gradient function that needs what has been let go of."""
    return RuntimeError(
        f"{fn.name()}: Trying to backward through the graph a second time (or directly access saved tensors "
        f"after they have already "
        "been freed). Saved intermediate values of the graph are freed when you call .backward() or "
        "autograd.grad(). Specify "
        "retain_graph=True if you need to backward through the graph a second time or access saved tensors "
        "after calling backward."
    )


def without_dead_ends(edge: Any) -> Any:
    """The edge, or a stand-in if it leads nowhere but to spent functions.

    Functions that have run themselves stay: their tensors are results of a finished step, which somebody may
    still ask a gradient for.
    """
    if edge is None or edge.seq >= History.pass_:
        return edge
    if type(edge) is Nowhere:
        return None
    fn = edge.fn if type(edge) is Port else edge
    return Spent(fn) if not fn.released and _leads_nowhere(fn) else edge


def _leads_nowhere(fn: Any) -> bool:
    stack, dead_ends = [fn], 0
    for _ in range(100):  # beyond that it is taken to lead on, which costs no more than memory
        if not stack:
            return dead_ends > 0
        fn = stack.pop()
        if fn.spent:
            dead_ends += 1
        elif type(fn) is Accumulate or fn.hooks is not None:  # hooks run, even if an error follows
            return False
        else:
            stack.extend([e.fn if type(e) is Port else e for e in fn.edges if e is not None])
    return False


def _save(nodes: tuple[Node, ...], need: frozenset[int] | range) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """The needed nodes in their places, and the versions of their storages (nothing if none has been written
    to)."""
    if type(need) is range:  # the first ones; a tuple of its own, as references to nodes are counted
        saved: tuple[Any, ...] = (*nodes[: need.stop],)
    else:
        saved = tuple([x if i in need else None for i, x in enumerate(nodes)])
    for x in saved:
        if x is not None and x.version is not None:
            return saved, tuple([0 if n is None or n.version is None else n.version.count for n in saved])
    return saved, ()


def attach(
    out: Tensor, op: Any, attrs: tuple[Any, ...], nodes: tuple[Any, ...], edges: tuple[Any, ...], node: Node
) -> None:
    """Links `out` to the inputs' edges, at least one of which leads somewhere, if gradients are recorded."""
    if modes.grad and op.grads is not None and node.dtype.category >= 2:
        out._edge = GradNode(op, attrs, nodes, edges, node)


class RemovableHandle:
    """Returned by hook registration: `remove()` takes the hook away; also a context manager.

    Args:
        hooks_dict: the table that the hook stands in, under the handle's `id`.
        extra_dict: another table, or a list of tables, that loses its entry together with the hook.

    >>> import flambeau as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> handle = x.register_hook(lambda g: 2 * g)
    >>> handle.remove()
    """

    _ids = itertools.count()

    def __init__(self, hooks_dict: dict[Any, Any], *, extra_dict: Any = None) -> None:
        extra = extra_dict if isinstance(extra_dict, list) else [] if extra_dict is None else [extra_dict]
        self.id = next(
            i for i in self._ids if i not in hooks_dict
        )  # an unpickled table has numbers of its own
        self._tables = [_weakly(table) for table in (hooks_dict, *extra)]

    @classmethod
    def add(cls, hooks: dict[Any, Any], hook: Any) -> RemovableHandle:
        """Adds `hook` to `hooks`."""
        handle = cls(hooks)
        hooks[handle.id] = hook
        return handle

    def remove(self) -> None:
        """Takes the hook away; a second call does nothing."""
        for table in self._tables:
            hooks = table()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()

    def __getstate__(self) -> tuple[int, list[Any]]:
        return self.id, [
            table() for table in self._tables
        ]  # so that the copy of a handle belongs to the copied table

    def __setstate__(self, state: tuple[int, list[Any]]) -> None:
        self.id, tables = state
        self._tables = [_weakly(table) for table in tables]


def _weakly(table: Any) -> Callable[[], Any]:
    """A way to a table that doesn't keep it alive, if it is of a kind that can be referred to so."""
    try:
        return weakref.ref(table)
    except TypeError:
        return lambda: table
