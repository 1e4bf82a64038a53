"""Event files for TensorBoard, read back."""

import struct

import pytest

import flambeau as torch

tensorboard = pytest.importorskip("flambeau.utils.tensorboard")


def events(folder):
    from tensorboardX.proto.event_pb2 import Event

    (path,) = folder.iterdir()
    data, place = path.read_bytes(), 0
    while place < len(data):
        (length,) = struct.unpack_from("<Q", data, place)
        yield Event.FromString(data[place + 12 : place + 12 + length])
        place += 12 + length + 4


def test_what_is_written_is_read_back(tmp_path):
    torch.manual_seed(0)
    with tensorboard.SummaryWriter(tmp_path, flush_secs=1) as writer:
        writer.add_scalar("loss/train", torch.tensor(0.25, requires_grad=True), 3)
        writer.add_scalar("lr", 0.1, global_step=4)
        writer.add_histogram("weights", torch.randn(100), 3)
        writer.add_text("note", "hello")
        writer.add_image("picture", torch.rand(3, 4, 5), 3)
        assert writer.get_logdir() == str(tmp_path)
    found = {v.tag: (e.step, v) for e in events(tmp_path) for v in e.summary.value}
    assert found["loss/train"][0] == 3 and found["loss/train"][1].simple_value == 0.25
    assert found["lr"][0] == 4 and abs(found["lr"][1].simple_value - 0.1) < 1e-7
    assert found["weights"][1].histo.num == 100
    assert found["picture"][1].image.width == 5 and found["picture"][1].image.height == 4
    assert any(tag.startswith("note") for tag in found)


def test_graphs_are_refused_by_name(tmp_path):
    with tensorboard.SummaryWriter(tmp_path) as writer, pytest.raises(NotImplementedError, match="add_graph"):
        writer.add_graph(torch.nn.Linear(1, 1), torch.zeros(1, 1))
