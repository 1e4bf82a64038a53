"""`torch.save` and `torch.load` of `.pt` files: what survives, and what a bad or a hostile file leads to."""

import collections
import io
import os
import pickle
import random
import stat
import struct
import zipfile
import zlib

import numpy as np
import pytest

import flambeau as torch
from flambeau.core.dtype import ALL
from flambeau.interop.checkpoint import archive
from flambeau.interop.checkpoint.archive import Archive, Damaged, Writer

both = pytest.mark.parametrize("new", [True, False], ids=["archive", "old"])


def saved(obj, **options):
    file = io.BytesIO()
    torch.save(obj, file, **options)
    return file.getvalue()


def loaded(data, *args, **options):
    return torch.load(io.BytesIO(data), *args, **options)


def again(obj, new=True, **options):
    return loaded(saved(obj, _use_new_zipfile_serialization=new, **options))


def archived(pickled, **records):
    """An archive with a handmade pickle."""
    file = io.BytesIO()
    writer = Writer(file, "x")
    writer.add("data.pkl", pickled)
    for name, data in records.items():
        writer.add(name.replace("_", "/"), data)
    writer.finish()
    return file.getvalue()


# ----- What survives -----


@both
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_each_dtype_survives(dtype, new):
    t = torch.tensor([[0, 1, 0], [1, 1, 0]]).to(dtype)
    back = again([t, t[0, 1].clone(), t[:, :0], t.T], new)
    assert [(x.dtype, tuple(x.shape)) for x in back] == [(dtype, s) for s in ((2, 3), (), (2, 0), (3, 2))]
    assert torch.equal(back[0], t) and torch.equal(back[3], t.T) and back[1] == 1


@both
def test_bits_survive(new):
    t = torch.tensor([1.0, -0.0, 3e38, 1e-38, float("inf"), float("nan"), 1 / 3], dtype=torch.bfloat16)
    assert again(t, new).numpy().tobytes() == t.numpy().tobytes()


@both
@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_data_survives(new, protocol):
    data = {
        "none": None,
        "numbers": [True, 1, -5, 1 << 80, 1.5, float("inf"), 2j],
        "texts": ("", "ünder", b"", b"\x00\xff", bytearray(b"ab")),
        3: {1, 2},
        (1, "a"): frozenset({3}),
        "ordered": collections.OrderedDict(b=1, a=2),
        "counter": collections.Counter("aab"),
        "torch": (torch.float16, torch.device("cpu"), torch.Size([2, 3]), torch.strided),
    }
    back = again(data, new, pickle_protocol=protocol)
    assert back == data
    assert [type(x) for x in back["texts"]] == [str, str, bytes, bytes, bytearray]
    assert type(back["torch"][2]) is torch.Size and type(back["ordered"]) is collections.OrderedDict


@both
def test_numpy_survives(new):
    arrays = [
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype=np.int16).reshape(2, 3).T,
        np.array(["ab", "c"]),
        np.array([b"ab"]),
        np.zeros((0, 3), bool),
        np.array(1j),
    ]
    back = again([arrays, np.float32(1.5), np.int64(3), np.dtype("float32")], new)
    for x, y in zip(back[0], arrays, strict=True):
        assert x.dtype == y.dtype and x.shape == y.shape and (x == y).all() and x.flags.writeable
    assert back[1:] == [1.5, 3, np.dtype("float32")] and type(back[1]) is np.float32
    assert (again(np.arange(3), new, pickle_protocol=5) == np.arange(3)).all()


@both
def test_sharing_survives(new):
    x = torch.arange(12.0)
    data = {"all": x, "part": x[2:6], "turned": x.view(3, 4).T, "same": x, "other": x.clone()}
    back = again(data, new)
    assert back["same"] is back["all"]
    back["all"][3] = -1
    assert back["part"].tolist() == [2, -1, 4, 5] and back["turned"][3, 0] == -1 and back["other"][3] == 3
    back["turned"][:] = 0
    assert back["all"].sum() == 0
    assert back["turned"].stride() == (1, 4) and back["part"].storage_offset() == 2
    first = again([x[2:6], x.view(3, 4)], new)
    first[1].fill_(7)
    assert first[0].tolist() == [7.0] * 4


