"""Weights as a length and a direction, computed before each call. (Weight normalization, 2016.)"""

from __future__ import annotations

from typing import Any, TypeVar

from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.norms import vector_norm
from ..module import Module
from ..parameter import Parameter, is_lazy

M = TypeVar("M", bound=Module)


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """The euclidean norm over all dimensions but one, which stays as it is; -1 for over all."""
    if dim == -1:
        return vector_norm(v)
    return vector_norm(v, dim=[d for d in range(v.ndim) if d != dim % v.ndim], keepdim=True)


def scaled_direction(v: Tensor, g: Tensor, dim: int) -> Tensor:
    """A tensor in the direction of `v` and of length `g`."""
    return v * (g / norm_except_dim(v, dim))


class WeightNorm:
    """The hook that computes a weight before each call.

    Args:
        name: the weight's name.
        dim: the dimension each of whose parts has a length of its own; -1 for one length of all.
    """

    def __init__(self, name: str, dim: int) -> None:
        self.name, self.dim = name, dim

    def compute_weight(self, module: Module) -> Tensor:
        """The weight."""
        return scaled_direction(
            getattr(module, f"{self.name}_v"), getattr(module, f"{self.name}_g"), self.dim
        )

    def remove(self, module: Module) -> None:
        """Makes the weight a parameter again."""
        weight = self.compute_weight(module)
        for name in (self.name, f"{self.name}_g", f"{self.name}_v"):
            delattr(module, name)
        setattr(module, self.name, Parameter(weight.data))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Replaces a parameter w by its length g and a direction v: w = g · v / |v|, computed before each call.

    It warns: `torch.nn.utils.parametrizations.weight_norm` is the newer way.

    Args:
        module: the module that has the parameter; it gets `<name>_g` and `<name>_v`.
        name: the parameter's name.
        dim: the dimension each of whose parts has a length of its own; None for one length of all.

    Returns:
        The module.

    Raises:
        RuntimeError: the parameter is normalized already.
        ValueError: the parameter has no shape yet.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> with warnings.catch_warnings(action="ignore"):
        ...     layer = torch.nn.utils.weight_norm(torch.nn.Linear(20, 40))
        >>> layer.weight_g.shape, layer.weight_v.shape
        (torch.Size([40, 1]), torch.Size([40, 20]))
    """
    warn(
        "weight_norm: `torch.nn.utils.weight_norm` is deprecated in favor of "
        "`torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
    )
    hooks = module._forward_pre_hooks.values()
    if any(isinstance(hook, WeightNorm) and hook.name == name for hook in hooks):
        raise RuntimeError(
            f"weight_norm: Cannot register two weight_norm hooks on the same parameter {name!r}"
        )
    hook, weight = WeightNorm(name, -1 if dim is None else dim), getattr(module, name)
    if is_lazy(weight):
        raise ValueError(
            "weight_norm: The module passed to `WeightNorm` can't have uninitialized parameters. Call it "
            "once with a batch of data before"
        )
    del module._parameters[name]
    module.register_parameter(f"{name}_g", Parameter(norm_except_dim(weight, hook.dim).data))
    module.register_parameter(f"{name}_v", Parameter(weight.data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Makes a parameter of what `weight_norm` has replaced.

    Args:
        module: the module that had the parameter.
        name: the parameter's name.

    Returns:
        The module.

    Raises:
        ValueError: the parameter is not normalized.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> with warnings.catch_warnings(action="ignore"):
        ...     layer = torch.nn.utils.weight_norm(torch.nn.Linear(20, 40))
        >>> list(torch.nn.utils.remove_weight_norm(layer).state_dict())
        ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"remove_weight_norm: weight_norm of '{name}' not found in {module}")
