"""Functions of `nn.functional`: errors, laziness, writing in place, adjoints, gradients of compositions."""

import builtins
import math
import warnings

import numpy as np
import pytest

import flambeau as torch
import flambeau.nn.functional as F
from flambeau.core.config import config
from flambeau.core.program import programs
from flambeau.core.realize import recorder

NAN, INF = math.nan, math.inf


def numbers(*shape, seed=0, dtype=np.float64):
    return torch.tensor(np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype))


def f64(*shape, seed=0):
    return numbers(*shape, seed=seed).requires_grad_()


def close(got, want, tolerance=1e-12):
    np.testing.assert_allclose(got.detach().numpy(), np.asarray(want), rtol=tolerance, atol=tolerance)


def pending(f):
    """How many operations `f` records."""
    recorder.flush("test")
    keep = f()
    count = len(recorder.pending)
    assert keep is not None
    return count


# ----- convolution -----

GEOMETRY = [
    {"stride": 1, "padding": 0},
    {"stride": 2, "padding": 1, "dilation": 2},
    {"stride": (2,), "padding": 1, "groups": 2},
]


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("geometry", GEOMETRY)
def test_the_transposed_convolution_is_the_adjoint(n, geometry):
    x, w = numbers(2, 4, *(7,) * n), numbers(6, 4 // geometry.get("groups", 1), *(2,) * n)
    y = getattr(F, f"conv{n}d")(x, w, **geometry)
    g = numbers(*y.shape, seed=1)
    stride = 1 if geometry["stride"] == 1 else 2
    extra = (7 + 2 * geometry["padding"] - geometry.get("dilation", 1) - 1) % stride  # of what no window sees
    back = getattr(F, f"conv_transpose{n}d")(g, w, output_padding=extra, **geometry)
    assert back.shape == x.shape
    close((back * x).sum(), (g * y).sum().item(), 1e-10)


def test_padding_same_keeps_the_size_and_valid_adds_none():
    x = numbers(1, 1, 6)
    for kernel in (1, 2, 3, 4):
        w = numbers(1, 1, kernel)
        assert F.conv1d(x, w, padding="same", dilation=2 if kernel < 4 else 1).shape == x.shape
        assert F.conv1d(x, w, padding="valid").shape == (1, 1, 7 - kernel)
    close(F.conv1d(x, torch.ones(1, 1, 2, dtype=torch.float64), padding="same")[0, 0, -1], x[0, 0, -1].item())


def test_an_unbatched_input_is_a_batch_of_one():
    x, w, b = numbers(3, 5, 5), numbers(2, 3, 3, 3), numbers(2)
    close(F.conv2d(x, w, b), F.conv2d(x[None], w, b)[0])
    close(F.conv_transpose2d(x, w.transpose(0, 1), b), F.conv_transpose2d(x[None], w.transpose(0, 1), b)[0])
    close(F.max_pool2d(x, 2), F.max_pool2d(x[None], 2)[0])


@pytest.mark.parametrize("padding", [1, "same"])
def test_convolution_of_an_empty_batch(padding):
    x, w = torch.zeros(0, 3, 5, 5, requires_grad=True), torch.ones(2, 3, 3, 3, requires_grad=True)
    y = F.conv2d(x, w, padding=padding)
    y.sum().backward()
    assert y.shape == (0, 2, 5, 5) and x.grad.shape == x.shape and not w.grad.any()


def test_unfold_and_fold_are_adjoint():
    geometry = {"kernel_size": (2, 3), "dilation": (2, 1), "padding": (1, 0), "stride": (1, 2)}
    x = numbers(2, 3, 6, 7)
    columns = F.unfold(x, **geometry)
    g = numbers(*columns.shape, seed=1)
    close((F.fold(g, (6, 7), **geometry) * x).sum(), (g * columns).sum().item(), 1e-10)


def test_convolution_is_a_product_with_columns():
    x, w = numbers(2, 3, 6, 7), numbers(4, 3, 2, 3)
    want = (w.reshape(4, -1) @ F.unfold(x, (2, 3))).reshape(2, 4, 5, 5)
    close(F.conv2d(x, w), want, 1e-10)


# ----- pooling -----


def test_maxima_go_back_to_where_they_were():
    x = numbers(2, 3, 5, 6)
    values, where = F.max_pool2d(x, (2, 3), return_indices=True)
    close(F.max_unpool2d(values, where, (2, 3), output_size=(5, 6)).amax((2, 3)), values.amax((2, 3)))
    close(x.flatten(2).gather(2, where.flatten(2)).reshape(values.shape), values)


def test_the_first_of_equal_maxima_gets_the_gradient_and_nan_wins():
    x = torch.tensor([[1.0, 1.0, 0.0, NAN, 2.0, 3.0]], requires_grad=True)
    y = F.max_pool1d(x, 2)
    y.nansum().backward()
    assert y[0, 0] == 1 and y[0, 1].isnan() and y[0, 2] == 3
    assert x.grad.tolist() == [[1, 0, 0, 0, 0, 1]]


def test_adaptive_pools_of_none_keep_the_size():
    x = numbers(2, 3, 5, 7)
    assert F.adaptive_avg_pool2d(x, (None, 3)).shape == (2, 3, 5, 3)
    assert F.adaptive_max_pool2d(x, (2, None)).shape == (2, 3, 2, 7)
    close(F.adaptive_avg_pool2d(x, (5, 7)), x)
    close(F.adaptive_avg_pool3d(x, 1).flatten(), x.mean((1, 2, 3)))


def test_a_windows_elements_that_are_padding_count_only_if_asked():
    x = torch.ones(1, 1, 4)
    assert F.avg_pool1d(x, 2, padding=1).tolist() == [[[0.5, 1, 0.5]]]
    assert F.avg_pool1d(x, 2, padding=1, count_include_pad=False).tolist() == [[[1, 1, 1]]]
    assert F.avg_pool2d(torch.ones(1, 2, 2), 2, divisor_override=8).item() == 0.5


# ----- errors at the call -----

ones, zeros, tensor = torch.ones, torch.zeros, torch.tensor
x44, w3 = ones(2, 3, 4, 4), ones(4, 3, 3, 3)
names = globals()
REFUSED = r"""
F.linear(ones(64, 784), ones(10, 512))
    RuntimeError: linear: input has 784 features \(shape \(64, 784\)\), weight expects 512.*Linear\(784
F.linear(ones(2, 3), ones(4, 3), ones(5))
    RuntimeError: \(5,\).*\(2, 4\)
F.linear(ones(2, 3), ones(4, 3).double())
    RuntimeError: float32 and torch.float64
F.bilinear(ones(2, 3), ones(2, 4), ones(5, 4, 4))
    RuntimeError: \(out, 3, 4\)
F.conv2d(ones(2, 4, 8, 8), w3)
    RuntimeError: to have 3 channels, but got 4.*in_channels=4
F.conv2d(ones(2, 3), w3)
    RuntimeError: Expected 3D \(unbatched\) or 4D \(batched\).*\[2, 3\]
F.conv2d(x44[:, :, :2], w3)
    RuntimeError: \(2, 4\).*Kernel size can't be greater
F.conv2d(x44, w3, ones(3))
    RuntimeError: bias to be 1-dimensional with 4 elements
F.conv2d(x44, w3, stride=0)
    RuntimeError: non-positive stride.*\[0, 0\]
F.conv2d(x44, w3, padding=-1)
    RuntimeError: negative padding
F.conv2d(x44, w3, dilation=(1, 1, 1))
    RuntimeError: list of 2 values.*\[1, 1, 1\]
F.conv2d(x44, w3, stride=1.5)
    TypeError: stride must be a whole number
F.conv2d(x44, w3, stride=2, padding="same")
    RuntimeError: 'same' is not supported for strided
F.conv2d(x44, w3, padding="full")
    RuntimeError: Invalid padding string: 'full'
F.conv2d(x44, ones(4, 1, 3, 3), groups=3)
    RuntimeError: divisible by 3 at dimension 0
F.conv2d(x44, w3, groups=0)
    RuntimeError: non-positive groups
F.conv2d([1], w3)
    TypeError: 'input' must be Tensor, not list
F.conv_transpose2d(x44, ones(3, 4, 3, 3), output_padding=1)
    RuntimeError: smaller than either
F.conv_transpose2d(x44, ones(3, 4, 3, 3), padding=3)
    RuntimeError: too small
F.max_pool2d(x44, 2, padding=2)
    RuntimeError: pad=2, kernel_size=2
F.max_pool2d(x44, 9)
    RuntimeError: \(0, 0\). Output size is too small
F.max_pool2d(x44, 2, stride=0)
    RuntimeError: greater than zero
F.max_pool1d(ones(1, 3), 2, dilation=4, padding=1)
    ValueError: steps over the whole input
F.max_pool2d(x44.bool(), 2)
    NotImplementedError: max_pool
F.avg_pool2d(x44, 2, divisor_override=0)
    RuntimeError: must be not zero
F.adaptive_avg_pool2d(x44, (1, 2, 3))
    RuntimeError: 2 numbers
F.adaptive_avg_pool2d(x44, -1)
    RuntimeError: \(-1, -1\)
F.lp_pool2d(x44, 0, 2)
    ZeroDivisionError: norm_type 0
F.max_unpool2d(x44, tensor(np.full((2, 3, 4, 4), 99)), 2)
    RuntimeError: invalid max index: 99
F.max_unpool2d(*F.max_pool2d(x44, 2, return_indices=True), 2, output_size=(9, 4))
    ValueError: 9, 4
F.pad(x44, (1,))
    RuntimeError: divisible by 2
F.pad(x44, (4, 4, 0, 0), "reflect")
    RuntimeError: at most 3
F.pad(x44, (5, 0, 0, 0), "circular")
    RuntimeError: wrapping around more than once
F.pad(x44, (1, 1), "reflect")
    NotImplementedError: 4D input
F.pad(x44, (1, 1), "mirror")
    NotImplementedError: padding mode mirror
F.pad(x44, (1, 1, 1, 1), "replicate", 3.0)
    RuntimeError: doesn't take in value
F.pad(x44, (-3, -3))
    RuntimeError: cut off more
F.unfold(x44, 9)
    RuntimeError: \(0, 0\).*at least one
F.fold(ones(1, 5, 9), (4, 4), 2)
    RuntimeError: input.size\(1\)=5
F.pixel_shuffle(ones(1, 8, 2, 2), 3)
    RuntimeError: 8 is not divisible by 9
F.softplus("a")
    TypeError: must be Tensor, not str
F.gelu(ones(2), approximate="fast")
    RuntimeError: 'fast'
F.gelu(ones(2).long())
    NotImplementedError: gelu.*int64
F.hardtanh(ones(2), 2, 1)
    ValueError: 2 and 1
F.softshrink(ones(2), -1)
    RuntimeError: -1
F.celu(ones(2), 0)
    RuntimeError: alpha cannot be 0
F.prelu(ones(2, 3), ones(2))
    RuntimeError: numbers = 2 and channel size = 3
F.glu(ones(2, 3))
    RuntimeError: dimension 1 is size 3
F.rrelu(ones(2), 0.5, 0.1)
    RuntimeError: 0.5 and 0.1
F.dropout(ones(2), 1.5)
    ValueError: between 0 and 1, but got 1.5
F.dropout(ones(2).long())
    RuntimeError: int64
F.dropout1d(ones(3))
    RuntimeError: 2D or 3D
F.batch_norm(ones(1, 3), None, None, training=True)
    ValueError: more than 1 value.*\[1, 3\]
F.batch_norm(ones(2, 3), ones(4), ones(3))
    RuntimeError: running_mean.*3 elements not 4
F.batch_norm(ones(2, 3), None, None)
    RuntimeError: running_mean must be defined
F.batch_norm(ones(2, 3), None, None, training=True, eps=0)
    ValueError: eps must be positive
F.batch_norm(ones(2, 3), ones(3), ones(3).double())
    RuntimeError: mixed dtype
F.instance_norm(ones(2, 3, 1))
    ValueError: spatial element.*\[2, 3, 1\]
F.layer_norm(ones(2, 3), (2,))
    RuntimeError: normalized_shape=\[2\].*\[2, 3\]
F.layer_norm(ones(2, 3), 3)
    TypeError: tuple of ints, not int
F.layer_norm(ones(2, 3), (3,), ones(2))
    RuntimeError: weight.*\[3\].*\[2\]
F.group_norm(ones(2, 3, 2), 2)
    RuntimeError: \[2, 3, 2\] and num_groups=2
F.local_response_norm(ones(2, 3), 2)
    ValueError: 2 dimensions
F.embedding(tensor([1.0]), ones(3, 2))
    RuntimeError: int64 or int32
F.embedding(tensor([1]), ones(3, 2, requires_grad=True), scale_grad_by_freq=True, sparse=True)
    RuntimeError: not supported with sparse gradients
F.embedding(tensor([1]), ones(3, 2), padding_idx=3)
    AssertionError: 3 for 3
F.one_hot(tensor([1.0]))
    RuntimeError: LongTensor
F.one_hot(tensor([-1, 0]))
    RuntimeError: non-negative, got -1
F.one_hot(tensor([4]), 3)
    RuntimeError: 4 of 3
F.scaled_dot_product_attention(x44, x44.double(), x44)
    RuntimeError: same floating dtype
F.scaled_dot_product_attention(x44, x44[:, :2], x44[:, :2], enable_gqa=True)
    RuntimeError: Number of heads
F.scaled_dot_product_attention(x44, x44, x44, ones(4, 4).long())
    RuntimeError: attn_mask
F.cross_entropy(ones(3, 10), tensor([0, 12, 1]))
    IndexError: cross_entropy: target 12 is out of bounds for 10 classes
F.nll_loss(ones(3, 10), tensor([0, -1, 1]))
    IndexError: nll_loss: target -1
F.cross_entropy(ones(3, 10), tensor([0, 1]))
    ValueError: batch_size \(3\).*\(2\)
F.cross_entropy(ones(3, 10), tensor([0, 1, 2]).int())
    RuntimeError: Long or Byte
F.cross_entropy(ones(3, 4, 5), zeros(3, 6).long())
    RuntimeError: \[3, 5\], got \[3, 6\]
F.cross_entropy(ones(3, 4), zeros(3).long(), ones(3))
    RuntimeError: all 4 classes
F.cross_entropy(ones(3, 4), zeros(3).long(), label_smoothing=2)
    RuntimeError: Got: 2
F.cross_entropy(ones(3, 4), zeros(3).long(), reduction="max")
    ValueError: max is not a valid
F.binary_cross_entropy(tensor([1.5]), tensor([1.0]))
    RuntimeError: input.*between 0 and 1, got 1.5
F.binary_cross_entropy(ones(2), ones(1))
    ValueError: \(1,\).*\(2,\)
F.binary_cross_entropy_with_logits(ones(2), ones(2).long())
    RuntimeError: target.float()
F.mse_loss(ones(2).long(), ones(2).long())
    NotImplementedError: mse_loss.*int64
F.smooth_l1_loss(ones(2), ones(2), beta=-1)
    RuntimeError: negative values for beta, got -1
F.huber_loss(ones(2), ones(2), delta=0)
    RuntimeError: delta, got 0
F.gaussian_nll_loss(ones(2), ones(2), tensor([-1.0, 1]))
    ValueError: negative
F.multi_margin_loss(ones(2, 3), tensor([0, 3]))
    RuntimeError: from 0 to 3 for 3 classes
F.multi_margin_loss(ones(2, 3), tensor([0, 1]), p=3)
    ValueError: got 3
F.multilabel_margin_loss(ones(3), tensor([3, -1, -1]))
    RuntimeError: out of range
F.triplet_margin_loss(x44, x44, x44, margin=0)
    ValueError: greater than 0, got 0
F.cosine_embedding_loss(x44, x44, ones(2, 2))
    RuntimeError: multi-target
"""


CALLS = REFUSED.strip().split("\n")


@pytest.mark.parametrize("call, outcome", list(zip(CALLS[::2], CALLS[1::2], strict=True)))
def test_misuse_is_refused_at_the_call(call, outcome):
    error, words = outcome.strip().split(": ", 1)
    with pytest.raises(getattr(builtins, error), match=words):
        eval(call, names)


# ----- what is known only later -----


def test_a_label_that_is_computed_is_checked_when_it_is_known():
    with pytest.raises(IndexError, match="target 12 is out of bounds for 10 classes") as e:
        F.cross_entropy(torch.zeros(3, 10), torch.tensor([0, 1, 8]) + 4).item()
    assert config.mode == "eager" or "test_functional.py" in "".join(e.value.__notes__)


def test_a_row_that_is_computed_is_checked_when_it_is_known():
    with pytest.raises(IndexError, match="embedding"):
        F.embedding(torch.tensor([0, 1]) - 1, torch.ones(3, 2)).tolist()


def test_a_probability_that_is_computed_is_checked_when_it_is_known():
    with pytest.raises(RuntimeError, match=r"got 1\.4"):
        F.binary_cross_entropy(torch.tensor([0.7]) * 2, torch.tensor([1.0])).item()


def test_ignored_labels_may_have_any_value():
    x, t = f64(4, 3), torch.tensor([0, 7, 2, 7])
    loss = F.cross_entropy(x, t, ignore_index=7)
    loss.backward()
    close(loss, F.cross_entropy(x[::2], t[::2]).item())
    assert x.grad[::2].abs().sum() > 0 and not x.grad[1::2].any()
    assert F.cross_entropy(x, torch.full((4,), 7), ignore_index=7).isnan()
    assert F.cross_entropy(x, torch.full((4,), 7), ignore_index=7, reduction="sum") == 0


# ----- programs: few operations, and new numbers are no new ones -----


@pytest.mark.skipif(config.mode == "eager", reason="nothing is pending in eager mode")
def test_a_layer_records_few_operations():
    x, w, b, t = (torch.ones(s, requires_grad=True) for s in ((4, 8), (8, 8), (8,), (4,)))
    labels = torch.zeros(4).long()
    assert pending(lambda: F.linear(x, w, b)) == 1
    assert pending(lambda: F.gelu(x)) == 1
    assert pending(lambda: F.leaky_relu(x)) == 1
    assert pending(lambda: F.layer_norm(x, (8,), w[0].detach(), b)) <= 4
    assert pending(lambda: F.cross_entropy(x, labels)) == 1
    assert pending(lambda: F.mse_loss(x[0], w[0])) <= 5
    assert pending(lambda: F.dropout(t)) == 3


@pytest.mark.parametrize(
    "f",
    [
        F.leaky_relu,
        F.elu,
        F.softplus,
        lambda x, p: F.hardtanh(x, -p, p),
        lambda x, p: F.smooth_l1_loss(x, x + 1, beta=p),
        lambda x, p: F.layer_norm(x, (3,), eps=p),
        lambda x, p: F.pad(x, (1, 1), value=p),
        lambda x, p: F.batch_norm(x, x[0] * 0, x[0] * 0 + 1, training=True, momentum=p, eps=p),
    ],
)
def test_another_number_is_the_same_program(f):
    recorder.flush("test")
    x = numbers(2, 3)
    f(x, 0.25).tolist()
    misses = programs.misses
    f(x, 0.75).tolist()
    assert programs.misses == misses


# ----- in place -----

IN_PLACE = {
    "relu": (),
    "relu6": (),
    "elu": (1.3,),
    "selu": (),
    "celu": (0.7,),
    "leaky_relu": (0.2,),
    "hardtanh": (-0.4, 0.9),
    "silu": (),
    "mish": (),
    "hardswish": (),
    "hardsigmoid": (),
    "threshold": (0.1, -3.0),
    "dropout": (0.4,),
    "dropout1d": (0.4,),
    "alpha_dropout": (0.4, True),
    "feature_alpha_dropout": (0.4, True),
    "rrelu": (0.1, 0.5, True),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_writes_what_is_else_returned_and_has_its_gradient(name):
    f, leaf = getattr(F, name), f64(3, 4)
    torch.manual_seed(1)
    want = f(leaf * 1, *IN_PLACE[name])
    (gradient,) = torch.autograd.grad(want.sum(), leaf)
    torch.manual_seed(1)
    x = leaf * 1
    view = x[1]
    assert f(x, *IN_PLACE[name], inplace=True) is x
    assert torch.equal(x, want) and torch.equal(view, want[1])
    assert torch.equal(torch.autograd.grad(x.sum(), leaf)[0], gradient)
    with pytest.raises(RuntimeError, match="leaf Variable"):
        f(leaf, *IN_PLACE[name], inplace=True)


@pytest.mark.parametrize("name", ["relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_", "rrelu_"])
def test_the_functions_with_an_underscore_write_in_place(name):
    x = numbers(3, 4)
    want = getattr(F, name[:-1])(x)
    assert getattr(F, name)(x) is x and torch.equal(x, want)


# ----- activations -----


def test_activations_far_out_are_finite_with_finite_gradients():
    for f in (
        F.silu,
        F.mish,
        F.softplus,
        F.logsigmoid,
        F.elu,
        F.selu,
        F.gelu,
        lambda x: F.gelu(x, approximate="tanh"),
    ):
        x = torch.tensor([-1e4, -100.0, 100.0, 1e4], requires_grad=True)
        y = f(x)
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        g.sum().backward()
        assert y.isfinite().all() and g.isfinite().all() and x.grad.isfinite().all()


def test_softmax_without_a_dimension_warns():
    with pytest.warns(UserWarning, match="Implicit dimension choice for softmax"):
        assert torch.equal(F.softmax(numbers(2, 3)), F.softmax(numbers(2, 3), 1))


def test_the_hard_gumbel_draw_is_one_hot_with_a_soft_gradient():
    x = f64(4, 5)
    y = F.gumbel_softmax(x, hard=True)
    y.square().sum().backward()
    assert sorted(set(y.detach().round().flatten().tolist())) == [0, 1] and torch.equal(
        y.sum(1).round(), y.new_ones(4)
    )
    assert x.grad.abs().sum() > 0


# ----- normalization -----


def test_running_statistics_follow_the_batch():
    x, mean, var = numbers(4, 2, 3), torch.zeros(2).double(), torch.ones(2).double()
    F.batch_norm(x, mean, var, training=True, momentum=0.2)
    values = x.transpose(0, 1).reshape(2, -1)
    close(mean, values.mean(1) * 0.2, 1e-10)
    close(var, 0.8 + values.var(1) * 0.2, 1e-10)
    close(F.batch_norm(x, mean, var, eps=0), (x - mean[:, None]) / var[:, None].sqrt(), 1e-10)


def test_a_batch_with_nan_does_not_spoil_the_running_statistics():
    x, mean, var = torch.tensor([[1.0, 2.0], [NAN, 3.0]]), torch.zeros(2), torch.ones(2)
    with pytest.raises(ValueError, match=r"batch_norm: the input of shape \(2, 2\) contains NaN"):
        F.batch_norm(x, mean, var, training=True)
    assert mean.tolist() == [0, 0] and var.tolist() == [1, 1]
    assert F.batch_norm(x, None, None, training=True)[:, 0].isnan().all()
    assert F.batch_norm(x, mean, var)[0].isfinite().all()
    F.batch_norm(x * 1, mean, var, training=True)  # a result of operations isn't looked at
    assert mean.isnan().tolist() == [True, False]


def test_an_empty_batch_leaves_the_running_statistics():
    mean, var = torch.zeros(3), torch.ones(3)
    w = torch.ones(3, requires_grad=True)
    y = F.batch_norm(torch.ones(0, 3, 2), mean, var, w, training=True)
    y.sum().backward()
    assert (
        y.shape == (0, 3, 2) and mean.tolist() == [0, 0, 0] and var.tolist() == [1, 1, 1] and not w.grad.any()
    )
    assert F.layer_norm(torch.ones(0, 3), (3,)).shape == (0, 3)
    assert F.group_norm(torch.ones(0, 4, 2), 2).shape == (0, 4, 2)


def test_half_types_are_normalized_in_float32():
    x = (numbers(8, 64) * 30 + 100).bfloat16()
    want = F.layer_norm(x.float(), (64,), torch.full((64,), 1.5), torch.ones(64))
    got = F.layer_norm(x, (64,), torch.full((64,), 1.5), torch.ones(64))
    assert got.dtype is torch.bfloat16 and (got.float() - want).abs().max() < 2e-2


# ----- embeddings, attention -----


def test_the_padding_row_gets_no_gradient_and_frequent_rows_a_mean():
    w, rows = f64(4, 2), torch.tensor([[1, 2], [2, 0]])
    F.embedding(rows, w, padding_idx=-4).sum().backward()
    assert w.grad.tolist() == [[0, 0], [1, 1], [2, 2], [0, 0]]
    w.grad = None
    F.embedding(rows, w, scale_grad_by_freq=True).sum().backward()
    assert w.grad.tolist() == [[1, 1], [1, 1], [1, 1], [0, 0]]


def test_long_vectors_are_shortened_in_the_table():
    w = torch.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]], requires_grad=True)
    close(F.embedding(torch.tensor([0, 1, 0]), w, max_norm=1.0), [[0.6, 0.8], [0.3, 0.4], [0.6, 0.8]], 1e-6)
    close(w, [[0.6, 0.8], [0.3, 0.4], [6.0, 8.0]], 1e-6)


