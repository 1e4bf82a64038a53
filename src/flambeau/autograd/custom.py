"""A call of a custom function in the backward graph, and how its outputs are tied to it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.dtype import FLOAT
from ..core.gradient import Accumulate, Hooked, Hooks, Port, freed, next_number, split, without_dead_ends
from ..core.inplace import assign
from ..core.modes import modes
from ..core.tensor import IN_FUNCTION, Tensor, make
from ..ops.op import check_version
from .anomaly_mode import anomaly
from .engine import Grads, zeros

if TYPE_CHECKING:
    from .function import Function, FunctionCtx


class _Saved:
    """A tensor kept for `backward`: value, version of the storage, and edge (of an output: the number)."""

    __slots__ = ("edge", "node", "version")

    def __init__(self, t: Tensor, fn: FunctionNode) -> None:
        self.node = t._current()
        self.version = 0 if self.node.version is None else self.node.version.count
        owner, index = split(t._edge)
        self.edge = index if owner is fn else t._edge

    def unpack(self, fn: FunctionNode) -> Tensor:
        check_version(fn, self.node, self.version)
        leaf = self.edge.variable if type(self.edge) is Accumulate else None
        if leaf is not None and leaf._current() is self.node:
            return leaf
        t = make(self.node)
        t._edge = Port(fn, self.edge) if type(self.edge) is int else self.edge
        return t


class FunctionNode(Hooked):
    """The gradient function of one call of a `Function`. Attributes set on the context are seen here too."""

    function: ClassVar[type[Function]]

    def __init__(self, ctx: FunctionCtx, args: tuple[Any, ...]) -> None:
        self.ctx = ctx
        self.tensor_args = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.specs = [(args[i]._node.shape, args[i].dtype) for i in self.tensor_args]
        self.edges = tuple([without_dead_ends(args[i]._edge) for i in self.tensor_args])
        self.outputs: list[tuple[Any, ...] | None] = []
        self.saved: tuple[_Saved | None, ...] = ()
        self.seq = next_number()
        self.hooks: Hooks | None = None
        if anomaly.enabled:
            anomaly.note(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__.get("ctx"), name)

    def name(self) -> str:
        """The name shown in printed tensors."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<torch.autograd.function.{self.name()} object at {id(self):#x}>"

    def results(self) -> int:
        """How many outputs the call has."""
        return len(self.outputs)

    def release(self) -> None:
        """Lets go of the saved tensors."""
        self.released, self.spent, self.saved = True, self.spent or bool(self.saved), ()

    def unpack(self) -> tuple[Tensor | None, ...]:
        """The saved tensors."""
        if self.spent:
            raise freed(self)
        return tuple(None if s is None else s.unpack(self) for s in self.saved)

    def apply(self, gs: Grads, needed: list[bool]) -> Grads:
        """Calls `backward` and checks what it returns."""
        if modes.linear and self.function._own_jvp:
            from .batched import transposed

            return transposed(self, gs)
        if self.ctx.materialize_grads:
            gs = [zeros(*spec) if g is None and spec else g for g, spec in zip(gs, self.outputs, strict=True)]
        for g in gs:
            if g is not None:
                g._given = True  # `backward` may keep it
        modes.autocast = modes.cast_to()  # a user's code, unlike formulas, is under autocast if the pass is
        try:
            returned = self.function._gradient(self.ctx, *gs)
        finally:
            modes.autocast = None
        found = self._by_argument(returned if isinstance(returned, tuple) else (returned,))
        return [None if g is None else self._fitting(i, g) for i, g in enumerate(found)]

    def _by_argument(self, grads: tuple[Any, ...]) -> list[Any]:
        """The gradients of the tensor arguments."""
        n = len(self.ctx.needs_input_grad)
        if len(grads) > n and all(g is None for g in grads[n:]):
            grads = grads[:n]
        if len(grads) != n:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {n}, got "
                f"{len(grads)}); return one for each argument of forward, None where there is none"
            )
        for i, g in enumerate(grads):
            if g is not None and i not in self.tensor_args:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position {i + 1}, "
                    "but the corresponding forward input was not a Tensor"
                )
        return [grads[i] for i in self.tensor_args]

    def _fitting(self, i: int, g: Any) -> Tensor:
        if not isinstance(g, Tensor):
            raise RuntimeError(
                f"function {self.name()}: expected Tensor or None (got {type(g).__name__}) for gradient {i}"
            )
        (shape, d), have = self.specs[i], g._node.shape
        fits = zip(shape, have[len(have) - len(shape) :], strict=False)
        if len(have) < len(shape) or any(want not in (1, extent) for want, extent in fits):
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {i} - got {list(have)} but "
                f"expected shape compatible with {list(shape)}"
            )
        if g.is_complex() and not d.is_complex:
            raise RuntimeError(
                f"Function {self.name()} returned a complex gradient ({g.dtype}) at index {i} for an input "
                f"of dtype {d}; return its real part"
            )
        g._given = True  # user code may hold it
        return g


def tie(name: str, ctx: FunctionCtx, node: FunctionNode | None, args: tuple[Any, ...], output: Any) -> Any:
    """Ties the outputs to the graph and saves what `forward` wants saved."""
    outputs = output if isinstance(output, tuple) else (output,)
    if not all(any(t is o for o in outputs) for t in ctx.dirty_tensors):
        raise RuntimeError(
            f"{name}: Some elements marked as dirty during the forward method were not returned as output. "
            "The inputs that are modified inplace must all be outputs of the Function."
        )
    results = []
    for i, t in enumerate(outputs):
        results.append(_tied(name, ctx, node, i, t, args) if isinstance(t, Tensor) else t)
        if node is not None:
            node.outputs.append((t._node.shape, t.dtype) if isinstance(t, Tensor) else None)
    if node is not None:
        ctx._node = weakref.ref(node)
        node.saved = tuple([None if t is None else _Saved(t, node) for t in ctx.to_save])
    ctx.to_save = ()
    return tuple(results) if isinstance(output, tuple) else results[0]


def _tied(
    name: str, ctx: FunctionCtx, node: FunctionNode | None, i: int, t: Tensor, args: tuple[Any, ...]
) -> Tensor:
    """Output number `i` with its place in the graph."""
    differentiable = (
        node is not None and t.dtype.category >= FLOAT and not any(t is x for x in ctx.non_differentiable)
    )
    if any(t is x for x in ctx.dirty_tensors):
        return _written(name, Port(node, i), t) if differentiable else t
    as_is = any(t is a for a in args)
    if as_is:
        base, t = t if t._base is None else t._base, t.detach()
        if differentiable:
            t._base, t._derived = base, t._counter.count
    elif t._edge is not None and not differentiable:
        t = t.detach()
    if differentiable:
        t._edge = Port(node, i)
    if modes.grad and (as_is or t._base is not None):
        t._fixed = IN_FUNCTION.replace("{function}", name)
    return t


def _written(name: str, edge: Port, t: Tensor) -> Tensor:
    """An argument that `forward` has written to, from now on a result of the function."""
    if type(t._edge) is Accumulate:
        raise RuntimeError(
            f"{name}: a leaf Variable that requires grad has been used in an in-place operation; pass a "
            "clone() of it"
        )
    result = make(t._current())
    result._edge = edge
    return assign(t, result, None)
