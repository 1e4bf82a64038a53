"""Moving elements about: padding, windows as columns, channels to pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import dtype as dt
from ...core.modes import modes
from ...core.node import numel
from ...core.tensor import Tensor
from ...functions.casting import done_in
from ...functions.memory import clone
from ...functions.shape import permute, squeeze, unsqueeze
from ...ops import view as views
from ...ops.index import index, index_put
from ...ops.kinds import make_constant
from ...ops.op import check_tensor
from ...ops.reference.windows import conv_out_size, windows
from .arguments import Shape, Sizes, at_least, check_float, flat, scalar, sizes

# ----- padding -----

_BY_INDEX = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}  # and what NumPy calls them


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Adds elements before and after dimensions: `pad` is (before, after) of the last dimension, then of the
    one before it, and so on.

    They are `value` (0) or, by `mode`, taken from the input: "reflect" (mirrored at the border element),
    "replicate" (the border element), "circular" (from the other end). Negative amounts cut off. These three
    modes pad the spatial dimensions of (N, C, ...) or (C, ...). RuntimeError for amounts that don't fit,
    NotImplementedError for another mode.

    >>> import flambeau as torch
    >>> torch.nn.functional.pad(torch.tensor([[1., 2., 3.]]), (1, 2), mode="reflect")
    tensor([[2., 1., 2., 3., 2., 1.]])
    """
    if modes.autocast is not None and (mode == "replicate" or (mode == "reflect" and len(pad) < 6)):
        return done_in(dt.float32, _pad, input, pad, mode, value)
    return _pad(input, pad, mode, value)


def _pad(input: Tensor, pad: Sequence[int], mode: str, value: float | None) -> Tensor:
    x, amounts = check_tensor("pad", "input", input), tuple([p.__index__() for p in pad])
    if len(amounts) % 2:
        raise RuntimeError(f"pad: Padding length must be divisible by 2, got {list(amounts)}")
    pairs = tuple(zip(amounts[-2::-2], amounts[::-2], strict=True))
    if mode == "constant":
        return _pad_constant(x, pairs, 0 if value is None else value)
    if mode not in _BY_INDEX:
        raise NotImplementedError(
            f"pad: Unrecognised padding mode {mode}; choose constant, reflect, replicate or circular"
        )
    if value is not None and value != 0:
        raise RuntimeError(f'pad: Padding mode "{mode}" doesn\'t take in value argument, got {value}')
    n = len(pairs)
    if n not in (1, 2, 3) or x.ndim not in (n + 1, n + 2):
        raise NotImplementedError(
            f"pad: Padding size {len(amounts)} is not supported for {x.ndim}D input tensor with mode "
            f"{mode!r}: 2, 4 or 6 amounts pad the 1, 2 or 3 spatial dimensions of (N, C, ...) or (C, ...)"
        )
    if 0 in x._node.shape[-n - 1 :]:
        raise RuntimeError(
            f"pad: Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and other "
            f"non-zero dimensions for input, but got: {list(x.shape)}"
        )
    for dim, (low, high) in enumerate(pairs, x.ndim - n):
        if low or high:
            x = index(x, (make_constant(_sources(mode, x._node.shape[dim], low, high)),), (dim,))
    return clone(x) if x is input else x


def _pad_constant(x: Tensor, pairs: tuple[tuple[int, int], ...], value: float) -> Tensor:
    if len(pairs) > x.ndim:
        raise RuntimeError(
            "pad: Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {2 * len(pairs)} and input of dimension {x.ndim}"
        )
    pairs = ((0, 0),) * (x.ndim - len(pairs)) + pairs
    ranges = tuple(
        (max(-low, 0), e + min(low, 0) + min(high, 0), 1)
        for e, (low, high) in zip(x._node.shape, pairs, strict=True)
    )
    if any(kept < 0 for _, kept, _ in ranges):
        raise RuntimeError(
            f"pad: negative amounts {pairs} cut off more than the input of shape {tuple(x.shape)} has"
        )
    if any(low < 0 or high < 0 for low, high in pairs):
        x = views.slice_.plain(x, (ranges,))
    grow = tuple((max(low, 0), max(high, 0)) for low, high in pairs)
    number = int(value) if x._node.dtype.category == dt.INTEGER else value
    y: Tensor = views.pad(x, scalar("pad", number, x._node.dtype), grow)
    return y


