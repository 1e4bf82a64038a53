"""The kinds of operations: each owns the shape rule, the dtype rule, and the call of its operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from ..core import dtype as dt
from ..core.dtype import FLOAT, dtype
from ..core.ghost import haunted, record_ghost
from ..core.gradient import attach
from ..core.modes import modes
from ..core.node import Node, numel, scalar
from ..core.realize import recorder, user_line
from ..core.record import look_now, record, record_many, record_view, submit
from ..core.storage import contiguous_strides
from ..core.tensor import Tensor, make
from .op import Op, wrap_dims
from .samples import Sample

_new = object.__new__
REAL = (dt.BOOL, dt.FLOAT)  # what operations accept: the lowest and the highest category
NO_BOOL = (dt.INTEGER, dt.COMPLEX)
NO_BOOL_REAL = (dt.INTEGER, dt.FLOAT)
WHOLE = (dt.BOOL, dt.INTEGER)
FLOATING = (dt.FLOAT, dt.COMPLEX)
Number = bool | int | float | complex


# ----- pointwise -----


@lru_cache(maxsize=8192)
def broadcast(what: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape of operands; RuntimeError if two extents differ and neither is 1."""
    rank = max(map(len, shapes))
    out = []
    for i in range(-rank, 0):
        extent = 1
        for shape in shapes:
            e = shape[i] if -i <= len(shape) else 1
            if e != 1 and extent not in (1, e):
                listed = ", ".join(str(tuple(s)) for s in shapes)
                raise RuntimeError(
                    f"{what}: shapes {listed} don't broadcast: The size of tensor a ({extent}) must match "
                    f"the size of tensor b "
                    f"({e}) at non-singleton dimension {i + rank}; reshape or expand one of them"
                )
            extent = extent if e == 1 else e
        out.append(extent)
    return tuple(out)


def opmath(d: dtype) -> dtype:
    """The dtype in which operations on `d` compute: float32 for the 16-bit types."""
    return dt.float32 if d in dt.HALVES else d


