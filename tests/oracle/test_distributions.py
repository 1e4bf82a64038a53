"""Distributions against PyTorch's: samples of the same seed, densities, moments, divergences, gradients."""

import contextlib
import functools
import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:Singular sample detected", "ignore:Low df values")

SMALL = [0.2, 0.7, 1.0, 3.5]
SPREAD = [-1.5, 0.0, 0.3, 4.0]
POSITIVE = [0.3, 1.0, 2.5, 30.0]
CHANCES = [0.02, 0.3, 0.5, 0.97]
COVARIANCE = [[2.0, 0.5, 0.1], [0.5, 1.0, -0.3], [0.1, -0.3, 1.5]]
ROWS = [[0.2, 0.3, 0.5], [0.6, 0.1, 0.3]]

# name: a distribution of a library T and of tensors that t makes
MAKE = {
    "bernoulli": lambda T, t: T.Bernoulli(t(CHANCES)),
    "bernoulli logits": lambda T, t: T.Bernoulli(logits=t(SPREAD)),
    "beta": lambda T, t: T.Beta(t(POSITIVE), t(SMALL)),
    "binomial": lambda T, t: T.Binomial(7, t(CHANCES)),
    "binomial large": lambda T, t: T.Binomial(
        t([20.0, 40.0, 100.0, 1000.0]), logits=t([0.0, 0.3, -1.0, 2.0])
    ),
    "categorical": lambda T, t: T.Categorical(t(ROWS)),
    "categorical logits": lambda T, t: T.Categorical(logits=t([SPREAD, SMALL])),
    "cauchy": lambda T, t: T.Cauchy(t(SPREAD), t(POSITIVE)),
    "chi2": lambda T, t: T.Chi2(t(POSITIVE)),
    "continuous bernoulli": lambda T, t: T.ContinuousBernoulli(t(CHANCES)),
    "continuous bernoulli logits": lambda T, t: T.ContinuousBernoulli(logits=t(SPREAD)),
    "dirichlet": lambda T, t: T.Dirichlet(t([SMALL, POSITIVE])),
    "exponential": lambda T, t: T.Exponential(t(POSITIVE)),
    "f": lambda T, t: T.FisherSnedecor(t(POSITIVE), t([1.0, 2.0, 3.0, 9.0])),
    "gamma": lambda T, t: T.Gamma(t(POSITIVE), t(SMALL)),
    "generalized pareto": lambda T, t: T.GeneralizedPareto(t(SPREAD), t(POSITIVE), t([-0.5, 0.0, 0.3, 2.0])),
    "geometric": lambda T, t: T.Geometric(t(CHANCES)),
    "geometric logits": lambda T, t: T.Geometric(logits=t(SPREAD)),
    "gumbel": lambda T, t: T.Gumbel(t(SPREAD), t(POSITIVE)),
    "half cauchy": lambda T, t: T.HalfCauchy(t(POSITIVE)),
    "half normal": lambda T, t: T.HalfNormal(t(POSITIVE)),
    "independent": lambda T, t: T.Independent(T.Normal(t(ROWS), t([1.0, 2.0, 3.0])), 1),
    "inverse gamma": lambda T, t: T.InverseGamma(t(POSITIVE), t(SMALL)),
    "kumaraswamy": lambda T, t: T.Kumaraswamy(t([0.5, 1.0, 2.0, 3.0]), t(SMALL)),
    "laplace": lambda T, t: T.Laplace(t(SPREAD), t(POSITIVE)),
    "lkj": lambda T, t: T.LKJCholesky(3, t([0.5, 1.0, 4.0])),
    "log normal": lambda T, t: T.LogNormal(t([-0.5, 0.3, 1.0]), t([0.3, 1.0, 0.5])),
    "logistic normal": lambda T, t: T.LogisticNormal(t(ROWS), t([1.0, 0.5, 2.0])),
    "low rank normal": lambda T, t: T.LowRankMultivariateNormal(
        t(ROWS), t([[1.0, 0.0], [0.5, 2.0], [0.3, 0.1]]), t([1.0, 2.0, 0.5])
    ),
    "mixture": lambda T, t: T.MixtureSameFamily(
        T.Categorical(t(ROWS)), T.Normal(t(ROWS), t([1.0, 2.0, 3.0]))
    ),
    "mixture of vectors": lambda T, t: T.MixtureSameFamily(
        T.Categorical(t([0.3, 0.7])), T.Independent(T.Laplace(t(ROWS), t([1.0, 2.0, 3.0])), 1)
    ),
    "multinomial": lambda T, t: T.Multinomial(6, t(ROWS)),
    "multivariate normal": lambda T, t: T.MultivariateNormal(t(ROWS), t(COVARIANCE)),
    "multivariate normal precision": lambda T, t: T.MultivariateNormal(
        t(ROWS[0]), precision_matrix=t(COVARIANCE)
    ),
    "multivariate normal tril": lambda T, t: T.MultivariateNormal(
        t(ROWS[0]), scale_tril=t([[[1.0, 0, 0], [0.5, 2, 0], [0.1, 0.2, 3]], np.eye(3).tolist()])
    ),
    "negative binomial": lambda T, t: T.NegativeBinomial(t([0.5, 1.0, 3.0, 20.0]), t(CHANCES)),
    "negative binomial logits": lambda T, t: T.NegativeBinomial(4, logits=t(SPREAD)),
    "normal": lambda T, t: T.Normal(t(SPREAD), t(POSITIVE)),
    "one hot": lambda T, t: T.OneHotCategorical(t(ROWS)),
    "one hot straight through": lambda T, t: T.OneHotCategoricalStraightThrough(t(ROWS)),
    "pareto": lambda T, t: T.Pareto(t(POSITIVE), t([0.5, 1.5, 3.0, 4.0])),
    "poisson": lambda T, t: T.Poisson(t([0.1, 2.0, 10.0, 300.0])),
    "relaxed bernoulli": lambda T, t: T.RelaxedBernoulli(t(0.5), t(CHANCES)),
    "relaxed one hot": lambda T, t: T.RelaxedOneHotCategorical(t(0.5), t(ROWS)),
    "student": lambda T, t: T.StudentT(t([0.7, 1.5, 3.0, 20.0]), t(SPREAD), t(POSITIVE)),
    "transformed": lambda T, t: T.TransformedDistribution(
        T.Normal(t(SPREAD), t([0.5, 1.0, 0.3, 0.2])), [T.AffineTransform(t(1.0), t(-0.5)), T.TanhTransform()]
    ),
    "uniform": lambda T, t: T.Uniform(t(SPREAD), t([0.0, 2.0, 0.5, 40.0])),
    "von mises": lambda T, t: T.VonMises(t(SPREAD), t(POSITIVE)),
    "weibull": lambda T, t: T.Weibull(t(POSITIVE), t([0.7, 1.0, 2.0, 3.0])),
    "wishart": lambda T, t: T.Wishart(t([4.0, 7.5]), t(COVARIANCE)),
}
DTYPES = ["float32", "float64"]
LOOSE = {"von mises": 1e-5}  # PyTorch's Bessel functions have seven digits
SINGLE = {"generalized pareto"}  # its density in PyTorch takes float32 only