def test_who_may_see_nothing_gets_zeros_and_gives_no_gradient():
    q, mask = f64(2, 3, 4), torch.tensor([[True, False, True], [False, False, False], [True, True, True]])
    for m in (mask, torch.zeros(3, 3).double().masked_fill(~mask, -INF)):
        y = F.scaled_dot_product_attention(q, q, q, m)
        (g,) = torch.autograd.grad(y.sum(), q)
        assert not y[:, 1].any() and y[:, 0].any() and g.isfinite().all()


def test_causal_attention_does_not_see_the_future():
    q, k, v = (numbers(2, 5, 4, seed=i) for i in range(3))
    y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    k2, v2 = k.clone(), v.clone()
    k2[:, 3:], v2[:, 3:] = 9, 9
    close(F.scaled_dot_product_attention(q, k2, v2, is_causal=True)[:, :3], y[:, :3])
    close(y[:, 0], v[:, 0])


# ----- losses -----


def test_shapes_that_differ_are_warned_of():
    for f in (F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss):
        with pytest.warns(UserWarning, match="different to the input size"):
            f(torch.ones(3, 1), torch.ones(3))
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(torch.ones(2), torch.zeros(2), size_average=False) == 2


def test_probabilities_of_one_class_are_its_label():
    x, t = numbers(3, 4, 5), torch.tensor(np.arange(15).reshape(3, 5) % 4)
    one_hot = F.one_hot(t).movedim(-1, 1).double()
    for options in ({}, {"label_smoothing": 0.2}, {"reduction": "sum"}, {"reduction": "none"}):
        close(F.cross_entropy(x, t, **options), F.cross_entropy(x, one_hot, **options).numpy(), 1e-10)


