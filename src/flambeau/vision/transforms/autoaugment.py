"""Policies of augmentation: AutoAugment, RandAugment, TrivialAugment and AugMix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

from . import functional as F
from .chance import channel_fill, integer
from .modes import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

Space = dict[str, tuple[Tensor, bool]]
Change = tuple[str, float, int | None]


class AutoAugmentPolicy(Enum):
    """Data that a policy was learned on.

    >>> from flambeau.vision import transforms
    >>> transforms.AutoAugmentPolicy.CIFAR10.value
    'cifar10'
    """

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


# Tables 7, 8 and 9 of Cubuk et al., AutoAugment: Learning augmentation strategies from data, 2019: pairs of
# changes, each with its probability in tenths and its magnitude, or - where it has none.
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize 4 8, Rotate 6 9; Solarize 6 5, AutoContrast 6 -; Equalize 8 -, Equalize 6 -;
        Posterize 6 7, Posterize 6 6; Equalize 4 -, Solarize 2 4; Equalize 4 -, Rotate 8 8;
        Solarize 6 3, Equalize 6 -; Posterize 8 5, Equalize 10 -; Rotate 2 3, Solarize 6 8;
        Equalize 6 -, Posterize 4 6; Rotate 8 8, Color 4 0; Rotate 4 9, Equalize 6 -;
        Equalize 0 -, Equalize 8 -; Invert 6 -, Equalize 10 -; Color 6 4, Contrast 10 8;
        Rotate 8 8, Color 10 2; Color 8 8, Solarize 8 7; Sharpness 4 7, Invert 6 -;
        ShearX 6 5, Equalize 10 -; Color 4 0, Equalize 6 -; Equalize 4 -, Solarize 2 4;
        Solarize 6 5, AutoContrast 6 -; Invert 6 -, Equalize 10 -; Color 6 4, Contrast 10 8;
        Equalize 8 -, Equalize 6 -""",
    AutoAugmentPolicy.CIFAR10: """
        Invert 1 -, Contrast 2 6; Rotate 7 2, TranslateX 3 9; Sharpness 8 1, Sharpness 9 3;
        ShearY 5 8, TranslateY 7 9; AutoContrast 5 -, Equalize 9 -; ShearY 2 7, Posterize 3 7;
        Color 4 3, Brightness 6 7; Sharpness 3 9, Brightness 7 9; Equalize 6 -, Equalize 5 -;
        Contrast 6 7, Sharpness 6 5; Color 7 7, TranslateX 5 8; Equalize 3 -, AutoContrast 4 -;
        TranslateY 4 3, Sharpness 2 6; Brightness 9 6, Color 2 8; Solarize 5 2, Invert 0 -;
        Equalize 2 -, AutoContrast 6 -; Equalize 2 -, Equalize 6 -; Color 9 9, Equalize 6 -;
        AutoContrast 8 -, Solarize 2 8; Brightness 1 3, Color 7 0; Solarize 4 5, AutoContrast 9 -;
        TranslateY 9 9, TranslateY 7 9; AutoContrast 9 -, Solarize 8 3; Equalize 8 -, Invert 1 -;
        TranslateY 7 9, AutoContrast 9 -""",
    AutoAugmentPolicy.SVHN: """
        ShearX 9 4, Invert 2 -; ShearY 9 8, Invert 7 -; Equalize 6 -, Solarize 6 6;
        Invert 9 -, Equalize 6 -; Equalize 6 -, Rotate 9 3; ShearX 9 4, AutoContrast 8 -;
        ShearY 9 8, Invert 4 -; ShearY 9 5, Solarize 2 6; Invert 9 -, AutoContrast 8 -;
        Equalize 6 -, Rotate 9 3; ShearX 9 4, Solarize 3 3; ShearY 8 8, Invert 7 -;
        Equalize 9 -, TranslateY 6 6; Invert 9 -, Equalize 6 -; Contrast 3 3, Rotate 8 4;
        Invert 8 -, TranslateY 0 2; ShearY 7 6, Solarize 4 8; Invert 6 -, Rotate 8 4;
        ShearY 3 7, TranslateX 9 3; ShearX 1 6, Invert 6 -; Solarize 7 2, TranslateY 6 7;
        ShearY 8 4, Invert 8 -; ShearX 7 9, TranslateY 8 3; ShearY 8 5, AutoContrast 7 -;
        ShearX 7 2, Invert 1 -""",
}


