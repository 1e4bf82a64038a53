"""The Wishart distribution."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from ..core.limits import finfo
from ..core.size import Size
from ..core.tensor import Tensor
from ..functions.creation import tensor
from ..functions.linalg import slogdet
from ..functions.random import randn
from ..functions.ranges import arange, tril_indices
from ..functions.shape import broadcast_shapes
from . import constraints
from .chi2 import Chi2
from .exp_family import ExponentialFamily
from .multivariate_normal import _factor, _log_diagonal, _precision, _single
from .utils import lazy_property, where

__all__ = ["Wishart"]

LOG_TWO = math.log(2)
_MATRICES = ("covariance_matrix", "precision_matrix", "scale_tril")


class Wishart(ExponentialFamily):
    """Positive definite matrices: sums of `df` outer products of normal vectors with the covariance that one
    of `covariance_matrix`, `precision_matrix` and `scale_tril` (…, p, p) gives. `df` need not be whole.

    Errors: ValueError unless df > p - 1 and one of the matrices is given.

    >>> import flambeau as torch
    >>> torch.distributions.Wishart(torch.tensor(4.0), torch.eye(2)).mean
    tensor([[4., 0.],
            [0., 4.]])
    """

    support = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0
    _parameters = ("df", *_MATRICES, "_unbroadcasted_scale_tril", "_dist_chi2")

    def __init__(
        self,
        df: Tensor | float,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        name, given = _single(covariance_matrix, precision_matrix, scale_tril)
        p = given.shape[-1]
        self.df = df if isinstance(df, Tensor) else tensor(df, dtype=given.dtype)
        batch = broadcast_shapes(given.shape[:-2], self.df.shape)
        self.df = self.df.expand(batch)
        least = float(self.df.min()) if self.df.numel() else p
        if not least > p - 1:
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {p - 1}.")
        if least < p:
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for "
                "ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        vars(self)[name] = given.expand(*batch, -1, -1)
        super().__init__(batch, given.shape[-2:], validate_args=validate_args)
        self._unbroadcasted_scale_tril = _factor(name, given).expand(*batch, -1, -1)
        self._dist_chi2 = Chi2(self.df.unsqueeze(-1) - arange(p, dtype=given.dtype))

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """Positive definite matrices, and df > p - 1."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The covariance's Cholesky factor."""
        return self._unbroadcasted_scale_tril

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The normal vectors' covariance."""
        return self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The covariance's inverse."""
        return _precision(self._unbroadcasted_scale_tril)

    def _times(self, factor: Tensor, matrix: Tensor) -> Tensor:
        return factor.reshape(*self._batch_shape, 1, 1) * matrix

    @property
    def mean(self) -> Tensor:
        """df times the covariance."""
        return self._times(self.df, self.covariance_matrix)

    @property
    def mode(self) -> Tensor:
        """df - p - 1 times the covariance; NaN up to df = p + 1."""
        factor = self.df - self._event_shape[-1] - 1
        return self._times(where(factor <= 0, float("nan"), factor), self.covariance_matrix)

    @property
    def variance(self) -> Tensor:
        """df (V_ij**2 + V_ii V_jj), for the covariance V."""
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        return self._times(self.df, v**2 + diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2))

    def _bartlett_sampling(self, sample_shape: Sequence[int]) -> Tensor:
        """L A A^T L^T, for A lower triangular with roots of chi-squared numbers on the diagonal and normal
        ones below it (Bartlett's decomposition)."""
        p = self._event_shape[-1]
        diagonal = self._dist_chi2.rsample(sample_shape).sqrt()
        noise = diagonal.clamp(min=finfo(diagonal.dtype).eps).diag_embed()
        rows, columns = tril_indices(p, p, offset=-1)
        below = randn((*sample_shape, *self._batch_shape, p * (p - 1) // 2), dtype=noise.dtype)
        noise[..., rows, columns] = below
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def rsample(self, sample_shape: Sequence[int] = (), max_try_correction: int | None = None) -> Tensor:
        """Draws matrices. As in PyTorch, whose numbers these are, matrices that are positive definite are
        drawn again, and then up to `max_try_correction` (10) times as long as they are singular."""
        sample_shape = Size(sample_shape)
        sample = self._bartlett_sampling(sample_shape)
        again = self._any_of_batch(self.support.check(sample))
        for _ in range(10 if max_try_correction is None else max_try_correction):
            if not bool(again.any()):
                break
            fresh = self._bartlett_sampling((int(again.sum()),))
            sample[again] = fresh
            still = self._any_of_batch(~self.support.check(fresh))
            again[again.clone()] = still
        return sample

    def _any_of_batch(self, mask: Tensor) -> Tensor:
        """Whether something holds for any matrix of the batch."""
        n = len(self._batch_shape)
        return mask.reshape(*mask.shape[: mask.ndim - n], -1).any(-1) if n else mask

    def _half_log_det(self) -> Tensor:
        """log det(2 V) / 2."""
        return self._event_shape[-1] * LOG_TWO / 2 + _log_diagonal(self._unbroadcasted_scale_tril)

    def log_prob(self, value: Tensor) -> Tensor:
        """((df - p - 1) log det X - tr V^-1 X - df log det 2V) / 2 - log Gamma_p(df / 2)."""
        if self._validate_args:
            self._validate_sample(value)
        df, p = self.df, self._event_shape[-1]
        trace = (self.precision_matrix.mT * value).sum((-2, -1))
        spread: Tensor = (df - p - 1) / 2 * slogdet(value).logabsdet
        return spread - trace / 2 - df * self._half_log_det() - (df / 2).mvlgamma(p)

    def entropy(self) -> Tensor:
        """(p + 1) log det(2V) / 2 + log Gamma_p(df/2) - (df - p - 1) / 2 times its derivative + df p / 2."""
        df, p = self.df, self._event_shape[-1]
        slope = (df.unsqueeze(-1) / 2 - arange(p, dtype=df.dtype) / 2).digamma().sum(-1)
        return (p + 1) * self._half_log_det() + (df / 2).mvlgamma(p) - (df - p - 1) / 2 * slope + df * p / 2

    @property
    def _natural_params(self) -> tuple[Tensor, ...]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:  # type: ignore[override]
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        log_det: Tensor = slogdet(-2 * x).logabsdet
        return half * (p * LOG_TWO - log_det) + half.mvlgamma(p)
