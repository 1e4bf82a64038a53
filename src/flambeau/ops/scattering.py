"""Combining elements at positions that are data: the product, or the extreme, of all that go to one place."""

from __future__ import annotations

from typing import Any

import numpy as np

from .index import _along, _check_range, _scatter_rule, gather, pad_to, scatter_add
from .kinds import REAL, custom
from .samples import Sample, spread


def _combine(f: np.ufunc, x: np.ndarray, index: np.ndarray, src: np.ndarray, dim: int) -> np.ndarray:
    if x.ndim == 0:
        x[...] = f.reduce(src.reshape(-1), initial=x, dtype=x.dtype)
        return x
    _check_range("scatter_reduce", index, x.shape[dim], dim)
    f.at(x, _along(index, dim), src[tuple(slice(0, e) for e in index.shape)])
    return x


def _cut(src: Any, shape: tuple[int, ...]) -> Any:
    """The part of `src` that has places to go to."""
    return src if tuple(src.shape) == tuple(shape) else src[tuple(slice(0, e) for e in shape)]


def _samples(**attrs: Any) -> list[Sample]:
    index = np.array([[0, 2, 1], [0, 1, 0]])
    return [
        Sample((spread((3, 4)), index, spread((2, 3), seed=1)), {"dim": 0, **attrs}),
        Sample((spread((2, 3)), index, spread((2, 4), seed=1)), {"dim": 1, **attrs}),
        Sample((spread((4,)), np.array([1, 1, 3]), spread((3,), seed=1)), {"dim": 0, **attrs}),
    ]


# ----- products -----


def _prod_x_grad(g: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    return g * scatter_prod(x.new_ones(x.shape), index, src, dim).conj()


def _prod_src_grad(g: Any, x: Any, index: Any, src: Any, out: Any, dim: int) -> Any:
    """The product at its place without the element itself: a quotient, but where the element is the only zero
    of `src` there the product of the others."""
    part = _cut(src, index.shape)
    zero = part == 0
    zeros = gather(scatter_add(x.new_zeros(x.shape), index, zero.to(x.dtype), dim), index, dim)
    alone = zero & (zeros == 1)
    others = scatter_prod(x, index, part.masked_fill(alone, 1), dim)
    quotient = gather(g * out.conj(), index, dim) / part.masked_fill(zero, 1).conj()
    return pad_to(gather(g * others.conj(), index, dim).where(alone, quotient), src.shape)


scatter_prod = custom(
    "scatter_prod", lambda x, index, src, dim: _combine(np.multiply, x, index, src, dim),
    _scatter_rule("scatter_reduce"), "scatter", inputs="x index src", attrs="dim", checks=True, writes=True,
    samples=_samples, grad={"x": _prod_x_grad, "src": _prod_src_grad}, backward_name="ScatterReduce",
)  # fmt: skip

# ----- extremes -----


def _share(g: Any, x: Any, index: Any, src: Any, out: Any, dim: int) -> Any:
    """The gradient for each of the elements that equal the extreme of their place: equal shares of it."""
    there = (_cut(src, index.shape) == gather(out, index, dim)).to(g.dtype)
    return g / scatter_add((x == out).to(g.dtype), index, there, dim).clamp_min(1)


def _extreme_src_grad(g: Any, x: Any, index: Any, src: Any, out: Any, dim: int) -> Any:
    is_best = _cut(src, index.shape) == gather(out, index, dim)
    return pad_to(gather(_share(g, x, index, src, out, dim), index, dim) * is_best, src.shape)


scatter_extreme = custom(
    "scatter_extreme",
    lambda x, index, src, dim, largest: _combine(np.maximum if largest else np.minimum, x, index, src, dim),
    lambda x, index, src, dim, largest: _scatter_rule("scatter_reduce")(x, index, src, dim), "scatter",
    inputs="x index src", attrs="dim largest", checks=True, writes=True, accepts=REAL,
    samples=lambda: [*_samples(largest=True), *_samples(largest=False)],
    grad={
        "x": lambda g, x, index, src, out, dim: _share(g, x, index, src, out, dim) * (x == out),
        "src": _extreme_src_grad,
    },
    backward_name="ScatterReduce",
)  # fmt: skip
