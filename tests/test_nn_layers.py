"""Layers: their state, modes and errors; that they copy, pickle and can be built upon."""

import copy
import inspect
import pickle

import pytest

import flambeau as torch
from flambeau import nn

BUILDS = [
    lambda: nn.Identity(),
    lambda: nn.Linear(3, 2),
    lambda: nn.Bilinear(2, 3, 4, bias=False),
    lambda: nn.Conv2d(2, 4, 3, padding="same", padding_mode="circular", groups=2),
    lambda: nn.ConvTranspose1d(2, 3, 2),
    lambda: nn.BatchNorm1d(3),
    lambda: nn.InstanceNorm2d(3, affine=True),
    lambda: nn.LayerNorm((2, 3)),
    lambda: nn.RMSNorm(3),
    lambda: nn.Dropout(0.25),
    lambda: nn.Embedding(4, 2, padding_idx=1),
    lambda: nn.MaxPool2d(2, return_indices=True),
    lambda: nn.AvgPool1d(2),
    lambda: nn.AdaptiveAvgPool2d((None, 1)),
    lambda: nn.ZeroPad2d(1),
    lambda: nn.Hardtanh(-2.0, 2.0, inplace=True),
    lambda: nn.ReLU6(),
    lambda: nn.PReLU(3),
    lambda: nn.Softmax(dim=0),
    lambda: nn.CrossEntropyLoss(torch.ones(3), label_smoothing=0.1),
    lambda: nn.TripletMarginWithDistanceLoss(),
]


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: repr(build()))
def test_layers_copy_and_pickle(build):
    layer = build().eval()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert type(twin) is type(layer) and repr(twin) == repr(layer) and not twin.training
        state, other = layer.state_dict(), twin.state_dict()
        assert list(state) == list(other)
        assert all(torch.equal(state[name], other[name]) for name in state)
        settings = {name: x for name, x in vars(layer).items() if isinstance(x, int | float | str | tuple)}
        assert settings.items() <= vars(twin).items()


@pytest.mark.parametrize("name", [n for n in nn.modules.__all__ if inspect.isclass(getattr(nn, n))])
def test_every_layer_says_what_it_does_and_how(name):
    layer = getattr(nn, name)
    text = inspect.getdoc(layer)
    assert ">>> import flambeau as torch" in text and f"nn.{name}" in text
    hints = inspect.signature(layer.__init__).parameters.values()
    assert all(p.annotation is not p.empty for p in hints if p.name != "self")


def test_pytorch_paths():
    from flambeau.nn.modules.batchnorm import _BatchNorm
    from flambeau.nn.modules.conv import _ConvNd
    from flambeau.nn.modules.dropout import _DropoutNd
    from flambeau.nn.modules.loss import _Loss, _WeightedLoss
    from flambeau.nn.modules.utils import _ntuple, _pair, _single, _triple

    assert isinstance(nn.BatchNorm2d(2), _BatchNorm) and isinstance(nn.ConvTranspose2d(1, 1, 1), _ConvNd)
    assert isinstance(nn.Dropout(), _DropoutNd) and issubclass(nn.MSELoss, _Loss)
    assert issubclass(nn.NLLLoss, _WeightedLoss) and issubclass(nn.ReLU6, nn.Hardtanh)
    assert (_single(1), _pair(2), _triple((1, 2, 3)), _ntuple(4)(0)) == (
        (1,),
        (2, 2),
        (1, 2, 3),
        (0, 0, 0, 0),
    )


# ----- State -----


def test_state_dict_names():
    assert list(nn.Linear(2, 1).state_dict()) == ["weight", "bias"]
    assert list(nn.Linear(2, 1, bias=False).state_dict()) == ["weight"]
    assert list(nn.BatchNorm1d(2).state_dict()) == [
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    ]
    assert list(nn.InstanceNorm1d(2).state_dict()) == []
    assert list(nn.BCEWithLogitsLoss(pos_weight=torch.ones(1)).state_dict()) == ["pos_weight"]


def test_a_missing_bias_is_a_parameter_of_none():
    layer = nn.Linear(2, 1, bias=False)
    assert layer.bias is None and "bias" in layer._parameters
    layer.bias = nn.Parameter(torch.ones(1))
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]


