"""Resizing, sampling, attention, bags of embeddings and alignments, as PyTorch does them: values, gradients
of all inputs, classes of errors."""

import itertools
import warnings

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.attention.bias")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]


def outcome(t, f, arrays):
    """Results and gradients, or the class of the error."""
    inputs = [t.tensor(a.tolist(), dtype=getattr(t, str(a.dtype))).reshape(a.shape) for a in arrays]
    inputs = [x.requires_grad_(x.is_floating_point()) for x in inputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            results = f(t, *inputs)
        except Exception as error:
            return type(error)
    results = [y for y in (results if isinstance(results, tuple) else (results,)) if y is not None]
    total = sum((y * y).sum() for y in results if y.is_floating_point())
    if getattr(total, "requires_grad", False):
        total.backward()
    found = [*results, *(x.grad for x in inputs if x.requires_grad)]
    return [None if y is None else y.detach().numpy().copy() for y in found]


def assert_same(f, *arrays, tolerance=1e-9):
    ours, theirs = outcome(flambeau, f, arrays), outcome(torch, f, arrays)
    assert isinstance(ours, type) == isinstance(theirs, type), (ours, theirs)
    if isinstance(theirs, type):
        assert ours is theirs
        return
    for x, y in zip(ours, theirs, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            assert x.dtype == y.dtype and x.shape == y.shape
            np.testing.assert_allclose(x, y, tolerance, tolerance)


def numbers(*shape, dtype="float64", seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# ----- resizing -----

MODES = ["nearest-exact", "linear", "bilinear", "bicubic", "trilinear", "area"]
SIZES = [
    {"size": 7},
    {"size": 3},
    {"size": 5},
    {"scale_factor": 2},
    {"scale_factor": 0.6},
    {"scale_factor": 1.7},
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_interpolate(mode, dtype):
    rank = {"linear": 1, "trilinear": 3}.get(mode, 2)
    x = numbers(2, 3, *(5,) * rank, dtype=dtype)
    tolerance = 2e-5 if dtype == "float32" else 1e-9
    settings = itertools.product(SIZES, [None, True], [None, True], [False, True])
    for size, corners, recompute, antialias in settings:
        keywords = {
            **size,
            "align_corners": corners,
            "recompute_scale_factor": recompute,
            "antialias": antialias,
        }
        f = lambda t, x, k=keywords: t.nn.functional.interpolate(x, mode=mode, **k)  # noqa: E731
        assert_same(f, x, tolerance=tolerance)


@pytest.mark.parametrize("extent", [1, 2, 3, 7, 16])
def test_interpolate_to_the_nearest(extent):
    """Values; PyTorch's gradient belongs to other positions than its values for some factors."""
    x = numbers(1, 1, extent)
    for out, factor in itertools.product((1, 2, 5, 16, 33), (0, 0.1)):
        scale = out / extent + factor
        y, want = (
            t.nn.functional.interpolate(t.tensor(x.tolist()), scale_factor=scale).numpy()
            for t in (flambeau, torch)
        )
        np.testing.assert_array_equal(y, want)


@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: t.nn.functional.interpolate(x),
        lambda t, x: t.nn.functional.interpolate(x, size=3, scale_factor=2),
        lambda t, x: t.nn.functional.interpolate(x, size=(3,)),
        lambda t, x: t.nn.functional.interpolate(x, size=3.5),
        lambda t, x: t.nn.functional.interpolate(x, size=0),
        lambda t, x: t.nn.functional.interpolate(x, scale_factor=(1, 2, 3)),
        lambda t, x: t.nn.functional.interpolate(x, size=3, mode="linear"),
        lambda t, x: t.nn.functional.interpolate(x, size=3, mode="cubic"),
        lambda t, x: t.nn.functional.interpolate(x, size=3, recompute_scale_factor=True),
        lambda t, x: t.nn.functional.interpolate(x.long(), size=3),
        lambda t, x: t.nn.functional.interpolate(x, size=6, mode="bicubic", antialias=True),
        lambda t, x: t.nn.functional.interpolate(x, size=2, mode="lanczos", antialias=True),
        lambda t, x: t.nn.functional.interpolate(x, size=2, mode="lanczos"),
        lambda t, x: t.nn.functional.upsample(x, 7),
        lambda t, x: t.nn.functional.upsample_bilinear(x, scale_factor=2),
        lambda t, x: t.nn.functional.upsample_nearest(x, scale_factor=2),
        lambda t, x: t.nn.functional.interpolate(x[:0], size=3),
        lambda t, x: t.nn.functional.interpolate(x[:, :0], size=3),
    ],
)
def test_interpolate_arguments(call):
    assert_same(call, numbers(2, 3, 4, 5))


def test_interpolate_bytes():
    x = np.random.default_rng(0).integers(0, 256, (1, 2, 5, 6)).astype(np.uint8)
    for mode, size in itertools.product(("nearest", "nearest-exact"), (3, 9)):
        assert_same(lambda t, x, m=mode, s=size: t.nn.functional.interpolate(x, size=s, mode=m), x)
    for mode, antialias in itertools.product(("bilinear", "bicubic"), (False, True)):
        ours, theirs = (
            t.nn.functional.interpolate(t.tensor(x), size=(7, 4), mode=mode, antialias=antialias).numpy()
            for t in (flambeau, torch)
        )
        assert np.abs(ours.astype(int) - theirs).max() <= 1  # weights have 16 bits there


# ----- sampling -----


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic", "cubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection", "wrap"])
@pytest.mark.parametrize("corners", [None, True])
def test_grid_sample(mode, padding, corners):
    call = lambda t, x, g: t.nn.functional.grid_sample(x, g, mode, padding, corners)  # noqa: E731
    assert_same(call, numbers(2, 3, 4, 5), numbers(2, 3, 6, 2, seed=1) * 1.5)
    assert_same(call, numbers(2, 3, 1, 5), numbers(2, 3, 6, 2, seed=1) * 1.5)
    assert_same(call, numbers(2, 2, 3, 4, 5), numbers(2, 3, 2, 2, 3, seed=1) * 1.5)
    assert_same(call, numbers(2, 3, 4, 5), numbers(2, 3, 6, 3, seed=1))
    assert_same(call, numbers(2, 3, 4, 5), numbers(1, 3, 6, 2, seed=1))


@pytest.mark.parametrize(
    "size", [(2, 3, 4, 5), (2, 3, 1, 5), (2, 3, 2, 4, 5), (2, 3, 4), (2, 3, 0, 1), (1, 3, 4, 5)]
)
@pytest.mark.parametrize("corners", [None, True])
def test_affine_grid(size, corners):
    n = len(size) - 2
    assert_same(lambda t, m: t.nn.functional.affine_grid(m, size, corners), numbers(2, n, n + 1))


# ----- attention -----


def attend(t, *tensors, **settings):
    """`multi_head_attention_forward` of query, key, value and parameters, as a module calls it."""
    q, k, v, *rest = tensors
    width = q.shape[-1]
    if settings.pop("same", False):
        k = v = q
    names = ("in_proj_weight", "in_proj_bias", "bias_k", "bias_v", "out_proj_weight", "out_proj_bias")
    given = dict.fromkeys(names) | dict(zip(names, rest, strict=False))
    given |= {"add_zero_attn": False, "dropout_p": 0.0, "training": False} | settings
    for name in ("attn_mask", "key_padding_mask"):
        if name in given:
            given[name] = t.tensor(given[name])
    return t.nn.functional.multi_head_attention_forward(q, k, v, width, 2, **given)


PADDING = [[False, False, True], [False, True, True]]
CAUSAL = [[0.0, -np.inf, -np.inf], [0.0, 0.0, -np.inf], [0.0, 0.0, 0.0]]
ATTENTION = [
    {},
    {"same": True},
    {"need_weights": False},
    {"average_attn_weights": False},
    {"key_padding_mask": PADDING},
    {"key_padding_mask": PADDING, "need_weights": False},
    {"attn_mask": CAUSAL},
    {"attn_mask": CAUSAL, "is_causal": True, "need_weights": False},
    {"attn_mask": CAUSAL, "key_padding_mask": PADDING, "need_weights": False, "add_zero_attn": True},
    {"attn_mask": [[[False, True, False]] * 3] * 4},
    {"attn_mask": [[False, True, False]] * 3, "need_weights": False},
    {"add_zero_attn": True, "key_padding_mask": PADDING},
    {"is_causal": True},
    {"attn_mask": [[0.0]]},
    {"attn_mask": [0.0]},
    {"key_padding_mask": [[False]]},
    {"attn_mask": [[0, 1, 0]] * 3},
]


@pytest.mark.parametrize("settings", ATTENTION, ids=str)
@pytest.mark.parametrize("extra", [False, True])
def test_multi_head_attention(settings, extra):
    inputs = [numbers(3, 2, 4, seed=i) for i in range(3)]
    parameters = [numbers(12, 4, seed=4), numbers(12, seed=5)]
    parameters += [numbers(1, 1, 4, seed=6), numbers(1, 1, 4, seed=7)] if extra else []
    out = {"out_proj_weight": numbers(4, 4, seed=8), "out_proj_bias": numbers(4, seed=9)}

    def call(t, *tensors):
        last = {name: t.tensor(x.tolist(), dtype=t.float64) for name, x in out.items()}
        return attend(t, *tensors, **last, **settings)

    assert_same(call, *inputs, *parameters)


def test_multi_head_attention_without_a_batch():
    def call(t, q, k, w):
        weight = t.tensor(numbers(4, 4, seed=8).tolist(), dtype=t.float64)
        return attend(t, q, k, k, w, out_proj_weight=weight)

    assert_same(call, numbers(3, 4), numbers(5, 4, seed=1), numbers(12, 4, seed=2))


def test_weights_are_dropped_as_by_pytorch():
    x, w = numbers(5, 2, 4), numbers(12, 4, seed=1)
    for need in (True, False):

        def call(t, x, w, need=need):
            t.manual_seed(3)
            out = t.eye(4, dtype=t.float64)
            return attend(t, x, x, x, w, out_proj_weight=out, dropout_p=0.4, training=True, need_weights=need)

        assert_same(call, x, w)


@pytest.mark.parametrize("grad", [True, False])
def test_padding_of_the_transformer_encoder(grad):
    """In evaluation without gradients PyTorch leaves zeros where the padding is."""
    results = []
    for t in (flambeau, torch):
        t.manual_seed(0)
        layer = t.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        encoder = t.nn.TransformerEncoder(layer, 2).eval()
        with t.set_grad_enabled(grad):
            x, hidden = t.randn(2, 3, 8), t.tensor(PADDING)
            results.append(
                [encoder(x, src_key_padding_mask=m).detach().numpy() for m in (hidden, hidden.flip(1))]
            )
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, 1e-5, 1e-5)


# ----- bags -----


@pytest.mark.parametrize("mode", ["sum", "mean", "max", "median"])
@pytest.mark.parametrize("padding", [None, 2, -1, 12])
def test_embedding_bag(mode, padding):
    table, rows = numbers(10, 3), np.array([1, 2, 9, 4, 2, 1])
    for offsets in ([0, 2, 2, 5], [0, 0, 6], [0], [1, 2]):
        for end in ([], [6]):
            bag = lambda t, w, o=offsets, end=end: t.nn.functional.embedding_bag(  # noqa: E731
                t.tensor(rows),
                w,
                t.tensor(o + end),
                mode=mode,
                padding_idx=padding,
                include_last_offset=bool(end),
            )
            assert_same(bag, table)
    assert_same(
        lambda t, w: t.nn.functional.embedding_bag(
            t.tensor(rows).reshape(2, 3), w, mode=mode, padding_idx=padding
        ),
        table,
    )


def test_embedding_bag_with_weights_and_norms():
    rows = np.array([1, 2, 9, 4, 2, 1])
    assert_same(
        lambda t, w, s: t.nn.functional.embedding_bag(
            t.tensor(rows), w, t.tensor([0, 4]), mode="sum", per_sample_weights=s
        ),
        numbers(10, 3),
        numbers(6, seed=1),
    )
    bag = lambda t, w: t.nn.functional.embedding_bag(t.tensor([[1, 2], [2, 2]]), w, mode="sum", max_norm=0.5)  # noqa: E731
    table = numbers(4, 3)
    ours, theirs = (bag(t, t.tensor(table)).numpy() for t in (flambeau, torch))
    np.testing.assert_allclose(ours, theirs)
    assert_same(lambda t, w: t.nn.functional.embedding_bag(t.tensor([1]), w), numbers(10, 3))
    assert_same(
        lambda t, w: t.nn.functional.embedding_bag(t.tensor([1]), w, t.tensor([0, 2])), numbers(10, 3)
    )
    assert_same(lambda t, w: t.nn.functional.embedding_bag(t.tensor([[1]]), w, t.tensor([0])), numbers(10, 3))


# ----- alignments -----


@pytest.mark.parametrize("reduction", ["none", "mean", "sum", "max"])
@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 2, 1), (12, 4, 6, 5), (7, 2, 3, 4), (4, 3, 5, 0), (20, 5, 10, 8)])
def test_ctc_loss(reduction, zero, shape):
    steps, batch, classes, most = shape
    rng = np.random.default_rng(sum(shape))
    scores = rng.standard_normal((steps, batch, classes))
    inputs, lengths = rng.integers(0, steps + 1, batch), rng.integers(0, most + 1, batch)
    lengths = lengths if zero else np.minimum(lengths, inputs // 2)  # without losses that are infinite
    blank = int(rng.integers(0, classes))
    targets = rng.integers(0, classes - 1, (batch, most))
    targets += targets >= blank
    one_by_one = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])
    log_probs = scores - np.log(np.exp(scores).sum(2, keepdims=True))
    for given in (targets, one_by_one):

        def call(t, x, given=given):
            loss = t.nn.functional.ctc_loss(
                x, t.tensor(given), t.tensor(inputs), t.tensor(lengths), blank, reduction, zero
            )
            return loss

        assert_same(call, log_probs)


