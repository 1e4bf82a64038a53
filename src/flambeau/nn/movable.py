"""Conversion of modules: dtype, device and memory format of all parameters and buffers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from ..autograd.grad_mode import no_grad
from ..core.device import device as Device
from ..core.device import resolve
from ..core.dtype import dtype as DType
from ..core.tensor import Tensor
from ..functions.creation import empty_like

if TYPE_CHECKING:
    from .parameter import Parameter


class Movable:
    """The part of `Module` that converts its tensors. The module is changed in place and returned."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replaces the data of each parameter, its gradient and each buffer by what `fn` makes of it."""
        if recurse:
            for module in self.children():  # type: ignore[attr-defined]
                module._apply(fn)
        for param in self._parameters.values():
            if param is not None:
                with no_grad():
                    param.data = fn(param)
                    if param.grad is not None:
                        param.grad.data = fn(param.grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves or converts parameters and buffers; only floating-point and complex ones change their dtype.

        The forms are `to(device)`, `to(dtype)`, `to(device, dtype)` and `to(tensor)`.

        Args:
            device: where the tensors go.
            dtype: a floating-point or complex dtype.
            tensor: take device and dtype from this tensor.
            non_blocking: passed on to `Tensor.to`.
            memory_format: for tensors of 4 and 5 dimensions; by keyword only.

        Raises:
            TypeError: the dtype is neither floating point nor complex, or an argument is of another kind.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).to(torch.float64).weight.dtype
            torch.float64
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(f"Module.to: only accepts floating-point or complex dtypes, got {dtype}")

        def convert(t: Tensor) -> Tensor:
            target = dtype if t.is_floating_point() or t.is_complex() else None
            if t.is_meta and device is not None and resolve(device).type != "meta":
                raise NotImplementedError(
                    "Module.to: Cannot copy out of meta tensor; no data! Please use "
                    "torch.nn.Module.to_empty() "
                    "instead of torch.nn.Module.to() when moving module from meta to a different device."
                )
            if memory_format is not None and t.ndim in (4, 5):
                return t.to(device, target, non_blocking, memory_format=memory_format)
            return t.to(device, target, non_blocking)

        return self._apply(convert)

    def share_memory(self) -> Self:
        """Moves parameters and buffers to memory that other processes see; see `Tensor.share_memory_`.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).share_memory()
            Linear(in_features=2, out_features=1, bias=True)
        """
        return self._apply(lambda t: t.share_memory_())

    def to_empty(self, *, device: Device | str | None, recurse: bool = True) -> Self:
        """Puts parameters and buffers on a device without their values, which are undefined afterwards.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).to_empty(device="cpu").weight.shape
            torch.Size([1, 2])
        """
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def cpu(self) -> Self:
        """Moves parameters and buffers to the CPU.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).cpu().weight.device
            device(type='cpu')
        """
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Device | int | None = None) -> Self:
        """Moves parameters and buffers, if there are any, to a CUDA device; RuntimeError where there is none.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Module().cuda()
            Module()
        """
        return self._apply(lambda t: t.cuda(device))

    def type(self, dst_type: DType | str) -> Self:
        """Converts all parameters and buffers, integer ones too, to a dtype.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).type(torch.float64).bias.dtype
            torch.float64
        """
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Converts floating-point parameters and buffers to float32.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).double().float().weight.dtype
            torch.float32
        """
        return self._cast("float")

    def double(self) -> Self:
        """Converts floating-point parameters and buffers to float64.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).double().weight.dtype
            torch.float64
        """
        return self._cast("double")

    def half(self) -> Self:
        """Converts floating-point parameters and buffers to float16.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).half().weight.dtype
            torch.float16
        """
        return self._cast("half")

    def bfloat16(self) -> Self:
        """Converts floating-point parameters and buffers to bfloat16.

        Example:
            >>> import flambeau as torch
            >>> torch.nn.Linear(2, 1).bfloat16().weight.dtype
            torch.bfloat16
        """
        return self._cast("bfloat16")

    def _cast(self, method: str) -> Self:
        return self._apply(lambda t: getattr(t, method)() if t.is_floating_point() else t)


def _parse_to(*args: Any, **kwargs: Any) -> tuple[Any, DType | None, bool, Any]:
    """Device, dtype, non_blocking and memory format from the arguments of any form of `Module.to`."""
    memory_format = kwargs.pop("memory_format", None)
    first = args[0] if args else None
    if isinstance(first, Tensor) or "tensor" in kwargs:
        names: tuple[str, ...] = ("tensor", "non_blocking")
    elif isinstance(first, DType):
        names = ("dtype", "non_blocking")
    else:
        names = ("device", "dtype", "non_blocking")
    given = dict(zip(names, args, strict=False))
    wrong = [name for name in kwargs if name in given or name not in names]
    if len(args) > len(names) or wrong:
        raise TypeError(
            f"Module.to: got {len(args)} positional arguments and {sorted(kwargs)}; write to(device), "
            "to(dtype), to(device, dtype) or to(tensor), each with non_blocking and memory_format"
        )
    given.update(kwargs)
    tensor = given.get("tensor")
    device, dtype = (
        (tensor.device, tensor.dtype) if tensor is not None else (given.get("device"), given.get("dtype"))
    )
    if dtype is not None and not isinstance(dtype, DType):
        raise TypeError(f"Module.to: dtype must be a torch.dtype, got {dtype!r} ({type(dtype).__name__})")
    return device, dtype, given.get("non_blocking", False), memory_format
