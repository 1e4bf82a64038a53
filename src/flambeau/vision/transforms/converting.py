"""Transforms from pictures to tensors, and of the range of their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

from . import functional as F

__all__ = ["ConvertImageDtype", "LinearTransformation", "Normalize", "PILToTensor", "ToPILImage", "ToTensor"]


class ToTensor:
    """`functional.to_tensor`: a picture or an array (H, W, C) as a tensor (C, H, W), bytes in [0, 1].

    >>> import numpy as np
    >>> from flambeau.vision import transforms
    >>> transforms.ToTensor()(np.full((2, 2, 3), 255, np.uint8)).max()
    tensor(1.)
    """

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class PILToTensor:
    """`functional.pil_to_tensor`: a picture as a tensor (C, H, W) of its own values.

    >>> from PIL import Image
    >>> from flambeau.vision import transforms
    >>> transforms.PILToTensor()(Image.new("RGB", (4, 5))).shape
    torch.Size([3, 5, 4])
    """

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ToPILImage:
    """`functional.to_pil_image`: a tensor (C, H, W) or an array (H, W, C) as a picture.

    >>> import flambeau as torch
    >>> torch.vision.transforms.ToPILImage()(torch.zeros(3, 4, 5)).mode
    'RGB'
    """

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'' if self.mode is None else f'mode={self.mode}'})"


class ConvertImageDtype(nn.Module):
    """`functional.convert_image_dtype`: a tensor in another dtype, its values scaled.

    >>> import flambeau as torch
    >>> convert = torch.vision.transforms.ConvertImageDtype(torch.uint8)
    >>> convert(torch.tensor([0.0, 1.0]))
    tensor([  0, 255], dtype=torch.uint8)
    """

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(nn.Module):
    """`functional.normalize`: `(x - mean) / std`, channel by channel.

    >>> import flambeau as torch
    >>> torch.vision.transforms.Normalize([0.5], [0.25])(torch.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = mean
        self.std = std
        self.inplace = inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(mean={self.mean}, std={self.std})"


class LinearTransformation(nn.Module):
    """`(x.flatten() - mean_vector) @ transformation_matrix` in the shape of `x`, for whitening.

    Args:
        transformation_matrix: (D, D), where D = C * H * W.
        mean_vector: (D,).

    Raises:
        ValueError: sizes that don't fit.

    >>> import flambeau as torch
    >>> t = torch.vision.transforms.LinearTransformation(torch.eye(4) * 2, torch.ones(4))
    >>> t(torch.zeros(1, 2, 2)).flatten()
    tensor([-2., -2., -2., -2.])
    """

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        if transformation_matrix.shape[0] != transformation_matrix.shape[1]:
            raise ValueError(
                f"transformation_matrix should be square. Got {tuple(transformation_matrix.shape)}"
            )
        if mean_vector.shape[0] != transformation_matrix.shape[0]:
            raise ValueError(
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of the "
                f"dimensions of the transformation_matrix {tuple(transformation_matrix.shape)}"
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        n = self.transformation_matrix.shape[0]
        if math.prod(tensor.shape[-3:]) != n:
            raise ValueError(
                "Input tensor and transformation matrix have incompatible shape: "
                f"{tuple(tensor.shape[-3:])}, {n}"
            )
        flat = tensor.reshape(-1, n) - self.mean_vector
        return torch.mm(flat, self.transformation_matrix).reshape(tensor.shape)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )
