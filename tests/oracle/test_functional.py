"""The functions of `nn.functional` against PyTorch's: the same calls, written once, made with both libraries.

In a call `x(2, 3)` is a leaf of that shape with numbers of its own, `p(...)` one with numbers in (0, 1) and
`q(...)` the same as a constant, `i(5, 2, 3)` whole numbers below 5, `b(...)` truth values; `T` is the library
and `F` its functions. Values, first and second derivatives towards all leaves, and classes of errors agree.
"""

import warnings
from itertools import product

import numpy as np
import pytest

import flambeau
import flambeau.nn

torch = pytest.importorskip("torch")


class World:
    """One of the two libraries, and the leaves that a call has made in it."""

    def __init__(self, library, dtype="float64"):
        self.library, self.dtype, self.leaves, self.count = library, dtype, [], 0
        library.manual_seed(3)

    def rng(self):
        self.count += 1
        return np.random.default_rng(self.count)

    def tensor(self, array):
        t = torch.from_numpy(array.copy())
        return t if self.library is torch else flambeau.tensor(array)

    def leaf(self, array):
        t = self.tensor(np.asarray(array)).to(getattr(self.library, self.dtype))
        self.leaves.append(t.requires_grad_())
        return t

    def names(self):
        return {
            "T": self.library,
            "F": self.library.nn.functional,
            "x": lambda *shape: self.leaf(self.rng().standard_normal(shape)),
            "p": lambda *shape: self.leaf(self.rng().uniform(0.05, 0.95, shape)),
            "i": lambda high, *shape: self.tensor(np.asarray(self.rng().integers(0, high, shape))),
            "q": lambda *shape: self.tensor(np.asarray(self.rng().uniform(0.05, 0.95, shape))),
            "b": lambda *shape: self.tensor(np.asarray(self.rng().random(shape) < 0.6)),
            "t": self.library.tensor,
            "NAN": float("nan"),
            "INF": float("inf"),
        }

    def run(self, call):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out = eval(call, self.names())
        return list(out) if isinstance(out, (tuple, list)) else [out]


def numpy(t):
    t = t.detach()
    return (
        (t.float() if str(t.dtype) == "torch.bfloat16" else t).resolve_conj().numpy(force=True)
        if isinstance(t, torch.Tensor)
        else (t.float() if t.dtype is flambeau.bfloat16 else t).numpy()
    )


TOLERANCE = {"float64": 1e-7, "float32": 3e-5, "bfloat16": 4e-2}


def close(ours, theirs, what, dtype="float64"):
    assert str(ours.dtype) == str(theirs.dtype), what
    a, b = numpy(ours), numpy(theirs)
    assert a.shape == b.shape, what
    np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], err_msg=what)


def gradients(world, out, create):
    """Towards the leaves, zeros where there is none."""
    if not out.requires_grad:
        return [w.detach() * 0 for w in world.leaves]
    seed = world.tensor(
        np.linspace(-1, 1.3, max(out.numel(), 1))[: out.numel()].reshape(tuple(out.shape))
    ).to(out.dtype)
    found = world.library.autograd.grad(out, world.leaves, seed, create_graph=create, allow_unused=True)
    return [w.detach() * 0 if g is None else g for g, w in zip(found, world.leaves, strict=True)]


def check(call, dtype="float64", second=True):
    us, them = World(flambeau, dtype), World(torch, dtype)
    ours, theirs = us.run(call), them.run(call)
    for a, b in zip(ours, theirs, strict=True):
        close(a, b, call, dtype)
    if not theirs[0].requires_grad:
        return
    first = [gradients(w, out[0], second) for w, out in ((us, ours), (them, theirs))]
    for a, b in zip(*first, strict=True):
        close(a, b, f"gradient of {call}", dtype)
    if second:
        norms = [sum((g * g).sum() for g in gs if g.requires_grad) for gs in first]
        if all(isinstance(n, (flambeau.Tensor, torch.Tensor)) for n in norms):
            for a, b in zip(gradients(us, norms[0], False), gradients(them, norms[1], False), strict=True):
                close(a, b, f"second derivative of {call}")


