"""The base of optimizers: it owns groups, closures, hooks and state dicts; a rule updates one parameter."""

from __future__ import annotations

import copy
import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, ClassVar, TypeAlias, TypeVar

from ..autograd.grad_mode import enable_grad, set_grad_enabled
from ..core.dtype import COMPLEX
from ..core.gradient import RemovableHandle
from ..core.realize import recorder
from ..core.tensor import Tensor
from ..functions.shape import view_as_real

ParamsT: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
StateDict: TypeAlias = dict[str, Any]
Hook: TypeAlias = Callable[..., Any]
F = TypeVar("F", bound=Callable[..., Any])


class _Required:
    """Stands in the defaults for an option that each group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()

_pre_hooks: OrderedDict[int, Hook] = OrderedDict()
_post_hooks: OrderedDict[int, Hook] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(optimizer, args, kwargs)` before each step of every optimizer.

    What it returns, if not None, takes the place of the step's `(args, kwargs)`; `args` begins with the
    optimizer.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.optimizer import register_optimizer_step_pre_hook
        >>> handle = register_optimizer_step_pre_hook(lambda optimizer, args, kwargs: print("step"))
        >>> torch.optim.SGD([torch.zeros(1)]).step()
        step
        >>> handle.remove()
    """
    return RemovableHandle.add(_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Hook) -> RemovableHandle:
    """Calls `hook(optimizer, args, kwargs)` after each step of every optimizer.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.optim.optimizer import register_optimizer_step_post_hook
        >>> handle = register_optimizer_step_post_hook(lambda optimizer, args, kwargs: print("done"))
        >>> torch.optim.SGD([torch.zeros(1)]).step()
        done
        >>> handle.remove()
    """
    return RemovableHandle.add(_post_hooks, hook)