def of(T, dtype="float64", requires_grad=False, given=None):
    """Makes tensors of library T, and notes them in `given`."""

    def t(values):
        x = T.tensor(values, dtype=getattr(T, dtype)).requires_grad_(requires_grad)
        if given is not None:
            given.append(x)
        return x

    return t


def make(T, name, *args):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return MAKE[name](T.distributions, of(T, *args))


def close(mine, other, tolerance, what=""):
    assert tuple(mine.shape) == tuple(other.shape), what
    assert str(mine.dtype) == str(other.dtype), what
    a, b = mine.detach().numpy(), other.detach().numpy()
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=what)


def precise(name):
    return "float32" if name in SINGLE else "float64"


def tolerance_of(name, dtype):
    return max(LOOSE.get(name, 0), {"float32": 3e-5, "float64": 1e-9}[dtype])


def states():
    return flambeau.get_rng_state().numpy().copy(), torch.get_rng_state().numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MAKE)
def test_samples_of_the_same_seed(name, dtype):
    mine, other = (make(T, name, dtype) for T in (flambeau, torch))
    assert tuple(mine.batch_shape) == tuple(other.batch_shape)
    assert tuple(mine.event_shape) == tuple(other.event_shape)
    flambeau.manual_seed(3), torch.manual_seed(3)
    for shape in ((), (5,), (2, 7)):
        close(mine.sample(shape), other.sample(shape), tolerance_of(name, dtype))
        if other.has_rsample:
            assert mine.has_rsample
            close(mine.rsample(shape), other.rsample(shape), tolerance_of(name, dtype))
    np.testing.assert_array_equal(*states())


