"""Python numbers that remember where they come from, and formulas that compute them anew.

While a call is recorded, numbers that may differ in the next call (a learning rate, a step count, what
`item()` reads) are handed out as `Number`. Arithmetic on them makes formulas. Whatever else is done with one
gives up nothing: it is noted as a condition under which the recording may be replayed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..core.node import scalar

if TYPE_CHECKING:
    from ..core.dtype import dtype
    from .tape import Tape

REAL = (bool, int, float)


class Source:
    """A formula that is nothing but a number read at each replay: `key` says which one.

    A late one is a result of the call itself, known only after the program has run.
    """

    def __init__(self, key: tuple[Any, ...], late: bool = False) -> None:
        self.key = key
        self.late: bool = late


class Formula:
    """A function of formulas and plain numbers."""

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function, self.args = function, args
        self.late: bool = any(isinstance(a, Source | Formula) and a.late for a in args)


class Number:
    """Passes for a Python number of type `kind`. `known` is its value in the recorded call, if there is one
    already."""

    __slots__ = ("formula", "kind", "known", "tape")

    def __init__(self, tape: Tape, formula: Source | Formula, kind: type, known: Any = None) -> None:
        self.tape, self.formula, self.kind, self.known = tape, formula, kind, known

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # so that isinstance() takes it for what it stands for
        return object.__getattribute__(self, "kind")

    def value(self) -> Any:
        """The number in the recorded call. One that isn't computed yet is computed now, which ends the
        recording."""
        if self.known is None:
            self.tape.stop("uses the value of a tensor that was computed in it")
            self.known = _compute(self.formula, {})
        return self.known

    def pinned(self) -> Any:
        """The plain number; the recording holds only where it is the same."""
        value = self.value()
        self.tape.require(_is, (self.formula, value))
        return value

    def as_leaf(self, d: dtype) -> Any:
        """The number as an operand of a recorded operation."""
        node = scalar(self.value(), d)
        self.tape.number_leaves[id(node)] = (node, self.formula)
        return node

    def __copy__(self) -> Number:
        return self

    def __deepcopy__(self, memo: Any) -> Number:
        return self

    def __reduce__(self) -> Any:
        return _unpickled, (self.pinned(),)

    def __getattr__(self, name: str) -> Any:
        if name in ("real", "conjugate"):
            return self if name == "real" else lambda: self
        return self.kind(0) if name == "imag" else getattr(self.pinned(), name)


def _unpickled(value: Any) -> Any:
    return value


def _is(a: Any, b: Any) -> bool:
    """Whether two numbers are the same to the last bit and in type."""
    return type(a) is type(b) and (a == b or (a != a and b != b)) and repr(a) == repr(b)


def _compute(formula: Any, memo: dict[int, Any]) -> Any:
    """The value of a formula in the recorded call, after the tape has been stopped."""
    if isinstance(formula, Source):
        return formula.key[-1].item()  # late: the tensor itself
    if not isinstance(formula, Formula):
        return formula
    if id(formula) not in memo:
        memo[id(formula)] = formula.function(*[_compute(a, memo) for a in formula.args])
    return memo[id(formula)]


def plain(x: Any) -> Any:
    """What a formula takes for an operand."""
    return x.formula if type(x) is Number else x


def _arithmetic(function: Callable[..., Any], reflected: bool = False) -> Callable[..., Any]:
    def method(self: Number, *others: Any) -> Any:
        for x in others:
            if type(x) is not Number and type(x) not in REAL:
                if isinstance(x, REAL):  # a subclass with ideas of its own, such as NumPy's
                    args = (x, self.pinned()) if reflected else (self.pinned(), x)
                    return function(*args)
                return NotImplemented
        operands = (*others, self) if reflected else (self, *others)
        formula = Formula(function, tuple([plain(x) for x in operands]))
        if any(type(x) is Number and x.known is None for x in operands):
            kinds = [x.kind if type(x) is Number else type(x) for x in operands]
            return Number(self.tape, formula, type(function(*[kind(1) for kind in kinds])))
        value = function(*[x.known if type(x) is Number else x for x in operands])
        return (
            Number(self.tape, formula, type(value), value)
            if type(value) in REAL
            else self._odd(value, others)
        )

    return method


def _odd(self: Number, value: Any, others: tuple[Any, ...]) -> Any:
    """A result that is no real number: as good as looked at."""
    for x in (self, *others):
        if type(x) is Number:
            x.pinned()
    return value


def _condition(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Number, *others: Any) -> Any:
        values = [x.value() if type(x) is Number else x for x in (self, *others)]
        if any(not isinstance(x, REAL) for x in values):
            return NotImplemented
        outcome = function(*values)
        self.tape.require(_outcome, (Formula(function, tuple(map(plain, (self, *others)))), outcome))
        return outcome

    return method


def _outcome(a: Any, b: Any) -> bool:
    return bool(a == b)


def _pinning(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Number, *args: Any) -> Any:
        return function(self.pinned(), *args)

    return method


def _dress() -> None:
    """Gives numbers their operators."""
    Number._odd = _odd  # type: ignore[attr-defined]
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
        setattr(Number, f"__{name}__", _arithmetic(getattr(operator, name)))
        setattr(Number, f"__r{name}__", _arithmetic(getattr(operator, name), reflected=True))
    for name in ("neg", "pos", "abs"):
        setattr(Number, f"__{name}__", _arithmetic(getattr(operator, name)))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(Number, f"__{name}__", _condition(getattr(operator, name)))
    Number.__bool__ = _condition(operator.truth)  # type: ignore[attr-defined]
    pinning: dict[str, Callable[..., Any]] = {
        "float": float, "int": int, "index": operator.index, "complex": complex, "hash": hash, "repr": repr,
        "str": str, "format": format, "round": round, "divmod": divmod, "and": operator.and_,
        "or": operator.or_, "xor": operator.xor, "lshift": operator.lshift, "rshift": operator.rshift,
        "invert": operator.invert, "trunc": lambda x: x.__trunc__(), "floor": lambda x: x.__floor__(),
        "ceil": lambda x: x.__ceil__(), "rdivmod": lambda x, y: divmod(y, x), "rand": lambda x, y: y & x,
        "ror": lambda x, y: y | x, "rxor": lambda x, y: y ^ x, "rlshift": lambda x, y: y << x,
        "rrshift": lambda x, y: y >> x,
    }  # fmt: skip
    for name, function in pinning.items():
        setattr(Number, f"__{name}__", _pinning(function))


_dress()

# ----- computing formulas -----


def compiled(
    formulas: list[Any], sources: dict[tuple[Any, ...], int]
) -> Callable[[list[Any]], tuple[Any, ...]]:
    """A function of the sources' values that computes all formulas, common parts once.

    `sources` numbers the sources by key; those not in it are added.
    """
    lines: list[str] = []
    names: dict[Any, str] = {}
    scope: dict[str, Any] = {}

    def name(x: Any) -> str:
        if not isinstance(x, Source | Formula):
            scope[f"c{len(scope)}"] = x
            return f"c{len(scope) - 1}"
        if isinstance(x, Source):
            return f"s[{sources.setdefault(x.key, len(sources))}]"
        parts = [name(a) for a in x.args]
        shape = (
            x.function,
            *[(type(a), repr(a)) if p[0] == "c" else p for a, p in zip(x.args, parts, strict=True)],
        )
        if shape not in names:
            names[shape] = f"n{len(names)}"
            scope[f"f{names[shape]}"] = x.function
            symbol = _SYMBOLS.get(x.function)
            value = f" {symbol} ".join(parts) if symbol else f"f{names[shape]}({', '.join(parts)})"
            lines.append(f" {names[shape]} = {value}\n")
        return names[shape]

    results = "".join(f"{name(x)}, " for x in formulas)
    exec(f"def run(s):\n{''.join(lines)} return ({results})", scope)
    run: Callable[[list[Any]], tuple[Any, ...]] = scope["run"]
    return run


_SYMBOLS = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/", operator.floordiv: "//",
    operator.mod: "%", operator.pow: "**", operator.eq: "==", operator.ne: "!=", operator.lt: "<",
    operator.le: "<=", operator.gt: ">", operator.ge: ">=",
}  # fmt: skip
