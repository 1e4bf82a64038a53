"""Linear algebra, compared with PyTorch: values, first and second derivatives, errors, random einsums."""

import itertools

import numpy as np
import pytest

import flambeau
from flambeau.ops.samples import spread

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

BOTH = (flambeau, torch)
INF = float("inf")


def matrix(*shape, d="float64", seed=0):
    """Matrices far from singular, with distinct eigenvalues and singular values."""
    x = spread(shape, -0.5, 0.5, seed) + np.eye(*shape[-2:]) * (2 + 1.5 * np.arange(shape[-1]))
    return (x + 0.2j * spread(shape, -1.0, 1.0, seed + 3) if d.startswith("complex") else x).astype(d)


def hermitian(*shape, d="float64"):
    x = matrix(*shape, d=d)
    return (x + np.conj(np.swapaxes(x, -2, -1))) / 2


def numbers(*shape, d="float64", seed=1):
    x = spread(shape, -2.0, 2.0, seed)
    return (x + 0.5j * spread(shape, -1.0, 1.0, seed + 1) if d.startswith("complex") else x).astype(d)


def as_tensor(T, a, grad=False):
    return (
        T.tensor(a, requires_grad=grad)
        if T is flambeau
        else torch.from_numpy(np.array(a)).requires_grad_(grad)
    )


def parts(result):
    return tuple(result) if isinstance(result, tuple) else (result,)


def outcome(f):
    try:
        return f()
    except Exception as e:
        return e


def assert_close(got, want, label, tolerance=None):
    got, want = got.detach().numpy(), want.detach().numpy(force=True)
    assert (got.dtype, got.shape) == (want.dtype, want.shape), label
    if tolerance is None:
        tolerance = 1e-10 if want.dtype.name in ("float64", "complex128") else 2e-5
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance, err_msg=label)


# ----- values and gradients -----

