"""The old place of `torch.func.functional_call`."""

from __future__ import annotations

from typing import Any

from ...core.tensor import Tensor
from ...core.warning import warn
from .. import stateless
from ..module import Module


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """`torch.func.functional_call`; warns.

    Example:
        >>> import warnings
        >>> import flambeau as torch
        >>> layer, x = torch.nn.Linear(2, 1, bias=False), torch.tensor([1.0, 2.0])
        >>> with warnings.catch_warnings(action="ignore"):
        ...     torch.nn.utils.stateless.functional_call(layer, {"weight": torch.ones(1, 2)}, x)
        tensor([3.])
    """
    warn(
        "functional_call: `torch.nn.utils.stateless.functional_call` is deprecated; use "
        "`torch.func.functional_call` instead.",
        FutureWarning,
    )
    return stateless.functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
