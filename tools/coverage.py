"""Writes docs/coverage.md: which of PyTorch's public names are here.

python tools/coverage.py            # write it
python tools/coverage.py --check    # exit with 1 if it is not up to date
python tools/coverage.py --names    # list PyTorch's names anew, with the PyTorch that is installed

tools/coverage_names.txt lists PyTorch's names by namespace, tools/coverage_remarks.txt says where Flambeau
differs, one name a line.
"""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
import types
from pathlib import Path
from typing import Any

import flambeau

TOOLS = Path(__file__).resolve().parent
NAMES, REMARKS = TOOLS / "coverage_names.txt", TOOLS / "coverage_remarks.txt"
TARGET = TOOLS.parent / "docs" / "coverage.md"
VERSION = "2.13"
NAMESPACES = """
    torch Tensor nn nn.functional nn.init nn.utils nn.utils.rnn nn.utils.parametrize nn.utils.parametrizations
    nn.utils.prune nn.attention nn.parallel optim optim.lr_scheduler optim.swa_utils linalg fft special func
    autograd autograd.functional autograd.forward_ad autograd.graph distributions utils.data utils.checkpoint
    utils.dlpack sparse signal.windows masked random amp cuda cpu backends testing overrides profiler compiler
    library hub jit onnx distributed
"""
# Not for users: classes of the JIT's, kernels of single libraries.
INTERNAL = re.compile(
    r"(cudnn|miopen|mkldnn|fbgemm|quantized|autocast|batch_norm|native|q_|rnn_|sym_)_?\w+|import_ir_module\w*|"
    r"(USE|PRIVATE)_\w+|TYPE_CHECKING|parse_\w+|merge_\w+|unify_\w+|get_file_path|classproperty|"
    r"\w*(fused|fork|cpp|vitals|num_threads_from|thread_safe)\w*|prepare_multiprocessing_environment|"
    r"has_torch_function\w*|handle_torch_function|boolean_dispatch|assert_int_or_pair|BroadcastingList\d|"
    r"profiler_\w+|init_num_threads|read_vitals|set_vital|vitals_enabled|wait|memory_type\w*|PRIVATE\w*"
)
CLASSES = re.compile(
    r"(\w+Tensor|\w+Storage|Tensor|Storage|Size|Generator|Stream|Event|Sym(Int|Float|Bool)|GradScaler|Tag|"
    r"OutOfMemoryError|AcceleratorError)$"
)


# ----- PyTorch's names -----


def public(namespace: str) -> list[str]:
    """The names that users may take from a namespace of the installed PyTorch."""
    if namespace == "torch" or namespace == "Tensor":
        import torch

        owner = torch if namespace == "torch" else torch.Tensor
        names = {n for n in dir(owner) if n[0] != "_" and not isinstance(getattr(owner, n), types.ModuleType)}
        if namespace == "torch":
            names = {n for n in names if not n[0].isupper() or CLASSES.match(n)}
        return sorted(n for n in names if not INTERNAL.fullmatch(n))
    module = importlib.import_module(f"torch.{namespace}")
    listed = set(getattr(module, "__all__", ())) or {n for n in dir(module) if _own(module, n)}
    own = {n for n in listed if n[0] != "_" and hasattr(module, n)}
    own = {n for n in own if not isinstance(getattr(module, n), types.ModuleType)}
    return sorted(own if hasattr(module, "__all__") else (n for n in own if not INTERNAL.fullmatch(n)))


def _own(module: types.ModuleType, name: str) -> bool:
    value = getattr(module, name)
    home = getattr(value, "__module__", None) or "torch"
    near = home.startswith(module.__name__) or home in ("torch", "torch._C") or home.startswith("torch._C._")
    return name[0] != "_" and near and (callable(value) or not name.isupper())


