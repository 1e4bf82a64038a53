"""Layers against PyTorch's: initial values for the same seed, text, state, results and gradients."""

import importlib
import inspect

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")

# What builds the layer, given the framework's `nn`, and the shapes of its inputs.
LAYERS = [
    ("Identity(3, a=1)", (2, 3)),
    ("Linear(3, 4)", (2, 3)),
    ("Linear(3, 4, bias=False)", (3,)),
    ("Linear(3, 4, dtype=t.float64)", (2, 3), "float64"),
    ("Bilinear(3, 4, 2)", (5, 3), (5, 4)),
    ("Bilinear(3, 4, 2, bias=False)", (3,), (4,)),
    ("Conv1d(4, 6, 3)", (2, 4, 9)),
    ("Conv1d(4, 6, 3, stride=2, padding=1, dilation=2, groups=2, bias=False)", (2, 4, 9)),
    ("Conv1d(2, 2, 4, padding='same', padding_mode='circular')", (2, 2, 9)),
    ("Conv2d(3, 4, 3)", (3, 6, 7)),
    ("Conv2d(3, 4, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))", (2, 3, 9, 8)),
    ("Conv2d(3, 3, 3, padding='same', groups=3)", (1, 3, 5, 5)),
    ("Conv2d(3, 3, 3, padding='valid', padding_mode='reflect')", (1, 3, 5, 5)),
    ("Conv2d(3, 3, (3, 1), padding=(2, 1), padding_mode='replicate')", (1, 3, 5, 5)),
    ("Conv2d(3, 3, (2, 4), padding='same', padding_mode='reflect')", (1, 3, 5, 5)),
    ("Conv3d(2, 4, 2, groups=2)", (1, 2, 4, 5, 3)),
    ("Conv3d(2, 4, (1, 2, 3), padding=1, padding_mode='circular')", (1, 2, 4, 5, 3)),
    ("ConvTranspose1d(4, 6, 3, stride=2, output_padding=1, groups=2)", (2, 4, 9)),
    ("ConvTranspose2d(3, 4, (2, 3), stride=2, padding=1, dilation=2)", (2, 3, 4, 5)),
    ("ConvTranspose3d(2, 3, 2, bias=False)", (1, 2, 3, 3, 3)),
    ("BatchNorm1d(3)", (5, 3)),
    ("BatchNorm1d(3, momentum=None, eps=1e-3)", (5, 3, 2)),
    ("BatchNorm2d(3, affine=False)", (2, 3, 4, 4)),
    ("BatchNorm2d(3, track_running_stats=False, bias=False)", (2, 3, 4, 4)),
    ("BatchNorm3d(2, momentum=0.5)", (2, 2, 2, 3, 4)),
    ("InstanceNorm1d(3)", (2, 3, 5)),
    ("InstanceNorm2d(3, affine=True, track_running_stats=True)", (2, 3, 4, 4)),
    ("InstanceNorm2d(3, affine=True, bias=False)", (3, 4, 4)),
    ("InstanceNorm3d(2)", (2, 2, 2, 3, 4)),
    ("LayerNorm(4)", (2, 3, 4)),
    ("LayerNorm([3, 4], eps=1e-2, bias=False)", (2, 3, 4)),
    ("LayerNorm((4,), elementwise_affine=False)", (2, 3, 4)),
    ("GroupNorm(2, 4)", (2, 4, 3)),
    ("GroupNorm(1, 4, affine=False)", (2, 4, 3)),
    ("GroupNorm(4, 4, bias=False)", (2, 4, 3, 3)),
    ("RMSNorm(4)", (2, 3, 4)),
    ("RMSNorm([3, 4], eps=0.1, elementwise_affine=False)", (2, 3, 4)),
    ("LocalResponseNorm(2)", (2, 5, 3, 3)),
    ("Dropout(0.3)", (6, 7)),
    ("Dropout1d()", (3, 8, 4)),
    ("Dropout2d(0.4)", (3, 8, 2, 2)),
    ("Dropout3d(0.4)", (2, 8, 2, 2, 2)),
    ("AlphaDropout(0.3)", (6, 7)),
    ("FeatureAlphaDropout(0.3)", (6, 7, 2)),
    ("Flatten()", (2, 3, 4)),
    ("Flatten(0, 1)", (2, 3, 4)),
    ("Unflatten(1, (2, -1))", (2, 6)),
    ("MaxPool1d(3)", (2, 3, 10)),
    ("MaxPool2d((2, 3), stride=1, padding=1, ceil_mode=True)", (2, 3, 7, 8)),
    ("MaxPool3d(2, dilation=2)", (1, 2, 5, 6, 7)),
    ("AvgPool1d(3, padding=1, count_include_pad=False)", (2, 3, 10)),
    ("AvgPool2d(3, stride=2, ceil_mode=True, divisor_override=5)", (2, 3, 7, 8)),
    ("AvgPool3d((1, 2, 2))", (1, 2, 3, 4, 5)),
    ("AdaptiveAvgPool1d(3)", (2, 3, 8)),
    ("AdaptiveAvgPool2d((None, 3))", (2, 3, 5, 8)),
    ("AdaptiveAvgPool3d(2)", (1, 2, 3, 4, 5)),
    ("AdaptiveMaxPool1d(3)", (2, 3, 8)),
    ("AdaptiveMaxPool2d((2, None))", (2, 3, 5, 8)),
    ("AdaptiveMaxPool3d((1, 2, 3))", (1, 2, 3, 4, 5)),
    ("LPPool1d(2, 3)", (2, 3, 9), "positive"),
    ("LPPool2d(3, (3, 2), stride=(2, 1))", (2, 3, 7, 8), "positive"),
    ("LPPool3d(2, 2)", (1, 2, 4, 4, 4), "positive"),
    ("ZeroPad1d(2)", (2, 3, 4)),
    ("ZeroPad2d((1, 2, 0, 3))", (2, 3, 4)),
    ("ZeroPad3d(1)", (2, 3, 4)),
    ("ConstantPad1d((1, 2), 3.5)", (2, 3)),
    ("ConstantPad2d(1, 3)", (2, 3, 4)),
    ("ConstantPad3d((1, 0, 2, 1, 0, 1), -1.5)", (2, 3, 4, 2)),
    ("ReflectionPad1d(2)", (2, 3, 4)),
    ("ReflectionPad2d((1, 2, 0, 3))", (2, 3, 4, 5)),
    ("ReflectionPad3d(1)", (1, 2, 3, 4, 5)),
    ("ReplicationPad1d((3, 0))", (2, 3, 4)),
    ("ReplicationPad2d(2)", (2, 3, 4, 5)),
    ("ReplicationPad3d((1, 2, 3, 0, 1, 2))", (1, 2, 3, 4, 5)),
    ("CircularPad1d((3, 0))", (2, 3, 4)),
    ("CircularPad2d(2)", (2, 3, 4, 5)),
    ("CircularPad3d(1)", (1, 2, 3, 4, 5)),
    ("PixelShuffle(2)", (2, 8, 3, 3)),
    ("PixelUnshuffle(2)", (2, 2, 4, 6)),
    ("ChannelShuffle(2)", (2, 6, 3)),
    ("Fold((4, 5), (2, 2), stride=1)", (1, 12, 12)),
    ("Unfold((2, 3), padding=1, dilation=2)", (2, 2, 5, 6)),
    ("CosineSimilarity()", (3, 4), (3, 4)),
    ("CosineSimilarity(dim=0, eps=1e-3)", (3, 4), (3, 4)),
    ("PairwiseDistance()", (3, 4), (3, 4)),
    ("PairwiseDistance(1, keepdim=True)", (3, 4), (3, 4)),
    ("ReLU()", (4, 6)),
    ("ReLU6()", (4, 6)),
    ("Sigmoid()", (4, 6)),
    ("Hardsigmoid()", (4, 6)),
    ("Tanh()", (4, 6)),
    ("SiLU()", (4, 6)),
    ("Mish()", (4, 6)),
    ("Hardswish()", (4, 6)),
    ("ELU()", (4, 6)),
    ("CELU()", (4, 6)),
    ("SELU()", (4, 6)),
    ("GLU()", (4, 6)),
    ("GELU()", (4, 6)),
    ("Hardshrink()", (4, 6)),
    ("Hardtanh()", (4, 6)),
    ("LeakyReLU()", (4, 6)),
    ("LogSigmoid()", (4, 6)),
    ("PReLU()", (4, 6)),
    ("Softplus()", (4, 6)),
    ("Softshrink()", (4, 6)),
    ("Softsign()", (4, 6)),
    ("Tanhshrink()", (4, 6)),
    ("RReLU()", (4, 6)),
    ("ReLU(inplace=True)", (3,)),
    ("ReLU6(True)", (3,)),
    ("Hardtanh(-0.5, 0.5, inplace=True)", (3, 4)),
    ("Threshold(0.1, 20)", (3, 4)),
    ("Threshold(0.1, 20, True)", (3,)),
    ("RReLU(0.1, 0.9)", (3, 4)),
    ("ELU(2.0, inplace=True)", (3, 4)),
    ("CELU(0.5, True)", (3, 4)),
    ("GELU('tanh')", (3, 4)),
    ("GLU(0)", (4, 3)),
    ("Hardshrink(0.2)", (3, 4)),
    ("Softshrink(0.2)", (3, 4)),
    ("LeakyReLU(0.3, inplace=True)", (3, 4)),
    ("Softplus(2.0, 1.5)", (3, 4)),
    ("PReLU(4, init=0.1)", (3, 4, 2)),
    ("Softmax(1)", (3, 4)),
    ("Softmin(dim=0)", (3, 4)),
    ("LogSoftmax(-1)", (3, 4)),
    ("Softmax2d()", (2, 3, 2, 2)),
    ("L1Loss()", (3, 4), (3, 4)),
    ("MSELoss(reduction='sum')", (3, 4), (3, 4)),
    ("SmoothL1Loss(beta=0.3)", (3, 4), (3, 4)),
    ("HuberLoss('none', 0.4)", (3, 4), (3, 4)),
    ("CrossEntropyLoss(label_smoothing=0.1)", (5, 4), "classes"),
    ("CrossEntropyLoss(t.tensor([1., 2., 3., 4.]), ignore_index=2)", (5, 4), "classes"),
    ("CrossEntropyLoss(reduction='none')", (5, 4, 3), (5, 4, 3)),
    ("NLLLoss(reduction='sum')", (5, 4), "classes"),
    ("MultiMarginLoss(2, 0.7)", (5, 4), "classes"),
    ("MultiLabelMarginLoss()", (4,), "label list"),
    ("MultiLabelSoftMarginLoss(t.tensor([1., 2., 3., 4.]))", (5, 4), "zeros and ones"),
    ("BCELoss(reduction='sum')", (5, 4), "zeros and ones", "positive"),
    ("BCEWithLogitsLoss(pos_weight=t.tensor([1., 2., 3., 4.]))", (5, 4), "zeros and ones"),
    ("KLDivLoss(reduction='batchmean', log_target=True)", (5, 4), (5, 4)),
    ("PoissonNLLLoss(full=True)", (5, 4), "zeros and ones"),
    ("HingeEmbeddingLoss(0.5)", (5, 4), "signs"),
    ("SoftMarginLoss()", (5, 4), "signs"),
    ("CosineEmbeddingLoss(0.1)", (5, 4), (5, 4), "row signs"),
    ("MarginRankingLoss(0.2, reduction='none')", (5,), (5,), "row signs"),
    ("TripletMarginLoss(p=1, swap=True)", (5, 4), (5, 4), (5, 4)),
    ("TripletMarginWithDistanceLoss(swap=True, margin=2.0)", (5, 4), (5, 4), (5, 4)),
    ("Upsample(scale_factor=2)", (2, 3, 4)),
    ("Upsample((5, 7), mode='bilinear')", (2, 3, 4, 4)),
    ("Upsample(scale_factor=(1.5, 2.0), mode='bicubic', align_corners=True)", (2, 3, 4, 5)),
    ("Upsample(scale_factor=1.7, mode='trilinear', recompute_scale_factor=True)", (1, 2, 3, 4, 5)),
    ("UpsamplingNearest2d(size=5)", (2, 3, 4, 4)),
    ("UpsamplingBilinear2d(scale_factor=3)", (2, 3, 4, 4)),
    ("SyncBatchNorm(3)", (2, 3, 4)),
    ("FractionalMaxPool2d((2, 3), output_size=(3, 2))", (2, 3, 7, 8)),
    ("FractionalMaxPool3d(2, output_ratio=0.5)", (2, 3, 6, 5, 7)),
    ("DataParallel(nn.Linear(3, 2))", (4, 3)),
]
each_layer = pytest.mark.parametrize("case", LAYERS, ids=lambda case: f"{case[0]}-{case[1]}")


