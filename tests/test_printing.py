"""Printed tensors: PyTorch's own texts, options, and the time that printing takes."""

import math
import time

import ml_dtypes
import numpy as np
import pytest

from flambeau.core import printing

# What PyTorch 2.13 prints: name -> (elements, options and fields that are not the default, text).
RECORDED = {
    "scalar float": (np.float32(2.5), {}, "tensor(2.5000)"),
    "scalar whole": (np.float32(-3), {}, "tensor(-3.)"),
    "scalar int": (np.int64(7), {}, "tensor(7)"),
    "scalar bool": (np.bool_(True), {}, "tensor(True)"),
    "scalar half": (np.float16(0.1), {}, "tensor(0.1000, dtype=torch.float16)"),
    "scalar complex": (np.complex64(1 - 2.5j), {}, "tensor(1.-2.5000j)"),
    "fractions": (np.float32([1, -2.5, 0.12346]), {}, "tensor([ 1.0000, -2.5000,  0.1235])"),
    "whole numbers": (np.float32([1, -20, 300]), {}, "tensor([  1., -20., 300.])"),
    "one fraction among whole numbers": (
        np.float32([1, 1000, 0.5]),
        {},
        "tensor([1.0000e+00, 1.0000e+03, 5.0000e-01])",
    ),
    "zeros": (np.float32([0.0, -0.0]), {}, "tensor([0., -0.])"),
    "zeros do not widen": (np.float32([0, 12345]), {}, "tensor([    0., 12345.])"),
    "nan and inf": (
        np.float32([np.nan, np.inf, -np.inf, 1.5]),
        {},
        "tensor([   nan,    inf,   -inf, 1.5000])",
    ),
    "whole with nan and inf": (np.float32([np.nan, -np.inf, 100, 0]), {}, "tensor([ nan, -inf, 100.,   0.])"),
    "nothing finite sets no width": (np.float32([np.nan, -np.inf, 0]), {}, "tensor([nan, -inf, 0.])"),
    "ratio of exactly 1000": (np.float32([1, 1000]), {}, "tensor([   1., 1000.])"),
    "ratio above 1000": (np.float32([1, 1001]), {}, "tensor([1.0000e+00, 1.0010e+03])"),
    "largest of exactly 1e8": (np.float32([1e8]), {}, "tensor([100000000.])"),
    "largest above 1e8": (np.float64([100000001]), {}, "tensor([1.0000e+08], dtype=torch.float64)"),
    "smallest of exactly 1e-4": (np.float64([1e-4]), {}, "tensor([0.0001], dtype=torch.float64)"),
    "smallest below 1e-4": (
        np.float64([9e-5, -0.0]),
        {},
        "tensor([9.0000e-05, -0.0000e+00], dtype=torch.float64)",
    ),
    "scientific with nan": (
        np.float32([1e-9, np.nan, -np.inf, 0]),
        {},
        "tensor([1.0000e-09,        nan,       -inf, 0.0000e+00])",
    ),
    "float64 extremes": (
        np.float64([1e-308, -1e308]),
        {},
        "tensor([ 1.0000e-308, -1.0000e+308], dtype=torch.float64)",
    ),
    "integers": (np.int64([1, -20, 300]), {}, "tensor([  1, -20, 300])"),
    "booleans": (np.array([True, False]), {}, "tensor([ True, False])"),
    "uint8": (np.uint8([0, 255]), {}, "tensor([  0, 255], dtype=torch.uint8)"),
    "bfloat16": (
        np.array([1.5, -0.1], ml_dtypes.bfloat16),
        {},
        "tensor([ 1.5000, -0.1001], dtype=torch.bfloat16)",
    ),
    "float16": (np.float16([65504, 1e-4]), {}, "tensor([6.5504e+04, 1.0002e-04], dtype=torch.float16)"),
    "float8": (
        np.array([1.5, 0], ml_dtypes.float8_e4m3fn),
        {},
        "tensor([1.5000, 0.0000], dtype=torch.float8_e4m3fn)",
    ),
    "complex": (
        np.complex64([1.5 - 2j, -1 + 0j, 0 + 10j]),
        {},
        "tensor([ 1.5000-2.j, -1.0000+0.j,  0.0000+10.j])",
    ),
    "complex128": (
        np.array([1 + 1e-9j, complex(np.nan, -np.inf)]),
        {},
        "tensor([1.+1.0000e-09j, nan-infj], dtype=torch.complex128)",
    ),
    "complex with negative zero": (np.complex64([complex(1, -0.0)]), {}, "tensor([1.-0.j])"),
    "empty": (np.zeros(0, np.float32), {}, "tensor([])"),
    "empty matrix": (np.zeros((2, 0), np.float32), {}, "tensor([], size=(2, 0))"),
    "empty int": (np.zeros(0, np.int64), {}, "tensor([], dtype=torch.int64)"),
    "empty bool cube": (np.zeros((0, 1, 3), bool), {}, "tensor([], size=(0, 1, 3), dtype=torch.bool)"),
    "empty with gradient": (
        np.zeros(0, np.float16),
        {"requires_grad": True},
        "tensor([], dtype=torch.float16, requires_grad=True)",
    ),
    "matrix": (
        np.float32([[1, 2], [-3, 4.5]]),
        {},
        """\
tensor([[ 1.0000,  2.0000],
        [-3.0000,  4.5000]])""",
    ),
    "cube": (
        np.arange(8).reshape(2, 2, 2),
        {},
        """\
tensor([[[0, 1],
         [2, 3]],

        [[4, 5],
         [6, 7]]])""",
    ),
    "four dimensions": (
        np.arange(8.0, dtype=np.float32).reshape(2, 1, 2, 2),
        {},
        """\
tensor([[[[0., 1.],
          [2., 3.]]],


        [[[4., 5.],
          [6., 7.]]]])""",
    ),
    "wrapped vector": (
        np.arange(25),
        {},
        """\
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16, 17,
        18, 19, 20, 21, 22, 23, 24])""",
    ),
    "wrapped matrix": (
        np.arange(30).reshape(2, 15) / np.float32(7),
        {"linewidth": 60},
        """\
tensor([[0.0000, 0.1429, 0.2857, 0.4286, 0.5714, 0.7143,
         0.8571, 1.0000, 1.1429, 1.2857, 1.4286, 1.5714,
         1.7143, 1.8571, 2.0000],
        [2.1429, 2.2857, 2.4286, 2.5714, 2.7143, 2.8571,
         3.0000, 3.1429, 3.2857, 3.4286, 3.5714, 3.7143,
         3.8571, 4.0000, 4.1429]], dtype=torch.float64)""",
    ),
    "wrapped complex": (
        np.arange(4) * np.complex64(1 - 0.5j),
        {"linewidth": 30},
        """\
tensor([0.+0.0000j,
        1.-0.5000j,
        2.-1.0000j,
        3.-1.5000j],
       dtype=torch.complex128)""",
    ),
    "one item a line": (
        np.float32([0.5, 1.5]),
        {"linewidth": 1},
        """\
tensor([0.5000,
        1.5000])""",
    ),
    "summarised vector": (np.arange(1001), {}, "tensor([   0,    1,    2,  ...,  998,  999, 1000])"),
    "not yet summarised": (np.arange(8), {"threshold": 8}, "tensor([0, 1, 2, 3, 4, 5, 6, 7])"),
    "summarised matrix": (
        np.arange(1200.0).reshape(30, 40),
        {},
        """\
tensor([[0.0000e+00, 1.0000e+00, 2.0000e+00,  ..., 3.7000e+01, 3.8000e+01,
         3.9000e+01],
        [4.0000e+01, 4.1000e+01, 4.2000e+01,  ..., 7.7000e+01, 7.8000e+01,
         7.9000e+01],
        [8.0000e+01, 8.1000e+01, 8.2000e+01,  ..., 1.1700e+02, 1.1800e+02,
         1.1900e+02],
        ...,
        [1.0800e+03, 1.0810e+03, 1.0820e+03,  ..., 1.1170e+03, 1.1180e+03,
         1.1190e+03],
        [1.1200e+03, 1.1210e+03, 1.1220e+03,  ..., 1.1570e+03, 1.1580e+03,
         1.1590e+03],
        [1.1600e+03, 1.1610e+03, 1.1620e+03,  ..., 1.1970e+03, 1.1980e+03,
         1.1990e+03]], dtype=torch.float64)""",
    ),
    "summarised in one dimension": (
        np.arange(1200).reshape(3, 400),
        {},
        """\
tensor([[   0,    1,    2,  ...,  397,  398,  399],
        [ 400,  401,  402,  ...,  797,  798,  799],
        [ 800,  801,  802,  ..., 1197, 1198, 1199]])""",
    ),
    "summarised cube": (
        np.arange(729).reshape(9, 9, 9),
        {"threshold": 10, "edgeitems": 1},
        """\
tensor([[[  0,  ...,   8],
         ...,
         [ 72,  ...,  80]],

        ...,

        [[648,  ..., 656],
         ...,
         [720,  ..., 728]]])""",
    ),
    "summarised but nothing left out": (
        np.arange(8).reshape(2, 4),
        {"threshold": 1},
        """\
tensor([[0, 1, 2, 3],
        [4, 5, 6, 7]])""",
    ),
    "only what is shown counts": (
        np.float32([1, 2, 3, 1e9, 0.5, 4, 5, 6]),
        {"threshold": 5},
        "tensor([1., 2., 3.,  ..., 4., 5., 6.])",
    ),
    "wrapped summary": (
        np.arange(1000, 1010),
        {"threshold": 5, "linewidth": 30},
        """\
tensor([1000, 1001, 1002,
         ..., 1007, 1008,
        1009])""",
    ),
    "no edge items": (np.arange(1200).reshape(30, 40), {"edgeitems": 0}, "tensor([...], size=(30, 40))"),
    "no edge items of a vector": (np.arange(1200), {"edgeitems": 0}, "tensor([...], size=(1200,))"),
    "no edge items, all shown": (np.float32([1, 2]), {"edgeitems": 0}, "tensor([1., 2.], size=(2,))"),
    "precision": (np.float32([1.23456, -2]), {"precision": 2}, "tensor([ 1.23, -2.00])"),
    "precision 0": (np.float32([1.5, 2.25]), {"precision": 0}, "tensor([2, 2])"),
    "forced scientific": (
        np.float32([1, 0.25, 0]),
        {"sci_mode": True},
        "tensor([1.0000e+00, 2.5000e-01, 0.0000e+00])",
    ),
    "scientific spares zeros": (np.float32([0, 0]), {"sci_mode": True}, "tensor([0., 0.])"),
    "never scientific": (
        np.float32([1e-5, 100000]),
        {"sci_mode": False},
        "tensor([     0.0000, 100000.0000])",
    ),
    "short profile": (
        np.arange(2000) / np.float32(3),
        {"profile": "short"},
        "tensor([0.00e+00, 3.33e-01,  ..., 6.66e+02, 6.66e+02], dtype=torch.float64)",
    ),
    "dtype suffix": (np.float64([1, 2]), {}, "tensor([1., 2.], dtype=torch.float64)"),
    "requires grad": (np.float32([1, 2]), {"requires_grad": True}, "tensor([1., 2.], requires_grad=True)"),
    "gradient function": (
        np.float32([1, 2]),
        {"requires_grad": True, "grad_fn": "AddBackward0"},
        "tensor([1., 2.], grad_fn=<AddBackward0>)",
    ),
    "suffix on a new line": (
        np.arange(17, dtype=np.int16),
        {},
        """\
tensor([ 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15, 16],
       dtype=torch.int16)""",
    ),
    "suffixes on two lines": (
        np.arange(0.5, 6, dtype=np.float16),
        {"linewidth": 40, "grad_fn": "AddBackward0"},
        """\
tensor([0.5000, 1.5000, 2.5000, 3.5000,
        4.5000, 5.5000],
       dtype=torch.float16,
       grad_fn=<AddBackward0>)""",
    ),
    "suffix that just fits": (np.float64([1, 2]), {"linewidth": 38}, "tensor([1., 2.], dtype=torch.float64)"),
    "suffix that just does not fit": (
        np.float64([1, 2]),
        {"linewidth": 37},
        """\
tensor([1., 2.],
       dtype=torch.float64)""",
    ),
    "a further suffix joins the new line": (
        np.float64([1.5, 2.5, 3.5]),
        {"linewidth": 60, "device": "cpu", "requires_grad": True},
        """\
tensor([1.5000, 2.5000, 3.5000], device='cpu',
       dtype=torch.float64, requires_grad=True)""",
    ),
    "suffix after a matrix that just fits": (
        np.int32([[1], [2]]),
        {"linewidth": 33},
        """\
tensor([[1],
        [2]], dtype=torch.int32)""",
    ),
    "suffix after a matrix that just does not fit": (
        np.int32([[1], [2]]),
        {"linewidth": 32},
        """\
tensor([[1],
        [2]],
       dtype=torch.int32)""",
    ),
    "device": (
        np.float64([1, 2]),
        {"device": "cpu", "requires_grad": True},
        "tensor([1., 2.], device='cpu', dtype=torch.float64, requires_grad=True)",
    ),
    "other default dtype": (np.float64([1, 2]), {"default_dtype_name": "float64"}, "tensor([1., 2.])"),
    "complex of the default": (np.complex128([1]), {"default_dtype_name": "float64"}, "tensor([1.+0.j])"),
    "float32 is not the default": (
        np.float32([1, 2]),
        {"default_dtype_name": "bfloat16"},
        "tensor([1., 2.], dtype=torch.float32)",
    ),
    "parameter": (
        np.float32([[1, 2], [3, 4]]),
        {"requires_grad": True, "prefix": "Parameter containing:\ntensor("},
        """\
Parameter containing:
tensor([[1., 2.],
        [3., 4.]], requires_grad=True)""",
    ),
    "subclass": (
        np.float32([[1, 2], [3, 4]]),
        {"prefix": "Image("},
        """\
Image([[1., 2.],
       [3., 4.]])""",
    ),
}


