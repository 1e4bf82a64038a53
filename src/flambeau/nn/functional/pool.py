"""Pooling: the largest, the mean or a power mean of each window, and the way back from the largest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...core import dtype as dt
from ...core.node import numel
from ...core.tensor import Tensor
from ...functions.calling import deliver
from ...functions.casting import in_float32
from ...ops import pool as ops
from ...ops.index import scatter
from ...ops.op import check_tensor
from ...ops.reference.windows import pool_out_size
from .arguments import Shape, Sizes, check_float, flat, sizes
from .conv import _SPATIAL, _named

INF = float("inf")


def _check_rank(what: str, n: int, x: Tensor) -> Shape:
    """The spatial extents; RuntimeError for another number of dimensions, or an empty one that isn't the
    batch.
    """
    check_tensor(what, "input", x)
    shape = x._node.shape
    if x.ndim not in (n + 1, n + 2) or 0 in shape[-n - 1 :]:
        raise RuntimeError(
            f"{what}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got: {list(shape)}"
        )
    return tuple(shape[-n:])


class _Windows:
    """The geometry of a pooling, checked: `kernel`, `stride`, `padding`, `dilation`, and how many windows
    (`out`).
    """

    def __init__(
        self,
        what: str,
        n: int,
        x: Tensor,
        kernel: Sizes,
        stride: Any,
        padding: Sizes,
        dilation: Sizes,
        ceil: bool,
    ) -> None:
        size = _check_rank(what, n, x)
        self.kernel = sizes(what, "kernel_size", kernel, n)
        self.stride = (
            self.kernel
            if stride is None or stride == [] or stride == ()
            else sizes(what, "stride", stride, n)
        )
        self.padding, self.dilation = sizes(what, "padding", padding, n), sizes(what, "dilation", dilation, n)
        if min(self.stride) < 1 or min(self.kernel) < 1 or min(self.dilation) < 1:
            raise RuntimeError(
                f"{what}: kernel size, stride and dilation should be greater than zero, but got "
                f"{self.kernel}, {self.stride} and {self.dilation}"
            )
        for p, k, d in zip(self.padding, self.kernel, self.dilation, strict=True):
            if p < 0:
                raise RuntimeError(f"{what}: pad must be non-negative, but got pad: {p}")
            if p > ((k - 1) * d + 1) // 2:
                raise RuntimeError(
                    f"{what}: pad should be at most half of effective kernel size, but got pad={p}, "
                    f"kernel_size={k} and dilation={d}"
                )
        self.out = pool_out_size(size, self.kernel, self.stride, self.padding, self.dilation, bool(ceil))
        if min(self.out) < 1:
            raise RuntimeError(
                f"{what}: Given input size: {tuple(x.shape)}. Calculated output size: {self.out}. Output "
                "size is too small; use a smaller kernel or less dilation"
            )


# ----- the largest -----


def _max_pool(n: int) -> Any:
    name = f"max_pool{n}d"

    def function(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        w = _Windows(name, n, input, kernel_size, stride, padding, dilation, ceil_mode)
        values, index = ops.max_pool(input, w.kernel, w.stride, w.padding, w.dilation, w.out)
        return (values, index) if return_indices else values

    return _named(
        function,
        name,
        f"""The largest element of each window of (N, C, {_SPATIAL[n]}) or (C, {_SPATIAL[n]}).

    With `return_indices` also its position. Positions are flat numbers in the spatial dimensions; of equal
    elements the first counts. `stride` is the kernel's size unless given; padding never wins and is at most
    half the kernel; `ceil_mode` keeps windows that reach beyond the end. RuntimeError for sizes that don't
    fit.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 3., 2., 5.]).reshape({(1,) * n + (4,)})
    >>> torch.nn.functional.{name}(x, {(1,) * (n - 1) + (2,)}).flatten()
    tensor([3., 5.])
    """,
    )


def _adaptive_size(what: str, n: int, x: Tensor, output_size: Any) -> Shape:
    """The output's spatial extents; None keeps the input's."""
    if n > 1 and isinstance(output_size, Sequence) and x.ndim <= n:
        raise ValueError(f"{what}: Input dimension should be at least {n + 1}, got shape {tuple(x.shape)}")
    size = _check_rank(what, n, x)
    if isinstance(output_size, Sequence):
        if len(output_size) != n:
            raise RuntimeError(f"{what}: output_size must be {n} numbers, got {list(output_size)}")
        output_size = tuple(s if o is None else o for o, s in zip(output_size, size, strict=True))
    out = sizes(what, "output_size", output_size, n)
    if min(out) < 0:
        raise RuntimeError(
            f"{what}: elements of output_size must be greater than or equal to 0 but received {out}"
        )
    return out


def _adaptive_max_pool(n: int) -> Any:
    name = f"adaptive_max_pool{n}d"

    def function(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        out = _adaptive_size(name, n, check_float(name, input), output_size)
        index = ops.adaptive_max_index(input, out)
        values = ops.pool_take(input, index, n)
        return (values, index) if return_indices else values

    return _named(
        function,
        name,
        f"""The largest element of each of nearly equal stretches of (N, C, {_SPATIAL[n]}).

    `output_size` says how many stretches there are in each dimension (None: as many as elements). With
    `return_indices` also the flat positions in the spatial dimensions.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 3., 2., 5.]).reshape({(1,) * n + (4,)})
    >>> torch.nn.functional.{name}(x, {(1,) * (n - 1) + (2,)}).flatten()
    tensor([3., 5.])
    """,
    )


def _max_unpool(n: int) -> Callable[..., Tensor]:
    name = f"max_unpool{n}d"

    def function(
        input: Tensor,
        indices: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        output_size: Sequence[int] | None = None,
    ) -> Tensor:
        size = _check_rank(name, n, input)
        kernel = sizes(name, "kernel_size", kernel_size, n)
        step = kernel if stride is None else sizes(name, "stride", stride, n)
        pad = sizes(name, "padding", padding, n)
        usual = tuple((e - 1) * s + k - 2 * p for e, s, k, p in zip(size, step, kernel, pad, strict=True))
        out = usual if output_size is None else _unpooled_size(name, tuple(output_size), usual, step)
        _check_positions(name, input, indices, numel(out))
        lead = input._node.shape[:-n]
        rows, at = (flat(t, *lead, numel(size)) for t in (input, indices))
        return flat(scatter(input.new_zeros((*lead, numel(out))), at, rows, len(lead)), *lead, *out)

    return _named(
        function,
        name,
        f"""Puts the maxima of `max_pool{n}d` back where they were, zeros elsewhere.

    `output_size` chooses among the possible sizes. ValueError for an `output_size` that can't have been
    pooled to the input; RuntimeError for positions outside of it.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 3., 2., 5.]).reshape({(1,) * n + (4,)}); kernel = {(1,) * (n - 1) + (2,)}
    >>> values, indices = torch.nn.functional.max_pool{n}d(x, kernel, return_indices=True)
    >>> torch.nn.functional.{name}(values, indices, kernel).flatten()
    tensor([0., 3., 0., 5.])
    """,
    )


def _unpooled_size(what: str, wanted: Shape, usual: Shape, step: Shape) -> Shape:
    n = len(usual)
    wanted = wanted[2:] if len(wanted) == n + 2 else wanted
    if len(wanted) != n or any(not u - s < w < u + s for w, u, s in zip(wanted, usual, step, strict=False)):
        raise ValueError(
            f"{what}: invalid output_size {wanted}: it should be {n} or {n + 2} numbers, each less than the "
            f"stride {step} away from {usual}"
        )
    return wanted


def _check_positions(what: str, x: Tensor, indices: Tensor, volume: int) -> None:
    if check_tensor(what, "indices", indices)._node.dtype is not dt.int64:
        raise RuntimeError(f"{what}: elements in indices should be type int64 but got: {indices.dtype}")
    if indices._node.shape != x._node.shape:
        raise RuntimeError(
            f"{what}: Expected shape of indices to be same as that of the input tensor ({list(x.shape)}) but "
            f"got indices tensor with shape: {list(indices.shape)}"
        )
    value = indices._current().value
    if value is not None and value.size and not 0 <= value.min() <= value.max() < volume:
        raise RuntimeError(
            f"{what}: Found an invalid max index: {value.max()} (output volumes have {volume} elements)"
        )


# ----- means -----


def _mean(
    what: str,
    n: int,
    x: Tensor,
    kernel: Sizes,
    stride: Any,
    padding: Sizes,
    ceil: bool,
    count_pad: bool,
    divisor: int | None,
) -> Tensor:
    if divisor == 0:
        raise RuntimeError(f"{what}: divisor must be not zero; leave it out to divide by the window's size")
    w = _Windows(what, n, x, kernel, stride, padding, 1, ceil)
    y: Tensor = ops.avg_pool(x, w.kernel, w.stride, w.padding, w.out, bool(count_pad), divisor)
    return y


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window of (N, C, L) or (C, L); padding counts as zeros unless `count_include_pad` is
    False.

    >>> import flambeau as torch
    >>> torch.nn.functional.avg_pool1d(torch.tensor([[1., 3., 2., 6.]]), 2)
    tensor([[2., 4.]])
    """
    return _mean("avg_pool1d", 1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def _avg_pool(n: int) -> Callable[..., Tensor]:
    name = f"avg_pool{n}d"

    def function(
        input: Tensor,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
        *,
        out: Tensor | None = None,
    ) -> Tensor:
        means = _mean(
            name, n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
        )
        return deliver(name, means, out)

    return _named(
        function,
        name,
        f"""The mean of each window of (N, C, {_SPATIAL[n]}) or (C, {_SPATIAL[n]}).

    `stride` is the kernel's size unless given. Padding counts as zeros unless `count_include_pad` is False;
    `divisor_override` replaces the number of elements. RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 3., 2., 6.]).reshape({(1,) * n + (4,)})
    >>> torch.nn.functional.{name}(x, {(1,) * (n - 1) + (2,)}).flatten()
    tensor([2., 4.])
    """,
    )


def _adaptive_avg_pool(n: int) -> Callable[..., Tensor]:
    name = f"adaptive_avg_pool{n}d"

    def function(input: Tensor, output_size: Any) -> Tensor:
        y: Tensor = ops.adaptive_avg_pool(
            input, _adaptive_size(name, n, check_float(name, input), output_size)
        )
        return y

    return _named(
        function,
        name,
        f"""The mean of each of nearly equal stretches of (N, C, {_SPATIAL[n]}).

    `output_size` says how many there are in each dimension (None: as many as elements).

    >>> import flambeau as torch
    >>> x = torch.tensor([1., 3., 2., 6.]).reshape({(1,) * n + (4,)})
    >>> torch.nn.functional.{name}(x, {(1,) * (n - 1) + (2,)}).flatten()
    tensor([2., 4.])
    """,
    )


max_pool1d, max_pool2d, max_pool3d = (_max_pool(n) for n in (1, 2, 3))
adaptive_max_pool1d, adaptive_max_pool2d, adaptive_max_pool3d = (_adaptive_max_pool(n) for n in (1, 2, 3))
max_unpool1d, max_unpool2d, max_unpool3d = (in_float32(_max_unpool(n)) for n in (1, 2, 3))
avg_pool2d, avg_pool3d = (_avg_pool(n) for n in (2, 3))
adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = (_adaptive_avg_pool(n) for n in (1, 2, 3))
avg_pool3d, adaptive_avg_pool3d = in_float32(avg_pool3d), in_float32(adaptive_avg_pool3d)
max_pool3d, adaptive_max_pool3d = in_float32(max_pool3d), in_float32(adaptive_max_pool3d)


# ----- power means -----


def _lp_pool(n: int) -> Callable[..., Tensor]:
    name = f"lp_pool{n}d"
    largest, average = (
        (max_pool1d, max_pool2d, max_pool3d)[n - 1],
        (avg_pool1d, avg_pool2d, avg_pool3d)[n - 1],
    )

    def function(
        input: Tensor,
        norm_type: int | float,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        ceil_mode: bool = False,
    ) -> Tensor:
        if norm_type == INF:
            return largest(input.abs(), kernel_size, stride, ceil_mode=ceil_mode)  # type: ignore[no-any-return]
        if norm_type == -INF:
            return -largest(-input.abs(), kernel_size, stride, ceil_mode=ceil_mode)  # type: ignore[no-any-return]
        if norm_type == 0:
            raise ZeroDivisionError(f"{name}: norm_type 0 has no 1 / norm_type-th power")
        mean = average(input**norm_type, kernel_size, stride, 0, ceil_mode)
        total = (
            mean.sign() * mean.abs().relu() * numel(sizes(name, "kernel_size", kernel_size, n))
        )  # relu: flat at 0
        return total ** (1.0 / norm_type)

    return _named(
        function,
        name,
        f"""(sum of x^p)^(1/p) over each window of (N, C, {_SPATIAL[n]}), with p = norm_type.

    inf and -inf give the largest and smallest |x|.

    >>> import flambeau as torch
    >>> x = torch.tensor([3., 4.]).reshape({(1,) * n + (2,)})
    >>> torch.nn.functional.{name}(x, 2, {(1,) * (n - 1) + (2,)}).flatten()
    tensor([5.])
    """,
    )


lp_pool1d, lp_pool2d, lp_pool3d = (_lp_pool(n) for n in (1, 2, 3))
