"""What loops compute: each value as an expression over the elements of stored values.

A value is *stored* if it has a buffer: leaves, outputs, what operations other than loops read or write, and
what would be dear to compute again. All others live only inside of the expressions of those who read them: a
pointwise operation is applied to its inputs' expressions, and a view moves the loads in them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from ..core import dtype as dt
from ..core.node import LEAF, numel
from .calls import Array, strides_of
from .expression import Expr
from .expression import const as constant
from .graph import CONST, Graph, Shape, Value
from .mathematics import possible

STORABLE = frozenset(
    (
        dt.float32,
        dt.float64,
        dt.bfloat16,
        dt.float16,
        dt.bool_,
        dt.int8,
        dt.uint8,
        dt.int16,
        dt.int32,
        dt.int64,
    )
)
COUNTER = -1  # the buffer number of loads whose elements are their own position: indices
_COMBINES = {
    "sum": "sum",
    "prod": "prod",
    "amax": "max",
    "amin": "min",
    "argmax": "argmax",
    "argmin": "argmin",
}
_CHEAP = 4  # operations that are rather done again than stored
_LARGE = 48  # operations in one expression
_SHORT = 64  # elements of a row, fewer of which are better added up together with the next row's
_DEAR = frozenset(
    [
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "atan2",
        "sinh",
        "cosh",
        "tanh",
        "asinh",
        "acosh",
        "atanh",
        "erf",
        "erfc",
        "erfinv",
        "sigmoid",
        "pow",
        "div",
        "sqrt",
        "rsqrt",
        "floordiv",
        "remainder",
        "fmod",
        "truncdiv",
    ]
)


class Piece(NamedTuple):
    """One store of a loop nest: `value`'s buffer gets, at `target`, the expression at each point of the
    domain `shape`, or its reduction by `combine` over `dims`. Loads hold arrays of the domain's shape."""

    value: Value
    expr: Expr
    shape: Shape
    target: Array
    combine: str = ""
    dims: Shape = ()
    whole: bool = True  # the piece gives all of the value


class Check(NamedTuple):
    """Truth values, over `shape`, none of which may hold; if one does, `value`'s operation raises its error
    over `inputs` (the first input of the operation isn't needed for that). What reads `value` waits for
    `token`."""

    value: Value
    wrong: Expr
    shape: Shape
    inputs: tuple[Array | None, ...]
    token: int


class Step(NamedTuple):
    """An operation that isn't done by loops, how its inputs lie in stored values, and its results'
    buffers."""

    value: Value
    inputs: tuple[Array, ...]
    results: tuple[int, ...]


class Load(NamedTuple):
    """What a load leaf refers to: elements of a stored value, and strides of computed indices. `token` stands
    for the checks that must have passed before."""

    array: Array
    gathers: Shape = ()
    token: int = COUNTER


def load(array: Array) -> Expr:
    """The elements of an array."""
    return Expr("load", (), array.dtype, Load(array))


def whole(v: Value) -> Array:
    """All of a stored value."""
    return Array(v.number, 0, v.shape, strides_of(v.shape), v.dtype)


def cost(e: Expr) -> int:
    """About how many operations an expression has, dear ones counting more."""
    seen: set[int] = set()
    total, stack = 0, [e]
    while stack:
        x = stack.pop()
        if id(x) not in seen:
            seen.add(id(x))
            stack.extend(x.args)
            total += 10 if x.op in _DEAR else (x.op not in ("load", "const", "cast"))
    return total


def loads(*roots: Expr) -> list[Expr]:
    """The load leaves of expressions, each once."""
    seen: dict[int, Expr] = {}
    stack = list(roots)
    while stack:
        x = stack.pop()
        if id(x) not in seen:
            seen[id(x)] = x
            stack.extend(x.args)
    return [x for x in seen.values() if x.op == "load"]


