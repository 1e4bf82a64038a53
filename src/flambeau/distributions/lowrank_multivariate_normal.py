"""The multivariate normal distribution with a covariance of low rank, plus a diagonal."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.tensor import Tensor
from ..functions.factors import cholesky
from ..functions.ranges import eye
from ..functions.shape import broadcast_tensors
from ..functions.systems import solve_triangular
from . import constraints
from .distribution import Distribution
from .multivariate_normal import LOG_TWO_PI, _batch_mahalanobis, _batch_mv, _log_diagonal
from .utils import _standard_normal, lazy_property

__all__ = ["LowRankMultivariateNormal"]


def _capacitance_tril(factor: Tensor, diagonal: Tensor) -> Tensor:
    """The Cholesky factor of C = I + W^T D^-1 W."""
    return cholesky((factor.mT / diagonal.unsqueeze(-2)) @ factor + eye(factor.shape[-1], dtype=factor.dtype))


def _lowrank_logdet(factor: Tensor, diagonal: Tensor, capacitance: Tensor) -> Tensor:
    """log det of W W^T + D = det C det D (the matrix determinant lemma)."""
    return 2 * _log_diagonal(capacitance) + diagonal.log().sum(-1)


def _lowrank_mahalanobis(factor: Tensor, diagonal: Tensor, x: Tensor, capacitance: Tensor) -> Tensor:
    """x^T (W W^T + D)^-1 x, by (W W^T + D)^-1 = D^-1 - D^-1 W C^-1 W^T D^-1 (Woodbury's identity)."""
    projected = _batch_mv(factor.mT / diagonal.unsqueeze(-2), x)
    return (x**2 / diagonal).sum(-1) - _batch_mahalanobis(capacitance, projected)


class LowRankMultivariateNormal(Distribution):
    """Normal vectors with mean `loc` (…, n) and covariance W W^T + D, for W = `cov_factor` (…, n, rank) and D
    of the diagonal `cov_diag` (…, n). Only matrices (rank, rank) are factored.

    ValueError for shapes that don't fit.

    >>> import flambeau as torch
    >>> d = torch.distributions.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2))
    >>> d.covariance_matrix
    tensor([[2., 1.],
            [1., 2.]])
    """

    arg_constraints = {  # noqa: RUF012
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True
    _parameters = (
        "loc", "cov_factor", "cov_diag", "variance", "scale_tril", "covariance_matrix", "precision_matrix",
    )  # fmt: skip

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        _check_shapes(loc, cov_factor, cov_diag)
        try:
            loc_, self.cov_factor, diag_ = broadcast_tensors(
                loc.unsqueeze(-1), cov_factor, cov_diag.unsqueeze(-1)
            )
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag "
                f"{cov_diag.shape}"
            ) from error
        self.loc, self.cov_diag = loc_[..., 0], diag_[..., 0]
        self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag = cov_factor, cov_diag
        self._capacitance_tril = _capacitance_tril(cov_factor, cov_diag)
        super().__init__(self.loc.shape[:-1], loc.shape[-1:], validate_args=validate_args)

    @property
    def _matrices(self) -> tuple[Tensor, Tensor]:
        return self._unbroadcasted_cov_factor, self._unbroadcasted_cov_diag

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

    @lazy_property
    def variance(self) -> Tensor:
        """The covariance's diagonal."""
        factor, diagonal = self._matrices
        return ((factor**2).sum(-1) + diagonal).expand(self._extended_shape())

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The covariance's Cholesky factor."""
        factor, diagonal = self._matrices
        root = diagonal.sqrt().unsqueeze(-1)
        scaled = factor / root
        return self._expanded(root * cholesky(scaled @ scaled.mT + eye(factor.shape[-2], dtype=factor.dtype)))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """W W^T + D."""
        factor, diagonal = self._matrices
        return self._expanded(factor @ factor.mT + diagonal.diag_embed())

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse."""
        factor, diagonal = self._matrices
        solved = solve_triangular(self._capacitance_tril, factor.mT / diagonal.unsqueeze(-2), upper=False)
        return self._expanded(diagonal.reciprocal().diag_embed() - solved.mT @ solved)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws loc + W e + sqrt(D) f, for standard normal vectors e and f."""
        shape = self._extended_shape(sample_shape)
        factor, diagonal = self._matrices
        low = _standard_normal((*shape[:-1], factor.shape[-1]), self.loc.dtype)
        own = _standard_normal(shape, self.loc.dtype)
        return self.loc + _batch_mv(factor, low) + diagonal.sqrt() * own

    def log_prob(self, value: Tensor) -> Tensor:
        """-(x^T S^-1 x + log det S + n log 2 pi) / 2, for the distance x from loc and the covariance S."""
        if self._validate_args:
            self._validate_sample(value)
        squares = _lowrank_mahalanobis(*self._matrices, value - self.loc, self._capacitance_tril)
        return -0.5 * (self._event_shape[0] * LOG_TWO_PI + self._logdet() + squares)

    def _logdet(self) -> Tensor:
        return _lowrank_logdet(*self._matrices, self._capacitance_tril)

    def entropy(self) -> Tensor:
        """(n (1 + log 2 pi) + log det S) / 2."""
        return (0.5 * (self._event_shape[0] * (1 + LOG_TWO_PI) + self._logdet())).expand(self._batch_shape)


def _check_shapes(loc: Tensor, cov_factor: Tensor, cov_diag: Tensor) -> None:
    if loc.ndim < 1:
        raise ValueError("loc must be at least one-dimensional.")
    n = loc.shape[-1]
    if cov_factor.ndim < 2:
        raise ValueError(
            f"cov_factor must be at least two-dimensional, with optional leading batch dimensions, got shape "
            f"{tuple(cov_factor.shape)}"
        )
    if cov_factor.shape[-2] != n:
        raise ValueError(
            f"cov_factor must be a batch of matrices with shape {n} x m, got shape {tuple(cov_factor.shape)}"
        )
    if cov_diag.shape[-1:] != (n,):
        raise ValueError(
            f"cov_diag must be a batch of vectors with shape ({n},), got shape {tuple(cov_diag.shape)}"
        )
