"""`backward` and `grad`: the two ways to ask for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..core.dtype import dtype
from ..core.ghost import beside
from ..core.gradient import split
from ..core.modes import modes
from ..core.node import leaf
from ..core.tensor import Tensor, make
from . import engine

Tensors = Tensor | Sequence[Tensor]
MaybeTensors = Tensor | Sequence[Tensor | None] | None


def _tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _ends(what: str, outputs: tuple[Any, ...], grads: Any, create: bool) -> list[engine.End]:
    """The gradient functions of the outputs, with the gradients to start from (ones for a number)."""
    grads = (None,) * len(outputs) if grads is None else _tuple(grads)
    if len(grads) != len(outputs):
        raise RuntimeError(f"{what}: got {len(outputs)} tensors and {len(grads)} gradients")
    ends: list[engine.End] = []
    for i, (t, g) in enumerate(zip(outputs, grads, strict=True)):
        if not isinstance(t, Tensor):
            raise TypeError(f"{what}: expected a Tensor, got {type(t).__name__}")
        if not t.requires_grad:
            raise RuntimeError(
                f"{what}: element {i} of tensors does not require grad and does not have a grad_fn; did you "
                "compute it under no_grad, or forget requires_grad=True on the parameters?"
            )
        if t._sparse:
            t, g = _of_elements(t, g)
        fn, index = split(t._edge)
        ends.append((fn, index, _start(what, i, t, g, create)))
    return ends


def _of_elements(t: Any, g: Any) -> tuple[Tensor, Any]:
    """The elements of a sparse tensor, from which its pass starts, and the gradient for them."""
    return t._entries, None if g is None else g.sparse_mask(t)._entries


def _start(what: str, i: int, t: Tensor, g: Any, create: bool) -> Tensor:
    """The gradient to start from at `t`, output number `i`."""
    shape, d = t._node.shape, t._node.dtype
    if g is None:
        if t.numel() != 1:
            raise RuntimeError(
                f"{what}: grad can be implicitly created only for scalar outputs, this one has shape "
                f"{shape}; reduce it (.sum(), .mean()) or pass gradient="
            )
        if d.is_complex:
            raise RuntimeError(
                f"{what}: grad can be implicitly created only for real scalar outputs but got {d}; take "
                ".abs() or .real, or pass gradient="
            )
        return beside(make(leaf(_one(shape, d), d)), t)
    if not isinstance(g, Tensor):
        raise TypeError(f"{what}: gradients can be either Tensors or None, but got {type(g).__name__}")
    if g._node.shape != shape:
        raise RuntimeError(
            f"{what}: Mismatch in shape: grad_output[{i}] has a shape of {g._node.shape} and output[{i}] has "
            f"a shape of {shape}"
        )
    if g.is_complex() != d.is_complex:
        raise RuntimeError(
            f"{what}: for complex Tensors, both grad_output and output are required to have the same dtype; "
            f"grad_output[{i}] has a dtype of {g.dtype} and output[{i}] has a dtype of {d}"
        )
    return engine.fit(g if create else g.detach(), shape, d)


@lru_cache(maxsize=256)
def _one(shape: tuple[int, ...], d: dtype) -> np.ndarray:
    """What a pass from a number starts with. Many passes have it, so nobody may write into it."""
    array = np.ones(shape, d.np)
    array.flags.writeable = False
    return array


def _targets(what: str, inputs: Any) -> tuple[Tensor, ...]:
    """The tensors that a pass is limited to."""
    wanted = _tuple(inputs)
    if not wanted:
        raise RuntimeError(f"{what}: `inputs` argument to `{what}()` cannot be empty.")
    for t in wanted:
        if not isinstance(t, Tensor):
            raise RuntimeError(f"{what}: all inputs have to be Tensors, but got {type(t).__name__}")
        if not t.requires_grad:
            raise RuntimeError(f"{what}: One of the differentiated Tensors does not require grad")
    return wanted


def backward(
    tensors: Tensors,
    grad_tensors: MaybeTensors = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: MaybeTensors = None,
    inputs: Tensors | None = None,
) -> None:
    """Adds the gradients of `tensors` to the `.grad` of the leaves that they depend on.

    `grad_tensors` weight the tensors (numbers don't need any), `retain_graph` keeps what a second pass needs
    (default: as `create_graph`), `create_graph` records the pass itself so that it can be differentiated,
    `inputs` limits it to these tensors. `grad_variables` is an old name of `grad_tensors`. RuntimeError if a
    tensor requires no gradient, if one that isn't a number has no gradient to start from, or if a second pass
    needs what the first has freed.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> torch.autograd.backward((x * x).sum()); x.grad
    tensor([2., 4.])
    """
    if modes.transforms:
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "torch.func.grad or torch.func.vjp instead or call backward() outside of the transforms."
        )
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "backward: `grad_tensors` and `grad_variables` (deprecated) arguments both passed; pass "
                "only `grad_tensors`"
            )
        grad_tensors = grad_variables
    targets = None if inputs is None else _targets("backward", inputs)
    ends = _ends("backward", _tuple(tensors), grad_tensors, create_graph)
    for t in targets or ():
        t.retain_grad()
    engine.run(ends, create_graph if retain_graph is None else retain_graph, create_graph, targets, add=True)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: MaybeTensors = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of `outputs` for `inputs`, as a tuple; nothing is added to `.grad`.

    `grad_outputs` weight the outputs (numbers don't need any), `retain_graph` keeps what a second pass needs
    (default: as `create_graph`), `create_graph` records the gradients so that they can be differentiated. An
    input that doesn't matter is a RuntimeError unless `allow_unused` (then None) or `materialize_grads` (then
    zeros). With `is_grads_batched` the first dimension of `grad_outputs` counts weightings, and that of the
    results the gradients for each. `only_inputs` has no other value than True.

    >>> import flambeau as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> (g,) = torch.autograd.grad(x ** 2, x, create_graph=True)
    >>> g.requires_grad, torch.autograd.grad(g, x)
    (True, (tensor(2.),))
    """
    if not only_inputs:
        raise ValueError(
            "grad: only_inputs=False is not supported; call backward() to accumulate into .grad of the leaves"
        )
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "grad: Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False"
        )
    outs, wanted = _tuple(outputs), _targets("grad", inputs)
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        found = _batched(outs, wanted, grad_outputs, keep, create_graph)
    else:
        found = engine.run(
            _ends("grad", outs, grad_outputs, create_graph), keep, create_graph, wanted, add=False
        )
    for i, g in enumerate(found):
        if g is not None and wanted[i]._sparse:
            found[i] = wanted[i]._with(g)  # type: ignore[attr-defined]  # those of its elements
        if g is None and materialize_grads:
            found[i] = engine.zeros(wanted[i]._node.shape, wanted[i].dtype)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: The differentiated Tensor at index {i} appears to not have been used in the graph. "
                "Set allow_unused=True if this is the desired behavior."
            )
    return tuple(found)  # type: ignore[arg-type]


