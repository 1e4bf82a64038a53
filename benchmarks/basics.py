"""Measures the basics side by side: import, one recorded operation, and the quickstart's training.

    python benchmarks/basics.py                 # Flambeau; and PyTorch if the same environment has it
    python benchmarks/basics.py --rounds 9

The measurements take turns, and medians are printed, so that a busy machine disturbs all of them alike.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ADD = """
import time, {m} as torch
a, b = torch.ones(3, 4), torch.ones(3, 4)
def us(n=20000):
    start = time.perf_counter()
    for _ in range(n):
        a + b
    return (time.perf_counter() - start) / n * 1e6
us()
print(min(us() for _ in range(5)))
"""


def import_time(module: str) -> float:
    """Milliseconds that `import module` takes in a fresh process, the start of Python itself not counted."""
    code = f"import time; t = time.perf_counter(); import {module}; print((time.perf_counter() - t) * 1e3)"
    return run("-c", code)


def run(*arguments: str) -> float:
    """The last number that a Python process prints."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def quickstart(module: str, folder: str) -> float:
    """Seconds that examples/quickstart.py takes, with its first import swapped."""
    text = (
        (ROOT / "examples" / "quickstart.py")
        .read_text()
        .replace("import flambeau as torch", f"import {module} as torch", 1)
    )
    script = Path(folder) / f"quickstart_{module}.py"
    script.write_text(text)
    out = Path(folder) / module
    subprocess.run([sys.executable, str(script), "--out", str(out)], capture_output=True, check=True)
    return json.loads((out / "metrics.json").read_text())["seconds"]


def table(title: str, unit: str, measures: dict, rounds: int) -> None:
    """Runs the measures in turns and prints a row for each."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    for name, values in found.items():
        print(
            f"| {title} | {name} | {statistics.median(values):.3g} {unit} | {min(values):.3g} to "
            f"{max(values):.3g} |",
            flush=True,
        )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    modules = ["flambeau"] + (["torch"] if importlib.util.find_spec("torch") else [])
    print("| what | with | median | range |\n| --- | --- | --- | --- |")
    imports = {m: lambda m=m: import_time(m) for m in ["numpy", *modules]}
    table("import", "ms", imports, rounds)
    table("`a + b`, 3 x 4", "us", {m: lambda m=m: run("-c", ADD.format(m=m)) for m in modules}, rounds)
    with tempfile.TemporaryDirectory() as folder:
        table("quickstart", "s", {m: lambda m=m: quickstart(m, folder) for m in modules}, max(1, rounds // 2))


if __name__ == "__main__":
    main()
