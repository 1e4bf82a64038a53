"""Datasets whose images lie in one array: items one by one, and whole batches at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flambeau import Tensor, nn
from flambeau.core.tensor import from_array
from flambeau.utils.data.dataset import _are_ints

from .. import transforms as T
from ..pictures import pillow
from .vision import VisionDataset

__all__ = ["ArrayDataset", "in_batches"]

_ELEMENTWISE = (T.Normalize, T.ConvertImageDtype, nn.Identity)


def in_batches(transform: Any) -> Callable[[np.ndarray], Tensor] | None:
    """What a transform makes of images (N, H, W, C) or (N, H, W), all at once, if its results are the same as
    one by one and depend on nothing else: `ToTensor` or `PILToTensor`, then what goes by the element."""
    steps = list(transform.transforms) if type(transform) is T.Compose else [transform]
    if not steps or type(steps[0]) not in (T.ToTensor, T.PILToTensor):
        return None
    if any(type(step) not in _ELEMENTWISE for step in steps[1:]):
        return None
    first, *rest = steps

    def run(images: np.ndarray) -> Tensor:
        planes = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        if type(first) is T.ToTensor:
            scaled: np.ndarray = np.divide(planes, np.float32(255), dtype=np.float32, order="C")
            batch = from_array(scaled)
        else:
            batch = from_array(np.array(planes, order="C"))
        for step in rest:
            batch = step(batch)
        return batch

    return run


class ArrayDataset(VisionDataset):
    """The base of datasets whose images and targets lie in arrays, `data` and `targets`."""

    data: Any
    targets: Any
    _targets_name = "targets"

    def _images(self, index: Any) -> np.ndarray:
        """Images (H, W) or (H, W, C), chosen by their numbers."""
        data = self.data.numpy() if isinstance(self.data, Tensor) else self.data
        chosen: np.ndarray = data[index]
        return chosen

    def _labels(self) -> Any:
        labels = getattr(self, self._targets_name)
        return labels.numpy() if isinstance(labels, Tensor) else labels

    def _picture(self, image: np.ndarray) -> Any:
        return pillow().fromarray(np.ascontiguousarray(image))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._transformed(self._picture(self._images(index)), int(self._labels()[index]))

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        run = in_batches(self.transform)
        if run is None or self.target_transform is not None or not _are_ints(indices, len(self)):
            return NotImplemented
        images = self._images(np.array(indices, np.int64))
        labels = self._labels()
        if images.dtype != np.uint8:
            return NotImplemented
        return [run(images), from_array(np.array([labels[i] for i in indices], np.int64))]

    def __len__(self) -> int:
        return len(self.data)