def _batched(
    outs: tuple[Any, ...], wanted: tuple[Tensor, ...], grad_outputs: Any, keep: bool, create: bool
) -> engine.Grads:
    """The results of a pass for each element of the first dimension of `grad_outputs`: one pass for all."""
    starts = _tuple(grad_outputs)
    sizes = {len(g) for g in starts if isinstance(g, Tensor)}
    if len(sizes) != 1 or not min(sizes):
        raise ValueError(
            "grad: with is_grads_batched=True all grad_outputs need a first dimension of the same size, at "
            f"least 1; got {sorted(sizes)}"
        )
    from .vmap import vmap

    found: engine.Grads = []

    def one(*gs: Tensor | None) -> tuple[Tensor, ...]:
        found[:] = engine.run(_ends("grad", outs, gs, create), keep, create, wanted, add=False)
        return tuple(g for g in found if g is not None)

    rows = iter(vmap(one, tuple(0 if isinstance(g, Tensor) else None for g in starts))(*starts))
    return [None if g is None else next(rows) for g in found]


def _backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Adds this tensor's gradients to the `.grad` of the leaves it depends on. See `torch.autograd.backward`.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> (x ** 2).sum().backward(); x.grad
    tensor([2., 4.])
    """
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


Tensor.backward = _backward  # type: ignore[method-assign, assignment]
