"""Public functions: chosen expressions (see `both`) with their values, and the errors of bad calls.

What they have in common is that each was wrong once, or is a rule that is easily got wrong.
"""

import numpy as np
import pytest
from both import run

import flambeau as torch
from flambeau.functions import return_types

NAN, INF = float("nan"), float("inf")
VALUES = {
    # operators
    "-v, abs(v), ~b[0], +v": ([-1, 2, -3], [1, 2, 3], [False, True, False], [1, -2, 3]),
    "10 - v, 2 / v, 2 ** v": ([9, 12, 7], [2, -1, 2 / 3], [2, 0.25, 8]),
    "7 // v, 7 % v": ([7, -4, 2], [0, -1, 1]),
    "v == None, v == 'a', 2.0 in f": (False, False, True),
    # numbers that don't fit: operands wrap around
    "u[0] + 300, u[0] + (-3), u[0] == 257": ([45, 244, 47], [254, 197, 0], [True, False, False]),
    "k[0] + 2**40, T.tensor([1]) + 2**63": ([3, -2, 7], [-(2**63) + 1]),
    "T.full((1,), -9, dtype=T.uint8), T.tensor([-1], dtype=T.uint8)": ([247], [255]),
    "v * 1e300": [INF, -INF, INF],
    # conversion: whole numbers by way of wide ones, what doesn't fit as the lowest
    "T.tensor([300., -1., 1e10, nan]).byte()": [44, 255, 0, 0],
    "T.tensor([3e9, -inf, nan]).int()": [-(2**31)] * 3,
    "T.tensor([1e30, nan]).long()": [-(2**63)] * 2,
    "T.tensor([1j, 0j]).bool(), T.tensor([nan, 0.]).bool()": ([True, False], [True, False]),
    # division
    "T.tensor([7, -7]) // 2, T.tensor([7, -7]) % 2, T.fmod(T.tensor([7, -7]), 2)": ([3, -4], [1, 1], [1, -1]),
    "T.div(T.tensor([7, -7, -6]), 2, rounding_mode='trunc')": [3, -3, -3],
    "T.div(1, T.tensor([2, -3]), rounding_mode='trunc')": [0, 0],
    "v // 0, v % 0": ([INF, -INF, INF], [NAN] * 3),
    "T.tensor([2, 1, -1, -1]) ** T.tensor([-1, -2, -3, -2])": [0, 1, -1, 1],
    "T.tensor([True, False]) ** True": [True, False],
    # rounding, signs, limits
    "T.round(T.tensor([0.5, 1.5, -2.5])), T.round(h[0] * 100, decimals=2)": ([0, 2, -2], [-150, 25, 200]),
    "T.sign(T.tensor([nan, -2., -0.])), T.angle(T.tensor([-1., -0.])) ": ([0, -1, 0], [np.pi, 0]),
    "T.clamp(v, 2, -1), T.clamp(v, nan, 1), T.clamp(n[:2], 0, 1)": ([-1, -1, -1], [NAN] * 3, [NAN, 1]),
    "T.nan_to_num(T.complex(n[:1], n[1:2]))": [3.4028235e38j],
    "T.complex(n[1:2], n[1:2]).real": [INF],
    "T.logit(T.tensor([1])), T.logaddexp(n[2:3], n[2:3])": ([INF], [-INF]),
    "T.isclose(T.tensor([3], dtype=T.uint8), T.tensor([5], dtype=T.uint8), rtol=0.5)": [True],
    "T.addcmul(at, at, at, value=2.9)": [10, 0],
    "T.lerp(T.tensor([0.]), T.tensor([10.]), 0.75)": [7.5],
    # running and other reductions
    "T.logcumsumexp(T.tensor([-1000., 0., 1000.]), 0), T.logsumexp(n[2:3], 0)": ([-1000, 0, 1000], -INF),
    "T.logcumsumexp(T.tensor([1j, 1j]), 0).imag": [1, 1],
    "T.sum(u, dtype=T.uint8), T.all(u, 1), T.prod(b)": (208, [1, 0], False),
    "x.sum(axis=(0, 1)), x.mean(axis=2, keepdims=True).shape": ([60, 66, 72, 78], "torch.Size([2, 3, 1])"),
    "T.median(T.tensor([3., nan, 1.]), 0).indices, T.max(b, 1).values": (1, [True, True]),
    "T.addmm(i, i, i.t() @ i, alpha=2.9).dtype, T.addbmm(m.byte(), m[None].byte(), m[None].byte()).dtype": (
        "torch.int64", "torch.uint8",
    ),
    # shapes
    "T.meshgrid(T.arange(2), T.arange(3), indexing='xy')[0]": [[0, 1]] * 3,
    "T.flip(v, dims=[0]), f.permute(dims=(1, 0)).shape": ([3, -2, 1], "torch.Size([3, 2])"),
    "T.zeros(size=(2,))": [0, 0],
    "T.repeat_interleave(T.tensor([1, 0, 2])), s.unfold(0, 1, 1)": ([0, 2, 2], [1.5]),
    "T.atleast_1d(s, v), T.rot90(at[None])": (([1.5], [1, -2, 3]), [[0], [2]]),
    "T.tensor(1.).view(T.int32), T.tensor([1., 2.]).view(T.int64)": (1065353216, [4611686019492741120]),
    "T.tensor([[1., 2.]]).view(T.uint8).shape": "torch.Size([1, 8])",
    # indexing
    "m[[[0, 1], [1, 0]]], m[[..., 0]], m[[0, 1]].shape": ([1, 1], [2, 1, 0.25], "torch.Size([2, 3])"),
    "v[T.tensor(True)], v[T.tensor(False)].shape, v[True].shape": (
        [[1, -2, 3]], "torch.Size([0, 3])", "torch.Size([1, 3])",
    ),
    "v[T.tensor([2, -3])] = T.zeros(1, 1, 2); v": [0, -2, 0],
    "v[False] = 5; v[True] = at[:1]; v": [2, 2, 2],
    "v[v > 0] = r; v": [3, -2, 3],
    "T.index_fill(v, 0, T.tensor([0, 0]), 7.), T.index_add(s, 0, T.tensor([0]), s)": ([7, -2, 3], 3),
    "T.masked_fill(at, at > 0, 2.9), T.take_along_dim(v, T.tensor([-1, 4]), 0)": ([2, 0], [3, -2]),
    "T.index_put(f, (b & False,), T.ones(0), accumulate=True)[0]": [-1.5, 0.25, 2],
    # order
    "T.searchsorted(T.tensor([1, 3]), T.tensor([2.5]))": [1],
    "T.searchsorted(T.tensor([3, 1]), 2, sorter=T.tensor([1, 0]))": 1,
    # making
    "T.arange(0, -8.5, -4, dtype=T.int64), T.arange(end=2)": ([0, -4], [0, 1]),
    "T.linspace(4.3, -3, 3, dtype=T.int64), T.linspace(0, 1j, 2)": ([4, 0, -3], [0, 1j]),
    "T.Tensor().shape, T.asarray([1, 2], copy=True)": ("torch.Size([0])", [1, 2]),
    "T.manual_seed(42); T.randint(10, ()), T.randint(10, ())": (2, 7),
    # dtypes
    "(f + z[0, 0]).dtype, (i + c[0, 0]).dtype, (h * 2.5).dtype, (u / 2).dtype": (
        "torch.complex64", "torch.complex64", "torch.float16", "torch.float32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("expression", VALUES)
def test_values(expression):
    got = run(torch, expression)
    assert not isinstance(got, Exception), got
    same(got, VALUES[expression])


def same(got, want):
    if isinstance(want, tuple):
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            same(g, w)
    elif isinstance(want, str) or not isinstance(got, np.ndarray):
        assert got == want
    else:
        np.testing.assert_allclose(got.astype(np.complex128), np.asarray(want, np.complex128), rtol=1e-6)
        assert got.shape == np.shape(want)


ERRORS = {
    "T.sub(b, i)": (RuntimeError, "with a bool tensor is not supported"),
    "T.pow(i, -1)": (RuntimeError, "negative integer powers"),
    "T.add(1, 2)": (TypeError, "one operand must be a Tensor, got 1, 2"),
    "T.sqrt(2.0)": (TypeError, "argument 'input' must be Tensor, not float"),
    "~f": (TypeError, "integer and Boolean-type tensors"),
    "T.erf(c)": (NotImplementedError, "erf.*not implemented for dtype torch.complex64"),
    "T.softmax(i, 0)": (NotImplementedError, "softmax.*torch.int64.*dtype="),
    "T.sort(c)": (NotImplementedError, "torch.complex64"),
    "c.abs_()": (RuntimeError, "In-place abs is not supported for complex"),
    "f.float_power_(2)": (RuntimeError, "requires dtype torch.float64"),
    "T.isnan(f, out=b)": (TypeError, "out"),
    "T.full((2,), 300, dtype=T.uint8)": (RuntimeError, "value 300 cannot be converted to type uint8"),
    "f.masked_fill(b, 1e300)": (RuntimeError, "1e\\+300 cannot be converted to type float32"),
    "T.tensor([2**63])": (ValueError, "more than 64 bits"),
    "T.tensor({})": (RuntimeError, "Could not infer dtype of dict"),
    "T.tensor(['a'])": (ValueError, "'str': 'a'"),
    "T.full(2, 3)": (TypeError, "must be a tuple of ints, not int 2"),
    "T.arange(0, 3, dtype=T.bool)": (NotImplementedError, "torch.bool"),
    "T.arange(0, inf)": (RuntimeError, "unsupported range: 0 -> inf"),
    "T.arange(0, 5, 0.5, dtype=T.int64)": (ValueError, "0.5 is cut off to 0"),
    "T.randn(2, dtype=T.int64)": (NotImplementedError, "int64"),
    "f.normal_(0, -1)": (RuntimeError, "std -1"),
    "T.gather(f, 1, a + 1)": (RuntimeError, "index 3 is out of bounds for dimension 1 with size 3"),
    "f[3]": (IndexError, "index 3 is out of bounds for dimension 0 with size 2"),
    "f[1.0]": (IndexError, "only integers, slices"),
    "f['a']": (TypeError, "invalid data type 'str'"),
    "f[[0, 1, 1], [0, 1]]": (IndexError, r"shape mismatch.*\(3,\), \(2,\)"),
    "f[0] = [1, 2, 3]": (TypeError, "can't assign a list"),
    "f[[0]] = d[:1]": (RuntimeError, "source and destination dtypes match"),
    "f.index_add(0, T.tensor([0]), v)": (RuntimeError, r"shape|Number of indices"),
    "T.meshgrid(v, at, indexing='ij')": (RuntimeError, "same dtype"),
    "T.rot90(f, dims=(1, 1))": (RuntimeError, "different, but got dim0 = 1"),
    "x.view(T.float64)[:, :, :1].view(T.complex128)": (
        RuntimeError,
        "to view torch.float64 as torch.complex128",
    ),
    "f.sum('a')": (TypeError, "'str' object cannot be interpreted as an integer"),
    "e.amax()": (RuntimeError, "Specify the reduction dim"),
    "T.addmm(d, f, m)": (RuntimeError, "same dtype, but got torch.float64 and torch.float32"),
    "float(f)": (ValueError, r"only one element.*\(2, 3\)"),
    "float(c[0, 0])": (RuntimeError, "imag|complex"),
    "T.isclose(f, f, rtol=-1)": (RuntimeError, "greater than or equal to zero, but got -1"),
    "T.lerp(f, d, 0.5)": (RuntimeError, "expected dtype torch.float32 .* got dtype torch.float64"),
}


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression):
    kind, message = ERRORS[expression]
    got = run(torch, expression + ("; 0" if " = " in expression and not expression.startswith("T.") else ""))
    with pytest.raises(kind, match=message):
        raise got


def test_several_results_have_names():
    pair = torch.sort(torch.tensor([2, 1]))
    assert isinstance(pair, return_types.sort) and pair.values is pair[0]
    assert repr(pair) == "torch.return_types.sort(\nvalues=tensor([1, 2]),\nindices=tensor([1, 0]))"


def test_the_gradient_of_a_running_logarithm_of_sums_does_not_overflow():
    x = torch.tensor([-1000.0, 0.0, 1000.0], requires_grad=True)
    torch.logcumsumexp(x, 0).sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_a_number_that_fills_repeated_places_gets_its_gradient_once():
    value = torch.tensor(2.0, requires_grad=True)
    torch.index_fill(torch.zeros(3), 0, torch.tensor([0, 0, 1]), value).sum().backward()
    assert value.grad.item() == 2


def test_indexing_a_mask_by_a_number_waits_for_no_value():
    x = torch.arange(6.0).reshape(2, 3)
    x[x > 2] = -1
    assert x.tolist() == [[0, 1, 2], [-1, -1, -1]]