@pytest.mark.parametrize(
    "build",
    [
        lambda **o: nn.Linear(3, 2, **o),
        lambda **o: nn.Conv2d(3, 2, 3, **o),
        lambda **o: nn.BatchNorm2d(3, **o),
        lambda **o: nn.LayerNorm(3, **o),
        lambda **o: nn.GroupNorm(1, 3, **o),
        lambda **o: nn.Embedding(3, 2, **o),
        lambda **o: nn.PReLU(**o),
    ],
)
def test_dtype_and_device(build):
    layer = build(dtype=torch.float64, device="cpu")
    assert {t.dtype for t in layer.parameters()} == {torch.float64}
    with pytest.raises(RuntimeError, match="'cuda' is not available"):
        build(device="cuda")


def test_the_weights_of_losses_convert_with_them():
    loss = nn.CrossEntropyLoss(torch.ones(3)).double()
    assert loss.weight.dtype is torch.float64
    assert list(loss.parameters()) == []


def test_reset_parameters_draws_anew():
    for layer in (nn.Linear(3, 2), nn.Conv1d(3, 2, 1), nn.Embedding(3, 2), nn.Bilinear(2, 2, 2)):
        before = layer.weight.detach().clone()
        torch.manual_seed(3)
        layer.reset_parameters()
        again = layer.weight.detach().clone()
        torch.manual_seed(3)
        layer.reset_parameters()
        assert not torch.equal(before, again) and torch.equal(again, layer.weight)


# ----- Modes and statistics -----


def test_dropout_rests_in_evaluation():
    x = torch.randn(4, 8, 3)
    for layer in (nn.Dropout(0.9), nn.Dropout1d(0.9), nn.AlphaDropout(0.9), nn.FeatureAlphaDropout(0.9)):
        assert torch.equal(layer.eval()(x), x)
        assert not torch.equal(layer.train()(x), x)
    assert torch.equal(nn.Dropout(1.0)(x), torch.zeros_like(x))


def test_batch_norm_keeps_running_estimates():
    x = torch.tensor([[1.0], [3.0]])
    norm = nn.BatchNorm1d(1, momentum=None)
    for shift in (0.0, 2.0):
        norm(x + shift)
    assert (
        norm.running_mean.item() == 3.0 and norm.running_var.item() == 2.0 and norm.num_batches_tracked == 2
    )
    norm.eval()
    assert norm(torch.tensor([[3.0]])).item() == 0.0
    assert norm.num_batches_tracked == 2
    norm.reset_running_stats()
    assert (norm.running_mean.item(), norm.running_var.item(), norm.num_batches_tracked.item()) == (0, 1, 0)


def test_batch_norm_without_running_estimates_uses_the_batch():
    x = torch.randn(8, 2)
    norm = nn.BatchNorm1d(2, track_running_stats=False)
    assert torch.equal(norm.eval()(x), norm.train()(x))


def test_frozen_batch_norm_leaves_its_estimates():
    norm = nn.BatchNorm1d(2).eval()
    before = {name: t.clone() for name, t in norm.state_dict().items()}
    norm(torch.randn(4, 2))
    assert all(torch.equal(t, before[name]) for name, t in norm.state_dict().items())


def test_an_old_state_without_batch_count_loads():
    state = nn.BatchNorm1d(2).state_dict()
    del state["num_batches_tracked"]
    state._metadata.clear()
    nn.BatchNorm1d(2).load_state_dict(state)
    nn.Sequential(nn.BatchNorm1d(2)).load_state_dict({f"0.{name}": t for name, t in state.items()})
    state._metadata[""] = {"version": 2}
    with pytest.raises(RuntimeError, match=r"Missing key.*num_batches_tracked"):
        nn.BatchNorm1d(2).load_state_dict(state)


def test_an_old_state_of_instance_norm_is_refused():
    with pytest.raises(RuntimeError, match="'running_mean': InstanceNorm1d has no running statistics"):
        nn.InstanceNorm1d(2).load_state_dict({"running_mean": torch.zeros(2)})


# ----- Embeddings -----


def test_the_padding_row_starts_at_zero_and_stays():
    table = nn.Embedding(4, 3, padding_idx=-2)
    assert table.padding_idx == 2
    table(torch.tensor([2, 1])).sum().backward()
    assert table.weight[2].tolist() == [0, 0, 0] == table.weight.grad[2].tolist()
    assert table.weight.grad[1].tolist() == [1, 1, 1]


