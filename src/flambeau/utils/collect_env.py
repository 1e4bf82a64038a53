"""What a report of a problem should say about the machine: `python -m flambeau.utils.collect_env`."""

from __future__ import annotations

import os
import platform
from importlib import metadata

from ..runtime.threads import get_num_threads
from ..version import __version__

PACKAGES = ("numpy", "llvmlite", "ml_dtypes", "safetensors")


def get_pretty_env_info() -> str:
    """Versions, processor and settings, as text.

    >>> import flambeau as torch
    >>> torch.utils.collect_env.get_pretty_env_info().startswith("Flambeau version")
    True
    """
    lines = {
        "Flambeau version": __version__,
        "Is CUDA available": "False",
        "OS": platform.platform(),
        "Python version": f"{platform.python_version()} ({platform.python_implementation()})",
        "CPU": f"{platform.machine()}, {os.cpu_count()} processors, {get_num_threads()} threads used",
        **{name: _version(name) for name in PACKAGES},
        **{name: value for name, value in sorted(os.environ.items()) if name.startswith("FLAMBEAU_")},
    }
    return "\n".join(f"{name}: {value}" for name, value in lines.items())


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def main() -> None:
    """Prints the report."""
    print(get_pretty_env_info())


if __name__ == "__main__":
    main()
