"""Recurrent layers, their cells, packed sequences, and the kernels behind them."""

import copy
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

import flambeau as torch
from flambeau import nn
from flambeau.compiler.calls import Array, Plan, run_calls, strides_of
from flambeau.compiler.planner import PLANNERS
from flambeau.core import dtype as dt
from flambeau.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
)
from flambeau.ops import recurrent as ops
from flambeau.ops.op import Op
from flambeau.ops.reference import recurrent as reference

KINDS = [(nn.LSTM, nn.LSTMCell), (nn.GRU, nn.GRUCell), (nn.RNN, nn.RNNCell)]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0].__name__)
LENGTHS = [[3, 3], [4, 2, 1], [1, 5, 2]]


def as_cell(layer, kind, suffix="l0"):
    """A cell with the weights of one direction of a layer."""
    cell = kind(layer.input_size, layer.hidden_size)
    cell.load_state_dict({name: getattr(layer, f"{name}_{suffix}").detach() for name in cell.state_dict()})
    return cell


def steps(cell, x, order):
    """The outputs of a cell over the steps of a sequence, and its last state."""
    state, outs = None, {}
    for t in order:
        state = cell(x[t], state)
        outs[t] = state[0] if isinstance(state, tuple) else state
    return torch.stack([outs[t] for t in sorted(outs)]), state


def close(a, b, tolerance=1e-6):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), tolerance, tolerance)


# ----- layers -----


@each_kind
def test_a_layer_is_its_cell_step_by_step(kind):
    torch.manual_seed(0)
    layer, x = kind[0](3, 5, bidirectional=True), torch.randn(4, 2, 3)
    y, last = layer(x)
    for k, (suffix, order) in enumerate([("l0", range(4)), ("l0_reverse", range(3, -1, -1))]):
        want, state = steps(as_cell(layer, kind[1], suffix), x, order)
        close(y[..., 5 * k : 5 * k + 5], want)
        for ours, theirs in zip(last, state, strict=True) if isinstance(last, tuple) else [(last, state)]:
            close(ours[k], theirs)


@each_kind
def test_shapes(kind):
    layer = kind[0](3, 5, num_layers=2, bidirectional=True, batch_first=True)
    first = lambda states: states[0] if isinstance(states, tuple) else states  # noqa: E731
    y, last = layer(torch.randn(2, 4, 3))
    assert y.shape == (2, 4, 10) and first(last).shape == (4, 2, 5)
    y, last = layer(torch.randn(4, 3))
    assert y.shape == (4, 10) and first(last).shape == (4, 5)
    y, last = layer(torch.randn(0, 4, 3))
    assert y.shape == (0, 4, 10) and first(last).shape == (4, 0, 5)


@each_kind
def test_layers_one_after_the_other(kind):
    torch.manual_seed(1)
    both, x = kind[0](3, 4, num_layers=2), torch.randn(5, 2, 3)
    one, two = kind[0](3, 4), kind[0](4, 4)
    for layer, suffix in ((one, "l0"), (two, "l1")):
        own = {name: getattr(both, name.replace("l0", suffix)).detach() for name in layer.state_dict()}
        layer.load_state_dict(own)
    close(both(x)[0], two(one(x)[0])[0])


def test_state_dict_names():
    names = list(nn.LSTM(3, 4, 2, bidirectional=True, proj_size=2).state_dict())
    assert names[:5] == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"]
    assert names[5] == "weight_ih_l0_reverse" and names[-1] == "weight_hr_l1_reverse" and len(names) == 20
    assert list(nn.GRU(3, 4, bias=False).state_dict()) == ["weight_ih_l0", "weight_hh_l0"]
    layer = nn.GRU(3, 4, 2)
    layer.flatten_parameters()
    assert [[w.shape for w in ws] for ws in layer.all_weights][1] == [(12, 4), (12, 4), (12,), (12,)]


@each_kind
def test_layers_copy_and_pickle(kind):
    layer, x = kind[0](3, 4, 2, dropout=0.5).eval(), torch.randn(2, 1, 3)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert repr(twin) == repr(layer) and torch.equal(twin(x)[0], layer(x)[0])


def test_dropout_acts_between_layers_in_training_only():
    torch.manual_seed(0)
    layer, x = nn.GRU(3, 8, 2, dropout=0.5), torch.randn(4, 2, 3)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


@each_kind
@pytest.mark.parametrize("lengths", LENGTHS)
def test_packed_sequences_are_the_sequences_one_by_one(kind, lengths):
    torch.manual_seed(2)
    layer = kind[0](3, 4, num_layers=2, bidirectional=True)
    xs = [torch.randn(n, 3) for n in lengths]
    packed, last = layer(pack_sequence(xs, enforce_sorted=False))
    for k, (x, y) in enumerate(zip(xs, unpack_sequence(packed), strict=True)):
        want, state = layer(x)
        close(y, want)
        for ours, theirs in zip(last, state, strict=True) if isinstance(last, tuple) else [(last, state)]:
            close(ours[:, k], theirs)


