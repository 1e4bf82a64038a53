"""Sparse tensors (`torch.sparse`): products, sums and softmax, and old names of types.

>>> import flambeau as torch
>>> a = torch.sparse_coo_tensor([[0, 1], [1, 0]], [2., 3.], (2, 2), requires_grad=True)
>>> torch.sparse.sum(torch.sparse.mm(a, torch.ones(2, 1)).to_sparse()).backward()
>>> a.grad.coalesce().values()
tensor([1., 1.])
"""

from typing import Any

from .functions.sparse.construct import check_sparse_tensor_invariants
from .functions.sparse.legacy import TYPES as _TYPES
from .functions.sparse.products import addmm, mm, sampled_addmm, spdiags
from .functions.sparse.reduction import log_softmax, softmax
from .functions.sparse.reduction import sparse_sum as sum
from .functions.sparse.tensor import SparseTensor

__all__ = [
    "SparseTensor", "addmm", "check_sparse_tensor_invariants", "log_softmax", "mm", "sampled_addmm",
    "softmax", "spdiags", "sum",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _TYPES:
        return _TYPES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
