"""Writes `__all__` in src/flambeau/__init__.py: the names that type checkers and editors may take from the
package.

python tools/exports.py            # write it
python tools/exports.py --check    # exit with 1 if it is not up to date
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import flambeau

TARGET = Path(flambeau.__file__)
LIST = re.compile(r"__all__ = \[\n.*?\](  # fmt: skip)?\n", re.DOTALL)


def names() -> list[str]:
    """All public names: those that are there, and those that are loaded when asked for."""
    here = {
        n
        for n in vars(flambeau)
        if not n.startswith("_") and n not in ("TYPE_CHECKING", "Any", "annotations")
    }
    here -= {"methods", "interpreter", "recorder", "runtime", "core", "ops", "functions"}
    return sorted(here | set(flambeau._LAZY) | set(flambeau._LAZY_FROM) | {"__version__"})


def main() -> int:
    """Writes or checks the list."""
    text = TARGET.read_text()
    filled = textwrap.fill(", ".join(f'"{name}"' for name in names()), 106)
    listed = "__all__ = [\n" + textwrap.indent(filled, "    ") + ",\n]  # fmt: skip\n"
    new = LIST.sub(lambda _: listed, text)
    if "--check" in sys.argv:
        if new != text:
            print(f"__all__ in {TARGET} is not up to date: run python tools/exports.py", file=sys.stderr)
        return int(new != text)
    TARGET.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
