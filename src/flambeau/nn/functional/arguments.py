"""What the functions share: checks of their arguments, reductions of losses, writing in place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core import dtype as dt
from ...core.dtype import dtype as DType
from ...core.tensor import Tensor, make
from ...core.warning import warn
from ...functions.calling import in_place
from ...functions.reduction import mean
from ...ops import reduction as reductions
from ...ops.kinds import number_node
from ...ops.op import check_tensor
from ...ops.view import reshape

Shape = tuple[int, ...]
Sizes = int | Sequence[int]


def sizes(what: str, name: str, value: Any, n: int) -> Shape:
    """One whole number for each of n dimensions, from a number or a sequence of 1 or n."""
    try:
        given = (value,) * n if hasattr(value, "__index__") else tuple(value)
        found = tuple([v.__index__() for v in given])
    except (TypeError, AttributeError):
        raise TypeError(f"{what}: {name} must be a whole number or a tuple of them, got {value!r}") from None
    if len(found) not in (1, n):
        raise RuntimeError(
            f"{what}: expected {name} to be a single integer value or a list of {n} values to match the "
            f"spatial dimensions, but got {name}={list(found)}"
        )
    return found if len(found) == n else found * n


def at_least(what: str, name: str, values: Shape, least: int) -> Shape:
    """RuntimeError if a value is smaller than `least`."""
    if min(values) < least:
        raise RuntimeError(
            f"{what}: {'negative' if least == 0 else 'non-positive'} {name} is not supported, got "
            f"{name}={list(values)}; it must be at least {least}"
        )
    return values


def check_float(what: str, x: object, name: str = "input", highest: int = dt.FLOAT) -> Tensor:
    """TypeError unless `x` is a tensor, NotImplementedError unless of a floating dtype (complex if `highest`
    is that).
    """
    t = check_tensor(what, name, x)
    if not dt.FLOAT <= t._node.dtype.category <= highest:
        raise NotImplementedError(
            f'{what}: "{what}_cpu" not implemented for {t.dtype}; convert {name} with .float()'
        )
    return t


def same_dtype(what: str, x: Tensor, **others: Tensor | None) -> None:
    """RuntimeError if one of the others has another dtype than the input."""
    for name, t in others.items():
        if t is not None and check_tensor(what, name, t)._node.dtype is not x._node.dtype:
            raise RuntimeError(
                f"{what}: expected input and {name} to have the same dtype, but got {x.dtype} and {t.dtype}; "
                "convert one with .to()"
            )


def scalar(what: str, value: float, d: DType) -> Tensor:
    """A number as an operand of operations that take tensors only."""
    return make(number_node(what, value, d))


def flat(x: Tensor, *shape: int) -> Tensor:
    """The values in another shape, without a view's ties to `x`."""
    y: Tensor = reshape.plain(x, (shape,))
    return y


def by_channel(x: Tensor, channels: Tensor) -> Tensor:
    """A vector with one value a channel, so that it broadcasts against (N, C, ...)."""
    return flat(channels, channels.numel(), *(1,) * (x.ndim - 2)) if x.ndim > 2 else channels


def perhaps_in_place(f: Callable[..., Tensor], name: str, inplace: bool, x: Tensor, *args: Any) -> Tensor:
    """f(x, ...), written to x if asked for."""
    return in_place(f, name + "_")(x, *args) if inplace else f(x, *args)


# ----- losses -----

REDUCTIONS = ("none", "mean", "sum")


def reduction_of(
    what: str, reduction: str, size_average: bool | None = None, reduce: bool | None = None
) -> str:
    """The reduction that old and new arguments ask for. ValueError unless it is none, mean or sum."""
    if size_average is not None or reduce is not None:
        mean = size_average is None or size_average
        reduction = "none" if reduce is not None and not reduce else "mean" if mean else "sum"
        warn(f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.")
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{what}: {reduction} is not a valid value for reduction; choose one of {', '.join(REDUCTIONS)}"
        )
    return reduction


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The loss of each element, or their mean or sum."""
    if reduction == "mean":
        return mean(loss)
    return reductions.sum(loss) if reduction == "sum" else loss


def warn_of_broadcasting(what: str, x: Tensor, target: Tensor) -> None:
    """Warns if the two have different shapes."""
    check_tensor(what, "input", x)
    if check_tensor(what, "target", target)._node.shape != x._node.shape:
        warn(
            f"{what}: Using a target size ({target.shape}) that is different to the input size ({x.shape}). "
            "This will likely lead to incorrect results due to broadcasting. Please ensure they have the "
            "same size."
        )
