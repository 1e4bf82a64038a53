"""Sparse tensors: construction, what they refuse, gradients, training with sparse gradients."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import flambeau as torch

DENSE = torch.tensor([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])
FORMS = [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc]


def close(a, b, **tolerances):
    torch.testing.assert_close(a, b, **tolerances)


def matrix(requires_grad=False):
    """A matrix with one place that is named twice."""
    return torch.sparse_coo_tensor(
        [[0, 1, 1, 0], [1, 0, 2, 1]], [1.0, 2.0, 3.0, 4.0], (2, 3), requires_grad=requires_grad
    )


# ----- what they are -----


@pytest.mark.parametrize("form", FORMS)
def test_there_and_back(form):
    x = DENSE.to_sparse(layout=form)
    assert x.layout is form and x._nnz() == 3 and x.shape == DENSE.shape and x.dtype is torch.float32
    close(x.to_dense(), DENSE)
    for other in FORMS:
        close(x.to_sparse(layout=other).to_dense(), DENSE)
    close(x.t().to_dense(), DENSE.t())


def test_blocks():
    x = torch.arange(16.0).reshape(4, 4)
    x[:2, 2:] = 0
    for form in (torch.sparse_bsr, torch.sparse_bsc):
        s = x.to_sparse(layout=form, blocksize=(2, 2))
        assert s._nnz() == 3 and s.values().shape == (3, 2, 2)
        close(s.to_dense(), x)
        close(s.to_sparse().to_dense(), x)
        close(s.t().to_dense(), x.t())
        close(s @ x, x @ x)


def test_what_is_named_twice_is_added_up():
    s = matrix()
    assert not s.is_coalesced()
    c = s.coalesce()
    assert c.is_coalesced() and c.coalesce() is c
    assert c.indices().tolist() == [[0, 1, 1], [1, 0, 2]] and c.values().tolist() == [5, 2, 3]
    with pytest.raises(RuntimeError, match="uncoalesced"):
        s.values()


def test_dense_dimensions():
    s = torch.sparse_coo_tensor([[2, 0]], [[1.0, 2.0], [3.0, 4.0]], (3, 2))
    assert (s.sparse_dim(), s.dense_dim()) == (1, 1)
    close(s.to_dense(), torch.tensor([[3.0, 4.0], [0, 0], [1, 2]]))
    close(torch.sparse.sum(s, 0), torch.tensor([4.0, 6.0]))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: torch.sparse_coo_tensor([[3]], [1.0], (2,)), "found index 3"),
        (lambda: torch.sparse_coo_tensor([[-1]], [1.0], (2,)), "negative index -1"),
        (lambda: torch.sparse_coo_tensor([[0, 1]], [1.0], (2,)), "same nnz"),
        (lambda: torch.sparse_coo_tensor([[0]], [1.0], (2, 2)), "sparse_dim"),
        (lambda: torch.sparse_csr_tensor([0, 1, 5], [0, 1], [1.0, 2.0], (2, 2)), "nnz"),
        (lambda: torch.sparse_csr_tensor([0, 1, 2], [0, 3], [1.0, 2.0], (2, 2)), "col_indices"),
        (lambda: torch.sparse_csr_tensor([0, 2, 2], [1, 0], [1.0, 2.0], (2, 2)), "sorted"),
        (lambda: torch.sparse_csr_tensor([0, 2], [1, 0], [1.0, 2.0], (2, 2)), "crow_indices"),
    ],
)
def test_parts_that_do_not_fit(make, match):
    with pytest.raises(RuntimeError, match=match):
        make()


@pytest.mark.parametrize(
    "f",
    [
        lambda s: torch.sparse.mm(s, 3), lambda s: torch.sparse.mm(None, s), lambda s: s @ 3,
        lambda s: s * None, lambda s: torch.sparse_coo_tensor("a", [1.0]), lambda s: s.to_sparse_bsr(),
        lambda s: s.to_sparse_csr(1, 2), lambda s: torch.sparse_coo_tensor([[0]], None),
    ],
)  # fmt: skip
def test_what_is_no_tensor(f):
    with pytest.raises(TypeError):
        f(DENSE.to_sparse())


def test_without_elements():
    blank = torch.sparse_coo_tensor((3, 3))
    for found in (
        blank @ blank,
        blank + blank,
        torch.sparse.softmax(blank, 1),
        blank * torch.eye(3),
        blank.t(),
    ):
        assert found._nnz() == 0 and found.shape == (3, 3)
    assert (blank.to_sparse_csr() @ torch.ones(3, 2)).sum().item() == 0 == blank.sum().item()
    assert (torch.zeros(0, 3).to_sparse() @ torch.ones(3, 2)).shape == (0, 2)


def test_invariants():
    parts = [[1, 0]], [1.0, 2.0], (2,)
    assert torch.sparse_coo_tensor(*parts, is_coalesced=True).is_coalesced()
    with pytest.raises(RuntimeError, match="uncoalesced"), torch.sparse.check_sparse_tensor_invariants():
        torch.sparse_coo_tensor(*parts, is_coalesced=True)
    assert not torch.sparse.check_sparse_tensor_invariants.is_enabled()


def test_parts_share_memory():
    v = torch.ones(2)
    s = torch.sparse_coo_tensor([[0, 1]], v, (2,))
    s._values().mul_(3)
    assert v.tolist() == [3, 3] and s.to_dense().tolist() == [3, 3]


def test_printing():
    assert repr(DENSE.to_sparse_csr()) == (
        "tensor(crow_indices=tensor([0, 1, 3]),\n       col_indices=tensor([1, 0, 2]),\n"
        "       values=tensor([2., 1., 3.]), size=(2, 3), nnz=3,\n       layout=torch.sparse_csr)"
    )
    assert repr(DENSE.to_sparse()).endswith("\n       size=(2, 3), nnz=3, layout=torch.sparse_coo)")


@pytest.mark.parametrize("form", FORMS)
def test_copies(form):
    s = DENSE.to_sparse(layout=form).requires_grad_()
    for other in (copy.deepcopy(s), pickle.loads(pickle.dumps(s)), s.clone(), s.detach()):
        assert other.layout is form
        close(other.to_dense().detach(), DENSE)
    m = torch.nn.Module()
    m.register_buffer("a", s.detach())
    assert m.to(torch.float64).a.dtype is torch.float64 and list(m.state_dict()) == ["a"]


def test_files(tmp_path):
    torch.save({"a": matrix(), "b": DENSE.to_sparse_csr()}, tmp_path / "x.pt")
    found = torch.load(tmp_path / "x.pt")
    close(found["a"], matrix())
    close(found["b"], DENSE.to_sparse_csr())


# ----- what they are not -----


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "f",
    [
        lambda s: torch.exp(s), lambda s: s.cos(), lambda s: s[0:1], lambda s: s == s, lambda s: s.tolist(),
        lambda s: torch.ones_like(s), lambda s: torch.sum(DENSE, out=s),
        lambda s: torch.where(DENSE > 0, DENSE, s), lambda s: DENSE.index_add(0, torch.tensor([0, 1]), s),
        lambda s: torch.nn.functional.dropout(s), lambda s: s < DENSE, lambda s: torch.stack([DENSE, s]),
        lambda s: DENSE.clone().copy_(s), lambda s: s.reshape(6), lambda s: s.storage(),
        lambda s: s.data_ptr(), lambda s: s.stride(), lambda s: torch.nn.functional.softmax(s, 1),
    ],
)  # fmt: skip
def test_other_operations_are_refused(f, form):
    with pytest.raises(RuntimeError):  # NotImplementedError is one
        f(DENSE.to_sparse(layout=form))


def test_functions_from_before_say_so():
    """Names that were looked up before the first sparse tensor was made don't know it."""
    program = "from flambeau import mm; import flambeau; mm(flambeau.eye(2).to_sparse(), flambeau.eye(2))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "RuntimeError: mm: this is the function as it was before" in done.stderr


