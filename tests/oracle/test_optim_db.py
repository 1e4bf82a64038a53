"""PyTorch's own configurations of optimizers (its OptimizerInfo database): a small fit in each of them."""

import sys
import types
import unittest

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")
sys.modules.setdefault(
    "expecttest", types.SimpleNamespace(TestCase=unittest.TestCase)
)  # imported there, not needed here
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]


def configurations():
    database = pytest.importorskip("torch.testing._internal.common_optimizers")
    for info in database.optim_db:
        name = info.optim_cls.__name__
        if name != "SparseAdam":  # whose gradients are sparse: in test_sparse.py
            for i, config in enumerate(info.optim_inputs_func(device="cpu")):
                yield pytest.param(name, config.kwargs, id=f"{name}-{i}-{config.desc}")


def translated(t, x):
    """An option, with its tensors as those of the framework `t`."""
    if isinstance(x, tuple):
        return tuple(translated(t, y) for y in x)
    return t.tensor(x.tolist(), dtype=getattr(t, str(x.dtype).split(".")[1])) if torch.is_tensor(x) else x


def fitted(t, name, options):
    """Losses and parameters of ten steps."""
    rng = np.random.default_rng(0)
    x, y, w = (t.tensor(rng.standard_normal(s).tolist(), dtype=t.float64) for s in ((8, 4), (8, 3), (4, 3)))
    params = [w.requires_grad_()]
    if name != "Muon":
        params.append(t.zeros(3, dtype=t.float64, requires_grad=True))
    options = {key: translated(t, value) for key, value in options.items() if key != "differentiable"}
    optimizer = getattr(t.optim, name)(params, **options)

    def closure():
        optimizer.zero_grad()
        out = x @ params[0]
        loss = (((out if len(params) == 1 else out + params[1]) - y) ** 2).mean()
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(10)]
    return [losses, *(p.detach().numpy() for p in params)]


@pytest.mark.parametrize(("name", "options"), list(configurations()))
def test_a_fit_in_each_configuration(name, options):
    tolerance = 0.03 if name == "Muon" else 1e-9  # in bfloat16
    for ours, theirs in zip(fitted(flambeau, name, options), fitted(torch, name, options), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
