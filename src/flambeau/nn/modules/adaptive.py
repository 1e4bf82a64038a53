"""A softmax over many classes, of which the rare ones are computed in clusters."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from ...functions.joining import cat
from .. import functional as F
from ..containers import ModuleList, Sequential
from ..module import Module
from .linear import Linear
from .utils import DeviceLike


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """The log-probability of labels, and their mean as a loss, when some classes are much more frequent.

    The head decides between the frequent classes and clusters of rare ones, each with a smaller layer of its
    own, which is only computed for the samples that need it. (Efficient softmax approximation, 2017.)

    Args:
        in_features: size of the input.
        n_classes: number of classes, in the order of their frequency.
        cutoffs: where clusters begin: increasing, from 1 to n_classes - 1.
        div_value: how many times smaller each cluster's layer is than the one before.
        head_bias: whether the head has a bias.
        device, dtype: of the parameters.

    Shape:
        (N, in_features) and (N), or (in_features) and () → output of the label's shape, loss ()

    Raises:
        ValueError: `cutoffs` that can't be.

    Example:
        >>> import flambeau as torch
        >>> m = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[5, 10], div_value=2)
        >>> output, loss = m(torch.randn(4, 8), torch.tensor([0, 3, 7, 19]))
        >>> output.shape, m.log_prob(torch.randn(4, 8)).shape
        (torch.Size([4]), torch.Size([4, 20]))
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        ends = list(cutoffs)
        if (
            not ends
            or any(int(c) != c for c in ends)
            or not all(a < b for a, b in pairwise([0, *ends, n_classes]))
        ):
            raise ValueError(
                "AdaptiveLogSoftmaxWithLoss: cutoffs should be a sequence of unique, positive integers "
                f"sorted in an increasing order, each between 1 and n_classes-1 ({n_classes - 1}), got {ends}"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*ends, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = ends[0]
        self.n_clusters = len(ends)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i, (start, end) in enumerate(pairwise(self.cutoffs)):
            size = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, size, bias=False, device=device, dtype=dtype),
                    Linear(size, end - start, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        for layer in self.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        self._check(input_, target_)
        batched = target_.ndim == 1
        input, target = (input_, target_) if batched else (input_.unsqueeze(0), target_.unsqueeze(0))
        if len(target) and not 0 <= target.min().item() <= target.max().item() < self.n_classes:
            raise RuntimeError(
                f"AdaptiveLogSoftmaxWithLoss: Target values should be in [0, {self.n_classes - 1}], but "
                f"values in range [{target.min().item()}, {target.max().item()}] were found."
            )
        output, place = input.new_zeros(len(target)), target
        for i, (start, end) in enumerate(pairwise(self.cutoffs)):
            rows = ((target >= start) & (target < end)).nonzero().squeeze(1)
            if len(rows):
                within = F.log_softmax(self.tail[i](input[rows]), 1)
                label = (target[rows] - start).unsqueeze(1)
                output = output.index_copy(0, rows, within.gather(1, label).squeeze(1))
                place = place.index_fill(0, rows, self.shortlist_size + i)
        output = output + F.log_softmax(self.head(input), 1).gather(1, place.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _check(self, input: Tensor, target: Tensor) -> None:
        if target.ndim > 1:
            raise RuntimeError(
                "AdaptiveLogSoftmaxWithLoss: 0D or 1D target tensor expected, multi-target not supported, "
                f"got shape {tuple(target.shape)}"
            )
        if input.ndim != target.ndim + 1 or (target.ndim and input.shape[0] != target.shape[0]):
            raise RuntimeError(
                f"AdaptiveLogSoftmaxWithLoss: {target.ndim}D target tensor expects {target.ndim + 1}D input "
                f"tensors of the same size in the batch dimension, but found input {tuple(input.shape)} and "
                f"target {tuple(target.shape)}"
            )

    def log_prob(self, input: Tensor) -> Tensor:
        """The log-probabilities of all classes: (N, in_features) → (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            at = self.shortlist_size + i
            parts.append(F.log_softmax(cluster(input), 1) + head[:, at : at + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class: (N, in_features) → (N)."""
        best: Tensor = self.head(input).argmax(1)
        rows = (best >= self.shortlist_size).nonzero().squeeze(1)
        return best.index_copy(0, rows, self.log_prob(input[rows]).argmax(1)) if len(rows) else best