def test_what_is_expanded_takes_no_room():
    t = torch.ones(1).expand(1 << 20)
    data = saved(t)
    assert len(data) < 2000
    back = loaded(data)
    assert back.shape == (1 << 20,) and back.stride() == (0,) and back[-1] == 1


@both
def test_parameters_survive_with_gradients_and_attributes(new):
    p, t = torch.nn.Parameter(torch.ones(2), requires_grad=False), torch.zeros(1, requires_grad=True)
    p.tag, t.note = "frozen", [1]
    q = torch.nn.Parameter(torch.arange(3.0))
    back = again({"p": p, "t": t, "q": q, "loss": (q * q).sum()}, new)
    assert type(back["p"]) is type(back["q"]) is torch.nn.Parameter
    assert not back["p"].requires_grad and back["q"].requires_grad and back["p"].tag == "frozen"
    assert back["t"].requires_grad and back["t"].note == [1] and back["t"].is_leaf
    assert back["loss"].requires_grad and back["loss"].is_leaf and back["loss"] == 5


@both
def test_tied_parameters_stay_tied(new):
    layer = torch.nn.Linear(3, 3)
    other = torch.nn.Linear(3, 3)
    other.weight = layer.weight
    back = again(torch.nn.ModuleList([layer, other]).state_dict(), new)
    back["0.weight"].fill_(2)
    assert (back["1.weight"] == 2).all() and back._metadata[""] == {"version": 1}


def test_a_training_state_survives(tmp_path):
    def parts():
        model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 1))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, amsgrad=True)
        return model, optimizer, torch.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3])

    def train(model, optimizer, scheduler):
        for i in range(3):
            optimizer.zero_grad()
            loss = model(x + i).square().mean()
            loss.backward()
            optimizer.step()
            scheduler.step()
        return loss.item()

    torch.manual_seed(0)
    x, path = torch.randn(5, 3), tmp_path / "checkpoint.pt"
    first, second = parts(), parts()
    train(*first)
    names = ("model", "optimizer", "scheduler")
    states = {name: part.state_dict() for name, part in zip(names, first, strict=True)}
    torch.save({**states, "random": torch.get_rng_state()}, path)
    checkpoint = torch.load(path)
    for name, part in zip(names, second, strict=True):
        part.load_state_dict(checkpoint[name])
    assert torch.equal(checkpoint["random"], torch.get_rng_state())
    assert train(*first) == train(*second)


def test_storages_survive():
    x = torch.arange(4.0)
    back = again({"x": x, "typed": x.storage(), "bytes": torch.ones(2).untyped_storage()})
    back["typed"][1] = 9.0
    assert back["x"].tolist() == [0, 9, 2, 3] and back["bytes"].nbytes() == 8


def test_tensors_are_written_as_they_are_now_and_are_independent():
    x = torch.zeros(3)
    y = x + 1
    x[1] = 5
    data = saved([x, y * 2, torch.from_numpy(np.arange(3))])
    back = loaded(data)
    assert [t.tolist() for t in back] == [[0, 5, 0], [2, 2, 2], [0, 1, 2]]
    back[0] += 1
    back[0].numpy()[0] = 7
    assert loaded(data)[0].tolist() == [0, 5, 0]
    version = back[1]._version
    back[0].zero_()
    assert back[1]._version == version


class Point:
    def __init__(self, x):
        self.x = x


class Slotted:
    __slots__ = ("x",)


Pair = collections.namedtuple("Pair", "a b")


