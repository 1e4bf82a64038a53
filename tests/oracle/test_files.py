"""Checkpoints: PyTorch reads ours, and we read PyTorch's."""

import collections
import io
import pickle

import numpy as np
import pytest
from both import as_numpy

import flambeau
import flambeau.nn
from flambeau.core.dtype import ALL

torch = pytest.importorskip("torch")
pytestmark = [
    pytest.mark.oracle,
    pytest.mark.filterwarnings("ignore:TypedStorage is deprecated", "ignore:Detected pickle protocol"),
]
WAYS = [(flambeau, torch), (torch, flambeau)]
both_ways = pytest.mark.parametrize(("writer", "reader"), WAYS, ids=["ours", "theirs"])
both_formats = pytest.mark.parametrize("new", [True, False], ids=["archive", "old"])


def passed(writer, reader, obj, new=True, load=None, **options):
    """What `reader` reads of what `writer` wrote."""
    file = io.BytesIO()
    writer.save(obj, file, _use_new_zipfile_serialization=new, **options)
    file.seek(0)
    return reader.load(file, **(load or {}))


def same(x, y):
    assert str(x.dtype) == str(y.dtype) and tuple(x.shape) == tuple(y.shape)
    assert (x.stride(), x.storage_offset(), x.requires_grad) == (
        y.stride(),
        y.storage_offset(),
        y.requires_grad,
    )
    np.testing.assert_array_equal(as_numpy(x.detach()), as_numpy(y.detach()))


@both_formats
@both_ways
@pytest.mark.parametrize("name", [d.name for d in ALL])
def test_tensors_of_each_dtype(name, writer, reader, new):
    def make(t):
        x = t.tensor([[0, 1, 0], [1, 1, 0]]).to(getattr(t, name))
        return [x, x.T, x[:, 1], x[1, 2], x[:, :0], x[:1].expand(4, 3)]

    for x, y in zip(passed(writer, reader, make(writer), new), make(reader), strict=True):
        same(x, y)


@both_formats
@both_ways
def test_sharing(writer, reader, new):
    x = writer.arange(12.0)
    back = passed(writer, reader, [x[2:6], x.view(3, 4).T, x, x.clone()], new)
    back[0].fill_(-1)
    assert back[2].tolist() == [0, 1, -1, -1, -1, -1, 6, 7, 8, 9, 10, 11]
    assert back[1][2, 0] == -1 and back[3][2] == 2


@both_formats
@both_ways
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_plain_data(writer, reader, new, protocol):
    def data(t):
        return {
            "none": None,
            "numbers": [True, 1, -5, 1 << 40, 1.5, float("inf"), 2j],
            "texts": ("", "ünder", b"\x00\xff", bytearray(b"ab")),
            3: {1, 2},
            (1, "a"): collections.OrderedDict(b=1, a=2),
            "counter": collections.Counter("aab"),
            "torch": (t.float16, t.device("cpu"), t.Size([2, 3]), t.strided),
        }

    options = {} if protocol == 2 else {"pickle_protocol": protocol}
    load = {"weights_only": False} if protocol > 2 and reader is torch else {}  # the other one knows 2 only
    assert passed(writer, reader, data(writer), new, load, **options) == data(reader)


@both_formats
@both_ways
def test_parameters_and_attributes(writer, reader, new):
    p, t = writer.nn.Parameter(writer.ones(2), requires_grad=False), writer.zeros(1, requires_grad=True)
    p.tag, t.note = "frozen", 3
    q = writer.nn.Parameter(writer.arange(3.0))
    back = passed(writer, reader, {"p": p, "t": t, "q": q, "buffer": q.detach()}, new)
    assert type(back["p"]) is type(back["q"]) is reader.nn.Parameter
    assert not back["p"].requires_grad and back["q"].requires_grad
    assert (back["p"].tag, back["t"].note, back["t"].requires_grad) == ("frozen", 3, True)
    back["buffer"].fill_(5)
    assert back["q"].tolist() == [5, 5, 5]


@both_ways
def test_storages(writer, reader):
    back = passed(writer, reader, [writer.arange(3.0).storage(), writer.ones(2).untyped_storage()])
    assert back[0].tolist() == [0, 1, 2] and back[1].nbytes() == 8


def test_conjugates_and_memory_formats():
    x = torch.tensor([1 + 2j, 3j])
    assert passed(torch, flambeau, x.conj()).tolist() == [1 - 2j, -3j]
    assert passed(torch, flambeau, x.conj().imag).tolist() == [-2, -3]
    y = torch.arange(16.0).reshape(1, 2, 2, 4).to(memory_format=torch.channels_last)
    same(passed(torch, flambeau, y), y)


def test_what_only_numpy_can_read():
    back = passed(torch, flambeau, {"loss": np.float64(1.5), "x": np.arange(6.0).reshape(2, 3).T})
    assert back["loss"] == 1.5 and back["x"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert passed(flambeau, torch, {"loss": np.float64(1.5)}, load={"weights_only": False}) == {"loss": 1.5}


def training(t):
    model = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.BatchNorm1d(4), t.nn.Linear(4, 1))
    optimizer = t.optim.Adam(model.parameters(), lr=0.01, amsgrad=True)
    return model, optimizer, t.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3])


def train(t, model, optimizer, scheduler):
    x, losses = t.linspace(-1, 1, 15).reshape(5, 3), []
    for i in range(3):
        optimizer.zero_grad()
        loss = (model(x + i) ** 2).mean()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


@both_formats
@both_ways
def test_a_training_goes_on_in_the_other_framework(writer, reader, new):
    first, second = training(writer), training(reader)
    train(writer, *first)
    names = ("model", "optimizer", "scheduler")
    states = {name: part.state_dict() for name, part in zip(names, first, strict=True)}
    load = {} if reader is flambeau else {"weights_only": True}
    checkpoint = passed(writer, reader, {**states, "epoch": 3}, new, load=load)
    for name, part in zip(names, second, strict=True):
        part.load_state_dict(checkpoint[name])
    np.testing.assert_allclose(train(writer, *first), train(reader, *second), rtol=1e-5)


@both_ways
def test_paths_and_mapped_files(writer, reader, tmp_path):
    path = tmp_path / "model.pt"
    x = writer.arange(1000.0)
    writer.save({"x": x, "half": writer.ones(3, dtype=writer.bfloat16)}, path)
    for mmap in (False, True):
        back = reader.load(path, mmap=mmap)
        assert back["x"].tolist() == x.tolist() and back["half"].tolist() == [1, 1, 1]


def test_both_name_what_is_not_allowed():
    file = io.BytesIO()
    flambeau.save(collections.deque([1]), file)
    for t in (flambeau, torch):
        file.seek(0)
        assert t.serialization.get_unsafe_globals_in_checkpoint(file) == ["collections.deque"]
        with t.serialization.safe_globals([collections.deque]):
            assert collections.deque in t.serialization.get_safe_globals()


def test_a_whole_module_of_theirs_is_refused():
    file = io.BytesIO()
    torch.save(torch.nn.Linear(2, 1), file)
    file.seek(0)
    with pytest.raises(
        Exception, match=r"holds a whole module \(torch.nn.modules.linear.Linear\).*state_dict"
    ):
        flambeau.load(file)


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantized_tensors_are_refused():
    file = io.BytesIO()
    torch.save(torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8), file)
    file.seek(0)
    with pytest.raises(
        pickle.UnpicklingError, match=r"torch\._utils\._rebuild_qtensor, which Flambeau doesn't know"
    ):
        flambeau.load(file)
