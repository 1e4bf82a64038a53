"""What all datasets of images share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from flambeau.utils.data import Dataset

__all__ = ["StandardTransform", "VisionDataset"]

Transform = Callable[..., Any] | None


class StandardTransform:
    """A transform of the input and one of the target, as one of both.

    >>> from flambeau.vision.datasets.vision import StandardTransform
    >>> StandardTransform(None, lambda target: target + 1)("image", 2)
    ('image', 3)
    """

    def __init__(self, transform: Transform = None, target_transform: Transform = None) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        input = input if self.transform is None else self.transform(input)
        return input, target if self.target_transform is None else self.target_transform(target)

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, transform in (
            ("Transform: ", self.transform),
            ("Target transform: ", self.target_transform),
        ):
            if transform is not None:
                lines.append(head + repr(transform).replace("\n", "\n" + " " * len(head)))
        return "\n".join(lines)


class VisionDataset(Dataset[Any]):
    """The base of datasets of images: a folder and transforms.

    Args:
        root: the folder.
        transforms: a function of image and target that returns both.
        transform: a function of the image.
        target_transform: a function of the target.

    Raises:
        ValueError: `transforms` goes with neither of the others.

    >>> from flambeau.vision.datasets import VisionDataset
    >>> class Names(VisionDataset):
    ...     def __getitem__(self, index): return "name"
    ...     def __len__(self): return 3
    >>> Names("data")
    Dataset Names
        Number of datapoints: 3
        Root location: data
    """

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Transform = None,
        transform: Transform = None,
        target_transform: Transform = None,
    ) -> None:
        self.root: Any = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError(
                f"{type(self).__name__}: Only transforms or transform/target_transform can be passed"
            )
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} is a VisionDataset and must define __len__(self)")

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """An item after the transforms as they are now: programs replace them."""
        image = image if self.transform is None else self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        lines += [] if self.root is None else [f"Root location: {self.root}"]
        lines += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            lines += repr(self.transforms).splitlines()
        return "\n".join([f"Dataset {type(self).__name__}", *(" " * 4 + line for line in lines)])

    def extra_repr(self) -> str:
        """Further lines of the description."""
        return ""