@both
def test_classes_of_one_s_own_have_to_be_allowed(new):
    slotted = Slotted()
    slotted.x = torch.ones(1)
    data = {
        "pair": Pair(1, torch.ones(2)),
        "point": Point([3]),
        "slotted": slotted,
        "queue": collections.deque([1]),
    }
    text = saved(data, _use_new_zipfile_serialization=new)
    with pytest.raises(pickle.UnpicklingError, match=r"Pair, which isn't allowed; .*add_safe_globals"):
        loaded(text)
    with torch.serialization.safe_globals([Pair, Point, (Slotted, f"{__name__}.Slotted"), collections.deque]):
        back = loaded(text)
    assert type(back["pair"]) is Pair and back["pair"].b.tolist() == [1, 1] and back["point"].x == [3]
    assert back["slotted"].x == 1 and back["queue"] == collections.deque([1])
    assert torch.serialization.get_safe_globals() == []
    if new:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(text))
        assert set(names) >= {f"{__name__}.Pair", "collections.deque"}


def test_safe_globals_are_checked():
    with torch.serialization.safe_globals([(Point, "a.B", 3)]), pytest.raises(ValueError, match="length: 3"):
        loaded(saved(1))
    with torch.serialization.safe_globals([(Point, 3)]), pytest.raises(TypeError, match="second item"):
        loaded(saved(1))


# ----- What can't be saved -----


def test_what_is_code_is_refused(tmp_path):
    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(layer.parameters())
    for x in (layer, {"model": [layer]}, optimizer, torch.optim.lr_scheduler.StepLR(optimizer, 1)):
        with pytest.raises(TypeError, match=r"save: a whole \w+ holds code, .*; save its state_dict\(\)"):
            torch.save(x, tmp_path / "x.pt")
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        torch.save(lambda: 1, tmp_path / "x.pt")
    assert os.listdir(tmp_path) == []


def test_one_memory_of_two_dtypes_is_refused():
    x = torch.zeros(2)
    with pytest.raises(
        RuntimeError, match=r"view the same data as different types: torch\.float32 and torch\.int32"
    ):
        saved([x, x.view(torch.int32)])


def test_arguments_are_checked(tmp_path):
    for call, error, text in [
        (lambda: torch.save(1, 3), TypeError, "expected a path or a file with 'write', got int"),
        (
            lambda: torch.load(3),
            TypeError,
            "expected a path or a file that can be read and searched, got int",
        ),
        (
            lambda: torch.save(1, io.BytesIO(), pickle_module=os),
            TypeError,
            "pickle_module=os is not supported",
        ),
        (lambda: loaded(saved(1), pickle_module=os), TypeError, "pickle_module=os is not supported"),
        (
            lambda: loaded(saved(1), encoding="latin1"),
            TypeError,
            "unsupported arguments of the unpickler: encoding",
        ),
        (
            lambda: loaded(saved(1), weights_only=False),
            NotImplementedError,
            "weights_only=False would run code",
        ),
        (lambda: loaded(saved(1), mmap=True), ValueError, "f must be a path"),
        (lambda: torch.load(tmp_path / "x.pt"), FileNotFoundError, r"there is no file .*x\.pt"),
        (lambda: torch.load(tmp_path), IsADirectoryError, "is a directory"),
        (lambda: torch.save(1, tmp_path / "a" / "x.pt"), FileNotFoundError, "there is no folder"),
        (lambda: loaded(b""), EOFError, "Ran out of input"),
    ]:
        with pytest.raises(error, match=text):
            call()


# ----- Files -----


def test_a_path_is_replaced_when_all_is_written(tmp_path):
    path = tmp_path / "model.pt"
    torch.save([1], path)
    os.chmod(path, 0o600)
    torch.save([2], str(path))
    assert torch.load(path) == [2] and stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(TypeError):
        torch.save(torch.nn.Linear(1, 1), path)
    assert torch.load(path) == [2] and os.listdir(tmp_path) == ["model.pt"]


def test_equal_contents_give_equal_archives_that_others_read(tmp_path):
    x = torch.arange(100.0)
    assert saved({"x": x}) == saved({"x": x.clone()})
    torch.save({"x": x, "y": x[:3].clone()}, tmp_path / "model.pt")
    with zipfile.ZipFile(tmp_path / "model.pt") as file:
        assert file.testzip() is None
        assert [name for name in file.namelist() if "/data/" in name] == ["model/data/0", "model/data/1"]
        assert file.read("model/data/0") == x.numpy().tobytes() and file.read("model/version") == b"3\n"