def _hooked(step: F) -> F:
    """Runs a `step` between its hooks, then does the pending work: no graph grows from step to step."""

    @functools.wraps(step)
    def run(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        if self._stepping:  # super().step() of a subclass
            return step(self, *args, **kwargs)
        self._stepping = True
        try:
            given: tuple[Any, ...] = (self, *args)
            for hook in (*_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
                replaced = hook(self, given, kwargs)
                if replaced is not None:
                    if not (isinstance(replaced, tuple) and len(replaced) == 2):
                        raise RuntimeError(
                            f"step pre-hook {hook} must return None or a tuple of (new_args, new_kwargs), "
                            f"but got {replaced!r}"
                        )
                    given, kwargs = replaced
            result = step(*given, **kwargs)
            for hook in (*self._optimizer_step_post_hooks.values(), *_post_hooks.values()):
                hook(self, given, kwargs)
        finally:
            self._stepping = False
        self._opt_called = True
        recorder.flush("optimizer step")
        return result

    return run  # type: ignore[return-value]


class Optimizer:
    """Base class of all optimizers.

    A subclass gives its options as `defaults` and overrides `update`, and `init_state` if it keeps any; or it
    overrides `step` altogether.

    Args:
        params: parameters, (name, parameter) pairs, or groups: dicts with a list under `params` and with
            options that differ from the defaults.
        defaults: the options by name.

    Attributes:
        param_groups: a list of dicts with `params` and all options.
        state: what is kept for each parameter, by parameter.

    Raises:
        TypeError: `params` is a single tensor, a set, or holds something that is no tensor.
        ValueError: no parameters, a parameter in two groups, the result of an operation instead of a leaf, a
            group without a required option, names for some parameters only.

    Example:
        >>> import flambeau as torch
        >>> class Sign(torch.optim.Optimizer):
        ...     def __init__(self, params, lr=0.1):
        ...         super().__init__(params, {"lr": lr})
        ...     def update(self, p, g, state, group):
        ...         p.sub_(g.sign() * group["lr"])
        >>> x = torch.tensor([1.0, -1.0], requires_grad=True)
        >>> optimizer = Sign([x])
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x.tolist() == torch.tensor([0.9, -0.9]).tolist()
        True
    """

    _stepping: bool = False
    _opt_called: bool = False  # whether there was a step; schedules warn if there was none before theirs
    instead: ClassVar[str] = ""  # what to take for sparse gradients, in words
    linear: ClassVar[bool] = False  # whether the rule treats complex numbers like real ones
    param_groups: list[dict[str, Any]]
    state: defaultdict[Any, dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _hooked(cls.__dict__["step"])  # type: ignore[method-assign]
        if "update" in cls.__dict__ and "update_all" not in cls.__dict__:
            cls.update_all = Optimizer.update_all  # type: ignore[method-assign]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self._make_hook_tables()
        self.defaults = defaults
        self.state = defaultdict(dict)
        self.param_groups = []
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got a "
                "Tensor; write [tensor]"
            )
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def _make_hook_tables(self) -> None:
        for kind in ("step", "state_dict", "load_state_dict"):
            for when in ("pre", "post"):
                setattr(self, f"_optimizer_{kind}_{when}_hooks", OrderedDict())

    _optimizer_step_pre_hooks: OrderedDict[int, Hook]
    _optimizer_step_post_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Hook]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Hook]

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "_optimizer_step_pre_hooks" not in self.__dict__:
            self._make_hook_tables()
        for group in self.param_groups:
            for name, default in self.defaults.items():  # options that an older state doesn't have
                group.setdefault(name, default)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            options = "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            text += f"\nParameter Group {i}\n{options}"
        return text + ")"

    # ----- The rule -----

    def init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        """What is kept for a parameter from its first update on."""
        return {}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Moves parameter `p` in place, given its gradient, its state (changed in place, too) and options."""
        for cls in type(self).__mro__:
            rule = vars(cls).get("update_all", Optimizer.update_all)
            if rule is not Optimizer.update_all:  # that of a built-in class
                rule(self, [p], [g], [state], group)
                return
        raise NotImplementedError(f"{type(self).__name__}: override update(p, g, state, group), or step()")

    def update_all(
        self, ps: list[Tensor], gs: list[Tensor], states: list[dict[str, Any]], group: dict[str, Any]
    ) -> None:
        """Moves the parameters of a group that have gradients: by `update`, one after the other, unless a
        rule does them all at once."""
        for p, g, state in zip(ps, gs, states, strict=True):
            self.update(p, g, state, group)

    def update_sparse(self, p: Tensor, g: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Moves a parameter whose gradient is sparse, if the rule can do that; RuntimeError if it can't."""
        raise RuntimeError(f"{type(self).__name__} does not support sparse gradients{self.instead}")

    @_hooked
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates all parameters that have a gradient.

        Args:
            closure: computes the loss and its gradients; called first.

        Returns:
            What the closure returned; None without one.

        Example:
            >>> import flambeau as torch
            >>> x = torch.tensor([1.0], requires_grad=True)
            >>> optimizer = torch.optim.SGD([x], lr=0.5)
            >>> (x * x).sum().backward()
            >>> optimizer.step()
            >>> x.tolist()
            [0.0]
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with set_grad_enabled(bool(self.defaults.get("differentiable"))):
            for group in self.param_groups:
                self._update_group(group)
        return loss

    def _update_group(self, group: dict[str, Any]) -> None:
        """Updates the parameters that have a gradient; complex ones as pairs where the rule wants them so."""
        maximize, ps, gs, states = group.get("maximize"), [], [], []
        for p in group["params"]:
            g = p.grad
            if g is None:
                continue
            if maximize:
                g = -g
            state = self.state.get(p)
            if state is None:
                state = self.init_state(p, group)
                if state:
                    self.state[p] = state
            if g._sparse:
                self.update_sparse(p, g, state, group)
                continue
            if not self.linear and p._node.dtype.category == COMPLEX:
                state = {name: x if not _is_complex(x) else view_as_real(x) for name, x in state.items()}
                p, g = view_as_real(p), view_as_real(g)
            ps.append(p)
            gs.append(g)
            states.append(state)
        if ps:
            self.update_all(ps, gs, states, group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drops the gradients of the parameters, or, with `set_to_none=False`, fills them with zeros.

        Example:
            >>> import flambeau as torch
            >>> x = torch.tensor([1.0], requires_grad=True)
            >>> (x * x).sum().backward()
            >>> torch.optim.SGD([x]).zero_grad()
            >>> x.grad is None
            True
        """
        for p in chain.from_iterable(group["params"] for group in self.param_groups):
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad.detach_().zero_()

    # ----- Groups -----

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own, for example layers that are trained from now on.

        Args:
            param_group: a dict with one tensor or several under `params`; missing options are the defaults.

        Raises:
            TypeError, ValueError: as the class.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
            >>> optimizer.add_param_group({"params": torch.ones(1), "lr": 0.2})
            >>> [group["lr"] for group in optimizer.param_groups]
            [0.1, 0.2]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        entries = [params] if isinstance(params, Tensor) else list(params)
        names = [entry[0] for entry in entries if isinstance(entry, tuple)]
        if names and len(names) < len(entries):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        param_group["params"] = [entry[1] if isinstance(entry, tuple) else entry for entry in entries]
        if names:
            param_group["param_names"] = names
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    f"parameter group didn't specify a value of required optimization parameter {name}"
                )
            param_group.setdefault(name, default)
        self._check_flags(param_group)
        self._check_params(param_group)
        self.param_groups.append(param_group)

    def _check_flags(self, group: dict[str, Any]) -> None:
        if group.get("fused") and group.get("differentiable"):
            raise RuntimeError("`fused` does not support `differentiable`")
        if group.get("fused") and group.get("foreach"):
            raise RuntimeError("`fused` and `foreach` cannot be `True` together.")

    def _check_params(self, group: dict[str, Any]) -> None:
        params = group["params"]
        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}"
                )
            if not (p.is_leaf or p.retains_grad or self.defaults.get("differentiable")):
                raise ValueError(
                    f"can't optimize a non-leaf Tensor (shape {tuple(p.shape)}, made by {p.grad_fn.name()}); "
                    "use detach().requires_grad_()"
                )
        if len(params) != len(set(params)):
            warnings.warn("optimizer contains a parameter group with duplicate parameters", stacklevel=5)
        known = {p for other in self.param_groups for p in other["params"]}
        if not known.isdisjoint(params):
            raise ValueError("some parameters appear in more than one parameter group")
        if any(("param_names" in group) != ("param_names" in other) for other in self.param_groups):
            with_names = "with names" if "param_names" in group else "without names"
            raise ValueError(
                "all optimizer param groups should be with/without names. "
                f"cannot add param group {with_names} to the optimizer"
            )

    # ----- State dict -----

    def state_dict(self) -> StateDict:
        """The optimizer's state: `state`, by numbers of parameters, and `param_groups` with these numbers.

        Its tensors are the optimizer's own.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.RMSprop([torch.zeros(1)], lr=0.1)
            >>> state = optimizer.state_dict()
            >>> state["state"], state["param_groups"][0]["params"]
            ({}, [0])
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[Any, int] = {}
        packed, start = [], 0
        for group in self.param_groups:
            for i, p in enumerate(group["params"], start):
                numbers.setdefault(p, i)
            start += len(group["params"])
            options = {name: x for name, x in group.items() if name != "params"}
            packed.append({**options, "params": [numbers[p] for p in group["params"]]})
        state = {numbers[p] if isinstance(p, Tensor) else p: x for p, x in self.state.items()}
        result: StateDict = {"state": state, "param_groups": packed}
        for hook in self._optimizer_state_dict_post_hooks.values():
            answer = hook(self, result)
            result = result if answer is None else answer
        return result

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Takes over options and state that `state_dict()` gave.

        Args:
            state_dict: as `state_dict()` gives it, with groups of the same sizes. Its tensors are copied, in
                the parameters' dtype.

        Raises:
            ValueError: another number of groups, or a group of another size.

        Example:
            >>> import flambeau as torch
            >>> x = torch.zeros(1)
            >>> optimizer = torch.optim.SGD([x], lr=0.1)
            >>> optimizer.load_state_dict(torch.optim.SGD([x], lr=0.2).state_dict())
            >>> optimizer.param_groups[0]["lr"]
            0.2
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            answer = hook(self, state_dict)
            state_dict = state_dict if answer is None else answer
        saved = copy.deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            raise ValueError(
                "loaded state dict has a different number of parameter groups: "
                f"{len(saved)}, the optimizer has {len(self.param_groups)}"
            )
        for i, (group, new) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(group["params"]) != len(new["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's "
                    f"group: group {i} has {len(new['params'])} parameters there, {len(group['params'])} here"
                )
        params = {
            number: p
            for group, new in zip(self.param_groups, saved, strict=True)
            for number, p in zip(new["params"], group["params"], strict=True)
        }
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, value in state_dict["state"].items():
            p = params.get(number)
            state[number if p is None else p] = value if p is None else _adapted(value, p)
        for group, new in zip(self.param_groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ----- Hooks -----

    def register_step_pre_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` before each step.

        What it returns, if not None, takes the place of the step's `(args, kwargs)`; `args` begins with the
        optimizer.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.zeros(1)])
            >>> handle = optimizer.register_step_pre_hook(lambda optimizer, args, kwargs: print("before"))
            >>> optimizer.step()
            before
        """
        return RemovableHandle.add(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Hook) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` after each step.

        Example:
            >>> import flambeau as torch
            >>> optimizer = torch.optim.SGD([torch.zeros(1)])
            >>> handle = optimizer.register_step_post_hook(lambda optimizer, args, kwargs: print("after"))
            >>> optimizer.step()
            after
        """
        return RemovableHandle.add(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` before `state_dict` collects the state; before older hooks if `prepend`."""
        return _add(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)`; what it returns, if not None, is what `state_dict` returns."""
        return _add(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` before a load; what it returns, if not None, is loaded."""
        return _add(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` after a load."""
        return _add(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _add(table: OrderedDict[int, Hook], hook: Hook, prepend: bool) -> RemovableHandle:
    handle = RemovableHandle.add(table, hook)
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _is_complex(x: Any) -> bool:
    return isinstance(x, Tensor) and x.is_complex()


def _adapted(value: Any, p: Tensor, name: Any = None) -> Any:
    """A copy of a saved value, with tensors in `p`'s dtype if that is floating, but for step counts."""
    if isinstance(value, Tensor):
        keep = name == "step" or not p.is_floating_point()
        return value.detach().to(p.device, value.dtype if keep else p.dtype, copy=True)
    if isinstance(value, dict):
        return {key: _adapted(x, p, key) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_adapted(x, p) for x in value)
    return value


def check_not_negative(**options: Any) -> None:
    """ValueError for an option below zero, or for a tensor of several numbers."""
    for name, value in options.items():
        if isinstance(value, Tensor) and value.numel() != 1:
            raise ValueError(f"Tensor {name} must be 1-element, got shape {tuple(value.shape)}")
        if not float(value) >= 0:
            label = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {label}: {value}")


def check_betas(betas: Any) -> None:
    """ValueError for a rate of decay outside of [0, 1)."""
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor) and beta.numel() != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element, got shape {tuple(beta.shape)}")
        if not 0 <= float(beta) < 1:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