def _parsed(text: str) -> list[tuple[Change, Change]]:
    """A policy as (name, probability, magnitude) in pairs."""
    pairs = []
    for line in text.split(";"):
        changes: list[Change] = []
        for part in line.split(","):
            name, tenths, magnitude = part.split()
            changes.append((name, int(tenths) / 10, None if magnitude == "-" else int(magnitude)))
        pairs.append((changes[0], changes[1]))
    return pairs


def _changed(img: Any, name: str, x: float, interpolation: InterpolationMode, fill: Any) -> Any:
    """The image after a change of magnitude x."""
    if name in ("ShearX", "ShearY"):  # about the top left corner, by a tangent
        angle = math.degrees(math.atan(x))
        shear = [angle, 0.0] if name == "ShearX" else [0.0, angle]
        return F.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, [0, 0])
    if name in ("TranslateX", "TranslateY"):
        shift = [int(x), 0] if name == "TranslateX" else [0, int(x)]
        return F.affine(img, 0.0, shift, 1.0, [0.0, 0.0], interpolation, fill)
    if name == "Rotate":
        return F.rotate(img, x, interpolation, fill=fill)
    return _PLAIN[name](img, x)


_PLAIN: dict[str, Any] = {
    "Identity": lambda img, x: img,
    "Brightness": lambda img, x: F.adjust_brightness(img, 1.0 + x),
    "Color": lambda img, x: F.adjust_saturation(img, 1.0 + x),
    "Contrast": lambda img, x: F.adjust_contrast(img, 1.0 + x),
    "Sharpness": lambda img, x: F.adjust_sharpness(img, 1.0 + x),
    "Posterize": lambda img, x: F.posterize(img, int(x)),
    "Solarize": lambda img, x: F.solarize(img, x),
    "AutoContrast": lambda img, x: F.autocontrast(img),
    "Equalize": lambda img, x: F.equalize(img),
    "Invert": lambda img, x: F.invert(img),
}


def _space(
    bins: int, shear: float, shifts: Sequence[float], turn: float, factor: float, bits: float, first: int = 8
) -> Space:
    """The changes, the magnitudes of each, and whether they have a sign; `bits` are taken away at most."""
    steps = (torch.arange(bins) / ((bins - 1) / bits)).round().int()
    none = torch.tensor(0.0)
    signed = {
        "ShearX": shear,
        "ShearY": shear,
        "TranslateX": shifts[0],
        "TranslateY": shifts[1],
        "Rotate": turn,
    }
    if factor:
        signed.update(dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), factor))
    space: Space = {name: (torch.linspace(0.0, most, bins), True) for name, most in signed.items()}
    space["Posterize"] = (first - steps, False)
    space["Solarize"] = (torch.linspace(255.0, 0.0, bins), False)
    return {**space, "AutoContrast": (none, False), "Equalize": (none, False)}


class _Policy(nn.Module):
    """The base: how changes are chosen among a space of them."""

    interpolation: InterpolationMode
    fill: Any

    def _draw(self, space: Space, level: int | None, levels: int) -> tuple[str, float]:
        """A random change, and its magnitude at `level`, or at a random one of the first `levels`."""
        name = list(space)[integer(0, len(space))]
        magnitudes, signed = space[name]
        x = 0.0
        if magnitudes.ndim:
            x = float(magnitudes[integer(0, levels) if level is None else level].item())
        return name, -x if signed and integer(0, 2) else x


