"""Function transforms on small programs, the meta device, trees, forward mode."""

import copy
import pickle
from collections import OrderedDict, namedtuple

import pytest

import flambeau as torch
from flambeau.autograd import forward_ad
from flambeau.core.config import config
from flambeau.core.realize import recorder
from flambeau.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, stack_module_state, vjp, vmap
from flambeau.utils import _pytree as pytree

functional = torch.nn.functional


@pytest.fixture(params=["interpret", "compile", "eager"])
def mode(request, monkeypatch):
    monkeypatch.setattr(config, "mode", request.param)
    recorder.flush("mode")
    yield request.param
    recorder.flush("mode")


class Classifier(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(1, 4, 3)
        self.norm = torch.nn.GroupNorm(2, 4)
        self.head = torch.nn.Linear(36, 5)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.norm(self.conv(x))), 2)
        return self.head(x.flatten(1))


@pytest.fixture
def data():
    torch.manual_seed(0)
    return torch.randn(4, 1, 8, 8), torch.randint(5, (4,))


def weights(model):
    return {name: p.detach() for name, p in model.named_parameters()}


def close(x, y):
    return torch.allclose(x, y, 1e-4, 1e-5)


# ----- programs -----


def test_per_sample_gradients(mode, data):
    model, (images, labels) = Classifier(), data

    def loss(params, image, label):
        return functional.cross_entropy(functional_call(model, params, (image[None],)), label[None])

    each = vmap(grad(loss), (None, 0, 0))(weights(model), images, labels)
    for i in range(4):
        model.zero_grad()
        functional.cross_entropy(model(images[i : i + 1]), labels[i : i + 1]).backward()
        assert all(close(each[name][i], p.grad) for name, p in model.named_parameters())


def test_per_sample_gradients_compiled(data):
    model, (images, labels) = Classifier(), data

    def loss(params, image, label):
        return functional.cross_entropy(functional_call(model, params, (image[None],)), label[None])

    f = vmap(grad(loss), (None, 0, 0))
    want, compiled = f(weights(model), images, labels), torch.compile(f)
    for _ in range(3):
        got = compiled(weights(model), images, labels)
        assert all(close(got[name], want[name]) for name in want)


def test_an_ensemble_is_one_call(data):
    models = [Classifier() for _ in range(3)]
    params, buffers = stack_module_state(models)

    def call(params, buffers, x):
        return functional_call(models[0], (params, buffers), (x,))

    got = vmap(call, (0, 0, None))(params, buffers, data[0])
    assert close(got, torch.stack([m(data[0]) for m in models]))
    got.sum().backward()
    models[1](data[0]).sum().backward()
    assert close(params["head.weight"].grad[1], models[1].head.weight.grad)


def test_two_ways_to_a_tangent_kernel(data):
    model, images = Classifier(), data[0]

    def f(params, x):
        return functional_call(model, params, (x[None],))[0]

    def by_jacobians(params, xs, ys):
        left, right = (vmap(jacrev(f), (None, 0))(params, z) for z in (xs, ys))
        pairs = zip(left.values(), right.values(), strict=True)
        return sum(torch.einsum("nap,mbp->nmab", a.flatten(2), b.flatten(2)) for a, b in pairs)

    def by_products(params, xs, ys):
        def pair(x, y):
            _, pull = vjp(lambda p: f(p, x), params)
            return vmap(lambda v: jvp(lambda p: f(p, y), (params,), pull(v))[1])(torch.eye(5))

        return vmap(vmap(pair, (None, 0)), (0, None))(xs, ys)

    assert close(
        by_jacobians(weights(model), images[:2], images[2:]),
        by_products(weights(model), images[:2], images[2:]),
    )


def test_jacobians_and_hessians_agree(mode):
    w, b, x = torch.randn(3, 4), torch.randn(3), torch.randn(4)

    def predict(w, b, x):
        return functional.linear(x, w, b).tanh()

    forward, backward = jacfwd(predict, 2)(w, b, x), jacrev(predict, 2)(w, b, x)
    by_rows = torch.stack(
        [torch.autograd.functional.vjp(lambda x: predict(w, b, x), x, e)[1] for e in torch.eye(3)]
    )
    assert close(forward, backward)
    assert close(forward, by_rows)
    second = hessian(lambda x: predict(w, b, x).square().sum())
    assert close(second(x), jacrev(jacrev(lambda x: predict(w, b, x).square().sum()))(x))
    many = vmap(second)(torch.stack([x, 2 * x]))
    assert close(many[1], second(2 * x))


# ----- batches -----


