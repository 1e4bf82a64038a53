"""Convolutions and their transposes, in one to three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from ...core.dtype import dtype as DType
from ...core.tensor import Tensor
from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from .linear import reset_affine
from .utils import DeviceLike, Size, _reverse_repeat_tuple, new_parameter, per_dimension

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: their settings as tuples, weight and bias."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...] | str
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: tuple[int, ...] | str,
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        self._reversed_padding_repeated_twice = self._pad_widths()
        ends = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        self.weight = new_parameter(ends[0], ends[1] // groups, *kernel_size, device=device, dtype=dtype)
        self.register_parameter(
            "bias", new_parameter(out_channels, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def _check(self) -> None:
        if self.groups <= 0:
            raise ValueError(f"groups must be a positive integer, got {self.groups}")
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(
                    f"{name} must be divisible by groups, {getattr(self, name)} isn't by {self.groups}"
                )
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"Invalid padding string {self.padding!r}, should be one of 'same', 'valid'")
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError(
                    f"padding='same' is not supported for strided convolutions, the stride is {self.stride}"
                )
        if self.padding_mode not in PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {PADDING_MODES}, but got padding_mode={self.padding_mode!r}"
            )

    def _pad_widths(self) -> tuple[int, ...]:
        """How much `F.pad` would have to add: before and after each dimension, the last dimension first."""
        if not isinstance(self.padding, str):
            return _reverse_repeat_tuple(self.padding, 2)
        if self.padding == "valid":
            return (0, 0) * len(self.kernel_size)
        totals = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
        return tuple(width for total in reversed(totals) for width in (total // 2, total - total // 2))

    def reset_parameters(self) -> None:
        """Draws the parameters anew."""
        reset_affine(self.weight, self.bias)

    def extra_repr(self) -> str:
        zeros, ones = (0,) * len(self.kernel_size), (1,) * len(self.kernel_size)
        usual = {"padding": zeros, "dilation": ones, "output_padding": zeros, "groups": 1}
        texts = [
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        ]
        texts += [f"{name}={getattr(self, name)}" for name in usual if getattr(self, name) != usual[name]]
        if self.bias is None:
            texts.append("bias=False")
        if self.padding_mode != "zeros":
            texts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(texts)


class _Convolution(_ConvNd):
    """A convolution over `_dims` dimensions by the functional `_function`."""

    _dims: ClassVar[int]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        what, n = type(self).__name__, self._dims
        super().__init__(
            in_channels,
            out_channels,
            per_dimension(what, "kernel_size", kernel_size, n),
            per_dimension(what, "stride", stride, n),
            padding if isinstance(padding, str) else per_dimension(what, "padding", padding, n),
            per_dimension(what, "dilation", dilation, n),
            False,
            (0,) * n,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: tuple[int, ...] | str = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._dims
        return self._function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Convolution):
    """A convolution (cross-correlation) over one dimension.

    out[n, c] = bias[c] + Σₖ weight[c, k] ⋆ in[n, k], where k runs over the channels of c's group.

    Args:
        in_channels, out_channels: numbers of channels, divisible by `groups`.
        kernel_size: extent of the window.
        stride: step of the window.
        padding: what is added on both sides; `"same"` keeps the extent (stride 1 only), `"valid"` adds none.
        dilation: step between the window's elements.
        groups: each of that many groups of outputs sees its own group of inputs only.
        bias: whether to add a learned bias to each output channel.
        padding_mode: what the padding consists of: `zeros`, `reflect`, `replicate` or `circular`.
        device, dtype: of the parameters.

    Shape:
        (N, in_channels, L) or (in_channels, L) → (N, out_channels, L') or (out_channels, L') with
        L' = ⌊(L + 2 padding - dilation (kernel_size - 1) - 1) / stride⌋ + 1

    Attributes:
        weight: (out_channels, in_channels / groups, kernel_size), at first uniform in ±1/√fan_in, where
            fan_in = in_channels · kernel_size / groups.
        bias: (out_channels), at first the same; None without.

    Raises:
        ValueError: channels that `groups` does not divide, an unknown padding or padding mode, a setting
            with another number of entries than there are dimensions.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Conv1d(16, 33, 3, stride=2)(torch.randn(20, 16, 50)).shape
        torch.Size([20, 33, 24])
    """

    _dims = 1
    _function = staticmethod(F.conv1d)


class Conv2d(_Convolution):
    """A convolution (cross-correlation) over two dimensions.

    The arguments are those of `Conv1d`; `kernel_size`, `stride`, `padding` and `dilation` are one number for
    both dimensions, or a pair (height, width).

    Shape:
        (N, in_channels, H, W) or (in_channels, H, W) → (N, out_channels, H', W') or (out_channels, H', W')

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size), at first uniform in ±1/√fan_in.
        bias: (out_channels), at first the same; None without.

    Raises:
        ValueError: as `Conv1d`.

    Example:
        >>> import flambeau as torch
        >>> m = torch.nn.Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2), dilation=(3, 1))
        >>> m(torch.randn(2, 16, 50, 100)).shape
        torch.Size([2, 33, 26, 100])
    """

    _dims = 2
    _function = staticmethod(F.conv2d)


class Conv3d(_Convolution):
    """A convolution (cross-correlation) over three dimensions.

    The arguments are those of `Conv1d`; `kernel_size`, `stride`, `padding` and `dilation` are one number for
    all dimensions, or a triple (depth, height, width).

    Shape:
        (N, in_channels, D, H, W) or (in_channels, D, H, W) → the same with out_channels and D', H', W'

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size), at first uniform in ±1/√fan_in.
        bias: (out_channels), at first the same; None without.

    Raises:
        ValueError: as `Conv1d`.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.Conv3d(2, 3, 3, padding=1)(torch.randn(1, 2, 4, 5, 6)).shape
        torch.Size([1, 3, 4, 5, 6])
    """

    _dims = 3
    _function = staticmethod(F.conv3d)


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution over `_dims` dimensions by the functional `_function`."""

    padding: tuple[int, ...]

    _dims: ClassVar[int]
    _function: ClassVar[Callable[..., Tensor]]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: DeviceLike = None,
        dtype: DType | None = None,
    ) -> None:
        what, n = type(self).__name__, self._dims
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {what}, got {padding_mode!r}')
        super().__init__(
            in_channels,
            out_channels,
            per_dimension(what, "kernel_size", kernel_size, n),
            per_dimension(what, "stride", stride, n),
            per_dimension(what, "padding", padding, n),
            per_dimension(what, "dilation", dilation, n),
            True,
            per_dimension(what, "output_padding", output_padding, n),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        output_padding = self.output_padding if output_size is None else self._padding_to(input, output_size)
        return self._function(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )

    def _padding_to(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output padding that makes the output `output_size`, which may include batch and channels."""
        what, n = type(self).__name__, self._dims
        size = tuple(output_size)
        if len(size) == input.ndim:
            size = size[input.ndim - n :]
        if len(size) != n:
            raise ValueError(
                f"{what}: for {input.ndim}D input, output_size must have {n} or {input.ndim} elements "
                f"(got {len(size)})"
            )
        extents, settings = input.shape[-n:], (self.kernel_size, self.stride, self.padding, self.dilation)
        smallest = tuple(
            (e - 1) * s - 2 * p + d * (k - 1) + 1 for e, k, s, p, d in zip(extents, *settings, strict=True)
        )
        largest = tuple(low + s - 1 for low, s in zip(smallest, self.stride, strict=True))
        if not all(low <= x <= high for x, low, high in zip(size, smallest, largest, strict=True)):
            raise ValueError(
                f"{what}: requested an output size of {size}, but valid sizes range from {smallest} to "
                f"{largest} (for an input of {tuple(extents)})"
            )
        return tuple(x - low for x, low in zip(size, smallest, strict=True))


class ConvTranspose1d(_ConvTransposeNd):
    """A transposed convolution over one dimension: the gradient of `Conv1d` towards its input.

    Args:
        in_channels, out_channels: numbers of channels, divisible by `groups`.
        kernel_size: extent of the window.
        stride: how far apart the input's elements are put in the output.
        padding: how much of the full output is cut off on both sides.
        output_padding: how much is added at the end of the output.
        groups: each of that many groups of outputs sees its own group of inputs only.
        bias: whether to add a learned bias to each output channel.
        dilation: step between the window's elements.
        padding_mode: `zeros`.
        device, dtype: of the parameters.

    The call takes an `output_size` in place of `output_padding`, where several outputs have the same input.

    Shape:
        (N, in_channels, L) or (in_channels, L) → (N, out_channels, L') or (out_channels, L') with
        L' = (L - 1) stride - 2 padding + dilation (kernel_size - 1) + output_padding + 1

    Attributes:
        weight: (in_channels, out_channels / groups, kernel_size), at first uniform in ±1/√fan_in, where
            fan_in = out_channels · kernel_size / groups.
        bias: (out_channels), at first the same; None without.

    Raises:
        ValueError: channels that `groups` does not divide, another padding mode, a setting with another
            number of entries than there are dimensions, an `output_size` out of reach.

    Example:
        >>> import flambeau as torch
        >>> m = torch.nn.ConvTranspose1d(16, 33, 3, stride=2)
        >>> m(torch.randn(20, 16, 50)).shape, m(torch.randn(20, 16, 50), output_size=[102]).shape
        (torch.Size([20, 33, 101]), torch.Size([20, 33, 102]))
    """

    _dims = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """A transposed convolution over two dimensions: the gradient of `Conv2d` towards its input.

    The arguments and errors are those of `ConvTranspose1d`, sizes being one number or a pair.

    Shape:
        (N, in_channels, H, W) or (in_channels, H, W) → (N, out_channels, H', W') or (out_channels, H', W')

    Attributes:
        weight: (in_channels, out_channels / groups, *kernel_size), at first uniform in ±1/√fan_in.
        bias: (out_channels), at first the same; None without.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1)(torch.randn(2, 4, 5, 5)).shape
        torch.Size([2, 3, 9, 9])
    """

    _dims = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """A transposed convolution over three dimensions: the gradient of `Conv3d` towards its input.

    The arguments and errors are those of `ConvTranspose1d`, sizes being one number or a triple.

    Shape:
        (N, in_channels, D, H, W) or (in_channels, D, H, W) → the same with out_channels and D', H', W'

    Attributes:
        weight: (in_channels, out_channels / groups, *kernel_size), at first uniform in ±1/√fan_in.
        bias: (out_channels), at first the same; None without.

    Example:
        >>> import flambeau as torch
        >>> torch.nn.ConvTranspose3d(2, 3, 2)(torch.randn(1, 2, 4, 4, 4)).shape
        torch.Size([1, 3, 5, 5, 5])
    """

    _dims = 3
    _function = staticmethod(F.conv_transpose3d)