def lines(text):
    return [line for line in text.strip().split("\n") if line]


# ----- convolution and pooling: grids -----

SHAPES = {1: "7", 2: "6, 5", 3: "4, 5, 3"}
CONVOLUTIONS = [
    f"F.conv{n}d(x(2, 4, {SHAPES[n]}), x(4, {4 // groups}, {'2, ' * (n - 1)}3), x(4), {stride}, "
    f"{padding!r}, {dilation}, {groups})"
    for n, stride, padding, dilation, groups in product((1, 2, 3), (1, 2), (0, 2, "same"), (1, 2), (1, 2, 4))
    if (padding != "same" or stride == 1) and (n == 2 or (dilation == 1 and groups < 4))
]
TRANSPOSED = [
    f"F.conv_transpose{n}d(x(2, 4, {SHAPES[n]}), x(4, 2, {'2, ' * (n - 1)}3), x({2 * groups}), {stride}, "
    f"{padding}, {extra}, {groups}, "
    f"{dilation})"
    for n, stride, padding, extra, dilation, groups in product(
        (1, 2, 3), (1, 3), (0, 1), (0, 1), (1, 2), (1, 2)
    )
    if extra < max(stride, dilation) and n + groups + padding < 5
]
POOLS = [
    f"F.{kind}_pool{n}d(x(2, 3, {SHAPES[n]}), {kernel}, {stride}, {padding}, ceil_mode={ceil}{rest})"
    for kind, n, kernel, stride, padding, ceil in product(
        ("max", "avg"), (1, 2, 3), (3,), (None, 2), (0, 1), (False, True)
    )
    for rest in ((", return_indices=True",) if kind == "max" else ("", ", count_include_pad=False"))
]
ADAPTIVE = [
    f"F.adaptive_{kind}_pool{n}d(x(2, 3, {SHAPES[n]}), "
    f"{out}{', return_indices=True' if kind == 'max' else ''})"
    for kind, n, out in product(("max", "avg"), (1, 2, 3), (1, 3, 4))
]
PADS = [
    f"F.pad(x(2, 3, {SHAPES[n]}), {amounts}, {mode!r})"
    for n, amounts in (
        (1, (2, 1)),
        (1, (-1, 3)),
        (2, (2, 0, 1, 3)),
        (2, (3, -2, -1, 2)),
        (3, (1, 2, 0, 1, 2, 1)),
    )
    for mode in ("constant", "reflect", "replicate", "circular")
]

GRID = [*CONVOLUTIONS, *TRANSPOSED, *POOLS, *ADAPTIVE, *PADS]


@pytest.mark.parametrize("call", GRID)
def test_windows(call):
    check(call)


# ----- everything else, call by call -----