def test_arrays_are_dense():
    with pytest.raises(TypeError, match="to_dense"):
        DENSE.to_sparse().numpy()


def test_sparse_plus_dense():
    s = DENSE.to_sparse()
    with pytest.raises(RuntimeError, match="Use add\\(dense, sparse\\)"):
        s + DENSE
    close(DENSE + s, 2 * DENSE)
    close(torch.nn.Parameter(DENSE.clone()).detach() - s, 0 * DENSE)
    x = DENSE.clone()
    x += s
    x.add_(s, alpha=2)
    close(x, 4 * DENSE)


# ----- gradients -----


def test_a_leaf_has_a_sparse_gradient():
    s, x = matrix(requires_grad=True), torch.ones(3, 2, requires_grad=True)
    assert s.is_leaf and s.requires_grad
    (torch.sparse.mm(s, x) * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    assert s.grad.is_sparse and s.grad._values().tolist() == [3, 7, 7, 3]
    assert x.grad.tolist() == [[6, 8], [5, 10], [9, 12]]
    s.grad = None
    assert s.grad is None
    (g,) = torch.autograd.grad((s * 2).to_dense().sum(), s)
    assert g.is_sparse and g._values().tolist() == [2, 2, 2, 2]


def test_values_have_gradients():
    v = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    s = torch.sparse_coo_tensor([[0, 1, 0], [0, 1, 0]], v, (2, 2))
    assert not s.is_leaf and s.grad is None
    (s.coalesce().values() * torch.tensor([10.0, 1.0])).sum().backward()
    assert v.grad.tolist() == [10, 1, 10]


@pytest.mark.parametrize("form", FORMS)
def test_gradients_of_functions(form):
    v = torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[1.0, 2.0], [0.3, -1.0], [2.0, 1.0]], dtype=torch.float64, requires_grad=True)

    def make(v):
        s = torch.sparse_coo_tensor([[0, 0, 1, 1], [0, 2, 0, 1]], v, (2, 3))
        return s if form is torch.sparse_coo else s.to_sparse(layout=form)

    functions = [
        lambda v, x: torch.sparse.mm(make(v), x),
        lambda v, x: x.t() @ make(v).t(),
        lambda v, x: (make(v) @ make(v).t()).to_dense(),
        lambda v, x: make(v).mv(x[:, 0]),
        lambda v, x: (make(v) * x.t()).to_dense(),
        lambda v, x: (make(v) * make(v)).to_dense(),
        lambda v, x: x.t() + make(v),
        lambda v, x: make(v).sin().to_dense(),
        lambda v, x: torch.addmm(x[:2], make(v), x, beta=0.5, alpha=2),
    ]
    for f in functions:
        assert torch.autograd.gradcheck(f, (v, x))
    if form is torch.sparse_coo:
        assert torch.autograd.gradcheck(lambda v: torch.sparse.softmax(make(v), 1).to_dense(), (v,))
        assert torch.autograd.gradcheck(lambda v: torch.sparse.sum(make(v), 0).to_dense(), (v,))


