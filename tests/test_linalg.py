"""Linear algebra: errors that depend on values, operations with several results, gradients, einsum."""

import itertools
import weakref

import numpy as np
import pytest

import flambeau as torch
from flambeau.core.config import config
from flambeau.core.program import drop_dead
from flambeau.core.realize import recorder
from flambeau.linalg import LinAlgError
from flambeau.ops.linalg import matrix_op
from flambeau.ops.op import Op
from flambeau.ops.samples import spread

EYE, ZERO = np.eye(2), np.zeros((2, 2))


def steady(*shape, seed=0):
    """Matrices far from singular, with distinct eigenvalues and singular values."""
    x = spread(shape, -0.5, 0.5, seed) + np.eye(*shape[-2:]) * (2 + 1.5 * np.arange(shape[-1]))
    return torch.tensor(x, requires_grad=True)


def pending(x):
    """The tensor as a value that is not known yet."""
    return x + torch.zeros((), dtype=x.dtype)


def close(got, want, tolerance=1e-10):
    np.testing.assert_allclose(got.detach().numpy(), np.asarray(want), rtol=tolerance, atol=tolerance)


def work(monkeypatch, mode, max_nodes):
    monkeypatch.setattr(config, "mode", mode)
    monkeypatch.setattr(config, "max_nodes", max_nodes)
    recorder.relax()
    yield
    monkeypatch.undo()
    recorder.relax()


@pytest.fixture
def lazy(monkeypatch):
    """Work is done when somebody looks, whatever the environment says."""
    yield from work(monkeypatch, "interpret", 10_000)


@pytest.fixture(params=[("interpret", 10_000), ("interpret", 2), ("eager", 1)], ids=str)
def mode(request, monkeypatch):
    """Work is done when somebody looks, or after every other operation, or at once."""
    yield from work(monkeypatch, *request.param)


# ----- matrices for which there is no result -----

