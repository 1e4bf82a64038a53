"""Lowered operations and the functions of the scalar language, compiled, against NumPy."""

import importlib
import itertools
import math
import os
import pkgutil
import subprocess
import sys

import numpy as np
import pytest

import flambeau as torch
from flambeau import ops as room
from flambeau.compiler import expression as ex
from flambeau.compiler import mathematics
from flambeau.compiler.calls import Plan, run_calls
from flambeau.compiler.cpu.emit import STORED, Function, vector
from flambeau.compiler.cpu.scalar import decode, emit, encode, splat
from flambeau.core import dtype as dt
from flambeau.ops.op import Op
from flambeau.runtime.calls import Address
from flambeau.runtime.kernels import kernel

for module in pkgutil.iter_modules(room.__path__):
    importlib.import_module(f"{room.__name__}.{module.name}")

LOWERED = [name for name, op in Op.registry.items() if op.lower is not None]
REAL = [d for d in dt.ALL if not d.is_complex]
FLOATS = [d for d in REAL if d.is_floating_point]
COMPUTED = (dt.float32, dt.float64)
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    3.0,
    1e-3,
    7.25,
    88.0,
    -104.0,
    1e5,
    -3e9,
    1e30,
    math.inf,
    -math.inf,
    math.nan,
]
PADDING = 64  # elements after the end, as there are no tails


# ----- a kernel over flat arrays -----


