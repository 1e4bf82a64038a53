"""Registering hooks: a user's functions that run when modules are called, differentiated or put together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ..core.gradient import RemovableHandle

if TYPE_CHECKING:
    from .module import Module

T = TypeVar("T")
Hook = Callable[..., Any]
HookTable = OrderedDict[int, Hook]
Flags = OrderedDict[int, bool]

CALL_TABLES = (
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_pre_hooks",
    "_backward_hooks",
)

# ----- Hooks of all modules -----
_global_forward_pre_hooks: HookTable = OrderedDict()
_global_forward_hooks: HookTable = OrderedDict()
_global_forward_hooks_with_kwargs: Flags = OrderedDict()
_global_forward_hooks_always_called: Flags = OrderedDict()
_global_backward_pre_hooks: HookTable = OrderedDict()
_global_backward_hooks: HookTable = OrderedDict()
_registration_hooks: dict[str, HookTable] = {
    kind: OrderedDict() for kind in ("parameter", "buffer", "module")
}


def add_hook(
    table: OrderedDict[int, T], hook: T, prepend: bool = False, flags: Sequence[Flags] = ()
) -> RemovableHandle:
    """Puts a hook into its table, and its number into the tables of the flags that are set for it."""
    handle = RemovableHandle(table, extra_dict=list(flags))
    table[handle.id] = hook
    for flag in flags:
        flag[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(module, args)` before the `forward` of every module, before the module's own hooks.

    An answer other than None replaces the positional arguments. Meant for debugging and profiling.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_forward_pre_hook
        >>> with register_module_forward_pre_hook(lambda module, args: print("enter", module)):
        ...     y = torch.nn.Identity()(torch.zeros(1))
        enter Identity()
    """
    return add_hook(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls `hook(module, args, output)` after the `forward` of every module, before the module's own hooks.

    An answer other than None replaces the output. Meant for debugging and profiling.

    Args:
        hook: the function to call.
        with_kwargs: call `hook(module, args, kwargs, output)` instead.
        always_call: call it also when `forward` raises; the output is then None.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_forward_hook
        >>> with register_module_forward_hook(lambda module, args, output: output + 1):
        ...     print(torch.nn.Identity()(torch.zeros(1)))
        tensor([1.])
    """
    flags = _wanted(
        (with_kwargs, _global_forward_hooks_with_kwargs), (always_call, _global_forward_hooks_always_called)
    )
    return add_hook(_global_forward_hooks, hook, flags=flags)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(module, grad_output)` in the backward pass of every module.

    See `Module.register_full_backward_pre_hook`.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_full_backward_pre_hook
        >>> with register_module_full_backward_pre_hook(lambda module, grad_output: print(grad_output)):
        ...     torch.nn.Identity()(torch.zeros(1, requires_grad=True)).backward()
        (tensor([1.]),)
    """
    return add_hook(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(module, grad_input, grad_output)` in the backward pass of every module.

    See `Module.register_full_backward_hook`.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_full_backward_hook
        >>> with register_module_full_backward_hook(lambda module, grads, _: print(grads)):
        ...     torch.nn.Identity()(torch.zeros(1, requires_grad=True)).backward()
        (tensor([1.]),)
    """
    return add_hook(_global_backward_hooks, hook)


def register_module_parameter_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(module, name, parameter)` before a module takes a parameter.

    An answer other than None is taken instead.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_parameter_registration_hook
        >>> with register_module_parameter_registration_hook(lambda module, name, p: print(name)):
        ...     layer = torch.nn.Linear(2, 1)
        weight
        bias
    """
    return add_hook(_registration_hooks["parameter"], hook)


def register_module_buffer_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(module, name, buffer)` before a module takes a buffer.

    An answer other than None is taken instead.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_buffer_registration_hook
        >>> with register_module_buffer_registration_hook(lambda module, name, buffer: print(name)):
        ...     torch.nn.Module().register_buffer("steps", torch.zeros(1))
        steps
    """
    return add_hook(_registration_hooks["buffer"], hook)


def register_module_module_registration_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(module, name, submodule)` before a module takes a submodule.

    An answer other than None is taken instead.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.modules.module import register_module_module_registration_hook
        >>> with register_module_module_registration_hook(lambda module, name, child: print(name)):
        ...     net = torch.nn.Sequential(torch.nn.Identity())
        0
    """
    return add_hook(_registration_hooks["module"], hook)


def announce(kind: str, module: Module, name: str, value: Any) -> Any:
    """What `module` takes under `name` after the registration hooks of this kind have seen it."""
    for hook in _registration_hooks[kind].values():
        answer = hook(module, name, value)
        value = value if answer is None else answer
    return value


def _wanted(*choices: tuple[bool, Flags]) -> list[Flags]:
    return [flags for wanted, flags in choices if wanted]


# ----- Hooks of one module -----
class Hooked:
    """The part of `Module` that registers hooks."""

    _forward_pre_hooks: HookTable
    _forward_pre_hooks_with_kwargs: Flags
    _forward_hooks: HookTable
    _forward_hooks_with_kwargs: Flags
    _forward_hooks_always_called: Flags
    _backward_pre_hooks: HookTable
    _backward_hooks: HookTable
    _is_full_backward_hook: bool | None

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args)` before `forward`.

        An answer other than None replaces the positional arguments, or, not being a tuple, the only one.

        Args:
            hook: the function to call.
            prepend: call it before the hooks that this module has already.
            with_kwargs: call `hook(module, args, kwargs)`; an answer must be a pair `(args, kwargs)`.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: at the call, if a hook `with_kwargs` answers something else than None or a pair.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Identity()
            >>> handle = layer.register_forward_pre_hook(lambda module, args: args[0] * 2)
            >>> layer(torch.ones(2))
            tensor([2., 2.])
        """
        flags = _wanted((with_kwargs, self._forward_pre_hooks_with_kwargs))
        return add_hook(self._forward_pre_hooks, hook, prepend, flags)

    def register_forward_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls `hook(module, args, output)` after `forward`; an answer other than None replaces the output.

        Args:
            hook: the function to call.
            prepend: call it before the hooks that this module has already.
            with_kwargs: call `hook(module, args, kwargs, output)` instead.
            always_call: call it also when `forward` or an earlier hook raises; the output may then be None.

        Returns:
            A handle whose `remove()` takes the hook away.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Identity()
            >>> with layer.register_forward_hook(lambda module, args, output: print(output.shape)):
            ...     y = layer(torch.ones(2))
            torch.Size([2])
        """
        flags = _wanted(
            (with_kwargs, self._forward_hooks_with_kwargs), (always_call, self._forward_hooks_always_called)
        )
        return add_hook(self._forward_hooks, hook, prepend, flags)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_output)` when the gradients of the module's outputs are known.

        `grad_output` is a tuple with an entry for each output, None for one that has no gradient.
        An answer other than None, a tuple of the same length, is propagated instead.

        Args:
            hook: the function to call.
            prepend: call it before the hooks of this kind that this module has already.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: in the backward pass, if the answer has another length.

        Example:
            >>> import flambeau as torch
            >>> layer, x = torch.nn.Identity(), torch.ones(2, requires_grad=True)
            >>> handle = layer.register_full_backward_pre_hook(lambda module, grads: (grads[0] * 3,))
            >>> layer(x).sum().backward()
            >>> x.grad
            tensor([3., 3.])
        """
        return add_hook(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` when the gradients of the module's inputs are known.

        Both are tuples: an entry for each positional input or each output, None for one that has no gradient.
        An answer other than None, a tuple as long as `grad_input`, is propagated instead. If no input needs a
        gradient, the hook runs as soon as `grad_output` is known, with a warning.

        Args:
            hook: the function to call.
            prepend: call it before the hooks of this kind that this module has already.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: if `register_backward_hook` was used on this module;
                in the backward pass, if the answer has another length.

        Example:
            >>> import flambeau as torch
            >>> layer, x = torch.nn.Identity(), torch.ones(2, requires_grad=True)
            >>> handle = layer.register_full_backward_hook(lambda module, grad_input, _: print(grad_input))
            >>> layer(x).sum().backward()
            (tensor([1., 1.]),)
        """
        self._claim_backward_hooks(full=True)
        return add_hook(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(module, grad_input, grad_output)` after the gradient function of the module's output.

        `grad_input` belongs to the last operation of the module, not to the module; prefer
        `register_full_backward_hook`.

        Args:
            hook: the function to call.

        Returns:
            A handle whose `remove()` takes the hook away.

        Raises:
            RuntimeError: if `register_full_backward_hook` was used on this module.

        Example:
            >>> import flambeau as torch
            >>> class Double(torch.nn.Module):
            ...     def forward(self, x):
            ...         return x * 2
            >>> layer = Double()
            >>> handle = layer.register_backward_hook(lambda module, _, grad_output: print(grad_output))
            >>> layer(torch.ones(2, requires_grad=True)).sum().backward()
            (tensor([1., 1.]),)
        """
        self._claim_backward_hooks(full=False)
        return add_hook(self._backward_hooks, hook)

    def _claim_backward_hooks(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                f"{type(self).__name__}: cannot use both regular and full backward hooks on a single module; "
                "register all of them with register_full_backward_hook"
            )
        self._is_full_backward_hook = full
