"""The order of the elements of convolution weights in memory."""

from __future__ import annotations

from typing import Any, TypeVar

from ..module import Module
from ..modules.conv import _ConvNd

M = TypeVar("M", bound=Module)


def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lays the weights of two-dimensional convolutions out in a memory format, in place.

    Args:
        module: a module that is or holds convolutions.
        memory_format: `torch.channels_last` or `torch.contiguous_format`.

    Returns:
        The module.

    Example:
        >>> import flambeau as torch
        >>> net = torch.nn.Conv2d(2, 3, 2)
        >>> net = torch.nn.utils.convert_conv2d_weight_memory_format(net, torch.channels_last)
        >>> net.weight.shape
        torch.Size([3, 2, 2, 2])
    """
    return _convert(module, memory_format, 4)


def convert_conv3d_weight_memory_format(module: M, memory_format: Any) -> M:
    """As `convert_conv2d_weight_memory_format`, for three-dimensional convolutions.

    Example:
        >>> import flambeau as torch
        >>> net = torch.nn.Conv3d(2, 3, 1)
        >>> net = torch.nn.utils.convert_conv3d_weight_memory_format(net, torch.contiguous_format)
    """
    return _convert(module, memory_format, 5)


def _convert(module: M, memory_format: Any, rank: int) -> M:
    for part in module.modules():
        if isinstance(part, _ConvNd) and part.weight.ndim == rank:
            part.weight.data = part.weight.detach().clone().contiguous(memory_format=memory_format)
    return module
