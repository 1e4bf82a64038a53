"""Devices: where a tensor's data lives."""

from __future__ import annotations

KINDS = ("cpu", "cuda", "meta")
AVAILABLE = ("cpu",)


class device:
    """Names a device: `device("cpu")`, `device("cpu", 0)`, `device("cuda:1")`.

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


cpu = device("cpu")


def resolve(where: device | str | None) -> device:
    """The device to make a tensor on; RuntimeError for one that this machine or version can't serve."""
    if where is None or where == "cpu" or where is cpu:
        return cpu
    if not isinstance(where, (device, str)):
        raise TypeError(
            f"device: expected a torch.device or a string such as 'cpu', got {type(where).__name__}"
        )
    d = device(where)
    if d.type not in AVAILABLE:
        raise RuntimeError(f"device: '{d}' is not available here; the available device is 'cpu'")
    return cpu
