"""Models by name, and the weights that were published for them."""

from __future__ import annotations

import fnmatch
import inspect
import os
import sys
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any, TypeVar, get_args

from ... import hub, nn
from ...utils.naming import unknown_name

__all__ = [
    "Weights",
    "WeightsEnum",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
    "register_model",
]

Builder = Callable[..., nn.Module]
B = TypeVar("B", bound=Builder)

BUILTIN_MODELS: dict[str, Builder] = {}


@dataclass
class Weights:
    """A file of trained weights and what one has to know to use it.

    Args:
        url: where it is.
        transforms: makes the transform that images go through before such a model sees them.
        meta: facts: "categories", "num_params", "min_size" and others.

    >>> import flambeau as torch
    >>> weights = torch.vision.models.ResNet18_Weights.DEFAULT.value
    >>> weights.meta["num_params"], weights.meta["categories"][1]
    (11689512, 'goldfish')
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]


class WeightsEnum(Enum):
    """The weights that there are for one model. Each member's value is a `Weights`, whose fields are
    attributes of the member, too.

    >>> import flambeau as torch
    >>> torch.vision.models.ResNet50_Weights.verify("DEFAULT")
    ResNet50_Weights.IMAGENET1K_V2
    """

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """A member, by itself or by its name; None stays None.

        Raises:
            KeyError: there is no member of that name.
            TypeError: something else, such as weights of another model.

        >>> import flambeau as torch
        >>> torch.vision.models.AlexNet_Weights.verify("AlexNet_Weights.IMAGENET1K_V1").meta["min_size"]
        (63, 63)
        """
        if isinstance(obj, str):
            return cls.named(obj.replace(f"{cls.__name__}.", ""))
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received {type(obj).__name__}."
            )
        return obj

    @classmethod
    def named(cls, name: str) -> WeightsEnum:
        """The member of that name; KeyError, with the names there are, if there is none."""
        if name not in cls.__members__:
            raise unknown_name("weights", f"member of {cls.__name__}", name, cls.__members__)
        return cls[name]

    def get_state_dict(self, *args: Any, **kwargs: Any) -> Mapping[str, Any]:
        """The weights themselves, downloaded unless they are there already. Arguments are those of
        `hub.load_state_dict_from_url`.

        Raises:
            OSError: they can't be downloaded; the message says where to put the file.
            RuntimeError: the file is not the one that was published.

        >>> import flambeau as torch
        >>> torch.vision.models.AlexNet_Weights.DEFAULT.get_state_dict()  # doctest: +SKIP
        """
        try:
            return hub.load_state_dict_from_url(self.url, *args, **kwargs)
        except OSError as error:
            file = os.path.basename(urllib.parse.urlparse(self.url).path)
            place = os.path.join(hub.get_dir(), "checkpoints", file)
            raise OSError(f"{self!r}: can't get {self.url} ({error}); put the file at {place}") from error

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return getattr, (type(self), self.name)

    @property
    def url(self) -> str:
        """Where the file is.

        >>> import flambeau as torch
        >>> torch.vision.models.AlexNet_Weights.DEFAULT.url
        'https://download.pytorch.org/models/alexnet-owt-7be5be79.pth'
        """
        url: str = self.value.url
        return url

    @property
    def transforms(self) -> Callable[..., Any]:
        """Makes the transform for the model's images.

        >>> import flambeau as torch
        >>> torch.vision.models.AlexNet_Weights.DEFAULT.transforms().crop_size
        [224]
        """
        transforms: Callable[..., Any] = self.value.transforms
        return transforms

    @property
    def meta(self) -> dict[str, Any]:
        """Facts about the weights.

        >>> import flambeau as torch
        >>> torch.vision.models.AlexNet_Weights.DEFAULT.meta["num_params"]
        61100840
        """
        meta: dict[str, Any] = self.value.meta
        return meta


def register_model(name: str | None = None) -> Callable[[B], B]:
    """A decorator that lists a function as the builder of a model, under its own name or another.

    Raises:
        ValueError: the name is taken.

    >>> import flambeau as torch
    >>> from flambeau.vision.models import _api
    >>> @_api.register_model("smallest")
    ... def build(): return torch.nn.Identity()
    >>> _api.get_model("smallest"), _api.BUILTIN_MODELS.pop("smallest") is build
    (Identity(), True)
    """

    def register(build: B) -> B:
        key = build.__name__ if name is None else name
        if key in BUILTIN_MODELS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        BUILTIN_MODELS[key] = build
        return build

    return register


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of models, sorted.

    Args:
        module: only those of this package, such as `models.segmentation`.
        include: patterns; only names that match one of them.
        exclude: patterns; no names that match one of them.

    >>> import flambeau as torch
    >>> torch.vision.models.list_models(include="resnet*", exclude=["*1*"])
    ['resnet34', 'resnet50']
    """
    names = [
        name
        for name, build in BUILTIN_MODELS.items()
        if module is None or build.__module__.rpartition(".")[0] == module.__name__
    ]
    if include:
        names = [name for name in names if _matches(name, include)]
    if exclude:
        names = [name for name in names if not _matches(name, exclude)]
    return sorted(names)


