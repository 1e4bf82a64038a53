"""The room of a kind of device."""

from __future__ import annotations

from types import ModuleType

from . import cpu, cuda, mps, xpu
from .core.device import device as Device
from .core.device import get_default_device

_ROOMS: dict[str, ModuleType] = {"cpu": cpu, "cuda": cuda, "mps": mps, "xpu": xpu}


def get_device_module(device: Device | str | None = None) -> ModuleType:
    """The module of a kind of device: `torch.cpu` or `torch.cuda`, say. RuntimeError for one without
    a module.

    >>> import flambeau as torch
    >>> torch.get_device_module("cpu").__name__
    'flambeau.cpu'
    """
    kind = get_default_device().type if device is None else Device(device).type
    if kind not in _ROOMS:
        raise RuntimeError(f"get_device_module: no module for '{kind}'; there are {', '.join(_ROOMS)}")
    return _ROOMS[kind]