class AutoAugment(_Policy):
    """One of 25 pairs of changes that were learned from data (Cubuk et al., AutoAugment, 2019).

    Args:
        policy: the data that it was learned from.
        interpolation, fill: see `functional.affine`.

    Shape:
        pictures "L" or "RGB", or bytes (..., 1 or 3, H, W) → the same

    >>> import flambeau as torch
    >>> torch.vision.transforms.AutoAugment()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if policy not in _POLICIES:
            raise ValueError(f"AutoAugment: The provided policy {policy} is not recognized.")
        self.policy = policy
        self.interpolation = interpolation
        self.fill = fill
        self.policies = _parsed(_POLICIES[policy])

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Which pair, and a probability and a sign for both."""
        number = integer(0, transform_num)
        return number, torch.rand((2,)), torch.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        fill = channel_fill(img, self.fill)
        _, h, w = F.get_dimensions(img)
        space = _space(10, 0.3, (150 / 331 * w, 150 / 331 * h), 30.0, 0.9, 4)
        number, chances, signs = self.get_params(len(self.policies))
        for i, (name, p, level) in enumerate(self.policies[number]):
            if chances[i] > p:
                continue
            x = 0.0 if level is None else float(space[name][0][level].item())
            negative = name in space and space[name][1] and signs[i] == 0
            img = _changed(img, name, -x if negative else x, self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return f"{type(self).__name__}(policy={self.policy}, fill={self.fill})"


class RandAugment(_Policy):
    """Random changes of one magnitude (Cubuk et al., RandAugment, 2020).

    Args:
        num_ops: how many.
        magnitude: how strong, below `num_magnitude_bins`.
        num_magnitude_bins: how many magnitudes there are.
        interpolation, fill: see `functional.affine`.

    Shape:
        pictures "L" or "RGB", or bytes (..., 1 or 3, H, W) → the same

    >>> import flambeau as torch
    >>> torch.vision.transforms.RandAugment()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, img: Any) -> Any:
        fill = channel_fill(img, self.fill)
        _, h, w = F.get_dimensions(img)
        bins = self.num_magnitude_bins
        space = _space(bins, 0.3, (150 / 331 * w, 150 / 331 * h), 30.0, 0.9, 4)
        space = {"Identity": (torch.tensor(0.0), False), **space}
        for _ in range(self.num_ops):
            img = _changed(img, *self._draw(space, self.magnitude, bins), self.interpolation, fill)
        return img

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, "
            f"fill={self.fill})"
        )


class TrivialAugmentWide(_Policy):
    """One random change of a random magnitude (Müller and Hutter, TrivialAugment, 2021).

    Args:
        num_magnitude_bins: how many magnitudes there are.
        interpolation, fill: see `functional.affine`.

    Shape:
        pictures "L" or "RGB", or bytes (..., 1 or 3, H, W) → the same

    >>> import flambeau as torch
    >>> torch.vision.transforms.TrivialAugmentWide()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__()
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def forward(self, img: Any) -> Any:
        fill = channel_fill(img, self.fill)
        bins = self.num_magnitude_bins
        space = _space(bins, 0.99, (32.0, 32.0), 135.0, 0.99, 6)
        space = {"Identity": (torch.tensor(0.0), False), **space}
        return _changed(img, *self._draw(space, None, bins), self.interpolation, fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


class AugMix(_Policy):
    """The image mixed with what chains of random changes make of it (Hendrycks et al., AugMix, 2020).

    Args:
        severity: the greatest magnitude, from 1 to 10.
        mixture_width: how many chains.
        chain_depth: how many changes each; by default a random number from 1 to 3.
        alpha: the parameter of the distributions of weights.
        all_ops: whether brightness, colour, contrast and sharpness are among the changes.
        interpolation, fill: see `functional.affine`.

    Shape:
        pictures "L" or "RGB", or bytes (..., 1 or 3, H, W) → the same

    Raises:
        ValueError: the severity is not in 1 to 10.

    >>> import flambeau as torch
    >>> torch.vision.transforms.AugMix()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__()
        if not 1 <= severity <= 10:
            raise ValueError(f"AugMix: The severity must be between [1, 10]. Got {severity} instead.")
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.fill = fill

    def _weights(self, rows: int, n: int) -> Tensor:
        """Rows of n weights that sum to 1."""
        weights: Tensor = torch.distributions.Dirichlet(torch.full((rows, n), float(self.alpha))).sample()
        return weights

    def forward(self, img: Any) -> Any:
        x = img if isinstance(img, Tensor) else F.pil_to_tensor(img)
        fill = channel_fill(x, self.fill)
        _, h, w = F.get_dimensions(x)
        space = _space(10, 0.3, (w / 3, h / 3), 30.0, 0.9 if self.all_ops else 0, 4, first=4)
        batch = x.reshape(*(1,) * (4 - x.ndim), *x.shape)
        column = (batch.shape[0],) + (1,) * (batch.ndim - 1)
        share = self._weights(batch.shape[0], 2)
        weights = self._weights(batch.shape[0], self.mixture_width) * share[:, 1:]
        mix = share[:, 0].reshape(column) * batch
        for i in range(self.mixture_width):
            changed = batch
            for _ in range(self.chain_depth if self.chain_depth > 0 else integer(1, 4)):
                change = self._draw(space, None, self.severity)
                changed = _changed(changed, *change, self.interpolation, fill)
            mix = mix + weights[:, i].reshape(column) * changed
        mixed = mix.reshape(x.shape).to(x.dtype)
        return mixed if isinstance(img, Tensor) else F.to_pil_image(mixed)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(severity={self.severity}, mixture_width={self.mixture_width}, "
            f"chain_depth={self.chain_depth}, alpha={self.alpha}, all_ops={self.all_ops}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )
