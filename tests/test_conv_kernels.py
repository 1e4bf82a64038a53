"""The compiled convolutions and poolings against the NumPy reference."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from flambeau.compiler.calls import Array, Plan, run_calls
from flambeau.compiler.cpu import conv as _conv  # noqa: F401  registers the planners
from flambeau.compiler.cpu import pool as _pool  # noqa: F401
from flambeau.compiler.expression import exp, kept, load, maximum
from flambeau.compiler.planner import FINISHERS, PLANNERS, Finish
from flambeau.core import dtype as dt
from flambeau.ops import conv as conv_records
from flambeau.ops import pool as pool_records
from flambeau.ops.op import Op
from flambeau.ops.reference import conv as conv_reference
from flambeau.ops.reference import pool as pool_reference
from flambeau.ops.reference.windows import pool_out_size

DTYPES = {np.dtype(d.np): d for d in (dt.float32, dt.float64, dt.bfloat16, dt.float16, dt.int64, dt.bool_)}
TOLERANCE = {"float32": 2e-5, "float64": 1e-12, "bfloat16": 8e-3, "float16": 1e-3, "int64": 0}


def described(number: int, a: np.ndarray) -> Array:
    strides = tuple(s // a.itemsize for s in a.strides)
    return Array(number, 0, a.shape, strides, DTYPES[a.dtype])


def planned(
    name: str,
    arrays: tuple[np.ndarray, ...],
    like: tuple[np.ndarray, ...],
    attrs: tuple[Any, ...],
    shares: int,
) -> list[np.ndarray]:
    """What the planner's calls compute; the results' memory has other numbers before."""
    outs = [np.full(a.shape, 77, a.dtype) for a in like]
    plan, n = Plan(len(outs) + len(arrays), shares), len(outs)
    inputs = tuple(described(i, a) for i, a in enumerate(arrays, n))
    assert PLANNERS[name](plan, tuple(described(i, a) for i, a in enumerate(outs)), inputs, attrs)
    run_calls(plan, [*outs, *arrays], shares)
    return outs


def check(name: str, arrays: tuple[np.ndarray, ...], expected: Any, attrs: tuple[Any, ...]) -> None:
    """One share and three give the reference's numbers, the same to the last bit."""
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = planned(name, arrays, expected, attrs, 1)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in planned(name, arrays, expected, attrs, 3)]
    for a, b in zip(found, expected, strict=True):
        tolerance = TOLERANCE[b.dtype.name]
        wide = np.float64 if b.dtype.itemsize == 8 else np.float32
        scale = max(1.0, float(np.abs(np.nan_to_num(b.astype(wide), posinf=0, neginf=0)).max(initial=0)))
        np.testing.assert_allclose(
            a.astype(wide), b.astype(wide), rtol=tolerance, atol=tolerance * scale,
            err_msg=f"{name} {[a.shape for a in arrays]} {attrs}",
        )  # fmt: skip


def check_all(x: np.ndarray, w: np.ndarray, geometry: tuple[Any, ...]) -> None:
    """The product and both gradients."""
    d = x.dtype
    wide = np.float64 if d.itemsize == 8 else np.float32
    rng = np.random.default_rng(1)
    y = conv_reference.conv(x.astype(wide), w.astype(wide), *geometry)
    check("conv", (x, w), y.astype(d), geometry)
    g = rng.standard_normal(y.shape).astype(d)
    dx = conv_reference.conv_input_grad(g.astype(wide), w.astype(wide), x.shape[2:], *geometry)
    check("conv_input_grad", (g, w), dx.astype(d), (x.shape[2:], *geometry))
    dw = conv_reference.conv_weight_grad(g.astype(wide), x.astype(wide), w.shape[2:], *geometry)
    check("conv_weight_grad", (g, x), dw.astype(d), (w.shape[2:], *geometry))


