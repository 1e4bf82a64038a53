"""The operation record, and how its gradient formulas are called.

A record says what is the operation's own: names of inputs and attributes, the NumPy reference, one gradient
formula an input, samples, and (for the compiler) its lowering. Its kind, a subclass in this room, owns shape
and dtype rules and the call.

A gradient formula is a function of tensors whose parameter names say what it needs: `g` (the gradient of the
result), `out` (the result), an input's name, `<input>_shape`, `<input>_dtype`, an attribute's name, `i` (the
input's number, for operations on many). Where there are several results, `g` and `out` are tuples. Only what
the wanted formulas name is saved. A formula need not undo broadcasting, cast, or care whether somebody wants
its result: the engine does.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from operator import index
from typing import TYPE_CHECKING, Any, ClassVar

from ..core.dtype import BOOL, COMPLEX, FLOAT, STORED, dtype
from ..core.gradient import GradNode, Port, Results, freed
from ..core.record import record
from ..core.tensor import Tensor, make

if TYPE_CHECKING:
    from .samples import Sample

Formula = Callable[..., Any]
# What is done with float8 numbers: moving them about, and what is right when done in float8 itself.
_MOVING = frozenset(("view", "movement", "gather", "scatter"))
_EXACT = frozenset((
    "clone", "concatenate", "where", "eq", "ne", "lt", "le", "gt", "ge", "mul", "neg", "isnan", "isinf",
    "isfinite", "abs",
))  # fmt: skip


class Op:
    """One operation. Calling it checks the arguments and records it."""

    registry: ClassVar[dict[str, Op]] = {}
    kind = "opaque"
    effect = False  # drawing random numbers: done even if nobody reads the result
    writes = (
        False  # the NumPy reference writes into its first argument (a copy, unless that is nobody else's)
    )
    widens = True  # inputs stored in 16 bits are computed with in float32
    results = 1
    checks = False  # can fail on values, so it remembers the user's line
    accepts = (BOOL, COMPLEX)  # the lowest and the highest dtype category that it takes
    joint = False  # one formula gives the gradients of all inputs; its `g` has None for results without one
    composition: Formula | None = None  # the same in other operations: done instead where gradients flow

    def __init__(
        self,
        name: str,
        numpy: Callable[..., Any],
        *,
        inputs: str = "x",
        attrs: str = "",
        grad: dict[str, Formula] | Formula | None = None,
        samples: Callable[..., Sequence[Sample]],
        lower: Callable[..., Any] | None = None,
        backward_name: str | None = None,
        **flags: Any,
    ) -> None:
        if name in self.registry:
            raise ValueError(f"the operation {name} is already there")
        self.name, self.numpy, self.samples, self.lower = name, numpy, samples, lower
        self.inputs, self.attrs = tuple(inputs.split()), tuple(attrs.split())
        self.many = inputs.rpartition(" ")[2].startswith("*")
        camel = re.sub(r"(?:^|_)([a-z0-9])", lambda m: m.group(1).upper(), name)
        self.backward_name = (backward_name or camel) + "Backward0"
        for flag, value in flags.items():
            getattr(self, flag)  # a misspelt flag is an error
            setattr(self, flag, value)
        self.grads = None if grad is None else self._formulas(grad)
        self._saves: dict[Any, tuple[frozenset[int] | range, bool]] = {}
        self.registry[name] = self

    def __repr__(self) -> str:
        return self.name

    # ----- differentiation -----

    def _formulas(self, grad: dict[str, Formula] | Formula) -> list[tuple[Formula, list[str]] | None]:
        """One (formula, names of its parameters) an input; a single formula serves the first input, a joint
        one all."""
        served = self.inputs if self.joint else self.inputs[:1]
        by_name = grad if isinstance(grad, dict) else dict.fromkeys(served, grad)
        unknown = set(by_name) - {n.lstrip("*") for n in self.inputs}
        if unknown:
            raise ValueError(f"{self.name}: gradients for {unknown}, which are no inputs")
        rules: list[tuple[Formula, list[str]] | None] = []
        for name in self.inputs:
            f = by_name.get(name.lstrip("*"))
            rules.append(None if f is None else (f, list(inspect.signature(f).parameters)))
        self._places = {n: self._place(n) for rule in rules if rule for n in rule[1]}
        return rules

    def rule(self, i: int) -> tuple[Formula, list[str]] | None:
        """The gradient formula for input number `i`."""
        assert self.grads is not None
        return self.grads[min(i, len(self.grads) - 1)]

    def saves(self, edges: tuple[Any, ...]) -> tuple[frozenset[int] | range, bool]:
        """Which inputs, and whether the result, the formulas for the inputs with an edge need."""
        n = len(edges)
        wanted = tuple([e is not None for e in edges]) if n > 1 and None in edges else n
        known = self._saves.get(wanted)
        if known is None:
            names: set[str] = set()
            for i in range(
                n
            ):  # of a single input always: like PyTorch, what nobody is going to need is saved
                rule, want = self.rule(i), wanted == n or edges[i] is not None
                if want and rule is not None:
                    names.update(rule[1])
            need = frozenset(i for i, n in enumerate(self.inputs) if n in names)
            first = range(len(need))
            known = self._saves[wanted] = (first if need == {*first} else need, "out" in names)
        return known

    def gradient(self, fn: GradNode, i: int, g: Any) -> Any:
        """The gradient towards input `i` (all gradients from a joint formula); None if there is none."""
        rule = self.rule(i)
        if rule is None:
            return None
        formula, names = rule
        return formula(*[self._argument(fn, i, g, *self._places[name]) for name in names])

    def _place(self, name: str) -> tuple[str, int]:
        """What a formula's parameter is, and the number of the input or attribute it stands for."""
        if name in ("g", "i", "out"):
            return name, 0
        if name in self.inputs:
            return "saved", self.inputs.index(name)
        if name in self.attrs:
            return "attr", self.attrs.index(name)
        of, _, what = name.rpartition("_")
        if of not in self.inputs or what not in ("shape", "dtype"):
            raise ValueError(
                f"{self.name}: a gradient formula asks for {name}, which is no input and no attribute"
            )
        return what, self.inputs.index(of)

    def _argument(self, fn: GradNode, i: int, g: Any, what: str, number: int) -> Any:
        if what == "g":
            return g
        if what == "saved":
            return saved_input(fn, number) if number < len(fn.specs) else None  # an input that was left out
        if what == "out":
            return self._saved_out(fn)
        if what == "attr":
            return fn.attrs[number]
        return i if what == "i" else fn.specs[number][what == "dtype"]

    def _saved_out(self, fn: GradNode) -> Any:
        out = fn.out
        if out is None:
            raise freed(fn)
        if type(out) is Results:
            tensors = tuple(make(node) for node in out.nodes)
            for i, t in enumerate(tensors):
                check_version(fn, t._node, 0)
                t._edge = Port(fn, i) if t.dtype.category >= FLOAT else None
            return tensors
        check_version(fn, out, fn.out_version)
        t = make(out)
        t._edge = fn
        return t

    # ----- the call -----

    def check_dtype(self, d: dtype) -> None:
        """NotImplementedError for a dtype that the operation doesn't take."""
        exact = d.category != STORED or self.kind in _MOVING or self.name in _EXACT
        if not (self.accepts[0] <= d.category <= self.accepts[1] and exact):
            raise NotImplementedError(
                f'{self.name}: "{self.name}_cpu" not implemented for dtype {d}; cast the input first'
            )

    def on_sample(self, tensors: Sequence[Tensor], attrs: dict[str, Any]) -> Any:
        """The operation on a sample's tensors, its attributes given by name."""
        return self(*tensors, *[attrs[name] for name in self.attrs if name in attrs])  # type: ignore[operator]

    def record(
        self, tensors: Sequence[Tensor], attrs: tuple[Any, ...], shape: tuple[int, ...], dtype: Any
    ) -> Tensor:
        """Records this operation (shape and dtype are the caller's to know)."""
        return record(self, tuple(tensors), attrs, shape, dtype)


