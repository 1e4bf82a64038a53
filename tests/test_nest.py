"""Loop nests compiled for the CPU against an evaluation by NumPy."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from flambeau.compiler.calls import Array, Plan, run_calls, strides_of
from flambeau.compiler.cpu.nest import plan_nest
from flambeau.compiler.expression import Expr, const, counter, exp, kept, load, reduced, where
from flambeau.compiler.nest import Nest, Phase, Reduction, Store
from flambeau.core import dtype as dt
from flambeau.runtime import kernels

_BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
    "lt": np.less, "and": np.bitwise_and, "or": np.bitwise_or,
}  # fmt: skip
_REDUCE = {
    "sum": np.sum, "prod": np.prod, "min": np.min, "max": np.max, "argmin": np.argmin, "argmax": np.argmax,
}  # fmt: skip


def oracle(nest: Nest, buffers: list[np.ndarray]) -> None:
    """Does what the nest says, phase by phase, for all points at once; writes into the buffers."""
    shape = nest.outer + nest.inner
    outer = nest.outer + (1,) * len(nest.inner)
    grid = np.indices(shape)
    results: list[np.ndarray] = []
    keeps: list[np.ndarray] = []

    def where_is(k: int, more: list[np.ndarray]) -> np.ndarray:
        a = nest.accesses[k]
        at = a.offset + sum((grid[d] * s for d, s in enumerate(a.strides)), np.zeros(shape, np.int64))
        return at + sum(i * s for i, s in zip(more, nest.gathers.get(k, ()), strict=True))

    def value(e: Expr) -> Any:
        args = [value(a) for a in e.args]
        if e.op == "const":
            return np.full(shape, e.data, e.dtype.np)
        if e.op == "index":
            return grid[e.data]
        if e.op == "reduced":
            return np.broadcast_to(results[e.data].reshape(outer), shape)
        if e.op == "kept":
            return keeps[e.data]
        if e.op == "load":
            return buffers[nest.accesses[e.data].buffer].reshape(-1)[where_is(e.data, args)]
        if e.op == "cast":
            return args[0].astype(e.dtype.np)
        if e.op == "where":
            return np.where(*args)
        if e.op == "exp":
            return np.exp(args[0])
        return _BINARY[e.op](*args).astype(e.dtype.np)

    for phase in nest.phases:
        values = [value(s.value) for s in phase.stores]
        new = [_reduced(r, value(r.value), len(nest.outer)) for r in phase.reductions]
        keeps += [value(k) for k in phase.keeps]
        results += new
        for s, v in zip(phase.stores, values, strict=True):
            a = nest.accesses[s.access]
            buffers[a.buffer].reshape(-1)[where_is(s.access, [])] = v
        first = tuple([slice(None)] * len(nest.outer) + [0] * len(nest.inner))
        for s, v in [(s, value(s.value)) for s in phase.results]:
            buffers[nest.accesses[s.access].buffer].reshape(-1)[where_is(s.access, [])[first]] = v[first]


def _reduced(r: Reduction, x: np.ndarray, lead: int) -> np.ndarray:
    rows = x.reshape(*x.shape[:lead], -1)
    wide = rows.astype(np.float64) if r.value.dtype.is_floating_point else rows
    with np.errstate(all="ignore"):
        result = _REDUCE[r.combine](wide, axis=-1)
    return result.astype(np.int64 if r.combine.startswith("arg") else r.value.dtype.np)


def check(nest: Nest, buffers: list[np.ndarray], tolerance: float = 1e-5) -> None:
    """One share and three give the same bits, near the oracle's values."""
    expected = [b.copy() for b in buffers]
    oracle(nest, expected)
    plan = Plan(len(buffers), 3)
    plan_nest(plan, nest)
    once, thrice = [b.copy() for b in buffers], [b.copy() for b in buffers]
    run_calls(plan, once)
    plan.calls = [c._replace(grain=1) for c in plan.calls]
    run_calls(plan, thrice, 3)
    for a, b, e in zip(once, thrice, expected, strict=True):
        assert a.tobytes() == b.tobytes()
        if e.dtype.kind in "iub":
            np.testing.assert_array_equal(a, e)
        else:
            close = max(tolerance, 0.02 if e.dtype.itemsize == 2 else 0.0)
            np.testing.assert_allclose(a.astype(np.float64), e.astype(np.float64), close, close)


