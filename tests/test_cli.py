"""The command line, and the quickstart that `flambeau demo` runs."""

import json
import runpy
from pathlib import Path

import pytest

from flambeau import cli

SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "quickstart.py"


def test_info_names_versions(capsys):
    assert cli.main(["info"]) == 0
    assert "flambeau" in capsys.readouterr().out


def test_unknown_argument_is_refused():
    with pytest.raises(SystemExit) as e:
        cli.main(["info", "--no-such-option"])
    assert e.value.code == 2


def test_missing_command_is_refused():
    with pytest.raises(SystemExit) as e:
        cli.main([])
    assert e.value.code == 2


@pytest.mark.slow
def test_demo_trains_saves_and_draws(tmp_path, capsys):
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    assert cli.main(["demo", "--epochs", "2", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "the same predictions" in out and "ETA" in out
    assert {p.name for p in tmp_path.iterdir()} == {
        "cnn.safetensors", "confusion.png", "curves.png", "filters.png", "metrics.json", "mistakes.png",
    }  # fmt: skip
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["test"]["ConvolutionalNetwork"]["accuracy"] > 0.85
    assert sum(map(sum, metrics["test"]["NeuralNetwork"]["confusion"])) == 360


def test_demo_says_when_the_folder_cannot_be_written(tmp_path, capsys):
    pytest.importorskip("sklearn")
    (tmp_path / "file").write_text("")
    assert cli.main(["demo", "--epochs", "1", "--out", str(tmp_path / "file" / "below")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_one_line_makes_the_quickstart_a_pytorch_program():
    """Nothing but the first import names Flambeau."""
    lines = [line for line in SCRIPT.read_text().splitlines() if "flambeau" in line]
    assert lines == ["import flambeau as torch"]
    assert runpy.run_path(str(SCRIPT), run_name="not main")["CLASSES"] == 10
