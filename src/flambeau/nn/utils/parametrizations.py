"""Parametrizations that are often wanted: orthogonal, of a learned length, of a bounded singular value."""

from __future__ import annotations

from typing import Any

from ...autograd.grad_mode import no_grad
from ...core.limits import finfo
from ...core.tensor import Tensor
from ...functions.creation import zeros_like
from ...functions.factors import geqrf, householder_product
from ...functions.joining import cat
from ...functions.linalg import matrix_exp
from ...functions.linear import mv, vdot
from ...functions.random import randn
from ...functions.ranges import eye
from ...functions.systems import solve
from ..functional.norm import normalize
from ..module import Module
from .parametrize import register_parametrization
from .spectral_norm import as_matrix, output_dim
from .weight_norm import norm_except_dim, scaled_direction

MAPS = ("matrix_exp", "cayley", "householder")


def _tensor_of(what: str, module: Module, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"{what}: Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


# ----- orthogonal -----


def _is_orthogonal(q: Tensor) -> bool:
    one = eye(q.shape[-1], dtype=q.dtype)
    return bool((q.mH @ q).allclose(one, atol=10.0 * q.shape[-2] * finfo(q.dtype).eps))


def _orthogonalized(a: Tensor) -> Tensor:
    """The orthogonal factor of a QR decomposition whose R has a positive diagonal."""
    x, tau = geqrf(a)
    q: Tensor = householder_product(x, tau) * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)
    return q


class _Orthogonal(Module):
    base: Tensor | None

    def __init__(self, weight: Tensor, orthogonal_map: str, *, use_trivialization: bool = True) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        Q = self._columns(X.mT if wide else X)
        if "base" in self._buffers:
            Q = self.base @ Q  # type: ignore[operator]
        return Q.mT if wide else Q

    def _columns(self, X: Tensor) -> Tensor:
        """A tall matrix as one with orthonormal columns."""
        n, k = X.shape[-2:]
        if self.orthogonal_map == "householder":
            A = X.tril(-1)
            Q = householder_product(A, 2 / (1 + (A * A).sum(-2)))
            return Q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        X = X.tril()
        if n != k:
            X = cat([X, X.new_zeros(n, n - k).expand(*X.shape[:-2], -1, -1)], -1)
        A = X - X.mH
        if self.orthogonal_map == "matrix_exp":
            Q = matrix_exp(A)
        else:
            one = eye(n, dtype=A.dtype)
            Q = solve(one - 0.5 * A, one + 0.5 * A)
        return Q[..., :k] if n != k else Q

    def right_inverse(self, Q: Tensor) -> Tensor:
        """What `forward` makes `Q` of."""
        if Q.shape != self.shape:
            raise ValueError(
                f"orthogonal: Expected a matrix or batch of matrices of shape {tuple(self.shape)}. Got a "
                f"tensor of shape {tuple(Q.shape)}."
            )
        with no_grad():
            wide = Q.shape[-2] < Q.shape[-1]
            X = Q.mT if wide else Q
            if "base" in self._buffers:
                self.base = self._basis(X)
                minus = zeros_like(Q)
                minus.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
                return minus
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "orthogonal: It is not possible to assign to the matrix exponential or the Cayley "
                    "parametrizations when use_trivialization=False."
                )
            A, tau = geqrf(X)
            diagonal = A.diagonal(dim1=-2, dim2=-1)
            diagonal.copy_(diagonal.sign() * (1 - 2 * (tau == 0).to(A.dtype)))
            reflections: Tensor = A.mT if wide else A
            return reflections

    @staticmethod
    def _basis(X: Tensor) -> Tensor:
        """An orthogonal matrix whose first columns are (nearly) those of a tall one."""
        n, k = X.shape[-2:]
        if n != k:
            X = cat([X, randn(*X.shape[:-2], n, n - k, dtype=X.dtype)], -1)
        elif _is_orthogonal(X):
            return X.clone()
        return _orthogonalized(X)


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Makes a matrix (or a batch of them) orthogonal: QᴴQ = 1, or QQᴴ = 1 if it is wide.

    Args:
        module: the module that has it.
        name: its name.
        orthogonal_map: from which matrices it is computed: "matrix_exp" and "cayley" from skew-symmetric
            ones, "householder" from reflections; by default the first for square or complex matrices, else
            the last.
        use_trivialization: whether it is a product with a fixed orthogonal matrix, which makes it possible to
            assign to it. (Trivializations for gradient-based optimization on manifolds, 2019.)

    Returns:
        The module.

    Raises:
        ValueError: there is no such matrix, or no such map.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(3, 3))
        >>> torch.dist(layer.weight.T @ layer.weight, torch.eye(3)).item() < 1e-5
        True
    """
    weight = _tensor_of("orthogonal", module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"orthogonal: Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError(
            f'orthogonal: orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map}"
        )
    part = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, part, unsafe=True)


# ----- length and direction -----


class _WeightNorm(Module):
    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return scaled_direction(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight."""
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Replaces a parameter w by its length g and a direction v, w = g · v / |v|. (Weight normalization, 2016)

    Args:
        module: the module that has the parameter.
        name: the parameter's name.
        dim: the dimension each of whose parts has a length of its own; None for one length of all.

    Returns:
        The module. `parametrizations.<name>.original0` is g, `original1` is v; state dicts of the older
        `torch.nn.utils.weight_norm` can be loaded.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
        >>> layer.parametrizations.weight.original0.shape
        torch.Size([40, 1])
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        old = [f"{prefix}{name}_g", f"{prefix}{name}_v"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


# ----- largest singular value -----


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"spectral_norm: Dimension out of range (expected to be in range of [{-weight.ndim}, "
                f"{weight.ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                "spectral_norm: Expected n_power_iterations to be positive, but got "
                f"n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % weight.ndim
        self.eps = eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            u, v = (matrix.new_empty(extent).normal_(0, 1) for extent in matrix.shape)
            self.register_buffer("_u", normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", normalize(v, dim=0, eps=eps))
            self._iterate(matrix, 15)

    def _iterate(self, matrix: Tensor, steps: int) -> None:
        """Moves the two vectors towards those of the largest singular value."""
        with no_grad():
            for _ in range(steps):
                normalize(mv(matrix, self._v), dim=0, eps=self.eps, out=self._u)
                normalize(mv(matrix.mH, self._u), dim=0, eps=self.eps, out=self._v)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            self._iterate(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next call writes to the buffers
        return weight / vdot(u, mv(matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The value: a weight assigned is taken as one that is not divided yet."""
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divides a parameter by its largest singular value, estimated by power iteration. (Spectral
    normalization for generative adversarial networks, 2018.)

    Args:
        module: the module that has the parameter.
        name: the parameter's name.
        n_power_iterations: steps of the iteration whenever the parameter is computed in training.
        eps: the least length that something is divided by.
        dim: the dimension that is the rows of the parameter as a matrix; by default that of the outputs.

    Returns:
        The module.

    Raises:
        ValueError: there is no such parameter, or `n_power_iterations` is not positive.
        IndexError: `dim` is no dimension.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(20, 40))
        >>> 0.8 < torch.linalg.matrix_norm(layer.weight, 2).item() < 1.3
        True
    """
    weight = _tensor_of("spectral_norm", module, name)
    part = _SpectralNorm(weight, n_power_iterations, output_dim(module) if dim is None else dim, eps)
    return register_parametrization(module, name, part)
