"""`explain`, and what FLAMBEAU_DEBUG shows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import flambeau as torch
from flambeau.core.program import programs
from flambeau.core.realize import recorder


@pytest.fixture(autouse=True)
def lazy(monkeypatch):
    torch.synchronize()
    monkeypatch.setattr(torch.config, "mode", "interpret")
    recorder.relax()
    yield
    torch.synchronize()
    monkeypatch.undo()
    recorder.relax()


def test_pointwise_operations_and_a_reduction_are_one_kernel():
    x = torch.ones(64, 32)
    torch.synchronize()
    plan = torch.explain(torch.relu(x * 2 + 1).sum(1))
    assert plan.kernels == ["mul·add·relu·sum 64x32 -> 64"]
    assert (plan.pending, plan.flops, plan.arena) == (4, 64 * 32 * 4, 0)
    assert plan.nbytes == 4 * (64 * 32 + 2 + 64)


def test_text_shows_graph_kernels_and_memory():
    x, w = torch.ones(16, 8), torch.ones(8, 4)
    y = torch.softmax(x @ w, 1)
    text = repr(torch.explain(y))
    assert text == torch.explain(y).text
    for heading in ("graph as recorded", "graph after passes", "kernels, and", "memory", "arena of"):
        assert f"\n{heading}" in text or f"  {heading}" in text, heading
    assert "softmax(" in text and "exp(" in text and "matmul 16x4x8" in text


@pytest.mark.parametrize("mode", ["interpret", "compile"])
def test_nothing_is_done_or_forgotten(mode, monkeypatch):
    x = torch.arange(6.0).reshape(2, 3)
    y = (x + 1).exp()
    z = y.sum() * 2
    other = x - 5
    before = [id(n) for n in recorder.pending]
    counts = programs.hits, programs.misses
    first = torch.explain(z).text
    assert torch.explain(z).text == first and "1 more that it doesn't need" in first
    assert [id(n) for n in recorder.pending] == before
    assert (programs.hits, programs.misses) == counts
    monkeypatch.setattr(torch.config, "mode", mode)
    expected = sum(torch.tensor(float(i + 1)).exp().item() for i in range(6)) * 2
    assert z.item() == pytest.approx(expected, rel=1e-6)
    assert other.tolist() == [[-5, -4, -3], [-2, -1, 0]]


def test_a_known_program_is_called_known():
    x = torch.ones(5000)  # fewer numbers would need no program
    torch.synchronize()
    for expected in ("the program is new", "known, run 1 times, the last time: by NumPy"):
        y = (x * 7.5).cos()
        assert expected in torch.explain(y).text
        y.tolist()


def test_a_value_and_a_failed_operation_are_said_to_be_so():
    x = torch.ones(2)
    assert x.tolist() == [1, 1]
    assert str(torch.explain(x)) == "a value: float32 2, nothing is pending for it"
    bad = torch.ones(3)[torch.tensor([5]) + 0]
    with pytest.raises(IndexError):
        bad.tolist()
    assert "has failed" in torch.explain(bad + 1).text
    with pytest.raises(IndexError):
        (bad + 1).tolist()


def test_arguments_are_checked():
    with pytest.raises(TypeError, match="explain: argument 'tensor' must be Tensor, not list"):
        torch.explain([1])


PROGRAM = """
import flambeau as torch
x = torch.ones(64, 32) * 3
w = torch.ones(32, 16)
print(torch.relu(x @ w + 1).sum().item())
"""
SHOWN = {
    2: ["native run of", "GFLOP/s", "kernels compiled"],
    3: ["graph as recorded", "graph after passes", "kernels, and the values that each computes"],
    4: ["calls\n", "tasks, grain", "memory\n", "arena of"],
    5: ["LLVM code of nest", "define void"],
    6: ["assembly of nest", ".globl"],
}


@pytest.mark.parametrize("level", range(1, 7))
def test_debug_levels_add_up(tmp_path: Path, level):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    environment = {
        **os.environ, "FLAMBEAU_MODE": "compile", "FLAMBEAU_DEBUG": str(level),
        "FLAMBEAU_CACHE_DIR": str(tmp_path / "kernels"),
    }  # fmt: skip
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment)
    assert done.stdout == f"{64 * 16 * 97.0}\n", done.stderr
    assert "kept, new program, native (compiled now), " in done.stderr
    for at, texts in SHOWN.items():
        for text in texts:
            assert (text in done.stderr) == (at <= level), (level, text)