def test_what_is_written_to_an_element_is_written_to_the_batch():
    x = torch.arange(6.0).reshape(2, 3)
    out = vmap(lambda row: row.mul_(2)[1:].add_(1))(x)
    assert x.tolist() == [[0, 3, 5], [6, 9, 11]]
    assert out.tolist() == [[3, 5], [9, 11]]
    vmap(lambda column: column.zero_(), 1, 1)(x[:, :2])
    assert x.tolist() == [[0, 0, 5], [0, 0, 11]]


def test_what_is_new_like_an_element_can_be_written_to():
    def f(x):
        out = x.new_zeros(2)
        out[0] = x.sum()
        like = torch.zeros_like(x)
        like += x
        return out, like

    out, like = vmap(f)(torch.ones(3, 4))
    assert out.tolist() == [[4, 0]] * 3
    assert like.tolist() == [[1] * 4] * 3


def test_indices_of_a_batch():
    x, i = torch.arange(12.0).reshape(3, 4), torch.tensor([[0, 3], [1, 1], [2, 0]])
    assert vmap(lambda row, i: row[i])(x, i).tolist() == [[0, 3], [5, 5], [10, 8]]
    assert vmap(lambda i: x[i])(i[:, 0]).tolist() == x.tolist()
    assert vmap(lambda i: x[:, i], out_dims=1)(i[:, 0]).tolist() == x[:, :3].tolist()


def test_random_numbers_of_a_batch():
    x = torch.zeros(3, 50)
    torch.manual_seed(0)
    different = vmap(lambda x: x + torch.randn(50), randomness="different")(x)
    torch.manual_seed(0)
    assert torch.equal(different, torch.randn(3, 50))
    same = vmap(lambda x: functional.dropout(x + 1), randomness="same")(x)
    assert torch.equal(same[0], same[2])
    assert 0 < same[0].sum() < 100
    nested = vmap(vmap(lambda x: x + torch.rand(()), randomness="different"), randomness="same")(x)
    assert torch.equal(nested[0], nested[1])
    assert len(set(nested[0].tolist())) == 50
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(lambda x: x + torch.rand(()))(x)


def test_a_batched_tensor_that_escapes_is_refused():
    kept = []
    vmap(lambda x: kept.append(x) or x)(torch.ones(2))
    with pytest.raises(RuntimeError, match="escaped"):
        kept[0] + 1


def test_how_a_batched_tensor_prints():
    shown = []
    vmap(lambda x: shown.append(repr(x)) or x)(torch.ones(2))
    assert shown == ["BatchedTensor(lvl=1, bdim=0, value=\n    tensor([1., 1.])\n)"]


def test_an_empty_batch():
    assert vmap(lambda x: x.sort().values.sum())(torch.ones(0, 3)).shape == (0,)
    assert vmap(lambda x: torch.linalg.inv(x))(torch.ones(0, 2, 2)).shape == (0, 2, 2)


def test_an_operation_that_is_differentiated_outside_in_other_operations():
    """Attention's second gradient has no formula of its own: it is a composition."""
    q = torch.randn(2, 3, 4, dtype=torch.float64)

    def f(q):
        return functional.scaled_dot_product_attention(q, q, q).sin().sum()

    def penalty(q):
        return vmap(grad(f))(q).square().sum()

    want = sum(grad(lambda x: grad(f)(x).square().sum())(x).square().sum() for x in q)
    assert close(grad(penalty)(q).square().sum(), want)


# ----- transforms -----


def test_results_have_history_only_where_somebody_outside_asks_for_it():
    w = torch.ones(3, requires_grad=True)
    assert not grad(lambda x: (x**3).sum())(torch.ones(3)).requires_grad
    assert grad(lambda x: (w * x**2).sum())(torch.ones(3)).requires_grad
    assert not grad(lambda x: (x**3).sum() + w.sum())(torch.ones(3)).requires_grad
    with torch.no_grad():
        assert not grad(lambda x: (w * x**2).sum())(torch.ones(3)).requires_grad


def test_an_input_keeps_its_version():
    x = torch.ones(3)
    grad(lambda x: x.mul_(2).sum())(x)
    assert x._version == 0
    assert x.tolist() == [1, 1, 1]


def test_duals():
    with forward_ad.dual_level():
        x = forward_ad.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
        y = torch.ones(2)
        y[0] = x[1] * x[0]
        primal, tangent = forward_ad.unpack_dual(y)
        assert (primal.tolist(), tangent.tolist()) == ([2, 1], [2, 0])
        assert not primal.requires_grad
        assert forward_ad.unpack_dual(torch.ones(2)).tangent is None
        with pytest.raises(RuntimeError, match="Nested"):
            forward_ad.enter_dual_level()
    assert forward_ad.unpack_dual(x).tangent is None


# ----- the meta device -----


