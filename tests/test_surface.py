"""PyTorch's names around tensors: memory formats, storages, copies, scripts, downloads, comparisons,
timers."""

import contextlib
import copy
import functools
import hashlib
import http.server
import io
import pickle
import threading
import warnings

import numpy as np
import pytest

import flambeau as torch

# ----- memory formats -----


def test_channels_last_inputs_and_parameters_train_alike():
    def losses(form):
        torch.manual_seed(0)
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
        for p in net.parameters():
            if p.ndim == 4:
                p.data = p.data.contiguous(memory_format=form)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
        x = torch.randn(2, 3, 8, 8).to(memory_format=form)
        found = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = net(x).pow(2).mean()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found, [p.stride() for p in net.parameters()]

    plain, strides = losses(torch.contiguous_format)
    last, turned = losses(torch.channels_last)
    np.testing.assert_allclose(last, plain, rtol=1e-5)
    assert strides[0] == (27, 9, 3, 1) and turned[0] == (27, 1, 9, 3)


def test_a_module_takes_a_memory_format():
    net = torch.nn.Conv2d(2, 3, 3).to(memory_format=torch.channels_last)
    assert net(torch.zeros(1, 2, 5, 5).to(memory_format=torch.channels_last)).shape == (1, 3, 3, 3)


def test_numpy_sees_the_strides():
    x = torch.arange(24.0).reshape(1, 2, 3, 4).to(memory_format=torch.channels_last)
    a = x.numpy()
    assert a.strides == tuple(4 * s for s in x.stride())
    a[0, 1, 2, 3] = -1
    assert x[0, 1, 2, 3].item() == -1


def test_sparse_layouts_are_refused_by_name():
    with pytest.raises(RuntimeError, match=r"layout torch\.sparse_csr is not supported"):
        torch.empty(2, 2, layout=torch.sparse_csr)


@pytest.mark.parametrize("thing", [torch.strided, torch.channels_last, torch.float8_e5m2, torch.uint32])
def test_named_constants_are_the_same_after_a_pickle(thing):
    assert pickle.loads(pickle.dumps(thing)) is thing and copy.deepcopy(thing) is thing


# ----- storages, copies, DLPack -----


def test_a_storage_outlives_its_tensors():
    storage = torch.arange(3.0).untyped_storage()
    assert torch.empty(0).set_(storage).tolist() == [0, 1, 2]
    with pytest.raises(RuntimeError, match="a storage keeps its size"):
        storage.resize_(4)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_share_memory_as_the_originals_do(copied):
    x = torch.arange(6.0).reshape(2, 3)
    whole, row, turned = copied([x, x[1], x.t()])
    whole[1, 0] = 9
    assert row.tolist() == [9, 4, 5] and turned[0].tolist() == [0, 9]
    assert (row.storage_offset(), turned.stride()) == (3, (1, 3))
    assert x[1, 0] == 3


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize(
    "d", [torch.float32, torch.bfloat16, torch.bool, torch.complex64, torch.float8_e4m3fn]
)
def test_copies_keep_dtype_and_settings(copied, d):
    x = torch.tensor([1, 0, 1]).to(d)
    x.note = ["a"]
    y = copied(x)
    assert y.dtype is d and y.tolist() == x.tolist() and y.note == ["a"] and y.note is not x.note
    w = copied(torch.nn.Parameter(torch.ones(2)))
    assert type(w) is torch.nn.Parameter and w.requires_grad and w.is_leaf


def test_non_leaves_are_pickled_and_not_deeply_copied():
    y = torch.ones(2, requires_grad=True) * 2
    assert pickle.loads(pickle.dumps(y)).tolist() == [2, 2]
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(y)


def test_deep_copies_keep_gradients():
    x = torch.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    y = copy.deepcopy(x)
    y.grad.add_(1)
    assert y.grad.tolist() == [4, 4] and x.grad.tolist() == [3, 3]


@pytest.mark.parametrize(
    "d", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float32, torch.uint16]
)
def test_dlpack_and_back(d):
    x = torch.tensor([1.0, 2.0, 3.0]).to(d)
    y = torch.from_dlpack(x.__dlpack__(max_version=(1, 0)))
    assert y.dtype is d
    y[0] = 2
    assert x.tolist() == [2, 2, 3]
    assert torch.utils.dlpack.from_dlpack(torch.utils.dlpack.to_dlpack(x)).tolist() == [2, 2, 3]


