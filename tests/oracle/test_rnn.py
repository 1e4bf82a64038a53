"""Recurrent layers, cells and packed sequences against PyTorch's."""

import numpy as np
import pytest

import flambeau

torch = pytest.importorskip("torch")
# The oracle says where it takes another way.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
BOTH = (flambeau, torch)

LAYERS = [
    "LSTM(3, 4)",
    "LSTM(3, 5, num_layers=2, batch_first=True)",
    "LSTM(3, 4, 2, bias=False, bidirectional=True)",
    "LSTM(3, 5, 2, proj_size=2, bidirectional=True)",
    "LSTM(3, 5, bias=False, proj_size=2)",
    "LSTM(3, 4, 3, dropout=0.4, batch_first=True)",
    "GRU(3, 4)",
    "GRU(3, 5, 2, bidirectional=True, batch_first=True)",
    "GRU(3, 4, 2, bias=False, dropout=0.3)",
    "RNN(3, 4)",
    "RNN(3, 4, 2, 'relu', bidirectional=True)",
    "RNN(3, 4, bias=False, batch_first=True)",
]
CELLS = [
    "LSTMCell(3, 4)", "LSTMCell(3, 4, bias=False)", "GRUCell(3, 4)", "GRUCell(3, 4, False)", "RNNCell(3, 4)",
    "RNNCell(3, 4, False, 'relu')",
]  # fmt: skip
each_layer = pytest.mark.parametrize("text", LAYERS)


def build(t, text):
    t.manual_seed(7)
    return eval(f"nn.{text}", {"nn": t.nn})


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def tensor(t, array):
    return t.tensor(array.tolist(), requires_grad=True)


def flat(x):
    """All tensors of nested results as arrays."""
    if isinstance(x, tuple | list):
        return [a for part in x for a in flat(part)]
    return [] if x is None else [x.detach().numpy().copy()]


def assert_alike(run):
    """`run(t)` gives the same with both frameworks."""
    ours, theirs = (flat(run(t)) for t in BOTH)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, 2e-5, 2e-5)


def states(t, text, m, *batch):
    n = m.num_layers * (2 if m.bidirectional else 1)
    h = tensor(t, numbers(n, *batch, m.proj_size or m.hidden_size, seed=1))
    return (h, tensor(t, numbers(n, *batch, m.hidden_size, seed=2))) if "LSTM" in text else h


def differentiated(y, m, *inputs):
    """The results, and the gradients of a function of them."""
    m.zero_grad()
    leaves = [a for x in inputs for a in (x if isinstance(x, tuple) else (x,))]
    outs = [o for part in y for o in (part if type(part) is tuple else (part,))]
    outs = [o.data if hasattr(o, "batch_sizes") else o for o in outs]
    sum((o * o).sum() for o in outs).backward()
    return outs, [x.grad for x in leaves], [p.grad for p in m.parameters()]


@pytest.mark.parametrize("text", LAYERS + CELLS)
def test_text_and_initial_values(text):
    ours, theirs = (build(t, text) for t in BOTH)
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


@each_layer
def test_results_and_gradients(text):
    def run(t):
        m, x = build(t, text), tensor(t, numbers(5, 4, 3))
        hx = states(t, text, m, 5 if m.batch_first else 4)
        t.manual_seed(3)
        return differentiated(m(x, hx), m, x, hx)

    assert_alike(run)


@each_layer
def test_no_state_is_zeros_and_the_batch_may_be_left_out(text):
    assert_alike(lambda t: build(t, text).eval()(tensor(t, numbers(5, 4, 3))))

    def run(t):
        m = build(t, text).eval()
        return m(tensor(t, numbers(5, 3)), states(t, text, m))

    assert_alike(run)


@each_layer
@pytest.mark.parametrize("lengths", [[4, 2, 1], [2, 5, 2], [3, 3, 3]])
def test_packed_sequences(text, lengths):
    def run(t):
        m, xs = build(t, text).eval(), [tensor(t, numbers(n, 3, seed=n)) for n in lengths]
        packed = t.nn.utils.rnn.pack_sequence(xs, enforce_sorted=False)
        hx = states(t, text, m, 3)
        y = m(packed, hx)
        return [*differentiated(y, m, *xs, hx), t.nn.utils.rnn.unpack_sequence(m(packed)[0])]

    assert_alike(run)


@pytest.mark.parametrize("text", CELLS)
def test_cells(text):
    def run(t):
        m, x, h = build(t, text), tensor(t, numbers(2, 3)), tensor(t, numbers(2, 4, seed=1))
        hx = (h, tensor(t, numbers(2, 4, seed=2))) if "LSTM" in text else h
        y = m(x, hx)
        row = tuple(s[0] for s in hx) if "LSTM" in text else hx[0]
        return differentiated(y if "LSTM" in text else (y,), m, x, hx), m(x), m(x[0]), m(x[0], row)

    assert_alike(run)


@pytest.mark.parametrize("text", ["LSTM(3, 4)", "GRU(3, 4)", "RNN(3, 4, 1, 'relu')"])
def test_second_derivatives(text):
    def run(t):
        m, x = build(t, text), tensor(t, numbers(3, 2, 3))
        y = m(x)[0]
        (g,) = t.autograd.grad((y * y).sum(), x, create_graph=True)
        (g * g).sum().backward()
        return x.grad, [p.grad for p in m.parameters()]

    assert_alike(run)


def padded(t):
    return t.tensor([[1.0, 5.0, 0.0], [2.0, 6.0, 8.0], [3.0, 0.0, 9.0]])


@pytest.mark.parametrize(
    "run",
    [
        lambda t, u: u.pack_padded_sequence(padded(t), [3, 2, 2]),
        lambda t, u: u.pack_padded_sequence(padded(t), t.tensor([1, 3, 2]), True, False),
        lambda t, u: u.pack_padded_sequence(t.ones(2, 3, 2, 2), [2, 1, 1]),
        lambda t, u: u.pad_packed_sequence(u.pack_sequence([t.ones(3), t.ones(1)]), True, -1.0, 5),
        lambda t, u: u.pad_packed_sequence(u.pack_sequence([t.ones(1, 2), t.ones(3, 2)], False)),
        lambda t, u: u.pad_sequence([t.ones(3, 2), t.zeros(1, 2)], True, 4.0, "left"),
        lambda t, u: u.pad_sequence(t.ones(2, 3)),
        lambda t, u: u.unpad_sequence(padded(t), t.tensor([3, 1, 0]), True),
        lambda t, u: u.unpack_sequence(u.pack_sequence([t.ones(1), t.zeros(3)], False).double()),
        lambda t, u: u.invert_permutation(t.tensor([2, 0, 3, 1])),
    ],
)
def test_packing(run):
    assert_alike(lambda t: run(t, t.nn.utils.rnn))


ERRORS = [
    lambda t: t.nn.LSTM(3, 4, dropout=2),
    lambda t: t.nn.LSTM(3, 4, dropout=True),
    lambda t: t.nn.LSTM(3, 4, bias=1),
    lambda t: t.nn.LSTM(3.0, 4),
    lambda t: t.nn.GRU(0, 4),
    lambda t: t.nn.GRU(3, -4),
    lambda t: t.nn.GRU(3, 4, 0),
    lambda t: t.nn.GRU(3, 4, proj_size=2),
    lambda t: t.nn.LSTM(3, 4, proj_size=4),
    lambda t: t.nn.LSTM(3, 4, proj_size=-1),
    lambda t: t.nn.RNN(3, 4, 1, "sigmoid"),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(3)),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(2, 2, 5)),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(0, 2, 3)),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(2, 2, 3).double()),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(2, 2, 3), (t.zeros(1, 2, 3), t.zeros(1, 2, 4))),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(2, 2, 3), (t.zeros(1, 2, 4), t.zeros(1, 1, 4))),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(2, 2, 3), (t.zeros(2, 4), t.zeros(2, 4))),
    lambda t: t.nn.LSTM(3, 4)(t.zeros(2, 3), (t.zeros(1, 1, 4), t.zeros(1, 1, 4))),
    lambda t: t.nn.GRU(3, 4)(t.zeros(2, 3), t.zeros(1, 1, 4)),
    lambda t: t.nn.RNN(3, 4)(t.zeros(2, 2, 3), t.zeros(2, 4)),
    lambda t: t.nn.RNN(3, 4)(t.zeros(2, 2, 3), t.zeros(2, 2, 4)),
    lambda t: t.nn.GRU(3, 4)(t.zeros(2, 2, 3), t.zeros(1, 2, 4).double()),
    lambda t: t.nn.LSTM(3, 4)(t.nn.utils.rnn.PackedSequence(t.zeros(5, 3), t.tensor([2, 3]))),
    lambda t: t.nn.RNNCell(3, 4, True, "sigmoid")(t.zeros(2, 3)),
    lambda t: t.nn.RNNCell(3, 4)(t.zeros(2, 2, 3)),
    lambda t: t.nn.RNNCell(3, 4)(t.zeros(2, 3), t.zeros(3, 4)),
    lambda t: t.nn.GRUCell(3, 4)(t.zeros(2, 5)),
    lambda t: t.nn.GRUCell(3, 4)(t.zeros(2, 3), t.zeros(2, 5)),
    lambda t: t.nn.LSTMCell(3, 4)(t.zeros(2, 3), (t.zeros(2, 4), t.zeros(1, 2, 4))),
    lambda t: t.nn.utils.rnn.pad_sequence([]),
    lambda t: t.nn.utils.rnn.pad_sequence(3),
    lambda t: t.nn.utils.rnn.pad_sequence([t.ones(2, 3), t.ones(2, 4)]),
    lambda t: t.nn.utils.rnn.pad_sequence([t.ones(2)], padding_side="up"),
    lambda t: t.nn.utils.rnn.pack_sequence([t.ones(1), t.ones(2)]),
    lambda t: t.nn.utils.rnn.pack_sequence([t.ones(1), t.ones(0)]),
    lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3, 2), [3]),
    lambda t: t.nn.utils.rnn.pack_padded_sequence(t.ones(3), [3]),
    lambda t: t.nn.utils.rnn.pad_packed_sequence(t.nn.utils.rnn.pack_sequence([t.ones(3)]), total_length=2),
]


@pytest.mark.parametrize("wrong", ERRORS, ids=range(len(ERRORS)))
def test_errors_are_of_the_same_kind(wrong):
    kinds = []
    for t in BOTH:
        with pytest.raises(Exception) as raised:
            wrong(t)
        kinds.append(raised.type)
    assert kinds[0] is kinds[1], raised.value


def test_warning_of_a_dropout_without_effect():
    for t in BOTH:
        with pytest.warns(UserWarning, match="adds dropout after all but last recurrent layer"):
            t.nn.GRU(3, 4, dropout=0.5)