CALLS = lines("""
F.conv2d(x(4, 6, 5), x(2, 4, 3, 3), padding="valid")
F.conv2d(x(2, 4, 6, 5), x(2, 4, 3, 3), padding=(1, 2), stride=(1, 2), dilation=(2, 1))
F.conv_transpose2d(x(4, 3, 3), x(4, 2, 2, 3))
F.linear(x(3, 4), x(2, 4))
F.linear(x(2, 3, 4), x(2, 4), x(2))
F.linear(x(4), x(2, 4), x(2))
F.linear(x(3, 4), x(4))
F.linear(x(0, 4), x(2, 4), x(2))
F.linear(x(3, 0), x(2, 0), x(2))
F.linear(x(3, 4), x(2, 4), x(1))
F.bilinear(x(2, 3), x(2, 4), x(5, 3, 4), x(5))
F.bilinear(x(3), x(4), x(5, 3, 4))
F.max_pool2d(x(3, 6, 6), (2, 3), (1, 2), (1, 0), (2, 1))
F.max_pool2d(x(0, 3, 4, 4), 2)
F.avg_pool2d(x(3, 6, 6), (2, 3), divisor_override=5)
F.avg_pool2d(i(9, 1, 4, 4), 2)
F.adaptive_avg_pool2d(x(3, 6, 5), (None, 2))
F.adaptive_max_pool2d(x(3, 6, 5), (2, None))
F.lp_pool2d(p(1, 2, 6, 6), 3, 2)
F.lp_pool1d(x(1, 2, 6), 2.0, 3, 2, True)
F.lp_pool2d(x(1, 2, 6, 6), INF, 2)
F.max_unpool1d(x(1, 2, 2), t([[[1, 3], [0, 2]]]), 2)
F.max_unpool2d(*F.max_pool2d(x(1, 2, 5, 5), 2, 2, return_indices=True), 2, 2, output_size=(5, 5))
F.max_unpool3d(*F.max_pool3d(x(1, 2, 4, 4, 4), 2, return_indices=True), 2)
F.pad(x(2, 3), (1, 2, -1, 0), value=2.5)
F.pad(i(5, 2, 3), (1, 1))
F.pad(x(3, 4), (1, 1), "reflect")
F.unfold(x(2, 3, 6, 7), (2, 3), dilation=(2, 1), padding=1, stride=(1, 2))
F.unfold(x(3, 4, 4), 2)
F.fold(x(2, 12, 20), (5, 6), (2, 2))
F.fold(x(12, 12), (6, 7), (2, 3), dilation=(2, 1), padding=1, stride=2)
F.pixel_shuffle(x(2, 8, 2, 3), 2)
F.pixel_unshuffle(x(2, 2, 4, 6), 2)
F.channel_shuffle(x(2, 6, 2, 2), 3)
F.relu(x(3, 4))
F.relu6(x(3, 4) * 5)
F.hardtanh(x(3, 4), -0.5, 0.7)
F.hardtanh(i(9, 4), -2, 3)
F.leaky_relu(x(3, 4), 0.3)
F.elu(x(3, 4), 1.3)
F.elu(x(3, 4), -0.5)
F.selu(x(3, 4))
F.celu(x(3, 4), 0.6)
F.gelu(x(3, 4))
F.gelu(x(3, 4), approximate="tanh")
F.silu(x(3, 4))
F.mish(x(3, 4))
F.softplus(x(3, 4) * 3, 1.5, 2)
F.softsign(x(3, 4))
F.tanhshrink(x(3, 4))
F.hardshrink(x(3, 4), 0.4)
F.softshrink(x(3, 4), 0.4)
F.hardsigmoid(x(3, 4) * 3)
F.hardswish(x(3, 4) * 3)
F.logsigmoid(x(3, 4) * 20)
F.threshold(x(3, 4), 0.2, 5)
F.threshold(i(9, 4), 2.5, 7.5)
F.prelu(x(2, 3, 4), x(3))
F.prelu(x(2, 3), x(1))
F.prelu(x(), x(1))
F.rrelu(x(3, 4))
F.glu(x(3, 4), 1)
F.tanh(x(3))
F.sigmoid(x(3))
F.softmax(x(2, 3, 4))
F.softmax(x(2, 3), 1, dtype=T.float32)
F.softmin(x(2, 3), 0)
F.log_softmax(x(2, 3), 1)
F.batch_norm(x(4, 3), t([.1, .2, .3]).double(), t([1., 2., 3.]).double(), x(3), x(3))
F.batch_norm(x(4, 3, 2), None, None, x(3), x(3), True, 0.1, 0.2)
F.batch_norm(x(2, 3, 2, 2), t([.1, .2, .3]).double(), t([1., 2., 3.]).double(), training=True)
F.instance_norm(x(2, 3, 4), None, None, x(3), x(3))
F.instance_norm(x(2, 3, 4), t([.1, .2, .3]).double(), t([1., 2., 3.]).double(), use_input_stats=False)
F.layer_norm(x(2, 3, 4), (3, 4), x(3, 4), x(3, 4), 0.1)
F.layer_norm(x(2, 3), (3,))
F.rms_norm(x(2, 3, 4), (4,), x(4))
F.rms_norm(x(2, 3), (2, 3), None, 0.1)
F.group_norm(x(2, 6, 3), 3, x(6), x(6))
F.group_norm(x(3, 4), 2)
F.local_response_norm(x(2, 5, 4), 3, 0.1, 0.6, 2.0)
F.local_response_norm(x(2, 5, 2, 2), 2)
F.normalize(x(2, 3))
F.normalize(x(2, 3, 4), 3.0, 2, 0.1)
F.embedding(i(5, 2, 3), x(5, 4))
F.embedding(i(5, 2, 3), x(5, 4), 2, scale_grad_by_freq=False)
F.one_hot(i(4, 2, 3))
F.one_hot(i(4, 2, 3), 6)
F.cosine_similarity(x(3, 4), x(3, 4))
F.cosine_similarity(x(1, 2, 3), x(2, 1, 3), -2)
F.cosine_similarity(x(4), x(3, 4), -1)
F.pairwise_distance(x(3, 4), x(4), 3.0, keepdim=True)
F.pairwise_distance(x(3, 4), x(3, 4), 1.0)
F.scaled_dot_product_attention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 6), b(3, 5))
F.scaled_dot_product_attention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 6), x(2, 3, 5), scale=0.3)
F.scaled_dot_product_attention(x(1, 6, 3, 4), x(1, 2, 5, 4), x(1, 2, 5, 4), b(3, 5), enable_gqa=True)
F.scaled_dot_product_attention(x(3, 4), x(2, 4), x(2, 6), t([[True, True], [False, False], [True, False]]))
F.cross_entropy(x(4, 5), i(5, 4))
F.cross_entropy(x(4, 5), i(5, 4), q(5), ignore_index=2, label_smoothing=0.3)
F.cross_entropy(x(4, 5), i(5, 4), q(5), reduction="none", label_smoothing=0.3)
F.cross_entropy(x(4, 5), i(5, 4), reduction="sum", label_smoothing=0.3, ignore_index=1)
F.cross_entropy(x(2, 3, 4, 5), i(3, 2, 4, 5), q(3), ignore_index=1)
F.cross_entropy(x(5), i(5))
F.cross_entropy(x(5).detach(), t([3]))
F.cross_entropy(x(4, 5), t([0, 1, 2, 3], dtype=T.uint8))
F.cross_entropy(x(4, 5), p(4, 5), q(5), label_smoothing=0.2)
F.cross_entropy(x(2, 3, 4), p(2, 3, 4), reduction="sum")
F.cross_entropy(x(5), p(5), reduction="none")
F.cross_entropy(x(4, 5), t([-100] * 4))
F.cross_entropy(x(0, 5), t([], dtype=T.int64), reduction="sum")
F.cross_entropy(x(0, 5), t([], dtype=T.int64))
F.nll_loss(x(4, 5), i(5, 4), q(5), ignore_index=3)
F.nll_loss(x(2, 3, 4), i(3, 2, 4), reduction="none")
F.nll_loss(x(5), i(5))
F.mse_loss(x(3, 4), x(3, 4))
F.mse_loss(x(3, 1), x(4), reduction="sum")
F.mse_loss(x(3), x(3), weight=p(3))
F.mse_loss(x(0), x(0))
F.l1_loss(x(3, 4), x(3, 4), reduction="none")
F.l1_loss(x(3), x(3), weight=p(3))
F.smooth_l1_loss(x(3, 4), x(3, 4), beta=0.7)
F.smooth_l1_loss(x(3, 4), x(3, 4), beta=0)
F.huber_loss(x(3, 4), x(3, 4), delta=0.7)
F.huber_loss(x(3), x(3), "none", 2.0, p(3))
F.binary_cross_entropy(p(3, 4), p(3, 4))
F.binary_cross_entropy(p(3, 4), p(3, 4), q(4), reduction="none")
F.binary_cross_entropy(t([0., 1., 0., 1.]), t([1., 0., 0., 1.]), reduction="none")
F.binary_cross_entropy_with_logits(x(3, 4), p(3, 4), q(4), pos_weight=q(4))
F.kl_div(x(3, 4), p(3, 4), reduction="batchmean")
F.kl_div(x(3, 4), x(3, 4), reduction="none", log_target=True)
F.kl_div(x(3), t([0., 0.5, -1.]).double(), reduction="none")
F.poisson_nll_loss(x(3, 4), t([[0., 3., 1., 2.]]).double(), full=True)
F.poisson_nll_loss(p(3, 4), p(3, 4), log_input=False, reduction="none")
F.gaussian_nll_loss(x(3, 4), x(3, 4), p(3, 4), full=True)
F.gaussian_nll_loss(x(3, 4), x(3, 4), p(3), eps=0.5)
F.gaussian_nll_loss(x(3, 4), x(3, 4), 2.0, reduction="none")
F.hinge_embedding_loss(x(4), t([1, -1, 1, -1]), 0.5)
F.margin_ranking_loss(x(4), x(4), t([1, -1, 1, -1]), 0.3, reduction="none")
F.cosine_embedding_loss(x(3, 4), x(3, 4), t([1, -1, -1]), 0.1)
F.cosine_embedding_loss(x(4), x(4), t(1))
F.triplet_margin_loss(x(3, 4), x(3, 4), x(3, 4), 2.0, 3, swap=True)
F.triplet_margin_with_distance_loss(x(3, 4), x(3, 4), x(3, 4), distance_function=lambda a, b: (a - b).sum(-1))
F.soft_margin_loss(x(4), t([1, -1, 1, -1]))
F.multi_margin_loss(x(3, 4), i(4, 3), 2, 0.7, q(4))
F.multi_margin_loss(x(4), t(2), reduction="none")
F.multilabel_margin_loss(x(2, 4), t([[3, 0, -1, 1], [-1, 0, 0, 0]]), reduction="none")
F.multilabel_margin_loss(x(4), t([3, 0, -1, 1]))
F.multilabel_soft_margin_loss(x(3, 4), p(3, 4), p(4))
""")
# What PyTorch has no second derivative for.
ONCE = ("F.scaled", "F.embedding", "F.rrelu", "F.multi", "F.cross_entropy(x(0", "F.gaussian", "F.lp_pool1d")


