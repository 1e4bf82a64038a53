"""Layers that are nothing but their settings: annotated fields, from which `__init__` and `repr` follow."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

from ..module import Module

C = TypeVar("C", bound=type)


@dataclass_transform(eq_default=False)
def layer(cls: C) -> C:
    """Gives a class an `__init__` that takes its annotated fields in order, with their defaults."""
    return dataclass(eq=False, repr=False)(cls)  # type: ignore[return-value]


@layer
class Layer(Module):
    """Base of the classes made by `layer`. A module's own `__init__` runs once the fields are set."""

    _hidden: ClassVar[tuple[str, ...]] = ()  # settings that `repr` leaves out

    def __post_init__(self) -> None:
        super().__init__()

    def _settings(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in self._hidden}

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self._settings().items())