def build(t, text):
    t.manual_seed(7)
    return eval(f"nn.{text}", {"nn": t.nn, "t": t})


def arrays(case):
    """The inputs, and whether each is to be differentiated."""
    rng = np.random.default_rng(0)
    dtype = np.float64 if "float64" in case else np.float32
    floats = [rng.standard_normal(shape).astype(dtype) for shape in case[1:] if isinstance(shape, tuple)]
    if "positive" in case:
        floats = [np.abs(x) / (np.abs(x).max() + 1) for x in floats]
    rows = len(floats[0])
    others = {
        "classes": rng.integers(0, 4, rows),
        "label list": np.array([3, 0, -1, 1]),
        "zeros and ones": rng.integers(0, 2, floats[0].shape).astype(dtype),
        "signs": rng.integers(0, 2, floats[0].shape).astype(dtype) * 2 - 1,
        "row signs": rng.integers(0, 2, rows).astype(dtype) * 2 - 1,
    }
    return [(x, True) for x in floats] + [(others[kind], False) for kind in case if kind in others]


def tensors(t, inputs):
    return [t.tensor(x.tolist(), dtype=getattr(t, str(x.dtype)), requires_grad=grad) for x, grad in inputs]


def values(named):
    return {name: None if x is None else x.detach().numpy().copy() for name, x in named}