def test_hooks_and_inner_gradients():
    s = matrix(requires_grad=True)
    y, seen = s * 2, []
    y.retain_grad()
    y.register_hook(lambda g: seen.append(g.layout))
    y.backward(torch.ones(2, 3).to_sparse())
    assert seen == [torch.sparse_coo] and y.grad._values().tolist() == [1] * 4
    assert s.grad._values().tolist() == [2] * 4


# ----- sparse gradients of dense tensors -----


def table(sparse=True):
    weight = torch.arange(10.0).reshape(5, 2) / 10
    return torch.nn.Embedding.from_pretrained(weight, freeze=False, sparse=sparse)


def test_the_gradient_of_an_embedding():
    t = table()
    t(torch.tensor([[1, 3], [1, 0]])).sum().backward()
    g = t.weight.grad
    assert g.is_sparse and g._indices().tolist() == [[1, 3, 1, 0]] and g.shape == (5, 2)
    t(torch.tensor([4])).sum().backward()
    assert t.weight.grad.is_sparse
    t.weight.sum().backward()
    assert not t.weight.grad.is_sparse
    assert t.weight.grad[:, 0].tolist() == [2, 3, 1, 2, 2]
    t(torch.tensor([4])).sum().backward()
    assert t.weight.grad[:, 0].tolist() == [2, 3, 1, 2, 3]


def test_sparse_and_dense_uses_at_once():
    t = table()
    (t(torch.tensor([1])).sum() + t.weight.sum() + t(torch.tensor([2])).sum()).backward()
    assert t.weight.grad[:, 1].tolist() == [1, 2, 2, 1, 1]


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bags(mode):
    grads = []
    for sparse in (False, True):
        bag = torch.nn.EmbeddingBag.from_pretrained(
            table().weight.detach().clone(), False, mode=mode, sparse=sparse
        )
        bag(torch.tensor([1, 2, 2, 4]), torch.tensor([0, 3])).pow(2).sum().backward()
        grads.append(bag.weight.grad.to_dense())
    close(*grads)
    with pytest.raises(ValueError, match="max mode"):
        torch.nn.functional.embedding_bag(torch.tensor([[1]]), torch.ones(2, 2), mode="max", sparse=True)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("SGD", {}), ("SGD", {"maximize": True}), ("Adagrad", {}), ("Adagrad", {"lr_decay": 0.1})],
)
def test_steps_are_those_of_dense_gradients(kind, options):
    tables = table(False), table(True)
    for t in tables:
        optimizer = getattr(torch.optim, kind)(t.parameters(), lr=0.1, **options)
        for _ in range(3):
            optimizer.zero_grad()
            t(torch.tensor([1, 3, 1])).pow(2).sum().backward()
            optimizer.step()
    close(tables[0].weight, tables[1].weight)