def asked(d, what, *args):
    """What a distribution answers: a tensor, or the class of the error."""
    try:
        return getattr(d, what)(*args) if args or callable(getattr(d, what)) else getattr(d, what)
    except NotImplementedError as error:
        return type(error)


MODE_IS_WRONG = {"kumaraswamy"}  # in PyTorch


@pytest.mark.parametrize("name", MAKE)
def test_numbers(name):
    mine, other = (make(T, name, precise(name)) for T in (flambeau, torch))
    assert repr(mine) == repr(other) or "mixture" in name  # PyTorch has computed the logits already
    assert repr(mine.support) == repr(other.support) or "tensor" in repr(other.support)
    torch.manual_seed(1)
    x = other.sample((4,))
    y = flambeau.tensor(x.numpy())
    for what in (
        "mean",
        "mode",
        "variance",
        "stddev",
        "entropy",
        "perplexity",
        "log_prob",
        "cdf",
        "enumerate_support",
    ):
        a, b = ([y], [x]) if what in ("log_prob", "cdf") else ([], [])
        got, expected = asked(mine, what, *a), asked(other, what, *b)
        if isinstance(expected, type):
            assert got is expected, what
        elif not (what == "mode" and name in MODE_IS_WRONG):
            close(got, expected, tolerance_of(name, precise(name)), what)
    u = torch.rand(mine.batch_shape + mine.event_shape).to(x.dtype)
    got, expected = asked(mine, "icdf", flambeau.tensor(u.numpy())), asked(other, "icdf", u)
    if isinstance(expected, type):
        assert got is expected
    else:
        close(got, expected, tolerance_of(name, precise(name)))


@pytest.mark.parametrize("name", MAKE)
def test_expand(name):
    mine, other = (make(T, name, precise(name)) for T in (flambeau, torch))
    shape = (3, *other.batch_shape)
    a, b = mine.expand(shape), other.expand(shape)
    assert tuple(a.batch_shape) == tuple(b.batch_shape) and tuple(a.event_shape) == tuple(b.event_shape)
    flambeau.manual_seed(3), torch.manual_seed(3)
    x, y = a.sample((2,)), b.sample((2,))
    close(x, y, tolerance_of(name, precise(name)))
    close(a.log_prob(x), b.log_prob(y), max(1e-6, tolerance_of(name, precise(name))))
    assert type(a) is type(mine)


REPARAMETERISED = [n for n in MAKE if make(torch, n).has_rsample and n != "wishart"]
APPROXIMATE = dict.fromkeys(("beta", "chi2", "dirichlet", "f", "gamma", "inverse gamma", "student"), 0.003)


def with_gradients(T, name, compute, dtype="float64"):
    """The gradients of the sum of what `compute` makes of a distribution, towards all that it was made of."""
    given = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        d = MAKE[name](T.distributions, of(T, dtype, True, given))
    compute(d).sum().backward()
    return [x.grad for x in given]


