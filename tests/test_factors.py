"""Factors of matrices: their products, large and singular ones, and what tells instead of failing."""

import time

import numpy as np
import pytest

import flambeau as torch
from flambeau.linalg import LinAlgError
from flambeau.ops import systems
from flambeau.ops.samples import spread

SINGULAR = torch.tensor([[1.0, 2.0], [2.0, 4.0]])


def matrix(*shape, seed=0, complex_too=False):
    x = spread(shape, -1, 1, seed)
    return torch.tensor(x + 1j * spread(shape, -1, 1, seed + 1) if complex_too else x)


def close(got, want, tolerance=1e-10):
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("complex_too", [False, True])
@pytest.mark.parametrize(
    "shape", [(3, 3), (2, 5, 3), (3, 5), (70, 70), (2, 40, 75), (0, 3), (2, 0, 0), (0, 2, 2)]
)
def test_factors_multiply_to_the_matrix(shape, complex_too):
    x = matrix(*shape, complex_too=complex_too)
    p, low, up = torch.linalg.lu(x)
    close(p @ low @ up, x)
    assert low.abs().numpy().max(initial=0) <= (1 + 1e-12) * (2**0.5 if complex_too else 1)
    a, tau = torch.geqrf(x if shape[-2] >= shape[-1] else x.mT.contiguous())
    q = torch.linalg.householder_product(a, tau)
    close(q.mH @ q, np.broadcast_to(np.eye(a.shape[-1]), (*a.shape[:-2], a.shape[-1], a.shape[-1])))
    close(q @ a.triu()[..., : a.shape[-1], :], x if shape[-2] >= shape[-1] else x.mT)


@pytest.mark.parametrize("n", [1, 2, 5, 33, 70])
@pytest.mark.parametrize("hermitian", [False, True])
def test_indefinite_systems(n, hermitian):
    x = matrix(2, n, n, complex_too=True)
    x = (x + (x.mH if hermitian else x.mT)) * (1 - 0.99 * torch.eye(n))
    factors, pivots = torch.linalg.ldl_factor(x, hermitian=hermitian)
    y = matrix(n, 2, seed=5, complex_too=True)
    close(x @ torch.linalg.ldl_solve(factors, pivots, y, hermitian=hermitian), y.expand(2, n, 2), 1e-7)
    if n > 2:
        assert (pivots < 0).any(), "a small diagonal takes blocks of two"


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("unit", [False, True])
def test_triangular_systems_of_several_blocks(upper, unit):
    x = matrix(2, 70, 70) / 20 + torch.eye(70) * 2
    triangle = np.triu(x.numpy()) if upper else np.tril(x.numpy())
    if unit:
        triangle = triangle * (1 - np.eye(70)) + np.eye(70)
    y = matrix(70, 3, seed=3)
    close(torch.linalg.solve_triangular(x, y, upper=upper, unitriangular=unit), np.linalg.solve(triangle, y))


def test_large_matrices_take_little_time():
    x = np.asarray(matrix(512, 512)).astype(np.float32)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        systems.eliminate(x)
        times.append(time.perf_counter() - start)
    assert min(times) < 1, "column by column over the whole matrix it would take seconds"


