"""The backward pass: walks gradient functions from the newest to the oldest and records their formulas.

Gradient functions are numbered as they are recorded, and each is younger than those it feeds, so taking
always the youngest of those waiting means that everything that flows into it has arrived. A leaf is done as
soon as the last gradient for it has arrived. No recursion.

At a function, in this order: hooks of its results (`Tensor.register_hook`), retained gradients, hooks before
it, its formulas, hooks after it. At a leaf: hooks of the tensor, hooks before, the sum into `.grad`, hooks on
the accumulated gradient, hooks after.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

from ..core import dtype as dt
from ..core.gradient import Accumulate, GradNode, History, Hooks, Port, Spent, next_number, split
from ..core.modes import modes
from ..core.realize import recorder
from ..core.tensor import Tensor
from ..ops.creation import full
from ..ops.kinds import cast
from ..ops.reduction import sum as sum_dims
from ..ops.view import clone, reshape
from . import template as templates
from .anomaly_mode import anomaly

End = tuple[Any, int, Tensor]  # gradient function, which of its results, the gradient for it
Grads = list[Tensor | None]


def fit(g: Tensor, shape: tuple[Any, ...], d: dt.dtype) -> Tensor:
    """A gradient in the shape and dtype of what it belongs to: summed over broadcast dimensions, and cast."""
    have = g._node.shape
    if have != shape:
        extra = len(have) - len(shape)
        dims = (*range(extra), *(i for i in range(extra, len(have)) if shape[i - extra] == 1 != have[i]))
        inside = len(dims) > extra
        if dims:
            g = sum_dims(g, dims, inside)
        if extra > 0 and inside:
            g = reshape.plain(g, (shape,))
    if g._node.dtype is not d:
        g = cast(g.real if g.is_complex() and not d.is_complex else g, d)
    return g


class Pass:
    """One backward pass: the gradients that have arrived at functions not yet run, and where to stop."""

    def __init__(
        self,
        ends: list[End],
        keep: bool,
        create: bool,
        targets: Sequence[Tensor] | None,
        add: bool,
        capturing: templates.Capture | None = None,
    ) -> None:
        self.keep, self.create = keep, create
        self.capture = targets is not None and not add  # the gradients are returned, no leaf gets any
        self.targets = [] if targets is None else [split(t._edge) for t in targets]
        self.wanted: dict[Any, set[int]] = {}  # the targets as results of functions
        for fn, index in self.targets:
            self.wanted.setdefault(fn, set()).add(index)
        self.found: dict[tuple[Any, int], Tensor | None] = {}
        self.capturing = capturing  # what makes a template of this pass
        self.arrived: dict[Any, Grads] = {}
        self.waiting: list[tuple[int, int, Any]] = []
        self.missing: dict[Accumulate, int] = {}  # how many gradients are yet to arrive at a leaf
        within_reach = self._survey([fn for fn, _, _ in ends])
        self.useful: set[Any] | None = None  # functions to send gradients to (None: all)
        self.active: set[Any] | None = (
            None  # functions to run (None: all); a target at which the pass ends isn't
        )
        if targets is not None:
            self._limit(within_reach, add)
        for fn, index, g in ends:
            self.send(fn, index, g)

    def _survey(self, roots: list[Any]) -> set[Any]:
        """Counts the gradients that each leaf has to wait for. Returns the functions within reach."""
        seen: set[Any] = set()
        stack: list[Sequence[Any]] = [roots]
        while stack:
            for fn in stack.pop():
                if fn is None:
                    continue
                if type(fn) is Port:
                    fn = fn.fn
                if type(fn) is Accumulate:
                    self.missing[fn] = self.missing.get(fn, 0) + 1
                elif fn not in seen:
                    seen.add(fn)
                    stack.append(fn.edges)
        return seen

    def _limit(self, within_reach: set[Any], add: bool) -> None:
        """Leaves out what lies on no way to a target. Oldest first: what a function feeds comes before it."""
        useful, active = set(self.wanted), set(self.wanted) if add else set()
        for fn in sorted(within_reach, key=lambda fn: fn.seq):
            if type(fn) is Spent:  # may have led to a target, so it is an error if the pass comes here
                leads_on = any(t.seq <= fn.seq or type(t) is Accumulate for t in self.wanted)
            else:
                leads_on = any(e is not None and split(e)[0] in useful for e in fn.edges)
            if leads_on:
                useful.add(fn)
                active.add(fn)
        self.useful, self.active = useful, active

    def send(self, fn: Any, index: int, g: Tensor | None) -> None:
        """Adds a gradient (or None for one of zeros) to what has arrived at result `index` of `fn`."""
        if self.useful is not None and fn not in self.useful:
            return
        gs = self.arrived.get(fn)
        if gs is None:
            if type(fn) is Accumulate:
                gs = [None]
            else:
                gs = [None] * fn.results()
                heapq.heappush(self.waiting, (-fn.seq, id(fn), fn))  # stand-ins may share a number
            self.arrived[fn] = gs
        if g is not None:
            before = gs[index]
            gs[index] = g if before is None else before + g if type(before) is Tensor else g + before
        if type(fn) is Accumulate:
            self.missing[fn] -= 1
            if not self.missing[fn]:
                self._finish(fn, self.arrived.pop(fn))

    def run(self) -> None:
        """Runs the functions, each when all gradients for it are there."""
        while self.waiting:
            _, _, fn = heapq.heappop(self.waiting)
            gs = self.arrived.pop(fn)
            if self.active is None or fn in self.active:
                if self.capture:  # before the hooks, as in PyTorch, where the pass goes on
                    self._take(fn, gs)
                self._run(fn, self._tensor_hooks(fn, gs))
            else:
                self._take(fn, self._tensor_hooks(fn, gs))

    def _take(self, fn: Any, gs: Grads) -> None:
        for index in self.wanted.get(fn, ()):
            self.found[fn, index] = gs[index]

    def _run(self, fn: Any, gs: Grads) -> None:
        hooks = fn.hooks
        if hooks is not None and hooks.before:
            gs = _replace(hooks.before, gs)
        useful = self.useful
        needed = [e is not None and (useful is None or split(e)[0] in useful) for e in fn.edges]
        inputs = anomaly.apply(fn, gs, needed) if anomaly.enabled else fn.apply(gs, needed)
        for i, g in enumerate(inputs):
            if g is not None and not needed[i]:
                inputs[i] = None
            elif g is not None:
                shape, d = fn.specs[i]
                if g._node.shape != shape or g._node.dtype is not d:
                    inputs[i] = fit(g, shape, d)
        if hooks is not None and hooks.after:
            inputs = _replace(hooks.after, inputs, gs)
        if not self.keep:
            fn.release()
        for e, g in zip(fn.edges, inputs, strict=True):
            if e is not None:
                self.send(*split(e), g)

    def _finish(self, leaf: Accumulate, gs: Grads) -> None:
        """What happens at a leaf once its gradient is there."""
        gs = self._tensor_hooks(leaf, gs)
        if self.capture:
            self._take(leaf, gs)
            return
        hooks = leaf.hooks
        if hooks is not None and hooks.before:
            gs = _replace(hooks.before, gs)
        if self.capturing is not None:
            self.capturing.gradients[leaf] = gs[0]
            return
        tensor = _add_to(leaf, gs[0], self.create)
        if tensor is not None:
            for hook in list(hooks.accumulated.values()) if hooks is not None else ():
                if hook(tensor) is not None:
                    raise TypeError(
                        f"hook {_name(hook)!r}: a hook on an accumulated gradient must return None"
                    )
        if hooks is not None and hooks.after:
            _replace(hooks.after, [], gs)

    def _tensor_hooks(self, fn: Any, gs: Grads) -> Grads:
        """The gradients of the results after the hooks on the tensors."""
        hooks: Hooks | None = fn.hooks
        if hooks is None:
            return gs
        for index, hook in list(hooks.tensor.values()):
            _give(gs)
            replaced = hook(gs[index])
            if replaced is not None:
                gs[index] = _checked(hook, gs[index], replaced)
        for index, ref in hooks.retained.items():
            tensor, g = ref(), gs[index]
            if tensor is not None and g is not None and split(tensor._edge) == (fn, index):
                tensor._grad = clone(g) if tensor._grad is None else tensor._grad + g
        return gs


def _name(hook: Any) -> str:
    return str(getattr(hook, "__name__", type(hook).__name__))


def _give(gs: Sequence[Tensor | None]) -> None:
    """Marks gradients that user code gets to see, and may keep."""
    for g in gs:
        if g is not None:
            g._given = True


def _replace(hooks: dict[int, Any], gs: Grads, *seen: Grads) -> Grads:
    """What the hooks `hook(gs, *seen)` make of the gradients `gs`."""
    for hook in list(hooks.values()):
        _give(gs)
        replaced = hook(tuple(gs), *map(tuple, seen))
        if replaced is None:
            continue
        if not isinstance(replaced, tuple):
            raise TypeError(
                f"hook {_name(hook)!r}: expected tuple, but hook returned {type(replaced).__name__!r}"
            )
        if len(replaced) != len(gs):
            raise RuntimeError(
                f"hook {_name(hook)!r} has returned an incorrect number of values (got {len(replaced)}, but "
                f"expected {len(gs)})"
            )
        gs = [_checked(hook, old, new) for old, new in zip(gs, replaced, strict=True)]
    return gs


def _checked(hook: Any, old: Tensor | None, new: Any) -> Tensor | None:
    """What a hook returned for a gradient: None, or a tensor like it."""
    if new is None:
        return None
    if not isinstance(new, Tensor):
        raise TypeError(f"hook {_name(hook)!r}: expected a Tensor, but hook returned {type(new).__name__!r}")
    if old is None:
        raise RuntimeError(f"hook {_name(hook)!r}: can't replace a None gradient with a non-None value")
    if new._node.shape != old._node.shape:
        raise RuntimeError(
            f"hook {_name(hook)!r} has changed the size of value (was {tuple(old.shape)}, got "
            f"{tuple(new.shape)})"
        )
    if new._node.dtype is not old._node.dtype:
        raise RuntimeError(
            f"hook {_name(hook)!r} has changed the type of value (was {old.dtype}, got {new.dtype})"
        )
    _give([new])
    return new


def run_formulas(fn: GradNode, gs: Grads, needed: list[bool]) -> Grads:
    """The gradients towards the needed inputs of a recorded operation, by its formulas."""
    if fn.op.joint:
        return [x if need else None for x, need in zip(fn.op.gradient(fn, 0, gs), needed, strict=True)]
    if fn.results() == 1:
        g: Any = gs[0]
        if g is None:
            return [None] * len(needed)
    else:
        g = tuple(zeros(*spec) if x is None else x for x, spec in zip(gs, fn.outputs, strict=True))
    gradient = fn.op.gradient
    return [gradient(fn, i, g) if need else None for i, need in enumerate(needed)]


GradNode.run_formulas = staticmethod(run_formulas)


def zeros(shape: tuple[Any, ...], d: dt.dtype) -> Tensor:
    """A gradient of nothing."""
    return full(0, shape, d)


def _add_to(leaf: Accumulate, g: Tensor | None, create: bool) -> Tensor | None:
    """Adds a gradient to the leaf's `.grad`; returns the leaf, if anybody still holds it."""
    tensor = leaf._leaf()
    if tensor is not None and g is not None and tensor._edge is not None:
        if (
            not (tensor._edge is leaf and tensor._base is None) and not tensor.is_leaf
        ):  # its memory was written to, with gradients, through another tensor
            raise RuntimeError("leaf variable has been moved into the graph interior")
        _accumulate(tensor, g, create)
    return tensor


