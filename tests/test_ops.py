"""What every operation owes, derived from its record: each test runs over the samples of one operation."""

import importlib
import pkgutil
import re

import numpy as np
import pytest

import flambeau as torch
from flambeau import ops as room
from flambeau.core import dtype as dt
from flambeau.core.config import config
from flambeau.core.program import programs
from flambeau.core.realize import recorder
from flambeau.ops.op import Op
from flambeau.ops.samples import spread

for module in pkgutil.iter_modules(room.__path__):
    importlib.import_module(f"{room.__name__}.{module.name}")

OPS = {
    name: op for name, op in Op.registry.items() if name != "pick"
}  # which takes one of several results: nobody calls it
PURE = [name for name, op in OPS.items() if op.kind != "random"]
REFUSED = {  # their gradient formula is an error, as PyTorch's
    "ctc_loss",
    "ctc_loss_grad",
    "dirichlet_grad",
    "geqrf",
    "ldl_factor",
    "standard_gamma_grad",
}
DIFFERENTIABLE = [
    name
    for name in PURE
    if (OPS[name].grads is not None or OPS[name].composition is not None) and name not in REFUSED
]
FIXED_DTYPE = {"cast", "view_dtype", "full"}  # what they give doesn't follow from what they get
TYPED = [name for name in PURE if name not in FIXED_DTYPE]
COMPLEX = [name for name in DIFFERENTIABLE if OPS[name].accepts[1] == dt.COMPLEX and name not in FIXED_DTYPE]

every = pytest.mark.parametrize("name", list(OPS))
pure = pytest.mark.parametrize("name", PURE)


# ----- helpers -----


def samples(name):
    """(label, arrays, attributes) of each sample of an operation."""
    return [(f"{name}, sample {i}", s.arrays, s.attrs) for i, s in enumerate(OPS[name].samples())]


def call(name, arrays, attrs):
    return OPS[name].on_sample([torch.tensor(a) for a in arrays], attrs)


def value(t):
    return t._value("test")


def converted(arrays, d):
    """The floating arrays in another dtype (complex ones in its complex counterpart), the others as they
    are."""
    kinds = {"f": d.np, "c": d.to_complex().np}
    return [a.astype(kinds.get(a.dtype.kind, a.dtype)) for a in arrays]


def wide(array):
    """The array in a dtype that NumPy compares without rounding."""
    return (
        array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
        if array.dtype.kind in "fcV"
        else array
    )


def assert_equal(got, want, label, tolerance=0.0):
    assert (got.shape, got.dtype) == (want.shape, want.dtype), label
    np.testing.assert_allclose(wide(got), wide(want), rtol=tolerance, atol=tolerance, err_msg=label)


# ----- values -----


@every
def test_it_has_samples(name):
    assert samples(name)


@every
def test_the_value_has_the_recorded_shape_and_dtype(name):
    for label, arrays, attrs in samples(name):
        t = call(name, arrays, attrs)
        assert (value(t).shape, value(t).dtype) == (tuple(t.shape), t.dtype.np), label


@pure
def test_the_reference_leaves_its_inputs_alone(name, monkeypatch):
    op, reference, calls = OPS[name], OPS[name].numpy, []

    def watched(*args):
        inputs = [a for a in args if isinstance(a, np.ndarray)][op.writes :]
        before = [a.copy() for a in inputs]
        results = reference(*args)
        for was, now in zip(before, inputs, strict=True):
            assert_equal(now, was, label)
            shared = any(
                np.shares_memory(now, r) for r in (results if isinstance(results, tuple) else (results,))
            )
            assert op.kind == "view" or not shared, f"{label}: the result is an input's memory"
        calls.append(label)
        return results

    monkeypatch.setattr(op, "numpy", watched)
    monkeypatch.setattr(config, "mode", "interpret")
    for label, arrays, attrs in samples(name):
        value(call(name, arrays, attrs))
        assert label in calls


