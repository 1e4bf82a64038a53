"""The divergences of a distribution from another of its class."""

from __future__ import annotations

from typing import Any

from ..autograd.api import grad
from ..core.tensor import Tensor
from ..functions.shape import broadcast_shapes
from ..functions.systems import solve_triangular
from ..nn.functional import softplus
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .kl import kl_divergence, register_kl
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal, _lowrank_mahalanobis
from .multivariate_normal import MultivariateNormal, _batch_mahalanobis, _log_diagonal
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import _sum_rightmost, euler_constant, where

INFINITY = float("inf")


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Bernoulli, q: Bernoulli) -> Tensor:
    one = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    zero = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    one = where(p.probs == 0, 0.0, where(q.probs == 0, INFINITY, one))
    zero = where(p.probs == 1, 0.0, where(q.probs == 1, INFINITY, zero))
    return one + zero


@register_kl(Beta, Beta)
def _beta(p: Beta, q: Beta) -> Tensor:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Binomial, Binomial)
def _binomial(p: Binomial, q: Binomial) -> Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    each = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return where(p.total_count > q.total_count, INFINITY, p.total_count * each)


@register_kl(Categorical, Categorical)
def _categorical(p: Categorical, q: Categorical) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    return where(p.probs == 0, 0.0, where(q.probs == 0, INFINITY, terms)).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: OneHotCategorical, q: OneHotCategorical) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: ContinuousBernoulli, q: ContinuousBernoulli) -> Tensor:
    def constant(d: ContinuousBernoulli) -> Tensor:
        return d._cont_bern_log_norm() + (-d.probs).log1p()

    return p.mean * (p.logits - q.logits) + constant(p) - constant(q)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Dirichlet, q: Dirichlet) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1)
    constants = total.lgamma() - b.sum(-1).lgamma() - (a.lgamma() - b.lgamma()).sum(-1)
    return constants + ((a - b) * (a.digamma() - total.digamma().unsqueeze(-1))).sum(-1)


@register_kl(Exponential, Exponential)
def _exponential(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - ratio.log() - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _family(p: ExponentialFamily, q: ExponentialFamily) -> Tensor:
    """F(q) - F(p) - (q - p) · ∇F(p), a Bregman divergence of the natural parameters."""
    if type(p) is not type(q):
        raise NotImplementedError(
            f"The cross KL-divergence between different exponential families ({type(p).__name__}, "
            f"{type(q).__name__}) cannot be computed using Bregman divergences"
        )
    mine, others = [x.detach().requires_grad_() for x in p._natural_params], q._natural_params
    normalizer = p._log_normalizer(*mine)
    result = q._log_normalizer(*others) - normalizer
    slopes = grad(normalizer.sum(), mine, create_graph=True)
    for x, y, slope in zip(mine, others, slopes, strict=True):
        result = result - _sum_rightmost((y - x) * slope, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _gamma(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    shapes = b.lgamma() - a.lgamma() + (a - b) * a.digamma()
    return b * (p.rate / q.rate).log() + shapes + (q.rate - p.rate) * (a / p.rate)


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Gumbel, q: Gumbel) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc) / q.scale
    tail = ((1 + ratio).lgamma() - distance).exp()
    return distance - ratio.log() + ratio * euler_constant + tail - (1 + euler_constant)


@register_kl(Geometric, Geometric)
def _geometric(p: Geometric, q: Geometric) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: HalfNormal, q: HalfNormal) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Laplace, q: Laplace) -> Tensor:
    ratio, distance = p.scale / q.scale, (p.loc - q.loc).abs()
    return distance / q.scale - ratio.log() + ratio * (-distance / p.scale).exp() - 1


@register_kl(Normal, Normal)
def _normal(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


@register_kl(Pareto, Pareto)
def _pareto(p: Pareto, q: Pareto) -> Tensor:
    ratio = q.alpha / p.alpha
    inside = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return where(p.scale < q.scale, INFINITY, inside)


@register_kl(Poisson, Poisson)
def _poisson(p: Poisson, q: Poisson) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniform(p: Uniform, q: Uniform) -> Tensor:
    inside = ((q.high - q.low) / (p.high - p.low)).log()
    return where((q.low > p.low) | (q.high < p.high), INFINITY, inside)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Cauchy, q: Cauchy) -> Tensor:
    """Chyzak and Nielsen, 2019."""
    return ((p.scale + q.scale) ** 2 + (p.loc - q.loc) ** 2).log() - (4 * p.scale * q.scale).log()