def _accumulate(leaf: Tensor, g: Tensor, create: bool) -> None:
    """Adds to the leaf's `.grad`, in place if the sum itself is not differentiated."""
    if g._sparse or (leaf._grad is not None and leaf._grad._sparse):
        _accumulate_sparse(leaf, g)
    elif leaf._grad is not None:
        leaf._grad = leaf._grad + g if create else leaf._grad.add_(g)
    elif create or g._storage is not None or g._given:  # also another leaf's, a view's, known to a hook
        leaf._grad = clone(g)
    else:
        g._given = True
        leaf._grad = g


def _accumulate_sparse(leaf: Tensor, g: Tensor) -> None:
    """The same where one is sparse: the sum is, if both are."""
    old = leaf._grad
    if old is None:
        leaf._grad = g
    else:
        leaf._grad = g + old if old._sparse and not g._sparse else old + g


_afterwards: list[Callable[[], None]] = []


def queue_callback(act: Callable[[], None]) -> None:
    """Calls `act` at the end of the backward pass that goes on."""
    _afterwards.append(act)


def run(ends: list[End], keep: bool, create: bool, targets: Sequence[Tensor] | None, add: bool) -> Grads:
    """Runs a backward pass. One limited to `targets` adds to their `.grad`, or else returns their
    gradients.
    """
    outer = _afterwards[:]
    _afterwards.clear()
    try:
        found = _run_pass(ends, keep, create, targets, add)
        for act in _afterwards:
            act()
        return found
    finally:
        _afterwards[:] = outer