# What the vectors of a decomposition determine, whatever their sign or phase.
INVARIANT = {
    "eigh": lambda T, x: product(T.linalg.eigh(x)),
    "eigh upper": lambda T, x: product(T.linalg.eigh(x, UPLO="U")),
    "eigh vectors": lambda T, x: T.linalg.eigh(x).eigenvectors.abs(),
    "svd": lambda T, x: svd(T, T.linalg.svd(x, full_matrices=False)),
    "svd full": lambda T, x: svd(T, T.linalg.svd(x)),
    "svd old": lambda T, x: svd(T, (lambda r: (r.U, r.S, r.V.mH))(T.svd(x))),
    "svd vectors": lambda T, x: T.linalg.svd(x, full_matrices=False).U.abs(),
    "qr": lambda T, x: T.linalg.qr(x).Q * 2 + T.linalg.qr(x).R.sum(),
    "qr wide": lambda T, x: T.linalg.qr(x.mH).R + T.linalg.qr(x.mH).Q.sum(),
    "qr r": lambda T, x: T.linalg.qr(x.detach(), mode="r").R,
    "qr old": lambda T, x: T.qr(x, some=True).R,
    "svdvals": lambda T, x: T.linalg.svdvals(x),
    "pinv": lambda T, x: T.linalg.pinv(x),
    "pinv rtol": lambda T, x: T.linalg.pinv(x, rtol=0.5),
    "pinv atol": lambda T, x: T.linalg.pinv(x, atol=3.0),
    "pinverse": lambda T, x: T.pinverse(x),
    "matrix_rank": lambda T, x: T.linalg.matrix_rank(x),
    "matrix_rank tol": lambda T, x: T.linalg.matrix_rank(x, 3.0),
    "matrix_rank atol": lambda T, x: T.linalg.matrix_rank(x, atol=1.0, rtol=0.5),
    "cond": lambda T, x: T.linalg.cond(x),
    "cond -2": lambda T, x: T.linalg.cond(x, -2),
    **{
        f"matrix_norm {o}": (lambda T, x, o=o: T.linalg.matrix_norm(x, o))
        for o in ("fro", "nuc", 1, -1, 2, -2, INF, -INF)
    },
    "matrix_norm dims": lambda T, x: T.linalg.matrix_norm(x.unsqueeze(1), 1, dim=(-1, 0), keepdim=True),
    "norm": lambda T, x: T.linalg.norm(x),
    "norm dim": lambda T, x: T.linalg.norm(x, 3, dim=-1),
    "norm dims": lambda T, x: T.linalg.norm(x, "nuc", dim=(-1, -2), keepdim=True),
    **{
        f"vector_norm {o}": (lambda T, x, o=o: T.linalg.vector_norm(x, o, (0, -1), True))
        for o in (0, 0.5, 1, 2, 3.5, INF, -INF, -1)
    },
    "diagonal": lambda T, x: T.linalg.diagonal(x, offset=1),
    "vecdot": lambda T, x: T.linalg.vecdot(x, x * 2, dim=-2),
    "lu": lambda T, x: (lambda r: r.L.sum() * 2 + r.U)(T.linalg.lu(x.flip(-1))),
    "lu factors": lambda T, x: T.linalg.lu_factor(x.flip(-2)).LU,
    "lu unpacked": lambda T, x: (lambda r: T.lu_unpack(r.LU, r.pivots).L)(T.linalg.lu_factor_ex(x)),
    "reflections": lambda T, x: T.linalg.householder_product(tall(x), tall(x)[..., 0, :] / 9),
    "reflections old": lambda T, x: T.orgqr(tall(x) / 9, tall(x)[..., 0, :2]),
    "reflected": lambda T, x: T.ormqr(tall(x) / 9, tall(x)[..., 0, :], tall(x), transpose=True),
    "reflected right": lambda T, x: T.ormqr(tall(x) / 9, tall(x)[..., 0, :], tall(x).mH, left=False),
    "vander": lambda T, x: T.linalg.vander(x, N=4),
}
SQUARE = {
    "cholesky_ex": lambda T, x: T.linalg.cholesky_ex((x + x.mH) / 2).L,
    "cholesky_solve": lambda T, x: T.cholesky_solve(x.mH, x.tril()),
    "cholesky_solve upper": lambda T, x: T.cholesky_solve(x.mH, x.triu(), upper=True),
    "cholesky_inverse": lambda T, x: T.cholesky_inverse(T.linalg.cholesky(x @ x.mH)),
    "inv_ex": lambda T, x: T.linalg.inv_ex(x).inverse,
    "tensorinv": lambda T, x: T.linalg.tensorinv(x.reshape(*x.shape[-2:], -1)[..., 0], 1),
    "cholesky": lambda T, x: T.linalg.cholesky((x + x.mH) / 2),
    "cholesky upper": lambda T, x: T.linalg.cholesky((x + x.mH) / 2, upper=True),
    "cholesky old": lambda T, x: T.cholesky((x + x.mH) / 2),
    "inv": lambda T, x: T.linalg.inv(x),
    "inverse": lambda T, x: x.inverse(),
    "det": lambda T, x: T.linalg.det(x),
    "slogdet": lambda T, x: (lambda r: r.sign * r.logabsdet)(T.linalg.slogdet(x)),
    "slogdet sign": lambda T, x: T.linalg.slogdet(-x).sign * x.sum(),
    "logdet": lambda T, x: x.logdet(),
    "matrix_exp": lambda T, x: T.linalg.matrix_exp(x),
    "matrix_exp large": lambda T, x: T.matrix_exp(x * 2 - 3),
    **{f"matrix_power {n}": (lambda T, x, n=n: T.linalg.matrix_power(x, n)) for n in (1, 2, 5, -3)},
    "eigvalsh": lambda T, x: T.linalg.eigvalsh(x @ x.mH),
    "eig": lambda T, x: (
        lambda r: (r.eigenvectors * (r.eigenvalues**3).unsqueeze(-2)) @ T.linalg.inv(r.eigenvectors)
    )(T.linalg.eig(x)),
    "eig vectors": lambda T, x: (T.linalg.eig(x).eigenvectors.abs() ** 2).sum(-1),
    "eigvals": lambda T, x: (T.linalg.eigvals(x) ** 2).sum(-1),
    "solve itself": lambda T, x: T.linalg.solve(x, x.mT * 2),
    **{f"cond {o}": (lambda T, x, o=o: T.linalg.cond(x, o)) for o in ("fro", "nuc", 1, -INF)},
    "pinv hermitian": lambda T, x: T.linalg.pinv(x + x.mH, hermitian=True),
    "matrix_rank hermitian": lambda T, x: T.linalg.matrix_rank(x + x.mH, hermitian=True),
}
TWO = {
    "lu_solve": lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(x.flip(-1)), y),
    "lu_solve adjoint": lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(x.flip(-1)), y, adjoint=True),
    "lu_solve right": lambda T, x, y: T.linalg.lu_solve(*T.linalg.lu_factor(x.flip(-1)), y.mT, left=False),
    "lu_solve both": lambda T, x, y: T.linalg.lu_solve(
        *T.linalg.lu_factor(x.flip(-1)), y.mT, left=False, adjoint=True
    ),
    "solve_ex": lambda T, x, y: T.linalg.solve_ex(x, y).result,
    "triangular old": lambda T, x, y: T.triangular_solve(y, x, transpose=True).solution,
    "ldl_solve": lambda T, x, y: T.linalg.ldl_solve(
        *T.linalg.ldl_factor(x.detach().flip(-1), hermitian=x.ndim > 2), y.detach(), hermitian=x.ndim > 2
    ),
    "solve": lambda T, x, y: T.linalg.solve(x, y),
    "solve right": lambda T, x, y: T.linalg.solve(x, y.mT, left=False),
    "solve vector": lambda T, x, y: T.linalg.solve(x, y[..., 0]),
    "solve one vector": lambda T, x, y: T.linalg.solve(x, y[..., 0].reshape(-1, x.shape[-1])[0]),
    "triangular": lambda T, x, y: T.linalg.solve_triangular(x, y, upper=True),
    "triangular lower": lambda T, x, y: T.linalg.solve_triangular(x, y, upper=False, unitriangular=True),
    "triangular right": lambda T, x, y: T.linalg.solve_triangular(x, y.mT, upper=True, left=False),
    "lstsq": lambda T, x, y: T.linalg.lstsq(x[..., :2], y).solution,
    "lstsq wide": lambda T, x, y: T.linalg.lstsq(x[..., :2, :], y[..., :2, :]).solution,
    "lstsq vector": lambda T, x, y: T.linalg.lstsq(x, y[..., 0]).solution,
    "inner": lambda T, x, y: T.inner(x, y.mT),
    "kron": lambda T, x, y: T.kron(x, y),
    "kron ranks": lambda T, x, y: T.kron(x, y.reshape(-1)[:3]),
    "tensordot": lambda T, x, y: T.tensordot(x, y, ([-1], [-2])),
    "tensordot 1": lambda T, x, y: T.tensordot(x.mT, x, 1) if x.ndim == 2 else T.tensordot(x, x, 3),
    "tensordot 0": lambda T, x, y: T.tensordot(x, y, 0),
    "cross": lambda T, x, y: T.linalg.cross(x, y[..., :1], dim=-2) if x.shape[-1] == 3 else x,
    "cross old": lambda T, x, y: T.cross(x, x * y[..., :1], dim=-1) if x.shape[-1] == 3 else x,
}