def test_from_pretrained_shares_memory():
    rows = torch.ones(3, 2)
    frozen, tuned = nn.Embedding.from_pretrained(rows), nn.Embedding.from_pretrained(rows, freeze=False)
    rows[1] = 5
    assert frozen(torch.tensor(1)).tolist() == [5, 5] and not frozen.weight.requires_grad
    assert tuned.weight.requires_grad

    class Words(nn.Embedding):
        pass

    assert type(Words.from_pretrained(rows)) is Words


def test_max_norm_scales_the_table():
    table = nn.Embedding.from_pretrained(torch.tensor([[3.0, 4.0], [0.3, 0.4]]), max_norm=1.0)
    table(torch.tensor([0, 1]))
    assert torch.allclose(table.weight, torch.tensor([[0.6, 0.8], [0.3, 0.4]]))


# ----- In place, building upon -----


@pytest.mark.parametrize(
    "layer",
    [
        nn.ReLU(inplace=True),
        nn.LeakyReLU(0.5, True),
        nn.ELU(inplace=True),
        nn.Hardtanh(inplace=True),
        nn.SiLU(True),
        nn.Mish(inplace=True),
        nn.Hardswish(True),
        nn.Threshold(0.0, 1.0, inplace=True),
        nn.Dropout(0.5, inplace=True),
    ],
    ids=repr,
)
def test_inplace_writes_into_the_input(layer):
    x = torch.tensor([-3.0, -1.0, 2.0])
    y = layer(x)
    assert y is x and x.tolist() != [-3, -1, 2]


def test_settings_are_arguments_and_attributes():
    layer = nn.LeakyReLU(0.5, inplace=True)
    assert (layer.negative_slope, layer.inplace) == (0.5, True)
    layer.negative_slope = 0.25
    assert layer(torch.tensor([-4.0])).item() == -1.0
    assert repr(layer) == "LeakyReLU(negative_slope=0.25, inplace=True)"
    with pytest.raises(TypeError, match="unexpected keyword argument 'slope'"):
        nn.LeakyReLU(slope=0.5)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'kernel_size'"):
        nn.MaxPool1d()


def test_layers_can_be_subclassed():
    class Leaky(nn.LeakyReLU):
        note: str

        def __init__(self, note):
            super().__init__(0.5)
            self.note = note
            self.gain = nn.Parameter(torch.tensor(2.0))

        def forward(self, input):
            return self.gain * super().forward(input)

    layer = Leaky("twice")
    assert layer(torch.tensor([-1.0])).item() == -1.0 and len(list(layer.parameters())) == 1
    assert repr(layer) == "Leaky(negative_slope=0.5)"

    class Standardized(nn.Conv2d):
        def forward(self, input):
            return self._conv_forward(input, self.weight - self.weight.mean(), self.bias)

    conv = Standardized(1, 1, 2, bias=False)
    assert conv(torch.ones(1, 1, 2, 2)).item() == pytest.approx(0, abs=1e-6)

    class Focal(nn.CrossEntropyLoss):
        def __init__(self, gamma, **options):
            super().__init__(reduction="none", **options)
            self.gamma = gamma

        def forward(self, input, target):
            loss = super().forward(input, target)
            return ((1 - (-loss).exp()) ** self.gamma * loss).mean()

    assert Focal(0.0)(torch.zeros(2, 2), torch.tensor([0, 1])).item() == pytest.approx(0.6931, abs=1e-4)


def test_gradients_do_not_flow_where_nothing_is_asked():
    layer = nn.Linear(2, 2).requires_grad_(False)
    assert not layer(torch.ones(2)).requires_grad


# ----- Errors -----


