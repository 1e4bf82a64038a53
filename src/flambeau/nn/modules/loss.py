"""Losses: one functional call each. `reduction` is `mean`, `sum`, or `none` for the loss of each element."""

from __future__ import annotations

from ...core.tensor import Tensor
from ...core.warning import warn
from .. import functional as F
from .loss_base import _Loss, _WeightedLoss
from .margin_loss import (
    CosineEmbeddingLoss,
    HingeEmbeddingLoss,
    MarginRankingLoss,
    SoftMarginLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss,
)

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "NLLLoss2d",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
    "_Loss",
    "_WeightedLoss",
]


# ----- Distances -----


class L1Loss(_Loss):
    """|input - target|.

    Args:
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.L1Loss()(torch.zeros(2), torch.tensor([1.0, 2.0]))
        tensor(1.5000)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(_Loss):
    """(input - target)².

    Args:
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MSELoss()(torch.zeros(2), torch.tensor([1.0, 2.0]))
        tensor(2.5000)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(_Loss):
    """With d = |input - target|: d² / (2 beta) where d < beta, else d - beta / 2.

    Args:
        reduction: `mean`, `sum` or `none`.
        beta: as above.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.SmoothL1Loss(reduction="none")(torch.zeros(2), torch.tensor([0.5, 2.0]))
        tensor([0.1250, 1.5000])
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(_Loss):
    """With d = |input - target|: d² / 2 where d ≤ delta, else delta · (d - delta / 2).

    Args:
        reduction: `mean`, `sum` or `none`.
        delta: as above.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.HuberLoss(reduction="none", delta=2.0)(torch.zeros(2), torch.tensor([1.0, 3.0]))
        tensor([0.5000, 4.0000])
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


# ----- Classes -----


