"""Losses between scores of classes and labels."""

from __future__ import annotations

from ...core import dtype as dt
from ...core.tensor import Tensor
from ...functions import reduction as sums
from ...functions.casting import in_float32
from ...functions.choice import (
    choose,
    clamp_min,
)
from ...functions.indexing import gather
from ...functions.ranges import (
    arange,
)
from ...functions.reduction import cumprod
from ...functions.shape import unsqueeze
from ...ops import activation, lookup
from ...ops import loss as losses
from ...ops import reduction as reductions
from ...ops.kinds import cast, opmath
from ...ops.op import check_tensor
from ...ops.view import expand
from .arguments import Shape, by_channel, check_float, flat, reduced, reduction_of, same_dtype

# ----- one class of several -----


def _labels(what: str, x: Tensor, target: Tensor, ignore: int) -> Tensor:
    """The labels as int64, after the checks: of dtype, of shape and (if they are known) of range."""
    d, shape = target._node.dtype, x._node.shape
    if d not in (dt.int64, dt.uint8):
        raise RuntimeError(
            f"{what}: expected target dtype to be Long or Byte, but got {target.dtype}; use target.long()"
        )
    if x.ndim == 0:
        raise ValueError(f"{what}: Expected 1 or more dimensions (got 0)")
    wanted = () if x.ndim == 1 else (shape[0], *shape[2:])
    if x.ndim == 1 and target._node.shape == (1,):
        target = flat(target)
    if target._node.shape != wanted:
        _complain_of_shape(what, x, target, wanted)
    t = target if d is dt.int64 else cast(target, dt.int64)
    value = t._current().value
    if value is not None:
        lookup.check_labels(what, value, shape[lookup.class_dim(x.ndim)], ignore)
    return t


def _complain_of_shape(what: str, x: Tensor, target: Tensor, wanted: Shape) -> None:
    listed = (
        f"input {tuple(x.shape)}, target {tuple(target.shape)}; for scores (N, C, ...) labels are (N, ...), "
        f"here {wanted}"
    )
    if x.ndim == 2 and target.ndim > 1:
        raise RuntimeError(f"{what}: 0D or 1D target tensor expected, multi-target not supported: {listed}")
    if target.ndim and x.ndim > 1 and target._node.shape[0] != x._node.shape[0]:
        raise ValueError(
            f"{what}: Expected input batch_size ({x._node.shape[0]}) to match target batch_size "
            f"({target._node.shape[0]}): {listed}"
        )
    raise RuntimeError(f"{what}: Expected target size {list(wanted)}, got {list(target.shape)}: {listed}")


def _check_weight(what: str, x: Tensor, weight: Tensor | None) -> None:
    if weight is not None:
        classes = x._node.shape[lookup.class_dim(x.ndim)]
        if check_tensor(what, "weight", weight)._node.shape != (classes,):
            raise RuntimeError(
                f"{what}: weight tensor should be defined either for all {classes} classes or no classes but "
                f"got weight tensor of shape: {list(weight.shape)}"
            )
        same_dtype(what, x, weight=weight)


def _nll(x: Tensor, t: Tensor, weight: Tensor | None, ignore: int, reduction: str) -> Tensor:
    """-weight * x at the label's class; the mean is over the weights of labels that aren't ignored."""
    loss = -lookup.pick_class(x, t, ignore)
    if weight is not None:
        weights = _label_weights(x, t, weight, ignore)
        loss = loss * weights
        return (
            reductions.sum(loss) / reductions.sum(weights)
            if reduction == "mean"
            else reduced(loss, reduction)
        )
    if reduction == "mean":
        return _per_label(loss, t, ignore)
    return reduced(loss, reduction)


def _per_label(loss: Tensor, t: Tensor, ignore: int) -> Tensor:
    """The mean over labels that aren't ignored; they are counted in float32 at least."""
    d = loss._node.dtype
    found: Tensor = reductions.sum(loss) / reductions.sum(cast(t != ignore, opmath(d)))
    return found if found._node.dtype is d else cast(found, d)


def _label_weights(x: Tensor, t: Tensor, weight: Tensor, ignore: int) -> Tensor:
    """The weight of each label's class, 0 where it is ignored."""
    weights: Tensor = lookup.pick_class(expand.plain(by_channel(x, weight), (x._node.shape,)), t, ignore)
    return weights