def compiled(roots, lanes, *arrays):
    """The values of expressions, whose loads are of the arrays by number."""
    n = len(arrays[0])

    def build(module):
        f = Function(module, "flat")
        count = f.word(0)
        pointers = [f.pointer(1 + i, STORED[d]) for i, d in enumerate(kinds)]

        def element(i, place):
            return f.at(pointers[i], place, vector(STORED[kinds[i]], lanes))

        with f.loop(0, count, lanes) as i:
            leaf = lambda e: decode(f, f.load(element(e.data, i)), e.dtype)  # noqa: E731
            for k, value in enumerate(emit(f, roots, lanes, leaf)):
                stored = encode(f, splat(f, value, lanes), roots[k].dtype)
                f.store(stored, element(len(arrays) + k, i))
        f.finish()

    kinds = [dt.from_numpy(a.dtype) for a in arrays] + [r.dtype for r in roots]
    inputs = [np.concatenate([a, np.zeros(PADDING, a.dtype)]) for a in arrays]
    results = [np.zeros(n + PADDING, r.dtype.np) for r in roots]
    plan = Plan(len(kinds))
    made = kernel("flat", (ex.numbered(roots)[1], lanes), build)
    plan.call(made, [-(-n // lanes) * lanes, *map(Address, range(len(kinds)))])
    run_calls(plan, inputs + results)
    return [r[:n] for r in results]


def loads(*arrays):
    return [ex.load(i, dt.from_numpy(a.dtype)) for i, a in enumerate(arrays)]


def wide(a):
    return a.astype(np.float64) if a.dtype.kind in "fV" else a


DIGITS = {"float64": (52, -1022), "float32": (23, -126), "float16": (10, -14), "bfloat16": (7, -126)}


def distance(got, want):
    """Of each pair the distance in units of the last place of `want`, which may be more exact; infinite where
    a NaN, an infinity or the sign of a zero is amiss."""
    digits, lowest = DIGITS[got.dtype.name]
    near, exact = wide(want.astype(got.dtype)), want if want.dtype.kind == "f" else wide(want)
    step = np.ldexp(1.0, np.maximum(np.frexp(near)[1] - 1, lowest) - digits)
    value = wide(got)
    off = (
        np.abs(got.astype(exact.dtype) - exact) / step
        if got.dtype.kind == "f"
        else np.abs(value - exact) / step
    )
    same = (value == near) & ((value != 0) | (np.signbit(value) == np.signbit(near)))
    finite = np.isfinite(value) & np.isfinite(near) & ~((value == 0) & (near == 0))
    return np.where(same | ((value != value) & (near != near)), 0.0, np.where(finite, off, np.inf)).astype(
        float
    )


# ----- operations -----

# What subtracts nearly equal intermediate values: an error of a few units in the last place of the largest
# input is allowed.
CANCELS = {
    "gelu",
    "gelu_tanh",
    "mish",
    "logaddexp",
    "softplus",
    "logsigmoid",
    "logit",
    "elu",
    "silu",
    "phase_free",
}


def special(d, op):
    """Arrays of a dtype, as many as the operation has inputs, with each combination of special and random
    numbers."""
    rng = np.random.default_rng(3)
    if d is dt.bool_:
        values = np.array([False, True])
    elif d.is_floating_point:
        some = np.array(SPECIAL) if len(op.inputs) > 1 else np.concatenate([SPECIAL, rng.uniform(-4, 4, 200)])
        values = some.astype(d.np)
    else:
        limits, count = np.iinfo(d.np), 8 if len(op.inputs) > 1 else 100
        some = rng.integers(limits.min, limits.max, count, endpoint=True)
        values = np.concatenate(
            [np.array([0, 1, 2, 3, 7, -1, -5, 63]), [limits.min, limits.max], some]
        ).astype(d.np)
    pairs = np.array(list(itertools.product(range(len(values)), repeat=min(len(op.inputs), 2)))).T
    columns = [values[p] for p in pairs]
    while len(columns) < len(op.inputs):
        columns.append(rng.permutation(columns[-1]))
    return columns


def cases(op):
    """(arrays, attributes) in every dtype that the operation takes."""
    for sample in op.samples():
        for d in REAL:
            arrays = [a.astype(d.np) if a.dtype.kind == "f" else a for a in sample.arrays]
            if any(a.dtype.kind == "c" for a in arrays) or getattr(
                sample.attrs.get("d"), "is_complex", False
            ):
                continue
            yield arrays, sample.attrs
            if not any(a.dtype.kind == "f" for a in sample.arrays):
                break
    attrs = op.samples()[0].attrs
    for d in REAL:
        targets = [{**attrs, "d": t} for t in REAL] if "d" in attrs else [attrs]
        for target in targets:
            yield special(d, op), target


def lowered(op, node_dtype, arrays, attrs):
    """The operation's expression, or NotImplemented."""
    xs = [x.cast(dt.float32) if op.widens and x.dtype in dt.HALVES else x for x in loads(*arrays)]
    made = op.lower(*xs, *attrs)
    return made if made is NotImplemented else made.cast(node_dtype)


@pytest.fixture(autouse=True)
def silent():
    """Special values make NumPy warn."""
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("name", LOWERED)
def test_compiled_operations_give_what_numpy_gives(name):
    op, groups = Op.registry[name], {}
    for arrays, attrs in cases(op):
        node = recorded_node(op, arrays, attrs)
        if node is None:
            continue
        d, ins, attrs = node
        key = (d, tuple(a.dtype for a in ins), attrs)
        flat = [a.reshape(-1) for a in np.broadcast_arrays(*ins)]
        groups.setdefault(key, []).append(flat)
    compared = 0
    for (d, _, attrs), parts in groups.items():
        arrays = [np.concatenate(column) for column in zip(*parts, strict=True)]
        e = lowered(op, d, arrays, attrs)
        if e is NotImplemented:
            continue
        compared += 1
        (got,) = compiled([e], 16, *arrays)
        check(op, arrays, attrs, got)
    assert compared


def recorded_node(op, arrays, attrs):
    """The dtype that a call gives, the arrays that it computes with, its attributes; None if it refuses."""
    tensors = [torch.tensor(a) for a in arrays]
    if op.name == "where":
        tensors[0] = tensors[0].bool()
    try:
        t = op.on_sample(tensors, attrs)
    except (NotImplementedError, RuntimeError):
        return None
    node = t._node
    if node.op is not op or node.dtype.is_complex:
        return None
    return node.dtype, [evaluated(n) for n in node.inputs], node.attrs


def evaluated(node):
    """A node's value, by NumPy."""
    if node.value is not None:
        return node.value
    return node.op.numpy(*map(evaluated, node.inputs), *node.attrs).astype(node.dtype.np)


def check(op, arrays, attrs, got):
    """Equal for whole numbers and truth values; near for floats."""
    halves = [
        a.astype(np.float32) if op.widens and a.dtype.itemsize == 2 and a.dtype.kind in "fV" else a
        for a in arrays
    ]
    want = np.asarray(op.numpy(*halves, *attrs)).astype(got.dtype)
    label = f"{op.name} {[a.dtype.name for a in arrays]} -> {got.dtype.name} {attrs}"
    if got.dtype.kind not in "fV":
        np.testing.assert_array_equal(got, want, label)
        return
    off = distance(got, want)
    if op.name in CANCELS:
        size = sum(np.abs(np.nan_to_num(wide(a), posinf=0, neginf=0)) for a in arrays) + 1
        off = np.where(np.abs(wide(got) - wide(want)) <= 8 * size * 2.0 ** -DIGITS[got.dtype.name][0], 0, off)
    limit = 1.5 if got.dtype.itemsize == 2 else 4.5
    worst = int(np.argmax(off))
    shown = [a[worst] for a in arrays], got[worst], want[worst]
    assert off[worst] <= limit, f"{label}: {off[worst]:.1f} units off at {shown}"


# ----- functions -----

# The largest distance allowed from the exact value, in units of the last place; 3 where it isn't named.
ALLOWED = {"erfc": 4.5, "tan": 4, "asin": 4, "acos": 4}
PRECISE = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2, "pow": np.power,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
}  # fmt: skip


def precise(name):
    """A function of NumPy's that is more exact than float32."""
    return PRECISE.get(name) or getattr(np, name, None)


def arguments(d, count):
    """Numbers near 1, in the range of exponentials, at the limits, and of all magnitudes."""
    rng = np.random.default_rng(count)
    every = rng.integers(0, 2 ** (8 * d.itemsize) - 1, 20_000, dtype=f"u{d.itemsize}").view(d.np)
    limits = np.finfo(d.np)
    edges = np.array(
        [limits.max, limits.tiny, limits.smallest_subnormal, 709.7, 88.72, 103.9, 1e6, 1.5e9, 3e22]
    )
    parts = [rng.uniform(-1, 1, 20_000), rng.uniform(-110, 110, 20_000), 1 + rng.uniform(-1e-3, 1e-3, 5_000)]
    x = np.concatenate([*parts, SPECIAL, edges, -edges]).astype(d.np)
    return np.concatenate([x, every])


@pytest.mark.parametrize("d", COMPUTED, ids=lambda d: d.name)
@pytest.mark.parametrize("name", sorted(mathematics.NAMES - {"erf", "erfc", "erfinv"}))
def test_functions_are_exact_to_a_few_last_places(name, d):
    count = 2 if name in ("pow", "atan2") else 1
    xs = [arguments(d, 1), np.random.default_rng(9).permutation(arguments(d, 2))][:count]
    e = getattr(ex, name)(*loads(*xs))
    if mathematics.expand(e) is None:
        assert d is dt.float64
        return
    (got,) = compiled([e], 16, *xs)
    want = precise(name)(*[x.astype(np.float64 if d is dt.float32 else np.longdouble) for x in xs])
    off = distance(got, want)
    worst = int(np.argmax(off))
    limit = ALLOWED.get(name, 3) if d is dt.float64 else 2.5
    assert off[worst] <= limit, f"{off[worst]:.2f} units off at {[x[worst] for x in xs]}: {got[worst]}"


@pytest.mark.parametrize("name", ["erf", "erfc"])
@pytest.mark.parametrize("d", COMPUTED, ids=lambda d: d.name)
def test_error_functions_are_exact_to_a_few_last_places(name, d):
    x = np.concatenate([np.linspace(-6, 6, 301), np.linspace(-1e-3, 1e-3, 21), [9.5, 20.0]]).astype(d.np)
    (got,) = compiled([getattr(ex, name)(*loads(x))], 16, x)
    want = np.array([getattr(math, name)(v) for v in x.astype(float)])
    off = distance(got, want)
    assert off.max() <= 4.5, (off.max(), x[np.argmax(off)])


def test_the_inverse_error_function_undoes_erf():
    x = np.concatenate([np.linspace(-1, 1, 2001), 1 - np.logspace(-7, -1, 50), np.logspace(-30, 0, 40)])
    x = x.astype(np.float32)
    (got,) = compiled([ex.erfinv(*loads(x))], 16, x)
    inside = np.abs(x) < 1
    back = np.array([math.erf(v) for v in got.astype(float)])
    slope = 2 / math.sqrt(math.pi) * np.exp(-(got.astype(float) ** 2))
    np.testing.assert_array_less(np.abs(back - x)[inside], (np.abs(got) * slope * 2.0**-23 + 1e-45)[inside])
    assert np.array_equal(got[~inside], np.copysign(np.inf, x[~inside]))


# ----- vectors, uniform values, conversions -----


@pytest.mark.parametrize("d", COMPUTED, ids=lambda d: d.name)
def test_the_number_of_lanes_makes_no_difference(d):
    x, y = arguments(d, 1)[::37], arguments(d, 2)[::37]
    a, b = loads(x, y)
    roots = [getattr(ex, n)(a) for n in sorted(mathematics.NAMES - {"pow", "atan2"})]
    roots += [ex.pow(a, b), ex.atan2(a, b), ex.remainder(a, b), ex.floordiv(a, b), ex.minimum(a, b)]
    roots += [ex.rint(a), a.cast(dt.float16), a.cast(dt.bfloat16), a.cast(dt.int32), a.cast(dt.uint8)]
    roots = [r for r in roots if r.op not in mathematics.NAMES or mathematics.expand(r) is not None]
    want = compiled(roots, 16, x, y)
    for lanes in (1, 4):
        for root, got, other in zip(roots, compiled(roots, lanes, x, y), want, strict=True):
            same = (got == other) & (np.signbit(wide(got)) == np.signbit(wide(other)))
            assert np.all(same | ((got != got) & (other != other))), f"{root} by {lanes} lanes"


def test_what_is_the_same_for_all_lanes_stays_a_scalar():
    from llvmlite import ir

    f = Function(ir.Module("uniform"), "uniform")
    number = f.b.sitofp(f.word(0), ir.FloatType())
    x = ir.Constant(ir.VectorType(ir.FloatType(), 8), [1.0] * 8)
    a, b = ex.load(0, dt.float32), ex.load(1, dt.float32)
    uniform, mixed = emit(f, [ex.exp(a) + 1, ex.exp(a) * b], 8, lambda e: (number, x)[e.data])
    assert uniform.type == ir.FloatType() and mixed.type == x.type
    assert str(f.function).count("llvm.ldexp") + str(f.function).count("bitcast") <= 3  # exp once


@pytest.mark.parametrize("d", dt.HALVES, ids=lambda d: d.name)
def test_halves_are_rounded_to_the_nearest_even(d):
    stored = np.arange(2**16, dtype=np.uint16).view(d.np)
    (single,) = compiled([ex.load(0, d).cast(dt.float32)], 16, stored)
    np.testing.assert_array_equal(single, stored.astype(np.float32))
    between = single.view(np.int32)[:, None] + np.array(
        [0, 1, 2**11, 2**12, 2**12 + 1, 2**15 - 1, 2**15, 2**15 + 1]
    )
    x = between.astype(np.int32).view(np.float32).reshape(-1)
    for values in (x, x.astype(np.float64), np.nextafter(x.astype(np.float64), 0)):
        e = loads(values)[0].cast(d)
        (got,) = compiled([e], 16, values)
        want = values.astype(np.float32).astype(d.np) if d is dt.bfloat16 else values.astype(d.np)
        np.testing.assert_array_equal(wide(got), wide(want))


def test_arithmetic_in_halves_is_rounded_at_each_step():
    x, y = (np.random.default_rng(k).normal(size=500).astype(dt.bfloat16.np) for k in (1, 2))
    a, b = loads(x, y)
    (got,) = compiled([a * b + a], 4, x, y)
    product = (x.astype(np.float32) * y.astype(np.float32)).astype(dt.bfloat16.np)
    np.testing.assert_array_equal(wide(got), wide((product.astype(np.float32) + x).astype(dt.bfloat16.np)))


def test_whole_numbers_never_trap():
    x, y = (np.repeat(v, 5) for v in (np.array([-(2**31), 7, -7, 0, 2**31 - 1]), np.zeros(5)))
    x, y = x.astype(np.int32), np.tile([0, -1, 2, -3, 40], 5).astype(np.int32)
    a, b = loads(x, y)
    quotient, rest, left, right = compiled([ex.floordiv(a, b), ex.remainder(a, b), a << b, a >> b], 16, x, y)
    np.testing.assert_array_equal(quotient, np.floor_divide(x, y))
    np.testing.assert_array_equal(rest, np.remainder(x, y))
    np.testing.assert_array_equal(left, np.left_shift(x, y))
    np.testing.assert_array_equal(right, np.right_shift(x, y))


def test_computed_twice_is_emitted_once():
    a = ex.load(0, dt.float32)
    once = ex.numbered(mathematics.expanded([ex.exp(a)]))[0]
    twice = ex.numbered(mathematics.expanded([ex.exp(a) + ex.exp(ex.load(0, dt.float32))]))[0]
    assert len(twice) == len(once) + 1


def test_functions_without_a_way_are_refused():
    x = ex.load(0, dt.float64)
    assert mathematics.expand(ex.pow(x, x)) is None
    with pytest.raises(NotImplementedError, match="pow of float64"):
        mathematics.expanded([ex.pow(x, x)])


@pytest.mark.parametrize("cpu", ["avx2", "sse2"])
def test_lesser_processors(cpu):
    """The functions and conversions again, for processors that lack instructions."""
    if os.environ.get("FLAMBEAU_CPU"):
        return
    chosen = "exp- or sin- or tanh- or log- or halves or lanes or [floor] or [ceil] or [trunc] or [round]"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", chosen, __file__]
    done = subprocess.run(command, env=os.environ | {"FLAMBEAU_CPU": cpu}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
