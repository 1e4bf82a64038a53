"""Embeddings and one-hot vectors."""

from __future__ import annotations

from ...autograd.grad_mode import no_grad
from ...core import dtype as dt
from ...core.node import numel
from ...core.tensor import Tensor
from ...functions import reduction
from ...functions.calling import write
from ...functions.choice import (
    choose,
)
from ...functions.indexing import scatter
from ...functions.shape import unsqueeze
from ...ops import lookup as ops
from ...ops.creation import full
from ...ops.index import index_put
from ...ops.op import check_tensor
from .arguments import flat


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """The rows of `weight` (rows, features) that `input` (any shape of int64 or int32) names: (*, features).

    The row `padding_idx` gets no gradient. Rows with a larger norm than `max_norm` are scaled down to it, in
    place. `scale_grad_by_freq` divides a row's gradient by how often it is named. With `sparse` the gradient
    of `weight` is a sparse tensor of the rows that are named. IndexError for a row that isn't there (raised
    here if the numbers are known, else when they are), AssertionError for such a `padding_idx`, RuntimeError
    for other misfits.

    >>> import flambeau as torch
    >>> torch.nn.functional.embedding(torch.tensor([1, 0]), torch.tensor([[1., 2.], [3., 4.]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    rows, w = check_tensor("embedding", "input", input), check_tensor("embedding", "weight", weight)
    if rows._node.dtype not in (dt.int64, dt.int32):
        raise RuntimeError(
            f"embedding: Expected 'input' to have one of the dtypes int64 or int32, but got {rows.dtype}; "
            "use .long()"
        )
    if w.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, got shape {tuple(w.shape)}")
    n = w._node.shape[0]
    if padding_idx is not None and not -n <= padding_idx < n:
        raise AssertionError(
            f"embedding: Padding_idx must be within num_embeddings, got {padding_idx} for {n}"
        )
    _check_rows(rows, n)
    if max_norm is not None:
        _renorm(rows, w, max_norm, norm_type)
    padding = -1 if padding_idx is None else padding_idx % n
    if sparse and w.requires_grad:
        from .sparse_rows import SparseRows

        if scale_grad_by_freq:
            raise RuntimeError("embedding: scale_grad_by_freq not supported with sparse gradients")
        return SparseRows.apply(w, rows, padding)  # type: ignore[no-any-return]
    out: Tensor = ops.embedding(w, rows, padding, bool(scale_grad_by_freq))
    return out


def _check_rows(rows: Tensor, n: int) -> None:
    value = rows._current().value
    if value is not None and value.size and not 0 <= value.min() <= value.max() < n:
        wrong = value.max() if value.max() >= n else value.min()
        raise IndexError(f"embedding: index out of range in self: {wrong} is none of the {n} rows")


def _renorm(rows: Tensor, w: Tensor, max_norm: float, norm_type: float) -> None:
    """Scales the named rows of `w` whose norm exceeds `max_norm` down to it."""
    if rows.numel() == 0:
        return
    with no_grad():
        named = flat(rows, rows.numel())
        picked = ops.embedding(w, named, -1, False)
        norms = reduction.norm(picked, norm_type, 1, True)
        scaled = picked * choose(norms > max_norm, max_norm / (norms + 1e-7), 1.0)
        write("embedding", w, index_put(w, scaled, (named,), (0,), False))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """A vector of zeros with a 1 at each class: (*) of int64 to (*, num_classes) of int64. By default the
    largest class is the last.

    RuntimeError for classes below 0 or beyond the last (raised here if they are known, else an IndexError
    when they are).

    >>> import flambeau as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    t = check_tensor("one_hot", "tensor", tensor)
    if t._node.dtype is not dt.int64:
        raise RuntimeError(
            f"one_hot: is only applicable to index tensor of type LongTensor, got {t.dtype}; use .long()"
        )
    if t.numel() == 0 and num_classes <= 0:
        raise RuntimeError(
            "one_hot: Can not infer total number of classes from empty tensor; pass num_classes"
        )
    value = t._value("one_hot") if num_classes == -1 else t._current().value
    if value is not None and value.size:
        if value.min() < 0:
            raise RuntimeError(f"one_hot: Class values must be non-negative, got {value.min()}")
        if num_classes == -1:
            num_classes = int(value.max()) + 1
        if value.max() >= num_classes:
            raise RuntimeError(
                f"one_hot: Class values must be smaller than num_classes, got {value.max()} of {num_classes}"
            )
    shape = t._node.shape
    if numel((*shape, num_classes)) == 0:
        return full(0, (*shape, num_classes), dt.int64)
    return scatter(full(0, (*shape, num_classes), dt.int64), -1, unsqueeze(t, -1), 1)
