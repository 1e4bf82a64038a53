"""Weights divided by their largest singular value before each call. (Spectral normalization, 2018.)"""

from __future__ import annotations

from typing import Any, TypeVar

from ...autograd.grad_mode import no_grad
from ...core.tensor import Tensor
from ...functions.linear import dot, mv
from ..functional.norm import normalize
from ..module import Module
from ..modules.conv import _ConvTransposeNd
from ..parameter import Parameter, is_lazy

M = TypeVar("M", bound=Module)


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """A weight with `dim` as the rows, all other dimensions as the columns."""
    if dim:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.reshape(weight.shape[0], -1)


def output_dim(module: Module) -> int:
    """The dimension of a weight that belongs to the module's outputs."""
    return 1 if isinstance(module, _ConvTransposeNd) else 0


class SpectralNorm:
    """The hook that computes a weight before each call.

    Args:
        name: the weight's name.
        n_power_iterations: steps towards the largest singular value at each call in training.
        dim: the dimension that is the rows of the weight as a matrix.
        eps: the least length that something is divided by.
    """

    _version = 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                "spectral_norm: Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """The weight, after a step (or several) towards its singular vectors, if asked for."""
        weight, u, v = (getattr(module, self.name + part) for part in ("_orig", "_u", "_v"))
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v = normalize(mv(matrix.t(), u), dim=0, eps=self.eps, out=v)
                    u = normalize(mv(matrix, v), dim=0, eps=self.eps, out=u)
                u, v = u.clone(), v.clone()  # the next call writes to the buffers
        return weight / dot(u, mv(matrix, v))  # type: ignore[no-any-return]

    def remove(self, module: Module) -> None:
        """Makes the weight a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for part in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + part)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))


class SpectralNormStateDictHook:
    """Notes in a state dict's metadata how the weight was saved."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        versions[f"{self.fn.name}.version"] = self.fn._version


def spectral_norm(
    module: M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> M:
    """Divides a parameter by its largest singular value, before each call.

    The value is estimated by power iteration, from vectors that are kept as buffers `<name>_u` and
    `<name>_v`. `torch.nn.utils.parametrizations.spectral_norm` is the newer way.

    Args:
        module: the module that has the parameter, which becomes `<name>_orig`.
        name: the parameter's name.
        n_power_iterations: steps of the iteration at each call in training.
        eps: the least length that something is divided by.
        dim: the dimension that is the rows of the weight as a matrix; by default that of the outputs.

    Returns:
        The module.

    Raises:
        RuntimeError: the parameter is normalized already.
        ValueError: `n_power_iterations` is not positive, or the parameter is None or has no shape yet.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(20, 40))
        >>> layer.weight_u.shape, list(layer.state_dict())
        (torch.Size([40]), ['bias', 'weight_orig', 'weight_u', 'weight_v'])
    """
    hooks = module._forward_pre_hooks.values()
    if any(isinstance(hook, SpectralNorm) and hook.name == name for hook in hooks):
        raise RuntimeError(
            f"spectral_norm: Cannot register two spectral_norm hooks on the same parameter {name}"
        )
    hook = SpectralNorm(name, n_power_iterations, output_dim(module) if dim is None else dim, eps)
    weight = module._parameters[name]
    if weight is None or is_lazy(weight):
        why = "is None" if weight is None else "is uninitialized; call the module once with data before"
        raise ValueError(f"spectral_norm: `SpectralNorm` cannot be applied as parameter `{name}` {why}")
    with no_grad():
        rows, columns = as_matrix(weight, hook.dim).shape
        u = normalize(weight.new_empty(rows).normal_(0, 1), dim=0, eps=eps)
        v = normalize(weight.new_empty(columns).normal_(0, 1), dim=0, eps=eps)
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    module._register_state_dict_hook(SpectralNormStateDictHook(hook))
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Makes a parameter of what `spectral_norm` has replaced.

    Args:
        module: the module that had the parameter.
        name: the parameter's name.

    Returns:
        The module.

    Raises:
        ValueError: the parameter is not normalized.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(20, 40))
        >>> list(torch.nn.utils.remove_spectral_norm(layer).state_dict())
        ['bias', 'weight']
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, SpectralNorm) and hook.name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            break
    else:
        raise ValueError(f"remove_spectral_norm: spectral_norm of '{name}' not found in {module}")
    for key, (state_hook, _) in module._state_dict_hooks.items():
        if isinstance(state_hook, SpectralNormStateDictHook) and state_hook.fn.name == name:
            del module._state_dict_hooks[key]
            break
    return module
