"""Tensors that say what they are: images, videos, masks and boxes. Functions take them for plain tensors."""

from __future__ import annotations

from enum import Enum
from typing import Any

import flambeau as torch
from flambeau import Tensor
from flambeau.nn.parameter import _Owned, _rebuild

from .pictures import is_pil
from .transforms.functional import pil_to_tensor

__all__ = ["BoundingBoxFormat", "BoundingBoxes", "Image", "Mask", "TVTensor", "Video", "wrap"]


class TVTensor(_Owned):
    """The base of these classes. What functions make of them is a plain tensor, which `wrap` gives a class
    again.

    `clone`, `detach` and `to` keep it.
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        return cls._made(_as_tensor(data, dtype, device), requires_grad)

    @classmethod
    def _made(cls, x: Tensor, requires_grad: bool | None) -> Any:
        return Tensor._make_subclass(cls, x, x.requires_grad if requires_grad is None else requires_grad)

    def clone(self, *args: Any, **kwargs: Any) -> Any:
        return wrap(super().clone(*args, **kwargs), like=self)

    def detach(self) -> Any:
        return wrap(super().detach(), like=self)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        return wrap(super().to(*args, **kwargs), like=self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = wrap(self.as_subclass(Tensor).detach().clone(), like=self)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        plain = self.as_subclass(Tensor).detach()  # `data` would be of this class again
        return _rebuild, (type(self), plain, self.requires_grad), self._attributes() or None

    def __repr__(self, **kwargs: Any) -> str:
        return f"{type(self).__name__}({', '.join([str(self.tolist()), *self._extra()])})"

    def _extra(self) -> list[str]:
        return []


def _as_tensor(data: Any, dtype: Any, device: Any) -> Tensor:
    x = data if isinstance(data, Tensor) else torch.as_tensor(data)
    return x.to(dtype=dtype or x.dtype, device=device or x.device) if dtype or device else x


class Image(TVTensor):
    """An image (..., C, H, W), from a tensor, a picture, or an array.

    Raises:
        ValueError: fewer than two dimensions.

    >>> import flambeau as torch
    >>> torch.vision.tv_tensors.Image(torch.zeros(3, 4, 5)).shape
    torch.Size([3, 4, 5])
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        x = _planes(cls, data, dtype, device)
        return cls._made(x.unsqueeze(0) if x.ndim == 2 else x, requires_grad)


def _planes(cls: type, data: Any, dtype: Any, device: Any) -> Tensor:
    """(..., H, W) of a tensor, a picture, or an array."""
    x = _as_tensor(pil_to_tensor(data) if is_pil(data) else data, dtype, device)
    if x.ndim < 2:
        raise ValueError(f"{cls.__name__}: expected at least two dimensions, got {tuple(x.shape)}")
    return x


class Mask(TVTensor):
    """Masks (..., H, W): numbers of classes, or one mask for each thing.

    >>> import flambeau as torch
    >>> torch.vision.tv_tensors.Mask([[0, 1], [1, 1]])
    Mask([[0, 1], [1, 1]])
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        return cls._made(_planes(cls, data, dtype, device), requires_grad)


class Video(TVTensor):
    """A video (..., T, C, H, W).

    Raises:
        ValueError: fewer than four dimensions.

    >>> import flambeau as torch
    >>> torch.vision.tv_tensors.Video(torch.zeros(2, 3, 4, 5)).shape
    torch.Size([2, 3, 4, 5])
    """

    def __new__(
        cls, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool | None = None
    ) -> Any:
        x = _as_tensor(data, dtype, device)
        if x.ndim < 4:
            raise ValueError(f"Video: a video has at least four dimensions, got {tuple(x.shape)}")
        return cls._made(x, requires_grad)


class BoundingBoxFormat(Enum):
    """What the four numbers of a box are: two corners, a corner and the size, or the middle and the size.

    >>> import flambeau as torch
    >>> torch.vision.tv_tensors.BoundingBoxFormat("XYWH")
    <BoundingBoxFormat.XYWH: 'XYWH'>
    """

    XYXY = "XYXY"
    XYWH = "XYWH"
    CXCYWH = "CXCYWH"


class BoundingBoxes(TVTensor):
    """Boxes (N, 4) in an image.

    Args:
        data: the numbers.
        format: what they are, a `BoundingBoxFormat` or its name.
        canvas_size: (height, width) of the image.

    Raises:
        ValueError: another shape or format.

    >>> import flambeau as torch
    >>> torch.vision.tv_tensors.BoundingBoxes([1, 2, 3, 4], format="XYXY", canvas_size=(8, 8))
    BoundingBoxes([[1, 2, 3, 4]], format=BoundingBoxFormat.XYXY, canvas_size=(8, 8))
    """

    format: BoundingBoxFormat
    canvas_size: tuple[int, int]

    def __new__(
        cls,
        data: Any,
        *,
        format: BoundingBoxFormat | str,
        canvas_size: tuple[int, int],
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool | None = None,
    ) -> Any:
        x = _as_tensor(data, dtype, device)
        x = x.unsqueeze(0) if x.ndim == 1 else x
        if x.ndim != 2 or x.shape[1] != 4:
            raise ValueError(f"BoundingBoxes: boxes should be (N, 4), got {tuple(x.shape)}")
        boxes = cls._made(x, requires_grad)
        boxes.format = BoundingBoxFormat(format.upper()) if isinstance(format, str) else format
        boxes.canvas_size = (int(canvas_size[0]), int(canvas_size[1]))
        return boxes

    def _extra(self) -> list[str]:
        return [f"format={self.format}", f"canvas_size={self.canvas_size}"]


def wrap(wrappee: Tensor, *, like: Any, **kwargs: Any) -> Any:
    """A tensor as what another is; for boxes `format` and `canvas_size` may be others.

    >>> import flambeau as torch
    >>> mask = torch.vision.tv_tensors.Mask([[0, 1]])
    >>> torch.vision.tv_tensors.wrap(mask + 1, like=mask)
    Mask([[1, 2]])
    """
    if isinstance(like, BoundingBoxes):
        given = {"format": like.format, "canvas_size": like.canvas_size, **kwargs}
        return type(like)(wrappee, **given)
    return type(like)._made(wrappee, None)
