"""Kernels of sorting, searching and running reductions against the operations' NumPy references."""

import os
import subprocess
import sys

import numpy as np
import pytest

import flambeau as torch
from flambeau.compiler.calls import Array, Plan, run_calls, strides_of
from flambeau.compiler.cpu.planners import planner_of
from flambeau.core import dtype as dt
from flambeau.core.config import config
from flambeau.ops.op import Op

FLOATS = [dt.float32, dt.float64, dt.bfloat16, dt.float16]
WHOLE = [dt.int8, dt.uint8, dt.int16, dt.int32, dt.int64]
ALL = [*FLOATS, *WHOLE, dt.bool_]
rng = np.random.default_rng(0)


def elements(shape, d, few=False):
    """Any values of a dtype, special ones among them; or only a few different ones."""
    if d is dt.bool_:
        return rng.random(shape) < 0.5
    if not d.is_floating_point:
        limits = np.iinfo(d.np)
        low, high = (0, 3) if few else (limits.min, limits.max)
        return rng.integers(low, high, shape, d.np, endpoint=True)
    x = rng.integers(-2, 3, shape) * 0.5 if few else rng.normal(size=shape)
    special = rng.choice([np.nan, -0.0, 0.0, np.inf, -np.inf], shape)
    return np.where(rng.random(shape) < 0.2, special, x).astype(d.np)


def wide(x):
    return x.astype(np.float32) if x.dtype in (dt.bfloat16.np, dt.float16.np) else x


