"""Gradients at ties, zeros, limits, infinities and NaN, and in copies and repeats.

Each expression is differentiated twice, towards X (has a zero), Y (has ties) and N (has NaN and infinity).
"""

import pytest
from both import as_numpy, difference, lines

import flambeau

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")

EXPRESSIONS = lines("""
    T.std(X)
    T.std(X * 0)
    T.std(X, correction=0)
    T.var(X * 0)
    T.std_mean(X * 0)[0]
    T.relu(X)
    T.relu(N)
    T.maximum(X, X.detach() * 1)
    T.maximum(X, N[:3])
    T.minimum(N, N * 1)
    T.max(X), T.max(Y)
    T.amax(Y), T.amin(Y, 1)
    T.max(Y, 1).values
    T.median(Y)
    T.atan2(Y, Y * 0)
    T.hypot(X, X)
    T.abs(X)
    T.sign(X) * X
    T.sqrt(X.abs())
    T.norm(X * 0)
    T.norm(Y, dim=1)
    T.norm(Y, 1), T.norm(Y, 3)
    T.norm(Y, inf)
    T.clamp(X, 0, 1)
    T.clamp(X, 1, 0)
    T.clamp(X, X.detach() * 1, X.detach() + 1)
    T.prod(Y, 1), T.prod(Y)
    T.cumprod(Y, 1)
    T.cumsum(Y, 0)
    T.cummax(Y, 1).values
    T.logcumsumexp(X * 10, 0)
    T.logsumexp(X - inf, 0)
    T.softmax(X - inf, 0)
    T.log_softmax(X * 1000, 0)
    T.where(X > 0, X.log(), X)
    X ** 2, X ** 0, X ** 0.5, X ** 3
    2 ** X
    X ** X
    T.pow(X, Y[0])
    X / Y[0]
    X % 2
    T.remainder(X, X * 0.7)
    T.fmod(X, 0.7)
    T.floor(X) * X
    T.round(X) + X.frac()
    T.logit(X * X * 0.1 + 0.2)
    T.erfinv(X)
    T.lgamma(X)
    T.exp(X * 1000)
    T.sort(Y, 1).values
    T.topk(Y, 2).values
    T.kthvalue(X, 2).values
    T.nan_to_num(N)
    N.nansum()
    T.lerp(X, X * 2, 0.3)
    X[[0, 0, 1]]
    X[X > 0]
    X.masked_fill(X > 0, 3)
    X.gather(0, T.tensor([1, 1]))
    X.scatter(0, T.tensor([1, 1]), X[:2])
    X.scatter_add(0, T.tensor([1, 1, 2]), X)
    X.index_add(0, T.tensor([1, 1]), X[:2], alpha=2)
    X.index_copy(0, T.tensor([1]), X[:1])
    X.index_fill(0, T.tensor([1, 1]), X[0])
    X.index_select(0, T.tensor([2, 2]))
    X.masked_scatter(X > 0, X * 2)
    X.take(T.tensor([0, 0]))
    X.repeat(2, 2), X.repeat_interleave(2), X.tile(3)
    X.unfold(0, 2, 1)
    X.as_strided((2, 2), (1, 1))
    X.expand(2, 3), X.flip(0), X.roll(1)
    T.cat([X, X * 2]), T.stack([X, X])
    X.diag(), Y.diagonal(), X.diag_embed()
    Y.tril(), Y.triu(1)
    X @ X, Y @ X, X @ Y.t(), Y @ Y.t()
    T.addmm(Y, Y, Y.t() @ Y, beta=2, alpha=3)
    T.outer(X, X)
    T.view_as_real(T.complex(X, X)), T.complex(X, X * 2).abs()
    (T.complex(X, X) * 1j).real
    X.float().double(), X.half().double()
    X.to(T.complex128) * 1j
    X.sum() * X.mean(), X.sum().expand(3)
    X.reshape(3, 1).squeeze(1).unsqueeze(0), X.view(1, 3), Y.permute(1, 0), Y.flatten()
    Y.split(1), Y.chunk(2, 1), Y.unbind(1)
    T.meshgrid(X, X, indexing="ij")
""")


def leaves(result):
    """The tensors of a result that can be differentiated."""
    if isinstance(result, tuple):
        return [t for r in result for t in leaves(r)]
    return [result] if result.requires_grad else []


def gradients(T, expression):
    """First gradients, and those of their sum of squares."""
    X = T.tensor([1.0, 0.0, -2.0], dtype=T.float64, requires_grad=True)
    Y = T.tensor([[2.0, 0.0, 2.0], [0.0, 0.0, 5.0]], dtype=T.float64, requires_grad=True)
    N = T.tensor([float("nan"), float("inf"), 1.0], dtype=T.float64, requires_grad=True)
    outputs = leaves(eval(expression, {"T": T, "X": X, "Y": Y, "N": N, "inf": float("inf")}))
    total = sum((t.real if t.is_complex() else t).double().sum() for t in outputs)
    first = T.autograd.grad(total, (X, Y, N), create_graph=True, materialize_grads=True)
    again = sum((g * g).sum() for g in first)
    constant = [T.zeros_like(x) for x in (X, Y, N)]
    second = T.autograd.grad(again, (X, Y, N), materialize_grads=True) if again.requires_grad else constant
    return tuple(as_numpy(g) for g in (*first, *second))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_gradients(expression):
    found = difference(gradients(flambeau, expression), gradients(torch, expression))
    assert not found, found
