"""All parameters of a module as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ...core.tensor import Tensor
from ...functions.joining import cat


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters, one after the other.

    Args:
        parameters: the tensors, not none.

    Raises:
        RuntimeError: a parameter isn't contiguous, or there is none.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 3)
        >>> torch.nn.utils.parameters_to_vector(layer.parameters()).shape
        torch.Size([9])
    """
    return cat([p.view(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Makes consecutive parts of a vector the data of the parameters, which then share its memory.

    Args:
        vec: at least as many elements as the parameters have.
        parameters: the tensors to set.

    Raises:
        TypeError: `vec` is not a tensor.
        RuntimeError: it is too short.

    Example:
        >>> import flambeau as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0, 3.0]), layer.parameters())
        >>> layer.weight.tolist(), layer.bias.tolist()
        ([[1.0, 2.0]], [3.0])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, but got {type(vec).__name__}")
    start = 0
    for param in parameters:
        end = start + param.numel()
        param.data = vec[start:end].view_as(param).data
        start = end
