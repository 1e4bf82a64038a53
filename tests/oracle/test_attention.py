"""Attention against PyTorch's: values, gradients and second derivatives, by NumPy and by the kernels."""

import math

import numpy as np
import pytest
from test_attention import F32
from test_attention import run as run_kernels

import flambeau
from flambeau.ops.attention import attention, attention_grad

torch = pytest.importorskip("torch")
MATH = torch.nn.attention.SDPBackend.MATH  # the one of PyTorch's ways that can be differentiated twice
INF = float("inf")


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def boolean(*shape):
    return np.random.default_rng(2).random(shape) < 0.6


def floats(*shape):
    return np.where(boolean(*shape), normal(*shape), -INF)


SHAPES = {  # queries, keys, values, mask, other arguments
    "self": ((2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 4), None, {}),
    "causal": ((2, 3, 5, 4), (2, 3, 5, 4), (2, 3, 5, 6), None, {"is_causal": True}),
    "causal, more keys": ((2, 5, 4), (2, 7, 4), (2, 7, 4), None, {"is_causal": True}),
    "causal, more queries": ((2, 7, 4), (2, 5, 4), (2, 5, 4), None, {"is_causal": True}),
    "scaled": ((5, 4), (3, 4), (3, 2), None, {"scale": -0.7}),
    "bool mask": ((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4), boolean(5, 6), {}),
    "padding": ((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4), boolean(2, 1, 1, 6), {}),
    "blind": ((2, 3, 4), (2, 2, 4), (2, 2, 4), np.array([[True, False], [False, False], [True, True]]), {}),
    "float mask": ((2, 3, 5, 4), (2, 3, 6, 4), (2, 3, 6, 4), floats(3, 5, 6), {}),
    "row of a mask": ((2, 5, 4), (2, 6, 4), (2, 6, 4), floats(6), {}),
    "groups": ((2, 6, 5, 4), (2, 2, 6, 4), (2, 2, 6, 4), boolean(2, 6, 5, 6), {"enable_gqa": True}),
    "uneven groups": ((2, 6, 5, 4), (2, 2, 6, 4), (2, 3, 6, 4), None, {"enable_gqa": True}),
    "broadcast": ((3, 1, 5, 4), (2, 6, 4), (6, 4), None, {}),
    "no keys": ((2, 3, 4), (2, 0, 4), (2, 0, 4), None, {}),
    "no queries": ((2, 0, 4), (2, 3, 4), (2, 3, 4), None, {}),
    "no columns": ((2, 3, 0), (2, 5, 0), (2, 5, 3), None, {}),
}


def derivatives(library, name, dtype):
    """The result, its gradients, and those of the gradients' squares."""
    *shapes, mask, options = SHAPES[name]
    leaves = [library.tensor(normal(*s, seed=i)).to(getattr(library, dtype)) for i, s in enumerate(shapes)]
    leaves = [t.requires_grad_() for t in leaves]
    m = None if mask is None else library.tensor(mask)
    if m is not None and m.dtype != library.bool:
        m = m.to(getattr(library, dtype)).requires_grad_()
        leaves.append(m)
    with torch.nn.attention.sdpa_kernel(MATH):
        y = library.nn.functional.scaled_dot_product_attention(*leaves[:3], m, **options)
    weight = library.tensor(normal(*y.shape, seed=9)).to(getattr(library, dtype))
    first = library.autograd.grad((y * weight).sum(), leaves, create_graph=True)
    squares = sum((g * g).sum() for g in first) + sum(t.sum() for t in leaves)
    second = library.autograd.grad(squares, leaves)
    return [y, *first, *second]


@pytest.mark.parametrize("name", SHAPES)
def test_values_and_derivatives(name):
    for dtype, tolerance in (("float64", 1e-11), ("float32", 3e-5)):
        ours, theirs = derivatives(flambeau, name, dtype), derivatives(torch, name, dtype)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision(dtype):
    def run(library):
        tensors = [library.tensor(normal(2, 3, 20, 8, seed=i)).to(getattr(library, dtype)) for i in range(3)]
        tensors = [t.requires_grad_() for t in tensors]
        y = library.nn.functional.scaled_dot_product_attention(*tensors, is_causal=True)
        assert str(y.dtype).endswith(dtype)
        grads = library.autograd.grad(y.sum(), tensors)
        return [t.detach().double().numpy() for t in (y, *grads)]

    for a, b in zip(run(flambeau), run(torch), strict=True):
        np.testing.assert_allclose(a, b, atol=5e-2 if dtype == "bfloat16" else 6e-3)


def test_the_same_weights_are_dropped():
    def run(library):
        library.manual_seed(5)
        tensors = [library.tensor(normal(2, 3, 4, seed=i)).float() for i in range(3)]
        return library.nn.functional.scaled_dot_product_attention(*tensors, dropout_p=0.4).numpy()

    np.testing.assert_allclose(run(flambeau), run(torch), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 130, 64), (1, 2, 300, 24)])
def test_kernels(shape, causal):
    q, k, v = (normal(*shape, seed=i).astype(F32) for i in range(3))
    g, scale = normal(*shape, seed=3).astype(F32), np.array(1 / math.sqrt(shape[-1]), F32)
    tensors = [torch.tensor(x, requires_grad=True) for x in (q, k, v)]
    y = torch.nn.functional.scaled_dot_product_attention(*tensors, is_causal=causal)
    want = torch.autograd.grad(y, tensors, torch.tensor(g))
    out, lse = run_kernels(attention, (q, k, v, scale), [(shape, F32), (shape[:-1], F32)], causal)
    np.testing.assert_allclose(out, y.detach().numpy(), rtol=1e-5, atol=2e-6)
    given = (g, q, k, v, lse, (g * out).sum(-1), scale)
    for a, b in zip(run_kernels(attention_grad, given, [(shape, F32)] * 3, causal), want, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-5, atol=1e-5)


def test_arguments_that_do_not_fit_together():
    for library in (flambeau, torch):
        x = library.ones(2, 3, 4)
        for mask, options in ((library.zeros(3, 3), {"is_causal": True}), (library.zeros(2, 2, 3, 3), {})):
            with pytest.raises(RuntimeError):
                library.nn.functional.scaled_dot_product_attention(x, x, x, mask, **options)
