"""Distributions: densities that integrate to one, samples that follow them, gradients, shapes, errors."""

import math
import pickle

import numpy as np
import pytest

import flambeau as torch
from flambeau import distributions as D
from flambeau.core.config import config
from flambeau.distributions import constraints, transforms
from flambeau.distributions.divergences import _family
from flambeau.ops.reference.implicit import dirichlet_grad, gamma_grad

CONTINUOUS = {
    "beta": (lambda: D.Beta(2.0, 3.5), 0, 1),
    "cauchy": (lambda: D.Cauchy(0.3, 0.01), -60, 60),
    "chi2": (lambda: D.Chi2(5.0), 0, 60),
    "continuous bernoulli": (lambda: D.ContinuousBernoulli(0.2), 0, 1),
    "exponential": (lambda: D.Exponential(2.0), 0, 20),
    "f": (lambda: D.FisherSnedecor(4.0, 30.0), 0, 60),
    "gamma": (lambda: D.Gamma(2.5, 1.5), 0, 40),
    "generalized pareto": (lambda: D.GeneralizedPareto(1.0, 2.0, -0.4), 1, 6),
    "gumbel": (lambda: D.Gumbel(0.5, 1.0), -6, 40),
    "half cauchy": (lambda: D.HalfCauchy(0.01), 0, 60),
    "half normal": (lambda: D.HalfNormal(2.0), 0, 30),
    "inverse gamma": (lambda: D.InverseGamma(6.0, 2.0), 1e-3, 40),
    "kumaraswamy": (lambda: D.Kumaraswamy(2.0, 3.0), 0, 1),
    "laplace": (lambda: D.Laplace(0.3, 0.7), -20, 20),
    "log normal": (lambda: D.LogNormal(0.0, 0.5), 1e-4, 40),
    "normal": (lambda: D.Normal(0.3, 1.5), -20, 20),
    "pareto": (lambda: D.Pareto(1.0, 5.0), 1, 60),
    "relaxed": (lambda: D.RelaxedBernoulli(torch.tensor(0.9), 0.3), 1e-9, 1 - 1e-9),
    "student": (lambda: D.StudentT(6.0, 0.5, 1.5), -60, 60),
    "uniform": (lambda: D.Uniform(-1.0, 3.0), -1, 3),
    "von mises": (lambda: D.VonMises(0.5, 3.0), -math.pi, math.pi),
    "weibull": (lambda: D.Weibull(2.0, 1.5), 0, 30),
    "mixture": (
        lambda: D.MixtureSameFamily(
            D.Categorical(torch.tensor([0.3, 0.7])), D.Normal(torch.tensor([-1.0, 2.0]), 1.0)
        ),
        -20,
        20,
    ),
}
DISCRETE = {
    "bernoulli": lambda: D.Bernoulli(0.3),
    "binomial": lambda: D.Binomial(9, torch.tensor(0.3)),
    "categorical": lambda: D.Categorical(torch.tensor([1.0, 2.0, 5.0])),
    "geometric": lambda: D.Geometric(0.2),
    "negative binomial": lambda: D.NegativeBinomial(3.5, torch.tensor(0.4)),
    "poisson": lambda: D.Poisson(4.5),
}
NO_MEAN = ("cauchy", "half cauchy", "categorical")


@pytest.fixture(autouse=True)
def in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# ----- densities -----


