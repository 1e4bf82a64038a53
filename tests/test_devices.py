"""Devices and libraries that are not here: what is silent, what answers, what raises."""

import pytest

import flambeau as torch

SILENT = [
    "cuda.empty_cache()", "cuda.manual_seed(0)", "cuda.manual_seed_all(0)", "cuda.seed()", "cuda.seed_all()",
    "cuda.reset_peak_memory_stats()", "cuda.reset_max_memory_allocated()", "cuda.set_rng_state_all([])",
    "cuda.set_stream(None)", "cuda.set_device(-1)", "xpu.empty_cache()", "xpu.manual_seed_all(0)",
    "mps.manual_seed(0)",
]  # fmt: skip
ZERO = [
    "cuda.device_count()", "cuda.memory_allocated()", "cuda.max_memory_allocated()", "cuda.memory_reserved()",
    "cuda.max_memory_reserved()", "xpu.device_count()", "mps.device_count()", "accelerator.device_count()",
]  # fmt: skip
NO = [
    "cuda.is_available()", "cuda.is_initialized()", "cuda.is_bf16_supported()", "xpu.is_available()",
    "mps.is_available()", "accelerator.is_available()", "backends.cudnn.is_available()",
    "backends.mps.is_available()", "backends.mps.is_built()", "backends.cuda.is_built()",
    "backends.mkl.is_available()", "backends.openmp.is_available()",
]  # fmt: skip
MISSING = [
    "cuda.current_device()", "cuda.get_device_name(0)", "cuda.get_device_properties(0)",
    "cuda.get_device_capability()", "cuda.synchronize()", "cuda.current_stream()", "cuda.get_rng_state()",
    "cuda.mem_get_info()", "cuda.Stream()", "cuda.Event(enable_timing=True)", "cuda.CUDAGraph()",
    "cuda.set_device(0)", "cuda.set_device('cuda:1')", "cuda.nvtx.range_push('a')", "ones(1).cuda()",
    "ones(1).to('cuda:0')", "zeros(1, device='cuda')", "nn.Linear(1, 1).cuda()", "xpu.synchronize()",
    "mps.synchronize()", "accelerator.synchronize()", "backends.cuda.cufft_plan_cache.size",
]  # fmt: skip


def told(text):
    return eval(f"torch.{text}", {"torch": torch})


@pytest.mark.parametrize("text", SILENT)
def test_what_has_nothing_to_do_does_nothing(text):
    assert told(text) is None


@pytest.mark.parametrize("text", ZERO)
def test_there_is_none_of_anything(text):
    assert told(text) == 0


@pytest.mark.parametrize("text", NO)
def test_nothing_is_available(text):
    assert told(text) is False


@pytest.mark.parametrize("text", MISSING)
@pytest.mark.parametrize("kind", [AssertionError, RuntimeError])
def test_what_needs_a_device_raises(text, kind):
    with pytest.raises(kind, match=r"there is no|not available here"):
        told(text)


def test_blocks_that_choose_no_device():
    with torch.cuda.device(-1), torch.cuda.device(None), torch.cuda.stream(None):
        assert torch.ones(1).device.type == "cpu"
    with torch.cuda.device_of(torch.ones(1)):
        pass
    with pytest.raises(RuntimeError, match="no cuda device"), torch.cuda.device(0):
        pass
    with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
        torch.cuda.set_device("cpu")


def test_types_of_tensors_on_cuda_are_names_only():
    assert not isinstance(torch.ones(1), torch.cuda.FloatTensor)
    with pytest.raises(TypeError, match=r"torch\.cuda\.FloatTensor not available"):
        torch.cuda.FloatTensor(2)


def test_an_unknown_name_says_that_there_is_no_device():
    with pytest.raises(AttributeError, match="no CUDA device"):
        torch.cuda.nonsense  # noqa: B018


def test_switches_are_kept():
    cudnn = torch.backends.cudnn
    cudnn.benchmark = True
    assert cudnn.benchmark
    with cudnn.flags(enabled=False, benchmark=False, deterministic=True):
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (False, False, True)
    assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic) == (True, True, False)
    assert cudnn.set_flags(_benchmark=False)[1] is True and not cudnn.benchmark
    matmul = torch.backends.cuda.matmul
    matmul.allow_tf32 = True
    assert matmul.allow_tf32
    matmul.allow_tf32 = False
    with pytest.raises(AttributeError, match="no setting 'allow_tf23'"):
        matmul.allow_tf23 = True
    with torch.backends.cuda.sdp_kernel(enable_math=False):
        assert not torch.backends.cuda.math_sdp_enabled()
    assert torch.backends.cuda.math_sdp_enabled()
    assert torch.backends.cpu.get_cpu_capability() in ("AVX512", "AVX2", "DEFAULT")


def test_the_default_device():
    try:
        torch.set_default_device("cuda")  # as in PyTorch, an error only once it is used
        assert torch.get_default_device() == torch.device("cuda")
        with pytest.raises(AssertionError, match="'cuda' is not available"):
            torch.zeros(2)
        assert torch.zeros(2, device="cpu").double().device.type == "cpu"
    finally:
        torch.set_default_device(None)
    with torch.device("cpu") as d:
        assert torch.zeros(1).device == d
    with torch.device("mps"), pytest.raises(AssertionError, match="'mps' is not available"):
        torch.ones(1)
    assert torch.ones(1).device.type == "cpu"


def test_the_meta_device_by_default():
    with torch.device("meta"):
        layer = torch.nn.Linear(2, 2)
        assert layer.weight.is_meta and torch.tensor([1.0]).is_meta and torch.rand(2).is_meta
        assert not torch.ones(2, device="cpu").is_meta
    assert not torch.ones(2).is_meta
    assert layer.to_empty(device="cpu").weight.device.type == "cpu"


def test_versions():
    assert torch.version.cuda is torch.version.hip is None
    assert torch.version.__version__ == torch.__version__
