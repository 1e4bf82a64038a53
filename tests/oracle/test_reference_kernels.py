"""Convolution and pooling of the NumPy reference, compared with PyTorch over a grid of parameters."""

from itertools import product

import numpy as np
import pytest

from flambeau.ops.reference.conv import conv, conv_input_grad, conv_weight_grad
from flambeau.ops.reference.pool import (
    adaptive_avg_pool,
    adaptive_avg_pool_grad,
    adaptive_max_pool_indices,
    avg_pool,
    avg_pool_grad,
    max_pool_indices,
)
from flambeau.ops.reference.windows import conv_transpose_out_size, exact_padding, pool_out_size

torch = pytest.importorskip("torch")
F = torch.nn.functional

SPATIAL = {1: (11,), 2: (7, 9), 3: (5, 6, 7)}
KERNEL = {1: (3,), 2: (3, 2), 3: (2, 3, 1)}
N = 1, 2, 3

CONVOLUTIONS = [(*case, np.float64) for case in product(N, (1, 2, 4), (0, 2), (1, 2), (1, 2, 4))]
CONVOLUTIONS += [
    (n, 2, 1, 1, groups, dtype) for n in N for groups in (1, 4) for dtype in (np.float32, np.complex64)
]
TRANSPOSED = [
    case
    for case in product(N, (1, 2, 3), (0, 2), (0, 1, 2), (1, 3), (1, 2))
    if case[3] < max(case[1], case[4])  # less output padding than stride or dilation
]
POOLS = [
    case for case in product(N, (2, 3, 4), (1, 2, 5), (0, 1, 2), (False, True)) if case[3] <= case[1] // 2
]


def numbers(shape, dtype=np.float64):
    rng = np.random.default_rng(list(shape))
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def close(ours, theirs, dtype=np.float64):
    theirs = theirs.detach().resolve_conj().numpy()
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    tolerance = 1e-10 if np.finfo(dtype).eps < 1e-10 else 1e-4
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def leaf(x):
    return torch.from_numpy(x).requires_grad_()


def functional(name, n):
    return getattr(F, f"{name}{n}d")


