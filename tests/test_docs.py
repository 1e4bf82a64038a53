"""What README and the stub say is so."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_readme_program_runs(capsys):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    program = max(blocks, key=len)
    exec(compile(program, "README.md", "exec"), {})
    assert float(capsys.readouterr().out) < 0.01


@pytest.mark.parametrize("tool", ["exports.py", "stubs.py", "coverage.py"])
def test_what_tools_write_is_up_to_date(tool):
    command = [sys.executable, str(ROOT / "tools" / tool), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if ">>> " in page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_in_docs_give_what_they_show(page):
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(page), module_relative=False, optionflags=options, encoding="utf-8")
    assert found.attempted and not found.failed


def test_links_in_docs_lead_somewhere():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_list_of_public_names_is_up_to_date():
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "exports.py"), "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
