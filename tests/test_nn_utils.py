"""Helpers for networks, lazy modules, transformers: what they promise beyond what PyTorch's results show."""

import copy
import pickle

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.nn.utils import parametrize


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: nn.LazyLinear(2).weight + 1, ValueError, "call it once with a batch of data before"),
        (lambda: nn.LazyLinear(2).weight.shape, RuntimeError, "Can't access the shape"),
        (lambda: nn.LazyConv2d(2, 3)(torch.ones(3)), RuntimeError, "Expected 3D (unbatched) or 4D"),
        (
            lambda: nn.Linear(2, 2).load_state_dict(nn.LazyLinear(2).state_dict()),
            RuntimeError,
            "weight: not initialized in the checkpoint",
        ),
        (lambda: nn.MultiheadAttention(5, 2), AssertionError, "5 is not by 2"),
        (lambda: nn.MultiheadAttention(0, 2), ValueError, "must be greater than 0, got 0 and 2"),
        (lambda: nn.TransformerEncoderLayer(4, 2, activation="tanh"), RuntimeError, "not tanh"),
        (
            lambda: nn.Transformer(4, 2, 1, 1, 8)(torch.ones(3, 2, 4), torch.ones(3, 1, 4)),
            RuntimeError,
            "got 2 and 1",
        ),
        (lambda: nn.functional.interpolate(torch.ones(1, 1, 2)), ValueError, "either size or scale_factor"),
        (
            lambda: nn.functional.interpolate(torch.ones(1, 1, 2), size=2.5),
            TypeError,
            "got 2.5; a factor is passed as scale_factor",
        ),
        (
            lambda: nn.functional.grid_sample(torch.ones(1, 1, 2, 2), torch.ones(1, 2, 2, 2), "cubic"),
            ValueError,
            "but got: 'cubic'",
        ),
        (
            lambda: nn.functional.ctc_loss(torch.ones(3, 1, 2), torch.ones(1, 1).long(), [4], [1]),
            RuntimeError,
            "values from 0 to 3, but got [4]",
        ),
        (
            lambda: nn.functional.ctc_loss(torch.ones(3, 1, 2), torch.tensor([[5]]), [3], [1]).item(),
            IndexError,
            "target 5 is out of bounds for 2 classes",
        ),
        (
            lambda: nn.utils.clip_grad_norm_(_with_gradient(float("nan")), 1.0, error_if_nonfinite=True),
            RuntimeError,
            "is non-finite (nan)",
        ),
        (
            lambda: nn.functional.linear_cross_entropy(
                torch.ones(1, 2), torch.ones(3, 2), torch.zeros(1).long(), options=1
            ),
            NotImplementedError,
            "options are not supported, got 1",
        ),
        (lambda: nn.factory_kwargs({"shape": 1}), TypeError, "unexpected kwargs {'shape'}"),
    ],
)
def test_errors_say_what_is_wrong(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


def _with_gradient(*values):
    p = torch.zeros(len(values), requires_grad=True)
    p.grad = torch.tensor(values)
    return p


def test_clipping_an_empty_generator_warns():
    with pytest.warns(UserWarning, match="no gradient clipping"):
        nn.utils.clip_grad_norm_((p for p in ()), 1.0)


def test_a_lazy_module_copies_and_is_moved():
    layer = nn.LazyBatchNorm1d().double()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin(torch.ones(3, 2).double()).dtype is torch.float64
        assert type(twin) is nn.BatchNorm1d and twin.running_mean.dtype is torch.float64
    assert layer.has_uninitialized_params() and type(layer) is nn.LazyBatchNorm1d


def test_a_load_that_fails_leaves_a_lazy_module_as_it_was():
    net = nn.Sequential(nn.LazyLinear(2), nn.Linear(2, 3))
    with pytest.raises(RuntimeError, match="size mismatch"):
        net.load_state_dict(nn.Sequential(nn.Linear(5, 2), nn.Linear(2, 4)).state_dict())
    assert net[0].has_uninitialized_params()


def test_a_lazy_module_of_the_user():
    class Scale(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.UninitializedParameter()

        def initialize_parameters(self, x):
            with torch.no_grad():
                self.weight.materialize(x.shape[1:])
                self.weight.fill_(2.0)

        def forward(self, x):
            return x * self.weight

    assert Scale()(torch.ones(2, 3)).sum().item() == 12
    with pytest.raises(NotImplementedError, match="initialize_parameters is not implemented for Bare"):
        type("Bare", (nn.modules.lazy.LazyModuleMixin, nn.Module), {})()(1)


def test_a_compiled_module_copies_and_pickles():
    net, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.randn(2, 3)
    expected = net(x)
    net.compile()
    for _ in range(3):
        assert torch.equal(net(x), expected)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), expected)