def full(buffer: int, shape: tuple[int, ...], d: dt.dtype, offset: int = 0) -> Array:
    return Array(buffer, offset, shape, strides_of(shape), d)


def spread(a: Array, *dims: int | None) -> Array:
    """The array with its dimensions in this order; None is a broadcast one."""
    strides = tuple(0 if d is None else a.strides[d] for d in dims)
    return Array(a.buffer, a.offset, tuple(1 if d is None else a.shape[d] for d in dims), strides, a.dtype)


def randoms(rng: np.random.Generator, n: int, d: dt.dtype) -> np.ndarray:
    if d is dt.bool_:
        return rng.random(n) < 0.5
    if d.is_floating_point:
        return rng.standard_normal(n).astype(d.np)
    return rng.integers(0 if d is dt.uint8 else -9, 9, n).astype(d.np)


F = dt.float32


def x(k: int = 0, d: dt.dtype = F) -> Expr:
    return load(k, d)


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 63, 64, 65, 128, 1000, 4096, 4097, 9001])
@pytest.mark.parametrize("d", [dt.float32, dt.float64, dt.int64, dt.int32, dt.uint8, dt.bfloat16, dt.float16])
def test_pointwise_lengths(n: int, d: dt.dtype) -> None:
    rng = np.random.default_rng(n)
    phases = (Phase(stores=(Store(1, x(0, d) * 3 + 1),)),)
    nest = Nest((), (n,), False, (full(0, (n,), d), full(1, (n,), d)), phases)
    check(nest, [randoms(rng, n, d), randoms(rng, n, d)])


@pytest.mark.parametrize("n", [1, 3, 9, 17, 64, 100, 4097])
@pytest.mark.parametrize("combine", list(_REDUCE))
@pytest.mark.parametrize("across", [False, True])
def test_reductions(n: int, combine: str, across: bool) -> None:
    rng = np.random.default_rng(n)
    for d in (dt.float32, dt.int64, dt.bfloat16):
        rows = 37 if n < 4000 else 5
        d_out = dt.int64 if combine.startswith("arg") else d
        values = randoms(rng, rows * n, d)
        if combine == "prod":
            values = np.exp2(randoms(rng, rows * n, F) / 64).astype(d.np)
        at = full(0, (rows, n), d) if not across else spread(full(0, (n, rows), d), 1, 0)
        accesses = (at, spread(full(1, (rows,), d_out), 0, None))
        phase = Phase((Reduction(combine, x(0, d)),), results=(Store(1, reduced(0, d_out)),))
        check(Nest((rows,), (n,), across, accesses, (phase,)), [values, randoms(rng, rows, d_out)], 1e-4)


def softmax(rows: int, n: int, across: bool, d: dt.dtype = F) -> Nest:
    order = (1, 0) if across else (0, 1)
    shape = (n, rows) if across else (rows, n)
    accesses = (spread(full(0, shape, d), *order), spread(full(1, shape, d), *order))
    e = exp(x(0, d) - reduced(0, d))
    phases = (
        Phase((Reduction("max", x(0, d)),)),
        Phase((Reduction("sum", e),), (e,)),
        Phase(stores=(Store(1, kept(0, d) / reduced(1, d)),)),
    )
    return Nest((rows,), (n,), across, accesses, phases)


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("rows,n", [(1, 1), (5, 3), (33, 17), (3, 1000), (130, 64), (2, 5000)])
def test_softmax(rows: int, n: int, across: bool) -> None:
    rng = np.random.default_rng(n)
    check(softmax(rows, n, across), [randoms(rng, rows * n, F), np.zeros(rows * n, np.float32)])


