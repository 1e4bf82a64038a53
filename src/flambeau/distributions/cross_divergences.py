"""The divergences of distributions of one class from those of another."""

from __future__ import annotations

import math
from typing import Any

from ..core.tensor import Tensor
from ..functions.creation import full_like
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .continuous_bernoulli import ContinuousBernoulli
from .exponential import Exponential
from .gamma import Gamma
from .gumbel import Gumbel
from .kl import register_kl
from .laplace import Laplace
from .normal import Normal
from .pareto import Pareto
from .poisson import Poisson
from .uniform import Uniform
from .utils import euler_constant, where

INFINITY = float("inf")
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def _infinite(p: Any, q: Any) -> Tensor:
    """Infinite: p has samples where q has none."""
    return full_like(p.mean, INFINITY, requires_grad=False)


for _p, _qs in {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gamma: (Beta, ContinuousBernoulli, Pareto, Uniform),
    Gumbel: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Laplace: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Normal: (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}.items():
    for _q in _qs:
        register_kl(_p, _q)(_infinite)


# ----- to a continuous Bernoulli -----


def _cross_continuous(mean: Tensor, q: ContinuousBernoulli) -> Tensor:
    """The expected -log q(x), for x of this mean."""
    return -mean * q.logits - (-q.probs).log1p() - q._cont_bern_log_norm()


@register_kl(Beta, ContinuousBernoulli)
def _beta_continuous(p: Beta, q: ContinuousBernoulli) -> Tensor:
    return _cross_continuous(p.mean, q) - p.entropy()


@register_kl(Uniform, ContinuousBernoulli)
def _uniform_continuous(p: Uniform, q: ContinuousBernoulli) -> Tensor:
    inside = _cross_continuous(p.mean, q) - p.entropy()
    return where((p.high > 1) | (p.low < 0), INFINITY, inside)


# ----- to an exponential -----


@register_kl(Beta, Exponential)
@register_kl(ContinuousBernoulli, Exponential)
@register_kl(Gamma, Exponential)
def _to_exponential(p: Any, q: Exponential) -> Tensor:
    result: Tensor = q.rate * p.mean - q.rate.log() - p.entropy()
    return result


@register_kl(Pareto, Exponential)
def _pareto_exponential(p: Pareto, q: Exponential) -> Tensor:
    product, a = p.scale * q.rate, p.alpha
    finite = (a / product).log() - a.reciprocal() + a * product / (a - 1) - 1
    return where(a <= 1, INFINITY, finite)


@register_kl(Uniform, Exponential)
def _uniform_exponential(p: Uniform, q: Exponential) -> Tensor:
    inside = q.rate * p.mean - ((p.high - p.low) * q.rate).log()
    return where(p.low < 0, INFINITY, inside)


# ----- to a gamma -----


def _cross_gamma(mean: Tensor, mean_log: Tensor, q: Gamma) -> Tensor:
    """The expected -log q(x), for x with this mean and this mean logarithm."""
    a = q.concentration
    return a.lgamma() - a * q.rate.log() - (a - 1) * mean_log + q.rate * mean


@register_kl(Beta, Gamma)
def _beta_gamma(p: Beta, q: Gamma) -> Tensor:
    a = p.concentration1
    return _cross_gamma(p.mean, a.digamma() - (a + p.concentration0).digamma(), q) - p.entropy()


@register_kl(Exponential, Gamma)
def _exponential_gamma(p: Exponential, q: Gamma) -> Tensor:
    return _cross_gamma(p.mean, -p.rate.log() - euler_constant, q) - p.entropy()


@register_kl(Pareto, Gamma)
def _pareto_gamma(p: Pareto, q: Gamma) -> Tensor:
    mean = p.alpha * p.scale / (p.alpha - 1)
    finite = _cross_gamma(mean, p.scale.log() + p.alpha.reciprocal(), q) - p.entropy()
    return where(p.alpha <= 1, INFINITY, finite)


@register_kl(Uniform, Gamma)
def _uniform_gamma(p: Uniform, q: Gamma) -> Tensor:
    inside = _cross_gamma(p.mean, _mean_log(p.low, p.high), q) - p.entropy()
    return where(p.low < 0, INFINITY, inside)


def _mean_log(low: Tensor, high: Tensor) -> Tensor:
    """The mean of log x between two bounds."""
    return (high.xlogy(high) - low.xlogy(low)) / (high - low) - 1


# ----- to a Gumbel -----


@register_kl(Exponential, Gumbel)
def _exponential_gumbel(p: Exponential, q: Gumbel) -> Tensor:
    product, shift = p.rate * q.scale, q.loc / q.scale
    tail = shift.exp() * product / (product + 1)
    return product.log() - 1 - shift + tail + product.reciprocal()


@register_kl(Gamma, Gumbel)
def _gamma_gumbel(p: Gamma, q: Gumbel) -> Tensor:
    product, shift, a = p.rate * q.scale, q.loc / q.scale, p.concentration
    tail = shift.exp() * (1 + product.reciprocal()).pow(-a)
    own = (a - 1) * a.digamma() - a.lgamma() - a
    return own + product.log() + a / product + tail - shift


@register_kl(Normal, Gumbel)
def _normal_gumbel(p: Normal, q: Gumbel) -> Tensor:
    ratio, distance = (p.scale / q.scale) ** 2, (p.loc - q.loc) / q.scale
    return distance + (0.5 * ratio - distance).exp() - 0.5 * ratio.log() - (0.5 + HALF_LOG_TWO_PI)


@register_kl(Uniform, Gumbel)
def _uniform_gumbel(p: Uniform, q: Gumbel) -> Tensor:
    share = q.scale / (p.high - p.low)
    high, low = (p.high - q.loc) / q.scale, (p.low - q.loc) / q.scale
    return share.log() + 0.5 * (high + low) - share * ((-high).exp() - (-low).exp())


# ----- to a normal -----


def _cross_normal(mean: Tensor, variance: Tensor, q: Normal) -> Tensor:
    """The expected -log q(x), for x with this mean and variance."""
    return q.scale.log() + HALF_LOG_TWO_PI + 0.5 * (variance + (mean - q.loc) ** 2) / q.scale**2


@register_kl(Beta, Normal)
@register_kl(ContinuousBernoulli, Normal)
@register_kl(Exponential, Normal)
@register_kl(Gamma, Normal)
@register_kl(Gumbel, Normal)
@register_kl(Laplace, Normal)
@register_kl(Uniform, Normal)
def _to_normal(p: Any, q: Normal) -> Tensor:
    result: Tensor = _cross_normal(p.mean, p.variance, q) - p.entropy()
    return result


@register_kl(Pareto, Normal)
def _pareto_normal(p: Pareto, q: Normal) -> Tensor:
    a, mean = p.alpha, p.alpha * p.scale / (p.alpha - 1)
    variance = p.scale**2 * a / ((a - 1) ** 2 * (a - 2))
    return where(a <= 2, INFINITY, _cross_normal(mean, variance, q) - p.entropy())


# ----- to others -----


@register_kl(Normal, Laplace)
def _normal_laplace(p: Normal, q: Laplace) -> Tensor:
    distance = p.loc - q.loc
    z = distance / p.scale
    expected = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z**2).exp() + distance * (math.sqrt(0.5) * z).erf()
    return (2 * q.scale).log() + expected / q.scale - p.entropy()


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Bernoulli, q: Poisson) -> Tensor:
    return q.rate - p.probs * q.rate.log() - p.entropy()


@register_kl(Beta, Uniform)
@register_kl(ContinuousBernoulli, Uniform)
def _to_uniform(p: Any, q: Uniform) -> Tensor:
    inside = (q.high - q.low).log() - p.entropy()
    return where((q.low > 0) | (q.high < 1), INFINITY, inside)


@register_kl(Uniform, Beta)
def _uniform_beta(p: Uniform, q: Beta) -> Tensor:
    a, b = q.concentration1, q.concentration0
    cross = (1 - a) * _mean_log(p.low, p.high) + (1 - b) * _mean_log(1 - p.high, 1 - p.low)
    constant = a.lgamma() + b.lgamma() - (a + b).lgamma()
    return where((p.high > 1) | (p.low < 0), INFINITY, cross + constant - p.entropy())


@register_kl(Uniform, Pareto)
def _uniform_pareto(p: Uniform, q: Pareto) -> Tensor:
    cross = (q.alpha + 1) * _mean_log(p.low, p.high) - q.alpha * q.scale.log() - q.alpha.log()
    return where(p.low < q.scale, INFINITY, cross - p.entropy())