def _sources(mode: str, extent: int, low: int, high: int) -> np.ndarray:
    """Which element along a dimension each of the padded ones is."""
    limit = {"reflect": extent - 1, "circular": extent}.get(mode)
    if limit is not None and max(low, high) > limit:
        why = "wrapping around more than once" if mode == "circular" else "mirroring more than there is"
        raise RuntimeError(
            f"pad: Padding value ({low}, {high}) for a dimension of {extent} causes {why}; with mode "
            f"{mode!r} it may be at most {limit}"
        )
    kept = np.arange(max(-low, 0), extent + min(high, 0)) if mode == "circular" else np.arange(extent)
    if extent + low + high < 1 or not len(kept):
        raise RuntimeError(
            f"pad: Negative padding value ({low}, {high}) is resulting in an empty dimension, from one of "
            f"{extent}"
        )
    padded: np.ndarray = np.pad(kept, (max(low, 0), max(high, 0)), _BY_INDEX[mode])  # type: ignore[call-overload]
    return padded if mode == "circular" else padded[max(-low, 0) : len(padded) + min(high, 0)]


# ----- windows as columns -----


class _Columns:
    """The geometry of `unfold` and `fold`: how the image is padded, how many windows there are, and which
    elements they show.
    """

    def __init__(
        self, what: str, image: Shape, kernel: Any, dilation: Any, padding: Any, stride: Any
    ) -> None:
        self.kernel, gaps, pads, steps = (
            sizes(what, name, v, 2)
            for name, v in (
                ("kernel_size", kernel),
                ("dilation", dilation),
                ("padding", padding),
                ("stride", stride),
            )
        )
        for name, values in (("kernel_size", self.kernel), ("dilation", gaps), ("stride", steps)):
            at_least(what, name, values, 1)
        at_least(what, "padding", pads, 0)
        self.image, self.pads = image, pads
        self.padded = tuple(e + 2 * p for e, p in zip(image, pads, strict=True))
        self.blocks = conv_out_size(image, self.kernel, steps, tuple((p, p) for p in pads), gaps)
        if min(self.blocks) < 1:
            raise RuntimeError(
                f"{what}: Given spatial size {image}, kernel_size={self.kernel}, dilation={gaps}, "
                f"padding={pads}, calculated shape of the array of sliding blocks as {self.blocks}, but its "
                "components must be at least one."
            )
        numbers = np.arange(numel(self.padded)).reshape(self.padded)
        seen = windows(numbers, self.kernel, steps, gaps)
        self.numbers = make_constant(seen.reshape(numel(self.kernel), numel(self.blocks)))