def replace(root: Expr, leaf: Callable[[Expr], Expr | None]) -> Expr:
    """The expression with its leaves replaced by `leaf(them)` (None: as they are; a leaf's computed indices
    have been replaced already)."""
    done: dict[int, Expr] = {}
    stack = [(root, False)]
    while stack:
        e, ready = stack.pop()
        if id(e) in done:
            continue
        if not ready:
            stack.append((e, True))
            stack.extend((a, False) for a in e.args)
            continue
        args = tuple(done[id(a)] for a in e.args)
        new = (
            e if all(a is b for a, b in zip(args, e.args, strict=True)) else Expr(e.op, args, e.dtype, e.data)
        )
        done[id(e)] = (leaf(new) or new) if e.op == "load" or not e.args else new
    return done[id(root)]


class _NoView(Exception):
    """The elements don't lie so that strides could show them."""


def moved(e: Expr, move: Callable[[Array], Array | None]) -> Expr | None:
    """The expression with every load's array moved; None if one can't be."""

    def leaf(x: Expr) -> Expr | None:
        if x.op != "load":
            return None
        array = move(x.data.array)
        if array is None:
            raise _NoView
        return Expr("load", x.args, x.dtype, x.data._replace(array=array))

    try:
        return replace(e, leaf)
    except _NoView:
        return None


def stretched(e: Expr, shape: Shape) -> Expr:
    """The expression over a larger domain, to which its own broadcasts."""

    def move(a: Array) -> Array:
        if a.shape == shape:
            return a
        own = (0,) * (len(shape) - len(a.shape)) + tuple(
            0 if e == 1 and n != 1 else s
            for e, n, s in zip(a.shape, shape[len(shape) - len(a.shape) :], a.strides, strict=True)
        )
        return Array(a.buffer, a.offset, shape, own, a.dtype)

    made = moved(e, move)
    assert made is not None
    return made