@pytest.mark.parametrize("n, stride, padding, dilation, groups, dtype", CONVOLUTIONS)
def test_conv(n, stride, padding, dilation, groups, dtype):
    x, w = numbers((2, 4, *SPATIAL[n]), dtype), numbers((8, 4 // groups, *KERNEL[n]), dtype)
    their_x, their_w = leaf(x), leaf(w)
    theirs = functional("conv", n)(their_x, their_w, None, stride, padding, dilation, groups)
    geometry = (stride,) * n, ((padding, padding),) * n, (dilation,) * n, groups
    close(conv(x, w, *geometry), theirs, dtype)
    g = numbers(theirs.shape, dtype)
    dx, dw = torch.autograd.grad(theirs, (their_x, their_w), torch.from_numpy(g))
    close(conv_input_grad(g, w.conj(), SPATIAL[n], *geometry), dx, dtype)
    close(conv_weight_grad(g, x.conj(), KERNEL[n], *geometry), dw, dtype)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("n, kernel, dilation", list(product(N, (1, 2, 3, 4), (1, 2, 3))))
def test_conv_of_the_same_size(n, kernel, dilation):
    x, w = numbers((2, 3, *SPATIAL[n])), numbers((2, 3, *(kernel,) * n))
    extra = dilation * (kernel - 1)
    padding = ((extra // 2, extra - extra // 2),) * n
    theirs = functional("conv", n)(
        torch.from_numpy(x), torch.from_numpy(w), padding="same", dilation=dilation
    )
    close(conv(x, w, (1,) * n, padding, (dilation,) * n, 1), theirs)


@pytest.mark.parametrize("n, stride, padding, extra, dilation, groups", TRANSPOSED)
def test_conv_transpose(n, stride, padding, extra, dilation, groups):
    x, w = numbers((2, 4, *SPATIAL[n])), numbers((4, 3, *KERNEL[n]))
    their_x, their_w = leaf(x), leaf(w)
    theirs = functional("conv_transpose", n)(their_x, their_w, None, stride, padding, extra, groups, dilation)
    strides, low, dilations = (stride,) * n, (padding,) * n, (dilation,) * n
    size = conv_transpose_out_size(SPATIAL[n], KERNEL[n], strides, low, (extra,) * n, dilations)
    geometry = strides, exact_padding(size, SPATIAL[n], KERNEL[n], strides, low, dilations), dilations, groups
    close(conv_input_grad(x, w, size, *geometry), theirs)
    g = numbers(theirs.shape)
    dx, dw = torch.autograd.grad(theirs, (their_x, their_w), torch.from_numpy(g))
    close(conv(g, w, *geometry), dx)
    close(conv_weight_grad(x, g, KERNEL[n], *geometry), dw)


def test_conv_of_integers():
    x, w = np.arange(36).reshape(1, 1, 6, 6), np.arange(-4, 5).reshape(1, 1, 3, 3)
    theirs = F.conv2d(torch.from_numpy(x), torch.from_numpy(w))
    assert np.array_equal(conv(x, w, (1, 1), ((0, 0), (0, 0)), (1, 1), 1), theirs.numpy())


@pytest.mark.parametrize("n, kernel, stride, padding, ceil_mode", POOLS)
def test_pools(n, kernel, stride, padding, ceil_mode):
    x = numbers((2, 3, *SPATIAL[n]))
    x[0, 0] = np.nan
    x[0, 1] = np.round(x[0, 1])
    x[0, 2] = -np.inf
    x[1, 0, ..., ::2] = np.nan
    geometry = (kernel,) * n, (stride,) * n, (padding,) * n
    for dilation in (1, 2):
        out = pool_out_size(SPATIAL[n], *geometry, (dilation,) * n, ceil_mode)
        if 0 in out:
            continue
        ours = max_pool_indices(x, *geometry, (dilation,) * n, out)
        rest = kernel, stride, padding, dilation, ceil_mode, True
        theirs, places = functional("max_pool", n)(torch.from_numpy(x), *rest)
        assert np.array_equal(ours, places.numpy())
        values = np.take_along_axis(x.reshape(2, 3, -1), ours.reshape(2, 3, -1), -1).reshape(ours.shape)
        np.testing.assert_array_equal(values, theirs.numpy())


@pytest.mark.parametrize("with_pad, divisor", [(False, None), (True, None), (True, 3), (False, -2)])
@pytest.mark.parametrize("n, kernel, stride, padding, ceil_mode", POOLS)
def test_avg_pools(n, kernel, stride, padding, ceil_mode, with_pad, divisor):
    divisor = None if n == 1 else divisor  # avg_pool1d has none
    x = numbers((2, 3, *SPATIAL[n]))
    geometry = (kernel,) * n, (stride,) * n, (padding,) * n
    out = pool_out_size(SPATIAL[n], *geometry, (1,) * n, ceil_mode)
    their_x = leaf(x)
    rest = kernel, stride, padding, ceil_mode, with_pad, *([divisor] if n > 1 else [])
    theirs = functional("avg_pool", n)(their_x, *rest)
    close(avg_pool(x, *geometry, out, with_pad, divisor), theirs)
    g = numbers(theirs.shape)
    (dx,) = torch.autograd.grad(theirs, their_x, torch.from_numpy(g))
    close(avg_pool_grad(g, SPATIAL[n], *geometry, with_pad, divisor), dx)


def test_avg_pool_of_integers():
    x = np.arange(-18, 18).reshape(1, 6, 6)
    theirs = F.avg_pool2d(torch.from_numpy(x), (3, 2), 2, 1, ceil_mode=True)
    assert np.array_equal(avg_pool(x, (3, 2), (2, 2), (1, 1), theirs.shape[1:]), theirs.numpy())


@pytest.mark.parametrize(
    "n, out",
    [
        (1, (1,)),
        (1, (4,)),
        (1, (15,)),
        (2, (1, 1)),
        (2, (3, 10)),
        (3, (2, 4, 3)),
        (3, (5, 7, 1)),
    ],
)
def test_adaptive_pools(n, out):
    x = numbers((2, 3, *SPATIAL[n]))
    their_x = leaf(x)
    theirs = functional("adaptive_avg_pool", n)(their_x, out)
    close(adaptive_avg_pool(x, out), theirs)
    g = numbers(theirs.shape)
    (dx,) = torch.autograd.grad(theirs, their_x, torch.from_numpy(g))
    close(adaptive_avg_pool_grad(g, SPATIAL[n]), dx)
    x[0, 0] = np.nan
    x[0, 1] = np.round(x[0, 1])
    x[1, 0, ..., ::2] = np.nan
    theirs = functional("adaptive_max_pool", n)(torch.from_numpy(x), out, return_indices=True)[1]
    assert np.array_equal(adaptive_max_pool_indices(x, out), theirs.numpy())