def assert_all_close(ours, theirs, tolerance=2e-5):
    assert list(ours) == list(theirs)
    for name, x in ours.items():
        assert (x is None) == (theirs[name] is None), name
        if x is not None:
            assert x.dtype == theirs[name].dtype, name
            np.testing.assert_allclose(x, theirs[name], tolerance, tolerance, err_msg=name)


@each_layer
def test_text_and_initial_state(case):
    ours, theirs = (build(t, case[0]) for t in (flambeau, torch))
    assert repr(ours) == repr(theirs)
    states = [m.state_dict() for m in (ours, theirs)]
    assert_all_close(*(values(state.items()) for state in states), tolerance=1e-7)
    metadata = [{name: entry.get("version") for name, entry in state._metadata.items()} for state in states]
    assert metadata[0] == metadata[1]
    assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
    assert list(ours._parameters) == list(theirs._parameters) and list(ours._buffers) == list(theirs._buffers)


def traces(t, case):
    """Results and gradients in training and evaluation, and the state after."""
    module, trace = build(t, case[0]), []
    for training in (True, False):
        module.train(training)
        inputs = tensors(t, arrays(case))
        t.manual_seed(3)
        y = module(*(x * 1 for x in inputs))
        module.zero_grad()
        (y * y).sum().backward()
        trace.append({"result": y.detach().numpy().copy()})
        trace.append(values((str(i), x.grad) for i, x in enumerate(inputs)))
        trace.append(values((name, p.grad) for name, p in module.named_parameters()))
        trace.append(values(module.state_dict().items()))
    return trace


