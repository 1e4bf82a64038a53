"""Modules on several devices, as in `torch.nn.parallel`: with one device, wrappers that call the module."""

from .data_parallel import DataParallel, data_parallel

__all__ = ["DataParallel", "data_parallel"]
