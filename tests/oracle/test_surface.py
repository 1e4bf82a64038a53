"""PyTorch's names around tensors: what raises there raises here, and what is answered is answered alike."""

import warnings

import numpy as np
import pytest
from both import as_numpy, words

import flambeau

torch = pytest.importorskip("torch")

# ----- devices and libraries that are not here -----

ASKED = words("""
    cuda.is_available() cuda.device_count() cuda.is_initialized() cuda.current_device() cuda.get_device_name()
    cuda.get_device_capability() cuda.get_device_properties(0) cuda.synchronize() cuda.empty_cache()
    cuda.manual_seed(0) cuda.manual_seed_all(0) cuda.seed() cuda.seed_all() cuda.initial_seed()
    cuda.memory_allocated() cuda.max_memory_allocated() cuda.memory_reserved() cuda.max_memory_reserved()
    cuda.memory_stats() cuda.mem_get_info() cuda.Stream() cuda.Event() cuda.current_stream()
    cuda.default_stream() cuda.set_stream(None) cuda.set_device(-1) cuda.set_device("cpu")
    cuda.is_bf16_supported() cuda.is_tf32_supported() cuda.get_rng_state() cuda.get_rng_state_all()
    cuda.set_rng_state_all([]) cuda.ipc_collect() cuda.get_arch_list() cuda.get_gencode_flags() cuda.init()
    cuda.can_device_access_peer(0,1) cuda.set_per_process_memory_fraction(0.5) cuda.CUDAGraph()
    cuda.nvtx.range_push("a") cuda.default_generators cuda.FloatTensor(2) cuda.device(-1).__enter__()
    cuda.device(0).__enter__() cuda.stream(None).__enter__()
    backends.cudnn.is_available() backends.cudnn.version() backends.cudnn.enabled backends.cudnn.benchmark
    backends.cudnn.deterministic backends.cudnn.allow_tf32 backends.cudnn.is_acceptable(torch.ones(1))
    backends.cuda.is_built() backends.cuda.matmul.allow_tf32 backends.cuda.flash_sdp_enabled()
    backends.cuda.matmul.allow_fp16_reduced_precision_reduction backends.cuda.math_sdp_enabled()
    backends.cuda.cufft_plan_cache.size backends.mps.is_available() backends.mps.is_built()
    backends.mkldnn.enabled backends.mha.get_fastpath_enabled() backends.cpu.get_cpu_capability()
    mps.is_available() mps.device_count() mps.synchronize() mps.empty_cache() mps.manual_seed(0) mps.seed()
    mps.current_allocated_memory() xpu.is_available() xpu.device_count() xpu.current_device()
    xpu.synchronize() xpu.empty_cache() xpu.manual_seed_all(0) xpu.memory_allocated() xpu.is_initialized()
    xpu.get_device_name() xpu.Stream() accelerator.is_available() accelerator.current_accelerator()
    accelerator.device_count() accelerator.current_device_index() accelerator.synchronize()
    accelerator.set_device_index(0) accelerator.memory_allocated() version.cuda version.hip version.debug
    compiler.is_compiling() compiler.is_dynamo_compiling() compiler.is_exporting()
    compiler.cudagraph_mark_step_begin() jit.is_scripting() jit.is_tracing()
""")


def answer(T, text):
    try:
        return eval(f"torch.{text}", {"torch": T})
    except Exception as error:
        return error


