"""Devices: where a tensor's data lives."""

from __future__ import annotations

from types import TracebackType
from typing import Any, NoReturn

KINDS = (
    "cpu", "cuda", "ipu", "xpu", "mkldnn", "opengl", "opencl", "ideep", "hip", "ve", "fpga", "maia", "xla",
    "lazy", "vulkan", "mps", "meta", "hpu", "mtia", "privateuseone",
)  # fmt: skip
AVAILABLE = ("cpu", "meta")


class NoDevice(AssertionError, RuntimeError):
    """What was asked for needs a device that is not there: PyTorch's classes of that error."""


class device:
    """Names a device: `device("cpu")`, `device("cpu", 0)`, `device("cuda:1")`.

    In a `with` statement, the device on which tensors are made in the block unless they say otherwise.

    Errors: RuntimeError for a name that is no device.

    >>> import flambeau as torch
    >>> torch.device("cpu"), torch.device("cuda:1").index
    (device(type='cpu'), 1)
    """

    __slots__ = ("index", "type")
    type: str
    index: int | None

    def __init__(self, type: str | device, index: int | None = None) -> None:
        if isinstance(type, device):
            index, type = type.index, type.type
        elif isinstance(type, int):
            raise NoDevice(
                f"device: a number ({type}) names an accelerator, and there is none; write device('cpu')"
            )
        elif not isinstance(type, str):
            raise TypeError(f"device: expected a name such as 'cpu', got {type!r}")
        elif ":" in type:
            type, _, number = type.partition(":")
            if index is not None or not number.isdigit():
                raise RuntimeError(
                    f"device: invalid device string '{type}:{number}'; write 'cpu', 'cuda' or 'cuda:0'"
                )
            index = int(number)
        if type not in KINDS:
            raise RuntimeError(f"device: expected one of {', '.join(KINDS)} device type, got '{type}'")
        self.type, self.index = type, index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (")" if self.index is None else f", index={self.index})")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __reduce__(self) -> tuple[object, ...]:
        return device, (self.type, self.index)

    def __enter__(self) -> device:
        _defaults.append(self)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        _defaults.pop()


cpu, meta = device("cpu"), device("meta")
_defaults = [cpu]  # the last one is where tensors are made


def resolve(where: device | str | None) -> device:
    """The device to make a tensor on; NoDevice for one that this machine or version can't serve."""
    if where is None:
        where = _defaults[-1]
    if where is cpu or where == "cpu":
        return cpu
    if not isinstance(where, (device, str)):
        raise TypeError(
            f"device: expected a torch.device or a string such as 'cpu', got {type(where).__name__}"
        )
    d = device(where)
    if d.type not in AVAILABLE:
        raise NoDevice(f"device: '{d}' is not available here; the available device is 'cpu'")
    return cpu if d.type == "cpu" else meta


def get_default_device() -> device:
    """The device on which tensors are made unless they say otherwise.

    >>> import flambeau as torch
    >>> torch.get_default_device()
    device(type='cpu')
    """
    return _defaults[-1]


def set_default_device(device: device | str | None, /) -> None:
    """Sets the device on which tensors are made unless they say otherwise (None: the CPU).

    As in PyTorch, a device that is not there is an error when a tensor is made on it.

    >>> import flambeau as torch
    >>> torch.set_default_device("cpu"); torch.zeros(1).device
    device(type='cpu')
    """
    _defaults[0] = cpu if device is None else _named(device)


_named = device


def missing(room: str, names: dict[str, str]) -> dict[str, Any]:
    """Functions of a device that is not there: by name, each with its purpose, and NoDevice when called."""
    return {name: _missing(room, name, purpose) for name, purpose in names.items()}


def _missing(room: str, name: str, purpose: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise no_device(f"torch.{room}.{name}", room)

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__module__ = f"flambeau.{room}"
    refuse.__doc__ = f"{purpose} NoDevice, which is an AssertionError and a RuntimeError: there is no device."
    return refuse


def no_device(what: str, room: str) -> NoDevice:
    """The error of asking a device that is not there."""
    return NoDevice(
        f"{what}: there is no {room} device; ask torch.{room}.is_available() first, and stay on 'cpu' "
        f"otherwise"
    )