@pytest.mark.parametrize("call", CALLS)
def test_values_and_derivatives(call):
    check(call, second=not call.startswith(ONCE))


NARROW = lines("""
F.conv2d(x(2, 3, 5, 5), x(4, 3, 3, 3), x(4), padding=1)
F.linear(x(3, 4), x(2, 4), x(2))
F.gelu(x(3, 4))
F.elu(x(3, 4))
F.layer_norm(x(2, 64), (64,), x(64), x(64))
F.batch_norm(x(8, 3), None, None, x(3), x(3), True)
F.rms_norm(x(2, 64), (64,), x(64))
F.cross_entropy(x(4, 5), i(5, 4))
F.scaled_dot_product_attention(x(2, 3, 4), x(2, 5, 4), x(2, 5, 6))
F.mse_loss(x(3, 4), x(3, 4))
""")


@pytest.mark.parametrize("call", NARROW)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_narrow_floats(call, dtype):
    check(call, dtype, second=False)


# ----- random numbers -----

RANDOM = lines("""
F.dropout(T.ones(50), 0.3)
F.dropout(T.ones(6, 8).t())
F.dropout(T.ones(5, 7), 1.0)
F.dropout(T.ones(5, 7), 0.0)
F.dropout(T.ones(5, 7), 0.4, False)
F.dropout1d(T.ones(6, 8, 2), 0.3)
F.dropout1d(T.ones(6, 8))
F.dropout2d(T.ones(4, 8, 2, 2), 0.3)
F.dropout2d(T.ones(4, 8, 2))
F.dropout3d(T.ones(8, 2, 2, 2), 0.3)
F.alpha_dropout(T.arange(40.), 0.3, True)
F.feature_alpha_dropout(T.ones(4, 5, 3), 0.3, True)
F.rrelu(T.linspace(-2, 1, 30), training=True)
F.gumbel_softmax(T.zeros(5, 4), 0.7)
F.gumbel_softmax(T.zeros(5, 4), hard=True)
F.scaled_dot_product_attention(*(T.linspace(0, 1, 24).reshape(2, 3, 4),) * 3, dropout_p=0.4)
(F.dropout(T.ones(7)), T.rand(3), F.dropout2d(T.ones(2, 2, 2, 2)), T.randn(3))
""")


