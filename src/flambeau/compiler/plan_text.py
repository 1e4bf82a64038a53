"""A compiled program as text: its graph, what was fused, the calls, the memory."""

from __future__ import annotations

from typing import Any

from ..core.node import LEAF, numel
from .describe import Part, pieces_of, shape_text
from .expression import Expr
from .graph import CONST, Graph
from .pieces import COUNTER, Piece
from .schedule import Schedule

_LONGEST = 160  # characters of an expression


def spec_text(shape: Any, d: Any) -> str:
    """Shape and dtype: `float32 8x16`; of several results each."""
    if type(d) is tuple:
        return ", ".join(spec_text(s, t) for s, t in zip(shape, d, strict=True))
    return f"{d.name} {shape_text(shape)}"


def graph_lines(graph: Graph) -> list[str]:
    """Each value of a graph: `v3 = mul(v1, v2)` with shape and dtype. Numbers stand where they are used."""
    outputs, names, lines = set(graph.outputs), graph.names(), []
    for v in graph.values:
        if v.op is CONST:
            continue
        args = [f"{x.attrs[0]:g}" if x.op is CONST else names[x] for x in v.inputs]
        args += [] if v.op is LEAF else [_attribute(a) for a in v.attrs]
        kept = "  -> kept" if v in outputs else ""
        text = f"{names[v]} = {v.op.name}({', '.join(args)})"
        lines.append(f"{text:<44} {spec_text(v.shape, v.dtype)}{kept}")
    return lines


def _attribute(a: Any) -> str:
    return str(getattr(a, "name", a))


def amount(n: float, unit: str) -> str:
    """A number with its unit: 12.3 kFLOP."""
    for prefix in ("", "k", "M", "G"):
        if n < 1000 or prefix == "G":
            break
        n /= 1000
    return f"{n:.3g} {prefix}{unit}"


def fusion_lines(schedule: Schedule, parts: list[Part]) -> list[str]:
    """The loop nests: which values each computes, and how."""
    lines = []
    for i, (work, part) in enumerate(zip(schedule.work, parts, strict=True)):
        much = f"{amount(part.flops, 'FLOP')}, {amount(part.nbytes, 'B')}"
        lines.append(f"{i:>3}  {part.label:<40}  {part.kernels:<12}  {much}")
        lines += [f"       {_piece(p)}" for p in pieces_of(work.unit)]
    return lines


def _piece(p: Piece) -> str:
    inside = expression_text(p.expr)
    if p.combine:
        inside = f"{p.combine} over {p.dims} of {inside}"
    return f"v{p.target.buffer}{list(p.target.shape)} = {_short(inside)}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def expression_text(e: Expr, depth: int = 12) -> str:
    """An expression, its loads by the value that they read (`i` is a position)."""
    if e.op == "const":
        return f"{e.data:g}"
    if e.op == "load":
        name = "i" if e.data.array.buffer == COUNTER else f"v{e.data.array.buffer}"
        return name + (f"[{', '.join(expression_text(a, depth - 1) for a in e.args)}]" if e.args else "")
    if depth == 0:
        return "…"
    return f"{e.op}({', '.join(expression_text(a, depth - 1) for a in e.args)})"


def call_lines(parts: list[Part]) -> list[str]:
    """The calls in order: kernel, tasks, the fewest tasks that a thread is given."""
    lines = []
    for part in parts:
        for call in part.calls:
            lines.append(
                f"{call.kernel.symbol:<20} {call.tasks:>6} tasks, grain {call.grain:>6}   {part.label}"
            )
        if not part.calls:
            lines.append(
                f"{'by NumPy' if part.flops or part.nbytes > 1 else 'look at a flag':<44} {part.label}"
            )
    return lines


def memory_lines(schedule: Schedule) -> list[str]:
    """Where buffers lie: in the arena (and for how long), in memory that results keep, in a leaf's."""
    lines = [f"arena of {amount(schedule.arena, 'B')} for {len(schedule.offsets)} buffers"]
    spans = _spans(schedule)
    for b, offset in sorted(schedule.offsets.items(), key=lambda item: (item[1], item[0])):
        first, last = spans.get(b, (-1, -1))
        when = f"parts {first} to {last}" if first >= 0 else "scratch"
        lines.append(f"  {offset:>10}  v{b}  {when}")
    for b, (shape, d) in schedule.fresh.items():
        lines.append(f"  fresh       v{b}  {spec_text(shape, d)}, {amount(numel(shape) * d.itemsize, 'B')}")
    for b, leaf in schedule.donors.items():
        lines.append(f"  donated     v{b}  takes over the memory of leaf v{leaf}")
    return lines


def _spans(schedule: Schedule) -> dict[int, tuple[int, int]]:
    spans: dict[int, tuple[int, int]] = {}
    for i, part in enumerate(schedule.work):
        for b in part.needs | part.gives:
            spans[b] = (spans.get(b, (i, i))[0], i)
    return spans


def indented(title: str, lines: list[str]) -> str:
    """A heading with lines below it."""
    return "\n".join([title, *(f"  {line}" for line in lines)])