def saved_input(fn: GradNode, i: int) -> Tensor:
    """The tensor that input `i` was, with its history."""
    if fn.released or not fn.saved:
        raise freed(fn)
    node = fn.saved[i]
    if node.version is not None:
        check_version(fn, node, fn.versions[i] if fn.versions else 0)
    t = make(node)
    t._edge = fn.edges[i]
    return t


def check_version(fn: Any, node: Any, version: int | None) -> None:
    """RuntimeError if the storage of a saved value has been written to since it was at `version` (None: it
    may be)."""
    if version is not None and node.version is not None and node.version.count != version:
        raise RuntimeError(
            f"{fn.name()}: one of the variables needed for gradient computation has been modified by an "
            f"inplace operation: a tensor of "
            f"shape {list(node.shape)} is at version {node.version.count}; expected version {version} "
            f"instead. "
            "Write to a clone() of it, or use the out-of-place operation."
        )


def check_tensor(what: str, name: str, value: object) -> Tensor:
    """TypeError unless `value` is a tensor."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{what}: argument '{name}' must be Tensor, not {type(value).__name__}")
    return value


def wrap_dim(what: str, dim: int, rank: int) -> int:
    """A dimension's number counted from the front; IndexError if it isn't there (a 0-d tensor has -1 and
    0)."""
    extent = max(rank, 1)
    if not isinstance(dim, int):
        dim = index(dim)
    if not -extent <= dim < extent:
        raise IndexError(
            f"{what}: Dimension out of range (expected to be in range of [{-extent}, {extent - 1}], but got "
            f"{dim})"
        )
    return dim % extent


def wrap_dims(what: str, dim: Any, rank: int) -> tuple[int, ...]:
    """Dimensions from an int, a sequence or None (all), each once."""
    if dim is None or (not isinstance(dim, int) and isinstance(dim, Sequence) and len(dim) == 0):
        return tuple(range(rank))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    wrapped = tuple(wrap_dim(what, d, rank) for d in dims)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(
            f"{what}: dim {wrapped[-1]} appears multiple times in the list of dims {tuple(dims)}"
        )
    return tuple(sorted(d for d in wrapped if d < rank))
