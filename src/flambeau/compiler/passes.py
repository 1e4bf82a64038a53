"""The passes over the graph, in their order: `PASSES`. Each is a function from a graph to a graph; its
docstring draws before -> after."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core import dtype as dt
from . import graph as g
from .graph import CONST, Graph, Value, rewrite, same

Expansion = Callable[..., Value]
_expansions: dict[str, Expansion] = {}


def _expansion(name: str) -> Callable[[Expansion], Expansion]:
    def register(f: Expansion) -> Expansion:
        _expansions[name] = f
        return f

    return register


def expand(graph: Graph) -> Graph:
    """softmax(x) -> e / sum(e), where e = exp(x - max(x)): what is a sweep or several, as loops that fuse.

    Inputs in 16 bits are computed with in float32, as the interpreter does, and the result is rounded once.
    """

    def rule(v: Value, inputs: tuple[Value, ...]) -> Value:
        f = _expansions.get(v.op.name)
        if f is None or any(x.dtype.category == dt.COMPLEX or (v.op.checks and 0 in x.shape) for x in inputs):
            return same(v, inputs)
        wide = inputs
        if v.op.widens:
            wide = tuple(g.cast(x, dt.float32) if x.dtype in dt.HALVES else x for x in inputs)
        made = g.reshape(g.cast(f(*wide, *v.attrs), v.dtype), v.shape)
        _blame(made, inputs, v.slot)
        return made

    return rewrite(graph, rule)


def _blame(made: Value, inputs: tuple[Value, ...], slot: int) -> None:
    """Says of what can fail in the place of an operation that it is this operation that has failed."""
    seen, stack = set(inputs), [made]
    while stack:
        v = stack.pop()
        if v not in seen:
            seen.add(v)
            stack.extend(v.inputs)
            if v.op.checks:
                v.slot = slot


def _numbers(shape: g.Shape, dims: g.Shape) -> int:
    return math.prod(shape[d] for d in dims)


@_expansion("mean")
def _mean(x: Value, dims: g.Shape, keepdim: bool = True) -> Value:
    total = g.reduce("sum", x, dims, keepdim)
    return g.pointwise("div", total, g.const(_numbers(x.shape, dims), x.dtype))


@_expansion("variance")
def _variance(x: Value, dims: g.Shape, keepdim: bool) -> Value:
    deviation = g.pointwise("sub", x, _mean(x, dims))
    return _mean(g.pointwise("mul", deviation, deviation), dims, keepdim)


@_expansion("standardize")
def _standardize(x: Value, eps: Value, dims: g.Shape) -> Value:
    count = g.const(max(_numbers(x.shape, dims), 1), x.dtype)
    deviation = g.pointwise("sub", x, g.pointwise("div", g.reduce("sum", x, dims), count))
    square = g.reduce("sum", g.pointwise("mul", deviation, deviation), dims)
    spread = g.pointwise("sqrt", g.pointwise("add", g.pointwise("div", square, count), eps))
    return g.pointwise("div", deviation, spread)


def _top(x: Value, dims: g.Shape) -> Value:
    return g.reduce("amax", x, dims)


@_expansion("softmax")
def _softmax(x: Value, dim: int) -> Value:
    if 0 in x.shape:
        return x
    e = g.pointwise("exp", g.pointwise("sub", x, _top(x, (dim,))))
    return g.pointwise("div", e, g.reduce("sum", e, (dim,)))


@_expansion("log_softmax")
def _log_softmax(x: Value, dim: int) -> Value:
    if 0 in x.shape:
        return x
    shifted = g.pointwise("sub", x, _top(x, (dim,)))
    total = g.reduce("sum", g.pointwise("exp", shifted), (dim,))
    return g.pointwise("sub", shifted, g.pointwise("log", total))


@_expansion("logsumexp")
def _logsumexp(x: Value, dims: g.Shape, keepdim: bool) -> Value:
    if 0 in x.shape:
        return g.pointwise("log", g.reduce("sum", x, dims, keepdim))
    top = _top(x, dims)
    top = g.value("where", (g.pointwise("isfinite", top), top, g.const(0, x.dtype)), (), top.shape, x.dtype)
    total = g.reduce("sum", g.pointwise("exp", g.pointwise("sub", x, top)), dims)
    return g.pointwise("add", g.pointwise("log", total), top)


@_expansion("euclid")
def _euclid(x: Value, dims: g.Shape, keepdim: bool) -> Value:
    return g.pointwise("sqrt", g.reduce("sum", g.pointwise("mul", x, x), dims, keepdim))


@_expansion("any")
def _any(x: Value, dims: g.Shape, keepdim: bool) -> Value:
    return _truth("amax", x, dims, keepdim)


@_expansion("all")
def _all(x: Value, dims: g.Shape, keepdim: bool) -> Value:
    return _truth("amin", x, dims, keepdim)


def _truth(name: str, x: Value, dims: g.Shape, keepdim: bool) -> Value:
    """Truth values as bytes, of which the largest or the smallest is the answer."""
    truth = x if x.dtype is dt.bool_ else g.pointwise("ne", x, g.const(0, x.dtype))
    return g.cast(g.reduce(name, g.cast(truth, dt.uint8), dims, keepdim), dt.bool_)


def _labels(x: Value, labels: Value, ignore: int) -> tuple[int, Value, Value]:
    """The classes' dimension, whether each label counts, and how many do."""
    found = g.pointwise("ne", labels, g.const(ignore, labels.dtype))
    count = g.reduce("sum", g.cast(found, x.dtype), tuple(range(labels.rank)), False)
    return (1 if x.rank > 1 else 0), found, count


