"""Distances between vectors, and losses that compare them."""

from __future__ import annotations

from collections.abc import Callable

from ...core.tensor import Tensor
from ...functions import reduction as sums
from ...functions.casting import in_float32
from ...functions.choice import (
    choose,
    clamp_min,
)
from ...functions.indexing import index_select
from ...functions.norms import vector_norm
from ...functions.pointwise import (
    minimum,
)
from ...functions.ranges import triu_indices
from ...ops import activation
from ...ops import reduction as reductions
from ...ops.kinds import cast, floating, result_type
from ...ops.op import check_tensor, wrap_dim
from ...ops.view import expand
from .arguments import Shape, reduced, reduction_of


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 · x2 / (max(|x1|, eps) * max(|x2|, eps)) along `dim`, with broadcasting.

    >>> import flambeau as torch
    >>> torch.nn.functional.cosine_similarity(torch.tensor([1., 0.]), torch.tensor([1., 1.]), dim=0)
    tensor(0.7071)
    """
    a, b = check_tensor("cosine_similarity", "x1", x1), check_tensor("cosine_similarity", "x2", x2)
    d = result_type("cosine_similarity", (a, b))
    if floating(d) is not d:
        raise RuntimeError(
            f"cosine_similarity: expected common dtype to be floating point, yet common dtype is {d}; use "
            ".float()"
        )
    a, b = (t if t._node.dtype is d else cast(t, d) for t in (a, b))
    last = wrap_dim("cosine_similarity", dim, max(a.ndim, b.ndim)) - max(
        a.ndim, b.ndim
    )  # from the end: the same for both
    products = a * b
    extent = products._node.shape[last:][:1]
    lengths = [clamp_min(reductions.euclid(_along(t, last, extent), (last,)), eps) for t in (a, b)]
    return reductions.sum(products, (last,)) / (lengths[0] * lengths[1])


def _along(x: Tensor, last: int, extent: Shape) -> Tensor:
    """`x` with the full extent along a dimension in which the other one is wider."""
    shape = (1,) * (-last - x.ndim) + tuple(x._node.shape)
    return (
        x
        if shape[last:][:1] == extent
        else expand.plain(x, ((*shape[:last], *extent, *shape[len(shape) + last + 1 :]),))
    )


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of x1 - x2 + eps over the last dimension, with broadcasting.

    >>> import flambeau as torch
    >>> torch.nn.functional.pairwise_distance(torch.tensor([3., 4.]), torch.tensor([0., 0.]))
    tensor(5.0000)
    """
    difference = (
        check_tensor("pairwise_distance", "x1", x1) - check_tensor("pairwise_distance", "x2", x2) + eps
    )
    return sums.norm(difference, p, -1 if difference.ndim else None, keepdim)


# ----- losses -----


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances between the rows of (n, m), each pair once: n * (n - 1) / 2 of them, in the order
    of the upper triangle.

    RuntimeError for another number of dimensions, dtypes that aren't floating, and negative p.

    >>> import flambeau as torch
    >>> torch.nn.functional.pdist(torch.tensor([[0., 0.], [3., 4.], [0., 1.]]))
    tensor([5.0000, 1.0000, 4.2426])
    """
    x = check_tensor("pdist", "input", input)
    if x.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {x.ndim}D")
    if not x._node.dtype.is_floating_point:
        raise RuntimeError(f"pdist only supports floating-point dtypes, got {x.dtype}; use .float()")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, got {p}")
    first, second = triu_indices(x.shape[0], x.shape[0], 1)
    difference = index_select(x, 0, first) - index_select(x, 0, second)
    return vector_norm(difference, p, 1) if x.shape[1] else sums.sum(difference, 1)


@in_float32
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -target * (x1 - x2) + margin): with target 1 the first should be larger, with -1 the second.

    >>> import flambeau as torch
    >>> torch.nn.functional.margin_ranking_loss(torch.tensor([1.]), torch.tensor([3.]), torch.tensor([1.]))
    tensor(2.)
    """
    how = reduction_of("margin_ranking_loss", reduction, size_average, reduce)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss: All input tensors should have same dimension but got sizes: "
            f"input1: {tuple(input1.shape)}, input2: {tuple(input2.shape)}, target: {tuple(target.shape)}"
        )
    return reduced(clamp_min(-target * (input1 - input2) + margin, 0), how)


