"""Jacobians, Hessians and products with them, for functions of tensors: `torch.autograd.functional`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import dtype as dt
from ..core.gradient import split
from ..core.modes import modes
from ..core.node import Version
from ..core.tensor import Tensor, _alias, make
from ..ops.batching import stack
from ..ops.creation import full
from ..ops.view import permute
from .engine import run
from .transforms import _basis, _Pushforward, _split_rows, differentiating, zeros_for
from .vmap import vmap

Tensors = Any


def _several(x: Any, what: str, function: str) -> tuple[bool, tuple[Tensor, ...]]:
    """Whether tensors came as a tuple, and the tuple. TypeError for anything else."""
    several = isinstance(x, tuple)
    found = x if several else tuple(x) if isinstance(x, list) else (x,)
    for i, t in enumerate(found):
        if not isinstance(t, Tensor):
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the value "
                f"at index {i} has type {type(t)}."
                if several
                else f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the "
                f"given {what} has type {type(t)}."
            )
    return several or isinstance(x, list), found


def _single(found: Any, several: bool) -> Any:
    return tuple(found) if several else found[0]


class _Call:
    """A call of the user's function on inputs to differentiate for: inputs, outputs, and whether each came as
    a tuple. With `create_graph` what comes of it can be differentiated for the user's own inputs."""

    def __init__(
        self, name: str, func: Callable[..., Any], inputs: Tensors, create_graph: bool, strict: bool
    ):
        self.name, self.create, self.strict = name, create_graph, strict
        self.several_inputs, given = _several(inputs, "inputs", name)
        with _grad_on():
            self.inputs = tuple(_input(x, create_graph) for x in given)
            self.several_outputs, self.outputs = _several(
                func(*self.inputs), "outputs of the user-provided function", name
            )
        if strict:
            for i, y in enumerate(self.outputs):
                if not y.requires_grad:
                    raise RuntimeError(
                        f"Output {i} of the user-provided function does not require gradients. The outputs "
                        "must "
                        f"be computed in a differentiable manner from the input when running in strict mode."
                    )

    def number(self) -> None:
        """RuntimeError unless the function returned one number."""
        y = self.outputs[0]
        if self.several_outputs or y.numel() != 1:
            raise RuntimeError(
                f"The Tensor returned by the function given to {self.name} should contain a single "
                "element; it "
                f"has shape {tuple(y.shape)}"
            )

    def weights(self, v: Tensors, like: tuple[Tensor, ...], several: bool, what: str) -> tuple[Tensor, ...]:
        """`v` if it fits, ones for a number if it was left out."""
        if v is None:
            if len(like) != 1 or like[0].numel() != 1:
                raise RuntimeError(
                    f"The vector v can only be None if the {what} is a Tensor with a single element; pass v"
                )
            return (full(1, like[0]._node.shape, like[0]._node.dtype),)
        _, vs = _several(v, "v", self.name)
        if len(vs) != len(like):
            raise RuntimeError(
                f"{self.name}: v is a tuple of invalid length: should be {len(like)} but got {len(vs)}."
            )
        for i, (x, y) in enumerate(zip(vs, like, strict=True)):
            if x._node.shape != y._node.shape:
                raise RuntimeError(
                    f"{self.name}: Entry {i} in v has invalid size: should be {y.shape} but got {x.shape}."
                )
        return vs

    def gradients(self, ys: Any, gs: Any, xs: Any, create: bool | None = None) -> list[Tensor]:
        """The gradients of `ys`, weighted with `gs`, for `xs`, with zeros for what doesn't matter."""
        create = self.create if create is None else create
        ends = [(*split(y._edge), g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
        found: list[Any] = run(ends, True, create, xs, add=False) if ends else [None] * len(xs)
        for i, g in enumerate(found):
            if g is None:
                if self.strict:
                    raise RuntimeError(
                        f"The output of the user-provided function is independent of input {i}. This is not "
                        "allowed in strict mode."
                    )
                found[i] = zeros_for(xs[i])
        return found

    def finished(self, found: Any) -> Any:
        """A result, outside of history unless a graph was asked for."""
        if isinstance(found, tuple):
            return tuple(self.finished(x) for x in found)
        return found if self.create else found.detach()


class _grad_on:
    def __enter__(self) -> None:
        self.before, modes.grad = modes.grad, True

    def __exit__(self, *exc: object) -> None:
        modes.grad = self.before


def _input(x: Tensor, create_graph: bool) -> Tensor:
    """A tensor to differentiate for: a leaf of its own, or (with `create_graph`) one that leads on to `x`."""
    if create_graph and x.requires_grad:
        return x.view_as(x)
    if x._node.dtype.category < dt.FLOAT:
        raise RuntimeError(
            f"only Tensors of floating point and complex dtype can require gradients, got {x.dtype}"
        )
    leaf = make(_alias(x._current(), Version()))
    leaf.requires_grad = True
    return leaf


def vjp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The value of `func`, and v^T J: the gradient of its outputs, weighted with `v`, for `inputs`.

    `v` may be left out for one number. `create_graph`: the results can be differentiated; `strict`:
    RuntimeError for outputs that don't depend on the inputs, instead of zeros.

    >>> import flambeau as torch
    >>> torch.autograd.functional.vjp(lambda x: x ** 2, torch.tensor([1., 2.]), torch.ones(2))
    (tensor([1., 4.]), tensor([2., 4.]))
    """
    call = _Call("vjp", func, inputs, create_graph, strict)
    vs = call.weights(v, call.outputs, call.several_outputs, "user-provided function returns")
    found = call.gradients(call.outputs, vs, call.inputs)
    return (
        call.finished(_single(call.outputs, call.several_outputs)),
        call.finished(_single(found, call.several_inputs)),
    )


def _along(call: _Call, ys: Any, vs: Any) -> list[Tensor]:
    """J v, as the gradient of u -> J^T u."""
    with _grad_on():
        us = [full(0, y._node.shape, y._node.dtype) for y in ys]
        for u in us:
            u.requires_grad = True
        back = call.gradients(ys, us, call.inputs, create=True)
        live = [i for i, y in enumerate(ys) if y.requires_grad]
        strict, call.strict = call.strict, False
        found = iter(call.gradients(back, vs, [us[i] for i in live]))
        call.strict = strict
    return [next(found) if i in live else zeros_for(u) for i, u in enumerate(us)]


def jvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The value of `func`, and J v: how its outputs change along `v`. Arguments as for `vjp`.

    >>> import flambeau as torch
    >>> torch.autograd.functional.jvp(lambda x: x.sum(), torch.ones(3), torch.ones(3))
    (tensor(3.), tensor(3.))
    """
    call = _Call("jvp", func, inputs, create_graph, strict)
    vs = call.weights(v, call.inputs, call.several_inputs, "input to the user-provided function")
    found = _along(call, call.outputs, vs)
    return (
        call.finished(_single(call.outputs, call.several_outputs)),
        call.finished(_single(found, call.several_outputs)),
    )


def vhp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The value of `func` (a number), and v^T H with its second derivatives H. Arguments as for `vjp`.

    >>> import flambeau as torch
    >>> torch.autograd.functional.vhp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    call = _Call("vhp", func, inputs, create_graph, strict)
    call.number()
    vs = call.weights(v, call.inputs, call.several_inputs, "input to the user-provided function")
    first = _first(call)
    found = call.gradients(first, vs, call.inputs)
    return call.finished(call.outputs[0]), call.finished(_single(found, call.several_inputs))


def hvp(
    func: Callable[..., Any],
    inputs: Tensors,
    v: Tensors = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """The value of `func` (a number), and H v with its second derivatives H. Arguments as for `vjp`.

    >>> import flambeau as torch
    >>> torch.autograd.functional.hvp(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]), torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    call = _Call("hvp", func, inputs, create_graph, strict)
    call.number()
    vs = call.weights(v, call.inputs, call.several_inputs, "input to the user-provided function")
    found = _along(call, _first(call), vs)
    return call.finished(call.outputs[0]), call.finished(_single(found, call.several_inputs))


def _first(call: _Call) -> list[Tensor]:
    """The gradient of the number, which can be differentiated."""
    y = call.outputs[0]
    with _grad_on():
        found = call.gradients([y], [full(1, y._node.shape, y._node.dtype)], call.inputs, create=True)
    if call.strict and not all(g.requires_grad for g in found):
        raise RuntimeError(
            "jacobian of the user-provided function with respect to an input is independent of the input. "
            "This "
            "is not allowed in strict mode when create_graph=True."
        )
    return found


def jacobian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of `func`: a tensor of shape (*output, *input), or tuples of them for tuples of outputs
    and inputs.

    Args:
        create_graph: whether the result can be differentiated.
        strict: RuntimeError where an output doesn't depend on an input, instead of zeros.
        vectorize: all rows (columns) at once, with vmap.
        strategy: "reverse-mode" goes by rows, "forward-mode" (which needs `vectorize`) by columns.

    >>> import flambeau as torch
    >>> torch.autograd.functional.jacobian(lambda x: x ** 2, torch.tensor([1., 2.]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'jacobian: Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            "function "
            'has more outputs than inputs, "forward-mode" tends to be more performant.'
        )
    if strategy == "forward-mode":
        return _by_columns(func, inputs, create_graph, strict, vectorize)
    if strict and vectorize:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported "
            "together."
        )
    call = _Call("jacobian", func, inputs, create_graph, strict)
    rows = _rows(call, vectorize)
    blocks = list(zip(*[_split_rows(r, call.outputs) for r in rows], strict=True))  # by output, by input
    found = tuple(_single(b, call.several_inputs) for b in blocks)
    return call.finished(found if call.several_outputs else found[0])


def _rows(call: _Call, vectorize: bool) -> list[Tensor]:
    """The gradients of each element of the outputs."""
    units = _basis(call.outputs)
    if vectorize:
        return list(vmap(lambda *g: tuple(call.gradients(call.outputs, g, call.inputs)))(*units))
    count = len(units[0])
    rows = [call.gradients(call.outputs, [u[i] for u in units], call.inputs) for i in range(count)]
    if not rows:
        return [full(0, (0, *x._node.shape), x._node.dtype) for x in call.inputs]
    return [stack(column) for column in zip(*rows, strict=True)]


def _by_columns(
    func: Callable[..., Any], inputs: Tensors, create_graph: bool, strict: bool, vectorize: bool
) -> Any:
    if strict:
        raise RuntimeError(
            'torch.autograd.functional.jacobian: `strict=True` and `strategy="forward-mode"` are not '
            "supported "
            'together (yet). Please either set `strict=False` or `strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
            "`vectorize=True`."
        )
    if create_graph:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` are not '
            'supported together (yet). Please either set `create_graph=False` or `strategy="reverse-mode"`.'
        )
    several, given = _several(inputs, "inputs", "jacobian")
    way = _Pushforward("jacobian", func, given, tuple(range(len(given))))
    several_outputs = isinstance(way.out, tuple)
    columns = vmap(lambda *ts: way.push(ts))(*_basis(way.points))
    found = []
    for column in columns if several_outputs else (columns,):
        blocks = _split_rows(column, way.points)
        turned = [_turned(b, x.ndim).detach() for b, x in zip(blocks, way.points, strict=True)]
        found.append(_single(turned, several))
    return tuple(found) if several_outputs else found[0]


def _turned(block: Tensor, n: int) -> Tensor:
    """With the first `n` dimensions last."""
    turned: Tensor = permute.plain(block, ((*range(n, block.ndim), *range(n)),))
    return turned


def hessian(
    func: Callable[..., Any],
    inputs: Tensors,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of `func` (a number), of shape (*input, *input), or tuples of tuples of them.
    Arguments as for `jacobian`.

    >>> import flambeau as torch
    >>> torch.autograd.functional.hessian(lambda x: (x ** 3).sum(), torch.tensor([1., 2.]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    several, _ = _several(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('hessian: Expected strategy to be either "forward-mode" or "reverse-mode".')

    def number(*xs: Tensor) -> Any:
        out = func(*xs)
        several_outputs, ys = _several(out, "outputs of the user-provided function", "hessian")
        if several_outputs or ys[0].numel() != 1:
            raise RuntimeError(
                "The Tensor returned by the function given to hessian should contain a single element"
            )
        return ys[0].reshape(())

    def gradient(*xs: Tensor) -> Any:
        if outer_jacobian_strategy == "forward-mode":
            with differentiating() as inner:
                points = [inner.point(x) for x in xs]
                y = number(*points)
                found = inner.gradients([y], [full(1, (), y._node.dtype)], points, keep=True, create=True)
                return _single([inner.settled(g) for g in found], several)
        return jacobian(number, _single(xs, several), create_graph=True, strict=strict)

    return jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
