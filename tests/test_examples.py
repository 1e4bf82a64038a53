"""The examples run from beginning to end, small, and what they promise is so."""

import math
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

pytestmark = pytest.mark.slow


def run(name, *arguments):
    """What the main function of an example returns."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]([str(a) for a in arguments])


def test_char_gpt_learns_writes_and_is_saved(tmp_path, capsys):
    size = ("--width", 32, "--layers", 1, "--context", 16, "--characters", 50_000)
    result = run("char_gpt", *size, "--steps", 60, "--lr", 0.01, "--write", 20, "--out", tmp_path)
    assert result["same"] and result["loss"] < math.log(80) - 0.8
    assert "def " in capsys.readouterr().out


def test_sentences_are_told_apart():
    result = run("sentence_classification", "--epochs", 4, "--packages", "ipaddress", "statistics")
    assert result["accuracy"] > result["commonest"] + 0.08


def test_tabular_data_go_through_a_file(tmp_path):
    pytest.importorskip("sklearn")
    assert run("tabular_classification", "--epochs", 6, "--out", tmp_path)["accuracy"] > 0.85
    assert (tmp_path / "cancers.csv").exists()


def test_what_was_learned_is_transferred(tmp_path):
    pytest.importorskip("sklearn")
    options = ("--epochs", 3, "--pretrain", 1, "--repeats", 1, "--few", 3)
    means = run("transfer_learning", *options, "--out", tmp_path)
    assert list(means) == ["scratch", "frozen", "unfrozen"]
    assert means["unfrozen"] > 0.3  # one in five by chance


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_begin_with_the_one_import(path):
    imports = [line for line in path.read_text().splitlines() if line.startswith(("import ", "from "))]
    assert imports[0] == "import flambeau as torch"