def tall(x):
    return x if x.shape[-2] >= x.shape[-1] else x.mT


def product(eigen):
    w, v = eigen
    return (v * (w**2 + 1).unsqueeze(-2)) @ v.mH + w.unsqueeze(-1)


def svd(T, results):
    u, s, vh = results
    k = s.shape[-1]
    return (u[..., :, :k] * (s**2 + 1).unsqueeze(-2)) @ vh[..., :k, :] + s.sum(-1)[..., None, None]


CASES = [
    (name, f, shapes, False)
    for table, shapes in ((INVARIANT, ((4, 3), (2, 3, 4))), (SQUARE, ((3, 3), (2, 2, 2))))
    for name, f in table.items()
]
CASES += [(name, f, ((3, 3), (2, 3, 3)), True) for name, f in TWO.items()]


def arrays(name, shape, two, d):
    if "eigh" in name:
        return [hermitian(*shape[:-1], shape[-2], d=d)]
    x = matrix(*shape, d=d)
    return [x, numbers(*shape[:-1], 2, d=d)] if two else [x]


@pytest.mark.parametrize("name, f, shapes, two", CASES, ids=[c[0] for c in CASES])
def test_values(name, f, shapes, two):
    for shape, d in itertools.product(shapes, ("float32", "float64", "complex64", "complex128")):
        label, xs = f"{name}, {shape}, {d}", arrays(name, shape, two, d)
        got, want = (parts(f(T, *[as_tensor(T, x) for x in xs])) for T in BOTH)
        for a, b in zip(got, want, strict=True):
            assert_close(a, b, label, 3e-4 if b.dtype in (torch.float32, torch.complex64) else None)