class Pieces:
    """Goes through a graph in order and cuts it into `units`: pieces for loops, and steps."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.units: list[Piece | Step | Check] = []
        self.users = {v: len(us) for v, us in graph.users().items()}
        self.stored: set[Value] = set()
        self.exprs: dict[Value, Expr] = {}
        self.buffers = len(graph.values)  # how many there are
        self.unread: dict[int, int] = {}  # those of results that nobody reads, with their bytes
        self.picks = {(v.inputs[0], v.attrs[0]): v for v in graph.values if v.op.name == "pick"}
        outputs = set(graph.outputs)
        for v in graph.values:
            self._add(v)
            if v in outputs and v not in self.stored and not self._is_part_of(v, outputs):
                self.store(v)

    def _is_part_of(self, v: Value, outputs: set[Value]) -> bool:
        """Whether a view shows elements that are going to be an array of their own anyway."""
        e = self.exprs.get(v)
        if e is None or e.op != "load" or e.args or e.data.array.buffer == COUNTER:
            return False
        base = (
            self.graph.values[e.data.array.buffer] if e.data.array.buffer < len(self.graph.values) else None
        )
        return base is not None and (base.op is LEAF or base in outputs) and base.dtype is v.dtype

    # ----- reading -----

    def access(self, v: Value) -> Expr:
        """The elements of a value, over its own shape."""
        return load(whole(v)) if v in self.stored else self.exprs[v]

    def array(self, v: Value) -> Array:
        """Where a value lies, so that an operation can read it; it gets a buffer if it has none."""
        e = self.access(v)
        if e.op != "load" or e.args or e.data.array.buffer == COUNTER or e.dtype is not v.dtype:
            self.store(v)
            e = self.access(v)
        array: Array = e.data.array
        return array

    def store(self, v: Value) -> None:
        """Gives a value a buffer, filled from its expression."""
        if v not in self.stored:
            self.piece(Piece(v, self.exprs[v], v.shape, whole(v)))
            self.stored.add(v)

    def check(self, v: Value, wrong: Expr, shape: Shape) -> None:
        """Has truth values looked at before what uses `v` is run: none may hold."""
        if numel(shape):
            inputs = tuple(self.array(x) if x.dtype.category == dt.INTEGER else None for x in v.inputs[1:])
            self.units.append(Check(v, wrong, shape, inputs, token_of(v)))

    def piece(self, p: Piece) -> None:
        """Adds a piece."""
        self.units.append(tidy(p))

    # ----- one value -----

    def _add(self, v: Value) -> None:
        if v.op is LEAF or v.op.name == "pick":
            self.stored.add(v)
            return
        made = None if type(v.dtype) is tuple else self._loops(v)
        if made is not None:
            self.exprs[v] = made
            if (self.users[v] > 1 and cost(made) > _CHEAP) or cost(made) > _LARGE:
                self.store(v)
        elif v not in self.stored:
            CHECKED.get(v.op.name, _unchecked)(self, v)
            self.units.append(Step(v, tuple(self.array(x) for x in v.inputs), self._results(v)))
            self.stored.add(v)

    def _results(self, v: Value) -> tuple[int, ...]:
        """The buffers of an operation's results: of several, those of the values that pick them."""
        if type(v.dtype) is not tuple:
            return (v.number,)
        buffers = []
        for i, (shape, d) in enumerate(zip(v.shape, v.dtype, strict=True)):
            pick = self.picks.get((v, i))
            if pick is None:
                self.unread[self.buffers] = numel(shape) * d.itemsize
                self.buffers += 1
            buffers.append(self.buffers - 1 if pick is None else pick.number)
        return tuple(buffers)

    def _loops(self, v: Value) -> Expr | None:
        """The expression of a value; None if it is no loop's, or has a buffer already."""
        if v.op is CONST:
            return constant(v.attrs[0], v.dtype)
        if v.dtype not in STORABLE or any(x.dtype not in STORABLE for x in v.inputs):
            return None
        if v.op.kind == "pointwise":
            return self._pointwise(v)
        if v.op.kind == "view":
            return self._view(v)
        if v.op.kind == "reduction":
            return self._reduction(v)
        parts = PARTS.get(v.op.name)
        return parts(self, v) if parts is not None else None

    def spread(self, x: Value, shape: Shape) -> Expr:
        """A value's elements over a larger domain; first stored if computing them again and again is dear."""
        if x not in self.stored and numel(shape) > numel(x.shape) > 1 and cost(self.exprs[x]) > 0:
            self.store(x)
        return self.access(x) if x.shape == shape else stretched(self.access(x), shape)

    def _pointwise(self, v: Value) -> Expr | None:
        if v.op.name in ("full", "tril", "triu"):
            return self._shaped(v)
        if v.op.lower is None:
            return None
        args = [self.spread(x, v.shape) for x in v.inputs]
        if v.op.widens:
            args = [a.cast(dt.float32) if a.dtype in dt.HALVES else a for a in args]
        made = v.op.lower(*args, *v.attrs)
        if made is NotImplemented or not _possible(v.op, tuple(a.dtype for a in args), v.attrs):
            return None
        cast: Expr = made.cast(v.dtype)
        return cast

    def _shaped(self, v: Value) -> Expr:
        """full(number), and what depends on the position: the lower and upper triangle."""
        x = self.spread(v.inputs[0], v.shape)
        if v.op.name == "full":
            return x.cast(v.dtype)
        zeros = (0,) * (v.rank - 2)
        i = load(Array(COUNTER, 0, v.shape, (*zeros, 1, 0), dt.int64))
        j = load(Array(COUNTER, 0, v.shape, (*zeros, 0, 1), dt.int64))
        inside = j - i <= v.attrs[0] if v.op.name == "tril" else j - i >= v.attrs[0]
        return Expr("where", (inside, x, constant(0, v.dtype)), v.dtype)

    def _view(self, v: Value) -> Expr | None:
        x = v.inputs[0]
        if x.dtype is not v.dtype or getattr(v.op, "layout_rule", None) is None:
            return None

        def move(a: Array) -> Array | None:
            layout = v.op.layout_rule(a.shape, a.strides, a.offset, *v.attrs)
            return None if layout is None else Array(a.buffer, layout[1], v.shape, tuple(layout[0]), a.dtype)

        repeats = v.op.name in ("as_strided", "unfold") or (v.op.name == "expand" and v.shape != x.shape)
        if repeats and numel(x.shape) > 1 and self.access(x).op != "load" and cost(self.access(x)) > 0:
            self.store(x)  # elements that are shown several times
        if v.op.name == "as_strided" and not _is_whole(self.access(x), x):
            self.store(x)
        made = moved(self.access(x), move)
        if made is None:
            self.store(x)
            made = moved(self.access(x), move)
        return made

    def _reduction(self, v: Value) -> Expr | None:
        combine = _COMBINES.get(v.op.name)
        x, (dims, _) = v.inputs[0], v.attrs
        if (
            combine is None
            or x.dtype is dt.bool_
            or (combine.startswith("arg") and not (len(dims) == 1 or len(dims) == x.rank))
        ):
            return None
        outer = tuple(n for d, n in enumerate(x.shape) if d not in dims)
        target = Array(v.number, 0, outer, strides_of(outer), v.dtype)
        made = joined(tidy(Piece(v, self._terms(x, combine), x.shape, target, combine, dims)))
        if made is None:
            self.store(x)
            made = joined(tidy(Piece(v, self._terms(x, combine), x.shape, target, combine, dims)))
            assert made is not None
        self.stored.add(v)
        self.piece(made)
        return None

    def _terms(self, x: Value, combine: str) -> Expr:
        """What a reduction goes over; sums of 16-bit floats are float32."""
        e = self.access(x)
        return e.cast(dt.float32) if combine in ("sum", "prod") and e.dtype in dt.HALVES else e

    # ----- values put together from parts -----

    def assemble(self, v: Value, parts: list[tuple[Expr, Array]]) -> None:
        """Fills a value's buffer part by part, in order."""
        self.stored.add(v)
        for e, target in parts:
            self.piece(Piece(v, e, target.shape, target, whole=False))


