"""Losses of distances and margins: one functional call each."""

from __future__ import annotations

from collections.abc import Callable

from ...core.tensor import Tensor
from .. import functional as F
from .distance import PairwiseDistance
from .loss_base import _Loss


class HingeEmbeddingLoss(_Loss):
    """x where y is 1, max(0, margin - x) where y is -1.

    Args:
        margin: as above.
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.HingeEmbeddingLoss()(torch.tensor([0.5, 0.25]), torch.tensor([1, -1]))
        tensor(0.6250)
    """

    def __init__(
        self,
        margin: float = 1.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.hinge_embedding_loss(input, target, margin=self.margin, reduction=self.reduction)


class SoftMarginLoss(_Loss):
    """log(1 + exp(-y x)), where y is 1 or -1.

    Args:
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.SoftMarginLoss()(torch.zeros(1), torch.ones(1))
        tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.soft_margin_loss(input, target, reduction=self.reduction)


class CosineEmbeddingLoss(_Loss):
    """With the cosine c of the two inputs: 1 - c where y is 1, max(0, c - margin) where y is -1.

    Args:
        margin: in [-1, 1].
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> x = torch.ones(1, 2)
        >>> torch.nn.CosineEmbeddingLoss()(x, -x, torch.tensor([1])).round()
        tensor(2.)
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.cosine_embedding_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class MarginRankingLoss(_Loss):
    """max(0, -y (x₁ - x₂) + margin), where y is 1 if x₁ should be larger, -1 if x₂ should.

    Args:
        margin: as above.
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MarginRankingLoss()(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor([1]))
        tensor(2.)
    """

    def __init__(
        self,
        margin: float = 0.0,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.margin = margin

    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Tensor:
        return F.margin_ranking_loss(input1, input2, target, margin=self.margin, reduction=self.reduction)


class TripletMarginLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), where d is the p-norm of the difference.

    Args:
        margin: as above, positive.
        p: the norm's exponent.
        eps: keeps the gradient at equal vectors finite.
        swap: take the smaller of the negative's distances to anchor and to positive.
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Raises:
        ValueError: a margin that is not positive.

    Example:
        >>> import flambeau as torch
        >>> a, b = torch.zeros(1, 2), torch.ones(1, 2)
        >>> torch.nn.TripletMarginLoss()(a, a, b)
        tensor(0.)
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        _check_margin(margin)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_loss(
            anchor,
            positive,
            negative,
            margin=self.margin,
            p=self.p,
            eps=self.eps,
            swap=self.swap,
            reduction=self.reduction,
        )


class TripletMarginWithDistanceLoss(_Loss):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) with any distance.

    Args:
        distance_function: d; none is `PairwiseDistance`.
        margin: as above, positive.
        swap: take the smaller of the negative's distances to anchor and to positive.
        reduction: `mean`, `sum` or `none`.

    Raises:
        ValueError: a margin that is not positive.

    Example:
        >>> import flambeau as torch
        >>> a, b = torch.zeros(1, 2), torch.ones(1, 2)
        >>> torch.nn.TripletMarginWithDistanceLoss(distance_function=torch.nn.PairwiseDistance(p=1))(a, a, b)
        tensor(0.)
    """

    distance_function: Callable[[Tensor, Tensor], Tensor]

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction=reduction)
        _check_margin(margin)
        self.distance_function = PairwiseDistance() if distance_function is None else distance_function
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


def _check_margin(margin: float) -> None:
    if margin <= 0:
        raise ValueError(f"expected margin to be greater than 0, found {margin} instead")
