"""`torch.save`, `torch.load`, safetensors files: what survives, and what a bad file or a failure leads to."""

import json
import os
import stat
import struct
import subprocess
import sys

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import flambeau as torch
from flambeau.interop import safetensors as ours
from flambeau.interop.safetensors import load_file, save_file

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "model.safetensors")


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def written(path, header, body=b""):
    """A file with a handmade header."""
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


# ----- What survives -----


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_each_dtype_survives(path, dtype):
    t = torch.tensor([[0, 1, 0], [1, 1, 0]]).to(dtype)
    save_file({"t": t, "scalar": t[0, 1].clone(), "empty": t[:, :0]}, path)
    back = load_file(path)
    assert [(x.dtype, x.shape) for x in back.values()] == [(dtype, (2, 3)), (dtype, ()), (dtype, (2, 0))]
    assert torch.equal(back["t"], t) and back["scalar"] == 1


def test_bits_of_bfloat16_survive(path):
    t = torch.tensor([1.0, -0.0, 3e38, 1e-38, float("inf"), float("nan"), 1 / 3], dtype=torch.bfloat16)
    save_file({"t": t}, path)
    back = load_file(path)["t"]
    assert back.numpy().tobytes() == t.numpy().tobytes()


def test_names_keep_their_order(path):
    tensors = {name: torch.ones(1) for name in ("z", "a", "ünder", "m.0.weight", "")}
    save_file(tensors, path)
    assert list(load_file(path)) == list(tensors)


def test_an_empty_dict(path):
    save_file({}, path)
    assert load_file(path) == {}


def test_views_are_written_as_they_look(path):
    x = torch.arange(12.0).reshape(3, 4)
    save_file({"t": x.T, "expanded": torch.ones(1, 2).expand(3, 2), "step": torch.arange(6)[::2]}, path)
    back = load_file(path)
    assert torch.equal(back["t"], x.T) and back["expanded"].shape == (3, 2)
    assert back["step"].tolist() == [0, 2, 4] and back["t"].is_contiguous()


def test_pending_and_changed_tensors_are_written_as_they_are_now(path):
    x = torch.zeros(3)
    y = x + 1
    x[1] = 5
    save_file({"x": x, "y": y * 2}, path)
    assert {name: t.tolist() for name, t in load_file(path).items()} == {"x": [0, 5, 0], "y": [2, 2, 2]}


def test_loaded_tensors_are_writable_and_independent(path):
    save_file({"a": torch.zeros(2), "b": torch.zeros(2)}, path)
    back = load_file(path)
    back["a"] += 1
    back["a"].numpy()[0] = 7
    assert back["a"].tolist() == [7, 1] and back["b"].tolist() == [0, 0]
    assert load_file(path)["a"].tolist() == [0, 0]


def test_a_module_survives(path):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.randn(2, 3))
            self.register_buffer("steps", torch.tensor(3))

    net, other = Net(), Net()
    torch.save(net.state_dict(), path)
    state = torch.load(path)
    assert not state["w"].requires_grad
    other.load_state_dict(state)
    assert torch.equal(net.w, other.w) and other.steps == 3


def test_others_read_our_files_and_we_read_theirs(path):
    save_file({"b": torch.ones(2), "a": torch.zeros(1, dtype=torch.int64)}, path, {"made by": "us"})
    assert safetensors.numpy.load_file(path)["b"].tolist() == [1, 1]
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata()["made by"] == "us"
    safetensors.numpy.save_file({"x": np.arange(3, dtype=np.int16), "h": np.ones(2, np.float16)}, path)
    back = load_file(path)
    assert back["x"].dtype is torch.int16 and back["h"].tolist() == [1, 1]


def test_a_recorded_order_that_does_not_fit_is_left_alone(path):
    for order in ('["a", "c"]', "no list", '"ab"', "[1, 2]"):
        safetensors.numpy.save_file({"b": np.ones(1), "a": np.ones(1)}, path, {"flambeau.order": order})
        assert list(load_file(path)) == ["a", "b"]
    save_file({"b": torch.ones(1), "a": torch.ones(1)}, path, {"flambeau.order": "stale"})
    assert list(load_file(path)) == ["b", "a"]


def test_metadata_must_be_texts(path):
    with pytest.raises(TypeError, match="metadata must be texts by name, got 'epoch': 3"):
        save_file({}, path, {"epoch": 3})


