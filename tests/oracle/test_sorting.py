"""Running reductions, order and large draws, compared with PyTorch to the last bit."""

import numpy as np
import pytest

import flambeau
from flambeau.core.config import config

torch = pytest.importorskip("torch")
rng = np.random.default_rng(0)


@pytest.fixture(params=["interpret", "compile"])
def mode(request, monkeypatch):
    monkeypatch.setattr(config, "mode", request.param)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64"])
@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_running_reductions(name, dtype, mode):
    x = rng.normal(size=(40, 129)) if dtype != "int64" else rng.integers(-9, 9, (40, 129))
    for dim in (0, 1):
        ours, theirs = (
            getattr(t, name)(t.tensor(x).to(getattr(t, dtype)), dim).to(t.float64).numpy()
            for t in (flambeau, torch)
        )
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", ["cummax", "cummin", "sort"])
def test_positions(name, mode):
    x = rng.integers(-3, 4, (30, 70)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    for dim in (0, 1):
        more = {"stable": True} if name == "sort" else {}
        ours, theirs = (getattr(t, name)(t.tensor(x), dim=dim, **more) for t in (flambeau, torch))
        np.testing.assert_array_equal(ours.indices.numpy(), theirs.indices.numpy())
        np.testing.assert_array_equal(ours.values.numpy(), theirs.values.numpy())


def test_searchsorted(mode):
    edges, values = np.sort(rng.normal(size=(3, 50)), 1), rng.normal(size=(3, 40))
    for right in (False, True):
        ours, theirs = (
            t.searchsorted(t.tensor(edges), t.tensor(values), right=right).numpy() for t in (flambeau, torch)
        )
        np.testing.assert_array_equal(ours, theirs)


DRAWS = {
    "rand": lambda t, n: t.rand(n),
    "randn": lambda t, n: t.randn(n),
    "normal_": lambda t, n: t.empty(n).normal_(0.5, 2.0),
    "bernoulli_": lambda t, n: t.empty(n).bernoulli_(0.3),
    "exponential_": lambda t, n: t.empty(n).exponential_(1.5),
    "cauchy_": lambda t, n: t.empty(n).cauchy_(),
    "randint": lambda t, n: t.randint(0, 100, (n,)),
    "randperm": lambda t, n: t.randperm(n),
    "dropout": lambda t, n: t.nn.functional.dropout(t.ones(n), 0.1),
    "half": lambda t, n: t.randn(n, dtype=t.bfloat16).float(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_large_draws(name, mode):
    for n in (1000, 20_003):
        flambeau.manual_seed(11)
        torch.manual_seed(11)
        for _ in range(2):
            ours, theirs = (DRAWS[name](t, n).numpy() for t in (flambeau, torch))
            np.testing.assert_array_equal(ours, theirs)
        np.testing.assert_array_equal(flambeau.get_rng_state().numpy(), torch.get_rng_state().numpy())
