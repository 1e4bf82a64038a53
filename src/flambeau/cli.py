"""The command line: `flambeau demo`, `flambeau info`."""

from __future__ import annotations

import argparse
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent


def demo(arguments: Sequence[str]) -> int:
    """Runs the quickstart example: trains, evaluates, saves, reloads and draws. Returns the exit status."""
    script = (
        next((p for p in (HERE / "examples", HERE.parents[1] / "examples") if p.is_dir()), HERE)
        / "quickstart.py"
    )
    try:
        program = runpy.run_path(str(script), run_name="flambeau.demo")
    except ModuleNotFoundError as e:
        if e.name and e.name.startswith("flambeau"):
            raise
        print(
            f"flambeau demo needs the package {e.name}; install it with: pip install 'flambeau[demo]'",
            file=sys.stderr,
        )
        return 1
    try:
        program["main"](arguments)
    except OSError as e:
        print(
            f"flambeau demo: can't use {e.filename}: {e.strerror}; choose another folder with --out",
            file=sys.stderr,
        )
        return 1
    return 0


def info() -> int:
    """Prints what Flambeau runs on."""
    import platform

    import numpy as np

    import flambeau

    print(f"flambeau {flambeau.__version__}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(
        f"{platform.system()} {platform.machine()}, {flambeau.get_num_threads()} threads, mode "
        f"{flambeau.config.mode}"
    )
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point of the `flambeau` command."""
    parser = argparse.ArgumentParser(
        prog="flambeau", description="Deep learning with PyTorch's interface, in Python."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="train on handwritten digits, with pictures", add_help=False)
    commands.add_parser("info", help="what Flambeau runs on")
    chosen, rest = parser.parse_known_args(arguments)
    if chosen.command == "demo":
        return demo(rest)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return info()


if __name__ == "__main__":
    sys.exit(main())