class CrossEntropyLoss(_WeightedLoss):
    """-log softmax(input) of the target class, or its mean under the target's probabilities.

    Args:
        weight: a weight for each class.
        ignore_index: targets of this class don't count.
        reduction: `mean` (weighted), `sum` or `none`.
        label_smoothing: mix the targets with the uniform distribution, this much of it.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Shape:
        input (C), (N, C) or (N, C, d₁, …); target without C for classes, the input's for probabilities

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CrossEntropyLoss()(torch.zeros(3, 2), torch.tensor([0, 1, 1]))
        tensor(0.6931)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class NLLLoss(_WeightedLoss):
    """-input of the target class, where the input holds log-probabilities.

    Args:
        weight: a weight for each class.
        ignore_index: targets of this class don't count.
        reduction: `mean` (weighted), `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Shape:
        input (C), (N, C) or (N, C, d₁, …); target without C

    Example:
        >>> import flambeau as torch
        >>> torch.nn.NLLLoss()(torch.tensor([[-1.0, -2.0]]), torch.tensor([1]))
        tensor(2.)
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.nll_loss(
            input, target, weight=self.weight, ignore_index=self.ignore_index, reduction=self.reduction
        )


class NLLLoss2d(NLLLoss):
    """The old name of `NLLLoss` for images; warns.

    Args:
        weight, size_average, ignore_index, reduce, reduction: those of `NLLLoss`.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> with warnings.catch_warnings(action="ignore"):
        ...     loss = torch.nn.NLLLoss2d()
        >>> loss(torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3, dtype=torch.int64)).item()
        0.0
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        ignore_index: int = -100,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        warn(
            "NLLLoss2d has been deprecated. Please use `NLLLoss` instead as a drop-in replacement.",
            FutureWarning,
        )
        super().__init__(weight, size_average, ignore_index, reduce, reduction)


class MultiMarginLoss(_WeightedLoss):
    """The sum over other classes j of max(0, margin - input[y] + input[j])ᵖ, by the number of classes.

    Args:
        p: 1 or 2.
        margin: as above.
        weight: a weight for each class.
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Raises:
        ValueError: another p, or a weight that is not a vector.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MultiMarginLoss()(torch.tensor([[0.5, 0.0]]), torch.tensor([0]))
        tensor(0.2500)
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, size_average, reduce, reduction)
        if p not in (1, 2):
            raise ValueError(f"MultiMarginLoss: only p == 1 and p == 2 supported, got {p}")
        if weight is not None and weight.ndim != 1:
            raise ValueError(f"MultiMarginLoss: weight must be a vector, got shape {tuple(weight.shape)}")
        self.p = p
        self.margin = margin

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multi_margin_loss(
            input, target, p=self.p, margin=self.margin, weight=self.weight, reduction=self.reduction
        )


class MultiLabelMarginLoss(_Loss):
    """The sum over target classes i and others j of max(0, 1 - (input[i] - input[j])), by their number.

    A target lists its classes first, then -1.

    Args:
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MultiLabelMarginLoss()(torch.tensor([0.5, 0.0]), torch.tensor([0, -1]))
        tensor(0.2500)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_margin_loss(input, target, reduction=self.reduction)


class MultiLabelSoftMarginLoss(_WeightedLoss):
    """The mean over classes of -y log σ(x) - (1 - y) log(1 - σ(x)).

    Args:
        weight: a weight for each class.
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.MultiLabelSoftMarginLoss()(torch.zeros(1, 2), torch.ones(1, 2))
        tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.multilabel_soft_margin_loss(input, target, weight=self.weight, reduction=self.reduction)


# ----- Probabilities -----


class BCELoss(_WeightedLoss):
    """-y log x - (1 - y) log(1 - x), where the logarithms are no less than -100.

    Args:
        weight: a weight for each element.
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.BCELoss()(torch.tensor([0.5]), torch.tensor([1.0]))
        tensor(0.6931)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy(input, target, weight=self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(_Loss):
    """-pos_weight · y log σ(x) - (1 - y) log(1 - σ(x)), computed without overflow.

    Args:
        weight: a weight for each element.
        reduction: `mean`, `sum` or `none`.
        pos_weight: a weight for positive targets.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.BCEWithLogitsLoss()(torch.zeros(1), torch.ones(1))
        tensor(0.6931)
    """

    weight: Tensor | None
    pos_weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        pos_weight: Tensor | None = None,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )


class KLDivLoss(_Loss):
    """target · (log target - input), where the input holds log-probabilities.

    Args:
        reduction: `batchmean` (the sum divided by the batch's size), `mean`, `sum` or `none`.
        log_target: whether the target holds log-probabilities, too.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> x = torch.tensor([[0.5, 0.5]])
        >>> torch.nn.KLDivLoss(reduction="batchmean")(x.log(), x)
        tensor(0.)
    """

    def __init__(
        self,
        size_average: bool | None = None,
        reduce: bool | None = None,
        reduction: str = "mean",
        log_target: bool = False,
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class PoissonNLLLoss(_Loss):
    """exp(x) - y x, or x - y log(x + eps) where the input is no logarithm.

    Args:
        log_input: whether the input is the logarithm of the expected count.
        full: add Stirling's approximation of log y!.
        eps: as above.
        reduction: `mean`, `sum` or `none`.
        size_average, reduce: old forms of `reduction`; a UserWarning.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.PoissonNLLLoss()(torch.zeros(1), torch.ones(1))
        tensor(1.)
    """

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        size_average: bool | None = None,
        eps: float = 1e-8,
        reduce: bool | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(size_average, reduce, reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(
            log_input,
            target,
            log_input=self.log_input,
            full=self.full,
            eps=self.eps,
            reduction=self.reduction,
        )


class GaussianNLLLoss(_Loss):
    """(log var + (input - target)² / var) / 2, where var is no less than eps.

    Args:
        full: add the constant log(2π) / 2.
        eps: as above.
        reduction: `mean`, `sum` or `none`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.GaussianNLLLoss()(torch.zeros(1), torch.ones(1), torch.ones(1))
        tensor(0.5000)
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction=reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: Tensor, target: Tensor, var: Tensor | float) -> Tensor:
        return F.gaussian_nll_loss(input, target, var, full=self.full, eps=self.eps, reduction=self.reduction)


# ----- Sequences -----


class CTCLoss(_Loss):
    """-log of the likelihood of labels, summed over all alignments with a sequence; see `F.ctc_loss`.
    (Connectionist temporal classification, 2006.)

    Args:
        blank: the class between labels.
        reduction: "mean" (of the losses, each divided by its number of labels), "sum" or "none".
        zero_infinity: whether losses of targets that are too long, and their gradients, are zero.

    Shape:
        log probabilities (T, N, C) or (T, C), labels (N, S) or all one after the other, lengths (N) of both
        → () or, with reduction "none", (N)

    Example:
        >>> import flambeau as torch
        >>> log_probs = torch.randn(50, 16, 20).log_softmax(2)
        >>> targets, n = torch.randint(1, 20, (16, 30)), torch.full((16,), 50)
        >>> torch.nn.CTCLoss(reduction="none")(log_probs, targets, n, torch.full((16,), 10)).shape
        torch.Size([16])
    """

    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__(reduction=reduction)
        self.blank = blank
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Tensor, input_lengths: Tensor, target_lengths: Tensor
    ) -> Tensor:
        return F.ctc_loss(
            log_probs,
            targets,
            input_lengths,
            target_lengths,
            self.blank,
            self.reduction,
            self.zero_infinity,
        )
