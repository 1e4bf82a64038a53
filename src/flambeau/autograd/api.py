"""`backward` and `grad`: the two ways to ask for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..core.tensor import Tensor
from . import engine

Tensors = Tensor | Sequence[Tensor]


def _tuple(x: Any) -> tuple:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _ends(what: str, outputs: tuple, grads: Any, create: bool) -> engine.Ends:
    """The gradient functions of the outputs, with the gradients to start from (ones for a number)."""
    grads = (None,) * len(outputs) if grads is None else _tuple(grads)
    if len(grads) != len(outputs):
        raise RuntimeError(f"{what}: got {len(outputs)} tensors and {len(grads)} gradients")
    ends: engine.Ends = []
    for t, g in zip(outputs, grads, strict=True):
        if not isinstance(t, Tensor):
            raise TypeError(f"{what}: expected a Tensor, got {type(t).__name__}")
        if not t.requires_grad:
            raise RuntimeError(
                f"{what}: element 0 of tensors does not require grad and does not have a grad_fn; did you compute it under no_grad, or "
                "forget requires_grad=True on the parameters?"
            )
        fn, index = engine.split(t._edge)
        ends.append((fn, index, _start(what, t, g, create)))
    return ends


def _start(what: str, t: Tensor, g: Tensor | None, create: bool) -> Tensor:
    if g is None:
        if t.numel() != 1:
            raise RuntimeError(
                f"{what}: grad can be implicitly created only for scalar outputs, this one has shape {tuple(t.shape)}; "
                "reduce it (.sum(), .mean()) or pass gradient="
            )
        return engine.full(1, tuple(t.shape), t.dtype)
    if not isinstance(g, Tensor):
        raise TypeError(f"{what}: gradients can be either Tensors or None, but got {type(g).__name__}")
    if g._node.shape != t._node.shape:
        raise RuntimeError(
            f"{what}: Mismatch in shape: the gradient has a shape of {tuple(g.shape)} and the output has a shape of {tuple(t.shape)}"
        )
    return g if create else g.detach()


def backward(
    tensors: Tensors,
    grad_tensors: Tensors | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Adds the gradients of `tensors` (weighted by `grad_tensors`; 1 for numbers) to the `.grad` of the leaves they depend on.

    `retain_graph` keeps what a second pass needs (default: as `create_graph`), `create_graph` records the pass itself so that it can be
    differentiated, `inputs` limits it to these tensors. RuntimeError if a tensor requires no gradient.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 2.], requires_grad=True)
    >>> torch.autograd.backward((x * x).sum()); x.grad
    tensor([2., 4.])
    """
    outputs = _tuple(tensors)
    targets = None if inputs is None else _tuple(inputs)
    if targets is not None and not targets:
        raise RuntimeError("backward: `inputs` argument to `backward()` cannot be empty.")
    ends = _ends("backward", outputs, grad_tensors, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    for t in targets or ():
        if not t.requires_grad:
            raise RuntimeError("backward: one of the differentiated Tensors does not require grad")
        if not t.is_leaf:
            t.retain_grad()
    engine.run(ends, keep, create_graph, targets, add=True)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Tensors | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of `outputs` for `inputs`, as a tuple; nothing is added to `.grad`.

    An input that doesn't matter is a RuntimeError unless `allow_unused` (then None) or `materialize_grads` (then zeros).

    >>> import flambeau as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> (g,) = torch.autograd.grad(x ** 2, x, create_graph=True)
    >>> g, torch.autograd.grad(g, x)
    (tensor(6., grad_fn=<MulBackward0>), (tensor(2.),))
    """
    if is_grads_batched:
        raise ValueError("grad: is_grads_batched=True is not supported; call grad once for each row of grad_outputs")
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: Expected allow_unused to be True or not passed when materialize_grads=True")
    outs, wanted = _tuple(outputs), _tuple(inputs)
    for t in wanted:
        if not isinstance(t, Tensor):
            raise TypeError(f"grad: expected Tensors as inputs, got {type(t).__name__}")
        if not t.requires_grad:
            raise RuntimeError("grad: One of the differentiated Tensors does not require grad")
    ends = _ends("grad", outs, grad_outputs, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    found = engine.run(ends, keep, create_graph, wanted, add=False)
    for i, g in enumerate(found):
        if g is None and materialize_grads:
            found[i] = engine.full(0, tuple(wanted[i].shape), wanted[i].dtype)
        elif g is None and not allow_unused:
            raise RuntimeError(
                f"grad: One of the differentiated Tensors (number {i}) appears to not have been used in the graph. Set allow_unused=True if "
                "this is the desired behavior."
            )
    return tuple(found)  # type: ignore[arg-type]


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
    backward(self, gradient, retain_graph, create_graph, inputs)


Tensor.backward = _backward  # type: ignore[attr-defined]