def test_optimizers_train_what_parametrizations_start_from():
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3))
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.ones(2, 3)).sum().backward()
        optimizer.step()
    q = layer.weight.detach()
    np.testing.assert_allclose((q.T @ q).numpy(), np.eye(3), atol=1e-5)
    assert parametrize.is_parametrized(layer, "weight")


def test_resampling_differentiates_twice():
    x = torch.linspace(-1, 1, 12, dtype=torch.float64).reshape(1, 1, 3, 4).requires_grad_()
    for mode in ("nearest", "bilinear", "bicubic"):
        f = lambda x, mode=mode: nn.functional.interpolate(x, size=(5, 3), mode=mode)  # noqa: E731
        assert torch.autograd.gradcheck(f, (x,)) and torch.autograd.gradgradcheck(f, (x,))


def test_ctc_loss_has_the_gradient_of_its_scores():
    torch.manual_seed(0)
    scores = torch.randn(5, 2, 4, dtype=torch.float64, requires_grad=True)

    def loss(scores):
        targets = torch.tensor([[1, 2], [3, 3]])
        return nn.functional.ctc_loss(scores.log_softmax(2), targets, [5, 4], [2, 2])

    assert torch.autograd.gradcheck(loss, (scores,))
    with pytest.raises(RuntimeError, match="can't be differentiated again"):
        torch.autograd.grad(torch.autograd.grad(loss(scores), scores, create_graph=True)[0].sum(), scores)


def test_pixels_of_an_infinite_image_stay_their_own():
    """A weight of zero on an infinite element far away brings no NaN."""
    x = torch.zeros(1, 1, 8)
    x[..., 0] = float("inf")
    y = nn.functional.interpolate(x, size=3, mode="linear")
    assert torch.isfinite(y[..., 1:]).all()
    g = nn.functional.interpolate(torch.zeros(1, 1, 4, requires_grad=True), size=9)
    assert g.shape == (1, 1, 9)


def test_data_parallel_calls_its_module():
    net = nn.DataParallel(nn.Linear(2, 3))
    assert torch.equal(net(torch.ones(1, 2)), net.module(torch.ones(1, 2)))
    assert nn.parallel.DataParallel is nn.DataParallel


def test_blocks_of_a_transformer_layer_can_be_replaced():
    class Skipping(nn.TransformerEncoderLayer):
        def _sa_block(self, x, attn_mask, key_padding_mask, is_causal=False):
            return x * 0

        def _ff_block(self, x):
            return x * 0

    x = torch.randn(3, 2, 4)
    assert torch.equal(Skipping(4, 2, norm_first=True)(x), x)


def test_cross_map_normalization_is_the_local_one():
    """PyTorch's keeps the first channel's square in all later windows, and differentiates as if it didn't."""
    x = torch.randn(2, 6, 3, 3)
    local = nn.LocalResponseNorm(3, 0.1, 0.6, 2.0)(x)
    torch.testing.assert_close(nn.CrossMapLRN2d(3, 0.1, 0.6, 2.0)(x), local)
    torch.testing.assert_close(nn.CrossMapLRN2d(4, 0.4 / 3, 0.6, 2.0)(x), local)
