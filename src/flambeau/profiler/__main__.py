"""`python -m flambeau.profiler [--trace FILE] [--top N] [--sort NAME] script.py [arguments]`: runs a program
and says where its time went."""

from __future__ import annotations

import argparse
import os
import runpy
import sys
from collections.abc import Sequence

from .averages import Average
from .profile import profile


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program in a profile, and prints it; the program's exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m flambeau.profiler", description="Run a program and print where its time went."
    )
    parser.add_argument(
        "--trace", metavar="FILE", help="write a trace for ui.perfetto.dev (.json or .json.gz)"
    )
    parser.add_argument("--top", type=int, default=30, metavar="N", help="rows of the table (30; -1: all)")
    parser.add_argument(
        "--sort", default="cpu_time_total", metavar="NAME", help="sort rows by (cpu_time_total)"
    )
    parser.add_argument("script", help="the program")
    parser.add_argument("args", nargs=argparse.REMAINDER, help="its arguments")
    chosen = parser.parse_args(arguments)
    if not hasattr(Average("", 0, 0.0, 0.0), chosen.sort):
        parser.error(
            f"--sort: {chosen.sort!r} is not a column; choose cpu_time_total, count, flops, nbytes or key"
        )
    prof = profile()
    try:
        with prof:
            status = _run(chosen.script, chosen.args)
    finally:
        if prof.collector is not None:
            _show(prof, chosen)
    return status


def _run(script: str, args: Sequence[str]) -> int:
    """Runs a script as Python would; its exit status."""
    sys.argv = [script, *args]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    return 0


def _show(prof: profile, chosen: argparse.Namespace) -> None:
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    print(prof.summary(chosen.top, chosen.sort))
    if chosen.trace:
        prof.export_chrome_trace(chosen.trace)
        print(f"\ntrace written to {chosen.trace}; open it at https://ui.perfetto.dev")


if __name__ == "__main__":
    sys.exit(main())