@pytest.mark.parametrize("name, f, shapes, two", CASES, ids=[c[0] for c in CASES])
def test_gradients(name, f, shapes, two):
    if name in NO_GRADIENT:
        return
    for shape, d in itertools.product(shapes, ("float64", "complex128")):
        label, xs = f"{name}, {shape}, {d}", arrays(name, shape, two, d)
        orders = 1 if name == "matrix_exp large" else 2  # PyTorch loses digits of its second
        got, want = (derivatives(T, f, xs, orders) for T in BOTH)
        for i, (a, b) in enumerate(zip(got, want, strict=True)):
            assert_close(a, b, f"{label}, derivative {1 + i // len(xs)} of input {i % len(xs)}", 1e-7)


NO_GRADIENT = {
    "ldl_solve",
    "qr r",
    "matrix_rank",
    "matrix_rank tol",
    "matrix_rank atol",
    "matrix_rank hermitian",
    "vector_norm 0",
}
NO_GRADIENT |= {"cond fro", "cond 1", "cond -inf"}  # PyTorch overwrites what it has saved


def derivatives(T, f, arrays, orders=2):
    """First and second derivatives of a number made of the result."""
    xs = [as_tensor(T, a, grad=True) for a in arrays]
    out = f(T, *xs)
    loss = (weigh(T, out) * out).abs().square().sum() if out.is_complex() else (weigh(T, out) * out).sum()
    first = T.autograd.grad(loss, xs, create_graph=orders > 1, allow_unused=True)
    first = [T.zeros_like(x) if g is None else g for x, g in zip(xs, first, strict=True)]
    if orders == 1:
        return first
    again = sum((weigh(T, g, 5) * g).abs().square().sum() for g in first)
    second = T.autograd.grad(again, xs, allow_unused=True) if again.requires_grad else [None] * len(xs)
    return [*first, *(T.zeros_like(x) if g is None else g for x, g in zip(xs, second, strict=True))]


def weigh(T, like, seed=0):
    return as_tensor(T, np.asarray(spread(tuple(like.shape), -1.0, 1.0, seed)))


def test_several_matrices_in_one_product():
    xs = [numbers(*shape, seed=i) for i, shape in enumerate(((4, 2), (2, 7), (7, 3), (3, 5), (5, 2)))]
    for chosen in (xs, [xs[0][0], *xs[1:]], [*xs[:-1], xs[-1][:, 0]], [xs[0][0], xs[1][:, 0]]):
        assert_close(*(T.linalg.multi_dot([as_tensor(T, x) for x in chosen]) for T in BOTH), "multi_dot")
    assert_close(*(T.chain_matmul(*[as_tensor(T, x) for x in xs]) for T in BOTH), "chain_matmul")