def test_gradient_of_an_infinite_ctc_loss():
    log_probs = np.log(np.full((4, 2, 3), 1 / 3))
    gradients = []
    for t in (flambeau, torch):
        x = t.tensor(log_probs).requires_grad_()
        t.nn.functional.ctc_loss(x, t.tensor([[1, 2], [1, 1]]), [3, 2], [2, 2], reduction="sum").backward()
        gradients.append(x.grad.numpy())
    np.testing.assert_allclose(*gradients)
    assert np.isnan(gradients[0]).sum() == 6  # those of the sample that can't be, while it lasts


@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: t.nn.functional.ctc_loss(x, t.ones(2, 3).long(), [5, 5], [3, 2], 3),
        lambda t, x: t.nn.functional.ctc_loss(x[:, 0], t.tensor([1, 2]), (5,), (2,)),
        lambda t, x: t.nn.functional.ctc_loss(x[:, 0], t.tensor([1, 2]), t.tensor(5), t.tensor(2), 0, "none"),
        lambda t, x: t.nn.functional.ctc_loss(x, t.ones(2, 3).long(), [6, 5], [3, 2]),
        lambda t, x: t.nn.functional.ctc_loss(x, t.ones(2, 3).long(), [5], [3, 2]),
        lambda t, x: t.nn.functional.ctc_loss(x, t.ones(2, 3).long(), [5, 5], [4, 2]),
        lambda t, x: t.nn.functional.ctc_loss(x, t.ones(2, 3).long(), [5, 5], [3, 2], blank=7),
        lambda t, x: t.nn.functional.ctc_loss(x, t.ones(6).long(), [5, 5], [3, 2]),
    ],
)
def test_ctc_loss_arguments(call):
    scores = numbers(5, 2, 4)
    assert_same(call, scores - np.log(np.exp(scores).sum(2, keepdims=True)))