@each_kind
def test_gradients(kind):
    torch.manual_seed(3)
    layer = kind[0](2, 3, bidirectional=True).double()
    xs = [torch.randn(n, 2, dtype=torch.float64, requires_grad=True) for n in (3, 1)]
    weights = list(layer.parameters())

    def run(*inputs):
        y, last = layer(pack_sequence(list(inputs[:2])))
        return (y.data, *(last if isinstance(last, tuple) else (last,)))

    assert torch.autograd.gradcheck(run, [*xs, *weights])
    assert torch.autograd.gradgradcheck(lambda *inputs: run(*inputs)[0], xs)


@pytest.mark.parametrize("name", ["lstm_backward", "gru_backward", "rnn_backward"])
def test_gradients_are_the_same_as_an_operation_and_composed(name):
    for arrays, attrs in Op.registry[name].samples():
        tensors = [torch.tensor(a) for a in arrays]
        composed = getattr(reference, name)(ops.TENSORS, *tensors, **attrs)
        for a, b in zip(Op.registry[name](*tensors, *attrs.values()), composed, strict=True):
            close(a, b, 1e-13)


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda: nn.LSTM(3, 4)(torch.ones(2, 2, 3), torch.ones(1, 2, 4)), "must be a pair of tensors"),
        (lambda: nn.LSTM(3, 4)(torch.ones(2, 2, 5)), "Expected 3, got 5"),
        (lambda: nn.GRU(3, 4)(torch.ones(2, 2, 3), torch.ones(1, 3, 4)), r"\(1, 2, 4\), got \[1, 3, 4\]"),
        (lambda: nn.GRU(3, 4)([1.0]), "must be Tensor, not list"),
        (lambda: nn.RNN(3, 4)(torch.ones(0, 2, 3)), "larger than 0"),
        (lambda: nn.RNN(3, 4)(PackedSequence(torch.ones(4, 3), torch.tensor([3, 2]))), "need 5 rows"),
        (lambda: nn.RNN(3, 4)(PackedSequence(torch.ones(5, 3), torch.tensor([2, 3]))), "none larger"),
        (lambda: nn.RNN(3, 4)(PackedSequence(torch.ones(2, 3), torch.tensor([3, -1]))), "none larger"),
        (lambda: nn.LSTMCell(3, 4)(torch.ones(2, 3), torch.ones(2, 4)), "must be a pair of tensors"),
        (
            lambda: ops.rnn(torch.ones(2, 4), torch.ones(4, 4), torch.ones(3, 4), (1, 1), False, True),
            "h of shape",
        ),
    ],
)
def test_errors(wrong, message):
    with pytest.raises((RuntimeError, TypeError), match=message):
        wrong()


# ----- packing -----


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("lengths", LENGTHS)
def test_packing_and_padding_undo_each_other(lengths, batch_first):
    xs = [torch.randn(n, 2, requires_grad=True) for n in lengths]
    padded = pad_sequence(xs, batch_first, padding_value=7.0)
    packed = pack_padded_sequence(padded, lengths, batch_first, enforce_sorted=False)
    again, n = pad_packed_sequence(packed, batch_first, padding_value=7.0)
    assert torch.equal(again, padded) and n.tolist() == lengths
    (again * again).sum().backward()
    assert all(torch.equal(x.grad, 2 * x) for x in xs)


def test_a_packed_sequence_converts_its_data():
    packed = pack_sequence([torch.ones(1), torch.ones(2)], enforce_sorted=False)
    assert packed.to(torch.float32) is packed and packed.cpu() is packed and not packed.is_cuda
    kinds = {"double": torch.float64, "half": torch.float16, "long": torch.int64, "byte": torch.uint8}
    for name, d in kinds.items():
        twin = getattr(packed, name)()
        assert type(twin) is PackedSequence and twin.data.dtype is d
        assert twin.batch_sizes is packed.batch_sizes and twin.sorted_indices is packed.sorted_indices


# ----- kernels -----

NAMES = ["lstm", "lstm_backward", "gru", "gru_backward", "rnn", "rnn_backward"]
GATES = {"l": 4, "g": 3, "r": 1}
SIZES = [((2, 2, 2), False), ((1,), True), ((5, 4, 4, 1), True), ((15, 15, 3), False), ((2, 0), False)]


def inputs(name, sizes, hidden):
    rng, n, gates = np.random.default_rng(hidden), sum(sizes), GATES[name[0]]
    shapes = {
        "x": (n, gates * hidden), "w": (gates * hidden, hidden), "b": (hidden,), "g_out": (n, hidden),
        "gates": (n, 4 * hidden), "out": (n, hidden), "c_before": (n, hidden), "h_before": (n, hidden),
    }  # fmt: skip
    shapes = [shapes.get(k, (sizes[0], hidden)) for k in Op.registry[name].inputs]
    return [rng.uniform(-0.9, 0.9, shape).astype(np.float32) for shape in shapes]