def _matches(name: str, patterns: Iterable[str] | str) -> bool:
    return any(fnmatch.fnmatch(name, p) for p in ([patterns] if isinstance(patterns, str) else patterns))


def get_model_builder(name: str) -> Builder:
    """The function that makes the model of that name.

    Raises:
        ValueError: there is no such model.

    >>> import flambeau as torch
    >>> torch.vision.models.get_model_builder("resnet18") is torch.vision.models.resnet18
    True
    """
    build = BUILTIN_MODELS.get(name.lower())
    if build is None:
        raise ValueError(f"Unknown model {name.lower()}")
    return build


def get_model(name: str, **config: Any) -> nn.Module:
    """The model of that name, made with these arguments.

    Raises:
        ValueError: there is no such model.

    >>> import flambeau as torch
    >>> torch.vision.models.get_model("squeezenet1_1", num_classes=7).classifier[1].out_channels
    7
    """
    return get_model_builder(name)(**config)


def get_model_weights(name: Builder | str) -> type[WeightsEnum]:
    """The enum of the weights that there are for a model: its builder's annotation of `weights`.

    Args:
        name: the model's name, or its builder.

    Raises:
        ValueError: there is no such model, or none are known.

    >>> import flambeau as torch
    >>> torch.vision.models.get_model_weights("resnet50")
    <enum 'ResNet50_Weights'>
    """
    build = get_model_builder(name) if isinstance(name, str) else name
    parameter = inspect.signature(build, eval_str=True).parameters.get("weights")
    if parameter is None:
        raise ValueError("The method is missing the 'weights' argument.")
    for said in (parameter.annotation, *get_args(parameter.annotation)):
        if isinstance(said, type) and issubclass(said, WeightsEnum):
            return said
    raise ValueError(
        "The WeightsEnum class for the specific method couldn't be retrieved. "
        "Make sure the typing info is correct."
    )


def get_weight(name: str) -> WeightsEnum:
    """Weights by their full name.

    Raises:
        ValueError: the name has no dot in the middle, or there is no such enum.
        KeyError: the enum has no such member.

    >>> import flambeau as torch
    >>> torch.vision.models.get_weight("ResNet50_Weights.IMAGENET1K_V1")
    ResNet50_Weights.IMAGENET1K_V1
    """
    enum_name, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    package = sys.modules[__package__]
    for place in (package, package.segmentation):
        enum = getattr(place, enum_name, None)
        if isinstance(enum, type) and issubclass(enum, WeightsEnum):
            return enum.named(member)
    raise ValueError(f"The weight enum '{enum_name}' for the specific method couldn't be retrieved.")