def test_logits_give_what_probabilities_give():
    x, t = numbers(5), torch.tensor([0.0, 1.0, 0.3, 1.0, 0.0]).double()
    close(F.binary_cross_entropy_with_logits(x, t), F.binary_cross_entropy(x.sigmoid(), t).item(), 1e-10)
    assert F.binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0])) == 100


# ----- derivatives of what is composed -----

labels, other = torch.tensor([2, 0, -100]), numbers(3, 4, seed=5)
mask = torch.tensor(np.tri(3, dtype=bool))
COMPOSED = {
    "conv2d": lambda x: F.conv2d(x.reshape(1, 2, 2, 3), other.reshape(2, 2, 3, 1)[:, :, :2], padding="same"),
    "conv_transpose1d": lambda x: F.conv_transpose1d(
        x.reshape(1, 3, 4), other.reshape(3, 2, 2), stride=2, output_padding=1
    ),
    "max_pool1d": lambda x: F.max_pool1d(x, 2).square(),
    "adaptive_max_pool1d": lambda x: F.adaptive_max_pool1d(x, 3).square(),
    "lp_pool1d": lambda x: F.lp_pool1d(x.exp(), 3, 2),
    "batch_norm": lambda x: F.batch_norm(
        x.reshape(2, 3, 2), None, None, other[0, :3], other[1, :3], training=True
    ),
    "batch_norm, running": lambda x: F.batch_norm(x, other[0], other[1].square(), other[2]).square(),
    "instance_norm": lambda x: F.instance_norm(x.reshape(1, 3, 4)),
    "layer_norm": lambda x: F.layer_norm(x, (4,), other[0], other[1]),
    "group_norm": lambda x: F.group_norm(x.reshape(1, 4, 3), 2, other[0]),
    "rms_norm": lambda x: F.rms_norm(x, (4,), other[0]),
    "local_response_norm": lambda x: F.local_response_norm(x.reshape(1, 4, 3), 3, 0.5),
    "normalize": lambda x: F.normalize(x, 3.0),
    "attention": lambda x: F.scaled_dot_product_attention(x, x * 2, x + 1, mask),
    "bilinear": lambda x: F.bilinear(x, other, other.reshape(1, 3, 4)[:, :, :].expand(2, 3, 4).mT @ other),
    "pad, reflect": lambda x: F.pad(x, (2, 1), "reflect").square(),
    "unfold": lambda x: F.unfold(x.reshape(1, 3, 4), 2).square(),
    "fold": lambda x: F.fold(x.reshape(1, 4, 3), (2, 4), 2).square(),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x.reshape(4, 1, 3), 2).square(),
    "glu": F.glu,
    "cross_entropy": lambda x: F.cross_entropy(x, labels, other[0].square(), label_smoothing=0.1),
    "cross_entropy, probabilities": lambda x: F.cross_entropy(x, other.softmax(1)),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x.sigmoid(), other.sigmoid()),
    "with_logits": lambda x: F.binary_cross_entropy_with_logits(
        x, other.sigmoid(), pos_weight=other[0].exp()
    ),
    "kl_div": lambda x: F.kl_div(other.log_softmax(1), x.softmax(1), reduction="batchmean"),
    "poisson": lambda x: F.poisson_nll_loss(x, other.abs() * 3, full=True),
    "gaussian": lambda x: F.gaussian_nll_loss(x, other, x.square() + 0.1),
    "smooth_l1": lambda x: F.smooth_l1_loss(x, other, beta=0.7),
    "multi_margin": lambda x: F.multi_margin_loss(x, torch.tensor([1, 0, 3]), p=2),
    "multilabel_margin": lambda x: F.multilabel_margin_loss(
        x, torch.tensor([[1, 3, -1, 0], [0, -1, 0, 0], [-1] * 4])
    ).square(),
    "cosine_embedding": lambda x: F.cosine_embedding_loss(x, other, torch.tensor([1, -1, -1])),
    "triplet_margin": lambda x: F.triplet_margin_loss(x, other, other + 1, swap=True).square(),
    "pairwise_distance": lambda x: F.pairwise_distance(x, other, 3.0),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_derivatives(name):
    x = f64(3, 4)
    assert torch.autograd.gradcheck(COMPOSED[name], (x,))
    assert torch.autograd.gradgradcheck(COMPOSED[name], (x,), atol=1e-4)


def test_no_function_warns_of_numbers():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = torch.tensor([[NAN, INF, -INF, 0.0, 1e30]])
        for f in (F.relu, F.gelu, F.silu, F.softplus, F.elu, F.hardswish, F.softsign, F.mish, F.logsigmoid):
            f(x).tolist()
        F.layer_norm(x, (5,)).tolist()
        F.cross_entropy(x, torch.tensor([0])).item()