# ----- What can't be saved -----


def test_shared_memory_is_an_error_that_names_both(path, tmp_path):
    w, fresh = torch.nn.Parameter(torch.zeros(4)), torch.zeros(4)
    array = np.zeros(6, np.float32)
    seen = torch.zeros(3)
    window = seen.numpy()
    for tensors in (
        {"tied": w, "w": w},
        {"tied": fresh, "w": fresh},
        {"tied": w.detach(), "w": w},
        {"tied": w.data[1:3], "w": w},
        {"tied": torch.from_numpy(array[:4]), "w": torch.from_numpy(array[3:])},
        {"tied": torch.from_numpy(window), "w": seen},
    ):
        with pytest.raises(RuntimeError, match=r"'tied' and 'w' share memory|'w' and 'tied' share memory"):
            save_file(tensors, path)
        assert names(tmp_path) == []


def test_parts_that_do_not_overlap_can_be_saved(path):
    w, array = torch.arange(4.0), np.arange(4.0)
    first, second = torch.from_numpy(array[:2]), torch.from_numpy(array[2:])
    save_file({"a": w[:2], "b": w[2:], "c": w[:0], "d": first, "e": second, "f": w.clone()}, path)
    back = load_file(path)
    assert back["b"].tolist() == [2, 3] and back["e"].tolist() == [2, 3]


def test_what_is_no_tensor_or_has_no_name(path, tmp_path):
    for tensors, error, text in [
        ([torch.ones(1)], TypeError, "expected a dict of tensors by name, got list"),
        ({1: torch.ones(1)}, TypeError, r"names must be texts, got 1 \(int\)"),
        ({"n": 3}, TypeError, "'n' is a int"),
        ({"__metadata__": torch.ones(1)}, ValueError, "keeps the name __metadata__"),
        ({"c": torch.ones(1, dtype=torch.complex128)}, TypeError, "'c' has dtype torch.complex128"),
    ]:
        with pytest.raises(error, match=text):
            save_file(tensors, path)
    assert names(tmp_path) == []


def test_save_says_what_to_do_instead(path, tmp_path):
    state = {"w": torch.ones(1)}
    with pytest.raises(TypeError, match=r"expected a path or a file with 'write', got dict"):
        torch.save(path, state)
    with pytest.raises(TypeError, match=r"got Module; save its state_dict\(\)"):
        torch.save(torch.nn.Module(), path)
    with pytest.raises(TypeError, match=r"got list$"):
        torch.save([1], path)
    with pytest.raises(TypeError, match=r"'optimizer' is a dict; .* save each state_dict to a file"):
        torch.save({"model": torch.ones(1), "optimizer": {}}, path)
    assert names(tmp_path) == []


# ----- All or nothing -----


def test_a_failure_leaves_the_old_file_and_nothing_else(path, tmp_path, monkeypatch):
    save_file({"a": torch.zeros(1)}, path)

    def fail(arrays, filename, metadata):
        with open(filename, "wb") as file:
            file.write(b"half")
        raise safetensors.SafetensorError("no space left on device")

    monkeypatch.setattr(ours, "write_file", fail)
    with pytest.raises(OSError, match=r"model\.safetensors could not be written: no space left"):
        save_file({"a": torch.ones(1)}, path)
    assert load_file(path)["a"].tolist() == [0.0]
    assert names(tmp_path) == ["model.safetensors"]