def test_momentum_and_sparse_adam():
    for make in (
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SparseAdam(p, lr=0.1),
    ):
        t = table()
        before, optimizer = t.weight.detach().clone(), make(t.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            t(torch.tensor([1, 3, 1])).pow(2).sum().backward()
            optimizer.step()
        moved = (t.weight.detach() != before).any(1)
        assert moved.tolist() == [False, True, False, True, False]
        optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


@pytest.mark.parametrize("kind", ["Adam", "RMSprop", "Adadelta", "NAdam"])
def test_rules_that_need_dense_gradients(kind):
    t = table()
    optimizer = getattr(torch.optim, kind)(t.parameters())
    t(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="does not support sparse gradients"):
        optimizer.step()


def test_sparse_adam_needs_sparse_ones():
    t = table(False)
    optimizer = torch.optim.SparseAdam(t.parameters())
    t(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="dense gradients"):
        optimizer.step()


# ----- products -----


@pytest.mark.parametrize("form", FORMS)
def test_products(form):
    a, x = DENSE.to_sparse(layout=form), torch.arange(12.0).reshape(3, 4)
    for product in (torch.mm, torch.matmul, torch.sparse.mm, lambda a, b: a @ b, lambda a, b: a.matmul(b)):
        close(product(a, x), DENSE @ x)
        close(product(x.t(), a.t()), x.t() @ DENSE.t())
    close(a @ x[:, 0], DENSE @ x[:, 0])
    close(torch.ones(2, 5, 3) @ a.t(), torch.ones(2, 5, 3) @ DENSE.t())
    close((a @ a.t()).to_dense(), DENSE @ DENSE.t())
    close(torch.nn.functional.linear(x.t(), a), x.t() @ DENSE.t())
    close(torch.nn.Parameter(x.t()) @ a.t(), x.t() @ DENSE.t())
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        a @ x.t()
    with pytest.raises(RuntimeError, match="same dtype"):
        a @ x.double()


def test_batches():
    a = torch.rand(2, 3, 4).gt(0.5).float()
    x = torch.rand(2, 4, 5)
    close(torch.bmm(a.to_sparse(), x), torch.bmm(a, x))


def test_results_that_are_there_are_computed_alone():
    x, y = torch.arange(4.0).reshape(2, 2), torch.arange(6.0).reshape(2, 3)
    found = torch.sparse.sampled_addmm(DENSE.to_sparse_csr(), x, y, beta=0.5, alpha=2)
    close(found.to_dense(), torch.where(DENSE != 0, 0.5 * DENSE + 2 * (x @ y), 0.0))


def test_reduced_products():
    a, x = DENSE.to_sparse_csr(), torch.tensor([[1.0], [2.0], [3.0]])
    assert torch.sparse.mm(a, x, "mean").tolist() == [[4], [5]]
    assert torch.sparse.mm(a, x, "amax").tolist() == [[4], [9]]


# ----- graphs -----


def test_compiled_and_vectorised():
    a, x = DENSE.to_sparse(), torch.arange(6.0).reshape(3, 2)
    f = torch.compile(lambda x: torch.sparse.mm(a, x).relu())
    for shift in range(3):
        close(f(x - shift), (DENSE @ (x - shift)).relu())
    close(torch.vmap(lambda v: torch.mv(a, v))(x.t()), (DENSE @ x).t())
    close(torch.func.grad(lambda x: (a @ x).sum())(x), (DENSE.t() @ torch.ones(2, 2)))


def test_dense_tensors_go_on_as_before():
    DENSE.to_sparse()
    with pytest.raises(TypeError):
        DENSE + "x"
    assert (DENSE + 1)[0, 0].item() == 1 and DENSE.coalesce is not None
    with pytest.raises(RuntimeError, match="expected sparse coordinate tensor layout but got Strided"):
        DENSE.coalesce()
    assert DENSE.to_dense() is DENSE and not DENSE.is_sparse


def test_spdiags():
    found = torch.sparse.spdiags(torch.arange(6).reshape(2, 3), torch.tensor([0, -1]), (3, 3))
    assert np.array_equal(found.to_dense().numpy(), [[0, 0, 0], [3, 1, 0], [0, 4, 2]])
