"""Printed tensors, compared with PyTorch's own text."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flambeau.core import printing

torch = pytest.importorskip("torch")

PARAMETER = "Parameter containing:\ntensor("
FLOATS = ["float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"]
COMPLEX = ["complex64", "complex128"]
INTEGERS = ["int64", "int32", "int16", "int8", "uint8", "uint16", "uint64", "bool"]
DTYPES = FLOATS + COMPLEX + INTEGERS
TRIALS = 300  # for each dtype


def to_numpy(tensor):
    """The elements as NumPy holds them; the small float types go through their bits."""
    name = str(tensor.dtype).removeprefix("torch.")
    if name == "bfloat16" or name.startswith("float8"):
        bits = tensor.detach().view(torch.uint16 if name == "bfloat16" else torch.uint8)
        return bits.numpy().view(getattr(ml_dtypes, name))
    return tensor.detach().resolve_neg().resolve_conj().numpy()


def ours(tensor, **given):
    fields = {
        "dtype_name": str(tensor.dtype).removeprefix("torch."),
        "default_dtype_name": str(torch.get_default_dtype()).removeprefix("torch."),
        "requires_grad": tensor.requires_grad,
        "grad_fn": tensor.grad_fn and type(tensor.grad_fn).__name__,
    }
    return printing.format_tensor(to_numpy(tensor), **fields | given)


def check(tensor, options=None, **given):
    options = options or {}
    with printing.printoptions(**options), torch._tensor_str.printoptions(**options):
        assert ours(tensor, **given) == repr(tensor), f"with {options}"


def random_options(rng):
    options = {
        "precision": int(rng.integers(0, 9)),
        "threshold": int(rng.choice([0, 5, 20, 50, 1000])),
        "edgeitems": int(rng.choice([0, 1, 2, 3, 5])),
        "linewidth": int(rng.choice([1, 20, 40, 60, 80, 100, 120, 250])),
        "sci_mode": [None, None, True, False][rng.integers(4)],
        "profile": ["default", "short", "full"][rng.integers(3)],
    }
    return {name: value for name, value in options.items() if rng.random() < 0.4}


def random_floats(rng, shape):
    """Whole numbers or fractions, of one magnitude or of many, with zeros and non-finite values strewn in."""
    values = rng.standard_normal(shape) * 10.0 ** rng.choice([-9, -5, -4, -1, 0, 0, 1, 3, 7, 9])
    if rng.random() < 0.3:
        values = values * 10.0 ** rng.integers(-3, 4, shape)
    if rng.random() < 0.4:
        values = np.round(values)
    if rng.random() < 0.4:
        odd = rng.choice([0.0, -0.0, np.nan, np.inf, -np.inf, 1e4, -1e-4, 1e8], shape)
        values = np.where(rng.random(shape) < rng.choice([0.1, 0.5, 1.0]), odd, values)
    return values


def random_tensor(rng, name):
    dims = rng.choice(6, p=[0.1, 0.3, 0.3, 0.15, 0.1, 0.05])
    shape = tuple(rng.integers(0 if rng.random() < 0.1 else 1, [0, 60, 15, 6, 4, 3][dims] + 1, dims).tolist())
    dtype = getattr(torch, name)
    if name in INTEGERS:
        bits = int(rng.integers(1, 64))
        return torch.from_numpy(np.asarray(rng.integers(-(2**bits) // 2, 2**bits // 2, shape))).to(dtype)
    values = torch.from_numpy(np.asarray(random_floats(rng, shape)))
    if name in COMPLEX:
        values = torch.complex(values, torch.from_numpy(np.asarray(random_floats(rng, shape))))
    tensor = values.to(dtype)
    if name.startswith("float8") or (choice := rng.integers(6)) > 2:
        return tensor
    tensor.requires_grad_()
    return [tensor, tensor.expand_as(tensor), torch.nn.Parameter(tensor.detach())][choice]


@pytest.mark.parametrize("name", DTYPES)
def test_repr_equals_pytorchs(name):
    rng = np.random.default_rng(DTYPES.index(name))
    for _ in range(TRIALS):
        tensor = random_tensor(rng, name)
        prefix = PARAMETER if isinstance(tensor, torch.nn.Parameter) else "tensor("
        check(tensor, random_options(rng), prefix=prefix)


whole = st.integers(-(10**5), 10**5).map(float)
number = st.floats(width=32) | whole | st.sampled_from([0.0, -0.0, 1e-4, 1e8])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(number, min_size=1, max_size=30),
    st.integers(0, 7),
    st.integers(10, 100),
    st.sampled_from([None, True, False]),
)
def test_any_floats(values, precision, linewidth, sci_mode):
    options = {"precision": precision, "linewidth": linewidth, "sci_mode": sci_mode}
    check(torch.tensor(values, dtype=torch.float64), options)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.complex_numbers() | st.complex_numbers(max_magnitude=100), min_size=1, max_size=8))
def test_any_complex_numbers(values):
    check(torch.tensor(values, dtype=torch.complex128))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 9), max_size=4),
    st.integers(0, 40),
    st.integers(0, 4),
    st.sampled_from([torch.float32, torch.int64, torch.float16]),
)
def test_any_shape_and_summary(shape, threshold, edgeitems, dtype):
    check(torch.ones(shape, dtype=dtype), {"threshold": threshold, "edgeitems": edgeitems})


@pytest.mark.parametrize("default", ["float64", "float16", "bfloat16"])
def test_another_default_dtype(default):
    try:
        torch.set_default_dtype(getattr(torch, default))
        for name in DTYPES:
            for shape in [(), (0,), (2, 0), (2, 2)]:
                check(torch.ones(shape, dtype=getattr(torch, name)))
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("columns", [1, 6, 8, 10])
def test_device_and_gradient_share_the_last_line_or_not(columns, monkeypatch):
    monkeypatch.setattr(torch._C, "_get_default_device", lambda: "cuda")
    leaf = torch.ones(2, columns, dtype=torch.float64, requires_grad=True)
    for tensor in (leaf, leaf.detach(), leaf + 1, leaf.half()):
        for linewidth in range(20, 120, 3):
            check(tensor, {"linewidth": linewidth}, device="cpu")


def test_a_subclass_is_printed_with_its_name():
    class Image(torch.Tensor):
        pass

    check(torch.arange(400.0).reshape(2, 200).as_subclass(Image), prefix="Image(")


def test_strided_views_and_large_tensors():
    base = torch.randn(1000, 1000, generator=torch.Generator().manual_seed(0))
    for tensor in (base, base.T, base[::3, 1::2], base.reshape(10, 4, 25, 1000), base.expand(3, 1000, 1000)):
        check(tensor)
    check(torch.ones(5, 6, 6, 6))  # summarised, yet no dimension is long enough to lose items
    check(base[:3, :400], {"profile": "full"})


def test_options_read_and_restore_alike():
    changes = [
        {"precision": 2},
        {"sci_mode": True},
        {"edgeitems": 1},
        {"profile": "short", "linewidth": 9},
        {},
    ]
    with printing.printoptions(), torch._tensor_str.printoptions():
        for change in changes:
            printing.set_printoptions(**change)
            torch.set_printoptions(**change)
            assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
    assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
