"""Pictures that are noise, to try programs with."""

from __future__ import annotations

from typing import Any

import flambeau as torch

from ..transforms.functional import to_pil_image
from .vision import Transform, VisionDataset

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """Random pictures with random labels, the same each time.

    Args:
        size: how many.
        image_size: (C, H, W).
        num_classes: labels are below this.
        transform: a function of the picture.
        target_transform: a function of the label.
        random_offset: added to the index, which is the seed.

    >>> from flambeau.vision import datasets
    >>> image, label = datasets.FakeData(10, (3, 8, 8))[3]
    >>> image.size, 0 <= label < 10
    ((8, 8), True)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform = None,
        target_transform: Transform = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(None, transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"FakeData: index {index} is out of range for {len(self)} items")
        state = torch.get_rng_state()
        torch.manual_seed(index + self.random_offset)
        image = torch.randn(*self.image_size)
        target = int(torch.randint(0, self.num_classes, (1,)).item())
        torch.set_rng_state(state)
        return self._transformed(to_pil_image(image), target)

    def __len__(self) -> int:
        return self.size