class Once:
    """A Python number that is an operand of several operations: made into a leaf once for each dtype."""

    __slots__ = ("nodes", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.nodes: dict[dtype, Node] = {}

    def node(self, d: dtype) -> Node:
        """The number as an operand of dtype `d`."""
        node = self.nodes.get(d)
        if node is None:
            node = self.nodes[d] = number_node("number", self.value, d)
        return node


def number_node(what: str, value: Any, d: dtype) -> Node:
    """A Python number as an operand of dtype `d`."""
    if type(value) is Once:
        return value.node(d)
    try:
        return scalar(value, opmath(d))
    except OverflowError:
        raise _overflow(what, value, d) from None


def exact_number(what: str, value: Any, d: dtype) -> Node:
    """As `number_node`; RuntimeError for a number outside of the dtype's range (negative ones may wrap around
    in unsigned types)."""
    if (type(value) is float or type(value) is int) and 0 <= value <= 1:  # all types have these
        return number_node(what, value, d)
    if isinstance(value, complex) and not d.is_complex and value.imag:
        raise _overflow(what, value, d)
    low, high = _limits(d.to_real())
    for part in (value.real, value.imag):
        fits = low <= part <= high or (d.category >= dt.FLOAT and not math.isfinite(part))
        if not fits and d.category != dt.BOOL:
            raise _overflow(what, value, d)
    return number_node(what, value, d)


@lru_cache
def _limits(d: dtype) -> tuple[float, float]:
    if d.category <= dt.INTEGER:
        high = 1 if d is dt.bool_ else int(np.iinfo(d.np).max)
        return (-high - d.is_signed, high)
    return (-float(ml_dtypes.finfo(d.np).max), float(ml_dtypes.finfo(d.np).max))  # type: ignore[no-untyped-call]


def _overflow(what: str, value: Any, d: dtype) -> RuntimeError:
    return RuntimeError(f"{what}: value {value!r} cannot be converted to type {d.name} without overflow")


def result_type(what: str, operands: Sequence[Any]) -> dtype:
    """The promoted dtype of tensors and Python numbers."""
    groups: list[dtype | None] = [None, None, None]
    for x in operands:
        if isinstance(x, Tensor):
            i, d = (0 if x._node.shape else 1), x._node.dtype
        else:
            i, d = 2, _scalar_type(what, x.value if type(x) is Once else x)
        groups[i] = d if groups[i] is None else dt.promote_types(groups[i], d)
    return dt.combine(*groups)


def _scalar_type(what: str, x: object) -> dtype:
    try:
        return dt.of_scalar(x)
    except TypeError:
        raise TypeError(f"{what}: expected a Tensor or a number, got {type(x).__name__}") from None


def same(d: dtype) -> dtype:
    """Computes in, or gives, the operands' common dtype."""
    return d


def floating(d: dtype) -> dtype:
    """Integers and booleans become the default float dtype."""
    return d if d.category >= dt.FLOAT else dt.get_default_dtype()


def boolean(d: dtype) -> dtype:
    """Gives truth values."""
    return dt.bool_


def real(d: dtype) -> dtype:
    """Gives the real type of a complex one."""
    return d.to_real()


class Pointwise(Op):
    """Element by element, with broadcasting: operands are cast to `compute(promoted dtype)`, the result is of
    `result(that)`."""

    kind = "pointwise"
    compute: Callable[[dtype], dtype] = staticmethod(same)
    result: Callable[[dtype], dtype] = staticmethod(same)
    takes_floats = True

    def __call__(self, *operands: Any) -> Tensor:
        """Records the operation on tensors and Python numbers (at least one tensor)."""
        if len(operands) == 2:  # the commonest cases first, for speed: what follows them gives the same
            x, y = operands
            if isinstance(x, Tensor):
                xn = x._node if x._storage is None else x._current()
                d = xn.dtype
                if d.category == FLOAT and self.takes_floats:
                    if isinstance(y, Tensor):
                        yn = y._node if y._storage is None else y._current()
                        if yn.dtype is d:
                            shape = (
                                xn.shape if yn.shape == xn.shape else broadcast(self.name, xn.shape, yn.shape)
                            )
                            node = Node(self, (xn, yn), (), shape, self.result(d))
                            return self._finish(node, (xn, yn), (x._edge, y._edge))
                    elif type(y) is float or type(y) is int:
                        yn = number_node(self.name, y, d)
                        node = Node(self, (xn, yn), (), xn.shape, self.result(d))
                        return self._finish(node, (xn, yn), (x._edge, None))
        elif len(operands) == 1 and isinstance(operands[0], Tensor):
            x = operands[0]
            xn = x._node if x._storage is None else x._current()
            if xn.dtype.category == FLOAT and self.takes_floats:
                return self._finish(Node(self, (xn,), (), xn.shape, self.result(xn.dtype)), (xn,), (x._edge,))
        elif len(operands) > 2:
            alike = self._alike(operands)
            if alike is not None:
                edges = tuple([x._edge if isinstance(x, Tensor) else None for x in operands])
                return self._finish(alike, alike.inputs, edges)
        return self._general(operands)

    def _alike(self, operands: Sequence[Any]) -> Node | None:
        """The node for tensors of one shape and floating dtype, and numbers; None if they aren't."""
        first = operands[0]
        if not isinstance(first, Tensor) or first._node.dtype.category != FLOAT or not self.takes_floats:
            return None
        shape, d = first._node.shape, first._node.dtype
        nodes = []
        for x in operands:
            kind = type(x)
            if kind is Once:
                nodes.append(x.nodes.get(d) or x.node(d))
            elif kind is float or kind is int:
                nodes.append(number_node(self.name, x, d))
            elif isinstance(x, Tensor):
                n = x._node if x._storage is None else x._current()
                if n.dtype is not d or n.shape != shape:
                    return None
                nodes.append(n)
            else:
                return None
        return Node(self, tuple(nodes), (), shape, self.result(d))

    def _general(self, operands: Sequence[Any]) -> Tensor:
        promoted = result_type(self.name, operands)
        if not any(isinstance(x, Tensor) for x in operands):
            raise TypeError(
                f"{self.name}: one operand must be a Tensor, got {', '.join(map(repr, operands))}; make one "
                f"with torch.tensor()"
            )
        self.check_dtype(promoted)
        d = self.compute(promoted)
        nodes, edges = [], []
        for x in operands:
            if isinstance(x, Tensor):
                if x._node.dtype is not d:
                    x = cast(x, d)
                nodes.append(x._current())
                edges.append(x._edge)
            else:
                nodes.append(number_node(self.name, x, d))
                edges.append(None)
        shape = nodes[0].shape
        for n in nodes:
            if n.shape != shape:
                shape = broadcast(self.name, *[n.shape for n in nodes])
                break
        ins = tuple(nodes)
        return self._finish(Node(self, ins, (), shape, self.result(d)), tuple(nodes), tuple(edges))

    def _finish(self, node: Node, nodes: tuple[Any, ...], edges: tuple[Any, ...]) -> Tensor:
        if recorder.ghosts and haunted(nodes):
            return record_ghost(self, nodes, edges, (), node.shape, node.dtype)
        if recorder.shared:
            nodes = look_now(node)
        t = _new(Tensor)
        t._node = node
        for e in edges:
            if e is not None:
                attach(t, self, (), nodes, edges, node)
                break
        if self.checks:
            node.site = user_line()
        submit(node)
        return t


def pointwise(
    name: str,
    numpy: Callable[..., Any],
    *,
    inputs: str = "x",
    compute: Any = same,
    result: Any = same,
    **rest: Any,
) -> Pointwise:
    """A pointwise operation's record."""
    op = Pointwise(name, numpy, inputs=inputs, **rest)
    op.compute, op.result = compute, result
    op.takes_floats = op.accepts[0] <= FLOAT <= op.accepts[1]
    return op


def _cast_numpy(x: np.ndarray, d: dtype) -> np.ndarray:
    if x.dtype.kind == "c" and not d.is_complex and d is not dt.bool_:
        x = x.real
    if d is dt.float8_e4m3fn and x.dtype != d.np:  # it has no infinity
        most = ml_dtypes.finfo(d.np).max  # type: ignore[no-untyped-call]
        return np.clip(x.astype(np.float32), -np.float32(most), np.float32(most)).astype(d.np)
    if d.category == dt.INTEGER and x.dtype.kind in "fV":
        # By way of a wide integer, so that 300. -> uint8 wraps; what doesn't fit into that is its lowest
        # number, as on x86.
        wide = np.int64 if d.itemsize == 8 or d is dt.uint32 else np.int32
        whole, low = np.trunc(x.astype(np.float64)), float(np.iinfo(wide).min)
        x = np.where((whole >= low) & (whole < -low), whole, low).astype(wide)
    return x.astype(d.np)


class Cast(Op):
    """Conversion to another dtype."""

    kind = "pointwise"
    widens = False

    def __call__(self, x: Tensor, d: dtype) -> Tensor:
        return record(self, (x,), (d,), x._node.shape, d)


def _cast_samples() -> list[Sample]:
    x = np.array([[-2.7, 0.0, 1.5], [3.2, -0.4, 100.9]])
    targets = (dt.float32, dt.float16, dt.bfloat16, dt.int32, dt.bool_, dt.complex64)
    return [Sample((x,), {"d": d}) for d in targets] + [Sample((x > 1,), {"d": dt.float32})]


# The engine casts gradients to the dtype of what they belong to.
cast = Cast(
    "cast", _cast_numpy, lower=lambda x, d: x.cast(d), attrs="d", grad=lambda g: g, samples=_cast_samples,
    backward_name="ToCopy",
)  # fmt: skip


# ----- reductions -----


class Reduction(Op):
    """Over some dimensions: `op(x, dims, keepdim)` with dims a sorted tuple (all given: a number)."""

    kind = "reduction"
    compute: Callable[[dtype], dtype] = staticmethod(same)
    result: Callable[[dtype], dtype] = staticmethod(same)
    needs_elements = False  # has no value over nothing (max, argmax)

    def __call__(self, x: Tensor, dims: Any = None, keepdim: bool = False) -> Tensor:
        """Records the reduction of `x` over `dims` (None: all)."""
        shape = x._node.shape
        axes = wrap_dims(self.name, dims, len(shape))
        self.check_dtype(x._node.dtype)
        d = self.compute(x._node.dtype)
        if d is not x._node.dtype:
            x = cast(x, d)
        if self.needs_elements and any(shape[a] == 0 for a in axes):
            raise IndexError(
                f"{self.name}: Expected reduction dim to be specified with a non-zero size; the input of "
                f"shape {tuple(shape)} has no "
                f"elements along {axes}"
            )
        return record(self, (x,), (axes, keepdim), reduced_shape(shape, axes, keepdim), self.result(d))


@lru_cache(maxsize=4096)
def reduced_shape(shape: tuple[int, ...], dims: tuple[int, ...], keepdim: bool) -> tuple[int, ...]:
    """The shape after reducing over `dims`."""
    return tuple(1 if i in dims else e for i, e in enumerate(shape) if keepdim or i not in dims)


def reduction(
    name: str, numpy: Callable[..., Any], *, compute: Any = same, result: Any = same, **rest: Any
) -> Reduction:
    """A reduction's record: `numpy(x, dims, keepdim)`."""
    op = Reduction(name, numpy, inputs="x", attrs="dims keepdim", **rest)
    op.compute, op.result = compute, result
    return op


# ----- views -----

Layout = tuple[tuple[int, ...], int]


class ViewOp(Op):
    """Shows elements of the input elsewhere or differently, without copying.

    A record gives `shape(x_shape, *attrs)`, `layout(x_shape, strides, offset, *attrs)` (None where the
    elements don't lie so that a view can show them), and `put(x, part, *attrs)`: the input with what the view
    shows replaced.
    """

    kind = "view"
    widens = False
    shape_rule: Callable[..., tuple[int, ...]]
    layout_rule: Callable[..., Layout | None]
    put_rule: Callable[..., Tensor] | None = None
    dtype_rule: Callable[..., dtype] | None = None

    def __call__(self, x: Tensor, *attrs: Any) -> Tensor:
        """Records the view, which shares `x`'s storage; RuntimeError where there can't be one."""
        t = self.try_view(x, attrs)
        if t is None:
            raise RuntimeError(
                f"{self.name}: size {attrs} is not compatible with input tensor's size {tuple(x.shape)} and "
                f"stride {x.stride()} (at least one "
                "dimension spans across two contiguous subspaces). Use .reshape(...) instead."
            )
        return t

    def try_view(self, x: Tensor, attrs: tuple[Any, ...]) -> Tensor | None:
        """The view, or None where the elements don't lie so that there can be one."""
        shape, view = x._node.shape, x._view
        if recorder.tape is not None:  # whose numbers remember where they come from
            found = _view_of(self, shape, *x._layout(), attrs)
        elif view is None:
            found = _known_view_of_all(self, shape, attrs)
        else:
            found = _known_view(self, shape, view.strides, view.offset, attrs)
        return None if found is None else record_view(self, x, attrs, *found)

    def plain(self, x: Tensor, attrs: tuple[Any, ...]) -> Tensor:
        """The same values, but not tied to `x`'s storage (for values that are no tensor's memory yet)."""
        return record(self, (x,), attrs, self.shape_rule(x._node.shape, *attrs), self.dtype_of(x, attrs))

    def put(self, x: Tensor, part: Tensor, attrs: tuple[Any, ...]) -> Tensor:
        """`x` with the elements that the view shows replaced by `part`."""
        if self.put_rule is not None:
            return self.put_rule(x, part, *attrs)
        return put_by_number([(self, attrs)], x, part)

    def put_all(self, x: Tensor, part: Tensor, chain: list[Any]) -> Tensor:
        """`x` with the elements that a chain of views shows replaced by `part`."""
        return put_by_number([(step.op, step.attrs) for step in chain], x, part)

    def dtype_of(self, x: Tensor, attrs: tuple[Any, ...]) -> dtype:
        """The dtype of the view (that of `x` unless the record says otherwise)."""
        return x._node.dtype if self.dtype_rule is None else self.dtype_rule(x._node.dtype, *attrs)


def _view_of(
    op: ViewOp, shape: tuple[int, ...], strides: tuple[int, ...], offset: int, attrs: tuple[Any, ...]
) -> tuple[tuple[int, ...], Layout] | None:
    """A view's shape and layout; None where there can't be one."""
    layout = op.layout_rule(shape, strides, offset, *attrs)
    return None if layout is None else (op.shape_rule(shape, *attrs), layout)


def _view_of_all(
    op: ViewOp, shape: tuple[int, ...], attrs: tuple[Any, ...]
) -> tuple[tuple[int, ...], Layout] | None:
    return _view_of(op, shape, contiguous_strides(shape), 0, attrs)


_known_view, _known_view_of_all = lru_cache(4096)(_view_of), lru_cache(4096)(_view_of_all)


def put_by_number(steps: list[tuple[Any, tuple[Any, ...]]], x: Tensor, part: Tensor) -> Tensor:
    """The general way back: where the views show the numbers of `x`'s elements, there its part goes."""
    from .index import index_put
    from .view import as_complex, view_as_real, view_dtype

    if any(op is view_dtype for op, _ in steps):
        raise RuntimeError(
            "view: can't write through a view of other bits on a tensor that shows elements twice; clone() "
            "it first"
        )
    d, shape = x._node.dtype, x._node.shape
    where: np.ndarray = np.arange(numel(shape)).reshape(shape)
    if d.is_complex:  # two numbers an element
        where, x = 2 * where + 1j * (2 * where + 1), view_as_real.plain(x, ())
    for op, attrs in steps:
        where = op.numpy(where, *attrs)
    if part.is_complex():
        where, part = view_as_real.numpy(where), view_as_real.plain(part, ())
    places = make_constant(where.real.astype(np.int64).reshape(-1))
    flat = index_put(x.reshape(-1), part.reshape(-1), (places,), (0,), False)
    return flat.reshape(shape) if not d.is_complex else as_complex(flat.reshape((*shape, 2)))


def make_constant(array: np.ndarray) -> Tensor:
    """A tensor of an array that nobody else holds."""
    from ..core.node import leaf

    return make(leaf(array, dt.from_numpy(array.dtype)))


def view(
    name: str,
    numpy: Callable[..., Any],
    *,
    shape: Callable[..., Any],
    layout: Callable[..., Any],
    put: Callable[..., Any] | None = None,
    dtype: Any = None,
    **rest: Any,
) -> ViewOp:
    """A view's record."""
    op = ViewOp(name, numpy, **rest)
    op.shape_rule, op.layout_rule, op.put_rule, op.dtype_rule = shape, layout, put, dtype
    return op


# ----- everything else -----


class Custom(Op):
    """An operation with a rule of its own: `infer(*tensors, *attrs)` checks them and gives (shape, dtype).

    With `results` it gives a list of them, one a result.
    """

    kind = "opaque"
    infer: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        """Records the operation: tensors first, then the attributes, in the record's order."""
        n = len(args) - len(self.attrs)
        tensors, attrs = args[:n], args[n:]
        self.check_dtype(tensors[0]._node.dtype)
        if self.composition is not None and modes.grad and any(t._edge is not None for t in tensors):
            return self.composition(*args)
        found = self.infer(*args)
        if self.results > 1:
            return record_many(self, tensors, attrs, found)
        shape, d = found
        return record(self, tensors, attrs, tuple(shape), d)

    pick: Op


def custom(
    name: str, numpy: Callable[..., Any], infer: Callable[..., Any], kind: str, results: int = 1, **rest: Any
) -> Custom:
    """A record of kind `kind` with its own shape and dtype rule."""
    op = Custom(name, numpy, **rest)
    op.infer, op.kind, op.results = infer, kind, results
    return op


# Takes one of several results; the gradient goes through the operation itself (its edges are ports).
Custom.pick = Op("pick", lambda xs, i: xs[i], inputs="xs", attrs="i", samples=list, widens=False)


def keep_layout(shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Layout:
    """The layout rule of views that show all elements in place."""
    return strides, offset
