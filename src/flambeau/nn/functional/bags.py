"""Embeddings of bags: rows of a table, looked up and summed, averaged or compared, bag by bag."""

from __future__ import annotations

from ...core import dtype as dt
from ...core.tensor import Tensor
from ...core.warning import warn
from ...functions.choice import choose
from ...functions.creation import zeros
from ...functions.indexing import index_add
from ...functions.ranges import arange
from ...functions.reduction import amax
from ...functions.sorting import searchsorted
from ...ops.kinds import cast, opmath
from ...ops.op import check_tensor
from .lookup import embedding

MODES = ("sum", "mean", "max")


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or largest elements of the rows of `weight` (rows, features) that each bag names: (bags,
    features). An empty bag gives zeros.

    A row of `input` (bags, n) is a bag; or `offsets` says where in `input` (n) bags begin, and, with
    `include_last_offset`, where the last one ends. `per_sample_weights`, of the input's shape, weights the
    summands of "sum". The row `padding_idx` counts for nothing; `max_norm`, `norm_type`,
    `scale_grad_by_freq` and `sparse` are those of `embedding`. ValueError, NotImplementedError or
    RuntimeError for arguments that don't go together, IndexError for a row that isn't there.

    >>> import flambeau as torch
    >>> table = torch.tensor([[1., 2.], [3., 4.], [5., 6.]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([0, 1, 2]), table, torch.tensor([0, 2]), mode="sum")
    tensor([[4., 6.],
            [5., 6.]])
    """
    what = "embedding_bag"
    rows, table = check_tensor(what, "input", input), check_tensor(what, "weight", weight)
    if table.dtype is dt.int64 and rows.is_floating_point():
        warn(
            f"{what}: Argument order was changed: embedding_bag(weight, input, ...) is deprecated, write "
            "embedding_bag(input, weight, ...)"
        )
        rows, table = table, rows
    _check(rows, table, offsets, per_sample_weights, mode, scale_grad_by_freq, padding_idx, sparse)
    d = table._node.dtype  # 16-bit numbers are summed in 32 bits
    vectors = embedding(rows, table, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    vectors = cast(vectors, opmath(d))
    if per_sample_weights is not None:
        vectors = vectors * cast(per_sample_weights, opmath(d)).unsqueeze(-1)
    counted = None if padding_idx is None else (rows != padding_idx % len(table)).unsqueeze(-1)
    if offsets is None:
        return cast(_reduced(vectors, counted, mode), d)
    starts, ends = _limits(rows.numel(), offsets, include_last_offset)
    if mode == "max":
        return cast(_reduced(*_spread(vectors, counted, starts, ends), mode), d)
    return cast(_summed(vectors, counted, starts, ends, mode), d)


def _check(
    rows: Tensor,
    table: Tensor,
    offsets: Tensor | None,
    weights: Tensor | None,
    mode: str,
    scale: bool,
    padding_idx: int | None,
    sparse: bool,
) -> None:
    what = "embedding_bag"
    if weights is not None and weights.shape != rows.shape:
        raise ValueError(
            f"{what}: If per_sample_weights ({tuple(weights.shape)}) is not None, then it must have the same "
            f"shape as the input ({tuple(rows.shape)})"
        )
    if table.ndim != 2:
        raise ValueError(f"{what}: weight has to be a 2D Tensor, but got Tensor of dimension {table.ndim}")
    if rows.ndim not in (1, 2):
        raise ValueError(f"{what}: input has to be 1D or 2D Tensor, but got Tensor of dimension {rows.ndim}")
    if rows.ndim == 2 and offsets is not None:
        raise ValueError(
            f"{what}: if input is 2D, then offsets has to be None, as its rows are the bags; got offsets of "
            f"shape {tuple(offsets.shape)}"
        )
    if rows.ndim == 1 and (offsets is None or offsets.ndim != 1):
        given = "None" if offsets is None else f"shape {tuple(offsets.shape)}"
        raise ValueError(f"{what}: offsets has to be a 1D Tensor but got {given}")
    if mode not in MODES:
        raise ValueError(f"{what}: mode has to be one of sum, mean or max, got {mode!r}")
    if padding_idx is not None and not -len(table) <= padding_idx < len(table):
        raise RuntimeError(
            f"{what}: padding_idx must be within the number of embeddings, got {padding_idx} for {len(table)}"
        )
    if mode == "max" and sparse:
        raise ValueError(f"{what}: max mode does not support sparse weights")
    if mode == "max" and scale:
        raise ValueError(f"{what}: max mode does not support scaling the gradient by the frequency")
    if weights is not None and mode != "sum":
        raise NotImplementedError(
            f"{what}: per_sample_weights is only supported for mode='sum' (got mode={mode!r})"
        )


def _limits(n: int, offsets: Tensor, last_too: bool) -> tuple[Tensor, Tensor]:
    """Where each bag begins and ends; RuntimeError for offsets that don't fit, if they are known."""
    value = offsets._current().value
    if last_too and offsets.numel() == 0:
        raise RuntimeError("embedding_bag: include_last_offset: number of offsets should be at least 1")
    if value is not None and value.size and value[0] != 0:
        raise RuntimeError(
            "embedding_bag: offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start "
            f"from position 0. However, got {value[0]}"
        )
    if value is not None and value.size and value[-1] > n:
        raise RuntimeError(
            f"embedding_bag: offsets[-1] can not be greater than input's length {n}, but got offsets[-1] of "
            f"{value[-1]}"
        )
    if last_too:
        return offsets[:-1], offsets[1:]
    ends = zeros(offsets.shape, dtype=offsets.dtype)
    ends[:-1] = offsets[1:]
    ends[-1:] = n
    return offsets, ends


def _reduced(vectors: Tensor, counted: Tensor | None, mode: str) -> Tensor:
    """The vectors (bags, n, features) of each bag as one."""
    if vectors.shape[1] == 0:
        return zeros(vectors.shape[0], vectors.shape[2], dtype=vectors.dtype)
    if mode == "max":
        seen = vectors if counted is None else choose(counted, vectors, -float("inf"))
        largest: Tensor = seen.max(1).values
        return largest if counted is None else choose(amax(counted, 1), largest, 0.0)
    if counted is not None:
        vectors = choose(counted, vectors, 0.0)
    total = vectors.sum(1)
    if mode == "sum":
        return total
    return total / (vectors.shape[1] if counted is None else counted.sum(1).clamp(min=1).to(total.dtype))


def _spread(vectors: Tensor, counted: Tensor | None, starts: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors (n, features) as (bags, longest, features), and which of them count."""
    longest = int((ends - starts).max().item()) if starts.numel() else 0
    at = starts.unsqueeze(-1) + arange(longest)
    inside = (at < ends.unsqueeze(-1)).unsqueeze(-1)
    at = at.clamp(max=max(len(vectors) - 1, 0))
    return vectors[at], inside if counted is None else inside & counted[at]


def _summed(vectors: Tensor, counted: Tensor | None, starts: Tensor, ends: Tensor, mode: str) -> Tensor:
    n, bags = len(vectors), len(starts)
    place = arange(n)
    bag = searchsorted(starts.contiguous(), place, right=True) - 1
    if bags:
        bag = choose(place < ends[-1], bag, bags)  # what comes after the last bag
    if counted is not None:
        vectors = choose(counted, vectors, 0.0)
    total = index_add(zeros(bags + 1, vectors.shape[1], dtype=vectors.dtype), 0, bag, vectors)[:bags]
    if mode == "sum":
        return total
    if counted is None:
        number = ends - starts
    else:
        number = index_add(zeros(bags + 1, dtype=dt.int64), 0, bag, counted.squeeze(-1).long())[:bags]
    return total / number.clamp(min=1).unsqueeze(-1).to(total.dtype)