def test_records_are_aligned():
    data = saved([torch.ones(n) for n in (1, 3, 100)])
    records = Archive(io.BytesIO(data)).records
    assert all(record.start % archive.ALIGNMENT == 0 for record in records.values())


class Plain:
    """A file with nothing but what is needed."""

    def __init__(self, data):
        self.file = io.BytesIO(data)
        self.read, self.seek, self.tell = self.file.read, self.file.seek, self.file.tell
        self.readline = self.file.readline


@both
def test_a_file_of_one_s_own(new):
    data = saved([torch.arange(3), "x"], _use_new_zipfile_serialization=new)
    back = torch.load(Plain(data))
    assert back[0].tolist() == [0, 1, 2] and back[1] == "x"


def test_a_class_of_one_s_own_may_have_a_state_dict():
    with torch.serialization.safe_globals([Holder]):
        assert again(Holder()).state_dict() == {}


class Holder:
    def state_dict(self):
        return {}


def test_what_follows_an_old_file_is_left(tmp_path):
    file = io.BytesIO()
    for x in ([1], torch.ones(2)):
        torch.save(x, file, _use_new_zipfile_serialization=False)
    file.seek(0)
    assert torch.load(file) == [1] and torch.load(file).tolist() == [1, 1]


def test_a_mapped_file(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"x": torch.arange(1000.0), "half": torch.ones(3, dtype=torch.bfloat16), "n": 3}, path)
    before = path.read_bytes()
    back = torch.load(path, mmap=True)
    assert back["x"].sum() == 499500 and back["half"].tolist() == [1, 1, 1] and back["n"] == 3
    back["x"] += 1
    back["x"].numpy()[0] = 7
    assert back["x"][:2].tolist() == [7, 2] and path.read_bytes() == before
    torch.save(1, path, _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="mmap can only be used with files saved with"):
        torch.load(path, mmap=True)


@both
def test_map_location(new):
    data = saved({"a": torch.ones(2), "b": torch.zeros(1)}, _use_new_zipfile_serialization=new)
    for place in (None, "cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, where: storage):
        assert loaded(data, place)["a"].tolist() == [1, 1]
    seen = []
    loaded(data, lambda storage, where: seen.append((storage.nbytes(), where)))
    assert seen == [(8, "cpu"), (4, "cpu")]
    for place in ("cuda", {"cpu": "cuda:0"}):
        with pytest.raises(RuntimeError, match="not available"):
            loaded(data, place)
    with pytest.raises(ZeroDivisionError):
        loaded(data, lambda storage, where: 1 / 0)


def test_a_file_from_another_device_asks_for_a_place():
    data = saved(torch.ones(2)).replace(b"\x03\x00\x00\x00cpu", b"\x03\x00\x00\x00gpu")
    torch.serialization.set_crc32_options(False)
    try:
        with pytest.raises(
            RuntimeError, match=r"device 'gpu', which is not available here; .*map_location='cpu'"
        ):
            loaded(data)
        assert loaded(data, "cpu").tolist() == [1, 1]
    finally:
        torch.serialization.set_crc32_options(True)


def test_large_archives_have_long_numbers():
    """Places and sizes that don't fit into 32 bits, as they are written and read."""
    file = io.BytesIO()
    writer = Writer(file, "x")
    writer.add("first", b"abc")
    record = writer.entries[0][1]
    far = record._replace(size=5 << 32, header=6 << 32)
    entry = archive._central(b"x/far", far)
    with zipfile.ZipFile(
        io.BytesIO(entry + archive._END.pack(archive.END, 0, 0, 1, 1, len(entry), 0, 0))
    ) as seen:
        (info,) = seen.infolist()
    assert (info.file_size, info.header_offset) == (5 << 32, 6 << 32)
    fields = entry[archive._CENTRAL.size + 5 :]
    most = 0xFFFFFFFF
    assert archive._long(fields, most, most, most) == (5 << 32, 6 << 32)
    writer.place = 5 << 32
    writer.finish()
    tail = file.getvalue()[-200:]
    at = tail.index(archive.END64)
    assert archive._END64.unpack_from(tail, at)[-1] == 5 << 32


# ----- Bad files -----

EXAMPLE = {
    "w": torch.arange(6.0).reshape(2, 3),
    "v": torch.ones(3)[1:],
    "n": {"lr": 0.1, "names": ["a", "b"]},
}
ERRORS = (RuntimeError, pickle.UnpicklingError, EOFError)


@both
def test_a_file_cut_short_anywhere(new):
    data = saved(EXAMPLE, _use_new_zipfile_serialization=new)
    for length in range(len(data)):
        with pytest.raises(ERRORS):
            loaded(data[:length])


@both
def test_damaged_bytes(new):
    """A changed byte leads to an error, or (in what nobody looks at) to nothing; in an archive never to
    another number."""
    data = saved(EXAMPLE, _use_new_zipfile_serialization=new)
    rng = random.Random(0)
    survived = 0
    for _ in range(2000):
        changed = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 4))):
            changed[rng.randrange(len(data))] = rng.randrange(256)
        try:
            back = loaded(bytes(changed))
        except ERRORS:
            continue
        survived += 1
        if new:
            assert torch.equal(back["w"], EXAMPLE["w"]) and back["n"] == EXAMPLE["n"]
    assert survived < 1900


