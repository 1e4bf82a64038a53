"""Writes src/flambeau/core/_methods.pyi: the tensor's methods as type checkers and editors see them.

    python tools/stubs.py            # write it
    python tools/stubs.py --check    # exit with 1 if it is not up to date

The methods are attached from a table (functions/methods.py); this file is that table spelt out.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

from flambeau.functions import methods
from flambeau.functions.convert import CONVERTERS
from flambeau.ops.op import Op

TARGET = Path(__file__).resolve().parents[1] / "src" / "flambeau" / "core" / "_methods.pyi"
HEADER = '''"""The tensor's methods, for type checkers and editors. Written by tools/stubs.py; don't edit."""

from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .device import device as Device
from .dtype import dtype as DType
from .generator import Generator
from .tensor import Tensor

_Number = _bool | _int | _float | _complex
_Operand = Tensor | _Number

class TensorMethods:
'''
FOOTER = '''    _repr_prefix: str
    def backward(
        self,
        gradient: Tensor | None = ...,
        retain_graph: _bool | None = ...,
        create_graph: _bool = ...,
        inputs: Any = ...,
    ) -> None:
        """Adds this tensor's gradients to the `.grad` of the leaves it depends on."""
    def numpy(self, *, force: _bool = ...) -> Any:
        """This tensor's memory as a NumPy array."""
'''
ALIASES = {
    "Operand": "_Operand", "Number": "_Number", "ValuesIndices": "Any", "Size": "Any", "Dim": "Any",
    "bool": "_bool", "int": "_int",
    "float": "_float", "complex": "_complex", "Tensors": "Any", "UntypedStorage": "Any",
    "TypedStorage": "Any", "dt.dtype": "DType", "np.ndarray": "Any",
}  # fmt: skip


def annotation(text: Any) -> str:
    """An annotation in the stub's names; what those don't include is Any."""
    if text is inspect.Signature.empty:
        return "Any"
    parts = [p.strip() for p in str(text).split("|")] if "[" not in str(text) else [str(text)]
    known = []
    for part in parts:
        part = ALIASES.get(part, part)
        if "[" in part:
            for old, new in (("int]", "_int]"), ("bool]", "_bool]"), ("float]", "_float]")):
                part = part.replace(old, new)
        known.append(part)
    return "Any" if "Any" in known else " | ".join(known)


def parameter(p: inspect.Parameter) -> str:
    star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
    text = f"{star}{p.name}: {annotation(p.annotation)}"
    return text if p.default is p.empty else text + " = ..."


def signature(f: Any) -> str:
    """`(self, …) -> …` of a function whose first argument becomes self."""
    sig = inspect.signature(f)
    texts, bare = ["self"], False
    for p in list(sig.parameters.values())[1:]:
        if p.kind is p.VAR_POSITIONAL:
            bare = True
        if p.kind is p.KEYWORD_ONLY and not bare:
            texts.append("*")
            bare = True
        texts.append(parameter(p))
    return f"({', '.join(texts)}) -> {annotation(sig.return_annotation)}"


def line(name: str, sig: str, doc: str | None) -> str:
    first = (doc or "").strip().split("\n")[0].replace("\\", "\\\\").replace('"', "'")
    body = f'\n        """{first}"""\n' if first else " ...\n"
    return f"    def {name}{sig}:{body}"


def operator(name: str, f: Any) -> str:
    unary = name in ("__neg__", "__pos__", "__abs__", "__invert__")
    special = {
        "__getitem__": "(self, index: Any) -> Tensor",
        "__setitem__": "(self, index: Any, value: Any) -> None",
        "__contains__": "(self, element: Any) -> _bool",
        "__iter__": "(self) -> Iterator[Tensor]",
        "__eq__": "(self, other: Any) -> Tensor",
        "__ne__": "(self, other: Any) -> Tensor",
    }
    sig = special.get(name, "(self) -> Tensor" if unary else "(self, other: _Operand) -> Tensor")
    ignore = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
    return f"    def {name}{sig}: ...{ignore}\n"


def render() -> str:
    """The stub's text."""
    lines = []
    for family, names in methods.FAMILIES.items():
        changing, _, plain = names.partition("|")
        for name in (*changing.split(), *plain.split()):
            f = getattr(family, name)
            sig = "(self) -> Tensor" if isinstance(f, Op) else signature(f)
            lines.append(line(name, sig, f.__doc__))
            if name in changing.split() and name + "_" not in methods.SPECIAL:
                sig = sig.replace(", *, out: Tensor | None = ...", "")
                sig = sig.replace(", out: Tensor | None = ...", "")
                doc = f"In-place version of `{name}`: changes this tensor and returns it."
                lines.append(line(name + "_", sig, doc))
    lines += [operator(name, f) for name, f in methods.OPERATORS.items()]
    for name, f in methods.SPECIAL.items():
        if not name.startswith("__"):
            lines.append(line(name, signature(f), f.__doc__))
    lines += [
        line(name, "(self, memory_format: Any = ...) -> Tensor", f.__doc__) for name, f in CONVERTERS.items()
    ]
    lines += [
        f"    @property\n{line(name, '(self) -> Tensor', f.__doc__)}"
        for name, f in methods.PROPERTIES.items()
    ]
    return HEADER + "".join(lines) + FOOTER


def main() -> int:
    """Writes or checks the stub."""
    text = render()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text() != text:
            print(f"{TARGET} is not up to date: run python tools/stubs.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
