"""Random programs of many operations mean the same to the interpreter and as native code, whenever work is
done."""

from itertools import combinations, product

import numpy as np
import pytest
from op_programs import OpWriter, worlds
from programs import check

import flambeau as torch
from flambeau import recorder
from flambeau.core.config import config

LENGTH = 25
CLOSE = {"float64": 1e-4, "float32": 1e-3, "float16": 2e-2, "bfloat16": 1e-1, "complex64": 1e-4}


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


# ----- sums have fixed trees -----

TERMS = {
    "together with a bias": lambda s, x, b: s(x + b),
    "of a transposed view": lambda s, x, b: s(s(x * 2).transpose(-1, -2)),
    "of squares": lambda s, x, b: s(s(x + b) * s(x + b)),
    "of a reversed view": lambda s, x, b: s(s(x * 2).flip(-1)),
    "of what is broadcast": lambda s, x, b: s(s(b * 2).expand(x.shape)),
}
SUMS = {
    "sum": lambda s, t, d: [s(t.sum(d))],
    "sum beside a store": lambda s, t, d: [s(t.sum(d)), s(t * 2)],
    "several": lambda s, t, d: [s(t.sum(d)), s(s(t * t).sum(d)), s(t.amax(d))],
    "normalized": lambda s, t, d: [s(t / s(t.abs().sum(d, keepdim=True)))],
    "variance": lambda s, t, d: [s(t.var(d))],
}
SHAPES = [
    (37, 50),
    (3, 5),
    (5, 33, 17),
    (6, 20, 7, 7),
    (20, 70_000),
    (3, 30_001),
    (4096, 70),
    (2501, 3),
    (70_000,),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_do_not_depend_on_what_is_done_together(shape, monkeypatch):
    monkeypatch.setattr(config, "mode", "compile")
    rng = np.random.default_rng(0)
    x, b = (torch.tensor(rng.normal(size=s), dtype=torch.float32) for s in (shape, shape[-1:]))
    rank = len(shape)
    dims = [d for r in range(1, rank + 1) for d in combinations(range(rank), r)]
    for (_, terms), (_, sums), d in product(TERMS.items(), SUMS.items(), dims[-3:]):
        if rank > 1 or terms is not TERMS["of a transposed view"]:
            together, apart = (sums(s, terms(s, x, b), d) for s in (lambda t: t, done))
            for one, other in zip(together, apart, strict=True):
                np.testing.assert_array_equal(one.numpy(), other.numpy())


def done(t):
    recorder.flush("test")
    return t
