"""Arrays as rows along one of their dimensions, for operations that go through a row in order."""

from __future__ import annotations

from ...core.node import numel
from ..calls import Array, Plan, strides_of
from ..expression import load
from ..nest import Nest, Phase, Store
from .nest import plan_nest


def copy(plan: Plan, x: Array, y: Array) -> None:
    """Adds the calls that copy x to y."""
    phase = Phase(stores=(Store(1, load(0, x.dtype)),))
    plan_nest(plan, Nest(x.shape[:-1], x.shape[-1:], False, (x, y), (phase,)))


def contiguous(plan: Plan, x: Array) -> Array:
    """x, copied unless its elements lie in order."""
    if x.contiguous:
        return x
    y = plan.array(x.shape, x.dtype)
    copy(plan, x, y)
    return y


def last(x: Array, dim: int) -> Array:
    """The same elements with a dimension moved to the end."""
    order = (*range(dim), *range(dim + 1, len(x.shape)), dim)
    return x._replace(shape=tuple(x.shape[d] for d in order), strides=tuple(x.strides[d] for d in order))


def as_rows(x: Array) -> Array:
    """A contiguous array as (rows, elements of the last dimension)."""
    n = x.shape[-1]
    count = numel(x.shape[:-1])
    return x._replace(shape=(count, n), strides=(n, 1))


def gathered(plan: Plan, x: Array, dim: int) -> Array:
    """The rows along a dimension, contiguous: (rows, elements)."""
    return as_rows(contiguous(plan, last(x, dim)))


def target(plan: Plan, out: Array, dim: int) -> Array:
    """Where to write rows of results: the result itself where they lie in order there, or scratch memory."""
    there = last(out, dim)
    return as_rows(there if there.contiguous else plan.array(there.shape, out.dtype))


def spread(plan: Plan, rows: Array, out: Array, dim: int) -> None:
    """Adds the calls that bring rows of results from scratch memory to their places."""
    if rows.buffer != out.buffer:
        there = last(out, dim)
        copy(plan, rows._replace(shape=there.shape, strides=strides_of(there.shape)), there)