@pytest.mark.parametrize("p", [0.0, 0.7, 1.0, 2.0, 3.0, INF])
def test_distances(p):
    for (m, n), mode in itertools.product(
        ((3, 4), (30, 3)), ("use_mm_for_euclid_dist_if_necessary", "donot_use_mm_for_euclid_dist")
    ):
        x, y = numbers(2, m, 3), numbers(n, 3, seed=4)
        assert_close(*(T.cdist(as_tensor(T, x), as_tensor(T, y), p, mode) for T in BOTH), f"cdist {p}", 1e-8)
        f = lambda T, x, y, mode=mode: T.cdist(x, y, p, mode)  # noqa: E731
        if p > 0:
            got, want = (derivatives(T, f, [x, y], orders=1) for T in BOTH)
            for a, b in zip(got, want, strict=True):
                assert_close(a, b, f"gradient of cdist {p}", 1e-7)


def test_equal_rows_have_no_gradient():
    for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        grads = []
        for T in BOTH:
            x = T.ones(3, 2, dtype=T.float64, requires_grad=True)
            T.cdist(x, x.detach().clone(), compute_mode=mode).sum().backward()
            grads.append(x.grad)
        assert_close(*grads, mode)


def test_norms_have_pytorchs_gradients_at_zero():
    for p, values in itertools.product(
        (0.5, 1, 1.5, 2, 3, INF, -INF, -1), ([0.0, 0, 0], [0.0, -2, 2], [3.0, 3, -3])
    ):
        grads = []
        for T in BOTH:
            x = T.tensor(values, dtype=T.float64, requires_grad=True)
            T.linalg.vector_norm(x, p).backward()
            grads.append(x.grad)
        assert_close(*grads, f"norm {p} of {values}")


@pytest.mark.parametrize("driver", [None, "gels", "gelsy", "gelsd", "gelss"])
def test_all_that_least_squares_give(driver):
    deficient = np.array([[1.0, 2, 3], [2, 4, 6], [1, 0, 1], [0, 1, 1]])
    for A, B in (
        (matrix(4, 2), numbers(4, 3)),
        (matrix(2, 4, 2), numbers(2, 4, 3)),
        (matrix(4, 2), numbers(4)),
        (matrix(2, 4), numbers(2, 1)),
        (deficient, numbers(4, 1)),
    ):
        if driver == "gels" and A is deficient:
            continue  # it takes full rank for granted
        got, want = (T.linalg.lstsq(as_tensor(T, A), as_tensor(T, B), driver=driver) for T in BOTH)
        for name, a in zip(got._fields, got, strict=True):
            assert_close(a, getattr(want, name), f"{name} by {driver}")


def test_empty_matrices():
    for name, shape in itertools.product(
        ("inv", "det", "cholesky", "svdvals", "eigvalsh", "matrix_exp", "pinv", "matrix_rank", "cond"),
        ((0, 0), (2, 0, 0), (0, 2, 2)),
    ):
        assert_close(*(getattr(T.linalg, name)(T.zeros(shape)) for T in BOTH), f"{name} {shape}")
    for name, shape in itertools.product(
        ("qr", "svd", "pinv", "svdvals", "matrix_rank"), ((0, 3), (3, 0), (2, 0, 3))
    ):
        for a, b in zip(*(parts(getattr(T.linalg, name)(T.zeros(shape))) for T in BOTH), strict=True):
            assert a.dtype.np == b.numpy().dtype and tuple(a.shape) == tuple(b.shape), f"{name} {shape}"


def test_only_one_triangle_is_read():
    x = hermitian(3, 3) + np.triu(numbers(3, 3), 1)
    for f in (
        lambda T, x: T.linalg.cholesky(x),
        lambda T, x: T.linalg.eigvalsh(x),
        lambda T, x: T.linalg.cholesky(x.mT, upper=True),
        lambda T, x: T.linalg.eigvalsh(x.mT, "U"),
        lambda T, x: T.linalg.pinv(x, hermitian=True),
    ):
        assert_close(*(f(T, as_tensor(T, x)) for T in BOTH), "triangle")


