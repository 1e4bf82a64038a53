"""Neural networks: modules, their parameters, and the functions that they call, as in `torch.nn`."""

from . import functional, init, modules, utils
from .modules import *  # noqa: F403 - all layers: the list stands there
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "modules",
    "utils",
    *modules.__all__,
]
