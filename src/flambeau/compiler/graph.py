"""The compiler's graph: the values of one program, each an operation on others.

The specification, which `verify` checks:
- a value's inputs come before it; leaves have no inputs and no operation but `leaf` or `const`;
- shape and dtype are those of the result (a tuple of each for an operation with several results, which only
  `pick` reads);
- attributes are hashable; operations with an effect keep their order;
- outputs are values of the graph.

A pass takes a graph and gives another one. `str(graph)` is Python that builds the graph again, by `parse`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from ..core.dtype import ALL, RARE, dtype
from ..core.node import ALIAS, LEAF
from ..core.program import Trace

Shape = tuple[int, ...]
registry: dict[str, Any] = {}  # the operations' records by name; the package's root fills it


class Marker:
    """An operation that only the compiler knows."""

    kind, effect, writes, widens, checks, results = "marker", False, False, False, False, 1
    lower: Any = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


CONST = Marker("const")  # a number that the compiler knows: 0-d, its attribute is the number
_MARKERS = {op.name: op for op in (CONST, ALIAS)}


class Value:
    """One operation's result. `number` is its place in the graph that it was made for."""

    __slots__ = ("attrs", "dtype", "inputs", "number", "op", "shape", "slot")

    def __init__(
        self, op: Any, inputs: tuple[Value, ...], attrs: tuple[Any, ...], shape: Any, d: Any
    ) -> None:
        self.op, self.inputs, self.attrs, self.shape, self.dtype = op, inputs, attrs, shape, d
        self.number = -1
        self.slot = -1  # of the program's value that this is; -1 if it is the compiler's own

    @property
    def rank(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"v{self.number}"


class Graph:
    """Leaves, values in an order of computation (leaves included), and outputs."""

    def __init__(self, leaves: list[Value], outputs: list[Value], effects: list[Value]) -> None:
        self.leaves, self.outputs, self.effects = leaves, outputs, effects
        self.values = _ordered([*leaves, *effects, *outputs])

    def users(self) -> dict[Value, list[Value]]:
        """For each value, those that read it (once for each time)."""
        users: dict[Value, list[Value]] = {v: [] for v in self.values}
        for v in self.values:
            for x in v.inputs:
                users[x].append(v)
        return users

    def names(self) -> dict[Value, str]:
        """What values are called in this graph's text (their own numbers are those of the last graph that
        they are in)."""
        return {v: f"v{i}" for i, v in enumerate(self.values)}

    def __str__(self) -> str:
        names = self.names()

        def listed(values: Iterable[Value]) -> str:
            return ", ".join(names[v] for v in values)

        lines = []
        for v in self.values:
            spec = f"{v.shape!r}, {_text(v.dtype)}"
            if v.op is LEAF:
                lines.append(f"{names[v]} = leaf({spec})")
            else:
                args = ", ".join([repr(v.op.name), _text(v.attrs), spec, *(names[x] for x in v.inputs)])
                lines.append(f"{names[v]} = value({args})")
        lines += [f"effects({listed(self.effects)})"] if self.effects else []
        return "\n".join([*lines, f"outputs({listed(self.outputs)})"])


def _text(a: Any) -> str:
    """An attribute as `parse` reads it: dtypes by name, objects such as random generators as `given`."""
    if type(a) is tuple:
        return f"({_text(a[0])},)" if len(a) == 1 else f"({', '.join(map(_text, a))})"
    if isinstance(a, dtype):
        return a.name
    return repr(a) if a is None or isinstance(a, (bool, int, float, complex, str)) else "given"


def parse(text: str, given: Any = None) -> Graph:
    """The graph that `str` has written down; `given` takes the place of attributes that text can't say.

    >>> from flambeau.compiler.graph import parse
    >>> text = "x = leaf((2, 3), float32)\\ny = value('exp', (), (2, 3), float32, x)\\noutputs(y)"
    >>> print(parse(text))
    v0 = leaf((2, 3), float32)
    v1 = value('exp', (), (2, 3), float32, v0)
    outputs(v1)
    """
    leaves: list[Value] = []
    outputs: list[Value] = []
    effects: list[Value] = []

    def leaf(shape: Shape, d: dtype) -> Value:
        leaves.append(Value(LEAF, (), (len(leaves),), shape, d))
        return leaves[-1]

    def made(name: str, attrs: tuple[Any, ...], shape: Any, d: Any, *inputs: Value) -> Value:
        return Value(_MARKERS.get(name) or registry[name], inputs, attrs, shape, d)

    names: dict[str, Any] = {d.name: d for d in (*ALL, *RARE)}
    names |= {"inf": math.inf, "nan": math.nan, "given": given}
    build = {"leaf": leaf, "value": made}
    ends = {"outputs": lambda *vs: outputs.extend(vs), "effects": lambda *vs: effects.extend(vs)}
    exec(text, names | build | ends)
    return Graph(leaves, outputs, effects)


def _ordered(roots: Iterable[Value]) -> list[Value]:
    """The values that the roots need, inputs first, in the order of the roots; numbers them."""
    order: list[Value] = []
    seen: set[Value] = set()
    for root in roots:
        stack = [(root, False)]
        while stack:
            v, ready = stack.pop()
            if ready:
                v.number = len(order)
                order.append(v)
            elif v not in seen:
                seen.add(v)
                stack.append((v, True))
                stack.extend((x, False) for x in reversed(v.inputs) if x not in seen)
    return order


def from_trace(work: Trace) -> Graph:
    """The graph of one realize's program."""
    values: list[Value] = []
    leaves: list[Value] = []
    for slot, node in enumerate(work.leaves):
        leaf = Value(LEAF, (), (slot,), tuple(node.shape), node.dtype)
        leaf.slot = slot
        leaves.append(leaf)
    values += leaves
    for step, node in zip(work.program.steps, work.nodes, strict=True):
        v = Value(step.op, tuple(values[i] for i in step.inputs), step.attrs, node.shape, node.dtype)
        v.slot = step.out
        values.append(v)
    effects = [v for v in values if v.op is not LEAF and v.op.effect]
    return Graph(leaves, [values[slot] for slot in work.program.outputs], effects)


def rewrite(graph: Graph, rule: Callable[[Value, tuple[Value, ...]], Value]) -> Graph:
    """The graph with each value that isn't a leaf replaced by `rule(value, its new inputs)`."""
    new: dict[Value, Value] = {leaf: leaf for leaf in graph.leaves}
    for v in graph.values:
        if v not in new:
            made = rule(v, tuple(new[x] for x in v.inputs))
            if made.slot < 0 and made.op is not CONST:
                made.slot = v.slot
            new[v] = made
    return Graph(graph.leaves, [new[v] for v in graph.outputs], [new[v] for v in graph.effects])


def same(v: Value, inputs: tuple[Value, ...]) -> Value:
    """`v` with other inputs; itself if they are its own."""
    if inputs == v.inputs:
        return v
    made = Value(v.op, inputs, v.attrs, v.shape, v.dtype)
    made.slot = v.slot
    return made


def verify(graph: Graph) -> None:
    """ValueError if the graph breaks the specification."""
    seen: set[Value] = set()
    for i, v in enumerate(graph.values):
        for x in v.inputs:
            if x not in seen:
                raise ValueError(f"{v} = {v.op.name} reads {x}, which doesn't come before it")
        if v.number != i:
            raise ValueError(f"{v} has number {v.number} at place {i}")
        if v.op in (LEAF, CONST) and v.inputs:
            raise ValueError(f"{v} = {v.op.name} has inputs")
        if v.op.name != "pick" and any(type(x.dtype) is tuple for x in v.inputs):
            raise ValueError(f"{v} = {v.op.name} reads several results at once; only pick may")
        hash(v.attrs)
        if type(v.dtype) is not tuple and not (isinstance(v.shape, tuple) and isinstance(v.dtype, dtype)):
            raise ValueError(f"{v} = {v.op.name}: shape {v.shape!r}, dtype {v.dtype!r}")
        seen.add(v)
    for v in graph.outputs:
        if v not in seen:
            raise ValueError(f"the output {v.op.name} is no value of the graph")


# ----- building -----


def value(name: str, inputs: tuple[Value, ...], attrs: tuple[Any, ...], shape: Shape, d: dtype) -> Value:
    """A value of an operation by name."""
    return Value(registry[name], inputs, attrs, shape, d)


def const(number: float, d: dtype) -> Value:
    """A number that the compiler knows."""
    return Value(CONST, (), (number,), (), d)


def pointwise(name: str, *xs: Value, d: dtype | None = None) -> Value:
    """A pointwise operation on values of one dtype, whose shapes broadcast."""
    shape: Shape = ()
    for x in xs:
        shape = _broadcast(shape, x.shape)
    op = registry[name]
    return Value(op, xs, (), shape, d or op.result(xs[-1].dtype))


def cast(x: Value, d: dtype) -> Value:
    """`x` as another dtype."""
    return x if x.dtype is d else value("cast", (x,), (d,), x.shape, d)


def reduce(name: str, x: Value, dims: Shape, keepdim: bool = True) -> Value:
    """A reduction over `dims`."""
    shape = tuple(1 if i in dims else e for i, e in enumerate(x.shape) if keepdim or i not in dims)
    return value(name, (x,), (dims, keepdim), shape, registry[name].result(x.dtype))


def reshape(x: Value, shape: Shape) -> Value:
    """`x` with another shape."""
    return x if x.shape == shape else value("reshape", (x,), (shape,), shape, x.dtype)


def _broadcast(a: Shape, b: Shape) -> Shape:
    if a == b:
        return a
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    return tuple(y if x == 1 else x for x, y in zip(a, b, strict=True))