def random_case(rng: np.random.Generator) -> tuple[Any, ...]:
    def some(low: int, high: int, n: int) -> tuple[int, ...]:
        return tuple(int(v) for v in rng.integers(low, high, n))

    n = int(rng.integers(1, 4))
    groups = int(rng.choice([1, 1, 2, 3]))
    channels, outputs = groups * int(rng.integers(1, 6)), groups * int(rng.choice([1, 3, 4, 17, 40]))
    kernel, stride, dilation = some(1, 5, n), some(1, 4, n), some(1, 3, n)
    padding = tuple(some(-1, 3, 2) for _ in range(n))
    least = (d * (k - 1) + 1 - lo - hi for k, d, (lo, hi) in zip(kernel, dilation, padding, strict=True))
    size = tuple(max(a, b, 1) for a, b in zip(some(1, 20 if n < 3 else 7, n), least, strict=True))
    x, w = (int(rng.integers(1, 4)), channels, *size), (outputs, channels // groups, *kernel)
    return x, w, (stride, padding, dilation, groups)


@pytest.mark.parametrize("seed", range(20))
def test_random_geometries(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w, geometry = random_case(rng)
    d = np.float32 if seed % 2 else np.float64
    check_all(rng.standard_normal(x).astype(d), rng.standard_normal(w).astype(d), geometry)


def square(stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1) -> tuple[Any, ...]:
    return (stride,) * 2, ((padding, padding),) * 2, (dilation,) * 2, groups


@pytest.mark.parametrize(
    ("x", "w", "geometry"),
    [
        ((3, 20, 16, 16), (40, 20, 3, 3), square(1, 1)),
        ((2, 35, 15, 17), (33, 35, 3, 3), square(2, 1)),
        ((5, 70, 4, 4), (130, 70, 3, 3), square(1, 1)),
        ((2, 70, 16, 16), (20, 70, 1, 1), square()),
        ((2, 10, 16, 16), (20, 10, 1, 1), square(2)),
        ((2, 3, 33, 33), (20, 3, 7, 7), square(2, 3)),
        ((2, 18, 9, 9), (18, 18, 4, 4), square(2, 1)),
        ((2, 18, 9, 9), (18, 18, 2, 2), square(3)),
        ((2, 18, 9, 60), (18, 18, 3, 3), square(3, 1)),
        ((3, 6, 15, 40), (24, 6, 5, 5), square(2, 2)),
        ((2, 3, 32, 32), (20, 3, 8, 8), square(8)),
        ((1, 1, 300), (24, 1, 16), ((4,), ((2, 1),), (1,), 1)),
        ((2, 32, 9, 40), (32, 1, 3, 3), square(1, 1, 1, 32)),
        ((2, 32, 9, 40), (32, 1, 3, 3), square(2, 1, 1, 32)),
        ((2, 8, 9, 40), (16, 2, 5, 5), square(1, 2, 2, 4)),
        ((1, 1, 1, 2000), (17, 1, 1, 25), square(5)),
        ((0, 3, 8, 8), (20, 3, 3, 3), square()),
        ((2, 0, 8, 8), (20, 0, 3, 3), square()),
        ((2, 3, 2, 2), (20, 3, 3, 3), square()),
    ],
)
def test_usual_shapes(x: tuple[int, ...], w: tuple[int, ...], geometry: tuple[Any, ...]) -> None:
    rng = np.random.default_rng(0)
    check_all(rng.standard_normal(x).astype(np.float32), rng.standard_normal(w).astype(np.float32), geometry)


def finished(
    name: str, arrays: tuple[np.ndarray, ...], shape: tuple[int, ...], attrs: tuple[Any, ...], shares: int
) -> tuple[list[np.ndarray], np.ndarray]:
    """What a finisher's calls store: the sum with a bias, its sigmoid plus a residual, and where that is
    below a number for each row; and what they should."""
    rng = np.random.default_rng(3)
    d = arrays[0].dtype
    bias, below = rng.standard_normal(shape[1]).astype(d), rng.standard_normal(shape[2]).astype(d)
    rest = rng.standard_normal((shape[1], shape[0], *shape[2:])).astype(d).swapaxes(0, 1)
    outs = [np.full(shape, 7, d), np.full(shape, 7, d), np.full(shape, 7, np.bool_)]
    buffers = [*outs, *arrays, bias, below, rest]
    plan = Plan(len(buffers), shares)
    wide = DTYPES[np.dtype(np.float64 if d.itemsize == 8 else np.float32)]
    kind, first = DTYPES[d], len(outs) + len(arrays)
    spatial = len(shape) - 2
    extras = (
        Array(first, 0, shape, (0, 1, *(0,) * spatial), kind),
        Array(first + 1, 0, shape, (0, 0, 1, *(0,) * (spatial - 1)), kind),
        described(first + 2, rest),
    )
    total = kept(0, wide).cast(kind) + load(0, kind)
    active = maximum(1 / (1 + exp(-total.cast(wide))), 0.25).cast(kind) + load(2, kind)
    results = tuple((e, described(i, outs[i])) for i, e in enumerate((total, active, active < load(1, kind))))
    inputs = tuple(described(i, a) for i, a in enumerate(arrays, len(outs)))
    assert FINISHERS[name](plan, Finish(results, extras), inputs, attrs)
    run_calls(plan, buffers, shares)
    plain = planned(name, arrays, (outs[0],), attrs, 1)[0].astype(np.float64)
    column = (slice(None), *(None,) * spatial)
    before = plain + bias.astype(np.float64)[column]
    after = np.maximum(1 / (1 + np.exp(-before)), 0.25) + rest.astype(np.float64)
    return outs, np.stack([before, after, after < below.astype(np.float64)[column[:-1]]])


@pytest.mark.parametrize(
    ("x", "w", "geometry", "d"),
    [
        ((2, 19, 9, 11), (35, 19, 3, 3), square(1, 1), np.float32),
        ((3, 6, 10, 9), (34, 6, 3, 3), square(2, 1), ml_dtypes.bfloat16),
        ((4, 34, 7, 9), (38, 34, 3, 3), square(1, 1), ml_dtypes.bfloat16),
        ((2, 64, 9, 8), (48, 32, 3, 3), square(2, 1, 1, 2), ml_dtypes.bfloat16),
        ((5, 32, 6, 6), (32, 32, 1, 1), square(2, 0), ml_dtypes.bfloat16),
        ((2, 12, 7, 7), (20, 6, 3, 2), square(3, 2, 1, 2), np.float64),
        ((3, 32, 9, 40), (32, 1, 3, 3), square(2, 1, 1, 32), np.float32),
        ((3, 32, 9, 33), (32, 1, 3, 3), square(1, 1, 1, 32), ml_dtypes.bfloat16),
        ((2, 3, 12, 32), (7, 3, 5, 5), square(1, 2), np.float64),
        ((2, 20, 10, 10), (24, 20, 1, 1), square(2), np.float32),
        ((2, 20, 8, 48), (24, 20, 3, 3), square(3, 1), np.float32),
    ],
)
@pytest.mark.parametrize("name", ["conv", "conv_input_grad"])
def test_finishing(
    name: str, x: tuple[int, ...], w: tuple[int, ...], geometry: tuple[Any, ...], d: Any
) -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal(w).astype(d)
    shape = (
        x[0],
        w[0],
        *pool_out_size(x[2:], w[2:], geometry[0], [p for p, _ in geometry[1]], geometry[2], False),
    )
    if name == "conv":
        arrays, attrs = (rng.standard_normal(x).astype(d), weight), geometry
    else:
        arrays, shape, attrs = (rng.standard_normal(shape).astype(d), weight), x, (x[2:], *geometry)
    found, expected = finished(name, arrays, shape, attrs, 1)
    again, _ = finished(name, arrays, shape, attrs, 3)
    assert [a.tobytes() for a in found] == [a.tobytes() for a in again]
    tolerance = {8: 1e-12, 4: 1e-5, 2: 2e-2}[np.dtype(d).itemsize]
    for a, b in zip(found[:2], expected, strict=False):
        np.testing.assert_allclose(a.astype(np.float64), b, rtol=tolerance, atol=tolerance)
    if d is not ml_dtypes.bfloat16:
        assert (found[2] != expected[2]).mean() < 1e-3


@pytest.mark.parametrize("d", [ml_dtypes.bfloat16, np.float16])
@pytest.mark.parametrize("groups", [1, 18])
def test_halves_are_summed_wide(d: Any, groups: int) -> None:
    rng = np.random.default_rng(0)
    x, w = (
        rng.standard_normal((2, 18, 9, 9)).astype(d),
        rng.standard_normal((36, 18 // groups, 3, 3)).astype(d),
    )
    check_all(x, w, square(1, 1, 1, groups))


@pytest.mark.parametrize(
    ("x", "w", "geometry"),
    [
        ((4, 34, 7, 9), (38, 34, 3, 3), square(1, 1)),
        ((2, 64, 9, 8), (48, 32, 3, 3), square(2, 1, 1, 2)),
        ((5, 32, 6, 6), (32, 32, 1, 1), square(2, 0)),
        ((3, 33, 6, 6), (35, 33, 3, 3), square(1, 1)),
        ((2, 40, 11, 11), (24, 40, 3, 3), square(1, 2, 2)),
    ],
)
def test_pairs_of_channels_and_images(x: Any, w: Any, geometry: tuple[Any, ...]) -> None:
    rng = np.random.default_rng(0)
    check_all(*(rng.standard_normal(shape).astype(ml_dtypes.bfloat16) for shape in (x, w)), geometry)


def test_any_strides() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((9, 12, 3, 20)).astype(np.float32).transpose(2, 3, 0, 1)
    w = rng.standard_normal((3, 3, 20, 34)).astype(np.float32)[::-1].transpose(3, 2, 0, 1)
    check_all(x, w, square(1, 1))
    check_all(x[..., ::2], w[:3, :, ::2], square(2, 1))


@pytest.mark.parametrize("records", [conv_records, pool_records])
def test_samples(records: Any) -> None:
    ops = [
        op for op in vars(records).values() if isinstance(op, Op) and ("conv" in op.name or "pool" in op.name)
    ]
    assert len(ops) >= 3
    for op in ops:
        for sample in op.samples():
            arrays = tuple(np.asarray(a) for a in sample.arrays)
            attrs = tuple(sample.attrs[name] for name in op.attrs)
            check(op.name, arrays, op.numpy(*arrays, *attrs), attrs)


@pytest.mark.parametrize("seed", range(12))
def test_pools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 1 + seed % 3
    kernel, stride, dilation = (tuple(map(int, rng.integers(1, top, n))) for top in (5, 4, 3))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    size = tuple(map(int, rng.integers(9, (45, 24, 12)[n - 1], n)))
    x = rng.standard_normal((*((2, 3) if seed % 4 else (0,)), *size)).astype(
        np.float64 if seed % 2 else np.float32
    )
    spotted = np.where(rng.random(x.shape) < 0.05, np.nan, np.round(x)).astype(x.dtype)
    for values in (spotted, np.full_like(x, -np.inf)):
        out = pool_out_size(size, kernel, stride, padding, dilation, bool(seed % 2))
        at = pool_reference.max_pool_indices(values, kernel, stride, padding, dilation, out)
        largest = pool_reference.take(values, at, n)
        check("max_pool", (values,), (largest, at), (kernel, stride, padding, dilation, out))
    g = rng.standard_normal(at.shape).astype(x.dtype)
    check("pool_take", (x, at), pool_reference.take(x, at, n), (n,))
    check("pool_put", (g, at), pool_reference.put(g, at, size), (size,))
    out = pool_out_size(size, kernel, stride, padding, (1,) * n, bool(seed % 2))
    rest = (kernel, stride, padding)
    how = (bool(seed % 3), 3 if seed % 5 == 0 else None)
    check("avg_pool", (x,), pool_reference.avg_pool(x, *rest, out, *how), (*rest, out, *how))
    g = rng.standard_normal((*x.shape[: x.ndim - n], *out)).astype(x.dtype)
    check("avg_pool_grad", (g,), pool_reference.avg_pool_grad(g, size, *rest, *how), (size, *rest, *how))


@pytest.mark.parametrize("seed", range(9))
def test_adaptive_pools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 1 + seed % 3
    size, cells = tuple(map(int, rng.integers(3, 20, n))), tuple(map(int, rng.integers(1, 9, n)))
    x = rng.standard_normal((2, 3, *size)).astype(np.float32)
    g = rng.standard_normal((2, 3, *cells)).astype(np.float32)
    check("adaptive_avg_pool", (x,), pool_reference.adaptive_avg_pool(x, cells), (cells,))
    check("adaptive_avg_pool_grad", (g,), pool_reference.adaptive_avg_pool_grad(g, size), (size,))
    x[rng.random(x.shape) < 0.1] = np.nan
    check("adaptive_max_index", (x,), pool_reference.adaptive_max_pool_indices(x, cells), (cells,))


@pytest.mark.parametrize("d", [ml_dtypes.bfloat16, np.float16])
def test_pools_of_halves(d: Any) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 8, 9)).astype(d)
    wide = x.astype(np.float32)
    how = ((2, 2), (2, 2), (0, 0))
    out = (4, 4)
    at = pool_reference.max_pool_indices(wide, *how, (1, 1), out)
    check("max_pool", (x,), (pool_reference.take(x, at, 2), at), (*how, (1, 1), out))
    check("pool_take", (x, at), pool_reference.take(x, at, 2), (2,))
    mean = pool_reference.avg_pool(wide, *how, out)
    check("avg_pool", (x,), mean.astype(d), (*how, out, True, None))
    g = mean.astype(d)
    back = pool_reference.avg_pool_grad(g.astype(np.float32), (8, 9), *how)
    check("avg_pool_grad", (g,), back.astype(d), ((8, 9), *how, True, None))


@pytest.mark.parametrize("cpu", ["avx2", "sse2"])
def test_lesser_processors(cpu: str) -> None:
    if os.environ.get("FLAMBEAU_CPU"):
        pytest.skip("runs for one processor already")
    chosen = [f"test_random_geometries[{i}]" for i in range(3)] + [
        "test_pools[1]",
        "test_pools[2]",
        "test_samples",
    ]
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *(f"{__file__}::{name}" for name in chosen)],
        env={**os.environ, "FLAMBEAU_CPU": cpu}, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="protects pages by Linux's mprotect")
def test_pools_read_nothing_outside_of_the_input() -> None:
    libc, page = ctypes.CDLL(None, use_errno=True), mmap.PAGESIZE
    memory = mmap.mmap(-1, 3 * page)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (base, base + 2 * page):
        assert libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0) == 0
    x = np.frombuffer(memory, np.float32, page // 4, page).reshape(1, 1, 16, page // 64)
    x[:] = np.random.default_rng(0).standard_normal(x.shape)
    for stride in (1, 2, 3):
        attrs = ((3, 3), (stride, stride), (1, 1), (1, 1), (-(-16 // stride), -(-(page // 64) // stride)))
        at = pool_reference.max_pool_indices(x, *attrs)
        check("max_pool", (x,), (pool_reference.take(x, at, 2), at), attrs)
        attrs = (*attrs[:3], attrs[4], True, None)
        check("avg_pool", (x,), pool_reference.avg_pool(x, *attrs), attrs)
    for guard in (base, base + 2 * page):
        assert libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 3) == 0
