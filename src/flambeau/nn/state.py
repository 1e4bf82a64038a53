"""State dicts: a module's tensors by name, taken out and put back."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..autograd.grad_mode import no_grad
from ..core.gradient import RemovableHandle
from ..core.inplace import check_writable
from ..core.tensor import Tensor
from ..core.warning import warn
from .hooks import Hook, HookTable, add_hook
from .parameter import Parameter, UninitializedTensorMixin, is_lazy

if TYPE_CHECKING:
    from .module import Module

STATE_TABLES = (
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)
_EXTRA = "_extra_state"
_PLAN = "pending_writes"  # the key under which a load hands its list of writes down to the modules


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` returns: keys that the model has and the state dict lacks, and the reverse."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if any(self) else "<All keys matched successfully>"

    __str__ = __repr__


class _Write:
    """One tensor of a module and the value it shall get: copied into it, or assigned in its place."""

    def __init__(self, module: Stateful, name: str, tensor: Tensor, value: Any, assign: bool) -> None:
        self.module, self.name, self.tensor, self.value, self.assign = module, name, tensor, value, assign

    def __call__(self) -> None:
        if not self.assign:
            if self.tensor.is_meta and not self.value.is_meta:
                warn(
                    f"for {self.name}: copying from a non-meta parameter in the checkpoint to a meta "
                    "parameter "
                    "in the current model, which is a no-op. (Did you mean to pass `assign=True` to assign "
                    "items in the state dictionary to their corresponding key in the module instead of "
                    "copying "
                    "them in place?)"
                )
                return
            with no_grad():
                if isinstance(self.tensor, UninitializedTensorMixin):
                    self.tensor.materialize(self.value.shape)
                self.tensor.copy_(self.value)
            return
        value = self.value
        if isinstance(self.tensor, Parameter):
            value = value if isinstance(value, Parameter) else Parameter(value, requires_grad=False)
            value.requires_grad_(self.tensor.requires_grad)
        elif isinstance(value, Parameter):
            value = value.detach()  # or the buffer would become a parameter
        setattr(self.module, self.name, value)

    def inverse(self) -> _Write:
        """The write that undoes this one; to be made before it."""
        old = self.tensor if self.assign else self.tensor.detach().clone()
        return _Write(self.module, self.name, self.tensor, old, self.assign)

    def problem(self, key: str) -> str | None:
        """Why this write can't be done."""
        value, tensor = self.value, self.tensor
        if not isinstance(value, Tensor):
            return f"{key}: expected a Tensor, got {type(value).__name__}; make one with torch.tensor(...)"
        if is_lazy(tensor):
            return None
        if is_lazy(value):
            return f"{key}: not initialized in the checkpoint; call the module once before its state is saved"
        if value.shape != tensor.shape:
            return f"size mismatch for {key}: checkpoint {tuple(value.shape)}, model {tuple(tensor.shape)}"
        if self.assign:
            fits = value.is_floating_point() or value.is_complex() or not tensor.requires_grad
            return None if fits else f"{key}: dtype {value.dtype} of the checkpoint can't require gradients"
        try:
            with no_grad():
                check_writable(tensor, key)
        except RuntimeError as error:
            return str(error)
        return None


