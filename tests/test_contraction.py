"""Contractions as native code: matrix products and linear layers, layouts, dtypes and epilogues."""

import os
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from flambeau.compiler import expression as ex
from flambeau.compiler.calls import Array, Plan, run_calls
from flambeau.compiler.cpu import contraction as c
from flambeau.compiler.cpu.cutting import Cut
from flambeau.compiler.cpu.nest import plan_nest
from flambeau.compiler.cpu.problem import Batch, Operand, matrix
from flambeau.compiler.nest import Nest, Phase, Store
from flambeau.core import dtype as dt

DTYPES = {
    dt.float32: np.float32, dt.float64: np.float64, dt.float16: np.float16, dt.bfloat16: ml_dtypes.bfloat16,
}  # fmt: skip
NAMES = {np.dtype(v): d for d, v in DTYPES.items()}


def array(number, x):
    return Array(number, 0, x.shape, tuple(s // x.itemsize for s in x.strides), NAMES[x.dtype])


def numbers(rng, shape, d, flipped=False):
    x = rng.standard_normal(shape[:-2] + shape[:-3:-1] if flipped else shape).astype(DTYPES[d])
    return np.swapaxes(x, -1, -2) if flipped else x


def run(make, out, *inputs, threads=1, share=None):
    """Runs what `make(plan, out, *inputs)` plans; the planned calls."""
    plan = Plan(1 + len(inputs), threads)
    assert make(plan, array(0, out), *(array(i + 1, x) for i, x in enumerate(inputs)))
    run_calls(plan, [out, *inputs], share or threads)
    return plan.calls


def product(x, y, threads=1, planner="matmul", share=None):
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2]) if planner == "matmul" else x.shape[:-1]
    tail = (x.shape[-2], y.shape[-1]) if planner == "matmul" else y.shape[:1]
    out = np.full(lead + tail, np.nan, x.dtype)
    make = c.product if planner == "matmul" else c.linear
    run(make, out, x, y, threads=threads, share=share)
    return out