@each_layer
def test_results_and_gradients(case):
    for ours, theirs in zip(traces(flambeau, case), traces(torch, case), strict=True):
        assert_all_close(ours, theirs)


def layer_names():
    return [
        n
        for n in flambeau.nn.modules.__all__
        if isinstance(getattr(torch.nn, n, None), type) and n != "Module"
    ]


@pytest.mark.parametrize("name", layer_names())
def test_signatures(name):
    def parameters(f):
        return [
            (p.name, p.kind, getattr(p.default, "__name__", p.default))
            for p in inspect.signature(f).parameters.values()
            if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]

    ours, theirs = getattr(flambeau.nn, name), getattr(torch.nn, name)
    if parameters(theirs.__init__):  # recurrent layers take *args there
        assert parameters(ours.__init__) == parameters(theirs.__init__)
    if parameters(theirs.forward):  # some bases have none
        assert parameters(ours.forward) == parameters(theirs.forward)
    room = importlib.import_module(theirs.__module__.replace("torch", "flambeau"))
    assert getattr(room, name) is ours


# ----- Embeddings, indices, sizes of transposed convolutions -----

EMBEDDINGS = [
    "Embedding(5, 3)",
    "Embedding(5, 3, padding_idx=-1)",
    "Embedding(5, 3, max_norm=1.0)",
    "Embedding(5, 3, 0, 1.5, 1, scale_grad_by_freq=True)",
    "Embedding.from_pretrained(t.arange(15.).reshape(5, 3), padding_idx=2)",
    "Embedding.from_pretrained(t.arange(15.).reshape(5, 3), freeze=False, max_norm=2.0)",
]


