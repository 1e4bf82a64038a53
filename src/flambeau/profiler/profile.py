"""`profile`, as in `torch.profiler`: what happens between `start` and `stop`, or in a `with` block."""

from __future__ import annotations

import functools
import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Self, TypeVar

from ..core.realize import recorder
from . import chrome, table
from .averages import Averages, averages
from .collect import Collector, Event
from .notes import Notes

F = TypeVar("F", bound=Callable[..., Any])


class ProfilerActivity(Enum):
    """What can be profiled. Only `CPU` is there to be."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3
    HPU = 4
    PrivateUse1 = 5


class ProfilerAction(Enum):
    """What a profile does in a step: nothing, get ready, collect, or collect and then hand over."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


_COLLECTS = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def supported_activities() -> set[ProfilerActivity]:
    """The activities that can be profiled.

    >>> import flambeau as torch
    >>> torch.profiler.supported_activities()
    {<ProfilerActivity.CPU: 0>}
    """
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """What to do in each step: skip the first ones, then, again and again, wait, get ready, and collect.

    Args:
        wait: steps at the begin of each cycle in which nothing is done.
        warmup: steps after that in which lines and modules are noted already, so that the steps that are
            collected have all of them.
        active: steps that are collected.
        repeat: the number of cycles; 0 for no end.
        skip_first: steps before the first cycle.
        skip_first_wait: if not 0, the first cycle doesn't wait.

    Raises:
        AssertionError: a negative number, or no active step.

    Example:
        >>> import flambeau as torch
        >>> plan = torch.profiler.schedule(wait=1, warmup=1, active=2)
        >>> [plan(step).name for step in range(5)]
        ['NONE', 'WARMUP', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    given = f"wait={wait}, warmup={warmup}, active={active}, repeat={repeat}, skip_first={skip_first}"
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(f"schedule: active must be positive and the rest not negative, got {given}")
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        step -= skip_first
        if step >= 0 and skip_first_wait:
            step += wait
        if step < 0 or (repeat and step >= repeat * length):
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For `on_trace_ready`: writes each trace into a folder, under a name of its own.

    Args:
        dir_name: the folder, which is made if it isn't there.
        worker_name: the begin of the files' names; None for host and process.
        use_gzip: compress the files.
    """
    os.makedirs(dir_name, exist_ok=True)

    def handler(prof: profile) -> None:
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + ".gz" * use_gzip
        prof.export_chrome_trace(os.path.join(dir_name, name))

    return handler


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