@pytest.mark.parametrize("name", CONTINUOUS)
def test_densities_integrate_to_one(name):
    make, low, high = CONTINUOUS[name]
    d, n = make(), 200_000
    x = low + (torch.arange(n) + 0.5) * ((high - low) / n)
    share = d.log_prob(x).exp() * ((high - low) / n)
    assert float(share.sum()) == pytest.approx(1, abs=3e-3)
    try:
        inside = d.cdf(x[n // 3]) - d.cdf(torch.tensor(float(low)))
    except NotImplementedError:
        return
    assert float(share[: n // 3].sum()) == pytest.approx(float(inside), abs=3e-3)


@pytest.mark.parametrize("name", DISCRETE)
def test_probabilities_sum_to_one(name):
    d = DISCRETE[name]()
    values = d.enumerate_support() if d.has_enumerate_support else torch.arange(200.0)
    assert float(d.log_prob(values).exp().sum()) == pytest.approx(1)


@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_moments_of_samples(name):
    torch.manual_seed(0)
    d = CONTINUOUS[name][0]() if name in CONTINUOUS else DISCRETE[name]()
    x = d.sample((20_000,))
    assert d.support.check(x).all()
    if name in NO_MEAN or name in ("relaxed",):
        return
    if name != "von mises":
        assert float(x.mean()) == pytest.approx(float(d.mean), abs=5 * float(d.stddev) / 20_000**0.5)
        assert float(x.var()) == pytest.approx(float(d.variance), rel=0.15)
    try:
        entropy = float(d.entropy())
    except NotImplementedError:
        return
    assert -float(d.log_prob(x).mean()) == pytest.approx(entropy, abs=0.05)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_icdf_undoes_cdf(name):
    d, u = CONTINUOUS[name][0](), torch.tensor([0.1, 0.5, 0.93])
    try:
        assert torch.allclose(d.cdf(d.icdf(u)), u)
    except NotImplementedError:
        assert name in (
            "beta",
            "chi2",
            "f",
            "gamma",
            "student",
            "von mises",
            "mixture",
            "inverse gamma",
            "relaxed",
        )


def test_entropies_of_exponential_families():
    family = D.ExponentialFamily
    for d in (
        D.Normal(1.0, 2.0),
        D.Exponential(3.0),
        D.Gamma(2.0, 3.0),
        D.Bernoulli(0.3),
        D.ContinuousBernoulli(0.3),
    ):
        assert torch.allclose(family.entropy(d), d.entropy())
        assert torch.allclose(_family(d, d), torch.tensor(0.0))


# ----- gradients -----


def test_slopes_of_gamma_numbers_hold_the_share_below_them():
    """x(alpha) with a fixed share P(alpha, x) of the distribution below it: by finite differences of P."""
    alpha = torch.tensor([0.05, 0.3, 1.0, 4.0, 30.0, 30.0, 0.5])
    x = torch.tensor([1e-6, 0.2, 0.8, 9.0, 28.0, 70.0, 14.0])
    h = 1e-5 * alpha
    by_alpha = ((alpha + h).igamma(x) - (alpha - h).igamma(x)) / (2 * h)
    density = D.Gamma(alpha, 1.0).log_prob(x).exp()
    assert torch.allclose(torch._standard_gamma_grad(alpha, x), -by_alpha / density, rtol=1e-4)


def test_slopes_of_large_parameters_continue_those_of_small_ones():
    for z in (-3.0, -0.3, -0.01, 0.0, 0.02, 1.0, 4.0):
        a = np.array([99.999, 100.001])
        below, above = gamma_grad(a, a + z * np.sqrt(a))
        assert below == pytest.approx(above, rel=1e-5)
        total = 2.5 * a
        x = 0.4 + z * np.sqrt(0.24 / total)
        below, above = dirichlet_grad(x, a, total)
        assert below == pytest.approx(above, rel=2e-4)


def test_slopes_of_beta_numbers_hold_the_share_below_them():
    n = 400_001
    for a, b, x in ((0.7, 2.0, 0.3), (2.0, 3.0, 0.8), (5.0, 0.8, 0.95), (120.0, 150.0, 0.45)):

        def share(a, b=b, x=x):
            t = np.linspace(0, 1, n)[1:] ** 3 * x  # finer near zero, where the density may be steep
            mid = np.concatenate([[t[0] / 2], (t[1:] + t[:-1]) / 2])
            log = (a - 1) * np.log(mid) + (b - 1) * np.log1p(-mid)
            log += math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
            return float(np.sum(np.exp(log) * np.diff(t, prepend=0)))

        h = 1e-4 * a
        density = float(D.Beta(a, b).log_prob(torch.tensor(x)).exp())
        expected = -(share(a + h) - share(a - h)) / (2 * h) / density / (1 - x)
        slope = torch._dirichlet_grad(*map(torch.tensor, (x, a, a + b)))
        assert float(slope) == pytest.approx(expected, rel=2e-3)


def test_slopes_of_odd_numbers():
    zero, inf, nan = 0.0, math.inf, math.nan
    alpha, x = np.array([1.0, nan, 2.0, 1e-3]), np.array([zero, 1.0, inf, 1e-300])
    slopes = gamma_grad(alpha, x)
    assert slopes[0] == 0 and np.isnan(slopes[1]) and np.isfinite(slopes[3])


def test_a_gradient_reaches_the_parameters():
    a = torch.tensor([2.0, 3.0], requires_grad=True)
    for d in (
        D.Gamma(a, a),
        D.Beta(a, 1.0),
        D.Dirichlet(a),
        D.StudentT(a),
        D.FisherSnedecor(a, a),
        D.Chi2(a),
    ):
        (g,) = torch.autograd.grad(d.rsample((3,)).square().sum(), a)
        assert g.isfinite().all() and (g != 0).all()
        assert not d.sample().requires_grad


def test_samples_are_differentiated_once():
    a = torch.tensor([2.0], requires_grad=True)
    (g,) = torch.autograd.grad(torch._standard_gamma(a).sum(), a, create_graph=True)
    with pytest.raises(NotImplementedError, match="once"):
        g.sum().backward()


def test_a_variational_fit():
    """A normal distribution moves onto another, by samples and by the divergence."""
    torch.manual_seed(0)
    loc, log_scale = (torch.zeros((), requires_grad=True) for _ in range(2))
    target = D.Normal(1.5, 0.5)
    optimizer = torch.optim.Adam([loc, log_scale], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        q = D.Normal(loc, log_scale.exp())
        x = q.rsample((16,))
        (q.log_prob(x) - target.log_prob(x)).mean().backward()
        optimizer.step()
    assert D.kl_divergence(D.Normal(loc, log_scale.exp()), target) < 0.02


def test_a_policy_learns():
    torch.manual_seed(0)
    logits = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        d = D.Categorical(logits=logits)
        action = d.sample((8,))
        (-(d.log_prob(action) * (action == 2)).mean()).backward()
        optimizer.step()
    assert D.Categorical(logits=logits).mode == 2


# ----- shapes -----


@pytest.mark.parametrize("mode", ["interpret", "compile", "eager", "auto"])
def test_the_same_in_every_mode(mode, monkeypatch):
    monkeypatch.setattr(config, "mode", mode)
    torch.manual_seed(5)
    a = torch.tensor([0.5, 2.0, 30.0], requires_grad=True)
    x = D.Gamma(a, 2.0).rsample((4,))
    counts = D.Poisson(x.detach()).sample(), D.Binomial(torch.tensor(50.0), torch.tensor(0.3)).sample((5,))
    x.sum().backward()
    assert float(x.sum()) == pytest.approx(63.95315118138015, rel=1e-12)
    assert [float(c.sum()) for c in counts] == [51, 74]
    assert a.grad.tolist() == pytest.approx([2.0341626677, 2.3078456276, 1.9727868762], rel=1e-9)


def test_expanding_keeps_what_is_derived():
    d = D.Bernoulli(torch.tensor([0.2, 0.6]))
    logits = d.logits
    e = d.expand((3, 2))
    assert e.logits.shape == (3, 2) and torch.equal(e.logits[0], logits) and e.param_shape == (3, 2)
    mixture = D.MixtureSameFamily(D.Categorical(torch.ones(2)), D.Normal(torch.zeros(2), 1.0)).expand((4,))
    assert mixture.sample((3,)).shape == (3, 4) and mixture.log_prob(torch.zeros(4)).shape == (4,)
    assert D.Gumbel(0.0, torch.ones(2)).expand((5, 2)).scale.shape == (5, 2)


class Custom(D.Distribution):
    """A user's distribution, written as PyTorch's documentation has it."""

    arg_constraints = {"loc": constraints.real}  # noqa: RUF012
    support = constraints.real

    def __init__(self, loc, validate_args=None):
        self.loc = loc
        super().__init__(loc.shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        new = self._get_checked_instance(Custom, _instance)
        new.loc = self.loc.expand(batch_shape)
        super(Custom, new).__init__(batch_shape, validate_args=False)
        return new

    def log_prob(self, value):
        self._validate_sample(value)
        return -((value - self.loc) ** 2)


def test_a_distribution_of_ones_own():
    d = Custom(torch.zeros(2)).expand((3, 2))
    assert d.log_prob(torch.ones(2)).shape == (3, 2) and repr(d) == "Custom(loc: torch.Size([3, 2]))"

    class Other(Custom):
        def __init__(self):
            super().__init__(torch.zeros(1))

    with pytest.raises(NotImplementedError, match="custom __init__"):
        Other().expand((3,))
    with pytest.raises(NotImplementedError, match="entropy"):
        d.entropy()

    class Mine(D.Normal):
        def __init__(self):
            super().__init__(0.0, 1.0)

    with pytest.raises(NotImplementedError, match="custom __init__"):
        Mine().expand((3,))

    class Bare(D.Distribution):
        pass

    with pytest.warns(UserWarning, match="arg_constraints"):
        Bare()
    with pytest.warns(UserWarning, match="support"):
        Bare(validate_args=False)._validate_sample(torch.zeros(()))
    with pytest.raises(NotImplementedError, match="expand"):
        Bare(validate_args=False).expand((2,))


def test_an_older_name_warns():
    with pytest.warns(FutureWarning):
        assert D.Normal(0.0, 1.0).sample_n(3).shape == (3,)


def test_transforms_survive_pickling():
    t = transforms.AffineTransform(1.0, 2.0, cache_size=1)
    t.inv(t(torch.ones(1)))
    again = pickle.loads(pickle.dumps(t))
    assert again == t and again.inv(torch.ones(1)) == 0
    assert t.inv.with_cache(0)._cache_size == 0 and t != transforms.AffineTransform(1.0, 3.0)


# ----- divergences -----


def test_divergences_agree_with_samples():
    torch.manual_seed(0)
    for p, q in (
        (D.Kumaraswamy(2.0, 3.0), D.Kumaraswamy(2.0, 3.0)),
        (D.Uniform(0.0, 1.0), D.ContinuousBernoulli(0.3)),
        (D.ContinuousBernoulli(0.3), D.Uniform(0.0, 1.0)),
        (D.Gamma(2.0, 1.0), D.Gumbel(1.0, 2.0)),
        (D.Pareto(1.0, 4.0), D.Gamma(2.0, 1.0)),
        (D.Normal(0.5, 1.0), D.Laplace(0.0, 2.0)),
    ):
        x = p.sample((100_000,))
        estimate = (p.log_prob(x) - q.log_prob(x)).mean()
        assert float(D.kl_divergence(p, q)) == pytest.approx(float(estimate), abs=0.02)


def test_the_closest_rule_is_taken():
    class P(D.Normal):
        pass

    class Q(D.Normal):
        pass

    D.register_kl(P, D.Normal)(lambda p, q: "left")
    D.register_kl(D.Normal, Q)(lambda p, q: "right")
    assert D.kl_divergence(P(0.0, 1.0), D.Normal(0.0, 1.0)) == "left"
    with pytest.warns(RuntimeWarning, match="Ambiguous"):
        assert D.kl_divergence(P(0.0, 1.0), Q(0.0, 1.0)) == "left"


# ----- errors -----

WRONG = [
    (lambda: D.Normal(0.0, -1.0), ValueError, "parameter scale .* GreaterThan"),
    (lambda: D.Normal(0.0, 1.0).log_prob(torch.tensor(math.nan)), ValueError, "within the support"),
    (lambda: D.Categorical(torch.tensor([0.5, math.nan])), ValueError, "Simplex"),
    (lambda: D.register_kl(D.Normal, int), TypeError, "Distribution subclass"),
    (lambda: torch.poisson(torch.tensor([math.inf])), RuntimeError, "finite"),
    (lambda: torch.poisson(torch.tensor([math.nan])), RuntimeError, "non-negative"),
    (lambda: torch.binomial(torch.tensor([math.inf]), torch.tensor([0.5])), RuntimeError, "finite"),
    (lambda: torch.binomial(torch.ones(1), 0.5), TypeError, "must be Tensor"),
    (lambda: D.Wishart(1.0, torch.eye(3)), ValueError, "greater than ndim - 1"),
    (
        lambda: D.Binomial(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.5])).entropy(),
        NotImplementedError,
        "Inhom",
    ),
    (lambda: transforms.CatTransform([1]), AssertionError, "Transform instances"),
    (
        lambda: transforms.StackTransform([transforms.ExpTransform()])(torch.ones(2)),
        AssertionError,
        "length 1",
    ),
    (lambda: transforms.Transform()._call(torch.ones(1)), NotImplementedError, "_call"),
    (lambda: constraints.dependent.check(torch.ones(1)), ValueError, "dependent"),
    (lambda: constraints.real_vector.check(torch.ones(())), ValueError, "dim"),
]


@pytest.mark.parametrize("act, error, words", WRONG)
def test_errors(act, error, words):
    with pytest.raises(error, match=words):
        act()


def test_numbers_without_a_distribution_are_nan():
    nan = torch.binomial(torch.tensor([math.nan, 3.0, -1.0]), torch.tensor([0.5, math.nan, 0.5]))
    assert nan.isnan().tolist() == [True, True, False]
    assert torch._standard_gamma(torch.tensor([-1.0, math.nan])).isnan().all()
    assert torch.poisson(torch.zeros(0)).shape == (0,)