@pytest.mark.parametrize("call", RANDOM)
def test_the_same_numbers_are_drawn(call):
    for a, b in zip(World(flambeau).run(call), World(torch).run(call), strict=True):
        close(a, b, call, "float32")


def test_running_statistics():
    for options in ({}, {"momentum": 0.7}):
        for name, shape in (("batch_norm", (4, 3, 5)), ("instance_norm", (4, 3, 5)), ("batch_norm", (2, 3))):
            state = []
            for world in (World(flambeau), World(torch)):
                T = world.library
                mean, var = T.zeros(3, dtype=T.float64), T.ones(3, dtype=T.float64)
                training = {"training": True} if name == "batch_norm" else {}
                getattr(T.nn.functional, name)(world.names()["x"](*shape), mean, var, **training, **options)
                state.append((mean, var))
            for a, b in zip(*state, strict=True):
                close(a, b, name)


def test_embedding_with_a_largest_norm():
    for norm in (2.0, 1.0, float("inf")):
        both = []
        for world in (World(flambeau), World(torch)):
            x = world.names()["x"](4, 3)
            call = world.library.nn.functional.embedding
            both.append((call(world.tensor(np.array([[1, 3], [1, 0]])), x, max_norm=0.5, norm_type=norm), x))
        for a, b in zip(*both, strict=True):
            close(a, b, f"norm {norm}", "float32")


