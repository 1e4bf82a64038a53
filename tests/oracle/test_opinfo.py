"""PyTorch's own sample inputs (its OpInfo database), for every function and method that Flambeau has too.

Values in float32 and int64 of the functions, methods and in-place methods, gradients in float64, and the
classes of errors. At most `LIMIT` samples of an entry are tried.
"""

import sys
import types
import unittest
import warnings
from itertools import islice

import numpy as np
import pytest
from both import as_numpy, difference, plain, words

import flambeau
import flambeau.nn.functional

torch = pytest.importorskip("torch")
sys.modules.setdefault(
    "expecttest", types.SimpleNamespace(TestCase=unittest.TestCase)
)  # imported there, not needed here
database = pytest.importorskip("torch.testing._internal.common_methods_invocations")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

LIMIT = 10
SIGNS = "vectors are fixed up to their sign only; compared in test_linalg.py"
ANOTHER_CALL = "the database calls it with its arguments in an order of its own"
DIFFERENT = {  # entries that aren't compared, and why
    "svd linalg.svd linalg.eig linalg.eigh linalg.qr": SIGNS,
    "einsum nn.functional.embedding linalg.pinv linalg.lstsq polygamma special.polygamma": ANOTHER_CALL,
    "svd_lowrank pca_lowrank nn.functional.embedding_bag": ANOTHER_CALL,
    "cholesky_solve cholesky_inverse": "what isn't read has a gradient there; compared in test_linalg.py",
    "nn.functional.triplet_margin_with_distance_loss": "takes a module of PyTorch's",
    "empty empty_like empty_permuted empty_strided new_empty new_empty_strided": "values aren't set",
    "as_strided_scatter": "the input gets the gradient of what is replaced there",
    "as_strided": "samples are parts of larger storages",
    "normal normal_ rand_like": "the database draws something else",
    "nn.functional.dropout2d nn.functional.dropout3d nn.functional.alpha_dropout": (
        "drawn numbers; compared in test_functional.py"
    ),
    "nn.functional.dropout nn.functional.feature_alpha_dropout": (
        "drawn numbers; compared in test_functional.py"
    ),
    "gather": "an index that is empty may have any shape there",
    "round": "with decimals=0 given, but not without, it refuses whole numbers there",
    "matrix_exp": "matrices so large that float32 keeps three digits",
    "norm linalg.norm": "the nuclear norm has other subgradients; infinite norms over nothing are refused",
    "nn.functional.batch_norm": "an input of one dimension without elements is accepted there",
    "nn.functional.unfold nn.functional.max_pool1d nn.functional.max_unpool1d": (
        "whole numbers are taken here"
    ),
    "nn.functional.max_unpool2d nn.functional.max_unpool3d linalg.vecdot": "whole numbers are taken here",
    "nn.functional.hardsigmoid": "the slope is float32's 1/6 there",
    "zero_": "writes to a leaf that requires gradients",
    "cdist": "the distance of counting has no gradient there",
}
SKIPPED = {name for names in DIFFERENT for name in names.split()}
CHOICES = {"kthvalue", "mode", "topk", "sort", "median", "max", "min"}  # which of equal elements is nobody's promise


# ----- what is compared -----


def counterpart(name):
    """Flambeau's function of that name, its method if there is none; None if there is neither."""
    if name == "where":
        return lambda x, condition, y: flambeau.where(condition, x, y)
    if name in ("T", "H", "mT", "mH"):
        return lambda x: getattr(x, name)
    found = flambeau
    for part in name.split("."):
        found = getattr(found, part, None)
    return found if callable(found) else getattr(flambeau.Tensor, name, None)


ENTRIES = [op for op in database.op_db if op.name not in SKIPPED and counterpart(op.name) is not None]
every = pytest.mark.parametrize("op", ENTRIES, ids=lambda op: f"{op.name}-{op.variant_test_name}".strip("-"))


def here(x):
    """PyTorch's arguments as Flambeau's: tensors keep their values, the order of their strides and
    `requires_grad`."""
    if isinstance(x, torch.Tensor):
        order = sorted(range(x.ndim), key=lambda d: -x.stride(d))
        back = [order.index(d) for d in range(x.ndim)]
        t = (
            flambeau.tensor(as_numpy(x).transpose(order).copy()).permute(*back)
            if x.ndim
            else flambeau.tensor(as_numpy(x))
        )
        return t.detach().requires_grad_(x.requires_grad)
    if isinstance(x, torch.dtype):
        return getattr(flambeau, str(x).removeprefix("torch."))
    if isinstance(x, torch.device):
        return str(x)
    if isinstance(x, (list, tuple)):
        return [here(i) for i in x] if isinstance(x, list) else tuple(here(i) for i in x)
    return x