@in_float32
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-x at the label's class: x (N, C, ...) or (C) of log probabilities, labels (N, ...) or ().

    Labels equal to `ignore_index` count for nothing; `weight` has a factor for each class, and means divide
    by the sum of the labels'. IndexError for labels that are no classes (raised here if they are known).

    >>> import flambeau as torch
    >>> torch.nn.functional.nll_loss(torch.tensor([[-1., -2.], [-3., -4.]]), torch.tensor([0, 1]))
    tensor(2.5000)
    """
    how = reduction_of("nll_loss", reduction, size_average, reduce)
    x, t = check_float("nll_loss", input), check_tensor("nll_loss", "target", target)
    _check_weight("nll_loss", x, weight)
    return _nll(x, _labels("nll_loss", x, t, ignore_index), weight, ignore_index, how)


@in_float32
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log(softmax(x)) at the label's class: x (N, C, ...) or (C) of scores, labels (N, ...) or () of int64.

    A float target of the input's shape gives the probability of each class instead. Labels equal to
    `ignore_index` count for nothing; `weight` has a factor for each class, and means over labels divide by
    the sum of the labels'. `label_smoothing` mixes the target with equal probabilities. IndexError for labels
    that are no classes (raised here if they are known), RuntimeError for other misfits.

    >>> import flambeau as torch
    >>> torch.nn.functional.cross_entropy(torch.tensor([[0., 0.]]), torch.tensor([1]))
    tensor(0.6931)
    """
    what = "cross_entropy"
    how = reduction_of(what, reduction, size_average, reduce)
    x, t = check_float(what, input), check_tensor(what, "target", target)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(
            f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}"
        )
    _check_weight(what, x, weight)
    if t._node.shape == x._node.shape:
        return _soft(x, t, weight, ignore_index, how, label_smoothing)
    t = _labels(what, x, t, ignore_index)
    if how == "mean" and weight is None and not label_smoothing:
        mean: Tensor = losses.cross_entropy(x, t, ignore_index)
        return mean
    logs = reductions.log_softmax(x, lookup.class_dim(x.ndim))
    loss = _nll(logs, t, weight, ignore_index, how)
    if label_smoothing:
        share = label_smoothing / x._node.shape[lookup.class_dim(x.ndim)]
        loss = loss * (1 - label_smoothing) + _smooth(logs, t, weight, ignore_index, how) * share
    return loss


def _smooth(logs: Tensor, t: Tensor, weight: Tensor | None, ignore: int, reduction: str) -> Tensor:
    """The loss against all classes alike."""
    weighted = logs if weight is None else logs * by_channel(logs, weight)
    loss = choose(t == ignore, 0, -reductions.sum(weighted, (lookup.class_dim(logs.ndim),)))
    if reduction != "mean":
        return reduced(loss, reduction)
    if weight is None:
        return _per_label(loss, t, ignore)
    return reductions.sum(loss) / reductions.sum(_label_weights(logs, t, weight, ignore))


def _soft(
    x: Tensor, target: Tensor, weight: Tensor | None, ignore: int, reduction: str, smoothing: float
) -> Tensor:
    """Against probabilities; the mean is over samples."""
    if target._node.dtype.category != dt.FLOAT:
        raise RuntimeError(
            "cross_entropy: Expected floating point type for target with class probabilities, got "
            f"{target.dtype}"
        )
    if ignore >= 0:
        raise RuntimeError(
            f"cross_entropy: ignore_index is not supported for floating point target, got {ignore}"
        )
    dim = lookup.class_dim(x.ndim)
    classes = x._node.shape[dim]
    if smoothing:
        target = target * (1 - smoothing) + smoothing / classes
    terms = reductions.log_softmax(x, dim) * target
    loss = -reductions.sum(terms if weight is None else terms * by_channel(x, weight), (dim,))
    return reduced(loss, reduction)