def test_damaged_pickles():
    """With a right checksum around them."""
    text = Archive(io.BytesIO(saved(EXAMPLE))).read("data.pkl")
    rng = random.Random(1)
    for _ in range(2000):
        changed = bytearray(text)
        for _ in range(rng.choice((1, 1, 2, 4))):
            changed[rng.randrange(len(text))] = rng.randrange(256)
        data = archived(bytes(changed), data_0=bytes(24), data_1=bytes(12))
        try:
            loaded(data)
        except ERRORS:
            continue


def call(module, name, *args):
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(map(literal, args)) + b"tR"


def literal(x):
    return pickle.dumps(x, 0)[:-1]


@pytest.mark.parametrize(
    "module_and_name",
    [
        ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("__builtin__", "exec"),
        ("subprocess", "Popen"),
        ("torch.nn.modules.linear", "Linear"), ("torch._utils", "_rebuild_qtensor"), ("builtins", "getattr"),
        ("flambeau.interop.files", "load"), ("numpy", "load"), ("codecs", "decode"),
        ("importlib", "import_module"),
        ("torch.Tensor", "__setattr__"), ("collections.OrderedDict", "fromkeys"),
    ],
)  # fmt: skip
def test_no_code_is_run(module_and_name, tmp_path):
    victim = tmp_path / "ran"
    text = b"\x80\x02" + call(*module_and_name, f"touch {victim}") + b"."
    with pytest.raises(pickle.UnpicklingError):
        loaded(archived(text))
    assert not victim.exists()
    with pytest.raises(pickle.UnpicklingError):
        loaded(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2) + text)
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        loaded(text)
    assert not victim.exists()


def test_forbidden_modules_stay_forbidden():
    text = b"\x80\x02" + call("os", "getcwd") + b"."
    allowed = torch.serialization.safe_globals([(os.getcwd, "os.getcwd"), (os.getcwd, "posix.getcwd")])
    with allowed, pytest.raises(pickle.UnpicklingError, match=r"os\.getcwd, which isn't allowed"):
        loaded(archived(text))


def deep(count):
    return b"\x80\x02)" + b"\x85" * count


