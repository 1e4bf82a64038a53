"""A profile in the trace format that Perfetto (ui.perfetto.dev) and chrome://tracing show."""

from __future__ import annotations

import gzip
import json
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .collect import Collector


def trace_of(c: Collector, metadata: dict[str, Any]) -> dict[str, Any]:
    """The trace: complete events (`"ph": "X"`), in microseconds since the profile began, nested by times."""
    process = os.getpid()
    names = {t.ident: t.name for t in threading.enumerate()}
    threads = {thread: i for i, thread in enumerate(dict.fromkeys(e.thread for e in c.events))}
    events: list[dict[str, Any]] = [_named("process_name", process, 0, "flambeau")]
    for thread, number in threads.items():
        events.append(_named("thread_name", process, number, names.get(thread, f"thread {number}")))
    for e in sorted(c.events, key=lambda e: (e.start, -e.end)):
        seconds = max(e.end - e.start, 0.0)
        events.append({
            "ph": "X", "cat": e.kind, "name": e.name, "pid": process, "tid": threads[e.thread],
            "ts": (e.start - c.origin) * 1e6, "dur": seconds * 1e6, "args": _shown(e.details, seconds),
        })  # fmt: skip
    return {"schemaVersion": 1, "displayTimeUnit": "ms", **metadata, "traceEvents": events}


def _named(what: str, process: int, thread: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": process, "tid": thread, "args": {"name": name}}


def _shown(details: dict[str, Any], seconds: float) -> dict[str, Any]:
    shown = {k: v for k, v in details.items() if v not in (None, "")}
    if seconds > 0 and "flops" in details:
        shown |= {"GFLOP/s": details["flops"] / seconds / 1e9, "GB/s": details["bytes"] / seconds / 1e9}
    return shown


def write(path: str, trace: dict[str, Any]) -> None:
    """Writes a trace, compressed if the file's name ends in `.gz`."""
    text = json.dumps(trace).encode()
    with open(path, "wb") as file:
        file.write(gzip.compress(text) if path.endswith(".gz") else text)
