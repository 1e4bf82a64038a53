"""Blocks of mixed precision, and custom functions that take part in them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeVar

import numpy as np

from ..core import dtype as dt
from ..core.dtype import dtype
from ..core.tensor import Tensor
from ..ops.kinds import cast
from ..runtime.target import host
from . import state

F = TypeVar("F", bound=Callable[..., Any])
_SUPPORTED = (dt.bfloat16, dt.float16)


class autocast:
    """A block, or a decorator, in which operations are done in the precision that suits them.

    Products, convolutions and attention are done in `dtype`: their float32 tensors are cast on the way in,
    and results and everything computed from them have it. Losses, products of many numbers, spectra and
    factorisations are done in float32. All others take what they are given. Parameters stay in float32, and
    so do their gradients: casting is differentiated as well. The backward pass belongs outside of the block.

    On CPUs that multiply bfloat16 numbers this takes about half the time of float32; on others a warning says
    that it doesn't help. On a device that isn't there autocast warns, and does nothing.

    Args:
        device_type: "cpu", "cuda", ….
        dtype: bfloat16 or float16; None for what is set for the device (bfloat16 on the CPU).
        enabled: False for a block in which autocast is off.
        cache_enabled: accepted for PyTorch's sake; equal casts are merged anyway.

    Raises:
        ValueError: a `device_type` that is no string.
        RuntimeError: a type of device that isn't known or has no autocast.

    Example:
        >>> import flambeau as torch
        >>> a, b = torch.ones(2, 2), torch.ones(2, 2)
        >>> with torch.autocast("cpu", dtype=torch.bfloat16):
        ...     c = a @ b
        ...     with torch.autocast("cpu", enabled=False):
        ...         d = c.float() @ b
        >>> c.dtype, d.dtype
        (torch.bfloat16, torch.float32)
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if not state.is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        self.fast_dtype = state.get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = nested_cache() if cache_enabled is None else cache_enabled
        self._enabled = enabled and _usable(device_type, self.fast_dtype)
        self._before: list[tuple[bool, Any, bool]] = []

    def __enter__(self) -> Self:
        kind = self.device
        self._before.append((state.is_autocast_enabled(kind), state.get_autocast_dtype(kind), nested_cache()))
        state.autocast_increment_nesting()
        self._set(self._enabled, self.fast_dtype, self._cache_enabled)
        return self

    def __exit__(self, *exc: object) -> None:
        state.autocast_decrement_nesting()
        self._set(*self._before.pop())

    def _set(self, enabled: bool, d: dtype, cache: bool) -> None:
        state._set(self.device, enabled, d)
        state.set_autocast_cache_enabled(cache)

    def __call__(self, func: F) -> F:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. Did you mean to use "
                "autocast as a context manager? For example: `with torch.autocast(device_type=...):`"
            )

        @functools.wraps(func)
        def casting(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return casting  # type: ignore[return-value]


def nested_cache() -> bool:
    """The setting of the block around."""
    return state.nesting.cache


def _usable(device_type: str, d: dtype) -> bool:
    """Whether autocast can be on; warns if not."""
    if device_type == "cuda":
        why = "CUDA is not available or torch_xla is imported. Disabling autocast."
    elif d not in _SUPPORTED:
        name = device_type.upper()
        why = (
            f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n"
            f"{name} Autocast only supports dtypes of torch.bfloat16, torch.float16 currently."
        )
    else:
        if device_type == "cpu":
            _explain_once(d)
        return True
    warnings.warn(why, stacklevel=3)
    return False


@functools.cache
def _explain_once(d: dtype) -> None:
    """Warns if the CPU doesn't compute in this dtype."""
    if d is dt.bfloat16 and host().has("avx512bf16"):
        return
    lacks = "this CPU has no instructions for bfloat16 (avx512bf16)" if d is dt.bfloat16 else "CPUs have none"
    warnings.warn(
        f"autocast to {d.name} won't make this program faster: numbers are stored in 16 bits but multiplied "
        f"in float32, as {lacks}. Results are what they would be elsewhere.",
        stacklevel=4,
    )


# ----- custom functions -----


def _cast(value: Any, device_type: str, d: dtype) -> Any:
    """The value with its tensors on this device, in containers too, in another dtype."""
    if isinstance(value, Tensor):
        kind = value._node.dtype
        eligible = kind.category == dt.FLOAT and kind is not dt.float64 and value.device.type == device_type
        return cast(value, d) if eligible and kind is not d else value
    if isinstance(value, (str, bytes, np.ndarray)):
        return value
    if isinstance(value, Mapping):
        return {_cast(k, device_type, d): _cast(v, device_type, d) for k, v in value.items()}
    if isinstance(value, Iterable):
        items = (_cast(v, device_type, d) for v in value)
        return type(value)(items) if isinstance(value, (list, tuple)) else items
    return value


def _check_device_type(device_type: object) -> None:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")


def custom_fwd(fwd: Any = None, *, device_type: str, cast_inputs: dtype | None = None) -> Any:
    """Decorates `forward` of a `torch.autograd.Function` that is used under autocast.

    With `cast_inputs`, where autocast is on, floating tensors among the arguments are cast to that dtype, and
    `forward` runs with autocast off. Without, it runs in the state that it is called in. `custom_bwd` gives
    `backward` the same state.

    >>> import flambeau as torch
    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    ...     def forward(ctx, x):
    ...         return 2 * x
    ...     @staticmethod
    ...     @torch.amp.custom_bwd(device_type="cpu")
    ...     def backward(ctx, g):
    ...         return 2 * g
    >>> with torch.autocast("cpu"):
    ...     Double.apply(torch.ones(1, dtype=torch.bfloat16)).dtype
    torch.float32
    """
    _check_device_type(device_type)
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(*args: Any, **kwargs: Any) -> Any:
        ctx, enabled = args[0], state.is_autocast_enabled(device_type)
        ctx._dtype = state.get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = enabled and cast_inputs is None
        if cast_inputs is None or not enabled:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, device_type, cast_inputs), **_cast(kwargs, device_type, cast_inputs))

    return forward


def custom_bwd(bwd: Any = None, *, device_type: str) -> Any:
    """Decorates `backward` of a `torch.autograd.Function` whose `forward` has `custom_fwd`: it runs in the
    same state of autocast.

    >>> import flambeau as torch
    >>> torch.amp.custom_bwd(lambda ctx, g: g, device_type="cpu").__name__
    '<lambda>'
    """
    _check_device_type(device_type)
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(*args: Any, **kwargs: Any) -> Any:
        ctx = args[0]
        with autocast(device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(*args, **kwargs)

    return backward
