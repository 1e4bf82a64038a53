"""What transforms of samples share: which parts of a sample they take, and numbers drawn once for all."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn
from flambeau.utils._pytree import tree_flatten, tree_unflatten

from ... import tv_tensors
from ...pictures import is_pil
from ..chance import number
from . import functional as F

__all__ = ["Transform", "has_any", "is_plain", "size_of"]

IMAGES = (tv_tensors.Image, tv_tensors.Video)


def is_plain(x: Any) -> bool:
    """Whether this is a tensor of no kind."""
    return isinstance(x, Tensor) and not isinstance(x, tv_tensors.TVTensor)


def has_any(flat: Sequence[Any], *kinds: type) -> bool:
    """Whether there is something of these kinds."""
    return any(isinstance(x, kinds) for x in flat)


def size_of(flat: Sequence[Any]) -> tuple[int, int]:
    """The height and width that all parts share. ValueError if they differ, or there is none."""
    sizes = {tuple(F.get_size(x)) for x in flat if isinstance(x, Tensor) or is_pil(x)}
    if len(sizes) != 1:
        raise ValueError(
            f"a sample needs images, masks or boxes of one height and width, got {sorted(sizes) or 'none'}"
        )
    h, w = sizes.pop()
    return h, w


class Transform(nn.Module):
    """The base of transforms of samples: of an image, or of dicts, lists and tuples of images, masks, boxes
    and anything else.

    Pictures, and tensors of `tv_tensors`, are transformed; a plain tensor is, as an image, if it is the first
    and there is no image or picture; all else stays as it is. A subclass defines `transform(inpt, params)`,
    and `make_params(flat_inputs)` if it draws random numbers, which are the same for the whole sample.

    >>> import flambeau as torch
    >>> from flambeau.vision.transforms import v2
    >>> class Double(v2.Transform):
    ...     def transform(self, inpt, params):
    ...         return inpt * 2
    >>> Double()({"image": torch.ones(1, 1, 1), "label": 3})
    {'image': tensor([[[2.]]]), 'label': 3}
    """

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raises if the transform can't be done with such a sample."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn for a sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """What becomes of a part of the sample."""
        return inpt

    def takes(self, inpt: Any) -> bool:
        """Whether the transform is for things of this kind."""
        return isinstance(inpt, Tensor) or is_pil(inpt)

    def _skip(self) -> bool:
        """Whether nothing is to be done this time."""
        return False

    def forward(self, *inputs: Any) -> Any:
        """The sample, transformed; several inputs are a tuple."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat, structure = tree_flatten(sample)
        self.check_inputs(flat)
        if self._skip():
            return sample
        wanted = self._wanted(flat)
        params = self.make_params([x for x, take in zip(flat, wanted, strict=True) if take])
        out = [self.transform(x, params) if take else x for x, take in zip(flat, wanted, strict=True)]
        return tree_unflatten(out, structure)

    def _wanted(self, flat: list[Any]) -> list[bool]:
        """Which parts are transformed: of plain tensors the first, if nothing else is an image."""
        plain = not (has_any(flat, *IMAGES) or any(map(is_pil, flat)))
        wanted = []
        for x in flat:
            take = self.takes(x)
            if take and is_plain(x):
                take, plain = plain, False
            wanted.append(take)
        return wanted

    def __repr__(self) -> str:
        return nn.Module.__repr__(self)

    def extra_repr(self) -> str:
        kinds = (bool, int, float, str, tuple, list, enum.Enum)
        given = {k: v for k, v in vars(self).items() if not k.startswith("_") and k != "training"}
        return ", ".join(f"{k}={v}" for k, v in given.items() if isinstance(v, kinds))


class Sometimes(Transform):
    """The base of transforms that are done with probability `p`."""

    p: float

    def _skip(self) -> bool:
        return number() >= self.p


def sized(flat: Sequence[Any]) -> tuple[int, int]:
    """Width and height, as v1 has them."""
    h, w = size_of(flat)
    return w, h


Getter = Callable[[Any], Any]


def labels_getter(given: str | Getter | None) -> Getter:
    """What finds the labels in a sample: by default, the second of two, or under a key "label"."""
    if callable(given):
        return given
    if given is None:
        return lambda sample: None
    if given != "default":
        return lambda sample: sample[given]

    def find(sample: Any) -> Any:
        if isinstance(sample, tuple) and len(sample) == 2:
            sample = sample[1]
        if isinstance(sample, dict):
            names = [k for k in sample if isinstance(k, str) and "label" in k.lower()]
            names.sort(key=lambda k: k.lower() not in ("label", "labels"))
            if not names:
                raise ValueError("no key of the sample has 'label' in its name; pass labels_getter")
            return sample[names[0]]
        if isinstance(sample, Tensor) and not isinstance(sample, tv_tensors.TVTensor):
            return sample
        raise ValueError("there are no labels in the sample; pass labels_getter")

    return find


def as_float(labels: Tensor, classes: int | None) -> Tensor:
    """Labels (N,) as rows of probabilities (N, classes)."""
    if labels.ndim == 2:
        return labels.float()
    if classes is None:
        raise ValueError("num_classes must be passed if the labels are numbers of classes")
    return torch.nn.functional.one_hot(labels, num_classes=classes).float()