class Stateful:
    """The part of `Module` that saves and loads its state."""

    _version: int = 1  # recorded in a state dict's metadata, for a later version of the class to convert by
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: OrderedDict[int, tuple[Hook, bool]]
    _state_dict_pre_hooks: HookTable
    _load_state_dict_pre_hooks: OrderedDict[int, tuple[Hook, bool]]
    _load_state_dict_post_hooks: HookTable

    # ----- Extra state -----
    def get_extra_state(self) -> Any:
        """What belongs to this module's state besides tensors.

        A subclass that overrides it, and `set_extra_state`, has it in its state dict. The base class raises
        RuntimeError.

        Example:
            >>> import flambeau as torch
            >>> class Counter(torch.nn.Module):
            ...     count = 3
            ...     def get_extra_state(self):
            ...         return self.count
            ...     def set_extra_state(self, state):
            ...         self.count = state
            >>> dict(Counter().state_dict())
            {'_extra_state': 3}
        """
        raise RuntimeError(
            f"{type(self).__name__} has no extra state; override get_extra_state and set_extra_state"
        )

    def set_extra_state(self, state: Any) -> None:
        """Takes back what `get_extra_state` gave. The base class has none and raises RuntimeError.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Module().set_extra_state(1)
            Traceback (most recent call last):
            RuntimeError: Module has no extra state; override get_extra_state and set_extra_state
        """
        raise RuntimeError(
            f"{type(self).__name__} has no extra state; override get_extra_state and set_extra_state"
        )

    def _overrides(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Stateful, method)

    # ----- Saving -----
    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """All parameters and persistent buffers by name, and extra state where a module has some.

        The tensors share memory with the module's. The dict has each module's version in `_metadata`.

        Args:
            destination: the dict to fill; none makes a new one.
            prefix: put before each name.
            keep_vars: give the tensors themselves instead of detached ones.

        Example:
            >>> import flambeau as torch
            >>> list(torch.nn.Sequential(torch.nn.Linear(2, 1)).state_dict())
            ['0.weight', '0.bias']
        """
        if args:
            warn("state_dict: positional arguments are deprecated; name them", FutureWarning)
            given = dict(zip(("destination", "prefix", "keep_vars"), args, strict=False))
            return self.state_dict(
                **{"destination": destination, "prefix": prefix, "keep_vars": keep_vars, **given}
            )
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return self._run_state_dict_hooks(destination, prefix, local_metadata)

    def _run_state_dict_hooks(self, destination: Any, prefix: str, local_metadata: dict[str, Any]) -> Any:
        for hook, may_replace in self._state_dict_hooks.values():
            answer = hook(self, destination, prefix, local_metadata)
            if answer is not None:
                if not may_replace:
                    raise RuntimeError("state_dict post-hook must return None; change the dict in place")
                destination = answer
        return destination

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Adds this module's own state; a subclass may override it."""
        for name, tensor in self._own_state().items():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if self._overrides("get_extra_state"):
            destination[prefix + _EXTRA] = self.get_extra_state()

    def _own_state(self) -> dict[str, Tensor]:
        """This module's parameters and persistent buffers."""
        kept = {name: b for name, b in self._buffers.items() if name not in self._non_persistent_buffers_set}
        return {name: tensor for name, tensor in {**self._parameters, **kept}.items() if tensor is not None}

    # ----- Loading -----
    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copies the tensors of a state dict into this module and its descendants.

        Everything is checked before the first write: a load that raises leaves the module as it was.

        Args:
            state_dict: tensors by name, as `state_dict()` gives them.
            strict: whether the names must match exactly.
            assign: make the tensors of the state dict the module's own, with their dtype and device,
                instead of copying values. `requires_grad` stays as it is in the module.

        Returns:
            A named tuple of `missing_keys` and `unexpected_keys`.

        Raises:
            TypeError: `state_dict` is not a mapping.
            RuntimeError: a tensor has another shape, or, if `strict`, keys are missing or unexpected.
                All problems are listed.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 1)
            >>> layer.load_state_dict({"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
            <All keys matched successfully>
            >>> layer.load_state_dict({"weight": torch.ones(1, 2)}, strict=False)
            _IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: expected state_dict to be dict-like, got {type(state_dict).__name__}"
            )
        writes: list[Callable[[], None]] = []
        errors: list[str] = []
        keys = _IncompatibleKeys([], [])
        _plan_load(self, state_dict, assign, writes, keys, errors)
        hooks = list(_post_hooks(self))
        if errors or (strict and any(keys) and not hooks):
            raise self._load_error(keys if strict else _IncompatibleKeys([], []), errors)
        undo = []
        if strict and hooks:
            undo = [w.inverse() for w in writes if isinstance(w, _Write) and not is_lazy(w.tensor)]
        _run(writes)
        for hook in hooks:
            if hook(keys) is not None:
                raise AssertionError(
                    "load_state_dict post-hook must return None; change incompatible_keys in place"
                )
        if strict and any(keys):  # the hooks, which may forgive a key, did not
            _run(reversed(undo))
            raise self._load_error(keys, errors)
        return keys

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Checks this module's own part of a load and lists its writes; a subclass may override it.

        The writes are done when the whole load is found good, or, outside of a load, at the end of this call.
        """
        for hook, with_module in self._load_state_dict_pre_hooks.values():
            first = (self,) if with_module else ()
            hook(
                *first, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
            )
        assign = local_metadata.get("assign_to_params_buffers", False)
        writes: list[Callable[[], None]] = []
        absent: list[str] = []
        problems: list[str] = []
        known = self._own_state()
        for name, tensor in known.items():
            if (key := prefix + name) not in state_dict:
                absent.append(key)
                continue
            if is_lazy(tensor) and is_lazy(state_dict[key]):
                continue
            write = _Write(self, name, tensor, _as_scalar(state_dict[key], tensor), assign)
            if problem := write.problem(key):
                problems.append(problem)
            writes.append(write)
        names = {*known}
        if self._overrides("set_extra_state"):
            names.add(_EXTRA)
            if (key := prefix + _EXTRA) in state_dict:
                writes.append(partial(self.set_extra_state, state_dict[key]))
            else:
                absent.append(key)
        if strict:
            missing_keys += absent
            unexpected_keys += _unexpected(state_dict, prefix, names, self._modules)
        error_msgs += problems
        if _PLAN in local_metadata:
            local_metadata[_PLAN] += writes
        elif not problems:
            _run(writes)

    def _load_error(self, keys: _IncompatibleKeys, errors: list[str]) -> RuntimeError:
        lines = [
            f"{what} key(s) in state_dict: " + ", ".join(f'"{name}"' for name in names)
            for what, names in zip(("Missing", "Unexpected"), keys, strict=True)
            if names
        ]
        lines += _prefix_hint(*keys)
        return RuntimeError(
            f"Error(s) in loading state_dict for {type(self).__name__} (nothing was loaded):\n\t"
            + "\n\t".join(lines + errors)
        )

    # ----- Hooks -----
    def register_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(module, prefix, keep_vars)` before `state_dict` collects this module's state.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Module()
            >>> handle = layer.register_state_dict_pre_hook(lambda module, prefix, keep_vars: print("saving"))
            >>> state = layer.state_dict()
            saving
        """
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(module, state_dict, prefix, local_metadata)` when `state_dict` has this module's state.

        The hook may change the dict in place; it must return None.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 1)
            >>> def mark(module, state_dict, prefix, local_metadata):
            ...     state_dict[prefix + "note"] = "mine"
            >>> handle = layer.register_state_dict_post_hook(mark)
            >>> list(layer.state_dict())
            ['weight', 'bias', 'note']
        """
        return add_hook(self._state_dict_hooks, (hook, False))

    def _register_state_dict_hook(self, hook: Hook) -> RemovableHandle:
        """As `register_state_dict_post_hook`, for a hook whose answer may replace the dict."""
        return add_hook(self._state_dict_hooks, (hook, True))

    def register_load_state_dict_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Calls a hook before `load_state_dict` looks for this module's state.

        Its arguments are `module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
        error_msgs`; it may change the dict and the three lists in place.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 1, bias=False)
            >>> def rename(module, state_dict, prefix, *rest):
            ...     state_dict[prefix + "weight"] = state_dict.pop(prefix + "w")
            >>> handle = layer.register_load_state_dict_pre_hook(rename)
            >>> layer.load_state_dict({"w": torch.ones(1, 2)})
            <All keys matched successfully>
        """
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook: Hook, with_module: bool = False) -> RemovableHandle:
        return add_hook(self._load_state_dict_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(module, incompatible_keys)` after `load_state_dict` has written the state.

        The hook may change the two lists in place, for example to forgive a missing key; it must return None.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.Linear(2, 1)
            >>> def forgive(module, incompatible_keys):
            ...     incompatible_keys.missing_keys.clear()
            >>> handle = layer.register_load_state_dict_post_hook(forgive)
            >>> layer.load_state_dict({"weight": torch.ones(1, 2)})
            <All keys matched successfully>
        """
        return add_hook(self._load_state_dict_post_hooks, hook)


def _run(writes: Iterable[Callable[[], None]]) -> None:
    for write in writes:
        write()


def _as_scalar(value: Any, tensor: Tensor) -> Any:
    """Scalars were once saved as one-element tensors: such a value in the shape of a scalar `tensor`."""
    one = (
        isinstance(value, Tensor)
        and not (is_lazy(tensor) or is_lazy(value))
        and tensor.ndim == 0
        and value.shape == (1,)
    )
    return value.reshape(()) if one else value


def _plan_load(
    root: Stateful,
    state_dict: Mapping[str, Any],
    assign: bool,
    writes: list[Callable[[], None]],
    keys: _IncompatibleKeys,
    errors: list[str],
) -> None:
    """Asks every module, from the root down, what it would write; each sees the keys under its own prefix."""
    metadata = getattr(state_dict, "_metadata", {})
    whole = OrderedDict(state_dict)
    whole._metadata = metadata  # type: ignore[attr-defined]
    pending: list[tuple[Any, str, dict[str, Any]]] = [(root, "", whole)]
    while pending:
        module, prefix, state = pending.pop()
        local_metadata = {**metadata.get(prefix[:-1], {}), "assign_to_params_buffers": assign, _PLAN: writes}
        module._load_from_state_dict(state, prefix, local_metadata, True, *keys, errors)
        children = [
            (child, f"{prefix}{name}.") for name, child in module._modules.items() if child is not None
        ]
        for child, start in reversed(children):
            pending.append((child, start, {key: state[key] for key in state if key.startswith(start)}))


def _post_hooks(module: Any) -> Iterator[Callable[[_IncompatibleKeys], Any]]:
    for child in module._modules.values():
        if child is not None:
            yield from _post_hooks(child)
    for hook in module._load_state_dict_post_hooks.values():
        yield partial(hook, module)


def _unexpected(
    state_dict: Mapping[str, Any], prefix: str, own: Container[str], modules: Container[str]
) -> Iterator[str]:
    for key in state_dict:
        if key.startswith(prefix):
            name, dot, _ = key[len(prefix) :].partition(".")
            if name not in (modules if dot else own):
                yield key


def _prefix_hint(missing: list[str], unexpected: list[str]) -> list[str]:
    """A line on the prefix by which all names differ, as a wrapper around a model leaves it."""
    if not missing or len(missing) != len(unexpected):
        return []
    for ours, theirs in ((missing, unexpected), (unexpected, missing)):
        prefix = theirs[0].removesuffix(ours[0])
        if prefix != theirs[0] and theirs == [prefix + name for name in ours]:
            verb = "strip it from" if theirs is unexpected else "put it before"
            return [f"All names differ by the prefix '{prefix}': {verb} the names in the state dict."]
    return []