# ----- others -----


@pytest.mark.parametrize("n", [1, 2, 3])
def test_gradients_of_convolutions(n):
    x, w = numbers(2, 4, *(7,) * n), numbers(6, 2, *(3,) * n, seed=1)
    g = numbers(2, 6, *(4,) * n, seed=2)
    settings = {"stride": 2, "padding": 1, "groups": 2}
    for name, size, other in (("input", x.shape, w), ("weight", w.shape, x)):

        def call(t, other, g, name=name, size=size):
            f = getattr(t.nn.grad, f"conv{n}d_{name}")
            return f(size, other, g, **settings) if name == "input" else f(other, size, g, **settings)

        assert_same(call, other, g)


def test_adaptive_log_softmax():
    def call(t, x):
        t.manual_seed(0)
        m = t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], 2.0, True).double()
        output, loss = m(x, t.tensor([0, 3, 7, 19, 12, 4]))
        return output, loss, m.log_prob(x), m.predict(x).double(), m(x[0], t.tensor(11)).output

    assert_same(call, numbers(6, 8), tolerance=1e-6)
    for target in ([20, 0, 0, 0, 0, 0], [0, 1], [[0]]):
        assert_same(
            lambda t, x, y=target: t.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5]).double()(x, t.tensor(y)).loss,
            numbers(6, 8),
        )


@pytest.mark.parametrize("variant", ["causal_upper_left", "causal_lower_right"])
def test_causal_biases(variant):
    def call(t, q, k):
        mask = getattr(t.nn.attention.bias, variant)(3, 5)
        with t.nn.attention.sdpa_kernel(t.nn.attention.SDPBackend.MATH):
            return t.nn.functional.scaled_dot_product_attention(q, k, k, mask)

    assert_same(call, numbers(1, 2, 3, 4), numbers(1, 2, 5, 4, seed=1))


def test_linear_cross_entropy():
    call = lambda t, x, w, b: t.nn.functional.linear_cross_entropy(  # noqa: E731
        x, w, t.tensor([0, 4, 2, 1]), linear_bias=b, label_smoothing=0.1, ignore_index=2
    )
    assert_same(call, numbers(4, 3), numbers(5, 3, seed=1), numbers(5, seed=2))
    assert_same(call, numbers(4, 2), numbers(5, 3, seed=1), numbers(5, seed=2))