def test_dlpack_details():
    array = np.arange(3)
    array.flags.writeable = False
    x = torch.from_dlpack(array)
    with pytest.raises(RuntimeError, match="read-only"):
        x[0] = 1
    capsule = torch.ones(2).__dlpack__()
    torch.from_dlpack(capsule)
    with pytest.raises(BufferError, match="a capsule can be taken over once"):
        torch.from_dlpack(capsule)
    x = torch.ones(2)
    torch.from_dlpack(x.__dlpack__(copy=True))[0] = 5
    assert x.tolist() == [1, 1] and torch.from_dlpack(torch.zeros(0, 3)).shape == (0, 3)
    with pytest.raises(BufferError, match="no streams"):
        x.__dlpack__(stream=1)
    with pytest.raises(BufferError, match="not on dl_device"):
        x.__dlpack__(dl_device=(2, 0))


# ----- torch.jit, torch.compiler -----


def test_scripts_are_the_things_themselves():
    layer = torch.nn.Linear(2, 1)
    assert torch.jit.script(layer) is layer and torch.jit.trace(layer, (torch.ones(1, 2),)) is layer
    assert torch.jit.freeze(layer) is layer and not torch.jit.is_scripting() and not torch.jit.is_tracing()
    with pytest.raises(RuntimeError, match="features"):
        torch.jit.trace(layer, torch.ones(1, 3))
    with pytest.raises(TypeError, match="expected a function, class or module, got int"):
        torch.jit.script(3)
    with pytest.raises(RuntimeError, match="give example_inputs"):
        torch.jit.trace(layer)
    assert torch.jit.isinstance({"a": [1]}, dict[str, list[int]])
    assert not torch.jit.isinstance((1, "a"), tuple[int, int]) and torch.jit.isinstance(None, int | None)


def test_functions_kept_out_of_compiled_ones_run_each_time():
    calls, seen = [], []

    @torch.compiler.disable
    def note(x):
        calls.append(torch.compiler.is_compiling())
        return x + 1

    def step(x):
        seen.append(torch.compiler.is_compiling())
        return note(x * 2) * 3

    compiled = torch.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = [compiled(torch.ones(1)).item() for _ in range(8)]
    assert results == [9] * 8 and calls == [False] * 8
    assert not torch.compiler.is_compiling()


def test_settings_of_the_compiler_are_kept():
    before = torch._dynamo.config.cache_size_limit
    torch._dynamo.config.cache_size_limit = 64
    assert torch._dynamo.config.cache_size_limit == 64
    torch._dynamo.config.cache_size_limit = before
    with pytest.raises(AttributeError, match="no setting 'cache_size'"):
        torch._dynamo.config.cache_size = 1
    torch._inductor.config.triton.cudagraphs = False
    torch._dynamo.reset()
    with pytest.raises(RuntimeError, match="only 'default'"), torch.compiler.set_stance("force_eager"):
        pass


# ----- torch.hub -----


@pytest.fixture
def server(tmp_path):
    """A folder, and where a server offers it."""
    folder = tmp_path / "offered"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as offered:
        thread = threading.Thread(target=offered.serve_forever, daemon=True)
        thread.start()
        yield folder, f"http://127.0.0.1:{offered.server_address[1]}"
        offered.shutdown()
        thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


def test_weights_are_downloaded_once_and_checked(server, tmp_path, monkeypatch):
    folder, address = server
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    torch.save({"w": torch.ones(2)}, folder / "plain.safetensors")
    data = (folder / "plain.safetensors").read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:8]
    (folder / f"net-{digest}.safetensors").write_bytes(data)
    (folder / "net-00000000.safetensors").write_bytes(data)
    url = f"{address}/net-{digest}.safetensors"
    for _ in range(2):  # the second time it is there already
        got = torch.hub.load_state_dict_from_url(url, check_hash=True, progress=False)
        assert got["w"].tolist() == [1, 1]
        (folder / f"net-{digest}.safetensors").unlink(missing_ok=True)
    assert (tmp_path / "home" / "hub" / "checkpoints" / f"net-{digest}.safetensors").exists()
    with pytest.raises(RuntimeError, match=r'invalid hash value \(expected "00000000"'):
        torch.hub.load_state_dict_from_url(
            f"{address}/net-00000000.safetensors", check_hash=True, progress=False
        )
    kept = torch.utils.model_zoo.load_url(
        f"{address}/plain.safetensors", tmp_path / "here", progress=False, file_name="x.safetensors"
    )
    assert kept["w"].tolist() == [1, 1] and (tmp_path / "here" / "x.safetensors").exists()


