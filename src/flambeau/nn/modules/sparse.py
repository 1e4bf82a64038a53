"""Embeddings: tables of vectors that are looked up by index."""

from __future__ import annotations

from typing import Self

from ...autograd.grad_mode import no_grad
from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module
from ..parameter import Parameter
from .utils import DeviceLike, new_parameter


class Embedding(Module):
    """Looks up the rows of a table of learned vectors.

    Args:
        num_embeddings: number of rows.
        embedding_dim: size of each vector.
        padding_idx: a row that starts at zero and gets no gradient; negative counts from the end.
        max_norm: vectors with a larger norm are scaled down to it, in the table, when they are looked up.
        norm_type: the exponent of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it was looked up in the batch.
        sparse: whether the gradient of the table is a sparse tensor, of the rows that were looked up.
        device, dtype: of the table.

    Shape:
        (*) of whole numbers → (*, embedding_dim)

    Attributes:
        weight: (num_embeddings, embedding_dim), at first standard normal.

    Raises:
        AssertionError: `padding_idx` is not a row.

    Example:
        >>> import flambeau as torch
        >>> m = torch.nn.Embedding(10, 3, padding_idx=0)
        >>> m(torch.tensor([[0, 2], [4, 3]])).shape, m(torch.tensor(0)).tolist()
        (torch.Size([2, 2, 3]), [0.0, 0.0, 0.0])
    """

    weight: Parameter

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _padding_row("Embedding", padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        if _weight is None:
            self.weight = new_parameter(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight.requires_grad_(not _freeze)
            self.reset_parameters()
        else:
            _check_table("Embedding", _weight, num_embeddings, embedding_dim)
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draws the table anew."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()

    def _fill_padding_idx_with_zero(self) -> None:
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        usual = {
            "padding_idx": None,
            "max_norm": None,
            "norm_type": 2,
            "scale_grad_by_freq": False,
            "sparse": False,
        }
        texts = [f"{name}={getattr(self, name)}" for name in usual if getattr(self, name) != usual[name]]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *texts])

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """An embedding on the memory of a given table.

        Args:
            embeddings: the table: (num_embeddings, embedding_dim).
            freeze: whether it stays as it is in training.

        The other arguments are those of the class.

        Raises:
            AssertionError: `embeddings` is not a matrix.

        Example:
            >>> import flambeau as torch
            >>> m = torch.nn.Embedding.from_pretrained(torch.tensor([[1.0, 2.0], [4.0, 5.0]]))
            >>> m(torch.tensor([1]))
            tensor([[4., 5.]])
        """
        if embeddings.ndim != 2:
            raise AssertionError(
                f"from_pretrained: Embeddings parameter is expected to be 2-dimensional, got shape "
                f"{tuple(embeddings.shape)}"
            )
        rows, columns = embeddings.shape
        return cls(
            num_embeddings=rows,
            embedding_dim=columns,
            _weight=embeddings,
            _freeze=freeze,
            padding_idx=padding_idx,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            sparse=sparse,
        )


class EmbeddingBag(Module):
    """Sums, averages or compares the rows of a table of learned vectors, bag by bag.

    Args:
        num_embeddings: number of rows.
        embedding_dim: size of each vector.
        max_norm: vectors with a larger norm are scaled down to it, in the table, when they are looked up.
        norm_type: the exponent of that norm.
        scale_grad_by_freq: divide a row's gradient by how often it was looked up in the batch; not for "max".
        mode: "sum", "mean" or "max".
        sparse: whether the gradient of the table is a sparse tensor, of the rows that were looked up.
        include_last_offset: whether the last of the offsets is the end of the last bag.
        padding_idx: a row that starts at zero and counts for nothing; negative counts from the end.
        device, dtype: of the table.

    Shape:
        (bags, n), or (n) and offsets (bags), of whole numbers → (bags, embedding_dim)

    Attributes:
        weight: (num_embeddings, embedding_dim), at first standard normal.

    Raises:
        AssertionError: `padding_idx` is not a row.

    Example:
        >>> import flambeau as torch
        >>> m = torch.nn.EmbeddingBag(10, 3, mode="sum")
        >>> m(torch.tensor([1, 2, 4, 5, 4]), torch.tensor([0, 3])).shape
        torch.Size([2, 3])
    """

    weight: Parameter
    _fill_padding_idx_with_zero = Embedding._fill_padding_idx_with_zero

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.padding_idx = _padding_row("EmbeddingBag", padding_idx, num_embeddings)
        if _weight is None:
            self.weight = new_parameter(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.reset_parameters()
        else:
            _check_table("EmbeddingBag", _weight, num_embeddings, embedding_dim)
            self.weight = Parameter(_weight)
        self.mode = mode
        self.sparse = sparse
        self.include_last_offset = include_last_offset

    def reset_parameters(self) -> None:
        """Draws the table anew."""
        init.normal_(self.weight)
        self._fill_padding_idx_with_zero()  # type: ignore[misc]

    def forward(
        self, input: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None
    ) -> Tensor:
        """The bags' vectors.

        Args:
            input: the rows: (bags, n), or (n) with `offsets`.
            offsets: where in `input` each bag begins.
            per_sample_weights: factors of the summands, of the input's shape; for "sum" only.
        """
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        usual = {
            "max_norm": None,
            "norm_type": 2,
            "scale_grad_by_freq": False,
            "mode": "",
            "padding_idx": None,
        }
        texts = [f"{name}={getattr(self, name)!r}" for name in usual if getattr(self, name) != usual[name]]
        return ", ".join([f"{self.num_embeddings}, {self.embedding_dim}", *texts])

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> Self:
        """Bags of the rows of a given table, on its memory.

        Args:
            embeddings: the table: (num_embeddings, embedding_dim).
            freeze: whether it stays as it is in training.

        The other arguments are those of the class.

        Raises:
            AssertionError: `embeddings` is not a matrix.

        Example:
            >>> import flambeau as torch
            >>> m = torch.nn.EmbeddingBag.from_pretrained(torch.tensor([[1.0, 2.0], [4.0, 6.0]]))
            >>> m(torch.tensor([[1, 0]]))
            tensor([[2.5000, 4.0000]])
        """
        if embeddings.ndim != 2:
            raise AssertionError(
                f"from_pretrained: Embeddings parameter is expected to be 2-dimensional, got shape "
                f"{tuple(embeddings.shape)}"
            )
        rows, columns = embeddings.shape
        made = cls(
            rows,
            columns,
            max_norm=max_norm,
            norm_type=norm_type,
            scale_grad_by_freq=scale_grad_by_freq,
            mode=mode,
            sparse=sparse,
            _weight=embeddings,
            include_last_offset=include_last_offset,
            padding_idx=padding_idx,
        )
        made.weight.requires_grad = not freeze
        return made


def _padding_row(what: str, padding_idx: int | None, rows: int) -> int | None:
    """The number of the padding row from the front; AssertionError if there is no such row."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise AssertionError(f"{what}: padding_idx must be within num_embeddings, got {padding_idx}")
    return padding_idx % rows


def _check_table(what: str, weight: Tensor, rows: int, columns: int) -> None:
    if tuple(weight.shape) != (rows, columns):
        raise AssertionError(
            f"{what}: the shape of weight, {tuple(weight.shape)}, does not match num_embeddings and "
            f"embedding_dim, {(rows, columns)}"
        )