@pytest.mark.parametrize("text", ASKED)
def test_answers(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got, want = answer(flambeau, text), answer(torch, text)
    if isinstance(want, Exception):
        assert isinstance(got, type(want)), repr(got)
    else:
        assert got == want and type(got) is type(want)


# ----- torch.testing -----

CASES = [
    "T.tensor([1., 2.]), T.tensor([1., 2.])",
    "T.tensor([1., 2.]), T.tensor([1., 2.00001])",
    "T.tensor([1., 2.]), T.tensor([1., 2.001])",
    "T.tensor([1., 2.]), T.tensor([1., 2.], dtype=T.float64)",
    "T.tensor([1., 2.]), T.tensor([[1., 2.]])",
    "T.tensor([1., nan]), T.tensor([1., nan])",
    "T.tensor([1., nan]), T.tensor([1., nan]), equal_nan=True",
    "T.tensor([1., inf]), T.tensor([1., inf])",
    "T.tensor([1, 2]), T.tensor([1, 3])",
    "T.tensor([1, 2]), T.tensor([1, 2])",
    "T.tensor([True]), T.tensor([True])",
    "T.tensor([1, 2]), T.tensor([1, 3]), rtol=0, atol=1",
    "T.tensor([1.]), T.tensor([1.]), rtol=0",
    "T.ones(2, 2).t(), T.ones(2, 2), check_stride=True",
    "T.ones(2), T.ones(2, dtype=T.float64), check_dtype=False",
    "1, 1",
    "1, 1.0",
    "1, 1.0, check_dtype=False",
    "1.0, 1.0000001",
    "1.0, 1.1",
    "1j, 1j",
    "nan, nan",
    "nan, nan, equal_nan=True",
    "inf, inf",
    "inf, 1.0",
    "True, True",
    "True, False",
    "None, None",
    "None, 1",
    "[1, 2.5], [1, 2.5]",
    "[1, 2], [1, 2, 3]",
    "(1, [T.ones(2)]), (1, [T.ones(2)])",
    "{'a': 1}, {'a': 1}",
    "{'a': 1}, {'b': 1}",
    "{'a': T.ones(1)}, {'a': T.zeros(1)}",
    "T.ones(2), [1., 1.]",
    "T.ones(2), 1.0",
    "np.ones(2), np.ones(2)",
    "np.ones(2), np.zeros(2)",
    "T.ones(2), np.ones(2)",
    "object(), object()",
    "T.nn.Parameter(T.ones(2)), T.ones(2)",
    "T.nn.Parameter(T.ones(2)), T.ones(2), allow_subclasses=False",
    "T.zeros(0), T.zeros(0)",
    "T.tensor([1 + 1j]), T.tensor([1 + 1.00001j])",
    "T.tensor([1.], dtype=T.float16), T.tensor([1.0005], dtype=T.float16)",
    "T.tensor([1.], dtype=T.bfloat16), T.tensor([1.01], dtype=T.bfloat16)",
]


@pytest.mark.parametrize("case", CASES)
def test_comparisons(case):
    def outcome(T):
        names = {"T": T, "np": np, "nan": float("nan"), "inf": float("inf")}
        try:
            return eval(f"T.testing.assert_close({case})", names)
        except Exception as error:
            return error

    got, want = outcome(flambeau), outcome(torch)
    assert type(got) is type(want), f"{got!r}, PyTorch {want!r}"
    if isinstance(want, AssertionError):  # the first line says what kind of difference it is
        assert str(got).split("!")[0].split(":")[0][:20] == str(want).split("!")[0].split(":")[0][:20]


@pytest.mark.parametrize(
    "arguments",
    [
        "2, 3, dtype=T.float32, device='cpu'", "(2, 3), dtype=T.float64, device='cpu', low=0, high=1",
        "20, dtype=T.int64, device='cpu'", "20, dtype=T.uint8, device='cpu'", "20, dtype=T.bool, "
        "device='cpu'",
        "20, dtype=T.int32, device='cpu', low=2.5, high=7", "5, dtype=T.complex64, device='cpu'",
        "4, dtype=T.float32, device='cpu', noncontiguous=True", "dtype=T.float32, device='cpu', low=1, "
        "high=2",
        "20, dtype=T.int8, device='cpu', low=0, high=2, exclude_zero=True", "5, dtype=T.bfloat16, "
        "device='cpu'",
        "3, dtype=T.float32, device='cpu', requires_grad=True", "3, dtype=T.float32, device='cpu', low=2, "
        "high=1",
        "1, 2, 3, 4, dtype=T.float32, device='cpu', memory_format=T.channels_last",
        "3, dtype=T.float32, device='cpu', low=float('nan')",
    ],
)  # fmt: skip
def test_random_tensors(arguments):
    def made(T):
        T.manual_seed(3)
        try:
            return eval(f"T.testing.make_tensor({arguments})", {"T": T})
        except Exception as error:
            return error

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got, want = made(flambeau), made(torch)
    if isinstance(want, Exception):
        assert type(got) is type(want)
        return
    np.testing.assert_array_equal(as_numpy(got), as_numpy(want))
    assert (got.stride(), got.requires_grad) == (want.stride(), want.requires_grad)


# ----- DLPack between the two -----


@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2", "float32", "int64", "bool", "complex64"])
def test_dlpack_both_ways(name):
    x = flambeau.tensor([1.0, 0.0, 2.0]).to(getattr(flambeau, name))
    y = torch.from_dlpack(x)
    assert str(y.dtype) == f"torch.{name}" and y.tolist() == x.tolist()
    y[0] = 0
    assert x[0].item() == 0
    theirs = torch.tensor([1.0, 0.0, 2.0]).to(getattr(torch, name))
    ours = flambeau.from_dlpack(theirs)
    assert str(ours.dtype) == f"torch.{name}"
    ours[0] = 0
    assert theirs[0].item() == 0
