"""The project's habits, held by tests: small functions and files, arrows that point down, a cheap import."""

import compileall
import re
import subprocess
import sys
from pathlib import Path

import pytest
from shape import ROOT, SOURCE, code_lines, function_lengths

FILES = {path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in SOURCE.rglob("*.py")}
GENERATORS = re.compile(r"compiler/(cpu|cuda)/")  # a kernel generator reads better in one piece


def test_files_are_small():
    sizes = {name: len(code_lines(text)) for name, text in FILES.items()}
    del sizes["__init__.py"]  # a list of the public names, not code to read
    large = {name: size for name, size in sizes.items() if size > 600}
    assert not large, f"files of more than 600 lines of code, split them: {large}"


def test_functions_are_small():
    lengths = sorted((*f, name) for name, text in FILES.items() for f in function_lengths(text))
    longest = [f for f in lengths if f[0] > (120 if GENERATORS.match(f[3]) else 100)]
    assert not longest, f"functions of more than 100 lines of code, split them: {longest}"
    p99 = lengths[int(0.99 * len(lengths))]
    assert p99[0] <= 60, f"one function in a hundred is longer than 60 lines, beginning with {p99}"


def test_arrows_between_rooms_point_down():
    lint = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_loads_nothing_heavy():
    heavy = {"llvmlite", "matplotlib", "PIL", "rich", "scipy", "sklearn", "torch"}
    loaded = run_python("import sys, flambeau; print(*{name.split('.')[0] for name in sys.modules})").split()
    assert not heavy & set(loaded)


def test_import_is_cheap():
    compileall.compile_dir(SOURCE, quiet=1)
    code = "import numpy, time; t = time.thread_time(); import flambeau; print(time.thread_time() - t)"
    best = float("inf")
    for _ in range(20):  # a busy machine makes one import slow, not all; NumPy's own threads aren't counted
        best = min(best, float(run_python(code)))
        if best <= 0.07:
            return
    pytest.fail(f"import flambeau takes {best:.3f} s on top of NumPy, the budget is 0.07 s")


def test_no_file_names_the_machine_it_was_written_on():
    machine = re.compile(r"(?<![\w./-])/(home|root|work|Users)/|PIP_[A-Z]")
    top = [p for p in ROOT.iterdir() if p.is_file() and p.name != ".git"]
    rooms = ("src", "tests", "docs", "examples", "tools", ".ci")
    inside = [p for room in rooms for p in (ROOT / room).rglob("*") if p.is_file() and p.suffix != ".pyc"]
    hits = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in top + inside
        if (found := machine.search(path.read_text("utf-8", errors="ignore")))
    ]
    assert not hits