def test_singular_matrices():
    x = np.array([[[1.0, 2], [2, 4]], [[0, 0], [0, 0]], [[1, 0], [0, 2]]])
    for f in (
        lambda T, x: T.linalg.det(x),
        lambda T, x: T.linalg.cond(x, 1),
        lambda T, x: T.linalg.matrix_rank(x),
        lambda T, x: T.linalg.pinv(x),
        lambda T, x: T.linalg.slogdet(x).logabsdet,
        lambda T, x: T.linalg.solve_triangular(x, x[..., :1] + 1, upper=True),
    ):
        assert_close(*(f(T, as_tensor(T, x)) for T in BOTH), "singular")


def test_repeated_eigenvalues_hurt_only_gradients_that_need_them_apart():
    for f in (
        lambda T, x: T.linalg.eigvalsh(x),
        lambda T, x: T.linalg.svdvals(x),
        lambda T, x: T.linalg.matrix_norm(x, "nuc"),
        lambda T, x: T.linalg.pinv(x),
    ):
        grads = []
        for T in BOTH:
            x = T.eye(3, dtype=T.float64, requires_grad=True)
            (f(T, x) * as_tensor(T, np.array([1.0, 2.0, 3.0]))).sum().backward()
            grads.append(x.grad)
        assert not bool(flambeau.isnan(grads[0]).any())
        assert_close(
            flambeau.diagonal(grads[0]).sum(), torch.diagonal(grads[1]).sum(), "trace of the gradient"
        )


# ----- errors -----

BAD = (
    "v", "w", "T.ones(())", "T.ones(2, 2).long()", "T.ones(2, 2).bool()", "T.zeros(2, 2)",
    "T.full((2, 2), float('nan'))", "T.full((2, 2), float('inf'))",
)  # fmt: skip
MATRIX = "inv det slogdet cholesky eigh eig eigvals eigvalsh matrix_exp svd qr pinv svdvals matrix_rank cond"
ERRORS = [
    f"{name}({x})"
    for name, x in itertools.product(MATRIX.split(), BAD)
    # PyTorch crashes, or finds something in what is infinite
    if "full" not in x or (name != "eigvals" and "nan" in x)
]
ERRORS += """
    inv(T.stack([T.eye(2), T.zeros(2, 2)]))
    solve(T.zeros(2, 2), T.ones(2))
    solve(s, T.ones(4))
    solve(s, T.ones(4, 3))
    solve(s, T.tensor(1.0))
    solve(s, T.ones(3).double())
    solve(s, T.ones(2, 2), left=False)
    solve_triangular(s, v, upper=True)
    solve_triangular(s, s)
    solve_triangular(s, w, upper=True)
    solve_triangular(s, T.ones(3, 2), upper=True, left=False)
    qr(s, mode='x')
    qr(T.ones(3, 2).requires_grad_(), 'complete').R.sum().backward()
    eigh(s, UPLO='x')
    svd(s, driver='gesvd')
    lstsq(s, w)
    lstsq(s, s, driver='x')
    matrix_power(s, 2.5)
    matrix_power(w, 2)
    matrix_power(T.zeros(2, 2), -1)
    matrix_power(T.ones(2, 2).long(), -1)
    multi_dot([s])
    multi_dot([w, w])
    multi_dot([s, v, s])
    multi_dot([b, s])
    cross(s, v)
    cross(w, T.ones(2, 4))
    cross(T.ones(2, 3), T.ones(4, 3))
    vector_norm(s, 'fro')
    vector_norm(s.long())
    vector_norm(s.double(), dtype=T.float32)
    vector_norm(T.zeros(0), float('inf'))
    norm(b, 2)
    norm(v, 'fro')
    norm(b, dim=(0, 1, 2))
    norm(b, 'fro', dim=0)
    norm(s, 'abc')
    norm(s, 3)
    matrix_norm(v)
    matrix_norm(s, 'x')
    matrix_norm(b, dim=(0, 0))
    cond(s, 3)
    cond(w, 1)
    T.inverse(T.zeros(2, 2))
    T.cross(T.ones(2, 2), T.ones(2, 2))
    T.trace(b)
    T.trace(v)
    T.trace(T.ones(2, 2).bool())
    T.tensordot(w, s, 2)
    T.tensordot(w, s, ([1, 0], [0]))
    T.tensordot(w, s, -1)
    T.tensordot(w, s, 3)
    T.tensordot(w, s, ([1], [5]))
    T.tensordot(w, s, ([1, 1], [0, 0]))
    T.tensordot(w, s.long(), 1)
    T.tensordot(w, s, dims=(1, 0))
    T.inner(w, T.ones(4))
    T.inner(w, v.long())
    T.cdist(w, T.ones(2, 4))
    T.cdist(v, v)
    T.cdist(w, w, p=-1)
    T.cdist(w, w, compute_mode='z')
    T.cdist(w.long(), w.long())
    T.cdist(w, w.double())
""".strip().split("\n    ")