def test_new_shapes_need_no_new_kernels() -> None:
    rng = np.random.default_rng(0)
    check(softmax(4, 100, False), [randoms(rng, 400, F), np.zeros(400, np.float32)])
    before = len(kernels._kernels.known)
    for rows, n in ((1, 50), (70, 9), (2, 4000)):
        check(softmax(rows, n, False), [randoms(rng, rows * n, F), np.zeros(rows * n, np.float32)])
    assert len(kernels._kernels.known) <= before + 1  # rows of one are no loop


class Maker:
    """Random nests of a seed, with the buffers that they work on."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.buffers: list[np.ndarray] = []
        self.accesses: list[Array] = []
        self.gathers: dict[int, tuple[int, ...]] = {}
        self.known: list[Expr] = []  # results of reductions so far,
        self.kept = 0  # and how many values are kept
        names = ("float32", "float64", "int64", "int32", "bfloat16", "uint8", "bool_")
        self.dtype = getattr(dt, names[int(self.rng.integers(0, len(names)))])
        extents = (1, 2, 3, 5, 7, 16, 17, 40)
        self.outer, self.inner = (
            tuple(int(self.rng.choice(extents)) for _ in range(self.rng.integers(0, most))) for most in (4, 3)
        )
        while np.prod(self.outer + self.inner) > 20_000:
            self.outer = self.outer[1:]
        self.shape = self.outer + self.inner

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def access(self, d: dt.dtype, written: bool = False, dims: int | None = None) -> int:
        """A new array, its dimensions in some order; one that is read may be broadcast, stepped, flipped."""
        dims = len(self.shape) if dims is None else dims
        strides, n, offset = [0] * len(self.shape), 1, 0
        for i in self.rng.permutation(dims) if self.chance(0.5) else reversed(range(dims)):
            if not written and self.chance(0.2):
                continue
            step = 2 if not written and self.chance(0.15) else 1
            strides[i] = n * step
            n *= self.shape[i] * step
            if self.chance(0.1):
                offset += strides[i] * (self.shape[i] - 1)
                strides[i] = -strides[i]
        self.buffers.append(randoms(self.rng, n + 3, d))
        self.accesses.append(Array(len(self.buffers) - 1, offset + 3, self.shape, tuple(strides), d))
        return len(self.accesses) - 1

    def gathered(self) -> Expr:
        """A load from a table at indices that are loaded themselves."""
        index = load(self.access(dt.int64), dt.int64)
        rows = where(index < 0, index + 9, index)
        k = self.access(self.dtype)
        a = self.accesses[k]
        step = int(self.rng.integers(1, 3))
        self.buffers[a.buffer] = randoms(self.rng, self.buffers[a.buffer].size + 9 * step, self.dtype)
        self.gathers[k] = (step,)
        return load(k, self.dtype, rows)

    def element(self) -> Expr:
        if self.chance(0.15):
            return self.gathered()
        if self.shape and self.chance(0.15) and self.dtype in (dt.float32, dt.int64):
            return counter(int(self.rng.integers(0, len(self.shape)))).cast(self.dtype)
        d = self.dtype
        if self.chance(0.3):
            d = dt.int32 if d.category > dt.BOOL else dt.uint8
        return load(self.access(d), d).cast(self.dtype)

    def expr(self, leaves: list[Expr], depth: int = 3) -> Expr:
        if not depth or self.chance(0.2):
            return leaves[int(self.rng.integers(0, len(leaves)))]
        a, b = self.expr(leaves, depth - 1), self.expr(leaves, depth - 1)
        if self.dtype is dt.bool_:
            return a & b if self.chance(0.7) else a | b
        kind = int(self.rng.integers(0, 4))
        return [
            a + b,
            a - b,
            a * (b if depth == 1 else const(2, b.dtype)),
            where(const(True, dt.bool_), a, b),
        ][kind]

    def nest(self) -> Nest:
        leaves = [self.element() for _ in range(self.rng.integers(1, 4))]
        phases = [self.phase(leaves, k) for k in range(self.rng.integers(1, 4))]
        across = bool(self.outer) and self.chance(0.4)
        return Nest(self.outer, self.inner, across, tuple(self.accesses), tuple(phases), self.gathers)

    def phase(self, leaves: list[Expr], number: int) -> Phase:
        reductions, keeps, stores, results = [], [], [], []
        if self.chance(0.5):
            names = ["sum", "min", "max"] + ([] if number else ["argmin", "argmax"])
            if self.dtype is dt.bool_:
                names.remove("sum")
            reductions = [
                Reduction(str(self.rng.choice(names)), self.expr(leaves, 2))
                for _ in range(self.rng.integers(1, 3))
            ]
        if self.chance(0.3):
            keeps = [self.expr(leaves)]
        if self.chance(0.6):
            k = self.access(self.dtype, written=True)
            if self.chance(0.3):
                leaves.append(load(k, self.dtype))
            stores = [Store(k, self.expr(leaves))]
            leaves[:] = [e for e in leaves if e.op != "load" or e.data != k]
        first = len(self.known)
        for i, r in enumerate(reductions):
            self.known.append(reduced(first + i, dt.int64 if "arg" in r.combine else self.dtype))
        for e in self.known[first:]:
            if self.chance(0.7):
                k = self.access(e.dtype, written=True, dims=len(self.outer))
                results.append(Store(k, e))
        leaves += [e for e in self.known[first:] if e.dtype is self.dtype]
        leaves += [kept(self.kept + i, self.dtype) for i in range(len(keeps))]
        self.kept += len(keeps)
        return Phase(tuple(reductions), tuple(keeps), tuple(stores), tuple(results))


@pytest.mark.parametrize("seed", range(60))
def test_random_nests(seed: int) -> None:
    maker = Maker(seed)
    nest = maker.nest()
    check(nest, maker.buffers, 1e-4)


def copy(shape: tuple[int, ...], order: tuple[int, ...], d: dt.dtype) -> Nest:
    """Writes an array contiguously whose dimensions lie in memory in another order."""
    strides = [0] * len(shape)
    for stride, i in zip(strides_of(tuple(shape[i] for i in order)), order, strict=True):
        strides[i] = stride
    accesses = (Array(0, 0, shape, tuple(strides), d), full(1, shape, d))
    return Nest(shape[:-1], shape[-1:], False, accesses, (Phase(stores=(Store(1, x(0, d)),)),))


@pytest.mark.parametrize("d", [dt.float32, dt.float64, dt.bfloat16, dt.uint8, dt.bool_])
@pytest.mark.parametrize("shape", [(8, 8), (16, 256), (33, 300), (257, 19), (70, 1000)])
def test_transposed_copies(shape: tuple[int, int], d: dt.dtype) -> None:
    rng = np.random.default_rng(1)
    n = shape[0] * shape[1]
    check(copy(shape, (1, 0), d), [randoms(rng, n, d), randoms(rng, n, d)])


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_permuted_copies(order: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    shape = (9, 17, 40)
    check(copy(shape, order, F), [randoms(rng, 9 * 17 * 40, F), randoms(rng, 9 * 17 * 40, F)])


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("combine", ["sum", "max"])
@pytest.mark.parametrize("d", [dt.float32, dt.bfloat16, dt.int64])
def test_long_reductions_are_split(across: bool, combine: str, d: dt.dtype) -> None:
    rng = np.random.default_rng(3)
    rows, n = (20, 2500) if across else (2, 70_001)
    at = spread(full(0, (n, rows), d), 1, 0) if across else full(0, (rows, n), d)
    scaled = reduced(0, d) * 2
    phase = Phase((Reduction(combine, x(0, d) + counter(1).cast(d) * 0),), results=(Store(1, scaled),))
    nest = Nest((rows,), (n,), across, (at, spread(full(1, (rows,), d), 0, None)), (phase,))
    plan = Plan(2, 2)
    plan_nest(plan, nest)
    assert sum(c.tasks for c in plan.calls[:-1]) > rows // 16
    check(nest, [randoms(rng, rows * n, d), randoms(rng, rows, d)], 1e-3)


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("combine", ["min", "max", "argmin", "argmax"])
def test_special_values(across: bool, combine: str) -> None:
    rows = np.zeros((6, 70), np.float32)
    rows[0, 40:42] = np.nan
    rows[1] = -np.inf
    rows[2] = np.inf
    rows[3, 5::7] = 3, 4, 4, 3, 4, 4, 4, 4, 4, 4
    rows[4, 69] = np.nan
    rows[5, 11], rows[5, 0] = -np.inf, np.inf
    d = dt.int64 if combine.startswith("arg") else F
    at = spread(full(0, (70, 6), F), 1, 0) if across else full(0, (6, 70), F)
    phase = Phase((Reduction(combine, x()),), results=(Store(1, reduced(0, d)),))
    nest = Nest((6,), (70,), across, (at, spread(full(1, (6,), d), 0, None)), (phase,))
    check(nest, [np.ascontiguousarray(rows.T) if across else rows, np.zeros(6, d.np)])


@pytest.mark.parametrize("combine,neutral", [("sum", 0), ("prod", 1)])
@pytest.mark.parametrize("across", [False, True])
def test_nothing(combine: str, neutral: int, across: bool) -> None:
    phase = Phase((Reduction(combine, x()),), stores=(Store(0, x()),), results=(Store(1, reduced(0, F) + 1),))
    out = Array(1, 0, (5, 0), (1, 0), F)
    buffers = [np.zeros(0, np.float32), np.full(5, 9, np.float32)]
    plan = Plan(2)
    plan_nest(plan, Nest((5,), (0,), across, (full(0, (5, 0), F), out), (phase,)))
    run_calls(plan, buffers)
    np.testing.assert_array_equal(buffers[1], neutral + 1)
    plan = Plan(2)
    plan_nest(plan, Nest((0,), (5,), across, (full(0, (0, 5), F), out), (phase,)))
    assert not plan.calls


def test_in_place() -> None:
    rng = np.random.default_rng(4)
    accesses = (full(0, (3, 100), F), full(0, (3, 100), F))
    phases = (
        Phase((Reduction("max", x()),)),
        Phase(stores=(Store(1, x() - reduced(0, F)),)),
        Phase(stores=(Store(1, x() * x(1)),)),
    )
    check(Nest((3,), (100,), False, accesses, phases), [randoms(rng, 300, F)])


def test_rows_too_long_to_keep() -> None:
    n = 300_000
    rng = np.random.default_rng(5)
    check(softmax(1, n, False), [randoms(rng, n, F), np.zeros(n, np.float32)])
    for across in (False, True):  # without what is kept this nest is a pointwise one
        phases = (Phase(keeps=(x() * 2 + 1,)), Phase(stores=(Store(1, kept(0, F) * x()),)))
        accesses = (full(0, (4, 7, 9000), F), full(1, (4, 7, 9000), F))
        nest = Nest((4,), (7, 9000), across, accesses, phases)
        check(nest, [randoms(rng, 252_000, F), np.zeros(252_000, np.float32)])


def test_sums_are_as_exact_as_pairwise_ones() -> None:
    n = 3_000_000
    ones = np.full(n, 0.1, np.float32)
    for rows, across in ((1, False), (100, False), (100, True)):
        at = Array(0, 0, (rows, n // rows), (n // rows, 1) if not across else (1, rows), F)
        phase = Phase((Reduction("sum", x()),), results=(Store(1, reduced(0, F)),))
        nest = Nest((rows,), (n // rows,), across, (at, Array(1, 0, (rows, n // rows), (1, 0), F)), (phase,))
        plan, result = Plan(2), np.zeros(rows, np.float32)
        plan_nest(plan, nest)
        run_calls(plan, [ones, result])
        np.testing.assert_allclose(result, np.float64(np.float32(0.1)) * (n // rows), rtol=1e-6)


@pytest.mark.parametrize("cpu", ["avx2", "sse2"])
def test_lesser_processors(cpu: str) -> None:
    names = "test_random_nests and (0 or 1) or test_transposed_copies and 33 or test_softmax or test_special"
    command = [sys.executable, "-m", "pytest", "-q", "-x", __file__, "-k", names, "-p", "no:cacheprovider"]
    done = subprocess.run(command, env=os.environ | {"FLAMBEAU_CPU": cpu}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