def unfold(
    input: Tensor, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """The windows of (N, C, H, W) or (C, H, W) as columns: (N, C * kernel elements, windows).

    RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.unfold(torch.arange(6.).reshape(1, 1, 2, 3), (2, 2))
    tensor([[[0., 1.],
             [1., 2.],
             [3., 4.],
             [4., 5.]]])
    """
    if check_tensor("unfold", "input", input).ndim not in (3, 4) or 0 in input._node.shape[-3:]:
        raise RuntimeError(
            "unfold: Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    x = input if input.ndim == 4 else unsqueeze(input, 0)
    n, c, *image = x._node.shape
    g = _Columns("unfold", tuple(image), kernel_size, dilation, padding, stride)
    padded = _pad_constant(x, ((g.pads[0],) * 2, (g.pads[1],) * 2), 0) if any(g.pads) else x
    columns = index(flat(padded, n, c, numel(g.padded)), (g.numbers,), (2,))
    columns = flat(columns, n, c * numel(g.kernel), numel(g.blocks))
    return columns if input.ndim == 4 else squeeze(columns, 0)


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Adds columns, as `unfold` makes them, up to images (N, C, *output_size); where windows overlap,
    elements sum.

    RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> torch.nn.functional.fold(torch.ones(1, 4, 2), (2, 3), (2, 2))
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    if check_float("fold", input, highest=dt.COMPLEX).ndim not in (2, 3) or 0 in input._node.shape[-2:]:
        raise RuntimeError(
            "fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size, but got: "
            f"{list(input.shape)}"
        )
    columns = input if input.ndim == 3 else unsqueeze(input, 0)
    n, rows, blocks = columns._node.shape
    g = _Columns("fold", sizes("fold", "output_size", output_size, 2), kernel_size, dilation, padding, stride)
    if rows % numel(g.kernel):
        raise RuntimeError(
            "fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but "
            f"got input.size(1)={rows} and kernel_size={g.kernel}."
        )
    if blocks != numel(g.blocks):
        raise RuntimeError(
            f"fold: Given output_size={g.image}, kernel_size={g.kernel}, expected size of input's dimension "
            f"2 to match the calculated number of sliding blocks {g.blocks[0]} * {g.blocks[1]} = "
            f"{numel(g.blocks)}, but got input.size(2)={blocks}."
        )
    c = rows // numel(g.kernel)
    zeros = columns.new_zeros((n, c, numel(g.padded)))
    total = index_put(zeros, flat(columns, n, c, numel(g.kernel), blocks), (g.numbers,), (2,), True)
    images = _pad_constant(flat(total, n, c, *g.padded), ((-g.pads[0],) * 2, (-g.pads[1],) * 2), 0)
    return images if input.ndim == 3 else squeeze(images, 0)


# ----- channels and pixels -----


def _image(what: str, x: object, name: str, factor: int) -> tuple[Shape, Shape]:
    """The leading dimensions, and channels, height and width."""
    t = check_tensor(what, "input", x)
    if t.ndim < 3:
        raise RuntimeError(
            f"{what}: expects input to have at least 3 dimensions, but got input with {t.ndim} dimension(s)"
        )
    if factor < 1:
        raise RuntimeError(f"{what}: expects a positive {name}, but got {factor}")
    return t._node.shape[:-3], t._node.shape[-3:]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C * r², H, W) to (*, C, H * r, W * r): channels become the pixels of finer images.

    RuntimeError if the channels aren't a multiple of r².

    >>> import flambeau as torch
    >>> torch.nn.functional.pixel_shuffle(torch.arange(4.).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = upscale_factor
    lead, (c, h, w) = _image("pixel_shuffle", input, "upscale_factor", r)
    if c % (r * r):
        raise RuntimeError(
            "pixel_shuffle: expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={c} is not divisible by {r * r}"
        )
    k = len(lead)
    parts = flat(input, *lead, c // (r * r), r, r, h, w)
    return flat(permute(parts, *range(k + 1), k + 3, k + 1, k + 4, k + 2), *lead, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H * r, W * r) to (*, C * r², H, W): the inverse of `pixel_shuffle`.

    >>> import flambeau as torch
    >>> torch.nn.functional.pixel_unshuffle(torch.arange(4.).reshape(1, 2, 2), 2).shape
    torch.Size([4, 1, 1])
    """
    r = downscale_factor
    lead, (c, h, w) = _image("pixel_unshuffle", input, "downscale_factor", r)
    if h % r or w % r:
        raise RuntimeError(
            f"pixel_unshuffle: expects height and width to be divisible by downscale_factor, but {h} x {w} "
            f"is not divisible by {r}"
        )
    k = len(lead)
    parts = flat(input, *lead, c, h // r, r, w // r, r)
    return flat(permute(parts, *range(k + 1), k + 2, k + 4, k + 1, k + 3), *lead, c * r * r, h // r, w // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleaves the channels (dimension 1) of `groups` equal groups. RuntimeError if they can't be divided
    so.

    >>> import flambeau as torch
    >>> torch.nn.functional.channel_shuffle(torch.arange(4.).reshape(1, 4, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    x = check_tensor("channel_shuffle", "input", input)
    if x.ndim < 3:
        raise RuntimeError(
            f"channel_shuffle: expects input with > 2 dims, but got input with sizes {list(x.shape)}"
        )
    n, c, *rest = x._node.shape
    if groups < 1 or c % groups:
        raise RuntimeError(
            f"channel_shuffle: Number of channels must be divisible by a positive number of groups. Got {c} "
            f"channels and {groups} groups."
        )
    parts = flat(x, n, groups, c // groups, numel(rest))
    return flat(permute(parts, 0, 2, 1, 3), *x._node.shape)
