#!/usr/bin/env python3
"""Print the shape of the source tree: the size of each room, its change, the longest functions and files.

    tools/shape.py [--base REV]

Lines count code only: no blank lines, comments or docstrings. The budgets that `tests/test_budgets.py` holds
are measured with the same functions.
"""

import argparse
import ast
import io
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "flambeau"
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def doc_lines(tree: ast.AST) -> set[int]:
    """The numbers of the lines that docstrings take."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node, clean=False):
            lines.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return lines


@cache
def code_lines(text: str) -> set[int]:
    """The numbers of the lines that bear code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    return lines - doc_lines(ast.parse(text))


def function_lengths(text: str) -> Iterator[tuple[int, str, int]]:
    """Length, name and line of each function, from `def` to its last line, code only."""
    code = code_lines(text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, Function):
            yield len(code & set(range(node.lineno, (node.end_lineno or 0) + 1))), node.name, node.lineno


def room(name: str) -> str:
    """The room of a file named relative to the package."""
    return name.split("/")[0] if "/" in name else "(top)"


def sizes_at(revision: str) -> Counter[str]:
    """Lines of code by room at a revision."""
    sizes: Counter[str] = Counter()
    prefix = SOURCE.relative_to(ROOT).as_posix()
    for name in git("ls-tree", "-r", "--name-only", revision, prefix).split():
        if name.endswith(".py"):
            sizes[room(name.removeprefix(prefix + "/"))] += len(code_lines(git("show", f"{revision}:{name}")))
    return sizes


def git(*args: str) -> str:
    return subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description="Print the shape of the source tree.")
    parser.add_argument(
        "--base", metavar="REV", help="show what has changed in each room since this revision"
    )
    base = parser.parse_args().base
    texts = {path.relative_to(SOURCE).as_posix(): path.read_text("utf-8") for path in SOURCE.rglob("*.py")}
    files = {name: len(code_lines(text)) for name, text in texts.items()}
    functions = sorted((*f, name) for name, text in texts.items() for f in function_lengths(text))
    before = sizes_at(base) if base else None
    now: Counter[str] = Counter()
    for name, size in files.items():
        now[room(name)] += size

    for name in sorted(now | (before or Counter())):
        print(f"{name:14}{now[name]:7}" + (f"{now[name] - before[name]:+7}" if before is not None else ""))
    total = f"{'total':14}{now.total():7}"
    print(total + (f"{now.total() - before.total():+7}" if before is not None else ""))
    print(f"\n{len(functions)} functions; the longest:")
    for length, function, line, name in functions[:-7:-1]:
        print(f"{length:5}  {function} ({name}:{line})")
    print(f"\n{len(files)} files; the largest:")
    for name in sorted(files, key=files.__getitem__)[:-6:-1]:
        print(f"{files[name]:5}  {name}")


if __name__ == "__main__":
    main()