@every
def test_eager_is_lazy(name, monkeypatch):
    for label, arrays, attrs in samples(name):
        if config.mode == "auto":  # under which a program that others have run before may be native by now
            monkeypatch.setattr(config, "mode", "interpret")
        late = value(call(name, arrays, attrs))
        monkeypatch.setattr(config, "mode", "eager")
        recorder.relax()
        t = call(name, arrays, attrs)
        assert t._node.value is not None and not recorder.pending, label
        monkeypatch.undo()
        recorder.relax()
        assert_equal(value(t), late, label, 1e-11 if config.mode == "compile" else 0.0)


@every
def test_the_second_time_the_program_is_known(name, monkeypatch):
    monkeypatch.setattr("flambeau.core.realize.FEW", -1)  # even of a single operation
    for label, arrays, attrs in samples(name):
        first = value(call(name, arrays, attrs))
        hits, misses = programs.hits, programs.misses
        again = value(call(name, arrays, attrs))
        assert programs.hits > hits and programs.misses == misses, label
        assert_equal(again, first, label)


@pure
@pytest.mark.parametrize("layout", ["transposed", "strided", "expanded"])
def test_layout_makes_no_difference(name, layout):
    for label, arrays, attrs in samples(name):
        laid = [LAYOUTS[layout](torch.tensor(a)) for a in arrays]
        dense = [torch.tensor(t.numpy().copy()) for t in laid]
        if OPS[name].kind == "view" and OPS[name].try_view(laid[0], tuple(attrs.values())) is None:
            continue
        got, want = OPS[name].on_sample(laid, attrs), OPS[name].on_sample(dense, attrs)
        assert_equal(value(got), value(want), label, 1e-14)  # NumPy sums in the order of memory


LAYOUTS = {
    "transposed": lambda t: (
        torch.permute(t, tuple(reversed(range(t.ndim)))).clone().permute(*reversed(range(t.ndim)))
    ),
    "strided": lambda t: torch.stack([t, t], t.ndim).select(t.ndim, 1),
    "expanded": lambda t: t[:1].expand(t.shape) if t.ndim and len(t) else t,
}


@pure
def test_intermediate_values_of_any_layout_are_written_to_rightly(name):
    """What only the program holds may be overwritten, in whatever order NumPy left its elements."""
    for label, arrays, attrs in samples(name):
        if not OPS[name].writes:
            continue
        first, *rest = (torch.tensor(a) for a in arrays)
        backwards = tuple(reversed(range(first.ndim)))
        moved = torch.permute(torch.permute(first, backwards).clone(), backwards)
        got = OPS[name].on_sample([moved + moved.new_zeros(()), *rest], attrs)
        assert_equal(value(got), value(call(name, arrays, attrs)), label)


# ----- dtypes -----

CLOSE = {dt.float32: 2e-5, dt.float16: 2e-3, dt.bfloat16: 2e-2}


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.parametrize("d", CLOSE, ids=lambda d: d.name)
def test_narrow_floats_are_close_to_float64(name, d):
    for label, arrays, attrs in samples(name):
        narrow = converted(arrays, d)
        try:
            got, want = call(name, narrow, attrs), call(name, [wide(a) for a in narrow], attrs)
        except NotImplementedError as e:
            assert d in dt.HALVES and f"linalg.{name}" in str(e), label
            continue
        expected = want.dtype
        if expected.category >= dt.FLOAT:
            expected = (
                d.to_complex()
                if expected.is_complex
                else d.to_complex().to_real()
                if has_complex(arrays)
                else d
            )
        assert got.dtype is expected, label
        np.testing.assert_allclose(wide(value(got)), value(want), rtol=CLOSE[d], atol=CLOSE[d], err_msg=label)


def has_complex(arrays):
    return any(a.dtype.kind == "c" for a in arrays)


