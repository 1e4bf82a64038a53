"""Convolution and pooling of the NumPy reference: against plain loops and their own adjoints."""

from itertools import product

import numpy as np
import pytest

from flambeau.ops.reference import conv as convolution
from flambeau.ops.reference.conv import conv, conv_input_grad, conv_weight_grad
from flambeau.ops.reference.pool import (
    adaptive_avg_pool,
    adaptive_avg_pool_grad,
    adaptive_max_pool_indices,
    avg_pool,
    avg_pool_grad,
    max_pool_indices,
)
from flambeau.ops.reference.windows import (
    conv_out_size,
    conv_transpose_out_size,
    exact_padding,
    negated,
    pad,
    pool_out_size,
)

INF, NAN = np.inf, np.nan

# spatial, kernel, stride, padding, dilation
CONVOLUTIONS = [
    ((7,), (3,), (1,), ((0, 0),), (1,)),
    ((7,), (2,), (3,), ((1, 2),), (2,)),
    ((5,), (1,), (4,), ((2, 0),), (1,)),
    ((9,), (3,), (2,), ((-1, -2),), (1,)),
    ((1,), (1,), (3,), ((2, -2),), (1,)),
    ((5, 6), (3, 2), (1, 2), ((1, 1), (0, 1)), (1, 1)),
    ((5, 6), (2, 3), (3, 1), ((0, 2), (2, 2)), (2, 2)),
    ((3, 4, 3), (2, 1, 3), (1, 2, 1), ((1, 0), (0, 0), (1, 1)), (1, 1, 1)),
]
CHANNELS = [(1, 1, 1), (4, 6, 2), (3, 6, 3), (3, 3, 3)]  # in, out, groups


def numbers(shape, dtype=np.float64, seed=0):
    rng = np.random.default_rng([seed, *shape])
    if np.dtype(dtype).kind in "iu":
        return rng.integers(0, 5, shape).astype(dtype)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def plain_conv(x, w, stride, padding, dilation, groups):
    spatial, kernel = x.shape[2:], w.shape[2:]
    out = np.zeros((len(x), len(w), *conv_out_size(spatial, kernel, stride, padding, dilation)), x.dtype)
    for b, o, *place in np.ndindex(out.shape):
        first = o // (len(w) // groups) * w.shape[1]
        for c, *k in np.ndindex(w.shape[1:]):
            at = [
                i * s + j * d - lo
                for i, s, j, d, (lo, _) in zip(place, stride, k, dilation, padding, strict=True)
            ]
            if all(0 <= i < n for i, n in zip(at, spatial, strict=True)):
                out[b, o, *place] += x[b, first + c, *at] * w[o, c, *k]
    return out