def computed(name, arrays, attrs, shape, d):
    """What the planner's kernels give, done in one share and in three."""
    arrays = [np.asarray(x) for x in arrays]
    results = []
    for threads in (1, 3):
        out = np.full(shape, 99, d.np)
        flat = [x if x.flags.c_contiguous else x.T for x in arrays]  # strided ones lie the other way round
        inputs = tuple(
            Array(i, 0, x.shape, tuple(s // x.itemsize for s in x.strides), dt.from_numpy(x.dtype))
            for i, x in enumerate(arrays)
        )
        plan = Plan(len(arrays) + 1, threads)
        result = Array(len(arrays), 0, shape, strides_of(shape), d)
        assert planner_of(name)(plan, (result,), inputs, attrs)
        run_calls(plan, [*flat, out], threads)
        results.append(out)
    assert results[0].tobytes() == results[1].tobytes()
    return results[0]


SHAPES = [
    ((1,), 0), ((7,), 0), ((3, 5), 1), ((5, 64), 1), ((4, 65), 1), ((3, 128), 1), ((2, 129), 1),
    ((2, 700), 1), ((300, 4), 0), ((3, 70, 5), 1), ((2, 0), 1), ((0, 3), 1),
]  # fmt: skip


@pytest.mark.parametrize("d", ALL, ids=lambda d: d.name)
@pytest.mark.parametrize("few", [False, True])
def test_argsort_is_stable_with_nan_last(d, few):
    for shape, dim in SHAPES:
        x = elements(shape, d, few)
        for descending in (False, True):
            attrs = (dim, descending, True)
            expected = Op.registry["argsort"].numpy(wide(x), *attrs)
            np.testing.assert_array_equal(computed("argsort", [x], attrs, shape, dt.int64), expected)


@pytest.mark.parametrize("d", [dt.float32, dt.int64], ids=lambda d: d.name)
def test_long_rows_are_sorted_by_larger_digits(d):
    for x in (elements((70_001,), d), np.sort(elements((70_001,), d)), elements((70_001,), d, True)):
        expected = np.argsort(x, kind="stable")
        np.testing.assert_array_equal(computed("argsort", [x], (0, False, True), x.shape, dt.int64), expected)


@pytest.mark.parametrize("d", [*FLOATS, *WHOLE], ids=lambda d: d.name)
@pytest.mark.parametrize("largest", [False, True])
def test_topk_takes_the_first_of_equals(d, largest):
    for shape, dim in SHAPES:
        for k in sorted({0, 1, 5, 200, shape[dim] // 2, shape[dim]}):
            if k <= shape[dim]:
                x = elements(shape, d, k % 2 == 0)
                attrs, cut = (k, dim, largest), (*shape[:dim], k, *shape[dim + 1 :])
                expected = Op.registry["topk_index"].numpy(wide(x), *attrs)
                np.testing.assert_array_equal(computed("topk_index", [x], attrs, cut, dt.int64), expected)


@pytest.mark.parametrize("order", [1, -1])
def test_topk_of_sorted_rows(order):
    x = np.sort(rng.normal(size=(3, 999)).astype(np.float32), 1)[:, ::order].copy()
    expected = Op.registry["topk_index"].numpy(x, 20, 1, True)
    np.testing.assert_array_equal(computed("topk_index", [x], (20, 1, True), (3, 20), dt.int64), expected)


def test_rows_that_lie_the_other_way_round():
    x = elements((40, 30), dt.float32).T
    expected = Op.registry["argsort"].numpy(x, 1, True, True)
    np.testing.assert_array_equal(computed("argsort", [x], (1, True, True), x.shape, dt.int64), expected)
    y = np.abs(np.nan_to_num(x, posinf=1, neginf=1))
    np.testing.assert_array_equal(
        computed("cumsum", [y], (0,), x.shape, dt.float32), Op.registry["cumsum"].numpy(y, 0)
    )


@pytest.mark.parametrize("d", [*FLOATS, *WHOLE], ids=lambda d: d.name)
@pytest.mark.parametrize("right", [False, True])
def test_searchsorted(d, right):
    shapes = [
        ((5,), (3, 4)), ((1,), (7,)), ((0,), (3,)), ((1000,), (333,)), ((3, 17), (3, 65)),
        ((2, 3, 4), (2, 3, 9)), ((4,), ()), ((65,), (0,)),
    ]  # fmt: skip
    for rows, wanted in shapes:
        for few in (False, True):
            edges = np.sort(wide(elements(rows, d, few)), -1).astype(d.np)
            values = np.asarray(elements(wanted, d, few))
            values.reshape(-1)[:2] = edges.reshape(-1)[:1] if edges.size else values.reshape(-1)[:1]
            expected = Op.registry["searchsorted"].numpy(wide(edges), wide(values), right)
            found = computed("searchsorted", [edges, values], (right,), wanted, dt.int64)
            np.testing.assert_array_equal(found, expected)


SCANS = [
    *SHAPES, ((9, 64), 1), ((37, 11), 1), ((5, 300), 0), ((2, 7, 40), 1), ((2, 7, 600), 1), ((4000,), 0),
]  # fmt: skip


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax_index", "cummin_index"])
@pytest.mark.parametrize("d", ALL, ids=lambda d: d.name)
def test_scans_equal_their_references(name, d):
    to = dt.int64 if name.endswith("index") else d
    if d is dt.bool_ and to is d:
        return  # sums of truth values are sums of integers
    op = Op.registry[name]
    for shape, dim in SCANS:
        for few in (False, True):
            x = elements(shape, d, few)
            with np.errstate(all="ignore"):
                expected = op.numpy(wide(x) if op.widens else x, dim).astype(to.np)
            np.testing.assert_array_equal(wide(computed(name, [x], (dim,), shape, to)), wide(expected))


@pytest.mark.parametrize("d", FLOATS, ids=lambda d: d.name)
def test_logcumsumexp_is_close_to_its_reference(d):
    exact = {2: 1e-2, 4: 1e-6, 8: 1e-13}[d.itemsize]
    for shape, dim in SCANS:
        for x in (elements(shape, d), np.asarray(rng.normal(size=shape) * 50).astype(d.np)):
            with np.errstate(all="ignore"):
                expected = Op.registry["logcumsumexp"].numpy(wide(x), dim).astype(np.float64)
            found = computed("logcumsumexp", [x], (dim,), shape, d).astype(np.float64)
            np.testing.assert_allclose(found, expected, rtol=exact, atol=exact)


def test_whole_programs():
    """The public functions, compiled and interpreted, from values that are results themselves."""
    x = elements((6, 500), dt.float32)

    def run(mode):
        before, config.mode = config.mode, mode
        try:
            t = torch.tensor(x) * 2
            found = [*t.sort(1, descending=True), *t.topk(7, 1), *t.cummax(1), t.nan_to_num().cumsum(0)]
            found.append(torch.searchsorted(t.sort(1).values, t[:, :9].clone()))
            return [r.numpy() for r in found]
        finally:
            config.mode = before

    for a, b in zip(run("interpret"), run("compile"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("cpu", ["avx2", "sse2"])
def test_lesser_processors(cpu):
    few = "(argsort_is or topk_takes or searchsorted or scans or logcum) and (float32 or int64 or uint8)"
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", __file__, "-k", few]
    done = subprocess.run(command, env={**os.environ, "FLAMBEAU_CPU": cpu}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
