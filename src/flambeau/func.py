"""Function transforms (`torch.func`): functions of functions, which nest in any order."""

from __future__ import annotations

from .autograd.transforms import (
    functionalize,
    grad,
    grad_and_value,
    hessian,
    jacfwd,
    jacrev,
    jvp,
    linearize,
    vjp,
)
from .autograd.vmap import chunk_vmap, vmap
from .nn.stateless import functional_call, stack_module_state

__all__ = [
    "chunk_vmap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "stack_module_state",
    "vjp",
    "vmap",
]