def test_errors_of_settings():
    for build, error, text in [
        (lambda: nn.Conv1d(3, 4, 3, groups=2), ValueError, "in_channels must be .*, 3 isn't by 2"),
        (lambda: nn.Conv1d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible by groups"),
        (lambda: nn.Conv1d(4, 3, 3, groups=0), ValueError, "groups must be a positive integer, got 0"),
        (lambda: nn.Conv2d(1, 1, 3, padding="full"), ValueError, "Invalid padding string 'full'"),
        (lambda: nn.Conv2d(1, 1, 3, 2, padding="same"), ValueError, r"the stride is \(2, 2\)"),
        (lambda: nn.Conv2d(1, 1, (3, 3, 3)), ValueError, r"one number or 2, got \(3, 3, 3\)"),
        (lambda: nn.Conv2d(1, 1, 3, padding_mode="same"), ValueError, "padding_mode must be one of"),
        (lambda: nn.ConvTranspose2d(1, 1, 3, padding_mode="reflect"), ValueError, 'Only "zeros"'),
        (lambda: nn.Bilinear(0, 1, 1), ValueError, r"must be > 0, but got \(in1_features=0\)"),
        (lambda: nn.GroupNorm(2, 3), ValueError, r"\(3\) must be divisible by num_groups \(2\)"),
        (lambda: nn.GroupNorm(0, 3), ValueError, "divisible"),
        (lambda: nn.Dropout(1.5), ValueError, "Dropout: .* between 0 and 1, but got 1.5"),
        (lambda: nn.Dropout2d(float("nan")), ValueError, "between 0 and 1, but got nan"),
        (lambda: nn.Embedding(3, 2, padding_idx=3), AssertionError, "padding_idx must be within"),
        (lambda: nn.Embedding.from_pretrained(torch.ones(3)), AssertionError, r"got shape \(3,\)"),
        (lambda: nn.Embedding(3, 2, _weight=torch.ones(2, 3)), AssertionError, "does not match"),
        (lambda: nn.Hardtanh(1.0, -1.0), AssertionError, "larger than min_val, got -1.0 and 1.0"),
        (lambda: nn.Unflatten(1, 3), TypeError, "unflattened_size must be a tuple of ints, got 3"),
        (lambda: nn.AvgPool1d((2, 2)), ValueError, "AvgPool1d: kernel_size must be one number or 1"),
        (lambda: nn.ZeroPad2d((1, 2)), ValueError, r"one number or 4, got \(1, 2\)"),
        (lambda: nn.MultiMarginLoss(p=3), ValueError, "only p == 1 and p == 2 supported, got 3"),
        (lambda: nn.MultiMarginLoss(weight=torch.ones(1, 2)), ValueError, "weight must be a vector"),
        (lambda: nn.TripletMarginLoss(margin=0.0), ValueError, "margin to be greater than 0, found 0.0"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            build()


def test_errors_of_inputs():
    for call, error, text in [
        (lambda: nn.BatchNorm1d(3)(torch.ones(2, 3, 4, 5)), ValueError, "expected 2D or 3D"),
        (lambda: nn.BatchNorm2d(3)(torch.ones(2, 3)), ValueError, r"4D input \(got 2D input, shape \(2"),
        (lambda: nn.InstanceNorm2d(3, affine=True)(torch.ones(4, 5, 5)), ValueError, "match num_features"),
        (lambda: nn.Softmax2d()(torch.ones(2, 3)), ValueError, r"3D or 4D, got shape \(2, 3\)"),
        (lambda: nn.ConvTranspose1d(1, 1, 3, 2)(torch.ones(1, 1, 5), [9]), ValueError, "valid sizes"),
        (lambda: nn.ConvTranspose1d(1, 1, 3)(torch.ones(1, 1, 5), [9, 9]), ValueError, "1 or 3 elements"),
        (lambda: nn.Linear(3, 2)(torch.ones(4)), RuntimeError, "linear"),
        (lambda: nn.L1Loss(reduction="max")(torch.ones(1), torch.ones(1)), ValueError, "max is not"),
    ]:  # fmt: skip
        with pytest.raises(error, match=text):
            call()


def test_instance_norm_without_scale_only_warns_of_other_channels():
    with pytest.warns(UserWarning, match="which is not used because affine=False"):
        assert nn.InstanceNorm1d(3)(torch.randn(2, 4, 5)).shape == (2, 4, 5)


def test_old_names_of_hardtanh():
    with pytest.warns(FutureWarning, match="`max_value` is deprecated and renamed to `max_val`"):
        layer = nn.Hardtanh(max_value=3.0)
    assert layer.max_val == 3.0 and repr(layer) == "Hardtanh(min_val=-1.0, max_val=3.0)"


@pytest.mark.parametrize(
    "call",
    [
        lambda x: nn.Softmax()(x),
        lambda x: nn.LogSoftmax()(x),
        lambda x: nn.InstanceNorm1d(5)(x),
        lambda x: nn.MSELoss(size_average=True),
        lambda x: nn.Hardtanh(min_value=-2.0),
    ],
)
def test_warnings_name_the_line_of_the_user(call):
    with pytest.warns(Warning) as caught:
        call(torch.randn(2, 3, 4))
    assert [w.filename for w in caught] == [__file__]