def close(got, x, y, slack=1.0):
    """Whether a product is as exact as its dtype allows."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    sizes = np.matmul(np.abs(x), np.abs(y))
    unit = {np.dtype(np.float64): 2.0**-52, np.dtype(np.float32): 2.0**-23}.get(got.dtype)
    steps = unit or 2.0**-23
    bound = sizes * steps * (4 + np.sqrt(x.shape[-1])) * slack
    if unit is None:
        bound += np.abs(np.matmul(x, y)) * float(ml_dtypes.finfo(got.dtype).eps) + 2.0**-24
    assert (np.abs(got.astype(np.float64) - np.matmul(x, y)) <= bound).all()


SIZES = [
    (1, 1, 1), (1, 7, 3), (7, 1, 3), (3, 5, 7), (12, 32, 16), (13, 33, 1), (32, 16, 2), (16, 16, 16),
    (25, 47, 130), (64, 10, 512), (61, 67, 300), (5, 3, 0), (1, 300, 70), (300, 1, 70), (2, 200, 9),
    (130, 100, 257), (47, 173, 651),
]  # fmt: skip


def same(x, y):
    """Whether two arrays have the same bits."""
    np.testing.assert_array_equal(x.view(f"V{x.itemsize}"), y.view(f"V{y.itemsize}"))


LAYOUTS = [(dt.float32, flips) for flips in ((0, 0), (0, 1), (1, 0), (1, 1))]
LAYOUTS += [(d, flips) for d in (dt.float64, dt.bfloat16) for flips in ((0, 1), (1, 0))] + [
    (dt.float16, (1, 1))
]


@pytest.mark.parametrize(("d", "flips"), LAYOUTS, ids=lambda x: getattr(x, "name", f"flips{x}"))
def test_products_of_all_sizes_and_layouts_are_exact_and_the_same_for_every_sharing(d, flips):
    rng = np.random.default_rng(0)
    for m, n, k in SIZES:
        x, y = numbers(rng, (m, k), d, flips[0]), numbers(rng, (k, n), d, flips[1])
        got = product(x, y)
        close(got, x, y)
        for threads, shares in ((3, 1), (3, 2), (3, 3)):
            same(got, product(x, y, threads, share=shares))


@pytest.mark.parametrize(
    "size", [(300, 600, 530), (600, 300, 300), (2, 3, 9000), (20, 40, 5000), (6, 8, 20000)]
)
def test_larger_products_are_the_same_for_every_sharing(size):
    m, n, k = size
    rng = np.random.default_rng(1)
    x, y = numbers(rng, (m, k), dt.float32, m == 20), numbers(rng, (k, n), dt.float32, n == 3)
    got = product(x, y)
    close(got, x, y)
    for threads in (2, 3, 7):
        same(got, product(x, y, threads))
        same(got, product(x, y, threads, share=2))


CUTS = [
    (1, 1, 999, "local", "local"), (3, 1, 40, "packed", "packed"), (1, 3, 64, "local", "packed"),
    (2, 2, 22, "packed", "local"), (4, 3, 50, "direct", "direct"), (2, 1, 16, "direct", "packed"),
]  # fmt: skip


@pytest.mark.parametrize("d", [dt.float32, dt.bfloat16], ids=lambda d: d.name)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_cutting_does_not_change_the_result(d, batch, monkeypatch):
    rng = np.random.default_rng(7)
    x, y = numbers(rng, (*batch, 75, 130), d, d is dt.bfloat16), numbers(rng, (130, 107), d)
    expected = product(x, y)
    close(expected, x, y)
    for *cut, a, b in CUTS:
        if d is dt.bfloat16:
            a, b = a.replace("direct", "local"), b.replace("direct", "packed")
        chosen = Cut(*cut, a, b)
        monkeypatch.setattr(c, "cut_up", lambda *_, chosen=chosen: chosen)
        for threads in (1, 3):
            same(expected, product(x, y, threads))


@pytest.mark.parametrize("size", [(1, 200, 300), (3, 100, 90), (7, 33, 40), (8, 97, 20), (12, 500, 4)])
def test_few_rows_against_a_matrix_read_in_place(size):
    m, n, k = size
    rng = np.random.default_rng(8)
    for d in (dt.float32, dt.float64):
        x, y = numbers(rng, (m, k), d), numbers(rng, (k, n), d)
        got = product(x, y)
        close(got, x, y)
        same(got, product(x, y, 3))


def test_few_columns_along_k():
    rng = np.random.default_rng(9)
    for m, n, k in ((300, 10, 130), (65, 1, 500), (129, 2, 128), (70, 16, 200), (500, 3, 64)):
        x, y = numbers(rng, (2, m, k), dt.float32), numbers(rng, (2, k, n), dt.float32, True)
        got = product(x, y)
        close(got, x, y)
        same(got, product(x, y, 3))


BATCHES = [
    ((3,), (3,)), ((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 1)), ((2, 1, 2), (3, 1)), ((), (4,)),
    ((4,), ()), ((0,), (0,)), ((1, 5), (1, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("left", "right"), BATCHES)
def test_batches_broadcast(left, right):
    rng = np.random.default_rng(2)
    for m, n, k in ((1, 3, 4), (5, 1, 20), (9, 35, 17), (40, 20, 30)):
        x, y = numbers(rng, (*left, m, k), dt.float32), numbers(rng, (*right, k, n), dt.float32, True)
        got = product(x, y)
        close(got, x, y)
        same(got, product(x, y, 3))


def test_strided_operands():
    rng = np.random.default_rng(3)
    whole = rng.standard_normal((4, 60, 70)).astype(np.float32)
    for x, y in [
        (whole[:, ::2, 1:21:2], whole[:, 3:13, ::-1]),
        (whole[1, ::-3, 5:35], np.broadcast_to(whole[2, :30, :1], (30, 40))),
        (np.broadcast_to(whole[0, 0, :50], (20, 50)), whole[3, :50, ::-2]),
        (whole.transpose(1, 2, 0), whole.transpose(1, 0, 2)),
        (whole.transpose(2, 0, 1), whole.transpose(2, 1, 0)),
        (np.lib.stride_tricks.sliding_window_view(whole[0, 0], 8), whole[0, :8]),
    ]:
        close(product(x, y), x, y)
        same(product(x, y), product(x, y, 3))


@pytest.mark.parametrize("d", DTYPES, ids=lambda d: d.name)
def test_linear(d):
    rng = np.random.default_rng(4)
    for shape, out in [((7, 20), 5), ((2, 3, 20), 40), ((20,), 3), ((0, 20), 3), ((4, 0), 3), ((64, 33), 65)]:
        x, w = numbers(rng, shape, d), numbers(rng, (out, shape[-1]), d)
        got = product(x, w, planner="linear")
        assert got.shape == (*shape[:-1], out)
        close(got, x, w.T)


def test_nothing_is_added_up_where_there_is_nothing():
    got = product(np.ones((3, 0), np.float32), np.ones((0, 4), np.float32))
    same(got, np.zeros((3, 4), np.float32))
    assert not run(
        c.product, np.empty((0, 4), np.float32), np.ones((0, 3), np.float32), np.ones((3, 4), np.float32)
    )


def test_specials_stay_in_their_row_and_column():
    x, y = np.ones((14, 40), np.float32), np.ones((40, 35), np.float32)
    x[3, 7], x[13, 39], y[2, 34] = np.inf, np.nan, -np.inf
    with np.errstate(invalid="ignore"):
        expected = x @ y
    for flip in (lambda z: z, np.asfortranarray):
        np.testing.assert_array_equal(product(flip(x), flip(y)), expected)
        np.testing.assert_array_equal(product(flip(y.T), flip(x.T)), expected.T)


F32 = ex.kept(0, dt.float32)
SIZES_OF_EPILOGUES = [(1, 5, 30), (33, 1, 7), (3, 50, 40), (30, 70, 300), (16, 16, 9000), (5, 9, 0)]


@pytest.mark.parametrize("size", SIZES_OF_EPILOGUES)
@pytest.mark.parametrize("d", [dt.float32, dt.bfloat16], ids=lambda d: d.name)
def test_epilogues_see_the_sum_and_extras_of_any_layout(size, d):
    m, n, k = size
    rng = np.random.default_rng(5)
    x, y, bias = (numbers(rng, s, d) for s in ((2, m, k), (2, k, n), (n,)))
    residual, column = numbers(rng, (2, n, m), dt.float32).swapaxes(1, 2), numbers(rng, (2, m, 1), dt.float64)
    extras = [np.broadcast_to(z, (2, m, n)) for z in (bias, residual, column)]
    e = F32 + ex.load(0, d).cast(dt.float32)
    e = (ex.maximum(e, 0.0) + ex.load(1, dt.float32)) * ex.load(2, dt.float64).cast(dt.float32)

    def make(plan, out, before, *inputs):
        p, q, *more = inputs
        batch = (Batch(2, p.strides[0], q.strides[0], out.strides[0]),)
        operands = (matrix(z) for z in (out, p, q))
        return c.contract(plan, *operands, m, n, k, batch, e.cast(d), tuple(more), ((F32 * 2.0, before),))

    results = []
    for threads in (1, 3):
        out, twice = np.empty((2, m, n), DTYPES[d]), np.empty((2, m, n), np.float32)
        run(make, out, twice, x, y, *extras, threads=threads)
        results.append((out, twice))
    (out, twice), (again, twice_again) = results
    same(out, again)
    same(twice, twice_again)
    close(twice / 2, x, y)
    with_bias = np.maximum(twice / 2 + extras[0].astype(np.float32), 0) + extras[1]
    expected = (with_bias * extras[2].astype(np.float32)).astype(DTYPES[d])
    same(out, expected)


def test_a_fused_map_has_the_bits_of_the_map_alone():
    rng = np.random.default_rng(10)
    x, y = numbers(rng, (40, 30), dt.float32), numbers(rng, (30, 50), dt.float32)
    out, before, alone = (np.empty((40, 50), np.float32) for _ in range(3))

    def gelu(e):
        return e * (0.5 * ex.erfc(e * -0.70710678))

    def make(plan, result, total, p, q):
        operands = (matrix(z) for z in (result, p, q))
        return c.contract(plan, *operands, 40, 50, 30, epilogue=gelu(F32), more=((F32, total),))

    run(make, out, before, x, y)
    phase = Phase(stores=(Store(0, gelu(ex.load(1, dt.float32))),))
    run(lambda plan, *z: plan_nest(plan, Nest((40,), (50,), False, z, (phase,))) is not False, alone, before)
    same(out, alone)


@pytest.mark.parametrize("size", [(3, 5, 7), (40, 33, 600), (1, 70, 20), (12, 32, 0)])
def test_accumulation(size):
    m, n, k = size
    rng = np.random.default_rng(6)
    x, y = numbers(rng, (m, k), dt.float32), numbers(rng, (k, n), dt.float32, True)
    out = np.arange(m * (n + 3), dtype=np.float32).reshape(m, n + 3)
    old = out.copy()

    def make(plan, to, p, q):
        matrices = (matrix(z) for z in (to, p, q))
        return c.contract(plan, *matrices, m, n, k, accumulate=True)

    run(make, out, x, y)
    np.testing.assert_array_equal(out[:, n:], old[:, n:])
    np.testing.assert_allclose(out[:, :n], old[:, :n] + x.astype(np.float64) @ y, rtol=1e-5, atol=1e-4)


def test_what_is_declined():
    ints = [Array(i, 0, (2, 2), (2, 1), dt.int64) for i in range(3)]
    plan = Plan(3)
    assert not c.product(plan, *ints)
    floats = [
        Operand(i, 0, 1, 2, dt.float32) for i in range(3)
    ]  # columns of the result that aren't contiguous
    assert not c.contract(plan, *floats, 2, 2, 2)
    assert not plan.calls


def test_lesser_processors():
    chosen = "layouts or specials or cutting or (epilogues and (size2 or size4)) or few_rows"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", chosen]
    runs = [
        subprocess.Popen(command, env=os.environ | {"FLAMBEAU_CPU": cpu}, stdout=subprocess.PIPE, text=True)
        for cpu in ("avx2", "sse2")
    ]
    for done in runs:
        output, _ = done.communicate(timeout=110)
        assert done.returncode == 0, output
