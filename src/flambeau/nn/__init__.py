"""Neural networks: modules, their parameters, and the functions that they call, as in `torch.nn`."""

from . import attention, common_types, functional, grad, init, modules, parallel, utils
from .factory import factory_kwargs
from .modules import *  # noqa: F403 - all layers: the list stands there
from .parallel import DataParallel
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "DataParallel",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "attention",
    "common_types",
    "factory_kwargs",
    "functional",
    "grad",
    "init",
    "modules",
    "parallel",
    "utils",
    *modules.__all__,
]
