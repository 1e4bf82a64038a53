"""Pooling over windows at random places. (Fractional max-pooling, 2014.)"""

from __future__ import annotations

from typing import Any

from ...core.node import numel
from ...core.tensor import Tensor
from ...functions.casting import in_float32
from ...functions.random import rand
from ...functions.ranges import arange
from .arguments import Shape, Sizes, check_float, flat, sizes
from .conv import _SPATIAL, _named


def _starts(samples: Tensor, extent: int, out: int, window: int) -> Tensor:
    """Where the windows of each plane begin, (N, C, out): a random sequence; the last one at the end."""
    if out == 1:
        return (samples * 0).long().unsqueeze(-1) + (extent - window)
    alpha = (extent - window) / (out - 1)
    u = samples.unsqueeze(-1)
    begun = ((arange(out, dtype=samples.dtype) + u) * alpha).long() - (u * alpha).long()
    begun[..., -1] = extent - window
    return begun


def _out_size(what: str, n: int, spatial: Shape, size: Any, ratio: Any) -> Shape:
    if (size is None) == (ratio is None):
        given = "neither" if size is None else "both"
        raise ValueError(f"{what}: requires specifying either an output_size or an output_ratio, got {given}")
    if ratio is None:
        return sizes(what, "output_size", size, n)
    ratios = (ratio,) * n if isinstance(ratio, (int, float)) else tuple(ratio)
    if len(ratios) != n:
        raise ValueError(f"{what}: requires output_ratio to either be a single number or {n}, got {ratio}")
    return tuple(int(e * r) for e, r in zip(spatial, ratios, strict=True))


def _fractional(n: int, with_indices: bool = False) -> Any:
    name = f"fractional_max_pool{n}d"

    def pool(
        input: Tensor,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> Any:
        x = check_float(name, input)
        if x.ndim not in (n + 1, n + 2) or 0 in x.shape[-n - 1 :]:
            raise RuntimeError(
                f"{name}: Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size "
                f"for input, but got: {list(x.shape)}"
            )
        spatial = tuple(x.shape[-n:])
        out = _out_size(name, n, spatial, output_size, output_ratio)
        window = sizes(name, "kernel_size", kernel_size, n)
        planes = (1, x.shape[0]) if x.ndim == n + 1 else tuple(x.shape[:2])
        samples = rand(*planes, n, dtype=x.dtype) if _random_samples is None else _random_samples
        if any(o < 1 or o + k - 1 > e for o, k, e in zip(out, window, spatial, strict=True)):
            raise RuntimeError(
                f"{name}: windows of {window} with output_size {out} don't fit into an input of {spatial}"
            )
        if samples.ndim != 3 or samples.shape[0] < planes[0] or tuple(samples.shape[1:]) != (planes[1], n):
            raise RuntimeError(
                f"{name}: Expected _random_samples of shape {(*planes, n)}, got {tuple(samples.shape)}"
            )
        at = _positions(samples[: planes[0]], spatial, out, window)
        seen = flat(x, *planes, numel(spatial)).gather(2, flat(at, *planes, numel(out) * numel(window)))
        best = flat(seen, *planes, numel(out), numel(window)).max(-1)
        index = at.gather(3, best.indices.unsqueeze(-1)).squeeze(-1)
        shape = (*x.shape[:-n], *out)
        values, index = flat(best.values, *shape), flat(index, *shape)
        return (values, index) if return_indices or with_indices else values

    return _named(
        pool,
        name + ("_with_indices" if with_indices else ""),
        f"""The largest element of windows at random places of (N, C, {_SPATIAL[n]}) or (C, {_SPATIAL[n]}){
            ", and its position" if with_indices else ""
        }. (Fractional max-pooling, 2014.)

    The windows are `kernel_size` wide, as many as `output_size` says, or so large a share of the input's size
    as `output_ratio`, and at about the same distances. With `return_indices` positions are given, too, as
    flat numbers in the spatial dimensions. `_random_samples` (N, C, {
            n
        }) in [0, 1) say where the windows are, else
    they are drawn. ValueError or RuntimeError for sizes that don't fit.

    >>> import flambeau as torch
    >>> x = torch.randn(2, 3, {", ".join(["8"] * n)})
    >>> torch.nn.functional.{name}(x, 2, output_ratio=0.5).shape
    torch.Size([2, 3, {", ".join(["4"] * n)}])
    """,
    )


def _positions(samples: Tensor, spatial: Shape, out: Shape, window: Shape) -> Tensor:
    """Flat numbers of the elements that each window shows: (N, C, windows, elements)."""
    n, planes = len(spatial), samples.shape[:2]
    total: Any = 0
    for d in range(n):
        u = samples[..., n - 1 - d if n == 2 else d]  # PyTorch draws the columns' before the rows' in images
        rows = _starts(u, spatial[d], out[d], window[d]).unsqueeze(-1) + arange(window[d])
        shape = [1] * (2 * n)
        shape[d], shape[n + d] = out[d], window[d]
        total = total * spatial[d] + flat(rows, *planes, *shape)
    return flat(total, *planes, numel(out), numel(window))


fractional_max_pool2d = in_float32(_fractional(2))
fractional_max_pool3d = in_float32(_fractional(3))
fractional_max_pool2d_with_indices = in_float32(_fractional(2, True))
fractional_max_pool3d_with_indices = in_float32(_fractional(3, True))
