"""Functions with a backward of one's own: `Function` and its context."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

from ..core.ghost import ghost_of
from ..core.modes import modes
from ..core.realize import recorder
from ..core.tensor import Tensor
from .custom import FunctionNode, tie
from .grad_mode import no_grad


class FunctionCtx:
    """What `forward` leaves for `backward`: saved tensors, marks, and any attribute one sets."""

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True
    to_save: tuple[Tensor | None, ...] = ()
    saved_for_forward: tuple[Tensor | None, ...] = ()
    dirty_tensors: tuple[Tensor, ...] = ()
    non_differentiable: tuple[Tensor, ...] = ()
    forwards = False  # `jvp` is running
    given: tuple[Tensor | None, ...] | None = None  # the saved tensors, where another context has kept them
    _node: Callable[[], FunctionNode | None] = staticmethod(lambda: None)

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors (or None) for `backward`, as `saved_tensors`. TypeError for anything else."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type "
                    f"{type(t).__name__}; set it as an attribute of ctx"
                )
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors for `jvp`."""
        self.saved_for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Says which inputs `forward` has written to. It must return them."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Says which outputs have no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether `backward` gets zeros (the default) or None for an output that nothing depends on."""
        self.materialize_grads = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` has kept (in `jvp`: `save_for_forward`). RuntimeError if it was freed by a
        pass, or overwritten."""
        if self.given is not None:
            return self.given
        if self.forwards and self.saved_for_forward:
            return self.saved_for_forward
        node = self._node()
        return () if node is None else node.unpack()


class Function:
    """An operation with a backward of one's own: subclass it, define `forward` and `backward`, call `apply`.

    `forward(ctx, *args)` computes the result (nothing in it is recorded); alternatively `forward(*args)`
    computes and `setup_context(ctx, inputs, output)` saves. `backward(ctx, *grads)` gets a gradient for each
    output and returns one for each argument (None for what has none); written in tensor operations it can be
    differentiated again.

    >>> import flambeau as torch
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * 3 * x ** 2
    >>> x = torch.tensor(2., requires_grad=True)
    >>> Cube.apply(x).backward(); x.grad
    tensor(12.)
    """

    generate_vmap_rule = False
    boxed_grads_call = False  # `backward(ctx, grads)`, with a list
    _node_class: ClassVar[type[FunctionNode]] = FunctionNode
    _own_jvp: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you "
            "should invoke them on the class itself, with apply.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._own_jvp = cls.jvp is not Function.jvp
        cls._node_class = type(cls.__name__ + "Backward", (FunctionNode,), {"function": cls})

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use new-style "
            "autograd function with static forward method, and call it by apply."
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the result. To be defined by the subclass."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Saves for `backward`; once defined, `forward` is called without `ctx`."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments from those of the outputs. To be defined by the subclass."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use "
            "it with backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The changes of the outputs from those of the arguments, for forward-mode differentiation. Without
        it they follow from `backward`, if that can be differentiated."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *args: Any) -> Any:
        """The function of a batch: returns outputs and the dimensions of their batch. Without it the batch is
        done by `forward` and `backward` as they are."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap static method or set "
            "generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Calls the function. RuntimeError if its marks don't fit what it returns."""
        in_two_steps = cls.setup_context is not Function.setup_context
        if kwargs or in_two_steps:
            args = _by_position(cls.forward, in_two_steps, args, kwargs)
        if recorder.ghosts and any(isinstance(a, Tensor) and ghost_of(a) for a in args):
            from .batched import apply_to_batch

            output = apply_to_batch(cls, args)
            if output is not NotImplemented:
                return output
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a.requires_grad for a in args])
        node = cls._node_class(ctx, args) if modes.grad and any(ctx.needs_input_grad) else None
        with no_grad():
            output = cls.forward(*args) if in_two_steps else cls.forward(ctx, *args)
            if in_two_steps:
                cls.setup_context(ctx, args, output)
        return tie(cls.__name__, ctx, node, args, output)

    @classmethod
    def _gradient(cls, ctx: FunctionCtx, *gs: Any) -> Any:
        """Calls `backward`, or `vjp` if that is what the subclass defines."""
        if cls.boxed_grads_call:
            gs = (list(gs),)
        if cls.vjp is Function.vjp:
            return cls.backward(ctx, *gs)
        if cls.backward is not Function.backward:
            raise RuntimeError(
                f"{cls.__name__}: Implementing both 'backward' and 'vjp' for a custom Function is not "
                "allowed. You should only implement one of them."
            )
        return cls.vjp(ctx, *gs)


_signature = functools.cache(inspect.signature)


def _by_position(
    forward: Callable[..., Any], in_two_steps: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Any, ...]:
    """The arguments of `forward`, after `ctx`, in its order."""
    before = () if in_two_steps else (None,)
    bound = _signature(forward).bind(*before, *args, **kwargs)
    if in_two_steps:
        bound.apply_defaults()
    if bound.kwargs:
        raise TypeError(f"forward() got keyword arguments that have no position: {', '.join(bound.kwargs)}")
    return bound.args[len(before) :]


class _OnlyOnce(Function):
    """Passes tensors on; their gradients are an error."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor | None) -> tuple[Tensor | None, ...]:
        return tensors

    @staticmethod
    def backward(ctx: Any, *gs: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a `backward` that can't be differentiated itself: the attempt is a RuntimeError.

    >>> import flambeau as torch
    >>> class Double(torch.autograd.Function):
    ...     forward = staticmethod(lambda ctx, x: x * 2)
    ...     backward = staticmethod(torch.autograd.function.once_differentiable(lambda ctx, g: g * 2))
    """

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        with no_grad():
            outputs = fn(ctx, *args)
        if not modes.grad or not any(isinstance(a, Tensor) and a.requires_grad for a in args):
            return outputs
        found = outputs if isinstance(outputs, tuple) else (outputs,)
        return _OnlyOnce.apply(*[None if g is None else g.detach().requires_grad_() for g in found])

    return wrapper
