"""Names of PyTorch's compiler that programs use although they are not meant to be public: see
`torch.compiler`."""

from __future__ import annotations

from typing import Any

from .backends.switches import Switches
from .compiler.api import (
    allow_in_graph,
    assume_constant_result,
    break_off,
    disable,
    is_compiling,
    list_backends,
    reset,
)

# Kept, and without effect.
config = Switches(
    accumulated_cache_size_limit=256,
    accumulated_recompile_limit=256,
    allow_unspec_int_on_nn_module=False,
    assume_static_by_default=True,
    automatic_dynamic_shapes=True,
    cache_size_limit=8,
    capture_dynamic_output_shape_ops=False,
    capture_scalar_outputs=False,
    compiled_autograd=False,
    disable=False,
    dynamic_shapes=True,
    error_on_recompile=False,
    force_parameter_static_shapes=True,
    inline_inbuilt_nn_modules=True,
    log_level=30,
    optimize_ddp=True,
    recompile_limit=8,
    specialize_int=False,
    suppress_errors=False,
    verbose=False,
)


def graph_break(msg: str = "") -> None:
    """Makes the compiled call that is being recorded, if one is, an ordinary one.

    >>> import flambeau as torch
    >>> torch._dynamo.graph_break()
    """
    break_off(msg or "asks for a graph break")


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """Says that an extent changes: a new one is never a new kernel, so nothing is to be done.

    >>> import flambeau as torch
    >>> torch._dynamo.mark_dynamic(torch.ones(2), 0)
    """


def mark_static(t: Any, index: Any = None) -> None:
    """Says that an extent does not change; nothing is to be done.

    >>> import flambeau as torch
    >>> torch._dynamo.mark_static(torch.ones(2), 0)
    """


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Says that a tensor's memory does not move; nothing is to be done.

    >>> import flambeau as torch
    >>> torch._dynamo.mark_static_address(torch.ones(2))
    """


__all__ = [
    "allow_in_graph", "assume_constant_result", "config", "disable", "graph_break", "is_compiling",
    "list_backends", "mark_dynamic", "mark_static", "mark_static_address", "reset",
]  # fmt: skip