def test_large_models_take_no_memory():
    with torch.device("meta"):
        model = torch.nn.Sequential(torch.nn.Linear(10**6, 10**6), torch.nn.ReLU(), torch.nn.Linear(10**6, 7))
        x = torch.randn(5, 10**6)
    assert {p.device for p in model.parameters()} == {torch.device("meta")}
    y = model(x)
    assert (y.shape, y.device.type, y.requires_grad) == ((5, 7), "meta", True)
    y.sum().backward()
    assert model[0].weight.grad.shape == (10**6, 10**6)
    assert torch.zeros_like(model[0].weight).is_meta


def test_a_step_on_the_meta_device():
    model = torch.nn.Linear(2, 3, device="meta")
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.empty(4, 2, device="meta")).square().mean().backward()
    optimizer.step()
    assert model.weight.is_meta
    assert repr(model.weight) == (
        "Parameter containing:\ntensor(..., device='meta', size=(3, 2), requires_grad=True)"
    )


def test_from_meta_to_cpu():
    model = torch.nn.Linear(2, 3, device="meta")
    with pytest.raises(NotImplementedError, match="to_empty"):
        model.to("cpu")
    state = torch.nn.Linear(2, 3).state_dict()
    with pytest.warns(UserWarning, match="assign=True"):
        model.load_state_dict(state)
    assert model.weight.is_meta
    model.load_state_dict(state, assign=True)
    assert torch.equal(model.weight, state["weight"])
    emptied = torch.nn.Linear(2, 3, device="meta").to_empty(device="cpu")
    assert (emptied.weight.device.type, emptied.weight.requires_grad) == ("cpu", True)


def test_drawing_on_the_meta_device_draws_nothing():
    torch.manual_seed(3)
    want = torch.rand(2)
    torch.manual_seed(3)
    (
        torch.rand(5, device="meta"),
        torch.empty(3, device="meta").normal_(),
        torch.nn.Linear(3, 3, device="meta"),
    )
    torch.bernoulli(torch.empty(3, device="meta"))
    assert torch.equal(torch.rand(2), want)


def test_views_writes_and_copies_of_meta_tensors():
    x = torch.empty(2, 3, device="meta")
    x[0] = torch.ones(3)
    x.t()[1].add_(1)
    assert x.is_meta
    assert x.t().stride() == (1, 3)
    assert copy.deepcopy(x).is_meta
    assert pickle.loads(pickle.dumps(x)).shape == (2, 3)
    assert torch.ones(2, 3, requires_grad=True).to("meta").grad_fn is not None
    assert (x + torch.tensor(1.0)).is_meta  # numbers go everywhere


def test_devices_do_not_mix():
    x = torch.empty(2, 3, device="meta")
    for f in (
        lambda: x + torch.ones(2, 3),
        lambda: torch.ones(4, 2) @ x,
        lambda: torch.cat([x, torch.ones(1, 3)]),
        lambda: torch.nn.Linear(3, 1, device="meta")(torch.ones(2, 3)),
        lambda: functional.mse_loss(x, torch.ones(2, 3)),
    ):
        with pytest.raises(RuntimeError, match="same device"):
            f()


def test_the_default_device():
    torch.set_default_device("meta")
    try:
        assert torch.ones(2).is_meta
        assert torch.tensor([1]).is_meta
        assert not torch.ones(2, device="cpu").is_meta
    finally:
        torch.set_default_device(None)
    assert not torch.ones(2).is_meta


def test_ghosts_go_when_nobody_holds_them():
    before = recorder.ghosts
    x = torch.empty(2, device="meta")
    y = (x * 2).sum()
    assert recorder.ghosts > before
    del x, y
    vmap(lambda x: x * 2)(torch.ones(2))
    assert recorder.ghosts == before


# ----- trees -----

Point = namedtuple("Point", "x y")


def test_trees_of_all_kinds():
    tree = {"a": [1, (2, None)], "b": Point(3, OrderedDict(c=4))}
    leaves, spec = pytree.tree_flatten(tree)
    assert leaves == [1, 2, None, 3, 4]
    assert pytree.tree_unflatten(leaves, spec) == tree
    assert pytree.tree_map_only(int, lambda x: -x, tree) == {"a": [-1, (-2, None)], "b": Point(-3, {"c": -4})}
    assert spec == pytree.tree_structure(tree)
    assert spec != pytree.tree_structure([1])
    with pytest.raises(ValueError, match="holds 5 items"):
        pytree.tree_unflatten([1], spec)
    with pytest.raises(ValueError, match="structure"):
        pytree.tree_map(max, [1, 2], [1])
    assert pytree.tree_leaves([[1], [2]], is_leaf=lambda x: x == [1]) == [[1], 2]