@pytest.mark.parametrize("text", EMBEDDINGS)
def test_embeddings(text):
    results = []
    for t in (flambeau, torch):
        m = build(t, text)
        y = m(t.tensor([[0, 4, 1], [4, 4, 2]]))
        if m.weight.requires_grad:
            (y * y).sum().backward()
        results.append(
            (repr(m), m.weight.requires_grad, values([("y", y), ("w", m.weight), ("g", m.weight.grad)]))
        )
    assert results[0][:2] == results[1][:2]
    assert_all_close(results[0][2], results[1][2])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_indices_of_pools_and_unpools(n):
    x = np.random.default_rng(0).standard_normal((2, 3) + (6,) * n).astype(np.float32)
    results = []
    for t in (flambeau, torch):
        y, index = build(t, f"MaxPool{n}d(2, return_indices=True)")(t.tensor(x.tolist()))
        z, other = build(t, f"AdaptiveMaxPool{n}d(4, True)")(t.tensor(x.tolist()))
        unpool = build(t, f"MaxUnpool{n}d(2)")
        back = unpool(y, index, output_size=[2, 3] + [7] * n)
        named = [("y", y), ("index", index), ("z", z), ("other", other), ("back", back)]
        results.append((repr(unpool), values(named)))
    assert results[0][0] == results[1][0]
    assert_all_close(results[0][1], results[1][1])


@pytest.mark.parametrize("size", [[102], [20, 4, 101]])
def test_output_size_of_transposed_convolutions(size):
    results = []
    for t in (flambeau, torch):
        m = build(t, "ConvTranspose1d(3, 4, 3, stride=2)")
        results.append({"y": m(t.ones(20, 3, 50), size).detach().numpy()})
    assert_all_close(*results)


@pytest.mark.parametrize("loss", ["GaussianNLLLoss(full=True)", "GaussianNLLLoss(reduction='none', eps=0.1)"])
def test_gaussian_loss(loss):
    x, y, v = np.random.default_rng(0).random((3, 5, 4)).astype(np.float32)
    results = [
        {"loss": build(t, loss)(*(t.tensor(z.tolist()) for z in (x, y, v))).numpy()}
        for t in (flambeau, torch)
    ]
    assert_all_close(*results)


def test_old_forms_of_reduction():
    for options in ({"size_average": False}, {"reduce": False}, {"size_average": True, "reduce": True}):
        reductions = []
        for t in (flambeau, torch):
            with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
                reductions.append(t.nn.MSELoss(**options).reduction)
        assert reductions[0] == reductions[1]


