"""Sparse tensors beside PyTorch's: calls, what they print, gradients, files, a graph network in training."""

import itertools
import sys
import types
import unittest
import warnings

import numpy as np
import pytest

import flambeau
import flambeau.sparse

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

CALLS = """
s.coalesce()
torch.tensor([s.sparse_dim(), s.dense_dim(), h.sparse_dim(), h.dense_dim()])
d.to_sparse_csr().col_indices()
d.to_sparse_csc().ccol_indices()
d.to_sparse_csc().row_indices()
d.to_sparse_bsc((1, 1)).to_dense()
s * 2
2 * s
s / 2
-s
s + s.coalesce()
c + s.t().t()
c - c
c * c
s * d
d * s
d + s
d - s
c.abs()
c.sqrt()
s.sin()
s ** 2
s.neg()
c.isnan()
c.t()
s.transpose(0, 1)
c.permute(1, 0)
c.unsqueeze(1)
torch.cat([s, c])
torch.cat([c, c], 1)
torch.stack([c, c], 1)
c.index_select(1, torch.tensor([2, 2, 0]))
c.index_select(0, torch.tensor([1]))
c[1]
c[0, 1]
c.select(1, 2)
c.narrow_copy(1, 1, 2)
s.sum()
s.sum(0)
s.sum(1, keepdim=True)
torch.sparse.sum(s, 0)
torch.sparse.sum(h, 1)
torch.sparse.sum(h, (0, 1))
torch.sparse.sum(h, -1)
torch.sparse.softmax(c, 1)
torch.sparse.softmax(c, 0)
torch.sparse.log_softmax(c, 1)
torch.sparse.softmax(h, 1)
torch.sparse.softmax(h, 0)
c.norm()
torch.sparse.mm(s, d.t())
torch.sparse.mm(c, c.t())
torch.mm(s, d.t())
s @ d.t()
d.t() @ s
s @ d[0]
torch.mv(s, d[0])
torch.addmm(d[:, :2], s, d.t(), beta=2, alpha=3)
torch.sparse.addmm(d[:, :2], s, d.t())
torch.smm(s, d.t())
torch.hspmm(s, d.t())
torch.sspaddmm(c, torch.ones(2, 2).to_sparse(), d)
torch.nn.functional.linear(d, s)
d.sparse_mask(c)
c.sparse_mask(torch.ones(2, 3).to_sparse())
d.to_sparse(1)
d.to_sparse_csr()
s.to_sparse_csr()
s.to_sparse_csc()
s.to_sparse_csr().to_sparse_csc()
s.to_sparse_csr().t()
s.to_sparse_csr() * 2
s.to_sparse_csr() * d
s.to_sparse_csr() + s.to_sparse_csr()
s.to_sparse_csr() @ d.t()
s.to_sparse_csr().sin()
s.to_sparse_csr().sum()
torch.sparse.sampled_addmm(c.to_sparse_csr(), torch.ones(2, 2), d, beta=0.5, alpha=2)
torch.sparse.spdiags(d, torch.tensor([0, 1]), (3, 3))
torch.ones(4, 4).to_sparse_bsr((2, 2))
torch.ones(4, 4).to_sparse_bsr((2, 2)) @ torch.ones(4, 2)
s.to(torch.float64)
s.long()
s.bool()
torch.zeros_like(s)
torch.zeros(2, 3, layout=torch.sparse_coo)
s.new_zeros(2)
s.clone().zero_()
s.clone().mul_(3)
c.clone().add_(c, alpha=2)
d.clone().add_(s, alpha=2)
c.sparse_resize_((5, 5), 2, 0)
torch.sparse.FloatTensor(torch.tensor([[1]]), torch.tensor([2.0]), torch.Size([3]))
torch.sparse_coo_tensor((2, 3))
torch.sparse_coo_tensor([[0, 1]], [[1, 2], [3, 4]])
torch.sparse_coo_tensor([[0, 1]], [1.0], (2,))
torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2, 2))
torch.sparse_coo_tensor([[-1, 1]], [1, 2])
s + 1
s + d
s / s
s * torch.ones(4)
s @ d
torch.sparse.mm(s, d.t().double())
s.values()
d.coalesce()
d.values()
d.crow_indices()
s.crow_indices()
s.exp()
s.numpy()
s.view(6)
s.item()
s.data_ptr()
d.to_sparse(3)
c.sparse_resize_((1, 1), 2, 0)
""".strip().split("\n")


def world(lib):
    """The tensors of the calls in one library."""
    s = lib.sparse_coo_tensor([[0, 1, 1, 0], [1, 0, 2, 1]], [1.0, 2.0, 3.0, 0.5], (2, 3))
    d = lib.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, 2.0]])
    h = lib.sparse_coo_tensor(
        [[0, 1, 1], [1, 0, 2]], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], (2, 3, 2)
    ).coalesce()
    return {"torch": lib, "s": s, "c": s.coalesce(), "d": d, "h": h}