def show(value, **given):
    value = np.asarray(value)
    known = [*printing.get_printoptions(), "profile"]
    options = {name: given.pop(name) for name in known if name in given}
    with printing.printoptions(**options):
        return printing.format_tensor(value, **{"dtype_name": value.dtype.name} | given)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_text(name):
    value, given, text = RECORDED[name]
    assert show(value, **given) == text


def test_full_profile_shows_everything():
    assert "..." not in show(np.zeros(5000), profile="full")
    assert show(np.arange(1001), threshold=math.inf).count(",") == 1000


def test_a_line_without_end():
    assert show(np.arange(1000), linewidth=math.inf).count("\n") == 0


@pytest.fixture
def defaults():
    yield printing.get_printoptions()
    printing.set_printoptions(profile="default")


def test_options_stay_until_changed_but_sci_mode_does_not(defaults):
    printing.set_printoptions(precision=2, sci_mode=True)
    assert printing.get_printoptions() == defaults | {"precision": 2, "sci_mode": True}
    printing.set_printoptions(edgeitems=1)
    assert printing.get_printoptions() == defaults | {"precision": 2, "edgeitems": 1}
    printing.set_printoptions(profile="short", linewidth=100)
    assert printing.get_printoptions() == defaults | {"precision": 2, "edgeitems": 2, "linewidth": 100}