def test_a_failed_download_leaves_nothing(server, tmp_path):
    with pytest.raises(OSError, match="404"):
        torch.hub.download_url_to_file(f"{server[1]}/none", tmp_path / "x", progress=False)
    assert not list(tmp_path.glob("*.partial")) and not (tmp_path / "x").exists()


def test_progress_goes_to_stderr(server, tmp_path):
    (server[0] / "data").write_bytes(b"x" * 3000)
    with contextlib.redirect_stderr(io.StringIO()) as shown:
        torch.hub.download_url_to_file(f"{server[1]}/data", tmp_path / "x")
    assert "100%" in shown.getvalue() and (tmp_path / "x").stat().st_size == 3000


def test_models_of_a_local_folder(tmp_path):
    (tmp_path / "helper.py").write_text("SIZE = 3\n")
    (tmp_path / "hubconf.py").write_text(
        "dependencies = ['numpy']\n"
        "def net(scale=1):\n    'A net.'\n    from helper import SIZE\n    return SIZE * scale\n"
        "def _hidden(): pass\n"
    )
    assert torch.hub.load(tmp_path, "net", source="local", scale=2) == 6
    assert torch.hub.list(tmp_path, source="local") == ["net"]
    assert torch.hub.help(tmp_path, "net", source="local") == "A net."
    with pytest.raises(RuntimeError, match="Cannot find callable other in hubconf"):
        torch.hub.load(tmp_path, "other", source="local")
    with pytest.raises(RuntimeError, match=r"code is not downloaded"):
        torch.hub.load("someone/something", "net")
    with pytest.raises(ValueError, match="Unknown source"):
        torch.hub.load(tmp_path, "net", source="elsewhere")
    (tmp_path / "hubconf.py").write_text("dependencies = ['not_a_package_at_all']\n")
    with pytest.raises(RuntimeError, match="Missing dependencies: not_a_package_at_all"):
        torch.hub.load(tmp_path, "net", source="local")


# ----- torch.utils.benchmark, torch.testing -----


def test_timers_measure():
    timer = torch.utils.benchmark.Timer(
        "f(x)", globals={"f": torch.exp, "x": torch.ones(8)}, label="exp", description="small"
    )
    before = torch.get_num_threads()
    m = timer.blocked_autorange(min_run_time=0.01)
    assert m.median > 0 and m.mean > 0 and len(m.times) >= 1 and "exp: small" in repr(m)
    assert timer.timeit(3).number_per_run == 3 and timer.adaptive_autorange(max_run_time=0.02).iqr >= 0
    assert torch.get_num_threads() == before
    with pytest.raises(ValueError, match="only Python"):
        torch.utils.benchmark.Timer("x", language="c++")


def test_comparisons_say_what_differs():
    close = torch.testing.assert_close
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(
        AssertionError, match=r"(?s)not close.*1 / 4 \(25.0%\).*absolute difference: 0.5 at index \(1, 0\)"
    ):
        close(x + torch.tensor([[0.0, 0.0], [0.5, 0.0]]), x)
    with pytest.raises(AssertionError, match=r"(?s)Scalars are not equal!.*Expected 3 but got 2"):
        close(2, 3)
    with pytest.raises(AssertionError, match=r"occurred for item \['a'\]\[1\]"):
        close({"a": [x, x]}, {"a": [x, x + 1]})
    with pytest.raises(AssertionError, match=r"mine: .*dtype"):
        close(x, x.double(), msg=lambda text: f"mine: {text}")
    with pytest.raises(AssertionError, match=r"^mine$"):
        close(x, x + 1, msg="mine")


def test_the_environment_in_words(capsys):
    torch.utils.collect_env.main()
    assert "Python version" in capsys.readouterr().out
