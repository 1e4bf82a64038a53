"""PyTorch's path to the modules: `nn.modules.module.Module`, `nn.modules.container.Sequential`."""

from ..containers import ModuleDict, ModuleList, Sequential
from ..module import Module
from ..parameter_containers import ParameterDict, ParameterList
from . import container, module

__all__ = [
    "Module",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
    "container",
    "module",
]