@pytest.mark.parametrize("name", TYPED)
@pytest.mark.parametrize("d", [dt.int64, dt.int32, dt.uint8, dt.bool_], ids=lambda d: d.name)
def test_whole_numbers_give_what_floats_give_or_are_refused(name, d):
    for label, arrays, attrs in samples(name):
        floats = [a.dtype.kind == "f" for a in arrays]
        whole = [
            np.abs(a).round().clip(1).astype(d.np) if f else a for a, f in zip(arrays, floats, strict=True)
        ]
        try:
            got = call(name, whole, attrs)
        except RuntimeError as e:
            assert OPS[name].accepts[0] > d.category and name in str(e), label
            continue
        result = value(got)
        assert result.dtype == got.dtype.np, label
        if d is dt.bool_ or not any(floats):
            continue
        want = value(
            call(name, [a.astype(np.float64) if f else a for a, f in zip(whole, floats, strict=True)], attrs)
        )
        if got.dtype.category <= dt.INTEGER:
            want = want.astype(np.int64).astype(result.dtype)  # what doesn't fit wraps around
        assert_equal(wide(result), wide(want), label, 1e-6 if got.dtype.category >= dt.FLOAT else 0)


# ----- shapes -----

POINTWISE = [name for name in PURE if isinstance(OPS[name], type(OPS["add"])) and len(OPS[name].inputs) > 1]


@pytest.mark.parametrize("name", POINTWISE)
def test_broadcasting_is_expanding(name):
    for label, arrays, attrs in samples(name):
        full = [np.array(a) for a in np.broadcast_arrays(*arrays)]
        assert_equal(value(call(name, arrays, attrs)), value(call(name, full, attrs)), label)


@pytest.mark.parametrize("name", [n for n in PURE if OPS[n].kind == "pointwise"])
def test_numbers_and_empty_tensors(name):
    _, arrays, attrs = samples(name)[0]
    kinds = [spread((), 1.2, 1.3).astype(a.dtype) for a in arrays]
    for shape in ((), (0,), (2, 0)):
        if name in ("tril", "triu", "full"):
            continue
        t = call(name, [np.broadcast_to(k, shape) for k in kinds], attrs)
        assert tuple(t.shape) == value(t).shape == shape


# ----- gradients -----


def check_gradients(name, label, arrays, attrs):
    """First and second derivatives against finite differences."""
    op = OPS[name]
    ways = [
        k for k, a in enumerate(arrays) if a.dtype.kind in "fc" and (op.composition is not None or op.rule(k))
    ]
    inputs = [torch.tensor(a, requires_grad=k in ways) for k, a in enumerate(arrays)]
    f = lambda *xs: op.on_sample(xs, attrs)  # noqa: E731
    if (
        f(*inputs).dtype not in (dt.float64, dt.complex128)
        or any(a.size == 0 for a in arrays)
        or f(*inputs).numel() == 0
    ):
        return
    try:
        assert torch.autograd.gradcheck(f, inputs, check_undefined_grad=False)
        if f(*inputs).requires_grad:
            assert torch.autograd.gradgradcheck(f, inputs, check_undefined_grad=False)
    except torch.autograd.GradcheckError as e:
        raise AssertionError(label) from e


# As in PyTorch: Bessel and Airy functions, orthogonal polynomials.
CONSTANT = {name for name in PURE if re.search("bessel|airy|polynomial_", name)}


@pytest.mark.parametrize(
    "name", [n for n in PURE if n != "view_dtype" and n not in CONSTANT]
)  # bits have no gradient
def test_no_operation_on_floats_loses_the_gradient(name):
    for label, arrays, attrs in samples(name):
        if (
            any(a.dtype.kind in "fc" for a in arrays) and name != "view_dtype"
        ):  # which passes bits on, not numbers
            whole = call(name, arrays, attrs).dtype.category < dt.FLOAT
            assert whole or name in DIFFERENTIABLE or name in REFUSED, label


SLOW = {"svd", "qr", "eig", "eigh", "cholesky", "pinv", "conv", "conv_input_grad", "conv_weight_grad"}


def by_speed(names):
    return pytest.mark.parametrize(
        "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in names]
    )


@by_speed(DIFFERENTIABLE)
def test_gradients(name):
    for label, arrays, attrs in samples(name):
        check_gradients(name, label, converted(arrays, dt.float64), attrs)


@by_speed(COMPLEX)
def test_complex_gradients(name):
    for label, arrays, attrs in samples(name):
        both = [
            a + 0.3j * spread(a.shape, -1.0, 1.0, k) if a.dtype.kind == "f" else a
            for k, a in enumerate(arrays)
        ]
        check_gradients(name, label, both, attrs)