@lru_cache(maxsize=4096)
def _possible(op: Any, dtypes: tuple[dt.dtype, ...], attrs: tuple[Any, ...]) -> bool:
    """Whether the functions that an operation needs can be computed in these dtypes."""
    made = op.lower(*[Expr("load", (), d, i) for i, d in enumerate(dtypes)], *attrs)
    return possible(list(made) if type(made) is tuple else [made])


def token_of(v: Value) -> int:
    """What stands for the checks of a value where buffers are counted."""
    return -2 - v.number


def tidy(p: Piece) -> Piece:
    """A piece without the dimensions of one element."""
    dims = [d for d, e in enumerate(p.shape) if e != 1]
    if len(dims) < len(p.shape):
        p = _squeezed(p, dims)
    if p.combine and not p.dims:  # over one element
        arg = p.combine.startswith("arg")
        p = p._replace(expr=constant(0, dt.int64) if arg else p.expr.cast(p.target.dtype), combine="")
    return p


def joined(p: Piece) -> Piece | None:
    """A reduction over neighbouring dimensions that are short as one over a longer dimension; None if its
    elements don't lie so.

    How terms are grouped in a sum follows from the extents, so which are joined must follow from the shape:
    not from how elements lie in this program.
    """
    shape: list[int] = []
    dims: list[int] = []
    for d in range(len(p.shape) - 1, -1, -1):
        reduced = d in p.dims
        if reduced and dims and dims[-1] == len(shape) - 1 and shape[-1] < _SHORT:
            shape[-1] *= p.shape[d]
        else:
            shape.append(p.shape[d])
            dims += [len(shape) - 1] if reduced else []
    if len(shape) == len(p.shape):
        return p
    new = tuple(reversed(shape))
    expr = moved(p.expr, lambda a: reshaped(a, new))
    return (
        None
        if expr is None
        else p._replace(expr=expr, shape=new, dims=tuple(sorted(len(new) - 1 - d for d in dims)))
    )