def list_names() -> None:
    """Writes the list of names."""
    text = ["# PyTorch's public names by namespace; `python tools/coverage.py --names` lists them.", ""]
    for namespace in NAMESPACES.split():
        text += [
            f"{namespace}:",
            textwrap.indent(textwrap.fill(" ".join(public(namespace)), 102), "    "),
            "",
        ]
    NAMES.write_text("\n".join(text))


# ----- the table -----


def names() -> dict[str, list[str]]:
    """The list of names, by namespace."""
    found: dict[str, list[str]] = {}
    for line in NAMES.read_text().splitlines():
        if line and line[0] not in "# ":
            namespace = line.rstrip(":")
        elif line.startswith(" "):
            found.setdefault(namespace, []).extend(line.split())
    return found


def remarks() -> dict[str, str]:
    """Where something differs: `namespace.name` to a remark."""
    lines = [line for line in REMARKS.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


def owner(namespace: str) -> Any:
    """The module or class here, None if there is none."""
    found: Any = flambeau
    for part in () if namespace == "torch" else namespace.split("."):
        found = getattr(found, part, None)
    if found is None:
        try:
            return importlib.import_module(f"flambeau.{namespace}")
        except ImportError:
            return None
    return found


def table() -> str:
    """The text of docs/coverage.md."""
    differs, counts, sections = remarks(), [], []
    for namespace, listed in names().items():
        home = owner(namespace)
        there = [n for n in listed if home is not None and hasattr(home, n)]
        rows = [(n, n in there, differs.pop(f"{namespace}.{n}", "")) for n in listed]
        counts.append((namespace, len(there), sum(bool(r[2]) and r[1] for r in rows), len(listed)))
        sections.append(section(namespace, rows))
    if differs:
        raise SystemExit(f"coverage: remarks on names that PyTorch does not have: {', '.join(differs)}")
    total = [sum(c[i] for c in counts) for i in (1, 2, 3)]
    lines = [
        f"| [{title(n)}](#{anchor(n)}) | {a} | {d} | {of - a} | {a / of:.0%} |" for n, a, d, of in counts
    ]
    return "\n".join([
        "# What is here of PyTorch's interface",
        "",
        f"The public names of PyTorch {VERSION}, namespace by namespace: which are here, which differ and "
        "how, which are missing. What is missing raises `AttributeError` with its name. How exactly the "
        "functions agree is measured on PyTorch's own test samples, in "
        "[parity.tsv](../tests/oracle/parity.tsv). `python tools/coverage.py` writes this page.",
        "",
        "| namespace | here | of these with differences | missing | covered |",
        "| --- | ---: | ---: | ---: | ---: |",
        *lines,
        f"| all | {total[0]} | {total[1]} | {total[2] - total[0]} | {total[0] / total[2]:.0%} |",
        "",
        *sections,
    ])  # fmt: skip


def section(namespace: str, rows: list[tuple[str, bool, str]]) -> str:
    """A namespace: a table of what is missing or differs, then the names that are there."""
    special = [
        f"| `{n}` | {'differs' if there else 'missing'}{': ' + remark if remark else ''} |"
        for n, there, remark in rows
        if not there or remark
    ]
    plain = " ".join(f"`{n}`" for n, there, remark in rows if there and not remark)
    parts = [f"## {title(namespace)}", ""]
    if special:
        parts += ["| name | |", "| --- | --- |", *special, ""]
    return "\n".join([*parts, *([f"There: {plain}", ""] if plain else [])])


def title(namespace: str) -> str:
    """`torch.nn` for `nn`."""
    return namespace if namespace == "torch" else f"torch.{namespace}"


def anchor(namespace: str) -> str:
    """Where GitHub's headings link to."""
    return title(namespace).lower().replace(".", "")


def main() -> int:
    """Writes or checks the page, or lists the names."""
    if "--names" in sys.argv:
        list_names()
    new = table()
    if "--check" in sys.argv:
        if not TARGET.exists() or new != TARGET.read_text():
            print(f"{TARGET} is not up to date: run python tools/coverage.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