def test_a_block_restores_its_options_after_an_error():
    before = printing.get_printoptions()
    with pytest.raises(RuntimeError), printing.printoptions(profile="full", sci_mode=False):
        raise RuntimeError
    assert printing.get_printoptions() == before


@pytest.mark.parametrize(
    "given, error, text",
    [
        ({"precision": 2.5}, TypeError, "precision must be an int, got 2.5"),
        ({"precision": -1}, ValueError, "precision must be at least 0, got -1"),
        ({"edgeitems": "3"}, TypeError, "edgeitems must be an int, got '3'"),
        ({"edgeitems": -2}, ValueError, "edgeitems must be at least 0, got -2"),
        ({"threshold": "all"}, TypeError, "threshold must be a number, got 'all'; pass an int, or math.inf"),
        ({"linewidth": math.nan}, ValueError, "linewidth must be a number, got nan"),
        ({"profile": "long"}, ValueError, "unknown profile 'long'; use one of default, short, full"),
        ({"precision": 2, "linewidth": []}, TypeError, r"linewidth must be a number, got \[\]"),
    ],
)
def test_a_bad_option_is_refused_and_changes_nothing(given, error, text):
    before = printing.get_printoptions()
    with pytest.raises(error, match=f"set_printoptions: {text}"):
        printing.set_printoptions(**given)
    assert printing.get_printoptions() == before


def test_a_large_tensor_costs_what_is_shown():
    large = np.zeros((1000, 1000), np.float32)
    best = math.inf
    for _ in range(20):
        start = time.perf_counter()
        show(large)
        best = min(best, time.perf_counter() - start)
    assert best < 0.005