def _run_pass(
    ends: list[End], keep: bool, create: bool, targets: Sequence[Tensor] | None, add: bool
) -> Grads:
    before, casting = modes.grad, modes.autocast
    modes.grad, modes.autocast = create, None  # formulas are in the dtypes of their operations already
    try:
        plain = targets is None and not (keep or create or recorder.ghosts or anomaly.enabled)
        if plain and recorder.tape is None:
            _repeat(ends)
            return []
        work = Pass(ends, keep, create, targets, add)
        work.run()
    finally:
        modes.grad, modes.autocast = before, casting
        History.pass_ = next_number()
    return [work.found.get(target) for target in work.targets]


def _repeat(ends: list[End]) -> None:
    """A pass that adds to the leaves' `.grad` and uses the graph up: by a template if there is one."""
    found = templates.survey(ends)
    template = None if found is None else templates.lookup(found)
    if found is not None and template:
        gradients = templates.replay(template, ends, found)  # type: ignore[arg-type]
        if gradients is not None:
            for fn in found.functions:
                fn.release()
            for leaf, g in zip(found.leaves, gradients, strict=True):
                _add_to(leaf, g, create=False)
            return
    capturing = templates.Capture(ends, found) if found is not None and template is False else None
    Pass(ends, keep=False, create=False, targets=None, add=True, capturing=capturing).run()
    if capturing is not None:
        capturing.finish()
        for leaf, g in capturing.gradients.items():
            _add_to(leaf, g, create=False)