@in_float32
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where target is 1, max(0, margin - x) where it is -1.

    >>> import flambeau as torch
    >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([2., 0.5]), torch.tensor([1, -1]))
    tensor(1.2500)
    """
    how = reduction_of("hinge_embedding_loss", reduction, size_average, reduce)
    far = choose(target != 1, clamp_min(margin - input, 0), 0)
    return reduced(far + choose(target != -1, input, 0), how)


@in_float32
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where target is 1, max(0, cos(x1, x2) - margin) where it is -1; x1, x2 are (N, D) or
    (D), the target (N) or ().

    >>> import flambeau as torch
    >>> torch.nn.functional.cosine_embedding_loss(torch.ones(1, 2), torch.ones(1, 2), torch.tensor([-1]))
    tensor(1.)
    """
    how = reduction_of("cosine_embedding_loss", reduction, size_average, reduce)
    if target.ndim > 1:
        raise RuntimeError(
            "cosine_embedding_loss: 0D or 1D target tensor expected, multi-target not supported, got "
            f"{tuple(target.shape)}"
        )
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise RuntimeError(
            f"cosine_embedding_loss: {target.ndim}D target tensor expects {target.ndim + 1}D input tensors, "
            f"but found inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    dims, tiny = (target.ndim,), 1e-12
    squares = [reductions.sum(x * x, dims) + tiny for x in (input1, input2)]
    cosine = reductions.sum(input1 * input2, dims) / (squares[0] * squares[1]).sqrt()
    near = choose(target == 1, 1 - cosine, 0)
    return reduced(near + choose(target == -1, clamp_min(cosine - margin, 0), 0), how)


@in_float32
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(anchor, positive) - d(anchor, negative) + margin), with the p-norm of differences as distance
    d.

    With `swap` the negative's distance is to the nearer of anchor and positive. ValueError unless margin > 0.

    >>> import flambeau as torch
    >>> a, p, n = torch.tensor([[0.]]), torch.tensor([[1.]]), torch.tensor([[3.]])
    >>> torch.nn.functional.triplet_margin_loss(a, p, n, margin=4.)
    tensor(2.)
    """
    how = reduction_of("triplet_margin_loss", reduction, size_average, reduce)
    distance = lambda a, b: pairwise_distance(a, b, p, eps)  # noqa: E731
    return _triplet("triplet_margin_loss", anchor, positive, negative, distance, margin, swap, how)


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with a distance of one's own.

    >>> import flambeau as torch
    >>> d = lambda a, b: (a - b).abs().sum(-1)
    >>> a, p, n = torch.tensor([[0.]]), torch.tensor([[1.]]), torch.tensor([[3.]])
    >>> torch.nn.functional.triplet_margin_with_distance_loss(a, p, n, distance_function=d, margin=4.)
    tensor(2.)
    """
    what = "triplet_margin_with_distance_loss"
    how = reduction_of(what, reduction)
    return _triplet(
        what, anchor, positive, negative, distance_function or pairwise_distance, margin, swap, how
    )


def _triplet(
    what: str,
    a: Tensor,
    p: Tensor,
    n: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    margin: float,
    swap: bool,
    how: str,
) -> Tensor:
    if not margin > 0:
        raise ValueError(f"{what}: margin must be greater than 0, got {margin}")
    if not a.ndim == p.ndim == n.ndim:
        raise RuntimeError(
            f"{what}: The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {a.ndim}D, positive {p.ndim}D, and negative {n.ndim}D inputs"
        )
    near, far = distance(a, p), distance(a, n)
    if swap:
        far = minimum(far, distance(p, n))
    return reduced(clamp_min(near - far + margin, 0), how)


@in_float32
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-target * x)) for targets 1 and -1.

    >>> import flambeau as torch
    >>> torch.nn.functional.soft_margin_loss(torch.tensor([0.]), torch.tensor([1.]))
    tensor(0.6931)
    """
    how = reduction_of("soft_margin_loss", reduction, size_average, reduce)
    return reduced(-activation.logsigmoid(target * check_tensor("soft_margin_loss", "input", input)), how)
