"""Statistics, differences and integrals against NumPy's; parts of tensors that are written to."""

import numpy as np
import pytest

import flambeau as torch

X = np.random.default_rng(0).normal(size=(4, 7))
T = torch.tensor(X)
SIMPLE = {  # the same by Flambeau and by NumPy
    "quantile": (lambda: T.quantile(0.3, 1), lambda: np.quantile(X, 0.3, 1)),
    "quantiles": (
        lambda: T.quantile(torch.tensor([0.2, 0.9], dtype=torch.float64), 0),
        lambda: np.quantile(X, [0.2, 0.9], 0),
    ),
    "histogram": (lambda: T.histogram(5).hist, lambda: np.histogram(X, 5)[0].astype(float)),
    "histogram of points": (
        lambda: torch.histogramdd(T[:, :2], [2, 3], density=True).hist,
        lambda: np.histogramdd(X[:, :2], [2, 3], density=True)[0],
    ),
    "cov": (lambda: T.cov(), lambda: np.cov(X)),
    "cov with weights": (
        lambda: T.cov(fweights=torch.arange(7), aweights=torch.arange(7.0).double()),
        lambda: np.cov(X, fweights=np.arange(7), aweights=np.arange(7.0)),
    ),
    "corrcoef": (lambda: T.corrcoef(), lambda: np.corrcoef(X)),
    "diff": (lambda: T.diff(2, 0), lambda: np.diff(X, 2, 0)),
    "gradient": (
        lambda: torch.gradient(T, spacing=(T[0].cumsum(0),), dim=1, edge_order=2)[0],
        lambda: np.gradient(X, X[0].cumsum(), axis=1, edge_order=2),
    ),
    "trapezoid": (lambda: torch.trapezoid(T, T[0], dim=1), lambda: np.trapezoid(X, X[0], axis=1)),
}


@pytest.mark.parametrize("ours, theirs", SIMPLE.values(), ids=SIMPLE)
def test_numpy_says_the_same(ours, theirs):
    np.testing.assert_allclose(ours().numpy(), theirs(), rtol=1e-10, atol=1e-12)


def test_mode_of_equally_common_elements_is_the_smallest():
    value, place = torch.mode(torch.tensor([5, 2, 5, 2, 9]))
    assert (value.item(), place.item()) == (2, 3)


def test_masks_hide_what_is_not_a_number():
    x, mask = torch.tensor([[1.0, float("nan")], [2.0, 4.0]]), torch.tensor([[True, False], [True, True]])
    assert torch.masked.mean(x, 1, mask=mask).tolist() == [1.0, 3.0]
    x.requires_grad_()
    torch.masked.sum(x * x, mask=mask).backward()
    assert x.grad[0, 0] == 2.0


@pytest.mark.parametrize(
    "reduce, want", [("sum", 10), ("prod", 18), ("mean", 10 / 3), ("amax", 6), ("amin", 1)]
)
def test_all_elements_that_go_to_one_place_are_combined(reduce, want):
    x, index = torch.tensor([1.0, 8.0]), torch.tensor([0, 0])
    got = torch.scatter_reduce(x, 0, index, torch.tensor([3.0, 6.0]), reduce)
    assert got.tolist() == [pytest.approx(want), 8.0]
    without = torch.scatter_reduce(x, 0, index, torch.tensor([3.0, 3.0]), reduce, include_self=False)
    assert without.tolist() == [{"sum": 6.0, "prod": 9.0}.get(reduce, 3.0), 8.0]


def test_pieces_of_an_unsafe_split_can_be_written_to():
    x = torch.ones(4, requires_grad=True)
    y = x * 2
    first, _ = y.unsafe_split(2)
    first.mul_(5)
    y.sum().backward()
    assert x.grad.tolist() == [10.0, 10.0, 2.0, 2.0]


def test_resizing_keeps_the_memory_as_long_as_it_suffices():
    x = torch.arange(6.0).reshape(2, 3)
    seen = x.detach()
    x.resize_(2, 2).fill_(7)
    assert seen.tolist() == [[7.0, 7.0, 7.0], [7.0, 4.0, 5.0]]
    assert x.resize_(2, 4).tolist() == [[7.0, 7.0, 7.0, 7.0], [4.0, 5.0, 0.0, 0.0]]


def test_strides_are_those_asked_for():
    x = torch.empty_strided((2, 3), (1, 4))
    x[1, 2] = 5
    assert (x.stride(), x._is_view(), x.tolist()) == ((1, 4), False, [[0.0] * 3, [0.0, 0.0, 5.0]])
