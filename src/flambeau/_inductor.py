"""Settings of PyTorch's code generator that programs use although they are not meant to be public. They are
kept, and change nothing."""

from __future__ import annotations

from .backends.switches import Switches

config = Switches(
    coordinate_descent_check_all_directions=False,
    coordinate_descent_tuning=False,
    conv_1x1_as_mm=False,
    cpp=Switches(threads=-1, simdlen=None, enable_kernel_profile=False, vec_isa_ok=None),
    debug=False,
    epilogue_fusion=True,
    fallback_random=False,
    force_fuse_int_mm_with_mul=False,
    freezing=False,
    fx_graph_cache=True,
    max_autotune=False,
    max_autotune_gemm_backends="",
    max_autotune_pointwise=False,
    shape_padding=True,
    triton=Switches(cudagraphs=False, cudagraph_trees=True, unique_kernel_names=True),
    use_mixed_mm=False,
)