def reshaped(a: Array, shape: Shape) -> Array | None:
    """An array seen with another shape; None if its elements don't lie so."""
    from .graph import registry

    layout = registry["reshape"].layout_rule(a.shape, a.strides, a.offset, shape)
    return None if layout is None else Array(a.buffer, layout[1], shape, tuple(layout[0]), a.dtype)


def reads_of(*roots: Expr) -> set[int]:
    """The buffers that expressions read, and the tokens of the checks that they wait for."""
    found = set()
    for x in loads(*roots):
        found |= {x.data.array.buffer, x.data.token}
    return found - {COUNTER}


def _is_whole(e: Expr, x: Value) -> bool:
    return (
        e.op == "load"
        and not e.args
        and e.data.array == Array(e.data.array.buffer, 0, x.shape, strides_of(x.shape), x.dtype)
    )


def _squeezed(p: Piece, dims: list[int]) -> Piece:
    """A piece over some dimensions of its domain (the others have one element)."""
    shape = tuple(p.shape[d] for d in dims)

    def move(a: Array) -> Array:
        return Array(a.buffer, a.offset, shape, tuple(a.strides[d] for d in dims), a.dtype)

    expr = moved(p.expr, move)
    assert expr is not None
    if not p.combine:
        return p._replace(expr=expr, shape=shape, target=move(p.target))
    kept = [d for d in range(len(p.shape)) if d not in p.dims]
    t = p.target
    places = [i for i, d in enumerate(kept) if d in dims]
    target = Array(
        t.buffer, t.offset, tuple(t.shape[i] for i in places), tuple(t.strides[i] for i in places), t.dtype
    )
    return p._replace(
        expr=expr, shape=shape, target=target, dims=tuple(dims.index(d) for d in p.dims if d in dims)
    )


def _concatenate(self: Pieces, v: Value) -> None:
    (dim,) = v.attrs
    start, out, parts = 0, whole(v), []
    for x in v.inputs:
        offset = start * out.strides[dim]
        parts.append((self.access(x), Array(v.number, offset, x.shape, out.strides, v.dtype)))
        start += x.shape[dim]
    self.assemble(v, parts)


def _pad(self: Pieces, v: Value) -> None:
    x, number = v.inputs
    out = whole(v)
    offset = sum(low * s for (low, _), s in zip(v.attrs[0], out.strides, strict=True))
    inside = Array(v.number, offset, x.shape, out.strides, v.dtype)
    self.assemble(v, [(self.spread(number, v.shape), out), (self.access(x), inside)])


def _scatter_view(view: str) -> Callable[[Pieces, Value], None]:
    def parts(self: Pieces, v: Value) -> None:
        from .graph import registry

        x, part = v.inputs
        out = whole(v)
        strides, offset = registry[view].layout_rule(v.shape, out.strides, 0, *v.attrs)
        target = Array(v.number, offset, part.shape, tuple(strides), v.dtype)
        self.assemble(v, [(self.access(x), out), (self.access(part), target)])

    return parts


def _flip(self: Pieces, v: Value) -> Expr | None:
    dims = v.attrs[0]

    def move(a: Array) -> Array:
        offset = a.offset + sum((a.shape[d] - 1) * a.strides[d] for d in dims if a.shape[d])
        return Array(
            a.buffer, offset, a.shape, tuple(-s if d in dims else s for d, s in enumerate(a.strides)), a.dtype
        )

    return moved(self.access(v.inputs[0]), move)


def _unchecked(self: Pieces, v: Value) -> None:
    """What needs no check."""


CHECKED: dict[str, Callable[[Pieces, Value], None]] = {}  # steps of kernels that must not meet bad indices
PARTS: dict[str, Callable[[Pieces, Value], Expr | None]] = {
    "concatenate": _concatenate,
    "pad": _pad,
    "slice_scatter": _scatter_view("slice"),
    "select_scatter": _scatter_view("select"),
    "diagonal_scatter": _scatter_view("diagonal"),
    "flip": _flip,
}
