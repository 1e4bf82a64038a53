"""Calling a module that has hooks: what runs, in which order, around `forward` and in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..autograd.function import Function
from ..autograd.grad_mode import is_grad_enabled
from ..core.tensor import Tensor
from ..core.warning import warn
from ..functions.creation import zeros
from .hooks import (
    Hook,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_forward_hooks,
    _global_forward_hooks_always_called,
    _global_forward_hooks_with_kwargs,
    _global_forward_pre_hooks,
)

if TYPE_CHECKING:
    from .module import Module


class HookedCall:
    """One call of a module with hooks: the arguments and the result as hooks see and replace them."""

    def __init__(self, module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.module, self.args, self.kwargs = module, args, kwargs
        self.result: Any = None
        self.reached: set[int] = set()  # forward hooks that ran, or raised

    def run(self) -> Any:
        """The module's result."""
        try:
            return self._run()
        except Exception:
            self._after_failure()
            raise

    def _run(self) -> Any:
        module = self.module
        full = [*_global_backward_hooks.values()]
        last_op_only: list[Hook] = []
        (full if module._is_full_backward_hook else last_op_only).extend(module._backward_hooks.values())
        pre = [*_global_backward_pre_hooks.values(), *module._backward_pre_hooks.values()]
        self._before_forward()
        watch = _BackwardWatch(module, full, pre) if full or pre else None
        if watch:
            self.args = watch.inputs(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        self._after_forward()
        if watch:
            self.result = watch.outputs(self.result)
        if last_op_only:
            _hook_last_op(module, last_op_only, self.result)
        return self.result

    def _before_forward(self) -> None:
        module, takes_kwargs = self.module, self.module._forward_pre_hooks_with_kwargs
        for id_, hook in [*_global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()]:
            if id_ in takes_kwargs:
                answer = hook(module, self.args, self.kwargs)
                if answer is not None:
                    self.args, self.kwargs = _args_and_kwargs(answer)
            else:
                answer = hook(module, self.args)
                if answer is not None:
                    self.args = answer if isinstance(answer, tuple) else (answer,)

    def _after_forward(self) -> None:
        for id_, hook in [*_global_forward_hooks.items(), *self.module._forward_hooks.items()]:
            self.reached.add(id_)
            self._call_forward_hook(id_, hook)

    def _call_forward_hook(self, id_: int, hook: Hook) -> None:
        if id_ in self.module._forward_hooks_with_kwargs or id_ in _global_forward_hooks_with_kwargs:
            answer = hook(self.module, self.args, self.kwargs, self.result)
        else:
            answer = hook(self.module, self.args, self.result)
        if answer is not None:
            self.result = answer

    def _after_failure(self) -> None:
        always = _global_forward_hooks_always_called.keys() | self.module._forward_hooks_always_called.keys()
        for id_, hook in [*_global_forward_hooks.items(), *self.module._forward_hooks.items()]:
            if id_ in always and id_ not in self.reached:
                try:
                    self._call_forward_hook(id_, hook)
                except Exception as error:  # the error of forward is the one to report
                    warn(
                        f"a forward hook with always_call=True raised {error!r} after forward had raised; "
                        "its exception is dropped"
                    )


def _args_and_kwargs(answer: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(answer, tuple) and len(answer) == 2:
        return answer
    raise RuntimeError(
        f"forward pre-hook with_kwargs=True must return None or a pair (new_args, new_kwargs), got {answer!r}"
    )


def _hook_last_op(module: Module, hooks: Sequence[Hook], result: Any) -> None:
    while not isinstance(result, Tensor):
        result = next(iter(result.values())) if isinstance(result, dict) else result[0]
    if result.grad_fn is not None:
        for hook in hooks:
            result.grad_fn.register_hook(partial(hook, module))


# ----- Backward hooks -----
class BackwardHookFunction(Function):
    """The identity; in the backward pass it hands the gradients to `tap` and passes on what that answers."""

    @staticmethod
    def forward(
        ctx: Any, tap: Callable[[Sequence[Any]], Sequence[Any]], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.tap = tap
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Any, ...]:
        return (None, *ctx.tap(grads))


class _End:
    """One end of a call, its inputs or its outputs, with `tap` put on the way of their gradients."""

    def __init__(self, values: tuple[Any, ...], tap: Callable[[Sequence[Any]], Sequence[Any]]) -> None:
        self.values, self.size = values, len(values)
        self.specs = {i: (v.shape, v.dtype) for i, v in enumerate(values) if isinstance(v, Tensor)}
        self.at = [i for i in self.specs if values[i].requires_grad and is_grad_enabled()]
        if self.at:
            tapped = dict(enumerate(values))
            tapped.update(zip(self.at, BackwardHookFunction.apply(tap, *self.pick(values)), strict=True))
            kind = type(values)  # a tuple or a named tuple
            self.values = tuple(tapped.values()) if kind is tuple else kind(*tapped.values())

    def pick(self, values: tuple[Any, ...]) -> list[Any]:
        """Of something for each value: what belongs to the values that have a gradient."""
        return [values[i] for i in self.at]

    def spread(self, grads: Sequence[Any]) -> tuple[Any, ...]:
        """The reverse of `pick`; None for the rest."""
        found = dict(zip(self.at, grads, strict=True))
        return tuple(found.get(i) for i in range(self.size))

    def filled(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        """Zeros in place of None for each tensor."""
        return tuple(
            zeros(self.specs[i][0], dtype=self.specs[i][1]) if g is None and i in self.specs else g
            for i, g in enumerate(grads)
        )


class _BackwardWatch:
    """Runs the backward hooks of one call, at its output end and then at its input end.

    args ──BackwardHookFunction──> forward ──BackwardHookFunction──> result
    """

    def __init__(self, module: Module, hooks: list[Hook], pre_hooks: list[Hook]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_output: tuple[Any, ...] | None = None  # on the way from the output end to the input end

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.input_end = _End(args, self._at_input_end)
        return self.input_end.values

    def outputs(self, result: Any) -> Any:
        if not isinstance(result, (Tensor, tuple)):
            warn(
                f"backward hooks of {type(self.module).__name__} will not run: its output should be a Tensor "
                f"or a tuple of Tensors, got {type(result).__name__}"
            )
        several = isinstance(result, tuple)
        self.output_end = _End(result if several else (result,), self._at_output_end)
        return self.output_end.values if several else self.output_end.values[0]

    def _at_output_end(self, grads: Sequence[Any]) -> list[Any]:
        end, grad_output = self.output_end, self.output_end.spread(grads)
        for hook in self.pre_hooks:
            grad_output = _replaced("grad_output", grad_output, hook(self.module, grad_output))
        if self.input_end.at:
            self.grad_output = grad_output
        elif self.hooks:
            self._run_without_inputs(grad_output)
        return end.pick(end.filled(grad_output))

    def _at_input_end(self, grads: Sequence[Any]) -> Sequence[Any]:
        if self.grad_output is None:  # it did not come through the output, as in a double backward
            return grads
        end, grad_input = self.input_end, self.input_end.filled(self.input_end.spread(grads))
        for hook in self.hooks:
            grad_input = _replaced("grad_input", grad_input, hook(self.module, grad_input, self.grad_output))
        self.grad_output = None
        return end.pick(grad_input)

    def _run_without_inputs(self, grad_output: tuple[Any, ...]) -> None:
        warn(
            f"full backward hook of {type(self.module).__name__} runs with the outputs' gradients only, "
            "since no input requires gradients; call requires_grad_() on an input to get its gradient"
        )
        for hook in self.hooks:
            answer = hook(self.module, (None,) * self.input_end.size, grad_output)
            if answer is not None and any(grad is not None for grad in answer):
                raise RuntimeError(
                    f"full backward hook of {type(self.module).__name__} returned a gradient for "
                    "an input, but no input requires gradients; return None"
                )


def _replaced(what: str, grads: tuple[Any, ...], answer: Any) -> tuple[Any, ...]:
    """The gradients that a hook wants instead of `grads`."""
    if answer is None:
        return grads
    wanted: tuple[Any, ...] = (answer,) if isinstance(answer, Tensor) else tuple(answer)
    if len(wanted) != len(grads):
        raise RuntimeError(
            f"backward hook returned an invalid number of {what}, got {len(wanted)}, expected {len(grads)}; "
            "return one for each, None where there is none"
        )
    return wanted
