"""Layers that fold dimensions into one and take one apart."""

from __future__ import annotations

from ...core.tensor import Tensor
from .layer import Layer, layer


@layer
class Flatten(Layer):
    """Makes a range of dimensions one; by default all but the batch's.

    Args:
        start_dim, end_dim: the first and the last of them.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Flatten()(torch.randn(32, 1, 5, 5)).shape
        torch.Size([32, 25])
    """

    start_dim: int = 1
    end_dim: int = -1

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)


@layer
class Unflatten(Layer):
    """Makes one dimension several.

    Args:
        dim: the dimension.
        unflattened_size: what becomes of it; one extent may be -1 and is computed.

    Raises:
        TypeError: a size that is not a tuple or list of whole numbers.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Unflatten(1, (2, 5, 5))(torch.randn(2, 50)).shape
        torch.Size([2, 2, 5, 5])
    """

    dim: int
    unflattened_size: tuple[int, ...]

    def __post_init__(self) -> None:
        size = self.unflattened_size
        if not isinstance(size, tuple | list) or not all(isinstance(extent, int) for extent in size):
            raise TypeError(f"Unflatten: unflattened_size must be a tuple of ints, got {size!r}")
        super().__post_init__()

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)