class profile:
    """Profiles what runs in its `with` block (or from `start()` to `stop()`).

    Pending work is done when it begins and when it ends, so that each operation counts where it was recorded.
    Shapes, operations, lines and modules are always noted: `record_shapes`, `with_stack`, `with_flops` and
    `with_modules` are accepted and change nothing.

    Args:
        activities: `ProfilerActivity.CPU` must be among them; `CUDA` gets a warning.
        schedule: a function from the step's number to a `ProfilerAction`, such as `schedule(...)` makes; None
            collects everything.
        on_trace_ready: called with this object whenever a cycle of the schedule has been collected; without a
            schedule, at the end.
        acc_events: keep adding to one profile over the cycles of the schedule.
        record_shapes, with_stack, with_flops, with_modules: see above.

    Raises:
        NotImplementedError: `profile_memory`, `experimental_config`, `execution_trace_observer`,
            `custom_trace_id_callback` or `post_processing_timeout_s` is given.
        RuntimeError: a profile is running already.
        ValueError: the CPU is not among the activities.

    Example:
        >>> import flambeau as torch
        >>> from flambeau.profiler import profile, record_function
        >>> with profile() as prof:
        ...     with record_function("forward"):
        ...         y = torch.relu(torch.ones(8, 4) * 2).sum()
        ...     y = y.item()
        >>> sorted(a.key for a in prof.key_averages())
        ['forward', 'full 8x4', 'mul 8x4', 'relu 8x4', 'sum scalar']
        >>> print(prof.key_averages().table(sort_by="cpu_time_total", row_limit=3)) # doctest: +SKIP
    """

    current: profile | None = None

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: Any = None,
        execution_trace_observer: Any = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        unsupported = {
            "profile_memory": profile_memory or None, "experimental_config": experimental_config,
            "execution_trace_observer": execution_trace_observer,
            "custom_trace_id_callback": custom_trace_id_callback,
            "post_processing_timeout_s": post_processing_timeout_s,
        }  # fmt: skip
        for name, value in unsupported.items():
            if value is not None:
                raise NotImplementedError(f"profile: {name}={value!r} is not supported; leave it out")
        _check(activities, use_cuda)
        self.schedule, self.on_trace_ready, self.acc_events = schedule or _always, on_trace_ready, acc_events
        self._scheduled = schedule is not None
        self.step_num = 0
        self.current_action = ProfilerAction.NONE
        self.notes = Notes()
        self.collector: Collector | None = None
        self.collecting = False
        self.metadata: dict[str, Any] = {}

    # ----- beginning and end -----

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end(flush=exc[0] is None)

    def start(self) -> None:
        """Begins."""
        if profile.current is not None:
            raise RuntimeError("profile: another profile is running; stop it first")
        recorder.flush("profiler")
        profile.current = self
        self.step_num = 0
        self.notes.start()
        self._turn_to(self.schedule(0))

    def stop(self) -> None:
        """Ends; pending work is done before."""
        self._end(flush=True)

    def _end(self, flush: bool) -> None:
        if profile.current is not self:
            raise RuntimeError("profile: it is not running; call start() first")
        try:
            if flush and self.collecting:
                recorder.flush("profiler")
        finally:
            collected = self.collecting
            if collected:
                self._pause()
            self.notes.stop()
            profile.current = None
            self.current_action = ProfilerAction.NONE
        if collected and self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def step(self) -> None:
        """Says that a step has ended and the next one begins."""
        if profile.current is not self:
            raise RuntimeError("profile: step() is for a running profile; call start() first")
        before = self.current_action
        if self.collecting:
            self._collector().end("step", (self.step_num,))
        self.step_num += 1
        following = self.schedule(self.step_num)
        if self.collecting and (before is ProfilerAction.RECORD_AND_SAVE or following not in _COLLECTS):
            recorder.flush("profiler")
            self._pause()
            if before is ProfilerAction.RECORD_AND_SAVE and self.on_trace_ready is not None:
                self.on_trace_ready(self)
        self._turn_to(following)

    def _turn_to(self, action: ProfilerAction) -> None:
        self.current_action = action
        if action in _COLLECTS:
            if not self.collecting:
                if self.collector is None or not self.acc_events:
                    self.collector = Collector(self.notes)
                self.collecting = True
                self.collector.start()
            if self._scheduled or self.step_num:
                self._collector().begin("step", ())

    def _pause(self) -> None:
        self.collecting = False
        self._collector().stop()

    def _collector(self) -> Collector:
        if self.collector is None:
            raise AssertionError("profile: nothing has been collected yet; run it first")
        return self.collector

    # ----- what was found -----

    def events(self) -> list[Event]:
        """All spans of time: `kind`, `name`, `start`, `end`, `thread`, `details`."""
        return self._collector().events

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> Averages:
        """What each kernel, each operation by NumPy and each named block did in all. They are grouped by what
        they compute, over which extents, and by line and module; the arguments are accepted and change
        nothing.

        Raises:
            AssertionError: nothing has been collected.
        """
        return averages(self._collector())

    def summary(self, row_limit: int = 30, sort_by: str = "cpu_time_total") -> str:
        """All of it as text: the table of kernels, where the time went, caches, and each realize."""
        c = self._collector()
        rows = averages(c).table(sort_by=sort_by, row_limit=row_limit)
        realizes = ["", *table.realize_lines(c)] if c.realizes else []
        return "\n".join([rows, *table.split_lines(c), "", *table.cache_lines(c), *realizes])

    def export_chrome_trace(self, path: str) -> None:
        """Writes the trace for ui.perfetto.dev or chrome://tracing; compressed if the name ends in `.gz`.

        Raises:
            AssertionError: nothing has been collected.
        """
        chrome.write(str(path), chrome.trace_of(self._collector(), self.metadata))

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes a line for each kernel, `module;line;kernel microseconds`, as flame graph tools read them.

        Raises:
            AssertionError: nothing has been collected.
            ValueError: another metric than `self_cpu_time_total`.
        """
        if metric != "self_cpu_time_total":
            raise ValueError(f"export_stacks: metric must be 'self_cpu_time_total', got {metric!r}")
        with open(path, "w", encoding="utf-8") as file:
            for row in self._collector().rows.values():
                frames = [*row.place.module.split("."), table.short_line(row.place.line), row.label]
                stack = ";".join(f.replace(";", ",").replace(" ", "_") for f in frames if f)
                file.write(f"{stack} {int(row.seconds * 1e6)}\n")

    def add_metadata(self, key: str, value: str) -> None:
        """Adds text to the trace file."""
        self.metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Adds JSON to the trace file."""
        self.metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json


def _check(activities: Iterable[ProfilerActivity] | None, use_cuda: bool | None) -> None:
    wanted = {ProfilerActivity.CPU} if activities is None else set(activities)
    if use_cuda:
        wanted.add(ProfilerActivity.CUDA)
    for other in wanted - supported_activities():
        if not isinstance(other, ProfilerActivity):
            raise TypeError(f"profile: activities must be ProfilerActivity values, got {other!r}")
        warnings.warn(f"profile: {other.name} is not available here, only the CPU is profiled", stacklevel=3)
    if ProfilerActivity.CPU not in wanted:
        raise ValueError("profile: activities must include ProfilerActivity.CPU")


class record_function:
    """Names a block of the program in profiles; also a decorator. Does nothing while nobody profiles.

    Work is recorded first and done later: the block's time is what it took to record, and of doing the work
    only what was done inside.

    Args:
        name: how the block is to be called.
        args: more text, shown in the trace.

    Example:
        >>> import flambeau as torch
        >>> with torch.profiler.record_function("loss"):
        ...     loss = (torch.ones(3) - 1).sum()
        >>> @torch.profiler.record_function("double")
        ... def double(x):
        ...     return x * 2
        >>> double(torch.ones(1))
        tensor([2.])
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._open: list[Collector | None] = []

    def __enter__(self) -> Self:
        running = profile.current
        collector = running.collector if running is not None and running.collecting else None
        if collector is not None:
            collector.begin("user", ())
        self._open.append(collector)
        return self

    def __exit__(self, *exc: object) -> None:
        collector = self._open.pop()
        if collector is not None:
            collector.end("user", (self.name, self.args))

    def __call__(self, function: F) -> F:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return wrapped  # type: ignore[return-value]
