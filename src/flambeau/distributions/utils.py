"""What distributions share: broadcasting of parameters, probabilities and logits, triangular matrices."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, overload

from ..autograd.grad_mode import enable_grad
from ..core.dtype import dtype as DType
from ..core.dtype import get_default_dtype
from ..core.limits import finfo
from ..core.tensor import Tensor
from ..functions import choice
from ..functions.creation import empty, tensor
from ..functions.ranges import arange
from ..functions.shape import broadcast_tensors

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "euler_constant",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.5772156649015329
R = TypeVar("R")


class lazy_property(Generic[R]):
    """A property that is computed when it is first asked for, and then kept.

    >>> from flambeau.distributions.utils import lazy_property
    >>> class Circle:
    ...     @lazy_property
    ...     def area(self):
    ...         return 3.14
    >>> circle = Circle(); circle.area, "area" in vars(circle)
    (3.14, True)
    """

    def __init__(self, wrapped: Callable[[Any], R]) -> None:
        self.wrapped = wrapped
        functools.update_wrapper(self, wrapped)  # type: ignore[arg-type]

    @overload
    def __get__(self, instance: None, owner: Any = None) -> lazy_property[R]: ...

    @overload
    def __get__(self, instance: object, owner: Any = None) -> R: ...

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        vars(instance)[self.wrapped.__name__] = value
        return value


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape; numbers in the dtype of the first tensor, or the default
    one.

    ValueError for anything else.

    >>> import flambeau as torch
    >>> a, b = torch.distributions.utils.broadcast_all(torch.zeros(2), 1); b
    tensor([1., 1.])
    """
    tensors = [v for v in values if isinstance(v, Tensor)]
    if len(tensors) < len(values):
        if wrong := [v for v in values if not isinstance(v, (Tensor, int, float))]:
            raise ValueError(
                f"Input arguments must all be instances of Number or torch.Tensor, got "
                f"{type(wrong[0]).__name__}; pass torch.as_tensor(it)"
            )
        d = tensors[0].dtype if tensors else get_default_dtype()
        values = tuple(v if isinstance(v, Tensor) else tensor(v, dtype=d) for v in values)
    shape = values[0].shape
    if all(v.shape == shape for v in values):
        return values
    return broadcast_tensors(*values)


def _standard_normal(shape: Sequence[int], dtype: DType) -> Tensor:
    return empty(tuple(shape), dtype=dtype).normal_()


def _sum_rightmost(value: Tensor, dim: int) -> Tensor:
    """The sum over the last `dim` dimensions."""
    return value.reshape(*value.shape[: value.ndim - dim], -1).sum(-1) if dim else value


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of logits: by the sigmoid of each, or by the softmax over the last dimension.

    >>> import flambeau as torch
    >>> torch.distributions.utils.logits_to_probs(torch.zeros(2))
    tensor([0.5000, 0.5000])
    """
    return logits.sigmoid() if is_binary else logits.softmax(-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept off 0 and 1 by the dtype's precision.

    >>> import flambeau as torch
    >>> torch.distributions.utils.clamp_probs(torch.ones(1)).item() < 1
    True
    """
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Logits of probabilities: the log-odds of each, or, of categories, the logarithms.

    >>> import flambeau as torch
    >>> torch.distributions.utils.probs_to_logits(torch.tensor([0.5]), is_binary=True)
    tensor([0.])
    """
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


def _triangle(n: int, diag: int) -> Tensor:
    rows = arange(n)
    return rows < rows.view(-1, 1) + (diag + 1)


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The elements of (..., n, n) on and below a diagonal, row by row, as (..., k). ValueError for a diagonal
    outside of the matrix.

    >>> import flambeau as torch
    >>> torch.distributions.utils.tril_matrix_to_vec(torch.tensor([[1., 2.], [3., 4.]]))
    tensor([1., 3., 4.])
    """
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    return mat[..., _triangle(n, diag)]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """(..., k) as the elements on and below a diagonal of a matrix (..., n, n), row by row; zero above it.

    ValueError if no matrix has k such elements.

    >>> import flambeau as torch
    >>> torch.distributions.utils.vec_to_tril_matrix(torch.tensor([1., 3., 4.]))
    tensor([[1., 0.],
            [3., 4.]])
    """
    k, shift = vec.shape[-1], 1 + 2 * diag
    n = round((-shift + (shift**2 + 8 * k + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2)
    if (n + diag) * (n + diag + 1) // 2 - max(diag, 0) * (diag + 1) // 2 != k:
        raise ValueError(
            f"The size of last dimension is {k} which cannot be expressed as the lower triangular part of a "
            f"square D x D matrix."
        )
    mat = vec.new_zeros(*vec.shape[:-1], n, n)
    mat[..., _triangle(n, diag)] = vec
    return mat


def where(condition: Tensor, x: Any, y: Any) -> Tensor:
    """`x` where the condition holds, else `y`."""
    result: Tensor = choice.where(condition, x, y)
    return result


def spread(x: Tensor, shape: Sequence[int]) -> Tensor:
    """`x` expanded to a shape, which it often has already."""
    return x if x.shape == shape else x.expand(shape)
