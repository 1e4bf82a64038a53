"""Neural networks: modules and their parameters, as in `torch.nn`."""

from . import modules
from .containers import ModuleDict, ModuleList, Sequential
from .module import Module
from .parameter import Buffer, Parameter
from .parameter_containers import ParameterDict, ParameterList

__all__ = [
    "Buffer",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "Sequential",
    "modules",
]
