"""Convolutions whose kernels look at places that are learned."""

from __future__ import annotations

import math
from typing import Any

import flambeau as torch
from flambeau import Tensor, nn

__all__ = ["DeformConv2d", "deform_conv2d"]

Pair = int | tuple[int, int]


def _pair(x: Pair) -> tuple[int, int]:
    return (x, x) if isinstance(x, int) else (int(x[0]), int(x[1]))


def deform_conv2d(
    input: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    mask: Tensor | None = None,
) -> Tensor:
    """A convolution, each element of whose kernel is moved by an offset for each place (Dai et al.,
    Deformable convolutional networks, 2017; with `mask`, Zhu et al., 2019).

    Args:
        input: (N, C, H, W).
        offset: (N, 2 * G * kh * kw, oh, ow), y and x for each of G groups of channels and kernel element.
        weight: (O, C / groups, kh, kw).
        bias: (O,).
        stride, padding, dilation: those of a convolution.
        mask: (N, G * kh * kw, oh, ow), factors.

    Returns:
        (N, O, oh, ow).

    Raises:
        RuntimeError: shapes that don't fit.

    >>> import flambeau as torch
    >>> x, weight = torch.arange(9.0).reshape(1, 1, 3, 3), torch.ones(1, 1, 1, 1)
    >>> offset = torch.zeros(1, 2, 3, 3); offset[:, 1] = 0.5
    >>> torch.vision.ops.deform_conv2d(x, offset, weight)[0, 0, 0]
    tensor([0.5000, 1.5000, 1.0000])
    """
    what = "deform_conv2d"
    (n, channels, h, w), (outs, per_group, kh, kw) = input.shape, weight.shape
    (sy, sx), (py, px), (dy, dx) = _pair(stride), _pair(padding), _pair(dilation)
    oh, ow = (h + 2 * py - dy * (kh - 1) - 1) // sy + 1, (w + 2 * px - dx * (kw - 1) - 1) // sx + 1
    taps = kh * kw
    groups, offset_groups = channels // per_group, offset.shape[1] // (2 * taps)
    fits = offset_groups and channels % offset_groups == 0 and outs % groups == 0
    if not fits or tuple(offset.shape) != (n, 2 * offset_groups * taps, oh, ow):
        raise RuntimeError(
            f"{what}: the shape of the offset tensor at dimension 1 is not valid: offsets of {channels} "
            f"channels, a kernel {(kh, kw)} and a result {(oh, ow)} should be "
            f"{(n, f'G * {2 * taps}', oh, ow)}, got {tuple(offset.shape)}"
        )
    if mask is not None and tuple(mask.shape) != (n, offset_groups * taps, oh, ow):
        raise RuntimeError(
            f"{what}: mask should be {(n, offset_groups * taps, oh, ow)}, got {tuple(mask.shape)}"
        )
    moved = offset.reshape(n, offset_groups, taps, 2, oh, ow)
    ky, kx = (torch.arange(k, dtype=input.dtype) * d for k, d in ((kh, dy), (kw, dx)))
    down = torch.arange(oh, dtype=input.dtype).reshape(1, oh, 1) * sy - py
    across = torch.arange(ow, dtype=input.dtype).reshape(1, 1, ow) * sx - px
    y = moved[:, :, :, 0] + down + ky.repeat_interleave(kw).reshape(-1, 1, 1)
    x = moved[:, :, :, 1] + across + kx.repeat(kh).reshape(-1, 1, 1)
    columns = _sampled(input.reshape(n, offset_groups, -1, h * w), y, x, h, w)  # N, G, C / G, taps, oh, ow
    if mask is not None:
        columns = columns * mask.reshape(n, offset_groups, 1, taps, oh, ow)
    columns = columns.reshape(n, groups, per_group * taps, oh * ow)
    result = torch.matmul(weight.reshape(groups, outs // groups, per_group * taps), columns)
    result = result.reshape(n, outs, oh, ow)
    return result if bias is None else result + bias.reshape(1, -1, 1, 1)


def _sampled(images: Tensor, y: Tensor, x: Tensor, h: int, w: int) -> Tensor:
    """Values of (N, G, C, H * W) between pixels, at places (N, G, taps, oh, ow); beyond the borders is 0."""
    n, g, c, _ = images.shape
    shape = tuple(y.shape)
    total: Any = 0.0
    low_y, low_x = y.floor().detach(), x.floor().detach()
    for a in (0, 1):
        for b in (0, 1):
            row, column = low_y + a, low_x + b
            weight = (1 - (y - row).abs()) * (1 - (x - column).abs())
            inside = (row >= 0) & (row < h) & (column >= 0) & (column < w)
            place = row.clamp(0, h - 1) * w + column.clamp(0, w - 1)
            index = place.long().reshape(n, g, 1, math.prod(shape[2:])).expand(-1, -1, c, -1)
            found = torch.gather(images, 3, index).reshape(n, g, c, *shape[2:])
            total = total + found * torch.where(inside, weight, 0.0).unsqueeze(2)
    result: Tensor = total
    return result


class DeformConv2d(nn.Module):
    """A layer of `deform_conv2d`: `forward(input, offset, mask=None)`.

    Args:
        in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias: those of `nn.Conv2d`.

    Raises:
        ValueError: channels that groups don't divide.

    >>> import flambeau as torch
    >>> layer = torch.vision.ops.DeformConv2d(3, 4, 3, padding=1)
    >>> layer(torch.zeros(1, 3, 5, 5), torch.zeros(1, 18, 5, 5)).shape
    torch.Size([1, 4, 5, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels)):
            if value % groups:
                raise ValueError(
                    f"DeformConv2d: {name} must be divisible by groups, got {value} and {groups}"
                )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _pair(kernel_size)
        self.stride = _pair(stride)
        self.padding = _pair(padding)
        self.dilation = _pair(dilation)
        self.groups = groups
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size))
        if bias:
            self.bias: nn.Parameter | None = nn.Parameter(torch.empty(out_channels))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights as `nn.Conv2d` does."""
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.weight[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor, offset: Tensor, mask: Tensor | None = None) -> Tensor:
        return deform_conv2d(
            input, offset, self.weight, self.bias, self.stride, self.padding, self.dilation, mask
        )

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        )