def outcome(lib, call):
    try:
        return eval(call, world(lib))
    except Exception as error:
        return error


def plain(t):
    """A tensor without its layout, in NumPy."""
    return t.detach().to_dense().numpy()


@pytest.mark.parametrize("call", CALLS)
def test_calls(call):
    want, got = outcome(torch, call), outcome(flambeau, call)
    if isinstance(want, Exception):
        assert isinstance(got, type(want)), (want, got)
    elif not isinstance(want, torch.Tensor):
        assert got == want
    else:
        assert isinstance(got, flambeau.Tensor), got
        assert (str(got.layout), str(got.dtype), tuple(got.shape)) == (
            str(want.layout), str(want.dtype), tuple(want.shape)
        )  # fmt: skip
        np.testing.assert_allclose(plain(got), plain(want), rtol=1e-6)


@pytest.mark.parametrize(
    "call",
    [
        "s", "c", "h", "s.to_sparse_csr()", "s.to_sparse_csc()", "s.double()", "s.long()", "s * 1j",
        "torch.sparse_coo_tensor((2, 3))", "torch.sparse_coo_tensor((2, 3), dtype=torch.int32)",
        "s.requires_grad_()", "torch.arange(3000.).to_sparse()", "torch.ones(4, 4).to_sparse_bsr((2, 2))",
        "torch.tensor([[True, False]]).to_sparse()", "s.bfloat16()",
    ],
)  # fmt: skip
def test_what_is_printed(call):
    assert repr(outcome(flambeau, call)) == repr(outcome(torch, call))


GRADIENTS = [
    "torch.sparse.mm(s, x)",
    "x.t() @ s.t()",
    "s @ x[:, 0]",
    "torch.sparse.sum(s, 0).to_dense()",
    "torch.sparse.softmax(s.coalesce(), 1).to_dense()",
    "(s * x.t()).to_dense()",
    "(s * 3).neg().to_dense()",
    "torch.sparse.mm(s, s.t()).to_dense()",
    "s.to_dense().exp()",
    "s.coalesce().values() ** 2",
]


@pytest.mark.parametrize("call", GRADIENTS)
def test_gradients(call):
    found = []
    for lib in (torch, flambeau):
        v = lib.tensor([1.0, 2.0, 3.0], requires_grad=True)
        x = lib.tensor([[1.0, -2.0], [0.5, 3.0], [2.0, 1.0]], requires_grad=True)
        y = eval(call, {"torch": lib, "s": lib.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], v, (2, 3)), "x": x})
        (y * lib.arange(float(y.numel())).reshape(y.shape)).sum().backward()
        found.append([y.detach().numpy(), v.grad.numpy(), None if x.grad is None else plain(x.grad)])
    for want, got in zip(*found, strict=True):
        assert (want is None) == (got is None)
        if want is not None:
            np.testing.assert_allclose(got, want, rtol=1e-5)


@pytest.mark.parametrize("name", ["SGD", "Momentum", "Adagrad", "SparseAdam"])
def test_optimizers_with_sparse_gradients(name):
    tables = []
    for lib in (torch, flambeau):
        options = {"lr": 0.1, "momentum": 0.9} if name == "Momentum" else {"lr": 0.1}
        lib.manual_seed(0)
        table = lib.nn.EmbeddingBag(20, 3, mode="mean", sparse=True)
        optimizer = getattr(lib.optim, "SGD" if name == "Momentum" else name)(table.parameters(), **options)
        for i in range(5):
            optimizer.zero_grad()
            table(lib.tensor([1, 3 + i, 1, 7]), lib.tensor([0, 2])).pow(2).sum().backward()
            optimizer.step()
        tables.append(table.weight.detach().numpy())
    np.testing.assert_allclose(tables[1], tables[0], rtol=1e-5, atol=1e-7)


def test_files(tmp_path):
    for save, load in itertools.permutations((torch, flambeau)):
        s = world(save)["s"]
        save.save({"a": s, "b": s.to_sparse_csr()}, tmp_path / "x.pt")
        found = load.load(tmp_path / "x.pt")
        assert str(found["b"].layout) == "torch.sparse_csr"
        for t in found.values():
            np.testing.assert_array_equal(plain(t), plain(s))