def evaluated(text, T):
    """The value of an expression of `T`, its linalg functions, and tensors of a few shapes."""
    shapes = {"s": (3, 3), "v": (3,), "w": (2, 3), "b": (2, 2, 2)}
    room = {name: getattr(T.linalg, name) for name in dir(T.linalg) if name[0] != "_"}
    return eval(text, {**room, "T": T, **{name: T.ones(shape) for name, shape in shapes.items()}})


@pytest.mark.parametrize("text", ERRORS)
def test_errors(text):
    got, want = (outcome(lambda T=T: settle(evaluated(text, T))) for T in BOTH)
    if not isinstance(want, Exception):
        assert not isinstance(got, Exception), repr(got)
    elif isinstance(want, torch.linalg.LinAlgError):
        assert isinstance(got, flambeau.linalg.LinAlgError), repr(got)
    else:
        assert isinstance(got, Exception) and isinstance(got, known(want)), repr(got)


def known(error):
    return NotImplementedError if isinstance(error, NotImplementedError) else type(error)


def settle(result):
    """Does pending work, which may fail."""
    if result is not None:
        for t in parts(result):
            t.tolist()
    return result


# ----- einsum -----


def random_equation(rng):
    """A valid equation and shapes, with diagonals, extents of 1, unnamed dimensions; some an output."""
    letters = list("abcdeXY")
    extents = {c: int(rng.integers(1, 4)) for c in letters}
    unnamed = tuple(int(e) for e in rng.integers(1, 3, size=rng.integers(0, 3)))
    inputs, shapes = [], []
    for _ in range(rng.integers(1, 5)):
        subscripts = [str(c) for c in rng.choice(letters, size=rng.integers(0, 4))]
        shape = [extents[c] for c in subscripts]
        for i, c in enumerate(subscripts):
            if subscripts.count(c) == 1 and rng.random() < 0.15:
                shape[i] = 1
        if rng.random() < 0.5:
            at, covered = (
                int(rng.integers(len(subscripts) + 1)),
                unnamed[int(rng.integers(len(unnamed) + 1)) :],
            )
            subscripts.insert(at, "...")
            shape[at:at] = [1 if rng.random() < 0.2 else e for e in covered]
        inputs.append("".join(subscripts))
        shapes.append(shape)
    used = sorted({c for s in inputs for c in s if c != "."})
    output = [str(c) for c in rng.permutation(used)[: rng.integers(len(used) + 1)]] if used else []
    if any("..." in s for s in inputs) and rng.random() < 0.7:
        output.insert(int(rng.integers(len(output) + 1)), "...")
    return ",".join(inputs) + ("->" + "".join(output) if rng.random() < 0.6 else ""), shapes


