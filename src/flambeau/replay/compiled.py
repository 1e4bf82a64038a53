"""`flambeau.compile`: functions and modules whose calls are replayed."""

from __future__ import annotations

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

from ..core.config import config
from ..core.realize import recorder
from ..nn.module import Module
from .arguments import Arguments
from .plan import ambient
from .recording import Recording
from .replay import MISS, Replay
from .watch import Watch

BACKENDS = ("flambeau", "inductor", "eager", "aot_eager", "cudagraphs")
MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
TRIES = 4  # recordings in a row of which none could be replayed
VARIANTS = 16  # recordings that are kept


class Stage:
    """What is known of the calls under the same modes: what they were seen to do, and how often in vain."""

    def __init__(self) -> None:
        self.watch = Watch()
        self.tries = 0
        self.over = False


class Compiled:
    """A function whose calls are replayed where they can be."""

    follows = True

    def __init__(self, function: Callable[..., Any], fullgraph: bool = False) -> None:
        self.function, self.fullgraph = function, fullgraph
        self.replays: list[Replay] = []
        self.stages: dict[Any, Stage] = {}
        self.varying: set[Any] = set()
        self.lock = threading.Lock()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if recorder.tape is not None or config.mode == "eager":
            return self.function(*args, **kwargs)
        a: Arguments | None = None
        for i, replay in enumerate(self.replays):
            if a is None or a.varying is not replay.varying:
                a = Arguments(args, kwargs, replay.varying)
            result = replay(a)
            if result is not MISS:
                replay.stage.tries = 0
                if i:
                    self.replays.remove(replay)
                    self.replays.insert(0, replay)
                return result
        return self._call(args, kwargs)

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function itself, recorded if that may be of use."""
        stage = self.stages.setdefault((ambient()[:2], getattr(self.function, "training", None)), Stage())
        if stage.over or not self.lock.acquire(blocking=False):
            return self.function(*args, **kwargs)
        try:
            return self._record(stage, args, kwargs)
        finally:
            self.lock.release()

    def _record(self, stage: Stage, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        for replay in list(self.replays):
            found = replay.changed(Arguments(args, kwargs, replay.varying)) - self.varying
            if found:
                self.varying |= found
                self.replays.remove(replay)
        first = not stage.watch.names
        recording = Recording(self.function, args, kwargs, stage.watch, self.varying, self.fullgraph)
        try:
            result = recording.run()
        finally:
            stage.watch = stage.watch.with_(recording.watch)
        if recording.replay is not None:
            recording.replay.stage = stage
            self.replays = [recording.replay, *self.replays[: VARIANTS - 1]]
        if not (first or recording.learning or recording.disturbed):
            self._count(stage, recording)
        return result

    def _count(self, stage: Stage, recording: Recording) -> None:
        """Gives up after too many recordings in vain."""
        stage.tries += 1
        limit = VARIANTS if recording.replay is not None else TRIES
        if stage.tries >= limit:
            stage.over = True
            if not recording.gradients:
                why = recording.reason or "depends on something that is different in each call"
                name = getattr(self.function, "__qualname__", type(self.function).__name__)
                warnings.warn(
                    f"compile: calls of {name} are not replayed but done as without compile, since it {why}",
                    stacklevel=5,
                )


class OptimizedModule(Module):
    """A module whose calls are replayed; in all else the module that it was made from, `_orig_mod`."""

    _orig_mod: Module

    def __init__(self, module: Module, fullgraph: bool = False) -> None:
        super().__init__()
        self._orig_mod = module
        self.__dict__["_compiled"] = Compiled(module, fullgraph)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*args, **kwargs)

    @property
    def training(self) -> bool:
        return self._orig_mod.training

    @training.setter
    def training(self, mode: bool) -> None:
        self._orig_mod.training = mode

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("_orig_mod"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_orig_mod", "forward"):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __len__(self) -> int:
        return len(self._orig_mod)

    def __reduce__(self) -> Any:
        return type(self), (self._orig_mod, self._compiled.fullgraph)


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = "flambeau",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """A function or module that does the same as `model`, with calls that are recorded once and then
    replayed.

    A replay runs the program of a whole call without running the Python function. Best give it a whole
    training step: forward, `backward()`, `optimizer.step()` and `zero_grad()`. Results, random numbers,
    errors, what is written to parameters, buffers and optimizer states are those of the function itself.
    Learning rates and step counts are read anew each time. Where another call would not do the same (another
    shape, a changed attribute, `eval()`), it is recorded again; where that can't be told, or the function
    does more than compute (prints, appends to a list, branches on values that it computes), each call runs as
    without `compile`, and a warning says why. A module called for results that are to be differentiated is
    recorded each time, too.

    Args:
        model: a function or module; without it, a decorator is returned.
        fullgraph: RuntimeError if the call depends on values that it computes itself.
        dynamic, mode, options: accepted for PyTorch's sake; they make no difference.
        backend: "flambeau"; PyTorch's names are taken for it.
        disable: return `model` itself.

    Raises:
        TypeError: `model` can't be called.
        RuntimeError: an unknown `mode` or `backend`; both `mode` and `options`.

    Example:
        >>> import flambeau as torch
        >>> w = torch.zeros(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([w], lr=0.25)
        >>> @torch.compile
        ... def step(x):
        ...     optimizer.zero_grad()
        ...     loss = ((w - x) ** 2).sum()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return loss.item()
        >>> [step(torch.ones(1)) for _ in range(4)]
        [1.0, 0.25, 0.0625, 0.015625]
    """
    _check_options(backend, mode, options)
    if model is None:
        return functools.partial(
            compile,
            fullgraph=fullgraph,
            dynamic=dynamic,
            backend=backend,
            mode=mode,
            options=options,
            disable=disable,
        )
    if not callable(model):
        raise TypeError(f"compile: expected a function or a module, got {type(model).__name__}")
    if disable:
        return model
    if isinstance(model, Module):
        return OptimizedModule(model, fullgraph)
    compiled = Compiled(model, fullgraph)

    @functools.wraps(model, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        return compiled(*args, **kwargs)

    return call


def _check_options(backend: Any, mode: str | None, options: Any) -> None:
    if mode is not None and options is not None:
        raise RuntimeError("compile: either mode or options can be specified, but not both at the same time")
    if mode is not None and mode not in MODES:
        raise RuntimeError(f"compile: unrecognized mode={mode}, should be one of: {', '.join(MODES)}")
    if backend not in BACKENDS:
        raise RuntimeError(f"compile: invalid backend {backend!r}; the only one is 'flambeau'")
