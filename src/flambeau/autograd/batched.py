"""Custom functions under vmap and in forward mode: their own `vmap` and `jvp`, or what follows from
`forward` and `backward`."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..core.ghost import Ghost, Level, ghost_of, top_level
from ..core.gradient import Hooked, Hooks, Port, next_number
from ..core.modes import modes
from ..core.pytree import broadcast_prefix, tree_flatten, tree_map, tree_unflatten
from ..core.tensor import Tensor, make
from ..ops.batching import real_of, tracked
from ..ops.reduction import sum as sum_dims
from . import engine
from .custom import FunctionNode, tie
from .function import Function, FunctionCtx
from .grad_mode import no_grad
from .vmap import front


class VmapInfo(NamedTuple):
    """What a function's own `vmap` is told: how many elements there are, and what random numbers do."""

    batch_size: int
    randomness: str


# ----- forward mode -----


class Transposed(Hooked):
    """Stands, while a function is linearised, for its backward: differentiated for what it begins with, it is
    the function's `jvp`."""

    def __init__(self, node: FunctionNode, gs: list[Any]) -> None:
        self.node = node
        self.places = [i for i, g in enumerate(gs) if g is not None]
        self.edges = tuple(gs[i]._edge for i in self.places)
        self.specs = [(gs[i]._node.shape, gs[i]._node.dtype) for i in self.places]
        self.seq = next_number()
        self.hooks: Hooks | None = None

    def name(self) -> str:
        """The name shown in printed tensors."""
        return self.node.name() + "Transposed"

    def results(self) -> int:
        """One for each tensor that the function took."""
        return len(self.node.tensor_args)

    def release(self) -> None:
        """Nothing of its own has been saved."""

    def apply(self, ts: list[Any], needed: list[bool]) -> list[Any]:
        """The tangents of the outputs from those of the inputs."""
        node = self.node
        tangents: list[Any] = [None] * len(node.ctx.needs_input_grad)
        for i, t, spec in zip(node.tensor_args, ts, node.specs, strict=True):
            tangents[i] = engine.zeros(*spec) if t is None and node.ctx.materialize_grads else t
        node.ctx.forwards = True
        try:
            found = node.function.jvp(node.ctx, *tangents)
        finally:
            node.ctx.forwards = False
        found = found if isinstance(found, tuple) else (found,)
        return [found[i] for i in self.places]


def transposed(node: FunctionNode, gs: list[Any]) -> list[Any]:
    """Zeros whose history is the function's own `jvp`, turned round."""
    fn = Transposed(node, gs)
    found = []
    for i, spec in enumerate(node.specs):
        g = engine.zeros(*spec)
        if spec[1].category >= 2:
            g._edge = Port(fn, i)
        found.append(g)
    return found


# ----- batches -----


def apply_to_batch(cls: type[Function], args: tuple[Any, ...]) -> Any:
    """A call with tensors of a batch among its arguments; NotImplemented if `forward` can run on them as it
    is, since nothing outside is differentiated."""
    level = top_level(tuple(a._current() for a in args if isinstance(a, Tensor)))
    if level.depth == 0:
        return NotImplemented
    own = cls.vmap is not Function.vmap
    if own and cls.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True and an "
            "overridden "
            "vmap staticmethod. Please set generate_vmap_rule=False or delete the overridden vmap "
            "staticmethod"
        )
    outside = modes.grad and any(isinstance(a, Tensor) and tracked(_real(a, level)[0]) for a in args)
    if not own and not outside:
        return NotImplemented
    inside = modes.grad and any(isinstance(a, Tensor) and _at(a, level) and a._edge is not None for a in args)
    in_two_steps = cls.setup_context is not Function.setup_context
    if inside and not in_two_steps:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, "
            "...), it "
            f"must override the setup_context staticmethod: {cls.__name__} has none"
        )
    output = _own_rule(cls, args, level) if own else _derived(cls, args, level)
    if not inside:
        return output
    ctx = FunctionCtx()
    ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a.requires_grad for a in args])
    node = cls._node_class(ctx, args)
    with no_grad():
        cls.setup_context(ctx, args, output)
    return tie(cls.__name__, ctx, node, args, output)


def _at(t: Tensor, level: Level) -> bool:
    ghost = ghost_of(t)
    return ghost is not None and ghost.level is level


def _real(t: Any, level: Level) -> tuple[Any, bool]:
    """What an argument stands for at a level, and whether it has a batch."""
    ghost = ghost_of(t) if isinstance(t, Tensor) else None
    if ghost is None or ghost.level is not level:
        return t, False
    return ghost.real, ghost.batched