@pytest.mark.parametrize("name", REPARAMETERISED)
def test_gradients_through_samples(name):
    def compute(T):
        T.manual_seed(5)
        return lambda d: (
            d.rsample((3,)) * T.arange(1.0, 4.0).reshape(3, *(1,) * len(d.batch_shape + d.event_shape))
        )

    ours, theirs = (with_gradients(T, name, compute(T)) for T in (flambeau, torch))
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine is None) == (other is None)
        if other is not None:
            close(mine, other, APPROXIMATE.get(name, 1e-8))


@pytest.mark.parametrize("name", MAKE)
def test_gradients_of_densities(name):
    torch.manual_seed(1)
    x = make(torch, name, precise(name)).sample((3,)).numpy()
    ours, theirs = (
        with_gradients(T, name, lambda d: d.log_prob(T.tensor(x)), precise(name)) for T in (flambeau, torch)
    )
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine is None) == (other is None)
        if other is not None:
            close(mine, other, 10 * tolerance_of(name, precise(name)))


# ----- divergences -----

CORRECTED = {"continuous bernoulli", "continuous bernoulli logits"}  # of uniforms: PyTorch has infinity


made = functools.cache(make)


def divergence(T, p, q):
    try:
        return T.distributions.kl_divergence(p, q)
    except (NotImplementedError, ValueError, RuntimeError) as error:
        return type(error)


@pytest.mark.filterwarnings("ignore:Ambiguous kl_divergence")
@pytest.mark.parametrize("p", MAKE)
def test_divergences(p):
    mine, other = make(flambeau, p), make(torch, p)
    for q in MAKE:
        expected = divergence(torch, other, made(torch, q))
        got = divergence(flambeau, mine, made(flambeau, q))
        if isinstance(expected, type):
            assert got is expected, (p, q)
        elif not (p in CORRECTED and q == "uniform"):
            close(got, expected, 1e-8, f"{p}, {q}")


@pytest.mark.parametrize(
    "name", ["normal", "gamma", "beta", "categorical", "dirichlet", "multivariate normal", "laplace"]
)
def test_gradients_of_divergences(name):
    def compute(T):
        other = make(T, name).expand((2, *make(T, name).batch_shape))
        return lambda d: T.distributions.kl_divergence(d, other) + T.distributions.kl_divergence(other, d)

    ours, theirs = (with_gradients(T, name, compute(T)) for T in (flambeau, torch))
    for mine, other in zip(ours, theirs, strict=True):
        close(mine, other, 1e-8)


# ----- transforms and constraints -----

TRANSFORMS = {
    "abs": lambda D, t: D.AbsTransform(),
    "affine": lambda D, t: D.AffineTransform(t([1.0, 2.0, 3.0]), t([0.5, -1.0, 2.0])),
    "affine of events": lambda D, t: D.AffineTransform(t([1.0, 2.0, 3.0]), t([0.5, -1.0, 2.0]), event_dim=1),
    "compose": lambda D, t: D.ComposeTransform([D.AffineTransform(1.0, 0.3), D.SigmoidTransform()]),
    "compose events": lambda D, t: D.ComposeTransform(
        [D.StickBreakingTransform(), D.StickBreakingTransform().inv]
    ),
    "cat": lambda D, t: D.CatTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0)], -1, [1, 2]),
    "stack": lambda D, t: D.StackTransform([D.ExpTransform(), D.TanhTransform(), D.SigmoidTransform()], -1),
    "correlation": lambda D, t: D.CorrCholeskyTransform(),
    "cdf": lambda D, t: D.CumulativeDistributionTransform(D.Normal(t(0.5), t(2.0))),
    "exp": lambda D, t: D.ExpTransform(),
    "independent": lambda D, t: D.IndependentTransform(D.ExpTransform(), 1),
    "inverse": lambda D, t: D.SigmoidTransform().inv.inv,
    "power": lambda D, t: D.ComposeTransform([D.ExpTransform(), D.PowerTransform(t([0.5, 2.0, 3.0]))]),
    "reshape": lambda D, t: D.ReshapeTransform((3,), (3, 1)),
    "sigmoid": lambda D, t: D.SigmoidTransform(),
    "softmax": lambda D, t: D.SoftmaxTransform(),
    "softplus": lambda D, t: D.SoftplusTransform(),
    "stick breaking": lambda D, t: D.StickBreakingTransform(),
    "tanh": lambda D, t: D.TanhTransform(),
}
POINTS = [[0.3, -0.7, 1.2], [0.0, 0.4, -2.0]]


