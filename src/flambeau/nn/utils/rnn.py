"""Sequences of different lengths: packed one after the other, step by step, or padded to one length."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from ...core import dtype as dt
from ...core.tensor import Tensor
from ...functions.choice import where
from ...functions.creation import tensor
from ...functions.indexing import index_select
from ...functions.joining import cat, stack
from ...functions.sorting import sort
from ...ops.op import check_tensor


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """A batch of sequences of different lengths, without padding: what recurrent layers take and give.

    Made by `pack_padded_sequence` and `pack_sequence`. For sequences `abc` and `x`, `data` is `axbc` and
    `batch_sizes` is `[2, 1, 1]`.

    Attributes:
        data: (sum of the lengths, *), the elements of all sequences, step by step.
        batch_sizes: (longest length), how many sequences have that step, int64.
        sorted_indices: (batch), the order, by falling length, in which the sequences are packed; None if that
            is the order in which they were given.
        unsorted_indices: (batch), the way back.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_sequence
        >>> p = pack_sequence([torch.tensor([1., 2.]), torch.tensor([3.])])
        >>> p.data, p.batch_sizes, p.double().data.dtype
        (tensor([1., 3., 2.]), tensor([2, 1]), torch.float64)
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError(
                    "PackedSequence: without batch_sizes, data must be a list or tuple of length 2 (data, "
                    f"batch_sizes), got {type(data).__name__}"
                )
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The sequences with `data.to(...)`; the same object if that changes nothing."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self, *args: Any, **kwargs: Any) -> Self:
        """The sequences in the processor's memory."""
        return self.to("cpu", *args, **kwargs)

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """The sequences in a graphics processor's memory."""
        return self.to("cuda", *args, **kwargs)

    def pin_memory(self) -> Self:
        """The sequences with data in memory from which copies to a graphics processor are fast."""
        return type(self)(self.data.pin_memory(), *self[1:])

    @property
    def is_cuda(self) -> bool:
        """Whether the data lies in a graphics processor's memory."""
        return self.data.is_cuda

    def double(self) -> Self:
        """The data as float64."""
        return self.to(dtype=dt.float64)

    def float(self) -> Self:
        """The data as float32."""
        return self.to(dtype=dt.float32)

    def half(self) -> Self:
        """The data as float16."""
        return self.to(dtype=dt.float16)

    def long(self) -> Self:
        """The data as int64."""
        return self.to(dtype=dt.int64)

    def int(self) -> Self:
        """The data as int32."""
        return self.to(dtype=dt.int32)

    def short(self) -> Self:
        """The data as int16."""
        return self.to(dtype=dt.int16)

    def char(self) -> Self:
        """The data as int8."""
        return self.to(dtype=dt.int8)

    def byte(self) -> Self:
        """The data as uint8."""
        return self.to(dtype=dt.uint8)


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes another one; None for None.

    >>> import flambeau as torch
    >>> from flambeau.nn.utils.rnn import invert_permutation
    >>> invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    return None if permutation is None else permutation.argsort()