def _ghost(t: Tensor, level: Level) -> Tensor:
    return make(Ghost(tuple(t._node.shape[1:]), t._node.dtype, level, t, True))


def _own_rule(cls: type[Function], args: tuple[Any, ...], level: Level) -> Any:
    """The function's `vmap(info, in_dims, *args)`, which returns outputs and their dimensions."""
    reals = [_real(a, level) for a in args]
    levels, modes.levels = modes.levels, tuple(x for x in modes.levels if x.depth < level.depth)
    try:
        dims = tuple(0 if b else None for _, b in reals)
        found = cls.vmap(VmapInfo(level.size, level.randomness), dims, *[x for x, _ in reals])
        if not isinstance(found, tuple) or len(found) != 2:
            raise RuntimeError(
                f"Expected the vmap staticmethod of {cls.__name__} to have two returns (output, out_dims), "
                "got "
                f"{type(found)}"
            )
        leaves, spec = tree_flatten(found[0])
        where = broadcast_prefix(found[1], spec, lambda d: d is None or isinstance(d, int))
        if where is None:
            raise RuntimeError(f"{cls.__name__}.vmap: out_dims {found[1]} don't fit the outputs {spec}")
        moved = [
            x if d is None or not isinstance(x, Tensor) else front(x, d % x.ndim)
            for x, d in zip(leaves, where, strict=True)
        ]
    finally:
        modes.levels = levels
    ghosts = [x if d is None else _ghost(x, level) for x, d in zip(moved, where, strict=True)]
    return tree_unflatten(ghosts, spec)


def _derived(cls: type[Function], args: tuple[Any, ...], level: Level) -> Any:
    """The function of the whole batch whose forward and backward are those of one element, for all."""
    reals = [_real(a, level) for a in args]
    levels, modes.levels = modes.levels, tuple(x for x in modes.levels if x.depth < level.depth)
    try:
        output = _for_all(cls, level, [b for _, b in reals]).apply(*[x for x, _ in reals])
    finally:
        modes.levels = levels
    return tree_map(lambda x: _ghost(x, level) if isinstance(x, Tensor) else x, output)


def _for_all(cls: type[Function], level: Level, along: list[bool]) -> type[Function]:
    """The class of that function."""

    class Batched(Function):
        @staticmethod
        def forward(ctx: Any, *reals: Any) -> Any:
            inner = FunctionCtx()
            inner.needs_input_grad = ctx.needs_input_grad
            elements = [_ghost(x, level) if b else x for x, b in zip(reals, along, strict=True)]
            with _at_level(level):
                if cls.setup_context is not Function.setup_context:
                    output = cls.forward(*elements)
                    cls.setup_context(inner, tuple(elements), output)
                else:
                    output = cls.forward(inner, *elements)
            saved = [(None, False) if t is None else _real(t, level) for t in inner.to_save]
            given = {id(e): x for e, x in zip(elements, reals, strict=True) if isinstance(e, Tensor)}
            ctx.save_for_backward(
                *[given.get(id(t), x) for t, (x, _) in zip(inner.to_save, saved, strict=True)]
            )
            ctx.inner, ctx.along = inner, [b for _, b in saved]
            return tree_map(lambda t: real_of(t, level) if isinstance(t, Tensor) else t, output)

        @staticmethod
        def backward(ctx: Any, *gs: Any) -> Any:
            inner = ctx.inner
            saved = zip(ctx.saved_tensors, ctx.along, strict=True)
            inner.given = tuple(_ghost(x, level) if b else x for x, b in saved)
            level.alive = True
            try:
                with _at_level(level):
                    found = cls._gradient(inner, *[None if g is None else _ghost(g, level) for g in gs])
                found = found if isinstance(found, tuple) else (found,)
                return tuple(
                    None if g is None else real_of(g, level) if b else sum_dims(real_of(g, level), (0,))
                    for g, b in zip(found, along, strict=True)
                )
            finally:
                level.alive = False

    Batched.__name__ = Batched.__qualname__ = cls.__name__
    Batched._node_class = type(cls.__name__ + "Backward", (FunctionNode,), {"function": Batched})
    return Batched


class _at_level:
    """A level as the innermost one."""

    def __init__(self, level: Level) -> None:
        self.level = level

    def __enter__(self) -> None:
        self.before, modes.levels = modes.levels, (*modes.levels, self.level)

    def __exit__(self, *exc: object) -> None:
        modes.levels = self.before
