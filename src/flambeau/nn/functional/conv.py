"""Convolution and transposed convolution in one to three dimensions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ...core.modes import modes
from ...core.tensor import Tensor
from ...functions.casting import lowered
from ...functions.shape import squeeze, unsqueeze
from ...ops import conv as ops
from ...ops.op import check_tensor
from ...ops.reference.windows import Pairs, conv_transpose_out_size, exact_padding
from .arguments import Shape, Sizes, at_least, by_channel, same_dtype, sizes

F = TypeVar("F", bound=Callable[..., Any])


def _check(
    what: str, n: int, x: Tensor, w: Tensor, bias: Tensor | None, groups: int, transposed: bool
) -> Tensor:
    """The input with a batch dimension, after the checks of ranks, dtypes and channels."""
    check_tensor(what, "input", x)
    check_tensor(what, "weight", w)
    if w.ndim != n + 2:
        raise RuntimeError(
            f"{what}: expected a weight with {n + 2} dimensions, but got one of size {list(w.shape)}"
        )
    if x.ndim not in (n + 1, n + 2):
        raise RuntimeError(
            f"{what}: Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {what}, but got input of "
            f"size: {list(x.shape)}"
        )
    same_dtype(what, x, weight=w, bias=bias)
    at_least(what, "groups", (groups,), 1)
    if 0 in w._node.shape[:1] + w._node.shape[2:]:
        raise RuntimeError(
            f"{what}: expected weight to be at least 1 in every dimension, but got weight of size "
            f"{list(w.shape)}"
        )
    if w._node.shape[0] % groups:
        raise RuntimeError(
            f"{what}: Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but "
            f"got weight of size {list(w.shape)}"
        )
    channels = w._node.shape[0] if transposed else w._node.shape[1] * groups
    if x._node.shape[-n - 1] != channels:
        raise RuntimeError(
            f"{what}: Given groups={groups}, weight of size {list(w.shape)}, expected input{list(x.shape)} "
            f"to have {channels} channels, but got {x._node.shape[-n - 1]} channels instead; build the layer "
            f"with in_channels={x._node.shape[-n - 1]}"
        )
    out_channels = w._node.shape[1] * groups if transposed else w._node.shape[0]
    if bias is not None and bias._node.shape != (out_channels,):
        raise RuntimeError(
            f"{what}: Given weight of size {list(w.shape)}, expected bias to be 1-dimensional with "
            f"{out_channels} elements, but got bias of size {list(bias.shape)} instead"
        )
    return x if x.ndim == n + 2 else unsqueeze(x, 0)


def _padding(what: str, padding: Any, kernel: Shape, stride: Shape, dilation: Shape) -> Pairs:
    """The padding before and after each dimension; "same" puts the larger half after."""
    if not isinstance(padding, str):
        amounts = at_least(what, "padding", sizes(what, "padding", padding, len(kernel)), 0)
        return tuple((p, p) for p in amounts)
    if padding == "valid":
        return ((0, 0),) * len(kernel)
    if padding != "same":
        raise RuntimeError(f"{what}: Invalid padding string: {padding!r}; choose 'same', 'valid' or numbers")
    if any(s != 1 for s in stride):
        raise RuntimeError(
            f"{what}: padding='same' is not supported for strided convolutions, got stride={list(stride)}"
        )
    extra = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((e // 2, e - e // 2) for e in extra)


def _finish(y: Tensor, bias: Tensor | None, batched: bool) -> Tensor:
    if bias is not None:
        y = y + by_channel(y, bias)
    return y if batched else squeeze(y, 0)


def _convolve(
    what: str,
    n: int,
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes | str,
    dilation: Sizes,
    groups: int,
) -> Tensor:
    batch = _check(what, n, x, w, bias, groups, False)
    kernel = w._node.shape[2:]
    steps = at_least(what, "stride", sizes(what, "stride", stride, n), 1)
    gaps = at_least(what, "dilation", sizes(what, "dilation", dilation, n), 1)
    pads = _padding(what, padding, kernel, steps, gaps)
    room = tuple(e + lo + hi for e, (lo, hi) in zip(batch._node.shape[2:], pads, strict=True))
    taken = tuple(d * (k - 1) + 1 for k, d in zip(kernel, gaps, strict=True))
    if any(r < t for r, t in zip(room, taken, strict=True)):
        raise RuntimeError(
            f"{what}: Calculated padded input size per channel: {room}. Kernel size: {taken}. Kernel size "
            "can't be greater than actual input size; pad the input or take a smaller kernel"
        )
    return _finish(ops.conv(batch, w, steps, pads, gaps, groups), bias, x.ndim == n + 2)


def _transpose(
    what: str,
    n: int,
    x: Tensor,
    w: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    extra: Sizes,
    groups: int,
    dilation: Sizes,
) -> Tensor:
    batch = _check(what, n, x, w, bias, groups, True)
    kernel, size = w._node.shape[2:], batch._node.shape[2:]
    steps = at_least(what, "stride", sizes(what, "stride", stride, n), 1)
    gaps = at_least(what, "dilation", sizes(what, "dilation", dilation, n), 1)
    pads = at_least(what, "padding", sizes(what, "padding", padding, n), 0)
    more = at_least(what, "output_padding", sizes(what, "output_padding", extra, n), 0)
    if any(m >= max(s, d) for m, s, d in zip(more, steps, gaps, strict=True)):
        raise RuntimeError(
            f"{what}: output padding must be smaller than either stride or dilation, but got "
            f"output_padding={more}, stride={steps}, dilation={gaps}"
        )
    out = conv_transpose_out_size(size, kernel, steps, pads, more, gaps)
    if min(out) < 1 or 0 in size:
        raise RuntimeError(
            f"{what}: Given input size per channel: {size}. Calculated output size per channel: {out}. "
            "Output size is too small; use less padding"
        )
    exact = exact_padding(out, size, kernel, steps, pads, gaps)
    return _finish(ops.conv_input_grad(batch, w, out, steps, exact, gaps, groups), bias, x.ndim == n + 2)


_SPATIAL = {1: "L", 2: "H, W", 3: "D, H, W"}


def _named(function: F, name: str, doc: str) -> F:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def _conv(n: int) -> Callable[..., Tensor]:
    name = f"conv{n}d"

    def function(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        if modes.autocast is not None:
            return lowered(function, input, weight, bias, stride, padding, dilation, groups)
        return _convolve(name, n, input, weight, bias, stride, padding, dilation, groups)

    return _named(
        function,
        name,
        f"""Slides a kernel over (N, Cin, {_SPATIAL[n]}) or (Cin, {_SPATIAL[n]}).

    y[b, o, i] is the sum over channels c and taps k of x[b, c, i * stride + k * dilation - padding] *
    weight[o, c, k], plus bias[o].

    `weight` is (Cout, Cin / groups, *kernel); with groups, each slice of the outputs sees its slice of the
    inputs only. `padding` is a number, one for each dimension, "valid" (none) or "same" (as much as keeps the
    size; stride 1 only). The result's extents are (size + 2 * padding - dilation * (kernel - 1) - 1) //
    stride + 1. RuntimeError for sizes or dtypes that don't fit.

    >>> import flambeau as torch
    >>> x = torch.arange(4.).reshape({(1,) * (n + 1) + (4,)}); w = torch.ones({(1,) * (n + 1) + (2,)})
    >>> torch.nn.functional.{name}(x, w).flatten()
    tensor([1., 3., 5.])
    """,
    )


def _conv_transpose(n: int) -> Callable[..., Tensor]:
    name = f"conv_transpose{n}d"

    def function(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        dilation: Sizes = 1,
    ) -> Tensor:
        if modes.autocast is not None:
            return lowered(function, input, weight, bias, stride, padding, output_padding, groups, dilation)
        return _transpose(name, n, input, weight, bias, stride, padding, output_padding, groups, dilation)

    return _named(
        function,
        name,
        f"""The gradient of `conv{n}d` towards its input, as a layer: (N, Cin, {_SPATIAL[n]}) grows.

    `weight` is (Cin, Cout / groups, *kernel). The result's extents are (size - 1) * stride - 2 * padding +
    dilation * (kernel - 1) + output_padding + 1; `output_padding`, smaller than stride or dilation, chooses
    among the sizes that convolve to the input's. RuntimeError for sizes or dtypes that don't fit.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 2.]).reshape({(1,) * (n + 1) + (2,)}); w = torch.ones({(1,) * (n + 1) + (2,)})
    >>> torch.nn.functional.{name}(x, w).flatten()
    tensor([1., 3., 2.])
    """,
    )


conv1d, conv2d, conv3d = (_conv(n) for n in (1, 2, 3))
conv_transpose1d, conv_transpose2d, conv_transpose3d = (_conv_transpose(n) for n in (1, 2, 3))
