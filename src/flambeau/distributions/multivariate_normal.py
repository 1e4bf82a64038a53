"""The multivariate normal distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.tensor import Tensor
from ..functions.factors import cholesky
from ..functions.ranges import eye
from ..functions.shape import broadcast_shapes
from ..functions.systems import solve_triangular
from . import constraints
from .distribution import Distribution
from .utils import _standard_normal, lazy_property

__all__ = ["MultivariateNormal"]

LOG_TWO_PI = math.log(2 * math.pi)


def _batch_mv(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(factor: Tensor, x: Tensor) -> Tensor:
    """|L^-1 x|**2 for lower triangular factors (…, n, n) and vectors (…, n), whose batches broadcast."""
    if factor.ndim == 2:  # one factor for all vectors: a single system
        solved = solve_triangular(factor, x.reshape(-1, x.shape[-1]).mT, upper=False)
        return (solved**2).sum(0).reshape(x.shape[:-1])
    shape = broadcast_shapes(factor.shape[:-2], x.shape[:-1])
    factor, x = factor.expand(*shape, -1, -1), x.expand(*shape, -1)
    return (solve_triangular(factor, x.unsqueeze(-1), upper=False) ** 2).sum((-2, -1))


def _log_diagonal(factor: Tensor) -> Tensor:
    """log det of triangular matrices."""
    return factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _precision(factor: Tensor) -> Tensor:
    """(L L^T)^-1."""
    inverse = solve_triangular(factor, eye(factor.shape[-1], dtype=factor.dtype), upper=False)
    return inverse.mT @ inverse


def _precision_to_scale_tril(precision: Tensor) -> Tensor:
    """L with L L^T = P^-1: the inverse of P's factor M with M^T M = P, which Cholesky's method gives for P
    turned by 180 degrees."""
    turned = cholesky(precision.flip((-2, -1))).flip((-2, -1)).mT
    return solve_triangular(turned, eye(precision.shape[-1], dtype=precision.dtype), upper=False)


class MultivariateNormal(Distribution):
    """Normal vectors with mean `loc` (…, n), and one of `covariance_matrix`, its inverse `precision_matrix`,
    and its Cholesky factor `scale_tril` (…, n, n), which takes the least work.

    ValueError for no or several of these, or too few dimensions.

    >>> import flambeau as torch
    >>> d = torch.distributions.MultivariateNormal(torch.zeros(2), torch.tensor([[2., 1.], [1., 2.]]))
    >>> d.precision_matrix
    tensor([[ 0.6667, -0.3333],
            [-0.3333,  0.6667]])
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True
    _parameters = ("loc", "covariance_matrix", "precision_matrix", "scale_tril")

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        name, given = _single(covariance_matrix, precision_matrix, scale_tril)
        batch = broadcast_shapes(given.shape[:-2], loc.shape[:-1])
        vars(self)[name] = given.expand(*batch, -1, -1)
        self.loc = loc.expand(*batch, -1)
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _factor(name, given)

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The covariance's Cholesky factor."""
        return self._expanded(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance."""
        factor = self._unbroadcasted_scale_tril
        return self._expanded(factor @ factor.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse."""
        return self._expanded(_precision(self._unbroadcasted_scale_tril))

    def _expanded(self, matrix: Tensor) -> Tensor:
        return matrix.expand(*self._batch_shape, -1, -1)

    @property
    def mean(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        """loc."""
        return self.loc

    @property
    def variance(self) -> Tensor:
        """The covariance's diagonal."""
        return (self._unbroadcasted_scale_tril**2).sum(-1).expand(self._extended_shape())

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws loc + L times standard normal vectors."""
        noise = _standard_normal(self._extended_shape(sample_shape), self.loc.dtype)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, noise)

    def log_prob(self, value: Tensor) -> Tensor:
        """-(|L^-1 (x - loc)|**2 + n log 2 pi) / 2 - log det L."""
        if self._validate_args:
            self._validate_sample(value)
        factor = self._unbroadcasted_scale_tril
        squares = _batch_mahalanobis(factor, value - self.loc)
        return -0.5 * (self._event_shape[0] * LOG_TWO_PI + squares) - _log_diagonal(factor)

    def entropy(self) -> Tensor:
        """n (1 + log 2 pi) / 2 + log det L."""
        half = 0.5 * self._event_shape[0] * (1 + LOG_TWO_PI)
        return (half + _log_diagonal(self._unbroadcasted_scale_tril)).expand(self._batch_shape)


def _single(
    covariance_matrix: Tensor | None, precision_matrix: Tensor | None, scale_tril: Tensor | None
) -> tuple[str, Tensor]:
    """The one matrix that is given, with its name."""
    matrices = {
        "covariance_matrix": covariance_matrix,
        "precision_matrix": precision_matrix,
        "scale_tril": scale_tril,
    }
    given = [(name, m) for name, m in matrices.items() if m is not None]
    if len(given) != 1:
        raise ValueError(
            "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
        )
    name, matrix = given[0]
    if matrix.ndim < 2:
        raise ValueError(
            f"{name} must be at least two-dimensional, with optional leading batch dimensions, got shape "
            f"{tuple(matrix.shape)}"
        )
    return name, matrix


def _factor(name: str, matrix: Tensor) -> Tensor:
    """The lower triangular factor of the covariance."""
    if name == "scale_tril":
        return matrix
    return cholesky(matrix) if name == "covariance_matrix" else _precision_to_scale_tril(matrix)