@pytest.mark.parametrize("block", range(4))
def test_einsum_on_random_equations(block):
    rng = np.random.default_rng(block)
    for _ in range(60):
        equation, shapes = random_equation(rng)
        xs = [
            numbers(*shape, d=str(rng.choice(["float64", "complex128"])) if block == 0 else "float64", seed=i)
            for i, shape in enumerate(shapes)
        ]
        if len({x.dtype for x in xs}) > 1:
            xs = [x.astype(np.complex128) for x in xs]
        label = f"{equation} {shapes}"
        f = lambda T, *xs, equation=equation: T.einsum(equation, *xs)  # noqa: E731
        assert_close(*(f(T, *[as_tensor(T, x) for x in xs]) for T in BOTH), label)
        got, want = (derivatives(T, f, xs) for T in BOTH)
        for a, b in zip(got, want, strict=True):
            assert_close(a, b, f"derivatives of {label}", 1e-8)


EINSUMS = """
    'ij,jk', x, y
    'ba', x
    'Ba', x
    'aA', x
    '...j->...', x
    '...j->j', x
    '...', x
    'i...,j...', x, x
    'ii->i', q
    'ii', q
    ' i j , j k -> i k ', x, y
    '', s
    '->', s
    ',i', s, v
    'ij', x
    'ij->ji', x
    'i i', q
    x, [0, 1], y, [1, 2], [0, 2]
    x, [0, 1], y, [1, 2]
    x, [0, ...], [..., 0]
    x, [51, 3]
    'ij,jk', [x, y]
    'ij,jk', (x, y)
    'i,j->ij', v, v.long()
    'ij,jk', x.long(), y.long()
    'ij->i', x.bool()
    'ij->i', x.int()
    'i,i->i', v.bool(), v.bool()
    'i,i->i', v, T.ones(1)
    'i,i', v, T.ones(1)
    'ij,k->ij', x, v
    'ik,jk->ij', T.ones(2, 0), T.ones(3, 0)
    'ij->j', T.ones(0, 3)
    '...,...', T.ones(2, 1, 3), T.ones(4, 1)
    'i,i->i', v.half(), v
    'ij,ij->ii', x, x
    'ij->ijk', x
    'ii', x
    'ij,jk->ik', x, x
    'ij,jk->ik', x
    'ij', x, y
    'i', x
    'ijk', x
    'i.j', x
    'i..j', x
    'i1', x
    'i-j', x
    'ij->ij->ij', x
    ',', s, v
    '......', x
    '...i->......i', x
    x, [0, 52]
    x, [0, 'a']
    [x, y]
    'ij,jk', x, y.long()
    'i,i->', v, v.long()
    'ij,jk', x.bool(), y.bool()
    'ij'
    '...i,...i->i', T.ones(2, 3), T.ones(4, 5, 3)
    2, x
    'ij', 3
    'ij', None
    'ij,', x, 2.0
    'ab,bc->Ac', x, y
""".strip().split("\n    ")


@pytest.mark.parametrize("arguments", ["", *EINSUMS])
def test_einsum_as_pytorch_reads_it(arguments):
    shapes = {"x": (2, 3), "y": (3, 4), "v": (3,), "q": (3, 3), "s": ()}

    def run(T):
        operands = {name: T.arange(float(np.prod(shape))).reshape(shape) for name, shape in shapes.items()}
        result = eval(f"T.einsum({arguments})", {"T": T, **operands})
        return result, any(result._base is t for t in operands.values())

    got, want = (outcome(lambda T=T: run(T)) for T in BOTH)
    if isinstance(want, Exception):
        assert isinstance(got, Exception) and isinstance(got, known(want)), repr(got)
    else:
        assert_close(got[0], want[0], arguments)
        assert got[1] == want[1], "a view of an operand"


def test_matrices_of_other_dtypes():
    for d in ("float16", "bfloat16"):
        for text in (
            "T.linalg.inv(x)",
            "T.linalg.det(x)",
            "T.linalg.svdvals(x)",
            "T.linalg.eigvalsh(x)",
            "T.linalg.cholesky(x)",
            "T.linalg.qr(x)",
        ):
            for T in BOTH:
                with pytest.raises(RuntimeError):
                    settle(eval(text, {"T": T, "x": T.eye(2, dtype=getattr(T, d))}))