@_expansion("cross_entropy")
def _cross_entropy(x: Value, labels: Value, ignore: int) -> Value:
    """The score is picked before the rest of log_softmax is done to it, so that this isn't done to others."""
    dim, found, count = _labels(x, labels, ignore)
    top = _top(x, (dim,))
    total = g.reduce("sum", g.pointwise("exp", g.pointwise("sub", x, top)), (dim,))
    score = g.value("pick_class", (x, labels), (ignore,), labels.shape, x.dtype)
    shifted = g.pointwise("sub", score, g.reshape(top, labels.shape))
    log = g.pointwise("sub", shifted, g.reshape(g.pointwise("log", total), labels.shape))
    log = g.value("where", (found, log, g.const(0, x.dtype)), (), labels.shape, x.dtype)
    total = g.reduce("sum", log, tuple(range(labels.rank)), False)
    return g.pointwise("neg", g.pointwise("div", total, count))


@_expansion("cross_entropy_grad")
def _cross_entropy_grad(grad: Value, x: Value, labels: Value, ignore: int) -> Value:
    dim, found, count = _labels(x, labels, ignore)
    zero = g.const(0, x.dtype)
    share = g.value("where", (found, g.pointwise("div", grad, count), zero), (), labels.shape, x.dtype)
    hot = g.value("place_class", (share, labels), (x.shape[dim], ignore), x.shape, x.dtype)
    thin = (*x.shape[:dim], 1, *x.shape[dim + 1 :])
    return g.pointwise("sub", g.pointwise("mul", _softmax(x, dim), g.reshape(share, thin)), hot)


MANY_TAPS = 16  # more of them make a sweep an expression than it pays to compile


@_expansion("resample")
def _resample(x: Value, rows: Value, weights: Value, back: Value, shares: Value, dim: int) -> Value:
    """As many gathers as each result has elements, each times its weights."""
    taps, extent = rows.shape
    shape = (*x.shape[:dim], extent, *x.shape[dim + 1 :])
    if taps > MANY_TAPS or 0 in shape:
        return g.value("resample", (x, rows, weights, back, shares), (dim,), shape, x.dtype)
    along = (extent, *(1,) * (x.rank - dim - 1))
    total: Value | None = None
    for k in range(taps):
        row = g.value("select", (rows,), (0, k), (extent,), rows.dtype)
        weight = g.reshape(g.value("select", (weights,), (0, k), (extent,), weights.dtype), along)
        term = g.pointwise("mul", g.value("index", (x, row), ((dim,),), shape, x.dtype), weight)
        total = term if total is None else g.pointwise("add", total, term)
    assert total is not None
    return total


# ----- algebra -----


def simplify(graph: Graph) -> Graph:
    """x * 1 -> x, cast(x, its own dtype) -> x, -(-x) -> x, clone(x) -> x, view(view(x)) of the same shape ->
    x: only what changes no bit of any result."""
    return rewrite(graph, _simpler)


def _simpler(v: Value, inputs: tuple[Value, ...]) -> Value:
    name = v.op.name
    x = inputs[0] if inputs else v
    if name in ("clone", "alias") or (name == "cast" and x.dtype is v.dtype):
        return x
    if name in ("mul", "div") and _is(inputs[1], 1) and x.shape == v.shape:
        return x
    if name == "sub" and _is(inputs[1], 0) and x.shape == v.shape:
        return x
    if name == "neg" and x.op.name == "neg":
        return x.inputs[0]
    if name in ("reshape", "expand") and x.shape == v.shape:
        return x
    if name == "reshape" and x.op.name == "reshape":
        return _simpler(Value(v.op, x.inputs, v.attrs, v.shape, v.dtype), x.inputs)
    if name in ("permute", "transpose") and v.attrs[0] == tuple(range(v.rank)):
        return x
    if name in ("permute", "transpose") and x.op.name in ("permute", "transpose"):
        order = tuple(x.attrs[0][d] for d in v.attrs[0])
        if order == tuple(range(v.rank)):
            return x.inputs[0]
        return Value(v.op, x.inputs, (order,), v.shape, v.dtype)
    if name == "overwrite":
        return _overwritten(v, inputs)
    return same(v, inputs)


def _is(x: Value, number: float) -> bool:
    return x.op is CONST and x.attrs[0] == number


def _overwritten(v: Value, inputs: tuple[Value, ...]) -> Value:
    """overwrite(old, new) -> new, broadcast: the old value is only there for its memory."""
    new = g.cast(inputs[1], v.dtype)
    return new if new.shape == v.shape else g.value("expand", (new,), (v.shape,), v.shape, v.dtype)


def merge(graph: Graph) -> Graph:
    """a = f(x), b = f(x) -> b is a (common subexpressions)."""
    known: dict[Any, Value] = {}

    def rule(v: Value, inputs: tuple[Value, ...]) -> Value:
        v = same(v, inputs)
        if v.op.effect:
            return v
        key = (v.op, tuple(id(x) for x in inputs), _exact(v.attrs), v.shape, v.dtype)
        return known.setdefault(key, v)

    return rewrite(graph, rule)


def _exact(attrs: tuple[Any, ...]) -> Any:
    """Attributes so that 1, 1.0 and True, or 0.0 and -0.0, differ."""
    return tuple((type(a), a.hex() if isinstance(a, float) else a) for a in attrs)


PASSES: tuple[Callable[[Graph], Graph], ...] = (expand, simplify, merge)


def run(graph: Graph, check: bool = False) -> Graph:
    """All passes in order; what nobody reads falls away after each. With `check`, the specification is
    verified in between."""
    for step in PASSES:
        graph = step(graph)
        if check:
            g.verify(graph)
    return graph