def samples(op, dtype, requires_grad=False):
    torch.manual_seed(0)  # the samples are drawn
    try:
        found = list(islice(op.sample_inputs_func(op, "cpu", dtype, requires_grad), 8 * LIMIT))
    except Exception:  # the database has none in this dtype
        return []
    return found[:: max(1, len(found) // LIMIT)]


def call(f, sample, convert=lambda x: x, fresh=lambda x: x):
    flambeau.manual_seed(42)  # as the database does before it draws
    try:
        return f(
            fresh(convert(sample.input)),
            *convert(sample.args),
            **{k: convert(v) for k, v in sample.kwargs.items()},
        )
    except Exception as error:
        return error


def compare(op, got, want):
    if op.name in CHOICES and isinstance(want, tuple):
        got, want = got[0], want[0]
    try:
        return difference(
            got if isinstance(got, Exception) else plain(got),
            want if isinstance(want, Exception) else plain(want),
            20,
        )
    except Exception as error:  # raised when the value was asked for
        return "" if isinstance(want, Exception) else repr(error)


def describe(sample):
    show = lambda x: f"{str(x.dtype)[6:]}{list(x.shape)}" if isinstance(x, torch.Tensor) else repr(x)  # noqa: E731
    return f"({', '.join(map(show, (sample.input, *sample.args)))}, {sample.kwargs})"


# ----- tests -----


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=str)
def test_values(op, dtype):
    wrong = []
    for sample in samples(op, dtype):
        want, got = call(op.op, sample), call(counterpart(op.name), sample, here)
        refused = isinstance(got, NotImplementedError) and not isinstance(want, Exception)
        if refused and sum(t.numel() for t in (want if isinstance(want, tuple) else (want,))) == 0:
            continue  # PyTorch refuses when it computes, Flambeau always
        found = compare(op, got, want)
        if found:
            wrong.append(f"{op.name}{describe(sample)}: {found}")
    assert not wrong, "\n".join(wrong)


@every
def test_methods(op):
    """Methods and in-place methods give what the functions give."""
    wrong = []
    for name, theirs in ((op.name, op.method_variant), (f"{op.name}_", op.inplace_variant)):
        ours = getattr(flambeau.Tensor, name, None)
        if theirs is None or ours is None:
            continue
        for sample in samples(op, torch.float32):
            if not isinstance(sample.input, torch.Tensor) or (name.endswith("_") and sample.broadcasts_input):
                continue
            want = call(theirs, sample, fresh=lambda x: x.clone())
            found = compare(op, call(ours, sample, here, lambda x: x.clone()), want)
            if found:
                wrong.append(f"{name}{describe(sample)}: {found}")
    assert not wrong, "\n".join(wrong)


@every
def test_gradients(op):
    if not op.supports_autograd:
        return
    wrong = []
    for sample in samples(op, torch.float64, True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = gradients(torch, call(op.op, sample), sample)
            mine = here((sample.input, sample.args, list(sample.kwargs.values())))
            again = types.SimpleNamespace(
                input=mine[0], args=mine[1], kwargs=dict(zip(sample.kwargs, mine[2], strict=True))
            )
            got = gradients(flambeau, call(counterpart(op.name), again), again)
        found = difference(got, want, 100)
        if found:
            wrong.append(f"{op.name}{describe(sample)}: {found}")
    assert not wrong, "\n".join(wrong)


def leaves(x):
    """The tensors that require gradients, in nested arguments."""
    if isinstance(x, (list, tuple)):
        return [t for i in x for t in leaves(i)]
    return [x] if getattr(x, "requires_grad", False) else []


def gradients(T, result, sample):
    """Of the results, weighted by fixed numbers, towards all leaves; None counts as zeros."""
    if isinstance(result, Exception):
        return result
    inputs, outputs = leaves([sample.input, *sample.args, *sample.kwargs.values()]), leaves(result)
    if not outputs:
        return tuple(np.zeros(tuple(x.shape)) for x in inputs)
    weights = [np.linspace(0.5, 1.5, int(np.prod(tuple(y.shape)))).reshape(tuple(y.shape)) for y in outputs]
    try:
        found = T.autograd.grad(
            outputs,
            inputs,
            [T.asarray(w).to(y.dtype) for w, y in zip(weights, outputs, strict=True)],
            allow_unused=True,
        )
        return tuple(
            np.zeros(tuple(x.shape)) if g is None else as_numpy(g) for x, g in zip(inputs, found, strict=True)
        )
    except Exception as error:
        return error


# Errors of PyTorch's that aren't errors here: overlapping or unlike `out=` tensors, more than 64 dimensions,
# numbers alone.
LENIENT = words("""
    kthvalue masked_select gather index_select take bernoulli cat complex aminmax amax amin normal rsub
    clamp_min clamp_max __radd__ __rmul__ __rand__ __ror__ __rxor__ __rmod__ __rpow__ __rsub__
""")


@pytest.mark.parametrize(
    "op", [op for op in ENTRIES if op.error_inputs_func is not None], ids=lambda op: op.name
)
def test_errors(op):
    if op.name in LENIENT:
        return
    wrong = []
    for error in op.error_inputs("cpu"):
        got = compare(op, call(counterpart(op.name), error.sample_input, here), error.error_type("expected"))
        if got:
            wrong.append(f"{op.name}{describe(error.sample_input)}: {got}")
    assert not wrong, "\n".join(wrong)