# ----- errors -----

REFUSED = lines("""
F.linear(x(2, 3), x(4, 5))
F.linear(x(), x(4, 5))
F.linear(x(2, 3), x(4, 3), x(5))
F.conv2d(x(2, 3), x(4, 3, 2, 2))
F.conv2d(x(2, 4, 5, 5), x(4, 3, 2, 2))
F.conv2d(x(2, 3, 1, 5), x(4, 3, 2, 2))
F.conv2d(x(2, 3, 5, 5), x(4, 3, 2, 2), x(3))
F.conv2d(x(2, 3, 5, 5), x(4, 3, 2, 2), stride=0)
F.conv2d(x(2, 3, 5, 5), x(4, 3, 2, 2), stride=1.5)
F.conv2d(x(2, 3, 5, 5), x(4, 3, 2, 2), padding=-1)
F.conv2d(x(2, 3, 5, 5), x(4, 3, 2, 2), padding="same", stride=2)
F.conv2d(x(2, 3, 5, 5), x(4, 3, 2, 2), groups=2)
F.conv2d(x(2, 3, 5, 5), x(4, 3, 2, 2).float())
F.conv_transpose2d(x(2, 3, 5, 5), x(3, 3, 2, 2), output_padding=1)
F.conv_transpose2d(x(2, 3, 5, 5), x(3, 3, 2, 2), padding="same")
F.max_pool2d(x(2, 3, 5, 5), 2, padding=2)
F.max_pool2d(x(2, 3, 5, 5), 9)
F.max_pool2d(x(2, 3, 5, 5), (2, 2, 2))
F.max_pool2d(x(2, 0, 5, 5), 2)
F.max_pool2d(b(2, 3, 5, 5), 2)
F.avg_pool2d(x(2, 3, 5, 5), 2, divisor_override=0)
F.adaptive_avg_pool2d(x(3, 5), (2, 2))
F.adaptive_avg_pool2d(x(2, 3, 5, 5), -1)
F.adaptive_avg_pool2d(i(5, 2, 3, 5, 5), 2)
F.max_unpool2d(x(1, 1, 2, 2), t([[[[0, 1], [2, 99]]]]), 2)
F.max_unpool2d(x(1, 1, 2, 2), t([[[[0, 1], [2, 3]]]]), 2, output_size=(9, 9))
F.lp_pool2d(x(1, 1, 2, 2), 0, 2)
F.pad(x(2, 3), (1,))
F.pad(x(2, 3), (1, 1), "mirror")
F.pad(x(2, 3, 4), (4, 0), "reflect")
F.pad(x(2, 3, 4), (5, 0), "circular")
F.pad(x(2, 3, 4, 5), (1, 1), "replicate")
F.pad(x(2, 3), (-2, -2))
F.unfold(x(2, 3, 4, 4), 9)
F.fold(x(2, 5, 9), (4, 4), 2)
F.pixel_shuffle(x(1, 8, 2, 2), 3)
F.channel_shuffle(x(1, 7, 2, 2), 3)
F.relu([1.0])
F.gelu(i(5, 3))
F.gelu(x(3), approximate="fast")
F.leaky_relu(i(5, 3))
F.hardtanh(x(3), 2, 1)
F.softshrink(x(3), -1)
F.celu(x(3), 0)
F.prelu(x(2, 3), x(2))
F.glu(x(2, 3))
F.glu(x())
F.relu(x(3), inplace=True)
F.dropout(x(3), 1.5)
F.dropout(i(5, 3))
F.dropout1d(x(3))
F.batch_norm(x(1, 3), None, None, training=True)
F.batch_norm(x(3), None, None, training=True)
F.batch_norm(x(2, 3), T.zeros(4), T.ones(3))
F.batch_norm(x(2, 3), None, None)
F.batch_norm(x(2, 3), None, None, training=True, eps=0.0)
F.batch_norm(x(2, 3), T.zeros(3).double(), None, training=True)
F.instance_norm(x(2, 3, 1))
F.layer_norm(x(2, 3), (2,))
F.layer_norm(x(2, 3), ())
F.layer_norm(x(2, 3), 3)
F.layer_norm(x(2, 3), (3,), x(2))
F.rms_norm(x(2, 3), (2,))
F.group_norm(x(2, 3, 2), 2)
F.group_norm(x(3), 3)
F.group_norm(x(1, 4), 4)
F.local_response_norm(x(2, 3), 2)
F.normalize(i(5, 2, 3))
F.embedding(t([3]), x(3, 2))
F.embedding(t([-1]), x(3, 2))
F.embedding(t([1.0]), x(3, 2))
F.embedding(t([1]), x(3))
F.embedding(t([1]), x(3, 2), padding_idx=3)
F.one_hot(t([-1, 0]))
F.one_hot(t([4]), 3)
F.one_hot(t([1.0]), 3)
F.one_hot(t([], dtype=T.int64))
F.cosine_similarity(i(5, 2, 3), i(5, 2, 3))
F.cosine_similarity(x(3), x(3))
F.pairwise_distance(x(2, 3), x(4, 3))
F.scaled_dot_product_attention(x(4), x(4), x(4))
F.scaled_dot_product_attention(x(2, 4), x(2, 3), x(2, 4))
F.scaled_dot_product_attention(x(2, 4), x(2, 4), x(2, 4), i(2, 2, 2))
F.scaled_dot_product_attention(x(4, 2, 4), x(3, 2, 4), x(3, 2, 4), enable_gqa=True)
F.cross_entropy(x(3, 10), t([0, 12, 1]))
F.cross_entropy(x(3, 10), t([0, -1, 1]))
F.cross_entropy(x(3, 10), t([0, 1]))
F.cross_entropy(x(3, 10), t([0., 1., 2.]))
F.cross_entropy(x(3, 4), i(3, 3, 4))
F.cross_entropy(x(3, 4, 5), i(3, 3, 6))
F.cross_entropy(x(3, 4), i(4, 3), x(3))
F.cross_entropy(x(3, 4), i(4, 3), label_smoothing=1.5)
F.cross_entropy(x(3, 4), i(4, 3), reduction="max")
F.cross_entropy(i(4, 3, 4), i(4, 3))
F.cross_entropy(x(3, 4), p(3, 4), ignore_index=1)
F.cross_entropy(x(), t(0))
F.nll_loss(x(3, 10), t([0, 12, 1]))
F.nll_loss(x(3, 10), t([0, 1]))
F.nll_loss(x(), t(0))
F.mse_loss(x(3, 2), x(3))
F.mse_loss(i(3, 3), i(3, 3))
F.mse_loss(x(3), x(3), weight=x(2))
F.l1_loss(i(3, 3), i(3, 3))
F.smooth_l1_loss(x(3), x(3), beta=-1)
F.huber_loss(x(3), x(3), delta=0)
F.binary_cross_entropy(t([1.5]), t([1.]))
F.binary_cross_entropy(t([0.5]), t([1.5]))
F.binary_cross_entropy(t([NAN]), t([1.]))
F.binary_cross_entropy(x(2), x(1))
F.binary_cross_entropy(p(2), i(2, 2))
F.binary_cross_entropy_with_logits(x(2), x(1))
F.binary_cross_entropy_with_logits(x(2), i(2, 2))
F.kl_div(x(2), i(2, 2), reduction="sum")
F.gaussian_nll_loss(x(2), x(2), t([-1., 1.]))
F.gaussian_nll_loss(x(2), x(2), p(3))
F.gaussian_nll_loss(x(2), x(2), 2)
F.margin_ranking_loss(x(2), x(2), t(1))
F.cosine_embedding_loss(x(2, 3), x(2, 3), t([[1, -1]]))
F.cosine_embedding_loss(x(2, 3), x(3), t([1, -1]))
F.triplet_margin_loss(x(2, 3), x(2, 3), x(2, 3), margin=-1)
F.triplet_margin_loss(x(2, 3), x(3), x(2, 3))
F.multi_margin_loss(x(2, 3), t([0, 3]))
F.multi_margin_loss(x(2, 3), t([0]))
F.multi_margin_loss(x(2, 3), t([0, 1]), p=3)
F.multilabel_margin_loss(x(3), t([3, -1, -1]))
F.multilabel_margin_loss(x(3), t([0, -1]))
F.multilabel_soft_margin_loss(x(2, 3), p(2, 3), reduction="max")
""")


