"""A module's batches shared among devices, of which there is one: it is just called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..module import Module


class DataParallel(Module):
    """A wrapper that would share each batch among devices; with the CPU alone, it calls the module.

    Args:
        module: what to call.
        device_ids, output_device, dim: kept, and without effect.

    Attributes:
        module: the module; names in the state dict begin with `module.`.

    Example:
        >>> import flambeau as torch
        >>> net = torch.nn.DataParallel(torch.nn.Linear(2, 3))
        >>> net(torch.ones(4, 2)).shape, list(net.state_dict())
        (torch.Size([4, 3]), ['module.weight', 'module.bias'])
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """A call of a module, as `DataParallel` does it.

    Args:
        module: what to call.
        inputs: its arguments; a single one need not be in a tuple.
        device_ids, output_device, dim: without effect.
        module_kwargs: arguments by name.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.parallel.data_parallel(torch.nn.Identity(), torch.ones(1))
        tensor([1.])
    """
    args = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*args, **(module_kwargs or {}))