def train_gcn(lib, form):
    """The losses of a graph network of two layers, on a graph at random."""
    nodes, edges, features = 60, 200, 12
    lib.manual_seed(0)
    ends = lib.randint(0, nodes, (2, edges))
    loops = lib.arange(nodes).repeat(2, 1)
    places = lib.cat([ends, ends.flip(0), loops], 1)
    a = lib.sparse_coo_tensor(places, lib.ones(places.shape[1]), (nodes, nodes)).coalesce()
    degree = lib.sparse.sum(a, 1).to_dense()
    row, column = a.indices()
    scaled = a.values() * (degree[row] * degree[column]).rsqrt()
    a = lib.sparse_coo_tensor(a.indices(), scaled, a.shape).coalesce().to_sparse(layout=getattr(lib, form))
    x, y = lib.randn(nodes, features), lib.randint(0, 4, (nodes,))
    first, second = lib.nn.Linear(features, 16), lib.nn.Linear(16, 4)
    optimizer = lib.optim.Adam([*first.parameters(), *second.parameters()], lr=0.01, weight_decay=5e-4)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        h = lib.sparse.mm(a, first(x)).relu()
        loss = lib.nn.functional.cross_entropy(a @ second(h), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("form", ["sparse_coo", "sparse_csr"])
def test_a_graph_network_learns_the_same(form):
    np.testing.assert_allclose(train_gcn(flambeau, form), train_gcn(torch, form), rtol=1e-4)


MESSAGES = [
    "torch.zeros(4, 2).scatter_add_(0, i.unsqueeze(1).expand(-1, 2), x)",
    "torch.zeros(4, 2).index_add_(0, i, x)",
    "torch.zeros(4, 2).scatter_reduce_(0, i.unsqueeze(1).expand(-1, 2), x, 'mean', include_self=False)",
    "torch.zeros(4, 2).scatter_reduce(0, i.unsqueeze(1).expand(-1, 2), x, 'amax', include_self=False)",
    "torch.zeros(4, 2).index_reduce(0, i, x, 'prod')",
    "torch.segment_reduce(x, 'sum', lengths=torch.tensor([2, 0, 3]), axis=0)",
    "torch.segment_reduce(x, 'max', offsets=torch.tensor([0, 2, 5]), axis=0)",
    "torch.bincount(i, minlength=6)",
    "torch.unique(torch.stack([i, i.flip(0)]), dim=1, return_inverse=True, return_counts=True)[2]",
    "torch.unique(i, return_inverse=True)[1]",
    "torch.sparse_coo_tensor(torch.stack([i, i]), torch.ones(5), (4, 4)).coalesce().indices()",
    "torch.where(torch.bincount(i, minlength=4) > 0)[0]",
    "torch.repeat_interleave(torch.arange(3), torch.tensor([2, 0, 3]))",
]


@pytest.mark.parametrize("call", MESSAGES)
def test_what_message_passing_uses(call):
    found = []
    for lib in (torch, flambeau):
        given = {"torch": lib, "i": lib.tensor([0, 2, 2, 1, 0]), "x": lib.arange(10.0).reshape(5, 2) - 4}
        found.append(eval(call, given))
    want, got = found
    assert str(got.dtype) == str(want.dtype)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-6)


# ----- PyTorch's own samples -----

sys.modules.setdefault("expecttest", types.SimpleNamespace(TestCase=unittest.TestCase))
with warnings.catch_warnings(action="ignore"):
    from torch.testing._internal.common_methods_invocations import op_db

SAMPLED = [
    (op, layout)
    for op in op_db
    for layout in ("sparse_coo", "sparse_csr", "sparse_csc")
    if op.name in ("sum", "zeros_like") or (op.name == "mul" and layout != "sparse_coo")
]  # those of mul in COO take PyTorch seconds to make


def ours(x):
    """An argument in Flambeau; None stands in for a batch of matrices, of which there are none."""
    if isinstance(x, torch.layout | torch.dtype):
        return getattr(flambeau, str(x).removeprefix("torch."))
    if isinstance(x, tuple | list):
        return type(x)(map(ours, x))
    if not isinstance(x, torch.Tensor):
        return x
    if x.layout is torch.strided:
        return flambeau.tensor(x.detach().numpy())
    if x.layout is torch.sparse_coo:
        parts = ours(x._indices()), ours(x._values())
        return flambeau.sparse_coo_tensor(*parts, tuple(x.shape), is_coalesced=x.is_coalesced())
    names = ("crow", "col") if x.layout is torch.sparse_csr else ("ccol", "row")
    parts = [ours(getattr(x, f"{name}_indices")()) for name in names]
    return flambeau.sparse_compressed_tensor(*parts, ours(x.values()), tuple(x.shape), layout=ours(x.layout))


@pytest.mark.parametrize(("op", "layout"), SAMPLED, ids=lambda x: getattr(x, "name", x))
def test_samples(op, layout):
    samples = op.sample_inputs_sparse(getattr(torch, layout), "cpu", torch.float64)
    for sample in itertools.islice(samples, 20):
        if any(
            isinstance(x, torch.Tensor) and x.layout is not torch.sparse_coo and x.ndim > 2
            for x in (sample.input, *sample.args)
        ):
            continue  # batches
        want = op.op(sample.input, *sample.args, **sample.kwargs)
        options = {name: ours(x) for name, x in sample.kwargs.items()}
        function = getattr(flambeau, op.name, None) or getattr(flambeau.Tensor, op.name)
        got = function(ours(sample.input), *ours(sample.args), **options)
        assert (str(got.layout), str(got.dtype)) == (str(want.layout), str(want.dtype))
        np.testing.assert_allclose(plain(got), plain(want), rtol=1e-6)
