"""Small helpers that the layers share, under PyTorch's names where programs use them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...core.device import device as Device
from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from ...functions.creation import empty
from ..parameter import Parameter

Size = int | tuple[int, ...]
"""One number for all dimensions, or one for each."""

DeviceLike = Device | str | None


def _ntuple(n: int, name: str = "parse") -> Callable[[Any], tuple[Any, ...]]:
    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    parse.__name__ = name
    return parse


_single = _ntuple(1, "_single")
_pair = _ntuple(2, "_pair")
_triple = _ntuple(3, "_triple")
_quadruple = _ntuple(4, "_quadruple")


def per_dimension(what: str, name: str, value: Any, n: int) -> tuple[Any, ...]:
    """The setting `name` of the layer `what` as a tuple with one entry for each of `n` dimensions."""
    values = _ntuple(n)(value)
    if len(values) != n:
        raise ValueError(f"{what}: {name} must be one number or {n}, got {value!r}")
    return values


def _reverse_repeat_tuple(t: tuple[int, ...], n: int) -> tuple[int, ...]:
    """Each entry `n` times, from the last to the first: the order of `F.pad`."""
    return tuple(x for x in reversed(t) for _ in range(n))


def new_parameter(*shape: int, device: DeviceLike, dtype: DType | None) -> Parameter:
    """A parameter whose values are still to be set."""
    return Parameter(empty(*shape, device=device, dtype=dtype))


def consume_prefix_in_state_dict_if_present(state_dict: dict[str, Tensor], prefix: str) -> None:
    """Strips a prefix, as a wrapper around a model leaves it, from the names in a state dict, in place.

    Example:
        >>> from flambeau.nn.modules.utils import consume_prefix_in_state_dict_if_present
        >>> state = {"module.weight": 1}
        >>> consume_prefix_in_state_dict_if_present(state, "module.")
        >>> state
        {'weight': 1}
    """
    for key in list(state_dict):
        if key.startswith(prefix):
            state_dict[key.removeprefix(prefix)] = state_dict.pop(key)
    metadata: dict[str, Any] = getattr(state_dict, "_metadata", {})
    for key in list(metadata):
        if f"{key}.".startswith(prefix) and key:
            metadata[f"{key}.".removeprefix(prefix).removesuffix(".")] = metadata.pop(key)
