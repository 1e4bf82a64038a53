"""The settings that come from the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import flambeau as torch
x = torch.ones(2, 3)
y = (x * 2).sum()
print(y.item())
"""


def run(tmp_path: Path, program: str = PROGRAM, **environment: str) -> subprocess.CompletedProcess[str]:
    script = tmp_path / "program.py"
    script.write_text(program)
    return subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_debug_lists_each_realize_with_its_reason_size_and_line(tmp_path):
    done = run(tmp_path, FLAMBEAU_DEBUG="1", FLAMBEAU_MODE="interpret")
    assert done.stdout == "12.0\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("flambeau: realize (item) 3 of 3 ops, 2 kept")
    assert line.endswith("program.py:5")


def test_eager_mode_realizes_each_operation(tmp_path):
    done = run(tmp_path, FLAMBEAU_DEBUG="1", FLAMBEAU_MODE="eager")
    assert done.stdout == "12.0\n"
    assert len(done.stderr.splitlines()) == 3


def test_pending_nodes_are_bounded(tmp_path):
    program = (
        "import flambeau as torch\nx = torch.ones(1)\nfor _ in range(100):\n    x = x + 1\nprint(x.item())"
    )
    done = run(tmp_path, program, FLAMBEAU_DEBUG="1", FLAMBEAU_MODE="interpret", FLAMBEAU_MAX_NODES="10")
    assert done.stdout == "101.0\n"
    assert done.stderr.count("realize (bound) 10 of 10 ops") == 10


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("FLAMBEAU_MODE", "fast", "is not a mode; choose one of auto, interpret, compile, eager"),
        ("FLAMBEAU_DEBUG", "yes", "is not a whole number"),
    ],
)
def test_bad_settings_are_named(tmp_path, name, value, message):
    done = run(tmp_path, **{name: value})
    assert done.returncode == 1
    assert f"ValueError: {name}='{value}' {message}" in done.stderr