def test_what_tells_instead_of_failing():
    stacked = torch.stack([SINGULAR, torch.eye(2), torch.zeros(2, 2)])
    assert torch.linalg.inv_ex(stacked).info.tolist() == [2, 0, 1]
    close(torch.linalg.inv_ex(stacked).inverse[1], np.eye(2))
    result, info = torch.linalg.solve_ex(stacked, torch.ones(3, 2))
    assert info.tolist() == [2, 0, 1] and result.isnan().all(-1).tolist() == [True, False, True]
    low, info = torch.linalg.cholesky_ex(torch.stack([torch.eye(2), -torch.eye(2)]))
    assert info.tolist() == [0, 1] and low.isnan().flatten(1).all(1).tolist() == [False, True]
    assert torch.linalg.lu_factor_ex(stacked).info.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: torch.linalg.inv_ex(SINGULAR, check_errors=True), LinAlgError,
            "inv_ex: The diagonal element 2",
        ),
        (
            lambda: torch.linalg.solve_ex(SINGULAR, SINGULAR, check_errors=True), LinAlgError,
            "solve_ex: The diagonal element 2 is zero",
        ),
        (
            lambda: torch.linalg.cholesky_ex(-torch.eye(2).expand(2, 2, 2), check_errors=True), LinAlgError,
            r"cholesky_ex: \(Batch element 0\): .* minor of order 1",
        ),
        (lambda: torch.linalg.lu_factor(SINGULAR), RuntimeError, r"lu_factor: U\[2,2\] is zero"),
        (lambda: torch.linalg.lu_factor(torch.eye(2), pivot=False), RuntimeError, "without pivoting"),
        (lambda: torch.linalg.ldl_factor(SINGULAR), RuntimeError, "D is singular"),
        (
            lambda: torch.linalg.ldl_solve(torch.eye(2), torch.tensor([1, 5]), torch.eye(2)), RuntimeError,
            "are not those of ldl_factor",
        ),
        (lambda: torch.lu_unpack(torch.eye(2), torch.tensor([1, 2])), RuntimeError, "torch.int32"),
        (
            lambda: torch.lu_unpack(torch.eye(2), torch.tensor([1, 3], dtype=torch.int32)).P.tolist(),
            RuntimeError, "must be between 1 and LU.size",
        ),
        (lambda: torch.linalg.tensorinv(torch.eye(2), ind=0), RuntimeError, "strictly positive"),
        (lambda: torch.linalg.vander(torch.tensor([True])), RuntimeError, "supports floating point"),
        (lambda: torch.lobpcg(torch.eye(5), 2), ValueError, "smaller than 3 x"),
        (lambda: torch.lobpcg(torch.eye(9), 1, tracker=print), ValueError, "tracker has no meaning"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["geqrf", "ldl_factor"])
def test_what_has_no_derivative_says_so(name):
    x = torch.eye(3, requires_grad=True)
    result = torch.geqrf(x) if name == "geqrf" else torch.linalg.ldl_factor(x)
    assert result[0].requires_grad
    with pytest.raises(NotImplementedError, match=f"derivative for '.*{name}.*' is not implemented"):
        result[0].sum().backward()


def test_few_singular_values():
    x = matrix(30, 3) @ matrix(3, 20, seed=1)
    for a in (x, x.mT):
        u, s, v = torch.svd_lowrank(a, 3)
        close(u * s @ v.mT, a)
        close((u * s @ v.mT).detach(), a)
    close(torch.svd_lowrank(x, 3, M=x)[1], np.zeros(3))
    u, s, v = torch.pca_lowrank(x, 3)
    close(u * s @ v.mT, x - x.mean(0))


def test_few_eigenvalues():
    x = matrix(40, 40)
    x, b = x @ x.mT, torch.eye(40, dtype=torch.float64) + torch.diag(torch.linspace(0, 1, 40).double())
    for largest in (True, False):
        for weight in (None, b):
            values, vectors = torch.lobpcg(x, 2, B=weight, largest=largest, tol=1e-10)
            close(x @ vectors, (vectors if weight is None else b @ vectors) * values, 1e-6)
    all_of_them = torch.linalg.eigvalsh(x)
    close(torch.lobpcg(x, 2)[0], all_of_them.flip(0)[:2], 1e-8)
    close(torch.lobpcg(x, 2, largest=False)[0], all_of_them[:2], 1e-5)
    assert torch.autograd.gradcheck(
        lambda x: torch.lobpcg((x + x.mT) / 2, 2)[0],
        torch.diag(torch.arange(1.0, 8.0).double()).requires_grad_(),
    )
