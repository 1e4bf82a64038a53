"""Random programs of many operations mean the same to the interpreter and as native code, whenever work is
done."""

import numpy as np
import pytest
from op_programs import OpWriter, worlds
from programs import check

from flambeau import recorder
from flambeau.core.config import config

LENGTH = 25
CLOSE = {"float64": 1e-4, "float32": 2e-4, "float16": 2e-2, "bfloat16": 1e-1, "complex64": 1e-4}


@pytest.fixture(autouse=True)
def _restored():
    mode = config.mode
    yield
    config.mode = mode
    recorder.relax()


def close(x, y):
    """Whether two facts are the same; floats may differ by what rounding does (also where a float64 was a
    smaller type before)."""
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
        return type(x) is type(y) and x == y
    if x.shape != y.shape or x.dtype != y.dtype:
        return False
    if x.dtype.name not in CLOSE:
        return np.array_equal(x, y)
    a, b = (v.astype(np.complex128 if v.dtype.kind == "c" else np.float64) for v in (x, y))
    finite = np.isfinite(a) & np.isfinite(b)
    scale = max(np.abs(a[finite]).max(initial=0), 1)
    same = np.array_equal(a[~finite], b[~finite], equal_nan=True)
    return same and bool((np.abs(a[finite] - b[finite]) <= CLOSE[x.dtype.name] * scale).all())


def check_closely(program, base, others, monkeypatch):
    monkeypatch.setattr("programs._same", close)
    check(program, base, others)


@pytest.mark.parametrize(
    "chunk", [*range(4), *(pytest.param(c, marks=pytest.mark.slow) for c in range(4, 40))]
)
def test_programs(chunk, monkeypatch):
    for seed in range(5 * chunk, 5 * chunk + 5):
        program = OpWriter(seed).write(LENGTH)
        check_closely(program, worlds(seed, "interpret")["never"], worlds(seed, "compile"), monkeypatch)


@pytest.mark.parametrize(
    "chunk", [*range(2), *(pytest.param(c, marks=pytest.mark.slow) for c in range(2, 40))]
)
def test_programs_that_fail(chunk, monkeypatch):
    """The same operations fail, with the same error, and what doesn't depend on them is computed."""
    for seed in range(5 * chunk, 5 * chunk + 5):
        program = OpWriter(seed, wrong=True).write(LENGTH)
        base, other = (worlds(seed, mode)["never"] for mode in ("interpret", "compile"))
        check_closely(program, base, {"compiled": other}, monkeypatch)
