"""PyTorch's own modules and inputs (its ModuleInfo database), for every module that Flambeau has too.

With the same seed: text, state, results, gradients in float64 and the state after, in training and in
evaluation; copies and pickles of the module give the same. At most `LIMIT` inputs of an entry are tried.
"""

import copy
import pickle
import sys
import types
import unittest

import numpy as np
import pytest
from both import as_numpy

import flambeau

torch = pytest.importorskip("torch")
sys.modules.setdefault(
    "expecttest", types.SimpleNamespace(TestCase=unittest.TestCase)
)  # imported there, not needed here
database = pytest.importorskip("torch.testing._internal.common_modules")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

LIMIT = 5
ENTRIES = [m for m in database.module_db if hasattr(flambeau.nn, m.name.removeprefix("nn."))]
every = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def here(x):
    """PyTorch's arguments as Flambeau's: tensors, modules built anew, functions and dtypes by name."""
    if isinstance(x, torch.Tensor):
        return flambeau.tensor(as_numpy(x).copy()).requires_grad_(x.requires_grad)
    if isinstance(x, torch.dtype):
        return getattr(flambeau, str(x).removeprefix("torch."))
    if isinstance(x, (list, tuple)):
        return type(x)(here(i) for i in x)
    if isinstance(x, torch.nn.TransformerEncoderLayer):
        return encoder_layer(x)
    if callable(x) and hasattr(flambeau.nn.functional, getattr(x, "__name__", "")):
        return getattr(flambeau.nn.functional, x.__name__)
    return x


def encoder_layer(theirs):
    """Flambeau's layer with the settings and values of PyTorch's."""
    ours = flambeau.nn.TransformerEncoderLayer(
        theirs.linear1.in_features,
        theirs.self_attn.num_heads,
        theirs.linear1.out_features,
        theirs.dropout.p,
        here(theirs.activation),
        theirs.norm1.eps,
        theirs.self_attn.batch_first,
        theirs.norm_first,
        theirs.linear1.bias is not None,
        dtype=here(theirs.linear1.weight.dtype),
    )
    ours.load_state_dict({name: here(value.detach()) for name, value in theirs.state_dict().items()})
    return ours.train(theirs.training)


def samples(entry, training):
    torch.manual_seed(0)
    found = entry.module_inputs_func(
        entry, device="cpu", dtype=torch.float64, requires_grad=True, training=training
    )
    return found[:: max(1, len(found) // LIMIT)]


def build(t, entry, sample, convert):
    given = sample.constructor_input
    args, kwargs = convert(given.args), {name: convert(x) for name, x in given.kwargs.items()}
    t.manual_seed(11)
    return getattr(t.nn, entry.name.removeprefix("nn."))(*args, **kwargs).to(t.float64)


def fresh(x):
    return x.detach().clone().requires_grad_(x.requires_grad) if isinstance(x, torch.Tensor) else x


def leaves(x):
    if isinstance(x, (list, tuple)):
        return [leaf for part in x for leaf in leaves(part)]
    return [x] if hasattr(x, "requires_grad") else []


def numbers(named):
    return {name: None if x is None else as_numpy(x.detach()).copy() for name, x in named}


def trace(t, module, sample, convert, training):
    """Results, gradients of inputs and parameters, and the state after."""
    module.train(training)
    args, kwargs = (
        [convert(fresh(x)) if isinstance(x, torch.Tensor) else convert(x) for x in sample.forward_input.args],
        {name: convert(fresh(x)) for name, x in sample.forward_input.kwargs.items()},
    )
    t.manual_seed(5)
    results = leaves(module(*args, **kwargs))
    total = sum((y * y).sum() for y in results if y.is_floating_point())
    if total.requires_grad:
        total.backward()
    given = leaves([args, *kwargs.values()])
    return {
        **numbers((f"result {i}", y) for i, y in enumerate(results)),
        **numbers((f"gradient of input {i}", x.grad) for i, x in enumerate(given)),
        **numbers((f"gradient of {name}", p.grad) for name, p in module.named_parameters()),
        **numbers((f"{name} after", x) for name, x in module.state_dict().items()),
    }


def assert_same(ours, theirs):
    assert list(ours) == list(theirs)
    for name, x in ours.items():
        assert (x is None) == (theirs[name] is None), name
        if x is not None:
            assert x.dtype == theirs[name].dtype and x.shape == theirs[name].shape, name
            np.testing.assert_allclose(x, theirs[name], 1e-7, 1e-9, err_msg=name)


@every
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_module(entry, training):
    for sample in samples(entry, training):
        ours, theirs = build(flambeau, entry, sample, here), build(torch, entry, sample, lambda x: x)
        assert repr(ours) == repr(theirs)
        if not entry.is_lazy:
            state = [numbers(m.state_dict().items()) for m in (ours, theirs)]
            assert_same(*state)
            twins = [copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))]
        got = trace(flambeau, ours, sample, here, training)
        assert_same(got, trace(torch, theirs, sample, lambda x: x, training))
        if not entry.is_lazy:
            for twin in twins:
                assert repr(twin) == repr(ours)
                assert_same(trace(flambeau, twin, sample, here, training), got)