def attributes(name, sizes, reverse, relu=False, keep=True):
    return (sizes, reverse, *([relu] * name.startswith("rnn")), *([keep] * (not name.endswith("backward"))))


def natively(name, arrays, attrs, threads=1, wanted=None):
    """The operation by its kernels; the arrays may have any strides."""
    from flambeau.compiler.cpu import recurrent  # noqa: F401

    shapes = [(a.shape, a.dtype) for a in wanted or Op.registry[name].numpy(*arrays, *attrs)]
    results = [np.full(shape, np.nan, d) for shape, d in shapes]
    places = [
        Array(k, 0, a.shape, tuple(s // a.itemsize for s in a.strides), dt.from_numpy(a.dtype))
        for k, a in enumerate(arrays)
    ]
    made = [
        Array(len(arrays) + k, 0, r.shape, strides_of(r.shape), dt.from_numpy(r.dtype))
        for k, r in enumerate(results)
    ]
    plan = Plan(len(arrays) + len(results), threads)
    if not PLANNERS[name](plan, tuple(made), tuple(places), attrs):
        return None
    run_calls(plan, [*arrays, *results], threads)
    return results


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("hidden", [1, 16, 37])
def test_kernels_give_what_the_reference_gives_however_they_are_shared_out(name, hidden):
    for k, (sizes, reverse) in enumerate(SIZES):
        arrays = inputs(name, sizes, hidden)
        attrs = attributes(name, sizes, reverse, relu=k % 2 == 0, keep=k != 1)
        want = Op.registry[name].numpy(*arrays, *attrs)
        got = natively(name, arrays, attrs)
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, 2e-5, 2e-5 * max(1, np.abs(b).max(initial=0)))
        shared = natively(name, arrays, attrs, threads=3)
        assert all(a.tobytes() == b.tobytes() for a, b in zip(got, shared, strict=True))


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_what_only_a_gradient_needs_is_kept_for_one(name):
    arrays = inputs(name, (3, 2), 4)
    tensors = [torch.tensor(a) for a in arrays]
    found = Op.registry[name](*tensors, *attributes(name, (3, 2), False)[:-1])
    tensors[0].requires_grad_()
    wanted = Op.registry[name](*tensors, *attributes(name, (3, 2), False)[:-1])
    assert {len(a) for a, b in zip(found, wanted, strict=True) if a.shape != b.shape} == {0}
    kept = natively(name, arrays, attributes(name, (3, 2), False))
    lean = natively(name, arrays, attributes(name, (3, 2), False, keep=False))
    for a, b in zip(kept, lean, strict=True):
        assert len(b) == 0 or a.tobytes() == b.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_kernels_read_arrays_of_any_layout(name):
    attrs = attributes(name, (3, 2), False)
    arrays = inputs(name, (3, 2), 6)
    want = natively(name, arrays, attrs)
    turned = [np.array(a.T, order="C").T if a.ndim == 2 else np.repeat(a, 2)[::2] for a in arrays]
    for a, b in zip(natively(name, turned, attrs), want, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_kernels_pass_on_what_is_not_a_number_and_stay_in_range(name):
    attrs = attributes(name, (2, 2), False)
    arrays = inputs(name, (2, 2), 5)
    arrays[0][1] = np.nan
    arrays[0][0] = 1e4
    with np.errstate(all="ignore"):
        want = Op.registry[name].numpy(*arrays, *attrs)
    for a, b in zip(natively(name, arrays, attrs), want, strict=True):
        np.testing.assert_allclose(a, b, 2e-5, 2e-5 * max(1, np.nanmax(np.abs(b), initial=0)))


def test_other_dtypes_are_declined():
    arrays = [a.astype(np.float64) for a in inputs("rnn", (2,), 3)]
    assert natively("rnn", arrays, attributes("rnn", (2,), False)) is None


@pytest.mark.parametrize("cpu", ["avx2", "sse2"])
def test_kernels_for_lesser_processors(cpu):
    code = (
        "import test_rnn as t, pytest; from flambeau.ops.op import Op; import numpy as np\n"
        "for name in t.NAMES:\n"
        "    arrays = t.inputs(name, (7, 3), 11)\n"
        "    attrs = t.attributes(name, (7, 3), True)\n"
        "    want = Op.registry[name].numpy(*arrays, *attrs)\n"
        "    for a, b in zip(t.natively(name, arrays, attrs), want, strict=True):\n"
        "        np.testing.assert_allclose(a, b, 2e-5, 2e-5 * np.abs(b).max())\n"
    )
    here = os.path.dirname(__file__)
    path = os.pathsep.join([here, *sys.path])
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"FLAMBEAU_CPU": cpu, "PYTHONPATH": path}
    )
