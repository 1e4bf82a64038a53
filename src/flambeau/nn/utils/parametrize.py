"""Parameters that are functions of others: `module.weight` computes them when it is read."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from ...autograd.grad_mode import no_grad
from ...core.tensor import Tensor
from ..containers import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter

_cached: dict[tuple[int, str], Tensor] = {}
_depth = 0  # how many `cached` blocks are open


@contextmanager
def cached() -> Iterator[None]:
    """Within, a parametrized tensor is computed the first time it is read, and then kept.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import parametrize
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 2))
        >>> with parametrize.cached():
        ...     print(layer.weight is layer.weight)
        True
    """
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if not _depth:
            _cached.clear()


class ParametrizationList(ModuleList):
    """The functions that a tensor goes through, and the original one (or several) that they start from.

    `register_parametrization` makes it, as `module.parametrizations[name]`.

    Args:
        modules: the functions, not none.
        original: the tensor before.
        unsafe: whether shape and dtype may change.

    Attributes:
        original: the tensor that is learned; `original0`, `original1`, … if `right_inverse` gives several.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with no_grad():
            new: Any = original
            for module in reversed(list(self)):
                new = _inverse(module, new)
        if not isinstance(new, Tensor) and not isinstance(new, Sequence):
            raise ValueError(
                "ParametrizationList: 'right_inverse' must return a Tensor or a Sequence of tensors (list, "
                f"tuple...). Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if isinstance(new, Tensor):
            _check_dtype(
                "When `right_inverse` outputs one tensor, it may not change the dtype", new, original
            )
            original.data = new.data
            _register(self, "original", original)
        else:
            for i, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        "ParametrizationList: 'right_inverse' must return a Tensor or a Sequence of tensors "
                        f"(list, tuple...). Got element {i} of the sequence with type {type(part).__name__}."
                    )
                if isinstance(original, Parameter):
                    part = Parameter(part, original.requires_grad)
                _register(self, f"original{i}", part.requires_grad_(original.requires_grad))
        if not unsafe:
            _check_like(self(), shape, dtype, "Registering a parametrization")

    def right_inverse(self, value: Tensor) -> None:
        """Sets the original tensors so that the parametrized one becomes `value`.

        Args:
            value: what shall be read afterwards.

        Raises:
            RuntimeError: a parametrization has no `right_inverse`.
            ValueError: what they give doesn't fit the original tensors.

        Example:
            >>> import flambeau as torch
            >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 1))
            >>> layer.weight = torch.tensor([[3.0, 4.0]])
            >>> layer.parametrizations.weight.original0.item()
            5.0
        """
        with no_grad():
            new: Any = value
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                new = module.right_inverse(new)
            if self.is_tensor:
                if not isinstance(new, Tensor):
                    raise ValueError(f"`right_inverse` should return a tensor. Got {type(new).__name__}")
                new = [new]
            if not isinstance(new, Sequence) or len(new) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got "
                    f"{new!r}"
                )
            for name, part in zip(self._names(), new, strict=True):
                original = getattr(self, name)
                _check_dtype("What `right_inverse` returns must have the original's dtype", part, original)
                original.data = part.data

    def _names(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def forward(self) -> Tensor:
        first, *others = self
        x: Tensor = first(*(getattr(self, name) for name in self._names()))
        for module in others:
            x = module(x)
        return x


def _inverse(module: Module, value: Any) -> Any:
    """What the module's `right_inverse` gives; the value itself if there is none."""
    if not hasattr(module, "right_inverse"):
        return value
    try:
        return module.right_inverse(value)
    except NotImplementedError:
        return value


def _register(module: Module, name: str, tensor: Tensor) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check_dtype(rule: str, new: Any, old: Tensor) -> None:
    if not isinstance(new, Tensor) or new.dtype is not old.dtype:
        raise ValueError(f"{rule}: it is {old.dtype}, got {getattr(new, 'dtype', type(new).__name__)}")


def _check_like(new: Any, shape: Any, dtype: Any, what: str) -> None:
    if not isinstance(new, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(new).__name__}.")
    for name, before, after in (("dtype", dtype, new.dtype), ("shape", shape, new.shape)):
        if before != after:
            raise ValueError(
                f"{what} may not change the {name} of the tensor, unless `unsafe` flag is enabled: it was "
                f"{before}, now {after}"
            )


# ----- the module's class -----


def _state(self: Module) -> NoReturn:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict(); save that, or remove "
        "the parametrizations before"
    )