@pytest.mark.parametrize("call", REFUSED)
def test_errors_are_of_the_same_class(call):
    with pytest.raises(Exception) as theirs:
        World(torch).run(call)
    with pytest.raises(Exception) as ours:
        World(flambeau).run(call)
    assert isinstance(ours.value, type(theirs.value)), f"{ours.value!r}, PyTorch {theirs.value!r}"


# ----- warnings -----

WARNED = lines("""
F.mse_loss(T.ones(3, 1), T.ones(3))
F.smooth_l1_loss(T.ones(3, 1), T.ones(3))
F.mse_loss(T.ones(3), T.ones(3), size_average=False)
F.cross_entropy(T.ones(3, 2), T.tensor([0, 1, 1]), reduce=False)
F.kl_div(T.ones(3), T.ones(3))
F.softmax(T.ones(3, 2))
F.dropout2d(T.ones(2, 3, 4), 0.5)
F.dropout2d(T.ones(2, 3), 0.5)
F.dropout3d(T.ones(2, 3), 0.5)
F.gumbel_softmax(T.ones(2, 3), eps=1e-3)
""")


@pytest.mark.parametrize("call", WARNED)
def test_warnings(call):
    heard = []
    for library in (flambeau, torch):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            eval(call, {"T": library, "F": library.nn.functional})
        heard.append([w.category for w in caught])
    assert heard[0] == heard[1] != []


def test_signatures():
    """Names, order and defaults of parameters, where Python knows PyTorch's."""
    import inspect

    for name in flambeau.nn.functional.__all__:
        theirs = getattr(torch.nn.functional, name)
        try:
            want = inspect.signature(theirs).parameters.values()
        except ValueError:
            continue
        if "args" in [p.name for p in want] or name in ("hardtanh_", "leaky_relu_"):
            continue
        got = inspect.signature(getattr(flambeau.nn.functional, name)).parameters.values()
        mine = [(p.name, p.default) for p in got if p.name != "out" or "out" in [q.name for q in want]]
        assert mine == [(p.name, p.default) for p in want], name
