"""`TabularModel`: embeddings of categories beside numbers, then fully connected layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..autograd.grad_mode import no_grad
from ..core.tensor import Tensor
from ..functions.joining import cat
from ..nn import BatchNorm1d, Dropout, Embedding, Linear, Module, ModuleList, ReLU, Sequential

if TYPE_CHECKING:
    from .preprocessor import Preprocessor

__all__ = ["TabularModel", "embedding_size"]


def embedding_size(categories: int) -> int:
    """How long the embedding of a column with so many categories should be: 1.6 n^0.56, at most 600.

    It is a rule of thumb, which Jeremy Howard and the authors of fastai found by experiments.

    >>> from flambeau.tabular import embedding_size
    >>> [embedding_size(n) for n in (2, 7, 100, 1000000)]
    [2, 5, 21, 600]
    """
    size: float = 1.6 * categories**0.56
    return min(600, round(size))


class TabularModel(Module):
    """Each category becomes a learned vector; vectors and numbers go through layers of Linear, BatchNorm1d,
    ReLU and Dropout.

    The embedding of 0, which stands for categories not seen in training, is zeros until a missing value
    trains it.

    Args:
        embeddings: for each column of categories how many there are, 0 included, and the size of a vector.
        numbers: how many numbers there are. They should be scaled, as a `Preprocessor` does.
        outputs: how many results there are for a row: a score for each class, or 1.
        hidden: the sizes of the hidden layers.
        dropout: the probability in hidden layers.
        embedding_dropout: the probability after the embeddings.
        batch_norm: whether hidden layers are normalised by batch.

    Shape:
        categories (N, len(embeddings)) and numbers (N, numbers) give (N, outputs), or (N) if outputs is 1.

    Raises:
        ValueError: there are neither categories nor numbers; in `forward`, inputs of another width.

    >>> import flambeau as torch
    >>> from flambeau.tabular import TabularModel
    >>> model = TabularModel([(4, 2), (3, 2)], numbers=5, outputs=3)
    >>> model(torch.tensor([[1, 2], [0, 1]]), torch.randn(2, 5)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        embeddings: Sequence[tuple[int, int]],
        numbers: int,
        outputs: int = 1,
        *,
        hidden: Sequence[int] = (200, 100),
        dropout: float = 0.1,
        embedding_dropout: float = 0.0,
        batch_norm: bool = True,
    ) -> None:
        super().__init__()
        width = sum(size for _, size in embeddings) + numbers
        if not width:
            raise ValueError("TabularModel: there are neither categories nor numbers to learn from")
        self.numbers, self.outputs = numbers, outputs
        self.embeddings = ModuleList(Embedding(count, size) for count, size in embeddings)
        with no_grad():
            for embedding in self.embeddings:
                embedding.weight[0] = 0
        self.embedding_dropout = Dropout(embedding_dropout)
        layers: list[Module] = []
        for size in hidden:
            layers += [
                Linear(width, size),
                *([BatchNorm1d(size)] if batch_norm else []),
                ReLU(),
                Dropout(dropout),
            ]
            width = size
        self.layers = Sequential(*layers, Linear(width, outputs))

    @classmethod
    def suited_to(cls, preprocessor: Preprocessor, **options: Any) -> TabularModel:
        """A model for what a fitted preprocessor gives: embeddings by `embedding_size`, a score for each
        class, or one number for a regression.

        Args:
            preprocessor: the preprocessor.
            **options: `hidden`, `dropout`, `embedding_dropout`, `batch_norm`.

        >>> from flambeau.tabular import Preprocessor, Table, TabularModel
        >>> table = Table({"x": [1.0, 3.0], "y": ["no", "yes"]})
        >>> TabularModel.suited_to(Preprocessor(target="y").fit(table), hidden=()).layers
        Sequential(
          (0): Linear(in_features=1, out_features=2, bias=True)
        )
        """
        outputs = len(preprocessor.classes or [""])
        return cls(preprocessor.embedding_sizes, len(preprocessor.number_names), outputs, **options)

    def forward(self, categories: Tensor, numbers: Tensor) -> Tensor:
        if categories.shape[1:] != (len(self.embeddings),) or numbers.shape[1:] != (self.numbers,):
            raise ValueError(
                f"TabularModel: expected categories (N, {len(self.embeddings)}) and "
                f"numbers (N, {self.numbers}), got {tuple(categories.shape)} and {tuple(numbers.shape)}"
            )
        parts = [embedding(categories[:, i]) for i, embedding in enumerate(self.embeddings)]
        if parts:
            parts = [self.embedding_dropout(cat(parts, 1))]
        if self.numbers:
            parts.append(numbers)
        scores: Tensor = self.layers(cat(parts, 1))
        return scores.squeeze(1) if self.outputs == 1 else scores
