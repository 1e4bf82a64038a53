"""Which dtype comes out: all pairs of dtypes, as tensors, 0-d tensors and Python numbers, compared with
PyTorch (values too)."""

import operator
from itertools import product

import pytest
from both import as_numpy, difference, plain

import flambeau

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]

DTYPES = [
    "bool",
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
NUMBERS = (True, 2, -3, 2.5, 1 + 2j)
OPERATIONS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "<": operator.lt,
    "==": operator.eq,
    "&": operator.and_,
    "<<": operator.lshift,
    "+=": operator.iadd,
    "*=": operator.imul,
    "/=": operator.itruediv,
    "|=": operator.ior,
    "where": lambda x, y: x.where(x == x, y),
}
FUNCTIONS = {
    "maximum": lambda T, x, y: T.maximum(x, y),
    "atan2": lambda T, x, y: T.atan2(x, y),
    "cat": lambda T, x, y: T.cat([x, y]),
    "result_type": lambda T, x, y: T.result_type(x, y),
    **{name: lambda T, x, y, f=f: f(x, y) for name, f in OPERATIONS.items()},
}


def outcome(f, *args):
    try:
        return plain(f(*args))
    except Exception as error:
        return error


def operand(T, dtype, shape, numbers):
    values = T.tensor(numbers).to(getattr(T, dtype))
    return values if shape else values[0]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_with_tensors(name, dtype):
    wrong = []
    for other, x_shape, y_shape in product(DTYPES, (True, False), (True, False)):
        got, want = (
            outcome(
                FUNCTIONS[name],
                T,
                operand(T, dtype, x_shape, [3, 1, 2]),
                operand(T, other, y_shape, [2, 3, 1]),
            )
            for T in (flambeau, torch)
        )
        found = difference(got, want)
        if found and not unequal_by_design(dtype, other):
            wrong.append(
                f"{dtype}{'' if x_shape else ' (0-d)'} {name} {other}{'' if y_shape else ' (0-d)'}: {found}"
            )
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_with_numbers(name, dtype):
    wrong = []
    for number, shape, turned in product(NUMBERS, (True, False), (False, True)):
        if turned and (name == "where" or name.endswith("=")):
            continue
        x, y = (operand(T, dtype, shape, [3, 1, 2]) for T in (flambeau, torch))
        got, want = (outcome(OPERATIONS[name], *((number, t) if turned else (t, number))) for t in (x, y))
        found = difference(got, want)
        if found and not unequal_by_design(dtype, type(number).__name__):
            wrong.append(
                f"{dtype}{'' if shape else ' (0-d)'} {name} {number}{', turned' if turned else ''}: {found}"
            )
    assert not wrong, "\n".join(wrong)


def unequal_by_design(dtype, other):
    """PyTorch has a complex type for float16 that can do next to nothing; here it is complex64. It divides by
    rounded reciprocals."""
    return ("float16" in (dtype, other) and "complex" in dtype + other) or (dtype, other) == (
        "bfloat16",
        "complex",
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_promote_types_and_can_cast(dtype):
    for other in DTYPES:
        for f in ("promote_types", "can_cast"):
            got, want = (getattr(T, f)(getattr(T, dtype), getattr(T, other)) for T in (flambeau, torch))
            assert str(got) == str(want), (f, dtype, other)


@pytest.mark.parametrize("to", DTYPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_conversion(dtype, to):
    x, y = (T.tensor([0.0, 1.0, 3.7, -2.5, 100.0]).to(getattr(T, dtype)) for T in (flambeau, torch))
    assert not difference(as_numpy(x.to(getattr(flambeau, to))), as_numpy(y.to(getattr(torch, to))))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_range_of_a_dtype(dtype):
    info = "iinfo" if dtype.startswith(("int", "uint")) else "finfo"
    if dtype == "bool":
        return
    ours, theirs = (
        getattr(flambeau, info)(getattr(flambeau, dtype)),
        getattr(torch, info)(getattr(torch, dtype)),
    )
    for name in (
        "bits",
        "max",
        "min",
        *(("eps", "tiny", "smallest_normal", "resolution") if info == "finfo" else ()),
    ):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-6), name


def test_the_default_dtype_decides_for_numbers():
    for T in (flambeau, torch):
        T.set_default_dtype(T.float64)
    try:
        for dtype in ("bool", "uint8", "int64", "float32", "complex64"):
            got, want = (
                [
                    str((operand(T, dtype, True, [3, 1, 2]) / 2).dtype),
                    str((operand(T, dtype, True, [3, 1, 2]) * 2.5).dtype),
                ]
                for T in (flambeau, torch)
            )
            assert got == want
    finally:
        for T in (flambeau, torch):
            T.set_default_dtype(T.float32)