NAN, INF = np.full((2, 2), np.nan), np.full((2, 2), np.inf)
FAILING = {
    "inv": (lambda x: torch.linalg.inv(x), ZERO, r"linalg\.inv: .*inversion could not .* singular"),
    "solve": (
        lambda x: torch.linalg.solve(x, torch.tensor(np.ones((2, 1)))), ZERO,
        r"linalg\.solve: .*solver failed .* singular",
    ),
    "cholesky": (lambda x: torch.linalg.cholesky(x), -EYE, r"linalg\.cholesky: .*minor of order 1 is not"),
    "cholesky of inf": (lambda x: torch.linalg.cholesky(x), INF, "not positive-definite"),
    "cholesky of nan": (lambda x: torch.linalg.cholesky(x), NAN, "not positive-definite"),
    "svd": (lambda x: torch.linalg.svd(x).S, NAN, r"linalg\.svd: .*contained non-finite values"),
    "svd of inf": (lambda x: torch.linalg.svdvals(x), INF, r"linalg\.svd: .*contained non-finite values"),
    "eig": (lambda x: torch.linalg.eigvals(x), NAN, r"linalg\.eig: .*contained non-finite values"),
    "pinv": (lambda x: torch.linalg.pinv(x), INF, "contained non-finite values"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILING)
def test_known_values_fail_at_the_call(name):
    f, bad, message = FAILING[name]
    with pytest.raises(LinAlgError, match=message):
        f(torch.tensor(bad))


@pytest.mark.parametrize("name", FAILING)
def test_pending_values_fail_at_the_call_too(name, lazy):
    f, bad, message = FAILING[name]
    with pytest.raises(LinAlgError, match=message) as caught:
        f(pending(torch.tensor(bad)))
    assert any("recorded at" in note and "test_linalg.py" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("name", FAILING)
def test_the_batch_element_is_named(name):
    f, bad, _ = FAILING[name]
    with pytest.raises(LinAlgError, match=r"\(Batch element 1\): "):
        f(torch.tensor(np.stack([EYE, bad, bad])))
    with pytest.raises(LinAlgError, match=r"\(Batch element \(1, 0\)\): "):
        f(torch.tensor(np.stack([EYE, EYE, bad, EYE]).reshape(2, 2, 2, 2)))


def test_the_leading_minor_is_named():
    for order in range(1, 6):
        diagonal = np.where(np.arange(5) == order - 1, -1.0, 1.0)
        with pytest.raises(LinAlgError, match=f"order {order} "):
            torch.linalg.cholesky(torch.tensor(np.diag(diagonal)))


def test_other_work_is_done_although_a_matrix_fails():
    x = torch.ones(2)
    y = x + 1
    with pytest.raises(LinAlgError):
        torch.linalg.inv(torch.tensor(ZERO))
    assert y.tolist() == [2, 2]


def test_a_singular_matrix_can_be_caught_and_mended():
    x = torch.tensor(ZERO)
    try:
        y = torch.linalg.inv(x)
    except LinAlgError:
        y = torch.linalg.inv(x + torch.eye(2))
    assert issubclass(LinAlgError, RuntimeError)
    close(y, np.eye(2))


def test_eigenvalues_of_what_is_not_finite_are_nan():
    w, v = torch.linalg.eigh(torch.tensor(np.stack([EYE, NAN])))
    assert w.isnan().tolist() == [[False, False], [True, True]] and v.isnan().any(-1).any(-1).tolist() == [
        False,
        True,
    ]


def test_a_number_type_without_matrices_is_refused_by_name():
    for d in (torch.int64, torch.bool, torch.float16, torch.bfloat16):
        with pytest.raises(RuntimeError, match=rf"linalg\.inv: .*Got {d.name}"):
            torch.linalg.inv(torch.ones(2, 2, dtype=d))


# ----- several results -----


def test_all_results_are_right(mode):
    x = steady(2, 4, 3)
    u, s, vh = torch.linalg.svd(pending(x.detach()), full_matrices=False)
    assert (tuple(u.shape), tuple(s.shape), tuple(vh.shape)) == ((2, 4, 3), (2, 3), (2, 3, 3))
    close((u * s.unsqueeze(-2)) @ vh, x.detach().numpy())
    close(u.mT @ u, np.broadcast_to(np.eye(3), (2, 3, 3)))


def test_results_know_their_place():
    w, v = torch.linalg.eigh(steady(3, 3))
    assert w.grad_fn is v.grad_fn and (w.output_nr, v.output_nr) == (0, 1)
    assert repr(w.grad_fn).startswith("<LinalgEighBackward0") and w.grad_fn.results() == 2
    assert not w.is_leaf and w.requires_grad and v.requires_grad


def test_results_without_history():
    x = steady(3, 3)
    with torch.no_grad():
        assert not any(t.requires_grad for t in torch.linalg.svd(x))
    assert not any(t.requires_grad for t in torch.linalg.svd(x.detach()))


def test_named_results():
    result = torch.linalg.svd(torch.eye(2))
    assert result._fields == ("U", "S", "Vh") and result.S is result[1]
    assert repr(torch.linalg.slogdet(torch.eye(2))).startswith(
        "torch.return_types.linalg_slogdet(\nsign=tensor(1.)"
    )
    assert repr(torch.slogdet(torch.eye(2))).startswith("torch.return_types.slogdet(")


@pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_unused_results_count_as_constant(used, mode):
    def some(x):
        results = torch.linalg.svd(x, full_matrices=False)
        return [(results[i].abs() * (i + 1)).sum(-1) for i in used]

    assert torch.autograd.gradcheck(some, steady(3, 2), check_undefined_grad=False)
    assert torch.autograd.gradgradcheck(some, steady(3, 2), check_undefined_grad=False)


def test_a_result_does_not_hold_the_others():
    u, s, vh = torch.linalg.svd(pending(torch.tensor(np.diag([3.0, 2.0, 1.0]))))
    s.tolist()
    array = weakref.ref(u._node.value)
    del u, vh
    assert array() is None
    close(s + 1, [4, 3, 2])


def test_gradient_functions_let_go_of_results():
    x = steady(3, 3)
    w, v = torch.linalg.eigh(x)
    fn = weakref.ref(w.grad_fn)  # a cycle would keep it
    (w.sum() + v.abs().sum()).backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        w.sum().backward()
    del w, v
    assert fn() is None


def test_a_pass_can_be_repeated_if_the_graph_is_retained(mode):
    x = steady(3, 3)
    w, v = torch.linalg.eigh(x)
    loss = w[0] + (v * v).sum(0)[0] * w[1]
    loss.backward(retain_graph=True)
    once = x.grad.clone()
    loss.backward()
    close(x.grad, 2 * once.numpy())


def test_two_losses_of_two_results_add_up():
    x, y = steady(3, 3), steady(3, 3)
    q, r = torch.linalg.qr(x)
    q.sum().backward(retain_graph=True)
    r.sum().backward()
    q, r = torch.linalg.qr(y)
    (q.sum() + r.sum()).backward()
    close(x.grad, y.grad.numpy())


def test_gradients_towards_results():
    w, v = torch.linalg.eigh(steady(3, 3))
    loss = (w * 2).sum() + (v * 3).sum() + (w * w).sum()
    gw, gv = torch.autograd.grad(loss, (w, v))
    close(gw, 2 + 2 * w.detach().numpy())
    close(gv, np.full((3, 3), 3.0))


def test_hooks_and_retained_gradients_of_one_result():
    x, seen = steady(3, 3), []
    w, v = torch.linalg.eigh(x)
    w.register_hook(lambda g: seen.append(g.tolist()) or g * 10)
    v.retain_grad()
    (w.sum() + (v * v).sum()).backward()
    assert seen == [[1.0, 1.0, 1.0]]
    close(v.grad, 2 * v.detach().numpy())
    close(x.grad, 10 * np.eye(3), 1e-9)  # the squares of v add up to a constant


def test_second_derivatives_go_through_all_results(mode):
    for name in ("eigh", "svd", "qr"):
        x = steady(3, 3)
        results = getattr(torch.linalg, name)(x @ x.mT if name == "eigh" else x)
        loss = sum(((t * t).cumsum(0) * (i + 1)).sum() for i, t in enumerate(results))
        (g,) = torch.autograd.grad(loss, x, create_graph=True)
        assert g.requires_grad
        (again,) = torch.autograd.grad((g * g).sum(), x)
        assert torch.isfinite(again).all() and again.abs().max() > 0


def test_a_result_that_was_written_to_cannot_be_differentiated_through():
    w, v = torch.linalg.eigh(steady(3, 3))
    loss = (w * 2).sum()
    with torch.no_grad():
        v.mul_(2)
    with pytest.raises(RuntimeError, match=r"LinalgEighBackward0.*modified by an inplace operation"):
        loss.backward()


def test_results_can_be_written_to_in_place():
    x, y = steady(3, 3), steady(3, 3)
    r = torch.linalg.qr(x).R * 1
    r[0] = 0
    r.sum().backward()
    torch.linalg.qr(y).R[1:].sum().backward()
    close(x.grad, y.grad.numpy())


def test_results_of_different_dtypes():
    x = torch.tensor(EYE + 0j, requires_grad=True)
    sign, log = torch.linalg.slogdet(x * 2j)
    assert (sign.dtype, log.dtype) == (torch.complex128, torch.float64)
    log.backward()
    close(x.grad, np.eye(2))


@pytest.fixture
def parts():
    """An operation with a whole number between two differentiable results."""
    yield matrix_op(
        "test_parts",
        lambda x: (x * 2, np.rint(x).astype(np.int64), x * x),
        lambda name, x: [(x._node.shape, d) for d in (x.dtype, torch.int64, x.dtype)],
        results=3, samples=list, checks=False, grad=lambda g, x: g[0] * 2 + g[2] * 2 * x,
    )  # fmt: skip
    del Op.registry["test_parts"]


def test_a_result_without_gradient_among_others(parts, mode):
    x = torch.tensor([[1.2, 3.4]], requires_grad=True)
    a, n, b = parts(x)
    assert (a.requires_grad, n.requires_grad, b.requires_grad) == (True, False, True)
    assert n.tolist() == [[1, 3]]
    (b * n).sum().backward()
    close(x.grad, [[2.4, 20.4]], 1e-6)
    assert torch.autograd.gradgradcheck(lambda x: parts(x)[2], x.detach().double().requires_grad_())


def test_only_what_is_asked_for_is_picked(parts, lazy):
    b = parts(steady(3, 3).detach() + 1)[2]
    kept, _ = drop_dead(recorder.pending)
    assert [node.op.name for node in recorder.pending][-2:] == ["test_parts", "pick"]
    assert kept[-2:] == [False, True] and b.shape == (3, 3)


def test_a_late_failure_reaches_all_results(parts, lazy, monkeypatch):
    def fail(x):
        raise LinAlgError("no such parts")

    monkeypatch.setattr(parts, "numpy", fail)
    a, _, b = parts(pending(torch.ones(2, 2)))
    for t in (a, b, a + 1):
        with pytest.raises(LinAlgError, match="no such parts"):
            t.tolist()


# ----- gradients that PyTorch has not, or not so well -----


def test_gradients_of_compositions():
    x, y = steady(3, 3), steady(4, 2)
    b = torch.tensor(spread((4, 3)), requires_grad=True)
    for p in ("fro", "nuc", 1, np.inf, 2, -2):
        assert torch.autograd.gradcheck(lambda x, p=p: torch.linalg.cond(x, p), x)
    assert torch.autograd.gradcheck(lambda y, b: torch.linalg.lstsq(y, b, driver="gelsd")[:2], (y, b))
    assert torch.autograd.gradgradcheck(lambda y, b: torch.linalg.lstsq(y, b).solution, (y, b))
    assert torch.autograd.gradgradcheck(lambda y, b: torch.linalg.multi_dot([b.mT, y, y.mT, b]), (y, b))
    assert torch.autograd.gradgradcheck(lambda y, b: torch.cdist(y.mT, b.mT, 3.0), (y, b))
    assert torch.autograd.gradgradcheck(
        lambda y, b: torch.cdist(y.mT, b.mT, compute_mode="use_mm_for_euclid_dist"), (y, b)
    )


def test_the_determinant_of_singular_matrices_has_a_gradient():
    x = torch.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=torch.float64, requires_grad=True)
    torch.linalg.det(x).backward()
    close(x.grad, [[4, -2], [-2, 1]])
    assert torch.autograd.gradcheck(
        torch.linalg.det, torch.zeros(2, 3, 3, dtype=torch.float64, requires_grad=True)
    )


def test_equal_singular_values_spoil_no_gradient_that_does_not_need_vectors():
    for f, want in (
        (lambda x: torch.linalg.svdvals(x).sum(), np.eye(3)),
        (lambda x: torch.linalg.eigvalsh(x).sum(), np.eye(3)),
        (lambda x: torch.linalg.eigvals(x).sum().real, np.eye(3)),
        (lambda x: torch.linalg.pinv(x).trace(), -np.eye(3)),
        (lambda x: torch.linalg.matrix_norm(x, "nuc"), np.eye(3)),
    ):
        x = torch.eye(3, dtype=torch.float64, requires_grad=True)
        f(x).backward()
        close(x.grad, want)


def test_a_loss_that_depends_on_the_phase_of_vectors_is_an_error():
    x = torch.tensor(steady(3, 3).detach().numpy() + 0.2j * spread((3, 3), -1, 1), requires_grad=True)
    hermitian = (x + x.mH) / 2
    for vectors in (torch.linalg.eigh(hermitian)[1], torch.linalg.svd(x)[0], torch.linalg.eig(x)[1]):
        loss = (vectors.imag * torch.arange(9.0).reshape(3, 3)).sum()
        with pytest.raises(RuntimeError, match="_backward: The vectors in the complex case"):
            torch.autograd.grad(loss, x, retain_graph=True)[0].tolist()


def test_exponentials_of_narrow_floats():
    for d in (torch.float16, torch.bfloat16):
        got = torch.linalg.matrix_exp(torch.eye(2, dtype=d))
        assert got.dtype is d
        close(got.float(), np.e * np.eye(2), 2e-2)


def test_exponentials_of_large_and_small_matrices_together():
    x = np.stack([np.diag([1e-3, 2e-3]), np.diag([300.0, -300.0]), np.zeros((2, 2))])
    got = torch.linalg.matrix_exp(torch.tensor(x)).numpy()
    want = np.stack([np.diag(np.exp(np.diag(m))) for m in x])
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_the_gradient_of_an_exponential_does_not_depend_on_its_size():
    grads = []
    for scale in (1.0, 1e30):
        x = steady(3, 3)
        (torch.linalg.matrix_exp(x).sum() * scale).backward()
        grads.append(x.grad.numpy() / scale)
    np.testing.assert_allclose(*grads, rtol=1e-13)


def test_powers_leave_their_matrix_alone():
    x = torch.tensor(EYE)
    for n in (0, 1):
        y = torch.linalg.matrix_power(x, n)
        y.mul_(3)
    close(x, np.eye(2))


def test_results_into_given_tensors():
    w, v = torch.empty(3, dtype=torch.float64), torch.empty(3, 3, dtype=torch.float64)
    x = steady(3, 3).detach()
    result = torch.linalg.eigh(x, out=(w, v))
    assert result[0] is w and result[1] is v
    close(w, np.linalg.eigvalsh(x.numpy()))
    with pytest.raises(TypeError, match="'out' must be a tuple of 2 tensors"):
        torch.linalg.eigh(x, out=w)
    y = torch.empty(3, 3, dtype=torch.float64)
    assert torch.linalg.inv(x, out=y) is y
    with pytest.raises(RuntimeError, match=r"out=\.\.\. arguments don't support automatic differentiation"):
        torch.linalg.inv(steady(3, 3), out=y)


# ----- einsum -----


def recorded(f):
    """The names of the operations that a call records."""
    recorder.flush("test")
    result = f()
    names = [node.op.name for node in recorder.pending]
    return result, names


def test_each_pair_of_operands_is_one_matrix_product(lazy):
    x, y, z = (torch.tensor(spread(s)) for s in ((5, 2, 3), (5, 3, 4), (4, 6)))
    for equation in ("bij,bjk->bik", "bij,bjk->ikb", "bij,bjk,kl->bl", "bij,bjk,kl->"):
        operands = (x, y, z)[: equation.count(",") + 1]
        result, names = recorded(
            lambda equation=equation, operands=operands: torch.einsum(equation, *operands)
        )
        assert names.count("matmul") == len(operands) - 1, names
        close(result, np.einsum(equation, *[t.numpy() for t in operands]))


def test_without_a_common_sum_nothing_is_multiplied_as_matrices():
    x, y = torch.ones(3, 4), torch.ones(4, 5)
    for equation in ("ij,jk->ijk", "ij,kl->ijkl", "ij,ij->ij"):
        _, names = recorded(
            lambda equation=equation: torch.einsum(equation, x, x if equation == "ij,ij->ij" else y)
        )
        assert "matmul" not in names


def test_the_cheapest_pair_comes_first(lazy):
    xs = torch.ones(50, 60), torch.ones(60, 70), torch.ones(70)
    result, _ = recorded(lambda: torch.einsum("ij,jk,k->i", *xs))
    sizes = [np.prod(node.shape) for node in recorder.pending if node.op.name == "matmul"]
    assert sizes == [60, 50]
    assert result.tolist() == [4200.0] * 50


def test_einsum_agrees_with_numpy_whatever_the_order_of_operands():
    xs = [torch.tensor(spread(s, seed=i)) for i, s in enumerate(((2, 3), (3, 4), (4, 2), (3,)))]
    parts = ["ij", "jk", "ki", "j"]
    want = np.einsum("ij,jk,ki,j->k", *[t.numpy() for t in xs])
    for order in itertools.permutations(range(4)):
        got = torch.einsum(",".join(parts[i] for i in order) + "->k", *[xs[i] for i in order])
        close(got, want)


def test_einsum_is_linear_in_each_operand():
    x, y, z = (torch.tensor(spread((3, 3), seed=i)) for i in range(3))
    for equation in ("ij,jk->ki", "ii,jk->jk", "ij,ij->", "i...,j...->ij"):
        close(
            torch.einsum(equation, x + 2 * y, z),
            (torch.einsum(equation, x, z) + 2 * torch.einsum(equation, y, z)).numpy(),
        )


def test_what_only_moves_elements_is_a_view():
    x = torch.zeros(3, 3)
    torch.einsum("ii->i", x).add_(1)
    torch.einsum("ij->ji", x)[0, 1] = 5
    assert x.tolist() == [[1, 0, 0], [5, 1, 0], [0, 0, 1]]
    same = torch.einsum("ij->ij", x)
    assert same is not x and same._base is x


def test_einsum_gradients():
    x, y, z = (
        torch.tensor(spread(s, seed=i), requires_grad=True) for i, s in enumerate(((2, 3, 3), (3, 1), (2, 2)))
    )
    for equation in ("bii,ij->bj", "bij,jk,bb->", "b...j,j...->b", "bij,jk->kbi"):
        operands = (x, y, z)[: equation.count(",") + 1]
        assert torch.autograd.gradcheck(lambda *xs, equation=equation: torch.einsum(equation, *xs), operands)
        assert torch.autograd.gradgradcheck(
            lambda *xs, equation=equation: torch.einsum(equation, *xs), operands
        )


@pytest.mark.parametrize(
    "equation, shapes, message",
    [
        ("ij,jk->ik", ((2, 3), (2, 3)), "j has size 2 for operand 1 which does not broadcast with .* size 3"),
        ("ii", ((2, 3),), "subscript i is repeated for operand 0 but the sizes don't match, 3 != 2"),
        ("i", ((2, 3),), r"equation \(1\) does not match the number of dimensions \(2\) for operand 0"),
        ("ij->ii", ((2, 3),), "output subscript i appears more than once"),
        ("ij->ik", ((2, 3),), "output subscript k does not appear"),
        ("ij,jk", ((2, 3),), "fewer operands"),
        ("i-j", ((2, 3),), "invalid subscript '-'"),
        ("i..j", ((2, 3),), "not part of any ellipsis"),
    ],
)  # fmt: skip
def test_malformed_equations(equation, shapes, message):
    with pytest.raises(RuntimeError, match=message):
        torch.einsum(equation, *[torch.ones(s) for s in shapes])


def test_matrix_chains_take_the_order_of_least_work(lazy):
    xs = [torch.ones(s) for s in ((10, 30), (30, 5), (5, 60))]
    _, names = recorded(lambda: torch.linalg.multi_dot(xs))
    assert names == ["matmul", "matmul"]
    assert [node.shape for node in recorder.pending] == [(10, 5), (10, 60)]
