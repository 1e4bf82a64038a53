"""Where each operation was recorded: the user's line and the module that was being called.

Nothing of this is in the way while nobody profiles: it is put in from outside, and taken out again.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from ..autograd import template as templates
from ..core import gradient
from ..core.device import cpu
from ..core.gradient import GradNode
from ..core.node import LEAF, Node
from ..core.realize import recorder, user_line
from ..nn.module import Module

BACKWARD = " (backward)"
_MOST_TURNS = 200_000


class Site(str):
    """A user's line; `module` is the path of the module that was being called there, or whose backward pass
    it was."""

    __slots__ = ("module",)
    module: str


class _Calls(threading.local):
    """The modules that are being called, outermost first, and their paths."""

    def __init__(self) -> None:
        self.modules: list[Module] = []
        self.paths: list[str] = []
        self.backward = ""  # the path that a gradient formula belongs to
        self.planned: Iterator[Site] | None = None  # the sites of operations about to be recorded


class Notes:
    """Notes the site of every operation between `start` and `stop`; `seconds` is the time that this took."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls = _Calls()
        self.sites: dict[tuple[str, str], Site] = {}
        self.paths: dict[int, tuple[Module, dict[int, str]]] = {}  # of a root's modules, by ids
        self.turns: list[tuple[int, str]] = []  # since which gradient function which module has been called
        self.templates: dict[int, tuple[Any, list[str]]] = {}
        self.replaced: list[tuple[Any, str, Any]] = []

    def start(self) -> None:
        """Begins."""
        recorder.mark = self._mark
        self._replace(Node, "__init__", _noting(self, Node.__init__))
        self._replace(Module, "__call__", _calling(self, Module.__call__))
        self._replace(GradNode, "run_formulas", staticmethod(self._formulas(GradNode.run_formulas)))
        self._replace(templates, "lookup", self._lookup(templates.lookup))
        self._replace(templates, "replay", self._replay(templates.replay))
        self._replace(templates.Capture, "finish", _finishing(self, templates.Capture.finish))

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        self.replaced.append((owner, name, vars(owner)[name]))
        setattr(owner, name, new)

    def stop(self) -> None:
        """Ends, and leaves everything as it was."""
        recorder.mark = None
        while self.replaced:
            setattr(*self.replaced.pop())

    # ----- where we are -----

    def _mark(self, line: str) -> Site:
        calls = self.calls
        return self.site(line, calls.backward or (calls.paths[-1] if calls.paths else ""))

    def site(self, line: str, module: str) -> Site:
        """The one site of a line and a module."""
        found = self.sites.get((line, module))
        if found is None:
            found = self.sites[line, module] = Site(line)
            found.module = module
        return found

    def note(self, node: Any) -> None:
        """Notes where a node was recorded."""
        start = time.perf_counter()
        planned = self.calls.planned
        site: Any = user_line() if planned is None else next(planned)
        node.site = site if site.module else self._inherited(node, site)
        self.seconds += time.perf_counter() - start

    def _inherited(self, node: Node, site: Site) -> Site:
        """Sums of gradients, which no formula records, belong to where the gradients come from."""
        for x in node.inputs:
            other = getattr(x, "site", None)
            if type(other) is Site and other == site and other.module:
                return other
        return site

    # ----- modules -----

    def enter(self, module: Module) -> None:
        """A module's call begins."""
        start = time.perf_counter()
        calls = self.calls
        calls.modules.append(module)
        calls.paths.append(self._path(calls.modules[0], module))
        self._turn()
        self.seconds += time.perf_counter() - start

    def leave(self) -> None:
        """It ends."""
        self.calls.modules.pop()
        self.calls.paths.pop()
        self._turn()

    def _turn(self) -> None:
        calls = self.calls
        self.turns.append((gradient.next_number(), calls.paths[-1] if calls.paths else ""))
        if len(self.turns) > _MOST_TURNS:
            del self.turns[: _MOST_TURNS // 2]

    def _path(self, root: Module, module: Module) -> str:
        """A module's path from the outermost one; of that itself, and of strangers, the class's name."""
        known = self.paths.get(id(root))
        if known is None or id(module) not in known[1]:
            known = self.paths[id(root)] = (root, {id(m): name for name, m in root.named_modules()})
        return known[1].get(id(module)) or type(module).__name__

    # ----- the backward pass -----

    def _formulas(self, original: Any) -> Any:
        def run_formulas(fn: Any, gs: Any, needed: Any) -> Any:
            calls = self.calls
            at = bisect_right(self.turns, fn.seq, key=lambda turn: turn[0]) - 1
            path = self.turns[at][1] if at >= 0 else ""
            calls.backward = path + BACKWARD if path else ""
            try:
                return original(fn, gs, needed)
            finally:
                calls.backward = ""

        return run_formulas

    def _lookup(self, original: Any) -> Any:
        def lookup(found: Any) -> Any:
            template = original(found)
            return False if template and id(template) not in self.templates else template

        return lookup

    def _replay(self, original: Any) -> Any:
        def replay(template: Any, ends: Any, found: Any) -> Any:
            line = str(user_line())
            self.calls.planned = (self.site(line, module) for module in self.templates[id(template)][1])
            try:
                return original(template, ends, found)
            finally:
                self.calls.planned = None

        return replay

    def captured(self, capture: Any, nodes: list[Node]) -> None:
        """Remembers the sites of a backward pass that will be recorded again without its formulas."""
        template = templates._templates.get(capture.found.key)
        if template is not None:
            self.templates[id(template)] = (
                template,
                [getattr(getattr(n, "site", ""), "module", "") for n in nodes],
            )


def _noting(notes: Notes, original: Any) -> Any:
    def __init__(
        self: Node, op: Any, inputs: Any, attrs: Any, shape: Any, dtype: Any, device: Any = cpu
    ) -> None:
        original(self, op, inputs, attrs, shape, dtype, device)
        if op is not LEAF:
            notes.note(self)

    return __init__


def _calling(notes: Notes, original: Any) -> Any:
    def __call__(self: Module, *args: Any, **kwargs: Any) -> Any:
        notes.enter(self)
        try:
            return original(self, *args, **kwargs)
        finally:
            notes.leave()

    return __call__


def _finishing(notes: Notes, original: Any) -> Any:
    def finish(self: Any) -> None:
        nodes = recorder.pending[self.start :]
        original(self)
        notes.captured(self, nodes)

    return finish