def operands(spatial, kernel, channels, batch=2, dtype=np.float64):
    c_in, c_out, groups = channels
    return numbers((batch, c_in, *spatial), dtype), numbers((c_out, c_in // groups, *kernel), dtype, 1)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex64, np.int64, np.int8])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_conv_is_the_plain_sum(case, channels, dtype):
    spatial, kernel, *geometry = case
    x, w = operands(spatial, kernel, channels, dtype=dtype)
    result = conv(x, w, *geometry, channels[2])
    expected = plain_conv(x, w, *geometry, channels[2])
    assert result.dtype == dtype
    assert result.flags.c_contiguous
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_the_three_convolutions_are_one_trilinear_form(case, channels, dtype, monkeypatch):
    monkeypatch.setattr(convolution, "COLUMN_ELEMENTS", 100)  # several batches
    spatial, kernel, *geometry = case
    x, w = operands(spatial, kernel, channels, batch=5, dtype=dtype)
    y = conv(x, w, *geometry, channels[2])
    g = numbers(y.shape, dtype, 2)
    dx = conv_input_grad(g, w, spatial, *geometry, channels[2])
    dw = conv_weight_grad(g, x, kernel, *geometry, channels[2])
    assert (dx.shape, dw.shape) == (x.shape, w.shape)
    form = (y * g).sum()
    np.testing.assert_allclose((x * dx).sum(), form, rtol=1e-10)
    np.testing.assert_allclose((w * dw).sum(), form, rtol=1e-10)


def test_convolution_of_views_that_are_not_contiguous():
    x, w = operands((5, 6), (3, 2), (4, 6, 2))
    geometry = (1, 2), ((1, 1), (0, 1)), (1, 1), 2
    turned, flipped = np.asfortranarray(x), w[::-1, :, ::-1]
    assert np.array_equal(conv(turned, w, *geometry), conv(x, w, *geometry))
    np.testing.assert_allclose(conv(x, flipped, *geometry), conv(x, flipped.copy(), *geometry), rtol=1e-12)


@pytest.mark.parametrize(
    "batch, c_in, c_out, spatial", [(0, 2, 4, 5), (2, 0, 4, 5), (2, 2, 0, 5), (2, 2, 4, 1)]
)
def test_convolutions_of_nothing(batch, c_in, c_out, spatial):
    """Empty batches, no channels, no outputs: shapes hold, and sums of nothing are 0."""
    geometry = (1,), ((0, 0),), (1,), 1
    x, w = np.ones((batch, c_in, spatial)), np.ones((c_out, c_in, 3))
    outs = max(0, spatial - 2)
    y = conv(x, w, *geometry)
    assert np.array_equal(y, np.full((batch, c_out, outs), 3 * c_in))
    assert conv_input_grad(y, w, (spatial,), *geometry).shape == x.shape
    dw = conv_weight_grad(y, x, (3,), *geometry)
    assert np.array_equal(dw, np.full(w.shape, 3 * c_in * batch * outs))


def test_inputs_that_no_window_meets_have_no_gradient():
    g, w = np.ones((1, 1, 2)), np.ones((1, 1, 2))
    assert conv_input_grad(g, w, (6,), (3,), ((0, 0),), (1,), 1).tolist() == [[[1, 1, 0, 1, 1, 0]]]


def test_transposed_convolution_with_output_padding_beyond_the_stride():
    """More room than windows: the padding that is exact makes the sizes agree, and keeps the adjoint."""
    g, w = numbers((2, 3, 4)), numbers((3, 2, 2))
    size = conv_transpose_out_size((4,), (2,), (1,), (1,), (2,), (3,))
    padding = exact_padding(size, (4,), (2,), (1,), (1,), (3,))
    x = conv_input_grad(g, w, size, (1,), padding, (3,), 1)
    assert x.shape == (2, 2, *size) == (2, 2, 7)
    h = numbers(x.shape, seed=3)
    np.testing.assert_allclose((conv(h, w, (1,), padding, (3,), 1) * g).sum(), (h * x).sum())


@pytest.mark.parametrize("padding", [((1, 2),), ((0, -1),), ((-2, 1),), ((3, -3),), ((-3, 3),), ((-4, -4),)])
def test_padding_is_undone_by_its_negative(padding):
    x = numbers((2, 3))
    y = pad(x, padding)
    (lo, hi) = padding[0]
    expected = [x[:, i] if 0 <= i < 3 else np.zeros(2) for i in range(-lo, 3 + hi)]
    assert np.array_equal(y, np.reshape(np.transpose(expected), (2, max(0, 3 + lo + hi))))
    g = numbers(y.shape, seed=1)
    if y.size:
        np.testing.assert_allclose((y * g).sum(), (x * pad(g, negated(padding))).sum())


# ----- pooling -----

# spatial, kernel, stride, padding, dilation, ceil_mode
POOLS = [
    ((7,), (2,), (2,), (0,), (1,), False),
    ((7,), (2,), (2,), (0,), (1,), True),
    ((8,), (2,), (3,), (1,), (1,), True),
    ((5,), (3,), (4,), (1,), (1,), True),
    ((9,), (3,), (1,), (1,), (2,), False),
    ((5, 6), (3, 2), (2, 3), (1, 0), (1, 1), True),
    ((5, 6), (2, 2), (1, 2), (1, 1), (1, 3), False),
    ((4, 3, 5), (2, 2, 3), (2, 1, 2), (1, 0, 1), (1, 1, 1), True),
]
UNDILATED = [case for case in POOLS if set(case[4]) == {1}]


def inside(place, spatial, kernel, stride, padding, dilation):
    """Positions of a window's elements within the input, in order."""
    rows = [
        [p for j in range(k) if 0 <= (p := i * s - lo + j * d) < n]
        for i, n, k, s, lo, d in zip(place, spatial, kernel, stride, padding, dilation, strict=True)
    ]
    return list(product(*rows))


def test_pool_sizes():
    assert pool_out_size((7, 7), (2, 2), (2, 2), (0, 0), (1, 1)) == (3, 3)
    assert pool_out_size((7, 7), (2, 2), (2, 2), (0, 0), (1, 1), True) == (4, 4)
    assert pool_out_size((8,), (2,), (3,), (1,), (1,), True) == (3,), "a fourth would start in the padding"
    assert pool_out_size((1,), (5,), (1,), (0,), (1,)) == (0,)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
@pytest.mark.parametrize("case", POOLS)
def test_max_pool_is_the_plain_maximum(case, dtype):
    spatial, *geometry, ceil_mode = case
    out = pool_out_size(spatial, *geometry, ceil_mode)
    x = numbers((2, 3, *spatial), dtype)
    indices = max_pool_indices(x, *geometry, out)
    assert (indices.dtype, indices.shape) == (np.int64, (2, 3, *out))
    for b, c, *place in np.ndindex(indices.shape):
        at = inside(place, spatial, *geometry)
        best = max(at, key=lambda i: x[b, c, *i])  # the first of equals
        assert np.unravel_index(indices[b, c, *place], spatial) == best


def pooled(x, kernel, padding=0):
    """Maximum pooling of a list, with stride 1."""
    size = pool_out_size((len(x),), (kernel,), (1,), (padding,), (1,))
    return max_pool_indices(np.array(x), (kernel,), (1,), (padding,), (1,), size).tolist()


def test_max_pool_of_odd_values():
    assert pooled([1.0, NAN, 3.0], 2) == [1, 1]
    assert pooled([NAN, 5.0, NAN, 7.0], 3) == [2, 2], "the last NaN"
    assert pooled([-INF, -INF, -INF], 3, padding=1) == [0, 0, 1], "padding never wins"
    assert pooled([4, 4, 4], 2) == [0, 1]
    lowest = np.iinfo(np.int64).min
    assert pooled([lowest, lowest], 2, padding=1) == [0, 0, 1]


def test_max_pool_whose_window_misses_the_input_is_refused():
    with pytest.raises(ValueError, match="steps over the whole input of size 1"):
        max_pool_indices(np.ones((1, 1)), (2,), (1,), (1,), (2,), (1,))


@pytest.mark.parametrize("divisor", [None, 3])
@pytest.mark.parametrize("with_pad", [True, False])
@pytest.mark.parametrize("case", UNDILATED)
def test_avg_pool_is_the_plain_average(case, with_pad, divisor):
    spatial, kernel, stride, padding, dilation, ceil_mode = case
    out = pool_out_size(spatial, kernel, stride, padding, dilation, ceil_mode)
    x = numbers((2, 3, *spatial))
    result = avg_pool(x, kernel, stride, padding, out, with_pad, divisor)
    assert result.shape == (2, 3, *out)
    for b, c, *place in np.ndindex(result.shape):
        at = inside(place, spatial, kernel, stride, padding, dilation)
        starts = [i * s - p for i, s, p in zip(place, stride, padding, strict=True)]
        ends = [min(a + k, n + p) for a, k, n, p in zip(starts, kernel, spatial, padding, strict=True)]
        whole = int(np.prod([e - a for a, e in zip(starts, ends, strict=True)]))
        count = divisor or (whole if with_pad else len(at))
        assert result[b, c, *place] == pytest.approx(sum(x[b, c, *i] for i in at) / count)
    g = numbers(result.shape, seed=1)
    back = avg_pool_grad(g, spatial, kernel, stride, padding, with_pad, divisor)
    assert back.shape == x.shape
    np.testing.assert_allclose((x * back).sum(), (result * g).sum(), rtol=1e-10)


def test_avg_pool_of_integers_truncates():
    x = np.array([-1, -2, -4, 7])
    assert avg_pool(x, (2,), (2,), (0,), (2,)).tolist() == [-1, 1]
    assert avg_pool(x, (2,), (2,), (0,), (2,), divisor_override=-2).tolist() == [1, -1]


@pytest.mark.parametrize(
    "spatial, out", [((7,), (3,)), ((4,), (6,)), ((5, 8), (5, 2)), ((3, 4, 5), (2, 1, 7))]
)
def test_adaptive_pools_are_plain_averages_and_maxima(spatial, out):
    x = numbers((2, 3, *spatial))
    average, indices = adaptive_avg_pool(x, out), adaptive_max_pool_indices(x, out)
    assert average.shape == indices.shape == (2, 3, *out)
    for place in np.ndindex(out):
        region = [
            slice(i * n // m, ((i + 1) * n + m - 1) // m) for i, n, m in zip(place, spatial, out, strict=True)
        ]
        cell = x[:, :, *region].reshape(2, 3, -1)
        np.testing.assert_allclose(average[:, :, *place], cell.mean(-1))
        found = np.take_along_axis(x.reshape(2, 3, -1), indices[:, :, *place][..., None], -1)
        np.testing.assert_array_equal(found[..., 0], cell.max(-1))
    g = numbers(average.shape, seed=1)
    back = adaptive_avg_pool_grad(g, spatial)
    np.testing.assert_allclose((x * back).sum(), (average * g).sum(), rtol=1e-10)


def test_adaptive_max_pool_of_odd_values():
    assert adaptive_max_pool_indices(np.array([NAN, 1.0, NAN, 2.0, 2.0]), (1,)).tolist() == [2], (
        "the last NaN"
    )
    assert adaptive_max_pool_indices(np.array([1.0, 3.0, 3.0]), (1,)).tolist() == [1], "the first of equals"


@pytest.mark.parametrize("shape, out", [((0, 2, 4), (2,)), ((2, 3, 4), (0,)), ((3, 4), (2,)), ((4,), (2,))])
def test_pools_of_nothing_and_of_any_leading_dimensions(shape, out):
    x = numbers(shape)
    expected = shape[:-1] + out
    assert max_pool_indices(x, (2,), (2,), (0,), (1,), out).shape == expected
    assert avg_pool(x, (2,), (2,), (0,), out).shape == expected
    assert avg_pool_grad(np.ones(expected), (4,), (2,), (2,), (0,)).shape == shape
    assert adaptive_avg_pool(x, out).shape == adaptive_max_pool_indices(x, out).shape == expected
    assert adaptive_avg_pool_grad(np.ones(expected), (4,)).shape == shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_averages_keep_the_type(dtype):
    x = numbers((2, 4), dtype)
    assert avg_pool(x, (2,), (2,), (0,), (2,)).dtype == adaptive_avg_pool(x, (3,)).dtype == dtype
    assert avg_pool_grad(x, (8,), (2,), (2,), (0,)).dtype == adaptive_avg_pool_grad(x, (6,)).dtype == dtype
