"""How a program is run: by the interpreter, at once, or as native code, which takes time to make."""

from __future__ import annotations

from typing import Any

from ..core.config import config
from ..core.node import numel, several
from ..core.program import Program, Trace
from ..core.watch import span, watchers
from ..runtime import interpreter, threads

_ENOUGH_STEPS, _ENOUGH_ELEMENTS = 3, 1 << 14  # of a program that repeats
_MANY_STEPS, _MANY_ELEMENTS = 8, 1 << 21  # of one that is new: NumPy would take longer than LLVM does


def _worth(program: Program, work: Trace) -> bool:
    """Whether compiling pays: the program is large, or it repeats and isn't just a few operations on a few
    numbers."""
    if program.runs < 2:
        elements = sum(numel(n.shape) for n in work.nodes if not several(n))
        return len(program.steps) >= _MANY_STEPS and elements >= _MANY_ELEMENTS
    if len(program.steps) >= _ENOUGH_STEPS:
        return True
    return any(_large(n) for n in work.nodes)


def _large(n: Any) -> bool:
    """Whether a node has many elements, or reads many (a view doesn't)."""
    touched = [n] if n.op.kind == "view" else [n, *n.inputs]
    return any(not several(x) and numel(x.shape) >= _ENOUGH_ELEMENTS for x in touched)


def execute(work: Trace) -> dict[int, Exception]:
    """Runs a program as `config.mode`, its size and its use say; returns the exceptions of failed steps by
    slot."""
    if not work.nodes:
        return {}
    if config.debug >= 2:
        from . import ladder

        ladder.show()
    if watchers:
        with span("execute", work):
            return _execute(work)
    return _execute(work)


def _execute(work: Trace) -> dict[int, Exception]:
    program, mode = work.program, config.mode
    compiled, forms = None, len(program.compiled)
    if mode not in ("interpret", "eager") and (mode == "compile" or _worth(program, work)):
        compiled = native(work)
    if compiled is None:
        program.how = "by NumPy"
        return interpreter.run(work)
    program.how = "native" if len(program.compiled) == forms else "native (compiled now)"
    failed: dict[int, Exception] = compiled.run(work)
    return failed


def native(work: Trace) -> Any:
    """The native form of a program for the leaves that may be written to, made now if need be; None if it is
    one for the interpreter."""
    key = (*work.owned, threads.usable())
    found = work.program.compiled.get(key, False)
    if found is False:
        with span("plan", work):
            found = work.program.compiled[key] = _compile(work) if compilable(work) else None
    return found


def compilable(work: Trace) -> bool:
    """Whether native code can do it: all that comes in and goes out is single arrays."""
    return not any(several(n) for n in (*work.leaves, *work.outputs))


def _compile(work: Trace) -> Any:
    from .program import Compiled

    return Compiled(work, frozenset(i for i, own in enumerate(work.owned) if own))
