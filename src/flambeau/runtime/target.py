"""The processor that kernels are made for: its name, features, vector width and caches."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# What FLAMBEAU_CPU may name instead of this machine's processor.
_BASELINES = {"avx2": "haswell", "sse2": "x86-64"}


@dataclass(frozen=True)
class Target:
    """A processor. Sizes are in bytes.

    `cpu` and `features` are LLVM's names; `vector` is the width of a vector register; `registers` how many of
    them there are; `l1`, `l2`, `l3` are the data caches that a core sees.
    """

    cpu: str
    features: str
    vector: int
    registers: int
    l1: int = 32 << 10
    l2: int = 512 << 10
    l3: int = 8 << 20

    def lanes(self, itemsize: int) -> int:
        """Elements of `itemsize` bytes in a vector register."""
        return self.vector // itemsize

    def has(self, feature: str) -> bool:
        """Whether the processor has a feature, by LLVM's name (`avx512bf16`)."""
        return f"+{feature}" in self.features.split(",")


@cache
def host() -> Target:
    """This machine's processor, or the lesser one that the environment variable FLAMBEAU_CPU names."""
    import llvmlite.binding as llvm

    wish = os.environ.get("FLAMBEAU_CPU", "")
    if wish and wish not in _BASELINES:
        raise ValueError(f"FLAMBEAU_CPU={wish!r}: expected one of {', '.join(_BASELINES)}, or nothing")
    cpu = _BASELINES.get(wish) or llvm.get_host_cpu_name()
    found = llvm.get_host_cpu_features()
    if wish:
        keep = {
            "avx2": ("sse2", "sse4.2", "avx", "avx2", "fma", "f16c", "bmi", "bmi2", "popcnt"),
            "sse2": ("sse2",),
        }
        found = dict.fromkeys(keep[wish], True)
    else:
        found = dict(found)
    if found.get("avx512f"):
        vector, registers = 64, 32
        found["prefer-256-bit"] = False
    elif found.get("avx"):
        vector, registers = 32, 16
    else:
        vector, registers = 16, 32 if found.get("neon") else 16
    features = ",".join(sorted(("+" if on else "-") + name for name, on in found.items()))
    return Target(cpu, features, vector, registers, *_caches())


def _caches() -> tuple[int, int, int]:
    """Data caches of levels 1 to 3, read from Linux's sysfs; usual sizes elsewhere."""
    sizes = {1: 32 << 10, 2: 512 << 10, 3: 8 << 20}
    for entry in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            level, kind = int((entry / "level").read_text()), (entry / "type").read_text().strip()
            text = (entry / "size").read_text().strip()
        except (OSError, ValueError):
            continue
        if kind != "Instruction" and level in sizes:
            sizes[level] = int(text.rstrip("KMG")) << {"K": 10, "M": 20, "G": 30}.get(text[-1], 0)
    return sizes[1], sizes[2], sizes[3]
