"""The functions that make a model, with or without published weights, out of a line in a table."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from ... import nn
from ..transforms._presets import ImageClassification
from ..transforms.modes import InterpolationMode
from ._api import Weights, WeightsEnum, register_model

M = TypeVar("M", bound=nn.Module)
Settings = dict[str, Any]

DOWNLOADS = "https://download.pytorch.org/models/"
_DEPRECATED = "deprecated since 0.13 and may be removed in the future"


# ----- weights -----


@cache
def imagenet_categories() -> list[str]:
    """The names of ImageNet-1K's classes, in order."""
    return Path(__file__).with_name("imagenet.txt").read_text(encoding="utf-8").splitlines()


def imagenet(
    file: str,
    num_params: int,
    acc1: float,
    acc5: float,
    crop: int = 224,
    resize: int = 256,
    min_size: int = 1,
    bicubic: bool = False,
    labelled: bool = True,
    **transform: Any,
) -> Weights:
    """Weights trained on ImageNet-1K: file name, accuracies in percent, the extents of their images."""
    if bicubic:
        transform["interpolation"] = InterpolationMode.BICUBIC
    preset = partial(ImageClassification, crop_size=crop, resize_size=resize, **transform)
    meta = {
        "num_params": num_params,
        "min_size": (min_size, min_size),
        "categories": imagenet_categories() if labelled else None,
        "_metrics": {"ImageNet-1K": {"acc@1": acc1, "acc@5": acc5}},
    }
    return Weights(f"{DOWNLOADS}{file}.pth", preset, meta)


# ----- builders -----


def fix(settings: Settings, name: str, value: Any) -> None:
    """Sets an argument that can be no other."""
    given = settings.setdefault(name, value)
    if given != value:
        raise ValueError(f"The parameter '{name}' expected value {value} but got {given} instead.")


def with_classes(settings: Settings, weights: WeightsEnum) -> None:
    """Weights say how many classes there are."""
    if weights.meta["categories"] is not None:
        fix(settings, "num_classes", len(weights.meta["categories"]))


def load(model: nn.Module, weights: WeightsEnum, progress: bool) -> None:
    """Gives a model published weights."""
    model.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))


def _legacy(enum: type[WeightsEnum]) -> WeightsEnum | None:
    members = enum.__members__
    return members.get("IMAGENET1K_V1") or members.get("COCO_WITH_VOC_LABELS_V1")


def modernize(
    kwargs: Settings, name: str, enum: type[WeightsEnum], parameter: str = "weights", old: str = "pretrained"
) -> None:
    """`pretrained=True` and `weights=True` become the first weights that were published, with warnings."""
    given = kwargs.get(parameter)
    if old in kwargs:
        warnings.warn(
            f"The parameter '{old}' is {_DEPRECATED}, please use '{parameter}' instead.", stacklevel=3
        )
        given = kwargs.pop(old)
    elif given is None or isinstance(given, (str, WeightsEnum)):
        return
    chosen = _legacy(enum) if given else None
    if given and chosen is None:
        raise ValueError(f"No weights available for model {name}")
    message = (
        f"Arguments other than a weight enum or `None` for '{parameter}' are {_DEPRECATED}. "
        f"The current behavior is equivalent to passing `{parameter}={chosen!r}`."
    )
    if chosen is not None:
        message += (
            f" You can also use `{parameter}={enum.__name__}.DEFAULT` to get the most up-to-date weights."
        )
    warnings.warn(message, stacklevel=3)
    kwargs[parameter] = chosen


def by_keyword(args: tuple[Any, ...], kwargs: Settings, names: tuple[str, ...]) -> Settings:
    """Positional arguments as keyword arguments, with a warning."""
    if not args:
        return kwargs
    if len(args) > len(names):
        raise TypeError(
            f"takes at most {len(names)} positional arguments ({', '.join(names)}), got {len(args)}"
        )
    given = dict(zip(names, args, strict=False))
    listed = " and ".join(f"'{name}'" for name in given)
    warnings.warn(
        f"Using {listed} as positional parameter(s) is {_DEPRECATED}. "
        f"Please use keyword parameter(s) instead.",
        stacklevel=3,
    )
    return given | kwargs


def dress(build: Callable[..., M], name: str, enum: type[WeightsEnum], doc: str) -> Callable[..., M]:
    """Gives a builder its name and its documentation, and lists it."""
    build.__name__ = build.__qualname__ = name
    build.__module__ = enum.__module__
    build.__doc__ = f"""{doc}

    Args:
        weights: published weights to start with: a member of `{enum.__name__}`, or its name; None for
            initial values.
        progress: whether to show how far the download is.
        kwargs: for the class of the model, such as `num_classes`.

    Raises:
        OSError: the weights can't be downloaded; the message says where to put the file.
        ValueError: an argument that can't be chosen for this model, or with these weights.
    """
    keyword = inspect.Parameter.KEYWORD_ONLY
    build.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter("weights", keyword, default=None, annotation=enum | None),
            inspect.Parameter("progress", keyword, default=True, annotation=bool),
            inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD, annotation=Any),
        ]
    )
    return register_model()(build)


def builder(
    name: str,
    doc: str,
    enum: type[WeightsEnum],
    make: Callable[..., M],
    fixed: Settings | None = None,
    with_weights: Callable[[Settings, WeightsEnum], None] = with_classes,
    load: Callable[[M, WeightsEnum, bool], None] = load,
    finish: Callable[[M, Settings], None] | None = None,
) -> Callable[..., M]:
    """The function that makes a model and gives it published weights, listed under its name.

    Args:
        name, doc: the function's.
        enum: the weights that there are.
        make: makes the model.
        fixed: arguments of `make` that can be no other.
        with_weights: sets the arguments that follow from the weights.
        load: loads them.
        finish: changes a model that has been given weights, as the caller's arguments say.
    """

    def build(*args: Any, **kwargs: Any) -> M:
        kwargs = by_keyword(args, kwargs, ("weights", "progress"))
        modernize(kwargs, name, enum)
        weights, progress = enum.verify(kwargs.pop("weights", None)), kwargs.pop("progress", True)
        settings = dict(kwargs)
        for key, value in (fixed or {}).items():
            fix(settings, key, value)
        if weights is None:
            return make(**settings)
        with_weights(settings, weights)
        model = make(**settings)
        load(model, weights, progress)
        if finish is not None:
            finish(model, kwargs)
        return model

    return dress(build, name, enum, doc)