@pytest.mark.parametrize("cache", [0, 1])
@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name, cache):
    found = []
    for T in (flambeau, torch):
        t, x = TRANSFORMS[name](T.distributions, of(T)).with_cache(cache), of(T)(POINTS)
        y = t(x)
        results = [y, t.inv(y)]
        with contextlib.suppress(NotImplementedError):
            results += [t.log_abs_det_jacobian(x, y), t.inv.log_abs_det_jacobian(y, x)]
        shapes = [
            t.forward_shape(x.shape),
            t.inverse_shape(y.shape),
            t.domain.event_dim,
            t.codomain.event_dim,
        ]
        found.append((results, [tuple(s) if not isinstance(s, int) else s for s in shapes], t.bijective))
    (ours, *mine), (theirs, *others) = found
    assert mine == others and len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, 1e-8)


@pytest.mark.parametrize("name", ["lower", "definite"])
def test_transforms_of_matrices(name):
    found = []
    for T in (flambeau, torch):
        D = T.distributions
        t = D.LowerCholeskyTransform() if name == "lower" else D.PositiveDefiniteTransform()
        x = of(T)([[0.5, 0.1], [0.2, -0.3]])
        found.append((t(x), t.inv(t(x))))
    for a, b in zip(*found, strict=True):
        close(a, b, 1e-9)


CONSTRAINTS = {
    "real": lambda c, t: c.real,
    "real_vector": lambda c, t: c.real_vector,
    "positive": lambda c, t: c.positive,
    "nonnegative": lambda c, t: c.nonnegative,
    "greater_than": lambda c, t: c.greater_than(t(0.5)),
    "greater_than_eq": lambda c, t: c.greater_than_eq(1.0),
    "less_than": lambda c, t: c.less_than(0.5),
    "unit_interval": lambda c, t: c.unit_interval,
    "interval": lambda c, t: c.interval(-1.0, 2.0),
    "half_open_interval": lambda c, t: c.half_open_interval(0.0, 1.0),
    "simplex": lambda c, t: c.simplex,
    "lower_cholesky": lambda c, t: c.lower_cholesky,
    "lower_triangular": lambda c, t: c.lower_triangular,
    "corr_cholesky": lambda c, t: c.corr_cholesky,
    "positive_definite": lambda c, t: c.positive_definite,
    "positive_semidefinite": lambda c, t: c.positive_semidefinite,
    "symmetric": lambda c, t: c.symmetric,
    "square": lambda c, t: c.square,
    "boolean": lambda c, t: c.boolean,
    "one_hot": lambda c, t: c.one_hot,
    "integer_interval": lambda c, t: c.integer_interval(0, 1),
    "nonnegative_integer": lambda c, t: c.nonnegative_integer,
    "positive_integer": lambda c, t: c.positive_integer,
    "multinomial": lambda c, t: c.multinomial(2),
    "independent": lambda c, t: c.independent(c.positive, 1),
    "stack": lambda c, t: c.stack([c.positive, c.boolean], -1),
    "cat": lambda c, t: c.cat([c.positive, c.boolean], -1, [1, 1]),
}
VALUES = [
    [[1.0, 0.0], [0.0, 1.0]],
    [[2.0, 0.5], [0.5, 1.0]],
    [[1.0, 2.0], [2.0, 1.0]],
    [[0.8, 0.2], [float("nan"), -1.0]],
    [[1.0, 0.0], [0.6, 0.8]],
    [[1.0, 1.0], [1.0, 1.0]],
]


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints(name):
    mine, other = (CONSTRAINTS[name](T.distributions.constraints, of(T)) for T in (flambeau, torch))
    assert repr(mine) == repr(other)
    assert (mine.event_dim, mine.is_discrete) == (other.event_dim, other.is_discrete)
    for values in VALUES:
        if name == "positive_semidefinite" and values[1][0] != values[1][0]:
            continue
        a, b = (c.check(of(T)(values)) for c, T in ((mine, flambeau), (other, torch)))
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=str(values))


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_registries(name, registry):
    found = []
    for T in (flambeau, torch):
        constraint = CONSTRAINTS[name](T.distributions.constraints, of(T))
        try:
            t = getattr(T.distributions, registry)(constraint)
        except NotImplementedError as error:
            found.append(type(error))
            continue
        found.append(t(of(T)([[0.3, -0.7, 1.2]] if "corr" in name else [[0.3, -0.7], [1.2, 0.1]])))
    mine, other = found
    assert mine is other if isinstance(other, type) else close(mine, other, 1e-9) is None


# ----- errors -----

WRONG = {
    "negative scale": lambda D, t: D.Normal(t(0.0), t(-1.0)),
    "nan": lambda D, t: D.Normal(t(float("nan")), 1.0),
    "text": lambda D, t: D.Normal("0", 1.0),
    "both": lambda D, t: D.Bernoulli(t(0.5), t(0.5)),
    "neither": lambda D, t: D.Categorical(),
    "no dimension": lambda D, t: D.Categorical(t(0.5)),
    "no simplex": lambda D, t: D.Categorical(t([-1.0, 2.0])),
    "no event": lambda D, t: D.Dirichlet(t(1.0)),
    "bounds": lambda D, t: D.Uniform(t(1.0), t(0.0)),
    "zero": lambda D, t: D.Geometric(t([0.0, 0.5])),
    "not definite": lambda D, t: D.MultivariateNormal(t([0.0, 0.0]), t([[1.0, 2.0], [2.0, 1.0]])),
    "two matrices": lambda D, t: D.MultivariateNormal(t([0.0]), t([[1.0]]), t([[1.0]])),
    "dimensions": lambda D, t: D.Independent(D.Normal(t([0.0]), 1.0), 2),
    "small": lambda D, t: D.LKJCholesky(1),
    "count": lambda D, t: D.Multinomial(t([2.0]), t([0.5, 0.5])),
    "support": lambda D, t: D.Exponential(1.0).log_prob(t(-1.0)),
    "fraction": lambda D, t: D.Poisson(1.0).log_prob(t(0.5)),
    "number": lambda D, t: D.Normal(0.0, 1.0).log_prob(1.0),
    "event": lambda D, t: D.Dirichlet(t([1.0, 1.0])).log_prob(t([0.2, 0.3, 0.5])),
    "batch": lambda D, t: D.Normal(t([0.0, 1.0]), 1.0).log_prob(t([0.0, 1.0, 2.0])),
    "no icdf": lambda D, t: D.Gamma(1.0, 1.0).icdf(t(0.5)),
    "no rsample": lambda D, t: D.Bernoulli(0.5).rsample(),
    "mixture": lambda D, t: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(0.0, 1.0)),
    "components": lambda D, t: D.MixtureSameFamily(D.Categorical(t([0.5, 0.5])), D.Normal(t([0.0]), 1.0)),
    "transform": lambda D, t: D.TransformedDistribution(D.Normal(0.0, 1.0), [1]),
    "too few": lambda D, t: D.TransformedDistribution(D.Normal(0.0, 1.0), D.StickBreakingTransform()),
    "cache": lambda D, t: D.ExpTransform(cache_size=2),
    "reshape": lambda D, t: D.ReshapeTransform((2,), (3,)),
    "divergence": lambda D, t: D.kl_divergence(D.Normal(0.0, 1.0), D.Cauchy(0.0, 1.0)),
    "registry": lambda D, t: D.biject_to.register(3, lambda c: c),
    "default": lambda D, t: D.Distribution.set_default_validate_args(3),
    "diagonal": lambda D, t: D.utils.tril_matrix_to_vec(t([[1.0]]), 5),
    "triangle": lambda D, t: D.utils.vec_to_tril_matrix(t([1.0, 2.0])),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors(name):
    import flambeau.distributions.utils

    with pytest.raises(Exception) as expected:
        WRONG[name](torch.distributions, of(torch))
    with pytest.raises(type(expected.value)):
        WRONG[name](flambeau.distributions, of(flambeau))


