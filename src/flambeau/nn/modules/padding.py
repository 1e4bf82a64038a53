"""Padding: elements added around the last dimensions (or cut off, where the amount is negative)."""

from __future__ import annotations

from typing import ClassVar

from ...core.tensor import Tensor
from .. import functional as F
from ..module import Module
from .utils import Size, per_dimension


class _Pad(Module):
    """Pads the last `_dims` dimensions by `_mode`; `padding` is one number, or two for each of them."""

    _dims: ClassVar[int]
    _mode: ClassVar[str]

    padding: tuple[int, ...]

    def __init__(self, padding: Size) -> None:
        super().__init__()
        self.padding = per_dimension(type(self).__name__, "padding", padding, 2 * self._dims)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


# ----- A number -----


class _ConstantPadNd(_Pad):
    value: float

    def __init__(self, padding: Size, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPadNd):
    """Adds a number before and after the last dimension.

    Args:
        padding: how many elements are added on both sides, or (left, right).
        value: the number.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConstantPad1d((1, 2), 5.0)(torch.zeros(1, 1))
        tensor([[5., 0., 5., 5.]])
    """

    _dims = 1


class ConstantPad2d(_ConstantPadNd):
    """Adds a number around the last two dimensions.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom).
        value: the number.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConstantPad2d((1, 1, 0, 1), 5.0)(torch.zeros(1, 1, 1))
        tensor([[[5., 0., 5.],
                 [5., 5., 5.]]])
    """

    _dims = 2


class ConstantPad3d(_ConstantPadNd):
    """Adds a number around the last three dimensions.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom, front, back).
        value: the number.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConstantPad3d(1, 5.0)(torch.zeros(2, 3, 4, 5)).shape
        torch.Size([2, 5, 6, 7])
    """

    _dims = 3


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Size) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    """Adds zeros before and after the last dimension.

    Args:
        padding: how many elements are added on both sides, or (left, right).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ZeroPad1d((1, 2))(torch.ones(1, 1))
        tensor([[0., 1., 0., 0.]])
    """


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    """Adds zeros around the last two dimensions.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ZeroPad2d((1, 1, 0, 1))(torch.ones(1, 1, 1))
        tensor([[[0., 1., 0.],
                 [0., 0., 0.]]])
    """


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    """Adds zeros around the last three dimensions.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom, front, back).

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ZeroPad3d(1)(torch.ones(2, 3, 4, 5)).shape
        torch.Size([2, 5, 6, 7])
    """


# ----- The input's own elements -----


class ReflectionPad1d(_Pad):
    """Continues the last dimension by its mirror image, without repeating the end.

    Args:
        padding: how many elements are added on both sides, or (left, right); less than the extent.

    Shape:
        (N, C, L) or (C, L) → the same with L + left + right

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReflectionPad1d(2)(torch.tensor([[0.0, 1.0, 2.0]]))
        tensor([[2., 1., 0., 1., 2., 1., 0.]])
    """

    _dims, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Continues the last two dimensions by their mirror image, without repeating the ends.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom).

    Shape:
        (N, C, H, W) or (C, H, W) → the same with H + top + bottom and W + left + right

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReflectionPad2d((1, 0, 0, 0))(torch.tensor([[[0.0, 1.0]]]))
        tensor([[[1., 0., 1.]]])
    """

    _dims, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Continues the last three dimensions by their mirror image, without repeating the ends.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom, front, back).

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same with larger D, H, W

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReflectionPad3d(1)(torch.randn(1, 2, 3, 4)).shape
        torch.Size([1, 4, 5, 6])
    """

    _dims, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Continues the last dimension by its end elements.

    Args:
        padding: how many elements are added on both sides, or (left, right).

    Shape:
        (N, C, L) or (C, L) → the same with L + left + right

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReplicationPad1d(2)(torch.tensor([[0.0, 1.0, 2.0]]))
        tensor([[0., 0., 0., 1., 2., 2., 2.]])
    """

    _dims, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Continues the last two dimensions by their end elements.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom).

    Shape:
        (N, C, H, W) or (C, H, W) → the same with H + top + bottom and W + left + right

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReplicationPad2d((1, 0, 0, 0))(torch.tensor([[[0.0, 1.0]]]))
        tensor([[[0., 0., 1.]]])
    """

    _dims, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Continues the last three dimensions by their end elements.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom, front, back).

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same with larger D, H, W

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ReplicationPad3d(1)(torch.randn(1, 2, 3, 4)).shape
        torch.Size([1, 4, 5, 6])
    """

    _dims, _mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Continues the last dimension by its other end.

    Args:
        padding: how many elements are added on both sides, or (left, right); at most the extent.

    Shape:
        (N, C, L) or (C, L) → the same with L + left + right

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CircularPad1d((2, 1))(torch.tensor([[0.0, 1.0, 2.0]]))
        tensor([[1., 2., 0., 1., 2., 0.]])
    """

    _dims, _mode = 1, "circular"


class CircularPad2d(_Pad):
    """Continues the last two dimensions by their other ends.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom).

    Shape:
        (N, C, H, W) or (C, H, W) → the same with H + top + bottom and W + left + right

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CircularPad2d((1, 0, 0, 0))(torch.tensor([[[0.0, 1.0, 2.0]]]))
        tensor([[[2., 0., 1., 2.]]])
    """

    _dims, _mode = 2, "circular"


class CircularPad3d(_Pad):
    """Continues the last three dimensions by their other ends.

    Args:
        padding: how many elements are added on all sides, or (left, right, top, bottom, front, back).

    Shape:
        (N, C, D, H, W) or (C, D, H, W) → the same with larger D, H, W

    Example:
        >>> import flambeau as torch
        >>> torch.nn.CircularPad3d(1)(torch.randn(1, 2, 3, 4)).shape
        torch.Size([1, 4, 5, 6])
    """

    _dims, _mode = 3, "circular"
