"""Mixed precision on the CPU under its older names; see `torch.amp`."""

from __future__ import annotations

import warnings

from ..amp import autocast_mode, grad_scaler
from ..core import dtype as dt

__all__ = ["GradScaler", "autocast"]


class autocast(autocast_mode.autocast):
    """`torch.amp.autocast("cpu", …)`. Deprecated.

    >>> import flambeau as torch
    >>> issubclass(torch.cpu.amp.autocast, torch.autocast)
    True
    """

    def __init__(
        self, enabled: bool = True, dtype: dt.dtype = dt.bfloat16, cache_enabled: bool = True
    ) -> None:
        warnings.warn(
            "`torch.cpu.amp.autocast(args...)` is deprecated. Please use "
            "`torch.amp.autocast('cpu', args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cpu", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(grad_scaler.GradScaler):
    """`torch.amp.GradScaler("cpu", …)`. Deprecated.

    >>> import flambeau as torch
    >>> issubclass(torch.cpu.amp.GradScaler, torch.amp.GradScaler)
    True
    """

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        warnings.warn(
            "`torch.cpu.amp.GradScaler(args...)` is deprecated. Please use `torch.amp.GradScaler('cpu', "
            "args...)` instead.",
            FutureWarning,
            stacklevel=2,
        )
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