def test_unchecked_arguments():
    for T in (flambeau, torch):
        d = T.distributions.Normal(0.0, -1.0, validate_args=False)
        assert d.log_prob(T.tensor(1.0)).isnan()


# ----- functions -----

RATES = np.array([[0.0, 0.1, 1.0, 9.9], [10.0, 55.5, 1e4, 1e9]])
DRAWS = {
    "poisson": lambda T, d: T.poisson(T.tensor(RATES).to(d)),
    "poisson again": lambda T, d: T.poisson(T.tensor(np.tile(RATES, (30, 1))).to(d)),
    "binomial": lambda T, d: T.binomial(
        T.tensor([0.0, 1.0, 12.0, 300.0, 1e6]).to(d)[:, None].expand(5, 6),
        T.tensor([0.0, 0.01, 0.3, 0.5, 0.8, 1.0]).to(d),
    ),
    "gamma": lambda T, d: T._standard_gamma(T.tensor([0.0, 1e-3, 0.3, 1.0, 7.7, 1e6]).to(d)),
    "many gammas": lambda T, d: T._standard_gamma(T.full((700,), 0.8, dtype=d)),
    "dirichlet": lambda T, d: T._sample_dirichlet(T.tensor([[0.01, 0.02, 0.03], [3.0, 4.0, 50.0]]).to(d)),
    "normal of tensors": lambda T, d: T.normal(T.zeros(3, 7, dtype=d), T.arange(1.0, 8.0).to(d)),
    "normal of a mean": lambda T, d: T.normal(T.ones(20, dtype=d), 2.0),
    "normal of a std": lambda T, d: T.normal(1.0, T.arange(0.0, 5.0).to(d)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DRAWS)
def test_draws(name, dtype):
    flambeau.manual_seed(9), torch.manual_seed(9)
    for _ in range(3):
        mine, other = (DRAWS[name](T, getattr(T, dtype)) for T in (flambeau, torch))
        close(mine, other, 1e-6 if dtype == "float32" else 1e-14)
    np.testing.assert_array_equal(*states())


def test_slopes_of_gamma_and_beta_numbers():
    rng = np.random.default_rng(0)
    alpha = np.exp(rng.uniform(-3, 4, 500))
    x = np.maximum(rng.gamma(alpha), 1e-30)
    mine, other = (T._standard_gamma_grad(T.tensor(alpha), T.tensor(x)) for T in (flambeau, torch))
    close(mine, other, 3e-3)
    beta = np.exp(rng.uniform(-2, 3, 500))
    x = np.clip(rng.beta(alpha, beta), 1e-10, 1 - 1e-10)
    mine, other = (
        T._dirichlet_grad(T.tensor(x), T.tensor(alpha), T.tensor(alpha + beta)) for T in (flambeau, torch)
    )
    np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=2e-2)


WRONG_DRAWS = {
    "negative rate": lambda T: T.poisson(T.tensor([-1.0])),
    "whole rate": lambda T: T.poisson(T.tensor([1])),
    "half counts": lambda T: T.binomial(T.ones(2, dtype=T.float16), T.ones(2, dtype=T.float16)),
    "two dtypes": lambda T: T.binomial(T.ones(2), T.ones(2, dtype=T.float64)),
    "shapes": lambda T: T.binomial(T.ones(2), T.ones(3)),
    "half concentration": lambda T: T._standard_gamma(T.ones(2, dtype=T.float16)),
}


@pytest.mark.parametrize("name", WRONG_DRAWS)
def test_errors_of_draws(name):
    with pytest.raises(Exception) as expected:
        WRONG_DRAWS[name](torch)
    with pytest.raises(type(expected.value)):
        WRONG_DRAWS[name](flambeau)
