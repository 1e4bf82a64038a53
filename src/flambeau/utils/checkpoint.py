"""Trading time for memory: parts of a network whose inner values are computed again in the backward pass."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from ..autograd.engine import Grads, Pass
from ..autograd.function import Function
from ..autograd.grad_mode import enable_grad, no_grad
from ..core.gradient import Accumulate, Nowhere, next_number, split
from ..core.modes import modes
from ..core.node import LEAF, Node
from ..core.realize import recorder
from ..core.tensor import Tensor, make
from ..functions.random import fork_rng, get_rng_state, set_rng_state

Context = contextlib.AbstractContextManager[Any]


class CheckpointError(RuntimeError):
    """A recomputation that gave something else than the first computation.

    >>> import flambeau as torch
    >>> issubclass(torch.utils.checkpoint.CheckpointError, RuntimeError)
    True
    """


def noop_context_fn() -> tuple[Context, Context]:
    """Contexts in which nothing is different, for the first computation and for the next.

    >>> import flambeau as torch
    >>> len(torch.utils.checkpoint.noop_context_fn())
    2
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """A block in which recomputation stops early or doesn't: it makes no difference, as what nobody reads is
    not computed.

    >>> import flambeau as torch
    >>> with torch.utils.checkpoint.set_checkpoint_early_stop(False):
    ...     x = torch.ones(1)
    """
    yield


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Context, Context]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args, **kwargs)`, of which only arguments and results are kept for the backward pass.

    What lies between is computed again when its gradients are needed, with the same random numbers. That
    takes
    the memory of one such part instead of all, and a second computation. Gradients flow to the arguments and
    to whatever else the function uses, such as parameters.

    Args:
        function: computes tensors from tensors, the same each time.
        args, kwargs: its arguments.
        use_reentrant: with True, as in PyTorch, one of `args` must require grad for gradients to flow.
        preserve_rng_state: (by keyword, default True) whether the second computation draws the same random
            numbers as the first.
        context_fn: gives two contexts: for the first computation and for the next.
        determinism_check: "default" compares shapes and dtypes of the results; "none" does not.
        debug, early_stop: accepted for PyTorch's sake; they make no difference.

    Raises:
        ValueError: an unknown `determinism_check`, or with `use_reentrant` keyword arguments.
        CheckpointError: in the backward pass, if the results have other shapes or dtypes than at first.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
        >>> y = torch.utils.checkpoint.checkpoint(layer, torch.ones(2, 4), use_reentrant=False)
        >>> y.sum().backward(); layer[0].weight.grad.shape
        torch.Size([8, 4])
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant and kwargs:
        raise ValueError(
            f"checkpoint: Unexpected keyword arguments: {', '.join(kwargs)}; use_reentrant=False"
        )
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"checkpoint: determinism_check should be one of 'default', 'none', got {determinism_check!r}"
        )
    if use_reentrant and modes.grad and not any(isinstance(a, Tensor) and a.requires_grad for a in args):
        warnings.warn(
            "checkpoint: None of the inputs have requires_grad=True. Gradients will be None; pass "
            "use_reentrant=False if parameters are to get some",
            stacklevel=2,
        )
        with no_grad():
            return function(*args)
    first, again = context_fn()
    if not modes.grad:
        with first:
            return function(*args, **kwargs)
    return _Call(function, args, kwargs, preserve, again, determinism_check == "default").run(first)


class _Call:
    """One call of a function, which can be repeated."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        preserve: bool,
        again: Context,
        check: bool,
    ) -> None:
        self.function, self.args, self.kwargs, self.again, self.check = function, args, kwargs, again, check
        self.state = get_rng_state() if preserve else None
        self.casting = modes.autocast, modes.casting
        self.specs: list[tuple[Any, Any]] = []

    def run(self, context: Context) -> Any:
        """The first computation. What it recorded is let go again; a single function stands for it."""
        start = next_number()
        with context:
            result = self.function(*self.args, **self.kwargs)
        found: list[Tensor] = []
        _map(result, found.append)
        borders = _borders(found, start)
        if not borders:
            return result
        self.specs = [t._current().spec() for t in found]
        outputs = iter(_Recomputed.apply(self, tuple(t.detach() for t in found), *borders))
        made = _map(result, lambda t: next(outputs) if t._edge is not None else t)
        del result, found
        recorder.flush("checkpoint")  # so that what is computed again is not remembered from here
        return made

    def repeat(self) -> list[Tensor]:
        """The tensors of the result, computed again."""
        randomness = fork_rng(enabled=self.state is not None)
        with enable_grad(), randomness, _autocast(*self.casting), self.again:
            if self.state is not None:
                set_rng_state(self.state)
            result = self.function(*self.args, **self.kwargs)
        found: list[Tensor] = []
        _map(result, found.append)
        specs = [t._current().spec() for t in found]
        if self.check and specs != self.specs:
            raise CheckpointError(
                f"checkpoint: the recomputed results have shapes and dtypes {specs}, those of the first "
                f"computation were {self.specs}; the function must do the same each time"
            )
        return found


@contextlib.contextmanager
def _autocast(dtype: Any, casting: Any) -> Iterator[None]:
    """A block in which autocast is set as it was."""
    before = modes.autocast, modes.casting
    modes.autocast, modes.casting = dtype, casting
    try:
        yield
    finally:
        modes.autocast, modes.casting = before


class _Recomputed(Function):
    """What stands in the graph for the call of a checkpointed function: its inputs are the places in the
    graph where the function began."""

    @staticmethod
    def forward(ctx: Any, call: _Call, outputs: tuple[Tensor, ...], *borders: Tensor) -> Any:
        ctx.call, ctx.borders = call, borders
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    def backward(ctx: Any, *gs: Tensor | None) -> Any:
        pairs = [
            (t, g) for t, g in zip(ctx.call.repeat(), gs, strict=True) if g is not None and t.requires_grad
        ]
        if not pairs:
            return (None,) * (2 + len(ctx.borders))
        ends = [(*split(t._edge), g) for t, g in pairs]
        work = _UpTo(ends, keep=modes.grad, create=modes.grad, targets=ctx.borders, add=False)
        work.run()
        return None, None, *[work.found.get(target) for target in work.targets]


class _UpTo(Pass):
    """A backward pass that ends at its targets, whose hooks are left to the pass that goes on from there."""

    def _survey(self, roots: list[Any]) -> set[Any]:
        seen: set[Any] = set()
        stack = list(roots)
        while stack:
            fn = stack.pop()
            if type(fn) is Accumulate:
                self.missing[fn] = self.missing.get(fn, 0) + 1
            elif fn not in seen:
                seen.add(fn)
                if fn not in self.wanted:
                    stack.extend([split(e)[0] for e in fn.edges if e is not None])
        return seen

    def _limit(self, within_reach: set[Any], add: bool) -> None:
        super()._limit(within_reach, add)
        assert self.active is not None
        self.active -= set(self.wanted)

    def _tensor_hooks(self, fn: Any, gs: Grads) -> Grads:
        return gs if fn in self.wanted else super()._tensor_hooks(fn, gs)


def _map(result: Any, f: Callable[[Tensor], Any]) -> Any:
    """The result with `f` of each tensor in it, in nested tuples, lists and dicts."""
    if isinstance(result, Tensor):
        return f(result)
    if isinstance(result, dict):
        return {key: _map(value, f) for key, value in result.items()}
    if isinstance(result, tuple | list):
        parts = [_map(x, f) for x in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


def _borders(outs: list[Tensor], start: int) -> list[Tensor]:
    """Stand-ins for the tensors that were there before number `start` and that gradients flow to from
    `outs`."""
    found: dict[Any, Tensor] = {}
    seen = set()
    stack = [(t._edge, t._current().spec()) for t in outs if t.requires_grad]
    while stack:
        edge, spec = stack.pop()
        fn, index = split(edge)
        if type(fn) is Accumulate or fn.seq < start:
            if (fn, index) not in found:
                found[fn, index] = make(Node(LEAF, (), (), *spec))
                found[fn, index]._edge = edge
        elif fn not in seen:
            seen.add(fn)
            pairs = zip(fn.edges, fn.specs, strict=True)
            stack.extend([(e, s) for e, s in pairs if e is not None and type(e) is not Nowhere])
    return list(found.values())


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """The modules or functions one after the other, in `segments` parts of which all but the last are
    checkpointed.

    Args:
        functions: a `Sequential`, or a list of functions or modules.
        segments: how many parts.
        input: what the first one gets.
        use_reentrant: see `checkpoint`.
        preserve_rng_state: see `checkpoint`.

    Raises:
        ValueError: unexpected keyword arguments.

    Example:
        >>> import flambeau as torch
        >>> net = torch.nn.Sequential(*[torch.nn.Linear(3, 3) for _ in range(4)])
        >>> x = torch.ones(2, 3, requires_grad=True)
        >>> torch.utils.checkpoint.checkpoint_sequential(net, 2, x, use_reentrant=False).shape
        torch.Size([2, 3])
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"checkpoint_sequential: Unexpected keyword arguments: {', '.join(kwargs)}")
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)
    size = len(parts) // segments
    for i in range(segments - 1):
        run = _chain(parts[i * size : (i + 1) * size])
        input = checkpoint(run, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _chain(parts[(segments - 1) * size :])(input)


def _chain(parts: list[Any]) -> Callable[[Any], Any]:
    def run(x: Any) -> Any:
        for part in parts:
            x = part(x)
        return x

    return run