@in_float32
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over other classes i of max(0, margin - x[label] + x[i]) ** p, divided by the number of
    classes.

    x is (N, C) or (C), labels (N) or (). `weight` has a factor for each label's class. ValueError for p other
    than 1 and 2, RuntimeError for labels that are no classes.

    >>> import flambeau as torch
    >>> torch.nn.functional.multi_margin_loss(torch.tensor([[0.1, 0.2]]), torch.tensor([1]))
    tensor(0.4500)
    """
    what = "multi_margin_loss"
    how = reduction_of(what, reduction, size_average, reduce)
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")
    if weight is not None and weight.ndim != 1:
        raise ValueError(
            f"multi_margin_loss: weight must be one-dimensional, got shape {tuple(weight.shape)}"
        )
    scores, labels = _rows(what, input, target)
    classes = scores._node.shape[1]
    _check_weight(what, scores, weight)
    loss = clamp_min(scores - unsqueeze(lookup.pick_class(scores, labels, -1), 1) + margin, 0)
    loss = loss if p == 1 else loss * loss
    if weight is not None:
        loss = loss * unsqueeze(_label_weights(scores, labels, weight, -1), 1)
    others = unsqueeze(labels, 1) != arange(classes)
    loss = reductions.sum(choose(others, loss, 0), (1,)) / classes
    return reduced(loss if input.ndim > 1 or target.ndim else flat(loss), how)


def _rows(what: str, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (N, C) and labels (N) in range, whatever dimensions are missing."""
    check_float(what, x)
    if check_tensor(what, "target", target)._node.dtype is not dt.int64:
        raise RuntimeError(f"{what}: expected scalar type Long but found {target.dtype}; use target.long()")
    if x.ndim > 2 or 0 in x._node.shape[-1:]:
        raise RuntimeError(
            f"{what}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(x.shape)}"
        )
    scores = x if x.ndim == 2 else flat(x, 1, x.numel())
    labels = target if target.ndim else flat(target, 1)
    n, classes = scores._node.shape
    if labels._node.shape != (n,):
        raise RuntimeError(
            f"{what}: target tensor should be 1-D with size equal to the number of input samples. Expected "
            f"target size [{n}], but got {list(target.shape)}. Input has shape {list(x.shape)}."
        )
    value = labels._current().value
    if value is not None and value.size and not 0 <= value.min() <= value.max() < classes:
        raise RuntimeError(
            f"{what}: target out of range: labels from {value.min()} to {value.max()} for {classes} classes"
        )
    return scores, labels


# ----- several classes at once -----


@in_float32
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The sum over labels j and other classes i of max(0, 1 - (x[j] - x[i])), divided by the number of
    classes.

    x and target are (N, C) or (C); each row of the target lists its labels up to the first -1. RuntimeError
    for labels that are no classes.

    >>> import flambeau as torch
    >>> torch.nn.functional.multilabel_margin_loss(torch.tensor([0.1, 0.2]), torch.tensor([1, -1]))
    tensor(0.4500)
    """
    what = "multilabel_margin_loss"
    how = reduction_of(what, reduction, size_average, reduce)
    x, t = check_float(what, input), check_tensor(what, "target", target)
    if t._node.dtype is not dt.int64:
        raise RuntimeError(f"{what}: expected scalar type Long but found {t.dtype}; use target.long()")
    if t._node.shape != x._node.shape or x.ndim > 2:
        raise RuntimeError(
            f"{what}: inconsistent target size: {list(t.shape)} for input of size: {list(x.shape)}"
        )
    classes = x._node.shape[-1] if x.ndim else 1
    value = t._current().value
    if value is not None and value.size and not -1 <= value.min() <= value.max() < classes:
        raise RuntimeError(
            f"{what}: argument #2 'target' is out of range: from {value.min()} to {value.max()} for "
            f"{classes} classes"
        )
    rows = x.numel() // max(classes, 1)
    loss = _multilabel_margins(flat(x, rows, classes), flat(t, rows, classes)) / classes
    return reduced(loss if x.ndim == 2 else flat(loss), how)


def _multilabel_margins(x: Tensor, t: Tensor) -> Tensor:
    listed = cumprod(t >= 0, 1) > 0  # up to the first -1
    labels = choose(listed, t, 0)
    named = (unsqueeze(labels, 2) == arange(x._node.shape[1])) & unsqueeze(listed, 2)  # (N, label, class)
    others = unsqueeze(listed, 2) & ~reductions.any(named, (1,), True)
    margins = clamp_min(1 - unsqueeze(gather(x, 1, labels), 2) + unsqueeze(x, 1), 0)
    return reductions.sum(choose(others, margins, 0), (1, 2))


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """The mean over classes (the last dimension) of -(target * log sigmoid(x) + (1 - target) * log
    sigmoid(-x)).

    >>> import flambeau as torch
    >>> torch.nn.functional.multilabel_soft_margin_loss(torch.zeros(1, 2), torch.tensor([[1., 0.]]))
    tensor(0.6931)
    """
    how = reduction_of("multilabel_soft_margin_loss", reduction, size_average, reduce)
    x = check_float("multilabel_soft_margin_loss", input)
    loss = -(target * activation.logsigmoid(x) + (1 - target) * activation.logsigmoid(-x))
    return reduced(sums.mean(loss if weight is None else loss * weight, -1), how)
