"""The command line: `flambeau demo`, `flambeau run`, `flambeau info`, `flambeau cache`."""

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


def run(arguments: Sequence[str]) -> int:
    """Runs a program written for PyTorch: `script.py arguments…` or `-m module arguments…`."""
    from .interop.imports import run as run_program

    module = arguments[:1] == ["-m"]
    target, *rest = arguments[module:] or [""]
    if not target:
        print("usage: flambeau run [-m] program [arguments ...]", file=sys.stderr)
        return 2
    if not module and not Path(target).is_file():
        print(f"flambeau run: can't open {target!r}: there is no such file", file=sys.stderr)
        return 2
    run_program(target, rest, module)
    return 0


def info() -> int:
    """Prints what Flambeau runs on, and how fast that is."""
    import platform

    import numpy as np

    import flambeau

    from .runtime.machine import describe

    print(f"flambeau {flambeau.__version__}, Python {platform.python_version()}, NumPy {np.__version__}")
    print(f"{platform.system()} {platform.machine()}, mode {flambeau.config.mode}")
    for heading, text in describe().items():
        print(f"{heading:<14}{text}")
    return 0


def cache(prune: str | None, clear: bool) -> int:
    """Prints where compiled kernels are kept and how many, after deleting all or those longest unused."""
    from .runtime import cache as disk

    if clear or prune is not None:
        capacity = 0 if clear else _bytes(prune or f"{disk.CAPACITY}")
        if capacity is None:
            print(f"flambeau cache: {prune!r} is no size; write it like 100M or 1G", file=sys.stderr)
            return 2
        print(f"deleted {disk.prune(capacity):,} bytes")
    found = disk.summary()
    if found is None:
        print("the kernel cache is off (FLAMBEAU_CACHE=0)")
    else:
        print(f"{found.folder}: {found.entries:,} kernels, {found.nbytes:,} bytes")
    return 0


def _bytes(text: str) -> int | None:
    """The number that `100`, `100K`, `100M` or `1G` means; None for anything else."""
    number, scale = (text[:-1], "KMG".find(text[-1].upper()) + 1) if text[-1:].isalpha() else (text, 0)
    return int(number) << 10 * scale if number.isdecimal() and (scale or number == text) else None


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point of the `flambeau` command."""
    parser = argparse.ArgumentParser(
        prog="flambeau", description="Deep learning with PyTorch's interface, in Python."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("demo", help="train on handwritten digits, with pictures", add_help=False)
    commands.add_parser("run", help="run a program written for PyTorch, unchanged", add_help=False)
    commands.add_parser("info", help="what Flambeau runs on, and how fast that is")
    stored = commands.add_parser("cache", help="where compiled kernels are kept, and how many")
    what = stored.add_mutually_exclusive_group()
    what.add_argument(
        "--prune",
        nargs="?",
        const="",
        metavar="SIZE",
        help="delete what was unused for longest, down to SIZE (256M)",
    )
    what.add_argument("--clear", action="store_true", help="delete all")
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["run"]:  # whatever follows is the program's
        return run(given[1:])
    chosen, rest = parser.parse_known_args(given)
    if chosen.command == "demo":
        return demo(rest)
    if rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return cache(chosen.prune, chosen.clear) if chosen.command == "cache" else info()


if __name__ == "__main__":
    sys.exit(main())