def test_a_small_network_of_many_layers_trains_alike():
    """Initial values, dropout masks, running statistics and updates together: the losses of ten steps."""
    x = np.random.default_rng(0).standard_normal((8, 1, 8, 8)).astype(np.float32)
    losses = []
    for t in (flambeau, torch):
        t.manual_seed(1)
        nn = t.nn
        stem = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        head = [
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64, 16),
            nn.LayerNorm(16),
            nn.GELU(),
            nn.Linear(16, 3),
        ]
        net, loss_of = nn.Sequential(*stem, *head), nn.CrossEntropyLoss()
        optimizer = t.optim.AdamW(net.parameters(), lr=0.01)
        curve = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = loss_of(net(t.tensor(x.tolist())), t.tensor([0, 1, 2, 0, 1, 2, 0, 1]))
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        losses.append(curve)
    np.testing.assert_allclose(*losses, rtol=2e-4)
    assert losses[0][-1] < losses[0][0] / 2


# ----- Initial values -----

FILLS = [
    "uniform_(x, -1, 3)",
    "normal_(x, 1.0, 0.1)",
    "trunc_normal_(x)",
    "trunc_normal_(x, std=0.02)",
    "trunc_normal_(x, mean=0.5, std=2.0, a=0.0, b=0.3)",
    "trunc_normal_(x, std=1.0, a=1.5, b=4.0)",
    "constant_(x, 0.3)",
    "ones_(x)",
    "zeros_(x)",
    "eye_(x[:, :, 0])",
    "dirac_(x)",
    "dirac_(x, 2)",
    "xavier_uniform_(x, 2.0)",
    "xavier_normal_(x)",
    "kaiming_uniform_(x, a=0.5)",
    "kaiming_uniform_(x, mode='fan_out', nonlinearity='relu')",
    "kaiming_normal_(x, nonlinearity='tanh')",
    "kaiming_normal_(x, mode='FAN_OUT', nonlinearity='selu')",
    "orthogonal_(x)",
    "orthogonal_(x[:, :, 0], gain=2.0)",
    "sparse_(x[:, :, 0], 0.4, std=0.5)",
    "uniform_(x, generator=t.Generator().manual_seed(3))",
    "kaiming_normal_(x, generator=t.Generator().manual_seed(3))",
]


@pytest.mark.parametrize(
    ("text", "dtype"),
    [
        (text, dtype)
        for text in FILLS
        for dtype in ("float32", "float64", "bfloat16")
        if dtype != "bfloat16"
        or "orthogonal" not in text  # PyTorch has no QR decomposition of 16-bit numbers
    ],
)
def test_initial_values(text, dtype):
    results = []
    for t in (flambeau, torch):
        t.manual_seed(5)
        x = t.zeros(6, 5, 3, dtype=getattr(t, dtype))
        assert eval(f"init.{text}", {"init": t.nn.init, "x": x, "t": t}) is not None
        results.append({"x": x.double().numpy(), "next": t.rand(3).numpy()})
    tolerance = {"float32": 1e-6, "float64": 1e-12, "bfloat16": 1e-2}[dtype]
    assert_all_close(*results, tolerance=tolerance)


def test_gains():
    for name in ("linear", "conv1d", "conv_transpose3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert flambeau.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert flambeau.nn.init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain(
        "leaky_relu", 0.3
    )


@pytest.mark.parametrize("name", [n for n in torch.nn.init.__all__ if n.endswith("_")])
def test_signatures_of_init(name):
    ours, theirs = (inspect.signature(getattr(t.nn.init, name)) for t in (flambeau, torch))
    assert [(p.name, p.default) for p in ours.parameters.values()] == [
        (p.name, p.default) for p in theirs.parameters.values()
    ]


def test_old_names_of_init():
    assert all(hasattr(flambeau.nn.init, name) for name in torch.nn.init.__all__)
    with pytest.warns(
        FutureWarning, match="`nn.init.constant` is now deprecated in favor of `nn.init.constant_`"
    ):
        assert flambeau.nn.init.constant(flambeau.zeros(2), val=0.5).tolist() == [0.5, 0.5]