@pytest.mark.parametrize(
    "text",
    [
        b"\x80\x02]" + b"cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.",  # a bytearray of 2 GB
        b"\x80\x02\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.",  # a text of 2^63 letters
        b"\x80\x02T\xff\xff\xff\x7f.",  # a text of 2 GB
        b"\x80\x02" + call("_codecs", "encode", "a", "zlib") + b".",
        b"\x80\x02" + call("builtins", "set", 1 << 40) + b".",
        b"\x80\x02" + call("torch", "Size", (1 << 70,)) + b".",
        b"\x80\x02" + call("numpy", "dtype", "O8") + b".",
        b"\x80\x02}" + deep(100000)[2:] + b"K\x01s.",  # a key of tuples within tuples
        b"\x80\x02})" + b"2\x86" * 64 + b"K\x01s.",  # a key whose hash takes 2^64 steps
        b"\x80\x02ccollections\nOrderedDict\n)R}(X\x05\x00\x00\x00itemsK\x01ub.",  # shadows a method
        b"\x80\x02(X\x01\x00\x00\x00at.",
        b"\x80\x02Q.",
        b"\x80\x02K\x01\x81.",
        b"\x80\x02ctorch\nTensor\n)R.",
        b"\x80\x02ctorch\nTensor\n)\x81.",
        b"\x80\x02(K\x01ios\nsystem\n.",
        b"\x80\x02\x82\x01.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x02h\x05.",
        b"\x80\x020.",
        b"\x80\x02ea.",
        b"\x80\x02.",
        b"",
        b"I" + b"9" * 10000 + b"\n.",
    ],
    ids=range(24),
)
def test_hostile_pickles(text):
    if text.endswith(b"t."):
        assert loaded(archived(text)) == ("a",)
        return
    with pytest.raises(ERRORS):
        loaded(archived(text))


def test_deep_data_is_no_danger():
    back = loaded(archived(b"\x80\x02)" + b"\x85" * 100000 + b"."))
    for _ in range(100000):
        (back,) = back
    assert back == ()


def tensor_text(storage=("storage", "FloatStorage", "0", "cpu", 6), offset=0, size=(2, 3), stride=(3, 1)):
    head, kind, key, place, count = storage
    pid = (
        b"("
        + literal(head)
        + b"ctorch\n"
        + kind.encode()
        + b"\n"
        + b"".join(map(literal, (key, place, count)))
    )
    rest = b"".join(map(literal, (offset, size, stride, False, None)))
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + pid + b"tQ" + rest + b"tR."


def test_handmade_tensors():
    numbers = np.arange(6, dtype=np.float32).tobytes()
    assert loaded(archived(tensor_text(), data_0=numbers)).tolist() == [[0, 1, 2], [3, 4, 5]]
    storage = ("storage", "FloatStorage", "0", "cpu", 6)
    for change, text in [
        ({"offset": 1}, "doesn't fit into its storage of 6 elements"),
        ({"offset": -1}, "offset -1"),
        ({"size": (3, 3)}, "doesn't fit"),
        ({"size": (1 << 62, 1 << 62)}, "doesn't fit"),
        ({"size": (-1,), "stride": (1,)}, "size"),
        ({"size": (2,)}, "size"),
        ({"size": [2, 3]}, "size"),
        ({"stride": (3, 1 << 60)}, "doesn't fit"),
        ({"stride": (0, -1)}, "stride"),
        ({"size": (1 << 40, 1 << 40), "stride": (0, 0)}, "doesn't fit"),
        ({"storage": (*storage[:4], 7)}, "storage '0' has 24 bytes instead of 28"),
        ({"storage": (*storage[:4], 1 << 60)}, "has 24 bytes instead of"),
        ({"storage": (*storage[:4], -1)}, "would have -1 elements"),
        ({"storage": (*storage[:2], "1", "cpu", 6)}, "record 'data/1' is missing"),
        ({"storage": (*storage[:2], "../0", "cpu", 6)}, "record 'data/../0' is missing"),
        ({"storage": ("module", *storage[1:])}, "refers to a storage by"),
    ]:
        with pytest.raises(RuntimeError, match=text):
            loaded(archived(tensor_text(**change), data_0=numbers))
    for kind in ("QInt8Storage", "NoStorage"):
        with pytest.raises(pickle.UnpicklingError, match=f"torch.{kind}, which Flambeau doesn't know"):
            loaded(archived(tensor_text(storage=("storage", kind, "0", "cpu", 6)), data_0=numbers))