def _lengths(given: Any, batch: int) -> Tensor:
    """The lengths as an int64 tensor; RuntimeError unless there is one, positive, for each sequence."""
    lengths: Tensor = given if isinstance(given, Tensor) else tensor(list(given))
    lengths = lengths.to(dt.int64)
    if lengths.ndim != 1:
        raise RuntimeError(
            "pack_padded_sequence: 'lengths' argument should be a 1D CPU int64 tensor, but got "
            f"{lengths.ndim}D cpu Long tensor"
        )
    if len(lengths) != batch:
        raise RuntimeError(
            f"pack_padded_sequence: Expected `len(lengths)` to be equal to batch_size, but got "
            f"{len(lengths)} (batch_size={batch})"
        )
    if min(lengths.tolist(), default=1) <= 0:
        raise RuntimeError(
            "pack_padded_sequence: Length of all samples has to be greater than 0, but found an element in "
            f"'lengths' that is <= 0: {lengths.tolist()}; leave empty sequences out"
        )
    return lengths


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Packs sequences that are padded to one length.

    Args:
        input: (T, B, *), or (B, T, *) with `batch_first`.
        lengths: (B), the length of each sequence, from 1 to T.
        batch_first: whether the batch is the first dimension.
        enforce_sorted: whether the sequences come by falling length; otherwise they are sorted here.

    Raises:
        RuntimeError: lengths that don't fit, or aren't sorted although `enforce_sorted`.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_padded_sequence
        >>> pack_padded_sequence(torch.tensor([[1, 4], [2, 5], [3, 0]]), [3, 2]).data
        tensor([1, 4, 2, 5, 3])
    """
    check_tensor("pack_padded_sequence", "input", input)
    if input.ndim < 2:
        raise IndexError(
            f"pack_padded_sequence: expected an input of at least 2 dimensions, (T, B, *), got "
            f"{tuple(input.shape)}"
        )
    if input.numel() == 0:
        raise RuntimeError(f"pack_padded_sequence: Cannot pack empty tensors (shape {tuple(input.shape)})")
    batch, steps = input._node.shape[:2] if batch_first else input._node.shape[1::-1]
    n, order = _lengths(lengths, batch), None
    if not enforce_sorted:
        n, order = sort(n, descending=True)
        input = index_select(input, 0 if batch_first else 1, order)
    sizes = _batch_sizes(n.tolist(), steps)
    rows = [
        np.arange(n) * steps + t if batch_first else np.arange(n) + t * batch for t, n in enumerate(sizes)
    ]
    data = input.reshape(batch * steps, *input._node.shape[2:])[tensor(np.concatenate(rows))]
    return PackedSequence(data, tensor(sizes), order)


def _batch_sizes(lengths: list[int], steps: int) -> list[int]:
    """How many sequences have each step."""
    if any(a < b for a, b in pairwise(lengths)):
        raise RuntimeError(
            f"pack_padded_sequence: `lengths` array must be sorted in decreasing order when `enforce_sorted` "
            f"is True, got {lengths}. You can pass `enforce_sorted=False` to pack_padded_sequence and/or "
            "pack_sequence to sidestep this requirement."
        )
    if lengths[0] > steps:
        raise RuntimeError(
            f"pack_padded_sequence: Expected `lengths` to be at most {steps}, the padded length of the "
            f"input, got {lengths[0]}"
        )
    return [sum(n > t for n in lengths) for t in range(lengths[0])]


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Pads packed sequences to one length: the inverse of `pack_padded_sequence`.

    Args:
        sequence: the packed sequences.
        batch_first: whether the batch is to be the first dimension.
        padding_value: what to pad with.
        total_length: the length to pad to; by default that of the longest sequence.

    Returns:
        The padded sequences, (T, B, *) or (B, T, *), in the order in which they were once given, and their
        lengths, (B).

    Raises:
        ValueError: `total_length` is less than the longest length.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_sequence, pad_packed_sequence
        >>> p = pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])])
        >>> pad_packed_sequence(p, batch_first=True)
        (tensor([[1, 2, 3],
                [4, 0, 0]]), tensor([3, 1]))
    """
    sizes = sequence.batch_sizes.tolist()
    steps, batch = len(sizes), sizes[0]
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "pad_packed_sequence: Expected total_length to be at least the length of the longest "
                f"sequence in input, but got total_length={total_length} and max sequence length being "
                f"{steps}"
            )
        steps = total_length
    rows = np.full((steps, batch), -1)
    for t, (end, n) in enumerate(zip(accumulate(sizes), sizes, strict=True)):
        rows[t, :n] = np.arange(end - n, end)
    lengths = (rows >= 0).sum(0)
    if sequence.unsorted_indices is not None:
        back = np.array(sequence.unsorted_indices.tolist(), np.int64)
        rows, lengths = rows[:, back], lengths[back]
    if batch_first:
        rows = rows.T
    there = tensor(np.ascontiguousarray(rows >= 0).reshape(*rows.shape, *[1] * (sequence.data.ndim - 1)))
    padded = sequence.data[tensor(np.maximum(rows, 0))]
    if there.numel() != sequence.data._node.shape[0]:
        padded = where(there, padded, padded.new_full((), padding_value))
    return padded, tensor(lengths)


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Pads sequences (L, *) of different lengths to one length and stacks them.

    Args:
        sequences: the sequences, whose other dimensions are equal.
        batch_first: whether the result is (B, T, *) rather than (T, B, *).
        padding_value: what to pad with.
        padding_side: "right" or "left", where to pad.

    Raises:
        RuntimeError: there is no sequence, or one doesn't fit the others, or an unknown side.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pad_sequence
        >>> pad_sequence([torch.tensor([1, 2, 3]), torch.tensor([4])], batch_first=True, padding_value=-1)
        tensor([[ 1,  2,  3],
                [ 4, -1, -1]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences).__name__}"
        )
    parts = [check_tensor("pad_sequence", "sequences", s) for s in sequences]
    if not parts:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"pad_sequence: Expected padding_side to be one of left or right, but got {padding_side}."
        )
    if any(s.ndim == 0 or s.shape[1:] != parts[0].shape[1:] for s in parts):
        shapes = ", ".join(str(tuple(s.shape)) for s in parts)
        raise RuntimeError(
            f"pad_sequence: sequences must agree in all dimensions but the first, got {shapes}"
        )
    longest, first = max(len(s) for s in parts), parts[0]
    padded = []
    for s in parts:
        padding = s.new_full((longest - len(s), *s._node.shape[1:]), padding_value)
        pair = (s, padding) if padding_side == "right" else (padding, s)
        padded.append((cat(pair) if len(s) < longest else s).to(first.dtype))
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, each at its own length: the inverse of `pad_sequence`.

    Args:
        padded_sequences: (T, B, *), or (B, T, *) with `batch_first`.
        lengths: (B), their lengths.
        batch_first: whether the batch is the first dimension.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import unpad_sequence
        >>> unpad_sequence(torch.tensor([[1, 4], [2, 0]]), torch.tensor([2, 1]))
        [tensor([1, 2]), tensor([4])]
    """
    batch = padded_sequences.unbind(0 if batch_first else 1)
    return [s[:n].clone() for s, n in zip(batch, lengths.tolist(), strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Packs sequences (L, *) of different lengths.

    Args:
        sequences: the sequences.
        enforce_sorted: whether they come by falling length; otherwise they are sorted here.

    Raises:
        RuntimeError: they aren't sorted although `enforce_sorted`, or one is empty.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_sequence
        >>> pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5]), torch.tensor([6])]).data
        tensor([1, 4, 6, 2, 5, 3])
    """
    return pack_padded_sequence(pad_sequence(sequences), [len(s) for s in sequences], False, enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of a packed batch: the inverse of `pack_sequence`.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.nn.utils.rnn import pack_sequence, unpack_sequence
        >>> unpack_sequence(pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
        [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