def test_an_interrupted_save_leaves_nothing(path, tmp_path, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(ours, "write_file", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_file({"a": torch.ones(1)}, path)
    assert names(tmp_path) == []


def test_an_older_file_is_replaced_and_keeps_its_permissions(path, tmp_path):
    save_file({"a": torch.zeros(1)}, path)
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666 & ~mask
    os.chmod(path, 0o600)
    save_file({"b": torch.zeros(1)}, path)
    assert list(load_file(path)) == ["b"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert names(tmp_path) == ["model.safetensors"]


def test_a_link_stays_a_link(path, tmp_path):
    save_file({"a": torch.zeros(1)}, path)
    link = tmp_path / "link.safetensors"
    link.symlink_to(path)
    save_file({"b": torch.zeros(1)}, link)
    assert link.is_symlink() and list(load_file(path)) == ["b"]


def test_paths_that_can_not_be_written(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*nowhere to write x.safetensors into"):
        save_file({}, tmp_path / "nowhere" / "x.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    for call in (lambda p: save_file({}, p), load_file, torch.load, lambda p: torch.save({}, p)):
        with pytest.raises(IsADirectoryError, match=r"folder\.safetensors is a directory"):
            call(tmp_path / "folder.safetensors")
        with pytest.raises(TypeError, match="path"):
            call(3)


# ----- Bad files -----


def test_a_missing_file(path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*model.safetensors"):
        torch.load(path)
    with pytest.raises(FileNotFoundError, match=r"there is no file model\.bin"):
        torch.load("model.bin")


def test_a_file_cut_short_anywhere(path):
    save_file({"a": torch.ones(3), "b": torch.zeros(2, dtype=torch.int64)}, path)
    with open(path, "rb") as file:
        whole = file.read()
    for length in (0, 3, 8, 20, len(whole) - 30, len(whole) - 1):
        with open(path, "wb") as file:
            file.write(whole[:length])
        with pytest.raises(RuntimeError, match=rf"\({length} bytes\) is not a whole safetensors file"):
            load_file(path)


def test_foreign_and_forged_files(path):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    good = {"a": entry}
    written(path, good, bytes(8))
    assert load_file(path)["a"].tolist() == [0, 0]
    forged = [
        ({"a": {**entry, "shape": [3]}}, bytes(8)),
        ({"a": {**entry, "shape": [-2]}}, bytes(8)),
        ({"a": {**entry, "shape": [1 << 62, 1 << 62]}}, bytes(8)),
        ({"a": {**entry, "data_offsets": [0, 1 << 40]}}, bytes(8)),
        ({"a": {**entry, "data_offsets": [8, 0]}}, bytes(8)),
        ({"a": {**entry, "dtype": "F33"}}, bytes(8)),
        ({"a": entry, "b": entry}, bytes(8)),
        (good, bytes(9)),
        ([1, 2], b""),
        ("text", b""),
    ]
    for header, body in forged:
        written(path, header, body)
        with pytest.raises(RuntimeError, match="not a whole safetensors file"):
            load_file(path)
    for content in (b"PK\x03\x04 a zip file, not ours", b"\x80\x02}q\x00.", b"\xff" * 64, b"{}" * 10):
        with open(path, "wb") as file:
            file.write(content)
        with pytest.raises(RuntimeError, match="not a whole safetensors file"):
            load_file(path)


def test_a_dtype_that_is_not_ours(path):
    safetensors.numpy.save_file({"x": np.ones(1, np.uint16)}, path)
    with pytest.raises(RuntimeError, match=r"'x' in .* has dtype U16; the supported ones are BOOL, U8"):
        load_file(path)


# ----- Arguments of load -----


def test_map_location(path):
    torch.save({"a": torch.ones(1), "b": torch.zeros(1)}, path)
    for place in (None, "cpu", torch.device("cpu"), {"cuda:0": "cpu"}, {"cpu": "cpu"}, lambda t, where: None):
        assert torch.load(path, place)["a"].item() == 1
    other = torch.tensor([5.0])
    moved = torch.load(path, map_location=lambda storage, where: other.untyped_storage())
    other += 1
    assert {name: t.item() for name, t in moved.items()} == {"a": 6, "b": 6}
    for place in ("cuda", {"cpu": "cuda:0"}):
        with pytest.raises(RuntimeError, match="not available"):
            torch.load(path, place)
    with pytest.raises(TypeError, match="map_location is a int; it can be a device, a dict or a function"):
        torch.load(path, 3)
    with pytest.raises(
        TypeError, match="map_location returned a Tensor; it takes a storage and its location"
    ):
        torch.load(path, lambda storage, where: other)
    with pytest.raises(ZeroDivisionError):
        torch.load(path, lambda storage, where: 1 / 0)


def test_mmap_is_refused_by_name(path):
    torch.save({"a": torch.ones(1)}, path)
    assert (
        torch.load(path, weights_only=False, mmap=False)["a"].item() == 1
    )  # there is no code in this format
    with pytest.raises(NotImplementedError, match="mmap=True is not supported"):
        torch.load(path, mmap=True)


def test_the_library_is_imported_on_use_only():
    loaded = "print('safetensors' in sys.modules)"
    code = f"import sys, flambeau; {loaded}; flambeau.save; {loaded}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "True"]