def test_old_files_that_claim_too_much():
    good = saved(torch.ones(2), _use_new_zipfile_serialization=False)
    assert good.count(struct.pack("<q", 2)) == 1
    with pytest.raises(RuntimeError, match="has 1099511627776 elements instead of 2"):
        loaded(good.replace(struct.pack("<q", 2), struct.pack("<q", 1 << 40)))
    with pytest.raises(ERRORS):
        loaded(pickle.dumps({"weights": [1, 2]}))
    with pytest.raises(ERRORS):
        loaded(b"ustar\x00tar file" * 100)


def test_old_files_in_the_other_byte_order():
    data = saved(torch.tensor([1.0, 2.0]), _use_new_zipfile_serialization=False)
    swapped = data.replace(np.float32([1, 2]).tobytes(), np.float32([1, 2]).byteswap().tobytes())
    flag = b"X\r\x00\x00\x00little_endianq\x02\x88"
    assert flag in swapped
    assert loaded(swapped.replace(flag, flag[:-1] + b"\x89")).tolist() == [1, 2]


# ----- Hostile archives -----


def zipped(entries, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as target:
        for name, data in entries:
            target.writestr(name, data)
    return file.getvalue()


TEXT = pickle.dumps([1], 2)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_others_made():
    assert loaded(zipped([("x/data.pkl", TEXT)])) == [1]
    for entries, text in [
        ([], "records lie in 0 folders"),
        ([("data.pkl", TEXT)], "folders"),
        ([("/x/data.pkl", TEXT)], "no place within the archive"),
        ([("x/../../etc/data.pkl", TEXT)], "no place within the archive"),
        ([("x/data.pkl", TEXT), ("y/data.pkl", TEXT)], "2 folders"),
        ([("x/data.pkl", TEXT), ("x/data.pkl", TEXT)], "two records"),
        ([("x/other", TEXT)], "record 'data.pkl' is missing"),
        ([("x/data.pkl", TEXT), ("x/constants.pkl", TEXT)], "a TorchScript program"),
        ([("x/data.pkl", TEXT), ("x/version", b"99")], "its version is b'99'"),
        ([("x/data.pkl", TEXT), ("x/byteorder", b"middle")], "its byte order"),
    ]:
        with pytest.raises(ERRORS, match=text):
            loaded(zipped(entries))


def test_bombs():
    with pytest.raises(RuntimeError, match="compressed"):
        loaded(zipped([("x/data.pkl", bytes(1 << 24))], compression=zipfile.ZIP_DEFLATED))
    data = archived(TEXT, data_0=bytes(1000))
    table = data.index(archive.CENTRAL)
    for size in (1001, 1 << 30):
        with pytest.raises(RuntimeError, match=r"would end at byte|overlap"):
            loaded(
                data[:table]
                + data[table:].replace(struct.pack("<2I", 1000, 1000), struct.pack("<2I", size, size))
            )


def test_records_that_overlap_are_refused():
    file = io.BytesIO()
    writer = Writer(file, "x")
    writer.add("data.pkl", TEXT)
    writer.add("data/0", bytes(100))
    writer.entries.append((b"x/data/1", writer.entries[1][1]))
    writer.finish()
    with pytest.raises(Damaged, match="overlap"):
        Archive(io.BytesIO(file.getvalue()))


def test_checksums():
    data = bytearray(saved(torch.ones(3)))
    data[data.index(np.float32([1, 1, 1]).tobytes())] ^= 1
    with pytest.raises(
        RuntimeError, match=r"record 'data/0' is damaged: its checksum is .*set_crc32_options\(False\)"
    ):
        loaded(bytes(data))
    torch.serialization.set_crc32_options(False)
    try:
        assert loaded(bytes(data))[1] == 1
        assert not torch.serialization.get_crc32_options()
        without = saved(torch.ones(3))
    finally:
        torch.serialization.set_crc32_options(True)
    assert zlib.crc32(np.float32([1, 1, 1]).tobytes()).to_bytes(4, "little") not in without
