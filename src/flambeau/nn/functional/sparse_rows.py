"""Embeddings whose gradient is sparse: the rows that were looked up."""

from __future__ import annotations

from typing import Any

from ...autograd.function import Function, once_differentiable
from ...core.tensor import Tensor
from ...functions import sparse  # noqa: F401  # gives sparse tensors their methods
from ...functions.sparse.construct import sparse_coo_tensor
from ...ops import lookup as ops
from .arguments import flat


class SparseRows(Function):
    """Rows of a table, and a gradient for each of them."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, rows: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape, ctx.padding = w.shape, padding
        return ops.embedding(w, rows, padding, False)  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        (rows,) = ctx.saved_tensors
        rows, g = flat(rows, rows.numel()).long(), g.reshape(rows.numel(), ctx.shape[1])
        if ctx.padding >= 0:
            kept = rows != ctx.padding
            rows, g = rows[kept], g[kept]
        return sparse_coo_tensor(rows.unsqueeze(0), g, ctx.shape), None, None