def _deepcopy(self: Module, memo: dict[int, Any]) -> Module:
    if id(self) not in memo:
        twin = memo[id(self)] = object.__new__(type(self))
        twin.__dict__ = copy.deepcopy(self.__dict__, memo)
    return memo[id(self)]  # type: ignore[no-any-return]


def _own_class(module: Module) -> None:
    """Gives a module a class of its own, for properties."""
    cls = type(module)
    members: dict[str, Any] = {"__getstate__": _state}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _property(name: str) -> property:
    def get(self: Module) -> Tensor:
        parts: Any = self.parametrizations[name]
        if not _depth:
            return parts()  # type: ignore[no-any-return]
        key = (id(self), name)
        if key not in _cached:
            _cached[key] = parts()
        return _cached[key]

    def put(self: Module, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    return property(get, put)


# ----- the functions -----


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Makes a parameter or buffer of a module a function of an original one, which is learned in its place.

    Reading `module.<tensor_name>` computes it. Assigning to it sets the original by the function's
    `right_inverse`, which also starts it. Several functions may follow each other.

    Args:
        module: the module, whose class becomes one of its own.
        tensor_name: which parameter or buffer.
        parametrization: the function, as a module.
        unsafe: whether it may change shape and dtype.

    Returns:
        The module.

    Raises:
        ValueError: there is no such tensor, or shape or dtype change though not `unsafe`.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import parametrize
        >>> class Symmetric(torch.nn.Module):
        ...     def forward(self, x):
        ...         return x.triu() + x.triu(1).T
        >>> layer = parametrize.register_parametrization(torch.nn.Linear(3, 3), "weight", Symmetric())
        >>> torch.equal(layer.weight, layer.weight.T), list(layer.state_dict())
        (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        parts: Any = module.parametrizations[tensor_name]
        if not unsafe:
            before = getattr(module, tensor_name)
            after = parametrization(before)
            _check_like(after, before.shape, before.dtype, "Registering a parametrization")
            _check_like(_inverse(parametrization, after), before.shape, before.dtype, "`right_inverse`")
        parts.append(parametrization)
        parts.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        parts = ParametrizationList([parametrization], original, unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _own_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = parts
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations, or one of that name.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import parametrize
        >>> parametrize.is_parametrized(torch.nn.Linear(2, 2))
        False
    """
    parts = getattr(module, "parametrizations", None)
    if not isinstance(parts, ModuleDict):
        return False
    return len(parts) > 0 if tensor_name is None else tensor_name in parts


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Makes a parametrized tensor a plain one.

    Args:
        module: the module.
        tensor_name: which tensor.
        leave_parametrized: whether its value is what the parametrizations gave, instead of the original.

    Returns:
        The module.

    Raises:
        ValueError: the tensor is not parametrized, or has several originals and is not to be left so.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import parametrize
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 1))
        >>> list(parametrize.remove_parametrizations(layer, "weight").state_dict())
        ['bias', 'weight']
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parts: Any = module.parametrizations[tensor_name]
    if parts.is_tensor:
        original = parts.original
        if leave_parametrized:
            with no_grad():
                original.data = getattr(module, tensor_name).data
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value.detach()) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms "
            "of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        del module.parametrizations
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class that a module had before parametrizations changed it.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import parametrize
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 1))
        >>> type(layer).__name__, parametrize.type_before_parametrizations(layer).__name__
        ('ParametrizedLinear', 'Linear')
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Gives a module the parametrizations of another one, and their original tensors.

    Args:
        from_module: the module that has them.
        to_module: the module that gets them.
        tensor_name: of which tensor; None for all.

    Returns:
        `to_module`.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils import parametrize
        >>> a = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(2, 1))
        >>> b = parametrize.transfer_parametrizations_and_params(a, torch.nn.Linear(2, 1))
        >>> torch.equal(a.weight, b.weight)
        True
    """
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source: Any = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for part in source:
            register_parametrization(to_module, name, part)
        for original in source._names():
            setattr(to_module.parametrizations[name], original, getattr(source, original))
    return to_module
