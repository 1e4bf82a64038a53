"""Writes tests/oracle/parity.tsv: how close each function is to PyTorch on PyTorch's own samples.

python tools/parity.py                 # compare everything, write the table (what passed must still pass)
python tools/parity.py add norm        # these entries only, all their variants
python tools/parity.py --show add      # say what is different, write nothing
python tools/parity.py --worse         # accept that something no longer passes

FLAMBEAU_OPINFO_LIMIT=1000 tries (nearly) all samples, not six of each; WORKERS sets the number of processes.
"""

from __future__ import annotations

import os
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ORACLE = Path(__file__).resolve().parent.parent / "tests" / "oracle"
TABLE = ORACLE / "parity.tsv"


def read(path: Path = TABLE) -> dict[str, dict[str, str]]:
    """The table: for each entry, its tier, aspects and remark."""
    if not path.exists():
        return {}
    lines = [line.split("\t") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {row[0]: dict(zip(lines[0][1:], row[1:], strict=True)) for row in lines[1:]}


def write(rows: dict[str, dict[str, str]], path: Path = TABLE) -> None:
    """Writes the table, after a summary."""
    columns = ["entry", *next(iter(rows.values()))]
    lines = ["\t".join([name, *row.values()]) for name, row in sorted(rows.items())]
    path.write_text("\n".join([*summary(rows), "\t".join(columns), *lines]) + "\n")


def aspects(row: dict[str, str]) -> dict[str, str]:
    """Of a row, what is compared."""
    return {k: v for k, v in row.items() if k not in ("tier", "remark")}


def summary(rows: dict[str, dict[str, str]]) -> list[str]:
    """How many entries of each tier pass in all that was compared."""
    text = [
        "# Flambeau beside PyTorch's OpInfo samples; tools/parity.py writes this table, and nothing in it may"
    ]
    text.append(
        "# get worse. pass; - nothing to compare; missing; else what is different in the first such sample."
    )
    for tier in ("core", "common", "rare"):
        of = [aspects(row) for row in rows.values() if row["tier"] == tier]
        whole = sum(all(v in ("pass", "-") for k, v in row.items() if k not in ("layout",)) for row in of)
        cells = [v for row in of for v in row.values() if v != "-"]
        good = sum(v == "pass" for v in cells)
        text.append(
            f"# {tier}: {whole} of {len(of)} entries pass in all but layout, {good} of {len(cells)} aspects"
        )
    return text


def worse(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """The aspects that passed and no longer do."""
    return [k for k, v in aspects(old).items() if v == "pass" and new[k] != "pass"]


def assess(name: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """What `aspects.assess` finds for an entry, in a process of its own."""
    import torch
    from aspects import assess

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    return name, assess(name)


def main() -> int:
    """Compares, shows or writes."""
    sys.path[:0] = [str(ORACLE), str(ORACLE.parent)]
    from opinfo import ENTRIES

    wanted = {a for a in sys.argv[1:] if not a.startswith("--")}
    names = [n for n in ENTRIES if not wanted or wanted & {n, ENTRIES[n].name}]
    rows, fallen = read(), []
    with ProcessPoolExecutor(int(os.environ.get("WORKERS", "2"))) as pool:
        for name, results in pool.map(assess, names):
            old = rows.get(name, {"tier": "rare", "remark": ""})
            found = {k: v[0] for k, v in results.items()}
            rows[name] = {"tier": old["tier"], **found, "remark": old["remark"]}
            fallen += [f"{name} {k}: {results[k][1]}" for k in worse(old, found)]
            if "--show" in sys.argv:
                print(
                    *(f"{name} {k}: {word}: {text}" for k, (word, text) in results.items() if text),
                    sep="\n",
                )
    print(*fallen, *summary(rows), sep="\n")
    if "--show" in sys.argv or (fallen and "--worse" not in sys.argv):
        return int(bool(fallen))
    write({name: rows[name] for name in rows if name in ENTRIES})
    return 0


if __name__ == "__main__":
    sys.exit(main())