# ----- of other distributions -----


@register_kl(Independent, Independent)
def _independent(p: Independent[Any], q: Independent[Any]) -> Tensor:
    n = p.reinterpreted_batch_ndims
    if n != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            f"KL between Independents of {n} and {q.reinterpreted_batch_ndims} reinterpreted dimensions"
        )
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), n)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: TransformedDistribution, q: TransformedDistribution) -> Tensor:
    """A bijection changes no divergence."""
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL between TransformedDistributions of different transforms or events")
    return kl_divergence(p.base_dist, q.base_dist)


# ----- multivariate normal -----


def _same_event(p: Any, q: Any) -> int:
    if p.event_shape != q.event_shape:
        raise ValueError(
            f"KL-divergence between two Multivariate Normals with different event shapes cannot be computed: "
            f"{tuple(p.event_shape)} and {tuple(q.event_shape)}"
        )
    n: int = p.event_shape[0]
    return n


def _squares(x: Tensor) -> Tensor:
    """tr X X^T."""
    return (x**2).sum((-2, -1))


def _solved(factor: Tensor, x: Tensor) -> Tensor:
    """L^-1 X, of matrices whose batches broadcast."""
    shape = broadcast_shapes(factor.shape[:-2], x.shape[:-2])
    return solve_triangular(factor.expand(*shape, -1, -1), x.expand(*shape, -1, -1), upper=False)


@register_kl(MultivariateNormal, MultivariateNormal)
def _multivariate(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    n = _same_event(p, q)
    mine, other = p._unbroadcasted_scale_tril, q._unbroadcasted_scale_tril
    trace = _squares(_solved(other, mine))
    distance = _batch_mahalanobis(other, q.loc - p.loc)
    return _log_diagonal(other) - _log_diagonal(mine) + 0.5 * (trace + distance - n)


def _to_lowrank(p: Any, q: LowRankMultivariateNormal, logdet: Tensor, root: Tensor) -> Tensor:
    """From p with the covariance A A^T, for the root A, beside a diagonal that p may have."""
    n = _same_event(p, q)
    factor, diagonal = q._matrices
    projection = _solved(q._capacitance_tril, factor.mT / diagonal.unsqueeze(-2))
    trace = _squares(root * diagonal.rsqrt().unsqueeze(-1)) - _squares(projection @ root)
    if isinstance(p, LowRankMultivariateNormal):
        own = p._unbroadcasted_cov_diag
        trace = trace + (own / diagonal).sum(-1) - _squares(projection * own.sqrt().unsqueeze(-2))
    distance = _lowrank_mahalanobis(factor, diagonal, q.loc - p.loc, q._capacitance_tril)
    return 0.5 * (q._logdet() - logdet + trace + distance - n)


@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _lowrank(p: LowRankMultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    return _to_lowrank(p, q, p._logdet(), p._unbroadcasted_cov_factor)


@register_kl(MultivariateNormal, LowRankMultivariateNormal)
def _multivariate_lowrank(p: MultivariateNormal, q: LowRankMultivariateNormal) -> Tensor:
    factor = p._unbroadcasted_scale_tril
    return _to_lowrank(p, q, 2 * _log_diagonal(factor), factor)


@register_kl(LowRankMultivariateNormal, MultivariateNormal)
def _lowrank_multivariate(p: LowRankMultivariateNormal, q: MultivariateNormal) -> Tensor:
    n = _same_event(p, q)
    other = q._unbroadcasted_scale_tril
    factor, diagonal = p._matrices
    trace = _squares(_solved(other, factor)) + _squares(_solved(other, diagonal.sqrt().diag_embed()))
    distance = _batch_mahalanobis(other, q.loc - p.loc)
    return 0.5 * (2 * _log_diagonal(other) - p._logdet() + trace + distance - n)
