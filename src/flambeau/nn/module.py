"""`Module`: the base class of all neural network modules."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NoReturn, Self

from ..core.tensor import Tensor
from .hooked_call import HookedCall
from .hooks import (
    CALL_TABLES,
    Hooked,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
    announce,
)
from .movable import Movable
from .nested import Nested
from .parameter import Buffer, Parameter
from .state import STATE_TABLES, Stateful


def _forward_unimplemented(self: Module, *args: Any, **kwargs: Any) -> NoReturn:
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class Module(Nested, Hooked, Stateful, Movable):
    """Base class of all neural network modules.

    A subclass makes its parameters and submodules in `__init__`, after `super().__init__()`, and computes in
    `forward`. A `Parameter`, `Module` or `Buffer` assigned as an attribute is registered under that name: it
    is then part of `parameters()`, `state_dict()`, `to()` and the like. A call runs `forward` and the hooks.

    An exception that leaves the `forward` of a submodule carries a note with the path of that submodule.

    Attributes:
        training: whether the module is in training mode, as `train()` and `eval()` set it.

    Example:
        >>> import flambeau as torch
        >>> class Net(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.scale = torch.nn.Parameter(torch.full((1,), 3.0))
        ...     def forward(self, x):
        ...         return x * self.scale
        >>> net = Net()
        >>> net(torch.ones(2))
        tensor([3., 3.], grad_fn=<MulBackward0>)
        >>> [name for name, _ in net.named_parameters()]
        ['scale']
    """

    training: bool
    dump_patches: bool = False  # PyTorch's, and without effect
    call_super_init: bool = False  # set by a subclass that has further base classes to be given the arguments
    forward: Callable[..., Any] = _forward_unimplemented

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs and not self.call_super_init:
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument '{next(iter(kwargs))}'"
            )
        if args and not self.call_super_init:
            raise TypeError(
                f"{type(self).__name__}.__init__() takes 1 positional argument, {len(args) + 1} were given"
            )
        self.__dict__.update(
            {name: OrderedDict() for name in CALL_TABLES + STATE_TABLES},
            training=True,
            _parameters={},
            _buffers={},
            _modules={},
            _non_persistent_buffers_set=set(),
            _is_full_backward_hook=None,
        )
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # ----- Calling -----
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if (
                self._forward_hooks
                or self._forward_pre_hooks
                or self._backward_hooks
                or self._backward_pre_hooks
                or _global_forward_hooks
                or _global_forward_pre_hooks
                or _global_backward_hooks
                or _global_backward_pre_hooks
            ):
                return HookedCall(self, args, kwargs).run()
            return self.forward(*args, **kwargs)
        except Exception as error:
            _note_path(self, error)
            raise

    # ----- Registering -----
    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, which `name` gives access to as an attribute.

        Args:
            name: the attribute's name.
            param: the parameter; None takes the name without a value, and is not in the `state_dict`.

        Raises:
            AttributeError: `super().__init__()` was not called before.
            KeyError: the name is empty, has a dot, or is taken by another attribute.
            TypeError: `name` is not a string or `param` not a Parameter.
            ValueError: `param` is the result of an operation that records gradients.

        Example:
            >>> import flambeau as torch
            >>> m = torch.nn.Module()
            >>> m.register_parameter("w", torch.nn.Parameter(torch.zeros(2)))
            >>> m.w.shape
            torch.Size([2])
        """
        table = self._table_for("parameter", name)
        if param is not None:
            if not isinstance(param, Parameter):
                raise _wrong_type(param, "parameter", name, "torch.nn.Parameter")
            if param.grad_fn is not None:
                raise ValueError(
                    f"cannot assign non-leaf Tensor to parameter '{name}': parameters are made explicitly; "
                    f"to express '{name}' as a function of another tensor, compute it in forward()"
                )
            param = announce("parameter", self, name, param)
        table[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a buffer: a tensor that is part of the module's state but is not learned.

        Args:
            name: the attribute's name.
            tensor: the buffer; None takes the name without a value.
            persistent: whether it is part of the `state_dict`.

        Raises:
            AttributeError: `super().__init__()` was not called before.
            KeyError: the name is empty, has a dot, or is taken by another attribute.
            TypeError: `name` is not a string or `tensor` not a Tensor.

        Example:
            >>> import flambeau as torch
            >>> m = torch.nn.Module()
            >>> m.register_buffer("running_mean", torch.zeros(2))
            >>> dict(m.state_dict())
            {'running_mean': tensor([0., 0.])}
        """
        table = self._table_for("buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise _wrong_type(tensor, "buffer", name, "torch.Tensor")
        table[name] = announce("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a child module, which `name` gives access to as an attribute.

        Args:
            name: the attribute's name.
            module: the child; None takes the name without a module.

        Raises:
            AttributeError: `super().__init__()` was not called before.
            KeyError: the name is empty, has a dot, or is taken by another attribute.
            TypeError: `name` is not a string or `module` not a Module.

        Example:
            >>> import flambeau as torch
            >>> m = torch.nn.Module()
            >>> m.add_module("act", torch.nn.Identity())
            >>> m.act
            Identity()
        """
        if module is not None and not isinstance(module, Module):
            raise _wrong_type(module, "module", name, "torch.nn.Module")
        self._table_for("module", name)[name] = announce("module", self, name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """The same as `add_module`.

        Example:
            >>> import flambeau as torch
            >>> m = torch.nn.Module()
            >>> m.register_module("act", torch.nn.Identity())
        """
        self.add_module(name, module)

    def _table_for(self, kind: str, name: str) -> dict[str, Any]:
        """The table of this kind of parts, after checking that `name` can stand in it."""
        table: dict[str, Any] | None = self.__dict__.get(f"_{kind}s")
        if table is None:
            raise _too_early(self, kind, name)
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string, got {type(name).__name__}")
        if "." in name:
            raise KeyError(
                f"{kind} name can't contain '.', got '{name}'; dots separate the levels of nested modules"
            )
        if name == "":
            raise KeyError(f"{kind} name can't be an empty string")
        if name not in table and hasattr(self, name):
            raise KeyError(
                f"attribute '{name}' already exists in {type(self).__name__}; choose another {kind} name"
            )
        return table

    # ----- Attributes -----
    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_modules" in own:
            if name in (parameters := own["_parameters"]):
                return parameters[name]
            if name in (buffers := own["_buffers"]):
                return buffers[name]
            if name in (modules := own["_modules"]):
                return modules[name]
        if hasattr(type(self), name):  # a property raised an AttributeError of its own: let that one out
            return object.__getattribute__(self, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'", name=name, obj=self)

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        parameters, buffers, modules = own.get("_parameters"), own.get("_buffers"), own.get("_modules")
        if isinstance(value, Parameter):
            self._clear_name("parameter", name)
            self.register_parameter(name, value)
        elif parameters is not None and name in parameters:
            if value is not None:
                raise _wrong_type(value, "parameter", name, "torch.nn.Parameter")
            parameters[name] = None
        elif isinstance(value, Module) or (modules is not None and name in modules):
            if value is not None and not isinstance(value, Module):
                raise _wrong_type(value, "child module", name, "torch.nn.Module")
            self._clear_name("module", name)
            self._modules[name] = announce("module", self, name, value)
        elif isinstance(value, Buffer):
            self.register_buffer(name, value, value.persistent)
        elif buffers is not None and name in buffers:
            self.register_buffer(name, value, name not in self._non_persistent_buffers_set)
        else:
            super().__setattr__(name, value)

    def _clear_name(self, kind: str, name: str) -> None:
        """Takes `name` out of everywhere but the table of this kind, which keeps its order."""
        if "_modules" not in self.__dict__:
            raise _too_early(self, kind, name)
        for table in (self._parameters, self._buffers, self._modules, self.__dict__):
            if table is not self.__dict__[f"_{kind}s"]:
                table.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = {*super().__dir__(), *self._parameters, *self._buffers, *self._modules}
        return sorted(name for name in names if not name[0].isdigit())

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if state.pop("_compiled", False):  # a copy's calls would have to be recorded anew
            del state["forward"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # ----- Modes -----
    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Calls `fn` on every descendant, children first, and on this module. Returns the module.

        Example:
            >>> import flambeau as torch
            >>> net = torch.nn.Sequential(torch.nn.Identity())
            >>> net = net.apply(lambda module: print(type(module).__name__))
            Identity
            Sequential
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Self:
        """Puts this module and its descendants into training mode, or out of it. Returns the module.

        Layers such as `Dropout` and `BatchNorm1d` behave differently in training mode.

        Raises:
            ValueError: `mode` is not a bool.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Identity().train(False).training
            False
        """
        if not isinstance(mode, bool):
            raise ValueError(f"train: training mode is expected to be boolean, got {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Puts this module and its descendants into evaluation mode: `train(False)`.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Identity().eval().training
            False
        """
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Sets whether gradients are computed for the parameters. Returns the module.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).requires_grad_(False).weight.requires_grad
            False
        """
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of the parameters, or, with `set_to_none=False`, fills them with zeros.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 1)
            >>> layer(torch.ones(2)).sum().backward()
            >>> layer.zero_grad()
            >>> layer.weight.grad is None
            True
        """
        for param in self.parameters():
            if set_to_none:
                param.grad = None
            elif param.grad is not None:
                param.grad.detach_().zero_()

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Has calls of this module's `forward` recorded once and then replayed, as `torch.compile` does it.

        Copies and pickles of the module are not compiled.

        Args: those of `torch.compile`, without the model.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 1)
            >>> layer.compile()
            >>> layer(torch.ones(3, 2)).shape
            torch.Size([3, 1])
        """
        from .. import compile

        if not self.__dict__.get("_compiled", False):
            self.__dict__.update(forward=compile(self.forward, *args, **kwargs), _compiled=True)

    # ----- Text -----
    def extra_repr(self) -> str:
        """What `repr` says about this module besides its children; a subclass overrides it.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).extra_repr()
            'in_features=2, out_features=1, bias=True'
        """
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        if len(lines) == 1 and not self._modules:
            return f"{self._get_name()}({extra})"
        lines += [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        return block(self._get_name(), lines)


def block(name: str, lines: list[str]) -> str:
    """A module's text with one line, or indented group of lines, for each part."""
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{name}()"


def _addindent(text: str, num_spaces: int) -> str:
    """All lines but the first indented; blank ones become empty."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(" " * num_spaces + line if line.strip() else "" for line in rest)])


# ----- Errors -----
def _wrong_type(value: Any, kind: str, name: str, wanted: str) -> TypeError:
    return TypeError(
        f"cannot assign '{type(value).__name__}' object to {kind} '{name}' ({wanted} or None required); "
        f"delete '{name}' first to use the name for something else"
    )


def _too_early(module: Module, kind: str, name: str) -> AttributeError:
    return AttributeError(
        f"cannot assign {kind} '{name}' before Module.__init__() call; "
        f"call super().__init__() first in {type(module).__name__}.__init__()"
    )


def _note_path(module: Module, error: Exception) -> None:
    """Notes on the error where the module that raised it stands, as seen from `module`, which it is leaving.

    Each module on the way out replaces the note by one with a longer path, so that one note remains.
    """
    state, root = vars(error), type(module).__name__
    last, leaf, path, old = state.get("_module_path", (None, "", "", None))
    name = next((name for name, m in module.named_modules() if id(m) == last), None)
    if name is None:  # it was raised here, whatever an earlier raise has left
        leaf, path = root, ""
    elif name:
        path = f"{name}.{path}" if path else name
    note = f"in {path} ({leaf}) of {root}" if path else None
    if note != old:
        kept = [n for n in getattr(error, "__notes__", ()) if n != old]
        error.__notes__ = [*kept, note] if note else kept
    state["_module_path"] = id(module), leaf, path, note
