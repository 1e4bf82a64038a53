"""Methods of dense tensors that have to do with sparse ones, which are loaded with the first of them."""

from __future__ import annotations

import importlib
from typing import Any

from ..core.tensor import Tensor


def _method(name: str) -> Any:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
        return getattr(importlib.import_module(".sparse.convert", __package__), name)(self, *args, **kwargs)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name}` of a tensor; see `torch.sparse`."
    return method


NAMES = """
    to_dense to_sparse to_sparse_coo to_sparse_csr to_sparse_csc to_sparse_bsr to_sparse_bsc coalesce
    is_coalesced indices values crow_indices col_indices ccol_indices row_indices sparse_mask sparse_dim
    dense_dim _indices _values _nnz
"""
globals().update({name: _method(name) for name in NAMES.split()})
